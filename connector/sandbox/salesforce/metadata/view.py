"""The org as it will be once what was checked so far is applied: what later components may refer to.

Not the applying (`applying.py`): nothing here changes the org.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.salesforce.catalog import ACTIVITY, catalog
from connector.sandbox.salesforce.fields import Field, ObjectType
from connector.sandbox.salesforce.metadata import components, fieldxml
from connector.sandbox.salesforce.setup_objects import ACTIVITIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector.sandbox.salesforce.metadata.tree import Node
    from connector.sandbox.state import World


class View:
    """The org, with components added and taken away. Names compare without case."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._added: dict[tuple[str, str], Node] = {}
        self._gone: set[tuple[str, str]] = set()
        self._objects: dict[str, ObjectType] = {}

    def add(self, type: str, name: str, node: Node) -> None:
        """Count a checked component as part of the org."""
        key = (type, name.lower())
        self._added[key] = node
        self._gone.discard(key)
        if type == "CustomField" and name.endswith("__c"):
            self._add_field(name.partition(".")[0], fieldxml.to_field(node))
        elif type == "CustomObject" and self.object(name) is None:
            self._objects[name.lower()] = ObjectType(name, node.get("label"), "", (name_field(node),))

    def remove(self, type: str, name: str) -> None:
        """Count a component as gone."""
        self._gone.add((type, name.lower()))
        self._added.pop((type, name.lower()), None)
        if type == "CustomField":
            object_name, _, field_name = name.partition(".")
            for target in spread(object_name):
                kind = self.object(target)
                if kind is not None:
                    self._objects[target.lower()] = kind.with_fields((), without=frozenset({field_name.lower()}))

    def object(self, name: str) -> ObjectType | None:
        """The object type of this name; Activity has the fields that Task has."""
        found = self._objects.get(name.lower()) or catalog(self.world).object(name)
        if found is None and name.lower() == ACTIVITY.lower():
            return self.object(ACTIVITIES[0])
        gone = ("CustomObject", name.lower()) in self._gone
        return None if gone else found

    def field(self, path: str) -> Field | None:
        """The field that `Object.Field` names."""
        object_name, _, field_name = path.partition(".")
        kind = self.object(object_name)
        return kind.find(field_name) if kind else None

    def get(self, type: str, name: str) -> Node | None:
        """The component of this type and full name as it will be."""
        key = (type, name.lower())
        if key in self._gone:
            return None
        known = components.one(self.world, type, name)
        return self._added.get(key) or (known.node if known else None)

    def of(self, type: str) -> Iterator[tuple[str, Node]]:
        """Every component of a type as it will be, by full name in lower case."""
        found = {c.name.lower(): c.node for c in components.every(self.world, type)}
        found.update({name: node for (t, name), node in self._added.items() if t == type})
        return ((name, node) for name, node in found.items() if (type, name) not in self._gone)

    def _add_field(self, object_name: str, field: Field) -> None:
        for target in spread(object_name):
            kind = self.object(target)
            if kind is not None:
                self._objects[target.lower()] = kind.with_fields((field,))


def spread(object_name: str) -> tuple[str, ...]:
    """The objects a field's object stands for: Activity is Task and Event (facts: Salesforce §3.4)."""
    return ACTIVITIES if object_name.lower() == ACTIVITY.lower() else (object_name,)


def name_field(node: Node) -> Field:
    """The Name field of a custom object."""
    holder = node.first("nameField")
    label = holder.get("label") if holder else ""
    automatic = holder is not None and holder.get("type") == "AutoNumber"
    return Field("Name", "string", fieldxml.EMAIL_LENGTH, label or "Name", required=False, read_only=automatic)
