"""``python -m chaos [section ...] [--short] [--seed N] [--json] [--keep] [--lanes N]``: break things, tell what became.

Not here: any breakage. The exit code is 1 when anything was lost or doubled, when another promise broke, or when a
fault did not strike. What the run produced stays in its folder when it failed or was broken off (by Ctrl-C with the
exit code 130, by SIGTERM with 143), and goes when it did not; nothing that it started outlives it (``guard``).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bench.machine import described
from chaos import ROOT, guard, results
from chaos.sections import MODULES, Effort, play
from chaos.table import Row, show, total

PREFIX = "handoff-chaos-"
WIDE = 200
BESIDE = ("soak", "losses", "weather")
"""In a short run played one after the other beside the first: much of them is waiting for days to pass, wins to be
noticed and leases to run out."""
PICKED = "CHAOS_WEATHER"
"""Names conditions for whoever looks into some alone (``weather``)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sections asked for, all of them unless told otherwise."""
    asked = _parsed(arguments)
    tell = Console(stderr=True, soft_wrap=True)
    began = time.monotonic()
    code = results.code() if asked.keep else ""  # now, as it may be another when the run is over
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    playing = ""
    left = threading.Event()

    def say(line: str) -> None:
        if left.is_set():  # what others say of its end is of no interest
            return
        tell.print(f"[{time.monotonic() - began:6.1f} s] {line}", highlight=False, markup=False)

    def leaving() -> str:
        left.set()
        return f"after {time.monotonic() - began:.0f} s{playing and f', in {playing}'}: nothing is proved"

    effort = Effort(short=asked.short, seed=asked.seed, folder=folder, lanes=asked.lanes, say=say)
    say(f"seed {asked.seed}, {asked.lanes} lanes, {'short' if asked.short else 'whole'}, in {folder}")
    rows: dict[str, list[Row]] = {}
    took: dict[str, float] = {}
    names = [each for each in MODULES if not asked.sections or each in asked.sections]
    with guard.over(folder, leaving=leaving), ThreadPoolExecutor(1) as beside:
        waiting = [each for each in BESIDE if asked.short and each in names[1:]]
        begun = {each: beside.submit(_played, each, effort) for each in waiting}
        for name in names:
            playing = name
            rows[name], took[name] = begun[name].result() if name in begun else _played(name, effort)
            say(f"{name}: {total(rows[name]).line} {took[name]:.0f} s")
            if not asked.json:
                show(name, rows[name], _out())
    told = total(row for found in rows.values() for row in found)
    _print(asked, rows, took, took_all=time.monotonic() - began)
    if asked.keep:
        about = {
            "when": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            "seed": asked.seed,
            "code": code,
            "machine": dict(described())["Cores"],
        }
        results.keep(rows, took, about=about)
        say(f"kept in {results.PAGE.relative_to(ROOT)}")
    if told.held:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        for row in (row for found in rows.values() for row in found if not row.held):
            say(f"BROKEN: {row.told}")
        say(f"FAILED: {told.line} What the run left is in {folder}")
    return 0 if told.held else 1


def _played(name: str, effort: Effort) -> tuple[list[Row], float]:
    """A section's rows and the seconds it took."""
    since = time.monotonic()
    return list(play(name, effort)), time.monotonic() - since


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description="Break things and count what is lost.")
    parser.add_argument("sections", nargs="*", metavar="section", help=f"what to break (all): {', '.join(MODULES)}")
    parser.add_argument("--short", action="store_true", help="a rotating selection, under 4 minutes")
    parser.add_argument("--seed", type=int, default=0, help="what chance begins with (the day's number)")
    parser.add_argument(
        "--lanes", type=int, default=2 * max(2, os.cpu_count() or 2), help="scenarios at a time (two a core)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object last instead of tables")
    parser.add_argument("--keep", action="store_true", help="put the tables into docs/reliability.md")
    asked = parser.parse_args(arguments)
    unknown = [each for each in asked.sections if each not in MODULES]
    if unknown:
        parser.error(f"no section is called {', '.join(unknown)}; there are {', '.join(MODULES)}")
    if asked.keep and asked.short:
        parser.error("only a whole run is kept")
    if asked.keep and os.environ.get(PICKED):
        parser.error(f"only a whole run is kept, and {PICKED} picks conditions")
    asked.seed = asked.seed or datetime.now(UTC).toordinal()
    return asked


def _out() -> Console:
    """Where tables go; a file or pipe has room for all columns."""
    return Console() if sys.stdout.isatty() else Console(width=WIDE)


def _print(asked: argparse.Namespace, rows: dict[str, list[Row]], took: dict[str, float], *, took_all: float) -> None:
    told = total(row for found in rows.values() for row in found)
    if asked.json:
        data = {
            "seed": asked.seed,
            "short": asked.short,
            "seconds": round(took_all, 1),
            "sum": {
                "line": told.line,
                "held": told.held,
                "lost": told.lost,
                "doubled": told.doubled,
                "faults": told.faults,
            },
            "sections": {
                name: {"seconds": round(took[name], 1), "rows": [row.data() for row in found]}
                for name, found in rows.items()
            },
        }
        sys.stdout.write(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    else:
        for line in ("", *(f"faults by kind: {kinds}" for kinds in told.kinds)):
            _out().print(line, highlight=False, markup=False)
        _out().print(f"{told.line} {took_all:.0f} s, seed {asked.seed}.", highlight=False)


if __name__ == "__main__":
    sys.exit(main())
