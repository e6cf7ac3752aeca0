"""The door for what CRMs bring to us: one POST route per system, each delivery stored before it is answered.

Not here: the status page (``app``; this listens on an address of its own, so that a proxy can open it to the world and
nothing else), who may bring what (each adapter's `Door`), and what it means. Nothing a caller is told helps a forger.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

import structlog
from starlette.types import Message, Receive, Scope, Send

from connector.crm.hooks import Delivery, Door, Mail, Refusal, Refused
from connector.errors import LetterboxFull
from connector.telemetry import Telemetry
from connector.web.commits import Commits
from connector.web.server import serve_in_thread

HOOKS_OPENED = "hooks.opened"
DELIVERY_REFUSED = "delivery.refused"
DELIVERY_LOST = "delivery.lost"

MOST_BYTES = 8 * 2**20
"""Of one delivery: 100 events (facts: HubSpot §2a) whose text of 65,536 characters (facts: HubSpot §5) is mostly ASCII
and not in all of them at its longest."""

MOST_IN_HAND = 32 * 2**20
"""Bytes of all deliveries that are being read at once; whoever comes on top is asked to come again."""

MOST_CONNECTIONS = 200
"""The vendor opens ten by default (facts: HubSpot §2a); a proxy before us may keep some open."""

ANSWER_SECONDS = 4.0
"""The vendor gives up after five (facts: HubSpot §2a). Whatever is stored after we gave up, it brings again."""

QUIET_SECONDS = 60.0
"""Between two lines in the log about the same kind of trouble at the same door: anybody may knock a thousand times."""

Post = Callable[[Sequence[str]], None]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Entrance:
    """One system's way in: the path it answers to, who is let in, and where letters go.

    ``post`` stores letters for good; it may block, and raises `LetterboxFull` or whatever the store does.
    """

    system: str
    path: str
    door: Door
    post: Post


class _Turned(Exception):
    """A request that ends with an answer other than 204."""

    def __init__(self, status: int, result: str, why: str = "") -> None:
        super().__init__(result)
        self.status = status
        self.result = result
        self.why = why or result


STATUSES: Mapping[Refusal, int] = {Refusal.UNSIGNED: 401, Refusal.UNREADABLE: 400}
NO_CONTENT, NOT_FOUND, NOT_ALLOWED, TIMED_OUT, TOO_LARGE, UNAVAILABLE = 204, 404, 405, 408, 413, 503
UNTOLD = frozenset({NOT_FOUND, NOT_ALLOWED})
"""Answers to whoever is no CRM at all: counted, but no line in the log."""


class Hooks:
    """The ASGI application. ``writers`` runs what blocks, one thread per entrance is enough."""

    def __init__(
        self,
        entrances: Sequence[Entrance],
        telemetry: Telemetry,
        *,
        writers: Executor,
        answer_seconds: float = ANSWER_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._entrances = {each.path: each for each in entrances}
        self._commits = {each.system: Commits(each.post, writers) for each in entrances}
        self._telemetry = telemetry
        self._answer_seconds = answer_seconds
        self._monotonic = monotonic
        self._in_hand = 0
        self._told: dict[tuple[str, str], float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; anything but HTTP is left unanswered, which the server turns into a refusal."""
        if scope["type"] != "http":
            return
        began = self._monotonic()
        entrance = self._entrances.get(scope["path"])
        system = entrance.system if entrance else ""
        try:
            result = await self._take(entrance, scope, receive)
            status = NO_CONTENT
        except _Turned as turned:
            status, result = turned.status, turned.result
            if status not in UNTOLD:
                self._tell(system, turned)
        self._telemetry.deliveries.labels(system=system, result=result).inc()
        if entrance is not None:
            self._telemetry.delivery_seconds.labels(system=system).observe(self._monotonic() - began)
        await _answer(send, status)

    async def _take(self, entrance: Entrance | None, scope: Scope, receive: Receive) -> str:
        """Let one delivery in; returns how it went. Raises `_Turned`."""
        if entrance is None:
            raise _Turned(NOT_FOUND, "elsewhere")
        if scope["method"] != "POST":
            raise _Turned(NOT_ALLOWED, "elsewhere")
        until = asyncio.get_running_loop().time() + self._answer_seconds
        mail = await self._admit(entrance, scope, receive, until=until)
        self._telemetry.letters.labels(system=entrance.system, result="foreign").inc(mail.foreign)
        if mail.again:
            return "again"
        await self._store(entrance, mail, until=until)
        entrance.door.kept(mail)
        self._telemetry.letters.labels(system=entrance.system, result="stored").inc(len(mail.letters))
        return "stored"

    async def _admit(self, entrance: Entrance, scope: Scope, receive: Receive, *, until: float) -> Mail:
        """What of one delivery is to be kept. Raises `_Turned`."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        body = await self._read(receive, declared=headers.get("content-length", ""), until=until)
        query = scope["query_string"].decode("latin-1")
        try:
            return entrance.door.open(Delivery("POST", query, headers, body))
        except Refused as refused:
            raise _Turned(STATUSES[refused.refusal], refused.refusal.value, refused.why) from refused
        except Exception as error:  # the clock may be the database's, and away; it must be brought again
            raise _Turned(UNAVAILABLE, "failed", type(error).__name__) from error

    async def _read(self, receive: Receive, *, declared: str, until: float) -> bytes:
        """The body, given up as soon as it is too large, whether its length was told or not. Raises `_Turned`."""
        if declared.isdecimal() and int(declared) > MOST_BYTES:
            raise _Turned(TOO_LARGE, "too_large", f"{declared} bytes")
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout_at(until):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Turned(TIMED_OUT, "broken_off")
                    part: bytes = message.get("body", b"")
                    size += len(part)
                    self._in_hand += len(part)
                    parts.append(part)
                    if size > MOST_BYTES:
                        raise _Turned(TOO_LARGE, "too_large", f"more than {MOST_BYTES} bytes")
                    if self._in_hand > MOST_IN_HAND:
                        raise _Turned(UNAVAILABLE, "busy", "too many deliveries at once")
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError as error:
            raise _Turned(TIMED_OUT, "broken_off", "its body did not come in time") from error
        finally:
            self._in_hand -= size

    async def _store(self, entrance: Entrance, mail: Mail, *, until: float) -> None:
        """Store the letters for good. Raises `_Turned` when that did not happen in time, or is not known to have."""
        if not mail.letters:
            return
        try:
            async with asyncio.timeout_at(until):
                await self._commits[entrance.system].add(mail.letters)
        except LetterboxFull as error:
            raise _Turned(UNAVAILABLE, "full", "too many letters wait") from error
        except TimeoutError as error:
            raise _Turned(UNAVAILABLE, "failed", "the store took too long") from error
        except Exception as error:  # whatever it was, it was not stored and must be brought again
            raise _Turned(UNAVAILABLE, "failed", type(error).__name__) from error

    def _tell(self, system: str, turned: _Turned) -> None:
        key = (system, turned.result)
        now = self._monotonic()
        if now < self._told.get(key, float("-inf")):
            return
        self._told[key] = now + QUIET_SECONDS
        if turned.status == UNAVAILABLE:
            log.error(DELIVERY_LOST, system=system, why=turned.why, next="the CRM brings it again later")
        else:
            log.warning(DELIVERY_REFUSED, system=system, why=turned.why, status=turned.status)


def open_hooks(entrances: Sequence[Entrance], telemetry: Telemetry, *, host: str, port: int) -> Callable[[], None]:
    """Serve the door until the returned function is called. Raises `UserError` when the port is taken."""
    writers = ThreadPoolExecutor(max(1, len(entrances)), thread_name_prefix="letters")
    app = Hooks(entrances, telemetry, writers=writers)
    stop = serve_in_thread(app, host=host, port=port, key="web.hooks_port", most=MOST_CONNECTIONS)
    log.info(HOOKS_OPENED, host=host, port=port, paths=[each.path for each in entrances])

    def close() -> None:
        stop()
        writers.shutdown(wait=True, cancel_futures=True)

    return close


async def _answer(send: Send, status: int) -> None:
    """No body. After a refusal the connection is closed, for the rest of a body may still be on its way."""
    headers = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
    if status != NO_CONTENT:
        headers += [(b"content-length", b"0"), (b"connection", b"close")]
    if status == NOT_ALLOWED:
        headers.append((b"allow", b"POST"))
    start: Message = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": b""})
