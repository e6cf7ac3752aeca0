"""Names in a query bound to the org: a path becomes a getter over rows, and the field it ends in.

Not evaluation: nothing here looks at WHERE or at more than one row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce.errors import ApiError, no_such_column
from connector.sandbox.salesforce.fields import NUMBER, Field, ObjectType
from connector.sandbox.salesforce.values import wire_datetime

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.sandbox.rows import Row, Version
    from connector.sandbox.salesforce.permissions import Sight

    Seen = Row | Version
    Getter = Callable[[Seen], Any]

MAX_HOPS = 5
NAME_FIELDS = {
    "id": Field("Id", "id", 18),
    "name": Field("Name", "string", 255),
    "type": Field("Type", "string", 40),
}
"""What a reference to several object types offers."""

_SYSTEM: dict[str, Getter] = {
    "Id": lambda r: r.id,
    "IsDeleted": lambda r: r.deleted_at is not None,
    "CreatedDate": lambda r: wire_datetime(r.created_at),
    "CreatedById": lambda r: r.created_by,
    "LastModifiedDate": lambda r: wire_datetime(r.modified_at),
    "LastModifiedById": lambda r: r.modified_by,
    "SystemModstamp": lambda r: wire_datetime(r.modified_at),
}


@dataclass(frozen=True, slots=True)
class Bound:
    """A path that exists: its canonical parts, the field at its end, and how to read it from a row."""

    parts: tuple[str, ...]
    field: Field
    get: Getter

    @property
    def direct(self) -> str:
        """The field's name when it stands on the queried object itself, else empty."""
        return self.field.name if len(self.parts) == 1 else ""


def getter(field: Field) -> Getter:
    """How to read one field of a row, in wire form."""
    if field.name in _SYSTEM:
        return _SYSTEM[field.name]
    name = field.name
    if field.type == "boolean":
        return lambda r: bool(r.values.get(name))
    if field.type in NUMBER and field.type != "int":
        return lambda r: None if (v := r.values.get(name)) is None else float(v)
    return lambda r: r.values.get(name)


def bind(sight: Sight, kind: ObjectType, path: str) -> Bound:
    """Bind a dotted path. Raises ApiError INVALID_FIELD for a name that does not exist, or is hidden from the user."""
    *hops, last = path.split(".")
    if hops and hops[0].lower() == kind.name.lower() and hops[0].lower() not in kind.hops:
        hops = hops[1:]
    if len(hops) > MAX_HOPS:
        raise ApiError("INVALID_FIELD", f"{path}: more than {MAX_HOPS} relationships")
    return _bind(sight, kind, hops, last)


def _bind(sight: Sight, kind: ObjectType, hops: list[str], last: str) -> Bound:
    if not hops:
        field = kind.find(last)
        if field is None:
            raise no_such_column(last, kind.name)
        return Bound((field.name,), field, getter(field))
    reference = kind.hops.get(hops[0].lower())
    if reference is None:
        raise ApiError(
            "INVALID_FIELD", f"Didn't understand relationship '{hops[0]}' in field path, on entity '{kind.name}'."
        )
    if len(reference.to) > 1:
        return _bind_name(sight, reference, hops, last)
    target = sight.object(reference.to[0])
    if target is None:
        raise no_such_column(last, kind.name)
    inner = _bind(sight, target, hops[1:], last)
    table, own, deeper = sight.world.table(target.name), getter(reference), inner.get

    def get(row: Seen) -> Any:
        parent = table.get(own(row) or "", deleted=True)
        return None if parent is None else deeper(parent)

    return Bound((reference.hop, *inner.parts), inner.field, get)


def _bind_name(sight: Sight, reference: Field, hops: list[str], last: str) -> Bound:
    field = NAME_FIELDS.get(last.lower())
    if field is None or len(hops) > 1:
        raise no_such_column(last, "Name")
    own, name = getter(reference), field.name

    def get(row: Seen) -> Any:
        kind = sight.object_of(own(row) or "")
        parent = sight.world.table(kind).get(own(row)) if kind else None
        if parent is None:
            return None
        return {"Id": parent.id, "Type": kind}.get(name) or parent.values.get("Name")

    return Bound((reference.hop, field.name), field, get)
