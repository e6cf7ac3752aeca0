"""``handoff status``: what the status page says, in a terminal. Not here: reading it (``web.status``)."""

from __future__ import annotations

import dataclasses
import json
import sys

import typer
from rich import box
from rich.padding import Padding
from rich.text import Text

from connector import bootstrap
from connector.cli.app import EXIT_FOUND
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config
from connector.cli.screen import PlainTable
from connector.cli.show import console
from connector.web.status import Status, read_status


def command(*, config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Show each system's state, lag, backlog, parked writes and the latest decisions with their reasons.

    Reads only the ledger; works while the daemon runs and when it does not. Exit code 1 when a system needs a person.

    For example: `handoff status --json`. For a parked write go on with `handoff retry`, for one deal with
    `handoff explain DEAL`.
    """
    opened = bootstrap.open_store_only(config, mode="read")
    status = read_status(opened.store, opened.watched, now=opened.clock.now())
    if as_json:
        sys.stdout.write(json.dumps(dataclasses.asdict(status) | {"ready": status.ready}, indent=2, default=str) + "\n")
    else:
        _print(status)
    if not status.ready:
        raise typer.Exit(EXIT_FOUND)


FIGURES = ("System", "Mode", "Last pass", "Lag", "Due", "To send", "In doubt", "Parked", "Held")


def _print(status: Status) -> None:
    out = console()
    # Narrow enough for a terminal of 80 columns.
    table = PlainTable(*FIGURES, box=box.SIMPLE_HEAD, padding=(0, 1))
    for each in status.systems:
        table.add_row(
            each.name,
            each.mode,
            each.last_pass_age,
            each.lag,
            str(each.looks_due),
            str(each.waiting),
            str(each.unknown),
            str(each.parked),
            str(each.held),
        )
    out.print(table)
    for each in status.systems:
        out.print(f"{each.name}: ", "running." if each.ok else Text(each.trouble, style="red"), sep="")
        seen = "; ".join(f"{one.deals} {one.what}" for one in each.coverage if one.deals)
        out.print(f"{each.name}: of the deals that were won, {seen or 'none was seen yet'}.")
        if each.acting:
            out.print(f"{each.name}: {each.acting}", markup=False, highlight=False)
        if each.sparing:
            out.print(
                f"{each.name}: {each.calls} API calls are used; until more are left, only what cannot wait is done."
            )
        out.print(f"{each.name}: changes are {each.live}.", *(f"{line}." for line in each.live_trouble), markup=False)
        for line in (*each.alarms, *each.pauses, *([each.policy] if each.policy else [])):
            if line == each.trouble:
                continue  # it is said above
            out.print(f"{each.name}: {line}", markup=False, highlight=False)
        for line in each.rounds:
            out.print(f"{each.name}: {line}.", markup=False, highlight=False)
    if status.parked:
        parked = PlainTable(
            "#",
            "System",
            "Deal",
            "Step",
            "The CRM's words",
            title="Parked: mend the cause, then handoff retry",
            title_justify="left",
        )
        for row in status.parked:
            parked.add_row(str(row.id), row.system, row.deal_id, row.step, f"{row.code} {row.message}")
        out.print(parked)
    _decisions(status)


def _decisions(status: Status) -> None:
    """The latest decisions, each with its reasons below it: in a column of a table they would be a word wide."""
    out = console()
    out.print("Latest decisions (UTC)" if status.decisions else "No decision yet.", style="bold")
    for one in status.decisions:
        said = ", ".join(word for word in (one.phase, f"gate {one.gate}" if one.gate else "") if word)
        out.print(f"{one.at:%m-%d %H:%M:%S}  {one.system}:{one.deal_id}  {said}", markup=False, highlight=False)
        out.print(Padding(Text(" ".join(one.reasons), style="dim"), (0, 0, 0, 2)))
