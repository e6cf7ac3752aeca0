"""Values on the wire: Salesforce's JSON to canonical values and back, field by field.

Not here: which field is meant (``fields``). Nothing is cut or guessed: a value of the wrong shape is the vendor's to
refuse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from connector.crm.salesforce.fields import TASK_STATUSES, Names
from connector.crm.writing import (
    Write,
)
from connector.handoff.model import CrmNote, Kind, Record, Ref, Value
from connector.handoff.rulebook.fields import FieldType
from connector.policy.crmmap import MappedField

Row = Mapping[str, Any]

MARK = "Handoff reference: "
"""What has no field for the key (classic notes never have) carries it in a line of its text, at first the last."""


def dig(row: Row, path: str) -> Any:
    """A field by its path (``Account.Name``); None when anything on the way is empty."""
    found: Any = row
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def text_of(row: Row, path: str | None) -> str | None:
    """A field as text, None when it is empty or the path is None."""
    found = dig(row, path) if path else None
    return str(found) if found not in (None, "") else None


def moment_of(raw: Any) -> datetime | None:
    """A datetime such as ``2026-03-02T10:00:00.000+0000``, in UTC; None when empty."""
    return datetime.fromisoformat(str(raw)).astimezone(UTC) if raw else None


def day_of(raw: Any) -> date | None:
    """A date; it has no time zone and is never shifted (facts: Salesforce §7)."""
    return date.fromisoformat(str(raw)[:10]) if raw else None


def from_wire(mapped: MappedField, raw: Any) -> Value:
    """A field's value. Empty text is None; lines end in a bare newline."""
    if raw is None or raw == "":
        return None
    match mapped.type:
        case FieldType.NUMBER:
            return Decimal(str(raw))
        case FieldType.BOOL:
            return raw if isinstance(raw, bool) else str(raw).lower() == "true"
        case FieldType.DATE:
            return day_of(raw)
        case FieldType.DATETIME:
            return moment_of(raw)
        case FieldType.CHOICE:
            return mapped.from_vendor(str(raw))
        case FieldType.TEXT | FieldType.LONG_TEXT | FieldType.PERSON | FieldType.REFERENCE:
            return str(raw).replace("\r\n", "\n")


def to_wire(mapped: MappedField, value: Value) -> Any:
    """A value as JSON takes it. None empties the field; an unticked checkbox is False, it has no empty."""
    if value is None:
        return False if mapped.type is FieldType.BOOL else None
    if mapped.type is FieldType.CHOICE:
        return mapped.to_vendor(str(value))
    if isinstance(value, datetime):
        if mapped.type is FieldType.DATE:
            return value.date().isoformat()
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def record_of(kind: Kind, row: Row, fields: Iterable[MappedField], *, under: str = "") -> Record | None:
    """A canonical record of a row, its fields at ``under`` if given (``Account``); None when there is no such row."""
    found = dig(row, under) if under else row
    if not isinstance(found, Mapping) or not found.get("Id"):
        return None
    values = {mapped.name: from_wire(mapped, dig(found, mapped.field)) for mapped in fields}
    return Record(ref=Ref(kind, str(found["Id"])), values=values)


def fields_of(write: Write, names: Names) -> dict[str, Any]:
    """The vendor's fields of one row to send, without its id, key and parents.

    A name that neither the map nor Salesforce knows is sent as it is, so that the vendor refuses that row alone.
    """
    sent: dict[str, Any] = {}
    for name, value in write.values.items():
        mapped = names.field(write.kind, name) or names.crm_map.get(write.kind, name)
        sent[mapped.field if mapped else name] = to_wire(mapped, value) if mapped else value
    if write.kind is Kind.TASK:
        _task_details(write, names, sent)
    body = names.column(write.kind, "body") if names.marks(write.kind) else None
    if body and write.key and (sent.get(body) is not None or write.record_id is None):
        sent[body] = marked(str(sent.get(body) or ""), write.key)
    return sent


def _task_details(write: Write, names: Names, sent: dict[str, Any]) -> None:
    status = names.field(Kind.TASK, "status")
    asked = write.values.get("status")
    if status and isinstance(asked, str) and asked not in status.values and asked in TASK_STATUSES:
        sent[status.field] = TASK_STATUSES[asked]
    if "remind_at" in write.values:
        sent[names.column(Kind.TASK, "remind") or "IsReminderSet"] = write.values["remind_at"] is not None


def marked(body: str, key: str) -> str:
    """A text with our key as its last line; one that ends so already stays as it is."""
    line = MARK + key
    if body.rstrip().endswith(line):
        return body
    return f"{body.rstrip()}\n\n{line}" if body.strip() else line


def mark_in(body: str | None) -> str | None:
    """The key in a text of ours, wherever its line stands by now: people write below it. None when there is none."""
    lines = reversed((body or "").splitlines())
    return next((line.removeprefix(MARK).strip() for line in lines if line.startswith(MARK)), None)


def note_of(row: Row, names: Names) -> CrmNote | None:
    """Our note in a row, its body as it stands, the key's line included; None for anybody else's note."""
    body = (text_of(row, names.column(Kind.NOTE, "body")) or "").replace("\r\n", "\n").rstrip()
    key = mark_in(body)
    return CrmNote(id=str(row["Id"]), key=key, body=body) if key is not None else None
