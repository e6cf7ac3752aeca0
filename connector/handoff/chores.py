"""Single tasks that are no step of a playbook: made once, moved while nobody touched them, closed when they are over.

Not here: when one is due and why (the rules). What a person closed, edited or deleted is left so. Their names hold an
underscore, which no step of a playbook may.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from connector.handoff.case import Case, fingerprint
from connector.handoff.model import CrmTask, Kind, Value
from connector.handoff.plan import Order, Upsert
from connector.handoff.templating import render
from connector.handoff.text import clean, one_line

MAX_BODY_CHARS = 8_000
"""As much as a playbook's task says at most."""

HIGH = "high"
_DONE = fingerprint("status", "done")


@dataclass(frozen=True, slots=True)
class Chore:
    """A task as it should stand: its step, its key, the template of which the first line is the subject, for whom it is
    and by when."""

    step: str
    key: str
    text: str
    owner_id: str | None
    due: date
    reason: str


def made(case: Case, key: str) -> CrmTask | None:
    """The task in the CRM, when it exists."""
    return next((task for task in case.snapshot.tasks if task.key == key), None)


def kept(case: Case, chore: Chore, context: Mapping[str, object]) -> Upsert | None:
    """Make the task, or move it to another day or owner while it says what was last written to it; None where nothing
    is to be done. Raises ValueError when its text cannot be rendered."""
    subject, _, body = render(chore.text, context).strip().partition("\n")
    subject = one_line(subject)
    task, effect = made(case, chore.key), case.ledger.effects.get(chore.step)
    said = fingerprint(subject, chore.owner_id, chore.due)
    if task is None:
        if effect is not None:
            return None
        values: dict[str, Value] = {
            "subject": subject,
            "body": clean(body, limit=MAX_BODY_CHARS),
            "due": chore.due,
            "owner": chore.owner_id,
            "remind_at": None,
            **({"priority": HIGH} if "task.priority" in case.policy.extras else {}),
        }
        return _upsert(case, chore, values, said=said)
    if task.done or effect is None or effect.fingerprint in (said, _DONE) or effect.fingerprint != _present(task):
        return None
    values = {"due": chore.due} if task.due != chore.due else {}
    if chore.owner_id and chore.owner_id != task.owner_id:
        values["owner"] = chore.owner_id
    # The subject stays: a deal that is renamed is no news of the task.
    said = fingerprint(task.subject, chore.owner_id, chore.due)
    return _upsert(case, chore, values, said=said, record_id=task.id) if values else None


def closed(case: Case, *, step: str, key: str, reason: str) -> Upsert | None:
    """Close the task where it is still open, once: who opens it again wants it so."""
    task, effect = made(case, key), case.ledger.effects.get(step)
    if task is None or task.done or (effect is not None and effect.fingerprint == _DONE):
        return None
    return Upsert(
        step=step,
        order=Order.CREATE,
        kind=Kind.TASK,
        key=key,
        values={"status": "done"},
        parents=case.parents,
        fingerprint=_DONE,
        reason=reason,
        record_id=task.id,
    )


def _present(task: CrmTask) -> str:
    return fingerprint(task.subject, task.owner_id, task.due)


def _upsert(
    case: Case, chore: Chore, values: Mapping[str, Value], *, said: str, record_id: str | None = None
) -> Upsert:
    return Upsert(
        step=chore.step,
        order=Order.CREATE,
        kind=Kind.TASK,
        key=chore.key,
        values=values,
        parents=case.parents,
        fingerprint=said,
        reason=chore.reason,
        record_id=record_id,
    )
