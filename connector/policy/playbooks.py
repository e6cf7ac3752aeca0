"""Playbooks out of playbook.toml: steps that exist, triggers that do not run in circles, templates that can be filled.

Not here: when a task is due and who gets it (``handoff``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from connector.handoff.rulebook import (
    Clock,
    Draft,
    Extras,
    Limit,
    Make,
    Playbook,
    PlaybookTask,
    Signal,
    SignalKind,
)
from connector.policy.conditions import Scope
from connector.policy.known import RESERVED_STARTS, RESERVED_STEPS
from connector.policy.lists import first_match
from connector.policy.model import PlaybookSpec, SignalSpec, TaskSpec, WithinSpec
from connector.policy.templates import Words, complaints
from connector.settings.mistakes import did_you_mean
from connector.settings.spans import KeyPath

MAX_SUBJECT_CHARS = 255
"""A task's subject, the smaller of the two CRMs (facts: Salesforce, Task.Subject)."""
SIGNALS = {SignalKind.TASK_CLOSED, SignalKind.FIELD_FILLED}
NOTICE = Limit(Decimal(1), Clock.BUSINESS)
"""A meeting begins no sooner after its trigger than this, unless the step says so: people need time to read of it."""

OF_MEETINGS = ("minutes", "earliest", "customer", "invite")
OF_TASKS = ("remind", "queue", "priority", "type")


@dataclass(frozen=True, slots=True)
class WorkingDay:
    """How many hours a working day has, and the longest time without a break, in minutes."""

    hours: Decimal
    stretch: int


def playbooks(specs: Sequence[PlaybookSpec], *, scope: Scope, day: WorkingDay, words: Words) -> tuple[Playbook, ...]:
    """All playbooks. What is wrong is noted in the scope."""
    conditions = first_match(specs, at=("playbooks",), scope=scope)
    found = []
    for index, (spec, when) in enumerate(zip(specs, conditions, strict=True)):
        at: KeyPath = ("playbooks", index, "tasks")
        _judge_steps(spec.tasks, at=at, scope=scope)
        tasks = tuple(_task(task, at=(*at, n), scope=scope, day=day, words=words) for n, task in enumerate(spec.tasks))
        found.append(Playbook(spec.name, when, tasks))
    return tuple(found)


def _task(spec: TaskSpec, *, at: KeyPath, scope: Scope, day: WorkingDay, words: Words) -> PlaybookTask:
    for key, text in (("subject", spec.subject), ("body", spec.body)):
        for complaint in complaints(text, words=words):
            scope.complain((*at, key), complaint.message)
    if "\n" in spec.subject or len(spec.subject) > MAX_SUBJECT_CHARS:
        scope.complain((*at, "subject"), f"must be one line of at most {MAX_SUBJECT_CHARS} characters")
    if not spec.at_release and not spec.after:
        scope.complain(
            (*at, "at_release"), "a task that is not made at release must name the step it comes after; add after = …"
        )
    return PlaybookTask(
        step=spec.step,
        subject=spec.subject,
        body=spec.body,
        owner=spec.owner,
        limit=limit_of(spec.within, at=(*at, "within"), scope=scope, day=day.hours),
        done_when=_signals(spec.done_when, at=(*at, "done_when"), scope=scope),
        after=spec.after,
        at_release=spec.at_release,
        remind=spec.remind,
        draft=_draft(spec, at=at, scope=scope, day=day),
        extras=Extras(spec.queue, spec.priority, spec.type),
    )


def _draft(spec: TaskSpec, *, at: KeyPath, scope: Scope, day: WorkingDay) -> Draft | None:
    """What a meeting step asks of its event; what does not belong to the kind of step is noted."""
    strange, wanted = (OF_MEETINGS, "a meeting") if spec.make is Make.TASK else (OF_TASKS, "a task")
    for name in strange:
        if getattr(spec, name) not in (None, "", False):
            message = f'belongs to {wanted}; take it out, or set make = "{wanted.removeprefix("a ")}"'
            scope.complain((*at, name), message, of_key=True)
    if spec.make is Make.TASK:
        return None
    if spec.minutes is None:
        scope.complain((*at, "make"), "a meeting must say how long it is; add minutes = 30")
    elif spec.minutes > day.stretch:
        message = (
            f"the team works at most {day.stretch} minutes without a break from a quarter hour on; make it shorter"
        )
        scope.complain((*at, "minutes"), message)
    limit = limit_of(spec.within, at=(*at, "within"), scope=scope, day=day.hours)
    earliest = NOTICE
    if spec.earliest is not None:
        earliest = limit_of(spec.earliest, at=(*at, "earliest"), scope=scope, day=day.hours)
        if earliest.clock is limit.clock and earliest.hours >= limit.hours:
            scope.complain((*at, "earliest"), "must be less than within, or there is no time for the meeting")
    return Draft(
        minutes=spec.minutes or 0,
        earliest=earliest,
        with_customer=bool(spec.customer),
        invite=tuple(dict.fromkeys(spec.invite or ())),
    )


def limit_of(spec: WithinSpec, *, at: KeyPath, scope: Scope, day: Decimal) -> Limit:
    """A time limit; ``day`` is how many hours a working day has."""
    given = {name: value for name, value in spec.model_dump().items() if value is not None}
    if len(given) != 1:
        scope.complain(at, "must hold exactly one of hours, working_hours, working_days", of_key=True)
        return Limit(day, Clock.BUSINESS)
    name, value = next(iter(given.items()))
    if name == "working_days":
        return Limit(value * day, Clock.BUSINESS)
    return Limit(value, Clock.BUSINESS if name == "working_hours" else Clock.WALL)


def _signals(specs: Sequence[SignalSpec], *, at: KeyPath, scope: Scope) -> tuple[Signal, ...]:
    found = [Signal(SignalKind.TASK_CLOSED)]
    for index, spec in enumerate(specs):
        if spec.signal is SignalKind.FIELD_FILLED:
            wrong = scope.words.complaint(spec.field) if spec.field else "is required with field_filled; name the field"
            if wrong:
                scope.complain((*at, index, "field"), wrong)
            found.append(Signal(spec.signal, spec.field))
        elif spec.field:
            scope.complain((*at, index, "field"), "belongs to field_filled only; take it out", of_key=True)
    return tuple(found)


def _judge_steps(tasks: Sequence[TaskSpec], *, at: KeyPath, scope: Scope) -> None:
    steps = [task.step for task in tasks]
    for index, task in enumerate(tasks):
        if task.step in steps[:index]:
            scope.complain((*at, index, "step"), f"{task.step!r} stands here twice; rename one")
        if task.step in RESERVED_STEPS or task.step.startswith(RESERVED_STARTS):
            scope.complain((*at, index, "step"), f"{task.step!r} is a name the connector uses itself; choose another")
        if task.after and task.after not in steps:
            advice = did_you_mean(task.after, steps)
            scope.complain((*at, index, "after"), f"no step of this playbook is called {task.after!r}; {advice}")
    for circle in _circles({task.step: task.after for task in tasks}):
        index = steps.index(circle[0])
        way = " → ".join([*circle, circle[0]])
        scope.complain((*at, index, "after"), f"the steps wait for each other: {way}; let one of them start at release")


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
