"""Where a daemon is killed, on which feeds that can be, and how it is brought about.

Not here: the killing (``kills``). A point that cannot be passed on a feed stands here with the reason, so that it is
listed as such and not left out in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from connector.failpoints import Failpoint as P

SF_POLLED, SF_EVENTS, SF_JOBS = "salesforce, polled", "salesforce, events", "salesforce, bulk jobs"
SF_SERVER = "salesforce, on PostgreSQL"
HS_POLLED, HS_HOOKS, HS_JOURNAL = "hubspot, polled", "hubspot, webhooks", "hubspot, journal"
FEEDS = (SF_POLLED, SF_EVENTS, SF_JOBS, SF_SERVER, HS_POLLED, HS_HOOKS, HS_JOURNAL)
PUSHED = frozenset({SF_EVENTS, HS_HOOKS, HS_JOURNAL})


class Way(Enum):
    """How the daemon comes to die at a point."""

    LIVE = auto()
    """It runs and has nothing to do; it is doomed, then people act."""

    START = auto()
    """People act while it is stopped; it is doomed from its start."""

    AFTERMATH = auto()
    """It is killed with a write in the air; the one that finds this is doomed from its start."""

    TERM = auto()
    """It is doomed, people act, and in the middle of it it is told to stop."""

    FIRST = auto()
    """It is doomed from its very first start, with no database yet."""


NOT_PUSHED = "this feed is polled: nothing is pushed"
NO_LETTERS = "only webhooks are stored before they are read"
NO_JOBS = "HubSpot takes no bulk jobs"
ALONE = "where there is but one process nobody is told that it lives"
ALL_THE_SAME = "nothing in it depends on the database: see salesforce, polled"
FEW_ROWS = "too few rows for a bulk job: see the feed of that name"


@dataclass(frozen=True, slots=True)
class Spot:
    """A point: the way to it, how many of its passages may be chosen from (by default, and on some feeds), and why it
    cannot be passed on others."""

    point: P
    way: Way = Way.LIVE
    passages: int = 1
    on: Mapping[str, tuple[Way, int]] = field(default_factory=dict)
    never: Mapping[str, str] = field(default_factory=dict)

    def way_on(self, feed: str) -> tuple[Way, int]:
        """How, and from how many passages to choose, on one feed."""
        return self.on.get(feed, (self.way, self.passages))


_POLLED_AT_START = dict.fromkeys(PUSHED, (Way.START, 1))
_ONLY_PUSHED = {feed: NOT_PUSHED for feed in FEEDS if feed not in PUSHED}
_ONLY_HOOKS = {feed: NO_LETTERS for feed in FEEDS if feed != HS_HOOKS}
_ONLY_JOBS = {feed: NO_JOBS if feed.startswith("hubspot") else FEW_ROWS for feed in FEEDS if feed != SF_JOBS}
_FEW_CALLS = {SF_JOBS: (Way.LIVE, 1)}

_OF_THE_STORE = frozenset({
    P.IN_MIGRATION, P.BASELINE_SET, P.INBOX_OPEN, P.RECORD_OPEN, P.CLAIM_OPEN, P.AFTER_CALL, P.SETTLE_OPEN, P.IN_RESCUE,
    P.HEARTBEAT,
})  # fmt: skip
"""What is killed on PostgreSQL too: inside transactions, and where processes hand over to each other."""

_SPOTS: tuple[Spot, ...] = (
    Spot(P.IN_MIGRATION, Way.FIRST, 5),
    Spot(P.BASELINE_SET, Way.FIRST),
    Spot(P.PAGE_READ, passages=3, on=_POLLED_AT_START),
    Spot(P.INBOX_OPEN, passages=2),
    Spot(P.INBOX_COMMITTED, passages=2, on=_POLLED_AT_START),
    Spot(P.HINT_READ, passages=3, never=_ONLY_PUSHED),
    Spot(P.HINT_COMMITTED, passages=3, never=_ONLY_PUSHED),
    Spot(P.LETTER_OPEN, passages=3, never=_ONLY_HOOKS),
    Spot(P.LETTER_STORED, passages=3, never=_ONLY_HOOKS),
    Spot(P.LETTER_DROPPED, passages=2, never=_ONLY_HOOKS),
    Spot(P.OBSERVED, passages=2),
    Spot(P.DECIDED, passages=2),
    Spot(P.RECORD_OPEN, passages=2),
    Spot(P.RECORDED, passages=2),
    Spot(P.CLAIM_OPEN, passages=4, on=_FEW_CALLS),
    Spot(P.BEFORE_CALL, passages=5, on=_FEW_CALLS),
    Spot(P.NOTICE_SENT, passages=3),
    Spot(P.AFTER_CALL, passages=5, on=_FEW_CALLS),
    Spot(P.SETTLE_OPEN, passages=5, on=_FEW_CALLS),
    Spot(P.SETTLED, passages=5, on=_FEW_CALLS),
    Spot(P.JOB_OPENED, never=_ONLY_JOBS),
    Spot(P.JOB_STORED, never=_ONLY_JOBS),
    Spot(P.JOB_UPLOADED, never=_ONLY_JOBS),
    Spot(P.JOB_ASKED, never=_ONLY_JOBS),
    Spot(P.IN_VERIFY, Way.AFTERMATH),
    Spot(P.VERIFIED, Way.AFTERMATH),
    Spot(P.IN_RESCUE, Way.AFTERMATH),
    Spot(P.RESCUED, Way.AFTERMATH),
    Spot(P.IN_SWEEP, Way.START),
    Spot(P.HEARTBEAT, passages=3, never={feed: ALONE for feed in FEEDS if feed != SF_SERVER}),
    Spot(P.IN_SHUTDOWN, Way.TERM),
    Spot(P.DRAINED, Way.TERM),
)

SPOTS: tuple[Spot, ...] = tuple(
    spot if spot.point in _OF_THE_STORE else replace(spot, never={SF_SERVER: ALL_THE_SAME, **spot.never})
    for spot in _SPOTS
)
