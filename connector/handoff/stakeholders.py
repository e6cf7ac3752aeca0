"""Who is who at the customer: the people with a role on the deal, and whether the AE's own words bear them out.

Not here: reading contact roles (each adapter) and where they are shown (``summary``, ``mails``). A role says what the
CRM holds, which may be old or a guess: it is ASSUMED until an answer of the AE names the person.
"""

from __future__ import annotations

import re
from enum import StrEnum

from connector.handoff.case import Case
from connector.handoff.model import Contact
from connector.handoff.text import MAX_NAME_CHARS, one_line

TURN_TO = ("champion", "economic_buyer")
"""The roles of whom a mail is written to, the first that somebody has."""

NAMED_IN = ("champion", "economic_buyer", "stakeholders")
"""The answers in which an AE names people."""

SHORTEST_NAME = 3
"""Letters of a name that can be found in a text without being part of another word by chance."""

NO_ROLE = "Contact"


class Mark(StrEnum):
    """How sure a statement is."""

    ASSUMED = "ASSUMED"
    CONFIRMED = "CONFIRMED"


def words(contact: Contact) -> str:
    """Name, title and address on one line, as far as they are known."""
    parts = (contact.name, contact.title, contact.email)
    return ", ".join(one_line(part, limit=MAX_NAME_CHARS) for part in parts if part.strip()) or "no name"


def label(case: Case, contact: Contact) -> str:
    """The roles of a contact as people call them."""
    return ", ".join(_called(case, role) for role in contact.roles) or NO_ROLE


def in_role(case: Case, role: str) -> tuple[Contact, ...]:
    """Everybody with a role, who is turned to first in front."""
    found = (one for one in case.snapshot.contacts if role in one.roles)
    return tuple(sorted(found, key=lambda one: (not one.primary, one.id)))


def ordered(case: Case) -> tuple[Contact, ...]:
    """All who have a part in the deal: champion, buyer, then the rest by role; those without a role last."""

    def place(one: Contact) -> tuple[int, bool, str, str]:
        first = min((TURN_TO.index(role) for role in one.roles if role in TURN_TO), default=len(TURN_TO))
        return (first if one.roles else len(TURN_TO) + 1, not one.primary, min(one.roles, default=""), one.id)

    return tuple(sorted(case.snapshot.contacts, key=place))


def first(case: Case) -> Contact | None:
    """Whom a mail to the customer is written to; None where no contact has a role."""
    return next((one for one in ordered(case) if one.primary or one.roles), None)


def mark(case: Case, contact: Contact) -> Mark:
    """Whether an answer of the AE names this person."""
    told = " ".join(case.snapshot.deal.text(path) for path in NAMED_IN).casefold()
    email = contact.email.strip().casefold()
    if email and email in told:
        return Mark.CONFIRMED
    family = contact.name.split()[-1:] or [""]
    name = family[0].casefold()
    named = len(name) >= SHORTEST_NAME and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", told)
    return Mark.CONFIRMED if named else Mark.ASSUMED


def lines(case: Case) -> tuple[str, ...]:
    """Everybody who has a part in the deal, a line each."""
    return tuple(f"{label(case, one)}: {words(one)} ({mark(case, one)})" for one in ordered(case))


def _called(case: Case, role: str) -> str:
    return case.label(role) if role in case.policy.fields else role.replace("_", " ").capitalize()
