"""Several processes on one PostgreSQL: who lives, who leads, whose rows are found, and what wakes whom."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from plans import NOW, REFUSED, SYSTEM, a_deal_patch, a_plan
from postgres_server import server_of
from sqlalchemy import create_engine, text

from connector.clock import SystemClock
from connector.handoff.model import SystemName
from connector.store import (
    Applied,
    Decided,
    Lead,
    LeadLost,
    Look,
    Park,
    Pulse,
    Settlement,
    State,
    Store,
    open_store,
    under,
)
from connector.store.replicas import News

pytestmark = pytest.mark.postgres

PASS = "pass:sf-test"  # a lease's name


USED = "outbox, handoff, effect, written, inbox, cursor, letter, lease, replica, quota"


@pytest.fixture(scope="module")
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """One database for all tests here: to make one costs more than most of them."""
    with server_of(request.config).database() as url:
        yield url


@pytest.fixture
def postgres_url(database: str) -> str:
    """It, with nothing in it."""
    open_store(database, clock=SystemClock()).close()
    engine = create_engine(database)
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {USED}"))
    engine.dispose()
    return database


@pytest.fixture
def shared(postgres_url: str) -> Iterator[Store]:
    """A store that goes by the server's clock, as a daemon's does."""
    opened = open_store(postgres_url, clock=SystemClock())
    opened.set_baseline(SYSTEM, NOW)
    yield opened
    opened.close()


@pytest.fixture
def one(shared: Store) -> Iterator[Pulse]:
    pulse = shared.pulse(owner="one")
    yield pulse
    pulse.close()


@pytest.fixture
def other(postgres_url: str) -> Iterator[Pulse]:
    """Another process: it has a database of its own."""
    store = open_store(postgres_url, clock=SystemClock())
    pulse = store.pulse(owner="other")
    yield pulse
    pulse.close()
    store.close()


def run_out(url: str, what: str) -> None:
    """Let everything that was promised have ended."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {what} SET until = clock_timestamp() - interval '1 second'"))
    engine.dispose()


def test_one_leads_and_the_other_takes_over_when_it_falls_silent(one: Pulse, other: Pulse, postgres_url: str) -> None:
    first = one.beat(keep=[], take=[PASS], ttl=30)
    second = other.beat(keep=[], take=[PASS], ttl=30)
    assert first.renewed == {PASS: 1}
    assert second.renewed == {}
    assert second.holders == {PASS: "one"}
    assert second.alive == {"one", "other"}
    run_out(postgres_url, "lease")
    run_out(postgres_url, "replica")
    third = other.beat(keep=[], take=[PASS], ttl=30)
    assert third.renewed == {PASS: 2}
    assert third.alive == {"other"}
    assert one.beat(keep=[PASS], take=[], ttl=30).renewed == {}


def test_what_is_given_back_is_free_at_once(one: Pulse, other: Pulse) -> None:
    one.beat(keep=[], take=[PASS], ttl=30)
    one.give(PASS)
    assert other.beat(keep=[], take=[PASS], ttl=30).holders == {PASS: "other"}


def test_who_leads_no_more_writes_no_more(shared: Store, one: Pulse, other: Pulse, postgres_url: str) -> None:
    one.beat(keep=[], take=[PASS], ttl=30)
    lead = Lead(PASS, "one", 1)
    with under(lead):
        shared.set_cursor(SYSTEM, "deals", "7")
    run_out(postgres_url, "lease")
    other.beat(keep=[], take=[PASS], ttl=30)
    with under(lead), pytest.raises(LeadLost):
        shared.record(SYSTEM, [Decided(a_plan("D1", a_deal_patch()))], act=True)
    assert shared.counts(SYSTEM)[State.PENDING] == 0
    assert shared.cursor(SYSTEM, "deals") == "7"


def test_who_lost_a_lead_and_got_it_back_does_not_write_what_it_decided_before(
    shared: Store, one: Pulse, other: Pulse, postgres_url: str
) -> None:
    one.beat(keep=[], take=[PASS], ttl=30)
    before = Lead(PASS, "one", 1)
    run_out(postgres_url, "lease")
    assert shared.lease(PASS, owner="started by hand", ttl=30)
    shared.release(PASS, "started by hand")
    assert one.beat(keep=[], take=[PASS], ttl=30).renewed == {PASS: 3}
    with under(before), pytest.raises(LeadLost):
        shared.set_cursor(SYSTEM, "deals", "7")
    with under(Lead(PASS, "one", 3)):
        shared.set_cursor(SYSTEM, "deals", "8")


def test_a_lead_is_not_taken_in_the_middle_of_a_write(
    shared: Store, one: Pulse, other: Pulse, postgres_url: str
) -> None:
    """Nor does the holder's own beat wait for long."""
    one.beat(keep=[], take=[PASS], ttl=30)
    run_out(postgres_url, "lease")
    with under(Lead(PASS, "one", 1)), shared._db.write():
        assert other.beat(keep=[], take=[PASS], ttl=30).renewed == {}
        assert one.beat(keep=[PASS], take=[], ttl=30).renewed == {}
    assert one.beat(keep=[PASS], take=[], ttl=30).renewed == {PASS: 1}


def claimed_by(store: Store, owner: str, *deals: str) -> list[Settlement]:
    store.record(SYSTEM, [Decided(a_plan(deal, a_deal_patch(deal))) for deal in deals], act=True)
    claimed = store.claim(SYSTEM, owner=owner, batch=lambda _lane: 10, lease_seconds=900)
    assert claimed is not None
    return [Settlement(row.id, row.attempt, Applied(row.deal_id)) for row in claimed.rows]


def test_rows_of_a_silent_process_are_found_and_its_late_word_counts_for_nothing(
    shared: Store, one: Pulse, postgres_url: str
) -> None:
    """But for one: that the CRM confirmed the very attempt that is in doubt ends the doubt."""
    one.beat(keep=[], take=[], ttl=30)
    late = claimed_by(shared, "one", "D1")
    assert shared.rescue(SYSTEM, all_mine=False) == 0
    run_out(postgres_url, "replica")
    assert shared.rescue(SYSTEM, all_mine=False) == 1
    assert shared.settle([Settlement(each.row_id, each.attempt, Park(REFUSED)) for each in late]) == 0
    (row,) = shared.unknown_rows(SYSTEM, limit=9)
    assert shared.resolve_unknown(row.id, found=None)
    assert shared.claim(SYSTEM, owner="other", batch=lambda _lane: 10, lease_seconds=900) is not None
    assert shared.settle(late) == 0
    assert shared.counts(SYSTEM)[State.SENDING] == 1


def test_rows_of_a_living_process_are_its_own_though_the_servers_clock_was_set_back(shared: Store, one: Pulse) -> None:
    """As in a failover to a server whose clock is behind: what was counted on from the old one is ahead of it."""
    one.beat(keep=[], take=[PASS], ttl=30)
    claimed_by(shared, "one", "D1")
    shared.clock._told = (NOW.replace(year=2999), time.monotonic())  # type: ignore[attr-defined]
    with shared._db.write() as connection:
        connection.execute(text("UPDATE outbox SET lease_until = '3999-01-01'"))
    assert shared.rescue(SYSTEM, all_mine=False) == 0
    assert not shared.lease(PASS, owner="other", ttl=30)


def test_rows_of_a_process_nobody_knows_are_left_until_their_lease_ends(shared: Store) -> None:
    """The last release does not say that it lives."""
    assert len(claimed_by(shared, "last release", "D1")) == 1
    assert shared.rescue(SYSTEM, all_mine=False) == 0


def test_a_process_knows_what_it_left_lying(shared: Store, one: Pulse) -> None:
    one.beat(keep=[], take=[], ttl=30)
    claimed_by(shared, "one", "D1")
    assert shared.rescue(SYSTEM, all_mine=False, idle="one") == 1


def test_two_never_write_to_one_record_at_once(shared: Store) -> None:
    same = [Decided(a_plan("D1", a_deal_patch("D1"))), Decided(a_plan("D2", a_deal_patch("D2")))]
    shared.record(SYSTEM, same, act=True)
    engine = create_engine(shared._db.url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE outbox SET target = 'A1'"))
    engine.dispose()
    first = shared.claim(SYSTEM, owner="one", batch=lambda _lane: 10, lease_seconds=900)
    assert first is not None
    assert len(first.rows) == 1
    assert shared.claim(SYSTEM, owner="two", batch=lambda _lane: 10, lease_seconds=900) is None
    turn = shared.next_turn(SYSTEM)
    assert turn is not None
    assert shared.claim_job(turn, job_id="J1", owner="two", size=9, chars=9_999, due_at=NOW) == ()
    shared.settle([Settlement(row.id, row.attempt, Applied("A1")) for row in first.rows])
    assert shared.claim(SYSTEM, owner="two", batch=lambda _lane: 10, lease_seconds=900) is not None


def test_what_one_puts_there_wakes_the_other_and_not_itself(shared: Store, one: Pulse, other: Pulse) -> None:
    one.news(0.01)
    other.news(0.01)
    shared.letterbox(SYSTEM).post(["a letter"])
    assert other.news(5) == (News("letters", SYSTEM),)
    shared.record(SYSTEM, [Decided(a_plan("D1", a_deal_patch()))], act=True)
    assert News("rows", SYSTEM) in other.news(5)
    shared.enqueue(SYSTEM, [Look("D9", NOW, "changed")])
    assert News("looks", SYSTEM) in (*other.news(5), *other.news(0.2))
    assert one.news(0.1) == ()


def test_a_process_that_stands_still_in_a_transaction_is_cut_off(shared: Store) -> None:
    """Whatever it has locked, nobody waits for it for ever."""
    with shared._db.read() as connection:
        told = connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar_one()
    assert told == "8s"


def test_all_together_take_no_more_than_a_budget_holds(postgres_url: str, shared: Store) -> None:
    """Four processes (as many connections), as fast as they can, for the better part of a second."""
    rate, burst, seconds = 20.0, 5.0, 0.7
    taken: list[int] = []
    note = threading.Lock()
    stores = [open_store(postgres_url, clock=SystemClock()) for _ in range(4)]
    began = time.monotonic()

    def ask(store: Store) -> None:
        quota = store.quota(SystemName("hs"), "burst", rate=rate, burst=burst)
        while time.monotonic() < began + seconds:
            granted = quota.take(3)
            assert granted is not None
            with note:
                taken.append(granted.calls)
            threading.Event().wait(granted.wait)

    with ThreadPoolExecutor(4) as pool:
        for each in [pool.submit(ask, store) for store in stores]:
            each.result()
    assert burst <= sum(taken) <= burst + rate * (time.monotonic() - began)
    for store in stores:
        store.close()


def test_a_budget_nobody_can_ask_for_grants_nothing(postgres_url: str, shared: Store) -> None:
    quota = shared.quota(SystemName("hs"), "burst", rate=1, burst=1)
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE quota RENAME TO gone"))
    assert quota.take() is None
    quota.refused(1)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE gone RENAME TO quota"))
    engine.dispose()


def test_old_names_are_forgotten_and_those_with_rows_in_hand_are_not(shared: Store, postgres_url: str) -> None:
    for owner in ("long gone", "left something"):
        pulse = shared.pulse(owner=owner)
        pulse.beat(keep=[], take=[], ttl=30)
        pulse.close()
    claimed_by(shared, "left something", "D1")
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE replica SET until = clock_timestamp() - interval '2 hours'"))
    engine.dispose()
    shared.pulse(owner="new").beat(keep=[], take=[], ttl=30)
    assert {owner for owner, _, _ in shared.replicas()} == {"left something", "new"}
    assert [owner for owner, _, lives in shared.replicas() if lives] == ["new"]
    assert shared.was_alive("left something", within=timedelta(hours=3).total_seconds())
    assert not shared.was_alive("left something", within=60)
