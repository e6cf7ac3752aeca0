"""What is written to a CRM, row by row or as a job, and what comes back.

Not here: the port these travel through (``port``), and which rows there are (``engine``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from connector.errors import Fault
from connector.handoff.model import Kind, Ref, Value


class Operation(StrEnum):
    """What a lane does; with the kind it names one vendor batch endpoint."""

    UPDATE = "update"
    UPSERT = "upsert"


@dataclass(frozen=True, slots=True)
class Write:
    """One row of a batch. ``record_id`` is set for updates and known upserts; ``key`` for upserts.

    ``parents`` are what an upserted row hangs on, the deal first. ``values`` hold canonical names.
    """

    kind: Kind
    operation: Operation
    values: Mapping[str, Value]
    record_id: str | None = None
    key: str | None = None
    parents: tuple[Ref, ...] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """The CRM confirmed this row. ``modified_at`` is the record's new modification time where the vendor tells it.

    ``left`` are names of values that were not written with it, because the CRM would not have the others with them;
    ``kept`` is what it made of a value that it did not take as it was, by name.
    """

    record_id: str
    modified_at: datetime | None = None
    left: frozenset[str] = frozenset()
    kept: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """The CRM refused this row, in its own words."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows whether this row was done; it must be looked up by key before anything is sent again."""

    fault: Fault


WriteOutcome = Applied | Refused | Unknown
"""One per row, in request order."""


@dataclass(frozen=True, slots=True)
class Bulk:
    """A lane that the CRM also takes as a job: so many rows at once, worked off later, the outcome asked for.

    ``threshold``: rows from which on a job is the cheaper way. ``size`` and ``chars``: what one job takes at most, in
    rows and in characters of what is written. ``calls``: what a job costs that has ended when it is asked first.
    """

    threshold: int
    size: int
    chars: int
    calls: int


class JobState(StrEnum):
    """How a job stands at the CRM."""

    OPEN = "open"
    """Opened and never closed: nothing of it was done, and nothing will be while it is not closed."""

    RUNNING = "running"
    """Closed, and not yet at its end."""

    ENDED = "ended"
    """Every row was tried."""

    BROKEN_OFF = "broken_off"
    """At its end, but rows may have been left out."""

    GONE = "gone"
    """The CRM knows no such job."""


class Jobs(Protocol):
    """Writing by jobs. Nothing waits here: a job is asked when its time has come. Every method raises `CrmError`.

    An error leaves the job as it is: it is not given up because a call about it failed.
    """

    def open(self, kind: Kind, operation: Operation) -> str:
        """Open an empty job and return its id, to be stored before anything else is done with it."""
        ...

    def load(self, job_id: str, writes: Sequence[Write]) -> None:
        """Give it its rows and close it. After an error only `ask` tells whether it was closed."""
        ...

    def ask(self, job_id: str) -> JobState:
        """How it stands, in one call."""
        ...

    def results(self, job_id: str, writes: Sequence[Write]) -> tuple[WriteOutcome, ...]:
        """What became of each row of a job that is at its end, in the order of ``writes``.

        A row that was left out is `Refused` with a fault that says to retry; one that is nowhere told of is `Unknown`.
        """
        ...

    def give_up(self, job_id: str) -> bool:
        """Make sure that an open job never runs. False when it had been closed meanwhile: then it is asked as usual."""
        ...
