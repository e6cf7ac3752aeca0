"""What ``process.toml`` says of the gate and of what is judged: requirements, exceptions, override, acceptance, review.

Not here: references between keys (``build``), rules nobody can reach (``reach``) and what the core decides by
(``handoff.rulebook``): these models are only the shape of TOML.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from connector.handoff.rulebook.gate import GateMode
from connector.policy.model.words import MAX_ANCHOR_DAYS, Email, EnumOf, Spec, Text, When, WithinSpec

MAX_OVERRIDE_DAYS = 365
MAX_FIGHT_LIMIT = 10
MAX_FIGHT_HOURS = 720
MAX_REVIEW_DAYS = 60


class RequirementSpec(Spec):
    """A field the gate asks for."""

    field: Text
    why: Text
    advice: str = ""
    when: When = Field(default_factory=dict)


class ExceptionSpec(Spec):
    """Another gate mode for some deals."""

    mode: Annotated[GateMode, EnumOf]
    when: When


class GateSpec(Spec):
    """The gate before Closed-Won."""

    mode: Annotated[GateMode, EnumOf]
    exceptions: tuple[ExceptionSpec, ...] = ()
    require: tuple[RequirementSpec, ...] = ()
    fight_limit: Annotated[int, Field(ge=1, le=MAX_FIGHT_LIMIT)] = 2
    fight_hours: Annotated[int, Field(ge=1, le=MAX_FIGHT_HOURS)] = 24


class OverrideSpec(Spec):
    """Who may let a deal through with gaps."""

    approvers: tuple[Email, ...]
    min_reason_chars: Annotated[int, Field(ge=1, le=255)]
    max_days: Annotated[int, Field(ge=1, le=MAX_OVERRIDE_DAYS)]


class PrefillSpec(Spec):
    """An answer that is taken over from what the CRM knows while it is empty."""

    field: Text
    from_: Annotated[Text, Field(alias="from")]
    days: Annotated[int, Field(ge=0, le=MAX_ANCHOR_DAYS)] = 0


class AcceptanceSpec(Spec):
    """The CSM takes a handoff or sends it back: by when the AE answers."""

    resubmit_within: WithinSpec


class ReviewSpec(Spec):
    """CS reviews a deal days before its expected close: exactly one of days and working_days."""

    days: Annotated[int, Field(ge=0, le=MAX_REVIEW_DAYS)] | None = None
    working_days: Annotated[int, Field(ge=0, le=MAX_REVIEW_DAYS)] | None = None
    within: WithinSpec
