"""Old activities out of sight: an archived task or event is no answer to a query, only to queryAll.

Not deletion: the row stays live. Facts: Salesforce §1.1.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from connector.sandbox.salesforce.setup_objects import ACTIVITIES

if TYPE_CHECKING:
    from connector.sandbox.rows import Row
    from connector.sandbox.state import World

ARCHIVED = "IsArchived"
AFTER_DAYS = "archive_after_days"
"""Setting: age in days at which closed tasks and past events are archived, 365 in a real org; unset, none ever is."""
SWEPT = "archive_swept"


def sweep(world: World, *, days: int, by: str = "archiver") -> int:
    """Archive what is older than this now; returns how many. The rows keep their stamps."""
    edge = (world.clock.now() - timedelta(days=days)).date().isoformat()
    count = 0
    for name in ACTIVITIES:
        table = world.table(name)
        for row in table.live():
            if not row.values.get(ARCHIVED) and _old(name, row, edge):
                table.update(row.id, {ARCHIVED: True}, by=by, touch=False)
                count += 1
    return count


def sweep_if_due(world: World) -> None:
    """Once a day of the sandbox's clock, archive by the setting; a no-op without it."""
    days = world.settings.get(AFTER_DAYS)
    today = world.clock.now().date()
    if days is not None and world.scratch.get(SWEPT) != (days, today):
        world.scratch[SWEPT] = (days, today)
        sweep(world, days=int(days))


def is_hidden(name: str) -> bool:
    """Whether a plain query leaves out archived rows of this object."""
    return name in ACTIVITIES


def _old(name: str, row: Row, edge: str) -> bool:
    if name == "Task" and not row.values.get("IsClosed"):
        return False
    day = row.values.get("ActivityDate") or row.created_at.date().isoformat()
    return bool(day < edge)
