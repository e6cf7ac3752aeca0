"""Notices that the machine's clock was set back, and has what waits by the old time brought forward.

Not here: clocks of CRMs, by which changes are asked for, and PostgreSQL's, by which replicas go. A clock that is set
forward needs nothing: what falls due too early is looked at and found as it should be.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from connector.clock import zoned
from connector.engine.parts import Shared, System
from connector.engine.places import stored
from connector.store import LAST_PASS

CLOCK_MOVED = "clock.moved"
TOLERANCE = timedelta(seconds=5)
"""Less than this a clock may be corrected by without anybody being kept waiting."""

log = structlog.get_logger()


def running_seconds() -> float:
    """Seconds that no one sets, counted through suspension where the system can."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class ClockWatch:
    """Compares the clock with the seconds that passed, pass by pass. Thread-safe."""

    def __init__(
        self, shared: Shared, systems: Sequence[System], *, seconds: Callable[[], float] = running_seconds
    ) -> None:
        self._shared = shared
        self._systems = systems
        self._seconds = seconds
        self._seen: tuple[datetime, float] | None = None
        self._lock = threading.Lock()

    def look(self) -> None:
        """Act when it is earlier than it must be. Where the store fails, the next look acts."""
        if not self._shared.store.single_process:
            return
        with self._lock:
            now, at = self._shared.clock.now(), self._seconds()
            expected = (
                self._last_known() if self._seen is None else self._seen[0] + timedelta(seconds=at - self._seen[1])
            )
            if expected is not None and expected - now > TOLERANCE:
                moved = self._shared.store.set_back(expected - now)
                log.warning(CLOCK_MOVED, seconds=round((now - expected).total_seconds()), waiting=moved)
            self._seen = (now, at)

    def _last_known(self) -> datetime | None:
        """When a pass last ended, by whatever clock the process before this one had."""
        ended = (stored(self._shared, system, LAST_PASS, zoned) for system in self._systems)
        return max((each for each in ended if each is not None), default=None)
