"""``product.toml`` as a model.

Not here: references between keys (``build``), rules nobody can reach (``reach``) and what the core decides by
(``handoff.rulebook``): these models are only the shape of TOML.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from connector.handoff.productbook import By
from connector.handoff.rulebook.people import Role
from connector.policy.model.words import (
    MAX_ANCHOR_DAYS,
    MAX_COUNT,
    MAX_MEETING_MINUTES,
    EnumOf,
    FieldName,
    MissSpec,
    Number,
    Positive,
    Spec,
    StepName,
    TestsSpec,
    Text,
    When,
    _pattern,
)

MAX_STUCK_HOURS = 2160
"""Ninety days: what comes later is no onboarding any more."""


# --- product.toml ----------------------------------------------------------------------------------------------------


PropertyPath = Annotated[
    str,
    _pattern(
        r"^(user_id|group_id|properties\.[^\s]+)$",
        'must be "user_id", "group_id" or "properties." and a property\'s name',
    ),
]


class IdentitySpec(Spec):
    """One way in which an event names an account."""

    take: PropertyPath
    by: Annotated[By, EnumOf]
    field: str = ""


class EventsSpec(Spec):
    """From when on, and how far, events are relied on."""

    since: date | None = None
    silent_hours: Positive = Decimal(24)


class MeasureSpec(Spec):
    """Something that is counted: events, or a field of the CRM."""

    name: FieldName
    events: tuple[Text, ...] = ()
    where: dict[str, TestsSpec] = Field(default_factory=dict)
    distinct: str = ""
    session: str = ""
    field: str = ""


class NeedSpec(Spec):
    """So many of a measure."""

    measure: Text
    at_least: Annotated[int, Field(ge=1, le=MAX_COUNT)] = 1


class MilestoneSpec(Spec):
    """What a customer reaches."""

    name: FieldName
    needs: Annotated[tuple[NeedSpec, ...], Field(min_length=1)]
    when: When = Field(default_factory=dict)
    says: Text = "{n} of {of}"
    activation: bool = False
    onboarding: str = ""


class StuckSpec(Spec):
    """A sign that a customer is stuck, and the task it makes."""

    name: StepName
    seen: NeedSpec | None = None
    missing: str = ""
    after_hours: Annotated[Number, Field(ge=0, le=MAX_STUCK_HOURS)] = Decimal(0)
    in_session: Annotated[int, Field(ge=2, le=MAX_COUNT)] | None = None
    moved_on: tuple[Text, ...] = ()
    within_days: Annotated[int, Field(ge=1, le=MAX_ANCHOR_DAYS)] = 90
    when: When = Field(default_factory=dict)
    owner: Annotated[Role, EnumOf] = Role.CSM
    thing: Text
    subject: Text
    body: Text


class RescueSpec(Spec):
    """The call that a rescue task offers."""

    minutes: Annotated[int, Field(ge=5, le=MAX_MEETING_MINUTES)] = 15
    offers: Annotated[int, Field(ge=1, le=10)] = 3
    within_hours: Positive = Decimal(24)
    missed: tuple[Literal["remind", "escalate"] | MissSpec, ...] = ()


class OnboardingSpec(Spec):
    """What the account's onboarding stage says before any milestone is reached."""

    begun: str = ""


class AnalysisSpec(Spec):
    """Who counts as kept, and which time their actions are of, for `handoff milestones analyse`."""

    churned: str = ""
    stayed_days: Annotated[int, Field(ge=1, le=3650)] = 183
    first_days: Annotated[int, Field(ge=1, le=MAX_ANCHOR_DAYS)] = 14


class ProductSpec(Spec):
    """product.toml."""

    events: EventsSpec = Field(default_factory=EventsSpec)
    identities: tuple[IdentitySpec, ...] = ()
    measures: tuple[MeasureSpec, ...] = ()
    milestones: tuple[MilestoneSpec, ...] = ()
    onboarding: OnboardingSpec = Field(default_factory=OnboardingSpec)
    stuck: tuple[StuckSpec, ...] = ()
    rescue: RescueSpec = Field(default_factory=RescueSpec)
    analysis: AnalysisSpec = Field(default_factory=AnalysisSpec)
