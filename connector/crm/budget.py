"""Keeping under a vendor's request rate: wait before a call rather than be refused after it.

Not here: daily quotas (``engine.allowance``), where a budget lies that several processes share (``store.quota``), and
what to do once a vendor has refused (``retry`` and the engine). Clock and wait are handed in; no class starts a thread,
and all may be used by several.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

QUIET = 10.0
"""Seconds without a refusal after which a rate that was lowered grows by one call again."""


SHARE_OF_BURST = 0.1
"""The part of a window's calls that may come at once where processes share it; the rest is spread over the window."""

PORTION = 5
"""Calls a process takes from a shared budget at a time, to spare it round trips."""

FRESH = 0.5
"""Seconds within which a portion is used; what is left then is void: used later, it would be one too many there."""


@dataclass(slots=True)
class Company:
    """How many processes ask the same vendor: ``members``, kept up by whoever counts them. One until then."""

    members: int = 1


class Granted(Protocol):
    """``calls`` that may be made now; with none, ``wait`` seconds until one may be asked for again."""

    @property
    def calls(self) -> int:
        """How many."""
        ...

    @property
    def wait(self) -> float:
        """Seconds."""
        ...


class Common(Protocol):
    """A budget that all processes share."""

    def take(self, most: int) -> Granted | None:
        """Up to so many calls; None where nobody can be asked."""
        ...

    def refused(self, seconds: float) -> None:
        """The vendor would have no more."""
        ...

    def used_up(self, seconds: float) -> None:
        """The vendor's answers say that nothing is left."""
        ...


class Treasury(Protocol):
    """Where the shared budgets of one system lie."""

    def __call__(self, budget: str, *, rate: float, burst: float) -> Common:
        """The one of this name: ``rate`` calls a second, ``burst`` at once."""
        ...


class Ration:
    """This process's part in a budget that several share. With no other process it lets everything pass.

    ``limit`` calls in any ``seconds`` seconds by all together. Where the shared budget cannot be asked, this process
    keeps to its own part of it, evenly spread: however many there were when it was last known, their sum stays within.
    """

    def __init__(
        self,
        common: Common,
        *,
        company: Company,
        pace: float,
        portion: int,
        monotonic: Callable[[], float],
        wait: Callable[[float], None],
    ) -> None:
        self._common = common
        self._company = company
        self._pace = pace
        self._portion = portion
        self._monotonic = monotonic
        self._wait = wait
        self._held = 0
        self._held_since = self._last = float("-inf")
        self._lock = threading.Lock()

    def take(self) -> float:
        """Wait until all together may make one more call, and count it. Returns the seconds waited."""
        if self._company.members < 2:
            return 0.0
        waited = 0.0
        with self._lock:
            while not self._have():
                granted = self._common.take(self._portion)
                if granted is None:
                    pause = max(self._last + self._company.members / self._pace - self._monotonic(), 0.0)
                elif granted.calls:
                    self._held, self._held_since, pause = granted.calls, self._monotonic(), 0.0
                else:
                    pause = granted.wait
                if pause > 0:
                    self._wait(pause)
                    waited += pause
                if granted is None:
                    break
            self._held = max(self._held - 1, 0)
            self._last = self._monotonic()
        return waited

    def refused(self, seconds: float) -> None:
        """The vendor would have no more: nobody asks for so many seconds."""
        if self._company.members > 1:
            self._common.refused(seconds)

    def used_up(self, seconds: float) -> None:
        """The vendor says that nothing is left: nobody asks for so many seconds."""
        if self._company.members > 1:
            self._common.used_up(seconds)

    def _have(self) -> bool:
        if self._held and self._monotonic() - self._held_since > FRESH:
            self._held = 0
        return self._held > 0


def ration(
    treasury: Treasury,
    budget: str,
    *,
    limit: int,
    seconds: float,
    company: Company,
    monotonic: Callable[[], float],
    wait: Callable[[float], None],
) -> Ration:
    """The part in a budget of ``limit`` calls in any ``seconds``: no window holds more, portions not used included."""
    burst = max(int(limit * SHARE_OF_BURST), 1)
    portion = min(PORTION, burst)
    kept = FRESH if portion > 1 else 0.0
    rate = max(limit - burst, limit / 2) / (seconds + kept)
    common = treasury(budget, rate=rate, burst=burst)
    return Ration(common, company=company, pace=rate, portion=portion, monotonic=monotonic, wait=wait)


class Room:
    """So many at a time by all processes together: each keeps to its part, at least one."""

    def __init__(self, most: int, company: Company) -> None:
        self._most = most
        self._company = company
        self._inside = 0
        self._changed = threading.Condition()

    def __enter__(self) -> None:
        with self._changed:
            while self._inside >= max(self._most // max(self._company.members, 1), 1):
                self._changed.wait()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify()


class Meter(Protocol):
    """Hears how a vendor's budgets stand; names are the adapter's: ``search``, ``burst``, ``daily``."""

    def waited(self, budget: str, seconds: float) -> None:
        """A call waited this long for room."""
        ...

    def left(self, budget: str, calls: float) -> None:
        """So many calls are left in the budget's window."""
        ...

    def refused(self, budget: str) -> None:
        """The vendor refused a call: the budget is used up, by us or by others."""
        ...


class Unmetered:
    """A `Meter` that listens to nothing."""

    def waited(self, budget: str, seconds: float) -> None:
        """Nothing."""

    def left(self, budget: str, calls: float) -> None:
        """Nothing."""

    def refused(self, budget: str) -> None:
        """Nothing."""


class Rate:
    """At most ``limit`` calls in any ``seconds`` seconds, wherever on the way they bunch up.

    A call counts from its start, and once its answer is there from then: the vendor saw it no later. Where others use
    the same rate, a refusal halves it for us, and each quiet spell gives one call back.
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
        self._most = self._allowed = limit
        self._closed_until = self._quiet_since = float("-inf")
        self._lock = threading.Lock()

    @property
    def allowed(self) -> int:
        """Calls we allow ourselves in a window now."""
        return self._allowed

    def take(self) -> float:
        """Wait until one more call is allowed and count it. Returns the seconds waited."""
        with self._lock:
            now = self._monotonic()
            self._grow(now)
            free_at = self._closed_until
            if len(self._counted) >= self._allowed:
                free_at = max(free_at, self._counted[-self._allowed] + self._seconds)
            waited = max(free_at - now, 0.0)
            if waited > 0:
                self._wait(waited)
            self._counted.append(self._monotonic())
            return waited

    def answered(self) -> None:
        """Count the call taken last from now, for it may have reached the vendor only a moment ago."""
        with self._lock:
            if self._counted:
                self._counted[-1] = self._monotonic()

    def refused(self, seconds: float) -> None:
        """The vendor would have no more for so many seconds: others take from the same rate."""
        with self._lock:
            now = self._monotonic()
            self._allowed = max(1, self._allowed // 2)
            self._closed_until = max(self._closed_until, now + seconds)
            self._quiet_since = now

    def _grow(self, now: float) -> None:
        if self._allowed < self._most and now - self._quiet_since >= QUIET:
            self._allowed += 1
            self._quiet_since = now


RESERVE = 2
"""Calls of a window left unused, for answers that cross on the way."""


class Burst:
    """Keeps to a rolling window whose size and what is left of it the vendor tells with every answer.

    While calls are left nothing waits. When they are used up, the next call waits until the oldest of our own calls
    in the window has left it, and another that waits beside it until the one after that; where we know of none (another
    process used it up), for the whole window. What was told a whole window ago tells nothing any more.
    """

    def __init__(self, *, monotonic: Callable[[], float], wait: Callable[[float], None]) -> None:
        self._monotonic = monotonic
        self._wait = wait
        self._starts: deque[float] = deque()
        self._interval = 0.0
        self._remaining: int | None = None
        self._told_at = self._closed_until = float("-inf")
        self._waiting = 0
        self._lock = threading.Lock()

    @property
    def remaining(self) -> int | None:
        """Calls left in the window, as the last answer told; None before the first."""
        return self._remaining

    def note(self, *, remaining: int, interval: float) -> None:
        """Take in what one answer's headers said: calls left in the window, and the window's length in seconds."""
        with self._lock:
            self._remaining = remaining
            self._interval = interval
            self._told_at = self._monotonic()

    def refused(self, seconds: float) -> None:
        """The vendor would have no more: nothing is sent for so many seconds."""
        with self._lock:
            self._closed_until = max(self._closed_until, self._monotonic() + seconds)

    def take(self) -> float:
        """Wait until the window has room for one more call and count it. Returns the seconds waited."""
        with self._lock:
            self._forget()
            waited = max(self._free_at() - self._monotonic(), 0.0)
            self._waiting += 1
        # Not under the lock: an answer that arrives meanwhile has to be taken in.
        try:
            if waited > 0:
                self._wait(waited)
        finally:
            with self._lock:
                self._waiting -= 1
                self._forget()
                self._starts.append(self._monotonic())
        return waited

    def _free_at(self) -> float:
        if self._remaining is None or self._remaining > RESERVE:
            return self._closed_until
        oldest = self._starts[self._waiting] if self._waiting < len(self._starts) else self._told_at
        return max(self._closed_until, min(oldest, self._told_at) + self._interval)

    def _forget(self) -> None:
        while self._starts and self._starts[0] + self._interval <= self._monotonic():
            self._starts.popleft()
