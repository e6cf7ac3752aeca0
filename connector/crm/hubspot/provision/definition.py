"""Property groups and properties as the Properties API takes and shows them.

Not here: which of them the handoff needs (``desired``) and what a portal has (``portal``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from connector.crm.hubspot import wire
from connector.crm.hubspot.fields import OWNERSHIP
from connector.policy.meaning import is_ours

GROUP = "handoff"
GROUP_LABEL = "Handoff"
"""The group that everything we make stands in, on each type of object."""

FOR_PEOPLE: Mapping[tuple[str, str], str] = {
    ("string", "text"): "Single-line text",
    ("string", "textarea"): "Multi-line text",
    ("number", "number"): "Number",
    ("bool", "booleancheckbox"): "Single checkbox",
    ("date", "date"): "Date picker",
    ("datetime", "date"): "Date and time picker",
    ("enumeration", "select"): "Dropdown select",
}
"""Type and field type -> what HubSpot's settings call the pair."""


@dataclass(frozen=True, slots=True)
class Option:
    """One choice. A ``hidden`` one can be stored but is not offered."""

    value: str
    label: str
    order: int = -1
    hidden: bool = False
    description: str = ""

    def body(self, order: int) -> dict[str, Any]:
        """As it is sent, at its place in the list; all four attributes are required (facts: HubSpot §5)."""
        told = {"label": self.label, "value": self.value, "displayOrder": order, "hidden": self.hidden}
        return {**told, "description": self.description} if self.description else told


@dataclass(frozen=True, slots=True)
class Definition:
    """One property of one type of object. ``refers`` is OWNER for a picker of users, whose values are owner ids.

    ``hint`` is how a number is shown; empty leaves it to HubSpot.
    """

    object: str
    name: str
    label: str
    type: str
    field_type: str
    group: str = GROUP
    description: str = ""
    options: tuple[Option, ...] = ()
    unique: bool = False
    refers: str = ""
    hint: str = ""

    @property
    def key(self) -> str:
        """Object and name: ``deals.handoff_gate``."""
        return f"{self.object}.{self.name}"

    @property
    def bears_our_mark(self) -> bool:
        """Whether we made it: its description says so."""
        return is_ours(self.description)

    @property
    def shape(self) -> str:
        """Its kind as HubSpot's settings call it, its choices, whether its values are unique."""
        kind = FOR_PEOPLE.get((self.type, self.field_type), f"{self.type}/{self.field_type}")
        kind = "HubSpot user" if self.refers == OWNERSHIP else kind
        chosen = [one.value for one in self.options] if self.type == "enumeration" else []
        return ", ".join([kind, *chosen, *(["unique values"] if self.unique else [])])

    def body(self) -> dict[str, Any]:
        """What creates it."""
        told: dict[str, Any] = {
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "fieldType": self.field_type,
            "groupName": self.group,
            "description": self.description,
        }
        if self.options:
            told["options"] = [one.body(order) for order, one in enumerate(self.options)]
        if self.unique:
            told["hasUniqueValue"] = True
        if self.refers:
            told |= {"externalOptions": True, "referencedObjectType": self.refers}
        if self.hint:
            told["numberDisplayHint"] = self.hint
        return told


@dataclass(frozen=True, slots=True)
class Present(Definition):
    """A property as a portal has it. ``shipped``: HubSpot's own. ``fixed``: its definition is not to be changed,
    ``fixed_options``: its choices are not, ``unwritable``: nobody writes its values."""

    shipped: bool = False
    fixed: bool = False
    fixed_options: bool = False
    unwritable: bool = False
    archived_on: str = ""


def present(object_name: str, data: wire.Json) -> Present:
    """A property from an answer."""
    may = data.get("modificationMetadata") or {}
    archived = wire.moment(str(data.get("archivedAt") or ""))
    return Present(
        object=object_name,
        name=str(data.get("name", "")),
        label=str(data.get("label") or ""),
        type=str(data.get("type") or ""),
        field_type=str(data.get("fieldType") or ""),
        group=str(data.get("groupName") or ""),
        description=str(data.get("description") or ""),
        options=_in_order(_option(each) for each in data.get("options") or () if isinstance(each, Mapping)),
        unique=bool(data.get("hasUniqueValue")),
        refers=str(data.get("referencedObjectType") or "") if data.get("externalOptions") else "",
        shipped=bool(data.get("hubspotDefined")),
        fixed=bool(may.get("readOnlyDefinition")),
        fixed_options=bool(may.get("readOnlyOptions")),
        unwritable=bool(may.get("readOnlyValue") or data.get("calculated")),
        archived_on=archived.date().isoformat() if archived else "",
    )


def _in_order(options: Iterable[Option]) -> tuple[Option, ...]:
    """As people see them, whatever the order they are told in: a list that is sent is numbered anew by its places."""
    return tuple(sorted(options, key=lambda one: (one.order < 0, one.order)))


def _option(data: wire.Json) -> Option:
    order = data.get("displayOrder")
    return Option(
        value=str(data.get("value", "")),
        label=str(data.get("label", "")),
        order=order if isinstance(order, int) else -1,
        hidden=bool(data.get("hidden")),
        description=str(data.get("description") or ""),
    )
