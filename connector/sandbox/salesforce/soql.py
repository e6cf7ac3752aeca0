"""A parsed query run against the org: columns, tests, order, limits, aggregates.

Not paging and not HTTP: `query.py` cuts the result into pages and gives out locators.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce import archive, plan
from connector.sandbox.salesforce.binding import Bound, bind
from connector.sandbox.salesforce.errors import ApiError, no_such_type
from connector.sandbox.salesforce.grammar import Column, Order, Query
from connector.sandbox.salesforce.permissions import Sight
from connector.sandbox.salesforce.predicate import compile_test, folded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from connector.sandbox.salesforce.binding import Seen
    from connector.sandbox.salesforce.fields import ObjectType
    from connector.sandbox.state import World

MAX_OFFSET = 2_000
MAX_GROUPS = 2_000
PAGE_ROWS = 2_000
LONG_PAGE_ROWS = 200
"""Facts: Salesforce §1.1: rows per page, and with two or more long text fields selected."""

FORGOTTEN = frozenset({"AccountTeamMember"})

_AGGREGATES: dict[str, Callable[[Sequence[Any]], Any]] = {
    "COUNT": len,
    "COUNT_DISTINCT": lambda found: len(set(found)),
    "SUM": lambda found: sum(found) if found else None,
    "AVG": lambda found: sum(found) / len(found) if found else None,
    "MIN": lambda found: min(found, default=None),
    "MAX": lambda found: max(found, default=None),
}


@dataclass(frozen=True, slots=True)
class Selection:
    """What matched: `rows` to be shown by `show`, `total` of them (a COUNT() has a total and no rows)."""

    total: int
    rows: Sequence[Any]
    show: Callable[[Any], dict[str, Any]]
    page_rows: int = PAGE_ROWS


def run(world: World, query: Query, *, version: str, deleted: bool = False, user_id: str | None = None) -> Selection:
    """Run a query as this user sees the org, or as one who sees everything.

    Raises ApiError INVALID_TYPE, INVALID_FIELD, MALFORMED_QUERY and others.
    """
    sight = Sight(world, user_id)
    kind = sight.object(query.source)
    if kind is None:
        raise no_such_type(query.source)
    archive.sweep_if_due(world)
    # Deleted team members are not even shown to queryAll (facts: Salesforce §1.1).
    deleted = deleted and kind.name not in FORGOTTEN
    if query.offset > MAX_OFFSET:
        raise ApiError("NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {MAX_OFFSET}")
    if query.groups or any(c.function for c in query.columns):
        return _aggregate(sight, kind, query, deleted=deleted)
    columns = _columns(sight, kind, query.columns)
    orders = [(_sortable(sight, kind, o), o) for o in query.orders]
    rows = _ordered(_matching(sight, kind, query, deleted=deleted), orders)
    end = None if query.limit is None else query.offset + query.limit
    rows = rows[query.offset : end]
    long = sum(c.field.is_long for c in columns)
    show = shower(kind, columns, version=version)
    return Selection(len(rows), rows, show, LONG_PAGE_ROWS if long >= 2 else PAGE_ROWS)


def shower(kind: ObjectType, columns: Sequence[Bound], *, version: str) -> Callable[[Seen], dict[str, Any]]:
    """How a row becomes a record of a reply, with parents nested and an `attributes` block each."""
    plain = [(c.parts[0], c.get) for c in columns if len(c.parts) == 1]
    nested = {h: [c for c in columns if c.parts[0] == h] for h in dict.fromkeys(c.parts[0] for c in columns)}
    order = list(nested)
    flat = dict(plain)

    def show(row: Seen) -> dict[str, Any]:
        record: dict[str, Any] = {"attributes": attributes(kind.name, row.id, version)}
        for head in order:
            record[head] = flat[head](row) if head in flat else _parent(kind, nested[head], row, depth=1)
        return record

    return show


def attributes(kind: str, row_id: str, version: str) -> dict[str, str]:
    """The block that names a record's type and address."""
    return {"type": kind, "url": f"/services/data/v{version}/sobjects/{kind}/{row_id}"}


def bind_all(sight: Sight, kind: ObjectType, names: Iterable[str]) -> list[Bound]:
    """Bind field names for a retrieve call; a name given twice counts once."""
    return list({b.parts: b for b in (bind(sight, kind, name) for name in names)}.values())


def _parent(kind: ObjectType, columns: Sequence[Bound], row: Seen, *, depth: int) -> dict[str, Any] | None:
    found = [(c, c.get(row)) for c in columns]
    reference = kind.hops.get(columns[0].parts[depth - 1].lower())
    holder = row.values.get(reference.name) if reference else None
    if holder is None and all(value is None for _, value in found):
        return None
    target = reference.to[0] if reference and len(reference.to) == 1 else "Name"
    record: dict[str, Any] = {"attributes": {"type": target}}
    for column, value in found:
        place = record
        for step in column.parts[depth:-1]:
            place = place.setdefault(step, {"attributes": {"type": step}})
        place[column.parts[-1]] = value
    return record


def _columns(sight: Sight, kind: ObjectType, selected: Sequence[Column]) -> list[Bound]:
    found: dict[tuple[str, ...], Bound] = {}
    for column in selected:
        bound = bind(sight, kind, column.path)
        if bound.parts in found:
            raise ApiError("INVALID_FIELD", f"duplicate field selected: {column.path}")
        found[bound.parts] = bound
    return list(found.values())


def _sortable(sight: Sight, kind: ObjectType, order: Order) -> Bound:
    bound = bind(sight, kind, order.path)
    if bound.field.is_long:
        raise ApiError("MALFORMED_QUERY", f"field '{order.path}' can not be sorted in a query call")
    return bound


def _matching(sight: Sight, kind: ObjectType, query: Query, *, deleted: bool) -> list[Seen]:
    table, now = sight.world.table(kind.name), sight.world.clock.now()
    test = compile_test(sight, kind, query.where) if query.where else None
    found = plan.candidates(table, kind, query.where, deleted=deleted)
    held = table.not_yet_visible(now)
    rows: Iterable[Any] = found.rows
    if held:
        rows = {row.id: row for row in itertools.chain(found.rows, held)}.values()
    seen = (r for row in rows if (r := row.as_of(now)) is not None and (deleted or r.deleted_at is None))
    if not deleted and archive.is_hidden(kind.name):
        seen = (row for row in seen if not row.values.get(archive.ARCHIVED))
    if sight.keeps_rows_back(kind.name):
        seen = (row for row in seen if sight.sees(kind.name, row))
    matches = (row for row in seen if test(row)) if test else seen
    if found.by_stamp and not held and query.limit is not None and _follows_stamps(query.orders):
        return list(itertools.islice(matches, query.offset + query.limit))
    return list(matches)


def _follows_stamps(orders: tuple[Order, ...]) -> bool:
    names = [o.path.lower() for o in orders]
    return names in (["systemmodstamp"], ["systemmodstamp", "id"]) and not any(o.descending for o in orders)


def _ordered(rows: list[Seen], orders: Sequence[tuple[Bound, Order]]) -> list[Seen]:
    for bound, order in reversed(orders):
        get, fold = bound.get, folded(bound.field)
        empty = [r for r in rows if get(r) is None]
        full = [r for r in rows if get(r) is not None] if empty else rows
        full.sort(key=lambda r, get=get, fold=fold: fold(get(r)), reverse=order.descending)  # type: ignore[misc]
        rows = full + empty if order.nulls_last else empty + full
    return rows


def _aggregate(sight: Sight, kind: ObjectType, query: Query, *, deleted: bool) -> Selection:
    if [c for c in query.columns if c.function == "COUNT" and not c.path]:
        if len(query.columns) > 1 or query.groups:
            raise ApiError("MALFORMED_QUERY", "COUNT() must be the only element of the SELECT list")
        return Selection(len(_matching(sight, kind, query, deleted=deleted)), (), dict)
    groups = [bind(sight, kind, path) for path in query.groups]
    named = _aggregate_columns(sight, kind, query.columns, {g.parts for g in groups})
    buckets: dict[tuple[Any, ...], list[Seen]] = {} if groups else {(): []}
    for row in _matching(sight, kind, query, deleted=deleted):
        buckets.setdefault(tuple(g.get(row) for g in groups), []).append(row)
    if len(buckets) > MAX_GROUPS:
        raise ApiError("EXCEEDED_ID_LIMIT", "Aggregate query does not support queryMore()")
    records = [{name: take(rows) for name, take in named} for rows in buckets.values()]
    _sort_groups(records, query.orders)
    records = records[query.offset : None if query.limit is None else query.offset + query.limit]
    return Selection(len(records), records, lambda record: {"attributes": {"type": "AggregateResult"}, **record})


def _aggregate_columns(
    sight: Sight, kind: ObjectType, columns: Sequence[Column], grouped: set[tuple[str, ...]]
) -> list[tuple[str, Callable[[list[Seen]], Any]]]:
    named: list[tuple[str, Callable[[list[Seen]], Any]]] = []
    numbers = itertools.count()
    for column in columns:
        bound = bind(sight, kind, column.path)
        if not column.function:
            if bound.parts not in grouped:
                raise ApiError("MALFORMED_QUERY", f"Field must be grouped or aggregated: {column.path}")
            named.append((bound.parts[-1], _first(bound)))
            continue
        fold = _AGGREGATES.get(column.function)
        if fold is None:
            raise ApiError("MALFORMED_QUERY", f"unknown function: {column.function}")
        named.append((column.alias or f"expr{next(numbers)}", _folder(fold, bound)))
    return named


def _first(bound: Bound) -> Callable[[list[Seen]], Any]:
    return lambda rows: bound.get(rows[0])


def _folder(fold: Callable[[Sequence[Any]], Any], bound: Bound) -> Callable[[list[Seen]], Any]:
    return lambda rows: fold([v for row in rows if (v := bound.get(row)) is not None])


def _sort_groups(records: list[dict[str, Any]], orders: Sequence[Order]) -> None:
    for order in reversed(orders):
        name = order.path.rsplit(".", 1)[-1]
        records.sort(key=lambda r, n=name: (r.get(n) is not None, r.get(n)), reverse=order.descending)  # type: ignore[misc]
