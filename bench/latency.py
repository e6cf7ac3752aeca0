"""Point 4, second half: from a win to the last write visible, at a steady rate of wins.

Not here: the CPU share of the SDKs (``cpu``). The daemon is a process of its own with a 5-second poll against both
CRMs; wins are made as people make them on the screen; whether the last write is visible is judged in the sandbox's
rows (status on the deal, five tasks, the note), looked at every tenth of a second.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.desk import Desk
from bench.ground import NAMES, Ground, ground
from bench.report import Point, Table, count

RATES, PERIOD = (1, 10), 60.0
QUICK_PERIOD = 10.0
POLL_SECONDS = 5.0
LOOK_EVERY = 0.1
PATIENCE = 120.0
IDLE_SECONDS = 10.0


NOTE = """\
A win waits for the next poll first, {wait:.1f} s on average. The rows are looked at every {look:g} s, so a figure may
be that much too long. The daemon, idle, used {idle:.3f} CPU seconds a second; the column without the polls takes that
off. Messages to the chat sink are sent too, after the CRM's writes."""


@dataclass(slots=True)
class Waiting:
    """The wins of one CRM at one rate: to be made, under way, and how long the finished ones took."""

    desk: Desk
    ahead: deque[str]
    under_way: dict[str, float] = field(default_factory=dict)
    took: list[float] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether every win was made and is handed off."""
        return not self.ahead and not self.under_way

    def step(self, *, due: int, now: float) -> None:
        """Make the wins that are due (so many in all so far) and book those whose last write is visible."""
        while self.ahead and len(self.took) + len(self.under_way) < due:
            deal_id = self.ahead.popleft()
            self.desk.win([deal_id])
            self.under_way[deal_id] = time.monotonic()
        for deal_id in [each for each in self.under_way if self.desk.handed_off(each)]:
            self.took.append(now - self.under_way.pop(deal_id))


def run(*, quick: bool) -> Point:
    """Measure each rate on both CRMs at once."""
    began = time.monotonic()
    period = QUICK_PERIOD if quick else PERIOD
    rows: list[tuple[str, ...]] = []
    costs: list[tuple[str, ...]] = []
    with ground() as place:
        prepared = {rate: _prepared(place, int(rate * period)) for rate in RATES}
        with place.daemon(poll=POLL_SECONDS):
            idle = _idle_cpu(place)
            for rate in RATES:
                found, cpu, seconds = _period(place, prepared[rate], rate=rate)
                for each in found:
                    rows.append(_row(NAMES[each.desk.name], rate, each.took))
                done = sum(len(each.took) for each in found)
                net = cpu - idle * seconds
                costs.append(
                    (
                        f"{rate} a second on each CRM",
                        count(done),
                        f"{cpu:.1f}",
                        f"{cpu / done * 1000:.1f}",
                        f"{net / done * 1000:.1f}",
                        f"{seconds:.0f}",
                    )
                )
    columns = ("CRM", "Wins a second", "Wins", "p50 s", "p99 s", "Longest s")
    cost_columns = ("Rate", "Handoffs", "CPU s", "CPU s per 1,000", "same without the polls", "Seconds")
    return Point(
        name="latency",
        title=f"4b. From the win to the last write visible, {POLL_SECONDS:.0f}-second poll",
        tables=(
            Table(f"{period:.0f} seconds at each rate, both CRMs at once", columns, tuple(rows)),
            Table("Processor time of the daemon process (process_cpu_seconds_total)", cost_columns, tuple(costs)),
        ),
        notes=(NOTE.format(wait=POLL_SECONDS / 2, look=LOOK_EVERY, idle=idle),),
        seconds=time.monotonic() - began,
    )


def _prepared(place: Ground, wins: int) -> list[Waiting]:
    return [Waiting(desk, deque(desk.prepare(wins))) for desk in place.desks.values()]


def _period(place: Ground, waiting: list[Waiting], *, rate: int) -> tuple[list[Waiting], float, float]:
    cpu, began = place.cpu_seconds(), time.monotonic()
    last = began + max(len(each.ahead) for each in waiting) / rate + PATIENCE
    while not all(each.over for each in waiting):
        now = time.monotonic()
        if now > last:
            left = {NAMES[each.desk.name]: len(each.under_way) for each in waiting}
            raise TimeoutError(f"{PATIENCE:.0f} s after the last win handoffs are still open: {left}")
        for each in waiting:
            each.step(due=math.floor((now - began) * rate) + 1, now=now)
        time.sleep(LOOK_EVERY)
    return waiting, place.cpu_seconds() - cpu, time.monotonic() - began


def _idle_cpu(place: Ground) -> float:
    """Processor seconds per second while nothing happens."""
    cpu, began = place.cpu_seconds(), time.monotonic()
    time.sleep(IDLE_SECONDS)
    return (place.cpu_seconds() - cpu) / (time.monotonic() - began)


def _row(crm: str, rate: int, took: Sequence[float]) -> tuple[str, ...]:
    return (
        crm,
        count(rate),
        count(len(took)),
        f"{percentile(took, 50):.2f}",
        f"{percentile(took, 99):.2f}",
        f"{max(took):.2f}",
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)]
