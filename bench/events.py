"""Point 6: the same wins on Salesforce found by polling and by change events.

Not here: a burst over passes made by hand (``calls``). Here the daemon is a process of its own, as it runs; each way
gets a fresh org, one win to warm up, a burst at once, and then a steady rate. Calls are counted in the sandbox's
journal, times by whoever watches the org's rows (``watch``), and the sandbox's own judge says what was lost or doubled.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.calls import burst_of
from bench.desk import Desk
from bench.floors import Burst, Line, listening, running, salesforce_bulk
from bench.ground import SAFETY_POLL, Ground, ground, wait_until
from bench.latency import percentile
from bench.report import Point, Table, Target, count
from bench.watch import LOOK_EVERY, Watcher, watching
from connector.sandbox.journal import Call
from connector.sandbox.tally import tally

DEALS, QUICK_DEALS = 1000, 100
RATE, PERIOD, QUICK_PERIOD = 10, 60.0, 10.0
POLL_SECONDS = 5.0
ECHO_SECONDS = 600.0
"""So long that the looks at our own writes come after the measurement; ``burst`` tells what they cost."""
PATIENCE = 180.0
LINES = 4
RATIO_LIMIT, ACTED_ON_LIMIT = 1.15, 2.0

DETECTING = re.compile(r"WHERE .*(SystemModstamp|LastModifiedDate)|/updated/|/deleted/", re.IGNORECASE)
"""What a request has that asks what changed, rather than how something stands."""

FLOORS: dict[str, Callable[[Burst], tuple[Line, ...]]] = {
    "polling": lambda burst: running(salesforce_bulk(burst)),
    "change events": lambda burst: listening(salesforce_bulk(burst)),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One way over one load. Times are seconds from each win to its first and last write."""

    way: str
    wins: int
    first: Sequence[float]
    last: Sequence[float]
    calls: Sequence[Call]
    cpu: float
    burst: Burst

    @property
    def finding(self) -> list[Call]:
        """The calls that asked what changed."""
        return [call for call in self.calls if any(map(DETECTING.search, (call.path, *call.within)))]

    @property
    def floor(self) -> int:
        """The fewest calls of a burst."""
        return sum(line.calls for line in FLOORS[self.way](self.burst))

    @property
    def ratio(self) -> float:
        """Calls over floor."""
        return len(self.calls) / self.floor


@dataclass(frozen=True, slots=True)
class Way:
    """Everything about one way of finding out."""

    burst: Measured
    steady: Measured
    lost: int
    doubled: int


def run(*, quick: bool) -> Point:
    """Measure both ways, one after the other."""
    began = time.monotonic()
    deals, period = (QUICK_DEALS, QUICK_PERIOD) if quick else (DEALS, PERIOD)
    ways = [measure(way, deals=deals, period=period) for way in FLOORS]
    polled, listened = ways
    return Point(
        name="events",
        title=f"6. {deals:,} wins at once and {RATE} wins a second on Salesforce, by polling and by change events",
        targets=(
            Target("burst by polling: calls over floor", polled.burst.ratio, RATIO_LIMIT),
            Target("burst by change events: calls to find the wins", len(listened.burst.finding), 0),
            Target("lost or doubled, both ways", sum(way.lost + way.doubled for way in ways), 0),
            Target(
                f"{RATE} wins a second by change events: a win is acted on, p99",
                percentile(listened.steady.first, 99), ACTED_ON_LIMIT, "s",
            ),
        ),
        tables=(_burst_table(ways), _steady_table(ways), _kinds(ways, deals=deals), _judged(ways)),
        notes=(NOTE,),
        seconds=time.monotonic() - began,
    )  # fmt: skip


NOTE = f"""\
Each deal has an account of its own. "First write" is the connector's first write to anything of the deal (the CSM on
its account), "last" the one after which CSM, five tasks, note and fields all stand. Polls come every
{POLL_SECONDS:.0f} s; with change events on, the feeds that are listened to are polled every {SAFETY_POLL} s for safety.
Calls of a burst are counted until its last write is visible. The floors are those of point 1 without the list of
users, which a daemon that runs has read before, and with change events without the line that finds the wins. The looks
at our own writes (point 1, "later") come after the measurement. A win at a time costs more calls than a burst does:
every pass reads and writes for the few wins that came in since the last."""


def measure(way: str, *, deals: int, period: float) -> Way:
    """A burst and then a steady rate, on an otherwise empty org."""
    with ground("sf") as place:
        desk = place.desks["sf"]
        warm, at_once, steadily = desk.prepare(1), desk.prepare(deals), desk.prepare(int(RATE * period))
        if way == "change events":
            place.listen()
        with place.daemon(poll=POLL_SECONDS, echo=ECHO_SECONDS):
            if place.live:
                wait_until(lambda: place.metric("handoff_live_lines") >= LINES, seconds=PATIENCE, what="the lines")
            handed_over(place, desk, warm, lambda: desk.win(warm))
            burst = _load(way, place, desk, at_once, lambda: desk.win(at_once))
            steady = _load(way, place, desk, steadily, lambda: at_a_rate(desk, steadily, rate=RATE))
        judged = tally(desk.world)
        return Way(burst, steady, lost=len(judged["lost"]), doubled=len(judged["doubled"]))


def _load(way: str, place: Ground, desk: Desk, ids: Sequence[str], win: Callable[[], None]) -> Measured:
    cpu, since = place.cpu_seconds(), desk.mark()
    watcher, until = handed_over(place, desk, ids, win)
    calls = [call for call in desk.calls(since) if call.seq <= until]
    return Measured(
        way, len(ids), watcher.to_first(), watcher.to_last(), calls, place.cpu_seconds() - cpu, burst_of(desk, ids)
    )


def handed_over(place: Ground, desk: Desk, ids: Sequence[str], win: Callable[[], None]) -> tuple[Watcher, int]:
    """Win and wait: who watched, and the journal's number when the last write was visible. The outbox is empty then."""
    with watching(desk, ids) as watcher:
        win()
        wait_until(lambda: not watcher.open, seconds=PATIENCE, what=f"{len(ids)} handoffs", every=LOOK_EVERY)
        until = desk.mark()
    wait_until(lambda: not open_rows(place), seconds=PATIENCE, what="an empty outbox")
    return watcher, until


def at_a_rate(desk: Desk, ids: Sequence[str], *, rate: float) -> None:
    """One win after the other, so many a second."""
    began = time.monotonic()
    for number, deal_id in enumerate(ids):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        desk.win([deal_id])


def open_rows(place: Ground) -> int:
    """Rows of the daemon's outbox that are not done with, read from its file."""
    (database,) = (place.folder / "state").glob("*.db")
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        query = "select count(*) from outbox where state not in ('applied', 'superseded')"
        return int(connection.execute(query).fetchone()[0])


def _times(values: Sequence[float]) -> tuple[str, str, str]:
    return f"{percentile(values, 50):.2f}", f"{percentile(values, 99):.2f}", f"{max(values):.2f}"


def _burst_table(ways: Sequence[Way]) -> Table:
    rows = tuple(
        (
            each.way, count(each.wins), count(len(each.calls)), count(each.floor),
            f"{each.ratio:.3f}", count(len(each.finding)),
            *_times(each.first), *_times(each.last), f"{each.cpu:.1f}",
        )
        for each in (way.burst for way in ways)
    )  # fmt: skip
    columns = (
        "Found by", "Wins", "Calls", "Floor", "Ratio", "To find them",
        "First write p50 s", "p99", "longest", "Last write p50 s", "p99", "longest", "CPU s",
    )  # fmt: skip
    return Table("All wins at once", columns, rows)


def _steady_table(ways: Sequence[Way]) -> Table:
    rows = tuple(
        (
            each.way, count(each.wins), f"{len(each.calls) / each.wins:.2f}", count(len(each.finding)),
            *_times(each.first), *_times(each.last), f"{each.cpu:.1f}",
        )
        for each in (way.steady for way in ways)
    )  # fmt: skip
    columns = (
        "Found by", "Wins", "Calls a win", "To find them",
        "First write p50 s", "p99", "longest", "Last write p50 s", "p99", "longest", "CPU s",
    )  # fmt: skip
    return Table(f"{RATE} wins a second", columns, rows)


def _kinds(ways: Sequence[Way], *, deals: int) -> Table:
    found = {way.burst.way: Counter(call.kind for call in way.burst.calls) for way in ways}
    names = sorted(set().union(*found.values()))
    rows = tuple((name, *(count(kinds[name]) for kinds in found.values())) for name in names)
    return Table(f"Calls by kind, {deals:,} wins at once", ("Kind", *found), rows)


def _judged(ways: Sequence[Way]) -> Table:
    rows = tuple(
        (way.burst.way, count(way.burst.wins + way.steady.wins + 1), count(way.lost), count(way.doubled))
        for way in ways
    )
    return Table("By the sandbox's judge", ("Found by", "Wins", "Lost", "Doubled"), rows)
