"""Phases and generations: given this history, then this phase, and nothing done twice."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from factories import (
    BASELINE,
    DEAL_ID,
    HANDOFF_FIELDS,
    LOST_STAGE,
    MAYA,
    NOW,
    OPEN_STAGE,
    SYSTEM,
    WON_AT,
    a_gap,
    a_policy,
    a_snapshot,
    a_task,
)
from tinyworld import World

from connector.handoff.decide import decide
from connector.handoff.model import DealType, Gate
from connector.handoff.plan import Phase
from connector.handoff.rulebook.gate import GateMode

BEFORE = BASELINE - timedelta(days=3)
RELEASED: dict[str, Any] = {"generation": 1, "won_at": WON_AT, "released_at": NOW, "gate": Gate.RELEASED}


@pytest.mark.parametrize(
    ("changes", "phase", "generation"),
    [
        pytest.param({}, Phase.IN_FLIGHT, 1, id="won since the start"),
        pytest.param({"won_at": BEFORE}, Phase.BEFORE_START, 0, id="won before the start"),
        pytest.param({"won_at": None}, Phase.BEFORE_START, 0, id="won, nobody knows when"),
        pytest.param({"won_at": BEFORE, "ledger": {"generation": 1}}, Phase.BEFORE_START, 1, id="only observed so far"),
        pytest.param({"won_at": BEFORE, "ledger": {"adopted": True}}, Phase.IN_FLIGHT, 1, id="old, but asked for"),
        pytest.param({"stage": OPEN_STAGE, "won_at": None}, Phase.OPEN, 0, id="open"),
        pytest.param({"stage": LOST_STAGE, "won_at": None}, Phase.LOST, 0, id="lost"),
        pytest.param({"stage": OPEN_STAGE, "ledger": RELEASED}, Phase.REOPENED, 1, id="reopened"),
        pytest.param({"stage": LOST_STAGE, "ledger": RELEASED}, Phase.LOST, 1, id="lost after its handoff"),
        pytest.param({"ledger": {**RELEASED, "won_at": BEFORE}, "won_at": BEFORE}, Phase.IN_FLIGHT, 1, id="known"),
        pytest.param({"deal": a_gap()}, Phase.HELD, 1, id="held"),
        pytest.param(
            {"stage": OPEN_STAGE, "ledger": {"generation": 1, "gate": Gate.HELD}}, Phase.HELD, 1, id="held and open"
        ),
    ],
)
def test_the_phase_follows_from_the_history(changes: dict[str, Any], phase: Phase, generation: int) -> None:
    plan = decide(a_snapshot(**changes), a_policy(), NOW)
    assert (plan.phase, plan.generation) == (phase, generation)
    assert plan.coverage == plan.findings[0].reason != ""


@pytest.mark.parametrize("phase", [Phase.BEFORE_START, Phase.OPEN, Phase.LOST, Phase.REOPENED])
def test_nothing_is_written_outside_of_a_handoff(phase: Phase) -> None:
    changes: dict[Phase, dict[str, Any]] = {
        Phase.BEFORE_START: {"won_at": BEFORE},
        Phase.OPEN: {"stage": OPEN_STAGE},
        Phase.LOST: {"stage": LOST_STAGE, "ledger": RELEASED},
        Phase.REOPENED: {"stage": OPEN_STAGE, "ledger": RELEASED},
    }
    plan = decide(a_snapshot(deal=a_gap(), **changes[phase]), a_policy(), NOW)
    assert plan.phase is phase
    assert plan.actions == ()


def test_an_old_win_says_when_and_why_it_is_left_alone() -> None:
    plan = decide(a_snapshot(won_at=BEFORE), a_policy(), NOW)
    assert plan.coverage == (
        "Won on 26 Feb 2026, before this connector began to act on 1 Mar 2026; it is only observed."
    )


def test_deal_types_outside_the_policy_get_no_handoff() -> None:
    plan = decide(a_snapshot(deal_type=DealType.RENEWAL), a_policy(deal_types=(DealType.NEW,)), NOW)
    assert plan.actions == ()
    assert plan.coverage == "Deals of type renewal get no handoff by this policy."


def test_reopened_and_won_again_soon_makes_nothing_twice() -> None:
    world = World()
    world.run()
    first = (world.made[:], world.told[:], world.snapshot.tasks, world.snapshot.ledger.won_at)
    world.close_task("welcome-packet")
    world.wait(days=2)
    world.reopen()
    assert world.run().phase is Phase.REOPENED
    world.wait(days=5)
    world.win()
    plan = world.run()
    assert (plan.phase, plan.generation) == (Phase.IN_FLIGHT, 1)
    assert (world.made, world.told) == first[:2]
    assert world.task("welcome-packet").done
    assert world.snapshot.ledger.won_at == first[3]
    assert world.snapshot.ledger.left_won_at is None


def test_won_again_late_is_a_new_handoff_with_its_own_keys() -> None:
    world = World()
    world.run()
    world.reopen()
    world.run()
    world.wait(days=31)
    world.win()
    plan = world.run()
    assert plan.generation == 2
    assert sorted(key.split(":")[2] for key in world.made) == ["1"] * 5 + ["2"] * 5
    assert world.snapshot.ledger.won_at == world.now
    assert world.text("csm") == world.snapshot.account.text("csm") != ""  # type: ignore[union-attr]
    assert world.decide().actions == ()


def test_a_deal_held_for_long_is_timed_from_the_win_that_released_it() -> None:
    world = World(a_snapshot(deal=a_gap()))
    world.run()
    world.edit({"champion": "Ingrid Holm"})
    world.wait(days=3)
    world.run()
    world.win()
    world.wait(minutes=4)
    world.run()
    assert str(world.snapshot.deal.get("metric_assign_minutes")) == "4.00"


@pytest.mark.parametrize("open_when_lost", [False, True])
def test_a_lost_ledger_makes_nothing_twice(open_when_lost: bool) -> None:
    world = World()
    world.run()
    made, told, deal = world.made[:], world.told[:], dict(world.snapshot.deal.values)
    if open_when_lost:
        world.reopen()
    world.lose_ledger()
    plan = world.run()
    assert plan.phase is (Phase.REOPENED if open_when_lost else Phase.IN_FLIGHT)
    world.win()
    world.run()
    assert (world.made, world.told) == (made, told)
    assert {**world.snapshot.deal.values} == deal
    assert world.snapshot.ledger.csm_id == deal["csm"]


def test_a_lost_ledger_does_not_pull_back_a_released_deal() -> None:
    world = World()
    world.run()
    world.edit(a_gap())
    world.lose_ledger()
    assert world.run().gate is Gate.RELEASED
    assert world.snapshot.stage.is_won


def test_a_lost_ledger_remembers_a_held_deal() -> None:
    world = World(a_snapshot(deal=a_gap()))
    world.run()
    world.wait(hours=24 * 30)
    world.lose_ledger()
    assert world.run().phase is Phase.HELD
    assert world.told == [f"{SYSTEM}:{DEAL_ID}:1:notify-deal_held:u-ae"]


HELD_KEY = f"{SYSTEM}:{DEAL_ID}:1:notify-deal_held:u-ae"


@pytest.mark.parametrize("mode", [GateMode.REVERT, GateMode.HOLD])
@pytest.mark.parametrize(("hours", "told"), [(1, [HELD_KEY]), (70, [HELD_KEY]), (73, [])])
@pytest.mark.parametrize("tells_history", [True, False])
def test_a_fresh_hold_is_told_again_under_its_key_when_the_ledger_is_lost(
    mode: GateMode, hours: int, told: list[str], *, tells_history: bool
) -> None:
    plain = a_policy()
    policy = dataclasses.replace(plain, gate=dataclasses.replace(plain.gate, mode=mode))
    world = World(a_snapshot(deal=a_gap()), policy=policy, tells_history=tells_history)
    world.run()
    assert world.told == [HELD_KEY]
    world.wait(hours=hours)
    world.lose_ledger()
    world.run()
    world.run()
    assert world.told[1:] == told


def test_whoever_has_filled_the_gaps_meanwhile_is_not_told_of_them_again() -> None:
    world = World(a_snapshot(deal=a_gap()), tells_history=True)
    world.run()
    world.edit(HANDOFF_FIELDS)
    world.lose_ledger()
    assert world.run().phase is Phase.HELD
    assert world.told == [HELD_KEY]


def test_keys_in_the_crm_tell_the_generation_when_the_ledger_is_lost() -> None:
    task = a_task("prepare", key=f"{SYSTEM}:{DEAL_ID}:3:prepare")
    plan = decide(a_snapshot(won_at=BEFORE, tasks=(task,)), a_policy(), NOW)
    assert (plan.phase, plan.generation) == (Phase.IN_FLIGHT, 3)
    assert plan.assignment is not None
    assert plan.assignment.person_id == MAYA


def test_a_cloned_deal_does_not_inherit_the_handoff_of_its_model() -> None:
    world = World()
    world.run()
    copied = {**world.snapshot.deal.values, **a_gap()}
    copied["summary"] = str(copied["summary"]).replace(DEAL_ID, "006OLD")
    plan = decide(a_snapshot(deal=copied, stage=OPEN_STAGE, won_at=None), a_policy(), NOW)
    assert plan.phase is Phase.OPEN
    assert decide(a_snapshot(deal=copied), a_policy(), NOW).gate is Gate.HELD


def test_the_stage_to_go_back_to_is_learned_while_the_deal_is_open() -> None:
    plan = decide(a_snapshot(stage=OPEN_STAGE, won_at=None, stage_before_win=None), a_policy(), NOW)
    assert plan.remember.stage_before_win == OPEN_STAGE.id
