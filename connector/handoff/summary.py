"""The one-page summary: what the CSM must know, in one plain text that says by itself whether anyone edited it.

Not here: where it is kept (``rules.summarise``) and its wording (the policy's template). Two lines close every
document: a mark over the text above, by which an edit is seen even when the ledger is lost, and the natural key,
because notes in Salesforce have no field for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from connector.handoff import stakeholders
from connector.handoff.case import Case, fingerprint
from connector.handoff.model import Gate
from connector.handoff.override import requested
from connector.handoff.prefill import assumed
from connector.handoff.rulebook.messages import SummarySection
from connector.handoff.stakeholders import Mark
from connector.handoff.templating import render
from connector.handoff.text import NAMES, NOT_RECORDED, REFERENCE, names, room_taken, shown

STEP = "summary"
CONTACTS = "contacts"
"""Stands in a section for everybody who has a role on the deal, a line each."""
TITLE = "Handoff summary"
SUMMARY_NAMES = NAMES | {"deal_type", "gate", "override_by", "override_reason", "sections"}
"""The names the summary's template may use; ``sections`` hold ``title`` and ``rows`` of ``label`` and ``text``."""
TITLE_ROOM = 80
"""Room for a note's title where it stands in the marked-up text itself, its tags included."""
LEAST_ROOM = 64
"""Room for words that a note must have besides its seal."""
NOTHING_MORE = "The summary has become shorter: nothing of it is in this note any more."
CUT_MARK = "\n[Cut here to fit; the rest is in the deal's own fields.]"

_FOOTER = "\n\nKept up to date until someone edits it (mark {mark}).\n" + REFERENCE + " {key}"
_SEALED = re.compile(
    r"\s*Kept up to date until someone edits it \(mark ([0-9a-f]{16})\)\.\s*" + re.escape(REFERENCE) + r"\s*\S+\s*$"
)
_BLANKS = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class Part:
    """One note of the document: the step of its key, its title, its text."""

    step: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One field of a section: its label, what it says, and how sure that is; empty where that is no question."""

    __template__: ClassVar = frozenset({"label", "text", "mark"})
    label: str
    text: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One heading and the fields under it that hold something."""

    __template__: ClassVar = frozenset({"title", "rows"})
    title: str
    rows: tuple[Row, ...]


def document(case: Case) -> str:
    """The whole document, at most ``policy.summary.max_chars`` long; the same text for the same facts, always.

    Raises ValueError when the template cannot be rendered.
    """
    override = requested(case) if case.gate is Gate.OVERRIDDEN else None
    context = {
        **names(case),
        "deal_type": case.snapshot.deal_type.value,
        "gate": case.gate.value if case.gate else Gate.NOT_CHECKED.value,
        "override_by": override.approver.name if override and override.approver else "",
        "override_reason": override.reason if override else "",
        "sections": sections(case),
    }
    text = render(case.policy.summary.template, context)
    return _seal(text, key=case.key(STEP), most=case.policy.summary.max_chars)


def sections(case: Case) -> tuple[Section, ...]:
    """The headings that have something under them."""
    return tuple(section for one in case.policy.summary.sections if (section := _section(case, one)))


def parts(case: Case, text: str) -> tuple[Part, ...]:
    """The document as notes hold it: whole where it fits, else in pieces that each carry their own seal.

    Pieces end at a line, a line that is longer than a note between two words. Raises ValueError when a note is too
    short for anything but its seal.
    """
    policy = case.policy.summary
    most = (policy.note_chars or policy.max_chars) - (TITLE_ROOM if policy.markup else 0)
    if room_taken(text, markup=policy.markup) <= most:
        return (Part(STEP, TITLE, text),)
    seal = _SEALED.search(text)
    body = text[: seal.start()] if seal else text
    seal_room = room_taken(_sealed("", key=case.key(f"{STEP}-99")), markup=policy.markup)
    pieces = _pieces(body, room=most - seal_room, markup=policy.markup)
    steps = [STEP, *(f"{STEP}-{number}" for number in range(2, len(pieces) + 1))]
    return tuple(
        Part(step, f"{TITLE} ({number} of {len(pieces)})", _sealed(piece, key=case.key(step)))
        for number, (step, piece) in enumerate(zip(steps, pieces, strict=True), 1)
    )


def nothing_more(case: Case, step: str) -> Part:
    """What a further note says once the document no longer reaches it: notes are never deleted."""
    return Part(step, TITLE, _sealed(NOTHING_MORE, key=case.key(step)))


def sealed_note(case: Case, step: str, text: str) -> str:
    """Another text that is kept in a note of its own, with a seal by which a person's edit is known."""
    policy = case.policy.summary
    most = (policy.note_chars or policy.max_chars) - (TITLE_ROOM if policy.markup else 0)
    seal_room = room_taken(_sealed("", key=case.key(step)), markup=policy.markup)
    return _sealed(_pieces(text, room=most - seal_room, markup=policy.markup)[0], key=case.key(step))


def untouched(text: str) -> bool:
    """Whether a document found in the CRM is word for word one that `document` or `parts` made."""
    seal = _SEALED.search(text)
    return seal is not None and seal[1] == _mark(text[: seal.start()])


def unsealed(text: str) -> str:
    """What a document says above its seal."""
    seal = _SEALED.search(text)
    return text[: seal.start()] if seal else text


def same_document(one: str, other: str) -> bool:
    """Whether two documents have the same words; line ends and indents may differ, as CRMs change them."""
    return one.split() == other.split()


def _section(case: Case, section: SummarySection) -> Section | None:
    """The section with its filled fields; one that is required says what was not recorded, any other is left out."""
    needed = {check.field for check in case.checks}
    asked = needed | {field.path for field in case.policy.quality.fields}
    rows = [row for path in section.fields for row in _rows(case, path, needed=path in needed, asked=path in asked)]
    return Section(section.title, tuple(rows)) if rows else None


def _rows(case: Case, path: str, *, needed: bool, asked: bool) -> Iterator[Row]:
    """A field's line. What nobody answered and contact roles tell is shown as an assumption."""
    if path == CONTACTS:
        for one in stakeholders.ordered(case):
            yield Row(stakeholders.label(case, one), stakeholders.words(one), stakeholders.mark(case, one).value)
        return
    if text := shown(case, path):
        yield Row(case.label(path), text, _sure(case, path).value if asked else "")
    elif known := stakeholders.in_role(case, path):
        yield Row(case.label(path), "\n".join(stakeholders.words(one) for one in known), Mark.ASSUMED.value)
    elif needed:
        yield Row(case.label(path), NOT_RECORDED)


def _sure(case: Case, path: str) -> Mark:
    """An answer is people's word, unless this connector took it over and nobody confirmed it or wrote it anew."""
    return Mark.ASSUMED if any(one.field == path for one in assumed(case)) else Mark.CONFIRMED


def _seal(text: str, *, key: str, most: int) -> str:
    lines = [line.rstrip() for line in text.strip().splitlines()]
    body = _BLANKS.sub("\n\n", "\n".join(lines))
    room = most - len(_FOOTER.format(mark="0" * 16, key=key))
    if room < len(CUT_MARK) + 2:  # a character, which may take two
        raise ValueError(f"summary.max_chars is {most}, too little for a summary with its reference")
    if room_taken(body, markup=False) > room:
        body = body[: _fitting(body, room=room - len(CUT_MARK), markup=False)].rstrip() + CUT_MARK
    return _sealed(body, key=key)


def _sealed(body: str, *, key: str) -> str:
    return body + _FOOTER.format(mark=_mark(body), key=key)


def _pieces(body: str, *, room: int, markup: bool) -> list[str]:
    """The text in pieces that each fit; joined by line breaks they have the same words."""
    if room < LEAST_ROOM:
        raise ValueError("a note is too short for a summary with its reference")
    pieces: list[str] = []
    held: list[str] = []
    taken = 0
    for line in _short_lines(body, room=room, markup=markup):
        needed = room_taken(line + "\n", markup=markup)
        if held and taken + needed > room:
            pieces.append("\n".join(held).strip())
            held, taken = [], 0
        held.append(line)
        taken += needed
    pieces.append("\n".join(held).strip())
    return [piece for piece in pieces if piece]


def _short_lines(body: str, *, room: int, markup: bool) -> Iterator[str]:
    """The lines of a text, those that do not fit in pieces: between two words, or within one that is too long."""
    # The line break that ends a line is part of what it takes.
    room -= room_taken("\n", markup=markup)
    for line in body.split("\n"):
        while line and room_taken(line, markup=markup) > room:
            end = _fitting(line, room=room, markup=markup)
            space = line.rfind(" ", 0, end + 1)
            end = space if space > 0 else end
            yield line[:end]
            line = line[end:].lstrip()
        yield line


def _fitting(line: str, *, room: int, markup: bool) -> int:
    """How many characters of a line fit, at least one."""
    low, high = 1, len(line)
    while low < high:
        middle = (low + high + 1) // 2
        if room_taken(line[:middle], markup=markup) <= room:
            low = middle
        else:
            high = middle - 1
    return low


def _mark(body: str) -> str:
    return fingerprint(" ".join(body.split()))
