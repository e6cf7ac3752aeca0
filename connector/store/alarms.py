"""What people were told, or are to be told: alarms, each under a name of its own, until its cause is gone.

Not here: raising them (``engine.alarms``). A note stands beside the feeds' cursors, so that an alarm outlives a restart
and is told once by all replicas together.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, select

from connector.clock import zoned
from connector.handoff.model import SystemName
from connector.store.database import Part
from connector.store.schema import cursor

ALARM = "alarm:"
"""With it begin the names of all alarms."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something a person should see to. ``text`` says what is the matter, ``next`` what to do.

    ``since`` when it was seen first, ``told_at`` when people were told last; None while nobody could be.
    ``stops``: work waits because of it, so that readiness turns red.
    """

    name: str
    subject: str
    text: str
    next: str
    since: datetime
    told_at: datetime | None = None
    stops: bool = False

    def dump(self) -> str:
        """As text."""
        told = self.told_at.isoformat() if self.told_at else None
        return json.dumps([self.subject, self.text, self.next, self.since.isoformat(), told, self.stops])

    @classmethod
    def parse(cls, name: str, text: str) -> Alarm:
        """From a text that `dump` made."""
        subject, words, following, since, told, stops = json.loads(text)
        return cls(
            name=name,
            subject=str(subject),
            text=str(words),
            next=str(following),
            since=zoned(since),
            told_at=zoned(told) if told else None,
            stops=bool(stops),
        )


_ALARMS = (
    select(cursor.c.feed, cursor.c.value)
    .where(cursor.c.system == bindparam("system"), cursor.c.feed.startswith(ALARM, autoescape=True))
    .order_by(cursor.c.feed)
)
_STANDS = select(cursor.c.feed).where(cursor.c.system == bindparam("system"), cursor.c.feed == bindparam("feed"))
"""Written once: every pass asks this several times, and putting a statement together takes longer than running it."""


class Alarms(Part):
    """Alarms by system and name."""

    def alarms(self, system: SystemName) -> tuple[Alarm, ...]:
        """All that stand, by name; a note that cannot be read is none."""
        with self._db.read() as connection:
            found = connection.execute(_ALARMS, {"system": system}).all()
        alarms = (_alarm(feed.removeprefix(ALARM), value) for feed, value in found)
        return tuple(each for each in alarms if each is not None)

    def forget_alarm(self, system: SystemName, name: str) -> bool:
        """Its cause is gone; False when it did not stand."""
        with self._db.read() as connection:
            if connection.execute(_STANDS, {"system": system, "feed": ALARM + name}).first() is None:
                return False
        with self._db.write() as connection:
            gone = connection.execute(delete(cursor).where(cursor.c.system == system, cursor.c.feed == ALARM + name))
            return bool(gone.rowcount)


def _alarm(name: str, text: str) -> Alarm | None:
    try:
        return Alarm.parse(name, text)
    except (ValueError, TypeError):
        return None
