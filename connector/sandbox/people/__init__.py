"""The people who work at the selling company, the same humans in both CRMs.

Their e-mail addresses are fixed: the shipped mappings name people by e-mail. This module holds
the list alone; it is not a directory service and writes nothing into a world.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["ae", "sales_lead", "csm", "cs_lead", "revops"]

AE: Role = "ae"
SALES_LEAD: Role = "sales_lead"
CSM: Role = "csm"
CS_LEAD: Role = "cs_lead"
REVOPS: Role = "revops"

# What the person's role is called on the screen of either CRM.
ROLE_TITLES: dict[Role, str] = {
    AE: "Account Executive",
    SALES_LEAD: "Sales Director",
    CSM: "Customer Success Manager",
    CS_LEAD: "Head of Customer Success",
    REVOPS: "Revenue Operations",
}


@dataclass(frozen=True, slots=True)
class Person:
    """One human: `email` identifies them everywhere, `manager` is the manager's e-mail or empty."""

    first: str
    last: str
    email: str
    role: Role
    region: str
    manager: str = ""
    active: bool = True

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"

    @property
    def title(self) -> str:
        return ROLE_TITLES[self.role]


def _person(first: str, last: str, role: Role, region: str, *, manager: str = "", active: bool = True) -> Person:
    email = f"{first}.{last}@seller.example".lower()
    return Person(first, last, email, role, region, manager, active)


_VICTOR = "victor.lang@seller.example"
_RUTH = "ruth.adeyemi@seller.example"
_DANA = "dana.kowalski@seller.example"

PEOPLE: tuple[Person, ...] = (
    _person("Victor", "Lang", SALES_LEAD, "EMEA"),
    _person("Ruth", "Adeyemi", SALES_LEAD, "Americas"),
    _person("Dana", "Kowalski", CS_LEAD, "EMEA"),
    _person("Iris", "Novak", REVOPS, "EMEA"),
    _person("Elena", "Marchetti", AE, "EMEA", manager=_VICTOR),
    _person("Oskar", "Nystrom", AE, "EMEA", manager=_VICTOR),
    _person("Fatima", "Haddad", AE, "EMEA", manager=_VICTOR),
    _person("Marcus", "Bell", AE, "Americas", manager=_RUTH),
    _person("Grace", "Okonkwo", AE, "Americas", manager=_RUTH),
    _person("Daniel", "Sato", AE, "APAC", manager=_RUTH),
    _person("Maya", "Lindqvist", CSM, "EMEA", manager=_DANA),
    _person("Tomas", "Reyes", CSM, "Americas", manager=_DANA),
    _person("Priya", "Nair", CSM, "APAC", manager=_DANA),
    _person("Jonas", "Weber", CSM, "EMEA", manager=_DANA),
    _person("Aiko", "Tanaka", CSM, "APAC", manager=_DANA),
    _person("Sam", "Okafor", CSM, "Americas", manager=_DANA),
    _person("Lena", "Frost", CSM, "EMEA", manager=_DANA, active=False),
)

BY_EMAIL: dict[str, Person] = {person.email: person for person in PEOPLE}


def with_role(role: Role, *, active_only: bool = True) -> tuple[Person, ...]:
    """Everybody who has `role`, in the order of the list."""
    return tuple(p for p in PEOPLE if p.role == role and (p.active or not active_only))


# Who may approve an override, and who is refused when they are named as approver.
APPROVERS: tuple[str, ...] = tuple(p.email for p in with_role(SALES_LEAD))
NOT_APPROVERS: tuple[str, ...] = tuple(p.email for p in with_role(AE))
