"""What makes a PermissionSet or CustomPermission one the org accepts.

Not the setup rows it becomes (`access.py`). Required fields are always readable and editable, so a
permission set must not name them (facts: Salesforce §5.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.salesforce.catalog import ACTIVITY
from connector.sandbox.salesforce.describe import UNGRANTABLE
from connector.sandbox.salesforce.metadata.check_fields import API_NAME, NAME_RULE
from connector.sandbox.salesforce.metadata.shapes import Flaw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector.sandbox.salesforce.fields import Field
    from connector.sandbox.salesforce.metadata.tree import Node
    from connector.sandbox.salesforce.metadata.view import View

MAX_LABEL = 80
MAX_NAME = 80

NEEDS: dict[str, tuple[str, ...]] = {
    "allowCreate": ("allowRead",),
    "allowEdit": ("allowRead",),
    "allowDelete": ("allowRead", "allowEdit"),
    "viewAllRecords": ("allowRead",),
    "modifyAllRecords": ("allowRead", "allowEdit", "allowDelete", "viewAllRecords"),
}
WORDS = {
    "allowCreate": "Create",
    "allowEdit": "Edit",
    "allowDelete": "Delete",
    "allowRead": "Read",
    "viewAllRecords": "View All",
    "modifyAllRecords": "Modify All",
}
"""Object permissions that are only given together with others."""

ADDRESSES = ("Billing", "Shipping", "Mailing", "Other")
PARTS = ("Street", "City", "State", "PostalCode", "Country", "StateCode", "CountryCode")
COMPOUND = {f"{kind}Address".lower(): tuple(f"{kind}{part}" for part in PARTS) for kind in ADDRESSES}
PART_OF = {part.lower(): whole for whole, parts in COMPOUND.items() for part in parts}
"""An address is granted as a whole: a permission set names BillingAddress and never its parts."""


def custom_permission(_view: View, name: str, node: Node) -> Iterator[Flaw]:
    """A CustomPermission."""
    yield from _named(name, node, "The Custom Permission Name")


def permission_set(view: View, name: str, node: Node) -> Iterator[Flaw]:
    """A PermissionSet: every object, field and custom permission that it names exists and may be granted."""
    yield from _named(name, node, "The Permission Set Name")
    for grant in node.all("objectPermissions"):
        yield from _object(view, grant)
    seen: set[str] = set()
    for grant in node.all("fieldPermissions"):
        path = grant.get("field").lower()
        if path in seen:
            yield _at(grant, f"Duplicate field permissions: {grant.get('field')}")
        seen.add(path)
        yield from _field(view, grant)
    for grant in node.all("customPermissions"):
        if view.get("CustomPermission", grant.get("name")) is None:
            yield _at(grant, f"In field: customPermission - no CustomPermission named {grant.get('name')} found")
    for grant in node.all("recordTypeVisibilities"):
        if view.get("RecordType", grant.get("recordType")) is None:
            yield _at(grant, f"In field: recordType - no RecordType named {grant.get('recordType')} found")


def _named(name: str, node: Node, what: str) -> Iterator[Flaw]:
    if not API_NAME.fullmatch(name) or len(name) > MAX_NAME:
        yield _at(node, f"{what} {NAME_RULE}")
    if len(node.get("label")) > MAX_LABEL:
        yield _at(node.first("label") or node, f"Value too long for field: label maximum length is:{MAX_LABEL}")


def _object(view: View, grant: Node) -> Iterator[Flaw]:
    name = grant.get("object")
    if view.object(name) is None:
        yield _at(grant, f"In field: field - no CustomObject named {name} found")
    for tag, needed in NEEDS.items():
        missing = [WORDS[n] for n in needed if not grant.truth(n)]
        if grant.truth(tag) and missing:
            lacks = ", ".join(f"{word} {name}" for word in missing)
            yield _at(grant, f"Permission {WORDS[tag]} {name} depends on permission(s): {lacks}")


def _field(view: View, grant: Node) -> Iterator[Flaw]:
    path = grant.get("field")
    found = _granted(view, path)
    if found is None:
        yield _at(grant, f"In field: field - no CustomField named {path} found")
        return
    # A field that is system-required, or required by its definition, cannot be granted or taken away.
    if found.required or found.name in UNGRANTABLE:
        yield _at(grant, f"You cannot deploy to a required field: {path}")
    if grant.truth("editable") and found.formula:
        yield _at(grant, f"Field {path} is not editable: editable must be false for a formula field")
    if grant.truth("editable") and grant.get("readable") == "false":
        yield _at(grant, f"Permission Edit {path} depends on permission(s): Read {path}")


def _granted(view: View, path: str) -> Field | None:
    object_name, _, name = path.lower().partition(".")
    if object_name == ACTIVITY.lower() or name in PART_OF:
        return None
    parts = (view.field(f"{object_name}.{part}") for part in COMPOUND.get(name, ()))
    return next((part for part in parts if part is not None), None) or view.field(path)


def _at(node: Node, problem: str) -> Flaw:
    return Flaw(problem, node.line, node.column)
