"""Tells of tasks, meetings and promises that nobody kept in time: their owner, who gets them instead, up the ladder.

Not here: when each of these comes (``ladder``) and giving the task to somebody else (``rules.playbook``). Of a task
that its owner closed or deleted, and a meeting that somebody canceled or moved, nothing is told. Where the ledger was
lost, what was due before counts as told. Whoever would read the same twice at the same time reads it once. What would
reach nobody goes to the fallback person; where there is none either the last of it is tried again until somebody is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from connector.handoff.case import Case, fingerprint
from connector.handoff.commitments import late_steps
from connector.handoff.ladder import Coming, coming
from connector.handoff.model import Outcome, Person
from connector.handoff.mornings import next_round
from connector.handoff.plan import Finding, Notify, Order, Verdict
from connector.handoff.rulebook.playbooks import Do
from connector.handoff.rules import stuck
from connector.handoff.steps import Step, walk
from connector.handoff.templating import render
from connector.handoff.text import names, one_line

NAME = "late"
HIGH = "high"
TRIED_AGAIN = timedelta(hours=1)

Late = list[tuple[Step, Coming]]
"""What follows of each late step, in its order."""

MOMENT = {Do.REMIND: "task_late", Do.REASSIGN: "task_reassigned", Do.ESCALATE: "task_escalated"}
"""The name of each message's template, beside those of the moments."""

LATE_NAMES = frozenset({"task", "owner", "due_on"})
"""What the templates of these messages may name besides what all may."""

SUBJECTS = {
    Do.REMIND: "Late: {{ task }}",
    Do.REASSIGN: "Yours now: {{ task }}",
    Do.ESCALATE: "Still open: {{ task }}",
}
TEXTS = {
    Do.REMIND: "Your task “{{ task }}” for {{ account }} was due on {{ due_on }} and is open. "
    "Please do it, or close it on the deal ({{ deal }}) if it is done.",
    Do.REASSIGN: "“{{ task }}” for {{ account }} was due on {{ due_on }} and nobody did it, so it is yours now. "
    "You find it on the deal ({{ deal }}). AE: {{ ae }}. CSM: {{ csm }}.",
    Do.ESCALATE: "“{{ task }}” for {{ account }} ({{ deal }}, {{ amount }}) was due on {{ due_on }} and is still open. "
    "It is with {{ owner }}. AE: {{ ae }}. CSM: {{ csm }}.",
}
NOT_HELD = {
    Do.REMIND: "“{{ task }}” with {{ account }} was to be on {{ due_on }}. If it was held, say so in its outcome on "
    "the deal ({{ deal }}); if not, agree with them on another time.",
    Do.ESCALATE: "“{{ task }}” with {{ account }} ({{ deal }}, {{ amount }}) was to be on {{ due_on }}, and nobody "
    "says that it was held. It is with {{ owner }}. AE: {{ ae }}. CSM: {{ csm }}.",
}
"""The words for meetings."""
_NEWS = {Do.REMIND: "is reminded of", Do.REASSIGN: "gets", Do.ESCALATE: "is told that nobody did"}


def find(case: Case) -> Finding | None:
    """The messages that are due now about tasks that are late; None while none is late and none can be."""
    if not case.released or (case.assignment is None and case.waiting is None):
        return None
    steps = [*(step for step in walk(case) if _counts(step)), *late_steps(case), *stuck.late_steps(case)]
    late: Late = [(step, one) for step in steps for one in coming(case, step.clocked, _over(step))]
    if not late:
        return None
    due = [(step, one) for step, one in late if one.at <= case.now and not one.told]
    lost = [pair for pair in due if _reaches_nobody(case, *pair, late)]
    marks = {one.what.mark(step.spec.step): case.now for step, one in due if (step, one) not in lost}
    try:
        said = [] if case.recovered else list(_said(case, due, late))
    except ValueError as error:
        return Finding(NAME, Verdict.BLOCKED, f"A message could not be written: {error}.", recheck_at=_next(case, late))
    verdict = Verdict.ACT if said else Verdict.BLOCKED if lost else Verdict.WAIT
    reason = " ".join(dict.fromkeys(_told(case, step, one) for step, one in (due or _first(late))))
    ahead = [at for at in (_next(case, late), case.now + TRIED_AGAIN if lost else None) if at]
    return Finding(NAME, verdict, reason, actions=tuple(said), recheck_at=min(ahead, default=None), marks=marks)


def _reaches_nobody(case: Case, step: Step, one: Coming, late: Late) -> bool:
    """Whether this is the last that follows, and nobody is there to hear of it: it must not count as told."""
    if case.recovered or _spared(case, step, one) or _people(case, step, one):
        return False
    return [other for of, other in late if of is step][-1] is one


def _said(case: Case, due: Late, late: Late) -> Iterator[Notify]:
    """The messages, of which nobody gets two of one step that say the same at the same time."""
    heard: dict[str, set[str]] = {}
    for step, one in due:
        known = heard.setdefault(step.spec.step, _hears_anyway(case, step, late))
        people = tuple(person for person in _people(case, step, one) if person.id not in known)
        known.update(person.id for person in people)
        yield from _messages(case, step, one, people)


def _hears_anyway(case: Case, step: Step, late: Late) -> set[str]:
    """Who is told of this step by a message that waits for the very moment for which one waits that is decided now."""
    moment = _goes_at(case)
    if moment is None:
        return set()
    waits = [
        one
        for of, one in late
        if of is step
        and one.told
        and one.what.do is Do.ESCALATE
        and _goes_at(dataclasses.replace(case, now=one.at)) == moment
    ]
    return {person.id for one in waits for person in _people(case, step, one)}


def _goes_at(case: Case) -> datetime | None:
    """When a message that is decided now goes out; None: at once."""
    return next_round(case) if case.policy.notify.digest else case.told_at()


def _counts(step: Step) -> bool:
    """Whether somebody is to do this step now: one that was deleted or is not made yet is nobody's."""
    met = step.meeting is not None and step.meeting.outcome in (Outcome.PLANNED, Outcome.MISSED)
    return bool(step.spec.missed) and step.done_at is None and step.begun and (step.task is not None or met)


def _over(step: Step) -> datetime:
    """When it ought to be done: a meeting when it is over, whenever people put it."""
    return (step.meeting.end if step.meeting else None) or step.deadline


def _next(case: Case, late: Late) -> datetime | None:
    return min((one.at for _, one in late if one.at > case.now), default=None)


def _first(late: Late) -> Late:
    """What comes next, where nothing is due."""
    ahead = sorted((pair for pair in late if not pair[1].told), key=lambda pair: pair[1].at)
    return ahead[:1] or late[-1:]


def _told(case: Case, step: Step, one: Coming) -> str:
    name, day = step.spec.step, f"{case.day(one.at)}, {case.clock(one.at)}"
    if one.told:
        return f"Step {name} is late; all that follows from that was done by {day}."
    if one.at > case.now:
        return f"If step {name} is not done, {_doing(case, step, one)} on {day}."
    if case.recovered:
        return f"Step {name} is late; what was remembered of it is lost, so nobody is told again."
    return f"Step {name} is late since {case.day(_over(step))}: {_doing(case, step, one)}."


def _doing(case: Case, step: Step, one: Coming) -> str:
    if _spared(case, step, one):
        if case.policy.notify.digest:
            return f"{owner.name if (owner := _owner(case, step)) else 'nobody'} reads of it in the morning's digest"
        return "nobody is reminded ([notify] level is essential, and it is no task of high priority)"
    people = [person.name for person in _people(case, step, one)]
    return f"{' and '.join(people) or 'nobody who is known'} {_NEWS[one.what.do]} it"


def _spared(case: Case, step: Step, one: Coming) -> bool:
    """Whether a reminder is not sent: it is not essential, or stands in the owner's digest of the morning."""
    if one.what.do is not Do.REMIND or (step.meeting is not None and not case.policy.notify.digest):
        return False
    return case.policy.notify.digest or (case.policy.notify.essential and step.spec.extras.priority != HIGH)


def _people(case: Case, step: Step, one: Coming) -> tuple[Person, ...]:
    """Who is told, each once; the fallback person where that is nobody."""
    if one.what.do is Do.REMIND:
        found: list[Person | None] = [_owner(case, step)]
    else:
        found = [case.person_for(role)[0] for role in one.what.roles]
        found += [case.person_by_email(email) for email in one.what.emails]
    return _able(found) or _able([case.fallback])


def _able(found: Sequence[Person | None]) -> tuple[Person, ...]:
    return tuple({person.id: person for person in found if person and person.active and person.email}.values())


def _owner(case: Case, step: Step) -> Person | None:
    """Whose task it is in the CRM: a person may have given it to somebody else."""
    made = step.task or step.meeting
    present = case.snapshot.person(made.owner_id) if made else None
    return present if present and present.active else step.owner


def _messages(case: Case, step: Step, one: Coming, people: tuple[Person, ...]) -> Iterator[Notify]:
    if _spared(case, step, one):
        return
    made = step.task or step.meeting
    context = names(case) | {
        "task": one_line(made.subject) if made else step.spec.subject,
        "owner": one_line(owner.name) if (owner := _owner(case, step)) else "nobody",
        "due_on": case.day(_over(step)),
    }
    do = one.what.do
    subject = one_line(render(SUBJECTS[do], context))
    plain = NOT_HELD[do] if step.meeting is not None else TEXTS[do]
    text = render(case.policy.notify.texts.get(MOMENT[do], plain), context).strip()
    for person in people:
        for way in ("", *case.policy.notify.in_crm):
            # By person and not by place: people come and go on a ladder.
            name = f"notify-late-{step.spec.step}-{one.what.name}-{person.id}" + (f"-{way}" if way else "")
            yield Notify(
                step=name,
                order=Order.NOTIFY,
                key=":".join((case.key(f"late-{step.spec.step}"), one.what.name, person.id)),
                to_email=person.email,
                to_name=one_line(person.name),
                subject=subject,
                text=text,
                fingerprint=fingerprint(person.id, one.what.name),
                reason=f"{one_line(person.name)} {_NEWS[do]} step {step.spec.step}.",
                way=way,
                to_id=person.id,
                deal_id=case.snapshot.deal.ref.id,
                not_before=_goes_at(case),
                together=case.policy.notify.digest,
            )
