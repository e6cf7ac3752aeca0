"""Logging in to a portal: paths by version, tokens renewed in time and once for all, budgets that give way."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from connector.crm.budget import QUIET, Rate
from connector.crm.hubspot.login import RENEW_AGAIN, App, Desk, StaticToken, app_login, portal_login
from connector.crm.hubspot.paths import Paths
from connector.crm.hubspot.portal import DAILY_OLD
from connector.crm.hubspot.session import Session, Waits
from connector.crm.retry import ATTEMPTS
from connector.errors import CrmError, Fault, FaultCode
from tests.hubspot_portal import NOW, Asked, Passing, Portal, Reply, a_crm, a_portal

APP = App("app-id", "hush", "again")


class Grants:
    """A token endpoint on loopback: counts what it was asked and answers what ``say`` holds, else a fresh token."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.say: list[tuple[int, Any]] = []
        self.life = 1800
        self.url = ""
        self.hold = threading.Event()
        self.hold.set()

    def answer(self, raw: bytes) -> tuple[int, Any]:
        self.hold.wait()
        self.forms.append({name: values[0] for name, values in parse_qs(raw.decode()).items()})
        if self.say:
            return self.say.pop(0)
        return 200, {"access_token": f"token-{len(self.forms)}", "expires_in": self.life, "refresh_token": "again"}


@contextmanager
def a_token_endpoint() -> Iterator[Grants]:
    grants = Grants()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, told = grants.answer(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps(told).encode()
            self.send_response_only(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    grants.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield grants
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def grants() -> Iterator[Grants]:
    with a_token_endpoint() as found:
        yield found


@pytest.fixture
def portal() -> Iterator[Portal]:
    with a_portal() as found:
        yield found


def desk(grants: Grants, time: Passing) -> Desk:
    return Desk(grants.url, Paths(), time.clock, time.monotonic, (5.0, 5.0), lambda _: None)


@pytest.mark.parametrize(
    ("version", "objects", "links", "properties", "account"),
    [
        (
            "2026-09",
            "/crm/objects/2026-09/deals/batch/read",
            "/crm/associations/2026-09/deals/tasks/batch/read",
            "/crm/properties/2026-09/deals/groups",
            "/account-info/2026-09/details",
        ),
        (
            "v3",
            "/crm/v3/objects/deals/batch/read",
            "/crm/v4/associations/deals/tasks/batch/read",
            "/crm/v3/properties/deals/groups",
            "/account-info/v3/details",
        ),
    ],
)
def test_each_version_has_its_paths(version: str, objects: str, links: str, properties: str, account: str) -> None:
    paths = Paths(version)
    assert paths.objects("deals", "batch", "read") == objects
    assert paths.associations("deals", "tasks", "read") == links
    assert paths.properties("deals", "groups") == properties
    assert paths.account("details") == account
    assert paths.journal("latest") == "/webhooks-journal/journal/2026-09/latest"
    assert paths.pipeline_rules("0-3", "default") == "/crm/pipelines-rules/2026-09-beta/0-3/default"


def test_each_version_says_when_it_ends() -> None:
    assert Paths("2026-09").sunsets == (("2026-09", date(2028, 3, 1)),)
    assert dict(Paths("v3").sunsets) == {"v3": date(2027, 9, 1), "v4": date(2027, 3, 30)}


def test_a_token_is_renewed_ahead_of_its_end_and_not_before(grants: Grants) -> None:
    time = Passing()
    login = portal_login(desk(grants, time), token="", app=APP)
    assert login.token() == "token-1"
    time.wait(1499)
    assert login.token() == "token-1"
    time.wait(2)
    assert login.token() == "token-2"
    assert grants.forms[0] == {
        "grant_type": "refresh_token",
        "client_id": "app-id",
        "client_secret": "hush",
        "refresh_token": "again",
    }


def test_threads_that_need_a_token_at_once_ask_for_one(grants: Grants) -> None:
    login = portal_login(desk(grants, Passing()), token="", app=APP)
    grants.hold.clear()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(login.token) for _ in range(8)]
        grants.hold.set()
        assert {each.result() for each in asked} == {"token-1"}
    assert len(grants.forms) == 1


def test_a_refused_token_is_forgotten_once_however_many_calls_it_failed(grants: Grants) -> None:
    login = portal_login(desk(grants, Passing()), token="", app=APP)
    first = login.token()
    assert login.refused(first)
    second = login.token()
    assert login.refused(first)
    assert login.token() == second
    assert len(grants.forms) == 2


def test_while_a_token_lasts_a_failed_renewal_is_borne(grants: Grants) -> None:
    time = Passing()
    login = portal_login(desk(grants, time), token="", app=APP)
    login.token()
    time.wait(1600)
    grants.say = [(503, {"message": "away"})]
    assert login.token() == "token-1"
    assert login.token() == "token-1"
    assert len(grants.forms) == 2, "an endpoint that is away is not asked again for every call"
    time.wait(RENEW_AGAIN)
    assert login.token() == "token-3"


@pytest.mark.parametrize(
    ("status", "told", "code"),
    [
        (400, {"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token"}, FaultCode.AUTH_REVOKED),
        (401, {"error": "invalid_client", "error_description": "no such app"}, FaultCode.AUTH_REVOKED),
        (429, {"message": "slow down"}, FaultCode.THROTTLED),
        (502, None, FaultCode.UNAVAILABLE),
        (200, {"no": "token"}, FaultCode.UNAVAILABLE),
    ],
)
def test_a_grant_that_fails_says_what_to_do(grants: Grants, status: int, told: Any, code: FaultCode) -> None:
    grants.say = [(status, told)]
    login = app_login(desk(grants, Passing()), APP, scopes=("developer.webhooks_journal.read",))
    with pytest.raises(CrmError) as failed:
        login.token()
    assert failed.value.fault.code is code
    assert "hush" not in str(failed.value)
    assert grants.forms[0]["scope"] == "developer.webhooks_journal.read"


def test_a_token_that_dies_in_mid_batch_costs_one_renewal_and_the_write_goes_once_more(
    grants: Grants, portal: Portal
) -> None:
    time = Passing()
    login = portal_login(desk(grants, time), token="", app=APP)
    session = Session(login=login, base_url=portal.url, waits=Waits(time.clock, time.monotonic, time.wait))
    portal.say(Reply({"category": "EXPIRED_AUTHENTICATION", "message": "expired"}, 401), Reply({"results": []}))
    session.send("tasks.batch.create", session.objects("tasks", "batch", "create"), {"inputs": []})
    assert [each.token for each in portal.asked] == ["Bearer token-1", "Bearer token-2"]
    assert portal.asked[0].body == portal.asked[1].body


def test_a_second_refusal_is_not_tried_again(grants: Grants, portal: Portal) -> None:
    time = Passing()
    login = portal_login(desk(grants, time), token="", app=APP)
    session = Session(login=login, base_url=portal.url, waits=Waits(time.clock, time.monotonic, time.wait))
    portal.otherwise = lambda asked: Reply({"category": "INVALID_AUTHENTICATION", "message": "no"}, 401)
    with pytest.raises(CrmError) as failed:
        session.get("account", session.paths.account("details"))
    assert failed.value.fault.code is FaultCode.AUTH_REVOKED
    assert len(portal.asked) == 2


def test_a_token_that_stays_is_not_tried_twice(portal: Portal) -> None:
    time = Passing()
    session = Session(login=StaticToken("key"), base_url=portal.url, waits=Waits(time.clock, time.monotonic, time.wait))
    portal.otherwise = lambda asked: Reply({"category": "INVALID_AUTHENTICATION", "message": "no"}, 401)
    with pytest.raises(CrmError):
        session.get("account", session.paths.account("details"))
    assert len(portal.asked) == 1


def test_the_days_calls_are_those_of_all_apps(portal: Portal) -> None:
    crm = a_crm(portal)
    limits = {"X-HubSpot-RateLimit-Daily": "1000", "X-HubSpot-RateLimit-Daily-Remaining": "900"}
    portal.otherwise = lambda asked: Reply({"portalId": 7, "results": []}, headers=limits)
    assert crm.daily_calls is None
    crm.people()
    assert crm.daily_calls is not None
    assert (crm.daily_calls.used, crm.daily_calls.allowed) == (100, 1000)


def test_a_portal_that_is_asked_for_nothing_but_searches_tells_of_the_day_now_and_then(portal: Portal) -> None:
    time = Passing()
    crm = a_crm(portal, time=time)
    left = ["900"]

    def answer(asked: Asked) -> Reply:
        limits = {"X-HubSpot-RateLimit-Daily": "1000", "X-HubSpot-RateLimit-Daily-Remaining": left[0]}
        return Reply({"results": [], "total": 0}, headers={} if asked.path.endswith("/search") else limits)

    portal.otherwise = answer
    cursors = {"deal": crm.start_cursor("deal", NOW)}
    crm.people()
    left[0] = "50"
    crm.poll(cursors)
    assert crm.daily_calls is not None
    assert crm.daily_calls.left == 900
    time.wait(DAILY_OLD + 1)
    crm.poll(cursors)
    assert crm.daily_calls.left == 50
    portal.say(Reply({}, status=502), Reply({}, status=502), Reply({}, status=502))
    time.wait(DAILY_OLD + 1)
    assert not isinstance(crm.poll(cursors)["deal"], Fault), "not to be told keeps nobody from polling"


def test_a_rate_that_others_use_too_is_halved_and_comes_back_call_by_call() -> None:
    time = Passing()
    rate = Rate(limit=5, seconds=1.0, monotonic=time.monotonic, wait=time.wait)
    for _ in range(5):
        rate.take()
    rate.refused(1.0)
    assert rate.allowed == 2
    rate.refused(1.0)
    rate.refused(1.0)
    assert rate.allowed == 1
    assert rate.take() == pytest.approx(1.0)
    for expected in (2, 3, 4, 5, 5):
        time.wait(QUIET)
        rate.take()
        assert rate.allowed == expected


def test_where_searches_are_refused_the_other_feeds_are_not_asked_for_too(portal: Portal) -> None:
    crm = a_crm(portal)
    cursors = {feed: crm.start_cursor(feed, NOW) for feed in crm.feeds()}
    crm.server_time()
    portal.asked.clear()
    portal.otherwise = lambda asked: Reply({"message": "secondly limit", "category": "RATE_LIMITS"}, 429)
    told = crm.poll(cursors)
    assert {type(each) for each in told.values()} == {Fault}
    assert told.keys() == cursors.keys(), "each is still owed"
    assert len(portal.asked) == ATTEMPTS


def test_a_refused_search_makes_the_next_one_wait_and_not_storm(portal: Portal) -> None:
    time = Passing()
    crm = a_crm(portal, time=time)
    begun = time.clock.now()
    refusal = Reply({"message": "You have reached your secondly limit.", "category": "RATE_LIMITS"}, 429)
    portal.say(refusal, refusal)
    crm.changes("meeting", crm.start_cursor("meeting", begun - timedelta(hours=1)))
    assert len(portal.asked) == 4  # the day's first look at the account, two refusals, the page
    assert time.clock.now() - begun >= timedelta(seconds=2)
