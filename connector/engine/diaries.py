"""What the CRM shows of people's calendars: read when a place in them matters, kept for minutes.

Not here: looking for a place (``handoff.meetings``) and the CRM's own words (its adapter). Calendars are a help: where
they cannot be read, what needs them goes on without, and says so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import structlog

from connector.crm.batch import chunks
from connector.engine.parts import CALENDARS_TTL, Shared, System
from connector.errors import Advice, CrmError
from connector.handoff.model import Kind, Person, Span
from connector.handoff.people import absent_by, named
from connector.handoff.plan import Plan, Upsert

AHEAD, BEHIND = timedelta(days=15), timedelta(days=1)
"""What is read: a kickoff lies within five working days, and whole days begin before now."""

PEOPLE_PER_CALL = 200

DIARIES_UNREAD = "diaries.unread"

log = structlog.get_logger()


def look_into(
    shared: Shared, system: System, people: Collection[str], *, besides: Collection[str] = ()
) -> Mapping[str, tuple[Span, ...]]:
    """The calendars of these people, as far as they can be read; those ``besides`` are read along where a call is made.

    Raises `CrmError` only for a fault that halts the system.
    """
    diaries, now = system.diaries, shared.clock.now()
    known = diaries.known(now)
    if set(people) <= set(known) or (diaries.closed_until is not None and now < diaries.closed_until):
        return known
    wanted = [each for each in dict.fromkeys((*sorted(people), *sorted(besides))) if each and each not in known]
    try:
        for part in chunks(wanted, size=PEOPLE_PER_CALL):
            told = system.crm.busy(part, start=now - BEHIND, end=now + AHEAD)
            diaries.spans.update(told)
            diaries.read_at.update(dict.fromkeys(told, now))
    except CrmError as error:
        if error.fault.advice is Advice.HALT:
            raise
        diaries.closed_until = now + CALENDARS_TTL
        log.warning(DIARIES_UNREAD, system=system.name, people=len(wanted), vendor_code=error.fault.vendor_code)
    return diaries.known(now)


def pencil_in(system: System, plan: Plan) -> None:
    """Remember the meetings a decision proposes, for those that are decided before the CRM shows them."""
    for action in plan.actions:
        if not isinstance(action, Upsert) or action.kind is not Kind.MEETING:
            continue
        start, end = action.values.get("start"), action.values.get("end")
        if isinstance(start, datetime) and isinstance(end, datetime):
            for person in plan.calendars.get(action.step, ()):
                if person in system.diaries.spans:
                    system.diaries.spans[person] = (*system.diaries.spans[person], Span(start, end))


def team(system: System, people: Mapping[str, Person]) -> frozenset[str]:
    """Everybody who may become CSM, by id."""
    policy = system.policy.assignment
    emails = {policy.fallback, *(email for pool in policy.pools.values() for email in pool.members)}
    return frozenset(person.id for person in named(people, emails).values())


def with_absences(shared: Shared, system: System, people: Mapping[str, Person]) -> Mapping[str, Person]:
    """The people, those of the team away whose calendar says so, where the mapping takes its word."""
    if not system.policy.assignment.away_from_calendar:
        return people
    members = team(system, people)
    told = look_into(shared, system, members)
    seen = {each: told[each] for each in members if each in told}
    return absent_by(people, seen, system.policy.calendar, shared.clock.now())
