"""Business hours: adding, measuring and finding them, exact over daylight saving.

Not here: where holidays come from (``policy`` puts local dates into the `Calendar`) and what a limit is for
(``rules``). Windows are wall-clock time in the calendar's zone; all answers are aware and in UTC.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from zoneinfo import ZoneInfo

from connector.handoff.model import Span
from connector.handoff.rulebook.calendars import Calendar, Clock, Limit, Quiet

SEARCH_DAYS = 400
"""Longest stretch without a working hour that is searched: a year of holidays and a month more."""

DAYS_KEPT = 4096
"""Local days whose hours are remembered, a megabyte or two: a year in ten calendars."""

_DAY = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)
_MICROSECONDS_PER_HOUR = 3_600_000_000
_SECONDS_PER_HOUR = 3600
_MINUTES_PER_DAY = 1440


def add_hours(calendar: Calendar, start: datetime, hours: Decimal) -> datetime:
    """The first moment by which ``hours`` working hours have passed since ``start``; no hours give ``start`` itself.

    Raises ValueError for negative hours, and when `SEARCH_DAYS` pass without a working hour.
    """
    if hours < 0:
        raise ValueError(f"cannot add {hours} hours: the number is negative")
    start = start.astimezone(UTC)
    left = timedelta(microseconds=int(hours * _MICROSECONDS_PER_HOUR))
    if not left:
        return start
    for opens, closes in open_spans(calendar, start):
        if closes - opens >= left:
            return opens + left
        left -= closes - opens
    raise AssertionError("unreachable: the spans end only by raising")


def limit_end(calendar: Calendar, start: datetime, limit: Limit) -> datetime:
    """When a limit that begins then is over, by its own clock. Raises ValueError as `add_hours` does."""
    if limit.clock is Clock.BUSINESS:
        return add_hours(calendar, start, limit.hours)
    return start + timedelta(seconds=int(limit.hours * _SECONDS_PER_HOUR))


def elapsed(calendar: Calendar, start: datetime, end: datetime) -> timedelta:
    """Working time between two moments.

    Raises ValueError when ``end`` lies before ``start``, and when `SEARCH_DAYS` pass without a working hour.
    """
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    if end < start:
        raise ValueError(f"the end {end.isoformat()} lies before the start {start.isoformat()}")
    total = timedelta()
    for opens, closes in open_spans(calendar, start):
        if opens >= end:
            break
        total += min(closes, end) - opens
    return total


def working_days(calendar: Calendar, start: datetime, end: datetime) -> int:
    """Working time between two moments in hundredths of a working day, rounded down: each local day counts by the share
    of its hours that lies between them, however many these are. 0 when ``end`` does not lie after ``start``."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    total = Fraction(0)
    day, last = _local_day(calendar, start) - _DAY, _local_day(calendar, end)
    while day <= last:
        hours = _spans_of(calendar, day)
        whole = sum((closes - opens for opens, closes in hours), timedelta())
        worked = sum((max(min(closes, end) - max(opens, start), timedelta()) for opens, closes in hours), timedelta())
        if worked:
            total += Fraction(worked // _MICROSECOND, whole // _MICROSECOND)
        day += _DAY
    return int(total * 100)


def next_open(calendar: Calendar, moment: datetime) -> datetime:
    """``moment`` itself when the team works then, else the next moment it does.

    Raises ValueError when `SEARCH_DAYS` pass without a working hour.
    """
    opens, _ = next(open_spans(calendar, moment.astimezone(UTC)))
    return opens


def local_date(calendar: Calendar, moment: datetime) -> date:
    """The date on the team's wall at a moment."""
    return _local_day(calendar, moment)


def local_time(calendar: Calendar, moment: datetime) -> time:
    """The time on the team's clock at a moment."""
    return moment.astimezone(ZoneInfo(calendar.tz)).time()


def start_of_day(calendar: Calendar, day: date) -> datetime:
    """The moment a local day begins, in UTC."""
    return _instant(ZoneInfo(calendar.tz), datetime.combine(day, time()))


def end_of_day(calendar: Calendar, day: date) -> datetime:
    """The moment a local day is over, in UTC."""
    return _instant(ZoneInfo(calendar.tz), datetime.combine(day + _DAY, time()))


def works_on(calendar: Calendar, day: date) -> bool:
    """Whether the team begins to work at all on a local day."""
    return bool(_spans_of(calendar, day))


def opening(calendar: Calendar, day: date) -> datetime:
    """The first working moment of a local day, or of the next that has one. Raises ValueError as `next_open` does."""
    return next_open(calendar, _instant(ZoneInfo(calendar.tz), datetime.combine(day, time())))


def days_from(calendar: Calendar, day: date, days: int, *, working: bool) -> date:
    """The working day that lies so many days after another day, before it when ``days`` is negative.

    Without ``working`` every day counts, and one on which nobody works gives way to the next one, counted in the same
    direction. Raises ValueError when `SEARCH_DAYS` pass without a working day.
    """
    forth = _DAY if days >= 0 else -_DAY
    found = day if working else day + days * _DAY
    left, idle = abs(days) if working else 0, 0
    while left or not works_on(calendar, found):
        found, idle = found + forth, idle + 1
        if works_on(calendar, found):
            left, idle = max(left - 1, 0), 0
        if idle > SEARCH_DAYS:
            raise ValueError(f"calendar {calendar.name!r} has no working day in the {SEARCH_DAYS} days around {found}")
    return found


def in_days_of(calendar: Calendar, span: Span) -> Span:
    """A span as the moments it means for this team: whole days are the team's own days."""
    if not span.whole_days:
        return span
    zone = ZoneInfo(calendar.tz)
    first, last = (at.astimezone(UTC).date() for at in (span.start, span.end))
    return Span(_instant(zone, datetime.combine(first, time())), _instant(zone, datetime.combine(last, time())))


def taken_through(calendar: Calendar, spans: Collection[Span], moment: datetime) -> date | None:
    """The last of the working days, from this local day on, each of which one span takes whole; None when today's is
    not taken, or nobody works today."""
    meant = [in_days_of(calendar, span) for span in spans]
    day, last, idle = _local_day(calendar, moment), None, 0
    while idle <= SEARCH_DAYS:
        hours = _spans_of(calendar, day)
        if hours:
            opens, closes = hours[0][0], max(end for _, end in hours)
            if not any(span.start <= opens and closes <= span.end for span in meant):
                return last
            last = day
        elif last is None:
            return None
        day, idle = day + _DAY, 0 if hours else idle + 1
    return last


def quiet_until(calendar: Calendar, quiet: Quiet, moment: datetime) -> datetime | None:
    """When the quiet hours that a moment lies in are over, in UTC; None when it lies in none."""
    zone = ZoneInfo(calendar.tz)
    local = moment.astimezone(zone)
    minute = local.hour * 60 + local.minute
    if quiet.start < quiet.end:
        within, passes_midnight = quiet.start <= minute < quiet.end, False
    else:
        within, passes_midnight = minute >= quiet.start or minute < quiet.end, minute >= quiet.start
    if not within:
        return None
    day = local.date() + (_DAY if passes_midnight else timedelta())
    return _instant(zone, datetime.combine(day, time()) + timedelta(minutes=quiet.end))


def open_spans(calendar: Calendar, start: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Spans of working time from ``start`` on, in order, none overlapping, without end.

    Raises ValueError when `SEARCH_DAYS` pass without one.
    """
    # A window may pass midnight once or more often; begin early enough to catch its tail.
    reach = max((window.end // _MINUTES_PER_DAY for window in calendar.windows), default=0)
    day = _local_day(calendar, start) - reach * _DAY
    idle = 0
    while idle <= SEARCH_DAYS:
        idle += 1
        for opens, closes in _spans_of(calendar, day):
            # What a night shift before it has covered is not counted twice.
            if closes > start:
                yield max(opens, start), closes
                start, idle = closes, 0
        day += _DAY
    raise ValueError(f"calendar {calendar.name!r} has no working hours in the {SEARCH_DAYS} days before {day}")


def _spans_of(calendar: Calendar, day: date) -> tuple[tuple[datetime, datetime], ...]:
    """The windows that begin on one local day, as spans in UTC, earliest first."""
    if day in calendar.holidays:
        return ()
    weekday = day.weekday()
    return _spans_at(
        calendar.tz, day, tuple((each.start, each.end) for each in calendar.windows if each.weekday == weekday)
    )


@lru_cache(maxsize=DAYS_KEPT)
def _spans_at(tz: str, day: date, windows: tuple[tuple[int, int], ...]) -> tuple[tuple[datetime, datetime], ...]:
    """Windows in minutes of one local day. Kept, as every deadline of every deal walks over the same days."""
    zone = ZoneInfo(tz)
    midnight = datetime.combine(day, time())
    spans = (tuple(_instant(zone, midnight + timedelta(minutes=each)) for each in window) for window in windows)
    return tuple(sorted((opens, closes) for opens, closes in spans if closes > opens))


def _instant(zone: ZoneInfo, wall: datetime) -> datetime:
    """The UTC moment of a wall-clock time; the first of two, and the clock change itself for one that is skipped."""
    moment = wall.replace(tzinfo=zone).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == wall:
        return moment
    low, high = wall.replace(tzinfo=zone, fold=1).astimezone(UTC), moment
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


def _local_day(calendar: Calendar, moment: datetime) -> date:
    return moment.astimezone(ZoneInfo(calendar.tz)).date()
