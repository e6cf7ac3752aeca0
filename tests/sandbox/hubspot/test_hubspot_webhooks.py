"""The portal's webhooks: which events a change brings, how they are signed, and what becomes of a delivery."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hubspot.utils.signature import Signature
from hubspot_receiver import Receiver
from starlette.testclient import TestClient

from connector.sandbox import control, server
from connector.sandbox.hubspot import links, merging
from connector.sandbox.hubspot.feeds import events, webhooks
from connector.sandbox.hubspot.feeds.desk import FeedDesk
from connector.sandbox.hubspot.kinds import kind_of
from connector.sandbox.hubspot.schema import APP, APP_CLIENT_SECRET, APP_ID, PORTAL_ID

DEAL, COMPANY, TASK = kind_of("deals"), kind_of("companies"), kind_of("tasks")
STAGE = {"subscriptionType": "deal.propertyChange", "propertyName": "dealstage"}


def of(kind: str, *verbs: str) -> list[dict[str, Any]]:
    return [{"subscriptionType": f"object.{verb}", "objectTypeId": kind} for verb in verbs]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


class Feed:
    """The portal's webhooks on their way to the receiver."""

    def __init__(self, portal: Any, receiver: Receiver) -> None:
        self.portal, self.receiver, self.desk = portal, receiver, FeedDesk(portal.world)
        self.sender = webhooks.deliverer(portal.world)

    def subscribe(self, *subscriptions: dict[str, Any], **more: Any) -> None:
        config = {"target_url": self.receiver.url, "subscriptions": list(subscriptions), "max_concurrent": 6}
        self.desk.webhooks(**{**config, **more})

    def sent(self) -> list[dict[str, Any]]:
        """What has arrived once nothing is on its way."""
        assert self.desk.settled()
        return self.receiver.events

    def later(self, seconds: float) -> None:
        """Let the sandbox's time pass, and whoever waits for it notice."""
        self.portal.world.clock.advance(seconds)
        assert self.desk.settled()


@pytest.fixture
def feed(portal: Any, receiver: Receiver) -> Iterator[Feed]:
    found = Feed(portal, receiver)
    yield found
    found.sender.close()


# which events


def test_a_win_by_a_person_is_told_with_who_and_when(feed: Feed, portal: Any) -> None:
    deal = portal.deal(hubspot_owner_id=portal.owner.id)
    feed.subscribe(STAGE)
    portal.table("deals").update(deal.id, {"dealstage": "closedwon", "amount": "5"}, by=portal.owner.id)
    (event,) = feed.sent()
    assert event.pop("eventId") > 0
    assert event == {
        "subscriptionId": events.FIRST_SUBSCRIPTION,
        "portalId": PORTAL_ID,
        "appId": APP_ID,
        "occurredAt": int(portal.world.clock.now().timestamp() * 1000),
        "subscriptionType": "deal.propertyChange",
        "attemptNumber": 0,
        "objectId": int(deal.id),
        "propertyName": "dealstage",
        "propertyValue": "closedwon",
        "changeSource": "CRM_UI",
        "sourceId": "userId:9001",
    }


def test_a_write_by_the_api_names_the_app_and_a_workflow_itself(feed: Feed, portal: Any) -> None:
    deal = portal.deal()
    portal.world.setting(
        "workflows",
        [{"name": "back", "when": {"property": "dealstage", "to": "closedwon"}, "set": {"dealstage": "$before"}}],
    )
    feed.subscribe(STAGE)
    portal.ok("PATCH", f"/crm/objects/2026-09/deals/{deal.id}", {"properties": {"dealstage": "closedwon"}})
    told = {(e["propertyValue"], e["changeSource"]) for e in feed.sent()}
    assert told == {("closedwon", "INTEGRATION"), ("contractsent", "AUTOMATION_PLATFORM")}
    assert [e["sourceId"] for e in feed.receiver.events if e["changeSource"] == "INTEGRATION"] == [str(APP_ID)]


def test_a_new_record_tells_itself_and_its_first_values(feed: Feed, portal: Any) -> None:
    feed.subscribe({"subscriptionType": "deal.creation"}, STAGE)
    deal = portal.deal()
    made, valued = sorted(feed.sent(), key=lambda e: e["subscriptionType"])
    assert (made["subscriptionType"], made["objectId"], made["changeFlag"]) == ("deal.creation", int(deal.id), "NEW")
    assert (valued["propertyName"], valued["propertyValue"]) == ("dealstage", "contractsent")


def test_generic_subscriptions_tell_the_type(feed: Feed, portal: Any) -> None:
    by_name = {"subscriptionType": "object.propertyChange", "objectType": "TASK", "propertyName": "hs_task_status"}
    feed.subscribe(by_name, *of("MEETING_EVENT", "creation"))
    task = portal.task(hs_task_status="NOT_STARTED")
    portal.table("meetings").insert({"hs_meeting_title": "Kickoff"}, by="seed")
    told = {(e["subscriptionType"], e["objectTypeId"], e["isSensitive"]) for e in feed.sent()}
    assert told == {("object.propertyChange", "0-27", False), ("object.creation", "0-47", False)}
    portal.table("tasks").update(task.id, {"hs_task_status": None}, by=portal.owner.id)
    assert feed.sent()[-1]["propertyValue"] == ""


def test_archived_and_restored_records(feed: Feed, portal: Any) -> None:
    deal = portal.deal()
    feed.subscribe({"subscriptionType": "deal.deletion"}, {"subscriptionType": "deal.restore"})
    portal.ok("DELETE", f"/crm/objects/2026-09/deals/{deal.id}")
    assert [e["subscriptionType"] for e in feed.sent()] == ["deal.deletion"]
    merging.restore(portal.world, DEAL, deal.id, by=portal.owner.id)
    assert [e["subscriptionType"] for e in feed.sent()] == ["deal.deletion", "deal.restore"]


@pytest.mark.parametrize("keeps", [True, False])
def test_a_merge_is_one_event_and_no_deletion(feed: Feed, portal: Any, *, keeps: bool) -> None:
    portal.world.setting(merging.KEEPS_ID, keeps)
    one, two = portal.deal(), portal.deal(description="only here")
    feed.subscribe({"subscriptionType": "deal.deletion"}, {"subscriptionType": "deal.merge"})
    result = merging.merge(portal.world, DEAL, one.id, two.id, by=portal.owner.id)
    (event,) = feed.sent()
    assert event["subscriptionType"] == "deal.merge"
    assert (event["primaryObjectId"], event["mergedObjectIds"]) == (int(one.id), [int(two.id)])
    assert event["newObjectId"] == int(result.id)
    assert (result.id == one.id) is keeps


def test_an_association_is_told_from_both_ends(feed: Feed, portal: Any) -> None:
    deal, company, task = portal.deal(), portal.company(), portal.task()
    feed.subscribe(
        {"subscriptionType": "deal.associationChange"},
        {"subscriptionType": "company.associationChange"},
        *of("0-27", "associationChange"),
    )
    links.link(portal.world, DEAL, deal.id, COMPANY, company.id, by=APP)
    told = {(e["associationType"], e["fromObjectId"], e["toObjectId"]) for e in feed.sent()}
    assert told == {
        ("DEAL_TO_COMPANY", int(deal.id), int(company.id)),
        ("COMPANY_TO_DEAL", int(company.id), int(deal.id)),
    }
    assert all(e["isPrimaryAssociation"] and not e["associationRemoved"] for e in feed.receiver.events)
    links.link(portal.world, TASK, task.id, DEAL, deal.id, by=APP)
    links.unlink(portal.world, DEAL, deal.id, COMPANY, company.id, by=APP)
    told_later = [(e["associationType"], e["associationRemoved"]) for e in feed.sent()]
    assert ("TASK_TO_DEAL", False) in told_later
    assert ("DEAL_TO_COMPANY", True) in told_later


def test_what_is_not_subscribed_or_taken_back_is_not_told(feed: Feed, portal: Any) -> None:
    feed.subscribe(STAGE)
    deal = portal.deal(dealstage=None)
    with portal.world.transaction() as roll_back:
        portal.table("deals").update(deal.id, {"dealstage": "closedwon"}, by=APP)
        roll_back()
    portal.table("deals").update(deal.id, {"amount": "5"}, by=APP)
    portal.company()
    assert feed.sent() == []


# configuration


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"target_url": "https://connector.example/webhooks"}, "this machine only"),
        ({"target_url": "http://10.0.0.7/x"}, "this machine only"),
        ({"target_url": "file:///x"}, "this machine only"),
        ({"max_concurrent": 5}, "max_concurrent"),
        ({"subscriptions": [{"subscriptionType": "task.creation"}]}, "no classic"),
        ({"subscriptions": [{"subscriptionType": "deal.forgotten"}]}, "unknown subscription"),
        ({"subscriptions": [{"subscriptionType": "deal.propertyChange"}]}, "needs a propertyName"),
        ({"subscriptions": [{**STAGE, "propertyName": "hs_lastmodifieddate"}]}, "cannot be subscribed"),
        ({"subscriptions": of("9-9", "creation")}, "unknown object type"),
        ({"subscriptions": [STAGE] * 1001}, "at most 1000"),
    ],
)
def test_what_the_vendor_would_not_take_is_refused(feed: Feed, change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        feed.desk.webhooks(**{"target_url": feed.receiver.url, "subscriptions": [STAGE], **change})


def test_a_component_file_configures_the_app(feed: Feed, portal: Any) -> None:
    crm = {"subscriptionType": "object.creation", "objectType": "deal", "active": True}
    off = {**STAGE, "active": False}
    component = {
        "uid": "handoff_webhooks",
        "type": "webhooks",
        "config": {
            "settings": {"targetUrl": "https://connector.example/webhooks/hubspot/hs", "maxConcurrentRequests": 20},
            "subscriptions": {"crmObjects": [crm], "legacyCrmObjects": [off], "hubEvents": []},
        },
    }
    feed.desk.upload(component, via=feed.receiver.url, secret="its secret")
    portal.deal()
    (event,) = feed.sent()
    assert (event["subscriptionType"], event["objectTypeId"]) == ("object.creation", "0-3")
    assert feed.desk.state()["webhooks"]["subscriptions"] == 1
    with pytest.raises(ValueError, match="targetUrl"):
        feed.desk.upload({**component, "config": {}})


def test_a_setting_that_is_refused_delivers_nothing_and_says_why(feed: Feed, portal: Any) -> None:
    portal.world.setting(webhooks.SETTING, {"target_url": "https://connector.example/", "subscriptions": [STAGE]})
    portal.deal()
    assert feed.sent() == []
    assert "this machine only" in feed.desk.state()["webhooks"]["refused"]


# delivery


def test_a_delivery_is_signed_in_both_ways(feed: Feed, portal: Any) -> None:
    public = "https://connector.example/webhooks/hubspot/hs?a=%2F%20"
    feed.subscribe(STAGE, target_url=public, via=feed.receiver.url)
    portal.deal()
    feed.sent()
    (delivery,) = feed.receiver.deliveries
    stamp = delivery.headers["X-HubSpot-Request-Timestamp"]
    assert stamp == str(int(portal.world.clock.now().timestamp() * 1000))
    text = delivery.raw.decode()
    v3 = Signature.get_signature(
        APP_CLIENT_SECRET,
        text,
        signature_version="v3",
        http_uri=public.replace("%2F", "/"),
        http_method="POST",
        timestamp=stamp,
    )
    assert delivery.headers["X-HubSpot-Signature-v3"] == v3
    v1 = Signature.get_signature(APP_CLIENT_SECRET, text, signature_version="v1")
    assert delivery.headers["X-HubSpot-Signature"] == v1
    assert delivery.headers["X-HubSpot-Signature-Version"] == "v1"


def test_the_vendors_own_vector(feed: Feed) -> None:
    # facts: HubSpot §2b
    uri, secret = "https://www.example.com/webhook_uri", "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
    app = events.parse({"target_url": uri, "via": feed.receiver.url, "secret": secret})
    headers = webhooks.signed(app, b"{'example_field':'example_value'}", stamp=1693657560000)
    assert headers["X-HubSpot-Signature-v3"] == "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="


def test_a_burst_comes_in_batches_of_a_hundred_side_by_side(feed: Feed, portal: Any) -> None:
    feed.subscribe(STAGE)
    feed.receiver.hold.clear()
    deals = [portal.deal() for _ in range(1050)]
    assert feed.receiver.crowded(6)
    feed.receiver.hold.set()
    assert sorted(e["objectId"] for e in feed.sent()) == sorted(int(deal.id) for deal in deals)
    assert max(len(d.events) for d in feed.receiver.deliveries) == 100
    assert feed.receiver.most_at_once == 6
    told = feed.desk.state()["webhooks"]
    assert (told["made"], told["delivered"], told["waiting"]) == (1050, 1050, {"fresh": 0, "later": 0})


def test_a_failed_delivery_is_tried_again_within_a_day_and_then_given_up(feed: Feed, portal: Any) -> None:
    feed.subscribe(STAGE)
    feed.receiver.answers.extend([500, 0, 404, 429, 503, *[400] * 20])
    began = portal.world.clock.now()
    portal.deal()
    feed.sent()
    while feed.desk.state()["webhooks"]["waiting"]["later"]:
        feed.later(600)
        assert (portal.world.clock.now() - began).total_seconds() <= 24 * 3600 + 600
    assert [e["attemptNumber"] for e in feed.receiver.events] == list(range(11))
    told = feed.desk.state()["webhooks"]
    assert (told["given_up"], told["delivered"]) == (1, 0)
    assert {"500": 1, "404": 1, "429": 1, "503": 1, "400": 6}.items() <= told["failed"].items()


def test_a_retry_that_is_answered_ends_it(feed: Feed, portal: Any) -> None:
    feed.subscribe(STAGE)
    feed.receiver.answers.append(503)
    portal.deal()
    feed.sent()
    feed.desk.retry_now()
    assert [e["attemptNumber"] for e in feed.sent()] == [0, 1]
    assert feed.desk.state()["webhooks"]["delivered"] == 1


def test_silence_counts_as_failure_after_the_timeout(feed: Feed, portal: Any) -> None:
    assert webhooks.TIMEOUT_S == 5.0
    feed.subscribe(STAGE, timeout_s=0.05)
    feed.receiver.hold.clear()
    portal.deal()
    assert feed.desk.settled()
    assert feed.desk.state()["webhooks"]["failed"] == {"timeout": 1}


def test_an_answer_that_is_not_heard_brings_the_events_again(feed: Feed, portal: Any) -> None:
    feed.subscribe(STAGE, unheard=1.0, retry_s=[30])
    portal.deal()
    feed.sent()
    feed.desk.trouble(unheard=0)
    feed.later(32)
    assert [e["attemptNumber"] for e in feed.receiver.events] == [0, 1]
    told = feed.desk.state()["webhooks"]
    assert (told["failed"], told["delivered"]) == ({"unheard": 1}, 1)


def test_nobody_there_counts_as_failure(feed: Feed, portal: Any) -> None:
    feed.subscribe(STAGE)
    feed.receiver.close()
    portal.deal()
    assert feed.desk.settled()
    assert feed.desk.state()["webhooks"]["failed"] == {"ConnectionError": 1}


def test_events_can_be_doubled_shuffled_and_lost(feed: Feed, portal: Any) -> None:
    feed.subscribe(STAGE, double=1.0, shuffle=True, lose=2)
    with portal.world.lock:
        deals = [int(portal.deal().id) for _ in range(60)]
    feed.sent()
    feed.later(webhooks.LATE_S)
    got = [e["objectId"] for e in feed.receiver.events]
    assert sorted(got) == sorted(deals[2:] * 2)
    assert got != sorted(got)
    assert got != deals[2:] * 2
    told = feed.desk.state()["webhooks"]
    assert (told["made"], told["lost"], told["doubled"]) == (60, 2, 58)


def test_a_delay_holds_events_back_in_the_sandboxs_time(feed: Feed, portal: Any) -> None:
    feed.subscribe(STAGE, delay_s=30)
    portal.deal()
    assert feed.sent() == []
    feed.later(30)
    assert len(feed.receiver.events) == 1


def test_an_emptied_or_unplugged_portal_sends_nothing_more(feed: Feed, portal: Any) -> None:
    feed.subscribe(STAGE, delay_s=30)
    portal.deal()
    portal.world.clear()
    feed.later(60)
    feed.subscribe(STAGE)
    feed.desk.unplug()
    portal.deal()
    assert feed.sent() == []


def test_the_state_can_be_told_as_json(feed: Feed, portal: Any) -> None:
    feed.subscribe(STAGE)
    portal.deal()
    feed.sent()
    assert json.loads(json.dumps(feed.desk.state(), default=str))["webhooks"]["requests"] == 1


def test_the_control_port_configures_troubles_and_tells(receiver: Receiver) -> None:
    worlds, _ = server.create_worlds(None)
    client = TestClient(control.app(worlds, keep_clock=lambda: None))
    config = {"do": "webhooks", "target_url": receiver.url, "subscriptions": [STAGE]}
    assert client.post("/feeds", json=config).status_code == 200
    assert client.post("/feeds", json={"do": "trouble", "lose": 1}).status_code == 200
    for _ in range(2):
        body = {"system": "hs", "object": "deals", "changes": {"dealstage": "contractsent"}}
        assert client.post("/record", json=body).status_code == 200
    assert client.post("/feeds", json={"do": "settled"}).json()["answer"] is True
    told = client.get("/feeds").json()
    assert (told["webhooks"]["delivered"], told["webhooks"]["lost"]) == (1, 1)
    assert told["journal"] == {"files": 0, "subscriptions": []}
    code = client.post("/feeds", json={"do": "authorize"}).json()["answer"]
    assert code in worlds["hs"].settings["oauth"]["codes"]
    for wrong in ({"do": "shout"}, {**config, "target_url": "https://connector.example/"}, {"do": "trouble", "x": 1}):
        assert client.post("/feeds", json=wrong).status_code == 400
    server.close(worlds, None)
