"""The org's validation rules: kept across restarts, and asked at every save, whoever saves.

Not their language (`formula/`) and not their metadata files (`metadata/`). A rule blocks a save when its formula is
true; every rule that does so gives its message (facts: Salesforce §3.3, §5.3).
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce import permissions
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.errors import ApiError, RuleViolation
from connector.sandbox.salesforce.formula import Formula, FormulaError, RuntimeFault, Surroundings, parse
from connector.sandbox.salesforce.values import wire_datetime

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.sandbox.rows import Row, Table
    from connector.sandbox.salesforce.fields import ObjectType
    from connector.sandbox.state import World

KEPT = "rules"
"""Setting: object name -> rules as plain data."""
COMPILED = "rules"
PERMITTED = "rules.permitted"
"""Part of a world: custom permission -> whether it exists; without one its table is asked."""
ON_LAYOUT = "rules.on_layout"
"""Part of a world: (object, field) -> whether a layout shows it; without one every field counts as shown."""

MAX_NAME = 40
MAX_MESSAGE = 255
"""Facts: Salesforce §5.3."""
VIOLATION = "FIELD_CUSTOM_VALIDATION_EXCEPTION"
UNUSABLE = "FORMULA_EXPRESSION_INVALID"
_NAME = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*")


class RuleError(ValueError):
    """A rule that cannot be saved, for a reason other than its formula."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class Rule:
    """One validation rule. `field` is where its message is shown; empty for the top of the page."""

    object: str
    name: str
    active: bool
    formula: str
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class _Ready:
    """An object's active rules, compiled against the object as it is now."""

    kept: object
    kind: ObjectType
    rules: tuple[tuple[Rule, Formula | FormulaError], ...]


def put(world: World, object: str, name: str, active: bool, formula: str, field: str, message: str) -> Rule:
    """Add a rule or replace the one of this name. Raises FormulaError or RuleError, both ValueErrors with `message`."""
    kind = catalog(world).object(object)
    if kind is None:
        raise RuleError(f"Entity Enumeration Or ID: bad value for restricted picklist field: {object}")
    _check(kind, name, field, message)
    permitted = world.parts.get(PERMITTED, lambda permission: _exists(world, permission))
    parse(formula, kind, find=catalog(world).object, permitted=permitted)
    shown = kind.find(field) if field else None
    rule = Rule(kind.name, name, active, formula, shown.name if shown else "", message)
    kept = {each.name.lower(): each for each in all(world, kind.name)} | {name.lower(): rule}
    _keep(world, kind.name, tuple(kept.values()))
    return rule


def drop(world: World, object: str, name: str) -> None:
    """Remove a rule; an unknown name is no fault."""
    left = tuple(each for each in all(world, object) if each.name.lower() != name.lower())
    _keep(world, object, left)


def all(world: World, object: str | None = None) -> tuple[Rule, ...]:
    """Every rule of an object, or of the org, active or not, in the order they were made."""
    kept: Mapping[str, list[dict[str, Any]]] = world.settings.get(KEPT, {})
    return tuple(
        Rule(**each)
        for name, found in kept.items()
        if object is None or name.lower() == object.lower()
        for each in found
    )


def enforce(table: Table, row: Row | None, given: dict[str, Any], by: str) -> None:
    """Ask the rules of the record's object about a save. Raises RuleViolation with every rule that blocks it."""
    world = table.world
    if not world.settings.get(KEPT, {}).get(table.name):
        return
    ready = _ready(world, table.name)
    if ready is None or not ready.rules:
        return
    prior = None if row is None else _seen(row)
    record = {**(prior or {}), **given}
    around = _around(world, by)
    found = [(rule, _verdict(world, rule, formula, (record, prior), around)) for rule, formula in ready.rules]
    errors = [(rule, error) for rule, error in found if error is not None]
    if errors:
        reasons = tuple((error.message, rule.field) for rule, error in errors)
        raise RuleViolation(tuple(error for _, error in errors), reasons)


def _verdict(
    world: World,
    rule: Rule,
    formula: Formula | FormulaError,
    states: tuple[Mapping[str, Any], Mapping[str, Any] | None],
    around: Surroundings,
) -> ApiError | None:
    # What a formula that cannot be evaluated says is unconfirmed; that it blocks the save is not.
    if isinstance(formula, FormulaError):
        return ApiError(UNUSABLE, f'The validation formula "{rule.name}" is invalid: {formula.message}')
    try:
        if not formula.fires(*states, around=around):
            return None
    except RuntimeFault as error:
        return ApiError(UNUSABLE, f'The validation formula "{rule.name}" cannot be evaluated: {error}')
    placed = world.parts.get(ON_LAYOUT)
    shown = bool(rule.field) and (placed is None or placed(rule.object, rule.field))
    return ApiError(VIOLATION, rule.message, (rule.field,) if shown else ())


def _check(kind: ObjectType, name: str, field: str, message: str) -> None:
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise RuleError(
            f"The rule name '{name}' can only contain underscores and alphanumeric characters. It must begin with a "
            f"letter, not end with an underscore, not contain two consecutive underscores, and have at most {MAX_NAME}."
        )
    if not message.strip():
        raise RuleError("Required field is missing: errorMessage")
    if len(message) > MAX_MESSAGE:
        raise RuleError(f"Error Message: data value too large: {message[:60]} (max length={MAX_MESSAGE})")
    if field and kind.find(field) is None:
        raise RuleError(f"Field {field} does not exist. Check spelling.")


def _keep(world: World, object: str, rules: tuple[Rule, ...]) -> None:
    kept = {name: found for name, found in world.settings.get(KEPT, {}).items() if name.lower() != object.lower()}
    name = rules[0].object if rules else object
    world.setting(KEPT, {**kept, name: [dataclasses.asdict(rule) for rule in rules]})


def _ready(world: World, object: str) -> _Ready | None:
    kind = catalog(world).object(object)
    if kind is None:
        return None
    known: dict[str, _Ready] = world.parts.setdefault(COMPILED, {})
    kept = world.settings[KEPT]
    found = known.get(object)
    if found is None or found.kept is not kept or found.kind is not kind:
        active = tuple(rule for rule in all(world, object) if rule.active)
        compiled = tuple((rule, _compiled(world, kind, rule.formula)) for rule in active)
        found = known[object] = _Ready(kept, kind, compiled)
    return found


def _compiled(world: World, kind: ObjectType, text: str) -> Formula | FormulaError:
    # A permission that is gone since is held by nobody; that it can go while a rule names it is unconfirmed.
    try:
        return parse(text, kind, find=catalog(world).object)
    except FormulaError as error:
        return error


def _around(world: World, by: str) -> Surroundings:
    def look(object: str, id: str) -> Mapping[str, Any] | None:
        table = world.tables.get(object)
        row = table.get(id) if table else None
        return None if row is None else _seen(row)

    return Surroundings(
        user=look("User", by) or {},
        look=look,
        holds=lambda permission: permissions.holds(world, by, permission),
        now=world.clock.now(),
    )


def _exists(world: World, permission: str) -> bool:
    return world.table("CustomPermission").find_unique("DeveloperName", permission) is not None


def _seen(row: Row) -> dict[str, Any]:
    """A record with its system fields."""
    return {
        **row.values,
        "Id": row.id,
        "CreatedById": row.created_by,
        "CreatedDate": wire_datetime(row.created_at),
        "LastModifiedById": row.modified_by,
        "LastModifiedDate": wire_datetime(row.modified_at),
        "SystemModstamp": wire_datetime(row.modified_at),
    }
