"""A handoff that moves on to the present playbook: nothing twice, nothing asked too late, and playbooks that add."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from decimal import Decimal
from typing import Any

from factories import MAYA, NOW, a_playbook, a_policy, a_snapshot, a_step, a_task, when
from late_parts import after_days

from connector.handoff.decide import decide, weigh
from connector.handoff.migration import move
from connector.handoff.model import Effect, Gate, Snapshot
from connector.handoff.plan import Upsert
from connector.handoff.playbook_text import read, text_of
from connector.handoff.rulebook.conditions import Op
from connector.handoff.rulebook.policy import Policy
from connector.handoff.steps import present

OLD = a_playbook(name="old", tasks=(a_step("call"), a_step("mail"), a_step("gone")))
NEW = a_playbook(
    name="new",
    tasks=(
        a_step("call"),
        a_step("first-day"),
        a_step("fresh", after="first-day"),
        a_step("day-30", trigger=after_days(30)),
    ),
)
LATER = NOW + timedelta(days=6)


def policy(*books: Any) -> Policy:
    return a_policy(playbooks=books or (NEW,))


def in_flight(**ledger: Any) -> Snapshot:
    given = {"generation": 1, "won_at": NOW, "released_at": NOW, "csm_id": MAYA, "gate": Gate.RELEASED}
    effects = {step: Effect(step, f"t-{step}", "x") for step in ("call", "mail", "gone")}
    given |= {"assigned_at": NOW, "playbook": OLD, "effects": effects, "done_signals": {"mail": NOW}, **ledger}
    tasks = (a_task("call"), a_task("mail", done=True), a_task("gone"))
    return a_snapshot(deal={"gate": "Released", "csm": MAYA}, ledger=given, account={"csm": MAYA}, tasks=tasks)


def test_a_move_says_what_is_made_now_later_and_left() -> None:
    one = move(in_flight(), policy(), NOW + timedelta(hours=1))
    assert one is not None
    assert (one.before, one.after) == (OLD, NEW)
    assert (one.made, one.later) == (("first-day", "fresh"), ("day-30",))
    assert (one.left, one.passed) == (("gone",), ())


def test_what_should_have_been_done_by_now_is_not_asked_any_more() -> None:
    one = move(in_flight(), policy(), LATER)
    assert one is not None
    assert one.passed == ("first-day",)
    assert [task.step for task in one.after.tasks] == ["call", "fresh", "day-30"]


def test_no_step_is_made_twice_and_a_second_move_moves_nothing() -> None:
    one = move(in_flight(), policy(), NOW + timedelta(hours=1))
    assert one is not None
    moved = in_flight(playbook=one.after)
    made = [
        each.step
        for each in decide(moved, policy(), LATER).actions
        if isinstance(each, Upsert) and each.record_id is None
    ]
    assert "call" not in made
    assert "mail" not in made
    assert move(moved, policy(), LATER) is None
    assert move(in_flight(playbook=NEW), policy(), LATER) is None


def test_deals_without_a_handoff_that_runs_do_not_move() -> None:
    assert move(a_snapshot(), policy(), NOW) is None
    held = a_snapshot(deal={"champion": None})
    assert move(held, policy(), NOW) is None


def test_playbooks_that_add_go_with_the_first_that_fits() -> None:
    extra = dataclasses.replace(a_playbook(name="extra", tasks=(a_step("sponsor"),)), adds=True)
    large = dataclasses.replace(extra, name="large", when=when("amount", Op.AT_LEAST, Decimal(60000)))
    case = weigh(a_snapshot(), policy(extra, large, NEW, OLD), NOW)[0]
    both = present(case)
    assert both is not None
    assert (both.name, [task.step for task in both.tasks][-1]) == ("new + extra", "sponsor")
    assert read(text_of(both)) == both
    alone = present(weigh(a_snapshot(), policy(extra), NOW)[0])
    assert alone == extra
    plan = decide(a_snapshot(), policy(extra, NEW), NOW)
    assert plan.remember.playbook is not None
    assert plan.remember.playbook.name == "new + extra"
