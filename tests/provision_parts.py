"""The shipped installation, and orgs that hold it or something like it, for tests of planning.

Not here: expectations, and any wire: an org is plain data here.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from connector.crm.salesforce.provision.component import Component, Tree, leaf
from connector.crm.salesforce.provision.desired import Desired, desired
from connector.crm.salesforce.provision.layout import insert_section
from connector.crm.salesforce.provision.marks import marked
from connector.crm.salesforce.provision.options import Options
from connector.crm.salesforce.provision.org import FieldLook, OrgState
from connector.handoff.model import SystemName
from connector.policy.load import load

SF = SystemName("sf")
LOADED = load(Path(__file__).parents[1] / "mappings", {SF: "salesforce"})
POLICY, MAP = LOADED.policies[SF], LOADED.maps[SF]
WANTED = desired(MAP, POLICY, Options())
USER = "005000000000009AAA"

LAYOUT = Component(
    "Layout",
    "Opportunity-Opportunity Layout",
    (
        (
            "layoutSections",
            (
                leaf("label", "Opportunity Information"),
                ("layoutColumns", (("layoutItems", (leaf("behavior", "Required"), leaf("field", "Name"))),)),
                leaf("style", "OneColumn"),
            ),
        ),
    ),
)


def an_org(*components: Component, **changes: object) -> OrgState:
    """An org with a layout and these components."""
    state = OrgState("00D000000000001AAA", is_sandbox=True, components={one.key: one for one in (LAYOUT, *components)})
    return dataclasses.replace(state, **changes)  # type: ignore[arg-type]


def installed(wanted: Desired = WANTED) -> tuple[Component, ...]:
    """Every component as an apply leaves it in the org."""
    return (*(marked(one) for one in wanted.components), insert_section(LAYOUT, wanted.layout_section))


def with_leaf(component: Component, tag: str, value: str) -> Component:
    """The component with one of its own values changed."""
    body: Tree = tuple((name, value if name == tag else inner) for name, inner in component.body)
    return dataclasses.replace(component, body=body)


def the(type: str, name: str, among: tuple[Component, ...] | None = None) -> Component:
    """One of the installed components."""
    return next(one for one in (among or installed()) if one.key == (type, name))


def instead(*replaced: Component) -> tuple[Component, ...]:
    """The installation with these in the place of its own."""
    keys = {one.key for one in replaced}
    return (*(one for one in installed() if one.key not in keys), *replaced)


def a_rule(name: str, formula: str, *, message: str = "No.", active: bool = True) -> Component:
    """A validation rule of the org's own."""
    body = (
        leaf("fullName", name.partition(".")[2]),
        leaf("active", active),
        leaf("errorConditionFormula", formula),
        leaf("errorMessage", message),
    )
    return Component("ValidationRule", name, body)


def a_look(name: str, **changes: object) -> FieldLook:
    """A field as describe shows it."""
    look = FieldLook(
        name, "string", required=False, custom=True, unique=False, has_default=False, permissionable=True, choices=()
    )
    return dataclasses.replace(look, **changes)  # type: ignore[arg-type]
