"""Associations between records: their type ids, their labels, and who is linked with whom.

Not the endpoints (`associations.py`). One row of the table `associations` stands for a pair of records and holds
the type ids of both directions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.hubspot.errors import invalid, not_found
from connector.sandbox.hubspot.kinds import KINDS, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from connector.sandbox.rows import Row
    from connector.sandbox.state import World

HUBSPOT_DEFINED, USER_DEFINED = "HUBSPOT_DEFINED", "USER_DEFINED"
PRIMARY = "Primary"

# Unlabelled type ids in both directions (facts: HubSpot §3c; the client's AssociationType constants).
_PAIRS: tuple[tuple[str, str, int, int], ...] = (
    ("deals", "companies", 341, 342),
    ("deals", "contacts", 3, 4),
    ("contacts", "companies", 279, 280),
    ("deals", "deals", 451, 451),
    ("companies", "companies", 450, 450),
    ("contacts", "contacts", 449, 449),
    ("tasks", "contacts", 204, 203),
    ("tasks", "companies", 192, 191),
    ("tasks", "deals", 216, 215),
    ("notes", "contacts", 202, 201),
    ("notes", "companies", 190, 189),
    ("notes", "deals", 214, 213),
    ("meetings", "contacts", 200, 199),
    ("meetings", "companies", 188, 187),
    ("meetings", "deals", 212, 211),
    ("calls", "contacts", 194, 193),
    ("calls", "companies", 182, 181),
    ("calls", "deals", 206, 205),
    ("emails", "contacts", 198, 197),
    ("emails", "companies", 186, 185),
    ("emails", "deals", 210, 209),
)
_PRIMARY: tuple[tuple[str, str, int, int], ...] = (
    ("deals", "companies", 5, 6),
    ("contacts", "companies", 1, 2),
)


# Labels that the portal's admin made, with the ids of both directions, which a portal counts for itself.
_OWN: tuple[tuple[str, str, int, int, str], ...] = (
    ("deals", "contacts", 61, 62, "Champion"),
    ("deals", "contacts", 63, 64, "Economic buyer"),
    ("deals", "contacts", 65, 66, "Technical admin"),
)
OWN_LABELS = {n: label for _, _, a, b, label in _OWN for n in (a, b)}


def _both_ways(pairs: tuple[tuple[str, str, int, int], ...]) -> dict[tuple[str, str], int]:
    there = {(a, b): n for a, b, n, _ in pairs}
    return {(b, a): n for a, b, _, n in pairs} | there


DEFAULTS = _both_ways(_PAIRS)
PRIMARIES = _both_ways(_PRIMARY)
_BOTH = (*_PAIRS, *_PRIMARY, *(own[:4] for own in _OWN))
OPPOSITE = {n: m for _, _, a, b in _BOTH for n, m in ((a, b), (b, a))}
_OWN_IDS = [(way, n) for a, b, n, m, _ in _OWN for way, n in (((a, b), n), ((b, a), m))]
KNOWN: dict[tuple[str, str], frozenset[int]] = {
    pair: frozenset({n, PRIMARIES.get(pair, n), *(own for way, own in _OWN_IDS if way == pair)})
    for pair, n in DEFAULTS.items()
}
_TARGET = {n: to for table in (DEFAULTS, PRIMARIES) for (_, to), n in table.items()} | {
    n: to for (_, to), n in _OWN_IDS
}
_KIND_OF_TABLE = {k.table: k for k in KINDS}


def add_table(world: World) -> None:
    """Give the portal its table of pairs."""
    world.add_table("associations", indexed=("a", "b"))


def label(type_id: int) -> str | None:
    """The label of a type; the unlabelled ones have none."""
    return PRIMARY if type_id in PRIMARIES.values() else OWN_LABELS.get(type_id)


def category(type_id: int) -> str:
    """Whether the vendor made a type or the portal."""
    return USER_DEFINED if type_id in OWN_LABELS else HUBSPOT_DEFINED


def own_type(kind: Kind, to: Kind, text: str) -> int | None:
    """The type id of a label that the portal made, in this direction."""
    return next(
        (n for (a, b), n in _OWN_IDS if (a, b) == (kind.table, to.table) and OWN_LABELS[n].casefold() == text), None
    )


def default_type(kind: Kind, to: Kind) -> int:
    """The unlabelled type id from one type to another. Raises Refused (400) when they cannot be associated."""
    found = DEFAULTS.get((kind.table, to.table))
    if found is None:
        raise invalid(f"No default association type exists between {kind.type_id} and {to.type_id}")
    return found


def target_kind(type_id: int) -> Kind:
    """The type that an association type points to. Raises Refused (400)."""
    table = _TARGET.get(type_id)
    if table is None:
        raise invalid(f"Association type id {type_id} does not exist")
    return _KIND_OF_TABLE[table]


def link(
    world: World, kind: Kind, record_id: str, to: Kind, to_id: str, *, by: str, types: Iterable[int] = ()
) -> frozenset[int]:
    """Associate two live records, the default type always included; return all types in the given direction.

    Raises Refused: 404 for a missing record, 400 for a type that does not fit the pair.
    """
    _need(world, kind, record_id)
    _need(world, to, to_id)
    base = default_type(kind, to)
    wanted = {base, *types}
    for type_id in wanted - KNOWN[(kind.table, to.table)]:
        raise invalid(f"Association type id {type_id} is not valid from {kind.type_id} to {to.type_id}")
    if _lacks_primary(world, kind, record_id, to, to_id):
        wanted.add(PRIMARIES[(kind.table, to.table)])
    elif (primary := PRIMARIES.get((kind.table, to.table))) in wanted:
        _demote(world, kind, record_id, to, to_id, type_id=primary, by=by)
    return _write(world, kind, record_id, to, to_id, types=wanted, by=by)


def unlink(world: World, kind: Kind, record_id: str, to: Kind, to_id: str, *, by: str) -> bool:
    """Remove every association of two records; False when there was none."""
    row = _pair(world, kind, record_id, to, to_id)
    if row is not None:
        world.table("associations").delete(row.id, by=by)
    return row is not None


def unlink_types(
    world: World, kind: Kind, record_id: str, to: Kind, to_id: str, *, types: Iterable[int], by: str
) -> None:
    """Remove some types; without the unlabelled type nothing of the pair is left."""
    row = _pair(world, kind, record_id, to, to_id)
    if row is None:
        return
    gone = set(types)
    if default_type(kind, to) in gone:
        world.table("associations").delete(row.id, by=by)
        return
    kept = types_of(row, kind, record_id) - gone
    _store(world, row, kind, record_id, kept, by=by)


def unlink_all(world: World, kind: Kind, record_id: str, *, by: str) -> None:
    """Remove every association of a record: archiving it does that."""
    for _, _, row in neighbours(world, kind, record_id):
        world.table("associations").delete(row.id, by=by)


def linked(world: World, kind: Kind, record_id: str, to: Kind) -> list[tuple[str, frozenset[int]]]:
    """Ids of the linked records of one type, ascending, with the types in this direction."""
    found = ((other, types_of(row, kind, record_id)) for k, other, row in neighbours(world, kind, record_id) if k is to)
    return sorted(found, key=lambda pair: int(pair[0]))


def neighbours(world: World, kind: Kind, record_id: str) -> Iterator[tuple[Kind, str, Row]]:
    """Every linked record: its type, its id, and the row of the pair."""
    table, me = world.table("associations"), f"{kind.table}:{record_id}"
    for mine, other in (("a", "b"), ("b", "a")):
        for row in table.where(mine, [me]):
            name, _, other_id = row.values[other].partition(":")
            yield _KIND_OF_TABLE[name], other_id, row


def types_of(row: Row, kind: Kind, record_id: str) -> frozenset[int]:
    """The types of a pair in the direction that starts at this record."""
    forward = row.values["a"] == f"{kind.table}:{record_id}"
    return frozenset(row.values["types"] if forward else [OPPOSITE[n] for n in row.values["types"]])


def move(world: World, kind: Kind, record_id: str, to: Kind, to_id: str, *, by: str, types: Iterable[int]) -> None:
    """Give a merged record an association of one that went into it; a primary company that it has stays primary."""
    kept = set(types)
    primary = PRIMARIES.get((kind.table, to.table))
    if primary is not None and not _lacks_primary(world, kind, record_id, to, to_id):
        kept.discard(primary)
    _write(world, kind, record_id, to, to_id, types=kept | {default_type(kind, to)}, by=by)


# inside


def _need(world: World, kind: Kind, record_id: str) -> None:
    if world.table(kind.table).get(record_id) is None:
        raise not_found(f"{kind.label} {record_id} does not exist", id=[record_id], objectType=[kind.type_id])


def _key(kind: Kind, record_id: str, to: Kind, to_id: str) -> tuple[str, str]:
    here, there = f"{kind.table}:{record_id}", f"{to.table}:{to_id}"
    return (here, there) if here <= there else (there, here)


def _pair(world: World, kind: Kind, record_id: str, to: Kind, to_id: str) -> Row | None:
    return world.table("associations").get("|".join(_key(kind, record_id, to, to_id)))


def _write(
    world: World, kind: Kind, record_id: str, to: Kind, to_id: str, *, types: set[int], by: str
) -> frozenset[int]:
    table = world.table("associations")
    a, b = _key(kind, record_id, to, to_id)
    row = table.get(f"{a}|{b}", deleted=True)
    if row is None or row.deleted_at is not None:
        forward = a == f"{kind.table}:{record_id}"
        values = {"a": a, "b": b, "types": sorted(types if forward else {OPPOSITE[n] for n in types})}
        if row is None:
            table.insert(values, by=by, id=f"{a}|{b}")
        else:
            table.restore(row.id, by=by)
            table.update(row.id, values, by=by)
        _log_activity(world, kind, record_id, to, to_id, by=by)
        return frozenset(types)
    now = types_of(row, kind, record_id) | types
    _store(world, row, kind, record_id, now, by=by)
    return frozenset(now)


def _store(world: World, row: Row, kind: Kind, record_id: str, types: Iterable[int], *, by: str) -> None:
    forward = row.values["a"] == f"{kind.table}:{record_id}"
    kept = sorted(types if forward else {OPPOSITE[n] for n in types})
    if kept != row.values["types"]:
        world.table("associations").update(row.id, {"types": kept}, by=by)


def _lacks_primary(world: World, kind: Kind, record_id: str, to: Kind, to_id: str) -> bool:
    # The first company of a deal or a contact becomes its primary one by itself.
    primary = PRIMARIES.get((kind.table, to.table))
    if primary is None:
        return False
    deal_side = (kind, record_id, to) if to.table == "companies" else (to, to_id, kind)
    type_id = PRIMARIES[(deal_side[0].table, "companies")]
    return not any(type_id in types for _, types in linked(world, *deal_side))


def _demote(world: World, kind: Kind, record_id: str, to: Kind, to_id: str, *, type_id: int | None, by: str) -> None:
    # A record has one primary company: naming another takes the label from the first.
    if type_id is None:
        return
    owner, owner_id, company = (kind, record_id, to_id) if to.table == "companies" else (to, to_id, record_id)
    mark = PRIMARIES[(owner.table, "companies")]
    companies = _KIND_OF_TABLE["companies"]
    for other, types in linked(world, owner, owner_id, companies):
        row = _pair(world, owner, owner_id, companies, other)
        if other != company and mark in types and row is not None:
            _store(world, row, owner, owner_id, types - {mark}, by=by)


def _log_activity(world: World, kind: Kind, record_id: str, to: Kind, to_id: str, *, by: str) -> None:
    # Logged activity changes notes_last_updated and so the record's last-modified stamp (facts: HubSpot §1).
    for activity, record, its_id in ((kind, to, to_id), (to, kind, record_id)):
        if activity.engagement and not record.engagement:
            now = world.clock.now()
            world.table(record.table).update(its_id, {"notes_last_updated": now}, by=by)
