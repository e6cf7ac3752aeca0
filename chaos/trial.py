"""One breakage of several replicas: what it came to, and how it ends.

Not here: what is broken (``replicas``, ``upgrades``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from chaos.rates import kept
from chaos.sections import Effort
from chaos.table import Row
from chaos.team import Team
from chaos.weather_postgres import Server

SECTION = "replicas"
BOTH = "salesforce and hubspot, polled"
Run = Callable[[Effort, Server, int], Row]


JITTER = 2
"""Calls of a trial that may be refused: what left in time may arrive closer together, and is made again."""


@dataclass(slots=True)
class Trial:
    """What one breakage came to."""

    what: str
    where: str = BOTH
    broken: int = 0
    lost: int = 0
    doubled: int = 0
    recovery: float = 0.0
    sharing: bool = True
    """Whether all processes know the shared budget."""
    remarks: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def must(self, kept: object, words: str) -> None:
        """A promise: what ``kept`` says, or a complaint."""
        if not kept:
            self.complaints.append(words)

    def end(self, on: Team, *, broken_at: float) -> None:
        """Wait until all is whole, and judge."""
        try:
            on.wait_whole()
            self.recovery = time.monotonic() - broken_at
        except AssertionError as error:
            self.complaints.append(f"{str(error)[:120]}, {on.open_rows()} rows open")
        self.complaints += on.stop()
        self.lost, self.doubled = on.judged()
        self.told_rates(on)

    def told_rates(self, on: Team) -> None:
        """How near they came to what each CRM takes; where they share a budget they must not be refused for it."""
        for found in map(kept, on.desks):
            if self.sharing:
                self.must(found.refused <= JITTER, f"{found.name} would have no more of {found.refused} calls")
            self.remarks.append(str(found))

    def row(self) -> Row:
        """As a row."""
        note = "; ".join([*self.complaints, *self.remarks])
        recovery = (self.recovery,) if self.recovery else ()
        return Row(
            SECTION, self.what, self.where, tried=1, broken=self.broken, lost=self.lost, doubled=self.doubled,
            other=len(self.complaints), recovery=recovery, note=note,
        )  # fmt: skip
