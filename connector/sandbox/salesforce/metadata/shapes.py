"""A metadata file against its type: unknown, repeated, missing and ill-typed elements, with the line of each.

Not the meaning of a component (`checks.py` and beside it). The words "invalid at this location" and "duplicated at
this location" are the vendor's; a repeated element must stand in one run, as there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from connector.sandbox.salesforce.metadata.elements import ELEMENTS
from connector.sandbox.salesforce.metadata.enums import ENUMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector.sandbox.salesforce.metadata.tree import Node

ANY = "Any"
_ELEMENT = re.compile(r"(\w+)(?::(\w+))?([!*]?)")
PRIMITIVES = {
    "boolean": re.compile(r"true|false|0|1"),
    "int": re.compile(r"[+-]?\d+"),
    "double": re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?"),
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
}


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a component, and where in its file; line 0 when it is the whole of it."""

    problem: str
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class _Element:
    kind: str
    required: bool
    repeats: bool


def flaws(node: Node, type_name: str) -> Iterator[Flaw]:
    """Every departure of this node from its type. An unknown type name raises KeyError."""
    shape = _shape(type_name)
    if ANY in shape:
        return
    seen: set[str] = set()
    last = ""
    for child in node.children:
        element = shape.get(child.tag)
        if element is None:
            yield _at(child, f"Error parsing file: Element {child.tag} invalid at this location in type {type_name}")
            continue
        if child.tag in seen and (not element.repeats or child.tag != last):
            yield _at(
                child, f"Error parsing file: Element {child.tag} is duplicated at this location in type {type_name}"
            )
        seen.add(child.tag)
        last = child.tag
        yield from _value(child, element)
    for name, element in shape.items():
        if element.required and name not in seen:
            yield _at(node, f"Required field is missing: {name}")


def _value(node: Node, element: _Element) -> Iterator[Flaw]:
    if element.kind in ELEMENTS:
        yield from flaws(node, element.kind)
    elif element.kind == ANY:
        return
    elif node.children:
        tag = node.children[0].tag
        yield _at(node.children[0], f"Error parsing file: Element {tag} invalid at this location in type string")
    elif element.kind in ENUMS and node.text.strip() not in _values(element.kind):
        yield _at(node, f"'{node.text.strip()}' is not a valid value for the enum '{element.kind}'")
    elif element.kind in PRIMITIVES and not PRIMITIVES[element.kind].fullmatch(node.text.strip()):
        yield _at(node, f"Error parsing file: '{node.text.strip()}' is not a valid value for xsd:{element.kind}")


def _at(node: Node, problem: str) -> Flaw:
    return Flaw(problem, node.line, node.column)


@cache
def _shape(type_name: str) -> dict[str, _Element]:
    found = {}
    for name, kind, mark in _ELEMENT.findall(ELEMENTS[type_name]):
        found[name] = _Element(kind, mark == "!", mark == "*")
    return found


@cache
def _values(enum: str) -> frozenset[str]:
    return frozenset(ENUMS[enum].split())
