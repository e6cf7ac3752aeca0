"""Which deals a pilot takes in, as process.toml names them.

Not here: whether one deal is among them (``handoff.pilot``) and since when (``engine.acting``).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date

from connector.handoff.rulebook.conditions import Condition


@dataclass(frozen=True, slots=True)
class Pilot:
    """A deal is in the pilot when any of these names it. Mails are in small letters; ``since`` is the day from which
    wins count, None for the moment at which the daemon first acted for a group."""

    deals: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    csms: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    when: Condition | None = None
    since: date | None = None

    @property
    def groups(self) -> tuple[str, ...]:
        """Every group by a name that stays the same while the group does."""
        named = (("deal", self.deals), ("owner", self.owners), ("csm", self.csms), ("pool", self.pools))
        found = [f"{kind}:{each}" for kind, names in named for each in names]
        return (*found, self.filter_group) if self.when is not None else tuple(found)

    @property
    def filter_group(self) -> str:
        """The group of those that the filter takes: another filter is another group."""
        tests = sorted(repr(test) for test in self.when.tests) if self.when else []
        return f"when:{hashlib.sha256(' '.join(tests).encode()).hexdigest()[:12]}"


NO_PILOT = Pilot()
