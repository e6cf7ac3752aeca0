"""The lines of a plan for an org: what would be made, changed, kept, removed, and what only a person can do.

Not here: how they are found (``compare``, ``remove``) and done (``apply``).
"""

from __future__ import annotations

from dataclasses import dataclass

from connector.crm.installer import WRITES, Do, Line, Plan
from connector.crm.salesforce.provision.component import Component, Key


@dataclass(frozen=True, slots=True)
class Item(Line):
    """One line. ``component`` is what would be deployed."""

    component: Component | None = None

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
class ProvisionPlan(Plan[Item]):
    """Everything one apply would do and say, in order."""

    grants: tuple[Grant, ...] = ()

    @property
    def to_deploy(self) -> tuple[Component, ...]:
        """What a package would carry."""
        return tuple(item.component for item in self.of(Do.CREATE, Do.CHANGE) if item.component is not None)

    @property
    def to_remove(self) -> tuple[Key, ...]:
        """What a package would take away."""
        return tuple(item.key for item in self.of(Do.REMOVE))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.grants and not any(item.do in WRITES for item in self.items)
