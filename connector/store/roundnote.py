"""How far a round has come: what the engine goes on from after a restart, and what people are told.

Not here: going through a round (``engine.rounds``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from connector.clock import zoned

ROUND = "round:"
"""With it begin the names of all notes of rounds."""


def round_cursor(name: str) -> str:
    """The name under which a round's note stands, beside the polled feeds' cursors."""
    return f"{ROUND}{name}"


@dataclass(frozen=True, slots=True)
class RoundNote:
    """One kind of round: the one under way, or the one before it when ``place`` is None.

    ``began``, and ``since``, when the round before it did, are by the CRM's clock, ``paged_at`` (the last page read)
    and ``ended`` by ours. ``rows`` were read in ``pages``, of about ``of`` in all (0: nobody knows), and because of it
    ``found`` deals were looked at again.
    """

    began: datetime
    since: datetime
    paged_at: datetime
    place: str | None = None
    ended: datetime | None = None
    pages: int = 0
    rows: int = 0
    of: int = 0
    found: int = 0

    def dump(self) -> str:
        """As text."""
        ended = self.ended.isoformat() if self.ended else None
        counted = [self.pages, self.rows, self.of, self.found]
        times = [self.began.isoformat(), self.since.isoformat(), self.paged_at.isoformat(), ended]
        return json.dumps([times, counted, self.place])

    @classmethod
    def parse(cls, text: str | None) -> RoundNote | None:
        """From a text that `dump` made; None for none."""
        if not text:
            return None
        (began, since, paged_at, ended), (pages, rows, of, found), place = json.loads(text)
        return cls(
            began=zoned(began),
            since=zoned(since),
            paged_at=zoned(paged_at),
            place=None if place is None else str(place),
            ended=zoned(ended) if ended else None,
            pages=int(pages),
            rows=int(rows),
            of=int(of),
            found=int(found),
        )
