"""Batches to HubSpot: rows judged one by one, bad rows singled out, records and links confirmed before they count."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hubspot_portal import Asked, Portal, Reply, a_crm, a_portal, confirm, confirmed

from connector.crm.writing import (
    Applied,
    Operation,
    Refused,
    Unknown,
    Write,
    WriteOutcome,
)
from connector.errors import FaultCode
from connector.handoff.model import Kind, Ref

DEAL, ACCOUNT = Ref(Kind.DEAL, "31"), Ref(Kind.ACCOUNT, "21")
WRITTEN_AT = datetime(2026, 11, 20, 9, 30, 0, 123000, tzinfo=UTC)


@pytest.fixture
def portal() -> Iterator[Portal]:
    with a_portal() as portal:
        portal.otherwise = confirm
        yield portal


def patch(deal_id: str, **values: Any) -> Write:
    return Write(
        kind=Kind.DEAL, operation=Operation.UPDATE, values=values or {"percent": Decimal(40)}, record_id=deal_id
    )


def task(step: str, **values: Any) -> Write:
    given = {"subject": "Send welcome packet", "due": date(2026, 11, 25), "owner": "7001", **values}
    return Write(Kind.TASK, Operation.UPSERT, given, key=f"hs:31:1:{step}", parents=(DEAL, ACCOUNT))


def kinds(outcomes: tuple[WriteOutcome, ...]) -> list[str]:
    return [type(each).__name__ for each in outcomes]


def refuse_deals(*bad: str) -> Any:
    """A portal that refuses a whole batch with a 400 that names no row when one of these deals is in it."""

    def answer(asked: Asked) -> Reply:
        if any(row["id"] in bad for row in asked.body["inputs"]):
            body = {"status": "error", "category": "VALIDATION_ERROR", "message": "Property values were not valid"}
            return Reply(body, status=400)
        return confirm(asked)

    return answer


def test_an_update_confirms_each_row_with_its_new_time(portal: Portal) -> None:
    outcomes = a_crm(portal).apply([patch("1"), patch("2", go_live_date=None)])
    assert outcomes == (Applied("1", WRITTEN_AT), Applied("2", WRITTEN_AT))
    assert portal.paths() == ["/crm/objects/2026-09/deals/batch/update"]
    first, second = portal.asked[0].body["inputs"]
    assert first["properties"] == {"handoff_percent": "40"}
    assert second["properties"] == {"handoff_go_live_date": ""}
    assert first["objectWriteTraceId"] != second["objectWriteTraceId"]


@pytest.mark.parametrize("status", [200, 207])
@pytest.mark.parametrize("naming", ["ids", "objectWriteTraceId"])
def test_a_row_that_failed_is_refused_in_the_vendors_words_whatever_the_status(
    portal: Portal, status: int, naming: str
) -> None:
    def answer(asked: Asked) -> Reply:
        first, second = asked.body["inputs"]
        name = second["id"] if naming == "ids" else second["objectWriteTraceId"]
        error = {"category": "OBJECT_NOT_FOUND", "message": "Deal 2 does not exist", "context": {naming: [name]}}
        return Reply({"results": [confirmed(first)], "numErrors": 1, "errors": [error]}, status=status)

    portal.otherwise = answer
    first, second = a_crm(portal).apply([patch("1"), patch("2")])
    assert first == Applied("1", WRITTEN_AT)
    assert isinstance(second, Refused)
    assert second.fault.code is FaultCode.RECORD_GONE
    assert (second.fault.vendor_code, second.fault.message) == ("OBJECT_NOT_FOUND", "Deal 2 does not exist")


def test_results_are_matched_by_name_and_not_by_place(portal: Portal) -> None:
    portal.otherwise = lambda asked: Reply({"results": [confirmed(row) for row in reversed(asked.body["inputs"])]})
    assert [each.record_id for each in a_crm(portal).apply([patch("1"), patch("2"), patch("3")])] == ["1", "2", "3"]  # type: ignore[union-attr]


def test_a_row_the_answer_does_not_mention_is_unknown(portal: Portal) -> None:
    portal.otherwise = lambda asked: Reply({"results": [confirmed(asked.body["inputs"][0])]})
    assert kinds(a_crm(portal).apply([patch("1"), patch("2")])) == ["Applied", "Unknown"]


def test_a_counted_error_that_names_no_row_is_the_silent_rows(portal: Portal) -> None:
    portal.otherwise = lambda asked: Reply({"results": [confirmed(asked.body["inputs"][1])], "numErrors": 1})
    assert kinds(a_crm(portal).apply([patch("1"), patch("2")])) == ["Refused", "Applied"]


def test_one_bad_row_never_sinks_its_batch(portal: Portal) -> None:
    portal.otherwise = refuse_deals("37")
    outcomes = a_crm(portal).apply([patch(str(n)) for n in range(100)])
    assert [n for n, each in enumerate(outcomes) if not isinstance(each, Applied)] == [37]
    assert isinstance(outcomes[37], Refused)
    assert outcomes[37].fault.code is FaultCode.REJECTED
    assert len(portal.asked) <= 15  # 1 + 2 for each halving of 100 down to one row


def test_singling_out_is_bounded_and_rows_left_over_come_back(portal: Portal) -> None:
    portal.otherwise = refuse_deals(*(str(n) for n in range(100)))
    outcomes = a_crm(portal).apply([patch(str(n)) for n in range(100)])
    assert len(portal.asked) <= 70
    codes = {each.fault.code for each in outcomes if isinstance(each, Refused)}
    assert codes == {FaultCode.REJECTED, FaultCode.UNAVAILABLE}
    assert len(outcomes) == 100


def test_a_property_that_does_not_exist_fails_its_rows_at_once(portal: Portal) -> None:
    def answer(asked: Asked) -> Reply:
        if any("handoff_percent" in row["properties"] for row in asked.body["inputs"]):
            detail = {
                "code": "PROPERTY_DOESNT_EXIST",
                "message": "does not exist",
                "context": {"propertyName": ["handoff_percent"]},
            }
            return Reply({"category": "VALIDATION_ERROR", "message": "not valid", "errors": [detail]}, status=400)
        return confirm(asked)

    portal.otherwise = answer
    outcomes = a_crm(portal).apply([*(patch(str(n)) for n in range(50)), patch("77", gate="Held")])
    assert kinds(outcomes) == ["Refused"] * 50 + ["Applied"]
    assert len(portal.asked) == 2


def test_two_changes_of_one_record_travel_apart_and_in_order(portal: Portal) -> None:
    outcomes = a_crm(portal).apply([patch("1"), patch("1", gate="Held"), patch("2")])
    assert kinds(outcomes) == ["Applied"] * 3
    sent = [[row["id"] for row in asked.body["inputs"]] for asked in portal.asked]
    assert sent == [["1", "2"], ["1"]]


def test_a_stage_travels_with_its_pipeline(portal: Portal) -> None:
    stages = [{"id": "8801", "label": "Renewal due", "metadata": {"isClosed": "false", "probability": "0.5"}}]
    portal.say(Reply({"results": [{"id": "renewals", "stages": stages}]}))
    crm = a_crm(portal)
    crm.stages()
    crm.apply([patch("1", stage="8801")])
    assert portal.asked[-1].body["inputs"][0]["properties"] == {"dealstage": "8801", "pipeline": "renewals"}


def test_a_task_is_upserted_by_key_then_hung_on_account_and_last_on_the_deal(portal: Portal) -> None:
    remind = datetime(2026, 11, 25, 8, tzinfo=UTC)
    writes = [task("welcome", body="Dear <Ann> & Bob\nhello", remind_at=remind, priority="high"), task("kickoff")]
    outcomes = a_crm(portal).apply(writes)
    assert outcomes == (Applied("id-of-hs:31:1:welcome", WRITTEN_AT), Applied("id-of-hs:31:1:kickoff", WRITTEN_AT))
    assert portal.paths() == [
        "/account-info/2026-09/details",
        "/crm/objects/2026-09/tasks/batch/upsert",
        "/crm/associations/2026-09/tasks/companies/batch/associate/default",
        "/crm/associations/2026-09/tasks/deals/batch/associate/default",
    ]
    row = portal.asked[1].body["inputs"][0]
    assert (row["id"], row["idProperty"]) == ("hs:31:1:welcome", "handoff_key")
    assert "associations" not in row
    assert row["properties"] == {
        "hs_timestamp": "2026-11-25T12:00:00.000Z",
        "hs_task_status": "NOT_STARTED",
        "hs_task_type": "TODO",
        "hs_task_subject": "Send welcome packet",
        "hs_task_body": "Dear &lt;Ann&gt; &amp; Bob<br>hello",
        "hs_task_reminders": str(int(remind.timestamp() * 1000)),
        "hs_task_priority": "HIGH",
        "hubspot_owner_id": "7001",
        "handoff_key": "hs:31:1:welcome",
    }
    assert portal.asked[3].body["inputs"][0] == {"from": {"id": "id-of-hs:31:1:welcome"}, "to": {"id": "31"}}


def test_a_thousand_tasks_take_ten_upserts_and_two_links(portal: Portal) -> None:
    crm = a_crm(portal)
    crm.server_time()
    portal.asked.clear()
    most = crm.capabilities.max_batch[(Kind.TASK, Operation.UPSERT)]
    assert kinds(crm.apply([task(f"s{n}") for n in range(most)])) == ["Applied"] * most
    assert most == 1000
    assert len(portal.asked) == 12


@pytest.mark.parametrize("link", [Reply(cut=True), Reply({"message": "slow down"}, status=429)])
def test_a_task_whose_link_is_not_confirmed_is_unknown(portal: Portal, link: Reply) -> None:
    def answer(asked: Asked) -> Reply:
        return link if "/tasks/deals/" in asked.path else confirm(asked)

    portal.otherwise = answer
    (outcome,) = a_crm(portal).apply([task("welcome")])
    assert isinstance(outcome, Unknown)


@pytest.mark.parametrize("link_fails", [False, True])
def test_a_task_found_off_its_deal_is_hung_there_or_not_found(portal: Portal, link_fails: bool) -> None:
    linked, loose = "hs:31:1:welcome", "hs:31:1:kickoff"
    rows = [{"id": "91", "properties": {"handoff_key": linked}}, {"id": "92", "properties": {"handoff_key": loose}}]
    to_deal = {"from": {"id": "91"}, "to": [{"toObjectId": 31, "associationTypes": []}]}
    to_company = {"from": {"id": "31"}, "to": [{"toObjectId": 21, "associationTypes": [{"typeId": 5}]}]}
    none = {"subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND", "category": "OBJECT_NOT_FOUND", "message": "none"}
    portal.say(
        Reply({"results": rows}),
        Reply({"results": [to_deal], "numErrors": 1, "errors": [none]}, status=207),
        Reply({"results": [to_company]}),
    )
    if link_fails:
        portal.say(Reply(status=502, body=b"<html>"))
    found = a_crm(portal).find(Kind.TASK, {linked: "31", loose: "31", "hs:31:1:never": "31"})
    assert found == ({linked: "91"} if link_fails else {linked: "91", loose: "92"})
    links = [asked for asked in portal.asked if asked.path.endswith("/associate/default")]
    assert links[0].body["inputs"] == [{"from": {"id": "92"}, "to": {"id": "21"}}]
    if not link_fails:
        assert links[1].body["inputs"] == [{"from": {"id": "92"}, "to": {"id": "31"}}]


def test_an_account_that_is_gone_refuses_only_its_tasks(portal: Portal) -> None:
    other = Write(Kind.TASK, Operation.UPSERT, {"subject": "s"}, key="hs:32:1:s", parents=(Ref(Kind.DEAL, "32"),))

    def answer(asked: Asked) -> Reply:
        if "/tasks/companies/" in asked.path:
            gone = {"category": "OBJECT_NOT_FOUND", "message": "no company 21", "context": {"toObjectId": ["21"]}}
            return Reply({"results": [], "numErrors": 1, "errors": [gone]}, status=207)
        return confirm(asked)

    portal.otherwise = answer
    outcomes = a_crm(portal).apply([task("a"), task("b"), other])
    assert kinds(outcomes) == ["Refused", "Refused", "Applied"]
    assert isinstance(outcomes[0], Refused)
    assert outcomes[0].fault.code is FaultCode.RECORD_GONE


def test_a_known_task_is_changed_by_id_so_that_a_deleted_one_is_not_made_again(portal: Portal) -> None:
    done = Write(Kind.TASK, Operation.UPSERT, {"status": "done"}, record_id="91", key="hs:31:1:a", parents=(DEAL,))
    assert kinds(a_crm(portal).apply([done])) == ["Applied"]
    assert portal.paths() == ["/crm/objects/2026-09/tasks/batch/update"]
    assert portal.asked[0].body["inputs"][0]["properties"] == {"hs_task_status": "COMPLETED"}


def test_a_later_refusal_does_not_unsay_what_was_done(portal: Portal) -> None:
    throttled = Reply({"policyName": "TEN_SECONDLY_ROLLING", "message": "slow down"}, status=429)

    def answer(asked: Asked) -> Reply:
        upserts = sum("/upsert" in path for path in portal.paths())
        return throttled if "/upsert" in asked.path and upserts == 2 else confirm(asked)

    portal.otherwise = answer
    outcomes = a_crm(portal).apply([task(f"s{n}") for n in range(250)])
    assert kinds(outcomes) == ["Applied"] * 100 + ["Refused"] * 150
    assert {each.fault.code for each in outcomes if isinstance(each, Refused)} == {FaultCode.THROTTLED}


def test_after_a_lost_reply_nothing_more_is_sent(portal: Portal) -> None:
    portal.otherwise = lambda asked: Reply(cut=True) if "/upsert" in asked.path else confirm(asked)
    outcomes = a_crm(portal).apply([task(f"s{n}") for n in range(150)])
    assert kinds(outcomes) == ["Unknown"] * 100 + ["Refused"] * 50
    assert sum("/upsert" in path for path in portal.paths()) == 1


class TestWithoutUniqueKeys:
    """A portal whose key property is not unique: the tasks on the deal are read first, and links travel inline."""

    @pytest.fixture
    def crm(self, portal: Portal) -> Any:
        key = {"name": "handoff_key", "label": "Key", "type": "string", "hasUniqueValue": False}

        def answer(asked: Asked) -> Reply:
            if asked.path.startswith("/crm/properties"):
                return Reply({"results": [key]})
            if asked.path.endswith("/deals/tasks/batch/read"):
                return Reply({"results": [{"from": {"id": "31"}, "to": [{"toObjectId": 91, "associationTypes": []}]}]})
            if asked.path.endswith("/tasks/batch/read"):
                return Reply({"results": [{"id": "91", "properties": {"handoff_key": "hs:31:1:there"}}]})
            reading = asked.method == "GET" or asked.path.endswith("/batch/read")
            return Reply({"results": []}) if reading else made(asked)

        def made(asked: Asked) -> Reply:
            results = [
                {"id": row.get("id", "99"), "properties": row["properties"], "updatedAt": "2026-11-20T09:30:00.123Z"}
                for row in asked.body["inputs"]
            ]
            return Reply({"results": results}, status=201)

        portal.otherwise = answer
        crm = a_crm(portal)
        self.problems = crm.connect()
        portal.asked.clear()
        return crm

    def test_the_missing_promise_is_told(self, crm: Any) -> None:
        about_keys = [problem.key for problem in self.problems if problem.key == "handoff_key"]
        assert about_keys == ["handoff_key"] * 3
        assert crm.capabilities.native_upsert == frozenset()

    def test_a_key_on_the_deal_is_updated_and_another_is_made_with_its_links(self, crm: Any, portal: Portal) -> None:
        outcomes = crm.apply([task("there"), task("new")])
        assert outcomes == (Applied("91", WRITTEN_AT), Applied("99", WRITTEN_AT))
        created = next(asked for asked in portal.asked if asked.path.endswith("/tasks/batch/create"))
        links = created.body["inputs"][0]["associations"]
        types = [(link["to"]["id"], link["types"][0]["associationTypeId"]) for link in links]
        assert types == [("31", 216), ("21", 192)]
        assert len(created.body["inputs"]) == 1

    @pytest.mark.parametrize(
        ("kind", "plural", "to_deal", "to_company"),
        [(Kind.NOTE, "notes", 214, 190), (Kind.MEETING, "meetings", 212, 188)],
    )
    def test_notes_and_meetings_are_made_alike_and_never_searched_for(
        self, crm: Any, portal: Portal, kind: Kind, plural: str, to_deal: int, to_company: int
    ) -> None:
        write = Write(kind, Operation.UPSERT, {"body": "x"}, key="hs:31:1:new", parents=(DEAL, ACCOUNT))
        assert crm.apply([write]) == (Applied("99", WRITTEN_AT),)
        paths = [path.removeprefix("/crm/") for path in portal.paths()]
        assert f"associations/2026-09/deals/{plural}/batch/read" in paths
        assert not any("search" in path or "upsert" in path for path in paths)
        created = next(asked for asked in portal.asked if asked.path.endswith(f"/{plural}/batch/create"))
        (row,) = created.body["inputs"]
        types = [(link["to"]["id"], link["types"][0]["associationTypeId"]) for link in row["associations"]]
        assert types == [("31", to_deal), ("21", to_company)]
        assert row["objectWriteTraceId"]

    def test_keys_are_found_through_the_deal(self, crm: Any) -> None:
        assert crm.find(Kind.TASK, {"hs:31:1:there": "31", "hs:31:1:new": "31"}) == {"hs:31:1:there": "91"}


def test_no_request_carries_anything_but_text_values(portal: Portal) -> None:
    crm = a_crm(portal)
    crm.apply([patch("1", percent=Decimal("12.50"), started_at=WRITTEN_AT, go_live_date=date(2027, 1, 5), csm="7")])
    properties = portal.asked[0].body["inputs"][0]["properties"]
    assert all(isinstance(value, str) for value in properties.values()), json.dumps(properties)
    assert properties["handoff_started_at"] == "2026-11-20T09:30:00.123Z"
    assert properties["handoff_go_live_date"] == "2027-01-05"
