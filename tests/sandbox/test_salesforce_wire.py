"""What happens to whole requests: faults, limits, headers, the journal, the control API, a restart."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceError

from connector.sandbox.salesforce.auth import CLIENT_ID, CLIENT_SECRET
from connector.sandbox.server import Sandbox
from connector.sandbox.state import World

QUERY = "SELECT Id FROM Organization"


def plant(running: Sandbox, **fault: Any) -> None:
    body = {"system": "sf", "match": "", **fault}
    assert requests.post(f"{running.control_url}/faults", json=body, timeout=5).ok


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("429", 403, "REQUEST_LIMIT_EXCEEDED"),
        ("500", 500, "UNKNOWN_EXCEPTION"),
        ("503", 503, "SERVER_UNAVAILABLE"),
    ],
)
def test_a_planted_refusal_does_no_work(
    running: Sandbox, sf: Salesforce, org: World, kind: str, status: int, code: str
) -> None:
    plant(running, kind=kind, match="POST .*Account")
    with pytest.raises(SalesforceError) as caught:
        sf.Account.create({"Name": "x"})
    assert (caught.value.status, caught.value.content[0]["errorCode"]) == (status, code)
    assert list(org.table("Account").live()) == []
    assert sf.Account.create({"Name": "x"})["success"]


def test_a_bad_gateway_answers_no_json(running: Sandbox, sf: Salesforce) -> None:
    plant(running, kind="502")
    with pytest.raises(SalesforceError) as caught:
        sf.query(QUERY)
    assert caught.value.status == 502
    assert "Bad Gateway" in caught.value.content


def test_an_expired_token_is_a_401_once(running: Sandbox, sf: Salesforce) -> None:
    plant(running, kind="expired_token")
    assert sf.query(QUERY)["totalSize"] == 1
    assert [c.status for c in org_calls(running)] == [200, 401, 200, 200]


def test_a_token_that_was_logged_out_is_worth_nothing(running: Sandbox) -> None:
    def asked(path: str, **form: str) -> requests.Response:
        return requests.post(f"{running.sf_url}/services/oauth2/{path}", data=form, timeout=10)

    login = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    one, other = (asked("token", **login).json()["access_token"] for _ in range(2))
    assert asked("revoke", token=one).status_code == 200
    again = asked("revoke", token=one)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_token")
    seen = [
        requests.get(f"{running.sf_url}/services/oauth2/userinfo", headers={"Authorization": f"Bearer {t}"}, timeout=10)
        for t in (one, other)
    ]
    assert [each.status_code for each in seen] == [401, 200]


def org_calls(running: Sandbox) -> list[Any]:
    return running.sf.journal.calls(system="sf")


@pytest.mark.parametrize(("kind", "written"), [("reset_before", 0), ("reset_after", 1)])
def test_a_cut_connection_leaves_the_outcome_open(
    running: Sandbox, sf: Salesforce, org: World, kind: str, written: int
) -> None:
    plant(running, kind=kind, match="POST .*Account")
    with pytest.raises(requests.ConnectionError):
        sf.Account.create({"Name": "x"})
    assert len(list(org.table("Account").live())) == written
    assert org_calls(running)[-1].status == 0


def test_a_lost_reply_did_its_work(running: Sandbox, sf: Salesforce, org: World) -> None:
    plant(running, kind="timeout_after", match="POST .*Account", arg=60)
    with pytest.raises(requests.Timeout):
        sf.restful("sobjects/Account", method="POST", json={"Name": "x"}, timeout=0.3)
    assert [r.values["Name"] for r in org.table("Account").live()] == ["x"]


def test_a_slow_reply_arrives(running: Sandbox, sf: Salesforce) -> None:
    plant(running, kind="slow", arg=0.2)
    started = time.monotonic()
    assert sf.query(QUERY)["totalSize"] == 1
    assert time.monotonic() - started >= 0.2


def test_a_late_commit_is_seen_later_with_its_early_stamp(running: Sandbox, sf: Salesforce, org: World) -> None:
    org.clock.freeze(datetime(2026, 1, 2, 12, tzinfo=UTC))
    plant(running, kind="late_commit", match="POST .*Account", arg=3)
    made = sf.Account.create({"Name": "late"})["id"]
    sf.Account.create({"Name": "prompt"})
    names = "SELECT Name, SystemModstamp FROM Account ORDER BY Name"
    assert [r["Name"] for r in sf.query(names)["records"]] == ["prompt"]
    assert sf.Account.get(made)["Name"] == "late"
    org.clock.advance(60)
    start = datetime(2026, 1, 2, 11, tzinfo=UTC)
    assert made in sf.Account.updated(start, org.clock.now())["ids"]
    late = sf.query(names)["records"][0]
    assert (late["Name"], late["SystemModstamp"]) == ("late", "2026-01-02T12:00:00.000+0000")


def test_an_open_transaction_holds_back_latest_date_covered(running: Sandbox, sf: Salesforce, org: World) -> None:
    org.clock.freeze(datetime(2026, 1, 2, 12, 0, 30, tzinfo=UTC))
    plant(running, kind="late_commit", match="POST .*Account", arg=300)
    sf.Account.create({"Name": "late"})
    org.clock.advance(120)
    found = sf.Account.updated(datetime(2026, 1, 2, 11, tzinfo=UTC), org.clock.now())
    assert found == {"ids": [], "latestDateCovered": "2026-01-02T12:00:30.000+0000"}


@pytest.mark.parametrize(("kind", "expected"), [("duplicated", ["a", "a", "b", "b"]), ("reordered", ["b", "a"])])
def test_delivery_can_be_doubled_or_reordered(
    running: Sandbox, sf: Salesforce, org: World, kind: str, expected: list[str]
) -> None:
    for name in "ab":
        org.table("Contact").insert({"LastName": name}, by="setup")
    plant(running, kind=kind)
    found = [r["LastName"] for r in sf.query("SELECT LastName FROM Contact ORDER BY Id")["records"]]
    assert sorted(found) == sorted(expected)
    assert kind == "reordered" or found == expected


def test_the_date_header_tells_the_sandboxs_time(running: Sandbox, sf: Salesforce) -> None:
    running.clock.freeze(datetime(2026, 1, 2, 12, tzinfo=UTC))
    reply = requests.get(f"{running.sf_url}/services/data", timeout=5)
    assert parsedate_to_datetime(reply.headers["Date"]) == datetime(2026, 1, 2, 12, tzinfo=UTC)
    assert reply.headers["Sforce-Limit-Info"].startswith("api-usage=")


def test_a_spent_daily_limit_refuses_everything(running: Sandbox, sf: Salesforce) -> None:
    running.sf.setting("daily_limit", 1)
    assert sf.query(QUERY)["done"]
    with pytest.raises(SalesforceError) as caught:
        sf.query(QUERY)
    assert (caught.value.status, caught.value.content[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")
    running.clock.advance(86_400)
    assert sf.query(QUERY)["done"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/services/data/v30.0/limits", 410),
        ("/services/data/v99.0/limits", 404),
        ("/services/data/limits", 404),
        ("//services/data/v66.0/limits", 200),
        ("/services/data/v66.0/limits/", 200),
        ("/services/data/v66.0/query?q=" + "x" * 16_384, 414),
    ],
)
def test_addresses(running: Sandbox, sf: Salesforce, path: str, status: int) -> None:
    headers = {"Authorization": f"Bearer {sf.session_id}"}
    reply = requests.get(running.sf_url + path, headers=headers, timeout=5)
    assert reply.status_code == status
    assert status == 200 or isinstance(reply.json(), list)


def test_the_journal_says_who_asked_what(running: Sandbox, sf: Salesforce, deal: str) -> None:
    sf.query(QUERY, headers={"Sforce-Call-Options": "client=handoff"})
    record = {"attributes": {"type": "Opportunity"}, "id": deal, "NextStep": "x"}
    bad = {**record, "id": "006HO0000099999AAA"}
    sf.restful("composite/sobjects", method="PATCH", json={"records": [record, bad]})
    calls = requests.get(f"{running.control_url}/journal?system=sf&since=1", timeout=5).json()
    assert [(c["kind"], c["rows"], c["write"], c["status"]) for c in calls] == [
        ("query", 1, False, 200),
        ("collections.update", 1, True, 200),
    ]
    assert calls[0]["caller"] == "integration@handoff.sandbox;client=handoff"
    counts = requests.get(f"{running.control_url}/journal/counts?system=sf", timeout=5).json()
    assert counts == {"collections.update": 1, "query": 1, "token": 1}
    assert requests.delete(f"{running.control_url}/journal", timeout=5).ok
    assert running.sf.journal.counts() == {}


def test_control_moves_the_clock_and_writes_as_a_person(running: Sandbox, sf: Salesforce, deal: str) -> None:
    base = running.control_url
    frozen = requests.post(f"{base}/clock", json={"freeze": "2026-05-01T10:00:00+00:00"}, timeout=5).json()
    assert frozen == {"now": "2026-05-01T10:00:00+00:00", "frozen": True}
    body = {"system": "sf", "object": "Opportunity", "id": deal, "changes": {"StageName": "Closed Won"}, "by": "me"}
    assert requests.post(f"{base}/record", json=body, timeout=5).json()["values"]["IsWon"] is True
    won = sf.query("SELECT Id, SystemModstamp FROM Opportunity WHERE IsWon = true")["records"]
    assert [(r["Id"], r["SystemModstamp"]) for r in won] == [(deal, "2026-05-01T10:00:00.000+0000")]
    assert (
        requests.get(f"{base}/record?system=sf&object=Opportunity&id={deal}", timeout=5).json()["modified_by"] == "me"
    )
    assert len(requests.get(f"{base}/records?system=sf&object=Opportunity", timeout=5).json()) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/faults", {"kind": "nope"}, 400),
        ("POST", "/clock", {"freeze": "noon"}, 400),
        ("POST", "/settings", {"system": "xx", "key": "a"}, 404),
        ("POST", "/settings", None, 400),
        ("GET", "/record?system=sf&object=Nope&id=1", None, 404),
        ("POST", "/record", {"system": "sf", "object": "Account", "id": "1", "changes": {}}, 404),
    ],
)
def test_control_explains_a_wrong_call(
    running: Sandbox, method: str, path: str, body: dict[str, Any] | None, status: int
) -> None:
    reply = requests.request(method, running.control_url + path, json=body, timeout=5)
    assert reply.status_code == status
    assert reply.json()["error"]


def test_reset_leaves_schema_and_people(running: Sandbox, sf: Salesforce, deal: str) -> None:
    people = sf.query("SELECT COUNT() FROM User")["totalSize"]
    assert requests.post(f"{running.control_url}/reset", json={"system": "sf"}, timeout=5).ok
    assert sf.query("SELECT COUNT() FROM Opportunity")["totalSize"] == 0
    assert sf.query("SELECT COUNT() FROM User")["totalSize"] == people > 10
    assert sf.query("SELECT COUNT() FROM OpportunityStage")["totalSize"] == 7


def test_the_chat_sink_keeps_every_delivery(running: Sandbox) -> None:
    for _ in range(2):
        headers = {"Idempotency-Key": "k1"}
        assert requests.post(f"{running.control_url}/sink/chat", json={"text": "hi"}, headers=headers, timeout=5).ok
    found = requests.get(f"{running.control_url}/sink/messages", timeout=5).json()
    assert [(m["body"]["text"], m["key"]) for m in found] == [("hi", "k1"), ("hi", "k1")]


def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    with Sandbox.running(folder=tmp_path) as first:
        first.clock.freeze(datetime(2026, 1, 2, 12, tzinfo=UTC))
        made = first.sf.table("Account").insert({"Name": "kept"}, by="setup").id
        assert requests.post(f"{first.control_url}/sink/chat", json={"text": "hi"}, timeout=5).ok
        people = len(first.sf.table("User").rows)
    with Sandbox.running(folder=tmp_path) as second:
        assert second.sf.table("Account").rows[made].values["Name"] == "kept"
        assert second.sf.table("Account").insert({"Name": "next"}, by="setup").id > made
        assert len(second.sf.table("User").rows) == people
        assert [m.body["text"] for m in second.hs.messages] == ["hi"]
        assert second.clock.now() == datetime(2026, 1, 2, 12, tzinfo=UTC)
