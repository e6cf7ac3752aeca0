"""Who may work on what, and which systems stand still.

Not here: locks on outbox rows (a claim carries its own lease) and the SQLite file lock (``filelock``). A lease is
a promise by the clock: whoever holds one must renew it well before it runs out, and stop when that fails.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, bindparam, case, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from connector.handoff.model import SystemName
from connector.store.audit import AuditKind, Entry, write_audit
from connector.store.database import Part
from connector.store.schema import lease
from connector.store.schema import system as system_table

_PAUSED = select(system_table.c.paused_until, system_table.c.pause_reason).where(
    system_table.c.system == bindparam("system"), system_table.c.paused_until > bindparam("now")
)
"""Written once: every pass asks this several times, and putting a statement together takes longer than running it."""

When = ColumnElement[datetime] | datetime


def _taking(fresh: sqlite.Insert | postgresql.Insert, now: When, until: When) -> ReturningInsert[tuple[str]]:
    owner = bindparam("taker", type_=lease.c.owner.type)
    values = {"owner": owner, "until": until}
    changed_hands = case((lease.c.owner == owner, lease.c.epoch), else_=lease.c.epoch + 1)
    statement = fresh.values(name=bindparam("lease_name"), epoch=1, **values)
    return statement.on_conflict_do_update(
        index_elements=["name"],
        set_={**values, "epoch": changed_hands},
        where=or_(lease.c.owner == owner, lease.c.until <= now),
    ).returning(lease.c.name)


_TAKING = _taking(
    sqlite.insert(lease),
    bindparam("moment", type_=lease.c.until.type),
    bindparam("lasts_until", type_=lease.c.until.type),
)
"""Likewise, for SQLite; elsewhere the time is the server's."""


class Leases(Part):
    """Leases by name, and the brake per system."""

    def lease(self, name: str, *, owner: str, ttl: float) -> bool:
        """Take or renew a lease for ``ttl`` seconds; False when somebody else holds it."""
        now = self._db.moment()
        until = now + timedelta(seconds=ttl)
        given: dict[str, object] = {"lease_name": name, "taker": owner}
        if self._db.is_sqlite:
            taking, given = _TAKING, {**given, "moment": now, "lasts_until": until}
        else:
            taking = _taking(postgresql.insert(lease), now, until)
        with self._db.write() as connection:
            return connection.execute(taking, given).one_or_none() is not None

    def release(self, name: str, owner: str) -> None:
        """Give a lease back; nothing happens when it is somebody else's. The row stays, and the count of its hands."""
        mine = update(lease).where(lease.c.name == name, lease.c.owner == owner)
        with self._db.write() as connection:
            connection.execute(mine.values(until=self._db.moment()))

    def pause(self, system: SystemName, *, until: datetime, reason: str) -> None:
        """Let a system stand still until a time."""
        values = {"paused_until": until, "pause_reason": reason}
        statement = self._db.insert(system_table).values(system=system, **values)
        with self._db.write() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["system"], set_=values))
            write_audit(connection, self._db.now(), [_entry(system, AuditKind.PAUSED, reason, until=until.isoformat())])

    def paused(self, system: SystemName) -> tuple[datetime, str] | None:
        """Until when and why a system stands still; None when it does not."""
        with self._db.read() as connection:
            row = connection.execute(_PAUSED, {"system": system, "now": self._db.now()}).one_or_none()
        return None if row is None else (row.paused_until, row.pause_reason or "")

    def resume(self, system: SystemName) -> None:
        """Let a system go on now."""
        with self._db.write() as connection:
            done = connection.execute(
                update(system_table)
                .where(system_table.c.system == system, system_table.c.paused_until.is_not(None))
                .values(paused_until=None, pause_reason=None)
            )
            if done.rowcount:
                write_audit(connection, self._db.now(), [_entry(system, AuditKind.RESUMED, "resumed")])


def _entry(system: SystemName, kind: AuditKind, reason: str, **data: str) -> Entry:
    return Entry(system=system, deal_id=None, generation=0, kind=kind, reason=reason, data=data)
