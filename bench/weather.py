"""Bad weather for a portal: a share of all calls fails, in every way that is documented, by dice that fall the same.

Not here: what a fault looks like (the sandbox acts it out), nor troubles of webhooks, journal and index. The day's
quota is not among the ways: a portal that has spent it is left alone until midnight, so nothing could be measured.
"""

from __future__ import annotations

import random
import re
import sys
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass

from connector.sandbox.faults import KINDS, Fault, Faults

SHARE = 0.2
ANY, SEARCH, RECORDS = ".*", "/search", "/crm/objects/"
WRITES = r"POST .*/batch/(create|update|upsert)"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to fail: the sandbox's kind, the requests it may hit, and its argument."""

    kind: str
    match: str = ANY
    arg: float | str | None = None


WAYS: tuple[Way, ...] = (
    # facts: HubSpot §3d, and connections that break before or after the work.
    Way("429"),
    Way("429", SEARCH, "SEARCH"),
    Way("expired_token"),
    Way("row_lock", WRITES),
    Way("partial", WRITES),
    Way("migrating", RECORDS, 1),
    Way("500"),
    Way("502"),
    Way("503"),
    Way("504"),
    *(Way(str(status)) for status in range(521, 527)),
    Way("reset_before"),
    Way("reset_after"),
    Way("timeout_after", WRITES),
)
SILENCES = {"timeout_after": 2}
"""So many calls are never answered: each costs the connector half a minute of waiting."""


class Weather(Faults):
    """Strikes a share of the calls of one system. ``met`` counts what struck, by kind."""

    def __init__(self, system: str, *, share: float = SHARE) -> None:
        super().__init__()
        self.met: Counter[str] = Counter()
        self.calls = 0
        self._system = system
        self._share = share
        self._dice = random.Random(f"weather:{system}")
        self._struck: Counter[Way] = Counter()

    def take(self, system: str, method: str, path: str, *, kinds: Container[str] = KINDS) -> Fault | None:
        """The fault of this request, or None."""
        planted = super().take(system, method, path, kinds=kinds)
        if planted is not None or system != self._system:
            return planted
        self.calls += 1
        if self._dice.random() >= self._share:
            return None
        way = self._next(f"{method} {path}")
        self.met[way.kind] += 1
        return Fault(id=f"w{self.calls}", system=system, match=way.match, kind=way.kind, count=1, arg=way.arg)

    def _next(self, line: str) -> Way:
        # The one that fits and struck least, so that every way has its turn however few calls there are.
        fitting = [
            way
            for way in WAYS
            if re.search(way.match, line) and self._struck[way] < SILENCES.get(way.kind, sys.maxsize)
        ]
        chosen = min(fitting, key=lambda way: (self._struck[way], way.match == ANY))
        self._struck[chosen] += 1
        return chosen
