"""Search: filters, one sort, pages of up to 200, at most 10,000 results per query, from an index that may lag.

Not the 5 requests a second (`ratelimit.py`). Facts: HubSpot §1 throughout.
"""

from __future__ import annotations

import bisect
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connector.sandbox.hubspot import backdrop, catalog, render
from connector.sandbox.hubspot.asked import Asked, Reply, is_number, strings, whole
from connector.sandbox.hubspot.beyond import Beyond
from connector.sandbox.hubspot.derive import indexed
from connector.sandbox.hubspot.errors import invalid
from connector.sandbox.hubspot.filters import LINKED, Filter, Test, groups, sort_key
from connector.sandbox.hubspot.objects import ids_ascending

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from connector.sandbox.hubspot.derive import Seen
    from connector.sandbox.hubspot.kinds import Kind
    from connector.sandbox.hubspot.stretches import Picked
    from connector.sandbox.rows import Row
    from connector.sandbox.state import World

BODY_MOST = 3_000
PAGE_DEFAULT = 10
PAGE_MOST = 200
RESULTS_MOST = 10_000
DESCENDING = "DESCENDING"
KEPT = "hubspot.search"
KEPT_MOST = 8


@dataclass(frozen=True, slots=True)
class _Sort:
    name: str
    backwards: bool


@dataclass(frozen=True, slots=True)
class _Asking:
    groups: list[list[Filter]]
    sort: _Sort
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Answers:
    """Everything that matches, in order: rows, and the backdrop's deals by their numbers."""

    rows: list[Row]
    beyond: Picked | tuple[int, ...]
    make: Callable[[int], Row]
    before: Callable[[Row, Row], bool]

    def __len__(self) -> int:
        return len(self.rows) + len(self.beyond)

    def page(self, start: int, limit: int) -> list[Row]:
        """The rows from `start` on, both kinds merged; where to begin is found by halving, however late the page."""
        low, high = max(0, start - len(self.beyond)), min(start, len(self.rows))
        while low < high:
            middle = (low + high) // 2
            if self.before(self.rows[middle], self.make(self.beyond[start - middle - 1])):
                low = middle + 1
            else:
                high = middle
        end = min(start + limit - low, len(self.beyond))
        rows = self.rows[low : low + limit]
        made = [self.make(self.beyond[n]) for n in range(start - low, end)]
        return _merged(rows, made, self.before)[:limit]


def search(asked: Asked) -> Reply:
    """POST: one page of what matches, with the total. Archived records never appear."""
    if len(asked.raw.decode("utf-8", "replace")) > BODY_MOST:
        raise invalid(f"The request body may have at most {BODY_MOST} characters")
    kind, body, world = asked.kind, asked.object(), asked.world
    limit = whole(body.get("limit"), "limit", PAGE_DEFAULT, most=PAGE_MOST)
    start = _after(body.get("after"))
    if start + limit > RESULTS_MOST:
        raise invalid(f"The total number of results that can be paged through is {RESULTS_MOST}")
    asking = _Asking(
        groups=groups(world, kind, body.get("filterGroups")),
        sort=_sort(world, kind, body.get("sorts")),
        words=tuple(str(body.get("query") or "").casefold().split()),
    )
    found = _answers(world, kind, asking)
    page = found.page(start, limit)
    want = render.wanted(world, kind, names=strings(body.get("properties"), "properties"))
    results = [render.record(world, kind, row, want, version=asked.version) for row in page]
    if asked.fault is not None and asked.fault.kind == "duplicated" and results:
        results.append(results[0])
    answer: dict[str, Any] = {"total": len(found), "results": results}
    if start + limit < len(found):
        answer["paging"] = {"next": {"after": str(start + limit)}}
    return Reply(answer, rows=len(results))


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


def _answers(world: World, kind: Kind, asking: _Asking) -> _Answers:
    """What matches, remembered until anything is written: the next page costs no second look."""
    tables = [world.table(name).writes for name in (kind.table, "associations", "properties")]
    kept: OrderedDict[str, tuple[Any, _Answers]] = world.scratch.setdefault(KEPT, OrderedDict())
    key, state = repr((kind.table, asking)), (tables, repr(world.settings.get(backdrop.BACKDROP)))
    if key in kept and kept[key][0] == state:
        return kept[key][1]
    settled = not world.table(kind.table).not_yet_visible(world.clock.now())
    found = _found(world, kind, asking)
    kept.pop(key, None)
    if settled:
        kept[key] = (state, found)
    while len(kept) > KEPT_MOST:
        kept.popitem(last=False)
    return found


def _none(number: int) -> Row:
    raise LookupError(number)


def _found(world: World, kind: Kind, asking: _Asking) -> _Answers:
    key, backwards = sort_key(world, kind, asking.sort.name), asking.sort.backwards
    rows = _in_order(_matching(world, kind, asking.groups, asking.words), key, backwards=backwards)
    before = _before(key, backwards=backwards)
    behind = backdrop.of(world) if kind.table == "deals" else None
    if behind is None:
        return _Answers(rows, (), _none, before)
    picked = Beyond(world, kind, behind).picked(
        asking.groups,
        words=_words_test(kind, asking.words),
        key=key,
        sort=asking.sort.name,
        backwards=backwards,
        without=backdrop.drawn(behind, ids_ascending(world, kind)),
    )
    return _Answers(rows, picked, behind.row, before)


def _matching(world: World, kind: Kind, wanted: list[list[Filter]], words: tuple[str, ...]) -> list[Row]:
    now = world.clock.now()
    test = _words_test(kind, words)
    seen: dict[str, Row] = {}
    for group in wanted or [[]]:
        checks = [f.test(world, kind) for f in group] + ([test] if test else [])
        for row in _candidates(world, kind, group):
            if row.deleted_at is None and row.id not in seen and _matches(row, checks, now=now):
                seen[row.id] = row
    return list(seen.values())


def _matches(row: Row, checks: list[Test], *, now: datetime) -> bool:
    view = indexed(row, now)
    return view is not None and all(check(view) for check in checks)


def _words_test(kind: Kind, words: tuple[str, ...]) -> Test | None:
    def test(row: Seen) -> bool:
        text = " ".join(str(row.values.get(n, "")) for n in kind.searched).casefold()
        return all(word in text for word in words)

    return test if words else None


def _candidates(world: World, kind: Kind, group: list[Filter]) -> Iterable[Row]:
    """Rows that may match, by the narrowest index at hand: ids, equal values, last-modified window, all."""
    table = world.table(kind.table)
    exact = {f.name: f for f in group if f.exact}
    if "hs_object_id" in exact:
        return [row for i in exact["hs_object_id"].listed if (row := table.get(i)) is not None]
    linked = [f for f in group if f.name.startswith(LINKED)]
    if linked:
        return [row for i in linked[0].members(world, kind) if (row := table.get(i)) is not None]
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


def _in_order(rows: list[Row], key: Callable[[Any], Any], *, backwards: bool) -> list[Row]:
    # Empty values stand last either way; equal ones go by record id, as a number.
    by_id = sorted(rows, key=lambda row: int(row.id))
    keyed = [(key(row), row) for row in by_id]
    filled = sorted((pair for pair in keyed if pair[0] is not None), key=lambda pair: pair[0], reverse=backwards)
    return [row for _, row in filled] + [row for value, row in keyed if value is None]


def _before(key: Callable[[Any], Any], *, backwards: bool) -> Callable[[Row, Row], bool]:
    """Whether one row stands before another in that same order."""

    def before(one: Row, other: Row) -> bool:
        mine, its = key(one), key(other)
        if (mine is None) is not (its is None):
            return its is None
        if mine != its:
            return bool((mine > its) if backwards else (mine < its))
        return int(one.id) < int(other.id)

    return before


def _merged(some: list[Row], others: list[Row], before: Callable[[Row, Row], bool]) -> list[Row]:
    found: list[Row] = []
    here, there = iter([*some, None]), iter([*others, None])
    one, other = next(here), next(there)
    while one is not None and other is not None:
        if before(one, other):
            found.append(one)
            one = next(here)
        else:
            found.append(other)
            other = next(there)
    rest = [row for row in (one or other, *(here if one else there)) if row is not None]
    return found + rest
