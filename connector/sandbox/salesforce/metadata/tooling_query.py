"""A parsed query over rows that are nested dictionaries: tests, order, limits, columns.

Not the grammar (`grammar.py`) and not the org's records (`soql.py`): setup has few rows and no indexes.
"""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce.errors import ApiError, no_such_column
from connector.sandbox.salesforce.grammar import AllOf, Among, AnyOf, Compare, Condition, Like, Not, Query
from connector.sandbox.salesforce.ids import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connector.sandbox.salesforce.metadata.tooling_rows import Entity

Row = dict[str, Any]
TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def run(query: Query, rows: Sequence[Row], entity: Entity) -> list[Row]:
    """The rows that match, in order. Raises ApiError INVALID_FIELD for a column the entity has not."""
    for path in _paths(query):
        _resolve(entity, path)
    found = [row for row in rows if query.where is None or _test(query.where, row, entity)]
    for order in reversed(query.orders):
        steps = _resolve(entity, order.path)
        found.sort(key=lambda row, s=steps: _sortable(_get(row, s)), reverse=order.descending)  # type: ignore[misc]
    end = None if query.limit is None else query.offset + query.limit
    return found[query.offset : end]


def show(row: Row, query: Query) -> Row:
    """The selected columns of a row, parents nested, in the case they were asked for."""
    shown: Row = {}
    for column in query.columns:
        steps = column.path.split(".")
        place = shown
        for step in steps[:-1]:
            place = place.setdefault(step, {"attributes": {"type": step}})
        place[steps[-1]] = _get(row, _cased(row, steps))
    return shown


def counts(query: Query) -> bool:
    """Whether it is a SELECT COUNT()."""
    return any(c.function == "COUNT" for c in query.columns)


def _paths(query: Query) -> list[str]:
    found = [c.path for c in query.columns if c.path] + [o.path for o in query.orders]
    todo: list[Condition] = [query.where] if query.where else []
    while todo:
        match todo.pop():
            case AllOf(parts) | AnyOf(parts):
                todo.extend(parts)
            case Not(of):
                todo.append(of)
            case Compare(path, _, _) | Like(path, _) | Among(path, _, _):
                found.append(path)
    return found


def _resolve(entity: Entity, path: str) -> tuple[str, ...]:
    for known in entity.columns:
        if known.lower() == path.lower():
            return tuple(known.split("."))
    raise no_such_column(path, entity.name)


def _test(condition: Condition, row: Row, entity: Entity) -> bool:
    match condition:
        case AllOf(parts):
            return all(_test(part, row, entity) for part in parts)
        case AnyOf(parts):
            return any(_test(part, row, entity) for part in parts)
        case Not(of):
            return not _test(of, row, entity)
        case Like(path, pattern):
            raw = re.escape(pattern.lower()).replace("%", ".*").replace("_", ".")
            return bool(re.fullmatch(raw, str(_get(row, _resolve(entity, path)) or "").lower()))
        case Among(path, values, negated):
            held = _folded(_get(row, _resolve(entity, path)))
            return (held in [_folded(v.value) for v in values]) != negated
        case Compare(path, op, value):
            return _compare(op, _folded(_get(row, _resolve(entity, path))), _folded(value.value))
    raise ApiError("MALFORMED_QUERY", "unexpected condition")


def _compare(op: str, held: Any, wanted: Any) -> bool:
    if op not in ("=", "!=") and (held is None or wanted is None):
        return False
    return TESTS[op](held, wanted)


def _folded(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return (canonical(value) or value).lower() if len(value) in (15, 18) else value.lower()


def _get(row: Row, path: Sequence[str]) -> Any:
    value: Any = row
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _cased(row: Row, steps: Sequence[str]) -> list[str]:
    found, place = [], row
    for step in steps:
        name = next((k for k in place if k.lower() == step.lower()), step) if isinstance(place, dict) else step
        place = place.get(name) if isinstance(place, dict) else {}  # type: ignore[assignment]
        found.append(name)
    return found


def _sortable(value: Any) -> tuple[bool, str]:
    return value is not None, str(value).lower()
