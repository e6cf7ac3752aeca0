"""The queue of exceptions: which deals were let through with gaps, or ask to be, since when, by whom and why.

Not here: what an exception is (``handoff.exceptions``) and writing it down (``record``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, select

from connector.handoff.exceptions import Exempt
from connector.handoff.model import SystemName
from connector.handoff.plan import Phase
from connector.store import codec
from connector.store.audit import AuditKind
from connector.store.database import Part
from connector.store.schema import audit, handoff

_OPENED = select(func.count()).where(handoff.c.system == bindparam("system"), handoff.c.exempt_at >= bindparam("since"))
"""Written once: every pass asks this, and putting a statement together takes longer than running it."""


@dataclass(frozen=True, slots=True)
class OpenException:
    """One deal of the queue. ``by`` approved it and ``reason`` is theirs; both are empty where nobody did. ``missing``
    are the labels of what is still to be filled."""

    system: SystemName
    deal_id: str
    kind: str
    since: datetime
    by: str
    reason: str
    missing: tuple[str, ...]


class Exceptions(Part):
    """Reading the queue."""

    def open_exceptions(self, system: SystemName) -> tuple[OpenException, ...]:
        """Those that are open, the oldest first."""
        columns = (handoff.c.deal_id, handoff.c.exempt, handoff.c.exempt_at, handoff.c.plan)
        gone = handoff.c.phase == Phase.LOST.value
        query = select(*columns).where(handoff.c.system == system, handoff.c.exempt.is_not(None), ~gone)
        told = select(audit.c.deal_id, audit.c.reason, audit.c.who).where(
            audit.c.system == system, audit.c.kind == AuditKind.OVERRIDDEN.value, audit.c.erased.is_(None)
        )
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(handoff.c.exempt_at, handoff.c.deal_id)).all()
            ids = [row.deal_id for row in rows]
            said = {
                row.deal_id: (row.who or "", row.reason)
                for row in connection.execute(told.where(audit.c.deal_id.in_(ids)).order_by(audit.c.id))
            }
        found = []
        for row in rows:
            by, reason = said.get(row.deal_id, ("", "")) if row.exempt == Exempt.OVERRIDDEN else ("", "")
            gaps = codec.loads(row.plan)["missing"] if row.plan else ()
            missing = tuple(check["label"] for check in gaps)
            found.append(OpenException(system, row.deal_id, row.exempt, row.exempt_at, by, reason, missing))
        return tuple(found)

    def exceptions_opened(self, system: SystemName, *, since: datetime) -> int:
        """How many deals became an exception since then, whether it is over or not."""
        with self._db.read() as connection:
            return int(connection.execute(_OPENED, {"system": system, "since": since}).scalar_one())
