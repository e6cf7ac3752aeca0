"""What makes a ValidationRule one the org accepts: its name, its words, its field, and a formula that compiles.

Not the formula language: the text is handed to `formula`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.salesforce.metadata.check_fields import API_NAME, NAME_RULE
from connector.sandbox.salesforce.metadata.compiling import complaint
from connector.sandbox.salesforce.metadata.shapes import Flaw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector.sandbox.salesforce.metadata.tree import Node
    from connector.sandbox.salesforce.metadata.view import View

MAX_NAME = 40
MAX_MESSAGE = 255
"""Facts: Salesforce §5.3."""
MAX_DESCRIPTION = 255


def validation_rule(view: View, name: str, node: Node) -> Iterator[Flaw]:
    """A ValidationRule named `Object.Rule`."""
    object_name, _, rule_name = name.partition(".")
    kind = view.object(object_name)
    if kind is None or kind.name.lower() != object_name.lower():
        yield Flaw(f"In field: fullName - no CustomObject named {object_name} found", node.line)
        return
    if not API_NAME.fullmatch(rule_name) or len(rule_name) > MAX_NAME:
        yield Flaw(f"The Validation Rule Name of at most {MAX_NAME} characters {NAME_RULE}", node.line)
    for tag, most in (("errorMessage", MAX_MESSAGE), ("description", MAX_DESCRIPTION)):
        if len(node.get(tag)) > most:
            yield _at(node, tag, f"Value too long for field: {tag} maximum length is:{most}")
    if not node.get("errorMessage"):
        yield _at(node, "errorMessage", "Required field is missing: errorMessage")
    shown = node.get("errorDisplayField")
    if shown and kind.find(shown) is None:
        yield _at(
            node, "errorDisplayField", f"In field: errorDisplayField - no CustomField named {object_name}.{shown} found"
        )
    text = node.first("errorConditionFormula")
    problem = complaint(view, kind, text) if text else None
    if problem:
        yield problem


def _at(node: Node, tag: str, problem: str) -> Flaw:
    place = node.first(tag) or node
    return Flaw(problem, place.line, place.column)
