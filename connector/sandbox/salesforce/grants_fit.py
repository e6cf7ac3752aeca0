"""Whether a grant that somebody writes by API can be: the field or object exists, may be granted, and hangs together.

Not who may write grants (`guards.py`) and not what they mean (`permissions.py`). Facts: Salesforce §5.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.errors import ApiError
from connector.sandbox.salesforce.permissions import GRANTED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from connector.sandbox.rows import Row
    from connector.sandbox.salesforce.fields import ObjectType
    from connector.sandbox.state import World

NEEDS = {
    "Create": ("Read",),
    "Edit": ("Read",),
    "Delete": ("Read", "Edit"),
    "ViewAllRecords": ("Read",),
    "ModifyAllRecords": ("Read", "Edit", "Delete", "ViewAllRecords"),
}
"""Rights on an object that are only given together with others."""


def check(world: World, kind: ObjectType, row: Row | None, found: Mapping[str, Any]) -> None:
    """Raises ApiError for a row of FieldPermissions or ObjectPermissions that cannot be; other objects pass."""
    now = {**(row.values if row else {}), **found}
    if kind.name == "FieldPermissions":
        _check_field(world, now)
    elif kind.name == "ObjectPermissions":
        _check_object(world, now)


def _check_field(world: World, now: Mapping[str, Any]) -> None:
    owner, _, name = str(now["Field"]).partition(".")
    kind = catalog(world).object(owner)
    field = kind.find(name) if kind else None
    # Fields that every user has, such as required ones, cannot be granted.
    if kind is None or field is None or field.required or kind.name != now["SobjectType"]:
        raise _bad_value("Field Name", now["Field"], "Field")
    if now.get("PermissionsEdit") and (field.read_only or field.formula):
        raise ApiError(
            "FIELD_INTEGRITY_EXCEPTION", f"Field {now['Field']} is read-only: Edit cannot be granted", ("Field",)
        )
    if now.get("PermissionsEdit") and not now.get("PermissionsRead"):
        raise _depends("Edit", ("Read",), str(now["Field"]))


def _check_object(world: World, now: Mapping[str, Any]) -> None:
    kind = catalog(world).object(str(now["SobjectType"]))
    if kind is None or not (kind.custom or kind.name in GRANTED):
        raise _bad_value("Object Type Name", now["SobjectType"], "SobjectType")
    for right, needed in NEEDS.items():
        missing = tuple(other for other in needed if not now.get(f"Permissions{other}"))
        if now.get(f"Permissions{right}") and missing:
            raise _depends(right, missing, kind.name)


def _bad_value(label: str, value: object, field: str) -> ApiError:
    return ApiError(
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        f"{label}: bad value for restricted picklist field: {value}",
        (field,),
    )


def _depends(right: str, missing: tuple[str, ...], on: str) -> ApiError:
    return ApiError(
        "FIELD_INTEGRITY_EXCEPTION", f"Permission {right} {on} depends on permission(s): {', '.join(missing)} {on}"
    )
