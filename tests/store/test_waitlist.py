"""The list of those who wait for a CSM, and what CSMs carry: recorded with the decision, on both databases."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from decimal import Decimal

from plans import MAYA, NOW, OTHER_SYSTEM, SYSTEM, TOMAS, a_plan, a_remember, an_assignment

from connector.clock import ManualClock
from connector.handoff.model import Load, Waiting
from connector.handoff.plan import Phase
from connector.store import Decided, Store, open_store


def wait(store: Store, deal_id: str, since: datetime, *, act: bool = True, **changes: object) -> None:
    remember = a_remember(csm_id=None, assigned_at=None, waiting_since=since, waiting_pool="growth")
    plan = a_plan(deal_id, **{"remember": remember, "assignment": None, "phase": Phase.IN_FLIGHT, **changes})
    store.record(SYSTEM, [Decided(plan)], act=act)


def give(store: Store, deal_id: str, person: str = MAYA, *, amount: int = 0, turn: int = 0) -> None:
    remember = a_remember(csm_id=person, amount=Decimal(amount))
    assignment = dataclasses.replace(an_assignment(person), turn=turn)
    store.record(SYSTEM, [Decided(a_plan(deal_id, remember=remember, assignment=assignment))], act=True)


def test_those_who_wait_stand_in_the_order_in_which_they_began(store: Store) -> None:
    wait(store, "D1", NOW)
    wait(store, "D3", NOW - timedelta(hours=1))
    wait(store, "D2", NOW - timedelta(hours=1))
    assert [each.deal_id for each in store.waitlist(SYSTEM)] == ["D2", "D3", "D1"]
    assert store.waitlist(SYSTEM)[0] == Waiting("D2", "growth", NOW - timedelta(hours=1))
    assert store.waitlist(OTHER_SYSTEM) == ()
    facts = store.facts(SYSTEM, ["D1"])["D1"]
    assert (facts.waiting_since, facts.waiting_pool) == (NOW, "growth")


def test_a_place_is_over_with_a_csm_or_with_the_deal(store: Store) -> None:
    for deal_id in ("D1", "D2", "D3", "D4"):
        wait(store, deal_id, NOW)
    give(store, "D1")
    wait(store, "D2", NOW, phase=Phase.REOPENED)
    store.withdraw(SYSTEM, ["D3"])
    assert [each.deal_id for each in store.waitlist(SYSTEM)] == ["D4"]
    assert store.facts(SYSTEM, ["D1"])["D1"].waiting_since is None


def test_who_only_observes_puts_nobody_on_the_list(store: Store) -> None:
    wait(store, "D1", NOW, act=False)
    assert store.waitlist(SYSTEM) == ()
    wait(store, "D2", NOW)
    wait(store, "D2", NOW + timedelta(hours=1), act=False)
    assert store.waitlist(SYSTEM) == (Waiting("D2", "growth", NOW),)


def test_the_list_is_there_after_a_restart(url: str, clock: ManualClock) -> None:
    first = open_store(url, clock=clock)
    first.set_baseline(SYSTEM, NOW)
    wait(first, "D1", NOW)
    first.close()
    second = open_store(url, clock=clock)
    assert second.waitlist(SYSTEM) == (Waiting("D1", "growth", NOW),)
    second.close()


def test_what_deals_are_worth_is_summed_for_whoever_gets_them(store: Store) -> None:
    give(store, "D1", amount=1000)
    give(store, "D2", amount=500)
    give(store, "D3", TOMAS, amount=200)
    give(store, "D1", amount=1000)
    assert store.roster(SYSTEM) == {MAYA: Load(2, 2, Decimal(1500)), TOMAS: Load(1, 3, Decimal(200))}


def test_a_sweep_sums_anew_from_the_handoffs_under_way(store: Store) -> None:
    give(store, "D1", amount=1000)
    give(store, "D2", amount=500)
    remember = a_remember(csm_id=TOMAS, amount=Decimal("700.10"))
    moved = a_plan("D2", remember=remember, assignment=an_assignment(TOMAS, new=False))
    store.record(SYSTEM, [Decided(moved)], act=True)
    store.refresh_roster(SYSTEM, {MAYA: 3})
    assert {id: load.revenue for id, load in store.roster(SYSTEM).items()} == {
        MAYA: Decimal(1000),
        TOMAS: Decimal("700.10"),
    }


def test_a_turn_that_the_decision_names_is_kept(store: Store) -> None:
    give(store, "D1", turn=2000)
    give(store, "D2", TOMAS, turn=1000)
    give(store, "D3", TOMAS)
    assert {id: load.turn for id, load in store.roster(SYSTEM).items()} == {MAYA: 2000, TOMAS: 2001}


def test_the_second_csm_is_remembered(store: Store) -> None:
    store.record(SYSTEM, [Decided(a_plan("D1", remember=a_remember(second_id=TOMAS)))], act=True)
    assert store.facts(SYSTEM, ["D1"])["D1"].second_id == TOMAS


def test_a_place_that_an_open_deal_holds_is_counted_until_its_time_is_over(store: Store) -> None:
    until = NOW + timedelta(days=3)
    for deal_id, ends in (("D1", until), ("D2", None)):
        held = a_remember(
            csm_id=None, released_at=None, gate=None, early_id=MAYA, early_until=ends, amount=Decimal(100)
        )
        store.record(SYSTEM, [Decided(a_plan(deal_id, remember=held, phase=Phase.OPEN))], act=True)
    assert store.facts(SYSTEM, ["D1"])["D1"].early_until == until
    assert store.roster(SYSTEM, now=NOW)[MAYA].accounts == 2
    assert store.roster(SYSTEM, now=until - timedelta(seconds=1))[MAYA].accounts == 2
    left = store.roster(SYSTEM, now=until)[MAYA]
    assert (left.accounts, left.revenue) == (1, Decimal(100))
