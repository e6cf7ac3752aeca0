"""Merging two records into one, following the ids that went, and bringing archived records back.

Not the archiving (`records.py`). Setting `merge_keeps_id`: the surviving record keeps the id of the primary one; else
it gets a new one, as webhooks name it (facts: HubSpot §2a, `newObjectId`), and both ids lead to it. Setting
`merged_are_listed`: whether merged-away records are among the archived ones, which no document says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector.sandbox.hubspot import links
from connector.sandbox.hubspot.errors import Refused, invalid, not_found
from connector.sandbox.hubspot.feeds.source import Merger, source
from connector.sandbox.hubspot.kinds import kind_of

if TYPE_CHECKING:
    from connector.sandbox.hubspot.kinds import Kind
    from connector.sandbox.rows import Row
    from connector.sandbox.state import World

KEEPS_ID = "merge_keeps_id"
LISTED = "merged_are_listed"
INTO = "$merged_into"
"""Where a merged-away row keeps the id of the record that it became."""
MERGED = "hs_merged_object_ids"


def merge(world: World, kind: Kind, primary_id: str, other_id: str, *, by: str) -> Row:
    """Merge the other record into the primary one and return the survivor; what the primary lacks comes from the other.

    Raises Refused: 404 for a record that is not there, 400 for merging one with itself.
    """
    table = world.table(kind.table)
    primary, other = current(world, kind, primary_id), current(world, kind, other_id)
    for record_id, row in ((primary_id, primary), (other_id, other)):
        if row is None:
            raise not_found(f"{kind.label} {record_id} does not exist", id=[record_id])
    if primary is None or other is None or primary is other:
        raise invalid("A record cannot be merged with itself")
    unique = dict.fromkeys(table.unique)
    gone = [primary, other] if not world.settings.get(KEEPS_ID) else [other]
    ids = [i for row in (primary, other) for i in (row.values.get(MERGED) or "").split(";") if i]
    values = {n: v for row in (other, primary) for n, v in row.values.items() if not n.startswith("$")}
    claimed = {n: values.pop(n) for n in unique if n in values}
    values[MERGED] = ";".join(dict.fromkeys([*ids, *(row.id for row in gone)]))
    survivor = primary
    if len(gone) > 1:
        survivor = _reborn(world, kind, primary, values, by=by)
    merger = Merger(winner=primary.id, losers=(other.id,), result=survivor.id, moved=len(values))
    with source(world).merging(kind, merger, by=by):
        for row in gone:
            _move_links(world, kind, row.id, survivor.id, by=by)
            table.update(row.id, {INTO: survivor.id}, by=by, touch=False)
            table.delete(row.id, by=by)
    return table.update(survivor.id, claimed if len(gone) > 1 else {**values, **claimed}, by=by)


def merge_all(world: World, name: str, primary_id: str, others: list[str], *, by: str) -> str:
    """Merge several into one and return its id: what a person does at the screen.

    Raises ValueError for records that are not there, or are the same.
    """
    kind = kind_of(name)
    try:
        for other in others:
            primary_id = merge(world, kind, primary_id, other, by=by).id
    except Refused as refusal:
        raise ValueError(refusal.message) from refusal
    return primary_id


def current(world: World, kind: Kind, record_id: str) -> Row | None:
    """The live record of this id, or the one that it was merged into."""
    table = world.table(kind.table)
    row = table.get(record_id, deleted=True)
    while row is not None and row.deleted_at is not None:
        row = table.get(row.values[INTO], deleted=True) if INTO in row.values else None
    return row


def merged_away(row: Row) -> bool:
    """Whether this record is now part of another."""
    return row.deleted_at is not None and INTO in row.values


def undelete(world: World, name: str, record_id: str, *, by: str) -> str:
    """As `restore`, by the object's name; the id again."""
    return restore(world, kind_of(name), record_id, by=by).id


def restore(world: World, kind: Kind, record_id: str, *, by: str) -> Row:
    """Bring an archived record back with the associations it lost by that: a click of a person, no endpoint.

    Raises Missing when it is not in the recycle bin.
    """
    table, pairs = world.table(kind.table), world.table("associations")
    old = table.get(record_id, deleted=True)
    archived_at = old.deleted_at if old is not None else None
    row = table.restore(record_id, by=by)
    ends = f"{kind.table}:{record_id}"
    for pair in [pairs.rows[i] for i in pairs.deleted]:
        if pair.deleted_at == archived_at and ends in (pair.values["a"], pair.values["b"]) and _both(world, pair):
            pairs.restore(pair.id, by=by)
    return row


# inside


def _reborn(world: World, kind: Kind, primary: Row, values: dict[str, Any], *, by: str) -> Row:
    # The history goes on: only what came from the other record is new.
    row = world.table(kind.table).insert(values, by=by)
    row.history = [*primary.history, *(c for c in row.history if c.new != primary.values.get(c.field))]
    row.created_at = primary.created_at
    world.record(world.table(kind.table), row, changes=len(row.history))
    return row


def _move_links(world: World, kind: Kind, old_id: str, new_id: str, *, by: str) -> None:
    for to, other, pair in list(links.neighbours(world, kind, old_id)):
        types = links.types_of(pair, kind, old_id)
        if not (to is kind and other == new_id):
            links.move(world, kind, new_id, to, other, by=by, types=types)
    links.unlink_all(world, kind, old_id, by=by)


def _both(world: World, pair: Row) -> bool:
    ends = (pair.values[end].partition(":") for end in ("a", "b"))
    return all(world.table(name).get(record_id) is not None for name, _, record_id in ends)
