"""What is looked after at the end of each pass beside the deals: pauses that are over, alarms, what has grown silent.

Not here: the checks themselves (``masschange``, ``ageing``, ``silence``). None of it calls a CRM.
"""

from __future__ import annotations

from collections.abc import Callable

from connector.engine.ageing import watch_parked
from connector.engine.alarms import tell_untold
from connector.engine.exceptions import watch_exceptions
from connector.engine.governance import watch_governance
from connector.engine.masschange import cry_for_held
from connector.engine.measuring import show_figures
from connector.engine.parts import Shared, System
from connector.engine.places import watch_places
from connector.engine.silence import note_people, watch_feeds


def look_after(shared: Shared, system: System) -> None:
    """Bring alarms up to date with how things stand, and tell what could not be told."""
    for check in CHECKS:
        check(shared, system)
    tell_untold(shared, system)


CHECKS: tuple[Callable[[Shared, System], None], ...] = (
    cry_for_held,
    watch_parked,
    note_people,
    watch_feeds,
    watch_places,
    watch_exceptions,
    show_figures,
    watch_governance,
)
