"""The scripted sales period of ``handoff demo --headless``: play it, watch it, and report what the sandbox counted.

Not here: the people and what they do (the sandbox plays them) and the judging of losses and doubles (the sandbox's
own tally): the daemon is asked for nothing but its memory.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import requests

from connector.cli import demo_parts
from connector.cli.floor import call_table
from connector.cli.screen import PlainTable, Screen

SYSTEMS = {"sf": "salesforce", "hs": "hubspot"}
PERIOD_LIMIT = 900.0
"""Seconds a period may take before it is called stuck."""
PROGRESS_EVERY = 2.0
PEAK_METRIC = "handoff_peak_memory_bytes"


def play(folder: Path, ports: demo_parts.Ports, *, deals: int, seed: int, as_json: bool, poll_seconds: float) -> int:
    """Play, print, and return the exit code: 0 only if nothing was lost or doubled on either CRM."""
    began = time.monotonic()
    tell = Screen(stderr=True)
    tell.print(
        f"Playing a sales period of {deals} wins on each CRM (seed {seed}); state in {folder} ...", highlight=False
    )
    with demo_parts.running(folder, ports, seed=seed, deals=max(120, deals), poll_seconds=poll_seconds):
        for system in SYSTEMS:
            demo_parts.control(ports, "POST", "/play", {"system": system, "deals": deals, "seed": seed})
        finished = _watch(ports, tell, deadline=began + PERIOD_LIMIT)
        report: dict[str, Any] = {
            name: {
                **demo_parts.control(ports, "GET", f"/tally?system={system}")[system],
                **call_table(demo_parts.control(ports, "GET", f"/journal?system={system}")),
            }
            for system, name in SYSTEMS.items()
        }
        peak = _peak_memory(ports)
    clean = finished and all(not part["lost"] and not part["doubled"] for part in report.values())
    report |= {
        "deals": deals,
        "seed": seed,
        "seconds": round(time.monotonic() - began, 1),
        "peak_memory_mb": round(peak / 2**20, 1),
        "finished": finished,
        "ok": clean,
    }
    _show(report, as_json=as_json)
    return 0 if clean else 1


def _watch(ports: demo_parts.Ports, tell: Screen, *, deadline: float) -> bool:
    """Print progress until every system's period is done. False when it did not come to an end in time."""
    last = ""
    while time.monotonic() < deadline:
        progress = demo_parts.control(ports, "GET", "/play")
        line = " · ".join(
            f"{SYSTEMS[system]} {each['done']}/{each['total']} {each['phase']}"
            + (f" (waiting for {each['waiting_for']})" if each.get("waiting_for") else "")
            for system, each in sorted(progress.items())
        )
        if line != last:
            tell.print(line, highlight=False)
            last = line
        if all(each["phase"] in {"done", "failed", "stuck"} for each in progress.values()):
            return all(each["phase"] == "done" for each in progress.values())
        time.sleep(PROGRESS_EVERY)
    return False


def _peak_memory(ports: demo_parts.Ports) -> float:
    text = requests.get(f"{ports.url('web')}/metrics", timeout=demo_parts.CALL_WAIT).text
    lines = (line.split() for line in text.splitlines() if line.startswith(PEAK_METRIC))
    return next((float(parts[-1]) for parts in lines), 0.0)


def _show(report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
        return
    table = PlainTable("", *SYSTEMS.values(), title="What stands in the CRMs, counted by the sandbox")
    parts = [report[name] for name in SYSTEMS.values()]
    for key, value in parts[0].items():
        if not isinstance(value, dict | list):
            table.add_row(key, *(str(part.get(key, "")) for part in parts))
        elif isinstance(value, list):
            table.add_row(key, *(str(len(part.get(key, []))) for part in parts))
    console = Screen()
    console.print(table)
    console.print(
        f"{report['seconds']} s, daemon's peak memory {report['peak_memory_mb']} MB, "
        f"{'nothing lost, nothing doubled' if report['ok'] else 'NOT CLEAN: see --json for the records'}"
    )
