"""What a formula can see besides the record: the user, other records, permissions, the time; and how a path is read.

Not which paths exist: that is decided once, in `names.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce.formula.names import Kind
from connector.sandbox.salesforce.values import parse_date, parse_datetime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connector.sandbox.salesforce.formula.names import Source

Value = str | Decimal | bool | date | datetime | frozenset[str] | None
PERCENT = Decimal(100)
SHORT_ID = 15


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`user` holds the saving user's stored values; `look(object, id)` another record's; `holds` a custom permission.

    `now` is aware, UTC. A user's own time zone is not modelled: TODAY() is the day in UTC.
    """

    user: Mapping[str, Any]
    look: Callable[[str, str], Mapping[str, Any] | None]
    holds: Callable[[str], bool]
    now: datetime

    def read(self, source: Source, record: Mapping[str, Any]) -> Value:
        """The value at the end of a path; null when a record on the way is missing."""
        if source.root == "permission":
            return self.holds(source.field.name)
        if source.root == "nothing":
            return None
        values: Mapping[str, Any] | None = self.user if source.root == "user" else record
        for hop in source.hops:
            id = values.get(hop.field) if values is not None else None
            values = self.look(hop.to, str(id)) if id else None
        return _value(source, (values or {}).get(source.field.name))


def _value(source: Source, stored: Any) -> Value:
    # A checkbox is never null (facts: Salesforce §5.3), and a blank text is null (engine: ConstantString).
    if source.kind is Kind.BOOLEAN:
        return bool(stored)
    if stored is None or stored == "":
        return None
    return _READERS[source.kind](source, stored)


def _number(source: Source, stored: Any) -> Decimal:
    # A percent field of 50 is 0.5 in a formula (engine: sqlConvertPercent).
    return Decimal(str(stored)) / (PERCENT if source.field.type == "percent" else 1)


def _text(source: Source, stored: Any) -> str:
    # Ids are 15 characters long in formulas [K]; unconfirmed.
    return str(stored)[:SHORT_ID] if source.field.type in ("id", "reference") else str(stored)


_READERS: dict[Kind, Callable[[Source, Any], Value]] = {
    Kind.TEXT: _text,
    Kind.NUMBER: _number,
    Kind.PICKLIST: lambda _, stored: str(stored),
    Kind.SEVERAL: lambda _, stored: frozenset(part.strip() for part in str(stored).split(";")),
    Kind.DATE: lambda _, stored: parse_date(str(stored)),
    Kind.DATETIME: lambda _, stored: parse_datetime(str(stored)),
}
