"""What makes a CustomField or CustomObject one the org accepts: names, types, and what each type must and must not say.

Not XML shape (`shapes.py`). Required and refused attributes: facts: Salesforce §5.4; the sentences follow the vendor's
pattern "Must specify 'x' for a CustomField of type Y".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from connector.sandbox.salesforce.metadata.fieldxml import MAPPED
from connector.sandbox.salesforce.metadata.shapes import Flaw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector.sandbox.salesforce.fields import Field
    from connector.sandbox.salesforce.metadata.tree import Node
    from connector.sandbox.salesforce.metadata.view import View

MAX_NAME = 40
MAX_LABEL = 40
MAX_HELP = 510
MAX_TEXT = 255
MAX_LONG = 131_072
MAX_PRECISION = 18
"""Facts: Salesforce §5.4 (precision), §6 (long text)."""
LONG_FROM = 256
API_NAME = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*")
NAME_RULE = (
    "can only contain underscores and alphanumeric characters. It must be unique, begin with a letter, not include "
    "spaces, not end with an underscore, and not contain two consecutive underscores."
)

NUMBERS = ("precision", "scale")
MUST: dict[str, tuple[str, ...]] = {
    "AutoNumber": (),
    "Checkbox": ("defaultValue",),
    "Currency": NUMBERS,
    "Html": ("length", "visibleLines"),
    "LongTextArea": ("length", "visibleLines"),
    "Lookup": ("referenceTo",),
    "MasterDetail": ("referenceTo", "relationshipName"),
    "MultiselectPicklist": ("visibleLines", "valueSet"),
    "Number": NUMBERS,
    "Percent": NUMBERS,
    "Picklist": ("valueSet",),
    "Text": ("length",),
}
MUST_OF_FORMULA: dict[str, tuple[str, ...]] = {"Currency": NUMBERS, "Number": NUMBERS, "Percent": NUMBERS}
LENGTH = frozenset({"Text", "LongTextArea", "Html", "EncryptedText"})
ONLY_FOR: dict[str, frozenset[str]] = {
    "length": LENGTH,
    "visibleLines": frozenset({"LongTextArea", "Html", "MultiselectPicklist"}),
    "precision": frozenset({"Currency", "Number", "Percent"}),
    "scale": frozenset({"Currency", "Number", "Percent"}),
    "valueSet": frozenset({"Picklist", "MultiselectPicklist"}),
    "referenceTo": frozenset({"Lookup", "MasterDetail"}),
    "displayFormat": frozenset({"AutoNumber"}),
}
TRUE_ONLY_FOR: dict[str, frozenset[str]] = {
    "externalId": frozenset({"Text", "Number", "Email", "AutoNumber"}),
    "unique": frozenset({"Text", "Number", "Email"}),
    "required": frozenset(MAPPED)
    - {"Checkbox", "LongTextArea", "Html", "MultiselectPicklist", "AutoNumber", "Summary"},
}
"""Attributes that may say false anywhere and true only on these types."""

FIXED_TYPES = frozenset({"reference", "boolean"})
"""Schema types that no other type becomes and that become no other."""


def field(view: View, name: str, node: Node) -> Iterator[Flaw]:
    """A CustomField named `Object.Field`."""
    object_name, _, field_name = name.partition(".")
    if object_name.lower() in ("task", "event") and field_name.endswith("__c"):
        yield _at(node, f"Entity Enumeration Or ID: bad value for restricted picklist field: {object_name}")
        return
    kind = view.object(object_name)
    if kind is None:
        yield _at(node, f"Entity Of {object_name} does not exist: no CustomObject named {object_name} found")
        return
    if not field_name.endswith("__c"):
        if kind.find(field_name) is None:
            yield _at(node, f"The custom field {name} must end in __c and no standard field has this name")
        return
    stem = field_name.removesuffix("__c")
    if not API_NAME.fullmatch(stem) or len(stem) > MAX_NAME:
        yield _at(node, f"The Custom Field Name {NAME_RULE}")
    yield from _attributes(node)
    yield from _values(node)
    yield from _target(view, node)
    if node.get("type") in MAPPED:
        yield from _change(node, kind.find(field_name))


def custom_object(view: View, name: str, node: Node) -> Iterator[Flaw]:
    """The head of an object file: a new custom object needs all of it, a known one may say a part."""
    if view.object(name) is not None:
        return
    if not name.endswith("__c"):
        yield _at(node, f"In field: fullName - no CustomObject named {name} found")
        return
    for tag in ("label", "pluralLabel", "nameField", "deploymentStatus", "sharingModel"):
        if node.first(tag) is None:
            yield _at(node, f"Must specify '{tag}' for a CustomObject")
    holder = node.first("nameField")
    if holder is not None and holder.get("type") not in ("Text", "AutoNumber"):
        yield _at(holder, "Must specify a nameField of type Text or AutoNumber")


def _attributes(node: Node) -> Iterator[Flaw]:
    kind = node.get("type")
    if not kind:
        yield _at(node, "Must specify 'type' for a CustomField")
        return
    if kind not in MAPPED:
        yield _at(node, f"A CustomField of type {kind} is not available in this organization")
        return
    is_formula = node.first("formula") is not None
    must = ("label", *(MUST_OF_FORMULA if is_formula else MUST).get(kind, ()))
    for tag in must:
        if not _has(node, tag):
            yield _at(node, f"Must specify '{tag}' for a CustomField of type {kind}")
    for tag, allowed in ONLY_FOR.items():
        if node.first(tag) is not None and kind not in allowed:
            yield _at(node.first(tag) or node, f"Can not specify '{tag}' for a CustomField of type {kind}")
    for tag, allowed in TRUE_ONLY_FOR.items():
        if node.truth(tag) and kind not in allowed:
            yield _at(node.first(tag) or node, f"Can not specify '{tag}' for a CustomField of type {kind}")
    yield from _sizes(node, kind)


def _sizes(node: Node, kind: str) -> Iterator[Flaw]:
    for tag, most in (("label", MAX_LABEL), ("inlineHelpText", MAX_HELP), ("description", 1_000)):
        if len(node.get(tag)) > most:
            yield _at(node.first(tag) or node, f"Value too long for field: {tag} maximum length is:{most}")
    length = _number(node, "length")
    low, high = (1, MAX_TEXT) if kind == "Text" else (LONG_FROM, MAX_LONG)
    if kind in LENGTH and length is not None and not low <= length <= high:
        yield _at(node.first("length") or node, f"Field length must be between {low} and {high}: {length}")
    precision, scale = _number(node, "precision"), _number(node, "scale")
    if precision is not None and not 1 <= precision <= MAX_PRECISION:
        yield _at(node.first("precision") or node, f"precision must be between 1 and {MAX_PRECISION}: {precision}")
    elif precision is not None and scale is not None and not 0 <= scale <= precision:
        yield _at(node.first("scale") or node, f"scale must be between 0 and the precision: {scale}")


def _values(node: Node) -> Iterator[Flaw]:
    entries = [v for v in node.deep("value") if v.children]
    seen: set[str] = set()
    for entry in entries:
        value = entry.get("fullName")
        if not value or len(value) > MAX_TEXT:
            yield _at(entry, "Picklist value must have a fullName of at most 255 characters")
        elif value.lower() in seen:
            yield _at(entry, f"Duplicate picklist value: {value}")
        seen.add(value.lower())
    holder = node.first("valueSet")
    if holder is not None and not entries and not holder.get("valueSetName"):
        yield _at(holder, "Must specify either 'valueSetDefinition' with values or 'valueSetName' for a valueSet")


def _target(view: View, node: Node) -> Iterator[Flaw]:
    target = node.first("referenceTo")
    if target is not None and view.object(target.text.strip()) is None:
        yield _at(target, f"referenceTo value of '{target.text.strip()}' does not resolve to a valid sObject type")
    if node.get("type") == "Lookup" and node.truth("required") and node.get("deleteConstraint") in ("", "SetNull"):
        yield _at(
            node, "Must specify 'deleteConstraint' of Restrict or Cascade for a required CustomField of type Lookup"
        )


def _change(node: Node, known: Field | None) -> Iterator[Flaw]:
    if known is None:
        return
    wanted = MAPPED[node.get("type")].type
    if wanted != known.type and FIXED_TYPES & {wanted, known.type}:
        yield _at(node, f"Cannot update a field from a {known.type} to something else: {node.get('type')}")
    if bool(known.formula) != (node.first("formula") is not None):
        yield _at(node, "Cannot update a field from a Formula to something else, or to a Formula from something else")
    target = node.get("referenceTo")
    if target and known.to and target not in known.to:
        yield _at(node.first("referenceTo") or node, "Cannot update referenceTo")


def _has(node: Node, tag: str) -> bool:
    found = node.first(tag)
    return found is not None and (bool(found.children) or bool(found.text.strip()))


def _number(node: Node, tag: str) -> int | None:
    text = node.get(tag)
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else None


def _at(node: Node, problem: str) -> Flaw:
    return Flaw(problem, node.line, node.column)
