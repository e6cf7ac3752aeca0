"""What goes into the store and comes out of it: looks, decisions, claimed rows and how they ended.

Not here: SQL, and what people read about a handoff (``views``). The store sits beside the CRM port, not on top of
it, so the results an adapter gives are met here by shape (`AppliedLike`) and by what the engine makes of a fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from connector.errors import Fault
from connector.handoff.model import SystemName, Value
from connector.handoff.plan import Action, Order, Plan
from connector.store.states import State

LAST_PASS = "last-pass"  # noqa: S105  # a name, not a password
"""Under this name, beside the feeds' cursors, each pass leaves when it ended, for whoever asks from another process."""

LAST_TROUBLE = "last-trouble"
"""Beside it, why the last pass failed; empty when it went through."""

HOME = "home"
"""Beside it, the id of the org or portal that a system's name has stood for since its first connection."""

COMPARED = "compared"
"""Beside it, up to when the CRM's list of changed deals was compared with the ledger."""

WEIGHED = "weighed"
"""Beside it, up to which deal handoffs from before amounts were kept have been asked what they are worth."""

CALLS = "calls"
"""Beside it, ``used/allowed`` of the vendor's daily calls; then `SPARING` while the daemon keeps to essentials."""

SPARING = "sparing"

OPENED = "opened"
"""Beside it, which process leads the system and has read again what its ledger says is still to be sent."""

LAST_SWEEP = "last-sweep"
"""Beside it, when the last sweep began to be over."""


POLICY_NOTE = "policy"
"""Beside it, as JSON: the digest of the policy the system runs with, ``since`` when, and the one ``before`` it."""

ACTING_NOTE = "acting"
"""Beside it, as JSON: since when is acted for which group of deals."""

FORESEEN = "the last decision asked for it"
"""Why a deal is looked at whose time has come, though nothing was reported of it."""


@dataclass(frozen=True, slots=True)
class Look:
    """A deal to look at, from when on, and why. ``version`` grows with each wish, so that none is lost in between."""

    deal_id: str
    due_at: datetime
    reason: str
    modified_at: datetime | None = None
    version: int = 0


class ChangeLike(Protocol):
    """A change as a feed reports it: the port's ``Change`` fits."""

    @property
    def deal_id(self) -> str:
        """The CRM's id of the deal."""
        ...

    @property
    def modified_at(self) -> datetime | None:
        """When the CRM says it was last modified."""
        ...


@dataclass(frozen=True, slots=True)
class Decided:
    """A plan to record. ``look_version`` is the `Look` it answers, None when nothing in the inbox asked for it.

    ``account_id`` is the deal's account where the plan does not name it; ``not_before``: its rows wait until then.
    """

    plan: Plan
    look_version: int | None = None
    next_look: datetime | None = None
    account_id: str | None = None
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """Rows that may share one call. Operations: ``update`` (patches), ``upsert``, ``send`` and
    ``together`` (notifications)."""

    system: SystemName
    kind: str
    operation: str


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One action on its way. ``attempt`` counts claims and fences settlements; ``error`` is the last failure.

    ``account_id`` is known for rows of a job, so that those of one account can stand together.
    """

    id: int
    system: SystemName
    deal_id: str
    generation: int
    step: str
    key: str
    order: Order
    kind: str
    operation: str
    action: Action
    attempt: int
    state: State
    error: Fault | None
    reason: str
    created_at: datetime
    settled_at: datetime | None
    claimed_at: datetime | None = None
    record_id: str | None = None
    account_id: str | None = None

    @property
    def lane(self) -> Lane:
        """The lane this row travels in."""
        return Lane(system=self.system, kind=self.kind, operation=self.operation)


@dataclass(frozen=True, slots=True)
class Turn:
    """What would be sent next: a lane, and the order in which its rows stand."""

    lane: Lane
    order: Order


@dataclass(frozen=True, slots=True)
class Job:
    """Rows handed to the receiver under its own ``id``, of which nobody knows yet what became of them.

    ``loaded``: it is known to have been closed. ``asked``: how often it was; ``due_at``: when it is to be next.
    ``orphaned``: the process that was to load it is gone.
    """

    system: SystemName
    id: str
    kind: str
    operation: str
    rows: int
    loaded: bool
    asked: int
    opened_at: datetime
    due_at: datetime
    orphaned: bool = False


@dataclass(frozen=True, slots=True)
class Claimed:
    """Rows of one lane, the caller's alone until ``lease_until``, in the order they should be sent."""

    lane: Lane
    rows: tuple[OutboxRow, ...]
    lease_until: datetime


@runtime_checkable
class AppliedLike(Protocol):
    """The receiver confirmed the row: the port's ``Applied`` fits."""

    @property
    def record_id(self) -> str:
        """The record that was written or made."""
        ...

    @property
    def modified_at(self) -> datetime | None:
        """Its new modification time, where the receiver tells it."""
        ...


@runtime_checkable
class AppliedOtherwise(AppliedLike, Protocol):
    """The same where the receiver tells what it did otherwise than asked."""

    @property
    def left(self) -> frozenset[str]:
        """Names of values that were not written."""
        ...

    @property
    def kept(self) -> tuple[tuple[str, Value], ...]:
        """What it made of a value, by name."""
        ...


@dataclass(frozen=True, slots=True)
class Applied:
    """The receiver confirmed the row."""

    record_id: str
    modified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """Not done; send it again at ``at``."""

    fault: Fault
    at: datetime


@dataclass(frozen=True, slots=True)
class Reread:
    """Not done, and the deal is not what it was: drop the row and look at the deal, now or ``at`` a time."""

    fault: Fault
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Unsure:
    """Perhaps done: look it up by key before anything is sent again."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class Park:
    """Not done, and repeating will not mend it: a person must."""

    fault: Fault


Result = AppliedLike | Retry | Reread | Unsure | Park


@dataclass(frozen=True, slots=True)
class Settlement:
    """How one claimed row ended, for the attempt that was claimed."""

    row_id: int
    attempt: int
    result: Result
