"""Whatever people do to a deal between two decisions: nothing twice, nothing of theirs overwritten, always a reason.

Not here: failures of the network and of the process (the engine's and the system's tests).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
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
from hypothesis import HealthCheck, given, settings
from tinyworld import A_PERSON, World

from connector.handoff.decide import decide
from connector.handoff.model import DealType, Kind, Load, Record, Touch, TouchKind
from connector.handoff.moves import Mover, MoverKind
from connector.handoff.plan import Patch, Plan, Upsert
from connector.handoff.rulebook.fields import FieldOwner
from connector.handoff.rulebook.gate import GateMode
from connector.handoff.rulebook.policy import Policy
from connector.handoff.rules.assignment import FALLBACK

ROBOT = Mover(MoverKind.AUTOMATION, "Close renewals")
CSMS = (MAYA, TOMAS, PRIYA, LENA)
DAEMON_TEXTS = ("summary", "missing", "gate", "status")


HUMAN_TEXTS = st.one_of(st.none(), st.just("  "), st.text(max_size=60))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A deal in any state of preparation under any mode, cap and ownership."""
    snapshot = a_snapshot(
        deal=dict.fromkeys(draw(st.sets(st.sampled_from(sorted(HANDOFF_FIELDS)), max_size=2))),
        account={"csm": draw(st.sampled_from((None, None, MAYA, LENA, "u-deleted")))},
        with_account=draw(st.sampled_from((True, True, False))),
        stage=OPEN_STAGE,
        won_at=None,
        stage_before_win=None,
        deal_type=draw(st.sampled_from(DealType)),
        roster={id: Load(draw(st.integers(7, 12)), turn) for turn, id in enumerate((MAYA, TOMAS))},
    )
    return World(
        snapshot,
        policy=_policy(
            draw(st.sampled_from(GateMode)),
            cap=draw(st.sampled_from((None, 0, 9, 10, 50))),
            account_csm_owner=draw(st.sampled_from((FieldOwner.DAEMON, FieldOwner.FILL_IF_EMPTY, FieldOwner.HUMAN))),
            fallback=draw(st.sampled_from(("dana.kowalski@seller.example", "nobody@seller.example"))),
        ),
        tells_history=draw(st.booleans()),
    )


def _fill(world: World, draw: st.DrawFn) -> None:
    world.edit({draw(st.sampled_from(sorted(HANDOFF_FIELDS))): draw(HUMAN_TEXTS)})


def _fill_all(world: World, draw: st.DrawFn) -> None:
    world.edit(HANDOFF_FIELDS)


def _edit_ours(world: World, draw: st.DrawFn) -> None:
    world.edit({draw(st.sampled_from(DAEMON_TEXTS)): "typed by a person"})


def _edit_note(world: World, draw: st.DrawFn) -> None:
    notes = tuple(dataclasses.replace(note, body=note.body + " and more") for note in world.snapshot.notes)
    world.snapshot = dataclasses.replace(world.snapshot, notes=notes)


def _csm_on_deal(world: World, draw: st.DrawFn) -> None:
    world.edit({"csm": draw(st.sampled_from((None, *CSMS)))})


def _csm_on_account(world: World, draw: st.DrawFn) -> None:
    if world.snapshot.account:
        world.edit({"csm": draw(st.sampled_from((None, *CSMS)))}, ref=ACCOUNT)


def _come_or_go(world: World, draw: st.DrawFn) -> None:
    people = {**world.snapshot.people}
    id = draw(st.sampled_from((*CSMS, "u-ae", "u-dana")))
    people[id] = dataclasses.replace(people[id], active=not people[id].active)
    world.snapshot = dataclasses.replace(world.snapshot, people=people)


def _on_a_task(world: World, draw: st.DrawFn) -> None:
    if not world.snapshot.tasks:
        return
    step = draw(st.sampled_from(world.steps()))
    what = draw(st.sampled_from(("close", "close", "rename", "reopen", "delete")))
    match what:
        case "close":
            world.close_task(step)
        case "rename":
            world.edit_task(step, subject="Mine now")
        case "reopen":
            world.edit_task(step, done=False, done_at=None)
        case "delete":
            world.forgive(world.delete_task(step))


def _ask_override(world: World, draw: st.DrawFn) -> None:
    expires = (world.now + timedelta(days=draw(st.sampled_from((1, 20))))).date()
    reason = draw(st.sampled_from(("The customer starts on Monday whatever happens", "why not")))
    approver = draw(st.sampled_from((MANAGER, MANAGER, MAYA)))
    fields = {"override_requested": True, "override_reason": reason, "override_approver": approver}
    world.edit({**fields, "override_expires": expires})


def _touch(world: World, draw: st.DrawFn) -> None:
    touches = (*world.snapshot.touches, Touch(TouchKind.CALL, world.now, draw(st.sampled_from(CSMS))))
    world.snapshot = dataclasses.replace(world.snapshot, touches=touches)


def _win_and_reopen(world: World, draw: st.DrawFn) -> None:
    """Faster than anybody looks."""
    world.win(by=draw(st.sampled_from((ROBOT, A_PERSON))))
    world.wait(seconds=draw(st.sampled_from((1, 30))))
    world.reopen()
    world.wait(seconds=1)


DEEDS: dict[str, Callable[[World, st.DrawFn], None]] = {
    "win": lambda world, _: world.win(),
    "robot wins": lambda world, _: world.win(by=ROBOT),
    "robot reopens": lambda world, _: world.move(OPEN_STAGE.id, by=ROBOT),
    "win and reopen": _win_and_reopen,
    "reopen": lambda world, _: world.reopen(),
    "lose": lambda world, _: world.move(LOST_STAGE.id),
    "fill": _fill,
    "fill all": _fill_all,
    "rename": lambda world, draw: world.edit({"name": draw(st.text(max_size=30))}),
    "edit ours": _edit_ours,
    "edit note": _edit_note,
    "csm on deal": _csm_on_deal,
    "csm on account": _csm_on_account,
    "come or go": _come_or_go,
    "task": _on_a_task,
    "go live": lambda world, _: world.edit({"go_live_date": NOW.date()}),
    "override": _ask_override,
    "touch": _touch,
    "wait": lambda world, draw: world.wait(hours=draw(st.sampled_from((1, 30, 24 * 40)))),
    "lose ledger": lambda world, _: world.lose_ledger(),
}
"""What people and bad luck do between two looks. Wins come often, or little would happen."""

OFTEN = (*DEEDS, "win", "win", "robot wins", "robot wins", "fill all", "fill all", "task", "task")
LIMITS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@settings(LIMITS, max_examples=120)
@given(world=worlds(), data=st.data())
def test_whatever_people_do_a_pass_keeps_every_promise(world: World, data: st.DataObject) -> None:
    for deed in data.draw(st.lists(st.sampled_from(OFTEN), min_size=1, max_size=14), label="deeds"):
        DEEDS[deed](world, data.draw)
        if data.draw(st.sampled_from((True, True, False)), label="look"):
            _pass(world)
    _pass(world)


def _pass(world: World) -> None:
    """One pass and a look at the next: the plan is lawful, the second writes nothing, nothing exists twice."""
    before = world.snapshot
    plan = world.run()
    _check_plan(plan, before.ledger.written, world, before.deal, before.account)
    again = world.decide()
    assert again.actions == (), "the second pass must write nothing"
    later = decide(world.snapshot, world.policy, world.now + timedelta(minutes=90))
    # Time alone changes nothing but the words about an override that runs out.
    assert all(isinstance(one, Patch) and set(one.values) == {"missing"} for one in later.actions)
    assert again.phase == plan.phase
    # That a revert took the deal out of the won stage, and where to, is seen only when it is looked at again.
    learned = {"left_won_at": again.remember.left_won_at, "stage_before_win": again.remember.stage_before_win}
    assert again.remember == dataclasses.replace(plan.remember, **learned)
    assert again.remember.left_won_at in (plan.remember.left_won_at, world.now)
    assert len(set(world.made)) == len(world.made), "nothing is made twice"


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
