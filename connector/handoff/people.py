"""Whom an email means, and whether somebody is at work: who is away or paused gets no new customers.

Not here: what becomes of the customers they have (nothing: a person's absence moves no handoff) and who is chosen among
those at work (``choice``). Days are local dates of the team's calendar; the last day of an absence counts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import date, datetime

from connector.handoff.calendar import local_date, taken_through
from connector.handoff.model import Person, Span
from connector.handoff.rulebook.calendars import Calendar
from connector.handoff.rulebook.people import AssignmentPolicy

PAUSED = "paused, gets no new accounts"


def by_email(people: Mapping[str, Person], email: str) -> Person | None:
    """A person by email; the active one when two share it, as former and present users may."""
    wanted = email.strip().lower()
    found = [person for person in people.values() if person.email.strip().lower() == wanted]
    return min(found, key=lambda person: (not person.active, person.id), default=None)


def named(people: Mapping[str, Person], emails: Iterable[str]) -> dict[str, Person]:
    """The people behind these emails, those that mean somebody."""
    wanted = set(emails)
    found: dict[str, Person] = {}
    for person in people.values():
        email = person.email.strip().lower()
        other = found.get(email)
        if email in wanted and (other is None or (not person.active, person.id) < (not other.active, other.id)):
            found[email] = person
    return found


def absence(person: Person, policy: AssignmentPolicy, day: date) -> str:
    """Why somebody gets no new accounts on a day, with the date it ends; empty for who is at work.

    The CRM's own dates and those of the policy count alike; of several the latest end is told.
    """
    email = person.email.strip().lower()
    ends = [each.ends for each in policy.away if each.who == email and each.begins <= day <= each.ends]
    if person.away_until is not None and (person.away_from or day) <= day <= person.away_until:
        ends.append(person.away_until)
    if ends:
        return f"out of office through {spoken(max(ends))}"
    return PAUSED if person.paused or email in policy.paused else ""


def absent_by(
    people: Mapping[str, Person], busy: Mapping[str, tuple[Span, ...]], calendar: Calendar, now: datetime
) -> dict[str, Person]:
    """The people, those away whose calendar is taken for the whole of today's working hours by one event; of what the
    CRM says besides the later end counts."""
    today, found = local_date(calendar, now), dict(people)
    for person_id, spans in busy.items():
        person = people.get(person_id)
        until = taken_through(calendar, spans, now) if person else None
        if person is None or until is None:
            continue
        known = person.away_until if (person.away_from or today) <= today else None
        found[person_id] = dataclasses.replace(person, away_from=today, away_until=max(until, known or until))
    return found


def spoken(day: date) -> str:
    """A day as people write it, e.g. ``3 May 2026``."""
    return f"{day.day} {day:%b %Y}"
