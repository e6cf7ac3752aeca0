"""What should stand in the org for one map and one policy: every component, in the order a deploy can take them.

Not here: what stands there now (``org``), the difference (``compare``) and getting it there (``apply``). Pure: the
same map, policy and options give the same components.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from connector.crm.salesforce.provision.channel import channel, notification
from connector.crm.salesforce.provision.component import Component
from connector.crm.salesforce.provision.fields import custom_fields, places
from connector.crm.salesforce.provision.layout import READ_ONLY, REQUIRED, Section, Slot, section
from connector.crm.salesforce.provision.options import ByHand, Options, Part
from connector.crm.salesforce.provision.permissions import permissions
from connector.crm.salesforce.provision.reports import reports
from connector.crm.salesforce.provision.rules import validation_rules
from connector.errors import Problem
from connector.handoff.model import Kind
from connector.handoff.rulebook.policy import Policy
from connector.policy.crmmap import CrmMap
from connector.policy.known import WRITERS


@dataclass(frozen=True, slots=True)
class Desired:
    """The installation. Sections go into layouts that exist already; ``by_hand`` is what no component says.

    ``only_read`` names the fields that people fill: how long those are is the org's affair.
    """

    components: tuple[Component, ...]
    layout_section: Section
    account_section: Section
    by_hand: tuple[ByHand, ...] = ()
    problems: tuple[Problem, ...] = ()
    only_read: frozenset[str] = frozenset()

    @property
    def sections(self) -> tuple[Section, ...]:
        """The sections that have any field, deals first."""
        return tuple(one for one in (self.layout_section, self.account_section) if one.slots)


def desired(crm_map: CrmMap, policy: Policy, options: Options) -> Desired:
    """Everything the connector wants of the org. With ``problems`` nothing of it should be deployed."""
    fields = custom_fields(crm_map, policy, options)
    made = frozenset(one.name for one in fields.components if one.type == "CustomField")
    made |= {place.name for place in places(crm_map) if place.name in options.described}
    read = frozenset(place.name for place in places(crm_map) if place.mapped.owner not in WRITERS)
    whole = Part.of(
        (
            fields,
            permissions(crm_map, options, made=made),
            validation_rules(crm_map, policy, options),
            channel(crm_map, options),
            notification(options),
            reports(crm_map, policy, options, made=made),
        )
    )
    return Desired(
        components=whole.components,
        layout_section=_on_the_page(section(crm_map, Kind.DEAL), made, options),
        account_section=_on_the_page(section(crm_map, Kind.ACCOUNT), made, options),
        by_hand=whole.by_hand,
        problems=whole.problems,
        only_read=read,
    )


def _on_the_page(wanted: Section, made: frozenset[str], options: Options) -> Section:
    """The fields that are there once we are done, each with what its kind allows people to do with it."""
    slots = []
    for slot in wanted.slots:
        name = f"{wanted.object}.{slot.field}"
        behavior = READ_ONLY if name in options.unwritten else REQUIRED if name in options.ungranted else slot.behavior
        if name in made:
            slots.append(Slot(slot.field, behavior))
    return dataclasses.replace(wanted, slots=tuple(slots))
