"""Somebody who is sent webhooks: keeps what arrives and answers as told."""

from __future__ import annotations

import json
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Delivery:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.raw)
        return found


@dataclass
class Receiver:
    """A server on a free loopback port. `answers` are used up one by one; then it is 200. 0 cuts the line, and
    `hold` keeps every answer back until it is set."""

    deliveries: list[Delivery] = field(default_factory=list)
    answers: deque[int] = field(default_factory=deque)
    hold: threading.Event = field(default_factory=threading.Event)
    at_once: int = 0
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self.hold.set()
        self._lock = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/webhooks/hubspot/hs"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for delivery in self.deliveries for event in delivery.events]

    def close(self) -> None:
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()

    def crowded(self, count: int) -> bool:
        """Wait until so many requests stand here at once; False when they do not come."""
        with self._lock:
            return self._lock.wait_for(lambda: self.at_once >= count, timeout=10)

    def take(self, delivery: Delivery) -> int:
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self._lock.notify_all()
        self.hold.wait(10)
        with self._lock:
            self.at_once -= 1
            self.deliveries.append(delivery)
            return self.answers.popleft() if self.answers else 200

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.take(Delivery(self.path, dict(self.headers.items()), raw))
                if not status:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
