"""When thresholds are judged, and that a breach is told once: no row twice, no task twice on another deal.

Not here: both real CRMs (``test_governance_on_crms``). A share of 0 that must not be above -1 is always a breach.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from decimal import Decimal

from engine.harness import SYSTEM, Desk, a_desk
from factories import DANA, PEOPLE, a_policy

from connector.engine.governance import DEAL_ALARM, OWNER_ALARM, _told_on, ruled
from connector.handoff.governing.breaches import Ruling
from connector.handoff.governing.periods import named_month
from connector.handoff.model import Kind
from connector.handoff.rulebook.governance import Cadence, GovernancePolicy, Threshold
from connector.handoff.rulebook.policy import Policy
from connector.store.rulings import RulingRow

ALWAYS = Threshold("always", "overrides", Cadence.MONTH, Decimal(-1), over=True)
STEP = "breach_always_2026-03"
EARLY = datetime(2026, 4, 2, 9, tzinfo=UTC)


def policy(owner: str = PEOPLE[DANA].email, *thresholds: Threshold) -> Policy:
    return a_policy(governance=GovernancePolicy(owner, thresholds=thresholds or (ALWAYS,)))


def two_wins(desk: Desk) -> tuple[str, str]:
    """A deal worth more and one worth less, both handed over in March."""
    deals = desk.a_deal(amount=Decimal(9000)), desk.a_deal(amount=Decimal(8000))
    desk.run()
    for deal in deals:
        desk.win(deal)
    desk.settle()
    return deals


def _always(desk: Desk) -> Ruling:
    return ruled(desk.store, (SYSTEM,), ALWAYS, named_month("2026-03"), desk.system.policy.targets)


def breached(desk: Desk) -> list[str]:
    return [str(row.deal_id) for row in desk.crm.rows(Kind.TASK) if row.key and row.key.endswith(STEP)]


def test_a_lost_ledger_finds_the_task_though_another_deal_weighs_more_by_now() -> None:
    desk = a_desk(policy=policy())
    heavy, light = two_wins(desk)
    desk.clock.advance(EARLY - desk.clock.now())
    desk.settle()
    assert breached(desk) == [heavy]
    desk.crm.edit(heavy, amount=Decimal(10))
    desk.lose_ledger()
    desk.settle()
    assert [(row.deal_id, row.breached) for row in desk.store.rulings(SYSTEM)] == [(heavy, True)]
    assert breached(desk) == [heavy]
    assert light != heavy


def test_in_observe_mode_nothing_is_judged() -> None:
    desk = a_desk(policy=policy(), act=False)
    two_wins(desk)
    desk.clock.advance(EARLY - desk.clock.now())
    desk.settle()
    assert desk.store.rulings(SYSTEM) == ()


def test_too_few_leave_the_question_open_until_enough_count() -> None:
    desk = a_desk(policy=policy(PEOPLE[DANA].email, dataclasses.replace(ALWAYS, at_least=3)))
    two_wins(desk)
    desk.clock.advance(EARLY - desk.clock.now())
    desk.settle()
    assert desk.store.rulings(SYSTEM) == ()
    desk.restart(policy=policy())
    desk.settle()
    assert [row.breached for row in desk.store.rulings(SYSTEM)] == [True]


def test_where_the_owner_is_nobody_an_alarm_stands_until_there_is_one_who_then_gets_the_task() -> None:
    desk = a_desk(policy=policy("gone@seller.example"))
    two_wins(desk)
    desk.clock.advance(EARLY - desk.clock.now())
    desk.settle()
    assert breached(desk) == []
    assert [one.name for one in desk.store.alarms(SYSTEM) if one.name == OWNER_ALARM] == [OWNER_ALARM]
    desk.restart(policy=policy())
    desk.run(hours=2)
    desk.settle()
    assert len(breached(desk)) == 1
    assert [one.name for one in desk.store.alarms(SYSTEM) if one.name == OWNER_ALARM] == []


def test_of_two_processes_one_puts_the_ruling_in() -> None:
    desk = a_desk(policy=policy())
    row = RulingRow("always", "2026-03", desk.clock.now(), breached=False)
    assert desk.store.put_ruling(SYSTEM, row)
    assert not desk.store.put_ruling(SYSTEM, dataclasses.replace(row, breached=True, deal_id="D1"))
    assert desk.store.rulings(SYSTEM, periods=["2026-03"]) == (row,)


def test_where_no_deal_behind_it_is_acted_on_an_alarm_says_it_for_a_week() -> None:
    desk = a_desk(policy=policy(), act=False)
    two_wins(desk)
    desk.clock.advance(EARLY - desk.clock.now())
    desk.restart(act=True, policy=policy())
    place = _told_on(desk.shared, desk.system, _always(desk), desk.clock.now())
    assert (place.breached, place.deal_id) == (True, None)
    desk.store.put_ruling(SYSTEM, place)
    desk.run()
    desk.system.governed_at = None
    desk.run(seconds=30)
    assert DEAL_ALARM in {one.name for one in desk.store.alarms(SYSTEM)}
    desk.run(days=8)
    desk.run(hours=2)
    assert DEAL_ALARM not in {one.name for one in desk.store.alarms(SYSTEM)}
