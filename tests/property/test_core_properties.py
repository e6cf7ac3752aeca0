"""Whatever people do to a deal between two decisions: nothing twice, nothing of theirs overwritten, always a reason.

Not here: failures of the network and of the process (the engine's and the system's tests).
"""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from decimal import Decimal

import hypothesis.strategies as st
from factories import (
    ACCOUNT,
    HANDOFF_FIELDS,
    LENA,
    LOST_STAGE,
    MANAGER,
    MAYA,
    NOW,
    OPEN_STAGE,
    PEOPLE,
    PRIYA,
    TOMAS,
    WON_STAGE,
    a_policy,
    a_snapshot,
)
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tinyworld import World

from connector.handoff.model import DealType, Kind, Load, Record, Touch, TouchKind
from connector.handoff.plan import Patch, Plan, Upsert
from connector.handoff.rulebook import FieldOwner, GateMode, Policy
from connector.handoff.rules.assignment import FALLBACK

STEPS = ("welcome-packet", "setup-call", "prepare", "run-call", "check-in")
CSMS = (MAYA, TOMAS, PRIYA, LENA)
DAEMON_TEXTS = ("summary", "missing", "gate", "status")


class PeopleAndPlans(RuleBasedStateMachine):
    """People act, the connector decides; after every pass the promises of the core are held against the world."""

    @initialize(
        mode=st.sampled_from(GateMode),
        cap=st.sampled_from((None, 0, 9, 11, 50)),
        owner=st.sampled_from((FieldOwner.DAEMON, FieldOwner.FILL_IF_EMPTY, FieldOwner.HUMAN)),
        account_csm=st.sampled_from((None, MAYA, LENA, "u-deleted")),
        with_account=st.booleans(),
        deal_type=st.sampled_from(DealType),
        empty=st.sets(st.sampled_from(sorted(HANDOFF_FIELDS))),
        loads=st.lists(st.integers(0, 12), min_size=3, max_size=3),
        fallback=st.sampled_from(("dana.kowalski@seller.example", "nobody@seller.example")),
    )
    def begin(self, mode, cap, owner, account_csm, with_account, deal_type, empty, loads, fallback) -> None:
        snapshot = a_snapshot(
            deal=dict.fromkeys(empty),
            account={"csm": account_csm},
            with_account=with_account,
            stage=OPEN_STAGE,
            won_at=None,
            deal_type=deal_type,
            roster={id: Load(load, turn) for turn, (id, load) in enumerate(zip((MAYA, TOMAS), loads, strict=False))},
        )
        self.world = World(snapshot, policy=_policy(mode, cap=cap, account_csm_owner=owner, fallback=fallback))
        self.deleted = False

    @rule()
    def win(self) -> None:
        self.world.win()

    @rule()
    def reopen(self) -> None:
        self.world.reopen()

    @rule()
    def lose(self) -> None:
        self.world.move(LOST_STAGE.id)

    @rule(name=st.sampled_from(sorted(HANDOFF_FIELDS)), value=st.sampled_from((None, "  ", "Because of 30 lost calls")))
    def fill(self, name, value) -> None:
        self.world.edit({name: value})

    @rule(text=st.text(max_size=80))
    def type_anything(self, text) -> None:
        self.world.edit({"why_bought": text, "name": text})

    @rule(name=st.sampled_from(DAEMON_TEXTS))
    def edit_ours(self, name) -> None:
        self.world.edit({name: "typed by a person"})

    @rule(csm=st.sampled_from((None, *CSMS)))
    def choose_csm_on_deal(self, csm) -> None:
        self.world.edit({"csm": csm})

    @precondition(lambda self: self.world.snapshot.account)
    @rule(csm=st.sampled_from((None, *CSMS)))
    def choose_csm_on_account(self, csm) -> None:
        self.world.edit({"csm": csm}, ref=ACCOUNT)

    @rule(person=st.sampled_from((*CSMS, "u-ae", "u-dana")), active=st.booleans())
    def come_and_go(self, person, active) -> None:
        people = {**self.world.snapshot.people}
        people[person] = dataclasses.replace(people[person], active=active)
        self.world.snapshot = dataclasses.replace(self.world.snapshot, people=people)

    @precondition(lambda self: self.world.snapshot.tasks)
    @rule(data=st.data())
    def close_a_task(self, data) -> None:
        self.world.close_task(data.draw(st.sampled_from(self.world.steps())))

    @precondition(lambda self: self.world.snapshot.tasks)
    @rule(data=st.data())
    def rename_a_task(self, data) -> None:
        self.world.edit_task(data.draw(st.sampled_from(self.world.steps())), subject="Mine now")

    @precondition(lambda self: self.world.snapshot.tasks)
    @rule(data=st.data())
    def delete_a_task(self, data) -> None:
        self.world.delete_task(data.draw(st.sampled_from(self.world.steps())))
        self.deleted = True

    @rule()
    def go_live(self) -> None:
        self.world.edit({"go_live_date": NOW.date()})

    @rule(days=st.sampled_from((1, 20)), approver=st.sampled_from((MANAGER, MAYA)))
    def ask_override(self, days, approver) -> None:
        expires = (self.world.now + timedelta(days=days)).date()
        reason = "The customer starts on Monday whatever happens"
        fields = {"override_requested": True, "override_reason": reason, "override_approver": approver}
        self.world.edit({**fields, "override_expires": expires})

    @rule(by=st.sampled_from(CSMS))
    def call_the_customer(self, by) -> None:
        touches = (*self.world.snapshot.touches, Touch(TouchKind.CALL, self.world.now, by))
        self.world.snapshot = dataclasses.replace(self.world.snapshot, touches=touches)

    @rule(hours=st.sampled_from((1, 30, 24 * 40)))
    def wait(self, hours) -> None:
        self.world.wait(hours=hours)

    @rule()
    def lose_the_ledger(self) -> None:
        self.world.lose_ledger()

    @rule()
    def one_pass(self) -> None:
        before = self.world.snapshot
        plan = self.world.run()
        _check_plan(plan, before.ledger.written, self.world, before.deal, before.account)
        again = self.world.decide()
        assert again.actions == (), "the second pass must write nothing"
        assert again.phase == plan.phase
        # A revert is seen to have left the won stage only when it is looked at again.
        left = again.remember.left_won_at
        assert again.remember == dataclasses.replace(plan.remember, left_won_at=left)
        assert left in (plan.remember.left_won_at, self.world.now)

    @invariant()
    def nothing_is_made_twice(self) -> None:
        if not self.deleted:
            assert len(set(self.world.made)) == len(self.world.made)
        keys = [task.key for task in self.world.snapshot.tasks]
        assert len(set(keys)) == len(keys)


def _policy(mode: GateMode, *, cap: int | None, account_csm_owner: FieldOwner, fallback: str) -> Policy:
    policy = a_policy()
    rule_ = dataclasses.replace(policy.fields["account.csm"], owner=account_csm_owner)
    pools = {name: dataclasses.replace(pool, cap=cap) for name, pool in policy.assignment.pools.items()}
    return dataclasses.replace(
        policy,
        fields={**policy.fields, "account.csm": rule_},
        gate=dataclasses.replace(policy.gate, mode=mode),
        assignment=dataclasses.replace(policy.assignment, pools=pools, fallback=fallback),
    )


def _check_plan(plan: Plan, written, world: World, deal: Record, account: Record | None) -> None:
    assert all(finding.reason.strip() for finding in plan.findings)
    assert all(action.reason.strip() for action in plan.actions)
    assert plan.coverage
    patches = [action for action in plan.actions if isinstance(action, Patch)]
    assert len({patch.ref for patch in patches}) == len(patches)
    keys = [action.key for action in plan.actions if not isinstance(action, Patch)]
    assert len(set(keys)) == len(keys)
    assert list(plan.actions) == sorted(plan.actions, key=lambda action: action.order)
    for patch in patches:
        record = deal if patch.ref.kind is Kind.DEAL else account
        _check_patch(patch, written.get(patch.ref, {}), record, world.policy)
    _check_cap(plan, world)
    for action in plan.actions:
        if isinstance(action, Upsert) and action.kind is Kind.NOTE:
            body = str(action.values["body"])
            assert body.splitlines()[-1] == f"Handoff reference: {action.key}"
            assert len(body) <= world.policy.summary.max_chars


def _check_patch(patch: Patch, written, record: Record | None, policy: Policy) -> None:
    assert record is not None
    for name, value in patch.values.items():
        if name == "stage":
            assert patch.step == "patch-revert"
            assert value != WON_STAGE.id
            continue
        path = f"account.{name}" if patch.ref.kind is Kind.ACCOUNT else name
        assert policy.fields[path].owner is not FieldOwner.HUMAN
        if name in written and written[name] != record.get(name):
            # A CRM does not tell empty text from none, nor blanks at the ends.
            assert str(written[name] or "").strip() == str(record.get(name) or "").strip()
        if policy.fields[path].owner is FieldOwner.FILL_IF_EMPTY:
            assert not record.text(name)


def _check_cap(plan: Plan, world: World) -> None:
    if plan.assignment and plan.assignment.new and plan.assignment.rule != FALLBACK:
        chosen = next(one for one in plan.assignment.candidates if one.chosen)
        assert chosen.cap is None or chosen.accounts < chosen.cap
        assert PEOPLE[chosen.person_id].email == plan.assignment.email
        assert all(one.why for one in plan.assignment.candidates)
    assert 0 <= plan.percent <= 100
    assert Decimal(plan.percent) == plan.percent


TestPeopleAndPlans = PeopleAndPlans.TestCase
TestPeopleAndPlans.settings = settings(
    max_examples=60,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
