"""The outbox: claiming rows to send, and what waits, hangs or was parked.

Not here: putting rows in (``record``) and booking how they ended (``settle``).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Row, Select, and_, bindparam, func, select, text, update

from connector.errors import Fault, FaultCode
from connector.failpoints import Failpoint, passing
from connector.handoff.model import SystemName
from connector.handoff.plan import Order, Phase
from connector.store import codec
from connector.store.audit import AuditKind, Entry, write_audit
from connector.store.database import Database, Part, chunks
from connector.store.figurerows import gone_figures
from connector.store.heldrows import HELD_UNTIL, HoldState, states_of
from connector.store.inbox import want_looks
from connector.store.ledger import NO_DEAL
from connector.store.rows import Claimed, Lane, Look, OutboxRow, Turn
from connector.store.schema import handoff, outbox
from connector.store.states import OPEN, State, arrive, state_in

RANKS: Mapping[Order, int] = {order: rank for rank, order in enumerate(Order)}
"""Orders as numbers, in the order they are declared."""

CLAIM_TRIES = 3
"""How often a claim looks for another lane when other replicas took the rows it saw."""

CLAIMING = 0x636C61
"""PostgreSQL advisory lock, one per system beside it ("cla" in ASCII): claims go one after the other."""

NOTIFY_KIND = "notify"
"""The kind of rows that are messages to people."""
MAIL_KIND = "mail"
"""The kind of rows that are mails to customers; they go out at most once."""
TOGETHER = "together"
"""The lane of messages that go in one with others for the same person."""


_ORDERS = tuple(Order)
_IS_OPEN = text(state_in(OPEN, "outbox.state"))
_IS_PENDING = text(state_in((State.PENDING,), "outbox.state"))
_EARLIER = outbox.alias("earlier")
_EARLIER_IS_OPEN = text(state_in(OPEN, "earlier.state"))
_UNKNOWN = (
    select(outbox)
    .where(outbox.c.system == bindparam("system"), outbox.c.state == State.UNKNOWN)
    .order_by(outbox.c.id)
    .limit(bindparam("most", type_=Integer))
)
"""Written once: every pass asks this, and putting a statement together takes longer than running it."""


class Outbox(Part):
    """Rows on their way to a CRM or a person."""

    def claim(
        self,
        system: SystemName,
        *,
        owner: str,
        batch: Callable[[Lane], int],
        lease_seconds: float,
        orders: Collection[Order] = tuple(Order),
    ) -> Claimed | None:
        """Take rows of one lane and order that may be sent now, earliest order first; None when there are none.

        None too when other replicas hold whatever is next: the caller's next tick finds what they leave.
        ``batch`` says how many rows a lane takes at once; only ``orders`` are looked at. Rows that aim at the same
        record never share a claim. A row is claimable when its time has come and no earlier order of its deal is open.
        """
        for _ in range(CLAIM_TRIES):
            turn = self.next_turn(system, orders=orders)
            if turn is None:
                return None
            lane = turn.lane
            size = batch(lane)
            if size < 1:
                raise ValueError(f"a batch of {size} rows for lane {lane.kind} {lane.operation}")
            now = self._db.now()
            until = now + timedelta(seconds=lease_seconds)
            with self._db.write() as connection:
                busy = busy_elsewhere(self._db, connection, lane, owner)
                ids = choose(connection, turn, now=now, size=size, busy=busy)
                rows = take(connection, ids, now=now, lease_owner=owner, lease_until=until)
                passing(Failpoint.CLAIM_OPEN)
            if rows:
                return Claimed(lane=lane, rows=rows, lease_until=until)
        return None

    def next_turn(self, system: SystemName, *, orders: Collection[Order] = tuple(Order)) -> Turn | None:
        """The lane and order of the row that may be sent first, of these orders; None when there is none."""
        ranks = None if len(orders) >= len(Order) else tuple(sorted(RANKS[order] for order in orders))
        with self._db.read() as connection:
            given = {"system": system, "now": self._db.now()}
            first = connection.execute(_next(ranks), given).one_or_none()
        if first is None:
            return None
        return Turn(Lane(system=system, kind=first.kind, operation=first.operation), _ORDERS[first.rank])

    def claimable(self, turn: Turn, *, limit: int) -> int:
        """How many rows of a lane and order may be sent now, counted up to ``limit``."""
        query = _claimable(select(outbox.c.id)).where(_of(turn)).limit(limit)
        given = {"system": turn.lane.system, "now": self._db.now()}
        with self._db.read() as connection:
            return connection.execute(select(func.count()).select_from(query.subquery()), given).scalar_one()

    def unknown_rows(self, system: SystemName, limit: int) -> tuple[OutboxRow, ...]:
        """Rows of which nobody knows whether they were done, oldest first."""
        return self._rows(_UNKNOWN, {"system": system, "most": limit})

    def parked(self, system: SystemName | None = None) -> tuple[OutboxRow, ...]:
        """Rows that wait for a person, oldest first; of all systems when none is named."""
        query = select(outbox).where(outbox.c.state == State.PARKED).order_by(outbox.c.id)
        return self._rows(query if system is None else query.where(outbox.c.system == system))

    def rows(self, system: SystemName, deal_id: str) -> tuple[OutboxRow, ...]:
        """Everything that was ever to be sent for a deal, oldest first."""
        where = and_(outbox.c.system == system, outbox.c.deal_id == deal_id)
        return self._rows(select(outbox).where(where).order_by(outbox.c.id))

    def retry(self, ids: Sequence[int] | None = None, *, system: SystemName | None = None, by: str = "") -> int:
        """Send parked rows again, these or all; returns how many. Their deals are looked at too. ``by`` asked for it.

        A parked row whose step is on its way again already is dropped as superseded instead, and not counted. One of
        a deal that is held waits until the deal is released; one of a win that was let be stays parked.
        """
        now = self._db.now()
        query = select(outbox).where(outbox.c.state == State.PARKED).order_by(outbox.c.id).with_for_update()
        if ids is not None:
            query = query.where(outbox.c.id.in_(list(ids)))
        if system is not None:
            query = query.where(outbox.c.system == system)
        with self._db.write() as connection:
            parked = connection.execute(query).all()
            held = _holds_of(connection, parked)
            rows = [row for row in parked if held.get((row.system, row.deal_id)) is not HoldState.DROPPED]
            newest = {(row.system, row.deal_id, row.step): row for row in rows}
            taken = _steps_on_their_way(connection, rows)
            again = [row for step, row in newest.items() if step not in taken]
            chosen = {row.id for row in again}
            _move(connection, [row.id for row in rows if row.id not in chosen], to=State.SUPERSEDED, now=now)
            waits = {row.id for row in again if held.get((row.system, row.deal_id)) is HoldState.HELD}
            _move(connection, sorted(chosen - waits), to=State.PENDING, now=now)
            _move(connection, sorted(waits), to=State.PENDING, now=now, until=HELD_UNTIL)
            systems = sorted({row.system for row in again})
            for name in systems:
                _forget_refusals(connection, SystemName(name), [row.deal_id for row in again if row.system == name])
            for name in systems:
                looks = [
                    Look(deal_id=row.deal_id, due_at=now, reason="a refused write is tried again")
                    for row in again
                    if row.system == name
                ]
                want_looks(self._db, connection, SystemName(name), looks)
            write_audit(connection, now, [_retried(row, by=by) for row in again])
            return len(again)

    def withdraw(self, system: SystemName, deal_ids: Sequence[str]) -> int:
        """Give up deals that are no longer in the CRM: what waits or was refused is dropped. Returns rows dropped.

        What is being sent ends by itself. A deal that comes back is decided anew from its present state.
        """
        now = self._db.now()
        dropped, corrected = 0, list[Entry]()
        with self._db.write() as connection:
            for part in chunks(sorted(set(deal_ids))):
                of_deals = and_(outbox.c.system == system, outbox.c.deal_id.in_(part))
                dropping = (of_deals, outbox.c.state.in_((State.PENDING, State.PARKED)), outbox.c.kind != NOTIFY_KIND)
                connection.execute(select(outbox.c.id).where(*dropping).order_by(outbox.c.id).with_for_update()).all()
                for state in (State.PENDING, State.PARKED):
                    dropped += connection.execute(
                        update(outbox)
                        .where(of_deals, outbox.c.state == state, outbox.c.kind != NOTIFY_KIND)
                        .values(state=arrive(state, (State.SUPERSEDED,)), settled_at=now)
                    ).rowcount
                connection.execute(
                    update(handoff)
                    .where(handoff.c.system == system, handoff.c.deal_id.in_(part), handoff.c.phase.is_not(None))
                    .values(phase=Phase.LOST.value, reason=NO_DEAL, decided_at=now)
                )
                corrected += gone_figures(self._db, connection, system, part, now)
            write_audit(connection, now, corrected)
        return dropped

    def waiting(self, system: SystemName) -> tuple[str, ...]:
        """The deals that have rows waiting to be sent, apart from what old deals are filled with."""
        live = outbox.c.rank < RANKS[Order.BACKFILL]
        query = select(outbox.c.deal_id).distinct().where(outbox.c.system == system, _IS_PENDING, live)
        with self._db.read() as connection:
            return tuple(connection.execute(query.order_by(outbox.c.deal_id)).scalars())

    def counts(self, system: SystemName) -> Mapping[State, int]:
        """How many rows stand in each state; states with none are 0."""
        query = select(outbox.c.state, func.count()).where(outbox.c.system == system).group_by(outbox.c.state)
        with self._db.read() as connection:
            found = {State(state): count for state, count in connection.execute(query)}
        return {state: found.get(state, 0) for state in State}

    def oldest_open(self, system: SystemName) -> datetime | None:
        """When the oldest row that is not settled was decided; None when all are."""
        query = select(func.min(outbox.c.created_at)).where(outbox.c.system == system, _IS_OPEN)
        with self._db.read() as connection:
            oldest: datetime | None = connection.execute(query).scalar_one()
        return oldest

    def _rows(self, query: Select[Any], given: Mapping[str, Any] | None = None) -> tuple[OutboxRow, ...]:
        with self._db.read() as connection:
            return tuple(read_row(row) for row in connection.execute(query, given))


def read_row(row: Row[Any]) -> OutboxRow:
    """A row of the outbox table as data."""
    error = None
    if row.fault_code:
        error = Fault(
            code=FaultCode(row.fault_code), vendor_code=row.vendor_code or "", message=row.message or "", retry_at=None
        )
    return OutboxRow(
        id=row.id,
        system=SystemName(row.system),
        deal_id=row.deal_id,
        generation=row.generation,
        step=row.step,
        key=row.key,
        order=_ORDERS[row.rank],
        kind=row.kind,
        operation=row.operation,
        action=codec.action_from_json(codec.loads(row.action)),
        attempt=row.attempt,
        state=State(row.state),
        error=error,
        reason=row.reason,
        created_at=row.created_at,
        settled_at=row.settled_at,
        claimed_at=row.claimed_at,
        record_id=row.record_id,
    )


def lock_rows(connection: Connection, ids: Sequence[int]) -> list[Row[Any]]:
    """The rows with these ids (ascending), held until the transaction ends. In id order, so that nobody deadlocks."""
    rows: list[Row[Any]] = []
    for part in chunks(ids):
        rows += connection.execute(
            select(outbox).where(outbox.c.id.in_(part)).order_by(outbox.c.id).with_for_update()
        ).all()
    return rows


def _claimable(query: Select[Any]) -> Select[Any]:
    """Narrow a query on the outbox to rows of ``system`` that may be sent ``now``, first ones first; both are given
    when it is asked. It uses the partial indexes.

    The lowest open rank of the deal is asked for by a scalar subquery: one index probe per row whatever the
    statistics say, where PostgreSQL would turn a NOT EXISTS into a join and, on a table that just grew, a slow one.
    """
    lowest = (
        select(func.min(_EARLIER.c.rank))
        .where(_EARLIER.c.system == outbox.c.system, _EARLIER.c.deal_id == outbox.c.deal_id, _EARLIER_IS_OPEN)
        .correlate(outbox)
        .scalar_subquery()
    )
    return query.where(
        outbox.c.system == bindparam("system"),
        _IS_PENDING,
        outbox.c.available_at <= bindparam("now"),
        outbox.c.rank == lowest,
    ).order_by(outbox.c.rank, outbox.c.id)


@functools.cache
def _next(ranks: tuple[int, ...] | None) -> Select[Any]:
    """The first row that may be sent, of these ranks or of all."""
    query = _claimable(select(outbox.c.rank, outbox.c.kind, outbox.c.operation))
    return (query if ranks is None else query.where(outbox.c.rank.in_(ranks))).limit(1)


_CHOICE = (
    _claimable(select(outbox.c.id, outbox.c.target, func.length(outbox.c.action)))
    .where(
        outbox.c.rank == bindparam("rank"),
        outbox.c.kind == bindparam("kind"),
        outbox.c.operation == bindparam("operation"),
    )
    .limit(bindparam("most", type_=Integer))
    .with_for_update(of=outbox, skip_locked=True)
)


def _of(turn: Turn) -> ColumnElement[bool]:
    lane = turn.lane
    return and_(outbox.c.rank == RANKS[turn.order], outbox.c.kind == lane.kind, outbox.c.operation == lane.operation)


def busy_elsewhere(database: Database, connection: Connection, lane: Lane, owner: str) -> Collection[str]:
    """What other processes write to right now: two calls about one record must not overtake each other.

    Claims of one system go one after the other, or two of them could pick rows about the same record unseen.
    """
    if database.is_sqlite:
        return ()
    connection.execute(select(func.pg_advisory_xact_lock(CLAIMING, func.hashtext(lane.system))))
    theirs = select(outbox.c.target).where(
        outbox.c.system == lane.system,
        outbox.c.state == State.SENDING,
        outbox.c.kind == lane.kind,
        outbox.c.job_id.is_(None),
        outbox.c.lease_owner != owner,
    )
    return set(connection.execute(theirs).scalars())


def choose(
    connection: Connection,
    turn: Turn,
    *,
    now: datetime,
    size: int,
    chars: int | None = None,
    busy: Collection[str] = (),
) -> list[int]:
    """Ids of rows that may share a call or job, locked: at most ``size``, and ``chars`` of actions; at least one.

    None is about a record in ``busy``; there may then be none.
    """
    lane = turn.lane
    of = {"system": lane.system, "kind": lane.kind, "operation": lane.operation, "rank": RANKS[turn.order]}
    first: dict[str, int] = {}
    held = 0
    for row_id, target, length in connection.execute(_CHOICE, {**of, "now": now, "most": size}):
        if target in busy:
            continue
        held += length
        if first and chars is not None and held > chars:
            break
        first.setdefault(target, row_id)
    return list(first.values())


def take(connection: Connection, ids: Sequence[int], *, now: datetime, **holder: Any) -> tuple[OutboxRow, ...]:
    """Move these rows to ``sending``; ``holder`` are the columns that say who has them."""
    taken: list[Row[Any]] = []
    for part in chunks(ids):
        taken += connection.execute(
            update(outbox)
            .where(outbox.c.id.in_(part), outbox.c.state == State.PENDING)
            .values(
                state=arrive(State.PENDING, (State.SENDING,)),
                attempt=outbox.c.attempt + 1,
                claimed_at=now,
                **holder,
            )
            .returning(outbox)
        ).all()
    return tuple(read_row(row) for row in sorted(taken, key=lambda row: (row.rank, row.id)))


def _steps_on_their_way(connection: Connection, rows: Sequence[Row[Any]]) -> set[tuple[str, str, str]]:
    found: set[tuple[str, str, str]] = set()
    for part in chunks(sorted({row.deal_id for row in rows})):
        query = select(outbox.c.system, outbox.c.deal_id, outbox.c.step).where(outbox.c.deal_id.in_(part), _IS_OPEN)
        found.update((row.system, row.deal_id, row.step) for row in connection.execute(query))
    return found


def _holds_of(connection: Connection, rows: Sequence[Row[Any]]) -> dict[tuple[str, str], HoldState]:
    found: dict[tuple[str, str], HoldState] = {}
    for name in sorted({row.system for row in rows}):
        ids = sorted({row.deal_id for row in rows if row.system == name})
        found |= {(name, each): state for each, state in states_of(connection, SystemName(name), ids).items()}
    return found


def _move(
    connection: Connection, ids: Sequence[int], *, to: State, now: datetime, until: datetime | None = None
) -> None:
    """Take parked rows to another state; what waits may be sent now, or not before ``until``."""
    values: dict[str, Any] = {"state": arrive(State.PARKED, (to,))}
    values |= {"available_at": until or now, "settled_at": None} if to is State.PENDING else {"settled_at": now}
    for part in chunks(ids):
        connection.execute(update(outbox).where(outbox.c.id.in_(part)).values(**values))


def _forget_refusals(connection: Connection, system: SystemName, deal_ids: Sequence[str]) -> None:
    """Whoever has a row tried again has mended the cause: then the deal may be put back again, too."""
    for part in chunks(sorted(set(deal_ids))):
        connection.execute(
            update(handoff)
            .where(handoff.c.system == system, handoff.c.deal_id.in_(part), handoff.c.put_back_refused.is_not(None))
            .values(put_back_refused=None)
        )


def _retried(row: Row[Any], *, by: str) -> Entry:
    return Entry(
        system=SystemName(row.system),
        deal_id=row.deal_id,
        generation=row.generation,
        kind=AuditKind.RETRIED,
        reason=row.reason,
        data={"row": row.id, "step": row.step, "vendor_code": row.vendor_code},
        by=by,
    )
