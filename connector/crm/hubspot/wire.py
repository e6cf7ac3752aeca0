"""HubSpot's JSON as typed rows, and single values as HubSpot writes them.

Not here: which property carries which canonical name (``fields``), error codes (``faults``), sockets (``session``).
Past this module no dict of unknown shape travels on.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

Json = Mapping[str, Any]

NORMALIZED = "PROPERTY_VALUE_NORMALIZED"
"""The warning on a value that the portal rewrote (facts: HubSpot §5)."""

_DIGITS = re.compile(r"-?\d+")
_BREAK = re.compile(r"<br\s*/?>|</(?:p|div|li|h[1-6])\s*>", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True, slots=True)
class Moment:
    """One entry of a property's history, with the source that wrote it as far as it is told (facts: HubSpot §1)."""

    value: str
    at: datetime
    source: str = ""
    source_id: str = ""
    label: str = ""
    user: str = ""


@dataclass(frozen=True, slots=True)
class Obj:
    """One CRM object as an answer shows it. Empty properties are left out; ``history`` is newest first.

    ``normalized``: the answer warns that a value was not kept as it was sent.
    """

    id: str
    properties: Mapping[str, str]
    updated_at: datetime | None = None
    trace: str = ""
    history: Mapping[str, tuple[Moment, ...]] = field(default_factory=dict)
    normalized: bool = False

    def get(self, name: str) -> str:
        """The property's text; empty when it has none or was not asked for."""
        return self.properties.get(name, "")

    def at(self, name: str) -> datetime | None:
        """The property as a moment."""
        return moment(self.get(name))


@dataclass(frozen=True, slots=True)
class RowError:
    """One error of a batch. ``names``: every id and trace id its context mentions; ``codes``: the vendor's."""

    message: str
    codes: tuple[str, ...]
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch's answer: the rows it confirmed and the errors it lists."""

    results: tuple[Obj, ...]
    errors: tuple[RowError, ...]


def obj(data: Json) -> Obj:
    """One object; an owner or association body is not one."""
    properties = data.get("properties") or {}
    return Obj(
        id=str(data.get("id", "")),
        properties={name: str(value) for name, value in properties.items() if value not in (None, "")},
        updated_at=moment(str(data.get("updatedAt") or "")),
        trace=str(data.get("objectWriteTraceId") or ""),
        history={name: _moments(entries) for name, entries in (data.get("propertiesWithHistory") or {}).items()},
        normalized=_normalized(data),
    )


def batch(data: Json) -> Batch:
    """A batch's answer, 200 and 207 alike: ``numErrors`` and ``errors`` tell, never the status."""
    results = tuple(obj(each) for each in data.get("results") or () if isinstance(each, Mapping))
    if _normalized(data):
        # A warning on the whole batch names no row (facts: HubSpot §5 does not say where it stands).
        results = tuple(replace(each, normalized=True) for each in results)
    return Batch(
        results=results,
        errors=errors(data),
    )


def _normalized(data: Json) -> bool:
    return any(each.get("category") == NORMALIZED for each in data.get("warnings") or () if isinstance(each, Mapping))


def errors(data: Json) -> tuple[RowError, ...]:
    """The errors an answer lists. A count without a list still yields that many errors that name no row."""
    listed = tuple(_row_error(each) for each in data.get("errors") or () if isinstance(each, Mapping))
    counted = data.get("numErrors")
    missing = counted - len(listed) if isinstance(counted, int) else 0
    return listed + (RowError(message="an error without words", codes=(), names=frozenset()),) * max(missing, 0)


def next_after(data: Json) -> str | None:
    """The cursor of the page behind this one; None on the last. A short page alone says nothing."""
    following = (data.get("paging") or {}).get("next") or {}
    after = following.get("after")
    return None if after is None else str(after)


def _moments(entries: Sequence[Json]) -> tuple[Moment, ...]:
    read = [(each, moment(str(each.get("timestamp") or ""))) for each in entries]
    known = [
        Moment(
            value=str(each.get("value") or ""),
            at=at,
            source=str(each.get("sourceType") or "").upper(),
            source_id=str(each.get("sourceId") or ""),
            label=str(each.get("sourceLabel") or ""),
            user=str(each.get("updatedByUserId") or ""),
        )
        for each, at in read
        if at is not None
    ]
    return tuple(sorted(known, key=lambda each: each.at, reverse=True))


def _row_error(data: Json) -> RowError:
    inner = [each for each in data.get("errors") or () if isinstance(each, Mapping)]
    keys = ("code", "subCategory", "category")
    codes = [str(each[key]) for each in (*inner, data) for key in keys if each.get(key)]
    names = {name for each in (data, *inner) for name in context_names(each.get("context"))}
    message = str(data.get("message") or "")
    details = [str(each["message"]) for each in inner if each.get("message") and str(each["message"]) not in message]
    return RowError(
        message="; ".join(part for part in (message, *details[:3]) if part),
        codes=tuple(dict.fromkeys(codes)),
        names=frozenset(names),
    )


def context_names(context: object) -> frozenset[str]:
    """Every value in an error's context: ids, trace ids, property names."""
    if not isinstance(context, Mapping):
        return frozenset()
    listed = (value if isinstance(value, list) else [value] for value in context.values())
    return frozenset(str(each) for values in listed for each in values)


def moment(text: str) -> datetime | None:
    """An instant from ISO text or epoch milliseconds; None for anything else."""
    if not text:
        return None
    try:
        if _DIGITS.fullmatch(text):
            return datetime.fromtimestamp(int(text) / 1000, UTC)
        read = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)


def day(text: str) -> date | None:
    """A calendar day: HubSpot keeps it as midnight UTC."""
    read = moment(text)
    return read.date() if read else None


def number(text: str) -> Decimal | None:
    """A number; None for what is none."""
    try:
        return Decimal(text) if text else None
    except InvalidOperation:
        return None


def millis(at: datetime) -> int:
    """Epoch milliseconds, rounded down: the resolution of HubSpot's search."""
    return int(at.timestamp() * 1000 + 0.0005) if at.microsecond % 1000 == 0 else int(at.timestamp() * 1000)


def iso(at: datetime) -> str:
    """An instant as HubSpot writes it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_html(text: str) -> str:
    """Plain text for a rich-text property: nothing in it can become markup, and lines stay lines."""
    return html.escape(text, quote=False).replace("\r\n", "\n").replace("\n", "<br>")


def to_text(markup: str) -> str:
    """The words of a rich-text property, whatever tags the vendor or a person put around them."""
    lines = _BREAK.sub("\n", markup)
    return html.unescape(_TAG.sub("", lines)).replace("\xa0", " ").strip()
