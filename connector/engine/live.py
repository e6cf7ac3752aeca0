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


class LiveState:
    """The standing of one system's live lines, and when each feed was last polled. Thread-safe; lost with the process,
    which costs one poll of every feed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[str, Line] = {}
        self._wanted: set[str] = set()
        self._polled: dict[str, datetime] = {}
        self._sweep = False
        self.last_event: datetime | None = None

    def take(self, lines: Iterable[Line]) -> None:
        """Note how lines stand now."""
        with self._lock:
            self._lines.update({line.name: line for line in lines})

    def drop(self) -> None:
        """Nobody listens any more: every feed is polled at its usual pace."""
        with self._lock:
            self._lines.clear()

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
            spared = frozenset().union(*(line.feeds for line in self._lines.values() if line.live))
            return tuple(
                feed
                for feed in feeds
                if feed in self._wanted
                or feed not in spared
                or feed not in self._polled
                or now - self._polled[feed] >= safety
            )

    def begin_poll(self, feeds: Iterable[str]) -> None:
        """These are about to be read: whoever asks for them from here on means another time."""
        with self._lock:
            self._wanted -= set(feeds)

    def polled(self, feeds: Iterable[str], *, at: datetime) -> None:
        """These were read to their end by a poll that began at this time."""
        with self._lock:
            self._polled.update(dict.fromkeys(feeds, at))

    def lines(self) -> Mapping[str, Line]:
        """Every line by name."""
        with self._lock:
            return dict(self._lines)
