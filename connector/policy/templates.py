"""Templates before they are ever rendered: is the syntax right, and is every word in them known?

Not here: rendering and its limits (``handoff.templating``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from jinja2 import TemplateSyntaxError, nodes
from jinja2.exceptions import TemplateAssertionError
from jinja2.meta import find_undeclared_variables

from connector.errors import Problem
from connector.handoff.templating import ENVIRONMENT, Refusal, refusals
from connector.settings.mistakes import did_you_mean
from connector.settings.rights import why_not_trusted
from connector.settings.spans import shown

FIELDS = "fields"
"""The word under which a template finds every mapped field."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """One mistake in a template: its line from 1, a column from 1, and what to do."""

    line: int
    column: int
    message: str


@dataclass(frozen=True, slots=True)
class Words:
    """What a template may name: words of its own, and what ``fields`` answers to (paths and labels).

    ``open_ended`` says that more fields may exist than are known here, so unknown ones are let pass.
    """

    names: frozenset[str]
    fields: frozenset[str]
    open_ended: bool = False


def complaints(text: str, *, words: Words) -> list[Complaint]:
    """Every mistake in a template's text; its first syntax error hides the rest."""
    try:
        known = _known(text)
    except (TemplateSyntaxError, TemplateAssertionError) as error:
        line = error.lineno
        said = (error.message or "cannot be read").rstrip(".")
        return [
            Complaint(line, _first_column(text, line), f"template error: {said[:1].lower()}{said[1:]}; mend this line")
        ]
    if known.refused:
        return [_refused(text, each) for each in known.refused]
    tree = known.tree
    found = [
        Complaint(*_place(text, _first_line(tree, name), name), f"{name!r} is not known; {_advice(name, words)}")
        for name in sorted(known.undeclared - words.names)
    ]
    found += [
        Complaint(*_place(text, line, name), f"{name!r} is not a mapped field; {did_you_mean(name, words.fields)}")
        for line, name in _fields_named(tree)
        if name not in words.fields and not words.open_ended
    ]
    return sorted(found, key=lambda complaint: (complaint.line, complaint.column))


@dataclass(frozen=True, slots=True)
class _Known:
    """What a template's text tells by itself, whatever it may name. The tree is only to be looked at."""

    tree: nodes.Template
    refused: tuple[Refusal, ...]
    undeclared: frozenset[str]


@lru_cache(maxsize=256)
def _known(text: str) -> _Known:
    """Most texts are met for each vendor, and again when the mappings are. Raises what Jinja does for no template."""
    tree = ENVIRONMENT.parse(text)
    if refused := tuple(refusals(tree)):
        return _Known(tree, refused, frozenset())
    ENVIRONMENT.compile(text)
    return _Known(tree, (), frozenset(find_undeclared_variables(tree)))


def fields_shown(text: str) -> frozenset[str]:
    """The fields that a template names, by whatever name it calls them; none for one that cannot be read."""
    try:
        return frozenset(name for _, name in _fields_named(ENVIRONMENT.parse(text)))
    except (TemplateSyntaxError, TemplateAssertionError):
        return frozenset()


def read_template(path: Path, *, words: Words, problems: list[Problem]) -> str:
    """A template file's text; its mistakes, each with its own place, are added to ``problems``."""
    file = shown(path)
    try:
        if open_to := why_not_trusted(path):
            problems.append(Problem(file, "", open_to))
            return ""
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        problems.append(Problem(file, "", "this template is named but cannot be read; create it or name another"))
        return ""
    problems.extend(
        Problem(f"{file}:{found.line}:{found.column}", "", found.message) for found in complaints(text, words=words)
    )
    return text


def _refused(text: str, refusal: Refusal) -> Complaint:
    return Complaint(refusal.line, _first_column(text, refusal.line), f"template error: {refusal.message}")


def _advice(name: str, words: Words) -> str:
    return f'write fields["{name}"]' if name in words.fields else did_you_mean(name, words.names)


def _fields_named(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    """Each ``fields.name`` and ``fields["name"]`` with its line."""
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        assert isinstance(node, (nodes.Getattr, nodes.Getitem))
        if not isinstance(node.node, nodes.Name) or node.node.name != FIELDS:
            continue
        if isinstance(node, nodes.Getattr):
            yield node.lineno, node.attr
        elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            yield node.lineno, node.arg.value


def _first_line(tree: nodes.Template, name: str) -> int:
    return min((node.lineno for node in tree.find_all(nodes.Name) if node.name == name), default=1)


def _place(text: str, line: int, name: str) -> tuple[int, int]:
    found = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", _line(text, line))
    return line, found.start() + 1 if found else _first_column(text, line)


def _first_column(text: str, line: int) -> int:
    content = _line(text, line)
    return len(content) - len(content.lstrip()) + 1


def _line(text: str, line: int) -> str:
    lines = text.splitlines()
    return lines[line - 1] if 0 < line <= len(lines) else ""
