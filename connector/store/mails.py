"""What the ledger knows of mails to customers: whether one may leave now, and how many left lately.

Not here: booking what became of one (``settle``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import func, or_, select

from connector.store.database import Part
from connector.store.outbox import MAIL_KIND
from connector.store.rows import OutboxRow
from connector.store.schema import effect, outbox
from connector.store.states import State

TRIED = (State.APPLIED, State.PARKED, State.SENDING, State.UNKNOWN)


class Mails(Part):
    """Mails to customers in outbox and ledger."""

    def confirmed(self, row: OutboxRow) -> Mapping[str, str]:
        """By step, the fingerprints of what is confirmed for the handoff of this row."""
        query = select(effect.c.step, effect.c.fingerprint).where(
            effect.c.system == row.system, effect.c.deal_id == row.deal_id, effect.c.generation == row.generation
        )
        with self._db.read() as connection:
            return {found.step: found.fingerprint for found in connection.execute(query)}

    def mails_since(self, since: datetime) -> int:
        """How many mails of all systems were tried since then, those included of which nobody knows."""
        recent = or_(outbox.c.settled_at.is_(None), outbox.c.settled_at >= since)
        query = select(func.count()).where(outbox.c.kind == MAIL_KIND, outbox.c.state.in_(TRIED), recent)
        query = query.where(outbox.c.attempt > 0, outbox.c.claimed_at >= since)
        with self._db.read() as connection:
            return connection.execute(query).scalar_one()
