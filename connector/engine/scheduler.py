"""The ticks: APScheduler runs one pass per system at a time, from memory, in this process only; and sooner when woken.

Not here: sharing work between processes (leases and row locks in the store do that). A job store shared between
processes would run every job in each of them.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from connector.engine.clockwatch import ClockWatch
from connector.engine.denied import memory_failed, pass_ended, store_failed
from connector.engine.onepass import Occasion, run_pass
from connector.engine.parts import Shared, System

TICK_CRASHED = "tick.crashed"

GATHER = timedelta(milliseconds=150)
"""How long a woken pass waits for more of the same, counted from the first: a burst goes out in full batches, and one
win is not kept waiting by those behind it."""

POURING = 20
"""So many deals more within one `GATHER` are no person's work but a burst's, which is worth waiting for."""

BREATH = timedelta(milliseconds=300)
"""How long a burst may hold its breath and be the same one still."""

MOST_BREATHS = 10
"""A burst that does not end is begun with all the same."""

log = structlog.get_logger()


class Ticks:
    """Runs a pass per system every ``seconds``; passes of one system never overlap, late ticks are merged."""

    def __init__(self, shared: Shared, systems: Sequence[System], *, seconds: float) -> None:
        self._shared = shared
        self._lock = threading.Lock()
        self._woken: set[str] = set()
        self._attending: set[str] = set()
        self._helping: set[str] = set()
        self._waited_for: dict[str, int] = {}
        self._clock_watch = ClockWatch(shared, systems)
        self._scheduler = BackgroundScheduler(
            # One thread a system for its ticks, one for when it is woken in between, one to help another process.
            executors={"default": ThreadPoolExecutor(max(1, 3 * len(systems)))},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=UTC,
        )
        for system in systems:
            self._scheduler.add_job(
                self._run,
                "interval",
                seconds=seconds,
                args=(system, Occasion.TICK),
                id=f"pass:{system.name}",
                next_run_time=datetime.now(UTC),
            )

    def tick(self, system: System) -> None:
        """Run a whole pass now: the system has just become this process's."""
        self._soon(system, Occasion.TICK)

    def help(self, system: System) -> None:
        """Look now whether there is something to send that another process has recorded."""
        with self._lock:
            if system.name in self._helping:
                return
            self._helping.add(system.name)
        self._soon(system, Occasion.WOKEN)

    def _soon(self, system: System, occasion: Occasion) -> None:
        if not self._shared.stopping.is_set():
            self._scheduler.add_job(self._once, "date", args=(system, occasion))

    def _once(self, system: System, occasion: Occasion) -> None:
        with self._lock:
            # What is recorded from here on may be missed by this pass: it is worth another.
            self._helping.discard(system.name)
        self._run(system, occasion)

    def wake(self, system: System) -> None:
        """Run a pass soon, and after the one that is running, if one is. Callable from any thread."""
        with self._lock:
            self._woken.add(system.name)
            if system.name in self._attending or self._shared.stopping.is_set():
                return
            self._attending.add(system.name)
        self._waited_for[system.name] = self._due(system)
        self._scheduler.add_job(self._attend, "date", run_date=datetime.now(UTC) + GATHER, args=(system,))

    def _attend(self, system: System) -> None:
        """Passes until nothing came in meanwhile. What comes in during a pass has gathered enough when it ends."""
        self._gather(system)
        while True:
            with self._lock:
                if system.name not in self._woken:
                    self._attending.discard(system.name)
                    return
                self._woken.discard(system.name)
            self._run(system, Occasion.WOKEN)

    def _gather(self, system: System) -> None:
        """Wait on while deals pour in: a pass begun in the middle of a burst would leave half of it to a second one."""
        before = self._waited_for.pop(system.name, 0)
        for _ in range(MOST_BREATHS):
            now = self._due(system)
            if now - before < POURING or self._shared.stopping.wait(BREATH.total_seconds()):
                return
            before = now

    def _due(self, system: System) -> int:
        """Looks that are due; 0 where the store does not say. A wake that ended with the store's trouble would leave
        the system marked as attended, and nobody could wake it again."""
        try:
            return self._shared.store.due_looks(system.name)
        except Exception:  # noqa: BLE001  # the pass meets the same store next, and says what is wrong with it
            return 0

    def _run(self, system: System, occasion: Occasion) -> None:
        if self._shared.stopping.is_set():
            return
        try:
            self._clock_watch.look()
            run_pass(self._shared, system, occasion=occasion)
        except Exception as error:
            if store_failed(system, error) or memory_failed(system, error):
                return
            # A bug in one pass must not end the ticks of all systems; it is loud, and readiness turns red.
            system.crashed = True
            log.exception(TICK_CRASHED, system=system.name)
        else:
            pass_ended(system)

    def start(self) -> None:
        """Begin ticking at once."""
        self._scheduler.start()

    def stop(self) -> None:
        """Let passes that are running come to their next safe point, then return."""
        self._scheduler.shutdown(wait=True)
