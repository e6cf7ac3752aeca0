"""The lines of a plan for an org: what would be made, changed, kept, removed, and what only a person can do.

Not here: how they are found (``compare``, ``remove``) and done (``apply``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from connector.crm.salesforce.provision.component import Component, Key


class Do(StrEnum):
    """What a line of a plan means for its component."""

    CREATE = "create"
    CHANGE = "change"
    REMOVE = "remove"
    KEEP = "keep"
    CONFLICT = "conflict"
    BY_HAND = "by_hand"


WRITES = frozenset({Do.CREATE, Do.CHANGE, Do.REMOVE})
"""What makes a plan one with something to do."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One attribute of a component that would become another; ``before`` is empty when there was none."""

    attribute: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Item:
    """One line. ``component`` is what would be deployed; ``blocks`` keeps the whole plan from being applied."""

    do: Do
    type: str
    name: str
    detail: str = ""
    why: str = ""
    differences: tuple[Difference, ...] = ()
    component: Component | None = None
    blocks: bool = False

    @property
    def key(self) -> Key:
        """Type and name."""
        return self.type, self.name


@dataclass(frozen=True, slots=True)
class Grant:
    """A permission set that a user is to hold, or with ``take`` no longer: rows, which no package can carry."""

    permission_set: str
    user_id: str
    take: bool = False


@dataclass(frozen=True, slots=True)
class ProvisionPlan:
    """Everything one apply would do and say, in order."""

    items: tuple[Item, ...]
    grants: tuple[Grant, ...] = ()

    def of(self, *wanted: Do) -> tuple[Item, ...]:
        """The lines of these kinds."""
        return tuple(item for item in self.items if item.do in wanted)

    @property
    def to_deploy(self) -> tuple[Component, ...]:
        """What a package would carry."""
        return tuple(item.component for item in self.of(Do.CREATE, Do.CHANGE) if item.component is not None)

    @property
    def to_remove(self) -> tuple[Key, ...]:
        """What a package would take away."""
        return tuple(item.key for item in self.of(Do.REMOVE))

    @property
    def blocked(self) -> tuple[Item, ...]:
        """The lines because of which nothing may be applied."""
        return tuple(item for item in self.items if item.blocks)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.grants and not any(item.do in WRITES for item in self.items)
