"""The time, as something that can be handed in, and as it is stored.

Not here: business hours (``handoff.calendar``) and the vendors' clocks (each adapter's ``server_time``).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


def zoned(text: str) -> datetime:
    """A stored time with its zone. Raises ValueError for one without, which no other could be compared with."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"a time without a zone: {text}")
    return at


class Clock(Protocol):
    """Tells the time in UTC."""

    def now(self) -> datetime:
        """The present moment, aware, UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The present moment, aware, UTC."""
        return datetime.now(UTC)


class ManualClock:
    """A clock that moves only when told to, for tests and simulations."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        """The moment it was last set to."""
        return self._now

    def advance(self, delta: timedelta) -> None:
        """Move forward by ``delta``."""
        self._now += delta
