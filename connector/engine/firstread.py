"""What a first configuration needs of a CRM: its fields, stages and deal types, and who seems to be who.

Not here: writing files (``policy.drafting``) and asking people (``cli.init``). Read-only, and no more calls than an
audit of a few deals. Who somebody is, is a guess from what records say: owners of won deals sell, people in a field
that reads like the CSM's look after customers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from connector.crm.port import CRM
from connector.engine.audit import Sample, take
from connector.handoff.model import Kind, Person
from connector.policy.crmmap import CrmMap
from connector.policy.drafting import Seen

SAMPLE = 50
"""Won deals from which it is told how often a field is filled, and who sells."""

MOST_CSMS = 6
"""So many people are put into the pools where nothing says who the CSMs are."""


MACHINES = re.compile(r"\b(integration|api|bot|automation|system|no-?reply|service|admin)\b", re.IGNORECASE)
"""How the addresses of logins go that are nobody."""


@dataclass(frozen=True, slots=True)
class First:
    """What was read, and whom it seems to name, by email: ``csms`` with ``csms_why``, ``approver`` with its own,
    and ``sellers``, who own the won deals."""

    seen: Seen
    people: tuple[Person, ...]
    csms: tuple[str, ...] = ()
    csms_why: str = ""
    approver: str = ""
    approver_why: str = ""
    sellers: tuple[str, ...] = ()


def first_read(
    crm: CRM, crm_map: CrmMap, *, told: Callable[[str, int, int], None], among: frozenset[str] | None = None
) -> First:
    """Read one CRM. ``among``: only people with these emails are guessed, who are in another CRM too.

    Raises `CrmError`.
    """
    sample = take(crm, crm_map, last=SAMPLE, since=None, told=told)
    everybody = tuple(sample.people.values()) or crm.people()
    people = tuple(one for one in everybody if among is None or one.email in among)
    mapped = crm_map.get(Kind.DEAL, "type")
    look = sample.schemas[Kind.DEAL].fields.get(mapped.field) if mapped else None
    types = look.choices if look else ()
    known = all(one in types for one in crm_map.deal_types)
    sellers = Counter(facts.deal.text("owner") for facts in sample.facts)
    csms, csms_why = _csms(sample, people, sellers)
    approver, approver_why = _approver(people, sellers)
    return First(
        seen=Seen(crm_map.vendor, sample.suggestions, crm.stages(), () if known else types),
        people=everybody,
        csms=csms,
        csms_why=csms_why,
        approver=approver,
        approver_why=approver_why,
        sellers=tuple(sorted(one.email for one in people if one.id in sellers and one.active and one.email)),
    )


def _csms(sample: Sample, people: Iterable[Person], sellers: Counter[str]) -> tuple[tuple[str, ...], str]:
    """Who stands in the field that reads like the CSM's, those with most accounts first; else who sells nothing."""
    active = {person.id: person.email for person in people if _is_somebody(person)}
    found = sample.likely.get("account.csm")
    if found is not None:
        held = Counter(row.get(found.field, "") for row in sample.texts.get(Kind.ACCOUNT, {}).values())
        named = tuple(active[each] for each, _ in held.most_common() if each in active)
        if named:
            return named, f"they stand in {found.field} of accounts"
    idle = sorted(email for each, email in active.items() if each not in sellers)[:MOST_CSMS]
    return tuple(idle), "they own none of the last won deals; nothing says who your CSMs are"


def _is_somebody(person: Person) -> bool:
    return person.active and bool(person.email) and MACHINES.search(person.email) is None


def _approver(people: Iterable[Person], sellers: Counter[str]) -> tuple[str, str]:
    """Whom most of those who sell report to; else the one of them who sold most."""
    known = {person.id: person for person in people if _is_somebody(person)}
    bosses = Counter(
        boss for each, deals in sellers.items() if each in known and (boss := known[each].manager_id) in known
        for _ in range(deals)
    )  # fmt: skip
    if bosses:
        return known[str(bosses.most_common(1)[0][0])].email, "most owners of won deals report to them"
    for each, _ in sellers.most_common():
        if each in known:
            return known[each].email, "they own most of the last won deals; name a manager of Sales instead"
    return (min(person.email for person in known.values()), "nobody was named") if known else ("", "")
