"""The team's mornings: when what is told once a day is decided, and when it is sent.

Not here: what is told (``rules.digest``, ``rules.commitments``). It is decided an hour before work begins, so that all
deals have spoken when the one message leaves; a daemon that was down may say it until three hours into the day.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from connector.handoff.calendar import local_date, opening, quiet_until, works_on
from connector.handoff.case import Case

AHEAD = timedelta(hours=1)
UNTIL = timedelta(hours=3)
ONE_DAY = timedelta(days=1)


def this_morning(case: Case) -> datetime | None:
    """When what is decided now goes out, if this is the time to decide it; None at any other time of the day.

    Raises ValueError when the calendar has no working hours.
    """
    calendar = case.policy.calendar
    today = local_date(calendar, case.now)
    opens = opening(calendar, today)
    if not works_on(calendar, today) or not opens - AHEAD <= case.now < opens + UNTIL:
        return None
    return not_quiet(case, max(opens, case.now))


def morning_of(case: Case, day: date) -> datetime:
    """When what goes out on a day is decided; on a day without work, that of the next. Raises ValueError as above."""
    return opening(case.policy.calendar, day) - AHEAD


def next_morning(case: Case, day: date | None = None) -> datetime:
    """When to decide next: on the first working morning that lies ahead, of ``day`` or later. Raises ValueError as
    above."""
    today = local_date(case.policy.calendar, case.now)
    at = morning_of(case, max(day or today, today))
    return at if at > case.now else morning_of(case, today + ONE_DAY)


def not_quiet(case: Case, moment: datetime) -> datetime:
    """The moment, or the end of the quiet hours it lies in."""
    quiet = case.policy.notify.quiet
    return (quiet_until(case.policy.calendar, quiet, moment) if quiet else None) or moment


def next_round(case: Case) -> datetime:
    """When what is told in the morning goes out next: as work begins."""
    calendar = case.policy.calendar
    today = local_date(calendar, case.now)
    opens = opening(calendar, today)
    return not_quiet(case, opens if opens > case.now else opening(calendar, today + ONE_DAY))
