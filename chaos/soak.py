"""Soak: a month of work in minutes, faults always on, and what the daemon holds at its end against its first days.

Not here: single faults and what they break (``weather``, ``kills``). People are the sandbox's own scripted sales
period; the clock of daemon and CRMs is moved on together, so sweeps, rounds, timers and housekeeping come as often as
in a month. A leak shows as growth: figures beyond their bounds fail the run.
"""

from __future__ import annotations

import dataclasses
import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from daemons import Daemon, Desk, until

from chaos.sections import Effort
from chaos.table import Row
from chaos.weather_ground import Pitch, memory_of, pitch
from connector.sandbox import scenarios

DAY_HOURS = 24
STEPS = 6
"""In which the clock is moved on over a day."""
WARM = 2
"""Days until caches, pools and threads are what they will be: on day 1 they are being filled, so a bound from there
would have to be wide enough to let a leak through. Growth is told from both days, and bounded from this one."""
LEAST_HANDED = 0.5
"""Share of a period's deals that must be handed off: a tenth of its stories never are, and people give up waiting."""
MOST_RSS = 1.5
MOST_RSS_LATE = 1.1
MOST_FILES = 12
MOST_THREADS = 4
MOST_PER_DEAL = 1.5
MOST_LAG = 15.0
"""Bounds: memory and bytes a deal as a share of the first days', the others as that much more. In the second half
memory must stand still: by then the heap is as large as the work makes it, and what grows on is a leak."""
MEASURED_EVERY = 5
"""Days; besides the first ones and the last."""
WAITING = 4
"""Faults that wait for their requests on each CRM."""
REST_SECONDS = 600.0
"""Of the clock, before a day's figures are taken: no CRM's time for trying again, nor a refused row's, is longer."""
PROBE_SECONDS = 120.0
SETTLE_SECONDS = 90.0
MB = 1 << 20

FAULTS: tuple[tuple[str, str, str, float | str | None], ...] = (
    ("*", "partial", r"(PATCH|POST) .*(composite/sobjects|batch/)", None),
    ("*", "row_lock", r"(PATCH|POST) .*(composite/sobjects|batch/)", 2),
    ("*", "reset_after", r"(PATCH|POST) .*(composite/sobjects|batch/(upsert|update))", None),
    ("*", "reset_before", r"(PATCH|POST) .*(composite/sobjects|batch/(upsert|update))", None),
    ("*", "503", ".*", None),
    ("*", "500", ".*", None),
    ("*", "429", ".*", 1),
    ("*", "slow", ".*", 0.3),
    ("*", "duplicated", r"POST .*(/composite$|/search)", None),
    ("*", "reordered", r"POST .*(/composite$|/search)", None),
    ("sf", "expired_token", ".*", None),
    ("sf", "late_commit", r"PATCH .*composite", 2),
    ("hs", "search_lag", r"POST .*/search", 2),
)
"""System, kind, which requests, and the kind's argument; a few are always planted."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What the daemon holds at the end of a day, and how long a win took then."""

    day: int
    rss: int
    files: int
    threads: int
    database: int
    deals: int
    lag: float

    @property
    def per_deal(self) -> float:
        """Bytes in the ledger for each deal it knows."""
        return self.database / max(self.deals, 1)

    @property
    def line(self) -> str:
        """As words."""
        return (
            f"{self.rss / MB:.0f} MB, {self.files} files, {self.threads} threads, "
            f"ledger {self.database / MB:.1f} MB ({self.per_deal / 1024:.1f} KB a deal), a win took {self.lag:.1f} s"
        )


def run(effort: Effort) -> Iterator[Row]:
    """A month, or for a short run a few days, on both CRMs in one daemon."""
    days, wins, pace = (3, 30, 4.0) if effort.short else (30, 500, 4.0)
    with pitch(effort, "soak") as on:
        daemon = on.start()
        daemon.wait_for("daemon.started")
        for desk in on.desks:
            scenarios.start(desk.world, deals=wins, seed=effort.seed, pace=pace)
        trouble, shown = Trouble(on.desks, random.Random(effort.seed)), []
        for day in range(1, days + 1):
            _day(on, trouble, seconds=_seconds(effort, days))
            if day > WARM and day % MEASURED_EVERY and day != days:
                continue
            trouble.clear()
            on.clock.advance(REST_SECONDS, on.site)
            shown.append(_figures(on, daemon, day))
            effort.say(f"soak: day {day}: {shown[-1].line}; {trouble.struck} faults so far")
        on.broken = trouble.struck
        _settled(on)
        on.end(daemon)
        _bounded(on, shown)
        if not effort.short:
            _steady(on, shown)
        _handed_off(on, wins)
        on.remarks += compared(shown)
        row = on.row(f"{days} days, faults always on", "salesforce and hubspot, polled, SQLite")
        played = sum(desk.world.scratch["play"].progress.done for desk in on.desks)
        yield dataclasses.replace(row, section="soak", tried=played, faults=dict(trouble.kinds))


def compared(shown: Sequence[Figures]) -> list[str]:
    """The last day beside the first, on which it warmed up, and beside the one that bounds count from."""
    cold, first, last = shown[0], shown[min(WARM, len(shown)) - 1], shown[-1]
    told = [f"day {cold.day}, warming up: {cold.line}"]
    if first is not cold:
        told.append(f"day {first.day}, from which bounds count: {first.line}")
    told.append(f"day {last.day}: {last.line}")
    for each in dict.fromkeys((cold, first)):
        told.append(
            f"against day {each.day}: memory {last.rss / each.rss:.2f}, files {last.files - each.files:+}, "
            f"bytes a deal {last.per_deal / each.per_deal:.2f}, a win {last.lag - each.lag:+.1f} s"
        )
    return told


def _handed_off(on: Pitch, wins: int) -> None:
    """How many deals were, by their own records; a month in which hardly one was proves nothing."""
    for desk in on.desks:
        with desk.world.lock:
            ids = [deal.id for deal in desk.crm.deals() if deal.text("gate")]
        handed = sum(desk.handed_off(each) for each in ids)
        on.must(handed >= LEAST_HANDED * wins, f"{desk.name}: only {handed} of {wins} deals were handed off")
        on.remarks.append(f"{desk.name}: {handed} deals handed off")


def _seconds(effort: Effort, days: int) -> float:
    return (5.0 if effort.short else 135.0) / days


class Trouble:
    """Faults that are planted as long as the soak lasts, so that some always wait for their request."""

    def __init__(self, desks: Sequence[Desk], dice: random.Random) -> None:
        self._desks = desks
        self._dice = dice
        self._planted: Counter[str] = Counter()
        self._unmet: Counter[str] = Counter()

    @property
    def kinds(self) -> Counter[str]:
        """How many of each kind have met a request."""
        return self._planted - self._unmet - self._waiting()

    @property
    def struck(self) -> int:
        """How many have, of all kinds."""
        return self.kinds.total()

    def _waiting(self) -> Counter[str]:
        """Those that wait for theirs; both CRMs' stand in one list."""
        return Counter(fault.kind for fault in self._desks[0].world.faults.list())

    def plant(self) -> None:
        """Fill up what waits on each CRM."""
        for desk in self._desks:
            mine = [each for each in FAULTS if each[0] in ("*", desk.name)]
            waiting = sum(fault.system == desk.name for fault in desk.world.faults.list())
            for _ in range(waiting, WAITING):
                _, kind, match, argument = self._dice.choice(mine)
                skip = self._dice.randrange(3)
                desk.world.faults.add(system=desk.name, match=match, kind=kind, skip=skip, arg=argument)
                self._planted[kind] += 1

    def clear(self) -> None:
        """No more of it for now."""
        self._unmet += self._waiting()
        self._desks[0].world.faults.clear()


def _day(on: Pitch, trouble: Trouble, *, seconds: float) -> None:
    """Move on by a day, in steps, with new faults at each."""
    for _ in range(STEPS):
        trouble.plant()
        on.clock.advance(DAY_HOURS / STEPS * 3600, on.site)
        then = time.monotonic() + seconds / STEPS
        until(lambda then=then: time.monotonic() > then, "the next step")  # type: ignore[misc]


def _figures(on: Pitch, daemon: Daemon, day: int) -> Figures:
    """Measure at the end of a day; a win of its own on each CRM tells the lag."""
    pid, began = daemon.process.pid, time.monotonic()
    probes = [(desk, desk.won(1)[0]) for desk in on.desks]
    for desk, deal in probes:
        on.deals[desk.name].append(deal)
    try:
        until(lambda: all(desk.handed_off(deal) for desk, deal in probes), "the probes", seconds=PROBE_SECONDS)
    except AssertionError:
        on.complain(f"day {day}: a win was not handed off within {PROBE_SECONDS:.0f} s")
    lag = time.monotonic() - began
    memory = memory_of(pid)
    return Figures(
        day=day,
        rss=memory["VmRSS"],
        files=len(os.listdir(f"/proc/{pid}/fd")),
        threads=len(os.listdir(f"/proc/{pid}/task")),
        database=on.site.database.stat().st_size,
        deals=sum(_known(desk) for desk in on.desks),
        lag=lag,
    )


def _known(desk: Desk) -> int:
    with desk.world.lock:
        return sum(bool(deal.text("gate")) for deal in desk.crm.deals())


def _settled(on: Pitch) -> None:
    """All faults are over: the period must come to its end, with everything in order."""
    began = time.monotonic()
    plays = [desk.world.scratch["play"] for desk in on.desks]
    try:
        until(lambda: not any(play.running for play in plays), "the period's end", seconds=SETTLE_SECONDS)
        until(on.whole, "everything in order", seconds=SETTLE_SECONDS)
    except AssertionError as error:
        on.complain(str(error)[:150])
    for desk, play in zip(on.desks, plays, strict=True):
        # Stuck with nothing lost: people gave up waiting for an answer, which on a busy machine they do. What is lost
        # counts as lost all the same.
        on.must(play.progress.phase in ("done", "stuck"), f"{desk.name}: the period ended {play.progress.phase}")
        on.must(play.progress.done, f"{desk.name}: no deal of the period was played")
        if play.progress.done < play.progress.total:
            on.remarks.append(f"{desk.name}: {play.progress.done} of {play.progress.total} deals were played")
        if play.progress.given_up:
            on.remarks.append(f"{desk.name}: {len(play.progress.given_up)} people gave up waiting")
    on.recovery.append(time.monotonic() - began)


def _bounded(on: Pitch, shown: list[Figures]) -> None:
    first, last = shown[min(WARM, len(shown)) - 1], shown[-1]
    on.must(last.rss <= MOST_RSS * first.rss, f"memory grew from {first.rss / MB:.0f} to {last.rss / MB:.0f} MB")
    on.must(last.files <= first.files + MOST_FILES, f"open files grew from {first.files} to {last.files}")
    on.must(last.threads <= first.threads + MOST_THREADS, f"threads grew from {first.threads} to {last.threads}")
    more = last.per_deal / first.per_deal
    on.must(more <= MOST_PER_DEAL, f"the ledger's bytes a deal grew to {more:.1f} of the first days'")


def _steady(on: Pitch, shown: list[Figures]) -> None:
    """What only a whole run can tell: a short one has a day for its second half, and shares the machine with kills
    that begin and end as they like, so that its seconds are theirs. There a win has `PROBE_SECONDS`, each day."""
    first, middle, last = shown[min(WARM, len(shown)) - 1], shown[len(shown) // 2], shown[-1]
    still = last.rss <= MOST_RSS_LATE * middle.rss
    on.must(still, f"memory grew from {middle.rss / MB:.0f} MB on day {middle.day} to {last.rss / MB:.0f} MB")
    on.must(last.lag <= first.lag + MOST_LAG, f"a win took {first.lag:.0f} s at first and {last.lag:.0f} s at the end")
