"""Prints figures: one table of measures, one of groups, what measures mean, what was put right, what differs.

Not here: asking for any of it (``metrics``).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from connector.cli.screen import PlainTable
from connector.cli.show import console
from connector.engine.measuring import Comparison
from connector.handoff.measures.model import Clock, Measure
from connector.handoff.measures.summing import (
    NOTHING,
    Sum,
    aim,
    few,
    interval,
    number,
    on_target,
    shown,
    shown_aim,
)
from connector.handoff.rulebook.watch import Targets
from connector.store.figures import Corrected, Coverage, Dimension, Group

MOST_DIFFERENCES = 50
Sums = Mapping[str, Sum]

CLOCKS = {Clock.WALL: "wall clock", Clock.BUSINESS: "business hours", Clock.NONE: "-"}
FEW = "too few to judge"


def overview(found: Sums, measures: Sequence[Measure], *, targets: Targets) -> None:
    """Every measure on a line of its own."""
    table = PlainTable("Measure", "Number", "Handoffs", "95 of 100 times within", "Target", "")
    for one in measures:
        total, wanted = found.get(one.key, NOTHING), aim(one, targets)
        cells = (one.title, shown(one, total).text, str(total.counted), _within(one, total), shown_aim(one, wanted))
        table.add_row(*cells, _judged(one, total, targets))
    console().print(table)


def coverage(found: Coverage) -> None:
    """How many closed-won deals have a handoff, and why the others have none."""
    out = console()
    out.print(f"{found.handed} of {found.won} closed-won deals have a handoff.", markup=False)
    for reason, count in found.reasons.items():
        out.print(f"  {count}: {reason}", markup=False)
    if found.unexplained:
        out.print(f"  {found.unexplained}: neither a handoff nor a reason; run handoff metrics --from-nothing --apply")


def cohorts(by: Dimension, groups: Mapping[Group, Sums], measures: Sequence[Measure], *, targets: Targets) -> None:
    """One line per group, one column per measure; each number with how many count for it."""
    table = PlainTable(by.value.replace("_", " "), *(one.title for one in measures))
    for group, found in groups.items():
        table.add_row(group.label or "-", *(_cell(one, found.get(one.key, NOTHING), targets) for one in measures))
    console().print(table)
    console().print(f"In brackets how many handoffs count; ? marks fewer than {targets.few}: {FEW}.", markup=False)


def as_data(groups: Mapping[Group, Sums], measures: Sequence[Measure], *, targets: Targets, covered: Coverage) -> None:
    """The same as JSON, with whole sums."""
    data = {
        "groups": [
            {
                "key": group.key,
                "label": group.label,
                "measures": {one.key: _data(one, found.get(one.key, NOTHING), targets) for one in measures},
            }
            for group, found in groups.items()
        ],
        "coverage": {
            "won": covered.won,
            "handed": covered.handed,
            "reasons": dict(covered.reasons),
            "unexplained": covered.unexplained,
        },
    }
    sys.stdout.write(json.dumps(data, indent=2) + "\n")


def define(measures: Sequence[Measure], *, as_json: bool) -> None:
    """What measures mean."""
    if as_json:
        sys.stdout.write(json.dumps([definition(one) for one in measures], indent=2) + "\n")
        return
    out = console()
    for one in measures:
        table = PlainTable("", "", title=f"{one.title} ({one.key})", title_justify="left", show_header=False)
        for name, said in definition(one).items():
            if said and name not in ("key", "title"):
                table.add_row(name, said)
        out.print(table)


def definition(one: Measure) -> dict[str, str]:
    """One measure in words, by the name of each."""
    return {
        "key": one.key,
        "title": one.title,
        "unit": one.unit.value,
        "clock": CLOCKS[one.clock],
        "of many": one.way.value,
        "better": one.better.value,
        "starts": one.starts,
        "ends": one.ends,
        "counts": one.counts,
        "excludes": one.excludes,
        "target": f"[targets] {one.target}" if one.target else "",
        "alarm": f"[targets] {one.alarm}" if one.alarm else "",
        "source": one.source,
        "field": one.field,
    }


def corrections(found: Sequence[Corrected], *, as_json: bool) -> None:
    """What was put right, the latest first."""
    if as_json:
        data = [
            {
                "at": one.at.isoformat(),
                "system": one.system,
                "deal": one.deal_id,
                "generation": one.generation,
                "said": one.said,
                "by": one.by,
                **one.data,
            }
            for one in found
        ]
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
        return
    if not found:
        console().print("No figure of a past month was put right.")
        return
    table = PlainTable("When (UTC)", "System", "Deal", "What")
    for one in found:
        table.add_row(f"{one.at:%Y-%m-%d %H:%M}", one.system, one.deal_id, one.said)
    console().print(table)


def compared(found: Mapping[str, Comparison], *, applied: bool, as_json: bool) -> None:
    """What differs from what was kept, and what became of it."""
    if as_json:
        data = {name: comparison_data(one) | {"applied": applied} for name, one in found.items()}
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
        return
    out = console()
    for name, one in found.items():
        if one.differences:
            table = PlainTable("Deal", "Generation", "What", "Kept", "Found")
            for each in one.differences[:MOST_DIFFERENCES]:
                table.add_row(each.deal_id, str(each.generation), each.name, each.kept, each.found)
            out.print(table)
            if (more := len(one.differences) - MOST_DIFFERENCES) > 0:
                out.print(f"... and {more} more: --json has them all.")
        agree = "they agree to the last digit" if not one.differences else f"{len(one.differences)} values differ"
        left = f"; {one.waiting} deals wait for a look and were left out" if one.waiting else ""
        unread = f"; {one.unread} could not be read" if one.unread else ""
        out.print(f"{name}: {one.handoffs} handoffs worked out anew: {agree}{left}{unread}.", markup=False)
        if one.differences:
            said = "They were put right." if applied else "To put them right: the same with --apply."
            out.print(said)


def comparison_data(one: Comparison) -> dict[str, Any]:
    """A comparison as plain data."""
    return {
        "handoffs": one.handoffs,
        "waiting": one.waiting,
        "unread": one.unread,
        "differences": [
            {
                "deal": each.deal_id,
                "generation": each.generation,
                "what": each.name,
                "kept": each.kept,
                "found": each.found,
            }
            for each in one.differences
        ],
    }


def _data(one: Measure, found: Sum, targets: Targets) -> dict[str, Any]:
    bounds = interval(one, found)
    return {
        "number": number(one, found),
        "text": shown(one, found).text,
        "unit": one.unit.value,
        "counted": found.counted,
        "total": found.total,
        "met": found.met,
        "interval": [bounds.low, bounds.high] if bounds else None,
        "few": few(found, least=targets.few),
        "on_target": on_target(one, found, aim(one, targets)),
    }


def _judged(one: Measure, found: Sum, targets: Targets) -> str:
    if not found.counted:
        return ""
    if few(found, least=targets.few):
        return FEW
    good = on_target(one, found, aim(one, targets))
    if good is None:
        return ""
    if not good and one.alarm and on_target(one, found, aim(one, targets, alarm=True)) is False:
        return "alarm"
    return "met" if good else "missed"


def _cell(one: Measure, found: Sum, targets: Targets) -> str:
    if not found.counted:
        return "-"
    return f"{shown(one, found).text} ({found.counted}){'?' if few(found, least=targets.few) else ''}"


def _within(one: Measure, found: Sum) -> str:
    bounds = interval(one, found)
    return f"{bounds.low:.1f} to {bounds.high:.1f}" if bounds else ""
