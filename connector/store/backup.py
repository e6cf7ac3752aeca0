"""A copy of the whole store in one SQLite file, taken while daemons run; and putting one back.

Not here: where copies are kept and for how long (``cli.backup``). The file is the same whichever database it was taken
from, so a copy of a SQLite store can be put into PostgreSQL and the other way round. It holds what the store holds,
names and addresses of people included, and no credentials; it is readable by its owner alone.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Select, Table, delete, func, insert, inspect, select, text, update
from sqlalchemy.engine import URL

from connector.clock import Clock
from connector.errors import Problem, UserError
from connector.store import upgrade
from connector.store.age import forget_written
from connector.store.database import BUSY_SECONDS, PRIVATE, Database
from connector.store.filelock import FileLock, second_process
from connector.store.schema import lease, metadata, outbox
from connector.store.states import State

Say = Callable[[str], None]


SERIAL = "id"
"""The column that a table numbers by itself, where it has one."""

PORTION = 500
"""Rows in hand at once while they are copied from or to a server."""

OF_THE_MOMENT = frozenset({"lease", "replica", "quota"})
"""Promises between processes, none of which runs when a copy is put back."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy as it stands on disk: rows by table, and the latest moment it knows of (None: it holds no decision)."""

    path: Path
    size: int
    rows: Mapping[str, int]
    latest: datetime | None
    schema: str


def back_up(url: URL, path: Path | None, target: Path, *, clock: Clock) -> Copy:
    """Copy the store at ``url`` (``path``: its file, for SQLite) to ``target``, which appears whole or not at all.

    Raises UserError when there is nothing to copy, ``target`` exists, or cannot be written.
    """
    if target.exists():
        raise _problem(f"{target} is there already; a backup never writes over another")
    if path is not None and not path.exists():
        raise _problem(f"there is no ledger at {path} yet; nothing to back up")
    with _draft_of(target) as draft:
        if path is not None:
            _copy_file(path, draft, mode="rw")
        else:
            _copy_out(url, draft, clock=clock)
        _sound(draft)
        draft.replace(target)
    _flush(target.parent)
    return look_into(target, clock=clock)


def look_into(source: Path, *, clock: Clock) -> Copy:
    """What a copy holds; nothing is changed. Raises UserError when it is none, damaged, or of a newer version."""
    if not source.is_file():
        raise _problem(f"there is no backup at {source}")
    _sound(source)
    database = Database(_sqlite(source, readonly=True), clock=clock, readonly=True)
    try:
        with database.read() as connection:
            schema = upgrade.present(connection)
            if schema is None:
                raise _problem(f"{source} is a SQLite file, but no backup of this program")
            upgrade.is_current(connection)
            there = set(inspect(connection).get_table_names())
            rows = {
                table.name: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
                for table in metadata.sorted_tables
                if table.name in there
            }
            latest = connection.execute(text("SELECT max(at) FROM audit")).scalar_one()
    finally:
        database.close()
    return Copy(
        path=source,
        size=source.stat().st_size,
        rows=rows,
        latest=datetime.fromisoformat(latest).replace(tzinfo=UTC) if latest else None,
        schema=schema,
    )


def put_back(url: URL, path: Path | None, source: Path, *, aside: Path, clock: Clock, by: str, say: Say) -> Path | None:
    """Let the store at ``url`` be what ``source`` holds. Returns where the store that was there is kept now.

    ``aside``: the file that keeps what was there; None is returned when nothing was. What was last written is
    forgotten: of a value that changed since, an old copy would say that a person did it; the audit trail says that
    ``by`` put it back. Raises UserError, with
    everything as it was, when a daemon works on the store or ``source`` cannot be used.
    """
    look_into(source, clock=clock)
    if path is not None:
        return _put_file(path, source, aside=aside, clock=clock, by=by, say=say)
    return _put_rows(url, source, aside=aside, clock=clock, by=by, say=say)


def _copy_file(path: Path, draft: Path, *, mode: str = "ro") -> None:
    """SQLite's own way, which sees one state of the data and keeps a daemon's writes waiting only for as long as it
    takes (copying the file beside SQLite would tear it: facts/libraries.md section 2). A live file is opened ``rw``:
    after a kill the first to open it must undo the write that was cut off."""
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode={mode}", uri=True, isolation_level=None)) as live:
        live.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        try:
            live.execute("VACUUM INTO ?", (str(draft),))
        except sqlite3.Error as error:
            raise _problem(f"the database could not be copied: {error}") from error


def _copy_out(url: URL, draft: Path, *, clock: Clock) -> None:
    """From a server: one moment of all tables, into a new file of this version's schema."""
    server = Database(url, clock=clock, readonly=True)
    file = Database(_sqlite(draft), clock=clock)
    try:
        with server.read() as there:
            # It stands still while the file is written to the disk, and keeps nobody from anything.
            there.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            if not upgrade.is_current(there):
                raise _problem("the database has an older schema than this version needs; run: handoff migrate")
            with file.write() as here:
                upgrade.upgrade(here, after=True)
                _copy_rows(there, here)
    finally:
        server.close()
        file.close()


def _put_file(path: Path, source: Path, *, aside: Path, clock: Clock, by: str, say: Say) -> Path | None:
    lock = FileLock(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not lock.acquire():
        raise second_process(path)
    try:
        with _draft_of(path) as draft:
            _copy_file(source, draft)
            _bring_up(draft, clock=clock, by=by)
            kept = _set_aside(path, aside, say=say)
            draft.replace(path)
        _flush(path.parent)
        return kept
    finally:
        lock.release()


def _set_aside(path: Path, aside: Path, *, say: Say) -> Path | None:
    """Keep what is there under another name, together with whatever SQLite keeps beside it."""
    if not path.exists():
        _leave_no_journal(path, aside)
        return None
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as there:
            # Whoever opens a file that was left in mid-write undoes that write; then nothing stands beside it.
            there.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            there.execute("BEGIN IMMEDIATE")
            there.execute("ROLLBACK")
    except sqlite3.Error as error:
        say(f"what is there cannot be read ({error}); it is kept as it is")
    os.replace(path, aside)
    _leave_no_journal(path, aside)
    return aside


def _leave_no_journal(path: Path, aside: Path) -> None:
    """A journal that stays behind would be played into the file that comes to stand there."""
    for ending in ("-journal", "-wal", "-shm"):
        beside = path.with_name(path.name + ending)
        if beside.exists():
            os.replace(beside, aside.with_name(aside.name + ending))


def _put_rows(url: URL, source: Path, *, aside: Path, clock: Clock, by: str, say: Say) -> Path | None:
    """Into a server: the tables are made anew and filled in one transaction, which holds or leaves all as it was."""
    with _draft_of(aside.with_name(f"{aside.name}.incoming")) as draft:
        _copy_file(source, draft)
        _bring_up(draft, clock=clock, by=by)
        server = Database(url, clock=clock)
        file = Database(_sqlite(draft, readonly=True), clock=clock, readonly=True)
        try:
            kept = _keep_rows(server, url, aside, clock=clock, say=say)
            with server.write() as there, file.read() as here:
                _refuse_beside_daemons(there, server.now())
                _drop_all(there)
                upgrade.upgrade(there, after=True)
                _copy_rows(here, there)
                _count_on(there)
        finally:
            server.close()
            file.close()
    return kept


def _keep_rows(server: Database, url: URL, aside: Path, *, clock: Clock, say: Say) -> Path | None:
    with server.read() as there:
        _refuse_beside_daemons(there, server.now())
        if upgrade.present(there) is None:
            return None
    say("copying what is there now, before anything is changed")
    return back_up(url, None, aside, clock=clock).path


def _refuse_beside_daemons(connection: Connection, now: datetime) -> None:
    if lease.name not in inspect(connection).get_table_names():
        return
    held = connection.execute(select(lease.c.name, lease.c.owner).where(lease.c.until > now)).all()
    if held:
        who = ", ".join(sorted({row.owner for row in held}))
        raise _problem(f"daemons work on this database ({who}); stop them all first (a minute after a kill)")


def _drop_all(connection: Connection) -> None:
    """Everything of ours goes; whatever else stands in the database stays."""
    ours = {table.name for table in metadata.sorted_tables} | {upgrade.BEFORE.table, upgrade.AFTER.table}
    quoted = connection.dialect.identifier_preparer.quote
    for name in inspect(connection).get_table_names():
        if name in ours:
            connection.execute(text(f"DROP TABLE {quoted(name)} CASCADE"))
    for name in GUARDS:
        connection.execute(text(f"DROP FUNCTION IF EXISTS {quoted(name)}()"))


GUARDS = ("audit_append_only", "audit_needs_place")
"""What the triggers of the audit trail call, on PostgreSQL. Others may have functions of like names there."""


def _copy_rows(source: Connection, target: Connection) -> None:
    """All rows as they are: what the guards of a table keep from changing is not changed by being copied."""
    with _guards_away(target):
        for table in metadata.sorted_tables:
            target.execute(delete(table))  # what the migrations put there themselves
            if table.name in OF_THE_MOMENT:
                continue
            rows = source.execution_options(yield_per=PORTION).execute(_ordered(table))
            for portion in rows.mappings().partitions():
                target.execute(insert(table), [dict(row) for row in portion])


def _ordered(table: Table) -> Select[tuple[object, ...]]:
    return select(table).order_by(*table.primary_key.columns)


@contextmanager
def _guards_away(connection: Connection) -> Iterator[None]:
    """Without the audit trail's triggers meanwhile; both databases take that back with the transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("ALTER TABLE audit DISABLE TRIGGER USER"))
        yield
        connection.execute(text("ALTER TABLE audit ENABLE TRIGGER USER"))
        return
    guards = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all()
    for guard in guards:
        connection.exec_driver_sql(f'DROP TRIGGER "{guard.name}"')
    yield
    for guard in guards:
        connection.exec_driver_sql(guard.sql)


def _count_on(connection: Connection) -> None:
    """Let the tables number on after the rows they were given."""
    for table in metadata.sorted_tables:
        if SERIAL not in table.c or table.c[SERIAL].autoincrement is not True:
            continue
        highest = connection.execute(select(func.max(table.c[SERIAL]))).scalar_one()
        if highest is not None:
            sequence = func.pg_get_serial_sequence(table.name, SERIAL)
            connection.execute(select(func.setval(sequence, highest)))


def _bring_up(draft: Path, *, clock: Clock, by: str) -> None:
    database = Database(_sqlite(draft), clock=clock)
    try:
        with database.write() as connection:
            upgrade.upgrade(connection, after=True)
            forget_written(connection, clock.now(), by=by)
            # Whoever was sending these sends nothing any more: they are looked up at once, not when a lease runs out.
            in_hand = (outbox.c.state == State.SENDING, outbox.c.job_id.is_(None))
            connection.execute(update(outbox).where(*in_hand).values(lease_until=None))
    finally:
        database.close()


@contextmanager
def _draft_of(target: Path) -> Iterator[Path]:
    """A private, empty file beside the target; gone afterwards unless it took the target's name."""
    draft = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE))
    except OSError as error:
        raise _problem(f"cannot write to {target.parent}: {error.strerror}") from error
    try:
        yield draft
    finally:
        for ending in ("", "-journal", "-wal", "-shm"):
            draft.with_name(draft.name + ending).unlink(missing_ok=True)


def _sound(path: Path) -> None:
    """Raises UserError unless SQLite finds every page in order."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as copy:
            said = [row[0] for row in copy.execute("PRAGMA integrity_check(3)")]
    except sqlite3.DatabaseError as error:
        raise _problem(f"{path} is no sound SQLite file: {error}") from error
    if said != ["ok"]:
        raise _problem(f"{path} is damaged: {'; '.join(said)}")


def _flush(folder: Path) -> None:
    """Have the folder's new names on disk before anybody is told of them."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _sqlite(path: Path, *, readonly: bool = False) -> URL:
    query = {"uri": "true", "mode": "ro" if readonly else "rwc"}
    return URL.create("sqlite", database=f"file:{quote(str(path))}", query=query)


def _problem(message: str) -> UserError:
    return UserError([Problem(where="store", key="backup", message=message)])
