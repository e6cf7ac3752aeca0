"""A paper as PDF: tagged for screen readers, with its title and language, the same bytes for the same paper.

Not how it looks: ``paper.typ``. The library typst sets it; it comes with the extra ``pdf`` and is imported at the first
page, never before. All a paper says goes there as data, so nothing in it can become code; the folder it may read from
is this package's own, and it fetches nothing: only packages ever are, and ``paper.typ`` names none. Nothing is written
to the disk, which may be read-only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from connector.errors import Problem, UserError
from connector.papers.paper import (
    Block,
    Bullets,
    Grid,
    Heading,
    PageBreak,
    Paper,
    Picture,
    Text,
    Words,
    outlined,
    plain_of,
    runs_of,
)
from connector.plain import scrubbed

if TYPE_CHECKING:
    import types

MISSING = "needs the extra pdf: pip install 'handoff-connector[pdf]' (the image and make demo have it)"
HERE = Path(__file__).parent
USUAL_SIZE = 10.5
SMALLEST = 8.0
STEP = 0.5
"""Sizes of type in points. A paper for one page goes down by steps to the smallest that prints readably."""
LONGEST_WORD = 28
"""Characters from which on a word may break: behind its signs, and where it has none so soon, anywhere. An address of
300 would leave its cell."""
ACCESSIBLE = ("ua-1",)
"""PDF/UA-1, ISO 14289-1. Refused by the library where a character has no glyph in any font at hand."""
PIXELS_PER_INCH = 120.0

_OUTSIDE = re.compile("[^\u0000-\u024f\u0370-\u052f\u1e00-\u1fff\u2000-\u206f\u20a0-\u20bf\u2100-\u22ff\u2500-\u25ff]")
"""What the library's own fonts (Latin, Greek, Cyrillic, signs) may lack, so that the machine's fonts are asked."""
_LONG = re.compile(rf"\S{{{LONGEST_WORD},}}")
_BEHIND = re.compile(r"(?<=[@./_?&=:;,-])(?=[^@./_?&=:;,-])")
BREAK = "\u200b"
_TOO_LONG = re.compile(r"pages:(\d+)")
_SITE_ONLY = ("/", "#", ".")


PAGE_CHARS, WIDE_CHARS = 96, 146
"""About how many characters of a table stand on a line of a page in the usual size, upright and lying."""
NARROW_CHARS, NARROW_SHARE = 30, 0.6
"""Columns whose widest cell has no more characters than these are not wrapped, the narrowest first, as long as together
they take no more than this share of the page."""
FILL_IN = 1.5
"""How wide a column to be filled in by hand is, in shares of an average one."""
WHOLE_CHARS = 900
"""A row with no longer cell than this stays on one page."""


class PdfMissing(UserError):
    """The library of the extra is not installed."""

    def __init__(self) -> None:
        super().__init__([Problem("", "PDF", MISSING)])


class PdfError(Exception):
    """The library could not set a paper: a mistake in this package, or a drawing that it cannot read."""


class TooLong(PdfError):
    """A paper that must stand on one page needs more, even in the smallest type."""

    def __init__(self, title: str, pages: int) -> None:
        self.pages = pages
        super().__init__(f"{title!r} needs {pages} pages and may have one; take something out")


def pdf(paper: Paper) -> bytes:
    """The paper as PDF. Raises PdfMissing without the library, TooLong, and PdfError."""
    return _fitted(paper, form="pdf")[0]


def pictures(paper: Paper) -> tuple[bytes, ...]:
    """Each page of the PDF as a picture. Raises as `pdf` does."""
    return _fitted(paper, form="png")


def png(paper: Paper) -> bytes:
    """The only page of a paper with ``one_page`` as a picture. Raises as `pdf` does, and ValueError for any other."""
    if not paper.one_page:
        raise ValueError(f"{paper.title!r} may have several pages; a picture shows one")
    return _fitted(paper, form="png")[0]


def _fitted(paper: Paper, *, form: Literal["pdf", "png"]) -> tuple[bytes, ...]:
    said = json.dumps(_data(paper), ensure_ascii=False)
    size = USUAL_SIZE
    while True:
        try:
            return _set(said, size=size, form=form)
        except TooLong as found:
            size -= STEP
            if size < SMALLEST:
                raise TooLong(paper.title, found.pages) from None


def _set(said: str, *, size: float, form: Literal["pdf", "png"]) -> tuple[bytes, ...]:
    typst = _library()
    source = (HERE / "paper.typ").read_bytes()
    last = ""
    for standards in (ACCESSIBLE, ()) if form == "pdf" else ((),):
        try:
            made = typst.compile(
                source,
                root=HERE,
                format=form,
                ppi=PIXELS_PER_INCH,
                sys_inputs={"paper": said, "size": str(size)},
                pdf_standards=list(standards),
                ignore_system_fonts=_OUTSIDE.search(said) is None,
                package_path=HERE,
                package_cache_path=HERE,
            )
        except typst.TypstError as fault:
            last = fault.message
            if found := _TOO_LONG.search(last):
                raise TooLong("", int(found[1])) from None
        else:
            return tuple(map(bytes, made)) if isinstance(made, list) else (bytes(made),)
    raise PdfError(f"the paper could not be set: {last}")


def _library() -> types.ModuleType:
    try:
        import typst
    except ImportError:
        raise PdfMissing from None
    return typst  # type: ignore[no-any-return,unused-ignore]


def _data(paper: Paper) -> Mapping[str, Any]:
    made = paper.made
    return {
        "title": _line(paper.title),
        "heading": _breakable(_line(paper.title)),
        "subtitle": _breakable(_line(paper.subtitle)),
        "foot": _line(paper.foot),
        "lang": paper.lang,
        "made": [made.year, made.month, made.day] if made else None,
        "landscape": paper.landscape,
        "one_page": paper.one_page,
        "blocks": [_block(block, landscape=paper.landscape) for block in outlined(paper.blocks)],
    }


def _block(block: Block, *, landscape: bool) -> Mapping[str, Any]:
    match block:
        case Heading():
            return {"kind": "heading", "level": block.level, "text": _breakable(_line(block.text))}
        case Words():
            return {"kind": "words", "runs": _runs(block.text)}
        case Bullets():
            return {"kind": block.mark.value, "items": [_runs(item) for item in block.items]}
        case Grid():
            return {
                "kind": "grid",
                "columns": columns(block, of=WIDE_CHARS if landscape else PAGE_CHARS),
                "whole": all(len(plain_of(cell)) <= WHOLE_CHARS for row in block.rows for cell in row),
                "align": [align.value for align in block.aligned],
                "head": [_runs(cell) for cell in block.head],
                "rows": [[{"runs": _runs(cell)} for cell in row] for row in block.rows],
            }
        case Picture():
            return {"kind": "picture", "svg": block.svg, "alt": _line(block.alt)}
        case PageBreak():
            return {"kind": "break"}


def columns(grid: Grid, *, of: int) -> list[float | None]:
    """How wide each column is: None as wide as its text, else its share of what the others leave.

    A table that fits ``of`` characters takes as much room as it needs. In one that does not, narrow columns keep their
    width and the others share the rest by how much they have to say. Columns without any text are for handwriting.
    """
    by_column = [[len(plain_of(cell)) for cell in column] for column in zip(grid.head, *grid.rows, strict=True)]
    blank = [not any(lengths[1:]) for lengths in by_column]
    widest = [max(lengths) for lengths in by_column]
    if sum(widest) <= of and not any(blank):
        return [None] * len(widest)
    narrow = _narrow(widest, room=of * NARROW_SHARE)
    means = [sum(lengths) / len(lengths) for lengths in by_column]
    usual = max(sum(means) / len(means), 1.0)
    return [
        FILL_IN if empty else None if place in narrow else round(max(mean / usual, 0.5), 2)
        for place, (empty, mean) in enumerate(zip(blank, means, strict=True))
    ]


def _narrow(widest: Sequence[int], *, room: float) -> frozenset[int]:
    """The columns that keep their width."""
    found: set[int] = set()
    for place in sorted(range(len(widest)), key=widest.__getitem__):
        room -= widest[place]
        if widest[place] > NARROW_CHARS or room < 0:
            break
        found.add(place)
    return frozenset(found)


def _runs(text: Text) -> list[Mapping[str, Any]]:
    return [
        {
            "lines": [_breakable(line) for line in scrubbed(run.text).split("\n")],
            "bold": run.bold,
            "link": "" if run.link.startswith(_SITE_ONLY) else run.link,  # a page has no site around it
        }
        for run in runs_of(text)
    ]


def _line(text: str) -> str:
    return " ".join(scrubbed(text).split("\n"))


def _breakable(line: str) -> str:
    return _LONG.sub(lambda found: _broken(found[0]), line)


def _broken(word: str) -> str:
    parts = _BEHIND.split(word)
    return BREAK.join(BREAK.join(part) if len(part) >= LONGEST_WORD else part for part in parts)
