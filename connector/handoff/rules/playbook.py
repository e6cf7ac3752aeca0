"""Keeps the onboarding tasks: made once, moved while nobody touched them, closed when the machine sees them done.

Not here: due dates and completion (``steps``), meetings (``rules.drafts``). A task that a person closed, edited or
deleted is left so.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from connector.handoff.calendar import local_date
from connector.handoff.case import Case, fingerprint
from connector.handoff.mails import subject, title, words
from connector.handoff.meetings import seen_words, who_takes_part
from connector.handoff.model import CrmTask, Kind, Value
from connector.handoff.plan import Finding, Order, TaskState, Upsert, Verdict
from connector.handoff.playbook_text import version_of
from connector.handoff.rulebook.people import Role
from connector.handoff.rulebook.playbooks import ANCHORS, Make, Playbook
from connector.handoff.rules import drafts
from connector.handoff.sending import hindered
from connector.handoff.steps import Step, chosen, present, walk
from connector.handoff.templating import render
from connector.handoff.text import REFERENCE, clean, names, one_line
from connector.handoff.triggers import told

NAME = "playbook"
REMIND_BEFORE = timedelta(hours=1)
MAX_TITLE_CHARS = 80
"""Note.Title (facts: Salesforce, Note)."""
MAX_BODY_CHARS = 8_000
"""Far below Task.Description's 32,000 (facts: Salesforce, Task): a task says what to do, the summary tells the rest."""

DRAFT_IS = "The draft is the note “{title}” on the deal. It says what is missing where it cannot be written yet."
BY_ITSELF = (
    "It goes out by itself at the time that stands there. To stop it, edit or delete the note, or close this task."
)
NOT_BY_ITSELF = "It does not go out by itself: {why}. Please send it yourself."

_DONE = fingerprint("status", "done")
_CLOSED = {Make.TASK: "its task was closed", Make.MEETING: "its meeting was held", Make.NOTE: "its note was written"}


def find(case: Case) -> Finding | None:
    """Create, move and close the tasks of a running handoff."""
    if not case.released:
        return None
    if case.assignment is None and case.waiting is None:
        return Finding(NAME, Verdict.BLOCKED, "No tasks are made while there is no CSM.")
    book = chosen(case)
    if book is None:
        return Finding(NAME, Verdict.IN_SYNC, "No playbook is meant for this kind of deal, so no tasks are made.")
    steps = walk(case)
    try:
        context = names(case)
        actions = tuple(action for step in steps if (action := _action(case, step, context)))
    except ValueError as error:
        return Finding(NAME, Verdict.BLOCKED, f"The tasks of playbook {book.name} could not be written: {error}.")
    left = [step for step in steps if step.done_at is None]
    ahead = [at for step in left if (at := _looked_at_again(step)) and at > case.now]
    state = f"Playbook {book.name}{_older(case, book)}: {len(steps) - len(left)} of {len(steps)} steps done"
    verdict = Verdict.ACT if actions else Verdict.WAIT if left else Verdict.IN_SYNC
    return Finding(
        NAME,
        verdict,
        f"{state}{_to_write(actions)}.",
        actions=actions,
        recheck_at=min(ahead, default=None),
        calendars=_calendars(case, steps, actions),
    )


def _calendars(case: Case, steps: tuple[Step, ...], actions: tuple[Upsert, ...]) -> dict[str, tuple[str, ...]]:
    """Whose calendars matter to the meetings that are given a time now."""
    if not case.policy.meetings.calendars:
        return {}
    placed = {each.step for each in actions if each.kind is Kind.MEETING and "start" in each.values}
    return {
        step.spec.step: tuple(person.id for person in who_takes_part(case, step.spec))
        for step in steps
        if step.spec.step in placed
    }


def _older(case: Case, book: Playbook) -> str:
    """A word on the version, where the handoff goes on by another than a new one would get."""
    return "" if present(case) == book else f" as it was when the handoff began (version {version_of(book)})"


def _looked_at_again(step: Step) -> datetime | None:
    """A meeting that a person moved is over when it says so, whatever the plan was. What waits for a day is looked at
    then, what waits for people when they did something."""
    if step.waiting and step.spec.trigger:
        return step.foreseen
    return step.meeting.end if step.meeting and step.meeting.end else step.deadline


def _to_write(actions: tuple[Upsert, ...]) -> str:
    kinds = (Kind.TASK, Kind.MEETING, Kind.NOTE)
    counts = [(kind.value, sum(action.kind is kind for action in actions)) for kind in kinds]
    words = [f"{count} {name}{'s' if count > 1 else ''}" for name, count in counts if count]
    return f", {' and '.join(words)} to write" if words else ""


def states(case: Case, steps: tuple[Step, ...]) -> tuple[TaskState, ...]:
    """The steps as `explain` shows them, whatever is to be written."""
    context = names(case) if steps else {}
    return tuple(_state(case, step, context) for step in steps)


def _action(case: Case, step: Step, context: dict[str, object]) -> Upsert | None:
    effect = case.ledger.effects.get(step.spec.step)
    if step.done_at is not None:
        to_close = step.task is not None and not step.task.done and step.by_field
        return _close(case, step) if to_close and not (effect and effect.fingerprint == _DONE) else None
    if step.meeting is not None:
        return drafts.move(case, step, step.meeting, context, reason=_why(case, step))
    if step.task is not None:
        return _move(case, step, step.task, context)
    if not comes_now(case, step):
        return None
    if step.spec.make is Make.NOTE:
        return _document(case, step, context)
    if step.spec.make is Make.MEETING:
        return None if drafts.too_late(case, step) else drafts.create(case, step, context, reason=_why(case, step))
    return _create(case, step, context)


def comes_now(case: Case, step: Step) -> bool:
    """Whether a step's record, of which there is none, is to be made now."""
    made_before = step.spec.step in case.ledger.effects
    too_late = step.spec.trigger is not None and drafts.too_late(case, step)
    return not (step.waiting or made_before or too_late or _needs_csm(case, step))


def _needs_csm(case: Case, step: Step) -> bool:
    """Whether a step rests while the deal waits for a CSM: it is the CSM's, or a meeting with them."""
    guests = step.spec.draft.invite if step.spec.draft else ()
    return case.waiting is not None and (step.owner is None or Role.CSM in guests)


def _create(case: Case, step: Step, context: dict[str, object]) -> Upsert:
    subject = _subject(step, context)
    owner_id = step.owner.id if step.owner else None
    values: dict[str, Value] = {
        "subject": subject,
        "body": _body(case, step, context),
        "due": step.due,
        "owner": owner_id,
        "remind_at": _reminder(step),
        **_extras(case, step),
    }
    return _upsert(case, step, values, said=fingerprint(subject, owner_id, step.due), reason=_why(case, step))


def _document(case: Case, step: Step, context: dict[str, object]) -> Upsert:
    """A note with the step's text, which is people's once it is written. Its last line tells which one it is."""
    heading = one_line(render(step.spec.subject, context), limit=MAX_TITLE_CHARS)
    text = clean(render(step.spec.body, context), limit=MAX_BODY_CHARS)
    key = case.key(step.spec.step)
    return Upsert(
        step=step.spec.step,
        order=Order.CREATE,
        kind=Kind.NOTE,
        key=key,
        values={
            "title": heading,
            "body": f"{text}\n\n{REFERENCE} {key}",
            "owner": step.owner.id if step.owner else None,
        },
        parents=case.parents,
        fingerprint=fingerprint(heading, text),
        reason=_why(case, step),
    )


def _body(case: Case, step: Step, context: dict[str, object]) -> str:
    """What the task says; where its draft is found, if it has one."""
    text = clean(render(step.spec.body, context), limit=MAX_BODY_CHARS)
    if step.spec.mail is None:
        return text
    heading = subject(step.spec.mail, words(case, step.spec.mail))
    said = DRAFT_IS.format(title=title(heading))
    if step.spec.mail.send is not None:
        why = hindered(case, step.spec.mail, step.owner)
        said = f"{said} {NOT_BY_ITSELF.format(why=why) if why else BY_ITSELF}"
    return f"{text}\n\n{said}".strip()


def _extras(case: Case, step: Step) -> dict[str, Value]:
    """What the step says besides and this CRM has a field for; set when the task is made and people's from then on."""
    said = step.spec.extras
    given = {"queue": said.queue, "priority": said.priority, "type": said.type}
    return {name: value for name, value in given.items() if value and f"task.{name}" in case.policy.extras}


def _move(case: Case, step: Step, task: CrmTask, context: dict[str, object]) -> Upsert | None:
    """The parts of an open task that must change, when the task still says what was last written to it."""
    effect = case.ledger.effects.get(step.spec.step)
    owner_id = step.owner.id if step.owner else task.owner_id
    subject = _subject(step, context)
    said = fingerprint(subject, owner_id, step.due)
    if effect is None or effect.fingerprint == said or effect.fingerprint != _present(task):
        return None
    values: dict[str, Value] = {}
    if subject != task.subject:
        values["subject"] = subject
    if owner_id != task.owner_id:
        values["owner"] = owner_id
    if step.due != task.due:
        values["due"] = step.due
        if step.spec.remind:
            values["remind_at"] = _reminder(step)
    return _upsert(case, step, values, said=said, reason=_why(case, step)) if values else None


def _close(case: Case, step: Step) -> Upsert:
    reason = f"Step {step.spec.step} is done: {step.proof}."
    return _upsert(case, step, {"status": "done"}, said=_DONE, reason=reason)


def _upsert(case: Case, step: Step, values: dict[str, Value], *, said: str, reason: str) -> Upsert:
    return Upsert(
        step=step.spec.step,
        order=Order.CREATE,
        kind=Kind.TASK,
        key=case.key(step.spec.step),
        values=values,
        parents=case.parents,
        fingerprint=said,
        reason=reason,
        record_id=step.task.id if step.task else None,
    )


def _subject(step: Step, context: dict[str, object]) -> str:
    return one_line(render(step.spec.subject, context))


def _reminder(step: Step) -> datetime | None:
    return max(step.deadline - REMIND_BEFORE, step.begins).replace(microsecond=0) if step.spec.remind else None


def _present(task: CrmTask) -> str:
    return fingerprint(task.subject, task.owner_id, task.due)


def _why(case: Case, step: Step) -> str:
    trigger = _begins(case, step)
    owner = step.owner.name if step.owner else "nobody"
    because = f" ({step.owner_why})" if step.owner_why else ""
    slot = drafts.proposed(case, step)
    until = f"on {drafts.when(case, slot.start)}" if slot else f"due {case.day(step.deadline)}"
    if slot and step.meeting is None and (seen := seen_words(case, step.spec, slot, begins=step.begins)):
        until = f"{until} ({seen})"
    return f"Step {step.spec.step} {trigger}; for {owner}{because}, {until}."


def _begins(case: Case, step: Step) -> str:
    trigger = step.spec.trigger
    if trigger is None:
        return f"follows step {step.spec.after}" if step.spec.after else "begins with the handoff"
    label = case.label(trigger.anchor) if trigger.anchor and trigger.anchor not in ANCHORS else ""
    return f"begins {told(trigger, label=label)}"


def _state(case: Case, step: Step, context: dict[str, object]) -> TaskState:
    made = step.task or step.meeting
    try:
        subject = made.subject if made else _subject(step, context)
    except ValueError:
        subject = step.spec.subject
    state, why = _standing(case, step)
    due = (
        step.task.due if step.task else step.due if step.foreseen or not step.waiting or not step.spec.trigger else None
    )
    if step.meeting and step.meeting.start:
        due = local_date(case.policy.calendar, step.meeting.start)
    return TaskState(step.spec.step, subject, step.owner.email if step.owner else "", due, state, why)


def _standing(case: Case, step: Step) -> tuple[str, str]:
    effect = case.ledger.effects.get(step.spec.step)
    if step.done_at is not None:
        how = step.proof or _CLOSED[step.spec.make]
        return "done", f"Seen done on {case.day(step.done_at)}: {how}."
    if case.assignment is None and case.waiting is None:
        return "blocked", f"No {step.spec.make} is made while there is no CSM."
    if step.meeting is not None:
        return drafts.standing(case, step, step.meeting)
    if step.task is None and effect is not None:
        return "removed", f"The {step.spec.make} was deleted in the CRM and is not made again."
    if step.task is None:
        if _needs_csm(case, step):
            return "waiting", f"Its {step.spec.make} is made when the deal has a CSM."
        if step.waiting:
            return "waiting", f"Its {step.spec.make} is made when {step.waits_for}."
        if (step.spec.trigger or step.spec.make is Make.MEETING) and drafts.too_late(case, step):
            return "late", f"It should have been over by {case.day(step.deadline)}, so none is made any more."
        return "planned", _why(case, step)
    if effect and effect.fingerprint != _present(step.task):
        return "open", "A person changed the task, so it is left as it is."
    overdue = "; overdue" if step.deadline <= case.now else ""
    return "open", f"Due {case.day(step.deadline)}{overdue}."
