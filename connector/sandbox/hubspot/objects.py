"""Single records and lists: read, create, change, archive, page through.

Not batches (`batch.py`) nor search (`search.py`). Lists and reads come from the consistent store, never from the
lagging index (facts: HubSpot §1).
"""

from __future__ import annotations

import bisect
import heapq
from typing import TYPE_CHECKING, Any

from connector.sandbox.hubspot import backdrop, merging, records, render
from connector.sandbox.hubspot.asked import Asked, Reply, is_number
from connector.sandbox.hubspot.errors import invalid, not_found
from connector.sandbox.hubspot.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connector.sandbox.hubspot.kinds import Kind
    from connector.sandbox.rows import Row
    from connector.sandbox.state import World

# facts: HubSpot §1
LIST_DEFAULT = 10
LIST_MOST = 100
LIST_MOST_WITH_HISTORY = 50
SORTED = "hubspot.sorted_ids"


def list_page(asked: Asked) -> Reply:
    """GET: one page, ascending by id."""
    kind = asked.kind
    history = asked.many("propertiesWithHistory")
    limit = asked.number("limit", LIST_DEFAULT, most=LIST_MOST_WITH_HISTORY if history else LIST_MOST)
    want = render.wanted(asked.world, kind, names=asked.many("properties"), history=history)
    tos = [kind_of(name) for name in asked.many("associations")]
    rows, more = _page(asked, kind, limit)
    body: dict[str, Any] = {"results": [_shown(asked, kind, row, want, tos) for row in rows]}
    if more:
        body["paging"] = render.next_page(asked.path, asked.query, rows[-1].id)
    return Reply(body, rows=len(rows))


def read(asked: Asked) -> Reply:
    """GET one record, by id or by a unique property."""
    kind = asked.kind
    row = _found(asked, archived=asked.flag("archived"))
    want = render.wanted(asked.world, kind, names=asked.many("properties"), history=asked.many("propertiesWithHistory"))
    return Reply(_shown(asked, kind, row, want, [kind_of(n) for n in asked.many("associations")]), rows=1)


def create(asked: Asked) -> Reply:
    """POST one record, with associations if given."""
    kind, body = asked.kind, asked.object()
    ready = records.draft(
        asked.world,
        kind,
        body.get("properties", {}),
        version=asked.version,
        associations=body.get("associations"),
    )
    row = records.commit(asked.world, ready, by=asked.by)
    return _written(asked, kind, row, ready, status=201)


def update(asked: Asked) -> Reply:
    """PATCH one record, by id or by a unique property."""
    kind = asked.kind
    row = _found(asked, archived=False)
    ready = records.draft(asked.world, kind, asked.object().get("properties", {}), version=asked.version, row=row)
    return _written(asked, kind, records.commit(asked.world, ready, by=asked.by), ready, status=200)


def archive(asked: Asked) -> Reply:
    """DELETE one record; 204 whether it was there or not (facts: HubSpot §3a)."""
    records.archive(asked.world, asked.kind, asked.params["id"], by=asked.by)
    return Reply(status=204, rows=1)


def merge(asked: Asked) -> Reply:
    """POST: two records become one; activities are not merged."""
    if asked.kind.engagement:
        raise not_found("No such path in this API version")
    body = asked.object()
    ids = [str(body.get(name) or "") for name in ("primaryObjectId", "objectIdToMerge")]
    if not all(ids):
        raise invalid("primaryObjectId and objectIdToMerge are required")
    row = merging.merge(asked.world, asked.kind, ids[0], ids[1], by=asked.by)
    want = render.written(asked.world, asked.kind, (merging.MERGED,))
    return Reply(render.record(asked.world, asked.kind, row, want, version=asked.version), rows=1)


def ids_ascending(world: World, kind: Kind) -> list[int]:
    """Every id of a table as numbers, ascending; kept until a row is added."""
    rows = world.table(kind.table).rows
    cache: dict[str, list[int]] = world.scratch.setdefault(SORTED, {})
    ids = cache.get(kind.table)
    if ids is None or len(ids) != len(rows):
        ids = cache[kind.table] = sorted(int(i) for i in rows)
    return ids


# inside


def _page(asked: Asked, kind: Kind, limit: int) -> tuple[list[Row], bool]:
    archived = asked.flag("archived")
    ids = ids_ascending(asked.world, kind)
    table = asked.world.table(kind.table)
    after = asked.one("after")
    if after is not None and not is_number(after):
        raise invalid(f"after must be a paging cursor, not {after!r}")
    listed = bool(asked.world.settings.get(merging.LISTED))
    found: list[Row] = []
    for number in _numbers(asked, kind, ids, int(after) if after else 0, archived=archived):
        row = table.get(str(number), deleted=True)
        if row is None or (row.deleted_at is not None) is not archived:
            continue
        if listed or not merging.merged_away(row):
            found.append(row)
            if len(found) > limit:
                break
    return found[:limit], len(found) > limit


def _numbers(asked: Asked, kind: Kind, ids: list[int], after: int, *, archived: bool) -> Iterable[int]:
    rows = ids[bisect.bisect_right(ids, after) :]
    behind = backdrop.of(asked.world) if kind.table == "deals" and not archived else None
    if behind is None:
        return rows
    first = max(backdrop.FIRST_ID, after + 1)
    drawn = set(backdrop.drawn(behind, ids))
    beyond = range(first, backdrop.FIRST_ID + behind.count)
    return heapq.merge(rows, (n for n in beyond if n - backdrop.FIRST_ID not in drawn))


def _found(asked: Asked, *, archived: bool) -> Row:
    kind, record_id = asked.kind, asked.params["id"]
    row = records.find_one(asked.world, kind, record_id, id_property=asked.one("idProperty"), archived=archived)
    if row is None:
        raise not_found(f"Object not found.  objectId are usually numeric: {record_id}", id=[record_id])
    return row


def _shown(asked: Asked, kind: Kind, row: Row, want: render.Wanted, tos: list[Kind]) -> dict[str, Any]:
    found = render.record(asked.world, kind, row, want, version=asked.version)
    linked = render.associations(asked.world, kind, row, tos)
    return {**found, "associations": linked} if linked else found


def _written(asked: Asked, kind: Kind, row: Row, ready: records.Draft, *, status: int) -> Reply:
    want = render.written(asked.world, kind, ready.changes)
    body = render.record(asked.world, kind, row, want, version=asked.version)
    trace = asked.object().get("objectWriteTraceId")
    if trace:
        body["objectWriteTraceId"] = trace
    return Reply(body, status=status, rows=1)
