"""Duplicate rules that a test plants: a save that looks like a record that is there already is refused.

Not unique fields: those refuse with DUPLICATE_VALUE. Facts: Salesforce §3.3: an alert may be overruled by a header.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.sandbox.salesforce.ask import Ask
    from connector.sandbox.salesforce.fields import ObjectType

RULES = "duplicate_rules"
"""Setting: [{"object", "field", "action": "alert" or "block"}]."""
_ALLOWED = re.compile(r"allowSave\s*=\s*true", re.IGNORECASE)


def check(ask: Ask, kind: ObjectType, found: Mapping[str, Any], record_id: str = "") -> None:
    """Raises ApiError DUPLICATES_DETECTED when a rule finds another record and the caller does not overrule it."""
    allowed = bool(_ALLOWED.search(ask.headers.get("sforce-duplicate-rule-header", "")))
    for rule in ask.world.settings.get(RULES, ()):
        value = found.get(rule["field"])
        if rule["object"] != kind.name or value is None or (allowed and rule["action"] == "alert"):
            continue
        if any(row.id != record_id for row in ask.world.table(kind.name).where(rule["field"], [value])):
            raise ApiError("DUPLICATES_DETECTED", "Use one of these records?")
