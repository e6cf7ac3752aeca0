"""The endpoints of properties: list, read, create, change, archive.

Not their groups (`groups.py`), nor what a property may hold (`values.py`). Facts: HubSpot §5.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from connector.sandbox.hubspot import catalog, tiers
from connector.sandbox.hubspot.asked import Asked, Reply, listed
from connector.sandbox.hubspot.batch import reply as batch_reply
from connector.sandbox.hubspot.defs import FIXED, PAIRS, YES_NO, Definition, Option
from connector.sandbox.hubspot.derive import iso
from connector.sandbox.hubspot.errors import Refused, invalid, not_found
from connector.sandbox.hubspot.schema import follow
from connector.sandbox.hubspot.shipped import followed

if TYPE_CHECKING:
    from connector.sandbox.hubspot.kinds import Kind

BATCH_MOST = 100
CALCULATED = "calculation_equation"
UNIQUE_MOST = 10
UNIQUE_ACTIVITIES = "unique_activities"
"""Setting: whether tasks, notes, meetings, calls and e-mails take a new unique property; not settled, so by default
yes (facts: HubSpot §3b, §8.1)."""
OWNER_PROPERTIES = "owner_properties_per_type"
"""Setting: how many custom owner pickers a type may have; there is a limit, the figure is not known (facts §5)."""
NAME = re.compile(r"[a-z][a-z0-9_]{0,99}\Z")
REQUIRED = ("name", "label", "type", "fieldType", "groupName")


def list_all(asked: Asked) -> Reply:
    """GET every property of a type."""
    found = catalog.properties(asked.world, asked.kind, archived=asked.flag("archived"))
    return Reply({"results": [body(d) for d in found.values()]}, rows=len(found))


def read(asked: Asked) -> Reply:
    """GET one property."""
    return Reply(body(_found(asked, asked.params["name"], archived=asked.flag("archived"))), rows=1)


def create(asked: Asked) -> Reply:
    """POST one property; the name of an archived one brings that back with the new definition."""
    made = _create(asked, asked.object())
    location = f"{asked.path.rstrip('/')}/{made.name}"
    return Reply(body(made), status=201, rows=1, headers={"Location": location})


def update(asked: Asked) -> Reply:
    """PATCH one property; `options` replaces the whole list, and leaving it out keeps the list."""
    asked_for = asked.object()
    before = _found(asked, asked.params["name"])
    if fixed := FIXED & set(asked_for):
        raise invalid(f"These cannot be changed after creation: {', '.join(sorted(fixed))}")
    if before.built_in and before.read_only:
        raise invalid(f"Property {before.name} is defined by HubSpot and cannot be changed")
    merged = {**_as_sent(before), **asked_for}
    now = _parsed(asked, asked.kind, merged, before=before)
    catalog.keep(asked.world, asked.kind, now, by=asked.by)
    return Reply(body(now), rows=1)


def archive(asked: Asked) -> Reply:
    """DELETE one property; 204 whether it was there or not."""
    _archive(asked, asked.params["name"])
    return Reply(status=204, rows=1)


def batch_create(asked: Asked) -> Reply:
    """Many properties; those refused are listed."""
    results: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for item in asked.inputs(most=BATCH_MOST):
        try:
            results.append(body(_create(asked, item)))
        except Refused as refusal:
            errors.append(refusal.row({"name": [str(item.get("name", ""))]}))
    return batch_reply(asked, results, errors, status=201)


def batch_read(asked: Asked) -> Reply:
    """Many properties by name; those missing are listed."""
    archived = bool(asked.object().get("archived", False))
    known = catalog.properties(asked.world, asked.kind, archived=archived)
    names = [str(i.get("name", "")) for i in asked.inputs(most=BATCH_MOST)]
    errors = [_absent(n, asked.kind).row({"name": [n]}) for n in names if n not in known]
    return batch_reply(asked, [body(known[n]) for n in names if n in known], errors, status=200)


def batch_archive(asked: Asked) -> Reply:
    """Archive many; 204."""
    inputs = asked.inputs(most=BATCH_MOST)
    for item in inputs:
        _archive(asked, str(item.get("name", "")))
    return Reply(status=204, rows=len(inputs))


def body(definition: Definition) -> dict[str, Any]:
    """A property as JSON."""
    found: dict[str, Any] = {
        "name": definition.name,
        "label": definition.label,
        "type": definition.type,
        "fieldType": definition.field_type,
        "description": definition.description,
        "groupName": definition.group,
        "options": [o.body() for o in definition.options],
        "displayOrder": definition.order,
        "calculated": definition.calculated,
        "externalOptions": definition.owner,
        "hasUniqueValue": definition.unique,
        "hidden": definition.hidden,
        "hubspotDefined": definition.built_in,
        "formField": definition.form_field,
        "archived": definition.archived,
        "createdAt": iso(definition.created_at),
        "updatedAt": iso(definition.updated_at),
        "modificationMetadata": {
            "archivable": not definition.built_in,
            "readOnlyDefinition": definition.built_in,
            "readOnlyOptions": definition.built_in,
            "readOnlyValue": definition.read_only,
        },
    }
    if definition.owner:
        found["referencedObjectType"] = "OWNER"
    if definition.formula:
        found["calculationFormula"] = definition.formula
    if definition.archived_at is not None:
        found["archivedAt"] = iso(definition.archived_at)
    return found


def exists(what: str, name: str) -> Refused:
    """The 409 of a name that is taken."""
    return Refused(
        status=409,
        category="OBJECT_ALREADY_EXISTS",
        sub_category=f"Properties.{what.upper()}_WITH_NAME_EXISTS",
        message=f'A {what} named "{name}" already exists.',
    )


def order_of(raw: Any) -> int:
    """A place in an order as sent. Raises Refused (400)."""
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise invalid(f"displayOrder must be a whole number, not {raw!r}")
    return raw


# inside


def _found(asked: Asked, name: str, *, archived: bool = False) -> Definition:
    found = catalog.properties(asked.world, asked.kind, archived=archived).get(name)
    if found is None:
        raise _absent(name, asked.kind)
    return found


def _absent(name: str, kind: Kind) -> Refused:
    return not_found(f'Property "{name}" does not exist for object type {kind.type_id}')


def _create(asked: Asked, sent: dict[str, Any]) -> Definition:
    for key in REQUIRED:
        if not sent.get(key):
            raise invalid(f"{key} is required to create a property")
    kind, name = asked.kind, str(sent["name"])
    if not NAME.match(name):
        raise invalid(f'"{name}" is no property name: lower-case letters, digits and _, first a letter, at most 100')
    if name in catalog.properties(asked.world, kind):
        raise exists("property", name)
    made = _parsed(asked, kind, sent, before=None)
    _check_room(asked, kind, made)
    if made.unique:
        _make_unique(asked, kind, name)
    if followed(made):
        follow(asked.world.table(kind.table), name)
    catalog.keep(asked.world, kind, made, by=asked.by)
    return made


def _check_room(asked: Asked, kind: Kind, made: Definition) -> None:
    own = [d for d in catalog.properties(asked.world, kind).values() if not d.built_in]
    if len(own) >= (most := tiers.custom_properties(asked.world)):
        raise invalid(f"This account has reached its limit of {most} custom properties for {kind.labels.lower()}")
    pickers = asked.world.settings.get(OWNER_PROPERTIES)
    if made.owner and pickers is not None and sum(d.owner for d in own) >= pickers:
        raise invalid(f"This account has reached its limit of {pickers} user properties for {kind.labels.lower()}")


def _make_unique(asked: Asked, kind: Kind, name: str) -> None:
    if kind.engagement and not asked.world.settings.get(UNIQUE_ACTIVITIES, True):
        raise invalid(f"hasUniqueValue is not supported for object type {kind.type_id}")
    held = [d.name for d in catalog.properties(asked.world, kind).values() if d.unique]
    if len(held) >= UNIQUE_MOST:
        raise invalid(f"An object type may have at most {UNIQUE_MOST} properties with unique values")
    asked.world.table(kind.table).add_unique(name)


def _parsed(asked: Asked, kind: Kind, sent: dict[str, Any], *, before: Definition | None) -> Definition:
    kind_of_value, field_type, group = str(sent["type"]), str(sent["fieldType"]), str(sent["groupName"])
    if field_type not in PAIRS.get(kind_of_value, ()):
        raise invalid(f"fieldType {field_type} does not go with type {kind_of_value}")
    if group not in catalog.groups(asked.world, kind):
        raise invalid(f"Property group {group} does not exist")
    owner = bool(sent.get("externalOptions"))
    if owner and sent.get("referencedObjectType") != "OWNER":
        raise invalid("externalOptions needs referencedObjectType OWNER")
    if field_type == CALCULATED and not sent.get("calculationFormula"):
        raise invalid("calculationFormula is required for a calculated property")
    now = asked.world.clock.now()
    return Definition(
        name=str(sent["name"]),
        label=str(sent["label"]),
        type=kind_of_value,
        field_type=field_type,
        group=group,
        description=str(sent.get("description") or ""),
        options=_options(kind_of_value, listed(sent.get("options"), "options"), owner=owner),
        order=order_of(sent.get("displayOrder", -1)),
        unique=bool(sent.get("hasUniqueValue")),
        owner=owner,
        hidden=bool(sent.get("hidden")),
        form_field=bool(sent.get("formField")),
        formula=str(sent.get("calculationFormula") or ""),
        calculated=field_type == CALCULATED,
        read_only=field_type == CALCULATED,
        built_in=before.built_in if before else False,
        created_at=before.created_at if before else now,
        updated_at=now,
        by=asked.by,
    )


def _options(kind_of_value: str, raw: list[Any], *, owner: bool) -> tuple[Option, ...]:
    if kind_of_value == "bool":
        return YES_NO
    if kind_of_value != "enumeration" or owner:
        return ()
    try:
        found = tuple(
            Option(
                value=str(o["value"]),
                label=str(o["label"]),
                order=order_of(o.get("displayOrder", n)),
                hidden=bool(o["hidden"]),
                description=str(o.get("description") or ""),
            )
            for n, o in enumerate(raw)
        )
    except (KeyError, TypeError, ValueError) as problem:
        raise invalid(f"An option needs label, value, displayOrder and hidden: {problem}") from problem
    if len({o.value for o in found}) < len(found) or len({o.label for o in found}) < len(found):
        raise invalid("Option values and labels must be unique")
    return found


def _as_sent(definition: Definition) -> dict[str, Any]:
    shown = body(definition)
    return {k: shown[k] for k in (*REQUIRED, "description", "displayOrder", "hidden", "formField", "options")} | {
        "hasUniqueValue": definition.unique,
        "externalOptions": definition.owner,
        "calculationFormula": definition.formula,
        "referencedObjectType": shown.get("referencedObjectType"),
    }


def _archive(asked: Asked, name: str) -> None:
    found = catalog.properties(asked.world, asked.kind).get(name)
    if found is None:
        return
    if found.built_in:
        raise invalid(f"Property {name} is defined by HubSpot and cannot be archived")
    _check_unused(asked, name)
    now = asked.world.clock.now()
    catalog.keep(asked.world, asked.kind, replace(found, archived=True, archived_at=now, updated_at=now), by=asked.by)


def _check_unused(asked: Asked, name: str) -> None:
    word = re.compile(rf"\b{re.escape(name)}\b")
    users = [d.name for d in catalog.properties(asked.world, asked.kind).values() if word.search(d.formula)]
    if users:
        raise Refused(
            status=400,
            category="VALIDATION_ERROR",
            sub_category="PropertyValidationError.CANNOT_DELETE_PROPERTY_IN_USE",
            message=f"Property {name} is used in {', '.join(users)} and cannot be archived",
        )
