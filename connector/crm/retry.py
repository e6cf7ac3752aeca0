"""Short second tries inside one call, for reads only: a blip must not cost a whole pass.

Not here: retries of writes (the outbox owns those), waits longer than a few seconds (the engine pauses the system),
and what counts as transient (each adapter's ``faults``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from connector.clock import Clock
from connector.errors import Advice, CrmError

T = TypeVar("T")

ATTEMPTS = 3
"""Tries in all (facts: libraries §10: at most three, well under a third of a lease)."""

LONGEST_WAIT = 8.0
"""Seconds; a vendor that asks for more is left to the engine."""

FIRST_WAIT = 0.5


@dataclass(frozen=True, slots=True)
class ReadRetry:
    """Runs a read up to ``ATTEMPTS`` times while its `CrmError` says RETRY; raises the last one."""

    clock: Clock
    sleep: Callable[[float], None] = time.sleep
    attempts: int = ATTEMPTS

    def __call__(self, read: Callable[[], T]) -> T:
        """The read's answer. Waits as long as the vendor says, or 0.5 s doubling with jitter when it does not say."""
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self.attempts),
            retry=tenacity.retry_if_exception(self._worth_it),
            wait=self._wait,
            sleep=self.sleep,
            reraise=True,
        )
        return retrying(read)

    def _worth_it(self, error: BaseException) -> bool:
        return (
            isinstance(error, CrmError)
            and error.fault.advice is Advice.RETRY
            and (self._asked(error) or 0.0) <= LONGEST_WAIT
        )

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = self._asked(error)
        if asked is not None:
            return asked
        return tenacity.wait_exponential_jitter(multiplier=FIRST_WAIT, max=LONGEST_WAIT, jitter=FIRST_WAIT)(state)

    def _asked(self, error: BaseException | None) -> float | None:
        """Seconds until the time the vendor named, if it named one."""
        if not isinstance(error, CrmError) or error.fault.retry_at is None:
            return None
        return max(0.0, (error.fault.retry_at - self.clock.now()).total_seconds())
