"""What ``process.toml`` says of messages and of what is watched: targets, red flags, promises.

Not here: references between keys (``build``), rules nobody can reach (``reach``) and what the core decides by
(``handoff.rulebook``): these models are only the shape of TOML.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema

from connector.handoff.rulebook.watch import ListAs
from connector.policy.model.people import Weekday
from connector.policy.model.words import (
    MAX_ANCHOR_DAYS,
    Csat,
    EnumOf,
    MissSpec,
    Nps,
    Percent,
    Positive,
    Spec,
    StepName,
    Text,
    TimeOfDay,
    When,
    WithinSpec,
    _number,
)

MAX_NO_SHOWS = 20
MAX_CHANGES_MINUTES = 7 * 24 * 60
MAX_FEW = 1000
Moment = Literal[
    "csm_assigned",
    "deal_held",
    "nobody_eligible",
    "deal_fought",
    "csm_preassigned",
    "handoff_rejected",
    "handoff_resubmitted",
    "resubmit_late",
    "deal_lost",
    "summary_changed",
]
MOMENTS: tuple[Moment, ...] = tuple(each for each in get_args(Moment) if each != "summary_changed")
"""Those told where the mapping names none: what changes after the handoff is told only to those who ask for it."""
OWN_WORDS = frozenset({"csm_preassigned", "deal_lost", "handoff_rejected", "handoff_resubmitted", "resubmit_late"})
"""Moments that need no template of their own in the folder: without one they are told in the connector's words."""


class QuietSpec(Spec):
    """Hours in which no message is sent, by the clock of ``[calendar]``."""

    from_: Annotated[TimeOfDay, Field(alias="from")]
    to: TimeOfDay


class NotifySpec(Spec):
    """Which moments are told outside the CRM, how much of what is late, and when."""

    moments: tuple[Moment, ...] = MOMENTS
    level: Literal["essential", "all", "digest"] = "essential"
    any_hour: bool = False
    quiet: QuietSpec | None = None
    changes_after_minutes: Annotated[int, Field(ge=0, le=MAX_CHANGES_MINUTES)] = 60


class TargetsSpec(Spec):
    """Targets the figures are held against."""

    first_touch_hours: Positive = Decimal(24)
    first_touch_alarm_hours: Positive = Decimal(48)
    csm_told_minutes: Positive = Decimal(5)
    completion_percent: Percent = Decimal(90)
    completion_red_percent: Percent = Decimal(85)
    completion_reengage_percent: Percent = Decimal(80)
    kickoff_working_days: Positive = Decimal(5)
    first_value_days: Positive = Decimal(14)
    activation_day30_percent: Percent = Decimal(60)
    onboarding_percent: Percent = Decimal(85)
    milestones_percent: Percent = Decimal(95)
    drop_percent: Percent = Decimal(15)
    nps: Nps = Decimal(50)
    csat: Csat = Decimal(8)
    churn_90_days_percent: Percent = Decimal(5)
    escalations_percent: Percent = Decimal(20)
    ae_writing_minutes: Positive = Decimal(20)
    hypercare_week1_percent: Percent = Decimal(50)
    hypercare_week4_percent: Percent = Decimal(70)
    exceptions_a_week: Annotated[Decimal, BeforeValidator(_number), Field(ge=0), WithJsonSchema({"type": "number"})] = (
        Decimal(3)
    )
    drop_after_days: Annotated[int, Field(ge=1, le=MAX_ANCHOR_DAYS)] = 60
    renewal_talk_days: Positive = Decimal(182)
    expansion_percent: Positive = Decimal(25)
    few: Annotated[int, Field(ge=1, le=MAX_FEW)] = 8


class CommitmentWordsSpec(Spec):
    """What people call the statuses of a promise, besides our own words for them."""

    open: tuple[Text, ...] = ()
    in_progress: tuple[Text, ...] = ()
    done: tuple[Text, ...] = ()
    undeliverable: tuple[Text, ...] = ()


class CommitmentsSpec(Spec):
    """Promises of the sale: where they stand, when the CSM is told of them, what follows when one is overdue."""

    field: Text
    weekly: Weekday | Literal["never"] = "mon"
    list_as: Annotated[ListAs, EnumOf] = ListAs.MESSAGE
    within: WithinSpec | None = None
    missed: tuple[Literal["remind", "escalate"] | MissSpec, ...] = ("remind", "escalate")
    words: CommitmentWordsSpec = Field(default_factory=CommitmentWordsSpec)
    since: date | None = None


class RedFlagSpec(Spec):
    """One red flag: exactly one of slower_than, no_shows and when says by what it is seen."""

    name: StepName
    slower_than: WithinSpec | None = None
    no_shows: Annotated[int, Field(ge=1, le=MAX_NO_SHOWS)] | None = None
    when: When | None = None
    advice: str = ""


class RedFlagsSpec(Spec):
    """Red flags of a customer's first days, and who is told of them: by role or email, the first gets the task."""

    to: Annotated[tuple[Text, ...], Field(min_length=1)]
    within: WithinSpec | None = None
    days: Annotated[int, Field(ge=1, le=MAX_ANCHOR_DAYS)] = 90
    since: date | None = None
    flags: Annotated[tuple[RedFlagSpec, ...], Field(min_length=1)]
