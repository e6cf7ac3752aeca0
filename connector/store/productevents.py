"""Product events: what people did in the product, kept before its source is answered, each once.

Not here: receiving and judging them (``connector.web.track``) and how long they are kept (``retention``) and what
they count for (``tallies``).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from connector.errors import LetterboxFull
from connector.store.database import Part
from connector.store.schema import product_event

MOST_KEPT = 2_000_000
"""Of one source. One that sends more within the retention is asked to wait, not left to fill the disk."""

COUNTED_FOR = 60.0
"""Seconds for which a count is trusted, apart from what came since."""


@dataclass(frozen=True, slots=True)
class ProductEvent:
    """One event. ``at`` is ISO 8601 with a zone, ``properties`` JSON; ``user_id`` and ``group_id`` may be unknown."""

    message_id: str
    event: str
    at: str
    user_id: str | None
    group_id: str | None
    properties: str

    def letter(self) -> str:
        """As one text, for `EventBox.post`."""
        return json.dumps(asdict(self), separators=(",", ":"))


class ProductEvents(Part):
    """The product events of all sources."""

    def event_box(self, source: str) -> EventBox:
        """Where a source's events are put."""
        return EventBox(self, source)

    def events_kept(self, source: str) -> int:
        """How many events of a source are kept."""
        with self._db.read() as connection:
            return _count(connection, source)

    def put_events(self, source: str, letters: Sequence[str]) -> None:
        """Put events in, in one transaction; those that were there already stay as they are."""
        now = self._db.now()
        # One order for all writers, so that two transactions cannot wait for each other.
        rows = sorted((_row(source, letter, now) for letter in letters), key=lambda row: str(row["message_id"]))
        statement = self._db.insert(product_event).on_conflict_do_nothing(index_elements=["source", "message_id"])
        with self._db.write() as connection:
            connection.execute(statement, rows)


class EventBox:
    """One source's way in. Thread-safe. ``most``: events that may be kept."""

    def __init__(self, events: ProductEvents, source: str, *, most: int = MOST_KEPT) -> None:
        self._events = events
        self._source = source
        self._most = most
        self._lock = threading.Lock()
        self._room = 0
        self._counted_at: float | None = None

    def post(self, letters: Sequence[str]) -> None:
        """Put events in; those that were there already stay as they are. Raises `LetterboxFull`."""
        if not letters:
            return
        with self._lock:
            self._find_room(len(letters))
        self._events.put_events(self._source, letters)

    def _find_room(self, wanted: int) -> None:
        stale = self._counted_at is None or time.monotonic() - self._counted_at > COUNTED_FOR
        if stale or self._room < wanted:
            self._room = self._most - self._events.events_kept(self._source)
            self._counted_at = time.monotonic()
        if self._room < wanted:
            raise LetterboxFull
        self._room -= wanted


def _row(source: str, letter: str, now: datetime) -> dict[str, Any]:
    told = json.loads(letter)
    return {**told, "source": source, "at": datetime.fromisoformat(told["at"]), "received_at": now}


def _count(connection: Connection, source: str) -> int:
    return connection.execute(select(func.count()).where(product_event.c.source == source)).scalar_one()
