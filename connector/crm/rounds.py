"""Slow readings that a CRM needs beside its feeds: what they are, and what one page of them tells.

Not here: going through them (``engine.rounds``) and any vendor's. A feed is read at every tick and tells what is new; a
round begins now and then, takes as long as it takes, and tells what is held against the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from connector.crm.port import Change


@dataclass(frozen=True, slots=True)
class Round:
    """One kind of round: how often it begins, the least seconds between two of its pages, and the share of the day's
    calls that it may use up."""

    name: str
    every: timedelta
    seconds: float
    share: float


@dataclass(frozen=True, slots=True)
class RoundPage:
    """One page, one call or two. ``place`` (opaque) is where to go on; None at the end.

    ``changes``: deals and when they changed; ``listed``: deals that are there, changed or not; ``gone``: deals that are
    not there any more, and since when. ``rows`` were read; ``of``: about how many there are in all, 0 if nobody knows.
    """

    changes: tuple[Change, ...]
    rows: int
    place: str | None
    listed: tuple[str, ...] = ()
    gone: tuple[Change, ...] = ()
    of: int = 0


class Rounds(Protocol):
    """The rounds of one org or portal. Methods raise `connector.errors.CrmError` when a call fails."""

    def all(self) -> tuple[Round, ...]:
        """The kinds there are."""
        ...

    def begin(self, name: str, *, since: datetime, now: datetime) -> str:
        """The place where a round begins; the one before it began ``since`` then. Both by the CRM's clock."""
        ...

    def page(self, name: str, place: str, *, now: datetime) -> RoundPage:
        """The page at a place. The same place may be asked for again, by another process too."""
        ...
