"""The custom fields that the map names, as metadata: type, size, values, help text.

Not here: standard fields (every org has them) and who may see a field (``permissions``). A custom field is one whose
API name ends in ``__c``; one mapped for tasks or meetings is defined on Activity, which both share (facts: §3.4).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from connector.crm.salesforce.fields import OBJECTS
from connector.crm.salesforce.keys import LEDGER_DEAL, LEDGER_KEY, LEDGER_OBJECT, LEDGER_RECORD
from connector.crm.salesforce.provision.component import Component, Tree, leaf
from connector.crm.salesforce.provision.options import ByHand, Options, Part
from connector.errors import Problem
from connector.handoff.model import Kind
from connector.handoff.rulebook.fields import FieldType
from connector.handoff.rulebook.policy import Policy
from connector.policy.crmmap import CrmMap, MappedField
from connector.policy.known import CHOICES, WRITERS
from connector.policy.meaning import described, explained

CUSTOM = "__c"
ACTIVITY = "Activity"
TEXT_CHARS = 255
LONG_TEXT_CHARS = 32_768
LONG_TEXT_MOST = 131_072
"""A long text holds up to this (facts: Salesforce §6.3)."""
LONG_TEXT_LEAST = 256
LABEL_CHARS = 40
NAME = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9]){0,39}")
"""A custom field's name before its ``__c``: it begins with a letter, and no underscore is last or beside another."""
NAME_CHARS = 40
HELP_CHARS = 510
RELATION_CHARS = 40
PRECISION = 18
"""Most digits of a number (facts: Salesforce §5.4)."""
SCALE = 2
TRACKED = frozenset(
    {"status", "gate", "csm", "account.csm", "complete", "summary_reviewed", "handoff_rating"}
    | {f"override_{part}" for part in ("requested", "reason", "approver", "expires")}
)
"""What an audit asks after: verdicts, people, what commission hangs on, each part of an override."""
TRACKED_MOST = 20
"""Fields of an object whose history can be kept (facts: Salesforce §6.10)."""

_WHOLE = {
    **dict.fromkeys(("percent", "metric_completion", "metric_milestones"), 3),
    **dict.fromkeys(("metric_escalations", "metric_overrides", "repeat_asks"), 4),
    "handoff_rating": 1,
    "account.tickets_30": 6,
}
"""Numbers without a fraction, with how many digits they have."""
_WIDE = frozenset({"summary", "missing"})
_KEYS = frozenset({"task.key", "meeting.key"})


@dataclass(frozen=True, slots=True)
class Place:
    """A custom field: the object it is defined on, and the mapped fields (one, or task's and meeting's) it serves."""

    object: str
    mapped: MappedField

    @property
    def name(self) -> str:
        """Its full name, ``Opportunity.Handoff_Gate__c``."""
        return f"{self.object}.{self.mapped.field}"


def object_of(crm_map: CrmMap, kind: Kind) -> str:
    """The object a kind of record is kept in."""
    return crm_map.objects.get(kind, OBJECTS[kind])


def places(crm_map: CrmMap) -> tuple[Place, ...]:
    """Every custom field of the map, once, in the map's order; notes can have none."""
    found: dict[tuple[str, str], Place] = {}
    for kind in (Kind.DEAL, Kind.ACCOUNT, Kind.TASK, Kind.MEETING):
        home = object_of(crm_map, kind)
        home = ACTIVITY if home in {"Task", "Event"} else home
        for mapped in crm_map.of(kind):
            if mapped.field.endswith(CUSTOM) and "." not in mapped.field:
                found.setdefault((home, mapped.field.lower()), Place(home, mapped))
    return tuple(found.values())


def custom_fields(crm_map: CrmMap, policy: Policy, options: Options) -> Part:
    """The fields to be made."""
    wanted = places(crm_map)
    followed, left_out = _followed(wanted, options)
    parts = [_field(place, crm_map=crm_map, policy=policy, options=options, followed=followed) for place in wanted]
    parts.append(left_out)
    parts.append(Part(problems=(*_on_notes(crm_map), *_at_odds(crm_map, wanted))))
    if options.ledger:
        parts.append(Part(components=tuple(_ledger())))
    return Part.of(parts)


@dataclass(frozen=True, slots=True)
class _Ask:
    """All that a type's shape may depend on."""

    place: Place
    crm_map: CrmMap

    @property
    def mapped(self) -> MappedField:
        return self.place.mapped


def _followed(wanted: tuple[Place, ...], options: Options) -> tuple[frozenset[str], Part]:
    """The fields whose history is to be kept, as far as the org has room for it; which it has no room for is said."""
    asked = [one for one in wanted if options.track_history and one.mapped.path in TRACKED and one.object != ACTIVITY]
    # A field that is there has its place already, or an admin chose to give it none.
    there = {one.name for one in asked if one.name in options.described}
    left = {one.object: TRACKED_MOST - options.tracked.get(one.object, 0) for one in asked}
    new, over = set[str](), list[str]()
    for one in asked:
        if one.name in there:
            continue
        if left[one.object] > 0:
            left[one.object] -= 1
            new.add(one.name)
        else:
            over.append(one.name)
    by_hand = ByHand(
        "CustomField",
        "Field history",
        f"No history is kept of {', '.join(over)}; to have it, free places (Set History Tracking) and tick them there.",
        f"An object keeps the history of {TRACKED_MOST} fields, and the org uses these places already.",
    )
    return frozenset(new | there), Part(by_hand=(by_hand,) if over else ())


def _field(place: Place, *, crm_map: CrmMap, policy: Policy, options: Options, followed: frozenset[str]) -> Part:
    mapped = place.mapped
    if place.name not in options.described and (unmade := _unmade(place)) is not None:
        return unmade
    made = _SHAPES[mapped.type](_Ask(place, crm_map))
    if isinstance(made, ByHand):
        # Somebody made it by hand already: nothing is left to do but to grant and show it.
        return Part() if place.name in options.described else Part(by_hand=(made,))
    words = explained(mapped, policy)
    shared: Tree = (
        leaf("label", " ".join((mapped.label or mapped.name.replace("_", " ").capitalize()).split())[:LABEL_CHARS]),
        leaf("description", described(mapped, policy)[:HELP_CHARS]),
        leaf("inlineHelpText", words[:HELP_CHARS]),
        *((leaf("trackHistory", True),) if place.name in followed else ()),
    )
    body = (leaf("fullName", mapped.field), *sorted((*shared, *made), key=lambda item: item[0]))
    problems = tuple(_too_long(place))
    return Part((Component("CustomField", place.name, body, why=words),), problems=problems)


def _unmade(place: Place) -> Part | None:
    """What to say of a field that is not there and cannot be made under its name; None when it can."""
    stem = place.mapped.field.removesuffix(CUSTOM)
    package, separator, _ = stem.partition("__")
    if separator:
        words = f"Install the package {package}, which brings it, or map another field."
        return Part(by_hand=(ByHand("CustomField", place.name, words, "Only its package can make it."),))
    if NAME.fullmatch(stem) and len(stem) <= NAME_CHARS:
        return None
    message = (
        f"{place.mapped.field} cannot be the name of a field: before {CUSTOM} it may have {NAME_CHARS} letters, digits "
        "and single underscores, a letter first and no underscore last"
    )
    return Part(problems=(Problem("salesforce.toml", f"fields.{place.mapped.path}", message),))


def _text(ask: _Ask) -> Tree:
    made: Tree = (leaf("type", "Text"), leaf("length", min(ask.mapped.max_chars or TEXT_CHARS, TEXT_CHARS)))
    if ask.mapped.path not in _KEYS:
        return made
    # Case-sensitive: a key holds record ids, and only the very same text is the same effect; a repository in use has it
    # so on Activity (facts: Salesforce §3.4).
    return *made, leaf("externalId", True), leaf("unique", True), leaf("caseSensitive", True)


def _long_text(ask: _Ask) -> Tree:
    size = min(max(ask.mapped.max_chars or LONG_TEXT_CHARS, LONG_TEXT_LEAST), LONG_TEXT_MOST)
    lines = 10 if ask.mapped.path in _WIDE else 5
    return leaf("type", "LongTextArea"), leaf("length", size), leaf("visibleLines", lines)


def _number(ask: _Ask) -> Tree:
    whole = _WHOLE.get(ask.mapped.path)
    precision, scale = (PRECISION, SCALE) if whole is None else (whole, 0)
    return leaf("type", "Number"), leaf("precision", precision), leaf("scale", scale)


def _choice(ask: _Ask) -> Tree | ByHand:
    mapped = ask.mapped
    ours = CHOICES.get(mapped.path, ())
    values = tuple(dict.fromkeys([mapped.to_vendor(one) for one in ours] or mapped.values.values()))
    if not values:
        return ByHand(
            "CustomField",
            ask.place.name,
            f"Create it with your values, or name them in the map: values = {{ … }} at {mapped.path}.",
            "It is a picklist, and the map does not say which values it has.",
        )
    entries: Tree = tuple(
        ("value", (leaf("fullName", one), leaf("default", False), leaf("label", one))) for one in values
    )
    # Restricted where the connector alone writes; a field people choose in may have grown values the map does not name.
    restricted = mapped.owner in WRITERS
    definition: Tree = (leaf("sorted", False), *entries)
    return leaf("type", "Picklist"), ("valueSet", (leaf("restricted", restricted), ("valueSetDefinition", definition)))


def _person(ask: _Ask) -> Tree:
    return _lookup(ask.place, "User")


def _reference(ask: _Ask) -> Tree | ByHand:
    if ask.mapped.path == "account":
        return _lookup(ask.place, object_of(ask.crm_map, Kind.ACCOUNT))
    return ByHand(
        "CustomField",
        ask.place.name,
        "Create the lookup in Setup, to the object it is meant for.",
        "It refers to records of an object that the map does not name.",
    )


def _lookup(place: Place, target: str) -> Tree:
    stem = place.mapped.field.removesuffix(CUSTOM)
    # One name per field in the whole org: two lookups to the same object may not share theirs.
    name = f"{stem}_on_{place.object.removesuffix(CUSTOM).replace('__', '_')}"
    return (
        leaf("type", "Lookup"),
        leaf("referenceTo", target),
        leaf("relationshipName", name[:RELATION_CHARS].rstrip("_")),
        leaf("deleteConstraint", "SetNull"),
    )


_SHAPES: Mapping[FieldType, Callable[[_Ask], Tree | ByHand]] = {
    FieldType.TEXT: _text,
    FieldType.LONG_TEXT: _long_text,
    FieldType.NUMBER: _number,
    FieldType.BOOL: lambda _: (leaf("type", "Checkbox"), leaf("defaultValue", False)),
    FieldType.DATE: lambda _: (leaf("type", "Date"),),
    FieldType.DATETIME: lambda _: (leaf("type", "DateTime"),),
    FieldType.CHOICE: _choice,
    FieldType.PERSON: _person,
    FieldType.REFERENCE: _reference,
}
"""Each type's own elements; a test holds the table complete."""


def _ledger() -> Iterator[Component]:
    """One row per effect, written in one transaction with it, where Activity may get no key (facts: §3.4)."""
    why = "One row for each task or meeting the connector made, so that none is made twice."
    name_field: Tree = (
        leaf("displayFormat", "HE-{000000}"),
        leaf("label", "Handoff effect"),
        leaf("type", "AutoNumber"),
    )
    body: Tree = (
        leaf("deploymentStatus", "Deployed"),
        leaf("description", why),
        leaf("label", "Handoff effect"),
        ("nameField", name_field),
        leaf("pluralLabel", "Handoff effects"),
        leaf("sharingModel", "Private"),
    )
    yield Component("CustomObject", LEDGER_OBJECT, body, why)
    key = (leaf("caseSensitive", True), leaf("externalId", True), leaf("unique", True))
    rows = (
        (LEDGER_KEY, "Handoff key", TEXT_CHARS, key),
        (LEDGER_RECORD, "Record", 18, ()),
        (LEDGER_DEAL, "Deal", 18, ()),
    )
    for field, label, length, more in rows:
        inner = sorted((leaf("label", label), leaf("length", length), leaf("type", "Text"), *more))
        yield Component("CustomField", f"{LEDGER_OBJECT}.{field}", (leaf("fullName", field), *inner), why)


def _too_long(place: Place) -> Iterator[Problem]:
    most = {FieldType.TEXT: TEXT_CHARS, FieldType.LONG_TEXT: LONG_TEXT_MOST}.get(place.mapped.type)
    if most and place.mapped.max_chars > most:
        kind = place.mapped.type.value.replace("_", " ")
        message = f"a {kind} in Salesforce holds {most} characters; set max_chars = {most}"
        message += ", or make it a long_text" if most == TEXT_CHARS else ""
        yield Problem("salesforce.toml", f"fields.{place.mapped.path}", message)


def _on_notes(crm_map: CrmMap) -> Iterator[Problem]:
    for mapped in crm_map.of(Kind.NOTE):
        if mapped.field.endswith(CUSTOM):
            message = f"{object_of(crm_map, Kind.NOTE)} cannot have the custom field {mapped.field}; take it out"
            yield Problem("salesforce.toml", f"fields.{mapped.path}", message)


def _at_odds(crm_map: CrmMap, wanted: tuple[Place, ...]) -> Iterator[Problem]:
    """Fields of tasks and meetings share one field on Activity, so their types must be one."""
    first = {(place.object, place.mapped.field.lower()): place.mapped for place in wanted}
    for kind in (Kind.DEAL, Kind.ACCOUNT, Kind.TASK, Kind.MEETING):
        home = object_of(crm_map, kind)
        for mapped in crm_map.of(kind):
            other = first.get((ACTIVITY if home in {"Task", "Event"} else home, mapped.field.lower()))
            if other is not None and other.type is not mapped.type:
                message = (
                    f'{mapped.field} is "{mapped.type}" here and "{other.type}" at {other.path}; make them the same'
                )
                yield Problem("salesforce.toml", f"fields.{mapped.path}", message)
