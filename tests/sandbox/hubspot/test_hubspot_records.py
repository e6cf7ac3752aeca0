"""Records: what a write must satisfy, what follows from it, and what history tells."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from connector.sandbox.hubspot.schema import APP_ID

DEALS = "/crm/objects/2026-09/deals"
TASKS = "/crm/objects/2026-09/tasks"


def _codes(reply: Any) -> list[str]:
    assert reply.status_code == 400, reply.text
    body = reply.json()
    assert body["category"] == "VALIDATION_ERROR"
    assert body["correlationId"]
    return [e["code"] for e in body["errors"]]


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("nope", "x", "PROPERTY_DOESNT_EXIST"),
        ("handoff_status", "6 Party", "INVALID_OPTION"),
        ("handoff_override", "maybe", "INVALID_OPTION"),
        ("handoff_go_live_date", "soon", "INVALID_DATE"),
        ("handoff_go_live_date", "2026-12-01T10:00:00Z", "INVALID_DATE"),
        ("closedate", "13/01/2026", "INVALID_DATE"),
        ("amount", "a lot", "INVALID_NUMBER"),
        ("hs_is_closed_won", "true", "READ_ONLY_VALUE"),
        ("hs_lastmodifieddate", "2026-01-01", "READ_ONLY_VALUE"),
        ("handoff_summary", "x" * 65_537, "VALUE_TOO_LONG"),
        ("dealname", ["a"], "INVALID_VALUE"),
        ("dealname", None, "INVALID_VALUE"),
        ("dealstage", "880100103", "INVALID_OPTION"),
        ("dealstage", "nowhere", "INVALID_OPTION"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_and_nothing_written(
    portal: Any, name: str, value: Any, code: str
) -> None:
    deal = portal.deal()
    before = dict(deal.values)
    assert _codes(portal.ask("PATCH", f"{DEALS}/{deal.id}", {"properties": {name: value}})) == [code]
    assert portal.table("deals").get(deal.id).values == before


def test_every_wrong_property_is_named_at_once(portal: Any) -> None:
    reply = portal.ask("POST", DEALS, {"properties": {"nope": "1", "amount": "x", "dealname": "fine"}})
    assert _codes(reply) == ["PROPERTY_DOESNT_EXIST", "INVALID_NUMBER"]
    assert [e["context"]["propertyName"] for e in reply.json()["errors"]] == [["nope"], ["amount"]]


def test_an_owner_is_an_active_owner_id(portal: Any) -> None:
    deal = portal.deal()
    for wrong in ("9001", portal.leaver.id, "1"):
        reply = portal.ask("PATCH", f"{DEALS}/{deal.id}", {"properties": {"handoff_csm": wrong}})
        assert _codes(reply) == ["INVALID_OWNER_ID"]
    portal.ok("PATCH", f"{DEALS}/{deal.id}", {"properties": {"handoff_csm": portal.owner.id}})
    assert deal.values["handoff_csm"] == portal.owner.id


def test_values_are_kept_in_one_form_and_cleared_by_an_empty_string(portal: Any) -> None:
    sent = {
        "closedate": "1796083200000",
        "handoff_go_live_date": "1796083200000",
        "amount": 12,
        "handoff_override": True,
    }
    deal = portal.deal()
    portal.ok("PATCH", f"{DEALS}/{deal.id}", {"properties": sent})
    assert {n: deal.values[n] for n in sent} == {
        "closedate": "2026-12-01T00:00:00Z",
        "handoff_go_live_date": "2026-12-01",
        "amount": "12",
        "handoff_override": "true",
    }
    portal.ok("PATCH", f"{DEALS}/{deal.id}", {"properties": {"amount": ""}})
    shown = portal.ok("GET", f"{DEALS}/{deal.id}?properties=amount")
    assert shown["properties"]["amount"] is None


def test_winning_a_deal_derives_what_the_portal_knows_of_it(portal: Any) -> None:
    deal = portal.deal(pipeline="default")
    portal.world.clock.advance(60)
    portal.ok("PATCH", f"{DEALS}/{deal.id}", {"properties": {"dealstage": "closedwon"}})
    won_at = "2026-11-02T08:01:00Z"
    portal.world.clock.advance(60)
    portal.ok("PATCH", f"{DEALS}/{deal.id}", {"properties": {"dealname": "Renamed"}})
    asked = (
        "hs_is_closed_won,hs_is_closed,hs_closed_won_date,hs_v2_date_entered_closedwon,"
        "hs_v2_date_exited_contractsent,hs_deal_stage_probability"
    )
    shown = portal.ok("GET", f"{DEALS}/{deal.id}?properties={asked}")["properties"]
    assert (shown["hs_is_closed_won"], shown["hs_is_closed"], shown["hs_deal_stage_probability"]) == (
        "true",
        "true",
        "1.0",
    )
    assert shown["hs_closed_won_date"] == shown["hs_v2_date_entered_closedwon"] == won_at
    assert shown["hs_v2_date_exited_contractsent"] == won_at
    assert shown["hs_lastmodifieddate"] == "2026-11-02T08:02:00Z"
    portal.ok("PATCH", f"{DEALS}/{deal.id}", {"properties": {"dealstage": "contractsent"}})
    reopened = portal.ok("GET", f"{DEALS}/{deal.id}?properties={asked}")["properties"]
    assert (reopened["hs_is_closed_won"], reopened["hs_closed_won_date"]) == ("false", None)
    assert reopened["hs_v2_date_entered_closedwon"] == won_at


def test_a_stage_of_another_pipeline_needs_its_pipeline(portal: Any) -> None:
    both = {"pipeline": "8801001", "dealstage": "880100103"}
    made = portal.ok("POST", DEALS, {"properties": {"dealname": "Renewal", **both}})
    asked = portal.ok("GET", f"{DEALS}/{made['id']}?properties=hs_is_closed_won")
    assert asked["properties"]["hs_is_closed_won"] == "true"


def test_history_says_who_wrote(portal: Any) -> None:
    deal = portal.deal()
    portal.table("deals").update(deal.id, {"dealstage": "closedwon"}, by=portal.owner.id)
    portal.ok("PATCH", f"{DEALS}/{deal.id}", {"properties": {"dealstage": "contractsent"}})
    shown = portal.ok("GET", f"{DEALS}/{deal.id}?propertiesWithHistory=dealstage")
    latest, middle, first = shown["propertiesWithHistory"]["dealstage"]
    assert (latest["value"], latest["sourceType"], latest["sourceId"]) == ("contractsent", "INTEGRATION", str(APP_ID))
    assert (middle["sourceType"], middle["sourceId"], middle["updatedByUserId"]) == ("CRM_UI", "userId:9001", 9001)
    assert first["sourceType"] == "IMPORT"


def test_an_engagement_needs_its_timestamp(portal: Any) -> None:
    reply = portal.ask("POST", TASKS, {"properties": {"hs_task_subject": "Call"}})
    assert _codes(reply) == ["MISSING_REQUIRED_PROPERTY"]
    assert reply.json()["context"] == {"properties": ["hs_timestamp"]}


def test_a_unique_value_finds_its_record_and_refuses_a_second(portal: Any) -> None:
    body = {"properties": {"handoff_key": "K-1", "hs_timestamp": "2026-12-01"}}
    made = portal.ok("POST", TASKS, body)
    assert portal.ok("GET", f"{TASKS}/k-1?idProperty=handoff_key")["id"] == made["id"]
    changes = {"properties": {"hs_task_status": "COMPLETED"}}
    portal.ok("PATCH", f"{TASKS}/K-1?idProperty=handoff_key", changes)
    assert portal.table("tasks").get(made["id"]).values["hs_task_status"] == "COMPLETED"
    assert _codes(portal.ask("POST", TASKS, body)) == ["CONFLICTING_UNIQUE_VALUE"]
    assert len(portal.table("tasks").rows) == 1
    reply = portal.ask("GET", f"{TASKS}/x?idProperty=hs_task_subject")
    assert reply.status_code == 400


def test_a_known_email_is_a_conflict(portal: Any) -> None:
    body = {"properties": {"email": "ann@buyer.example"}}
    made = portal.ok("POST", "/crm/v3/objects/contacts", body)
    reply = portal.ask("POST", "/crm/v3/objects/contacts", body)
    assert (reply.status_code, reply.json()["category"]) == (409, "CONFLICT")
    assert reply.json()["message"] == f"Contact already exists. Existing ID: {made['id']}"


def test_an_archived_record_is_gone_but_readable(portal: Any) -> None:
    deal, task = portal.deal(), portal.task()
    portal.ok("PUT", f"{TASKS}/{task.id}/associations/default/deals/{deal.id}")
    assert portal.ask("DELETE", f"{DEALS}/{deal.id}").status_code == 204
    assert portal.ask("DELETE", f"{DEALS}/{deal.id}").status_code == 204
    assert portal.ask("GET", f"{DEALS}/{deal.id}").json()["category"] == "OBJECT_NOT_FOUND"
    assert portal.ok("GET", f"{DEALS}/{deal.id}?archived=true")["archivedAt"]
    assert [r["id"] for r in portal.ok("GET", f"{DEALS}?archived=true")["results"]] == [deal.id]
    assert portal.ok("GET", DEALS)["results"] == []
    assert not list(portal.table("associations").live())


def test_a_list_pages_by_id_and_repeats_the_query_in_its_link(portal: Any) -> None:
    ids = [portal.deal().id for _ in range(5)]
    page, seen = portal.ok("GET", f"{DEALS}?limit=2&properties=dealname"), []
    while True:
        seen += [r["id"] for r in page["results"]]
        if "paging" not in page:
            break
        link = page["paging"]["next"]["link"]
        assert "properties=dealname" in link
        page = portal.ok("GET", link.removeprefix("https://api.hubapi.com"))
    assert seen == ids
    assert portal.ask("GET", f"{DEALS}?limit=101").status_code == 400
    assert portal.ask("GET", f"{DEALS}?limit=51&propertiesWithHistory=dealstage").status_code == 400


@pytest.mark.parametrize("name", ["deal", "deals", "0-3", "Deals"])
def test_one_object_has_several_names(portal: Any, name: str) -> None:
    deal = portal.deal()
    assert portal.ok("GET", f"/crm/v3/objects/{name}/{deal.id}")["id"] == deal.id


def test_a_record_is_created_with_its_associations(portal: Any) -> None:
    deal = portal.deal()
    to_deal = {
        "to": {"id": deal.id},
        "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 214}],
    }
    body = {"properties": {"hs_timestamp": "2026-12-01", "hs_note_body": "Hello"}, "associations": [to_deal]}
    note = portal.ok("POST", "/crm/objects/2026-09/notes", body)
    shown = portal.ok("GET", f"{DEALS}/{deal.id}?associations=notes")
    assert shown["associations"]["notes"]["results"] == [{"id": note["id"], "type": "deal_to_note"}]
    wrong = {**to_deal, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 216}]}
    assert portal.ask("POST", "/crm/objects/2026-09/notes", {**body, "associations": [wrong]}).status_code == 400


def test_a_finished_task_knows_when(portal: Any) -> None:
    task = portal.task(hs_task_status="NOT_STARTED")
    portal.world.clock.advance(3600)
    portal.ok("PATCH", f"{TASKS}/{task.id}", {"properties": {"hs_task_status": "COMPLETED"}})
    shown = portal.ok("GET", f"{TASKS}/{task.id}?properties=hs_task_completion_date")
    done = datetime.fromisoformat(shown["properties"]["hs_task_completion_date"])
    assert done == portal.world.clock.now()
