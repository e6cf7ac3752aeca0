"""Thresholds of the process: which period is over, what it came to, and one task with the evidence on one deal."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from factories import DANA, DEAL_ID, MAYA, NOW, PEOPLE, SYSTEM, a_calendar, a_policy, a_snapshot
from late_parts import DAY
from tinyworld import World

from connector.handoff.governing.breaches import (
    Behind,
    Stood,
    heaviest,
    rule,
    step_of,
    stood,
    subject_of,
    text_of,
    won_in,
)
from connector.handoff.governing.periods import (
    Period,
    before,
    named_month,
    named_quarter,
    over,
    quarter_of,
    run_of,
    week_of,
)
from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.measures.summing import Sum
from connector.handoff.model import Breach, Kind, Snapshot
from connector.handoff.plan import Notify, Plan, Upsert, Verdict
from connector.handoff.rulebook.governance import Cadence, GovernancePolicy, Threshold
from connector.handoff.rulebook.watch import Targets

LIVE = date(2026, 9, 7)
OCTOBER = named_month("2026-10")
COMPLETION = MEASURES["completion"]


def a_threshold(**changes: Any) -> Threshold:
    plain = Threshold("completion-red", "completion", Cadence.MONTH, Decimal(85), advice="Talk to Sales.")
    return dataclasses.replace(plain, **changes)


def came_to(period: Period, value: int | None, counted: int = 20) -> Stood:
    return Stood(period, None if value is None else Decimal(value), f"{value} %", counted)


# --- periods --------------------


@pytest.mark.parametrize(
    ("period", "first", "end", "title"),
    [
        (named_month("2026-12"), date(2026, 12, 1), date(2027, 1, 1), "December 2026"),
        (named_quarter("2026-q4"), date(2026, 10, 1), date(2027, 1, 1), "Q4 2026"),
        (quarter_of(date(2026, 8, 31)), date(2026, 7, 1), date(2026, 10, 1), "Q3 2026"),
        (week_of(2, since=LIVE), date(2026, 9, 14), date(2026, 9, 21), "Hypercare, week 2 (2026-09-14 to 2026-09-20)"),
    ],
)
def test_periods_have_their_days_and_names(period: Period, first: date, end: date, title: str) -> None:
    assert (period.first, period.end, period.title) == (first, end, title)


@pytest.mark.parametrize("name", ["2026-13", "10-2026", "october", ""])
def test_what_is_no_month_is_told(name: str) -> None:
    with pytest.raises(ValueError, match="write it as 2026-10"):
        named_month(name)


def test_a_run_of_periods_goes_back_over_the_year() -> None:
    assert [one.name for one in run_of(named_month("2027-02"), 4)] == ["2027-02", "2027-01", "2026-12", "2026-11"]
    assert [one.name for one in run_of(named_quarter("2027-Q1"), 2)] == ["2027-Q1", "2026-Q4"]
    assert [one.name for one in run_of(week_of(2, since=LIVE), 5)] == ["week-2", "week-1"]
    assert before(week_of(1, since=LIVE)) is None


def test_days_of_a_period_are_those_of_the_company_s_calendar() -> None:
    begins, ends = OCTOBER.bounds(a_calendar(tz="Europe/Berlin"))
    assert begins == datetime(2026, 9, 30, 22, tzinfo=UTC)
    assert ends == datetime(2026, 10, 31, 23, tzinfo=UTC)  # the clocks went back in between


@pytest.mark.parametrize(
    ("today", "wait", "expected"),
    [
        (date(2026, 11, 1), 0, "2026-10"),
        (date(2026, 11, 1), 1, "2026-09"),
        (date(2026, 11, 2), 1, "2026-10"),
        (date(2026, 11, 30), 1, "2026-10"),
        (date(2026, 9, 15), 1, None),
    ],
)
def test_a_month_is_judged_some_days_after_its_last(today: date, wait: int, expected: str | None) -> None:
    found = over(Cadence.MONTH, today=today, wait_days=wait, since=LIVE)
    assert (found.name if found else None) == expected


def test_a_week_of_hypercare_is_judged_within_the_week_after_it_and_never_later() -> None:
    days = [LIVE + timedelta(days=n) for n in range(30)]
    judged = [day for day in days if over(Cadence.HYPERCARE, today=day, wait_days=1, since=LIVE, week=1)]
    assert judged == [LIVE + timedelta(days=n) for n in range(8, 15)]


# --- figures to rulings --------------------


@pytest.mark.parametrize(
    ("values", "changes", "breached"),
    [
        ([84], {}, True),
        ([85], {}, False),
        ([86], {}, False),
        ([84, 84], {"runs": 2}, True),
        ([84, 85], {"runs": 2}, False),
        ([85, 84], {"runs": 2}, False),
        ([84], {"runs": 2}, None),
        ([84, None], {"runs": 2}, None),
        ([None], {}, None),
        ([86], {"over": True}, True),
        ([85], {"over": True}, False),
        ([84], {"at_least": 21}, None),
        ([84], {"at_least": 20}, True),
    ],
)
def test_a_threshold_is_breached_kept_or_nobody_can_say(
    values: list[int | None], changes: dict[str, Any], breached: bool | None
) -> None:
    periods = run_of(OCTOBER, len(values))
    stands = [came_to(period, value) for period, value in zip(periods, values, strict=True)]
    assert rule(a_threshold(**changes), stands).breached is breached


def test_seventeen_of_twenty_is_not_below_eighty_five() -> None:
    on_the_edge = stood(OCTOBER, COMPLETION, Sum(20, 17, 17), won=(OCTOBER.first, OCTOBER.end))
    below = stood(OCTOBER, COMPLETION, Sum(1000, 849, 849), won=(OCTOBER.first, OCTOBER.end))
    assert rule(a_threshold(), [on_the_edge]).breached is False
    assert rule(a_threshold(), [below]).breached is True
    assert (on_the_edge.text, on_the_edge.counted) == ("85 %", 20)


def test_what_counts_from_a_later_day_on_is_about_earlier_wins() -> None:
    days = Targets().drop_after_days
    since, until = won_in(OCTOBER, MEASURES["drop"], Targets())
    assert (OCTOBER.first - since, OCTOBER.end - until) == (timedelta(days=days), timedelta(days=days))
    assert won_in(OCTOBER, COMPLETION, Targets()) == (OCTOBER.first, OCTOBER.end)
    told = stood(OCTOBER, MEASURES["drop"], Sum(4, 1, 3), won=(since, until))
    assert told.text == f"25 % (won {since.isoformat()} to {(until - timedelta(days=1)).isoformat()})"


def test_the_evidence_has_numbers_deals_and_what_to_run() -> None:
    ruling = rule(
        a_threshold(runs=2, target="completion_red_percent"), [came_to(each, 80) for each in run_of(OCTOBER, 2)]
    )
    deals = [Behind(f"D{n}", f"Deal {n}", f"Account {n}", "no; AE Elena", Decimal(n)) for n in range(12)]
    text = text_of(ruling, COMPLETION, deals, behind=12, command="handoff review --month 2026-10")
    assert subject_of(ruling, COMPLETION) == "Complete at close below 85 % in October 2026, 2 months running"
    for part in (
        "must not be below 85 % ([targets] completion_red_percent)",
        "What to do: Talk to Sales.",
        "- October 2026: 80 %, of 20 handoffs",
        "- September 2026: 80 %, of 20 handoffs",
        "The deals behind it (12):",
        "- Account 3 (Deal 3, D3): no; AE Elena",
        "- and 2 more",
        "handoff review --month 2026-10",
    ):
        assert part in text


def test_a_breach_hangs_on_the_deal_that_weighs_most_whatever_the_order() -> None:
    deals = [Behind("D2", "", "", "", Decimal(5)), Behind("D1", "", "", "", Decimal(5)), Behind("D3", "", "", "")]
    assert heaviest(deals) == heaviest(deals[::-1]) == deals[1]
    assert heaviest([]) is None


# --- the rule on the deal --------------------

BREACH = Breach(
    "completion-red", "2026-02", "Complete at close below 85 in February 2026", "The numbers: {{ 80 }}", NOW, 1
)
STEP = step_of("completion-red", "2026-02")


def told_here(*breaches: Breach, owner: str = DANA) -> World:
    email = PEOPLE[owner].email if owner in PEOPLE else owner
    policy = a_policy(governance=GovernancePolicy(email, DAY))
    given = {"generation": 1, "won_at": NOW, "released_at": NOW, "csm_id": MAYA, "assigned_at": NOW}
    snapshot = a_snapshot(
        deal={"gate": "Released", "csm": MAYA}, ledger=given, account={"csm": MAYA}, breaches=breaches
    )
    return World(snapshot, policy=policy)


def made(plan: Plan) -> list[Upsert]:
    return [one for one in plan.actions if isinstance(one, Upsert) and one.step.startswith("breach_")]


def test_a_breach_is_one_task_for_the_owner_and_one_message_however_often_the_deal_is_looked_at() -> None:
    world = told_here(BREACH)
    plan = world.run()
    (task,) = made(plan)
    assert task.kind is Kind.TASK
    assert task.key == f"{SYSTEM}:{DEAL_ID}:1:{STEP}"
    assert task.values["owner"] == DANA
    assert task.values["subject"] == "Complete at close below 85 in February 2026 (handoff process)"
    assert "The numbers: {{ 80 }}" in str(task.values["body"])  # what a deal says is never read as a template
    assert [one.to_id for one in plan.actions if isinstance(one, Notify) and "breach" in one.step] == [DANA]
    assert made(world.run()) == []
    world.delete_task(STEP)
    assert made(world.run()) == []


def test_a_lost_ledger_makes_no_second_task() -> None:
    world = told_here(BREACH)
    world.run()
    lost = dataclasses.replace(world.snapshot, ledger=dataclasses.replace(world.snapshot.ledger, effects={}))
    assert made(World(lost, policy=world.policy).run()) == []


def test_a_breach_of_an_earlier_handoff_of_the_deal_is_not_told_on_the_next_one() -> None:
    assert made(told_here(dataclasses.replace(BREACH, generation=2)).run()) == []


def test_where_the_owner_is_nobody_it_says_so_and_tries_again() -> None:
    plan = told_here(BREACH, owner="gone@seller.example").run()
    finding = next(one for one in plan.findings if one.rule == "governance")
    assert finding.verdict is Verdict.BLOCKED
    assert "gone@seller.example is not known and active" in finding.reason
    assert finding.recheck_at is not None


def test_without_governance_nothing_is_said() -> None:
    snapshot: Snapshot = told_here(BREACH).snapshot
    assert made(World(snapshot, policy=a_policy()).run()) == []
