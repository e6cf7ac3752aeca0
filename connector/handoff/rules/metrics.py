"""Keeps the deal's status and metric fields true: completion, time to assignment, time to first touch.

Not here: percent and missing fields (``rules.gate``), alarms over targets. Where the time of the win is not known, or
an old win was taken up on request, times would be fiction and stay empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from connector.handoff.case import Case
from connector.handoff.conditions import filled
from connector.handoff.lifecycle import assigned_at
from connector.handoff.model import Status, Value
from connector.handoff.ownership import change_deal
from connector.handoff.plan import Finding, Verdict
from connector.handoff.steps import Step, met_customer, walk

NAME = "metrics"

_HUNDREDTH = Decimal("0.01")
AT_CLOSE = "at-close:"
"""Marks that end with how many percent were filled with a win, at the time of that win."""
MINUTE = 60
HOUR = 3600
"""Units of `span`, in seconds."""


def find(case: Case) -> Finding | None:
    """Status and metrics of a running handoff."""
    if not case.released:
        return None
    steps = walk(case)
    touches = touches_of(case, steps)
    touch = first_touch(case, touches)
    status = _status(case, steps, touched=touch is not None)
    wanted: dict[str, Value] = {"status": status.value, "started_at": _started_at(case)}
    wanted |= _completion(case) | _times(case, touch) | ({"handoff_tier": case.tier.name} if case.tier else {})
    words = _BY_PLAYBOOK if case.assignment and _staged(steps) else _STATUS_WORDS[status]
    care = f" Tier {case.tier.name}." if case.tier else ""
    reason = f"Status {status.value}: {words}.{care}"
    change = change_deal(case, wanted, reason=reason)
    verdict = Verdict.ACT if change.patch else Verdict.IN_SYNC
    planned = min((at for at in touches if at > case.now), default=None)
    return Finding(NAME, verdict, reason + change.remark, actions=change.actions, recheck_at=planned)


_STATUS_WORDS = {
    Status.PREPARATION: "the handoff waits for a CSM",
    Status.WELCOME: "a CSM is assigned, the customer is to be welcomed",
    Status.ALIGNMENT: "the customer was touched or the first step is done",
    Status.IMPLEMENTATION: "half of the steps are done",
    Status.REVIEW: "all steps are done",
}
_BY_PLAYBOOK = "the furthest stage of the playbook that has begun"


def _status(case: Case, steps: tuple[Step, ...], *, touched: bool) -> Status:
    done = sum(step.done_at is not None for step in steps)
    if case.assignment is None:
        return Status.PREPARATION
    if staged := _staged(steps):
        return max(staged)
    if steps and done == len(steps):
        return Status.REVIEW
    if done and done * 2 >= len(steps):
        return Status.IMPLEMENTATION
    return Status.ALIGNMENT if done or touched else Status.WELCOME


def _staged(steps: tuple[Step, ...]) -> tuple[Status, ...]:
    """The stages that have begun, where the playbook says which step belongs to which; they sort by their number."""
    if not any(step.spec.status for step in steps):
        return ()
    begun = (step.spec.status for step in steps if step.spec.status and (step.begun or step.done_at is not None))
    return (Status.WELCOME, *(Status(each) for each in begun))


def _started_at(case: Case) -> datetime | None:
    """The win, by which a lost ledger finds the handoff again; the release where the win is unknown or long past."""
    moment = case.released_at if case.ledger.adopted or case.won_at is None else case.won_at
    return moment.replace(microsecond=0) if moment else None


def _completion(case: Case) -> dict[str, Value]:
    """The share of required fields filled with the win: written at release, and never moved by what is filled later."""
    deal = case.snapshot.deal
    written = "metric_completion" in case.ledger.written.get(deal.ref, {})
    releasing = case.ledger.released_at is None
    if releasing or not (written or filled(deal.get("metric_completion"))):
        known = percent_at_close(case, case.ledger.marks)
        return {"metric_completion": Decimal(case.percent if known is None else known)}
    return {}


def percent_at_close(case: Case, marks: Mapping[str, datetime]) -> int | None:
    """How many percent of the required fields were filled with this win, as it is remembered; None where it is not.
    A deal that the gate held was filled since."""
    found = (
        name.removeprefix(AT_CLOSE) for name, at in marks.items() if name.startswith(AT_CLOSE) and _of_win(case, at)
    )
    return next((int(number) for number in found if number.isdigit()), None)


def _of_win(case: Case, at: datetime) -> bool:
    return case.won_at is None or at == case.won_at


def _times(case: Case, touch: datetime | None) -> dict[str, Value]:
    wanted: dict[str, Value] = {"first_touch_at": touch.replace(microsecond=0)} if touch else {}
    if case.ledger.adopted or case.won_at is None:
        return wanted
    if assigned := assigned_at(case):
        wanted["metric_assign_minutes"] = span(case.won_at, assigned, unit=MINUTE)
    if touch:
        wanted["metric_ttft_hours"] = span(case.won_at, touch, unit=HOUR)
    return wanted


def touches_of(case: Case, steps: tuple[Step, ...]) -> list[datetime]:
    """When this handoff's CSM was, or will be, in touch with the customer.

    What people logged or planned counts by its time; a meeting that this connector put into the calendar only once a
    person said that it was held, and only if the customer was to be there.
    """
    csm_id = case.assignment.person_id if case.assignment else None
    logged = [(touch.at, touch.by) for touch in case.snapshot.touches]
    return [at for at, by in (*logged, *met_customer(case, steps)) if csm_id and by == csm_id]


def first_touch(case: Case, touches: list[datetime]) -> datetime | None:
    """The first touch by the CSM at or after the win. One that was recorded before stays, though the CSM changed."""
    since = case.won_at or case.released_at
    if since is None:
        return None
    times = [at for at in touches if since <= at <= case.now]
    recorded = case.snapshot.deal.get("first_touch_at")
    if isinstance(recorded, datetime) and recorded >= since.replace(microsecond=0):
        times.append(recorded)
    return min(times, default=None)


def span(start: datetime, end: datetime, *, unit: int) -> Decimal:
    """How many units of so many seconds lie between two moments; never below zero, to a hundredth."""
    seconds = max(int((end - start).total_seconds()), 0)
    return (Decimal(seconds) / unit).quantize(_HUNDREDTH)
