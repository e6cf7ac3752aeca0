"""Brakes as they are stored: what gained effects of late, deals held until a person saw them, what a person paused.

Not here: when to hold (``engine.masschange``) and what is sent (``outbox``). All
of it outlives a restart and is shared by replicas. A held deal has no decision recorded: it is decided anew, from how
it stands then, when it is let go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, delete, func, or_, select, update

from connector.handoff.model import SystemName
from connector.handoff.plan import Action, Patch, Phase
from connector.store import codec
from connector.store.audit import AuditKind, Entry, write_audit
from connector.store.database import Part, chunks
from connector.store.drops import dropped_of
from connector.store.inbox import clear_looks, want_looks
from connector.store.ledger import IN_FLIGHT
from connector.store.record import is_dropped, same_effect
from connector.store.rows import Decided, Look
from connector.store.schema import effect, gain, handoff, hold, outbox
from connector.store.states import OPEN, State, arrive


class HoldKind(StrEnum):
    """What a row of the table ``hold`` is about."""

    DEAL = "deal"
    WAITS = "waits"
    PAUSE = "pause"


class HoldState(StrEnum):
    """How a held deal stands. ``RELEASED``: it may go; ``DROPPED``: its win is let be, until it is won anew."""

    HELD = "held"
    RELEASED = "released"
    DROPPED = "dropped"


HELD_UNTIL = datetime(9999, 1, 1, tzinfo=UTC)
"""When rows of a held deal may be sent, until a person says otherwise."""


@dataclass(frozen=True, slots=True)
class Gained:
    """The actions of one plan that nothing in the ledger has yet; ``begins``: the handoff, or a generation of it."""

    deal_id: str
    actions: tuple[Action, ...]
    begins: bool


@dataclass(frozen=True, slots=True)
class Gain:
    """That a deal gained effects: of which sort, and by whom it was moved, as far as that is known."""

    deal_id: str
    sort: str
    mover: str
    at: datetime


@dataclass(frozen=True, slots=True)
class HeldDeal:
    """A deal that waits for a person. ``cause`` names the stop (its sort), ``why`` the likely reason of it.

    ``what`` is plain data: ``generation``, ``mover`` and ``writes``, each with ``step``, ``write``, ``fields``,
    ``reason``. ``who`` released or dropped it.
    """

    system: SystemName
    deal_id: str
    state: HoldState
    cause: str
    at: datetime
    why: str
    what: Mapping[str, Any]
    who: str = ""
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """A person let a system (``rule`` empty) or one rule of it stand still; ``until`` None: until they resume it."""

    system: SystemName
    rule: str
    at: datetime
    until: datetime | None
    by: str
    why: str


class Holds(Part):
    """What is held, and what stands still."""

    def gains(self, system: SystemName, decided: Sequence[Decided]) -> tuple[Gained, ...]:
        """Of these decisions those that would put something new into the outbox, with just that."""
        ids = [one.plan.key.deal_id for one in decided if one.plan.actions]
        known: dict[str, Row[Any]] = {}
        waiting: dict[tuple[str, str], list[Any]] = {}
        done: dict[tuple[str, int, str], str] = {}
        with self._db.read() as connection:
            for part in chunks(ids):
                of_deals = (outbox.c.system == system, outbox.c.deal_id.in_(part))
                columns = (outbox.c.deal_id, outbox.c.step, outbox.c.digest, outbox.c.generation)
                for row in connection.execute(
                    select(*columns).where(*of_deals, outbox.c.state.in_((*OPEN, State.PARKED)))
                ):
                    waiting.setdefault((row.deal_id, row.step), []).append(row)
                query = select(handoff.c.deal_id, handoff.c.phase, handoff.c.generation, handoff.c.mode)
                heads = connection.execute(query.where(handoff.c.system == system, handoff.c.deal_id.in_(part)))
                known.update({row.deal_id: row for row in heads})
                confirmed = select(effect.c.deal_id, effect.c.generation, effect.c.step, effect.c.fingerprint)
                for row in connection.execute(confirmed.where(effect.c.system == system, effect.c.deal_id.in_(part))):
                    done[row.deal_id, row.generation, row.step] = row.fingerprint
            dropped = dropped_of(connection, system, ids)
        gained = []
        for one in decided:
            deal_id = one.plan.key.deal_id
            new = tuple(
                action
                for action in one.plan.actions
                if not same_effect(action, one.plan.generation, waiting.get((deal_id, action.step), ()))
                and not _confirmed(action, done.get((deal_id, one.plan.generation, action.step)))
                and not is_dropped(action, dropped.get((deal_id, one.plan.generation, action.step)))
            )
            if new:
                gained.append(Gained(deal_id, new, begins=_begins(known.get(deal_id), one.plan.generation)))
        return tuple(gained)

    def gained(self, system: SystemName, *, since: datetime) -> tuple[Gain, ...]:
        """Which deals gained effects since then, each once."""
        query = select(gain).where(gain.c.system == system, gain.c.at > since)
        with self._db.read() as connection:
            return tuple(Gain(row.deal_id, row.sort, row.mover, row.at) for row in connection.execute(query))

    def note_gains(self, system: SystemName, gains: Sequence[Gain], *, forget: datetime) -> None:
        """Remember that these deals gained effects, and forget those from before a time."""
        if not gains:
            return
        rows = [
            {"system": system, "deal_id": one.deal_id, "sort": one.sort, "mover": one.mover, "at": one.at}
            for one in sorted(gains, key=lambda one: one.deal_id)
        ]
        statement = self._db.insert(gain)
        new = statement.excluded
        with self._db.write() as connection:
            connection.execute(delete(gain).where(gain.c.system == system, gain.c.at <= forget))
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["system", "deal_id"], set_={"sort": new.sort, "mover": new.mover, "at": new.at}
                ),
                rows,
            )

    def handoffs_under_way(self, system: SystemName) -> int:
        """How many handoffs are under way."""
        phases = [phase.value for phase in IN_FLIGHT]
        query = select(func.count()).where(handoff.c.system == system, handoff.c.phase.in_(phases))
        with self._db.read() as connection:
            return connection.execute(query).scalar_one()

    def acted_phases(self, system: SystemName, deal_ids: Sequence[str]) -> Mapping[Phase, int]:
        """How many of these deals stand in which phase, of those that were decided to act on and nobody holds."""
        found: dict[Phase, int] = {}
        free = self.not_held(system, deal_ids)
        with self._db.read() as connection:
            for part in chunks(free):
                query = (
                    select(handoff.c.phase, func.count())
                    .where(handoff.c.system == system, handoff.c.deal_id.in_(part), handoff.c.phase.is_not(None))
                    .where(handoff.c.mode == "act")
                    .group_by(handoff.c.phase)
                )
                for phase, count in connection.execute(query):
                    found[Phase(phase)] = found.get(Phase(phase), 0) + count
        return found

    def handed_since(self, system: SystemName, since: datetime) -> int:
        """How many deals that were won since a time are under way, and stand won as far as the ledger knows."""
        query = select(func.count()).where(
            handoff.c.system == system, handoff.c.phase == Phase.IN_FLIGHT.value, handoff.c.won_at >= since
        )
        with self._db.read() as connection:
            return connection.execute(query).scalar_one()

    def deals_under_way(self, system: SystemName) -> tuple[str, ...]:
        """The deals whose handoffs are under way."""
        phases = [phase.value for phase in IN_FLIGHT]
        query = select(handoff.c.deal_id).where(handoff.c.system == system, handoff.c.phase.in_(phases))
        with self._db.read() as connection:
            return tuple(connection.execute(query.order_by(handoff.c.deal_id)).scalars())

    def hold_deals(self, system: SystemName, held: Sequence[HeldDeal], looks: Sequence[Look], *, stop: str) -> int:
        """Hold these deals and answer their looks, in one transaction. Returns how many were not held before.

        What a person has released or dropped since they were judged stays so; the look asked for then finds it.
        ``stop`` is told in the audit trail, once for all of them.
        """
        now = self._db.now()
        with self._db.write() as connection:
            before = _states(connection, system, [one.deal_id for one in held])
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
                    [_row(one) for one in sorted(held, key=lambda one: one.deal_id)],
                )
            after = _states(connection, system, [one.deal_id for one in held])
            released = [each for each, state in after.items() if state is HoldState.RELEASED]
            _set_rows(connection, system, released, at=now, free_at=now)
            clear_looks(connection, system, looks)
            if new:
                data = {"deals": len(new), "first": [one.deal_id for one in new[:20]]}
                entry = Entry(system, None, 0, AuditKind.STOPPED, stop, data)
                each = [Entry(system, one.deal_id, 0, AuditKind.STOPPED, stop, dict(one.what)) for one in new]
                write_audit(connection, now, [entry, *each])
            return len(new)

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
                        _hold_row(system, HoldKind.WAITS, name=deal_id, state="", cause=rules, at=now)
                        for deal_id, rules in sorted(waits.items())
                    ],
                )
            clear_looks(connection, system, looks)

    def holds(self, system: SystemName, deal_ids: Sequence[str]) -> Mapping[str, HeldDeal]:
        """How those of these deals stand that are, or were of late, held."""
        found: dict[str, HeldDeal] = {}
        with self._db.read() as connection:
            for part in chunks(deal_ids):
                query = _deals(system).where(hold.c.name.in_(part))
                found.update({row.name: _held(row) for row in connection.execute(query)})
        return found

    def not_held(self, system: SystemName, deal_ids: Sequence[str]) -> tuple[str, ...]:
        """Those of these deals that neither wait for a person nor were let be by one."""
        states = self.holds(system, deal_ids)
        away = {each for each, one in states.items() if one.state is not HoldState.RELEASED}
        return tuple(each for each in deal_ids if each not in away)

    def held(
        self, system: SystemName, *, state: HoldState = HoldState.HELD, limit: int | None = None
    ) -> tuple[HeldDeal, ...]:
        """Held deals (or those in another state), the longest waiting first."""
        query = _deals(system).where(hold.c.state == state.value).order_by(hold.c.at, hold.c.name)
        with self._db.read() as connection:
            return tuple(_held(row) for row in connection.execute(query.limit(limit)))

    def held_counts(self, system: SystemName) -> Mapping[str, int]:
        """How many deals are held, by the sort of stop."""
        query = (
            select(hold.c.cause, func.count())
            .where(hold.c.system == system, hold.c.kind == HoldKind.DEAL.value, hold.c.state == HoldState.HELD.value)
            .group_by(hold.c.cause)
        )
        with self._db.read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

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

    def release_held(self, system: SystemName, deal_ids: Sequence[str] | None = None, *, by: str) -> int:
        """Let held deals go, these or all; returns how many. They are looked at now, and sent as they stand then."""
        return self._decide(system, deal_ids, HoldState.RELEASED, by=by, why="released")

    def drop_held(self, system: SystemName, deal_ids: Sequence[str], *, by: str, why: str) -> int:
        """Let these held wins be: nothing of them is sent, until they are won anew. Returns how many."""
        return self._decide(system, deal_ids, HoldState.DROPPED, by=by, why=why)

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

    def pause_by_hand(
        self, system: SystemName, *, rule: str = "", until: datetime | None = None, by: str, why: str = ""
    ) -> None:
        """Let a system, or one rule of it, stand still until a time or until it is resumed. Survives restarts.

        Deals with writes on their way are looked at again, so that what a paused rule wanted is taken back.
        """
        now = self._db.now()
        statement = self._db.insert(hold)
        fresh = statement.excluded
        row = _hold_row(system, HoldKind.PAUSE, name=rule, state="", cause="", at=now)
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
        query = (
            select(hold)
            .where(
                hold.c.system == system,
                hold.c.kind == HoldKind.PAUSE.value,
                or_(hold.c.until.is_(None), hold.c.until > self._db.now()),
            )
            .order_by(hold.c.name)
        )
        with self._db.read() as connection:
            return tuple(_pause(row) for row in connection.execute(query))

    def pauses_over(self, system: SystemName) -> tuple[Pause, ...]:
        """Pauses whose time has come."""
        query = select(hold).where(
            hold.c.system == system, hold.c.kind == HoldKind.PAUSE.value, hold.c.until <= self._db.now()
        )
        with self._db.read() as connection:
            return tuple(_pause(row) for row in connection.execute(query))

    def waiting_for(self, system: SystemName, rule: str) -> int:
        """How many deals a paused rule has something for."""
        query = select(hold.c.cause).where(hold.c.system == system, hold.c.kind == HoldKind.WAITS.value)
        with self._db.read() as connection:
            return sum(rule in rules.split(",") for rules in connection.execute(query).scalars())

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
    for part in chunks(sorted(deal_ids)):
        where = (outbox.c.system == system, outbox.c.deal_id.in_(part), outbox.c.state == State.PENDING.value)
        # By id, as everybody takes them: an update alone takes rows as it finds them.
        connection.execute(select(outbox.c.id).where(*where).order_by(outbox.c.id).with_for_update()).all()
        if free_at is None:
            gone = arrive(State.PENDING, (State.SUPERSEDED,))
            connection.execute(update(outbox).where(*where).values(state=gone, settled_at=at))
        elif free_at == HELD_UNTIL:
            connection.execute(update(outbox).where(*where).values(available_at=free_at))
        else:
            held = outbox.c.available_at == HELD_UNTIL
            connection.execute(update(outbox).where(*where, held).values(available_at=free_at))


def _begins(known: Row[Any] | None, generation: int) -> bool:
    if known is None or known.mode == "observe" or known.phase is None:
        return True
    return known.generation != generation or Phase(known.phase) not in IN_FLIGHT


def _confirmed(action: Action, fingerprint: str | None) -> bool:
    return not isinstance(action, Patch) and fingerprint == action.fingerprint


def _states(connection: Connection, system: SystemName, deal_ids: Sequence[str]) -> dict[str, HoldState]:
    found: dict[str, HoldState] = {}
    for part in chunks(deal_ids):
        query = _deals(system).where(hold.c.name.in_(part))
        found.update({row.name: HoldState(row.state) for row in connection.execute(query)})
    return found


def _deals(system: SystemName) -> Select[Any]:
    return select(hold).where(and_(hold.c.system == system, hold.c.kind == HoldKind.DEAL.value))


def _hold_row(system: SystemName, kind: HoldKind, *, name: str, state: str, cause: str, at: datetime) -> dict[str, Any]:
    return {
        "system": system,
        "kind": kind.value,
        "name": name,
        "state": state,
        "cause": cause,
        "at": at,
        "until": None,
        "who": "",
        "why": "",
        "what": "{}",
        "decided_at": None,
    }


def _row(one: HeldDeal) -> dict[str, Any]:
    row = _hold_row(one.system, HoldKind.DEAL, name=one.deal_id, state=one.state.value, cause=one.cause, at=one.at)
    return {**row, "why": one.why, "what": codec.dumps(dict(one.what))}


def _held(row: Row[Any]) -> HeldDeal:
    return HeldDeal(
        system=SystemName(row.system),
        deal_id=row.name,
        state=HoldState(row.state),
        cause=row.cause,
        at=row.at,
        why=row.why,
        what=codec.loads(row.what),
        who=row.who,
        decided_at=row.decided_at,
    )


def _pause(row: Row[Any]) -> Pause:
    return Pause(SystemName(row.system), row.name, row.at, row.until, row.who, row.why)
