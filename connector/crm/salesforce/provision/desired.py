"""What should stand in the org for one map and one policy: every component, in the order a deploy can take them.

Not here: what stands there now (``org``), the difference (``compare``) and getting it there (``apply``). Pure: the
same map, policy and options give the same components.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from connector.crm.salesforce.provision.channel import channel, notification
from connector.crm.salesforce.provision.component import Component
from connector.crm.salesforce.provision.fields import custom_fields
from connector.crm.salesforce.provision.layout import Section, section
from connector.crm.salesforce.provision.options import ByHand, Options, Part
from connector.crm.salesforce.provision.permissions import permissions
from connector.crm.salesforce.provision.reports import reports
from connector.crm.salesforce.provision.rules import validation_rules
from connector.errors import Problem
from connector.handoff.model import Kind
from connector.handoff.rulebook import Policy
from connector.policy.crmmap import CrmMap


@dataclass(frozen=True, slots=True)
class Desired:
    """The installation. Sections go into layouts that exist already; ``by_hand`` is what no component says."""

    components: tuple[Component, ...]
    layout_section: Section
    account_section: Section
    by_hand: tuple[ByHand, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def sections(self) -> tuple[Section, ...]:
        """The sections that have any field, deals first."""
        return tuple(one for one in (self.layout_section, self.account_section) if one.slots)


def desired(crm_map: CrmMap, policy: Policy, options: Options) -> Desired:
    """Everything the connector wants of the org. With ``problems`` nothing of it should be deployed."""
    fields = custom_fields(crm_map, policy, options)
    made = frozenset(one.name for one in fields.components if one.type == "CustomField")
    whole = Part.of(
        (
            fields,
            permissions(crm_map, options, made=made),
            validation_rules(crm_map, policy, options),
            channel(crm_map, options),
            notification(options),
            reports(crm_map, options, made=made),
        )
    )
    return Desired(
        components=whole.components,
        layout_section=_made_only(section(crm_map, Kind.DEAL), made),
        account_section=_made_only(section(crm_map, Kind.ACCOUNT), made),
        by_hand=whole.by_hand,
        problems=whole.problems,
    )


def _made_only(wanted: Section, made: frozenset[str]) -> Section:
    slots = tuple(slot for slot in wanted.slots if f"{wanted.object}.{slot.field}" in made)
    return dataclasses.replace(wanted, slots=slots)
