"""Keeping under a vendor's request rate inside one process: wait before a call rather than be refused after it.

Not here: daily quotas and rates shared between processes (``store``), and what to do once a vendor has refused
(``retry`` and the engine). Clock and wait are handed in; neither class starts a thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Rate:
    """At most ``limit`` calls in any ``seconds`` seconds, wherever on the way they bunch up.

    A call counts from its start, and once its answer is there from then: the vendor saw it no later.
    """

    def __init__(
        self, *, limit: int, seconds: float, monotonic: Callable[[], float], wait: Callable[[float], None]
    ) -> None:
        if limit < 1:
            raise ValueError("a rate needs a limit of at least 1")
        self._seconds = seconds
        self._monotonic = monotonic
        self._wait = wait
        self._counted: deque[float] = deque(maxlen=limit)

    def take(self) -> float:
        """Wait until one more call is allowed and count it. Returns the seconds waited."""
        waited = 0.0
        if len(self._counted) == self._counted.maxlen:
            waited = self._counted[0] + self._seconds - self._monotonic()
            if waited > 0:
                self._wait(waited)
        self._counted.append(self._monotonic())
        return max(waited, 0.0)

    def answered(self) -> None:
        """Count the call taken last from now, for it may have reached the vendor only a moment ago."""
        if self._counted:
            self._counted[-1] = self._monotonic()


RESERVE = 2
"""Calls of a window left unused, for answers that cross on the way."""


class Burst:
    """Keeps to a rolling window whose size and what is left of it the vendor tells with every answer.

    While calls are left nothing waits. When they are used up, the next call waits until the oldest of our own calls
    in the window has left it; where we know of none (another process used it up), for the whole window.
    """

    def __init__(self, *, monotonic: Callable[[], float], wait: Callable[[float], None]) -> None:
        self._monotonic = monotonic
        self._wait = wait
        self._starts: deque[float] = deque()
        self._interval = 0.0
        self._remaining: int | None = None

    def note(self, *, remaining: int, interval: float) -> None:
        """Take in what one answer's headers said: calls left in the window, and the window's length in seconds."""
        self._remaining = remaining
        self._interval = interval

    def take(self) -> float:
        """Wait until the window has room for one more call and count it. Returns the seconds waited."""
        waited = 0.0
        self._forget()
        if self._remaining is not None and self._remaining <= RESERVE:
            since = self._starts[0] if self._starts else self._monotonic()
            waited = max(0.0, since + self._interval - self._monotonic())
            if waited > 0:
                self._wait(waited)
            self._forget()
        self._starts.append(self._monotonic())
        return waited

    def _forget(self) -> None:
        while self._starts and self._starts[0] + self._interval <= self._monotonic():
            self._starts.popleft()
