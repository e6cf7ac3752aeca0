"""Deals that are held until a person saw them, and how they are let go.

Not here: when to hold (``engine.masschange``), what is counted for that (``gains``) and what is sent (``outbox``). All
of it outlives a restart and is shared by replicas. A held deal has no decision recorded: it is decided anew, from how
it stands then, when it is let go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, func, select, text, update

from connector.handoff.model import SystemName
from connector.store.audit import AuditKind, Entry, write_audit
from connector.store.database import Part, chunks
from connector.store.gains import Win, acted_on, has_handoff
from connector.store.heldrows import (
    EARLY,
    HELD_UNTIL,
    HeldDeal,
    HoldKind,
    HoldState,
    held_of,
    of_deals,
    row_of,
    states_of,
)
from connector.store.inbox import clear_looks, want_looks
from connector.store.rows import Look
from connector.store.schema import gain, handoff, hold, outbox
from connector.store.states import OPEN, State, arrive, state_in

_UNFINISHED = text(state_in((*OPEN, State.PARKED), "outbox.state"))


_HELD_COUNTS = (
    select(hold.c.cause, func.count())
    .where(
        hold.c.system == bindparam("system"),
        hold.c.kind == HoldKind.DEAL.value,
        hold.c.state == HoldState.HELD.value,
    )
    .group_by(hold.c.cause)
)
"""Written once: every pass asks this, and putting a statement together takes longer than running it."""


class Holds(Part):
    """What is held, and letting it go."""

    def hold_deals(self, system: SystemName, held: Sequence[HeldDeal], looks: Sequence[Look], *, stop: str) -> int:
        """Hold these deals and answer their looks, in one transaction. Returns how many were not held before.

        What a person has released or dropped since they were judged stays so; the look asked for then finds it.
        ``stop`` is told in the audit trail, once for all of them.
        """
        now = self._db.now()
        with self._db.write() as connection:
            before = states_of(connection, system, [one.deal_id for one in held])
            held = [one for one in held if before.get(one.deal_id, HoldState.HELD) is HoldState.HELD]
            _set_rows(connection, system, [one.deal_id for one in held], at=now, free_at=HELD_UNTIL)
            new = [one for one in held if one.deal_id not in before]
            statement = self._db.insert(hold)
            fresh = statement.excluded
            if held:
                connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=["system", "kind", "name"],
                        set_={
                            name: fresh[name] for name in ("state", "cause", "why", "what", "at", "who", "decided_at")
                        },
                        where=hold.c.state == HoldState.HELD.value,
                    ),
                    [row_of(one) for one in sorted(held, key=lambda one: one.deal_id)],
                )
            after = states_of(connection, system, [one.deal_id for one in held])
            released = [each for each, state in after.items() if state is HoldState.RELEASED]
            _set_rows(connection, system, released, at=now, free_at=now)
            clear_looks(connection, system, looks)
            if new:
                data = {"deals": len(new), "first": [one.deal_id for one in new[:20]]}
                entry = Entry(system, None, 0, AuditKind.STOPPED, stop, data)
                each = [Entry(system, one.deal_id, 0, AuditKind.STOPPED, stop, dict(one.what)) for one in new]
                write_audit(connection, now, [entry, *each])
            return len(new)

    def holds(self, system: SystemName, deal_ids: Sequence[str]) -> Mapping[str, HeldDeal]:
        """How those of these deals stand that are, or were of late, held."""
        found: dict[str, HeldDeal] = {}
        with self._db.read() as connection:
            for part in chunks(deal_ids):
                query = of_deals(system).where(hold.c.name.in_(part))
                found.update({row.name: held_of(row) for row in connection.execute(query)})
        return found

    def holds_of_rows(self, ids: Sequence[int], *, standing: State) -> Mapping[int, HoldState]:
        """How the deals of those of these rows are held or were let go that stand so; rows of other deals miss."""
        found: dict[int, HoldState] = {}
        of_deal = and_(hold.c.system == outbox.c.system, hold.c.name == outbox.c.deal_id)
        query = select(outbox.c.id, hold.c.state).join(hold, of_deal)
        query = query.where(hold.c.kind == HoldKind.DEAL.value, outbox.c.state == standing.value)
        with self._db.read() as connection:
            for part in chunks(ids):
                found |= {row[0]: HoldState(row[1]) for row in connection.execute(query.where(outbox.c.id.in_(part)))}
        return found

    def not_held(self, system: SystemName, deal_ids: Sequence[str]) -> tuple[str, ...]:
        """Those of these deals that neither wait for a person nor were let be by one; what was kept back of a deal
        before its win does not count."""
        states = self.holds(system, deal_ids)
        away = {each for each, one in states.items() if one.state is not HoldState.RELEASED and one.cause != EARLY}
        return tuple(each for each in deal_ids if each not in away)

    def dropped_deals(self, system: SystemName) -> frozenset[str]:
        """The deals that people let be."""
        query = select(hold.c.name).where(
            hold.c.system == system, hold.c.kind == HoldKind.DEAL.value, hold.c.state == HoldState.DROPPED.value
        )
        with self._db.read() as connection:
            return frozenset(connection.execute(query).scalars())

    def acted_wins(self, system: SystemName, deal_ids: Sequence[str]) -> tuple[Win, ...]:
        """The wins of these deals, of those that were decided to act on and nobody holds."""
        found: list[Win] = []
        free = self.not_held(system, deal_ids)
        query = select(handoff.c.won_at, has_handoff().label("handed")).where(*acted_on(system))
        with self._db.read() as connection:
            for part in chunks(free):
                rows = connection.execute(query.where(handoff.c.deal_id.in_(part)))
                found += [Win(row.won_at, handed=bool(row.handed)) for row in rows]
        return tuple(found)

    def held(
        self, system: SystemName, *, state: HoldState = HoldState.HELD, limit: int | None = None
    ) -> tuple[HeldDeal, ...]:
        """Held deals (or those in another state), the longest waiting first."""
        query = of_deals(system).where(hold.c.state == state.value).order_by(hold.c.at, hold.c.name)
        with self._db.read() as connection:
            return tuple(held_of(row) for row in connection.execute(query.limit(limit)))

    def held_counts(self, system: SystemName) -> Mapping[str, int]:
        """How many deals are held, by the sort of stop."""
        with self._db.read() as connection:
            return {row[0]: row[1] for row in connection.execute(_HELD_COUNTS, {"system": system})}

    def release_held(self, system: SystemName, deal_ids: Sequence[str] | None = None, *, by: str) -> int:
        """Let held deals go, these or all; returns how many. They are looked at now, and sent as they stand then."""
        return self._decide(system, deal_ids, HoldState.RELEASED, by=by, why="released")

    def drop_held(self, system: SystemName, deal_ids: Sequence[str], *, by: str, why: str) -> int:
        """Let these held wins be: nothing of them is sent, until they are won anew. Returns how many."""
        return self._decide(system, deal_ids, HoldState.DROPPED, by=by, why=why)

    def take_back_drop(self, system: SystemName, deal_ids: Sequence[str], *, by: str) -> int:
        """Wins that were dropped are to have their handoffs after all; returns how many. They go as released ones."""
        now = self._db.now()
        where = (hold.c.system == system, hold.c.kind == HoldKind.DEAL.value, hold.c.state == HoldState.DROPPED.value)
        with self._db.write() as connection:
            found: list[str] = []
            for part in chunks(sorted(set(deal_ids))):
                found += connection.execute(
                    update(hold)
                    .where(*where, hold.c.name.in_(part))
                    .values(state=HoldState.RELEASED.value, who=by, decided_at=None)
                    .returning(hold.c.name)
                ).scalars()
            look = f"a drop was taken back by {by}"
            want_looks(self._db, connection, system, [Look(deal_id=each, due_at=now, reason=look) for each in found])
            why = "a drop was taken back"
            write_audit(
                connection, now, [Entry(system, each, 0, AuditKind.RELEASED, why, by=by) for each in sorted(found)]
            )
            return len(found)

    def no_longer_held(self, system: SystemName, deal_ids: Sequence[str], *, state: HoldState = HoldState.HELD) -> None:
        """Forget that these are held, or dropped: nothing would be changed on them any more, or they were won anew."""
        if not deal_ids:
            return
        now = self._db.now()
        with self._db.write() as connection:
            _set_rows(connection, system, deal_ids, at=now, free_at=now)
            for part in chunks(deal_ids):
                connection.execute(
                    delete(hold).where(
                        hold.c.system == system,
                        hold.c.kind == HoldKind.DEAL.value,
                        hold.c.name.in_(part),
                        hold.c.state == state.value,
                    )
                )

    def passed(self, system: SystemName, deal_ids: Sequence[str]) -> None:
        """Note that deals which were released have been decided; they stay exempt for a while."""
        if not deal_ids:
            return
        now = self._db.now()
        with self._db.write() as connection:
            for part in chunks(deal_ids):
                connection.execute(
                    update(hold)
                    .where(
                        hold.c.system == system,
                        hold.c.kind == HoldKind.DEAL.value,
                        hold.c.name.in_(part),
                        hold.c.state == HoldState.RELEASED.value,
                        hold.c.decided_at.is_(None),
                    )
                    .values(decided_at=now)
                )

    def forget_released(self, system: SystemName, *, before: datetime) -> None:
        """Exempt no longer those released deals that were decided before a time."""
        with self._db.write() as connection:
            connection.execute(
                delete(hold).where(
                    hold.c.system == system,
                    hold.c.kind == HoldKind.DEAL.value,
                    hold.c.state == HoldState.RELEASED.value,
                    hold.c.decided_at <= before,
                )
            )

    def _decide(
        self, system: SystemName, deal_ids: Sequence[str] | None, state: HoldState, *, by: str, why: str
    ) -> int:
        now = self._db.now()
        kind = AuditKind.RELEASED if state is HoldState.RELEASED else AuditKind.DROPPED
        where: list[ColumnElement[bool]] = [hold.c.system == system, hold.c.kind == HoldKind.DEAL.value]
        where.append(hold.c.state == HoldState.HELD.value)
        with self._db.write() as connection:
            found = connection.execute(select(hold.c.name).where(*where).order_by(hold.c.name)).scalars().all()
            wanted = None if deal_ids is None else set(deal_ids)
            chosen = [each for each in found if wanted is None or each in wanted]
            _set_rows(connection, system, chosen, at=now, free_at=now if state is HoldState.RELEASED else None)
            for part in chunks(chosen):
                connection.execute(
                    update(hold).where(*where, hold.c.name.in_(part)).values(state=state.value, who=by, decided_at=None)
                )
                connection.execute(delete(gain).where(gain.c.system == system, gain.c.deal_id.in_(part)))
            look = f"{why} by {by}"
            want_looks(self._db, connection, system, [Look(deal_id=each, due_at=now, reason=look) for each in chosen])
            write_audit(connection, now, [Entry(system, each, 0, kind, why, by=by) for each in chosen])
            return len(chosen)


def _set_rows(
    connection: Connection, system: SystemName, deal_ids: Sequence[str], *, at: datetime, free_at: datetime | None
) -> None:
    """Let what waits for these deals be sent from a time on; without one it is taken back."""
    # By id, as everybody takes them, and all before any is changed: an update alone takes rows as it finds them. Those
    # being sent or parked too: whoever makes one wait again has then either done so before, or sees what becomes of the
    # deal here.
    unfinished: list[int] = []
    for part in chunks(sorted(deal_ids)):
        query = select(outbox.c.id).where(outbox.c.system == system, outbox.c.deal_id.in_(part), _UNFINISHED)
        unfinished += connection.execute(query).scalars()
    for ids in chunks(sorted(unfinished)):
        connection.execute(
            select(outbox.c.id).where(outbox.c.id.in_(ids)).order_by(outbox.c.id).with_for_update()
        ).all()
    for part in chunks(sorted(deal_ids)):
        of_deals = (outbox.c.system == system, outbox.c.deal_id.in_(part))
        where = (*of_deals, outbox.c.state == State.PENDING.value)
        if free_at is None:
            gone = arrive(State.PENDING, (State.SUPERSEDED,))
            connection.execute(update(outbox).where(*where).values(state=gone, settled_at=at))
        elif free_at == HELD_UNTIL:
            connection.execute(update(outbox).where(*where).values(available_at=free_at))
        else:
            held = outbox.c.available_at == HELD_UNTIL
            connection.execute(update(outbox).where(*where, held).values(available_at=free_at))
