"""What a company wants: the frozen policy the core decides by, for one system.

Not here: files, TOML, validation and messages about mistakes (``connector.policy`` reads those and builds this).
A policy is plain data: two policies with equal content are equal, and ``version`` is a digest of that content.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from connector.handoff.model import DealType
from connector.handoff.productbook import ProductPolicy
from connector.handoff.rulebook.calendars import Calendar, TeamCalendar
from connector.handoff.rulebook.conditions import Segment, Tier
from connector.handoff.rulebook.fields import FieldRule, Prefill
from connector.handoff.rulebook.gate import AcceptancePolicy, GatePolicy, OverridePolicy, ReviewPolicy
from connector.handoff.rulebook.governance import GovernancePolicy
from connector.handoff.rulebook.messages import NotifyPolicy, SummaryPolicy
from connector.handoff.rulebook.people import NO_ESCALATION, NO_TEAMS, AssignmentPolicy, Escalation, Teams
from connector.handoff.rulebook.pilot import NO_PILOT, Pilot
from connector.handoff.rulebook.playbooks import NO_MEETINGS, MeetingPolicy, Playbook
from connector.handoff.rulebook.quality import NO_QUALITY, QualityPolicy
from connector.handoff.rulebook.watch import NO_RED_FLAGS, CommitmentPolicy, RedFlags, Targets


@dataclass(frozen=True, slots=True)
class Policy:
    """All of it, for one system. ``fields`` is keyed by canonical path; ``extras`` are the paths of what only some CRMs
    keep of tasks and meetings (``task.queue``, ``meeting.attendees``) and this one does. For ``sales_for`` after its
    release a handoff is in the phase of Sales."""

    version: str
    fields: Mapping[str, FieldRule]
    segments: tuple[Segment, ...]
    gate: GatePolicy
    override: OverridePolicy
    assignment: AssignmentPolicy
    calendar: Calendar
    playbooks: tuple[Playbook, ...]
    summary: SummaryPolicy
    notify: NotifyPolicy
    targets: Targets
    rewin_window: timedelta
    deal_types: tuple[DealType, ...] = (DealType.NEW, DealType.RENEWAL, DealType.UPSELL)
    teams: Teams = NO_TEAMS
    meetings: MeetingPolicy = NO_MEETINGS
    extras: frozenset[str] = frozenset()
    escalation: Escalation = NO_ESCALATION
    calendars: tuple[TeamCalendar, ...] = ()
    quality: QualityPolicy = NO_QUALITY
    before_close: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """The stages in which an open deal says how ready it is, by pipeline; under "" those of every pipeline."""
    sales_for: timedelta = timedelta(hours=24)
    red_flags: RedFlags = NO_RED_FLAGS
    commitments: CommitmentPolicy | None = None
    product: ProductPolicy | None = None
    pre_assign: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """The stages in which an open deal gets its CSM already, by pipeline as above."""
    acceptance: AcceptancePolicy | None = None
    review: ReviewPolicy | None = None
    tiers: tuple[Tier, ...] = ()
    prefills: tuple[Prefill, ...] = ()
    governance: GovernancePolicy | None = None
    pilot: Pilot = NO_PILOT

    def shows_readiness(self, pipeline: str, stage_id: str) -> bool:
        """Whether an open deal in this stage says how ready it is."""
        return any(stage_id in self.before_close.get(each, ()) for each in (pipeline, ""))

    def assigns_early(self, pipeline: str, stage_id: str) -> bool:
        """Whether an open deal in this stage gets its CSM already."""
        return any(stage_id in self.pre_assign.get(each, ()) for each in (pipeline, ""))
