"""A checked component put in force, or taken out of it: schema, rules, permissions, channels, and the store.

Not the checking (`checks.py`), and no undoing: what comes here was found sound before anything was changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.salesforce import rules
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.fields import ObjectType
from connector.sandbox.salesforce.metadata import access, components, fieldxml
from connector.sandbox.salesforce.metadata.store import store
from connector.sandbox.salesforce.metadata.tree import Node, leaf
from connector.sandbox.salesforce.metadata.view import name_field, spread
from connector.sandbox.salesforce.pubsub import channels

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.sandbox.salesforce.metadata.store import Component
    from connector.sandbox.state import World


def put(world: World, type: str, name: str, node: Node, *, by: str) -> Component:
    """Put a sound component in force and keep it."""
    enforce = _PUT.get(type)
    if enforce is not None:
        enforce(world, name, node, by)
    if type == "CustomObject":
        node = _merged(world, name, node)
    return store(world).put(type, name, node, by=by)


def drop(world: World, type: str, name: str, *, by: str) -> None:
    """Take a component out of force and forget it."""
    known = components.one(world, type, name)
    release = _DROP.get(type)
    if release is not None and known is not None:
        release(world, known, by)
    store(world).drop(type, name)


def refill(world: World) -> None:
    """Add the setup rows that deployed components mean and that a reset of the records took away."""
    for type, (table, key) in ROWS.items():
        have = {str(row.values[key]).lower() for row in world.table(table).live()}
        for component in list(store(world).of(type)):
            if component.name.rpartition(".")[2].lower() not in have:
                _PUT[type](world, component.name, component.node, component.modified_by)


def _put_field(world: World, name: str, node: Node, by: str) -> None:
    if not name.endswith("__c"):
        return
    object_name = name.partition(".")[0]
    field = fieldxml.to_field(node)
    catalog(world).put_field(object_name, field)
    if field.required:
        for target in spread(object_name):
            _on_every_layout(world, target, field.name, by)


def _on_every_layout(world: World, object_name: str, field_name: str, by: str) -> None:
    # The org itself puts a required field on every layout of its object.
    for layout in store(world).of("Layout"):
        shown = {item.get("field").lower() for item in layout.node.deep("layoutItems")}
        column = next(layout.node.deep("layoutColumns"), None)
        if layout.name.startswith(f"{object_name}-") and field_name.lower() not in shown and column is not None:
            item = Node("layoutItems", children=[leaf("behavior", "Required"), leaf("field", field_name)])
            column.children.append(item)
            store(world).put("Layout", layout.name, layout.node, by=by)


def _drop_field(world: World, known: Component, by: str) -> None:
    object_name, _, field_name = known.name.partition(".")
    catalog(world).drop_field(object_name, field_name)
    paths = {f"{target}.{field_name}".lower() for target in spread(object_name)}
    table = world.table("FieldPermissions")
    for row in [r for r in table.live() if str(r.values["Field"]).lower() in paths]:
        table.delete(row.id, by=by)


def _put_object(world: World, name: str, node: Node, _by: str) -> None:
    if catalog(world).object(name) is None:
        catalog(world).put_object(ObjectType(name, node.get("label"), "", (name_field(node),)))


def _drop_object(world: World, known: Component, _by: str) -> None:
    catalog(world).drop_object(known.name)
    prefix = f"{known.name}.".lower()
    for component in store(world).of("CustomField", "ValidationRule", "RecordType"):
        if component.name.lower().startswith(prefix):
            store(world).drop(component.type, component.name)


def _merged(world: World, name: str, node: Node) -> Node:
    # A file of a known object may say a part of it; the rest stays.
    known = store(world).get("CustomObject", name)
    said = {child.tag for child in node.children}
    kept = [child for child in known.node.children if child.tag not in said] if known else []
    return Node(node.tag, children=sorted([*kept, *node.children], key=lambda n: n.tag))


def _put_rule(world: World, name: str, node: Node, _by: str) -> None:
    object_name, _, rule_name = name.partition(".")
    rules.put(
        world,
        object_name,
        rule_name,
        active=node.truth("active"),
        formula=node.get("errorConditionFormula"),
        field=node.get("errorDisplayField"),
        message=node.get("errorMessage"),
    )


def _drop_rule(world: World, known: Component, _by: str) -> None:
    object_name, _, rule_name = known.name.partition(".")
    rules.drop(world, object_name, rule_name)


def _put_permission(world: World, name: str, node: Node, by: str) -> None:
    given = {
        "DeveloperName": name,
        "MasterLabel": node.get("label"),
        "Description": node.get("description") or None,
    }
    access.upsert(world, "CustomPermission", "DeveloperName", given, by=by)


def _drop_permission(world: World, known: Component, by: str) -> None:
    row = world.table("CustomPermission").find_unique("DeveloperName", known.name)
    if row is not None:
        for grant in list(world.table("SetupEntityAccess").where("SetupEntityId", [row.id])):
            world.table("SetupEntityAccess").delete(grant.id, by=by)
        world.table("CustomPermission").delete(row.id, by=by)


def _put_set(world: World, name: str, node: Node, by: str) -> None:
    access.apply(world, name, node, by=by)


def _drop_set(world: World, known: Component, by: str) -> None:
    access.remove(world, known.name, by=by)


def _put_notification(world: World, name: str, node: Node, by: str) -> None:
    given = {
        "DeveloperName": name,
        "CustomNotifTypeName": node.get("customNotifTypeName"),
        "MasterLabel": node.get("masterLabel"),
        "Desktop": node.truth("desktop"),
        "Mobile": node.truth("mobile"),
    }
    access.upsert(world, "CustomNotificationType", "DeveloperName", given, by=by)


def _drop_notification(world: World, known: Component, by: str) -> None:
    row = world.table("CustomNotificationType").find_unique("DeveloperName", known.name)
    if row is not None:
        world.table("CustomNotificationType").delete(row.id, by=by)


def _put_record_type(world: World, name: str, node: Node, by: str) -> None:
    object_name, _, developer_name = name.partition(".")
    given = {
        "SobjectType": object_name,
        "DeveloperName": developer_name,
        "Name": node.get("label"),
        "IsActive": node.truth("active"),
    }
    table = world.table("RecordType")
    for row in table.where("SobjectType", [object_name]):
        if row.values["DeveloperName"] == developer_name:
            table.update(row.id, given, by=by)
            return
    table.insert(given, by=by)


def _put_channel(world: World, name: str, _node: Node, _by: str) -> None:
    channels.select(world, name, channels.selected(world, name))


def _put_member(world: World, _name: str, node: Node, _by: str) -> None:
    channel = node.get("eventChannel")
    entity = channels.entity_of(node.get("selectedEntity"))
    channels.select(world, channel, channels.selected(world, channel) | {entity})


def _drop_member(world: World, known: Component, _by: str) -> None:
    channel = known.node.get("eventChannel")
    entity = channels.entity_of(known.node.get("selectedEntity"))
    channels.select(world, channel, channels.selected(world, channel) - {entity})


_PUT: dict[str, Callable[[World, str, Node, str], None]] = {
    "CustomField": _put_field,
    "CustomNotificationType": _put_notification,
    "CustomObject": _put_object,
    "CustomPermission": _put_permission,
    "PermissionSet": _put_set,
    "PlatformEventChannel": _put_channel,
    "PlatformEventChannelMember": _put_member,
    "RecordType": _put_record_type,
    "ValidationRule": _put_rule,
}
_DROP: dict[str, Callable[[World, Component, str], None]] = {
    "CustomField": _drop_field,
    "CustomNotificationType": _drop_notification,
    "CustomObject": _drop_object,
    "CustomPermission": _drop_permission,
    "PermissionSet": _drop_set,
    "PlatformEventChannelMember": _drop_member,
    "ValidationRule": _drop_rule,
}
"""Types without a row are kept and have no further effect in this sandbox."""

ROWS = {
    "CustomPermission": ("CustomPermission", "DeveloperName"),
    "PermissionSet": ("PermissionSet", "Name"),
    "CustomNotificationType": ("CustomNotificationType", "DeveloperName"),
    "RecordType": ("RecordType", "DeveloperName"),
}
"""Types that stand in rows as well, and the field that holds their name; what others name comes first."""
