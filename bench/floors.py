"""The fewest calls a burst can take, from the vendors' own batch sizes.

Not here: counting what was used (``calls``). Each line is a sum anybody can redo: what has to travel, how much of it
one call carries, rounded up. Every limit is the vendor's, named with its source; none is the connector's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

SF_PAGE = 2000
"""Rows of one query answer (facts: Salesforce §1.1)."""
SF_LONG_PAGE = 200
"""Rows of one answer with two or more long texts (facts: Salesforce §1.1)."""
SF_RETRIEVE = 2000
"""Records of one Collections retrieve by POST (facts: Salesforce §1.1, unconfirmed)."""
SF_COLLECTIONS = 200
"""Records of one Collections write (facts: Salesforce §3.1)."""
SF_COMPOSITE = 5
"""Queries in one Composite call (facts: Salesforce §3.1, unconfirmed)."""
SF_URI = 16_384
"""Bytes of a request address (facts: Salesforce §1.1)."""
SF_ID_BYTES = 21
"""An 18-character id, its quotes and a comma, all legal in an address as they are."""
SF_IDS = SF_URI // SF_ID_BYTES
"""Ids that one statement could list if it held nothing else: a bound from below."""

FIND = "find the changed deals"
FIND_ALL = "find the changed deals and look into tasks and events once: statements per Composite"
USERS = "users"
LOOK_INTO = "look into the other feeds once: tasks, events"

HS_USERS = "owners, active and archived"
HS_LOOK_INTO = "look into the other feeds once: tasks, meetings, calls, emails"
HS_PAGE = 200
"""Records of one search page (facts: HubSpot §1)."""
HS_BATCH = 100
"""Inputs of one batch read or write (facts: HubSpot §1, §3a)."""
HS_LINKS_READ = 1000
HS_LINKS_MADE = 2000
"""Inputs of one association read, and of one association write (facts: HubSpot §3c)."""


@dataclass(frozen=True, slots=True)
class Burst:
    """What a burst consists of, counted in the sandbox's rows."""

    deals: int
    accounts: int
    tasks: int
    notes: int
    history: int


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a floor: what for, the sum in words, and the calls."""

    what: str
    formula: str
    calls: int


def salesforce_bulk(burst: Burst) -> tuple[Line, ...]:
    """With Collections retrieve and Composite, whose limits no public document confirms."""
    lists = math.ceil(burst.deals / SF_IDS)
    pages = math.ceil(burst.deals / SF_PAGE)
    return (
        Line(
            FIND_ALL,
            f"⌈(⌈{burst.deals:,} / {SF_PAGE:,}⌉ + 2) / {SF_COMPOSITE}⌉",
            math.ceil((pages + 2) / SF_COMPOSITE),
        ),
        Line(USERS, "1", 1),
        _share("read deals, by Collections retrieve", burst.deals, SF_RETRIEVE),
        _share("read accounts, by Collections retrieve", burst.accounts, SF_RETRIEVE),
        Line(
            "read tasks, notes, events and stage history: ids per statement, statements per Composite",
            f"⌈4 × ⌈{burst.deals:,} / {SF_IDS}⌉ / {SF_COMPOSITE}⌉",
            math.ceil(4 * lists / SF_COMPOSITE),
        ),
        *_salesforce_writes(burst),
    )


def running(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """The floor of a daemon that has run for a while and knows the users."""
    return tuple(line for line in lines if line.what not in (USERS, HS_USERS))


def listening(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """The same for one that is told of changes and need not look for them."""
    return tuple(line for line in running(lines) if line.what not in (FIND, LOOK_INTO, FIND_ALL, HS_LOOK_INTO))


def salesforce_plain(burst: Burst) -> tuple[Line, ...]:
    """By the documented query limits alone."""
    lists = math.ceil(burst.deals / SF_IDS)
    return (
        *_salesforce_needed(burst),
        _share("read deals with their accounts (long texts)", burst.deals, SF_LONG_PAGE),
        Line("read tasks, notes and events", f"3 × ⌈{burst.deals:,} / {SF_IDS}⌉", 3 * lists),
        Line(
            "read stage history",
            f"max(⌈{burst.deals:,} / {SF_IDS}⌉, ⌈{burst.history:,} / {SF_PAGE:,}⌉)",
            max(lists, math.ceil(burst.history / SF_PAGE)),
        ),
        *_salesforce_writes(burst),
    )


def hubspot(burst: Burst) -> tuple[Line, ...]:
    """By the documented limits."""
    linked = burst.tasks, burst.notes
    made = sum(math.ceil(each / HS_LINKS_MADE) for each in linked)
    return (
        _share(FIND, burst.deals, HS_PAGE),
        Line(HS_LOOK_INTO, "4", 4),
        Line(HS_USERS, "2", 2),
        _share("read deals", burst.deals, HS_BATCH),
        _share("read accounts", burst.accounts, HS_BATCH),
        Line(
            "read links to companies, tasks, notes, meetings, calls, emails",
            f"6 × ⌈{burst.deals:,} / {HS_LINKS_READ:,}⌉",
            6 * math.ceil(burst.deals / HS_LINKS_READ),
        ),
        _share("write the CSM on accounts", burst.accounts, HS_BATCH),
        _share("write tasks", burst.tasks, HS_BATCH),
        _share("write notes", burst.notes, HS_BATCH),
        Line(
            "link tasks and notes to deal and company",
            f"2 × (⌈{burst.tasks:,} / {HS_LINKS_MADE:,}⌉ + ⌈{burst.notes:,} / {HS_LINKS_MADE:,}⌉)",
            2 * made,
        ),
        _share("write deals", burst.deals, HS_BATCH),
    )


FLOORS: dict[str, Callable[[Burst], tuple[Line, ...]]] = {
    "salesforce, retrieve and composite": salesforce_bulk,
    "salesforce, plain queries": salesforce_plain,
    "hubspot": hubspot,
}


def _salesforce_needed(burst: Burst) -> tuple[Line, ...]:
    return (
        _share(FIND, burst.deals, SF_PAGE),
        Line(LOOK_INTO, "2", 2),
        Line(USERS, "1", 1),
    )


def _salesforce_writes(burst: Burst) -> tuple[Line, ...]:
    return (
        _share("write the CSM on accounts", burst.accounts, SF_COLLECTIONS),
        _share("write tasks", burst.tasks, SF_COLLECTIONS),
        _share("write notes", burst.notes, SF_COLLECTIONS),
        _share("write deals", burst.deals, SF_COLLECTIONS),
    )


def _share(what: str, rows: int, batch: int) -> Line:
    return Line(what, f"⌈{rows:,} / {batch:,}⌉", math.ceil(rows / batch))
