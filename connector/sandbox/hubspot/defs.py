"""What a property is: its definition as the properties API shows and accepts it.

Not the checking of values (`values.py`), nor the list of properties of a portal (`catalog.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

DEFINED_AT = datetime(2024, 2, 1, 9, 0, tzinfo=UTC)

# Which field types a type may have (facts: HubSpot §5).
PAIRS: dict[str, frozenset[str]] = {
    "bool": frozenset({"booleancheckbox", "calculation_equation"}),
    "enumeration": frozenset({"booleancheckbox", "checkbox", "radio", "select", "calculation_equation"}),
    "date": frozenset({"date"}),
    "datetime": frozenset({"date"}),
    "string": frozenset({"text", "textarea", "html", "phonenumber", "file", "calculation_equation"}),
    "number": frozenset({"number", "calculation_equation"}),
    "phone_number": frozenset({"phonenumber"}),
}
# What may be sent on create; the last five cannot be changed later (facts: HubSpot §5).
FIXED = frozenset({"name", "hasUniqueValue", "externalOptions", "referencedObjectType", "dataSensitivity"})


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of an enumeration."""

    value: str
    label: str
    order: int = 0
    hidden: bool = False
    description: str = ""

    def body(self) -> dict[str, Any]:
        """As it stands in JSON."""
        return {
            "label": self.label,
            "value": self.value,
            "description": self.description,
            "displayOrder": self.order,
            "hidden": self.hidden,
        }


@dataclass(frozen=True, slots=True)
class Definition:
    """One property of one object type."""

    name: str
    label: str
    type: str = "string"
    field_type: str = "text"
    group: str = ""
    description: str = ""
    options: tuple[Option, ...] = ()
    order: int = -1
    unique: bool = False
    read_only: bool = False
    calculated: bool = False
    owner: bool = False
    hidden: bool = False
    form_field: bool = False
    built_in: bool = True
    archived: bool = False
    formula: str = ""
    created_at: datetime = DEFINED_AT
    updated_at: datetime = DEFINED_AT
    archived_at: datetime | None = None
    by: str = ""

    @property
    def multiple(self) -> bool:
        """Whether the value is a `;`-separated list."""
        return self.type == "enumeration" and self.field_type == "checkbox"

    def allows(self, value: str) -> bool:
        """Whether the value is one of the options."""
        return any(o.value == value for o in self.options)


def options(*pairs: str | tuple[str, str]) -> tuple[Option, ...]:
    """Options in order; a plain string is value and label at once."""
    named = ((p, p) if isinstance(p, str) else p for p in pairs)
    return tuple(Option(value=value, label=label, order=n) for n, (value, label) in enumerate(named))


YES_NO = options(("true", "Yes"), ("false", "No"))


def text(name: str, label: str, **more: Any) -> Definition:
    """A line of text."""
    return Definition(name=name, label=label, **more)


def long_text(name: str, label: str, **more: Any) -> Definition:
    """Several lines of text."""
    return Definition(name=name, label=label, field_type="textarea", **more)


def number(name: str, label: str, **more: Any) -> Definition:
    """A number."""
    return Definition(name=name, label=label, type="number", field_type="number", **more)


def day(name: str, label: str, **more: Any) -> Definition:
    """A date without a time."""
    return Definition(name=name, label=label, type="date", field_type="date", **more)


def moment(name: str, label: str, **more: Any) -> Definition:
    """A date with a time."""
    return Definition(name=name, label=label, type="datetime", field_type="date", **more)


def choice(name: str, label: str, choices: tuple[Option, ...], **more: Any) -> Definition:
    """One of several options."""
    return Definition(name=name, label=label, type="enumeration", field_type="select", options=choices, **more)


def yes_no(name: str, label: str, **more: Any) -> Definition:
    """A checkbox."""
    return Definition(name=name, label=label, type="bool", field_type="booleancheckbox", options=YES_NO, **more)


def owner(name: str, label: str, **more: Any) -> Definition:
    """An owner picker; its value is an owner id (facts: HubSpot §5)."""
    return Definition(name=name, label=label, type="enumeration", field_type="select", owner=True, **more)


def derived(definition: Definition) -> Definition:
    """The same property, computed by the portal and closed to writers."""
    return replace(definition, read_only=True, calculated=True)
