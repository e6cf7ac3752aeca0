"""``handoff migrate``: bring the store's tables to this version. Not here: the steps (``store.migrations``)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Annotated

import typer

from connector import bootstrap
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config
from connector.cli.show import console
from connector.store import Step

After = Annotated[
    bool,
    typer.Option("--after", help="Also what the last release could not live with: when none of it runs."),
]


def command(*, config: Config = DEFAULT_CONFIG, after: After = False, as_json: AsJson = False) -> None:
    """Bring the database to this version's schema and say what was done and what is left.

    **run** does the same when it starts. On PostgreSQL an upgrade has two halves: this one only adds, so the last
    release goes on working beside it; `--after` takes away what that release needed. On SQLite both run at once, and
    the daemon must stand still.

    For example: `handoff migrate`, replace the replicas one by one, then `handoff migrate --after`.
    """
    result = bootstrap.migrate_store(config, after=after)
    if as_json:
        sys.stdout.write(json.dumps({"done": _rows(result.done), "left": _rows(result.left)}) + "\n")
        return
    out = console()
    for step in result.done:
        out.print(f"done  {step.revision}  {step.title}", markup=False)
    for step in result.left:
        out.print(f"left  {step.revision}  {step.title}", markup=False)
    if result.left:
        out.print("When no older version runs any more: handoff migrate --after")
    else:
        out.print("The store is up to date." if not result.done else "The store is up to date now.")


def _rows(steps: Iterable[Step]) -> list[dict[str, str]]:
    return [{"step": step.revision, "what": step.title} for step in steps]
