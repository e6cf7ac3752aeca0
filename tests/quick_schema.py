"""The schema of an empty SQLite store without running every migration each time: once for real, then as they left it.

Not here: the migrations' own tests, which run them (``real_migrations``), and PostgreSQL, whose schema is always
migrated. Running them takes a tenth of a second of CPU, and the tests open thousands of stores.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Connection

from connector.store import upgrade

Upgrade = Callable[..., upgrade.Upgraded]
REAL: Upgrade = upgrade.upgrade
HISTORIES = (upgrade.BEFORE.table, upgrade.AFTER.table, "cursor")
"""Tables into which the migrations themselves put rows."""


class Remembered:
    """Does what the migrations did to the first empty database to all that follow."""

    def __init__(self) -> None:
        self._statements: list[str] = []
        self._done: upgrade.Upgraded | None = None

    def __call__(self, connection: Connection, *, after: bool = True) -> upgrade.Upgraded:
        """As `upgrade.upgrade`."""
        if connection.dialect.name != "sqlite" or _made(connection):
            return REAL(connection, after=after)
        if self._done is None:
            done = REAL(connection, after=after)
            self._statements, self._done = [*_made(connection), *_filled(connection)], done
            return done
        for statement in self._statements:
            connection.exec_driver_sql(statement)
        return self._done


def _made(connection: Connection) -> list[str]:
    rows = connection.exec_driver_sql(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
        "ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 ELSE 2 END, rowid"
    )
    return list(rows.scalars())


def _filled(connection: Connection) -> list[str]:
    found = []
    for table in HISTORIES:
        for row in connection.exec_driver_sql(f"SELECT * FROM {table}"):
            values = ", ".join("NULL" if each is None else "'" + str(each).replace("'", "''") + "'" for each in row)
            found.append(f"INSERT INTO {table} VALUES ({values})")
    return found


REMEMBERED = Remembered()


def use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put it in the migrations' place."""
    monkeypatch.setattr(upgrade, "upgrade", REMEMBERED)
