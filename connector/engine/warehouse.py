"""Asks databases of the company's own for product events, each every so often, in a thread of its own.

Not here: the question (``store.warehouse``). A slow database keeps nobody waiting, and of several processes one asks.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime
from functools import partial

import structlog

from connector.clock import zoned
from connector.crm.port import UNREADABLE
from connector.engine.parts import Schedule, Shared
from connector.errors import LetterboxFull
from connector.handoff.model import SystemName
from connector.store import failure
from connector.store.warehouse import Fetched, Query, QueryFailed, fetch

QUERY_READ = "query.read"
QUERY_FAILED = "query.failed"

LOOKS_EVERY = 15.0
"""Seconds between two looks at whether it is time."""

LEASE_SECONDS = 900.0
"""A reading that takes longer may be begun by another process; what both bring is known by its ids."""

NOBODYS = SystemName("")
PLACE, ASKED = "query:{}:place", "query:{}:asked"
"""Under these names, beside the feeds' cursors and without a system, stands how far a query was read, and when last."""

log = structlog.get_logger()


def ask_all(shared: Shared, schedules: Sequence[Schedule]) -> int:
    """Ask every query that is due. Returns how many events came; a failure is told in the log and tried again when
    it is due next."""
    return sum(_ask(shared, each) for each in schedules if not shared.stopping.is_set() and _due(shared, each))


def _due(shared: Shared, schedule: Schedule) -> bool:
    last = shared.store.cursor(NOBODYS, ASKED.format(schedule.query.name))
    try:
        return last is None or abs(shared.clock.now() - zoned(last)) >= schedule.every
    except UNREADABLE:  # it is written anew once it was asked
        return True


def _ask(shared: Shared, schedule: Schedule) -> int:
    query, store = schedule.query, shared.store
    lease = f"query:{query.name}"
    if not store.lease(lease, owner=shared.owner, ttl=LEASE_SECONDS):
        return 0
    try:
        if not _due(shared, schedule):
            return 0
        began = shared.clock.now()
        place = store.cursor(NOBODYS, PLACE.format(query.name))
        try:
            found = fetch(query, place, partial(_post, shared, query))
        except (QueryFailed, LetterboxFull) as error:
            said = str(error) or "its events have no room; shorten retention.events_days"
            log.warning(QUERY_FAILED, query=query.name, message=said)
            _note(shared, query, began)
            return 0
        if found.place is not None:
            store.set_cursor(NOBODYS, PLACE.format(query.name), found.place)
        if not found.more:  # else it goes on at the next look
            _note(shared, query, began)
        _tell(query, found)
        return found.rows
    finally:
        store.release(lease, shared.owner)


def _post(shared: Shared, query: Query, letters: Sequence[str]) -> None:
    shared.store.event_box(query.name).post(letters)


def _note(shared: Shared, query: Query, at: datetime) -> None:
    shared.store.set_cursor(NOBODYS, ASKED.format(query.name), at.isoformat())


def _tell(query: Query, found: Fetched) -> None:
    if found.rows or found.skipped:
        log.info(QUERY_READ, query=query.name, events=found.rows, skipped=found.skipped)


class Asker:
    """Looks now and then whether a query is due, in a thread of its own."""

    def __init__(self, shared: Shared, schedules: Sequence[Schedule]) -> None:
        self._shared = shared
        self._schedules = tuple(schedules)
        self._thread = threading.Thread(target=self._run, name="queries", daemon=True)

    def start(self) -> None:
        """Begin, where there is anything to ask."""
        if self._schedules:
            self._thread.start()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the reading in hand; the daemon is stopping. A database that does not answer is not waited for."""
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._shared.stopping.wait(LOOKS_EVERY):
            try:
                ask_all(self._shared, self._schedules)
            except Exception as error:  # noqa: BLE001  # the next look tries again
                log.warning(QUERY_FAILED, query="", message=failure(error) or type(error).__name__)
