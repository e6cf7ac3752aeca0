"""One database, SQLite or PostgreSQL: its connections, its transactions and its clock.

Not here: tables and queries, and the steps of opening a store (``store``). Everything above this file is written
once: SQLite ignores row locks and gets ``BEGIN IMMEDIATE`` and one writer instead.

Whoever writes takes rows in one order, so that two PostgreSQL transactions cannot wait for each other: outbox by
id, then handoff, effect, written, roster, hold, gain, inbox by key, audit last.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, Table, create_engine, event, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.pool import StaticPool

from connector.clock import Clock, SystemClock
from connector.plain import storable
from connector.store.schema import lease

if TYPE_CHECKING:
    import psycopg

Item = TypeVar("Item")

BUSY_SECONDS = 10
"""How long SQLite waits for another process's write (facts/libraries.md section 2)."""

CACHE_KIB = 16_384
"""Of a SQLite file that a connection keeps in memory at most, as it reads it: the figures of 10,000 handoffs take
13 MB, and with SQLite's own 2 MB every sum over them reads the file anew."""

PRIVATE = 0o600
"""Mode of a database file: it holds names and addresses of people. What SQLite puts beside it gets the same."""

CHUNK = 500
"""Ids per statement: well below SQLite's 32 766 and PostgreSQL's 65 535 parameters."""

WAL_SAFE: tuple[tuple[tuple[int, int, int], tuple[int, int, int]], ...] = (
    ((3, 44, 6), (3, 45, 0)),
    ((3, 50, 7), (3, 51, 0)),
    ((3, 51, 3), (99, 0, 0)),
)
"""SQLite versions, from and before, in which WAL mode cannot corrupt the file (facts/libraries.md sections 0 and 2)."""

CLOCK_TRUST_SECONDS = 60.0
"""How long the database's time is counted on by this machine before the database is asked anew."""


IDLE_SECONDS = 8
"""How long PostgreSQL lets a transaction stand still: a process that is stopped, or cut off, in the middle of one would
hold what it has locked for ever, and everybody else with it."""

CHANNEL = "handoff"
"""Where processes wake each other (NOTIFY). Only to be quicker: whoever hears nothing finds the same by looking."""


class LeadLost(Exception):
    """Another process works on this system now; what was read before is not to be written any more."""


@dataclass(frozen=True, slots=True)
class Lead:
    """A lease by its name and the owner who must still have it, for what is written under it. ``epoch`` is another one
    each time the lease changed hands: who lost it and got it back may have read what is no longer so."""

    name: str
    owner: str
    epoch: int


_LEAD: ContextVar[Lead | None] = ContextVar("lead", default=None)


@contextmanager
def under(lead: Lead | None) -> Iterator[None]:
    """What this thread writes from here on counts only while the lead is still its owner's; else it raises LeadLost."""
    before = _LEAD.set(lead)
    try:
        yield
    finally:
        _LEAD.reset(before)


def journal_mode(version: tuple[int, int, int] = sqlite3.sqlite_version_info[:3]) -> str:
    """``WAL`` where this SQLite is known to be safe with it, else ``DELETE``."""
    return "WAL" if any(since <= version < before for since, before in WAL_SAFE) else "DELETE"


def chunks(items: Sequence[Item], size: int = CHUNK) -> Iterator[Sequence[Item]]:
    """The items in runs of at most ``size``."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


class DatabaseClock:
    """The database's time, asked for now and then and counted on from there: all replicas then agree, and what anybody
    sets this machine's clock to plays no part."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._told: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """The present moment as the database has it, UTC."""
        told = self._told
        if told is None or time.monotonic() - told[1] > CLOCK_TRUST_SECONDS:
            with self._engine.connect() as connection:
                theirs = connection.execute(select(func.clock_timestamp())).scalar_one()
            self._told = told = (theirs.astimezone(UTC), time.monotonic())
        return told[0] + timedelta(seconds=time.monotonic() - told[1])


class Database:
    """Connections and transactions. Thread-safe: on SQLite one thread writes at a time, the others wait."""

    def __init__(self, url: URL, *, clock: Clock, readonly: bool = False, journal: str | None = None) -> None:
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.name = uuid.uuid4().hex[:12]
        self.url = url
        self.server = ""
        """Which run of which server the newest connection leads to; another one after a restart, and after a failover,
        which may have lost the last commits. Empty on SQLite."""
        in_memory = self.is_sqlite and url.database in (None, "", ":memory:")
        if self.is_sqlite:
            self._engine = _sqlite_engine(url, in_memory=in_memory, readonly=readonly, journal=journal)
        else:
            self._engine = _pg_engine(url, readonly=readonly)
            event.listen(self._engine, "connect", self._note_server)
        event.listen(self._engine, "before_cursor_execute", _storable, retval=True)
        self._writer = self._engine.execution_options(handoff_writes=True)
        self._reader = self._engine
        if not self.is_sqlite:
            self._reader = self._engine.execution_options(isolation_level="REPEATABLE READ")
        lock = threading.Lock()
        self._write_gate: AbstractContextManager[Any] = lock if self.is_sqlite else nullcontext()
        self._read_gate: AbstractContextManager[Any] = lock if in_memory else nullcontext()
        own_time = self.is_sqlite or not isinstance(clock, SystemClock)
        self._clock: Clock = clock if own_time else DatabaseClock(self._engine)

    def _note_server(self, connection: psycopg.Connection, _record: object) -> None:
        found = connection.execute(b"SELECT extract(epoch FROM pg_postmaster_start_time())::text").fetchone()
        connection.commit()
        self.server = str(found[0]) if found else ""

    @property
    def clock(self) -> Clock:
        """What tells `now`."""
        return self._clock

    def now(self) -> datetime:
        """The present moment, UTC; on PostgreSQL the database's, so that all replicas agree on leases."""
        return self._clock.now()

    def moment(self) -> datetime | ColumnElement[datetime]:
        """The same for use within a statement: on PostgreSQL what the server's clock says as it runs, whatever was
        counted on from an earlier answer. For what other processes wrote by that clock."""
        return func.clock_timestamp() if isinstance(self._clock, DatabaseClock) else self.now()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that may write: all of it or, when anything raises, nothing."""
        with self._write_gate, self._writer.begin() as connection:
            self._keep_lead(connection)
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One transaction that only reads and sees one state of the data; within `one_state` that one."""
        held = _STATE.get()
        if held is not None and held[0] is self:
            yield held[1]
            return
        with self._read_gate, self._reader.connect() as connection:
            yield connection

    @contextmanager
    def one_state(self) -> Iterator[None]:
        """All that this thread reads from here on is of one state of the data, and of one transaction. For a few
        readings that belong together: nothing may be written within, and nobody waited for."""
        with self.read() as connection:
            token = _STATE.set((self, connection))
            try:
                yield
            finally:
                _STATE.reset(token)

    def wake(self, connection: Connection, what: str, system: str) -> None:
        """Tell the other processes, once this transaction is committed, that there is something for a system."""
        if not self.is_sqlite:
            connection.execute(select(func.pg_notify(CHANNEL, f"{what} {system} {self.name}")))

    def _keep_lead(self, connection: Connection) -> None:
        """Hold the lease until the transaction ends: nobody can take it over in the middle."""
        lead = _LEAD.get()
        if lead is None or self.is_sqlite:
            return
        same = (lease.c.name == lead.name, lease.c.owner == lead.owner, lease.c.epoch == lead.epoch)
        held = select(lease.c.name).where(*same)
        if connection.execute(held.with_for_update(read=True)).first() is None:
            raise LeadLost(lead.name)

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """An insert that knows ``on_conflict_do_update`` in this database's spelling."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def compact(self) -> None:
        """Give back what deleted rows took. On SQLite the file is written anew, so that their bytes leave it; on
        PostgreSQL they may be overwritten from now on. Raises what the database does where it is too busy for it."""
        if self.is_sqlite:
            with self._write_gate, self._engine.connect() as connection:
                raw = connection.connection.driver_connection
                if raw is not None:
                    raw.execute("VACUUM")
                    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return
        with self._engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql("VACUUM")

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()


_STATE: ContextVar[tuple[Database, Connection] | None] = ContextVar("state", default=None)


class Part:
    """What every part of the store is made of: a database. The parts are joined in `connector.store.store.Store`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def one_state(self) -> AbstractContextManager[None]:
        """See `Database.one_state`."""
        return self._db.one_state()


PG_PATIENCE: Mapping[str, int] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
"""Of libpq, seconds but for the last: without them a server that vanished in a failover, and took its address along, is
waited for until the operating system gives up, which takes hours. What the store's URL says goes before these."""


def _storable(
    _connection: Connection, _cursor: Any, statement: str, given: Any, _context: Any, _many: object
) -> tuple[str, Any]:
    """Every text on its way into any statement as the database can hold it: PostgreSQL refuses NUL, both refuse halves
    of characters, and one such text in a field of a deal would stop its whole system."""
    if isinstance(given, list):
        return statement, [_held(row) for row in given]
    return statement, _held(given) if given else given


def _held(row: Any) -> Any:
    if isinstance(row, Mapping):
        return {name: storable(each) if isinstance(each, str) else each for name, each in row.items()}
    return tuple(storable(each) if isinstance(each, str) else each for each in row)


def _folded(text: str | None) -> str | None:
    return text.casefold() if isinstance(text, str) else None


def _pg_engine(url: URL, *, readonly: bool) -> Engine:
    patience = {name: value for name, value in PG_PATIENCE.items() if name not in url.query}
    engine = create_engine(
        url, hide_parameters=True, pool_pre_ping=True, isolation_level="READ COMMITTED", connect_args=patience
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: psycopg.Connection, _record: object) -> None:
        connection.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'".encode())
        connection.commit()

    return engine.execution_options(postgresql_readonly=True) if readonly else engine


# ``hide_parameters``: an exception that reaches the log must not repeat the values of a statement, which are people's.
def _sqlite_engine(url: URL, *, in_memory: bool, readonly: bool, journal: str | None) -> Engine:
    if in_memory:
        engine = create_engine(
            url, hide_parameters=True, poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
    else:
        engine = create_engine(
            url, hide_parameters=True, connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS}
        )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        # SQLite's own lower() knows the letters of ASCII alone.
        connection.create_function("folded", 1, _folded, deterministic=True)
        if journal is not None:
            connection.execute(f"PRAGMA journal_mode = {journal}")
        if readonly:
            connection.execute("PRAGMA query_only = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("handoff_writes", False):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        elif (raw := connection.connection.driver_connection) is not None:
            raw.execute("BEGIN")  # it waits for nobody and cannot fail, and most transactions only read

    return engine
