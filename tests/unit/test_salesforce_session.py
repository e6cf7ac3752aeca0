"""The line to Salesforce when it misbehaves: tokens, refusals, silence, and answers that are no answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import parse_qs

import jwt
import pytest
import requests
import responses
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from salesforce_wire import DATA, DATE, EXPIRED, HOST, HTML, NOW, ORG, TOKEN, USER, a_rig, records, token
from urllib3.exceptions import NewConnectionError

from connector.crm.salesforce.login import SalesforceLogin
from connector.crm.writing import (
    Applied,
    Operation,
    Unknown,
    Write,
)
from connector.errors import Advice, CrmError, FaultCode
from connector.handoff.model import Kind, Ref

QUERY = DATA + "query/"
COLLECTIONS = DATA + "composite/sobjects"
DEAL = "006000000000001AAA"
PATCH = [Write(Kind.DEAL, Operation.UPDATE, {"risks": "none"}, record_id=DEAL)]
DONE = [{"id": DEAL, "success": True, "errors": []}]


@pytest.fixture
def mock() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def test_client_credentials_travel_in_the_header_and_tell_who_we_are(mock: responses.RequestsMock) -> None:
    rig = a_rig(mock)
    mock.add(responses.GET, QUERY, json=records())
    rig.crm.people()
    asked = mock.calls[0].request
    assert asked.headers["Authorization"] == "Basic " + base64.b64encode(b"app:hush").decode()
    assert parse_qs(asked.body) == {"grant_type": ["client_credentials"]}
    assert rig.crm.org_id == ORG
    assert mock.calls[1].request.headers["Authorization"] == "Bearer first"


def test_a_jwt_bearer_assertion_is_signed_for_the_user(mock: responses.RequestsMock) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    login = SalesforceLogin(HOST, client_id="app", username="daemon@acme.example", private_key=pem)
    rig = a_rig(mock, login=login)
    mock.add(responses.GET, QUERY, json=records())
    rig.crm.people()
    form = parse_qs(mock.calls[0].request.body)
    claims = jwt.decode(
        form["assertion"][0],
        key.public_key(),
        algorithms=["RS256"],
        audience="https://login.salesforce.com",
        options={"verify_exp": False},
    )
    assert (claims["iss"], claims["sub"]) == ("app", "daemon@acme.example")
    assert claims["exp"] == int((NOW + timedelta(minutes=3)).timestamp())
    assert pem not in repr(login)


def test_a_key_that_is_none_is_told_without_showing_it(mock: responses.RequestsMock) -> None:
    rig = a_rig(mock, login=SalesforceLogin(HOST, client_id="app", username="u", private_key="not a key"))
    with pytest.raises(CrmError) as caught:
        rig.crm.people()
    assert caught.value.fault.advice is Advice.HALT
    assert "not a key" not in str(caught.value)


def test_wrong_credentials_halt_with_the_vendors_words(mock: responses.RequestsMock) -> None:
    rig = a_rig(mock)
    body = {"error": "invalid_client", "error_description": "invalid client credentials"}
    mock.replace(responses.POST, TOKEN, json=body, status=400)
    with pytest.raises(CrmError) as caught:
        rig.crm.connect()
    assert caught.value.fault.code is FaultCode.AUTH_REVOKED
    assert caught.value.fault.vendor_code == "invalid_client"
    assert caught.value.fault.message == "invalid client credentials"
    assert rig.waits == []


def test_a_token_endpoint_that_is_down_is_no_revocation(mock: responses.RequestsMock) -> None:
    rig = a_rig(mock)
    mock.replace(responses.POST, TOKEN, body=HTML, status=503)
    with pytest.raises(CrmError) as caught:
        rig.crm.people()
    assert caught.value.fault.code is FaultCode.UNAVAILABLE


def test_another_org_than_the_pinned_one_is_refused(mock: responses.RequestsMock) -> None:
    login = SalesforceLogin(HOST, client_id="app", client_secret="hush", org_id="00D00000000000XAAA")
    with pytest.raises(CrmError) as caught:
        a_rig(mock, login=login).crm.people()
    assert caught.value.fault.vendor_code == "WRONG_ORG"


def test_plain_http_beyond_this_machine_is_refused_before_anything_is_sent(mock: responses.RequestsMock) -> None:
    with pytest.raises(CrmError) as caught:
        a_rig(mock, login=SalesforceLogin("http://acme.example", client_id="app", client_secret="hush"))
    assert caught.value.fault.vendor_code == "PLAIN_HTTP"
    assert len(mock.calls) == 0


def test_loopback_is_spoken_to_in_plain_http(mock: responses.RequestsMock) -> None:
    here = "http://127.0.0.1:8701"
    rig = a_rig(mock, login=SalesforceLogin(here, client_id="app", client_secret="hush"))
    mock.add(responses.POST, f"{here}/services/oauth2/token", json={**token(), "instance_url": here})
    mock.add(responses.GET, f"{here}/services/data/v67.0/query/", json=records())
    assert rig.crm.people() == ()
    assert {call.request.url.partition(":")[0] for call in mock.calls} == {"http"}


def test_every_call_has_timeouts_and_names_the_client(mock: responses.RequestsMock) -> None:
    rig = a_rig(mock, timeouts=(3.0, 7.0))
    mock.add(responses.GET, QUERY, json=records())
    rig.crm.people()
    assert [call.request.req_kwargs["timeout"] for call in mock.calls] == [(3.0, 7.0)] * 2
    assert {call.request.headers["Sforce-Call-Options"] for call in mock.calls} == {"client=handoff"}


def test_an_expired_token_is_renewed_once_and_the_call_sent_again(mock: responses.RequestsMock) -> None:
    rig = a_rig(mock)
    mock.replace(responses.POST, TOKEN, json=token("first"))
    mock.add(responses.POST, TOKEN, json=token("second"))
    mock.add(responses.PATCH, COLLECTIONS, json=EXPIRED, status=401)
    mock.add(responses.PATCH, COLLECTIONS, json=DONE)
    assert rig.crm.apply(PATCH) == (Applied(DEAL),)
    assert mock.calls[-1].request.headers["Authorization"] == "Bearer second"
    assert rig.calls == {"token": 2, "collections.update": 2}


@pytest.mark.parametrize(
    "answer",
    [
        {"body": ""},
        {"body": HTML},
        {"json": {"message": "no session"}},
        {"json": [{"message": "INVALID_HEADER_TYPE", "errorCode": "INVALID_AUTH_HEADER"}]},
    ],
)
def test_a_401_in_other_words_or_in_none_is_an_expired_token_too(
    mock: responses.RequestsMock, answer: dict[str, object]
) -> None:
    rig = a_rig(mock)
    mock.replace(responses.POST, TOKEN, json=token("first"))
    mock.add(responses.POST, TOKEN, json=token("second"))
    mock.add(responses.PATCH, COLLECTIONS, status=401, **answer)
    mock.add(responses.PATCH, COLLECTIONS, json=DONE)
    assert rig.crm.apply(PATCH) == (Applied(DEAL),)
    assert rig.calls == {"token": 2, "collections.update": 2}


def test_a_renewal_that_fails_leaves_the_batch_unsent_and_the_next_try_renews(mock: responses.RequestsMock) -> None:
    rig = a_rig(mock)
    mock.replace(responses.POST, TOKEN, json=token("first"))
    mock.add(responses.POST, TOKEN, body=requests.ConnectionError("down"))
    mock.add(responses.POST, TOKEN, json=token("third"))
    mock.add(responses.PATCH, COLLECTIONS, json=EXPIRED, status=401)
    mock.add(responses.PATCH, COLLECTIONS, json=DONE)
    with pytest.raises(CrmError) as caught:
        rig.crm.apply(PATCH)
    assert caught.value.fault.advice is Advice.RETRY
    assert rig.crm.apply(PATCH) == (Applied(DEAL),)
    assert rig.calls["collections.update"] == 2


def test_a_token_that_stays_expired_halts_after_one_renewal(mock: responses.RequestsMock) -> None:
    rig = a_rig(mock)
    mock.add(responses.GET, QUERY, json=EXPIRED, status=401)
    with pytest.raises(CrmError) as caught:
        rig.crm.people()
    assert caught.value.fault.advice is Advice.HALT
    assert rig.calls == {"token": 2, "query": 2}


@pytest.mark.parametrize(
    ("usage", "code"),
    [("api-usage=18/5000", FaultCode.THROTTLED), ("api-usage=5000/5000", FaultCode.QUOTA_EXHAUSTED)],
)
def test_the_counter_tells_a_busy_minute_from_a_spent_day(
    mock: responses.RequestsMock, usage: str, code: FaultCode
) -> None:
    rig = a_rig(mock)
    body = [{"message": "whatever", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
    mock.add(responses.GET, QUERY, json=body, status=403, headers={"Sforce-Limit-Info": usage, "Date": DATE})
    with pytest.raises(CrmError) as caught:
        rig.crm.people()
    assert caught.value.fault.code is code
    assert caught.value.fault.vendor_code == "REQUEST_LIMIT_EXCEEDED"
    assert len(rig.waits) == (2 if code is FaultCode.THROTTLED else 0)


def test_a_read_is_tried_again_briefly_and_then_succeeds(mock: responses.RequestsMock) -> None:
    rig = a_rig(mock)
    mock.add(responses.GET, QUERY, body=HTML, status=503, content_type="text/html")
    mock.add(responses.GET, QUERY, body=requests.ConnectionError("reset"))
    mock.add(responses.GET, QUERY, json=records())
    assert rig.crm.people() == ()
    assert len(rig.waits) == 2


def test_an_outage_seen_by_a_read_is_told_without_the_web_page(mock: responses.RequestsMock) -> None:
    rig = a_rig(mock)
    mock.add(responses.GET, QUERY, body=HTML, status=503, content_type="text/html")
    with pytest.raises(CrmError) as caught:
        rig.crm.people()
    assert caught.value.fault.code is FaultCode.UNAVAILABLE
    assert "<html" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        {"body": requests.ReadTimeout("no answer within 120 s")},
        {"body": requests.ConnectionError("connection reset by peer")},
        {"body": requests.exceptions.ChunkedEncodingError("cut")},
        {"body": HTML, "status": 502},
        {"body": HTML, "status": 503},
        {"json": [{"message": "oops", "errorCode": "UNKNOWN_EXCEPTION"}], "status": 500},
        {"body": HTML, "status": 200},
        {"json": {"message": "an object where a list belongs"}, "status": 200},
        {"json": [], "status": 200},
        {"json": DONE + DONE, "status": 200},
        {"json": ["what?"], "status": 200},
    ],
)
def test_a_write_without_a_clear_answer_is_unknown_and_sent_once(
    mock: responses.RequestsMock, answer: dict[str, object]
) -> None:
    rig = a_rig(mock)
    mock.add(responses.PATCH, COLLECTIONS, **answer)
    (outcome,) = rig.crm.apply(PATCH)
    assert isinstance(outcome, Unknown)
    assert outcome.fault.advice is Advice.VERIFY
    assert rig.calls["collections.update"] == 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"body": requests.ConnectTimeout("no route")}, FaultCode.UNAVAILABLE),
        ({"body": requests.ConnectionError(NewConnectionError(None, "refused"))}, FaultCode.UNAVAILABLE),
        (
            {"json": [{"message": "busy", "errorCode": "SERVER_UNAVAILABLE"}], "status": 503},
            FaultCode.UNAVAILABLE,
        ),
        (
            {"json": [{"message": "busy", "errorCode": "REQUEST_LIMIT_EXCEEDED"}], "status": 403},
            FaultCode.THROTTLED,
        ),
        ({"json": {"message": "off", "errorCode": "API_DISABLED_FOR_ORG"}, "status": 403}, FaultCode.AUTH_REVOKED),
        ({"body": "", "status": 429}, FaultCode.THROTTLED),
    ],
)
def test_a_write_that_was_never_begun_raises_so_that_the_batch_can_wait(
    mock: responses.RequestsMock, answer: dict[str, object], code: FaultCode
) -> None:
    rig = a_rig(mock)
    mock.add(responses.PATCH, COLLECTIONS, **answer)
    with pytest.raises(CrmError) as caught:
        rig.crm.apply(PATCH)
    assert caught.value.fault.code is code
    assert rig.calls["collections.update"] == 1


def test_the_servers_time_is_the_date_header(mock: responses.RequestsMock) -> None:
    rig = a_rig(mock)
    mock.add(responses.GET, DATA + "limits/", json={"DailyApiRequests": {}}, headers={"Date": DATE})
    assert rig.crm.server_time() == NOW


def test_an_org_without_composite_is_read_by_plain_queries(mock: responses.RequestsMock) -> None:
    rig = a_rig(mock)
    mock.add(responses.POST, DATA + "composite", json=[{"message": "no", "errorCode": "NOT_FOUND"}], status=404)
    stamp = "2026-11-02T09:00:00.000+0000"

    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        deal = {"Id": DEAL, "SystemModstamp": stamp, "IsWon": False, "IsClosed": False, "StageName": "Proposal"}
        found = records(deal) if "FROM+Opportunity+WHERE" in str(request.url) else records()
        if "OpportunityStage" in str(request.url):
            found = records({"ApiName": "Proposal", "MasterLabel": "Offer", "IsWon": False, "IsClosed": False})
        return 200, {"Date": DATE}, json.dumps(found)

    mock.add_callback(responses.GET, QUERY, callback=answer)
    mock.add_callback(responses.GET, DATA + "queryAll/", callback=answer)
    facts = rig.crm.fetch([DEAL])[DEAL]
    assert (facts.stage.id, facts.stage.label) == ("Proposal", "Offer")
    rig.crm.fetch([DEAL])
    assert rig.calls["composite"] == 1
    assert Ref(Kind.DEAL, DEAL) == facts.deal.ref
    assert USER not in str(facts)


def test_a_wrong_clock_signs_again_by_the_orgs(mock: responses.RequestsMock) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    rig = a_rig(mock, login=SalesforceLogin(HOST, client_id="app", username="u", private_key=pem))
    late = {"error": "invalid_grant", "error_description": "expired authorization code"}
    mock.replace(responses.POST, TOKEN, json=late, status=400, headers={"Date": "Mon, 02 Nov 2026 09:44:00 GMT"})
    mock.add(responses.POST, TOKEN, json=token())
    mock.add(responses.GET, QUERY, json=records())
    assert rig.crm.people() == ()
    ends = [
        jwt.decode(parse_qs(call.request.body)["assertion"][0], options={"verify_signature": False})["exp"]
        for call in mock.calls[:2]
    ]
    assert ends[1] - ends[0] == timedelta(minutes=13, seconds=40).total_seconds()


def test_a_right_clock_is_not_given_a_second_try(mock: responses.RequestsMock) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    rig = a_rig(mock, login=SalesforceLogin(HOST, client_id="app", username="u", private_key=pem))
    body = {"error": "invalid_grant", "error_description": "user hasn't approved this consumer"}
    mock.replace(responses.POST, TOKEN, json=body, status=400, headers={"Date": DATE})
    with pytest.raises(CrmError, match="approved this consumer"):
        rig.crm.people()
    assert len(mock.calls) == 1


def test_threads_that_see_the_same_expiry_log_in_once(mock: responses.RequestsMock) -> None:
    rig = a_rig(mock)
    mock.replace(responses.POST, TOKEN, json=token("first"))
    mock.add(responses.POST, TOKEN, json=token("second"))
    session = rig.session
    stale = session.token().access
    with ThreadPoolExecutor(8) as pool:
        fresh = list(pool.map(lambda _: session.renew(stale).access, range(8)))
    assert (stale, set(fresh)) == ("first", {"second"})
    assert rig.calls == {"token": 2}


def test_a_retired_version_is_refused_with_those_there_are(mock: responses.RequestsMock) -> None:
    rig = a_rig(mock, login=SalesforceLogin(HOST, client_id="app", client_secret="hush", api_version="30.0"))
    gone = [{"message": "This API version has been retired", "errorCode": "UNSUPPORTED_API_VERSION"}]
    mock.add(responses.GET, f"{HOST}/services/data/v30.0/query/", json=gone, status=410)
    mock.add(responses.GET, f"{HOST}/services/data", json=[{"version": "31.0"}, {"version": "67.0"}])
    with pytest.raises(CrmError) as caught:
        rig.crm.people()
    assert caught.value.fault.advice is Advice.HALT
    assert "30.0" in caught.value.fault.message
    assert "31.0 to 67.0" in caught.value.fault.message


def test_an_admins_token_is_used_as_it_is_and_never_renewed(mock: responses.RequestsMock) -> None:
    rig = a_rig(mock, login=SalesforceLogin(HOST, access_token="00D!secret"))
    who = {"organization_id": ORG, "user_id": USER}
    mock.add(responses.GET, f"{HOST}/services/oauth2/userinfo", json=who)
    mock.add(responses.GET, QUERY, json=EXPIRED, status=401)
    assert rig.crm.org_id == ORG
    with pytest.raises(CrmError) as caught:
        rig.crm.people()
    assert caught.value.fault.advice is Advice.HALT
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("allowed", "sent"), [(True, "allowSave=true"), (False, None)])
def test_duplicate_rules_are_overruled_only_on_request(
    mock: responses.RequestsMock, allowed: bool, sent: str | None
) -> None:
    rig = a_rig(mock, allow_duplicates=allowed)
    mock.add(responses.PATCH, COLLECTIONS, json=DONE)
    rig.crm.apply(PATCH)
    assert mock.calls[-1].request.headers.get("Sforce-Duplicate-Rule-Header") == sent
