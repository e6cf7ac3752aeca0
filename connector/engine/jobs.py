"""Jobs: hand many rows to the CRM at once and ask later what became of each; nothing here waits for an answer.

Not here: booking outcomes (``settling``), rows in ordinary batches (``dispatcher``). A job is opened empty, its id is
stored with the rows it takes, and only then is it loaded: whatever ends the process in between, the id says where to
look. A look that fails leaves the job alone.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum, auto

import structlog

from connector.crm.batch import chunks
from connector.crm.writing import (
    Bulk,
    Jobs,
    JobState,
    Operation,
    Refused,
    Unknown,
    WriteOutcome,
)
from connector.engine.brakes import halt
from connector.engine.parts import Shared, System
from connector.engine.settling import settle_rows, write_of
from connector.errors import Advice, CrmError, Fault, FaultCode
from connector.failpoints import Failpoint, passing
from connector.handoff.model import Kind
from connector.handoff.plan import Order
from connector.store import Job, Lane, OutboxRow, Turn

AT_ONCE = 3
"""Jobs of one system under way: more would only fight for the same records."""

FIRST_ASK = 2.0
LONGEST_ASK = 60.0
"""Seconds from loading a job to the first look at it, doubling up to the longest."""

PIECEMEAL_FOR = timedelta(hours=1)
"""How long a system is written to in ordinary batches after the CRM would not have a job, or broke one off."""

TRIES = 3
"""Jobs in a row that could not be opened or loaded, after which rows go in ordinary batches: whatever it is (a proxy
that lets no large upload through, an outage of this one interface), they must not wait for its end."""

WILL_NOT = frozenset({Advice.PARK, Advice.REREAD})
"""Advice that means the same answer to the same request: rights are missing, rows too many, no such path."""

SETTLED_AT_ONCE = 500
"""Rows booked in one transaction: others who write to the database wait for no more than that."""

ALL_ROWS = 1_000_000
NOT_BY_JOB = frozenset({Order.REVERT})
"""A win that must be put back waits for nothing."""

JOB_SENT = "job.sent"
JOB_ENDED = "job.ended"
JOB_DROPPED = "job.dropped"
JOB_FAILED = "job.failed"
JOB_REFUSED = "job.refused"

NEVER_RAN = Fault(FaultCode.UNAVAILABLE, "JOB_NEVER_RAN", "the job was given up before it was loaded")
JOB_GONE = Fault(FaultCode.OUTCOME_UNKNOWN, "JOB_GONE", "the CRM does not know the job this row travelled in")

log = structlog.get_logger()


class Started(Enum):
    """What came of the wish to send by a job."""

    NO = auto()
    """Too few rows, or no jobs here: send them in batches."""

    YES = auto()
    LATER = auto()
    """Enough jobs are under way, or the CRM would not have one now: the rows wait."""


def start_job(shared: Shared, system: System, turn: Turn) -> Started:
    """Send the rows whose turn it is by a job if there are enough of them."""
    bulk = lane_by_job(system, turn.lane)
    if bulk is None or turn.order in NOT_BY_JOB or _piecemeal(shared, system):
        return Started.NO
    if shared.store.claimable(turn, limit=bulk.threshold) < bulk.threshold:
        return Started.NO
    jobs = system.crm.jobs
    if jobs is None:
        return Started.NO
    if len(shared.store.jobs(system.name)) >= AT_ONCE:
        return Started.LATER
    try:
        job_id = jobs.open(Kind(turn.lane.kind), Operation(turn.lane.operation))
    except CrmError as error:
        return Started.NO if _failed(shared, system, "", error.fault) else Started.LATER
    passing(Failpoint.JOB_OPENED)
    return _fill(shared, system, turn, jobs=jobs, bulk=bulk, job_id=job_id)


def leave_job(shared: Shared, system: System, turn: Turn) -> Started:
    """Leave rows that are worth a job to the process that starts jobs."""
    bulk = lane_by_job(system, turn.lane)
    if bulk is None or turn.order in NOT_BY_JOB:
        return Started.NO
    return Started.LATER if shared.store.claimable(turn, limit=bulk.threshold) >= bulk.threshold else Started.NO


def lane_by_job(system: System, lane: Lane) -> Bulk | None:
    """How the CRM takes jobs of a lane; None when it does not."""
    by_job = system.crm.capabilities.bulk
    return by_job.get((Kind(lane.kind), Operation(lane.operation))) if by_job and lane.kind in set(Kind) else None


def ask_jobs(shared: Shared, system: System) -> int:
    """Ask the jobs whose time has come. Returns rows booked.

    A job whose look fails is asked again later; when all were tried, the first `CrmError` is raised.
    """
    jobs = system.crm.jobs
    booked = 0
    failed: CrmError | None = None
    for job in shared.store.jobs(system.name):
        if jobs is None or not _due(shared, job):
            continue
        try:
            booked += _ask(shared, system, jobs, job)
        except CrmError as error:
            shared.store.job_asked(system.name, job.id, due_at=_next_ask(shared, job))
            log.warning(JOB_FAILED, system=system.name, job=job.id, vendor_code=error.fault.vendor_code)
            if error.fault.advice is Advice.HALT:
                raise
            failed = failed or error
    if failed is not None:
        raise failed
    return booked


def next_ask(shared: Shared, system: System) -> datetime | None:
    """When the next job is due; None when none is under way."""
    return min((job.due_at for job in shared.store.jobs(system.name)), default=None)


def _fill(shared: Shared, system: System, turn: Turn, *, jobs: Jobs, bulk: Bulk, job_id: str) -> Started:
    now = shared.clock.now()
    rows = shared.store.claim_job(
        turn,
        job_id=job_id,
        owner=shared.owner,
        size=bulk.size,
        chars=bulk.chars,
        # Until then nobody else may think that this process died over it.
        due_at=now + timedelta(seconds=shared.timing.call_lease),
    )
    if not rows:
        jobs.give_up(job_id)
        return Started.NO
    passing(Failpoint.JOB_STORED)
    try:
        jobs.load(job_id, [write_of(row) for row in rows])
    except CrmError as error:
        # The rows are the job's until it was asked how far it came.
        shared.store.job_asked(system.name, job_id, due_at=shared.clock.now())
        _failed(shared, system, job_id, error.fault)
        return Started.LATER
    passing(Failpoint.JOB_UPLOADED)
    _is_loaded(shared, system, job_id, due_at=shared.clock.now() + timedelta(seconds=FIRST_ASK))
    log.info(JOB_SENT, system=system.name, job=job_id, kind=turn.lane.kind, rows=len(rows))
    return Started.YES


def _is_loaded(shared: Shared, system: System, job_id: str, *, due_at: datetime) -> None:
    system.job_failures = 0
    shared.store.job_loaded(system.name, job_id, due_at=due_at)


def _failed(shared: Shared, system: System, job_id: str, fault: Fault) -> bool:
    """A job could not be opened or loaded. Whether rows go in ordinary batches from here on."""
    log.warning(JOB_FAILED, system=system.name, job=job_id, vendor_code=fault.vendor_code)
    if fault.advice is Advice.HALT:
        halt(shared, system, fault)
        return False
    system.job_failures += 1
    if fault.advice not in WILL_NOT and system.job_failures < TRIES:
        return False
    _go_piecemeal(shared, system, why=f"{fault.vendor_code}: {fault.message}")
    return True


def _piecemeal(shared: Shared, system: System) -> bool:
    return system.piecemeal_until is not None and shared.clock.now() < system.piecemeal_until


def _go_piecemeal(shared: Shared, system: System, *, why: str) -> None:
    system.job_failures = 0
    system.piecemeal_until = shared.clock.now() + PIECEMEAL_FOR
    log.warning(JOB_REFUSED, system=system.name, why=why, next="rows go in ordinary batches for an hour")


def _due(shared: Shared, job: Job) -> bool:
    """A pass begins with nothing in flight: in the only process, a job not loaded was left by one that died. So was one
    whose process has stopped saying that it lives."""
    left_behind = not job.loaded and (shared.store.single_process or job.orphaned)
    return left_behind or job.due_at <= shared.clock.now()


def _next_ask(shared: Shared, job: Job) -> datetime:
    wait = min(LONGEST_ASK, FIRST_ASK * 2.0 ** min(job.asked, 10))
    return shared.clock.now() + timedelta(seconds=wait)


def _ask(shared: Shared, system: System, jobs: Jobs, job: Job) -> int:
    state = jobs.ask(job.id)
    if state is JobState.OPEN and jobs.give_up(job.id):
        log.warning(JOB_DROPPED, system=system.name, job=job.id, rows=job.rows)
        # All at the same time again, so that they fill another job.
        again = replace(NEVER_RAN, retry_at=shared.clock.now() + timedelta(seconds=FIRST_ASK))
        return _end_with(shared, system, job, Refused(again))
    if state is JobState.GONE:
        log.warning(JOB_DROPPED, system=system.name, job=job.id, rows=job.rows)
        return _end_with(shared, system, job, Unknown(JOB_GONE))
    if state not in (JobState.ENDED, JobState.BROKEN_OFF):
        if not job.loaded and state is JobState.RUNNING:
            _is_loaded(shared, system, job.id, due_at=shared.clock.now())
        shared.store.job_asked(system.name, job.id, due_at=_next_ask(shared, job))
        return 0
    if state is JobState.BROKEN_OFF:
        _go_piecemeal(shared, system, why=f"job {job.id} was broken off")
    rows = _rows(shared, job)
    outcomes = jobs.results(job.id, [write_of(row) for row in rows])
    done = _book(shared, system, job, rows, outcomes)
    log.info(JOB_ENDED, system=system.name, job=job.id, rows=len(rows), applied=done)
    return len(rows)


def _end_with(shared: Shared, system: System, job: Job, outcome: WriteOutcome) -> int:
    rows = _rows(shared, job)
    _book(shared, system, job, rows, [outcome] * len(rows), away=True)
    return len(rows)


def _rows(shared: Shared, job: Job) -> tuple[OutboxRow, ...]:
    return shared.store.job_rows(job.system, job.id, limit=ALL_ROWS)


def _book(
    shared: Shared,
    system: System,
    job: Job,
    rows: tuple[OutboxRow, ...],
    outcomes: list[WriteOutcome] | tuple[WriteOutcome, ...],
    *,
    away: bool = False,
) -> int:
    """Book every row, portion by portion; what a kill leaves over still carries the job's id and is asked for again."""
    lane = Lane(system=job.system, kind=job.kind, operation=job.operation)
    done = 0
    for part in chunks(tuple(zip(rows, outcomes, strict=True)), size=SETTLED_AT_ONCE):
        passing(Failpoint.JOB_ASKED)
        done += settle_rows(shared, system, [row for row, _ in part], [each for _, each in part], lane=lane, away=away)
    shared.store.forget_job(job.system, job.id)
    return done
