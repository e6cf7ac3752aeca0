"""Before the signature: CS gets one task with the blockers; its day follows the close date; it ends with the deal."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from factories import DANA, OPEN_STAGE, TOMAS, a_policy, a_snapshot
from tinyworld import World

from connector.handoff.model import Stage, Value
from connector.handoff.plan import Plan, Upsert, Verdict
from connector.handoff.rulebook.calendars import Clock, Days, Limit
from connector.handoff.rulebook.conditions import Condition, Tier
from connector.handoff.rulebook.fields import FieldOwner, FieldRule, FieldType
from connector.handoff.rulebook.gate import ReviewPolicy
from connector.handoff.rulebook.policy import Policy

EARLY = Stage("Discovery", "Discovery", is_won=False, is_closed=False, pipeline="default")
STEP = "handoff_review"
CLOSE = date(2026, 3, 16)
"""A Monday; two working days before it is Thursday, the 12th."""
THURSDAY = datetime(2026, 3, 12, 8, 0, tzinfo=UTC)
"""Nine in the morning where the team works."""


def reviewing(**changes: Any) -> Policy:
    stages = {"default": (OPEN_STAGE.id,)}
    asked = ReviewPolicy(2, Days.WORKING, Limit(Decimal(8), Clock.BUSINESS))
    plain = a_policy(**{"review": asked, "before_close": stages, "pre_assign": stages, **changes})
    close = FieldRule("close_date", "Close date", FieldType.DATE, FieldOwner.HUMAN)
    return dataclasses.replace(plain, fields={**plain.fields, "close_date": close})


def a_world(stage: Stage = OPEN_STAGE, *, policy: Policy | None = None, **deal: Value) -> World:
    given: dict[str, Value] = {"close_date": CLOSE, **deal}
    snapshot = a_snapshot(deal=given, stage=stage, won_at=None, stage_before_win=None)
    world = World(snapshot, policy=policy or reviewing())
    world.run()
    return world


def at(world: World, moment: datetime) -> Plan:
    world.now = moment
    return world.run()


def said(plan: Plan) -> str:
    return " ".join(one.reason for one in plan.findings if one.rule == "review")


def body(plan: Plan) -> str:
    (made,) = [one for one in plan.actions if isinstance(one, Upsert) and one.step == STEP]
    return str(made.values["body"])


def test_two_working_days_before_the_close_the_csm_to_be_gets_one_task_with_the_blockers() -> None:
    world = a_world(champion=None)
    plan = world.run()
    assert (world.steps(), plan.recheck_at) == ([], THURSDAY)
    assert said(plan) == "CS reviews it on 12 Mar 2026, before the signature."
    plan = at(world, THURSDAY)
    task = world.task(STEP)
    assert (task.owner_id, task.due, task.key) == (TOMAS, date(2026, 3, 12), "sf-test:006A:0:handoff_review")
    assert task.subject == "Review before the signature: Nordlys AS"
    assert "Champion: CS needs champion. Name a number or a date." in body(plan)
    assert "expected to be signed on 16 Mar 2026" in body(plan)
    assert "Success criteria: First answer in 2 hours by 1 June." in body(plan)
    assert "- Setup call: Nordlys AS (csm)" in body(plan)
    assert "1 blocker; due 12 Mar 2026, by Tomas Reyes." in said(plan)
    assert at(world, THURSDAY.replace(day=13)).actions == ()


def test_without_blockers_it_says_so() -> None:
    world = a_world()
    assert "No blockers found" in body(at(world, THURSDAY))


def test_the_day_follows_the_close_date_and_no_second_task_is_made() -> None:
    world = a_world()
    at(world, THURSDAY)
    world.edit({"close_date": date(2026, 3, 30)})
    world.run()
    assert world.task(STEP).due == date(2026, 3, 26)
    assert world.run().actions == ()
    world.edit({"close_date": date(2026, 3, 17)})
    world.run()
    assert world.task(STEP).due == date(2026, 3, 13)
    assert world.steps() == [STEP]


@pytest.mark.parametrize("change", [{"due": date(2026, 4, 1)}, {"subject": "Mine"}])
def test_what_a_person_changed_is_left(change: dict[str, Any]) -> None:
    world = a_world()
    at(world, THURSDAY)
    world.edit_task(STEP, **change)
    world.edit({"close_date": date(2026, 3, 30)})
    assert world.run().actions == ()


def test_a_close_date_that_is_late_in_the_day_of_the_review_is_reviewed_at_once() -> None:
    world = a_world(close_date=date(2026, 3, 4))
    task = world.task(STEP)
    assert task.due == date(2026, 3, 4), "one working day from when it was seen, on Tuesday"
    world.wait(hours=20)
    assert world.run().actions == ()


@pytest.mark.parametrize("how", ["won", "lost"])
def test_it_is_closed_with_the_deal_once(how: str) -> None:
    world = a_world()
    at(world, THURSDAY)
    world.move("Closed Won" if how == "won" else "Closed Lost")
    world.run()
    assert world.task(STEP).done
    world.edit_task(STEP, done=False)
    assert not [one for one in world.run().actions if one.step == STEP], "who opens it again wants it so"


def test_a_task_that_was_done_deleted_or_forgotten_is_not_made_again() -> None:
    done = a_world()
    at(done, THURSDAY)
    done.close_task(STEP)
    deleted = a_world()
    at(deleted, THURSDAY)
    deleted.delete_task(STEP)
    forgotten = a_world()
    at(forgotten, THURSDAY)
    forgotten.lose_ledger()
    for world in (done, deleted, forgotten):
        world.edit({"close_date": date(2026, 3, 30)})
        assert not [one for one in world.run().actions if one.step == STEP]


def test_where_nobody_is_to_be_csm_the_fallback_reviews_it_and_the_csm_gets_it_later() -> None:
    world = a_world(policy=reviewing(pre_assign={}))
    at(world, THURSDAY)
    assert world.task(STEP).owner_id == DANA
    world.policy = reviewing()
    world.run()
    assert world.task(STEP).owner_id == TOMAS


@pytest.mark.parametrize(
    "world",
    [
        a_world(EARLY),
        a_world(close_date=None),
        a_world(close_date=date(2026, 2, 27)),
        a_world(close_date=date(2026, 3, 3)),
        a_world(policy=reviewing(review=None)),
    ],
    ids=["an earlier stage", "no close date", "the close is past", "the close is today", "switched off"],
)
def test_nobody_is_asked(world: World) -> None:
    plan = at(world, THURSDAY)
    assert STEP not in world.steps()
    assert Verdict.ACT not in {one.verdict for one in plan.findings if one.rule == "review"}


def test_calendar_days_count_as_such() -> None:
    policy = reviewing(review=ReviewPolicy(2, Days.CALENDAR, Limit(Decimal(24), Clock.WALL)))
    world = a_world(policy=policy)
    plan = world.run()
    assert plan.recheck_at == datetime(2026, 3, 13, 8, 0, tzinfo=UTC), "Saturday gives way to Friday"


def test_a_deal_of_a_tier_without_a_named_csm_is_not_reviewed() -> None:
    world = a_world(policy=reviewing(tiers=(Tier("low", Condition(), named_csm=False),)))
    plan = at(world, THURSDAY)
    assert world.steps() == []
    assert said(plan) == "Tier low has no CSM before the close who could review it."
