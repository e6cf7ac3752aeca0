"""The port: the few things a CRM must be able to do, in canonical words.

Not here: any vendor's name, URL, error text or SDK. A new CRM is one folder that implements `CRM`, one line in
``bootstrap``, one mapping file and one contract-test file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from connector.errors import Fault, Problem
from connector.handoff.model import (
    CrmNote,
    CrmTask,
    DealType,
    Kind,
    Person,
    Record,
    Ref,
    Stage,
    SystemName,
    Touch,
    Value,
)


class Operation(StrEnum):
    """What a lane does; with the kind it names one vendor batch endpoint."""

    UPDATE = "update"
    UPSERT = "upsert"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What this CRM can do, probed at start: records per call; seconds for which a change may hide."""

    max_batch: Mapping[tuple[Kind, Operation], int]
    native_upsert: frozenset[Kind]
    change_lag: float


@dataclass(frozen=True, slots=True)
class DailyCalls:
    """Calls that everybody together made in the vendor's day, and how many it allows, as its last answer told."""

    used: int
    allowed: int

    @property
    def left(self) -> int:
        """How many are left; never below zero."""
        return max(self.allowed - self.used, 0)


@dataclass(frozen=True, slots=True)
class Change:
    """A deal to look at and why. ``by_self`` is True when the vendor says the last writer was this connector."""

    deal_id: str
    modified_at: datetime
    by_self: bool = False


@dataclass(frozen=True, slots=True)
class ChangePage:
    """One page of a feed. ``cursor`` (opaque) may be stored once the page's deals are; ``more`` asks for the next."""

    changes: tuple[Change, ...]
    cursor: str
    more: bool


@dataclass(frozen=True, slots=True)
class DealFacts:
    """One deal as read now, with all that hangs on it."""

    deal: Record
    stage: Stage
    deal_type: DealType
    modified_at: datetime
    account: Record | None
    won_at: datetime | None
    stage_before_win: str | None
    tasks: tuple[CrmTask, ...]
    notes: tuple[CrmNote, ...]
    touches: tuple[Touch, ...]


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
    """The CRM confirmed this row. ``modified_at`` is the record's new modification time where the vendor tells it."""

    record_id: str
    modified_at: datetime | None = None


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
class FieldSchema:
    """One field as the CRM describes it; ``type`` is the vendor's word. ``max_length`` 0 means none."""

    name: str
    label: str
    type: str
    writable: bool
    max_length: int
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ObjectSchema:
    """One object as the CRM describes it, keyed by the vendor's field name."""

    kind: Kind
    object_name: str
    fields: Mapping[str, FieldSchema]


class CRM(Protocol):
    """One org or portal. Every method raises `connector.errors.CrmError` when a whole call fails.

    Implementations are used by one thread at a time per system and hold no state the ledger would miss.
    """

    @property
    def system(self) -> SystemName:
        """The name from config.toml."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What was probed at `connect`."""
        ...

    @property
    def home(self) -> str:
        """The org's or portal's own id, known after `connect`: the same name must not come to mean another one."""
        ...

    @property
    def daily_calls(self) -> DailyCalls | None:
        """What of the day's calls is used; None where the vendor does not tell or has not yet."""
        ...

    def connect(self) -> tuple[Problem, ...]:
        """Log in, pin the org, probe what is unsure. Returns problems that do not prevent running."""
        ...

    def server_time(self) -> datetime:
        """The CRM's clock as of its last answer, in UTC; never the local clock."""
        ...

    def feeds(self) -> tuple[str, ...]:
        """The watched object types; each costs at most one call per idle tick."""
        ...

    def start_cursor(self, feed: str, at: datetime) -> str:
        """The cursor that begins a feed at a time."""
        ...

    def changes(self, feed: str, cursor: str) -> ChangePage:
        """The deals touched since the cursor, oldest first, with the lookback applied; at least once each."""
        ...

    def fetch(self, deal_ids: Sequence[str]) -> Mapping[str, DealFacts]:
        """Re-read deals and all that hangs on them, in as few calls as the vendor allows. Missing ids are gone."""
        ...

    def people(self) -> tuple[Person, ...]:
        """All users who may own something, inactive ones included. Cached by the caller."""
        ...

    def account_counts(self) -> Mapping[str, int]:
        """How many accounts each CSM (person id) holds now."""
        ...

    def stages(self) -> tuple[Stage, ...]:
        """All stages of all pipelines."""
        ...

    def apply(self, writes: Sequence[Write]) -> tuple[WriteOutcome, ...]:
        """Send one batch of one kind and one operation, at most ``max_batch`` rows; one outcome per row, in order.

        A reply that never came is `Unknown` for every row, not an exception. Raises only when nothing was sent.
        """
        ...

    def find(self, kind: Kind, keys: Mapping[str, str]) -> Mapping[str, str]:
        """Which of these natural keys (key -> deal id it hangs on) exist, as key -> record id."""
        ...

    def scan_won(self, since: date | None) -> Iterator[tuple[str, ...]]:
        """Pages of ids of deals that stand in a won stage (won or closing on or after ``since``), for sweeps."""
        ...

    def earliest_start(self) -> datetime | None:
        """The earliest ``started_at`` this connector left on any deal, or None: tells a first run from a rebuild."""
        ...

    def describe(self, kind: Kind) -> ObjectSchema:
        """The object's fields as this login may see them."""
        ...
