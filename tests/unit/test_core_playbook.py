"""Tasks: given this playbook and this history, then these tasks for these people on these days."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from factories import (
    AE,
    DANA,
    DEAL_ID,
    MANAGER,
    MAYA,
    NOW,
    PEOPLE,
    PRIYA,
    SYSTEM,
    TOMAS,
    a_playbook,
    a_policy,
    a_snapshot,
    a_step,
    when,
)
from tinyworld import World

from connector.handoff.decide import decide
from connector.handoff.model import DealType, Kind
from connector.handoff.plan import Plan, Upsert, Verdict
from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.conditions import Op
from connector.handoff.rulebook.people import Role

FRIDAY = datetime(2026, 3, 6, 14, 30, tzinfo=UTC)
"""Half past three in the afternoon where the team works."""


def tasks(plan: Plan) -> dict[str, Upsert]:
    return {one.step: one for one in plan.actions if isinstance(one, Upsert) and one.kind is Kind.TASK}


def only(*steps: Any) -> Any:
    return a_policy(playbooks=(a_playbook(tasks=steps),))


def states(plan: Plan) -> dict[str, str]:
    return {one.step: one.state for one in plan.tasks}


def test_the_whole_sequence_is_made_at_release_with_its_days() -> None:
    plan = decide(a_snapshot(), a_policy(), NOW)
    made = {step: (task.values["due"], task.values["owner"]) for step, task in tasks(plan).items()}
    assert made == {
        "welcome-packet": (date(2026, 3, 3), AE),
        "setup-call": (date(2026, 3, 4), TOMAS),
        "prepare": (date(2026, 3, 5), TOMAS),
        "run-call": (date(2026, 3, 6), TOMAS),
    }
    assert states(plan) == dict.fromkeys(made, "planned") | {"check-in": "waiting"}
    welcome = tasks(plan)["welcome-packet"]
    assert welcome.key == f"{SYSTEM}:{DEAL_ID}:1:welcome-packet"
    assert [ref.kind for ref in welcome.parents] == [Kind.DEAL, Kind.ACCOUNT]
    assert welcome.values["subject"] == "Welcome packet: Nordlys AS"
    assert welcome.values["body"] == "For Nordlys rollout, won on 3 Mar 2026."
    assert welcome.values["remind_at"] == datetime(2026, 3, 3, 10, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "clock", "due"),
    [
        (2, Clock.BUSINESS, date(2026, 3, 9)),
        (1, Clock.BUSINESS, date(2026, 3, 6)),
        (24, Clock.WALL, date(2026, 3, 7)),
        (16, Clock.BUSINESS, date(2026, 3, 10)),
    ],
)
def test_a_win_on_friday_afternoon(hours: int, clock: Clock, due: date) -> None:
    policy = only(a_step("kickoff", limit=Limit(Decimal(hours), clock)))
    plan = decide(a_snapshot(won_at=FRIDAY), policy, FRIDAY)
    assert tasks(plan)["kickoff"].values["due"] == due


def test_a_step_s_clock_starts_when_the_one_before_is_done() -> None:
    world = World()
    world.run()
    world.wait(hours=26)
    world.close_task("welcome-packet")
    plan = world.run()
    assert list(tasks(plan)) == ["setup-call"]
    assert tasks(plan)["setup-call"].values == {"due": date(2026, 3, 5)}
    assert world.task("setup-call").due == date(2026, 3, 5)
    assert world.task("prepare").due == date(2026, 3, 5)
    assert world.decide().actions == ()


def test_a_step_of_its_own_time_is_made_when_the_one_before_is_done() -> None:
    world = World()
    world.run()
    assert "check-in" not in world.steps()
    world.close_task("run-call")
    world.run()
    assert world.task("check-in").owner_id == AE
    assert world.task("check-in").due == date(2026, 3, 4)


def test_a_filled_field_closes_the_task_once() -> None:
    world = World()
    world.run()
    world.edit({"go_live_date": date(2026, 4, 1)})
    plan = world.run()
    assert tasks(plan)["run-call"].values == {"status": "done"}
    assert tasks(plan)["run-call"].record_id == world.task("run-call").id
    assert world.task("run-call").done
    assert plan.remember.done_signals == {"run-call": world.now}
    world.edit_task("run-call", done=False)
    assert tasks(world.run()) == {}


def test_a_step_that_is_done_before_it_begins_needs_no_task() -> None:
    plan = decide(a_snapshot(deal={"go_live_date": date(2026, 4, 1)}), a_policy(), NOW)
    assert "run-call" not in tasks(plan)
    assert states(plan)["run-call"] == "done"
    assert "check-in" in tasks(plan)


@pytest.mark.parametrize(
    "edit", [{"subject": "Mine"}, {"owner_id": MAYA}, {"due": date(2026, 5, 1)}], ids=["subject", "owner", "due"]
)
def test_a_task_that_a_person_changed_is_left_alone(edit: dict[str, Any]) -> None:
    world = World()
    world.run()
    world.edit_task("prepare", **edit)
    world.edit({"csm": PRIYA})
    plan = world.run()
    assert "prepare" not in tasks(plan)
    assert "setup-call" in tasks(plan)
    assert next(one for one in plan.tasks if one.step == "prepare").why.startswith("A person changed the task")


def test_a_deleted_task_stays_deleted() -> None:
    world = World()
    world.run()
    world.delete_task("prepare")
    plan = world.run()
    assert tasks(plan) == {}
    assert states(plan)["prepare"] == "removed"


def test_a_closed_task_is_never_touched_again() -> None:
    world = World()
    world.run()
    world.close_task("prepare")
    world.edit({"csm": PRIYA})
    assert "prepare" not in tasks(world.run())


def test_a_renamed_account_renames_open_tasks_only_in_their_subject() -> None:
    world = World()
    world.run()
    world.edit({"name": "Nordlys Energi"}, ref=world.snapshot.account.ref)  # type: ignore[union-attr]
    plan = world.run()
    assert tasks(plan)["prepare"].values == {"subject": "Prepare: Nordlys Energi"}


@pytest.mark.parametrize(
    ("gone", "role", "owner"),
    [
        ((), Role.AE, AE),
        ((AE,), Role.AE, MANAGER),
        ((AE, MANAGER), Role.AE, TOMAS),
        ((), Role.FALLBACK, DANA),
        ((DANA,), Role.FALLBACK, TOMAS),
        ((), Role.CSM, TOMAS),
    ],
)
def test_an_owner_who_left_is_replaced_by_the_next_in_line(gone: tuple[str, ...], role: Role, owner: str) -> None:
    people = {id: dataclasses.replace(one, active=one.active and id not in gone) for id, one in PEOPLE.items()}
    plan = decide(a_snapshot(people=people), only(a_step("hello", owner=role)), NOW)
    assert tasks(plan)["hello"].values["owner"] == owner
    if gone:
        assert "not active" in tasks(plan)["hello"].reason or "no active" in tasks(plan)["hello"].reason


def test_the_ae_s_tasks_stay_theirs_when_the_deal_gets_another_owner() -> None:
    world = World()
    world.run()
    world.edit({"owner": MAYA})
    assert "welcome-packet" not in tasks(world.run())


def test_the_playbook_depends_on_the_deal() -> None:
    renewal = a_playbook(name="light", when=when("deal_type", Op.IS, "renewal"), tasks=(a_step("thank-you"),))
    policy = a_policy(playbooks=(renewal, a_playbook()))
    assert list(tasks(decide(a_snapshot(deal_type=DealType.RENEWAL), policy, NOW))) == ["thank-you"]
    assert len(tasks(decide(a_snapshot(), policy, NOW))) == 4


def test_no_playbook_is_said() -> None:
    plan = decide(a_snapshot(), a_policy(playbooks=()), NOW)
    assert tasks(plan) == {}
    assert any("No playbook is meant for this kind of deal" in finding.reason for finding in plan.findings)


def test_the_order_in_the_file_does_not_matter() -> None:
    plan = decide(a_snapshot(), only(a_step("second", after="first"), a_step("first")), NOW)
    assert [one.step for one in plan.tasks] == ["second", "first"]
    assert tasks(plan)["second"].values["due"] > tasks(plan)["first"].values["due"]  # type: ignore[operator]


def test_the_next_look_is_the_next_deadline() -> None:
    world = World()
    plan = world.run()
    assert plan.recheck_at == datetime(2026, 3, 3, 11, 5, tzinfo=UTC)
    world.wait(hours=4)
    assert world.run().recheck_at == datetime(2026, 3, 4, 11, 5, tzinfo=UTC)


@pytest.mark.parametrize("subject", ["{{ nobody }}", "{{ account.x.y }}", "{% if %}", "{{ account | nothing }}"])
def test_a_broken_template_blocks_the_tasks_and_nothing_else(subject: str) -> None:
    plan = decide(a_snapshot(), only(a_step("hello", subject=subject)), NOW)
    found = {finding.rule: finding for finding in plan.findings}
    assert found["playbook"].verdict is Verdict.BLOCKED
    assert "template" in found["playbook"].reason
    assert found["assignment"].verdict is Verdict.ACT
    assert tasks(plan) == {}


def test_hostile_names_cannot_break_a_subject() -> None:
    plan = decide(a_snapshot(account={"name": "Evil\r\nCorp\x00{{ 7*7 }}\u202e" + "x" * 400}), a_policy(), NOW)
    subject = str(tasks(plan)["prepare"].values["subject"])
    assert subject.startswith("Prepare: Evil Corp{{ 7*7 }}xxx")
    assert len(subject) <= 255
    assert subject.endswith("…")
