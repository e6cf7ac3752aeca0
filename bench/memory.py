"""Point 3: the most memory the daemon ever holds, by the size of the org and by the size of a burst.

Not here: the sandbox's memory, which is another process's. The daemon is a process of its own against both CRMs; its
peak is what the kernel says (``ru_maxrss``), read from its own ``/metrics``.
"""

from __future__ import annotations

import time

from bench.ground import Ground, ground, wait_until
from bench.report import Point, Table, Target, count

MB = 2**20
LIMIT_MB = 250.0
GROWTH_LIMIT = 10.0
CASES = ((10_000, 200), (100_000, 200), (10_000, 1_000))
QUICK_CASES = ((1_000, 50), (10_000, 50))
POLL_SECONDS = 1.0
PATIENCE = 240.0


def run(*, quick: bool) -> Point:
    """Measure a small and a large org with the same wins, and a large burst."""
    began = time.monotonic()
    cases = QUICK_CASES if quick else CASES
    peaks: list[float] = []
    rows: list[tuple[str, ...]] = []
    for size, wins in cases:
        with ground() as place:
            for desk in place.desks.values():
                desk.fill(size)
            peak, at_start, cpu, seconds = _handed_off(place, wins)
        peaks.append(peak)
        rows.append((count(size), count(wins), f"{at_start:.1f}", f"{peak:.1f}", f"{cpu:.1f}", f"{seconds:.1f}"))
    small, large = cases[0][0], cases[1][0]
    growth = (peaks[1] / peaks[0] - 1) * 100
    columns = (
        "Deals in each CRM",
        "Wins on each CRM",
        "MB when started",
        "Peak MB",
        "CPU seconds",
        "Seconds until done",
    )
    return Point(
        name="memory",
        title="3. The daemon's peak memory",
        targets=(
            Target("peak, the highest of all cases", max(peaks), LIMIT_MB, "MB"),
            Target(f"more at {large:,} deals than at {small:,}", growth, GROWTH_LIMIT, "%"),
        ),
        tables=(
            Table("handoff_peak_memory_bytes of the daemon process, both CRMs in one daemon", columns, tuple(rows)),
        ),
        notes=("The wins are made at once on both CRMs. CPU seconds are the daemon's, from its start on.",),
        seconds=time.monotonic() - began,
    )


def _handed_off(place: Ground, wins: int) -> tuple[float, float, float, float]:
    with place.daemon(poll=POLL_SECONDS):
        at_start = place.metric("handoff_peak_memory_bytes") / MB
        waiting = {name: desk.prepare(wins) for name, desk in place.desks.items()}
        began = time.monotonic()
        for name, ids in waiting.items():
            place.desks[name].win(ids)
        for name, ids in waiting.items():
            desk = place.desks[name]
            wait_until(
                lambda desk=desk, ids=ids: all(map(desk.handed_off, reversed(ids))),
                seconds=PATIENCE, what=f"{wins} handoffs on {name}", every=0.5,
            )  # fmt: skip
        seconds = time.monotonic() - began
        return place.metric("handoff_peak_memory_bytes") / MB, at_start, place.cpu_seconds(), seconds
