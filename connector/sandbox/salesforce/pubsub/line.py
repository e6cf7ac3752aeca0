"""What is true of every stream of an org: what was planted on the line, and how many events were delivered today.

Not one stream (`stream.py`). Needs no library, so the control port can ask for it in any sandbox.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connector.sandbox.state import World

DAY = timedelta(hours=24)
GRAIN_S = 60
"""Delivered events are counted by the minute: fine enough for a rolling day."""

SETTINGS: dict[str, float] = {
    # Seconds without an event until an empty response tells the latest replay id: at most 270 (facts: Salesforce §2.2).
    "pubsub_keepalive_s": 240,
    # Seconds that a stream may stay without anything requested (facts: Salesforce §2.2).
    "pubsub_idle_close_s": 60,
    # Events delivered to all subscribers in 24 hours, Enterprise Edition (facts: Salesforce §2.6).
    "cdc_allocation": 25_000,
}


def setting(world: World, key: str) -> float:
    """One setting of the line, or its usual value."""
    return float(world.settings.get(key, SETTINGS[key]))


@dataclass(slots=True)
class Planted:
    """What a test planted. `cuts` counts cuts so far: a stream that began under a lower number is over."""

    cuts: int = 0
    cut_code: str = ""
    cut_every_s: float | None = None
    silent: bool = False
    doubled: int = 0
    reordered: int = 0


@dataclass(slots=True)
class Line:
    """Planted trouble, open streams and deliveries of one org."""

    planted: Planted = field(default_factory=Planted)
    streams: int = 0
    _delivered: deque[tuple[datetime, int]] = field(default_factory=deque)

    def delivered(self, now: datetime) -> int:
        """Events delivered in the 24 hours up to now."""
        while self._delivered and self._delivered[0][0] <= now - DAY:
            self._delivered.popleft()
        return sum(count for _, count in self._delivered)

    def deliver(self, world: World, wanted: int) -> int:
        """Count a delivery of up to `wanted` events; returns how many the allocation leaves."""
        now = world.clock.now()
        granted = max(0, min(wanted, int(setting(world, "cdc_allocation")) - self.delivered(now)))
        if self._delivered and (now - self._delivered[-1][0]).total_seconds() < GRAIN_S:
            begun, count = self._delivered.pop()
            self._delivered.append((begun, count + granted))
        elif granted:
            self._delivered.append((now, granted))
        return granted

    def state(self, now: datetime) -> dict[str, Any]:
        """What the control port shows."""
        names = ("cut_every_s", "silent", "doubled", "reordered")
        planted = {name: getattr(self.planted, name) for name in names}
        return {"streams": self.streams, "delivered_24h": self.delivered(now), **planted}
