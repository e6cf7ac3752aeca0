"""What a company wants: the frozen policy the core decides by, for one system.

Not here: files, TOML, validation and messages about mistakes (``policy`` reads those and builds this).
A policy is plain data: two policies with equal content are equal, and ``version`` is a digest of that content.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from connector.handoff.model import DealType


class FieldOwner(StrEnum):
    """Who may write a mapped field. The daemon never writes what it does not own."""

    DAEMON = "daemon"
    HUMAN = "human"
    FILL_IF_EMPTY = "fill_if_empty"
    CREATE_ONLY = "create_only"


class FieldType(StrEnum):
    """What kind of value a mapped field holds."""

    TEXT = "text"
    LONG_TEXT = "long_text"
    NUMBER = "number"
    BOOL = "bool"
    DATE = "date"
    DATETIME = "datetime"
    CHOICE = "choice"
    PERSON = "person"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One mapped field as the core needs it: canonical path (``why_bought``, ``account.csm``), label, type, owner."""

    path: str
    label: str
    type: FieldType
    owner: FieldOwner


class Op(StrEnum):
    """Comparisons a condition may make."""

    IS = "is"
    IS_NOT = "is_not"
    IN = "in"
    NOT_IN = "not_in"
    AT_LEAST = "at_least"
    MORE_THAN = "more_than"
    AT_MOST = "at_most"
    LESS_THAN = "less_than"
    CONTAINS = "contains"
    FILLED = "filled"


Operand = str | bool | Decimal | date | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison of a field (``amount``, ``account.country``, ``segment``, ``deal_type``) with a constant."""

    field: str
    op: Op
    operand: Operand


@dataclass(frozen=True, slots=True)
class Condition:
    """All tests must hold. No tests: always true."""

    tests: tuple[Test, ...] = ()


@dataclass(frozen=True, slots=True)
class Segment:
    """A named slice of customers. Segments are tried in order; the first whose condition holds is the deal's."""

    name: str
    when: Condition


class GateMode(StrEnum):
    """What a win with gaps leads to."""

    OFF = "off"
    WARN = "warn"
    HOLD = "hold"
    REVERT = "revert"


@dataclass(frozen=True, slots=True)
class Requirement:
    """A field that must be filled before a win counts, when the condition holds; ``why`` is shown to the rep."""

    field: str
    why: str
    advice: str
    when: Condition = dataclasses.field(default_factory=Condition)


@dataclass(frozen=True, slots=True)
class GateModeRule:
    """A different gate mode for the deals a condition names (``segment``, ``deal_type``, any field)."""

    mode: GateMode
    when: Condition


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """The gate. ``revert_to`` names the stage id used when the deal's own earlier stage is unknown.

    After ``fight_limit`` returns within ``fight_window`` that no person made, a win is held where it stands.
    """

    mode: GateMode
    exceptions: tuple[GateModeRule, ...]
    requirements: tuple[Requirement, ...]
    revert_to: Mapping[str, str] = dataclasses.field(default_factory=dict)
    fight_limit: int = 2
    fight_window: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class OverridePolicy:
    """Who may let a deal through with gaps, and for how long at most."""

    approvers: tuple[str, ...]
    min_reason_chars: int
    max_days: int


class Method(StrEnum):
    """How a pool's next CSM is chosen."""

    ROUND_ROBIN = "round_robin"
    FEWEST_ACCOUNTS = "fewest_accounts"
    LEAST_REVENUE = "least_revenue"


class WhenFull(StrEnum):
    """What a deal does when nobody of its pool can take one more account."""

    WAIT = "wait"
    NEXT_POOL = "next_pool"
    FALLBACK = "fallback"


FULL_TIME = Decimal(1)


@dataclass(frozen=True, slots=True)
class Pool:
    """CSMs who share a kind of customer. ``cap`` is the most accounts one of them may hold (None: no cap).

    ``weights`` are the shares of those who work part of the time: of the customers, and of the cap. A deal that waits
    does so for ``wait_at_most`` (None: for ever). ``second_from`` names the pool of the second CSM.
    """

    name: str
    members: tuple[str, ...]
    cap: int | None
    method: Method
    weights: Mapping[str, Decimal] = dataclasses.field(default_factory=dict)
    when_full: WhenFull = WhenFull.FALLBACK
    next_pool: str = ""
    wait_at_most: Limit | None = None
    second_from: str = ""

    def weight(self, email: str) -> Decimal:
        """A member's share of a full-time CSM's work."""
        return self.weights.get(email, FULL_TIME)

    def cap_of(self, email: str) -> int | None:
        """The most accounts this member may hold, at least one."""
        return None if self.cap is None else max(int(self.cap * self.weight(email)), min(self.cap, 1))


@dataclass(frozen=True, slots=True)
class Away:
    """Days, both included, on which somebody (by email) gets no new accounts."""

    who: str
    begins: date
    ends: date


@dataclass(frozen=True, slots=True)
class AssignmentRule:
    """Ordered: the first rule whose condition holds names the pool."""

    name: str
    when: Condition
    pool: str


@dataclass(frozen=True, slots=True)
class AssignmentPolicy:
    """Who becomes CSM. ``keep_current`` keeps the CSM a known customer has; ``fallback`` is an email.

    Those ``away`` on a day and those ``paused`` get no new accounts and keep what they have.
    """

    rules: tuple[AssignmentRule, ...]
    pools: Mapping[str, Pool]
    fallback: str
    keep_current: bool = True
    away: tuple[Away, ...] = ()
    paused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """Working hours of one weekday (0 is Monday), in minutes from local midnight; ``end`` may pass 1440 at night."""

    weekday: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Calendar:
    """When a team works. ``holidays`` are local dates; ``tz`` an IANA name; ``version`` names the holiday data used."""

    name: str
    tz: str
    windows: tuple[Window, ...]
    holidays: frozenset[date]
    version: str = ""


class Role(StrEnum):
    """Who a task can belong to."""

    AE = "ae"
    CSM = "csm"
    FALLBACK = "fallback"
    PHASE = "phase"
    """The AE while the handoff is young, the CSM from then on."""
    FIRST_AVAILABLE = "first_available"
    """Whoever of AE and CSM is at work and has fewer open tasks."""


class SignalKind(StrEnum):
    """How the machine sees that a task is done."""

    TASK_CLOSED = "task_closed"
    FIELD_FILLED = "field_filled"


@dataclass(frozen=True, slots=True)
class Signal:
    """A completion signal; ``field`` is set for `FIELD_FILLED` only. A closed CRM task always completes its step."""

    kind: SignalKind
    field: str = ""


class Clock(StrEnum):
    """Which hours a limit counts."""

    WALL = "wall"
    BUSINESS = "business"


@dataclass(frozen=True, slots=True)
class Limit:
    """How long a task may take: so many hours of that clock after its trigger."""

    hours: Decimal
    clock: Clock


class Make(StrEnum):
    """What a step puts into the CRM."""

    TASK = "task"
    MEETING = "meeting"


@dataclass(frozen=True, slots=True)
class Draft:
    """What a meeting step asks of its event: how long it is and when it may begin at the earliest after its trigger.

    ``with_customer``: the customer takes part, so that one which was held counts as a touch. ``invite`` are those who
    are asked to come besides the owner.
    """

    minutes: int
    earliest: Limit
    with_customer: bool = False
    invite: tuple[Role, ...] = ()


@dataclass(frozen=True, slots=True)
class Extras:
    """What only some CRMs keep of a task, in the mapping's words; empty where a step does not say."""

    queue: str = ""
    priority: str = ""
    type: str = ""


NO_EXTRAS = Extras()


@dataclass(frozen=True, slots=True)
class PlaybookTask:
    """One step. ``after`` names the step whose completion triggers it; empty means the release of the handoff.

    ``at_release`` says whether the CRM record is made at once with its date or when the step before is done.
    ``subject`` and ``body`` are templates over the same names as the summary's. A step with a ``draft`` is a meeting,
    which then has to take place within its ``limit``; any other is a task.
    """

    step: str
    subject: str
    body: str
    owner: Role
    limit: Limit
    done_when: tuple[Signal, ...]
    after: str = ""
    at_release: bool = True
    remind: bool = False
    draft: Draft | None = None
    extras: Extras = NO_EXTRAS

    @property
    def make(self) -> Make:
        """What it puts into the CRM."""
        return Make.MEETING if self.draft else Make.TASK


@dataclass(frozen=True, slots=True)
class Playbook:
    """A task sequence for the handoffs its condition names; the first playbook that fits is used."""

    name: str
    when: Condition
    tasks: tuple[PlaybookTask, ...]


@dataclass(frozen=True, slots=True)
class SummarySection:
    """One heading of the summary and the canonical fields under it."""

    title: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SummaryPolicy:
    """The one-page document. ``template`` is Jinja text; ``max_chars`` is what the field it is kept in holds.

    ``note_chars`` is what one note holds (0: as much as the field); a longer document goes on in further notes. With
    ``markup`` a note is kept as HTML, in which some characters take more room than they show.
    """

    template: str
    sections: tuple[SummarySection, ...]
    max_chars: int
    note_chars: int = 0
    markup: bool = False


@dataclass(frozen=True, slots=True)
class NotifyPolicy:
    """Which moments are told by email or chat (``csm_assigned``, ``deal_held``, ``nobody_eligible``).

    ``texts`` holds one Jinja text per moment, over the same words as a task's; the subject is the core's.
    ``in_crm`` are the ways in which the CRM itself tells its users as well (``bell``, ``mail``).
    """

    moments: frozenset[str]
    texts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    in_crm: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Teams:
    """The roles in which the CSM joins the deal's and the account's team; empty where the CSM does not. The second CSM
    joins in roles of their own."""

    deal: str = ""
    account: str = ""
    deal_second: str = ""
    account_second: str = ""


NO_TEAMS = Teams()


@dataclass(frozen=True, slots=True)
class MeetingPolicy:
    """How it is known that a meeting of the playbook took place: by its outcome, which a person sets.

    ``held_when_over``: one that nobody canceled also counts when its end has passed, for CRMs without an outcome.
    """

    held_when_over: bool = False


NO_MEETINGS = MeetingPolicy()


@dataclass(frozen=True, slots=True)
class Targets:
    """Targets the metrics are held against; hours are wall hours, shares are percent."""

    first_touch_hours: Decimal = Decimal(24)
    first_touch_alarm_hours: Decimal = Decimal(48)
    csm_told_minutes: Decimal = Decimal(5)
    completion_percent: Decimal = Decimal(90)
    completion_red_percent: Decimal = Decimal(85)
    completion_reengage_percent: Decimal = Decimal(80)
    kickoff_working_days: Decimal = Decimal(5)
    first_value_days: Decimal = Decimal(14)
    activation_day30_percent: Decimal = Decimal(60)
    onboarding_percent: Decimal = Decimal(85)
    milestones_percent: Decimal = Decimal(95)
    drop_percent: Decimal = Decimal(15)
    nps: Decimal = Decimal(50)
    csat: Decimal = Decimal(8)
    churn_90_days_percent: Decimal = Decimal(5)
    escalations_percent: Decimal = Decimal(20)
    ae_writing_minutes: Decimal = Decimal(20)
    hypercare_week1_percent: Decimal = Decimal(50)
    hypercare_week4_percent: Decimal = Decimal(70)


@dataclass(frozen=True, slots=True)
class Policy:
    """All of it, for one system. ``fields`` is keyed by canonical path; ``extras`` are the paths of what only some CRMs
    keep of tasks and meetings (``task.queue``, ``meeting.attendees``) and this one does. For ``sales_for`` after its
    release a handoff is in the phase of Sales."""

    version: str
    fields: Mapping[str, FieldRule]
    segments: tuple[Segment, ...]
    gate: GatePolicy
    override: OverridePolicy
    assignment: AssignmentPolicy
    calendar: Calendar
    playbooks: tuple[Playbook, ...]
    summary: SummaryPolicy
    notify: NotifyPolicy
    targets: Targets
    rewin_window: timedelta
    deal_types: tuple[DealType, ...] = (DealType.NEW, DealType.RENEWAL, DealType.UPSELL)
    teams: Teams = NO_TEAMS
    meetings: MeetingPolicy = NO_MEETINGS
    extras: frozenset[str] = frozenset()
    sales_for: timedelta = timedelta(hours=24)
