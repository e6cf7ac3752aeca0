"""A TOML file together with where each key and value stands in it, so that every problem can name its place.

Not here: what a file may say (``model``) and how a mistake is worded (``mistakes``). Values come from the standard
parser alone; places come from a second parser and are dropped, not guessed, where the two disagree.
"""

from __future__ import annotations

import os
import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import spanned_toml

from connector.errors import Problem, UserError
from connector.settings.rights import why_not_trusted

KeyPath = tuple[str | int, ...]
"""Where a value is: keys and, in arrays, indexes from 0."""

SYNTAX_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")
ITEM_NAMES = ("name", "step", "field", "title")
"""Keys that name an item of an array better than its number does."""


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column from 1, of a key and of its value."""

    key: tuple[int, int]
    value: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Source:
    """One parsed file: ``file`` as people are shown it, plain ``data``, and the ``text`` it was read from."""

    file: str
    data: Mapping[str, Any]
    text: str

    @property
    def places(self) -> Mapping[KeyPath, Place]:
        """Looked for when the first mistake asks: a file without any is read in half the time."""
        return _places(self.text)

    def where(self, path: KeyPath, *, of_key: bool = False) -> str:
        """``file:line:column`` of a value or its key, or of the nearest known table around it."""
        found, exact = self._nearest(path)
        if found is None:
            return f"{self.file}:1:1"
        line, column = found.key if of_key or not exact else found.value
        return f"{self.file}:{line}:{column}"

    def problem(self, path: KeyPath, message: str, *, of_key: bool = False) -> Problem:
        """A problem at a place of this file."""
        return Problem(where=self.where(path, of_key=of_key), key=self.name(path), message=message)

    def name(self, path: KeyPath) -> str:
        """The dotted key; items of arrays by their name: ``assignment.pools[mid].cap``."""
        text, node = "", self.data
        for part in path:
            node = step(node, part)
            text += f"[{_item_name(node, part)}]" if isinstance(part, int) else f"{'.' if text else ''}{_quoted(part)}"
        return text

    def _nearest(self, path: KeyPath) -> tuple[Place | None, bool]:
        for length in range(len(path), 0, -1):
            place = self.places.get(path[:length])
            if place is not None:
                return place, length == len(path)
        return None, False


def _no_file(path: Path) -> str:
    """What to do about a file that is not there; the first that anybody lacks is config.toml."""
    if path.name == "config.toml":
        return "the file does not exist; go to its folder, name it with --config, or write a first one: handoff init"
    return "the file does not exist; create it or name another"


def read(path: Path) -> Source:
    """Parse a TOML file. Raises UserError when it cannot be read or is not TOML."""
    file = shown(path)
    try:
        open_to = why_not_trusted(path)
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError([Problem(file, "", _no_file(path))]) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError([Problem(file, "", f"cannot be read: {error}")]) from error
    if open_to:
        raise UserError([Problem(file, "", open_to)])
    return parse(text, file=file)


def parse(text: str, *, file: str) -> Source:
    """Parse TOML text. Raises UserError with the place when it is not TOML."""
    try:
        data = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise UserError([_syntax_problem(str(error), text=text, file=file)]) from error
    return Source(file=file, data=data, text=text)


def shown(path: Path) -> str:
    """A path as people are shown it: from where they stand when it lies below, else whole."""
    below = os.path.relpath(path)
    return str(path) if below.startswith("..") else below


def _syntax_problem(message: str, *, text: str, file: str) -> Problem:
    found = SYNTAX_PLACE.search(message)
    line, column = (found.group(1), found.group(2)) if found and found.group(1) else (str(text.count("\n") + 1), "1")
    said = SYNTAX_PLACE.sub("", message)
    return Problem(f"{file}:{line}:{column}", "", f"not valid TOML: {said[:1].lower()}{said[1:]}; mend this line")


@lru_cache(maxsize=16)
def _places(text: str) -> Mapping[KeyPath, Place]:
    source = text.replace("\r\n", "\n")
    try:
        tree = spanned_toml.loads(source)
    except (ValueError, AssertionError, RecursionError):
        return {}
    starts = [0, *(match.end() for match in re.finditer("\n", source))]
    places: dict[KeyPath, Place] = {}
    _collect(tree, path=(), starts=starts, places=places)
    return places


def _collect(node: Any, *, path: KeyPath, starts: list[int], places: dict[KeyPath, Place]) -> None:
    inner = node.inner()
    if isinstance(inner, dict):
        for key, value in inner.items():
            at_key = _line_column(key.span().start, starts)
            span = value.span()
            at_value = _line_column(span.start, starts) if span.stop > span.start else at_key
            below = (*path, key.inner())
            places[below] = Place(at_key, at_value)
            _collect(value, path=below, starts=starts, places=places)
    elif isinstance(inner, list):
        for index, item in enumerate(inner):
            below = (*path, index)
            _collect(item, path=below, starts=starts, places=places)
            place = _item_place(item, below=below, starts=starts, places=places)
            if place is not None:
                places[below] = place


def _item_place(item: Any, *, below: KeyPath, starts: list[int], places: dict[KeyPath, Place]) -> Place | None:
    span = item.span()
    if span.stop > span.start:
        at = _line_column(span.start, starts)
        return Place(at, at)
    inside = [place.key for path, place in places.items() if path[: len(below)] == below]
    return Place(min(inside), min(inside)) if inside else None


def _line_column(offset: int, starts: list[int]) -> tuple[int, int]:
    line = bisect_right(starts, offset)
    return line, offset - starts[line - 1] + 1


def step(node: Any, part: str | int) -> Any:
    """What stands at one key or index of a table or array; None when nothing does."""
    if isinstance(node, Mapping) and isinstance(part, str):
        return node.get(part)
    if isinstance(node, (list, tuple)) and isinstance(part, int) and part < len(node):
        return node[part]
    return None


def value_at(node: Any, path: KeyPath) -> Any:
    """What stands at a path; None when nothing does."""
    for part in path:
        node = step(node, part)
    return node


def _item_name(item: Any, index: int) -> str:
    if isinstance(item, Mapping):
        named = next((item[key] for key in ITEM_NAMES if isinstance(item.get(key), str)), None)
        if named:
            return str(named)
    return str(index + 1)


def _quoted(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f'"{key}"'
