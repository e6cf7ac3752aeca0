"""A copy is whole or not there, taken beside a daemon; put back into either database, it is what the store was."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from plans import NOW, SYSTEM, a_plan, a_task
from sqlalchemy import create_engine, text

from connector.clock import ManualClock
from connector.errors import UserError
from connector.store import Decided, Look, Store, address, open_store
from connector.store.backup import Copy, back_up, look_into, put_back
from connector.store.schema import metadata

SAYS: list[str] = []


@pytest.fixture
def sqlite_store(sqlite_url: str, clock: ManualClock) -> Iterator[Store]:
    """For what is the same on both."""
    opened = open_store(sqlite_url, clock=clock)
    opened.set_baseline(SYSTEM, NOW)
    yield opened
    opened.close()


def fill(store: Store, deals: int = 3) -> None:
    """Decisions with work to send, looks that are owed, and an audit trail."""
    for number in range(deals):
        deal = f"D{number}"
        store.enqueue(SYSTEM, [Look(deal_id=deal, due_at=NOW, reason="it was won")])
        (look,) = [each for each in store.due(SYSTEM, limit=50) if each.deal_id == deal]
        plan = a_plan(deal, a_task("welcome", deal, key=f"{SYSTEM}:{deal}:1:welcome"))
        store.record(SYSTEM, [Decided(plan=plan, look_version=look.version, next_look=NOW)], act=True)


def copy_of(url: str, target: Path) -> Copy:
    return back_up(*address(url), target, clock=ManualClock(NOW))


def restored(url: str, source: Path, aside: Path) -> Path | None:
    return put_back(*address(url), source, aside=aside, clock=ManualClock(NOW), by="olga", say=SAYS.append)


def rows_of(url: str) -> Mapping[str, list[tuple[Any, ...]]]:
    """All that a store holds, table by table, but for what is of the moment only."""
    engine = create_engine(address(url)[0])
    with engine.connect() as connection:
        found = {
            table.name: [tuple(row) for row in connection.execute(table.select().order_by(*table.primary_key))]
            for table in metadata.sorted_tables
            if table.name not in {"lease", "replica", "quota", "written"}
        }
    engine.dispose()
    return found


def assert_same_but_for_the_trail(found: Mapping[str, list[Any]], before: Mapping[str, list[Any]]) -> None:
    """Nothing differs but one more row of the trail, which says who put the copy back, and where its chain ends."""
    assert {name for name in before if found[name] != before[name]} == {"audit", "chain"}
    assert found["audit"][:-1] == before["audit"]
    last = dict(zip(metadata.tables["audit"].c.keys(), found["audit"][-1], strict=True))
    assert (last["kind"], last["who"]) == ("restored", "olga")


def test_a_copy_holds_what_the_store_holds(url: str, store: Store, tmp_path: Path) -> None:
    fill(store)
    copy = copy_of(url, tmp_path / "copies" / "one.db")
    assert copy.rows["handoff"] == 3
    assert copy.rows["audit"] == len(rows_of(url)["audit"]) > 0
    assert copy.latest == NOW
    live = address(url)[1]
    for path in (copy.path, *([live] if live else [])):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in copy.path.parent.iterdir()] == ["one.db"], "nothing else is left beside it"
    assert rows_of(f"sqlite:///{copy.path}") == rows_of(url)


def test_it_goes_back_into_an_empty_store_of_either_kind(
    url: str, store: Store, tmp_path: Path, sqlite_url: str, postgres_url: str
) -> None:
    fill(store)
    copy = copy_of(url, tmp_path / "one.db")
    before = rows_of(url)
    store.close()
    for number, target in enumerate((f"sqlite:///{tmp_path / 'new.db'}", postgres_url)):
        aside = tmp_path / f"aside-{number}.db"
        kept = restored(target, copy.path, aside)
        assert (kept is None) == (not aside.exists())
        assert_same_but_for_the_trail(rows_of(target), before)
        again = open_store(target, clock=ManualClock(NOW))
        fill(again, 4)  # numbers go on where they were, and the trail still takes rows
        assert len(rows_of(target)["audit"]) > len(before["audit"])
        again.close()


def test_what_was_there_is_kept_and_can_be_put_back(url: str, store: Store, tmp_path: Path) -> None:
    fill(store, 1)
    old = copy_of(url, tmp_path / "old.db")
    fill(store, 5)
    present = rows_of(url)
    store.close()

    kept = restored(url, old.path, tmp_path / "aside.db")

    assert kept == tmp_path / "aside.db"
    assert len(rows_of(url)["handoff"]) == 1
    assert restored(url, kept, tmp_path / "aside-2.db") is not None
    assert_same_but_for_the_trail(rows_of(url), present)


@pytest.mark.postgres
def test_what_was_in_hand_as_the_copy_was_taken_is_looked_up_at_once(
    sqlite_url: str, sqlite_store: Store, postgres_url: str, tmp_path: Path, clock: ManualClock
) -> None:
    fill(sqlite_store, 1)
    assert sqlite_store.claim(SYSTEM, owner="long gone", batch=lambda _lane: 9, lease_seconds=900) is not None
    copy = copy_of(sqlite_url, tmp_path / "one.db")
    restored(postgres_url, copy.path, tmp_path / "aside.db")
    again = open_store(postgres_url, clock=clock)
    assert again.rescue(SYSTEM, all_mine=False) == 1
    assert len(again.unknown_rows(SYSTEM, limit=9)) == 1
    again.close()


@pytest.mark.postgres
def test_what_others_keep_in_the_same_database_stays(postgres_url: str, clock: ManualClock, tmp_path: Path) -> None:
    """Functions for triggers are often called audit_something."""
    store = open_store(postgres_url, clock=clock)
    fill(store, 1)
    store.close()
    copy = copy_of(postgres_url, tmp_path / "one.db")
    engine = create_engine(address(postgres_url)[0])
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (note text)"))
        body = "RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := NEW.note || '!'; RETURN NEW; END $$"
        connection.execute(text(f"CREATE FUNCTION audit_theirs() {body}"))
        on = "BEFORE INSERT ON theirs FOR EACH ROW EXECUTE FUNCTION audit_theirs()"
        connection.execute(text(f"CREATE TRIGGER theirs {on}"))
    restored(postgres_url, copy.path, tmp_path / "aside.db")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO theirs VALUES ('ours')"))
        assert connection.execute(text("SELECT note FROM theirs")).scalar_one() == "ours!"
    engine.dispose()


def test_of_what_was_last_written_an_old_copy_says_nothing(
    sqlite_url: str, sqlite_store: Store, tmp_path: Path
) -> None:
    """Or a value written since would look like a person's, and be left alone for ever."""
    fill(sqlite_store, 1)
    engine = create_engine(address(sqlite_url)[0])
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO written VALUES (:s, 'deal', 'D0', 'percent', '1')"), {"s": SYSTEM})
    copy = copy_of(sqlite_url, tmp_path / "one.db")
    assert copy.rows["written"] == 1
    sqlite_store.close()
    engine.dispose()
    restored(sqlite_url, copy.path, tmp_path / "aside.db")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM written")).scalar_one() == 0
    engine.dispose()


def test_a_store_at_work_is_not_replaced(url: str, store: Store, tmp_path: Path) -> None:
    fill(store, 1)
    copy = copy_of(url, tmp_path / "one.db")
    assert store.lease(f"pass:{SYSTEM}", owner="somebody", ttl=3600)
    with pytest.raises(UserError, match=r"in use by another running daemon|daemons work on this database"):
        restored(url, copy.path, tmp_path / "aside.db")
    assert not (tmp_path / "aside.db").exists()


def test_a_copy_is_taken_while_others_write(sqlite_url: str, tmp_path: Path) -> None:
    store = open_store(sqlite_url, clock=ManualClock(NOW))
    store.set_baseline(SYSTEM, NOW)
    stop = threading.Event()

    def write_on() -> None:
        number = 0
        while not stop.is_set():
            store.enqueue(SYSTEM, [Look(deal_id=f"W{number}", due_at=NOW, reason="busy")])
            number += 1

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        sizes = [copy_of(sqlite_url, tmp_path / f"{number}.db").rows["inbox"] for number in range(3)]
    finally:
        stop.set()
        writer.join()
    assert sizes == sorted(sizes)
    store.close()


def test_what_is_no_copy_is_refused_and_changes_nothing(sqlite_url: str, sqlite_store: Store, tmp_path: Path) -> None:
    fill(sqlite_store, 1)
    before = rows_of(sqlite_url)
    good = copy_of(sqlite_url, tmp_path / "good.db")
    sqlite_store.close()
    broken = tmp_path / "broken.db"
    data = bytearray(good.path.read_bytes())
    data[4096:8192] = b"\xff" * 4096
    broken.write_bytes(bytes(data))
    text_file = tmp_path / "notes.txt"
    text_file.write_text("no database at all, but long enough to be one" * 50)
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE x (y)")
    newer = tmp_path / "newer.db"
    newer.write_bytes(good.path.read_bytes())
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    for source, words in (
        (tmp_path / "missing.db", "no backup at"),
        (broken, "damaged|no sound"),
        (text_file, "no sound SQLite file"),
        (other, "no backup of this program"),
        (newer, "newer version"),
    ):
        with pytest.raises(UserError, match=words):
            restored(sqlite_url, source, tmp_path / "aside.db")
    assert rows_of(sqlite_url) == before
    assert not (tmp_path / "aside.db").exists()


def test_a_copy_never_writes_over_another(sqlite_url: str, sqlite_store: Store, tmp_path: Path) -> None:
    fill(sqlite_store, 1)
    copy = copy_of(sqlite_url, tmp_path / "one.db")
    with pytest.raises(UserError, match="never writes over"):
        copy_of(sqlite_url, copy.path)
    assert look_into(copy.path, clock=ManualClock(NOW)) == copy


def test_a_file_that_cannot_be_read_any_more_is_kept_aside_with_its_journal(sqlite_url: str, tmp_path: Path) -> None:
    store = open_store(sqlite_url, clock=ManualClock(NOW))
    store.set_baseline(SYSTEM, NOW)
    fill(store, 1)
    copy = copy_of(sqlite_url, tmp_path / "one.db")
    store.close()
    path = address(sqlite_url)[1]
    assert path is not None
    path.write_bytes(b"\x00garbage" * 1000)
    journal = path.with_name(path.name + "-journal")
    journal.write_bytes(b"left by a kill")
    kept = restored(sqlite_url, copy.path, tmp_path / "aside.db")
    assert kept is not None
    assert kept.read_bytes().startswith(b"\x00garbage")
    assert not journal.exists()
    assert len(rows_of(sqlite_url)["handoff"]) == 1
