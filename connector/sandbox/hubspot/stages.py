"""The two deal pipelines of the portal and their stages.

Read-only here: the connector never changes a pipeline. A stage is won by its probability, not by its id
(facts: HubSpot §4), which is why the second pipeline has numbers for ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

PIPELINES_MADE = datetime(2024, 2, 1, 9, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage; `probability` is "0.0" to "1.0"."""

    id: str
    label: str
    probability: str
    closed: bool

    @property
    def won(self) -> bool:
        """Closed with certainty: the deal is won."""
        return self.closed and float(self.probability) == 1.0

    @property
    def lost(self) -> bool:
        """Closed without a win."""
        return self.closed and not self.won


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One pipeline with its stages in order."""

    id: str
    label: str
    stages: tuple[Stage, ...]

    def stage(self, stage_id: str | None) -> Stage | None:
        """The stage of this id, or None."""
        return next((s for s in self.stages if s.id == stage_id), None)


SALES = Pipeline(
    id="default",
    label="Sales Pipeline",
    stages=(
        Stage("appointmentscheduled", "Appointment Scheduled", "0.2", closed=False),
        Stage("qualifiedtobuy", "Qualified To Buy", "0.4", closed=False),
        Stage("presentationscheduled", "Presentation Scheduled", "0.6", closed=False),
        Stage("decisionmakerboughtin", "Decision Maker Bought-In", "0.8", closed=False),
        Stage("contractsent", "Contract Sent", "0.9", closed=False),
        Stage("closedwon", "Closed Won", "1.0", closed=True),
        Stage("closedlost", "Closed Lost", "0.0", closed=True),
    ),
)
RENEWALS = Pipeline(
    id="8801001",
    label="Renewals",
    stages=(
        Stage("880100101", "Renewal due", "0.5", closed=False),
        Stage("880100102", "In negotiation", "0.7", closed=False),
        Stage("880100103", "Renewed", "1.0", closed=True),
        Stage("880100104", "Lost", "0.0", closed=True),
    ),
)
PIPELINES: dict[str, Pipeline] = {p.id: p for p in (SALES, RENEWALS)}
STAGES: dict[str, Stage] = {s.id: s for p in PIPELINES.values() for s in p.stages}
PIPELINE_OF: dict[str, Pipeline] = {s.id: p for p in PIPELINES.values() for s in p.stages}
