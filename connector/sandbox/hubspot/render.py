"""Records as JSON: properties as text, history, associations, paging.

Not which records to show.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from connector.sandbox.hubspot import catalog, links
from connector.sandbox.hubspot.derive import Reader, iso, reader
from connector.sandbox.hubspot.schema import PORTAL_ID
from connector.sandbox.hubspot.sources import source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connector.sandbox.hubspot.kinds import Kind, Version
    from connector.sandbox.rows import Change, Row
    from connector.sandbox.state import World


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to show of each record."""

    names: tuple[str, ...]
    history: tuple[str, ...] = ()
    nulls: bool = True


_reader = functools.lru_cache(maxsize=None)(reader)


def wanted(world: World, kind: Kind, *, names: Iterable[str] = (), history: Iterable[str] = ()) -> Wanted:
    """The named properties, or the shown ones if none is named; unknown names are left out, as HubSpot does."""
    known = catalog.properties(world, kind)
    kept = tuple(n for n in history if n in known)
    chosen = [n for n in names if n in known] if names else [] if kept else list(kind.shown)
    return Wanted(names=tuple(dict.fromkeys([*chosen, kind.created, kind.modified, "hs_object_id"])), history=kept)


def written(world: World, kind: Kind, names: Iterable[str]) -> Wanted:
    """What the answer to a write shows: what was sent and the shown properties, without empty ones."""
    found = wanted(world, kind, names=[*kind.shown, *names])
    return Wanted(names=found.names, nulls=False)


def record(world: World, kind: Kind, row: Row, want: Wanted, *, version: Version) -> dict[str, Any]:
    """One record."""
    properties = {name: _read(kind, name)(row) for name in want.names}
    found: dict[str, Any] = {
        "id": row.id,
        "properties": properties if want.nulls else {n: v for n, v in properties.items() if v is not None},
        "createdAt": iso(row.created_at),
        "updatedAt": iso(row.modified_at),
        "archived": row.deleted_at is not None,
    }
    if row.deleted_at is not None:
        found["archivedAt"] = iso(row.deleted_at)
    if want.history:
        found["propertiesWithHistory"] = {name: history(world, kind, row, name) for name in want.history}
    if version.dated:
        found["url"] = f"https://app.hubspot.com/contacts/{PORTAL_ID}/record/{kind.type_id}/{row.id}"
    return found


def history(world: World, kind: Kind, row: Row, name: str) -> list[dict[str, Any]]:
    """The values a property has had, newest first (facts: HubSpot §1)."""
    changes = [c for c in row.history if c.field == name]
    if changes:
        return [_entry(world, c) for c in reversed(changes)]
    value = _read(kind, name)(row)
    if value is None:
        return []
    return [{"value": value, "timestamp": iso(row.modified_at), "sourceType": "CALCULATED"}]


def associations(world: World, kind: Kind, row: Row, tos: Iterable[Kind]) -> dict[str, Any]:
    """The linked records of the types asked for; types without any are left out."""
    found: dict[str, Any] = {}
    for to in tos:
        pairs = [
            {"id": other, "type": _type_name(kind, to, type_id)}
            for other, types in links.linked(world, kind, row.id, to)
            for type_id in sorted(types)
        ]
        if pairs:
            found[to.table] = {"results": pairs}
    return found


def next_page(path: str, query: Iterable[tuple[str, str]], after: str) -> dict[str, Any]:
    """`paging` with a link that repeats the whole query (facts: tools.md)."""
    kept = [(k, v) for k, v in query if k != "after"]
    return {"next": {"after": after, "link": f"https://api.hubapi.com{path}?{urlencode([*kept, ('after', after)])}"}}


def _read(kind: Kind, name: str) -> Reader:
    return _reader(kind, name)


def _entry(world: World, change: Change) -> dict[str, Any]:
    value = "" if change.new is None else str(change.new)
    return {"value": value, "timestamp": iso(change.at), **source(world, change.by)}


def _type_name(kind: Kind, to: Kind, type_id: int) -> str:
    plain = f"{kind.singular}_to_{to.singular}"
    if type_id not in (links.PRIMARIES.get((kind.table, to.table)), links.DEFAULTS[(kind.table, to.table)]):
        return str(type_id)
    # The labelled company association kept the old plain name; the later unlabelled one got a suffix.
    unlabelled = (kind.table, to.table) in links.PRIMARIES and type_id == links.DEFAULTS[(kind.table, to.table)]
    return f"{plain}_unlabeled" if unlabelled else plain
