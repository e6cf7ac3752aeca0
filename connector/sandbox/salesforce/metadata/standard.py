"""What every org has before anyone touches it: its standard page layouts.

Not planted setup of a test (`planting.py`). The sections are plausible, not a copy of a real org's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.metadata.store import store
from connector.sandbox.salesforce.metadata.tree import Node, leaf
from connector.sandbox.salesforce.users import admin_user

if TYPE_CHECKING:
    from connector.sandbox.state import World

Columns = tuple[tuple[str, ...], ...]
Section = tuple[str, str, Columns]
"""Label, style, and per column its items: a field name, "!" behind it when required, "-" when read-only."""

TWO = "TwoColumnsTopToBottom"
LINKS = "CustomLinks"
SYSTEM: Section = ("System Information", TWO, (("CreatedById-",), ("LastModifiedById-",)))
DEAL = (
    ("OwnerId", "Name!", "AccountId", "Type", "LeadSource"),
    ("Amount", "CloseDate!", "NextStep", "StageName!", "Probability"),
)

LAYOUTS: dict[str, tuple[Section, ...]] = {
    "Opportunity-Opportunity Layout": (
        ("Opportunity Information", TWO, DEAL),
        ("Description Information", "OneColumn", (("Description",),)),
        SYSTEM,
        ("Custom Links", LINKS, ((), (), ())),
    ),
    "Opportunity-Opportunity (Partner) Layout": (
        ("Opportunity Information", TWO, (("OwnerId", "Name!", "AccountId"), ("Amount", "CloseDate!", "StageName!"))),
        SYSTEM,
    ),
    "Account-Account Layout": (
        (
            "Account Information",
            TWO,
            (("OwnerId", "Name!", "ParentId", "Type"), ("Phone", "Website", "Industry", "NumberOfEmployees")),
        ),
        ("Description Information", "OneColumn", (("Description",),)),
        SYSTEM,
    ),
    "Task-Task Layout": (
        (
            "Task Information",
            TWO,
            (("OwnerId!", "Subject", "ActivityDate"), ("WhoId", "WhatId", "Status!", "Priority!")),
        ),
        ("Description Information", "OneColumn", (("Description",),)),
        SYSTEM,
    ),
    "Event-Event Layout": (
        (
            "Calendar Details",
            TWO,
            (("OwnerId!", "Subject!", "Location"), ("StartDateTime!", "EndDateTime!", "WhoId", "WhatId")),
        ),
        ("Description Information", "OneColumn", (("Description",),)),
        SYSTEM,
    ),
}
RELATED = {
    "Opportunity": ("RelatedContactRoleList", "RelatedActivityList", "RelatedHistoryList"),
    "Account": ("RelatedContactList", "RelatedOpportunityList", "RelatedActivityList"),
}
OURS = "Handoff_"
FURNISHED = "metadata.furnished"
OUR_SECTION = "Handoff"
"""The section that an org which did not begin bare has on its layouts."""
BEHAVIOURS = {"!": "Required", "-": "Readonly"}


def furnish(world: World) -> None:
    """Put the standard layouts into an org's components, once; custom fields that it began with stand in a section."""
    if world.settings.get(FURNISHED):
        return
    world.setting(FURNISHED, True)
    by = admin_user(world).id
    for name, sections in LAYOUTS.items():
        object_name = name.partition("-")[0]
        kind = catalog(world).object(object_name)
        custom = tuple(f.name for f in kind.own if f.name.startswith(OURS)) if kind else ()
        half = (len(custom) + 1) // 2
        more = ((OUR_SECTION, TWO, (custom[:half], custom[half:])),) if custom else ()
        store(world).put("Layout", name, layout(object_name, (*sections[:1], *more, *sections[1:])), by=by)


def layout(object_name: str, sections: tuple[Section, ...]) -> Node:
    """A Layout node of these sections and the object's related lists."""
    children = [_section(*section) for section in sections]
    children += [Node("relatedLists", children=[leaf("relatedList", name)]) for name in RELATED.get(object_name, ())]
    tail = ("showEmailCheckbox", "showHighlightsPanel", "showInteractionLogPanel")
    return Node("Layout", children=[*children, *(leaf(name, False) for name in tail)])


def _section(label: str, style: str, columns: Columns) -> Node:
    head = [
        leaf("customLabel", style == LINKS),
        leaf("detailHeading", label == SYSTEM[0]),
        leaf("editHeading", style != LINKS),
        leaf("label", label),
    ]
    items = [Node("layoutColumns", children=[_item(field) for field in column]) for column in columns]
    return Node("layoutSections", children=[*head, *items, leaf("style", style)])


def _item(field: str) -> Node:
    behaviour = BEHAVIOURS.get(field[-1], "Edit")
    return Node("layoutItems", children=[leaf("behavior", behaviour), leaf("field", field.rstrip("!-"))])
