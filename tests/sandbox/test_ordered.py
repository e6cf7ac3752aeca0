"""Ranges of days are found by index: the same rows as a scan finds, whatever is written in between."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest

from connector.sandbox.ordered import Ordered
from connector.sandbox.salesforce import plan, soql
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.grammar import parse
from connector.sandbox.salesforce.schema import create_world, furnish
from connector.sandbox.salesforce.users import integration_user
from connector.sandbox.state import SandboxClock, World

DAY_ONE = date(2026, 1, 1)
ROWS = 400


@pytest.fixture
def world() -> World:
    made = create_world(SandboxClock())
    furnish(made)
    return made


def _fill(world: World) -> list[str]:
    by = integration_user(world).id
    table = world.table("Opportunity")
    stages = ("Prospecting", "Closed Won")
    return [
        table.insert({"Name": f"D{n}", "StageName": stages[n % 2], "CloseDate": DAY_ONE + timedelta(days=n)}, by=by).id
        for n in range(ROWS)
    ]


def _found(world: World, where: str) -> set[str]:
    return {row.id for row in soql.run(world, parse(f"SELECT Id FROM Opportunity WHERE {where}"), version="67.0").rows}


def _looked_at(world: World, where: str) -> int:
    query = parse(f"SELECT Id FROM Opportunity WHERE {where}")
    table = world.table("Opportunity")
    kind = catalog(world).object("Opportunity")
    assert kind is not None
    return len(list(plan.candidates(table, kind, query.where, deleted=False).rows))


LATE = (DAY_ONE + timedelta(days=ROWS - 10)).isoformat()
SWEPT = f"IsWon = TRUE AND (CloseDate >= {LATE} OR LastStageChangeDate >= 2026-06-01T00:00:00Z)"


def test_a_sweep_looks_at_the_rows_of_its_days_alone(world: World) -> None:
    ids = _fill(world)
    assert _looked_at(world, SWEPT) == 10
    assert _found(world, SWEPT) == set(ids[-9::2])


def test_what_changes_later_is_found_and_what_left_is_not(world: World) -> None:
    ids, by = _fill(world), integration_user(world).id
    _found(world, SWEPT)
    table = world.table("Opportunity")
    table.update(ids[0], {"StageName": "Closed Won"}, by=by)
    table.update(ids[-1], {"CloseDate": DAY_ONE}, by=by)
    table.delete(ids[-3], by=by)
    assert _found(world, SWEPT) == {ids[0], *ids[-9:-4:2]} - {ids[-3]}
    table.restore(ids[-3], by=by)
    assert ids[-3] in _found(world, SWEPT)


def test_a_rollback_puts_the_days_back(world: World) -> None:
    ids, by = _fill(world), integration_user(world).id
    before = _found(world, SWEPT)
    with world.transaction() as roll_back:
        world.table("Opportunity").update(ids[-1], {"CloseDate": DAY_ONE}, by=by)
        world.table("Opportunity").insert({"Name": "X", "StageName": "Closed Won", "CloseDate": LATE}, by=by)
        roll_back()
    assert _found(world, SWEPT) == before


def test_a_range_of_most_rows_is_no_use(world: World) -> None:
    _fill(world)
    assert _looked_at(world, f"CloseDate >= {DAY_ONE.isoformat()}") == ROWS


def test_empty_times_are_left_out(world: World) -> None:
    ids, by = _fill(world), integration_user(world).id
    where = "Handoff_Started_At__c != null"
    assert _looked_at(world, where) == 0
    world.table("Opportunity").update(ids[3], {"Handoff_Started_At__c": "2026-02-01T00:00:00.000+0000"}, by=by)
    assert _found(world, where) == {ids[3]}


def test_any_order_of_writes_gives_what_sorting_gives() -> None:
    rng = random.Random(7)
    order, held = Ordered(), set[tuple[str, str]]()
    for _ in range(2000):
        pair = (f"{rng.randrange(40):02}", f"{rng.randrange(40):02}")
        if rng.random() < 0.6:
            order.add(*pair)
            held.add(pair)
        else:
            order.drop(*pair)
            held.discard(pair)
        low, high = sorted((f"{rng.randrange(40):02}", f"{rng.randrange(40):02}"))
        wanted = [row for value, row in sorted(held) if low <= value <= high]
        assert list(order.between(low, high)) == wanted
        assert order.span(low, high) == len(wanted)
    assert len(order) == len(held)


def test_deleted_rows_are_found_by_index_too(world: World) -> None:
    """A query for deleted and archived rows costs no scan either."""
    ids, by = _fill(world), integration_user(world).id
    table = world.table("Opportunity")
    gone, back = ids[-1], ids[-3]
    table.delete(gone, by=by)
    table.delete(back, by=by)
    table.restore(back, by=by)
    with world.transaction() as roll_back:
        table.delete(ids[-5], by=by)
        roll_back()
    query = parse(f"SELECT Id FROM Opportunity WHERE {SWEPT}")
    found = soql.run(world, query, version="67.0", deleted=True)
    assert {row.id for row in found.rows} == set(ids[-9::2])
    assert set(table.deleted) == {gone}
    kind = catalog(world).object("Opportunity")
    assert kind is not None
    assert len(list(plan.candidates(table, kind, query.where, deleted=True).rows)) == 10
    by_id = parse(f"SELECT Id FROM Opportunity WHERE Id = '{gone}'")
    assert len(soql.run(world, by_id, version="67.0", deleted=True).rows) == 1
    assert len(soql.run(world, by_id, version="67.0").rows) == 0
