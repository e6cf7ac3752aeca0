"""Which field of a CRM is likely meant by a name of ours: by its name, what it can hold, how often it is filled.

Not here: reading the CRM (the caller brings what it described and counted) and writing mapping files. Nothing is
understood: words are compared, so that an admin can follow every guess to its reason. Pure; the same fields give the
same guesses.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from connector.handoff.model import Kind
from connector.handoff.rulebook.fields import FieldOwner, FieldType
from connector.policy.check import FITS
from connector.policy.check import FieldLike as Checked
from connector.policy.crmmap import CrmMap, MappedField
from connector.policy.known import KNOWN, OPEN_KINDS
from connector.policy.synonyms import SYNONYMS

FULL = 100
LIKELY = 60
"""From here on a guess is written into a first mapping and counted with in an audit."""

POSSIBLE = 45
"""From here on it is shown."""

NAME_SHARE, FILL_SHARE = 80, 20
"""Of a score's hundred: how much the name decides, and how much how often the field is filled."""

UNKNOWN_FILL = 0.5
"""What counts where nothing was counted: neither for a field nor against it."""

OTHER_NAME = 0.95
LOOSE_TYPE = 0.85
"""A synonym counts a little less than our own label; a type that holds the answer in another form less still."""

MORE = 3
"""Other candidates that are told beside the best."""

OURS = re.compile(r"handoff", re.IGNORECASE)
NOISE = frozenset(
    {"the", "a", "an", "of", "for", "to", "and", "or", "their", "our", "is", "they", "in", "on", "c", "hs"}
)
WEAK = frozenset(
    {
        *("owner", "manager", "name", "date", "account", "customer", "company", "deal", "opportunity", "reason"),
        *("closed", "type", "status", "number", "id", "stage"),
    }
)
"""What stands in so many names that it alone makes nothing alike."""

WORD = re.compile(r"[A-Z]{2,}s(?![a-z])|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

LOOSELY: Mapping[FieldType, tuple[FieldType, ...]] = {
    FieldType.LONG_TEXT: (FieldType.TEXT,),
    FieldType.DATETIME: (FieldType.DATE,),
    FieldType.TEXT: (FieldType.LONG_TEXT,),
}
"""What else may stand in the mapping for a field of the company's own, where the CRM's type does not hold the first."""

PEOPLE = frozenset({"User", "OWNER"})
"""What a field of people leads to (facts: HubSpot §5)."""

OF_ANYBODY = frozenset({"account.csm"})
"""What the connector keeps itself, and yet goes on with where the company has it already."""


class FieldLike(Checked, Protocol):
    """One field as a CRM describes it (``crm.port.FieldSchema``)."""

    @property
    def refers(self) -> tuple[str, ...]:
        """What a reference may lead to; empty when that is not told."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """One name of ours to find a field for. ``writes``: the connector itself will write it."""

    path: str
    kind: Kind
    label: str
    type: FieldType
    writes: bool = False


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One field that may be meant: ``score`` from 0 to 100, ``why`` in words, the type it is to be mapped as.

    ``filled`` of ``of`` records have something in it; ``of`` is 0 where nothing was counted.
    """

    path: str
    kind: Kind
    field: str
    label: str
    vendor_type: str
    type: FieldType
    score: int
    why: str
    filled: int = 0
    of: int = 0
    others: tuple[str, ...] = ()

    @property
    def is_likely(self) -> bool:
        """Whether it is sure enough to begin with."""
        return self.score >= LIKELY


@dataclass(frozen=True, slots=True)
class Fills:
    """How many of ``of`` records have something in each field, by the vendor's names."""

    of: int = 0
    filled: Mapping[str, int] | None = None

    def share(self, field: str) -> float:
        """Between 0 and 1; a half where nothing was counted."""
        if not self.of or self.filled is None:
            return UNKNOWN_FILL
        return self.filled.get(field, 0) / self.of


NOTHING_COUNTED = Fills()


def wanted(crm_map: CrmMap, *, absent_from: Mapping[Kind, Collection[str]]) -> tuple[Wanted, ...]:
    """What the map names on deals and accounts that the CRM does not have: people's fields, and the account's CSM."""
    found: list[Wanted] = []
    for kind in sorted(OPEN_KINDS):
        there = absent_from.get(kind, ())
        for mapped in crm_map.of(kind):
            if mapped.field not in there and mapped.type is not FieldType.REFERENCE and _is_asked(mapped):
                writes = mapped.owner is not FieldOwner.HUMAN
                found.append(Wanted(mapped.path, kind, mapped.label, mapped.type, writes))
    return tuple(found)


def _is_asked(mapped: MappedField) -> bool:
    """Whether a company may have it already: not what only the connector and its tools know."""
    own = mapped.name not in KNOWN[mapped.kind] and mapped.owner is not FieldOwner.DAEMON
    return own or mapped.path in OF_ANYBODY or (mapped.path in SYNONYMS and mapped.owner is FieldOwner.HUMAN)


def candidates(
    schema: Mapping[str, FieldLike], crm_map: CrmMap, *, kind: Kind, names: Iterable[Wanted] = ()
) -> tuple[str, ...]:
    """The fields worth reading: those nobody mapped yet that people may fill, the most alike to a wanted name first."""
    taken = {one.field for one in crm_map.of(kind)}
    open_ = [name for name, one in schema.items() if name not in taken and _is_open(name, one)]
    asked = [one for one in names if one.kind is kind]
    best = {name: max((_alike(one, name, schema[name].label)[0] for one in asked), default=0.0) for name in open_}
    return tuple(sorted(open_, key=lambda name: (-best[name], name)))


def suggest(
    names: Sequence[Wanted],
    schemas: Mapping[Kind, Mapping[str, FieldLike]],
    fills: Mapping[Kind, Fills] | None = None,
) -> tuple[Suggestion, ...]:
    """The best field for each name, the surest first; no field is suggested for two names.

    Names for which nothing is alike enough are left out. ``schemas`` holds the fields to choose from.
    """
    counted = fills or {}
    pairs = [
        found
        for one in names
        for field, look in schemas.get(one.kind, {}).items()
        if (found := _judge(one, field, look, counted.get(one.kind, NOTHING_COUNTED))) and found.score >= POSSIBLE
    ]
    ordered = sorted(pairs, key=lambda each: (-each.score, each.path, each.field))
    chosen: dict[str, Suggestion] = {}
    gone: set[tuple[Kind, str]] = set()
    for each in ordered:
        if each.path not in chosen and (each.kind, each.field) not in gone:
            chosen[each.path] = each
            gone.add((each.kind, each.field))
    return tuple(_with_others(each, ordered) for each in chosen.values())


def _with_others(chosen: Suggestion, ordered: Sequence[Suggestion]) -> Suggestion:
    others = (each for each in ordered if each.path == chosen.path and each.field != chosen.field)
    named = tuple(f"{each.field} ({each.score})" for each in others)[:MORE]
    return dataclasses.replace(chosen, others=named)


def _is_open(name: str, look: FieldLike) -> bool:
    """Whether people may have filled it: not what the CRM computes, nor what was made for us."""
    return look.writable and OURS.search(name) is None


def _judge(one: Wanted, field: str, look: FieldLike, fills: Fills) -> Suggestion | None:
    if not _is_open(field, look) or (one.writes and not (look.createable and look.updateable)):
        return None
    fit = _fit(one, look)
    if fit is None:
        return None
    type, type_share = fit
    alike, called = _alike(one, field, look.label)
    if not alike:
        return None
    score = round(type_share * (NAME_SHARE * alike + FILL_SHARE * fills.share(field)))
    filled = fills.filled.get(field, 0) if fills.filled is not None else 0
    why = f"{_called(one, look.label, called)}; {look.type} holds {type.value.replace('_', ' ')}"
    if fills.of and fills.filled is not None:
        why += f"; filled on {filled} of {fills.of}"
    return Suggestion(
        one.path, one.kind, field, look.label, look.type, type, min(score, FULL), why, filled, fills.of
    )  # fmt: skip


def _called(one: Wanted, label: str, called: str) -> str:
    """What made the names alike, in words."""
    if label.casefold() == one.label.casefold():
        return "the same label"
    if label.casefold() == called.casefold():
        return f"“{label}” is another name for {one.label}"
    return f"“{label}” reads like “{called}”"


def _fit(one: Wanted, look: FieldLike) -> tuple[FieldType, float] | None:
    """As what it would be mapped, and how much of the score that leaves; None where it cannot hold the answer."""
    if one.type is FieldType.PERSON and (look.choices or (look.refers and not PEOPLE.intersection(look.refers))):
        return None  # a list of words is no person, nor is a record of another kind
    if look.type in FITS[one.type]:
        return one.type, 1.0
    for other in LOOSELY.get(one.type, ()):
        if look.type in FITS[other]:
            return other, LOOSE_TYPE
    return None


def _alike(one: Wanted, field: str, label: str) -> tuple[float, str]:
    """How alike the names are, from 0 to 1, and which name of ours it was."""
    ours = ((one.label, 1.0), *((each, OTHER_NAME) for each in SYNONYMS.get(one.path, ())))
    theirs = (_words(label), _words(field.removesuffix("__c")))
    best, called = 0.0, ""
    for name, share in ours:
        words = _words(name)
        found = max(_overlap(words, each) for each in theirs) * share
        if found > best:
            best, called = found, name
    return best, called


def _overlap(ours: frozenset[str], theirs: frozenset[str]) -> float:
    """Twice the words they share by all the words they have (Dice)."""
    shared = ours & theirs
    telling = shared - WEAK or ours == theirs
    return 2 * len(shared) / (len(ours) + len(theirs)) if shared and telling else 0.0


def _words(name: str) -> frozenset[str]:
    return frozenset(_split(name)) - NOISE


def _split(name: str) -> Iterator[str]:
    for each in WORD.findall(name):
        word = each.lower()
        yield word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
