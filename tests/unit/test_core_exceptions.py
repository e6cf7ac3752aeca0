"""Exceptions: deals that went on with gaps, or ask to; since when, and when that is over."""

from __future__ import annotations

import dataclasses
from datetime import date

import pytest
from factories import MANAGER, NOW, WON_AT, a_gap, a_policy, a_snapshot
from tinyworld import World

from connector.handoff.model import Value
from connector.handoff.rulebook.gate import GateMode
from connector.handoff.rulebook.policy import Policy

OVERRIDE: dict[str, Value] = {
    "override_requested": True,
    "override_reason": "The customer starts on Monday, the rest follows.",
    "override_approver": MANAGER,
    "override_expires": date(2026, 3, 10),
}


def in_mode(mode: GateMode) -> Policy:
    plain = a_policy()
    return dataclasses.replace(plain, gate=dataclasses.replace(plain.gate, mode=mode))


def a_world(mode: GateMode = GateMode.REVERT, **deal: Value) -> World:
    return World(a_snapshot(deal={**a_gap(), **deal}), policy=in_mode(mode))


def stands(world: World) -> tuple[str, bool]:
    remember = world.run().remember
    return remember.exempt, remember.exempt_at is not None


def test_a_deal_let_through_by_a_manager_is_one_until_its_gaps_are_filled() -> None:
    world = a_world(**OVERRIDE)
    assert world.run().remember.exempt == "overridden"
    since = world.snapshot.ledger.exempt_at
    world.wait(days=3)
    assert (world.run().remember.exempt, world.snapshot.ledger.exempt_at) == ("overridden", since)
    world.edit({"champion": "Ingrid Holm, head of service"})
    plan = world.run()
    assert (plan.remember.exempt, plan.remember.exempt_at) == ("", since), "it is counted, though it is over"


def test_a_warned_deal_is_one_and_a_clean_one_is_not() -> None:
    assert stands(a_world(GateMode.WARN)) == ("warned", True)
    assert stands(a_world(GateMode.OFF)) == ("", False)
    assert stands(World(a_snapshot(deal=OVERRIDE))) == ("", False)


def test_an_override_that_does_not_count_waits_in_the_queue() -> None:
    world = a_world(GateMode.HOLD, **{**OVERRIDE, "override_approver": None})
    assert stands(world) == ("requested", True)
    world.edit({"override_approver": MANAGER})
    since = world.snapshot.ledger.exempt_at
    plan = world.run()
    assert (plan.remember.exempt, plan.remember.exempt_at) == ("overridden", since), "one exception, not two"


@pytest.mark.parametrize("mode", [GateMode.HOLD, GateMode.REVERT])
def test_a_held_deal_that_asks_for_nothing_is_none(mode: GateMode) -> None:
    assert stands(a_world(mode)) == ("", False)


def test_a_lost_ledger_dates_it_by_the_handoff_and_not_by_the_loss() -> None:
    world = a_world(**OVERRIDE)
    world.run()
    world.lose_ledger()
    world.wait(days=30)
    plan = world.run()
    assert plan.remember.exempt == "overridden"
    assert plan.remember.exempt_at == WON_AT
    assert world.now - NOW > (plan.remember.exempt_at - WON_AT)
