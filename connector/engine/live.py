"""What a system's listener tells its passes: which feeds are listened to, and which must be polled at once.

Not here: listening (``listener``) and polling (``detector``). Two threads meet here, and nowhere else.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from connector.crm.live import (
    Line,
)

GRACE = timedelta(seconds=30)
"""How long after its stamp a change may be told by a line before it counts as not told: an event takes a second or two,
and comparing two clocks of the vendor's some more."""


class LiveState:
    """The standing of one system's live lines, and when each feed was last polled. Thread-safe; lost with the process,
    which costs one poll of every feed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[str, Line] = {}
        self._wanted: set[str] = set()
        self._polled: dict[str, datetime] = {}
        self._heard: set[str] = set()
        self._deaf: set[str] = set()
        self._compared: dict[str, datetime] = {}
        self._untold: dict[str, datetime] = {}
        self._sweep = False
        self.last_event: datetime | None = None

    def take(self, lines: Iterable[Line]) -> None:
        """Note how lines stand now."""
        with self._lock:
            for line in lines:
                self._lines[line.name] = line
                if not line.live:
                    self._forget_window(line.feeds)

    def drop(self) -> None:
        """Nobody listens any more: every feed is polled at its usual pace."""
        with self._lock:
            self._lines.clear()
            self._deaf.clear()
            self._forget_window(tuple(self._compared))

    def want(self, feeds: Iterable[str], *, sweep: bool = False) -> None:
        """Poll these at the next pass, whatever its occasion; with ``sweep``, go through everything too."""
        with self._lock:
            self._wanted |= set(feeds)
            self._sweep = self._sweep or sweep

    def take_sweep(self) -> bool:
        """Whether a sweep was asked for; asked once, it is forgotten."""
        with self._lock:
            asked, self._sweep = self._sweep, False
            return asked

    def wanted(self) -> frozenset[str]:
        """The feeds that are to be polled whatever the occasion."""
        with self._lock:
            return frozenset(self._wanted)

    def due(self, feeds: Iterable[str], *, now: datetime, safety: timedelta) -> tuple[str, ...]:
        """The feeds to poll at a tick: those nobody listens to, those asked for, and the others for safety."""
        with self._lock:
            spared = self._spared() - self._deaf
            return tuple(
                feed
                for feed in feeds
                if feed in self._wanted
                or feed not in spared
                or feed not in self._polled
                or abs(now - self._polled[feed]) >= safety
            )

    def begin_poll(self, feeds: Iterable[str]) -> None:
        """These are about to be read: whoever asks for them from here on means another time."""
        with self._lock:
            self._wanted -= set(feeds)
            for feed in self._heard & set(feeds):
                self._compared.pop(feed, None)
            self._heard -= set(feeds)

    def hear(self, feeds: Iterable[str]) -> None:
        """A line told of something in these: it is not deaf."""
        with self._lock:
            self._heard |= set(feeds)
            self._deaf -= set(feeds)
            for feed in feeds:
                self._untold.pop(feed, None)

    def found(self, feed: str, stamps: Iterable[datetime]) -> None:
        """A poll found changes with these stamps (the vendor's clock)."""
        with self._lock:
            since = self._compared.get(feed)
            if since is None or feed in self._heard:
                return
            first = min((stamp for stamp in stamps if stamp > since), default=None)
            if first is not None:
                self._untold.setdefault(feed, first)

    def polled(self, feeds: Iterable[str], *, at: datetime, told_at: datetime) -> frozenset[str]:
        """These were read to their end by a poll that began at this time and ended ``told_at``, by the vendor's clock.

        Returns those whose line turned out to be deaf: it stood all the time and told of nothing, and yet polls found a
        change that it had time to tell of. They are polled at the usual pace until it tells of one.
        """
        with self._lock:
            self._polled.update(dict.fromkeys(feeds, at))
            spared = self._spared()
            deaf = {
                feed
                for feed in feeds
                if feed in spared - self._deaf and self._untold.get(feed, told_at) <= told_at - GRACE
            }
            self._deaf |= deaf
            self._compared.update(dict.fromkeys(spared & set(feeds), told_at))
            return frozenset(deaf)

    def put_off(self, feeds: Iterable[str], *, at: datetime) -> None:
        """The CRM refused these at this time: it would a moment later too."""
        with self._lock:
            self._polled.update(dict.fromkeys(feeds, at))

    def deaf(self) -> frozenset[str]:
        """The feeds whose line stands and yet does not tell what happens."""
        with self._lock:
            return frozenset(self._deaf)

    def lines(self) -> Mapping[str, Line]:
        """Every line by name."""
        with self._lock:
            return dict(self._lines)

    def _spared(self) -> frozenset[str]:
        return frozenset().union(*(line.feeds for line in self._lines.values() if line.live))

    def _forget_window(self, feeds: Iterable[str]) -> None:
        for feed in feeds:
            self._compared.pop(feed, None)
            self._untold.pop(feed, None)
