"""What outlives the database: the time from which wins are acted on."""

from __future__ import annotations

import errno
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connector.clock import ManualClock
from connector.handoff.model import SystemName
from connector.store import open_store
from connector.store.keepsake import Keepsake

AT = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
SF, HS = SystemName("sf"), SystemName("hs")


def test_a_new_database_beside_the_old_ones_note_remembers_when_acting_began(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'handoff.db'}"
    store = open_store(url, clock=ManualClock(AT))
    assert store.started_before(SF) is None
    store.set_baseline(SF, AT)
    store.close()
    (tmp_path / "handoff.db").unlink()

    again = open_store(url, clock=ManualClock(AT))
    assert again.baseline(SF) is None
    assert again.started_before(SF) == AT
    assert again.started_before(HS) is None
    again.close()


def test_systems_that_start_at_the_same_time_are_all_remembered(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'handoff.db'}", clock=ManualClock(AT))
    names = [SystemName(f"s{number}") for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: store.set_baseline(name, AT), names))
    assert all(store.started_before(name) == AT for name in names)
    store.close()


def test_a_spoiled_note_is_no_note(tmp_path: Path) -> None:
    for content in ("", "no json", "[1]", '{"sf": "yesterday"}', '{"sf": 7}'):
        (tmp_path / "handoff.db.started").write_text(content)
        store = open_store(f"sqlite:///{tmp_path / 'handoff.db'}", clock=ManualClock(AT))
        assert store.started_before(SF) is None
        store.set_baseline(SF, AT)
        assert store.started_before(SF) == AT
        store.close()


def test_an_old_copy_of_the_database_is_known_and_forgets_what_was_last_written(tmp_path: Path) -> None:
    """Or the values written since would look like people's edits, and be left alone for ever."""
    file = tmp_path / "handoff.db"
    store = open_store(f"sqlite:///{file}", clock=ManualClock(AT))
    store.set_baseline(SF, AT)
    store.pause(SF, until=AT, reason="an entry in the trail")
    store.note_age()
    store.close()
    copy = file.read_bytes()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("INSERT INTO written VALUES ('sf', 'deal', 'D1', 'percent', '100')")
        connection.commit()

    same = open_store(f"sqlite:///{file}", clock=ManualClock(AT))
    assert not same.grown_old(), "a restart is no restore"
    same.pause(SF, until=AT, reason="one more")
    same.note_age()
    same.close()
    with closing(sqlite3.connect(tmp_path / "copy.db")) as connection:
        (tmp_path / "copy.db").write_bytes(copy)
        connection.execute("INSERT INTO written VALUES ('sf', 'deal', 'D1', 'percent', '50')")
        connection.commit()
    file.write_bytes((tmp_path / "copy.db").read_bytes())

    old = open_store(f"sqlite:///{file}", clock=ManualClock(AT))
    assert old.grown_old()
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM written").fetchone() == (0,)
    assert not old.grown_old(), "once is enough"
    old.close()


def test_a_note_that_finds_no_room_fails_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'handoff.db'}", clock=ManualClock(AT))
    store.set_baseline(SF, AT)
    store.pause(SF, until=AT, reason="an entry in the trail")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    store.note_age()
    assert Keepsake(tmp_path / "handoff.db").trail() == 0
    assert not store.grown_old()
    store.close()
