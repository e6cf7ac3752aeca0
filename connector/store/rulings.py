"""What came of each threshold for each period: judged once, whatever restarts and however many replicas run.

Not here: judging (``handoff.governing``) and what follows from a breach (``handoff.rules.governance``). A row is what
says that a period was judged; where all rows are lost, whoever judges anew looks for the tasks in the CRM first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from connector.handoff.model import Breach, SystemName
from connector.store.database import Part, chunks
from connector.store.inbox import want_looks
from connector.store.rows import Look
from connector.store.schema import ruling

TELLS_FOR = timedelta(days=45)
"""A breach that could not be told for so long is told no more: the next period says how things stand."""


@dataclass(frozen=True, slots=True)
class RulingRow:
    """One judged threshold. A breach is told on the deal ``deal_id``, None where there is none to tell it on."""

    name: str
    period: str
    at: datetime
    breached: bool
    deal_id: str | None = None
    generation: int = 0
    subject: str = ""
    text: str = ""


class Rulings(Part):
    """Thresholds by period."""

    def rulings(self, system: SystemName, *, periods: Sequence[str] = ()) -> tuple[RulingRow, ...]:
        """What was judged, the oldest first; of these periods alone where some are named."""
        query = select(ruling).where(ruling.c.system == system).order_by(ruling.c.at, ruling.c.name)
        if periods:
            query = query.where(ruling.c.period.in_(list(periods)))
        with self._db.read() as connection:
            return tuple(
                RulingRow(
                    row.name, row.period, row.at, row.breached, row.deal_id, row.generation, row.subject, row.text
                )
                for row in connection.execute(query)
            )

    def put_ruling(self, system: SystemName, row: RulingRow) -> bool:
        """Keep what came of a threshold, once; False where another process did before. The deal is looked at."""
        now = self._db.now()
        statement = self._db.insert(ruling).values(
            system=system,
            name=row.name,
            period=row.period,
            at=row.at,
            breached=row.breached,
            deal_id=row.deal_id,
            generation=row.generation,
            subject=row.subject,
            text=row.text,
        )
        with self._db.write() as connection:
            made = connection.execute(
                statement.on_conflict_do_nothing(index_elements=["system", "name", "period"])
            ).rowcount
            if made and row.deal_id is not None:
                reason = f"the threshold {row.name} was breached"
                want_looks(self._db, connection, system, [Look(deal_id=row.deal_id, due_at=now, reason=reason)])
            return bool(made)

    def breaches(self, system: SystemName, deal_ids: Sequence[str]) -> Mapping[str, tuple[Breach, ...]]:
        """The breaches that are told on these deals, the oldest first."""
        since = self._db.now() - TELLS_FOR
        found: dict[str, tuple[Breach, ...]] = {}
        with self._db.read() as connection:
            for part in chunks(sorted(set(deal_ids))):
                query = select(ruling).where(
                    ruling.c.system == system,
                    ruling.c.deal_id.in_(part),
                    ruling.c.breached.is_(True),
                    ruling.c.at >= since,
                    ruling.c.subject != "",
                )
                for row in connection.execute(query.order_by(ruling.c.at, ruling.c.name)):
                    told = Breach(row.name, row.period, row.subject, row.text, row.at, row.generation)
                    found[row.deal_id] = (*found.get(row.deal_id, ()), told)
        return found
