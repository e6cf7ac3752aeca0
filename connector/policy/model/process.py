"""``process.toml`` as a model.

Not here: references between keys (``build``), rules nobody can reach (``reach``) and what the core decides by
(``handoff.rulebook``): these models are only the shape of TOML.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from connector.policy.model.gate import AcceptanceSpec, GateSpec, OverrideSpec, PrefillSpec, ReviewSpec
from connector.policy.model.governance import GovernanceSpec
from connector.policy.model.people import AssignmentSpec, CalendarSpec, EscalationSpec, TeamCalendarSpec
from connector.policy.model.watch import CommitmentsSpec, NotifySpec, RedFlagsSpec, TargetsSpec
from connector.policy.model.words import Email, FieldName, Positive, Spec, Text, When


class SegmentSpec(Spec):
    """A named slice of customers; without ``when`` it takes the rest."""

    name: FieldName
    when: When = Field(default_factory=dict)


class TierSpec(Spec):
    """How much care a deal gets, by what it is worth; without ``when`` it takes the rest."""

    name: FieldName
    when: When = Field(default_factory=dict)
    named_csm: bool = True
    second_csm: bool = False
    extras: tuple[FieldName, ...] = ()


class HandoffSpec(Spec):
    """What holds for every handoff. ``playbooks`` are further files with playbooks, tried before playbook.toml."""

    rewin_window_days: Annotated[int, Field(ge=0, le=3650)] = 30
    playbooks: tuple[Text, ...] = ()
    sales_hours: Positive = Decimal(24)


class PilotSpec(Spec):
    """Which deals are acted on while config.toml says ``mode = "pilot"``: those that any of these names."""

    deals: tuple[Text, ...] = ()
    owners: tuple[Email, ...] = ()
    csms: tuple[Email, ...] = ()
    pools: tuple[FieldName, ...] = ()
    when: When = Field(default_factory=dict)
    since: date | None = None


class ProcessSpec(Spec):
    """process.toml."""

    handoff: HandoffSpec = Field(default_factory=HandoffSpec)
    segments: Annotated[tuple[SegmentSpec, ...], Field(min_length=1)]
    tiers: tuple[TierSpec, ...] = ()
    gate: GateSpec
    override: OverrideSpec
    assignment: AssignmentSpec
    calendar: CalendarSpec
    calendars: tuple[TeamCalendarSpec, ...] = ()
    escalation: EscalationSpec = Field(default_factory=EscalationSpec)
    notify: NotifySpec = Field(default_factory=NotifySpec)
    targets: TargetsSpec = Field(default_factory=TargetsSpec)
    red_flags: RedFlagsSpec | None = None
    commitments: CommitmentsSpec | None = None
    prefill: tuple[PrefillSpec, ...] = ()
    acceptance: AcceptanceSpec | None = None
    review: ReviewSpec | None = None
    governance: GovernanceSpec | None = None
    pilot: PilotSpec | None = None
