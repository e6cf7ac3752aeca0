"""Search: filters, one sort, pages of up to 200, at most 10,000 results per query, from an index that may lag.

Not the 5 requests a second (`ratelimit.py`). Facts: HubSpot §1 throughout.
"""

from __future__ import annotations

import bisect
import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connector.sandbox.hubspot import catalog, render
from connector.sandbox.hubspot.asked import Asked, Reply, is_number, strings, whole
from connector.sandbox.hubspot.derive import indexed
from connector.sandbox.hubspot.errors import invalid
from connector.sandbox.hubspot.filters import Filter, Test, groups, sort_key
from connector.sandbox.hubspot.objects import ids_ascending

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from connector.sandbox.hubspot.kinds import Kind
    from connector.sandbox.rows import Row
    from connector.sandbox.state import World

BODY_MOST = 3_000
PAGE_DEFAULT = 10
PAGE_MOST = 200
RESULTS_MOST = 10_000
DESCENDING = "DESCENDING"


@dataclass(frozen=True, slots=True)
class _Sort:
    name: str
    backwards: bool


def search(asked: Asked) -> Reply:
    """POST: one page of what matches, with the total. Archived records never appear."""
    if len(asked.raw.decode("utf-8", "replace")) > BODY_MOST:
        raise invalid(f"The request body may have at most {BODY_MOST} characters")
    kind, body, world = asked.kind, asked.object(), asked.world
    limit = whole(body.get("limit"), "limit", PAGE_DEFAULT, most=PAGE_MOST)
    start = _after(body.get("after"))
    if start + limit > RESULTS_MOST:
        raise invalid(f"The total number of results that can be paged through is {RESULTS_MOST}")
    asked_groups = groups(world, kind, body.get("filterGroups"))
    sort = _sort(world, kind, body.get("sorts"))
    query = body.get("query")
    rows = _matching(world, kind, asked_groups, str(query).casefold().split() if query else [])
    ordered = _ordered(world, kind, rows, sort, upto=start + limit)
    page = ordered[start : start + limit]
    want = render.wanted(world, kind, names=strings(body.get("properties"), "properties"))
    results = [render.record(world, kind, row, want, version=asked.version) for row in page]
    if asked.fault is not None and asked.fault.kind == "duplicated" and results:
        results.append(results[0])
    found: dict[str, Any] = {"total": len(rows), "results": results}
    if start + limit < len(rows):
        found["paging"] = {"next": {"after": str(start + limit)}}
    return Reply(found, rows=len(results))


# inside


def _after(raw: Any) -> int:
    if raw in (None, ""):
        return 0
    if not is_number(str(raw)):
        raise invalid(f"after must be the number given back as paging.next.after, not {raw!r}")
    return int(raw)


def _sort(world: World, kind: Kind, raw: Any) -> _Sort:
    if not raw:
        return _Sort(name="hs_object_id", backwards=False)
    if not isinstance(raw, list) or len(raw) > 1:
        raise invalid("Only one sort is allowed")
    first = raw[0]
    if isinstance(first, str):
        found = _Sort(name=first.lstrip("-"), backwards=first.startswith("-"))
    elif isinstance(first, dict):
        found = _Sort(name=str(first.get("propertyName")), backwards=first.get("direction") == DESCENDING)
    else:
        raise invalid("Invalid input JSON: a sort is a property name or {propertyName, direction}")
    if found.name not in catalog.properties(world, kind):
        raise invalid(f"Property {found.name} does not exist and cannot be sorted by")
    return found


def _matching(world: World, kind: Kind, wanted: list[list[Filter]], words: list[str]) -> list[Row]:
    now = world.clock.now()
    tests = [[f.test(world, kind) for f in group] for group in wanted] or [[]]
    seen: dict[str, Row] = {}
    for group, checks in zip(wanted or [[]], tests, strict=True):
        for row in _candidates(world, kind, group):
            if row.deleted_at is None and row.id not in seen and _matches(kind, row, checks, words, now=now):
                seen[row.id] = row
    return list(seen.values())


def _matches(kind: Kind, row: Row, checks: list[Test], words: list[str], *, now: Any) -> bool:
    view = indexed(row, now)
    if view is None or not all(check(view) for check in checks):
        return False
    if not words:
        return True
    text = " ".join(str(view.values.get(n, "")) for n in kind.searched).casefold()
    return all(word in text for word in words)


def _candidates(world: World, kind: Kind, group: list[Filter]) -> Iterable[Row]:
    """Rows that may match, by the narrowest index at hand: ids, equal values, last-modified window, all."""
    table = world.table(kind.table)
    exact = {f.name: f for f in group if f.exact}
    if "hs_object_id" in exact:
        return [row for i in exact["hs_object_id"].listed if (row := table.get(i)) is not None]
    late = table.not_yet_visible(world.clock.now())
    by_value = [f for n, f in exact.items() if table.is_indexed(n)]
    window = [f for f in group if f.name == kind.modified and f.ranged]
    unique = next((f for f in by_value if f.name in table.unique), None)
    if unique:
        return [*table.where(unique.name, unique.listed), *late]
    if window:
        low, high = window[0].bounds()
        for more in window[1:]:
            other_low, other_high = more.bounds()
            low, high = max(low, other_low), min(high, other_high)
        return [*table.modified_between(low, high), *late]
    if by_value:
        return [*table.where(by_value[0].name, by_value[0].listed), *late]
    above = next((f for f in group if f.name == "hs_object_id" and f.operator in ("GT", "GTE")), None)
    if above is not None and is_number(above.value):
        return _from_id(world, kind, int(above.value))
    return table.live()


def _from_id(world: World, kind: Kind, low: int) -> Iterator[Row]:
    ids, rows = ids_ascending(world, kind), world.table(kind.table).rows
    return (rows[str(i)] for i in ids[bisect.bisect_left(ids, low) :])


def _ordered(world: World, kind: Kind, rows: list[Row], sort: _Sort, *, upto: int) -> list[Row]:
    key = sort_key(world, kind, sort.name)
    # Empty values stand last either way; equal ones go by record id, as a number.
    if sort.backwards:
        filled = [r for r in rows if key(r) is not None]
        empty = [r for r in rows if key(r) is None]
        best = heapq.nlargest(upto, filled, key=lambda r: (key(r), -int(r.id)))
        return best if len(best) >= upto else [*best, *sorted(empty, key=lambda r: int(r.id))]
    return heapq.nsmallest(upto, rows, key=lambda r: ((v := key(r)) is None, v if v is not None else 0, int(r.id)))
