"""What the core sees: one deal and all that surrounds it, as it stands now.

Not here: how it was read (``crm``), what is wanted (``rulebook``) and what will be done (``plan``).
Every field name is canonical (``why_bought``), never a vendor's; every time is aware and in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, NewType

from connector.handoff.acting import ON_EVERYTHING, Acting
from connector.handoff.counted import NO_FACTS, ProductFacts
from connector.handoff.moves import NOBODY_KNOWN, Bounce, Mover, Passing, Refusal

if TYPE_CHECKING:  # the policy's types are made of these
    from connector.handoff.rulebook.playbooks import Playbook

SystemName = NewType("SystemName", str)
"""The name an admin gave one org or portal in config.toml, e.g. ``sf-prod``."""

Value = str | bool | Decimal | date | datetime | None
"""A field's value past the wire. Numbers are Decimal; a person is the CRM's id of that person; empty is None."""


class Kind(StrEnum):
    """The kinds of record the connector reads or writes."""

    DEAL = "deal"
    ACCOUNT = "account"
    TASK = "task"
    NOTE = "note"
    MEETING = "meeting"
    MEMBER = "member"
    """Somebody's place on the team of a deal or an account."""
    EMAIL = "email"
    """A mail that was sent, as the CRM keeps those among what was done."""


class DealType(StrEnum):
    """What was sold; each CRM's own values are mapped to these in its mapping file."""

    NEW = "new"
    RENEWAL = "renewal"
    UPSELL = "upsell"


@dataclass(frozen=True, slots=True)
class HandoffKey:
    """Which deal to look at. A key, never an event: it says nothing of what changed."""

    system: SystemName
    deal_id: str

    def __str__(self) -> str:
        return f"{self.system}:{self.deal_id}"


@dataclass(frozen=True, slots=True)
class Ref:
    """One record in one system."""

    kind: Kind
    id: str


@dataclass(frozen=True, slots=True)
class Record:
    """A deal or an account: its id and the mapped fields that were read."""

    ref: Ref
    values: Mapping[str, Value]

    def get(self, name: str) -> Value:
        """The field's value; None when it is empty or was not mapped."""
        return self.values.get(name)

    def text(self, name: str) -> str:
        """The field as stripped text; empty string when it holds nothing."""
        value = self.values.get(name)
        return "" if value is None else str(value).strip()


@dataclass(frozen=True, slots=True)
class Stage:
    """A pipeline stage as the CRM itself defines it; won is the CRM's flag, never a label or an id."""

    id: str
    label: str
    is_won: bool
    is_closed: bool
    pipeline: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """A CRM user. ``email`` (lower case) is how policies name people; ``id`` is what the CRM wants as owner.

    ``user_id`` is another id by which the CRM knows the same person, where it has one: never to be used as owner.
    ``away_from`` and ``away_until`` (its last day) are what the CRM says of an absence, ``paused`` that somebody is to
    get no new accounts.
    """

    id: str
    email: str
    name: str
    active: bool = True
    manager_id: str | None = None
    user_id: str = ""
    away_from: date | None = None
    away_until: date | None = None
    paused: bool = False


@dataclass(frozen=True, slots=True)
class CrmTask:
    """A task on the deal. ``key`` is ours (``sf-prod:006…:1:welcome-packet``) or None for a person's own task."""

    id: str
    key: str | None
    subject: str
    owner_id: str | None
    done: bool
    due: date | None = None
    done_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CrmNote:
    """A note on the deal that carries our key."""

    id: str
    key: str
    body: str


class Outcome(StrEnum):
    """What became of a meeting, as the CRM's own outcome field says or a person's mapping of it."""

    PLANNED = "planned"
    HELD = "held"
    MISSED = "missed"
    MOVED = "moved"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class CrmMeeting:
    """A meeting on the deal that carries our key. One that a person made is a `Touch` and never one of these.

    ``outcome`` is `PLANNED` where the CRM has no word for it: that a meeting's time has passed proves nothing.
    """

    id: str
    key: str
    subject: str
    owner_id: str | None
    start: datetime | None
    end: datetime | None
    outcome: Outcome = Outcome.PLANNED


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody at the customer who has a part in the deal. ``roles`` are the policy's words for it where the mapping
    translates the CRM's (``champion``), else the CRM's own; ``primary`` is the first to turn to."""

    id: str
    name: str
    title: str = ""
    email: str = ""
    roles: tuple[str, ...] = ()
    primary: bool = False


class TouchKind(StrEnum):
    """Contacts with the customer that count as a touch. Notes and tasks do not."""

    CALL = "call"
    EMAIL = "email"
    MEETING = "meeting"


@dataclass(frozen=True, slots=True)
class Touch:
    """A call, email or meeting, and who had it. One that is planned lies ahead of ``observed_at`` and is none yet."""

    kind: TouchKind
    at: datetime
    by: str | None


class Gate(StrEnum):
    """What the gate said; the values stand in the CRM's gate field."""

    NOT_CHECKED = "Not checked"
    HELD = "Held"
    RELEASED = "Released"
    OVERRIDDEN = "Overridden"
    WARNED = "Warned"


class Status(StrEnum):
    """Handoff Status, the five stages of the handoff; the values stand in the CRM's status field."""

    PREPARATION = "1 Preparation"
    WELCOME = "2 Welcome"
    ALIGNMENT = "3 Alignment"
    IMPLEMENTATION = "4 Implementation"
    REVIEW = "5 Review"


@dataclass(frozen=True, slots=True)
class Load:
    """What one CSM carries. ``turn`` grows with each assignment, so the lowest turn is next in a round robin.

    ``revenue`` is the sum of the amounts of the deals handed to them, as far as the ledger knows. ``begun`` is how many
    handoffs they have had, counted where a policy asks for it.
    """

    accounts: int = 0
    turn: int = 0
    revenue: Decimal = Decimal(0)
    begun: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """A deal's place among those that wait for a CSM: since when, and for which pool."""

    deal_id: str
    pool: str
    since: datetime

    @property
    def order(self) -> tuple[datetime, str]:
        """What those who wait are sorted by, the oldest first."""
        return self.since, self.deal_id


@dataclass(frozen=True, slots=True)
class Effect:
    """Something this connector did for this handoff and the CRM confirmed: where it is, what it said and, where that is
    known, when."""

    step: str
    record_id: str
    fingerprint: str
    at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer as somebody knows it: a digest of the whole of it, and as much of it as a message quotes."""

    print: str
    text: str


@dataclass(frozen=True, slots=True)
class Briefed:
    """The answers as the CSM knows them, by field; ``since`` is when the first one changed that is still untold."""

    answers: Mapping[str, Answered]
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """What the local ledger remembers of this deal. All of it may be missing: the CRM is the system of record.

    ``generation`` is 0 until the first win was seen. ``written`` holds, per record, the values last written, so that
    a person's edit can be told from ours; ``kept`` what the CRM made of those that it changed by itself.
    ``baseline`` is when acting began: deals won before it are only observed. ``last_win_at`` is the latest win it knows
    of. ``put_back_at`` is set from when that win is put back until another comes, ``put_back_refused`` holds the CRM's
    words when it would not have it, ``bounces`` the returns that count. ``playbook`` is the one the handoff began with;
    of one begun before that was kept, ``steps`` are those it had (None: not known). ``marks`` are moments that leave no
    other trace: a trigger that fired, a late task that somebody was told of. ``waiting_since`` is set while the deal
    waits for a CSM of ``waiting_pool``; ``second_id`` is the second CSM. ``briefed`` is what the CSM knows of the
    answers. ``early_id`` is whom the deal was given to before its close and for whom it holds a place, ``early_until``
    when it is given back if the deal is still open then. ``exempt`` is the exception it is, ``exempt_at`` since when it
    is, or last was, one.
    """

    baseline: datetime
    generation: int = 0
    won_at: datetime | None = None
    left_won_at: datetime | None = None
    released_at: datetime | None = None
    gate: Gate | None = None
    csm_id: str | None = None
    assigned_at: datetime | None = None
    stage_before_win: str | None = None
    adopted: bool = False
    effects: Mapping[str, Effect] = field(default_factory=dict)
    written: Mapping[Ref, Mapping[str, Value]] = field(default_factory=dict)
    kept: Mapping[Ref, Mapping[str, Value]] = field(default_factory=dict)
    done_signals: Mapping[str, datetime] = field(default_factory=dict)
    last_win_at: datetime | None = None
    put_back_at: datetime | None = None
    put_back_refused: Refusal | None = None
    bounces: tuple[Bounce, ...] = ()
    playbook: Playbook | None = None
    steps: frozenset[str] | None = None
    marks: Mapping[str, datetime] = field(default_factory=dict)
    waiting_since: datetime | None = None
    waiting_pool: str = ""
    second_id: str | None = None
    amount: Decimal | None = None
    briefed: Briefed | None = None
    early_id: str | None = None
    early_until: datetime | None = None
    exempt: str = ""
    exempt_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, its end not included. One of ``whole_days`` is told as midnights in UTC and means those days
    wherever somebody is."""

    start: datetime
    end: datetime
    whole_days: bool = False

    def meets(self, start: datetime, end: datetime) -> bool:
        """Whether another stretch has a moment in common with it."""
        return self.start < end and start < self.end


@dataclass(frozen=True, slots=True)
class Post:
    """Whether mails to customers can be sent from here, and ``why`` not, or not now; ``left`` are those that the day's
    limit still lets go."""

    ready: bool = False
    why: str = "config.toml has no [customer_mail]"
    left: int = 0


NO_POST = Post()


@dataclass(frozen=True, slots=True)
class Breach:
    """A threshold of [governance] that was breached in a period, told on this deal: ``subject`` is its line, ``text``
    the evidence. ``generation`` is the deal's when it was found, at ``found_at``."""

    name: str
    period: str
    subject: str
    text: str
    found_at: datetime
    generation: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything `decide` may look at for one deal.

    ``people`` is keyed by CRM id, ``roster`` too. ``won_at`` is the time of the stage's transition as the CRM's own
    history has it, never the close date; ``stage_before_win`` is where a revert goes back to, when it is known.
    ``won_by`` moved it there; ``passed`` are wins that were left again, oldest first, as far as the history tells.
    ``copied`` names, by field, another deal of the same AE on which the same answer stood before.
    ``merged`` are the ids of deals that became part of this one. ``stage_since`` is since when it stands in its stage,
    whichever that is; None where that is not known. ``waiting`` are all deals that wait for a CSM, this one included.
    ``busy`` says by person's id when their calendar in the CRM is taken; of who is missing there it could not be read.
    ``replies`` are when the customer wrote, as far as the CRM keeps what came in; ``no_shows`` when meetings were to be
    that a person made and the customer missed.
    ``product`` is what was counted of the account in the product.
    ``contacts`` are the people at the customer who have a role on the deal, where the mapping has them read.
    ``breaches`` are those of the whole process that are told on this deal.
    ``acting`` says on which deals anything is done at all.
    """

    key: HandoffKey
    observed_at: datetime
    deal: Record
    stage: Stage
    deal_type: DealType
    ledger: LedgerFacts
    account: Record | None = None
    won_at: datetime | None = None
    stage_before_win: str | None = None
    people: Mapping[str, Person] = field(default_factory=dict)
    roster: Mapping[str, Load] = field(default_factory=dict)
    tasks: tuple[CrmTask, ...] = ()
    notes: tuple[CrmNote, ...] = ()
    touches: tuple[Touch, ...] = ()
    meetings: tuple[CrmMeeting, ...] = ()
    won_by: Mover = NOBODY_KNOWN
    passed: tuple[Passing, ...] = ()
    merged: tuple[str, ...] = ()
    stage_since: datetime | None = None
    copied: Mapping[str, str] = field(default_factory=dict)
    waiting: tuple[Waiting, ...] = ()
    busy: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)
    replies: tuple[datetime, ...] = ()
    no_shows: tuple[datetime, ...] = ()
    product: ProductFacts = NO_FACTS
    contacts: tuple[Contact, ...] = ()
    post: Post = NO_POST
    breaches: tuple[Breach, ...] = ()
    acting: Acting = ON_EVERYTHING

    @property
    def lineage(self) -> str:
        """What the keys of this handoff begin with: the deal's own key, or, where none of what hangs on it bears that,
        the key of a merged deal whose tasks, notes or meetings came along. Their handoff goes on here."""
        own = str(self.key)
        if not self.merged:
            return own
        made: list[CrmTask | CrmNote | CrmMeeting] = [*self.tasks, *self.notes, *self.meetings]
        keys = [one.key or "" for one in made]
        lines = (own, *(str(HandoffKey(self.key.system, each)) for each in self.merged))
        return next((line for line in lines if any(key.startswith(f"{line}:") for key in keys)), own)

    def person(self, person_id: Value) -> Person | None:
        """The person behind an owner or lookup field, or None."""
        return self.people.get(str(person_id)) if person_id else None

    def knows(self, path: str) -> bool:
        """Whether the field could be read at all; an account that does not exist is known to be empty."""
        if path.startswith("account."):
            return self.account is None or path.removeprefix("account.") in self.account.values
        return path in self.deal.values

    def field(self, path: str) -> Value:
        """A field by the path policies use: ``amount`` is the deal's, ``account.industry`` the account's."""
        if path.startswith("account."):
            return self.account.get(path.removeprefix("account.")) if self.account else None
        return self.deal.get(path)
