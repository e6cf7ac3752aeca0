"""Many deals changed in one millisecond, as a bulk job of another program does it (facts: HubSpot §1).

Not the backdrop: these are rows, seen by everybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.hubspot.kinds import kind_of
from connector.sandbox.hubspot.objects import ids_ascending
from connector.sandbox.views import at_moment

if TYPE_CHECKING:
    from datetime import datetime

    from connector.sandbox.state import World

MARK = "hs_next_step"
KIND = kind_of("deals")


def touch(world: World, count: int, *, at: datetime | None = None, by: str) -> list[str]:
    """Change the first `count` deals at one instant, now if none is given, and return their ids; missing ones are made.

    Raises ValueError for a count below 1.
    """
    if count < 1:
        raise ValueError(f"at least one deal must be touched, not {count}")
    table = world.table(KIND.table)
    with at_moment(world.clock, at or world.clock.now()):
        ids = [str(i) for i in ids_ascending(world, KIND) if table.get(str(i)) is not None][:count]
        for number in range(len(ids), count):
            values = {"dealname": f"Crowd deal {number + 1:06d}", "dealstage": "qualifiedtobuy", "pipeline": "default"}
            ids.append(table.insert(values, by=by).id)
        text = f"Bulk change {world.clock.now().isoformat()}"
        for record_id in ids:
            table.update(record_id, {MARK: text}, by=by)
    return ids
