"""Parts of playbooks for tests: a ladder, what follows when nobody does a task, triggers of days.

Not here: steps and policies (``factories``).
"""

from __future__ import annotations

from decimal import Decimal

from factories import DANA, PEOPLE

from connector.handoff.rulebook.calendars import Clock, Days, Limit
from connector.handoff.rulebook.people import Escalation, Role, Rung
from connector.handoff.rulebook.playbooks import Do, Miss, Trigger, TriggerKind

HOUR = Limit(Decimal(1), Clock.BUSINESS)
DAY = Limit(Decimal(8), Clock.BUSINESS)
AT_ONCE = Limit(Decimal(0), Clock.WALL)

LADDER = Escalation(
    ladder=(
        Rung((Role.AE,), (), AT_ONCE),
        Rung((Role.AE_MANAGER,), (), DAY),
        Rung((), (PEOPLE[DANA].email, "nobody@seller.example"), DAY),
    ),
)
ALL = (Miss(Do.REMIND, AT_ONCE), Miss(Do.REASSIGN, DAY), Miss(Do.ESCALATE, DAY))


def after_days(days: int, anchor: str = "won", counted: Days = Days.CALENDAR) -> Trigger:
    """So many days after an anchor, before it when negative."""
    return Trigger(TriggerKind.TIME, anchor=anchor, days=days, counted=counted)
