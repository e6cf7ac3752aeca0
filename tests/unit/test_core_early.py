"""Before the close: an open deal gets its CSM in the stages an admin names, keeps that CSM, and lets go when lost."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from factories import (
    ACCOUNT,
    DEAL,
    MAYA,
    OPEN_STAGE,
    PEOPLE,
    PRIYA,
    TOMAS,
    WON_STAGE,
    a_policy,
    a_snapshot,
)
from tinyworld import World

from connector.handoff.model import DealType, Kind, Load, Snapshot, Stage, Value
from connector.handoff.plan import KEPT, PRE_ASSIGNED, Notify, Order, Patch, Phase, Plan, Upsert, Verdict
from connector.handoff.rulebook.conditions import Condition, Tier
from connector.handoff.rulebook.fields import FieldOwner, FieldRule, FieldType
from connector.handoff.rulebook.messages import NotifyPolicy
from connector.handoff.rulebook.people import Teams
from connector.handoff.rulebook.policy import Policy

EARLY = Stage("Discovery", "Discovery", is_won=False, is_closed=False, pipeline="default")
LOST = "Closed Lost"
MOMENTS = frozenset({"csm_assigned", "csm_preassigned", "nobody_eligible"})


def early_policy(**changes: Any) -> Policy:
    given = {"pre_assign": {"default": (OPEN_STAGE.id,)}, "notify": NotifyPolicy(MOMENTS), **changes}
    return a_policy(**given)


def an_open(stage: Stage = OPEN_STAGE, *, amount: int = 18000, **changes: Any) -> Snapshot:
    deal: dict[str, Value] = {"amount": Decimal(amount)}
    return a_snapshot(deal=deal, stage=stage, won_at=None, stage_before_win=None, **changes)


def a_world(snapshot: Snapshot | None = None, **changes: Any) -> World:
    return World(snapshot or an_open(), policy=early_policy(**changes))


def said(plan: Plan) -> str:
    return " ".join(one.reason for one in plan.findings if one.rule == "assignment")


def kinds(world: World) -> list[str]:
    """Which moments were told, in order."""
    return [key.split(":notify-")[1].split(":")[0] for key in world.told]


def test_an_open_deal_in_these_stages_is_given_to_a_csm_who_is_told_once() -> None:
    world = a_world()
    plan = world.run()
    assert (plan.phase, world.snapshot.deal.get("csm")) == (Phase.OPEN, TOMAS), "whose turn it is"
    assert world.snapshot.account is not None
    assert world.snapshot.account.get("csm") is None, "the account is nobody's yet"
    assert kinds(world) == ["csm_preassigned"]
    assert "Tomas Reyes is pre-assigned as CSM by rule everyone" in said(plan)
    assert plan.coverage == "The deal is open; its handoff begins when it is won; Tomas Reyes is to be CSM."
    assert (plan.remember.early_id, plan.remember.csm_id, plan.remember.assigned_at) == (TOMAS, None, None)
    assert world.made == []
    again = world.run()
    assert (again.actions, kinds(world)) == ((), ["csm_preassigned"])
    assert "Tomas Reyes is to be CSM: pre-assigned before the close." in said(again)


@pytest.mark.parametrize(
    ("snapshot", "changes"),
    [
        (an_open(EARLY), {}),
        (an_open(dataclasses.replace(OPEN_STAGE, pipeline="other")), {}),
        (an_open(), {"pre_assign": {}}),
        (an_open(deal_type=DealType.UPSELL), {"deal_types": (DealType.NEW,)}),
    ],
    ids=["an earlier stage", "another pipeline", "switched off", "a type without handoff"],
)
def test_every_other_open_deal_has_no_csm_before_its_win(snapshot: Snapshot, changes: dict[str, Any]) -> None:
    plan = a_world(snapshot, **changes).run()
    assert (plan.actions, plan.assignment, said(plan)) == ((), None, "")


def test_who_was_pre_assigned_stays_and_hears_of_the_win() -> None:
    world = a_world()
    world.run()
    world.win()
    world.snapshot = dataclasses.replace(world.snapshot, roster={MAYA: Load(0, 0), TOMAS: Load(13, 9), PRIYA: Load(8)})
    plan = world.run()
    assert plan.assignment is not None
    assert (plan.assignment.person_id, plan.assignment.rule, plan.assignment.new) == (TOMAS, PRE_ASSIGNED, True)
    assert plan.assignment.turn == 9, "the turn was taken when the deal was given, not with the win"
    assert world.snapshot.account is not None
    assert world.snapshot.account.get("csm") == TOMAS
    assert kinds(world) == ["csm_preassigned", "csm_assigned"]
    assert (plan.remember.early_id, plan.remember.csm_id) == (None, TOMAS)
    assert "Tomas Reyes stays CSM: pre-assigned before the close." in said(plan)
    assert world.run().actions == ()


def test_the_rules_may_say_otherwise_by_the_win() -> None:
    world = a_world()
    world.run()
    world.edit({"amount": Decimal(90000)})
    world.win()
    plan = world.run()
    assert world.snapshot.deal.get("csm") == MAYA
    assert "Tomas Reyes was pre-assigned, but the rules name pool enterprise by now." in said(plan)
    assert kinds(world) == ["csm_preassigned", "csm_assigned"]
    assert [key.rsplit(":", 1)[1] for key in world.told] == [TOMAS, MAYA]


def test_the_rules_may_say_otherwise_before_it_too_and_the_new_one_is_told() -> None:
    world = a_world()
    world.run()
    world.edit({"amount": Decimal(90000)})
    assert world.run().remember.early_id == MAYA
    assert world.snapshot.deal.get("csm") == MAYA
    assert [key.rsplit(":", 1)[1] for key in world.told] == [TOMAS, MAYA]
    assert world.run().actions == ()


def test_a_person_s_choice_is_left_and_needs_no_place_of_ours() -> None:
    world = a_world()
    world.run()
    world.edit({"csm": PRIYA})
    plan = world.run()
    assert (plan.actions, plan.remember.early_id) == ((), None)
    world.win()
    plan = world.run()
    assert plan.assignment is not None
    assert (plan.assignment.person_id, plan.assignment.rule) == (PRIYA, KEPT)


def test_a_known_customer_s_csm_is_named_and_told_and_holds_no_second_place() -> None:
    world = a_world(an_open(account={"csm": PRIYA}, deal_type=DealType.RENEWAL))
    plan = world.run()
    assert (world.snapshot.deal.get("csm"), plan.remember.early_id) == (PRIYA, None)
    assert kinds(world) == ["csm_preassigned"]


def test_a_lost_deal_lets_go_once() -> None:
    world = a_world()
    world.run()
    world.move(LOST)
    plan = world.run()
    assert (plan.phase, plan.remember.early_id, world.snapshot.deal.get("csm")) == (Phase.LOST, None, None)
    assert said(plan) == "The deal was lost; the place of its CSM is free again."
    assert world.run().actions == ()


def test_who_was_to_be_csm_hears_once_that_the_deal_was_lost() -> None:
    world = a_world(notify=NotifyPolicy(MOMENTS | {"deal_lost"}))
    world.run()
    world.move(LOST)
    plan = world.run()
    (message,) = [one for one in plan.actions if isinstance(one, Notify)]
    assert (message.to_id, message.subject) == (TOMAS, "Not coming after all: Nordlys AS")
    assert world.run().actions == ()
    world.lose_ledger()
    assert world.run().actions == ()
    assert kinds(world) == ["csm_preassigned", "deal_lost"]


def test_nobody_hears_of_a_lost_deal_that_was_nobody_s() -> None:
    policy = NotifyPolicy(MOMENTS | {"deal_lost"})
    named = a_world(an_open(EARLY), notify=policy)
    named.run()
    named.move(LOST)
    assert named.run().actions == ()
    # Won and handed over first: the CSM knows the customer.
    handed = a_world(notify=policy)
    handed.run()
    handed.win()
    handed.run()
    handed.move(LOST)
    handed.run()
    assert kinds(handed) == ["csm_preassigned", "csm_assigned"]


def test_what_was_said_of_readiness_is_taken_off_a_lost_deal_but_for_what_people_changed() -> None:
    shows = {"before_close": {"default": (OPEN_STAGE.id,)}}
    for edited in (False, True):
        world = World(a_snapshot(deal={"champion": None}, stage=OPEN_STAGE, won_at=None), policy=a_policy(**shows))
        world.run()
        assert world.snapshot.deal.get("percent") == Decimal(75)
        if edited:
            world.edit({"percent": Decimal(99)})
        world.move(LOST)
        world.run()
        assert world.snapshot.deal.get("missing") is None
        assert world.snapshot.deal.get("percent") == (Decimal(99) if edited else None)
        assert world.run().actions == ()


def past_close(**changes: Any) -> World:
    """A deal given to Tomas that should have closed three days before, where a place is held for two."""
    assignment = dataclasses.replace(a_policy().assignment, place_held_days=2)
    world = a_world(an_open(), assignment=dataclasses.replace(assignment, **changes))
    world.edit({"close_date": world.now.date()})
    plan = world.run()
    assert plan.remember.early_until == datetime(2026, 3, 5, 23, 0, tzinfo=UTC), "the end of the day in Berlin"
    world.wait(days=3)
    return world


def test_a_place_is_held_no_longer_than_so_many_days_past_the_close_date() -> None:
    world = past_close()
    plan = world.run()
    assert (plan.actions, plan.remember.early_id, world.snapshot.deal.get("csm")) == ((), TOMAS, TOMAS)
    world.edit({"close_date": world.now.date() + timedelta(days=10)})
    assert world.run().remember.early_until == datetime(2026, 3, 18, 23, 0, tzinfo=UTC), "the deal moves, so does this"


def test_without_a_date_or_a_limit_a_place_is_held_until_the_deal_is_won_or_lost() -> None:
    assert a_world().run().remember.early_until is None
    dated = a_world()
    dated.edit({"close_date": dated.now.date()})
    assert dated.run().remember.early_until is None


@pytest.mark.parametrize(("accounts", "csm"), [(49, TOMAS), (50, PRIYA)])
def test_a_late_win_takes_the_place_anew_or_goes_to_somebody_with_room(accounts: int, csm: str) -> None:
    world = past_close()
    roster = {MAYA: Load(50), TOMAS: Load(accounts), PRIYA: Load(8)}
    world.snapshot = dataclasses.replace(world.snapshot, roster=roster)
    world.win()
    plan = world.run()
    assert plan.assignment is not None
    assert (plan.assignment.person_id, plan.assignment.new) == (csm, True)
    assert plan.assignment.rule != PRE_ASSIGNED, "the roster does not hold the place any more"
    assert plan.remember.early_until is None
    if csm != TOMAS:
        assert "Tomas Reyes was pre-assigned before the close, and their place was given back since" in said(plan)
    assert world.run().actions == ()


def test_a_lost_deal_keeps_the_csm_whom_a_person_named() -> None:
    world = a_world()
    world.run()
    world.edit({"csm": PRIYA})
    world.run()
    world.move(LOST)
    assert world.run().actions == ()
    assert world.snapshot.deal.get("csm") == PRIYA


def test_nobody_waits_and_no_fallback_steps_in_before_the_win() -> None:
    full = {each: Load(50) for each in (MAYA, TOMAS, PRIYA)}
    world = a_world(an_open(roster=full))
    plan = world.run()
    assert (plan.actions, plan.assignment) == ((), None)
    assert (plan.remember.early_id, plan.remember.waiting_since) == (None, None)
    assert "Nobody of pool growth can be pre-assigned now" in said(plan)
    assert "the win decides who is CSM" in said(plan)
    assert plan.recheck_at is not None
    assert [one.verdict for one in plan.findings if one.rule == "assignment"] == [Verdict.WAIT]


def test_who_left_the_company_is_followed_by_another_before_the_win() -> None:
    world = a_world()
    world.run()
    gone = dataclasses.replace(PEOPLE[TOMAS], active=False)
    world.snapshot = dataclasses.replace(world.snapshot, people={**PEOPLE, TOMAS: gone})
    assert "Tomas Reyes is no longer active in the CRM." in said(world.run())
    assert world.snapshot.deal.get("csm") == PRIYA


def test_a_lost_ledger_gives_the_deal_to_nobody_else_and_tells_nobody_again() -> None:
    world = a_world()
    world.run()
    world.lose_ledger()
    plan = world.run()
    assert (plan.actions, world.snapshot.deal.get("csm")) == ((), TOMAS)
    assert kinds(world) == ["csm_preassigned"]
    world.win()
    world.run()
    assert world.snapshot.deal.get("csm") == TOMAS
    assert kinds(world) == ["csm_preassigned", "csm_assigned"]


def test_a_deal_put_back_by_the_gate_keeps_the_place() -> None:
    world = a_world()
    world.run()
    world.edit({"champion": None})
    world.win()
    plan = world.run()
    assert (plan.phase, plan.remember.early_id) == (Phase.HELD, TOMAS)
    assert world.run().remember.early_id == TOMAS
    world.edit({"champion": "Ingrid Holm, head of service"})
    world.win()
    assert world.run().remember.csm_id == TOMAS


def joins(plan: Plan) -> list[tuple[str, Value]]:
    members = [one for one in plan.actions if isinstance(one, Upsert) and one.kind is Kind.MEMBER]
    return [(str(one.values["on"]), one.values["person"]) for one in members]


def test_the_csm_joins_the_deal_s_team_before_the_close_and_the_account_s_with_the_win() -> None:
    policy = early_policy(teams=Teams(deal="CSM", account="CSM"))
    before = World(an_open(), policy=policy).decide()
    assert joins(before) == [("deal", TOMAS)]
    marks = before.remember.marks
    won = a_snapshot(
        deal={"csm": TOMAS},
        stage=WON_STAGE,
        ledger={"early_id": TOMAS, "marks": marks, "written": {DEAL: {"csm": TOMAS}}},
    )
    assert joins(World(won, policy=policy).decide()) == [("account", TOMAS)], "nobody is put on a team twice"
    forgotten = a_snapshot(deal={"csm": TOMAS}, stage=WON_STAGE)
    assert joins(World(forgotten, policy=policy).decide()) == [("deal", TOMAS), ("account", TOMAS)]


def test_who_joined_the_team_before_the_close_leaves_it_once_when_the_deal_is_lost() -> None:
    world = World(an_open(), policy=early_policy(teams=Teams(deal="CSM", account="CSM")))
    world.run()
    world.move(LOST)
    (left,) = [one for one in world.run().actions if isinstance(one, Upsert) and one.kind is Kind.MEMBER]
    assert (left.values, left.order) == ({"on": "deal", "person": TOMAS, "role": None}, Order.ASSIGN)
    assert world.run().actions == ()
    again = World(world.snapshot, policy=world.policy, now=world.now + timedelta(days=1))
    again.win()
    assert joins(again.run()) == [("deal", TOMAS), ("account", TOMAS)], "lost, and won after all"
    # Reopened, they join again; and a lost ledger takes nobody off who may be there for other reasons.
    world.reopen()
    assert joins(world.run()) == [("deal", TOMAS)]
    world.lose_ledger()
    world.move(LOST)
    assert joins(world.run()) == []


def test_nobody_leaves_the_team_of_a_deal_that_was_handed_over() -> None:
    world = World(an_open(), policy=early_policy(teams=Teams(deal="CSM")))
    for change in (lambda: None, world.win, lambda: world.move(LOST)):
        change()
        plan = world.run()
    assert joins(plan) == []


def paired(*, asks: bool = True) -> World:
    """A tier that asks for the second CSM before the close, or not, and a pool that has them."""
    plain = early_policy()
    pools = {name: dataclasses.replace(pool, second_from="growth") for name, pool in plain.assignment.pools.items()}
    second = FieldRule("second_csm", "Second CSM", FieldType.PERSON, FieldOwner.DAEMON)
    policy = dataclasses.replace(
        plain,
        assignment=dataclasses.replace(plain.assignment, pools=pools),
        fields={**plain.fields, "second_csm": second},
        tiers=(Tier("all", Condition(), second_csm=asks),),
    )
    snapshot = an_open()
    deal = dataclasses.replace(snapshot.deal, values={**snapshot.deal.values, "second_csm": None})
    return World(dataclasses.replace(snapshot, deal=deal), policy=policy)


def test_a_tier_may_ask_for_the_second_csm_before_the_close() -> None:
    world = paired()
    plan = world.run()
    assert (world.snapshot.deal.get("csm"), world.snapshot.deal.get("second_csm")) == (TOMAS, PRIYA)
    assert (plan.remember.early_id, plan.remember.second_id) == (TOMAS, PRIYA)
    assert world.run().actions == ()
    world.snapshot = dataclasses.replace(
        world.snapshot, roster={MAYA: Load(0, 0), TOMAS: Load(3, 5), PRIYA: Load(8, 9)}
    )
    world.win()
    won = world.run()
    assert won.assignment is not None
    assert (won.assignment.person_id, won.assignment.second_id, won.assignment.second_turn) == (TOMAS, PRIYA, False)


def test_a_lost_deal_lets_go_of_the_second_csm_as_well() -> None:
    world = paired()
    world.run()
    world.move(LOST)
    plan = world.run()
    assert (world.snapshot.deal.get("csm"), world.snapshot.deal.get("second_csm")) == (None, None)
    assert plan.remember.second_id is None
    assert world.run().actions == ()


def test_without_such_a_tier_the_second_csm_comes_with_the_win() -> None:
    world = paired(asks=False)
    assert world.run().remember.second_id is None
    assert world.snapshot.deal.get("second_csm") is None
    world.win()
    world.run()
    assert world.snapshot.deal.get("second_csm") is not None


def test_the_account_is_never_written_while_the_deal_is_open() -> None:
    plan = a_world().run()
    assert [one.ref for one in plan.actions if isinstance(one, Patch)] == [DEAL]
    assert ACCOUNT not in {one.ref for one in plan.actions if isinstance(one, Patch)}


def test_a_deal_won_in_time_keeps_its_place_while_the_gate_holds_it() -> None:
    world = a_world(an_open(), assignment=dataclasses.replace(a_policy().assignment, place_held_days=2))
    world.edit({"close_date": world.now.date()})
    world.run()
    world.edit({"champion": None})
    world.win()
    world.run()
    world.wait(days=5)
    world.snapshot = dataclasses.replace(world.snapshot, roster={MAYA: Load(50), TOMAS: Load(50), PRIYA: Load(8)})
    world.edit({"champion": "Ingrid Holm"})
    if not world.snapshot.stage.is_won:
        world.win()
    plan = world.run()
    assert plan.assignment is not None
    assert plan.assignment.person_id == TOMAS


def test_a_place_that_was_given_back_is_not_taken_again_over_the_cap() -> None:
    world = past_close()
    world.run()
    world.snapshot = dataclasses.replace(world.snapshot, roster={MAYA: Load(50), TOMAS: Load(50), PRIYA: Load(8)})
    world.edit({"close_date": world.now.date() + timedelta(days=10)})
    plan = world.run()
    assert plan.remember.early_id == PRIYA


def test_a_deal_that_shrinks_lets_go_of_its_second_csm() -> None:
    world = paired()
    assert world.run().remember.second_id is not None
    pools = {name: dataclasses.replace(one, second_from="") for name, one in world.policy.assignment.pools.items()}
    assignment = dataclasses.replace(world.policy.assignment, pools=pools)
    world.policy = dataclasses.replace(world.policy, tiers=(Tier("small", Condition()),), assignment=assignment)
    plan = world.run()
    assert (plan.remember.second_id, world.snapshot.deal.get("second_csm")) == (None, None)
