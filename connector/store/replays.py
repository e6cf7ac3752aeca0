"""Looks that a person asks for, and the entry of the trail they begin from.

Not here: what a look finds (``engine``). Only looks are asked for; nothing is ever sent because of an old event.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from connector.handoff.model import SystemName
from connector.store.audit import AuditKind, Entry, write_audit
from connector.store.database import Part
from connector.store.inbox import want_looks
from connector.store.rows import Look
from connector.store.schema import audit


class Replays(Part):
    """Asking for looks by hand."""

    def deal_of_entry(self, number: int) -> tuple[SystemName, str] | None:
        """The deal an entry of the audit trail is about; None for one that is about none, or is not there."""
        query = select(audit.c.system, audit.c.deal_id).where(audit.c.id == number, audit.c.deal_id.is_not(None))
        with self._db.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else (SystemName(row.system), row.deal_id)

    def replay(self, system: SystemName, deal_ids: Sequence[str], *, by: str) -> int:
        """Have these deals looked at now; returns how many."""
        now = self._db.now()
        ids = sorted(set(deal_ids))
        reason = f"{by} asked for another look"
        with self._db.write() as connection:
            want_looks(self._db, connection, system, [Look(deal_id=each, due_at=now, reason=reason) for each in ids])
            write_audit(connection, now, [Entry(system, each, 0, AuditKind.REPLAYED, reason, by=by) for each in ids])
        return len(ids)
