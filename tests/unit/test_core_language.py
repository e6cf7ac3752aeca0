"""The language of playbooks: what makes a task begin, what proves it done, what follows when nobody does it."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from factories import (
    AE,
    DANA,
    MANAGER,
    NOW,
    PEOPLE,
    PRIYA,
    TOMAS,
    WON_AT,
    a_calendar,
    a_playbook,
    a_policy,
    a_snapshot,
    a_step,
    when,
)
from late_parts import ALL, AT_ONCE, DAY, HOUR, LADDER, after_days
from tinyworld import World

from connector.handoff.calendar import days_from, quiet_until
from connector.handoff.decide import decide, weigh
from connector.handoff.model import Outcome, Touch, TouchKind
from connector.handoff.pausing import withhold
from connector.handoff.plan import Notify, Plan, Upsert, Verdict
from connector.handoff.playbook_text import read, restricted, text_of, version_of
from connector.handoff.rulebook.calendars import Clock, Days, Limit, Quiet, Team, TeamCalendar, Window
from connector.handoff.rulebook.conditions import Condition, Op
from connector.handoff.rulebook.people import Away, Escalation, Role, Rung
from connector.handoff.rulebook.playbooks import (
    Do,
    Draft,
    Extras,
    Miss,
    Playbook,
    Signal,
    SignalKind,
    Trigger,
    TriggerKind,
)
from connector.handoff.rulebook.policy import Policy
from connector.handoff.steps import walk


def book(*steps: Any, **changes: Any) -> Policy:
    return a_policy(playbooks=(a_playbook(tasks=steps),), **changes)


def a_world(*steps: Any, **changes: Any) -> World:
    world = World(policy=book(*steps, **changes))
    world.run()
    return world


def state(plan: Plan, step: str) -> tuple[str, str]:
    return next((one.state, one.why) for one in plan.tasks if one.step == step)


def told(plan: Plan) -> list[tuple[str, str]]:
    return [(one.to_id, one.subject) for one in plan.actions if isinstance(one, Notify) and "late" in one.step]


def to_monday(world: World, *, days: int) -> datetime:
    """Nine in the morning, Berlin, so many days after the Tuesday of the win."""
    return datetime(2026, 3, 3, 8, 0, tzinfo=UTC) + timedelta(days=days)


# --- triggers ---------------------------------------------------------------------------------------------------------


def test_a_task_of_day_seven_is_made_on_day_seven_and_not_before() -> None:
    world = a_world(a_step("day-7", trigger=after_days(7), limit=DAY))
    assert world.steps() == []
    plan = world.decide()
    assert plan.recheck_at == datetime(2026, 3, 10, 8, 0, tzinfo=UTC)
    assert state(plan, "day-7") == (
        "waiting",
        "Its task is made when its day comes, 10 Mar 2026: 7 days after the win.",
    )
    world.now = plan.recheck_at - timedelta(seconds=1)
    assert world.run().actions == ()
    world.wait(seconds=1)
    world.run()
    assert world.steps() == ["day-7"]
    assert world.task("day-7").due == date(2026, 3, 10)
    assert world.run().actions == ()


def test_a_sweep_that_comes_late_makes_each_task_once() -> None:
    world = a_world(*(a_step(f"day-{n}", trigger=after_days(n)) for n in (7, 14, 21)))
    world.wait(days=16)
    world.run()
    world.run()
    assert world.steps() == ["day-7", "day-14"]
    assert len(set(world.made)) == len(world.made)


def test_nobody_wants_a_task_of_day_seven_two_months_later() -> None:
    world = a_world(a_step("day-7", trigger=after_days(7)))
    world.wait(days=60)
    plan = world.run()
    assert world.steps() == []
    assert state(plan, "day-7")[0] == "late"


@pytest.mark.parametrize(
    ("trigger", "begins"),
    [
        (after_days(4), date(2026, 3, 9)),
        (after_days(2, "released", Days.WORKING), date(2026, 3, 5)),
        (after_days(4, "released", Days.WORKING), date(2026, 3, 9)),
        (after_days(-3, "go_live_date", Days.WORKING), date(2026, 3, 25)),
        (after_days(-1, "go_live_date"), date(2026, 3, 27)),
        (after_days(0, "go_live_date"), date(2026, 3, 30)),
    ],
    ids=["a Saturday gives way", "working days", "over a weekend", "before a date", "back over a weekend", "the day"],
)
def test_anchors_and_days(trigger: Trigger, begins: date) -> None:
    world = World(a_snapshot(deal={"go_live_date": date(2026, 3, 30)}), policy=book(a_step("one", trigger=trigger)))
    world.run()
    plan = world.decide()
    assert plan.recheck_at is not None
    assert plan.recheck_at.date() == begins


def test_a_day_before_the_handoff_began_is_today() -> None:
    policy = book(a_step("prepare", trigger=after_days(-10, "go_live_date")))
    world = World(a_snapshot(deal={"go_live_date": date(2026, 3, 6)}), policy=policy)
    world.run()
    assert world.steps() == ["prepare"]


def test_an_empty_anchor_is_waited_for() -> None:
    world = a_world(a_step("prepare", trigger=after_days(-2, "go_live_date")))
    plan = world.decide()
    assert state(plan, "prepare") == ("waiting", "Its task is made when Go live date is filled.")
    assert plan.recheck_at is None
    assert plan.tasks[0].due is None
    world.edit({"go_live_date": date(2026, 3, 20)})
    world.now = datetime(2026, 3, 18, 9, 0, tzinfo=UTC)
    world.run()
    assert world.steps() == ["prepare"]


def test_an_anchor_that_moves_takes_an_untouched_task_along() -> None:
    world = World(
        a_snapshot(deal={"go_live_date": date(2026, 3, 20)}),
        policy=book(a_step("prepare", trigger=after_days(-2, "go_live_date"))),
    )
    world.run()
    world.now = datetime(2026, 3, 18, 9, 0, tzinfo=UTC)
    world.run()
    world.edit({"go_live_date": date(2026, 4, 20)})
    world.run()
    assert world.steps() == ["prepare"]
    assert world.task("prepare").due == date(2026, 4, 17)


def test_a_field_that_says_so_begins_a_task_for_good() -> None:
    trigger = Trigger(TriggerKind.WHEN, when=when("amount", Op.AT_LEAST, Decimal(50000)))
    world = a_world(a_step("sponsor", trigger=trigger, limit=DAY), a_step("tell", after="sponsor", at_release=False))
    assert state(world.decide(), "sponsor") == ("waiting", "Its task is made when Amount says so.")
    world.wait(days=1)
    world.edit({"amount": Decimal(50000)})
    began = world.now
    world.run()
    assert world.steps() == ["sponsor"]
    world.edit({"amount": Decimal(1)})
    world.wait(days=1)
    assert world.run().remember.marks["began:sponsor"] == began
    world.delete_task("sponsor")
    world.run()
    assert world.steps() == []


def test_a_stage_that_is_entered_begins_a_task() -> None:
    world = a_world(a_step("signed", trigger=Trigger(TriggerKind.STAGE, stage="Live")))
    assert state(world.decide(), "signed")[1] == "Its task is made when the deal enters Live."
    world.wait(days=2)
    stage = dataclasses.replace(world.snapshot.stage, id="st-9", label="live")
    world.snapshot = dataclasses.replace(world.snapshot, stage=stage, stage_since=world.now)
    world.run()
    assert world.steps() == ["signed"]


def test_a_step_after_a_day_waits_for_it() -> None:
    world = a_world(a_step("day-7", trigger=after_days(7)), a_step("recap", after="day-7", at_release=False))
    world.now = to_monday(world, days=8)
    world.run()
    assert world.steps() == ["day-7"]
    world.close_task("day-7")
    world.run()
    assert world.steps() == ["day-7", "recap"]


# --- signals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signal", "kind"),
    [
        (SignalKind.EMAIL_LOGGED, TouchKind.EMAIL),
        (SignalKind.CALL_LOGGED, TouchKind.CALL),
        (SignalKind.MEETING_HELD, TouchKind.MEETING),
    ],
)
def test_a_logged_contact_of_the_csm_closes_the_task(signal: SignalKind, kind: TouchKind) -> None:
    world = a_world(a_step("reach", done_when=(Signal(SignalKind.TASK_CLOSED), Signal(signal))))
    csm = world.task("reach").owner_id
    strangers = (
        Touch(kind, WON_AT - timedelta(hours=2), csm),
        Touch(kind, world.now + timedelta(hours=1), PRIYA),
        Touch(kind, world.now + timedelta(days=9), csm),
    )
    world.snapshot = dataclasses.replace(world.snapshot, touches=strangers)
    world.wait(hours=2)
    assert world.run().actions == ()
    at = world.now - timedelta(minutes=5)
    world.snapshot = dataclasses.replace(world.snapshot, touches=(*strangers, Touch(kind, at, csm)))
    plan = world.run()
    assert world.task("reach").done
    assert plan.remember.done_signals == {"reach": at}
    assert state(plan, "reach")[1] == f"Seen done on 3 Mar 2026: a {kind} was logged."


def test_a_meeting_in_the_calendar_proves_that_one_was_agreed_on() -> None:
    world = a_world(a_step("agree", done_when=(Signal(SignalKind.MEETING_PLANNED),)))
    csm = world.task("agree").owner_id
    before = Touch(TouchKind.MEETING, WON_AT - timedelta(hours=2), csm)
    strangers = Touch(TouchKind.MEETING, world.now + timedelta(days=3), PRIYA)
    world.snapshot = dataclasses.replace(world.snapshot, touches=(before, strangers))
    world.wait(hours=2)
    assert world.run().actions == ()
    coming = Touch(TouchKind.MEETING, world.now + timedelta(days=3), csm)
    world.snapshot = dataclasses.replace(world.snapshot, touches=(before, strangers, coming))
    plan = world.run()
    assert plan.remember.done_signals == {"agree": world.now}
    assert state(plan, "agree")[1] == "Seen done on 3 Mar 2026: a meeting is in the calendar."
    world.snapshot = dataclasses.replace(world.snapshot, touches=())
    assert world.run().actions == ()
    assert world.task("agree").done


def test_a_meeting_that_was_only_proposed_shows_no_agreement() -> None:
    kickoff = a_step("kickoff", draft=Draft(30, HOUR, with_customer=True), limit=DAY)
    world = a_world(kickoff, a_step("agree", done_when=(Signal(SignalKind.MEETING_PLANNED),)))
    world.wait(days=3)
    world.run()
    assert not world.task("agree").done
    world.edit_meeting("kickoff", outcome=Outcome.HELD)
    world.run()
    assert world.task("agree").done


@pytest.mark.parametrize("by_field", [True, False], ids=["field", "mail"])
def test_an_answer_of_the_customer_closes_the_task(*, by_field: bool) -> None:
    world = a_world(a_step("ask", done_when=(Signal(SignalKind.CUSTOMER_REPLIED),)))

    def answer(at: datetime) -> None:
        if by_field:
            world.edit({"replied_at": at})
        else:
            world.snapshot = dataclasses.replace(world.snapshot, replies=(*world.snapshot.replies, at))

    answer(WON_AT - timedelta(days=1))
    world.wait(hours=3)
    assert world.run().actions == ()
    answer(world.now - timedelta(minutes=1))
    plan = world.run()
    assert world.task("ask").done
    assert state(plan, "ask")[1] == "Seen done on 3 Mar 2026: the customer wrote back."


def test_a_meeting_of_the_playbook_that_was_held_proves_another_step() -> None:
    kickoff = a_step("kickoff", draft=Draft(30, HOUR, with_customer=True), limit=DAY)
    world = a_world(kickoff, a_step("meet", done_when=(Signal(SignalKind.MEETING_HELD),)))
    world.wait(days=3)
    world.edit_meeting("kickoff", outcome=Outcome.HELD)
    world.run()
    assert world.task("meet").done


def test_a_field_over_a_threshold_closes_the_task() -> None:
    signal = Signal(SignalKind.FIELD_IS, when=when("amount", Op.AT_LEAST, Decimal(20000)))
    world = a_world(a_step("grow", done_when=(signal,)))
    assert not world.task("grow").done
    world.edit({"amount": Decimal(20000)})
    world.run()
    assert world.task("grow").done


# --- a handoff keeps its playbook -------------------------------------------------------------------------------------


def test_a_step_that_is_added_later_makes_no_task_for_a_handoff_that_began_before() -> None:
    world = a_world(a_step("one"))
    world.policy = book(a_step("one"), a_step("two"), a_step("day-3", trigger=after_days(3)))
    world.wait(days=5)
    plan = world.run()
    assert world.steps() == ["one"]
    assert [one.step for one in plan.tasks] == ["one"]
    assert "as it was when the handoff began (version " in "".join(finding.reason for finding in plan.findings)
    new = World(policy=world.policy)
    new.run()
    assert new.steps() == ["one", "two"]


def test_a_playbook_that_comes_later_is_not_for_a_handoff_that_had_none() -> None:
    world = World(policy=a_policy(playbooks=()))
    world.run()
    world.policy = a_policy()
    world.run()
    assert world.steps() == []


def test_a_new_generation_takes_the_new_playbook() -> None:
    world = a_world(a_step("one"))
    world.policy = book(a_step("two"))
    world.reopen()
    world.run()
    world.wait(days=60)
    world.win()
    world.run()
    assert world.steps() == ["one", "two"]


def test_a_handoff_from_before_playbooks_were_kept_has_the_steps_it_had() -> None:
    world = a_world(a_step("one"), a_step("three", after="one"))
    ledger = dataclasses.replace(world.snapshot.ledger, playbook=None, steps=frozenset({"one", "three"}))
    world.snapshot = dataclasses.replace(world.snapshot, ledger=ledger)
    world.policy = book(a_step("one"), a_step("two", after="one"), a_step("three", after="two"))
    plan = world.run()
    assert world.steps() == ["one", "three"]
    assert plan.remember.playbook is not None
    assert [(task.step, task.after) for task in plan.remember.playbook.tasks] == [("one", ""), ("three", "one")]


def test_signals_and_reminders_that_come_to_the_playbook_are_for_handoffs_that_begin_afterwards() -> None:
    signals = (Signal(SignalKind.TASK_CLOSED), Signal(SignalKind.CALL_LOGGED))
    newer = book(a_step("one", missed=ALL, done_when=signals, extras=Extras(priority="high")), escalation=LADDER)
    for forgotten in ({}, {"playbook": None, "steps": frozenset({"one"})}):
        world = a_world(a_step("one"))
        ledger = dataclasses.replace(world.snapshot.ledger, **forgotten)
        called = Touch(TouchKind.CALL, world.now + timedelta(hours=1), world.task("one").owner_id)
        world.snapshot = dataclasses.replace(world.snapshot, ledger=ledger, touches=(called,))
        world.policy = newer
        for _ in range(20):
            world.wait(days=1)
            assert [one for one in world.run().actions if isinstance(one, Notify)] == []
        assert not world.task("one").done
    new = World(policy=newer)
    new.run()
    new.wait(days=2)
    assert told(new.run()) == [(new.task("one").owner_id, "Late: One: Nordlys AS")]


def test_a_lost_ledger_goes_on_by_the_present_playbook_and_doubles_nothing() -> None:
    world = a_world(a_step("one"), a_step("day-3", trigger=after_days(3)))
    world.wait(days=6)
    world.run()
    world.lose_ledger()
    world.run()
    assert world.steps() == ["one", "day-3"]
    assert len(set(world.made)) == len(world.made)


def test_a_playbook_comes_back_from_its_text() -> None:
    whole = a_playbook(
        when=Condition(
            (*when("segment", Op.IN, ("small", "mid")).tests, *when("amount", Op.AT_MOST, Decimal("9.5")).tests)
        ),
        tasks=(
            a_step(
                "a", trigger=after_days(-2, "go_live_date", Days.WORKING), missed=(Miss(Do.REASSIGN, DAY, Role.AE),)
            ),
            a_step("b", draft=Draft(30, HOUR, with_customer=True, invite=(Role.AE,)), extras=Extras(priority="high")),
            a_step(
                "c", done_when=(Signal(SignalKind.FIELD_IS, when=when("close_date", Op.AT_LEAST, date(2026, 1, 2))),)
            ),
        ),
    )
    assert read(text_of(whole)) == whole
    assert version_of(read(text_of(whole))) == version_of(whole)
    with pytest.raises(ValueError, match="not a playbook"):
        read('{"name": 1, "tasks": 5}')


def test_a_circle_that_lost_its_steps_is_no_circle() -> None:
    ring = Playbook("ring", Condition(), (a_step("a", after="b"), a_step("b", after="a"), a_step("c", after="b")))
    assert [one.after for one in restricted(ring, frozenset({"c"})).tasks] == [""]


# --- what follows when nobody does it ---------------------------------------------------------------------------------


def late_world(*, missed: tuple[Miss, ...] = ALL, **changes: Any) -> World:
    policy = book(a_step("call", limit=HOUR, missed=missed, extras=Extras(priority="high")), escalation=LADDER)
    return World(policy=dataclasses.replace(policy, **changes))


def test_a_late_task_goes_up_step_by_step_each_once() -> None:
    world = late_world()
    world.run()
    csm = world.task("call").owner_id
    heard: list[tuple[datetime, str]] = []
    while (ahead := world.decide().recheck_at) is not None:
        world.now = ahead
        plan = world.run()
        heard += [(world.now, to) for to, _ in told(plan)]
        assert told(world.run()) == []
    due = datetime(2026, 3, 3, 10, 5, tzinfo=UTC)
    assert heard == [
        (due, csm),
        (due + timedelta(days=1), DANA),
        (due + timedelta(days=2), AE),
        (due + timedelta(days=3), MANAGER),
        (due + timedelta(days=6), DANA),
    ]
    assert world.task("call").owner_id == DANA
    assert len(set(world.told)) == len(world.told)


def test_what_is_done_or_deleted_is_not_told_of() -> None:
    for leave in (World.close_task, World.delete_task):
        world = late_world()
        world.run()
        leave(world, "call")
        world.wait(days=9)
        assert told(world.run()) == []


def test_after_a_long_silence_not_everything_comes_in_one_breath() -> None:
    world = late_world()
    world.run()
    world.wait(days=9)
    assert [to for to, _ in told(world.run())] == [TOMAS]
    assert world.task("call").owner_id == TOMAS


def test_nobody_is_told_at_night_unless_asked() -> None:
    won = datetime(2026, 3, 6, 15, 50, tzinfo=UTC)
    wall = Limit(Decimal(4), Clock.WALL)
    for any_hour, hour in ((False, datetime(2026, 3, 9, 8, 0, tzinfo=UTC)), (True, won + timedelta(hours=4))):
        policy = book(a_step("call", limit=wall, missed=ALL, extras=Extras(priority="high")), escalation=LADDER)
        policy = dataclasses.replace(policy, notify=dataclasses.replace(policy.notify, any_hour=any_hour))
        world = World(a_snapshot(won_at=won), policy=policy, now=won)
        world.run()
        while not told(world.run()):
            ahead = world.decide().recheck_at
            assert ahead is not None
            world.now = ahead
        assert world.now == hour


def test_only_what_is_essential_is_said_unless_asked() -> None:
    for level, heard in ((True, []), (False, [TOMAS])):
        policy = book(a_step("call", limit=HOUR, missed=ALL[:1]))
        policy = dataclasses.replace(policy, notify=dataclasses.replace(policy.notify, essential=level))
        world = World(policy=policy)
        world.run()
        world.wait(hours=2)
        plan = world.run()
        assert [to for to, _ in told(plan)] == heard
    assert "late:call:remind-0" in plan.remember.marks


def test_a_step_whose_turn_has_not_come_is_late_for_nobody() -> None:
    policy = book(a_step("one", limit=HOUR), a_step("two", after="one", limit=HOUR, missed=ALL), escalation=LADDER)
    world = World(policy=policy)
    world.run()
    world.wait(days=5)
    assert told(world.run()) == []


def test_a_lost_ledger_tells_nobody_again() -> None:
    world = late_world()
    world.run()
    world.wait(hours=3)
    assert told(world.run())
    world.lose_ledger()
    assert told(world.run()) == []
    assert told(world.run()) == []


def rung(*roles: Role, after: Limit = AT_ONCE) -> Rung:
    return Rung(roles, (), after)


def test_who_stands_on_two_rungs_of_one_moment_reads_it_once() -> None:
    """The AE's manager is the CSM's as well, and both rungs come at once."""
    boss = {each: dataclasses.replace(PEOPLE[each], manager_id=MANAGER) for each in PEOPLE if each != MANAGER}
    ladder = Escalation((rung(Role.AE_MANAGER), rung(Role.CSM_MANAGER), rung(Role.AE_MANAGER, after=DAY)))
    step = a_step("one", missed=(Miss(Do.ESCALATE, AT_ONCE),))
    world = World(a_snapshot(people={**PEOPLE, **boss}), policy=book(step, escalation=ladder))
    world.run()
    world.wait(days=1)
    world.now = world.now.replace(hour=9)
    assert told(world.run()) == [(MANAGER, "Still open: One: Nordlys AS")]
    assert told(world.run()) == []
    world.wait(days=1)
    assert told(world.run()) == [(MANAGER, "Still open: One: Nordlys AS")], "a day later it is another message"


def test_who_stands_on_two_rungs_of_one_digest_reads_it_once() -> None:
    ladder = Escalation((rung(Role.AE_MANAGER), rung(Role.AE_MANAGER, after=HOUR), rung(Role.AE_MANAGER, after=DAY)))
    step = a_step("one", missed=(Miss(Do.ESCALATE, AT_ONCE),))
    notify = dataclasses.replace(a_policy().notify, digest=True)
    world = World(policy=book(step, escalation=ladder, notify=notify))
    world.run()
    world.now = to_monday(world, days=1) + timedelta(hours=2)
    found = []
    for _ in range(3):
        found.append(told(world.run()))
        world.wait(hours=2)
    assert found == [[(MANAGER, "Still open: One: Nordlys AS")], [], []]
    world.wait(days=1)
    assert told(world.run()) == [(MANAGER, "Still open: One: Nordlys AS")]


def test_what_would_reach_nobody_goes_to_the_fallback() -> None:
    alone = {each: dataclasses.replace(person, manager_id=None) for each, person in PEOPLE.items()}
    step = a_step("one", missed=(Miss(Do.ESCALATE, AT_ONCE),))
    ladder = Escalation((Rung((), ("nobody@seller.example",), AT_ONCE),))
    world = World(a_snapshot(people=alone), policy=book(step, escalation=ladder))
    world.run()
    world.wait(days=2)
    assert told(world.run()) == [(DANA, "Still open: One: Nordlys AS")]
    assert told(world.run()) == []


def test_where_nobody_is_there_at_all_it_does_not_count_as_told() -> None:
    gone = {**PEOPLE, DANA: dataclasses.replace(PEOPLE[DANA], active=False)}
    step = a_step("one", missed=(Miss(Do.ESCALATE, AT_ONCE),))
    ladder = Escalation((Rung((), ("nobody@seller.example",), AT_ONCE), Rung((), ("no@seller.example",), HOUR)))
    world = World(a_snapshot(people=gone), policy=book(step, escalation=ladder))
    world.run()
    world.wait(days=2)
    plan = world.run()
    assert (told(plan), plan.recheck_at is not None) == ([], True)
    world.wait(hours=2)
    plan = world.run()
    (late,) = [one for one in plan.findings if one.rule == "late"]
    assert late.verdict is Verdict.BLOCKED
    assert plan.recheck_at == world.now + timedelta(hours=1)
    world.snapshot = dataclasses.replace(world.snapshot, people=PEOPLE)
    world.wait(hours=1)
    assert told(world.run()) == [(DANA, "Still open: One: Nordlys AS")]
    assert told(world.run()) == []


def test_managers_that_the_crm_does_not_know_are_named() -> None:
    named = dataclasses.replace(LADDER, managers={PEOPLE[AE].email: PEOPLE[PRIYA].email})
    world = late_world(missed=(Miss(Do.REASSIGN, AT_ONCE, Role.AE_MANAGER),), escalation=named)
    world.run()
    world.wait(hours=2)
    world.run()
    assert world.task("call").owner_id == PRIYA
    nobody = late_world(missed=(Miss(Do.REASSIGN, AT_ONCE, Role.CSM_MANAGER),))
    nobody.run()
    nobody.wait(hours=2)
    nobody.run()
    assert nobody.task("call").owner_id == DANA


# --- calendars of teams -----------------------------------------------------------------------------------------------


def test_friday_afternoon_sales_acts_now_and_cs_begins_on_monday() -> None:
    """Customer success stops at three on Fridays; Sales works until six."""
    friday = datetime(2026, 3, 6, 14, 30, tzinfo=UTC)
    sales = a_calendar(name="sales", windows=tuple(Window(day, 540, 1080) for day in range(5)))
    cs = a_calendar(name="cs", windows=tuple(Window(day, 540, 900 if day == 4 else 1020) for day in range(5)))
    policy = book(
        a_step("welcome", owner=Role.AE, limit=Limit(Decimal(2), Clock.BUSINESS)),
        a_step("setup", limit=Limit(Decimal(2), Clock.BUSINESS)),
        calendars=(TeamCalendar(sales, Team.SALES), TeamCalendar(cs, Team.CS)),
    )
    world = World(a_snapshot(won_at=friday), policy=policy, now=friday)
    world.run()
    assert {step: world.task(step).due for step in world.steps()} == {
        "welcome": date(2026, 3, 6),
        "setup": date(2026, 3, 9),
    }


@pytest.mark.parametrize(
    ("owner", "held", "due"),
    [
        (Role.PHASE, "", date(2026, 3, 6)),
        (Role.FIRST_AVAILABLE, "", date(2026, 3, 6)),
        (Role.FIRST_AVAILABLE, "csm", date(2026, 3, 9)),
    ],
    ids=["the AE's phase", "the AE is free", "the CSM has it"],
)
def test_what_is_for_either_goes_by_the_hours_of_who_does_it(owner: Role, held: str, due: date) -> None:
    """Customer success stops at three on Fridays; Sales works until six."""
    friday = datetime(2026, 3, 6, 14, 30, tzinfo=UTC)
    sales = a_calendar(name="sales", windows=tuple(Window(day, 540, 1080) for day in range(5)))
    cs = a_calendar(name="cs", windows=tuple(Window(day, 540, 900 if day == 4 else 1020) for day in range(5)))
    policy = book(
        a_step("either", owner=owner, limit=Limit(Decimal(2), Clock.BUSINESS)),
        calendars=(TeamCalendar(sales, Team.SALES), TeamCalendar(cs, Team.CS)),
    )
    world = World(a_snapshot(won_at=friday), policy=policy, now=friday)
    world.run()
    if held == "csm":
        world.edit_task("either", owner_id=world.snapshot.deal.get("csm"))
    (step,) = walk(weigh(world.snapshot, policy, friday)[0])
    assert step.due == due
    assert step.clocked.owner is (Role.CSM if held else Role.AE)


def test_a_day_after_sales_time_begins_in_the_morning_of_customer_success() -> None:
    monday = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    early = a_calendar(name="sales", windows=tuple(Window(day, 420, 1020) for day in range(5)))
    policy = book(
        a_step("day-3", owner=Role.PHASE, trigger=after_days(3)), calendars=(TeamCalendar(early, Team.SALES),)
    )
    world = World(a_snapshot(won_at=monday), policy=policy, now=monday)
    world.run()
    (step,) = walk(weigh(world.snapshot, policy, monday)[0])
    assert step.begins == datetime(2026, 3, 5, 8, 0, tzinfo=UTC), "nine in Berlin, not seven"


def test_a_calendar_is_for_a_pool_or_a_country() -> None:
    monday_off = a_calendar(name="holiday", holidays=frozenset({date(2026, 3, 9)}))
    step = a_step("one", limit=Limit(Decimal(8), Clock.BUSINESS), trigger=after_days(6))
    for calendar, due in (
        (TeamCalendar(monday_off, pools=("growth",)), date(2026, 3, 10)),
        (TeamCalendar(monday_off, pools=("enterprise",)), date(2026, 3, 9)),
        (TeamCalendar(monday_off, countries=("norway",)), date(2026, 3, 10)),
        (TeamCalendar(monday_off, countries=("Chile",)), date(2026, 3, 9)),
        (TeamCalendar(monday_off, Team.SALES), date(2026, 3, 9)),
    ):
        world = World(a_snapshot(account={"country": "Norway"}), policy=book(step, calendars=(calendar,)))
        world.run()
        world.now = datetime(2026, 3, 10, 10, 0, tzinfo=UTC)
        world.run()
        assert world.task("one").due == due


def test_in_quiet_hours_messages_wait_and_tasks_do_not() -> None:
    night = datetime(2026, 3, 3, 21, 30, tzinfo=UTC)
    quiet = dataclasses.replace(a_policy().notify, quiet=Quiet(21 * 60, 7 * 60))
    plan = decide(a_snapshot(won_at=night), a_policy(notify=quiet), night)
    (told_csm,) = (one for one in plan.actions if isinstance(one, Notify))
    assert told_csm.not_before == datetime(2026, 3, 4, 6, 0, tzinfo=UTC)
    assert told_csm.reason.endswith(", when the quiet hours end at 07:00.")
    assert sum(isinstance(one, Upsert) for one in plan.actions) == 5
    morning = decide(a_snapshot(), a_policy(notify=quiet), NOW)
    assert [one.not_before for one in morning.actions if isinstance(one, Notify)] == [None]


@pytest.mark.parametrize(
    ("hours", "at", "until"),
    [
        (Quiet(1260, 420), datetime(2026, 3, 3, 22, 0, tzinfo=UTC), datetime(2026, 3, 4, 6, 0, tzinfo=UTC)),
        (Quiet(1260, 420), datetime(2026, 3, 4, 5, 59, tzinfo=UTC), datetime(2026, 3, 4, 6, 0, tzinfo=UTC)),
        (Quiet(1260, 420), datetime(2026, 3, 4, 6, 0, tzinfo=UTC), None),
        (Quiet(720, 780), datetime(2026, 3, 4, 11, 30, tzinfo=UTC), datetime(2026, 3, 4, 12, 0, tzinfo=UTC)),
        (Quiet(720, 780), datetime(2026, 3, 4, 10, 59, tzinfo=UTC), None),
        (Quiet(1260, 1440), datetime(2026, 3, 4, 22, 30, tzinfo=UTC), datetime(2026, 3, 4, 23, 0, tzinfo=UTC)),
        (Quiet(1320, 150), datetime(2026, 3, 28, 22, 0, tzinfo=UTC), datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
    ],
    ids=["evening", "morning", "over", "noon", "before noon", "to midnight", "the clock changes"],
)
def test_when_quiet_hours_end(hours: Quiet, at: datetime, until: datetime | None) -> None:
    assert quiet_until(a_calendar(), hours, at) == until


def test_days_are_counted_the_same_way_back() -> None:
    calendar = a_calendar(holidays=frozenset({date(2026, 3, 4)}))
    for days in range(1, 30):
        later = days_from(calendar, date(2026, 3, 3), days, working=True)
        assert days_from(calendar, later, -days, working=True) == date(2026, 3, 3)
    with pytest.raises(ValueError, match="no working day"):
        days_from(a_calendar(windows=()), date(2026, 3, 3), 1, working=True)


def test_deciding_twice_says_the_same() -> None:
    policy = book(a_step("call", limit=HOUR, missed=ALL), a_step("day-7", trigger=after_days(7)), escalation=LADDER)
    assert decide(a_snapshot(), policy, NOW) == decide(a_snapshot(), policy, NOW)


@pytest.mark.parametrize(
    ("owner", "role", "heir"), [(Role.AE, Role.FIRST_AVAILABLE, TOMAS), (Role.CSM, Role.PHASE, AE)]
)
def test_what_was_given_away_is_not_taken_back_when_somebody_returns_or_the_phase_ends(
    owner: Role, role: Role, heir: str
) -> None:
    policy = book(
        a_step("call", owner=owner, limit=HOUR, missed=(Miss(Do.REASSIGN, AT_ONCE, role),)),
        sales_for=timedelta(days=3),
    )
    today = WON_AT.date()
    away = (Away(PEOPLE[AE].email, today, today + timedelta(days=2)),)
    world = World(policy=dataclasses.replace(policy, assignment=dataclasses.replace(policy.assignment, away=away)))
    world.run()
    assert world.task("call").owner_id != heir
    owners = []
    for _ in range(6):
        world.wait(days=1)
        world.run()
        owners.append(world.task("call").owner_id)
    assert owners == [heir] * 6


@pytest.mark.parametrize("rule", ["late", "playbook"])
def test_what_a_pause_kept_from_being_told_is_told_when_it_is_over(rule: str) -> None:
    world = late_world(missed=(Miss(Do.REASSIGN, AT_ONCE, Role.AE_MANAGER),))
    world.run()
    world.wait(days=1)
    plan = world.decide()
    withheld = withhold(plan, {rule}).plan
    assert withheld is not None
    assert told(plan) != []
    assert told(withheld) == []
    world.carry_out(withheld)
    assert told(world.run()) == told(plan)
    assert told(world.run()) == []
