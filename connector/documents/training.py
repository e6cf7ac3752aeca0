"""Outlines of the trainings: for AEs, for CSMs, for those who lead them.

Not here: slides and recordings. Each point says what to show and what to practise, from the live config.
"""

from __future__ import annotations

from collections.abc import Iterator

from connector.documents import gatebook
from connector.documents.governing import kept
from connector.documents.subject import CS, SALES, Subject
from connector.documents.targets import aimed, alarmed, told
from connector.documents.words import condition, counted, deals, either, people, rung, sentence, title, within
from connector.handoff.case import listed
from connector.handoff.rulebook.gate import Requirement
from connector.handoff.rulebook.people import Role
from connector.handoff.rulebook.quality import Consequence
from connector.papers import Block, Bullets, Grid, Heading, Mark, Text, Words, rich


def for_aes(subject: Subject) -> tuple[Block, ...]:
    """What is asked before a close, what good answers are, what happens after."""
    return tuple(_aes(subject))


def for_csms(subject: Subject) -> tuple[Block, ...]:
    """Where a handoff stands, how it is taken or sent back, what follows."""
    return tuple(_csms(subject))


def for_managers(subject: Subject) -> tuple[Block, ...]:
    """What to watch, who decides, what climbs up to them."""
    return tuple(_managers(subject))


def _aes(subject: Subject) -> Iterator[Block]:
    if gatebook.asks(subject):
        yield Heading(1, "What customer success needs, and why")
        for field, entries in subject.requirements():
            yield Heading(2, subject.label(field))
            yield Bullets([*_field(subject, entries)])
        yield Heading(1, "What the gate does")
        yield Bullets([*gatebook.modes(subject), *gatebook.override(subject)])
        if lines := _quality(subject):
            yield Heading(2, "Answers that help")
            yield Bullets(lines)
    yield from _listed("Before the close", _before(subject))
    yield from _listed("After the win", _steps(subject, SALES - {Role.AE_MANAGER}))
    yield from _listed("Practise", _practise_ae(subject), Mark.BOX)


def _field(subject: Subject, entries: tuple[Requirement, ...]) -> Iterator[Text]:
    for one in entries:
        yield rich("For **{who}**. {why}", who=gatebook.whose(subject, one), why=one.why)
        if advice := gatebook.good(subject, one):
            yield rich("A good answer: {advice}", advice=advice)


def _quality(subject: Subject) -> list[Text]:
    lines: list[Text] = []
    for leads_to, words in ((Consequence.REQUIRE, "counts as missing"), (Consequence.ADVISE, "is named on the deal")):
        if found := gatebook.judged(subject, leads_to):
            lines.append(f"An answer that {found} {words}.")
    lines += [
        f"{label}: where there is nothing, write {either(f'“{each}”' for each in words[:3])}."
        for label, words in gatebook.honest(subject)
    ]
    return lines


def _before(subject: Subject) -> list[Text]:
    policy = subject.policy
    lines: list[Text] = []
    if stages := gatebook.stages(subject, policy.before_close):
        fields = [subject.label(each) for each in ("percent", "missing", "advice") if subject.has(each)]
        lines.append(
            f"In {stages} the deal shows {listed(fields)}." if fields else f"In {stages} the deal says how ready it is."
        )
    if stages := gatebook.stages(subject, policy.pre_assign):
        lines.append(f"In {stages} the CSM is named: bring them into the last calls.")
    if policy.prefills and subject.has("prefill_confirmed"):
        lines.append(f"What was taken over is assumed until “{subject.label('prefill_confirmed')}” is ticked.")
    return lines


def _steps(subject: Subject, roles: frozenset[Role]) -> list[Text]:
    return [
        rich(
            "**{task}**, {time} ({deals}).",
            task=title(subject, task.subject),
            time=within(subject, task.limit),
            deals=deals(subject, book.when),
        )
        for book, task in subject.tasks_of(roles)
    ]


def _practise_ae(subject: Subject) -> list[Text]:
    lines: list[Text] = []
    if gatebook.asks(subject):
        fields = [subject.label(field) for field, _ in subject.requirements()]
        lines.append(f"Take a deal of yours and fill in {listed(fields)}.")
        if subject.has("missing"):
            lines.append(f"Leave one empty, win a deal of the trial, and read “{subject.label('missing')}”.")
        if gatebook.override(subject):
            lines.append("Ask for an exception, with a reason that somebody else understands in a year.")
    if due := gatebook.resubmit(subject):
        lines.append(f"Have a CSM send one back, and answer it {due}.")
    return lines


def _listed(name: str, items: list[Text], mark: Mark = Mark.DOT) -> Iterator[Block]:
    if items:
        yield Heading(1, name)
        yield Bullets(items, mark)


def _csms(subject: Subject) -> Iterator[Block]:
    yield from _listed("Where a handoff stands", _places(subject))
    sections = [one for one in subject.policy.summary.sections if any(subject.has(each) for each in one.fields)]
    if sections:
        yield Heading(1, "The summary")
        yield Words(f"Read it before the first word to the customer: {listed(one.title for one in sections)}.")
    yield from _listed("Take it, or send it back", _answering(subject))
    yield from _listed("Your tasks", _steps(subject, CS - {Role.CSM_MANAGER}))
    yield from _listed("When something is wrong", _wrong(subject))
    yield from _listed("Your buddy", _buddies(subject))
    yield from _listed("Practise", _practise_csm(subject), Mark.BOX)


def _places(subject: Subject) -> list[Text]:
    names = ("csm", "status", "percent", "missing", "assumed", "summary")
    fields = [subject.label(each) for each in names if subject.has(each)]
    lines: list[Text] = [f"On the deal: {listed(fields)}."] if fields else []
    account = [subject.label(f"account.{each}") for each in ("csm", "activation", "onboarding_stage")]
    known = [
        label
        for label, each in zip(account, ("csm", "activation", "onboarding_stage"), strict=True)
        if subject.has(f"account.{each}")
    ]
    if known:
        lines.append(f"On the account: {listed(known)}.")
    return lines


def _buddies(subject: Subject) -> list[Text]:
    policy = subject.policy.assignment
    first = counted(policy.buddy_handoffs, "handoff")
    return [f"{who}: {buddy} goes through the first {first} with you." for who, buddy in sorted(policy.buddies.items())]


def _answering(subject: Subject) -> list[Text]:
    due = gatebook.resubmit(subject)
    if not due:
        return []
    lines: list[Text] = [f"“{subject.label('acceptance')}” says your answer. A rejection is answered {due}."]
    if reasons := gatebook.rejecting(subject):
        lines.append(f"Reasons: {reasons}.")
    return lines


def _wrong(subject: Subject) -> list[Text]:
    policy = subject.policy
    lines: list[Text] = [
        f"{sentence(one.name.replace('-', ' '))}: {one.advice}" for one in policy.red_flags.flags if one.advice
    ]
    if policy.product is not None:
        lines += [
            f"{sentence(one.name.replace('-', ' '))}: {title(subject, one.subject)}." for one in policy.product.stuck
        ]
    if policy.escalation.ladder:
        steps = [people(one.roles, one.emails) for one in policy.escalation.ladder]
        lines.append(f"The ladder: {', then '.join(steps)}.")
    return lines


def _practise_csm(subject: Subject) -> list[Text]:
    lines: list[Text] = []
    if subject.has("missing"):
        lines.append(f"Find a handoff with gaps by “{subject.label('missing')}”, and ask its AE for what is missing.")
    if gatebook.resubmit(subject):
        lines.append("Send one back with a reason that says what to do.")
    if subject.has("summary_reviewed"):
        lines.append(f"Read a summary to the end, and tick “{subject.label('summary_reviewed')}”.")
    return lines


def _managers(subject: Subject) -> Iterator[Block]:
    policy = subject.policy
    rows: list[list[Text]] = [
        [rich("**{title}**", title=one.title), one.counts, aimed(policy, one), alarmed(policy, one)]
        for one in kept(subject)
        if aimed(policy, one)
    ]
    if rows:
        yield Heading(1, "What to watch")
        yield Grid(["Measure", "Counts", "Target", "Alarm"], rows)
    if lines := gatebook.override(subject) if gatebook.asks(subject) else ():
        yield Heading(1, "Exceptions are yours to grant")
        yield Bullets([*lines, f"More than {told(policy, 'exceptions_a_week')} within seven days are a red flag."])
    if policy.escalation.ladder:
        yield Heading(1, "What climbs up to you")
        yield Bullets(
            [sentence(rung(subject, one, first=n == 0)) + "." for n, one in enumerate(policy.escalation.ladder)]
        )
    yield from _listed("Who does the work", _loads(subject))
    if policy.tiers:
        yield Heading(1, "Who gets how much care")
        yield Bullets(
            [
                f"{sentence(one.name.replace('_', ' '))}: {condition(subject, one.when, always='all others')}."
                for one in policy.tiers
            ]
        )


def _loads(subject: Subject) -> list[Text]:
    return [
        f"Pool {one.name}: {listed(one.members)}"
        + (f", at most {counted(one.cap, 'account')} each." if one.cap else ".")
        for one in subject.policy.assignment.pools.values()
    ]
