"""A handoff played against the calendar: the same answers the daemon would give, in another order of time."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from decimal import Decimal

import pytest
from factories import NOW, OPEN_STAGE, a_gap, a_playbook, a_policy, a_snapshot, a_step
from hypothesis import given, settings
from hypothesis import strategies as st
from late_parts import ALL, DAY, HOUR, LADDER, after_days
from tinyworld import World

from connector.handoff.decide import decide
from connector.handoff.picture import mermaid
from connector.handoff.plan import Notify
from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.playbooks import Draft, Extras, Miss, Playbook
from connector.handoff.rulebook.policy import Policy
from connector.handoff.simulate import Habit, Played, What, play

HIGH = Extras(priority="high")


def a_book(*steps: object) -> Policy:
    return a_policy(playbooks=(a_playbook(tasks=steps),), escalation=LADDER)


PLAN = a_book(
    a_step("welcome", limit=HOUR, missed=ALL, extras=HIGH),
    a_step("call", after="welcome", at_release=False),
    a_step("meet", draft=Draft(30, HOUR, with_customer=True), limit=DAY),
    a_step("day-7", trigger=after_days(7)),
    a_step("before-live", trigger=after_days(-2, "go_live_date")),
)


def told(played: Played, step: str) -> list[What]:
    return [event.what for event in played.events if event.step == step]


def test_nobody_does_anything() -> None:
    played = play(a_snapshot(), PLAN, NOW)
    late = [What.REMINDED, What.REASSIGNED, What.ESCALATED, What.ESCALATED, What.ESCALATED]
    assert [each for each in told(played, "welcome") if each is not What.MOVED] == [
        What.MADE,
        What.DUE,
        What.MISSED,
        *late,
    ]
    assert told(played, "call") == [What.WAITING]
    assert told(played, "day-7") == [What.MADE, What.DUE, What.MISSED]
    assert told(played, "before-live") == [What.WAITING]
    assert not played.pretended


def test_everybody_is_prompt() -> None:
    played = play(a_snapshot(), PLAN, NOW, habit=Habit.PROMPT)
    assert told(played, "welcome") == [What.MADE, What.DONE, What.DUE]
    assert told(played, "call") == [What.MADE, What.DONE, What.DUE]
    assert What.DONE in told(played, "meet")
    assert told(played, "day-7") == [What.MADE, What.DONE, What.DUE]
    assert not any(event.what in (What.MISSED, What.REMINDED, What.ESCALATED) for event in played.events)


def test_a_deal_that_is_not_won_is_played_as_if_it_were() -> None:
    played = play(a_snapshot(deal=a_gap(), stage=OPEN_STAGE, won_at=None), PLAN, NOW)
    assert played.pretended
    assert told(played, "welcome")[0] is What.MADE


def test_a_handoff_under_way_goes_on_by_its_own_playbook() -> None:
    world = World(policy=PLAN)
    world.run()
    world.close_task("welcome")
    world.policy = a_book(a_step("other"))
    played = play(world.snapshot, world.policy, world.now, habit=Habit.PROMPT)
    assert {event.step for event in played.events} == {"call", "meet", "day-7", "before-live"}
    assert told(played, "call") == [What.MADE, What.DONE, What.DUE]


def test_playing_writes_nothing_and_repeats_itself() -> None:
    snapshot = a_snapshot()
    assert play(snapshot, PLAN, NOW) == play(snapshot, PLAN, NOW)
    assert snapshot == a_snapshot()


def test_the_picture_names_every_step_and_what_follows() -> None:
    picture = mermaid(PLAN.playbooks[0], PLAN, day=Decimal(8))
    assert picture.startswith("flowchart TD\n")
    for task in PLAN.playbooks[0].tasks:
        assert f"<b>{task.step}</b>" in picture
    assert 'start -- "7 days after the win" --> t4' in picture
    assert "t1 --> t2" in picture
    assert "tell the ae_manager, 1 working day" in picture
    hostile = dataclasses.replace(PLAN.playbooks[0], name='a"] --> x["\n<script>')
    assert "<script>" not in mermaid(hostile, PLAN, day=Decimal(8))
    assert len(mermaid(hostile, PLAN, day=Decimal(8)).splitlines()) == len(picture.splitlines())


STEPS = ("a", "b", "c", "d", "e")


@st.composite
def books(draw: st.DrawFn) -> Playbook:
    """Steps that begin with the handoff, after an earlier one, or on a day; some with consequences."""
    tasks = []
    for number, step in enumerate(STEPS[: draw(st.integers(1, 5))]):
        kind = draw(st.sampled_from(("release", "after", "later", "day", "date")))
        limit = Limit(Decimal(draw(st.integers(1, 40))), draw(st.sampled_from(Clock)))
        missed: tuple[Miss, ...] = draw(st.sampled_from(((), ALL[:1], ALL)))
        changes: dict[str, object] = {"limit": limit, "missed": missed, "extras": HIGH}
        if kind in ("after", "later") and number:
            changes |= {"after": draw(st.sampled_from(STEPS[:number])), "at_release": kind == "after"}
        elif kind == "day":
            changes["trigger"] = after_days(draw(st.integers(0, 30)))
        elif kind == "date":
            changes["trigger"] = after_days(draw(st.integers(-20, 20)), "go_live_date")
        tasks.append(a_step(step, **changes))
    return a_playbook(tasks=tuple(tasks))


@given(
    book=books(), hours=st.lists(st.integers(1, 400), max_size=6), doing=st.lists(st.sampled_from(STEPS), max_size=6)
)
@settings(max_examples=100, deadline=None)
def test_no_task_twice_and_each_that_was_made_stands_somewhere(
    book: Playbook, hours: list[int], doing: list[str]
) -> None:
    world = World(policy=a_policy(playbooks=(book,), escalation=LADDER))
    made: dict[str, int] = {}
    for place, wait in enumerate([0, *hours]):
        world.wait(hours=wait)
        world.run()
        # What is made long after its day is late at once: that is told then, and nothing more.
        assert all(isinstance(action, Notify) for action in world.run().actions)
        assert world.run().actions == ()
        if place < len(doing) and doing[place] in world.steps():
            world.close_task(doing[place])
        for step in world.steps():
            made[step] = world.steps().count(step)
    world.run()
    made |= {step: world.steps().count(step) for step in world.steps()}
    assert set(made.values()) <= {1}
    assert len(world.told) == len(set(world.told))
    states = {one.step: one.state for one in world.decide().tasks}
    assert states.keys() == {task.step for task in book.tasks}
    for step in made:
        assert states[step] in ("done", "open")
    assert all(states[step] in ("waiting", "late", "planned", "done") for step in states.keys() - made.keys())
    assert decide(world.snapshot, world.policy, world.now) == decide(world.snapshot, world.policy, world.now)


@pytest.mark.parametrize("habit", Habit)
@given(book=books())
@settings(max_examples=25, deadline=None)
def test_every_task_that_is_made_is_done_or_missed_in_the_end(habit: Habit, book: Playbook) -> None:
    played = play(
        a_snapshot(), a_policy(playbooks=(book,), escalation=LADDER), NOW, habit=habit, days=timedelta(days=90)
    )
    made = [event.step for event in played.events if event.what is What.MADE]
    assert len(made) == len(set(made))
    for step in made:
        whats = told(played, step)
        begun = What.DUE in whats
        assert not begun or (What.DONE in whats) != (What.MISSED in whats)
        assert habit is not Habit.IDLE or What.DONE not in whats
