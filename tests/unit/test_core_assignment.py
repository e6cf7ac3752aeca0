"""Who becomes CSM: given these people, loads and fields, then this person, for this reason."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest
from factories import ACCOUNT, DANA, LENA, MAYA, NOW, PEOPLE, PRIYA, TOMAS, a_policy, a_snapshot, a_task
from tinyworld import World

from connector.handoff.choice import carry
from connector.handoff.decide import decide
from connector.handoff.model import DealType, Load, Person
from connector.handoff.plan import Patch, Plan, Upsert, Verdict
from connector.handoff.rulebook.fields import FieldOwner
from connector.handoff.rulebook.people import Method, Pool
from connector.handoff.rulebook.policy import Policy

GROWTH = tuple(PEOPLE[id].email for id in (MAYA, TOMAS, PRIYA))


def an_assignment(*, pool: dict[str, Any] | None = None, **changes: Any) -> Policy:
    policy = a_policy()
    growth = dataclasses.replace(Pool("growth", GROWTH, 50, Method.ROUND_ROBIN), **(pool or {}))
    pools = {**policy.assignment.pools, "growth": growth}
    return dataclasses.replace(policy, assignment=dataclasses.replace(policy.assignment, pools=pools, **changes))


def without(*ids: str) -> dict[str, Person]:
    return {id: dataclasses.replace(one, active=one.active and id not in ids) for id, one in PEOPLE.items()}


def reason(plan: Plan) -> str:
    return next(finding.reason for finding in plan.findings if finding.rule == "assignment")


@pytest.mark.parametrize(
    ("method", "roster", "chosen"),
    [
        (Method.ROUND_ROBIN, {MAYA: Load(1, 3), TOMAS: Load(9, 1), PRIYA: Load(1, 2)}, TOMAS),
        (Method.ROUND_ROBIN, {MAYA: Load(1, 3), TOMAS: Load(9, 1)}, PRIYA),
        (Method.ROUND_ROBIN, {MAYA: Load(5, 1), TOMAS: Load(4, 1), PRIYA: Load(6, 1)}, TOMAS),
        (Method.ROUND_ROBIN, {}, MAYA),
        (Method.ROUND_ROBIN, {MAYA: Load(1, 3), TOMAS: Load(50, 1), PRIYA: Load(1, 2)}, PRIYA),
        (Method.FEWEST_ACCOUNTS, {MAYA: Load(5, 1), TOMAS: Load(4, 9), PRIYA: Load(6, 2)}, TOMAS),
        (Method.FEWEST_ACCOUNTS, {MAYA: Load(5, 3), TOMAS: Load(5, 2), PRIYA: Load(6, 1)}, TOMAS),
    ],
)
def test_the_next_csm_of_a_pool(method: Method, roster: dict[str, Load], chosen: str) -> None:
    plan = decide(a_snapshot(roster=roster), an_assignment(pool={"method": method}), NOW)
    assert plan.assignment is not None
    assert plan.assignment.person_id == chosen
    assert plan.assignment.new
    assert plan.assignment.rule == "everyone"


def test_the_first_rule_that_fits_names_the_pool() -> None:
    plan = decide(a_snapshot(deal={"amount": Decimal(90_000)}), a_policy(), NOW)
    assert plan.assignment is not None
    assert (plan.assignment.rule, plan.assignment.person_id) == ("enterprise", MAYA)


def test_every_candidate_has_a_load_and_a_why() -> None:
    roster = {MAYA: Load(50, 3), TOMAS: Load(12, 1), PRIYA: Load(8, 2)}
    members = (*GROWTH, PEOPLE[LENA].email, "ghost@seller.example")
    plan = decide(a_snapshot(roster=roster), an_assignment(pool={"members": members}), NOW)
    assert plan.assignment is not None
    assert [(one.email.split("@")[0], one.accounts, one.chosen, one.why) for one in plan.assignment.candidates] == [
        ("maya.lindqvist", 50, False, "at the cap (50 of 50 accounts)"),
        ("tomas.reyes", 12, True, "chosen: next in turn"),
        ("priya.nair", 8, False, "eligible, but Tomas Reyes comes first (a later turn, turn 2)"),
        ("lena.frost", 0, False, "no longer active in the CRM"),
        ("ghost", 0, False, "not a user of this CRM"),
    ]


@pytest.mark.parametrize(
    ("pool", "people", "words"),
    [
        ({"cap": 8}, PEOPLE, "Priya Nair: at the cap (8 of 8 accounts)"),
        ({}, without(MAYA, TOMAS, PRIYA), "Maya Lindqvist: no longer active in the CRM"),
        ({"members": ()}, PEOPLE, "the pool is empty"),
    ],
)
def test_when_nobody_is_eligible_the_fallback_steps_in_and_is_told(
    pool: dict[str, Any], people: dict[str, Person], words: str
) -> None:
    world = World(a_snapshot(people=people), policy=an_assignment(pool=pool))
    plan = world.run()
    assert plan.assignment is not None
    assert (plan.assignment.person_id, plan.assignment.rule) == (DANA, "fallback")
    assert words in reason(plan)
    assert "the fallback Dana Kowalski takes over" in reason(plan)
    assert world.told == [f"{world.snapshot.key}:1:notify-nobody_eligible:{DANA}"]
    assert world.decide().actions == ()


def test_no_rule_that_fits_leads_to_the_fallback() -> None:
    plan = decide(a_snapshot(), an_assignment(rules=()), NOW)
    assert plan.assignment is not None
    assert plan.assignment.person_id == DANA
    assert reason(plan).startswith("No assignment rule fits this deal")


@pytest.mark.parametrize("fallback", ["ghost@seller.example", PEOPLE[LENA].email])
def test_without_a_fallback_the_handoff_is_blocked_and_tried_again(fallback: str) -> None:
    world = World(policy=an_assignment(pool={"members": ()}, fallback=fallback))
    plan = world.run()
    assert plan.assignment is None
    assert [finding.verdict for finding in plan.findings if finding.rule == "assignment"] == [Verdict.BLOCKED]
    assert not any(isinstance(action, Upsert) for action in plan.actions)
    assert plan.recheck_at is not None
    assert (plan.recheck_at - world.now).total_seconds() == 3600
    assert world.text("status") == "1 Preparation"
    assert f"the fallback {fallback} is not an active user" in reason(plan)

    world.policy = a_policy()
    assert world.run().assignment is not None
    assert len(world.snapshot.tasks) == 4


@pytest.mark.parametrize("deal_type", list(DealType))
def test_a_known_customer_keeps_its_csm(deal_type: DealType) -> None:
    plan = decide(a_snapshot(account={"csm": MAYA}, deal_type=deal_type), a_policy(), NOW)
    assert plan.assignment is not None
    assert (plan.assignment.person_id, plan.assignment.new) == (MAYA, False)
    assert reason(plan) == "Maya Lindqvist stays CSM: the account has this CSM already."
    assert not any(isinstance(action, Patch) and action.ref == ACCOUNT for action in plan.actions)


def test_keeping_can_be_switched_off_except_for_renewals() -> None:
    policy = an_assignment(keep_current=False)
    renewed = decide(a_snapshot(account={"csm": MAYA}, deal_type=DealType.RENEWAL), policy, NOW)
    bought = decide(a_snapshot(account={"csm": MAYA}), policy, NOW)
    assert renewed.assignment is not None
    assert bought.assignment is not None
    assert (renewed.assignment.person_id, bought.assignment.person_id) == (MAYA, TOMAS)


def test_a_csm_who_left_is_replaced_with_the_reason() -> None:
    world = World(a_snapshot(account={"csm": LENA}))
    plan = world.run()
    assert reason(plan).startswith("Lena Frost is no longer active in the CRM. Tomas Reyes becomes CSM")
    assert world.snapshot.account is not None
    assert world.snapshot.account.get("csm") == TOMAS


def test_a_csm_who_leaves_during_the_handoff_is_replaced_and_the_tasks_move() -> None:
    world = World()
    world.run()
    world.snapshot = dataclasses.replace(world.snapshot, people=without(TOMAS))
    plan = world.run()
    assert plan.assignment is not None
    assert plan.assignment.person_id == PRIYA
    assert world.task("prepare").owner_id == PRIYA
    assert world.told[-1].endswith(f"notify-csm_assigned:{PRIYA}")
    assert world.decide().actions == ()


@pytest.mark.parametrize("on_account", [False, True])
def test_a_person_s_choice_wins_and_everything_follows(on_account: bool) -> None:
    world = World()
    world.run()
    world.edit({"csm": MAYA}, ref=ACCOUNT if on_account else None)
    world.run()
    assert world.snapshot.account is not None
    assert world.snapshot.account.get("csm") == world.snapshot.deal.get("csm") == MAYA
    assert world.task("prepare").owner_id == MAYA
    assert world.decide().actions == ()


def test_a_csm_is_chosen_once_though_the_writes_are_still_under_way() -> None:
    snapshot = a_snapshot(ledger={"generation": 1, "released_at": NOW, "csm_id": PRIYA, "assigned_at": NOW})
    plan = decide(snapshot, a_policy(), NOW)
    assert plan.assignment is not None
    assert (plan.assignment.person_id, plan.assignment.new) == (PRIYA, False)


def test_without_an_account_the_csm_stands_on_the_deal() -> None:
    world = World(a_snapshot(with_account=False))
    plan = world.run()
    assert "The deal has no account, so the CSM stands on the deal alone." in reason(plan)
    assert world.text("csm") == TOMAS
    assert all(len(action.parents) == 1 for action in plan.actions if isinstance(action, Upsert))


def test_tasks_tell_the_csm_when_everything_else_was_lost() -> None:
    plan = decide(a_snapshot(with_account=False, tasks=(a_task("prepare", owner_id=PRIYA),)), a_policy(), NOW)
    assert plan.assignment is not None
    assert plan.assignment.person_id == PRIYA


@pytest.mark.parametrize(
    ("owner", "present", "written"),
    [
        (FieldOwner.DAEMON, LENA, True),
        (FieldOwner.DAEMON, None, True),
        (FieldOwner.FILL_IF_EMPTY, None, True),
        (FieldOwner.FILL_IF_EMPTY, LENA, False),
        (FieldOwner.CREATE_ONLY, None, True),
        (FieldOwner.HUMAN, None, False),
    ],
)
def test_the_account_s_csm_is_written_by_its_owner_only(owner: FieldOwner, present: str | None, written: bool) -> None:
    policy = a_policy()
    rule = dataclasses.replace(policy.fields["account.csm"], owner=owner)
    policy = dataclasses.replace(policy, fields={**policy.fields, "account.csm": rule})
    world = World(a_snapshot(account={"csm": present}), policy=policy)
    world.run()
    assert world.snapshot.account is not None
    assert (world.snapshot.account.get("csm") == TOMAS) is written
    assert world.text("csm") == TOMAS


def test_fields_that_are_not_mapped_are_not_written() -> None:
    policy = a_policy()
    fields = {path: rule for path, rule in policy.fields.items() if path not in {"account.csm", "percent"}}
    plan = decide(a_snapshot(), dataclasses.replace(policy, fields=fields), NOW)
    patches = [action for action in plan.actions if isinstance(action, Patch)]
    assert [patch.step for patch in patches] == ["patch-deal"]
    assert "percent" not in patches[0].values


def test_a_batch_goes_round_when_each_choice_is_carried() -> None:
    roster = a_snapshot().roster
    chosen = []
    for _ in range(6):
        plan = decide(a_snapshot(roster=roster), a_policy(), NOW)
        assert plan.assignment is not None
        chosen.append(plan.assignment.person_id)
        roster = carry(roster, plan.assignment.person_id)
    assert chosen == [TOMAS, PRIYA, MAYA] * 2
    assert roster[MAYA] == Load(12, 9, begun=2)


def test_the_active_one_of_two_users_with_one_email_is_meant() -> None:
    former = dataclasses.replace(PEOPLE[TOMAS], id="u-aaa", active=False)
    plan = decide(a_snapshot(people={"u-aaa": former, **PEOPLE}), a_policy(), NOW)
    assert plan.assignment is not None
    assert plan.assignment.person_id == TOMAS
