"""How long the AE took: from when the deal asked, or else from the win, until nothing was missing."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from decimal import Decimal

from factories import HANDOFF_FIELDS, OPEN_STAGE, WON_AT, a_policy, a_snapshot
from tinyworld import World

from connector.handoff.rulebook.fields import FieldOwner, FieldRule, FieldType
from connector.handoff.rulebook.gate import GateMode
from connector.handoff.rulebook.policy import Policy
from connector.handoff.rules.answering import ASKED, COMPLETE, METRIC, NAME


def a_book(mode: GateMode = GateMode.HOLD) -> Policy:
    policy = a_policy()
    rule = FieldRule(METRIC, "Time to complete handoff (hours)", FieldType.NUMBER, FieldOwner.DAEMON)
    gate = dataclasses.replace(policy.gate, mode=mode)
    return dataclasses.replace(
        policy, fields={**policy.fields, METRIC: rule}, gate=gate, before_close={"": (OPEN_STAGE.id,)}
    )


def a_world(**deal: object) -> World:
    return World(a_snapshot(deal={METRIC: None, **deal}), policy=a_book())  # type: ignore[dict-item]


def figure(world: World) -> object:
    return world.snapshot.deal.get(METRIC)


def test_a_win_with_everything_filled_took_no_time() -> None:
    world = World(a_snapshot(deal={METRIC: None}), policy=a_book(), now=WON_AT)
    world.run()
    assert figure(world) == Decimal("0.00")


def test_a_held_win_counts_from_the_win_until_nothing_is_missing() -> None:
    world = a_world(success_criteria=None)
    plan = world.run()
    assert figure(world) is None
    assert "1 of 4 required fields is empty" in next(one.reason for one in plan.findings if one.rule == NAME)
    world.now = WON_AT + timedelta(hours=5, minutes=15)
    world.edit({"success_criteria": HANDOFF_FIELDS["success_criteria"]})
    world.run()
    assert figure(world) == Decimal("5.25")
    world.wait(days=3)
    world.edit({"success_criteria": None})
    world.run()
    world.edit({"success_criteria": "First answer in 1 hour by 1 May."})
    world.run()
    assert figure(world) == Decimal("5.25"), "the first time counts"


def test_an_open_deal_counts_from_the_stage_in_which_it_asks() -> None:
    since = WON_AT - timedelta(hours=30)
    snapshot = a_snapshot(deal={METRIC: None, "champion": None}, stage=OPEN_STAGE, won_at=None, stage_since=since)
    world = World(snapshot, policy=a_book(), now=WON_AT - timedelta(hours=29))
    world.run()
    world.now = WON_AT - timedelta(hours=10)
    world.edit({"champion": HANDOFF_FIELDS["champion"]})
    world.run()
    assert figure(world) is None, "nothing is written before the win"
    world.now = WON_AT
    world.win()
    world.run()
    assert figure(world) == Decimal("20.00")


def test_a_lost_ledger_leaves_the_figure_and_makes_none_up() -> None:
    world = a_world(success_criteria=None)
    world.run()
    world.now = WON_AT + timedelta(hours=4)
    world.edit({"success_criteria": HANDOFF_FIELDS["success_criteria"]})
    world.run()
    for hours in (0, 50):
        world.lose_ledger()
        world.wait(hours=hours)
        world.run()
        world.run()
        assert figure(world) == Decimal("4.00")


def test_a_handoff_from_before_is_not_measured_afterwards() -> None:
    without = a_policy(gate=a_book().gate)
    world = World(policy=without)
    world.run()
    world.wait(days=9)
    world.policy = a_book()
    world.edit({METRIC: None})
    world.run()
    assert figure(world) is None


def test_where_it_is_not_mapped_nothing_is_said() -> None:
    plan = World(policy=a_policy()).run()
    assert all(one.rule != NAME for one in plan.findings)
    assert not [mark for mark in plan.remember.marks if mark.startswith((ASKED, COMPLETE))]


def test_what_a_person_wrote_there_stays() -> None:
    world = a_world()
    world.run()
    world.edit({METRIC: Decimal(7)})
    world.wait(hours=1)
    world.run()
    assert figure(world) == Decimal(7)
