"""Once a day the CRM's list of changed deals is held against the ledger: what every feed passed over is found."""

from __future__ import annotations

from datetime import timedelta

import pytest
from engine.harness import Desk, a_desk

from connector.crm.port import ChangePage


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


def test_a_sweep_lists_recent_wins_and_once_a_day_all(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    begun = desk.clock.now().date()
    monkeypatch.setattr(desk.crm, "scan_won", lambda since: asked.append(since) or iter(()))
    desk.clock.advance(timedelta(days=30))
    desk.run()
    desk.run(minutes=16)
    assert asked == [begun - timedelta(days=1), desk.crm.server_time().date() - timedelta(days=7)]
