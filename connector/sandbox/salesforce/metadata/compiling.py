"""A rule's formula judged against the org as it will be: the bridge from a deploy to the formula language.

Not the language (`formula`), and not whether a rule fires (`rules.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.salesforce import formula
from connector.sandbox.salesforce.metadata.shapes import Flaw

if TYPE_CHECKING:
    from connector.sandbox.salesforce.fields import ObjectType
    from connector.sandbox.salesforce.metadata.tree import Node
    from connector.sandbox.salesforce.metadata.view import View


def complaint(view: View, kind: ObjectType, node: Node) -> Flaw | None:
    """What is wrong with the formula in this element, and on which line of the file; None when it compiles."""

    def permitted(name: str) -> bool:
        return view.get("CustomPermission", name) is not None

    try:
        formula.parse(node.text, kind, find=view.object, permitted=permitted)
    except formula.FormulaError as error:
        return Flaw(error.message, node.line + error.line - 1, error.column)
    return None
