"""A custom field as XML and as the schema's field: each way, one row per metadata field type.

Not what makes a field valid (`check_fields.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connector.sandbox.salesforce.fields import Field, Type
from connector.sandbox.salesforce.metadata.tree import Node, leaf

TEXT_AREA_LENGTH = 255
EMAIL_LENGTH = 80
PHONE_LENGTH = 40
ID_LENGTH = 18
LONG_FROM = 256
AUTO_NUMBER_LENGTH = 30
PICKLIST_LENGTH = 255
MULTI_LENGTH = 4_099


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a metadata field type becomes in the schema; `length` where the type has a fixed one."""

    type: Type
    length: int = 0
    read_only: bool = False


MAPPED: dict[str, Mapped] = {
    "AutoNumber": Mapped("string", AUTO_NUMBER_LENGTH, read_only=True),
    "Checkbox": Mapped("boolean"),
    "Currency": Mapped("currency"),
    "Date": Mapped("date"),
    "DateTime": Mapped("datetime"),
    "Email": Mapped("email", EMAIL_LENGTH),
    "Hierarchy": Mapped("reference", ID_LENGTH),
    "Html": Mapped("textarea"),
    "LongTextArea": Mapped("textarea"),
    "Lookup": Mapped("reference", ID_LENGTH),
    "MasterDetail": Mapped("reference", ID_LENGTH),
    "MultiselectPicklist": Mapped("multipicklist", MULTI_LENGTH),
    "Number": Mapped("double"),
    "Percent": Mapped("percent"),
    "Phone": Mapped("phone", PHONE_LENGTH),
    "Picklist": Mapped("picklist", PICKLIST_LENGTH),
    "Summary": Mapped("double", read_only=True),
    "Text": Mapped("string"),
    "TextArea": Mapped("textarea", TEXT_AREA_LENGTH),
    "Url": Mapped("url", TEXT_AREA_LENGTH),
}
"""The field types this sandbox can hold."""

NAMES: dict[str, str] = {
    "boolean": "Checkbox",
    "currency": "Currency",
    "date": "Date",
    "datetime": "DateTime",
    "double": "Number",
    "email": "Email",
    "int": "Number",
    "multipicklist": "MultiselectPicklist",
    "percent": "Percent",
    "phone": "Phone",
    "picklist": "Picklist",
    "reference": "Lookup",
    "string": "Text",
    "url": "Url",
}


def to_field(node: Node) -> Field:
    """The schema's field that a checked CustomField node means."""
    kind = node.get("type")
    mapped = MAPPED[kind]
    formula = node.get("formula")
    values, default = _values(node)
    reference = node.get("referenceTo") or ("User" if kind == "Hierarchy" else "")
    return Field(
        name=node.get("fullName").rpartition(".")[2],
        type=mapped.type,
        length=mapped.length or int(node.get("length", "0")),
        label=node.get("label"),
        required=node.truth("required") or kind == "MasterDetail",
        read_only=mapped.read_only or bool(formula),
        create_only=kind == "MasterDetail",
        values=values,
        to=(reference,) if reference else (),
        default=node.get("defaultValue") == "true" if kind == "Checkbox" and not formula else default,
        external_id=node.truth("externalId"),
        unique=node.truth("unique"),
        precision=int(node.get("precision", "0")),
        scale=int(node.get("scale", "0")),
        restricted=_restricted(node),
        case_sensitive=node.truth("caseSensitive"),
        formula=formula,
        help=node.get("inlineHelpText"),
    )


def to_node(field: Field) -> Node:
    """A CustomField node that means this field: for one that the org has without a deploy."""
    kind = NAMES.get(field.type) or ("LongTextArea" if field.length >= LONG_FROM else "TextArea")
    given: dict[str, Any] = {"fullName": field.name}
    if kind == "Checkbox":
        given["defaultValue"] = bool(field.default)
    if field.external_id:
        given["externalId"] = True
    if field.formula:
        given["formula"] = field.formula
    if field.help:
        given["inlineHelpText"] = field.help
    given["label"] = field.label or field.name
    if kind in ("Text", "LongTextArea"):
        given["length"] = field.length
    if kind in ("Number", "Currency", "Percent"):
        given["precision"] = field.precision or ID_LENGTH
    if kind == "Lookup":
        given["referenceTo"] = field.to[0]
        given["relationshipName"] = field.hop.removesuffix("__r")
    if kind not in ("Checkbox", "LongTextArea"):
        given["required"] = field.required
    if kind in ("Number", "Currency", "Percent"):
        given["scale"] = field.scale
    given["type"] = kind
    if field.unique:
        given["unique"] = True
    children = [leaf(tag, value) for tag, value in given.items()]
    if field.type in ("picklist", "multipicklist"):
        children.append(_value_set(field))
    if kind == "LongTextArea":
        children.append(leaf("visibleLines", 3))
    return Node("CustomField", children=children)


def _restricted(node: Node) -> bool:
    values = node.first("valueSet")
    return values.truth("restricted") if values else True


def _values(node: Node) -> tuple[tuple[str, ...], str | None]:
    values = [v for v in node.deep("value") if v.children]
    names = tuple(v.get("fullName") for v in values if v.get("isActive") != "false")
    default = next((v.get("fullName") for v in values if v.truth("default")), None)
    return names, default


def _value_set(field: Field) -> Node:
    entries = [
        Node("value", children=[leaf("fullName", v), leaf("default", v == field.default), leaf("label", v)])
        for v in field.values
    ]
    definition = Node("valueSetDefinition", children=[leaf("sorted", False), *entries])
    return Node("valueSet", children=[leaf("restricted", field.restricted), definition])
