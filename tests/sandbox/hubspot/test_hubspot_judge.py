"""That the judge of exchanges can say no: to what is asked and to what is answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hubspot_judge import Exchange, find, problems
from hubspot_library import operations

DEALS = "/crm/objects/2026-09/deals"
RECORD = {
    "id": "1",
    "properties": {"dealname": "x"},
    "createdAt": "2026-11-02T08:00:00Z",
    "updatedAt": "2026-11-02T08:00:00Z",
    "archived": False,
}
ERROR = {"status": "error", "message": "no", "correlationId": "c", "category": "VALIDATION_ERROR"}
FOUND = {"total": 0, "results": []}
FILTER = {"propertyName": "dealname", "operator": "EQ", "value": "x"}
TASK = {"id": "k", "idProperty": "key", "properties": {"hs_timestamp": "1"}, "objectWriteTraceId": "k"}


def _judged(method: str, path: str, body: Any, answer: Any, status: int = 200) -> list[str]:
    raw = b"" if body is None else json.dumps(body).encode()
    exchange = Exchange(method, path, raw, status, json.dumps(answer).encode())
    operation = find(exchange)
    assert operation is not None
    return problems(exchange, operation)


@pytest.mark.parametrize(
    ("method", "path", "body", "answer"),
    [
        ("GET", f"{DEALS}/1?properties=a%2Cb&archived=false", None, RECORD),
        ("PATCH", f"{DEALS}/1", {"properties": {"a": "1"}}, RECORD),
        ("POST", f"{DEALS}/search", {"filterGroups": [{"filters": [FILTER]}], "limit": 3}, FOUND),
        ("POST", f"{DEALS}/search", {"sorts": [{"propertyName": "a", "direction": "ASCENDING"}]}, FOUND),
        ("GET", "/crm/owners/2026-03?limit=5", None, {"results": []}),
    ],
)
def test_what_is_right_passes(method: str, path: str, body: Any, answer: Any) -> None:
    assert _judged(method, path, body, answer) == []


@pytest.mark.parametrize(
    ("method", "path", "body", "word"),
    [
        ("GET", f"{DEALS}/1?props=a", None, "props is unknown"),
        ("GET", f"{DEALS}?limit=many", None, "limit"),
        ("PATCH", f"{DEALS}/1", {"properties": {"a": 1}}, "1 is no str"),
        ("PATCH", f"{DEALS}/1", {"properties": {}, "more": 1}, "more is unknown"),
        ("PATCH", f"{DEALS}/1", None, "a body is missing"),
        ("POST", DEALS, {"properties": {}}, "associations is missing"),
        ("POST", f"{DEALS}/search", {"filterGroups": [{"filters": [{**FILTER, "operator": "LIKE"}]}]}, "LIKE"),
        ("POST", f"{DEALS}/search", {"filterGroups": [{"filters": [{"propertyName": "x"}]}]}, "operator is missing"),
        ("POST", f"{DEALS}/search", {"limit": "3"}, "'3' is no int"),
        ("POST", "/crm/objects/2026-09/0-27/batch/upsert", {"inputs": [{**TASK, "associations": []}]}, "associations"),
        ("POST", "/crm/objects/2026-09/0-27/batch/upsert", {"inputs": TASK}, "a list is expected"),
    ],
)
def test_what_is_asked_wrongly_is_named(method: str, path: str, body: Any, word: str) -> None:
    found = _judged(method, path, body, {}, status=204)
    assert len(found) == 1
    assert word in found[0]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({**RECORD, "surprise": 1}, 200),
        ({k: v for k, v in RECORD.items() if k != "archived"}, 200),
        ({**RECORD, "properties": {"a": 1}}, 200),
        ({k: v for k, v in ERROR.items() if k != "category"}, 400),
        ({**ERROR, "surprise": 1}, 404),
    ],
)
def test_what_is_answered_wrongly_is_named(answer: Any, status: int) -> None:
    assert _judged("GET", f"{DEALS}/1", None, answer, status)


def test_the_library_was_read() -> None:
    known = {op.name for op in operations()}
    assert len(known) >= 150
    assert "POST /crm/objects/{version}/0-3/search" in known
    assert find(Exchange("POST", "/crm/objects/2026-09/deals/shake", b"", 200, b"")) is None
    assert find(Exchange("POST", "/crm/v3/objects/deals/search", b"", 200, b"")) is None
