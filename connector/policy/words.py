"""What differs between two versions of the mapping files, key by key, as sentences an admin can read.

Not here: what that changes on deals (``engine.policydiff``) and remembering versions (``store.policies``). Comments,
blank lines and the order of keys do not count; the order of lists whose first match wins does.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from connector.settings.spans import ITEM_NAMES

CUT = 120
"""Characters of a value that are shown."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One key that is not what it was; ``key`` is empty where it is about the whole file."""

    file: str
    key: str
    words: str


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Difference, ...]:
    """Everything that differs, by file and key. Raises tomllib.TOMLDecodeError for a file that is no TOML."""
    found: list[Difference] = []
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            found.append(Difference(name, "", "is new"))
        elif name not in after:
            found.append(Difference(name, "", "is gone"))
        elif name.endswith(".toml"):
            old, new = (tomllib.loads(each[name], parse_float=Decimal) for each in (before, after))
            found += [Difference(name, key, words) for key, words in _tables(old, new, "")]
        elif before[name] != after[name]:
            found.append(Difference(name, "", _text_words(before[name], after[name])))
    return tuple(found)


def _tables(old: Mapping[str, Any], new: Mapping[str, Any], at: str) -> Iterator[tuple[str, str]]:
    for key in [*old, *(key for key in new if key not in old)]:
        here = f"{at}.{key}" if at else key
        if key not in new:
            yield here, f"taken out (was {_shown(old[key])})"
        elif key not in old:
            yield here, f"added: {_shown(new[key])}"
        else:
            yield from _values(old[key], new[key], here)


def _values(old: Any, new: Any, at: str) -> Iterator[tuple[str, str]]:
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from _tables(old, new, at)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _lists(old, new, at)
    else:
        yield at, f"{_shown(old)} → {_shown(new)}"


def _lists(old: list[Any], new: list[Any], at: str) -> Iterator[tuple[str, str]]:
    was, becomes = _named(old), _named(new)
    if was is None or becomes is None:
        gone = [_shown(each) for each in old if each not in new]
        more = [_shown(each) for each in new if each not in old]
        parts = [f"without {', '.join(gone)}"] * bool(gone) + [f"with {', '.join(more)}"] * bool(more)
        yield at, "; ".join(parts) or f"in another order: {_shown(new)}"
        return
    for name in [*was, *(name for name in becomes if name not in was)]:
        here = f"{at}[{name}]"
        if name not in becomes:
            yield here, "taken out"
        elif name not in was:
            yield here, f"added: {_shown(becomes[name])}"
        else:
            yield from _values(was[name], becomes[name], here)
    both_old, both_new = ([name for name in one if name in other] for one, other in ((was, becomes), (becomes, was)))
    if both_old != both_new:
        yield at, f"in another order: {', '.join(becomes)}"


def _named(items: Sequence[Any]) -> dict[str, Any] | None:
    """Items of a list by their names; None where they have none of their own."""
    found: dict[str, Any] = {}
    for item in items:
        if not isinstance(item, Mapping):
            return None
        name = next((str(item[key]) for key in ITEM_NAMES if key in item), None)
        if name is None or name in found:
            return None
        found[name] = item
    return found


def _text_words(old: str, new: str) -> str:
    changes = [line for line in difflib.ndiff(old.splitlines(), new.splitlines()) if line[:2] in ("+ ", "- ")]
    more, gone = (sum(line.startswith(sign) for line in changes) for sign in ("+ ", "- "))
    if not changes:
        return "its text differs in blanks at the end"
    first = changes[0][2:].strip()
    return f"its text changed: {more} line{'' if more == 1 else 's'} more, {gone} less, from {_cut(first)!r} on"


def _shown(value: Any) -> str:
    return _cut(value if isinstance(value, str) else json.dumps(value, default=_plain, ensure_ascii=False))


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= CUT else f"{text[: CUT - 1]}…"
