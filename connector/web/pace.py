"""How often each caller may do something: so much at once, so much more with every second.

Not here: what is counted and what happens beyond it. Remembers a bounded number of callers, those seen last.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

MOST_CALLERS = 10_000
"""Remembered at once; who was not seen for longest is forgotten first and begins anew."""


class Pace:
    """An allowance per caller: ``burst`` at once, refilled by ``per_second``. Thread-safe."""

    def __init__(self, *, burst: float, per_second: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._burst = burst
        self._per_second = per_second
        self._monotonic = monotonic
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def is_spent(self, caller: str) -> bool:
        """Whether a caller has nothing left just now."""
        with self._lock:
            return self._now(caller) < 1

    def charge(self, caller: str) -> None:
        """A caller used up one."""
        with self._lock:
            self._left[caller] = (max(0.0, self._now(caller) - 1), self._monotonic())
            self._left.move_to_end(caller)
            if len(self._left) > MOST_CALLERS:
                self._left.popitem(last=False)

    @property
    def seconds_to_next(self) -> int:
        """How long whoever has nothing left must wait, whole seconds."""
        return max(1, round(1 / self._per_second))

    def _now(self, caller: str) -> float:
        left, at = self._left.get(caller, (self._burst, self._monotonic()))
        return min(self._burst, left + (self._monotonic() - at) * self._per_second)
