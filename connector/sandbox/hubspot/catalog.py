"""The properties of every object type: what the portal ships with, and what was changed through the API.

Not the endpoints (`properties.py`). The shipped list is code; changes are rows of the table `properties` and lie
over it, so an emptied portal has the shipped list again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connector.sandbox.hubspot import tiers
from connector.sandbox.hubspot.defs import Definition, Option
from connector.sandbox.hubspot.shipped import HANDOFF_GROUP, OURS, SHIPPED, own_group

if TYPE_CHECKING:
    from connector.sandbox.hubspot.kinds import Kind
    from connector.sandbox.state import World

CACHE = "hubspot.catalog"
BARE = "bare"
"""Setting: whether the portal began without our properties."""


@dataclass(frozen=True, slots=True)
class Group:
    """A heading under which properties stand."""

    name: str
    label: str
    order: int = -1
    archived: bool = False

    def body(self) -> dict[str, Any]:
        """As it stands in JSON."""
        return {"name": self.name, "label": self.label, "displayOrder": self.order, "archived": self.archived}


def add_tables(world: World) -> None:
    """Give the portal the tables of what was changed by API."""
    world.add_table("properties")
    world.add_table("property_groups")


def properties(world: World, kind: Kind, *, archived: bool = False) -> dict[str, Definition]:
    """The properties of a type by name; the archived ones only when asked for, and then only those."""
    cached: dict[tuple[Any, ...], dict[str, Definition]] = world.scratch.setdefault(CACHE, {})
    key = (kind.table, archived, is_bare(world), tiers.tier(world).name)
    found = cached.get(key)
    if found is None:
        every = shipped(world, kind) | _stored(world, kind)
        found = cached[key] = {n: d for n, d in every.items() if d.archived is archived}
    return found


def shipped(world: World, kind: Kind) -> dict[str, Definition]:
    """What this portal had before anything was changed by API: by whether it is bare, and by its tier."""
    hidden = tiers.tier(world).hidden
    found = {n: d for n, d in SHIPPED[kind.table].items() if n not in hidden}
    return {n: d for n, d in found.items() if not n.startswith(OURS)} if is_bare(world) else found


def is_bare(world: World) -> bool:
    """Whether the portal began without our properties."""
    return bool(world.settings.get(BARE))


def keep(world: World, kind: Kind, definition: Definition, *, by: str) -> None:
    """Store a created or changed property."""
    table, key = world.table("properties"), f"{kind.table}.{definition.name}"
    values = {"object": kind.table, **_plain(definition)}
    if table.get(key) is None:
        table.insert(values, by=by, id=key)
    else:
        table.update(key, values, by=by)
    world.scratch.pop(CACHE, None)


def groups(world: World, kind: Kind) -> dict[str, Group]:
    """The groups of a type by name."""
    first = [Group(name=own_group(kind), label=f"{kind.label} information", order=0)]
    if any(d.group == HANDOFF_GROUP for d in shipped(world, kind).values()):
        first.append(Group(name=HANDOFF_GROUP, label="Handoff", order=1))
    stored = (
        Group(name=r.values["name"], label=r.values["label"], order=r.values["order"], archived=r.values["archived"])
        for r in world.table("property_groups").live()
        if r.values["object"] == kind.table
    )
    every = {g.name: g for g in (*first, *stored)}
    return {name: g for name, g in every.items() if not g.archived}


def keep_group(world: World, kind: Kind, group: Group, *, by: str) -> None:
    """Store a created or changed group."""
    table, key = world.table("property_groups"), f"{kind.table}.{group.name}"
    values = {
        "object": kind.table,
        "name": group.name,
        "label": group.label,
        "order": group.order,
        "archived": group.archived,
    }
    if table.get(key) is None:
        table.insert(values, by=by, id=key)
    else:
        table.update(key, values, by=by)


def _stored(world: World, kind: Kind) -> dict[str, Definition]:
    rows = (r.values for r in world.table("properties").live() if r.values["object"] == kind.table)
    return {v["name"]: _definition(v) for v in rows}


_FIELDS = tuple(f for f in Definition.__slots__ if f != "options")


def _plain(definition: Definition) -> dict[str, Any]:
    chosen = [[o.value, o.label, o.order, o.hidden, o.description] for o in definition.options]
    return {**{f: getattr(definition, f) for f in _FIELDS}, "options": chosen}


def _definition(values: dict[str, Any]) -> Definition:
    chosen = tuple(
        Option(value=value, label=label, order=order, hidden=hidden, description=description)
        for value, label, order, hidden, description in values["options"]
    )
    return Definition(**{f: values.get(f, _EMPTY[f]) for f in _FIELDS}, options=chosen)


_EMPTY = {f: getattr(Definition(name="", label=""), f) for f in _FIELDS}
