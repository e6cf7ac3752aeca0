"""Once a day one process keeps house: chains what waits for it, notes where the trail ends, lets go of what is old.

Not here: what goes (``store.retention``) and what the chain is (``store.trail``). It works in small batches beside
everything else, and stops between two of them; what is left is for the next day, or for the next start.
"""

from __future__ import annotations

import threading
from datetime import timedelta

import structlog

from connector.clock import zoned
from connector.crm.port import UNREADABLE
from connector.engine.parts import Shared
from connector.handoff.model import SystemName
from connector.store import failure

TRAIL_ANCHORED = "trail.anchored"
TRAIL_CHAINED = "trail.chained"
HOUSE_KEPT = "house.kept"
HOUSE_FAILED = "house.failed"

EVERY = timedelta(days=1)
LOOKS_EVERY = 600.0
"""Seconds between two looks at whether it is time."""

LEASE = "housekeeping"
LEASE_SECONDS = 300.0
KEPT_AT = "house-kept"
"""Under this name, beside the feeds' cursors and without a system, stands when it was done last."""

NOBODYS = SystemName("")
PAUSE = 0.05
"""Seconds between two batches: passes that wait for the database go first."""

log = structlog.get_logger()


def keep_house(shared: Shared) -> bool:
    """Keep house if a day has passed since anybody did; returns whether this process did."""
    store = shared.store
    if not _due(shared) or not store.lease(LEASE, owner=shared.owner, ttl=LEASE_SECONDS):
        return False
    try:
        if not _due(shared):
            return False
        chained = 0
        while (count := store.chain_waiting()) and not shared.stopping.wait(PAUSE):
            chained += count
            # Years of rows take longer than a lease.
            store.lease(LEASE, owner=shared.owner, ttl=LEASE_SECONDS)
        if chained:
            log.info(TRAIL_CHAINED, rows=chained)
        went = _trim(shared)
        for anchor in store.anchors():
            log.info(TRAIL_ANCHORED, system=anchor.system, rows=anchor.seq, hash=anchor.hash)
        if not shared.stopping.is_set():
            store.set_cursor(NOBODYS, KEPT_AT, shared.clock.now().isoformat())
        log.info(HOUSE_KEPT, **went)
        return True
    finally:
        store.release(LEASE, shared.owner)


def _due(shared: Shared) -> bool:
    last = shared.store.cursor(NOBODYS, KEPT_AT)
    try:
        return last is None or abs(shared.clock.now() - zoned(last)) >= EVERY
    except UNREADABLE:  # it is written anew when the house is kept
        return True


def _trim(shared: Shared) -> dict[str, int]:
    went: dict[str, int] = {}
    while not shared.stopping.is_set() and (batch := shared.store.trim(shared.keep)):
        for kind, count in batch.items():
            went[kind] = went.get(kind, 0) + count
            shared.telemetry.let_go.labels(kind=kind).inc(count)
        shared.store.lease(LEASE, owner=shared.owner, ttl=LEASE_SECONDS)
        shared.stopping.wait(PAUSE)
    return went


class Housekeeper:
    """Looks now and then whether the house is to be kept, in a thread of its own."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Begin; the first look comes after a while, so that a start is not slowed by it."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the end of the batch in hand; the daemon is stopping."""
        self._thread.join()

    def _run(self) -> None:
        while not self._shared.stopping.wait(LOOKS_EVERY):
            try:
                keep_house(self._shared)
            except Exception as error:  # noqa: BLE001  # the next look tries again
                log.warning(HOUSE_FAILED, message=failure(error) or type(error).__name__)
