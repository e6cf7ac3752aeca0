"""Conditions of a policy, held against one deal.

Not here: which conditions make sense (``policy.check``). A comparison that cannot be made (text against a number,
anything against an empty field) simply does not hold; it never raises.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal

from connector.handoff.model import Value
from connector.handoff.rulebook.conditions import Condition, Op, Operand, Test

Lookup = Callable[[str], Value]
"""Gives the value behind a field's path; None when it is empty or unknown."""


def holds(condition: Condition, lookup: Lookup) -> bool:
    """Whether all tests hold; a condition without tests does."""
    return all(_passes(test, lookup(test.field)) for test in condition.tests)


def filled(value: Value) -> bool:
    """Whether a field counts as filled: text that is more than blanks, a ticked box, any number, date or person."""
    if isinstance(value, str):
        return bool(value.strip())
    if isinstance(value, bool):
        return value
    return value is not None


def _passes(test: Test, value: Value) -> bool:
    return _COMPARE[test.op](value, test.operand)


def _equal(value: Value, operand: Operand) -> bool:
    if isinstance(operand, tuple):
        return any(_equal(value, one) for one in operand)
    if isinstance(operand, bool):
        # A checkbox that was never touched reads as empty in one CRM and as false in the other.
        return (isinstance(value, bool) and value) is operand
    if isinstance(value, str) and isinstance(operand, str):
        return value.strip().casefold() == operand.strip().casefold()
    left, right = _ordered(value, operand)
    return left is not None and left == right


def _contains(value: Value, operand: Operand) -> bool:
    wanted = operand if isinstance(operand, tuple) else (operand,)
    return isinstance(value, str) and any(
        isinstance(one, str) and one.strip().casefold() in value.casefold() for one in wanted
    )


def _is_filled(value: Value, operand: Operand) -> bool:
    return filled(value) is (operand is not False)


def _order(value: Value, operand: Operand) -> int | None:
    """-1, 0 or 1 as the value is less than, equal to or more than the operand; None when they cannot be compared."""
    left, right = _ordered(value, operand)
    if left is None or right is None:
        return None
    return (left > right) - (left < right)


def _ordered(value: Value, operand: Operand) -> tuple[Decimal | None, Decimal | None]:
    """Both sides as numbers, dates as their ordinal; None where a side is not of the other's kind."""
    if isinstance(operand, date) and isinstance(value, date):
        return _ordinal(value), _ordinal(operand)
    if isinstance(operand, Decimal) and isinstance(value, Decimal):
        return value, operand
    return None, None


def _ordinal(value: date) -> Decimal:
    return Decimal((value.date() if isinstance(value, datetime) else value).toordinal())


_COMPARE: dict[Op, Callable[[Value, Operand], bool]] = {
    Op.IS: _equal,
    Op.IS_NOT: lambda value, operand: not _equal(value, operand),
    Op.IN: _equal,
    Op.NOT_IN: lambda value, operand: not _equal(value, operand),
    Op.AT_LEAST: lambda value, operand: _order(value, operand) in (0, 1),
    Op.MORE_THAN: lambda value, operand: _order(value, operand) == 1,
    Op.AT_MOST: lambda value, operand: _order(value, operand) in (-1, 0),
    Op.LESS_THAN: lambda value, operand: _order(value, operand) == -1,
    Op.CONTAINS: _contains,
    Op.FILLED: _is_filled,
}
