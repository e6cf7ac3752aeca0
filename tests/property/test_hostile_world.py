"""The hostile world's judge can fail: the same short story, played with the product as it is and with parts broken.

Not the stories themselves: ``python -m chaos machine`` makes those up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from chaos.machine.judge import Broken
from chaos.machine.memory import MemoryPlace
from chaos.machine.office import NeverRested, Office, open_stores, watch
from chaos.machine.play import quiet, replayed
from chaos.machine.story import HostileWorld, Step, Tally
from connector.clock import ManualClock
from connector.engine import reconciler
from connector.handoff import ownership

START = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
LOST = MemoryPlace.faults.index("reply lost")
STORY: list[Step] = [
    ("a_start", {"full": True, "won": False}),
    ("win_complete", {"deal": 0}),
    ("foul_pass", {"fault": LOST, "count": 4, "number": 0}),
    ("passes", {"number": 0, "count": 2}),
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


def test_a_field_that_may_always_be_written_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def always(*_: Any, **__: Any) -> bool:
        return True

    monkeypatch.setattr(ownership, "_may_write", always)
    wrong = _played()
    assert isinstance(wrong, (Broken, NeverRested))
    assert "overwritten" in str(wrong)
