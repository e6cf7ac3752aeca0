"""How far the journal of one portal was read, as it is stored between two times of reading.

Not here: reading it (``journal``). A place means nothing in the journal of another app, and not for ever in its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

KEPT = timedelta(hours=71)
"""The journal holds three days (facts: HubSpot §2c); an hour less, for clocks differ."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far the journal of a portal was read, and what it told then: subscription by object type.

    ``offset`` empty: nothing was in it yet, so that whatever comes is news. None: it was never read. A journal that was
    found empty may have filled and been cut since, so that is not stored. ``at`` is when the entry there was published.
    """

    portal_id: str = ""
    offset: str | None = None
    told: Mapping[str, str] = field(default_factory=dict)
    at: datetime | None = None

    def is_kept(self, now: datetime) -> bool:
        """Whether the journal still holds what follows the place. One that a portal does not refuse, though it is older
        than what is kept, would be taken up with a hole in it."""
        return self.at is None or now - self.at < KEPT

    def dump(self) -> str:
        """As text."""
        return json.dumps(
            {
                "portal": self.portal_id,
                "offset": self.offset,
                "told": dict(sorted(self.told.items())),
                "at": self.at.isoformat() if self.at else None,
            },
            separators=(",", ":"),
        )

    @classmethod
    def parse(cls, text: str | None, portal_id: str) -> Place:
        """From a text that `dump` made. One that is none, or of another portal, counts as nothing read yet."""
        try:
            data = json.loads(text or "{}")
            offset, told = data["offset"], {str(each): str(id_) for each, id_ in data["told"].items()}
            if str(data["portal"]) == portal_id and offset and isinstance(offset, str):
                return cls(portal_id, offset, told, datetime.fromisoformat(data["at"]) if data["at"] else None)
        except (ValueError, KeyError, TypeError, AttributeError):
            pass
        return cls(portal_id)
