"""Who of Sales and CS owns what is to be done: by the phase of the handoff, or whoever can take it first.

Not here: who the AE and the CSM are (``case``) and the tasks themselves (``steps``, ``rules.playbook``). Pure functions
of what they are given; the same state names the same person, and what somebody has already stays with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from connector.handoff.model import Person
from connector.handoff.rulebook.people import Role


def by_phase(*, released_at: datetime, begins: datetime, sales_for: timedelta) -> Role:
    """Whose phase it is when something begins: Sales' for so long after the handoff's release, CS' from then on."""
    return Role.AE if begins < released_at + sales_for else Role.CSM


def first_available(
    ae: Person | None,
    csm: Person | None,
    *,
    absence: Callable[[Person], str],
    open_tasks: Mapping[str, int],
) -> tuple[Person | None, str]:
    """Whoever of AE and CSM is at work and has fewer open tasks, with a word on why; the AE when both have as many.

    ``absence`` says why somebody is away and is empty for who is not; ``open_tasks`` counts by person id. When both are
    away the one with fewer tasks gets it all the same: a task must belong to somebody.
    """
    there = [(rank, each) for rank, each in enumerate((ae, csm)) if each is not None and each.active]
    at_work = [(rank, each) for rank, each in there if not absence(each)]
    chosen = min(at_work or there, key=lambda one: (open_tasks.get(one[1].id, 0), one[0]), default=None)
    if chosen is None:
        return None, "neither AE nor CSM is there"
    person = chosen[1]
    others = [each for _, each in there if each.id != person.id]
    if not others:
        return person, "the only one there"
    if not at_work:
        return person, f"fewer open tasks, though {absence(person)}"
    if gone := absence(others[0]):
        return person, f"{others[0].name} is {gone}"
    mine, theirs = open_tasks.get(person.id, 0), open_tasks.get(others[0].id, 0)
    return person, f"{mine} open tasks here, {others[0].name} has {theirs}"
