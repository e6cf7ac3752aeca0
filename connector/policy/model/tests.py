"""``tests/*.toml`` beside the mappings as a model: deals, and what the rules are expected to make of them.

Not here: what the values mean (``given``) and holding the rules to them (``expected``).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from connector.handoff.model import DealType
from connector.policy.model.words import Email, EnumOf, Number, Spec, StepName, Text

Given = bool | Number | datetime | date | str


class BaseSpec(Spec):
    """What every deal of the file has, unless its test says otherwise."""

    deal: dict[str, Given] = Field(default_factory=dict)
    account: dict[str, Given] = Field(default_factory=dict)


class ExpectSpec(Spec):
    """What is expected; what is left out is not looked at. Lists are whole: no more and no fewer, in any order."""

    phase: Literal["open", "won", "held", "in_flight", "lost"] | None = None
    gate: Literal["Held", "Released", "Overridden", "Warned", "Not checked"] | None = None
    missing: tuple[Text, ...] | None = None
    percent: Annotated[int, Field(ge=0, le=100)] | None = None
    segment: Text | None = None
    tier: str | None = None
    pool: str | None = None
    csm: Email | Literal[""] | None = None
    csm_in: tuple[Email, ...] | None = None
    playbook: str | None = None
    tasks: tuple[StepName, ...] | None = None
    messages: tuple[Text, ...] | None = None
    in_pilot: bool | None = None


class TestSpec(Spec):
    """One deal and what is expected of it."""

    __test__ = False  # its name begins as those of pytest do

    name: Text
    crm: Text | None = None
    stage: Text = "won"
    pipeline: Text | None = None
    deal_type: Annotated[DealType, EnumOf] = DealType.NEW
    won_at: datetime | None = None
    now: datetime | None = None
    deal: dict[str, Given] = Field(default_factory=dict)
    account: dict[str, Given] = Field(default_factory=dict)
    accounts_of: dict[Email, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    expect: ExpectSpec


class TestsFileSpec(Spec):
    """A file of tests."""

    __test__ = False

    base: BaseSpec = Field(default_factory=BaseSpec)
    tests: Annotated[tuple[TestSpec, ...], Field(min_length=1)]
