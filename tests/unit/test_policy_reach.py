"""Which condition takes what another names; which can never hold."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from connector.handoff.rulebook.conditions import Condition, Op, Operand
from connector.handoff.rulebook.conditions import Test as Comparison
from connector.policy.reach import covers, impossible


def _when(*tests: tuple[str, Op, Operand]) -> Condition:
    return Condition(tuple(Comparison(*test) for test in tests))


def _amount(op: Op, value: int) -> Condition:
    return _when(("amount", op, Decimal(value)))


COVERS = [
    (_when(), _amount(Op.AT_LEAST, 5), True),
    (_amount(Op.AT_LEAST, 5), _when(), False),
    (_amount(Op.AT_LEAST, 5), _amount(Op.AT_LEAST, 5), True),
    (_amount(Op.AT_LEAST, 5), _amount(Op.AT_LEAST, 9), True),
    (_amount(Op.AT_LEAST, 9), _amount(Op.AT_LEAST, 5), False),
    (_amount(Op.MORE_THAN, 5), _amount(Op.AT_LEAST, 5), False),
    (_amount(Op.AT_LEAST, 5), _amount(Op.MORE_THAN, 5), True),
    (_amount(Op.AT_MOST, 9), _amount(Op.LESS_THAN, 9), True),
    (_amount(Op.LESS_THAN, 9), _amount(Op.AT_MOST, 9), False),
    (_amount(Op.AT_LEAST, 5), _amount(Op.IS, 7), True),
    (_amount(Op.AT_LEAST, 5), _amount(Op.IS, 4), False),
    (_amount(Op.AT_LEAST, 5), _amount(Op.AT_MOST, 7), False),
    (_when(("c", Op.IN, ("a", "b"))), _when(("c", Op.IS, "a")), True),
    (_when(("c", Op.IN, ("a", "b"))), _when(("c", Op.IN, ("a", "d"))), False),
    (_when(("c", Op.IS_NOT, "a")), _when(("c", Op.IN, ("b", "d"))), True),
    (_when(("c", Op.IS_NOT, "a")), _when(("c", Op.IS, "a")), False),
    (_when(("c", Op.FILLED, True)), _when(("c", Op.IS, "a")), True),
    (_when(("c", Op.FILLED, True)), _when(("c", Op.IS_NOT, "a")), False),
    (_when(("c", Op.IS, "a")), _when(("d", Op.IS, "a")), False),
    (_when(("c", Op.IS, "a")), _when(("c", Op.IS, "a"), ("d", Op.FILLED, True)), True),
    (_when(("day", Op.AT_LEAST, date(2026, 1, 1))), _when(("day", Op.AT_LEAST, date(2026, 2, 1))), True),
]


@pytest.mark.parametrize(("wide", "narrow", "answer"), COVERS)
def test_covers(wide: Condition, narrow: Condition, answer: bool) -> None:
    assert covers(wide, narrow) is answer


IMPOSSIBLE = [
    (_when(("amount", Op.AT_LEAST, Decimal(9)), ("amount", Op.LESS_THAN, Decimal(9))), True),
    (_when(("amount", Op.AT_LEAST, Decimal(9)), ("amount", Op.AT_MOST, Decimal(9))), False),
    (_when(("amount", Op.LESS_THAN, Decimal(5)), ("amount", Op.MORE_THAN, Decimal(9))), True),
    (_when(("amount", Op.AT_LEAST, Decimal(5)), ("other", Op.LESS_THAN, Decimal(1))), False),
    (_when(("c", Op.IS, "a"), ("c", Op.IN, ("b", "d"))), True),
    (_when(("c", Op.IS, "a"), ("c", Op.IN, ("a", "d"))), False),
    (_when(("c", Op.FILLED, False), ("c", Op.IS, "a")), True),
    (_when(("c", Op.FILLED, False), ("c", Op.IS_NOT, "a")), False),
    (_when(("c", Op.IS, "a"), ("c", Op.FILLED, False)), True),
]


@pytest.mark.parametrize(("condition", "answer"), IMPOSSIBLE)
def test_impossible(condition: Condition, answer: bool) -> None:
    assert (impossible(condition) is not None) is answer
