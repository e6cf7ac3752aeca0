"""Creating, changing, finding and archiving records by the portal's rules.

Not batches (`batch.py`) and not JSON (`render.py`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connector.sandbox.hubspot import catalog, links, merging, rules, validations
from connector.sandbox.hubspot.asked import listed
from connector.sandbox.hubspot.errors import Detail, Refused, invalid
from connector.sandbox.hubspot.schema import PORTAL_ID
from connector.sandbox.hubspot.stages import PIPELINES, SALES
from connector.sandbox.hubspot.values import Wrong, check

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connector.sandbox.hubspot.defs import Definition
    from connector.sandbox.hubspot.kinds import Kind, Version
    from connector.sandbox.rows import Row
    from connector.sandbox.state import World

OWN_ID = (None, "hs_object_id")
PINNED = "hs_pinned_engagement_id"


@dataclass(frozen=True, slots=True)
class Draft:
    """A write that passed every check and was not made yet."""

    kind: Kind
    changes: dict[str, str | None]
    row: Row | None = None
    links: tuple[tuple[Kind, str, tuple[int, ...]], ...] = field(default=())


def draft(
    world: World,
    kind: Kind,
    properties: Any,
    *,
    version: Version,
    row: Row | None = None,
    associations: Any = None,
    taken: Iterable[tuple[str, str]] = (),
) -> Draft:
    """Check a write to `row`, or to a new record. `taken` are unique values claimed earlier in the same batch.

    Raises Refused: 400 for values, options, owners, stages and unique values, 409 for a contact's e-mail.
    """
    if not isinstance(properties, dict):
        raise invalid("Invalid input JSON: properties must be an object")
    changes = _checked(world, kind, properties, row)
    _check_pin(world, kind, changes, row)
    if kind.table == "deals":
        _check_stage(changes, row)
    if row is None and kind.engagement and not changes.get("hs_timestamp"):
        raise rules.required_missing(kind, "hs_timestamp")
    if version.enforces:
        rules.check(world, kind, changes, row)
    _check_unique(world, kind, changes, row, set(taken))
    return Draft(kind=kind, changes=changes, row=row, links=_links(world, kind, associations))


def commit(world: World, ready: Draft, *, by: str) -> Row:
    """Make the write."""
    table = world.table(ready.kind.table)
    if ready.row is not None:
        return table.update(ready.row.id, dict(ready.changes), by=by)
    row = table.insert(dict(ready.changes), by=by)
    for to, to_id, types in ready.links:
        links.link(world, ready.kind, row.id, to, to_id, by=by, types=types)
    return row


def archive(world: World, kind: Kind, record_id: str, *, by: str) -> None:
    """Move a record to the recycle bin with its associations; nothing happens when it is not there."""
    if world.table(kind.table).get(record_id) is not None:
        links.unlink_all(world, kind, record_id, by=by)
        world.table(kind.table).delete(record_id, by=by)


def find_one(
    world: World, kind: Kind, record_id: str, *, id_property: str | None = None, archived: bool = False
) -> Row | None:
    """As `find`, and the id of a record that was merged away leads to the one it became (facts: HubSpot §3a)."""
    if id_property in OWN_ID and not archived:
        return merging.current(world, kind, record_id)
    return find(world, kind, record_id, id_property=id_property, archived=archived)


def find(
    world: World, kind: Kind, record_id: str, *, id_property: str | None = None, archived: bool = False
) -> Row | None:
    """The record of this id, or of this unique value; an archived one only when asked for, and then only that.

    Raises Refused (400) when `id_property` is not unique.
    """
    table = world.table(kind.table)
    if id_property in OWN_ID:
        row = table.get(record_id, deleted=archived)
    else:
        unique_property(world, kind, id_property or "")
        row = table.find_unique(id_property or "", record_id)
    return row if row is not None and (row.deleted_at is not None) is archived else None


def unique_property(world: World, kind: Kind, name: str) -> Definition:
    """The property, if it is unique. Raises Refused (400)."""
    definition = catalog.properties(world, kind).get(name)
    if definition is None or not definition.unique:
        raise invalid(
            f"Unable to perform update/upsert by non-unique {kind.type_id} property {name} in portal ID {PORTAL_ID}"
        )
    return definition


def unique_values(world: World, kind: Kind, changes: dict[str, str | None]) -> list[tuple[str, str]]:
    """The unique values that a write claims, compared without case."""
    known = catalog.properties(world, kind)
    return [(n, v.casefold()) for n, v in changes.items() if v and known[n].unique]


# inside


def _checked(world: World, kind: Kind, properties: dict[str, Any], row: Row | None) -> dict[str, str | None]:
    known = catalog.properties(world, kind)
    changes: dict[str, str | None] = {}
    wrong: list[tuple[str, Wrong]] = []
    for name, raw in properties.items():
        try:
            changes[name] = _value(world, known.get(name), name, raw, row)
            validations.check(world, kind, name, changes[name])
        except Wrong as problem:
            wrong.append((name, problem))
    if wrong:
        raise _values_refused(wrong)
    return changes


def _value(world: World, definition: Definition | None, name: str, raw: Any, row: Row | None) -> str | None:
    if definition is None:
        raise Wrong("PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist')
    if definition.read_only:
        raise Wrong("READ_ONLY_VALUE", f'"{name}" is a read only property; its value cannot be set.')
    appended = definition.multiple and isinstance(raw, str) and raw.startswith(";")
    if appended and row is not None and row.values.get(name):
        raw = ";".join(dict.fromkeys([*row.values[name].split(";"), *raw.strip(";").split(";")]))
    return check(world, definition, raw)


def _values_refused(wrong: list[tuple[str, Wrong]]) -> Refused:
    listed = [
        {
            "isValid": False,
            "message": w.message,
            "error": w.code,
            "name": name,
            "localizedErrorMessage": w.message,
        }
        for name, w in wrong
    ]
    details = (Detail(message=w.message, code=w.code, context={"propertyName": [name]}) for name, w in wrong)
    return invalid(f"Property values were not valid: {json.dumps(listed, separators=(',', ':'))}", *details)


def _check_pin(world: World, kind: Kind, changes: dict[str, str | None], row: Row | None) -> None:
    # Only an activity that is associated with the record can be pinned to it (facts: HubSpot §5).
    pinned = changes.get(PINNED)
    if not pinned:
        return
    linked = {other for to, other, _ in links.neighbours(world, kind, row.id) if to.engagement} if row else set()
    if pinned not in linked:
        problem = Wrong("INVALID_ENGAGEMENT", f"{pinned} is not an activity associated with this {kind.singular}")
        raise _values_refused([(PINNED, problem)])


def _check_stage(changes: dict[str, str | None], row: Row | None) -> None:
    # A stage belongs to a pipeline; without one sent, to the record's own or the default one (facts: HubSpot §4).
    if "dealstage" not in changes and "pipeline" not in changes:
        return
    before = row.values if row is not None else {}
    pipeline = PIPELINES[changes.get("pipeline") or before.get("pipeline") or SALES.id]
    stage = changes.get("dealstage", before.get("dealstage"))
    if stage and pipeline.stage(stage) is None:
        allowed = ", ".join(s.id for s in pipeline.stages)
        problem = Wrong(
            "INVALID_OPTION", f"{stage} is not a stage of pipeline {pipeline.id}; its stages are [{allowed}]"
        )
        raise _values_refused([("dealstage", problem)])
    changes["pipeline"] = pipeline.id


def _check_unique(
    world: World, kind: Kind, changes: dict[str, str | None], row: Row | None, taken: set[tuple[str, str]]
) -> None:
    for name, value in unique_values(world, kind, changes):
        holder = world.table(kind.table).find_unique(name, value)
        if holder is not None and (row is None or holder.id != row.id):
            raise _conflict(kind, name, changes[name] or "", holder.id)
        if (name, value) in taken:
            raise _conflict(kind, name, changes[name] or "", "another input of this batch")


def _conflict(kind: Kind, name: str, value: str, holder: str) -> Refused:
    # facts: HubSpot §3b: two different answers, by property.
    if (kind.table, name) == ("contacts", "email"):
        return Refused(status=409, category="CONFLICT", message=f"Contact already exists. Existing ID: {holder}")
    message = f'{holder} already has that value: property "{name}" must be unique and "{value}" is taken.'
    return _values_refused([(name, Wrong("CONFLICTING_UNIQUE_VALUE", message))])


def _links(world: World, kind: Kind, associations: Any) -> tuple[tuple[Kind, str, tuple[int, ...]], ...]:
    found: list[tuple[Kind, str, tuple[int, ...]]] = []
    for entry in listed(associations, "associations"):
        try:
            to_id = str(entry["to"]["id"])
            types = tuple(int(t["associationTypeId"]) for t in entry["types"])
        except (KeyError, TypeError, ValueError) as problem:
            raise invalid(f"Invalid input JSON: associations need to.id and types: {problem}") from problem
        if not types:
            raise invalid("associations need at least one type")
        to = links.target_kind(types[0])
        for type_id in types:
            if type_id not in links.KNOWN.get((kind.table, to.table), ()):
                raise invalid(f"Association type id {type_id} is not valid from {kind.type_id} to {to.type_id}")
        if world.table(to.table).get(to_id) is None:
            raise invalid(f"{to.label} {to_id} does not exist and cannot be associated")
        found.append((to, to_id, types))
    return tuple(found)
