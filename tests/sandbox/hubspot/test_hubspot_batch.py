"""Batches: outcomes per row, by version, and what makes a whole batch fail."""

from __future__ import annotations

from typing import Any

import pytest

TASKS = "/crm/objects/2026-09/tasks/batch"
DEALS = "/crm/objects/2026-09/deals/batch"
GOOD = {"hs_timestamp": "2026-12-01", "hs_task_subject": "Good"}
BAD = {"hs_timestamp": "2026-12-01", "nope": "1"}


def _create(*properties: dict[str, str], traces: bool) -> dict[str, Any]:
    inputs = [{"properties": p, "associations": []} for p in properties]
    return {"inputs": [{**i, "objectWriteTraceId": str(n)} if traces else i for n, i in enumerate(inputs)]}


def test_without_trace_ids_one_bad_input_fails_a_create(portal: Any) -> None:
    reply = portal.ask("POST", f"{TASKS}/create", _create(GOOD, BAD, GOOD, traces=False))
    assert reply.status_code == 400
    assert not portal.table("tasks").rows


@pytest.mark.parametrize(("version", "status"), [("2026-09", 201), ("2026-03", 207)])
def test_with_trace_ids_a_bad_input_fails_alone(portal: Any, version: str, status: int) -> None:
    path = f"/crm/objects/{version}/tasks/batch/create"
    reply = portal.ask("POST", path, _create(GOOD, BAD, GOOD, traces=True))
    body = reply.json()
    assert reply.status_code == status
    assert [r["objectWriteTraceId"] for r in body["results"]] == ["0", "2"]
    assert (body["numErrors"], body["errors"][0]["context"]["objectWriteTraceId"]) == (1, ["1"])
    assert len(portal.table("tasks").rows) == 2


def test_v3_answers_a_partial_batch_with_207(portal: Any) -> None:
    reply = portal.ask("POST", "/crm/v3/objects/tasks/batch/create", _create(GOOD, BAD, traces=True))
    assert (reply.status_code, len(portal.table("tasks").rows)) == (207, 1)


def test_upsert_makes_once_and_then_changes(portal: Any) -> None:
    item = {"id": "K", "idProperty": "handoff_key", "properties": GOOD}
    first = portal.ok("POST", f"{TASKS}/upsert", {"inputs": [item]})["results"][0]
    again = {**item, "properties": {"hs_task_subject": "Better"}}
    second = portal.ok("POST", f"{TASKS}/upsert", {"inputs": [again]})["results"][0]
    assert (first["new"], second["new"], first["id"]) == (True, False, second["id"])
    assert second["properties"]["handoff_key"] == "K"
    assert portal.table("tasks").get(first["id"]).values["hs_task_subject"] == "Better"
    assert len(portal.table("tasks").rows) == 1


def test_upsert_needs_a_unique_property(portal: Any) -> None:
    for name in ("hs_task_subject", "hs_object_id", None):
        item = {"id": "K", "idProperty": name, "properties": GOOD}
        reply = portal.ask("POST", f"{TASKS}/upsert", {"inputs": [item]})
        assert reply.status_code == 400
    assert not portal.table("tasks").rows


def test_two_inputs_for_one_record_fail_the_batch(portal: Any) -> None:
    deal = portal.deal()
    item = {"id": deal.id, "properties": {"dealname": "x"}}
    reply = portal.ask("POST", f"{DEALS}/update", {"inputs": [item, item]})
    assert reply.status_code == 400
    assert deal.values["dealname"] == "A deal"


def test_two_creates_with_one_unique_value_make_one_record(portal: Any) -> None:
    same = {**GOOD, "handoff_key": "K"}
    body = portal.ok("POST", f"{TASKS}/create", _create(same, same, traces=True))
    assert (len(body["results"]), body["numErrors"]) == (1, 1)
    assert len(portal.table("tasks").rows) == 1


def test_a_missing_record_does_not_stop_the_others(portal: Any) -> None:
    deal = portal.deal()
    inputs = [{"id": i, "properties": {"dealname": "x"}} for i in ("1", deal.id)]
    body = portal.ok("POST", f"{DEALS}/update", {"inputs": inputs})
    assert (body["numErrors"], body["errors"][0]["category"]) == (1, "OBJECT_NOT_FOUND")
    assert body["errors"][0]["context"]["ids"] == ["1"]
    assert deal.values["dealname"] == "x"


def test_read_lists_the_missing_and_answers_by_id_not_by_input(portal: Any) -> None:
    first, second = portal.deal(), portal.deal()
    body = {"inputs": [{"id": i} for i in (second.id, "1", first.id, "2")], "properties": ["dealname"]}
    found = portal.ok("POST", f"{DEALS}/read", body)
    assert [r["id"] for r in found["results"]] == [first.id, second.id]
    assert found["errors"][0]["context"]["ids"] == ["1", "2"]


def test_read_by_unique_property(portal: Any) -> None:
    task = portal.task(handoff_key="K")
    body = {"inputs": [{"id": "k"}], "idProperty": "handoff_key", "properties": ["handoff_key"]}
    assert portal.ok("POST", f"{TASKS}/read", body)["results"][0]["id"] == task.id


@pytest.mark.parametrize("action", ["read", "create", "update", "upsert", "archive"])
def test_a_hundred_is_the_most(portal: Any, action: str) -> None:
    inputs = [{"id": str(n), "idProperty": "handoff_key", "properties": GOOD} for n in range(101)]
    reply = portal.ask("POST", f"{TASKS}/{action}", {"inputs": inputs, "properties": []})
    assert (reply.status_code, reply.json()["category"]) == (400, "VALIDATION_ERROR")
    assert not portal.table("tasks").rows
    assert portal.ask("POST", f"{TASKS}/{action}", {"inputs": []}).status_code == 400


def test_history_halves_the_batch(portal: Any) -> None:
    inputs = [{"id": str(n)} for n in range(51)]
    body = {"inputs": inputs, "properties": [], "propertiesWithHistory": ["dealstage"]}
    assert portal.ask("POST", f"{DEALS}/read", body).status_code == 400


def test_archiving_answers_204_whatever_was_there(portal: Any) -> None:
    deal = portal.deal()
    reply = portal.ask("POST", f"{DEALS}/archive", {"inputs": [{"id": deal.id}, {"id": "1"}]})
    assert (reply.status_code, deal.deleted_at is not None) == (204, True)


def test_half_of_a_batch_fails_by_fault(portal: Any) -> None:
    portal.world.faults.add(system="hs", match="batch/create", kind="partial")
    body = portal.ok("POST", f"{TASKS}/create", _create(GOOD, GOOD, GOOD, GOOD, traces=True))
    assert (len(body["results"]), body["numErrors"]) == (2, 2)
    assert len(portal.table("tasks").rows) == 2


def test_a_lock_by_fault_answers_423_and_writes_nothing(portal: Any) -> None:
    deal = portal.deal()
    portal.world.faults.add(system="hs", match="deals/batch/update", kind="row_lock")
    body = {"inputs": [{"id": deal.id, "properties": {"dealname": "x"}}]}
    assert portal.ask("POST", f"{DEALS}/update", body).status_code == 423
    assert deal.values["dealname"] == "A deal"
    portal.ok("POST", f"{DEALS}/update", body)
    assert deal.values["dealname"] == "x"


def test_not_json_is_a_400(portal: Any) -> None:
    headers = {"Authorization": "Bearer pat-sandbox-handoff", "Content-Type": "application/json"}
    reply = portal.session.post(portal.url + f"{TASKS}/create", data="{", headers=headers, timeout=10)
    assert (reply.status_code, reply.json()["category"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{TASKS}/create", {"inputs": [{"properties": GOOD, "associations": True}]}),
        (f"{TASKS}/create", {"inputs": [{"properties": [], "objectWriteTraceId": {"a": 1}}]}),
        (f"{TASKS}/create", {"inputs": "x"}),
        (f"{TASKS}/create", ["x"]),
        (f"{TASKS}/upsert", {"inputs": [{"id": "K", "idProperty": {}, "properties": GOOD}]}),
        (f"{TASKS}/upsert", {"inputs": [{"id": "K", "idProperty": "handoff_key", "properties": []}] * 2}),
        (f"{TASKS}/read", {"inputs": [{"id": []}]}),
        ("/crm/objects/2026-09/deals/search", {"filterGroups": [{"filters": True}]}),
        ("/crm/associations/2026-09/tasks/deals/batch/archive", {"inputs": [{"from": {"id": "1"}, "to": True}]}),
        ("/crm/properties/2026-09/deals", {"name": "x", "label": "x", "displayOrder": "1"}),
    ],
)
def test_a_body_of_another_shape_is_a_400_and_never_a_500(portal: Any, path: str, body: Any) -> None:
    assert portal.ask("POST", path, body).status_code == 400
