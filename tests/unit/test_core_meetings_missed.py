"""Meetings of a playbook that nobody held: their owner is reminded, then the ladder, each once."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from factories import AE, DANA, DEAL_ID, MANAGER, MAYA, NOW, SYSTEM, a_playbook, a_policy, a_snapshot, a_step
from late_parts import AT_ONCE, DAY, HOUR, LADDER

from connector.handoff.decide import decide
from connector.handoff.model import CrmMeeting, Effect, Gate, Outcome, Snapshot
from connector.handoff.plan import Notify
from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.playbooks import Do, Draft, Miss
from connector.handoff.rulebook.policy import Policy
from connector.handoff.simulate import What, play

KICKOFF = a_step(
    "kickoff",
    limit=Limit(Decimal(40), Clock.BUSINESS),
    draft=Draft(45, HOUR, with_customer=True),
    missed=(Miss(Do.REMIND, AT_ONCE), Miss(Do.ESCALATE, DAY)),
)
AT = NOW + timedelta(days=3)


def policy() -> Policy:
    return a_policy(playbooks=(a_playbook(tasks=(KICKOFF,)),), escalation=LADDER)


def in_flight(**meeting: Any) -> Snapshot:
    one = CrmMeeting("m-1", f"{SYSTEM}:{DEAL_ID}:1:kickoff", "Kickoff", MAYA, AT, AT + timedelta(minutes=45))
    ledger = {"generation": 1, "won_at": NOW, "released_at": NOW, "csm_id": MAYA, "gate": Gate.RELEASED}
    ledger |= {
        "assigned_at": NOW,
        "playbook": policy().playbooks[0],
        "effects": {"kickoff": Effect("kickoff", "m-1", "x")},
    }
    meetings = (dataclasses.replace(one, **meeting),)
    return a_snapshot(deal={"gate": "Released", "csm": MAYA}, ledger=ledger, account={"csm": MAYA}, meetings=meetings)


def told(snapshot: Snapshot, until: datetime) -> list[tuple[str, str]]:
    """Who is told what from now on, looking whenever the plan wants to."""
    at, found = NOW, []
    for _ in range(100):
        plan = decide(snapshot, policy(), at)
        late = [one for one in plan.actions if isinstance(one, Notify) and one.step.startswith("notify-late-")]
        found += [(one.to_id, one.subject) for one in late]
        ledger = dataclasses.replace(snapshot.ledger, marks=plan.remember.marks, csm_id=MAYA)
        snapshot = dataclasses.replace(snapshot, ledger=ledger)
        if plan.recheck_at is None or plan.recheck_at > until:
            break
        at = plan.recheck_at
    return found


@pytest.mark.parametrize("outcome", [Outcome.PLANNED, Outcome.MISSED])
def test_a_meeting_that_was_not_held_is_told_its_owner_and_climbs_the_ladder(outcome: Outcome) -> None:
    late = [(who, "Still open: Kickoff") for who in (AE, MANAGER, DANA)]
    assert told(in_flight(outcome=outcome), NOW + timedelta(days=30)) == [(MAYA, "Late: Kickoff"), *late]


@pytest.mark.parametrize("outcome", [Outcome.HELD, Outcome.CANCELED, Outcome.MOVED])
def test_nothing_is_told_of_one_that_was_held_canceled_or_moved(outcome: Outcome) -> None:
    assert told(in_flight(outcome=outcome), NOW + timedelta(days=30)) == []


def test_one_that_a_person_put_later_is_late_only_then() -> None:
    later = AT + timedelta(days=14)
    snapshot = in_flight(start=later, end=later + timedelta(minutes=45))
    assert told(snapshot, later) == []
    assert told(snapshot, later + timedelta(hours=2)) == [(MAYA, "Late: Kickoff")]


def test_it_is_played_like_a_task() -> None:
    events = play(a_snapshot(), policy(), NOW, days=timedelta(days=30)).events
    assert [one.what for one in events if one.what in (What.REMINDED, What.ESCALATED)] == [
        What.REMINDED,
        *(What.ESCALATED,) * 3,
    ]
