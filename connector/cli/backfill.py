"""``handoff backfill``: fill what the connector keeps on deals won before the start.

Not here: what a deal is filled with (``handoff.backfill``), recording and sending it (``engine.backfill``).
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from connector import bootstrap
from connector.cli.app import EXIT_CRM, EXIT_FOUND
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config, number
from connector.cli.plan import connect_for_reading
from connector.cli.screen import PlainTable
from connector.cli.show import console, progress_console, ways_data, ways_text
from connector.engine import backfill as engine
from connector.engine.onepass import connect, let_go
from connector.engine.parts import System
from connector.engine.ways import Way, count, ways
from connector.errors import Problem, UserError
from connector.handoff.acting import Reach
from connector.handoff.backfill import DEFAULT, FIELDS
from connector.handoff.plan import Order

TOLD_EVERY = 5000
"""Deals between two lines of progress where standard error is no terminal."""

NOT_ACTING = {
    Reach.OBSERVE: 'is "observe": nothing is written; set it to "act"',
    Reach.PILOT: 'is "pilot": old deals are in no pilot, so none is written to; set it to "act"',
}


@dataclass(slots=True)
class Sum:
    """What came of one system."""

    read: int = 0
    old: int = 0
    waiting: int = 0
    undecided: int = 0
    fields: Counter[str] = field(default_factory=Counter)
    rows: Counter[Any] = field(default_factory=Counter)
    left: int | None = None
    parked: int = 0

    @property
    def writes(self) -> int:
        """Deals that are, or would be, written to."""
        return sum(self.rows.values())

    def add(self, portion: engine.Portion) -> None:
        """Count one portion."""
        self.read += portion.read
        self.old += portion.old
        self.waiting += portion.waiting
        self.undecided += portion.undecided
        for patch in portion.writes:
            self.fields.update(list(patch.values))
        self.rows += count(portion.writes)


def command(
    system: Annotated[str, typer.Argument(help="The system's name in config.toml. All by default.")] = "",
    *,
    config: Config = DEFAULT_CONFIG,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only deals won, or closing, since this day.")
    ] = None,
    fields: Annotated[str, typer.Option(help=f"What to fill, with commas between: {', '.join(FIELDS)}.")] = ",".join(
        DEFAULT
    ),
    limit: Annotated[
        int | None, typer.Option(parser=number, metavar="NUMBER", help="At most so many deals are written to.")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Do it. Without this nothing is stored or sent.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --apply: do not ask first.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fill the figures of deals won before the start: never tasks, notes, messages, CSMs or stages.

    Shows what it would write, in how many calls and by which way. Only fields that are empty, or say what this
    connector last wrote, are changed. With **--apply** it is recorded, and sent by the running daemon, or by this
    command when none runs. It may be broken off and run again: what is done is not done twice.

    For example: `handoff backfill sf --since 2025-01-01`, then the same with `--apply`.
    """
    wanted = _fields(fields)
    if apply and not yes:
        _ask(system)
    runtime, sends = _open(config, apply=apply)
    chosen = runtime.chosen(system)
    day = since.date() if since else None
    sums: dict[str, Sum] = {}
    try:
        for each in chosen:
            if apply and each.reach is not Reach.ACT:
                raise UserError([Problem("config", "daemon.mode", NOT_ACTING[each.reach])])
            connect(runtime.shared, each) if sends else connect_for_reading(each)
            sums[each.name] = Sum()
            portions = engine.go_through(runtime.shared, each, since=day, fields=wanted, limit=limit, apply=apply)
            try:
                _count(each, portions, sums[each.name])
            finally:
                if apply:
                    engine.release(runtime.shared, each)
            if sends:
                _send(runtime, each, sums[each.name])
    finally:
        if sends:
            for held in runtime.systems:
                let_go(runtime.shared, held)
        runtime.shared.store.close()
    _tell(chosen, sums, wanted, apply=apply, sends=sends, as_json=as_json)
    if any(total.undecided or total.parked for total in sums.values()):
        raise typer.Exit(EXIT_FOUND)
    if any(total.left for total in sums.values()):
        raise typer.Exit(EXIT_CRM)


def _fields(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    strange = [name for name in names if name not in FIELDS]
    if strange or not names:
        words = f"{', '.join(strange) or 'nothing'} cannot be filled; there are {', '.join(FIELDS)}"
        raise UserError([Problem("", "--fields", words)])
    return names


def _ask(system: str) -> None:
    where = system or "every system"
    if not sys.stdin.isatty():
        raise UserError([Problem("", "--yes", f"say --yes to write to {where} without being asked")])
    if not typer.confirm(f"Write to the old won deals of {where}?", err=True):
        raise typer.Exit(EXIT_FOUND)


def _open(config: Path, *, apply: bool) -> tuple[bootstrap.Runtime, bool]:
    """The parts, and whether this process sends: it does unless a daemon has the database."""
    if not apply:
        return bootstrap.open_runtime(config, mode="read"), False
    if bootstrap.daemon_has_store(config):
        return bootstrap.open_runtime(config, mode="tool"), False
    return bootstrap.open_runtime(config, mode="daemon", console_logs=True), True


def _count(system: System, portions: Iterator[engine.Portion], total: Sum) -> None:
    terminal = sys.stderr.isatty()
    told = 0
    with Progress(transient=True, disable=not terminal, console=progress_console()) as progress:
        task = progress.add_task(f"{system.name}: reading won deals", total=None)
        for portion in portions:
            total.add(portion)
            words = f"{system.name}: {total.read} won deals read, {total.writes} to fill"
            progress.update(task, advance=portion.read, description=words)
            if not terminal and total.read - told >= TOLD_EVERY:
                told = total.read
                sys.stderr.write(words + "\n")


def _send(runtime: bootstrap.Runtime, system: System, total: Sum) -> None:
    terminal = sys.stderr.isatty()
    last: int | None = None
    with Progress(transient=True, disable=not terminal, console=progress_console()) as progress:
        task = progress.add_task(f"{system.name}: sending", total=None)
        for left in engine.send(runtime.shared, system):
            total.left = left
            words = f"{system.name}: {left} writes on their way"
            progress.update(task, description=words)
            if not terminal and left != last:
                sys.stderr.write(words + "\n")
            last = left
    total.parked = sum(row.order is Order.BACKFILL for row in runtime.shared.store.parked(system.name))


def _tell(
    chosen: Sequence[System],
    sums: dict[str, Sum],
    wanted: Sequence[str],
    *,
    apply: bool,
    sends: bool,
    as_json: bool,
) -> None:
    if as_json:
        data = {each.name: _data(each, sums[each.name], wanted, apply=apply) for each in chosen}
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
        return
    for each in chosen:
        _print(each, sums[each.name], wanted, apply=apply, sends=sends)


def _data(system: System, total: Sum, wanted: Sequence[str], *, apply: bool) -> dict[str, Any]:
    return {
        "won_deals": total.read,
        "old_deals": total.old,
        "on_their_way": total.waiting,
        "undecided": total.undecided,
        "writes": total.writes,
        "fields": {name: total.fields[name] for name in wanted},
        "calls": [ways_data(way) for way in _ways(system, total)],
        "recorded": apply,
        "left": total.left,
        "parked": total.parked,
    }


def _ways(system: System, total: Sum) -> tuple[Way, ...]:
    return ways(system.crm.capabilities, total.rows)


def _print(system: System, total: Sum, wanted: Sequence[str], *, apply: bool, sends: bool) -> None:
    out = console()
    out.rule(f"{system.name}: {total.writes} of {total.old} old deals {'filled' if sends else 'to fill'}")
    out.print(f"{total.read} won deals were read; {total.old} were won before the start and get no handoff.")
    if total.waiting:
        out.print(f"{total.waiting} of them are on their way from an earlier run.")
    if total.undecided:
        out.print(f"{total.undecided} could not be decided; the log says why.")
    if total.writes:
        table = PlainTable("Field", "Deals")
        for name in wanted:
            table.add_row(name, str(total.fields[name]))
        out.print(table)
        out.print(ways_text(_ways(system, total)))
    out.print(_next_step(total, apply=apply, sends=sends))


def _next_step(total: Sum, *, apply: bool, sends: bool) -> str:
    if not apply:
        return "Nothing was stored or sent. To do it: the same with --apply." if total.writes else "Nothing to do."
    if not sends:
        return "Recorded. The running daemon sends it at its next passes: handoff status."
    if total.left:
        return f"{total.left} writes are still on their way: a running daemon sends them, or this command, run again."
    return f"Done; {total.parked} writes were refused: handoff retry lists them." if total.parked else "Done."
