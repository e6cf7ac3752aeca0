"""Keeping under a vendor's request rate inside one process: wait before a call rather than be refused after it.

Not here: daily quotas and rates shared between processes (``store``), and what to do once a vendor has refused
(``retry`` and the engine). Clock and wait are handed in; neither class starts a thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Rate:
    """At most ``limit`` calls in any ``seconds`` seconds, counted by when they start."""

    def __init__(
        self, *, limit: int, seconds: float, monotonic: Callable[[], float], wait: Callable[[float], None]
    ) -> None:
        if limit < 1:
            raise ValueError("a rate needs a limit of at least 1")
        self._seconds = seconds
        self._monotonic = monotonic
        self._wait = wait
        self._starts: deque[float] = deque(maxlen=limit)

    def take(self) -> float:
        """Wait until one more call is allowed and count it. Returns the seconds waited."""
        waited = 0.0
        if len(self._starts) == self._starts.maxlen:
            waited = self._starts[0] + self._seconds - self._monotonic()
            if waited > 0:
                self._wait(waited)
        self._starts.append(self._monotonic())
        return max(waited, 0.0)


class Burst:
    """Slows down when the vendor's own headers say that a rolling window is nearly used up.

    Below a tenth of the window the remaining calls are spread evenly; at nothing left the window is waited out.
    """

    def __init__(self, *, monotonic: Callable[[], float], wait: Callable[[float], None]) -> None:
        self._monotonic = monotonic
        self._wait = wait
        self._clear_at = 0.0

    def note(self, *, limit: int, remaining: int, interval: float) -> None:
        """Take in what one answer's headers said: calls per window, calls left in it, the window in seconds."""
        if limit < 1 or remaining > limit // 10:
            self._clear_at = 0.0
            return
        pause = interval if remaining <= 0 else interval / limit
        self._clear_at = self._monotonic() + pause

    def take(self) -> float:
        """Wait as long as the last answer asked for. Returns the seconds waited."""
        pause = self._clear_at - self._monotonic()
        if pause <= 0:
            return 0.0
        self._wait(pause)
        return pause
