"""What a person lets stand still: a whole system, or one rule of it and the deals it had something for.

Not here: what stands still then (``engine``). Pauses outlive a restart and are shared by replicas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, or_, select

from connector.handoff.model import SystemName
from connector.store.audit import AuditKind, Entry, write_audit
from connector.store.database import Part, chunks
from connector.store.heldrows import HoldKind, Pause, hold_row, pause_of
from connector.store.inbox import clear_looks, want_looks
from connector.store.rows import Look
from connector.store.schema import hold, outbox
from connector.store.states import State

_PAUSES = (
    select(hold)
    .where(
        hold.c.system == bindparam("system"),
        hold.c.kind == HoldKind.PAUSE.value,
        or_(hold.c.until.is_(None), hold.c.until > bindparam("now")),
    )
    .order_by(hold.c.name)
)
_OVER = select(hold).where(
    hold.c.system == bindparam("system"), hold.c.kind == HoldKind.PAUSE.value, hold.c.until <= bindparam("now")
)
"""Written once: every pass asks this several times, and putting a statement together takes longer than running it."""


class Pauses(Part):
    """Pauses, and what waits for their end."""

    def pause_by_hand(
        self, system: SystemName, *, rule: str = "", until: datetime | None = None, by: str, why: str = ""
    ) -> None:
        """Let a system, or one rule of it, stand still until a time or until it is resumed. Survives restarts.

        Deals with writes on their way are looked at again, so that what a paused rule wanted is taken back.
        """
        now = self._db.now()
        statement = self._db.insert(hold)
        fresh = statement.excluded
        row = hold_row(system, HoldKind.PAUSE, name=rule, state="", cause="", at=now)
        with self._db.write() as connection:
            connection.execute(
                statement.values(**{**row, "until": until, "who": by, "why": why}).on_conflict_do_update(
                    index_elements=["system", "kind", "name"],
                    set_={name: fresh[name] for name in ("at", "until", "who", "why")},
                )
            )
            if rule:
                waiting = select(outbox.c.deal_id).distinct()
                waiting = waiting.where(outbox.c.system == system, outbox.c.state == State.PENDING)
                ids = connection.execute(waiting).scalars().all()
                look = f"the rule {rule} was paused"
                want_looks(self._db, connection, system, [Look(deal_id=each, due_at=now, reason=look) for each in ids])
            data = {"rule": rule, "until": until.isoformat() if until else None}
            write_audit(connection, now, [Entry(system, None, 0, AuditKind.PAUSED, why or "paused", data, by=by)])

    def resume_by_hand(self, system: SystemName, *, rule: str = "", by: str, why: str = "resumed") -> bool:
        """End a pause. Deals that a rule had something for are looked at now. False when there was none."""
        now = self._db.now()
        of_pause = (hold.c.system == system, hold.c.kind == HoldKind.PAUSE.value, hold.c.name == rule)
        waits = (hold.c.system == system, hold.c.kind == HoldKind.WAITS.value)
        with self._db.write() as connection:
            if not connection.execute(delete(hold).where(*of_pause)).rowcount:
                return False
            if rule:
                found = connection.execute(select(hold.c.name, hold.c.cause).where(*waits)).all()
                ids = [name for name, rules in found if rule in rules.split(",")]
                for part in chunks(ids):
                    connection.execute(delete(hold).where(*waits, hold.c.name.in_(part)))
                look = f"the rule {rule} goes on"
                want_looks(self._db, connection, system, [Look(deal_id=each, due_at=now, reason=look) for each in ids])
            write_audit(connection, now, [Entry(system, None, 0, AuditKind.RESUMED, why, {"rule": rule}, by=by)])
            return True

    def pauses(self, system: SystemName) -> tuple[Pause, ...]:
        """What a person lets stand still now, the whole system first."""
        with self._db.read() as connection:
            found = connection.execute(_PAUSES, {"system": system, "now": self._db.now()})
            return tuple(pause_of(row) for row in found)

    def pauses_over(self, system: SystemName) -> tuple[Pause, ...]:
        """Pauses whose time has come."""
        with self._db.read() as connection:
            found = connection.execute(_OVER, {"system": system, "now": self._db.now()})
            return tuple(pause_of(row) for row in found)

    def wait_for_rules(self, system: SystemName, waits: Mapping[str, str], looks: Sequence[Look]) -> None:
        """Note that paused rules (names with commas, by deal id) have something for these deals; answer ``looks``."""
        now = self._db.now()
        with self._db.write() as connection:
            statement = self._db.insert(hold)
            if waits:
                connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=["system", "kind", "name"], set_={"cause": statement.excluded.cause}
                    ),
                    [
                        hold_row(system, HoldKind.WAITS, name=deal_id, state="", cause=rules, at=now)
                        for deal_id, rules in sorted(waits.items())
                    ],
                )
            clear_looks(connection, system, looks)

    def waiting_for(self, system: SystemName, rule: str) -> int:
        """How many deals a paused rule has something for."""
        query = select(hold.c.cause).where(hold.c.system == system, hold.c.kind == HoldKind.WAITS.value)
        with self._db.read() as connection:
            return sum(rule in rules.split(",") for rules in connection.execute(query).scalars())
