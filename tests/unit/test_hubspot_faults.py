"""What the adapter makes of HubSpot's failures, over real HTTP on loopback."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hubspot_portal import NOW, Passing, Portal, Reply, a_crm, a_portal

from connector.clock import ManualClock
from connector.crm.hubspot.adapter import HubSpotCRM
from connector.crm.hubspot.faults import MIDNIGHT_AGAIN
from connector.crm.writing import (
    Operation,
    Refused,
    Unknown,
    Write,
)
from connector.errors import Advice, CrmError, FaultCode
from connector.handoff.model import Kind

HTML = Reply(b"<html><body><h1>Bad Gateway</h1></body></html>", status=502, headers={"Content-Type": "text/html"})
LATIN = Reply("<h1>Fehler: Überlast</h1>".encode("latin-1"), status=504, headers={"Content-Type": "text/html"})
TWO = [
    Write(kind=Kind.DEAL, operation=Operation.UPDATE, values={"gate": "Held"}, record_id="1"),
    Write(kind=Kind.DEAL, operation=Operation.UPDATE, values={"gate": "Held"}, record_id="2"),
]


@pytest.fixture
def portal() -> Iterator[Portal]:
    with a_portal() as portal:
        yield portal


def error(status: int, **body: object) -> Reply:
    return Reply({"status": "error", "message": "said the vendor", "correlationId": "c", **body}, status=status)


@pytest.mark.parametrize(
    "lost", [Reply(cut=True), HTML, LATIN, Reply(b"<html>", status=200), error(500), error(503)], ids=lambda r: r.status
)
def test_a_write_whose_reply_is_lost_is_unknown_for_every_row_and_sent_once(portal: Portal, lost: Reply) -> None:
    portal.say(lost)
    outcomes = a_crm(portal).apply(TWO)
    assert [type(each) for each in outcomes] == [Unknown, Unknown]
    assert {each.fault.advice for each in outcomes if isinstance(each, Unknown)} == {Advice.VERIFY}
    assert len(portal.asked) == 1


def test_a_write_that_is_never_answered_is_unknown_and_sent_once(portal: Portal) -> None:
    portal.say(Reply(silent=True))
    outcomes = a_crm(portal, timeout=0.2).apply(TWO)
    assert [type(each) for each in outcomes] == [Unknown, Unknown]
    assert len(portal.asked) == 1


def test_a_portal_that_cannot_be_reached_raises_for_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    crm = a_crm(Portal(f"http://127.0.0.1:{port}"))
    with pytest.raises(CrmError) as caught:
        crm.apply(TWO)
    assert caught.value.fault.code is FaultCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("reply", "code", "retry_at"),
    [
        (
            error(429, errorType="RATE_LIMIT", policyName="TEN_SECONDLY_ROLLING"),
            FaultCode.THROTTLED,
            NOW + timedelta(seconds=10),
        ),
        (error(429, category="RATE_LIMITS"), FaultCode.THROTTLED, NOW + timedelta(seconds=1)),
        (
            error(429, errorType="RATE_LIMIT", policyName="DAILY"),
            FaultCode.QUOTA_EXHAUSTED,
            datetime(2026, 11, 21, tzinfo=UTC),
        ),
        (error(401, category="INVALID_AUTHENTICATION"), FaultCode.AUTH_REVOKED, None),
        (error(477), FaultCode.UNAVAILABLE, NOW + timedelta(minutes=5)),
    ],
)
def test_a_call_refused_before_anything_was_done_raises(
    portal: Portal, reply: Reply, code: FaultCode, retry_at: datetime | None
) -> None:
    portal.say(reply)
    with pytest.raises(CrmError) as caught:
        a_crm(portal).apply(TWO)
    assert caught.value.fault.code is code
    assert caught.value.fault.retry_at == retry_at
    assert len(portal.asked) == 1


def test_a_migration_says_how_long_it_takes(portal: Portal) -> None:
    portal.say(Reply({"message": "migrating"}, status=477, headers={"Retry-After": "7200"}))
    with pytest.raises(CrmError) as caught:
        a_crm(portal).apply(TWO)
    assert caught.value.fault.retry_at == NOW + timedelta(hours=2)


def test_the_daily_limit_ends_at_midnight_where_the_portal_is(portal: Portal) -> None:
    portal.say(Reply({"portalId": 7, "timeZone": "America/New_York"}))
    crm = a_crm(portal)
    crm.server_time()
    portal.say(error(429, errorType="RATE_LIMIT", policyName="DAILY"))
    with pytest.raises(CrmError) as caught:
        crm.apply(TWO)
    assert caught.value.fault.retry_at == datetime(2026, 11, 21, 5, tzinfo=UTC)


def test_a_daily_limit_that_outlasts_midnight_does_not_cost_another_day(portal: Portal) -> None:
    just_after = datetime(2026, 11, 20, 5, 0, 1, tzinfo=UTC)
    portal.say(Reply({"portalId": 7, "timeZone": "America/New_York"}))
    crm = a_crm(portal, time=Passing(ManualClock(just_after)))
    crm.server_time()
    portal.say(error(429, errorType="RATE_LIMIT", policyName="DAILY"))
    with pytest.raises(CrmError) as caught:
        crm.apply(TWO)
    assert caught.value.fault.retry_at == just_after + MIDNIGHT_AGAIN


def test_a_time_that_nobody_can_wait_for_is_a_day(portal: Portal) -> None:
    portal.say(Reply({"message": "migrating"}, status=477, headers={"Retry-After": "9" * 400}))
    with pytest.raises(CrmError) as caught:
        a_crm(portal).apply(TWO)
    assert caught.value.fault.retry_at == NOW + timedelta(days=1)


SHAPELESS = [Reply(b""), Reply({}), Reply({"results": None}), Reply({"results": [1]}), Reply({"status": "error"})]
SHAPELESS += [Reply({"results": [], "paging": "x"}), Reply({"results": [], "paging": {"next": "x"}})]


@pytest.mark.parametrize("answer", SHAPELESS, ids=lambda reply: str(reply.body))
@pytest.mark.parametrize(
    "read",
    [
        lambda crm: crm.fetch(["1"]),
        lambda crm: crm.people(),
        lambda crm: crm.stages(),
        lambda crm: crm.earliest_start(),
    ],
    ids=["fetch", "people", "stages", "search"],
)
def test_an_answer_without_a_list_never_looks_as_if_all_were_gone(
    read: Callable[[HubSpotCRM], object], answer: Reply, portal: Portal
) -> None:
    """Deals that are gone are given up, with all that was still to be written on them."""
    crm = a_crm(portal)
    crm.stages()
    portal.otherwise = lambda asked: answer
    with pytest.raises(CrmError) as caught:
        read(crm)
    assert caught.value.fault.advice is Advice.RETRY


def test_missing_scopes_are_named(portal: Portal) -> None:
    scopes = ["crm.objects.deals.write", "crm.objects.owners.read"]
    detail = {"message": "needs scopes", "context": {"requiredGranularScopes": scopes}}
    portal.say(error(403, category="MISSING_SCOPES", errors=[detail]))
    with pytest.raises(CrmError) as caught:
        a_crm(portal).apply(TWO)
    fault = caught.value.fault
    assert fault.code is FaultCode.NOT_PERMITTED
    assert fault.vendor_code == "MISSING_SCOPES"
    assert all(scope in fault.message for scope in scopes)


def test_a_locked_record_waits_two_seconds_and_the_others_do_not(portal: Portal) -> None:
    locked = error(423, category="LOCKED", context={"id": ["1"]})
    portal.say(locked, Reply({"results": [{"id": "2", "updatedAt": "2026-11-20T09:30:00Z"}]}))
    first, second = a_crm(portal).apply(TWO)
    assert isinstance(first, Refused)
    assert first.fault.code is FaultCode.ROW_LOCKED
    assert first.fault.retry_at == NOW + timedelta(seconds=2)
    assert not isinstance(second, Refused | Unknown)


def test_a_read_is_tried_again_three_times_in_all(portal: Portal) -> None:
    time = Passing()
    portal.say(HTML, error(429, errorType="RATE_LIMIT", policyName="SECONDLY"), Reply({"portalId": 7}))
    assert a_crm(portal, time=time).server_time() == NOW
    assert len(portal.asked) == 3
    assert len(time.waited) == 2
    portal.say(HTML, HTML, HTML, Reply({"results": []}))
    with pytest.raises(CrmError) as caught:
        a_crm(portal).stages()
    assert caught.value.fault.code is FaultCode.UNAVAILABLE


def test_searches_keep_to_five_a_second(portal: Portal) -> None:
    time = Passing()
    crm = a_crm(portal, time=time)
    for _ in range(11):
        crm.earliest_start()
    assert sum(time.waited) == pytest.approx(2.1)


def test_the_burst_window_is_kept_by_its_headers(portal: Portal) -> None:
    time = Passing()
    crm = a_crm(portal, time=time)
    left = {"X-HubSpot-RateLimit-Max": "190", "X-HubSpot-RateLimit-Interval-Milliseconds": "10000"}
    portal.say(Reply({"results": []}, headers={**left, "X-HubSpot-RateLimit-Remaining": "0"}))
    crm.stages()
    assert time.waited == []
    crm.stages()
    assert time.waited == [10.0]


def test_every_call_is_counted_and_carries_the_token(portal: Portal) -> None:
    heard: list[str] = []
    crm = a_crm(portal, on_call=heard.append)
    portal.say(HTML)
    crm.stages()
    crm.earliest_start()
    assert heard == ["pipelines", "pipelines", "search.deals"]
    assert {asked.token for asked in portal.asked} == {"Bearer pat-test"}
    assert all("/2026-09" in path for path in portal.paths())


def test_a_batch_read_that_hides_a_row_fails(portal: Portal) -> None:
    broken = {"status": "error", "category": "INTERNAL_ERROR", "message": "try again", "context": {"ids": ["1"]}}
    portal.otherwise = lambda asked: Reply({"results": [], "numErrors": 1, "errors": [broken]}, status=207)
    with pytest.raises(CrmError) as caught:
        a_crm(portal).find(Kind.TASK, {"hs:1:1:welcome": "1"})
    assert caught.value.fault.code is FaultCode.UNAVAILABLE
