"""Somebody who listens to a HubSpot app's journal in a test, and remembers what came.

Not here: any expectation, and waiting: time passes as often as the journal waits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from connector.crm.hubspot.live.journal import LINE
from connector.crm.live import Hints, Line, Sighting


@dataclass
class Ear:
    """Somebody who listens: what came so far."""

    heard: Generator[Hints, None, None]
    sightings: list[Sighting] = field(default_factory=list)
    lines: dict[str, Line] = field(default_factory=dict)
    missed: set[str] = field(default_factory=set)
    sweeps: list[str] = field(default_factory=list)
    feeds: set[str] = field(default_factory=set)
    all: list[Hints] = field(default_factory=list)
    cursor: str = ""

    def until(self, ready: Callable[[], Any], what: str = "", *, within: int = 400) -> None:
        """Listen until something is so; time passes as often as the journal waits."""
        for _ in range(within):
            if ready():
                return
            self.take(next(self.heard))
        raise AssertionError(f"in vain: {what}; lines {self.lines}")

    def take(self, hints: Hints) -> None:
        self.all.append(hints)
        self.sightings += hints.sightings
        self.lines |= {line.name: line for line in hints.lines}
        self.missed |= hints.missed
        self.feeds |= hints.heard
        self.sweeps += [hints.sweep] if hints.sweep else []
        self.cursor = hints.cursor or self.cursor

    @property
    def live(self) -> bool:
        return LINE in self.lines and self.lines[LINE].live

    @property
    def why(self) -> str:
        return self.lines[LINE].why

    @property
    def deals(self) -> list[str]:
        return [deal for each in self.sightings for deal in each.deal_ids]

    @property
    def offset(self) -> str:
        """The place that was told last."""
        return str(json.loads(self.cursor)["offset"]) if self.cursor else ""

    def forget(self) -> None:
        self.missed, self.sweeps, self.sightings, self.all = set(), [], [], []
