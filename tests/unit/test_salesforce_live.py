"""The live feed against a small bus on loopback: flow control, every kind of break, what is told about each line."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
import responses
from contract.maps import salesforce_map
from eventbus import FAMILY, Bus, a_bus, payload
from salesforce_wire import DATA, DATE, HOST, ORG, TOKEN, a_rig, records, token

from connector.crm.live import (
    Hints,
    Line,
    Sighting,
)
from connector.crm.salesforce.fields import Names
from connector.crm.salesforce.pubsub import faults
from connector.crm.salesforce.pubsub.faults import CODES, Remedy, broken
from connector.crm.salesforce.pubsub.feed import SalesforceLive, Waits
from connector.crm.salesforce.pubsub.stream import MOST_ASKED, REFILL_AT, Pass, Stream
from connector.crm.salesforce.pubsub.topics import LiveOptions, Places
from connector.errors import CrmError
from connector.handoff.model import Kind, Ref

DEALS, TASKS = "/data/OpportunityChangeEvent", "/data/TaskChangeEvent"
DEAL = "006000000000001AAA"
QUICK = {remedy: Waits(0.01, 0.05) for remedy in Remedy}
PATIENCE = 15.0


@dataclass
class Ear:
    """Somebody who listens: what came so far, taken in as it comes."""

    feed: SalesforceLive
    heard: Generator[Hints, None, None]
    stop: threading.Event
    sightings: list[Sighting] = field(default_factory=list)
    lines: dict[str, Line] = field(default_factory=dict)
    told: list[Line] = field(default_factory=list)
    missed: set[str] = field(default_factory=set)
    sweeps: list[str] = field(default_factory=list)
    feeds: set[str] = field(default_factory=set)
    cursor: str = ""

    def until(self, ready: Callable[[], Any], what: str) -> None:
        """Listen until something is so."""
        deadline = time.monotonic() + PATIENCE
        while not ready():
            assert time.monotonic() < deadline, f"in vain: {what}; {self}"
            self.take(next(self.heard))

    def take(self, hints: Hints) -> None:
        self.sightings += hints.sightings
        self.lines |= {line.name: line for line in hints.lines}
        self.told += hints.lines
        self.missed |= hints.missed
        self.feeds |= hints.heard
        self.sweeps += [hints.sweep] if hints.sweep else []
        self.cursor = hints.cursor or self.cursor

    def live(self, name: str = DEALS) -> bool:
        return name in self.lines and self.lines[name].live

    @property
    def deals(self) -> list[str]:
        return [deal for each in self.sightings for deal in each.deal_ids]


@pytest.fixture
def bus() -> Iterator[Bus]:
    with a_bus() as made:
        yield made


@pytest.fixture
def mock() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as made:
        yield made


@contextmanager
def listening(bus: Bus, mock: responses.RequestsMock, *, cursor: str | None = None, **options: Any) -> Iterator[Ear]:
    session = a_rig(mock).crm.session
    how = {"silence": 60.0, **options}
    feed = SalesforceLive(
        session, Names(salesforce_map()), LiveOptions(address=bus.address, **how), settled=0.05, waits=QUICK
    )
    stop = threading.Event()
    ear = Ear(feed, feed.listen(cursor, stop), stop)
    try:
        yield ear
    finally:
        ear.heard.close()


# the table


class Refusal(grpc.RpcError):  # type: ignore[misc]  # grpc has no types
    def __init__(self, status: str, code: str | bytes | None) -> None:
        super().__init__()
        self._status, self._code = status, code

    def code(self) -> Any:
        return SimpleNamespace(name=self._status)

    def details(self) -> str:
        return "words"

    def trailing_metadata(self) -> Any:
        return (("rpc-id", "r"), *((("error-code", self._code),) if self._code else ()))


@pytest.mark.parametrize(("code", "remedy"), CODES.items())
def test_every_code_of_the_bus_has_its_remedy(code: str, remedy: Remedy) -> None:
    found = broken(Refusal("INVALID_ARGUMENT", FAMILY + code))
    assert (found.remedy, found.code, found.words) == (remedy, FAMILY + code, "words")
    assert found.fault.vendor_code == FAMILY + code


@pytest.mark.parametrize(
    ("status", "code", "remedy"),
    [
        ("UNAVAILABLE", None, Remedy.AGAIN),
        ("INTERNAL", None, Remedy.AGAIN),
        ("UNKNOWN", None, Remedy.AGAIN),
        ("DEADLINE_EXCEEDED", None, Remedy.AGAIN),
        ("UNAUTHENTICATED", None, Remedy.RENEW),
        ("PERMISSION_DENIED", None, Remedy.REFUSED),
        ("NOT_FOUND", None, Remedy.REFUSED),
        ("RESOURCE_EXHAUSTED", None, Remedy.SLOWLY),
        ("UNKNOWN", "service.auth.something.new", Remedy.RENEW),
        ("UNKNOWN", "service.protection.overload", Remedy.SLOWLY),
        ("UNKNOWN", "subscription.fetch.replayid.new", Remedy.AFRESH),
        ("UNKNOWN", "topic.something", Remedy.REFUSED),
        ("PERMISSION_DENIED", "never.heard.of", Remedy.REFUSED),
    ],
)
def test_what_is_not_listed_goes_by_family_then_by_status(status: str, code: str | None, remedy: Remedy) -> None:
    assert broken(Refusal(status, FAMILY + code if code else None)).remedy is remedy


def test_a_code_in_bytes_and_an_error_without_anything() -> None:
    assert broken(Refusal("INTERNAL", (FAMILY + "topic.not.found").encode())).remedy is Remedy.REFUSED
    assert broken(grpc.RpcError()).remedy is Remedy.AGAIN
    assert set(faults.TROUBLES) == set(Remedy)


# listening


def test_a_change_is_heard_with_token_org_and_place(bus: Bus, mock: responses.RequestsMock) -> None:
    with listening(bus, mock) as ear:
        ear.until(lambda: len([each for each in ear.lines.values() if each.live]) == 4, "four lines")
        place = bus.publish(DEALS, payload("Opportunity", DEAL))
        ear.until(lambda: ear.deals, "the change")
        assert ear.deals == [DEAL]
        assert Places.parse(ear.cursor) == Places(ORG, {DEALS: place})
        (stream,) = bus.open(DEALS)
        assert stream.metadata["accesstoken"] == "first"
        assert stream.metadata["tenantid"] == ORG
        assert stream.metadata["instanceurl"] == HOST
        assert ear.missed == {"deal", "task", "event"}, "what came before the first listening is polled"
        assert bus.schema_calls == 1


def test_more_is_asked_for_in_time_and_never_more_than_allowed(bus: Bus, mock: responses.RequestsMock) -> None:
    with listening(bus, mock) as ear:
        ear.until(ear.live, "the line")
        (stream,) = bus.open(DEALS)
        for round_ in range(6):
            ids = [f"006{round_ * 30 + number:012d}AAA" for number in range(30)]
            bus.burst(DEALS, [payload("Opportunity", each) for each in ids])
            ear.until(lambda wanted=(round_ + 1) * 30: len(ear.deals) == wanted, "the burst")  # type: ignore[misc]
            next(ear.heard)
        assert stream.asked[0] == MOST_ASKED
        assert len(stream.asked) > 1
        outstanding = [sum(stream.asked[: place + 1]) for place in range(len(stream.asked))]
        assert sum(stream.asked) - 180 <= MOST_ASKED
        assert all(asked >= MOST_ASKED - REFILL_AT for asked in stream.asked[1:]), outstanding
        assert bus.open(DEALS) == [stream], "the request side never ended"


def test_what_was_not_taken_is_not_acknowledged(bus: Bus, mock: responses.RequestsMock) -> None:
    """No more is asked for until the listener comes back for the next hint: it stores what it was given first."""
    with listening(bus, mock) as ear:
        ear.until(ear.live, "the line")
        (stream,) = bus.open(DEALS)
        bus.burst(DEALS, [payload("Opportunity", f"006{number:012d}AAA") for number in range(MOST_ASKED)])
        ear.until(lambda: len(ear.deals) == MOST_ASKED, "a full portion")
        assert stream.asked == [MOST_ASKED]
        ear.until(lambda: len(stream.asked) == 2, "the next request")
        assert stream.asked == [MOST_ASKED, MOST_ASKED]


def test_a_cut_stream_goes_on_where_it_was(bus: Bus, mock: responses.RequestsMock) -> None:
    with listening(bus, mock) as ear:
        ear.until(ear.live, "the line")
        last = bus.publish(DEALS, payload("Opportunity", DEAL))
        ear.until(lambda: ear.deals, "the first change")
        ear.missed.clear()
        bus.cut(DEALS)
        bus.publish(DEALS, payload("Opportunity", "006000000000002AAA"))
        ear.until(lambda: len(ear.deals) == 2, "the change in between")
        assert ear.deals == [DEAL, "006000000000002AAA"]
        assert bytes(bus.open(DEALS)[0].first.replay_id) == last
        assert not ear.missed, "nothing went by unheard, so nothing is polled"
        standing = [live for live, _ in groupby(line.live for line in ear.told if line.name == DEALS)]
        assert standing == [False, True, False, True]
        assert "UNAVAILABLE" in next(line.why for line in ear.told if line.name == DEALS and line.why)


def test_a_restart_goes_on_from_the_stored_place(bus: Bus, mock: responses.RequestsMock) -> None:
    with listening(bus, mock) as ear:
        ear.until(ear.live, "the line")
        bus.publish(DEALS, payload("Opportunity", DEAL))
        ear.until(lambda: ear.deals, "the change")
        cursor = ear.cursor
    bus.publish(DEALS, payload("Opportunity", "006000000000002AAA"))
    with listening(bus, mock, cursor=cursor) as again:
        again.until(lambda: again.deals, "what happened meanwhile")
        assert again.deals == ["006000000000002AAA"]
        assert "deal" not in again.missed


@pytest.mark.parametrize("cursor", ["foreign", "expired", "corrupted code"])
def test_a_place_that_is_not_known_begins_at_the_end_and_asks_for_a_poll(
    cursor: str, bus: Bus, mock: responses.RequestsMock
) -> None:
    places = Places("00D000000000099AAA" if cursor == "foreign" else ORG, {DEALS: b"old"})
    bus.unknown_places.add(b"old")
    with listening(bus, mock, cursor=places.dump()) as ear:
        ear.until(lambda: "deal" in ear.missed, "the wish for a poll")
        assert ear.live(), "the new stream stood before the poll was asked for"
        assert bus.open(DEALS)[0].first.replay_preset == 0
        bus.publish(DEALS, payload("Opportunity", DEAL))
        ear.until(lambda: ear.deals, "what happens from now on")


def test_a_topic_that_is_not_to_be_had_leaves_the_others_alone(bus: Bus, mock: responses.RequestsMock) -> None:
    bus.refusals[TASKS] = [(grpc.StatusCode.NOT_FOUND, "topic.not.found")] * 1000
    with listening(bus, mock) as ear:
        ear.until(lambda: ear.live() and TASKS in ear.lines and ear.lines[TASKS].why, "both answers")
        assert not ear.lines[TASKS].live
        assert ear.lines[TASKS].feeds == {"task"}
        assert "topic.not.found" in ear.lines[TASKS].why
        found = {line.name: line.live for line in ear.feed.probe()}
        assert found[TASKS] is False
        assert sum(found.values()) == 3


def test_a_revoked_token_is_renewed_once_for_all_lines(bus: Bus, mock: responses.RequestsMock) -> None:
    with listening(bus, mock) as ear:
        ear.until(lambda: sum(line.live for line in ear.lines.values()) == 4, "four lines")
        bus.publish(DEALS, payload("Opportunity", DEAL))
        ear.until(lambda: ear.deals, "the first change")
        mock.replace(responses.POST, TOKEN, json=token("second"), headers={"Date": DATE})
        logins = sum(call.request.url == TOKEN for call in mock.calls)
        bus.refused_tokens.add("first")
        bus.cut(code="service.auth.error", status=grpc.StatusCode.UNAUTHENTICATED)
        bus.publish(DEALS, payload("Opportunity", "006000000000002AAA"))
        ear.until(lambda: len(ear.deals) == 2, "the change in between")
        ear.until(lambda: sum(line.live for line in ear.lines.values()) == 4, "four lines again")
        assert {each.metadata["accesstoken"] for each in bus.open()} == {"second"}
        assert sum(call.request.url == TOKEN for call in mock.calls) == logins + 1


def test_a_token_that_died_before_a_schema_was_asked_for(bus: Bus, mock: responses.RequestsMock) -> None:
    """The stream outlives its token; asking for a schema does not (facts: Salesforce §2.2). Nothing is lost over it."""
    with listening(bus, mock) as ear:
        ear.until(ear.live, "the line")
        mock.replace(responses.POST, TOKEN, json=token("second"), headers={"Date": DATE})
        bus.refused_tokens.add("first")
        bus.keep_alive(DEALS, b"\x00" * 8)
        ear.until(lambda: ear.cursor, "a place to go on from")
        bus.publish(DEALS, payload("Opportunity", DEAL))
        ear.until(lambda: ear.deals, "the change")
        assert ear.deals == [DEAL]


def test_silence_is_taken_for_death(bus: Bus, mock: responses.RequestsMock) -> None:
    with listening(bus, mock, silence=0.4, channel="Handoff__chn") as ear:
        ear.until(lambda: any("SILENCE" in line.why for line in ear.told), "the watchdog")
        first = bus.subscriptions[0]
        ear.until(lambda: len(bus.subscriptions) > 1, "a new stream")
        assert first.ended.wait(PATIENCE), "the old one was killed"


def test_signs_of_life_keep_it_open_and_move_the_place(bus: Bus, mock: responses.RequestsMock) -> None:
    with listening(bus, mock, silence=1.5, channel="Handoff__chn") as ear:
        ear.until(lambda: ear.live("/data/Handoff__chn"), "the line")
        began = time.monotonic()
        while time.monotonic() - began < 2.2:
            place = str(time.monotonic()).encode()
            bus.keep_alive("/data/Handoff__chn", place)
            ear.until(lambda place=place: place.hex() in ear.cursor, "the place")  # type: ignore[misc]
        assert len(bus.subscriptions) == 1


def test_an_event_that_cannot_be_read_is_passed_over_and_polled(bus: Bus, mock: responses.RequestsMock) -> None:
    with listening(bus, mock) as ear:
        ear.until(ear.live, "the line")
        ear.missed.clear()
        bus.publish(DEALS, b"\xff" * 30)
        ear.until(lambda: any("UNREADABLE_EVENT" in line.why for line in ear.told), "the break")
        ear.until(lambda: "deal" in ear.missed, "the wish for a poll")
        bus.publish(DEALS, payload("Opportunity", DEAL))
        ear.until(lambda: ear.deals, "the next change")


def test_an_overflow_asks_for_a_poll_and_a_sweep(bus: Bus, mock: responses.RequestsMock) -> None:
    with listening(bus, mock) as ear:
        ear.until(ear.live, "the line")
        ear.missed.clear()
        bus.publish(DEALS, payload("Opportunity", "000000000000000AAA", change="GAP_OVERFLOW"))
        ear.until(lambda: ear.sweeps, "the sweep")
        assert ear.missed == {"deal"}
        assert not ear.sightings


def test_an_org_that_refuses_the_login_is_told_on_every_line(bus: Bus, mock: responses.RequestsMock) -> None:
    with listening(bus, mock) as ear:
        mock.replace(responses.POST, TOKEN, json={"error": "invalid_client", "error_description": "no"}, status=401)
        ear.until(lambda: len([line for line in ear.lines.values() if line.why]) == 4, "four reasons")
        assert all("invalid_client" in line.why for line in ear.lines.values())
        mock.replace(responses.POST, TOKEN, json=token(), headers={"Date": DATE})
        ear.until(ear.live, "the line, once the login works")


def test_a_reader_that_fails_tells_so(bus: Bus) -> None:
    """A thread that ended without a word would look like an org in which nothing happens."""
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()
    bugs = iter([RuntimeError("a bug")])

    def heard(_stream: Stream, what: Any) -> None:
        for bug in bugs:
            raise bug
        told.put(what)

    stream = Stream(bus.address, DEALS, replay_id=None, door=Pass("t", "https://org", ORG), heard=heard)
    try:
        assert polled_until(lambda: bus.open(DEALS))
        bus.publish(DEALS, payload("Opportunity", DEAL))
        end = told.get(timeout=PATIENCE)
    finally:
        stream.close()
    assert (end.remedy, end.code, end.words) == (Remedy.AGAIN, "RuntimeError", "a bug")


def polled_until(ready: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := ready()) and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    return found


def test_it_ends_within_a_second_and_leaves_nothing_open(bus: Bus, mock: responses.RequestsMock) -> None:
    with listening(bus, mock) as ear:
        ear.until(lambda: sum(line.live for line in ear.lines.values()) == 4, "four lines")
        streams = bus.open()
        began = time.monotonic()
        ear.stop.set()
        assert list(ear.heard) is not None
        assert time.monotonic() - began < 1.0
        assert all(each.ended.wait(PATIENCE) for each in streams)
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("stream:")]
    assert not left


# what is asked beside


def test_what_tasks_and_accounts_belong_to_is_asked_in_one_call(mock: responses.RequestsMock) -> None:
    rig = a_rig(mock)
    feed = SalesforceLive(rig.crm.session, Names(salesforce_map()), LiveOptions())
    task, lone, account = (Ref(Kind.TASK, "00T1"), Ref(Kind.TASK, "00T2"), Ref(Kind.ACCOUNT, "0011"))
    parts = [
        records({"Id": "00T1", "WhatId": DEAL}, {"Id": "00T2", "WhatId": "001000000000009AAA"}),
        records({"Id": DEAL, "AccountId": "0011"}, {"Id": "006000000000002AAA", "AccountId": "0011"}),
    ]
    mock.add(
        responses.POST,
        DATA + "composite",
        json={"compositeResponse": [{"body": each, "httpStatusCode": 200} for each in parts]},
        headers={"Date": DATE},
    )
    found = feed.deals_of([task, lone, account])
    assert found == {task: (DEAL,), account: (DEAL, "006000000000002AAA")}
    assert rig.calls == {"token": 1, "composite": 1}


def test_listening_that_was_asked_for_and_cannot_be_had_is_a_problem(bus: Bus, mock: responses.RequestsMock) -> None:
    bus.refusals[TASKS] = [(grpc.StatusCode.PERMISSION_DENIED, "topic.cannot.subscribe")]
    crm = a_rig(mock, live=LiveOptions(address=bus.address, required=True)).crm
    told = crm._hearing()
    (problem,) = told.problems
    assert problem.key == "change_events"
    assert TASKS in problem.message
    assert "topic.cannot.subscribe" in problem.message
    assert not any(TASKS in note for note in told.notes), "said once"
    wished = a_rig(mock, live=LiveOptions(address=bus.address)).crm._hearing()
    assert wished.problems == ()
    assert any(TASKS in note for note in wished.notes)
    assert a_rig(mock).crm.live() is None


def test_a_bus_behind_a_wall_does_not_hold_up_who_asks(
    mock: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A firewall takes the connection and says nothing, for ever; connecting does not even ask."""
    monkeypatch.setattr("connector.crm.salesforce.pubsub.stream.TOPIC_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as wall:
        address = f"127.0.0.1:{wall.getsockname()[1]}"
        crm = a_rig(mock, live=LiveOptions(address=address, required=True)).crm
        assert crm._live_problems() == ()
        began = time.monotonic()
        told = crm._hearing()
        assert time.monotonic() - began < 5
    assert len(told.problems) == 4
    assert all("DEADLINE_EXCEEDED" in problem.message for problem in told.problems)


def test_without_the_extra_it_says_so_and_polls(mock: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.crm.salesforce.pubsub.LIBRARIES", ("no_such_package",))
    crm = a_rig(mock, live=LiveOptions(required=True)).crm
    assert crm.live() is None
    (problem,) = crm._live_problems()
    assert "handoff-connector[pubsub]" in problem.message


def test_a_probe_of_an_org_that_refuses_the_login_raises(bus: Bus, mock: responses.RequestsMock) -> None:
    rig = a_rig(mock)
    mock.replace(responses.POST, TOKEN, json={"error": "invalid_client"}, status=401)
    feed = SalesforceLive(rig.crm.session, Names(salesforce_map()), LiveOptions(address=bus.address))
    with pytest.raises(CrmError):
        feed.probe()


@pytest.mark.parametrize("channel", ["", "Handoff__chn"])
def test_deals_are_polled_until_the_line_has_told_of_one(channel: str, bus: Bus, mock: responses.RequestsMock) -> None:
    """An org in which nobody selected Opportunity lets us listen, and says nothing: that must not slow a win down."""
    topic = f"/data/{channel}" if channel else DEALS
    with listening(bus, mock, channel=channel) as ear:
        ear.until(lambda: ear.live(topic), "the line")
        assert "deal" not in ear.lines[topic].feeds
        bus.keep_alive(topic, b"place")
        ear.until(lambda: ear.cursor, "a sign of life")
        assert "deal" not in ear.lines[topic].feeds
        bus.publish(topic, payload("Opportunity", DEAL))
        ear.until(lambda: ear.deals, "the change")
        assert ear.feeds == {"deal"}
        assert ear.lines[topic].live
        assert "deal" in ear.lines[topic].feeds
