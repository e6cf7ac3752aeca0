"""Commitments: what was promised in the sale, read line by line from one field of the deal.

Not here: who is told of them (``rules.commitments``, ``rules.late``). A line with bars is a commitment, such as
``SSO with Okta | 2026-12-15 | Ana Ek | in progress``: what first, then in any order a date, a status and who keeps it.
Lines without a bar are prose, and tracked by nobody. A commitment is known again by its words, whatever else changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from connector.handoff.attention import COMMITMENTS, attends
from connector.handoff.calendar import end_of_day, limit_end, local_date
from connector.handoff.case import Case, fingerprint
from connector.handoff.model import Person
from connector.handoff.rulebook.people import Role
from connector.handoff.rulebook.playbooks import Extras, PlaybookTask
from connector.handoff.rulebook.watch import CommitmentStatus
from connector.handoff.steps import Step
from connector.handoff.text import one_line

MOST = 40
"""Commitments read of one deal: a field that holds more is a contract, and nobody's list."""
ID_CHARS = 8
STEP = "promise."
"""How the names of commitments begin; a dot stands in no step of a playbook."""

YEARS = range(1900, 3000)
"""Any other year is a slip of the hand, and a day beside the last that a calendar knows has no next one."""

_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_SPOKEN = re.compile(r"(\d{1,2})\.? +([A-Za-z]{3})[a-z]*\.? +(\d{4})")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LEAD = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s*")


@dataclass(frozen=True, slots=True)
class Commitment:
    """One promise. ``due`` is None where no date is given, ``owner`` the words that name who keeps it, if any."""

    text: str
    due: date | None
    status: CommitmentStatus
    owner: str

    @property
    def step(self) -> str:
        """The name under which it is remembered: made of its words alone."""
        return STEP + fingerprint(" ".join(self.text.casefold().split()))[:ID_CHARS]


def commitments(case: Case) -> tuple[Commitment, ...]:
    """All commitments of a running handoff, in their order; none where the policy tracks none."""
    asked = case.policy.commitments
    if asked is None or not attends(case, COMMITMENTS, asked.since):
        return ()
    value = case.value(asked.field)
    found: dict[str, Commitment] = {}
    for one in read(value if isinstance(value, str) else "", asked.words):
        found.setdefault(one.step, one)
    return tuple(found.values())[:MOST]


def next_due(case: Case) -> date | None:
    """The next day, by the deal's own words, on which one is due that nobody kept yet; None where none has a day."""
    return min((one.due for one in commitments(case) if one.status.owed and one.due), default=None)


def read(text: str, words: Mapping[str, CommitmentStatus]) -> Iterator[Commitment]:
    """The commitments of a text; ``words`` says what a status is called, in small letters."""
    for line in text.splitlines():
        what, *rest = (one_line(part) for part in _LEAD.sub("", line).split("|"))
        if not rest or not what:
            continue
        due, status, owner = None, CommitmentStatus.OPEN, ""
        for part in rest:
            if (named := words.get(part.casefold())) is not None:
                status = named
            elif (day := day_in(part)) is not None:
                due = day
            elif part:
                owner = part
        yield Commitment(what, due, status, owner)


def day_in(text: str) -> date | None:
    """The date of a part such as ``2026-12-15``, ``due 2026-12-15`` or ``15 Dec 2026``; None where it has none."""
    numbers = None
    if found := _ISO.search(text):
        numbers = int(found[1]), int(found[2]), int(found[3])
    elif (found := _SPOKEN.search(text)) and found[2].lower() in _MONTHS:
        numbers = int(found[3]), _MONTHS.index(found[2].lower()) + 1, int(found[1])
    try:
        return date(*numbers) if numbers and numbers[0] in YEARS else None
    except ValueError:
        return None


def keeper(case: Case, one: Commitment) -> Person | None:
    """Who keeps it: by role, email or name; the CSM where nobody active is named."""
    said = one.owner.casefold()
    if said in (Role.AE.value, Role.CSM.value):
        return case.person_for(Role(said))[0]
    people = [person for person in case.snapshot.people.values() if person.active]
    named = [each for each in people if said and said in (each.email.casefold(), each.name.casefold())]
    return named[0] if named else case.csm


def deadline(case: Case, one: Commitment) -> datetime | None:
    """When it is overdue: with the end of its day, and never before the CSM has had a working day to read of it.

    Raises ValueError when the calendar has no working hours.
    """
    asked = case.policy.commitments
    if one.due is None or asked is None:
        return None
    calendar = case.calendar_for(Role.CSM)
    began = case.released_at or case.now
    return max(end_of_day(calendar, one.due), limit_end(calendar, began, asked.notice))


def late_steps(case: Case) -> Iterator[Step]:
    """Commitments that nobody has kept yet, as steps that can be late: the ladder is that of tasks."""
    asked = case.policy.commitments
    if asked is None or not asked.missed:
        return
    for one in commitments(case):
        until = deadline(case, one)
        if until is None or not one.status.owed:
            continue
        spec = PlaybookTask(
            step=one.step,
            subject=one.text,
            body="",
            owner=Role.CSM,
            limit=asked.notice,
            done_when=(),
            extras=Extras(priority="high"),
            missed=asked.missed,
        )
        yield Step(
            spec=spec,
            begins=until,
            deadline=until,
            due=one.due or local_date(case.policy.calendar, until),
            owner=keeper(case, one),
            owner_why="",
            done_at=None,
            by_field=False,
            waiting=False,
            task=None,
        )
