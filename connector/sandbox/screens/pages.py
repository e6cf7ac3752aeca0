"""What the pages show: boards, records and tables as plain view models, ready for the templates.

Reads one world through its view. No HTML here and no writing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from connector.sandbox import agreed
from connector.sandbox.screens import layout
from connector.sandbox.screens.layout import CHANGE_LABELS, TYPE_LABELS, FieldRow, Layout
from connector.sandbox.views import (
    USER_FIELDS,
    AccountView,
    ActivityView,
    ContactView,
    CrmView,
    DealView,
    NoteView,
    Record,
    Stage,
    TaskView,
    UserView,
    typed,
)

# A column shows at most this many cards: a person narrows by search, and the page stays light in a large org.
CARDS_SHOWN = 40
HISTORY_SHOWN = 60
CHANGE_SHOWN = 90
CARD_LABELS = {"new": "New", "renewal": "Renewal", "upsell": "Upsell"}
SEGMENTS = (
    ("", "Every segment"),
    ("small", "Small, under 12k"),
    ("mid", "Mid, 12k to 60k"),
    ("enterprise", "Enterprise, from 60k"),
)
GATES = (("", "Every gate"), *((g, g) for g in ("Held", "Released", "Overridden", "Warned", "Not checked")))
PIPELINE_LABELS = {"default": "Sales", "8801001": "Renewals"}


@dataclass(frozen=True, slots=True)
class Ask:
    """What the person searched and filtered for."""

    pipeline: str = ""
    q: str = ""
    owner: str = ""
    segment: str = ""
    gate: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Ask:
        """From a query string; unknown keys are ignored."""
        return cls(**{name: query.get(name, "").strip() for name in cls.__slots__})

    @property
    def active(self) -> bool:
        """Whether anything narrows the board."""
        return bool(self.q or self.owner or self.segment or self.gate)

    def takes(self, deal: DealView, *, account: Callable[[str], str]) -> bool:
        """Whether the deal belongs on the narrowed board."""
        if self.owner and deal.owner != self.owner:
            return False
        if self.segment and agreed.segment(deal.amount) != self.segment:
            return False
        if self.gate and deal.text("gate") != self.gate:
            return False
        wanted = self.q.lower()
        return not wanted or wanted in deal.name.lower() or wanted in account(deal.account).lower()


@dataclass(frozen=True, slots=True)
class Card:
    """A deal on the board."""

    deal: DealView
    owner: str
    csm: str
    gate: str
    percent: int | None
    type_label: str


@dataclass(frozen=True, slots=True)
class Column:
    """A stage with its cards; `hidden` deals did not fit."""

    stage: Stage
    count: int
    total: float
    hidden: int
    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """One pipeline."""

    pipeline: str
    stages: tuple[Stage, ...]
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the history as a person reads it."""

    at: datetime
    by: str
    field: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Titled:
    """A task, note or activity with names in place of ids."""

    item: TaskView | NoteView | ActivityView
    owner: str

    def __getattr__(self, name: str) -> Any:
        return getattr(self.item, name)


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody on a record's team."""

    name: str
    role: str


@dataclass(frozen=True, slots=True)
class AccountPage:
    """Everything on an account's record page."""

    account: AccountView
    now: datetime
    csm: str
    second_csm: str
    onboarding: tuple[FieldRow, ...]
    further: tuple[FieldRow, ...]
    deals: tuple[DealView, ...]
    owners: Mapping[str, str]
    tasks: tuple[Titled, ...]
    activities: tuple[Titled, ...]
    contacts: tuple[ContactView, ...]
    team: tuple[Member, ...]

    @property
    def open_tasks(self) -> int:
        """How many tasks are still to be done."""
        return sum(1 for task in self.tasks if not task.done)


@dataclass(frozen=True, slots=True)
class DealPage:
    """Everything on a deal's record page."""

    deal: DealView
    now: datetime
    stages: tuple[Stage, ...]
    owner: str
    csm: str
    gate: str
    percent: int | None
    account: AccountView | None
    changed_by: str
    terms: tuple[FieldRow, ...]
    handoff: tuple[FieldRow, ...]
    override: tuple[FieldRow, ...]
    details: tuple[FieldRow, ...]
    answer: tuple[FieldRow, ...]
    later: tuple[FieldRow, ...]
    further: tuple[FieldRow, ...]
    second_csm: str
    tier: str
    team: tuple[Member, ...]
    tasks: tuple[Titled, ...]
    notes: tuple[Titled, ...]
    activities: tuple[Titled, ...]
    contacts: tuple[ContactView, ...]
    history: tuple[Line, ...]
    users: tuple[UserView, ...]
    wanted: str = ""
    """The stage that the form names: where the deal stands, or where the person tried to put it."""
    stage_faults: tuple[str, ...] = ()

    @property
    def open_tasks(self) -> int:
        """How many tasks are still to be done."""
        return sum(1 for task in self.tasks if not task.done)

    @property
    def editable(self) -> tuple[FieldRow, ...]:
        """Every field of the form."""
        return (*self.terms, *self.handoff, *self.answer, *self.later, *self.further, *self.override)


def board(crm: CrmView, ask: Ask) -> Board:
    """The pipeline the person asked for, narrowed as they asked."""
    known = crm.stages()
    pipeline = ask.pipeline if any(s.pipeline == ask.pipeline for s in known) else known[0].pipeline
    stages = tuple(s for s in known if s.pipeline == pipeline)
    names = {user.id: user.name for user in crm.users()}
    accounts = {a.id: a.name for a in crm.accounts()} if ask.q else {}
    heaps: dict[str, list[DealView]] = {s.id: [] for s in stages}
    for deal in crm.deals():
        if deal.stage.id in heaps and ask.takes(deal, account=lambda key: accounts.get(key, "")):
            heaps[deal.stage.id].append(deal)
    return Board(pipeline, stages, tuple(_column(s, heaps[s.id], names) for s in stages))


def _column(stage: Stage, deals: list[DealView], names: Mapping[str, str]) -> Column:
    if stage.closed:
        deals.sort(key=lambda d: d.modified_at, reverse=True)
    else:
        deals.sort(key=lambda d: (d.close_date or date.max, d.name))
    shown = tuple(_card(deal, names) for deal in deals[:CARDS_SHOWN])
    return Column(stage, len(deals), sum(d.amount or 0 for d in deals), len(deals) - len(shown), shown)


def _card(deal: DealView, names: Mapping[str, str]) -> Card:
    return Card(
        deal=deal,
        owner=names.get(deal.owner, ""),
        csm=names.get(deal.text("csm"), ""),
        gate=deal.text("gate"),
        percent=_percent(deal),
        type_label=CARD_LABELS[deal.deal_type],
    )


def deal_page(crm: CrmView, deal_id: str) -> DealPage:
    """A deal's record page. Raises KeyError when there is no such deal."""
    deal = crm.deal(deal_id)
    users = crm.users()
    names = {user.id: user.name for user in users}
    asked = agreed.required(amount=deal.amount, deal_type=deal.deal_type)
    form = Layout(crm, "deal", names=names, asked=asked)
    values = (
        dict(deal.fields)
        | crm.values("deal", deal_id)
        | {"deal_type": TYPE_LABELS[deal.deal_type], "amount": deal.amount, "close_date": deal.close_date}
    )
    details = layout.labelled(layout.DETAILS)
    notes = sorted(crm.notes_of(deal_id), key=lambda note: note.created_at, reverse=True)
    placed = (*layout.HANDOFF, *layout.OVERRIDE, *layout.ANSWER, *layout.LATER, *layout.ABOVE, *details)
    return DealPage(
        deal=deal,
        now=crm.world.clock.now(),
        stages=tuple(s for s in crm.stages() if s.pipeline == deal.stage.pipeline),
        owner=names.get(deal.owner, ""),
        csm=names.get(deal.text("csm"), ""),
        gate=deal.text("gate"),
        percent=_percent(deal),
        account=crm.account(deal.account) if deal.account else None,
        changed_by=crm.who(deal.modified_by),
        terms=form.rows(layout.TERMS, values),
        handoff=(*form.rows(agreed.HANDOFF_FIELDS, values), *form.section(("prefill_confirmed",), values)),
        override=form.rows(agreed.OVERRIDE_FIELDS, values),
        details=form.rows(details, values),
        answer=form.section(layout.ANSWER, values),
        later=form.section(layout.LATER, values),
        further=form.rest(placed, values),
        second_csm=names.get(deal.text("second_csm"), ""),
        tier=deal.text("handoff_tier"),
        team=_team(crm, "deal", deal_id, names),
        tasks=titled(_in_order(crm.tasks_of(deal_id)), names),
        notes=titled(notes, names),
        activities=titled(crm.activities_of(deal_id), names),
        contacts=tuple(crm.contacts_of(deal.account)) if deal.account else (),
        history=tuple(_history(crm, deal_id, names)),
        users=tuple(sorted((u for u in users if u.active), key=lambda u: u.name)),
        wanted=deal.stage.id,
    )


def account_page(crm: CrmView, account_id: str) -> AccountPage:
    """An account's record page. Raises KeyError when there is no such account."""
    account = crm.account(account_id)
    names = {user.id: user.name for user in crm.users()}
    deals = sorted(crm.deals_of(account_id), key=lambda d: d.modified_at, reverse=True)
    form, values = Layout(crm, "account", names=names), crm.values("account", account_id)
    activities = sorted((it for deal in deals for it in crm.activities_of(deal.id)), key=lambda it: it.at)
    return AccountPage(
        account=account,
        now=crm.world.clock.now(),
        csm=names.get(account.csm, ""),
        second_csm=names.get(str(values.get("second_csm", "")), ""),
        onboarding=form.section(layout.ONBOARDING, values),
        further=form.rest((*layout.ONBOARDING, *layout.IN_HEAD), values),
        deals=tuple(deals),
        owners=names,
        tasks=titled(_in_order(crm.tasks_of_account(account_id)), names),
        activities=titled(activities, names),
        contacts=tuple(crm.contacts_of(account_id)),
        team=_team(crm, "account", account_id, names),
    )


def retyped(
    page: DealPage, typed: Mapping[str, Any], *, stage: str, reasons: Iterable[tuple[str, str]]
) -> tuple[DealPage, tuple[tuple[str, str], ...]]:
    """The page with what the person typed and chose, each reason beside its field.

    And all reasons once more for the top of the page, those without a field in the form with "" as their field.
    """
    found = tuple(reasons)

    def faults(name: str) -> tuple[str, ...]:
        return tuple(words for words, field in found if field == name)

    def rows(known: tuple[FieldRow, ...]) -> tuple[FieldRow, ...]:
        return tuple(replace(row, raw=typed.get(row.name, row.raw), faults=faults(row.name)) for row in known)

    beside = {"stage", *(row.name for row in page.editable)}
    shown = replace(
        page,
        terms=rows(page.terms),
        handoff=rows(page.handoff),
        answer=rows(page.answer),
        later=rows(page.later),
        further=rows(page.further),
        override=rows(page.override),
        wanted=stage if any(stage == each.id for each in page.stages) else page.wanted,
        stage_faults=faults("stage"),
    )
    return shown, tuple((words, field if field in beside else "") for words, field in found)


def titled(items: Iterable[TaskView | NoteView | ActivityView], names: Mapping[str, str]) -> tuple[Titled, ...]:
    """Items with the names of their owners."""
    return tuple(Titled(item, names.get(item.owner, item.owner)) for item in items)


def late(task: TaskView, now: datetime) -> bool:
    """Whether a task should have been done before today: of many only the day is known, whatever hour stands there."""
    return not task.done and task.due is not None and task.due.date() < now.date()


def _team(crm: CrmView, record: Record, record_id: str, names: Mapping[str, str]) -> tuple[Member, ...]:
    return tuple(Member(names.get(it.user, it.user), it.role) for it in crm.team_of(record, record_id))


def _in_order(tasks: list[TaskView]) -> list[TaskView]:
    """Open ones first, the next due at the top."""
    return sorted(tasks, key=lambda task: (task.done, task.due.isoformat() if task.due else "9"))


def _percent(deal: DealView) -> int | None:
    value = deal.fields.get("percent")
    return None if value is None else max(0, min(100, round(value)))


def _history(crm: CrmView, deal_id: str, names: Mapping[str, str]) -> Iterable[Line]:
    stages = {stage.id: stage.label for stage in crm.stages()}
    changes = [c for c in crm.history(deal_id) if c.field in CHANGE_LABELS]
    for change in reversed(changes[-HISTORY_SHOWN:]):
        if change.old is None and change.at == changes[0].at and change.field != "stage":
            continue  # what the record was created with is on the page already
        words = stages if change.field == "stage" else names if change.field in USER_FIELDS else {}
        yield Line(
            change.at,
            crm.who(change.by),
            CHANGE_LABELS[change.field],
            _short(change.field, change.old, words),
            _short(change.field, change.new, words),
        )


def _short(name: str, value: Any, words: Mapping[str, str]) -> str:
    if value is None:
        return ""
    known = typed(name, value)
    kind = "moment" if isinstance(known, datetime) else "date" if isinstance(known, date) else "line"
    kind = "checkbox" if isinstance(known, bool) else kind
    text = words.get(str(value)) or layout.shown(kind, known, {})
    return text if len(text) <= CHANGE_SHOWN else f"{text[:CHANGE_SHOWN].rstrip()}…"
