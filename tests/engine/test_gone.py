"""Deals that disappear: what was still to be written is dropped, nothing of them stays in flight.

A deal that became part of another one lives on there, and so does its handoff.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import timedelta

import pytest
from engine.harness import SYSTEM, a_desk
from factories import a_playbook, a_policy, a_step
from late_parts import AT_ONCE

from connector.crm.writing import (
    Write,
    WriteOutcome,
)
from connector.handoff.model import Kind
from connector.handoff.plan import Phase
from connector.handoff.rulebook.playbooks import Do, Miss
from connector.store import State


def test_a_deal_deleted_in_the_middle_of_its_handoff_leaves_no_parked_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = a_desk()
    desk.run()
    deal_id = desk.a_deal()
    desk.run()
    desk.win(deal_id)
    real = desk.crm.apply

    def apply(writes: Sequence[Write]) -> tuple[WriteOutcome, ...]:
        if writes[0].kind is Kind.TASK:
            desk.crm.delete(deal_id)
            monkeypatch.setattr(desk.crm, "apply", real)
        return real(writes)

    monkeypatch.setattr(desk.crm, "apply", apply)
    desk.settle()
    counts = desk.store.counts(SYSTEM)
    assert counts[State.PARKED] == counts[State.PENDING] == 0
    handoff = desk.store.handoff(SYSTEM, deal_id)
    assert handoff is not None
    assert handoff.phase is Phase.LOST


def test_a_deleted_deal_is_not_looked_at_for_ever() -> None:
    desk = a_desk()
    desk.run()
    deal_id = desk.a_deal()
    desk.run()
    desk.win(deal_id)
    desk.settle()
    desk.crm.delete(deal_id)
    desk.clock.advance(timedelta(hours=1))
    desk.settle()
    desk.calls.clear()
    for _ in range(120):
        desk.run(minutes=1)
    assert desk.calls["fetch"] == 0
    assert desk.idle_minute() == {"changes.deal": 12}


def test_a_deal_that_comes_back_is_handed_off_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that came back empty, or a deal out of the recycle bin."""
    desk = a_desk()
    desk.run()
    deal_id = desk.a_deal()
    desk.run()
    desk.win(deal_id)
    with monkeypatch.context() as blind:
        blind.setattr(desk.crm, "fetch", lambda _ids, **_how: {})
        desk.run()
    assert not desk.tasks(deal_id)
    for _ in range(20):
        desk.run(minutes=1)
    assert len(desk.tasks(deal_id)) == 4
    assert desk.deal(deal_id)["status"] == "2 Welcome"


@pytest.mark.parametrize("lost", [False, True])
def test_a_merged_deal_hands_its_handoff_on_and_no_second_one_begins(*, lost: bool) -> None:
    desk = a_desk()
    desk.run()
    handed, other = desk.a_deal(), desk.a_deal(name="The same deal again")
    desk.run()
    desk.win(handed)
    desk.settle()
    tasks = {step: row.id for step, row in desk.tasks(handed).items()}
    notes = [row.id for row in desk.notes(handed)]
    told = len(desk.told)
    desk.win(other)
    desk.crm.merge(other, handed)
    if lost:
        desk.lose_ledger()
    desk.settle()
    assert {step: row.id for step, row in desk.tasks(other).items()} == tasks
    assert [row.id for row in desk.notes(other)] == notes
    assert len(desk.told) == told
    assert desk.deal(other)["status"] == "2 Welcome"
    heir = desk.store.handoff(SYSTEM, other)
    assert heir is not None
    assert heir.phase is Phase.IN_FLIGHT
    desk.clock.advance(timedelta(hours=1))
    desk.settle()
    assert {step: row.id for step, row in desk.tasks(other).items()} == tasks


def test_of_two_handoffs_that_are_merged_the_survivors_own_goes_on() -> None:
    desk = a_desk()
    desk.run()
    first, second = desk.a_deal(), desk.a_deal()
    desk.run()
    desk.win(first)
    desk.win(second)
    desk.settle()
    own = {row.id for row in desk.tasks(second).values()}
    desk.crm.merge(second, first)
    desk.settle()
    prefix = f"{SYSTEM}:{second}:"
    rows = [row for row in desk.crm.rows(Kind.TASK) if row.deal_id == second]
    assert {row.id for row in rows if (row.key or "").startswith(prefix)} == own
    assert len(rows) == 2 * len(own)


def test_a_merged_deal_goes_on_by_the_playbook_and_the_marks_of_the_one_it_came_from() -> None:
    """A step that came to the files since makes no task, and nobody is reminded a second time."""
    late = a_step("late", missed=(Miss(Do.REMIND, AT_ONCE),))
    plain = a_policy()
    kept = dataclasses.replace(
        plain, playbooks=(a_playbook(tasks=(late,)),), notify=dataclasses.replace(plain.notify, essential=False)
    )
    desk = a_desk(policy=kept)
    desk.run()
    handed, other = desk.a_deal(), desk.a_deal(name="The same deal again")
    desk.run()
    desk.win(handed)
    desk.settle()
    desk.clock.advance(timedelta(days=4))
    desk.settle()
    reminded = [one.key for one in desk.told if one.step.startswith("notify-late-")]
    assert len(reminded) == 1
    added = dataclasses.replace(kept, playbooks=(a_playbook(tasks=(late, a_step("added-later"))),))
    desk.restart(policy=added)
    desk.win(other)
    desk.crm.merge(other, handed)
    desk.settle()
    assert set(desk.tasks(other)) == {"late"}
    assert [one.key for one in desk.told if one.step.startswith("notify-late-")] == reminded
    heir = desk.store.facts(SYSTEM, [other])[other]
    assert heir.playbook == kept.playbooks[0]
