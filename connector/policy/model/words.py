"""What values of the mapping files have in common: numbers, names, times of day, conditions.

Not here: references between keys (``build``), rules nobody can reach (``reach``) and what the core decides by
(``handoff.rulebook``): these models are only the shape of TOML.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from connector.handoff.rulebook.people import Role
from connector.handoff.rulebook.playbooks import Do

MAX_COUNT = 100_000
MAX_MEETING_MINUTES = 480
MAX_ANCHOR_DAYS = 400
NAME = r"^[a-z][a-z0-9_]*$"
STEP = r"^[a-z0-9]+(-[a-z0-9]+)*$"
EMAIL = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
CLOCK_TIME = r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$"


class Spec(BaseModel):
    """Strict, frozen, no unknown keys."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", populate_by_name=False)


def _number(value: Any) -> Any:
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _lower(value: str) -> str:
    return value.lower()


def _pattern(pattern: str, message: str) -> Any:
    def fits(value: str) -> str:
        if not re.match(pattern, value):
            raise ValueError(f"{value!r} {message}")
        return value

    return AfterValidator(fits)


Text = Annotated[str, Field(min_length=1)]
Number = Annotated[Decimal, BeforeValidator(_number), WithJsonSchema({"type": "number"})]
Positive = Annotated[
    Decimal, BeforeValidator(_number), Field(gt=0), WithJsonSchema({"type": "number", "exclusiveMinimum": 0})
]


Weight = Annotated[
    Decimal,
    BeforeValidator(_number),
    Field(gt=0, le=1),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 1}),
]
"""A part-time CSM's share of a full-time one's work."""
Percent = Annotated[
    Decimal,
    BeforeValidator(_number),
    Field(ge=0, le=100),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 100}),
]
Nps = Annotated[
    Decimal,
    BeforeValidator(_number),
    Field(ge=-100, le=100),
    WithJsonSchema({"type": "number", "minimum": -100, "maximum": 100}),
]
Csat = Annotated[
    Decimal,
    BeforeValidator(_number),
    Field(ge=0, le=10),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 10}),
]
Email = Annotated[
    str,
    _pattern(EMAIL, "is not an email address; people are named by the email they have in the CRM"),
    AfterValidator(_lower),
]
StepName = Annotated[str, _pattern(STEP, "is not a step name; use small letters, digits and single dashes")]
FieldName = Annotated[str, _pattern(NAME, "is not a field name; use small letters, digits and underscores")]
TimeOfDay = Annotated[str, _pattern(CLOCK_TIME, 'is not a time of day; write it as "09:00"')]
Scalar = bool | Number | date | str
EnumOf = Field(strict=False)


# --- process.toml ----------------------------------------------------------------------------------------------------


class TestsSpec(Spec):
    """Comparisons of one field; all must hold."""

    is_: Annotated[Scalar | None, Field(alias="is")] = None
    is_not: Scalar | None = None
    in_: Annotated[tuple[Text, ...] | None, Field(alias="in")] = None
    not_in: tuple[Text, ...] | None = None
    at_least: Number | date | None = None
    more_than: Number | date | None = None
    at_most: Number | date | None = None
    less_than: Number | date | None = None
    contains: Text | None = None
    filled: bool | None = None


When = dict[str, TestsSpec]


class WithinSpec(Spec):
    """A time limit: exactly one of the three."""

    hours: Positive | None = None
    working_hours: Positive | None = None
    working_days: Positive | None = None


class MissSpec(Spec):
    """What follows when nobody did a task in time, and how long after what came before it."""

    do: Annotated[Do, EnumOf]
    after: WithinSpec | None = None
    to: Annotated[Role | None, EnumOf] = None
