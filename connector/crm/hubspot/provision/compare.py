"""The difference between what a portal should have and what it has, as a plan: create, change, keep, conflict, by hand.

Not here: reading the portal (``portal``), clicks (``clicks``) and doing the plan (``apply``). Pure. Additive: what an
admin added or chose is kept and said. Missing choices are added with all others sent along, for a change of choices
replaces the list (facts: HubSpot §5).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import replace

from connector.crm.hubspot.fields import NO_UNIQUE_HERE, OWNERSHIP
from connector.crm.hubspot.provision.definition import Definition, Option, Present
from connector.crm.hubspot.provision.desired import FILE, Desired, Group, Wanted
from connector.crm.hubspot.provision.items import (
    GROUP,
    PROPERTY,
    ChangeProperty,
    Item,
    MakeGroup,
    MakeProperty,
)
from connector.crm.hubspot.provision.portal import PortalState
from connector.crm.installer import Difference, Do
from connector.handoff.rulebook.fields import FieldType
from connector.policy.check import ALSO_FITS, FITS
from connector.policy.known import WRITERS

NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
"""What a property may be called (facts: HubSpot §5)."""

OURS = "handoff_"
ALIKE = 0.8
"""How near a name must come to one that is there to be taken for a slip of the pen (difflib's ratio)."""


def compare(desired: Desired, portal: PortalState) -> tuple[Item, ...]:
    """The lines for groups and properties, groups first."""
    lines = [_item(one, portal) for one in desired.wanted]
    made = frozenset(item.name for item in lines if item.do is Do.CREATE)
    groups = [_group(group, portal) for group in desired.groups(made)]
    return (*groups, *lines, *(_unnamed(one) for one in desired.unnamed if not _is_there(one, portal)))


def made_by(items: tuple[Item, ...]) -> tuple[Definition, ...]:
    """The properties that an apply of these lines makes."""
    return tuple(item.act.definition for item in items if isinstance(item.act, MakeProperty))


def _group(group: Group, portal: PortalState) -> Item:
    why = "Everything we make stands under this heading."
    if group.name in portal.groups.get(group.object, frozenset()):
        return Item(Do.KEEP, GROUP, group.key, why=why)
    return Item(Do.CREATE, GROUP, group.key, f'"{group.label}"', why, act=MakeGroup(group))


def _item(one: Wanted, portal: PortalState) -> Item:
    definition = one.definition
    there = portal.get(definition.object, definition.name)
    if there is None:
        return _absent(one, portal)
    if there.shipped:
        return Item(Do.KEEP, PROPERTY, definition.key, why=one.why)
    refusal = _unfit(one, there)
    if refusal:
        told = (Difference("type", there.shape, definition.shape),)
        return Item(Do.CONFLICT, PROPERTY, definition.key, refusal, one.why, told, blocks=True)
    if one.is_key and not there.unique:
        return _not_unique(one, there)
    return _compared(one, there)


def _absent(one: Wanted, portal: PortalState) -> Item:
    definition = one.definition
    if not NAME.fullmatch(definition.name):
        words = (
            "cannot be a property's name: it may have 100 lower-case letters, digits and underscores, a letter first; "
            f"correct it in {FILE}"
        )
        return Item(Do.CONFLICT, PROPERTY, definition.key, words, one.why, blocks=True)
    near = _near(one, portal)
    if near:
        words = f"is not there, but {near} is: correct the name in {FILE}, or make it in the settings if it is meant"
        return Item(Do.CONFLICT, PROPERTY, definition.key, words, one.why, blocks=True)
    old = portal.of_old(definition.object, definition.name)
    if old is not None and _both_choose(definition, old) and not _same_label(definition, old):
        # What comes back is what is sent: choices that records may still hold would be lost otherwise.
        definition = replace(definition, options=merged_options(definition, old))
    detail = definition.shape
    if old is not None:
        was = f", which was {old.shape}" if old.shape != definition.shape else ""
        when = f" on {old.archived_on}" if old.archived_on else ""
        detail += f"; brings back the property of this name that was archived{when}{was}: what it held may show again"
    act = MakeProperty(definition, restores=old is not None)
    return Item(Do.CREATE, PROPERTY, definition.key, detail, one.why, act=act)


def _near(one: Wanted, portal: PortalState) -> str:
    """A property whose name a name of the company's own nearly is; ours are spelled by us."""
    name = one.definition.name
    if name.startswith(OURS):
        return ""
    known = portal.properties.get(one.definition.object, {})
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=ALIKE)), "")


def _unfit(one: Wanted, there: Present) -> str:
    """Why what is there cannot do; empty when it can."""
    mapped = one.mapped
    kind = mapped.type.value.replace("_", " ")
    instead = (
        f"map another name in {FILE}, or archive this one in the settings and apply again (its values would be lost)"
    )
    if there.type not in FITS[mapped.type] | ALSO_FITS.get(mapped.path, frozenset()):
        return f"is a {there.shape}, which cannot hold a {kind}; {instead}"
    if mapped.type is FieldType.PERSON and there.refers != OWNERSHIP:
        return f"is a {there.shape} with choices of its own, not a picker of HubSpot users; {instead}"
    if mapped.type is FieldType.CHOICE and there.refers:
        return f"is a {there.shape}, which takes no choices; {instead}"
    if mapped.owner in WRITERS and there.unwritable:
        return f"is calculated or read-only, so the connector could not fill it; {instead}"
    return ""


def _not_unique(one: Wanted, there: Present) -> Item:
    if NO_UNIQUE_HERE in there.description:
        detail = "without unique values, which this portal refuses here: the connector reads before it makes"
        return Item(Do.KEEP, PROPERTY, there.key, detail, one.why)
    detail = (
        "has no unique values, and they can be chosen only while a property is made. The connector works all the same "
        f"and reads before it makes, with more calls. Before its first run: map another name at {one.mapped.path} in "
        f"{FILE} and apply again"
    )
    return Item(Do.CONFLICT, PROPERTY, there.key, detail, one.why)


def _compared(one: Wanted, there: Present) -> Item:
    definition = one.definition
    clash = _same_label(definition, there)
    if clash:
        return Item(Do.CONFLICT, PROPERTY, there.key, clash, one.why, blocks=True)
    body: dict[str, object] = {}
    told: list[Difference] = []
    merged = merged_options(definition, there)
    if merged != there.options:
        body["options"] = [option.body(order) for order, option in enumerate(merged)]
        told += _told(there.options, merged)
    if there.bears_our_mark and there.type == definition.type and (there.field_type, definition.field_type) == WIDENED:
        body["fieldType"] = definition.field_type
        told.append(Difference("fieldType", there.field_type, definition.field_type))
    kept = _keeps(definition, there)
    if not body:
        return Item(Do.KEEP, PROPERTY, there.key, kept, one.why)
    if there.fixed or (there.fixed_options and merged != there.options):
        detail = f"may not be changed in this portal, and lacks what is needed; map another name in {FILE}"
        return Item(Do.CONFLICT, PROPERTY, there.key, detail, one.why, tuple(told), blocks=True)
    act = ChangeProperty(definition, body)
    return Item(Do.CHANGE, PROPERTY, there.key, kept, one.why, tuple(told), act=act)


WIDENED = ("text", "textarea")
"""A change of field type that portals take and that loses nothing (facts: HubSpot §5)."""


def merged_options(definition: Definition, there: Present) -> tuple[Option, ...]:
    """What is there, shown where we need it, and ours after it. A text that serves as a choice has none."""
    if not _both_choose(definition, there):
        return there.options
    needed = {option.value for option in definition.options}
    shown = tuple(replace(one, hidden=False) if one.value in needed else one for one in there.options)
    known = {option.value for option in there.options}
    return (*shown, *(option for option in definition.options if option.value not in known))


def _both_choose(definition: Definition, there: Present) -> bool:
    """Whether both have choices of their own; those of a picker are people."""
    return definition.type == there.type == "enumeration" and not definition.refers and not there.refers


def _told(before: tuple[Option, ...], after: tuple[Option, ...]) -> Iterator[Difference]:
    known = {option.value: option for option in before}
    for option in after:
        if option.value not in known:
            yield Difference(f"options[{option.value}]", "", option.label)
        elif known[option.value].hidden and not option.hidden:
            yield Difference(f"options[{option.value}].hidden", "true", "false")


def _same_label(definition: Definition, there: Present) -> str:
    """A choice that is there under another value, which no list may hold twice (labels are unique)."""
    values = {option.value for option in there.options}
    labels = {option.label.casefold(): option.value for option in there.options}
    if definition.type != "enumeration" or there.type != "enumeration":
        return ""
    twice = [one for one in definition.options if one.value not in values and one.label.casefold() in labels]
    if not twice:
        return ""
    pairs = ", ".join(f'"{one.value}" = "{labels[one.label.casefold()]}"' for one in twice)
    return f"has the same choices under other internal values; name them in {FILE}: values = {{ {pairs} }}"


def _keeps(definition: Definition, there: Present) -> str:
    """What of the portal's own stays."""
    ours = {option.value for option in definition.options}
    further = [option.label for option in there.options if option.value not in ours]
    said = [
        f"label {there.label}" if there.label != definition.label else "",
        f"further choices {', '.join(further)}" if further and definition.type == there.type == "enumeration" else "",
        f"group {there.group}" if there.group != definition.group else "",
        f"a {there.shape}, which serves" if (there.type, there.field_type) != _pair(definition, there) else "",
    ]
    words = "; ".join(part for part in said if part)
    return f"keeps the portal's own {words}" if words else ""


def _pair(definition: Definition, there: Present) -> tuple[str, str]:
    changed = there.bears_our_mark and (there.field_type, definition.field_type) == WIDENED
    return (definition.type, there.field_type if changed else definition.field_type)


def _unnamed(one: Wanted) -> Item:
    detail = f"is a choice, and the map does not say which: values = {{ … }} at {one.mapped.path} in {FILE}; or:"
    place = f"Settings → Properties → {one.definition.object} → Create property"
    steps = (f"{place}: {one.definition.label}, internal name {one.definition.name}, Dropdown select, your choices",)
    return Item(Do.BY_HAND, PROPERTY, one.definition.key, detail, one.why, steps=steps)


def _is_there(one: Wanted, portal: PortalState) -> bool:
    return portal.get(one.definition.object, one.definition.name) is not None
