"""Several processes on one PostgreSQL: who is alive, who leads which system, and how they wake each other.

Not here: what a leader does and a helper does not (``connector.engine.replica``), and SQLite, where there is but one
process. Every time in here is the database's own, taken in the statement that uses it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, case, create_engine, delete, func, literal, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from connector.store.database import CHANNEL, PG_PATIENCE, Database, Part
from connector.store.schema import lease, outbox, replica
from connector.store.states import State
from connector.store.upgrade import BEFORE, head

STATEMENT_MS, LOCK_MS = 2000, 300
"""How long a beat may take, and wait for a row: one that hangs longer is worth no more than none."""

LOCKED = "55P03"
"""PostgreSQL's code for a row that somebody held for longer."""

KEPT = timedelta(hours=1)
"""How long a process that is gone stays on the list, so that what it had in hand can be told from what nobody has."""

NOW = func.clock_timestamp()


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand after a beat: ``renewed`` leases are this process's, with their epochs; ``holders`` of all
    leases that run; ``alive`` processes."""

    renewed: Mapping[str, int]
    holders: Mapping[str, str]
    alive: frozenset[str]


@dataclass(frozen=True, slots=True)
class News:
    """Another process put something there for a system: ``letters``, ``looks`` or ``rows``."""

    what: str
    system: str


class Pulse:
    """One process's own line to the database, apart from all others: it says that the process lives, and hears news.

    For one thread. Whatever raises leaves it closed; the next call opens it anew.
    """

    def __init__(self, database: Database, *, owner: str, version: str) -> None:
        self._db = database
        self._owner = owner
        self._version = version
        limits = f"-c statement_timeout={STATEMENT_MS} -c lock_timeout={LOCK_MS}"
        self._engine = create_engine(
            database.url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={**PG_PATIENCE, "connect_timeout": 2, "tcp_user_timeout": 4000, "options": limits},
        )
        self._connection: Connection | None = None

    def beat(self, *, keep: Collection[str], take: Collection[str], ttl: float) -> Standing:
        """Say that this process lives for ``ttl`` seconds more; renew the leases it has, take those that are free.

        A lease under which somebody writes this very moment is left alone, or waited for a moment where it is this
        process's own: it is renewed, or taken, the next time.
        """
        try:
            connection = self._line()
            until = NOW + timedelta(seconds=ttl)
            self._live_on(connection, until)
            renewed = self._hold(connection, keep=keep, take=take, until=until)
            holders = dict(connection.execute(select(lease.c.name, lease.c.owner).where(lease.c.until > NOW)).all())
            alive = connection.execute(select(replica.c.owner).where(replica.c.until > NOW)).scalars()
            return Standing(renewed, holders, frozenset(alive))
        except BaseException:
            self.close()
            raise

    def news(self, seconds: float) -> tuple[News, ...]:
        """Wait for what other processes tell, at most so long."""
        try:
            driver: Any = self._line().connection.driver_connection
            heard = [note.payload.split(" ") for note in driver.notifies(timeout=seconds, stop_after=1)]
        except BaseException:
            self.close()
            raise
        found = [News(each[0], each[1]) for each in heard if len(each) == 3 and each[2] != self._db.name]
        return tuple(dict.fromkeys(found))

    def give(self, name: str) -> None:
        """Let go of a lease, so that another may take it at once."""
        mine = update(lease).where(lease.c.name == name, lease.c.owner == self._owner)
        self._line().execute(mine.values(until=NOW))

    def leave(self) -> None:
        """Say that this process is gone, so that nobody waits for it."""
        with suppress(Exception):
            self._line().execute(update(replica).where(replica.c.owner == self._owner).values(until=NOW))
        self.close()

    def close(self) -> None:
        """Give the line up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.invalidate()
            with suppress(Exception):
                connection.close()

    def _line(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
            self._connection.execute(text(f"LISTEN {CHANNEL}"))
            self._forget_old(self._connection)
        return self._connection

    def _live_on(self, connection: Connection, until: Any) -> None:
        new = insert(replica).values(owner=self._owner, version=self._version, since=NOW, until=until)
        connection.execute(new.on_conflict_do_update(index_elements=["owner"], set_={"until": until}))

    def _hold(
        self, connection: Connection, *, keep: Collection[str], take: Collection[str], until: Any
    ) -> Mapping[str, int]:
        if take:
            rows = [{"name": name, "owner": self._owner, "epoch": 1} for name in sorted(take)]
            # Ended at once, so that the statement below takes it like any that ran out.
            connection.execute(insert(lease).values(until=NOW).on_conflict_do_nothing(), rows)
        mine = lease.c.owner == self._owner
        free = lease.c.name.in_(sorted(take)) & (lease.c.until <= NOW)
        wanted = select(lease.c.name).where(lease.c.name.in_(sorted({*keep, *take})), or_(mine, free))
        epoch = case((mine, lease.c.epoch), else_=lease.c.epoch + 1)
        taking = (
            update(lease)
            .where(lease.c.name.in_(wanted.with_for_update(skip_locked=True)))
            .values(owner=self._owner, until=until, epoch=epoch)
            .returning(lease.c.name, lease.c.epoch)
        )
        found: dict[str, int] = dict(connection.execute(taking).all()) if keep or take else {}
        missed = sorted(set(keep) - set(found))
        return found | self._renew(connection, missed, until) if missed else found

    def _renew(self, connection: Connection, names: Collection[str], until: Any) -> dict[str, int]:
        """Leases under which this process writes again and again: a beat that met a write each time would lose them."""
        mine = update(lease).where(lease.c.name.in_(names), lease.c.owner == self._owner).values(until=until)
        try:
            return dict(connection.execute(mine.returning(lease.c.name, lease.c.epoch)).all())
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != LOCKED:
                raise
            return {}

    def _forget_old(self, connection: Connection) -> None:
        in_hand = select(literal(1)).where(outbox.c.state == State.SENDING, outbox.c.lease_owner == replica.c.owner)
        connection.execute(delete(replica).where(replica.c.until < NOW - KEPT, ~in_hand.exists()))


class Replicas(Part):
    """What the processes of one database know of each other."""

    def pulse(self, *, owner: str) -> Pulse:
        """The line of one process; only on PostgreSQL."""
        return Pulse(self._db, owner=owner, version=head(BEFORE))

    def replicas(self) -> tuple[tuple[str, str, bool], ...]:
        """Every process that is known: its name, its version and whether it lives."""
        now = self._db.now()
        with self._db.read() as connection:
            rows = connection.execute(select(replica).order_by(replica.c.since, replica.c.owner)).all()
        return tuple((row.owner, row.version, _lives(row, now)) for row in rows)

    def was_alive(self, owner: str, *, within: float) -> bool:
        """Whether this process lived so many seconds ago, or lives."""
        query = select(replica.c.until).where(replica.c.owner == owner)
        with self._db.read() as connection:
            until = connection.execute(query).scalar_one_or_none()
        return until is not None and until > self._db.now() - timedelta(seconds=within)


def _lives(row: Row[Any], now: Any) -> bool:
    return bool(row.until > now)
