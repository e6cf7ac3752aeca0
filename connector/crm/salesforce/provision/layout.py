"""The handoff section of a page layout: which fields, in which order, put in and taken out again.

Not here: fetching and deploying layouts (a deploy replaces a layout, so only one that was just fetched may be sent
back; facts: Salesforce §5.4). Everything that is not ours stays where and as it is, known to us or not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from connector.crm.salesforce.provision.component import Component, Tree, leaf, text_of
from connector.crm.salesforce.provision.fields import CUSTOM, object_of
from connector.crm.salesforce.provision.options import PREFIX
from connector.crm.salesforce.provision.permissions import INTAKE
from connector.handoff.model import Kind
from connector.policy.crmmap import CrmMap, MappedField
from connector.policy.known import is_peoples

LABEL = "Handoff"
EDIT, READ_ONLY, REQUIRED = "Edit", "Readonly", "Required"
COLUMNS = 2
STYLE = "TwoColumnsLeftToRight"
"""Read row by row, so that the order below is the order on the screen."""

_SECTIONS, _COLUMN, _ITEM = "layoutSections", "layoutColumns", "layoutItems"


@dataclass(frozen=True, slots=True)
class Slot:
    """One field on the page and what people may do with it there (``Edit``, ``Readonly``, ``Required``)."""

    field: str
    behavior: str


@dataclass(frozen=True, slots=True)
class Section:
    """What should stand together on the pages of an object."""

    object: str
    label: str
    slots: tuple[Slot, ...]


def section(crm_map: CrmMap, kind: Kind) -> Section:
    """The section for deals or accounts: what people fill in, the override, then what the connector keeps."""
    custom = [mapped for mapped in crm_map.of(kind) if mapped.field.endswith(CUSTOM) and "." not in mapped.field]
    ordered = sorted(custom, key=_group)
    return Section(object_of(crm_map, kind), LABEL, tuple(Slot(one.field, _behavior(one)) for one in ordered))


def insert_section(layout: Component, wanted: Section) -> Component:
    """The layout with the section on it; the very same layout when nothing is missing.

    A field that stands anywhere on the layout already stays there. A section of that label is filled up, wherever an
    admin moved it; a new one comes right after the first section of the page.
    """
    shown = set(fields_on(layout))
    missing = [slot for slot in wanted.slots if slot.field not in shown]
    if not missing:
        return layout
    body, done = _map_section(layout.body, wanted.label, lambda found: _filled_up(found, missing))
    if not done:
        places = [index for index, (tag, _) in enumerate(body) if tag == _SECTIONS]
        at = places[0] + 1 if places else len(body)
        body = (*body[:at], (_SECTIONS, _new(wanted.label, missing)), *body[at:])
    return dataclasses.replace(layout, body=body)


def remove_section(layout: Component, wanted: Section) -> Component:
    """The layout without our fields in that section, and without the section once it is empty."""
    ours = {slot.field for slot in wanted.slots if slot.field.startswith(PREFIX)}
    body, _ = _map_section(layout.body, wanted.label, lambda found: _emptied(found, ours))
    return layout if body == layout.body else dataclasses.replace(layout, body=body)


def fields_on(layout: Component) -> tuple[str, ...]:
    """Every field the layout's sections show, in order."""
    return tuple(
        field
        for one in layout.all(_SECTIONS)
        for column in _inner(one, _COLUMN)
        for item in _inner(column, _ITEM)
        if (field := text_of(item, "field"))
    )


def _group(mapped: MappedField) -> int:
    if mapped.path.startswith("override_"):
        return 1
    return 0 if is_peoples(mapped.kind, mapped.name, mapped.owner) else 2


def _behavior(mapped: MappedField) -> str:
    theirs = is_peoples(mapped.kind, mapped.name, mapped.owner)
    return EDIT if theirs or mapped.path in INTAKE else READ_ONLY


def _inner(tree: Tree, tag: str) -> tuple[Tree, ...]:
    return tuple(inner for name, inner in tree if name == tag and not isinstance(inner, str))


def _map_section(body: Tree, label: str, change: Callable[[Tree], Tree | None]) -> tuple[Tree, bool]:
    """The body with its first section of that label changed, or left out; whether there was one."""
    for index, (tag, inner) in enumerate(body):
        if tag == _SECTIONS and not isinstance(inner, str) and text_of(inner, "label") == label:
            changed = change(inner)
            rest = ((_SECTIONS, changed),) if changed is not None else ()
            return (*body[:index], *rest, *body[index + 1 :]), True
    return body, False


def _item(slot: Slot) -> tuple[str, Tree]:
    return _ITEM, (leaf("behavior", slot.behavior), leaf("field", slot.field))


def _new(label: str, slots: Iterable[Slot]) -> Tree:
    items = [_item(slot) for slot in slots]
    return (
        leaf("customLabel", True),
        leaf("detailHeading", True),
        leaf("editHeading", True),
        leaf("label", label),
        *((_COLUMN, tuple(items[start::COLUMNS])) for start in range(COLUMNS)),
        leaf("style", STYLE),
    )


def _filled_up(found: Tree, missing: Iterable[Slot]) -> Tree:
    """The section with the missing fields appended, each to the column that is shortest then."""
    columns = {index: list(_children(inner)) for index, (tag, inner) in enumerate(found) if tag == _COLUMN}
    if not columns:
        return (*found, (_COLUMN, tuple(_item(slot) for slot in missing)))
    for slot in missing:
        shortest = min(columns, key=lambda index: (len(columns[index]), index))
        columns[shortest].append(_item(slot))
    return tuple(
        (tag, tuple(columns[n]) or inner) if n in columns else (tag, inner) for n, (tag, inner) in enumerate(found)
    )


def _emptied(found: Tree, ours: set[str]) -> Tree | None:
    left = tuple(
        (tag, tuple(item for item in _children(inner) if not _shows(item, ours))) if tag == _COLUMN else (tag, inner)
        for tag, inner in found
    )
    return left if any(inner for tag, inner in left if tag == _COLUMN) else None


def _children(inner: str | Tree) -> Tree:
    return () if isinstance(inner, str) else inner


def _shows(item: tuple[str, str | Tree], ours: set[str]) -> bool:
    return item[0] == _ITEM and text_of(_children(item[1]), "field") in ours
