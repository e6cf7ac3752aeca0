"""The schema of one org: its object types and fields, as they are now; an admin may add to it while the org runs.

Not the rows and not who may see a field (`permissions.py`). What was added is kept in the world's settings, one per
object, and is there again when the sandbox starts with the same folder.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce.fields import Field, ObjectType
from connector.sandbox.salesforce.ids import custom_prefix, make_id
from connector.sandbox.salesforce.objects import objects_at_first
from connector.sandbox.salesforce.setup_objects import ACTIVITIES
from connector.sandbox.salesforce.shapes import OWNER, SYSTEM
from connector.sandbox.salesforce.tables import index, make_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.sandbox.state import World

__all__ = ["ACTIVITIES", "ACTIVITY", "BARE", "PART", "Catalog", "catalog"]

PART = "catalog"
BARE = "bare"
KEPT = "schema:"
"""Settings: whether the org began bare, and per object what was added to it or dropped from it since."""

ACTIVITY = "Activity"


def catalog(world: World) -> Catalog:
    """The org's schema. Raises KeyError for a world that is no org."""
    found: Catalog = world.parts[PART]
    return found


class Catalog:
    """The object types of one org. Names are looked up in any case; types are immutable and replaced when changed."""

    def __init__(self, world: World, *, bare: bool) -> None:
        self._world = world
        self._types: dict[str, ObjectType] = {}
        self._by_prefix: dict[str, str] = {}
        self._kept: dict[str, dict[str, Any]] = {}
        self._hanging: dict[str, tuple[tuple[str, str], ...]] = {}
        # Counts every change of the schema, so that what is derived from it knows when it is stale.
        self.changes = 0
        self._begin(bare=bare)

    # reading

    def object(self, name: str) -> ObjectType | None:
        """The object type of this name."""
        return self._types.get(name.lower())

    def objects(self) -> tuple[ObjectType, ...]:
        """Every object type, standard ones first."""
        return tuple(self._types.values())

    def object_of(self, record_id: str) -> str | None:
        """The name of the object type that an id's prefix stands for."""
        return self._by_prefix.get(record_id[:3])

    def make_id(self, name: str, n: int) -> str:
        """The n-th record id of an object type. Raises KeyError for one that does not exist."""
        return make_id(self._types[name.lower()].prefix, n)

    def hanging(self, name: str) -> tuple[tuple[str, str], ...]:
        """(child object, field) of the records that are deleted with one of this object."""
        found = self._hanging.get(name)
        if found is None:
            found = self._hanging[name] = tuple(
                (child.name, parent)
                for child in self._types.values()
                for parent in child.parents
                if (field := child.find(parent)) is not None and name in field.to
            )
        return found

    def gated(self, object_name: str, field_name: str) -> bool:
        """Whether the field is visible to nobody until granted, as one made by API is (facts: Salesforce §5.1)."""
        kept = self._kept.get(object_name.lower())
        low = field_name.lower()
        return kept is not None and (low in kept["fields"] or low in kept["hidden"])

    # changing

    def put_object(self, kind: ObjectType) -> ObjectType:
        """Add an object, or replace its head and fields; returns it with prefix and system fields filled in."""
        known = self.object(kind.name)
        prefix = kind.prefix or (known.prefix if known else self._free_prefix())
        owned = not kind.custom or any(f.name == "OwnerId" for f in kind.own)
        own = kind.own if owned else (*kind.own, OWNER)
        whole = dataclasses.replace(kind, prefix=prefix, own=own, system=kind.system or SYSTEM)
        kept = self._keeping(whole.name)
        kept["object"] = _object_to_json(whole)
        kept["dropped"] = False
        fields = tuple(_field_from_json(f) for f in kept["fields"].values())
        self._set(whole.with_fields(fields))
        self._save(whole.name)
        return self._types[whole.name.lower()]

    def drop_object(self, name: str) -> None:
        """Remove a custom object and its records; unknown names are no fault."""
        kind = self.object(name)
        if kind is None:
            return
        kept = self._keeping(kind.name)
        kept.update(object=None, fields={}, gone=[], dropped=True)
        self._save(kind.name)
        self._unset(kind)

    def put_field(self, object_name: str, field: Field, *, visible: bool = False) -> None:
        """Add a custom field, or replace it; on Activity it lands on Task and Event. Raises KeyError: no such object.

        A new field is visible to nobody until granted, except with `visible`, as for a field that a feature of the
        org brings along. One that is replaced keeps its visibility.
        """
        for name in ACTIVITIES if object_name.lower() == ACTIVITY.lower() else (object_name,):
            kind = self._types[name.lower()]
            kept = self._keeping(kind.name)
            closed = field.name.lower() in kept["fields"] or (kind.find(field.name) is None and not visible)
            place = kept["fields"] if closed else kept["over"]
            place[field.name.lower()] = _field_to_json(field)
            self._set(kind.with_fields((field,)))
            self._save(kind.name)

    def hide_field(self, object_name: str, field_name: str) -> None:
        """Make a field visible to nobody until granted, though it was there from the start. Raises KeyError."""
        kind = self._types[object_name.lower()]
        kept = self._keeping(kind.name)
        kept["hidden"] = sorted({*kept["hidden"], field_name.lower()})
        self._set(kind)
        self._save(kind.name)

    def show_field(self, object_name: str, field_name: str) -> None:
        """Undo `hide_field`. Raises KeyError."""
        kind = self._types[object_name.lower()]
        kept = self._keeping(kind.name)
        kept["hidden"] = sorted({*kept["hidden"]} - {field_name.lower()})
        self._set(kind)
        self._save(kind.name)

    def drop_field(self, object_name: str, field_name: str) -> None:
        """Remove a field and what records hold in it; unknown names are no fault."""
        for name in ACTIVITIES if object_name.lower() == ACTIVITY.lower() else (object_name,):
            kind = self.object(name)
            field = kind.find(field_name) if kind else None
            if kind is None or field is None:
                continue
            low = field.name.lower()
            kept = self._keeping(kind.name)
            kept["fields"].pop(low, None)
            kept["over"].pop(low, None)
            kept["gone"] = sorted({*kept["gone"], low})
            self._world.table(kind.name).forget(field.name)
            self._set(kind.with_fields((), without=frozenset({low})))
            self._save(kind.name)

    # inside

    def load(self, key: str, value: Any) -> None:
        """Take one setting read from the state file."""
        if key == BARE:
            self._begin(bare=bool(value))
        elif key.startswith(KEPT):
            self._restore(key.removeprefix(KEPT), value)

    def _begin(self, *, bare: bool) -> None:
        self._world.settings[BARE] = bare
        for kind in objects_at_first(bare=bare):
            self._set(kind)

    def _restore(self, name: str, kept: dict[str, Any]) -> None:
        self._kept[name.lower()] = kept
        kind = self.object(name)
        if kept["dropped"]:
            if kind is not None:
                self._unset(kind)
            return
        if kept["object"]:
            kind = _object_from_json(kept["object"])
        if kind is None:
            return
        more = tuple(_field_from_json(f) for f in (*kept["over"].values(), *kept["fields"].values()))
        self._set(kind.with_fields(more, without=frozenset(kept["gone"])))

    def _set(self, kind: ObjectType) -> None:
        self.changes += 1
        before = self.object(kind.name)
        self._types[kind.name.lower()] = kind
        self._by_prefix[kind.prefix] = kind.name
        self._hanging.clear()
        table = self._world.tables.get(kind.name)
        if table is None:
            make_table(self._world, kind, defaults=lambda: self._defaults(kind.name))
            return
        for field in before.own if before else ():
            if kind.find(field.name) is None:
                table.drop_unique(field.name)
        for field in kind.own:
            index(table, field)

    def _unset(self, kind: ObjectType) -> None:
        self.changes += 1
        del self._types[kind.name.lower()]
        self._by_prefix.pop(kind.prefix, None)
        self._hanging.clear()
        self._world.tables.pop(kind.name, None)

    def _defaults(self, name: str) -> Mapping[str, Any]:
        kind = self.object(name)
        return kind.defaults if kind else {}

    def _keeping(self, name: str) -> dict[str, Any]:
        # "fields" were added since the start, "over" replaces fields of the start or needs no grant; "gone" names
        # those dropped, "hidden" those that need a grant though they were there.
        empty: dict[str, Any] = {"object": None, "fields": {}, "over": {}, "gone": [], "hidden": [], "dropped": False}
        return self._kept.setdefault(name.lower(), empty)

    def _save(self, name: str) -> None:
        self._world.setting(f"{KEPT}{name}", self._kept[name.lower()])

    def _free_prefix(self) -> str:
        return next(p for n in range(62 * 62) if (p := custom_prefix(n)) not in self._by_prefix)


def _field_to_json(field: Field) -> dict[str, Any]:
    return dataclasses.asdict(field)


def _field_from_json(found: dict[str, Any]) -> Field:
    return Field(**{**found, "values": tuple(found["values"]), "to": tuple(found["to"])})


def _object_to_json(kind: ObjectType) -> dict[str, Any]:
    head = {name: getattr(kind, name) for name in ("name", "label", "prefix", "writable", "searchable", "setup")}
    return {
        **head,
        "own": [_field_to_json(f) for f in kind.own],
        "indexed": list(kind.indexed),
        "parents": list(kind.parents),
    }


def _object_from_json(found: dict[str, Any]) -> ObjectType:
    own = tuple(_field_from_json(f) for f in found["own"])
    lists = {"indexed": tuple(found["indexed"]), "parents": tuple(found["parents"])}
    return ObjectType(**{**found, **lists, "own": own}, system=SYSTEM)
