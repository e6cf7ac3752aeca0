"""What the machine denies a daemon: told once in words, readiness red meanwhile; and a clock that was set back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from engine.harness import SYSTEM, Desk, a_desk
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
from structlog.testing import capture_logs

from connector import logs
from connector.engine import scheduler
from connector.engine.clockwatch import ClockWatch
from connector.engine.onepass import Occasion
from connector.engine.scheduler import Ticks
from connector.handoff.model import SystemName
from connector.store import LAST_PASS, Look, failure
from connector.web.status import Watched, read_status, unreadable_status, with_trouble

FULL = OperationalError("insert", {}, sqlite3.OperationalError("database or disk is full"))


def passes_that(desk: Desk, monkeypatch: pytest.MonkeyPatch, *errors: Exception | None) -> list[dict[str, Any]]:
    """One pass for each: it fails so, or with None it ends. Returns what was logged, and leaves the system as it is."""
    left = list(errors)

    def run_pass(*_args: object, **_more: object) -> None:
        error = left.pop(0)
        if error is not None:
            raise error

    monkeypatch.setattr(scheduler, "run_pass", run_pass)
    ticks = Ticks(desk.shared, [desk.system], seconds=60)
    with capture_logs() as told:
        for _ in errors:
            ticks._run(desk.system, Occasion.TICK)
    return [dict(each) for each in told]


@pytest.mark.parametrize(
    ("error", "begun", "ended", "words"),
    [
        (FULL, "store.failed", "store.returned", "the database fails: database or disk is full"),
        (MemoryError(), "memory.exhausted", "memory.returned", "the memory this process may use is used up"),
    ],
)
def test_what_the_machine_denies_is_told_once_and_is_nobodys_crash(
    error: Exception, begun: str, ended: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = a_desk()
    told = passes_that(desk, monkeypatch, error, error, error)
    assert [each["event"] for each in told] == [begun]
    assert desk.system.broke_off == words
    assert [each["event"] for each in passes_that(desk, monkeypatch, None, None)] == [ended]
    assert not desk.system.broke_off


def test_after_the_store_failed_the_system_is_connected_to_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = a_desk()
    desk.run()
    assert desk.system.connected
    passes_that(desk, monkeypatch, FULL)
    assert not desk.system.connected, "a standby may lack the newest commits: what seems unsent must be read first"


def test_a_bug_is_still_a_crash_and_keeps_readiness_red(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = a_desk()
    told = passes_that(desk, monkeypatch, ValueError("a bug"), ValueError("a bug"))
    assert [each["event"] for each in told] == ["tick.crashed", "tick.crashed"]
    assert desk.system.broke_off == "the last pass crashed; see the log"
    passes_that(desk, monkeypatch, None)
    assert not desk.system.broke_off


class _Refusal(Exception):
    sqlstate = "25006"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FULL, "database or disk is full"),
        (
            ProgrammingError("insert", {}, _Refusal("cannot execute INSERT in a read-only transaction")),
            "cannot execute",
        ),
        (OperationalError("x", {}, Exception("gone"), connection_invalidated=True), "gone"),
        (IntegrityError("insert", {}, sqlite3.IntegrityError("UNIQUE constraint failed")), ""),
        (ProgrammingError("selct", {}, Exception("syntax error")), ""),
        (ValueError("a bug"), ""),
    ],
)
def test_only_a_store_that_is_away_or_cannot_write_has_failed(error: Exception, said: str) -> None:
    assert failure(error).startswith(said)
    assert bool(failure(error)) is bool(said)


def test_readiness_is_red_also_where_the_store_cannot_say_why() -> None:
    desk = a_desk()
    desk.run()
    watched = (Watched(name=SYSTEM, vendor="memory", mode="act", poll_seconds=5),)
    status = read_status(desk.store, watched, now=desk.clock.now())
    assert status.ready
    red = with_trouble(status, {SYSTEM: "the last pass crashed; see the log"})
    assert (red.ready, red.systems[0].trouble) == (False, "the last pass crashed; see the log")
    assert with_trouble(status, {SYSTEM: ""}) == status
    unread = unreadable_status(watched, "the database fails: gone", now=desk.clock.now())
    assert (unread.ready, unread.systems[0].trouble) == (False, "the database fails: gone")


def seconds_of(*steps: float) -> Callable[[], float]:
    """A counter that goes on by these."""
    sums, left = 0.0, list(steps)

    def now() -> float:
        nonlocal sums
        sums += left.pop(0)
        return sums

    return now


def due(desk: Desk) -> int:
    return desk.store.due_looks(SYSTEM)


def test_what_waits_by_a_time_that_was_ahead_is_brought_forward() -> None:
    desk = a_desk()
    watch = ClockWatch(desk.shared, [desk.system], seconds=seconds_of(0, 60, 60, 60))
    watch.look()
    desk.clock.advance(timedelta(seconds=60))
    desk.store.enqueue(SYSTEM, [Look("D9", desk.clock.now() + timedelta(minutes=2), "to be tried again")])
    watch.look()
    desk.clock.advance(timedelta(minutes=-19))  # a minute passed, and somebody set it back by twenty
    with capture_logs() as told:
        watch.look()
    assert [(each["event"], each["seconds"], each["waiting"]) for each in told] == [("clock.moved", -1200, 1)]
    assert not due(desk)
    desk.clock.advance(timedelta(seconds=60))
    watch.look()
    assert due(desk) == 1, "two minutes' wait is two minutes, whatever the clock said"


def test_a_clock_that_runs_as_it_should_or_is_set_forward_moves_nothing() -> None:
    desk = a_desk()
    watch = ClockWatch(desk.shared, [desk.system], seconds=seconds_of(0, 60, 60))
    watch.look()
    desk.store.enqueue(SYSTEM, [Look("D9", desk.clock.now() + timedelta(hours=1), "later")])
    with capture_logs() as told:
        desk.clock.advance(timedelta(seconds=58))
        watch.look()
        desk.clock.advance(timedelta(minutes=20))
        watch.look()
    assert not told
    assert not due(desk)


def test_a_restart_knows_the_clock_of_the_process_before_it() -> None:
    desk = a_desk()
    before = desk.clock.now()
    desk.store.set_cursor(SystemName(SYSTEM), LAST_PASS, (before + timedelta(minutes=10)).isoformat())
    desk.store.enqueue(SYSTEM, [Look("D9", before + timedelta(minutes=10), "to be tried again")])
    ClockWatch(desk.shared, [desk.system], seconds=seconds_of(0)).look()
    assert due(desk) == 1


def test_a_log_that_cannot_be_written_keeps_nobody_from_work() -> None:
    class Disk:
        full = False

        def __init__(self) -> None:
            self.text = ""

        def write(self, text: str) -> int:
            if self.full:
                raise OSError(28, "No space left on device")
            self.text += text
            return len(text)

        def flush(self) -> None:
            if self.full:
                raise OSError(28, "No space left on device")

    disk = Disk()
    stream = logs.Unfailing(disk)  # type: ignore[arg-type]
    stream.write("one\n")
    disk.full = True
    stream.write("two\n")
    stream.write("three\n")
    stream.flush()
    disk.full = False
    stream.write("four\n")
    lines = [line for line in disk.text.splitlines() if line]
    assert (lines[0], lines[-1], len(lines)) == ("one", "four", 3)
    assert '"log.interrupted"' in lines[1]
    assert '"lines": 2' in lines[1]
