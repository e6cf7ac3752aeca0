"""A query is read further each time, nothing missed at its edge and nothing twice, and nothing is written there."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from engine.harness import a_desk
from sqlalchemy import create_engine, text

from connector.clock import ManualClock
from connector.engine.parts import Schedule
from connector.engine.warehouse import ask_all
from connector.store.warehouse import Query, QueryFailed, fetch

TABLE = """
CREATE TABLE usage_log
(id INTEGER PRIMARY KEY, happened TEXT, loaded INTEGER, who TEXT, workspace TEXT, what TEXT)
"""
ROW = """
INSERT INTO usage_log (happened, loaded, who, workspace, what)
VALUES (:happened, :loaded, :who, :workspace, :what)
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    found = f"sqlite:///{tmp_path / 'warehouse.db'}"
    engine = create_engine(found)
    with engine.begin() as connection:
        connection.execute(text(TABLE))
    engine.dispose()
    return found


def add(url: str, *loaded: int, what: str = "Signed In") -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for each in loaded:
            values = {"happened": "2026-03-04T10:00:00", "loaded": each, "who": "ana@acme.example", "what": what}
            connection.execute(text(ROW), {**values, "workspace": "acme-42"})
    engine.dispose()


def a_query(url: str, **changes: Any) -> Query:
    plain = Query(
        name="warehouse",
        url=url,
        sql="SELECT id, happened, loaded, who, workspace, what, ':odd' AS odd FROM usage_log",
        at="happened",
        cursor="loaded",
        event_column="what",
        user_id="who",
        group_id="workspace",
        id="id",
        properties=("odd",),
    )
    return dataclasses.replace(plain, **changes)


class Box:
    def __init__(self) -> None:
        self.pages: list[int] = []
        self.by_id: dict[str, dict[str, Any]] = {}

    def post(self, letters: Sequence[str]) -> None:
        self.pages.append(len(letters))
        for letter in letters:
            told = json.loads(letter)
            self.by_id[told["message_id"]] = told


def test_a_row_is_an_event(url: str) -> None:
    add(url, 1)
    box = Box()
    found = fetch(a_query(url), None, box.post)
    assert (found.rows, found.skipped, found.place) == (1, 0, "int 1")
    assert box.by_id["1"] == {
        "message_id": "1",
        "event": "Signed In",
        "at": "2026-03-04T10:00:00+00:00",
        "user_id": "ana@acme.example",
        "group_id": "acme-42",
        "properties": '{"odd": ":odd"}',
    }


def test_nothing_is_missed_at_the_edge_and_nothing_comes_twice(url: str) -> None:
    """Rows that share the last place come in after it was read."""
    add(url, 1, 2, 2)
    box = Box()
    place = fetch(a_query(url), None, box.post).place
    add(url, 2, 2, 3)
    place = fetch(a_query(url), place, box.post).place
    assert sorted(box.by_id) == ["1", "2", "3", "4", "5", "6"]
    assert place == "int 3"
    fetch(a_query(url), place, box.post)
    assert len(box.by_id) == 6


def test_more_rows_at_one_place_than_a_page_holds(url: str) -> None:
    add(url, 1, *[2] * 25, 3)
    box = Box()
    found = fetch(a_query(url), None, box.post, page=4)
    assert len(box.by_id) == 27
    assert (found.more, found.place) == (False, "int 3")


def test_without_an_id_a_row_is_known_by_what_it_says(url: str) -> None:
    add(url, 1, 2)
    box = Box()
    query = a_query(url, id="", sql="SELECT happened, loaded, who, workspace, what, 1 AS odd FROM usage_log")
    fetch(query, None, box.post)
    fetch(query, None, box.post)
    assert len(box.by_id) == 2


def test_rows_that_are_no_events_are_counted_and_left(url: str) -> None:
    add(url, 1)
    add(url, 2, what="")
    assert fetch(a_query(url), None, Box().post).skipped == 1


def test_nothing_can_be_written_there(url: str) -> None:
    add(url, 1)
    query = a_query(url, sql="WITH gone AS (SELECT 1) DELETE FROM usage_log")
    with pytest.raises(QueryFailed):
        fetch(query, None, Box().post)
    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM usage_log")).scalar_one() == 1
    engine.dispose()


def test_a_failure_says_what_the_database_said_and_not_where_it_is(url: str) -> None:
    with pytest.raises(QueryFailed, match="no such table: nothing_here") as raised:
        fetch(a_query(url, sql="SELECT * FROM nothing_here"), None, Box().post)
    assert "sqlite" not in str(raised.value)
    with pytest.raises(QueryFailed, match="address cannot be used"):
        fetch(a_query("nosuchdb://a:secret@b/c"), None, Box().post)


def test_it_is_asked_when_it_is_due_and_goes_on_where_it_ended(url: str, clock: ManualClock) -> None:
    desk = a_desk()
    desk.shared = dataclasses.replace(desk.shared, queries=(Schedule(a_query(url), timedelta(hours=1)),))
    add(url, 1, 2)
    assert ask_all(desk.shared, desk.shared.queries) == 2
    add(url, 3)
    assert ask_all(desk.shared, desk.shared.queries) == 0, "not yet"
    desk.clock.advance(timedelta(hours=1))
    ask_all(desk.shared, desk.shared.queries)
    assert desk.store.events_kept("warehouse") == 3
    desk.store.close()


def test_a_lost_ledger_reads_it_again_from_the_start(url: str, clock: ManualClock) -> None:
    add(url, 1, 2)
    desk = a_desk()
    desk.shared = dataclasses.replace(desk.shared, queries=(Schedule(a_query(url), timedelta(hours=1)),))
    ask_all(desk.shared, desk.shared.queries)
    desk.lose_ledger()
    assert ask_all(desk.shared, desk.shared.queries) == 2
    desk.store.close()


@pytest.mark.postgres
def test_postgres_is_read_in_a_transaction_that_may_not_write(postgres_url: str) -> None:
    engine = create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS usage_log (n BIGINT, at TIMESTAMPTZ, ws TEXT)"))
        connection.execute(text("INSERT INTO usage_log VALUES (1, now(), 'acme-42')"))
    box = Box()
    sql = "SELECT n, at, ws, '10:30'::text AS odd FROM usage_log"
    query = a_query(postgres_url, sql=sql, at="at", cursor="at", event="Used", event_column="", user_id="",
                    group_id="ws", id="")  # fmt: skip
    place = fetch(query, None, box.post).place
    fetch(query, place, box.post)
    assert len(box.by_id) == 1
    writing = dataclasses.replace(
        query, sql="WITH gone AS (DELETE FROM usage_log RETURNING n, at, ws) SELECT n, at, ws, '' AS odd FROM gone"
    )
    with pytest.raises(QueryFailed):
        fetch(writing, None, Box().post)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM usage_log")).scalar_one() == 1
    engine.dispose()
