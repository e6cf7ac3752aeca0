"""The playbooks that handoffs began with, each once by its version, and which steps an older handoff had.

Not here: what a playbook means (``handoff``) and the files it was written in (``policies``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from connector.handoff.playbook_text import read, text_of, version_of
from connector.handoff.rulebook.playbooks import Playbook
from connector.store import codec
from connector.store.database import Database
from connector.store.schema import playbook


def keep_playbooks(database: Database, connection: Connection, books: Iterable[Playbook], now: datetime) -> None:
    """Remember these playbooks; those that are known already stay as they are."""
    rows = {version_of(book): {"content": text_of(book), "at": now} for book in books}
    if not rows:
        return
    statement = database.insert(playbook).on_conflict_do_nothing(index_elements=["version"])
    connection.execute(statement, [{"version": version, **row} for version, row in sorted(rows.items())])


def playbooks_of(connection: Connection, rows: Iterable[Row[Any]]) -> Mapping[str, Playbook]:
    """The playbooks that these handoff rows name, by version; one whose text cannot be read is left out."""
    versions = sorted({row.playbook for row in rows if row.playbook})
    if not versions:
        return {}
    found: dict[str, Playbook] = {}
    query = select(playbook.c.version, playbook.c.content).where(playbook.c.version.in_(versions))
    for version, content in connection.execute(query):
        try:
            found[version] = read(content)
        except ValueError:
            continue
    return found


def steps_before(row: Row[Any], effects: Iterable[str]) -> frozenset[str] | None:
    """The steps of a handoff that began before its playbook was kept; None where its playbook is kept, or it has not
    begun."""
    if row.playbook or row.released_at is None:
        return None
    plan = codec.loads(row.plan) if row.plan else {}
    decided = (str(task["step"]) for task in plan.get("tasks", ()))
    return frozenset((*decided, *effects, *codec.loads(row.done_signals)))
