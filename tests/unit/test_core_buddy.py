"""A new CSM's first handoffs: the buddy is second CSM and has one task; the sixth, and everybody else's, have none."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from factories import DANA, MAYA, NOW, PEOPLE, PRIYA, TOMAS, a_policy, a_snapshot
from tinyworld import World

from connector.handoff.choice import carry
from connector.handoff.decide import decide
from connector.handoff.model import Load
from connector.handoff.plan import Plan, Upsert
from connector.handoff.rulebook.policy import Policy
from connector.handoff.rules.buddy import STEP

NEW, BUDDY = TOMAS, MAYA
"""Whose turn it is by the default roster, and who stands by them."""


def policy(**changes: Any) -> Policy:
    plain = a_policy()
    buddies = {"buddies": {PEOPLE[NEW].email.lower(): PEOPLE[BUDDY].email.lower()}, **changes}
    return dataclasses.replace(plain, assignment=dataclasses.replace(plain.assignment, **buddies))


def task(plan: Plan) -> Upsert | None:
    return next((one for one in plan.actions if isinstance(one, Upsert) and one.step == STEP), None)


def roster(begun: int) -> dict[str, Load]:
    plain = a_snapshot().roster
    return {**plain, NEW: dataclasses.replace(plain[NEW], begun=begun)}


@pytest.mark.parametrize(("begun", "seated"), [(0, True), (4, True), (5, False), (40, False)])
def test_the_first_five_have_a_buddy_with_a_task(begun: int, seated: bool) -> None:
    plan = decide(a_snapshot(roster=roster(begun)), policy(), NOW)
    assert plan.assignment is not None
    assert plan.assignment.person_id == NEW
    assert (plan.assignment.second_id == BUDDY) is seated
    made = task(plan)
    assert (made is not None) is seated
    if made is not None:
        assert made.values["owner"] == BUDDY
        reason = next(one.reason for one in plan.findings if one.rule == "assignment")
        assert f"this is handoff {begun + 1} of a new CSM" in reason


def test_a_batch_counts_those_just_chosen() -> None:
    load = roster(4)
    plan = decide(a_snapshot(roster=load), policy(), NOW)
    assert plan.assignment is not None
    load = carry(load, NEW, turn=1)
    again = decide(a_snapshot(roster=load), policy(), NOW)
    assert again.assignment is not None
    assert (again.assignment.person_id, again.assignment.second_id) == (NEW, None)


def test_others_have_none_and_neither_has_a_buddy_who_left() -> None:
    others = policy(buddies={PEOPLE[PRIYA].email: PEOPLE[MAYA].email})
    assert task(decide(a_snapshot(), others, NOW)) is None
    gone = {**a_snapshot().people, BUDDY: dataclasses.replace(PEOPLE[BUDDY], active=False)}
    plan = decide(a_snapshot(people=gone), policy(), NOW)
    assert task(plan) is None


def test_the_task_is_made_once_and_stays_as_a_person_leaves_it() -> None:
    world = World(policy=policy())
    assert task(world.run()) is not None
    assert task(world.run()) is None
    world.delete_task(STEP)
    assert task(world.run()) is None
    assert world.snapshot.ledger.second_id == BUDDY


def test_a_handoff_that_is_under_way_when_buddies_are_named_gets_no_task() -> None:
    given = {"generation": 1, "won_at": NOW, "released_at": NOW, "csm_id": NEW, "assigned_at": NOW}
    snapshot = a_snapshot(deal={"gate": "Released", "csm": NEW}, ledger=given, account={"csm": NEW})
    assert task(decide(snapshot, policy(), NOW)) is None


def test_nobody_is_seated_without_the_key() -> None:
    plan = decide(a_snapshot(), a_policy(), NOW)
    assert plan.assignment is not None
    assert plan.assignment.second_id is None
    assert plan.assignment.person_id != DANA
