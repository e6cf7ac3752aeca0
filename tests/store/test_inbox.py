"""Looks: none lost, none done twice, and the cursor never ahead of them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from plans import NOW, OTHER_SYSTEM, SYSTEM, a_deal_patch, a_plan

from connector.clock import ManualClock
from connector.crm.port import (
    Change,
)
from connector.store import Applied, Decided, Look, Settlement, Store

MINUTE = timedelta(minutes=1)


def due(store: Store) -> list[tuple[str, str]]:
    return [(look.deal_id, look.reason) for look in store.due(SYSTEM, limit=100)]


def the_look(store: Store) -> Look:
    (look,) = store.due(SYSTEM, limit=10)
    return look


def test_looks_and_cursor_are_stored_together(store: Store) -> None:
    store.enqueue(SYSTEM, [Look("D1", NOW, "changed in deals", modified_at=NOW)], cursor=("deals", "page-2"))
    assert store.cursor(SYSTEM, "deals") == "page-2"
    look = the_look(store)
    assert (look.deal_id, look.due_at, look.modified_at) == ("D1", NOW, NOW)


def test_cursor_stays_when_a_look_cannot_be_stored(store: Store) -> None:
    store.set_cursor(SYSTEM, "deals", "page-1")
    with pytest.raises(Exception, match="aware"):
        store.enqueue(SYSTEM, [Look("D1", NOW.replace(tzinfo=None), "changed")], cursor=("deals", "page-2"))
    assert store.cursor(SYSTEM, "deals") == "page-1"
    assert store.pending_looks(SYSTEM) == 0


def test_a_deal_is_one_row_and_the_earlier_time_wins(store: Store) -> None:
    store.enqueue(SYSTEM, [Look("D1", NOW + MINUTE, "own write seen")])
    store.enqueue(SYSTEM, [Look("D1", NOW, "changed in deals"), Look("D1", NOW + 2 * MINUTE, "later")])
    store.enqueue(SYSTEM, [Look("D1", NOW + 3 * MINUTE, "much later")])
    assert due(store) == [("D1", "changed in deals")]
    assert store.pending_looks(SYSTEM) == 1


def test_only_what_is_due_and_the_longest_overdue_first(store: Store, clock: ManualClock) -> None:
    items = [Look("D1", NOW, "a"), Look("D2", NOW - MINUTE, "b"), Look("D3", NOW + MINUTE, "c")]
    store.enqueue(SYSTEM, items)
    assert due(store) == [("D2", "b"), ("D1", "a")]
    assert [look.deal_id for look in store.due(SYSTEM, limit=1)] == ["D2"]
    assert store.next_due(SYSTEM) == NOW - MINUTE
    assert (store.due_looks(SYSTEM), store.pending_looks(SYSTEM)) == (2, 3)
    clock.advance(MINUTE)
    assert store.due_looks(SYSTEM) == 3
    assert len(due(store)) == 3


def test_systems_do_not_see_each_other(store: Store) -> None:
    store.enqueue(OTHER_SYSTEM, [Look("D1", NOW, "changed")], cursor=("deals", "9"))
    assert due(store) == []
    assert store.next_due(SYSTEM) is None
    assert store.cursor(SYSTEM, "deals") is None
    assert store.pending_looks(OTHER_SYSTEM) == 1


def test_a_wish_during_a_look_is_not_lost(store: Store) -> None:
    store.enqueue(SYSTEM, [Look("D1", NOW, "changed")])
    taken = the_look(store)
    store.enqueue(SYSTEM, [Look("D1", NOW, "changed again")])
    store.record(SYSTEM, [Decided(a_plan("D1"), taken.version)], act=True)
    assert the_look(store).version > taken.version


def test_an_old_look_cannot_clear_a_new_one(store: Store) -> None:
    """Version numbers do not start over when a look is done: two replicas may hold the same one."""
    store.enqueue(SYSTEM, [Look("D1", NOW, "changed")])
    taken = the_look(store)
    store.record(SYSTEM, [Decided(a_plan("D1"), taken.version)], act=True)
    assert due(store) == []
    store.enqueue(SYSTEM, [Look("D1", NOW, "changed again")])
    store.record(SYSTEM, [Decided(a_plan("D1"), taken.version)], act=True)
    assert due(store) == [("D1", "changed again")]


def test_the_decision_names_the_next_look(store: Store, clock: ManualClock) -> None:
    store.enqueue(SYSTEM, [Look("D1", NOW, "changed")])
    store.record(SYSTEM, [Decided(a_plan("D1"), the_look(store).version, NOW + MINUTE)], act=True)
    assert due(store) == []
    assert store.next_due(SYSTEM) == NOW + MINUTE
    clock.advance(MINUTE)
    assert the_look(store).deal_id == "D1"


def test_deals_that_are_gone_are_forgotten_unless_asked_again(store: Store) -> None:
    store.enqueue(SYSTEM, [Look("D1", NOW, "changed"), Look("D2", NOW, "changed")])
    looks = store.due(SYSTEM, limit=10)
    store.enqueue(SYSTEM, [Look("D2", NOW, "restored")])
    store.forget_looks(SYSTEM, looks)
    assert [look.deal_id for look in store.due(SYSTEM, limit=10)] == ["D2"]
    store.forget_looks(SYSTEM, [])


def test_our_own_write_is_known_by_its_time(store: Store) -> None:
    store.record(SYSTEM, [Decided(a_plan("D1", a_deal_patch()))], act=True)
    claimed = store.claim(SYSTEM, owner="w", batch=lambda _lane: 10, lease_seconds=60)
    assert claimed is not None
    stamp = NOW + timedelta(milliseconds=1234)
    store.settle([Settlement(row.id, row.attempt, Applied("D1", stamp)) for row in claimed.rows])
    assert store.is_echo(SYSTEM, [Change("D1", stamp), Change("D2", stamp)]) == {"D1"}
    assert store.is_echo(SYSTEM, [Change("D1", stamp + timedelta(milliseconds=1))]) == set()
    assert store.is_echo(SYSTEM, []) == set()
