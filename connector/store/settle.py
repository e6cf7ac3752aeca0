"""Booking how claimed rows ended: settle, verify's answer, rescue.

Not here: judging a failure (the engine does, by `Advice`). Only the attempt that was claimed may settle a row; one
exception is good news from an attempt that was given up as unknown, for nothing can have been sent since.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, Row, Update, and_, bindparam, func, or_, select, update

from connector.errors import ADVICE, Advice, Fault, FaultCode
from connector.failpoints import Failpoint, passing
from connector.handoff.measures.facts import TOLD_BY
from connector.handoff.model import Kind, SystemName
from connector.handoff.moves import Refusal
from connector.handoff.ownership import REVERT_STEP
from connector.handoff.sending import MAIL, UNSENT
from connector.store import codec
from connector.store.audit import AuditKind, Entry, write_audit
from connector.store.database import Part, chunks
from connector.store.figurerows import told_figures
from connector.store.heldrows import HELD_UNTIL, HoldState, states_of
from connector.store.inbox import want_looks
from connector.store.ledger import refusal_text
from connector.store.outbox import MAIL_KIND, NOTIFY_KIND, lock_rows
from connector.store.rows import (
    Applied,
    AppliedLike,
    AppliedOtherwise,
    Look,
    Park,
    Reread,
    Result,
    Retry,
    Settlement,
    Unsure,
)
from connector.store.schema import KEPT, effect, handoff, outbox, replica, written
from connector.store.states import State, arrive
from connector.store.told import last_written, told_write

PATHS: Mapping[type, tuple[State, ...]] = {
    Retry: (State.REFUSED, State.PENDING),
    Reread: (State.REFUSED, State.SUPERSEDED),
    Unsure: (State.UNKNOWN,),
    Park: (State.REFUSED, State.PARKED),
}
"""The way a row goes from ``sending``, by result; everything else is `AppliedLike`."""

FAILURES = (Retry, Reread, Unsure, Park)
"""All results but `AppliedLike`. To ask for these is many times cheaper than to ask for a protocol, row by row."""

READ_ANEW = tuple(code.value for code, advice in ADVICE.items() if advice is Advice.REREAD)
"""Fault codes after which a row is dropped and its deal read anew."""

FOR_GOOD = frozenset({FaultCode.REJECTED, FaultCode.NOT_PERMITTED})
"""Refusals of a put-back that trying again cannot mend: a rule of the stage, a required field, a missing right."""

REFUSAL_CHARS = 500
"""Most of a refusal's words that are kept."""

IN_DOUBT = "IN_DOUBT"
"""The vendor code of a mail of which nobody knows whether it went out."""

MAIL_IN_DOUBT = Fault(
    code=FaultCode.REJECTED,
    vendor_code=IN_DOUBT,
    message="the sending was broken off; nobody knows whether the mail server took the mail, and it is not sent again",
)

SENDER_LOST = Fault(
    code=FaultCode.OUTCOME_UNKNOWN,
    vendor_code="",
    message="the process that was sending this ended before it learned the outcome",
)


@dataclass(frozen=True, slots=True)
class _Ending:
    """A row as it was, where it goes, and what was reported."""

    row: Row[Any]
    state: State
    result: Result


class Settling(Part):
    """What becomes of rows that were claimed."""

    def settle(self, settlements: Sequence[Settlement]) -> int:
        """Book the results, all in one transaction; returns how many counted.

        A settlement of another attempt, or of a row that is not being sent, changes nothing.
        """
        by_id = {item.row_id: item for item in settlements}
        with self._db.write() as connection:
            rows = lock_rows(connection, sorted(by_id))
            endings = [ending for row in rows if (ending := _ending(row, by_id[row.id])) is not None]
            self._book(connection, endings)
            passing(Failpoint.SETTLE_OPEN)
            return len(endings)

    def rereads(self, row_ids: Sequence[int], *, since: datetime) -> Mapping[int, int]:
        """How often the same step of the same deal was dropped and read anew since then, by row; rows with none miss.

        A row that comes back to the same refusal begins at attempt 1 each time, so its own count says nothing.
        """
        again = outbox.alias("again")
        query = (
            select(outbox.c.id, func.count())
            .join(
                again,
                and_(
                    again.c.system == outbox.c.system,
                    again.c.deal_id == outbox.c.deal_id,
                    again.c.step == outbox.c.step,
                    again.c.state == State.SUPERSEDED,
                    again.c.fault_code.in_(READ_ANEW),
                    again.c.settled_at >= since,
                ),
            )
            .group_by(outbox.c.id)
        )
        found: dict[int, int] = {}
        with self._db.read() as connection:
            for part in chunks(row_ids):
                found |= {row[0]: row[1] for row in connection.execute(query.where(outbox.c.id.in_(part)))}
        return found

    def resolve_unknown(self, row_id: int, *, found: str | None, at: datetime | None = None) -> bool:
        """Say what looking up by key found: the record's id (the row was applied) or None (it may be sent again).

        ``at`` is when it may be sent again, now by default. False when the row is not unknown any more.
        """
        now = self._db.now()
        with self._db.write() as connection:
            rows = [row for row in lock_rows(connection, [row_id]) if row.state == State.UNKNOWN]
            result: Result = Applied(found) if found is not None else Retry(SENDER_LOST, at=at or now)
            to = State.APPLIED if found is not None else State.PENDING
            self._book(connection, [_Ending(row, arrive(State.UNKNOWN, (to,)), result) for row in rows])
            return bool(rows)

    def rescue(self, system: SystemName, *, all_mine: bool, idle: str = "") -> int:
        """Rows whose sender is gone become unknown; returns how many. Rows of a job are not among them.

        Gone is a process that has stopped saying that it lives; where nobody knows (the last release says nothing),
        one whose lease on the row ran out. ``idle`` is a process of which the caller knows that it sends nothing.
        ``all_mine`` takes every row in ``sending``: right at the start of the only process. On PostgreSQL other
        replicas may be sending, so there it changes nothing.
        """
        now = self._db.now()
        where = [outbox.c.system == system, outbox.c.state == State.SENDING, outbox.c.job_id.is_(None)]
        if not (all_mine and self._db.is_sqlite):
            gone = select(replica.c.owner).where(replica.c.until <= self._db.moment())
            ended = or_(outbox.c.lease_until.is_(None), outbox.c.lease_until <= now)
            where.append(or_(ended, outbox.c.lease_owner.in_(gone), outbox.c.lease_owner == idle))
        with self._db.write() as connection:
            ids = connection.execute(select(outbox.c.id).where(*where).order_by(outbox.c.id)).scalars().all()
            rows = [row for row in lock_rows(connection, ids) if row.state == State.SENDING]
            self._book(connection, [_abandoned(row) for row in rows])
            return len(rows)

    def _book(self, connection: Connection, endings: Sequence[_Ending]) -> None:
        endings = _kept_back(connection, endings)
        if not endings:
            return
        now = self._db.now()
        changes = [_changes(ending, now) for ending in endings]
        connection.execute(_booking(tuple(changes[0])), changes)
        applied = [ending for ending in endings if ending.state is State.APPLIED]
        _stamp_handoffs(connection, applied)
        refused = [ending for ending in endings if _keeps_the_stage(ending)]
        _note_refusals(connection, refused)
        unsent = [ending for ending in endings if ending.row.kind == MAIL_KIND and ending.state is State.PARKED]
        self._put_effects(connection, applied, now)
        told_figures(self._db, connection, {_handoff_of(each): now for each in applied if _tells_csm(each)})
        self._put_unsent(connection, unsent, now)
        self._put_written(connection, applied)
        for system in sorted({ending.row.system for ending in endings}):
            looks = [
                Look(
                    deal_id=ending.row.deal_id,
                    due_at=ending.result.at or now,
                    reason="the deal was not as it had been read",
                )
                for ending in endings
                if isinstance(ending.result, Reread) and ending.row.system == system
            ]
            looks += [
                Look(deal_id=ending.row.deal_id, due_at=now, reason="the CRM refused to have it put back")
                for ending in refused
                if ending.row.system == system
            ]
            looks += [
                Look(deal_id=ending.row.deal_id, due_at=now, reason="what became of a mail to the customer")
                for ending in endings
                if ending.row.kind == MAIL_KIND and ending.state in (State.APPLIED, State.PARKED)
                if ending.row.system == system
            ]
            want_looks(self._db, connection, SystemName(system), looks)
        known = last_written(connection, [ending.row for ending in applied])
        entries = [_entry(ending, known.get(ending.row.id, {})) for ending in endings]
        write_audit(connection, now, [entry for entry in entries if entry is not None])

    def _put_effects(self, connection: Connection, applied: Sequence[_Ending], now: datetime) -> None:
        rows = [
            {
                "system": ending.row.system,
                "deal_id": ending.row.deal_id,
                "generation": ending.row.generation,
                "step": ending.row.step,
                "record_id": _record_id(ending),
                "fingerprint": ending.row.fingerprint,
                "at": now,
            }
            for ending in sorted(applied, key=lambda one: (one.row.system, one.row.deal_id, one.row.step, one.row.id))
        ]
        if not rows:
            return
        statement = self._db.insert(effect)
        new = statement.excluded
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["system", "deal_id", "generation", "step"],
                set_={"record_id": new.record_id, "fingerprint": new.fingerprint, "at": new.at},
            ),
            rows,
        )

    def _put_unsent(self, connection: Connection, unsent: Sequence[_Ending], now: datetime) -> None:
        """Remember that a mail was not sent, or may not have been, and the server's words: it never goes again."""
        rows = [
            {
                "system": ending.row.system,
                "deal_id": ending.row.deal_id,
                "generation": ending.row.generation,
                "step": f"{UNSENT}{str(ending.row.step).removeprefix(MAIL)}",
                "record_id": (ending.result.fault.message or ending.result.fault.vendor_code)[:REFUSAL_CHARS],
                "fingerprint": ending.result.fault.code.value,
                "at": now,
            }
            for ending in unsent
            if isinstance(ending.result, Park)
        ]
        if rows:
            columns = ["system", "deal_id", "generation", "step"]
            connection.execute(self._db.insert(effect).on_conflict_do_nothing(index_elements=columns), rows)

    def _put_written(self, connection: Connection, applied: Sequence[_Ending]) -> None:
        latest: dict[tuple[str, str, str, str], str] = {}
        for ending in applied:
            action = codec.loads(ending.row.action)
            if action["type"] != "patch":
                continue
            ref = action["ref"]
            told = _told_otherwise(ending.result)
            kept = dict(told.kept) if told else {}
            for name, value in action["values"].items():
                if told and name in told.left:
                    continue
                record = (ending.row.system, ref["kind"], ref["id"])
                latest[(*record, name)] = codec.dumps(value)
                if name in kept:
                    both = {"asked": value, "kept": codec.encode_value(kept[name])}
                    latest[(*record, KEPT + name)] = codec.dumps(both)
        if not latest:
            return
        statement = self._db.insert(written)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["system", "kind", "record_id", "field"], set_={"value": statement.excluded.value}
            ),
            [
                {"system": system, "kind": kind, "record_id": record_id, "field": field, "value": value}
                for (system, kind, record_id, field), value in sorted(latest.items())
            ],
        )


def _tells_csm(ending: _Ending) -> bool:
    return bool(ending.row.kind == NOTIFY_KIND) and str(ending.row.step).startswith(TOLD_BY)


def _handoff_of(ending: _Ending) -> tuple[str, str, int]:
    return ending.row.system, ending.row.deal_id, ending.row.generation


def _abandoned(row: Row[Any]) -> _Ending:
    """What follows for a row whose sender is gone: it is looked up; a mail to a customer is never sent again."""
    if row.kind == MAIL_KIND:
        return _Ending(row, arrive(State.SENDING, (State.REFUSED, State.PARKED)), Park(MAIL_IN_DOUBT))
    return _Ending(row, arrive(State.SENDING, (State.UNKNOWN,)), Unsure(SENDER_LOST))


def _ending(row: Row[Any], settlement: Settlement) -> _Ending | None:
    """Where this settlement takes the row, or None when it does not count."""
    if row.attempt != settlement.attempt:
        return None
    result = settlement.result
    path = PATHS.get(type(result))
    if path is None:
        if not isinstance(result, AppliedLike):
            raise TypeError(f"not the result of a row: {type(result).__name__}")
        path = (State.APPLIED,)
        if row.state == State.UNKNOWN:
            return _Ending(row, arrive(State.UNKNOWN, path), result)
    if row.state != State.SENDING:
        return None
    return _Ending(row, arrive(State.SENDING, path), result)


def _kept_back(connection: Connection, endings: Sequence[_Ending]) -> list[_Ending]:
    """What goes again, though not where the deal came to be held while it was sent: there it waits for a person, and
    with a win that was let be it is over."""
    states: dict[tuple[str, str], HoldState] = {}
    again = [ending.row for ending in endings if ending.state is State.PENDING]
    for name in sorted({row.system for row in again}):
        ids = sorted({row.deal_id for row in again if row.system == name})
        states |= {(name, each): state for each, state in states_of(connection, SystemName(name), ids).items()}
    return [
        _held_back(ending, states.get((ending.row.system, ending.row.deal_id)))
        if ending.state is State.PENDING
        else ending
        for ending in endings
    ]


def _held_back(ending: _Ending, state: HoldState | None) -> _Ending:
    if state is HoldState.HELD and isinstance(ending.result, Retry):
        return replace(ending, result=replace(ending.result, at=HELD_UNTIL))
    if state is HoldState.DROPPED:
        return replace(ending, state=arrive(State.PENDING, (State.SUPERSEDED,)))
    return ending


@functools.cache
def _booking(names: tuple[str, ...]) -> Update:
    """Put these columns of a row; written once, for putting a statement together takes longer than running it."""
    columns: dict[str, Any] = {name: bindparam(name) for name in names if name != "row_id"}
    return update(outbox).where(outbox.c.id == bindparam("row_id")).values(columns)


def _changes(ending: _Ending, now: datetime) -> dict[str, Any]:
    """The row's new columns; the same names for every result, so that one statement takes them all."""
    result = ending.result
    fault = result.fault if isinstance(result, FAILURES) else None
    on_its_way = ending.state in (State.PENDING, State.UNKNOWN)
    return {
        "row_id": ending.row.id,
        "state": ending.state.value,
        "available_at": result.at if isinstance(result, Retry) else ending.row.available_at,
        "lease_owner": None,
        "lease_until": None,
        "job_id": None,
        "record_id": ending.row.record_id if isinstance(result, FAILURES) else result.record_id,
        "modified_at": None if isinstance(result, FAILURES) else result.modified_at,
        "fault_code": fault.code.value if fault else None,
        "vendor_code": fault.vendor_code if fault else None,
        "message": fault.message if fault else None,
        "settled_at": None if on_its_way else now,
    }


def _record_id(ending: _Ending) -> str:
    return "" if isinstance(ending.result, FAILURES) else ending.result.record_id


def _told_otherwise(result: Result) -> AppliedOtherwise | None:
    """What the receiver told of having done it otherwise; asked as `FAILURES` are, for the same reason."""
    return cast("AppliedOtherwise", result) if hasattr(result, "left") and hasattr(result, "kept") else None


def _stamp_handoffs(connection: Connection, applied: Iterable[_Ending]) -> None:
    """Remember the time our write left on the deal, so that its echo in a feed is known."""
    stamps: dict[tuple[str, str], datetime] = {}
    for ending in applied:
        at = None if isinstance(ending.result, FAILURES) else ending.result.modified_at
        if ending.row.kind == Kind.DEAL.value and at is not None:
            where = (ending.row.system, ending.row.deal_id)
            stamps[where] = max(at, stamps.get(where, at))
    if not stamps:
        return
    connection.execute(
        update(handoff)
        .where(
            handoff.c.system == bindparam("of_system"),
            handoff.c.deal_id == bindparam("of_deal"),
            or_(handoff.c.last_write_at.is_(None), handoff.c.last_write_at < bindparam("stamp")),
        )
        .values(last_write_at=bindparam("stamp")),
        [{"of_system": system, "of_deal": deal, "stamp": at} for (system, deal), at in sorted(stamps.items())],
    )


def _keeps_the_stage(ending: _Ending) -> bool:
    """Whether a put-back was refused for good: by a rule or a right of the CRM, not because it was busy."""
    fault = ending.result.fault if isinstance(ending.result, Park) else None
    return fault is not None and ending.row.step == REVERT_STEP and fault.code in FOR_GOOD


def _note_refusals(connection: Connection, refused: Iterable[_Ending]) -> None:
    """Remember the CRM's words, so that the next decision holds the deal where it stands instead."""
    for ending in refused:
        fault = ending.result.fault if isinstance(ending.result, Park) else SENDER_LOST
        words = fault.words or fault.vendor_code or fault.code.value
        stage = str(codec.decode_value(codec.loads(ending.row.action)["values"]["stage"]))
        connection.execute(
            update(handoff)
            .where(handoff.c.system == ending.row.system, handoff.c.deal_id == ending.row.deal_id)
            .values(put_back_refused=refusal_text(Refusal(stage, words[:REFUSAL_CHARS])))
        )


def _entry(ending: _Ending, before: Mapping[str, Any]) -> Entry | None:
    """What the trail tells of an ending, if anything; ``before`` is what the step last wrote, where it knows."""
    kinds = {State.APPLIED: AuditKind.APPLIED, State.PARKED: AuditKind.PARKED}
    kind = kinds.get(ending.state)
    if kind is None:
        return None
    row, result = ending.row, ending.result
    data: dict[str, Any] = {
        "row": row.id,
        "step": row.step,
        "kind": row.kind,
        "operation": row.operation,
        "attempt": row.attempt,
    }
    if not isinstance(result, FAILURES):
        otherwise = _told_otherwise(result)
        data["record_id"] = result.record_id
        data |= told_write(
            codec.loads(row.action),
            before=before,
            left=otherwise.left if otherwise else frozenset(),
            kept=codec.encode_values(dict(otherwise.kept)) if otherwise else {},
        )
    else:
        data |= {
            "code": result.fault.code.value,
            "vendor_code": result.fault.vendor_code,
            "message": result.fault.message,
        }
    return Entry(
        system=SystemName(row.system),
        deal_id=row.deal_id,
        generation=row.generation,
        kind=kind,
        reason=row.reason,
        data=data,
    )
