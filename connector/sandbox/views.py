"""One vocabulary over both worlds, for the people, the screens, the loader and the tally.

`view(world)` gives a `CrmView`: deals, accounts, tasks, notes, activities and users in the product's
words, whichever vendor's tables are underneath. It reads and writes rows directly, as a person at a
screen does; it is not the vendor's API and enforces none of the API's limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from connector.sandbox.agreed import DealType
    from connector.sandbox.book import Phase
    from connector.sandbox.people import Person
    from connector.sandbox.state import SandboxClock, World

ActivityKind = Literal["call", "meeting", "email"]
Record = Literal["deal", "account"]
FieldKind = Literal["line", "text", "number", "date", "moment", "checkbox", "choice", "user"]

EPOCH_MS_DIGITS = 11  # fewer digits cannot be a date in epoch milliseconds after 1973

# Canonical deal fields that name a user; values are user ids as `UserView.id`.
USER_FIELDS = frozenset({"owner", "csm", "second_csm", "sponsor", "override_approver"})
DATE_FIELDS = frozenset(
    {
        *("close_date", "go_live_date", "override_expires", "renewal_date"),
        *("churned_at", "renewed_at", "renewal_talk_at"),
    }
)
MOMENT_FIELDS = frozenset({"started_at", "first_touch_at", "replied_at", "completed_at"})
FLAG_FIELDS = frozenset(
    {
        "override_requested",
        "summary_reviewed",
        "complete",
        "prefill_confirmed",
        "criteria_agreed",
        "timeline_agreed",
    }
)
NUMBER_FIELDS = frozenset(
    {
        "amount",
        "percent",
        "quality",
        "metric_completion",
        "metric_assign_minutes",
        "metric_ttft_hours",
        "metric_ae_hours",
        *("metric_kickoff_days", "metric_ttfv_days", "metric_milestones", "metric_escalations", "metric_overrides"),
        *("handoff_rating", "repeat_asks", "nps", "csat", "tickets_30", "expansion_amount"),
        "employees",
        "milestones_done",
    }
)


@dataclass(frozen=True, slots=True)
class Stage:
    """One column of the pipeline board. `order` counts from 0 within its pipeline."""

    id: str
    label: str
    pipeline: str
    won: bool
    closed: bool
    order: int


@dataclass(frozen=True, slots=True)
class FieldView:
    """A field that an admin gave a record: canonical name (the vendor's, when unknown), label, kind, its choices."""

    name: str
    label: str
    kind: FieldKind
    options: tuple[str, ...] = ()
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class MemberView:
    """Somebody on the team of a deal or an account, in their role there."""

    user: str
    role: str


@dataclass(frozen=True, slots=True)
class UserView:
    """A user as deal fields refer to them: for HubSpot `id` is the owner id."""

    id: str
    name: str
    email: str
    title: str
    active: bool


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account or company; `csm` is a user id or empty."""

    id: str
    name: str
    industry: str
    country: str
    employees: int | None
    website: str
    csm: str


@dataclass(frozen=True, slots=True)
class ContactView:
    """A person at the customer."""

    id: str
    name: str
    title: str
    email: str


@dataclass(frozen=True, slots=True)
class DealView:
    """A deal; `fields` holds every further canonical field that has a value."""

    id: str
    name: str
    stage: Stage
    amount: float | None
    close_date: date | None
    deal_type: DealType
    owner: str
    account: str
    created_at: datetime
    modified_at: datetime
    modified_by: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """A field as text, empty when it has no value."""
        value = self.fields.get(name)
        return "" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class TaskView:
    """A to-do on a deal or account. `key` is the handoff key of a task a program wrote, else empty."""

    id: str
    subject: str
    body: str
    due: datetime | None
    owner: str
    done: bool
    key: str
    deal: str
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class NoteView:
    """A note; `title` is its first line where the CRM has no title."""

    id: str
    title: str
    body: str
    owner: str
    key: str
    deal: str
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class BellView:
    """A notification that the CRM shows to one person; `deal` is where it leads, or empty."""

    id: str
    title: str
    body: str
    deal: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ActivityView:
    """A call, e-mail or meeting that took place or is planned at `at`."""

    id: str
    kind: ActivityKind
    subject: str
    body: str
    at: datetime
    owner: str
    key: str
    ends: datetime | None = None


@dataclass(frozen=True, slots=True)
class ChangeView:
    """One line of a deal's history: canonical field name (or the vendor's, when unmapped), values as text."""

    at: datetime
    field: str
    old: Any
    new: Any
    by: str


class CrmView(Protocol):
    """What people do and see in one CRM. Ids are the vendor's; `by` is a user id; unknown ids raise KeyError."""

    world: World
    label: str  # the name on the screen

    def stages(self) -> list[Stage]: ...
    def stage_of(self, phase: Phase, deal_type: DealType) -> Stage: ...
    def users(self) -> list[UserView]: ...
    def user_named(self, email: str) -> UserView: ...
    def who(self, by: str) -> str: ...

    def has_field(self, name: str) -> bool: ...
    def custom(self, record: Record) -> list[FieldView]: ...
    def values(self, record: Record, record_id: str) -> dict[str, Any]: ...
    def team_of(self, record: Record, record_id: str) -> list[MemberView]: ...
    def deals(self) -> Iterator[DealView]: ...
    def deal(self, deal_id: str) -> DealView: ...
    def accounts(self) -> Iterator[AccountView]: ...
    def account(self, account_id: str) -> AccountView: ...
    def deals_of(self, account_id: str) -> list[DealView]: ...
    def contacts_of(self, account_id: str) -> list[ContactView]: ...
    def tasks(self) -> Iterator[TaskView]: ...
    def tasks_of(self, deal_id: str) -> list[TaskView]: ...
    def tasks_of_account(self, account_id: str) -> list[TaskView]: ...
    def task(self, task_id: str) -> TaskView | None: ...
    def notes(self) -> Iterator[NoteView]: ...
    def notes_of(self, deal_id: str) -> list[NoteView]: ...
    def activities_of(self, deal_id: str) -> list[ActivityView]: ...
    def bells_of(self, user_id: str) -> list[BellView]: ...
    def history(self, deal_id: str) -> list[ChangeView]: ...
    def wins(self, deal_id: str) -> list[datetime]: ...

    def add_user(self, person: Person, *, number: int) -> str: ...
    def add_account(self, values: Mapping[str, Any], *, by: str) -> str: ...
    def add_contact(self, account_id: str, values: Mapping[str, str], *, deal_id: str, by: str) -> str: ...
    def link_contact(self, deal_id: str, contact_id: str, *, part: str, by: str) -> None: ...
    def add_deal(self, values: Mapping[str, Any], *, stage: str, deal_type: DealType, by: str) -> str: ...
    def set_deal(self, deal_id: str, changes: Mapping[str, Any], *, by: str) -> None: ...
    def move_deal(self, deal_id: str, stage: str, *, by: str, also: Mapping[str, Any] | None = None) -> None: ...
    def canonical(self, field: str) -> str: ...
    def add_task(self, deal_id: str, *, subject: str, due: datetime, owner: str, by: str) -> str: ...
    def complete_task(self, task_id: str, *, by: str) -> None: ...
    def add_activity(
        self, deal_id: str, kind: ActivityKind, *, subject: str, body: str, at: datetime, minutes: int, by: str
    ) -> str: ...


# The canonical deal fields that both CRMs name after the same pattern; `stem` is what follows "Handoff_" / "handoff_".
CUSTOM_STEMS: dict[str, str] = {
    name: name
    for name in (
        "product", "why_bought", "use_case", "commitments", "success_criteria", "risks", "competition",
        "champion_stake",
        "stakeholders", "special_terms", "champion", "economic_buyer", "go_live_date", "override_reason",
        "override_approver", "override_expires", "status", "gate", "percent", "missing", "advice", "quality", "csm",
        "started_at",
        "first_touch_at", "summary", "replied_at", "scope_requests", "renewal_date", "milestones_done",
        "acceptance", "reject_reason", "reject_note", "complete", "completed_at", "assumed", "prefill_confirmed",
        "second_csm", "sponsor", "criteria_agreed", "timeline_agreed", "talk_rhythm", "escalation_contact",
        "repeat_asks",
    )
} | {
    "handoff_tier": "tier",
    "summary_reviewed": "reviewed",
    "override_requested": "override", "metric_completion": "completion", "metric_assign_minutes": "assign_minutes",
    "metric_ttft_hours": "ttft_hours", "metric_ae_hours": "ae_hours",
    "metric_kickoff_days": "kickoff_days", "metric_ttfv_days": "ttfv_days", "metric_milestones": "milestone_rate",
    "metric_escalations": "escalations", "metric_overrides": "overrides",
    "handoff_rating": "rating", "handoff_feedback": "feedback",
}  # fmt: skip

# The same for accounts.
ACCOUNT_STEMS = (
    "csm", "second_csm", "onboarding_stage", "go_live_date", "activation", "activated_on", "milestones",
    "territory", "language",
    "nps", "csat", "tickets_30", "churned_at", "renewed_at", "renewal_talk_at", "expansion_amount",
)  # fmt: skip


def typed(name: str, value: Any) -> Any:
    """A stored value as the canonical field's Python type; None when empty or unreadable."""
    if value is None or value == "":
        return None
    if name in FLAG_FIELDS:
        return value is True or str(value).lower() == "true"
    if name in DATE_FIELDS:
        return as_day(value)
    if name in MOMENT_FIELDS:
        return as_moment(value)
    return as_number(value) if name in NUMBER_FIELDS else value


def as_kind(kind: FieldKind, value: Any) -> Any:
    """A stored value as the kind's Python type; None when empty or unreadable."""
    if value is None or value == "":
        return None
    read = {"date": as_day, "moment": as_moment, "number": as_number}.get(kind)
    if kind == "checkbox":
        return value is True or str(value).lower() == "true"
    return read(value) if read else str(value)


def as_day(value: Any) -> date | None:
    """A date from a date, an instant or their text."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    moment = as_moment(value)
    return moment.date() if moment else None


def as_moment(value: Any) -> datetime | None:
    """An aware instant from an instant, a date, ISO text or epoch milliseconds."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    text = str(value or "").strip()
    if text.isdigit() and len(text) >= EPOCH_MS_DIGITS:
        return datetime.fromtimestamp(int(text) / 1000, UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def as_number(value: Any) -> float | None:
    """A number from a number or its text."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def view(world: World) -> CrmView:
    """The view that fits the world's vendor. Raises ValueError for a world of neither."""
    from connector.sandbox.views_hubspot import HubSpotView
    from connector.sandbox.views_salesforce import SalesforceView

    if "Opportunity" in world.tables:
        return SalesforceView(world)
    if "deals" in world.tables:
        return HubSpotView(world)
    raise ValueError(f"world {world.name!r} has neither opportunities nor deals")


@contextmanager
def at_moment(clock: SandboxClock, moment: datetime) -> Iterator[None]:
    """Let the clock stand at `moment` meanwhile: for writing what happened in the past, never while serving."""
    offset, frozen = clock.offset, clock.frozen_at
    clock.freeze(moment)
    try:
        yield
    finally:
        clock.offset, clock.frozen_at = offset, frozen
