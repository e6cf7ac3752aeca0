"""The field names the connector itself reads or writes, and what each must be.

Not here: the fields a company adds for its own gate and summary; those are free, only their kind is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connector.handoff.model import Kind
from connector.handoff.rulebook.fields import FieldOwner, FieldType

T = FieldType
ANY_TEXT = (T.TEXT, T.LONG_TEXT)
WRITERS = frozenset({FieldOwner.DAEMON, FieldOwner.FILL_IF_EMPTY, FieldOwner.CREATE_ONLY})

PREFILLED = frozenset({FieldOwner.FILL_IF_EMPTY})
"""Who may write a company's own field: people, and the connector once while it is empty ([[prefill]])."""


@dataclass(frozen=True, slots=True)
class KnownField:
    """What a known name must be: its possible types, whether it must be mapped, whether the daemon may write it."""

    types: tuple[FieldType, ...]
    required: bool = False
    written: bool = False


def _read(*types: FieldType, required: bool = False) -> KnownField:
    return KnownField(types, required=required)


def _written(*types: FieldType, required: bool = False) -> KnownField:
    return KnownField(types, required=required, written=True)


KNOWN: Mapping[Kind, Mapping[str, KnownField]] = {
    Kind.DEAL: {
        "name": _read(T.TEXT, required=True),
        "stage": _read(T.CHOICE, required=True),
        "pipeline": _read(T.CHOICE),
        "amount": _read(T.NUMBER),
        "close_date": _read(T.DATE, T.DATETIME),
        "type": _read(T.CHOICE),
        "owner": _read(T.PERSON, required=True),
        "account": _read(T.REFERENCE),
        "override_requested": _read(T.BOOL),
        "override_reason": _read(*ANY_TEXT),
        "override_approver": _read(T.PERSON),
        "override_expires": _read(T.DATE, T.DATETIME),
        "replied_at": _read(T.DATETIME),
        "sponsor": _read(T.PERSON),
        "acceptance": _read(T.CHOICE),
        "reject_reason": _read(T.CHOICE, *ANY_TEXT),
        "reject_note": _read(*ANY_TEXT),
        "summary_reviewed": _read(T.BOOL),
        "prefill_confirmed": _read(T.BOOL),
        "handoff_rating": _read(T.NUMBER, T.CHOICE),
        "handoff_feedback": _read(*ANY_TEXT),
        "repeat_asks": _read(T.NUMBER),
        "lead_source": _read(T.CHOICE, T.TEXT),
        "assumed": _written(T.LONG_TEXT),
        "complete": _written(T.BOOL),
        "completed_at": _written(T.DATETIME),
        "handoff_tier": _written(T.TEXT),
        "status": _written(T.CHOICE),
        "gate": _written(T.CHOICE, required=True),
        "percent": _written(T.NUMBER),
        "missing": _written(T.LONG_TEXT, required=True),
        "advice": _written(T.LONG_TEXT),
        "quality": _written(T.NUMBER),
        "csm": _written(T.PERSON, required=True),
        "second_csm": _written(T.PERSON),
        "started_at": _written(T.DATETIME, required=True),
        "first_touch_at": _written(T.DATETIME),
        "summary": _written(T.LONG_TEXT),
        "pinned": _written(T.TEXT),
        "metric_completion": _written(T.NUMBER),
        "metric_assign_minutes": _written(T.NUMBER),
        "metric_ttft_hours": _written(T.NUMBER),
        "metric_ae_hours": _written(T.NUMBER),
        "metric_kickoff_days": _written(T.NUMBER),
        "metric_ttfv_days": _written(T.NUMBER),
        "metric_milestones": _written(T.NUMBER),
        "metric_escalations": _written(T.NUMBER),
        "metric_overrides": _written(T.NUMBER),
    },
    Kind.ACCOUNT: {
        "name": _read(T.TEXT),
        "csm": _written(T.PERSON),
        "second_csm": _written(T.PERSON),
        "activation": _written(T.TEXT),
        "activated_on": _written(T.DATE, T.DATETIME),
        "milestones": _written(T.TEXT),
        "onboarding_stage": _written(T.TEXT),
        "go_live_date": _written(T.DATE, T.DATETIME),
        "nps": _read(T.NUMBER),
        "csat": _read(T.NUMBER),
        "tickets_30": _read(T.NUMBER),
        "churned_at": _read(T.DATE, T.DATETIME),
        "renewed_at": _read(T.DATE, T.DATETIME),
        "renewal_talk_at": _read(T.DATE, T.DATETIME),
        "expansion_amount": _read(T.NUMBER),
    },
    Kind.TASK: {
        "key": _written(T.TEXT, required=True),
        "subject": _written(T.TEXT, required=True),
        "body": _written(T.LONG_TEXT),
        "due": _written(T.DATE, T.DATETIME, required=True),
        "owner": _written(T.PERSON, required=True),
        "status": _written(T.CHOICE, required=True),
        "deal": _written(T.REFERENCE),
        "account": _written(T.REFERENCE),
        "remind": _written(T.BOOL),
        "remind_at": _written(T.DATETIME),
        "type": _written(T.CHOICE),
        "priority": _written(T.CHOICE),
        "queue": _written(T.CHOICE),
        "done_at": _read(T.DATETIME),
        "done": _read(T.BOOL),
    },
    Kind.NOTE: {
        "key": _written(T.TEXT),
        "deal": _written(T.REFERENCE),
        "title": _written(T.TEXT),
        "body": _written(T.LONG_TEXT, required=True),
        "at": _written(T.DATETIME),
        "owner": _written(T.PERSON),
    },
    Kind.MEETING: {
        "key": _written(T.TEXT),
        "subject": _written(T.TEXT),
        "body": _written(T.LONG_TEXT),
        "start": _written(T.DATETIME),
        "end": _written(T.DATETIME),
        "minutes": _written(T.NUMBER),
        "outcome": _read(T.CHOICE),
        "attendees": _written(T.TEXT),
        "deal": _written(T.REFERENCE),
        "owner": _written(T.PERSON),
    },
    Kind.EMAIL: {"key": _written(T.TEXT)},
}
"""Deals and accounts may have more fields than these; tasks, notes and meetings may not."""


def is_peoples(kind: Kind, name: str, owner: FieldOwner) -> bool:
    """Whether people fill a field: theirs alone, or one of the company's own that is only taken over while empty."""
    return owner is FieldOwner.HUMAN or (owner in PREFILLED and name not in KNOWN[kind])


OPEN_KINDS = frozenset({Kind.DEAL, Kind.ACCOUNT})
"""The kinds of record a company may map fields of its own on."""

RESERVED_STEPS = (
    *("summary", "patch-deal", "patch-account", "patch-revert"),
    *("team-deal", "team-account", "team-deal-second", "team-account-second"),
)
RESERVED_STARTS = ("notify-", "summary-", "stuck-")
"""Steps the core names itself, and how those begin of which there are several."""

EXTRAS = ("task.queue", "task.priority", "task.type", "meeting.attendees", "email.key")
"""What only some CRMs keep; a step's word for it is passed on where the map has a field for it."""

CHOICES: Mapping[str, tuple[str, ...]] = {
    "status": ("1 Preparation", "2 Welcome", "3 Alignment", "4 Implementation", "5 Review"),
    "gate": ("Held", "Released", "Overridden", "Warned", "Not checked"),
    "acceptance": ("Accepted", "Rejected", "Resubmitted"),
    "task.status": ("open", "done"),
    "meeting.outcome": ("planned", "held", "missed", "moved", "canceled"),
}
"""What the core writes into its choice fields, or reads from them, in canonical words; a test holds them equal to the
core's."""
