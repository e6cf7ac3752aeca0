"""Who may open a store, beside whom, and what the refusal says."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from plans import NOW, REFUSED, SYSTEM, a_deal_patch, a_plan
from sqlalchemy import insert
from sqlalchemy.exc import DBAPIError

from connector.clock import ManualClock, SystemClock
from connector.errors import UserError
from connector.store import Decided, Look, Mode, Park, Settlement, State, Store, open_store
from connector.store.database import journal_mode
from connector.store.schema import roster

ROOT = Path(__file__).resolve().parents[2]


def parked_row(store: Store) -> None:
    store.record(SYSTEM, [Decided(a_plan("D1", a_deal_patch()))], act=True)
    claimed = store.claim(SYSTEM, owner="w", batch=lambda _lane: 10, lease_seconds=60)
    assert claimed is not None
    store.settle([Settlement(row.id, row.attempt, Park(REFUSED)) for row in claimed.rows])


def test_second_daemon_on_sqlite_is_refused(sqlite_url: str, clock: ManualClock) -> None:
    first = open_store(sqlite_url, clock=clock)
    with pytest.raises(UserError, match="several replicas need PostgreSQL"):
        open_store(sqlite_url, clock=clock)
    first.close()
    open_store(sqlite_url, clock=clock).close()


def test_no_other_user_can_take_the_lock_away(sqlite_url: str, clock: ManualClock, tmp_path: Path) -> None:
    lock = tmp_path / "handoff.db.lock"
    lock.touch(mode=0o644)  # as an earlier release left it
    open_store(sqlite_url, clock=clock).close()
    assert lock.stat().st_mode & 0o077 == 0
    lock.unlink()
    open_store(sqlite_url, clock=clock).close()
    assert lock.stat().st_mode & 0o077 == 0


def test_an_error_repeats_no_value_of_a_statement(store: Store) -> None:
    with pytest.raises(DBAPIError) as caught, store._db.write() as connection:
        connection.execute(insert(roster), {"system": SYSTEM, "person_id": "ana@buyer.example", "accounts": None})
    assert "roster" in str(caught.value)
    if store._db.is_sqlite:  # PostgreSQL's own words name the row that it refused
        assert "ana@buyer.example" not in str(caught.value)


@pytest.mark.postgres
def test_replicas_on_postgres_are_welcome(postgres_url: str, clock: ManualClock) -> None:
    first, second = open_store(postgres_url, clock=clock), open_store(postgres_url, clock=clock)
    first.set_cursor(SYSTEM, "deals", "7")
    assert second.cursor(SYSTEM, "deals") == "7"
    assert not first.single_process
    first.close()
    second.close()


def test_reader_and_tool_work_beside_the_daemon(store: Store, url: str, clock: ManualClock) -> None:
    parked_row(store)
    reader = open_store(url, clock=clock, mode=Mode.READ)
    tool = open_store(url, clock=clock, mode="tool")
    assert len(reader.parked(SYSTEM)) == 1
    assert tool.retry() == 1
    assert reader.counts(SYSTEM)[State.PENDING] == 1
    assert store.claim(SYSTEM, owner="w", batch=lambda _lane: 10, lease_seconds=60) is not None
    reader.close()
    tool.close()


def test_reader_cannot_write(store: Store, url: str, clock: ManualClock) -> None:
    reader = open_store(url, clock=clock, mode=Mode.READ)
    with pytest.raises(DBAPIError, match=r"read-?only"):
        reader.set_cursor(SYSTEM, "deals", "7")
    reader.close()
    assert store.cursor(SYSTEM, "deals") is None


def test_reader_does_not_make_a_database(sqlite_url: str, clock: ManualClock, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no ledger at .* yet"):
        open_store(sqlite_url, clock=clock, mode=Mode.READ)
    assert list(tmp_path.iterdir()) == []


def test_reader_does_not_migrate(sqlite_url: str, clock: ManualClock, tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "handoff.db").close()
    with pytest.raises(UserError, match="older schema"):
        open_store(sqlite_url, clock=clock, mode=Mode.READ)


def test_tool_migrates_only_when_no_daemon_runs(sqlite_url: str, clock: ManualClock, tmp_path: Path) -> None:
    daemon = open_store(sqlite_url, clock=clock)
    with sqlite3.connect(tmp_path / "handoff.db") as connection:
        connection.execute("DELETE FROM alembic_version")
    with pytest.raises(UserError, match="daemon is running"):
        open_store(sqlite_url, clock=clock, mode=Mode.TOOL)
    daemon.close()


def test_tool_makes_a_database_and_keeps_no_lock(sqlite_url: str, clock: ManualClock) -> None:
    tool = open_store(sqlite_url, clock=clock, mode=Mode.TOOL)
    daemon = open_store(sqlite_url, clock=clock)
    tool.set_baseline(SYSTEM, NOW)
    assert daemon.baseline(SYSTEM) == NOW
    tool.close()
    daemon.close()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("not a url", "not a database URL"),
        ("mysql://root@localhost/handoff", "mysql is not supported"),
        ("postgresql://nobody:geheim@127.0.0.1:1/handoff", "cannot open postgresql"),
        ("postgresql://127.0.0.1:1/handoff?user=nobody&password=geheim", "cannot open postgresql"),
        ("postgresql://nobody:ge:heim@127.0.0.1:54x2/handoff", "not a database URL"),
        ("sqlite:////proc/nowhere/handoff.db", "cannot make the folder"),
    ],
)
def test_unusable_addresses_are_explained(bad: str, message: str, clock: ManualClock) -> None:
    with pytest.raises(UserError, match=message) as caught:
        open_store(bad, clock=clock)
    assert "geheim" not in str(caught.value)


def test_a_folder_that_is_missing_is_made(tmp_path: Path, clock: ManualClock) -> None:
    open_store(f"sqlite:///{tmp_path}/state/of/handoff.db", clock=clock).close()
    assert (tmp_path / "state" / "of" / "handoff.db").exists()


def test_memory_serves_tests(clock: ManualClock) -> None:
    store = open_store("sqlite://", clock=clock)
    store.enqueue(SYSTEM, [Look("D1", NOW, "changed")])
    assert [look.deal_id for look in store.due(SYSTEM, limit=5)] == ["D1"]
    store.close()


@pytest.mark.parametrize(
    ("version", "mode"),
    [
        ((3, 40, 1), "DELETE"),
        ((3, 44, 6), "WAL"),
        ((3, 45, 0), "DELETE"),
        ((3, 50, 6), "DELETE"),
        ((3, 50, 7), "WAL"),
        ((3, 51, 2), "DELETE"),
        ((3, 51, 3), "WAL"),
    ],
)
def test_wal_only_where_it_is_safe(version: tuple[int, int, int], mode: str) -> None:
    assert journal_mode(version) == mode


@pytest.mark.postgres
def test_replicas_agree_on_the_database_s_time(postgres_url: str) -> None:
    """A replica whose own clock is an hour slow sees a lease as it is."""
    sound, slow = open_store(postgres_url, clock=SystemClock()), open_store(postgres_url, clock=SlowClock())
    assert sound.lease("poll", owner="sound", ttl=30)
    assert not slow.lease("poll", owner="slow", ttl=30)
    slow.release("poll", "sound")
    assert slow.lease("poll", owner="slow", ttl=30)
    assert not sound.lease("poll", owner="sound", ttl=30)
    sound.close()
    slow.close()


class SlowClock(SystemClock):
    """An hour behind."""

    def now(self):
        from datetime import timedelta

        return super().now() - timedelta(hours=1)


KILLED_IN_THE_MIDDLE = """
import os, sys
from plans import SYSTEM, NOW, a_full_set, a_plan
from connector.clock import ManualClock
from connector.store import Decided, open_store
from connector.store.record import Recorder
store = open_store(sys.argv[1], clock=ManualClock(NOW))
store.set_baseline(SYSTEM, NOW)
store.record(SYSTEM, [Decided(a_plan("D0", *a_full_set("D0")))], act=True)
def stop(*_args, **_more):
    sys.stdout.write("ready\\n"); sys.stdout.flush()
    sys.stdin.read()
Recorder._answer_looks = stop
many = [Decided(a_plan(f"D{n}", *a_full_set(f"D{n}", account_id=f"A{n}"))) for n in range(1, 400)]
store.record(SYSTEM, many, act=True)
"""


def test_kill_in_the_middle_of_a_decision_leaves_all_or_nothing(sqlite_url: str, clock: ManualClock) -> None:
    """The process dies with its transaction open; a reader may be the first to open the file after."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED_IN_THE_MIDDLE, sqlite_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    reader = open_store(sqlite_url, clock=clock, mode=Mode.READ)
    assert reader.counts(SYSTEM)[State.PENDING] == 8
    assert reader.handoff(SYSTEM, "D1") is None
    reader.close()
    daemon = open_store(sqlite_url, clock=clock)
    assert daemon.claim(SYSTEM, owner="w", batch=lambda _lane: 10, lease_seconds=60) is not None
    daemon.close()
