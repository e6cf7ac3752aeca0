"""``handoff explain``: all the whys of one deal. Not here: any reason (they are the core's own words)."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Annotated

import typer

from connector import bootstrap
from connector.cli import show
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config, System
from connector.cli.plan import connect_for_reading
from connector.engine.reconciler import look_at, observe
from connector.errors import Problem, UserError
from connector.handoff.model import Kind
from connector.handoff.whynot import why_not
from connector.store.stillness import held_said, pauses_said

WRITTEN = "Writes that would be made"
NOT_WRITTEN = "Computed as it would be, and not written, because the deal is only observed"


def command(
    deal: Annotated[str, typer.Argument(help="The deal's id in its CRM.")],
    *,
    config: Config = DEFAULT_CONFIG,
    system: System = "",
    as_json: AsJson = False,
) -> None:
    """Explain one deal: the gate field by field, CSM candidates, tasks and clocks, the last event, the next look; and
    why something is not there: not acted on, no task, no message, an empty figure.

    The deal is re-read and decided as the daemon would, but nothing is written. Beside it stands what the ledger
    remembers: what was decided last, what was sent, what is parked and in whose words.

    For example: `handoff explain 006HO0000000001YAA --system sf`. The id is the last part of the deal's address in
    its CRM.
    """
    runtime = bootstrap.open_runtime(config, mode="read")
    shared = runtime.shared
    for each in runtime.chosen(system):
        connect_for_reading(each)
        snapshot = next(iter(observe(shared, each, [deal])), None)
        if snapshot is None:
            continue
        plan = look_at(shared, each, [deal]).plans[deal]
        history = shared.store.audit(each.name, deal)
        now = shared.clock.now()
        roster = dict(shared.store.roster(each.name, now=now))
        missing = why_not(dataclasses.replace(snapshot, roster=roster), each.policy, now)
        still = [*held_said(shared.store, each.name, deal), *pauses_said(shared.store, each.name)]
        if as_json:
            data = show.plan_data(plan) | {
                "history": [show.audit_data(entry) for entry in history],
                "still": still,
                "why_not": [dataclasses.asdict(one) for one in missing],
            }
            sys.stdout.write(json.dumps(data, indent=2) + "\n")
        else:
            console = show.console()
            for line in still:
                console.print(line, markup=False, highlight=False)
            console.print(show.explain(plan, deal_name=snapshot.deal.text("name") or f"{Kind.DEAL.value} {deal}"))
            console.print(show.history_table(history))
            if plan.actions:
                title = NOT_WRITTEN if plan.standing.observed else WRITTEN
                console.print(show.writes_table([plan], title=title))
            console.print(show.why_not_table(missing))
        return
    names = ", ".join(each.name for each in runtime.chosen(system))
    message = f"is not a deal this login can see in {names}; check the id, and --system when there are several"
    raise UserError([Problem("", deal, message)])
