"""Handoffs that a person moves from the playbook they began with to another, and back.

Not here: which playbook that is (``handoff.migration``). What was moved stays moved though a decision that was made
before is recorded after it: the version that a person chose stands beside the one the ledger keeps (``record``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select, update

from connector.handoff.model import SystemName
from connector.handoff.plan import Phase
from connector.handoff.playbook_text import read, version_of
from connector.handoff.rulebook.playbooks import Playbook
from connector.store.audit import AuditKind, Entry, write_audit
from connector.store.database import Part, chunks
from connector.store.inbox import want_looks
from connector.store.playbooks import keep_playbooks
from connector.store.rows import Look
from connector.store.schema import handoff, playbook

MOVED = "moved to another playbook"


@dataclass(frozen=True, slots=True)
class Moving:
    """One handoff and the playbooks it moves between."""

    deal_id: str
    generation: int
    before: Playbook
    after: Playbook


class Movings(Part):
    """Handoffs that run, and moving them."""

    def running(self, system: SystemName) -> tuple[str, ...]:
        """The deals whose handoffs are under way, by id."""
        query = (
            select(handoff.c.deal_id)
            .where(
                handoff.c.system == system,
                handoff.c.phase == Phase.IN_FLIGHT.value,
                handoff.c.released_at.is_not(None),
            )
            .order_by(handoff.c.deal_id)
        )
        with self._db.read() as connection:
            return tuple(connection.execute(query).scalars())

    def move_playbooks(self, system: SystemName, moves: Sequence[Moving], *, by: str) -> int:
        """Let these handoffs go on by another playbook, all or none; returns how many. Each is looked at now, and one
        that was won anew meanwhile is left as it is."""
        now = self._db.now()
        moved: list[Moving] = []
        with self._db.write() as connection:
            keep_playbooks(self._db, connection, (book for one in moves for book in (one.before, one.after)), now)
            for one in moves:
                changed = connection.execute(
                    update(handoff)
                    .where(
                        handoff.c.system == system,
                        handoff.c.deal_id == one.deal_id,
                        handoff.c.generation == one.generation,
                    )
                    .values(
                        playbook=version_of(one.after),
                        moved_from=version_of(one.before),
                        moved_to=moved_to(one.generation, version_of(one.after)),
                    )
                )
                moved += [one] if changed.rowcount else []
            looks = [Look(deal_id=one.deal_id, due_at=now, reason=MOVED) for one in moved]
            want_looks(self._db, connection, system, looks)
            write_audit(connection, now, [_entry(system, one, by) for one in moved])
        return len(moved)

    def moved(self, system: SystemName, deal_ids: Sequence[str]) -> tuple[Moving, ...]:
        """Those of these handoffs that were moved, each as the way back."""
        found: list[Moving] = []
        with self._db.read() as connection:
            for part in chunks(sorted(set(deal_ids))):
                query = select(handoff).where(
                    handoff.c.system == system, handoff.c.deal_id.in_(part), handoff.c.moved_from.is_not(None)
                )
                rows = [row for row in connection.execute(query) if is_moved(row.moved_to, row.generation)]
                versions = {version for row in rows for version in (row.playbook, row.moved_from)}
                of = select(playbook.c.version, playbook.c.content).where(playbook.c.version.in_(sorted(versions)))
                books = {version: read(content) for version, content in connection.execute(of)}
                found += [
                    Moving(row.deal_id, row.generation, before=books[row.playbook], after=books[row.moved_from])
                    for row in rows
                    if row.playbook in books and row.moved_from in books
                ]
        return tuple(found)


def moved_to(generation: int, version: str) -> str:
    """What a person chose for this generation, as it is kept."""
    return f"{generation}:{version}"


def is_moved(kept: str | None, generation: int) -> bool:
    """Whether what is kept was chosen for this generation: a deal that is won anew begins with the present playbook."""
    return bool(kept) and str(kept).startswith(f"{generation}:")


def _entry(system: SystemName, one: Moving, by: str) -> Entry:
    data = {
        "from": {"name": one.before.name, "version": version_of(one.before)},
        "to": {"name": one.after.name, "version": version_of(one.after)},
    }
    return Entry(system, one.deal_id, one.generation, AuditKind.MOVED, MOVED, data, by=by)
