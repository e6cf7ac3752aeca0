"""Parked rows a person gave up, and taking that back.

Not here: parking (``settle``) and trying again (``outbox``). A drop holds for the very write it was said of: the next
decision does not ask for it again, until something else is to be written in its place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, func, select, update

from connector.handoff.model import SystemName
from connector.store import codec
from connector.store.audit import AuditKind, Entry, write_audit
from connector.store.database import Part, chunks
from connector.store.inbox import want_looks
from connector.store.rows import Look
from connector.store.schema import hold, outbox
from connector.store.states import State, arrive

DROP = "drop"
"""The kind of rows in ``hold`` that say which writes of a deal were given up."""

Dropped = Mapping[tuple[str, int, str], str]
"""Digest of the write that was given up, by deal, generation and step."""


_PARKED_SINCE = select(func.min(func.coalesce(outbox.c.settled_at, outbox.c.created_at)), func.count()).where(
    outbox.c.system == bindparam("system"), outbox.c.state == State.PARKED.value
)
"""Written once: every pass asks this, and putting a statement together takes longer than running it."""


class Drops(Part):
    """Giving up what is parked."""

    def drop_parked(self, ids: Sequence[int], *, by: str, why: str) -> int:
        """Give parked rows up for good; returns how many. What else is decided for their deals goes on."""
        now = self._db.now()
        with self._db.write() as connection:
            rows = _rows(connection, ids, State.PARKED)
            for part in chunks([row.id for row in rows]):
                gone = arrive(State.PARKED, (State.SUPERSEDED,))
                connection.execute(update(outbox).where(outbox.c.id.in_(part)).values(state=gone, settled_at=now))
            for (system, deal_id), of_deal in _by_deal(rows).items():
                known = _known(connection, system, deal_id)
                for row in of_deal:
                    known[f"{row.generation}:{row.step}"] = {"digest": row.digest, "row": row.id}
                self._put(connection, system, deal_id, known)
            write_audit(connection, now, [_entry(row, AuditKind.DROPPED, why, by=by) for row in rows])
            return len(rows)

    def parked_since(self, system: SystemName) -> tuple[datetime | None, int]:
        """Since when the longest parked row is, and how many are."""
        with self._db.read() as connection:
            row = connection.execute(_PARKED_SINCE, {"system": system}).one()
        return row[0], row[1]

    def undo_drop(self, ids: Sequence[int], *, by: str) -> int:
        """Take drops back; returns how many. Their deals are looked at, and what they still lack is sent again."""
        now = self._db.now()
        undone: list[Row[Any]] = []
        with self._db.write() as connection:
            rows = _rows(connection, ids, State.SUPERSEDED)
            for (system, deal_id), of_deal in _by_deal(rows).items():
                known = _known(connection, system, deal_id)
                back = [row for row in of_deal if known.get(f"{row.generation}:{row.step}", {}).get("row") == row.id]
                for row in back:
                    del known[f"{row.generation}:{row.step}"]
                undone += back
                self._put(connection, system, deal_id, known)
                if back:
                    look = Look(deal_id=deal_id, due_at=now, reason=f"a drop was taken back by {by}")
                    want_looks(self._db, connection, SystemName(system), [look])
            entries = [_entry(row, AuditKind.RETRIED, "a drop was taken back", by=by) for row in undone]
            write_audit(connection, now, entries)
            return len(undone)

    def _put(self, connection: Connection, system: str, deal_id: str, known: Mapping[str, Any]) -> None:
        where = and_(hold.c.system == system, hold.c.kind == DROP, hold.c.name == deal_id)
        connection.execute(delete(hold).where(where))
        if known:
            row = {"system": system, "kind": DROP, "name": deal_id, "state": "", "cause": "", "at": self._db.now()}
            row |= {"who": "", "why": "", "what": codec.dumps(dict(known))}
            connection.execute(hold.insert().values(**row))


def dropped_of(connection: Connection, system: SystemName, deal_ids: Sequence[str]) -> Dropped:
    """What was given up of these deals."""
    found: dict[tuple[str, int, str], str] = {}
    for part in chunks(deal_ids):
        query = select(hold.c.name, hold.c.what).where(
            hold.c.system == system, hold.c.kind == DROP, hold.c.name.in_(part)
        )
        for name, what in connection.execute(query):
            for key, told in codec.loads(what).items():
                generation, _, step = key.partition(":")
                found[name, int(generation), step] = told["digest"]
    return found


def _known(connection: Connection, system: str, deal_id: str) -> dict[str, Any]:
    query = select(hold.c.what).where(hold.c.system == system, hold.c.kind == DROP, hold.c.name == deal_id)
    what = connection.execute(query).scalar_one_or_none()
    return dict(codec.loads(what)) if what else {}


def _rows(connection: Connection, ids: Sequence[int], state: State) -> list[Row[Any]]:
    found: list[Row[Any]] = []
    for part in chunks(sorted(set(ids))):
        query = select(outbox).where(outbox.c.id.in_(part), outbox.c.state == state.value)
        found += connection.execute(query.order_by(outbox.c.id).with_for_update()).all()
    return found


def _by_deal(rows: Iterable[Row[Any]]) -> dict[tuple[str, str], list[Row[Any]]]:
    found: dict[tuple[str, str], list[Row[Any]]] = defaultdict(list)
    for row in rows:
        found[row.system, row.deal_id].append(row)
    return dict(sorted(found.items()))


def _entry(row: Row[Any], kind: AuditKind, reason: str, *, by: str) -> Entry:
    data = {"row": row.id, "step": row.step, "vendor_code": row.vendor_code}
    return Entry(SystemName(row.system), row.deal_id, row.generation, kind, reason, data, by=by)
