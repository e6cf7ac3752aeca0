"""Formats that a property's values must have, and the endpoints that set them.

Not required properties (`rules.py`). Enforced for every caller of every version (facts: HubSpot §4). Of the vendor's
27 rule types those in `_HOLDS` are known here; others are refused, as an unknown one would be.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from connector.sandbox.hubspot import catalog
from connector.sandbox.hubspot.asked import Asked, Reply, strings
from connector.sandbox.hubspot.errors import invalid, not_found
from connector.sandbox.hubspot.values import Wrong

if TYPE_CHECKING:
    from connector.sandbox.hubspot.kinds import Kind
    from connector.sandbox.state import World

KEPT = "property_validations"
"""Setting: {object: {property: {rule type: {"arguments", "normalize"}}}}."""

Rules = dict[str, dict[str, Any]]


def list_all(asked: Asked) -> Reply:
    """GET every property of a type that has rules."""
    found = [
        {"propertyName": name, "propertyValidationRules": [_body(t, r) for t, r in rules.items()]}
        for name, rules in _of(asked.world, asked.kind).items()
        if rules
    ]
    return Reply({"results": found})


def list_of(asked: Asked) -> Reply:
    """GET the rules of one property."""
    rules = _of(asked.world, asked.kind).get(_known(asked), {})
    return Reply({"results": [_body(name, rule) for name, rule in rules.items()]})


def read(asked: Asked) -> Reply:
    """GET one rule."""
    name, rule_type = _known(asked), asked.params["rule"]
    rule = _of(asked.world, asked.kind).get(name, {}).get(rule_type)
    if rule is None:
        raise not_found(f"{name} has no validation rule {rule_type}")
    return Reply(_body(rule_type, rule), rows=1)


def put(asked: Asked) -> Reply:
    """PUT one rule; 204."""
    name, rule_type, sent = _known(asked), asked.params["rule"], asked.object()
    arguments = list(strings(sent.get("ruleArguments"), "ruleArguments"))
    if rule_type not in _HOLDS:
        raise invalid(f"Unknown rule type {rule_type}")
    try:
        _HOLDS[rule_type]("0", arguments)
    except (IndexError, InvalidOperation, ValueError, re.error) as problem:
        raise invalid(f"ruleArguments {arguments} do not fit {rule_type}") from problem
    every: dict[str, dict[str, Rules]] = dict(asked.world.settings.get(KEPT, {}))
    of_kind = dict(every.get(asked.kind.table, {}))
    of_kind[name] = {
        **of_kind.get(name, {}),
        rule_type: {"arguments": arguments, "normalize": bool(sent.get("shouldApplyNormalization"))},
    }
    asked.world.setting(KEPT, {**every, asked.kind.table: of_kind})
    return Reply(status=204, rows=1)


def check(world: World, kind: Kind, name: str, value: str | None) -> None:
    """Judge one value. Raises Wrong."""
    for rule_type, rule in _of(world, kind).get(name, {}).items() if value else ():
        try:
            holds = _HOLDS[rule_type](value or "", rule["arguments"])
        except InvalidOperation:
            holds = False
        if not holds:
            raise Wrong(rule_type, f"{value!r} does not meet {rule_type} {rule['arguments']}")


# inside


def _of(world: World, kind: Kind) -> dict[str, Rules]:
    found: dict[str, Rules] = world.settings.get(KEPT, {}).get(kind.table, {})
    return found


def _known(asked: Asked) -> str:
    name = asked.params["name"]
    if name not in catalog.properties(asked.world, asked.kind):
        raise not_found(f'Property "{name}" does not exist for object type {asked.kind.type_id}')
    return name


def _body(rule_type: str, rule: dict[str, Any]) -> dict[str, Any]:
    return {
        "ruleType": rule_type,
        "ruleArguments": rule["arguments"],
        "shouldApplyNormalization": rule["normalize"],
    }


def _places(value: str) -> int:
    exponent = Decimal(value).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


_HOLDS: dict[str, Callable[[str, list[str]], bool]] = {
    "MIN_LENGTH": lambda value, args: len(value) >= int(args[0]),
    "MAX_LENGTH": lambda value, args: len(value) <= int(args[0]),
    "MIN_NUMBER": lambda value, args: Decimal(value) >= Decimal(args[0]),
    "MAX_NUMBER": lambda value, args: Decimal(value) <= Decimal(args[0]),
    "DECIMAL": lambda value, args: _places(value) <= int(args[0]),
    "REGEX": lambda value, args: re.search(args[0], value) is not None,
}
