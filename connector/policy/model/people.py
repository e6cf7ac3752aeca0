"""What ``process.toml`` says of people and their time: pools, rules, calendars, the ladder.

Not here: references between keys (``build``), rules nobody can reach (``reach``) and what the core decides by
(``handoff.rulebook``): these models are only the shape of TOML.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from connector.handoff.rulebook.calendars import Team
from connector.handoff.rulebook.people import Method, WhenFull
from connector.policy.model.words import Email, EnumOf, FieldName, Spec, Text, TimeOfDay, Weight, When, WithinSpec

MAX_HELD_DAYS = 730
MAX_BUDDY_HANDOFFS = 50


class PoolSpec(Spec):
    """CSMs who share a kind of customer."""

    name: FieldName
    members: Annotated[tuple[Email, ...], Field(min_length=1)]
    cap: Annotated[int, Field(ge=1)] | None = None
    method: Annotated[Method, EnumOf]
    weights: dict[Email, Weight] = Field(default_factory=dict)
    when_full: Annotated[WhenFull, EnumOf] = WhenFull.FALLBACK
    next_pool: Text | None = None
    wait_at_most: WithinSpec | None = None
    second_from: Text | None = None


class AwaySpec(Spec):
    """Days, both included, on which somebody gets no new accounts."""

    who: Email
    from_: Annotated[date, Field(alias="from")]
    to: date


class RuleSpec(Spec):
    """Which pool a deal goes to; without ``when`` every deal that came this far."""

    name: Text
    pool: Text
    when: When = Field(default_factory=dict)


class AssignmentSpec(Spec):
    """Who becomes CSM."""

    keep_current: bool = True
    away_from_calendar: bool = False
    place_held_days: Annotated[int, Field(ge=0, le=MAX_HELD_DAYS)] | None = None
    fallback: Email
    away: tuple[AwaySpec, ...] = ()
    paused: tuple[Email, ...] = ()
    buddies: dict[Email, Email] = Field(default_factory=dict)
    buddy_handoffs: Annotated[int, Field(ge=1, le=MAX_BUDDY_HANDOFFS)] = 5
    pools: Annotated[tuple[PoolSpec, ...], Field(min_length=1)]
    rules: Annotated[tuple[RuleSpec, ...], Field(min_length=1)]


Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class HoursSpec(Spec):
    """Working hours of some weekdays."""

    days: Annotated[tuple[Weekday, ...], Field(min_length=1)]
    from_: Annotated[TimeOfDay, Field(alias="from")]
    to: TimeOfDay
    night_shift: bool = False


class HolidaysSpec(Spec):
    """Public holidays of a country, and days of one's own."""

    country: str = ""
    subdivision: str = ""
    add: tuple[date, ...] = ()
    remove: tuple[date, ...] = ()


class CalendarSpec(Spec):
    """When the team works."""

    name: Text
    time_zone: Text
    hours: Annotated[tuple[HoursSpec, ...], Field(min_length=1)]
    holidays: HolidaysSpec = Field(default_factory=HolidaysSpec)


class TeamCalendarSpec(CalendarSpec):
    """When some work: a team, the CSMs of some pools, whoever looks after customers of some countries."""

    team: Annotated[Team | None, EnumOf] = None
    pools: tuple[Text, ...] = ()
    countries: tuple[Text, ...] = ()


class RungSpec(Spec):
    """Who is told of what is late, and how long after those before them."""

    to: Annotated[tuple[Text, ...], Field(min_length=1)]
    after: WithinSpec | None = None


class EscalationSpec(Spec):
    """The ladder, and who manages whom where the CRM does not say."""

    ladder: tuple[RungSpec, ...] = ()
    managers: dict[Email, Email] = Field(default_factory=dict)
    sponsor: Email | None = None
