"""The routes of the page for leadership: the board, lists of deals, one deal, and the same as files.

Not here: numbers (``board``, ``deals``, ``explained``), files (``exports``), who is let in (the site hands that in).
Whoever may look at the operators' page may look here; nothing here changes anything.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connector.errors import UserError
from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.model import SystemName
from connector.papers import Paper, pdf
from connector.store import failure
from connector.web.leadership.asked import BOARD, CUT_WORDS, DEALS, EVER, Asked, Unclear, begin_of, read
from connector.web.leadership.board import Book, board_of, stands_still
from connector.web.leadership.deals import MOST_EXPORTED, PAGE, deals_of
from connector.web.leadership.explained import why_of
from connector.web.leadership.exports import MOST_IN_PAPER, board_csv, board_paper, deals_csv, deals_paper

BAD_REQUEST, NOT_FOUND, UNAVAILABLE = 400, 404, 503
SPANS = (("Last quarter", ""), ("All days", EVER))

Show = Callable[..., Response]
"""Lays out a template with what it needs: ``show(request, template, code, **view)``."""


@dataclass(frozen=True, slots=True)
class Leadership:
    """The routes over one ledger. ``may`` says where somebody who may not look is sent instead, None for in."""

    book: Book
    show: Show
    may: Callable[[Request], Response | None]
    printing: threading.Lock

    def routes(self) -> list[Route]:
        """Each answers only whom ``may`` lets in."""
        of = {
            BOARD: self._board,
            f"{BOARD}.csv": self._board_csv,
            f"{BOARD}.pdf": self._board_pdf,
            DEALS: self._deals,
            f"{DEALS}.csv": self._deals_csv,
            f"{DEALS}.pdf": self._deals_pdf,
        }
        found = [Route(path, self._guarded(answer), methods=["GET"]) for path, answer in of.items()]
        return [*found, Route("/leadership/deal/{system}/{deal}", self._deal_guarded, methods=["GET"])]

    def _guarded(self, answer: Callable[[Request, Asked], Response]) -> Callable[[Request], Response]:
        def guarded(request: Request) -> Response:
            if (away := self.may(request)) is not None:
                return away
            try:
                return answer(request, read(request.query_params, today=self.book.today()))
            except Unclear as unclear:
                return self._trouble(request, BAD_REQUEST, str(unclear))
            except SQLAlchemyError as error:
                return self._failed(request, error)

        return guarded

    def _failed(self, request: Request, error: SQLAlchemyError) -> Response:
        """That the database is away is said, and nothing else is made of it; any other error is a bug and stays one."""
        words = failure(error)
        if not words:
            raise error
        return self._trouble(request, UNAVAILABLE, f"The database fails, so there are no numbers: {words}.")

    def _trouble(self, request: Request, code: int, sentence: str) -> Response:
        return self.show(request, "leadership/trouble.html", code, sentence=sentence, deep=True)

    def _deal_guarded(self, request: Request) -> Response:
        if (away := self.may(request)) is not None:
            return away
        system, deal = request.path_params["system"], request.path_params["deal"]
        try:
            why = why_of(self.book.store, SystemName(system), deal) if system in self.book.systems else None
        except SQLAlchemyError as error:
            return self._failed(request, error)
        if why is None:
            return self._trouble(request, NOT_FOUND, f"The ledger knows no deal {deal[:80]!r} in {system[:40]!r}.")
        return self.show(request, "leadership/deal.html", 200, why=why, deep=True)

    def _board(self, request: Request, asked: Asked) -> Response:
        board = board_of(self.book, asked)
        return self.show(
            request, "leadership/board.html", 200, board=board, stands_still=stands_still, **self._around(asked, BOARD)
        )

    def _board_csv(self, _request: Request, asked: Asked) -> Response:
        return _csv(board_csv(self.book, asked, board_of(self.book, asked, ranged=tuple(MEASURES))), "handoffs")

    def _board_pdf(self, request: Request, asked: Asked) -> Response:
        return self._pdf(request, board_paper(board_of(self.book, asked)), "handoffs")

    def _deals(self, request: Request, asked: Asked) -> Response:
        listing = deals_of(self.book, asked, limit=PAGE, offset=(asked.page - 1) * PAGE)
        return self.show(
            request, "leadership/deals.html", 200, listing=listing, deep=True, **self._around(asked, DEALS)
        )

    def _deals_csv(self, _request: Request, asked: Asked) -> Response:
        return _csv(deals_csv(deals_of(self.book, asked, limit=MOST_EXPORTED, framed=False)), "deals")

    def _deals_pdf(self, request: Request, asked: Asked) -> Response:
        deals = deals_of(self.book, asked, limit=MOST_IN_PAPER)
        return self._pdf(request, deals_paper(deals, asked, f"As of {self.book.now():%Y-%m-%d %H:%M} UTC"), "deals")

    def _around(self, asked: Asked, path: str) -> dict[str, Any]:
        """What stands around the numbers of a view."""
        monday = begin_of(asked.today)
        spans = (("Last four weeks", _later(monday, weeks=9)), *SPANS, ("Last year", _later(monday, weeks=-39)))
        plain = Asked(of=asked.of if path == DEALS else "", since=asked.since, until=asked.until, by=asked.by)
        return {
            "asked": asked,
            "cuts": CUT_WORDS,
            "spans": spans,
            "plain_address": plain.address(path),
            "has_pdf": importlib.util.find_spec("typst") is not None,
        }

    def _pdf(self, request: Request, paper: Paper, name: str) -> Response:
        """One at a time: setting a paper takes a processor for a while, and the passes need one too."""
        try:
            with self.printing:
                body = pdf(paper)
        except UserError as error:
            return self._trouble(request, UNAVAILABLE, str(error))
        return Response(body, media_type="application/pdf", headers=_saved(f"{name}.pdf"))


def _later(monday: date, *, weeks: int) -> str:
    return (monday + timedelta(weeks=weeks)).isoformat()


def _csv(text: str, name: str) -> Response:
    # The mark at the beginning is what makes a spreadsheet read it as UTF-8.
    body = text.encode("utf-8-sig")
    return Response(body, media_type="text/csv; charset=utf-8", headers=_saved(f"{name}.csv"))


def _saved(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}
