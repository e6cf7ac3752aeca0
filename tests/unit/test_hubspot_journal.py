"""Reading an app's journal from a scripted portal: where it begins and goes on, what breaks it, what is then polled."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hubspot_portal import Asked, Passing, Portal, Reply, a_map, a_portal
from listening import Ear

from connector.crm.hubspot.fields import Fields
from connector.crm.hubspot.live.entries import Files
from connector.crm.hubspot.live.journal import (
    FILE_TRIES,
    LINE,
    LOST_MOST,
    QUIET,
    QUIETEST,
    SIGHTINGS,
    JournalFeed,
)
from connector.crm.hubspot.live.meaning import CALL, COMPANY, DEAL, EMAIL, FEEDS, KINDS, MEETING, TASK, Meaning
from connector.crm.hubspot.live.pauses import REFUSED
from connector.crm.hubspot.login import StaticToken
from connector.crm.hubspot.session import Session, Waits
from connector.crm.live import Line
from connector.errors import CrmError, Fault, FaultCode
from connector.handoff.model import Kind, Ref, SystemName

HOME, ELSEWHERE = "441100", "552200"
ALL = set(FEEDS.values())
NOTHING = Reply(b"", status=204)
ACTED = ["CREATE", "DELETE", "MERGE", "RESTORE", "UPDATE"]
AT = "2026-11-20T09:30:00.120Z"


def deal_event(deal_id: int, *changed: str, **more: Any) -> dict[str, Any]:
    """A deal that changed, as the journal tells it."""
    told = {"type": "OBJECT", "portalId": int(HOME), "objectTypeId": DEAL, "objectId": deal_id, "action": "UPDATE"}
    return {**told, "occurredAt": AT, "propertyChanges": dict.fromkeys(changed or ("dealstage",), "x"), **more}


@dataclass
class Journal:
    """An app's journal and subscriptions behind a scripted portal. ``refuse`` answers before anything else."""

    portal: Portal
    files: list[Any] = field(default_factory=list)
    subscriptions: list[dict[str, Any]] = field(default_factory=list)
    refuse: Callable[[Asked], Reply | None] = lambda asked: None
    knows: Callable[[str], bool] = lambda offset: True
    batches: bool = True
    in_place: bool = False
    signature: int = 0

    def publish(self, *events: dict[str, Any], at: str = AT) -> str:
        self.files.append({"offset": "", "publishedAt": at, "journalEvents": list(events)})
        return self.offset(len(self.files) - 1)

    def offset(self, number: int) -> str:
        return f"00000000-0000-0000-0000-{number:012d}"

    def of_records(self) -> dict[str, dict[str, Any]]:
        """The subscriptions to what happens to records, by type."""
        return {each["objectTypeId"]: each for each in self.subscriptions if each["subscriptionType"] == "OBJECT"}

    def answer(self, asked: Asked) -> Reply:
        refused = self.refuse(asked)
        if refused is not None:
            return refused
        if "/journal-files/" in asked.path:
            assert not asked.token, "our token is nobody's business there"
            number = int(asked.path.partition("/journal-files/")[2].partition("?")[0])
            file = self.files[number]
            return file if isinstance(file, Reply) else Reply(file)
        if asked.path.startswith("/webhooks-journal/subscriptions/2026-09"):
            return self.subscribe(asked)
        return self.read(asked.path.removeprefix("/webhooks-journal/journal/2026-09/").split("/"))

    def subscribe(self, asked: Asked) -> Reply:
        if asked.method == "GET":
            return Reply({"results": self.subscriptions})
        if asked.method == "DELETE":
            self.subscriptions = [each for each in self.subscriptions if not asked.path.endswith(f"/{each['id']}")]
            return NOTHING
        same = [each for each in self.subscriptions if self.in_place and _alike(each, asked.body)]
        made = {**asked.body, "id": same[0]["id"] if same else 100 + len(self.portal.asked), "appId": 77}
        self.subscriptions = [each for each in self.subscriptions if each not in same] + [made]
        return Reply(made, status=201)

    def read(self, way: list[str]) -> Reply:
        batch = way[0] == "batch"
        if batch and not self.batches:
            return Reply({"message": "no such path"}, status=404)
        match [each for each in way if each not in ("batch", "offset")]:
            case ["latest"]:
                numbers = [len(self.files) - 1][: len(self.files)]
            case ["earliest", *count]:
                numbers = list(range(len(self.files)))[: int(count[0]) if count else 1]
            case [offset, "next", *count]:
                if not self.knows(offset):
                    return Reply({"message": "no such offset"}, status=404)
                after = int(offset[-12:]) + 1
                numbers = list(range(after, len(self.files)))[: int(count[0]) if count else 1]
        entries = [self.entry(number) for number in numbers]
        if not entries:
            return NOTHING
        return Reply({"status": "COMPLETE", "results": entries} if batch else entries[0])

    def entry(self, number: int) -> dict[str, Any]:
        self.signature += 1
        url = f"{self.portal.url}/journal-files/{number}?signature={self.signature}"
        return {"url": url, "expiresAt": "2026-11-20T09:40:00Z", "currentOffset": self.offset(number)}


def _alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(one.get(name) == other.get(name) for name in ("portalId", "objectTypeId", "subscriptionType"))


@dataclass
class Desk:
    """A portal with a journal, and whoever may listen to it."""

    portal: Portal
    journal: Journal
    time: Passing = field(default_factory=Passing)

    def feed(self, *, login: Any = None, timeout: float = 5.0, **changes: Any) -> JournalFeed:
        waits = Waits(clock=self.time.clock, monotonic=self.time.monotonic, wait=self.time.wait)
        app = Session(
            login=login or StaticToken("app-token"), base_url=self.portal.url, waits=waits, timeout=(5, timeout)
        )
        own = Session(login=StaticToken("pat-test"), base_url=self.portal.url, waits=waits)
        crm_map = a_map(**changes.pop("map", {}))
        given: dict[str, Any] = {
            "home": lambda: HOME,
            "files": Files(timeout=(5.0, timeout), at_home=True),
            "waits": waits,
        }
        return JournalFeed(own, app, Meaning(Fields(crm_map), crm_map, SystemName("hs")), **{**given, **changes})

    @contextmanager
    def listening(self, cursor: str | None = None, **how: Any) -> Iterator[Ear]:
        ear = Ear(self.feed(**how).listen(cursor, threading.Event()))
        try:
            yield ear
        finally:
            ear.heard.close()

    def cursor(self) -> str:
        """As somebody left it who heard all there is."""
        with self.listening() as ear:
            ear.until(lambda: ear.live and ear.cursor, "a cursor")
            return ear.cursor

    def asked(self, part: str) -> list[Asked]:
        return [each for each in self.portal.asked if part in each.path]


@pytest.fixture
def desk() -> Iterator[Desk]:
    with a_portal() as portal:
        journal = Journal(portal)
        portal.otherwise = journal.answer
        yield Desk(portal, journal)


# where it begins and goes on


def test_it_begins_at_the_newest_entry_and_has_what_came_before_polled(desk: Desk) -> None:
    desk.journal.publish(deal_event(1))
    newest = desk.journal.publish(deal_event(2))
    with desk.listening() as ear:
        ear.until(lambda: ear.offset == newest, "the newest entry")
        assert (ear.deals, ear.missed, ear.sweeps) == (["2"], ALL, [])
        after = desk.journal.publish(deal_event(3), deal_event(4, "hs_lastmodifieddate"))
        ear.until(lambda: ear.offset == after, "the next entry")
        assert ear.deals == ["2", "3", "4"]
        assert [each.minor for each in ear.sightings] == [False, False, True]
        assert ear.feeds == {"deal"}
        assert ear.lines[LINE].feeds == frozenset(ALL), "it told of a deal, so deals need not be polled either"


def test_an_empty_journal_is_read_from_its_first_entry_on(desk: Desk) -> None:
    with desk.listening() as ear:
        ear.until(lambda: ear.live and ear.missed == ALL, "an idle journal")
        assert (ear.deals, ear.cursor) == ([], "")
        assert ear.lines[LINE].feeds == frozenset(ALL - {"deal"}), "deals are polled until one was told of"
        desk.journal.publish(deal_event(5))
        desk.journal.publish(deal_event(6))
        ear.until(lambda: len(ear.deals) == 2, "both entries")
        assert ear.deals == ["5", "6"]


def test_it_goes_on_where_it_was_left_and_nothing_is_polled_for_it(desk: Desk) -> None:
    desk.journal.publish(deal_event(1))
    cursor = desk.cursor()
    for deal_id in (2, 3, 4):
        desk.journal.publish(deal_event(deal_id))
    desk.portal.asked.clear()
    with desk.listening(cursor) as ear:
        ear.until(lambda: len(ear.deals) == 3, "what was missed")
        assert ear.deals == ["2", "3", "4"]
        assert (ear.missed, ear.sweeps) == (set(), [])
    assert [each.method for each in desk.asked("/subscriptions/")] == ["GET"]
    assert len(desk.asked("/journal/2026-09/")) == 1, "three entries in one answer"


def test_what_was_not_taken_is_told_again(desk: Desk) -> None:
    desk.journal.publish(deal_event(1))
    cursor = desk.cursor()
    desk.journal.publish(deal_event(2))
    desk.journal.publish(deal_event(3))
    with desk.listening(cursor) as ear:
        ear.until(lambda: ear.deals, "the first of two")
        assert ear.deals == ["2"]
        left_at = ear.cursor
    with desk.listening(left_at) as ear:
        ear.until(lambda: ear.deals, "the second")
        assert ear.deals == ["3"]


@pytest.mark.parametrize(
    "cursor", ["", "no JSON", "[]", "{}", '{"deal": "2026-11-20"}', '{"portal":"1","offset":"a","told":{}}']
)
def test_a_cursor_of_something_else_is_as_if_nothing_was_read(desk: Desk, cursor: str) -> None:
    newest = desk.journal.publish(deal_event(1))
    with desk.listening(cursor) as ear:
        ear.until(lambda: ear.offset == newest, "the newest entry")
        assert ear.missed == ALL


def test_a_quiet_journal_is_asked_about_once_a_second_and_then_less(desk: Desk) -> None:
    desk.journal.publish(deal_event(1))
    with desk.listening() as ear:
        ear.until(lambda: ear.live, "the line")
        desk.portal.asked.clear()
        began = desk.time.monotonic()
        ear.until(lambda: desk.time.monotonic() - began >= 10, "ten seconds")
        assert 8 <= len(desk.asked("/next/")) <= 10 / QUIET + 1
        desk.time.wait(1000)
        desk.portal.asked.clear()
        began = desk.time.monotonic()
        ear.until(lambda: desk.time.monotonic() - began >= 30, "thirty seconds")
        assert len(desk.asked("/next/")) <= 30 / QUIETEST + 1
        assert ear.deals == ["1"]


def test_entries_that_come_thick_do_not_cost_a_call_each(desk: Desk) -> None:
    desk.journal.publish(deal_event(1))
    with desk.listening() as ear:
        ear.until(lambda: ear.live, "the line")
        desk.portal.asked.clear()
        for deal_id in range(40):
            desk.journal.publish(deal_event(deal_id))
        ear.until(lambda: len(ear.deals) == 41, "forty entries")
        assert len(desk.asked("/next/")) == 2


def test_a_portal_without_the_batch_form_is_asked_for_one_entry_at_a_time(desk: Desk) -> None:
    desk.journal.batches = False
    desk.journal.publish(deal_event(1))
    cursor = desk.cursor()
    for deal_id in (2, 3):
        desk.journal.publish(deal_event(deal_id))
    with desk.listening(cursor) as ear:
        ear.until(lambda: len(ear.deals) == 2, "both")
        assert (ear.deals, ear.sweeps, ear.why) == (["2", "3"], [], "")


# subscriptions


def test_a_subscription_for_every_watched_type_with_the_mapped_properties(desk: Desk) -> None:
    with desk.listening() as ear:
        ear.until(lambda: ear.live, "the line")
    made = desk.journal.of_records()
    assert set(made) == set(KINDS)
    assert {"dealstage", "pipeline", "hubspot_owner_id", "closedate", "handoff_why_bought"} <= set(
        made[DEAL]["properties"]
    )
    assert "hs_task_status" in made[TASK]["properties"]
    assert {"name", "handoff_csm"} <= set(made[COMPANY]["properties"])
    assert all(each["portalId"] == int(HOME) and each["actions"] == ACTED for each in made.values())
    assert not any("hs_lastmodifieddate" in each["properties"] for each in made.values())
    (links,) = [each for each in desk.journal.subscriptions if each["subscriptionType"] == "ASSOCIATION"]
    assert (links["objectTypeId"], links["associatedObjectTypeIds"]) == (DEAL, [COMPANY, MEETING, CALL, EMAIL])
    desk.portal.asked.clear()
    with desk.listening() as ear:
        ear.until(lambda: ear.live, "the line")
    assert [each.method for each in desk.asked("/subscriptions/")] == ["GET"], "the second time nothing is made"


@pytest.mark.parametrize("in_place", [True, False])
def test_a_mapping_that_grew_renews_its_subscription_and_has_that_feed_polled(desk: Desk, in_place: bool) -> None:
    desk.journal.in_place = in_place
    desk.journal.publish(deal_event(1))
    cursor = desk.cursor()
    old = desk.journal.of_records()[DEAL]
    old["properties"].remove("handoff_why_bought")
    old["properties"].append("theirs")
    with desk.listening(cursor) as ear:
        ear.until(lambda: ear.live, "the line")
        assert ear.missed == (set() if in_place else {"deal"})
    assert len(desk.journal.subscriptions) == len(KINDS) + 1
    new = desk.journal.of_records()[DEAL]
    assert {"handoff_why_bought", "theirs"} <= set(new["properties"])
    assert (new["id"] == old["id"]) is in_place


def test_nothing_of_others_is_touched(desk: Desk) -> None:
    theirs: list[dict[str, Any]] = [
        {
            "id": 1,
            "subscriptionType": "OBJECT",
            "portalId": int(ELSEWHERE),
            "objectTypeId": DEAL,
            "actions": ["CREATE"],
            "properties": ["x"],
        },
        {
            "id": 2,
            "subscriptionType": "OBJECT",
            "portalId": int(HOME),
            "objectTypeId": DEAL,
            "actions": ["SNAPSHOT"],
            "properties": ["x"],
        },
        {
            "id": 3,
            "subscriptionType": "OBJECT",
            "portalId": int(HOME),
            "objectTypeId": DEAL,
            "objectIds": [9],
            "actions": ["UPDATE"],
            "properties": ["x"],
        },
        {
            "id": 4,
            "subscriptionType": "OBJECT",
            "portalId": int(HOME),
            "objectTypeId": DEAL,
            "actions": ["UPDATE"],
            "properties": None,
        },
        {
            "id": 5,
            "subscriptionType": "ASSOCIATION",
            "portalId": int(HOME),
            "objectTypeId": DEAL,
            "actions": ["ASSOCIATION_ADDED"],
        },
        {"id": 6, "subscriptionType": "APP_LIFECYCLE_EVENT", "eventTypeId": "4-1"},
    ]
    desk.journal.subscriptions = list(theirs)
    with desk.listening() as ear:
        ear.until(lambda: ear.live, "the line")
    assert desk.journal.subscriptions[: len(theirs)] == theirs
    assert len(desk.journal.subscriptions) == len(theirs) + len(KINDS) + 1


def test_the_form_that_the_portal_takes_is_found(desk: Desk) -> None:
    """One wants ``objectIds``, and does not let emails be merged."""

    def refuse(asked: Asked) -> Reply | None:
        body = asked.body or {}
        if asked.method == "POST" and "objectIds" not in body:
            return Reply({"message": "objectIds is required", "category": "VALIDATION_ERROR"}, status=400)
        if body.get("objectTypeId") == EMAIL and "MERGE" in body["actions"]:
            return Reply({"message": "no such action", "category": "VALIDATION_ERROR"}, status=400)
        return None

    desk.journal.refuse = refuse
    with desk.listening() as ear:
        ear.until(lambda: ear.live, "the line")
    assert {each["objectTypeId"] for each in desk.journal.subscriptions} == set(KINDS)
    assert all(each["objectIds"] == [] for each in desk.journal.subscriptions)


def test_a_type_that_may_not_be_told_of_is_polled_and_the_others_are_not(desk: Desk) -> None:
    lacking = {"message": "This app lacks a scope", "category": "MISSING_SCOPES"}
    desk.journal.refuse = lambda asked: (
        Reply(lacking, status=403) if (asked.body or {}).get("objectTypeId") == EMAIL else None
    )
    desk.journal.publish(deal_event(1))
    with desk.listening() as ear:
        ear.until(lambda: ear.deals, "the deal")
        assert ear.lines[LINE].feeds == frozenset(ALL - {"email"})
        emails = ear.lines["journal of emails"]
        assert (emails.live, emails.feeds) == (False, frozenset({"email"}))
        assert "MISSING_SCOPES" in emails.why
        desk.journal.refuse = lambda asked: None
        desk.time.wait(1000)
        ear.forget()
        ear.until(lambda: ear.lines["journal of emails"].live, "the scope that was granted")
        assert ear.lines[LINE].feeds == frozenset(ALL)
        assert ear.missed == {"email"}


def test_a_subscription_that_somebody_takes_away_is_made_again_and_its_feed_polled(desk: Desk) -> None:
    desk.journal.publish(deal_event(1))
    with desk.listening() as ear:
        ear.until(lambda: ear.live and ear.cursor, "the line")
        desk.journal.subscriptions = [each for each in desk.journal.subscriptions if each["objectTypeId"] != TASK]
        ear.forget()
        desk.time.wait(1000)
        ear.until(lambda: ear.missed, "the hole")
        assert ear.missed == {"task"}
        assert TASK in {each["objectTypeId"] for each in desk.journal.subscriptions}


def test_what_was_agreed_on_is_read_though_it_cannot_be_compared_again(desk: Desk) -> None:
    desk.journal.publish(deal_event(1))
    with desk.listening() as ear:
        ear.until(lambda: ear.live and ear.cursor, "the line")
        desk.journal.refuse = lambda asked: Reply({"message": "away"}, 503) if "/subscriptions/" in asked.path else None
        desk.time.wait(1000)
        desk.portal.asked.clear()
        desk.journal.publish(deal_event(2))
        ear.until(lambda: "2" in ear.deals, "the next entry")
        assert ear.live
        assert desk.asked("/subscriptions/"), "it was tried"
        desk.journal.subscriptions = [each for each in desk.journal.subscriptions if each["objectTypeId"] != TASK]
        desk.journal.refuse = lambda asked: None
        desk.time.wait(100)
        ear.forget()
        ear.until(lambda: ear.missed == {"task"}, "the second try")


# what breaks it


@pytest.mark.parametrize("status", [404, 410, 400])
def test_a_place_that_is_gone_has_everything_polled_and_reading_goes_on_from_the_newest(
    desk: Desk, status: int
) -> None:
    desk.journal.publish(deal_event(1))
    cursor = desk.cursor()
    gone = desk.journal.offset(0)
    desk.journal.publish(deal_event(2))
    newest = desk.journal.publish(deal_event(3))
    desk.journal.refuse = lambda asked: (
        Reply({"message": "no such offset"}, status=status) if gone in asked.path else None
    )
    with desk.listening(cursor) as ear:
        ear.until(lambda: ear.offset == newest and ear.live, "the newest")
        assert ear.missed == ALL
        assert len(ear.sweeps) == 1
        assert "place" in ear.sweeps[0]
        assert ear.deals == ["3"], "the second is found by polling"
        after = desk.journal.publish(deal_event(4))
        ear.until(lambda: ear.offset == after, "the next")


def test_a_place_that_is_older_than_the_journal_is_not_gone_on_from_even_if_the_portal_would(desk: Desk) -> None:
    desk.journal.publish(deal_event(1), at="2026-11-17T09:00:00Z")
    cursor = desk.cursor()
    desk.journal.publish(deal_event(2))
    newest = desk.journal.publish(deal_event(3))
    with desk.listening(cursor) as ear:
        ear.until(lambda: ear.offset == newest, "the newest")
        assert (ear.deals, ear.missed, len(ear.sweeps)) == (["3"], ALL, 1)


def test_a_portal_that_knows_no_place_at_all_is_not_swept_for_ever(desk: Desk) -> None:
    desk.journal.publish(deal_event(1))
    cursor = desk.cursor()
    desk.journal.knows = lambda offset: False
    with desk.listening(cursor) as ear:
        began = desk.time.monotonic()
        ear.until(lambda: desk.time.monotonic() - began > 600, "ten minutes", within=4000)
        assert len(ear.sweeps) == 1
        assert len(desk.asked("/latest")) < 40


@pytest.mark.parametrize(
    ("reply", "words", "soon"),
    [
        (Reply({"message": "away"}, status=503), "503", True),
        (Reply({"message": "slow down", "policyName": "SECONDLY"}, status=429), "SECONDLY", True),
        (Reply({"message": "no", "category": "MISSING_SCOPES"}, status=403), "MISSING_SCOPES", False),
        (Reply({"message": "who?", "category": "INVALID_AUTHENTICATION"}, status=401), "INVALID_AUTHENTICATION", True),
        (Reply(b"<html>", status=200), "200", True),
        (Reply({"surprise": True}), "NO_ENTRY", True),
        (Reply(cut=True), "reply", True),
    ],
)
def test_every_trouble_is_told_with_its_reason_and_tried_again(
    desk: Desk, reply: Reply, words: str, soon: bool
) -> None:
    desk.journal.publish(deal_event(1))
    with desk.listening() as ear:
        ear.until(lambda: ear.live, "the line")
        trouble = [True]
        desk.journal.refuse = lambda asked: reply if trouble[0] and "/journal/" in asked.path else None
        ear.until(lambda: not ear.live, "the trouble")
        assert words in ear.why
        assert not ear.lines[LINE].live
        desk.journal.publish(deal_event(2))
        broke_at = desk.time.monotonic()
        trouble[0] = False
        ear.until(lambda: ear.live, "the end of it", within=4000)
        assert (desk.time.monotonic() - broke_at < 120) is soon
        ear.until(lambda: "2" in ear.deals, "what came meanwhile")
        assert ear.sweeps == []


class Dying:
    """An app's login whose tokens the portal may refuse, and that may be revoked for good."""

    def __init__(self) -> None:
        self.number = 1
        self.revoked = False

    def token(self) -> str:
        if self.revoked:
            raise CrmError(Fault(FaultCode.AUTH_REVOKED, "invalid_client", "HubSpot refuses the app's secret"))
        return f"app-token-{self.number}"

    def refused(self, token: str) -> bool:
        self.number += token == f"app-token-{self.number}"
        return True


def test_a_token_that_dies_is_replaced_and_an_app_that_is_revoked_is_told(desk: Desk) -> None:
    desk.journal.publish(deal_event(1))
    login = Dying()
    desk.journal.refuse = lambda asked: (
        Reply({"message": "expired"}, status=401) if asked.token == "Bearer app-token-1" and login.number == 1 else None
    )
    with desk.listening(login=login) as ear:
        ear.until(lambda: ear.deals == ["1"], "a fresh token")
        login.revoked = True
        ear.until(lambda: not ear.live, "the end")
        assert "invalid_client" in ear.why
        asked = len(desk.portal.asked)
        began = desk.time.monotonic()
        ear.until(lambda: desk.time.monotonic() - began > 20, "a while")
        assert len(desk.portal.asked) == asked, "without a token nothing is asked"
        login.revoked = False
        desk.journal.publish(deal_event(2))
        ear.until(lambda: ear.deals == ["1", "2"], "the new secret", within=4000)


def test_a_call_that_hangs_keeps_nobody_from_doing_other_things(desk: Desk) -> None:
    desk.journal.publish(deal_event(1))
    hang = Reply(silent=True)
    desk.journal.refuse = lambda asked: hang if "/next/" in asked.path else None
    with desk.listening(timeout=0.35) as ear:
        ear.until(lambda: ear.deals, "the newest entry")
        ear.forget()
        ear.until(lambda: not ear.live, "the timeout")
        assert len(ear.all) >= 2, "empty hints meanwhile"


# files


def test_an_address_that_expired_is_asked_for_again(desk: Desk) -> None:
    desk.journal.publish(deal_event(1))
    seen: list[str] = []

    def refuse(asked: Asked) -> Reply | None:
        if "/journal-files/" not in asked.path:
            return None
        seen.append(asked.path)
        return Reply(b"<Error>expired</Error>", status=403) if len(seen) < FILE_TRIES else None

    desk.journal.refuse = refuse
    with desk.listening() as ear:
        ear.until(lambda: ear.deals == ["1"], "the file")
        assert len(set(seen)) == FILE_TRIES, "each time another address"
        assert ear.sweeps == []


@pytest.mark.parametrize(
    "file",
    [
        Reply(b"<Error>gone</Error>", status=404),
        Reply(b"no JSON"),
        Reply({"other": 1}),
        Reply([1]),
        Reply(b"[" * 5000),
        Reply(json.dumps({"journalEvents": [], "filler": "x" * 200_000}).encode()),
        Reply(b"", status=302, headers={"Location": "http://192.0.2.7/file"}),
        Reply(b"", status=302, headers={"Location": "/journal-files/1?again"}),
        Reply(b"", status=302, headers={"Location": "ftp://127.0.0.1/file"}),
        Reply(b"", status=302, headers={"Location": "http://[::1/file"}),
        Reply(b"no gzip", headers={"Content-Encoding": "gzip"}),
    ],
    ids=[
        "gone",
        "no JSON",
        "no journal",
        "a list",
        "nested",
        "too large",
        "plain http",
        "in circles",
        "ftp",
        "no address",
        "no gzip",
    ],
)
def test_a_file_that_cannot_be_read_is_left_out_and_all_is_polled(desk: Desk, file: Reply) -> None:
    desk.journal.publish(deal_event(1))
    cursor = desk.cursor()
    desk.journal.files.append(file)
    after = desk.journal.publish(deal_event(3))
    files = Files(timeout=(5.0, 5.0), at_home=True, limit=100_000)
    with desk.listening(cursor, files=files) as ear:
        ear.until(lambda: ear.offset == after, "the entry behind it")
        assert ear.deals == ["3"]
        assert ear.missed == ALL
        assert len(ear.sweeps) == 1


def test_a_journal_of_nothing_readable_is_left_to_polling_and_tried_again_now_and_then(desk: Desk) -> None:
    desk.journal.publish(deal_event(1))
    cursor = desk.cursor()
    desk.journal.files += [Reply(b"\x00") for _ in range(30)]
    with desk.listening(cursor) as ear:
        ear.until(lambda: ear.sweeps and not ear.live, "the end of its patience")
        assert len(ear.sweeps) == LOST_MOST
        assert "no JSON" in ear.why
        before = desk.time.monotonic()
        ear.until(lambda: len(ear.sweeps) > LOST_MOST, "another try", within=4000)
        assert desk.time.monotonic() - before > REFUSED.first / 3
        ear.until(lambda: not ear.live, "the next pause")
        newest = desk.journal.publish(deal_event(3))
        ear.until(lambda: ear.live and ear.offset == newest, "a file that can be read", within=4000)
        assert ear.deals == ["3"]


def test_a_file_behind_a_redirect_on_this_machine(desk: Desk) -> None:
    desk.journal.publish(deal_event(1))
    desk.journal.files.append(Reply(b"", status=307, headers={"Location": "/journal-files/0?moved"}))
    with desk.listening() as ear:
        ear.until(lambda: ear.deals == ["1"], "the file")


def test_no_file_of_a_real_portal_lies_on_this_machine(desk: Desk) -> None:
    desk.journal.publish(deal_event(1))
    with desk.listening(files=Files(timeout=(5.0, 5.0), at_home=False)) as ear:
        ear.until(lambda: ear.sweeps, "a refusal")
        assert desk.asked("/journal-files/") == []
        assert "encryption" in ear.sweeps[0]


def test_storage_that_is_away_breaks_the_line_and_loses_nothing(desk: Desk) -> None:
    desk.journal.publish(deal_event(1))
    tries: list[int] = []

    def refuse(asked: Asked) -> Reply | None:
        if "/journal-files/" not in asked.path:
            return None
        tries.append(1)
        return Reply(b"", status=503) if len(tries) < 5 else None

    desk.journal.refuse = refuse
    with desk.listening() as ear:
        ear.until(lambda: ear.lines and ear.why, "the trouble")
        assert "503" in ear.why
        ear.until(lambda: ear.deals == ["1"], "the file")
        assert ear.sweeps == []


def test_a_file_of_ten_thousand_events_is_handed_over_in_portions(desk: Desk) -> None:
    desk.journal.publish(deal_event(0))
    cursor = desk.cursor()
    newest = desk.journal.publish(*(deal_event(number) for number in range(10_000)))
    with desk.listening(cursor) as ear:
        ear.until(lambda: ear.offset == newest, "all of it")
        portions = [each for each in ear.all if each.sightings]
        assert max(len(each.sightings) for each in portions) <= SIGHTINGS
        assert len(ear.deals) == len(set(ear.deals)) == 10_000
        assert [bool(each.cursor) for each in ear.all if each.sightings or each.cursor].count(True) == 1
        assert ear.all[-1].cursor, "the place is behind the file only with the last portion"


# what is in them


def test_events_of_other_portals_and_other_types_are_nobodys_here(desk: Desk) -> None:
    desk.journal.publish(
        deal_event(1, portalId=int(ELSEWHERE)),
        deal_event(2, objectTypeId="0-1"),
        deal_event(3, objectTypeId="2-12345"),
        {"type": "APP_LIFECYCLE_EVENT", "portalId": int(HOME), "eventTypeId": "4-1"},
        deal_event(4),
    )
    with desk.listening() as ear:
        ear.until(lambda: ear.deals, "ours")
        assert ear.deals == ["4"]


def test_what_an_event_may_look_like(desk: Desk) -> None:
    """Numbers as text, times as numbers, changes as a list, fields never heard of: it is only a hint."""
    desk.journal.publish(
        deal_event(1, occurredAt=1795166000000, unheard={"of": []}),
        {"objectTypeId": DEAL, "objectId": "2", "action": "update", "propertyChanges": [{"propertyName": "hs_x"}]},
        deal_event(3, action="MERGE", mergedObjectIds=[31, 32], propertyChanges=None),
        deal_event(4, action="DELETE"),
        deal_event(5, action="BRAND_NEW_ACTION", propertyChanges=["dealstage"]),
        deal_event(6, sourceId="77"),
        deal_event(7, propertyChanges={"dealstage": {"value": "x", "sourceId": 77}, "amount": {"sourceId": 5}}),
        deal_event(8, action="ASSOCIATION_ADDED", associatedObjectTypeId=COMPANY, associatedObjectId=81),
        deal_event(10, action="ASSOCIATION_REMOVED", associatedObjectTypeId=EMAIL, associatedObjectId=101),
        {**deal_event(9), "objectTypeId": CALL, "action": "CREATE"},
    )
    with desk.listening() as ear:
        ear.until(lambda: ear.sightings, "the file")
        seen = {each.ref.id: each for each in ear.sightings}
        assert ear.deals == ["1", "2", "3", "31", "32", "4", "5", "6", "7", "8", "10"]
        assert [id_ for id_, each in seen.items() if each.minor] == ["2", "10"]
        assert [id_ for id_, each in seen.items() if each.by_self] == ["6"], "every hand in it must be ours"
        assert seen["8"].ref == Ref(Kind.DEAL, "8")
        assert seen[f"{CALL}:9"].ask
        assert seen["1"].modified_at.year == 2026
        assert ear.missed == ALL


def test_a_line_that_cannot_be_read_has_its_feed_polled(desk: Desk) -> None:
    desk.journal.publish(deal_event(1))
    cursor = desk.cursor()
    newest = desk.journal.publish({**deal_event(2), "objectId": None, "objectTypeId": TASK}, deal_event(3))
    with desk.listening(cursor) as ear:
        ear.until(lambda: ear.offset == newest, "the file")
        assert (ear.deals, ear.missed) == (["3"], {"task"})
    newest = desk.journal.publish("nonsense", deal_event(4))  # type: ignore[arg-type]
    with desk.listening(ear.cursor) as ear:
        ear.until(lambda: ear.offset == newest, "the file")
        assert (ear.deals, ear.missed) == (["4"], ALL)


# asking


def test_whether_it_can_be_read_is_found_out_without_changing_anything(desk: Desk) -> None:
    assert desk.feed().probe() == (Line(LINE, frozenset(ALL), live=True),)
    assert {each.method for each in desk.portal.asked} == {"GET"}
    refusal = Reply({"message": "This app lacks a scope", "category": "MISSING_SCOPES"}, status=403)
    desk.journal.refuse = lambda asked: refusal
    (line,) = desk.feed().probe()
    assert not line.live
    assert "MISSING_SCOPES" in line.why
