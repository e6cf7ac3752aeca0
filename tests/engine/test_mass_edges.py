"""The mass-change stop where held deals are deleted, released too late, dropped, won anew or met by another clock.

Not here: what is held and when it goes (``test_masschange``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import timedelta

import pytest
from engine.harness import SYSTEM, Desk, a_desk
from engine.masses import SMALL, begun, braked, held, in_flight, won

from connector.handoff.model import Value
from connector.store import Gain, HeldDeal, HoldState, State


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A daemon with small limits, connected."""
    made = braked(a_desk(tells_history=True), [], SMALL)
    made.run()
    yield made
    made.store.close()


def in_state(desk: Desk, state: HoldState) -> set[str]:
    return {each.deal_id for each in desk.store.held(SYSTEM, state=state)}


def test_an_import_that_was_deleted_is_held_no_longer(desk: Desk) -> None:
    deals = won(desk, 8, "import:Old deals.csv")
    desk.run()
    assert held(desk) == set(deals)
    for deal_id in deals:
        desk.crm.delete(deal_id)
    desk.run(minutes=20)
    desk.settle()
    assert held(desk) == set()
    assert desk.store.alarms(SYSTEM) == ()


def test_what_was_released_and_had_nothing_to_gain_is_not_exempt_for_ever(desk: Desk) -> None:
    deals = in_flight(desk, 8)
    usual = desk.deal(deals[0])["why_bought"]
    changed_by_a_script(desk, deals, "Because a script said so")
    desk.run()
    assert held(desk) == set(deals)
    changed_by_a_script(desk, deals, usual)
    desk.store.release_held(SYSTEM, by="ada")
    desk.settle()
    desk.run(hours=3)
    changed_by_a_script(desk, deals, "Another script, weeks later")
    desk.run()
    assert held(desk) == set(deals)


def test_rows_of_a_held_deal_go_on_its_release_though_the_clock_was_set_back_meanwhile(desk: Desk) -> None:
    limits = desk.shared.limits
    desk.shared = dataclasses.replace(desk.shared, limits=dataclasses.replace(limits, writes=2))
    (deal_id,) = won(desk, 1)
    desk.run()
    assert desk.store.counts(SYSTEM)[State.PENDING]
    view = HeldDeal(SYSTEM, deal_id, HoldState.HELD, "new", desk.clock.now(), "many", {"generation": 1, "writes": []})
    desk.store.hold_deals(SYSTEM, [view], [], stop="many")
    desk.store.set_back(timedelta(minutes=10))
    desk.store.release_held(SYSTEM, by="ada")
    desk.shared = dataclasses.replace(desk.shared, limits=limits)
    desk.settle()
    assert desk.store.counts(SYSTEM)[State.PENDING] == 0
    assert desk.deal(deal_id)["status"] == "2 Welcome"


def test_a_pause_of_two_hours_is_none_of_a_day_when_the_clock_is_set_back(desk: Desk) -> None:
    desk.store.pause_by_hand(SYSTEM, until=desk.clock.now() + timedelta(hours=2), by="ada")
    desk.clock.advance(-timedelta(days=1))
    desk.store.set_back(timedelta(days=1))
    desk.run(hours=3)
    assert desk.store.pauses(SYSTEM) == ()


def test_a_release_while_the_pass_judges_is_not_overwritten(desk: Desk) -> None:
    deals = won(desk, 8)
    desk.run()
    judged = desk.store.held(SYSTEM)
    desk.store.release_held(SYSTEM, by="ada")
    desk.store.hold_deals(SYSTEM, judged, [], stop="the same")
    assert in_state(desk, HoldState.RELEASED) == set(deals)
    desk.settle()
    assert begun(desk, deals) == deals


def test_a_mass_that_is_reopened_and_won_again_within_the_hour_is_one(desk: Desk) -> None:
    deals = in_flight(desk, 8)
    for deal_id in deals:
        desk.run(minutes=15)
        desk.crm.edit(deal_id, stage="Negotiation")
    desk.run(hours=24 * 40)
    desk.settle()
    desk.shared = dataclasses.replace(desk.shared, limits=dataclasses.replace(SMALL, changed=0))
    changed_by_a_script(desk, deals, "Because a script said so")
    now = desk.clock.now()
    desk.store.note_gains(SYSTEM, [Gain(each, "changed", "", now) for each in deals], forget=now - timedelta(hours=1))
    for deal_id in deals:
        desk.win(deal_id)
    desk.run()
    assert held(desk) == set(deals)


def test_a_dropped_win_goes_when_it_is_won_anew_and_is_swept_again(desk: Desk) -> None:
    deals = won(desk, 8)
    desk.run()
    desk.store.drop_held(SYSTEM, deals, by="ada", why="imported for the records")
    desk.settle()
    first = deals[0]
    desk.crm.edit(first, stage="Negotiation")
    desk.run(hours=24 * 40)
    desk.settle()
    desk.win(first)
    desk.settle()
    assert begun(desk, deals) == [first]
    assert in_state(desk, HoldState.DROPPED) == set(deals[1:])


def test_a_drop_of_a_win_can_be_taken_back(desk: Desk) -> None:
    deals = won(desk, 8)
    desk.run()
    desk.store.drop_held(SYSTEM, deals, by="ada", why="imported for the records")
    desk.settle()
    assert desk.store.take_back_drop(SYSTEM, [deals[3], "no such deal"], by="ada") == 1
    desk.settle()
    assert begun(desk, deals) == [deals[3]]


def changed_by_a_script(desk: Desk, deals: list[str], words: Value) -> None:
    for deal_id in deals:
        desk.crm.edit(deal_id, why_bought=words)
