"""The portal's webhooks journal: subscriptions, one file after the other, retention, and who may read."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hubspot_sdk import HubSpot
from hubspot_sdk.types.shared.batch_response_journal_fetch_response import BatchResponseJournalFetchResponse
from hubspot_sdk.types.shared.journal_fetch_response import JournalFetchResponse
from hubspot_sdk.types.webhooks_journal.journal_subscription_response import JournalSubscriptionResponse
from pydantic import BaseModel

from connector.sandbox.hubspot import links, merging, schema
from connector.sandbox.hubspot.feeds import log
from connector.sandbox.hubspot.feeds.desk import FeedDesk
from connector.sandbox.hubspot.feeds.journal import READ, SUBSCRIBE, SUBSCRIBED
from connector.sandbox.hubspot.kinds import kind_of
from connector.sandbox.hubspot.oauth import OBJECT_SCOPES
from connector.sandbox.hubspot.schema import APP, APP_CLIENT_ID, APP_CLIENT_SECRET, APP_ID, APP_REFRESH_TOKEN, PORTAL_ID
from connector.sandbox.state import SandboxClock

DEAL, COMPANY = kind_of("deals"), kind_of("companies")
SCOPES = (READ, SUBSCRIBED, SUBSCRIBE, *OBJECT_SCOPES)
APP_FORM = {"client_id": APP_CLIENT_ID, "client_secret": APP_CLIENT_SECRET}
ALL = ["CREATE", "UPDATE", "DELETE", "MERGE", "RESTORE"]
DEALS = {"subscriptionType": "OBJECT", "portalId": PORTAL_ID, "objectTypeId": "0-3", "actions": ALL, "objectIds": []}
NOWHERE = "550e8400-e29b-41d4-a716-446655440000"


class Reader:
    """The app with a token of its own."""

    def __init__(self, portal: Any, version: str = "2026-09") -> None:
        self.portal, self.version = portal, version
        self.desk = FeedDesk(portal.world)
        self.token = self.granted(SCOPES)

    def granted(self, scopes: tuple[str, ...]) -> str:
        form = {**APP_FORM, "grant_type": "client_credentials", "scope": " ".join(scopes)}
        reply = self.portal.session.post(f"{self.portal.url}/oauth/2026-09/token", data=form, timeout=10)
        return str(reply.json()["access_token"])

    def ask(self, method: str, path: str, body: Any = None, token: str = "") -> Any:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return self.portal.ask(method, f"/webhooks-journal/{path}", body, headers=headers)

    def subscribe(self, **more: Any) -> Any:
        reply = self.ask("POST", f"subscriptions/{self.version}", {**DEALS, "properties": ["dealstage"], **more})
        assert reply.status_code == 200, reply.text
        return reply.json()

    def entry(self, path: str) -> Any:
        """One entry, None when there is nothing."""
        reply = self.ask("GET", f"journal/{self.version}/{path}")
        assert reply.status_code in (200, 204), reply.text
        return reply.json() if reply.content else None

    def file(self, entry: Any) -> Any:
        return self.portal.session.get(entry["url"], timeout=10)

    def events(self) -> list[dict[str, Any]]:
        """Everything from the earliest file on."""
        found: list[dict[str, Any]] = []
        entry = self.entry("earliest")
        while entry is not None:
            found += self.file(entry).json()["journalEvents"]
            entry = self.entry(f"offset/{entry['currentOffset']}/next")
        return found

    def told(self) -> list[tuple[str, int]]:
        return [(event["action"], event["objectId"]) for event in self.events()]


@pytest.fixture
def reader(portal: Any) -> Reader:
    return Reader(portal)


def exact(model: type[BaseModel], body: dict[str, Any]) -> None:
    assert not model.model_validate(body).model_extra


# reading


@pytest.mark.parametrize("version", ["2026-03", "2026-09"])
def test_a_change_is_read_once_and_then_there_is_nothing(portal: Any, version: str) -> None:
    reader = Reader(portal, version)
    deal = portal.deal()
    reader.subscribe()
    portal.table("deals").update(deal.id, {"dealstage": "closedwon", "amount": "5"}, by=portal.owner.id)
    entry = reader.entry("earliest")
    exact(JournalFetchResponse, entry)
    body = reader.file(entry).json()
    assert body["offset"] == entry["currentOffset"]
    assert body["publishedAt"] == "2026-11-02T08:00:00Z"
    assert body["journalEvents"] == [
        {
            "type": "OBJECT",
            "portalId": PORTAL_ID,
            "objectTypeId": "0-3",
            "objectId": int(deal.id),
            "action": "UPDATE",
            "occurredAt": "2026-11-02T08:00:00Z",
            "propertyChanges": {"dealstage": "closedwon"},
        }
    ]
    assert reader.entry(f"offset/{entry['currentOffset']}/next") is None
    assert reader.entry("latest")["currentOffset"] == entry["currentOffset"]


def test_an_empty_journal_has_no_content(reader: Reader) -> None:
    reader.subscribe()
    assert [reader.entry(path) for path in ("earliest", "latest")] == [None, None]


def test_every_kind_of_change_is_told(reader: Reader, portal: Any) -> None:
    reader.subscribe(properties=["dealstage", "dealname"])
    reader.subscribe(subscriptionType="ASSOCIATION", actions=["ASSOCIATION_ADDED", "ASSOCIATION_REMOVED"])
    one, two, company = portal.deal(), portal.deal(), portal.company()
    links.link(portal.world, COMPANY, company.id, DEAL, one.id, by=APP)
    portal.ok("DELETE", f"/crm/objects/2026-09/deals/{two.id}")
    merging.restore(portal.world, DEAL, two.id, by=APP)
    portal.world.setting(merging.KEEPS_ID, value=True)
    merging.merge(portal.world, DEAL, one.id, two.id, by=APP)
    first, second = int(one.id), int(two.id)
    assert reader.told() == [
        ("CREATE", first),
        ("CREATE", second),
        ("ASSOCIATION_ADDED", first),
        ("DELETE", second),
        ("RESTORE", second),
        ("MERGE", first),
    ]
    linked = next(event for event in reader.events() if event["action"] == "ASSOCIATION_ADDED")
    assert (linked["associatedObjectTypeId"], linked["associatedObjectId"]) == ("0-2", int(company.id))
    merged = reader.events()[-1]
    assert (merged["primaryObjectId"], merged["mergedObjectIds"]) == (first, [second])


def test_files_end_at_their_size_and_follow_each_other(reader: Reader, portal: Any) -> None:
    reader.subscribe()
    portal.world.setting("journal_file_events", 4)
    deals = [int(portal.deal().id) for _ in range(10)]
    first = reader.entry("earliest")
    assert [event["objectId"] for event in reader.file(first).json()["journalEvents"]] == deals[:4]
    assert [number for _, number in reader.told()] == deals
    batch = reader.ask("GET", "journal/2026-09/batch/earliest/100").json()
    exact(BatchResponseJournalFetchResponse, batch)
    offsets = [entry["currentOffset"] for entry in batch["results"]]
    assert len(offsets) == 3
    rest = reader.ask("GET", f"journal/2026-09/batch/{offsets[0]}/next/1").json()
    assert [entry["currentOffset"] for entry in rest["results"]] == offsets[1:2]
    last = reader.ask("GET", "journal/2026-09/batch/latest/2").json()
    assert [entry["currentOffset"] for entry in last["results"]] == offsets[1:]
    read = reader.ask("POST", "journal/2026-09/batch/read", {"inputs": [offsets[2], NOWHERE]})
    assert (read.status_code, read.json()["numErrors"]) == (207, 1)
    assert reader.ask("GET", "journal/2026-09/batch/earliest/101").status_code == 400


def test_a_file_that_was_read_does_not_grow(reader: Reader, portal: Any) -> None:
    reader.subscribe()
    portal.deal()
    entry = reader.entry("earliest")
    portal.deal()
    assert len(reader.file(entry).json()["journalEvents"]) == 1
    assert len(reader.events()) == 2


def test_the_journal_of_one_portal(reader: Reader, portal: Any) -> None:
    reader.subscribe()
    portal.deal()
    here = reader.ask("GET", f"journal-local/2026-09/earliest?installPortalId={PORTAL_ID}")
    assert here.status_code == 200
    assert reader.ask("GET", "journal-local/2026-09/earliest?installPortalId=1").status_code == 204


def test_a_change_waits_for_its_publication(reader: Reader, portal: Any) -> None:
    portal.world.setting("journal_delay_s", 30)
    reader.subscribe()
    portal.deal()
    assert reader.entry("earliest") is None
    portal.world.clock.advance(30)
    assert reader.file(reader.entry("earliest")).json()["publishedAt"] == "2026-11-02T08:00:30Z"


# time


def test_three_days_are_kept(reader: Reader, portal: Any) -> None:
    reader.subscribe()
    portal.deal()
    old = reader.entry("earliest")["currentOffset"]
    portal.world.clock.advance(3 * 86_400)
    reader.token = reader.granted(SCOPES)
    assert reader.entry("earliest")["currentOffset"] == old
    young = int(portal.deal().id)
    portal.world.clock.advance(1)
    assert reader.told() == [("CREATE", young)]


@pytest.mark.parametrize(("setting", "status"), [(None, 404), ("404", 404), ("410", 410), ("earliest", 200)])
def test_an_aged_offset_is_answered_as_set(reader: Reader, portal: Any, setting: str | None, status: int) -> None:
    reader.subscribe()
    portal.deal()
    old = reader.entry("earliest")["currentOffset"]
    reader.desk.expire_journal()
    portal.deal()
    if setting:
        portal.world.setting("journal_aged", setting)
    reply = reader.ask("GET", f"journal/2026-09/offset/{old}/next")
    assert reply.status_code == status
    if status == 200:
        assert reply.json()["currentOffset"] == reader.entry("earliest")["currentOffset"]


def test_what_ages_out_unpublished_is_never_told(reader: Reader, portal: Any) -> None:
    reader.subscribe()
    portal.world.setting("journal_delay_s", 30)
    portal.deal()
    reader.desk.expire_journal()
    portal.world.clock.advance(60)
    young = int(portal.deal().id)
    portal.world.clock.advance(60)
    assert reader.told() == [("CREATE", young)]


def test_what_is_no_offset_is_refused(reader: Reader) -> None:
    assert reader.ask("GET", "journal/2026-09/offset/7/next").status_code == 400
    assert reader.ask("GET", "journal/2026-09/status/7").status_code == 404


def test_the_address_of_a_file_is_its_own_key(reader: Reader, portal: Any) -> None:
    reader.subscribe()
    portal.deal()
    entry = reader.entry("earliest")
    url, session = entry["url"], portal.session
    leaked = session.get(url, headers={"Authorization": f"Bearer {reader.token}"}, timeout=10)
    assert leaked.status_code == 400
    assert session.get(url[:-1] + ("0" if url[-1] != "0" else "1"), timeout=10).status_code == 403
    assert session.get(url, timeout=10).status_code == 200
    portal.world.clock.advance(300)
    assert session.get(url, timeout=10).status_code == 403
    again = reader.entry("earliest")
    reader.desk.expire_journal()
    assert session.get(again["url"], timeout=10).status_code == 404


def test_the_journal_outlives_a_restart(portal: Any, tmp_path: Any) -> None:
    portal.world.attach(tmp_path)
    reader = Reader(portal)
    reader.subscribe()
    deals = [int(portal.deal().id)]
    offset = reader.entry("earliest")["currentOffset"]
    deals.append(int(portal.deal().id))
    portal.world.detach()
    clock = SandboxClock()
    clock.freeze(portal.world.clock.now())
    world = schema.create_world(clock)
    world.attach(tmp_path)
    journal = log.log(world)
    first, second = journal.files()
    assert first.offset == offset
    told = [
        event["objectId"] for file in (first, second) for event in json.loads(journal.content(file))["journalEvents"]
    ]
    assert told == deals
    world.table("deals").insert({"dealname": "Third"}, by=APP)
    assert [file.last for file in journal.files()] == [1, 2, 3]
    world.detach()


def test_an_emptied_portal_has_an_empty_journal(reader: Reader, portal: Any) -> None:
    reader.subscribe()
    portal.deal()
    portal.world.clear()
    assert reader.entry("earliest") is None
    portal.deal()
    assert len(reader.events()) == 1


# subscriptions


def test_subscriptions_are_made_listed_and_taken_away(reader: Reader, portal: Any) -> None:
    made = reader.subscribe()
    exact(JournalSubscriptionResponse, made)
    assert made["appId"] == APP_ID
    path = f"subscriptions/2026-09/{made['id']}"
    assert reader.ask("GET", path).json() == made
    assert reader.ask("GET", "subscriptions/2026-03").json() == {"results": [made]}
    assert reader.subscribe(properties=["amount"])["id"] == made["id"]
    other = reader.subscribe(objectTypeId="0-27")
    assert reader.ask("DELETE", path).status_code == 204
    assert reader.ask("GET", path).status_code == 404
    assert reader.ask("DELETE", path).status_code == 404
    portal.deal()
    assert reader.events() == []
    assert [one["id"] for one in reader.ask("GET", "subscriptions/2026-09").json()["results"]] == [other["id"]]
    assert reader.ask("DELETE", f"subscriptions/2026-09/portals/{PORTAL_ID}").status_code == 204
    assert reader.ask("GET", "subscriptions/2026-09").json() == {"results": []}


def test_a_second_subscription_may_stand_beside_the_first(reader: Reader, portal: Any) -> None:
    portal.world.setting("journal_upserts", value=False)
    assert reader.subscribe()["id"] != reader.subscribe(properties=["amount"])["id"]
    deal = portal.deal(amount="5")
    (event,) = reader.events()
    assert event["propertyChanges"] == {"dealstage": "contractsent", "amount": "5"}
    portal.table("deals").update(deal.id, {"description": "x"}, by=APP)
    assert len(reader.events()) == 1


def test_a_subscription_to_some_records_tells_of_those(reader: Reader, portal: Any) -> None:
    one, other = portal.deal(), portal.deal()
    reader.subscribe(objectIds=[int(one.id)])
    for deal in (one, other):
        portal.table("deals").update(deal.id, {"dealstage": "closedwon"}, by=APP)
    assert reader.told() == [("UPDATE", int(one.id))]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"subscriptionType": "LIST_MEMBERSHIP"}, 400),
        ({"objectTypeId": "9-9"}, 400),
        ({"actions": []}, 400),
        ({"actions": ["SHOUT"]}, 400),
        ({"properties": "dealstage"}, 400),
        ({"portalId": 1}, 403),
    ],
)
def test_what_cannot_be_subscribed_to(reader: Reader, change: dict[str, Any], status: int) -> None:
    assert reader.ask("POST", "subscriptions/2026-09", {**DEALS, **change}).status_code == status


# who may


@pytest.fixture
def strangers(reader: Reader, portal: Any) -> dict[str, str]:
    form = {**APP_FORM, "grant_type": "refresh_token", "refresh_token": APP_REFRESH_TOKEN}
    granted = portal.session.post(f"{portal.url}/oauth/2026-09/token", data=form, timeout=10).json()
    portal.world.setting("tokens", {"pat-service": APP})
    portal.world.setting("token_kinds", {"pat-service": "service_key"})
    return {
        "service key": "pat-service",
        "private app": schema.TOKEN,
        "installation": granted["access_token"],
        "app without the scope": reader.granted((SUBSCRIBED,)),
    }


@pytest.mark.parametrize("who", ["service key", "private app", "installation", "app without the scope"])
def test_only_the_apps_own_token_with_the_scope_may_read(reader: Reader, strangers: dict[str, str], who: str) -> None:
    refused = reader.ask("GET", "journal/2026-09/earliest", token=strangers[who])
    assert (refused.status_code, refused.json()["category"]) == (403, "MISSING_SCOPES")
    assert refused.json()["errors"][0]["context"]["requiredGranularScopes"] == [READ]


def test_subscribing_needs_its_scope_and_that_of_the_objects(reader: Reader) -> None:
    body = {**DEALS, "properties": ["dealstage"]}
    for scopes, lacking in (((READ, SUBSCRIBED), SUBSCRIBE), ((SUBSCRIBE,), "crm.objects.deals.read")):
        refused = reader.ask("POST", "subscriptions/2026-09", body, token=reader.granted(scopes))
        assert refused.status_code == 403
        assert refused.json()["errors"][0]["context"]["requiredGranularScopes"] == [lacking]


def test_a_dead_token_is_a_401(reader: Reader) -> None:
    reader.desk.kill_tokens()
    assert reader.ask("GET", "journal/2026-09/earliest").status_code == 401


def test_the_journal_costs_nothing_of_the_limits_but_has_its_own(reader: Reader, portal: Any) -> None:
    portal.world.settings.update(burst_limit=1, daily_limit=1, journal_per_second=3)
    assert [reader.ask("GET", "journal/2026-09/latest").status_code for _ in range(4)] == [204, 204, 204, 429]
    assert portal.ask("GET", "/crm/objects/2026-09/deals").status_code == 200


def test_the_vendors_client_finds_the_journal_there(reader: Reader, portal: Any) -> None:
    reader.subscribe()
    portal.deal()
    client = HubSpot(access_token=reader.token, base_url=portal.url, max_retries=0, http_client=httpx.Client())
    entry = json.loads(client.webhooks_journal.journal.get_earliest().read())
    later = client.webhooks_journal.journal.get_next_from_offset(entry["currentOffset"])
    assert later.status_code == 204
    assert len(client.webhooks_journal.journal.batch.get_earliest(10).results) == 1
    assert len(client.webhooks_journal.subscriptions.list().results) == 1
    client.close()
