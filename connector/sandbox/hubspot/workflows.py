"""Workflows of the portal: a change of a property sets others, at once or later, and passes every rule as they do.

Not the building of workflows; which there are is listed (facts: HubSpot §4). Setting `workflows`: [{"name", "object"
(deals), "enabled" (true, for the list alone), "when": {"property", "from"?, "to"?}, "set": {property: value},
"delay_s"?}]; the value "$before" is what the changed property held before. A workflow acts after the request that set
it off was answered, at the next one after its delay, and by a timer should nobody ask.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from connector.sandbox.hubspot.asked import Asked, Reply
from connector.sandbox.hubspot.kinds import KINDS, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.sandbox.rows import Row
    from connector.sandbox.state import World

WORKFLOWS = "workflows"
QUEUE = "hubspot.workflows"
BEFORE = "$before"
FLOW_PREFIX = "flow:"
"""How rows name a workflow that wrote them."""


@dataclass(frozen=True, slots=True)
class Run:
    """One action that is due at a moment."""

    due: datetime
    name: str
    table: str
    id: str
    changes: dict[str, Any]


def watch(world: World) -> None:
    """Look at every change of a record from now on."""
    for kind in KINDS:
        world.table(kind.table).after_write = _enroller(world, kind.table)


def run_due(world: World) -> int:
    """Do what is due, each once; what that sets off comes the next time. Returns how many acted."""
    queue: list[Run] = world.scratch.get(QUEUE, [])
    if not queue:
        return 0
    now = world.clock.now()
    due = sorted((run for run in queue if run.due <= now), key=lambda run: run.due)
    world.scratch[QUEUE] = [run for run in queue if run.due > now]
    for run in due:
        table = world.table(run.table)
        if table.get(run.id) is not None:
            table.update(run.id, run.changes, by=FLOW_PREFIX + run.name)
    return len(due)


def list_all(asked: Asked) -> Reply:
    """GET every workflow, by name and the type of record it looks at."""
    flows = asked.world.settings.get(WORKFLOWS, ())
    found = [
        {
            "id": str(number),
            "name": str(flow.get("name", "workflow")),
            "isEnabled": bool(flow.get("enabled", True)),
            "objectTypeId": kind_of(str(flow.get("object", "deals"))).type_id,
        }
        for number, flow in enumerate(flows, 1)
    ]
    return Reply({"results": found}, rows=len(found))


# inside


def _enroller(world: World, table: str) -> Callable[[Row, dict[str, Any]], None]:
    def enroll(row: Row, before: dict[str, Any]) -> None:
        for flow in world.settings.get(WORKFLOWS, ()):
            when = flow["when"]
            name = when["property"]
            old, new = before.get(name), row.values.get(name)
            if flow.get("object", "deals") != table or old == new:
                continue
            if _fits(when.get("from"), old) and _fits(when.get("to"), new):
                changes = {n: old if value == BEFORE else value for n, value in flow["set"].items()}
                delay = float(flow.get("delay_s", 0))
                due = world.clock.now() + timedelta(seconds=delay)
                run = Run(due, str(flow.get("name", "workflow")), table, row.id, changes)
                world.scratch.setdefault(QUEUE, []).append(run)
                if delay > 0:
                    _wake_after(world, delay)

    return enroll


def _wake_after(world: World, seconds: float) -> None:
    def wake() -> None:
        with world.lock:
            run_due(world)
            world.flush()

    timer = threading.Timer(seconds, wake)
    timer.daemon = True
    timer.start()


def _fits(wanted: Any, value: Any) -> bool:
    return wanted is None or value in (wanted if isinstance(wanted, list) else [wanted])
