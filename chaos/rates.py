"""How near all processes together came to what a vendor takes, and how often it would have no more.

Not here: how they share a budget (``store.quota``, ``crm.budget``). The sandbox counts what it admits as the vendor
does and refuses one call more, so a refusal is the proof that a rate was exceeded; the highest figure only tells how
near they came. It is by when calls came in, while the sandbox counts them as their turn comes, a moment later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from daemons import Desk

from connector.sandbox.hubspot import ratelimit
from connector.sandbox.journal import Call

REFUSED = {"hs": 429, "sf": 403}
"""How each vendor says that it takes no more (facts: HubSpot §3d, Salesforce §3.3)."""

SEARCH = "search."


@dataclass(frozen=True, slots=True)
class Rate:
    """The most calls in any ``seconds`` seconds; ``limit`` is what the vendor takes, 0 where it names none."""

    what: str
    seconds: float
    most: int
    limit: int

    def __str__(self) -> str:
        return f"{self.most} {self.what} in {self.seconds:.0f} s" + (f" of {self.limit}" if self.limit else "")


@dataclass(frozen=True, slots=True)
class Kept:
    """One CRM's rates over a whole trial, and how many calls it refused because of them."""

    name: str
    refused: int
    rates: tuple[Rate, ...]

    def __str__(self) -> str:
        return f"{self.name}: at most {', '.join(map(str, self.rates))}, {self.refused} refused"


def kept(desk: Desk) -> Kept:
    """What this CRM's journal tells of all that called it."""
    calls = [call for call in desk.world.journal.calls(system=desk.name) if call.caller]
    refused = sum(call.status == REFUSED[desk.name] for call in calls)
    if desk.name == "sf":
        return Kept(desk.name, refused, (Rate("calls", ratelimit.BURST_S, most(calls, ratelimit.BURST_S), 0),))
    searches = [call for call in calls if call.kind.startswith(SEARCH)]
    others = [call for call in calls if not call.kind.startswith(SEARCH)]
    told = (
        ("calls", others, ratelimit.BURST_S, ratelimit.burst_limit(desk.world)),
        ("searches", searches, ratelimit.SEARCH_S, ratelimit.search_limit(desk.world)),
    )
    return Kept(
        desk.name, refused, tuple(Rate(what, length, most(found, length), limit) for what, found, length, limit in told)
    )


def most(calls: Sequence[Call], seconds: float) -> int:
    """The most that came in within any so many seconds."""
    came = sorted(call.at.timestamp() - call.ms / 1000 for call in calls)
    return max(_windows(came, seconds), default=0)


def _windows(came: Sequence[float], seconds: float) -> Iterable[int]:
    first = 0
    for number, at in enumerate(came):
        while came[first] <= at - seconds:
            first += 1
        yield number - first + 1
