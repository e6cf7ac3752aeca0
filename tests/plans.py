"""Plans and actions for tests of the store and what stands on it: believable by default, every part replaceable.

Not here: plans that the core itself would make; see `factories` for policies and snapshots.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from connector.errors import Fault, FaultCode
from connector.handoff.model import Gate, HandoffKey, Kind, Ref, SystemName
from connector.handoff.plan import (
    Action,
    Assignment,
    Candidate,
    FieldCheck,
    Finding,
    Notify,
    Order,
    Patch,
    Phase,
    Plan,
    Remember,
    SendMail,
    Upsert,
    Verdict,
)

SYSTEM = SystemName("sf-test")
OTHER_SYSTEM = SystemName("hs-test")
NOW = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
MAYA, TOMAS = "u-maya", "u-tomas"

REFUSED = Fault(FaultCode.REJECTED, "INVALID_PICKLIST", "bad value for restricted picklist field: Enterprize")
BUSY = Fault(FaultCode.UNAVAILABLE, "503", "try again")
GONE = Fault(FaultCode.RECORD_GONE, "ENTITY_IS_DELETED", "entity is deleted")
SILENT = Fault(FaultCode.OUTCOME_UNKNOWN, "", "no answer within 30 s")


def a_deal_patch(deal_id: str = "D1", **changes: Any) -> Patch:
    """Percent and status on the deal, the last of its writes."""
    plain = Patch(
        step="patch-deal",
        order=Order.DEAL,
        ref=Ref(Kind.DEAL, deal_id),
        values={"percent": Decimal(100), "status": "2 Welcome"},
        expected={"percent": None, "status": None},
        reason="All four fields are filled.",
    )
    return dataclasses.replace(plain, **changes)


def an_account_patch(account_id: str = "A1", *, csm: str = MAYA, **changes: Any) -> Patch:
    """The CSM on the account."""
    plain = Patch(
        step="patch-account",
        order=Order.ASSIGN,
        ref=Ref(Kind.ACCOUNT, account_id),
        values={"csm": csm},
        expected={"csm": None},
        reason="Fewest accounts of the pool.",
    )
    return dataclasses.replace(plain, **changes)


def a_mail(deal_id: str = "D1", **changes: Any) -> SendMail:
    """The mail of a step to a customer."""
    plain = SendMail(
        step="mail--intro",
        order=Order.NOTIFY,
        key=f"{SYSTEM}:{deal_id}:1:mail--intro",
        to_name="Ingrid Holm",
        to_email="ingrid@nordlys.example",
        from_name="Ana Ek",
        from_email="ana.ek@seller.example",
        copy_name="",
        copy_email="",
        subject="Meet Tomas",
        text="Hi Ingrid",
        note="draft--intro",
        marked="draft--intro-1",
        fingerprint="m",
        reason="As its note said.",
    )
    return dataclasses.replace(plain, **changes)


def a_task(step: str = "welcome-packet", deal_id: str = "D1", **changes: Any) -> Upsert:
    """A task of the CSM on the deal."""
    plain = Upsert(
        step=step,
        order=Order.CREATE,
        kind=Kind.TASK,
        key=f"{SYSTEM}:{deal_id}:1:{step}",
        values={"subject": step, "due": date(2026, 3, 5), "owner": MAYA, "remind_at": NOW},
        parents=(Ref(Kind.DEAL, deal_id), Ref(Kind.ACCOUNT, "A1")),
        fingerprint=f"{step}-1",
        reason="First step of the playbook.",
    )
    return dataclasses.replace(plain, **changes)


def a_notice(deal_id: str = "D1", **changes: Any) -> Notify:
    """The message to the CSM."""
    plain = Notify(
        step="notify-csm_assigned",
        order=Order.NOTIFY,
        key=f"{SYSTEM}:{deal_id}:1:notify-csm_assigned",
        to_email="maya.lindqvist@seller.example",
        to_name="Maya Lindqvist",
        subject="You have a new account",
        text="Nordwind GmbH was won.",
        fingerprint="notice-1",
        reason="She was chosen.",
    )
    return dataclasses.replace(plain, **changes)


def a_full_set(deal_id: str = "D1", *, account_id: str = "A1", tasks: int = 5) -> tuple[Action, ...]:
    """What a released handoff writes: account, tasks, deal, message."""
    steps = (a_task(f"step-{number}", deal_id) for number in range(tasks))
    return (an_account_patch(account_id), *steps, a_deal_patch(deal_id), a_notice(deal_id))


def a_check(**changes: Any) -> FieldCheck:
    """A required field that is empty."""
    plain = FieldCheck("why_bought", "Why they bought", present=False, why="The CSM opens with it.", advice="One line.")
    return dataclasses.replace(plain, **changes)


def a_remember(**changes: Any) -> Remember:
    """A handoff released now to Maya."""
    plain = Remember(
        generation=1,
        won_at=NOW,
        left_won_at=None,
        released_at=NOW,
        gate=Gate.RELEASED,
        csm_id=MAYA,
        assigned_at=NOW,
        stage_before_win="Negotiation",
        adopted=False,
        done_signals={},
    )
    return dataclasses.replace(plain, **changes)


def an_assignment(person_id: str = MAYA, *, new: bool = True) -> Assignment:
    """A CSM chosen among two."""
    candidates = (
        Candidate(MAYA, "maya.lindqvist@seller.example", "Maya Lindqvist", 3, 50, person_id == MAYA, "fewest accounts"),
        Candidate(TOMAS, "tomas.reyes@seller.example", "Tomas Reyes", 9, 50, person_id == TOMAS, "9 accounts"),
    )
    return Assignment(person_id, f"{person_id}@seller.example", "mid-market", new, candidates)


def a_plan(deal_id: str = "D1", *actions: Action, **changes: Any) -> Plan:
    """A released handoff that asks for these actions."""
    finding = Finding(
        rule="gate", verdict=Verdict.ACT, reason="Every required field is filled.", actions=actions, gate=Gate.RELEASED
    )
    plain = Plan(
        key=HandoffKey(SYSTEM, deal_id),
        phase=Phase.IN_FLIGHT,
        generation=1,
        findings=(finding,),
        actions=actions,
        remember=a_remember(),
        percent=100,
        missing=(),
        assignment=an_assignment(),
        gate=Gate.RELEASED,
        segment="mid-market",
    )
    return dataclasses.replace(plain, **changes)
