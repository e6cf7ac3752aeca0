"""Listen: one thread per system that has a live feed; what it hears goes into the inbox and wakes the system's pass.

Not here: reading deals (``reconciler``) and streams (each adapter's ``live``). A hint says only which deal. It is
stored with the place on the stream in one transaction, so a process that dies hears the rest again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing

import structlog

from connector.crm.live import (
    Hints,
    Line,
    LiveFeed,
    Sighting,
)
from connector.crm.port import (
    Change,
)
from connector.engine.detector import looks_for
from connector.engine.onepass import hold
from connector.engine.parts import Shared, System
from connector.errors import CrmError
from connector.failpoints import Failpoint, passing
from connector.handoff.model import Kind, Ref
from connector.store import LIVE_CURSOR, LIVE_NOTE, LeadLost, LiveNote, failure, under
from connector.store.livenote import RENEW

LIVE_OPENED = "live.opened"
LIVE_LOST = "live.lost"
LIVE_MISSED = "live.missed"
LIVE_CRASHED = "live.crashed"
HINTS_READ = "hints.read"
HINTS_UNRESOLVED = "hints.unresolved"

HOLD_EVERY = 15.0
"""Seconds between two looks at whether this process may still listen: a quarter of a lease."""

WAIT = 1.0
"""Seconds between two looks at whether it may begin."""

AFTER_CRASH = 10.0
STOP_SECONDS = 1.0

Wake = Callable[[System], None]

log = structlog.get_logger()


class Listener:
    """The thread of one system. ``wake`` is called when something waits that should not wait for the next tick."""

    def __init__(self, shared: Shared, system: System, *, wake: Wake) -> None:
        self._shared = shared
        self._system = system
        self._wake = wake
        self._noted_at = 0.0
        self._held_at = 0.0
        self._crashed = False
        self._thread = threading.Thread(target=self.run, name=f"listener:{system.name}", daemon=True)

    def start(self) -> None:
        """Begin to listen as soon as the system is connected."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the end; ``shared.stopping`` must be set. A call that hangs is left behind after a second."""
        self._thread.join(STOP_SECONDS)

    def run(self) -> None:
        """Listen until the process stops. Returns at once where there is nothing to listen to."""
        stopping = self._shared.stopping
        more = True
        while more and not stopping.is_set():
            try:
                more = self._turn()
            except Exception as error:
                # Whatever it was, a thread that ends here would not be missed by anybody. Polling goes on meanwhile.
                if failure(error):
                    # The pass tells of it. What was heard last was not stored: it is heard again from the stored place.
                    self._crashed = False
                else:
                    log.exception(LIVE_CRASHED, system=self._system.name)
                stopping.wait(AFTER_CRASH)

    def _turn(self) -> bool:
        """Listen once if this process may; False where there is nothing to listen to."""
        if not self._may_listen():
            self._shared.stopping.wait(WAIT)
            return True
        feed = self._system.crm.live()
        replica = self._shared.replica
        try:
            with under(replica.lead(self._system.name) if replica is not None else None):
                if feed is None:
                    self._shared.store.set_cursor(self._system.name, LIVE_NOTE, "")
                    return False
                self.listen(feed)
        except LeadLost:
            self._crashed = False  # whoever leads now goes on from the stored place
        return True

    def listen(self, feed: LiveFeed) -> None:
        """Take what the feed says until the process stops or the system is another's.

        After a time of listening that crashed the next one begins at the end, and what lies between is polled: going on
        from the stored place could meet what it crashed over for ever.
        """
        shared, system = self._shared, self._system
        cursor = None if self._crashed else shared.store.cursor(system.name, LIVE_CURSOR)
        self._crashed = True
        try:
            with closing(feed.listen(cursor, shared.stopping)) as heard:
                for hints in heard:
                    if shared.stopping.is_set() or not self._may_go_on():
                        break
                    self.take(feed, hints)
            self._crashed = False
        finally:
            system.live.drop()
            shared.telemetry.live_lines.labels(system=system.name).set(0)

    def take(self, feed: LiveFeed, hints: Hints) -> None:
        """Store what was heard, then act on how the lines stand, then wake whoever is needed."""
        shared, system = self._shared, self._system
        cursor = (LIVE_CURSOR, hints.cursor) if hints.cursor else None
        urgent = False
        if hints.sightings:
            passing(Failpoint.HINT_READ)
            looks = looks_for(shared, system, self._changes(feed, hints.sightings), "the live feed")
            shared.store.enqueue(system.name, looks, cursor=cursor)
            passing(Failpoint.HINT_COMMITTED)
            urgent = any(look.due_at <= shared.clock.now() for look in looks)
            system.live.last_event = shared.clock.now()
            shared.telemetry.hints.labels(system=system.name).inc(len(hints.sightings))
            log.debug(HINTS_READ, system=system.name, records=len(hints.sightings))
        elif cursor is not None:
            shared.store.set_cursor(system.name, *cursor)
        # Also what is of no consequence; and not before the rest is stored.
        system.live.hear(hints.heard)
        if hints.missed or hints.sweep:
            log.info(LIVE_MISSED, system=system.name, feeds=sorted(hints.missed), why=hints.sweep)
        system.live.want(hints.missed, sweep=bool(hints.sweep))
        self._tell(hints.lines)
        self._leave_note(changed=bool(hints.lines))
        # At the reserve of the day's calls what is heard waits for the next tick: a trickle of events, each with a pass
        # of its own, would use the rest up.
        if (urgent or hints.missed) and not system.sparing:
            self._wake(system)

    def _changes(self, feed: LiveFeed, sightings: Sequence[Sighting]) -> list[Change]:
        """The deals behind what was seen: from the event, else from the ledger, else asked of the CRM in one call."""
        found: list[Change] = []
        blank = [each for each in sightings if not each.deal_ids]
        known = self._known({each.ref for each in blank})
        unknown = sorted({each.ref for each in blank if each.ask and each.ref not in known}, key=lambda ref: ref.id)
        if unknown:
            known |= self._asked(feed, unknown)
        for each in sightings:
            deals = each.deal_ids or known.get(each.ref, ())
            found += [Change(deal, each.modified_at, by_self=each.by_self, minor=each.minor) for deal in deals]
        return found

    def _known(self, refs: set[Ref]) -> dict[Ref, tuple[str, ...]]:
        if not refs:
            return {}
        store, name = self._shared.store, self._system.name
        accounts = store.deals_of_accounts(name, {ref.id for ref in refs if ref.kind is Kind.ACCOUNT})
        records = store.deals_of_records(name, {ref.id for ref in refs if ref.kind is not Kind.ACCOUNT})
        found = {Ref(Kind.ACCOUNT, account): deals for account, deals in accounts.items()}
        return found | {ref: (records[ref.id],) for ref in refs if ref.kind is not Kind.ACCOUNT and ref.id in records}

    def _asked(self, feed: LiveFeed, refs: Sequence[Ref]) -> dict[Ref, tuple[str, ...]]:
        """What the CRM says these belong to; of an account only the deals whose handoff is under way."""
        system = self._system
        try:
            told = feed.deals_of(refs)
        except CrmError as error:
            feeds = frozenset().union(*(line.feeds for line in system.live.lines().values()))
            log.warning(HINTS_UNRESOLVED, system=system.name, records=len(refs), vendor_code=error.fault.vendor_code)
            system.live.want(feeds, sweep=True)
            return {}
        of_accounts = [deal for ref, deals in told.items() if ref.kind is Kind.ACCOUNT for deal in deals]
        busy = self._shared.store.under_way(system.name, of_accounts) if of_accounts else frozenset()
        return {
            ref: tuple(deal for deal in deals if ref.kind is not Kind.ACCOUNT or deal in busy)
            for ref, deals in told.items()
        }

    # whether, and how it stands

    def _may_listen(self) -> bool:
        """Connected, not halted, and nobody else's: who listens is who works on the system."""
        system = self._system
        if not system.connected or self._shared.store.paused(system.name) is not None:
            return False
        self._held_at = time.monotonic()
        return hold(self._shared, system)

    def _may_go_on(self) -> bool:
        if not self._system.connected:
            return False
        if self._shared.replica is not None:
            return self._shared.replica.leads(self._system.name)
        return time.monotonic() - self._held_at < HOLD_EVERY or self._may_listen()

    def _tell(self, lines: Sequence[Line]) -> None:
        system = self._system
        before = system.live.lines()
        for line in lines:
            was = before.get(line.name)
            if line.live and not (was and was.live):
                log.info(LIVE_OPENED, system=system.name, line=line.name)
            elif line.why and (was is None or was.live or was.why != line.why):
                log.warning(LIVE_LOST, system=system.name, line=line.name, why=line.why, next="polled meanwhile")
        system.live.take(lines)
        up = sum(line.live for line in system.live.lines().values())
        self._shared.telemetry.live_lines.labels(system=system.name).set(up)

    def _leave_note(self, *, changed: bool) -> None:
        """For the status page: when something changed, and often enough to be believed."""
        if not changed and time.monotonic() - self._noted_at < RENEW:
            return
        self._noted_at = time.monotonic()
        live, now = self._system.live, self._shared.clock.now()
        deaf = live.deaf()
        lines = {line.name: _standing(line, deaf=bool(line.feeds & deaf)) for line in live.lines().values()}
        note = LiveNote(at=now, last_event=live.last_event, lines=lines)
        self._shared.store.set_cursor(self._system.name, LIVE_NOTE, note.dump())


def _standing(line: Line, *, deaf: bool) -> str:
    if not line.live:
        return line.why or "not open yet"
    return "it did not tell of a change that a poll found" if deaf else ""
