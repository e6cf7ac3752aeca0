"""Who reads a required field: every place in the mapping files that takes its answer and does something with it.

Not here: whether a person reads what is shown to them, which nobody can know from here. The gate itself does not read
an answer, it only asks for one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from connector.handoff.rulebook.conditions import Condition
from connector.handoff.rulebook.playbooks import Playbook, PlaybookTask
from connector.handoff.rulebook.policy import Policy


def readers(policy: Policy) -> Mapping[str, tuple[str, ...]]:
    """By required field, the places that use its answer, in the order of the files; empty where none does."""
    fields = dict.fromkeys(one.field for one in policy.gate.requirements)
    found: dict[str, dict[str, None]] = {field: {} for field in fields}
    for field, place in _uses(policy):
        if field in found:
            found[field][place] = None
    for place, text in _texts(policy):
        for field in found:
            if _named_in(policy, field, text):
                found[field][place] = None
    return {field: tuple(places) for field, places in found.items()}


def _uses(policy: Policy) -> Iterator[tuple[str, str]]:
    for section in policy.summary.sections:
        yield from ((field, f"summary section “{section.title}”") for field in section.fields)
    for place, condition in _conditions(policy):
        yield from ((test.field, place) for test in condition.tests)
    yield from ((one.source, f"prefill of {one.field}") for one in policy.prefills)
    if policy.commitments is not None:
        yield policy.commitments.field, "list of promises"
    for book in policy.playbooks:
        for task in book.tasks:
            yield from _of_task(task, f"playbook {book.name}, step {task.step}")
    if policy.product is not None:
        yield from ((one.field, f"identity by {one.take}") for one in policy.product.identities)
        yield from ((one.field, f"measure {one.name}") for one in policy.product.measures)
        yield policy.product.churned, "churn"


def _of_task(task: PlaybookTask, place: str) -> Iterator[tuple[str, str]]:
    for signal in task.done_when:
        yield signal.field, f"{place}, done_when"
    if task.trigger is not None:
        yield task.trigger.anchor, f"{place}, trigger"
    if task.mail is not None:
        yield from ((field, f"{place}, draft") for field in task.mail.quotes)
        if task.mail.send is not None:
            yield task.mail.send.field, f"{place}, address"


def _conditions(policy: Policy) -> Iterator[tuple[str, Condition]]:
    yield from ((f"segment {one.name}", one.when) for one in policy.segments)
    yield from ((f"tier {one.name}", one.when) for one in policy.tiers)
    yield from (("gate exception", one.when) for one in policy.gate.exceptions)
    yield from ((f"whether {one.field} is required", one.when) for one in policy.gate.requirements)
    yield from ((f"assignment rule {one.name}", one.when) for one in policy.assignment.rules)
    yield from ((f"red flag {one.name}", one.when) for one in policy.red_flags.flags)
    for book in policy.playbooks:
        yield f"playbook {book.name}", book.when
        yield from _of_steps(book)
    if policy.product is not None:
        yield from ((f"milestone {one.name}", one.when) for one in policy.product.milestones)
        yield from ((f"stuck signal {one.name}", one.when) for one in policy.product.stuck)


def _of_steps(book: Playbook) -> Iterator[tuple[str, Condition]]:
    for task in book.tasks:
        place = f"playbook {book.name}, step {task.step}"
        if task.trigger is not None:
            yield f"{place}, trigger", task.trigger.when
        yield from ((f"{place}, done_when", signal.when) for signal in task.done_when)


def _texts(policy: Policy) -> Iterator[tuple[str, str]]:
    yield "summary's template", policy.summary.template
    for moment, text in policy.notify.texts.items():
        yield f"message {moment.replace('_', ' ')}", text
    for book in policy.playbooks:
        for task in book.tasks:
            mail = f"{task.mail.subject}\n{task.mail.text}" if task.mail else ""
            yield f"playbook {book.name}, step {task.step}", f"{task.subject}\n{task.body}\n{mail}"


def _named_in(policy: Policy, field: str, text: str) -> bool:
    """Whether a template asks for the field, by its own name or by its label."""
    if "fields" not in text:
        return False
    rule = policy.fields.get(field)
    names = (field, rule.label) if rule else (field,)
    spelled = [form for name in names for form in (f'["{name}"]', f"['{name}']")]
    return f"fields.{field}" in text or any(form in text for form in spelled)
