"""Playbooks out of playbook.toml: steps that exist, triggers that do not run in circles, templates that can be filled.

Not here: when a task is due and who gets it (``handoff``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from connector.handoff.mails import MAIL_NAMES
from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.conditions import Condition
from connector.handoff.rulebook.people import Role
from connector.handoff.rulebook.playbooks import (
    Draft,
    Extras,
    Mail,
    Make,
    Playbook,
    PlaybookTask,
    Sending,
    Signal,
    SignalKind,
)
from connector.handoff.rules.drafts import AGENDA_NAMES
from connector.policy.conditions import Scope, condition
from connector.policy.consequences import (
    Around,
    follows,
    limit,
    missed,
    owner_complaints,
    trigger,
    unknown_in_product,
)
from connector.policy.known import RESERVED_STARTS, RESERVED_STEPS
from connector.policy.lists import first_match
from connector.policy.model.playbooks import MailSpec, PlaybookSpec, SignalSpec, TaskSpec
from connector.policy.reach import impossible
from connector.policy.templates import Words, complaints, fields_shown
from connector.settings.mistakes import did_you_mean
from connector.settings.spans import KeyPath

MAX_SUBJECT_CHARS = 255
"""A task's subject, the smaller of the two CRMs (facts: Salesforce, Task.Subject)."""
FROM_THE_START = frozenset(
    {"gate", "csm", "status", "percent", "started_at", "summary", "account.csm", "account.onboarding_stage"}
)
"""What the connector itself fills when a handoff begins: it proves nothing."""
NOTICE = Limit(Decimal(1), Clock.BUSINESS)
"""A meeting begins no sooner after its trigger than this, unless the step says so: people need time to read of it."""

OF_MEETINGS = ("minutes", "earliest", "customer", "invite")
SEND_AFTER = Limit(Decimal(2), Clock.BUSINESS)
"""How long people have to stop a mail that goes out by itself, where its template does not say."""
NO_SENDERS = frozenset({Role.PHASE, Role.FIRST_AVAILABLE})
"""Whose task it is may change until it is done; a mail must have one sender from its draft on."""

ABOUT_THEM = frozenset({"champion_stake", "competition", "risks", "stakeholders"})
"""What colleagues noted about the customer, for each other: no mail may show it to them."""

OF_TASKS = ("remind", "queue", "priority", "type", "mail")


@dataclass(frozen=True, slots=True)
class WorkingDay:
    """How many hours a working day has, and the longest time without a break, in minutes."""

    hours: Decimal
    stretch: int


@dataclass(frozen=True, slots=True)
class Ground:
    """What a task is held against: the working day, the words of its texts, what process.toml says around it, and for
    which deals its playbook is."""

    day: WorkingDay
    words: Words
    around: Around
    of_deal: Condition = dataclasses.field(default_factory=Condition)


def playbooks(specs: Sequence[PlaybookSpec], *, scope: Scope, ground: Ground) -> tuple[Playbook, ...]:
    """All playbooks. What is wrong is noted in the scope."""
    apart = frozenset(index for index, spec in enumerate(specs) if spec.adds)
    conditions = first_match(specs, at=("playbooks",), scope=scope, apart=apart)
    found = []
    for index, (spec, when) in enumerate(zip(specs, conditions, strict=True)):
        at: KeyPath = ("playbooks", index, "tasks")
        _judge_steps(spec.tasks, at=at, scope=scope)
        here = dataclasses.replace(ground, of_deal=when)
        made = [_task(task, at=(*at, n), scope=scope, ground=here) for n, task in enumerate(spec.tasks)]
        tasks = _repeated(made, spec.tasks, at=at, scope=scope)
        found.append(Playbook(spec.name, when, tasks, spec.adds))
    return tuple(found)


def _repeated(
    tasks: Sequence[PlaybookTask], specs: Sequence[TaskSpec], *, at: KeyPath, scope: Scope
) -> tuple[PlaybookTask, ...]:
    """The steps, those of a weekday once for each of its weeks: ``monday-1``, ``monday-2`` …"""
    found: list[PlaybookTask] = []
    followed = {task.after for task in tasks}
    for index, (task, spec) in enumerate(zip(tasks, specs, strict=True)):
        weeks = spec.trigger.weeks if spec.trigger and task.trigger and task.trigger.weekday is not None else None
        if weeks is None or task.trigger is None:
            found.append(task)
            continue
        if task.step in followed:
            scope.complain((*at, index, "step"), f"{task.step!r} comes every week, so no other step can follow it")
        for week in range(1, weeks + 1):
            trigger = dataclasses.replace(task.trigger, days=week)
            found.append(dataclasses.replace(task, step=f"{task.step}-{week}", trigger=trigger))
    names = [task.step for task in found]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        place = next((n for n, spec in enumerate(specs) if spec.step == name), None)
        if place is not None and [spec.step for spec in specs].count(name) == 1:
            scope.complain(
                (*at, place, "step"), f"{name!r} is also what a weekly step of this playbook is called; rename"
            )
    return tuple(found)


def _task(spec: TaskSpec, *, at: KeyPath, scope: Scope, ground: Ground) -> PlaybookTask:
    day = ground.day
    of_body = ground.words
    if spec.make is Make.MEETING:
        of_body = dataclasses.replace(of_body, names=of_body.names | AGENDA_NAMES)
    for key, text, words in (("subject", spec.subject, ground.words), ("body", spec.body, of_body)):
        for complaint in complaints(text, words=words):
            scope.complain((*at, key), complaint.message)
    if "\n" in spec.subject or len(spec.subject) > MAX_SUBJECT_CHARS:
        scope.complain((*at, "subject"), f"must be one line of at most {MAX_SUBJECT_CHARS} characters")
    for message in owner_complaints(spec.owner, ground.around):
        scope.complain((*at, "owner"), message)
    if not spec.at_release and not follows(spec) and spec.trigger is None:
        scope.complain(
            (*at, "at_release"), "a task that is not made at release must name the step it comes after; add after = …"
        )
    return PlaybookTask(
        step=spec.step,
        subject=spec.subject,
        body=spec.body,
        owner=spec.owner,
        limit=limit(spec.within, at=(*at, "within"), scope=scope, day=day.hours),
        done_when=_signals(spec.done_when, at=(*at, "done_when"), scope=scope, ground=ground),
        after=follows(spec),
        at_release=spec.at_release,
        remind=spec.remind,
        draft=_draft(spec, at=at, scope=scope, day=day),
        extras=Extras(spec.queue, spec.priority, spec.type),
        trigger=trigger(spec, at=at, scope=scope, of_deal=ground.of_deal, around=ground.around),
        missed=missed(spec, at=at, scope=scope, around=ground.around),
        status=spec.status.value if spec.status else "",
        note=spec.make is Make.NOTE,
        mail=_mail(spec, spec.mail, at=(*at, "mail"), scope=scope, ground=ground) if spec.mail else None,
    )


def _mail(task: TaskSpec, spec: MailSpec, *, at: KeyPath, scope: Scope, ground: Ground) -> Mail:
    """A draft whose words are known and which shows every field that it promises to quote."""
    words = ground.words
    known = dataclasses.replace(words, names=(words.names | MAIL_NAMES) - ABOUT_THEM)
    for key, text in (("subject", spec.subject), ("text", spec.text)):
        for complaint in complaints(text, words=known):
            scope.complain((*at, key), complaint.message)
    if "\n" in spec.subject or len(spec.subject) > MAX_SUBJECT_CHARS:
        scope.complain((*at, "subject"), f"must be one line of at most {MAX_SUBJECT_CHARS} characters")
    shown = fields_shown(spec.text)
    for key, told in (("subject", fields_shown(spec.subject)), ("text", shown)):
        for field in sorted(ABOUT_THEM & set(told)):
            message = f"would tell the customer what was noted about them; take {field} out of the mail"
            scope.complain((*at, key), message)
    for index, field in enumerate(spec.quotes):
        if wrong := scope.words.complaint(field):
            scope.complain((*at, "quotes", index), wrong)
        elif field in spec.quotes[:index]:
            scope.complain((*at, "quotes", index), f"{field} stands here twice; take one out")
        elif field not in shown:
            message = f'the text never shows {field}; write {{{{ fields["{field}"] }}}} where it belongs'
            scope.complain((*at, "quotes", index), message)
    return Mail(spec.subject, spec.text, tuple(spec.quotes), _sending(task, spec, at=at, scope=scope, ground=ground))


def _sending(task: TaskSpec, spec: MailSpec, *, at: KeyPath, scope: Scope, ground: Ground) -> Sending | None:
    """When and to whom a mail goes out by itself; None where a person sends it."""
    if not spec.send:
        for name in ("send_after", "to_role", "to_field"):
            if getattr(spec, name) is not None:
                scope.complain((*at, name), "is for a mail that goes out by itself; add send = true, or take it out")
        return None
    if spec.to_role is not None and spec.to_field is not None:
        scope.complain((*at, "to_field"), "to_role is given too; keep one of the two")
    if spec.to_field is not None and (wrong := scope.words.complaint(spec.to_field)):
        scope.complain((*at, "to_field"), wrong)
    if not any(one.signal is SignalKind.EMAIL_LOGGED for one in task.done_when):
        message = 'the mail that is sent must close its task; add { signal = "email_logged" } to its done_when'
        scope.complain((*at, "send"), message, of_key=True)
    if task.owner in NO_SENDERS:
        scope.complain((*at, "send"), f"goes out in its owner's name, and {task.owner.value} is no one person")
    after = SEND_AFTER
    if spec.send_after is not None:
        after = limit(spec.send_after, at=(*at, "send_after"), scope=scope, day=ground.day.hours)
    return Sending(after, spec.to_role or "", spec.to_field or "")


def _draft(spec: TaskSpec, *, at: KeyPath, scope: Scope, day: WorkingDay) -> Draft | None:
    """What a meeting step asks of its event; what does not belong to the kind of step is noted."""
    strange, wanted = (OF_TASKS, "a task") if spec.make is Make.MEETING else (OF_MEETINGS, "a meeting")
    for name in strange:
        if getattr(spec, name) not in (None, "", False, ()):
            message = f'belongs to {wanted}; take it out, or set make = "{wanted.removeprefix("a ")}"'
            scope.complain((*at, name), message, of_key=True)
    for name in (*OF_TASKS, "missed", "done_when") if spec.make is Make.NOTE else ():
        if getattr(spec, name) not in (None, "", False, ()):
            scope.complain((*at, name), "a note is written once and then done; take it out", of_key=True)
    if spec.make is not Make.MEETING:
        return None
    if spec.minutes is None:
        scope.complain((*at, "make"), "a meeting must say how long it is; add minutes = 30")
    elif spec.minutes > day.stretch:
        message = (
            f"the team works at most {day.stretch} minutes without a break from a quarter hour on; make it shorter"
        )
        scope.complain((*at, "minutes"), message)
    within = limit(spec.within, at=(*at, "within"), scope=scope, day=day.hours)
    earliest = NOTICE
    if spec.earliest is not None:
        earliest = limit(spec.earliest, at=(*at, "earliest"), scope=scope, day=day.hours)
        if earliest.clock is within.clock and earliest.hours >= within.hours:
            scope.complain((*at, "earliest"), "must be less than within, or there is no time for the meeting")
    return Draft(
        minutes=spec.minutes or 0,
        earliest=earliest,
        with_customer=bool(spec.customer),
        invite=tuple(dict.fromkeys(spec.invite or ())),
    )


def _signals(specs: Sequence[SignalSpec], *, at: KeyPath, scope: Scope, ground: Ground) -> tuple[Signal, ...]:
    found = [Signal(SignalKind.TASK_CLOSED)]
    for index, spec in enumerate(specs):
        here: KeyPath = (*at, index)
        if spec.signal is not SignalKind.FIELD_FILLED and spec.field:
            scope.complain((*here, "field"), "belongs to field_filled only; take it out", of_key=True)
        if spec.signal is not SignalKind.FIELD_IS and spec.when is not None:
            scope.complain((*here, "when"), "belongs to field_is only; take it out", of_key=True)
        for name in ("milestone", "event", "at_least"):
            if getattr(spec, name) not in (None, "") and not _belongs(name, spec.signal):
                of = "event" if name == "at_least" else name
                scope.complain((*here, name), f"belongs to {of} only; take it out", of_key=True)
        if spec.signal in (SignalKind.MILESTONE, SignalKind.EVENT):
            found.append(_in_product(spec, at=here, scope=scope, ground=ground))
        elif spec.signal is SignalKind.FIELD_FILLED:
            wrong = scope.words.complaint(spec.field) if spec.field else "is required with field_filled; name the field"
            if wrong := wrong or _produced(spec.field):
                scope.complain((*here, "field"), wrong)
            found.append(Signal(spec.signal, spec.field))
        elif spec.signal is SignalKind.FIELD_IS:
            found.extend(_field_is(spec, at=here, scope=scope, of_deal=ground.of_deal))
        elif spec.signal is not SignalKind.TASK_CLOSED:
            found.append(Signal(spec.signal))
    return tuple(found)


def _belongs(name: str, kind: SignalKind) -> bool:
    return kind.value == ("event" if name == "at_least" else name)


def _in_product(spec: SignalSpec, *, at: KeyPath, scope: Scope, ground: Ground) -> Signal:
    key = spec.signal.value
    name = spec.milestone if spec.signal is SignalKind.MILESTONE else spec.event
    wrong = None if name else f"is required with {key}; name one of product.toml"
    if name and ground.around.product:
        # Without product.toml the signal rests; closing the task remains.
        wrong = unknown_in_product(key, name, ground.around)
    if wrong:
        scope.complain((*at, key), wrong)
    return Signal(spec.signal, name=name, at_least=spec.at_least or 1)


def _field_is(spec: SignalSpec, *, at: KeyPath, scope: Scope, of_deal: Condition) -> Iterator[Signal]:
    if not spec.when:
        scope.complain((*at, "when"), "is required with field_is; write for example { amount = { at_least = 3 } }")
        return
    when = condition(spec.when, at=(*at, "when"), scope=scope)
    for field in spec.when:
        if wrong := _produced(field):
            scope.complain((*at, "when", field), wrong, of_key=True)
    if when is None:
        return
    if clash := impossible(Condition((*of_deal.tests, *when.tests))):
        message = (
            "can never come true for the deals of this playbook, whose when says otherwise: nobody gives this signal"
        )
        scope.complain((*at, "when", clash[1].field), message, of_key=True)
    yield Signal(spec.signal, when=when)


def _produced(field: str) -> str | None:
    """Why a field can prove nothing; None when somebody's work shows in it."""
    filled = "is filled by the connector when the handoff begins: nobody's work gives this signal; name another field"
    return filled if field in FROM_THE_START else None


def _judge_steps(tasks: Sequence[TaskSpec], *, at: KeyPath, scope: Scope) -> None:
    steps = [task.step for task in tasks]
    before = {task.step: follows(task) for task in tasks}
    for index, task in enumerate(tasks):
        if task.step in steps[:index]:
            scope.complain((*at, index, "step"), f"{task.step!r} stands here twice; rename one")
        if task.step in RESERVED_STEPS or task.step.startswith(RESERVED_STARTS):
            scope.complain((*at, index, "step"), f"{task.step!r} is a name the connector uses itself; choose another")
        if (name := follows(task)) and name not in steps:
            message = f"no step of this playbook is called {name!r}; {did_you_mean(name, steps)}"
            scope.complain((*at, index, *_said_in(task)), message)
    for circle in _circles(before):
        index = steps.index(circle[0])
        way = " → ".join([*circle, circle[0]])
        scope.complain(
            (*at, index, *_said_in(tasks[index])),
            f"the steps wait for each other: {way}; let one of them start at release",
        )


def _said_in(task: TaskSpec) -> KeyPath:
    return ("after",) if task.after else ("trigger", "step")


def _circles(after: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Each circle of steps that wait for each other, once, from its first step in the file."""
    found: list[tuple[str, ...]] = []
    for start in after:
        way = [start]
        while (step := after.get(way[-1], "")) and step not in way:
            way.append(step)
        if step == start and not any(start in circle for circle in found):
            found.append(tuple(way))
    return found
