"""Which rows a query has to look at: by id, by hash index, by modification stamp, by a range of days, or all of them.

Not a filter: the candidates are a superset, and the test decides. An idle poll must not cost a scan of the org.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connector.sandbox.salesforce.grammar import AllOf, Among, AnyOf, Compare, Condition, Value
from connector.sandbox.salesforce.ids import canonical
from connector.sandbox.salesforce.values import parse_datetime, wire_datetime

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connector.sandbox.rows import Row, Table
    from connector.sandbox.salesforce.fields import Field, ObjectType

TIMES = frozenset({"date", "datetime"})
FEW = 3
"""A range is worth its index when no more than one row in so many is in it."""

STAMPS = frozenset({"systemmodstamp", "lastmodifieddate"})
SYSTEM_TIMES = frozenset({"CreatedDate", "LastModifiedDate", "SystemModstamp"})
"""They are no values of a row: the row itself has them."""

BEGIN = datetime(1, 1, 1, tzinfo=UTC)
END = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Candidates:
    """The rows to test; `by_stamp` tells that they come ordered by (SystemModstamp, Id)."""

    rows: Iterable[Row]
    by_stamp: bool = False


def candidates(table: Table, kind: ObjectType, where: Condition | None, *, deleted: bool) -> Candidates:
    """The cheapest superset of the rows that match."""
    low, high = _window(where) if where else (BEGIN, END)
    bounded = low > BEGIN or high < END
    found = _lookup(table, kind, where) if where else None
    if found is not None and deleted:
        # Indexes hold live rows; deleted ones are few, so all of them are looked at.
        found |= {row_id: table.rows[row_id] for row_id in table.deleted}
    if found is not None and not (bounded and table.span(low, high) < len(found)):
        return Candidates(found.values())
    if bounded:
        return Candidates(table.modified_between(low, high, deleted=deleted), by_stamp=True)
    if deleted:
        return Candidates(list(table.rows.values()))
    return Candidates(table.live())


def _window(where: Condition) -> tuple[datetime, datetime]:
    match where:
        case AllOf(parts):
            windows = [_window(p) for p in parts]
            return max(w[0] for w in windows), min(w[1] for w in windows)
        case AnyOf(parts):
            windows = [_window(p) for p in parts]
            return min(w[0] for w in windows), max(w[1] for w in windows)
        case Compare(path, op, value) if path.lower() in STAMPS and value.kind == "datetime":
            at = parse_datetime(value.value)
            if at is not None:
                return (at if op in ("=", ">", ">=") else BEGIN, at if op in ("=", "<", "<=") else END)
    return BEGIN, END


def _lookup(table: Table, kind: ObjectType, where: Condition) -> dict[str, Row] | None:
    """A superset of the live rows that match; None when only looking at all of them would tell."""
    match where:
        case AllOf(parts):
            found = [f for p in parts if (f := _lookup(table, kind, p)) is not None]
            return min(found, key=len) if found else None
        case AnyOf(parts):
            each = [_lookup(table, kind, p) for p in parts]
            union: dict[str, Row] = {}
            for one in each:
                if one is None:
                    return None
                union.update(one)
            return union
        case Compare(path, "=", value):
            return _by_values(table, kind, path, (value,))
        case Compare(path, "!=", Value("null")):
            field = kind.find(path)
            if field is not None and table.is_indexed(field.name):
                return {row.id: row for row in table.having(field.name)}
            return _by_range(table, field, None, None)
        case Compare(path, op, value) if value.kind in TIMES:
            literal = _stored(value)
            low, high = (literal if op in (">", ">=") else None), (literal if op in ("<", "<=") else None)
            return _by_range(table, kind.find(path), low, high) if low or high else None
        case Among(path, values, False):
            return _by_values(table, kind, path, values)
    return None


def _by_range(table: Table, field: Field | None, low: str | None, high: str | None) -> dict[str, Row] | None:
    """The rows whose day or time is within the bounds, when they are few; None when looking at all is as good."""
    if field is None or field.type not in TIMES or field.name in SYSTEM_TIMES:
        return None
    order = table.ordered(field.name)
    if order.span(low, high) * FEW > len(table.rows):
        return None
    return {row_id: table.rows[row_id] for row_id in order.between(low, high)}


def _stored(value: Value) -> str | None:
    """A literal of a day or a time as values are stored, so that the order of texts is that of time."""
    text = str(value.value)
    if value.kind == "date":
        return text
    at = parse_datetime(text)
    return wire_datetime(at) if at is not None else None


def _by_values(table: Table, kind: ObjectType, path: str, values: tuple[Value, ...]) -> dict[str, Row] | None:
    field = kind.find(path)
    texts = [v.value for v in values if v.kind == "string" and v.value]
    if field is None or len(texts) < len(values):
        return None
    if field.type in ("id", "reference"):
        texts = [canonical(t) or t for t in texts]
    if field.name == "Id":
        rows = (table.get(t) for t in texts)
        return {row.id: row for row in rows if row is not None}
    if table.is_indexed(field.name):
        return {row.id: row for row in table.where(field.name, texts)}
    return None
