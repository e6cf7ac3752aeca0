"""Claiming: one lane at a time, each deal's orders in turn, and nobody gets what another has."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from plans import (
    BUSY,
    NOW,
    OTHER_SYSTEM,
    REFUSED,
    SILENT,
    SYSTEM,
    a_deal_patch,
    a_full_set,
    a_plan,
    a_task,
    an_account_patch,
)
from sending import claim, decide, send_all, settle, states

from connector.clock import ManualClock
from connector.handoff.plan import Order
from connector.store import RANKS, Decided, Lane, Park, Retry, State, Store, Unsure, open_store
from connector.store.states import OPEN

MINUTE = timedelta(minutes=1)


def test_orders_of_a_deal_go_out_in_turn(store: Store) -> None:
    revert = a_deal_patch(step="patch-revert", order=Order.REVERT)
    decide(store, "D1", *reversed(a_full_set(tasks=2)), revert)
    assert send_all(store) == [
        ["patch-revert"],
        ["patch-account"],
        ["step-1", "step-0"],
        ["patch-deal"],
        ["notify-csm_assigned"],
    ]


def test_orders_rank_as_they_are_declared() -> None:
    assert list(RANKS) == sorted(RANKS, key=lambda order: order.value)
    assert list(RANKS.values()) == list(range(len(Order)))


def test_a_lane_takes_rows_of_many_deals_up_to_its_size(store: Store) -> None:
    decided = [Decided(a_plan(f"D{n}", *a_full_set(f"D{n}", account_id=f"A{n}"))) for n in range(10)]
    store.record(SYSTEM, decided, act=True)
    asked: list[Lane] = []

    def size(lane: Lane) -> int:
        asked.append(lane)
        return 7

    claimed = store.claim(SYSTEM, owner="w", batch=size, lease_seconds=60)
    assert claimed is not None
    assert asked == [claimed.lane] == [Lane(SYSTEM, "account", "update")]
    assert [row.deal_id for row in claimed.rows] == [f"D{n}" for n in range(7)]
    assert claimed.lease_until == NOW + MINUTE
    assert all((row.state, row.attempt, row.claimed_at) == (State.SENDING, 1, NOW) for row in claimed.rows)


@pytest.mark.parametrize("outcome", [State.SENDING, State.UNKNOWN, State.PENDING])
def test_an_open_row_holds_back_its_own_deal_only(store: Store, outcome: State) -> None:
    decide(store, "D1", an_account_patch("A1"), a_task())
    claimed = claim(store)
    assert claimed is not None
    if outcome is State.UNKNOWN:
        settle(store, claimed, lambda _row: Unsure(SILENT))
    if outcome is State.PENDING:
        settle(store, claimed, lambda _row: Retry(BUSY, at=NOW + MINUTE))
    assert claim(store) is None
    decide(store, "D2", a_task(deal_id="D2"))
    other = claim(store)
    assert other is not None
    assert [row.deal_id for row in other.rows] == ["D2"]


def test_a_parked_row_does_not_hold_back_the_rest(store: Store) -> None:
    decide(store, "D1", an_account_patch("A1"), a_task())
    claimed = claim(store)
    assert claimed is not None
    settle(store, claimed, lambda _row: Park(REFUSED))
    assert send_all(store) == [["welcome-packet"]]


def test_rows_at_the_same_record_never_share_a_call(store: Store) -> None:
    """Vendors refuse a batch that names one record twice."""
    decide(store, "D1", an_account_patch("A1"))
    decide(store, "D2", an_account_patch("A1"))
    decide(store, "D3", an_account_patch("A3"))
    first = claim(store)
    assert first is not None
    assert [row.deal_id for row in first.rows] == ["D1", "D3"]
    second = claim(store)
    assert second is not None
    assert [row.deal_id for row in second.rows] == ["D2"]


def test_waiting_rows_are_claimed_when_their_time_has_come(store: Store, clock: ManualClock) -> None:
    decide(store, "D1", a_deal_patch())
    claimed = claim(store)
    assert claimed is not None
    settle(store, claimed, lambda _row: Retry(BUSY, at=NOW + MINUTE))
    clock.advance(timedelta(seconds=59))
    assert claim(store) is None
    clock.advance(timedelta(seconds=1))
    again = claim(store)
    assert again is not None
    assert again.rows[0].attempt == 2
    assert again.rows[0].error == BUSY


def test_systems_are_apart(store: Store) -> None:
    decide(store, "D1", a_deal_patch())
    assert store.claim(OTHER_SYSTEM, owner="w", batch=lambda _lane: 9, lease_seconds=60) is None


def test_a_batch_of_nothing_is_a_mistake(store: Store) -> None:
    decide(store, "D1", a_deal_patch())
    with pytest.raises(ValueError, match="a batch of 0 rows"):
        claim(store, size=0)
    assert states(store) == [("patch-deal", State.PENDING)]


def test_counts_and_the_oldest(store: Store, clock: ManualClock) -> None:
    assert store.oldest_open(SYSTEM) is None
    assert set(store.counts(SYSTEM).values()) == {0}
    decide(store, "D1", a_deal_patch())
    clock.advance(MINUTE)
    decide(store, "D2", a_deal_patch("D2"))
    assert store.oldest_open(SYSTEM) == NOW
    assert store.counts(SYSTEM)[State.PENDING] == 2
    send_all(store)
    assert store.oldest_open(SYSTEM) is None
    assert store.counts(SYSTEM)[State.APPLIED] == 2


def test_many_workers_claim_each_row_once(store: Store, url: str, clock: ManualClock) -> None:
    """On PostgreSQL each worker is a replica of its own; on SQLite they are threads of one daemon."""
    deals = 60
    decided = [Decided(a_plan(f"D{n}", *a_full_set(f"D{n}", account_id=f"A{n}"))) for n in range(deals)]
    store.record(SYSTEM, decided, act=True)
    sent: list[tuple[int, int]] = []
    out_of_turn: list[str] = []
    failures: list[BaseException] = []
    highest: dict[str, int] = {}
    gate = threading.Lock()

    def work(name: str) -> None:
        mine = store if store.single_process else open_store(url, clock=clock)
        try:
            while store.oldest_open(SYSTEM) is not None:
                claimed = claim(mine, owner=name, size=9)
                if claimed is None:
                    continue
                with gate:
                    for row in claimed.rows:
                        sent.append((row.id, row.attempt))
                        if RANKS[row.order] < highest.get(row.deal_id, 0):
                            out_of_turn.append(f"{row.deal_id} {row.step}")
                        highest[row.deal_id] = RANKS[row.order]
                settle(mine, claimed)
        except BaseException as error:  # noqa: BLE001  # a thread's failure must reach the test
            failures.append(error)
        finally:
            if mine is not store:
                mine.close()

    workers = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []
    assert len(sent) == len(set(sent)) == deals * 8
    assert out_of_turn == []
    assert store.counts(SYSTEM)[State.APPLIED] == deals * 8
    assert all(store.counts(SYSTEM)[state] == 0 for state in OPEN)
