"""Won deals as the gate would have met them: counted by field, by AE and by segment, each figure by hand here."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from factories import AE, MANAGER, NOW, WON_AT, a_policy, a_snapshot

from connector.handoff.audit import audit, copies, median, with_blanks
from connector.handoff.decide import decide
from connector.handoff.model import (
    DealType,
    HandoffKey,
    Kind,
    Record,
    Ref,
    Snapshot,
    SystemName,
    Touch,
    TouchKind,
    Value,
)
from connector.handoff.rulebook.gate import GateMode
from connector.policy.load import load

SF = SystemName("sf")
SHIPPED = load(Path(__file__).parents[2] / "mappings", {SF: "salesforce"}).policies[SF]


def won(id: str, *, touched: float | None = None, account: str = "", **changes: Any) -> Snapshot:
    """A won deal of this id; ``touched`` so many hours after its win, ``account`` the id of its customer."""
    deal = {"name": id, **changes.pop("deal", {})}
    touches = () if touched is None else (Touch(TouchKind.CALL, WON_AT + timedelta(hours=touched), by=None),)
    made = a_snapshot(deal=deal, key=HandoffKey(SF, id), touches=touches, **changes)
    customer = Record(Ref(Kind.ACCOUNT, account), {"name": account})
    return dataclasses.replace(made, account=customer) if account else made


def test_fields_aes_and_segments_are_counted() -> None:
    found = audit(
        [
            won("1", touched=2),
            won("2", deal={"champion": None}, touched=30),
            won("3", deal={"champion": " ", "use_case": None, "amount": Decimal(70_000), "owner": MANAGER}),
        ],
        a_policy(),
        WON_AT + timedelta(days=3),
    )
    assert {one.path: (one.asked, one.filled, one.percent) for one in found.fields} == {
        "why_bought": (3, 3, 100),
        "use_case": (3, 2, 66),
        "success_criteria": (3, 3, 100),
        "champion": (3, 1, 33),
    }
    assert [(one.name, one.deals, one.missing, one.asked, one.passed) for one in found.by_ae] == [
        ("Victor Lang", 1, 2, 4, 0),
        ("Ana Ek", 2, 1, 8, 1),
    ], "the least complete first"
    assert [(one.name, one.percent) for one in found.by_segment] == [("enterprise", 50), ("small", 87)]
    assert (found.whole.passed, found.whole.percent, found.whole.touched) == (1, 75, 2)
    assert found.whole.waited == timedelta(hours=16)
    assert [gap.field for gap in found.deals[2].gaps] == ["use_case", "champion"]


def test_the_first_touch_is_anybodys_but_none_before_the_win_and_none_that_is_planned() -> None:
    late = won("late", touched=9_999)
    early = won("early", touched=-1)
    unknown = won("unknown", touched=3, won_at=None)
    found = {deal.id: deal for deal in audit([late, early, unknown], a_policy(), NOW).deals}
    assert [found[each].touched for each in ("late", "early", "unknown")] == [None, None, None]


def test_a_deal_whose_type_gets_no_handoff_is_left_out() -> None:
    policy = a_policy(deal_types=(DealType.NEW,))
    found = audit([won("1"), won("2", deal_type=DealType.RENEWAL)], policy, NOW)
    assert ([deal.id for deal in found.deals], found.excluded) == (["1"], 1)
    assert audit([], policy, NOW).whole.percent == 100


def test_one_answer_on_the_deals_of_two_customers_is_a_copy() -> None:
    said = "Their own monitoring misses outages of the southern plants, and the board wants an answer by June 2027."
    only = {"why_bought": said, "use_case": None, "success_criteria": None, "champion": None, "owner": AE}
    deals = [won(each, deal=only, account=f"acc-{each}") for each in ("1", "2")]
    assert dict(copies(deals, SHIPPED)) == {"2": {"why_bought": "1"}}
    same = [won(each, deal=only, account="acc") for each in ("1", "2")]
    assert not copies(same, SHIPPED), "two deals of one customer may say the same"


def test_what_no_field_holds_was_answered_by_nobody() -> None:
    bare: dict[str, Value] = {"name": "x"}
    record = with_blanks(Record(Ref(Kind.DEAL, "1"), bare), ["champion", "name"])
    assert record.values == {"champion": None, "name": "x"}


@pytest.mark.parametrize(("hours", "middle"), [([], None), ([5], 5), ([1, 3], 2), ([1, 2, 9], 2)])
def test_the_middle_of_ordered_times(hours: list[int], middle: int | None) -> None:
    wanted = timedelta(hours=middle) if middle is not None else None
    assert median([timedelta(hours=each) for each in hours]) == wanted


def test_the_gate_of_an_audit_is_the_gate_in_earnest() -> None:
    """Whatever mode the gate has: what is missing is missing."""
    snapshot = won("1", deal={"champion": None, "use_case": None})
    for mode in GateMode:
        policy = a_policy(gate=dataclasses.replace(a_policy().gate, mode=mode))
        found = audit([snapshot], policy, NOW).deals[0]
        assert [gap.field for gap in found.gaps] == [gap.field for gap in decide(snapshot, policy, NOW).missing]
