"""Rows to Salesforce and back: what is sent, in which company, and what each row's answer means."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import requests
import responses
from salesforce_wire import DATA, DATE, Rig, a_rig

from connector.crm.salesforce.faults import CODES
from connector.crm.salesforce.keys import KeyMode
from connector.crm.writing import (
    Applied,
    Operation,
    Refused,
    Unknown,
    Write,
)
from connector.errors import Advice, FaultCode
from connector.handoff.model import Kind, Ref

COLLECTIONS = DATA + "composite/sobjects"
TASKS = f"{COLLECTIONS}/Task/Handoff_Key__c"
DEAL, ACCOUNT = "006000000000001AAA", "001000000000001AAA"


@pytest.fixture
def mock() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def echo(mock: responses.RequestsMock, url: str, method: str = responses.PATCH) -> list[list[dict[str, Any]]]:
    """Every row succeeds; the batches sent are kept in the list returned."""
    batches: list[list[dict[str, Any]]] = []

    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        rows = json.loads(str(request.body))["records"]
        batches.append(rows)
        made = [{"id": row.get("id") or f"made-{n}", "success": True, "errors": []} for n, row in enumerate(rows)]
        return 200, {"Date": DATE}, json.dumps(made)

    mock.add_callback(method, url, callback=answer)
    return batches


def a_task(key: str, *, account: str = ACCOUNT, **values: Any) -> Write:
    parents = (Ref(Kind.DEAL, DEAL), Ref(Kind.ACCOUNT, account))
    return Write(Kind.TASK, Operation.UPSERT, values, key=key, parents=parents)


def test_a_tasks_day_is_never_shifted_and_its_reminder_is_set(mock: responses.RequestsMock) -> None:
    batches = echo(mock, TASKS)
    write = a_task("k", subject="S", body="B", due=date(2026, 11, 27), remind_at=datetime(2026, 11, 27, 8, tzinfo=UTC))
    a_rig(mock).crm.apply([write])
    assert batches == [
        [
            {
                "attributes": {"type": "Task"},
                "Subject": "S",
                "Description": "B",
                "ActivityDate": "2026-11-27",
                "ReminderDateTime": "2026-11-27T08:00:00.000+0000",
                "IsReminderSet": True,
                "WhatId": DEAL,
                "Handoff_Key__c": "k",
            }
        ]
    ]


def test_done_is_the_vendors_word_and_a_known_task_travels_by_id(mock: responses.RequestsMock) -> None:
    batches = echo(mock, COLLECTIONS)
    a_rig(mock).crm.apply([Write(Kind.TASK, Operation.UPSERT, {"status": "done"}, record_id="00T1", key="k")])
    assert batches == [[{"attributes": {"type": "Task"}, "Status": "Completed", "id": "00T1"}]]


def test_values_look_as_the_vendor_wants_them(mock: responses.RequestsMock) -> None:
    batches = echo(mock, COLLECTIONS)
    values = {
        "percent": Decimal(40),
        "metric_ttft_hours": Decimal("3.25"),
        "override_requested": None,
        "go_live_date": date(2027, 1, 31),
        "started_at": datetime(2026, 11, 2, 9, 30, 20, 999, tzinfo=UTC),
        "csm": None,
    }
    a_rig(mock).crm.apply([Write(Kind.DEAL, Operation.UPDATE, values, record_id=DEAL)])
    (row,) = batches[0]
    assert row == {
        "attributes": {"type": "Opportunity"},
        "Handoff_Percent__c": 40,
        "Handoff_TTFT_Hours__c": 3.25,
        "Handoff_Override__c": False,
        "Handoff_Go_Live_Date__c": "2027-01-31",
        "Handoff_Started_At__c": "2026-11-02T09:30:20.000+0000",
        "Handoff_CSM__c": None,
        "id": DEAL,
    }


def test_a_note_carries_its_key_in_the_last_line_once(mock: responses.RequestsMock) -> None:
    batches = echo(mock, COLLECTIONS, responses.POST)
    parents = (Ref(Kind.DEAL, DEAL),)
    for body in ("One page.\n", "One page.\n\nHandoff reference: k"):
        write = Write(Kind.NOTE, Operation.UPSERT, {"title": "T", "body": body}, key="k", parents=parents)
        a_rig(mock).crm.apply([write])
    assert {row["Body"] for (row,) in batches} == {"One page.\n\nHandoff reference: k"}
    assert batches[0][0]["ParentId"] == DEAL


def test_two_hundred_rows_a_call_with_accounts_side_by_side(mock: responses.RequestsMock) -> None:
    batches = echo(mock, TASKS)
    writes = [a_task(f"k{n}", account=f"001-{n % 2}", subject=str(n)) for n in range(401)]
    outcomes = a_rig(mock).crm.apply(writes)
    assert [len(batch) for batch in batches] == [200, 200, 1]
    subjects = [int(row["Subject"]) for batch in batches for row in batch]
    assert subjects == [*range(0, 401, 2), *range(1, 401, 2)]
    assert len(outcomes) == 401
    assert all(isinstance(each, Applied) for each in outcomes)


def test_one_record_never_stands_twice_in_one_call(mock: responses.RequestsMock) -> None:
    batches = echo(mock, COLLECTIONS)
    writes = [Write(Kind.ACCOUNT, Operation.UPDATE, {"name": str(n)}, record_id=ACCOUNT) for n in range(3)]
    a_rig(mock).crm.apply(writes)
    assert [[row["Name"] for row in batch] for batch in batches] == [["0"], ["1"], ["2"]]


def refused(mock: responses.RequestsMock, error: dict[str, Any], *, rig: Rig | None = None) -> Refused:
    mock.add(responses.PATCH, TASKS, json=[{"success": False, "errors": [error]}])
    (outcome,) = (rig or a_rig(mock)).crm.apply([a_task("k", subject="S")])
    assert isinstance(outcome, Refused)
    return outcome


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("UNABLE_TO_LOCK_ROW", Advice.RETRY),
        ("INVALID_SESSION_ID", Advice.RETRY),
        ("ENTITY_IS_DELETED", Advice.REREAD),
        ("DUPLICATE_VALUE", Advice.REREAD),
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION", Advice.PARK),
        ("STRING_TOO_LONG", Advice.PARK),
        ("INACTIVE_OWNER_OR_USER", Advice.PARK),
        ("INSUFFICIENT_ACCESS_OR_READONLY", Advice.PARK),
        ("A_CODE_NOBODY_KNOWS", Advice.PARK),
    ],
)
def test_a_rows_code_says_what_to_do_whatever_its_message(
    mock: responses.RequestsMock, code: str, advice: Advice
) -> None:
    outcome = refused(mock, {"statusCode": code, "message": "Session expired, duplicate, locked", "fields": []})
    assert outcome.fault.advice is advice
    assert outcome.fault.vendor_code == code
    assert "locked" in outcome.fault.message


def test_a_duplicate_in_someone_elses_unique_field_is_a_refusal(mock: responses.RequestsMock) -> None:
    outcome = refused(mock, {"statusCode": "DUPLICATE_VALUE", "message": "m", "fields": ["Invoice_No__c"]})
    assert outcome.fault.code is FaultCode.REJECTED
    assert "Invoice_No__c" in outcome.fault.message


def test_one_malformed_row_does_not_take_the_others_with_it(mock: responses.RequestsMock) -> None:
    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        rows = json.loads(str(request.body))["records"]
        if any("colour" in row for row in rows):
            body: Any = [{"message": "No such column 'colour'", "errorCode": "INVALID_FIELD"}]
            return 400, {}, json.dumps(body)
        return 200, {}, json.dumps([{"id": row["id"], "success": True, "errors": []} for row in rows])

    mock.add_callback(responses.PATCH, COLLECTIONS, callback=answer)
    writes = [Write(Kind.DEAL, Operation.UPDATE, {"risks": "r"}, record_id=f"006-{n:03}") for n in range(9)]
    writes[4] = Write(Kind.DEAL, Operation.UPDATE, {"colour": "red"}, record_id="006-004")
    outcomes = a_rig(mock).crm.apply(writes)
    assert [type(each) for each in outcomes] == [Applied] * 4 + [Refused] + [Applied] * 4
    assert isinstance(outcomes[4], Refused)
    assert outcomes[4].fault.vendor_code == "INVALID_FIELD"


def test_a_second_call_that_is_lost_leaves_the_first_ones_rows_done(mock: responses.RequestsMock) -> None:
    row = [{"id": ACCOUNT, "success": True, "errors": []}]
    mock.add(responses.PATCH, COLLECTIONS, json=row)
    mock.add(responses.PATCH, COLLECTIONS, body=requests.ReadTimeout("silence"))
    writes = [Write(Kind.ACCOUNT, Operation.UPDATE, {"name": str(n)}, record_id=ACCOUNT) for n in range(2)]
    outcomes = a_rig(mock).crm.apply(writes)
    assert [type(each) for each in outcomes] == [Applied, Unknown]


def test_a_second_call_that_is_throttled_is_refused_for_its_rows_alone(mock: responses.RequestsMock) -> None:
    mock.add(responses.PATCH, COLLECTIONS, json=[{"id": ACCOUNT, "success": True, "errors": []}])
    busy = [{"message": "busy", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
    mock.add(responses.PATCH, COLLECTIONS, json=busy, status=403)
    writes = [Write(Kind.ACCOUNT, Operation.UPDATE, {"name": str(n)}, record_id=ACCOUNT) for n in range(2)]
    outcomes = a_rig(mock).crm.apply(writes)
    assert isinstance(outcomes[0], Applied)
    assert isinstance(outcomes[1], Refused)
    assert outcomes[1].fault.advice is Advice.RETRY


def test_no_code_stands_for_doubt_because_a_row_always_has_an_answer() -> None:
    assert FaultCode.OUTCOME_UNKNOWN not in CODES.values()


def test_an_amount_that_products_overrule_is_told_though_the_save_succeeded(mock: responses.RequestsMock) -> None:
    other = "006000000000002AAA"
    echo(mock, COLLECTIONS)
    kept = {"records": [{"Id": DEAL, "Amount": 900.0}, {"Id": other, "Amount": 250.5}], "done": True}
    mock.add(responses.GET, DATA + "queryAll/", json=kept)
    writes = [
        Write(Kind.DEAL, Operation.UPDATE, {"amount": Decimal("250.50")}, record_id=each) for each in (DEAL, other)
    ]
    first, second = a_rig(mock).crm.apply(writes)
    assert isinstance(first, Refused)
    assert (first.fault.vendor_code, first.fault.advice) == ("VALUE_NOT_KEPT", Advice.PARK)
    assert "kept 900.0" in first.fault.message
    assert second == Applied(other)


@pytest.mark.parametrize(
    ("code", "fields", "hint"),
    [
        ("INVALID_FIELD_FOR_INSERT_UPDATE", ["Handoff_Risks__c"], "field-level security"),
        ("INVALID_FIELD_FOR_INSERT_UPDATE", ["Name"], "person account"),
        ("INACTIVE_OWNER_OR_USER", ["OwnerId"], "no longer works"),
        ("INVALID_CROSS_REFERENCE_KEY", ["RecordTypeId"], "record type"),
        ("INSUFFICIENT_ACCESS_OR_READONLY", [], "not shared"),
        ("DUPLICATES_DETECTED", [], "duplicate_rules"),
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION", [], "validation rules"),
    ],
)
def test_a_refusal_keeps_the_vendors_words_and_says_what_to_do(
    mock: responses.RequestsMock, code: str, fields: list[str], hint: str
) -> None:
    errors = [{"statusCode": code, "message": "Their words", "fields": fields}]
    mock.add(responses.PATCH, COLLECTIONS, json=[{"success": False, "errors": errors}])
    (outcome,) = a_rig(mock).crm.apply([Write(Kind.DEAL, Operation.UPDATE, {"risks": "x"}, record_id=DEAL)])
    assert isinstance(outcome, Refused)
    assert outcome.fault.message.startswith("Their words")
    assert hint in outcome.fault.message.partition("What to do: ")[2]


@pytest.mark.parametrize(
    ("words", "whole"),
    [
        ("Fill in the date", "Fill in the date. What to do:"),
        ("Fill in the date.", "Fill in the date. What to do:"),
        ("x" * 5000, "x. What to do:"),
    ],
)
def test_what_to_do_follows_words_of_any_length(mock: responses.RequestsMock, words: str, whole: str) -> None:
    outcome = refused(mock, {"statusCode": "STRING_TOO_LONG", "message": words})
    assert whole in outcome.fault.message
    assert outcome.fault.message.endswith("then: handoff retry")


def graph(made: Any, kept: Any = None, *, done: bool = False) -> dict[str, Any]:
    parts = [{"referenceId": "made", "body": made}, {"referenceId": "kept", "body": kept}]
    return {"isSuccessful": done, "graphResponse": {"compositeResponse": parts}}


def failed(code: str) -> dict[str, Any]:
    halted = [{"errorCode": "PROCESSING_HALTED", "message": "halted"}]
    return graph([{"errorCode": code, "message": "Their words"}], halted)


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        (failed("STRING_TOO_LONG"), Advice.PARK),
        (failed("PROCESSING_HALTED"), Advice.RETRY),
        (failed("INVALID_SESSION_ID"), Advice.RETRY),
        ({"isSuccessful": False, "graphResponse": {"compositeResponse": []}}, Advice.RETRY),
        ({"isSuccessful": False, "graphResponse": None}, Advice.RETRY),
        (graph({"success": True}, done=True), Advice.VERIFY),
        (None, Advice.VERIFY),
    ],
)
def test_each_graph_is_judged_by_its_own_answer(
    mock: responses.RequestsMock, answer: dict[str, Any] | None, advice: Advice
) -> None:
    rig = a_rig(mock)
    rig.crm._names.key_mode = KeyMode.LEDGER
    made = graph({"id": "00T000000000001AAA"}, {"id": "a01000000000001AAA"}, done=True)
    told = [{"graphId": str(place), **each} for place, each in enumerate((made, answer)) if each is not None]
    mock.add(responses.POST, DATA + "composite/graph", json={"graphs": told})
    first, second = rig.crm.apply([a_task("k1", subject="S"), a_task("k2", subject="S")])
    assert first == Applied("00T000000000001AAA")
    assert isinstance(second, Refused | Unknown)
    assert second.fault.advice is advice


def test_an_org_without_account_teams_still_has_deal_teams(mock: responses.RequestsMock) -> None:
    refusal = [{"errorCode": "INVALID_TYPE", "message": "sObject type 'AccountTeamMember' is not supported."}]
    mock.add(responses.GET, DATA + "queryAll/", json=refusal, status=400)
    batches = echo(mock, COLLECTIONS, responses.POST)
    parents = (Ref(Kind.DEAL, DEAL), Ref(Kind.ACCOUNT, ACCOUNT))
    writes = [
        Write(Kind.MEMBER, Operation.UPSERT, {"on": on, "person": "005", "role": "CSM"}, key=on, parents=parents)
        for on in ("account", "deal")
    ]
    on_account, on_deal = a_rig(mock).crm.apply(writes)
    assert isinstance(on_account, Refused)
    assert (on_account.fault.vendor_code, on_account.fault.advice) == ("INVALID_TYPE", Advice.PARK)
    assert isinstance(on_deal, Applied)
    assert [[row["attributes"]["type"] for row in batch] for batch in batches] == [["OpportunityTeamMember"]]
