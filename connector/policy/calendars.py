"""The team's calendar out of process.toml: windows in minutes, and public holidays as plain dates.

Not here: counting business hours (``handoff.calendar``).
"""

from __future__ import annotations

import itertools
import zoneinfo
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from importlib import metadata

import holidays

from connector.handoff.meetings import GRID
from connector.handoff.rulebook.calendars import Calendar, Quiet, Team, TeamCalendar, Window
from connector.policy.conditions import Scope
from connector.policy.model.people import CalendarSpec, HolidaysSpec, HoursSpec, TeamCalendarSpec
from connector.policy.model.watch import QuietSpec
from connector.settings.mistakes import did_you_mean
from connector.settings.spans import KeyPath

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
COUNTRY = "account.country"
DAY = 1440
HOLIDAY_YEARS = range(2015, 2046)
"""Fixed, not counted from today: the same files give the same policy version on every day of the year."""


def calendar(spec: CalendarSpec, *, at: KeyPath, scope: Scope) -> Calendar:
    """The calendar at a path; what is wrong with it is noted in the scope."""
    if spec.time_zone not in _time_zones():
        advice = did_you_mean(spec.time_zone, _time_zones())
        if not advice.startswith("did"):
            advice = 'use an IANA name such as "Europe/Berlin"'
        scope.complain((*at, "time_zone"), f"{spec.time_zone!r} is not a time zone; {advice}")
    windows = [
        window for n, hours in enumerate(spec.hours) for window in _windows(hours, at=(*at, "hours", n), scope=scope)
    ]
    _refuse_overlaps(windows, at=(*at, "hours"), scope=scope)
    return Calendar(
        name=spec.name,
        tz=spec.time_zone,
        windows=tuple(sorted(windows, key=lambda window: (window.weekday, window.start))),
        holidays=_holidays(spec.holidays, at=(*at, "holidays"), scope=scope),
        version=f"holidays {metadata.version('holidays')}",
    )


def of_teams(specs: Sequence[TeamCalendarSpec], *, pools: Sequence[str], scope: Scope) -> tuple[TeamCalendar, ...]:
    """The calendars of some: the first that fits is used, so none may stand behind one that fits the same."""
    found: list[TeamCalendar] = []
    for index, spec in enumerate(specs):
        at: KeyPath = ("calendars", index)
        one = TeamCalendar(calendar(spec, at=at, scope=scope), spec.team, spec.pools, spec.countries)
        for n, pool in enumerate(spec.pools):
            if pool not in pools:
                scope.complain((*at, "pools", n), f"no pool is called {pool!r}; {did_you_mean(pool, pools)}")
        if spec.pools and spec.team is Team.SALES:
            scope.complain((*at, "pools"), 'pools are of CSMs; take them out, or set team = "cs"', of_key=True)
        if spec.countries and (wrong := scope.words.complaint(COUNTRY)):
            scope.complain((*at, "countries"), wrong, of_key=True)
        if not (spec.team or spec.pools or spec.countries):
            message = "must say for whom it is: team, pools or countries; what is for everybody stands under [calendar]"
            scope.complain(at, message)
            continue
        if any(_covers(before, one) for before in found):
            scope.complain(at, "can never be used: a calendar above it fits whomever it is for; move it up")
        found.append(one)
    return tuple(found)


def _covers(wide: TeamCalendar, narrow: TeamCalendar) -> bool:
    team = narrow.team or (Team.CS if narrow.pools else None)
    return (
        wide.team in (None, team)
        and (not wide.pools or (bool(narrow.pools) and set(narrow.pools) <= set(wide.pools)))
        and (not wide.countries or (bool(narrow.countries) and set(narrow.countries) <= set(wide.countries)))
    )


def quiet(spec: QuietSpec | None, *, at: KeyPath, scope: Scope) -> Quiet | None:
    """The hours in which nobody is told anything; None where there are none."""
    if spec is None:
        return None
    start, end = _minutes(spec.from_), _minutes(spec.to)
    if start == end or (start == 0 and end == DAY):
        scope.complain((*at, "to"), "leaves no hour in which anybody could be told; end them earlier")
    return Quiet(start, end)


def longest_stretch(calendar: Calendar) -> int:
    """The longest time the team works without a break, in minutes, from the first moment a meeting may begin."""
    grid = GRID // timedelta(minutes=1)
    return max((window.end - -(-window.start // grid) * grid for window in calendar.windows), default=0)


def hours_a_day(calendar: Calendar) -> Decimal:
    """How many hours a working day has, on average over the days that have any."""
    days = {window.weekday for window in calendar.windows}
    minutes = sum(window.end - window.start for window in calendar.windows)
    return Decimal(minutes) / 60 / len(days) if days else Decimal(8)


def _windows(spec: HoursSpec, *, at: KeyPath, scope: Scope) -> list[Window]:
    start, end = _minutes(spec.from_), _minutes(spec.to)
    if end <= start and not spec.night_shift:
        scope.complain(
            (*at, "to"),
            f"{spec.to} is not after {spec.from_}; swap them, or set night_shift = true if work runs past midnight",
        )
        return []
    if end <= start:
        end += DAY
    return [Window(WEEKDAYS.index(day), start, end) for day in spec.days]


def _refuse_overlaps(windows: Sequence[Window], *, at: KeyPath, scope: Scope) -> None:
    ordered = sorted(windows, key=lambda window: (window.weekday, window.start))
    for before, after in itertools.pairwise(ordered):
        if before.weekday == after.weekday and after.start < before.end:
            scope.complain(at, f"two windows overlap on {WEEKDAYS[after.weekday]}; make them one or move them apart")


def _holidays(spec: HolidaysSpec, *, at: KeyPath, scope: Scope) -> frozenset[date]:
    return (_public_holidays(spec, at=at, scope=scope) | set(spec.add)) - set(spec.remove)


def _public_holidays(spec: HolidaysSpec, *, at: KeyPath, scope: Scope) -> frozenset[date]:
    if not spec.country:
        return frozenset()
    countries = _countries()
    if spec.country not in countries:
        scope.complain(
            (*at, "country"),
            f'no holidays are known for {spec.country!r}; use a two-letter country code such as "US" or "DE"',
        )
        return frozenset()
    if spec.subdivision and spec.subdivision not in countries[spec.country]:
        advice = did_you_mean(spec.subdivision, countries[spec.country])
        scope.complain((*at, "subdivision"), f"{spec.subdivision!r} is no subdivision of {spec.country}; {advice}")
        return frozenset()
    return _known_holidays(spec.country, spec.subdivision)


@lru_cache(maxsize=1)
def _time_zones() -> frozenset[str]:
    """Their files are hundreds, and stay as they are while the process runs."""
    return frozenset(zoneinfo.available_timezones())


@lru_cache(maxsize=1)
def _countries() -> Mapping[str, Sequence[str]]:
    return holidays.list_supported_countries()


@lru_cache(maxsize=64)
def _known_holidays(country: str, subdivision: str) -> frozenset[date]:
    return frozenset(holidays.country_holidays(country, subdiv=subdivision or None, years=HOLIDAY_YEARS))


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)
