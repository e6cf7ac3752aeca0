"""Point 10: 1,000 wins at once on HubSpot while another integration takes four fifths of the portal's limits.

Not here: what a burst costs alone (``feeds``). The neighbour calls with a token of the same app, so that the ten-second
window is shared too and not only the searches, and it never waits: what it is refused it has lost. It reads contacts,
which the connector never does, and so its calls are told from ours.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests

from bench.events import handed_over
from bench.feeds import ECHO_SECONDS, POLL_SECONDS, POLLING, WEBHOOKS, warm_up
from bench.ground import Portal, ground
from bench.latency import percentile
from bench.report import Point, Table, Target, count
from connector.sandbox.hubspot.ratelimit import SEARCHES_A_SECOND
from connector.sandbox.hubspot.schema import APP
from connector.sandbox.hubspot.tiers import tier
from connector.sandbox.journal import Call
from connector.sandbox.tally import tally

DEALS, QUICK_DEALS = 1000, 100
FEEDS = POLLING, WEBHOOKS
SHARE = 0.8
WINDOW = 10.0
TOKEN = "pat-neighbour"
NEIGHBOURS = "contacts"
READ, SEARCH = "/crm/objects/2026-09/contacts", "/crm/objects/2026-09/contacts/search"
FILLING_SECONDS = 12.0
"""Until the neighbour has filled a window."""

ESSENTIALS_LIMIT = 300.0
REFUSED_LIMIT = 5.0
"""Percent: the vendor asks that errors stay below a twentieth of the calls (facts: HubSpot §3d)."""

TOO_MANY = 429


@dataclass(slots=True)
class Neighbour:
    """Another integration: so many calls a second, whatever is answered. ``answers`` counts them by status."""

    url: str
    reads: float
    searches: float
    answers: Counter[int] = field(default_factory=Counter)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Call until the block ends."""
        paths = ((self.reads, "GET", READ), (self.searches, "POST", SEARCH))
        threads = [threading.Thread(target=self._call, args=each, daemon=True) for each in paths]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _call(self, rate: float, method: str, path: str) -> None:
        began, number = time.monotonic(), 0
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {TOKEN}"
            while not self._stop.wait(max(0.0, began + number / rate - time.monotonic())):
                body = {"filterGroups": [], "limit": 1} if method == "POST" else None
                self.answers[session.request(method, self.url + path, json=body, timeout=60).status_code] += 1
                number += 1


@dataclass(frozen=True, slots=True)
class Measured:
    """One feed beside the neighbour. Times are seconds from each win to its first and last write."""

    feed: str
    wins: int
    first: Sequence[float]
    last: Sequence[float]
    calls: Sequence[Call]
    theirs: Counter[int]
    lost: int
    doubled: int

    @property
    def refused(self) -> int:
        """Calls of ours that were too many."""
        return sum(call.status == TOO_MANY for call in self.calls)

    @property
    def share(self) -> float:
        """Percent of our calls that were too many."""
        return 100 * self.refused / len(self.calls)


def run(*, quick: bool) -> Point:
    """Measure polling, which searches, and webhooks, which do not."""
    began = time.monotonic()
    found = [measure(feed, QUICK_DEALS if quick else DEALS) for feed in FEEDS]
    deals = found[0].wins
    return Point(
        name="neighbour",
        title=f"10. {deals:,} wins at once on HubSpot beside an integration that takes {SHARE:.0%} of the limits",
        targets=(
            *(Target(f"{one.feed}: a win handed off, longest", max(one.last), ESSENTIALS_LIMIT, "s") for one in found),
            *(Target(f"{one.feed}: calls refused as too many", one.share, REFUSED_LIMIT, "%") for one in found),
            Target("lost or doubled", sum(each.lost + each.doubled for each in found), 0),
        ),
        tables=(_table(found),),
        notes=(NOTE,),
        seconds=time.monotonic() - began,
    )  # fmt: skip


NOTE = f"""\
The portal is of the highest tier. The neighbour uses a token of the same app: {SHARE:.0%} of the calls that the app may
make in {WINDOW:.0f} seconds, and {SHARE:.0%} of the searches that the portal allows a second, at an even pace and
without waiting for anything. Its calls are no part of ours; what it was refused is what we took from it."""


def measure(feed: str, deals: int) -> Measured:
    """A burst on an otherwise empty portal, the neighbour at work all the while."""
    with ground("hs") as place:
        place.portal = Portal(feed=feed)
        desk = place.desks["hs"]
        warm, ids = desk.prepare(1), desk.prepare(deals)
        if feed == WEBHOOKS:
            place.deliver()
        desk.world.setting("tokens", {TOKEN: APP})
        burst = tier(desk.world).burst / WINDOW
        neighbour = Neighbour(place.sandbox.hs_url, reads=SHARE * burst, searches=SHARE * SEARCHES_A_SECOND)
        with place.daemon(poll=POLL_SECONDS, echo=ECHO_SECONDS):
            warm_up(place, desk, warm)
            with neighbour.at_work():
                time.sleep(FILLING_SECONDS)
                neighbour.answers.clear()
                since = desk.mark()
                watcher, until = handed_over(place, desk, ids, lambda: desk.win(ids))
        calls = [call for call in desk.calls(since) if call.seq <= until and NEIGHBOURS not in call.path]
        judged = tally(desk.world)
        return Measured(
            feed, len(ids), watcher.to_first(), watcher.to_last(), calls, Counter(neighbour.answers),
            lost=len(judged["lost"]), doubled=len(judged["doubled"]),
        )  # fmt: skip


def _table(found: Sequence[Measured]) -> Table:
    rows = tuple(
        (
            each.feed, count(each.wins), count(len(each.calls)), count(each.refused), f"{each.share:.1f}",
            *(f"{percentile(values, share):.1f}" for values in (each.first, each.last) for share in (50, 99)),
            f"{max(each.last):.1f}", count(each.theirs.total()), count(each.theirs[TOO_MANY]),
            count(each.lost), count(each.doubled),
        )
        for each in found
    )  # fmt: skip
    columns = (
        "Found by", "Wins", "Our calls", "of them 429", "%", "First write p50 s", "p99", "Last write p50 s", "p99",
        "longest", "Its calls", "of them 429", "Lost", "Doubled",
    )  # fmt: skip
    return Table("Beside the neighbour", columns, rows)
