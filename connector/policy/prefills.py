"""Answers that are taken over from the CRM, as process.toml says: each field there, of a fitting type, and fillable.

Not here: the taking over (``handoff.prefill``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from connector.errors import Problem
from connector.handoff.prefill import CONTACTS
from connector.handoff.rulebook.fields import FieldOwner, FieldType, Prefill
from connector.policy.conditions import Scope
from connector.policy.maps import VendorMap
from connector.policy.model.gate import PrefillSpec

TEXTS = (FieldType.TEXT, FieldType.LONG_TEXT)
DAYS = (FieldType.DATE, FieldType.DATETIME)


def prefills(specs: Iterable[PrefillSpec], *, scope: Scope) -> tuple[Prefill, ...]:
    """What is taken over, in the file's order; of several for one field the first that has something counts."""
    found = []
    for index, spec in enumerate(specs):
        at = ("prefill", index)
        of_contacts = spec.from_.partition(".")[0] == CONTACTS
        wrong = scope.words.complaint(spec.field)
        if wrong is None and "." in spec.field:
            wrong = "must be a field of the deal: nothing is taken over into the account"
        if wrong:
            scope.complain((*at, "field"), wrong)
        if not of_contacts and (unknown := scope.words.complaint(spec.from_)):
            scope.complain((*at, "from"), unknown)
        target, source = scope.words.type_of(spec.field), scope.words.type_of(spec.from_)
        if target is not None and not _fits(target, source, of_contacts=of_contacts):
            kind = target.value.replace("_", " ")
            scope.complain(
                (*at, "from"), f"cannot be taken over into {spec.field}, which is a {kind}; use a text or a date"
            )
        if spec.days and target not in DAYS:
            scope.complain((*at, "days"), "counts from a date into a date; take it out", of_key=True)
        found.append(Prefill(spec.field, spec.from_, spec.days))
    return tuple(found)


def _fits(target: FieldType, source: FieldType | None, *, of_contacts: bool) -> bool:
    if of_contacts:
        return target in TEXTS
    return source is None or target in TEXTS or (target is FieldType.DATE and source in DAYS)


def not_fillable(found: Collection[Prefill], vendor: VendorMap) -> Iterator[Problem]:
    """Fields that this CRM's mapping does not let the connector fill."""
    for name in dict.fromkeys(one.field for one in found):
        mapped = vendor.map.fields.get(name)
        if mapped is not None and mapped.owner is not FieldOwner.FILL_IF_EMPTY:
            message = f'process.toml takes it over from the CRM ([[prefill]]); set owner = "{FieldOwner.FILL_IF_EMPTY}"'
            yield vendor.problem(name, message)
