"""Bad weather: the store, the machine, the clock and the CRMs fail under a real daemon, and what became of it.

Not here: the conditions themselves (``weather_store``, ``weather_daemon``, ``weather_time``). Each is a function that
gives one row; they are played in so many lanes at a time, the longest first.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial

from chaos import weather_daemon, weather_store, weather_time
from chaos.sections import Effort
from chaos.table import Row
from chaos.weather_postgres import installed

NO_POSTGRES = "not tried: PostgreSQL's own programs are not installed here"
NO_MOUNT = "not tried: only root may make a small file system"
SHORT_SECONDS = 20.0
"""Of each lane in a short run, by what conditions take on an idle machine."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One kind of weather; ``seconds`` it takes on an idle machine; ``lacking`` says why it cannot be had here."""

    play: Callable[[Effort], Row]
    seconds: float
    lacking: Callable[[], str] = lambda: ""


def _postgres() -> str:
    return "" if installed() else NO_POSTGRES


def _mount() -> str:
    return "" if weather_store.can_mount() else NO_MOUNT


CONDITIONS: Mapping[str, Condition] = {
    "disk full (ledger)": Condition(partial(weather_store.disk_full, what="ledger"), 14, _mount),
    "disk full (ledger and log)": Condition(partial(weather_store.disk_full, what="ledger and log"), 14, _mount),
    "locked": Condition(weather_store.locked_sqlite, 22),
    "table locked": Condition(weather_store.locked_postgres, 15, _postgres),
    "restarted": Condition(weather_store.restarted, 18, _postgres),
    "failover, asynchronous": Condition(partial(weather_store.failed_over, synchronous=False), 20, _postgres),
    "failover, synchronous": Condition(partial(weather_store.failed_over, synchronous=True), 20, _postgres),
    "memory": Condition(weather_daemon.out_of_memory, 19),
    "sigterm": Condition(weather_daemon.terminated, 25),
    "outage, salesforce": Condition(partial(weather_time.outage, name="sf"), 24),
    "outage, hubspot": Condition(partial(weather_time.outage, name="hs"), 24),
    "clock, SQLite": Condition(partial(weather_time.wrong_clock, store="SQLite"), 19),
    "clock, PostgreSQL": Condition(partial(weather_time.wrong_clock, store="PostgreSQL"), 19, _postgres),
    **{what: Condition(partial(weather_time.night, what=what), 30) for what in weather_time.MOMENTS},
}

ONLY = tuple(filter(None, os.environ.get("CHAOS_WEATHER", "").split(";")))
"""Conditions by name, for whoever looks into some alone."""


def run(effort: Effort) -> Iterator[Row]:
    """All conditions, or for a short run as many as chance picks of those that are quick."""
    names = ONLY or (_picked(effort) if effort.short else tuple(CONDITIONS))
    longest_first = sorted(names, key=lambda name: -CONDITIONS[name].seconds)
    with ThreadPoolExecutor(effort.lanes) as lanes:
        under_way = {lanes.submit(_play, effort, name): name for name in longest_first}
        done = {under_way[each]: each.result() for each in as_completed(under_way)}
    yield from (done[name] for name in names)


def _picked(effort: Effort) -> Sequence[str]:
    """One for each core, another each day: all come round."""
    quick = [name for name, each in CONDITIONS.items() if each.seconds <= SHORT_SECONDS and not each.lacking()]
    chosen = random.Random(effort.seed).sample(quick, min(max(1, effort.lanes // 2), len(quick)))
    return [name for name in CONDITIONS if name in chosen]


def _play(effort: Effort, name: str) -> Row:
    condition = CONDITIONS[name]
    lacking = condition.lacking()
    if lacking:
        return Row("weather", name, note=lacking)
    effort.say(f"weather: {name}")
    try:
        row = condition.play(effort)
    except Exception as error:  # noqa: BLE001  # one that falls over must not take the others' rows with it
        row = Row("weather", name, tried=1, other=1, note=f"it fell over: {type(error).__name__}: {error}"[:300])
    effort.say(f"weather: {name}: {'held' if row.held else 'BROKEN'} {row.seconds} {row.note}")
    return row
