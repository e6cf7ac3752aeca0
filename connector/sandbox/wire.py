"""What stands between a socket and a vendor app: journal, planted faults, the sandbox's clock in the Date header.

Not a vendor: it knows no endpoint and no error body. A vendor module supplies those through `Vendor`.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from starlette.responses import Response

from connector.sandbox.faults import DEFAULT_SILENCE_S, WIRE_KINDS, Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from connector.sandbox.state import World

TRACE = "sandbox.trace"
EAR = "sandbox.ear"
"""Part of a world: if there, called with method, path with its query, body, status and answer of every exchange."""
LAG_KINDS = frozenset({"late_commit", "search_lag"})
DEFAULT_LAG_S = 2.0
SLOW_S = 2.0
SCREEN_PATHS = ("/ui", "/favicon.ico")


@dataclass(slots=True)
class Trace:
    """What the vendor app tells the journal about one request, and the row fault it has to act out."""

    kind: str = "other"
    rows: int = 0
    caller: str = ""
    write: bool = False
    fault: Fault | None = None
    within: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Vendor:
    """What the wire needs from a vendor besides its app.

    `refuse(kind, fault)` is the vendor's own reply to a whole-request fault ("429", "500", "502", "503",
    "expired_token"); `headers(world)` go on every API reply.
    """

    refuse: Callable[[str, Fault], Response]
    headers: Callable[[World], dict[str, str]] = field(default=lambda _world: {})


def trace_of(request: Request) -> Trace:
    """The trace of the request being served."""
    found: Trace = request.scope[TRACE]
    return found


class Wire:
    """The outermost ASGI app of one vendor port."""

    def __init__(self, app: ASGIApp, *, world: World, vendor: Vendor) -> None:
        self._app = app
        self._world = world
        self._vendor = vendor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; screens pass through untouched."""
        if scope["type"] != "http" or scope["path"] == "/" or scope["path"].startswith(SCREEN_PATHS):
            await self._app(scope, receive, send)
            self._world.flush()
            return
        body = await _read_body(receive)
        if body is not None:
            await self._serve(scope, body, receive, send)

    async def _serve(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        path = unquote_plus((scope["raw_path"] + b"?" + scope["query_string"]).decode("latin-1").rstrip("?"))
        fault = self._world.faults.take(self._world.name, scope["method"], path)
        kind = fault.kind if fault else ""
        if kind == "reset_before":
            self._note(scope, path, Trace(kind="reset"), status=0, started=started)
            _cut(send)
            return
        if fault and kind in WIRE_KINDS - {"reset_after", "timeout_after", "slow"}:
            trace, reply = Trace(kind="refused"), _Reply.of(self._vendor.refuse(kind, fault))
        else:
            trace = Trace(fault=fault if fault and kind not in WIRE_KINDS else None)
            reply = await self._work(scope, body, trace)
        self._note(scope, path, trace, status=0 if kind == "reset_after" else reply.status, started=started)
        if kind == "reset_after":
            _cut(send)
            return
        await self._wait(fault, receive)
        await reply.send(send, self._headers())

    async def _work(self, scope: Scope, body: bytes, trace: Trace) -> _Reply:
        # The body is at hand and the reply is caught, so the vendor app never suspends: each request is atomic.
        reply = _Reply()
        scope[TRACE] = trace
        lag = trace.fault.seconds(DEFAULT_LAG_S) if trace.fault and trace.fault.kind in LAG_KINDS else 0.0
        with self._world.lock:
            self._world.extra_lag = timedelta(seconds=lag)
            try:
                await self._app(scope, _replay(body), reply.catch)
            finally:
                self._world.extra_lag = timedelta()
                self._world.flush()
        if ear := self._world.parts.get(EAR):
            path = (scope["raw_path"] + b"?" + scope["query_string"]).decode("latin-1").rstrip("?")
            ear(method=scope["method"], path=path, body=body, status=reply.status, answer=bytes(reply.body))
        return reply

    async def _wait(self, fault: Fault | None, receive: Receive) -> None:
        seconds = float(self._world.settings.get("latency_ms", 0)) / 1000
        if fault and fault.kind == "slow":
            seconds += fault.seconds(SLOW_S)
        if fault and fault.kind == "timeout_after":
            seconds += fault.seconds(DEFAULT_SILENCE_S)
        if seconds > 0:
            gone = asyncio.ensure_future(_hung_up(receive))
            await asyncio.wait([gone], timeout=seconds)
            gone.cancel()

    def _headers(self) -> dict[str, str]:
        date = format_datetime(self._world.clock.now(), usegmt=True)
        return {"date": date, **self._vendor.headers(self._world)}

    def _note(self, scope: Scope, path: str, trace: Trace, *, status: int, started: float) -> None:
        self._world.journal.add(
            at=self._world.clock.now(),
            system=self._world.name,
            method=scope["method"],
            path=path,
            kind=trace.kind,
            rows=trace.rows,
            status=status,
            ms=round((time.perf_counter() - started) * 1000, 3),
            caller=trace.caller,
            write=trace.write,
            within=tuple(trace.within),
        )


@dataclass(slots=True)
class _Reply:
    """A whole reply, caught before it reaches the socket."""

    status: int = 500
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)

    @classmethod
    def of(cls, response: Response) -> _Reply:
        return cls(response.status_code, list(response.raw_headers), bytearray(response.body))

    async def catch(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")

    async def send(self, send: Send, extra: dict[str, str]) -> None:
        known = {name for name, _ in self.headers}
        added = [(n.encode(), v.encode()) for n, v in extra.items() if n.lower().encode() not in known]
        await send({"type": "http.response.start", "status": self.status, "headers": [*self.headers, *added]})
        await send({"type": "http.response.body", "body": bytes(self.body)})


async def _read_body(receive: Receive) -> bytes | None:
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _replay(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _cut(send: Any) -> None:
    # ASGI has no word for a broken connection, so this reaches for the transport behind uvicorn's `send`.
    send.__self__.transport.abort()
