"""Detect: turn what a CRM's feeds say into deals to look at, and store both in one transaction.

Not here: reading the deals (``reconciler``). A page says only *which* deal; a lost, doubled or reordered row changes
nothing but latency, because every look re-reads the deal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from connector.crm.port import (
    Change,
    ChangePage,
    PlaceLost,
)
from connector.engine.parts import FeedFault, Shared, System
from connector.engine.places import put_aside
from connector.errors import Advice, CrmError, Fault
from connector.failpoints import Failpoint, passing
from connector.store import Look

FEED_READ = "feed.read"
FEED_FAILED = "feed.failed"

log = structlog.get_logger()


class PollFailed(CrmError):
    """Feeds could not be read, though all others were. ``owed`` are those worth another try at once; the rest of
    ``feeds`` the CRM refuses to give."""

    def __init__(self, fault: Fault, *, feeds: frozenset[str], owed: frozenset[str]) -> None:
        super().__init__(fault)
        self.feeds = feeds
        self.owed = owed


def detect(shared: Shared, system: System, feeds: Sequence[str]) -> int:
    """Read these feeds to their ends. Returns how many looks were asked for.

    A feed that fails does not keep the others from being read; a `PollFailed` is raised when all were tried.
    """
    asked = 0
    failed: dict[str, Fault] = {}
    anew: set[str] = set()
    unread = {feed: _cursor(shared, system, feed) for feed in feeds}
    while unread and not shared.stopping.is_set():
        try:
            told = system.crm.poll(unread)
        except PlaceLost as lost:
            if lost.name in anew:
                raise
            anew.add(lost.name)
            put_aside(shared, system, lost.name)
            unread = {**unread, lost.name: _cursor(shared, system, lost.name)}
            continue
        except CrmError as error:
            for feed in unread:
                _failed(shared, system, feed, error.fault)
            raise
        passing(Failpoint.PAGE_READ)
        after: dict[str, str] = {}
        for feed, page in told.items():
            if isinstance(page, Fault):
                log.warning(FEED_FAILED, system=system.name, feed=feed, vendor_code=page.vendor_code)
                failed[feed] = page
                _failed(shared, system, feed, page)
                continue
            asked += _take(shared, system, feed, page, came_from=unread[feed])
            if page.more:
                after[feed] = page.cursor
        if any(fault.advice is Advice.HALT for fault in failed.values()):
            raise PollFailed(_first(failed), feeds=frozenset(feeds), owed=frozenset(feeds))
        unread = after
    if failed:
        owed = frozenset(feed for feed, fault in failed.items() if fault.advice is not Advice.PARK)
        raise PollFailed(_first(failed), feeds=frozenset(failed), owed=owed)
    return asked


def _failed(shared: Shared, system: System, feed: str, fault: Fault) -> None:
    """Remember why a feed could not be read: when it has brought nothing for long, people are told."""
    known = system.unread.get(feed)
    since = known.since if known is not None and known.over is None else shared.clock.now()
    system.unread[feed] = FeedFault(f"{fault.vendor_code or fault.code.value}: {fault.message}", since)


def _first(failed: Mapping[str, Fault]) -> Fault:
    """The fault to tell: one that stops all, else one that passes, which may name a time, else the first."""
    order = (Advice.HALT, Advice.RETRY)
    ranked = [fault for advice in order for fault in failed.values() if fault.advice is advice]
    return (ranked or list(failed.values()))[0]


def _cursor(shared: Shared, system: System, feed: str) -> str:
    known = shared.store.cursor(system.name, feed)
    if known is not None:
        return known
    return system.crm.start_cursor(feed, shared.store.baseline(system.name) or system.crm.server_time())


def _take(shared: Shared, system: System, feed: str, page: ChangePage, *, came_from: str) -> int:
    looks = looks_for(shared, system, page.changes, feed)
    system.live.found(feed, [change.modified_at for change in page.changes])
    if looks or page.cursor != came_from:
        shared.store.enqueue(system.name, looks, cursor=(feed, page.cursor))
        passing(Failpoint.INBOX_COMMITTED)
    known = system.unread.get(feed)
    if known is not None and known.over is None:
        system.unread[feed] = replace(known, over=shared.clock.now())
    if page.changes:
        system.unread.pop(feed, None)
        system.heard[feed] = shared.clock.now()
        log.debug(FEED_READ, system=system.name, feed=feed, rows=len(page.changes))
    return len(looks)


def looks_for(shared: Shared, system: System, changes: Sequence[Change], feed: str) -> list[Look]:
    """One look per deal. Our own echo is looked at later rather than never: a person may have edited in between.

    So is a change of nothing that is mapped: a formula may follow from it, but an org whose automation writes scores
    all day must not cost a look for each. An own change on a deal from before the start is not looked at: what is kept
    there is filled in once, and nothing follows from it.
    """
    if not changes:
        return []
    echoes = shared.store.is_echo(system.name, changes)
    now = shared.clock.now()
    wait = timedelta(seconds=shared.timing.echo_delay)
    own_deals = {each.deal_id for each in changes if each.by_self or each.deal_id in echoes}
    observed = shared.store.observed_only(system.name, sorted(own_deals))
    looks: dict[str, Look] = {}
    for change in changes:
        own = change.by_self or change.deal_id in echoes
        if own and change.deal_id in observed:
            continue
        look = Look(
            deal_id=change.deal_id,
            due_at=_settled(change, now=now, wait=wait) if own or change.minor else now,
            reason=_why(change, feed, own=own),
            modified_at=change.modified_at,
        )
        known = looks.get(change.deal_id)
        if known is None or look.due_at < known.due_at:
            looks[change.deal_id] = look
    return list(looks.values())


def _settled(change: Change, *, now: datetime, wait: timedelta) -> datetime:
    """So long after the change, by the CRM's stamp, and never later than so long from now, whatever its clock says."""
    at = change.modified_at
    return min(now + wait, max(now, at + wait)) if at is not None else now + wait


def _why(change: Change, feed: str, *, own: bool) -> str:
    if own:
        return f"own write seen in {feed}"
    return f"changed in {feed}, in nothing that is mapped" if change.minor else f"changed in {feed}"
