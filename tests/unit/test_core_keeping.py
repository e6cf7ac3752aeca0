"""Figures on the deal: what its fields say is what is counted of it, also when the past changes."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from decimal import Decimal

import pytest
from factories import BASELINE, TOMAS, WON_AT, a_policy, a_snapshot
from tinyworld import World

from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.measures.keeping import KEPT, in_field
from connector.handoff.model import Touch, TouchKind, Value
from connector.handoff.plan import Plan
from connector.handoff.rulebook.fields import FieldOwner, FieldRule, FieldType
from connector.handoff.rulebook.policy import Policy

FIELDS = tuple(one.field for one in KEPT)
EMPTY: dict[str, Value] = dict.fromkeys(FIELDS)


def keeping() -> Policy:
    plain = a_policy()
    ours = {name: FieldRule(name, name, FieldType.NUMBER, FieldOwner.DAEMON) for name in FIELDS}
    return dataclasses.replace(plain, fields={**plain.fields, **ours})


def a_world() -> World:
    world = World(a_snapshot(deal=EMPTY), policy=keeping())
    world.run()
    return world


def met(world: World, *days: float) -> None:
    touches = tuple(Touch(TouchKind.MEETING, WON_AT + timedelta(days=each), TOMAS) for each in days)
    world.snapshot = dataclasses.replace(world.snapshot, touches=touches)


def shown(world: World) -> dict[str, Value]:
    return {name: value for name in FIELDS if (value := world.snapshot.deal.get(name)) is not None}


def said(plan: Plan) -> str:
    return next(one.reason for one in plan.findings if one.rule == "figures")


def counted(world: World) -> dict[str, Value]:
    """What is counted of the handoff now, as fields hold it."""
    figure = world.decide().figure
    assert figure is not None
    found = {one.field: figure.values[one.key] for one in KEPT}
    return {one.field: in_field(one, value) for one in KEPT if (value := found[one.field]) is not None}


def test_the_fields_say_what_is_counted() -> None:
    world = a_world()
    assert shown(world) == counted(world) == {"metric_escalations": Decimal(0), "metric_overrides": Decimal(0)}
    world.wait(days=3)
    met(world, 2)
    plan = world.run()
    assert shown(world) == counted(world)
    assert shown(world)["metric_kickoff_days"] == Decimal("2.00")
    assert "Win to kickoff: 2 working days" in said(plan)
    assert world.run().actions == ()
    world.wait(days=30)
    world.run()
    assert shown(world) == counted(world)
    assert "metric_milestones" in shown(world)


def test_what_is_entered_late_corrects_the_past() -> None:
    world = a_world()
    world.wait(days=6)
    met(world, 3)
    world.run()
    met(world, 1, 3)
    world.run()
    assert shown(world)["metric_kickoff_days"] == Decimal("1.00")
    met(world)
    world.run()
    assert "metric_kickoff_days" not in shown(world)
    assert shown(world) == counted(world)


def test_a_deal_that_is_open_again_has_no_figures_until_it_is_won_again() -> None:
    world = a_world()
    world.wait(days=3)
    met(world, 2)
    world.run()
    before = shown(world)
    world.reopen()
    world.run()
    assert shown(world) == counted(world) == {}
    world.win()
    world.run()
    assert shown(world) == counted(world)
    assert shown(world).keys() <= before.keys()


def test_what_people_wrote_stays() -> None:
    world = a_world()
    world.edit({"metric_overrides": Decimal(7)})
    plan = world.run()
    assert shown(world)["metric_overrides"] == Decimal(7)
    assert "Left as it is because a person edited it: metric_overrides." in said(plan)


def test_a_handoff_under_way_gets_its_figures_and_nothing_else() -> None:
    world = World(a_snapshot(deal=EMPTY))
    world.run()
    world.wait(days=3)
    met(world, 2)
    world.run()
    made, told = list(world.made), list(world.told)
    world.policy = keeping()
    (patch,) = world.run().actions
    assert set(patch.values) == {"metric_kickoff_days", "metric_escalations", "metric_overrides"}  # type: ignore[union-attr]
    assert (world.made, world.told) == (made, told)


@pytest.mark.parametrize("name", ["metric_escalations", "metric_overrides"])
def test_what_only_a_lost_ledger_knew_is_taken_from_the_deal(name: str) -> None:
    world = a_world()
    world.edit({name: Decimal(1)})
    world.lose_ledger()
    world.run()
    world.wait(days=1)
    world.run()
    assert shown(world)[name] == counted(world)[name] == Decimal(1)


def test_an_old_win_taken_up_on_request_has_no_invented_figures() -> None:
    world = World(
        a_snapshot(deal=EMPTY, won_at=BASELINE - timedelta(days=200), ledger={"adopted": True}), policy=keeping()
    )
    world.run()
    assert shown(world) == counted(world) == {}


def test_only_what_is_mapped_is_written() -> None:
    plan = World(a_snapshot()).run()
    assert [one for one in plan.findings if one.rule == "figures"] == []


@pytest.mark.parametrize(
    ("key", "value", "held"),
    [
        ("kickoff", 233, "2.33"),
        ("ttfv", 86_400 * 3 + 43_200, "3.50"),
        ("milestones", 80, "80"),
        ("escalations", 1, "1"),
    ],
)
def test_a_value_in_the_unit_of_its_field(key: str, value: int, held: str) -> None:
    assert in_field(MEASURES[key], value) == Decimal(held)
