"""What people read: newest first, counted once, apart by system."""

from __future__ import annotations

from datetime import timedelta

from plans import NOW, OTHER_SYSTEM, SYSTEM, a_deal_patch, a_plan, a_remember
from sending import decide

from connector.clock import ManualClock
from connector.handoff.model import Gate
from connector.handoff.plan import Phase
from connector.store import AuditKind, CoverageCount, Decided, Store


def three_deals(store: Store, clock: ManualClock) -> None:
    for number, (phase, gate) in enumerate(
        [(Phase.IN_FLIGHT, Gate.RELEASED), (Phase.HELD, Gate.HELD), (Phase.IN_FLIGHT, Gate.RELEASED)], start=1
    ):
        decide(store, f"D{number}", phase=phase, gate=gate, remember=a_remember(gate=gate))
        clock.advance(timedelta(minutes=1))


def test_handoffs_newest_first_and_narrowed(store: Store, clock: ManualClock) -> None:
    three_deals(store, clock)
    assert [view.deal_id for view in store.handoffs(SYSTEM, limit=10)] == ["D3", "D2", "D1"]
    assert [view.deal_id for view in store.handoffs(SYSTEM, limit=1)] == ["D3"]
    assert [view.deal_id for view in store.handoffs(SYSTEM, limit=10, phase=Phase.HELD)] == ["D2"]
    assert [view.deal_id for view in store.handoffs(SYSTEM, limit=10, gate=Gate.RELEASED)] == ["D3", "D1"]
    assert store.handoffs(OTHER_SYSTEM, limit=10) == ()


def test_one_handoff(store: Store) -> None:
    assert store.handoff(SYSTEM, "D1") is None
    decide(store, "D1", a_deal_patch(), percent=75)
    view = store.handoff(SYSTEM, "D1")
    assert view is not None
    assert (view.phase, view.gate, view.percent, view.decided_at) == (Phase.IN_FLIGHT, Gate.RELEASED, 75, NOW)
    assert (view.next_look, view.next_look_reason) == (None, "")
    assert view.plan is not None
    assert view.plan["assignment"]["email"] == "u-maya@seller.example"


def test_coverage_counts_every_deal_once(store: Store, clock: ManualClock) -> None:
    three_deals(store, clock)
    decide(store, "D1", phase=Phase.IN_FLIGHT)
    store.adopt(SYSTEM, ["never-decided"])
    assert store.coverage(SYSTEM) == (
        CoverageCount(Phase.HELD, Gate.HELD, 1),
        CoverageCount(Phase.IN_FLIGHT, Gate.RELEASED, 2),
    )


def test_coverage_in_observe_says_what_the_gate_would_have(store: Store) -> None:
    plan = a_plan("D1", phase=Phase.HELD, gate=Gate.HELD, remember=a_remember(gate=Gate.HELD))
    store.record(SYSTEM, [Decided(plan)], act=False)
    assert store.coverage(SYSTEM) == (CoverageCount(Phase.HELD, Gate.HELD, 1, "observe", "acted"),)


def test_decisions_newest_first(store: Store, clock: ManualClock) -> None:
    three_deals(store, clock)
    store.pause(SYSTEM, until=NOW, reason="x")
    told = store.decisions(2)
    assert [(one.deal_id, one.kind) for one in told] == [("D3", AuditKind.DECIDED), ("D2", AuditKind.DECIDED)]
    assert store.decisions(10, system=OTHER_SYSTEM) == ()
