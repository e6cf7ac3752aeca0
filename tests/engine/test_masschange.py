"""The mass-change stop: what is no honest hour's work is held before anything of it is sent, and goes when released."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest
from engine.harness import SYSTEM, Desk, a_desk
from engine.masses import begun, braked, held, in_flight, won
from factories import a_policy

from connector.crm.writing import Refused, Write, WriteOutcome
from connector.engine.brake_words import MASS_ALARM
from connector.engine.dispatcher import dispatch
from connector.engine.parts import Limits
from connector.errors import Fault, FaultCode
from connector.handoff.model import Kind
from connector.handoff.plan import Notify
from connector.handoff.rulebook.gate import GateMode
from connector.store import Gain, HoldState, State


@pytest.fixture
def desk(cries: list[Notify]) -> Iterator[Desk]:
    """A daemon with small limits, connected."""
    made = braked(a_desk(tells_history=True), cries)
    made.run()
    yield made
    made.store.close()


def test_a_bulk_of_wins_is_held_before_any_of_it_is_sent(desk: Desk, cries: list[Notify]) -> None:
    deals = won(desk, 8)
    desk.run()
    assert begun(desk, deals) == []
    assert held(desk) == set(deals)
    assert sum(desk.store.counts(SYSTEM).values()) == 0, "nothing is recorded as though it were on its way"
    (cry,) = cries
    assert "8 deals are held" in cry.subject
    assert deals[0] in cry.text
    assert "handoff release --system mem" in cry.text
    for _ in range(5):
        desk.run()
    assert len(cries) == 1, "people are told once"
    (alarm,) = desk.store.alarms(SYSTEM)
    assert (alarm.name, alarm.stops) == (MASS_ALARM, True)


def test_what_was_released_goes_and_does_not_trip_again_but_a_further_mass_does(
    desk: Desk, cries: list[Notify]
) -> None:
    first = won(desk, 8)
    desk.run()
    assert desk.store.release_held(SYSTEM, by="ada") == 8
    desk.settle()
    assert begun(desk, first) == first
    assert held(desk) == set()
    assert desk.store.alarms(SYSTEM) == ()
    second = won(desk, 8)
    desk.run()
    assert held(desk) == set(second)
    assert begun(desk, second) == []
    assert len(cries) == 2
    kinds = [each.kind.value for each in desk.store.audit(SYSTEM, first[0])]
    assert kinds[:2] == ["stopped", "released"]


def test_only_those_named_are_released(desk: Desk) -> None:
    deals = won(desk, 8)
    desk.run()
    desk.store.release_held(SYSTEM, deals[:3], by="ada")
    desk.settle()
    assert begun(desk, deals) == deals[:3]
    assert held(desk) == set(deals[3:])


def test_a_restart_keeps_what_is_held(desk: Desk) -> None:
    deals = won(desk, 8)
    desk.run()
    desk.restart()
    for _ in range(4):
        desk.run()
    assert begun(desk, deals) == []
    assert held(desk) == set(deals)


def test_a_mass_that_trickles_in_is_stopped_half_way(desk: Desk) -> None:
    deals = []
    for _ in range(12):
        deals += won(desk, 1)
        desk.run(minutes=2)
    assert begun(desk, deals) == deals[:6]
    assert held(desk) == set(deals[6:])


def test_an_honest_trickle_goes_on_for_ever(desk: Desk) -> None:
    deals = []
    for _ in range(14):
        deals += won(desk, 1)
        desk.run(minutes=12)
    desk.settle()
    assert begun(desk, deals) == deals
    assert desk.store.alarms(SYSTEM) == ()


def test_wins_of_people_do_not_wait_behind_an_import(desk: Desk) -> None:
    imported = won(desk, 5, "import:Old deals.csv")
    honest = won(desk, 3, "person:u-ae")
    desk.run()
    desk.settle()
    assert begun(desk, imported) == []
    assert begun(desk, honest) == honest
    assert "Old deals.csv" in desk.store.held(SYSTEM)[0].why


def test_wins_of_others_do_not_wait_behind_one_person_s_mass(desk: Desk) -> None:
    mass = won(desk, 9, "person:u-admin")
    honest = won(desk, 2, "person:u-ae")
    desk.run()
    assert begun(desk, mass) == []
    assert begun(desk, honest) == honest


def test_wins_after_the_window_go_though_the_mass_still_waits(desk: Desk) -> None:
    mass = won(desk, 8)
    desk.run()
    desk.run(hours=2)
    late = won(desk, 2)
    desk.run()
    assert begun(desk, late) == late
    assert held(desk) == set(mass)


def test_a_changed_policy_is_held_and_gone_when_it_is_put_back(desk: Desk, cries: list[Notify]) -> None:
    deals = in_flight(desk, 8)
    before = {each: dict(desk.deal(each)) for each in deals}
    was = desk.system.policy
    summary = dataclasses.replace(was.summary, template=was.summary.template + "\nTold otherwise.")
    desk.restart(policy=dataclasses.replace(was, summary=summary))
    desk.run(minutes=20)
    desk.settle()
    assert {each: dict(desk.deal(each)) for each in deals} == before
    assert held(desk) == set(deals)
    assert "under way would change" in cries[-1].text
    desk.restart(policy=was)
    desk.run(minutes=20)
    desk.settle()
    assert held(desk) == set()
    assert desk.store.alarms(SYSTEM) == ()


def test_a_dropped_win_is_let_be_until_it_is_won_anew(desk: Desk) -> None:
    deals = won(desk, 8)
    desk.run()
    assert desk.store.drop_held(SYSTEM, deals, by="ada", why="imported for the records") == 8
    desk.settle()
    assert begun(desk, deals) == []
    assert held(desk) == set()
    assert {each.deal_id for each in desk.store.held(SYSTEM, state=HoldState.DROPPED)} == set(deals)
    view = desk.store.handoff(SYSTEM, deals[0])
    assert view is not None
    assert view.mode == "observe"


def test_rows_recorded_before_the_mass_do_not_go_out_while_their_deal_is_held(desk: Desk) -> None:
    deal_id = in_flight(desk, 1)[0]
    now = desk.clock.now()
    noted = [Gain(f"x{n}", "changed", "", now) for n in range(8)]
    desk.store.note_gains(SYSTEM, noted, forget=now - timedelta(hours=1))
    desk.crm.edit(deal_id, why_bought="Because of the mass")
    desk.run()
    assert held(desk) == {deal_id}
    assert desk.store.counts(SYSTEM)[State.PENDING] == 0


def swept_up(desk: Desk, deal_id: str) -> None:
    """A handoff under way changes in the midst of a mass."""
    now = desk.clock.now()
    noted = [Gain(f"x{n}", "changed", "", now) for n in range(8)]
    desk.store.note_gains(SYSTEM, noted, forget=now - timedelta(hours=1))
    desk.crm.edit(deal_id, why_bought="Because of the mass")
    desk.run()
    assert held(desk) == {deal_id}


@pytest.mark.parametrize("act", ["retry", "undo", "replay"])
def test_nothing_a_person_asks_of_a_held_deal_goes_past_the_hold(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    step = "welcome-packet"
    refused = Fault(FaultCode.REJECTED, "INVALID_FIELD", "no such picklist value")
    real = desk.crm.apply

    def refuse(writes: Sequence[Write]) -> tuple[WriteOutcome, ...]:
        away = [getattr(each, "key", "").endswith(f":{step}") for each in writes]
        done = iter(real([each for each, refuses in zip(writes, away, strict=True) if not refuses]))
        return tuple(Refused(refused) if refuses else next(done) for refuses in away)

    monkeypatch.setattr(desk.crm, "apply", refuse)
    (deal_id,) = won(desk, 1)
    desk.settle()
    (row,) = desk.store.parked(SYSTEM)
    desk.run(hours=2)
    monkeypatch.setattr(desk.crm, "apply", real)
    if act == "undo":
        assert desk.store.drop_parked([row.id], by="ada", why="not wanted") == 1
    swept_up(desk, deal_id)
    before = dict(desk.deal(deal_id))
    match act:
        case "retry":
            assert desk.store.retry([row.id], by="ada") == 1
        case "undo":
            assert desk.store.undo_drop([row.id], by="ada") == 1
        case "replay":
            assert desk.store.replay(SYSTEM, [deal_id], by="ada") == 1
    assert dispatch(desk.shared, desk.system) == 0, "another process sends what waits before the deal is looked at"
    desk.run()
    desk.run()
    assert held(desk) == {deal_id}
    assert step not in desk.tasks(deal_id)
    assert dict(desk.deal(deal_id)) == before
    desk.store.release_held(SYSTEM, [deal_id], by="ada")
    desk.settle()
    assert (step in desk.tasks(deal_id)) is (act != "replay"), "a replay does not send what is parked"


def test_a_lost_ledger_is_rebuilt_without_a_stop(desk: Desk, cries: list[Notify]) -> None:
    deals = in_flight(desk, 8)
    tasks = len(desk.crm.rows(Kind.TASK))
    desk.lose_ledger()
    braked(desk, cries)
    desk.run()
    desk.settle()
    assert held(desk) == set()
    assert len(desk.crm.rows(Kind.TASK)) == tasks
    assert begun(desk, deals) == deals


def test_a_lost_ledger_tells_again_of_many_holds_without_a_stop(cries: list[Notify]) -> None:
    plain = a_policy()
    holding = dataclasses.replace(plain, gate=dataclasses.replace(plain.gate, mode=GateMode.HOLD))
    desk = braked(a_desk(policy=holding, tells_history=True), cries)
    desk.run()
    deals = [desk.a_deal(why_bought=None) for _ in range(8)]
    for deal_id in deals:
        desk.win(deal_id)
        desk.run(minutes=20)
    desk.settle()
    told = {each.key for each in desk.told}
    assert {each.deal_id for each in desk.told} == set(deals)
    desk.told.clear()
    desk.lose_ledger()
    braked(desk, cries)
    desk.settle()
    assert {each.key for each in desk.told} == told
    assert held(desk) == set()
    assert cries == []


def test_more_than_a_share_of_those_under_way_is_a_mass_of_its_own(
    cries: list[Notify], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.engine.parts.SHARE_FROM", 3)
    desk = braked(a_desk(), cries, Limits(new=0, imported=0, changed=0, changed_share=0.5))
    desk.run()
    deals = in_flight(desk, 8)
    for deal_id in deals[:6]:
        desk.crm.edit(deal_id, why_bought="Told otherwise by somebody's script")
    desk.run()
    assert held(desk) == set(deals[:6])


def test_a_limit_of_zero_is_none(cries: list[Notify]) -> None:
    desk = braked(a_desk(), cries, Limits(new=0, imported=0, changed=0, changed_share=0.0))
    desk.run()
    deals = won(desk, 30)
    desk.settle()
    assert begun(desk, deals) == deals
    assert cries == []
