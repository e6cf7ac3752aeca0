"""How a record's fields stand on its page: in which section, in what order, under which label, and how values read.

A section names fields; those that this CRM lacks are left out, and what an admin added beyond them stands under
further fields. Not the pages themselves and no HTML.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from connector.sandbox import agreed
from connector.sandbox.views import USER_FIELDS, CrmView, FieldView, Record

TERMS: Mapping[str, tuple[str, str]] = {"amount": ("Amount", "line"), "close_date": ("Close date", "date")}
ANSWER = (
    "acceptance", "reject_reason", "reject_note", "summary_reviewed", "handoff_rating", "repeat_asks",
    "handoff_feedback",
)  # fmt: skip
LATER = (
    "scope_requests", "renewal_date", "milestones_done", "criteria_agreed", "timeline_agreed", "talk_rhythm",
    "escalation_contact", "sponsor",
)  # fmt: skip
HANDOFF = (*agreed.HANDOFF_FIELDS, "prefill_confirmed")
OVERRIDE = tuple(agreed.OVERRIDE_FIELDS)
DETAILS: Mapping[str, str] = {
    "deal_type": "Type",
    "product": "Product",
    "handoff_tier": "Tier",
    "next_step": "Next step",
    "csm": "CSM",
    "second_csm": "Second CSM",
    "gate": "Handoff gate",
    "status": "Handoff status",
    "percent": "Handoff percent",
    "quality": "Quality of the answers",
    "started_at": "Handoff started",
    "complete": "Handoff complete",
    "completed_at": "Handoff complete since",
    "first_touch_at": "First touch",
    "replied_at": "Customer last replied",
    "metric_completion": "Handoff completion",
    "metric_assign_minutes": "Minutes to assignment",
    "metric_ttft_hours": "Hours to first touch",
    "metric_ae_hours": "Hours to complete the handoff",
    "metric_kickoff_days": "Working days to kickoff",
    "metric_ttfv_days": "Days to first value",
    "metric_milestones": "Milestone rate",
    "metric_escalations": "Escalated",
    "metric_overrides": "Let through by override",
}
MEASURED = (
    "started_at", "quality", "metric_assign_minutes", "metric_completion", "metric_ttft_hours", "metric_ae_hours",
    "metric_kickoff_days", "metric_ttfv_days", "metric_milestones", "metric_escalations", "metric_overrides",
)  # fmt: skip
"""Details that stand beside the verdict as well."""
ABOVE = ("missing", "advice", "assumed", "summary")
"""Long texts with a place of their own on the page."""
TYPE_LABELS = {"new": "New business", "renewal": "Renewal", "upsell": "Upsell"}
ONBOARDING = ("onboarding_stage", "activation", "milestones", "activated_on", "go_live_date")
"""Of an account: how far it has come."""
IN_HEAD = ("csm", "second_csm")
CHANGE_LABELS = {
    "name": "Name",
    "stage": "Stage",
    "amount": "Amount",
    "close_date": "Close date",
    "owner": "Owner",
    "account": "Account",
    "missing": "What is missing",
    "advice": "How to make it better",
    "assumed": "To be confirmed",
    "summary": "Handoff summary",
    "acceptance": "Handoff answer",
    "reject_reason": "Reason for rejecting",
    "reject_note": "What is missing, says the CSM",
    "summary_reviewed": "Summary reviewed by the CSM",
    "prefill_confirmed": "Prefilled values confirmed",
    "handoff_rating": "Rating of the handoff",
    "repeat_asks": "Asked again",
    "handoff_feedback": "Feedback on the handoff",
    **DETAILS,
    **{name: label for name, (label, _) in (agreed.HANDOFF_FIELDS | agreed.OVERRIDE_FIELDS).items()},
}


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field on a record page: `value` for reading, `raw` for the form, `asked` if the handoff needs it.

    `options` are a choice's; `faults` are what the CRM's rules say against the value that was typed.
    """

    name: str
    label: str
    kind: str
    value: str
    raw: Any
    asked: bool
    options: tuple[str, ...] = ()
    read_only: bool = False
    faults: tuple[str, ...] = ()

    @property
    def long(self) -> bool:
        """Whether it takes the whole width."""
        return self.kind == "text"


class Layout:
    """The fields of one record of one CRM, by section."""

    def __init__(self, crm: CrmView, record: Record, *, names: Mapping[str, str], asked: Iterable[str] = ()) -> None:
        self._has = crm.has_field
        self._own = {field.name: field for field in crm.custom(record)}
        self._names = names
        self._asked = frozenset(asked)

    def rows(self, known: Mapping[str, tuple[str, str]], values: Mapping[str, Any]) -> tuple[FieldRow, ...]:
        """Fields under labels of this product's, as far as the CRM has them."""
        return tuple(self._row(name, *shape, values.get(name)) for name, shape in known.items() if self._has(name))

    def section(self, names: Iterable[str], values: Mapping[str, Any]) -> tuple[FieldRow, ...]:
        """Fields under the labels that the CRM has for them; those it lacks are left out."""
        return tuple(self._of(self._own[name], values.get(name)) for name in names if name in self._own)

    def rest(self, placed: Iterable[str], values: Mapping[str, Any]) -> tuple[FieldRow, ...]:
        """Whatever else an admin added."""
        taken = frozenset(placed)
        return tuple(self._of(field, values.get(name)) for name, field in self._own.items() if name not in taken)

    def _of(self, field: FieldView, value: Any) -> FieldRow:
        return self._row(field.name, field.label, field.kind, value, options=field.options, read_only=field.read_only)

    def _row(self, name: str, label: str, kind: str, value: Any, **more: Any) -> FieldRow:
        return FieldRow(name, label, kind, shown(kind, value, self._names), raw(value), name in self._asked, **more)


def labelled(names: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Details with the kind their name says."""
    return {name: (label, _kind(name)) for name, label in names.items()}


def _kind(name: str) -> str:
    if name == "complete":
        return "checkbox"
    if name.endswith("_at"):
        return "moment"
    return "user" if name in USER_FIELDS else "line"


def shown(kind: str, value: Any, names: Mapping[str, str]) -> str:
    """A value as a person reads it; empty for nothing."""
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


def raw(value: Any) -> Any:
    """A value as the form holds it."""
    return f"{value:.10g}" if isinstance(value, float) else value
