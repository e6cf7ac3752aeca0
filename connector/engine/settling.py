"""Book what a CRM answered to each row: done, try again, look it up, read the deal anew, or leave it to a person.

Not here: sending (``dispatcher``, ``jobs``). Which of these follows is the fault's advice, never its words.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from connector.crm.writing import (
    Applied,
    Operation,
    Refused,
    Unknown,
    Write,
    WriteOutcome,
)
from connector.engine.brakes import halt
from connector.engine.parts import Shared, System
from connector.errors import Advice, Fault, FaultCode
from connector.failpoints import Failpoint, passing
from connector.handoff.model import Kind, Ref
from connector.handoff.plan import Notify, Patch, SendMail, Upsert
from connector.store import MAIL_IN_DOUBT, Lane, OutboxRow, Park, Reread, Result, Retry, Settlement, Unsure

REREAD_MEMORY = timedelta(hours=1)
"""How long it counts that a step was dropped and read anew; longer than `backoff` takes to use up all tries."""

BACKOFF_CAP = 300.0
BACKOFF_STEPS = 16
"""Doublings after which the cap is reached for certain; more would only overflow."""

NOTICE_DOUBTS = 3
"""How often a message is sent whose arrival is in doubt: a receiver who is slow to answer may have read every one."""

BATCH_SENT = "batch.sent"
ROW_PARKED = "row.parked"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a row may be refused before it is parked. ``away``: the whole call failed, not the row."""

    attempts: int
    away: bool = False


def settle_rows(
    shared: Shared,
    system: System,
    rows: Sequence[OutboxRow],
    outcomes: Sequence[WriteOutcome],
    *,
    lane: Lane,
    away: bool = False,
) -> int:
    """Book one outcome per row of a lane; returns how many are done. A halting fault pauses the system."""
    patience = Patience(shared.timing.max_attempts, away=away)
    halting = next((each for each in outcomes if isinstance(each, Refused) and _advises(each, Advice.HALT)), None)
    if halting is not None:
        halt(shared, system, halting.fault)
    now = shared.clock.now()
    stale = [row.id for row, each in zip(rows, outcomes, strict=True) if _advises(each, Advice.REREAD)]
    rereads = shared.store.rereads(stale, since=now - REREAD_MEMORY) if stale else {}
    settlements = [
        Settlement(
            row_id=row.id,
            attempt=row.attempt,
            result=_result(row, outcome, now=now, patience=patience, rereads=rereads.get(row.id, 0)),
        )
        for row, outcome in zip(rows, outcomes, strict=True)
    ]
    shared.store.settle(settlements)
    passing(Failpoint.SETTLED)
    return _book(shared, system, rows, settlements, lane=lane)


def write_of(row: OutboxRow) -> Write:
    """The row as the CRM is to write it. Raises AssertionError for a notification."""
    match row.action:
        case Patch() as patch:
            return Write(
                kind=patch.ref.kind,
                operation=Operation.UPDATE,
                values=patch.values,
                record_id=patch.ref.id,
                key=row.key,
                parents=(Ref(Kind.ACCOUNT, row.account_id),) if row.account_id else (),
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
        case SendMail():
            raise AssertionError("a mail is not a CRM write")


def _advises(outcome: WriteOutcome, advice: Advice) -> bool:
    return isinstance(outcome, Refused) and outcome.fault.advice is advice


def _result(row: OutboxRow, outcome: WriteOutcome, *, now: datetime, patience: Patience, rereads: int) -> Result:
    match outcome:
        case Applied():
            return outcome
        case Unknown() if isinstance(row.action, SendMail):
            return Park(MAIL_IN_DOUBT)
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


def _book(
    shared: Shared, system: System, rows: Sequence[OutboxRow], settlements: Sequence[Settlement], *, lane: Lane
) -> int:
    done = 0
    for row, settlement in zip(rows, settlements, strict=True):
        result = settlement.result
        name = type(result).__name__.lower()
        shared.telemetry.effects.labels(system=system.name, kind=lane.kind, result=name).inc()
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
    log.info(BATCH_SENT, system=system.name, kind=lane.kind, rows=len(rows), applied=done)
    return done
