"""Point: a backfill of 100,000 deals through Bulk 2.0 jobs, killed in the middle and run again.

Not here: deciding what to write (the connector does). The command is a process of its own against the sandbox in this
one, killed with SIGKILL when half of the jobs have been closed. What was written is counted in the org's own record of
each job's rows: a value that was written twice is seen though it is the same.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.ground import Ground, ground, wait_until
from bench.report import Point, Table, Target, count
from connector.crm.salesforce.bulk import ROWS
from connector.sandbox.salesforce import bulk
from connector.sandbox.state import World

DEALS, QUICK_DEALS = 100_000, 10_000
MB = 2**20
RATIO_LIMIT = 1.5
MEMORY_LIMIT_MB = 250.0
PATIENCE = 3600.0
FIELDS = ("percent", "missing", "metric_completion")
FLOOR_PER_JOB = 5
"""Open, load, close, ask once, fetch the results: a job cannot be had for less (facts: Salesforce §3.1)."""

COLLECTIONS = 200
"""Records of one Collections write (facts: Salesforce §3.1)."""


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of the command: how it ended, how long it took, its peak memory, and what it printed."""

    code: int
    seconds: float
    peak_mb: float
    out: str


def run(*, quick: bool) -> Point:
    """Fill the deals of an org, killed in the middle."""
    began = time.monotonic()
    deals = QUICK_DEALS if quick else DEALS
    with ground("sf") as place:
        world, desk = place.sandbox.sf, place.desks["sf"]
        desk.fill(deals, open_too=False)
        _run(place, "once")
        half = max(1, deals // ROWS // 2)
        mark = desk.mark()
        killed = _run(place, *ARGUMENTS, until=lambda: _kinds(place, mark)["bulk.close"] >= half)
        first = _kinds(place, mark)
        resumed = _run(place, *ARGUMENTS)
        every = _kinds(place, mark)
        third_mark = desk.mark()
        again = _run(place, *ARGUMENTS)
        third = json.loads(again.out)["sf"]
        written = _written(world)
        filled = sum(row.values.get("Handoff_Percent__c") is not None for row in world.table("Opportunity").live())
        idle = _kinds(place, third_mark)
    jobs = every["bulk.open"]
    writing = sum(calls for kind, calls in every.items() if _writes(kind))
    floor = -(-deals // ROWS) * FLOOR_PER_JOB
    lost, doubled = deals - filled, sum(times - 1 for times in written.values() if times > 1)
    peak = max(killed.peak_mb, resumed.peak_mb)
    return Point(
        name="backfill",
        title=f"7. {deals:,} old deals filled through Bulk 2.0, killed in the middle and run again",
        targets=(
            Target("lost", lost, 0),
            Target("doubled", doubled, 0),
            Target("writes planned by a third run", third["writes"], 0),
            Target("calls to write, over the floor", writing / floor, RATIO_LIMIT),
            Target("peak memory of the command", peak, MEMORY_LIMIT_MB, "MB"),
        ),
        tables=(
            Table(
                "The runs of `handoff backfill sf --apply --yes`",
                ("Run", "Ended with", "Seconds", "Peak MB", "Calls to write", "Calls to read"),
                (
                    _row("1, killed", killed, first),
                    _row("2, to its end", resumed, every - first),
                    _row("3, nothing to do", again, idle),
                ),
            ),
            Table(
                "Calls to write",
                ("Jobs", "Calls", "Floor", "Ratio", "By Collections it would be"),
                (
                    (
                        count(jobs),
                        count(writing),
                        count(floor),
                        f"{writing / floor:.2f}",
                        count(-(-deals // COLLECTIONS)),
                    ),
                ),
            ),
            Table(
                "Calls by kind, runs 1 and 2",
                ("Kind", "Calls"),
                tuple((kind, count(calls)) for kind, calls in sorted(every.items())),
            ),
        ),
        notes=(
            (
                f"Three fields on each deal: {', '.join(FIELDS)}. The floor is {FLOOR_PER_JOB} calls for each {ROWS:,} "
                "deals. The second run reads the deals again, because what is written is decided from how they stand. "
                "The sandbox takes a second of its clock for each job, an org takes what it takes."
            ),
        ),
        seconds=time.monotonic() - began,
    )


ARGUMENTS = ("backfill", "sf", "--apply", "--yes", "--json")


def _run(place: Ground, *arguments: str, until: Callable[[], bool] | None = None) -> Ran:
    """Run a command to its end, or until something is so, and then kill it."""
    config = place.configure(level="error")
    began = time.monotonic()
    out = place.folder / "out.json"
    with out.open("wb") as output, (place.folder / "backfill.log").open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "connector", *arguments, "--config", str(config)],
            stdout=output,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **place.secrets},
            start_new_session=True,
        )
    peak = 0.0

    def over() -> bool:
        nonlocal peak
        peak = _peak_mb(process.pid) or peak
        return process.poll() is not None or (until is not None and until())

    wait_until(over, seconds=PATIENCE, what=f"the end of {arguments[0]}", every=0.05)
    if until is not None and process.returncode is None:
        process.kill()
    code = process.wait()
    if code != (0 if until is None else -signal.SIGKILL):
        raise RuntimeError(f"{arguments[0]} ended with {code}: {_end_of(place.folder / 'backfill.log')}")
    return Ran(code, time.monotonic() - began, peak, out.read_text())


def _peak_mb(pid: int) -> float:
    """The most memory a process ever held, as the kernel tells while it lives; 0 when it is gone.

    Not ``ru_maxrss``: that begins with what the process held which started it, here a whole org.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 / MB if found else 0.0


def _end_of(path: Path) -> str:
    return path.read_text(errors="replace")[-2000:]


def _kinds(place: Ground, since: int) -> Counter[str]:
    return Counter(call.kind for call in place.sandbox.sf.journal.calls(since, system="sf"))


def _writes(kind: str) -> bool:
    return kind.startswith("bulk.") or kind == "collections.update"


def _written(world: World) -> Counter[str]:
    """How often jobs saved each record."""
    with world.lock:
        parts = [row for row in world.table(bulk.DATA).live() if ":ok:" in row.id]
        return Counter(line[0] for row in parts for line in row.values["rows"])


def _row(name: str, ran: Ran, calls: Counter[str]) -> tuple[str, ...]:
    writing = sum(number for kind, number in calls.items() if _writes(kind))
    reading = calls.total() - writing
    ended = "SIGKILL" if ran.code == -signal.SIGKILL else str(ran.code)
    return (name, ended, f"{ran.seconds:.1f}", f"{ran.peak_mb:.1f}", count(writing), count(reading))
