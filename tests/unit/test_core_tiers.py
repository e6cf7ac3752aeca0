"""Tiers by contract value: the first that fits, who has a named CSM early, and extras that conditions ask for."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest
from factories import OPEN_STAGE, TOMAS, a_playbook, a_policy, a_snapshot, a_step, when
from tinyworld import World

from connector.handoff.model import Snapshot, Value
from connector.handoff.plan import Plan
from connector.handoff.rulebook.conditions import Condition, Op, Tier
from connector.handoff.rulebook.fields import FieldOwner, FieldRule, FieldType
from connector.handoff.rulebook.gate import Requirement
from connector.handoff.rulebook.playbooks import Trigger, TriggerKind
from connector.handoff.rulebook.policy import Policy

TIERS = (
    Tier("high_touch", when("amount", Op.AT_LEAST, Decimal(100000)), extras=("executive_sponsor", "rotation")),
    Tier("hybrid", when("amount", Op.AT_LEAST, Decimal(50000))),
    Tier("low_touch", Condition(), named_csm=False),
)
STAGES = {"default": (OPEN_STAGE.id,)}
SPONSOR = Trigger(TriggerKind.WHEN, when=when("extras", Op.CONTAINS, "executive_sponsor"))


def tiered(**changes: Any) -> Policy:
    plain = a_policy(**{"tiers": TIERS, "pre_assign": STAGES, "before_close": STAGES, **changes})
    tier = FieldRule("handoff_tier", "Tier", FieldType.TEXT, FieldOwner.DAEMON)
    return dataclasses.replace(plain, fields={**plain.fields, "handoff_tier": tier})


def an_open(amount: int) -> Snapshot:
    deal: dict[str, Value] = {"amount": Decimal(amount), "handoff_tier": None}
    return a_snapshot(deal=deal, stage=OPEN_STAGE, won_at=None, stage_before_win=None)


def said(plan: Plan, rule: str) -> str:
    return " ".join(one.reason for one in plan.findings if one.rule == rule)


@pytest.mark.parametrize(
    ("amount", "tier", "named"),
    [
        (99999, "hybrid", True),
        (100000, "high_touch", True),
        (50000, "hybrid", True),
        (49999, "low_touch", False),
    ],
)
def test_a_threshold_decides_on_the_tier_and_on_a_csm_before_the_close(amount: int, tier: str, named: bool) -> None:
    world = World(an_open(amount), policy=tiered())
    plan = world.run()
    assert world.snapshot.deal.get("handoff_tier") == tier
    assert (world.snapshot.deal.get("csm") is not None) is named
    assert f"Tier {tier}." in said(plan, "readiness")
    if not named:
        assert "Tier low_touch has no named CSM before the close" in said(plan, "assignment")
    assert world.run().actions == ()


def test_the_tier_follows_the_amount() -> None:
    world = World(an_open(20000), policy=tiered())
    world.run()
    world.edit({"amount": Decimal(55000)})
    world.run()
    assert (world.snapshot.deal.get("handoff_tier"), world.snapshot.deal.get("csm")) == ("hybrid", TOMAS)
    world.edit({"amount": Decimal(20000)})
    world.run()
    assert world.snapshot.deal.get("handoff_tier") == "low_touch"
    assert world.snapshot.deal.get("csm") == TOMAS, "who was told keeps the deal"


def test_extras_are_steps_of_their_own_for_those_who_have_them() -> None:
    steps = (a_step("call"), a_step("sponsor", trigger=SPONSOR))
    policy = tiered(playbooks=(a_playbook(tasks=steps),))
    made = {}
    for amount in (90000, 120000):
        world = World(a_snapshot(deal={"amount": Decimal(amount), "handoff_tier": None}), policy=policy)
        world.run()
        made[amount] = world.steps()
        assert world.snapshot.deal.get("handoff_tier") == ("hybrid" if amount < 100000 else "high_touch")
    assert made == {90000: ["call"], 120000: ["call", "sponsor"]}


def test_required_fields_and_playbooks_may_ask_for_the_tier() -> None:
    plain = tiered()
    need = Requirement("risks", "CS needs it", "", when("tier", Op.IS, "high_touch"))
    gate = dataclasses.replace(plain.gate, requirements=(*plain.gate.requirements, need))
    policy = dataclasses.replace(plain, gate=gate)
    small, large = (World(an_open(amount), policy=policy).run() for amount in (60000, 160000))
    assert [gap.field for gap in small.missing] == []
    assert [gap.field for gap in large.missing] == ["risks"]


def test_without_tiers_the_names_are_those_of_fields() -> None:
    fields = {"tier": FieldRule("tier", "Our tier", FieldType.TEXT, FieldOwner.HUMAN)}
    plain = a_policy()
    need = Requirement("risks", "CS needs it", "", when("tier", Op.IS, "gold"))
    gate = dataclasses.replace(plain.gate, requirements=(need,))
    policy = dataclasses.replace(plain, fields={**plain.fields, **fields}, gate=gate)
    assert [gap.field for gap in World(a_snapshot(deal={"tier": "gold"}), policy=policy).run().missing] == ["risks"]
    assert World(a_snapshot(deal={"tier": "silver"}), policy=policy).run().missing == ()
