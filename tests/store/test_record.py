"""One transaction from decision to outbox: what is new goes in, what is wanted stays, what is not goes out."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from plans import (
    BUSY,
    MAYA,
    NOW,
    OTHER_SYSTEM,
    REFUSED,
    SILENT,
    SYSTEM,
    TOMAS,
    a_deal_patch,
    a_full_set,
    a_notice,
    a_plan,
    a_remember,
    a_task,
    an_account_patch,
    an_assignment,
)
from sending import claim, decide, send_all, settle, states
from sqlalchemy.exc import IntegrityError

from connector.clock import ManualClock
from connector.handoff.model import Gate, HandoffKey
from connector.handoff.plan import Finding, Phase, Verdict
from connector.store import AuditKind, Decided, Look, Park, Retry, State, Store, Unsure

PENDING, SUPERSEDED = State.PENDING, State.SUPERSEDED
OTHER_PATCH = a_deal_patch(values={"percent": Decimal(50)})


def test_actions_become_rows_as_they_are(store: Store) -> None:
    actions = a_full_set(tasks=1)
    decide(store, "D1", *actions)
    rows = store.rows(SYSTEM, "D1")
    assert tuple(row.action for row in rows) == actions
    assert [(row.kind, row.operation) for row in rows] == [
        ("account", "update"),
        ("task", "upsert"),
        ("deal", "update"),
        ("notify", "send"),
    ]
    patch, task = rows[0], rows[1]
    assert patch.key == f"{SYSTEM}:D1:1:patch-account"
    assert task.key == f"{SYSTEM}:D1:1:step-0"
    assert all(row.state is PENDING and row.attempt == 0 and row.created_at == NOW for row in rows)


def test_the_same_decision_again_changes_nothing(store: Store) -> None:
    decide(store, "D1", *a_full_set())
    before, told = store.rows(SYSTEM, "D1"), store.audit(SYSTEM, "D1")
    decide(store, "D1", *a_full_set())
    assert store.rows(SYSTEM, "D1") == before
    assert store.audit(SYSTEM, "D1") == told


def test_a_newer_wish_takes_the_place_of_a_waiting_one(store: Store) -> None:
    decide(store, "D1", a_deal_patch())
    decide(store, "D1", OTHER_PATCH)
    assert states(store) == [("patch-deal", SUPERSEDED), ("patch-deal", PENDING)]
    claimed = claim(store)
    assert claimed is not None
    assert [row.action for row in claimed.rows] == [OTHER_PATCH]


def test_what_the_plan_no_longer_asks_for_is_not_sent(store: Store) -> None:
    decide(store, "D1", *a_full_set(tasks=1))
    decide(store, "D1", phase=Phase.REOPENED)
    assert states(store) == [
        ("patch-account", PENDING),
        ("step-0", SUPERSEDED),
        ("patch-deal", SUPERSEDED),
        ("notify-csm_assigned", PENDING),
    ]


def test_a_row_being_sent_is_left_and_the_deal_looked_at_soon(store: Store, clock: ManualClock) -> None:
    decide(store, "D1", a_deal_patch())
    claim(store)
    decide(store, "D1", OTHER_PATCH)
    assert states(store) == [("patch-deal", State.SENDING)]
    clock.advance(timedelta(seconds=10))
    assert [look.deal_id for look in store.due(SYSTEM, limit=5)] == ["D1"]


def test_the_same_wish_while_it_is_being_sent_costs_no_look(store: Store) -> None:
    decide(store, "D1", a_deal_patch())
    claim(store)
    decide(store, "D1", a_deal_patch())
    assert states(store) == [("patch-deal", State.SENDING)]
    assert store.pending_looks(SYSTEM) == 0


def test_an_unknown_row_is_left_to_the_verifier(store: Store) -> None:
    decide(store, "D1", a_deal_patch())
    claimed = claim(store)
    assert claimed is not None
    settle(store, claimed, lambda _row: Unsure(SILENT))
    decide(store, "D1", OTHER_PATCH)
    assert states(store) == [("patch-deal", State.UNKNOWN)]
    assert store.pending_looks(SYSTEM) == 1


def test_a_parked_row_stays_parked_until_the_wish_changes(store: Store) -> None:
    decide(store, "D1", a_deal_patch())
    claimed = claim(store)
    assert claimed is not None
    settle(store, claimed, lambda _row: Park(REFUSED))
    decide(store, "D1", a_deal_patch())
    assert states(store) == [("patch-deal", State.PARKED)]
    decide(store, "D1", OTHER_PATCH)
    assert states(store) == [("patch-deal", SUPERSEDED), ("patch-deal", PENDING)]


def test_a_waiting_retry_keeps_its_time(store: Store) -> None:
    decide(store, "D1", a_deal_patch())
    claimed = claim(store)
    assert claimed is not None
    settle(store, claimed, lambda _row: Retry(BUSY, at=NOW + timedelta(minutes=5)))
    decide(store, "D1", a_deal_patch())
    assert claim(store) is None
    assert states(store) == [("patch-deal", PENDING)]


def test_an_effect_confirmed_meanwhile_is_not_repeated(store: Store) -> None:
    """The decision was made on facts read before the message and the task were confirmed."""
    decide(store, "D1", a_task(), a_notice())
    send_all(store)
    decide(store, "D1", a_task(), a_notice())
    assert claim(store) is None
    decide(store, "D1", a_task(fingerprint="moved"), a_notice())
    assert [step for step, state in states(store) if state is PENDING] == ["welcome-packet"]


def test_the_same_patch_is_written_again_when_it_is_wanted_again(store: Store) -> None:
    """A person put the old value back, a deal is won with gaps a second time: the same write is right again."""
    decide(store, "D1", a_deal_patch())
    send_all(store)
    decide(store, "D1", a_deal_patch())
    assert [step for step, state in states(store) if state is PENDING] == ["patch-deal"]


def test_observe_writes_down_and_sends_nothing(store: Store) -> None:
    plan = a_plan("D1", *a_full_set())
    store.record(SYSTEM, [Decided(plan)], act=False)
    assert store.rows(SYSTEM, "D1") == ()
    facts = store.facts(SYSTEM, ["D1"])["D1"]
    assert (facts.generation, facts.won_at, facts.stage_before_win) == (1, NOW, "Negotiation")
    assert (facts.gate, facts.csm_id, facts.released_at, facts.assigned_at) == (None, None, None, None)
    assert store.roster(SYSTEM) == {}
    view = store.handoff(SYSTEM, "D1")
    assert view is not None
    assert view.mode == "observe"
    assert view.plan is not None
    assert len(view.plan["actions"]) == 8
    (told,) = store.audit(SYSTEM, "D1")
    assert (told.kind, told.data["mode"]) == (AuditKind.DECIDED, "observe")


def test_observe_leaves_what_was_written_before(store: Store) -> None:
    decide(store, "D1", a_deal_patch())
    held = a_remember(gate=Gate.HELD, csm_id=TOMAS, released_at=None)
    store.record(SYSTEM, [Decided(a_plan("D1", remember=held))], act=False)
    facts = store.facts(SYSTEM, ["D1"])["D1"]
    assert (facts.gate, facts.csm_id, facts.released_at) == (Gate.RELEASED, MAYA, NOW)
    assert states(store) == [("patch-deal", PENDING)]


def test_every_change_of_mind_is_audited_with_its_reason(store: Store, clock: ManualClock) -> None:
    decide(store, "D1", a_deal_patch())
    clock.advance(timedelta(minutes=1))
    waiting = Finding(rule="gate", verdict=Verdict.BLOCKED, reason="Nobody is eligible.")
    decide(store, "D1", findings=(waiting,), phase=Phase.WON)
    first, second = store.audit(SYSTEM, "D1")
    assert (first.at, first.reason) == (NOW, "Every required field is filled.")
    assert (second.at, second.reason) == (clock.now(), "Nobody is eligible.")
    assert first.data["actions"] == [
        {"step": "patch-deal", "reason": "All four fields are filled.", "fields": ["percent", "status"]}
    ]


def test_all_or_nothing(store: Store) -> None:
    """The second plan asks for one step twice, which the database refuses: the first leaves no trace either."""
    store.enqueue(SYSTEM, [Look("D1", NOW, "changed")])
    (look,) = store.due(SYSTEM, limit=1)
    good = Decided(a_plan("D1", *a_full_set()), look.version)
    bad = Decided(a_plan("D2", a_deal_patch("D2"), a_deal_patch("D2", values={})))
    with pytest.raises(IntegrityError):
        store.record(SYSTEM, [good, bad], act=True)
    assert store.rows(SYSTEM, "D1") == store.audit(SYSTEM, "D1") == ()
    assert store.handoff(SYSTEM, "D1") is None
    assert store.roster(SYSTEM) == {}
    assert store.due(SYSTEM, limit=1) == (look,)


def test_strangers_and_doubles_are_refused(store: Store) -> None:
    stranger = a_plan("D1", key=HandoffKey(OTHER_SYSTEM, "D1"))
    with pytest.raises(ValueError, match="cannot be recorded for system"):
        store.record(SYSTEM, [Decided(stranger)], act=True)
    with pytest.raises(ValueError, match="two plans"):
        store.record(SYSTEM, [Decided(a_plan("D1")), Decided(a_plan("D1"))], act=True)
    store.record(SYSTEM, [], act=True)


def test_the_view_says_what_led_to_the_decision(store: Store) -> None:
    store.enqueue(SYSTEM, [Look("D1", NOW, "changed in deals")])
    (look,) = store.due(SYSTEM, limit=1)
    decided = Decided(a_plan("D1", an_account_patch()), look.version, NOW + timedelta(hours=2))
    store.record(SYSTEM, [decided], act=True)
    view = store.handoff(SYSTEM, "D1")
    assert view is not None
    assert view.looked_because == "changed in deals"
    assert view.next_look == NOW + timedelta(hours=2)
    assert view.reason == "Every required field is filled."


def test_a_csm_reassigned_counts_for_the_new_one(store: Store) -> None:
    decide(store, "D1")
    decide(store, "D1", assignment=an_assignment(TOMAS), remember=a_remember(csm_id=TOMAS))
    assert {person: load.accounts for person, load in store.roster(SYSTEM).items()} == {MAYA: 1, TOMAS: 1}
