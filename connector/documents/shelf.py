"""A folder of documents: what lies in it, what the config says now, and what has to be written.

Not here: what documents say (``catalogue``) and what is printed (``cli.docs``). Files that something else wrote are
never touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from connector.documents import compare
from connector.documents.catalogue import DOCUMENTS, MARK, Document, paper
from connector.documents.subject import Subject
from connector.errors import Problem, UserError
from connector.papers import Block, Bullets, Heading, Paper, TooLong, html, markdown, pdf, png

CHANGES = "CHANGES.md"
TITLE = "What changed in these documents"


class Format(StrEnum):
    """How a document is written; the value is how its file's name ends."""

    MD = "md"
    HTML = "html"
    PDF = "pdf"
    PNG = "png"
    """A picture of the page; of documents that are one page."""


class State(StrEnum):
    """How a document on the shelf stands to the config."""

    NEW = "new"
    CHANGED = "changed"
    STAMPED = "new version in the foot"
    SAME = "same"
    GONE = "no longer in the config"


WRITERS: Mapping[Format, Callable[[Paper], bytes]] = {
    Format.MD: lambda one: markdown(one).encode(),
    Format.HTML: lambda one: html(one).encode(),
    Format.PDF: pdf,
    Format.PNG: png,
}
IN_BYTES = frozenset({Format.PDF, Format.PNG})
"""What tells not by its text whose it is."""


@dataclass(frozen=True, slots=True)
class Shelved:
    """One document: what its files are to hold (none: they go), and what changed against those that lie there."""

    document: Document
    state: State
    files: Mapping[str, bytes]
    stale: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    diff: tuple[str, ...] = ()


def shelved(subject: Subject, folder: Path, *, names: Sequence[str], formats: Sequence[Format]) -> tuple[Shelved, ...]:
    """What the config says of each document, held against a folder; nothing is written.

    Raises UserError where a file of that name is somebody else's or a card does not fit its page, and PdfMissing.
    """
    problems: list[Problem] = []
    found = tuple(_shelved(subject, folder, DOCUMENTS[name], formats, problems) for name in names)
    if problems:
        raise UserError(problems)
    return found


def write(folder: Path, found: Sequence[Shelved], *, heading: str) -> None:
    """Put the documents into the folder, and what changed on top of its `CHANGES`, under ``heading``."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in found:
        for name, data in one.files.items():
            (folder / name).write_bytes(data)
        for name in one.stale:
            (folder / name).unlink()
    if blocks := tuple(_entry(found, heading)):
        log = folder / CHANGES
        before = log.read_text(encoding="utf-8").partition("\n\n")[2] if log.is_file() else ""
        now = markdown(Paper(TITLE, blocks=blocks))
        log.write_text(f"{now}\n{before}" if before else now, encoding="utf-8")


def _entry(found: Sequence[Shelved], heading: str) -> Iterator[Block]:
    told = [one for one in found if one.state in (State.NEW, State.CHANGED, State.GONE)]
    if told:
        yield Heading(1, heading)
    for one in told:
        yield Heading(2, f"{one.document.title}: {one.state.value}")
        yield Bullets(one.changes)


def _shelved(
    subject: Subject, folder: Path, document: Document, formats: Sequence[Format], problems: list[Problem]
) -> Shelved:
    made = paper(document, subject)
    fits = [each for each in formats if document.one_page or each is not Format.PNG]
    wanted = {f"{document.name}.{each.value}": each for each in fits}
    problems += _foreign(folder, wanted)
    if made is None:
        stale = tuple(name for name in wanted if (folder / name).is_file())
        return Shelved(document, State.GONE if stale else State.SAME, {}, stale)
    try:
        files = {name: WRITERS[each](made) for name, each in wanted.items()}
    except TooLong as fault:
        message = f"needs {fault.pages} pages and may have one; require fewer fields, or shorten names and advice"
        problems.append(Problem("", document.title, message))
        return Shelved(document, State.SAME, {})
    before = _text(folder / f"{document.name}.{Format.MD.value}")
    now = markdown(made)
    changes = compare.changes(before, now) if before else ()
    state = _state(folder, files, changes, before=before, now=now)
    return Shelved(
        document, state, files, (), changes, compare.lines(before, now, name=document.name) if before else ()
    )


def _state(folder: Path, files: Mapping[str, bytes], changes: Sequence[str], *, before: str, now: str) -> State:
    lying = {name: (folder / name).read_bytes() if (folder / name).is_file() else None for name in files}
    if all(lying[name] == data for name, data in files.items()):
        return State.SAME
    if changes:
        return State.CHANGED
    if any(data is None for data in lying.values()):
        return State.NEW
    # The Markdown tells whether it says the same; where it is not written, the other forms cannot.
    return State.STAMPED if before and before != now else State.CHANGED


def _foreign(folder: Path, wanted: Mapping[str, Format]) -> Iterator[Problem]:
    for name, each in wanted.items():
        path = folder / name
        if each not in IN_BYTES and path.is_file() and MARK not in _text(path):
            message = "was not written by handoff docs; move it away, or choose another folder with --out"
            yield Problem("", str(path), message)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
