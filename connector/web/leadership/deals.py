"""A list of deals behind one number, as a table: which columns it has, and the words above it.

Not here: which deals (``store.behind``), the address (``asked``), the looks (templates) and files (``exports``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import get_args

from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.measures.figure import FUNNEL, Funnel
from connector.handoff.measures.model import Measure, Way
from connector.handoff.measures.summing import NOTHING, Sum, aim, shown_value
from connector.handoff.rulebook.watch import Targets
from connector.store.behind import EVERY, Line, Listing
from connector.store.figures import EVERYTHING, Which
from connector.web.leadership.asked import Asked, Unclear
from connector.web.leadership.board import FUNNEL_WORDS, Book, Choice, choices, stuck_said
from connector.web.leadership.told import Told, tell

PAGE = 50
"""Rows of a page of the list."""

MOST_EXPORTED = 100_000
"""Rows of a file; a spreadsheet takes a million, a person reads none of them."""

Column = Callable[[Line], str]

HANDED = "handed"
WHICH_WORDS: Mapping[str, str] = {
    "counted": "every handoff that counts",
    "met": "those that are good",
    "missed": "those that are not",
    "open": "those that do not count, or not yet",
}


@dataclass(frozen=True, slots=True)
class Deals:
    """The list, ready to be laid out. ``told`` is the number it stands behind, None where it is a plain count."""

    title: str
    columns: Mapping[str, Column]
    lines: Sequence[Line]
    total: int
    more: bool
    choices: tuple[Choice, ...]
    told: Told | None

    @property
    def head(self) -> tuple[str, ...]:
        """What the columns beside a deal's name are called."""
        return tuple(self.columns)

    def cells(self, line: Line) -> list[str]:
        """A line's cells beside the deal's name."""
        return [cell(line) for cell in self.columns.values()]


def listing_of(of: str) -> Listing:
    """The list that an address names. Raises `Unclear`."""
    kind, _, what = of.partition(":")
    match kind:
        case "":
            return EVERY
        case "stuck":
            return Listing(stuck=True)
        case "due":
            return Listing(due=True)
        case "funnel" if what in set(Funnel):
            return Listing(stage=Funnel(what))
        case "coverage" if what:
            return Listing(reason="" if what == HANDED else what)
        case _ if kind in MEASURES and MEASURES[kind].per_handoff and (which := _which(what)) is not None:
            return Listing(measure=kind, which=which)
    raise Unclear(f"There is no list of deals called {of[:40]!r}.")


def deals_of(book: Book, asked: Asked, *, limit: int = PAGE, offset: int = 0, framed: bool = True) -> Deals:
    """The list for one address, from ``offset`` on; ``framed``: with what stands around it, which a file leaves out.
    Raises `Unclear`."""
    listing = listing_of(asked.of)
    measure = MEASURES[listing.measure] if listing.measure else None
    targets = book.targets
    with book.store.one_state():
        found = book.store.lines(asked.selection, listing, targets=targets, limit=limit + 1, offset=offset)
        summed = _summed(book, asked, measure if framed else None)
        total = _total(listing, measure, summed, targets) if framed else len(found)
        if total is None:
            total = book.store.how_many(asked.selection, listing, targets=targets)
        filters = choices(book, asked) if framed else ()
    return Deals(
        title=title_of(listing, measure),
        columns=_columns(measure, listing),
        lines=found[:limit],
        total=total,
        more=len(found) > limit,
        choices=filters,
        told=None if measure is None or not framed else tell(measure, summed, targets),
    )


def title_of(listing: Listing, measure: Measure | None) -> str:
    """What the list is called."""
    if measure is not None:
        return f"{measure.title}: {WHICH_WORDS[listing.which]}"
    if listing.stage is not None:
        return f"Came as far as: {FUNNEL_WORDS[listing.stage]}"
    if listing.reason is not None:
        return f"No handoff: {listing.reason}" if listing.reason else "Won deals that have a handoff"
    if listing.stuck:
        return "Stuck now"
    return "Commitments to keep" if listing.due else "All handoffs"


def _which(said: str) -> Which | None:
    return next((each for each in get_args(Which) if each == said), None)


def _columns(measure: Measure | None, listing: Listing) -> Mapping[str, Column]:
    """The columns of a list: what it is a list of, and what every list has."""
    first: dict[str, Column] = {}
    if measure is not None:
        first[measure.title] = lambda one: shown_value(measure, one.value)
    if listing.due:
        first |= {"Due": lambda one: one.due or "", "What": lambda one: one.said or ""}
    if listing.stuck:
        first["What stands still"] = lambda one: stuck_said(json.loads(one.stuck))
    if listing.reason is not None:
        first["Why"] = attrgetter("reason")
    return {**first, **_COLUMNS}


_FAR = tuple(FUNNEL_WORDS[stage] for stage in FUNNEL)
_COLUMNS: Mapping[str, Column] = {
    "Customer": attrgetter("account_name"),
    "Won": lambda one: one.won_on or "–",
    "AE": attrgetter("ae_name"),
    "CSM": attrgetter("csm_name"),
    "Segment": attrgetter("segment"),
    "Came as far as": lambda one: _FAR[one.funnel],
    "System": attrgetter("system"),
}


def _summed(book: Book, asked: Asked, measure: Measure | None) -> Sum:
    if measure is None:
        return NOTHING
    sums = book.store.sums(asked.selection, measures=[measure.key], targets=book.targets)
    return sums.get(EVERYTHING, {}).get(measure.key, NOTHING)


def _total(listing: Listing, measure: Measure | None, found: Sum, targets: Targets) -> int | None:
    """How many the list has, as far as the sum says it already."""
    if measure is None or listing.which == "open":
        return None
    if measure.way is not Way.SHARE and aim(measure, targets) is None:
        return found.counted if listing.which == "counted" else None
    return {"counted": found.counted, "met": found.met, "missed": found.counted - found.met}[listing.which]
