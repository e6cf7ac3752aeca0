"""How many requests the portal takes: ten rolling seconds of each app, searches per second, a daily quota of all.

Not the vendor's error for each (`app.py` raises it). Windows run on the machine's monotonic clock, because a
caller waits in real time even when the sandbox's clock stands still; the day is the sandbox's.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from connector.sandbox.hubspot import tiers
from connector.sandbox.hubspot.access import OAUTH, Caller
from connector.sandbox.hubspot.errors import Refused

if TYPE_CHECKING:
    from datetime import date

    from connector.sandbox.state import World

# facts: HubSpot §3e and §1; by tier, each can be changed by the setting of that name, and 0 lifts it.
BURST_LIMIT, DAILY_LIMIT, SEARCH_LIMIT = "burst_limit", "daily_limit", "search_per_second"
SEARCHES_A_SECOND = 5
OAUTH_BURST = 110
BURST_S = 10.0
SEARCH_S = 1.0
GATE = "hubspot.gate"


class Throttled(Refused):
    """A 429 with its own body (facts: HubSpot §3d, §1)."""

    def __init__(self, message: str, *, policy: str | None) -> None:
        super().__init__(status=429, category="RATE_LIMITS", message=message)
        self.policy = policy

    def body(self, correlation_id: str) -> dict[str, Any]:
        """The search variant has a category, the others an error type and a policy."""
        found: dict[str, Any] = {"status": "error", "message": self.message, "correlationId": correlation_id}
        if self.policy is None:
            return {**found, "category": self.category}
        return {**found, "errorType": "RATE_LIMIT", "policyName": self.policy, "requestId": correlation_id}


BURST = ("You have reached your ten_secondly_rolling limit.", "TEN_SECONDLY_ROLLING")
DAILY = ("You have reached your daily limit.", "DAILY")
SEARCHES = ("You have reached your secondly limit.", None)
ANYONE = Caller(name="")


class Gate:
    """Counts what was admitted. `now` gives seconds that never run backwards."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._bursts: dict[str, deque[float]] = {}
        self._searches: deque[float] = deque()
        self._day: date | None = None
        self._count = 0

    def admit(self, world: World, *, search: bool, who: Caller = ANYONE) -> None:
        """Count one request. Raises Throttled."""
        now = self._now()
        self._turn_day(world)
        if 0 < daily_limit(world) <= self._count:
            raise Throttled(DAILY[0], policy=DAILY[1])
        window, length = (self._searches, SEARCH_S) if search else (self._burst(who), BURST_S)
        limit = search_limit(world) if search else burst_limit(world, who)
        while window and window[0] <= now - length:
            window.popleft()
        if 0 < limit <= len(window):
            message, policy = SEARCHES if search else BURST
            raise Throttled(message, policy=policy)
        window.append(now)
        self._count += 1

    def headers(self, world: World, *, who: Caller = ANYONE) -> dict[str, str]:
        """The rate-limit headers of a reply that is no search; an OAuth app is told nothing of the day."""
        burst, daily = burst_limit(world, who), daily_limit(world)
        found = {
            "X-HubSpot-RateLimit-Max": str(burst),
            "X-HubSpot-RateLimit-Remaining": str(max(0, burst - len(self._burst(who)))),
            "X-HubSpot-RateLimit-Interval-Milliseconds": str(int(BURST_S * 1000)),
        }
        if who.kind == OAUTH:
            return found
        return found | {
            "X-HubSpot-RateLimit-Daily": str(daily),
            "X-HubSpot-RateLimit-Daily-Remaining": str(max(0, daily - self._count)),
        }

    def today(self, world: World) -> int:
        """Requests admitted since midnight."""
        self._turn_day(world)
        return self._count

    def _burst(self, who: Caller) -> deque[float]:
        return self._bursts.setdefault(who.name, deque())

    def _turn_day(self, world: World) -> None:
        today = world.clock.now().date()
        if today != self._day:
            self._day, self._count = today, 0


def gate(world: World) -> Gate:
    """The gate of this portal."""
    found: Gate = world.scratch.setdefault(GATE, Gate())
    return found


def burst_limit(world: World, who: Caller = ANYONE) -> int:
    """Requests that one app may make in ten seconds; 0 is no limit."""
    return _limit(world, BURST_LIMIT, OAUTH_BURST if who.kind == OAUTH else tiers.tier(world).burst)


def daily_limit(world: World) -> int:
    """Requests allowed a day, of all apps together; 0 is no limit."""
    return _limit(world, DAILY_LIMIT, tiers.tier(world).daily)


def search_limit(world: World) -> int:
    """Searches allowed a second, of all apps together; 0 is no limit."""
    return _limit(world, SEARCH_LIMIT, SEARCHES_A_SECOND)


def _limit(world: World, name: str, usual: int) -> int:
    found = world.settings.get(name)
    return usual if found is None else int(found)
