"""``handoff replay``: have deals looked at again, after showing what would come of it. Not here: looking (``engine``).

A look writes nothing by itself: the deal is read and decided from how it stands now, as after any event.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from connector import bootstrap
from connector.bootstrap.acts import Acts, who
from connector.cli import show
from connector.cli.app import EXIT_FOUND
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config, System, number
from connector.cli.plan import connect_for_reading
from connector.crm.batch import chunks
from connector.engine.parts import Shared
from connector.engine.parts import System as EngineSystem
from connector.engine.reconciler import LOOK_BATCH, look_at
from connector.errors import Problem, UserError
from connector.handoff.plan import Plan
from connector.store import HoldState

HELD = "{held} of them are held because too much changed at once; what is written there goes when they are released."
TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"]


def command(
    *,
    config: Config = DEFAULT_CONFIG,
    system: System = "",
    event: Annotated[
        int | None,
        typer.Option("--event", parser=number, metavar="NUMBER", help="The deal of this entry of the audit trail."),
    ] = None,
    deals: Annotated[list[str] | None, typer.Option("--deal", help="This deal; may be given often.")] = None,
    since: Annotated[
        datetime | None, typer.Option("--since", formats=TIMES, help="All deals that changed in the CRM since (UTC).")
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Have them looked at. Without this nothing is stored.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what looking at deals again would do; with **--apply** have the daemon look at them at its next pass.

    Only looks are asked for: each deal is decided from how it stands when it is looked at, so that nothing is done
    twice. Exit code 1 when something would be written and --apply was not said.

    For example: `handoff replay --since "2026-11-20 14:00"`, `handoff replay --deal 006HO0000000001YAA --apply`.
    """
    if sum(each is not None and each != [] for each in (event, deals or None, since)) != 1:
        raise UserError([Problem("", "--event", "name one of --event, --deal and --since")])
    runtime = bootstrap.open_runtime(config, mode="tool" if apply else "read")
    found: dict[str, Any] = {}
    pending = False
    for each in runtime.chosen(system):
        connect_for_reading(each)
        ids = _ids(runtime.shared, each, event, deals or [], since)
        plans = [
            plan for part in chunks(ids, size=LOOK_BATCH) for plan in look_at(runtime.shared, each, part).plans.values()
        ]
        if apply and ids:
            Acts(runtime.shared.store).replay(each.name, [plan.key.deal_id for plan in plans], by=who())
        pending = pending or any(plan.actions for plan in plans)
        found[each.name] = {
            "deals": len(plans),
            "writes": sum(len(plan.actions) for plan in plans),
            "asked": len(plans) if apply else 0,
            "held": sum(one.state is HoldState.HELD for one in runtime.shared.store.holds(each.name, ids).values()),
            "plans": [show.plan_data(plan) for plan in plans],
        }
        if not as_json:
            _print(each, plans, apply=apply)
            if found[each.name]["held"]:
                show.console().print(HELD.format(held=found[each.name]["held"]))
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    if pending and not apply:
        raise typer.Exit(EXIT_FOUND)


def _ids(
    shared: Shared, system: EngineSystem, event: int | None, deals: Sequence[str], since: datetime | None
) -> tuple[str, ...]:
    if event is not None:
        found = shared.store.deal_of_entry(event)
        if found is None:
            raise UserError([Problem("", "--event", f"the audit trail has no entry {event} about a deal")])
        return (found[1],) if found[0] == system.name else ()
    if since is not None:
        at = since.replace(tzinfo=UTC)
        listed = {one.deal_id for page in system.crm.scan_changed(at) for one in page}
        return tuple(sorted(listed.union(*(_told(system, feed, at) for feed in system.crm.feeds()))))
    return tuple(dict.fromkeys(deals))


def _told(system: EngineSystem, feed: str, since: datetime) -> set[str]:
    """The deals a feed tells of from a time on; the daemon's own place in it is left alone."""
    found: set[str] = set()
    cursor = system.crm.start_cursor(feed, since)
    while True:
        page = system.crm.changes(feed, cursor)
        found |= {change.deal_id for change in page.changes}
        if not page.more:
            return found
        cursor = page.cursor


def _print(system: EngineSystem, plans: Sequence[Plan], *, apply: bool) -> None:
    out = show.console()
    writes = sum(len(plan.actions) for plan in plans)
    out.rule(f"{system.name}: {len(plans)} deals, {writes} writes would be made")
    if writes:
        out.print(show.writes_table(plans))
    if apply:
        out.print(f"{len(plans)} deals are looked at at the next pass.")
    elif plans:
        out.print("Nothing was stored. To have them looked at: the same with --apply.")
