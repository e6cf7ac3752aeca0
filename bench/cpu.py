"""Point 4, first half: processor time per 1,000 handoffs, and the share of it spent inside the vendor SDKs.

Not here: the daemon's own figure under load (``latency``) or in a burst (``memory``); both are printed there. Here one
pass runs in this process, in one thread.

How the share is measured: a stopwatch stands at the doors between the parts and reads the thread's processor time, not
the clock on the wall, so waiting for the sandbox, which works in other threads of this process, does not count. Time
behind an inner door is taken off the outer part. cProfile makes each Python call several times dearer and C code
hardly, which bends the share; it is run all the same, and its figure is printed beside.
"""

from __future__ import annotations

import cProfile
import pstats
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from unittest import mock

from hubspot.crm.deals.api_client import ApiClient
from simple_salesforce.api import Salesforce

from bench.desk import Desk
from bench.ground import NAMES, ground, one_pass
from bench.report import Point, Table, count
from connector.bootstrap import Runtime
from connector.engine import reconciler
from connector.engine.notifier import ChatWebhook
from connector.store import Store

DEALS, QUICK_DEALS = 200, 50
SDK, ADAPTER, STORE, CORE, MESSAGES, REST = (
    "vendor SDK",
    "adapter",
    "store",
    "decide",
    "messages",
    "engine and the rest",
)
ENTRANCES: Mapping[str, tuple[type[Any], str]] = {"sf": (Salesforce, "restful"), "hs": (ApiClient, "call_api")}
"""The SDK method through which every call of the connector goes."""
PORT = ("changes", "fetch", "apply", "people")
STORED = ("enqueue", "is_echo", "due", "facts", "roster", "open_account_values", "record", "claim", "settle")


@dataclass(slots=True)
class Stopwatch:
    """Processor seconds of this thread by part; time in an inner part is not counted in the outer one."""

    own: dict[str, float] = field(default_factory=dict)
    inner: list[float] = field(default_factory=lambda: [0.0])

    def over(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same callable, watched."""

        def watched(*arguments: Any, **named: Any) -> Any:
            self.inner.append(0.0)
            began = time.thread_time()
            try:
                return call(*arguments, **named)
            finally:
                spent = time.thread_time() - began
                self.own[part] = self.own.get(part, 0.0) + spent - self.inner.pop()
                self.inner[-1] += spent

        return watched


@dataclass(frozen=True, slots=True)
class Measured:
    """One CRM: processor seconds per 1,000 handoffs by part, and the SDK's share as cProfile tells it."""

    parts: Mapping[str, float]
    profiled_share: float

    @property
    def total(self) -> float:
        """Of the whole pass."""
        return sum(self.parts.values())


def run(*, quick: bool) -> Point:
    """Measure both CRMs."""
    began = time.monotonic()
    deals = QUICK_DEALS if quick else DEALS
    found = {name: measure(name, deals) for name in NAMES}
    columns = ("CRM", "CPU s per 1,000 handoffs", SDK, "share of the SDK", "the same by cProfile")
    rows = tuple(
        (
            NAMES[name],
            f"{each.total:.2f}",
            f"{each.parts[SDK]:.2f}",
            f"{each.parts[SDK] / each.total:.1%}",
            f"{each.profiled_share:.1%}",
        )
        for name, each in found.items()
    )
    return Point(
        name="cpu",
        title="4a. Processor time per 1,000 handoffs, and the SDKs' share",
        tables=(
            Table(f"One pass over {count(deals)} wins in this process, the pass's own thread", columns, rows),
            _parts(found),
        ),
        notes=(NOTE,),
        seconds=time.monotonic() - began,
    )


NOTE = """\
The SDK's part is the processor time behind the one method through which every call goes (simple-salesforce:
Salesforce.restful; hubspot-api-client: ApiClient.call_api) with all that it calls: requests, urllib3, sockets, and
for Salesforce the parsing of the answer; hubspot-api-client hands the body over unread, so reading it is the
adapter's. A stopwatch at that door reads the thread's processor time, so waiting does not count. cProfile with the
same clock makes each Python function several times dearer and C code hardly, which bends the share either way; its
figure stands beside for comparison."""


def measure(name: str, deals: int) -> Measured:
    """A pass under the stopwatch, then one under the profiler, over as many wins each."""
    with ground(name) as place, place.runtime(echo=600) as runtime:
        desk = place.desks[name]
        one_pass(runtime, runtime.systems[0])
        _pass_over(runtime, desk, max(1, deals // 10))  # what is done once, such as filling caches
        watch = Stopwatch()
        with _watched(watch, runtime, name):
            total = _pass_over(runtime, desk, deals)
        watch.own[REST] = total - sum(watch.own.values())
        return Measured(
            parts={part: seconds / deals * 1000 for part, seconds in watch.own.items()},
            profiled_share=_profiled(name, runtime, desk, deals),
        )


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
def _watched(watch: Stopwatch, runtime: Runtime, name: str) -> Iterator[None]:
    entrance, method = ENTRANCES[name]
    doors: list[tuple[str, Any, str]] = [(SDK, entrance, method), (CORE, reconciler, "decide")]
    doors += [(ADAPTER, type(runtime.systems[0].crm), each) for each in PORT]
    doors += [(STORE, Store, each) for each in STORED]
    doors.append((MESSAGES, ChatWebhook, "__call__"))
    with ExitStack() as stack:
        for part, owner, attribute in doors:
            stack.enter_context(mock.patch.object(owner, attribute, watch.over(part, getattr(owner, attribute))))
        yield


def _profiled(name: str, runtime: Runtime, desk: Desk, deals: int) -> float:
    entrance, method = ENTRANCES[name]
    code = getattr(entrance, method).__code__
    profile = cProfile.Profile(timer=time.thread_time)
    profile.enable()
    try:
        total = _pass_over(runtime, desk, deals)
    finally:
        profile.disable()
    # typeshed does not know the table that pstats builds: (file, line, name) -> (calls, …, own, cumulative, …)
    stats = cast("dict[tuple[str, int, str], tuple[Any, ...]]", vars(pstats.Stats(profile))["stats"])
    return float(stats[(code.co_filename, code.co_firstlineno, method)][3]) / total


def _parts(found: Mapping[str, Measured]) -> Table:
    parts = sorted({part for each in found.values() for part in each.parts})
    rows = tuple((part, *(f"{each.parts.get(part, 0.0):.2f}" for each in found.values())) for part in parts)
    title = "CPU seconds per 1,000 handoffs by part, each without the parts it calls"
    return Table(title, ("Part", *(NAMES[name] for name in found)), rows)
