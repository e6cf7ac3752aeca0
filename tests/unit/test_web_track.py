"""The door for product events: who is let in, what is kept of it, how often.

Not here: HTTP, which is that of the webhook door (``test_web_hooks``); one delivery of each comes through it below.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from track_wire import PATH, SECRET, a_call, track_body, track_signed

from connector.clock import SystemClock
from connector.crm.hooks import Delivery, Mail, Refusal, Refused
from connector.errors import LetterboxFull
from connector.store import Store, open_store
from connector.store.productevents import EventBox
from connector.store.schema import product_event
from connector.telemetry import Telemetry
from connector.web import track
from connector.web.hooks import Entrance, Hooks
from connector.web.server import serve_in_thread
from connector.web.track import TrackDoor

NOW = datetime.now(UTC)


def door(now: datetime | None = None) -> TrackDoor:
    return TrackDoor(secrets=[SECRET, "the previous one"], now=lambda: now or datetime.now(UTC))


def brought(body: bytes, headers: dict[str, str] | None = None, **given: Any) -> Mail:
    told = {name.lower(): value for name, value in (headers or track_signed(body)).items()}
    return door(**given).open(Delivery("POST", "", told, body))


def refusal(body: bytes, headers: dict[str, str] | None = None, **given: Any) -> Refusal:
    with pytest.raises(Refused) as caught:
        brought(body, headers, **given)
    return caught.value.refusal


def ago(**span: float) -> str:
    return (NOW - timedelta(**span)).isoformat()


# what is let in


def test_an_event_is_kept_with_who_did_what_when() -> None:
    call = a_call(messageId="m-1", timestamp="2026-11-20T10:00:00.5+01:00")
    (letter,) = brought(track_body(call)).letters
    kept = json.loads(letter)
    assert (kept["message_id"], kept["event"]) == ("m-1", "Report Exported")
    assert (kept["user_id"], kept["group_id"]) == ("priya@customer.example", "customer-42")
    assert kept["at"] == "2026-11-20T09:00:00.500000+00:00"
    assert json.loads(kept["properties"]) == {"rows": 120, "format": "csv"}
    assert "203.0.113.9" not in letter, "what is not needed is not kept"


def test_batches_and_lists_signed_as_a_whole_are_taken_apart() -> None:
    calls = [a_call(), a_call(), a_call(type="identify", event=None)]
    mail = brought(track_body(*calls))
    assert (len(mail.letters), mail.foreign) == (2, 1)
    assert len(brought(json.dumps(calls).encode()).letters) == 2
    bare = [a_call(sentAt=None, timestamp=None) for _ in range(2)]
    assert len(brought(json.dumps({"sentAt": ago(seconds=1), "batch": bare}).encode()).letters) == 2


def test_a_batch_of_which_only_the_first_event_is_signed_is_refused() -> None:
    """So the relay signs when its batching is on; anybody could have put the other events in."""
    calls = [a_call(), a_call()]
    assert refusal(json.dumps(calls).encode(), track_signed(json.dumps(calls[0]).encode())) is Refusal.UNSIGNED


def test_the_previous_secret_is_good_too() -> None:
    body = track_body(a_call())
    assert len(brought(body, track_signed(body, secret="the previous one")).letters) == 1


@pytest.mark.parametrize(
    "changes", [{"sentAt": None}, {"receivedAt": ago(minutes=1), "sentAt": ago(days=400)}, {"sentAt": ago(hours=23)}]
)
def test_the_most_trustworthy_clock_counts(changes: dict[str, Any]) -> None:
    assert len(brought(track_body(a_call(**changes))).letters) == 1


# who is not


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"sentAt": ago(hours=25)}, Refusal.UNSIGNED),
        ({"receivedAt": ago(hours=25), "sentAt": ago()}, Refusal.UNSIGNED),
        ({"sentAt": ago(hours=-1)}, Refusal.UNSIGNED),
        ({"sentAt": "yesterday", "timestamp": None}, Refusal.UNREADABLE),
        ({"sentAt": None, "timestamp": 1763719200}, Refusal.UNREADABLE),
        ({"sentAt": "2026-11-20T10:00:00", "timestamp": None}, Refusal.UNREADABLE),
        ({"sentAt": "0001-01-01T00:00:00+23:00", "timestamp": None}, Refusal.UNREADABLE),
        ({"messageId": None}, Refusal.UNREADABLE),
        ({"messageId": ["x"]}, Refusal.UNREADABLE),
        ({"messageId": "x" * 256}, Refusal.UNREADABLE),
        ({"messageId": "a\x00b"}, Refusal.UNREADABLE),
        ({"messageId": "\ud800"}, Refusal.UNREADABLE),
        ({"event": None}, Refusal.UNREADABLE),
        ({"event": True}, Refusal.UNREADABLE),
        ({"userId": {"$ne": 1}}, Refusal.UNREADABLE),
        ({"properties": {"x": "y" * track.MOST_EVENT_BYTES}}, Refusal.TOO_LARGE),
        ({"unheard": "y" * track.MOST_EVENT_BYTES}, Refusal.TOO_LARGE),
    ],
)
def test_what_cannot_be_kept_is_refused_whole(changes: dict[str, Any], why: Refusal) -> None:
    assert refusal(track_body(a_call(**changes))) is why
    assert refusal(track_body(a_call(), a_call(**changes))) is why


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"nonsense", b"null", b"1", b'"text"', b"[1]", b'{"batch": [1]}', b'{"batch": {}}', b"\xff\xfe{}"),
        *(
            b"[" * 50_000,
            b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
            b'{"a": NaN}',
            b'{"a": 1e999}',
            b'{"a": ' + b"9" * 5000 + b"}",
        ),
    ],
    ids=lambda body: str(body[:12]),
)
def test_what_cannot_be_read_is_refused_although_it_is_signed(body: bytes) -> None:
    assert refusal(body) is Refusal.UNREADABLE


def test_any_depth_is_answered_in_words() -> None:
    """What can be read may be too deep to be written again: either way it is kept or refused, and nothing breaks."""
    kept = 0
    for depth in (1, 500, *range(900, 1000, 7), 5000):
        body = track_body(a_call()).replace(b'"csv"', b"[" * depth + b"]" * depth)
        with suppress(Refused):
            kept += len(brought(body).letters)
    assert 2 <= kept < 17


def test_more_events_than_a_batch_may_have_are_refused() -> None:
    small = a_call(context=None, properties=None, userId=None)
    assert refusal(json.dumps([small] * (track.MOST_EVENTS + 1)).encode()) is Refusal.TOO_LARGE


@pytest.mark.parametrize(
    "signature", ["", "0" * 40, "0" * 39, "G" * 40, "sha1=" + "0" * 40, "0" * 40 + ", " + "0" * 40]
)
def test_what_is_not_signed_is_refused(signature: str) -> None:
    body = track_body(a_call())
    assert refusal(body, {"X-Signature": signature}) is Refusal.UNSIGNED
    assert refusal(body + b" ", track_signed(body)) is Refusal.UNSIGNED
    assert refusal(body, track_signed(body, secret="another")) is Refusal.UNSIGNED


# kept once


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    opened = open_store("sqlite://", clock=SystemClock())
    yield opened
    opened.close()


def kept(store: Store, source: str) -> list[str]:
    with store._db.read() as connection:
        query = select(product_event.c.message_id).where(product_event.c.source == source)
        return sorted(connection.execute(query).scalars())


def test_an_event_is_kept_once_however_often_it_comes(store: Store) -> None:
    box = store.event_box("once")
    letters = brought(track_body(a_call(messageId="a"), a_call(messageId="b"), a_call(messageId="a"))).letters
    box.post(letters)
    box.post(letters)
    store.event_box("another").post(letters[:1])
    assert kept(store, "once") == ["a", "b"]
    assert kept(store, "another") == ["a"], "ids are each source's own"


def test_a_source_that_sends_too_much_is_asked_to_wait(store: Store) -> None:
    box = EventBox(store, "much", most=3)
    box.post(brought(track_body(a_call(), a_call())).letters)
    with pytest.raises(LetterboxFull):
        box.post(brought(track_body(a_call(), a_call())).letters)
    box.post(brought(track_body(a_call())).letters)
    assert store.events_kept("much") == 3


def test_events_come_in_by_http_and_are_there_before_the_answer(store: Store) -> None:
    with ThreadPoolExecutor(1) as writers:
        own = Entrance("events:app", PATH, door(), store.event_box("app").post, most_bytes=track.MOST_BYTES, thanks=200)
        telemetry = Telemetry()
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        stop = serve_in_thread(Hooks([own], telemetry, writers=writers), host="127.0.0.1", port=port)

        def post(body: bytes, headers: dict[str, str]) -> int:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("POST", PATH, body=body, headers=headers)
            answer = connection.getresponse()
            assert answer.read() == b""
            connection.close()
            return answer.status

        try:
            body = track_body(a_call(messageId="by-http"))
            assert [post(body, track_signed(body)) for _ in range(2)] == [200, 200]
            assert kept(store, "app") == ["by-http"]
            assert post(body, {}) == 401
            large = b" " * (track.MOST_BYTES + 1)
            assert post(large, track_signed(large)) == 413
            assert kept(store, "app") == ["by-http"]
        finally:
            stop()
    counted = telemetry.registry.get_sample_value(
        "handoff_deliveries_total", {"system": "events:app", "result": "stored"}
    )
    assert counted == 2
