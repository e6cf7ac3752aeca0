"""Worlds, tables, clock, journal, faults and the state file, without a socket."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connector.sandbox.faults import Faults
from connector.sandbox.journal import Journal
from connector.sandbox.state import Missing, NotUnique, SandboxClock, Table, World

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.fixture
def world() -> World:
    clock = SandboxClock()
    clock.freeze(NOON)
    found = World("sf", clock=clock, resolution=timedelta(seconds=1))
    found.add_table("Thing", unique=("key",), indexed=("owner",), tracked=("stage",))
    return found


@pytest.fixture
def things(world: World) -> Table:
    return world.table("Thing")


def test_a_unique_value_names_its_holder_whatever_the_case(things: Table) -> None:
    first = things.insert({"key": "Ab"}, by="me")
    with pytest.raises(NotUnique) as caught:
        things.insert({"key": "aB"}, by="me")
    assert caught.value.existing_id == first.id
    assert len(list(things.live())) == 1


def test_a_deleted_row_frees_its_unique_value_until_it_is_restored(things: Table) -> None:
    first = things.insert({"key": "a"}, by="me")
    things.delete(first.id, by="me")
    things.insert({"key": "a"}, by="me")
    with pytest.raises(NotUnique):
        things.restore(first.id, by="me")


def test_updates_move_rows_between_index_entries(things: Table) -> None:
    row = things.insert({"owner": "x"}, by="me")
    things.update(row.id, {"owner": "y"}, by="me")
    assert list(things.where("owner", ["x"])) == []
    assert [r.id for r in things.where("owner", ["Y"])] == [row.id]
    assert [r.id for r in things.having("owner")] == [row.id]
    things.update(row.id, {"owner": None}, by="me")
    assert list(things.having("owner")) == []


def test_rows_come_by_stamp_then_id_each_once(world: World, things: Table) -> None:
    ids = [things.insert({}, by="me").id for _ in range(3)]
    world.clock.advance(10)
    things.update(ids[0], {"a": 1}, by="me")
    things.update(ids[0], {"a": 2}, by="me")
    assert [r.id for r in things.modified_between(None, None)] == [ids[1], ids[2], ids[0]]
    later = NOON + timedelta(seconds=10)
    assert [r.id for r in things.modified_between(later, None)] == [ids[0]]
    assert [r.id for r in things.modified_between(None, NOON)] == ids[1:]


def test_a_backdated_row_is_found_at_its_date(things: Table) -> None:
    things.insert({}, by="me")
    old = things.insert({}, by="me", at=NOON - timedelta(days=9))
    assert next(things.modified_between(None, None)).id == old.id


def test_only_tracked_fields_leave_history(things: Table) -> None:
    row = things.insert({"stage": "a", "owner": "x"}, by="me")
    things.update(row.id, {"stage": "b", "owner": "y"}, by="you")
    assert [(c.field, c.old, c.new, c.by) for c in row.history] == [
        ("stage", None, "a", "me"),
        ("stage", "a", "b", "you"),
    ]


def test_a_late_commit_is_hidden_from_readers_and_keeps_its_earlier_stamp(world: World, things: Table) -> None:
    row = things.insert({"a": 1}, by="me")
    world.clock.advance(60)
    world.settings["late_commit_ms"] = 2_000
    things.update(row.id, {"a": 2}, by="me")
    stamp = row.modified_at
    seen = row.as_of(world.clock.now())
    assert seen is not None
    assert (seen.values["a"], seen.modified_at) == (1, NOON)
    assert things.get(row.id) is row
    assert row.values["a"] == 2
    world.clock.advance(2)
    assert row.as_of(world.clock.now()) is row
    assert row.modified_at == stamp < world.clock.now()


def test_a_new_row_is_not_born_before_its_late_commit(world: World, things: Table) -> None:
    world.settings["late_commit_ms"] = 1_000
    row = things.insert({}, by="me")
    assert row.as_of(world.clock.now()) is None
    assert things.not_yet_visible(world.clock.now()) == [row]
    world.clock.advance(1)
    assert things.not_yet_visible(world.clock.now()) == []


def test_a_transaction_can_be_taken_back(world: World, things: Table) -> None:
    kept = things.insert({"key": "a", "stage": "one"}, by="me")
    world.clock.advance(5)
    with world.transaction() as roll_back:
        things.update(kept.id, {"key": "b", "stage": "two"}, by="you")
        things.insert({"key": "c"}, by="you")
        things.delete(kept.id, by="you")
        roll_back()
    row = things.find_unique("key", "a")
    assert row is not None
    assert (row.values, row.modified_at, row.modified_by) == ({"key": "a", "stage": "one"}, NOON, "me")
    assert len(row.history) == 1
    assert things.find_unique("key", "b") is None
    assert len(things.rows) == 1


def test_an_exception_takes_a_transaction_back(world: World, things: Table) -> None:
    def fail_half_way() -> None:
        with world.transaction():
            things.insert({}, by="me")
            things.update("none", {}, by="me")

    with pytest.raises(Missing):
        fail_half_way()
    assert things.rows == {}


def _world(clock: SandboxClock) -> World:
    found = World("sf", clock=clock, resolution=timedelta(seconds=1))
    found.add_table("Thing", unique=("key",), tracked=("stage",))
    return found


def test_a_world_comes_back_from_its_folder(tmp_path: Path) -> None:
    clock = SandboxClock()
    clock.freeze(NOON)
    world = _world(clock)
    assert world.attach(tmp_path) is False
    things = world.table("Thing")
    row = things.insert({"key": "a", "stage": "one", "on": NOON.date(), "at": NOON}, by="me")
    things.update(row.id, {"stage": "two"}, by="you")
    gone = things.insert({"key": "b"}, by="me")
    things.delete(gone.id, by="me")
    with world.transaction() as roll_back:
        things.insert({"key": "never"}, by="me")
        things.update(row.id, {"stage": "never"}, by="me")
        roll_back()
    world.setting("late_commit_ms", 7)
    world.flush()

    again = _world(clock)
    assert again.attach(tmp_path) is True
    found = again.table("Thing").find_unique("key", "a")
    assert found is not None
    assert found.values == {"key": "a", "stage": "two", "on": NOON.date(), "at": NOON}
    assert [c.new for c in found.history] == ["one", "two"]
    assert again.table("Thing").get(gone.id) is None
    assert again.table("Thing").get(gone.id, deleted=True) is not None
    assert again.table("Thing").find_unique("key", "never") is None
    assert again.settings["late_commit_ms"] == 7
    assert again.next_id("Thing") not in {row.id, gone.id}


def test_a_torn_last_line_costs_that_line_only(tmp_path: Path) -> None:
    world = _world(SandboxClock())
    world.attach(tmp_path)
    world.table("Thing").insert({"key": "a"}, by="me")
    world.table("Thing").insert({"key": "b"}, by="me")
    world.flush()
    path = tmp_path / "sf.jsonl"
    path.write_text(path.read_text()[:-20])
    again = _world(SandboxClock())
    again.attach(tmp_path)
    assert [r.values["key"] for r in again.table("Thing").live()] == ["a"]


def test_compacting_leaves_one_line_a_row(tmp_path: Path) -> None:
    world = _world(SandboxClock())
    world.attach(tmp_path)
    row = world.table("Thing").insert({"stage": "0"}, by="me")
    for n in range(1, 5):
        world.table("Thing").update(row.id, {"stage": str(n)}, by="me")
    world.detach()
    assert len((tmp_path / "sf.jsonl").read_text().splitlines()) == 1
    again = _world(SandboxClock())
    again.attach(tmp_path)
    assert [c.new for c in again.table("Thing").rows[row.id].history] == ["0", "1", "2", "3", "4"]


def test_a_frozen_clock_stands_and_resumes_from_there() -> None:
    clock = SandboxClock()
    clock.freeze(NOON)
    assert clock.now() == clock.now() == NOON
    clock.advance(60)
    assert clock.now() == NOON + timedelta(minutes=1)
    clock.resume()
    assert NOON + timedelta(minutes=1) <= clock.now() < NOON + timedelta(minutes=2)


def test_a_fault_skips_then_hits_then_is_gone() -> None:
    faults = Faults()
    faults.add(system="sf", match=r"PATCH .*/Task", kind="500", count=2, skip=1)
    hits = [faults.take("sf", "PATCH", "/x/Task") is not None for _ in range(4)]
    assert hits == [False, True, True, False]
    assert faults.list() == []


def test_a_fault_is_for_its_system_and_request_only() -> None:
    faults = Faults()
    faults.add(system="hs", match="search", kind="429")
    assert faults.take("sf", "GET", "/search") is None
    assert faults.take("hs", "GET", "/other") is None
    assert faults.take("hs", "GET", "/search") is not None


@pytest.mark.parametrize(("kind", "match", "count"), [("nope", "", 1), ("500", "(", 1), ("500", "", 0)])
def test_an_impossible_fault_is_refused(kind: str, match: str, count: int) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Faults().add(system="*", match=match, kind=kind, count=count)


def test_the_journal_counts_what_it_no_longer_keeps() -> None:
    journal = Journal(kept=2)
    for kind in ("query", "query", "describe"):
        journal.add(
            at=NOON,
            system="sf",
            method="GET",
            path="/",
            kind=kind,
            rows=0,
            status=200,
            ms=0.1,
            caller="me",
            write=False,
        )
    assert [c.seq for c in journal.calls()] == [2, 3]
    assert [c.seq for c in journal.calls(2, system="sf", limit=5)] == [3]
    assert journal.counts(system="sf") == {"describe": 1, "query": 2}
    assert journal.counts(system="hs") == {}
