"""What the portal's admins require of a record: conditional properties, create forms, formats.

Not the rules of a pipeline for people (`governance.py`). The first two exist on dated paths from 2026-09 on only,
are never applied to older versions, and hold for batches row by row (facts: HubSpot §4).

Settings: `conditional_rules` [{"object", "property", "controlling", "values"}]: `property` must be filled once
`controlling` is set to one of `values`; `stored_value_satisfies` (true): whether a value that the record has already
is enough, and `rules_on_every_write` (false): whether a record in that state is judged at changes of other properties
too; neither is settled (facts: HubSpot §8.2); `create_form` {object: [properties]}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.hubspot import tiers
from connector.sandbox.hubspot.errors import Detail, Refused, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.sandbox.hubspot.kinds import Kind
    from connector.sandbox.rows import Row
    from connector.sandbox.state import World

CONDITIONAL = "conditional_rules"
STORED = "stored_value_satisfies"
ALWAYS = "rules_on_every_write"
CREATE_FORM = "create_form"

Changes = dict[str, str | None]


def check(world: World, kind: Kind, changes: Changes, row: Row | None) -> None:
    """Judge one write. Raises Refused (400)."""
    if row is None:
        _check_form(world, kind, changes)
    _check_conditions(world, kind, changes, row)


def required_missing(kind: Kind, *names: str) -> Refused:
    """The 400 of a record that cannot be created without these."""
    details = (
        Detail(message=f"{n} is required", code="MISSING_REQUIRED_PROPERTY", context={"propertyName": [n]})
        for n in names
    )
    return Refused(
        status=400,
        category="VALIDATION_ERROR",
        message=f"Error creating {kind.singular.upper()}. Some required properties were not set.",
        context={"properties": list(names)},
        details=tuple(details),
    )


# inside


def _check_form(world: World, kind: Kind, changes: Changes) -> None:
    form: Mapping[str, list[str]] = world.settings.get(CREATE_FORM, {})
    missing = [name for name in form.get(kind.table, ()) if not changes.get(name)]
    if missing:
        raise required_missing(kind, *missing)


def _check_conditions(world: World, kind: Kind, changes: Changes, row: Row | None) -> None:
    if not tiers.tier(world).conditional_rules:
        return
    kept = row.values if row is not None and world.settings.get(STORED, True) else {}
    state = row.values if row is not None and world.settings.get(ALWAYS) else {}
    missing: list[Detail] = []
    for rule in world.settings.get(CONDITIONAL, ()):
        name, controlling = rule["property"], rule["controlling"]
        found = changes.get(controlling, state.get(controlling))
        if rule.get("object", "deals") != kind.table or found not in rule["values"]:
            continue
        if not changes.get(name, kept.get(name)):
            message = f"{name} is required because of a conditional property rule based on [{controlling}]"
            code, context = "MISSING_CONDITIONAL_REQUIRED_PROPERTY", {"propertyName": [name]}
            missing.append(Detail(message=message, code=code, context=context))
    if missing:
        raise invalid("; ".join(d.message for d in missing), *missing)
