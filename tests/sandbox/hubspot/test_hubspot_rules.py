"""What admins require of a record: from 2026-09 on, whoever writes, row by row; and what slips past it."""

from __future__ import annotations

from typing import Any

import pytest

DEALS = "/crm/objects/2026-09/deals"
WIN = {"dealstage": "closedwon"}
RULE = {"object": "deals", "property": "handoff_champion", "controlling": "dealstage", "values": ["closedwon"]}


@pytest.fixture
def ruled(portal: Any) -> Any:
    portal.world.settings["conditional_rules"] = [RULE]
    return portal


def _codes(reply: Any) -> list[tuple[str, list[str]]]:
    return [(e["code"], e["context"]["propertyName"]) for e in reply.json()["errors"]]


def test_a_conditional_property_must_be_filled(ruled: Any) -> None:
    deal = ruled.deal()
    reply = ruled.ask("PATCH", f"{DEALS}/{deal.id}", {"properties": WIN})
    assert (reply.status_code, reply.json()["category"]) == (400, "VALIDATION_ERROR")
    assert _codes(reply) == [("MISSING_CONDITIONAL_REQUIRED_PROPERTY", ["handoff_champion"])]
    assert reply.json()["errors"][0]["message"].endswith("because of a conditional property rule based on [dealstage]")
    assert deal.values["dealstage"] == "contractsent"
    ruled.ok("PATCH", f"{DEALS}/{deal.id}", {"properties": {**WIN, "handoff_champion": "Ana"}})


@pytest.mark.parametrize("path", ["/crm/v3/objects/deals", "/crm/objects/2026-03/deals"])
def test_older_versions_pass(ruled: Any, path: str) -> None:
    deal = ruled.deal()
    ruled.ok("PATCH", f"{path}/{deal.id}", {"properties": WIN})
    assert deal.values["dealstage"] == "closedwon"


@pytest.mark.parametrize(("tier", "status"), [("free", 200), ("starter", 200), ("pro", 400), ("enterprise", 400)])
def test_the_rules_come_with_the_tier(ruled: Any, tier: str, status: int) -> None:
    ruled.world.settings["tier"] = tier
    assert ruled.ask("PATCH", f"{DEALS}/{ruled.deal().id}", {"properties": WIN}).status_code == status


@pytest.mark.parametrize(("stored", "status"), [(True, 200), (False, 400)])
def test_a_stored_value_may_or_may_not_do(ruled: Any, stored: bool, status: int) -> None:
    ruled.world.settings["stored_value_satisfies"] = stored
    deal = ruled.deal(handoff_champion="Ana")
    assert ruled.ask("PATCH", f"{DEALS}/{deal.id}", {"properties": WIN}).status_code == status
    clearing = {**WIN, "handoff_champion": ""}
    assert ruled.ask("PATCH", f"{DEALS}/{deal.id}", {"properties": clearing}).status_code == 400


@pytest.mark.parametrize(("always", "status"), [(False, 200), (True, 400)])
def test_a_won_deal_may_or_may_not_be_judged_at_other_changes(ruled: Any, always: bool, status: int) -> None:
    ruled.world.settings["rules_on_every_write"] = always
    deal = ruled.deal(**WIN)
    assert ruled.ask("PATCH", f"{DEALS}/{deal.id}", {"properties": {"amount": "1"}}).status_code == status
    ruled.ok("PATCH", f"{DEALS}/{deal.id}", {"properties": {"dealstage": "contractsent"}})
    ruled.ok("PATCH", f"{DEALS}/{deal.id}", {"properties": {"amount": "2"}})


def test_in_a_batch_each_row_is_judged(ruled: Any) -> None:
    good, bad = ruled.deal(handoff_champion="Ana"), ruled.deal()
    inputs = [{"id": row.id, "properties": WIN, "objectWriteTraceId": row.id} for row in (good, bad)]
    found = ruled.ok("POST", f"{DEALS}/batch/update", {"inputs": inputs})
    assert ([r["id"] for r in found["results"]], found["numErrors"]) == ([good.id], 1)
    assert found["errors"][0]["context"]["objectWriteTraceId"] == [bad.id]
    assert found["errors"][0]["errors"][0]["code"] == "MISSING_CONDITIONAL_REQUIRED_PROPERTY"
    assert (good.values["dealstage"], bad.values["dealstage"]) == ("closedwon", "contractsent")


def test_a_create_form_is_asked_of_new_records_only(portal: Any) -> None:
    portal.world.settings["create_form"] = {"deals": ["amount"]}
    reply = portal.ask("POST", DEALS, {"properties": {"dealname": "x"}})
    assert _codes(reply) == [("MISSING_REQUIRED_PROPERTY", ["amount"])]
    portal.ok("POST", "/crm/v3/objects/deals", {"properties": {"dealname": "x"}})
    portal.ok("POST", DEALS, {"properties": {"dealname": "x", "amount": "5"}})
    portal.ok("PATCH", f"{DEALS}/{portal.deal().id}", {"properties": {"dealname": "y"}})


def test_people_at_the_screen_and_workflows_are_not_asked(ruled: Any) -> None:
    deal = ruled.deal()
    ruled.world.settings["workflows"] = [
        {"name": "Win it", "when": {"property": "amount", "to": "1"}, "set": {"dealstage": "closedwon"}}
    ]
    ruled.ok("PATCH", f"{DEALS}/{deal.id}", {"properties": {"amount": "1"}})
    assert deal.values["dealstage"] == "closedwon"
