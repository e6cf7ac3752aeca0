"""Point 7: a million opportunities in the org.

Not here: what a poll costs by the size of the org (``idle``), and a backfill (``backfill``). The daemon is a process of
its own: its first start, 50 polls that find nothing, a few wins found by polling; then, started again, by change
events. The sweep and the daily comparison are run in this process on the ledger it left.
"""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.desk import REVOPS, Desk
from bench.events import LINES, handed_over
from bench.ground import Ground, ground, one_pass, wait_until
from bench.report import Point, Table, Target, count
from bench.watch import Watcher
from connector.bootstrap import Runtime
from connector.engine.parts import System
from connector.engine.sweeper import sweep
from connector.sandbox import people
from connector.sandbox.journal import Call
from connector.store import COMPARED

DEALS, QUICK_DEALS = 1_000_000, 20_000
DEALS_PER_ACCOUNT = 10
YEARS = 3
STAGES = ("Closed Won", "Closed Lost", "Closed Won", "Negotiation/Review")
"""Of the old deals in turn: half are won, a quarter is open."""

RANGES = ("CloseDate", "LastStageChangeDate", "Handoff_Started_At__c")
"""Days and times by which deals are listed."""

TICKS, QUICK_TICKS = 50, 5
POLL_SECONDS = 1.0
ECHO_SECONDS = 600.0
WINS, QUICK_WINS = 20, 4
BUSY_DAY, QUICK_BUSY_DAY = 10_000, 500
"""Deals that people changed since the last comparison."""
MB = 2**20
PATIENCE = 180.0
MEMORY_LIMIT_MB, CALLS_LIMIT, FIRST_CALLS_LIMIT = 250.0, 1.0, 50.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What something took."""

    what: str
    calls: Sequence[Call]
    seconds: float

    @property
    def row(self) -> tuple[str, ...]:
        """As the tables show it: the time that the sandbox took for its answers is a part of the seconds."""
        answering = sum(call.ms for call in self.calls) / 1000
        slowest = max((call.ms for call in self.calls), default=0.0)
        return (self.what, count(len(self.calls)), f"{self.seconds:.2f}", f"{answering:.2f}", f"{slowest:.0f}")


@dataclass(slots=True)
class Found:
    """Everything measured, step by step."""

    costs: list[Cost]
    figures: list[tuple[str, str]]
    wins: list[tuple[str, ...]]
    peak_mb: float = 0.0
    per_tick: float = 0.0


def run(*, quick: bool) -> Point:
    """Fill an org and live in it for a few minutes."""
    began = time.monotonic()
    deals, ticks, wins, busy = (
        (QUICK_DEALS, QUICK_TICKS, QUICK_WINS, QUICK_BUSY_DAY) if quick else (DEALS, TICKS, WINS, BUSY_DAY)
    )
    with ground("sf") as place:
        desk, found = place.desks["sf"], Found([], [], [])
        old = load(desk, deals)
        found.figures.append((f"the sandbox with {deals:,} deals", f"{_own_mb():,.0f} MB"))
        loaded = time.monotonic() - began
        waiting = [desk.prepare(wins) for _ in range(2)]
        _polled(place, desk, found, waiting[0], ticks=ticks)
        place.listen()
        _listened(place, desk, found, waiting[1])
        place.live = False
        _by_night(place, desk, found, old[:: len(old) // busy | 1][:busy])
    note = NOTE.format(deals=deals, loaded=loaded, accounts=deals // DEALS_PER_ACCOUNT, years=YEARS)
    return Point(
        name="million",
        title=f"7. {deals:,} opportunities in the org",
        targets=(
            Target("calls of the first start", len(found.costs[0].calls), FIRST_CALLS_LIMIT),
            Target("calls of a poll that finds nothing", found.per_tick, CALLS_LIMIT),
            Target(f"the daemon's peak memory after {ticks} polls and the wins", found.peak_mb, MEMORY_LIMIT_MB, "MB"),
        ),
        tables=(
            Table("Calls and time", ("What", "Calls", "Seconds", "of them in the sandbox", "slowest call ms"),
                  tuple(each.row for each in found.costs)),
            Table("Single wins, one after the other",
                  ("Found by", "Wins", "First write p50 s", "longest", "Last write p50 s", "longest", "Calls a win"),
                  tuple(found.wins)),
            Table("Memory and other figures", ("Of", "Figure"), tuple(found.figures)),
        ),
        notes=(note,),
        seconds=time.monotonic() - began,
    )  # fmt: skip


NOTE = """\
The org: {deals:,} opportunities on {accounts:,} accounts with a CSM, closed over the last {years} years, half of them
won, each with its stage history; no tasks, contacts or products on them. It took {loaded:.0f} s to make. The daemon
polls every second here, so that 50 polls take a minute; not counted among them are three calls every five minutes that
ask for the platform's safe date. The busy day is made at once: the pass reads all changed deals
and finds nothing to do on them. The comparison looks at a deal again when it cannot be sure that it was read after its
last change: stamps have whole seconds."""


def load(desk: Desk, deals: int) -> list[str]:
    """Old deals, ten to an account; every row is written as a person would have, in order of time. Returns the ids."""
    world, crm = desk.world, desk.crm
    table, accounts = world.table("Opportunity"), world.table("Account")
    now = world.clock.now()
    begin, step = now - timedelta(days=365 * YEARS), timedelta(days=365 * YEARS - 2) / deals
    tracked, table.tracked = table.tracked, frozenset()
    gc.disable()  # a million rows are many objects and none of them is garbage
    try:
        with world.history():
            by = crm.user_named(REVOPS).id
            csms = [u.id for u in crm.users() if u.title == people.ROLE_TITLES[people.CSM] and u.active]
            ids, account = [], ""
            for number in range(deals):
                at = begin + number * step
                if number % DEALS_PER_ACCOUNT == 0:
                    csm = csms[number // DEALS_PER_ACCOUNT % len(csms)]
                    named = {"Name": f"Customer {number}", "Handoff_CSM__c": csm, "OwnerId": by}
                    account = accounts.insert(named, by=by, at=at).id
                values: dict[str, Any] = {
                    "Name": f"Deal {number}", "StageName": STAGES[number % len(STAGES)], "Type": "New Business",
                    "Amount": 20_000.0, "CloseDate": at.date(), "OwnerId": by, "AccountId": account,
                }  # fmt: skip
                ids.append(table.insert(values, by=by, at=at).id)
            for name in RANGES:
                table.ordered(name)  # an org has its indexes before anybody asks
        gc.freeze()
    finally:
        gc.enable()
        table.tracked = tracked
    return ids


def _polled(place: Ground, desk: Desk, found: Found, wins: Sequence[str], *, ticks: int) -> None:
    cost = _cost(desk, "first start of the daemon, to the end of its first pass")
    with place.daemon(poll=POLL_SECONDS, echo=ECHO_SECONDS):
        found.costs.append(cost())
        found.figures.append(("the daemon after its first pass", _daemon_mb(place)))
        _idle(place, desk, found, ticks=ticks)
        _win(place, desk, found, wins, way=f"polling every {POLL_SECONDS:.0f} s")
        found.figures.append(("the daemon after the wins", _daemon_mb(place)))
        found.peak_mb = place.metric("handoff_peak_memory_bytes") / MB


def _idle(place: Ground, desk: Desk, found: Found, *, ticks: int) -> None:
    since, passes = desk.mark(), place.metric("handoff_passes_total")
    busy, cpu = place.metric("handoff_pass_seconds_sum"), place.cpu_seconds()
    wait_until(
        lambda: place.metric("handoff_passes_total") >= passes + ticks, seconds=PATIENCE, what="idle polls", every=1.0
    )
    done = place.metric("handoff_passes_total") - passes
    calls = [call for call in desk.calls(since) if call.kind not in ("token", "updated")]
    found.per_tick = len(calls) / done
    seconds, used = place.metric("handoff_pass_seconds_sum") - busy, place.cpu_seconds() - cpu
    found.costs.append(Cost(f"{done:.0f} polls that find nothing", calls, seconds))
    found.figures.append((f"the daemon after {done:.0f} polls", _daemon_mb(place)))
    found.figures.append((f"processor time of the daemon for {done:.0f} polls", f"{used:.2f} s"))


def _listened(place: Ground, desk: Desk, found: Found, wins: Sequence[str]) -> None:
    cost = _cost(desk, "second start, to the end of its first pass")
    with place.daemon(poll=5, echo=ECHO_SECONDS):
        found.costs.append(cost())
        wait_until(lambda: place.metric("handoff_live_lines") >= LINES, seconds=PATIENCE, what="the lines")
        handed_over(place, desk, wins[:1], lambda: desk.win(wins[:1]))
        _win(place, desk, found, wins[1:], way="change events")
        found.figures.append(("the daemon that listens after the wins", _daemon_mb(place)))
        found.peak_mb = max(found.peak_mb, place.metric("handoff_peak_memory_bytes") / MB)


def _win(place: Ground, desk: Desk, found: Found, wins: Sequence[str], *, way: str) -> None:
    since = desk.mark()
    seen: list[Watcher] = []
    for number, deal_id in enumerate(wins):
        time.sleep(number % 7 * 0.15)  # so that wins do not come in step with the polls
        seen.append(handed_over(place, desk, [deal_id], lambda deal_id=deal_id: desk.win([deal_id]))[0])  # type: ignore[misc]
    first = [seconds for each in seen for seconds in each.to_first()]
    last = [seconds for each in seen for seconds in each.to_last()]
    found.wins.append(
        (
            way, count(len(wins)),
            f"{statistics.median(first):.2f}", f"{max(first):.2f}",
            f"{statistics.median(last):.2f}", f"{max(last):.2f}", f"{len(desk.calls(since)) / len(wins):.1f}",
        )
    )  # fmt: skip


def _by_night(place: Ground, desk: Desk, found: Found, changed: Sequence[str]) -> None:
    with place.runtime(echo=ECHO_SECONDS) as runtime:
        system = runtime.systems[0]
        one_pass(runtime, system)
        found.costs.append(_run(desk, "a sweep", lambda: sweep(runtime.shared, system)))
        _touch(desk, changed)
        found.costs.append(
            _run(
                desk, f"{len(changed):,} deals changed by people, found and read", lambda: _until_idle(runtime, system)
            )
        )
        runtime.shared.store.set_cursor(system.name, COMPARED, _yesterday(system).isoformat())
        found.costs.append(_run(desk, "the sweep with the daily comparison", lambda: sweep(runtime.shared, system)))
        due = len(runtime.shared.store.due(system.name, limit=len(changed)))
        found.figures.append(("deals that the comparison looks at again", count(due)))
        begun = (desk.world.clock.now() - timedelta(days=365)).date()
        listed = _run(desk, "listing the wins of a year", lambda: sum(len(page) for page in system.crm.scan_won(begun)))
        found.costs.append(listed)


def _touch(desk: Desk, ids: Sequence[str]) -> None:
    by = desk.crm.user_named(REVOPS).id
    with desk.world.lock:
        for deal_id in ids:
            desk.crm.set_deal(deal_id, {"next_step": "Call them"}, by=by)


def _until_idle(runtime: Runtime, system: System) -> None:
    one_pass(runtime, system)
    while runtime.shared.store.due(system.name, limit=1):
        one_pass(runtime, system)


def _yesterday(system: System) -> datetime:
    return system.crm.server_time().astimezone(UTC) - timedelta(days=1, minutes=1)


def _run(desk: Desk, what: str, do: Callable[[], object]) -> Cost:
    cost = _cost(desk, what)
    do()
    return cost()


def _cost(desk: Desk, what: str) -> Callable[[], Cost]:
    since, began = desk.mark(), time.monotonic()
    return lambda: Cost(what, desk.calls(since), time.monotonic() - began)


def _daemon_mb(place: Ground) -> str:
    return f"{place.metric('process_resident_memory_bytes') / MB:,.0f} MB"


def _own_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MB
