"""Once a day the CRM's list of changed deals is held against the ledger: what every feed passed over is found."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from engine.harness import Desk, a_desk

from connector.crm.port import (
    Change,
    ChangePage,
)
from connector.engine.detector import looks_for
from connector.engine.parts import Timing


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A daemon whose feed has gone deaf: every page is empty."""
    desk = a_desk()
    desk.settle()
    monkeypatch.setattr(desk.crm, "changes", lambda feed, cursor: ChangePage((), cursor, more=False))
    return desk


def test_an_edit_that_every_feed_passed_over_is_looked_at_within_a_day(desk: Desk) -> None:
    deal = desk.a_deal(risks=None)
    desk.run()
    assert desk.store.pending_looks(desk.system.name) == 0
    desk.run(hours=25)
    assert [each.deal_id for each in desk.store.handoffs(desk.system.name, limit=9)] == [deal]


def test_what_was_looked_at_since_is_left_alone() -> None:
    desk = a_desk()
    deal = desk.a_deal()
    desk.settle()
    desk.win(deal)
    desk.settle()
    desk.run(hours=25)
    desk.settle()
    desk.calls.clear()
    desk.clock.advance(timedelta(hours=25))
    assert desk.run().looked <= 1  # the handoff in flight, which each sweep reads again
    assert desk.calls["scan_changed"] == 1


def test_a_handoff_in_flight_is_read_again_at_a_pace_of_its_own() -> None:
    desk = a_desk(timing=Timing(reread_every=timedelta(hours=1).total_seconds()))
    deal = desk.a_deal()
    desk.settle()
    desk.win(deal)
    desk.settle()
    assert desk.run(minutes=16).looked == 0, "a sweep that finds nothing owed reads nothing"
    looked = sum(desk.run(minutes=16).looked for _ in range(4))
    assert looked == 1
    assert desk.store.handoffs(desk.system.name, limit=9)[0].looked_because == "in flight, not looked at for long"


def test_an_own_change_is_looked_at_so_long_after_it_was_made_whenever_it_was_heard_of() -> None:
    desk = a_desk()
    now, wait = desk.clock.now(), timedelta(seconds=desk.shared.timing.echo_delay)

    def due(modified_at: datetime) -> datetime:
        change = Change(deal_id="D1", modified_at=modified_at, by_self=True)
        (look,) = looks_for(desk.shared, desk.system, [change], "deal")
        return look.due_at

    assert due(now - timedelta(seconds=45)) == now + wait - timedelta(seconds=45)
    assert due(now - timedelta(hours=3)) == now
    assert due(now + timedelta(hours=3)) == now + wait, "a CRM whose clock is ahead puts nothing off"


def test_a_sweep_lists_recent_wins_and_once_a_day_all(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    begun = desk.clock.now().date()
    monkeypatch.setattr(desk.crm, "scan_won", lambda since: asked.append(since) or iter(()))
    desk.clock.advance(timedelta(days=30))
    desk.run()
    desk.run(minutes=16)
    assert asked == [begun - timedelta(days=1), desk.crm.server_time().date() - timedelta(days=7)]


def test_how_far_the_clocks_are_apart_is_told_by_the_page_and_not_by_an_older_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The CRM's time is that of its last answer; who listens to changes may not have asked for minutes."""
    desk = a_desk()
    desk.settle()
    desk.a_deal(risks=None)
    desk.clock.advance(timedelta(seconds=5))
    desk.settle()
    answered = [desk.crm.server_time()]
    scan = desk.crm.scan_changed

    def scanning(since: datetime) -> Iterator[tuple[Change, ...]]:
        for page in scan(since):
            answered[0] = desk.clock.now()
            yield page

    monkeypatch.setattr(desk.crm, "scan_changed", scanning)
    monkeypatch.setattr(desk.crm, "server_time", lambda: answered[0])
    desk.clock.advance(timedelta(hours=25))
    answered[0] = desk.clock.now() - timedelta(minutes=5)
    desk.calls.clear()
    desk.run()
    assert desk.calls["fetch"] == 0
