"""What makes a Layout one the org accepts: its object, its fields, and the fields it must not leave out.

Not the merging of layouts: a deployed layout replaces the whole one (facts: Salesforce §5.4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.salesforce.metadata.shapes import Flaw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector.sandbox.salesforce.metadata.tree import Node
    from connector.sandbox.salesforce.metadata.view import View

COLUMNS = {"OneColumn": 1, "TwoColumnsTopToBottom": 2, "TwoColumnsLeftToRight": 2}
"""Columns by section style; links may stand in any number of them."""


def layout(view: View, name: str, node: Node) -> Iterator[Flaw]:
    """A Layout named `Object-Label`."""
    object_name, dash, label = name.partition("-")
    kind = view.object(object_name)
    if kind is None or not dash or not label:
        yield Flaw(f"In field: layout - no CustomObject named {object_name} found", node.line)
        return
    shown: dict[str, Node] = {}
    for section in node.all("layoutSections"):
        yield from _section(section)
        for item in section.deep("layoutItems"):
            named = item.get("field")
            if not named:
                continue
            found = kind.find(named)
            if found is None:
                yield _at(item, f"In field: field - no CustomField named {object_name}.{named} found")
            elif named.lower() in shown:
                yield _at(item, f"Duplicate layout item: {named} is on the layout more than once")
            elif found.required and item.get("behavior") == "Readonly":
                yield _at(item, f"Field {named} is required and cannot be read-only on the layout")
            shown[named.lower()] = item
    for field in kind.own:
        # A required custom field is put on every layout by the org itself (`applying.py`).
        if field.required and not field.custom and field.name.lower() not in shown:
            yield Flaw(f"Layout must contain an item for required layout field: {field.name}", node.line)


def _section(section: Node) -> Iterator[Flaw]:
    style = section.get("style")
    count = sum(1 for _ in section.all("layoutColumns"))
    if style in COLUMNS and count != COLUMNS[style]:
        yield _at(section, f"A layout section of style {style} must have {COLUMNS[style]} layoutColumns, found {count}")


def _at(node: Node, problem: str) -> Flaw:
    return Flaw(problem, node.line, node.column)
