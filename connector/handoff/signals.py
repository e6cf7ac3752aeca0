"""Completion signals: what of the deal and of what people logged shows that a step is done.

Not here: the step's own task or meeting (``steps``). What was held or logged counts only from when the step began on:
yesterday's call is no proof of today's task.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from connector.handoff.case import Case
from connector.handoff.conditions import filled
from connector.handoff.meetings import held_at
from connector.handoff.milestones import progress, reached
from connector.handoff.model import TouchKind
from connector.handoff.productbook import Need
from connector.handoff.redflags import replies
from connector.handoff.rulebook.playbooks import PlaybookTask, Signal, SignalKind
from connector.handoff.sending import sent_at

LOGGED = {
    SignalKind.MEETING_HELD: TouchKind.MEETING,
    SignalKind.EMAIL_LOGGED: TouchKind.EMAIL,
    SignalKind.CALL_LOGGED: TouchKind.CALL,
}
"""Which kind of contact proves what."""


@dataclass(frozen=True, slots=True)
class Proof:
    """When a step was seen done, and by what, as part of a sentence."""

    at: datetime
    what: str


def proven(case: Case, spec: PlaybookTask, *, since: datetime | None, by: frozenset[str]) -> Proof | None:
    """The earliest proof that a step is done; ``since`` is None while it has not begun, ``by`` whose contacts count."""
    found = (_proof(case, spec, signal, since, by) for signal in spec.done_when)
    return min((one for one in found if one), key=lambda one: one.at, default=None)


def _proof(case: Case, spec: PlaybookTask, signal: Signal, since: datetime | None, by: frozenset[str]) -> Proof | None:
    match signal.kind:
        case SignalKind.TASK_CLOSED:
            return None
        case SignalKind.FIELD_FILLED:
            return Proof(case.now, "its field is filled") if filled(case.value(signal.field)) else None
        case SignalKind.FIELD_IS:
            return Proof(case.now, "its field says so") if case.holds(signal.when) else None
        case SignalKind.MILESTONE | SignalKind.EVENT:
            return _in_product(case, signal)
        case SignalKind.EMAIL_LOGGED if gone := sent_at(case, spec):
            return Proof(gone, "its mail was sent")
    return _since(case, spec, signal.kind, since, by) if since else None


def _since(case: Case, spec: PlaybookTask, kind: SignalKind, since: datetime, by: frozenset[str]) -> Proof | None:
    """What people did, which counts from the step's beginning on."""
    match kind:
        case SignalKind.MEETING_PLANNED:
            return _planned(case, spec, since, by)
        case SignalKind.CUSTOMER_REPLIED:
            at = min((at for at in replies(case) if _second(since) <= at <= case.now), default=None)
            return Proof(at, "the customer wrote back") if at else None
        case SignalKind.MEETING_HELD:
            at = _contact(case, TouchKind.MEETING, since, by) or _own_meeting(case, spec, since)
        case _:
            at = _contact(case, LOGGED[kind], since, by)
    return Proof(at, f"a {LOGGED[kind]} was logged") if at else None


def _in_product(case: Case, signal: Signal) -> Proof | None:
    """What the customer did in the product. Unlike what people log, it counts from the win on, not from the step on."""
    at = happened(case, signal.name, at_least=signal.at_least, is_milestone=signal.kind is SignalKind.MILESTONE)
    what = signal.name.replace("_", " ")
    if signal.kind is SignalKind.MILESTONE:
        return Proof(at, f"the customer reached {what}") if at else None
    return Proof(at, f"{what} was counted in the product") if at else None


def happened(case: Case, name: str, *, at_least: int, is_milestone: bool) -> datetime | None:
    """When a milestone was reached, or so many of a measure were counted; None while that is not so."""
    policy = case.policy.product
    if is_milestone:
        milestone = policy.milestone(name) if policy else None
        found = progress(case, milestone) if milestone else None
        return (found.at or case.now) if found and found.done else None
    have = reached(case, Need(name, at_least))
    return (have.at or case.now) if have.count >= at_least else None


def _planned(case: Case, spec: PlaybookTask, since: datetime, by: frozenset[str]) -> Proof | None:
    """A meeting of theirs in the calendar. When somebody put it there is not told, so it is seen now. The meeting with
    which the step began is not the next one."""
    coming = (at for at in _contacts(case, TouchKind.MEETING, since, by) if at > since)
    at = min(coming, default=None) or _own_meeting(case, spec, since + timedelta(microseconds=1))
    return Proof(min(at, case.now), "a meeting is in the calendar") if at else None


def _contact(case: Case, kind: TouchKind, since: datetime, by: frozenset[str]) -> datetime | None:
    return min((at for at in _contacts(case, kind, since, by) if at <= case.now), default=None)


def _contacts(case: Case, kind: TouchKind, since: datetime, by: frozenset[str]) -> Iterator[datetime]:
    """When they were in contact since then, or are to be."""
    found = (one for one in case.snapshot.touches if one.kind is kind and one.by in by)
    return (one.at for one in found if _second(since) <= one.at)


def _second(at: datetime) -> datetime:
    """The CRM keeps whole seconds of what was logged."""
    return at.replace(microsecond=0)


def _own_meeting(case: Case, spec: PlaybookTask, since: datetime) -> datetime | None:
    """A meeting of this playbook with the customer that was held; those are no contacts that somebody logged."""
    with_customer = {
        case.key(task.step)
        for book in (case.ledger.playbook, *case.policy.playbooks)
        if book
        for task in book.tasks
        if task.draft and task.draft.with_customer and task.step != spec.step
    }
    found = (held_at(case, one) for one in case.snapshot.meetings if one.key in with_customer)
    return min((at for at in found if at and since <= at <= case.now), default=None)
