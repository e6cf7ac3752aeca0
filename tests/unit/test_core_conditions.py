"""Conditions: each comparison against each kind of value, and against nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from factories import when

from connector.handoff.conditions import filled, holds
from connector.handoff.model import Value
from connector.handoff.ownership import same
from connector.handoff.rulebook.conditions import Condition, Op
from connector.handoff.rulebook.conditions import Test as Comparison

DAY = date(2026, 3, 3)
MOMENT = datetime(2026, 3, 3, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "op", "operand", "expected"),
    [
        ("Energy", Op.IS, "energy", True),
        (" energy ", Op.IS, "energy", True),
        ("water", Op.IS, "energy", False),
        (None, Op.IS, "energy", False),
        ("water", Op.IS_NOT, "energy", True),
        (None, Op.IS_NOT, "energy", True),
        (Decimal(5), Op.IS, Decimal("5.0"), True),
        (Decimal(5), Op.IS, "5", False),
        (True, Op.IS, True, True),
        (False, Op.IS, True, False),
        (None, Op.IS, False, True),
        ("yes", Op.IS, True, False),
        ("DE", Op.IN, ("de", "at"), True),
        ("FR", Op.IN, ("de", "at"), False),
        (None, Op.IN, ("de", "at"), False),
        (None, Op.NOT_IN, ("de", "at"), True),
        ("DE", Op.NOT_IN, ("de", "at"), False),
        (Decimal(60000), Op.AT_LEAST, Decimal(60000), True),
        (Decimal(59999), Op.AT_LEAST, Decimal(60000), False),
        (None, Op.AT_LEAST, Decimal(0), False),
        ("9", Op.AT_LEAST, Decimal(1), False),
        (Decimal(2), Op.MORE_THAN, Decimal(2), False),
        (Decimal(3), Op.MORE_THAN, Decimal(2), True),
        (Decimal(2), Op.AT_MOST, Decimal(2), True),
        (Decimal(3), Op.AT_MOST, Decimal(2), False),
        (Decimal(1), Op.LESS_THAN, Decimal(2), True),
        (None, Op.LESS_THAN, Decimal(2), False),
        (DAY, Op.AT_LEAST, DAY, True),
        (MOMENT, Op.AT_MOST, DAY, True),
        (DAY, Op.LESS_THAN, DAY, False),
        ("Cloud and on-premise", Op.CONTAINS, "CLOUD", True),
        ("Cloud", Op.CONTAINS, ("data", "cloud"), True),
        (None, Op.CONTAINS, "x", False),
        (Decimal(1), Op.CONTAINS, "1", False),
        ("x", Op.FILLED, True, True),
        (" ", Op.FILLED, True, False),
        (None, Op.FILLED, False, True),
        (Decimal(0), Op.FILLED, True, True),
        (False, Op.FILLED, True, False),
    ],
)
def test_comparisons(value: Value, op: Op, operand: Any, expected: bool) -> None:
    assert holds(when("field", op, operand), lambda _: value) is expected


@pytest.mark.parametrize("op", list(Op))
@pytest.mark.parametrize("value", [None, "", "x", True, Decimal(1), DAY, MOMENT])
@pytest.mark.parametrize("operand", ["x", True, Decimal(1), DAY, ("x", "y")])
def test_no_comparison_raises(value: Value, op: Op, operand: Any) -> None:
    assert holds(when("field", op, operand), lambda _: value) in (True, False)


def test_all_tests_must_hold_and_none_is_always_true() -> None:
    both = Condition((Comparison("a", Op.IS, "1"), Comparison("b", Op.IS, "2")))
    assert holds(both, {"a": "1", "b": "2"}.get)
    assert not holds(both, {"a": "1", "b": "3"}.get)
    assert holds(Condition(), {}.get)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, False), ("", False), (" \n", False), ("x", True), (False, False), (True, True), (DAY, True)],
)
def test_filled(value: Value, expected: bool) -> None:
    assert filled(value) is expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (None, "", True),
        (None, "  ", True),
        ("a\r\nb ", "a\nb", True),
        ("a", "b", False),
        (Decimal("75"), Decimal("75.00"), True),
        (Decimal("100"), Decimal("1E+2"), True),
        (MOMENT, MOMENT.replace(microsecond=5), True),
        (MOMENT, MOMENT.replace(second=5), False),
        (None, Decimal(0), False),
    ],
)
def test_what_a_crm_makes_of_a_value_is_the_same_value(one: Value, other: Value, expected: bool) -> None:
    assert same(one, other) is expected
    assert same(other, one) is expected
