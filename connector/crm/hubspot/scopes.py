"""Which scopes a token needs, what each is for, and which of them it lacks.

Not here: granting them; only an admin can. No API lists the scopes of every kind of token, so each is tried: by reading
one record, and by a batch without a single row, which can change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from connector.crm.hubspot.faults import HubSpotError
from connector.crm.hubspot.paths import Paths
from connector.crm.hubspot.session import Session
from connector.errors import Fault, FaultCode

FORBIDDEN = 403
OWNERS = "crm.objects.owners.read"
ONE: Mapping[str, str] = {"limit": "1"}
NO_ROWS: Mapping[str, Any] = {"inputs": []}


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope, why the connector needs it, and a call that is refused without it."""

    name: str
    what_for: str
    path: Callable[[Paths], str]
    writing: bool = False

    @property
    def paged(self) -> bool:
        """Whether its call comes in pages; the list of properties does not."""
        return not self.name.startswith("crm.schemas.")


NEEDED: tuple[Scope, ...] = (
    Scope("crm.objects.deals.read", "to see deals and their stages", lambda paths: paths.objects("deals")),
    Scope("crm.objects.companies.read", "to see the account of a deal", lambda paths: paths.objects("companies")),
    Scope("crm.objects.contacts.read", "to see tasks, notes and meetings", lambda paths: paths.objects("tasks")),
    Scope(OWNERS, "to know who may be CSM", lambda paths: paths.owners()),
    Scope("crm.schemas.deals.read", "to read deal properties and pipelines", lambda paths: paths.properties("deals")),
    Scope("crm.schemas.companies.read", "to read company properties", lambda paths: paths.properties("companies")),
    Scope(
        "crm.objects.deals.write",
        "to write what is missing, the CSM and the status, and to put a deal back",
        lambda paths: paths.objects("deals", "batch", "update"),
        writing=True,
    ),
    Scope(
        "crm.objects.companies.write",
        "to write the CSM on the account",
        lambda paths: paths.objects("companies", "batch", "update"),
        writing=True,
    ),
    Scope(
        "crm.objects.contacts.write",
        "to make tasks, notes and meetings",
        lambda paths: paths.objects("tasks", "batch", "create"),
        writing=True,
    ),
)
"""Facts: HubSpot §7. Tasks, notes and meetings go by the scopes of contacts (§6)."""


def missing(session: Session) -> tuple[Scope, ...]:
    """The needed scopes that this token lacks: one call each. Raises `CrmError` for anything but a refusal."""
    return tuple(_missing(session))


def _missing(session: Session) -> Iterator[Scope]:
    for scope in NEEDED:
        try:
            if scope.writing:
                session.change("scopes", "POST", scope.path(session.paths), NO_ROWS)
            else:
                session.get("scopes", scope.path(session.paths), query=ONE if scope.paged else None)
        except HubSpotError as error:
            if error.status == FORBIDDEN:
                yield scope
            elif not error.refuses_content:
                raise


@contextmanager
def all_named(session: Session) -> Iterator[None]:
    """What is refused inside for want of a scope is raised with all scopes that the token lacks, not with one."""
    try:
        yield
    except HubSpotError as error:
        lacking = missing(session) if error.status == FORBIDDEN else ()
        if not lacking:
            raise
        fault = Fault(FaultCode.NOT_PERMITTED, error.fault.vendor_code, sentence(lacking))
        raise HubSpotError(fault, status=error.status) from error


def sentence(scopes: tuple[Scope, ...]) -> str:
    """What an admin must do about them."""
    listed = "; ".join(f"{scope.name} {scope.what_for}" for scope in scopes)
    return f"this token lacks scopes, which its app or key can be given in HubSpot's Development settings: {listed}"
