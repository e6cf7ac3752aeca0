"""The queue of exceptions: so many opened within a week are a red flag, of which people are told once.

Not here: what an exception is (``handoff.exceptions``) and showing the queue (``handoff exceptions``).
"""

from __future__ import annotations

from datetime import timedelta

from connector.engine.alarms import Cry, clear_alarm, raise_alarm
from connector.engine.parts import Shared, System

EXCEPTIONS_ALARM = "exceptions"
WEEK = timedelta(days=7)


def watch_exceptions(shared: Shared, system: System) -> None:
    """Raise or clear the red flag."""
    most = system.policy.targets.exceptions_a_week
    opened = shared.store.exceptions_opened(system.name, since=shared.clock.now() - WEEK)
    if not system.act or opened <= most:
        clear_alarm(shared, system, EXCEPTIONS_ALARM)
        return
    raise_alarm(
        shared,
        system,
        EXCEPTIONS_ALARM,
        Cry(
            subject=f"{opened} exceptions were opened within a week",
            text=f"{opened} deals were let through with gaps within seven days, or asked to be; more than {most} are a "
            "red flag.",
            next="handoff exceptions lists those that are open. Have their fields filled; where the same field is "
            "missing on most of them, ask whether it should be required.",
        ),
    )
