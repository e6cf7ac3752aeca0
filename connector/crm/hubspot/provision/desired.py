"""What should stand in a portal for one map and one policy: each property with its group, in the map's order.

Not here: what stands there now (``portal``), the difference (``compare``) and what only a person can do (``clicks``).
Pure: the same map and policy give the same properties.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from connector.crm.hubspot.fields import OBJECTS, OWNERSHIP
from connector.crm.hubspot.provision.definition import GROUP, GROUP_LABEL, Definition, Option
from connector.errors import Problem
from connector.handoff.model import Kind
from connector.handoff.rulebook.fields import FieldType
from connector.handoff.rulebook.policy import Policy
from connector.policy.crmmap import CrmMap, MappedField
from connector.policy.known import CHOICES
from connector.policy.meaning import described, explained

FILE = "hubspot.toml"
KINDS = (Kind.DEAL, Kind.ACCOUNT, Kind.TASK, Kind.NOTE, Kind.MEETING, Kind.EMAIL)
KEYS = frozenset({"task.key", "note.key", "meeting.key", "email.key"})
HUBSPOTS_OWN = ("hs_", "hubspot_")
"""How the names of HubSpot's own properties begin; nobody else can make one so."""

TEXT_CHARS = 65_536
"""Most characters of a text (facts: HubSpot §5)."""

LABEL_CHARS = 255
DESCRIPTION_CHARS = 1_024
"""Ours, well inside what portals take: HubSpot gives no figure for either."""

YES_OR_NO = (Option("true", "Yes"), Option("false", "No"))
PLAIN_NUMBER = "formatted"
"""A number with its thousands set apart. "percentage" would show 85 as 8,500 % (facts: HubSpot §5 names the hint)."""


@dataclass(frozen=True, slots=True)
class Group:
    """A heading under which properties stand, on one type of object."""

    object: str
    name: str = GROUP
    label: str = GROUP_LABEL

    @property
    def key(self) -> str:
        """Object and name."""
        return f"{self.object}.{self.name}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One property and the mapped fields it stands behind, all of one type."""

    definition: Definition
    mapped: MappedField
    why: str

    @property
    def is_key(self) -> bool:
        """Whether it carries our natural key, which the portal should keep unique."""
        return self.mapped.path in KEYS


@dataclass(frozen=True, slots=True)
class Desired:
    """The installation. ``unnamed`` are choices whose values the map does not say, so only a person can make them."""

    wanted: tuple[Wanted, ...]
    unnamed: tuple[Wanted, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def objects(self) -> tuple[str, ...]:
        """The types of object that are touched, deals first."""
        return tuple(dict.fromkeys(one.definition.object for one in (*self.wanted, *self.unnamed)))

    def groups(self, names: frozenset[str]) -> tuple[Group, ...]:
        """The group of each type of object on which one of these properties (by key) is to be made."""
        objects = dict.fromkeys(one.definition.object for one in self.wanted if one.definition.key in names)
        return tuple(Group(name) for name in objects)


def desired(crm_map: CrmMap, policy: Policy) -> Desired:
    """Everything the connector wants of a portal, less what only HubSpot itself can make."""
    wanted: dict[str, Wanted] = {}
    unnamed: list[Wanted] = []
    problems: list[Problem] = []
    for kind in KINDS:
        for mapped in crm_map.of(kind):
            if mapped.type is FieldType.REFERENCE or mapped.field.startswith(HUBSPOTS_OWN):
                continue
            one = _wanted(mapped, object_name=object_of(crm_map, kind), policy=policy)
            if mapped.type is FieldType.CHOICE and not one.definition.options:
                unnamed.append(one)
                continue
            problems += _too_long(mapped)
            wanted.setdefault(one.definition.key, one)
    return Desired(tuple(wanted.values()), tuple(unnamed), tuple(problems))


def object_of(crm_map: CrmMap, kind: Kind) -> str:
    """The type of object a kind of record is kept in, as paths name it."""
    return crm_map.objects.get(kind) or OBJECTS[kind]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What follows from a field's type alone."""

    type: str
    field_type: str
    options: tuple[Option, ...] = ()
    refers: str = ""
    hint: str = ""


def _wanted(mapped: MappedField, *, object_name: str, policy: Policy) -> Wanted:
    shape = _SHAPES[mapped.type](mapped)
    definition = Definition(
        object=object_name,
        name=mapped.field,
        label=" ".join((mapped.label or mapped.name.replace("_", " ").capitalize()).split())[:LABEL_CHARS],
        type=shape.type,
        field_type=shape.field_type,
        description=described(mapped, policy)[:DESCRIPTION_CHARS],
        options=shape.options,
        unique=mapped.path in KEYS,
        refers=shape.refers,
        hint=shape.hint,
    )
    return Wanted(definition, mapped, explained(mapped, policy))


def _choice(mapped: MappedField) -> _Shape:
    ours = CHOICES.get(mapped.path, ())
    values = dict.fromkeys([mapped.to_vendor(one) for one in ours] or mapped.values.values())
    return _Shape("enumeration", "select", tuple(Option(value, value) for value in values))


_SHAPES: Mapping[FieldType, Callable[[MappedField], _Shape]] = {
    FieldType.TEXT: lambda _: _Shape("string", "text"),
    FieldType.LONG_TEXT: lambda _: _Shape("string", "textarea"),
    FieldType.NUMBER: lambda _: _Shape("number", "number", hint=PLAIN_NUMBER),
    FieldType.BOOL: lambda _: _Shape("bool", "booleancheckbox", YES_OR_NO),
    FieldType.DATE: lambda _: _Shape("date", "date"),
    FieldType.DATETIME: lambda _: _Shape("datetime", "date"),
    FieldType.CHOICE: _choice,
    FieldType.PERSON: lambda _: _Shape("enumeration", "select", refers=OWNERSHIP),
}
"""Facts: HubSpot §5. A reference has no property: HubSpot links records by associations."""


def _too_long(mapped: MappedField) -> Iterator[Problem]:
    if mapped.max_chars > TEXT_CHARS and mapped.type in (FieldType.TEXT, FieldType.LONG_TEXT):
        message = f"a text in HubSpot holds {TEXT_CHARS} characters; set max_chars = {TEXT_CHARS}"
        yield Problem(FILE, f"fields.{mapped.path}", message)
