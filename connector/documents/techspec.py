"""The technical specification: fields of the CRM, what the gate checks, what runs by itself, what to test.

Not here: what an admin changes where (``configuration``) and making any of it (``handoff provision``).
"""

from __future__ import annotations

from collections.abc import Iterator

from connector.documents import gatebook
from connector.documents.subject import Subject
from connector.documents.words import ROLES, begins, condition, deals, done, title, within
from connector.handoff.case import listed
from connector.handoff.model import DealType, Kind
from connector.handoff.rulebook.fields import FieldOwner
from connector.handoff.rulebook.gate import GateMode
from connector.papers import Block, Bullets, Grid, Heading, Mark, Text, Words, rich
from connector.policy.crmmap import MappedField
from connector.policy.meaning import MEANING

WRITES = {
    FieldOwner.DAEMON: "the connector",
    FieldOwner.HUMAN: "people",
    FieldOwner.FILL_IF_EMPTY: "people; the connector once, while it is empty",
    FieldOwner.CREATE_ONLY: "the connector, when it makes the record",
}
KINDS = {
    Kind.DEAL: "Deals",
    Kind.ACCOUNT: "Accounts",
    Kind.TASK: "Tasks",
    Kind.NOTE: "Notes",
    Kind.MEETING: "Meetings",
    Kind.EMAIL: "Emails",
}
BUSINESS = frozenset({Kind.DEAL, Kind.ACCOUNT})
"""Kinds of record whose fields have a purpose of their own; those of the others are the CRM's."""


def techspec(subject: Subject) -> tuple[Block, ...]:
    """The specification, in the order in which a CRM is set up."""
    return tuple(block for part in (_fields, _types, _gate, _automation, _tests) for block in part(subject))


def _fields(subject: Subject) -> Iterator[Block]:
    yield Heading(1, "Fields")
    for kind, name in KINDS.items():
        found = subject.map.of(kind)
        if not found:
            continue
        yield Heading(2, f"{name} ({subject.map.objects.get(kind, kind.value)})")
        head = ["Label", "Field", "Type", "Written by", *(["For"] if kind in BUSINESS else [])]
        yield Grid(head, [_field(subject, each) for each in found])
        translated = [each for each in found if each.values]
        yield Bullets([_choices(subject, each) for each in translated])


def _field(subject: Subject, mapped: MappedField) -> list[Text]:
    size = f", at most {mapped.max_chars:,} characters" if mapped.max_chars else ""
    kind = mapped.type.value.replace("_", " ") + size
    row: list[Text] = [subject.label(mapped.path), mapped.field, kind, WRITES[mapped.owner]]
    return [*row, _purpose(subject, mapped)] if mapped.kind in BUSINESS else row


def _purpose(subject: Subject, mapped: MappedField) -> str:
    """What a field is for: why the gate asks for it, what the connector keeps in it, where it is shown."""
    asked = next((one for one in subject.policy.gate.requirements if one.field == mapped.path), None)
    if asked is not None:
        return f"{asked.why} {asked.advice}".strip()
    sections = [one.title for one in subject.policy.summary.sections if mapped.path in one.fields]
    shown = f"In the summary, under {listed(f'“{each}”' for each in sections)}." if sections else ""
    return MEANING.get(mapped.path, shown)


def _choices(subject: Subject, mapped: MappedField) -> Text:
    pairs = listed(
        f"“{theirs}”" if ours == theirs else f"“{theirs}” for {ours}" for ours, theirs in mapped.values.items()
    )
    return rich("**{label}**: {pairs}.", label=subject.label(mapped.path), pairs=pairs)


def _types(subject: Subject) -> Iterator[Block]:
    by_type = {kind: [value for value, each in subject.map.deal_types.items() if each is kind] for kind in DealType}
    rows: list[list[Text]] = [[kind.value, listed(found)] for kind, found in by_type.items() if found]
    if rows:
        yield Heading(1, "Deal types")
        yield Grid(["Kind", f"{subject.label('type')} is"], rows)
        yield Words(f"Any other value, or none, counts as {subject.map.other_deal_type.value}.")
    if subject.map.pipelines:
        yield Words(f"Pipelines that are watched: {listed(subject.map.pipelines)}.")


def _gate(subject: Subject) -> Iterator[Block]:
    if not gatebook.asks(subject):
        return
    gate = subject.policy.gate
    yield Heading(1, "Validation before Closed Won")
    rows: list[list[Text]] = [
        [subject.label(one.field), _where(subject, one.field), condition(subject, one.when), one.why]
        for one in gate.requirements
    ]
    yield Grid(["Required", "Field", "When", "Because"], rows)
    yield Bullets([*gatebook.modes(subject), *gatebook.override(subject)])


def _where(subject: Subject, path: str) -> str:
    mapped = subject.map.fields.get(path)
    return mapped.field if mapped else ""


def _automation(subject: Subject) -> Iterator[Block]:
    policy = subject.policy
    yield Heading(1, "What runs by itself")
    rows: list[list[Text]] = []
    if stages := gatebook.stages(subject, policy.before_close):
        rows.append([f"A deal is in {stages}", "all deals", "the deal says how ready it is"])
    if stages := gatebook.stages(subject, policy.pre_assign):
        rows.append(
            [
                f"A deal is in {stages}",
                "all deals of a tier with a CSM of its own" if policy.tiers else "all deals",
                "a CSM is named",
            ]
        )
    for one in policy.assignment.rules:
        rows.append(
            [
                "A deal is won and through the gate",
                condition(subject, one.when, always="all others"),
                f"CSM from the pool {one.pool}",
            ]
        )
    rows.append(["A CSM is assigned", "all deals", "the summary is written, and kept up to date"])
    for book in policy.playbooks:
        titles = {each.step: title(subject, each.subject) for each in book.tasks}
        for task in book.tasks:
            what = f"{task.make.value} “{titles[task.step]}” for {ROLES[task.owner]}, {within(subject, task.limit)}"
            rows.append([begins(subject, task, titles), deals(subject, book.when), what])
    if due := gatebook.resubmit(subject):
        rows.append(
            [
                f"{subject.label('acceptance')} says {subject.choice('acceptance', 'Rejected')}",
                "all deals",
                f"a task of the AE, {due}",
            ]
        )
    yield Grid(["When", "For", "What happens"], rows)
    closes = [
        rich("**{task}**: {signal}.", task=title(subject, task.subject), signal=done(subject, task))
        for book in policy.playbooks
        for task in book.tasks
        if task.done_when
    ]
    if closes:
        yield Heading(2, "What closes a task")
        yield Bullets(closes)


def _tests(subject: Subject) -> Iterator[Block]:
    policy = subject.policy
    lines: list[Text] = []
    if gatebook.asks(subject):
        field = subject.label(policy.gate.requirements[0].field)
        for mode in dict.fromkeys((policy.gate.mode, *(one.mode for one in policy.gate.exceptions))):
            if mode is not GateMode.OFF:
                lines.append(f"Win a deal without {field}: {gatebook.LEADS_TO[mode]}.")
    if gatebook.override(subject):
        lines.append(
            f"Ask for an exception with the approval of {policy.override.approvers[0]}: the deal is let through."
        )
    for one in policy.assignment.rules:
        lines.append(f"Win a deal for the rule “{one.name}”: its CSM is of the pool {one.pool}.")
    if "csm_assigned" in policy.notify.moments:
        minutes = policy.targets.csm_told_minutes.normalize()
        lines.append(f"The CSM is told within {minutes:f} minutes of the win.")
    for book in policy.playbooks:
        first = next((task for task in book.tasks if not task.after and task.trigger is None), None)
        if first is not None:
            lines.append(f"Playbook “{book.name}”: “{title(subject, first.subject)}” stands on the deal at once.")
    lines.append("Reopen the deal and win it again: no task, note or message comes twice.")
    if gatebook.resubmit(subject):
        lines.append(
            f"Set {subject.label('acceptance')} to {subject.choice('acceptance', 'Rejected')}: the AE has a task."
        )
    yield Heading(1, "Tests")
    yield Bullets(lines, Mark.BOX)
