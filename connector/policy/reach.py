"""Rules that can never apply: behind one that takes everything, or asking for what no deal can be.

Not here: whether a rule is written correctly (``conditions``) and whether it is wise.
The judgement is one-sided: what is reported is certainly impossible; something impossible may go unreported.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from connector.handoff.rulebook.conditions import Condition, Op, Test

LOWER = {Op.AT_LEAST: True, Op.MORE_THAN: False}
UPPER = {Op.AT_MOST: True, Op.LESS_THAN: False}


def taken_by(conditions: Sequence[Condition], index: int) -> int | None:
    """The earlier condition that holds whenever this one does, so that first-match never gets here; or None."""
    return next((before for before in range(index) if covers(conditions[before], conditions[index])), None)


def covers(wide: Condition, narrow: Condition) -> bool:
    """Whether every deal that fits ``narrow`` certainly fits ``wide`` as well."""
    return all(any(_implies(given, wanted) for given in narrow.tests) for wanted in wide.tests)


def impossible(condition: Condition) -> tuple[Test, Test] | None:
    """Two tests of one condition that cannot both hold; or None."""
    tests = condition.tests
    return next(
        ((one, other) for n, one in enumerate(tests) for other in tests[n + 1 :] if _contradict(one, other)),
        None,
    )


def _implies(given: Test, wanted: Test) -> bool:
    if given.field != wanted.field:
        return False
    if given == wanted:
        return True
    if wanted.op is Op.FILLED and wanted.operand is True:
        return given.op not in (Op.IS_NOT, Op.NOT_IN, Op.FILLED)
    if given.op in (Op.IS, Op.IN) and wanted.op in (Op.IS, Op.IN):
        return _values(given) <= _values(wanted)
    if given.op in (Op.IS, Op.IN) and wanted.op in (Op.IS_NOT, Op.NOT_IN):
        return not _values(given) & _values(wanted)
    for ends, reaches in ((LOWER, _at_or_over), (UPPER, _at_or_under)):
        if wanted.op in ends and (given.op in ends or given.op is Op.IS):
            return reaches(given, wanted)
    return False


def _contradict(one: Test, other: Test) -> bool:
    if one.field != other.field:
        return False
    if one.op is Op.FILLED or other.op is Op.FILLED:
        empty, full = (one, other) if one.op is Op.FILLED and one.operand is False else (other, one)
        return empty.op is Op.FILLED and empty.operand is False and full.op not in (Op.IS_NOT, Op.NOT_IN)
    if one.op in (Op.IS, Op.IN) and other.op in (Op.IS, Op.IN):
        return not _values(one) & _values(other)
    if one.op in UPPER:
        one, other = other, one
    if one.op in LOWER and other.op in UPPER:
        low, high = _bound(one), _bound(other)
        return low > high or (low == high and not (LOWER[one.op] and UPPER[other.op]))
    return False


def _values(test: Test) -> frozenset[object]:
    return frozenset(test.operand) if isinstance(test.operand, tuple) else frozenset({test.operand})


def _bound(test: Test) -> Decimal:
    operand = test.operand
    if isinstance(operand, date):
        return Decimal(operand.toordinal())
    return operand if isinstance(operand, Decimal) else Decimal(0)


def _at_or_over(given: Test, wanted: Test) -> bool:
    low, asked = _bound(given), _bound(wanted)
    return low > asked or (low == asked and (LOWER[wanted.op] or given.op is Op.MORE_THAN))


def _at_or_under(given: Test, wanted: Test) -> bool:
    high, asked = _bound(given), _bound(wanted)
    return high < asked or (high == asked and (UPPER[wanted.op] or given.op is Op.LESS_THAN))
