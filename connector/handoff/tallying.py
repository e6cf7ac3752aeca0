"""Product events folded into counts: whose each is, which measures it is one of, and how many there were on a day.

Not here: keeping counts (``store.tallies``) and what they mean (``milestones``, ``rescue``). Every event counts under
its own name as well, for finding out later which of them tell who stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from connector.handoff import conditions
from connector.handoff.counted import Sort, Tally
from connector.handoff.identity import Named, event_name
from connector.handoff.model import Value
from connector.handoff.productbook import Measure, ProductPolicy

EVENT = "event "
"""Before an event's own name, where it is counted as it came: no measure's name holds a blank."""

MAX_PART_CHARS = 120
MAX_MEASURE_CHARS = 255
SESSION_CHARS = 24


@dataclass(frozen=True, slots=True)
class Happened:
    """One event as it came in, its properties read."""

    event: str
    at: datetime
    user_id: str | None
    group_id: str | None
    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Counts:
    """What events come to: tallies by subject, the way in which each subject was told, and each event's name in turn
    (None for one that names nobody)."""

    tallies: Mapping[str, tuple[Tally, ...]]
    ways: Mapping[str, str]
    names: tuple[Named | None, ...]


def fold(policy: ProductPolicy, events: Iterable[Happened]) -> Counts:
    """Count events by subject, measure, part and day (UTC)."""
    found: dict[str, dict[tuple[str, Sort, str, date], Tally]] = {}
    ways: dict[str, str] = {}
    names: list[Named | None] = []
    for one in events:
        named = event_name(policy.identities, user_id=one.user_id, group_id=one.group_id, properties=one.properties)
        names.append(named)
        if named is None:
            continue
        ways[named.subject] = named.way.kind
        of_subject = found.setdefault(named.subject, {})
        for measure, sort, part in _counted(policy, one):
            _add(of_subject, measure, sort, part, one.at.astimezone(UTC))
    return Counts({subject: tuple(rows.values()) for subject, rows in found.items()}, ways, tuple(names))


def masked(policy: ProductPolicy, event: Happened) -> tuple[str | None, dict[str, str]]:
    """What is kept of an event's user and properties once it is counted: enough to say whose it might have been.

    Of an address its domain stays, of any other user nothing; of the properties those by which accounts are named.
    """
    taken = {way.take.removeprefix("properties.") for way in policy.identities if way.take.startswith("properties.")}
    kept = {
        name: _mask(str(event.properties[name]))
        for name in sorted(taken & event.properties.keys())
        if isinstance(event.properties[name], (str, int))
    }
    return _mask(event.user_id) if event.user_id and "@" in event.user_id else None, kept


def _mask(text: str) -> str:
    return f"@{text.rpartition('@')[2]}" if "@" in text else text


def _counted(policy: ProductPolicy, event: Happened) -> list[tuple[str, Sort, str]]:
    rows = [((EVENT + event.event)[:MAX_MEASURE_CHARS], Sort.EVENTS, "")]
    for measure in policy.measures:
        if event.event not in measure.events or not conditions.holds(measure.where, _lookup(event.properties)):
            continue
        rows.append((measure.name, Sort.EVENTS, ""))
        if measure.distinct and (value := _part(event.properties.get(measure.distinct))):
            rows.append((measure.name, Sort.VALUE, value))
        if measure.session:
            rows.append((measure.name, Sort.SESSION, _session(measure, event)))
    return rows


def _add(rows: dict[tuple[str, Sort, str, date], Tally], measure: str, sort: Sort, part: str, at: datetime) -> None:
    key = (measure, sort, part, at.date())
    old = rows.get(key) or Tally(measure, sort, part, at.date(), 0, at, at)
    rows[key] = Tally(measure, sort, part, at.date(), old.count + 1, min(old.first, at), max(old.last, at))


def _session(measure: Measure, event: Happened) -> str:
    """The session, as a digest; where an event names none, one person's events within an hour of the clock are one."""
    told = _part(event.properties.get(measure.session))
    named = f"s {told}" if told else f"u {event.user_id or ''} {event.at.astimezone(UTC):%Y-%m-%dT%H}"
    return hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()[:SESSION_CHARS]


def _part(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    text = " ".join(str(value).split())
    return text[:MAX_PART_CHARS] if text.isprintable() else ""


def _lookup(properties: Mapping[str, Any]) -> conditions.Lookup:
    def value(name: str) -> Value:
        found: Any = properties
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        if isinstance(found, bool) or found is None:
            return found
        if isinstance(found, (int, float)):
            return Decimal(str(found))
        return found if isinstance(found, str) else None

    return value
