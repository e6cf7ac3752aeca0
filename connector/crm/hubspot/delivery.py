"""One batch of rows to one endpoint, and what became of each row.

Not here: what the rows hold (``writes``). An answer is judged row by row, by what it confirms and what it names;
neither a 200 nor a 207 says anything of a single row (facts: HubSpot §3d). A batch refused as a whole is halved until
the bad row stands alone, so that it never sinks its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from connector.crm.hubspot import faults, refusals, wire
from connector.crm.writing import (
    Applied,
    Refused,
    Unknown,
    WriteOutcome,
)
from connector.errors import Advice, Fault, FaultCode

MOST_SPLITS = 32
"""Halvings per delivery: enough to single out four bad rows of a hundred. Rows left over are tried again later."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row. ``name`` is what the vendor may call it in an error besides ``trace``: its id or its key.

    ``other`` is a record it needs (the far end of a link); an error that names only that concerns every such row.
    """

    index: int
    name: str
    input: Mapping[str, object]
    other: str = ""

    @property
    def trace(self) -> str:
        """The ``objectWriteTraceId`` that travels with the row and comes back with its outcome."""
        return trace_of(self.index)

    @property
    def sent(self) -> Mapping[str, str]:
        """The properties it writes; none for a link."""
        written = self.input.get("properties")
        return written if isinstance(written, Mapping) else {}


def trace_of(index: int) -> str:
    """The trace id of the row at this place."""
    return f"row-{index}"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A row the answer confirms."""

    record_id: str
    modified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer ready to be asked about single rows: ``confirmed`` by trace id, or by name."""

    confirmed: Mapping[str, Confirmed]
    errors: tuple[wire.RowError, ...]


Post = Callable[[Sequence[Row]], Judged]


class Delivery:
    """Gathers the outcomes of all parts of one `apply`. ``blamed`` are the names in the error of a refused row."""

    def __init__(self) -> None:
        self.outcomes: dict[int, WriteOutcome] = {}
        self.blamed: dict[int, frozenset[str]] = {}
        self._splits = MOST_SPLITS
        self._stopped: Fault | None = None

    def deliver(self, rows: Sequence[Row], post: Post) -> None:
        """Send rows. Raises `faults.HubSpotError` when the first call of all fails with nothing done."""
        waiting = [tuple(rows)] if rows else []
        while waiting:
            part = waiting.pop()
            if self._stopped is not None:
                self._refuse(part, self._stopped)
                continue
            try:
                judged = post(part)
            except faults.HubSpotError as error:
                # The stack's top is sent next, so the first half goes on last.
                waiting.extend(reversed(self._after(part, error)))
            else:
                self._settle(part, judged)

    def _after(self, part: tuple[Row, ...], error: faults.HubSpotError) -> list[tuple[Row, ...]]:
        """Book what a failed call means for its rows; returns the parts to send again."""
        fault = error.fault
        if fault.advice is Advice.VERIFY:
            self.outcomes.update((row.index, Unknown(fault)) for row in part)
            self._stopped = Fault(FaultCode.UNAVAILABLE, "NOT_SENT", "Not sent: the call before it got no answer")
            return []
        named = _named(part, error.names) or _carrying(part, error.unwritable)
        if named or error.refuses_content:
            return self._without_bad(part, named, error)
        if not self.outcomes:
            raise error
        self._stopped = fault
        self._refuse(part, fault)
        return []

    def _without_bad(
        self, part: tuple[Row, ...], named: list[Row], error: faults.HubSpotError
    ) -> list[tuple[Row, ...]]:
        blamed = error.names | error.unwritable
        if len(part) == 1 or len(named) == len(part):
            self._refuse(part, error.fault, blamed=blamed)
            return []
        if named:
            self._refuse(named, error.fault, blamed=blamed)
            return [tuple(row for row in part if row not in named)]
        if self._splits == 0:
            left = Fault(FaultCode.UNAVAILABLE, error.fault.vendor_code, f"Not sent alone yet: {error.fault.message}")
            self._refuse(part, left)
            return []
        self._splits -= 1
        middle = len(part) // 2
        return [part[:middle], part[middle:]]

    def _settle(self, part: tuple[Row, ...], judged: Judged) -> None:
        refused = {row.index: error for error in reversed(judged.errors) for row in _named(part, error.names)}
        silent: list[Row] = []
        for row in part:
            confirmed = judged.confirmed.get(row.trace) or judged.confirmed.get(row.name)
            if row.index in refused:
                self._refuse((row,), faults.of_row(refused[row.index]), blamed=refused[row.index].names)
            elif confirmed is not None:
                self.outcomes[row.index] = Applied(confirmed.record_id, confirmed.modified_at)
            else:
                silent.append(row)
        self._settle_silent(silent, [each for each in judged.errors if not _named(part, each.names)])

    def _settle_silent(self, rows: Sequence[Row], nameless: Sequence[wire.RowError]) -> None:
        """Rows the answer neither confirms nor names. As many nameless errors as such rows: those are theirs."""
        if rows and len(nameless) >= len(rows):
            for row, error in zip(rows, nameless, strict=False):
                self._refuse((row,), faults.of_row(error), blamed=error.names)
            return
        fault = Fault(FaultCode.OUTCOME_UNKNOWN, "NOT_MENTIONED", "HubSpot's answer does not mention this row")
        self.outcomes.update((row.index, Unknown(fault)) for row in rows)

    def _refuse(self, rows: Sequence[Row], fault: Fault, *, blamed: frozenset[str] = frozenset()) -> None:
        self.outcomes.update((row.index, Refused(refusals.explained(fault, row.sent))) for row in rows)
        self.blamed.update((row.index, blamed) for row in rows)


def _named(rows: Sequence[Row], names: frozenset[str]) -> list[Row]:
    """The rows an error's context means."""
    direct = [row for row in rows if row.trace in names or row.name in names]
    return direct or [row for row in rows if row.other and row.other in names]


def _carrying(rows: Sequence[Row], properties: frozenset[str]) -> list[Row]:
    """The rows that write one of these properties."""
    return [row for row in rows if properties.intersection(row.sent)]
