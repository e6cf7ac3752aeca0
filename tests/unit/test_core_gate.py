"""The gate: given this deal and this mode, then this verdict, these fields, these words."""

from __future__ import annotations

import dataclasses
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from factories import HANDOFF_FIELDS, LENA, MANAGER, MAYA, NOW, OPEN_STAGE, WON_STAGE, a_gap, a_policy, a_snapshot, when
from tinyworld import World

from connector.handoff.decide import decide
from connector.handoff.model import DealType, Gate, Snapshot, Value
from connector.handoff.plan import Patch, Phase, Plan, Verdict
from connector.handoff.rulebook.conditions import Condition, Op
from connector.handoff.rulebook.gate import GateMode, GateModeRule, GatePolicy, Requirement
from connector.handoff.rulebook.policy import Policy

OVERRIDE: dict[str, Value] = {
    "override_requested": True,
    "override_approver": MANAGER,
    "override_reason": "Customer starts on Monday, the rest follows",
    "override_expires": date(2026, 3, 10),
}


def a_gate(**changes: Any) -> Policy:
    policy = a_policy()
    return dataclasses.replace(policy, gate=dataclasses.replace(policy.gate, **changes))


def deal_patch(plan: Plan) -> dict[str, Value]:
    return next((dict(one.values) for one in plan.actions if isinstance(one, Patch) and one.ref.kind == "deal"), {})


@pytest.mark.parametrize(
    ("mode", "deal", "gate", "phase"),
    [
        (GateMode.REVERT, {}, Gate.RELEASED, Phase.IN_FLIGHT),
        (GateMode.REVERT, a_gap(), Gate.HELD, Phase.HELD),
        (GateMode.HOLD, a_gap(), Gate.HELD, Phase.HELD),
        (GateMode.WARN, a_gap(), Gate.WARNED, Phase.IN_FLIGHT),
        (GateMode.WARN, {}, Gate.RELEASED, Phase.IN_FLIGHT),
        (GateMode.OFF, a_gap(), Gate.NOT_CHECKED, Phase.IN_FLIGHT),
        (GateMode.OFF, {}, Gate.NOT_CHECKED, Phase.IN_FLIGHT),
        (GateMode.REVERT, {**a_gap(), **OVERRIDE}, Gate.OVERRIDDEN, Phase.IN_FLIGHT),
        (GateMode.HOLD, {**a_gap(), **OVERRIDE}, Gate.OVERRIDDEN, Phase.IN_FLIGHT),
        (GateMode.REVERT, OVERRIDE, Gate.RELEASED, Phase.IN_FLIGHT),
        (GateMode.REVERT, {"champion": "  \n "}, Gate.HELD, Phase.HELD),
    ],
)
def test_a_win_is_judged(mode: GateMode, deal: dict[str, Value], gate: Gate, phase: Phase) -> None:
    plan = decide(a_snapshot(deal=deal), a_gate(mode=mode), NOW)
    assert (plan.gate, plan.phase) == (gate, phase)
    assert deal_patch(plan)["gate"] == gate.value
    assert ("stage" in deal_patch(plan)) is (mode is GateMode.REVERT and gate is Gate.HELD)


def test_a_reverted_deal_tells_the_rep_what_is_missing() -> None:
    plan = decide(a_snapshot(deal={"champion": None, "why_bought": ""}), a_policy(), NOW)
    [patch] = [action for action in plan.actions if isinstance(action, Patch)]
    assert patch.step == "patch-revert"
    assert patch.order == "0-revert"
    assert patch.values["stage"] == OPEN_STAGE.id
    assert patch.expected["stage"] == WON_STAGE.id
    assert patch.values["status"] == "1 Preparation"
    assert patch.values["percent"] == Decimal(50)
    assert str(patch.values["missing"]).splitlines() == [
        (
            "Not Closed Won yet: 2 of 4 required fields are empty. "
            "Fill in what is listed here, then move the deal to Closed Won again."
        ),
        "Why bought: CS needs why_bought. Name a number or a date.",
        "Champion: CS needs champion. Name a number or a date.",
    ]


@pytest.mark.parametrize(
    ("ledger", "snapshot", "revert_to", "expected"),
    [
        ("Proposal", "Qualification", {}, "Qualification"),
        ("Proposal", None, {"default": "Negotiation"}, "Proposal"),
        (None, None, {"default": "Negotiation"}, "Negotiation"),
        (None, WON_STAGE.id, {"default": "Negotiation"}, "Negotiation"),
    ],
)
def test_a_revert_goes_back_to_the_best_known_stage(
    ledger: str | None, snapshot: str | None, revert_to: dict[str, str], expected: str
) -> None:
    deal = a_snapshot(deal=a_gap(), ledger={"stage_before_win": ledger}, stage_before_win=snapshot)
    assert deal_patch(decide(deal, a_gate(revert_to=revert_to), NOW))["stage"] == expected


def test_without_an_earlier_stage_a_revert_becomes_a_hold_and_says_so() -> None:
    plan = decide(a_snapshot(deal=a_gap(), stage_before_win=None), a_gate(revert_to={}), NOW)
    assert plan.phase is Phase.HELD
    assert "stage" not in deal_patch(plan)
    assert "earlier stage is not known" in plan.findings[1].reason
    assert str(deal_patch(plan)["missing"]).startswith("The handoff is on hold")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"override_approver": None}, "no approver is named"),
        ({"override_approver": MAYA}, "Maya Lindqvist is not among those who may approve one"),
        ({"override_approver": LENA}, "Lena Frost is no longer active in the CRM"),
        ({"override_reason": "asap"}, "the reason has 4 characters and needs at least 20"),
        ({"override_expires": None}, "no expiry date is set"),
        ({"override_expires": date(2026, 3, 2)}, "it expired on 2026-03-02"),
        ({"override_expires": date(2026, 6, 1)}, "it runs until 2026-06-01, and 14 days is the longest allowed"),
        (
            {"override_reason": "asap", "override_expires": None},
            "the reason has 4 characters and needs at least 20 and no expiry date is set",
        ),
    ],
)
def test_an_override_that_does_not_count_says_why(change: dict[str, Value], words: str) -> None:
    plan = decide(a_snapshot(deal={**a_gap(), **OVERRIDE, **change}), a_policy(), NOW)
    assert plan.gate is Gate.HELD
    assert str(deal_patch(plan)["missing"]).splitlines()[-1] == f"The override does not count: {words}."


def test_an_override_is_not_asked_for_by_an_empty_checkbox() -> None:
    plan = decide(a_snapshot(deal={**a_gap(), **OVERRIDE, "override_requested": False}), a_policy(), NOW)
    assert plan.gate is Gate.HELD
    assert "override" not in str(deal_patch(plan)["missing"])


def test_a_held_deal_follows_the_rep_field_by_field() -> None:
    world = World(a_snapshot(deal=dict.fromkeys(HANDOFF_FIELDS)))
    world.run()
    assert world.snapshot.stage == OPEN_STAGE
    assert world.snapshot.deal.get("percent") == 0
    for filled, (name, value) in enumerate(HANDOFF_FIELDS.items(), start=1):
        world.edit({name: value})
        world.run()
        assert world.snapshot.deal.get("percent") == filled * 25
        assert len(world.text("missing").splitlines()) == (5 - filled if filled < 4 else 0)
        assert world.text("gate") == "Held"
    world.win()
    world.run()
    assert world.text("gate") == "Released"
    assert len(world.snapshot.tasks) == 4


def test_a_held_deal_is_released_by_an_override_when_it_is_won_again() -> None:
    world = World(a_snapshot(deal=a_gap()))
    world.run()
    world.edit(OVERRIDE)
    plan = world.run()
    assert world.text("missing").splitlines()[0] == (
        "1 of 4 required fields is empty, but Victor Lang approved an override: "
        "move the deal to Closed Won by 10 Mar 2026."
    )
    assert plan.recheck_at is not None
    assert plan.recheck_at.isoformat() == "2026-03-10T23:00:00+00:00"
    world.win()
    world.run()
    assert world.text("gate") == "Overridden"
    assert world.text("missing").startswith("Handed off under an override: 1 of 4")


def test_an_expired_override_stops_counting() -> None:
    world = World(a_snapshot(deal={**a_gap(), **OVERRIDE}, stage=OPEN_STAGE, ledger={"gate": Gate.HELD}))
    world.wait(days=8)
    world.win()
    assert world.run().gate is Gate.HELD
    assert "it expired on 2026-03-10" in world.text("missing")


def test_a_hold_releases_by_itself_once_the_fields_are_filled() -> None:
    world = World(a_snapshot(deal=a_gap()), policy=a_gate(mode=GateMode.HOLD))
    assert world.run().phase is Phase.HELD
    assert world.snapshot.stage == WON_STAGE
    world.edit({"champion": "Ingrid Holm"})
    assert world.run().phase is Phase.IN_FLIGHT
    assert world.text("missing") == ""
    assert world.snapshot.deal.get("percent") == 100


def test_a_released_handoff_keeps_its_verdict_when_a_field_is_emptied() -> None:
    world = World()
    world.run()
    world.edit(a_gap())
    plan = world.run()
    assert (plan.gate, plan.phase) == (Gate.RELEASED, Phase.IN_FLIGHT)
    assert world.snapshot.stage == WON_STAGE
    assert world.snapshot.deal.get("percent") == 75
    assert world.text("missing").startswith("Handed off: 1 of 4 required fields is empty.")
    assert world.snapshot.deal.get("metric_completion") == 100


@pytest.mark.parametrize(
    ("deal_type", "amount", "gate"),
    [
        (DealType.NEW, 18_000, Gate.HELD),
        (DealType.RENEWAL, 18_000, Gate.RELEASED),
        (DealType.NEW, 90_000, Gate.WARNED),
    ],
)
def test_requirements_and_modes_depend_on_the_deal(deal_type: DealType, amount: int, gate: Gate) -> None:
    policy = a_gate(
        requirements=(Requirement("champion", "CS asks for them", "", when("deal_type", Op.IS_NOT, "renewal")),),
        exceptions=(GateModeRule(GateMode.WARN, when("segment", Op.IS, "enterprise")),),
    )
    deal = a_snapshot(deal={**a_gap(), "amount": Decimal(amount)}, deal_type=deal_type)
    assert decide(deal, policy, NOW).gate is gate


def test_nothing_required_is_all_filled() -> None:
    policy = dataclasses.replace(a_policy(), gate=GatePolicy(GateMode.REVERT, (), ()))
    plan = decide(a_snapshot(), policy, NOW)
    assert (plan.gate, plan.percent, plan.missing) == (Gate.RELEASED, 100, ())


def hiding(snapshot: Snapshot, *names: str) -> Snapshot:
    """The same deal, seen by a login that may not see these fields."""
    seen = {name: value for name, value in snapshot.deal.values.items() if name not in names}
    return dataclasses.replace(snapshot, deal=dataclasses.replace(snapshot.deal, values=seen))


def test_percent_is_rounded_down() -> None:
    needs = tuple(Requirement(field, "why", "") for field in ("champion", "risks", "why_bought"))
    plan = decide(a_snapshot(deal={"risks": None}), a_gate(requirements=needs), NOW)
    assert plan.percent == 66


def test_a_required_field_that_cannot_be_read_rests_and_is_told_while_the_others_are_checked() -> None:
    """Losing sight of a field must not send every win back with a gap nobody can fill."""
    needs = tuple(Requirement(field, "why", "") for field in ("champion", "risks"))
    plan = decide(hiding(a_snapshot(), "risks"), a_gate(requirements=needs), NOW)
    assert (plan.gate, plan.missing) == (Gate.RELEASED, ())
    told = next(finding.reason for finding in plan.findings if finding.rule == "gate")
    assert "Not checked, because the CRM does not show it: Risks." in told
    held = decide(hiding(a_snapshot(deal=a_gap()), "risks"), a_gate(requirements=needs), NOW)
    assert [gap.field for gap in held.missing] == ["champion"]


def test_a_field_that_cannot_be_read_is_not_written_either() -> None:
    """The CRM refuses a whole call for one hidden field: the others would wait for a permission that nobody missed."""
    plan = decide(hiding(a_snapshot(), "percent", "csm"), a_policy(), NOW)
    written = {name for action in plan.actions if isinstance(action, Patch) for name in action.values}
    assert "status" in written
    assert written.isdisjoint({"percent"})


def test_a_required_field_of_an_account_that_does_not_exist_is_a_gap() -> None:
    needs = (Requirement("account.industry", "why", ""),)
    plan = decide(a_snapshot(with_account=False), a_gate(requirements=needs), NOW)
    assert [gap.field for gap in plan.missing] == ["account.industry"]


def test_open_and_lost_deals_are_measured_but_not_written() -> None:
    plan = decide(a_snapshot(deal=a_gap(), stage=OPEN_STAGE, won_at=None), a_policy(), NOW)
    assert (plan.phase, plan.percent, plan.actions) == (Phase.OPEN, 75, ())
    assert [check.field for check in plan.missing] == ["champion"]


def test_a_verdict_edited_by_a_person_is_left_and_told() -> None:
    world = World(a_snapshot(deal=a_gap()))
    world.run()
    world.edit({"missing": "ask me", "percent": Decimal(99)})
    plan = world.run()
    assert world.text("missing") == "ask me"
    assert "Left as it is because a person edited it: Percent and Missing." in plan.findings[1].reason
    assert plan.findings[1].verdict is Verdict.WAIT


def test_requirement_conditions_see_the_account() -> None:
    need = Requirement("champion", "why", "", Condition(when("account.industry", Op.IN, ("energy", "water")).tests))
    assert decide(a_snapshot(deal=a_gap()), a_gate(requirements=(need,)), NOW).gate is Gate.HELD
    other = a_snapshot(deal=a_gap(), account={"industry": "retail"})
    assert decide(other, a_gate(requirements=(need,)), NOW).gate is Gate.RELEASED
