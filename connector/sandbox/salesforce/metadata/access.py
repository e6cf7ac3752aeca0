"""A permission set between its file and the setup rows that say the same: rows are what is in force.

Not the asking (`permissions.py`). Deploying replaces what the set grants; what has no row (tabs, applications) stays
in the file alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.metadata.tree import Node, leaf
from connector.sandbox.salesforce.setup_objects import ACTIVITIES, USER_PERMISSIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector.sandbox.rows import Row
    from connector.sandbox.state import World

RIGHTS = {
    "allowCreate": "PermissionsCreate",
    "allowDelete": "PermissionsDelete",
    "allowEdit": "PermissionsEdit",
    "allowRead": "PermissionsRead",
    "modifyAllRecords": "PermissionsModifyAllRecords",
    "viewAllRecords": "PermissionsViewAllRecords",
}
FROM_ROWS = ("customPermissions", "fieldPermissions", "objectPermissions", "userPermissions")
GRANT_TABLES = ("FieldPermissions", "ObjectPermissions", "SetupEntityAccess")


def apply(world: World, name: str, node: Node, *, by: str) -> None:
    """Make the rows say what the file says."""
    given = {
        "Name": name,
        "Label": node.get("label"),
        "Description": node.get("description") or None,
        "HasActivationRequired": node.truth("hasActivationRequired"),
        "IsCustom": True,
        "IsOwnedByProfile": False,
        **_user_permissions(node),
    }
    holder = upsert(world, "PermissionSet", "Name", given, by=by)
    for table in GRANT_TABLES:
        for row in list(world.table(table).where("ParentId", [holder.id])):
            world.table(table).delete(row.id, by=by)
    for values in _field_rows(world, node):
        world.table("FieldPermissions").insert({"ParentId": holder.id, **values}, by=by)
    for grant in node.all("objectPermissions"):
        rights = {column: grant.truth(tag) for tag, column in RIGHTS.items()}
        values = {"ParentId": holder.id, "SobjectType": grant.get("object"), **rights}
        world.table("ObjectPermissions").insert(values, by=by)
    for grant in node.all("customPermissions"):
        permission = world.table("CustomPermission").find_unique("DeveloperName", grant.get("name"))
        if permission is not None and grant.truth("enabled"):
            values = {"ParentId": holder.id, "SetupEntityId": permission.id, "SetupEntityType": "CustomPermission"}
            world.table("SetupEntityAccess").insert(values, by=by)


def remove(world: World, name: str, *, by: str) -> None:
    """Take a permission set away, with its grants and assignments."""
    holder = world.table("PermissionSet").find_unique("Name", name)
    if holder is None:
        return
    for table, field in (*((t, "ParentId") for t in GRANT_TABLES), ("PermissionSetAssignment", "PermissionSetId")):
        for row in list(world.table(table).where(field, [holder.id])):
            world.table(table).delete(row.id, by=by)
    world.table("PermissionSet").delete(holder.id, by=by)


def show(world: World, row: Row, known: Node | None) -> Node:
    """The file of a permission set as its rows say; what only a file holds is taken from the one deployed last."""
    rows = [*_custom(world, row), *_fields(world, row), *_objects(world, row), *_users(row)]
    kept = [c for c in known.children if c.tag not in (*FROM_ROWS, "label", "description")] if known else []
    head = [leaf("label", row.values["Label"])]
    if row.values.get("Description"):
        head.append(leaf("description", row.values["Description"]))
    if not known:
        head.append(leaf("hasActivationRequired", bool(row.values.get("HasActivationRequired"))))
    return Node("PermissionSet", children=sorted([*rows, *kept, *head], key=lambda n: n.tag))


def upsert(world: World, table: str, key: str, values: dict[str, Any], *, by: str) -> Row:
    """Change the row with this unique value, or add it."""
    found = world.table(table).find_unique(key, values[key])
    if found is None:
        return world.table(table).insert(values, by=by)
    return world.table(table).update(found.id, values, by=by)


def _user_permissions(node: Node) -> dict[str, bool]:
    enabled = {g.get("name") for g in node.all("userPermissions") if g.truth("enabled")}
    return {f"Permissions{name}": name in enabled for name in USER_PERMISSIONS}


def _field_rows(world: World, node: Node) -> Iterator[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for grant in node.all("fieldPermissions"):
        object_name, _, field_name = grant.get("field").partition(".")
        editable = grant.truth("editable")
        if not (grant.truth("readable") or editable):
            continue
        # Task and Event share the permissions of an Activity field: naming one names both (facts: Salesforce §3.4).
        for name in _sharing(world, object_name, field_name):
            path = f"{name}.{field_name}"
            found[path.lower()] = {
                "SobjectType": name,
                "Field": path,
                "PermissionsRead": True,
                "PermissionsEdit": editable,
            }
    yield from found.values()


def _sharing(world: World, object_name: str, field_name: str) -> tuple[str, ...]:
    known = [catalog(world).object(name) for name in ACTIVITIES]
    shared = object_name in ACTIVITIES and field_name.endswith("__c")
    if shared and all(kind is not None and kind.find(field_name) for kind in known):
        return ACTIVITIES
    return (object_name,)


def _custom(world: World, holder: Row) -> Iterator[Node]:
    for row in world.table("SetupEntityAccess").where("ParentId", [holder.id]):
        permission = world.table("CustomPermission").get(row.values["SetupEntityId"])
        if permission is not None:
            children = [leaf("enabled", True), leaf("name", permission.values["DeveloperName"])]
            yield Node("customPermissions", children=children)


def _fields(world: World, holder: Row) -> Iterator[Node]:
    rows = world.table("FieldPermissions").where("ParentId", [holder.id])
    for row in sorted(rows, key=lambda r: str(r.values["Field"])):
        children = [
            leaf("editable", bool(row.values.get("PermissionsEdit"))),
            leaf("field", row.values["Field"]),
            leaf("readable", bool(row.values.get("PermissionsRead"))),
        ]
        yield Node("fieldPermissions", children=children)


def _objects(world: World, holder: Row) -> Iterator[Node]:
    rows = world.table("ObjectPermissions").where("ParentId", [holder.id])
    for row in sorted(rows, key=lambda r: str(r.values["SobjectType"])):
        rights = {tag: leaf(tag, bool(row.values.get(column))) for tag, column in RIGHTS.items()}
        rights["object"] = leaf("object", row.values["SobjectType"])
        yield Node("objectPermissions", children=[rights[tag] for tag in sorted(rights)])


def _users(holder: Row) -> Iterator[Node]:
    for name in USER_PERMISSIONS:
        if holder.values.get(f"Permissions{name}"):
            yield Node("userPermissions", children=[leaf("enabled", True), leaf("name", name)])
