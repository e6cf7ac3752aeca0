"""Steps of ninety days that are more than a task: documents, weekdays, an executive sponsor."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from factories import DANA, DEAL_ID, MAYA, NOW, PRIYA, SYSTEM, TOMAS, a_playbook, a_policy, a_snapshot, a_step
from late_parts import after_days

from connector.handoff.decide import decide
from connector.handoff.model import CrmNote, Effect, Gate, Kind, Snapshot
from connector.handoff.plan import Plan, TaskState, Upsert
from connector.handoff.rulebook.fields import FieldOwner, FieldRule, FieldType
from connector.handoff.rulebook.people import Escalation, Role
from connector.handoff.rulebook.playbooks import Trigger, TriggerKind
from connector.handoff.rulebook.policy import Policy
from connector.handoff.simulate import What, play

STORY = a_step("story", note=True, body="They bought because: {{ fields.why_bought }}", trigger=after_days(28))
DAY_28 = NOW + timedelta(days=28)


def policy(*tasks: Any, **changes: Any) -> Policy:
    return a_policy(playbooks=(a_playbook(tasks=tasks or (STORY,)),), **changes)


def in_flight(asked: Policy, **changes: Any) -> Snapshot:
    given = {"generation": 1, "won_at": NOW, "released_at": NOW, "csm_id": MAYA, "gate": Gate.RELEASED}
    ledger = {**given, "assigned_at": NOW, "playbook": asked.playbooks[0], **changes.pop("ledger", {})}
    deal = {"gate": "Released", "csm": MAYA, **changes.pop("deal", {})}
    return a_snapshot(deal=deal, ledger=ledger, account={"csm": MAYA}, **changes)


def made(plan: Plan, kind: Kind = Kind.NOTE) -> list[Upsert]:
    return [one for one in plan.actions if isinstance(one, Upsert) and one.kind is kind and one.step != "summary"]


def state(plan: Plan) -> TaskState:
    return plan.tasks[0]


def test_a_document_is_written_once_when_its_day_comes_and_is_people_s_then() -> None:
    asked = policy()
    assert not made(decide(in_flight(asked), asked, DAY_28 - timedelta(days=2)))
    (note,) = made(decide(in_flight(asked), asked, DAY_28))
    assert note.values["owner"] == MAYA
    body = str(note.values["body"])
    assert body.startswith("They bought because: Support costs doubled")
    assert body.endswith(f"Handoff reference: {SYSTEM}:{DEAL_ID}:1:story")
    there = CrmNote("n-1", note.key, "rewritten by a person")
    after = decide(in_flight(asked, notes=(there,)), asked, DAY_28 + timedelta(days=1))
    assert not made(after)
    assert (state(after).state, "its note was written" in state(after).why) == ("done", True)
    # A person deleted it: the ledger knows that it was there.
    gone = in_flight(asked, ledger={"effects": {"story": Effect("story", "n-1", "x")}})
    assert not made(decide(gone, asked, DAY_28 + timedelta(days=1)))


def test_a_document_is_played_like_a_task() -> None:
    whats = [one.what for one in play(a_snapshot(), policy(), NOW, days=timedelta(days=40)).events]
    assert What.DONE in whats
    assert What.MISSED not in whats


@pytest.mark.parametrize(
    ("weekday", "week", "day"),
    [(0, 1, 9), (0, 2, 16), (1, 1, 10), (2, 1, 4), (4, 1, 6), (4, 3, 20)],
    ids=["monday", "second-monday", "tuesday-is-next-week", "wednesday", "friday", "third-friday"],
)
def test_a_weekday_is_the_next_one_after_the_anchor(weekday: int, week: int, day: int) -> None:
    """The deal was won on Tuesday, 3 March."""
    step = a_step("rhythm", trigger=Trigger(TriggerKind.TIME, anchor="won", days=week, weekday=weekday))
    asked = policy(step)
    at = NOW.replace(day=day, hour=8, minute=0)
    assert not made(decide(in_flight(asked), asked, at - timedelta(minutes=1)), Kind.TASK)
    assert len(made(decide(in_flight(asked), asked, at), Kind.TASK)) == 1
    why = state(decide(in_flight(asked), asked, NOW)).why
    assert f"in week {week} after the win" in why


def test_the_sponsor_is_the_deals_own_then_the_policys_then_the_manager() -> None:
    rule = FieldRule("sponsor", "Sponsor", FieldType.PERSON, FieldOwner.HUMAN)
    plain = policy(a_step("talk", owner=Role.SPONSOR), escalation=Escalation(sponsor="tomas.reyes@seller.example"))
    asked = dataclasses.replace(plain, fields={**plain.fields, "sponsor": rule})

    def owner(policy: Policy, **deal: Any) -> object:
        return made(decide(in_flight(policy, deal=deal), policy, NOW), Kind.TASK)[0].values["owner"]

    assert owner(asked, sponsor=PRIYA) == PRIYA
    assert owner(asked) == TOMAS
    assert owner(dataclasses.replace(asked, escalation=Escalation())) == DANA
