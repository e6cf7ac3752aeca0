"""Promises of the sale: read line by line, listed weekly, told when they cannot be kept, escalated when overdue."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from factories import AE, DANA, DEAL_ID, MANAGER, MAYA, NOW, SYSTEM, TOMAS, a_policy, a_snapshot
from late_parts import AT_ONCE, DAY, LADDER
from tinyworld import World

from connector.handoff.commitments import Commitment, day_in, read
from connector.handoff.decide import decide
from connector.handoff.model import CrmTask, Effect, Gate, Kind, Snapshot
from connector.handoff.pausing import withhold
from connector.handoff.plan import Notify, Plan, Upsert
from connector.handoff.rulebook.playbooks import Do, Miss
from connector.handoff.rulebook.policy import Policy
from connector.handoff.rulebook.watch import CommitmentPolicy, CommitmentStatus, ListAs

S = CommitmentStatus
WORDS = {
    "open": S.OPEN,
    "in progress": S.IN_PROGRESS,
    "done": S.DONE,
    "erledigt": S.DONE,
    "undeliverable": S.UNDELIVERABLE,
}
LATE = (Miss(Do.REMIND, AT_ONCE), Miss(Do.ESCALATE, DAY))
MONDAY = datetime(2026, 3, 9, 7, 30, tzinfo=UTC)
"""Half an hour before work begins in Berlin."""


def policy(**changes: Any) -> Policy:
    asked = CommitmentPolicy("risks", WORDS, missed=LATE, notice=DAY)
    return a_policy(commitments=dataclasses.replace(asked, **changes), escalation=LADDER, playbooks=())


def in_flight(promised: str, **changes: Any) -> Snapshot:
    ledger = {
        "generation": 1,
        "won_at": NOW,
        "released_at": NOW,
        "csm_id": MAYA,
        "assigned_at": NOW,
        "gate": Gate.RELEASED,
        "marks": {"begun-with:commitments": NOW},
    }
    deal = {"gate": "Released", "csm": MAYA, "risks": promised}
    return a_snapshot(deal=deal, ledger={**ledger, **changes.pop("ledger", {})}, account={"csm": MAYA}, **changes)


def messages(plan: Plan, start: str) -> list[Notify]:
    return [one for one in plan.actions if isinstance(one, Notify) and one.step.startswith(start)]


def tasks(plan: Plan) -> list[Upsert]:
    return [one for one in plan.actions if isinstance(one, Upsert) and one.kind is Kind.TASK]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("SSO | 2026-03-20 | Ana Ek | in progress", Commitment("SSO", date(2026, 3, 20), S.IN_PROGRESS, "Ana Ek")),
        ("- SSO | done", Commitment("SSO", None, S.DONE, "")),
        ("2. SSO | Erledigt | due 2026-03-20", Commitment("SSO", date(2026, 3, 20), S.DONE, "")),
        ("• SSO | csm | 20 March 2026", Commitment("SSO", date(2026, 3, 20), S.OPEN, "csm")),
        ("SSO |", Commitment("SSO", None, S.OPEN, "")),
        ("SSO by 1 March", None),
        ("| 2026-03-20", None),
        ("None made", None),
        ("", None),
    ],
)
def test_a_line_with_bars_is_a_commitment(line: str, found: Commitment | None) -> None:
    assert list(read(line, WORDS)) == ([found] if found else [])


@pytest.mark.parametrize("text", ["2026-02-30", "soon", "31 Foo 2026", "99 Mar 2026", "9999-12-31", "0026-03-01"])
def test_what_is_no_date_is_none(text: str) -> None:
    assert day_in(text) is None


def test_a_commitment_is_known_by_its_words_whatever_else_changes() -> None:
    one, other = read("SSO with Okta | 2026-03-20\n*  sso  WITH okta | 2026-04-01 | done | Ana Ek", WORDS)
    assert one.step == other.step
    assert "." in one.step


def test_the_csm_is_told_the_open_ones_once_on_monday_morning() -> None:
    text = "SSO | 2026-03-20 | Ana Ek\nTraining | 2026-03-06 | done\nReport | tomas.reyes@seller.example | in progress"
    snapshot = in_flight(text)
    before = decide(snapshot, policy(), MONDAY - timedelta(days=3))
    assert not messages(before, "notify-promises")
    asked = next(one for one in before.findings if one.rule == "commitments")
    assert asked.recheck_at == MONDAY - timedelta(minutes=30)
    assert asked.reason.startswith("1 of 3 commitments are kept.")
    (message,) = messages(decide(snapshot, policy(), MONDAY), "notify-promises")
    assert (message.to_id, message.together, message.not_before) == (MAYA, True, MONDAY + timedelta(minutes=30))
    assert message.text == "- SSO (due 20 Mar 2026; Ana Ek)\n- Report (no date, in progress; Tomas Reyes)"
    told = Effect(message.step, message.key, message.fingerprint)
    sent = dataclasses.replace(snapshot, ledger=dataclasses.replace(snapshot.ledger, effects={message.step: told}))
    assert not messages(decide(sent, policy(), MONDAY + timedelta(hours=1)), "notify-promises")
    assert not messages(decide(snapshot, policy(), MONDAY + timedelta(hours=5)), "notify-promises")
    assert len(messages(decide(sent, policy(), MONDAY + timedelta(days=7)), "notify-promises")) == 1
    assert not messages(decide(snapshot, policy(weekday=None), MONDAY), "notify-promises")


def test_a_list_that_a_pause_kept_back_comes_on_the_next_morning_and_once() -> None:
    world = World(policy=policy(), snapshot=in_flight("SSO | 2026-09-20"), now=MONDAY)
    withheld = withhold(world.decide(), {"commitments"}).plan
    assert withheld is not None
    assert not messages(withheld, "notify-promises")
    world.carry_out(withheld)
    world.now = MONDAY + timedelta(days=1, hours=5)
    plan = world.run()
    assert not messages(plan, "notify-promises")
    assert plan.recheck_at is not None
    assert plan.recheck_at <= MONDAY + timedelta(days=2)
    world.now = MONDAY + timedelta(days=2)
    assert len(messages(world.run(), "notify-promises")) == 1
    for days in (2, 3, 4):
        world.now = MONDAY + timedelta(days=days, hours=1)
        assert not messages(world.run(), "notify-promises")
    world.now = MONDAY + timedelta(days=7)
    assert len(messages(world.run(), "notify-promises")) == 1


def test_the_list_may_be_a_task_that_is_made_once_a_week() -> None:
    snapshot, asked = in_flight("SSO | 2026-03-20"), policy(list_as=ListAs.TASK)
    (task,) = tasks(decide(snapshot, asked, MONDAY))
    assert (task.step, task.values["owner"], task.values["due"]) == ("promises.20260309", MAYA, date(2026, 3, 9))
    made = CrmTask("t-1", f"{SYSTEM}:{DEAL_ID}:1:promises.20260309", "x", MAYA, done=False)
    assert not tasks(decide(dataclasses.replace(snapshot, tasks=(made,)), asked, MONDAY))


def test_what_cannot_be_kept_is_a_task_at_once_and_only_one() -> None:
    snapshot = in_flight("Slack by May | 2026-05-01 | undeliverable")
    (task,) = tasks(decide(snapshot, policy(), NOW + timedelta(hours=1)))
    assert task.values["owner"] == MAYA
    assert "Promised: Slack by May" in str(task.values["body"])
    made = CrmTask("t-1", task.key, "x", MAYA, done=True)
    assert not tasks(decide(dataclasses.replace(snapshot, tasks=(made,)), policy(), NOW + timedelta(days=9)))
    assert not messages(decide(snapshot, policy(), MONDAY + timedelta(days=90)), "notify-late")


def test_an_overdue_one_is_told_its_keeper_and_climbs_the_ladder_once() -> None:
    snapshot = in_flight("SSO | 2026-03-10 | tomas.reyes@seller.example")
    at, told = NOW, []
    for _ in range(400):
        plan = decide(snapshot, policy(), at)
        told += [(one.to_id, one.subject) for one in messages(plan, "notify-late")]
        ledger = dataclasses.replace(snapshot.ledger, marks=plan.remember.marks)
        snapshot = dataclasses.replace(snapshot, ledger=ledger)
        if plan.recheck_at is None or plan.recheck_at > NOW + timedelta(days=20):
            break
        at = plan.recheck_at
    assert told == [
        (TOMAS, "Late: SSO"),
        (AE, "Still open: SSO"),
        (MANAGER, "Still open: SSO"),
        (DANA, "Still open: SSO"),
    ]
    kept = dataclasses.replace(snapshot, deal=in_flight("SSO | 2026-03-10 | done").deal, ledger=in_flight("").ledger)
    assert not messages(decide(kept, policy(), NOW + timedelta(days=30)), "notify-late")


def test_promises_of_handoffs_that_began_before_they_were_tracked_rest() -> None:
    promised = "SSO | 2026-01-10\nSlack | undeliverable"
    before = in_flight(promised, ledger={"marks": {}})
    for days in range(1, 15):
        plan = decide(before, policy(), NOW + timedelta(days=days))
        assert not messages(plan, "notify-late")
        assert not messages(plan, "notify-promises")
        assert not tasks(plan)
    told = next(one for one in plan.findings if one.rule == "commitments")
    assert told.reason.startswith("It began before [commitments] stood in process.toml")
    assert tasks(decide(before, policy(since=NOW.date()), NOW))
    world = World(policy=policy(), snapshot=a_snapshot(deal={"risks": promised}))
    world.run()
    assert "begun-with:commitments" in world.snapshot.ledger.marks
    assert [one for one in world.steps() if one.startswith("promise.")]


def test_nothing_is_overdue_before_the_csm_had_a_day_to_read_of_it_and_old_handoffs_rest() -> None:
    snapshot = in_flight("SSO | 2026-01-10")
    assert not messages(decide(snapshot, policy(), NOW + timedelta(hours=6)), "notify-late")
    assert messages(decide(snapshot, policy(), NOW + timedelta(days=2)), "notify-late")
    later = policy(since=(NOW + timedelta(days=1)).date())
    assert not messages(decide(snapshot, later, NOW + timedelta(days=2)), "notify-late")
    assert not messages(decide(snapshot, a_policy(playbooks=()), MONDAY), "notify-promises")
