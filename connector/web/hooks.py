"""The door for what others bring to us: one POST route per system or source, each delivery stored before the answer.

Not here: the status page (``app``; this listens on an address of its own, so that a proxy can open it to the world and
nothing else), who may bring what (each `Door`), who is not even read any more (``crowd``), and what it means. Nothing
a caller is told helps a forger.
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
from connector.web.crowd import Crowd
from connector.web.peers import Peers
from connector.web.server import serve_in_thread

HOOKS_OPENED = "hooks.opened"
DELIVERY_REFUSED = "delivery.refused"
DELIVERY_LOST = "delivery.lost"

MOST_BYTES = 8 * 2**20
"""Of one delivery: 100 events (facts: HubSpot §2a) whose text of 65,536 characters (facts: HubSpot §5) is mostly ASCII
and not in all of them at its longest."""

MOST_IN_HAND = 32 * 2**20
"""Bytes of all deliveries that are being read at once; whoever comes on top is asked to come again. Callers who never
brought anything good get half of it, so that they leave room for the others."""

LARGE_BYTES = 64 * 1024
"""Bodies above this are judged in a thread: hashing them in the event loop would let everybody else wait."""

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
    """One system's or source's way in: the path it answers to, who is let in, and where letters go.

    ``post`` stores letters for good; it may block, and raises `LetterboxFull` or whatever the store does. ``thanks`` is
    the status of a success, ``most_bytes`` what one delivery may have.
    """

    system: str
    path: str
    door: Door
    post: Post
    most_bytes: int | None = None
    thanks: int = 204


class _Turned(Exception):
    """A request that ends with an answer other than 204."""

    def __init__(self, status: int, result: str, why: str = "") -> None:
        super().__init__(result)
        self.status = status
        self.result = result
        self.why = why or result


STATUSES: Mapping[Refusal, int] = {Refusal.UNSIGNED: 401, Refusal.UNREADABLE: 400, Refusal.TOO_LARGE: 413}
NOT_FOUND, NOT_ALLOWED, TIMED_OUT, TOO_LARGE, TOO_MANY, UNAVAILABLE = 404, 405, 408, 413, 429, 503
NOT_SUPPORTED = 505
VERSIONS = ("1.0", "1.1")
UNTOLD = frozenset({NOT_FOUND, NOT_ALLOWED, NOT_SUPPORTED})
"""Answers to whoever is no CRM at all: counted, but no line in the log."""

STORED = "stored"
OK, NO_CONTENT, REFUSED = 200, 204, 300
RETRY_AFTER = 60
"""Seconds: by then a caller who was slowed down has some tries again."""


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
        peers: Peers | None = None,
    ) -> None:
        self._peers = peers or Peers()
        self._crowd = Crowd(monotonic)
        self._writers = writers
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
        source = self._peers.source(scope)
        try:
            known = self._welcome(source)
            result = await self._take(entrance, scope, receive, known=known)
            status = entrance.thanks if entrance else NOT_FOUND
            if result == STORED:
                self._crowd.was_good(source)
        except _Turned as turned:
            status, result = turned.status, turned.result
            if status not in (TOO_MANY, UNAVAILABLE):
                self._crowd.was_bad(source)
            if status not in UNTOLD:
                self._tell(system, turned)
        self._telemetry.deliveries.labels(system=system, result=result).inc()
        if entrance is not None:
            self._telemetry.delivery_seconds.labels(system=system).observe(self._monotonic() - began)
        await _answer(send, status)

    def _welcome(self, source: str) -> bool:
        """Whether somebody is known to bring good things. Raises `_Turned` for one who only brought what is refused."""
        if not self._crowd.may_try(source):
            raise _Turned(TOO_MANY, "slowed", "too much from there was refused")
        return self._crowd.is_known(source)

    async def _take(self, entrance: Entrance | None, scope: Scope, receive: Receive, *, known: bool) -> str:
        """Let one delivery in; returns how it went. Raises `_Turned`."""
        if entrance is None:
            raise _Turned(NOT_FOUND, "elsewhere")
        if scope["method"] != "POST":
            raise _Turned(NOT_ALLOWED, "elsewhere")
        if scope["http_version"] not in VERSIONS:
            raise _Turned(NOT_SUPPORTED, "elsewhere")
        until = asyncio.get_running_loop().time() + self._answer_seconds
        mail = await self._admit(entrance, scope, receive, until=until, known=known)
        self._telemetry.letters.labels(system=entrance.system, result="foreign").inc(mail.foreign)
        if mail.again:
            return "again"
        await self._store(entrance, mail, until=until)
        entrance.door.kept(mail)
        self._telemetry.letters.labels(system=entrance.system, result="stored").inc(len(mail.letters))
        return STORED

    async def _admit(self, entrance: Entrance, scope: Scope, receive: Receive, *, until: float, known: bool) -> Mail:
        """What of one delivery is to be kept. Raises `_Turned`."""
        headers = _headers(scope)
        most = entrance.most_bytes or MOST_BYTES
        room = MOST_IN_HAND if known else MOST_IN_HAND // 2
        try:
            # Before the body is read: most of what is forged is not worth that.
            entrance.door.knock(headers)
            declared = headers.get("content-length", "")
            body = await self._read(receive, declared=declared, until=until, most=most, room=room)
            delivery = Delivery("POST", scope["query_string"].decode("latin-1"), headers, body)
            if len(body) <= LARGE_BYTES:
                return entrance.door.open(delivery)
            return await asyncio.get_running_loop().run_in_executor(self._writers, entrance.door.open, delivery)
        except Refused as refused:
            raise _Turned(STATUSES[refused.refusal], refused.refusal.value, refused.why) from refused
        except _Turned:
            raise
        except Exception as error:  # the clock may be the database's, and away; it must be brought again
            raise _Turned(UNAVAILABLE, "failed", type(error).__name__) from error

    async def _read(self, receive: Receive, *, declared: str, until: float, most: int, room: int) -> bytes:
        """The body, given up as soon as it is too large, whether its length was told or not. Raises `_Turned`."""
        if declared.isdecimal() and int(declared[:20]) > most:
            raise _Turned(TOO_LARGE, "too_large", f"{declared[:20]} bytes")
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
                    if size > most:
                        raise _Turned(TOO_LARGE, "too_large", f"more than {most} bytes")
                    if self._in_hand > room:
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
            log.error(DELIVERY_LOST, system=system, why=turned.why, next="the sender brings it again later")
        else:
            log.warning(DELIVERY_REFUSED, system=system, why=turned.why, status=turned.status)


def open_hooks(
    entrances: Sequence[Entrance], telemetry: Telemetry, *, host: str, port: int, proxies: Sequence[str] = ()
) -> Callable[[], None]:
    """Serve the door until the returned function is called. Raises `UserError` when the port is taken.

    ``proxies``: networks whose word counts about who the caller is.
    """
    writers = ThreadPoolExecutor(max(2, len(entrances)), thread_name_prefix="letters")
    peers = Peers(proxies)
    app = Hooks(entrances, telemetry, writers=writers, peers=peers)
    stop = serve_in_thread(app, host=host, port=port, key="web.hooks_port", most=MOST_CONNECTIONS, peers=peers)
    log.info(HOOKS_OPENED, host=host, port=port, paths=[each.path for each in entrances])

    def close() -> None:
        stop()
        writers.shutdown(wait=True, cancel_futures=True)

    return close


def _headers(scope: Scope) -> dict[str, str]:
    """By name; what came several times as one list, which then is neither a good signature nor a good stamp."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


async def _answer(send: Send, status: int) -> None:
    """No body. After a refusal the connection is closed, for the rest of a body may still be on its way."""
    headers = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
    if not OK <= status < REFUSED:
        headers += [(b"content-length", b"0"), (b"connection", b"close")]
    elif status != NO_CONTENT:
        headers.append((b"content-length", b"0"))
    if status == NOT_ALLOWED:
        headers.append((b"allow", b"POST"))
    if status == TOO_MANY:
        headers.append((b"retry-after", str(RETRY_AFTER).encode()))
    start: Message = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": b""})
