"""What a hostile caller sends to a door: each kind of bad request, made from a seed, and how it may be answered.

Not here: sending it (``throwing``). Signatures are made with plain ``hmac``, not with the connector's own code. Where a
kind is signed with the right secret, it is what is inside that must not get past.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import random
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

CRLF = b"\r\n"
HOOK, TRACK = "hubspot, webhooks", "product events"
NUMBER, NUMBER_BITS = "eventId", 40
"""What tells webhooks' events apart (facts: HubSpot §2a), and stays in what is kept of one."""

REFUSED = frozenset({400, 401, 404, 405, 408, 413, 414, 426, 429, 431, 501, 503, 505})
"""503: a body that finds no room is asked to come again; 429: who brought too much that was bad."""

CLOSED = 0
"""The connection was closed without an answer."""

TURNED_AWAY = REFUSED | {CLOSED}
DAY = timedelta(days=1)
MOST = {HOOK: 8 * 2**20, TRACK: 500 * 1024}
"""Bytes a door reads at most, as its documentation says."""

WHITE = (b" ", b"\n", b"\t")


def number_of(mark: str) -> int:
    """The number of the webhook's event that stands for a mark."""
    return random.Random(mark).getrandbits(NUMBER_BITS)


@dataclass(frozen=True, slots=True)
class Target:
    """One door: its name, path, address as signed, and secret."""

    door: str
    path: str
    url: str
    secret: str

    def body(self, chance: random.Random, mark: str = "") -> bytes:
        """A good body: one event that nothing follows from; an honest one is known by its ``mark``."""
        now = datetime.now(UTC)
        if self.door == TRACK:
            number = mark or f"{chance.getrandbits(64):x}"
            return _json({"type": "track", "messageId": number, "event": "Opened", "sentAt": now.isoformat()})
        event = {"subscriptionType": "contact.propertyChange", "objectId": 1}
        event |= {NUMBER: number_of(mark) if mark else chance.getrandbits(NUMBER_BITS)}
        return _json([{**event, "occurredAt": int(now.timestamp() * 1000)}])

    def headers(self, body: bytes, *, secret: str = "", age: timedelta = timedelta()) -> dict[str, str]:
        """How it is signed; ``age`` shifts the stamp (webhooks)."""
        key = (secret or self.secret).encode()
        if self.door == TRACK:
            return {"X-Signature": hmac.new(key, body, hashlib.sha1).hexdigest()}
        stamp = str(int((datetime.now(UTC) - age).timestamp() * 1000))
        digest = hmac.new(key, b"POST" + self.url.encode() + body + stamp.encode(), hashlib.sha256).digest()
        return {"X-HubSpot-Signature-v3": b64encode(digest).decode(), "X-HubSpot-Request-Timestamp": stamp}


@dataclass(frozen=True, slots=True)
class Shot:
    """Bytes for the wire; ``hang_up``: our side is closed after them. ``may`` are the answers that are no break-in."""

    data: bytes
    hang_up: bool = False
    may: frozenset[int] = TURNED_AWAY


def request(
    target: Target,
    headers: Mapping[str, str] | list[tuple[str, str]],
    body: bytes,
    *,
    method: str = "POST",
    path: str = "",
    version: str = "HTTP/1.1",
    framing: str | None = None,
) -> bytes:
    """One request whole; ``framing`` are header lines instead of the true Content-Length."""
    pairs = list(headers.items()) if isinstance(headers, Mapping) else headers
    lines = [f"{method} {path or target.path} {version}", "Host: door.example"]
    lines += [f"{name}: {value}" for name, value in pairs]
    lines.append(f"Content-Length: {len(body)}" if framing is None else framing)
    return CRLF.join(line.encode("latin-1") for line in lines if line) + CRLF * 2 + body


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _signed(target: Target, body: bytes) -> Shot:
    return Shot(request(target, target.headers(body), body))


def _garbage(chance: random.Random, _target: Target) -> Shot:
    return Shot(chance.randbytes(chance.randrange(1, 2000)) + CRLF * 2)


def _unsigned(chance: random.Random, target: Target) -> Shot:
    body = target.body(chance)
    kept = chance.choice(list(target.headers(body)))
    headers = {name: value for name, value in target.headers(body).items() if name != kept}
    return Shot(request(target, headers, body))


def _wrong_secret(chance: random.Random, target: Target) -> Shot:
    body = target.body(chance)
    guess = chance.choice(("secret", target.secret[:-1], target.secret + " ", target.secret.swapcase(), "\x00"))
    return Shot(request(target, target.headers(body, secret=guess), body))


def _bent_signature(chance: random.Random, target: Target) -> Shot:
    body = target.body(chance)
    headers = target.headers(body)
    name = next(iter(headers))
    value = headers[name]
    at = chance.randrange(len(value))
    bent = chance.choice(
        (
            value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :],
            value[:at],
            value * 2,
            value.swapcase(),
            "sha1=" + value,
            "",
            "\xff" * 44,
        )
    )
    return Shot(request(target, {**headers, name: bent}, body))


def _other_body(chance: random.Random, target: Target) -> Shot:
    body = target.body(chance)
    at = chance.randrange(len(body) + 1)
    other = chance.choice((body + chance.choice(WHITE), body[:-1], body[:at] + chance.randbytes(1) + body[at + 1 :]))
    return Shot(request(target, target.headers(body), other if other != body else body + b" "))


def _other_door(chance: random.Random, target: Target) -> Shot:
    """Signed with the right secret in the other door's manner, or for another address."""
    body = target.body(chance)
    if target.door == TRACK:
        digest = hmac.new(target.secret.encode(), body, hashlib.sha256).hexdigest()
        return Shot(request(target, {"X-Signature": digest}, body))
    elsewhere = Target(target.door, target.path, target.url.replace("127.0.0.1", "evil.example"), target.secret)
    return Shot(request(target, elsewhere.headers(body), body))


def _aged(chance: random.Random, target: Target) -> Shot:
    ahead = chance.random() < 0.3
    if target.door == TRACK:
        age = -timedelta(minutes=chance.uniform(6, 9000)) if ahead else timedelta(hours=chance.uniform(24.1, 9000))
        call = json.loads(target.body(chance)) | {"sentAt": (datetime.now(UTC) - age).isoformat()}
        return _signed(target, _json(call))
    age = -timedelta(seconds=chance.uniform(70, 9000)) if ahead else timedelta(minutes=chance.uniform(5.1, 90000))
    body = target.body(chance)
    return Shot(request(target, target.headers(body, age=age), body))


def _doubled(chance: random.Random, target: Target) -> Shot:
    body = target.body(chance)
    headers = list(target.headers(body).items())
    extra = chance.choice(headers)
    bad = (extra[0], chance.choice((extra[1], "x", "")))
    return Shot(request(target, [*headers, bad] if chance.random() < 0.5 else [bad, *headers], body))


def _two_lengths(chance: random.Random, target: Target) -> Shot:
    body = target.body(chance)
    lies = (
        f"Content-Length: {len(body)}\r\nContent-Length: {len(body) + 1}",
        f"Content-Length: {len(body)}, 5",
        f"Content-Length: {len(body)}\r\nTransfer-Encoding: chunked",
        "Content-Length: -1",
        "Content-Length: 0x10",
        "Content-Length: +5",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
    )
    return Shot(request(target, target.headers(body), body, framing=chance.choice(lies)), hang_up=True)


def _deep(chance: random.Random, target: Target) -> Shot:
    depth = chance.choice((1200, 5000, 20_000, 60_000))
    kind = chance.randrange(3)
    bodies = (b"[" * depth, b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth)
    return _signed(target, bodies[kind])


def _not_utf8(chance: random.Random, target: Target) -> Shot:
    bad = chance.choice((b"\xff\xfe", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\x80"))
    body = target.body(chance)
    at = chance.randrange(1, len(body))
    return _signed(target, chance.choice((bad + body, body[:at] + bad + body[at:], body.decode().encode("utf-16"))))


def _not_json(chance: random.Random, target: Target) -> Shot:
    body = target.body(chance)
    at = chance.randrange(1, len(body))
    choices = (
        *(b"", b"null", b"true", b"1e999", b'"text"', b"[1]", b"[[]]", b'{"batch":1}', b'{"batch":[1]}', b"[null]"),
        *(body[:at], body + body, b"\x00" + body, b"9" * 6000, b"a=b&c=d", b"<xml/>", b'[{"a":NaN}'),
    )
    return _signed(target, chance.choice(choices))


def _bad_values(chance: random.Random, target: Target) -> Shot:
    """Good JSON, well signed, with fields that no store could keep, or too much of them."""
    if target.door == HOOK:
        return _signed(target, chance.choice((_json({}), _json([1] * 50), _json([{}] * 1001), _json("x" * 1000))))
    bad: tuple[Any, ...] = (None, "", " ", [], {}, True, 1.5, "\x00", "\ud800", "x" * 300, {"$ne": 1})
    name = chance.choice(("messageId", "event"))
    call = json.loads(target.body(chance))
    choice = chance.randrange(4)
    if choice == 0:
        return _signed(target, _json({**call, "properties": {"x": "y" * 40_000}}))
    if choice == 1:
        return _signed(target, _json({"batch": [{**call, "messageId": ""}] * chance.choice((2, 2600))}))
    if choice == 2:
        return _signed(
            target, _json({**call, "sentAt": chance.choice((None, 1, "never", "2026", "2026-13-45T00:00Z"))})
        )
    return _signed(target, _json({**call, name: chance.choice(bad)}))


def _declared_huge(chance: random.Random, target: Target) -> Shot:
    body = target.body(chance)
    size = chance.choice((MOST[target.door] + 1, 2**31, 2**63, 10**19, 10**60))
    return Shot(request(target, target.headers(body), body, framing=f"Content-Length: {size}"), hang_up=True)


def _huge(chance: random.Random, target: Target) -> Shot:
    """More than the door reads really comes, in chunks that do not tell; some of it well signed."""
    body = b"[" + b" " * MOST[target.door] + b"]"
    headers = target.headers(body if chance.random() < 0.5 else b"x")
    size = 256 * 1024
    parts = (body[at : at + size] for at in range(0, len(body), size))
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    return Shot(request(target, headers, chunks, framing="Transfer-Encoding: chunked"))


def _chunk_lies(chance: random.Random, target: Target) -> Shot:
    body = target.body(chance)
    size = b"%x" % len(body)
    lies = (
        b"-5\r\n" + body + b"\r\n0\r\n\r\n",
        b"f" * 17 + CRLF + body + b"\r\n0\r\n\r\n",
        b"zz\r\n" + body + b"\r\n0\r\n\r\n",
        b"%x\r\n" % (len(body) - 1) + body + b"\r\n0\r\n\r\n",
        b"%x\r\n" % (len(body) + 50) + body,
        size + CRLF + body + b"\r\n",
        size + b";" + b"x" * 70_000 + CRLF + body + b"!\r\n0\r\n\r\n",
        size + CRLF + body + b"0\r\n\r\n",
    )
    return Shot(
        request(target, target.headers(body), chance.choice(lies), framing="Transfer-Encoding: chunked"), hang_up=True
    )


def _truncated(chance: random.Random, target: Target) -> Shot:
    body = target.body(chance)
    whole = request(target, target.headers(body), body)
    return Shot(whole[: chance.randrange(1, len(whole) - 1)], hang_up=True)


def _wrong_place(chance: random.Random, target: Target) -> Shot:
    body = target.body(chance)
    path = chance.choice(
        (
            *("/", "/metrics", "/readyz", target.path + "/", target.path + "/..", "//" + target.path, "*"),
            *(target.path.upper(), target.path + "%00", "/..%2f" + target.path, "/x" * 3000, target.path + ";a"),
        )
    )
    return Shot(request(target, target.headers(body), body, path=path))


def _wrong_method(chance: random.Random, target: Target) -> Shot:
    body = target.body(chance)
    methods = ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "post", "P" * 300)
    return Shot(request(target, target.headers(body), body, method=chance.choice(methods)))


def _wrong_version(chance: random.Random, target: Target) -> Shot:
    body = target.body(chance)
    version = chance.choice(("HTTP/0.9", "HTTP/2.0", "HTTP/9", "", "HTCPCP/1.0", "HTTP/1.1\tx"))
    return Shot(request(target, target.headers(body), body, version=version), hang_up=True)


def _bad_headers(chance: random.Random, target: Target) -> Shot:
    body = target.body(chance)
    name = chance.choice(list(target.headers(body)))
    pairs = [pair for pair in target.headers(body).items() if pair[0] != name]
    value = target.headers(body)[name]
    pairs += [
        chance.choice(
            (
                (name, f"{value}\x00"),
                (f"{name} ", value),
                (name, f"{value[:9]}\r\n {value[9:]}\r\nX: y"),
                ("X" * 70_000, value),
                (name, "y" * 70_000),
                (f"\x01{name}", value),
                ("", value),
            )
        )
    ]
    if chance.random() < 0.2:
        pairs = [(f"X-{each}", "v" * 300) for each in range(400)]
    return Shot(request(target, pairs, body), hang_up=True)


Make = Callable[[random.Random, Target], Shot]

KINDS: Mapping[str, tuple[Make, float]] = {
    "no HTTP at all": (_garbage, 1),
    "unsigned": (_unsigned, 2),
    "signed by a guessed secret": (_wrong_secret, 2),
    "a bent signature": (_bent_signature, 2),
    "another body than signed": (_other_body, 2),
    "signed for somewhere else": (_other_door, 1),
    "too old, or from the future": (_aged, 2),
    "headers that come twice": (_doubled, 1),
    "two lengths, or none that is one": (_two_lengths, 1),
    "nested 1,200 to 60,000 deep, signed": (_deep, 1),
    "not UTF-8, signed": (_not_utf8, 2),
    "not JSON, or of another shape, signed": (_not_json, 2),
    "values no store could keep, signed": (_bad_values, 1),
    "huge by its own account": (_declared_huge, 1),
    "huge, in chunks": (_huge, 0.006),
    "chunks that lie": (_chunk_lies, 1),
    "cut off": (_truncated, 1),
    "another place": (_wrong_place, 1),
    "another method": (_wrong_method, 1),
    "another version of HTTP": (_wrong_version, 0.5),
    "headers that are none": (_bad_headers, 1),
}
"""Each kind, and how much of all there is of it."""
