"""Readiness: what an open deal says of itself in the stages before its close, and that it is let be everywhere else."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest
from factories import OPEN_STAGE, a_policy, a_snapshot
from tinyworld import World

from connector.handoff.model import DealType, Snapshot, Stage, Value
from connector.handoff.plan import Patch, Phase, Plan, Verdict
from connector.handoff.rulebook.fields import FieldOwner, FieldRule, FieldType
from connector.handoff.rulebook.policy import Policy
from connector.handoff.rulebook.quality import (
    AnswerField,
    AnswerKind,
    Consequence,
    Flaw,
    FlawRule,
    QualityPolicy,
    Words,
)

EARLY = Stage("Discovery", "Discovery", is_won=False, is_closed=False, pipeline="default")
OURS = {"percent", "missing", "advice", "quality"}
FIELDS = {
    "advice": FieldRule("advice", "Advice", FieldType.LONG_TEXT, FieldOwner.DAEMON),
    "quality": FieldRule("quality", "Quality", FieldType.NUMBER, FieldOwner.DAEMON),
}


def a_quality() -> QualityPolicy:
    rules = {flaw: FlawRule(Consequence.ADVISE, 50, "says nothing") for flaw in Flaw}
    person = AnswerKind("person", "Name and role.")
    return QualityPolicy(rules, (AnswerField("champion", person),), Words(empty=("n/a",)))


def early_policy(**changes: Any) -> Policy:
    plain = a_policy(quality=a_quality(), before_close={"default": (OPEN_STAGE.id,)})
    return dataclasses.replace(plain, fields={**plain.fields, **FIELDS}, **changes)


def an_open(stage: Stage = OPEN_STAGE, **deal: Value) -> Snapshot:
    shown = {"advice": None, "quality": None}
    return a_snapshot(deal={**shown, **deal}, stage=stage, won_at=None, stage_before_win=None)


def a_world(stage: Stage = OPEN_STAGE, **deal: Value) -> World:
    return World(an_open(stage, **deal), policy=early_policy())


def wrote(plan: Plan) -> set[str]:
    return {name for action in plan.actions if isinstance(action, Patch) for name in action.values}


def test_an_open_deal_near_its_close_says_how_ready_it_is() -> None:
    world = a_world(champion="n/a", use_case=None)
    plan = world.run()
    assert plan.phase is Phase.OPEN
    assert wrote(plan) == OURS
    assert world.snapshot.deal.get("percent") == Decimal(75)
    assert world.snapshot.deal.get("quality") == Decimal(50)
    assert world.text("missing").splitlines() == [
        "Before Closed Won: 1 of 4 required fields is empty. Fill in what is listed here.",
        "Use case: CS needs use_case. Name a number or a date.",
    ]
    assert world.text("advice") == 'Champion: "n/a" says nothing. Name a number or a date.'
    assert world.made == []
    assert world.told == []
    second = world.run()
    assert second.actions == ()


def test_what_the_rep_mends_goes_off_the_deal() -> None:
    world = a_world(champion="n/a", use_case=None)
    world.run()
    world.edit({"champion": "Ingrid Holm", "use_case": "One inbox for three teams."})
    world.run()
    assert (world.snapshot.deal.get("percent"), world.snapshot.deal.get("quality")) == (Decimal(100), Decimal(100))
    assert (world.snapshot.deal.get("missing"), world.snapshot.deal.get("advice")) == (None, None)
    assert world.run().actions == ()


@pytest.mark.parametrize(
    "world",
    [
        a_world(EARLY, champion="n/a", use_case=None),
        World(an_open(dataclasses.replace(OPEN_STAGE, pipeline="other"), use_case=None), policy=early_policy()),
        World(an_open(use_case=None), policy=dataclasses.replace(early_policy(), before_close={})),
        World(
            dataclasses.replace(an_open(use_case=None), deal_type=DealType.UPSELL),
            policy=early_policy(deal_types=(DealType.NEW,)),
        ),
    ],
    ids=["an earlier stage", "another pipeline", "switched off", "a type without handoff"],
)
def test_every_other_open_deal_is_let_be(world: World) -> None:
    plan = world.run()
    assert plan.actions == ()
    assert "readiness" not in {finding.rule for finding in plan.findings}
    assert plan.prints is None


def test_a_list_without_pipelines_holds_for_all() -> None:
    world = World(an_open(use_case=None), policy=early_policy(before_close={"": (OPEN_STAGE.id,)}))
    assert wrote(world.run()) == {"percent", "missing", "quality"}


def test_a_deal_that_goes_back_is_freed_of_what_was_said_once() -> None:
    world = a_world(champion="n/a", use_case=None)
    world.run()
    world.snapshot = dataclasses.replace(world.snapshot, stage=EARLY)
    plan = world.run()
    assert {name: world.snapshot.deal.get(name) for name in OURS} == dict.fromkeys(OURS)
    assert [each.verdict for each in plan.findings if each.rule == "readiness"] == [Verdict.ACT]
    assert world.run().actions == ()


def test_what_a_person_wrote_into_our_fields_is_left() -> None:
    world = a_world(use_case=None)
    world.run()
    world.edit({"missing": "Waiting for legal."})
    world.edit({"risks": "A strike."})
    plan = world.run()
    assert world.text("missing") == "Waiting for legal."
    assert "Left as it is because a person edited it: Missing" in next(
        each.reason for each in plan.findings if each.rule == "readiness"
    )


def test_readiness_ends_with_the_win_and_the_gate_goes_on_with_the_same_fields() -> None:
    world = a_world(champion="n/a", use_case=None)
    world.run()
    world.win()
    plan = world.run()
    assert "readiness" not in {finding.rule for finding in plan.findings}
    assert world.text("gate") == "Held"
    assert world.text("missing").startswith("Not Closed Won yet: 1 of 4 required fields is empty.")
    world.edit({"use_case": "One inbox for three teams."})
    world.run()
    world.win()
    world.run()
    assert world.text("gate") == "Released"
    assert world.text("missing") == ""
    assert "n/a" in world.text("advice"), "what the CSM was given stays on record"
    world.edit({"champion": "Ingrid Holm"})
    world.run()
    assert "n/a" in world.text("advice"), "and is no matter of a handoff under way"


def test_what_is_said_of_the_answers_is_written_though_the_release_was_recorded_and_never_sent() -> None:
    world = a_world(champion="n/a")
    world.win()
    world.run()
    lost = {"gate": None, "advice": None, "quality": None}
    world.snapshot = dataclasses.replace(world.snapshot, ledger=dataclasses.replace(world.snapshot.ledger, written={}))
    world.edit(lost)
    assert {"gate", "advice", "quality"} <= wrote(world.run())
    assert "n/a" in world.text("advice")
    assert world.run().actions == ()


def test_readiness_is_no_mark_of_a_handoff_when_the_ledger_is_lost() -> None:
    world = a_world(champion="n/a", use_case=None)
    world.run()
    world.lose_ledger()
    plan = world.run()
    assert (plan.phase, plan.generation) == (Phase.OPEN, 0)
    assert plan.actions == ()
    assert world.text("status") == world.text("gate") == ""


def test_a_copy_from_another_deal_of_the_same_ae_is_advised() -> None:
    text = "Every late turn cost them a slot and the board asked for a plan."
    world = a_world(champion=text)
    world.snapshot = dataclasses.replace(world.snapshot, copied={"champion": "006B"})
    world.run()
    assert world.text("advice").startswith(f'Champion: "{text}" says nothing')


def test_a_mapping_without_the_new_fields_still_shows_percent_and_gaps() -> None:
    plain = a_policy(before_close={"default": (OPEN_STAGE.id,)})
    world = World(a_snapshot(deal={"use_case": None}, stage=OPEN_STAGE, won_at=None), policy=plain)
    assert wrote(world.run()) == {"percent", "missing"}
