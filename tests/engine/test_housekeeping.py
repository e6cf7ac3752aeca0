"""Once a day, by one process: what waits for the chain gets its place, its ends are logged, what is old goes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import timedelta

import pytest
from engine.harness import SYSTEM, Desk, a_desk
from sqlalchemy import text
from structlog.testing import capture_logs

from connector.engine.housekeeping import (
    HOUSE_KEPT,
    KEPT_AT,
    LEASE,
    LEASE_SECONDS,
    NOBODYS,
    TRAIL_ANCHORED,
    TRAIL_CHAINED,
    keep_house,
)
from connector.handoff.plan import Phase
from connector.store import Keep, State, Store

DAY = timedelta(days=1)


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A handoff was made, and everything is kept for a week."""
    made = a_desk()
    made.shared = dataclasses.replace(made.shared, keep=Keep(7, 7, 7, 7, 7, 7))
    made.settle()
    made.win(made.a_deal())
    made.settle()
    yield made
    made.store.close()


def test_it_is_done_once_a_day_and_by_one(desk: Desk) -> None:
    assert keep_house(desk.shared)
    assert not keep_house(desk.shared)
    desk.clock.advance(DAY)
    desk.store.lease(LEASE, owner="another replica", ttl=60)
    assert not keep_house(desk.shared)
    desk.clock.advance(timedelta(minutes=2))
    assert keep_house(desk.shared)


@pytest.mark.parametrize("garbled", ["", "x", "2026-03-02T08:00:00"])
def test_it_is_done_though_when_it_was_done_last_cannot_be_read(desk: Desk, garbled: str) -> None:
    desk.store.set_cursor(NOBODYS, KEPT_AT, garbled)
    assert keep_house(desk.shared)
    assert not keep_house(desk.shared)


def test_the_ends_of_the_chains_are_told_and_hold_later(desk: Desk) -> None:
    with capture_logs() as logs:
        keep_house(desk.shared)
    (told,) = [each for each in logs if each["event"] == TRAIL_ANCHORED]
    (anchor,) = desk.store.anchors()
    assert (told["system"], told["rows"], told["hash"]) == (SYSTEM, anchor.seq, anchor.hash)


def test_what_came_without_a_place_is_chained(desk: Desk) -> None:
    with desk.store._db.write() as connection:
        connection.execute(text("DROP TRIGGER audit_chained"))
        connection.execute(text("DELETE FROM cursor WHERE feed = 'trail-sealed'"))
        row = "SELECT at, system, deal_id, generation, kind, reason, data FROM audit WHERE id = 1"
        connection.execute(text(f"INSERT INTO audit (at, system, deal_id, generation, kind, reason, data) {row}"))
    assert desk.store.verify_trail(SYSTEM).waiting == 1
    with capture_logs() as logs:
        keep_house(desk.shared)
    assert [each["rows"] for each in logs if each["event"] == TRAIL_CHAINED] == [1]
    assert (desk.store.verify_trail(SYSTEM).waiting, desk.store.verify_trail(SYSTEM).broken) == (0, None)


def test_nobody_else_begins_while_years_of_rows_are_chained(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = [500, 500, 0]
    taken: list[bool] = []

    def chain_slowly(_store: Store) -> int:
        desk.clock.advance(timedelta(seconds=LEASE_SECONDS * 0.7))
        taken.append(desk.store.lease(LEASE, owner="another replica", ttl=60))
        return batches.pop(0)

    monkeypatch.setattr(Store, "chain_waiting", chain_slowly)
    assert keep_house(desk.shared)
    assert taken == [False, False, False]


def test_what_is_old_goes_and_the_handoff_goes_on_as_before(desk: Desk) -> None:
    (deal,) = (view.deal_id for view in desk.store.handoffs(SYSTEM, limit=9))
    tasks = desk.tasks(deal)
    desk.clock.advance(8 * DAY)
    with capture_logs() as logs:
        assert keep_house(desk.shared)
    (kept,) = [each for each in logs if each["event"] == HOUSE_KEPT]
    assert kept["writes"] > 0
    assert kept["trail"] > 0
    assert desk.store.counts(SYSTEM)[State.APPLIED] == 0
    counted = desk.shared.telemetry.registry.get_sample_value("handoff_let_go_rows_total", {"kind": "writes"})
    assert counted == kept["writes"]
    view = desk.store.handoff(SYSTEM, deal)
    assert view is not None
    assert (view.plan, view.phase) == (None, Phase.IN_FLIGHT)
    # The next look decides from the CRM and the ledger as ever: nothing is made a second time.
    desk.settle()
    assert desk.tasks(deal).keys() == tasks.keys()
    assert len(desk.notes(deal)) == 1


def test_it_stops_between_two_batches(desk: Desk) -> None:
    desk.clock.advance(8 * DAY)
    desk.shared.stopping.set()
    keep_house(desk.shared)
    assert desk.store.counts(SYSTEM)[State.APPLIED] > 0
    desk.shared.stopping.clear()
    assert keep_house(desk.shared)
    assert desk.store.counts(SYSTEM)[State.APPLIED] == 0
