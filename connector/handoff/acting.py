"""Which deals are acted on at all: the daemon's reach, since when for whom, and where one deal stands in that.

Not here: how a deal comes to stand there (``pilot``), and reading or keeping when acting began (``engine.acting``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

EVERYBODY = "all"
"""The group of deals that everything is in."""


class Reach(StrEnum):
    """How far the daemon acts: on nothing, on the deals of the pilot, or on every deal."""

    OBSERVE = "observe"
    PILOT = "pilot"
    ACT = "act"


class Footing(StrEnum):
    """Where one deal stands: acted on, or only observed, and then for which reason."""

    ACTED = "acted"
    OLD = "old"
    """Won before the connector ran for the first time."""
    BEFORE = "before"
    """Won before acting began for its group."""
    OUTSIDE = "outside"
    """Not in the pilot."""
    MODE = "mode"
    """The daemon acts on nothing."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one deal stands, and why, as a sentence."""

    footing: Footing
    why: str

    @property
    def acted(self) -> bool:
        """Whether anything may be written for the deal. For an old win nothing is planned, so there is nothing to."""
        return self.footing in (Footing.ACTED, Footing.OLD)

    @property
    def observed(self) -> bool:
        """Whether people should read that the deal is only observed."""
        return self.footing is not Footing.ACTED


ACTED = Standing(Footing.ACTED, "Acted on: the daemon acts on every deal.")


@dataclass(frozen=True, slots=True)
class Acting:
    """How far the daemon acts, and since when for each group of deals; None: since ever, as far as the ledger goes."""

    reach: Reach = Reach.ACT
    starts: Mapping[str, datetime | None] = field(default_factory=lambda: {EVERYBODY: None})


ON_EVERYTHING = Acting()
