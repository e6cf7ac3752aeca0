"""A playbook as a picture (Mermaid) and in words: what begins a task, who does it, by when, and what follows if not.

Not here: drawing (a browser, GitHub and most wikis draw Mermaid) and one deal's own dates (``simulate``).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.people import Rung
from connector.handoff.rulebook.playbooks import Do, Make, Playbook, PlaybookTask, Signal, SignalKind
from connector.handoff.rulebook.policy import Policy
from connector.handoff.triggers import told

RELEASE = "handoff begins"
_ESCAPES = str.maketrans({'"': "#quot;", "<": "#lt;", ">": "#gt;", "{": "#123;", "}": "#125;", "\n": " "})
_SIGNALS = {
    SignalKind.TASK_CLOSED: "the task is closed",
    SignalKind.MEETING_HELD: "a meeting is held",
    SignalKind.EMAIL_LOGGED: "an email is logged",
    SignalKind.CALL_LOGGED: "a call is logged",
    SignalKind.MEETING_PLANNED: "a meeting is in the calendar",
    SignalKind.CUSTOMER_REPLIED: "the customer writes back",
}


def limit_words(limit: Limit, *, day: Decimal) -> str:
    """A limit as people say it, e.g. ``2 working days``; ``day`` is the hours of a working day."""
    if not limit.hours:
        return "at once"
    if limit.clock is Clock.BUSINESS and limit.hours % day == 0:
        return _counted(limit.hours / day, "working day")
    return _counted(limit.hours, "working hour" if limit.clock is Clock.BUSINESS else "hour")


def begins_words(task: PlaybookTask) -> str:
    """What makes a task begin."""
    if task.after:
        return f"when {task.after} is done"
    return told(task.trigger) if task.trigger else "when the handoff begins"


def signal_words(signals: tuple[Signal, ...], *, make: Make = Make.TASK) -> str:
    """What proves a task done."""
    return " or ".join(_signal(signal, make) for signal in signals)


def missed_words(task: PlaybookTask, policy: Policy, *, day: Decimal) -> tuple[str, ...]:
    """What follows when nobody does it, in order."""
    return tuple(_missed(task, policy, day))


def mermaid(book: Playbook, policy: Policy, *, day: Decimal) -> str:
    """The playbook as a Mermaid flowchart; the same text for the same playbook."""
    lines = ["flowchart TD", f'  start(["{_safe(book.name)}: {RELEASE}"])']
    ids = {task.step: f"t{number}" for number, task in enumerate(book.tasks, 1)}
    for task in book.tasks:
        name = ids[task.step]
        shape = '{{"', '"}}'
        left, right = shape if task.make is Make.MEETING else ('["', '"]')
        words = f"<b>{_safe(task.step)}</b><br/>{task.owner.value}, within {limit_words(task.limit, day=day)}"
        proof = _safe(signal_words(task.done_when, make=task.make))
        lines.append(f"  {name}{left}{words}<br/><i>done when {proof}</i>{right}")
        lines.append(_arrow(task, name, ids))
        for place, words in enumerate(_missed(task, policy, day)):
            before = name if place == 0 else f"{name}m{place - 1}"
            lines.append(f'  {before} -. "not done" .-> {name}m{place}("{_safe(words)}")')
    return "\n".join(lines) + "\n"


def _arrow(task: PlaybookTask, name: str, ids: dict[str, str]) -> str:
    if task.after in ids:
        return f"  {ids[task.after]} --> {name}"
    return f'  start -- "{_safe(told(task.trigger))}" --> {name}' if task.trigger else f"  start --> {name}"


def _missed(task: PlaybookTask, policy: Policy, day: Decimal) -> Iterator[str]:
    for miss in task.missed:
        later = limit_words(miss.after, day=day)
        when = "at once" if later == "at once" else f"after {later}"
        if miss.do is Do.REMIND:
            yield f"remind its owner {when}"
        elif miss.do is Do.REASSIGN:
            yield f"give it to the {miss.to.value} {when}"
        else:
            for number, rung in enumerate(policy.escalation.ladder or ()):
                # The first comes so long after the miss as the step says, each further one after the one before.
                at_first = when if number == 0 and not rung.after.hours else limit_words(rung.after, day=day)
                yield f"tell {_whom(rung)}, {at_first}"


def _whom(rung: Rung) -> str:
    return " and ".join((*(f"the {role.value}" for role in rung.roles), *rung.emails))


def _signal(signal: Signal, make: Make) -> str:
    if signal.kind is SignalKind.FIELD_FILLED:
        return f"{signal.field} is filled"
    if signal.kind is SignalKind.FIELD_IS:
        return " and ".join(
            f"{test.field} {test.op.value.replace('_', ' ')} {test.operand}" for test in signal.when.tests
        )
    if signal.kind is SignalKind.MILESTONE:
        return f"the customer reaches {signal.name.replace('_', ' ')}"
    if signal.kind is SignalKind.EVENT:
        often = f" {signal.at_least} times" if signal.at_least > 1 else ""
        return f"{signal.name.replace('_', ' ')} is counted{often} in the product"
    if signal.kind is SignalKind.TASK_CLOSED and make is not Make.TASK:
        return "it is held" if make is Make.MEETING else "it is written"
    return _SIGNALS[signal.kind]


def _counted(number: Decimal, unit: str) -> str:
    plain = f"{number.normalize():f}"
    return f"{plain} {unit}{'' if plain == '1' else 's'}"


def _safe(text: str) -> str:
    """Text that ends no label of a picture."""
    return text.translate(_ESCAPES)
