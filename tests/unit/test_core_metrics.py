"""Status, metric fields and messages: given what happened, then these numbers and these people told, once."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from factories import (
    AE,
    BASELINE,
    DEAL_ID,
    MAYA,
    NOW,
    PEOPLE,
    SYSTEM,
    TOMAS,
    WON_AT,
    a_gap,
    a_policy,
    a_snapshot,
)
from tinyworld import World

from connector.handoff.decide import decide
from connector.handoff.model import Touch, TouchKind
from connector.handoff.plan import Notify, Plan, Verdict
from connector.handoff.rulebook.gate import GateMode
from connector.handoff.rulebook.messages import NotifyPolicy


def touched(world: World, *touches: Touch) -> None:
    world.snapshot = dataclasses.replace(world.snapshot, touches=touches)


def call(at: datetime, by: str | None = TOMAS) -> Touch:
    return Touch(TouchKind.CALL, at, by)


def messages(plan: Plan) -> list[Notify]:
    return [action for action in plan.actions if isinstance(action, Notify)]


def a_quiet_policy(*moments: str, **texts: str) -> Any:
    return a_policy(notify=NotifyPolicy(frozenset(moments), texts))


def test_release_writes_start_completion_and_time_to_assignment() -> None:
    world = World()
    world.run()
    deal = world.snapshot.deal
    assert deal.get("started_at") == WON_AT
    assert deal.get("metric_completion") == 100
    assert deal.get("metric_assign_minutes") == Decimal("5.00")
    assert deal.get("metric_ttft_hours") is None


def test_completion_keeps_the_share_at_release() -> None:
    world = World(
        a_snapshot(deal=a_gap()), policy=a_policy(gate=dataclasses.replace(a_policy().gate, mode=GateMode.WARN))
    )
    world.run()
    world.edit({"champion": "Ingrid Holm"})
    world.run()
    assert world.snapshot.deal.get("metric_completion") == 75
    assert world.snapshot.deal.get("percent") == 100


@pytest.mark.parametrize(
    ("touches", "hours"),
    [
        ((), None),
        ((call(WON_AT + timedelta(hours=3, minutes=30)),), "3.50"),
        ((call(WON_AT + timedelta(hours=9)), call(WON_AT + timedelta(hours=2))), "2.00"),
        ((call(WON_AT - timedelta(hours=1)), call(WON_AT + timedelta(hours=4))), "4.00"),
        ((call(WON_AT + timedelta(hours=1), by=AE),), None),
        ((call(WON_AT + timedelta(hours=1), by=None),), None),
        ((call(WON_AT + timedelta(days=9)),), None),
    ],
    ids=["none", "one", "earliest", "not before the win", "not the AE's", "nobody's", "not in the future"],
)
def test_first_touch_is_the_csm_s_first_contact_since_the_win(touches: tuple[Touch, ...], hours: str | None) -> None:
    world = World()
    world.run()
    world.wait(days=2)
    touched(world, *touches)
    world.run()
    assert world.snapshot.deal.get("metric_ttft_hours") == (Decimal(hours) if hours else None)
    assert (world.snapshot.deal.get("first_touch_at") is None) is (hours is None)


def test_a_planned_meeting_is_looked_at_again_when_it_takes_place() -> None:
    world = World()
    world.run()
    planned = world.now + timedelta(minutes=30)
    touched(world, call(planned))
    assert world.snapshot.deal.get("first_touch_at") is None
    assert world.run().recheck_at == planned


def test_the_first_touch_stays_when_the_csm_changes() -> None:
    world = World()
    world.run()
    world.wait(days=1)
    touched(world, call(WON_AT + timedelta(hours=2)))
    world.run()
    world.edit({"csm": MAYA})
    touched(world, call(WON_AT + timedelta(hours=2)), call(WON_AT + timedelta(hours=20), by=MAYA))
    world.run()
    assert world.snapshot.deal.get("metric_ttft_hours") == Decimal("2.00")


def test_an_old_win_taken_up_on_request_has_no_invented_times() -> None:
    world = World(a_snapshot(won_at=BASELINE - timedelta(days=200), ledger={"adopted": True}))
    touched(world, call(NOW - timedelta(minutes=1)))
    world.run()
    assert world.snapshot.deal.get("metric_assign_minutes") is None
    assert world.snapshot.deal.get("metric_ttft_hours") is None
    # Were it the old win, a rebuilt ledger would take that day for the start of all acting.
    assert world.snapshot.deal.get("started_at") == NOW


def test_status_follows_the_work() -> None:
    world = World()
    seen = []

    def look() -> None:
        world.run()
        seen.append(world.text("status"))

    look()
    touched(world, call(NOW))
    look()
    for step in ("welcome-packet", "setup-call", "prepare", "run-call", "check-in"):
        world.close_task(step)
        look()
    assert seen == [
        "2 Welcome",
        "3 Alignment",
        "3 Alignment",
        "3 Alignment",
        "4 Implementation",
        "4 Implementation",
        "5 Review",
    ]


def test_a_status_that_a_person_set_is_left() -> None:
    world = World()
    world.run()
    world.edit({"status": "5 Review"})
    touched(world, call(NOW))
    plan = world.run()
    assert world.text("status") == "5 Review"
    assert any("a person edited it: Status." in finding.reason for finding in plan.findings)


def test_fractions_of_a_second_that_a_crm_drops_are_no_difference() -> None:
    won = WON_AT.replace(microsecond=123456)
    world = World(a_snapshot(won_at=won))
    world.run()
    assert world.snapshot.deal.get("started_at") == WON_AT
    world.edit({"percent": Decimal("100.00"), "metric_assign_minutes": Decimal("5")})
    assert world.decide().actions == ()


def test_the_csm_is_told_once() -> None:
    world = World()
    [message] = messages(world.run())
    assert (message.to_email, message.to_name) == (PEOPLE[TOMAS].email, "Tomas Reyes")
    assert message.key == f"{SYSTEM}:{DEAL_ID}:1:notify-csm_assigned:{TOMAS}"
    assert message.subject == "New customer for you: Nordlys AS"
    assert "Nordlys rollout, 18,000, small" in message.text
    world.edit({"use_case": "Another"})
    assert messages(world.run()) == []


def test_the_ae_is_told_of_a_held_deal_once_per_generation() -> None:
    world = World(a_snapshot(deal=a_gap()))
    [message] = messages(world.run())
    assert message.to_email == PEOPLE[AE].email
    assert "Champion: CS needs champion." in message.text
    world.win()
    assert messages(world.run()) == []
    world.run()
    world.wait(days=40)
    world.win()
    assert [one.key.split(":")[2] for one in messages(world.run())] == ["2"]


def test_moments_that_are_off_tell_nobody_and_switching_them_on_tells_nothing_of_the_past() -> None:
    world = World(policy=a_quiet_policy())
    assert messages(world.run()) == []
    world.policy = a_policy()
    assert messages(world.run()) == []


def test_the_policy_s_own_words_are_used() -> None:
    policy = a_quiet_policy("csm_assigned", csm_assigned="{{ csm }}: {{ account }} has {{ missing | length }} gaps")
    [message] = messages(decide(a_snapshot(), policy, NOW))
    assert message.text == "Tomas Reyes: Nordlys AS has 0 gaps"


def test_a_broken_text_blocks_the_message_only() -> None:
    plan = decide(a_snapshot(), a_quiet_policy("csm_assigned", csm_assigned="{{ nobody }}"), NOW)
    assert [one.verdict for one in plan.findings if one.rule == "notify"] == [Verdict.BLOCKED]
    assert plan.actions


def test_somebody_who_left_is_not_written_to() -> None:
    people = {**PEOPLE, AE: dataclasses.replace(PEOPLE[AE], active=False)}
    plan = decide(a_snapshot(deal=a_gap(), people=people), a_policy(), NOW)
    assert messages(plan) == []
    assert plan.findings[-1].reason == "Nobody new to tell of: deal_held."


def test_the_stand_in_gets_the_ordinary_message_when_the_other_moment_is_off() -> None:
    policy = dataclasses.replace(
        a_quiet_policy("csm_assigned"), assignment=dataclasses.replace(a_policy().assignment, rules=())
    )
    world = World(policy=policy)
    assert len(messages(world.run())) == 1
    assert messages(world.run()) == []


def test_the_plan_is_in_the_order_in_which_it_goes_out() -> None:
    plan = decide(a_snapshot(), a_policy(), NOW)
    assert [action.step for action in plan.actions] == [
        "patch-account",
        "welcome-packet",
        "setup-call",
        "prepare",
        "run-call",
        "summary",
        "patch-deal",
        "notify-csm_assigned",
    ]


def test_times_are_of_the_moment_they_were_seen() -> None:
    later = datetime(2026, 3, 3, 9, 42, 30, tzinfo=UTC)
    plan = decide(a_snapshot(), a_policy(), later)
    assert plan.remember.assigned_at == plan.remember.released_at == later


def test_a_deal_that_was_held_before_the_moment_was_on_is_not_told_of() -> None:
    hold = dataclasses.replace(a_policy().gate, mode=GateMode.HOLD)
    world = World(a_snapshot(deal=a_gap()), policy=dataclasses.replace(a_quiet_policy(), gate=hold))
    world.run()
    world.policy = a_policy(gate=hold)
    assert messages(world.run()) == []


def test_what_the_crm_made_of_our_words_is_no_persons_edit_and_not_written_again() -> None:
    world = World()
    world.run()
    deal = world.snapshot.deal.ref
    world.edit({"status": "2 WELCOME"})
    kept = {deal: {"status": "2 WELCOME"}}
    world.snapshot = dataclasses.replace(world.snapshot, ledger=dataclasses.replace(world.snapshot.ledger, kept=kept))
    assert world.decide().actions == ()
    world.wait(hours=1)
    touched(world, call(world.now))
    world.run()
    assert world.text("status") == "3 Alignment"


def test_without_that_memory_it_is_left_as_a_persons() -> None:
    world = World()
    world.run()
    world.edit({"status": "2 WELCOME"})
    world.wait(hours=1)
    touched(world, call(world.now))
    world.run()
    assert world.text("status") == "2 WELCOME"
