"""How many calls writing will cost, and by which way: in ordinary batches or by jobs.

Not here: writing. The dispatcher goes the same way by the same figures; this is for saying so beforehand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from connector.crm.port import (
    Capabilities,
)
from connector.crm.writing import (
    Operation,
)
from connector.engine.jobs import NOT_BY_JOB
from connector.handoff.model import Kind
from connector.handoff.plan import Action, Notify, Order, Patch, SendMail, Upsert

Row = tuple[Order, Kind, Operation]


@dataclass(frozen=True, slots=True)
class Way:
    """One kind of write: its rows, what they cost in batches and by jobs (None: not by job), and which way they go."""

    kind: Kind
    operation: Operation
    rows: int
    in_batches: int
    by_jobs: int | None
    jobs: int = 0

    @property
    def calls(self) -> int:
        """Calls by the way that is taken."""
        return self.by_jobs if self.jobs and self.by_jobs is not None else self.in_batches


def count(actions: Iterable[Action]) -> Counter[Row]:
    """How many rows of each kind these actions make; messages go to no CRM."""
    rows: Counter[Row] = Counter()
    for action in actions:
        match action:
            case Patch():
                rows[action.order, action.ref.kind, Operation.UPDATE] += 1
            case Upsert():
                rows[action.order, action.kind, Operation.UPSERT] += 1
            case Notify() | SendMail():
                pass
    return rows


def ways(capabilities: Capabilities, rows: Mapping[Row, int]) -> tuple[Way, ...]:
    """The way of each kind of write, in the order they are sent. A job is counted as asked about once."""
    found = []
    for (order, kind, operation), amount in sorted(rows.items()):
        size = capabilities.max_batch[kind, operation]
        plain = -(-amount // size)
        bulk = None if order in NOT_BY_JOB else capabilities.bulk.get((kind, operation))
        if bulk is None:
            found.append(Way(kind, operation, amount, plain, None))
            continue
        full, rest = divmod(amount, bulk.size)
        rest_by_job = rest >= bulk.threshold
        jobs = full + rest_by_job
        calls = jobs * bulk.calls + (0 if rest_by_job else -(-rest // size))
        whole = -(-amount // bulk.size) * bulk.calls
        found.append(Way(kind, operation, amount, plain, calls if jobs else whole, jobs=jobs))
    return tuple(found)
