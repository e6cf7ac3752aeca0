"""Which deals to look at, and when: the inbox, and how far each feed has been read.

Not here: what a look finds. A row is a wish, not an event: any number of changes to a deal are one row, and a look
that is under way never swallows a wish that came in meanwhile, because only the version it took out is cleared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Integer, bindparam, case, delete, func, literal, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from connector.failpoints import Failpoint, passing
from connector.handoff.model import SystemName
from connector.store.database import Database, Part, chunks
from connector.store.roundnote import ROUND
from connector.store.rows import ChangeLike, Look
from connector.store.schema import cursor, handoff, inbox, outbox
from connector.store.states import State

ASIDE = "aside:"
"""With it begin the names of what could not be read and was put aside."""

_CURSOR = select(cursor.c.value).where(cursor.c.system == bindparam("system"), cursor.c.feed == bindparam("feed"))
"""Written once: every pass asks this several times, and putting a statement together takes longer than running it."""

_DUE = (
    select(inbox)
    .where(inbox.c.system == bindparam("system"), inbox.c.due_at <= bindparam("now"))
    .order_by(inbox.c.due_at, inbox.c.deal_id)
    .limit(bindparam("most", type_=Integer))
)


def _putting(fresh: sqlite.Insert | postgresql.Insert) -> sqlite.Insert | postgresql.Insert:
    new = {"value": fresh.excluded.value, "updated_at": fresh.excluded.updated_at}
    return fresh.on_conflict_do_update(index_elements=["system", "feed"], set_=new)


def _wanting(fresh: sqlite.Insert | postgresql.Insert) -> sqlite.Insert | postgresql.Insert:
    new = fresh.excluded
    sooner = or_(inbox.c.due_at.is_(None), new.due_at < inbox.c.due_at)
    return fresh.on_conflict_do_update(
        index_elements=["system", "deal_id"],
        set_={
            "due_at": case((sooner, new.due_at), else_=inbox.c.due_at),
            "reason": case((sooner, new.reason), else_=inbox.c.reason),
            "modified_at": func.coalesce(new.modified_at, inbox.c.modified_at),
            "version": inbox.c.version + literal(1),
        },
    )


_PUT_SQLITE, _PUT_POSTGRES = _putting(sqlite.insert(cursor)), _putting(postgresql.insert(cursor))
_WANT_SQLITE, _WANT_POSTGRES = _wanting(sqlite.insert(inbox)), _wanting(postgresql.insert(inbox))


class Inbox(Part):
    """Looks that are owed, and feed cursors."""

    def enqueue(self, system: SystemName, items: Sequence[Look], *, cursor: tuple[str, str] | None = None) -> None:
        """Ask for looks and, in the same transaction, move a feed's cursor (feed, value). Earlier ``due_at`` wins."""
        with self._db.write() as connection:
            want_looks(self._db, connection, system, items)
            if cursor is not None:
                self._put_cursor(connection, system, *cursor)
            passing(Failpoint.INBOX_OPEN)

    def due(self, system: SystemName, *, limit: int) -> tuple[Look, ...]:
        """The looks that are due now, the longest overdue first."""
        given = {"system": system, "now": self._db.now(), "most": limit}
        with self._db.read() as connection:
            return tuple(
                Look(
                    deal_id=row.deal_id,
                    due_at=row.due_at,
                    reason=row.reason,
                    modified_at=row.modified_at,
                    version=row.version,
                )
                for row in connection.execute(_DUE, given)
            )

    def forget_looks(self, system: SystemName, looks: Sequence[Look]) -> None:
        """Clear looks that need no decision (the deal is gone), unless a newer wish came in."""
        with self._db.write() as connection:
            clear_looks(connection, system, looks)

    def pending_looks(self, system: SystemName) -> int:
        """How many deals wait for a look, due or not."""
        query = select(func.count()).where(inbox.c.system == system, inbox.c.due_at.is_not(None))
        with self._db.read() as connection:
            return connection.execute(query).scalar_one()

    def due_looks(self, system: SystemName) -> int:
        """How many deals should be looked at now."""
        now = self._db.now()
        query = select(func.count()).where(inbox.c.system == system, inbox.c.due_at <= now)
        with self._db.read() as connection:
            return connection.execute(query).scalar_one()

    def next_due(self, system: SystemName) -> datetime | None:
        """When the next look is due; in the past when one is owed already."""
        query = select(func.min(inbox.c.due_at)).where(inbox.c.system == system, inbox.c.due_at.is_not(None))
        with self._db.read() as connection:
            due: datetime | None = connection.execute(query).scalar_one()
        return due

    def cursor(self, system: SystemName, feed: str) -> str | None:
        """How far a feed has been read; None when never."""
        with self._db.read() as connection:
            return connection.execute(_CURSOR, {"system": system, "feed": feed}).scalar_one_or_none()

    def set_cursor(self, system: SystemName, feed: str, value: str) -> None:
        """Set a feed's cursor alone; `enqueue` sets it together with the looks of the page."""
        with self._db.write() as connection:
            self._put_cursor(connection, system, feed, value)

    def rounds(self, system: SystemName) -> Mapping[str, str]:
        """The notes of all rounds, by the round's name."""
        query = select(cursor.c.feed, cursor.c.value).where(
            cursor.c.system == system, cursor.c.feed.startswith(ROUND, autoescape=True)
        )
        with self._db.read() as connection:
            found = {feed.removeprefix(ROUND): value for feed, value in connection.execute(query)}
        return dict(sorted(found.items()))

    def systems_with(self, feed: str, value: str) -> tuple[SystemName, ...]:
        """The systems whose entry under this name has this value."""
        query = select(cursor.c.system).where(cursor.c.feed == feed, cursor.c.value == value).order_by(cursor.c.system)
        with self._db.read() as connection:
            return tuple(SystemName(each) for each in connection.execute(query).scalars())

    def is_echo(self, system: SystemName, changes: Sequence[ChangeLike]) -> set[str]:
        """The deals among these whose change bears the very time one of this connector's own writes left."""
        stamped = [change for change in changes if change.modified_at is not None]
        echoes: set[str] = set()
        with self._db.read() as connection:
            for part in chunks(stamped):
                ours = _own_stamps(connection, system, sorted({change.deal_id for change in part}))
                echoes |= {change.deal_id for change in part if (change.deal_id, change.modified_at) in ours}
        return echoes

    def put_aside(self, system: SystemName, feed: str) -> str:
        """Keep what stands under a name under another one, which is returned; nothing stands under the first then."""
        kept_as = ASIDE + feed
        own = (cursor.c.system == system, cursor.c.feed == feed)
        with self._db.write() as connection:
            value = connection.execute(select(cursor.c.value).where(*own)).scalar_one_or_none()
            if value is not None:
                self._put_cursor(connection, system, kept_as, value)
                connection.execute(delete(cursor).where(*own))
        return kept_as

    def _put_cursor(self, connection: Connection, system: SystemName, feed: str, value: str) -> None:
        new = {"system": system, "feed": feed, "value": value, "updated_at": self._db.now()}
        connection.execute(_PUT_SQLITE if self._db.is_sqlite else _PUT_POSTGRES, new)


def clear_looks(connection: Connection, system: SystemName, looks: Iterable[Look]) -> None:
    """Clear looks inside a transaction that is already open, unless a newer wish came in."""
    for part in chunks(sorted(looks, key=lambda look: look.deal_id)):
        taken = [(look.deal_id, look.version) for look in part]
        these = (inbox.c.system == system, tuple_(inbox.c.deal_id, inbox.c.version).in_(taken))
        # By key, as everybody takes them: an update alone takes rows as it finds them.
        connection.execute(select(inbox.c.deal_id).where(*these).order_by(inbox.c.deal_id).with_for_update()).all()
        connection.execute(update(inbox).where(*these).values(due_at=None))


def want_looks(database: Database, connection: Connection, system: SystemName, items: Iterable[Look]) -> None:
    """Put looks into the inbox inside a transaction that is already open."""
    merged: dict[str, Look] = {}
    for look in items:
        known = merged.get(look.deal_id)
        if known is None or look.due_at < known.due_at:
            merged[look.deal_id] = look
    if not merged:
        return
    rows: list[dict[str, Any]] = [
        {
            "system": system,
            "deal_id": look.deal_id,
            "due_at": look.due_at,
            "reason": look.reason,
            "modified_at": look.modified_at,
            "version": 1,
        }
        for look in sorted(merged.values(), key=lambda look: look.deal_id)
    ]
    connection.execute(_WANT_SQLITE if database.is_sqlite else _WANT_POSTGRES, rows)
    database.wake(connection, "looks", system)


def _own_stamps(connection: Connection, system: SystemName, deal_ids: list[str]) -> set[tuple[str, datetime]]:
    of_deals = select(handoff.c.deal_id, handoff.c.last_write_at).where(
        handoff.c.system == system, handoff.c.deal_id.in_(deal_ids), handoff.c.last_write_at.is_not(None)
    )
    of_rows = select(outbox.c.deal_id, outbox.c.modified_at).where(
        outbox.c.system == system,
        outbox.c.deal_id.in_(deal_ids),
        outbox.c.state == State.APPLIED,
        outbox.c.modified_at.is_not(None),
    )
    return {(row[0], row[1]) for query in (of_deals, of_rows) for row in connection.execute(query)}
