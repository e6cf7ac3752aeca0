"""The meetings of a playbook: when one is put into the calendar, and when one counts as held.

Not here: writing them (``rules.drafts``) and reading people's calendars: what the CRM shows of those is told as spans
that are taken. The time is a proposal, inside the team's working hours, that anybody may move.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from connector.handoff.calendar import SEARCH_DAYS, open_spans
from connector.handoff.case import Case, fingerprint
from connector.handoff.model import CrmMeeting, Outcome, Span
from connector.handoff.rulebook import Calendar

GRID = timedelta(minutes=15)
"""Meetings begin on the quarter hour, in every time zone there is."""

SPREAD = 8
"""Among so many free places a deal's is chosen by its key: the wins of one hour must not all meet at once."""

MOST_LOOKED_AT = 500
"""Places: more than a week of quarter hours."""

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Slot:
    """When a meeting is to be."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Room:
    """The time within which a place is looked for: not before ``opens``, over by ``closes`` if that can be."""

    opens: datetime
    closes: datetime
    length: timedelta


def place(calendar: Calendar, room: Room, *, key: str, taken: Collection[Span] = ()) -> Slot:
    """A free place in working hours, whole; the same for the same deal. Where none is left in time, soon after.

    Raises ValueError when the calendar has no working time that is long enough.
    """
    found: list[Slot] = []
    for slot in _free(calendar, room, taken):
        if len(found) == SPREAD or (found and slot.end > room.closes >= found[-1].end):
            break
        found.append(slot)
    return found[int(fingerprint(key), 16) % len(found)]


def offers(calendar: Calendar, room: Room, *, count: int, taken: Collection[Span] = ()) -> tuple[Slot, ...]:
    """Up to so many free places that end in time, as far apart as a customer's choice needs: first, middle, last.

    Raises ValueError when the calendar has no working time that is long enough.
    """
    free: list[Slot] = []
    for slot in islice(_free(calendar, room, taken), MOST_LOOKED_AT):
        if slot.end > room.closes:
            break
        free.append(slot)
    if len(free) <= count or count < 2:
        return tuple(free[:count])
    last = len(free) - 1
    return tuple(free[number * last // (count - 1)] for number in range(count))


def held_at(case: Case, meeting: CrmMeeting) -> datetime | None:
    """When a meeting of ours was held; None for one that was not, or of which nobody said so.

    That its time has passed is no proof, unless the mapping takes it for one.
    """
    over = meeting.end or meeting.start or case.now
    if meeting.outcome is Outcome.HELD:
        return min(over, case.now)
    by_time = case.policy.meetings.held_when_over and meeting.outcome is Outcome.PLANNED
    return over if by_time and meeting.end is not None and over <= case.now else None


def _free(calendar: Calendar, room: Room, taken: Collection[Span]) -> Iterator[Slot]:
    """Raises ValueError when so long a search finds none: whoever is taken for a year has no calendar of meetings."""
    for slot in _places(calendar, room):
        if not any(span.meets(slot.start, slot.end) for span in taken):
            yield slot
        elif slot.start - room.opens > timedelta(days=SEARCH_DAYS):
            raise ValueError(f"no free place of {room.length} within {SEARCH_DAYS} days")


def _places(calendar: Calendar, room: Room) -> Iterator[Slot]:
    """Places one after the other, without end; they do not overlap."""
    stride = max(GRID, room.length)
    for opens, closes in open_spans(calendar, room.opens):
        if opens - room.opens > timedelta(days=SEARCH_DAYS):
            raise ValueError(f"calendar {calendar.name!r} has no working hours long enough for {room.length}")
        start = _on_grid(opens)
        while start + room.length <= closes:
            yield Slot(start, start + room.length)
            start = _on_grid(start + stride)


def _on_grid(moment: datetime) -> datetime:
    return moment + (_EPOCH - moment) % GRID
