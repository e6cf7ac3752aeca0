"""Steps called automated that a person touched: closed, changed, deleted, redrafted; and the CSM's comments."""

from __future__ import annotations

import dataclasses

import pytest
from factories import a_playbook, a_policy, a_snapshot, a_step
from tinyworld import World

from connector.handoff.byhand import ByHand, Touch
from connector.handoff.model import Touch as Contact
from connector.handoff.model import TouchKind
from connector.handoff.rulebook.playbooks import Playbook, Signal, SignalKind
from connector.handoff.rulebook.policy import Policy
from connector.store.codec import plan_to_json

CALL = Signal(SignalKind.CALL_LOGGED)
OWN = Signal(SignalKind.TASK_CLOSED)


def policy() -> Policy:
    book: Playbook = a_playbook()
    steps = (a_step("call", done_when=(CALL, OWN)), a_step("read", done_when=(OWN,)))
    return a_policy(playbooks=(dataclasses.replace(book, tasks=steps),))


@pytest.fixture
def world() -> World:
    world = World(a_snapshot(), policy=policy())
    world.run()
    world.run()
    return world


def touches(world: World) -> tuple[ByHand, ...]:
    return world.run().by_hand


def test_nobody_touched_a_handoff_that_goes_by_itself(world: World) -> None:
    assert touches(world) == ()
    assert "by_hand" not in plan_to_json(world.decide())


def test_a_task_closed_though_a_call_was_awaited_is_a_touch_and_one_meant_to_be_closed_is_none(world: World) -> None:
    world.close_task("read")
    assert touches(world) == ()
    world.close_task("call")
    assert touches(world) == (ByHand("call", Touch.CLOSED),)
    told = plan_to_json(world.decide())["by_hand"]
    assert told == [{"step": "call", "touch": "closed by hand, not by its signal"}]


def test_a_step_that_its_signal_closed_is_none(world: World) -> None:
    call = Contact(TouchKind.CALL, world.now, world.task("call").owner_id)
    world.snapshot = dataclasses.replace(world.snapshot, touches=(call,))
    world.wait(minutes=5)
    world.run()
    assert world.task("call").done
    assert touches(world) == ()


def test_deleting_and_changing_are_touches(world: World) -> None:
    world.delete_task("call")
    task = world.task("read")
    changed = dataclasses.replace(task, subject="Read it, please")
    others = tuple(one for one in world.snapshot.tasks if one.id != task.id)
    world.snapshot = dataclasses.replace(world.snapshot, tasks=(*others, changed))
    assert set(touches(world)) == {ByHand("call", Touch.DELETED), ByHand("read", Touch.CHANGED)}


def test_an_edited_summary_note_is_a_touch(world: World) -> None:
    notes = tuple(dataclasses.replace(note, body=f"{note.body}\nMy own line.") for note in world.snapshot.notes)
    assert notes
    world.snapshot = dataclasses.replace(world.snapshot, notes=notes)
    assert [one.touch for one in touches(world)] == [Touch.REWRITTEN]


def test_what_the_csm_wrote_is_kept_for_the_review(world: World) -> None:
    world.edit({"reject_note": "  The champion had left\nbefore the close. "})
    assert world.decide().comments == ("The champion had left before the close.",)
