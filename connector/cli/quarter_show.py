"""Prints what came of the demo's quarter, both CRMs side by side, for somebody who leads customer success.

Not here: judging it (the sandbox does) and playing it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from connector.cli.screen import PlainTable, Screen

Part = Mapping[str, Any]

WIDTH = 120
"""Columns where no terminal says how many there are."""

VENDORS = ("salesforce", "hubspot")
STEP_WORDS = {
    "made": "made",
    "done_by_signal": "seen done",
    "done_by_hand": "closed by hand",
    "escalated": "escalated",
    "not_due_yet": "not due yet",
    "waits_for_step_before": "waits for the one before",
    "unaccounted": "unaccounted",
}
SIGNAL_WORDS = {
    "raised_as_due": "raised for them",
    "missed": "missed",
    "raised_for_others": "for others in trouble",
    "raised_for_control": "for the control group",
}
CHANGE_WORDS = {
    "before_without_it": "under way, left as they were",
    "after_with_it": "new, with the new step",
    "before_with_it": "under way, WITH IT",
    "after_without_it": "new, WITHOUT IT",
}
FIGURES: tuple[tuple[str, Callable[[Part], Any]], ...] = (
    ("Deals won with everything filled", lambda part: part["won"]),
    ("Deals won with gaps, held until today", lambda part: part["held_with_gaps"]),
    ("Handoffs", lambda part: part["handoffs"]),
    ("  by tier", lambda part: _pairs(part["by_tier"])),
    ("  by segment", lambda part: _pairs(part["by_segment"])),
    ("  by kind of deal", lambda part: _pairs(part["by_type"])),
    ("How the AE filled them in", lambda part: _pairs(part["by_seller"])),
    ("CSM told of the win, minutes, p50", lambda part: part["csm_told_minutes"]["p50"]),
    ("CSM told of the win, minutes, p99", lambda part: part["csm_told_minutes"]["p99"]),
    ("  of them knew the deal before the win", lambda part: part["csm_told_minutes"]["told_before_the_win"]),
    ("Messages to people", lambda part: part["messages"]),
    ("Given to a CSM who is away", lambda part: part["assigned_while_away"]),
    ("Doubled records", lambda part: len(part["doubled"])),
    ("Playbook changed half-way", lambda part: _pairs(part["policy_change"], CHANGE_WORDS)),
    ("Alarms", lambda part: len(part["alarms"])),
    ("Figures worked out anew, of handoffs", lambda part: part["measured"]["handoffs"]),
    ("  values that differ from those kept", lambda part: len(part["measured"]["differences"])),
    ("  put right when something came late", lambda part: part["measured"]["corrected"]),
    ("Calls per handoff, all days", lambda part: part["calls_per_handoff"]),
    ("  fewest at the same moments", lambda part: part["calls_floor_by_moment_per_handoff"]),
    ("  fewest if all had come at once", lambda part: part["calls_floor_per_handoff"]),
    ("Polls that brought nothing", lambda part: part["calls"]["idle_polls"]),
)


def show(report: Mapping[str, Any]) -> None:
    """Print the report of `demo_quarter.side_by_side`."""
    parts = {name: report[name] for name in VENDORS if name in report}
    console = Screen(width=None if sys.stdout.isatty() else WIDTH)
    console.print(_figures(parts))
    played = " | ".join(names for names in parts)
    control = " | ".join(str(part["control_group"]) for part in parts.values())
    console.print(_by_name(f"What became of the playbooks' steps ({played})", "steps", STEP_WORDS, parts))
    console.print(
        _by_name(
            f"Stuck signals and red flags, by customers ({played}); control group: {control}",
            "signals",
            SIGNAL_WORDS,
            parts,
        )
    )
    for name, part in parts.items():
        for line in part["alarms"]:
            console.print(f"{name}: alarm {line}", highlight=False)
        for line in part["broken"]:
            console.print(f"{name}: {line}", highlight=False)
    for line in report["troubles"]:
        console.print(line, highlight=False)
    if len(parts) > 1:
        same = "the same files" if report["same_files"] else "DIFFERENT files"
        console.print(f"{same} drove both but for the field map: {', '.join(report['files'])}", highlight=False)
    words = "every promise held" if report["ok"] else "A PROMISE WAS BROKEN: see the lines above"
    console.print(
        f"{report['days']} days of {report['deals']} deals on each CRM, seed {report['seed']}, in "
        f"{report['seconds']} s ({report['cpu_seconds']} s of one core's work) and {report['passes']} passes: {words}",
        highlight=False,
    )


def _figures(parts: Mapping[str, Part]) -> PlainTable:
    table = PlainTable("", *parts, title="A quarter, counted by the sandbox")
    for words, value in FIGURES:
        table.add_row(words, *(str(value(part)) for part in parts.values()))
    return table


def _by_name(title: str, key: str, words: Mapping[str, str], parts: Mapping[str, Part]) -> PlainTable:
    """One row per name, one column per word; where two CRMs were played, their figures with a bar between."""
    table = PlainTable("", *words.values(), title=title)
    for name in dict.fromkeys(name for part in parts.values() for name in part[key]):
        cells = [" | ".join(_count(part[key].get(name, {}).get(word, 0)) for part in parts.values()) for word in words]
        table.add_row(name, *cells)
    return table


def _count(value: Any) -> str:
    return str(len(value) if isinstance(value, list) else value)


def _pairs(counts: Mapping[str, int], words: Mapping[str, str] | None = None) -> str:
    return ", ".join(f"{count} {(words or {}).get(name, name.replace('_', ' '))}" for name, count in counts.items())
