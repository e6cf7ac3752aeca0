"""The meetings of a playbook: when one is put into the calendar, and when one counts as held.

Not here: writing them (``rules.drafts``) and reading people's calendars: what the CRM shows of those is told as spans
that are taken. The time is a proposal, inside the team's working hours, that anybody may move.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from connector.handoff.calendar import SEARCH_DAYS, in_days_of, limit_end, open_spans
from connector.handoff.case import Case, fingerprint, listed
from connector.handoff.model import CrmMeeting, Outcome, Person, Span
from connector.handoff.rulebook.calendars import Calendar
from connector.handoff.rulebook.playbooks import PlaybookTask

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


def find_place(case: Case, spec: PlaybookTask, room: Room, *, made: CrmMeeting | None) -> Slot:
    """Where the meeting of a step belongs: where it is already, if it fits there; else a place that all who take part
    have free, as far as their calendars are known.

    What came to overlap a meeting after it was made does not move it: people see that in their own calendars. Raises
    ValueError as `place` does for a calendar without time.
    """
    calendar = case.calendar_for(spec.owner)
    if made and made.start and made.end and _fits(calendar, room, Slot(made.start, made.end)):
        return Slot(made.start, made.end)
    own = Span(made.start, made.end) if made and made.start and made.end else None
    key = case.key(spec.step)
    taken = tuple(span for span in _taken(case, spec, calendar) if span != own)
    try:
        return place(calendar, room, key=key, taken=taken)
    except ValueError:
        if not taken:
            raise
        return place(calendar, room, key=key)


def who_takes_part(case: Case, spec: PlaybookTask) -> tuple[Person, ...]:
    """Everybody whose calendar a meeting of this step goes into or who is asked to come, the owner first, once each."""
    roles = (spec.owner, *(spec.draft.invite if spec.draft else ()))
    people = (case.person_for(role)[0] for role in roles)
    return tuple({person.id: person for person in people if person}.values())


def seen_words(case: Case, spec: PlaybookTask, slot: Slot, *, begins: datetime) -> str:
    """What a proposal rests on, as part of a sentence: whose calendars were looked into, and whether it comes late."""
    if not case.policy.meetings.calendars:
        return ""
    people = who_takes_part(case, spec)
    seen = [person.name for person in people if person.id in case.snapshot.busy]
    unseen = [person.name for person in people if person.id not in case.snapshot.busy]
    said = f"free in the calendar of {listed(seen)}" if seen else ""
    if slot.end > limit_end(case.calendar_for(spec.owner), begins, spec.limit):
        said = f"the first place that is free in the calendar of {listed(seen)}, none was in time" if seen else said
    if unseen:
        blind = f"not held against the calendar of {listed(unseen)}, which could not be seen"
        said = f"{said}; {blind}" if said else blind
    return said


def _taken(case: Case, spec: PlaybookTask, calendar: Calendar) -> Iterator[Span]:
    for person in who_takes_part(case, spec) if case.snapshot.busy else ():
        for span in case.snapshot.busy.get(person.id, ()):
            yield in_days_of(calendar, span)


def _fits(calendar: Calendar, room: Room, slot: Slot) -> bool:
    if slot.start < room.opens or slot.end > room.closes or slot.end - slot.start != room.length:
        return False
    opens, closes = next(open_spans(calendar, slot.start))
    return opens <= slot.start and slot.end <= closes


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
