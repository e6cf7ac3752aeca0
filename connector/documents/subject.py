"""What is documented: one system's policy and map, and how its fields are called.

Not here: whole sentences about rules (``words``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from connector.handoff.rulebook.gate import Requirement
from connector.handoff.rulebook.people import Role
from connector.handoff.rulebook.playbooks import Playbook, PlaybookTask
from connector.handoff.rulebook.policy import Policy
from connector.policy.calendars import hours_a_day
from connector.policy.crmmap import CrmMap

VENDORS = {"salesforce": "Salesforce", "hubspot": "HubSpot"}
SALES = frozenset({Role.AE, Role.AE_MANAGER, Role.PHASE, Role.FIRST_AVAILABLE})
CS = frozenset({Role.CSM, Role.CSM_MANAGER, Role.PHASE, Role.FIRST_AVAILABLE})


@dataclass(frozen=True, slots=True)
class Subject:
    """One system. ``labels`` are the CRM's own labels of fields by canonical path, ``stages`` those of stages by id,
    where they were read; they come before the mapping's words."""

    system: str
    policy: Policy
    map: CrmMap
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    stages: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def vendor(self) -> str:
        """The CRM as people call it."""
        return VENDORS.get(self.map.vendor, self.map.vendor)

    @property
    def day(self) -> Decimal:
        """The hours of a working day."""
        return hours_a_day(self.policy.calendar)

    def label(self, path: str) -> str:
        """What people call the field behind a canonical path."""
        if named := self.labels.get(path):
            return named
        mapped = self.map.fields.get(path)
        known = self.policy.fields.get(path)
        told = (mapped.label if mapped else "") or (known.label if known else "")
        return told or path.rpartition(".")[2].replace("_", " ")

    def stage(self, stage_id: str) -> str:
        """A stage as people call it, where the CRM said so."""
        return self.stages.get(stage_id, stage_id)

    def has(self, path: str) -> bool:
        """Whether a field is mapped."""
        return path in self.map.fields

    def choice(self, path: str, value: str) -> str:
        """A choice as the CRM shows it."""
        mapped = self.map.fields.get(path)
        return mapped.to_vendor(value) if mapped else value

    def requirements(self) -> Iterator[tuple[str, tuple[Requirement, ...]]]:
        """Each required field once, with every entry that asks for it, in the order of the config."""
        by_field: dict[str, list[Requirement]] = {}
        for one in self.policy.gate.requirements:
            by_field.setdefault(one.field, []).append(one)
        return ((field, tuple(found)) for field, found in by_field.items())

    def tasks_of(self, roles: frozenset[Role]) -> Iterator[tuple[Playbook, PlaybookTask]]:
        """The steps that such people do, by playbook."""
        return ((book, task) for book in self.policy.playbooks for task in book.tasks if task.owner in roles)

    @property
    def leaders(self) -> tuple[str, ...]:
        """Who stands on the highest rung of the escalation ladder, by email."""
        ladder = self.policy.escalation.ladder
        return ladder[-1].emails if ladder else ()
