"""When teams work, and how limits and days are counted.

Not here: files, TOML, validation and messages about mistakes (``connector.policy`` reads those and builds this).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Window:
    """Working hours of one weekday (0 is Monday), in minutes from local midnight; ``end`` may pass 1440 at night."""

    weekday: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Calendar:
    """When a team works. ``holidays`` are local dates; ``tz`` an IANA name; ``version`` names the holiday data used."""

    name: str
    tz: str
    windows: tuple[Window, ...]
    holidays: frozenset[date]
    version: str = ""


class Team(StrEnum):
    """Whose hours a calendar tells."""

    SALES = "sales"
    CS = "cs"


@dataclass(frozen=True, slots=True)
class TeamCalendar:
    """A calendar for some: a team, the CSMs of some pools, customers of some countries. What is empty fits all."""

    calendar: Calendar
    team: Team | None = None
    pools: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()


class Clock(StrEnum):
    """Which hours a limit counts."""

    WALL = "wall"
    BUSINESS = "business"


@dataclass(frozen=True, slots=True)
class Limit:
    """How long a task may take: so many hours of that clock after its trigger."""

    hours: Decimal
    clock: Clock


class Days(StrEnum):
    """Which days are counted from an anchor."""

    CALENDAR = "days"
    WORKING = "working_days"


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours in which nobody is told anything, in minutes from local midnight; over midnight when ``end`` is less."""

    start: int
    end: int
