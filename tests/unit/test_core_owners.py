"""Who of Sales and CS owns a task: by the phase, or whoever can take it first; always the same for the same state."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from decimal import Decimal

import pytest
from factories import AE, MAYA, NOW, PEOPLE, TOMAS, a_playbook, a_policy, a_snapshot, a_step
from tinyworld import World

from connector.handoff.model import CrmTask, Load, Person
from connector.handoff.owners import by_phase, first_available
from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.conditions import Condition
from connector.handoff.rulebook.people import AssignmentRule, Away, Method, Pool, Role, WhenFull
from connector.handoff.rulebook.policy import Policy

DAY = timedelta(hours=24)


@pytest.mark.parametrize(
    ("after", "role"), [(timedelta(), Role.AE), (DAY - timedelta(seconds=1), Role.AE), (DAY, Role.CSM)]
)
def test_sales_owns_the_first_day_and_cs_what_begins_later(after: timedelta, role: Role) -> None:
    assert by_phase(released_at=NOW, begins=NOW + after, sales_for=DAY) is role


def someone(id: str, *, active: bool = True) -> Person:
    return dataclasses.replace(PEOPLE[id], active=active)


@pytest.mark.parametrize(
    ("ae", "csm", "gone", "tasks", "chosen", "word"),
    [
        (someone(AE), someone(MAYA), {}, {}, AE, "0 open tasks here"),
        (someone(AE), someone(MAYA), {}, {AE: 2, MAYA: 1}, MAYA, "1 open tasks here, Ana Ek has 2"),
        (someone(AE), someone(MAYA), {AE: "out"}, {MAYA: 9}, MAYA, "Ana Ek is out"),
        (someone(AE), someone(MAYA), {AE: "out", MAYA: "out"}, {AE: 1}, MAYA, "though out"),
        (someone(AE), None, {}, {}, AE, "the only one there"),
        (someone(AE, active=False), someone(MAYA), {}, {MAYA: 9}, MAYA, "the only one there"),
        (None, None, {}, {}, None, "neither"),
    ],
)
def test_whoever_is_there_and_has_fewer_tasks(
    ae: Person | None, csm: Person | None, gone: dict[str, str], tasks: dict[str, int], chosen: str | None, word: str
) -> None:
    found, why = first_available(ae, csm, absence=lambda each: gone.get(each.id, ""), open_tasks=tasks)
    assert (found.id if found else None) == chosen
    assert word in why


def policy_of(*owners: Role, away: tuple[Away, ...] = (), limit: int = 4) -> Policy:
    steps = tuple(
        a_step(f"step-{n}", owner=owner, limit=Limit(Decimal(limit), Clock.WALL)) for n, owner in enumerate(owners)
    )
    policy = a_policy(playbooks=(a_playbook(tasks=steps),))
    return dataclasses.replace(policy, assignment=dataclasses.replace(policy.assignment, away=away))


def owners(world: World) -> list[str | None]:
    return [task.owner_id for task in world.snapshot.tasks if task.key]


def test_tasks_for_the_first_available_are_shared_out_and_stay_where_they_are() -> None:
    world = World(policy=policy_of(Role.CSM, *[Role.FIRST_AVAILABLE] * 4))
    world.run()
    assert owners(world) == [TOMAS, AE, AE, TOMAS, AE]
    assert world.decide().actions == ()
    world.close_task("step-1")
    world.close_task("step-2")
    world.policy = policy_of(Role.CSM, *[Role.FIRST_AVAILABLE] * 4, away=(gone(AE),))
    world.run()
    assert owners(world) == [TOMAS, AE, AE, TOMAS, AE], "what somebody has stays with them"


def gone(id: str) -> Away:
    return Away(PEOPLE[id].email, date(2026, 3, 1), date(2026, 3, 9))


def test_who_is_away_gets_none_of_them_and_other_tasks_on_the_deal_count() -> None:
    world = World(policy=policy_of(*[Role.FIRST_AVAILABLE] * 2, away=(gone(AE),)))
    world.run()
    assert owners(world) == [TOMAS, TOMAS]
    own = tuple(CrmTask(f"own-{n}", None, "Mine", AE, done=False) for n in range(3))
    world = World(a_snapshot(tasks=own), policy=policy_of(*[Role.FIRST_AVAILABLE] * 2))
    world.run()
    assert owners(world) == [TOMAS, TOMAS]


def test_the_phase_is_that_in_which_a_step_begins() -> None:
    first = a_step("first", owner=Role.PHASE, limit=Limit(Decimal(30), Clock.WALL))
    then = a_step("then", owner=Role.PHASE, after="first", limit=Limit(Decimal(30), Clock.WALL))
    later = a_step("later", owner=Role.PHASE, after="then", at_release=False)
    world = World(policy=a_policy(playbooks=(a_playbook(tasks=(first, then, later)),)))
    world.run()
    assert [world.task("first").owner_id, world.task("then").owner_id] == [AE, TOMAS]
    world.wait(hours=1)
    world.close_task("first")
    world.run()
    assert world.task("then").owner_id == AE, "it began in the first day after all"
    world.wait(days=2)
    world.close_task("then")
    world.run()
    assert world.task("later").owner_id == TOMAS
    assert world.decide().actions == ()


def test_sales_hours_move_the_border() -> None:
    step = a_step("first", owner=Role.PHASE)
    policy = a_policy(playbooks=(a_playbook(tasks=(step,)),), sales_for=timedelta())
    world = World(policy=policy)
    world.run()
    assert world.task("first").owner_id == TOMAS


def test_while_the_deal_waits_for_a_csm_sales_takes_what_it_can() -> None:
    policy = policy_of(Role.FIRST_AVAILABLE, Role.PHASE, Role.CSM)
    pool = Pool("growth", (PEOPLE[MAYA].email,), 1, Method.ROUND_ROBIN, when_full=WhenFull.WAIT)
    rules = (AssignmentRule("all", Condition(), "growth"),)
    made = dataclasses.replace(policy.assignment, pools={"growth": pool}, rules=rules)
    world = World(a_snapshot(roster={MAYA: Load(1, 1)}), policy=dataclasses.replace(policy, assignment=made))
    world.run()
    assert owners(world) == [AE, AE]
