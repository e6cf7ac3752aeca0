"""``handoff once``: one pass and out, for cron and for trying. Not here: the pass itself (``engine.onepass``)."""

from __future__ import annotations

import json
import sys

import typer

from connector import bootstrap
from connector.cli.app import EXIT_CRM
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config, System
from connector.cli.screen import PlainTable
from connector.cli.show import console
from connector.engine.housekeeping import keep_house
from connector.engine.onepass import let_go, run_pass
from connector.engine.warehouse import ask_all


def command(*, config: Config = DEFAULT_CONFIG, system: System = "", as_json: AsJson = False) -> None:
    """Run one pass over each system, then stop.

    The same pass the daemon runs: it detects, decides, writes and verifies. Exit code 3 if a CRM could not be reached.

    For example from cron, on Salesforce alone: `handoff once --system sf --json`. What it would do first:
    `handoff plan`.
    """
    runtime = bootstrap.open_runtime(config, mode="daemon")
    try:
        ask_all(runtime.shared, runtime.shared.queries)
        results = {each.name: run_pass(runtime.shared, each) for each in runtime.chosen(system)}
        keep_house(runtime.shared)
    finally:
        for held in runtime.systems:
            let_go(runtime.shared, held)
        runtime.shared.store.close()
    if as_json:
        data = {
            name: {"looked": each.looked, "applied": each.applied, "error": each.error, "idle": each.idle}
            for name, each in results.items()
        }
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
    else:
        table = PlainTable("System", "Deals looked at", "Writes confirmed", "Trouble")
        for name, each in results.items():
            table.add_row(name, str(each.looked), str(each.applied), each.error or ("paused" if each.idle else ""))
        console().print(table)
    if any(each.error for each in results.values()):
        raise typer.Exit(EXIT_CRM)
