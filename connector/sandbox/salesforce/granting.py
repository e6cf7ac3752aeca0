"""Permission sets written whole: what a deployment, an admin or a test gives to whom, as rows of the setup objects.

Not the reading of them (`permissions.py`). Every function may be called again with the same arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.salesforce.setup_objects import ACTIVITIES, OBJECT_RIGHTS, STANDARD_PROFILE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from typing import Any

    from connector.sandbox.rows import Table
    from connector.sandbox.state import World


def put_set(world: World, name: str, *, label: str = "", by: str = "setup", profile: str | None = None) -> str:
    """The id of the permission set of this name, made when there is none; `profile` makes it that profile's own."""
    found = world.table("PermissionSet").find_unique("Name", name)
    if found is not None:
        return found.id
    owned = {"IsOwnedByProfile": True, "ProfileId": profile} if profile else {"IsCustom": True}
    return world.table("PermissionSet").insert({"Name": name, "Label": label or name, **owned}, by=by).id


def grant_user(world: World, set_id: str, permissions: Iterable[str], *, by: str = "setup") -> None:
    """Give user permissions (`USER_PERMISSIONS`) by a permission set."""
    world.table("PermissionSet").update(set_id, {f"Permissions{name}": True for name in permissions}, by=by)


def grant_objects(world: World, set_id: str, granted: Mapping[str, Collection[str]], *, by: str = "setup") -> None:
    """Give rights (`OBJECT_RIGHTS`) on objects: {"Account": ("Read", "Edit")}; what was given before is replaced."""
    for name, rights in granted.items():
        values = {f"Permissions{right}": right in rights for right in OBJECT_RIGHTS}
        _put(world.table("ObjectPermissions"), {"ParentId": set_id, "SobjectType": name}, values, by=by)


def grant_fields(world: World, set_id: str, granted: Mapping[str, tuple[bool, bool]], *, by: str = "setup") -> None:
    """Give (read, edit) on fields: {"Opportunity.Seats__c": (True, False)}; what was given before is replaced."""
    for name, (read, edit) in granted.items():
        values = {"PermissionsRead": read or edit, "PermissionsEdit": edit}
        key = {"ParentId": set_id, "SobjectType": name.partition(".")[0], "Field": name}
        _put(world.table("FieldPermissions"), key, values, by=by)


def grant_custom(world: World, set_id: str, names: Iterable[str], *, by: str = "setup") -> None:
    """Give custom permissions, which are made when they do not exist."""
    for name in names:
        permission = put_custom_permission(world, name, by=by)
        _put(world.table("SetupEntityAccess"), {"ParentId": set_id, "SetupEntityId": permission}, {}, by=by)


def put_custom_permission(world: World, name: str, *, label: str = "", by: str = "setup") -> str:
    """The id of the custom permission of this name, made when there is none."""
    table = world.table("CustomPermission")
    found = table.find_unique("DeveloperName", name)
    return found.id if found else table.insert({"DeveloperName": name, "MasterLabel": label or name}, by=by).id


def assign(world: World, user_id: str, set_id: str, *, by: str = "setup") -> None:
    """Assign a permission set to a user."""
    key = {"AssigneeId": user_id, "PermissionSetId": set_id}
    _put(world.table("PermissionSetAssignment"), key, {"IsActive": True}, by=by)


def _put(table: Table, key: dict[str, Any], values: dict[str, Any], *, by: str) -> None:
    first, *others = key.items()
    for row in table.where(first[0], [first[1]]):
        if all(row.values.get(name) == value for name, value in others):
            if any(row.values.get(name) != value for name, value in values.items()):
                table.update(row.id, values, by=by)
            return
    table.insert({**key, **values}, by=by)


def twin_of(field: str) -> str | None:
    """The same Activity field on the other kind of activity: `Event.X__c` for `Task.X__c` (facts: Salesforce §3.4)."""
    owner, _, name = field.partition(".")
    if owner not in ACTIVITIES or not name.endswith("__c"):
        return None
    return f"{ACTIVITIES[1 - ACTIVITIES.index(owner)]}.{name}"


def mirror(world: World, values: Mapping[str, Any], *, by: str) -> None:
    """Carry a grant on `Task.X__c` over to `Event.X__c` and back: they are one field of Activity."""
    twin = twin_of(str(values.get("Field", "")))
    if twin is None:
        return
    both = {name: bool(values.get(name)) for name in ("PermissionsRead", "PermissionsEdit")}
    key = {"ParentId": values["ParentId"], "SobjectType": twin.partition(".")[0], "Field": twin}
    _put(world.table("FieldPermissions"), key, both, by=by)


def profile_of(world: World, user_values: Mapping[str, Any]) -> str | None:
    """The profile a user without one gets: the standard one."""
    given = user_values.get("ProfileId")
    found = given or next((row.id for row in world.table("Profile").where("Name", [STANDARD_PROFILE])), None)
    return str(found) if found else None
