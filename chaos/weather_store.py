"""The store fails: its disk is full, another process holds it locked, its server restarts, or fails over.

Not here: trouble of the CRMs, of the clock and of the daemon itself (``weather_daemon``, ``weather_time``).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
from daemons import Daemon, until

from chaos.sections import Effort
from chaos.table import Row
from chaos.weather_ground import Pitch, feed_words, pitch
from chaos.weather_postgres import Server, line, pair, running

BOTH = ("sf", "hs")
TRYING = 4.0
"""Seconds that the daemon is watched while it can do nothing."""
SMALL_DISK = 6 << 20
LOCKED_SECONDS = 13.0
"""Longer than SQLite waits for another process (facts: libraries §2, ten seconds)."""
WAITING = "select pid from pg_stat_activity where wait_event_type = 'Lock' and query like 'INSERT INTO audit%'"
LOCK = """\
import sqlite3, sys, time
held = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
held.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
time.sleep(float(sys.argv[2]))
held.execute("ROLLBACK")
"""


@contextlib.contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """A file system of a few megabytes at ``place``; what it holds at the end stays there as a copy."""
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        kept = place.with_name(f"{place.name}-kept")
        shutil.copytree(place, kept, dirs_exist_ok=True)
        subprocess.run(["umount", "-l", str(place)], check=True)


def can_mount() -> bool:
    """Whether this process may make a small file system: root only."""
    return os.geteuid() == 0


def fill(disk: Path) -> Path:
    """Take up every byte that is left, also in the last page of the log; returns the file that does."""
    filler, log = disk / "filler", disk / "daemon.log"
    for path, what in ((filler, b"\0"), *([(log, b"\n")] if log.exists() else [])):
        with path.open("ab", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while file.write(what * size) == size:
                        pass
    return filler


def disk_full(effort: Effort, what: str) -> Row:
    """The disk of the ledger, or of ledger and log, is full for a while, with work at hand."""
    name = f"full-{what}"
    place = effort.place(f"weather-{name}")
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(small_disk(place / ("site/state" if what == "ledger" else "site")))
        on = stack.enter_context(pitch(effort, name, folder=place))
        on.win(2)
        daemon = on.start()
        stack.callback(on.site.stop_all)
        until(on.whole, "the first handoffs")
        for desk in on.desks:
            desk.world.setting("latency_ms", 60)
        seen = [desk.seq() for desk in on.desks]
        on.win(6)
        until(lambda: any(desk.writes(since) for desk, since in zip(on.desks, seen, strict=True)), "the first write")
        filler = fill(disk)
        with on.calm(daemon):
            on.win(1)
            if what == "ledger":
                on.wait_said(daemon, "store.failed")
            on.wait_red("the disk is full")
            on.broken += 1
            until(after(TRYING), "some tries")
        on.must(daemon.process.poll() is None, "the daemon ended")
        for desk in on.desks:
            desk.world.setting("latency_ms", 0)
        filler.unlink()
        mended = time.monotonic()
        on.recover(mended)
        on.wait_green()
        if what != "ledger":
            on.wait_said(daemon, "log.interrupted")
        on.wait_said(daemon, "store.returned")
        on.end(daemon)
        return on.row(
            f"disk full ({what})", f"{feed_words(BOTH)}, SQLite", note="a tmpfs of 6 MB, filled to the last byte"
        )


def locked_sqlite(effort: Effort) -> Row:
    """Another process holds the file locked for longer than the daemon waits for it."""
    with pitch(effort, "locked") as on:
        on.win(2)
        daemon = on.start()
        until(on.whole, "the first handoffs")
        holder = subprocess.Popen(
            [sys.executable, "-c", LOCK, str(on.site.database), str(LOCKED_SECONDS)], stdout=subprocess.PIPE
        )
        assert holder.stdout is not None
        holder.stdout.readline()
        with on.calm(daemon):
            on.win(3)
            on.wait_said(daemon, "store.failed", seconds=LOCKED_SECONDS + 10)
            on.broken += bool(daemon.named("store.failed"))
            holder.wait()
        released = time.monotonic()
        on.recover(released)
        on.wait_green()
        on.wait_said(daemon, "store.returned")
        on.end(daemon)
        return on.row(
            "database locked for 13 s", f"{feed_words(BOTH)}, SQLite", note="BEGIN EXCLUSIVE by another process"
        )


def locked_postgres(effort: Effort) -> Row:
    """A table of the ledger is locked by somebody's session, as by an operator's careless statement."""
    with (
        running(effort.folder / "weather-pg-locked") as server,
        pitch(effort, "pg-locked", database=server.url()) as on,
    ):
        on.win(2)
        daemon = on.start()
        until(on.whole, "the first handoffs")
        with psycopg.connect(server.url()) as session, on.calm(daemon):
            session.execute("lock table audit in access exclusive mode")
            on.win(3)
            until(lambda: server.ask(WAITING), "the daemon to wait for the lock")
            on.broken += 1
            until(after(TRYING), "some tries")
        released = time.monotonic()
        on.recover(released)
        on.end(daemon)
        return on.row("table locked by a session", f"{feed_words(BOTH)}, PostgreSQL", note="LOCK TABLE audit")


def restarted(effort: Effort) -> Row:
    """The server dies in the middle of a transaction, is away for a while, and comes back with what was committed."""
    with (
        running(effort.folder / "weather-pg-restart") as server,
        pitch(effort, "pg-restart", database=server.url()) as on,
    ):
        daemon = _busy(on)
        with on.calm(daemon):
            held = _in_mid_transaction(on, server)
            server.stop("immediate")
            held.close()
            on.broken += 1
            on.wait_said(daemon, "store.failed")
            on.wait_red("the database is down")
            on.win(2)
            until(after(TRYING), "some tries")
        server.start()
        back = time.monotonic()
        _quick(on)
        on.recover(back)
        on.wait_green()
        on.wait_said(daemon, "store.returned")
        on.end(daemon)
        return on.row("database restarted (stop -m immediate)", f"{feed_words(BOTH)}, PostgreSQL")


def failed_over(effort: Effort, *, synchronous: bool) -> Row:
    """The primary dies in the middle of a transaction, the standby is promoted, and the address leads to it.

    With asynchronous replication the line between both is frozen before, so that the newest commits are lost for sure.
    """
    kind = "synchronous" if synchronous else "asynchronous"
    with (
        pair(effort.folder / f"weather-pg-failover-{kind}", synchronous=synchronous) as (primary, standby, between),
        line(primary.port) as address,
        pitch(effort, f"pg-failover-{kind}", database=primary.url(address.port)) as on,
    ):
        daemon = _busy(on) if synchronous else _busy(on, before=between.freeze)
        with on.calm(daemon):
            held = _in_mid_transaction(on, primary)
            kept = _commits(primary)
            primary.stop("immediate")
            held.close()
            on.broken += 1
            on.wait_said(daemon, "store.failed")
            on.wait_red("the primary is gone")
            between.close()
            standby.promote()
        address.lead_to(standby.port)
        on.database_url = standby.url()
        promoted = time.monotonic()
        lost = kept - _commits(standby)
        on.must(bool(lost) is not synchronous, f"{lost} audit entries were lost by {kind} replication")
        _quick(on)
        on.win(2)
        on.recover(promoted)
        on.wait_green()
        on.end(daemon)
        note = f"{lost} audit entries were committed and lost with the primary"
        return on.row(f"failover, {kind} replication", f"{feed_words(BOTH)}, PostgreSQL", note=note)


def _busy(on: Pitch, *, before: Callable[[], None] = lambda: None) -> Daemon:
    """A daemon with writes under way; ``before`` is done when its first handoffs stand and new wins come."""
    on.win(2)
    daemon = on.start()
    until(on.whole, "the first handoffs")
    for desk in on.desks:
        desk.world.setting("latency_ms", 60)
    before()
    seen = [desk.seq() for desk in on.desks]
    on.win(5)
    until(lambda: all(desk.writes(since) for desk, since in zip(on.desks, seen, strict=True)), "the first writes")
    return daemon


def _quick(on: Pitch) -> None:
    for desk in on.desks:
        desk.world.setting("latency_ms", 0)


def _in_mid_transaction(on: Pitch, server: Server) -> psycopg.Connection:
    """Hold the table that is written last in every transaction until the daemon waits for it; keep what is returned."""
    session = psycopg.connect(server.url())
    session.execute("lock table audit in exclusive mode")
    caught = until(lambda: server.ask(WAITING), "a transaction to be caught half-way")
    on.remarks.append(f"{len(caught)} transaction(s) caught half-way")
    return session


def _commits(server: Server) -> int:
    return int(server.ask("select count(*) from audit")[0][0])


def after(seconds: float) -> Callable[[], bool]:
    """Becomes true so many seconds from now."""
    then = time.monotonic() + seconds
    return lambda: time.monotonic() > then
