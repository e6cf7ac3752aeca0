"""A thousand wins at once, and a long history: the store stays out of the way."""

from __future__ import annotations

import time

import pytest
from plans import NOW, SYSTEM, a_full_set, a_plan
from sending import claim, send_all
from sqlalchemy import create_engine, event, text

from connector.clock import ManualClock
from connector.store import Decided, State, Store, open_store

RECORD_SECONDS = 3.0
SETTLED = 100_000


def test_a_thousand_decisions_with_eight_actions_each(sqlite_url: str, clock: ManualClock) -> None:
    store = open_store(sqlite_url, clock=clock)
    store.set_baseline(SYSTEM, NOW)
    decided = [Decided(a_plan(f"D{n}", *a_full_set(f"D{n}", account_id=f"A{n}"))) for n in range(1000)]
    began = time.process_time()
    store.record(SYSTEM, decided, act=True)
    assert time.process_time() - began < RECORD_SECONDS
    assert store.counts(SYSTEM)[State.PENDING] == 8000
    store.close()


OPEN_ROWS_ONLY = ("outbox_claim", "outbox_open", "outbox_wait")
WHOLE_TABLE = ("outbox_state", "outbox_deal", "outbox_pkey")
HISTORY = """
INSERT INTO outbox (system, deal_id, generation, step, key, rank, kind, operation, target, action, digest,
                    fingerprint, reason, state, attempt, available_at, created_at, settled_at)
WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < :rows)
SELECT system, 'old-' || n, generation, step, key || n, rank, kind, operation, target, action, digest,
       fingerprint, reason, 'applied', 1, available_at, created_at, created_at
FROM outbox, count WHERE outbox.id = (SELECT min(id) FROM outbox)
"""


@pytest.fixture
def with_history(store: Store, url: str) -> Store:
    """A store in which a hundred thousand rows were settled, and forty deals wait."""
    waiting = [Decided(a_plan(f"D{n}", *a_full_set(f"D{n}", account_id=f"A{n}"))) for n in range(40)]
    store.record(SYSTEM, waiting, act=True)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(HISTORY), {"rows": SETTLED})
        connection.execute(text("ANALYZE"))
    engine.dispose()
    return store


def test_claims_do_not_read_the_history(with_history: Store, url: str) -> None:
    """What looks for claimable rows must keep to the indexes that hold open rows only; the update goes by id."""
    statements: list[tuple[str, object]] = []
    engine = with_history._db._engine

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_rest: object) -> None:
        statements.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    claimed = claim(with_history)
    event.remove(engine, "before_cursor_execute", note)
    assert claimed is not None
    assert len(claimed.rows) == 40
    asked = [one for one in statements if "outbox" in one[0]]
    # On PostgreSQL also what others are sending, by (system, state): as many rows as are in flight.
    assert len(asked) == (3 if with_history.single_process else 4)
    explain = "EXPLAIN QUERY PLAN " if with_history.single_process else "EXPLAIN "
    with create_engine(url).connect() as connection:
        for statement, parameters in (asked[0], asked[-2]):
            rows = connection.exec_driver_sql(explain + statement, parameters).all()
            plan = " / ".join(str(row[-1]) for row in rows)
            assert "Seq Scan" not in plan, plan
            assert any(index in plan for index in OPEN_ROWS_ONLY), plan
            assert not any(index in plan for index in WHOLE_TABLE), plan


def test_sending_with_a_long_history_is_quick(with_history: Store) -> None:
    began = time.process_time()
    assert len(send_all(with_history)) == 4
    assert time.process_time() - began < RECORD_SECONDS
