"""The components of an org as a reader sees them: what was deployed, and what stands in the schema without a deploy.

Not the store alone: a field made another way and a permission set changed row by row are shown as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.salesforce import rules
from connector.sandbox.salesforce.catalog import ACTIVITY, catalog
from connector.sandbox.salesforce.ids import make_id
from connector.sandbox.salesforce.metadata import access, fieldxml
from connector.sandbox.salesforce.metadata.store import Component, store
from connector.sandbox.salesforce.metadata.tree import Node, leaf
from connector.sandbox.salesforce.metadata.types import BY_NAME
from connector.sandbox.salesforce.pubsub import channels
from connector.sandbox.salesforce.setup_objects import ACTIVITIES
from connector.sandbox.salesforce.users import admin_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connector.sandbox.salesforce.fields import Field, ObjectType
    from connector.sandbox.state import World

NUMBERS_FROM = 1_000_000
"""Components that no deploy made are numbered from here, so that their ids meet no others."""


def every(world: World, type: str) -> tuple[Component, ...]:
    """All components of a type, by full name."""
    found = _READERS.get(type, _stored)(world, type)
    return tuple(sorted(found, key=lambda c: c.name.lower()))


def one(world: World, type: str, name: str) -> Component | None:
    """The component of this type and full name, in any case."""
    return next((c for c in every(world, type) if c.name.lower() == name.lower()), None)


def _stored(world: World, type: str) -> Iterator[Component]:
    return store(world).of(type)


def _fields(world: World, type: str) -> Iterator[Component]:
    known = {c.name.lower(): c for c in store(world).of(type)}
    number = NUMBERS_FROM
    for kind in catalog(world).objects():
        for field in kind.own:
            number += 1
            name = f"{_holder(world, kind, field)}.{field.name}"
            if not field.custom or (kind.name == ACTIVITIES[1] and name.startswith(ACTIVITY)):
                continue
            found = known.pop(name.lower(), None)
            yield found or _made(world, type, name, fieldxml.to_node(field), number=number)
    yield from known.values()


def _holder(world: World, kind: ObjectType, field: Field) -> str:
    # A custom field of both Task and Event is Activity's (facts: Salesforce §3.4).
    if kind.name not in ACTIVITIES:
        return kind.name
    both = [catalog(world).object(name) for name in ACTIVITIES]
    return ACTIVITY if all(other is not None and other.find(field.name) for other in both) else kind.name


def _objects(world: World, type: str) -> Iterator[Component]:
    known = {c.name.lower(): c for c in store(world).of(type)}
    for number, kind in enumerate(catalog(world).objects(), start=NUMBERS_FROM):
        if kind.setup:
            continue
        node = Node(type, children=[leaf("label", kind.label)])
        found = known.pop(kind.name.lower(), None)
        yield found or _made(world, type, kind.name, node, number=number)
    yield _made(world, type, ACTIVITY, Node(type, children=[leaf("label", ACTIVITY)]), number=NUMBERS_FROM - 1)


def _permission_sets(world: World, type: str) -> Iterator[Component]:
    for number, row in enumerate(world.table(type).live(), start=NUMBERS_FROM):
        if row.values.get("IsOwnedByProfile"):
            continue
        name = str(row.values["Name"])
        known = store(world).get(type, name)
        node = access.show(world, row, known.node if known else None)
        yield _copy(known, node, id=row.id) if known else _made(world, type, name, node, number=number, id=row.id)


def _custom_permissions(world: World, type: str) -> Iterator[Component]:
    for number, row in enumerate(world.table(type).live(), start=NUMBERS_FROM):
        name = str(row.values["DeveloperName"])
        known = store(world).get(type, name)
        node = Node(type, children=[leaf("isLicensed", False), leaf("label", row.values["MasterLabel"])])
        yield _copy(known, known.node, id=row.id) if known else _made(world, type, name, node, number=number, id=row.id)


def _rules(world: World, type: str) -> Iterator[Component]:
    known = {c.name.lower(): c for c in store(world).of(type)}
    for number, rule in enumerate(rules.all(world), start=NUMBERS_FROM):
        name = f"{rule.object}.{rule.name}"
        said = {
            "fullName": rule.name,
            "active": rule.active,
            "errorConditionFormula": rule.formula,
            "errorDisplayField": rule.field,
            "errorMessage": rule.message,
        }
        node = Node(type, children=[leaf(tag, value) for tag, value in said.items() if value != ""])
        found = known.pop(name.lower()) if name.lower() in known else None
        yield found or _made(world, type, name, node, number=number)
    yield from known.values()


def _members(world: World, type: str) -> Iterator[Component]:
    found = list(store(world).of(type))
    yield from found
    known = {(c.node.get("eventChannel"), channels.entity_of(c.node.get("selectedEntity"))) for c in found}
    chosen: dict[str, list[str]] = world.settings.get(channels.SETTING) or {}
    number = NUMBERS_FROM
    for channel, entities in chosen.items():
        for entity in sorted({channels.entity_of(e) for e in entities}):
            number += 1
            if (channel, entity) in known:
                continue
            event = channels.event_name(entity)
            name = f"{entity.removesuffix('__c')}_ChangeEvent"
            name = name if channel == channels.STANDARD else f"{channel.removesuffix('__chn')}_{name}"
            node = Node(type, children=[leaf("eventChannel", channel), leaf("selectedEntity", event)])
            yield _made(world, type, name, node, number=number)


def _copy(known: Component, node: Node, *, id: str) -> Component:
    stamps = (known.created_at, known.created_by, known.modified_at, known.modified_by)
    return Component(known.type, known.name, node, id, known.number, *stamps)


def _made(world: World, type: str, name: str, node: Node, *, number: int, id: str = "") -> Component:
    by = admin_user(world)
    at = by.created_at.isoformat(timespec="seconds")
    return Component(type, name, node, id or make_id(BY_NAME[type].prefix, number), number, at, by.id, at, by.id)


_READERS: dict[str, Callable[[World, str], Iterator[Component]]] = {
    "CustomField": _fields,
    "CustomObject": _objects,
    "CustomPermission": _custom_permissions,
    "PermissionSet": _permission_sets,
    "PlatformEventChannelMember": _members,
    "ValidationRule": _rules,
}
