"""What follows when a task is late, as one row of rungs: remind, reassign, and up the ladder of the escalation.

Not here: the messages (``rules.late``). Each comes once: when it did is remembered as a mark, and the next counts
from there, so that after a long silence people are not told everything in one breath.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from connector.handoff.calendar import limit_end, next_open
from connector.handoff.case import Case
from connector.handoff.rulebook.calendars import Calendar, Limit
from connector.handoff.rulebook.people import Role
from connector.handoff.rulebook.playbooks import Do, PlaybookTask

_LATE = "late:"


@dataclass(frozen=True, slots=True)
class Consequence:
    """One thing that happens: by name (unique in its step), ``after`` the rung before it, for whom."""

    name: str
    do: Do
    after: tuple[Limit, ...]
    roles: tuple[Role, ...] = ()
    emails: tuple[str, ...] = ()

    def mark(self, step: str) -> str:
        """Under which name it is remembered that it came."""
        return f"{_LATE}{step}:{self.name}"


@dataclass(frozen=True, slots=True)
class Coming:
    """A consequence and when it is to come, or came: then ``told``."""

    what: Consequence
    at: datetime
    told: bool


def consequences(case: Case, spec: PlaybookTask) -> Iterator[Consequence]:
    """All that follows when this step is late, in order."""
    for number, miss in enumerate(spec.missed):
        if miss.do is not Do.ESCALATE:
            roles = (miss.to,) if miss.do is Do.REASSIGN else ()
            yield Consequence(f"{miss.do}-{number}", miss.do, (miss.after,), roles)
            continue
        for place, one in enumerate(case.policy.escalation.ladder):
            after = (miss.after, one.after) if place == 0 else (one.after,)
            yield Consequence(f"{miss.do}-{number}-{place}", miss.do, after, one.roles, one.emails)


def coming(case: Case, spec: PlaybookTask, deadline: datetime) -> Iterator[Coming]:
    """Each consequence with its time, as far as it can be known: the first counts from the deadline.

    Raises ValueError when the calendar has no working hours.
    """
    calendar = case.calendar_for(spec.owner)
    before = deadline
    for one in consequences(case, spec):
        known = case.ledger.marks.get(one.mark(spec.step))
        at = known or _opened(case, calendar, _after(calendar, before, one.after))
        yield Coming(one, at, told=known is not None)
        # One that is overdue comes now, and the next one counts from there.
        before = at if known else max(at, case.now)


@dataclass(frozen=True, slots=True)
class Heir:
    """Who gets a late task, and since when."""

    role: Role
    since: datetime


def reassigned_to(case: Case, spec: PlaybookTask, *, deadline: datetime | None) -> Heir | None:
    """Who gets the task because it is late; None while nobody does. Once given away it stays given away.

    ``deadline`` is None for a step that has not begun.
    """
    given = [one for one in consequences(case, spec) if one.do is Do.REASSIGN]
    if not given:
        return None
    past = {each.what.name for each in coming(case, spec, deadline) if each.at <= case.now} if deadline else set()
    due = [one for one in given if one.mark(spec.step) in case.ledger.marks or one.name in past]
    return Heir(due[-1].roles[0], case.ledger.marks.get(due[-1].mark(spec.step), case.now)) if due else None


def _after(calendar: Calendar, start: datetime, limits: tuple[Limit, ...]) -> datetime:
    for limit in limits:
        start = limit_end(calendar, start, limit)
    return start


def _opened(case: Case, calendar: Calendar, at: datetime) -> datetime:
    return at if case.policy.notify.any_hour else next_open(calendar, at)
