"""What is watched while a customer starts: red flags, promises, and the figures that are aimed at.

Not here: files, TOML, validation and messages about mistakes (``connector.policy`` reads those and builds this).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.conditions import Condition
from connector.handoff.rulebook.people import Role
from connector.handoff.rulebook.playbooks import Miss


class FlagKind(StrEnum):
    """By what a red flag is seen."""

    SILENCE = "silence"
    NO_SHOWS = "no_shows"
    FIELD = "field"


@dataclass(frozen=True, slots=True)
class RedFlag:
    """One sign that a customer is about to be lost. ``slower_than`` is set for `SILENCE`, ``no_shows`` for `NO_SHOWS`,
    ``when`` for `FIELD`; ``advice`` is what the person who gets the task is told to do."""

    name: str
    kind: FlagKind
    slower_than: Limit = Limit(Decimal(0), Clock.WALL)
    no_shows: int = 0
    when: Condition = dataclasses.field(default_factory=Condition)
    advice: str = ""


@dataclass(frozen=True, slots=True)
class RedFlags:
    """The red flags of a customer's first ``span``, and who is told: all by ``roles`` and ``emails``, of whom the first
    gets the task, to be done within ``limit``. Handoffs that began before ``since`` are left alone; without it, those
    that began without this."""

    flags: tuple[RedFlag, ...] = ()
    roles: tuple[Role, ...] = ()
    emails: tuple[str, ...] = ()
    limit: Limit = Limit(Decimal(8), Clock.BUSINESS)
    span: timedelta = timedelta(days=90)
    since: date | None = None


NO_RED_FLAGS = RedFlags()


class CommitmentStatus(StrEnum):
    """How it stands with a promise of the sale."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    DONE = "done"
    UNDELIVERABLE = "undeliverable"

    @property
    def owed(self) -> bool:
        """Whether somebody still has to keep it."""
        return self in (CommitmentStatus.OPEN, CommitmentStatus.IN_PROGRESS)


class ListAs(StrEnum):
    """How a list reaches its reader."""

    MESSAGE = "message"
    TASK = "task"


@dataclass(frozen=True, slots=True)
class CommitmentPolicy:
    """Where commitments stand and what follows: ``words`` of the statuses, in small letters; on ``weekday`` (0 is
    Monday; None: never) the CSM is told the open ones; ``missed`` follows when one is overdue. None is overdue, and a
    promise that cannot be kept is to be told, within ``notice``. Handoffs that began before ``since`` are left alone;
    without it, those that began without this.
    """

    field: str
    words: Mapping[str, CommitmentStatus]
    weekday: int | None = 0
    list_as: ListAs = ListAs.MESSAGE
    missed: tuple[Miss, ...] = ()
    notice: Limit = Limit(Decimal(8), Clock.BUSINESS)
    since: date | None = None


@dataclass(frozen=True, slots=True)
class Targets:
    """Targets the metrics are held against; hours are wall hours, shares are percent. A customer counts as dropped
    after ``drop_after_days`` without first value; fewer cases than ``few`` are too few to judge anybody by."""

    first_touch_hours: Decimal = Decimal(24)
    first_touch_alarm_hours: Decimal = Decimal(48)
    csm_told_minutes: Decimal = Decimal(5)
    completion_percent: Decimal = Decimal(90)
    completion_red_percent: Decimal = Decimal(85)
    completion_reengage_percent: Decimal = Decimal(80)
    kickoff_working_days: Decimal = Decimal(5)
    first_value_days: Decimal = Decimal(14)
    activation_day30_percent: Decimal = Decimal(60)
    onboarding_percent: Decimal = Decimal(85)
    milestones_percent: Decimal = Decimal(95)
    drop_percent: Decimal = Decimal(15)
    nps: Decimal = Decimal(50)
    csat: Decimal = Decimal(8)
    churn_90_days_percent: Decimal = Decimal(5)
    escalations_percent: Decimal = Decimal(20)
    ae_writing_minutes: Decimal = Decimal(20)
    hypercare_week1_percent: Decimal = Decimal(50)
    hypercare_week4_percent: Decimal = Decimal(70)
    exceptions_a_week: Decimal = Decimal(3)
    drop_after_days: int = 60
    renewal_talk_days: Decimal = Decimal(182)
    expansion_percent: Decimal = Decimal(25)
    few: int = 8
