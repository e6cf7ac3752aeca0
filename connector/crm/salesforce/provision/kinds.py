"""What the org's own fields are: their type in the vendor's words, which cannot be granted, which nobody can write.

Not here: which fields are wanted (``fields``) and what differs (``compare``). Pure. Two sources are joined, because
each leaves something out: describe hides a field its login may not see, metadata gives standard fields no type.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from connector.crm.salesforce.provision.component import Component
from connector.crm.salesforce.provision.org import OrgState
from connector.handoff.rulebook.fields import FieldType
from connector.policy.check import FITS

ACTIVITIES = ("Task", "Event")

DESCRIBED_AS: Mapping[str, str] = {
    "AutoNumber": "string",
    "Checkbox": "boolean",
    "Currency": "currency",
    "Date": "date",
    "DateTime": "datetime",
    "Email": "email",
    "EncryptedText": "encryptedstring",
    "Html": "textarea",
    "LongTextArea": "textarea",
    "Lookup": "reference",
    "MasterDetail": "reference",
    "MultiselectPicklist": "multipicklist",
    "Number": "double",
    "Percent": "percent",
    "Phone": "phone",
    "Picklist": "picklist",
    "Text": "string",
    "TextArea": "textarea",
    "Url": "url",
}
"""The Metadata API's word for a type -> describe's word for the same."""

HELD_BY: Mapping[str, frozenset[str]] = {
    "Checkbox": FITS[FieldType.BOOL],
    "Date": FITS[FieldType.DATE],
    "DateTime": FITS[FieldType.DATETIME],
    "LongTextArea": FITS[FieldType.LONG_TEXT],
    "Number": FITS[FieldType.NUMBER],
    "Picklist": FITS[FieldType.CHOICE],
    "Text": FITS[FieldType.TEXT],
}
"""A type we would make -> describe's words for those that can stand in for it, as ``handoff check`` judges them."""

UNGRANTED = frozenset({"MasterDetail"})
UNWRITTEN = frozenset({"AutoNumber", "Summary"})


@dataclass(frozen=True, slots=True)
class Kinds:
    """Fields by full name (``Opportunity.Amount``); a field of Activity stands under Task and Event as well.

    ``tracked`` counts, for each object, the fields whose history is kept.
    """

    types: Mapping[str, str]
    ungranted: frozenset[str]
    unwritten: frozenset[str]
    tracked: Mapping[str, int]


def kinds_of(org: OrgState) -> Kinds:
    """What describe and metadata say together; describe's word for a type is the better one."""
    types: dict[str, str] = {}
    ungranted, unwritten = set[str](), set[str]()
    for one in org.of("CustomField"):
        for name in _names(one.name):
            types[name] = DESCRIBED_AS.get(one.text("type"), "")
            if one.text("required") == "true" or one.text("type") in UNGRANTED:
                ungranted.add(name)
            if one.text("formula") or one.text("type") in UNWRITTEN:
                unwritten.add(name)
    for owner, looks in org.fields.items():
        for look in looks.values():
            types[f"{owner}.{look.name}"] = look.type
            if look.computed:
                unwritten.add(f"{owner}.{look.name}")
    followed = (one.name.partition(".")[0] for one in org.of("CustomField") if one.text("trackHistory") == "true")
    known = {name: type for name, type in types.items() if type}
    return Kinds(known, frozenset(ungranted), frozenset(unwritten), Counter(followed))


def stands_in(wanted: Component, present: Component) -> bool:
    """Whether a field of another type than ours holds what ours would. A key of ours is never stood in for."""
    theirs = DESCRIBED_AS.get(present.text("type"), "")
    return wanted.text("externalId") != "true" and theirs in HELD_BY.get(wanted.text("type"), frozenset())


def _names(full: str) -> tuple[str, ...]:
    owner, _, own = full.partition(".")
    return (full, *(f"{name}.{own}" for name in ACTIVITIES)) if owner == "Activity" else (full,)
