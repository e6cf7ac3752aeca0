"""Put-backs that something undoes or that the CRM refuses, through the whole engine over the CRM in memory."""

from __future__ import annotations

from datetime import timedelta

from engine.harness import SYSTEM, Desk, a_desk
from factories import MANAGER, OPEN_STAGE, PEOPLE, WON_STAGE, a_gap

from connector.errors import Fault, FaultCode

REFUSAL = Fault(FaultCode.REJECTED, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "A closed deal stays closed.")


def a_round(desk: Desk, deal_id: str, *, by: str = "robot") -> str:
    """Something wins the deal while it is open; the stage it stands in when the dust has settled."""
    desk.crm.edit(deal_id, stage=WON_STAGE.id, by=by)
    for _ in range(4):
        desk.run(seconds=15)
    return str(desk.deal(deal_id)["stage"])


def test_what_undoes_a_put_back_at_once_is_given_way_to_and_told_once() -> None:
    desk = a_desk()
    deal_id = desk.a_deal(**a_gap())
    desk.run()
    assert [a_round(desk, deal_id) for _ in range(3)] == [OPEN_STAGE.id, OPEN_STAGE.id, WON_STAGE.id]
    assert "was put back twice and something in the CRM moved it" in str(desk.deal(deal_id)["missing"])
    desk.settle()
    assert [each.to_email for each in desk.told if each.step == "notify-deal_fought"] == [PEOPLE[MANAGER].email]
    events = {
        event: desk.shared.telemetry.registry.get_sample_value(
            "handoff_gate_events_total", {"system": SYSTEM, "event": event}
        )
        for event in ("bounce", "fight")
    }
    assert events == {"bounce": 2, "fight": 1}


def test_a_restart_in_the_middle_of_a_fight_counts_on() -> None:
    desk = a_desk()
    deal_id = desk.a_deal(**a_gap())
    desk.run()
    stages = []
    for _ in range(3):
        stages.append(a_round(desk, deal_id))
        desk.restart()
    assert stages == [OPEN_STAGE.id, OPEN_STAGE.id, WON_STAGE.id]


def test_a_ledger_lost_in_every_round_is_told_apart_by_the_history_where_there_is_one() -> None:
    desk = a_desk(tells_history=True)
    deal_id = desk.a_deal(**a_gap())
    desk.run()
    stages = []
    for _ in range(4):
        stages.append(a_round(desk, deal_id, by="automation:Robot"))
        desk.lose_ledger()
        desk.run()
    assert stages == [OPEN_STAGE.id, OPEN_STAGE.id, WON_STAGE.id, WON_STAGE.id]


def test_a_win_taken_back_between_two_polls_is_known_where_the_crm_tells_of_it() -> None:
    desk = a_desk(tells_history=True)
    deal_id = desk.a_deal()
    desk.run()
    desk.crm.edit(deal_id, stage=WON_STAGE.id)
    won_at = desk.crm.server_time()
    desk.clock.advance(timedelta(seconds=3))
    desk.crm.edit(deal_id, stage=OPEN_STAGE.id)
    desk.settle()
    found = desk.store.handoff(SYSTEM, deal_id)
    assert found is not None
    assert (found.phase, found.generation, found.won_at) == ("reopened", 1, won_at)
    assert desk.tasks(deal_id) == {}


def test_a_refused_put_back_is_tried_once_and_becomes_a_hold() -> None:
    desk = a_desk()
    deal_id = desk.a_deal(**a_gap())
    desk.run()
    desk.crm.refuse_rows(REFUSAL)
    desk.win(deal_id)
    desk.settle()
    assert desk.deal(deal_id)["stage"] == WON_STAGE.id
    assert "the CRM refused it: A closed deal stays closed. Fill in" in str(desk.deal(deal_id)["missing"])
    (parked,) = desk.store.parked(SYSTEM)
    assert (parked.step, parked.attempt) == ("patch-revert", 1), "whoever can mend the cause sees it"
    desk.crm.edit(deal_id, risks="None known")
    desk.settle()
    assert [row.step for row in desk.store.parked(SYSTEM)] == ["patch-revert"]
    desk.crm.edit(deal_id, champion="Ingrid Holm")
    desk.settle()
    assert desk.deal(deal_id)["gate"] == "Released"
    assert desk.store.parked(SYSTEM) == ()


def test_each_new_win_is_tried_once_though_the_same_was_refused_before() -> None:
    desk = a_desk(tells_history=True)
    deal_id = desk.a_deal(**a_gap())
    desk.run()
    for refusals in ((REFUSAL,), (REFUSAL,), (REFUSAL,), ()):
        desk.crm.refuse_rows(*refusals)
        desk.win(deal_id)
        desk.settle()
        assert desk.deal(deal_id)["stage"] == (WON_STAGE.id if refusals else OPEN_STAGE.id)
        if refusals:
            desk.crm.edit(deal_id, stage=OPEN_STAGE.id)
            desk.settle()


def test_once_the_cause_is_mended_and_the_rest_tried_again_the_deal_is_put_back() -> None:
    desk = a_desk()
    deal_id = desk.a_deal(**a_gap())
    desk.run()
    desk.crm.refuse_rows(REFUSAL, REFUSAL)
    desk.win(deal_id)
    desk.settle()
    parked = desk.store.parked(SYSTEM)
    assert ([each.step for each in parked], desk.deal(deal_id)["stage"]) == (
        ["patch-revert", "patch-deal"],
        WON_STAGE.id,
    )
    assert desk.store.retry([each.id for each in parked]) == 2
    desk.settle()
    assert (desk.deal(deal_id)["stage"], desk.deal(deal_id)["gate"]) == (OPEN_STAGE.id, "Held")
    assert desk.store.parked(SYSTEM) == ()


def test_a_put_back_that_only_found_the_crm_busy_is_no_refusal() -> None:
    desk = a_desk()
    deal_id = desk.a_deal(**a_gap())
    desk.run()
    desk.crm.refuse_rows(Fault(FaultCode.ROW_LOCKED, "UNABLE_TO_LOCK_ROW", "busy"))
    desk.win(deal_id)
    desk.settle()
    assert desk.deal(deal_id)["stage"] == OPEN_STAGE.id


def test_a_spell_of_observing_forgets_nothing_of_a_fight() -> None:
    desk = a_desk()
    deal_id = desk.a_deal(**a_gap())
    desk.run()
    a_round(desk, deal_id)
    assert a_round(desk, deal_id) == OPEN_STAGE.id
    before = desk.store.facts(SYSTEM, [deal_id])[deal_id]
    desk.restart(act=False)
    desk.crm.tell_again(deal_id)
    desk.run()
    after = desk.store.facts(SYSTEM, [deal_id])[deal_id]
    assert (after.bounces, after.put_back_at) == (before.bounces, before.put_back_at)
    assert len(after.bounces) == 1


def test_in_observe_mode_nothing_is_put_back_and_nothing_counts() -> None:
    desk = a_desk(act=False)
    deal_id = desk.a_deal(**a_gap())
    desk.run()
    for _ in range(4):
        a_round(desk, deal_id)
        desk.crm.edit(deal_id, stage=OPEN_STAGE.id)
        desk.run(seconds=15)
    facts = desk.store.facts(SYSTEM, [deal_id])[deal_id]
    assert (facts.bounces, facts.put_back_at) == ((), None)
    assert desk.told == []
