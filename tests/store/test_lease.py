"""Leases pass from one owner to the next only when they run out or are given back; a paused system says so."""

from __future__ import annotations

from datetime import timedelta

from plans import NOW, OTHER_SYSTEM, SYSTEM

from connector.clock import ManualClock
from connector.store import Store


def test_one_holder_at_a_time(store: Store, clock: ManualClock) -> None:
    assert store.lease("pass", owner="a", ttl=30)
    assert not store.lease("pass", owner="b", ttl=30)
    assert store.lease("other", owner="b", ttl=30)
    clock.advance(timedelta(seconds=29))
    assert store.lease("pass", owner="a", ttl=30), "the holder renews"
    clock.advance(timedelta(seconds=29))
    assert not store.lease("pass", owner="b", ttl=30)
    clock.advance(timedelta(seconds=1))
    assert store.lease("pass", owner="b", ttl=30)
    assert not store.lease("pass", owner="a", ttl=30)


def test_only_the_holder_gives_back(store: Store) -> None:
    store.lease("pass", owner="a", ttl=30)
    store.release("pass", "b")
    assert not store.lease("pass", owner="b", ttl=30)
    store.release("pass", "a")
    assert store.lease("pass", owner="b", ttl=30)


def test_pause_until_a_time(store: Store, clock: ManualClock) -> None:
    until = NOW + timedelta(minutes=1)
    store.pause(SYSTEM, until=until, reason="REQUEST_LIMIT_EXCEEDED")
    assert store.paused(SYSTEM) == (until, "REQUEST_LIMIT_EXCEEDED")
    assert store.paused(OTHER_SYSTEM) is None
    clock.advance(timedelta(minutes=1))
    assert store.paused(SYSTEM) is None


def test_resume_now(store: Store) -> None:
    store.pause(SYSTEM, until=NOW + timedelta(days=1), reason="x")
    store.resume(SYSTEM)
    store.resume(SYSTEM)
    assert store.paused(SYSTEM) is None
    assert store.baseline(SYSTEM) == NOW, "a pause leaves the rest of the system's row alone"
