"""Old, closed deals that a portal has had for years, as many as asked for: made when looked at, never kept.

Not seeded deals: nobody at the screens sees them, and what is written to one makes it a row like any other.
Setting `backdrop`: {"deals": how many, "until": ISO instant of the newest change, "step_s"? (61) between two}.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from connector.sandbox.hubspot.derive import iso
from connector.sandbox.hubspot.stretches import PERIOD
from connector.sandbox.rows import AT_ONCE, Change, Row

if TYPE_CHECKING:
    from connector.sandbox.state import World

BACKDROP = "backdrop"
FIRST_ID = 3_200_000_000
"""Below the ids of all other deals, and above those of every other object type that is smaller."""
MOST = 90_000_000
STEP_S = 61.0
OPEN_FOR = timedelta(days=30)
BY = "import"
WON_EVERY = 3


@dataclass(frozen=True, slots=True)
class Backdrop:
    """Deals numbered from 0, each changed `step` after the one before, the last of them at `until`."""

    count: int
    until: datetime
    step: timedelta

    def changed_at(self, number: int) -> datetime:
        """When a deal was closed, which is when it was last changed."""
        return self.until - (self.count - 1 - number) * self.step

    def created_at(self, number: int) -> datetime:
        """When a deal was created."""
        return self.changed_at(number) - OPEN_FOR

    def first_from(self, moment: datetime) -> int:
        """The first deal that was changed at a moment or later."""
        if moment > self.until:
            return self.count
        return max(self.count - 1 - (self.until - moment) // self.step, 0)

    def number(self, record_id: str) -> int | None:
        """The number of a deal with this id, None when it is none of these."""
        found = int(record_id) - FIRST_ID if record_id.isascii() and record_id.isdigit() else -1
        return found if 0 <= found < self.count else None

    def row(self, number: int) -> Row:
        """One deal as a row; what repeats does so every PERIOD deals."""
        rest, closed, created = number % PERIOD, self.changed_at(number), self.created_at(number)
        stage = "closedwon" if rest % WON_EVERY == 0 else "closedlost"
        values = {
            "dealname": f"Archive deal {number + 1:08d}",
            "dealstage": stage,
            "pipeline": "default",
            "amount": str(1_000 + 250 * rest),
            "closedate": iso(closed),
            "dealtype": "existingbusiness" if rest % 2 else "newbusiness",
        }
        history = [
            Change(created, "dealstage", None, "contractsent", BY),
            Change(closed, "dealstage", "contractsent", stage, BY),
        ]
        return Row(
            id=str(FIRST_ID + number),
            values=values,
            created_at=created,
            modified_at=closed,
            created_by=BY,
            modified_by=BY,
            visible_at=AT_ONCE,
            history=history,
        )


def of(world: World) -> Backdrop | None:
    """The backdrop of this portal. Raises ValueError for a setting that makes none."""
    asked = world.settings.get(BACKDROP)
    if not asked:
        return None
    count, until = int(asked["deals"]), datetime.fromisoformat(asked["until"]).astimezone(UTC)
    if not 0 < count <= MOST:
        raise ValueError(f"a backdrop has 1 to {MOST} deals, not {count}")
    return Backdrop(count, world.round(until), timedelta(seconds=float(asked.get("step_s", STEP_S))))


def stand_behind(world: World) -> None:
    """Let the table of deals find them from now on."""

    def row(record_id: str) -> Row | None:
        found = of(world)
        number = found.number(record_id) if found else None
        return found.row(number) if found and number is not None else None

    world.table("deals").backing = row


def drawn(backdrop: Backdrop, ids: list[int]) -> list[int]:
    """The numbers of those that became rows, from all ids of the table, ascending."""
    low, high = bisect.bisect_left(ids, FIRST_ID), bisect.bisect_left(ids, FIRST_ID + backdrop.count)
    return [i - FIRST_ID for i in ids[low:high]]
