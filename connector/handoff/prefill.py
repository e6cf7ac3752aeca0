"""What the CRM knows already, taken over into answers that are still empty: which, from where, and whether confirmed.

Not here: writing it (``rules.prefill``) and reading contacts (each adapter). What was taken over is ASSUMED until the
AE confirms it: by the box on the deal, or by writing the field anew. What a person wrote is never touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from connector.handoff.calendar import local_date
from connector.handoff.case import Case
from connector.handoff.conditions import filled
from connector.handoff.model import Contact, Value
from connector.handoff.ownership import may_fill, same
from connector.handoff.plan import Phase
from connector.handoff.rulebook.fields import FieldType, Prefill
from connector.handoff.text import clean, one_line, shown

CONTACTS = "contacts"
CONFIRMED, ASSUMED = "prefill_confirmed", "assumed"
MAX_CHARS = 255
"""Most of what is taken over: a name and how to reach it; a line of text in the smaller CRM."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One answer that was, or is to be, taken over: its field, the value, and where it came from in words."""

    field: str
    value: Value
    source: str


def fills(case: Case) -> Mapping[str, Taken]:
    """What is to be taken over now, by field: into empty fields of a deal near its close that nobody confirmed yet."""
    stands = case.phase is Phase.OPEN and (case.near_close or case.pre_assigns)
    if not stands or case.value(CONFIRMED) is True:
        return {}
    found: dict[str, Taken] = {}
    for rule in case.policy.prefills:
        if rule.field in found or filled(case.value(rule.field)) or not may_fill(case, rule.field):
            continue
        taken = _from(case, rule)
        if taken is not None:
            found[rule.field] = taken
    return found


def assumed(case: Case) -> tuple[Taken, ...]:
    """The answers that stand on the deal as they were taken over, and that nobody confirmed; in the policy's order."""
    if case.value(CONFIRMED) is True:
        return ()
    written = case.ledger.written.get(case.snapshot.deal.ref, {})
    found: dict[str, Taken] = {}
    for name in dict.fromkeys(rule.field for rule in case.policy.prefills):
        value = case.value(name)
        if not filled(value):
            continue
        # Where the ledger was lost, the line on the deal still says what was taken over.
        told = _told(case, name, value)
        if same(value, written[name]) if name in written else told:
            found[name] = Taken(name, value, told or _likely(case, name, value))
    return tuple(found.values())


def _told(case: Case, name: str, value: Value) -> str:
    """Where the value came from, as the line on the deal says; empty when no line is about this very value."""
    begins, ends = line(case, Taken(name, value, "\n")).split("\n")
    lines = case.snapshot.deal.text(ASSUMED).splitlines()
    return next((one[len(begins) : -len(ends)] for one in lines if one.startswith(begins) and one.endswith(ends)), "")


def _likely(case: Case, name: str, value: Value) -> str:
    """The source that gives the value now, or else the first there is."""
    rules = [rule for rule in case.policy.prefills if rule.field == name]
    gives = (rule for rule in rules if (taken := _from(case, rule)) is not None and same(taken.value, value))
    return _source(case, next(gives, rules[0]))


def line(case: Case, taken: Taken) -> str:
    """One answer as people read it among those to be confirmed."""
    value = taken.value
    if isinstance(value, date) and not isinstance(value, datetime):
        said = f"{value.day} {value:%b %Y}"
    else:
        said = one_line(str(value))
    return f"{case.label(taken.field)}: {said} (from {taken.source})"


def _from(case: Case, rule: Prefill) -> Taken | None:
    """What a rule gives for this deal; None where its source is empty."""
    kind, _, role = rule.source.partition(".")
    if kind == CONTACTS:
        value: Value = _people(case, role)
    else:
        value = _copied(case, rule)
    return Taken(rule.field, value, _source(case, rule)) if filled(value) else None


def _copied(case: Case, rule: Prefill) -> Value:
    value = case.value(rule.source)
    target, source = case.policy.fields.get(rule.field), case.policy.fields.get(rule.source)
    if not filled(value) or target is None or source is None:
        return None
    if target.type is FieldType.DATE:
        day = local_date(case.policy.calendar, value) if isinstance(value, datetime) else value
        return day + timedelta(days=rule.days) if isinstance(day, date) else None
    if source.type is FieldType.PERSON:
        person = case.snapshot.person(value)
        return one_line(person.name) if person else None
    return clean(shown(case, rule.source), limit=MAX_CHARS)


def _people(case: Case, role: str) -> str:
    """The contact with a role, or, without one, a line for everybody; empty when there is nobody."""
    contacts = sorted(case.snapshot.contacts, key=lambda one: (not one.primary, one.id))
    if not role:
        return "\n".join(": ".join(part for part in (_named(one), _parts(one)) if part) for one in contacts)
    return next((_named(one) for one in contacts if role in one.roles), "")


def _parts(contact: Contact) -> str:
    return ", ".join(role.replace("_", " ") for role in contact.roles)


def _named(contact: Contact) -> str:
    parts = (contact.name, contact.title, contact.email)
    return one_line(", ".join(part for part in parts if part.strip()), limit=MAX_CHARS)


def _source(case: Case, rule: Prefill) -> str:
    kind, _, role = rule.source.partition(".")
    if kind == CONTACTS:
        return f"the contact with the role {role.replace('_', ' ')}" if role else "the deal's contacts"
    later = f", {rule.days} days later" if rule.days else ""
    return f"{case.label(rule.source)}{later}"
