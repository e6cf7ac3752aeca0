"""The hostile world's judge can fail: the same short story, played with the product as it is and with parts broken.

Not the stories themselves: ``python -m chaos machine`` makes those up.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chaos.machine.judge import Broken
from chaos.machine.memory import HostileCRM, MemoryPlace
from chaos.machine.office import NeverRested, Office, open_stores, watch
from chaos.machine.play import quiet, replayed
from chaos.machine.story import HostileWorld, Step, Tally
from chaos.machine.worlds import WORLDS
from connector.clock import ManualClock
from connector.crm.memory_rows import Row
from connector.crm.writing import Write
from connector.engine import dispatcher, reconciler, verifier
from connector.engine.settling import write_of
from connector.handoff import lifecycle, ownership
from connector.handoff.plan import Phase
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

SET_BACK: list[Step] = [
    ("a_start", {"full": True, "won": False}),
    ("vendor_clock", {"seconds": -2}),
    ("foul_win", {"count": 1, "deal": 4, "faults": [21, 15, 30, 7]}),
]
"""A vendor's clock that goes back: it dates the win to before the baseline itself."""


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


def _played(script: list[Step] | None = None) -> Exception | None:
    with quiet(), _world() as story:
        return replayed(story, script or STORY)


def _before_start(*_: Any, **__: Any) -> Phase:
    return Phase.BEFORE_START


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


def test_a_win_that_the_vendor_dates_before_the_baseline_is_not_lost() -> None:
    assert _played(SET_BACK) is None


def test_a_win_from_after_the_baseline_that_is_taken_for_an_old_one_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "_phase", _before_start)
    wrong = _played([step for step in SET_BACK if step[0] != "vendor_clock"])
    assert isinstance(wrong, Broken)
    assert wrong.lost
    assert "is taken for a win from before the start" in str(wrong)


@pytest.mark.parametrize("world", [name for name in WORLDS if not name.startswith("memory")])
def test_every_place_tells_when_the_crm_says_that_a_deal_was_won(world: str) -> None:
    clock = ManualClock(START)
    with WORLDS[world]() as opened:
        place = opened(clock)
        account = place.add_account("Nordlys AS")
        for number in range(2):
            place.add_deal(account, {**place.full, "name": f"Rollout {number}", "owner": place.reps[0]})
        first, second = (each.id for each in place.deals())
        for seconds, stage in ((60, place.won), (60, place.opens[0]), (-300, place.won)):
            place.advance(seconds)
            place.move(first, stage)
        won = {each.id: each.won_at for each in place.deals()}
    assert won == {first: START - timedelta(seconds=180), second: None}
