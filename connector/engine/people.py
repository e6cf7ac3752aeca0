"""Who works in the CRM, read again every few minutes: a CSM who leaves, or is away by their calendar, is noticed.

Not here: who of them may become CSM (``handoff.choice``) and what calendars say (``diaries``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from connector.engine.diaries import with_absences
from connector.engine.parts import Shared, System
from connector.errors import CrmError, Fault, FaultCode
from connector.handoff.model import Person

PEOPLE_TTL = timedelta(minutes=10)
"""How old the list of CRM users may be: a CSM who leaves is noticed within this time."""

PEOPLE_NOTE = "usual:people"
"""Under this name, beside the feeds' cursors, stands how many people the CRM listed last."""

NO_PEOPLE = Fault(FaultCode.UNAVAILABLE, "NO_PEOPLE", "the list of people came back empty, though it was not before")


def fresh_people(shared: Shared, system: System) -> Mapping[str, Person]:
    """The CRM's users by id, re-read when older than `PEOPLE_TTL`.

    Raises `CrmError`, also for an empty list where there were people: by that every CSM would have left.
    """
    now = shared.clock.now()
    if system.people_read is None or now - system.people_read > PEOPLE_TTL:
        people = {person.id: person for person in system.crm.people()}
        if not people and (system.people or shared.store.cursor(system.name, PEOPLE_NOTE)):
            raise CrmError(NO_PEOPLE)
        system.people = with_absences(shared, system, people)
        system.people_read = now
    return system.people
