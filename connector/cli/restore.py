"""``handoff restore``: a copy of the ledger put back.

Not here: how (``store.backup``), and what the daemon makes of an old copy.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from connector import bootstrap
from connector.cli.app import EXIT_FOUND
from connector.cli.backup import sentence, shown
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config
from connector.cli.show import console


def command(
    source: Annotated[Path, typer.Argument(help="A file that handoff backup made.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")] = False,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Let the ledger be what a copy holds. Stop the daemon first; all of them, with PostgreSQL.

    What is there now is kept: for SQLite the file under another name, for PostgreSQL a copy of it as **backup** makes
    one. So this can be undone by restoring that. Nothing is written to a CRM; the daemon, once it runs again, looks at
    every deal of the copy anew before it writes, and goes by what the CRM says.

    For example: `handoff restore state/backups/handoff-20261122T020000Z.db`.
    """
    copy = bootstrap.look_into_backup(source)
    tell = console()
    if not as_json:
        tell.print(f"{copy.path}: {sentence(copy)}", soft_wrap=True, highlight=False)
    if not yes:
        if as_json or not sys.stdin.isatty():
            sys.stderr.write("Nothing was changed. To put this copy in the place of the present ledger: --yes\n")
            raise typer.Exit(EXIT_FOUND)
        typer.confirm("Put this copy in the place of the present ledger?", abort=True)
    kept = bootstrap.restore(config, source, say=_say)
    if as_json:
        sys.stdout.write(json.dumps({**shown(copy), "kept": str(kept) if kept else None}, indent=2) + "\n")
        return
    tell.print("Done. Start the daemon: handoff run", highlight=False)
    if kept:
        tell.print(f"What was there is kept: {kept}", soft_wrap=True, highlight=False)


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")
