"""``handoff retry``: send parked writes again. Not here: sending (the daemon does, at its next pass)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from connector import bootstrap
from connector.bootstrap.acts import Acts, Retried, who
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config, System, number
from connector.cli.screen import PlainTable
from connector.cli.show import console
from connector.web.status import age


def command(
    rows: Annotated[
        list[int] | None,
        typer.Argument(
            parser=number, metavar="NUMBER", help="Numbers of parked writes, as listed. Without any: list them."
        ),
    ] = None,
    *,
    config: Config = DEFAULT_CONFIG,
    system: System = "",
    every: Annotated[bool, typer.Option("--all", help="All parked writes (of --system).")] = False,
    as_json: AsJson = False,
) -> None:
    """List parked writes with the CRM's own words, or put them back to be sent.

    Mend the cause first: a permission, a picklist value, a user who left. The daemon sends them at its next pass.

    For example: `handoff retry` lists them, `handoff retry 17 18` sends two of them again, `handoff retry --all` all.
    """
    runtime = bootstrap.open_store_only(config, mode="tool")
    parked = [row for row in runtime.store.parked() if not system or row.system == system]
    chosen = [row.id for row in parked if every or row.id in set(rows or [])]
    retried = Acts(runtime.store).retry(chosen, by=who()) if chosen else Retried(0, held=0, let_be=0)
    now = runtime.store.clock.now()
    if as_json:
        data = {
            "parked": [
                {
                    "id": row.id,
                    "system": row.system,
                    "deal": row.deal_id,
                    "step": row.step,
                    "code": row.error.vendor_code if row.error else "",
                    "message": row.error.message if row.error else "",
                    "since": (row.settled_at or row.created_at).isoformat(),
                }
                for row in parked
            ],
            "retried": retried.again,
            "held": retried.held,
            "let_be": retried.let_be,
        }
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
        return
    if chosen:
        for sentence in _said(retried):
            console().print(sentence)
        return
    if not parked:
        console().print("Nothing is parked.")
        return
    table = PlainTable("#", "System", "Deal", "Step", "For", "The CRM's words")
    for row in parked:
        words = f"{row.error.vendor_code}: {row.error.message}" if row.error else ""
        since = age(now - (row.settled_at or row.created_at))
        table.add_row(str(row.id), row.system, row.deal_id, row.step, since, words)
    console().print(table)
    console().print("Mend the cause, then: handoff retry --all, or handoff retry with the numbers.")
    console().print("What is not wanted any more: handoff drop.")


def _said(retried: Retried) -> Iterator[str]:
    if retried.again > retried.held or not retried.held + retried.let_be:
        yield f"{retried.again - retried.held} parked writes will be sent again at the next pass."
    if retried.held:
        yield (
            f"{retried.held} go when their deals are released, which are held because too much changed at once: "
            "handoff release"
        )
    if retried.let_be:
        yield (
            f"{retried.let_be} stay parked, because their deals are wins that were let be. "
            "To have those handoffs after all: handoff drop --undo --deal"
        )
