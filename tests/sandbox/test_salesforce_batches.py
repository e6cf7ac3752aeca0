"""Collections and Composite: an outcome per row, in order, and all or nothing when asked."""

from __future__ import annotations

from typing import Any

import pytest
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest

from connector.sandbox.server import Sandbox
from connector.sandbox.state import World


def task(key: str, **values: Any) -> dict[str, Any]:
    return {"attributes": {"type": "Task"}, "Handoff_Key__c": key, "Subject": "s", **values}


def send(sf: Salesforce, method: str, path: str, records: list[dict[str, Any]], **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sf.restful(
        f"composite/sobjects{path}", method=method, json={"records": records, **more}
    )
    return found


def refused(caught: pytest.ExceptionInfo[SalesforceMalformedRequest]) -> str:
    return str(caught.value.content[0]["errorCode"])


def test_upsert_answers_every_row_in_order(sf: Salesforce, org: World, deal: str) -> None:
    path = "/Task/Handoff_Key__c"
    first = send(sf, "PATCH", path, [task("a", WhatId=deal), task("b", Status="Nope"), task("c")])
    assert [r["success"] for r in first] == [True, False, True]
    assert first[0] == {"id": first[0]["id"], "created": True, "success": True, "errors": []}
    assert first[1]["errors"][0]["statusCode"] == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    assert first[1]["errors"][0]["fields"] == ["Status"]
    again = send(sf, "PATCH", path, [task("c", Subject="new"), task("b"), task("a")])
    assert [r["created"] for r in again] == [False, True, False]
    assert again[0]["id"] == first[2]["id"]
    held = {r.values["Handoff_Key__c"]: r.values["Subject"] for r in org.table("Task").live()}
    assert held == {"a": "s", "b": "s", "c": "new"}


def test_a_key_twice_in_one_call_fails_both_rows(sf: Salesforce, org: World) -> None:
    found = send(sf, "PATCH", "/Task/Handoff_Key__c", [task("a"), task("b"), task("a")])
    assert [r["success"] for r in found] == [False, True, False]
    assert found[0]["errors"][0]["statusCode"] == "DUPLICATE_VALUE"
    assert len(list(org.table("Task").live())) == 1


def test_an_upsert_row_without_its_key_fails_alone(sf: Salesforce) -> None:
    record = {"attributes": {"type": "Task"}, "Subject": "s"}
    found = send(sf, "PATCH", "/Task/Handoff_Key__c", [record, task("a")])
    assert [r["success"] for r in found] == [False, True]
    assert found[0]["errors"][0]["statusCode"] == "MISSING_ARGUMENT"


def test_create_update_and_delete_in_mixed_types(sf: Salesforce, org: World, deal: str) -> None:
    note = {"attributes": {"type": "Note"}, "ParentId": deal, "Title": "t", "Body": "b"}
    made = send(sf, "POST", "", [task("a", WhatId=deal), note, {**note, "ParentId": None}])
    assert [r["success"] for r in made] == [True, True, False]
    assert "id" not in made[2]
    ids = [r["id"] for r in made[:2]]
    changed = send(
        sf,
        "PATCH",
        "",
        [
            {"attributes": {"type": "Task"}, "id": ids[0], "Status": "Completed"},
            {"attributes": {"type": "Opportunity"}, "Id": deal, "IsWon": True},
            {"attributes": {"type": "Opportunity"}, "id": "006HO0000099999AAA", "NextStep": "x"},
            {"attributes": {"type": "Opportunity"}, "NextStep": "x"},
        ],
    )
    assert [r["errors"][0]["statusCode"] if r["errors"] else "" for r in changed] == [
        "",
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        "INVALID_CROSS_REFERENCE_KEY",
        "MISSING_ARGUMENT",
    ]
    gone = sf.restful("composite/sobjects", method="DELETE", params={"ids": ",".join([*ids, "00THO0000099999AAA"])})
    assert [r["success"] for r in gone] == [True, True, False]
    again = sf.restful("composite/sobjects", method="DELETE", params={"ids": ids[0]})
    assert again[0]["errors"][0]["statusCode"] == "ENTITY_IS_DELETED"
    assert org.table("Task").get(ids[0]) is None


def test_the_same_id_twice_fails_both_rows(sf: Salesforce, org: World, deal: str) -> None:
    record = {"attributes": {"type": "Opportunity"}, "id": deal, "NextStep": "x"}
    found = send(sf, "PATCH", "", [record, record])
    assert [r["success"] for r in found] == [False, False]
    assert "NextStep" not in org.table("Opportunity").rows[deal].values


def test_all_or_none_takes_everything_back(sf: Salesforce, org: World, deal: str) -> None:
    records = [task("a"), task("b", Status="Nope"), task("c")]
    found = send(sf, "PATCH", "/Task/Handoff_Key__c", records, allOrNone=True)
    assert [r["errors"][0]["statusCode"] for r in found] == [
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    ]
    assert list(org.table("Task").live()) == []


def test_a_wrong_json_type_fails_the_whole_call_before_any_write(sf: Salesforce, org: World) -> None:
    with pytest.raises(SalesforceMalformedRequest) as caught:
        send(sf, "PATCH", "/Task/Handoff_Key__c", [task("a"), task("b", ActivityDate="soon")])
    assert refused(caught) == "JSON_PARSER_ERROR"
    assert list(org.table("Task").live()) == []


def test_200_records_go_and_201_do_not(sf: Salesforce, org: World) -> None:
    found = send(sf, "PATCH", "/Task/Handoff_Key__c", [task(f"k{n}") for n in range(200)])
    assert all(r["success"] for r in found)
    with pytest.raises(SalesforceMalformedRequest) as caught:
        send(sf, "PATCH", "/Task/Handoff_Key__c", [task(f"k{n}") for n in range(201)])
    assert refused(caught) == "EXCEEDED_ID_LIMIT"
    assert len(list(org.table("Task").live())) == 200


def test_ten_chunks_of_types_go_and_eleven_do_not(sf: Salesforce) -> None:
    account = {"attributes": {"type": "Account"}, "Name": "a"}
    mixed = [account if n % 2 else task(f"k{n}") for n in range(11)]
    assert all(r["success"] for r in send(sf, "POST", "", mixed[:10]))
    with pytest.raises(SalesforceMalformedRequest) as caught:
        send(sf, "POST", "", mixed)
    assert refused(caught) == "LIMIT_EXCEEDED"


@pytest.mark.parametrize(
    ("path", "record"),
    [
        ("/Task/Handoff_Key__c", {"attributes": {"type": "Note"}, "Handoff_Key__c": "a"}),
        ("/Task/Handoff_Key__c", {"Handoff_Key__c": "a"}),
        ("/Task/Subject", {"attributes": {"type": "Task"}, "Subject": "a"}),
    ],
)
def test_a_call_that_makes_no_sense_is_refused(sf: Salesforce, path: str, record: dict[str, Any]) -> None:
    with pytest.raises(SalesforceMalformedRequest) as caught:
        send(sf, "PATCH", path, [record])
    assert refused(caught) in {"INVALID_TYPE", "INVALID_FIELD"}


def test_retrieve_keeps_the_order_and_leaves_gaps(sf: Salesforce, org: World, deal: str) -> None:
    other = org.table("Opportunity").insert({"Name": "o"}, by="setup").id
    body = {"ids": [other, "006HO0000099999AAA", deal[:15]], "fields": ["Name", "IsWon"]}
    found = sf.restful("composite/sobjects/opportunity", method="POST", json=body)
    assert [r and r["Name"] for r in found] == ["o", None, "Acme first"]
    assert found[2]["Id"] == deal
    params = {"ids": deal, "fields": "Id,Name"}
    assert sf.restful("composite/sobjects/Opportunity", params=params)[0]["Name"] == "Acme first"
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.restful("composite/sobjects/Opportunity", method="POST", json={"ids": [deal], "fields": ["Nope"]})
    assert refused(caught) == "INVALID_FIELD"


def test_planted_faults_hit_single_rows(running: Sandbox, sf: Salesforce) -> None:
    running.sf.faults.add(system="sf", match="PATCH .*/Task/", kind="partial")
    running.sf.faults.add(system="sf", match="PATCH .*/Task/", kind="row_lock")
    running.sf.faults.add(system="sf", match="PATCH .*/Task/", kind="partial", arg="FIELD_CUSTOM_VALIDATION_EXCEPTION")
    records = [task(k) for k in "abcd"]
    codes = [
        [
            r["errors"][0]["statusCode"] if r["errors"] else ""
            for r in send(sf, "PATCH", "/Task/Handoff_Key__c", records)
        ]
        for _ in range(4)
    ]
    lock, rule = "UNABLE_TO_LOCK_ROW", "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert codes == [[lock, "", lock, ""], [lock, "", "", ""], [rule, "", rule, ""], ["", "", "", ""]]


def part(method: str, path: str, name: str, body: Any = None) -> dict[str, Any]:
    return {"method": method, "url": f"/services/data/v66.0/{path}", "referenceId": name, "body": body}


def composite(sf: Salesforce, *parts: dict[str, Any], all_or_none: bool = False) -> list[dict[str, Any]]:
    body = {"allOrNone": all_or_none, "compositeRequest": list(parts)}
    found: list[dict[str, Any]] = sf.restful("composite", method="POST", json=body)["compositeResponse"]
    return found


def test_composite_passes_results_on(sf: Salesforce, org: World) -> None:
    deal = {"Name": "d", "StageName": "Prospecting", "CloseDate": "2026-01-01", "AccountId": "@{acc.id}"}
    found = composite(
        sf,
        part("POST", "sobjects/Account", "acc", {"Name": "Acme"}),
        part("POST", "sobjects/Opportunity", "deal", deal),
        part("GET", "query?q=SELECT+Id,Account.Name+FROM+Opportunity+WHERE+Id='@{deal.id}'", "read"),
        part("PATCH", "sobjects/Opportunity/@{read.records[0].Id}", "win", {"StageName": "Closed Won"}),
    )
    assert [r["httpStatusCode"] for r in found] == [201, 201, 200, 204]
    assert found[2]["body"]["records"][0]["Account"]["Name"] == "Acme"
    assert [r.values["IsWon"] for r in org.table("Opportunity").live()] == [True]


def test_composite_rolls_back_all_or_keeps_what_worked(sf: Salesforce, org: World) -> None:
    parts = (
        part("POST", "sobjects/Account", "a", {"Name": "one"}),
        part("POST", "sobjects/Account", "b", {"Industry": "none"}),
        part("POST", "sobjects/Contact", "c", {"LastName": "x", "AccountId": "@{b.id}"}),
    )
    found = composite(sf, *parts, all_or_none=True)
    assert [r["httpStatusCode"] for r in found] == [400, 400, 400]
    assert [r["body"][0]["errorCode"] for r in found] == [
        "PROCESSING_HALTED",
        "REQUIRED_FIELD_MISSING",
        "PROCESSING_HALTED",
    ]
    assert list(org.table("Account").live()) == []
    kept = composite(sf, *parts)
    assert [r["httpStatusCode"] for r in kept] == [201, 400, 400]
    assert [r.values["Name"] for r in org.table("Account").live()] == ["one"]


def test_composite_takes_25_and_five_of_them_heavy(sf: Salesforce) -> None:
    def light(count: int) -> list[dict[str, Any]]:
        return [part("GET", "limits", f"r{n}") for n in range(count)]

    def heavy(count: int) -> list[dict[str, Any]]:
        return [part("GET", "query?q=SELECT+Id+FROM+Account", f"q{n}") for n in range(count)]

    assert len(composite(sf, *light(20), *heavy(5))) == 25
    for parts in (light(26), heavy(6), [*light(1), *light(1)]):
        with pytest.raises(SalesforceMalformedRequest) as caught:
            composite(sf, *parts)
        assert refused(caught) in {"LIMIT_EXCEEDED", "INVALID_INPUT"}
