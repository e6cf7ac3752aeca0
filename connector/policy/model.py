"""What the mapping files may say, key by key: the models behind the editor's completion and the first checks.

Not here: references between keys (``build``), rules nobody can reach (``reach``) and what the core decides by
(``handoff.rulebook``): these models are only the shape of TOML.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from connector.handoff.model import DealType, Status
from connector.handoff.productbook import By
from connector.handoff.rulebook import (
    Consequence,
    Do,
    FieldOwner,
    FieldType,
    GateMode,
    ListAs,
    Make,
    Method,
    Role,
    SignalKind,
    Specific,
    Team,
    WhenFull,
)

MAX_OVERRIDE_DAYS = 365
MAX_FIGHT_LIMIT = 10
MAX_FIGHT_HOURS = 720
MAX_MEETING_MINUTES = 480
MAX_ANCHOR_DAYS = 400
MAX_COPY_DAYS = 365
MAX_NO_SHOWS = 20
MAX_WEEKS = 52
MAX_COUNT = 100_000
MAX_STUCK_HOURS = 2160
"""Ninety days: what comes later is no onboarding any more."""
MAX_CHANGES_MINUTES = 7 * 24 * 60
MAX_REVIEW_DAYS = 60
MAX_HELD_DAYS = 730
NAME = r"^[a-z][a-z0-9_]*$"
STEP = r"^[a-z0-9]+(-[a-z0-9]+)*$"
EMAIL = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
CLOCK_TIME = r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$"
Moment = Literal[
    "csm_assigned",
    "deal_held",
    "nobody_eligible",
    "deal_fought",
    "csm_preassigned",
    "handoff_rejected",
    "handoff_resubmitted",
    "resubmit_late",
    "deal_lost",
    "summary_changed",
]
MOMENTS: tuple[Moment, ...] = tuple(each for each in get_args(Moment) if each != "summary_changed")
"""Those told where the mapping names none: what changes after the handoff is told only to those who ask for it."""
OWN_WORDS = frozenset({"csm_preassigned", "deal_lost", "handoff_rejected", "handoff_resubmitted", "resubmit_late"})
"""Moments that need no template of their own in the folder: without one they are told in the connector's words."""


class Spec(BaseModel):
    """Strict, frozen, no unknown keys."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", populate_by_name=False)


def _number(value: Any) -> Any:
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _lower(value: str) -> str:
    return value.lower()


def _pattern(pattern: str, message: str) -> Any:
    def fits(value: str) -> str:
        if not re.match(pattern, value):
            raise ValueError(f"{value!r} {message}")
        return value

    return AfterValidator(fits)


Text = Annotated[str, Field(min_length=1)]
Number = Annotated[Decimal, BeforeValidator(_number), WithJsonSchema({"type": "number"})]
Positive = Annotated[
    Decimal, BeforeValidator(_number), Field(gt=0), WithJsonSchema({"type": "number", "exclusiveMinimum": 0})
]


Weight = Annotated[
    Decimal,
    BeforeValidator(_number),
    Field(gt=0, le=1),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 1}),
]
"""A part-time CSM's share of a full-time one's work."""
Percent = Annotated[
    Decimal,
    BeforeValidator(_number),
    Field(ge=0, le=100),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 100}),
]
Nps = Annotated[
    Decimal,
    BeforeValidator(_number),
    Field(ge=-100, le=100),
    WithJsonSchema({"type": "number", "minimum": -100, "maximum": 100}),
]
Csat = Annotated[
    Decimal,
    BeforeValidator(_number),
    Field(ge=0, le=10),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 10}),
]
Email = Annotated[
    str,
    _pattern(EMAIL, "is not an email address; people are named by the email they have in the CRM"),
    AfterValidator(_lower),
]
StepName = Annotated[str, _pattern(STEP, "is not a step name; use small letters, digits and single dashes")]
FieldName = Annotated[str, _pattern(NAME, "is not a field name; use small letters, digits and underscores")]
TimeOfDay = Annotated[str, _pattern(CLOCK_TIME, 'is not a time of day; write it as "09:00"')]
Scalar = bool | Number | date | str
EnumOf = Field(strict=False)


# --- <crm>.toml ------------------------------------------------------------------------------------------------------


class FieldSpec(Spec):
    """One mapped field: the CRM's own name for it, its type, who may write it."""

    field: Text
    label: str = ""
    type: Annotated[FieldType, EnumOf]
    owner: Annotated[FieldOwner, EnumOf]
    max_chars: Annotated[int, Field(ge=1)] | None = None
    values: dict[str, Text] = Field(default_factory=dict)


class ObjectsSpec(Spec):
    """The CRM's objects behind our kinds of record."""

    deal: Text
    account: Text
    task: Text
    note: Text
    meeting: Text


class DealTypesSpec(Spec):
    """Which of the CRM's deal types mean what; any other is ``otherwise``."""

    new: tuple[Text, ...] = ()
    renewal: tuple[Text, ...] = ()
    upsell: tuple[Text, ...] = ()
    otherwise: Annotated[DealType, EnumOf] = DealType.NEW


class StagesSpec(Spec):
    """Which pipelines are watched, where a reverted deal goes when its earlier stage is unknown, and in which stages an
    open deal says how ready it is and gets its CSM."""

    pipelines: tuple[Text, ...] = ()
    revert_to: Text | dict[str, Text]
    before_close: tuple[Text, ...] | dict[str, tuple[Text, ...]] = ()
    pre_assign: tuple[Text, ...] | dict[str, tuple[Text, ...]] = ()


class FieldsSpec(Spec):
    """The mapped fields by kind of record."""

    deal: dict[FieldName, FieldSpec]
    account: dict[FieldName, FieldSpec] = Field(default_factory=dict)
    task: dict[FieldName, FieldSpec]
    note: dict[FieldName, FieldSpec] = Field(default_factory=dict)
    meeting: dict[FieldName, FieldSpec] = Field(default_factory=dict)


class TeamsSpec(Spec):
    """The roles in which the CSM joins the teams of deal and account; Salesforce has such teams."""

    deal: Text | None = None
    account: Text | None = None
    deal_second: Text | None = None
    account_second: Text | None = None
    deal_access: Literal["Read", "Edit"] = "Edit"
    account_access: Literal["Read", "Edit"] = "Edit"


class TellSpec(Spec):
    """How the CRM itself tells its users at the moments of process.toml, beside email and chat of our own."""

    bell: Text | None = None
    mail: bool = False


class MeetingsSpec(Spec):
    """How it is known that a meeting of the playbook was held, besides its outcome, and whether a time for it is looked
    for in people's calendars."""

    held_when_over: bool = False
    calendars: bool = True


class PeopleSpec(Spec):
    """The CRM's own fields on its users that say who is away or gets no new accounts; Salesforce has such fields."""

    away_from: Text | None = None
    away_until: Text | None = None
    paused: Text | None = None


class CrmSpec(Spec):
    """salesforce.toml, hubspot.toml."""

    objects: ObjectsSpec
    stages: StagesSpec
    deal_types: DealTypesSpec
    fields: FieldsSpec
    teams: TeamsSpec | None = None
    tell: TellSpec | None = None
    people: PeopleSpec | None = None
    contacts: dict[FieldName, tuple[Text, ...]] | None = None
    meetings: MeetingsSpec = Field(default_factory=MeetingsSpec)


# --- process.toml ----------------------------------------------------------------------------------------------------


class TestsSpec(Spec):
    """Comparisons of one field; all must hold."""

    is_: Annotated[Scalar | None, Field(alias="is")] = None
    is_not: Scalar | None = None
    in_: Annotated[tuple[Text, ...] | None, Field(alias="in")] = None
    not_in: tuple[Text, ...] | None = None
    at_least: Number | date | None = None
    more_than: Number | date | None = None
    at_most: Number | date | None = None
    less_than: Number | date | None = None
    contains: Text | None = None
    filled: bool | None = None


When = dict[str, TestsSpec]


class SegmentSpec(Spec):
    """A named slice of customers; without ``when`` it takes the rest."""

    name: FieldName
    when: When = Field(default_factory=dict)


class TierSpec(Spec):
    """How much care a deal gets, by what it is worth; without ``when`` it takes the rest."""

    name: FieldName
    when: When = Field(default_factory=dict)
    named_csm: bool = True
    second_csm: bool = False
    extras: tuple[FieldName, ...] = ()


class RequirementSpec(Spec):
    """A field the gate asks for."""

    field: Text
    why: Text
    advice: str = ""
    when: When = Field(default_factory=dict)


class ExceptionSpec(Spec):
    """Another gate mode for some deals."""

    mode: Annotated[GateMode, EnumOf]
    when: When


class GateSpec(Spec):
    """The gate before Closed-Won."""

    mode: Annotated[GateMode, EnumOf]
    exceptions: tuple[ExceptionSpec, ...] = ()
    require: tuple[RequirementSpec, ...] = ()
    fight_limit: Annotated[int, Field(ge=1, le=MAX_FIGHT_LIMIT)] = 2
    fight_hours: Annotated[int, Field(ge=1, le=MAX_FIGHT_HOURS)] = 24


class OverrideSpec(Spec):
    """Who may let a deal through with gaps."""

    approvers: tuple[Email, ...]
    min_reason_chars: Annotated[int, Field(ge=1, le=255)]
    max_days: Annotated[int, Field(ge=1, le=MAX_OVERRIDE_DAYS)]


class WithinSpec(Spec):
    """A time limit: exactly one of the three."""

    hours: Positive | None = None
    working_hours: Positive | None = None
    working_days: Positive | None = None


class PoolSpec(Spec):
    """CSMs who share a kind of customer."""

    name: FieldName
    members: Annotated[tuple[Email, ...], Field(min_length=1)]
    cap: Annotated[int, Field(ge=1)] | None = None
    method: Annotated[Method, EnumOf]
    weights: dict[Email, Weight] = Field(default_factory=dict)
    when_full: Annotated[WhenFull, EnumOf] = WhenFull.FALLBACK
    next_pool: Text | None = None
    wait_at_most: WithinSpec | None = None
    second_from: Text | None = None


class AwaySpec(Spec):
    """Days, both included, on which somebody gets no new accounts."""

    who: Email
    from_: Annotated[date, Field(alias="from")]
    to: date


class RuleSpec(Spec):
    """Which pool a deal goes to; without ``when`` every deal that came this far."""

    name: Text
    pool: Text
    when: When = Field(default_factory=dict)


class AssignmentSpec(Spec):
    """Who becomes CSM."""

    keep_current: bool = True
    away_from_calendar: bool = False
    place_held_days: Annotated[int, Field(ge=0, le=MAX_HELD_DAYS)] | None = None
    fallback: Email
    away: tuple[AwaySpec, ...] = ()
    paused: tuple[Email, ...] = ()
    pools: Annotated[tuple[PoolSpec, ...], Field(min_length=1)]
    rules: Annotated[tuple[RuleSpec, ...], Field(min_length=1)]


Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class HoursSpec(Spec):
    """Working hours of some weekdays."""

    days: Annotated[tuple[Weekday, ...], Field(min_length=1)]
    from_: Annotated[TimeOfDay, Field(alias="from")]
    to: TimeOfDay
    night_shift: bool = False


class HolidaysSpec(Spec):
    """Public holidays of a country, and days of one's own."""

    country: str = ""
    subdivision: str = ""
    add: tuple[date, ...] = ()
    remove: tuple[date, ...] = ()


class CalendarSpec(Spec):
    """When the team works."""

    name: Text
    time_zone: Text
    hours: Annotated[tuple[HoursSpec, ...], Field(min_length=1)]
    holidays: HolidaysSpec = Field(default_factory=HolidaysSpec)


class TeamCalendarSpec(CalendarSpec):
    """When some work: a team, the CSMs of some pools, whoever looks after customers of some countries."""

    team: Annotated[Team | None, EnumOf] = None
    pools: tuple[Text, ...] = ()
    countries: tuple[Text, ...] = ()


class HandoffSpec(Spec):
    """What holds for every handoff. ``playbooks`` are further files with playbooks, tried before playbook.toml."""

    rewin_window_days: Annotated[int, Field(ge=0, le=3650)] = 30
    playbooks: tuple[Text, ...] = ()
    sales_hours: Positive = Decimal(24)


class QuietSpec(Spec):
    """Hours in which no message is sent, by the clock of ``[calendar]``."""

    from_: Annotated[TimeOfDay, Field(alias="from")]
    to: TimeOfDay


class NotifySpec(Spec):
    """Which moments are told outside the CRM, how much of what is late, and when."""

    moments: tuple[Moment, ...] = MOMENTS
    level: Literal["essential", "all", "digest"] = "essential"
    any_hour: bool = False
    quiet: QuietSpec | None = None
    changes_after_minutes: Annotated[int, Field(ge=0, le=MAX_CHANGES_MINUTES)] = 60


class TargetsSpec(Spec):
    """Targets the figures are held against."""

    first_touch_hours: Positive = Decimal(24)
    first_touch_alarm_hours: Positive = Decimal(48)
    csm_told_minutes: Positive = Decimal(5)
    completion_percent: Percent = Decimal(90)
    completion_red_percent: Percent = Decimal(85)
    completion_reengage_percent: Percent = Decimal(80)
    kickoff_working_days: Positive = Decimal(5)
    first_value_days: Positive = Decimal(14)
    activation_day30_percent: Percent = Decimal(60)
    onboarding_percent: Percent = Decimal(85)
    milestones_percent: Percent = Decimal(95)
    drop_percent: Percent = Decimal(15)
    nps: Nps = Decimal(50)
    csat: Csat = Decimal(8)
    churn_90_days_percent: Percent = Decimal(5)
    escalations_percent: Percent = Decimal(20)
    ae_writing_minutes: Positive = Decimal(20)
    hypercare_week1_percent: Percent = Decimal(50)
    hypercare_week4_percent: Percent = Decimal(70)
    exceptions_a_week: Annotated[Decimal, BeforeValidator(_number), Field(ge=0), WithJsonSchema({"type": "number"})] = (
        Decimal(3)
    )


class RungSpec(Spec):
    """Who is told of what is late, and how long after those before them."""

    to: Annotated[tuple[Text, ...], Field(min_length=1)]
    after: WithinSpec | None = None


class EscalationSpec(Spec):
    """The ladder, and who manages whom where the CRM does not say."""

    ladder: tuple[RungSpec, ...] = ()
    managers: dict[Email, Email] = Field(default_factory=dict)
    sponsor: Email | None = None


class MissSpec(Spec):
    """What follows when nobody did a task in time, and how long after what came before it."""

    do: Annotated[Do, EnumOf]
    after: WithinSpec | None = None
    to: Annotated[Role | None, EnumOf] = None


class CommitmentWordsSpec(Spec):
    """What people call the statuses of a promise, besides our own words for them."""

    open: tuple[Text, ...] = ()
    in_progress: tuple[Text, ...] = ()
    done: tuple[Text, ...] = ()
    undeliverable: tuple[Text, ...] = ()


class CommitmentsSpec(Spec):
    """Promises of the sale: where they stand, when the CSM is told of them, what follows when one is overdue."""

    field: Text
    weekly: Weekday | Literal["never"] = "mon"
    list_as: Annotated[ListAs, EnumOf] = ListAs.MESSAGE
    within: WithinSpec | None = None
    missed: tuple[Literal["remind", "escalate"] | MissSpec, ...] = ("remind", "escalate")
    words: CommitmentWordsSpec = Field(default_factory=CommitmentWordsSpec)
    since: date | None = None


class RedFlagSpec(Spec):
    """One red flag: exactly one of slower_than, no_shows and when says by what it is seen."""

    name: StepName
    slower_than: WithinSpec | None = None
    no_shows: Annotated[int, Field(ge=1, le=MAX_NO_SHOWS)] | None = None
    when: When | None = None
    advice: str = ""


class RedFlagsSpec(Spec):
    """Red flags of a customer's first days, and who is told of them: by role or email, the first gets the task."""

    to: Annotated[tuple[Text, ...], Field(min_length=1)]
    within: WithinSpec | None = None
    days: Annotated[int, Field(ge=1, le=MAX_ANCHOR_DAYS)] = 90
    since: date | None = None
    flags: Annotated[tuple[RedFlagSpec, ...], Field(min_length=1)]


class PrefillSpec(Spec):
    """An answer that is taken over from what the CRM knows while it is empty."""

    field: Text
    from_: Annotated[Text, Field(alias="from")]
    days: Annotated[int, Field(ge=0, le=MAX_ANCHOR_DAYS)] = 0


class AcceptanceSpec(Spec):
    """The CSM takes a handoff or sends it back: by when the AE answers."""

    resubmit_within: WithinSpec


class ReviewSpec(Spec):
    """CS reviews a deal days before its expected close: exactly one of days and working_days."""

    days: Annotated[int, Field(ge=0, le=MAX_REVIEW_DAYS)] | None = None
    working_days: Annotated[int, Field(ge=0, le=MAX_REVIEW_DAYS)] | None = None
    within: WithinSpec


class ProcessSpec(Spec):
    """process.toml."""

    handoff: HandoffSpec = Field(default_factory=HandoffSpec)
    segments: Annotated[tuple[SegmentSpec, ...], Field(min_length=1)]
    tiers: tuple[TierSpec, ...] = ()
    gate: GateSpec
    override: OverrideSpec
    assignment: AssignmentSpec
    calendar: CalendarSpec
    calendars: tuple[TeamCalendarSpec, ...] = ()
    escalation: EscalationSpec = Field(default_factory=EscalationSpec)
    notify: NotifySpec = Field(default_factory=NotifySpec)
    targets: TargetsSpec = Field(default_factory=TargetsSpec)
    red_flags: RedFlagsSpec | None = None
    commitments: CommitmentsSpec | None = None
    prefill: tuple[PrefillSpec, ...] = ()
    acceptance: AcceptanceSpec | None = None
    review: ReviewSpec | None = None


# --- playbook.toml ---------------------------------------------------------------------------------------------------


class SignalSpec(Spec):
    """How the machine sees that a task is done."""

    signal: Annotated[SignalKind, EnumOf]
    field: str = ""
    when: When | None = None
    milestone: str = ""
    event: str = ""
    at_least: Annotated[int, Field(ge=1, le=MAX_COUNT)] | None = None


class TriggerSpec(Spec):
    """What makes a step begin: one of step, stage, when, milestone, event, signal, or an anchor with days counted from
    it; or with a weekday of so many weeks after it, as so many steps."""

    step: Text | None = None
    stage: Text | None = None
    when: When | None = None
    anchor: Text | None = None
    milestone: Text | None = None
    event: Text | None = None
    signal: Text | None = None
    at_least: Annotated[int, Field(ge=1, le=MAX_COUNT)] | None = None
    days: Annotated[int, Field(ge=0, le=MAX_ANCHOR_DAYS)] | None = None
    working_days: Annotated[int, Field(ge=0, le=MAX_ANCHOR_DAYS)] | None = None
    before: bool = False
    weekday: Weekday | None = None
    weeks: Annotated[int, Field(ge=1, le=MAX_WEEKS)] | None = None


class MailSpec(Spec):
    """A mail to the customer that a task drafts; ``quotes`` are the fields without which it is not written."""

    subject: Text
    text: Text
    quotes: Annotated[tuple[Text, ...], Field(min_length=1)]


class TaskSpec(Spec):
    """One step of a playbook: a task, or with ``make = "meeting"`` an event in the calendar."""

    step: StepName
    make: Annotated[Make, EnumOf] = Make.TASK
    subject: Text
    body: str = ""
    owner: Annotated[Role, EnumOf]
    within: WithinSpec
    minutes: Annotated[int, Field(ge=5, le=MAX_MEETING_MINUTES)] | None = None
    earliest: WithinSpec | None = None
    customer: bool | None = None
    invite: tuple[Annotated[Role, EnumOf], ...] | None = None
    queue: str = ""
    priority: Literal["", "low", "medium", "high"] = ""
    type: Literal["", "todo", "call", "email"] = ""
    done_when: tuple[SignalSpec, ...] = ()
    after: str = ""
    at_release: bool = True
    remind: bool = False
    trigger: TriggerSpec | None = None
    missed: tuple[Literal["remind", "reassign", "escalate"] | MissSpec, ...] = ()
    status: Annotated[Status | None, EnumOf] = None
    mail: MailSpec | None = None


class PlaybookSpec(Spec):
    """A task sequence for some handoffs; without ``when`` for every one that came this far. With ``adds`` its tasks
    come to those of the playbook that is used."""

    name: Text
    when: When = Field(default_factory=dict)
    adds: bool = False
    tasks: Annotated[tuple[TaskSpec, ...], Field(min_length=1)]


class SectionSpec(Spec):
    """One heading of the summary."""

    title: Text
    fields: Annotated[tuple[Text, ...], Field(min_length=1)]


class SummarySpec(Spec):
    """The one-page handoff document."""

    template: Text = "templates/summary.txt.j2"
    sections: Annotated[tuple[SectionSpec, ...], Field(min_length=1)]


class PlaybooksFileSpec(Spec):
    """A file with playbooks and nothing else, named in process.toml."""

    playbooks: Annotated[tuple[PlaybookSpec, ...], Field(min_length=1)]


class PlaybookFileSpec(Spec):
    """playbook.toml."""

    playbooks: Annotated[tuple[PlaybookSpec, ...], Field(min_length=1)]
    summary: SummarySpec


# --- quality.toml ----------------------------------------------------------------------------------------------------


class FlawSpec(Spec):
    """What one flaw of an answer leads to, what it costs of 100 points, and what is said after the quoted words."""

    leads_to: Annotated[Consequence, EnumOf] = Consequence.ADVISE
    cost: Annotated[int, Field(ge=0, le=100)]
    says: Text


class FlawsSpec(Spec):
    """The flaws that are looked for."""

    empty: FlawSpec
    copy_: Annotated[FlawSpec, Field(alias="copy")]
    short: FlawSpec
    vague: FlawSpec


class CopiesSpec(Spec):
    """When two answers are one."""

    min_words: Annotated[int, Field(ge=2)] = 6
    alike: Annotated[int, Field(ge=50, le=100)] = 90
    days: Annotated[int, Field(ge=0, le=MAX_COPY_DAYS)] = 0


class KindSpec(Spec):
    """What the answers of a kind of field must hold to be of use."""

    good: Text
    min_words: Annotated[int, Field(ge=0)] = 0
    needs: tuple[Annotated[Specific, EnumOf], ...] = ()
    telling: Annotated[int, Field(ge=0)] = 0
    each: bool = False
    opens_with_name: bool = False
    repeats: bool = False


class AnswerSpec(Spec):
    """One judged field."""

    kind: Text
    good: str = ""
    honest: tuple[Text, ...] = ()


class WordsSpec(Spec):
    """The words of one language."""

    empty: tuple[Text, ...] = ()
    elsewhere: tuple[Text, ...] = ()
    phrases: tuple[Text, ...] = ()
    generic: tuple[Text, ...] = ()
    filler: tuple[Text, ...] = ()
    numbers: tuple[Text, ...] = ()
    dates: tuple[Text, ...] = ()
    spans: tuple[Text, ...] = ()
    units: tuple[Text, ...] = ()
    roles: tuple[Text, ...] = ()
    nouns_have_capitals: bool = False


class QualitySpec(Spec):
    """quality.toml."""

    rules: FlawsSpec
    copies: CopiesSpec = Field(default_factory=CopiesSpec)
    kinds: Annotated[dict[FieldName, KindSpec], Field(min_length=1)]
    fields: Annotated[dict[str, AnswerSpec], Field(min_length=1)]
    words: Annotated[dict[str, WordsSpec], Field(min_length=1)]


# --- product.toml ----------------------------------------------------------------------------------------------------


PropertyPath = Annotated[
    str,
    _pattern(
        r"^(user_id|group_id|properties\.[^\s]+)$",
        'must be "user_id", "group_id" or "properties." and a property\'s name',
    ),
]


class IdentitySpec(Spec):
    """One way in which an event names an account."""

    take: PropertyPath
    by: Annotated[By, EnumOf]
    field: str = ""


class EventsSpec(Spec):
    """From when on, and how far, events are relied on."""

    since: date | None = None
    silent_hours: Positive = Decimal(24)


class MeasureSpec(Spec):
    """Something that is counted: events, or a field of the CRM."""

    name: FieldName
    events: tuple[Text, ...] = ()
    where: dict[str, TestsSpec] = Field(default_factory=dict)
    distinct: str = ""
    session: str = ""
    field: str = ""


class NeedSpec(Spec):
    """So many of a measure."""

    measure: Text
    at_least: Annotated[int, Field(ge=1, le=MAX_COUNT)] = 1


class MilestoneSpec(Spec):
    """What a customer reaches."""

    name: FieldName
    needs: Annotated[tuple[NeedSpec, ...], Field(min_length=1)]
    when: When = Field(default_factory=dict)
    says: Text = "{n} of {of}"
    activation: bool = False
    onboarding: str = ""


class StuckSpec(Spec):
    """A sign that a customer is stuck, and the task it makes."""

    name: StepName
    seen: NeedSpec | None = None
    missing: str = ""
    after_hours: Annotated[Number, Field(ge=0, le=MAX_STUCK_HOURS)] = Decimal(0)
    in_session: Annotated[int, Field(ge=2, le=MAX_COUNT)] | None = None
    moved_on: tuple[Text, ...] = ()
    within_days: Annotated[int, Field(ge=1, le=MAX_ANCHOR_DAYS)] = 90
    when: When = Field(default_factory=dict)
    owner: Annotated[Role, EnumOf] = Role.CSM
    thing: Text
    subject: Text
    body: Text


class RescueSpec(Spec):
    """The call that a rescue task offers."""

    minutes: Annotated[int, Field(ge=5, le=MAX_MEETING_MINUTES)] = 15
    offers: Annotated[int, Field(ge=1, le=10)] = 3
    within_hours: Positive = Decimal(24)
    missed: tuple[Literal["remind", "escalate"] | MissSpec, ...] = ()


class OnboardingSpec(Spec):
    """What the account's onboarding stage says before any milestone is reached."""

    begun: str = ""


class AnalysisSpec(Spec):
    """Who counts as kept, and which time their actions are of, for `handoff milestones analyse`."""

    churned: str = ""
    stayed_days: Annotated[int, Field(ge=1, le=3650)] = 183
    first_days: Annotated[int, Field(ge=1, le=MAX_ANCHOR_DAYS)] = 14


class ProductSpec(Spec):
    """product.toml."""

    events: EventsSpec = Field(default_factory=EventsSpec)
    identities: tuple[IdentitySpec, ...] = ()
    measures: tuple[MeasureSpec, ...] = ()
    milestones: tuple[MilestoneSpec, ...] = ()
    onboarding: OnboardingSpec = Field(default_factory=OnboardingSpec)
    stuck: tuple[StuckSpec, ...] = ()
    rescue: RescueSpec = Field(default_factory=RescueSpec)
    analysis: AnalysisSpec = Field(default_factory=AnalysisSpec)
