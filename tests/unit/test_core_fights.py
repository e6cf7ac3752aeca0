"""Wins that come and go: unseen ones, put-backs that something undoes, put-backs that the CRM refuses."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from typing import Any

import pytest
from factories import AE, BASELINE, DANA, LOST_STAGE, MANAGER, NOW, OPEN_STAGE, PEOPLE, WON_STAGE, a_gap, a_policy
from factories import a_snapshot as a_won_deal
from tinyworld import A_PERSON, OURSELVES, World

from connector.handoff.decide import decide
from connector.handoff.model import DealType, Gate, Snapshot, Value
from connector.handoff.moves import NOBODY_KNOWN, Bounce, Mover, MoverKind, Passing, Refusal
from connector.handoff.plan import Noticed, Notify, Patch, Phase, Plan
from connector.handoff.rulebook.gate import GateMode
from connector.handoff.rulebook.policy import Policy

ROBOT = Mover(MoverKind.AUTOMATION, "Close renewals")
TOLD = "notify-deal_fought"
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


def an_open_deal(**changes: Any) -> Snapshot:
    plain: dict[str, Any] = {"deal": a_gap(), "stage": OPEN_STAGE, "won_at": None, "stage_before_win": None}
    return a_won_deal(**{**plain, **changes})


def a_world(*, policy: Policy | None = None, tells_history: bool = True, **changes: Any) -> World:
    return World(an_open_deal(**changes), policy=policy, tells_history=tells_history)


def fight(world: World, *, rounds: int, by: Mover = ROBOT, after: timedelta = timedelta(seconds=20)) -> list[Plan]:
    """Something moves the deal to the won stage again and again, a while after it was put back; every look at it."""
    plans = []
    for _ in range(rounds):
        if not world.snapshot.stage.is_won:
            world.wait(seconds=after.total_seconds())
            world.win(by=by)
        world.wait(seconds=5)
        plans.append(world.run())
        world.wait(seconds=5)
        world.run()
    return plans


def put_backs(plans: list[Plan]) -> int:
    return sum("stage" in deal_patch(plan) for plan in plans)


@pytest.mark.parametrize(
    ("by", "tells_history", "put_back", "words"),
    [
        (ROBOT, True, 2, "a workflow (Close renewals)"),
        (Mover(MoverKind.INTEGRATION, "BillingBridge"), True, 2, "another integration (BillingBridge)"),
        (Mover(MoverKind.IMPORT), True, 2, "an import"),
        (Mover(MoverKind.SELF, "12345"), True, 2, "another program that uses the connector's login"),
        (NOBODY_KNOWN, True, 2, "something in the CRM"),
        (ROBOT, False, 2, "something in the CRM"),
        (A_PERSON, True, 6, ""),
    ],
)
def test_after_the_second_return_that_no_person_made_the_deal_is_held_where_it_stands(
    by: Mover, tells_history: bool, put_back: int, words: str
) -> None:
    world = a_world(tells_history=tells_history)
    plans = fight(world, rounds=6, by=by)
    assert put_backs(plans) == put_back
    assert world.snapshot.stage.is_won is bool(words)
    assert world.text("gate") == "Held"
    if words:
        assert world.text("missing").splitlines()[0] == (
            "The handoff is on hold: 1 of 4 required fields is empty. The deal was put back twice and "
            f"{words} moved it to Closed Won again each time, so it stays there. "
            "Fill in what is listed here and it goes on by itself."
        )
        assert f"The deal was put back twice and {words}" in plans[-1].findings[1].reason


def test_a_return_whose_mover_is_unknown_counts_only_when_it_comes_quickly() -> None:
    slow = fight(a_world(tells_history=False), rounds=6, after=timedelta(minutes=11))
    assert put_backs(slow) == 6


@pytest.mark.parametrize(("limit", "put_back"), [(1, 1), (2, 2), (3, 3)])
def test_how_many_returns_are_too_many_is_the_policys(limit: int, put_back: int) -> None:
    plans = fight(a_world(policy=a_gate(fight_limit=limit)), rounds=5)
    assert put_backs(plans) == put_back


def test_returns_further_apart_than_the_window_are_no_fight() -> None:
    plans = fight(a_world(policy=a_gate(fight_window=timedelta(hours=2))), rounds=5, after=timedelta(hours=3))
    assert put_backs(plans) == 5


def test_one_person_is_told_once() -> None:
    world = a_world()
    plans = fight(world, rounds=6)
    told = [action for plan in plans for action in plan.actions if isinstance(action, Notify) and action.step == TOLD]
    [notice] = told
    assert notice.to_email == PEOPLE[MANAGER].email
    assert "was put back twice" in notice.text
    assert "a workflow (Close renewals) moved it to Closed Won again each time" in notice.text
    assert sum(Noticed.FIGHT in plan.noticed for plan in plans) == 1
    assert sum(Noticed.BOUNCE in plan.noticed for plan in plans) == 2


def test_a_limit_that_is_lowered_in_the_middle_of_a_fight_is_told_of_once_too() -> None:
    world = a_world(policy=a_gate(fight_limit=5))
    fight(world, rounds=4)
    world.policy = a_gate(fight_limit=2)
    plans = fight(world, rounds=3)
    assert put_backs(plans) == 0
    assert sum(Noticed.FIGHT in plan.noticed for plan in plans) == 1
    assert len([key for key in world.told if TOLD in key]) == 1


def test_each_of_several_that_move_a_deal_again_is_named() -> None:
    world = a_world()
    fight(world, rounds=2)
    fight(world, rounds=1, by=Mover(MoverKind.INTEGRATION, "BillingBridge"))
    both = "a workflow (Close renewals) or another integration (BillingBridge) moved it to Closed Won again each time"
    assert f"The deal was put back twice and {both}, so it stays there." in world.text("missing")


def test_a_return_within_a_second_is_one_return_however_often_it_is_looked_at() -> None:
    world = a_world(policy=a_gate(fight_limit=3))
    world.win(by=A_PERSON)
    world.wait(seconds=0.3)
    world.run()
    world.wait(seconds=0.5)
    world.win(by=ROBOT)
    for _ in range(4):  # decided again and again, before the second put-back is sent
        world.wait(seconds=0.2)
        plan = world.decide()
        world._record(plan)
        assert "stage" in deal_patch(plan)
        assert len(plan.remember.bounces) == 1


def test_the_fallback_person_is_told_where_the_ae_has_no_manager() -> None:
    people = {**PEOPLE, AE: dataclasses.replace(PEOPLE[AE], manager_id=None)}
    world = a_world(people=people)
    fight(world, rounds=3)
    assert [key.rsplit(":", 1)[1] for key in world.told if TOLD in key] == [DANA]


def test_nobody_is_told_where_the_policy_does_not_say_so() -> None:
    policy = a_policy()
    quiet = dataclasses.replace(policy, notify=dataclasses.replace(policy.notify, moments=frozenset()))
    world = a_world(policy=quiet)
    fight(world, rounds=3)
    assert world.told == []
    assert world.snapshot.stage.is_won


def test_a_fought_deal_goes_on_by_itself_once_the_gaps_are_filled() -> None:
    world = a_world()
    fight(world, rounds=4)
    world.edit({"champion": "Ingrid Holm"})
    plan = world.run()
    assert (plan.gate, plan.phase) == (Gate.RELEASED, Phase.IN_FLIGHT)
    assert world.snapshot.ledger.bounces == ()
    assert world.text("missing") == ""


def test_a_fought_deal_goes_on_under_an_override() -> None:
    world = a_world()
    fight(world, rounds=4)
    world.edit(OVERRIDE)
    assert world.run().gate is Gate.OVERRIDDEN
    assert world.snapshot.ledger.bounces == ()


def test_gaps_filled_and_emptied_again_begin_a_new_count() -> None:
    world = a_world()
    fight(world, rounds=2)
    assert len(world.snapshot.ledger.bounces) == 1
    world.edit({"champion": "Ingrid Holm"})
    world.run()
    world.edit(a_gap())
    world.run()
    assert put_backs(fight(world, rounds=4)) == 2


def test_time_alone_does_not_put_a_fought_deal_back() -> None:
    world = a_world()
    fight(world, rounds=4)
    world.wait(days=3)
    assert world.run().actions == ()
    assert world.snapshot.stage.is_won


def test_another_day_a_person_takes_it_back_and_the_fight_begins_and_ends_anew() -> None:
    world = a_world()
    fight(world, rounds=4)
    world.wait(days=2)
    world.reopen()
    world.run()
    assert world.text("missing").startswith("Not Closed Won yet")
    assert put_backs(fight(world, rounds=5)) == 2  # the first win of the day undoes nothing of ours
    assert len([key for key in world.told if TOLD in key]) == 2
    assert len(set(world.told)) == len(world.told)


def test_the_same_day_a_fought_deal_that_is_moved_again_stays() -> None:
    world = a_world()
    fight(world, rounds=4)
    world.reopen()
    world.run()
    assert put_backs(fight(world, rounds=3)) == 0
    assert len([key for key in world.told if TOLD in key]) == 1


@pytest.mark.parametrize("rounds", [1, 2, 3, 5])
def test_a_lost_ledger_counts_from_the_history(rounds: int) -> None:
    world = a_world()
    before = put_backs(fight(world, rounds=rounds))
    world.lose_ledger()
    assert before + put_backs(fight(world, rounds=6)) == 2
    assert world.snapshot.stage.is_won


def test_a_lost_ledger_without_a_history_still_ends() -> None:
    world = a_world(tells_history=False)
    fight(world, rounds=4)
    world.lose_ledger()
    assert put_backs(fight(world, rounds=8)) <= 3
    assert world.snapshot.stage.is_won


def test_a_person_who_was_faster_than_the_put_back_makes_the_return_no_fight() -> None:
    world = a_world()
    world.win(by=A_PERSON)
    plan = world.decide()
    world._record(plan)  # decided, not yet sent
    world.wait(seconds=3)
    world.reopen()
    world.wait(seconds=3)
    world.win(by=ROBOT)
    world.run()
    assert world.snapshot.ledger.bounces == ()


# a put-back that the CRM refuses


def a_refused_world(refusal: Refusal) -> World:
    won = a_won_deal(deal=a_gap())
    known = {"generation": 1, "gate": Gate.HELD, "won_at": won.won_at, "last_win_at": won.won_at}
    return World(a_won_deal(deal=a_gap(), ledger={**known, "put_back_refused": refusal}))


def test_a_put_back_that_was_refused_becomes_a_hold_in_the_crms_words() -> None:
    words = "champion is required because of a conditional property rule based on dealstage."
    world = a_refused_world(Refusal(OPEN_STAGE.id, words))
    plan = world.run()
    assert "stage" not in deal_patch(plan)
    assert world.snapshot.stage == WON_STAGE
    assert world.text("missing").splitlines()[0] == (
        "The handoff is on hold: 1 of 4 required fields is empty. The deal could not be put back, because the CRM "
        f"refused it: {words} Fill in what is listed here and it goes on by itself."
    )
    assert world.run().actions == ()
    world.wait(hours=1)
    world.reopen()
    world.run()
    world.win()
    assert "stage" in deal_patch(world.run()), "another win may be put back again"


def test_a_put_back_to_another_stage_than_the_refused_one_is_tried() -> None:
    assert "stage" in deal_patch(a_refused_world(Refusal("Negotation", "There is no such stage.")).run())


# a win that nobody saw


def a_passing(**changes: Any) -> Passing:
    plain = Passing(
        NOW - timedelta(minutes=4),
        NOW - timedelta(minutes=3),
        OPEN_STAGE.id,
        OPEN_STAGE.id,
        entered_by=A_PERSON,
        left_by=A_PERSON,
    )
    return dataclasses.replace(plain, **changes)


def test_a_win_taken_back_before_anybody_looked_becomes_known() -> None:
    passing = a_passing()
    plan = decide(an_open_deal(deal={}, passed=(passing,)), a_policy(), NOW)
    assert plan.phase is Phase.REOPENED
    assert plan.actions == ()
    assert plan.noticed == {Noticed.PASSED_WIN}
    assert (plan.remember.generation, plan.remember.won_at, plan.remember.left_won_at) == (
        1,
        passing.entered_at,
        passing.left_at,
    )
    assert plan.coverage == (
        "Won on 3 Mar 2026 by a person, taken out of the won stage by a person before anything came of it; "
        "its handoff begins when it is won again."
    )


def test_a_person_who_moved_it_is_named_by_the_crms_other_id() -> None:
    people = {**PEOPLE, AE: dataclasses.replace(PEOPLE[AE], user_id=A_PERSON.name)}
    plan = decide(an_open_deal(deal={}, passed=(a_passing(),), people=people), a_policy(), NOW)
    assert plan.coverage.startswith("Won on 3 Mar 2026 by Ana Ek, taken out of the won stage by Ana Ek")


@pytest.mark.parametrize(
    ("mode", "deal", "phase"),
    [
        (GateMode.REVERT, a_gap(), Phase.HELD),
        (GateMode.HOLD, a_gap(), Phase.HELD),
        (GateMode.WARN, a_gap(), Phase.REOPENED),
        (GateMode.OFF, a_gap(), Phase.REOPENED),
        (GateMode.REVERT, {}, Phase.REOPENED),
        (GateMode.REVERT, {**a_gap(), **OVERRIDE}, Phase.REOPENED),
    ],
)
def test_an_unseen_win_with_gaps_is_held_as_if_it_had_been_seen(
    mode: GateMode, deal: dict[str, Any], phase: Phase
) -> None:
    world = World(an_open_deal(deal=deal, passed=(a_passing(),)), policy=a_gate(mode=mode))
    plan = world.run()
    assert plan.phase is phase
    assert world.text("missing").startswith("Not Closed Won yet: 1 of 4") is (phase is Phase.HELD)
    again = world.run()
    assert (again.phase, again.actions, again.noticed) == (phase, (), frozenset())


def test_an_unseen_win_of_long_ago_is_known_and_left_in_peace() -> None:
    world = World(an_open_deal(passed=(a_passing(),)))
    world.wait(days=40)
    plan = world.run()
    assert (plan.phase, plan.actions, plan.remember.generation) == (Phase.REOPENED, (), 1)


def test_an_unseen_win_of_a_type_without_handoffs_says_so() -> None:
    policy = dataclasses.replace(a_policy(), deal_types=(DealType.NEW,))
    plan = decide(an_open_deal(passed=(a_passing(),), deal_type=DealType.UPSELL), policy, NOW)
    assert plan.actions == ()
    assert plan.coverage == "Deals of type upsell get no handoff by this policy."


def test_an_end_that_grows_with_the_deals_last_change_is_taken_as_it_was_first_known() -> None:
    world = World(an_open_deal(deal={}, passed=(a_passing(),)))
    first = world.run().remember.left_won_at
    world.snapshot = dataclasses.replace(world.snapshot, passed=(a_passing(left_at=NOW + timedelta(days=20)),))
    world.wait(days=20)
    assert world.run().remember.left_won_at == first


def test_an_unseen_win_from_before_the_start_is_nobodys() -> None:
    early = a_passing(entered_at=BASELINE - timedelta(days=1), left_at=BASELINE - timedelta(hours=23))
    plan = decide(an_open_deal(passed=(early,)), a_policy(), NOW)
    assert (plan.phase, plan.actions, plan.noticed) == (Phase.OPEN, (), frozenset())
    assert plan.remember.generation == 0


def test_a_win_seen_and_left_is_no_news_when_the_history_tells_it_too() -> None:
    world = a_world(deal={})
    world.win()
    world.wait(minutes=1)
    world.run()
    world.wait(minutes=1)
    world.reopen()
    left = world.now
    world.wait(minutes=7)
    plan = world.run()
    assert (plan.phase, plan.noticed) == (Phase.REOPENED, frozenset())
    assert plan.remember.left_won_at == left


def test_a_handoff_won_again_long_after_it_was_reopened_is_a_new_one_though_nobody_saw_it_open() -> None:
    world = a_world(deal={})
    world.win()
    world.run()
    world.wait(days=1)
    world.reopen()
    world.wait(days=40)
    world.win()
    assert world.run().generation == 2


def test_a_handoff_reopened_and_won_again_unseen_goes_on() -> None:
    world = a_world(deal={})
    world.win()
    world.run()
    made = list(world.made)
    world.wait(minutes=1)
    world.reopen()
    world.wait(minutes=1)
    world.win()
    plan = world.run()
    assert (plan.phase, plan.generation) == (Phase.IN_FLIGHT, 1)
    assert world.made == made


def test_a_lost_ledger_takes_the_generation_from_the_keys_and_not_from_the_history() -> None:
    world = a_world(deal={})
    for _ in range(2):
        world.wait(days=40)
        world.win()
        world.run()
        world.wait(days=1)
        world.reopen()
    assert world.run().generation == 2
    made = list(world.made)
    world.lose_ledger()
    assert world.run().generation == 2
    world.wait(hours=1)
    world.win()
    assert world.run().generation == 2
    assert world.made == made


def test_several_unseen_wins_are_taken_in_their_order() -> None:
    first = a_passing(entered_at=NOW - timedelta(hours=3), left_at=NOW - timedelta(hours=2), left_by=OURSELVES)
    second = a_passing(entered_by=ROBOT, left_by=OURSELVES)
    plan = decide(an_open_deal(passed=(second, first)), a_policy(), NOW)
    assert plan.remember.last_win_at == second.entered_at
    assert plan.remember.bounces == (Bounce(second.entered_at, ROBOT),)


def test_a_lost_deal_that_had_been_won_says_so() -> None:
    plan = decide(an_open_deal(stage=LOST_STAGE, passed=(a_passing(),)), a_policy(), NOW)
    assert plan.phase is Phase.LOST
    assert plan.actions == ()
    assert plan.coverage.startswith("Won on 3 Mar 2026 by a person, taken out of the won stage by a person and closed")
