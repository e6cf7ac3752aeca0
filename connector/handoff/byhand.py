"""What a review asks of one handoff and nothing else keeps: which automated steps a person touched, which milestones
were reached, what the CSM wrote of it.

Not here: what follows from it (nothing does: people's edits win) and counting it over a period (``governing.fold``).
A step that only its own task can close is meant to be closed by hand, so closing it is no touch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from connector.handoff.case import Case, fingerprint
from connector.handoff.milestones import fits, progress
from connector.handoff.model import CrmTask
from connector.handoff.rulebook.playbooks import Make, SignalKind
from connector.handoff.rules.summarise import is_edited
from connector.handoff.sending import DRAFT
from connector.handoff.steps import Step
from connector.handoff.summary import STEP as SUMMARY
from connector.handoff.text import one_line

COMMENTS = ("handoff_feedback", "reject_note")
"""Fields in which a CSM says what a handoff was like."""
MAX_COMMENT = 300

_CLOSED_BY_US = fingerprint("status", "done")


class Touch(StrEnum):
    """What a person did to a step."""

    CLOSED = "closed by hand, not by its signal"
    CHANGED = "changed by hand"
    DELETED = "deleted"
    REDRAFTED = "draft edited"
    REWRITTEN = "summary note edited"
    REASSIGNED = "CSM changed by a person after the assignment"
    MOVED = "won again against the gate after it was put back"


@dataclass(frozen=True, slots=True)
class ByHand:
    """One step that a person touched, and how."""

    step: str
    touch: Touch


def by_hand(case: Case, steps: Iterable[Step]) -> tuple[ByHand, ...]:
    """The steps of this handoff that a person touched, as they stand now, in the playbook's order."""
    found = [ByHand(step.spec.step, touch) for step in steps for touch in _touches(case, step)]
    if is_edited(case, SUMMARY):
        found.append(ByHand(SUMMARY, Touch.REWRITTEN))
    return tuple(found)


def reached(case: Case) -> tuple[str, ...]:
    """The milestones that the customer of a running handoff has reached."""
    policy = case.policy.product
    if policy is None or not case.released:
        return ()
    return tuple(one.name for one in policy.milestones if fits(case, one) and progress(case, one).done)


def comments(case: Case) -> tuple[str, ...]:
    """What the CSM wrote of the handoff, where fields for it are mapped."""
    found = (case.value(name) for name in COMMENTS) if case.released else ()
    return tuple(one_line(text, limit=MAX_COMMENT) for text in found if isinstance(text, str) and text.strip())


def _touches(case: Case, step: Step) -> Iterator[Touch]:
    effect = case.ledger.effects.get(step.spec.step)
    if step.spec.make is Make.TASK and effect is not None:
        task = step.task
        if task is None and step.done_at is None:
            yield Touch.DELETED
        elif task is not None and effect.fingerprint not in (_CLOSED_BY_US, _present(task)):
            yield Touch.CHANGED
        if task is not None and task.done and _awaits(step) and not step.proof and effect.fingerprint != _CLOSED_BY_US:
            yield Touch.CLOSED
    if step.spec.mail is not None and is_edited(case, f"{DRAFT}{step.spec.step}"):
        yield Touch.REDRAFTED


def _awaits(step: Step) -> bool:
    return any(signal.kind is not SignalKind.TASK_CLOSED for signal in step.spec.done_when)


def _present(task: CrmTask) -> str:
    return fingerprint(task.subject, task.owner_id, task.due)
