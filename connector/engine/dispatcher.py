"""Claim, apply, settle: send what was recorded, in the vendor's largest batches, and book each row's outcome.

Not here: deciding what to send. A row is claimed before it is sent and settled after; a process that dies in between
leaves it in ``sending``, and the rescuer hands it to the verifier, never straight back to be sent.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from connector.crm.port import Applied, Operation, Refused, Unknown, Write, WriteOutcome
from connector.engine.brakes import halt
from connector.engine.failpoints import Failpoint, passing
from connector.engine.parts import Shared, System
from connector.errors import Advice, CrmError, Fault, FaultCode
from connector.handoff.model import Kind
from connector.handoff.plan import Notify, Patch, Upsert
from connector.store import Claimed, Lane, OutboxRow, Park, Reread, Result, Retry, Settlement, Unsure

NOTICE_BATCH = 20
"""Notifications per claim: each is a call of its own, so a crash leaves few in doubt."""

REREAD_MEMORY = timedelta(hours=1)
"""How long it counts that a step was dropped and read anew; longer than `backoff` takes to use up all tries."""

SLOW_NOTICES = 10.0
"""Seconds: after a batch of messages slower than this the rest waits for the next pass, so that no win waits for a
chat service that hangs."""

BACKOFF_CAP = 300.0
BACKOFF_STEPS = 16
"""Doublings after which the cap is reached for certain; more would only overflow."""

NOTICE_DOUBTS = 3
"""How often a message is sent whose arrival is in doubt: a receiver who is slow to answer may have read every one."""

BATCH_SENT = "batch.sent"
ROW_PARKED = "row.parked"

log = structlog.get_logger()


def dispatch(shared: Shared, system: System) -> int:
    """Send until nothing is claimable. Returns rows settled as applied. A halting fault pauses the system."""
    applied = 0
    while not shared.stopping.is_set() and shared.store.paused(system.name) is None:
        claimed = shared.store.claim(
            system.name,
            owner=shared.owner,
            batch=lambda lane: _batch_size(system, lane),
            lease_seconds=shared.timing.call_lease,
        )
        if claimed is None:
            break
        began = time.monotonic()
        applied += _send(shared, system, claimed)
        if claimed.lane.kind == "notify" and time.monotonic() - began > SLOW_NOTICES:
            break
    return applied


def _batch_size(system: System, lane: Lane) -> int:
    if lane.kind == "notify":
        return NOTICE_BATCH
    return system.crm.capabilities.max_batch[(Kind(lane.kind), Operation(lane.operation))]


def _send(shared: Shared, system: System, claimed: Claimed) -> int:
    passing(Failpoint.BEFORE_CALL)
    patience = Patience(shared.timing.max_attempts)
    try:
        outcomes = _apply(shared, system, claimed)
    except CrmError as error:
        outcomes = tuple(_whole_call(error.fault) for _ in claimed.rows)
        patience = Patience(shared.timing.max_attempts, away=True)
    halting = next((each for each in outcomes if isinstance(each, Refused) and _advises(each, Advice.HALT)), None)
    if halting is not None:
        halt(shared, system, halting.fault)
    passing(Failpoint.AFTER_CALL)
    now = shared.clock.now()
    stale = [row.id for row, each in zip(claimed.rows, outcomes, strict=True) if _advises(each, Advice.REREAD)]
    rereads = shared.store.rereads(stale, since=now - REREAD_MEMORY) if stale else {}
    settlements = [
        Settlement(
            row_id=row.id,
            attempt=row.attempt,
            result=_result(row, outcome, now=now, patience=patience, rereads=rereads.get(row.id, 0)),
        )
        for row, outcome in zip(claimed.rows, outcomes, strict=True)
    ]
    shared.store.settle(settlements)
    passing(Failpoint.SETTLED)
    return _book(shared, system, claimed, settlements)


def _apply(shared: Shared, system: System, claimed: Claimed) -> tuple[WriteOutcome, ...]:
    if claimed.lane.kind == "notify":
        return tuple(_notify(shared, row) for row in claimed.rows)
    return system.crm.apply([_write(row) for row in claimed.rows])


def _write(row: OutboxRow) -> Write:
    match row.action:
        case Patch() as patch:
            return Write(
                kind=patch.ref.kind,
                operation=Operation.UPDATE,
                values=patch.values,
                record_id=patch.ref.id,
                key=row.key,
            )
        case Upsert() as upsert:
            return Write(
                kind=upsert.kind,
                operation=Operation.UPSERT,
                values=upsert.values,
                record_id=upsert.record_id,
                key=upsert.key,
                parents=upsert.parents,
            )
        case Notify():
            raise AssertionError("a notification is not a CRM write")


def _notify(shared: Shared, row: OutboxRow) -> WriteOutcome:
    if not isinstance(row.action, Notify):
        raise AssertionError("only notifications travel in the notify lane")
    try:
        shared.send_notice(row.action)
    except CrmError as error:
        if error.fault.advice is Advice.VERIFY:
            return Unknown(error.fault)
        return Refused(error.fault)
    return Applied(record_id=row.key)


def _whole_call(fault: Fault) -> WriteOutcome:
    return Unknown(fault) if fault.advice is Advice.VERIFY else Refused(fault)


def _advises(outcome: WriteOutcome, advice: Advice) -> bool:
    return isinstance(outcome, Refused) and outcome.fault.advice is advice


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a row may be refused before it is parked. ``away``: the whole call failed, not the row."""

    attempts: int
    away: bool = False


def _result(row: OutboxRow, outcome: WriteOutcome, *, now: datetime, patience: Patience, rereads: int) -> Result:
    match outcome:
        case Applied():
            return outcome
        case Unknown(fault):
            in_doubt_too_often = isinstance(row.action, Notify) and row.attempt >= NOTICE_DOUBTS
            return Park(fault) if in_doubt_too_often else Unsure(fault)
        case Refused(fault):
            return _refusal(row, fault, now=now, patience=patience, rereads=rereads)


def _refusal(row: OutboxRow, fault: Fault, *, now: datetime, patience: Patience, rereads: int) -> Result:
    tries = row.attempt + rereads
    spent = tries >= patience.attempts
    match fault.advice:
        case Advice.RETRY | Advice.HALT:
            # While the CRM is away or busy nothing is wrong with the row: it waits as long as it takes.
            if spent and fault.advice is Advice.RETRY and not patience.away:
                return Park(fault)
            asked = fault.retry_at if fault.retry_at and fault.retry_at > now else None
            return Retry(fault, at=asked or now + backoff(row.attempt))
        case Advice.REREAD:
            # At once the first time; a deal that reads the same and is refused the same must not be read for ever.
            return Park(fault) if spent else Reread(fault, at=now + backoff(tries) if rereads else None)
        case Advice.VERIFY:
            return Unsure(fault)
        case Advice.PARK:
            return Park(fault)


def backoff(attempt: int) -> timedelta:
    """Exponential with jitter below, so that rows refused together do not come back together."""
    ceiling = min(BACKOFF_CAP, 2.0 ** min(attempt, BACKOFF_STEPS))
    return timedelta(seconds=random.uniform(ceiling / 2, ceiling))  # noqa: S311  # spread, not secrecy


def _book(shared: Shared, system: System, claimed: Claimed, settlements: list[Settlement]) -> int:
    done = 0
    for row, settlement in zip(claimed.rows, settlements, strict=True):
        result = settlement.result
        name = type(result).__name__.lower()
        shared.telemetry.effects.labels(system=system.name, kind=claimed.lane.kind, result=name).inc()
        if isinstance(result, Applied):
            done += 1
        if isinstance(result, Park):
            shared.telemetry.last_fault(system.name, FaultCode(result.fault.code).value)
            log.warning(
                ROW_PARKED,
                system=system.name,
                deal=row.deal_id,
                step=row.step,
                vendor_code=result.fault.vendor_code,
                message=result.fault.message,
                next="mend the cause in the CRM or the mapping, then: handoff retry",
            )
    log.info(BATCH_SENT, system=system.name, kind=claimed.lane.kind, rows=len(claimed.rows), applied=done)
    return done
