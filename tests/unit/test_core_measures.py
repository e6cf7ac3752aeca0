"""The measures by themselves: what each comes to, who counts, how sums are told, what a handoff lacked, what is late.

Not here: finding the facts on a CRM (``tests/engine/test_measures_on_crms.py``) and keeping rows (``tests/store``).
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from factories import AE, MANAGER, NOW, PRIYA, TOMAS, WON_AT, a_calendar, a_gap, a_policy, a_snapshot
from product_parts import a_product_policy, at
from product_parts import facts as counted_facts
from product_parts import shown as a_customer
from tinyworld import World

from connector.handoff.acting import Acting, Reach
from connector.handoff.calendar import elapsed, working_days
from connector.handoff.decide import decide
from connector.handoff.measures.catalogue import DROP_AFTER, MEASURES, PER_HANDOFF, values_of
from connector.handoff.measures.correcting import WORDS, corrections
from connector.handoff.measures.facts import DAY, Facts, from_json, to_json
from connector.handoff.measures.figure import Figure, Funnel
from connector.handoff.measures.lacking import LACKS, churned, lacked, words
from connector.handoff.measures.model import Clock, Measure, Unit, Way
from connector.handoff.measures.summing import (
    NOTHING,
    Sum,
    aim,
    few,
    interval,
    number,
    on_target,
    shown,
    shown_aim,
    shown_value,
    sum_of,
)
from connector.handoff.model import DealType, Gate, SystemName, Touch, TouchKind
from connector.handoff.plan import Phase
from connector.handoff.rulebook.gate import GateMode
from connector.handoff.rulebook.watch import Targets

WON = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
HOUR = 3600


def facts(*, days: float = 400, **known: Any) -> Facts:
    """A handoff that was won at `WON`, began at once, and is looked at so many days later."""
    began = {"won_at": WON, "released_at": WON} | known
    return Facts(at=WON + days * DAY, **began)


def value(key: str, known: Facts) -> int | None:
    return MEASURES[key].value(known)


def after(**span: float) -> datetime:
    return WON + timedelta(**span)


ANSWERED = {"asked_at": WON, "answered_at": after(minutes=50)}
ACTIVE = {"activates": True, "activated_at": after(days=20)}
SILENT = {"activates": True}
WATCHED = {"watched": ("churned_at", "expansion", "nps")}


@pytest.mark.parametrize(
    ("key", "known", "expected"),
    [
        ("completion", {"short": False}, 1),
        ("completion", {"short": True}, 0),
        ("completion", {}, None),
        ("ae_hours", ANSWERED, 50 * 60),
        ("ae_hours", {"asked_at": WON}, None),
        ("assign", {"assigned_at": after(minutes=3)}, 180),
        ("told", {"told_at": after(seconds=-30)}, 0),
        ("ttft", {"first_touch_at": after(hours=20)}, 20 * HOUR),
        ("ttft", {}, None),
        ("kickoff", {"kickoff_at": after(days=2), "kickoff_days": 212}, 212),
        ("ttfv", {**ACTIVE, "kickoff_at": after(days=4)}, 16 * 86_400),
        ("ttfv", ACTIVE, 20 * 86_400),
        ("ttfv", {**ACTIVE, "kickoff_at": after(days=25)}, 20 * 86_400),
        ("milestones", {"steps_due": 7, "steps_done": 5}, 71),
        ("milestones", {"steps_due": 7, "steps_done": 5, "days": 29}, None),
        ("activation30", ACTIVE, 1),
        ("activation30", {**ACTIVE, "days": 29.9}, None),
        ("activation30", {"activates": True, "activated_at": after(days=30, seconds=1)}, 0),
        ("activation30", {}, None),
        ("onboarding", {"activates": True, "activated_at": after(days=59)}, 1),
        ("onboarding", {**SILENT, "released_at": None}, None),
        ("drop", SILENT, 1),
        ("drop", {**SILENT, "released_at": None}, 1),
        ("drop", {**SILENT, "days": 59}, None),
        ("drop", ACTIVE, 0),
        ("drop", {**ACTIVE, "days": 59}, None),
        ("drop", {**SILENT, "days": 45, "drop_days": 40}, 1),
        ("accepted_first", {"accepted": True}, 1),
        ("accepted_first", {"accepted": True, "rejections": 1}, 0),
        ("accepted_first", {"accepted": False}, None),
        ("rating", {"rating": 400}, 400),
        ("nps", {"nps": 900}, 10_000),
        ("nps", {"nps": 800}, 0),
        ("nps", {"nps": 600}, -10_000),
        ("nps", {"nps": 4200}, 4200),
        ("csat", {"csat": 850}, 850),
        ("repeat_asks", {"repeat_asks": 2}, 1),
        ("repeat_asks", {"repeat_asks": 0}, 0),
        ("tickets30", {"tickets": 4}, 4),
        ("tickets30", {"tickets": 4, "days": 20}, None),
        ("escalations", {"escalations": 3}, 1),
        ("escalations", {}, 0),
        ("overrides", {"overridden": True}, 1),
        ("commitments_kept", {"promises_due": 3, "promises_kept": 2}, 66),
        ("commitments_kept", {}, None),
        ("retention90", WATCHED, 1),
        ("retention90", {**WATCHED, "churned_at": after(days=80)}, 0),
        ("retention90", {**WATCHED, "churned_at": after(days=80), "days": 85}, None),
        ("retention90", {**WATCHED, "churned_at": after(days=91)}, 1),
        # Who left long before, and came back with this deal, has not left again; on the day of the win one may.
        ("retention90", {**WATCHED, "churned_at": after(days=-400)}, 1),
        ("retention90", {**WATCHED, "churned_at": after(hours=-9)}, 0),
        ("retention365", {**WATCHED, "churned_at": after(days=-400)}, 1),
        ("retention90", {}, None),
        ("retention365", {**WATCHED, "churned_at": after(days=91)}, 0),
        ("renewal_talk", {"renewal_talk_at": after(days=150)}, 150 * 86_400),
        ("renewal_talk", {"renewal_talk_at": after(days=150), "renewed_at": after(days=140)}, 140 * 86_400),
        ("renewal_talk", {"renewal_talk_at": after(days=-9), "renewed_at": after(days=300)}, 300 * 86_400),
        ("expansion", {**WATCHED, "amount": 800_000, "expansion": 200_000}, 25),
        ("expansion", {**WATCHED, "amount": 800_000}, 0),
        ("expansion", {**WATCHED, "expansion": 200_000}, None),
        ("complete", {"complete": True}, 1),
        ("complete", {"complete": False}, 0),
        ("complete", {}, None),
    ],
)
def test_each_measure_of_one_handoff(key: str, known: dict[str, Any], expected: int | None) -> None:
    assert value(key, facts(**known)) == expected


WHOLE = facts(
    short=False, **ANSWERED, **ACTIVE, **WATCHED, assigned_at=WON, told_at=WON, first_touch_at=WON, kickoff_at=WON,
    kickoff_days=0, steps_due=1, steps_done=1, accepted=True, rating=500, nps=1000, csat=1000, repeat_asks=0, tickets=0,
    promises_due=1, promises_kept=1, renewal_talk_at=after(days=9), amount=100, expansion=50, complete=True,
)  # fmt: skip
ONCE_PER_CUSTOMER = {
    *("ttfv", "activation30", "onboarding", "drop", "nps", "csat", "tickets30"),
    *("retention90", "retention365", "renewal_talk", "expansion"),
}
WITHOUT_TIMES = {"completion", "ae_hours", "accepted_first", "rating", "nps", "csat", "repeat_asks", "complete"}


def counting(known: Facts) -> set[str]:
    return {key for key, found in values_of(known).items() if found is not None}


def test_who_is_excluded() -> None:
    assert counting(WHOLE) == {one.key for one in PER_HANDOFF}
    assert counting(dataclasses.replace(WHOLE, stands=False)) == set()
    assert counting(dataclasses.replace(WHOLE, excluded=True)) == set()
    assert counting(WHOLE) - counting(dataclasses.replace(WHOLE, deal_type=DealType.RENEWAL)) == ONCE_PER_CUSTOMER
    assert counting(dataclasses.replace(WHOLE, adopted=True)) == WITHOUT_TIMES | {"commitments_kept"}


def test_facts_come_back_as_they_were_written() -> None:
    assert from_json(to_json(WHOLE), at=WHOLE.at) == WHOLE
    renewal = dataclasses.replace(WHOLE, deal_type=DealType.RENEWAL, stands=False, watched=())
    assert from_json({**to_json(renewal), "of_a_later_version": 3}, at=renewal.at) == renewal
    assert to_json(Facts(at=WON)) == {}


@pytest.mark.parametrize("one", MEASURES.values(), ids=lambda one: one.key)
def test_each_definition_is_whole(one: Measure) -> None:
    known = {each.name for each in dataclasses.fields(Facts)}
    assert set(one.uses) <= known
    assert set(one.uses) <= set(WORDS)
    aims = {each.name for each in dataclasses.fields(Targets)}
    assert {one.target, one.alarm} - {""} <= aims
    assert one.counts
    assert one.excludes
    assert one.source.startswith("[")
    # What starts and ends says by which clock; what counts no time has no clock.
    assert (one.clock is Clock.NONE) == (not one.starts)
    assert one.after_days == DROP_AFTER or isinstance(one.after_days, int)
    if one.way is Way.SHARE:
        assert one.unit is Unit.PERCENT


# Sums and how sure they are


def test_a_share_and_its_interval() -> None:
    drop = MEASURES["drop"]
    found = sum_of(drop, [1, 0, 0, None, 0, 0, 0, 0, 0, 1])
    # Two of nine dropped; a drop is missed, so seven met. Wilson for 2 of 9: 6.3 % to 54.7 %.
    assert found == Sum(9, 2, 7, 2.0)
    assert shown(drop, found).text == "22.2 %"
    bounds = interval(drop, found)
    assert bounds is not None
    assert (round(bounds.low, 1), round(bounds.high, 1)) == (6.3, 54.7)
    none = interval(drop, Sum(5, 0, 5, 0.0))
    assert none is not None
    # None of five says little: up to 43.4 % may drop.
    assert (round(none.low, 1), round(none.high, 1)) == (0.0, 43.4)


def test_a_mean_and_its_interval() -> None:
    ttft = MEASURES["ttft"]
    hours = [10, 20, 30, 24]
    found = sum_of(ttft, [each * HOUR for each in hours], aim=aim(ttft, Targets()))
    # 84 hours of four: 21. Three within 24 hours. Deviations 11, 1, 9, 3: 212 over 3, root 8.406; t(3) = 3.182, so
    # 3.182 * 8.406 / 2 = 13.4 on either side.
    assert (found.counted, found.total, found.met) == (4, 84 * HOUR, 3)
    assert number(ttft, found) == 21
    assert shown(ttft, found).text == "21 h"
    bounds = interval(ttft, found)
    assert bounds is not None
    assert (round(bounds.low, 1), round(bounds.high, 1)) == (7.6, 34.4)
    assert interval(ttft, sum_of(ttft, [HOUR])) is None
    # Nobody is touched before the win, and no more is reached than all.
    wide, milestones = interval(ttft, sum_of(ttft, [0, 50 * HOUR])), MEASURES["milestones"]
    assert wide is not None
    assert wide.low == 0
    all_but = interval(milestones, sum_of(milestones, [100, 100, 90]))
    assert all_but is not None
    assert all_but.high == 100


@pytest.mark.parametrize(
    ("cases", "t"), [(31, 2.042), (32, 2.0395), (41, 2.0211), (61, 2.0003), (121, 1.9799), (100_001, 1.9600)]
)
def test_the_interval_of_a_mean_of_many(cases: int, t: float) -> None:
    # Tables of Student's t. The squares are chosen so that the standard error is one hour.
    spread = cases * HOUR**2
    bounds = interval(MEASURES["ttft"], Sum(cases, 0, 0, float(spread * (cases - 1))))
    assert bounds is not None
    assert bounds.high == pytest.approx(t, abs=1e-4)


def test_nothing_counts() -> None:
    assert shown(MEASURES["ttft"], NOTHING).text == "–"
    assert interval(MEASURES["drop"], NOTHING) is None
    assert on_target(MEASURES["drop"], NOTHING, 15) is None
    assert few(NOTHING)


def test_sums_add_up_and_few_are_few() -> None:
    ttft = MEASURES["ttft"]
    one, other = sum_of(ttft, [HOUR, 2 * HOUR], aim=HOUR), sum_of(ttft, [3 * HOUR, None], aim=HOUR)
    assert one + other == sum_of(ttft, [HOUR, 2 * HOUR, 3 * HOUR], aim=HOUR)
    assert few(Sum(7, 0, 0)) is True
    assert few(Sum(8, 0, 0)) is False
    assert few(Sum(8, 0, 0), least=9) is True


@pytest.mark.parametrize(
    ("key", "total", "counted", "met", "words"),
    [
        ("ttft", 24 * HOUR, 1, True, "≤ 24 h"),
        ("ttft", 24 * HOUR + 1, 1, False, "≤ 24 h"),
        ("told", 301, 1, False, "≤ 5 min"),
        ("kickoff", 500, 1, True, "≤ 5 working days"),
        ("ttfv", 14 * 86_400, 1, True, "≤ 14 days"),
        ("completion", 9, 10, True, "≥ 90 %"),
        ("drop", 15, 100, True, "≤ 15 %"),
        ("drop", 16, 100, False, "≤ 15 %"),
        ("retention90", 95, 100, True, "≥ 95 %"),
        ("retention90", 94, 100, False, "≥ 95 %"),
        ("nps", 50 * 100, 1, True, "≥ 50"),
        ("csat", 790, 1, False, "≥ 8"),
        ("expansion", 25, 1, True, "≥ 25 %"),
        ("renewal_talk", 183 * 86_400, 1, False, "≤ 182 days"),
    ],
)
def test_what_is_aimed_at(key: str, total: int, counted: int, met: bool, words: str) -> None:
    one = MEASURES[key]
    wanted = aim(one, Targets())
    assert on_target(one, Sum(counted, total), wanted) is met
    assert shown_aim(one, wanted) == words


def test_the_alarm_lies_beyond_the_target() -> None:
    ttft, completion = MEASURES["ttft"], MEASURES["completion"]
    assert aim(ttft, Targets(), alarm=True) == 48 * HOUR
    assert aim(completion, Targets(), alarm=True) == 85
    assert aim(MEASURES["told"], Targets(), alarm=True) is None


def test_one_value_is_told_in_its_unit() -> None:
    told = {key: shown_value(MEASURES[key], 1) for key in ("ttft", "kickoff", "drop", "nps", "tickets30")}
    assert told == {"ttft": "0 h", "kickoff": "0.01 working days", "drop": "yes", "nps": "0.01", "tickets30": "1"}


# What a handoff lacked


def test_what_a_handoff_lacked() -> None:
    good = facts(short=False, first_touch_at=after(hours=2), kickoff_at=after(days=2), kickoff_days=200, **ACTIVE)
    assert lacked(good) == ()
    bad = facts(
        days=45, released_at=after(days=2), short=True, first_touch_at=after(hours=25), kickoff_at=after(days=9),
        kickoff_days=501, promises_due=2, promises_kept=1, rejections=1, repeat_asks=1, **SILENT,
    )  # fmt: skip
    assert lacked(bad) == tuple(LACKS)
    assert len(words(lacked(bad))) == len(LACKS)
    # The time for it is not over yet.
    assert lacked(facts(days=0.5, **SILENT)) == ()
    assert lacked(facts(days=5, first_touch_at=WON, **SILENT)) == ()
    assert lacked(
        facts(first_touch_at=after(hours=2), kickoff_at=WON, kickoff_days=0), Targets(first_touch_hours=Decimal(1))
    ) == ("touch",)
    assert lacked(dataclasses.replace(bad, adopted=True)) == ()


def test_churn_within_ninety_days() -> None:
    assert churned(facts(churned_at=after(days=90)))
    assert not churned(facts(churned_at=after(days=91)))
    assert not churned(facts(churned_at=after(days=-400)))
    assert not churned(facts())
    assert not churned(facts(churned_at=after(days=9), stands=False))


# What is entered late


def a_figure(known: Facts, **changes: Any) -> Figure:
    plain = Figure(SystemName("sf"), "D1", 1, known, won_on=date(2026, 3, 3), values=values_of(known))
    return dataclasses.replace(plain, **changes)


def test_a_call_that_was_logged_later_corrects_the_past() -> None:
    before = a_figure(facts(days=20, first_touch_at=after(hours=30)))
    late = a_figure(facts(days=50, first_touch_at=after(hours=20)))
    (one,) = corrections(before, late)
    assert (one.key, one.before, one.after) == ("ttft", 30 * HOUR, 20 * HOUR)
    assert one.said == (
        "Time to first touch was 30 h, is now 20 h: the first touch was 4 Mar 2026, 15:00 UTC, is now "
        "4 Mar 2026, 05:00 UTC, entered later."
    )


def test_what_comes_about_is_no_correction() -> None:
    before = a_figure(facts(days=20))
    # In the month of the win; and what did not count before.
    assert corrections(before, a_figure(facts(days=25, escalations=1))) == ()
    assert corrections(before, a_figure(facts(days=50, first_touch_at=after(days=40), nps=900))) == ()
    assert [one.key for one in corrections(before, a_figure(facts(days=25, escalations=1)), always=True)] == [
        "escalations"
    ]


@pytest.mark.parametrize(
    ("at", "today", "said"),
    [
        # In New York it is ten in the evening of the month's last day, in Sydney the first morning of the next.
        (datetime(2026, 4, 1, 2, tzinfo=UTC), date(2026, 3, 31), False),
        (datetime(2026, 3, 31, 20, tzinfo=UTC), date(2026, 4, 1), True),
        (datetime(2026, 4, 1, 5, tzinfo=UTC), date(2026, 4, 1), True),
    ],
)
def test_a_month_is_over_by_the_company_s_calendar(at: datetime, today: date, *, said: bool) -> None:
    before = a_figure(facts(days=20))
    known = dataclasses.replace(facts(escalations=1), at=at)
    assert bool(corrections(before, a_figure(known, looked_on=today))) is said


def test_a_reopened_deal_counts_no_more() -> None:
    before = a_figure(facts(days=20, first_touch_at=after(hours=30)))
    gone = corrections(before, a_figure(facts(days=50, first_touch_at=after(hours=30), stands=False)))
    assert {one.key for one in gone} == {"ttft", "escalations", "overrides"}
    assert all(
        one.after is None and one.said.endswith("does not count any more: the deal is not won any more.")
        for one in gone
    )


# Working days


@pytest.mark.parametrize(
    ("start", "end", "hundredths"),
    [
        # In Berlin, nine to five, one hour before UTC. Tuesday ten to Wednesday ten: seven eighths and one eighth.
        (datetime(2026, 3, 3, 9, tzinfo=UTC), datetime(2026, 3, 4, 9, tzinfo=UTC), 100),
        # Friday eight in the evening to Monday one: half a day, whatever lies between.
        (datetime(2026, 3, 6, 19, tzinfo=UTC), datetime(2026, 3, 9, 12, tzinfo=UTC), 50),
        # Tuesday ten to three: five hours of eight.
        (datetime(2026, 3, 3, 9, tzinfo=UTC), datetime(2026, 3, 3, 14, tzinfo=UTC), 62),
        (datetime(2026, 3, 4, 9, tzinfo=UTC), datetime(2026, 3, 3, 9, tzinfo=UTC), 0),
        # Over the change to summer time on 29 March: Thursday ten, German time, to Monday ten.
        (datetime(2026, 3, 26, 9, tzinfo=UTC), datetime(2026, 3, 30, 8, tzinfo=UTC), 200),
    ],
)
def test_working_days(start: datetime, end: datetime, hundredths: int) -> None:
    assert working_days(a_calendar(), start, end) == hundredths
    if hundredths:
        assert elapsed(a_calendar(), start, end) // timedelta(hours=8) == hundredths // 100


# From a case to its figures


def touched(world: World, *touches: Touch) -> None:
    world.snapshot = dataclasses.replace(world.snapshot, touches=touches)


def test_a_handoff_from_its_win_to_its_kickoff() -> None:
    world = World()
    world.run()
    touched(
        world,
        Touch(TouchKind.EMAIL, WON_AT + timedelta(hours=1), AE),
        Touch(TouchKind.CALL, WON_AT + timedelta(hours=20), TOMAS),
        Touch(TouchKind.MEETING, WON_AT + timedelta(days=1), TOMAS),
        Touch(TouchKind.MEETING, WON_AT + timedelta(days=3), TOMAS),
    )
    world.wait(days=2)
    figure = world.run().figure
    assert figure is not None
    found = {key: figure.values[key] for key in ("completion", "assign", "ttft", "kickoff", "overrides", "drop")}
    # The AE's mail is no touch of the CSM's, the meeting of the third day is to come, no milestone is declared.
    assert found == {"completion": 1, "assign": 300, "ttft": 20 * HOUR, "kickoff": 100, "overrides": 0, "drop": None}
    assert (figure.ae.id, figure.csm.id, figure.funnel, figure.covered) == (AE, TOMAS, Funnel.KICKED_OFF, True)
    assert (figure.won_on, figure.won_weekday, figure.won_hour) == (date(2026, 3, 3), 1, 10)
    assert figure.looked_on == date(2026, 3, 5)


def test_whose_deal_it_was_stays_though_it_goes_to_somebody_else() -> None:
    world = World()
    world.run()
    world.edit({"owner": MANAGER})
    figure = world.run().figure
    assert figure is not None
    assert (figure.ae.id, figure.ae.name) == (AE, "Ana Ek")


def test_a_kickoff_stays_though_another_csm_takes_over() -> None:
    world = World()
    world.run()
    touched(world, Touch(TouchKind.MEETING, WON_AT + timedelta(days=1), TOMAS))
    world.wait(days=2)
    world.run()
    world.edit({"csm": PRIYA})
    assert world.snapshot.account is not None
    world.edit({"csm": PRIYA}, ref=world.snapshot.account.ref)
    world.run()
    figure = world.run().figure
    assert figure is not None
    assert figure.csm.id == PRIYA
    assert figure.facts.kickoff_at == WON_AT + timedelta(days=1)
    # And one of their own that turns out not to have been held is none.
    touched(world, Touch(TouchKind.MEETING, WON_AT + timedelta(hours=30), PRIYA))
    world.run()
    touched(world)
    again = world.run().figure
    assert again is not None
    assert again.facts.kickoff_at == WON_AT + timedelta(days=1)


def test_a_deal_that_was_held_was_not_complete_at_its_close() -> None:
    held = a_policy(gate=dataclasses.replace(a_policy().gate, mode=GateMode.HOLD))
    world = World(a_snapshot(deal=a_gap()), policy=held)
    first = world.run().figure
    assert first is not None
    assert (first.covered, first.reason) == (False, "Held at the gate: required fields are empty, or say too little.")
    assert first.stuck == ("held",)
    world.edit({"champion": "Ingrid Holm"})
    world.wait(hours=30)
    figure = world.run().figure
    assert figure is not None
    assert (figure.values["completion"], figure.covered, figure.reason) == (0, True, "")
    assert figure.lacks == ("held", "fields", "touch")
    # The field on the deal says the same: three of four were filled with the win.
    assert world.snapshot.deal.get("metric_completion") == 75


@pytest.mark.parametrize("amount", ["1e20", "-1e17", "1e9000", "Infinity"])
def test_an_amount_that_nobody_can_mean_is_none(amount: str) -> None:
    figure = World(a_snapshot(deal={"amount": Decimal(amount)})).run().figure
    assert figure is not None
    assert (figure.amount, figure.facts.amount) == (None, None)


@pytest.mark.parametrize(("said", "counts"), [("5", 500), ("²", None), (Decimal("1e30"), None), (Decimal("NaN"), None)])
def test_a_mark_is_a_number_from_one_to_five(said: Any, counts: int | None) -> None:
    plan = decide(a_snapshot(deal={"handoff_rating": said}, acting=Acting(Reach.PILOT, {})), a_policy(), NOW)
    assert plan.figure is not None
    assert plan.trial is not None
    assert plan.figure.facts.rating == counts
    assert plan.trial.rating == (counts and counts // 100)


def test_an_override_is_remembered() -> None:
    world = World()
    world.snapshot = dataclasses.replace(
        world.snapshot,
        ledger=dataclasses.replace(
            world.snapshot.ledger, generation=1, gate=Gate.OVERRIDDEN, released_at=NOW, won_at=WON_AT
        ),
    )
    assert world.run().figure is not None
    assert "let-through" in world.snapshot.ledger.marks


def test_a_reopened_deal_has_figures_that_count_in_nothing() -> None:
    world = World()
    world.run()
    world.wait(days=1)
    world.reopen()
    plan = world.run()
    assert plan.phase is Phase.REOPENED
    assert plan.figure is not None
    assert set(plan.figure.values.values()) == {None}


def test_an_open_deal_has_no_figures() -> None:
    world = World()
    world.reopen()
    assert world.decide().figure is None


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ({}, [(0, 1, 1), (1, 0, 0)]),
        # Nothing is heard of either: who has reached first value all the same must not be the only one that counts.
        ({"named": False}, [(None, None, None), (None, None, None)]),
        ({"ambiguous": True}, [(None, None, None), (None, None, None)]),
    ],
)
def test_who_reached_first_value_does_not_count_alone(
    seen: dict[str, Any], expected: list[tuple[int | None, ...]]
) -> None:
    found = []
    for reached in ({"activated_on": date(2026, 3, 12)}, {}):
        world = World(
            a_snapshot(account=a_customer(**reached), product=counted_facts(NOW, **seen)), policy=a_product_policy()
        )
        world.run()
        world.wait(days=61)
        figure = world.run().figure
        assert figure is not None
        found.append(tuple(figure.values[key] for key in ("drop", "activation30", "onboarding")))
        # How long it took is known all the same.
        assert (figure.values["ttfv"] is not None) is bool(reached)
    assert found == expected


@pytest.mark.parametrize("kind", [DealType.RENEWAL, DealType.UPSELL])
def test_a_customer_who_buys_again_is_not_activated_again(kind: DealType) -> None:
    used = a_customer(activated_on=date(2026, 1, 9))
    years_ago = [at("connected", after(days=-500), part=part) for part in ("ads", "mail", "web")]
    plain = a_snapshot(account=used, product=counted_facts(NOW, *years_ago))
    world = World(dataclasses.replace(plain, deal_type=kind), policy=a_product_policy())
    world.run()
    figure = world.run().figure
    assert figure is not None
    # Nobody touched this customer yet, whatever they did last year.
    assert (figure.activated_on, figure.funnel) == (None, Funnel.ASSIGNED)


def test_a_look_comes_when_something_begins_to_count_and_not_more_often() -> None:
    world = World()
    world.run()
    looks = []
    while len(looks) < 40 and (at := world.decide().recheck_at) is not None:
        world.now = at
        world.run()
        looks.append(at)
    # Nothing is mapped or declared but the playbook: day 30 is the last for which there is anything to come.
    late = [at for at in looks if at >= WON_AT + timedelta(days=29)]
    assert late == [WON_AT + timedelta(days=30)]
