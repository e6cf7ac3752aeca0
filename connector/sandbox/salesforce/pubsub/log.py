"""The event log of an org: events in order of commit, kept for 72 hours, found again by an opaque replay id.

Not the making of events (`capture.py`) and not delivery (`stream.py`). It lies in a table of the world, so it is
there again after a restart of the sandbox, and a reset of the org empties it.
"""

from __future__ import annotations

import bisect
import dataclasses
import hashlib
import itertools
import secrets
import struct
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from connector.sandbox.rows import AT_ONCE, Row
from connector.sandbox.salesforce.pubsub.events import Event, from_json, to_json

if TYPE_CHECKING:
    from connector.sandbox.state import World

TABLE = "ChangeEventLog"
MARK = "cdc_log"
"""Setting: which log this is. Replay ids of another log (an org moved, copied or expired) open nothing here."""

RETENTION = timedelta(hours=72)
"""Facts: Salesforce §2.3."""

MAX_KEPT = 200_000
"""The log is held in memory; beyond this the oldest events go early, and their replay ids count as too old."""

LOOK_AGAIN_S = 0.05
_ID = struct.Struct(">4sQI4s")


class Corrupted(Exception):
    """A replay id that is malformed, foreign or past retention: the API does not tell which."""


class EventLog:
    """Events with contiguous `seq`. `news` is notified whenever one is added or a stream has to look up.

    Writers take the world's lock and then `news`; readers hold `news` alone, so they must not write.
    """

    def __init__(self, world: World) -> None:
        self.news = threading.Condition()
        self._world = world
        self._table = world.add_table(TABLE)
        self._events: list[Event] = []
        self._start = 0
        self._last = 0
        self._held: list[tuple[datetime, int, list[Event]]] = []
        self._order = itertools.count()
        self._loaded = False

    def load(self) -> None:
        """Take what the state file held; a no-op the second time."""
        with self._world.lock, self.news:
            if self._loaded:
                return
            self._loaded = True
            self._events = [from_json(row.values["event"]) for row in self._table.live()]
            if self._events:
                self._last = self._events[-1].seq
            else:
                # Places begin anew, so an id of the former ones must not seem to fit.
                self._new_mark()

    @property
    def last(self) -> int:
        """The place of the newest event ever logged, 0 before the first."""
        return self._last

    @property
    def first(self) -> int:
        """The place of the oldest event within retention; one past `last` when there is none."""
        oldest = int((self._world.clock.now() - RETENTION).timestamp() * 1000)
        index = bisect.bisect_left(self._events, oldest, lo=self._start, key=lambda event: event.at)
        return self._last - (len(self._events) - index) + 1

    def append(self, events: list[Event], *, due: datetime | None = None) -> None:
        """Log the events of one commit; with `due`, only when the sandbox's clock gets there."""
        self.load()
        with self._world.lock, self.news:
            if due is not None:
                self._held.append((due, next(self._order), events))
            else:
                self._add(events)
            self.news.notify_all()

    def release(self) -> float | None:
        """Log what is due by now; seconds until to look again, None when nothing waits. Not with `news` held."""
        if not self._held:
            return None
        with self._world.lock, self.news:
            now = self._world.clock.now()
            self._held.sort()
            while self._held and self._held[0][0] <= now:
                self._add(self._held.pop(0)[2])
                self.news.notify_all()
            # The clock may stand still or jump, so the wait is never long.
            left = (self._held[0][0] - now).total_seconds() if self._held else None
        return None if left is None else min(LOOK_AGAIN_S, max(0.001, left))

    def after(self, seq: int, limit: int) -> list[Event]:
        """Up to `limit` events that follow a place, oldest first."""
        kept_first = self._last - (len(self._events) - self._start) + 1
        begin = self._start + max(seq + 1, self.first) - kept_first
        return self._events[begin : begin + limit]

    def replay_id(self, seq: int, at_ms: int | None = None) -> bytes:
        """The opaque id of a place; without the event's time it is as good as new."""
        seconds = (at_ms // 1000) if at_ms is not None else int(self._world.clock.now().timestamp())
        mark = self._mark()
        return _ID.pack(mark, seq, seconds, self._seal(mark, seq, seconds))

    def place(self, replay_id: bytes) -> int:
        """The place that an id stands for. Raises Corrupted."""
        try:
            mark, seq, seconds, seal = _ID.unpack(replay_id)
        except struct.error as error:
            raise Corrupted from error
        ours = mark == self._mark() and seal == self._seal(mark, seq, seconds)
        age = self._world.clock.now() - datetime.fromtimestamp(seconds, UTC)
        if not ours or age > RETENTION or not self.first - 1 <= seq <= self.last:
            raise Corrupted
        return int(seq)

    def expire(self) -> None:
        """Drop every event and make every replay id given out so far worthless."""
        self.load()
        with self._world.lock, self.news:
            for event in self._events[self._start :]:
                self._drop(event)
            self._forget_all()

    def cleared(self) -> None:
        """The world dropped its rows, and with them the log."""
        with self._world.lock, self.news:
            self._held = []
            self._forget_all()

    # inside

    def _forget_all(self) -> None:
        self._events, self._start = [], 0
        self._new_mark()
        self.news.notify_all()

    def _add(self, events: list[Event]) -> None:
        now = self._world.round(self._world.clock.now())
        for event in events:
            self._last += 1
            logged = dataclasses.replace(event, seq=self._last)
            self._events.append(logged)
            row = Row(str(self._last), {"event": to_json(logged)}, now, now, logged.user, logged.user, AT_ONCE)
            self._table.put(row)
            self._world.record(self._table, row)
        self._forget_old()

    def _forget_old(self) -> None:
        keep_from = max(self.first, self._last - MAX_KEPT + 1)
        gone = keep_from - (self._last - (len(self._events) - self._start) + 1)
        for event in self._events[self._start : self._start + gone]:
            self._drop(event)
        self._start += max(0, gone)
        # Cut off seldom, so that each event is moved about once.
        if self._start > len(self._events) // 2:
            del self._events[: self._start]
            self._start = 0

    def _drop(self, event: Event) -> None:
        self._table.rewind(str(event.seq), None)

    def _mark(self) -> bytes:
        return bytes.fromhex(self._world.settings[MARK])

    def _new_mark(self) -> None:
        self._world.setting(MARK, secrets.token_hex(4))

    def _seal(self, mark: bytes, seq: int, seconds: int) -> bytes:
        org = next(iter(self._world.table("Organization").rows), "")
        return hashlib.sha256(b"%s|%d|%d|%s" % (mark, seq, seconds, org.encode())).digest()[:4]
