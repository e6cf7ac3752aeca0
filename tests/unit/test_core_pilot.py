"""Who is acted on: the modes, the groups of a pilot, what was begun, and what is compared. Pure."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from factories import (
    BASELINE,
    DEAL_ID,
    MAYA,
    NOW,
    OPEN_STAGE,
    PEOPLE,
    PRIYA,
    WON_AT,
    a_gap,
    a_policy,
    a_snapshot,
    when,
)

from connector.handoff.acting import EVERYBODY, Acting, Footing, Reach, Standing
from connector.handoff.decide import decide
from connector.handoff.model import Gate, Touch, TouchKind
from connector.handoff.plan import Plan
from connector.handoff.rulebook.conditions import Op
from connector.handoff.rulebook.pilot import Pilot

ANA, MAYAS = "ana.ek@seller.example", PEOPLE[MAYA].email
LONG_ID = "006HO0000000001YAA"
EARLIER, LATER = WON_AT - timedelta(days=1), WON_AT + timedelta(seconds=1)
LARGE = when("segment", Op.IS, "enterprise")


def decided(
    pilot: Pilot, *, reach: Reach = Reach.PILOT, since: datetime | None = EARLIER, groups: Any = None, **snapshot: Any
) -> Plan:
    starts = dict.fromkeys(pilot.groups if groups is None else groups, since)
    acting = Acting(reach, starts)
    return decide(a_snapshot(acting=acting, **snapshot), a_policy(pilot=pilot), NOW)


def standing(*given: Any, **more: Any) -> Standing:
    return decided(*given, **more).standing


@pytest.mark.parametrize(
    ("pilot", "why"),
    [
        (Pilot(deals=(DEAL_ID,)), "Acted on: the pilot names this deal."),
        (Pilot(owners=(ANA,)), f"Acted on: the pilot takes in the deals of {ANA}."),
        (Pilot(pools=("growth",)), "Acted on: the pilot takes in the pool growth."),
        (Pilot(csms=tuple(each.email for each in PEOPLE.values())), "Acted on: the pilot takes in the customers of "),
        (Pilot(when=when("amount", Op.AT_LEAST, Decimal(18000))), "Acted on: the pilot's filter takes it in."),
    ],
)
def test_any_of_the_groups_takes_a_deal_in(pilot: Pilot, why: str) -> None:
    found = standing(pilot)
    assert found.acted
    assert found.why.startswith(why)


@pytest.mark.parametrize(
    "pilot",
    [Pilot(deals=("006B",)), Pilot(owners=("b@seller.example",)), Pilot(pools=("enterprise",)), Pilot(when=LARGE)],
)
def test_what_no_group_takes_in_is_observed_and_the_reason_says_who_is_in(pilot: Pilot) -> None:
    found = standing(pilot)
    assert (found.acted, found.footing) == (False, Footing.OUTSIDE)
    assert found.why.startswith("Observed: not in the pilot, which takes in ")


def test_the_words_of_a_filter_are_those_an_admin_wrote() -> None:
    assert "deals with segment is enterprise" in standing(Pilot(when=LARGE)).why


def test_a_deal_may_be_named_by_the_short_id_of_the_screen() -> None:
    snapshot = a_snapshot()
    key = dataclasses.replace(snapshot.key, deal_id=LONG_ID)
    pilot = Pilot(deals=(LONG_ID[:15],))
    acting = Acting(Reach.PILOT, dict.fromkeys(pilot.groups))
    plan = decide(dataclasses.replace(snapshot, key=key, acting=acting), a_policy(pilot=pilot), NOW)
    assert plan.standing.acted


def test_a_win_from_before_acting_began_for_its_group_is_only_observed() -> None:
    found = standing(Pilot(owners=(ANA,)), since=LATER)
    assert (found.acted, found.footing) == (False, Footing.BEFORE)
    assert "old wins never get tasks" in found.why


def test_the_group_that_began_first_counts() -> None:
    pilot = Pilot(owners=(ANA,), deals=(DEAL_ID,))
    starts = {f"owner:{ANA}": LATER, f"deal:{DEAL_ID}": EARLIER}
    plan = decide(a_snapshot(acting=Acting(Reach.PILOT, starts)), a_policy(pilot=pilot), NOW)
    assert plan.standing.acted


def test_in_act_a_win_from_before_everybody_counts_where_the_pilot_acted_for_it() -> None:
    pilot = Pilot(owners=(ANA,))
    starts = {EVERYBODY: LATER, f"owner:{ANA}": EARLIER}
    with_pilot = decide(a_snapshot(acting=Acting(Reach.ACT, starts)), a_policy(pilot=pilot), NOW)
    without = decide(a_snapshot(acting=Acting(Reach.ACT, {EVERYBODY: LATER})), a_policy(), NOW)
    assert (with_pilot.standing.acted, without.standing.footing) == (True, Footing.BEFORE)


@pytest.mark.parametrize(
    "ledger",
    [
        {"generation": 1, "won_at": WON_AT, "gate": Gate.RELEASED, "released_at": WON_AT},
        {"generation": 1, "won_at": WON_AT, "gate": Gate.HELD},
        {"adopted": True},
    ],
)
def test_what_was_begun_is_finished_though_no_group_takes_it_in_any_more(ledger: dict[str, Any]) -> None:
    found = standing(Pilot(owners=("b@seller.example",)), ledger=ledger)
    assert found.acted
    assert "what was begun is finished" in found.why


def test_marks_in_the_crm_count_as_begun_when_the_ledger_is_lost() -> None:
    deal = {"gate": "Released", "started_at": WON_AT}
    assert standing(Pilot(owners=(ANA,)), since=LATER, deal=deal).acted


def test_an_open_deal_needs_no_start() -> None:
    found = standing(Pilot(owners=(ANA,)), since=LATER, stage=OPEN_STAGE, won_at=None)
    assert found.acted
    assert not standing(Pilot(deals=("x",)), stage=OPEN_STAGE, won_at=None).acted


def test_in_observe_nothing_is_acted_on_not_even_what_was_begun() -> None:
    ledger = {"generation": 1, "won_at": WON_AT, "gate": Gate.RELEASED, "released_at": WON_AT}
    assert standing(Pilot(), reach=Reach.OBSERVE, ledger=ledger).footing is Footing.MODE


def test_a_win_from_before_the_first_run_is_old_in_every_mode() -> None:
    for reach in (Reach.PILOT, Reach.ACT):
        found = standing(Pilot(owners=(ANA,)), reach=reach, won_at=BASELINE - timedelta(days=3))
        assert found.footing is Footing.OLD


def test_a_snapshot_without_more_words_is_acted_on() -> None:
    plan = decide(a_snapshot(), a_policy(), NOW)
    assert plan.standing.acted
    assert plan.trial is None


def test_what_would_be_done_is_taken_for_the_comparison() -> None:
    trial = decided(Pilot(deals=("x",))).trial
    assert trial is not None
    assert (trial.acted, trial.held, trial.gaps, trial.ae, trial.csm) == (False, False, (), ANA, "")
    assert trial.would
    assert trial.rule
    assert trial.tasks == 4
    assert trial.messages == 1


def test_whom_an_acted_decision_writes_down_stands_there_from_then_on() -> None:
    plan = decided(Pilot(deals=(DEAL_ID,)))
    assert plan.trial is not None
    assert plan.trial.acted
    assert plan.trial.csm == plan.trial.would != ""


def test_a_win_with_gaps_would_be_held_and_nobody_be_chosen() -> None:
    trial = decided(Pilot(deals=("x",)), deal=a_gap()).trial
    assert trial is not None
    assert (trial.held, trial.gaps, trial.would, trial.tasks) == (True, ("Champion",), "", 0)


def test_whom_people_chose_is_read_from_the_crm_and_no_choice_of_the_rules() -> None:
    touch = Touch(TouchKind.CALL, WON_AT + timedelta(minutes=3), PRIYA)
    account = {"csm": PRIYA}
    trial = decided(Pilot(deals=("x",)), account=account, touches=(touch,)).trial
    assert trial is not None
    assert (trial.csm, trial.would, trial.touched_at) == (PEOPLE[PRIYA].email, "", touch.at)


def test_ratings_and_feedback_are_read_where_they_are_mapped() -> None:
    for given in (Decimal(4), "4"):
        deal = {"handoff_rating": given, "handoff_feedback": "The summary saved me an hour."}
        trial = decided(Pilot(deals=("x",)), deal=deal).trial
        assert trial is not None
        assert (trial.rating, trial.feedback) == (4, "The summary saved me an hour.")


def test_nothing_is_compared_while_all_is_acted_on() -> None:
    assert decided(Pilot(), reach=Reach.ACT, groups=[EVERYBODY]).trial is None


def test_a_filter_is_another_group_once_it_says_something_else() -> None:
    same = Pilot(when=when("segment", Op.IS, "enterprise"))
    other = Pilot(when=when("segment", Op.IS, "small"))
    assert Pilot(when=LARGE).groups == same.groups != other.groups


@pytest.mark.parametrize("condition", [when("amount", Op.IS_NOT, Decimal(1)), when("segment", Op.IS_NOT, "none")])
def test_a_filter_over_a_field_that_the_crm_hides_takes_nobody_in_but_what_was_begun_goes_on(condition: Any) -> None:
    pilot = Pilot(when=condition)
    whole = a_snapshot(acting=Acting(Reach.PILOT, dict.fromkeys(pilot.groups, EARLIER)))
    less = {name: value for name, value in whole.deal.values.items() if name != "amount"}
    hidden = dataclasses.replace(whole, deal=dataclasses.replace(whole.deal, values=less))
    policy = a_policy(pilot=pilot)
    assert decide(whole, policy, NOW).standing.footing is Footing.ACTED
    assert decide(hidden, policy, NOW).standing.footing is Footing.OUTSIDE
    begun = dataclasses.replace(hidden.ledger, gate=Gate.RELEASED, released_at=WON_AT, generation=1, won_at=WON_AT)
    assert decide(dataclasses.replace(hidden, ledger=begun), policy, NOW).standing.footing is Footing.ACTED
