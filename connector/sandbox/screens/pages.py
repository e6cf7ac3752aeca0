"""What the pages show: boards, records and tables as plain view models, ready for the templates.

Reads one world through its view. No HTML here and no writing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from connector.sandbox import agreed
from connector.sandbox.views import (
    USER_FIELDS,
    AccountView,
    ActivityView,
    ContactView,
    CrmView,
    DealView,
    NoteView,
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
TYPE_LABELS = {"new": "New business", "renewal": "Renewal", "upsell": "Upsell"}
SEGMENTS = (
    ("", "Every segment"),
    ("small", "Small, under 12k"),
    ("mid", "Mid, 12k to 60k"),
    ("enterprise", "Enterprise, from 60k"),
)
GATES = (("", "Every gate"), *((g, g) for g in ("Held", "Released", "Overridden", "Warned", "Not checked")))
PIPELINE_LABELS = {"default": "Sales", "8801001": "Renewals"}
_DETAILS = {
    "deal_type": "Type",
    "product": "Product",
    "next_step": "Next step",
    "csm": "CSM",
    "gate": "Handoff gate",
    "status": "Handoff status",
    "percent": "Handoff percent",
    "quality": "Quality of the answers",
    "started_at": "Handoff started",
    "first_touch_at": "First touch",
    "metric_completion": "Handoff completion",
    "metric_assign_minutes": "Minutes to assignment",
    "metric_ttft_hours": "Hours to first touch",
    "metric_ae_hours": "Hours to complete the handoff",
}
_TERMS = {"amount": ("Amount", "line"), "close_date": ("Close date", "date")}
_CHANGE_LABELS = {
    "name": "Name",
    "stage": "Stage",
    "amount": "Amount",
    "close_date": "Close date",
    "owner": "Owner",
    "account": "Account",
    "missing": "What is missing",
    "advice": "How to make it better",
    "summary": "Handoff summary",
    **_DETAILS,
    **{name: label for name, (label, _) in (agreed.HANDOFF_FIELDS | agreed.OVERRIDE_FIELDS).items()},
}


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
class FieldRow:
    """One field on a record page: `value` for reading, `raw` for the form, `asked` if the handoff needs it.

    `faults` are what the CRM's rules say against the value that was typed.
    """

    name: str
    label: str
    kind: str
    value: str
    raw: Any
    asked: bool
    faults: tuple[str, ...] = ()

    @property
    def long(self) -> bool:
        return self.kind == "text"


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
        return sum(1 for task in self.tasks if not task.done)


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
    asked = set(agreed.required(amount=deal.amount, deal_type=deal.deal_type))
    rows = _rows(crm, names)
    values = dict(deal.fields) | {
        "deal_type": TYPE_LABELS[deal.deal_type],
        "amount": deal.amount,
        "close_date": deal.close_date,
    }
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
        terms=rows(_TERMS, values, asked),
        handoff=rows(agreed.HANDOFF_FIELDS, values, asked),
        override=rows(agreed.OVERRIDE_FIELDS, values, asked),
        details=rows({name: (label, _kind(name)) for name, label in _DETAILS.items()}, values, asked),
        tasks=titled(_in_order(crm.tasks_of(deal_id)), names),
        notes=titled(crm.notes_of(deal_id), names),
        activities=titled(crm.activities_of(deal_id), names),
        contacts=tuple(crm.contacts_of(deal.account)) if deal.account else (),
        history=tuple(_history(crm, deal_id, names)),
        users=tuple(sorted((u for u in users if u.active), key=lambda u: u.name)),
        wanted=deal.stage.id,
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

    terms, handoff, override = (rows(part) for part in (page.terms, page.handoff, page.override))
    beside = {"stage", *(row.name for row in (*terms, *handoff, *override))}
    wanted = stage if any(stage == each.id for each in page.stages) else page.wanted
    shown = replace(page, terms=terms, handoff=handoff, override=override, wanted=wanted, stage_faults=faults("stage"))
    return shown, tuple((words, field if field in beside else "") for words, field in found)


def titled(items: Iterable[TaskView | NoteView | ActivityView], names: Mapping[str, str]) -> tuple[Titled, ...]:
    """Items with the names of their owners."""
    return tuple(Titled(item, names.get(item.owner, item.owner)) for item in items)


def _in_order(tasks: list[TaskView]) -> list[TaskView]:
    """Open ones first, the next due at the top."""
    return sorted(tasks, key=lambda task: (task.done, task.due.isoformat() if task.due else "9"))


def _kind(name: str) -> str:
    if name.endswith("_at"):
        return "moment"
    return "user" if name in USER_FIELDS else "line"


def _rows(
    crm: CrmView,
    names: Mapping[str, str],
) -> Callable[[Mapping[str, tuple[str, str]], Mapping[str, Any], set[str]], tuple[FieldRow, ...]]:
    def rows(fields: Mapping[str, tuple[str, str]], values: Mapping[str, Any], asked: set[str]) -> tuple[FieldRow, ...]:
        return tuple(
            FieldRow(name, label, kind, _shown(kind, values.get(name), names), _raw(values.get(name)), name in asked)
            for name, (label, kind) in fields.items()
            if crm.has_field(name)
        )

    return rows


def _shown(kind: str, value: Any, names: Mapping[str, str]) -> str:
    if kind == "checkbox":
        return "Yes" if value else "No"
    if value is None:
        return ""
    if kind == "user":
        return names.get(str(value), str(value))
    if kind == "moment" and isinstance(value, datetime):
        return f"{value:%-d %b %Y, %H:%M} UTC"
    if kind == "date" and isinstance(value, date):
        return f"{value:%-d %b %Y}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _raw(value: Any) -> Any:
    return f"{value:.10g}" if isinstance(value, float) else value


def _percent(deal: DealView) -> int | None:
    value = deal.fields.get("percent")
    return None if value is None else max(0, min(100, round(value)))


def _history(crm: CrmView, deal_id: str, names: Mapping[str, str]) -> Iterable[Line]:
    stages = {stage.id: stage.label for stage in crm.stages()}
    changes = [c for c in crm.history(deal_id) if c.field in _CHANGE_LABELS]
    for change in reversed(changes[-HISTORY_SHOWN:]):
        if change.old is None and change.at == changes[0].at and change.field != "stage":
            continue  # what the record was created with is on the page already
        words = stages if change.field == "stage" else names if change.field in USER_FIELDS else {}
        yield Line(
            change.at,
            crm.who(change.by),
            _CHANGE_LABELS[change.field],
            _short(change.field, change.old, words),
            _short(change.field, change.new, words),
        )


def _short(name: str, value: Any, words: Mapping[str, str]) -> str:
    if value is None:
        return ""
    known = typed(name, value)
    kind = "moment" if isinstance(known, datetime) else "date" if isinstance(known, date) else "line"
    kind = "checkbox" if isinstance(known, bool) else kind
    text = words.get(str(value)) or _shown(kind, known, {})
    return text if len(text) <= CHANGE_SHOWN else f"{text[:CHANGE_SHOWN].rstrip()}…"
