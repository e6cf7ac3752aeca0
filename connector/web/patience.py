"""HTTP for whoever does not come to the point: a connection without a request is closed, as are too many from one
caller, and noise is told now and then.

Not here: reading bodies (``hooks``) and connections between two requests, which uvicorn closes by itself. Without an
end to waiting, a few hundred silent connections would keep every other caller out.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from connector.web.peers import Peers

HEAD_SECONDS = 10.0
"""From the first moment of a connection, or the first byte of a later request, to the end of that request's head. A CRM
sends it at once."""

MOST_PER_PEER = 32
"""Connections of one caller at once; a vendor opens ten by default (facts: HubSpot §2a). More are cut. Trusted proxies
speak for many and have no limit of their own."""

QUIET_SECONDS = 60.0
"""Between two lines in the log of the same words, for anybody may send what is no HTTP."""


class Impatient(H11Protocol):
    """uvicorn's HTTP/1.1 that waits for a request's head no longer than ``head_seconds``, on few connections each."""

    head_seconds = HEAD_SECONDS
    most_per_peer = MOST_PER_PEER
    peers = Peers()
    open_now: ClassVar[Counter[str]] = Counter()
    _peer = ""
    _until: asyncio.TimerHandle | None = None

    @classmethod
    def trusting(cls, peers: Peers) -> type[Impatient]:
        """The same for a server of its own, which knows its proxies."""
        return type("Impatient", (cls,), {"peers": peers, "open_now": Counter()})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody is there."""
        super().connection_made(transport)
        self._peer = self.peers.caller(transport.get_extra_info("peername"))
        if self._peer:
            self.open_now[self._peer] += 1
            if self.open_now[self._peer] > self.most_per_peer:
                transport.abort()
                return
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Something came, be it one byte of a head."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more."""
        self._forget()
        self.open_now[self._peer] -= 1
        if self.open_now[self._peer] <= 0:
            del self.open_now[self._peer]
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._forget()
        elif self._until is None:
            self._until = self.loop.call_later(self.head_seconds, self.transport.close)

    def _forget(self) -> None:
        if self._until is not None:
            self._until.cancel()
            self._until = None


class Seldom(logging.Filter):
    """Lets each text through once in a while."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._told: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to tell it. Errors always are; of the rest uvicorn has a handful of fixed texts."""
        now, text = self._monotonic(), str(record.msg)
        if record.levelno < logging.ERROR and now < self._told.get(text, float("-inf")):
            return False
        self._told[text] = now + QUIET_SECONDS
        return True
