"""A list of deals behind one number, as a table: which columns it has, and the words above it.

Not here: which deals (``store.behind``), the address (``asked``), the looks (templates) and files (``exports``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import get_args

from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.measures.figure import Figure, Funnel
from connector.handoff.measures.model import Measure
from connector.handoff.measures.summing import NOTHING, shown_value
from connector.store.behind import EVERY, Listing
from connector.store.figures import EVERYTHING, Which
from connector.web.leadership.asked import Asked, Unclear
from connector.web.leadership.board import FUNNEL_WORDS, Book, Choice, choices, stands_still
from connector.web.leadership.told import Told, tell

PAGE = 50
"""Rows of a page of the list."""

MOST_EXPORTED = 100_000
"""Rows of a file; a spreadsheet takes a million, a person reads none of them."""

HANDED = "handed"
WHICH_WORDS: Mapping[str, str] = {
    "counted": "every handoff that counts",
    "met": "those that are good",
    "missed": "those that are not",
    "open": "those that do not count, or not yet",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One deal of the list and its cells beside its name."""

    figure: Figure
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Deals:
    """The list, ready to be laid out. ``told`` is the number it stands behind, None where it is a plain count."""

    title: str
    head: tuple[str, ...]
    rows: tuple[Row, ...]
    total: int
    more: bool
    choices: tuple[Choice, ...]
    told: Told | None


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


def deals_of(book: Book, asked: Asked, *, limit: int = PAGE, offset: int = 0) -> Deals:
    """The list for one address, from ``offset`` on. Raises `Unclear`."""
    listing = listing_of(asked.of)
    measure = MEASURES[listing.measure] if listing.measure else None
    found, said = _rows(book, asked, listing, limit=limit + 1, offset=offset)
    columns = _columns(measure, said)
    rows = tuple(Row(each, tuple(column(each) for column in columns.values())) for each in found[:limit])
    return Deals(
        title=title_of(listing, measure),
        head=tuple(columns),
        rows=rows,
        total=book.store.how_many(asked.selection, listing, targets=book.targets),
        more=len(found) > limit,
        choices=choices(book, asked),
        told=_told(book, asked, measure),
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


def _rows(
    book: Book, asked: Asked, listing: Listing, *, limit: int, offset: int
) -> tuple[Sequence[Figure], Mapping[str, Callable[[Figure], str]]]:
    """The handoffs, and the columns that only this list has."""
    if listing.due:
        promised = book.store.promised(asked.selection, limit=limit, offset=offset)
        of = {_key(one): (day, said) for one, day, said in promised}
        return [one for one, _, _ in promised], {
            "Due": lambda one: of[_key(one)][0].isoformat(),
            "What": lambda one: of[_key(one)][1],
        }
    found = book.store.behind(asked.selection, listing, targets=book.targets, limit=limit, offset=offset)
    own: dict[str, Callable[[Figure], str]] = {}
    if listing.stuck:
        own["What stands still"] = stands_still
    if listing.reason is not None:
        own["Why"] = lambda one: one.reason
    return found, own


def _columns(
    measure: Measure | None, own: Mapping[str, Callable[[Figure], str]]
) -> Mapping[str, Callable[[Figure], str]]:
    first: dict[str, Callable[[Figure], str]] = {}
    if measure is not None:
        first[measure.title] = lambda one: shown_value(measure, one.values.get(measure.key))
    return {**first, **own, **_COLUMNS}


_COLUMNS: Mapping[str, Callable[[Figure], str]] = {
    "Customer": lambda one: one.account_name,
    "Won": lambda one: _day(one.won_on),
    "AE": lambda one: one.ae.name,
    "CSM": lambda one: one.csm.name,
    "Segment": lambda one: one.segment,
    "Came as far as": lambda one: FUNNEL_WORDS[one.funnel],
    "System": lambda one: one.system,
}


def _told(book: Book, asked: Asked, measure: Measure | None) -> Told | None:
    if measure is None:
        return None
    sums = book.store.sums(asked.selection, measures=[measure.key], targets=book.targets)
    return tell(measure, sums.get(EVERYTHING, {}).get(measure.key, NOTHING), book.targets)


def _key(one: Figure) -> tuple[str, str, int]:
    return one.system, one.deal_id, one.generation


def _day(day: date | None) -> str:
    return day.isoformat() if day else "–"
