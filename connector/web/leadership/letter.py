"""The week's figures as a mail: the numbers of the page, in words and as a small page of their own.

Not here: when it goes and to whom (``engine.weekly``). A mail goes to whoever config names, beyond the sign-in: it
holds sums and counts, no deal, no customer and no person; what stands behind a number is a click and a sign-in away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from connector.web.leadership.asked import BOARD, read
from connector.web.leadership.board import Board, Book, Card, board_of

NO_ADDRESS = "on the leadership page"


@dataclass(frozen=True, slots=True)
class Digest:
    """A mail, ready to be sent."""

    subject: str
    text: str
    html: str


def digest_of(book: Book, *, public_url: str, now: datetime) -> Digest:
    """The last quarter's figures as of now, with the latest whole week beside them."""
    day = now.astimezone(book.zone).date()
    board = board_of(book, read({}, today=day))
    where = f"{public_url}{BOARD}" if public_url else ""
    missed = sum(card.told.verdict == "missed" for card in board.cards)
    known = sum(bool(card.told.verdict) for card in board.cards)
    verdict = f"{known - missed} of {known} on target" if known else "too little to judge yet"
    return Digest(f"Handoffs, week to {day}: {verdict}", _text(board, where), _html(board, where))


def _lines(board: Board) -> Sequence[str]:
    """What a mail says besides the table."""
    won = f"{board.won:,} deals won since {board.asked.first}"
    first, last = (board.funnel[0].deals, board.funnel[-1].deals) if board.funnel else (0, 0)
    uncovered = f"{board.unexplained:,} of them have neither a handoff nor a reason." if board.unexplained else ""
    return tuple(
        line
        for line in (
            f"{won}: each has a handoff or a reason why not." if not uncovered else f"{won}. {uncovered}",
            f"{last:,} of {first:,} handoffs reached first value.",
            f"{_counted(len(board.stuck), more=board.stuck_more)} stuck now.",
            f"{_counted(len(board.due), more=board.due_more)} with promises to keep.",
        )
        if line
    )


def _counted(count: int, *, more: bool) -> str:
    return f"{'More than ' if more else ''}{count} handoff{'' if count == 1 and not more else 's'}"


def _week(card: Card) -> str:
    """The latest week that is over."""
    return card.weeks[-2].said if len(card.weeks) > 1 and card.weeks[-2].counted else "–"


def _judged(card: Card) -> str:
    return "too few to judge" if card.told.few else card.told.verdict_words or "no target"


def _text(board: Board, where: str) -> str:
    rows = [
        f"{card.told.title}: {card.told.said}"
        + (f" (target {card.told.target_said}, {_judged(card)})" if card.told.target_said else "")
        + f"; last week's wins {_week(card)}; {card.told.counted:,} handoffs"
        for card in board.cards
    ]
    link = f"All numbers and the deals behind them: {where}" if where else f"More stands {NO_ADDRESS}."
    return "\n".join((*rows, "", *_lines(board), "", link, ""))


def _html(board: Board, where: str) -> str:
    head = "".join(f'<th align="left">{name}</th>' for name in ("Figure", "Now", "Target", "", "Last week", "Handoffs"))
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td>{escape(cell)}</td>"
            for cell in (
                *(card.told.title, card.told.said, card.told.target_said or "–", _judged(card), _week(card)),
                f"{card.told.counted:,}",
            )
        )
        + "</tr>"
        for card in board.cards
    )
    lines = "".join(f"<p>{escape(line)}</p>" for line in _lines(board))
    link = f'<p><a href="{escape(where)}">All numbers, and the deals behind them</a></p>' if where else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Handoffs</title></head><body>'
        f'<table cellpadding="6"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{lines}'
        f"{link or f'<p>More stands {NO_ADDRESS}.</p>'}</body></html>"
    )
