"""Who moved a deal, what workflows do behind everybody's back, and what merging and archiving leave."""

from __future__ import annotations

from typing import Any

import pytest

from connector.sandbox.hubspot.kinds import kind_of
from connector.sandbox.hubspot.merging import restore
from connector.sandbox.hubspot.schema import APP_ID

DEALS = "/crm/objects/2026-09/deals"
KIND = kind_of("deals")


def _history(portal: Any, deal: Any) -> list[dict[str, Any]]:
    read = {"inputs": [{"id": deal.id}], "properties": [], "propertiesWithHistory": ["dealstage"]}
    found: list[dict[str, Any]] = portal.ok("POST", f"{DEALS}/batch/read", read)["results"][0]["propertiesWithHistory"][
        "dealstage"
    ]
    return found


def test_every_source_of_a_move_is_told_newest_first(portal: Any) -> None:
    deal = portal.deal()
    moves = ((portal.owner.id, "closedwon"), ("flow:Reopen", "contractsent"), ("somebody", "closedlost"))
    for by, stage in moves:
        portal.world.clock.advance(60)
        portal.table("deals").update(deal.id, {"dealstage": stage}, by=by)
    portal.world.clock.advance(60)
    portal.ok("PATCH", f"{DEALS}/{deal.id}", {"properties": {"dealstage": "closedwon"}})
    told = _history(portal, deal)
    assert [h["sourceType"] for h in told] == ["INTEGRATION", "CRM_UI", "AUTOMATION_PLATFORM", "CRM_UI", "IMPORT"]
    assert (told[0]["sourceId"], told[0]["sourceLabel"]) == (str(APP_ID), "handoff")
    assert told[2]["sourceLabel"] == "Reopen"
    assert told[2]["sourceId"].startswith("enrollmentId:")
    assert (told[3]["sourceId"], told[3]["updatedByUserId"]) == ("userId:9001", 9001)
    assert [h["timestamp"] for h in told] == sorted((h["timestamp"] for h in told), reverse=True)


def test_a_workflow_moves_a_deal_back_after_the_answer(portal: Any) -> None:
    portal.world.settings["workflows"] = [
        {"name": "No way", "when": {"property": "dealstage", "to": "closedwon"}, "set": {"dealstage": "$before"}}
    ]
    deal = portal.deal()
    answer = portal.ok("PATCH", f"{DEALS}/{deal.id}", {"properties": {"dealstage": "closedwon"}})
    assert answer["properties"]["dealstage"] == "closedwon"
    assert deal.values["dealstage"] == "contractsent"
    assert [(h["value"], h["sourceType"]) for h in _history(portal, deal)][:2] == [
        ("contractsent", "AUTOMATION_PLATFORM"),
        ("closedwon", "INTEGRATION"),
    ]


def test_a_workflow_may_take_its_time_and_look_where_a_deal_came_from(portal: Any) -> None:
    when = {"property": "dealstage", "from": ["closedwon"], "to": "contractsent"}
    portal.world.settings["workflows"] = [
        {"name": "Win again", "when": when, "set": {"dealstage": "closedwon"}, "delay_s": 30}
    ]
    deal, other = portal.deal(dealstage="closedwon"), portal.deal(dealstage="qualifiedtobuy")
    for row in (deal, other):
        portal.ok("PATCH", f"{DEALS}/{row.id}", {"properties": {"dealstage": "contractsent"}})
    assert portal.ok("GET", f"{DEALS}/{deal.id}")["properties"]["dealstage"] == "contractsent"
    portal.world.clock.advance(30)
    assert portal.ok("GET", f"{DEALS}/{deal.id}")["properties"]["dealstage"] == "closedwon"
    assert other.values["dealstage"] == "contractsent"


def test_a_workflow_acts_although_nobody_asks(portal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    timers: list[Any] = []

    class Timer:
        def __init__(self, seconds: float, act: Any) -> None:
            self.seconds, self.act = seconds, act

        def start(self) -> None:
            timers.append(self)

    monkeypatch.setattr("threading.Timer", Timer)
    portal.world.settings["workflows"] = [
        {"when": {"property": "dealstage", "to": "closedwon"}, "set": {"dealstage": "$before"}, "delay_s": 30}
    ]
    deal = portal.deal()
    portal.table("deals").update(deal.id, {"dealstage": "closedwon"}, by=portal.owner.id)
    (timer,) = timers
    portal.world.clock.advance(timer.seconds)
    timer.act()
    assert deal.values["dealstage"] == "contractsent"


def _merge(portal: Any, primary: str, other: str) -> dict[str, Any]:
    body = {"primaryObjectId": primary, "objectIdToMerge": other}
    found: dict[str, Any] = portal.ok("POST", f"{DEALS}/merge", body)
    return found


@pytest.mark.parametrize("keeps_id", [False, True])
def test_a_merged_deal_is_found_under_every_id_it_had(portal: Any, keeps_id: bool) -> None:
    portal.world.settings["merge_keeps_id"] = keeps_id
    first, second, task = portal.deal(dealname="First"), portal.deal(dealname="Second", amount="9"), portal.task()
    portal.ok("PUT", f"/crm/objects/2026-09/tasks/{task.id}/associations/default/deals/{second.id}")
    portal.table("deals").update(first.id, {"dealstage": "closedwon"}, by=portal.owner.id)
    made = _merge(portal, first.id, second.id)
    assert (made["id"] == first.id) is keeps_id
    gone = [second.id] if keeps_id else [first.id, second.id]
    assert made["properties"]["hs_merged_object_ids"].split(";") == gone
    for record_id in (first.id, second.id):
        shown = portal.ok("GET", f"{DEALS}/{record_id}?properties=dealname,amount&associations=tasks")
        assert (shown["id"], shown["properties"]["dealname"], shown["properties"]["amount"]) == (
            made["id"], "First", "9",
        )  # fmt: skip
        assert [t["id"] for t in shown["associations"]["tasks"]["results"]] == [task.id]
    assert [h["value"] for h in _history(portal, portal.table("deals").get(made["id"]))] == [
        "closedwon",
        "contractsent",
    ]
    portal.ok("PATCH", f"{DEALS}/{second.id}", {"properties": {"dealname": "Both"}})
    assert portal.table("deals").get(made["id"]).values["dealname"] == "Both"


def test_a_batch_does_not_follow_a_merged_id(portal: Any) -> None:
    first, second = portal.deal(), portal.deal()
    made = _merge(portal, first.id, second.id)
    update = {"inputs": [{"id": second.id, "properties": {"dealname": "x"}, "objectWriteTraceId": "1"}]}
    assert portal.ok("POST", f"{DEALS}/batch/update", update)["errors"][0]["category"] == "OBJECT_NOT_FOUND"
    assert [r["id"] for r in portal.ok("GET", DEALS)["results"]] == [made["id"]]
    assert portal.ok("GET", f"{DEALS}?archived=true")["results"] == []
    portal.world.settings["merged_are_listed"] = True
    listed = portal.ok("GET", f"{DEALS}?archived=true")["results"]
    assert [r["id"] for r in listed] == [first.id, second.id]
    again = portal.ask("POST", f"{DEALS}/merge", {"primaryObjectId": first.id, "objectIdToMerge": second.id})
    assert again.status_code == 400


def test_a_restored_deal_has_its_associations_again(portal: Any) -> None:
    deal, company, task = portal.deal(), portal.company(), portal.task()
    for kind, row in (("companies", company), ("tasks", task)):
        portal.ok("PUT", f"{DEALS}/{deal.id}/associations/default/{kind}/{row.id}")
    portal.ok("DELETE", f"{DEALS}/{deal.id}")
    listed = portal.ok("GET", f"{DEALS}?archived=true")["results"]
    assert [(r["id"], r["archivedAt"]) for r in listed] == [(deal.id, "2026-11-02T08:00:00Z")]
    portal.world.clock.advance(60)
    restore(portal.world, KIND, deal.id, by=portal.owner.id)
    shown = portal.ok("GET", f"{DEALS}/{deal.id}?associations=companies,tasks")
    assert {name: len(found["results"]) for name, found in shown["associations"].items()} == {
        "companies": 2,
        "tasks": 1,
    }
    assert portal.ok("GET", f"{DEALS}?archived=true")["results"] == []


def test_only_an_associated_activity_can_be_pinned(portal: Any) -> None:
    deal = portal.deal()
    note = portal.table("notes").insert({"hs_timestamp": "2026-12-01T00:00:00Z"}, by="seed")
    pin = {"properties": {"hs_pinned_engagement_id": note.id}}
    assert portal.ask("PATCH", f"{DEALS}/{deal.id}", pin).status_code == 400
    portal.ok("PUT", f"/crm/objects/2026-09/notes/{note.id}/associations/default/deals/{deal.id}")
    portal.ok("PATCH", f"{DEALS}/{deal.id}", pin)
    assert deal.values["hs_pinned_engagement_id"] == note.id
