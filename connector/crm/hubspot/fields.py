"""Canonical names and values to HubSpot properties and text, and back, by one system's `CrmMap`.

Not here: which objects are read when (``reads``), and any property of the company's own: those come from the map.
What is named here are the properties HubSpot itself ships.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal

from connector.crm.hubspot import wire
from connector.errors import Problem
from connector.handoff.model import CrmMeeting, CrmNote, CrmTask, Kind, Outcome, Record, Ref, Touch, TouchKind, Value
from connector.handoff.rulebook.fields import FieldType
from connector.policy.crmmap import CrmMap, MappedField

OBJECTS: dict[Kind, str] = {
    Kind.DEAL: "deals",
    Kind.ACCOUNT: "companies",
    Kind.TASK: "tasks",
    Kind.NOTE: "notes",
    Kind.MEETING: "meetings",
    Kind.EMAIL: "emails",
}
"""HubSpot's plural names, used where the mapping names no object."""

STAGE, PIPELINE, DEAL_TYPE = "dealstage", "pipeline", "dealtype"
MODIFIED = "hs_lastmodifieddate"
OWNER = "hubspot_owner_id"
TIMESTAMP = "hs_timestamp"
OWNERSHIP = "OWNER"
NO_UNIQUE_HERE = "(this portal takes no unique values here)"
"""Stands in the description of a key that had to be made without unique values, so that nobody asks for them again."""

SHIPPED: dict[Kind, dict[str, str]] = {
    Kind.DEAL: {"stage": STAGE},
    Kind.TASK: {
        "subject": "hs_task_subject",
        "body": "hs_task_body",
        "due": TIMESTAMP,
        "owner": OWNER,
        "status": "hs_task_status",
        "remind_at": "hs_task_reminders",
        "priority": "hs_task_priority",
        "type": "hs_task_type",
        "queue": "hs_queue_membership_ids",
    },
    Kind.NOTE: {"body": "hs_note_body", "owner": OWNER},
    Kind.MEETING: {
        "subject": "hs_meeting_title",
        "body": "hs_meeting_body",
        "start": "hs_meeting_start_time",
        "end": "hs_meeting_end_time",
        "outcome": "hs_meeting_outcome",
        "owner": OWNER,
    },
    Kind.EMAIL: {"subject": "hs_email_subject", "body": "hs_email_text", "at": TIMESTAMP, "owner": OWNER},
}
"""Properties of HubSpot's own (facts: HubSpot §6), for canonical names that the mapping does not list."""

TASK_DONE = "COMPLETED"
TASK_STATES = {"done": TASK_DONE, "open": "NOT_STARTED"}
TASK_COMPLETED_AT = "hs_task_completion_date"
DUE_HOUR = time(12, tzinfo=UTC)
"""A due day is written as noon UTC, which is the same calendar day from UTC-11 to UTC+11, so no portal's time zone
moves a task to the day before. The end of a working day is the core's business, not the wire's."""

NEW_TASK = {"hs_task_status": "NOT_STARTED", "hs_task_type": "TODO"}

NEW_EMAIL = {"hs_email_direction": "EMAIL", "hs_email_status": "SENT"}
"""A mail that went out; of one that came in the direction is another (facts: HubSpot §6)."""

NOT_YET_HELD = "SCHEDULED"
OUTCOMES = {
    NOT_YET_HELD: Outcome.PLANNED,
    "COMPLETED": Outcome.HELD,
    "NO_SHOW": Outcome.MISSED,
    "RESCHEDULED": Outcome.MOVED,
    "CANCELED": Outcome.CANCELED,
}
"""What became of a meeting (facts: HubSpot §6); a word it does not list, which portals may add, proves nothing."""

INCOMING = "INCOMING_EMAIL"
TOUCHES: dict[str, TouchKind] = {"meetings": TouchKind.MEETING, "calls": TouchKind.CALL, "emails": TouchKind.EMAIL}
TOUCH_PROPERTIES: dict[str, tuple[str, ...]] = {
    "meetings": (TIMESTAMP, OWNER, "hs_meeting_start_time", "hs_meeting_outcome"),
    "calls": (TIMESTAMP, OWNER, "hs_call_status"),
    "emails": (TIMESTAMP, OWNER, "hs_email_status", "hs_email_direction"),
}
NOT_A_TOUCH: dict[str, frozenset[str]] = {
    "hs_meeting_outcome": frozenset({"CANCELED", "NO_SHOW", "RESCHEDULED"}),
    "hs_call_status": frozenset({"NO_ANSWER", "BUSY", "FAILED", "QUEUED", "CANCELED", "RINGING", "CONNECTING"}),
    "hs_email_status": frozenset({"BOUNCED", "FAILED", "SCHEDULED", "SENDING"}),
    "hs_email_direction": frozenset({INCOMING}),
}
"""Activities that were logged but reached nobody, or that came from the customer."""

_TITLE = re.compile(
    r"\A\s*(?:<(?:div|p|span)[^>]*>\s*)*<(?:strong|b)>.*?</(?:strong|b)>\s*(?:</p>|<br\s*/?>)", re.I | re.S
)


REFERENCE = FieldType.REFERENCE
"""A reference is no property in HubSpot but an association."""


class Fields:
    """One system's translation. Properties that `learn` found absent are left out of every read."""

    def __init__(self, crm_map: CrmMap) -> None:
        self.map = crm_map
        self._absent: set[tuple[Kind, str]] = set()

    def learn(self, kind: Kind, present: Collection[str]) -> tuple[Problem, ...]:
        """Compare the map with the portal's properties; one that is absent is told, and never read as empty."""
        missing = [each for each in self.map.of(kind) if each.field not in present and each.type is not REFERENCE]
        self._absent = {one for one in self._absent if one[0] is not kind} | {(kind, each.field) for each in missing}
        message = (
            "has no property {}, or this login may not see it; rules that need it rest. Create it, or mend the mapping"
        )
        return tuple(
            Problem(where=f"HubSpot {self.object(kind)}", key=each.path, message=message.format(each.field))
            for each in missing
        )

    def object(self, kind: Kind) -> str:
        """The object's name in paths."""
        return self.map.objects.get(kind) or OBJECTS[kind]

    def property(self, kind: Kind, name: str) -> str:
        """The property behind a canonical name. Raises KeyError when neither the map nor HubSpot has one."""
        mapped = self.map.get(kind, name)
        if mapped is not None and mapped.field:
            return mapped.field
        try:
            return SHIPPED[kind][name]
        except KeyError:
            raise KeyError(f"{kind.value} field {name!r} is not mapped") from None

    def has(self, kind: Kind, name: str) -> bool:
        """Whether there is a property behind a canonical name."""
        return self.map.get(kind, name) is not None or name in SHIPPED.get(kind, {})

    def key(self, kind: Kind) -> str:
        """The property that carries our natural key; empty when the mapping gives none or the portal lacks it."""
        mapped = self.map.get(kind, "key")
        return mapped.field if mapped and (kind, mapped.field) not in self._absent else ""

    def read_names(self, kind: Kind) -> tuple[str, ...]:
        """The mapped properties to ask for."""
        return tuple(mapped.field for mapped in self._readable(kind))

    def _readable(self, kind: Kind) -> tuple[MappedField, ...]:
        return tuple(
            each for each in self.map.of(kind) if each.type is not REFERENCE and (kind, each.field) not in self._absent
        )

    def record(self, kind: Kind, row: wire.Obj) -> Record:
        """A deal or company with its mapped values."""
        values = {mapped.name: decode(mapped, row.get(mapped.field)) for mapped in self._readable(kind)}
        return Record(ref=Ref(kind, row.id), values=values)

    def patch(self, kind: Kind, values: Mapping[str, Value], *, pipeline: str = "") -> dict[str, str]:
        """Properties of an update of a deal or company. A stage travels with its pipeline (facts: HubSpot §4)."""
        properties = {self.property(kind, name): self._encode(kind, name, value) for name, value in values.items()}
        if kind is Kind.DEAL and properties.get(STAGE) and pipeline:
            properties[PIPELINE] = pipeline
        return properties

    def kept(self, kind: Kind, values: Mapping[str, Value], row: wire.Obj) -> dict[str, Value]:
        """What the portal made of the values of an update, as far as its answer shows them and they differ."""
        found = {}
        for name, value in values.items():
            mapped = self.map.get(kind, name)
            text = row.get(mapped.field) if mapped else ""
            if mapped and text and text != self._encode(kind, name, value):
                found[name] = decode(mapped, text)
        return found

    def task(self, values: Mapping[str, Value]) -> dict[str, str]:
        """Properties of a task write."""
        return {self.property(Kind.TASK, name): self._task_value(name, value) for name, value in values.items()}

    def new_task(self, values: Mapping[str, Value], *, key: str, now: datetime) -> dict[str, str]:
        """Properties of a task that may not exist yet: with its key, a due time (required) and a state."""
        return {TIMESTAMP: wire.iso(now), **NEW_TASK, **self.task(values), self.key(Kind.TASK): key}

    def note(self, values: Mapping[str, Value]) -> dict[str, str]:
        """Properties of a note write. HubSpot notes have no title, so it stands in bold above the words."""
        properties = {}
        if "title" in values or "body" in values:
            title = wire.to_html(str(values.get("title") or ""))
            body = wire.to_html(str(values.get("body") or ""))
            properties[self.property(Kind.NOTE, "body")] = f"<strong>{title}</strong><br>{body}" if title else body
        if "owner" in values:
            properties[self.property(Kind.NOTE, "owner")] = str(values["owner"] or "")
        return properties

    def new_note(self, values: Mapping[str, Value], *, key: str, now: datetime) -> dict[str, str]:
        """Properties of a note that may not exist yet: with its key and a time (required)."""
        return {TIMESTAMP: wire.iso(now), **self.note(values), self.key(Kind.NOTE): key}

    def meeting(self, values: Mapping[str, Value]) -> dict[str, str]:
        """Properties of a meeting write. The time by which it stands among a record's activities is its start."""
        properties = {
            self.property(Kind.MEETING, name): wire.to_html(str(value)) if name == "body" and value else encode(value)
            for name, value in values.items()
        }
        start = values.get("start")
        return properties if start is None else {**properties, TIMESTAMP: encode(start)}

    def new_meeting(self, values: Mapping[str, Value], *, key: str, now: datetime) -> dict[str, str]:
        """Properties of a meeting that may not exist yet: with its key, a time (required) and nothing said of its
        outcome but that it is to come."""
        outcome = {self.property(Kind.MEETING, "outcome"): self._planned()}
        return {TIMESTAMP: wire.iso(now), **outcome, **self.meeting(values), self.key(Kind.MEETING): key}

    def email(self, values: Mapping[str, Value]) -> dict[str, str]:
        """Properties of a mail that was sent."""
        return {self.property(Kind.EMAIL, name): encode(value) for name, value in values.items()}

    def new_email(self, values: Mapping[str, Value], *, key: str, now: datetime) -> dict[str, str]:
        """Properties of a mail that may not be kept yet: with its key, a time (required), and that it was sent."""
        return {TIMESTAMP: wire.iso(now), **NEW_EMAIL, **self.email(values), self.key(Kind.EMAIL): key}

    def own_names(self, object_name: str) -> tuple[str, ...]:
        """What tells our own records from those that people made, among what counts as a contact."""
        if object_name == OBJECTS[Kind.MEETING]:
            return self.meeting_names()
        key = self.key(Kind.EMAIL) if object_name == OBJECTS[Kind.EMAIL] else ""
        return (key,) if key else ()

    def sent_by_us(self, object_name: str, row: wire.Obj) -> bool:
        """Whether a mail went out by itself: it is no contact that its owner had."""
        key = self.key(Kind.EMAIL) if object_name == OBJECTS[Kind.EMAIL] else ""
        return bool(key and row.get(key))

    def meeting_names(self) -> tuple[str, ...]:
        """The properties our own meetings are read by; none where their key has no place, for then there are none."""
        key = self.key(Kind.MEETING)
        if not key:
            return ()
        names = ("subject", "owner", "start", "end", "outcome")
        return (key, *(self.property(Kind.MEETING, name) for name in names))

    def to_meeting(self, row: wire.Obj) -> CrmMeeting | None:
        """A meeting of ours; None for one that people made."""
        key = row.get(self.key(Kind.MEETING)) if self.key(Kind.MEETING) else ""
        if not key:
            return None
        return CrmMeeting(
            id=row.id,
            key=key,
            subject=row.get(self.property(Kind.MEETING, "subject")),
            owner_id=row.get(self.property(Kind.MEETING, "owner")) or None,
            start=row.at(self.property(Kind.MEETING, "start")),
            end=row.at(self.property(Kind.MEETING, "end")),
            outcome=self._outcome(row.get(self.property(Kind.MEETING, "outcome"))),
        )

    def _outcome(self, told: str) -> Outcome:
        mapped = self.map.get(Kind.MEETING, "outcome")
        ours = mapped.from_vendor(told) if mapped else told
        return Outcome(ours) if ours in set(Outcome) else OUTCOMES.get(told, Outcome.PLANNED)

    def _planned(self) -> str:
        mapped = self.map.get(Kind.MEETING, "outcome")
        return mapped.values.get(Outcome.PLANNED, NOT_YET_HELD) if mapped else NOT_YET_HELD

    def task_names(self) -> tuple[str, ...]:
        """The properties a task is read by."""
        names = (self.property(Kind.TASK, name) for name in ("subject", "owner", "status", "due"))
        return tuple(name for name in (*names, TASK_COMPLETED_AT, self.key(Kind.TASK)) if name)

    def to_task(self, row: wire.Obj) -> CrmTask:
        """A task as the core sees it."""
        due = row.at(self.property(Kind.TASK, "due"))
        return CrmTask(
            id=row.id,
            key=row.get(self.key(Kind.TASK)) or None,
            subject=row.get(self.property(Kind.TASK, "subject")),
            owner_id=row.get(self.property(Kind.TASK, "owner")) or None,
            done=row.get(self.property(Kind.TASK, "status")) == self._task_value("status", "done"),
            due=due.date() if due else None,
            done_at=row.at(TASK_COMPLETED_AT),
        )

    def note_names(self) -> tuple[str, ...]:
        """The properties a note is read by."""
        return tuple(name for name in (self.property(Kind.NOTE, "body"), self.key(Kind.NOTE)) if name)

    def to_note(self, row: wire.Obj) -> CrmNote | None:
        """A note of ours, its words without markup and without the title; None for a person's own note."""
        key = row.get(self.key(Kind.NOTE))
        body = row.get(self.property(Kind.NOTE, "body"))
        return CrmNote(id=row.id, key=key, body=wire.to_text(_TITLE.sub("", body, count=1))) if key else None

    def _task_value(self, name: str, value: Value) -> str:
        if value is None:
            return ""
        if name == "due" and isinstance(value, date) and not isinstance(value, datetime):
            return wire.iso(datetime.combine(value, DUE_HOUR))
        if name == "remind_at" and isinstance(value, datetime):
            return str(wire.millis(value))
        if name == "status":
            mapped = self.map.get(Kind.TASK, "status")
            chosen = mapped.to_vendor(str(value)) if mapped else str(value)
            return TASK_STATES.get(chosen, chosen)
        if name in ("priority", "type", "queue"):
            mapped = self.map.get(Kind.TASK, name)
            chosen = mapped.to_vendor(str(value)) if mapped else str(value)
            return chosen if chosen != value or name == "queue" else chosen.upper()
        if name == "body":
            return wire.to_html(str(value))
        return encode(value)

    def _encode(self, kind: Kind, name: str, value: Value) -> str:
        mapped = self.map.get(kind, name)
        if mapped is not None and mapped.type is FieldType.CHOICE and value is not None:
            return mapped.to_vendor(str(value))
        return encode(value)


def encode(value: Value) -> str:
    """A value as HubSpot wants it: always text, and "" to clear (facts: HubSpot §3a)."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return wire.iso(value)
    return value.isoformat() if isinstance(value, date) else value


def decode(mapped: MappedField, text: str) -> Value:
    """A property's text as the mapped type; empty is None."""
    if not text:
        return None
    match mapped.type:
        case FieldType.NUMBER:
            return wire.number(text)
        case FieldType.BOOL:
            return text == "true"
        case FieldType.DATE:
            return wire.day(text)
        case FieldType.DATETIME:
            return wire.moment(text)
        case FieldType.CHOICE:
            return mapped.from_vendor(text)
        case FieldType.TEXT | FieldType.LONG_TEXT | FieldType.PERSON | FieldType.REFERENCE:
            return text


def reply_at(row: wire.Obj) -> datetime | None:
    """When the customer wrote an email that the portal keeps; None for any other activity (facts: HubSpot §6)."""
    return row.at(TIMESTAMP) if row.get("hs_email_direction") == INCOMING else None


def missed_at(row: wire.Obj) -> datetime | None:
    """When a meeting was to be that the customer missed; None for any other activity."""
    missed = OUTCOMES.get(row.get("hs_meeting_outcome")) is Outcome.MISSED
    return (row.at("hs_meeting_start_time") or row.at(TIMESTAMP)) if missed else None


def touch(object_name: str, row: wire.Obj) -> Touch | None:
    """An activity as a touch, a planned one too; None when it reached nobody or has no time."""
    if any(row.get(name) in refused for name, refused in NOT_A_TOUCH.items()):
        return None
    at = row.at("hs_meeting_start_time") or row.at(TIMESTAMP)
    if at is None:
        return None
    return Touch(kind=TOUCHES[object_name], at=at, by=row.get(OWNER) or None)
