"""Jobs of the CRM in memory: opened, loaded, and worked off when a test says so.

Not here: saving a row (``memory``). A job runs once; what it did is told row by row, as often as it is asked.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from connector.crm.writing import (
    JobState,
    Operation,
    Refused,
    Unknown,
    Write,
    WriteOutcome,
)
from connector.errors import CrmError, Fault, FaultCode
from connector.handoff.model import Kind

LEFT_OUT = Fault(FaultCode.UNAVAILABLE, "LEFT_OUT", "the job ended before it came to this row")
UNTOLD = Fault(FaultCode.OUTCOME_UNKNOWN, "UNTOLD", "the job does not tell of this row")
WRONG_STATE = Fault(FaultCode.REJECTED, "JOB_STATE", "the job is not open")


@dataclass(slots=True)
class Job:
    """One job as it stands. ``outcomes`` are by record id."""

    state: JobState = JobState.OPEN
    writes: tuple[Write, ...] = ()
    outcomes: dict[str, WriteOutcome] = field(default_factory=dict)


class MemoryJobs:
    """Implements `connector.crm.port.Jobs`. ``at_once`` False leaves a loaded job running until `work` is called."""

    def __init__(self, save: Callable[[Write], WriteOutcome], *, called: Callable[[str], None]) -> None:
        self._save = save
        self._called = called
        self._numbers = itertools.count(1)
        self.jobs: dict[str, Job] = {}
        self.at_once = True
        self.lose_close = False

    def open(self, kind: Kind, operation: Operation) -> str:
        """Open a job."""
        del kind, operation
        self._called("jobs.open")
        job_id = f"job-{next(self._numbers)}"
        self.jobs[job_id] = Job()
        return job_id

    def load(self, job_id: str, writes: Sequence[Write]) -> None:
        """Take the rows and close the job; with ``lose_close`` it is closed and the answer lost, once."""
        self._called("jobs.load")
        job = self.jobs[job_id]
        if job.state is not JobState.OPEN:
            raise CrmError(WRONG_STATE)
        job.writes, job.state = tuple(writes), JobState.RUNNING
        if self.at_once:
            self.work(job_id)
        if self.lose_close:
            self.lose_close = False
            raise CrmError(UNTOLD)

    def ask(self, job_id: str) -> JobState:
        """How it stands."""
        self._called("jobs.ask")
        return self.jobs[job_id].state if job_id in self.jobs else JobState.GONE

    def results(self, job_id: str, writes: Sequence[Write]) -> tuple[WriteOutcome, ...]:
        """What became of its rows."""
        self._called("jobs.results")
        told = self.jobs[job_id].outcomes
        return tuple(told.get(write.record_id or "", Unknown(UNTOLD)) for write in writes)

    def give_up(self, job_id: str) -> bool:
        """Make sure that it never runs."""
        self._called("jobs.give_up")
        job = self.jobs.get(job_id)
        if job is not None and job.state is not JobState.OPEN:
            return False
        if job is not None:
            job.state = JobState.BROKEN_OFF
        return True

    def work(self, job_id: str, *, rows: int | None = None) -> None:
        """Work a running job off; with ``rows`` it breaks off after so many."""
        job = self.jobs[job_id]
        for place, write in enumerate(job.writes):
            left_out = rows is not None and place >= rows
            job.outcomes[write.record_id or ""] = Refused(LEFT_OUT) if left_out else self._save(write)
        job.state = JobState.ENDED if rows is None else JobState.BROKEN_OFF
