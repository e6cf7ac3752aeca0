"""What outlives the database: the time from which wins are acted on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from connector.clock import ManualClock
from connector.handoff.model import SystemName
from connector.store import open_store

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


def test_a_spoiled_note_is_no_note(tmp_path: Path) -> None:
    for content in ("", "no json", "[1]", '{"sf": "yesterday"}', '{"sf": 7}'):
        (tmp_path / "handoff.db.started").write_text(content)
        store = open_store(f"sqlite:///{tmp_path / 'handoff.db'}", clock=ManualClock(AT))
        assert store.started_before(SF) is None
        store.set_baseline(SF, AT)
        assert store.started_before(SF) == AT
        store.close()
