"""The ticks: APScheduler runs one pass per system at a time, from memory, in this process only.

Not here: sharing work between processes (leases and row locks in the store do that). A job store shared between
processes would run every job in each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from connector.engine.onepass import run_pass
from connector.engine.parts import Shared, System

TICK_CRASHED = "tick.crashed"

log = structlog.get_logger()


class Ticks:
    """Runs a pass per system every ``seconds``; passes of one system never overlap, late ticks are merged."""

    def __init__(self, shared: Shared, systems: Sequence[System], *, seconds: float) -> None:
        self._shared = shared
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(max(1, len(systems)))},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=UTC,
        )
        for system in systems:
            self._scheduler.add_job(
                self._tick,
                "interval",
                seconds=seconds,
                args=(system,),
                id=f"pass:{system.name}",
                next_run_time=datetime.now(UTC),
            )

    def _tick(self, system: System) -> None:
        if self._shared.stopping.is_set():
            return
        try:
            run_pass(self._shared, system)
        except Exception:
            # A bug in one pass must not end the ticks of all systems; it is loud, and readiness turns red.
            system.trouble = "the last pass crashed; see the log"
            log.exception(TICK_CRASHED, system=system.name)

    def start(self) -> None:
        """Begin ticking at once."""
        self._scheduler.start()

    def stop(self) -> None:
        """Let passes that are running come to their next safe point, then return."""
        self._scheduler.shutdown(wait=True)
