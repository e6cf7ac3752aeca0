"""WHERE compiled to a test over rows, with Salesforce's rules for nulls, case and literal types.

Not the choice of rows to test: that is `plan.py`.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce.binding import Bound, bind
from connector.sandbox.salesforce.errors import ApiError
from connector.sandbox.salesforce.fields import NUMBER, TEXT, Field, ObjectType
from connector.sandbox.salesforce.grammar import AllOf, Among, AnyOf, Compare, Condition, Like, Not, Value, unescape
from connector.sandbox.salesforce.ids import canonical
from connector.sandbox.salesforce.values import parse_date, parse_datetime, wire_datetime

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.sandbox.salesforce.binding import Seen
    from connector.sandbox.salesforce.permissions import Sight

    Test = Callable[[Seen], bool]

IDS = frozenset({"id", "reference"})
DATEWORDS = {"YESTERDAY": -1, "TODAY": 0, "TOMORROW": 1}
LITERALS = {
    **{kind: {"string"} for kind in (*TEXT, *IDS)},
    **{kind: {"number"} for kind in NUMBER},
    "boolean": {"boolean"},
    "date": {"date", "dateword"},
    "datetime": {"datetime", "dateword"},
}
"""Which literals a field of each type may be compared with; null goes with all."""

# Every comparison is with a closed range; for all but date words both ends are the same value.
_OPS: dict[str, Callable[[Any, Any, Any], bool]] = {
    "=": lambda v, low, high: low <= v <= high,
    "<": lambda v, low, _high: v < low,
    "<=": lambda v, _low, high: v <= high,
    ">": lambda v, _low, high: v > high,
    ">=": lambda v, low, _high: v >= low,
}


def compile_test(sight: Sight, kind: ObjectType, where: Condition) -> Test:
    """A test for one row. Raises ApiError for unknown fields, long text, and literals of the wrong type."""
    match where:
        case AllOf(parts):
            tests = [compile_test(sight, kind, p) for p in parts]
            return lambda row: all(t(row) for t in tests)
        case AnyOf(parts):
            tests = [compile_test(sight, kind, p) for p in parts]
            return lambda row: any(t(row) for t in tests)
        case Not(of):
            inner = compile_test(sight, kind, of)
            return lambda row: not inner(row)
        case Compare():
            return _compare(sight, filterable(sight, kind, where.path), where)
        case Among():
            return _among(sight, filterable(sight, kind, where.path), where)
        case Like():
            return _like(filterable(sight, kind, where.path), where)


def filterable(sight: Sight, kind: ObjectType, path: str) -> Bound:
    """Bind a path that WHERE names. Raises ApiError INVALID_FIELD when it cannot be filtered."""
    bound = bind(sight, kind, path)
    if not bound.field.filterable:
        raise ApiError("INVALID_FIELD", f"field '{path}' can not be filtered in a query call")
    return bound


def limits(sight: Sight, field: Field, value: Value) -> tuple[Any, Any]:
    """The range that a literal stands for, in the form `folded` gives values. Raises ApiError for a wrong literal."""
    if value.kind not in LITERALS[field.type]:
        raise ApiError(
            "INVALID_FIELD",
            f"value of filter criterion for field '{field.name}' must be of type {field.type} "
            f"and should {'not ' if value.kind == 'string' else ''}be enclosed in quotes",
        )
    if value.kind == "dateword":
        return _day_limits(sight, field, value.value)
    found = _literal(field, value)
    return found, found


def folded(field: Field) -> Callable[[Any], Any]:
    """How a stored value is compared: text without case, ids and dates as they are."""
    return (lambda v: v.casefold()) if field.type in TEXT else (lambda v: v)


def _literal(field: Field, value: Value) -> Any:
    text = value.value
    if field.type in IDS:
        found = canonical(text)
        if found is None:
            raise ApiError("INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {text}")
        return found
    if field.type in TEXT:
        return text.casefold()
    if value.kind == "datetime":
        moment = parse_datetime(text)
        if moment is None:
            raise ApiError("MALFORMED_QUERY", f"invalid dateTime: {text}")
        return wire_datetime(moment)
    if value.kind == "date" and parse_date(text) is None:
        raise ApiError("MALFORMED_QUERY", f"invalid date: {text}")
    return text


def _day_limits(sight: Sight, field: Field, word: str) -> tuple[str, str]:
    day = (sight.world.clock.now() + timedelta(days=DATEWORDS[word])).date().isoformat()
    if field.type == "date":
        return day, day
    return f"{day}T00:00:00.000+0000", f"{day}T23:59:59.999+0000"


def _compare(sight: Sight, bound: Bound, where: Compare) -> Test:
    get, op = bound.get, where.op
    if where.value.value is None or (where.value.value == "" and op in ("=", "!=")):
        if op not in ("=", "!="):
            raise ApiError("MALFORMED_QUERY", f"operator {op} does not go with null")
        return (lambda row: get(row) is None) if op == "=" else (lambda row: get(row) is not None)
    low, high = limits(sight, bound.field, where.value)
    fold = folded(bound.field)
    if op == "!=":
        return lambda row: (v := get(row)) is None or not low <= fold(v) <= high
    test = _OPS[op]
    return lambda row: (v := get(row)) is not None and test(fold(v), low, high)


def _among(sight: Sight, bound: Bound, where: Among) -> Test:
    get, fold = bound.get, folded(bound.field)
    wanted = {None if v.value is None else limits(sight, bound.field, v)[0] for v in where.values}
    if where.negated:
        return lambda row: (None if (v := get(row)) is None else fold(v)) not in wanted
    return lambda row: (None if (v := get(row)) is None else fold(v)) in wanted


def _like(bound: Bound, where: Like) -> Test:
    if bound.field.type not in TEXT:
        raise ApiError("INVALID_FIELD", f"invalid operator on {bound.field.type} field '{where.path}'")
    pieces = re.findall(r"\\.|[^\\]", where.pattern, flags=re.DOTALL)
    wild = {"%": ".*", "_": "."}
    pattern = re.compile("".join(wild.get(p) or re.escape(unescape(p)) for p in pieces), re.IGNORECASE | re.DOTALL)
    get = bound.get
    return lambda row: (v := get(row)) is not None and pattern.fullmatch(v) is not None
