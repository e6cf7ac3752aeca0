"""Whatever people do to a deal, in whatever order: its figures are those found anew, none changes by time alone without
a look that is due, and the deal's fields say the same.

Not here: what a measure comes to (``test_core_measures``), and the store (``tests/store``).
"""

from __future__ import annotations

import dataclasses
import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from factories import AE, MANAGER, NOW, PRIYA, TOMAS, a_gap, a_snapshot
from product_parts import a_product_policy, shown
from product_parts import facts as counted
from tinyworld import World

from connector.handoff.measures.figure import Figure
from connector.handoff.measures.keeping import KEPT, in_field
from connector.handoff.model import DealType, Touch, TouchKind
from connector.handoff.plan import Plan
from connector.handoff.rulebook.fields import FieldOwner, FieldRule, FieldType
from connector.handoff.rulebook.gate import GateMode

ON_ACCOUNT = {
    **dict.fromkeys(("nps", "csat", "tickets_30", "expansion_amount"), FieldType.NUMBER),
    **dict.fromkeys(("churned_at", "renewed_at", "renewal_talk_at"), FieldType.DATE),
}
BY_PEOPLE = ("handoff_rating", "repeat_asks")
OF_ROW = ("ae", "csm", "won_on", "activated_on", "phase", "covered", "funnel", "amount", "promise_due")
DEEDS = (
    *("touch", "touch", "log late", "rate", "account", "account"),
    *("reopen", "win", "csm", "owner", "gap", "fill", "wait"),
)


def a_world(chance: random.Random) -> World:
    base = a_product_policy()
    rules = [FieldRule(f"account.{name}", name, kind, FieldOwner.HUMAN) for name, kind in ON_ACCOUNT.items()]
    rules += [FieldRule(name, name, FieldType.NUMBER, FieldOwner.HUMAN) for name in BY_PEOPLE]
    rules += [FieldRule(one.field, one.field, FieldType.NUMBER, FieldOwner.DAEMON) for one in KEPT]
    gate = dataclasses.replace(base.gate, mode=chance.choice([GateMode.HOLD, GateMode.WARN]))
    policy = dataclasses.replace(base, fields={**base.fields, **{one.path: one for one in rules}}, gate=gate)
    gap = a_gap() if chance.random() < 0.4 else {}
    snapshot = a_snapshot(
        deal={**gap, **dict.fromkeys((*BY_PEOPLE, *(one.field for one in KEPT)))},
        account={**shown(), **dict.fromkeys(ON_ACCOUNT)},
        product=counted(NOW),
    )
    kind = chance.choice([DealType.NEW, DealType.NEW, DealType.RENEWAL])
    return World(dataclasses.replace(snapshot, deal_type=kind), policy=policy, tells_history=chance.random() < 0.5)


def do(world: World, deed: str, chance: random.Random) -> None:
    account = world.snapshot.account
    assert account is not None
    match deed:
        case "touch" | "log late":
            at = world.now - timedelta(hours=1 if deed == "touch" else chance.randrange(24 * 40))
            touch = Touch(chance.choice(list(TouchKind)), at, chance.choice([TOMAS, PRIYA, AE]))
            world.snapshot = dataclasses.replace(world.snapshot, touches=(*world.snapshot.touches, touch))
        case "rate":
            world.edit({chance.choice(BY_PEOPLE): chance.choice([None, Decimal(chance.randrange(6))])})
        case "account":
            name = chance.choice(list(ON_ACCOUNT))
            day, number = world.now.date() + timedelta(days=chance.randrange(-60, 9)), Decimal(chance.randrange(11))
            world.edit({name: day if ON_ACCOUNT[name] is FieldType.DATE else number}, ref=account.ref)
        case "reopen" if world.snapshot.stage.is_won:
            world.reopen()
        case "win" if not world.snapshot.stage.is_won:
            world.win()
        case "csm":
            who = chance.choice([TOMAS, PRIYA])
            world.edit({"csm": who})
            world.edit({"csm": who}, ref=account.ref)
        case "owner":
            world.edit({"owner": chance.choice([AE, MANAGER])})
        case "gap" | "fill":
            world.edit({"champion": "Ingrid Holm" if deed == "fill" else None})


def settled(world: World) -> Plan:
    for _ in range(20):
        if not world.run().actions:
            return world.decide()
    raise AssertionError("it never comes to rest")


def said(figure: Figure | None) -> dict[str, Any]:
    assert figure is not None
    return {**figure.values, **{name: getattr(figure, name) for name in OF_ROW}}


@pytest.mark.parametrize("seed", range(12))
def test_figures_are_those_found_anew_and_time_alone_changes_none_unlooked_at(seed: int) -> None:
    chance = random.Random(seed)
    world = a_world(chance)
    plan = settled(world)
    for _ in range(12):
        deed = chance.choice(DEEDS)
        do(world, deed, chance)
        plan = settled(world)
        kept = said(plan.figure)
        for one in KEPT:
            value = kept[one.key]
            assert world.snapshot.deal.get(one.field) == (None if value is None else in_field(one, value)), one.key
        next_look = plan.recheck_at or world.now + timedelta(days=400)
        now, world.now = world.now, world.now + (next_look - world.now) * chance.random() * 0.999
        assert said(world.decide().figure) == kept
        world.now = min(next_look, now + timedelta(hours=chance.randrange(500))) if deed == "wait" else now
