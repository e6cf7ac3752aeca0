"""Business hours obey arithmetic in every zone, over every clock change.

Not here: single well-known days (``unit/test_core_calendar.py``).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import hypothesis.strategies as st
from factories import a_calendar
from hypothesis import given, settings

from connector.handoff.calendar import add_hours, elapsed, next_open
from connector.handoff.rulebook.calendars import Calendar, Window

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo")
FIRST = datetime(2025, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(0, 3 * 365 * 86400).map(lambda seconds: FIRST + timedelta(seconds=seconds))
HOURS = st.integers(0, 60 * 200).map(lambda minutes: Decimal(minutes) / 60)
WINDOWS = st.builds(
    lambda weekday, start, length: Window(weekday, start, start + length),
    st.integers(0, 6),
    st.integers(0, 1439),
    st.integers(1, 1800),
)


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    """One to six windows, overlapping or past midnight as they fall, and some holidays."""
    holidays = draw(st.frozensets(MOMENTS.map(datetime.date), max_size=8))
    windows = tuple(draw(st.lists(WINDOWS, min_size=1, max_size=6)))
    return a_calendar(tz=draw(st.sampled_from(ZONES)), windows=windows, holidays=holidays)


@settings(max_examples=60, deadline=None)
@given(calendar=calendars(), start=MOMENTS, hours=HOURS)
def test_what_was_added_has_elapsed(calendar: Calendar, start: datetime, hours: Decimal) -> None:
    end = add_hours(calendar, start, hours)
    assert abs(elapsed(calendar, start, end) - timedelta(seconds=float(hours * 3600))) < timedelta(milliseconds=1)


@settings(max_examples=60, deadline=None)
@given(calendar=calendars(), moments=st.lists(MOMENTS, min_size=3, max_size=3).map(sorted))
def test_spans_add_up(calendar: Calendar, moments: list[datetime]) -> None:
    first, second, third = moments
    parts = elapsed(calendar, first, second) + elapsed(calendar, second, third)
    assert elapsed(calendar, first, third) == parts
    assert timedelta() <= parts <= third - first


@settings(max_examples=60, deadline=None)
@given(calendar=calendars(), start=MOMENTS, one=HOURS, more=HOURS)
def test_a_longer_limit_ends_later_and_in_steps_the_same(
    calendar: Calendar, start: datetime, one: Decimal, more: Decimal
) -> None:
    between = add_hours(calendar, start, one)
    end = add_hours(calendar, start, one + more)
    assert start <= between <= end
    early, late = sorted((add_hours(calendar, between, more), end))
    # Two roundings to the microsecond on one side, one on the other.
    assert elapsed(calendar, early, late) < timedelta(milliseconds=1)


@settings(max_examples=60, deadline=None)
@given(calendar=calendars(), moment=MOMENTS)
def test_the_next_open_moment_is_open_and_nothing_was_open_before(calendar: Calendar, moment: datetime) -> None:
    opens = next_open(calendar, moment)
    assert opens >= moment
    assert elapsed(calendar, moment, opens) == timedelta()
    assert elapsed(calendar, opens, opens + timedelta(seconds=1)) > timedelta()
    assert next_open(calendar, opens) == opens
