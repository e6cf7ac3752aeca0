"""The webhook door through real sockets: who is let in, what is stored before the answer, what everybody else gets."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from structlog.testing import capture_logs
from webhook_wire import PATH, PORTAL, SECRET, URL, an_event, as_body, signed

from connector.clock import SystemClock
from connector.crm.hubspot.live.door import MOST_EVENTS, HubSpotDoor
from connector.errors import LetterboxFull, UserError
from connector.handoff.model import SystemName
from connector.store import Store, open_store
from connector.telemetry import Telemetry
from connector.web import crowd, hooks
from connector.web.commits import Commits
from connector.web.hooks import Entrance, Hooks, open_hooks
from connector.web.patience import QUIET_SECONDS, Impatient, Seldom
from connector.web.peers import Peers
from connector.web.server import serve_in_thread

T = TypeVar("T")

HS = SystemName("hs")


@dataclass
class Gate:
    """A running door: its port, what it stored and what it counted."""

    port: int
    store: Store
    telemetry: Telemetry
    home: list[str] = field(default_factory=lambda: [str(PORTAL)])

    def post(
        self, body: bytes, headers: dict[str, str] | None = None, *, path: str = PATH, method: str = "POST"
    ) -> int:
        """Send one request; the status it is answered with."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body=body, headers=signed(body) if headers is None else headers)
            answer = connection.getresponse()
            assert answer.read() == b""
            return answer.status
        finally:
            connection.close()

    def raw(self, *parts: bytes) -> bytes:
        """Bytes sent as they are; all that comes back until the connection is closed."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as line:
            for part in parts:
                line.sendall(part)
            heard = b""
            try:
                while more := line.recv(65_536):
                    heard += more
            except ConnectionResetError:
                pass
            return heard

    @property
    def letters(self) -> list[dict[str, Any]]:
        return [json.loads(letter.body) for letter in self.store.letterbox(HS).take(10_000)]

    def counted(self, result: str, *, system: str = "hs") -> float:
        labels = {"system": system, "result": result}
        return self.telemetry.registry.get_sample_value("handoff_deliveries_total", labels) or 0.0


@contextmanager
def a_gate(
    store: Store,
    post: Callable[[Sequence[str]], None] | None = None,
    others: dict[str, str] | None = None,
    door: type[HubSpotDoor] = HubSpotDoor,
    **options: Any,
) -> Iterator[Gate]:
    gate = Gate(0, store, Telemetry())
    own = door(
        url=URL,
        secrets=(SECRET, "the previous one"),
        home=lambda: gate.home[0],
        now=SystemClock().now,
    )
    entrances = [Entrance(system="hs", path=PATH, door=own, post=post or store.letterbox(HS).post)]
    for name, secret in (others or {}).items():
        path, box = f"/webhooks/hubspot/{name}", store.letterbox(SystemName(name))
        url = URL.replace(PATH, path)
        theirs = HubSpotDoor(url=url, secrets=(secret,), home=lambda: "", now=SystemClock().now)
        entrances.append(Entrance(system=name, path=path, door=theirs, post=box.post))
    with ThreadPoolExecutor(1) as writers:
        app = Hooks(entrances, gate.telemetry, writers=writers, **options)
        bound = socket.create_server(("127.0.0.1", 0))
        gate.port = bound.getsockname()[1]
        bound.close()
        stop = serve_in_thread(app, host="127.0.0.1", port=gate.port)
        try:
            yield gate
        finally:
            stop()


@pytest.fixture(scope="module")
def shared_gate() -> Iterator[Gate]:
    store = open_store("sqlite://", clock=SystemClock())
    with a_gate(store) as made:
        yield made
    store.close()


@pytest.fixture
def gate(shared_gate: Gate) -> Gate:
    """The same door for all, with nothing in the box."""
    box = shared_gate.store.letterbox(HS)
    box.drop([letter.id for letter in box.take(10_000)])
    shared_gate.home[0] = str(PORTAL)
    return shared_gate


# what is let in


def test_events_are_stored_without_their_values_before_the_answer(gate: Gate) -> None:
    events = [an_event(objectId=1, propertyValue="what the customer said"), an_event("deal.creation", objectId=2)]
    assert gate.post(as_body(*events)) == 204
    assert [letter["objectId"] for letter in gate.letters] == [1, 2]
    assert gate.letters[1] == events[1]
    assert "propertyValue" not in gate.letters[0]


def test_the_previous_secret_is_good_too(gate: Gate) -> None:
    body = as_body(an_event(objectId=31))
    assert gate.post(body, signed(body, secret="the previous one")) == 204
    assert len(gate.letters) == 1


def test_a_delivery_of_no_events_is_fine(gate: Gate) -> None:
    assert gate.post(b"[]") == 204
    assert gate.letters == []


def test_any_depth_is_answered_in_words(gate: Gate) -> None:
    """What can be read may be too deep to be written again: neither may break the server."""
    for depth in (1, 500, *range(900, 1000, 7), 5000):
        body = b'[{"objectId": 1, "a": ' + b"[" * depth + b"]" * depth + b"}]"
        assert gate.post(body) in (204, 400)
    assert gate.post(as_body(an_event(objectId=2))) == 204


def test_more_events_than_the_vendor_sends_are_read_up_to_a_limit(gate: Gate) -> None:
    assert gate.post(as_body(*(an_event(objectId=each) for each in range(MOST_EVENTS)))) == 204
    assert len(gate.letters) == MOST_EVENTS
    assert gate.post(as_body(*(an_event(objectId=each) for each in range(MOST_EVENTS + 1)))) == 400
    assert len(gate.letters) == MOST_EVENTS


def test_the_same_delivery_again_is_answered_and_not_stored_twice(gate: Gate) -> None:
    body = as_body(an_event(objectId=77))
    headers = signed(body)
    before = gate.counted("again")
    assert [gate.post(body, headers) for _ in range(3)] == [204, 204, 204]
    assert len(gate.letters) == 1
    assert gate.counted("again") == before + 2
    assert gate.post(body, signed(body, at=datetime.now(UTC) + timedelta(seconds=1))) == 204
    assert len(gate.letters) == 2, "signed anew it is another delivery"


def test_events_of_other_portals_are_left_out_and_counted(gate: Gate) -> None:
    labels = {"system": "hs", "result": "foreign"}
    before = gate.telemetry.registry.get_sample_value("handoff_letters_total", labels) or 0
    assert gate.post(as_body(an_event(objectId=1, portalId=99), an_event(objectId=2), an_event(portalId=98))) == 204
    assert [letter["objectId"] for letter in gate.letters] == [2]
    assert gate.telemetry.registry.get_sample_value("handoff_letters_total", labels) == before + 2


def test_before_the_portal_is_known_everything_is_kept(gate: Gate) -> None:
    gate.home[0] = ""
    assert gate.post(as_body(an_event(portalId=99), an_event(objectId=2))) == 204
    assert len(gate.letters) == 2


def test_a_query_and_a_chunked_body_do_no_harm(gate: Gate) -> None:
    body = as_body(an_event(objectId=5))
    assert gate.post(body, signed(body, url=f"{URL}?via=proxy"), path=f"{PATH}?via=proxy") == 204
    headers = "".join(f"{name}: {value}\r\n" for name, value in signed(body).items())
    head = f"POST {PATH} HTTP/1.1\r\nHost: evil\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n{headers}\r\n"
    middle = len(body) // 2
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:middle], body[middle:], b""))
    assert gate.raw(head.encode() + chunks).startswith(b"HTTP/1.1 204")
    assert [letter["objectId"] for letter in gate.letters] == [5, 5]


# who is not


@pytest.mark.parametrize(
    ("case", "headers"),
    [
        ("no headers at all", {}),
        ("another app's secret", {"secret": "another"}),
        ("signed for another address", {"url": "https://elsewhere.example" + PATH}),
        ("signed for plain http", {"url": URL.replace("https", "http")}),
        ("signed for another method", {"method": "PUT"}),
        ("six minutes old", {"at": datetime.now(UTC) - timedelta(minutes=6)}),
        ("two hours ahead", {"at": datetime.now(UTC) + timedelta(hours=2)}),
    ],
    ids=lambda each: each.replace(" ", "-") if isinstance(each, str) else "",
)
def test_what_is_not_signed_is_refused(case: str, headers: dict[str, Any], gate: Gate) -> None:
    body = as_body(an_event())
    before = gate.counted("unsigned")
    assert gate.post(body, signed(body, **headers) if headers else {}) == 401, case
    assert gate.post(body + b" ", signed(body)) == 401
    assert gate.letters == []
    assert gate.counted("unsigned") == before + 2


def test_only_the_third_version_of_the_signature_counts(gate: Gate) -> None:
    body = as_body(an_event())
    told = signed(body)
    old = {"X-HubSpot-Signature": told["X-HubSpot-Signature-v3"], "X-HubSpot-Signature-Version": "v2"}
    assert gate.post(body, old | {"X-HubSpot-Request-Timestamp": told["X-HubSpot-Request-Timestamp"]}) == 401


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"nonsense", b"{}", b'"text"', b"null", b"[1]", b"[[]]", b'[{"a":]', b"\xff\xfe[]", b"[" * 50_000),
        json.dumps(an_event()).encode(),
        b'[{"a": ' + b"9" * 5000 + b"}]",
    ],
    ids=lambda body: str(body[:12]),
)
def test_what_cannot_be_read_is_refused_although_it_is_signed(body: bytes, gate: Gate) -> None:
    assert gate.post(body) == 400
    assert gate.letters == []


@pytest.mark.parametrize(
    "path", ["/", "/metrics", "/readyz", "/webhooks/hubspot/", "/webhooks/hubspot/other", f"{PATH}/", f"/x{PATH}"]
)
def test_every_other_path_is_closed(path: str, gate: Gate) -> None:
    body = as_body(an_event())
    assert gate.post(body, path=path) == 404
    assert gate.post(b"", path=path, method="GET") == 404
    assert gate.letters == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_other_method_is_closed(method: str, gate: Gate) -> None:
    assert gate.post(as_body(an_event()), path=PATH, method=method) == 405
    assert gate.letters == []


def test_strangers_fill_no_log(gate: Gate) -> None:
    with a_gate(gate.store) as fresh, capture_logs() as lines:
        for _ in range(20):
            fresh.post(b"[]", {})
            fresh.post(b"[]", path="/wp-login.php")
        assert fresh.counted("unsigned") == 20
        assert fresh.counted("elsewhere", system="") == 20
    assert [line["event"] for line in lines] == ["delivery.refused"]
    assert lines[0]["why"] == "no signature"


def test_each_system_has_a_door_and_a_secret_of_its_own(gate: Gate) -> None:
    body = as_body(an_event())
    other = URL.replace("/hs", "/other")
    with a_gate(gate.store, others={"other": "its secret"}) as two:
        assert two.post(body, signed(body, url=other, secret="its secret"), path="/webhooks/hubspot/other") == 204
        assert two.post(body, signed(body, url=other), path="/webhooks/hubspot/other") == 401
        assert two.post(body, signed(body, secret="its secret")) == 401
        assert two.counted("stored", system="other") == 1
    assert gate.letters == []
    assert len(gate.store.letterbox(SystemName("other")).take(10)) == 1


# limits


def signed_head() -> str:
    """Headers of somebody who may bring something, as of now: older ones are refused before the body is looked at."""
    return "".join(f"{name}: {value}\r\n" for name, value in signed(b"another body").items())


"""What passes for good until the body is there."""


def test_a_body_that_tells_it_is_too_large_is_refused_unread(gate: Gate) -> None:
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{signed_head()}Content-Length: {hooks.MOST_BYTES + 1}\r\n\r\n"
    assert gate.raw(head.encode()).startswith(b"HTTP/1.1 413")


def test_a_body_that_does_not_end_is_given_up(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "MOST_BYTES", 100_000)
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{signed_head()}Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"8000\r\n" + b"[" * 0x8000 + b"\r\n"
    assert gate.raw(head.encode(), *[chunk] * 4).startswith(b"HTTP/1.1 413")
    assert gate.post(as_body(an_event())) == 204, "the next is served"


def test_too_many_bodies_at_once_are_sent_away(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "MOST_IN_HAND", 10)
    assert gate.post(as_body(an_event())) == 503
    monkeypatch.undo()
    assert gate.post(as_body(an_event())) == 204


def test_a_body_that_does_not_come_is_not_waited_for(gate: Gate) -> None:
    with a_gate(gate.store, answer_seconds=0.05) as hasty:
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{signed_head()}Content-Length: 10\r\n\r\n["
        assert hasty.raw(head.encode()).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("said", [b"", b"POST /webhooks/hub", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nPOST /"])
def test_whoever_does_not_come_to_the_point_is_sent_away(
    said: bytes, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a few hundred silent connections keep the CRM out for as long as they like."""
    monkeypatch.setattr(Impatient, "head_seconds", 0.05)
    began = time.monotonic()
    gate.raw(said)
    assert time.monotonic() - began < 4


def test_a_slow_body_is_no_slow_head(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Impatient, "head_seconds", 0.05)
    body = as_body(an_event())
    head = "".join(f"{name}: {value}\r\n" for name, value in signed(body).items())
    with socket.create_connection(("127.0.0.1", gate.port), timeout=10) as line:
        line.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode())
        line.settimeout(0.2)
        with pytest.raises(TimeoutError):
            line.recv(1)
        line.settimeout(10)
        line.sendall(body)
        assert line.recv(100).startswith(b"HTTP/1.1 204")


def test_what_is_no_http_fills_no_log() -> None:
    now = [0.0]
    seldom = Seldom(lambda: now[0])
    noise = logging.LogRecord("uvicorn.error", logging.WARNING, "", 0, "Invalid HTTP request received.", (), None)
    trouble = logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, "Exception in ASGI application", (), None)
    assert [seldom.filter(each) for each in (noise, noise, trouble, trouble)] == [True, False, True, True]
    now[0] += QUIET_SECONDS
    assert seldom.filter(noise)


def test_a_port_that_is_taken_is_said_by_its_key(gate: Gate) -> None:
    with pytest.raises(UserError, match=r"web\.hooks_port: cannot listen on 127\.0\.0\.1:\d+: Address already in use"):
        open_hooks([], gate.telemetry, host="127.0.0.1", port=gate.port)


def test_what_cannot_be_good_is_refused_before_its_body_came(gate: Gate) -> None:
    good = signed_head()
    for headers in ("", good.replace("X-HubSpot-Signature-v3: ", "X-HubSpot-Signature-v3: x"), good + good):
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: 1000000\r\n\r\n"
        assert gate.raw(head.encode()).startswith(b"HTTP/1.1 401"), headers


def test_a_header_that_came_twice_is_none(gate: Gate) -> None:
    body = as_body(an_event())
    twice = "".join(f"{name}: {value}\r\n" * 2 for name, value in signed(body).items() if name.startswith("X-"))
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{twice}Content-Length: {len(body)}\r\n\r\n"
    assert gate.raw(head.encode() + body).startswith(b"HTTP/1.1 401")
    assert gate.letters == []


def test_a_large_delivery_is_judged_like_a_small_one(gate: Gate) -> None:
    body = as_body(an_event(objectId=8, propertyValue="x" * hooks.LARGE_BYTES))
    assert gate.post(body) == 204
    assert gate.post(body, signed(body, secret="another")) == 401
    assert gate.post(b"[" * hooks.LARGE_BYTES * 2) == 400
    assert [letter["objectId"] for letter in gate.letters] == [8]


def test_whoever_brings_only_what_is_refused_is_no_longer_read(gate: Gate) -> None:
    """A stranger is slowed down; whoever brought something good goes on, be it by the same way as a flood."""
    now = [0.0]
    body = as_body(an_event())
    with a_gate(gate.store, monotonic=lambda: now[0]) as fresh:
        refused = [fresh.post(body, {}) for _ in range(crowd.BURST + 5)]
        assert refused == [401] * crowd.BURST + [429] * 5
        assert fresh.post(body) == 429, "nobody knows it was good"
        now[0] += crowd.BURST / crowd.PER_SECOND
        assert fresh.post(body) == 204
        assert {fresh.post(body, {}) for _ in range(crowd.BURST + 5)} == {401}
        assert fresh.post(as_body(an_event(objectId=2))) == 204
        assert fresh.counted("slowed") == 6


def test_callers_behind_a_trusted_proxy_are_told_apart(gate: Gate) -> None:
    body = as_body(an_event())
    flood, honest = {"X-Forwarded-For": "198.51.100.7, 203.0.113.9"}, {"X-Forwarded-For": "203.0.113.9, 192.0.2.1"}
    with a_gate(gate.store, peers=Peers(["127.0.0.0/8"])) as behind:
        assert [behind.post(body, flood) for _ in range(crowd.BURST + 1)][-1] == 429
        assert behind.post(body, signed(body) | honest) == 204, "what a caller writes in front of it counts for nothing"


def test_all_strangers_together_are_slowed_down(gate: Gate) -> None:
    now = [0.0]
    many = crowd.Crowd(lambda: now[0])
    many.was_good("the vendor")
    for each in range(crowd.ALL_BURST):
        many.was_bad(f"198.51.{each // 250}.{each % 250}")
    assert not many.may_try("203.0.113.1")
    assert many.may_try("the vendor")
    now[0] += crowd.GOOD_FOR + 1
    assert not many.is_known("the vendor")
    assert many.may_try("203.0.113.1")


def test_one_caller_cannot_take_all_connections(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Impatient, "most_per_peer", 3)
    with ExitStack() as open_now:
        lines = [open_now.enter_context(socket.create_connection(("127.0.0.1", gate.port), 10)) for _ in range(3)]
        assert gate.raw() == b"", "the fourth is cut at once"
        lines.pop().close()
        lines.pop().close()
        body = as_body(an_event())
        deadline = time.monotonic() + 10
        while True:  # until the server noticed that one went
            with suppress(ConnectionError, http.client.HTTPException):
                assert gate.post(body) == 204
                break
            assert time.monotonic() < deadline


# when it cannot be stored


def test_a_full_letterbox_sends_the_vendor_away(gate: Gate) -> None:
    def full(letters: Sequence[str]) -> None:
        raise LetterboxFull

    body = as_body(an_event(objectId=9))
    headers = signed(body)
    with a_gate(gate.store, full) as closed, capture_logs() as lines:
        assert closed.post(body, headers) == 503
        assert closed.post(body, headers) == 503, "what was not stored is not known as stored"
        assert closed.counted("full") == 2
    assert [line["event"] for line in lines] == ["delivery.lost"]


def test_a_door_that_breaks_asks_for_the_delivery_again(gate: Gate) -> None:
    def away() -> datetime:
        raise OSError("the database, whose clock it is, is away")

    class Broken(HubSpotDoor):
        def __init__(self, **given: Any) -> None:
            super().__init__(**{**given, "now": away})

    with a_gate(gate.store, door=Broken) as broken, capture_logs() as lines:
        assert broken.post(as_body(an_event())) == 503
    assert [(line["event"], line["why"]) for line in lines] == [("delivery.lost", "OSError")]


def test_a_store_that_fails_or_hangs_is_no_success(gate: Gate) -> None:
    release = threading.Event()
    box = gate.store.letterbox(HS)

    def broken(letters: Sequence[str]) -> None:
        if "STALL" in letters[0]:
            release.wait(30)
        elif "BREAK" in letters[0]:
            raise OSError("disk full")
        box.post(letters)

    with a_gate(gate.store, broken, answer_seconds=0.2) as shaky:
        assert shaky.post(as_body(an_event(objectId=1, sourceId="BREAK"))) == 503
        assert shaky.post(as_body(an_event(objectId=2, sourceId="STALL"))) == 503
        release.set()
        assert shaky.post(as_body(an_event(objectId=3))) == 204
        assert shaky.counted("failed") == 2
    assert [letter["objectId"] for letter in gate.letters] == [2, 3], "late is not lost, and the vendor brings it again"


def run(scenario: Coroutine[Any, Any, T]) -> T:
    """Run to its end in a thread of its own: a browser test before this one leaves a loop running in the first."""
    with ThreadPoolExecutor(1) as alone:
        return alone.submit(asyncio.run, scenario).result()


def test_what_comes_together_is_stored_together() -> None:
    """While one transaction runs the others gather, and go in one; who gave up meanwhile is left out."""
    began, release = threading.Event(), threading.Event()
    stored: list[list[str]] = []

    def slow(letters: Sequence[str]) -> None:
        began.set()
        release.wait(30)
        stored.append(list(letters))

    async def scenario(writers: ThreadPoolExecutor) -> list[Any]:
        commits = Commits(slow, writers)
        adding = [asyncio.create_task(commits.add(["first"]))]
        await asyncio.to_thread(began.wait, 10)
        adding += [asyncio.create_task(commits.add([f"{each}a", f"{each}b"])) for each in range(4)]
        await asyncio.sleep(0)
        adding[2].cancel()
        release.set()
        return await asyncio.gather(*adding, return_exceptions=True)

    with ThreadPoolExecutor(1) as writers:
        ended = run(scenario(writers))
    assert stored == [["first"], ["0a", "0b", "2a", "2b", "3a", "3b"]]
    assert [type(each) for each in ended] == [type(None), type(None), asyncio.CancelledError, type(None), type(None)]


def test_a_failure_is_told_to_everybody_it_concerns_and_to_nobody_else() -> None:
    calls: list[int] = []

    def fails_once(letters: Sequence[str]) -> None:
        calls.append(len(letters))
        if len(calls) == 1:
            raise OSError("disk full")

    async def scenario(writers: ThreadPoolExecutor) -> list[Any]:
        commits = Commits(fails_once, writers)
        adding = [asyncio.create_task(commits.add(["x"])) for _ in range(3)]
        ended = await asyncio.gather(*adding, return_exceptions=True)
        await commits.add(["y"])
        return [type(each) for each in ended]

    with ThreadPoolExecutor(1) as writers:
        ended = run(scenario(writers))
    assert ended == [OSError] * 3
    assert calls == [3, 1]


def test_one_transaction_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.web.commits.MOST_TOGETHER", 4)
    sizes: list[int] = []

    async def scenario(writers: ThreadPoolExecutor) -> None:
        commits = Commits(lambda letters: sizes.append(len(letters)), writers)
        await asyncio.gather(*(commits.add(["x"] * each) for each in (3, 1, 2, 9, 1)))

    with ThreadPoolExecutor(1) as writers:
        run(scenario(writers))
    assert sum(sizes) == 16
    assert max(sizes) == 9, "one delivery is never split"
    assert len(sizes) >= 4
