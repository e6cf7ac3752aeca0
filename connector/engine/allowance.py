"""The day's calls: how many are left, and whether the daemon keeps to what cannot wait.

Not here: rates within seconds (``crm.budget``) and what a spent day does (``brakes``). The vendor itself counts what
everybody calls, so all workers and all other programs share one number; each pass leaves it in the store.
"""

from __future__ import annotations

from datetime import timedelta

import structlog

from connector.engine.parts import Shared, System
from connector.store import CALLS, SPARING

RESERVE_REACHED = "reserve.reached"
RESERVE_OVER = "reserve.ended"

SPARING_POLL = timedelta(minutes=4, seconds=30)
"""How often feeds are polled while the daemon keeps to essentials: with the tick that comes after it, the reading and
the writing, a win is still handled within five minutes."""

SPARING_RETRY = timedelta(minutes=1)
"""How soon when a poll failed: a blip must not cost a win another five minutes, nor a broken feed a call a tick."""

log = structlog.get_logger()


def poll_due(shared: Shared, system: System) -> bool:
    """Whether the feeds are to be polled in this pass; notes that they are."""
    now = shared.clock.now()
    if system.sparing and system.last_poll is not None and abs(now - system.last_poll) < SPARING_POLL:
        return False
    system.last_poll = now
    return True


def poll_failed(system: System) -> None:
    """The poll that was due brought nothing, so the next one is due sooner."""
    if system.last_poll is not None:
        system.last_poll -= SPARING_POLL - SPARING_RETRY


def take_stock(shared: Shared, system: System) -> None:
    """Decide whether this system keeps to essentials, say so when that changes, and leave the figure in the store."""
    calls = system.crm.daily_calls
    if calls is None:
        return
    kept = int(calls.allowed * system.reserve)
    sparing = calls.left <= kept
    shared.telemetry.calls_left.labels(system=system.name).set(calls.left)
    shared.store.set_cursor(system.name, CALLS, f"{calls.used}/{calls.allowed}{f' {SPARING}' if sparing else ''}")
    if sparing == system.sparing:
        return
    system.sparing = sparing
    if sparing:
        log.warning(
            RESERVE_REACHED,
            system=system.name,
            left=calls.left,
            reserve=kept,
            next="wins, gates and tasks go on, polled every 5 minutes; sweeps wait. Find who uses the calls up",
        )
    else:
        log.info(RESERVE_OVER, system=system.name, left=calls.left, reserve=kept)
