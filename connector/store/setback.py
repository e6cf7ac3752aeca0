"""The machine's clock was set back: what waits for a time is brought forward by as much, or it would wait too long.

Not here: noticing it (``engine.clockwatch``). It is for a store of one process: on PostgreSQL all go by the server's
clock.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import bindparam, select, update
from sqlalchemy.sql.schema import Column, Table

from connector.store.database import Part
from connector.store.heldrows import HELD_UNTIL
from connector.store.schema import gain, handoff, hold, inbox, job, outbox, system

WAITING: tuple[tuple[Table, Column[datetime]], ...] = (
    (outbox, outbox.c.available_at),
    (outbox, outbox.c.lease_until),
    (inbox, inbox.c.due_at),
    (job, job.c.due_at),
    (system, system.c.paused_until),
    (handoff, handoff.c.decided_at),
    (hold, hold.c.until),
    (hold, hold.c.decided_at),
    (gain, gain.c.at),
)
"""Times before which nothing is done, and what counts for a while from when it happened on. A look that comes too early
finds nothing to do and costs a read. What waits for a person waits for no clock."""


class SetBack(Part):
    """Times that were written by a clock that was ahead."""

    def set_back(self, by: timedelta) -> int:
        """Bring forward by ``by`` whatever is to come; returns how many times that were."""
        now = self._db.now()
        moved = 0
        with self._db.write() as connection:
            for table, column in WAITING:
                keys = list(table.primary_key.columns)
                ahead = select(*keys, column.label("was")).where(column > now, column < HELD_UNTIL)
                rows = connection.execute(ahead).mappings().all()
                if not rows:
                    continue
                same = [key == bindparam(f"key_{key.name}") for key in keys]
                connection.execute(
                    update(table).where(*same).values({column: bindparam("moved")}),
                    [
                        {**{f"key_{key.name}": row[key.name] for key in keys}, "moved": max(now, row["was"] - by)}
                        for row in rows
                    ],
                )
                moved += len(rows)
        return moved
