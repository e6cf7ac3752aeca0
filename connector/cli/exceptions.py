"""``handoff exceptions``: the deals that were let through with gaps, or ask to be. Not here: what an exception is."""

from __future__ import annotations

import dataclasses
import json
import sys
from datetime import timedelta

import typer

from connector import bootstrap
from connector.cli.app import EXIT_FOUND
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config, System
from connector.cli.screen import PlainTable
from connector.cli.show import console
from connector.handoff.model import SystemName
from connector.policy.load import load_all
from connector.store import OpenException
from connector.web.status import age

WEEK = timedelta(days=7)
KINDS = {
    "overridden": "override",
    "warned": "warning",
    "requested": "asked for",
}


def command(*, config: Config = DEFAULT_CONFIG, system: System = "", as_json: AsJson = False) -> None:
    """List the open exceptions: deals that went on with gaps which nobody has filled since, or that ask to.

    An exception is over once its gaps are filled. Exit code 1 when more were opened within a week than
    `[targets] exceptions_a_week` of process.toml allows; that is a red flag, of which the daemon tells people too.

    For example: `handoff exceptions --json`. For one of them go on with `handoff explain DEAL`.
    """
    _, loaded = load_all(config)
    opened = bootstrap.open_store_only(config, mode="read")
    now = opened.clock.now()
    systems = [each.name for each in opened.watched if not system or each.name == system]
    waiting = [one for name in systems for one in opened.store.open_exceptions(name)]
    counts = {name: opened.store.exceptions_opened(name, since=now - WEEK) for name in systems}
    flags = [name for name in systems if counts[name] > loaded.policies[name].targets.exceptions_a_week]
    if as_json:
        data = {
            "open": [dataclasses.asdict(one) for one in waiting],
            "opened_within_a_week": counts,
            "red_flags": flags,
        }
        sys.stdout.write(json.dumps(data, indent=2, default=str) + "\n")
    else:
        _print(waiting, {name: age(now - one.since) for one in waiting for name in [_key(one)]})
        for name in systems:
            flag = ": a red flag" if name in flags else ""
            console().print(f"{name}: {counts[name]} opened within a week{flag}.", markup=False)
    if flags:
        raise typer.Exit(EXIT_FOUND)


def _key(one: OpenException) -> tuple[SystemName, str]:
    return one.system, one.deal_id


def _print(waiting: list[OpenException], ages: dict[tuple[SystemName, str], str]) -> None:
    if not waiting:
        console().print("No exception is open.")
        return
    table = PlainTable("System", "Deal", "For", "What", "By", "Why", "Still missing")
    for one in waiting:
        words = (KINDS.get(one.kind, one.kind), one.by, one.reason, ", ".join(one.missing))
        table.add_row(one.system, one.deal_id, ages[_key(one)], *words)
    console().print(table)
