"""Red flags: late answers, missed meetings, asking for more; each once per episode, never for a healthy customer."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import Any

import pytest
from factories import DANA, DEAL_ID, MANAGER, MAYA, NOW, SYSTEM, a_policy, a_snapshot, when
from late_parts import DAY

from connector.handoff.decide import decide
from connector.handoff.model import CrmMeeting, CrmTask, Effect, Kind, Outcome, Snapshot, Touch, TouchKind
from connector.handoff.plan import Finding, Notify, Plan, Upsert
from connector.handoff.rulebook.calendars import Limit
from connector.handoff.rulebook.conditions import Op
from connector.handoff.rulebook.people import Role
from connector.handoff.rulebook.policy import Policy
from connector.handoff.rulebook.watch import FlagKind, RedFlag, RedFlags

TWO_DAYS = Limit(DAY.hours * 2, DAY.clock)
SILENCE = RedFlag("slow-reply", FlagKind.SILENCE, slower_than=TWO_DAYS, advice="Call today.")
NO_SHOWS = RedFlag("no-shows", FlagKind.NO_SHOWS, no_shows=2)
CREEP = RedFlag("scope-creep", FlagKind.FIELD, when=when("risks", Op.FILLED, True))
BEGAN = NOW
DAY_8 = NOW + timedelta(days=8)
"""A Wednesday."""


def policy(**changes: Any) -> Policy:
    flags = RedFlags((SILENCE, NO_SHOWS, CREEP), roles=(Role.AE_MANAGER, Role.FALLBACK), limit=DAY)
    return a_policy(red_flags=dataclasses.replace(flags, **changes))


def in_flight(**changes: Any) -> Snapshot:
    given = {"generation": 1, "won_at": BEGAN, "released_at": BEGAN, "csm_id": MAYA, "assigned_at": BEGAN}
    gate = {"gate": "Released", "csm": MAYA}
    marks = {"marks": {"begun-with:red_flags": BEGAN}}
    ledger = {**given, **marks, **changes.pop("ledger", {})}
    return a_snapshot(deal={**gate, **changes.pop("deal", {})}, ledger=ledger, account={"csm": MAYA}, **changes)


def flags(plan: Plan) -> dict[str, Upsert]:
    return {
        one.step: one
        for one in plan.actions
        if isinstance(one, Upsert) and one.kind is Kind.TASK and one.step.startswith("flag.")
    }


def told(plan: Plan) -> list[str]:
    return [one.to_id for one in plan.actions if isinstance(one, Notify) and one.step.startswith("notify-flag.")]


def finding(plan: Plan) -> Finding:
    return next(one for one in plan.findings if one.rule == "red_flags")


def mail(at: datetime, by: str = MAYA) -> Touch:
    return Touch(TouchKind.EMAIL, at, by)


def meeting(step: str, at: datetime, outcome: Outcome) -> CrmMeeting:
    return CrmMeeting(f"m-{step}", f"{SYSTEM}:{DEAL_ID}:1:{step}", step, MAYA, at, at + timedelta(hours=1), outcome)


def carried(snapshot: Snapshot, plan: Plan) -> Snapshot:
    """The world once the plan's tasks are made."""
    made = [
        CrmTask(f"t-{one.step}", one.key, str(one.values["subject"]), str(one.values["owner"]), done=False)
        for one in flags(plan).values()
    ]
    effects = {one.step: Effect(one.step, f"t-{one.step}", one.fingerprint) for one in flags(plan).values()}
    ledger = dataclasses.replace(
        snapshot.ledger, effects={**snapshot.ledger.effects, **effects}, marks=plan.remember.marks
    )
    return dataclasses.replace(snapshot, tasks=(*snapshot.tasks, *made), ledger=ledger)


def test_a_customer_who_does_not_answer_is_flagged_once_to_both_leaderships() -> None:
    asked = BEGAN + timedelta(days=3)  # a Friday
    snapshot = in_flight(replies=(BEGAN - timedelta(days=5),), touches=(mail(asked), mail(asked + timedelta(days=4))))
    early = decide(snapshot, policy(), asked + timedelta(days=3))
    assert not flags(early)
    due = finding(early).recheck_at
    assert due == asked + timedelta(days=4)  # two working days: Friday to Tuesday
    plan = decide(snapshot, policy(), due)
    (task,) = flags(plan).values()
    assert task.step == "flag.slow-reply.20260306t0905"
    assert task.values["owner"] == MANAGER
    assert "Call today." in str(task.values["body"])
    assert "No answer to the mail of 6 Mar 2026, 10:05" in str(task.values["body"])
    assert told(plan) == [MANAGER, DANA]
    after = carried(snapshot, plan)
    assert not flags(decide(after, policy(), due + timedelta(days=5)))
    # The ledger is lost: the task in the CRM tells that it was raised.
    lost = dataclasses.replace(after, ledger=in_flight().ledger)
    again = decide(lost, policy(), due + timedelta(days=5))
    assert not flags(again)
    assert not told(again)


def test_an_answer_ends_the_episode_and_another_silence_begins_a_new_one() -> None:
    first, second = BEGAN + timedelta(days=1), BEGAN + timedelta(days=9)
    snapshot = in_flight(replies=(BEGAN - timedelta(days=1),), touches=(mail(first),))
    plan = decide(snapshot, policy(), first + timedelta(days=4))
    assert len(flags(plan)) == 1
    answered = dataclasses.replace(
        carried(snapshot, plan),
        replies=(BEGAN - timedelta(days=1), first + timedelta(days=5)),
        touches=(mail(first), mail(second)),
    )
    assert not flags(decide(answered, policy(), first + timedelta(days=6)))
    again = flags(decide(answered, policy(), second + timedelta(days=5)))
    assert [*again] == ["flag.slow-reply.20260312t0905"]


@pytest.mark.parametrize(
    "healthy",
    [
        {"touches": (mail(BEGAN + timedelta(days=1)),)},
        {"replies": (BEGAN + timedelta(days=2),), "touches": (mail(BEGAN + timedelta(days=1)),)},
        {"deal": {"replied_at": BEGAN + timedelta(days=2)}, "touches": (mail(BEGAN + timedelta(days=1)),)},
        {"replies": (BEGAN - timedelta(days=1),), "touches": (mail(BEGAN + timedelta(days=7)),)},
        {"replies": (BEGAN - timedelta(days=1),), "touches": (mail(BEGAN + timedelta(days=1), by="u-ae"),)},
        {
            "replies": (BEGAN - timedelta(days=1),),
            "touches": (
                mail(BEGAN + timedelta(days=1)),
                Touch(TouchKind.CALL, BEGAN + timedelta(days=2), MAYA),
            ),
        },
        {"meetings": (meeting("kickoff", BEGAN + timedelta(days=1), Outcome.MISSED),)},
        {"no_shows": (BEGAN - timedelta(days=9), BEGAN - timedelta(days=8))},
        {
            "meetings": (
                meeting("kickoff", BEGAN + timedelta(days=1), Outcome.MISSED),
                meeting("again", BEGAN + timedelta(days=2), Outcome.HELD),
                meeting("day-7", BEGAN + timedelta(days=7), Outcome.MISSED),
            )
        },
    ],
    ids=[
        *("no-answer-was-ever-seen", "answered", "answered-by-field", "asked-yesterday", "asked-by-the-ae", "called"),
        *("one-missed", "missed-before-the-handoff", "held-between"),
    ],
)
def test_a_healthy_customer_is_never_flagged(healthy: dict[str, Any]) -> None:
    plan = decide(in_flight(**healthy), policy(), DAY_8)
    assert not flags(plan)
    assert not told(plan)


def test_two_meetings_missed_in_a_row_are_flagged_whoever_made_them() -> None:
    missed = meeting("kickoff", BEGAN + timedelta(days=1), Outcome.MISSED)
    snapshot = in_flight(meetings=(missed,), no_shows=(BEGAN + timedelta(days=3),))
    plan = decide(snapshot, policy(), DAY_8)
    (task,) = flags(plan).values()
    assert task.step == "flag.no-shows.20260304t0905"
    assert "2 meetings in a row were missed: kickoff on 4 Mar 2026 and a meeting on 6 Mar 2026." in str(
        task.values["body"]
    )
    third = dataclasses.replace(carried(snapshot, plan), no_shows=(*snapshot.no_shows, BEGAN + timedelta(days=6)))
    assert not flags(decide(third, policy(), DAY_8))


def test_a_field_raises_a_flag_each_time_it_begins_to_say_so() -> None:
    snapshot = in_flight(deal={"risks": "They want SSO as well."})
    plan = decide(snapshot, policy(), DAY_8)
    (task,) = flags(plan).values()
    assert task.step == "flag.scope-creep.1"
    assert "Risks: They want SSO as well." in str(task.values["body"])
    after = carried(snapshot, plan)
    assert not flags(decide(after, policy(), DAY_8 + timedelta(days=1)))
    calm = {**after.deal.values, "risks": None}
    quiet = dataclasses.replace(after, deal=dataclasses.replace(after.deal, values=calm))
    over = decide(quiet, policy(), DAY_8 + timedelta(days=2))
    assert not flags(over)
    back = dataclasses.replace(after, ledger=dataclasses.replace(after.ledger, marks=over.remember.marks))
    assert [*flags(decide(back, policy(), DAY_8 + timedelta(days=3)))] == ["flag.scope-creep.2"]


def test_flags_that_come_to_the_policy_are_for_handoffs_that_begin_afterwards() -> None:
    missed = (BEGAN + timedelta(days=2), BEGAN + timedelta(days=4))
    before = in_flight(no_shows=missed, ledger={"marks": {}})
    plan = decide(before, policy(), DAY_8)
    assert not flags(plan)
    assert not told(plan)
    assert finding(plan).reason.startswith("It began before [red_flags] stood in process.toml")
    assert "begun-with:red_flags" not in plan.remember.marks
    # A day named in the section takes it in.
    assert flags(decide(before, policy(since=BEGAN.date()), DAY_8))
    # One that begins now remembers it, and is watched from then on.
    begun = decide(a_snapshot(), policy(), BEGAN).remember
    assert begun.marks["begun-with:red_flags"] == BEGAN
    assert flags(decide(in_flight(no_shows=missed, ledger={"marks": begun.marks}), policy(), DAY_8))


def test_red_flags_rest_before_since_after_their_days_and_without_people() -> None:
    snapshot = in_flight(deal={"risks": "They want SSO as well."})
    assert not flags(decide(snapshot, policy(since=(BEGAN + timedelta(days=1)).date()), DAY_8))
    assert flags(decide(snapshot, policy(since=BEGAN.date()), DAY_8))
    assert not flags(decide(snapshot, policy(), BEGAN + timedelta(days=91)))
    nobody = decide(snapshot, policy(roles=(), emails=("gone@seller.example",)), DAY_8)
    assert finding(nobody).verdict.value == "blocked"
    assert not flags(decide(snapshot, a_policy(), DAY_8))
