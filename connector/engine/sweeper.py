"""Sweep: find what detection missed, on a slow clock.

Not here: the fast path (``detector``). A sweep lists the won deals of the CRM and asks for a look at each one the
ledger does not know as handled, and at handoffs in flight that nobody looked at for a while: that is also how formula
and roll-up fields, which leave no trace when they change, and merged accounts come to be read. Once a day all changed
deals are compared with the ledger, and all wins since the start are listed.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import structlog

from connector.clock import zoned
from connector.engine.acting import acting_of
from connector.engine.parts import Shared, System
from connector.engine.places import stored
from connector.engine.reconciler import look_again
from connector.engine.silence import accounts_gone, watch_handoffs, watch_wins
from connector.failpoints import Failpoint, passing
from connector.handoff.acting import EVERYBODY, Reach
from connector.handoff.rulebook.people import Method
from connector.store import COMPARED, WEIGHED, Win

SWEEP_DONE = "sweep.done"
FOLLOWED = timedelta(days=90)
"""How long a handoff is followed; what changes later is still seen by the feeds."""
SWEEP_OVERLAP = timedelta(days=1)
"""A win is dated in the org's own zone; a day covers any of them."""

SWEPT = timedelta(days=7)
"""How far back an ordinary sweep lists wins; older ones are listed once a day."""
COMPARE_EVERY = timedelta(days=1)
COMPARE_OVERLAP = timedelta(hours=1)
"""A row may show up later than its stamp; long transactions have their own care (facts: Salesforce §1.1)."""

WEIGHED_AT_ONCE = 500
"""Old handoffs that each sweep asks what they are worth: some forty calls on the dearer CRM."""
PROBE = 20
"""Held deals that each sweep looks at: enough to see that the cause is gone, and no more, for they may be many."""

LEDGER_COMPARED = "ledger.compared"

log = structlog.get_logger()


def sweep(shared: Shared, system: System) -> int:
    """Ask for the looks that are owed and refresh what CSMs carry. Returns looks asked; raises `CrmError`."""
    store = shared.store
    server_time = system.crm.server_time()
    compared_to = _compared_to(shared, system)
    whole = system.last_sweep is None or compared_to is None or server_time - compared_to >= COMPARE_EVERY
    asked = listed = 0
    wins: list[Win] = []
    since = _since(shared, system, server_time=server_time, whole=whole)
    since_all = acting_of(shared, system).starts.get(EVERYBODY)
    for page in system.crm.scan_won(since):
        missed = store.not_held(
            system.name, store.unhandled(system.name, page, act=system.reach is Reach.ACT, since=since_all)
        )
        look_again(shared, system, missed, reason="found by sweep")
        asked, listed = asked + len(missed), listed + len(page)
        wins += store.acted_wins(system.name, page)
    passing(Failpoint.IN_SWEEP)
    now = shared.clock.now()
    reread = now - timedelta(seconds=shared.timing.reread_every)
    stale = store.stale(system.name, looked_before=reread, begun_after=now - FOLLOWED)
    look_again(shared, system, stale, reason="in flight, not looked at for long")
    _weigh_old(shared, system)
    probe = [each.deal_id for each in store.held(system.name, limit=PROBE)]
    look_again(shared, system, probe, reason="held; whether it still would change")
    counted_from = shared.clock.now()
    counts = system.crm.account_counts()
    if not accounts_gone(shared, system, counts):
        store.refresh_roster(system.name, counts, as_of=counted_from)
    if since is not None:
        # Days of the org and days of the ledger may differ by one.
        upto = datetime.combine(since, time.min, tzinfo=UTC) + 2 * SWEEP_OVERLAP
        watch_wins(shared, system, listed=listed, since=upto)
        watch_handoffs(shared, system, wins, whole=whole)
    if compared_to is None:
        store.set_cursor(system.name, COMPARED, server_time.isoformat())
    elif server_time - compared_to >= COMPARE_EVERY:
        asked += _compare(shared, system, since=compared_to, upto=server_time)
    system.last_sweep = shared.clock.now()
    log.info(SWEEP_DONE, system=system.name, missed=asked, in_flight=len(stale))
    return asked + len(stale)


def _weigh_old(shared: Shared, system: System) -> None:
    """Look once at each handoff that began before amounts were kept, where customers go by revenue: until then it
    would count as nothing for whoever has it."""
    pools, store = system.policy.assignment.pools.values(), shared.store
    if not system.act or not any(pool.method is Method.LEAST_REVENUE for pool in pools):
        return
    beyond = store.cursor(system.name, WEIGHED) or ""
    page = store.unweighed(system.name, beyond=beyond, limit=WEIGHED_AT_ONCE)
    if page:
        look_again(shared, system, store.not_held(system.name, page), reason="what it is worth was not kept")
        store.set_cursor(system.name, WEIGHED, page[-1])


def _since(shared: Shared, system: System, *, server_time: datetime, whole: bool) -> date | None:
    baseline = shared.store.baseline(system.name)
    if baseline is None:
        return None
    begun = (baseline - SWEEP_OVERLAP).date()
    return begun if whole else max(begun, (server_time - SWEPT).date())


def _compared_to(shared: Shared, system: System) -> datetime | None:
    """Up to when the ledger was compared; all since the start where that cannot be read."""
    known = shared.store.cursor(system.name, COMPARED)
    at, begun = stored(shared, system, COMPARED, zoned), shared.store.baseline(system.name)
    if at is not None or not known or begun is None:
        return at
    # Noted at once: after a sweep that breaks off the next one would find nothing, and begin from its own time.
    shared.store.set_cursor(system.name, COMPARED, begun.isoformat())
    return begun


def _compare(shared: Shared, system: System, *, since: datetime, upto: datetime) -> int:
    """Look at every deal that changed since the last comparison and that nobody decided on after its change."""
    changed = found = 0
    for page in system.crm.scan_changed(since - COMPARE_OVERLAP):
        # The page has just been answered: before it, the CRM's time is as old as whatever was asked last.
        ahead = system.crm.server_time() - shared.clock.now()
        # What a backfill wrote on old deals is no news: nothing follows from a look at them.
        filled = shared.store.observed_only(system.name, [each.deal_id for each in page if each.by_self])
        telling = [each for each in page if not (each.by_self and each.deal_id in filled)]
        missed = shared.store.not_held(system.name, shared.store.missed(system.name, telling, ahead=ahead))
        look_again(shared, system, missed, reason="changed, and not looked at since")
        changed, found = changed + len(page), found + len(missed)
    shared.store.set_cursor(system.name, COMPARED, upto.isoformat())
    log.info(LEDGER_COMPARED, system=system.name, changed=changed, missed=found)
    return found
