"""The Salesforce sandbox judged by simple-salesforce over a real socket."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceResourceNotFound,
)
from simple_salesforce.format import format_external_id, format_soql

from connector.sandbox.server import Sandbox
from connector.sandbox.state import World

INTEGRATION = "integration@handoff.sandbox"


def _code(caught: pytest.ExceptionInfo[Any]) -> str:
    return str(caught.value.content[0]["errorCode"])


def test_client_credentials_log_in_as_the_integration_user(sf: Salesforce, deal: str, org: World) -> None:
    sf.Opportunity.update(deal, {"NextStep": "call"})
    row = org.table("Opportunity").rows[deal]
    assert org.table("User").rows[row.modified_by].values["Username"] == INTEGRATION


def test_a_wrong_secret_is_refused(session: requests.Session) -> None:
    with pytest.raises(SalesforceAuthenticationFailed) as caught:
        Salesforce(consumer_key="handoff-daemon", consumer_secret="no", domain="seller.my", session=session)
    assert caught.value.code == "invalid_client"


@pytest.fixture(scope="module")
def key_pair() -> tuple[bytes, bytes]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private, public


def test_a_jwt_logs_in_once_its_key_is_registered(
    running: Sandbox, session: requests.Session, key_pair: tuple[bytes, bytes]
) -> None:
    private, public = key_pair

    def log_in() -> Salesforce:
        return Salesforce(
            username=INTEGRATION,
            consumer_key="handoff-daemon",
            privatekey=private,
            instance_url="seller.my",
            session=session,
            version="66.0",
        )

    with pytest.raises(SalesforceAuthenticationFailed):
        log_in()
    setting = {"system": "sf", "key": "jwt_public_key", "value": public.decode()}
    assert requests.post(f"{running.control_url}/settings", json=setting, timeout=5).ok
    assert log_in().query("SELECT Id FROM Organization")["totalSize"] == 1


@pytest.mark.parametrize(
    ("claims", "error"),
    [
        ({"exp": 1}, "invalid_grant"),
        ({"aud": "https://elsewhere.example"}, "invalid_grant"),
        ({"iss": "other"}, "invalid_client_id"),
        ({"sub": "nobody@seller.example"}, "invalid_grant"),
    ],
)
def test_a_jwt_with_a_wrong_claim_is_refused(
    running: Sandbox, key_pair: tuple[bytes, bytes], claims: dict[str, Any], error: str
) -> None:
    private, public = key_pair
    running.sf.setting("jwt_public_key", public.decode())
    good = {
        "iss": "handoff-daemon",
        "sub": INTEGRATION,
        "aud": "https://login.salesforce.com",
        "exp": int(time.time()) + 60,
    }
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": jwt.encode(good | claims, private, algorithm="RS256"),
    }
    reply = requests.post(f"{running.sf_url}/services/oauth2/token", data=form, timeout=5)
    assert (reply.status_code, reply.json()["error"]) == (400, error)


def test_the_index_names_the_user(running: Sandbox, sf: Salesforce) -> None:
    found = sf.restful("")
    assert found["identity"].rsplit("/", 1)[1].startswith("005")
    headers = {"Authorization": f"Bearer {sf.session_id}"}
    asked = requests.get(found["identity"], headers=headers, timeout=5).json()
    assert asked["username"] == INTEGRATION


def test_a_record_lives_and_dies(sf: Salesforce, org: World) -> None:
    made = sf.Account.create({"Name": "Acme", "NumberOfEmployees": 40})
    assert made == {"id": made["id"], "success": True, "errors": []}
    assert sf.Account.update(made["id"], {"Industry": "Retail"}) == 204
    found = sf.Account.get(made["id"])
    assert (found["Name"], found["Industry"], found["NumberOfEmployees"]) == ("Acme", "Retail", 40)
    assert found["attributes"]["type"] == "Account"
    assert sf.Account.delete(made["id"]) == 204
    with pytest.raises(SalesforceResourceNotFound) as caught:
        sf.Account.get(made["id"])
    assert _code(caught) == "ENTITY_IS_DELETED"
    assert org.table("Account").get(made["id"]) is None


def test_object_names_go_in_any_case(sf: Salesforce) -> None:
    made = sf.account.create({"name": "Acme"})
    assert sf.query(f"select NAME from aCCount where id = '{made['id']}'")["records"][0]["Name"] == "Acme"


def test_upsert_by_external_id_creates_once_then_updates(sf: Salesforce, deal: str, org: World) -> None:
    key = format_external_id("Handoff_Key__c", "sf:1/welcome packet")
    assert sf.Task.upsert(key, {"Subject": "one", "WhatId": deal}) == 201
    assert sf.Task.upsert(key, {"Subject": "two"}) == 200
    rows = list(org.table("Task").live())
    assert [(r.values["Handoff_Key__c"], r.values["Subject"]) for r in rows] == [("sf:1/welcome packet", "two")]
    assert sf.restful(f"sobjects/Task/{key}")["Subject"] == "two"


def test_upsert_by_an_ambiguous_external_id_names_the_choices(sf: Salesforce, org: World) -> None:
    ids = [org.table("Account").insert({"Name": n, "Site_Code__c": "X"}, by="setup").id for n in ("a", "b")]
    with pytest.raises(SalesforceMoreThanOneRecord) as caught:
        sf.Account.upsert("Site_Code__c/X", {"Name": "c"})
    assert sorted(url.rsplit("/", 1)[1] for url in caught.value.content) == ids
    assert {r.values["Name"] for r in org.table("Account").live()} == {"a", "b"}


def test_query_pages_through_everything(sf: Salesforce, org: World) -> None:
    for n in range(2_500):
        org.table("Contact").insert({"LastName": f"n{n}"}, by="setup")
    first = sf.query("SELECT Id, LastName FROM Contact ORDER BY Id")
    assert (len(first["records"]), first["done"], first["totalSize"]) == (2_000, False, 2_500)
    second = sf.query_more(first["nextRecordsUrl"], identifier_is_url=True)
    assert (len(second["records"]), second["done"]) == (500, True)
    assert "nextRecordsUrl" not in second
    names = [r["LastName"] for r in sf.query_all("SELECT LastName FROM Contact ORDER BY Id")["records"]]
    assert names == [f"n{n}" for n in range(2_500)]
    asked = {"headers": {"Sforce-Query-Options": "batchSize=500"}}
    assert len(sf.query("SELECT Id FROM Contact", **asked)["records"]) == 500


def test_pages_shrink_with_two_long_text_fields(sf: Salesforce, org: World) -> None:
    for n in range(201):
        values = {"Name": f"n{n}", "StageName": "Prospecting", "CloseDate": "2026-01-01"}
        org.table("Opportunity").insert(values, by="setup")
    one = sf.query("SELECT Id, Handoff_Risks__c FROM Opportunity")
    two = sf.query("SELECT Id, Handoff_Risks__c, Handoff_Summary__c FROM Opportunity")
    assert (len(one["records"]), len(two["records"]), two["done"]) == (201, 200, False)


def test_an_unknown_or_old_locator_is_refused(sf: Salesforce, org: World) -> None:
    for n in range(2_001):
        org.table("Contact").insert({"LastName": f"n{n}"}, by="setup")
    page = sf.query("SELECT Id FROM Contact")
    org.clock.advance(timedelta(days=2, seconds=1).total_seconds())
    for url in (page["nextRecordsUrl"], "/services/data/v66.0/query/01gHO0000000000AAA-2000"):
        with pytest.raises(SalesforceMalformedRequest) as caught:
            sf.query_more(url, identifier_is_url=True)
        assert _code(caught) == "INVALID_QUERY_LOCATOR"


def test_the_clients_own_literals_are_understood(sf: Salesforce, deal: str) -> None:
    since = datetime.now(UTC) - timedelta(minutes=5)
    text = format_soql(
        "SELECT Id FROM Opportunity WHERE SystemModstamp >= {} AND Name IN {} AND CloseDate > {}",
        since,
        ["it's", "Acme first"],
        since.date() - timedelta(days=5000),
    )
    assert [r["Id"] for r in sf.query(text)["records"]] == [deal]


def test_deleted_rows_show_only_in_query_all(sf: Salesforce, deal: str) -> None:
    sf.Opportunity.delete(deal)
    text = f"SELECT Id, IsDeleted FROM Opportunity WHERE Id = '{deal}'"
    assert sf.query(text)["records"] == []
    assert [r["IsDeleted"] for r in sf.query(text, include_deleted=True)["records"]] == [True]


def test_updated_and_deleted_cover_whole_minutes(sf: Salesforce, org: World) -> None:
    org.clock.freeze(datetime(2026, 1, 2, 12, 0, 30, tzinfo=UTC))
    early = sf.Account.create({"Name": "early"})["id"]
    org.clock.advance(60)
    late = sf.Account.create({"Name": "late"})["id"]
    start = datetime(2026, 1, 2, 11, tzinfo=UTC)
    found = sf.Account.updated(start, org.clock.now())
    assert found == {"ids": [early], "latestDateCovered": "2026-01-02T12:01:00.000+0000"}
    org.clock.advance(60)
    sf.Account.delete(late)
    org.clock.advance(60)
    gone = sf.Account.deleted(start, org.clock.now())
    assert gone["deletedRecords"] == [{"id": late, "deletedDate": "2026-01-02T12:02:30.000+0000"}]
    assert sf.Account.updated(start, org.clock.now())["ids"] == [early]


@pytest.mark.parametrize("start", ["2026-01-02T12:00:10Z", "2025-11-02T12:00:00Z", "yesterday"])
def test_an_impossible_window_is_refused(sf: Salesforce, org: World, start: str) -> None:
    org.clock.freeze(datetime(2026, 1, 2, 12, 0, 30, tzinfo=UTC))
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.restful("sobjects/Account/updated", params={"start": start, "end": "2026-01-02T12:00:50Z"})
    assert _code(caught) == "INVALID_REPLICATION_DATE"


def test_describe_tells_what_can_be_written(sf: Salesforce) -> None:
    fields = {f["name"]: f for f in sf.Task.describe()["fields"]}
    key = fields["Handoff_Key__c"]
    assert (key["externalId"], key["unique"], key["length"], key["custom"]) == (True, True, 255, True)
    deal = {f["name"]: f for f in sf.Opportunity.describe()["fields"]}
    assert deal["IsWon"]["updateable"] is deal["IsWon"]["createable"] is False
    assert deal["StageName"]["nillable"] is False
    assert "Closed Won" in [v["value"] for v in deal["StageName"]["picklistValues"]]
    assert deal["Handoff_CSM__c"]["referenceTo"] == ["User"]
    assert deal["Handoff_Summary__c"]["filterable"] is False
    assert deal["Handoff_Summary__c"]["length"] == 131_072
    names = {o["name"] for o in sf.describe()["sobjects"]}
    assert {"Account", "Opportunity", "Task", "Event", "Note", "User"} <= names


def test_limits_count_down_and_stand_in_every_reply(sf: Salesforce) -> None:
    before = sf.limits()["DailyApiRequests"]["Remaining"]
    sf.query("SELECT Id FROM Organization")
    assert sf.limits()["DailyApiRequests"]["Remaining"] == before - 2
    usage = sf.api_usage["api-usage"]
    assert (usage.total, usage.used) == (100_000, 100_000 - before + 2)


def test_an_expired_token_is_renewed_by_the_client(running: Sandbox, sf: Salesforce, deal: str) -> None:
    running.sf.scratch["sessions"].clear()
    assert sf.query("SELECT Id FROM Opportunity")["totalSize"] == 1
    assert running.sf.journal.counts()["token"] == 2


def test_a_token_that_means_nothing_is_refused(session: requests.Session, running: Sandbox) -> None:
    host = running.sf_url.removeprefix("http://")
    stranger = Salesforce(session_id="00D!nothing", instance=host, session=session, version="66.0")
    with pytest.raises(SalesforceExpiredSession) as caught:
        stranger.query("SELECT Id FROM Account")
    assert _code(caught) == "INVALID_SESSION_ID"


def test_a_person_can_log_in_too(session: requests.Session, org: World) -> None:
    name = "maya.lindqvist@seller.example"
    maya = Salesforce(consumer_key="person", consumer_secret=name, domain="seller.my", session=session)
    made = maya.Account.create({"Name": "hers"})["id"]
    assert org.table("User").rows[org.table("Account").rows[made].created_by].values["Email"] == name


def test_someone_who_left_cannot_log_in(session: requests.Session) -> None:
    with pytest.raises(SalesforceAuthenticationFailed):
        Salesforce(
            consumer_key="person", consumer_secret="lena.frost@seller.example", domain="seller.my", session=session
        )
