"""``handoff resume``: let what was paused go on. Not here: what is done then (the daemon does it at its next pass)."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from connector import bootstrap
from connector.bootstrap.acts import Acts, who
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config
from connector.cli.pause import target
from connector.cli.show import console


def command(
    what: Annotated[str, typer.Argument(help="A system's name, or SYSTEM:RULE, as it was paused.")],
    *,
    config: Config = DEFAULT_CONFIG,
    every: Annotated[bool, typer.Option("--all", help="The system and every rule of it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let a paused system or rule go on; the deals a rule had something for are looked at at the next pass.

    For example: `handoff resume sf`, `handoff resume hs:summary`. What stands still: `handoff status`.
    """
    opened = bootstrap.open_store_only(config, mode="tool")
    system, rule = target(what, opened.watched)
    acts = Acts(opened.store)
    ended = acts.resume_all(system, by=who()) if every else int(acts.resume(system, rule=rule, by=who()))
    if as_json:
        sys.stdout.write(json.dumps({"system": system, "rule": rule, "ended": ended}, indent=2) + "\n")
        return
    console().print(f"{what} goes on." if ended else f"{what} was not paused.", markup=False, highlight=False)
