"""Parked rows that grow old: a person is told once a day, until somebody retries or drops them.

Not here: parking (``settling``), and what may be done about it (``handoff retry``, ``handoff drop``).
"""

from __future__ import annotations

from datetime import timedelta

from connector.engine.alarms import Cry, clear_alarm, raise_alarm
from connector.engine.parts import Shared, System

PARKED_ALARM = "parked"
DAILY = timedelta(days=1)


def watch_parked(shared: Shared, system: System) -> None:
    """Raise or clear the alarm, and show how old the oldest parked row is."""
    since, count = shared.store.parked_since(system.name)
    old = shared.clock.now() - since if since else timedelta()
    shared.telemetry.oldest_parked.labels(system=system.name).set(max(0.0, old.total_seconds()))
    if not shared.limits.parked or old <= shared.limits.parked:
        clear_alarm(shared, system, PARKED_ALARM)
        return
    hours = int(old.total_seconds() // 3600)
    raise_alarm(
        shared,
        system,
        PARKED_ALARM,
        Cry(
            subject=f"{count} writes are parked, the oldest for {hours} hours",
            text=f"The CRM refused {count} writes, and nobody has seen to them for up to {hours} hours.",
            next="handoff retry lists them with the CRM's words; mend the cause and retry, or: handoff drop.",
            again=DAILY,
        ),
    )
