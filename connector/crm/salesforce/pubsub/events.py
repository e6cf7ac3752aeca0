"""One change event: decoded, its changed fields named, and turned into sightings of records.

Not here: the records themselves. Unchanged fields arrive empty and long texts as differences (facts: Salesforce §2.4),
so of the values nothing is used but the id of what a task or meeting hangs on; everything else is read anew.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from connector.crm.live import (
    Sighting,
)
from connector.crm.salesforce.fields import DEAL_PREFIX, Names
from connector.crm.salesforce.pubsub.schemas import Schema
from connector.crm.salesforce.transport import CLIENT_ID
from connector.handoff.model import Kind, Ref

HEADER = "ChangeEventHeader"
BITMAP = re.compile(r"^(?:(\d+)-)?0[xX]([0-9a-fA-F]+)$")
ID_KEPT = 15
"""Letters of an id that name a record; the three behind them only guard against a change of case."""

GAP = "GAP_"
OVERFLOW = "GAP_OVERFLOW"
WHOLE = ("CREATE", "UNDELETE")
"""Events that tell every field that has a value."""

KINDS: tuple[Kind, ...] = (Kind.DEAL, Kind.ACCOUNT, Kind.TASK, Kind.MEETING)

TELLING: Mapping[Kind, frozenset[str]] = {
    Kind.TASK: frozenset({"Status", "IsClosed", "CompletedDateTime", "TaskSubtype"}),
    Kind.MEETING: frozenset({"StartDateTime", "ActivityDateTime", "ActivityDate", "OwnerId"}),
}
"""Changed fields for which it is worth asking what a task or meeting of somebody else hangs on: a polled feed reads
closed tasks and moved meetings too, and nothing else."""


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """What one event says. ``changed`` names fields, inner ones as ``Outer.Inner``; ids may be many, or a wildcard."""

    entity: str
    ids: tuple[str, ...]
    change: str
    origin: str
    by: str
    at: datetime
    changed: frozenset[str]
    values: Mapping[str, Any] = field(repr=False)

    @property
    def is_gap(self) -> bool:
        """Something happened to these records, and what it was is not told."""
        return self.change.startswith(GAP)


@dataclass(frozen=True, slots=True)
class Seen:
    """What an event leads to: records to look at, or a kind whose records cannot be named."""

    sightings: tuple[Sighting, ...] = ()
    unnamed: Kind | None = None
    why: str = ""


def read(schema: Schema, payload: bytes) -> ChangeEvent:
    """Decode one event. Raises ValueError when the payload does not fit the schema."""
    import fastavro

    try:
        record = fastavro.schemaless_reader(io.BytesIO(payload), schema.parsed, None)
        if not isinstance(record, dict):
            raise TypeError("an event is a record")
        header: Mapping[str, Any] = record[HEADER]
        return ChangeEvent(
            entity=str(header["entityName"]),
            ids=tuple(str(each) for each in header["recordIds"]),
            change=str(header["changeType"]),
            origin=str(header.get("changeOrigin") or ""),
            by=str(header.get("commitUser") or ""),
            at=datetime.fromtimestamp(int(header["commitTimestamp"]) / 1000, UTC),
            changed=frozenset(named(header.get("changedFields") or (), schema)),
            values=record,
        )
    except (EOFError, IndexError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"an event does not fit its schema: {type(error).__name__}") from error


def named(bitmaps: Iterable[str], schema: Schema) -> Iterator[str]:
    """The names of the fields whose bits are set; bits beyond the schema's last field name nothing.

    ``0x…`` counts the event's own fields from the lowest bit up; ``7-0x…`` those inside field 7 (facts: Salesforce
    §2.4). A name that stands there in plain, as other transports send it, is passed on.
    """
    for text in bitmaps:
        found = BITMAP.match(text)
        if found is None:
            yield text
            continue
        outer, bits = found.group(1), int(found.group(2), 16)
        if outer is None:
            yield from _set(bits, schema.fields)
        elif int(outer) < len(schema.fields):
            parent = schema.fields[int(outer)]
            yield parent
            yield from (f"{parent}.{name}" for name in _set(bits, schema.nested.get(int(outer), ())))


def _set(bits: int, names: tuple[str, ...]) -> Iterator[str]:
    return (name for place, name in enumerate(names) if bits >> place & 1)


class Reader:
    """Events of one org as sightings. ``user_id`` is the login's own."""

    def __init__(self, names: Names, *, user_id: str) -> None:
        self._names = names
        self._user_id = user_id[:ID_KEPT]
        self._kinds = {names.object(kind): kind for kind in KINDS}

    def kind_of(self, entity: str) -> Kind | None:
        """What an object type is here; None for one that is not watched."""
        return self._kinds.get(entity)

    def seen(self, event: ChangeEvent) -> Seen:
        """What to look at for this event."""
        kind = self.kind_of(event.entity)
        if kind is None:
            return Seen()
        if event.change == OVERFLOW:
            return Seen(unnamed=kind, why="more changes at once than the org tells one by one")
        if any("*" in each for each in event.ids):
            return Seen(unnamed=kind, why="a change of all records of a type")
        by_self = self.is_own(event)
        return Seen(tuple(self._sighting(kind, each, event, by_self=by_self) for each in event.ids))

    def is_own(self, event: ChangeEvent) -> bool:
        """Whether this connector made the change: by the client's name in its origin, or by the user who committed."""
        named_us = f"client={CLIENT_ID}" in event.origin.split(";")
        return named_us or (bool(self._user_id) and event.by[:ID_KEPT] == self._user_id)

    def _sighting(self, kind: Kind, record_id: str, event: ChangeEvent, *, by_self: bool) -> Sighting:
        told, deal = self._parent(kind, event)
        deals = (record_id,) if kind is Kind.DEAL else (deal,) if deal else ()
        ask = not by_self and not told and kind is not Kind.DEAL and self._is_telling(kind, event)
        return Sighting(
            ref=Ref(kind, record_id),
            modified_at=event.at,
            deal_ids=deals,
            by_self=by_self,
            ask=ask,
            minor=kind is Kind.DEAL and self._is_minor(event),
        )

    def _parent(self, kind: Kind, event: ChangeEvent) -> tuple[bool, str]:
        """Whether the event says what a task or meeting hangs on, and the deal if it is one."""
        column = self._names.column(kind, "deal") if kind in (Kind.TASK, Kind.MEETING) else None
        if column is None or event.is_gap:
            return False, ""
        parent = str(event.values.get(column) or "")
        told = bool(parent) or event.change in WHOLE or column in event.changed
        return told, parent if parent.startswith(DEAL_PREFIX) else ""

    def _is_minor(self, event: ChangeEvent) -> bool:
        """Whether a deal changed in nothing that is read of it; an event that does not say what changed is none."""
        if event.change != "UPDATE" or not event.changed:
            return False
        mapped = {_own_field(each.field) for each in self._names.mapped(Kind.DEAL)}
        standard = {self._names.column(Kind.DEAL, name) for name in ("stage", "account", "type", "owner", "close_date")}
        return not event.changed & (mapped | standard)

    def _is_telling(self, kind: Kind, event: ChangeEvent) -> bool:
        if event.is_gap:
            return event.change != "GAP_DELETE"
        if kind is Kind.ACCOUNT:
            watched = {mapped.field for mapped in self._names.mapped(kind)}
            return event.change == "UPDATE" and bool(watched & event.changed)
        return event.change == "UPDATE" and bool(TELLING[kind] & event.changed)


def _own_field(path: str) -> str:
    """The deal's own field behind a path: ``OwnerId`` for ``Owner.Email``, ``Region__c`` for ``Region__r.Name``."""
    first, dot, _ = path.partition(".")
    if not dot:
        return first
    return first.removesuffix("__r") + "__c" if first.endswith("__r") else first + "Id"
