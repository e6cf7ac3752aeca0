"""What a field and an object type are: the vocabulary of describe, and the lookup of names in any case.

Not the list of objects: that is `objects.py`, and which of them an org has: that is `catalog.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

Type = Literal[
    "id",
    "string",
    "textarea",
    "picklist",
    "multipicklist",
    "combobox",
    "reference",
    "boolean",
    "date",
    "datetime",
    "double",
    "currency",
    "percent",
    "int",
    "email",
    "phone",
    "url",
]
TEXT = frozenset({"string", "textarea", "picklist", "multipicklist", "combobox", "email", "phone", "url"})
NUMBER = frozenset({"double", "currency", "percent", "int"})
LONG_TEXT_FROM = 256
"""A text area longer than 255 characters is a long text area: not filterable, not sortable."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field as describe shows it. `required` is "required to create" (describe: not nillable, no default).

    `restricted` says whether a picklist takes only its `values`; `formula` makes a field computed and read-only in
    describe; `help` is the text beside it.
    """

    name: str
    type: Type
    length: int = 0
    label: str = ""
    required: bool = False
    read_only: bool = False
    create_only: bool = False
    values: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    relationship: str = ""
    default: Any = None
    external_id: bool = False
    unique: bool = False
    precision: int = 0
    scale: int = 0
    restricted: bool = True
    case_sensitive: bool = False
    formula: str = ""
    help: str = ""

    @property
    def custom(self) -> bool:
        """Whether an admin made it."""
        return self.name.endswith("__c")

    @property
    def is_long(self) -> bool:
        """Whether it is a long text area."""
        return self.type == "textarea" and self.length >= LONG_TEXT_FROM

    @property
    def filterable(self) -> bool:
        """Whether WHERE may name it."""
        return not self.is_long

    @property
    def hop(self) -> str:
        """The relationship name in a path, e.g. Account for AccountId; empty when it is no reference."""
        if self.type != "reference":
            return ""
        return self.relationship or (self.name[:-1] + "r" if self.custom else self.name.removesuffix("Id"))


@dataclass(frozen=True)
class ObjectType:
    """One object type. `parents` cascade: deleting the record that such a field names deletes this one too.

    `prefix` begins the ids of its records; `setup` objects hold configuration (facts: Salesforce §3.1, no mixing with
    setup objects).
    """

    name: str
    label: str
    prefix: str
    own: tuple[Field, ...]
    writable: bool = True
    searchable: bool = True
    indexed: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    system: tuple[Field, ...] = field(default=())
    setup: bool = False

    @property
    def custom(self) -> bool:
        """Whether an admin made it."""
        return self.name.endswith("__c")

    @cached_property
    def fields(self) -> dict[str, Field]:
        """Every field by lower-case name."""
        return {f.name.lower(): f for f in (*self.system[:1], *self.own, *self.system[1:])}

    @cached_property
    def hops(self) -> dict[str, Field]:
        """Every reference by lower-case relationship name."""
        return {f.hop.lower(): f for f in self.fields.values() if f.hop}

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """What an insert that leaves a field out puts there."""
        return {f.name: f.default for f in self.own if f.default is not None}

    def with_fields(self, more: tuple[Field, ...], *, without: frozenset[str] = frozenset()) -> ObjectType:
        """This type with fields added, or replaced where the name is known, and `without` (lower case) left out."""
        given = {f.name.lower(): f for f in more}
        kept = tuple(given.pop(f.name.lower(), f) for f in self.own if f.name.lower() not in without)
        return replace(self, own=(*kept, *given.values()))

    def find(self, name: str) -> Field | None:
        """The field of this name in any case."""
        return self.fields.get(name.lower())
