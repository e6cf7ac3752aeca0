"""What a user is not allowed to write, refused in the vendor's words.

Not the permissions themselves (`permissions.py`). A writer who is no user of the org, such as a test that sets the
scene, is not held back. Facts: Salesforce §3.3, §5.1, §6 (owner change), §7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.salesforce import permissions
from connector.sandbox.salesforce.errors import ApiError
from connector.sandbox.salesforce.permissions import Sight

if TYPE_CHECKING:
    from connector.sandbox.rows import Row
    from connector.sandbox.salesforce.fields import Field, ObjectType
    from connector.sandbox.state import World

NO_ACCESS = "INSUFFICIENT_ACCESS_OR_READONLY"
TRANSFERRED = frozenset({"Account", "Opportunity"})
"""Objects whose owner only the owner, or a holder of Transfer Record, may change."""


def check_object(world: World, kind: ObjectType, right: str, *, by: str) -> None:
    """Raises ApiError unless the user has this right on the object."""
    if _is_user(world, by) and right not in permissions.rights(world, by, kind.name):
        raise ApiError(NO_ACCESS, f"insufficient access rights on entity: {kind.name}")


def check_field(world: World, kind: ObjectType, field: Field, *, by: str) -> None:
    """Raises ApiError when field-level security keeps the field from the user, hidden or read-only."""
    if _is_user(world, by) and not permissions.opens(world, by, kind, field):
        raise ApiError(
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            f"Unable to create/update fields: {field.name}. Please check the security settings of this field and "
            "verify that it is read/write for your profile or permission set.",
            (field.name,),
        )


def check_row(world: World, kind: ObjectType, row: Row, right: str, *, by: str) -> None:
    """Raises ApiError when the user may not change this row: no right on the object, or a row they do not see."""
    check_object(world, kind, right, by=by)
    if _is_user(world, by) and not Sight(world, by).sees(kind.name, row):
        raise ApiError(NO_ACCESS, "insufficient access rights on object id")


def check_named_row(world: World, field: Field, value: str, *, by: str) -> None:
    """Raises ApiError when a lookup names a row that the user does not see."""
    if not _is_user(world, by):
        return
    sight = Sight(world, by)
    name = sight.object_of(value)
    row = world.table(name).get(value) if name else None
    if name and row is not None and not sight.sees(name, row):
        raise ApiError(
            "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
            f"insufficient access rights on cross-reference id: {value}",
            (field.name,),
        )


def check_transfer(world: World, kind: ObjectType, row: Row, *, by: str) -> None:
    """Raises ApiError when the user may not give the row to somebody else (facts: Salesforce §6, owner change)."""
    if kind.name not in TRANSFERRED or not _is_user(world, by) or row.values.get("OwnerId") in (None, by):
        return
    if not {"TransferAnyEntity", "ModifyAllData"} & permissions.access(world, by).user:
        raise ApiError(NO_ACCESS, "you do not have the permission to transfer this record", ("OwnerId",))


def _is_user(world: World, by: str) -> bool:
    return bool(by) and world.table("User").get(by) is not None
