"""Meetings of a playbook: put into the calendar once, never taken for a touch, people's from the first change on."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from factories import AE, DEAL_ID, MAYA, NOW, SYSTEM, TOMAS, a_calendar, a_playbook, a_policy, a_snapshot, a_step
from tinyworld import World

from connector.handoff.meetings import SPREAD, Room, place
from connector.handoff.model import Kind, Outcome, Touch, TouchKind
from connector.handoff.plan import Plan, Upsert, Verdict
from connector.handoff.rulebook.calendars import Clock, Limit, Window
from connector.handoff.rulebook.people import Role
from connector.handoff.rulebook.playbooks import Draft, MeetingPolicy, Signal, SignalKind
from connector.handoff.rulebook.policy import Policy

HOUR = Limit(Decimal(1), Clock.BUSINESS)
DAY = 8
QUARTER = timedelta(minutes=15)
FRIDAY = datetime(2026, 3, 6, 16, 30, tzinfo=UTC)
"""Half past five where the team works: it has gone home."""


def limit(*, days: int = 0, hours: int = 0) -> Limit:
    return Limit(Decimal(days * DAY), Clock.BUSINESS) if days else Limit(Decimal(hours), Clock.WALL)


HANDOFF = a_step("handoff-meeting", limit=limit(hours=24), draft=Draft(15, HOUR, invite=(Role.AE,)))
KICKOFF = a_step("kickoff", limit=limit(days=5), draft=Draft(45, limit(days=3), with_customer=True))
AFTER = a_step("recap", after="kickoff")


def a_book(*steps: Any, **changes: Any) -> Policy:
    return a_policy(playbooks=(a_playbook(tasks=steps or (HANDOFF, KICKOFF, AFTER)),), **changes)


def meetings(plan: Plan) -> dict[str, Upsert]:
    return {one.step: one for one in plan.actions if isinstance(one, Upsert) and one.kind is Kind.MEETING}


def state(plan: Plan, step: str) -> tuple[str, str]:
    return next((one.state, one.why) for one in plan.tasks if one.step == step)


def test_meetings_are_put_into_working_hours_with_owner_guests_and_length() -> None:
    plan = World(policy=a_book()).run()
    handoff, kickoff = (meetings(plan)[step] for step in ("handoff-meeting", "kickoff"))
    assert handoff.key == f"{SYSTEM}:{DEAL_ID}:1:handoff-meeting"
    assert [ref.kind for ref in handoff.parents] == [Kind.DEAL, Kind.ACCOUNT]
    assert handoff.values["owner"] == TOMAS
    assert handoff.values["subject"] == "Handoff meeting: Nordlys AS"
    assert str(handoff.values["body"]).endswith("With: Tomas Reyes and Ana Ek")
    assert "attendees" not in handoff.values
    start, end = handoff.values["start"], handoff.values["end"]
    assert isinstance(start, datetime)
    assert isinstance(end, datetime)
    assert NOW + timedelta(hours=1) <= start < NOW + timedelta(hours=24)
    assert end - start == QUARTER
    first, last = kickoff.values["start"], kickoff.values["end"]
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    assert date(2026, 3, 6) <= first.date() <= date(2026, 3, 10)
    assert last - first == 3 * QUARTER
    for at in (start, end, first, last):
        assert 8 <= at.hour + at.minute / 60 <= 16  # nine to five in Berlin, in winter
        assert at.minute % 15 == 0
    assert "2 meetings" in next(one.reason for one in plan.findings if one.rule == "playbook")


def test_attendees_are_named_where_the_crm_keeps_them() -> None:
    plan = World(policy=a_book(extras=frozenset({"meeting.attendees"}))).run()
    assert meetings(plan)["handoff-meeting"].values["attendees"] == f"{TOMAS};{AE}"


def test_nothing_follows_from_what_was_made_and_the_same_world_gives_the_same_plan() -> None:
    world = World(policy=a_book())
    world.run()
    for hours in (0, 3, 40, 300):
        world.wait(hours=hours)
        assert meetings(world.run()) == {}
    assert len(world.snapshot.meetings) == 2


def test_a_win_after_hours_meets_on_the_next_working_day() -> None:
    world = World(a_snapshot(won_at=FRIDAY), policy=a_book(HANDOFF), now=FRIDAY)
    world.run()
    start = world.meeting("handoff-meeting").start
    assert start is not None
    assert start.date() == date(2026, 3, 9)


def test_the_wins_of_one_hour_do_not_all_meet_at_once() -> None:
    calendar = a_calendar()
    room = Room(NOW, NOW + timedelta(days=1), QUARTER)
    starts = {place(calendar, room, key=f"deal-{n}").start for n in range(100)}
    assert len(starts) == SPREAD
    assert max(starts) - min(starts) < timedelta(hours=3)


def test_a_meeting_fits_between_two_breaks_or_the_calendar_is_told_too_short() -> None:
    windows = tuple(Window(day, start, start + 60) for day in range(5) for start in (9 * 60, 11 * 60))
    calendar = a_calendar(windows=windows)
    slot = place(calendar, Room(NOW, NOW + timedelta(days=2), timedelta(minutes=50)), key="x")
    assert slot.start.minute == 0
    with pytest.raises(ValueError, match="no working hours long enough"):
        place(calendar, Room(NOW, NOW + timedelta(days=2), timedelta(minutes=90)), key="x")


def test_a_draft_is_neither_a_touch_nor_held_however_long_ago_it_was() -> None:
    world = World(policy=a_book())
    world.run()
    world.wait(days=30)
    plan = world.run()
    assert world.text("first_touch_at") == ""
    assert plan.remember.done_signals == {}
    assert state(plan, "kickoff")[0] == "open"
    assert "nobody said" in state(plan, "kickoff")[1]
    assert world.text("status") == "2 Welcome"


def test_a_meeting_with_the_customer_that_a_person_says_was_held_is_done_and_a_touch() -> None:
    world = World(policy=a_book())
    world.run()
    kickoff = world.meeting("kickoff")
    world.wait(days=8)
    world.edit_meeting("kickoff", outcome=Outcome.HELD)
    plan = world.run()
    assert plan.remember.done_signals == {"kickoff": kickoff.end}
    assert world.snapshot.deal.get("first_touch_at") == kickoff.start
    assert state(plan, "kickoff") == ("done", f"Seen done on {kickoff.end:%-d %b %Y}: its meeting was held.")
    assert world.task("recap").due is not None


def test_the_internal_meeting_is_never_a_touch() -> None:
    world = World(policy=a_book())
    world.run()
    world.wait(days=2)
    world.edit_meeting("handoff-meeting", outcome=Outcome.HELD)
    plan = world.run()
    assert list(plan.remember.done_signals) == ["handoff-meeting"]
    assert world.text("first_touch_at") == ""


def test_a_meeting_of_somebody_else_is_not_the_csms_touch() -> None:
    world = World(policy=a_book())
    world.run()
    world.wait(days=8)
    world.edit_meeting("kickoff", outcome=Outcome.HELD, owner_id=MAYA)
    world.run()
    assert world.text("first_touch_at") == ""


def test_only_a_mapping_that_says_so_takes_a_meeting_that_is_over_for_held() -> None:
    world = World(policy=a_book(meetings=MeetingPolicy(held_when_over=True)))
    plan = world.run()
    end = world.meeting("handoff-meeting").end
    assert end is not None
    assert plan.recheck_at is not None
    assert plan.recheck_at <= end
    world.now = end
    assert list(world.run().remember.done_signals) == ["handoff-meeting"]
    world.edit_meeting("kickoff", outcome=Outcome.CANCELED)
    world.wait(days=9)
    assert list(world.run().remember.done_signals) == ["handoff-meeting"]


@pytest.mark.parametrize("outcome", [Outcome.CANCELED, Outcome.MISSED, Outcome.MOVED])
def test_a_meeting_that_did_not_take_place_is_left_and_not_made_again(outcome: Outcome) -> None:
    world = World(policy=a_book())
    world.run()
    world.edit_meeting("kickoff", outcome=outcome)
    plan = world.run()
    assert meetings(plan) == {}
    assert state(plan, "kickoff")[0] == outcome.value


def test_what_a_person_moved_stays_where_they_put_it() -> None:
    world = World(policy=a_book())
    world.run()
    kickoff = world.meeting("kickoff")
    assert kickoff.start is not None
    assert kickoff.end is not None
    later = {"start": kickoff.start + timedelta(days=2), "end": kickoff.end + timedelta(days=2)}
    world.edit_meeting("kickoff", **later)
    world.edit({"name": "Another name"})
    plan = world.run()
    assert meetings(plan) == {}
    assert (world.meeting("kickoff").start, world.meeting("kickoff").end) == (later["start"], later["end"])
    assert "A person changed the meeting" in state(plan, "kickoff")[1]


def test_a_deleted_meeting_is_not_made_again() -> None:
    world = World(policy=a_book())
    world.run()
    world.delete_meeting("kickoff")
    plan = world.run()
    assert meetings(plan) == {}
    assert state(plan, "kickoff") == ("removed", "The meeting was deleted in the CRM and is not made again.")


def test_an_untouched_meeting_follows_its_owner_and_its_trigger() -> None:
    after = a_step("kickoff", after="prepare", limit=limit(days=5), draft=Draft(45, limit(days=3)))
    world = World(policy=a_book(a_step("prepare", limit=limit(days=4)), after))
    world.run()
    before = world.meeting("kickoff")
    assert before.start is not None
    world.wait(hours=1)
    world.close_task("prepare")
    world.edit({"csm": MAYA}, ref=world.snapshot.deal.ref)
    world.edit({"csm": MAYA}, ref=world.snapshot.account.ref if world.snapshot.account else None)
    world.run()
    moved = world.meeting("kickoff")
    assert moved.start is not None
    assert moved.start < before.start
    assert moved.owner_id == MAYA
    assert meetings(world.run()) == {}


def test_a_meeting_that_has_begun_is_not_moved() -> None:
    after = a_step("kickoff", after="prepare", limit=limit(days=2), draft=Draft(45, HOUR))
    world = World(policy=a_book(a_step("prepare"), after))
    world.run()
    start = world.meeting("kickoff").start
    assert start is not None
    world.now = start + timedelta(minutes=5)
    world.close_task("prepare")
    assert meetings(world.run()) == {}
    assert world.meeting("kickoff").start == start


def test_a_meeting_is_never_put_into_the_past() -> None:
    late = NOW + timedelta(days=20)
    world = World(policy=a_book(HANDOFF), now=late)
    world.snapshot = dataclasses.replace(world.snapshot, observed_at=late)
    world.run()
    start = world.meeting("handoff-meeting").start
    assert start is not None
    assert start > late
    world.wait(minutes=1)
    assert meetings(world.run()) == {}


def nobody_yet() -> World:
    """A handoff that waits for a CSM with its playbook, in which everything comes late."""
    world = World(a_snapshot(people={}), policy=a_book(KICKOFF))
    world.run()
    return world


def found(world: World) -> None:
    """Somebody is CSM, and was from the start."""
    ledger = dataclasses.replace(world.snapshot.ledger, csm_id=TOMAS, assigned_at=NOW)
    world.snapshot = dataclasses.replace(world.snapshot, people=a_snapshot().people, ledger=ledger)


def test_a_meeting_made_late_says_when_it_is_and_not_when_it_should_have_been() -> None:
    world = nobody_yet()
    world.wait(days=20)
    found(world)
    plan = world.run()
    start = meetings(plan)["kickoff"].values["start"]
    assert isinstance(start, datetime)
    assert f"{start.day} {start:%b %Y}" in meetings(plan)["kickoff"].reason
    assert meetings(world.run()) == {}


def test_a_meeting_that_nobody_made_in_time_is_not_for_customers_of_long_ago() -> None:
    world = nobody_yet()
    world.wait(days=45)
    found(world)
    plan = world.run()
    assert meetings(plan) == {}
    kind, why = state(plan, "kickoff")
    assert kind == "late"
    assert why.endswith("so none is made any more.")


def test_a_csm_who_is_found_late_meets_the_customer_all_the_same() -> None:
    policy = a_book(KICKOFF)
    world = World(a_snapshot(people={}), policy=policy)
    assert meetings(world.run()) == {}
    people = a_snapshot().people
    world.wait(days=60)
    world.snapshot = dataclasses.replace(world.snapshot, people=people)
    assert set(meetings(world.run())) == {"kickoff"}


def test_a_field_can_prove_a_meeting_and_its_outcome_is_left_to_people() -> None:
    signal = Signal(SignalKind.FIELD_FILLED, "go_live_date")
    world = World(policy=a_book(dataclasses.replace(KICKOFF, done_when=(signal,))))
    world.run()
    world.edit({"go_live_date": date(2026, 4, 1)})
    plan = world.run()
    assert meetings(plan) == {}
    assert list(plan.remember.done_signals) == ["kickoff"]
    assert world.meeting("kickoff").outcome is Outcome.PLANNED


def test_a_lost_ledger_makes_no_second_meeting_and_knows_its_generation() -> None:
    world = World(policy=a_book())
    world.run()
    world.lose_ledger()
    plan = world.run()
    assert plan.generation == 1
    assert meetings(plan) == {}
    assert len(world.snapshot.meetings) == 2


def test_a_reopened_and_rewon_deal_keeps_its_meetings() -> None:
    world = World(policy=a_book())
    world.run()
    world.reopen()
    world.run()
    world.wait(hours=5)
    world.win()
    assert meetings(world.run()) == {}


def test_people_s_own_meetings_count_beside_ours() -> None:
    world = World(policy=a_book())
    world.run()
    at = world.now
    world.snapshot = dataclasses.replace(world.snapshot, touches=(Touch(TouchKind.MEETING, at, TOMAS),))
    world.wait(minutes=1)
    world.run()
    assert world.snapshot.deal.get("first_touch_at") == at


def test_a_playbook_that_cannot_be_placed_is_blocked_with_its_reason() -> None:
    broken = dataclasses.replace(HANDOFF, body="{{ nobody }}")
    plan = World(policy=a_book(broken)).run()
    finding = next(one for one in plan.findings if one.rule == "playbook")
    assert finding.verdict is Verdict.BLOCKED
