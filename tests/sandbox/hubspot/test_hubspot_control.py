"""What the control port does to the portal: merge, bring back, touch a crowd of deals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from connector.sandbox import control
from connector.sandbox.server import create_worlds
from connector.sandbox.state import World


@pytest.fixture
def hs() -> World:
    return create_worlds(None)[0]["hs"]


@pytest.fixture
def port(hs: World) -> Iterator[TestClient]:
    worlds, _ = create_worlds(None)
    with TestClient(control.app({**worlds, "hs": hs}, keep_clock=lambda: None)) as client:
        yield client


def _done(port: TestClient, path: str, **body: Any) -> Any:
    reply = port.post(path, json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_deals_are_merged_and_brought_back(hs: World, port: TestClient) -> None:
    ids = [hs.table("deals").insert({"dealname": str(n)}, by="seed").id for n in range(3)]
    result = _done(port, "/merge", system="hs", object="deals", master=ids[0], losers=ids[1:])["result"]
    assert [row.id for row in hs.table("deals").live()] == [result]
    assert port.post(
        "/merge", json={"system": "hs", "object": "deals", "master": "1", "losers": ["2"]}
    ).status_code == (400)
    hs.table("deals").delete(result, by="seed")
    assert _done(port, "/undelete", system="hs", object="deals", id=result) == {"restored": result}
    assert hs.table("deals").get(result)
    assert port.post("/undelete", json={"system": "hs", "object": "deals", "id": "1"}).status_code == 404


def test_a_crowd_is_touched_at_one_instant(hs: World, port: TestClient) -> None:
    told = _done(port, "/touch", count=50, at="2026-11-02T08:00:00.123+00:00")
    rows = list(hs.table("deals").live())
    assert (told["touched"], told["first"], told["last"]) == (50, rows[0].id, rows[-1].id)
    assert {row.modified_at.isoformat() for row in rows} == {"2026-11-02T08:00:00.123000+00:00"}
