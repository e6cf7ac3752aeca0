"""Point 16: how long the database takes to sum figures, by the number of handoffs.

Not here: working figures out (``cpu`` has what a decision costs) and the page that shows them.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench.report import Point, Table, Target, count
from connector.clock import ManualClock
from connector.handoff.measures.catalogue import values_of
from connector.handoff.measures.facts import Facts
from connector.handoff.measures.figure import Figure, Funnel, Who
from connector.handoff.model import SystemName
from connector.store import Store, open_store
from connector.store.figures import Dimension, Selection

SIZES, QUICK_SIZES = (1_000, 10_000, 100_000), (1_000,)
PORTION = 2_000
TIMES = 9
SEED = 11
NOW = datetime(2026, 11, 23, tzinfo=UTC)
SEVEN = ("completion", "ttft", "kickoff", "ttfv", "activation30", "drop", "escalations")
MOST_MS = 100.0
"""At 10,000 handoffs; the page for leadership is to be there within that."""

NOTE = """\
A year of handoffs of 30 AEs and 20 CSMs on SQLite, in a file. The median of nine calls each, after one that is not
counted. Sums are of whole numbers, so they are the same on PostgreSQL to the last digit."""

ASKED: Mapping[str, Callable[[Store], Any]] = {
    "all measures, one group": lambda store: store.sums(),
    "seven measures, one group": lambda store: store.sums(measures=SEVEN),
    "seven measures by CSM": lambda store: store.sums(by=Dimension.CSM, measures=SEVEN),
    "one measure by week": lambda store: store.sums(by=Dimension.WEEK, measures=("ttft",)),
    "seven measures, last quarter": lambda store: store.sums(
        Selection(since=(NOW - timedelta(days=90)).date()), measures=SEVEN
    ),
    "velocity by CSM": lambda store: store.velocity(by=Dimension.CSM, today=NOW.date()),
    "funnel": lambda store: store.funnel(),
    "coverage": lambda store: store.covered(),
    "50 deals behind a number": lambda store: store.listed(measure="ttft", which="missed", limit=50),
}


def run(*, quick: bool) -> Point:
    """Time each question at each size."""
    began = time.monotonic()
    sizes = QUICK_SIZES if quick else SIZES
    times: dict[str, list[float]] = {words: [] for words in ASKED}
    with TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{Path(folder) / 'handoff.db'}", clock=ManualClock(NOW))
        chance, have = random.Random(SEED), 0
        for size in sizes:
            while have < size:
                store.put_right([_figure(chance, number) for number in range(have, min(have + PORTION, size))])
                have = min(have + PORTION, size)
            for words, ask in ASKED.items():
                times[words].append(_milliseconds(store, ask))
        store.close()
    columns = ("asked", *(f"{count(size)} handoffs, ms" for size in sizes))
    rows = tuple((words, *(f"{each:.1f}" for each in found)) for words, found in times.items())
    at = sizes.index(10_000) if 10_000 in sizes else len(sizes) - 1
    worst = max(found[at] for found in times.values())
    target = Target(f"the slowest at {count(sizes[at])} handoffs", worst, MOST_MS, "ms")
    title = "Summing figures"
    return Point("figures", title, (Table(title, columns, rows),), (target,), (NOTE,), time.monotonic() - began)


def _milliseconds(store: Store, ask: Callable[[Store], Any]) -> float:
    ask(store)
    found = []
    for _ in range(TIMES):
        began = time.perf_counter()
        ask(store)
        found.append((time.perf_counter() - began) * 1000)
    return median(found)


def _figure(chance: random.Random, number: int) -> Figure:
    won = NOW - timedelta(hours=chance.randrange(24 * 365))
    active = won + timedelta(hours=chance.randrange(24 * 70)) if chance.random() < 0.85 else None
    facts = Facts(
        at=NOW,
        won_at=won,
        released_at=won,
        short=chance.random() < 0.1,
        assigned_at=won + timedelta(seconds=chance.randrange(600)),
        told_at=won + timedelta(seconds=chance.randrange(600)),
        first_touch_at=won + timedelta(hours=chance.randrange(60)),
        kickoff_at=won + timedelta(days=3),
        kickoff_days=chance.randrange(900),
        activates=True,
        activated_at=active,
        steps_due=8,
        steps_done=chance.randrange(9),
        escalations=chance.randrange(2),
        complete=chance.random() < 0.9,
    )
    ae, csm = chance.randrange(30), chance.randrange(20)
    return Figure(
        system=SystemName("sf"),
        deal_id=f"006{number:09d}",
        generation=1,
        facts=facts,
        title=f"Deal {number}",
        account_id=f"001{number:09d}",
        account_name=f"Customer {number}",
        ae=Who(f"ae-{ae}", f"AE {ae}"),
        csm=Who(f"csm-{csm}", f"CSM {csm}"),
        segment=chance.choice(("small", "middle", "large")),
        won_on=won.date(),
        won_weekday=won.weekday(),
        won_hour=won.hour,
        activated_on=active.date() if active else None,
        phase="in_flight",
        funnel=chance.choice(tuple(Funnel)),
        values=values_of(facts),
    )
