"""A paper as Markdown (CommonMark with the tables and boxes of GitHub), where no text can become markup.

Not a Markdown reader. A picture becomes its description: Markdown has no place for a drawing within itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from connector.papers.paper import (
    Align,
    Block,
    Bullets,
    Grid,
    Heading,
    Mark,
    PageBreak,
    Paper,
    Picture,
    Text,
    Words,
    outlined,
    runs_of,
)
from connector.plain import scrubbed

_SIGNS = re.compile(r"[\\`*<>|~$]|&(?=#?\w+;)|\](?=[(\[:]|$)|(?<!\w)_+|_+(?!\w)", re.MULTILINE)
"""What acts anywhere in a line: an underscore only at the edge of a word, a bracket only where a link could begin."""
_BRACKETS = re.compile(r"(?<!\\)[\[\]]")
_AT_START = re.compile(r"^(\s*)(?:([#+=:-]|\[(?=[ xX]\]))|(\d{1,9})([.)]))")
"""What makes a line a heading, a list, a box, a rule or a definition."""
RULES = {Align.LEFT: "---", Align.RIGHT: "--:", Align.CENTER: ":-:"}
MARKS = {Mark.DOT: "- ", Mark.NUMBER: "1. ", Mark.BOX: "- [ ] "}


def markdown(paper: Paper) -> str:
    """The paper as Markdown, with a line feed at its end."""
    parts = [f"# {_line(paper.title)}"]
    if paper.subtitle:
        parts.append(_lines(paper.subtitle))
    parts += [text for block in outlined(paper.blocks) if (text := _block(block))]
    if paper.foot:
        parts += ["---", _lines(paper.foot)]
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading():
            return f"{'#' * (block.level + 1)} {_line(block.text)}"
        case Words():
            return _lines(block.text)
        case Bullets():
            return "\n".join(MARKS[block.mark] + _lines(item, indent="  ") for item in block.items)
        case Grid():
            return "\n".join(_table(block))
        case Picture():
            return f"*{_line(block.alt)}*" if block.alt else ""
        case PageBreak():
            return ""


def _table(grid: Grid) -> Iterator[str]:
    yield _row([_line(cell) for cell in grid.head])
    yield _row([RULES[align] for align in grid.aligned])
    for row in grid.rows:
        yield _row([_line(cell) for cell in row])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _line(text: Text) -> str:
    """On one line, as a heading or a cell has to be."""
    return " ".join(_written(text).split())


def _lines(text: Text, *, indent: str = "") -> str:
    """As it breaks, each break a hard one; blank lines, which would end the paragraph, are left out."""
    lines = [_AT_START.sub(_kept, line) for line in _written(text).split("\n") if line.strip()]
    return ("\\\n" + indent).join(lines)


def _written(text: Text) -> str:
    return "".join(_run(scrubbed(run.text), bold=run.bold, link=run.link) for run in runs_of(text)).strip()


def _kept(found: re.Match[str]) -> str:
    return f"{found[1]}\\{found[2]}" if found[2] else f"{found[1]}{found[3]}\\{found[4]}"


def _run(text: str, *, bold: bool, link: str) -> str:
    written = _SIGNS.sub(lambda found: "".join(f"\\{each}" for each in found[0]), text)
    if bold and text.strip():
        edge = len(written) - len(written.lstrip())
        end = len(written.rstrip())
        written = f"{written[:edge]}**{written[edge:end]}**{written[end:]}"
    return f"[{_BRACKETS.sub(_escaped, written)}]({_address(link)})" if link else written


def _escaped(found: re.Match[str]) -> str:
    return f"\\{found[0]}"


def _address(link: str) -> str:
    return link.replace("(", "%28").replace(")", "%29")
