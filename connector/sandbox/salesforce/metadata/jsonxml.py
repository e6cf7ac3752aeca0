"""A component's Metadata as JSON and as elements: the Tooling API speaks the one, files the other.

Not the checking: an unknown key becomes an unknown element, and is refused as one.
"""

from __future__ import annotations

import re
from typing import Any

from connector.sandbox.salesforce.metadata.elements import ELEMENTS
from connector.sandbox.salesforce.metadata.tree import Node, leaf

_NUMBER = re.compile(r"[+-]?\d+")


def to_node(tag: str, value: Any) -> Node:
    """JSON as a node: lists repeat their element, null leaves it out."""
    if not isinstance(value, dict):
        return leaf(tag, value)
    children = [
        to_node(name, item)
        for name, given in value.items()
        for item in (given if isinstance(given, list) else [given])
        if item is not None
    ]
    return Node(tag, children=children)


def to_json(node: Node, type: str) -> dict[str, Any]:
    """A node's children as JSON, typed by its shape: what may repeat is a list, booleans and numbers are themselves."""
    kinds = _kinds(type)
    found: dict[str, Any] = {}
    for child in node.children:
        kind, repeats = kinds.get(child.tag, ("", False))
        value = to_json(child, kind) if kind in ELEMENTS else _plain(child.text.strip(), kind)
        if repeats:
            found.setdefault(child.tag, []).append(value)
        else:
            found[child.tag] = value
    return found


def _kinds(type: str) -> dict[str, tuple[str, bool]]:
    found = re.findall(r"(\w+)(?::(\w+))?([!*]?)", ELEMENTS.get(type, ""))
    return {name: (kind, mark == "*") for name, kind, mark in found}


def _plain(text: str, kind: str) -> Any:
    if kind == "boolean":
        return text in ("true", "1")
    return int(text) if kind == "int" and _NUMBER.fullmatch(text) else text
