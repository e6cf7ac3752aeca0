"""The entities of the Tooling API and their rows, built from the org's components and schema at each asking.

Not the evaluation of a query (`tooling_query.py`). Columns: facts: Salesforce §5.1, and what a reader of an org's setup
asks first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.metadata import components, fieldxml
from connector.sandbox.salesforce.metadata.jsonxml import to_json
from connector.sandbox.salesforce.values import wire_datetime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connector.sandbox.salesforce.metadata.store import Component
    from connector.sandbox.state import World

HOLDER = "EntityDefinition.QualifiedApiName"
HEAD = ("Id", "FullName", "Metadata", "CreatedDate", "LastModifiedDate", "NamespacePrefix")
HELD = (HOLDER, "EntityDefinition.DeveloperName", "EntityDefinitionId", "TableEnumOrId")


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity: the columns a query may name, and its rows."""

    name: str
    columns: tuple[str, ...]
    rows: Callable[[World], Iterator[dict[str, Any]]]


def find(name: str) -> Entity | None:
    """The entity of this name in any case."""
    return next((e for e in ENTITIES if e.name.lower() == name.lower()), None)


def _head(component: Component) -> dict[str, Any]:
    said = to_json(component.node, component.type)
    said.pop("fullName", None)
    return {
        "Id": component.id,
        "FullName": component.name,
        "Metadata": said,
        "CreatedDate": _stamp(component.created_at),
        "LastModifiedDate": _stamp(component.modified_at),
        "NamespacePrefix": None,
    }


def _stamp(moment: str) -> str:
    return wire_datetime(datetime.fromisoformat(moment))


def _held(object_name: str) -> dict[str, Any]:
    entity = {"QualifiedApiName": object_name, "DeveloperName": object_name.removesuffix("__c")}
    return {"EntityDefinition": entity, "EntityDefinitionId": object_name, "TableEnumOrId": object_name}


def _rules(world: World) -> Iterator[dict[str, Any]]:
    for component in components.every(world, "ValidationRule"):
        object_name, _, name = component.name.partition(".")
        node = component.node
        yield {
            **_head(component),
            **_held(object_name),
            "ValidationName": name,
            "Active": node.truth("active"),
            "Description": node.get("description") or None,
            "ErrorDisplayField": node.get("errorDisplayField") or None,
            "ErrorMessage": node.get("errorMessage"),
        }


def _fields(world: World) -> Iterator[dict[str, Any]]:
    for component in components.every(world, "CustomField"):
        object_name, _, name = component.name.partition(".")
        yield {
            **_head(component),
            **_held(object_name),
            "DeveloperName": name.removesuffix("__c"),
            "InlineHelpText": component.node.get("inlineHelpText") or None,
        }


def _layouts(world: World) -> Iterator[dict[str, Any]]:
    for component in components.every(world, "Layout"):
        object_name, _, name = component.name.partition("-")
        yield {**_head(component), **_held(object_name), "Name": name, "LayoutType": "Standard"}


def _pages(world: World) -> Iterator[dict[str, Any]]:
    for component in components.every(world, "FlexiPage"):
        object_name = component.node.get("sobjectType")
        yield {
            **_head(component),
            **_held(object_name),
            "DeveloperName": component.name,
            "MasterLabel": component.node.get("masterLabel"),
            "Type": component.node.get("type"),
        }


def _flows(world: World) -> Iterator[dict[str, Any]]:
    for component in components.every(world, "Flow"):
        start = component.node.first("start")
        kind = component.node.get("processType")
        trigger = start.get("triggerType") if start else ""
        yield {
            **_head(component),
            "DurableId": component.name,
            "ApiName": component.name,
            "DeveloperName": component.name,
            "Label": component.node.get("label"),
            "MasterLabel": component.node.get("label"),
            "ProcessType": kind,
            "TriggerType": trigger or None,
            "RecordTriggerType": (start.get("recordTriggerType") if start else "") or None,
            "TriggerObjectOrEventLabel": (start.get("object") if start else "") or None,
            "TriggerObjectOrEventId": (start.get("object") if start else "") or None,
            "IsActive": component.node.get("status") == "Active",
            "Status": component.node.get("status"),
            "VersionNumber": 1,
        }


def _entities(world: World) -> Iterator[dict[str, Any]]:
    for kind in catalog(world).objects():
        yield {
            "Id": None,
            "DurableId": kind.name,
            "QualifiedApiName": kind.name,
            "DeveloperName": kind.name.removesuffix("__c"),
            "Label": kind.label,
            "MasterLabel": kind.label,
            "KeyPrefix": kind.prefix,
            "IsCustomizable": kind.writable and not kind.setup,
        }


def _definitions(world: World) -> Iterator[dict[str, Any]]:
    for kind in catalog(world).objects():
        for field in kind.fields.values():
            shown = fieldxml.NAMES.get(field.type, field.type.title())
            yield {
                "Id": None,
                **_held(kind.name),
                "DurableId": f"{kind.name}.{field.name}",
                "QualifiedApiName": field.name,
                "DeveloperName": field.name.removesuffix("__c"),
                "Label": field.label or field.name,
                "DataType": f"{shown}({field.length})" if shown == "Text" else shown,
                "Length": field.length,
                "Precision": field.precision,
                "Scale": field.scale,
                "IsNillable": not field.required,
                "IsCalculated": bool(field.formula),
            }


def _triggers(_world: World) -> Iterator[dict[str, Any]]:
    """No Apex runs here, so an org has none."""
    yield from ()


def _columns(*names: str) -> tuple[str, ...]:
    return (*HEAD, *names)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FLOW_COLUMNS = _words(
    "DurableId ApiName DeveloperName Label MasterLabel ProcessType TriggerType RecordTriggerType "
    "TriggerObjectOrEventLabel TriggerObjectOrEventId IsActive Status VersionNumber"
)
FIELD_COLUMNS = _words(
    "Id DurableId QualifiedApiName DeveloperName Label DataType Length Precision Scale IsNillable IsCalculated"
)
ENTITY_COLUMNS = _words("Id DurableId QualifiedApiName DeveloperName Label MasterLabel KeyPrefix IsCustomizable")
ENTITIES = (
    Entity(
        "ValidationRule",
        _columns(*HELD, "ValidationName", "Active", "Description", "ErrorDisplayField", "ErrorMessage"),
        _rules,
    ),
    Entity("CustomField", _columns(*HELD, "DeveloperName", "InlineHelpText"), _fields),
    Entity("Layout", _columns(*HELD, "Name", "LayoutType"), _layouts),
    Entity("FlexiPage", _columns(*HELD, "DeveloperName", "MasterLabel", "Type"), _pages),
    Entity("Flow", _columns(*FLOW_COLUMNS), _flows),
    Entity("FlowDefinitionView", _columns(*FLOW_COLUMNS), _flows),
    Entity("ApexTrigger", _columns(*HELD, "Name", "Status"), _triggers),
    Entity("EntityDefinition", ENTITY_COLUMNS, _entities),
    Entity("FieldDefinition", (*FIELD_COLUMNS, *HELD), _definitions),
)
