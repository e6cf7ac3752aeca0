"""What an address of the page asks for: which handoffs, cut by what, which list, which of its pages.

Not here: answering. Everything stands in the address, so that a link shows what its sender saw; there is no session.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, timedelta
from functools import lru_cache
from urllib.parse import urlencode

from connector.store.figures import Dimension, Selection

BOARD, DEALS = "/leadership", "/leadership/deals"
WEEKS = 13
"""Weeks shown where the address names no day: a quarter."""

EVER = "all"
"""As the first day: from the beginning."""

LONGEST = 200
"""Characters of a name in an address; the longest a CRM gives a user or a pool is shorter."""

MOST_PAGES = 100_000

CUTS: Mapping[str, Dimension] = {
    "ae": Dimension.AE,
    "csm": Dimension.CSM,
    "segment": Dimension.SEGMENT,
    "tier": Dimension.TIER,
    "source": Dimension.SOURCE,
    "deal_type": Dimension.DEAL_TYPE,
    "system": Dimension.SYSTEM,
    "weekday": Dimension.WEEKDAY,
    "hour": Dimension.HOUR,
    "month": Dimension.MONTH,
}
"""How handoffs can be cut into cohorts, by the word in the address."""

CUT_WORDS: Mapping[str, str] = {
    "ae": "AE",
    "csm": "CSM",
    "segment": "Segment",
    "tier": "Tier",
    "source": "Source",
    "deal_type": "Type of deal",
    "system": "System",
    "weekday": "Weekday of the win",
    "hour": "Hour of the win",
    "month": "Month of the win",
}


class Unclear(ValueError):
    """The address asks for something there is not; the text says what to write instead."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An address, read. ``since`` is `EVER`, a day, or empty for the last quarter; days are those of the win by the
    company's calendar. ``of`` names a list of deals: a measure and which (``ttft:missed``), a stage of the funnel
    (``funnel:touched``), how deals stand (``coverage:held``), ``stuck``, ``due``; empty for all. ``page`` is from 1."""

    system: str = ""
    since: str = ""
    until: str = ""
    ae: str = ""
    csm: str = ""
    segment: str = ""
    tier: str = ""
    source: str = ""
    deal_type: str = ""
    weekday: str = ""
    hour: str = ""
    by: str = "csm"
    of: str = ""
    page: int = 1
    today: date = field(default=date.min, compare=False)

    @property
    def first(self) -> date | None:
        """The first day that counts; None for all."""
        if self.since == EVER:
            return None
        return date.fromisoformat(self.since) if self.since else begin_of(self.today)

    @property
    def last(self) -> date | None:
        """The last day that counts; None for no end."""
        return date.fromisoformat(self.until) if self.until else None

    @property
    def selection(self) -> Selection:
        """The handoffs that are meant."""
        return Selection(
            systems=(self.system,) if self.system else (),
            since=self.first,
            until=self.last + timedelta(days=1) if self.last else None,
            ae=self.ae,
            csm=self.csm,
            segment=self.segment,
            tier=self.tier,
            source=self.source,
            deal_type=self.deal_type,
            weekday=int(self.weekday) if self.weekday else None,
            hour=int(self.hour) if self.hour else None,
        )

    @property
    def cut(self) -> Dimension:
        """By what the cohorts are cut."""
        return CUTS[self.by]

    @property
    def is_narrowed(self) -> bool:
        """Whether something besides the days narrows it."""
        return any(getattr(self, name) for name in NARROWING)

    def address(self, path: str = BOARD, **changes: str | int) -> str:
        """The address of the same with some things changed; what is as it is by default is left out."""
        parts = _parts(self)
        if changes:
            parts = parts | {name: _part(name, str(value)) for name, value in changes.items()}
        if not _lists(path):
            parts = parts | {"of": ""}
        said = "&".join(filter(None, parts.values()))
        return f"{path}?{said}" if said else path


def _lists(path: str) -> bool:
    """Whether an address of this path is of a list of deals."""
    return path == DEALS or path.startswith(f"{DEALS}.")


@lru_cache(maxsize=16)
def _parts(asked: Asked) -> dict[str, str]:
    """What an address says of each, in its order; a page has hundreds of addresses of the same. Not which page of a
    list: that is for whoever means another than the first to say."""
    return {name: _part(name, "1" if name == "page" else str(getattr(asked, name))) for name in _DEFAULTS}


@lru_cache(maxsize=2048)
def _part(name: str, value: str) -> str:
    return "" if value == _DEFAULTS[name] else urlencode({name: value})


_DEFAULTS = {each.name: str(each.default) for each in fields(Asked) if each.name != "today"}
NARROWING = ("system", "ae", "csm", "segment", "tier", "source", "deal_type", "weekday", "hour")


def begin_of(today: date) -> date:
    """The Monday from which on the last quarter is shown."""
    return today - timedelta(days=today.weekday()) - timedelta(weeks=WEEKS - 1)


def read(address: Mapping[str, str], *, today: date) -> Asked:
    """What an address asks for; names it does not know are passed over. Raises `Unclear`."""
    known = {each.name for each in fields(Asked)} - {"today", "page", "by"}
    said = {name: value.strip() for name, value in address.items() if name in known and value.strip()}
    for name, value in said.items():
        if len(value) > LONGEST or not value.isprintable():
            raise Unclear(f"The filter {name} is longer than a name, or holds signs that no name has.")
    since, until = said.get("since", ""), said.get("until", "")
    if since != EVER:
        _day("since", since)
    _day("until", until)
    _number("weekday", said.get("weekday", ""), most=6)
    _number("hour", said.get("hour", ""), most=23)
    by = address.get("by", "").strip() or "csm"
    if by not in CUTS:
        raise Unclear(f"Handoffs cannot be cut by {by[:40]!r}; there are {', '.join(CUTS)}.")
    page = _number("page", address.get("page", "").strip() or "1", most=MOST_PAGES)
    asked = Asked(**said, by=by, page=max(1, page), today=today)
    first, last = asked.first, asked.last
    if first and last and first > last:
        raise Unclear(f"Nothing lies between {first} and {last}: the first day comes after the last.")
    return asked


def _day(name: str, said: str) -> None:
    try:
        found = date.fromisoformat(said) if said else None
    except ValueError:
        found = None
    if said and (found is None or found.isoformat() != said or found.year < 1900):
        raise Unclear(f"{said[:40]!r} is no day; write {name} as 2026-10-01.")


def _number(name: str, said: str, *, most: int) -> int:
    if not said:
        return 0
    if not said.isascii() or not said.isdecimal() or len(said) > 6 or int(said) > most:
        raise Unclear(f"{said[:40]!r} is no {name}; write a number up to {most}.")
    return int(said)
