"""What is seen, as files: a table for spreadsheets and a paper to print or send on.

Not here: any number and any sentence of its own (``board``, ``deals``), and how files are written (``sheets``,
``papers``).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence

from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.measures.summing import NOTHING
from connector.papers import Align, Block, Grid, Heading, Paper, Picture, Words
from connector.sheets import Cell, write_csv
from connector.web.leadership.asked import CUT_WORDS, NARROWING, Asked
from connector.web.leadership.board import LEAD, Board, Book, Card, stands_still
from connector.web.leadership.deals import Deals
from connector.web.leadership.told import Told, tell

TITLE = "Is the handoff working?"
HEAD = (
    *("section", "group", "measure", "title", "value", "unit", "text", "handoffs", "good"),
    *("low", "high", "target", "verdict"),
)
DEAL_HEAD = ("system", "deal_id", "generation", "deal")
MOST_IN_PAPER = 500
"""Rows of a list on paper; the table has them all."""

NUMBERS = (Align.LEFT, Align.RIGHT, Align.RIGHT, Align.RIGHT, Align.LEFT)


def board_csv(book: Book, asked: Asked, board: Board) -> str:
    """All numbers of the page as one table: totals, weeks, cohorts, the funnel, and what became of won deals."""
    return _csv(HEAD, _rows(book, asked, board))


def deals_csv(deals: Deals) -> str:
    """A list of deals as a table."""
    rows: Iterator[Sequence[Cell]] = (
        (line.system, line.deal_id, line.generation, line.title, *deals.cells(line)) for line in deals.lines
    )
    return _csv((*DEAL_HEAD, *deals.head), rows)


def board_paper(board: Board) -> Paper:
    """The page as a paper."""
    return Paper(
        title=TITLE,
        subtitle=days_said(board.asked),
        blocks=tuple(_blocks(board)),
        foot=f"As of {board.at:%Y-%m-%d %H:%M} UTC",
        made=board.at.date(),
    )


def deals_paper(deals: Deals, asked: Asked, board_at: str) -> Paper:
    """A list of deals as a paper."""
    rows = [(line.title or line.deal_id, *deals.cells(line)) for line in deals.lines[:MOST_IN_PAPER]]
    blocks: list[Block] = [Grid(("Deal", *deals.head), rows)]
    if not rows:
        blocks = [Words("No handoff fits.")]
    if deals.total > len(rows) and rows:
        blocks.append(Words(f"{len(rows)} of {deals.total}; the CSV has them all."))
    return Paper(title=deals.title, subtitle=days_said(asked), blocks=tuple(blocks), foot=board_at, landscape=True)


def days_said(asked: Asked) -> str:
    """Which handoffs are meant, in words."""
    since = f"since {asked.first}" if asked.first else "at any time"
    until = f" until {asked.last}" if asked.last else ""
    narrowed = [f"{CUT_WORDS[name]} {getattr(asked, name)}" for name in NARROWING if getattr(asked, name)]
    return f"Deals won {since}{until}" + (f"; {', '.join(narrowed)}" if narrowed else "")


def _csv(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    out = io.StringIO(newline="")
    write_csv(out, head, rows)
    return out.getvalue()


def _rows(book: Book, asked: Asked, board: Board) -> Iterator[Sequence[Cell]]:
    for card in (*board.cards, *board.others):
        yield _row("total", "", card.told)
    for section, found in (("week", board.weekly), (asked.by, board.groups)):
        for group, sums in found.items():
            for key in LEAD:
                yield _row(
                    section, group.label, tell(MEASURES[key], sums.get(key, NOTHING), book.targets, defined=False)
                )
    for section, counts in (("funnel", board.funnel), ("coverage", board.coverage)):
        for one in counts:
            yield (section, one.words, "", "", one.deals, "count", "", one.deals, None, None, None, None, "")


def _row(section: str, group: str, told: Told) -> Sequence[Cell]:
    return (
        *(section, group, told.key, told.title, _rounded(told.value), MEASURES[told.key].unit.value, told.said),
        *(told.counted, told.met, _rounded(told.low), _rounded(told.high), _rounded(told.target)),
        "too few to judge" if told.few and told.counted else told.verdict_words,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _blocks(board: Board) -> Iterator[Block]:
    if board.empty:
        yield Words("No deal that was won in these days fits.")
        return
    yield Heading(1, "Against target")
    yield Grid(("Figure", "Now", "Target", "Handoffs", ""), [_numbers(card) for card in board.cards], NUMBERS)
    for card in board.cards:
        if card.told.counted:
            yield Heading(2, card.told.title)
            yield Picture(str(card.chart), f"{card.told.title} by week of the win: now {card.told.said}")
            yield Words(f"{card.told.said}, counted over {card.told.help[0][1]}.")
    yield Heading(1, "From the win to first value")
    yield Picture(str(board.funnel_chart), "How many handoffs came how far")
    yield Grid(
        ("Came so far", "Handoffs", "Of all"),
        [(each.words, f"{each.deals:,}", f"{each.share:.0f} %") for each in board.funnel],
        (Align.LEFT, Align.RIGHT, Align.RIGHT),
    )
    yield Heading(1, "Every won deal, accounted for")
    yield Grid(
        ("What became of it", "Deals"),
        [(each.words, f"{each.deals:,}") for each in board.coverage],
        (Align.LEFT, Align.RIGHT),
    )
    if board.stuck:
        yield Heading(1, "Stuck now")
        rows = [(each.title, each.account_name, each.csm.name, stands_still(each)) for each in board.stuck]
        yield Grid(("Deal", "Customer", "CSM", "What stands still"), rows)
    if board.due:
        yield Heading(1, "Commitments to keep")
        due = [(each.figure.title, each.due.isoformat(), each.said) for each in board.due]
        yield Grid(("Deal", "Due", "What"), due)
    if board.cohorts:
        yield Heading(1, f"By {board.cut_words}")
        head = (board.cut_words, "Handoffs", *(card.told.title for card in board.cards))
        yield Grid(head, [(each.label, str(each.handoffs), *map(_cell, each.told)) for each in board.cohorts])
    yield Heading(1, "All other figures")
    yield Grid(("Figure", "Now", "Target", "Handoffs", ""), [_numbers(card) for card in board.others], NUMBERS)


def _numbers(card: Card) -> tuple[str, ...]:
    told = card.told
    said = "too few to judge" if told.few and told.counted else told.verdict_words
    return told.title, told.said, told.target_said or "–", str(told.counted), said


def _cell(told: Told) -> str:
    if not told.counted:
        return "–"
    return f"{told.said} of {told.counted}" + (" (too few)" if told.few else "")
