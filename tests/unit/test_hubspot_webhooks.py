"""Webhooks read: every kind of event the vendor sends, what is made of them, and when a letter is gone."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from hubspot_portal import Portal, Reply, a_crm, a_map, a_portal
from sqlalchemy import make_url
from structlog.testing import capture_logs
from webhook_wire import APP, AT, PORTAL, SECRET, an_event, millis

from connector.clock import ManualClock, SystemClock
from connector.crm.hubspot.fields import Fields
from connector.crm.hubspot.live import webhooks
from connector.crm.hubspot.live.delivered import event_of
from connector.crm.hubspot.live.meaning import Action, Event, Meaning
from connector.crm.hubspot.live.reach import Address
from connector.crm.hubspot.live.webhooks import AT_ONCE, LATELY, TOGETHER, WebhookFeed
from connector.crm.hubspot.login import App
from connector.crm.live import Hints, Line, Sighting
from connector.handoff.model import Kind, Ref, SystemName
from connector.store.database import Database
from connector.store.letters import Letterbox
from connector.store.schema import letter

HS = SystemName("hs")
NOW = AT + timedelta(seconds=2)
URL = "https://handoff.seller.example/webhooks/hubspot/hs"
FEEDS = frozenset({"deal", "task", "meeting", "call", "email"})


def event(kind: str, **changes: Any) -> Event | None:
    return event_of(an_event(kind, **changes), came_at=NOW)


# what an event says


@pytest.mark.parametrize(
    ("told", "type_", "action"),
    [
        (an_event("deal.creation", changeFlag="NEW"), "0-3", Action.CREATE),
        (an_event("deal.deletion"), "0-3", Action.DELETE),
        (an_event("deal.restore"), "0-3", Action.RESTORE),
        (an_event("company.propertyChange"), "0-2", Action.UPDATE),
        (an_event("object.creation", objectTypeId="0-47"), "0-47", Action.CREATE),
        (an_event("object.propertyChange", objectTypeId="0-27", isSensitive=False), "0-27", Action.UPDATE),
        (an_event("object.deletion", objectTypeId="TASK"), "0-27", Action.DELETE),
        (an_event("object.creation", objectTypeId="MEETING_EVENT"), "0-47", Action.CREATE),
        (an_event("object.creation", objectTypeId="0-1"), "0-1", Action.CREATE),
        (an_event("x", subscriptionType=None, eventType="deal.creation"), "0-3", Action.CREATE),
    ],
    ids=lambda each: str(each.get("subscriptionType") or "eventType") if isinstance(each, dict) else "",
)
def test_classic_and_generic_events(told: dict[str, Any], type_: str, action: Action) -> None:
    found = event_of(told, came_at=NOW)
    assert found is not None
    assert (found.object_type_id, found.object_id, found.action, found.at) == (type_, "501", action, AT)
    assert found.changed == ({"dealstage"} if action is Action.UPDATE else frozenset())


@pytest.mark.parametrize("kind", ["contact.propertyChange", "conversation.creation", "deal.invented", "deal", "", "."])
def test_kinds_that_nothing_follows_from(kind: str) -> None:
    assert event(kind) is None


def test_an_event_without_a_time_happened_when_it_came() -> None:
    odd: tuple[Any, ...] = (None, "soon", -5, 10**15, {})
    for at in odd:
        found = event("deal.creation", occurredAt=at)
        assert found is not None
        assert found.at == NOW
    as_text = event("deal.creation", occurredAt=str(millis(AT)))
    assert as_text is not None
    assert as_text.at == AT


def test_a_merge_names_every_record_that_took_part() -> None:
    found = event("deal.merge", objectId=None, primaryObjectId=7, mergedObjectIds=[8, 9], newObjectId=10)
    assert found is not None
    assert (found.object_id, found.also) == ("7", ("10", "8", "9"))
    same = event("deal.merge", objectId=7, primaryObjectId=7, mergedObjectIds=[8], newObjectId=-1)
    assert same is not None
    assert (same.object_id, same.also) == ("7", ("8",))


def test_a_link_names_both_ends() -> None:
    classic = event(
        "deal.associationChange", objectId=None, associationType="DEAL_TO_COMPANY", fromObjectId=1, toObjectId=2
    )
    assert classic is not None
    assert (classic.object_type_id, classic.object_id, classic.also) == ("0-3", "1", ("0-2:2",))
    ids = {"objectTypeId": "0-47", "fromObjectTypeId": "0-47", "toObjectTypeId": "0-3", "associationType": None}
    generic = event("object.associationChange", objectId=None, fromObjectId=5, toObjectId=6, **ids)
    assert generic is not None
    assert (generic.object_type_id, generic.object_id, generic.also) == ("0-47", "5", ("0-3:6",))
    person = event("deal.associationChange", associationType="DEAL_TO_CONTACT", fromObjectId=1, toObjectId=3)
    assert person is not None
    assert (person.object_id, person.also) == ("1", ())


@pytest.mark.parametrize(
    ("source", "source_id", "own"),
    [
        ("INTEGRATION", str(APP), True),
        ("INTEGRATION", f"appId:{APP}", True),
        ("INTEGRATION", "1", False),
        ("CRM_UI", str(APP), False),
        ("AUTOMATION_PLATFORM", f"enrollmentId:{APP}", False),
        ("INTEGRATION", None, False),
    ],
)
def test_own_changes_are_known_by_the_app(source: str, source_id: str | None, own: bool) -> None:
    found = event("deal.propertyChange", changeSource=source, sourceId=source_id)
    assert found is not None
    assert found.by_self is own


# the feed


@dataclass
class Ear:
    """Somebody who listens, one hint at a time."""

    feed: WebhookFeed
    box: Letterbox
    clock: ManualClock
    stop: threading.Event = field(default_factory=threading.Event)
    heard: Generator[Hints, None, None] = field(init=False)
    cursor: str | None = None

    def begin(self, cursor: str | None = "{}") -> Hints:
        """The first thing that is said."""
        self.cursor = cursor
        self.heard = self.feed.listen(cursor, self.stop)
        return self.next()

    def next(self) -> Hints:
        """The next thing, after which the one before counts as taken."""
        hints = next(self.heard)
        self.cursor = hints.cursor or self.cursor
        return hints

    def told(self, *events: dict[str, Any]) -> Hints:
        """What is made of events that came in one delivery."""
        self.box.post([json.dumps(each) for each in events])
        return self.next()

    @property
    def waiting(self) -> int:
        return len(self.box.take(1000))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def box(clock: ManualClock) -> Iterator[Letterbox]:
    """A real letterbox, in memory."""
    database = Database(make_url("sqlite://"), clock=clock)
    with database.write() as connection:
        letter.create(connection)
    yield Letterbox(database, HS)
    database.close()


@pytest.fixture
def ear(box: Letterbox, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ear]:
    monkeypatch.setattr(webhooks, "IDLE", 0.0)
    monkeypatch.setattr(webhooks, "MOMENT", 0.0)
    feed = WebhookFeed(
        session=None,  # type: ignore[arg-type]  # nothing is asked of the portal here
        meaning=Meaning(Fields(a_map()), a_map(), HS),
        letterbox=box,
        address=Address(URL, SECRET, now=clock.now),
        home=lambda: str(PORTAL),
        now=clock.now,
        monotonic=lambda: clock.now().timestamp(),
    )
    made = Ear(feed, box, clock)
    yield made
    made.heard.close()


def test_letters_are_dropped_only_when_the_next_is_asked_for(ear: Ear) -> None:
    ear.begin()
    assert [each.deal_ids for each in ear.told(an_event(objectId=1)).sightings] == [("1",)]
    assert ear.waiting == 1
    ear.box.post([json.dumps(an_event(objectId=2))])
    assert [each.deal_ids for each in ear.next().sightings] == [("2",)]
    assert ear.waiting == 1


def test_whoever_dies_over_a_letter_reads_it_again(ear: Ear) -> None:
    ear.begin()
    ear.told(an_event(objectId=1))
    ear.heard.close()
    ear.begin(ear.cursor)
    assert [each.deal_ids for each in ear.next().sightings] == [("1",)]


def test_what_a_listener_crashed_over_is_put_away(ear: Ear) -> None:
    """The engine begins without a cursor after a crash; a restart of the process reads what there is."""
    ear.begin()
    ear.told(an_event(objectId=1))
    ear.heard.close()
    ear.box.post([json.dumps(an_event(objectId=2))])
    ear.begin(None)
    assert [each.deal_ids for each in ear.next().sightings] == [("2",)]


def test_doubled_and_shuffled_events_are_one_reason_to_look(ear: Ear) -> None:
    ear.begin()
    stage = an_event(objectId=1)
    other = an_event(objectId=1, propertyName="amount")
    late = an_event(objectId=1, occurredAt=millis(AT) - 60_000)
    found = ear.told(other, stage, stage, late, other).sightings
    assert [(each.ref.id, each.modified_at) for each in found] == [("1", AT), ("1", AT - timedelta(minutes=1))]


def test_a_persons_hand_outweighs_our_own_and_a_mapped_field_an_unmapped_one(ear: Ear) -> None:
    ear.begin()
    own = an_event(objectId=1, changeSource="INTEGRATION", sourceId=str(APP), propertyName="dealstage")
    minor = an_event(objectId=1, propertyName="hs_priority")
    assert ear.told(own).sightings == (Sighting(Ref(Kind.DEAL, "1"), AT, ("1",), by_self=True),)
    assert ear.told(minor).sightings == (Sighting(Ref(Kind.DEAL, "1"), AT, ("1",), minor=True),)
    assert ear.told(own, minor).sightings == (Sighting(Ref(Kind.DEAL, "1"), AT, ("1",)),)


def test_activities_are_asked_about_together_after_a_moment(ear: Ear) -> None:
    """Deals do not wait for them, and no letter is gone before what it says was taken."""
    ear.begin()
    meeting = an_event("object.creation", objectTypeId="0-47", objectId=9)
    assert ear.told(meeting, an_event(objectId=1)).sightings == (Sighting(Ref(Kind.DEAL, "1"), AT, ("1",)),)
    ear.clock.advance(timedelta(seconds=TOGETHER / 2))
    mail = an_event("object.creation", objectTypeId="0-49", objectId=4)
    assert ear.told(mail).sightings == ()
    assert ear.waiting == 2
    ear.clock.advance(timedelta(seconds=TOGETHER / 2))
    asked = ear.next().sightings
    assert [(each.ref.id, each.ask) for each in asked] == [("9", True), ("0-49:4", True)]
    assert ear.waiting == 2
    assert ear.next().sightings == ()
    assert ear.waiting == 0


def test_an_activity_that_is_linked_names_its_deal(ear: Ear) -> None:
    ear.begin()
    ends = {"objectTypeId": "0-47", "associationType": "MEETING_EVENT_TO_DEAL", "fromObjectId": 9, "toObjectId": 1}
    link = an_event("object.associationChange", objectId=None, **ends)
    assert [(each.deal_ids, each.ask) for each in ear.told(link).sightings] == [(("1",), False)]


def test_what_waits_to_be_asked_about_is_read_again_by_whoever_comes_next(ear: Ear) -> None:
    ear.begin()
    assert ear.told(an_event("object.creation", objectTypeId="0-47", objectId=9)).sightings == ()
    ear.heard.close()
    ear.begin(None)
    ear.next()
    ear.clock.advance(timedelta(seconds=TOGETHER))
    assert [each.ref.id for each in ear.next().sightings] == ["9"]


def test_many_activities_do_not_wait(ear: Ear) -> None:
    ear.begin()
    many = [an_event("object.creation", objectTypeId="0-47", objectId=each) for each in range(1, AT_ONCE + 1)]
    assert len(ear.told(*many).sightings) == AT_ONCE
    ear.next()
    assert ear.waiting == 0


def test_letters_that_cannot_be_read_and_those_of_other_portals_are_passed_over(ear: Ear) -> None:
    ear.begin()
    ear.box.post(["[1]", "nonsense", '{"subscriptionType": "deal.creation"}'])
    with capture_logs() as lines:
        hints = ear.told(an_event(portalId=99), an_event(objectId=2))
    assert [each.deal_ids for each in hints.sightings] == [("2",)]
    assert [line["event"] for line in lines] == ["letter.garbled"] * 2
    ear.next()
    assert ear.waiting == 0


def test_a_feed_is_spared_once_it_was_heard_of_and_not_before(ear: Ear) -> None:
    first = ear.begin(None)
    assert first.lines == (Line("webhooks", frozenset(FEEDS), live=False, why=first.lines[0].why),)
    assert first.lines[0].why == f"no delivery yet: nothing that the app signed has come to {URL}"
    assert first.missed == FEEDS
    deals = ear.told(an_event())
    assert deals.lines == (Line("webhooks", frozenset({"deal"}), live=True),)
    assert deals.heard == {"deal"}
    assert ear.told(an_event(), an_event("company.propertyChange", propertyName="name")).lines == ()
    tasks = ear.told(an_event("object.deletion", objectTypeId="0-27"))
    assert tasks.lines == (Line("webhooks", frozenset({"deal", "task"}), live=True),)


def test_how_it_stood_is_remembered_over_a_restart_and_fades(ear: Ear) -> None:
    ear.begin(None)
    ear.told(an_event())
    ear.next()
    ear.heard.close()
    again = ear.begin(ear.cursor)
    assert again.lines == (Line("webhooks", frozenset({"deal"}), live=True),)
    assert again.missed == {"deal"}, "what came while nobody listened is looked for"
    ear.clock.advance(LATELY)
    assert ear.next().lines == ()
    ear.clock.advance(timedelta(seconds=1))
    (line,) = ear.next().lines
    assert (line.live, line.feeds) == (False, FEEDS)
    assert line.why == f"no delivery since {NOW:%Y-%m-%d %H:%M} UTC"


@pytest.mark.parametrize(
    "cursor", ["", "[]", '{"deal": 5}', '{"deal": "soon"}', '{"portal": "1", "offset": null}', "x"]
)
def test_another_lines_cursor_is_none(cursor: str, ear: Ear) -> None:
    assert ear.begin(cursor).lines[0].live is False


# which deals, and whether the address works


@pytest.fixture
def portal() -> Iterator[Portal]:
    with a_portal() as made:
        yield made


def test_the_adapter_listens_where_it_is_told_an_address(portal: Portal, box: Letterbox) -> None:
    app = App("", SECRET)
    assert a_crm(portal, letterbox=box, app=app).live() is None
    assert a_crm(portal, letterbox=box, webhook_url=URL).live() is None
    feed = a_crm(portal, letterbox=box, app=app, webhook_url=URL).live()
    assert isinstance(feed, WebhookFeed)
    portal.say(Reply({"results": [{"from": {"id": "9"}, "to": [{"toObjectId": 501}]}]}))
    assert feed.deals_of([Ref(Kind.MEETING, "9")]) == {Ref(Kind.MEETING, "9"): ("501",)}


@pytest.mark.parametrize(
    ("status", "words"),
    [(204, ""), (401, "another secret"), (404, "no such path"), (502, "daemon running"), (418, "418")],
)
def test_the_address_is_tried_with_an_empty_delivery(status: int, words: str) -> None:
    asked: list[tuple[bytes, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append((self.rfile.read(int(self.headers["Content-Length"])), self.headers["X-HubSpot-Signature-v3"]))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/webhooks/hubspot/hs"
    trouble = Address(url, SECRET, now=SystemClock().now).trouble()
    thread.join()
    server.server_close()
    assert words in trouble
    assert bool(trouble) is (status != 204)
    assert asked[0][0] == b"[]"
    assert asked[0][1]


def test_an_address_that_nobody_answers_is_said_to_be_so() -> None:
    assert (
        "cannot be reached from here"
        in Address("http://127.0.0.1:9/x", SECRET, now=lambda: datetime.now(UTC)).trouble()
    )
