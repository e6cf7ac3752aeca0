"""The lines of a plan for a portal, and what an apply does for each.

Not here: how they are found (``compare``, ``remove``, ``rules``) and done (``apply``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connector.crm.hubspot.provision.definition import Definition
from connector.crm.hubspot.provision.desired import Group
from connector.crm.installer import Line, Plan

GROUP, PROPERTY, RULES, STAGE = "Group", "Property", "Pipeline rules", "Stage"
"""What a line is about."""


@dataclass(frozen=True, slots=True)
class MakeGroup:
    """Create a property group."""

    group: Group


@dataclass(frozen=True, slots=True)
class MakeProperty:
    """Create a property; ``restores``: the name is an archived one's, which comes back with this definition."""

    definition: Definition
    restores: bool = False


@dataclass(frozen=True, slots=True)
class ChangeProperty:
    """Change a property that is there into what ``wanted`` asks at least; ``body`` has the changed attributes alone."""

    wanted: Definition
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ArchiveProperty:
    """Archive a property; its values go with it."""

    object: str
    name: str


@dataclass(frozen=True, slots=True)
class ArchiveGroup:
    """Take a group away that nothing stands in any more."""

    group: Group


@dataclass(frozen=True, slots=True)
class SetRules:
    """Replace what the rules of one pipeline say of moving back."""

    pipeline: str
    body: Mapping[str, Any]


Act = MakeGroup | MakeProperty | ChangeProperty | ArchiveProperty | ArchiveGroup | SetRules


@dataclass(frozen=True, slots=True)
class Item(Line):
    """One line. ``act`` is what an apply does for it; None for what is kept, in conflict or a person's to do."""

    act: Act | None = None


@dataclass(frozen=True, slots=True)
class ProvisionPlan(Plan[Item]):
    """Everything one apply would do and say, in order."""
