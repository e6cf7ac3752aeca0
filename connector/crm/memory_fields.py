"""What the CRM in memory accepts: its fields by canonical name, and what becomes of a value when it is saved.

Not here: records and feeds (``memory``). The limits are those of the strictest real CRM.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from connector.crm.port import (
    FieldSchema,
    ObjectSchema,
)
from connector.errors import Fault, FaultCode
from connector.handoff.model import DealType, Gate, Kind, Outcome, Person, Stage, Status, Value
from connector.handoff.rulebook.fields import FieldType

TEXT, LONG, NUMBER, BOOL = FieldType.TEXT, FieldType.LONG_TEXT, FieldType.NUMBER, FieldType.BOOL
DAY, MOMENT, CHOICE, PERSON, REFERENCE = (
    FieldType.DATE,
    FieldType.DATETIME,
    FieldType.CHOICE,
    FieldType.PERSON,
    FieldType.REFERENCE,
)

FIELDS: Mapping[Kind, Mapping[str, FieldType]] = {
    Kind.DEAL: {
        **dict.fromkeys(("name", "product", "champion", "economic_buyer", "override_reason"), TEXT),
        "pinned": TEXT,
        **dict.fromkeys(("why_bought", "use_case", "commitments", "success_criteria", "risks", "competition"), LONG),
        **dict.fromkeys(("champion_stake", "stakeholders", "special_terms", "missing", "advice", "summary"), LONG),
        "scope_requests": LONG,
        **dict.fromkeys(("milestones_done", "handoff_rating"), NUMBER),
        **dict.fromkeys(("amount", "percent", "quality", "metric_completion"), NUMBER),
        **dict.fromkeys(("metric_assign_minutes", "metric_ttft_hours", "metric_ae_hours"), NUMBER),
        **dict.fromkeys(("metric_kickoff_days", "metric_ttfv_days", "metric_milestones"), NUMBER),
        **dict.fromkeys(("metric_escalations", "metric_overrides", "handoff_rating", "repeat_asks"), NUMBER),
        "handoff_feedback": LONG,
        "lead_source": TEXT,
        **dict.fromkeys(("close_date", "go_live_date", "override_expires", "renewal_date"), DAY),
        **dict.fromkeys(("started_at", "first_touch_at", "replied_at", "completed_at"), MOMENT),
        **dict.fromkeys(("stage", "type", "status", "gate", "acceptance"), CHOICE),
        **dict.fromkeys(("reject_reason", "reject_note"), TEXT),
        **dict.fromkeys(("assumed", "handoff_feedback"), LONG),
        **dict.fromkeys(("owner", "csm", "override_approver"), PERSON),
        **dict.fromkeys(("override_requested", "summary_reviewed", "complete", "prefill_confirmed"), BOOL),
        "account": REFERENCE,
    },
    Kind.ACCOUNT: {
        **dict.fromkeys(("name", "industry", "country", "website"), TEXT),
        **dict.fromkeys(("employees", "nps", "csat", "tickets_30", "expansion_amount"), NUMBER),
        **dict.fromkeys(("churned_at", "renewed_at", "renewal_talk_at"), DAY),
        "csm": PERSON,
    },
    Kind.TASK: {
        **dict.fromkeys(("subject", "queue"), TEXT),
        "body": LONG,
        "due": DAY,
        "owner": PERSON,
        "remind_at": MOMENT,
        **dict.fromkeys(("status", "priority", "type"), CHOICE),
    },
    Kind.NOTE: {"title": TEXT, "body": LONG, "owner": PERSON},
    Kind.MEETING: {
        **dict.fromkeys(("subject", "attendees"), TEXT),
        "body": LONG,
        "owner": PERSON,
        **dict.fromkeys(("start", "end"), MOMENT),
        "outcome": CHOICE,
    },
    Kind.EMAIL: {"subject": TEXT, "body": LONG, "owner": PERSON, "at": MOMENT},
    Kind.MEMBER: {"on": TEXT, "person": PERSON, "role": TEXT},
}

NOT_WRITABLE = frozenset({(Kind.DEAL, "account")})

CHOICES: Mapping[tuple[Kind, str], frozenset[str]] = {
    (Kind.DEAL, "type"): frozenset(DealType),
    (Kind.DEAL, "status"): frozenset(Status),
    (Kind.DEAL, "gate"): frozenset(Gate),
    (Kind.DEAL, "acceptance"): frozenset({"Accepted", "Rejected", "Resubmitted"}),
    (Kind.TASK, "status"): frozenset({"open", "done"}),
    (Kind.TASK, "priority"): frozenset({"low", "medium", "high"}),
    (Kind.TASK, "type"): frozenset({"todo", "call", "email"}),
    (Kind.MEETING, "outcome"): frozenset(Outcome),
}

LENGTHS: Mapping[tuple[Kind, str], int] = {
    (Kind.DEAL, "summary"): 65_536,
    (Kind.NOTE, "title"): 80,
    (Kind.NOTE, "body"): 32_000,
}
TEXT_LENGTH = 255
LONG_LENGTH = 32_000
CENT = Decimal("0.01")


class Refusal(Exception):
    """The row is refused."""

    def __init__(self, code: FaultCode, vendor_code: str, message: str) -> None:
        self.fault = Fault(code=code, vendor_code=vendor_code, message=message)
        super().__init__(message)


def kept(kind: Kind, name: str, value: Value, *, people: Mapping[str, Person], stages: Mapping[str, Stage]) -> Value:
    """The value as it is stored. Raises `Refusal`."""
    if value is None or value == "":
        return None
    of_type = FIELDS[kind][name]
    if not isinstance(value, TYPES[of_type]) or (of_type is DAY and isinstance(value, datetime)):
        raise Refusal(FaultCode.REJECTED, "WRONG_TYPE", f"{name}: {value!r} is no {of_type.value}")
    if isinstance(value, datetime):
        return value.replace(microsecond=0)
    if isinstance(value, Decimal):
        return value.quantize(CENT)
    if of_type is PERSON:
        _check_person(kind, name, str(value), people=people)
    if of_type is CHOICE:
        allowed = frozenset(stages) if (kind, name) == (Kind.DEAL, "stage") else CHOICES[(kind, name)]
        if value not in allowed:
            raise Refusal(FaultCode.REJECTED, "BAD_CHOICE", f"{name}: {value!r} is not one of its values")
        return str(value)
    return _text(kind, name, value) if isinstance(value, str) else value


def length(kind: Kind, name: str) -> int:
    """The longest text a field takes; 0 for what is no text."""
    of_type = FIELDS[kind][name]
    if of_type not in (TEXT, LONG):
        return 0
    return LENGTHS.get((kind, name), TEXT_LENGTH if of_type is TEXT else LONG_LENGTH)


def schema(kind: Kind) -> ObjectSchema:
    """The fields of a kind, described."""
    fields = {
        name: FieldSchema(
            name=name,
            label=name.replace("_", " ").capitalize(),
            type=of_type.value,
            writable=(kind, name) not in NOT_WRITABLE,
            max_length=length(kind, name),
            choices=tuple(sorted(CHOICES.get((kind, name), ()))),
        )
        for name, of_type in FIELDS[kind].items()
    }
    return ObjectSchema(kind=kind, object_name=kind.value, fields=fields)


TYPES: Mapping[FieldType, type | tuple[type, ...]] = {
    TEXT: str,
    LONG: str,
    CHOICE: str,
    PERSON: str,
    REFERENCE: str,
    NUMBER: Decimal,
    BOOL: bool,
    DAY: date,
    MOMENT: datetime,
}


def _check_person(kind: Kind, name: str, person_id: str, *, people: Mapping[str, Person]) -> None:
    person = people.get(person_id)
    if person is None:
        raise Refusal(FaultCode.REJECTED, "NO_SUCH_PERSON", f"{name}: nobody has the id {person_id}")
    if name == "owner" and not person.active:
        raise Refusal(FaultCode.REJECTED, "INACTIVE_OWNER", f"{kind.value}: {person.name} has left")


def _text(kind: Kind, name: str, value: str) -> str | None:
    text = value.strip()
    if 0 < length(kind, name) < len(text):
        raise Refusal(FaultCode.REJECTED, "TOO_LONG", f"{name}: at most {length(kind, name)} characters")
    return text or None
