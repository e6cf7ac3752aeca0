"""Letters: what a CRM sent to us, kept as it came from before it is answered until it is read.

Not here: receiving (``connector.web``), and what a letter says (each adapter). A letter may be there twice, and the
next may have been sent before it: whoever reads them must not care.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select

from connector.errors import LetterboxFull
from connector.failpoints import Failpoint, passing
from connector.handoff.model import SystemName
from connector.store.database import Database, Part, chunks
from connector.store.schema import letter

MOST_WAITING = 100_000
"""Letters that may wait per system. A reader that is so far behind is helped by the sender's trying again later."""

COUNTED_FOR = 5.0
"""Seconds for which a count is trusted, apart from what was put in here since: other processes put in some as well."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter, by the number it is dropped by."""

    id: int
    body: str
    at: datetime


class Letters(Part):
    """The letterboxes of all systems."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._boxes: dict[SystemName, Letterbox] = {}
        self._boxes_lock = threading.Lock()

    def letterbox(self, system: SystemName) -> Letterbox:
        """The letterbox of a system, the same for everybody in this process."""
        with self._boxes_lock:
            return self._boxes.setdefault(system, Letterbox(self._db, system))

    def letters_waiting(self, system: SystemName) -> int:
        """How many letters nobody has read yet."""
        with self._db.read() as connection:
            return _count(connection, system)


class Letterbox:
    """One system's letters. Thread-safe; fits `connector.crm.live.Letterbox`. ``most``: letters that may wait."""

    def __init__(self, database: Database, system: SystemName, *, most: int = MOST_WAITING) -> None:
        self._db = database
        self._system = system
        self._most = most
        self._lock = threading.Lock()
        self._room = 0
        self._counted_at: float | None = None
        self._news = threading.Event()

    def post(self, letters: Sequence[str]) -> None:
        """Put letters in, in one transaction. Raises `LetterboxFull` when they would not all find room."""
        if not letters:
            return
        at = self._db.now()
        rows = [{"system": self._system, "body": body, "at": at} for body in letters]
        with self._db.write() as connection:
            self._find_room(connection, len(rows))
            connection.execute(insert(letter), rows)
            self._db.wake(connection, "letters", self._system)
            passing(Failpoint.LETTER_OPEN)
        passing(Failpoint.LETTER_STORED)
        self._news.set()

    def take(self, limit: int) -> tuple[Letter, ...]:
        """The oldest letters; they stay until they are dropped."""
        self._news.clear()
        query = select(letter).where(letter.c.system == self._system).order_by(letter.c.id).limit(limit)
        with self._db.read() as connection:
            return tuple(Letter(id=row.id, body=row.body, at=row.at) for row in connection.execute(query))

    def drop(self, upto: Sequence[int]) -> None:
        """These were read. Named one by one: a letter with a smaller number may have come in later."""
        if not upto:
            return
        with self._db.write() as connection:
            for part in chunks(sorted(upto)):
                connection.execute(delete(letter).where(letter.c.system == self._system, letter.c.id.in_(part)))
        passing(Failpoint.LETTER_DROPPED)

    def rouse(self) -> None:
        """Another process has put letters in."""
        self._news.set()

    def wait(self, seconds: float) -> None:
        """Wait for letters; of those that another process puts in only `rouse` tells before the time is over."""
        self._news.wait(seconds)

    def _find_room(self, connection: Connection, wanted: int) -> None:
        with self._lock:
            stale = self._counted_at is None or time.monotonic() - self._counted_at > COUNTED_FOR
            if stale or self._room < wanted:
                self._room = self._most - _count(connection, self._system)
                self._counted_at = time.monotonic()
            if self._room < wanted:
                raise LetterboxFull
            self._room -= wanted


def _count(connection: Connection, system: SystemName) -> int:
    return connection.execute(select(func.count()).where(letter.c.system == system)).scalar_one()
