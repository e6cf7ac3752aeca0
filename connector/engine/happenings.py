"""Product events that came in are counted, a few batches a tick; whoever they matter to is looked at soon after.

Not here: taking events in (``web``, ``warehouse``) and what counts mean (``handoff``). Sources belong to no system, and
the mapping files are one: whichever system's pass comes first counts for all.
"""

from __future__ import annotations

import structlog

from connector.engine.parts import Shared, System

EVENTS_COUNTED = "events.counted"

BATCHES = 10
"""Batches a pass counts at most: a flood of events must not keep a win waiting; the next tick goes on."""

log = structlog.get_logger()


def count_events(shared: Shared, system: System) -> int:
    """Count what came in. Returns how many deals are to be looked at because of it."""
    policy = system.policy.product
    if policy is None:
        return 0
    events = nameless = deals = 0
    for _ in range(BATCHES):
        read = shared.store.read_events(policy)
        events, nameless, deals = events + read.events, nameless + read.nameless, deals + read.deals
        if not read.events or shared.stopping.is_set():
            break
    if events:
        log.info(EVENTS_COUNTED, system=system.name, events=events, nameless=nameless, deals=deals)
    return deals
