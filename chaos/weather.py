"""Bad weather: the store, the machine, the clock and the CRMs fail under a real daemon, and what became of it.

Not here: the conditions themselves (``weather_store``, ``weather_daemon``, ``weather_time``). Each is a function that
gives one row; they are played in so many lanes at a time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial

from chaos import weather_daemon, weather_store, weather_time
from chaos.sections import Effort
from chaos.table import Row

Condition = Callable[[Effort], Row]

CONDITIONS: Mapping[str, Condition] = {
    "disk full (ledger)": partial(weather_store.disk_full, what="ledger"),
    "disk full (ledger and log)": partial(weather_store.disk_full, what="ledger and log"),
    "locked": weather_store.locked_sqlite,
    "table locked": weather_store.locked_postgres,
    "restarted": weather_store.restarted,
    "failover, asynchronous": partial(weather_store.failed_over, synchronous=False),
    "failover, synchronous": partial(weather_store.failed_over, synchronous=True),
    "memory": weather_daemon.out_of_memory,
    "sigterm": weather_daemon.terminated,
    "outage, salesforce": partial(weather_time.outage, name="sf"),
    "outage, hubspot": partial(weather_time.outage, name="hs"),
    "clock, SQLite": partial(weather_time.wrong_clock, store="SQLite"),
    "clock, PostgreSQL": partial(weather_time.wrong_clock, store="PostgreSQL"),
    **{what: partial(weather_time.night, what=what) for what in weather_time.MOMENTS},
}

ONLY = tuple(filter(None, os.environ.get("CHAOS_WEATHER", "").split(";")))
"""Conditions by name, for whoever looks into one."""


def run(effort: Effort) -> Iterator[Row]:
    """All conditions, or for a short run those that chance picks."""
    names = [name for name in CONDITIONS if not ONLY or name in ONLY]
    with ThreadPoolExecutor(effort.lanes) as lanes:
        under_way = {lanes.submit(_play, effort, name): name for name in names}
        done = {under_way[each]: each.result() for each in as_completed(under_way)}
    yield from (done[name] for name in names)


def _play(effort: Effort, name: str) -> Row:
    effort.say(f"weather: {name}")
    try:
        row = CONDITIONS[name](effort)
    except Exception as error:  # noqa: BLE001  # one that falls over must not take the others' rows with it
        row = Row("weather", name, tried=1, other=1, note=f"it fell over: {type(error).__name__}: {error}"[:300])
    effort.say(f"weather: {name}: {'held' if row.held else 'BROKEN'} {row.seconds} {row.note}")
    return row
