"""``python -m bench [a point|all] [--quick] [--json] [--keep]``: measure, print, keep.

Not here: any measurement. ``all`` writes ``bench/results.md`` anew. A single point is only printed; with ``--keep`` it
takes its place in the file, with its own date and load. The exit code is 1 when a target was missed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bench import (
    backfill,
    calls,
    cpu,
    events,
    fairness,
    feeds,
    figures,
    hooks,
    hubspot_million,
    idle,
    latency,
    machine,
    memory,
    million,
    neighbour,
    page,
    plain,
    replicas,
)
from bench.report import Point, Report, show

RESULTS = Path(__file__).resolve().parent / "results.md"

POINTS: Mapping[str, Callable[..., Point]] = {
    "burst": calls.run,
    "idle": idle.run,
    "memory": memory.run,
    "plain": plain.run,
    "cpu": cpu.run,
    "backfill": backfill.run,
    "latency": latency.run,
    "events": events.run,
    "million": million.run,
    "hubspot": hubspot_million.run,
    "feeds": feeds.run,
    "neighbour": neighbour.run,
    "hooks": hooks.run,
    "replicas": replicas.run,
    "fairness": fairness.run,
    "page": page.run,
    "figures": figures.run,
}
"""In the order of ``all``."""


def main(arguments: list[str] | None = None) -> int:
    """Run the points asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the connector against the sandbox.")
    parser.add_argument("point", nargs="?", default="all", choices=["all", *POINTS], help="what to measure (all)")
    parser.add_argument("--quick", action="store_true", help="smaller numbers, for trying; results.md stays as it is")
    parser.add_argument("--keep", action="store_true", help="put a single point into results.md, beside the others")
    parser.add_argument("--json", action="store_true", help="print one JSON object last instead of tables")
    asked = parser.parse_args(arguments)
    tell = Console(stderr=True)
    report = Report(machine=machine.described(), began=datetime.now(UTC), quick=asked.quick)
    for name, run in POINTS.items():
        if asked.point not in ("all", name):
            continue
        tell.print(f"Measuring {name} ...", highlight=False)
        point = run(quick=asked.quick)
        report.points.append(point)
        if not asked.json:
            show(point, Console())
    if asked.json:
        sys.stdout.write(json.dumps(report.data(), indent=2, ensure_ascii=False) + "\n")
    if not asked.quick and (asked.keep or asked.point == "all"):
        kept = report.markdown() if asked.point == "all" else report.kept_in(RESULTS.read_text(encoding="utf-8"))
        RESULTS.write_text(kept, encoding="utf-8")
        tell.print("Kept in bench/results.md", highlight=False)
    for target in report.missed:
        tell.print(f"{target.what}: {target.verdict}", highlight=False, style="bold red")
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(main())
