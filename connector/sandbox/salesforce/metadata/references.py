"""Who refers to what: why a component may not be deleted while something else of the org needs it.

Not the deleting. Formulas are read by name, so a field is held by every rule whose text names it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from connector.sandbox.salesforce.metadata.view import spread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector.sandbox.salesforce.metadata.tree import Node
    from connector.sandbox.salesforce.metadata.view import View

HOLDERS = ("ValidationRule", "Layout", "FlexiPage", "Report", "Dashboard", "CustomField")
_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|/\*.*?\*/", re.DOTALL)


def holders(view: View, type: str, name: str) -> list[str]:
    """What refers to a component in the org as it will be, as "Type Full name"."""
    test = _TESTS.get(type)
    if test is None:
        return []
    return [
        f"{other} {full_name}"
        for other in HOLDERS
        for full_name, node in view.of(other)
        if test(name, other, full_name, node)
    ]


def _field(name: str, type: str, full_name: str, node: Node) -> bool:
    object_name, _, field_name = name.partition(".")
    objects = {target.lower() for target in spread(object_name)} | {object_name.lower()}
    low = field_name.lower()
    if type == "ValidationRule":
        own = full_name.partition(".")[0].lower() in objects
        return own and low in {w.lower() for w in _words(node)}
    if type == "Layout":
        own = full_name.partition("-")[0].lower() in objects
        return own and any(item.get("field").lower() == low for item in node.deep("layoutItems"))
    if type == "FlexiPage":
        own = node.get("sobjectType").lower() in objects
        return own and any(item.text.strip().lower() == f"record.{low}" for item in node.deep("fieldItem"))
    if type == "Report":
        paths = {f"{target}.{low}" for target in objects}
        return any(leaf.text.strip().replace("$", ".").lower() in paths for leaf in _leaves(node))
    formula = type == "CustomField" and full_name.partition(".")[0].lower() in objects
    return formula and full_name.lower() != name.lower() and low in _formula_words(node)


def _permission(name: str, type: str, _full_name: str, node: Node) -> bool:
    if type != "ValidationRule":
        return False
    return f"$permission.{name.lower()}" in {w.lower() for w in _words(node)}


def _report(name: str, type: str, _full_name: str, node: Node) -> bool:
    sources = (leaf.text.strip().lower() for leaf in node.deep("report"))
    return type == "Dashboard" and name.lower() in sources


def _folder(name: str, type: str, full_name: str, _node: Node) -> bool:
    return type in ("Report", "Dashboard") and full_name.lower().startswith(f"{name.lower()}/")


def _words(node: Node) -> Iterator[str]:
    text = _QUOTED.sub("", node.get("errorConditionFormula"))
    yield node.get("errorDisplayField")
    for path in re.findall(r"[$\w.]+", text):
        yield path
        yield path.rpartition(".")[2]


def _formula_words(node: Node) -> set[str]:
    return {w.lower() for w in re.findall(r"\w+", _QUOTED.sub("", node.get("formula")))}


def _leaves(node: Node) -> Iterator[Node]:
    for child in node.children:
        yield from _leaves(child) if child.children else (child,)


_TESTS = {
    "CustomField": _field,
    "CustomPermission": _permission,
    "Report": _report,
    "ReportFolder": _folder,
    "DashboardFolder": _folder,
}
