"""The store as one object, and how one is opened.

Not here: what its methods do; each is in the part that names it (``inbox``, ``ledger``, ``record``, ``outbox``,
``jobs``, ``settle``, ``lease``, ``letters``, ``views``).
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, suppress
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DatabaseError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from connector.clock import Clock
from connector.errors import Problem, UserError
from connector.handoff.model import SystemName
from connector.store import upgrade
from connector.store.age import Age
from connector.store.alarms import Alarms
from connector.store.answers import Answers
from connector.store.behind import Behind
from connector.store.database import PRIVATE, Database, journal_mode
from connector.store.drops import Drops
from connector.store.exceptions import Exceptions
from connector.store.figures import Figures
from connector.store.filelock import FileLock, second_process
from connector.store.gains import Gains
from connector.store.holds import Holds
from connector.store.inbox import Inbox
from connector.store.jobs import JobBook
from connector.store.keepsake import Keepsake
from connector.store.lease import Leases
from connector.store.ledger import Ledger
from connector.store.letters import Letters
from connector.store.mails import Mails
from connector.store.moving import Movings
from connector.store.outbox import Outbox
from connector.store.pauses import Pauses
from connector.store.policies import Policies
from connector.store.productevents import ProductEvents
from connector.store.provisioned import Provisions
from connector.store.quota import Quotas
from connector.store.record import Recorder
from connector.store.replays import Replays
from connector.store.replicas import Replicas
from connector.store.retention import Retention
from connector.store.rows import ACTING_NOTE
from connector.store.rulings import Rulings
from connector.store.setback import SetBack
from connector.store.settle import Settling
from connector.store.subject import Subjects
from connector.store.tallies import Tallies
from connector.store.trail import Trail
from connector.store.trials import Trials
from connector.store.views import Views
from connector.store.whereabouts import Whereabouts

NOTE_SECONDS = 60.0
"""How often the note beside the database is brought up to date: an old copy that lacks less is not known as one."""


class Mode(StrEnum):
    """What a store is opened for."""

    DAEMON = "daemon"
    """To run: migrates, and on SQLite keeps every other daemon out."""

    TOOL = "tool"
    """To change something beside a running daemon (``retry``); migrates only when no daemon is running."""

    READ = "read"
    """To look; writes fail."""


class Store(
    ProductEvents,
    Age,
    Answers,
    Exceptions,
    Behind,
    Figures,
    Inbox,
    Ledger,
    Recorder,
    Outbox,
    JobBook,
    Settling,
    SetBack,
    Leases,
    Views,
    Whereabouts,
    Letters,
    Mails,
    Gains,
    Holds,
    Movings,
    Pauses,
    Drops,
    Provisions,
    Replays,
    Policies,
    Alarms,
    Trail,
    Replicas,
    Quotas,
    Retention,
    Subjects,
    Tallies,
    Rulings,
    Trials,
):
    """Inbox, ledger, outbox, audit and leases of all systems, in one database. Thread-safe."""

    def __init__(self, database: Database, *, lock: FileLock | None = None, keepsake: Keepsake | None = None) -> None:
        super().__init__(database)
        self._lock = lock
        self._keepsake = keepsake
        self._note_due = 0.0

    def set_baseline(self, system: SystemName, at: datetime) -> None:
        """Act on wins from this time on; also kept beside the database, for when that is lost."""
        if self._keepsake is not None:
            self._keepsake.keep(system, at)
        super().set_baseline(system, at)

    def started_before(self, system: SystemName) -> datetime | None:
        """When acting began, as the file beside a lost database remembers it; None on a true first run."""
        return self._keepsake.started(system) if self._keepsake is not None else None

    def keep_acting(self, system: SystemName, note: str) -> None:
        """Note since when is acted for whom; also kept beside the database, for when that is lost."""
        if self._keepsake is not None:
            self._keepsake.keep_acting(system, note)
        self.set_cursor(system, ACTING_NOTE, note)

    def acting_before(self, system: SystemName) -> str:
        """That note, as the file beside a lost database remembers it; empty on a true first run."""
        return self._keepsake.acting(system) if self._keepsake is not None else ""

    def note_age(self) -> None:
        """Write down beside the database how far it is, once a minute at most."""
        if self._keepsake is None or time.monotonic() < self._note_due:
            return
        self._note_due = time.monotonic() + NOTE_SECONDS
        last = self.last_entry()
        if last > self._keepsake.trail():
            # A full disk fails passes where the ledger needs room, not where this note does: an older one says less.
            with suppress(OSError):
                self._keepsake.keep_trail(last)

    def grown_old(self) -> bool:
        """Whether this is an earlier copy of the database that was at work here last; if so, what was last written to
        the CRM is forgotten, because a value written since would look like a person's."""
        if self._keepsake is None or self._keepsake.trail() <= self.last_entry():
            return False
        self.forget_written()
        with suppress(OSError):  # forgotten once more at the next start, then
            self._keepsake.keep_trail(self.last_entry())
        return True

    @property
    def server(self) -> str:
        """Which run of which server keeps this; what it says may be older than what another one said."""
        return self._db.server

    @property
    def single_process(self) -> bool:
        """Whether no other daemon can be working on this database (SQLite)."""
        return self._db.is_sqlite

    @property
    def clock(self) -> Clock:
        """The time by which looks, leases and rows fall due: on PostgreSQL the server's, whatever this machine says."""
        return self._db.clock

    def close(self) -> None:
        """Close all connections and let go of the file lock."""
        self._db.close()
        if self._lock is not None:
            self._lock.release()


def open_store(url: str, *, clock: Clock, mode: Mode | str = Mode.DAEMON) -> Store:
    """Open the store at an SQLAlchemy URL (``sqlite:////data/handoff.db``, ``postgresql://user@host/name``).

    Raises UserError when it cannot be used: a second daemon on SQLite, an unreachable server, a newer schema, or, in
    modes that may not migrate, a missing or older one.
    """
    mode = Mode(mode)
    parsed = _parse(url)
    path = _file(parsed)
    with ExitStack() as undo:
        lock = FileLock(path) if path is not None else None
        if path is not None:
            _prepare_file(path, mode)
        if lock is not None and path is not None and mode is Mode.DAEMON:
            if not lock.acquire():
                raise second_process(path)
            undo.callback(lock.release)
        try:
            database = _database(parsed, path, clock=clock, mode=mode)
            undo.callback(database.close)
            _bring_up_to_date(database, lock, mode)
        except (OperationalError, ModuleNotFoundError) as error:
            raise _unusable(parsed, error) from error
        undo.pop_all()
        return Store(database, lock=lock, keepsake=Keepsake(path) if path is not None else None)


def in_use(url: str) -> bool:
    """Whether a daemon holds the SQLite file of a URL right now; never so for PostgreSQL, which replicas share."""
    path = _file(_parse(url))
    if path is None or not path.exists():
        return False
    lock = FileLock(path)
    if not lock.acquire():
        return True
    lock.release()
    return False


OLDER = "has an older schema than this version needs; run: handoff migrate"


class OlderSchema(UserError):
    """The database awaits this version's migrations."""


def address(url: str) -> tuple[URL, Path | None]:
    """Where a store is: its URL with the driver it is reached by, and the file for SQLite. Raises UserError."""
    parsed = _parse(url)
    return parsed, _file(parsed)


def _parse(url: str) -> URL:
    if url.startswith("postgres://"):
        url = "postgresql://" + url.removeprefix("postgres://")
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:  # the second for a port that is no number
        raise _problem("not a database URL; write sqlite:////path/to/file.db or postgresql://user@host/name") from error
    match parsed.get_backend_name():
        case "sqlite":
            return parsed.set(drivername="sqlite")
        case "postgresql":
            return parsed.set(drivername="postgresql+psycopg")
    raise _problem(f"{parsed.get_backend_name()} is not supported; use sqlite or postgresql")


def _file(url: URL) -> Path | None:
    """The SQLite file; None for PostgreSQL and for a database in memory."""
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database)).absolute()


def _prepare_file(path: Path, mode: Mode) -> None:
    if mode is Mode.READ:
        if not path.exists():
            raise _problem(f"there is no ledger at {path} yet; start the daemon first (handoff run)")
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _problem(f"cannot make the folder {path.parent}: {error.strerror}") from error
    with suppress(OSError):  # it is there already, or cannot be made, which opening it tells better
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE))


def _database(url: URL, path: Path | None, *, clock: Clock, mode: Mode) -> Database:
    if path is not None and mode is Mode.READ:
        # Not mode=ro: after a kill the first to open the file must roll its journal back, and may be a reader.
        url = url.set(database=f"file:{quote(str(path))}", query={"mode": "rw", "uri": "true"})
    journal = journal_mode() if mode is Mode.DAEMON else None
    return Database(url, clock=clock, readonly=mode is Mode.READ, journal=journal)


def _bring_up_to_date(database: Database, lock: FileLock | None, mode: Mode) -> None:
    if mode is not Mode.DAEMON:
        with database.read() as connection:
            if upgrade.is_current(connection):
                return
    if mode is Mode.READ:
        raise OlderSchema([Problem("store", "database", OLDER)])
    held = lock is None or mode is Mode.DAEMON
    if not held and lock is not None and not lock.acquire():
        raise _problem("the database has an older schema and its daemon is running; stop it, then: handoff migrate")
    try:
        with database.write() as connection:
            # On SQLite there is one process, hence no older code beside it.
            upgrade.upgrade(connection, after=database.is_sqlite)
    finally:
        if not held and lock is not None:
            lock.release()


def migrate(url: str, *, clock: Clock, after: bool) -> upgrade.Upgraded:
    """Bring the schema up to date; with ``after`` (and always on SQLite) also what older code could not live with.

    Raises UserError as `open_store` does, and while a daemon holds an SQLite file.
    """
    parsed = _parse(url)
    path = _file(parsed)
    with ExitStack() as undo:
        if path is not None:
            _prepare_file(path, Mode.TOOL)
            lock = FileLock(path)
            if not lock.acquire():
                raise _problem("the daemon is running; stop it, then: handoff migrate")
            undo.callback(lock.release)
        try:
            database = _database(parsed, path, clock=clock, mode=Mode.TOOL)
            undo.callback(database.close)
            with database.write() as connection:
                return upgrade.upgrade(connection, after=after or database.is_sqlite)
        except (OperationalError, ModuleNotFoundError) as error:
            raise _unusable(parsed, error) from error


def _unusable(url: URL, error: Exception) -> UserError:
    if isinstance(error, ModuleNotFoundError):
        return _problem("PostgreSQL needs its driver: pip install 'handoff-connector[postgres]'")
    # Without what follows the question mark: a password may stand there as well, and would not be hidden.
    shown = url.set(query={}).render_as_string(hide_password=True)
    cause = str(getattr(error, "orig", error)).strip().splitlines()
    return _problem(f"cannot open {shown}: {cause[0] if cause else type(error).__name__}")


READ_ONLY = "25006"
"""PostgreSQL's code for a write on a standby: an address that still leads to the server that was not promoted."""


def failure(error: BaseException) -> str:
    """The database's own words where an exception is its failure (a full disk, a server that went away); else empty."""
    if isinstance(error, PoolTimeout):
        return str(error.args[0])
    if not isinstance(error, DatabaseError | InterfaceError) or not _is_away(error):
        return ""
    said = str(error.orig).strip().splitlines()
    return said[0] if said else type(error.orig).__name__


def _is_away(error: DatabaseError | InterfaceError) -> bool:
    """A connection that broke and a standby that takes no writes are the server's failure like any other; a statement
    that is wrong, or a value it refuses, is a bug of ours."""
    if isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated:
        return True
    return getattr(error.orig, "sqlstate", None) == READ_ONLY


def _problem(message: str) -> UserError:
    return UserError([Problem(where="store", key="daemon.store_url_env", message=message)])
