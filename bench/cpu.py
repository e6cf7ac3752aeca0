"""Point 4, first half: processor time per 1,000 handoffs, and the share of it spent inside the vendor SDKs.

Not here: the daemon's own figure under load (``latency``) or in a burst (``memory``); both are printed there. Here one
pass runs in this process, in one thread, once as it is and once under cProfile.

How the share is measured: cProfile counts this thread's processor time (``time.thread_time``), not the clock on the
wall, so waiting for the sandbox, which works in other threads of this process, does not count. The share is the
cumulative time of the one function of each SDK through which every call goes, with all that it calls (requests,
urllib3, sockets, the SDK's own JSON), over the time of the whole pass.
"""

from __future__ import annotations

import cProfile
import pstats
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from bench.ground import NAMES, Desk, ground, one_pass
from bench.report import Point, Table, count
from connector.bootstrap import Runtime

DEALS, QUICK_DEALS = 500, 100
ENTRANCES: Mapping[str, tuple[str, str]] = {
    "sf": ("simple_salesforce/api.py", "restful"),
    "hs": ("hubspot/crm/deals/api_client.py", "call_api"),
}
"""The SDK function through which every call of the connector goes: part of the file's path, and its name."""

AREAS: Mapping[str, str] = {
    "/simple_salesforce/": "simple-salesforce",
    "/hubspot/": "hubspot-api-client",
    "/connector/crm/": "connector.crm",
    "/connector/store/": "connector.store",
    "/connector/handoff/": "connector.handoff",
    "/connector/engine/": "connector.engine",
    "/sqlalchemy/": "sqlalchemy",
    "/requests/": "requests and urllib3",
    "/urllib3/": "requests and urllib3",
    "/holidays/": "holidays",
    "/jinja2/": "templates",
    "<template>": "templates",
    "/json/": "json",
}
OWN_SHOWN = 8


@dataclass(slots=True)
class Profiled:
    """One CRM: seconds of the plain pass, of the profiled one, of its SDK part, and own time by area."""

    deals: int
    plain: float
    total: float
    inside: float
    own: Counter[str] = field(default_factory=Counter)


def run(*, quick: bool) -> Point:
    """Measure both CRMs."""
    began = time.monotonic()
    deals = QUICK_DEALS if quick else DEALS
    found = {name: measure(name, deals) for name in NAMES}
    columns = ("CRM", "CPU s per 1,000 handoffs", "same, under the profiler", "inside the SDK", "share")
    rows = tuple(
        (
            NAMES[name],
            f"{each.plain / deals * 1000:.2f}",
            f"{each.total / deals * 1000:.2f}",
            f"{each.inside / deals * 1000:.2f}",
            f"{each.inside / each.total:.1%}",
        )
        for name, each in found.items()
    )
    return Point(
        name="cpu",
        title="4a. Processor time per 1,000 handoffs, and the SDKs' share",
        tables=(
            Table(f"One pass over {count(deals)} wins in this process, the pass's thread alone", columns, rows),
            *(_areas(name, each) for name, each in found.items()),
        ),
        notes=(
            "The share is the cumulative processor time of the one SDK function behind which every call goes "
            "(simple-salesforce: Salesforce.restful; hubspot-api-client: ApiClient.call_api) with all it calls, over "
            "that of the whole pass, both by cProfile with the thread's processor time as its clock. The profiler "
            "makes small functions dearer, so its seconds are higher and only their proportion is used. "
            "hubspot-api-client hands the body over unread: reading and parsing it is the connector's part.",
        ),
        seconds=time.monotonic() - began,
    )


def measure(name: str, deals: int) -> Profiled:
    """A pass as it is, and one under the profiler, over as many wins each."""
    with ground(name) as place, place.runtime(echo=600) as runtime:
        desk = place.desks[name]
        one_pass(runtime, runtime.systems[0])
        plain = _pass_over(runtime, desk, deals)
        profile = cProfile.Profile(timer=time.thread_time)
        with _profiling(profile):
            total = _pass_over(runtime, desk, deals)
        # typeshed does not know the table that pstats builds: (file, line, name) -> (calls, …, own, cumulative, …)
        stats = cast("dict[tuple[str, int, str], tuple[Any, ...]]", vars(pstats.Stats(profile))["stats"])
        file, function = ENTRANCES[name]
        found = Profiled(deals=deals, plain=plain, total=total, inside=0.0)
        for (path, _line, called), (_, _, own, cumulative, _) in stats.items():
            found.own[_area(path)] += own
            if file in path and called == function:
                found.inside += cumulative
        return found


def _pass_over(runtime: Runtime, desk: Desk, deals: int) -> float:
    ids = desk.prepare(deals)
    desk.win(ids)
    began = time.thread_time()
    one_pass(runtime, runtime.systems[0])
    seconds = time.thread_time() - began
    if not all(map(desk.handed_off, ids)):
        raise RuntimeError("one pass did not hand off every win")
    return seconds


@contextmanager
def _profiling(profile: cProfile.Profile) -> Iterator[None]:
    profile.enable()
    try:
        yield
    finally:
        profile.disable()


def _area(path: str) -> str:
    return next((name for part, name in AREAS.items() if part in path), "Python itself and others")


def _areas(name: str, each: Profiled) -> Table:
    whole = sum(each.own.values())
    rows = tuple((area, f"{own / whole:.1%}") for area, own in each.own.most_common(OWN_SHOWN))
    return Table(f"{NAMES[name]}: where the time itself goes, without what is called", ("Code", "Share"), rows)
