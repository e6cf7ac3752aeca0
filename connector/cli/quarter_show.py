"""Prints what came of the demo's quarter, both CRMs side by side.

Not here: judging it (the sandbox does) and playing it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connector.cli.screen import PlainTable, Screen

VENDORS = ("salesforce", "hubspot")
STEP_WORDS = (
    "made",
    "done_by_signal",
    "done_by_hand",
    "escalated",
    "not_due_yet",
    "waits_for_step_before",
    "unaccounted",
)
SIGNAL_WORDS = ("raised_as_due", "missed", "raised_for_others", "raised_for_control")


def show(report: Mapping[str, Any]) -> None:
    """Print the report of `demo_quarter.quarter`."""
    parts = {name: report[name] for name in VENDORS if name in report}
    console = Screen()
    console.print(_figures(parts))
    console.print(_by_name("Steps of the default playbooks, each handoff's", "steps", STEP_WORDS, parts))
    console.print(_by_name("Stuck signals and red flags, by customers", "signals", SIGNAL_WORDS, parts))
    for name, part in parts.items():
        for line in part["broken"]:
            console.print(f"{name}: {line}", highlight=False)
    for line in report["troubles"]:
        console.print(line, highlight=False)
    words = "every promise held" if report["ok"] else "A PROMISE WAS BROKEN: see the lines above"
    console.print(
        f"{report['days']} days in {report['seconds']} s, {report['passes']} passes: {words}", highlight=False
    )


def _figures(parts: Mapping[str, Any]) -> PlainTable:
    table = PlainTable("", *parts, title="A quarter, counted by the sandbox")
    rows = (
        ("deals won", lambda part: part["won"]),
        ("handoffs", lambda part: part["handoffs"]),
        ("by tier", lambda part: _pairs(part["by_tier"])),
        ("by segment", lambda part: _pairs(part["by_segment"])),
        ("doubled", lambda part: len(part["doubled"])),
        ("CSM told after minutes, p50", lambda part: part["csm_told_minutes"]["p50"]),
        ("CSM told after minutes, p99", lambda part: part["csm_told_minutes"]["p99"]),
        ("CSM told before the win", lambda part: part["csm_told_minutes"]["told_before_the_win"]),
        ("messages", lambda part: part["messages"]),
        ("given to somebody who is away", lambda part: part["assigned_while_away"]),
        ("playbook changed in mid-quarter", lambda part: _pairs(part["policy_change"])),
        ("calls per handoff", lambda part: part["calls_per_handoff"]),
        ("the same in full batches", lambda part: part["calls_floor_per_handoff"]),
        ("polls that brought nothing", lambda part: part["calls"]["idle_polls"]),
    )
    for words, value in rows:
        table.add_row(words, *(str(value(part)) for part in parts.values()))
    return table


def _by_name(title: str, key: str, words: Sequence[str], parts: Mapping[str, Any]) -> PlainTable:
    """One row per name, one column per word; where two CRMs were played, their figures with a bar between."""
    table = PlainTable("", *(word.replace("_", " ") for word in words), title=f"{title} ({' | '.join(parts)})")
    for name in dict.fromkeys(name for part in parts.values() for name in part[key]):
        cells = [" | ".join(_count(part[key].get(name, {}).get(word, 0)) for part in parts.values()) for word in words]
        table.add_row(name, *cells)
    return table


def _count(value: Any) -> str:
    return str(len(value) if isinstance(value, list) else value)


def _pairs(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
