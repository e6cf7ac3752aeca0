"""Properties and groups: creating, replacing options, archiving, and what survives a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connector.sandbox.hubspot import catalog, schema
from connector.sandbox.hubspot.kinds import kind_of
from connector.sandbox.state import SandboxClock

DEALS = "/crm/properties/2026-09/deals"
SIZE = {"name": "size", "label": "Size", "type": "enumeration", "fieldType": "select", "groupName": "handoff"}


def _option(value: str) -> dict[str, Any]:
    return {"label": value.upper(), "value": value, "displayOrder": 0, "hidden": False}


def test_options_are_kept_unless_sent_and_then_replaced(portal: Any) -> None:
    reply = portal.ask("POST", DEALS, {**SIZE, "options": [_option("s"), _option("m")]})
    assert (reply.status_code, reply.headers["Location"]) == (201, f"{DEALS}/size")
    portal.ok("PATCH", f"{DEALS}/size", {"label": "How big"})
    kept = portal.ok("GET", f"{DEALS}/size")
    assert (kept["label"], [o["value"] for o in kept["options"]]) == ("How big", ["s", "m"])
    portal.ok("PATCH", f"{DEALS}/size", {"options": [_option("l")]})
    assert [o["value"] for o in portal.ok("GET", f"{DEALS}/size")["options"]] == ["l"]
    deal = portal.deal()
    path = f"/crm/objects/2026-09/deals/{deal.id}"
    assert portal.ask("PATCH", path, {"properties": {"size": "s"}}).status_code == 400
    portal.ok("PATCH", path, {"properties": {"size": "l"}})


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Size"},
        {"name": "1size"},
        {"name": ""},
        {"label": ""},
        {"type": "boolean"},
        {"fieldType": "textarea"},
        {"groupName": "nowhere"},
        {"externalOptions": True},
        {"options": [{"value": "s"}]},
        {"options": [_option("s"), _option("s")]},
    ],
)
def test_a_definition_that_does_not_fit_is_refused(portal: Any, change: dict[str, Any]) -> None:
    assert portal.ask("POST", DEALS, {**SIZE, **change}).status_code == 400
    assert not portal.table("properties").rows


def test_an_existing_name_is_a_conflict_and_a_missing_one_a_404(portal: Any) -> None:
    reply = portal.ask("POST", DEALS, {**SIZE, "name": "handoff_gate"})
    assert (reply.status_code, reply.json()["category"]) == (409, "OBJECT_ALREADY_EXISTS")
    assert reply.json()["subCategory"] == "Properties.PROPERTY_WITH_NAME_EXISTS"
    assert portal.ask("GET", f"{DEALS}/nope").status_code == 404
    assert portal.ask("PATCH", f"{DEALS}/nope", {"label": "x"}).status_code == 404


def test_uniqueness_is_for_life_and_for_ten(portal: Any) -> None:
    text = {"label": "Key", "type": "string", "fieldType": "text", "groupName": "handoff", "hasUniqueValue": True}
    for n in range(10):
        portal.ok("POST", DEALS, {**text, "name": f"key_{n}"})
    assert portal.ask("POST", DEALS, {**text, "name": "key_10"}).status_code == 400
    assert portal.ask("PATCH", f"{DEALS}/key_1", {"hasUniqueValue": False}).status_code == 400


def test_an_owner_picker_takes_owner_ids(portal: Any) -> None:
    body = {**SIZE, "name": "helper", "externalOptions": True, "referencedObjectType": "OWNER"}
    portal.ok("POST", DEALS, body)
    path = f"/crm/objects/2026-09/deals/{portal.deal().id}"
    portal.ok("PATCH", path, {"properties": {"helper": portal.owner.id}})
    assert portal.ask("PATCH", path, {"properties": {"helper": "9001"}}).status_code == 400


def test_archived_and_brought_back(portal: Any) -> None:
    portal.ok("POST", DEALS, {**SIZE, "options": [_option("s")]})
    assert portal.ask("DELETE", f"{DEALS}/size").status_code == 204
    assert portal.ask("GET", f"{DEALS}/size").status_code == 404
    assert portal.ok("GET", f"{DEALS}/size?archived=true")["archived"]
    portal.ok("POST", DEALS, {**SIZE, "label": "Again", "options": []})
    assert portal.ok("GET", f"{DEALS}/size")["label"] == "Again"
    assert portal.ask("DELETE", f"{DEALS}/dealname").status_code == 400


def test_a_group_with_properties_stays(portal: Any) -> None:
    portal.ok("POST", f"{DEALS}/groups", {"name": "extra", "label": "Extra"})
    portal.ok("POST", DEALS, {**SIZE, "groupName": "extra"})
    reply = portal.ask("DELETE", f"{DEALS}/groups/extra")
    assert (reply.status_code, reply.json()["subCategory"]) == (400, "GROUP_WITH_ACTIVE_PROPERTIES")
    portal.ok("DELETE", f"{DEALS}/size")
    portal.ok("DELETE", f"{DEALS}/groups/extra")
    assert "extra" not in [g["name"] for g in portal.ok("GET", f"{DEALS}/groups")["results"]]


def test_the_agreed_properties_are_there(portal: Any) -> None:
    names = {p["name"]: p for p in portal.ok("GET", DEALS)["results"]}
    assert names["handoff_csm"]["referencedObjectType"] == "OWNER"
    assert [o["value"] for o in names["handoff_gate"]["options"]] == [
        "Held",
        "Released",
        "Overridden",
        "Warned",
        "Not checked",
    ]
    tasks = {p["name"]: p for p in portal.ok("GET", "/crm/properties/2026-09/tasks")["results"]}
    assert tasks["handoff_key"]["hasUniqueValue"]


def test_properties_links_and_uniqueness_survive_a_restart(portal: Any, tmp_path: Path) -> None:
    key = {**SIZE, "name": "crm_key", "type": "string", "fieldType": "text", "hasUniqueValue": True}
    portal.ok("POST", DEALS, key)
    deal, company = portal.deal(crm_key="K"), portal.company()
    portal.ok("PUT", f"/crm/objects/2026-09/deals/{deal.id}/associations/default/companies/{company.id}")
    portal.world.save(tmp_path)
    again = schema.create_world(SandboxClock())
    assert again.attach(tmp_path)
    schema.furnish(again)
    deals = kind_of("deals")
    assert catalog.properties(again, deals)["crm_key"] == catalog.properties(portal.world, deals)["crm_key"]
    assert again.table("deals").find_unique("crm_key", "k").id == deal.id
    assert list(again.table("associations").where("a", [f"companies:{company.id}"]))
    again.detach()


def test_a_key_on_tasks_may_be_refused(portal: Any) -> None:
    key = {"name": "my_key", "label": "Key", "type": "string", "fieldType": "text", "hasUniqueValue": True}
    tasks = "/crm/properties/2026-09/tasks"
    portal.world.settings["unique_activities"] = False
    assert portal.ask("POST", tasks, {**key, "groupName": "task_information"}).status_code == 400
    assert portal.ask("GET", f"{tasks}/my_key").status_code == 404
    portal.ok("POST", DEALS, {**key, "groupName": "handoff"})
    portal.world.settings["unique_activities"] = True
    assert portal.ok("POST", tasks, {**key, "groupName": "task_information"})["hasUniqueValue"]


def test_a_property_that_a_calculation_uses_stays(portal: Any) -> None:
    base = {"label": "Base", "type": "number", "fieldType": "number", "groupName": "handoff", "name": "base"}
    portal.ok("POST", DEALS, base)
    double = {**base, "name": "twice", "fieldType": "calculation_equation"}
    assert portal.ask("POST", DEALS, double).status_code == 400
    portal.ok("POST", DEALS, {**double, "calculationFormula": "base * 2"})
    reply = portal.ask("DELETE", f"{DEALS}/base")
    assert reply.json()["subCategory"] == "PropertyValidationError.CANNOT_DELETE_PROPERTY_IN_USE"
    assert portal.ok("GET", f"{DEALS}/base")["archived"] is False
    deal = portal.ask("PATCH", f"/crm/objects/2026-09/deals/{portal.deal().id}", {"properties": {"twice": "1"}})
    assert deal.status_code == 400
    portal.ok("DELETE", f"{DEALS}/twice")
    portal.ok("DELETE", f"{DEALS}/base")


def test_owner_pickers_may_run_out(portal: Any) -> None:
    picker = {**SIZE, "externalOptions": True, "referencedObjectType": "OWNER"}
    here = sum(bool(p["externalOptions"]) and not p["hubspotDefined"] for p in portal.ok("GET", DEALS)["results"])
    portal.world.settings["owner_properties_per_type"] = here + 1
    portal.ok("POST", DEALS, {**picker, "name": "helper"})
    assert portal.ask("POST", DEALS, {**picker, "name": "helper_2"}).status_code == 400
