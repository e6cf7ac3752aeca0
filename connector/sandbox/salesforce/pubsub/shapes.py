"""The Avro shape of an entity's change event: the schema, where each field stands in it, and values in its types.

Not bytes on a line (`payload.py`). A shape follows from the object's fields as they are now; another field, another
schema id (facts: Salesforce §2.4).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce.fields import Field, ObjectType
from connector.sandbox.salesforce.pubsub.channels import event_name
from connector.sandbox.salesforce.pubsub.events import CHANGE_TYPES
from connector.sandbox.salesforce.values import parse_date, parse_datetime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from connector.sandbox.rows import Row

NAMESPACE = "com.sforce.eventbus"
HEADER = "ChangeEventHeader"
STAMP = "LastModifiedDate"
STAMPS = frozenset({"CreatedDate", "CreatedById", STAMP, "LastModifiedById"})
NOT_IN_EVENTS = frozenset({"Id", "IsDeleted", "SystemModstamp"})
"""Facts: Salesforce §2.4."""

_PERSON = ("Salutation", "FirstName", "LastName", "MiddleName", "Suffix")
_ADDRESS = ("Street", "City", "State", "PostalCode", "Country", "Latitude", "Longitude", "GeocodeAccuracy")
ADDRESSES = ("Billing", "Shipping", "Mailing", "Other")
_AVRO = {"boolean": "boolean", "int": "int", "double": "double", "currency": "double", "percent": "double"}
_AVRO |= {"date": "long", "datetime": "long"}
_STRINGS = {"type": "array", "items": "string"}
HEADER_FIELDS: tuple[tuple[str, Any], ...] = (
    ("entityName", "string"),
    ("recordIds", _STRINGS),
    ("changeType", {"type": "enum", "name": "ChangeType", "symbols": list(CHANGE_TYPES)}),
    ("changeOrigin", "string"),
    ("transactionKey", "string"),
    ("sequenceNumber", "int"),
    ("commitTimestamp", "long"),
    ("commitNumber", "long"),
    ("commitUser", "string"),
    ("nulledFields", _STRINGS),
    ("diffFields", _STRINGS),
    ("changedFields", _STRINGS),
)
"""Facts: Salesforce §2.4."""


@dataclass(frozen=True)
class Shape:
    """One version of an entity's event. `places` maps a field's name in the event to the field it comes from."""

    entity: str
    places: dict[str, Field]
    schema_json: str

    @cached_property
    def schema_id(self) -> str:
        """The id that names this version."""
        return schema_id(self.schema_json)

    def values(self, values: Mapping[str, Any], places: Iterable[str] | None = None) -> dict[str, Any]:
        """Stored values by field name -> Avro values by name in the event, nulls left out; of some places or all."""
        found = {}
        for place in self.places if places is None else places:
            field = self.places[place]
            value = values.get(field.name)
            if value is not None:
                found[place] = _VALUES.get(field.type, _plain)(value)
        return found


def shape_of(kind: ObjectType) -> Shape:
    """The shape of an object's events as its fields are now."""
    places: dict[str, Field] = {}
    compounds: dict[str, list[tuple[str, Field]]] = {}
    for field in kind.fields.values():
        compound, part = _compound(kind, field)
        if compound:
            compounds.setdefault(compound, []).append((part, field))
            places[f"{compound}.{part}"] = field
        elif field.name not in NOT_IN_EVENTS and not (field.name == "Name" and _is_person(kind)):
            places[field.name] = field
    name = event_name(kind.name)
    header = {"type": "record", "name": HEADER, "fields": [{"name": n, "type": t} for n, t in HEADER_FIELDS]}
    fields: list[dict[str, Any]] = [{"name": HEADER, "type": header}]
    for place, field in places.items():
        compound = place.partition(".")[0] if "." in place else ""
        if not compound:
            fields.append(_nullable(place, _avro(kind, field)))
        elif compound in compounds:
            parts = [_nullable(part, _avro(kind, f)) for part, f in compounds.pop(compound)]
            record = "PersonName" if compound == "Name" else f"{compound}_Address"
            fields.append(_nullable(compound, [{"type": "record", "name": record, "fields": parts}]))
    schema = {"name": name, "namespace": NAMESPACE, "type": "record", "fields": fields}
    return Shape(kind.name, places, json.dumps(schema, separators=(",", ":")))


def schema_id(schema_json: str) -> str:
    """The opaque id of a schema."""
    return hashlib.sha256(schema_json.encode()).hexdigest()[:22]


def stamped(row: Row) -> dict[str, Any]:
    """A row's stored values with its system fields."""
    stamps = {"CreatedDate": row.created_at, STAMP: row.modified_at}
    return {**row.values, **stamps, "CreatedById": row.created_by, "LastModifiedById": row.modified_by}


def _nullable(name: str, types: list[Any]) -> dict[str, Any]:
    return {"name": name, "type": ["null", *types], "default": None}


def _avro(kind: ObjectType, field: Field) -> list[Any]:
    own: list[Any] = [_AVRO.get(field.type, "string")]
    if kind.name == "Account" and field.name == "Name":
        # A person account's name has parts, and the schema tells of both.
        parts = [_nullable(part, ["string"]) for part in _PERSON[:3]]
        own.append({"type": "record", "name": "Switchable_PersonName", "fields": parts})
    return own


def _is_person(kind: ObjectType) -> bool:
    return kind.find("LastName") is not None


def _compound(kind: ObjectType, field: Field) -> tuple[str, str]:
    if field.name in _PERSON and _is_person(kind):
        return "Name", field.name
    for prefix in ADDRESSES:
        part = field.name.removeprefix(prefix)
        if part != field.name and part in _ADDRESS:
            return f"{prefix}Address", part
    return "", ""


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else str(value)


def _instant(value: Any) -> int | None:
    moment = value if isinstance(value, datetime) else parse_datetime(str(value))
    return None if moment is None else int(moment.timestamp() * 1000)


def _day(value: Any) -> int | None:
    day = parse_date(str(value))
    return None if day is None else int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)


_VALUES: dict[str, Callable[[Any], Any]] = {
    "boolean": bool,
    "int": int,
    **dict.fromkeys(("double", "currency", "percent"), float),
    "date": _day,
    "datetime": _instant,
}
