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
from typing import TYPE_CHECKING

from connector.handoff.model import DealType

if TYPE_CHECKING:  # it is made of this module's types
    from connector.handoff.productbook import ProductPolicy


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


@dataclass(frozen=True, slots=True)
class Tier:
    """How much care a deal gets, by what it is worth: the first whose condition holds. With ``named_csm`` it has a CSM
    of its own before the close, with ``second_csm``
    the second one as well; ``extras`` are names that conditions ask for."""

    name: str
    when: Condition
    named_csm: bool = True
    extras: tuple[str, ...] = ()
    second_csm: bool = False


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

    Those ``away`` on a day and those ``paused`` get no new accounts and keep what they have. ``away_from_calendar``: so
    do those whose calendar in the CRM shows one event over the whole working day. An open deal holds the place of the
    CSM it was given to for ``place_held_days`` after its close date (None: until it is won or lost).
    """

    rules: tuple[AssignmentRule, ...]
    pools: Mapping[str, Pool]
    fallback: str
    keep_current: bool = True
    away: tuple[Away, ...] = ()
    paused: tuple[str, ...] = ()
    away_from_calendar: bool = False
    place_held_days: int | None = None


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


class Team(StrEnum):
    """Whose hours a calendar tells."""

    SALES = "sales"
    CS = "cs"


@dataclass(frozen=True, slots=True)
class TeamCalendar:
    """A calendar for some: a team, the CSMs of some pools, customers of some countries. What is empty fits all."""

    calendar: Calendar
    team: Team | None = None
    pools: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()


class Role(StrEnum):
    """Who a task can belong to."""

    AE = "ae"
    CSM = "csm"
    FALLBACK = "fallback"
    AE_MANAGER = "ae_manager"
    CSM_MANAGER = "csm_manager"
    PHASE = "phase"
    """The AE while the handoff is young, the CSM from then on."""
    FIRST_AVAILABLE = "first_available"
    """Whoever of AE and CSM is at work and has fewer open tasks."""
    SPONSOR = "sponsor"
    """The executive of our own who looks after the customer's."""


class SignalKind(StrEnum):
    """How the machine sees that a task is done."""

    TASK_CLOSED = "task_closed"
    FIELD_FILLED = "field_filled"
    FIELD_IS = "field_is"
    MEETING_HELD = "meeting_held"
    EMAIL_LOGGED = "email_logged"
    CALL_LOGGED = "call_logged"
    MEETING_PLANNED = "meeting_planned"
    CUSTOMER_REPLIED = "customer_replied"
    MILESTONE = "milestone"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class Signal:
    """A completion signal. A closed CRM task always completes its step.

    ``field`` is set for `FIELD_FILLED` only, ``when`` for `FIELD_IS`; ``name`` is a milestone's or, with ``at_least``,
    a measure's (of `ProductPolicy`), which count from the win on. What is held, planned or logged counts when the
    task's owner or the CSM did it after the step began, and so does what the customer wrote.
    """

    kind: SignalKind
    field: str = ""
    when: Condition = dataclasses.field(default_factory=Condition)
    name: str = ""
    at_least: int = 1


class Clock(StrEnum):
    """Which hours a limit counts."""

    WALL = "wall"
    BUSINESS = "business"


@dataclass(frozen=True, slots=True)
class Limit:
    """How long a task may take: so many hours of that clock after its trigger."""

    hours: Decimal
    clock: Clock


class TriggerKind(StrEnum):
    """What a step's clock starts by, where it is neither the release nor another step."""

    STAGE = "stage"
    WHEN = "when"
    TIME = "time"
    MILESTONE = "milestone"
    EVENT = "event"
    STUCK = "stuck"


class Days(StrEnum):
    """Which days are counted from an anchor."""

    CALENDAR = "days"
    WORKING = "working_days"


WON = "won"
RELEASED = "released"
ANCHORS = (WON, RELEASED)
"""The anchors that are no field: when the deal was won, and when its handoff began."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """What makes a step begin: the deal enters ``stage``, ``when`` comes true, or so many ``days`` have passed since
    the ``anchor`` (before it, when negative): it then begins in the morning of that day. With a ``weekday`` (0 is
    Monday) it is that day in the week ``days`` after the anchor, the first being the next one that comes. Or it begins
    once the milestone ``name`` is reached, ``at_least`` so many of the measure ``name`` are counted, or the stuck
    signal ``name`` calls for help."""

    kind: TriggerKind
    stage: str = ""
    when: Condition = dataclasses.field(default_factory=Condition)
    anchor: str = ""
    days: int = 0
    counted: Days = Days.CALENDAR
    weekday: int | None = None
    name: str = ""
    at_least: int = 1


class Do(StrEnum):
    """What follows when a task is not done in time."""

    REMIND = "remind"
    REASSIGN = "reassign"
    ESCALATE = "escalate"


@dataclass(frozen=True, slots=True)
class Miss:
    """One consequence of a missed limit: ``after`` the one before it, the first after the limit itself.

    ``to`` is who gets the task, for `REASSIGN` only.
    """

    do: Do
    after: Limit
    to: Role = Role.FALLBACK


@dataclass(frozen=True, slots=True)
class Rung:
    """Who is told next of a task that is late, by role or email, and how long ``after`` those before them."""

    roles: tuple[Role, ...]
    emails: tuple[str, ...]
    after: Limit


@dataclass(frozen=True, slots=True)
class Escalation:
    """The ladder, declared once; ``managers`` says whose manager is who (by email) where the CRM does not.
    ``sponsor`` is the email of the executive sponsor of deals that name none."""

    ladder: tuple[Rung, ...] = ()
    managers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    sponsor: str = ""


NO_ESCALATION = Escalation()


class FlagKind(StrEnum):
    """By what a red flag is seen."""

    SILENCE = "silence"
    NO_SHOWS = "no_shows"
    FIELD = "field"


@dataclass(frozen=True, slots=True)
class RedFlag:
    """One sign that a customer is about to be lost. ``slower_than`` is set for `SILENCE`, ``no_shows`` for `NO_SHOWS`,
    ``when`` for `FIELD`; ``advice`` is what the person who gets the task is told to do."""

    name: str
    kind: FlagKind
    slower_than: Limit = Limit(Decimal(0), Clock.WALL)
    no_shows: int = 0
    when: Condition = dataclasses.field(default_factory=Condition)
    advice: str = ""


@dataclass(frozen=True, slots=True)
class RedFlags:
    """The red flags of a customer's first ``span``, and who is told: all by ``roles`` and ``emails``, of whom the first
    gets the task, to be done within ``limit``. Handoffs that began before ``since`` are left alone; without it, those
    that began without this."""

    flags: tuple[RedFlag, ...] = ()
    roles: tuple[Role, ...] = ()
    emails: tuple[str, ...] = ()
    limit: Limit = Limit(Decimal(8), Clock.BUSINESS)
    span: timedelta = timedelta(days=90)
    since: date | None = None


NO_RED_FLAGS = RedFlags()


class CommitmentStatus(StrEnum):
    """How it stands with a promise of the sale."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    DONE = "done"
    UNDELIVERABLE = "undeliverable"

    @property
    def owed(self) -> bool:
        """Whether somebody still has to keep it."""
        return self in (CommitmentStatus.OPEN, CommitmentStatus.IN_PROGRESS)


class ListAs(StrEnum):
    """How a list reaches its reader."""

    MESSAGE = "message"
    TASK = "task"


@dataclass(frozen=True, slots=True)
class CommitmentPolicy:
    """Where commitments stand and what follows: ``words`` of the statuses, in small letters; on ``weekday`` (0 is
    Monday; None: never) the CSM is told the open ones; ``missed`` follows when one is overdue. None is overdue, and a
    promise that cannot be kept is to be told, within ``notice``. Handoffs that began before ``since`` are left alone;
    without it, those that began without this.
    """

    field: str
    words: Mapping[str, CommitmentStatus]
    weekday: int | None = 0
    list_as: ListAs = ListAs.MESSAGE
    missed: tuple[Miss, ...] = ()
    notice: Limit = Limit(Decimal(8), Clock.BUSINESS)
    since: date | None = None


class Make(StrEnum):
    """What a step puts into the CRM."""

    TASK = "task"
    MEETING = "meeting"
    NOTE = "note"


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
class Mail:
    """A mail to the customer that a step drafts: ``subject`` and ``text`` are templates. Without the customer's own
    words in all of the fields that it ``quotes`` it is not written."""

    subject: str
    text: str
    quotes: tuple[str, ...]


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
    which then has to take place within its ``limit``; any other is a task. With a ``trigger`` the record is made when
    that fires. ``missed`` is what follows when nobody did it in time. ``status`` is the Handoff Status the deal has
    reached once the step begins; empty where the share of what is done says it. A ``note`` is a document: written once
    when the step begins, and people's from then on. ``mail`` is what the owner is to send.
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
    trigger: Trigger | None = None
    missed: tuple[Miss, ...] = ()
    status: str = ""
    note: bool = False
    mail: Mail | None = None

    @property
    def make(self) -> Make:
        """What it puts into the CRM."""
        if self.note:
            return Make.NOTE
        return Make.MEETING if self.draft else Make.TASK


@dataclass(frozen=True, slots=True)
class Playbook:
    """A task sequence for the handoffs its condition names; the first playbook that fits is used. One that ``adds`` is
    used besides it: of those all that fit."""

    name: str
    when: Condition
    tasks: tuple[PlaybookTask, ...]
    adds: bool = False


NO_PLAYBOOK = Playbook("", Condition(), ())
"""What is remembered of a handoff for which no playbook was meant when it began."""


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
class Quiet:
    """Hours in which nobody is told anything, in minutes from local midnight; over midnight when ``end`` is less."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class NotifyPolicy:
    """Which moments are told by email or chat (``csm_assigned``, ``deal_held``, ``nobody_eligible``).

    ``texts`` holds one Jinja text per moment, over the same words as a task's; the subject is the core's.
    ``in_crm`` are the ways in which the CRM itself tells its users as well (``bell``, ``mail``).
    ``essential``: only tasks of high priority are reminded of. ``any_hour``: what is late is told at night as well.
    In ``quiet`` hours, by the team's clock, every message waits for their end. ``digest``: what is late or due today is
    told each person in one message in the morning. What changed of the answers is told ``changes_after`` the first
    change, all of it at once.
    """

    moments: frozenset[str]
    texts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    in_crm: tuple[str, ...] = ()
    essential: bool = True
    any_hour: bool = False
    quiet: Quiet | None = None
    digest: bool = False
    changes_after: timedelta = timedelta(hours=1)


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
    ``calendars``: a place for one is looked for in what the CRM shows of people's calendars.
    """

    held_when_over: bool = False
    calendars: bool = False


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
    exceptions_a_week: Decimal = Decimal(3)


class Flaw(StrEnum):
    """What an answer may suffer from, the worst first."""

    EMPTY = "empty"
    COPY = "copy"
    SHORT = "short"
    VAGUE = "vague"


class Consequence(StrEnum):
    """What a flaw leads to: nothing, a word to the rep, or a gap at the gate."""

    OFF = "off"
    ADVISE = "advise"
    REQUIRE = "require"


class Specific(StrEnum):
    """What makes an answer one that only this customer could have given."""

    NUMBER = "number"
    DATE = "date"
    NAME = "name"
    UNIT = "unit"


@dataclass(frozen=True, slots=True)
class FlawRule:
    """What one flaw leads to, what it takes off an answer's 100 points, and the words after the quoted text."""

    leads_to: Consequence
    cost: int
    says: str


@dataclass(frozen=True, slots=True)
class AnswerKind:
    """What a field of this kind must hold to be of use; ``good`` tells the rep.

    ``needs``: any one of these makes an answer specific. ``telling``: so many words that are neither filler nor generic
    make up for them (0: nothing does). With ``each`` every line is an answer of its own. ``opens_with_name``: the first
    word of a sentence may be a name. ``repeats``: the same answer in two fields is no copy.
    """

    name: str
    good: str
    min_words: int = 0
    needs: tuple[Specific, ...] = ()
    telling: int = 0
    each: bool = False
    opens_with_name: bool = False
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class AnswerField:
    """One judged field: its kind, what a good answer has in place of the kind's words, and honest ways to say none."""

    path: str
    kind: AnswerKind
    good: str = ""
    honest: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Words:
    """The words of all languages together. One written with a capital counts with its capital only.

    ``nouns_have_capitals``: a capital alone makes no name, as in German.
    """

    empty: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    generic: frozenset[str] = frozenset()
    filler: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    dates: tuple[str, ...] = ()
    spans: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    nouns_have_capitals: bool = False


@dataclass(frozen=True, slots=True)
class CopyPolicy:
    """Answers of fewer words than ``min_words`` may be alike. ``alike`` is the share of words two answers must have in
    common to be one (percent); other deals of the same AE count for ``days`` (0: they do not)."""

    min_words: int = 6
    alike: int = 90
    days: int = 0


@dataclass(frozen=True, slots=True)
class QualityPolicy:
    """How answers are judged. Without ``fields`` none is."""

    rules: Mapping[Flaw, FlawRule] = dataclasses.field(default_factory=dict)
    fields: tuple[AnswerField, ...] = ()
    words: Words = Words()
    copies: CopyPolicy = CopyPolicy()


NO_QUALITY = QualityPolicy()


@dataclass(frozen=True, slots=True)
class Prefill:
    """An answer that is taken over while it is empty: from another field, ``days`` later where it is a day, or from
    the deal's contacts (``contacts``, ``contacts.champion``)."""

    field: str
    source: str
    days: int = 0


@dataclass(frozen=True, slots=True)
class AcceptancePolicy:
    """By when the AE answers a rejection; ``text`` is the task's template, its first line the subject (empty: ours)."""

    resubmit_within: Limit
    text: str = ""


@dataclass(frozen=True, slots=True)
class ReviewPolicy:
    """CS reviews a deal so many ``days`` before its expected close, within a limit from then; ``text`` as above."""

    days: int
    counted: Days
    within: Limit
    text: str = ""


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
    escalation: Escalation = NO_ESCALATION
    calendars: tuple[TeamCalendar, ...] = ()
    quality: QualityPolicy = NO_QUALITY
    before_close: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """The stages in which an open deal says how ready it is, by pipeline; under "" those of every pipeline."""
    sales_for: timedelta = timedelta(hours=24)
    red_flags: RedFlags = NO_RED_FLAGS
    commitments: CommitmentPolicy | None = None
    product: ProductPolicy | None = None
    pre_assign: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """The stages in which an open deal gets its CSM already, by pipeline as above."""
    acceptance: AcceptancePolicy | None = None
    review: ReviewPolicy | None = None
    tiers: tuple[Tier, ...] = ()
    prefills: tuple[Prefill, ...] = ()

    def shows_readiness(self, pipeline: str, stage_id: str) -> bool:
        """Whether an open deal in this stage says how ready it is."""
        return any(stage_id in self.before_close.get(each, ()) for each in (pipeline, ""))

    def assigns_early(self, pipeline: str, stage_id: str) -> bool:
        """Whether an open deal in this stage gets its CSM already."""
        return any(stage_id in self.pre_assign.get(each, ()) for each in (pipeline, ""))
