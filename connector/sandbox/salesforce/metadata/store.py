"""The components of one org: (type, full name) to a node, kept in the world's settings and so across restarts.

Not what is in force: applying a component to the schema, the rules and the permissions is `applying.py`. Settings,
because a reset of the records leaves an org's setup as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce.ids import make_id
from connector.sandbox.salesforce.metadata import tree
from connector.sandbox.salesforce.metadata.types import BY_NAME, MetadataType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector.sandbox.salesforce.metadata.tree import Node
    from connector.sandbox.state import World

PART = "metadata"
KEPT = "metadata:"
Key = tuple[str, str]
"""Type and full name, e.g. ("ValidationRule", "Opportunity.Close_Needs_Amount")."""


@dataclass(frozen=True, slots=True)
class Component:
    """One component of the org. Moments are ISO text in UTC; `by` are user ids."""

    type: str
    name: str
    node: Node
    id: str
    number: int
    created_at: str
    created_by: str
    modified_at: str
    modified_by: str

    @property
    def key(self) -> Key:
        """Type and full name."""
        return self.type, self.name

    @property
    def kind(self) -> MetadataType:
        """What its type is."""
        return BY_NAME[self.type]

    @property
    def xml(self) -> str:
        """Its file."""
        return tree.document(self.node)


class Store:
    """Every component of one org. Full names compare without case, as there."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._found: dict[Key, Component] = {}
        self._last = 0
        for key, value in world.settings.items():
            if key.startswith(KEPT) and value:
                component = _revive(value)
                self._found[_key(component.type, component.name)] = component
                self._last = max(self._last, component.number)

    def get(self, type: str, name: str) -> Component | None:
        """The component of this type and full name."""
        return self._found.get(_key(type, name))

    def of(self, *types: str) -> Iterator[Component]:
        """The components of these types, in order of creation."""
        return (c for c in list(self._found.values()) if c.type in types)

    def by_id(self, id: str) -> Component | None:
        """The component with this id, of either length."""
        return next((c for c in self._found.values() if c.id[:15] == id[:15]), None)

    def put(self, type: str, name: str, node: Node, *, by: str) -> Component:
        """Add or replace a component."""
        now = self._world.clock.now().isoformat(timespec="seconds")
        known = self.get(type, name)
        if known is not None:
            component = replace(known, node=node, modified_at=now, modified_by=by)
        else:
            self._last += 1
            id = make_id(BY_NAME[type].prefix, self._last)
            component = Component(type, name, node, id, self._last, now, by, now, by)
        self._found[_key(type, name)] = component
        self._world.setting(_setting(component), _dump(component))
        return component

    def drop(self, type: str, name: str) -> Component | None:
        """Remove a component and return it; None when there is none."""
        component = self._found.pop(_key(type, name), None)
        if component is not None:
            self._world.setting(_setting(component), None)
        return component


def store(world: World) -> Store:
    """The components of this org."""
    found: Store | None = world.parts.get(PART)
    if found is None:
        found = world.parts[PART] = Store(world)
    return found


def _key(type: str, name: str) -> Key:
    return type, name.lower()


def _setting(component: Component) -> str:
    return f"{KEPT}{component.type}:{component.name.lower()}"


def _dump(component: Component) -> dict[str, Any]:
    stamps = [component.created_at, component.created_by, component.modified_at, component.modified_by]
    return {
        "type": component.type,
        "name": component.name,
        "xml": component.xml,
        "id": component.id,
        "n": component.number,
        "stamps": stamps,
    }


def _revive(kept: dict[str, Any]) -> Component:
    node = tree.parse(kept["xml"])
    return Component(kept["type"], kept["name"], node, kept["id"], kept["n"], *kept["stamps"])
