"""From observe to pilot to act and back, over the CRM in memory: who gets tasks, once, and who never does."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

from engine.harness import SYSTEM, Desk, a_desk
from factories import AE, MAYA, PRIYA, a_policy, when

from connector.engine.parts import Limits
from connector.engine.reconciler import look_at
from connector.handoff.model import Kind
from connector.handoff.plan import Notify, Order
from connector.handoff.rulebook.conditions import Op
from connector.handoff.rulebook.pilot import Pilot
from connector.store import Decided
from connector.web.status import Watched, read_status

ANA = Pilot(owners=("ana.ek@seller.example",))
NOBODY = Pilot(owners=("b@seller.example",))
BIG = "u-manager"


def go(desk: Desk, *, mode: str, pilot: Pilot = ANA) -> None:
    """The operator sets a mode and restarts the daemon."""
    desk.restart(policy=a_policy(pilot=pilot), act=mode != "observe")
    desk.system.pilot = mode == "pilot"
    desk.settle()


def won(desk: Desk, *, owner: str = AE) -> str:
    deal = desk.a_deal(owner=owner)
    desk.win(deal)
    desk.settle()
    return deal


def test_from_observe_to_pilot_to_act_each_win_is_acted_on_by_when_it_was_won() -> None:
    desk = a_desk(policy=a_policy(pilot=ANA), act=False)
    desk.settle()
    observed = won(desk)
    go(desk, mode="pilot")
    mine, other = won(desk), won(desk, owner=BIG)
    assert desk.tasks(mine)
    assert not desk.tasks(observed)
    assert not desk.tasks(other)
    go(desk, mode="act")
    late = won(desk, owner=BIG)
    desk.run(hours=30)
    desk.settle()
    assert desk.tasks(late)
    assert not desk.tasks(observed), "won while the daemon only observed"
    assert not desk.tasks(other), "won outside of the pilot"
    assert not desk.deal(other).get("gate")
    assert not desk.account_of(other).get("csm")


def test_going_back_to_the_pilot_and_on_again_doubles_nothing_and_finishes_what_was_begun() -> None:
    desk = a_desk(policy=a_policy(pilot=NOBODY))
    desk.settle()
    first = won(desk)
    before = {step: row.id for step, row in desk.tasks(first).items()}
    go(desk, mode="pilot", pilot=NOBODY)
    between = won(desk)
    step = desk.tasks(first)["welcome-packet"]
    desk.crm.edit(step.id, status="done")
    desk.settle()
    go(desk, mode="act", pilot=NOBODY)
    desk.run(hours=30)
    desk.settle()
    assert before.items() <= {name: row.id for name, row in desk.tasks(first).items()}.items()
    assert not desk.tasks(between), "won while nobody acted for its owner"
    assert desk.tasks(won(desk))


def test_a_win_that_the_acting_daemon_had_not_seen_is_not_lost_with_the_change_to_a_pilot() -> None:
    desk = a_desk(policy=a_policy(pilot=ANA))
    desk.settle()
    deal = desk.a_deal()
    desk.win(deal)
    desk.clock.advance(timedelta(seconds=40))
    go(desk, mode="pilot")
    assert desk.tasks(deal)
    other = desk.a_deal()
    desk.win(other)
    go(desk, mode="act")
    assert desk.tasks(other)


def test_a_lost_ledger_makes_nothing_twice_and_begins_nothing_that_was_observed() -> None:
    desk = a_desk(policy=a_policy(pilot=ANA), act=False)
    desk.settle()
    old = won(desk)
    go(desk, mode="pilot")
    mine = won(desk)
    before = set(desk.tasks(mine))
    desk.lose_ledger()
    go(desk, mode="pilot")
    assert set(desk.tasks(mine)) == before
    assert not desk.tasks(old)


def test_observed_wins_take_nobodys_turn_and_hold_no_place() -> None:
    desk = a_desk(policy=a_policy(pilot=ANA))
    desk.system.pilot = True
    desk.settle()
    roster = desk.store.roster(SYSTEM)
    for _ in range(3):
        won(desk, owner=BIG)
    assert desk.store.roster(SYSTEM) == roster


def test_a_row_that_waits_is_not_sent_once_its_deal_is_only_observed() -> None:
    desk = a_desk(policy=a_policy(pilot=NOBODY))
    desk.settle()
    deal = desk.a_deal()
    go(desk, mode="observe", pilot=NOBODY)
    desk.win(deal)
    desk.settle()
    assert not list(desk.crm.rows(Kind.TASK))
    assert desk.store.handoff(SYSTEM, deal).mode == "observe"  # type: ignore[union-attr]


def test_what_people_did_with_an_observed_win_is_kept_beside_what_would_have_been_done() -> None:
    desk = a_desk(policy=a_policy(pilot=NOBODY))
    desk.system.pilot = True
    desk.settle()
    deal = won(desk)
    gaps = desk.a_deal(champion=None)
    desk.win(gaps)
    desk.settle()
    desk.run(minutes=30)
    account = desk.crm.row(deal).account_id
    assert account is not None
    desk.crm.edit(account, csm=PRIYA)
    desk.crm.edit(gaps, csm=MAYA, handoff_feedback="Nobody told me.")
    desk.run(minutes=16)
    desk.settle()
    of = {each.deal_id: each for each in desk.store.trials(SYSTEM)}
    assert (of[deal].acted, of[deal].held, of[deal].tasks) == (False, False, 4)
    assert of[deal].would.endswith("@seller.example")
    assert of[deal].csm == "priya.nair@seller.example"
    begun, given = of[deal].won_at, of[deal].csm_at
    assert begun is not None
    assert given is not None
    assert given - begun > timedelta(minutes=30)
    assert (of[gaps].held, of[gaps].gaps, of[gaps].filled_at) == (True, ("Champion",), None)
    assert of[gaps].feedback == "Nobody told me."
    assert not of[gaps].would


def test_a_filter_that_is_narrowed_drops_nobody_and_takes_up_no_old_win_when_widened() -> None:
    narrow, wide = when("segment", Op.IS, "enterprise"), when("segment", Op.IN, ("enterprise", "small"))
    desk = a_desk(policy=a_policy(pilot=Pilot(when=wide)))
    desk.system.pilot = True
    desk.settle()
    begun = won(desk)
    assert desk.tasks(begun)
    go(desk, mode="pilot", pilot=Pilot(when=narrow))
    outside = won(desk)
    desk.run(hours=30)
    desk.settle()
    assert desk.store.handoff(SYSTEM, begun).mode == "act"  # type: ignore[union-attr]
    go(desk, mode="pilot", pilot=Pilot(when=wide))
    assert not desk.tasks(outside)


def test_wins_that_were_held_as_a_mass_are_let_be_once_they_are_only_observed() -> None:
    desk = a_desk(policy=a_policy(pilot=NOBODY))
    desk.shared = dataclasses.replace(desk.shared, limits=Limits(new=2))
    desk.settle()
    deals = [desk.a_deal() for _ in range(4)]
    for deal in deals:
        desk.win(deal)
    desk.settle()
    assert desk.store.held_counts(SYSTEM)
    go(desk, mode="pilot", pilot=NOBODY)
    desk.run(minutes=16)
    desk.settle()
    assert desk.store.held_counts(SYSTEM) == {}
    assert not any(desk.tasks(deal) for deal in deals)


def test_the_status_says_for_whom_is_acted_and_counts_the_others_apart() -> None:
    desk = a_desk(policy=a_policy(pilot=ANA))
    desk.system.pilot = True
    desk.settle()
    won(desk)
    other = won(desk, owner=BIG)
    watched = Watched(SYSTEM, "memory", "pilot", poll_seconds=5)
    status = read_status(desk.store, [watched], now=desk.clock.now())
    (system,) = status.systems
    counted = {each.what: each.deals for each in system.coverage if each.deals}
    assert counted == {"handed over": 1, "only observed: not in the pilot": 1}
    assert system.acting.startswith("Acts on wins of the deals of ana.ek@seller.example since 2026-03-01 ")
    row = next(each for each in status.decisions if each.deal_id == other)
    assert row.reasons[0] == "Observed: not in the pilot, which takes in deals of ana.ek@seller.example."
    go(desk, mode="act")
    acting = read_status(desk.store, [watched], now=desk.clock.now()).systems[0].acting
    assert acting.startswith("Acts on wins since 2026-03-01 ")


def test_a_message_about_an_open_deal_is_not_sent_once_the_pilot_is_narrowed() -> None:
    desk = a_desk(policy=a_policy(pilot=ANA))
    desk.system.pilot = True
    desk.settle()
    deal = desk.a_deal()
    desk.settle()
    notice = Notify(
        step="notify-early", order=Order.NOTIFY, key="early", to_email="ana.ek@seller.example", to_name="Ana Ek",
        subject="Open questions", text="Four fields are empty.", fingerprint="1", reason="said before the close",
        way="", to_id=AE, deal_id=deal, not_before=desk.clock.now() + timedelta(hours=8),
    )  # fmt: skip
    (plan,) = look_at(desk.shared, desk.system, (deal,)).plans.values()
    desk.store.record(SYSTEM, [Decided(dataclasses.replace(plan, actions=(notice,)))], act=True)
    go(desk, mode="pilot", pilot=NOBODY)
    desk.crm.edit(deal, champion="Ingrid Holm")
    desk.run(hours=9)
    desk.settle()
    assert desk.store.handoff(SYSTEM, deal).mode == "observe"  # type: ignore[union-attr]
    assert desk.told == []
