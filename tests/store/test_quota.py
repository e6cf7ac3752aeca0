"""One budget for all: what fits, how long to wait, what a refusal does. By a clock moved by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from connector.clock import ManualClock
from connector.handoff.model import SystemName
from connector.store import Quota, Store, open_store
from connector.store.quota import QUIET

HS = SystemName("hs")


@pytest.fixture
def store(clock: ManualClock) -> Iterator[Store]:
    """In memory; that the statements are PostgreSQL's too is shown where several processes ask at once."""
    opened = open_store("sqlite://", clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def quota(store: Store) -> Quota:
    return store.quota(HS, "burst", rate=10, burst=20)


def all_of(quota: Quota) -> int:
    taken = 0
    while (granted := quota.take(5)) and granted.calls:
        taken += granted.calls
    return taken


def test_a_burst_and_then_the_rate(quota: Quota, clock: ManualClock) -> None:
    assert all_of(quota) == 20
    granted = quota.take()
    assert granted is not None
    assert granted.wait == pytest.approx(0.1, abs=0.01)
    clock.advance(timedelta(seconds=1))
    assert all_of(quota) == 10


def test_budgets_are_apart(store: Store, quota: Quota) -> None:
    assert all_of(quota) == 20
    assert all_of(store.quota(HS, "search", rate=1, burst=1)) == 1
    assert all_of(store.quota(SystemName("hs2"), "burst", rate=10, burst=20)) == 20


def test_a_refusal_closes_it_for_everybody_and_halves_the_rate(store: Store, quota: Quota, clock: ManualClock) -> None:
    all_of(quota)
    quota.refused(2)
    mate = store.quota(HS, "burst", rate=10, burst=20)
    clock.advance(timedelta(seconds=1.9))
    assert all_of(mate) == 0
    clock.advance(timedelta(seconds=0.2))
    assert 0 < all_of(mate) <= 20
    clock.advance(timedelta(seconds=1))
    assert all_of(mate) == 5
    clock.advance(timedelta(seconds=QUIET + 1))
    all_of(mate)
    clock.advance(timedelta(seconds=1))
    assert all_of(mate) == 6


def test_what_the_vendor_says_is_used_up_waits_and_keeps_its_rate(quota: Quota, clock: ManualClock) -> None:
    quota.used_up(1)
    assert all_of(quota) == 0
    clock.advance(timedelta(seconds=1.1))
    assert all_of(quota) == 20


def test_a_lower_limit_counts_at_once(store: Store, quota: Quota, clock: ManualClock) -> None:
    """The vendor's limit was lowered, or a process with the new figure comes second."""
    assert all_of(quota) == 20
    clock.advance(timedelta(seconds=10))
    lower = store.quota(HS, "burst", rate=2, burst=4)
    assert all_of(lower) == 4
    clock.advance(timedelta(seconds=1))
    assert all_of(lower) == 2


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (1, 0.5)])
def test_a_budget_needs_a_rate_and_a_call(store: Store, rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="budget"):
        store.quota(HS, "burst", rate=rate, burst=burst)
