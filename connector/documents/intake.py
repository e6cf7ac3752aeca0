"""The CS intake checklist: what a CSM looks at before the first word to a new customer.

Not here: how the CSM's tasks are played (``configuration``). Boxes are for print and for wikis.
"""

from __future__ import annotations

from collections.abc import Iterator

from connector.documents import gatebook
from connector.documents.subject import CS, Subject
from connector.documents.words import begins, deals, done, missed, people, title, within
from connector.handoff.case import listed
from connector.handoff.rulebook.people import Role
from connector.papers import Block, Bullets, Grid, Heading, Mark, Text, Words, rich


def intake(subject: Subject) -> tuple[Block, ...]:
    """The checklist, in the order in which a CSM goes through it."""
    return tuple(_blocks(subject))


def _blocks(subject: Subject) -> Iterator[Block]:
    yield from _boxes("On the deal", _deal(subject))
    yield from _boxes("Read the summary", _summary(subject))
    if gatebook.asks(subject):
        yield Heading(1, "Was it asked for what you need?")
        yield Words("Required of the deal, and what a good answer has. Ask the customer for none of it again.")
        yield gatebook.required(subject, why=False)
    yield from _boxes("Take it, or send it back", _answer(subject))
    yield from _boxes("The first touch", _touch(subject))
    if rows := _tasks(subject):
        yield Heading(1, "Your tasks")
        yield Grid(["For", "Task", "Begins", "Time", "Done when", "If not"], rows)
    yield from _boxes("While they start", _watch(subject))


def _boxes(name: str, items: Iterator[Text]) -> Iterator[Block]:
    found = tuple(items)
    if found:
        yield Heading(1, name)
        yield Bullets(found, Mark.BOX)


def _deal(subject: Subject) -> Iterator[Text]:
    for path, words in (
        ("csm", "is you"),
        ("status", "says where the handoff stands"),
        ("missing", "is empty, or you know who fills it in"),
        ("assumed", "is empty: what stands there was taken over, and nobody confirmed it"),
        ("advice", "names no answer you depend on"),
        ("quality", "tells how good the answers are, from 0 to 100"),
    ):
        if subject.has(path) and (path != "assumed" or subject.policy.prefills):
            yield rich("**{label}** {words}.", label=subject.label(path), words=words)


def _summary(subject: Subject) -> Iterator[Text]:
    for section in subject.policy.summary.sections:
        fields = listed(subject.label(each) for each in section.fields if subject.has(each))
        if fields:
            yield rich("**{title}**: {fields}.", title=section.title, fields=fields)
    if subject.has("summary_reviewed"):
        yield rich("Read? Tick **{label}**.", label=subject.label("summary_reviewed"))


def _answer(subject: Subject) -> Iterator[Text]:
    if not subject.has("acceptance"):
        return
    label = subject.label("acceptance")
    yield rich(
        "Enough to begin: set **{label}** to “{word}”.", label=label, word=subject.choice("acceptance", "Accepted")
    )
    if subject.policy.acceptance is None:
        return
    word = subject.choice("acceptance", "Rejected")
    fields = listed(subject.label(each) for each in ("reject_reason", "reject_note") if subject.has(each))
    yield (
        rich("Not enough: set it to “{word}”, and fill in **{fields}**.", word=word, fields=fields)
        if fields
        else rich("Not enough: set it to “{word}”.", word=word)
    )
    if reasons := gatebook.rejecting(subject):
        yield f"Reasons: {reasons}."
    if due := gatebook.resubmit(subject):
        yield f"The AE then answers {due}; if not, the AE's manager is told."


def _touch(subject: Subject) -> Iterator[Text]:
    aim = gatebook.first_touch(subject)
    yield f"Call, write or meet the customer yourself, {aim}. Notes and tasks do not count."
    if subject.policy.commitments is not None:
        label = subject.label(subject.policy.commitments.field)
        yield rich("Know every line of **{label}**, who keeps it and by when.", label=label)
    if subject.has("repeat_asks"):
        yield rich("Had to ask for something again? Count it in **{label}**.", label=subject.label("repeat_asks"))
    if subject.has("handoff_rating"):
        yield rich("Say how good the handoff was: **{label}**, from 1 to 5.", label=subject.label("handoff_rating"))


def _tasks(subject: Subject) -> list[list[Text]]:
    rows: list[list[Text]] = []
    for book, task in subject.tasks_of(CS - {Role.CSM_MANAGER}):
        titles = {each.step: title(subject, each.subject) for each in book.tasks}
        rows.append(
            [
                deals(subject, book.when),
                rich("**{task}**", task=titles[task.step]),
                begins(subject, task, titles),
                within(subject, task.limit),
                done(subject, task),
                missed(subject, task.missed),
            ]
        )
    return rows


def _watch(subject: Subject) -> Iterator[Text]:
    policy = subject.policy
    if policy.red_flags.flags:
        told = people(policy.red_flags.roles, policy.red_flags.emails)
        names = listed(one.name.replace("-", " ") for one in policy.red_flags.flags)
        yield rich("Red flags (**{names}**) go to {told}. Tell them first.", names=names, told=told)
    if policy.product is not None and policy.product.stuck:
        names = listed(one.name.replace("-", " ") for one in policy.product.stuck)
        yield rich(
            "A stuck customer (**{names}**) makes a task with times for a call: offer them that day.", names=names
        )
    if ladder := policy.escalation.ladder:
        yield f"Stuck yourself? Up the ladder: {', then '.join(people(one.roles, one.emails) for one in ladder)}."
