"""The configuration guide's sections on what follows a win: playbooks, red flags, promises, product events.

Not here: the rest of the guide (``configuration``).
"""

from __future__ import annotations

from collections.abc import Iterator

from connector.documents.subject import Subject
from connector.documents.words import (
    ROLES,
    WHOLE_NAMES,
    begins,
    condition,
    counted,
    deals,
    done,
    either,
    filled,
    limit,
    missed,
    named,
    people,
    sentence,
    span,
    title,
    within,
)
from connector.handoff.case import listed
from connector.handoff.productbook import Measure, Milestone, Need, ProductPolicy, Stuck
from connector.handoff.rulebook.playbooks import Make, Playbook, PlaybookTask
from connector.handoff.rulebook.watch import FlagKind, ListAs, RedFlag
from connector.papers import Block, Bullets, Grid, Heading, Text, Words, rich

MAKES = {Make.TASK: "", Make.MEETING: "meeting, ", Make.NOTE: "document, "}


def playbooks(subject: Subject) -> Iterator[Block]:
    """Each playbook as a table."""
    books = [book for book in subject.policy.playbooks if book.tasks]
    if not books:
        return
    yield Heading(1, "Playbooks")
    yield Words(rich("Changed in **playbook.toml** and the files that process.toml, [handoff] playbooks, names."))
    for book in books:
        yield Heading(2, sentence(book.name))
        besides = ", besides the playbook that a deal gets anyway" if book.adds else ""
        yield Words(f"For {deals(subject, book.when)}{besides}.")
        yield Grid(
            ["Task", "Who", "Begins", "Time", "Done when", "If not"],
            [_task(subject, book, task) for task in book.tasks],
        )
        yield from _mails(subject, book)


def _task(subject: Subject, book: Playbook, task: PlaybookTask) -> list[Text]:
    titles = {each.step: title(subject, each.subject) for each in book.tasks}
    minutes = f" ({counted(task.draft.minutes, 'minute')})" if task.draft else ""
    return [
        rich("**{title}**", title=titles[task.step]),
        f"{MAKES[task.make]}{ROLES[task.owner]}{minutes}",
        begins(subject, task, titles),
        within(subject, task.limit),
        done(subject, task),
        missed(subject, task.missed),
    ]


def _mails(subject: Subject, book: Playbook) -> Iterator[Block]:
    found: list[Text] = []
    for task in book.tasks:
        if task.mail is None:
            continue
        quotes = listed(subject.label(each) for each in task.mail.quotes)
        sends = (
            f"goes out by itself {limit(subject, task.mail.send.after)} later"
            if task.mail.send
            else "a person sends it"
        )
        name, quoted = filled(subject, task.mail.subject), f"; quotes {quotes}" if quotes else ""
        found.append(rich("Draft **{name}**: {sends}{quoted}.", name=name, sends=sends, quoted=quoted))
    if found:
        yield Bullets(found)


def watching(subject: Subject) -> Iterator[Block]:
    """Red flags and promises."""
    flags, promises = subject.policy.red_flags, subject.policy.commitments
    if flags.flags:
        yield Heading(1, "Red flags")
        yield Words(rich("Changed in **process.toml**, [red_flags]."))
        yield Grid(
            ["Flag", "Seen by", "What to do"], [[one.name, seen(subject, one), one.advice] for one in flags.flags]
        )
        told, time = people(flags.roles, flags.emails), limit(subject, flags.limit)
        yield Words(f"Looked for during {span(flags.span)}. Told: {told}; the first has a task, within {time}.")
    if promises is not None:
        yield Heading(1, "Promises of the sale")
        yield Words(rich("Changed in **process.toml**, [commitments]."))
        yield Words(f"One on each line of “{subject.label(promises.field)}”: what | by when | who keeps it | status.")
        lines: list[Text] = []
        if promises.weekday is not None:
            how = "one message" if promises.list_as is ListAs.MESSAGE else "a task per deal"
            lines.append(f"On {WHOLE_NAMES[promises.weekday]} the CSM gets the open ones as {how}.")
        if promises.missed:
            lines.append(f"Overdue: {missed(subject, promises.missed)}.")
        lines.append(f"One that cannot be kept is to be told within {limit(subject, promises.notice)}.")
        by_status: dict[str, list[str]] = {}
        for word, status in promises.words.items():
            if word != named(status.value):
                by_status.setdefault(status.value, []).append(f"“{word}”")
        lines += [f"{sentence(named(status))} is also written {either(words)}." for status, words in by_status.items()]
        yield Bullets(lines)


def seen(subject: Subject, flag: RedFlag) -> str:
    """By what a red flag is seen."""
    match flag.kind:
        case FlagKind.SILENCE:
            return f"no answer to a mail for {limit(subject, flag.slower_than)}"
        case FlagKind.NO_SHOWS:
            return f"{counted(flag.no_shows, 'meeting')} missed, one after the other"
        case FlagKind.FIELD:
            return condition(subject, flag.when)


def product(subject: Subject) -> Iterator[Block]:
    """What product events come to."""
    policy = subject.policy.product
    if policy is None:
        return
    yield Heading(1, "In the product")
    yield Words(rich("Changed in **product.toml**."))
    if policy.measures:
        yield Grid(["Counted", "From"], [[named(one.name), _from(subject, one)] for one in policy.measures])
    if policy.milestones:
        yield Heading(2, "Milestones")
        yield Grid(
            ["Milestone", "Reached with", "For", "Stage"], [_milestone(subject, one) for one in policy.milestones]
        )
    if policy.stuck:
        yield Heading(2, "Stuck signals")
        yield Grid(["Signal", "Seen by", "For", "Task of"], [_stuck(subject, one) for one in policy.stuck])
        yield from _rescue(subject, policy)


def _from(subject: Subject, one: Measure) -> str:
    if one.field:
        return subject.label(one.field)
    each = f", each {one.distinct} once" if one.distinct else ""
    return f"{either(one.events)}{each}"


def _milestone(subject: Subject, one: Milestone) -> list[Text]:
    name = f"{named(one.name)} (activation)" if one.activation else named(one.name)
    return [name, listed(need(each) for each in one.needs), deals(subject, one.when), one.onboarding]


def need(one: Need) -> str:
    """So many of a measure."""
    return f"{one.at_least} × {named(one.measure)}" if one.at_least > 1 else named(one.measure)


def _stuck(subject: Subject, one: Stuck) -> list[Text]:
    begun = f"{need(one.seen)}, then " if one.seen else ""
    if one.in_session:
        what = f"{one.in_session} × {named(one.seen.measure) if one.seen else 'the same'} in one session"
    else:
        what = f"{begun}no {named(one.missing)} for {span(one.after)}"
    return [one.name.replace("-", " "), what, deals(subject, one.when), ROLES[one.owner]]


def _rescue(subject: Subject, policy: ProductPolicy) -> Iterator[Block]:
    rescue = policy.rescue
    offers = f"{counted(rescue.offers, 'time')} for a call of {counted(rescue.minutes, 'minute')}"
    missing = f" If nobody does it: {missed(subject, rescue.missed)}." if rescue.missed else ""
    yield Words(f"A stuck customer is offered {offers}, within {span(rescue.within)}.{missing}")
