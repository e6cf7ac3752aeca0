"""``handoff playbook migrate``: handoffs under way go on by the present playbook, after showing what comes of it.

Not here: what moving means (``handoff.migration``) and keeping it (``store``).
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from connector import bootstrap
from connector.bootstrap.acts import Acts, who
from connector.cli.app import EXIT_FOUND
from connector.cli.plan import connect_for_reading
from connector.cli.screen import PlainTable
from connector.cli.show import console
from connector.crm.batch import chunks
from connector.engine.parts import Shared
from connector.engine.parts import System as EngineSystem
from connector.engine.reconciler import LOOK_BATCH, observe
from connector.errors import Problem, UserError
from connector.handoff.migration import Move, move
from connector.handoff.playbook_text import version_of
from connector.handoff.rulebook.playbooks import Playbook
from connector.store import Moving

DEALS_SHOWN = 30


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for: one deal or ``every`` handoff under way; ``undo`` moves them back; ``yes`` carries it out."""

    deal: str = ""
    every: bool = False
    yes: bool = False
    undo: bool = False


def migrate(config: Path, system: str, asked: Asked, *, as_json: bool) -> None:
    """Show how handoffs would move on, and move them. Exits 1 when something would move and --yes was not said."""
    if bool(asked.deal) == asked.every:
        raise UserError([Problem("", "--deal", "name one deal with --deal, or say --all for every handoff under way")])
    runtime = bootstrap.open_runtime(config, mode="tool" if asked.yes else "read")
    found: dict[str, Any] = {}
    open_moves = 0
    for each in runtime.chosen(system):
        moves, table = _back(runtime.shared, each, asked) if asked.undo else _forth(runtime.shared, each, asked)
        done = 0
        if asked.yes and moves:
            done = Acts(runtime.shared.store).move_playbooks(each.name, moves, by=who())
        open_moves += len(moves) - done
        found[each.name] = {"moves": table, "moved": done}
        if not as_json:
            _print(each, table, done=done if asked.yes else None)
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    if open_moves and not asked.yes:
        raise typer.Exit(EXIT_FOUND)


def _forth(shared: Shared, system: EngineSystem, asked: Asked) -> tuple[list[Moving], list[dict[str, Any]]]:
    connect_for_reading(system)
    moves = list(_moves(shared, system, [asked.deal] if asked.deal else shared.store.running(system.name)))
    table = [
        {
            "deal": one.deal_id,
            "from": _named(one.before),
            "to": _named(one.after),
            "made": list(one.made),
            "later": list(one.later),
            "left": list(one.left),
            "passed": list(one.passed),
        }
        for one in moves
    ]
    return [Moving(one.deal_id, one.generation, one.before, one.after) for one in moves], table


def _moves(shared: Shared, system: EngineSystem, deals: Sequence[str]) -> Iterator[Move]:
    now = shared.clock.now()
    roster = dict(shared.store.roster(system.name, now=now))
    for part in chunks(list(deals), size=LOOK_BATCH):
        for snapshot in observe(shared, system, part, unread={}):
            one = move(dataclasses.replace(snapshot, roster=roster), system.policy, now)
            if one is not None:
                yield one


def _back(shared: Shared, system: EngineSystem, asked: Asked) -> tuple[list[Moving], list[dict[str, Any]]]:
    deals = [asked.deal] if asked.deal else shared.store.running(system.name)
    moves = list(shared.store.moved(system.name, deals))
    table = [{"deal": one.deal_id, "from": _named(one.before), "to": _named(one.after)} for one in moves]
    return moves, table


def _named(book: Playbook) -> str:
    return f"{book.name or 'none'} ({version_of(book)})"


def _print(system: EngineSystem, table: Sequence[dict[str, Any]], *, done: int | None) -> None:
    out = console()
    out.rule(f"{system.name}: {len(table)} handoffs {'would move' if done is None else 'to move'}")
    if not table:
        out.print("Every handoff asked for goes by the playbook it would go by anyway.")
        return
    shown = PlainTable("Deal", "From", "To", "Made now", "Later", "Left to people", "Too late to ask")
    for row in table[:DEALS_SHOWN]:
        steps = (", ".join(row.get(name, ())) or "-" for name in ("made", "later", "left", "passed"))
        shown.add_row(row["deal"], row["from"], row["to"], *steps)
    out.print(shown)
    if len(table) > DEALS_SHOWN:
        out.print(f"… and {len(table) - DEALS_SHOWN} more; --json lists all.")
    if done is None:
        out.print("Nothing was stored. To move them: the same with --yes; back again: --undo.")
    else:
        out.print(f"{done} handoffs go by it from the next pass on; back again: --undo.")
