"""Who is away, who is full and who waits: given these people, days, caps and places, then this CSM or this place."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from factories import (
    ACCOUNT,
    AE,
    DANA,
    DEAL_ID,
    LENA,
    MAYA,
    NOW,
    PEOPLE,
    PRIYA,
    SYSTEM,
    TOMAS,
    WON_AT,
    a_playbook,
    a_policy,
    a_snapshot,
    a_step,
    a_task,
)
from late_parts import AT_ONCE, DAY, HOUR, LADDER
from tinyworld import World

from connector.handoff.choice import END_OF_LINE, SPAN, carry, pick, served, standing
from connector.handoff.decide import decide
from connector.handoff.model import DealType, HandoffKey, Kind, Load, Person, Waiting
from connector.handoff.plan import Notify, Patch, Phase, Plan, Upsert, Verdict
from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.conditions import Condition
from connector.handoff.rulebook.fields import FieldOwner, FieldRule, FieldType
from connector.handoff.rulebook.gate import GateMode
from connector.handoff.rulebook.people import (
    AssignmentPolicy,
    AssignmentRule,
    Away,
    Method,
    Pool,
    Role,
    Teams,
    WhenFull,
)
from connector.handoff.rulebook.playbooks import Do, Extras, Miss
from connector.handoff.rulebook.policy import Policy

TODAY = date(2026, 3, 3)
EMAILS = {id: PEOPLE[id].email for id in (MAYA, TOMAS, PRIYA, LENA)}
GROWTH = (EMAILS[MAYA], EMAILS[TOMAS], EMAILS[PRIYA])
FULL = {MAYA: Load(50, 3), TOMAS: Load(50, 1), PRIYA: Load(50, 2)}
WAIT = {"when_full": WhenFull.WAIT, "wait_at_most": Limit(Decimal(8), Clock.BUSINESS)}
SHOWN: dict[str, Any] = {"deal": {"second_csm": None}, "account": {"second_csm": None}}
SECOND = FieldRule("second_csm", "Second CSM", FieldType.PERSON, FieldOwner.DAEMON)


def with_pool(*others: Pool, pool: dict[str, Any] | None = None, **changes: Any) -> Policy:
    policy = a_policy()
    growth = dataclasses.replace(Pool("growth", GROWTH, 50, Method.ROUND_ROBIN), **(pool or {}))
    pools = {**policy.assignment.pools, "growth": growth, **{each.name: each for each in others}}
    rules = (AssignmentRule("everyone", Condition(), "growth"),)
    made = dataclasses.replace(policy.assignment, **{"pools": pools, "rules": rules, **changes})
    return dataclasses.replace(policy, assignment=made)


def with_second_field(policy: Policy) -> Policy:
    on_account = dataclasses.replace(SECOND, path="account.second_csm")
    fields = {**policy.fields, SECOND.path: SECOND, on_account.path: on_account}
    return dataclasses.replace(policy, fields=fields)


def people(**changes: dict[str, Any]) -> dict[str, Person]:
    named = {"maya": MAYA, "tomas": TOMAS, "priya": PRIYA}
    made = {named[name]: dataclasses.replace(PEOPLE[named[name]], **each) for name, each in changes.items()}
    return {**PEOPLE, **made}


def reason(plan: Plan, rule: str = "assignment") -> str:
    return next(finding.reason for finding in plan.findings if finding.rule == rule)


def chosen(plan: Plan) -> str | None:
    return plan.assignment.person_id if plan.assignment else None


def a_wait(deal_id: str, *, minutes: int, pool: str = "growth") -> Waiting:
    return Waiting(deal_id, pool, NOW - timedelta(minutes=minutes))


# who is away


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (Away(EMAILS[TOMAS], TODAY, TODAY), "out of office through 3 Mar 2026"),
        (Away(EMAILS[TOMAS], TODAY - timedelta(5), TODAY + timedelta(9)), "out of office through 12 Mar 2026"),
        (Away(EMAILS[TOMAS], TODAY + timedelta(1), TODAY + timedelta(9)), ""),
        (Away(EMAILS[TOMAS], TODAY - timedelta(9), TODAY - timedelta(1)), ""),
    ],
)
def test_the_policy_says_who_is_away_on_a_day(given: Away, words: str) -> None:
    plan = decide(a_snapshot(), with_pool(away=(given,)), NOW)
    assert chosen(plan) == (PRIYA if words else TOMAS)
    assert plan.assignment is not None
    why = {one.person_id: one.why for one in plan.assignment.candidates}
    assert why[TOMAS] == (words or "chosen: next in turn")


@pytest.mark.parametrize(
    ("fields", "gone"),
    [
        ({"away_until": TODAY}, True),
        ({"away_until": TODAY - timedelta(1)}, False),
        ({"away_from": TODAY, "away_until": TODAY + timedelta(2)}, True),
        ({"away_from": TODAY + timedelta(1), "away_until": TODAY + timedelta(2)}, False),
        ({"away_from": TODAY}, False),
        ({"paused": True}, True),
    ],
)
def test_so_does_the_crm(fields: dict[str, Any], gone: bool) -> None:
    plan = decide(a_snapshot(people=people(tomas=fields)), with_pool(), NOW)
    assert chosen(plan) == (PRIYA if gone else TOMAS)


def test_the_last_day_is_the_team_s_day_not_greenwich_s() -> None:
    policy = with_pool(away=(Away(EMAILS[TOMAS], TODAY, TODAY),))
    midnight_in_berlin = WON_AT.replace(hour=23, minute=30)
    assert chosen(decide(a_snapshot(), policy, midnight_in_berlin)) == TOMAS


def test_the_paused_are_passed_over_with_the_reason() -> None:
    plan = decide(a_snapshot(), with_pool(paused=(EMAILS[TOMAS],)), NOW)
    assert plan.assignment is not None
    assert plan.assignment.candidates[1].why == "paused, gets no new accounts"
    assert chosen(plan) == PRIYA


def test_who_is_away_keeps_handoffs_and_customers_and_it_is_said() -> None:
    world = World(policy=with_pool())
    world.run()
    world.policy = with_pool(away=(Away(EMAILS[TOMAS], TODAY, TODAY + timedelta(9)),))
    plan = world.run()
    assert chosen(plan) == TOMAS
    assert world.task("prepare").owner_id == TOMAS
    assert reason(plan) == (
        "Tomas Reyes stays CSM: assigned earlier in this handoff "
        "(out of office through 12 Mar 2026; that moves no customer who is theirs)."
    )
    renewed = decide(a_snapshot(account={"csm": TOMAS}, deal_type=DealType.RENEWAL), world.policy, NOW)
    assert chosen(renewed) == TOMAS


# who waits


def test_a_deal_waits_when_its_pool_is_full_and_says_since_when_and_in_which_place() -> None:
    ahead = (a_wait("006X", minutes=90), a_wait("006Y", minutes=30), a_wait("006Z", minutes=30, pool="enterprise"))
    plan = decide(a_snapshot(roster=FULL, waiting=ahead), with_pool(pool=WAIT), NOW)
    assert chosen(plan) is None
    assert plan.phase is Phase.IN_FLIGHT
    assert (plan.remember.waiting_since, plan.remember.waiting_pool) == (WON_AT, "growth")
    assert "place 3 in pool growth (Maya Lindqvist: at the cap (50 of 50 accounts); " in reason(plan)
    assert "if nobody is by 4 Mar 2026, 10:00, the fallback steps in" in reason(plan)
    assert "it waits for a CSM since 3 Mar 2026" in plan.coverage
    assert plan.recheck_at is not None
    assert plan.recheck_at <= NOW + timedelta(days=1)


def test_meanwhile_the_tasks_of_others_go_on_and_the_deal_says_so() -> None:
    world = World(a_snapshot(roster=FULL), policy=with_pool(pool=WAIT))
    world.run()
    assert world.steps() == ["welcome-packet"]
    assert world.task("welcome-packet").owner_id == AE
    assert world.text("csm") == ""
    assert world.text("status") == "1 Preparation"
    assert world.text("missing").startswith("Waiting for a CSM since 3 Mar 2026, 10:00, place 1 in pool growth.")
    assert world.told == []
    assert world.decide().actions == ()

    world.snapshot = dataclasses.replace(world.snapshot, roster={**FULL, PRIYA: Load(49, 2)})
    plan = world.run()
    assert chosen(plan) == PRIYA
    assert reason(plan).startswith("Priya Nair becomes CSM after waiting since 3 Mar 2026, 10:00 by rule everyone")
    assert world.text("missing") == ""
    assert "prepare" in world.steps()
    assert world.told == [f"{world.snapshot.key}:1:notify-csm_assigned:{PRIYA}"]
    assert plan.remember.waiting_since is None
    assert world.decide().actions == ()


def test_the_gaps_of_a_warned_deal_stand_above_its_place_in_the_list() -> None:
    policy = with_pool(pool=WAIT)
    gate = dataclasses.replace(policy.gate, mode=GateMode.WARN)
    world = World(a_snapshot(deal={"champion": None}, roster=FULL), policy=dataclasses.replace(policy, gate=gate))
    world.run()
    lines = world.text("missing").splitlines()
    assert lines[0].startswith("Handed off with gaps")
    assert lines[-1].startswith("Waiting for a CSM since")


def test_after_the_limit_the_fallback_takes_over_and_a_person_is_told() -> None:
    world = World(a_snapshot(roster=FULL), policy=with_pool(pool=WAIT))
    first = world.run()
    assert first.recheck_at is not None
    world.now = NOW + timedelta(days=1)
    plan = world.run()
    assert chosen(plan) == DANA
    assert "Nobody in pool growth was free since 3 Mar 2026, 10:00" in reason(plan)
    assert world.told == [f"{world.snapshot.key}:1:notify-nobody_eligible:{DANA}"]
    assert plan.remember.waiting_since is None


def test_without_a_fallback_the_place_is_kept() -> None:
    world = World(a_snapshot(roster=FULL), policy=with_pool(pool=WAIT, fallback=EMAILS[LENA]))
    world.run()
    world.now = NOW + timedelta(days=1)
    plan = world.run()
    assert chosen(plan) is None
    assert plan.remember.waiting_since == WON_AT
    assert [each.verdict for each in plan.findings if each.rule == "assignment"] == [Verdict.BLOCKED]


def test_a_pool_that_is_away_is_waited_for_and_one_that_left_is_not() -> None:
    away = tuple(Away(each, TODAY, TODAY + timedelta(1)) for each in GROWTH)
    plan = decide(a_snapshot(), with_pool(pool=WAIT, away=away), NOW)
    assert plan.remember.waiting_since == WON_AT
    gone = people(maya={"active": False}, tomas={"active": False}, priya={"active": False})
    assert chosen(decide(a_snapshot(people=gone), with_pool(pool=WAIT), NOW)) == DANA


@pytest.mark.parametrize(("room", "taken"), [(1, False), (2, False), (3, True)])
def test_no_place_goes_to_a_newer_win_while_an_older_deal_could_take_it(room: int, taken: bool) -> None:
    ahead = (a_wait("006X", minutes=90), a_wait("006Y", minutes=30))
    roster = {**FULL, PRIYA: Load(50 - room, 2)}
    plan = decide(a_snapshot(roster=roster, waiting=ahead), with_pool(pool=WAIT), NOW)
    assert (chosen(plan) == PRIYA) is taken
    if not taken:
        assert "which is kept for who has waited longer" in reason(plan)


def test_who_waits_itself_does_not_stand_in_its_own_way() -> None:
    me = Waiting(DEAL_ID, "growth", NOW - timedelta(hours=1))
    newer = a_wait("006N", minutes=5)
    ledger = {"generation": 1, "released_at": NOW, "waiting_since": me.since, "waiting_pool": "growth"}
    roster = {**FULL, PRIYA: Load(49, 2)}
    plan = decide(a_snapshot(roster=roster, waiting=(newer, me), ledger=ledger), with_pool(pool=WAIT), NOW)
    assert chosen(plan) == PRIYA


def test_a_lost_ledger_does_not_lose_the_place() -> None:
    world = World(a_snapshot(roster=FULL), policy=with_pool(pool={**WAIT, "wait_at_most": None}))
    world.run()
    world.wait(days=3)
    world.lose_ledger()
    plan = world.decide()
    assert plan.remember.waiting_since == WON_AT


def test_the_next_pool_steps_in_and_its_own_rule_holds_there() -> None:
    small = Pool("small", (EMAILS[MAYA],), 60, Method.ROUND_ROBIN, **WAIT)
    policy = with_pool(small, pool={"when_full": WhenFull.NEXT_POOL, "next_pool": "small"})
    plan = decide(a_snapshot(roster=FULL), policy, NOW)
    assert chosen(plan) == MAYA
    assert "pool small (pool growth is full)" in reason(plan)
    full = {**FULL, MAYA: Load(60, 3)}
    plan = decide(a_snapshot(roster=full), policy, NOW)
    assert plan.remember.waiting_pool == "growth"


def test_those_who_can_be_served_are_named_oldest_first() -> None:
    policy = with_pool(pool=WAIT).assignment
    waiting = tuple(a_wait(f"006{n}", minutes=n) for n in range(1, 6))
    roster = {**FULL, PRIYA: Load(48, 2)}
    assert served(standing(policy, PEOPLE, FULL, day=TODAY, waiting=waiting)) == ()
    assert served(standing(policy, PEOPLE, roster, day=TODAY, waiting=waiting)) == ("0065", "0064")
    opened = with_pool(pool={"when_full": WhenFull.FALLBACK}).assignment
    assert len(served(standing(opened, PEOPLE, FULL, day=TODAY, waiting=waiting))) == 5


# methods


def picked(policy: AssignmentPolicy, roster: dict[str, Load], turns: int) -> list[str]:
    found = []
    for n in range(turns):
        one = pick(standing(policy, PEOPLE, roster, day=TODAY), "growth", Waiting(f"d{n}", "growth", NOW))
        assert one is not None
        assert one.best is not None
        found.append(one.best.person_id)
        roster = carry(roster, one.best.person_id, turn=one.turn, amount=Decimal(100))
    return found


@pytest.mark.parametrize("method", list(Method))
def test_a_part_time_csm_gets_half(method: Method) -> None:
    pool = {"method": method, "cap": None, "weights": {EMAILS[PRIYA]: Decimal("0.5")}}
    found = picked(with_pool(pool=pool).assignment, {}, 50)
    assert {id: found.count(id) for id in (MAYA, TOMAS, PRIYA)} == {MAYA: 20, TOMAS: 20, PRIYA: 10}


def test_and_half_the_cap_but_never_none() -> None:
    pool = Pool("p", GROWTH, 25, Method.ROUND_ROBIN, weights={EMAILS[PRIYA]: Decimal("0.5")})
    assert [pool.cap_of(each) for each in GROWTH] == [25, 25, 12]
    assert dataclasses.replace(pool, cap=1).cap_of(EMAILS[PRIYA]) == 1


def test_who_comes_back_does_not_make_up_for_all_that_went_by() -> None:
    pool = {"cap": None, "weights": {EMAILS[PRIYA]: Decimal("0.5")}}
    roster = {MAYA: Load(40, 90 * SPAN), TOMAS: Load(40, 90 * SPAN), PRIYA: Load(5, 1)}
    found = picked(with_pool(pool=pool).assignment, roster, 10)
    assert found.count(PRIYA) <= 4


def test_least_revenue_by_share_with_the_figure_in_the_why() -> None:
    roster = {
        MAYA: Load(1, 3, Decimal(90_000)),
        TOMAS: Load(9, 1, Decimal(40_000)),
        PRIYA: Load(1, 2, Decimal(30_000)),
    }
    pool = {"method": Method.LEAST_REVENUE, "weights": {EMAILS[PRIYA]: Decimal("0.5")}}
    plan = decide(a_snapshot(roster=roster), with_pool(pool=pool), NOW)
    assert chosen(plan) == TOMAS
    assert plan.assignment is not None
    assert plan.assignment.candidates[2].why == (
        "eligible, but Tomas Reyes comes first (30,000 of revenue, turn 2, weight 0.5)"
    )
    assert plan.remember.amount == Decimal(18000)


def test_without_weights_a_turn_is_the_end_of_the_line() -> None:
    plan = decide(a_snapshot(), with_pool(), NOW)
    assert plan.assignment is not None
    assert plan.assignment.turn == END_OF_LINE


# the second CSM


def test_the_second_csm_rotates_and_stands_in_its_own_field() -> None:
    policy = with_second_field(with_pool(pool={"second_from": "growth"}))
    roster = dict(a_snapshot().roster)
    pairs = []
    for _ in range(3):
        world = World(a_snapshot(roster=roster, **SHOWN), policy=policy)
        plan = world.run()
        assert plan.assignment is not None
        assert world.snapshot.account is not None
        assert world.text("second_csm") == plan.assignment.second_id == world.snapshot.account.get("second_csm")
        assert world.decide().actions == ()
        pairs.append((plan.assignment.person_id, plan.assignment.second_id))
        roster = carry(roster, plan.assignment.person_id)
    assert pairs == [(TOMAS, PRIYA), (PRIYA, MAYA), (MAYA, TOMAS)]
    assert "Tomas Reyes is second CSM, next in turn of pool growth." in reason(plan)


def test_a_person_s_choice_of_a_second_csm_stays() -> None:
    world = World(a_snapshot(**SHOWN), policy=with_second_field(with_pool(pool={"second_from": "growth"})))
    world.run()
    assert world.text("second_csm") == PRIYA
    world.edit({"second_csm": MAYA})
    world.run()
    assert world.snapshot.account is not None
    assert world.text("second_csm") == world.snapshot.account.get("second_csm") == MAYA


def test_a_second_csm_who_left_is_replaced() -> None:
    world = World(a_snapshot(**SHOWN), policy=with_second_field(with_pool(pool={"second_from": "growth"})))
    world.run()
    world.snapshot = dataclasses.replace(world.snapshot, people=people(priya={"active": False}))
    world.run()
    assert world.text("second_csm") == MAYA
    assert world.text("csm") == TOMAS


def test_a_handoff_in_flight_gets_no_second_csm_because_the_policy_changed() -> None:
    world = World(a_snapshot(**SHOWN), policy=with_second_field(with_pool()))
    world.run()
    world.policy = with_second_field(with_pool(pool={"second_from": "growth"}))
    assert world.decide().actions == ()


def test_both_join_the_teams_in_their_roles() -> None:
    policy = with_pool(pool={"second_from": "growth"})
    policy = dataclasses.replace(policy, teams=Teams(deal="CSM", deal_second="Second CSM"))
    plan = decide(a_snapshot(), policy, NOW)
    members = [each for each in plan.actions if isinstance(each, Upsert) and each.kind is Kind.MEMBER]
    joined = {each.step: (each.values["person"], each.values["role"]) for each in members}
    assert joined["team-deal"] == (TOMAS, "CSM")
    assert joined["team-deal-second"] == (PRIYA, "Second CSM")
    assert "team-account-second" not in joined


# known customers


def test_a_merged_deal_keeps_the_csm_of_the_one_it_came_from() -> None:
    merged = (a_task("prepare", owner_id=PRIYA, key=f"{SYSTEM}:006Old:1:prepare"),)
    snapshot = a_snapshot(with_account=False, tasks=merged, merged=("006Old",), roster=FULL)
    assert snapshot.lineage == str(HandoffKey(SYSTEM, "006Old"))
    plan = decide(snapshot, with_pool(pool=WAIT), NOW)
    assert chosen(plan) == PRIYA


def test_a_merged_account_that_names_another_csm_does_not_take_a_running_handoff_away() -> None:
    world = World(policy=with_pool())
    world.run()
    survivor = dataclasses.replace(ACCOUNT, id="001Master")
    account = dataclasses.replace(world.snapshot.account, ref=survivor, values={"name": "Nordlys", "csm": MAYA})
    world.snapshot = dataclasses.replace(world.snapshot, account=account)
    plan = world.run()
    assert chosen(plan) == MAYA, "the surviving account says whose customer it is"
    assert world.text("csm") == MAYA
    assert world.decide().actions == ()


def test_a_renewal_goes_to_its_csm_though_they_are_full_paused_or_away() -> None:
    policy = with_pool(pool=WAIT, paused=(EMAILS[MAYA],), keep_current=False)
    plan = decide(a_snapshot(account={"csm": MAYA}, roster=FULL, deal_type=DealType.RENEWAL), policy, NOW)
    assert chosen(plan) == MAYA
    assert plan.assignment is not None
    assert not plan.assignment.new
    assert not any(isinstance(action, Patch) and action.ref == ACCOUNT for action in plan.actions)


# who is late meanwhile


def test_who_is_late_while_a_deal_waits_is_reminded_all_the_same() -> None:
    missed = (Miss(Do.REMIND, AT_ONCE), Miss(Do.REASSIGN, DAY, Role.CSM), Miss(Do.ESCALATE, DAY))
    step = a_step("packet", owner=Role.AE, limit=HOUR, missed=missed, extras=Extras(priority="high"))
    forever = dataclasses.replace(with_pool(pool=WAIT | {"wait_at_most": None}), escalation=LADDER)
    world = World(a_snapshot(roster=FULL), policy=dataclasses.replace(forever, playbooks=(a_playbook(tasks=(step,)),)))
    world.run()
    told: list[tuple[str, str]] = []
    for _ in range(12):
        world.wait(days=1)
        plan = world.run()
        told += [(one.to_id, one.subject.split(":")[0]) for one in plan.actions if isinstance(one, Notify)]
    assert told[0] == (AE, "Late")
    assert "Still open" in {what for _, what in told}
    assert world.task("packet").owner_id == AE, "there is no CSM to give it to"
    assert "late:packet:reassign-1" in plan.remember.marks
