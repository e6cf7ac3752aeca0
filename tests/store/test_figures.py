"""Figures in the store: kept with the decision, summed exactly, told apart, corrected in the trail, gone and forgotten.

Not here: what a measure is (``tests/unit/test_core_measures.py``).
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from plans import MAYA, NOW, OTHER_SYSTEM, SYSTEM, TOMAS, a_notice, a_plan
from sending import claim

from connector.clock import ManualClock
from connector.handoff.measures.catalogue import PER_HANDOFF, values_of
from connector.handoff.measures.facts import Facts
from connector.handoff.measures.figure import Figure, Funnel, Who
from connector.handoff.measures.summing import Sum, aim, sum_of
from connector.handoff.model import HandoffKey, SystemName
from connector.handoff.plan import Phase
from connector.handoff.rulebook.watch import Targets
from connector.store import Applied, Decided, Keep, Settlement, Store
from connector.store.audit import AuditKind
from connector.store.behind import Listing
from connector.store.figurerows import over
from connector.store.figures import ALL, BEFORE, EVERYTHING, OBSERVED, Coverage, Dimension, Group, Selection
from connector.store.rulings import RulingRow
from connector.store.subject import About, Subject

PEOPLE = {MAYA: "Maya Lindqvist", TOMAS: "Tomas Reyes", "": ""}
HOUR = 3600


def a_figure(deal_id: str = "D1", *, won: datetime = NOW, generation: int = 1, **changes: Any) -> Figure:
    """A handoff of Maya's that was touched after ten hours."""
    known = {name: changes.pop(name) for name in {each.name for each in dataclasses.fields(Facts)} & set(changes)}
    began = {"at": won, "won_at": won, "released_at": won, "short": False, "first_touch_at": won + timedelta(hours=10)}
    facts = Facts(**(began | known))
    plain = Figure(
        system=SYSTEM,
        deal_id=deal_id,
        generation=generation,
        facts=facts,
        title=f"Rollout {deal_id}",
        account_id=f"A-{deal_id}",
        account_name="Nordlys AS",
        ae=Who("u-ae", "Ana Ek"),
        csm=Who(MAYA, PEOPLE[MAYA]),
        segment="small",
        won_on=won.date(),
        won_weekday=won.weekday(),
        won_hour=won.hour,
        activated_on=facts.activated_at.date() if facts.activated_at else None,
        phase=Phase.IN_FLIGHT.value,
        funnel=Funnel.TOUCHED,
        values=values_of(facts),
    )
    return dataclasses.replace(plain, **changes)


def record(store: Store, *figures: Figure, act: bool = True) -> None:
    for system in sorted({one.system for one in figures}):
        plans = [
            a_plan(one.deal_id, key=HandoffKey(system, one.deal_id), figure=one)
            for one in figures
            if one.system == system
        ]
        store.record(SystemName(system), [Decided(plan=plan) for plan in plans], act=act)


def summed(figures: Iterable[Figure]) -> dict[str, Sum]:
    """What the sums ought to be, worked out value by value."""
    listed = list(figures)
    return {
        one.key: sum_of(one, [each.values[one.key] for each in listed], aim=aim(one, Targets())) for one in PER_HANDOFF
    }


def test_a_figure_is_kept_with_its_decision_and_comes_back_whole(store: Store) -> None:
    whole = a_figure(
        accepted=True, watched=("nps", "churned_at"), nps=900, churned_at=NOW, amount=800_000, stuck=("no-login",),
        lacks=("touch",), tier="high", source="Web", deal_type="new", currency="EUR",
    )  # fmt: skip
    record(store, whole)
    assert store.figure(SYSTEM, "D1") == whole
    assert store.figure(SYSTEM, "D2") is None
    assert store.figures_of(SYSTEM, ["D1", "D2"]) == {("D1", 1): whole}


def test_what_is_only_observed_is_not_measured(store: Store) -> None:
    record(store, a_figure(), act=False)
    assert store.figure(SYSTEM, "D1") is None


def test_each_generation_is_a_handoff_of_its_own(store: Store) -> None:
    record(store, a_figure())
    record(store, a_figure(generation=2, won=NOW + timedelta(days=90)))
    latest = store.figure(SYSTEM, "D1")
    first = store.figure(SYSTEM, "D1", generation=1)
    assert latest is not None
    assert first is not None
    assert (latest.generation, first.generation) == (2, 1)


@pytest.mark.parametrize("seen", [True, False], ids=["reopening seen", "reopening slept through"])
def test_a_deal_that_was_won_anew_is_counted_once(store: Store, clock: ManualClock, *, seen: bool) -> None:
    record(store, a_figure(activates=True, activated_at=NOW + timedelta(days=9)))
    if seen:
        record(store, a_figure(stands=False, phase=Phase.REOPENED.value))
    clock.advance(timedelta(days=100))
    again = NOW + timedelta(days=90)
    record(store, a_figure(generation=2, won=again, at=again + timedelta(days=10), amount=5))
    assert store.sums()[EVERYTHING]["ttft"].counted == 1
    assert store.covered().won == 1
    assert store.funnel()[Funnel.WON] == 1
    assert store.velocity(today=again.date())[EVERYTHING].total == 0
    first = store.figure(SYSTEM, "D1", generation=1)
    assert first is not None
    assert (first.facts.stands, first.phase) == (False, "reopened")
    if not seen:
        said = store.corrections(deal_id="D1")
        assert {one.data["measure"] for one in said} >= {"ttft", "completion"}
        assert {one.generation for one in said} == {1}
    # What an older release kept of it is put right with the newer one, in any order.
    newer = store.figure(SYSTEM, "D1")
    assert newer is not None
    assert store.put_right([newer, over(a_figure(), NOW)]) == 0


def many(count: int) -> list[Figure]:
    """Handoffs of two systems, three CSMs and a year, some of everything, by a seed."""
    chance = random.Random(7)
    found = []
    for number in range(count):
        won = NOW + timedelta(hours=chance.randrange(24 * 200))
        csm = chance.choice([MAYA, TOMAS, ""])
        known: dict[str, Any] = {
            "at": NOW + timedelta(days=300),
            "short": chance.choice([True, False, None]),
            "first_touch_at": won + timedelta(seconds=chance.randrange(300_000)),
            "kickoff_days": chance.choice([None, chance.randrange(900)]),
            "activates": True,
            "activated_at": chance.choice([None, won + timedelta(hours=chance.randrange(2000))]),
            "rating": chance.choice([None, 100, 350, 500]),
            "nps": chance.choice([None, 300, 800, 1000]),
            "escalations": chance.randrange(3),
            "stands": chance.random() > 0.05,
        }
        made = a_figure(
            f"D{number}", won=won, csm=Who(csm, PEOPLE[csm]), segment=chance.choice(["small", "large"]), **known
        )
        found.append(dataclasses.replace(made, system=chance.choice([SYSTEM, OTHER_SYSTEM])))
    return found


def test_sums_are_exact_however_they_are_told_apart(store: Store) -> None:
    figures = many(120)
    record(store, *figures)
    assert store.sums()[EVERYTHING] == summed(figures)
    by: dict[Dimension, Any] = {
        Dimension.SYSTEM: lambda one: one.system,
        Dimension.CSM: lambda one: one.csm.id,
        Dimension.SEGMENT: lambda one: one.segment,
        Dimension.WEEKDAY: lambda one: str(one.won_weekday),
        Dimension.HOUR: lambda one: str(one.won_hour),
        Dimension.MONTH: lambda one: f"{one.won_on:%Y-%m}",
        Dimension.WEEK: lambda one: (one.won_on - timedelta(days=one.won_on.weekday())).isoformat(),
    }
    for dimension, of in by.items():
        found = {group.key: sums for group, sums in store.sums(by=dimension).items()}
        assert found == {
            key: summed(one for one in figures if of(one) == key) for key in {of(one) for one in figures}
        }, dimension


def test_a_selection_narrows_and_groups_come_in_order(store: Store) -> None:
    figures = many(120)
    record(store, *figures)
    chosen = Selection(systems=(SYSTEM,), since=date(2026, 4, 1), until=date(2026, 6, 1), csm="Maya Lindqvist")
    meant = [
        one
        for one in figures
        if one.system == SYSTEM
        and one.csm.id == MAYA
        and one.won_on
        and date(2026, 4, 1) <= one.won_on < date(2026, 6, 1)
    ]
    assert meant
    assert store.sums(chosen, measures=["ttft"])[EVERYTHING] == {"ttft": summed(meant)["ttft"]}
    assert [group.label for group in store.sums(by=Dimension.WEEKDAY)][:2] == ["Monday", "Tuesday"]
    months = [group.key for group in store.sums(by=Dimension.MONTH)]
    assert months == sorted(months)
    assert store.options(Dimension.CSM) == (Group(MAYA, "Maya Lindqvist"), Group(TOMAS, "Tomas Reyes"))
    nobody = store.sums(Selection(segment="none"))
    assert nobody[EVERYTHING]["ttft"] == Sum()


def test_the_deals_behind_a_number(store: Store) -> None:
    hours = {"D1": 5, "D2": 30, "D3": 24}
    record(store, *(a_figure(each, first_touch_at=NOW + timedelta(hours=many_)) for each, many_ in hours.items()))
    record(store, a_figure("D4", first_touch_at=None), a_figure("D5", stands=False))

    def ids(**how: Any) -> list[str]:
        return [one.deal_id for one in store.listed(measure="ttft", **how)]

    # The worst first; 24 hours are in time; a deal that was reopened waits for nothing.
    assert ids() == ["D2", "D3", "D1"]
    assert ids(which="met") == ["D3", "D1"]
    assert ids(which="missed") == ["D2"]
    assert ids(which="open") == ["D4"]
    assert ids(limit=1, offset=1) == ["D3"]
    with pytest.raises(KeyError):
        store.listed(measure="charm")


def test_the_funnel_and_what_has_no_handoff(store: Store) -> None:
    held = "Held at the gate: required fields are empty, or say too little."
    renewals = "Deals of type renewal get no handoff by this policy."
    record(
        store,
        a_figure("D1", funnel=Funnel.ACTIVATED),
        a_figure("D2", funnel=Funnel.TOUCHED),
        a_figure("D3", funnel=Funnel.WON, covered=False, reason=held, phase=Phase.HELD.value),
        a_figure("D4", funnel=Funnel.WON, covered=False, reason=renewals, phase="excluded", excluded=True),
        a_figure("D5", funnel=Funnel.TOUCHED, stands=False),
    )
    old = a_plan("D6", phase=Phase.BEFORE_START, generation=0)
    store.record(SYSTEM, [Decided(plan=old)], act=True)
    assert list(store.funnel().values()) == [3, 2, 2, 2, 1, 1]
    covered = store.covered()
    assert covered == Coverage(5, 2, {held: 1, renewals: 1, BEFORE: 1})
    assert covered.unexplained == 0
    assert store.covered(Selection(segment="small")) == Coverage(4, 2, {held: 1, renewals: 1})


def test_won_deals_that_are_observed_or_unmeasured_are_accounted_for_too(store: Store) -> None:
    record(store, a_figure("D1"))
    seen = [Decided(plan=a_plan("D2")), Decided(plan=a_plan("D3", phase=Phase.OPEN))]
    store.record(SYSTEM, seen, act=False)
    observed = Coverage(2, 1, {OBSERVED: 1})
    assert store.covered() == observed
    assert observed.unexplained == 0
    # Acted on, and nothing measured: of an upgrade, or of a deal whose look fails. Nothing explains that.
    store.record(SYSTEM, [Decided(plan=a_plan("D4"))], act=True)
    assert store.covered().unexplained == 1
    day, week = Selection(since=NOW.date()), Selection(since=NOW.date() - timedelta(days=7), until=NOW.date())
    assert (store.covered(day).won, store.covered(week).won) == (3, 0)
    assert store.covered(Selection(segment="small")) == Coverage(1, 1, {})
    for chosen in (ALL, day, week, Selection(systems=(OTHER_SYSTEM,)), Selection(segment="small")):
        assert store.standing(chosen, by=Dimension.AE).coverage == store.covered(chosen), chosen
    (listed,) = store.behind(day, Listing(reason=OBSERVED))
    assert (listed.deal_id, listed.covered, store.how_many(day, Listing(reason=OBSERVED))) == ("D2", False, 1)


def test_velocity_counts_the_weeks_in_which_nobody_activated_too(store: Store) -> None:
    week = timedelta(weeks=1)
    record(
        store,
        a_figure("D1", activates=True, activated_at=NOW + week),
        a_figure("D2", activates=True, activated_at=NOW + week),
        a_figure("D3", won=NOW + week, activates=True, activated_at=NOW + 3 * week),
        a_figure("D4", won=NOW + 3 * week, csm=Who(TOMAS, "Tomas Reyes")),
    )
    # Maya since the first week, Tomas since the fourth, up to the fifth: weeks of 0, 2, 0, 1, 0, and two of none.
    last = (NOW + 4 * week).date()
    assert store.velocity(today=last)[EVERYTHING] == Sum(7, 3, 0, 5.0)
    by = store.velocity(by=Dimension.CSM, today=last)
    assert {group.label: found.counted for group, found in by.items()} == {"Maya Lindqvist": 5, "Tomas Reyes": 2}
    until = Selection(until=date(2026, 3, 16))
    assert store.velocity(until, today=last)[EVERYTHING] == Sum(2, 2, 0, 4.0)
    # Weeks to come are not weeks in which nobody activated.
    year = Selection(until=date(2027, 1, 1))
    assert store.velocity(year, today=last) == store.velocity(today=last)


def test_who_has_another_name_since_is_one_group(store: Store) -> None:
    record(
        store,
        a_figure("D1", ae=Who("u-ae", "Ana Ek")),
        a_figure("D2", ae=Who("u-ae", "Ana Holm"), csm=Who(TOMAS, "Tomas Reyes")),
    )
    found = store.velocity(by=Dimension.AE, today=NOW.date())
    assert found == {Group("u-ae", "Ana Holm"): Sum(2, 0, 0, 0.0)}
    assert set(found) == set(store.sums(by=Dimension.AE))


def test_a_change_of_a_past_month_is_said_in_the_trail(store: Store, clock: ManualClock) -> None:
    record(store, a_figure())
    # Within the month its figures come about.
    record(store, a_figure(at=NOW + timedelta(days=9), first_touch_at=NOW + timedelta(hours=9)))
    assert store.corrections() == ()
    clock.advance(timedelta(days=40))
    late = a_figure(at=NOW + timedelta(days=40), first_touch_at=NOW + timedelta(hours=2))
    record(store, late)
    (said,) = store.corrections(systems=(SYSTEM,))
    assert said.said.startswith("Time to first touch was 9 h, is now 2 h: the first touch was 3 Mar 2026, 18:00 UTC")
    assert said.data == {"measure": "ttft", "before": 9 * HOUR, "after": 2 * HOUR, "month": "2026-03"}
    assert (said.deal_id, said.by) == ("D1", "")
    kinds = [entry.kind for entry in store.audit(SYSTEM, "D1")]
    assert kinds.count(AuditKind.CORRECTED) == 1
    # The same once more says nothing more.
    record(store, dataclasses.replace(late, facts=dataclasses.replace(late.facts, at=NOW + timedelta(days=41))))
    assert len(store.corrections()) == 1


def test_what_is_put_right_is_said_of_any_month(store: Store) -> None:
    record(store, a_figure())
    right = a_figure(first_touch_at=NOW + timedelta(hours=2))
    assert store.put_right([right], by="ops@seller.example") == 1
    assert store.figure(SYSTEM, "D1") == right
    (said,) = store.corrections(deal_id="D1")
    assert (said.data["before"], said.by) == (10 * HOUR, "ops@seller.example")
    assert store.put_right([right]) == 0


def test_a_deal_that_is_gone_counts_in_nothing(store: Store, clock: ManualClock) -> None:
    record(store, a_figure("D1"), a_figure("D2"))
    clock.advance(timedelta(days=40))
    store.withdraw(SYSTEM, ["D1"])
    assert store.sums()[EVERYTHING]["ttft"].counted == 1
    kept = store.figure(SYSTEM, "D1")
    assert kept is not None
    assert set(kept.values.values()) == {None}
    assert {one.data["measure"] for one in store.corrections(deal_id="D1")} >= {"ttft", "completion"}
    assert store.covered().won == 1


def test_of_a_deal_that_is_long_gone_it_stays_known_that_a_period_was_judged(store: Store, clock: ManualClock) -> None:
    record(store, a_figure("D1", title="Nordlys rollout", account_name="Nordlys AS"), a_figure("D2", title="Acme"))
    store.put_ruling(
        SYSTEM, RulingRow("late", "2026-03", NOW, breached=True, deal_id="D1", subject="x", text="Nordlys")
    )
    store.withdraw(SYSTEM, ["D1"])
    clock.advance(timedelta(days=366))
    while store.trim(Keep(trail=0)):
        pass
    other = store.figure(SYSTEM, "D2")
    assert store.figure(SYSTEM, "D1") is None
    assert other is not None
    assert other.title == "Acme"
    (judged,) = store.rulings(SYSTEM)
    assert (judged.period, judged.breached, judged.subject, judged.text) == ("2026-03", True, "", "")


def test_the_csm_was_told_when_the_message_had_left(store: Store, clock: ManualClock) -> None:
    message = a_notice("D1", step="notify-csm_assigned")
    plan = a_plan("D1", message, figure=a_figure())
    store.record(SYSTEM, [Decided(plan=plan)], act=True)
    clock.advance(timedelta(minutes=3))
    claimed = claim(store)
    assert claimed is not None
    (row,) = claimed.rows
    store.settle([Settlement(row.id, row.attempt, Applied(row.key))])
    kept = store.figure(SYSTEM, "D1")
    assert kept is not None
    assert (kept.values["told"], kept.facts.told_at) == (180, NOW + timedelta(minutes=3))
    # The next look finds the same in the ledger.
    effect = store.facts(SYSTEM, ["D1"])["D1"].effects["notify-csm_assigned"]
    assert effect.at == NOW + timedelta(minutes=3)


def test_whose_figures_ought_to_be_there(store: Store) -> None:
    record(store, a_figure("D1"))
    store.record(SYSTEM, [Decided(plan=a_plan("D2")), Decided(plan=a_plan("D3", phase=Phase.OPEN))], act=True)
    store.record(SYSTEM, [Decided(plan=a_plan("D4"))], act=False)
    assert store.measured_deals(SYSTEM) == ("D1", "D2")


def test_a_forgotten_account_leaves_its_figures_and_no_name(store: Store) -> None:
    record(store, a_figure("D1"))
    subject = Subject(SYSTEM, About.DEAL, "D1", words=("Nordlys",))
    assert "figure" in store.stored(subject).rows
    store.forget(subject, by="ops@seller.example")
    kept = store.figure(SYSTEM, "D1")
    assert kept is not None
    assert (kept.title, kept.account_id, kept.account_name) == ("", "", "")
    assert kept.values["ttft"] == 10 * HOUR
