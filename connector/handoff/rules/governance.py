"""Tells the owner of the process of a breached threshold: one task with the evidence, and one message, on this deal.

Not here: what is a breach (``governing.breaches``) and on which deal it is told (``engine.governance``). The task is
the owner's from the moment it is made: it is neither moved nor closed, and one that was deleted is not made again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from connector.handoff.calendar import limit_end, local_date
from connector.handoff.case import Case, fingerprint
from connector.handoff.governing.breaches import step_of
from connector.handoff.model import Breach, Kind, Person, Value
from connector.handoff.plan import Action, Finding, Notify, Order, Upsert, Verdict
from connector.handoff.rulebook.governance import GovernancePolicy
from connector.handoff.text import clean, one_line

NAME = "governance"
MAX_BODY_CHARS = 8_000
"""As much as a playbook's task says at most."""

AGAIN = timedelta(hours=1)
"""Until it is tried again where the CRM knows no owner."""

WHY = "It stands on this deal because the deal weighs most of those behind the number."


def find(case: Case) -> Finding | None:
    """Tell what is new; None where no breach is told on this deal."""
    asked = case.policy.governance
    found = [one for one in case.snapshot.breaches if one.generation == case.generation]
    if asked is None or not found:
        return None
    said = " ".join(f"{one.subject}." for one in found)
    new = [one for one in found if not _made_before(case, one)]
    owner = case.person_by_email(asked.owner)
    if new and (owner is None or not owner.active):
        reason = f"{said} [governance] owner {asked.owner} is not known and active."
        return Finding(NAME, Verdict.BLOCKED, reason, recheck_at=case.now + AGAIN)
    if not new or owner is None:
        return Finding(NAME, Verdict.IN_SYNC, said)
    actions = [action for one in new for action in _actions(case, asked, one, owner)]
    return Finding(NAME, Verdict.ACT, said, actions=tuple(actions))


def _made_before(case: Case, breach: Breach) -> bool:
    step = step_of(breach.name, breach.period)
    return step in case.ledger.effects or case.task(step) is not None


def _actions(case: Case, asked: GovernancePolicy, breach: Breach, owner: Person) -> Iterator[Action]:
    subject = one_line(f"{breach.subject} (handoff process)")
    text = clean(f"{breach.text}\n\n{WHY}", limit=MAX_BODY_CHARS)
    yield _task(case, asked, breach, owner, subject=subject, text=text)
    for way in ("", *case.policy.notify.in_crm):
        yield _message(case, breach, owner, subject=subject, text=text, way=way)


def _task(case: Case, asked: GovernancePolicy, breach: Breach, owner: Person, *, subject: str, text: str) -> Upsert:
    calendar = case.policy.calendar
    due = local_date(calendar, limit_end(calendar, breach.found_at, asked.within))
    values: dict[str, Value] = {"subject": subject, "body": text, "due": due, "owner": owner.id, "remind_at": None}
    if "task.priority" in case.policy.extras:
        values["priority"] = "high"
    step = step_of(breach.name, breach.period)
    return Upsert(
        step=step,
        order=Order.CREATE,
        kind=Kind.TASK,
        key=case.key(step),
        values=values,
        parents=case.parents,
        fingerprint=fingerprint(subject, owner.id, due),
        reason=f"Threshold {breach.name}: {breach.subject}.",
    )


def _message(case: Case, breach: Breach, owner: Person, *, subject: str, text: str, way: str) -> Notify:
    step = step_of(breach.name, breach.period)
    return Notify(
        step=f"notify-{step}" + (f"-{way}" if way else ""),
        order=Order.NOTIFY,
        key=f"{case.key(step)}:{owner.id}",
        to_email=owner.email,
        to_name=one_line(owner.name),
        subject=subject,
        text=text,
        fingerprint=fingerprint(owner.id, step),
        reason=f"{one_line(owner.name)} is told of the threshold {breach.name}.",
        way=way,
        to_id=owner.id,
        deal_id=case.snapshot.deal.ref.id,
        not_before=case.told_at(),
    )
