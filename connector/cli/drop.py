"""``handoff drop``: give up parked writes, or held wins that are none. Not here: what was refused (``retry``)."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from connector import bootstrap
from connector.bootstrap.acts import Acts, pick_watched, who
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config, System, number
from connector.cli.show import console
from connector.errors import Problem, UserError
from connector.store import HoldState


def command(
    rows: Annotated[
        list[int] | None,
        typer.Argument(parser=number, metavar="NUMBER", help="Numbers of parked writes, as handoff retry lists them."),
    ] = None,
    *,
    config: Config = DEFAULT_CONFIG,
    system: System = "",
    deals: Annotated[
        list[str] | None, typer.Option("--deal", help="A held win that is none; may be given often.")
    ] = None,
    every: Annotated[bool, typer.Option("--all-held", help="All wins that are held (of --system).")] = False,
    why: Annotated[str, typer.Option("--why", help="The reason; it is kept in the audit trail.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Take back the drop of these writes or wins.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give up parked writes; or let wins be that the mass-change stop holds, such as an import for the records.

    A dropped write is not tried again, until something else is to be written in its place. A dropped win gets no
    handoff until it is won anew. **--undo** takes either back. Changes to handoffs under way cannot be dropped: mend
    their cause, or release them.

    For example: `handoff drop 17 --why "the field was retired"`, `handoff drop --system hs --all-held --why "an import
    for the records"`. What is parked: `handoff retry`; what is held: `handoff release`.
    """
    if not why and not undo:
        raise UserError([Problem("", "--why", "say why it is given up")])
    if not rows and not deals and not every:
        raise UserError([Problem("", "ROWS", "name parked writes by their numbers, or held wins with --deal")])
    if undo and every:
        raise UserError([Problem("", "--undo", "name the wins to take up after all with --deal")])
    opened = bootstrap.open_store_only(config, mode="tool")
    acts = Acts(opened.store)
    watched = pick_watched(opened.watched, system) if deals or every else ()
    dropped = 0
    if rows:
        dropped = acts.undo_drop(rows, by=who()) if undo else acts.drop(rows, by=who(), why=why)
    let_be = 0
    refused: list[str] = []
    taken_up = sum(acts.take_up(each.name, deals or (), by=who()) for each in watched) if undo else 0
    for each in watched if not undo else ():
        held = {one.deal_id: one for one in opened.store.held(each.name, state=HoldState.HELD)}
        asked = list(held) if every else [deal for deal in deals or () if deal in held]
        wins = [deal for deal in asked if held[deal].cause != "changed"]
        refused += [deal for deal in asked if held[deal].cause == "changed"]
        let_be += acts.let_be(each.name, wins, by=who(), why=why)
    if as_json:
        data = {"undone" if undo else "dropped": dropped, "let_be": let_be, "not_wins": refused}
        data |= {"taken_up": taken_up} if undo else {}
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
        return
    out = console()
    if rows:
        out.print(f"{dropped} writes {'will be decided anew' if undo else 'are given up'}.")
    if rows and undo and dropped and (waits := acts.undone_of_held(rows)):
        out.print(f"{waits} of them go when their deals are released, which are held: handoff release")
    if undo and deals:
        out.print(f"{taken_up} wins get their handoffs after all, with the next pass.")
    elif deals or every:
        out.print(f"{let_be} wins are let be, until they are won anew.")
    if refused:
        out.print(f"{len(refused)} are handoffs under way: mend the cause of their change, or release them.")
