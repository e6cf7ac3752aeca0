"""What a field path in a formula stands for: `Amount`, `Account.Industry`, `Owner:User.Email`, `$Permission.X`.

Not values: how a path is read on one record is in `surroundings.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Literal

from connector.sandbox.salesforce.fields import Field, ObjectType
from connector.sandbox.salesforce.formula.faults import FormulaError, no_such_field, unsupported_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.sandbox.salesforce.formula.nodes import Place, Reference

MAX_HOPS = 10
"""Relationships in one path [K]; unconfirmed."""


class Kind(Enum):
    """A formula's data types, by the names that messages use (engine: FormulaFieldExceptionDataTypes)."""

    TEXT = "Text"
    NUMBER = "Number"
    DATE = "Date"
    DATETIME = "DateTime"
    BOOLEAN = "Boolean"
    NULL = "Null"
    PICKLIST = "Picklist"
    SEVERAL = "Multi-Select Picklist"


_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("id", "reference", "string", "textarea", "combobox", "email", "phone", "url"), Kind.TEXT),
    **dict.fromkeys(("double", "currency", "percent", "int"), Kind.NUMBER),
    "boolean": Kind.BOOLEAN,
    "date": Kind.DATE,
    "datetime": Kind.DATETIME,
    "picklist": Kind.PICKLIST,
    "multipicklist": Kind.SEVERAL,
}
# Compound and encrypted fields are refused (facts: Salesforce §5.3; engine: UnsupportedTypeException).
_UNSUPPORTED = {"address": "Address", "location": "Geolocation", "encryptedstring": "Text (Encrypted)"}
# A person's Name is made of parts and no field of formulas since v20 (facts: Salesforce §5.3); the words: unconfirmed.
_COMPOUND_NAMES = frozenset({"User", "Contact", "Lead"})

Root = Literal["record", "user", "permission", "nothing"]


@dataclass(frozen=True, slots=True)
class Hop:
    """From a record to another: the field that holds its id, and its object."""

    field: str
    to: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where a path's value comes from. A permission's name stands in `field`; "nothing" is always null."""

    path: str
    root: Root
    hops: tuple[Hop, ...]
    field: Field
    kind: Kind

    @property
    def own(self) -> bool:
        """Whether it is a field of the record itself."""
        return self.root == "record" and not self.hops


@dataclass(frozen=True, slots=True)
class Names:
    """The names that a formula on one object may use.

    `find` gives an object type by name; `permitted` tells whether a custom permission of a name exists.
    """

    object: ObjectType
    find: Callable[[str], ObjectType | None]
    permitted: Callable[[str], bool]

    def resolve(self, reference: Reference) -> Source:
        """What the path stands for. Raises FormulaError."""
        path, place = reference.path, reference.place
        first, *rest = path.split(".")
        if first.lower() == "$permission" and len(rest) == 1:
            if not self.permitted(rest[0]):
                raise no_such_field(path, place)
            return Source(path, "permission", (), Field(rest[0], "boolean"), Kind.BOOLEAN)
        if first.lower() in _GLOBALS and rest:
            root, hops, target = _GLOBALS[first.lower()]
            return self._walk(path, place, rest, start=target, root=root, hops=hops)
        if first.lower() in ("$recordtype", "recordtype") and len(rest) == 1:
            return self._record_type(path, place, rest[0])
        return self._walk(path, place, [first, *rest], start=self.object.name, root="record", hops=())

    def _walk(
        self, path: str, place: Place, parts: list[str], *, start: str, root: Root, hops: tuple[Hop, ...]
    ) -> Source:
        kind = self.object if root == "record" else self._object(start)
        for part in parts[:-1]:
            hop, domain = _hop(kind, part, path, place)
            hops = (*hops, hop)
            kind = self._object(domain)
        if len(hops) > MAX_HOPS or (field := kind.find(parts[-1])) is None:
            raise no_such_field(path, place)
        if kind.name in _COMPOUND_NAMES and field.name == "Name":
            raise no_such_field(path, place)
        return Source(path, root, hops, field, _kind_of(field, path, place))

    def _object(self, name: str) -> ObjectType:
        return self.find(name) or _bare(name)

    def _record_type(self, path: str, place: Place, name: str) -> Source:
        hop = self.object.hops.get("recordtype")
        target = _bare("RecordType") if hop is None else self._object("RecordType")
        field = target.find(name)
        if field is None:
            raise no_such_field(path, place)
        if hop is None:
            # An object without record types has none to name: null (unconfirmed).
            return Source(path, "nothing", (), field, Kind.TEXT)
        return Source(path, "record", (Hop(hop.name, "RecordType"),), field, _kind_of(field, path, place))


# $-name -> where the walk starts, how it gets from the user to there, the object it is at.
_GLOBALS: dict[str, tuple[Root, tuple[Hop, ...], str]] = {
    "$user": ("user", (), "User"),
    "$profile": ("user", (Hop("ProfileId", "Profile"),), "Profile"),
    "$userrole": ("user", (Hop("UserRoleId", "UserRole"),), "UserRole"),
}


def _hop(kind: ObjectType, part: str, path: str, place: Place) -> tuple[Hop, str]:
    name, _, domain = part.partition(":")
    field = kind.hops.get(name.lower())
    # A reference to several objects must say which, as in Owner:User (engine: InvalidDomainReferenceException).
    if field is None or (not domain and len(field.to) != 1):
        raise no_such_field(path, place)
    target = next((to for to in field.to if not domain or to.lower() == domain.lower()), None)
    if target is None:
        words = f"{domain} is an invalid object type for the {name} field. Check spelling."
        raise FormulaError(words, place)
    return Hop(field.name, target), target


def _kind_of(field: Field, path: str, place: Place) -> Kind:
    known = _KINDS.get(field.type)
    if known is None:
        raise unsupported_type(_UNSUPPORTED.get(field.type, field.type), path, place)
    return known


def _bare(name: str) -> ObjectType:
    return ObjectType(name, name, "", tuple(Field(each, "string") for each in ("Id", "Name", "DeveloperName")))
