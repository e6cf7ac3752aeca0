"""A paper as blocks: headings, words, lists, tables and pictures.

Not how it looks (`as_markdown`, `as_html`, `as_pdf`). A plain ``str`` is always shown as it is: no sign in it is
markup, whoever wrote it. Bold words and links are made with `rich`, whose fillings are plain again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from connector.papers.svg import checked_svg
from connector.plain import scrubbed

DEEPEST = 4
"""Levels of headings below the title."""


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of text that looks alike. Raises ValueError for a ``link`` that `linkable` does not allow."""

    text: str
    bold: bool = False
    link: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", scrubbed(self.text))
        if self.link and not linkable(self.link):
            raise ValueError(f"{self.link!r} is no address that a paper may link to")


Rich = tuple[Run, ...]
Text = str | Rich
"""Plain text as it is, or the runs that `rich` makes."""

_LINK = re.compile(r"(?:https?://|mailto:|/(?![/\\])|#|\./)[^\s<>\"'`\\\x00-\x1f\x7f]*", re.ASCII)
_PIECES = re.compile(r"\*\*(?P<bold>.+?)\*\*|\[(?P<name>[^\]]+)\]\((?P<link>[^)]+)\)")
_FILLING = re.compile(r"\{(\w+)\}")


def linkable(address: str) -> bool:
    """Whether a paper may link there: the web, mail, a path of the same site or beside it, a place in the paper."""
    return _LINK.fullmatch(address) is not None


def rich(pattern: str, /, **fillings: object) -> Rich:
    """Words with ``**bold**``, ``[name](address)`` and ``{filling}``; what is filled in is plain text, never markup.

    ``rich("**{deal}** waits, see [why]({page})", deal=name, page=link)``. Raises KeyError for a filling that is not
    given and ValueError for an address that no paper may link to.
    """
    runs: list[Run] = []
    at = 0
    for found in _PIECES.finditer(pattern):
        runs.append(Run(_filled(pattern[at : found.start()], fillings)))
        if found["bold"] is not None:
            runs.append(Run(_filled(found["bold"], fillings), bold=True))
        else:
            runs.append(Run(_filled(found["name"], fillings), link=_filled(found["link"], fillings)))
        at = found.end()
    runs.append(Run(_filled(pattern[at:], fillings)))
    return tuple(run for run in runs if run.text)


def _filled(pattern: str, fillings: dict[str, object]) -> str:
    return _FILLING.sub(lambda found: str(fillings[found[1]]), pattern)


def runs_of(text: Text) -> Rich:
    """Any text as runs."""
    return (Run(text),) if isinstance(text, str) else text


def plain_of(text: Text) -> str:
    """Any text without its looks."""
    return "".join(run.text for run in runs_of(text))


class Align(StrEnum):
    """Where a column's cells stand."""

    LEFT = "left"
    RIGHT = "right"
    CENTER = "center"


class Mark(StrEnum):
    """What stands before each line of a list."""

    DOT = "dot"
    NUMBER = "number"
    BOX = "box"
    """An empty box, to be ticked by hand."""


@dataclass(frozen=True, slots=True)
class Heading:
    """Begins a section; level 1 is the first below the paper's title, `DEEPEST` the last."""

    level: int
    text: str

    def __post_init__(self) -> None:
        if not 1 <= self.level <= DEEPEST:
            raise ValueError(f"a heading's level is 1 to {DEEPEST}, not {self.level}")


@dataclass(frozen=True, slots=True)
class Words:
    """A paragraph."""

    text: Text


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list. One without items is left out."""

    items: Sequence[Text]
    mark: Mark = Mark.DOT


@dataclass(frozen=True, slots=True)
class Grid:
    """A table; ``align`` has one entry a column, or none for all left. Raises ValueError where a row is uneven."""

    head: Sequence[Text]
    rows: Sequence[Sequence[Text]]
    align: Sequence[Align] = ()

    def __post_init__(self) -> None:
        if self.align and len(self.align) != len(self.head):
            raise ValueError(f"{len(self.align)} alignments for {len(self.head)} columns")
        for number, row in enumerate(self.rows, 1):
            if len(row) != len(self.head):
                raise ValueError(f"row {number} has {len(row)} cells, the head {len(self.head)}")

    @property
    def aligned(self) -> tuple[Align, ...]:
        """One entry a column."""
        return tuple(self.align) or (Align.LEFT,) * len(self.head)


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing as SVG, and what it shows in words. Raises ValueError for an SVG that does more than draw (`svg`)."""

    svg: str
    alt: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "svg", checked_svg(self.svg))


@dataclass(frozen=True, slots=True)
class PageBreak:
    """What follows begins a new page, where there are pages."""


Block = Heading | Words | Bullets | Grid | Picture | PageBreak


@dataclass(frozen=True, slots=True)
class Paper:
    """One paper. ``one_page`` makes `pdf` fit it on one page or raise; ``foot`` stands below every page and at the end;
    ``made`` is the day the PDF says it was made on (none: it says no day), ``lang`` an ISO 639 code."""

    title: str
    subtitle: str = ""
    blocks: Sequence[Block] = ()
    one_page: bool = False
    foot: str = ""
    made: date | None = None
    lang: str = "en"
    landscape: bool = False


def outlined(blocks: Sequence[Block]) -> Iterator[Block]:
    """The blocks, without empty ones, and no heading more than one level below the heading before it."""
    level = 0
    for block in blocks:
        match block:
            case Heading():
                level = min(block.level, level + 1)
                yield replace(block, level=level)
            case Bullets() if not block.items:
                continue
            case Grid() if not block.rows:
                continue
            case _:
                yield block
