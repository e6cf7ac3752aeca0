"""How old a ledger is, and what an old copy must forget.

Not here: how an old copy is told (``store``, by the note beside the file) and made (``backup``).
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from connector.handoff.model import SystemName
from connector.store.audit import AuditKind, Entry, write_audit
from connector.store.database import Part
from connector.store.schema import audit, written
from connector.store.schema import system as system_table

FORGOTTEN = (
    "this ledger is a copy of earlier: what was last written to the CRM is no longer known, so a value that differs "
    "from what is wanted counts as the connector's own"
)


class Age(Part):
    """Reading and mending a ledger's age."""

    def last_entry(self) -> int:
        """The number of the last audit row, which only ever grows; 0 when there is none."""
        with self._db.read() as connection:
            return int(connection.execute(select(func.max(audit.c.id))).scalar_one() or 0)

    def forget_written(self) -> None:
        """Forget what was last written, on all systems, and say so in the audit trail."""
        with self._db.write() as connection:
            forget_written(connection, self._db.now())


def forget_written(connection: Connection, at: datetime, *, by: str = "") -> None:
    """Of a value written since, an old copy would say that a person did it, and leave it alone for ever.

    ``by``: who put the copy there, where that is known.
    """
    connection.execute(delete(written))
    systems = connection.execute(select(system_table.c.system).order_by(system_table.c.system)).scalars().all()
    write_audit(
        connection, at, [Entry(SystemName(each), None, 0, AuditKind.RESTORED, FORGOTTEN, by=by) for each in systems]
    )
