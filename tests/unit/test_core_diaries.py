"""Calendars of people: a meeting is put where all who take part are free, and stays there; a day taken whole is a day
away."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from factories import AE, MAYA, NOW, PEOPLE, TOMAS, a_calendar, a_playbook, a_policy, a_snapshot, a_step
from tinyworld import World

from connector.handoff.calendar import taken_through
from connector.handoff.meetings import Room, offers
from connector.handoff.model import Kind, Span
from connector.handoff.people import absence, absent_by
from connector.handoff.plan import Plan, Upsert
from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.people import Role
from connector.handoff.rulebook.playbooks import Draft, MeetingPolicy
from connector.handoff.rulebook.policy import Policy

HOUR = Limit(Decimal(1), Clock.BUSINESS)
HANDOFF = a_step("handoff-meeting", limit=Limit(Decimal(24), Clock.WALL), draft=Draft(15, HOUR, invite=(Role.AE,)))
KICKOFF = a_step(
    "kickoff",
    limit=Limit(Decimal(40), Clock.BUSINESS),
    draft=Draft(45, Limit(Decimal(24), Clock.BUSINESS), with_customer=True),
)
QUARTER, HALF = timedelta(minutes=15), timedelta(minutes=30)
TODAY = date(2026, 3, 3)


def a_book(**changes: object) -> Policy:
    policy = a_policy(playbooks=(a_playbook(tasks=(HANDOFF, KICKOFF)),), meetings=MeetingPolicy(calendars=True))
    return dataclasses.replace(policy, **changes)  # type: ignore[arg-type]


def at(day: int, hour: float) -> datetime:
    """A time of March by the clock of Berlin, which is an hour ahead."""
    return datetime(2026, 3, day, tzinfo=UTC) + timedelta(hours=hour - 1)


def span(day: int, begins: float, ends: float) -> Span:
    return Span(at(day, begins), at(day, ends))


def whole(first: int, after: int) -> Span:
    return Span(datetime(2026, 3, first, tzinfo=UTC), datetime(2026, 3, after, tzinfo=UTC), whole_days=True)


def placed(plan: Plan, step: str = "handoff-meeting") -> tuple[datetime, datetime]:
    found = next(one for one in plan.actions if isinstance(one, Upsert) and one.step == step)
    start, end = found.values["start"], found.values["end"]
    assert isinstance(start, datetime)
    assert isinstance(end, datetime)
    return start, end


def a_world(busy: Mapping[str, tuple[Span, ...]], *, policy: Policy | None = None) -> World:
    return World(a_snapshot(busy=busy), policy=policy or a_book())


def reason(plan: Plan, step: str) -> str:
    return next(one.reason for one in plan.actions if isinstance(one, Upsert) and one.step == step)


def test_the_only_free_quarter_of_both_is_found() -> None:
    taken_by_csm = (span(3, 9, 13), span(3, 13.25, 17), span(4, 9, 17))
    taken_by_ae = (span(3, 14, 16), span(4, 9, 10.1))
    assert placed(a_world({TOMAS: taken_by_csm, AE: taken_by_ae}).run()) == (at(3, 13), at(3, 13.25))


def test_what_one_has_free_and_the_other_not_is_not_free() -> None:
    both = {TOMAS: (span(3, 9, 12),), AE: (span(3, 12, 17),)}
    start, _ = placed(a_world(both).run())
    assert start.date() == date(2026, 3, 4)


def test_every_place_is_free_and_in_working_hours_whatever_is_taken() -> None:
    for number in range(40):
        busy = tuple(span(3 + n % 6, 9 + (n * number) % 8, 9.5 + (n * number) % 8) for n in range(1, 30))
        plan = a_world({TOMAS: busy, AE: ()}).run()
        for step in ("handoff-meeting", "kickoff"):
            start, end = placed(plan, step)
            assert not any(one.meets(start, end) for one in busy)
            assert 8 <= start.hour + start.minute / 60 < 16


def test_the_plan_names_whose_calendars_matter_and_only_while_something_is_placed() -> None:
    world = a_world({})
    plan = world.run()
    assert plan.calendars == {"handoff-meeting": (TOMAS, AE), "kickoff": (TOMAS,)}
    assert world.run().calendars == {}
    assert World(policy=a_book(meetings=MeetingPolicy())).run().calendars == {}


def test_a_meeting_stays_where_it_is_when_the_calendar_fills_up_or_is_hidden() -> None:
    world = a_world({TOMAS: (span(3, 9, 15),), AE: ()})
    before = placed(world.run())
    for busy in ({}, {TOMAS: (Span(*before), span(3, 9, 17))}, {TOMAS: (), AE: ()}):
        world.snapshot = dataclasses.replace(world.snapshot, busy=busy)
        assert not [one for one in world.run().actions if isinstance(one, Upsert) and one.kind is Kind.MEETING]


def test_an_unseen_calendar_leaves_working_hours_and_says_so() -> None:
    unseen, hours = a_world({}).run(), World(policy=a_book(meetings=MeetingPolicy())).run()
    assert placed(unseen) == placed(hours)
    told = reason(unseen, "handoff-meeting")
    assert "not held against the calendar of Tomas Reyes and Ana Ek, which could not be seen" in told
    half = a_world({TOMAS: ()})
    assert "free in the calendar of Tomas Reyes; not held against the calendar of Ana Ek" in reason(
        half.run(), "handoff-meeting"
    )
    assert "calendar" not in reason(hours, "handoff-meeting")


def test_a_place_after_the_limit_is_said_to_be_late() -> None:
    world = a_world({TOMAS: tuple(span(day, 0, 24) for day in range(1, 6)), AE: ()})
    plan = world.run()
    assert placed(plan)[0].date() == date(2026, 3, 6)
    assert "none was in time" in reason(plan, "handoff-meeting")


def test_whoever_is_taken_for_years_is_met_by_working_hours() -> None:
    for_ever = (Span(datetime(2026, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC)),)
    assert placed(a_world({TOMAS: for_ever, AE: ()}).run()) == placed(a_world({}).run())


def test_a_whole_day_is_the_team_s_own_day() -> None:
    auckland = a_calendar(tz="Pacific/Auckland")
    policy = a_book(calendar=auckland)
    world = a_world({TOMAS: (whole(4, 5),), AE: ()}, policy=policy)
    local = [moment + timedelta(hours=13) for moment in placed(world.run())]
    assert all(moment.date() != date(2026, 3, 4) for moment in local)


def test_slots_offered_to_a_customer_are_free_and_apart() -> None:
    taken = (span(3, 10, 12), span(3, 13, 15))
    found = offers(a_calendar(), Room(NOW, NOW + timedelta(hours=24), HALF), count=3, taken=taken)
    assert len(found) == 3
    assert not any(one.meets(slot.start, slot.end) for one in taken for slot in found)
    assert all(after.start - before.start > timedelta(hours=1) for before, after in pairwise(found))


@pytest.mark.parametrize(
    ("spans", "through"),
    [
        ((), None),
        ((span(3, 10, 17),), None),
        ((span(3, 9, 12), span(3, 12, 17)), None),
        ((span(3, 9, 17),), date(2026, 3, 3)),
        ((whole(3, 4),), date(2026, 3, 3)),
        ((whole(2, 7),), date(2026, 3, 6)),
        ((whole(3, 7), whole(9, 11)), date(2026, 3, 10)),
        ((whole(4, 7),), None),
    ],
)
def test_a_day_taken_whole_by_one_event_is_a_day_away(spans: tuple[Span, ...], through: date | None) -> None:
    assert taken_through(a_calendar(), spans, NOW) == through


def test_nobody_is_away_on_a_day_on_which_nobody_works() -> None:
    saturday = datetime(2026, 3, 7, 12, tzinfo=UTC)
    assert taken_through(a_calendar(), (whole(7, 20),), saturday) is None


def test_absence_by_calendar_reaches_the_choice_and_the_crm_s_later_end_counts() -> None:
    policy = a_policy().assignment
    busy = {MAYA: (whole(3, 5),), TOMAS: (span(3, 9, 10),), "nobody": (whole(3, 5),)}
    found = absent_by(PEOPLE, busy, a_calendar(), NOW)
    assert absence(found[MAYA], policy, TODAY) == "out of office through 4 Mar 2026"
    assert absence(found[TOMAS], policy, TODAY) == ""
    longer = {**PEOPLE, MAYA: dataclasses.replace(PEOPLE[MAYA], away_until=date(2026, 3, 20))}
    assert absent_by(longer, busy, a_calendar(), NOW)[MAYA].away_until == date(2026, 3, 20)
    assert set(found) == set(PEOPLE)
