"""What people and the status page read: one handoff, many, the audit trail, the coverage.

Not here: facts the core decides by (``ledger``). A view is a copy; changing it changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, case, func, select

from connector.handoff.model import Gate, SystemName
from connector.handoff.plan import Phase
from connector.store import codec
from connector.store.audit import AuditKind
from connector.store.database import Part, chunks
from connector.store.ledger import read_signals
from connector.store.schema import audit, handoff, inbox


@dataclass(frozen=True, slots=True)
class HandoffView:
    """One handoff as the ledger has it. ``plan`` is the latest decision as `codec.plan_to_json` writes it.

    ``phase``, ``mode`` (``act`` or ``observe``), ``decided_at`` and ``plan`` are None until a decision was made.
    ``next_look`` is when the deal is looked at next and ``next_look_reason`` why; ``looked_because`` is what led to
    the latest decision.
    """

    system: SystemName
    deal_id: str
    phase: Phase | None
    mode: str | None
    generation: int
    gate: Gate | None
    csm_id: str | None
    won_at: datetime | None
    left_won_at: datetime | None
    released_at: datetime | None
    assigned_at: datetime | None
    adopted: bool
    segment: str
    percent: int
    reason: str
    looked_because: str
    decided_at: datetime | None
    last_write_at: datetime | None
    next_look: datetime | None
    next_look_reason: str
    done_signals: Mapping[str, datetime]
    plan: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class AuditView:
    """One row of the audit trail. ``by`` is empty for the program itself; one that was ``erased`` says no more than
    that, and by which row."""

    id: int
    at: datetime
    system: SystemName
    deal_id: str | None
    generation: int
    kind: AuditKind
    reason: str
    data: Mapping[str, Any]
    by: str = ""
    erased: int | None = None


@dataclass(frozen=True, slots=True)
class CoverageCount:
    """How many deals stand in a phase with a gate verdict; ``mode``: ``act``, or ``observe`` if only computed, and then
    ``footing`` says why (`Footing`; ``acted`` where a person dropped the win), as far as it was noted."""

    phase: Phase
    gate: Gate | None
    deals: int
    mode: str = "act"
    footing: str = ""


class Views(Part):
    """Reading for people."""

    def handoff(self, system: SystemName, deal_id: str) -> HandoffView | None:
        """One deal's handoff; None when the ledger never saw the deal."""
        query = _with_next_look().where(handoff.c.system == system, handoff.c.deal_id == deal_id)
        with self._db.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _handoff(row)

    def acted_on(self, system: SystemName, deal_ids: Sequence[str]) -> frozenset[str]:
        """Those of these deals on which the latest decision acted; of the others it was only computed."""
        found: set[str] = set()
        with self._db.read() as connection:
            for part in chunks(deal_ids):
                query = select(handoff.c.deal_id).where(handoff.c.system == system, handoff.c.deal_id.in_(part))
                found |= set(connection.execute(query.where(handoff.c.mode == "act")).scalars())
        return frozenset(found)

    def plans(self, system: SystemName, deal_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """The latest decision of each of these deals, as `HandoffView.plan` has it; without those that say no more."""
        found: dict[str, Mapping[str, Any]] = {}
        columns = (handoff.c.deal_id, handoff.c.plan)
        with self._db.read() as connection:
            for part in chunks(deal_ids):
                query = select(*columns).where(handoff.c.system == system, handoff.c.deal_id.in_(part))
                for deal_id, plan in connection.execute(query.where(handoff.c.plan.is_not(None))):
                    found[deal_id] = codec.loads(plan)
        return found

    def handoffs(
        self, system: SystemName, *, limit: int, phase: Phase | None = None, gate: Gate | None = None
    ) -> tuple[HandoffView, ...]:
        """The handoffs decided last, newest first."""
        query = _with_next_look().where(handoff.c.system == system, handoff.c.decided_at.is_not(None))
        if phase is not None:
            query = query.where(handoff.c.phase == phase.value)
        if gate is not None:
            query = query.where(handoff.c.gate == gate.value)
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(handoff.c.decided_at.desc(), handoff.c.deal_id).limit(limit))
            return tuple(_handoff(row) for row in rows)

    def decisions(self, limit: int, *, system: SystemName | None = None) -> tuple[AuditView, ...]:
        """The decisions made last, newest first; of all systems when none is named."""
        query = select(audit).where(audit.c.kind == AuditKind.DECIDED.value, audit.c.erased.is_(None))
        if system is not None:
            query = query.where(audit.c.system == system)
        return self._audit(query.order_by(audit.c.id.desc()).limit(limit))

    def audit(self, system: SystemName, deal_id: str) -> tuple[AuditView, ...]:
        """All that happened to one deal, oldest first."""
        query = select(audit).where(audit.c.system == system, audit.c.deal_id == deal_id)
        return self._audit(query.order_by(audit.c.id))

    def coverage(self, system: SystemName) -> tuple[CoverageCount, ...]:
        """How many deals stand where, each counted once; in observe mode the gate is what it would have said."""
        gate = func.coalesce(handoff.c.verdict, handoff.c.gate)
        footing = case((handoff.c.mode == "observe", func.coalesce(handoff.c.footing, "")), else_="")
        query = (
            select(handoff.c.phase, gate, func.count(), handoff.c.mode, footing)
            .where(handoff.c.system == system, handoff.c.phase.is_not(None))
            .group_by(handoff.c.phase, gate, handoff.c.mode, footing)
        )
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        counts = [
            CoverageCount(Phase(phase), Gate(gate) if gate else None, deals, mode or "act", why)
            for phase, gate, deals, mode, why in rows
        ]
        return tuple(sorted(counts, key=lambda one: (one.phase, one.gate or "", one.mode, one.footing)))

    def _audit(self, query: Select[Any]) -> tuple[AuditView, ...]:
        with self._db.read() as connection:
            return tuple(
                AuditView(
                    id=row.id,
                    at=row.at,
                    system=SystemName(row.system),
                    deal_id=row.deal_id,
                    generation=row.generation,
                    kind=AuditKind(row.kind),
                    reason=row.reason if row.erased is None else f"(erased; row {row.erased} tells why)",
                    data=codec.loads(row.data),
                    by=row.who or "",
                    erased=row.erased,
                )
                for row in connection.execute(query)
            )


def _with_next_look() -> Select[Any]:
    same_deal = and_(inbox.c.system == handoff.c.system, inbox.c.deal_id == handoff.c.deal_id)
    return select(handoff, inbox.c.due_at.label("next_look"), inbox.c.reason.label("next_look_reason")).select_from(
        handoff.outerjoin(inbox, same_deal)
    )


def _handoff(row: Row[Any]) -> HandoffView:
    return HandoffView(
        system=SystemName(row.system),
        deal_id=row.deal_id,
        phase=Phase(row.phase) if row.phase else None,
        mode=row.mode,
        generation=row.generation,
        gate=Gate(row.gate) if row.gate else None,
        csm_id=row.csm_id,
        won_at=row.won_at,
        left_won_at=row.left_won_at,
        released_at=row.released_at,
        assigned_at=row.assigned_at,
        adopted=row.adopted,
        segment=row.segment,
        percent=row.percent,
        reason=row.reason,
        looked_because=row.looked_because,
        decided_at=row.decided_at,
        last_write_at=row.last_write_at,
        next_look=row.next_look,
        next_look_reason=row.next_look_reason if row.next_look else "",
        done_signals=read_signals(row.done_signals),
        plan=codec.loads(row.plan) if row.plan else None,
    )
