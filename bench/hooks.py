"""How fast the webhook door answers: 1,000 events a second against a running daemon on SQLite, and what became of them.

Not here: what a delivery leads to (``feeds``). Requests are signed as the vendor signs them, by ten senders with a
connection each, which is what the vendor opens at once (facts: HubSpot §2a); each sends when its time has come, late
only when the answer before was. Every event is about a property that nobody mapped, on one of a few hundred deals.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from bench.ground import HOOKS_AT, Ground, Portal, ground, wait_until
from bench.latency import percentile
from bench.report import Point, Table, Target, count
from connector.sandbox.hubspot.schema import APP_CLIENT_SECRET, APP_ID, PORTAL_ID

RATE = 1000
"""Events a second."""

SECONDS, QUICK_SECONDS = 20.0, 4.0
SENDERS = 10
BATCHES = (1, 10, 100)
DEALS = 300
PATIENCE = 120.0
READ_PATIENCE = 600.0
ANSWERED_WITHIN = 1.0
GIVEN_UP_AFTER = 5.0
"""The vendor waits no longer (facts: HubSpot §2a)."""

NOTE = """\
The daemon runs as it does in earnest: its listener reads the letters while they come in and stores the looks they lead
to, in the same SQLite file. Senders and sandbox share the machine with it. An answer is the whole of a request: sent,
judged, stored on disk, answered. The last column is the daemon's processor time per request, reading included. On a
machine that is busy with something else, ten requests of one event each fall behind, and the vendor then sends more
events in each."""


@dataclass(slots=True)
class Volley:
    """What was sent with so many events to a request, and how it was answered."""

    batch: int
    took: list[float] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0
    read_after: float = 0.0
    cpu: float = 0.0

    @property
    def events(self) -> int:
        """Events that were answered with success."""
        return self.answers[204] * self.batch


def run(*, quick: bool) -> Point:
    """Send for a while with each number of events to a request."""
    began = time.monotonic()
    seconds = QUICK_SECONDS if quick else SECONDS
    volleys: list[Volley] = []
    with ground("hs") as place:
        place.portal = Portal(feed="webhooks")
        with place.daemon():
            for batch in BATCHES:
                volleys.append(_fire(place, batch, seconds=seconds))
    return Point(
        name="hooks",
        title=f"11. The webhook door: {count(RATE)} events a second",
        tables=(
            Table(
                f"{seconds:.0f} seconds each, {SENDERS} requests at once at most",
                (
                    "Events to a request",
                    "Events",
                    "a second",
                    "p50 ms",
                    "p99 ms",
                    "Longest ms",
                    "Refused",
                    "All read",
                    "CPU ms each",
                ),
                tuple(map(_row, volleys)),
            ),
        ),
        targets=tuple(_target(each) for each in volleys) + tuple(_kept(each) for each in volleys),
        notes=(NOTE,),
        seconds=time.monotonic() - began,
    )


def _target(volley: Volley) -> Target:
    words = "one event" if volley.batch == 1 else f"{volley.batch} events"
    return Target(f"p99 answer, {words} to a request", percentile(volley.took, 99), ANSWERED_WITHIN, "s")


def _kept(volley: Volley) -> Target:
    """How far the senders fell behind the rate: they send no faster than they are answered."""
    behind = volley.seconds - sum(volley.answers.values()) * volley.batch / RATE
    return Target(f"Seconds behind the rate, {volley.batch} to a request", behind, ANSWERED_WITHIN, "s")


def _row(volley: Volley) -> tuple[str, ...]:
    refused = sum(each for status, each in volley.answers.items() if status != 204)
    return (
        count(volley.batch),
        count(volley.events),
        count(round(volley.events / volley.seconds)),
        f"{percentile(volley.took, 50) * 1000:.1f}",
        f"{percentile(volley.took, 99) * 1000:.1f}",
        f"{max(volley.took) * 1000:.1f}",
        count(refused),
        f"{volley.read_after:.1f} s later",
        f"{volley.cpu / sum(volley.answers.values()) * 1000:.2f}",
    )


def _fire(place: Ground, batch: int, *, seconds: float) -> Volley:
    volley = Volley(batch)
    gap = SENDERS * batch / RATE
    lock = threading.Lock()
    cpu = place.cpu_seconds()
    began = time.monotonic() + 0.2
    senders = [
        threading.Thread(
            target=_send,
            args=(place, volley, lock),
            kwargs={"first": began + number * gap / SENDERS, "until": began + seconds, "gap": gap, "number": number},
        )
        for number in range(SENDERS)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(PATIENCE)
    volley.seconds = time.monotonic() - began
    volley.read_after = wait_until(
        lambda: place.metric("handoff_letters_waiting") == 0, seconds=READ_PATIENCE, what="the letters to be read"
    )
    volley.cpu = place.cpu_seconds() - cpu
    return volley


def _send(
    place: Ground, volley: Volley, lock: threading.Lock, *, first: float, until: float, gap: float, number: int
) -> None:
    with socket.create_connection(("127.0.0.1", place.hooks), timeout=GIVEN_UP_AFTER) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        due, sent = first, 0
        while due < until:
            time.sleep(max(0.0, due - time.monotonic()))
            request = _request(place, volley.batch, serial=number * 1_000_000 + sent)
            at = time.monotonic()
            line.sendall(request)
            status = _status(line)
            took = time.monotonic() - at
            with lock:
                volley.took.append(took)
                volley.answers[status] += 1
            due, sent = due + gap, sent + 1


def _request(place: Ground, batch: int, *, serial: int) -> bytes:
    url = HOOKS_AT.format(port=place.hooks)
    now = int(time.time() * 1000)
    body = json.dumps([_event(serial + each, now) for each in range(batch)]).encode()
    message = b"POST" + url.encode() + body + str(now).encode()
    signature = base64.b64encode(hmac.new(APP_CLIENT_SECRET.encode(), message, hashlib.sha256).digest()).decode()
    head = (
        f"POST /webhooks/hubspot/hs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nX-HubSpot-Signature-v3: {signature}\r\n"
        f"X-HubSpot-Request-Timestamp: {now}\r\n\r\n"
    )
    return head.encode() + body


def _event(serial: int, now: int) -> dict[str, object]:
    return {
        "eventId": serial,
        "subscriptionId": 900_001,
        "portalId": PORTAL_ID,
        "appId": APP_ID,
        "occurredAt": now,
        "subscriptionType": "deal.propertyChange",
        "attemptNumber": 0,
        "objectId": 10_000_000 + serial % DEALS,
        "changeSource": "AUTOMATION_PLATFORM",
        "sourceId": "enrollmentId:1",
        "propertyName": "hs_priority",
        "propertyValue": "high",
    }


def _status(line: socket.socket) -> int:
    """The status of an answer without a body."""
    heard = b""
    while b"\r\n\r\n" not in heard:
        more = line.recv(4096)
        if not more:
            raise ConnectionError("the door closed the connection")
        heard += more
    return int(heard.split(b" ", 2)[1])
