"""Rows in jobs: claimed with the job's id in one transaction, left alone by rescue, and settled once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from alembic import command
from plans import NOW, SYSTEM, a_deal_patch, a_plan
from sqlalchemy import create_engine, inspect, text

from connector.clock import ManualClock
from connector.handoff.plan import Order
from connector.store import Applied, Decided, Lane, Settlement, State, Store, Turn, open_store, upgrade

DEALS = [f"D{n}" for n in range(5)]
TURN = Turn(Lane(SYSTEM, "deal", "update"), Order.DEAL)
LATER = NOW + timedelta(minutes=15)


@pytest.fixture
def rows(store: Store) -> Store:
    """Five patches of deals wait."""
    plans = [Decided(a_plan(each, a_deal_patch(each)), account_id=f"A{each}") for each in DEALS]
    store.record(SYSTEM, plans, act=True)
    return store


def claim(store: Store, job: str = "J1", **limits: int) -> tuple[str, ...]:
    given = {"size": 100, "chars": 1_000_000} | limits
    found = store.claim_job(TURN, job_id=job, owner="w", due_at=LATER, **given)
    return tuple(row.deal_id for row in found)


def test_a_claim_puts_rows_and_job_down_together(rows: Store) -> None:
    assert rows.next_turn(SYSTEM) == TURN
    assert rows.claimable(TURN, limit=3) == 3
    assert claim(rows) == tuple(DEALS)
    [job] = rows.jobs(SYSTEM)
    assert (job.id, job.rows, job.loaded, job.asked, job.due_at) == ("J1", 5, False, 0, LATER)
    held = rows.job_rows(SYSTEM, "J1", limit=3)
    assert [row.deal_id for row in held] == DEALS[:3]
    assert [row.deal_id for row in rows.job_rows(SYSTEM, "J1", after=held[-1].id, limit=9)] == DEALS[3:]
    assert rows.claimable(TURN, limit=3) == 0


def test_a_claim_is_bounded_by_rows_and_by_characters(rows: Store) -> None:
    assert len(claim(rows, "J1", size=2)) == 2
    assert len(claim(rows, "J2", chars=1)) == 1
    assert len(claim(rows, "J3")) == 2
    assert claim(rows, "J4") == ()
    assert [job.id for job in rows.jobs(SYSTEM)] == ["J1", "J2", "J3"]


def test_rows_of_a_job_know_their_account(rows: Store) -> None:
    found = rows.claim_job(TURN, job_id="J1", owner="w", size=2, chars=9_999, due_at=LATER)
    assert [row.account_id for row in found] == ["AD0", "AD1"]


def test_rescue_leaves_rows_of_a_job_alone(rows: Store, clock: ManualClock) -> None:
    claim(rows, size=2)
    clock.advance(timedelta(days=1))
    assert rows.rescue(SYSTEM, all_mine=True) == 0
    assert rows.counts(SYSTEM)[State.SENDING] == 2


def test_a_job_is_kept_until_its_last_row_is_settled(rows: Store) -> None:
    claim(rows, size=2)
    rows.job_loaded(SYSTEM, "J1", due_at=NOW)
    rows.job_asked(SYSTEM, "J1", due_at=LATER)
    assert [(job.loaded, job.asked) for job in rows.jobs(SYSTEM)] == [(True, 1)]
    for row in rows.job_rows(SYSTEM, "J1", limit=9):
        rows.forget_job(SYSTEM, "J1")
        assert len(rows.jobs(SYSTEM)) == 1
        assert rows.settle([Settlement(row.id, row.attempt, Applied("006"))]) == 1
        assert rows.settle([Settlement(row.id, row.attempt, Applied("006"))]) == 0
    rows.forget_job(SYSTEM, "J1")
    assert rows.jobs(SYSTEM) == ()


def test_orders_can_be_left_out(rows: Store) -> None:
    assert rows.next_turn(SYSTEM, orders=[Order.NOTIFY, Order.ASSIGN]) is None
    kept = [order for order in Order if order is not Order.DEAL]
    assert rows.claim(SYSTEM, owner="w", batch=lambda _lane: 9, lease_seconds=9, orders=kept) is None


def test_a_database_of_the_first_schema_is_brought_up_to_date(url: str, clock: ManualClock) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        config = upgrade._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text(OLD_ROW))
    with engine.connect() as connection:
        assert "job" not in inspect(connection).get_table_names()
    store = open_store(url, clock=clock)
    with engine.connect() as connection:
        assert upgrade.is_current(connection)
    [row] = store.rows(SYSTEM, "D1")
    assert (row.step, row.state) == ("patch-deal", State.PENDING)
    assert claim(store) == ("D1",)
    store.close()
    engine.dispose()


OLD_ROW = f"""
INSERT INTO outbox (system, deal_id, generation, step, key, rank, kind, operation, target, action, digest, fingerprint,
                    reason, state, attempt, available_at, created_at)
VALUES ('{SYSTEM}', 'D1', 1, 'patch-deal', 'k', 3, 'deal', 'update', 'D1',
        '{{"type":"patch","step":"patch-deal","order":"3-deal","ref":{{"kind":"deal","id":"D1"}},"values":{{}},
          "expected":{{}},"reason":"r"}}', 'd', 'f', 'r', 'pending', 0, '2026-01-01 00:00:00', '2026-01-01 00:00:00')
"""
