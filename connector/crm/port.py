"""The port: the few things a CRM must be able to do, in canonical words.

Not here: any vendor's name, URL, error text or SDK. A new CRM is one folder that implements `CRM`, one line in
``bootstrap``, one mapping file and one contract-test file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

from connector.crm.live import LiveFeed
from connector.crm.writing import Bulk, Jobs, Operation, Write, WriteOutcome
from connector.errors import Advice, CrmError, Fault, FaultCode, Problem
from connector.handoff.model import (
    Contact,
    CrmMeeting,
    CrmNote,
    CrmTask,
    DealType,
    Kind,
    Person,
    Record,
    Span,
    Stage,
    SystemName,
    Touch,
)
from connector.handoff.moves import NOBODY_KNOWN, Mover, Passing
from connector.handoff.plan import Notify

if TYPE_CHECKING:
    from connector.crm.rounds import Rounds


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What this CRM can do, probed at start: records per call; seconds for which a change may hide; lanes with jobs."""

    max_batch: Mapping[tuple[Kind, Operation], int]
    native_upsert: frozenset[Kind]
    change_lag: float
    bulk: Mapping[tuple[Kind, Operation], Bulk] = field(default_factory=dict)


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
    """A deal to look at and why. ``by_self`` is True when the vendor says the last writer was this connector.

    ``minor``: nothing changed that is mapped, as far as the vendor tells; the look may wait for others.
    """

    deal_id: str
    modified_at: datetime
    by_self: bool = False
    minor: bool = False


T = TypeVar("T")

UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, OverflowError)
"""What reading a text raises that something else wrote."""


class PlaceLost(Exception):
    """A place that was stored is none of this feed's, or this round's; it must begin anew."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the place that is stored for {name} cannot be read")


def read_place(name: str, parse: Callable[[str], T], text: str) -> T:
    """A place as its feed or round wrote it. Raises `PlaceLost`."""
    try:
        return parse(text)
    except UNREADABLE as error:
        raise PlaceLost(name) from error


@dataclass(frozen=True, slots=True)
class ChangePage:
    """One page of a feed. ``cursor`` (opaque) may be stored once the page's deals are; ``more`` asks for the next."""

    changes: tuple[Change, ...]
    cursor: str
    more: bool


@dataclass(frozen=True, slots=True)
class DealFacts:
    """One deal as read now, with all that hangs on it.

    ``won_by`` and ``passed`` (wins that were left again, oldest first) are empty where the vendor keeps no such history
    or it was not worth a call. ``merged`` are the ids of deals that became part of this one.
    """

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
    meetings: tuple[CrmMeeting, ...] = ()
    won_by: Mover = NOBODY_KNOWN
    passed: tuple[Passing, ...] = ()
    merged: tuple[str, ...] = ()
    stage_since: datetime | None = None
    """Since when it stands in its stage, where that costs no call of its own."""
    replies: tuple[datetime, ...] = ()
    """When the customer wrote, oldest first, where the CRM keeps what came in apart from what went out."""
    no_shows: tuple[datetime, ...] = ()
    """When meetings that people made were to be, and the customer did not come."""
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldSchema:
    """One field as the CRM describes it; ``type`` is the vendor's word. ``max_length`` 0 means none.

    ``external_id`` and ``unique`` are as the admin made the field, False where the vendor knows no such thing.
    ``createable`` and ``updateable`` tell apart what ``writable`` joins, where the vendor does. ``refers`` names what a
    reference may lead to, by the vendor's words; empty where it does not say.
    """

    name: str
    label: str
    type: str
    writable: bool
    max_length: int
    choices: tuple[str, ...]
    external_id: bool = False
    unique: bool = False
    createable: bool = True
    updateable: bool = True
    refers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ObjectSchema:
    """One object as the CRM describes it, keyed by the vendor's field name."""

    kind: Kind
    object_name: str
    fields: Mapping[str, FieldSchema]


@dataclass(frozen=True, slots=True)
class Examination:
    """What one vendor can tell besides its fields: problems, each with its fix, and plain facts for an admin."""

    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


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
    def jobs(self) -> Jobs | None:
        """Writing by jobs, for the lanes of ``capabilities.bulk``; None where there is no such thing.

        Those under way are asked also when no lane goes by job any more.
        """
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

    def relearn(self) -> tuple[Problem, ...]:
        """Read anew which of the mapped fields this login sees, in a few calls, and return what `connect` would. From
        then on `describe` answers by it, and reads leave out what is missing. Raises `UserError` as `connect` does.
        """
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

    def poll(self, cursors: Mapping[str, str]) -> Mapping[str, ChangePage | Fault]:
        """One page of each of these feeds, each from its cursor, in as few calls as the vendor allows.

        A feed that failed alone is told by its fault; raises when the whole call did.
        """
        ...

    def changes(self, feed: str, cursor: str) -> ChangePage:
        """The deals touched since the cursor, oldest first, with the lookback applied; at least once each."""
        ...

    def live(self) -> LiveFeed | None:
        """Changes as they happen, for after `connect`; None where there is no such thing or it is switched off."""
        ...

    def fetch(self, deal_ids: Sequence[str], *, bare: bool = False) -> Mapping[str, DealFacts]:
        """Re-read deals and all that hangs on them, in as few calls as the vendor allows. Missing ids are gone.

        ``bare`` asks for deals and accounts alone; tasks, notes, touches and the stage before may then be missing.
        """
        ...

    def people(self) -> tuple[Person, ...]:
        """All users who may own something, inactive ones included. Cached by the caller."""
        ...

    def account_counts(self) -> Mapping[str, int]:
        """How many accounts each CSM (person id) holds now."""
        ...

    def busy(self, people: Sequence[str], *, start: datetime, end: datetime) -> Mapping[str, tuple[Span, ...]]:
        """When the calendars of these people (ids) are taken within a window, as far as the CRM keeps them.

        Everybody whose calendar was read is in the answer; in few calls (a page of events costs one more).
        """
        ...

    def stages(self) -> tuple[Stage, ...]:
        """All stages of all pipelines."""
        ...

    def apply(self, writes: Sequence[Write]) -> tuple[WriteOutcome, ...]:
        """Send one batch of one kind and one operation, at most ``max_batch`` rows; one outcome per row, in order.

        A reply that never came is `Unknown` for every row, not an exception. Raises only when nothing was sent.
        """
        ...

    def tell(self, notice: Notify) -> None:
        """Tell one of the CRM's users inside the CRM, by ``notice.way``; raises where the CRM has no such way.

        Nothing can be looked up afterwards: OUTCOME_UNKNOWN when the answer was lost.
        """
        ...

    def find(self, kind: Kind, keys: Mapping[str, str]) -> Mapping[str, str]:
        """Which of these natural keys (key -> deal id it hangs on) exist, as key -> record id."""
        ...

    def scan_won(self, since: date | None) -> Iterator[tuple[str, ...]]:
        """Pages of ids of deals that stand in a won stage (won or closing on or after ``since``), for sweeps."""
        ...

    def scan_changed(self, since: datetime) -> Iterator[tuple[Change, ...]]:
        """Pages of all deals changed at or after ``since``, deleted ones included, in no order of time: for the nightly
        comparison with the ledger. Nothing where the vendor has no such list.
        """
        ...

    def rounds(self) -> Rounds | None:
        """What is gone through slowly beside the feeds; None where the feeds and `scan_changed` are enough."""
        ...

    def earliest_start(self) -> datetime | None:
        """The earliest ``started_at`` this connector left on any deal, or None: tells a first run from a rebuild."""
        ...

    def describe(self, kind: Kind) -> ObjectSchema:
        """The object's fields as this login may see them, as of `connect` or `relearn` where those read it."""
        ...

    def raw(self, kind: Kind, record_id: str, fields: Sequence[str]) -> Mapping[str, str]:
        """The named fields (the vendor's names) of one deal or account as the CRM holds them, as text; empty ones and
        those it does not show are left out. For people who look at the mapping, never for deciding.
        """
        ...

    def examine(self) -> Examination:
        """What `handoff check` should tell that only this vendor has: rights, limits, switches. After `connect`."""
        ...

    def visit(self) -> Mapping[Kind, ObjectSchema]:
        """Log in for reading alone, where nothing of ours may be installed; gives the fields of deals and accounts.

        Mapped fields that are not there are left out of what `fetch` reads; nothing is said of them.
        """
        ...

    def last_won(self, count: int, *, since: date | None = None) -> tuple[str, ...]:
        """Ids of the deals in a won stage with the latest close dates (``since`` that day), the latest first."""
        ...

    def texts(self, kind: Kind, ids: Sequence[str], fields: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """What stands in fields of deals or accounts, by the vendor's own names, as text; empty ones are left out."""
        ...


def poll_one_by_one(crm: CRM, cursors: Mapping[str, str]) -> Mapping[str, ChangePage | Fault]:
    """`CRM.poll` for a vendor that takes one question per call: a feed that fails keeps no other from being read.

    After a fault that halts the system nothing more is asked, nor where the vendor takes no more calls for now: each
    further one would be refused, and count.
    """
    told: dict[str, ChangePage | Fault] = {}
    for feed, cursor in cursors.items():
        try:
            told[feed] = crm.changes(feed, cursor)
        except CrmError as error:
            told[feed] = error.fault
            if error.fault.advice is Advice.HALT:
                break
            if error.fault.code is FaultCode.THROTTLED:
                return dict.fromkeys(cursors, error.fault) | told
    return told
