"""What was counted of one account in the product, as the ledger remembers it.

Not here: what is counted and why (``productbook``) and what follows from it (``milestones``, ``rescue``). No row says
who did it: people count, they do not appear.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum


class Sort(StrEnum):
    """By what a measure's events are counted."""

    EVENTS = "events"
    VALUE = "value"
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class Tally:
    """One measure on one day (UTC): how often, and when first and last. ``part`` is empty for all of them, else the
    value or the session (a digest) that is counted."""

    measure: str
    sort: Sort
    part: str
    day: date
    count: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """What is known of one account. ``since``: from when on events are counted; None where none ever came.

    ``heard_at`` is when the last event came, whoever's; ``ambiguous``: other accounts answer to the same name, so that
    nothing is counted of either. ``named``: the account answers to a name at all; ``unnamed`` are the ways in which
    events name accounts and this one has no name: what is not counted of it may have happened all the same.
    """

    since: datetime | None = None
    heard_at: datetime | None = None
    tallies: Mapping[str, tuple[Tally, ...]] = field(default_factory=dict)
    ambiguous: bool = False
    named: bool = False
    unnamed: tuple[str, ...] = ()


NO_FACTS = ProductFacts()
