"""What the org refuses to save, in the vendor's codes, and what it derives when it saves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceError, SalesforceMalformedRequest, SalesforceResourceNotFound

from connector.sandbox.state import World

GOOD = {"Name": "n", "StageName": "Prospecting", "CloseDate": "2026-12-01"}


def user(org: World, email: str) -> str:
    found = next(org.table("User").where("Email", [email]))
    return found.id


@pytest.mark.parametrize(
    ("changes", "code", "fields"),
    [
        ({"StageName": None}, "REQUIRED_FIELD_MISSING", ["StageName"]),
        ({"Name": "  "}, "REQUIRED_FIELD_MISSING", ["Name"]),
        ({"Name": "x" * 121}, "STRING_TOO_LONG", ["Name"]),
        ({"Handoff_Summary__c": "x" * 131_073}, "STRING_TOO_LONG", ["Handoff_Summary__c"]),
        ({"StageName": "Won"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", ["StageName"]),
        ({"Handoff_Gate__c": "held"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", ["Handoff_Gate__c"]),
        ({"AccountId": "001HO0000099999AAA"}, "INVALID_CROSS_REFERENCE_KEY", ["AccountId"]),
        ({"AccountId": "nope"}, "MALFORMED_ID", ["AccountId"]),
        ({"Handoff_CSM__c": "006HO0000000001YAA"}, "FIELD_INTEGRITY_EXCEPTION", ["Handoff_CSM__c"]),
        ({"IsWon": True}, "INVALID_FIELD_FOR_INSERT_UPDATE", ["IsWon"]),
        ({"SystemModstamp": "2026-01-01T00:00:00Z"}, "INVALID_FIELD_FOR_INSERT_UPDATE", ["SystemModstamp"]),
        ({"Handoff_Nope__c": "x"}, "INVALID_FIELD", None),
        ({"CloseDate": "soon"}, "JSON_PARSER_ERROR", None),
        ({"Handoff_Started_At__c": "2026-01-01T00:00:00"}, "JSON_PARSER_ERROR", None),
        ({"Amount": "much"}, "JSON_PARSER_ERROR", None),
        ({"Name": 7}, "JSON_PARSER_ERROR", None),
        ({"Handoff_Override__c": None}, "INVALID_TYPE_ON_FIELD_IN_RECORD", ["Handoff_Override__c"]),
        ({"Handoff_Percent__c": 1_000}, "NUMBER_OUTSIDE_VALID_RANGE", ["Handoff_Percent__c"]),
    ],
)
def test_a_value_that_cannot_be_is_refused_on_create_and_update(
    sf: Salesforce, org: World, deal: str, changes: dict[str, Any], code: str, fields: list[str] | None
) -> None:
    before = dict(org.table("Opportunity").rows[deal].values)
    for write in (lambda: sf.Opportunity.create(GOOD | changes), lambda: sf.Opportunity.update(deal, changes)):
        with pytest.raises(SalesforceMalformedRequest) as caught:
            write()
        assert caught.value.content[0]["errorCode"] == code
        assert caught.value.content[0].get("fields") == fields
    assert org.table("Opportunity").rows[deal].values == before
    assert len(org.table("Opportunity").rows) == 1


def test_everything_required_is_named_at_once(sf: Salesforce) -> None:
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.Opportunity.create({"Amount": 1})
    assert caught.value.content[0]["fields"] == ["Name", "StageName", "CloseDate"]


def test_an_inactive_owner_is_refused_but_may_stand_in_a_lookup(sf: Salesforce, org: World, deal: str) -> None:
    left = user(org, "lena.frost@seller.example")
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.Task.create({"Subject": "x", "OwnerId": left})
    assert caught.value.content[0]["errorCode"] == "INACTIVE_OWNER_OR_USER"
    assert sf.Opportunity.update(deal, {"Handoff_CSM__c": left}) == 204


def test_a_record_whose_owner_left_can_still_be_changed(sf: Salesforce, org: World, deal: str) -> None:
    left = user(org, "lena.frost@seller.example")
    org.table("Opportunity").update(deal, {"OwnerId": left}, by="setup")
    assert sf.Opportunity.update(deal, {"NextStep": "x", "OwnerId": left}) == 204


def test_a_duplicate_key_names_the_record_that_has_it(sf: Salesforce, deal: str) -> None:
    first = sf.Task.create({"Handoff_Key__c": "k", "WhatId": deal})["id"]
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.Task.create({"Handoff_Key__c": "K"})
    error = caught.value.content[0]
    assert error["errorCode"] == "DUPLICATE_VALUE"
    assert first in error["message"]


def test_unknown_records_and_types_are_not_found(sf: Salesforce, deal: str) -> None:
    for read in (
        lambda: sf.Opportunity.get("006HO0000099999AAA"),
        lambda: sf.Task.get(deal),
        lambda: sf.Nothing.get(deal),
        lambda: sf.Task.get_by_custom_id("Handoff_Key__c", "none"),
        lambda: sf.restful("nowhere"),
    ):
        with pytest.raises(SalesforceResourceNotFound) as caught:
            read()
        assert caught.value.content[0]["errorCode"] == "NOT_FOUND"


def test_an_upsert_may_not_repeat_its_key_in_the_body(sf: Salesforce) -> None:
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.Task.upsert("Handoff_Key__c/k", {"Handoff_Key__c": "k"})
    assert caught.value.content[0]["errorCode"] == "INVALID_FIELD"


def test_a_body_that_is_no_json_is_refused(sf: Salesforce) -> None:
    for body in ("{", "[]", ""):
        with pytest.raises(SalesforceMalformedRequest) as caught:
            sf.restful("sobjects/Account", method="POST", data=body)
        assert caught.value.content[0]["errorCode"] == "JSON_PARSER_ERROR"


def test_a_wrong_method_is_told_which_would_do(sf: Salesforce) -> None:
    with pytest.raises(SalesforceError) as caught:
        sf.restful("limits", method="DELETE")
    assert (caught.value.status, caught.value.content[0]["errorCode"]) == (405, "METHOD_NOT_ALLOWED")


def test_what_stagename_decides(sf: Salesforce, org: World, deal: str) -> None:
    org.clock.freeze(datetime(2026, 3, 1, 9, tzinfo=UTC))
    sf.Opportunity.update(deal, {"StageName": "Closed Won"})
    won = sf.Opportunity.get(deal)
    assert (won["IsWon"], won["IsClosed"], won["Probability"]) == (True, True, 100.0)
    assert won["LastStageChangeDate"] == won["SystemModstamp"] == "2026-03-01T09:00:00.000+0000"
    org.clock.advance(60)
    sf.Opportunity.update(deal, {"NextStep": "x"})
    assert sf.Opportunity.get(deal)["LastStageChangeDate"] == "2026-03-01T09:00:00.000+0000"
    sf.Opportunity.update(deal, {"StageName": "Prospecting"})
    back = sf.Opportunity.get(deal)
    assert (back["IsWon"], back["IsClosed"], back["Probability"]) == (False, False, 10.0)
    history = sf.query(f"SELECT StageName FROM OpportunityHistory WHERE OpportunityId = '{deal}' ORDER BY Id")
    assert [r["StageName"] for r in history["records"]] == ["Prospecting", "Closed Won", "Prospecting"]


def test_values_come_back_as_the_vendor_keeps_them(sf: Salesforce, deal: str) -> None:
    sf.Opportunity.update(
        deal,
        {
            "Handoff_Started_At__c": "2026-01-02T03:04:05.678+02:00",
            "Handoff_Percent__c": 85,
            "Amount": 12,
            "Handoff_Champion__c": "  Ada  ",
            "NextStep": "",
        },
    )
    found = sf.Opportunity.get(deal)
    assert found["Handoff_Started_At__c"] == "2026-01-02T01:04:05.000+0000"
    assert (found["Handoff_Percent__c"], found["Amount"]) == (85.0, 12.0)
    assert (found["Handoff_Champion__c"], found["NextStep"]) == ("Ada", None)


def test_a_task_finds_its_account_and_closes(sf: Salesforce, org: World, deal: str) -> None:
    made = sf.Task.create({"Subject": "x", "WhatId": deal})["id"]
    account = org.table("Opportunity").rows[deal].values["AccountId"]
    task = sf.Task.get(made)
    assert (task["AccountId"], task["Status"], task["IsClosed"], task["CompletedDateTime"]) == (
        account,
        "Not Started",
        False,
        None,
    )
    sf.Task.update(made, {"Status": "Completed"})
    done = sf.Task.get(made)
    assert done["IsClosed"] is True
    assert done["CompletedDateTime"] is not None


def test_an_event_needs_a_time_and_computes_its_end(sf: Salesforce, deal: str) -> None:
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.Event.create({"Subject": "kick-off", "WhatId": deal})
    assert caught.value.content[0]["fields"] == ["StartDateTime", "DurationInMinutes"]
    made = sf.Event.create({"Subject": "kick-off", "StartDateTime": "2026-01-02T23:30:00Z", "DurationInMinutes": 45})
    event = sf.Event.get(made["id"])
    assert (event["EndDateTime"], event["ActivityDate"]) == ("2026-01-03T00:15:00.000+0000", "2026-01-02")


def test_deleting_a_deal_takes_its_tasks_and_notes_along(sf: Salesforce, org: World, deal: str) -> None:
    sf.Task.create({"Subject": "x", "WhatId": deal})
    sf.Note.create({"ParentId": deal, "Title": "t", "Body": "b"})
    sf.Account.delete(org.table("Opportunity").rows[deal].values["AccountId"])
    assert [len(list(org.table(t).live())) for t in ("Account", "Opportunity", "Task", "Note")] == [0, 0, 0, 0]
    with pytest.raises(SalesforceResourceNotFound) as caught:
        sf.Opportunity.update(deal, {"NextStep": "x"})
    assert caught.value.content[0]["errorCode"] == "ENTITY_IS_DELETED"


def test_every_record_the_seed_writes_could_be_written_by_api(org: World) -> None:
    from connector.sandbox.salesforce import writes
    from connector.sandbox.salesforce.catalog import catalog
    from connector.sandbox.seed import fill

    fill({"sf": org}, 7, 60)
    checked = 0
    for kind in catalog(org).objects():
        writable = {f.name for f in kind.own if not f.read_only}
        for row in org.table(kind.name).live() if kind.writable else ():
            body = {n: v for n, v in row.values.items() if n in writable}
            assert writes.prepare(org, kind, body, creating=True) == body
            checked += 1
    assert checked > 300
