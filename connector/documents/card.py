"""The Sales quick-reference card: what an AE has to know before a close, on one page.

Not here: reasons and rare cases (``training``, ``faq``). A card of many fields says less about each.
"""

from __future__ import annotations

from collections.abc import Iterator

from connector.documents import gatebook
from connector.documents.subject import SALES, Subject
from connector.documents.words import begins, condition, counted, done, either, named, title, within
from connector.handoff.case import listed
from connector.handoff.rulebook.people import Role
from connector.handoff.rulebook.quality import Consequence
from connector.papers import Align, Block, Bullets, Grid, Heading, Text, Words, rich
from connector.papers.paper import plain_of

LINES = 70
"""Lines of the smallest type that a page of A4 holds beside title and foot, measured with the shipped config."""
ADVICE_CHARS, FIELD_CHARS, TASK_CHARS, LINE_CHARS = 70, 24, 45, 135
"""Characters of a line of each column, and of the whole page."""
SECTION_LINES = 2.5
"""What a heading takes, with the space around it."""


def card(subject: Subject) -> tuple[Block, ...]:
    """The card; without what good answers have, and then without the tasks, where it would not fit a page."""
    for advice, tasks in ((True, True), (False, True), (False, False)):
        blocks = tuple(_blocks(subject, advice=advice, tasks=tasks))
        if _lines(blocks) <= LINES:
            break
    return blocks


def _blocks(subject: Subject, *, advice: bool, tasks: bool) -> Iterator[Block]:
    if gatebook.asks(subject):
        yield Heading(1, "Fill in before Closed Won")
        yield gatebook.required(subject, why=False) if advice else _short(subject)
        if slices := _slices(subject):
            yield Words(slices)
        yield Heading(1, "If something is missing")
        yield Bullets([*gatebook.modes(subject), *_quality(subject)])
    yield from _section("When", _when(subject))
    yield from _section("If it cannot wait: an exception", _exception(subject))
    yield from _section("After the win", _after(subject))
    if tasks and (rows := _tasks(subject)):
        yield Heading(1, "Your tasks after the win")
        yield Grid(["Task", "Begins", "Time", "Done when"], rows, (Align.LEFT,) * 4)


def _slices(subject: Subject) -> str:
    """Which deals the segments and tiers are that the required fields name."""
    policy = subject.policy
    named_in = {test.field for one in policy.gate.requirements for test in one.when.tests}
    found = [
        f"{named(one.name)}: {condition(subject, one.when, always='all others')}"
        for field, slices in (("segment", policy.segments), ("tier", policy.tiers))
        if field in named_in
        for one in slices
    ]
    return "; ".join(found)


def _section(name: str, items: tuple[Text, ...]) -> Iterator[Block]:
    if items:
        yield Heading(1, name)
        yield Bullets(items)


def _short(subject: Subject) -> Grid:
    rows: list[list[Text]] = [
        [rich("**{label}**", label=subject.label(field)), either(gatebook.whose(subject, one) for one in entries)]
        for field, entries in subject.requirements()
    ]
    return Grid(["Field", "For"], rows)


def _quality(subject: Subject) -> Iterator[Text]:
    if gaps := gatebook.judged(subject, Consequence.REQUIRE):
        yield f"An answer counts as missing too when it {gaps}."
    if told := gatebook.judged(subject, Consequence.ADVISE):
        where = f" ({subject.label('advice')})" if subject.has("advice") else ""
        yield f"The deal says so{where} when an answer {told}."
    if honest := gatebook.honest(subject):
        ways = "; ".join(f"{label}: “{words[0]}”" for label, words in honest)
        yield f"Where there is nothing, say so. {ways}."


def _when(subject: Subject) -> tuple[Text, ...]:
    policy = subject.policy
    found: list[Text] = []
    if (stages := gatebook.stages(subject, policy.before_close)) and subject.has("missing"):
        found.append(
            rich("From **{stages}** on, {field} says what is still open.", stages=stages, field=_missing(subject))
        )
    if stages := gatebook.stages(subject, policy.pre_assign):
        found.append(rich("The CSM is named in **{stages}**.", stages=stages))
    if policy.prefills and subject.has("prefill_confirmed"):
        fields = listed(dict.fromkeys(subject.label(one.field) for one in policy.prefills))
        box = subject.label("prefill_confirmed")
        found.append(
            rich("{fields}: taken over where the CRM knows them. Check them, tick **{box}**.", fields=fields, box=box)
        )
    return tuple(found)


def _exception(subject: Subject) -> tuple[Text, ...]:
    if not gatebook.asks(subject) or not gatebook.override(subject):
        return ()
    policy = subject.policy.override
    fields = listed(subject.label(each) for each in gatebook.OVERRIDE_FIELDS if subject.has(each))
    limits = f"a reason of {counted(policy.min_reason_chars, 'character')}, {counted(policy.max_days, 'day')} at most"
    return (
        rich("Fill in **{fields}** ({limits}).", fields=fields, limits=limits),
        f"May approve: {listed(policy.approvers)}.",
    )


def _missing(subject: Subject) -> str:
    return f"“{subject.label('missing')}”"


def _after(subject: Subject) -> tuple[Text, ...]:
    found: list[Text] = []
    if due := gatebook.resubmit(subject):
        answer, word = subject.label("acceptance"), subject.choice("acceptance", "Resubmitted")
        found.append(
            rich(
                "If the CSM sends it back, answer **{due}** and set {answer} to “{word}”.",
                due=due,
                answer=answer,
                word=word,
            )
        )
    promises = subject.policy.commitments
    if promises is not None:
        field = subject.label(promises.field)
        found.append(rich("What you wrote in **{field}** is followed up until it is kept.", field=field))
    return tuple(found)


def _tasks(subject: Subject) -> list[list[Text]]:
    rows: list[list[Text]] = []
    for book, task in subject.tasks_of(SALES - {Role.AE_MANAGER}):
        titles = {each.step: title(subject, each.subject) for each in book.tasks}
        rows.append(
            [
                rich("**{task}**", task=titles[task.step]),
                begins(subject, task, titles),
                within(subject, task.limit),
                done(subject, task),
            ]
        )
    return rows


def _lines(blocks: tuple[Block, ...]) -> float:
    """About how many lines of the smallest type the card takes."""
    return sum(_height(block) for block in blocks)


def _height(block: Block) -> float:
    match block:
        case Heading():
            return SECTION_LINES
        case Words():
            return 1.5 + len(plain_of(block.text)) // LINE_CHARS
        case Bullets():
            return sum(1.1 + len(plain_of(item)) // LINE_CHARS for item in block.items)
        case Grid():
            widths = (
                (FIELD_CHARS, FIELD_CHARS, ADVICE_CHARS) if len(block.head) == 3 else (TASK_CHARS,) * len(block.head)
            )
            rows = [block.head, *block.rows]
            return sum(
                1.6 + max(len(plain_of(cell)) // width for cell, width in zip(row, widths, strict=False))
                for row in rows
            )
        case _:
            return 0.0
