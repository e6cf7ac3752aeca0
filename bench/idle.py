"""Point 2: what a poll costs that finds nothing, by the size of the org.

Not here: polls that find something (``calls``). The sandbox's clock is moved on between ticks, so that ten ticks cover
more than two minutes and with them the deeper looks back that a feed takes now and then.
"""

from __future__ import annotations

import re
import time
from collections import Counter

from bench.desk import Desk
from bench.ground import NAMES, ground, one_pass
from bench.report import Point, Table, Target, count
from connector.bootstrap import Runtime
from connector.engine.parts import System
from connector.engine.sweeper import sweep
from connector.sandbox.journal import Call

SIZES, QUICK_SIZES = (1_000, 10_000, 100_000), (1_000, 5_000)
TICKS = 10
TICK_SECONDS = 15.0
PER_TYPE = 1.0
TOO_MANY = 429
_FROM = re.compile(r"\bFROM (\w+)")


NOTE = """\
Half of the deals were won long ago, ten to an account; every account has a CSM. A poll of HubSpot lasts a second: the
portal takes five searches a second. A sweep is no poll: it runs every sweep_minutes (15), looks for won deals that
were missed and counts the accounts each CSM holds; its calls are told beside."""


def run(*, quick: bool) -> Point:
    """Measure ten idle ticks at each size, on both CRMs."""
    began = time.monotonic()
    ticks: list[tuple[str, ...]] = []
    worst = 0.0
    sizes = QUICK_SIZES if quick else SIZES
    for name in NAMES:
        with ground(name) as place, place.runtime() as runtime:
            desk, system, size = place.desks[name], runtime.systems[0], 0
            one_pass(runtime, system)
            for wanted in sizes:
                desk.fill(wanted - size, numbered_from=size)
                size = wanted
                by_feed, refused, seconds = _ticks(runtime, system, desk)
                worst = max(worst, *(calls / TICKS for calls in by_feed.values()))
                ticks.append(
                    (
                        NAMES[name],
                        count(size),
                        ", ".join(f"{feed} {calls / TICKS:g}" for feed, calls in sorted(by_feed.items())),
                        f"{by_feed.total() / TICKS:g}",
                        count(refused),
                        f"{seconds / TICKS * 1000:.0f}",
                        count(_sweep(runtime, system, desk)),
                    )
                )
    columns = (
        "CRM",
        "Deals in the org",
        "Calls per tick and object type",
        "In all",
        "Refused (429)",
        "ms per tick",
        "A sweep",
    )
    return Point(
        name="idle",
        title="2. An idle poll, by the size of the org",
        targets=(Target("calls per watched object type and tick, the dearest", worst, PER_TYPE),),
        tables=(Table(f"{TICKS} ticks, {TICK_SECONDS:.0f} s apart by the sandbox's clock", columns, tuple(ticks)),),
        notes=(NOTE,),
        seconds=time.monotonic() - began,
    )


def _ticks(runtime: Runtime, system: System, desk: Desk) -> tuple[Counter[str], int, float]:
    one_pass(runtime, system)
    since, seconds = desk.mark(), 0.0
    for _ in range(TICKS):
        desk.world.clock.advance(TICK_SECONDS)
        began = time.monotonic()
        one_pass(runtime, system)
        seconds += time.monotonic() - began
    calls = desk.calls(since)
    refused = sum(call.status == TOO_MANY for call in calls)
    return Counter(map(_feeds_of, calls)), refused, seconds


def _feeds_of(call: Call) -> str:
    """The object type that a call asks for; several that share one call are joined by a plus."""
    asked = [found[1] for text in (call.path, *call.within) if (found := _FROM.search(text))]
    return "+".join(sorted(asked)) or call.kind.removeprefix("search.")


def _sweep(runtime: Runtime, system: System, desk: Desk) -> int:
    since = desk.mark()
    sweep(runtime.shared, system)
    return len(desk.calls(since))
