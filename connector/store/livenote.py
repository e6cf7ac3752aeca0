"""What the listener leaves in the store: how far it has heard, and for people how its lines stand.

Not here: listening. The note is for the status page and for ``handoff status`` in another process; it goes stale when
nobody renews it, so that a listener that died does not look alive.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connector.clock import zoned

LIVE_CURSOR = "live"
"""Under this name, beside the polled feeds' cursors, stands the cursor over all live lines."""

LIVE_NOTE = "live-note"
"""Beside it, the note."""

FRESH = timedelta(seconds=90)
"""A note older than this is of a listener that is no more; it is renewed every `RENEW` seconds."""

RENEW = 30.0


@dataclass(frozen=True, slots=True)
class LiveNote:
    """How the lines stood at a time: name -> why it is not live, empty for one that is."""

    at: datetime
    last_event: datetime | None = None
    lines: Mapping[str, str] = field(default_factory=dict)

    def dump(self) -> str:
        """As text."""
        last = self.last_event.isoformat() if self.last_event else None
        return json.dumps({"at": self.at.isoformat(), "last_event": last, "lines": dict(self.lines)})

    @classmethod
    def parse(cls, text: str | None, *, now: datetime) -> LiveNote | None:
        """From a text that `dump` made; None for none, and for one that is stale."""
        if not text:
            return None
        told = json.loads(text)
        last = told["last_event"]
        lines = {str(line): str(why) for line, why in told["lines"].items()}
        note = cls(zoned(told["at"]), zoned(last) if last else None, lines)
        return note if now - note.at <= FRESH else None
