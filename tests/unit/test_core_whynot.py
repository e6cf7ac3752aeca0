"""Why something is not there: every kind of lack has its sentence, and what is there is not complained of. Pure."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from factories import (
    BASELINE,
    LOST_STAGE,
    NOW,
    OPEN_STAGE,
    PEOPLE,
    WON_AT,
    a_gap,
    a_playbook,
    a_policy,
    a_snapshot,
    when,
)

from connector.handoff.acting import Acting, Reach
from connector.handoff.model import DealType, Gate
from connector.handoff.rulebook.conditions import Op
from connector.handoff.rulebook.pilot import Pilot
from connector.handoff.whynot import ACTED, FIGURE, MESSAGE, TASK, why_not


def whys(kind: str, *, policy: Any = None, **snapshot: Any) -> dict[str, str]:
    found = why_not(a_snapshot(**snapshot), policy or a_policy(), NOW)
    return {one.name: one.why for one in found if one.what == kind}


def no_task(**given: Any) -> str:
    return whys(TASK, **given).get("", "")


def test_a_handoff_with_tasks_lacks_none() -> None:
    assert no_task() == ""


@pytest.mark.parametrize(
    ("snapshot", "why"),
    [
        ({"stage": OPEN_STAGE, "won_at": None}, "Tasks begin with the win"),
        ({"deal": a_gap()}, "Held at the gate: 1 of 4 required fields is empty."),
        ({"won_at": BASELINE - timedelta(days=1)}, "old wins never get tasks"),
        ({"stage": LOST_STAGE, "won_at": None}, "The deal is lost."),
    ],
)
def test_why_there_is_no_task(snapshot: dict[str, Any], why: str) -> None:
    assert why in no_task(**snapshot)


def test_no_playbook_that_fits_says_what_each_asks_for_and_what_stands_there() -> None:
    policy = a_policy(playbooks=(a_playbook(when=when("segment", Op.IS, "enterprise")),))
    assert no_task(policy=policy) == (
        "No playbook is meant for this deal: 'standard' asks for segment is enterprise (it is small)."
    )


def test_a_type_that_gets_no_handoff() -> None:
    policy = a_policy(deal_types=(DealType.RENEWAL,))
    assert "Deals of type new get no handoff" in no_task(policy=policy)


def test_why_it_is_not_acted_on() -> None:
    pilot = Pilot(deals=("x",))
    acting = Acting(Reach.PILOT, dict.fromkeys(pilot.groups))
    assert "not in the pilot" in whys(ACTED, policy=a_policy(pilot=pilot), acting=acting)[""]
    assert whys(ACTED) == {}


def test_why_nobody_is_told() -> None:
    found = whys(MESSAGE)
    assert "csm_assigned" not in found, "it is told"
    assert found["deal_held"] == "Nothing of that kind happened: somebody is told that the deal is held, once."
    assert found["handoff_rejected"] == "[notify] moments of process.toml does not name it."
    people = {each.id: dataclasses.replace(each, email="") for each in PEOPLE.values()}
    nobody = whys(MESSAGE, deal={**a_gap(), "owner": None})
    assert nobody["deal_held"] == "There is nobody to tell: the person it is for is not known."
    assert whys(MESSAGE, deal=a_gap(), people=people)["deal_held"].endswith("has no mail address in the CRM.")


def test_what_was_told_before_is_not_missed() -> None:
    ledger = {"generation": 1, "gate": Gate.HELD, "won_at": WON_AT}
    assert whys(MESSAGE, deal=a_gap(), ledger=ledger)["deal_held"].startswith("Nothing of that kind happened")


def test_why_a_figure_is_empty() -> None:
    found = whys(FIGURE)
    assert found
    assert all(each.strip() for each in found.values())
    assert any("which no mapping names" in each for each in found.values())
    open_deal = whys(FIGURE, stage=OPEN_STAGE, won_at=None)
    assert set(open_deal.values()) == {"The deal is not won, so nothing is measured yet."}
    held = whys(FIGURE, deal=a_gap())
    assert any("held at the gate" in each for each in held.values())
