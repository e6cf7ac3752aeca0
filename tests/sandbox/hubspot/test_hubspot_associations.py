"""Associations: ids and labels in both directions, idempotence, and what linking does to a deal."""

from __future__ import annotations

from typing import Any

import pytest

from connector.sandbox.hubspot.kinds import kind_of
from connector.sandbox.hubspot.links import DEFAULTS, OPPOSITE, linked

OBJECTS = "/crm/objects/2026-09"
PAIRS = "/crm/associations/2026-09"


def _types(portal: Any, table: str, record_id: str, to: str) -> dict[str, set[int]]:
    found = portal.ok("GET", f"{OBJECTS}/{table}/{record_id}/associations/{to}")
    return {r["toObjectId"]: {t["typeId"] for t in r["associationTypes"]} for r in found["results"]}


# facts: HubSpot §3c
@pytest.mark.parametrize(
    ("here", "there", "type_id"),
    [
        ("tasks", "contacts", 204),
        ("tasks", "companies", 192),
        ("tasks", "deals", 216),
        ("notes", "contacts", 202),
        ("notes", "companies", 190),
        ("notes", "deals", 214),
        ("meetings", "contacts", 200),
        ("meetings", "companies", 188),
        ("meetings", "deals", 212),
        ("deals", "tasks", 215),
        ("deals", "notes", 213),
        ("deals", "contacts", 3),
        ("deals", "companies", 341),
        ("companies", "deals", 342),
        ("contacts", "deals", 4),
        ("contacts", "companies", 279),
        ("companies", "contacts", 280),
        ("companies", "tasks", 191),
        ("companies", "notes", 189),
        ("deals", "deals", 451),
    ],
)
def test_type_ids(here: str, there: str, type_id: int) -> None:
    assert DEFAULTS[(here, there)] == type_id
    assert OPPOSITE[OPPOSITE[type_id]] == type_id


def test_linking_is_seen_from_both_ends_and_repeating_it_changes_nothing(portal: Any) -> None:
    deal, task = portal.deal(), portal.task()
    path = f"{OBJECTS}/tasks/{task.id}/associations/default/deals/{deal.id}"
    portal.ok("PUT", path)
    assert _types(portal, "tasks", task.id, "deals") == {deal.id: {216}}
    assert _types(portal, "deals", deal.id, "tasks") == {task.id: {215}}
    stamp = deal.modified_at
    portal.world.clock.advance(5)
    portal.ok("PUT", path)
    assert (len(portal.table("associations").rows), deal.modified_at) == (1, stamp)


@pytest.mark.parametrize("table", ["tasks", "notes", "meetings", "calls", "emails"])
def test_activity_moves_the_stamp_of_the_deal(portal: Any, table: str) -> None:
    deal = portal.deal()
    activity = portal.table(table).insert({"hs_timestamp": "2026-12-01T00:00:00Z"}, by="seed")
    portal.world.clock.advance(60)
    portal.ok("PUT", f"{OBJECTS}/{table}/{activity.id}/associations/default/deals/{deal.id}")
    shown = portal.ok("GET", f"{OBJECTS}/deals/{deal.id}?properties=notes_last_updated")
    assert shown["properties"]["hs_lastmodifieddate"] == "2026-11-02T08:01:00Z"
    assert shown["properties"]["notes_last_updated"] == "2026-11-02T08:01:00Z"


def test_linking_a_company_leaves_the_deal_alone(portal: Any) -> None:
    deal, company = portal.deal(), portal.company()
    stamp = deal.modified_at
    portal.world.clock.advance(60)
    portal.ok("PUT", f"{OBJECTS}/deals/{deal.id}/associations/default/companies/{company.id}")
    assert deal.modified_at == stamp


def test_the_first_company_is_primary_until_another_is_named(portal: Any) -> None:
    deal, first, second = portal.deal(), portal.company(), portal.company()
    for company in (first, second):
        portal.ok("PUT", f"{OBJECTS}/deals/{deal.id}/associations/default/companies/{company.id}")
    assert _types(portal, "deals", deal.id, "companies") == {first.id: {341, 5}, second.id: {341}}
    spec = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 5}]
    reply = portal.ask("PUT", f"{OBJECTS}/deals/{deal.id}/associations/companies/{second.id}", spec)
    assert (reply.status_code, reply.json()["labels"]) == (201, ["Primary"])
    assert _types(portal, "deals", deal.id, "companies") == {first.id: {341}, second.id: {341, 5}}
    assert _types(portal, "companies", second.id, "deals") == {deal.id: {342, 6}}


def test_a_type_of_another_pair_is_refused(portal: Any) -> None:
    deal, task = portal.deal(), portal.task()
    for type_id in (215, 214, 999):
        spec = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}]
        reply = portal.ask("PUT", f"{OBJECTS}/tasks/{task.id}/associations/deals/{deal.id}", spec)
        assert reply.status_code == 400
    assert not portal.table("associations").rows


@pytest.mark.parametrize(("version", "status"), [("2026-09", 200), ("2026-03", 207)])
def test_a_batch_links_what_it_can(portal: Any, version: str, status: int) -> None:
    deal, task = portal.deal(), portal.task()
    inputs = [{"from": {"id": i}, "to": {"id": deal.id}} for i in (task.id, "1")]
    path = f"/crm/associations/{version}/tasks/deals/batch/associate/default"
    reply = portal.ask("POST", path, {"inputs": inputs})
    assert (reply.status_code, reply.json()["numErrors"]) == (status, 1)
    assert [i for i, _ in linked(portal.world, kind_of("deals"), deal.id, kind_of("tasks"))] == [task.id]


def test_v4_serves_the_same(portal: Any) -> None:
    deal, task = portal.deal(), portal.task()
    typed = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 216}
    inputs = [{"from": {"id": task.id}, "to": {"id": deal.id}, "types": [typed]}]
    reply = portal.ask("POST", "/crm/v4/associations/0-27/0-3/batch/create", {"inputs": inputs})
    assert reply.status_code == 201
    assert _types(portal, "deals", deal.id, "tasks") == {task.id: {215}}
    assert portal.ask("GET", f"/crm/v4/objects/deals/{deal.id}").status_code == 404


def test_reading_many_at_once(portal: Any) -> None:
    deals = [portal.deal() for _ in range(3)]
    company = portal.company()
    for deal in deals[:2]:
        portal.ok("PUT", f"{OBJECTS}/deals/{deal.id}/associations/default/companies/{company.id}")
    inputs = [{"id": d.id} for d in deals]
    found = portal.ok("POST", f"{PAIRS}/deals/companies/batch/read", {"inputs": inputs})
    assert {r["from"]["id"]: r["to"][0]["toObjectId"] for r in found["results"]} == {
        deals[0].id: company.id,
        deals[1].id: company.id,
    }
    assert found["errors"][0]["context"]["fromObjectId"] == [deals[2].id]
    too_many = {"inputs": [{"id": str(n)} for n in range(1_001)]}
    assert portal.ask("POST", f"{PAIRS}/deals/companies/batch/read", too_many).status_code == 400


def test_a_long_list_is_paged(portal: Any) -> None:
    company = portal.company()
    ids = []
    for _ in range(5):
        deal = portal.deal()
        ids.append(deal.id)
        portal.ok("PUT", f"{OBJECTS}/deals/{deal.id}/associations/default/companies/{company.id}")
    path, seen, after = f"{OBJECTS}/companies/{company.id}/associations/deals?limit=2", [], ""
    while True:
        page = portal.ok("GET", f"{path}&after={after}")
        seen += [r["toObjectId"] for r in page["results"]]
        if "paging" not in page:
            break
        after = page["paging"]["next"]["after"]
    assert seen == ids


def test_removing(portal: Any) -> None:
    deal, company = portal.deal(), portal.company()
    ends = f"{OBJECTS}/deals/{deal.id}/associations"
    portal.ok("PUT", f"{ends}/default/companies/{company.id}")
    primary = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 5}
    pair = {"from": {"id": deal.id}, "to": {"id": company.id}, "types": [primary]}
    portal.ok("POST", f"{PAIRS}/deals/companies/batch/labels/archive", {"inputs": [pair]})
    assert _types(portal, "deals", deal.id, "companies") == {company.id: {341}}
    both = {"inputs": [{"from": {"id": deal.id}, "to": [{"id": company.id}]}]}
    assert portal.ask("POST", f"{PAIRS}/deals/companies/batch/archive", both).status_code == 204
    assert _types(portal, "deals", deal.id, "companies") == {}
    portal.ok("PUT", f"{ends}/default/companies/{company.id}")
    assert _types(portal, "deals", deal.id, "companies") == {company.id: {341, 5}}
    assert portal.ask("DELETE", f"{ends}/companies/{company.id}").status_code == 204
    assert _types(portal, "deals", deal.id, "companies") == {}
