"""Jobs: rows that were handed to a receiver together, under its own id, and are asked about later.

Not here: what a job is at the receiver (``crm``), and when to ask (``engine``). A row of a job stays in ``sending``
without a lease until the job tells of it; the job's id stands on it from the same transaction that claimed it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, bindparam, delete, func, insert, select, update

from connector.handoff.model import SystemName
from connector.handoff.plan import Order
from connector.store.database import Part, chunks
from connector.store.heldrows import HELD_UNTIL
from connector.store.outbox import RANKS, busy_elsewhere, choose, read_row, take
from connector.store.rows import Job, OutboxRow, Turn
from connector.store.schema import handoff, job, outbox, replica
from connector.store.states import OPEN, State

_JOBS = select(job).where(job.c.system == bindparam("system")).order_by(job.c.due_at, job.c.job_id)
"""Written once: every pass asks this, and putting a statement together takes longer than running it."""


class JobBook(Part):
    """Jobs that have not been settled yet."""

    def claim_job(
        self, turn: Turn, *, job_id: str, owner: str, size: int, chars: int, due_at: datetime
    ) -> tuple[OutboxRow, ...]:
        """Put rows that may be sent now into a job that was just opened, in one transaction; none: nothing is stored.

        ``size`` rows at most and ``chars`` characters of actions. ``due_at``: from when on another process may ask
        what became of the job, should this one not come to load it.
        """
        now = self._db.now()
        lane = turn.lane
        with self._db.write() as connection:
            busy = busy_elsewhere(self._db, connection, lane, owner)
            ids = choose(connection, turn, now=now, size=size, chars=chars, busy=busy)
            rows = take(connection, ids, now=now, lease_owner=owner, lease_until=None, job_id=job_id)
            if not rows:
                return ()
            new = {"system": lane.system, "job_id": job_id, "kind": lane.kind, "operation": lane.operation}
            times = {"opened_at": now, "due_at": due_at}
            connection.execute(insert(job).values(**new, **times, rows=len(rows), loaded=False, asked=0, owner=owner))
        accounts = self._accounts(lane.system, [row.deal_id for row in rows])
        return tuple(dataclasses.replace(row, account_id=accounts.get(row.deal_id)) for row in rows)

    def jobs(self, system: SystemName) -> tuple[Job, ...]:
        """The jobs of a system, the one due first at the front."""
        with self._db.read() as connection:
            rows = connection.execute(_JOBS, {"system": system}).all()
            if not rows:
                return ()
            gone = select(replica.c.owner).where(replica.c.until <= self._db.moment())
            left = set(connection.execute(gone).scalars())
        return tuple(dataclasses.replace(_job(row), orphaned=row.owner in left) for row in rows)

    def job_loaded(self, system: SystemName, job_id: str, *, due_at: datetime) -> None:
        """The job is known to have been closed; ask it from ``due_at`` on."""
        self._change(system, job_id, loaded=True, due_at=due_at)

    def job_asked(self, system: SystemName, job_id: str, *, due_at: datetime) -> None:
        """The job has not ended; ask it again from ``due_at`` on."""
        self._change(system, job_id, asked=job.c.asked + 1, due_at=due_at)

    def job_rows(self, system: SystemName, job_id: str, *, after: int = 0, limit: int) -> tuple[OutboxRow, ...]:
        """Rows of a job of which it was not yet told what became of them, by id, those beyond ``after``."""
        query = (
            select(outbox)
            .where(
                outbox.c.system == system,
                outbox.c.job_id == job_id,
                outbox.c.state == State.SENDING,
                outbox.c.id > after,
            )
            .order_by(outbox.c.id)
            .limit(limit)
        )
        with self._db.read() as connection:
            return tuple(read_row(row) for row in connection.execute(query))

    def forget_job(self, system: SystemName, job_id: str) -> None:
        """The job needs no more asking; nothing happens while rows still travel in it."""
        still = select(outbox.c.id).where(outbox.c.system == system, outbox.c.job_id == job_id).limit(1)
        with self._db.write() as connection:
            if connection.execute(still).first() is None:
                connection.execute(delete(job).where(job.c.system == system, job.c.job_id == job_id))

    def backfilling(self, system: SystemName, deal_ids: Sequence[str]) -> Mapping[str, State]:
        """The deals among these for which a row of a backfill is on its way, and where it stands."""
        found: dict[str, State] = {}
        with self._db.read() as connection:
            for part in chunks(deal_ids):
                query = select(outbox.c.deal_id, outbox.c.state).where(
                    outbox.c.system == system,
                    outbox.c.deal_id.in_(part),
                    outbox.c.state.in_(OPEN),
                    outbox.c.rank == RANKS[Order.BACKFILL],
                )
                found |= {row[0]: State(row[1]) for row in connection.execute(query)}
        return found

    def open_backfill(self, system: SystemName) -> int:
        """How many rows of a backfill are on their way."""
        query = select(func.count()).where(
            outbox.c.system == system, outbox.c.state.in_(OPEN), outbox.c.rank == RANKS[Order.BACKFILL]
        )
        with self._db.read() as connection:
            return connection.execute(query).scalar_one()

    def release_backfill(self, system: SystemName) -> int:
        """Let rows of a backfill that were held back until all were recorded be sent now; returns how many."""
        now = self._db.now()
        held = and_(
            outbox.c.system == system,
            outbox.c.state == State.PENDING,
            outbox.c.rank == RANKS[Order.BACKFILL],
            outbox.c.attempt == 0,
            outbox.c.available_at > now,
            outbox.c.available_at < HELD_UNTIL,
        )
        with self._db.write() as connection:
            return connection.execute(update(outbox).where(held).values(available_at=now)).rowcount

    def _accounts(self, system: SystemName, deal_ids: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        with self._db.read() as connection:
            for part in chunks(deal_ids):
                query = select(handoff.c.deal_id, handoff.c.account_id).where(
                    handoff.c.system == system, handoff.c.deal_id.in_(part), handoff.c.account_id.is_not(None)
                )
                found |= {row[0]: row[1] for row in connection.execute(query)}
        return found

    def _change(self, system: SystemName, job_id: str, **values: Any) -> None:
        with self._db.write() as connection:
            connection.execute(update(job).where(job.c.system == system, job.c.job_id == job_id).values(**values))


def _job(row: Row[Any]) -> Job:
    return Job(
        system=SystemName(row.system),
        id=row.job_id,
        kind=row.kind,
        operation=row.operation,
        rows=row.rows,
        loaded=row.loaded,
        asked=row.asked,
        opened_at=row.opened_at,
        due_at=row.due_at,
    )
