"""The hostile world's judge can fail: the same short story, played with the product as it is and with parts broken.

Not the stories themselves: ``python -m chaos machine`` makes those up.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from chaos.machine.judge import Broken
from chaos.machine.memory import HostileCRM, MemoryPlace
from chaos.machine.office import NeverRested, Office, open_stores, watch
from chaos.machine.play import quiet, replayed
from chaos.machine.story import HostileWorld, Step, Tally
from connector.clock import ManualClock
from connector.crm.memory_rows import Row
from connector.crm.writing import Write
from connector.engine import dispatcher, reconciler, verifier
from connector.engine.settling import write_of
from connector.handoff import ownership
from connector.store import OutboxRow

START = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
LOST = MemoryPlace.faults.index("reply lost")
STORY: list[Step] = [
    ("a_start", {"full": True, "won": False}),
    ("win_complete", {"deal": 0}),
    ("foul_pass", {"fault": LOST, "count": 4, "number": 0}),
    ("passes", {"number": 0, "count": 3}),
    ("foul_pass", {"fault": LOST, "count": 1, "number": 0}),
    ("die", {"number": 0, "at": 9}),
    ("edit_account", {"account": 0, "csm": None}),
    ("edit_ours", {"deal": 0, "name": "summary", "value": "A person's own words"}),
    ("win_complete", {"deal": 1}),
]


@contextmanager
def _world() -> Iterator[type[HostileWorld]]:
    clock = ManualClock(START)
    stores = open_stores("sqlite://", clock=clock, replicas=1)

    def begin() -> Office:
        place = MemoryPlace(start=START, notes_have_keys=False)
        office = Office(place, stores, watch(stores), clock)
        office.boot(0)
        return office

    class Story(HostileWorld):
        """This one."""

    Story.begin, Story.tally = staticmethod(begin), Tally()
    yield Story
    for store in stores:
        store.close()


def _played() -> Exception | None:
    with quiet(), _world() as story:
        return replayed(story, STORY)


def test_the_product_as_it_is_holds() -> None:
    assert _played() is None


def test_a_reconciler_that_decides_nothing_loses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler, "decide", lambda *_: 1 / 0)
    wrong = _played()
    assert isinstance(wrong, Broken)
    assert wrong.lost


def test_a_vendor_that_makes_anew_what_nobody_looks_up_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    insert = HostileCRM._insert

    def forgetful(crm: HostileCRM, *given: Any, **named: Any) -> Row:
        row = insert(crm, *given, **named)
        crm._by_key.clear()
        return row

    monkeypatch.setattr(HostileCRM, "_insert", forgetful)
    assert _played() is None, "whoever looks before sending again does not need the vendor's memory"
    monkeypatch.setattr(verifier, "_find_upserts", lambda *_: {})
    wrong = _played()
    assert isinstance(wrong, Broken)
    assert wrong.doubled
    assert "task mem:deal-3:1:welcome-packet was made" in str(wrong)


def test_a_key_that_is_another_at_each_attempt_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_attempt(row: OutboxRow) -> Write:
        write = write_of(row)
        return dataclasses.replace(write, key=f"{row.attempt}{write.key}" if write.key else write.key)

    monkeypatch.setattr(dispatcher, "write_of", by_attempt)
    wrong = _played()
    assert isinstance(wrong, Broken)
    assert wrong.doubled
    assert "task on deal-3, generation 1" in str(wrong)


def test_a_field_that_may_always_be_written_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def always(*_: Any, **__: Any) -> bool:
        return True

    monkeypatch.setattr(ownership, "_may_write", always)
    wrong = _played()
    assert isinstance(wrong, (Broken, NeverRested))
    assert "overwritten" in str(wrong)
