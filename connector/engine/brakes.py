"""Brakes: stop a system when going on would do harm, and say why.

Not here: retrying single rows (``dispatcher``). A halted system keeps its work; nothing is dropped.
"""

from __future__ import annotations

from datetime import timedelta

import structlog

from connector.engine.parts import Shared, System
from connector.errors import Advice, Fault

SYSTEM_HALTED = "system.halted"
PAUSE_ENDED = "pause.ended"
ITSELF = "handoff"
"""Who ends a pause that a person gave an end."""

HALT_FOR = timedelta(minutes=1)
"""How long to wait before a halted system is tried again when the vendor named no time."""

LONGEST_REST = timedelta(minutes=5)
"""Longest that a vendor's time for trying again is kept to without a look whether it still holds: a migration may name
a day, and end in an hour (facts: HubSpot §3d)."""

log = structlog.get_logger()


def halt(shared: Shared, system: System, fault: Fault) -> None:
    """Pause one system until the vendor's time, or a minute; readiness turns red meanwhile."""
    now = shared.clock.now()
    # A time that has passed (the vendor's clock is not ours) would be no pause at all.
    until = fault.retry_at if fault.retry_at and fault.retry_at > now else now + HALT_FOR
    reason = f"{fault.code}: {fault.vendor_code}: {fault.message}"
    shared.store.pause(system.name, until=until, reason=reason)
    system.trouble = reason
    system.connected = False
    log.error(SYSTEM_HALTED, system=system.name, code=fault.code.value, vendor_code=fault.vendor_code, until=str(until))


def rest(shared: Shared, system: System, fault: Fault) -> None:
    """Let passes of one system wait until the vendor's time, where it named one for trying again: to ask before it is
    refused again, and counts. The system keeps its connection and stays ready."""
    now = shared.clock.now()
    if fault.advice is Advice.RETRY and fault.retry_at is not None and fault.retry_at > now:
        system.rests_until = min(fault.retry_at, now + LONGEST_REST)


def standing_still(shared: Shared, system: System) -> bool:
    """Whether a person paused the whole system. A pause whose time has come is ended, whatever it was of."""
    for over in shared.store.pauses_over(system.name):
        shared.store.resume_by_hand(system.name, rule=over.rule, by=ITSELF, why="its time is over")
        log.info(PAUSE_ENDED, system=system.name, rule=over.rule, by=over.by)
    return any(not each.rule for each in shared.store.pauses(system.name))


def resting(shared: Shared, system: System) -> bool:
    """Whether the vendor's time for trying again is still to come."""
    now = shared.clock.now()
    # A clock that was set back must not make a rest any longer than it may be.
    if system.rests_until is not None and not now < system.rests_until <= now + LONGEST_REST:
        system.rests_until = None
    return system.rests_until is not None
