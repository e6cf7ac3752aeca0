"""``[governance]`` of ``process.toml``: who owns the process, and when it is looked at again.

Not here: references between keys (``policy.governance``) and what the core decides by (``handoff.rulebook``): these
models are only the shape of TOML.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from connector.policy.model.words import Email, Number, Spec, StepName, Text, WithinSpec

MAX_RUNS = 12
MAX_WEEK = 26
MAX_WAIT_DAYS = 31
MAX_AT_LEAST = 10_000


class ThresholdSpec(Spec):
    """A measure that must not fall below, or rise above, a number or a target for so many periods in a row."""

    name: StepName
    measure: Text
    below: Number | Text | None = None
    above: Number | Text | None = None
    for_: Annotated[int, Field(alias="for", ge=1, le=MAX_RUNS)] = 1
    at_least: Annotated[int, Field(ge=1, le=MAX_AT_LEAST)] = 1
    advice: str = ""


class HypercareSpec(Spec):
    """The same for one week, counted from the day on which the process went live."""

    name: StepName
    week: Annotated[int, Field(ge=1, le=MAX_WEEK)]
    measure: Text
    below: Number | Text | None = None
    above: Number | Text | None = None
    at_least: Annotated[int, Field(ge=1, le=MAX_AT_LEAST)] = 1
    advice: str = ""


class GovernanceSpec(Spec):
    """Who owns the process, and the thresholds of its first weeks, of each month and of each quarter."""

    owner: Email
    within: WithinSpec | None = None
    since: date | None = None
    wait_days: Annotated[int, Field(ge=0, le=MAX_WAIT_DAYS)] = 1
    hypercare: tuple[HypercareSpec, ...] = ()
    monthly: tuple[ThresholdSpec, ...] = ()
    quarterly: tuple[ThresholdSpec, ...] = ()
