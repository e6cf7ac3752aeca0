"""Sweep: find what detection missed, on a slow clock.

Not here: the fast path (``detector``). A sweep lists the won deals of the CRM and asks for a look at each one the
ledger does not know as handled, and at handoffs in flight that nobody looked at for a while.
"""

from __future__ import annotations

from datetime import timedelta

import structlog

from connector.engine.parts import Shared, System
from connector.engine.reconciler import look_again

SWEEP_DONE = "sweep.done"
FOLLOWED = timedelta(days=90)
"""How long a handoff is followed; what changes later is still seen by the feeds."""
SWEEP_OVERLAP = timedelta(days=1)
"""A win is dated in the org's own zone; a day covers any of them."""

log = structlog.get_logger()


def sweep(shared: Shared, system: System) -> int:
    """Ask for the looks that are owed and refresh what CSMs carry. Returns looks asked; raises `CrmError`."""
    store = shared.store
    baseline = store.baseline(system.name)
    since = (baseline - SWEEP_OVERLAP).date() if baseline else None
    asked = 0
    for page in system.crm.scan_won(since):
        missed = store.unhandled(system.name, page, act=system.act)
        look_again(shared, system, missed, reason="found by sweep")
        asked += len(missed)
    now = shared.clock.now()
    last_sweep = now - timedelta(seconds=shared.timing.sweep_every)
    stale = store.stale(system.name, looked_before=last_sweep, begun_after=now - FOLLOWED)
    look_again(shared, system, stale, reason="in flight, not looked at since the last sweep")
    counted_from = shared.clock.now()
    store.refresh_roster(system.name, system.crm.account_counts(), as_of=counted_from)
    system.last_sweep = shared.clock.now()
    log.info(SWEEP_DONE, system=system.name, missed=asked, in_flight=len(stale))
    return asked + len(stale)
