"""What an org may have before the product comes: put there by a test or a demo, past every check.

Not a deploy: what an admin did years ago is simply there. Every function takes the org's world; `on` is an object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.salesforce.fields import Field
from connector.sandbox.salesforce.metadata import applying, fieldxml
from connector.sandbox.salesforce.metadata.store import store
from connector.sandbox.salesforce.metadata.tree import Node, leaf
from connector.sandbox.salesforce.users import admin_user

if TYPE_CHECKING:
    from connector.sandbox.salesforce.metadata.store import Component
    from connector.sandbox.state import World

PAGE_FACET = "Facet-fields"


def plant(world: World, type: str, name: str, node: Node) -> Component:
    """Any component, put in force unchecked; `name` is the full name."""
    return applying.put(world, type, name, node, by=admin_user(world).id)


def plant_rule(
    world: World,
    name: str,
    *,
    formula: str,
    message: str,
    field: str = "",
    on: str = "Opportunity",
    active: bool = True,
) -> Component:
    """An existing validation rule."""
    said: dict[str, object] = {"fullName": name, "active": active, "errorConditionFormula": formula}
    if field:
        said["errorDisplayField"] = field
    said["errorMessage"] = message
    return plant(world, "ValidationRule", f"{on}.{name}", _node("ValidationRule", said))


def plant_field(world: World, on: str, field: Field) -> Component:
    """An existing custom field, required or not; a required one is put on the object's layouts."""
    return plant(world, "CustomField", f"{on}.{field.name}", fieldxml.to_node(field))


def plant_required_field(world: World, name: str, *, label: str = "", on: str = "Opportunity") -> Component:
    """A text field that every save of the object must fill."""
    return plant_field(world, on, Field(name, "string", 80, label or name, required=True))


def plant_flow(
    world: World,
    name: str,
    *,
    label: str = "",
    on: str = "Opportunity",
    trigger: str = "RecordBeforeSave",
    when: str = "CreateAndUpdate",
    active: bool = True,
) -> Component:
    """A record-triggered flow; it does nothing in this sandbox but exist."""
    start = _node("start", {"object": on, "recordTriggerType": when, "triggerType": trigger})
    head = _node("Flow", {"label": label or name, "processType": "AutoLaunchedFlow"})
    tail = leaf("status", "Active" if active else "Draft")
    return plant(world, "Flow", name, Node("Flow", children=[*head.children, start, tail]))


def plant_duplicate_rule(
    world: World, name: str, *, on: str = "Opportunity", label: str = "", blocks: bool = True, active: bool = True
) -> Component:
    """A duplicate rule: a component, and a row of the DuplicateRule object."""
    action = "Block" if blocks else "Allow"
    said = {
        "actionOnInsert": action,
        "actionOnUpdate": action,
        "alertText": "A record like this exists already.",
        "description": "",
        "isActive": active,
        "masterLabel": label or name,
        "securityOption": "EnforceSharingRules",
        "sortOrder": 1,
    }
    row = {"SobjectType": on, "DeveloperName": name, "MasterLabel": label or name, "IsActive": active}
    world.table("DuplicateRule").insert(row, by=admin_user(world).id)
    return plant(world, "DuplicateRule", f"{on}.{name}", _node("DuplicateRule", said))


def plant_dynamic_form(
    world: World, name: str, *, on: str = "Opportunity", fields: tuple[str, ...] = ("Name", "StageName")
) -> Component:
    """A record page whose fields stand on the page itself, so that layout sections do not show on it."""
    items = [
        Node(
            "itemInstances",
            children=[
                _node("fieldInstance", {"fieldItem": f"Record.{field}", "identifier": f"Record{field}Field"}),
            ],
        )
        for field in fields
    ]
    region = Node("flexiPageRegions", children=[*items, leaf("name", PAGE_FACET), leaf("type", "Facet")])
    tail = _node("FlexiPage", {"masterLabel": name, "sobjectType": on, "type": "RecordPage"})
    return plant(world, "FlexiPage", name, Node("FlexiPage", children=[region, *tail.children]))


def layout_fields(world: World, name: str) -> list[str]:
    """The fields on a layout, in order. Raises KeyError when there is no such layout."""
    found = store(world).get("Layout", name)
    if found is None:
        raise KeyError(name)
    return [item.get("field") for item in found.node.deep("layoutItems") if item.get("field")]


def _node(tag: str, said: dict[str, object]) -> Node:
    return Node(tag, children=[leaf(name, value) for name, value in said.items()])
