"""Point 9: a million deals in a HubSpot portal, 25,000 of them changed in one millisecond, and wins that search hides.

Not here: Salesforce (``million``), and the ways of hearing of changes (``feeds``). The old deals stand behind the
sandbox and cost it no memory. Idle polls and the crowd are the daemon's, a process of its own; the rounds are gone in
this process, on the ledger it left, without the waits between pages that it keeps in life.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from math import ceil

from bench.desk import Desk
from bench.ground import Ground, ground, one_pass, wait_until
from bench.report import Point, Table, Target, count
from connector.bootstrap import Runtime
from connector.crm.hubspot.rounds import CENSUS, LIST_PAGE, SECOND_LOOK
from connector.crm.hubspot.search import PAGE
from connector.crm.rounds import Round
from connector.engine.parts import System
from connector.engine.rounds import DAY_SECONDS, go_round
from connector.sandbox.hubspot import crowd
from connector.sandbox.journal import Call
from connector.store import RoundNote, round_cursor

DEALS, QUICK_DEALS = 1_000_000, 20_000
CROWD, QUICK_CROWD = 25_000, 5_000
HIDDEN, QUICK_HIDDEN = 20, 4
TICKS, QUICK_TICKS = 50, 5
POLL_SECONDS = 2.0
ECHO_SECONDS = 3600.0
FEEDS = 5
LATE_S = 30 * 3600
"""How late search shows the hidden wins: after the census."""
NO_LIMIT = 1_000_000
LATER_S = 1200.0
"""By then a second look goes as far as to what the crowd changed."""
MB = 2**20
PATIENCE = 900.0
RATIO_LIMIT, PER_FEED_LIMIT, MEMORY_LIMIT_MB, GROWTH_LIMIT_MB = 1.15, 1.0, 250.0, 100.0
EDITIONS = {"Free and Starter": 250_000, "Professional": 625_000, "Enterprise": 1_000_000}
"""Calls a day (facts: HubSpot §3e)."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What something took, against the fewest calls that could do it."""

    what: str
    calls: Sequence[Call]
    floor: int
    seconds: float

    @property
    def ratio(self) -> float:
        """Calls over floor."""
        return len(self.calls) / self.floor

    @property
    def row(self) -> tuple[str, ...]:
        """As the table shows it."""
        return (self.what, count(len(self.calls)), count(self.floor), f"{self.ratio:.3f}", f"{self.seconds:.1f}")


@dataclass(slots=True)
class Found:
    """Everything measured, step by step."""

    costs: list[Cost] = field(default_factory=list)
    memory: list[tuple[str, str]] = field(default_factory=list)
    missed: int = 0
    lost: int = 0
    refused: int = 0
    idle_peak: float = 0.0
    peak: float = 0.0


def run(*, quick: bool) -> Point:
    """Fill a portal and live in it for a few minutes."""
    began = time.monotonic()
    deals, many, hidden, ticks = (
        (QUICK_DEALS, QUICK_CROWD, QUICK_HIDDEN, QUICK_TICKS) if quick else (DEALS, CROWD, HIDDEN, TICKS)
    )
    found = Found()
    with ground("hs") as place:
        desk = place.desks["hs"]
        until = desk.world.clock.now() - timedelta(days=2)
        desk.world.setting("backdrop", {"deals": deals, "until": until.isoformat()})
        waiting = desk.prepare(hidden)
        _live(place, desk, found, ticks=ticks, many=many)
        _go_rounds(place, desk, found, waiting, deals=deals + many)
    idle, crowded, looked, census = found.costs
    growth = found.peak - found.idle_peak
    return Point(
        name="hubspot",
        title=f"9. {deals:,} deals in the portal, {many:,} changed in one millisecond",
        targets=(
            Target("calls of an idle poll per feed", len(idle.calls) / idle.floor, PER_FEED_LIMIT),
            Target("deals of the one millisecond that nobody looked at", found.missed, 0),
            Target("searches for them, against the floor", crowded.ratio, RATIO_LIMIT),
            Target("calls of a second look at them, against the floor", looked.ratio, RATIO_LIMIT),
            Target("calls of a census, against the floor", census.ratio, RATIO_LIMIT),
            Target("wins that search did not show and that were not handed off by the census", found.lost, 0),
            Target("calls refused for their rate (429)", found.refused, 0),
            Target("the daemon's peak memory", found.peak, MEMORY_LIMIT_MB, "MB"),
            Target("of which the crowd", growth, GROWTH_LIMIT_MB, "MB"),
        ),
        tables=(
            Table("Calls", ("What", "Calls", "Floor", "Ratio", "Seconds"), tuple(each.row for each in found.costs)),
            Table("Memory of the daemon", ("When", "Figure"), tuple(found.memory)),
            Table(
                f"A census of {deals:,} deals by edition, at the daemon's own pace",
                ("Edition", "Calls a day", "Share of them", "Hours"),
                tuple(_paced(name, allowed, len(census.calls)) for name, allowed in EDITIONS.items()),
            ),
        ),
        notes=(NOTE.format(deals=deals, many=many, poll=POLL_SECONDS, page=PAGE, list_page=LIST_PAGE, hidden=hidden),),
        seconds=time.monotonic() - began,
    )


NOTE = """\
The portal: {deals:,} old, closed deals behind the sandbox. The daemon polls every {poll:.0f} s. The crowd: {many:,}
open deals made and changed at one instant, by somebody else's bulk job. Floors: a call per feed and poll; a page of
search holds {page} records, one of the list {list_page}, and each list and each feed has at least one. The {hidden}
hidden wins are in the consistent store at once and in search after 30 hours."""


def _live(place: Ground, desk: Desk, found: Found, *, ticks: int, many: int) -> None:
    with place.daemon(poll=POLL_SECONDS, echo=ECHO_SECONDS):
        found.memory.append(("after the first pass", _resident(place)))
        since, passes, at = desk.mark(), place.metric("handoff_passes_total"), time.monotonic()
        wait_until(
            lambda: place.metric("handoff_passes_total") >= passes + ticks, seconds=PATIENCE, what="polls", every=1.0
        )
        done = int(place.metric("handoff_passes_total") - passes)
        cost = Cost(f"{done} polls that find nothing", desk.calls(since), done * FEEDS, time.monotonic() - at)
        found.costs.append(cost)
        found.memory.append((f"after {done} polls", _resident(place)))
        found.idle_peak = place.metric("handoff_peak_memory_bytes") / MB
        ids = _crowd(place, desk, found, many)
        found.memory.append((f"after {many:,} deals changed at once", _resident(place)))
        found.peak = place.metric("handoff_peak_memory_bytes") / MB
    with place.runtime(echo=ECHO_SECONDS) as runtime:
        found.missed = len(ids) - len(runtime.shared.store.followed(runtime.systems[0].name, ids))


def _crowd(place: Ground, desk: Desk, found: Found, many: int) -> list[str]:
    since, at, looks = desk.mark(), time.monotonic(), place.metric("handoff_looks_total")
    with desk.world.lock:
        ids = crowd.touch(desk.world, many, by="somebody else's bulk job")
    wait_until(
        lambda: place.metric("handoff_looks_total") >= looks + many, seconds=PATIENCE, what="the crowd", every=1.0
    )
    calls = desk.calls(since)
    found.refused += sum(call.status == 429 for call in calls)
    searches = [call for call in calls if call.kind == "search.deals"]
    found.costs.append(
        Cost(f"searches to find {many:,} deals of one millisecond", searches, _pages(many, PAGE), time.monotonic() - at)
    )
    return ids


def _go_rounds(place: Ground, desk: Desk, found: Found, hidden: Sequence[str], *, deals: int) -> None:
    # Waiting for the portal's window would only take time here: in life the pace keeps far below it.
    desk.world.setting("burst_limit", NO_LIMIT)
    desk.world.clock.advance(LATER_S)
    with place.runtime(echo=ECHO_SECONDS) as runtime:
        system = runtime.systems[0]
        one_pass(runtime, system)
        _bring_due(runtime, system, SECOND_LOOK)
        many = len(crowd_of(desk))
        looked = _timed(desk, f"a second look at {many:,} deals", lambda: _go(runtime, system, SECOND_LOOK))
        found.costs.append(replace(looked, floor=_pages(many, PAGE) + FEEDS - 1))
        desk.world.setting("index_lag_s", LATE_S)
        desk.win(hidden)
        _bring_due(runtime, system, CENSUS)
        census = _timed(desk, f"a census of {deals:,} deals", lambda: _go(runtime, system, CENSUS))
        found.costs.append(replace(census, floor=_pages(deals, LIST_PAGE) + 1))
        while runtime.shared.store.due(system.name, limit=1):
            one_pass(runtime, system)
        found.lost = sum(not desk.handed_off(deal_id) for deal_id in hidden)


def crowd_of(desk: Desk) -> list[str]:
    """The deals that somebody else's bulk job changed."""
    with desk.world.lock:
        return [row.id for row in desk.world.table("deals").live() if row.values.get(crowd.MARK)]


def _bring_due(runtime: Runtime, system: System, kind: Round) -> None:
    """As if the last round of a kind had begun so long ago that the next is due, and no other."""
    now = runtime.shared.clock.now()
    rounds = system.crm.rounds()
    for each in rounds.all() if rounds else ():
        began = now - (kind.every + timedelta(minutes=1) if each is kind else timedelta())
        note = RoundNote(began=began, since=began, paged_at=began, ended=began)
        runtime.shared.store.set_cursor(system.name, round_cursor(each.name), note.dump())


def _go(runtime: Runtime, system: System, kind: Round) -> None:
    """One round to its end, page after page."""
    store, name = runtime.shared.store, round_cursor(kind.name)
    go_round(runtime.shared, system)
    while (note := RoundNote.parse(store.cursor(system.name, name))) is not None and note.place is not None:
        earlier = runtime.shared.clock.now() - timedelta(hours=2)
        store.set_cursor(system.name, name, replace(note, paged_at=earlier).dump())
        go_round(runtime.shared, system)


def _timed(desk: Desk, what: str, do: Callable[[], None]) -> Cost:
    since, began = desk.mark(), time.monotonic()
    do()
    return Cost(what, desk.calls(since), 1, time.monotonic() - began)


def _pages(rows: int, size: int) -> int:
    return ceil(rows / size)


def _paced(name: str, allowed: int, calls: int) -> tuple[str, ...]:
    apart = max(CENSUS.seconds, DAY_SECONDS / (allowed * CENSUS.share))
    return (name, count(allowed), f"{calls / allowed:.1%}", f"{calls * apart / 3600:.1f}")


def _resident(place: Ground) -> str:
    return f"{place.metric('process_resident_memory_bytes') / MB:,.0f} MB"
