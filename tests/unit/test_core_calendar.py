"""Business hours on days that people know: weekends, holidays, nights and clock changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from factories import a_calendar

from connector.handoff.calendar import SEARCH_DAYS, add_hours, elapsed, end_of_day, local_date, next_open
from connector.handoff.rulebook.calendars import Window

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = a_calendar()
NIGHTS = a_calendar(windows=tuple(Window(day, 22 * 60, 30 * 60) for day in range(7)))
ALWAYS = a_calendar(windows=tuple(Window(day, 0, 1440) for day in range(7)))


def berlin(day: int, hour: int, minute: int = 0, *, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=BERLIN).astimezone(UTC)


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        pytest.param(berlin(6, 16), 2, berlin(9, 10), id="Friday 16:00 and two hours is Monday 10:00"),
        pytest.param(berlin(3, 9), 8, berlin(3, 17), id="a full day ends the same evening"),
        pytest.param(berlin(7, 12), 1, berlin(9, 10), id="Saturday counts from Monday morning"),
        pytest.param(berlin(3, 10), 0, berlin(3, 10), id="nothing added changes nothing"),
        pytest.param(berlin(7, 12), 0, berlin(7, 12), id="not even on a Saturday"),
        pytest.param(berlin(3, 9), 80, berlin(16, 17), id="ten working days"),
        pytest.param(berlin(27, 16), 2, berlin(30, 10), id="over the weekend the clocks change"),
    ],
)
def test_hours_are_added(start: datetime, hours: int, end: datetime) -> None:
    assert add_hours(OFFICE, start, Decimal(hours)) == end


def test_a_holiday_is_passed_over() -> None:
    calendar = a_calendar(holidays=frozenset({date(2026, 3, 9)}))
    assert add_hours(calendar, berlin(6, 16), Decimal(2)) == berlin(10, 10)


def test_parts_of_hours_are_exact() -> None:
    assert add_hours(OFFICE, berlin(3, 9), Decimal("0.25")) == berlin(3, 9, 15)


@pytest.mark.parametrize(
    ("calendar", "start", "end", "hours"),
    [
        pytest.param(OFFICE, berlin(6, 16), berlin(9, 10), 2, id="over a weekend"),
        pytest.param(OFFICE, berlin(7, 8), berlin(8, 20), 0, id="a weekend"),
        pytest.param(NIGHTS, berlin(28, 12), berlin(29, 12), 7, id="the short night in March"),
        pytest.param(NIGHTS, berlin(24, 12, month=10), berlin(25, 12, month=10), 9, id="the long night in October"),
        pytest.param(ALWAYS, berlin(28, 0), berlin(30, 0), 47, id="round the clock, two days in March"),
        pytest.param(NIGHTS, berlin(3, 2), berlin(3, 4), 2, id="in the tail of last night's shift"),
    ],
)
def test_time_elapses(calendar: object, start: datetime, end: datetime, hours: int) -> None:
    assert elapsed(calendar, start, end) == timedelta(hours=hours)  # type: ignore[arg-type]


def test_windows_that_overlap_count_once() -> None:
    calendar = a_calendar(windows=(Window(1, 540, 1020), Window(1, 600, 720), Window(0, 1380, 2000)))
    # Monday's night shift ends on Tuesday at 09:20, inside Tuesday's first window.
    assert elapsed(calendar, berlin(3, 0), berlin(4, 0)) == timedelta(hours=17)


def test_a_window_in_the_hour_that_is_skipped_is_empty() -> None:
    skipped = a_calendar(windows=(Window(6, 130, 170), Window(0, 540, 600)))
    assert elapsed(skipped, berlin(29, 0), berlin(29, 12)) == timedelta()
    assert next_open(skipped, berlin(29, 0)) == berlin(30, 9)


def test_the_next_open_moment() -> None:
    assert next_open(OFFICE, berlin(3, 11)) == berlin(3, 11)
    assert next_open(OFFICE, berlin(3, 17)) == berlin(4, 9)
    assert next_open(OFFICE, berlin(6, 18)) == berlin(9, 9)


def test_a_long_holiday_is_crossed() -> None:
    closed = frozenset(date(2026, 3, 3) + timedelta(days=n) for n in range(SEARCH_DAYS - 10))
    assert next_open(a_calendar(holidays=closed), berlin(3, 9)).year == 2027


@pytest.mark.parametrize("windows", [(), (Window(0, 540, 540),)])
def test_a_calendar_without_hours_is_refused(windows: tuple[Window, ...]) -> None:
    calendar = a_calendar(windows=windows)
    with pytest.raises(ValueError, match="no working hours"):
        next_open(calendar, berlin(3, 9))
    with pytest.raises(ValueError, match="no working hours"):
        add_hours(calendar, berlin(3, 9), Decimal(1))


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        add_hours(OFFICE, berlin(3, 9), Decimal(-1))
    with pytest.raises(ValueError, match="before the start"):
        elapsed(OFFICE, berlin(3, 9), berlin(2, 9))


def test_days_are_the_team_s_own() -> None:
    late = datetime(2026, 3, 3, 23, 30, tzinfo=UTC)
    assert local_date(OFFICE, late) == date(2026, 3, 4)
    assert end_of_day(OFFICE, date(2026, 3, 3)) == datetime(2026, 3, 3, 23, 0, tzinfo=UTC)
