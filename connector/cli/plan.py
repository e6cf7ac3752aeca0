"""``handoff plan``: what the daemon would write, and why; nothing is sent and nothing is stored.

Not here: deciding (``handoff``) and reading (``engine.reconciler``).
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from connector import bootstrap
from connector.cli import policydiff, show
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config, System
from connector.cli.screen import PlainTable
from connector.cli.show import ways_data
from connector.crm.port import PlaceLost
from connector.engine.parts import Shared
from connector.engine.parts import System as EngineSystem
from connector.engine.reconciler import LOOK_BATCH, look_at
from connector.engine.ways import Way, count, ways
from connector.handoff.model import LedgerFacts
from connector.handoff.plan import Plan
from connector.store.stillness import pauses_said

OBSERVED = "Only observed: computed as it would be, and not written"
LONG_AGO = datetime(1900, 1, 1, tzinfo=UTC)


def command(
    deals: Annotated[
        list[str] | None, typer.Argument(help="Ids of deals. Without any: those that changed or are due.")
    ] = None,
    *,
    config: Config = DEFAULT_CONFIG,
    system: System = "",
    won_since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="All deals won since this day.")
    ] = None,
    as_if_new: Annotated[
        bool, typer.Option("--as-if-new", help="Treat old wins as though they were won after the start.")
    ] = False,
    policy_diff: Annotated[
        bool, typer.Option("--policy-diff", help="What the mappings as they are now change on handoffs under way.")
    ] = False,
    against: Annotated[
        Path | None, typer.Option("--against", help="With --policy-diff: another folder of mappings to compare with.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show every write the daemon would make, with its reason. Sends nothing. Deals that are only observed (mode
    `pilot`) stand in a table of their own, with the reason.

    For old wins, **--won-since 2026-01-01** also prints how complete their handoff fields are; with **--as-if-new**
    it shows what a backfill would write.

    After the mappings were changed, **--policy-diff** shows by rule what that changes on handoffs under way, against
    the mappings the daemon last ran with or those of another folder.

    For example: `handoff plan` for what is due now, `handoff plan 006HO0000000001YAA` for one deal. Then:
    `handoff run`.
    """
    runtime = bootstrap.open_runtime(config, mode="read")
    if policy_diff or against:
        for each in runtime.chosen(system):
            connect_for_reading(each)
        if as_json:
            policydiff.print_json(policydiff.data(runtime, runtime.chosen(system), deals or [], against=against))
        else:
            policydiff.run(runtime, runtime.chosen(system), deals or [], against=against)
        return
    answers: dict[str, Any] = {}
    for each in runtime.chosen(system):
        connect_for_reading(each)
        plans = tuple(
            _plans(runtime.shared, each, deals or [], won_since.date() if won_since else None, as_if_new=as_if_new)
        )
        sent = (plan for plan in plans if not (each.act and plan.standing.observed))
        planned = ways(each.crm.capabilities, count(action for plan in sent for action in plan.actions))
        still = pauses_said(runtime.shared.store, each.name)
        answers[each.name] = {**_summary(plans), "calls": [ways_data(way) for way in planned], "paused": still}
        if not as_json:
            for line in still:
                show.console().print(line, markup=False, highlight=False)
            _print(each, plans, planned)
    if as_json:
        sys.stdout.write(json.dumps(answers, indent=2) + "\n")


def connect_for_reading(system: EngineSystem) -> None:
    """Log in without touching the ledger: looking sets no baseline and rescues nothing."""
    system.crm.connect()
    system.stages = system.crm.stages()
    system.connected = True


def _plans(
    shared: Shared, system: EngineSystem, deals: Sequence[str], since: date | None, *, as_if_new: bool
) -> Iterable[Plan]:
    def adopted(facts: LedgerFacts) -> LedgerFacts:
        return dataclasses.replace(facts, baseline=LONG_AGO, adopted=True)

    pages = list(_ids(shared, system, deals, since))
    with Progress(transient=True, disable=not sys.stderr.isatty(), console=show.progress_console()) as progress:
        task = progress.add_task(f"{system.name}: reading deals", total=sum(map(len, pages)))
        for page in pages:
            yield from look_at(shared, system, page, pretend=adopted if as_if_new else None).plans.values()
            progress.advance(task, len(page))


def _ids(shared: Shared, system: EngineSystem, deals: Sequence[str], since: date | None) -> Iterable[tuple[str, ...]]:
    if deals:
        yield tuple(deals)
        return
    if since is not None:
        batch: list[str] = []
        for page in system.crm.scan_won(since):
            batch += page
            while len(batch) >= LOOK_BATCH:
                yield tuple(batch[:LOOK_BATCH])
                del batch[:LOOK_BATCH]
        if batch:
            yield tuple(batch)
        return
    due = {look.deal_id for look in shared.store.due(system.name, limit=LOOK_BATCH)}
    start = shared.store.baseline(system.name) or system.first_run_since or system.crm.server_time()
    for feed in system.crm.feeds():
        begun = system.crm.start_cursor(feed, start)
        try:
            told = system.crm.changes(feed, shared.store.cursor(system.name, feed) or begun)
        except PlaceLost:  # the daemon begins it anew just so
            told = system.crm.changes(feed, begun)
        due |= {change.deal_id for change in told.changes}
    if due:
        yield tuple(sorted(due))


def _summary(plans: Sequence[Plan]) -> dict[str, Any]:
    counts = completeness(plans)
    required = [plan.percent for plan in plans if any(finding.checks for finding in plan.findings)]
    phases: dict[str, int] = {}
    for plan in plans:
        phases[plan.phase.value] = phases.get(plan.phase.value, 0) + 1
    return {
        "deals": len(plans),
        "phases": phases,
        "acted_on": sum(not plan.standing.observed for plan in plans),
        "observed": sum(plan.standing.observed for plan in plans),
        "writes": sum(len(plan.actions) for plan in plans),
        "writes_acted_on": sum(len(plan.actions) for plan in plans if not plan.standing.observed),
        "complete": sum(1 for percent in required if percent == 100),
        "mean_percent": round(sum(required) / len(required), 1) if required else None,
        "completeness": {
            field: {"label": label, "filled": filled, "of": needed} for field, (label, filled, needed) in counts.items()
        },
        "plans": [show.plan_data(plan) for plan in plans],
    }


def completeness(plans: Iterable[Plan]) -> dict[str, tuple[str, int, int]]:
    """Per required field: its label, how many deals have it, how many need it."""
    counts: dict[str, tuple[str, int, int]] = {}
    for plan in plans:
        for finding in plan.findings:
            for check in finding.checks:
                _, filled, needed = counts.get(check.field, (check.label, 0, 0))
                counts[check.field] = (check.label, filled + int(check.present), needed + 1)
    return counts


def _print(system: EngineSystem, plans: Sequence[Plan], planned: Sequence[Way]) -> None:
    console = show.console()
    summary = _summary(plans)
    made = summary["writes_acted_on"] if system.act else summary["writes"]
    console.rule(f"{system.name}: {summary['deals']} deals, {made} writes would be made")
    if not plans:
        console.print("Nothing changed and nothing is due. Name deals, or ask for --won-since.")
        return
    console.print(", ".join(f"{count} {phase}" for phase, count in sorted(summary["phases"].items())))
    if summary["mean_percent"] is not None:
        console.print(
            f"Handoff fields: {summary['mean_percent']}% filled on average, {summary['complete']} deals complete"
        )
    counts = completeness(plans)
    if counts:
        console.print(show.completeness_table(counts))
    if planned:
        console.print(show.ways_text(planned))
    if not system.act:
        _print_writes(plans, "Writes that would be made")
        return
    _print_writes([plan for plan in plans if not plan.standing.observed], "Writes that would be made")
    _print_observed([plan for plan in plans if plan.standing.observed and plan.actions])


def _print_writes(plans: Sequence[Plan], title: str) -> None:
    if any(plan.actions for plan in plans):
        show.console().print(show.writes_table(plans, title=title))


def _print_observed(plans: Sequence[Plan]) -> None:
    """What is computed and not carried out, and why."""
    if not plans:
        return
    table = PlainTable("Deal", "Phase", "Gate", "CSM", "Writes", "Why not", title=OBSERVED, title_justify="left")
    for plan in plans:
        csm = plan.assignment.email if plan.assignment else "-"
        gate = plan.gate.value if plan.gate else "-"
        table.add_row(plan.key.deal_id, plan.phase.value, gate, csm, str(len(plan.actions)), plan.standing.why)
    show.console().print(table)
