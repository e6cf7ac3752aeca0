"""The CSM's answer to a handoff and what follows; when a handoff is complete."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest
from factories import AE, MANAGER, OPEN_STAGE, TOMAS, a_policy, a_snapshot
from tinyworld import World

from connector.handoff.model import Value
from connector.handoff.plan import Notify, Plan, Verdict
from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.fields import FieldOwner, FieldRule, FieldType
from connector.handoff.rulebook.gate import AcceptancePolicy
from connector.handoff.rulebook.messages import NotifyPolicy
from connector.handoff.rulebook.policy import Policy

ANSWERED = {
    "acceptance": FieldType.CHOICE,
    "reject_reason": FieldType.CHOICE,
    "reject_note": FieldType.LONG_TEXT,
    "summary_reviewed": FieldType.BOOL,
}
KEPT = {"complete": FieldType.BOOL, "completed_at": FieldType.DATETIME}
DAY = Limit(Decimal(8), Clock.BUSINESS)
MOMENTS = frozenset({"csm_assigned", "handoff_rejected", "handoff_resubmitted", "resubmit_late"})
REASON: dict[str, Value] = {"acceptance": "Rejected", "reject_reason": "Unclear promises", "reject_note": "Which SLA?"}


def asking(**changes: Any) -> Policy:
    plain = a_policy(acceptance=AcceptancePolicy(DAY), notify=NotifyPolicy(MOMENTS), **changes)
    human = {name: FieldRule(name, name, kind, FieldOwner.HUMAN) for name, kind in ANSWERED.items()}
    ours = {name: FieldRule(name, name, kind, FieldOwner.DAEMON) for name, kind in KEPT.items()}
    return dataclasses.replace(plain, fields={**plain.fields, **human, **ours})


def a_world(**changes: Any) -> World:
    shown: dict[str, Value] = dict.fromkeys((*ANSWERED, *KEPT))
    world = World(a_snapshot(deal=shown), policy=asking(**changes))
    world.run()
    return world


def said(plan: Plan, rule: str = "acceptance") -> str:
    return " ".join(one.reason for one in plan.findings if one.rule == rule)


def told(plan: Plan) -> list[tuple[str, str]]:
    return [(one.step.removeprefix("notify-"), one.to_id) for one in plan.actions if isinstance(one, Notify)]


def test_a_rejected_handoff_is_a_task_of_the_ae_with_reason_and_clock() -> None:
    world = a_world()
    assert "neither accepted nor rejected" in said(world.run())
    world.edit(REASON)
    plan = world.run()
    task = world.task("handoff_rejected-1")
    assert (task.owner_id, task.due, task.done) == (AE, world.now.date().replace(day=4), False)
    assert task.subject == "Complete the handoff: Nordlys AS"
    (made,) = [one for one in plan.actions if one.step == "handoff_rejected-1"]
    assert "cannot take over Nordlys AS yet: Unclear promises (Which SLA?)." in str(made.values["body"])  # type: ignore[union-attr]
    assert told(plan) == [("handoff_rejected", AE)]
    assert "Rejected by the CSM once, now since 3 Mar 2026: Unclear promises (Which SLA?)." in said(plan)
    assert "The AE's answer is due on 4 Mar 2026" in said(plan)
    assert world.run().actions == ()


@pytest.mark.parametrize("how", ["the field", "the task"])
def test_the_ae_answers_by_the_field_or_by_closing_the_task(how: str) -> None:
    world = a_world()
    world.edit(REASON)
    world.run()
    if how == "the field":
        world.edit({"acceptance": "Resubmitted"})
    else:
        world.close_task("handoff_rejected-1")
    plan = world.run()
    assert world.task("handoff_rejected-1").done
    assert told(plan) == [("handoff_resubmitted", TOMAS)]
    assert "Resubmitted by the AE on 3 Mar 2026; waits for the CSM's answer." in said(plan)
    assert world.run().actions == ()


def test_each_rejection_is_a_round_of_its_own_and_counted() -> None:
    world = a_world()
    for _ in range(3):
        world.edit(REASON)
        world.run()
        world.edit({"acceptance": "Resubmitted"})
        world.run()
    assert [step for step in world.steps() if step.startswith("handoff_rejected")] == [
        f"handoff_rejected-{n}" for n in (1, 2, 3)
    ]
    world.edit({"acceptance": "Accepted"})
    plan = world.run()
    assert "Accepted by the CSM. It was rejected 3 times before." in said(plan)
    assert told(plan) == []


def test_a_closed_task_and_a_field_that_still_says_rejected_begin_no_round_until_the_reason_is_another() -> None:
    world = a_world()
    world.edit(REASON)
    world.run()
    world.close_task("handoff_rejected-1")
    world.run()
    assert world.run().actions == ()
    world.edit({"reject_reason": "Wrong CSM"})
    assert told(world.run()) == [("handoff_rejected", AE)]
    assert world.task("handoff_rejected-2").owner_id == AE


def test_taking_a_rejection_back_closes_the_task_and_tells_nobody() -> None:
    world = a_world()
    world.edit(REASON)
    world.run()
    world.edit({"acceptance": "Accepted"})
    plan = world.run()
    assert (world.task("handoff_rejected-1").done, told(plan)) == (True, [])


def test_an_answer_that_does_not_come_is_told_to_the_manager_once() -> None:
    world = a_world()
    world.edit(REASON)
    plan = world.run()
    due = next(one.recheck_at for one in plan.findings if one.rule == "acceptance")
    assert due is not None
    world.now = due
    plan = world.run()
    assert told(plan) == [("resubmit_late", MANAGER)]
    assert "was due" in said(plan)
    world.wait(days=1)
    assert told(world.run()) == []


def test_a_deleted_task_is_not_made_again() -> None:
    world = a_world()
    world.edit(REASON)
    world.run()
    world.delete_task("handoff_rejected-1")
    assert world.run().actions == ()


@pytest.mark.parametrize("then", ["Rejected", "Resubmitted"])
def test_a_lost_ledger_makes_no_second_task_and_tells_nobody_again(then: str) -> None:
    world = a_world()
    for answer in ("Rejected", "Resubmitted", "Rejected"):
        world.edit({**REASON, "acceptance": answer})
        world.run()
    before = world.steps()
    world.lose_ledger()
    world.edit({"acceptance": then})
    plan = world.run()
    assert world.steps() == before
    assert [one for one in told(plan) if one[0].startswith("handoff")] == []
    world.run()
    world.edit({"acceptance": "Resubmitted"})
    world.run()
    world.edit({"acceptance": "Rejected"})
    world.run()
    assert world.steps() == [*before, "handoff_rejected-3"]


def test_nobody_is_asked_where_the_policy_or_the_mapping_does_not() -> None:
    for policy in (dataclasses.replace(asking(), acceptance=None), a_policy(acceptance=AcceptancePolicy(DAY))):
        world = World(a_snapshot(deal=dict(REASON)), policy=policy)
        plan = world.run()
        assert said(plan) == ""
        assert not any("rejected" in step for step in world.steps())


def test_an_open_deal_cannot_be_rejected() -> None:
    world = World(a_snapshot(deal=dict(REASON), stage=OPEN_STAGE, won_at=None), policy=asking())
    assert world.run().actions == ()


def complete(world: World) -> tuple[Value, bool]:
    deal = world.snapshot.deal
    return deal.get("complete"), deal.get("completed_at") is not None


def test_complete_is_required_fields_a_csm_and_a_summary_that_the_csm_reviewed() -> None:
    world = a_world()
    assert complete(world) == (None, False)
    assert said(world.run(), "completion") == "Not complete yet: the CSM has not reviewed the summary."
    world.edit({"summary_reviewed": True})
    assert said(world.run(), "completion").startswith("Complete since 3 Mar 2026")
    assert complete(world) == (True, True)
    assert world.run().actions == ()


def test_who_accepts_has_reviewed() -> None:
    world = a_world()
    world.edit({"acceptance": "Accepted"})
    world.run()
    assert complete(world) == (True, True)


def test_what_was_complete_stays_so_but_not_while_it_is_rejected() -> None:
    world = a_world()
    world.edit({"acceptance": "Accepted"})
    world.run()
    since = world.snapshot.deal.get("completed_at")
    world.edit({"champion": None})
    world.wait(hours=3)
    world.run()
    assert complete(world) == (True, True)
    world.edit({"champion": "Ingrid Holm", **REASON})
    plan = world.run()
    assert complete(world) == (False, True)
    assert said(plan, "completion") == "Not complete yet: the CSM rejected it."
    world.edit({"acceptance": "Accepted"})
    world.run()
    assert complete(world) == (True, True)
    assert world.snapshot.deal.get("completed_at") == since


def test_gaps_that_were_let_through_keep_it_open() -> None:
    world = a_world()
    world.edit({"champion": None, "summary_reviewed": True})
    plan = world.run()
    assert said(plan, "completion") == "Not complete yet: 1 of 4 required fields is empty."
    assert [one.verdict for one in plan.findings if one.rule == "completion"] == [Verdict.WAIT]


def test_without_a_field_for_the_review_nobody_waits_for_one() -> None:
    policy = asking()
    fields = {name: rule for name, rule in policy.fields.items() if name not in ANSWERED}
    world = World(a_snapshot(deal=dict.fromkeys(KEPT)), policy=dataclasses.replace(policy, fields=fields))
    world.run()
    assert complete(world) == (True, True)


def test_a_box_that_somebody_ticked_by_hand_makes_nothing_complete() -> None:
    world = a_world()
    world.edit({"complete": True})
    plan = world.run()
    assert said(plan, "completion") == "Not complete yet: the CSM has not reviewed the summary."
    assert complete(world) == (False, False)
    world.edit({"complete": True})
    assert "Left as it is because a person edited it: complete." in said(world.run(), "completion")
    assert complete(world) == (True, False), "theirs, but no time is invented for it"


def test_a_deal_that_is_not_won_any_more_is_not_complete_until_it_is_won_again() -> None:
    world = a_world()
    world.edit({"acceptance": "Accepted"})
    world.run()
    since = world.snapshot.deal.get("completed_at")
    world.wait(hours=5)
    world.reopen()
    assert said(world.run(), "completion") == "Not complete: the deal is not won any more."
    assert complete(world) == (False, True)
    assert world.run().actions == ()
    world.win()
    world.run()
    assert world.snapshot.deal.get("complete") is True
    assert world.snapshot.deal.get("completed_at") == since, "the same handoff goes on"


def test_another_handoff_of_the_deal_is_complete_by_itself() -> None:
    world = a_world()
    world.edit({"summary_reviewed": True})
    world.run()
    first = world.snapshot.deal.get("completed_at")
    world.reopen()
    world.run()
    world.edit({"summary_reviewed": False})
    world.wait(days=60)
    world.win()
    plan = world.run()
    assert said(plan, "completion") == "Not complete yet: the CSM has not reviewed the summary."
    world.wait(hours=1)
    world.edit({"summary_reviewed": True})
    world.run()
    second = world.snapshot.deal.get("completed_at")
    assert first is not None
    assert second == world.now.replace(microsecond=0)


def test_a_lost_ledger_keeps_what_was_complete_and_since_when() -> None:
    world = a_world()
    world.edit({"summary_reviewed": True})
    world.run()
    since = world.snapshot.deal.get("completed_at")
    world.lose_ledger()
    world.edit({"champion": None})
    world.wait(days=2)
    world.run()
    assert complete(world) == (True, True)
    assert world.snapshot.deal.get("completed_at") == since
