"""Weeks of hypercare, months and quarters: their first and last days, their names, which one is over.

Not here: what a period came to (``breaches``). Days are those of the company's calendar; a deal belongs to the period
in which it was won.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from connector.handoff.calendar import end_of_day
from connector.handoff.rulebook.calendars import Calendar
from connector.handoff.rulebook.governance import Cadence

WEEK = timedelta(days=7)
DAY = timedelta(days=1)
MONTHS_A_QUARTER = 3
MONTHS_A_YEAR = 12
MONTH_NAME = re.compile(r"^(\d{4})-(0[1-9]|1[0-2])$")
QUARTER_NAME = re.compile(r"^(\d{4})-Q([1-4])$")


@dataclass(frozen=True, slots=True)
class Period:
    """Days from ``first`` up to and without ``end``. ``name`` is as people write it: ``2026-10``, ``2026-Q3``,
    ``week-2``; ``number`` is the week of hypercare, else 0."""

    cadence: Cadence
    name: str
    first: date
    end: date
    number: int = 0

    @property
    def last(self) -> date:
        """Its last day."""
        return self.end - DAY

    @property
    def title(self) -> str:
        """As a heading says it, e.g. ``October 2026``."""
        match self.cadence:
            case Cadence.MONTH:
                return f"{self.first:%B %Y}"
            case Cadence.QUARTER:
                return f"Q{self.name[-1]} {self.first.year}"
        return f"Hypercare, week {self.number} ({self.first.isoformat()} to {self.last.isoformat()})"

    @property
    def flag(self) -> str:
        """What ``handoff review`` is asked for it with."""
        match self.cadence:
            case Cadence.MONTH:
                return f"--month {self.name}"
            case Cadence.QUARTER:
                return f"--quarter {self.name}"
        return f"--hypercare --week {self.number}"

    def bounds(self, calendar: Calendar) -> tuple[datetime, datetime]:
        """Its first moment, and the first one after it, in UTC."""
        return end_of_day(calendar, self.first - DAY), end_of_day(calendar, self.last)


def month_of(day: date) -> Period:
    """The month a day lies in."""
    return _months(day.year, day.month, 1)


def quarter_of(day: date) -> Period:
    """The quarter a day lies in."""
    return _months(day.year, (day.month - 1) // MONTHS_A_QUARTER * MONTHS_A_QUARTER + 1, MONTHS_A_QUARTER)


def week_of(number: int, *, since: date) -> Period:
    """The week of hypercare of that number, the first being 1, of a process that went live on a day."""
    first = since + WEEK * (number - 1)
    return Period(Cadence.HYPERCARE, f"week-{number}", first, first + WEEK, number)


def named_month(name: str) -> Period:
    """The month written as ``2026-10``. Raises ValueError."""
    found = MONTH_NAME.match(name)
    if not found:
        raise ValueError(f"{name!r} is not a month; write it as 2026-10")
    return _months(int(found[1]), int(found[2]), 1)


def named_quarter(name: str) -> Period:
    """The quarter written as ``2026-Q3``. Raises ValueError."""
    found = QUARTER_NAME.match(name.upper())
    if not found:
        raise ValueError(f"{name!r} is not a quarter; write it as 2026-Q3")
    return _months(int(found[1]), (int(found[2]) - 1) * MONTHS_A_QUARTER + 1, MONTHS_A_QUARTER)


def before(period: Period) -> Period | None:
    """The period before; None before the first week."""
    match period.cadence:
        case Cadence.MONTH:
            return month_of(period.first - DAY)
        case Cadence.QUARTER:
            return quarter_of(period.first - DAY)
    return week_of(period.number - 1, since=period.first - WEEK * (period.number - 1)) if period.number > 1 else None


def run_of(period: Period, count: int) -> tuple[Period, ...]:
    """So many periods one after the other that end with this one, the newest first; fewer where there are no more."""
    found = [period]
    while len(found) < count and (earlier := before(found[-1])) is not None:
        found.append(earlier)
    return tuple(found)


def over(cadence: Cadence, *, today: date, wait_days: int, since: date, week: int = 0) -> Period | None:
    """The latest period of a kind that can be judged on a day; None where none is over yet. Of hypercare it is the week
    asked for, on the days until the week after it is judged."""
    judged = today - DAY * wait_days
    match cadence:
        case Cadence.MONTH:
            found = before(month_of(judged))
        case Cadence.QUARTER:
            found = before(quarter_of(judged))
        case Cadence.HYPERCARE:
            asked = week_of(week, since=since)
            return asked if asked.end <= judged < asked.end + WEEK else None
    return found if found is not None and found.end > since else None


def _months(year: int, month: int, count: int) -> Period:
    first = date(year, month, 1)
    total = year * MONTHS_A_YEAR + month - 1 + count
    end = date(total // MONTHS_A_YEAR, total % MONTHS_A_YEAR + 1, 1)
    if count == 1:
        return Period(Cadence.MONTH, f"{year:04}-{month:02}", first, end)
    return Period(Cadence.QUARTER, f"{year:04}-Q{(month - 1) // MONTHS_A_QUARTER + 1}", first, end)
