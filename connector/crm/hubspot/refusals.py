"""Writes that the rules of a portal's own admins refuse: whose rule it was, and the fix in words.

Not here: which row was refused (``delivery``) and what follows from it: a row that a rule refuses is parked, never sent
again by itself, for the same write would be refused the same way. Such rules hold on dated paths from 2026-09 on
(facts: HubSpot §4); what is enough to satisfy one, and whether it looks at what is stored, is nowhere told.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection

from connector.crm.hubspot.fields import PIPELINE, STAGE
from connector.errors import Fault, FaultCode

CONDITIONAL = "MISSING_CONDITIONAL_REQUIRED_PROPERTY"
ON_CREATE = "MISSING_REQUIRED_PROPERTY"
INVALID_WORDS = "Property values were not valid"
"""How a format rule on a property says no (facts: HubSpot §4)."""

_BASED_ON = re.compile(r"based on \[([^\]]*)\]")
_THEN = "then: handoff retry"


def explained(fault: Fault, sent: Collection[str]) -> Fault:
    """The fault with what to do about it, when it is a rule's. ``sent`` are the properties of the row."""
    if fault.code is not FaultCode.REJECTED:
        return fault
    advice = _advice(fault, sent)
    return dataclasses.replace(fault, message=f"{fault.message.rstrip('. ')}. {advice}") if advice else fault


def ruled_by(fault: Fault, sent: Collection[str]) -> frozenset[str]:
    """The properties of a row without which a conditional rule would not have asked for another; empty when the rule
    hangs on none of them, or on the stage: a deal that cannot be put back is held where it stands instead."""
    if fault.vendor_code != CONDITIONAL:
        return frozenset()
    found = _conditions(fault, sent)
    return frozenset() if STAGE in found else found


def _conditions(fault: Fault, sent: Collection[str]) -> frozenset[str]:
    named = {name.strip() for listed in _BASED_ON.findall(fault.message) for name in listed.split(",")}
    return frozenset(named.intersection(sent))


def _advice(fault: Fault, sent: Collection[str]) -> str:
    if fault.vendor_code == CONDITIONAL:
        by = sorted(_conditions(fault, sent) - {PIPELINE})
        exempt = f"the rule that {' and '.join(by)} sets off" if by else "the rule"
        where = "Settings > Properties, Conditional logic"
        if STAGE in by:
            where += "; or the stage's required properties"
        return f"What to do: fill it on the record, or have an admin take off {exempt} ({where}); {_THEN}"
    if fault.vendor_code == ON_CREATE:
        return (
            "What to do: have an admin take it off the required ones of the object's create form "
            f"(Settings > Objects, Record customization); {_THEN}"
        )
    if fault.message.startswith(INVALID_WORDS):
        return (
            "What to do: if a validation rule of the property refuses what the connector writes, have an admin loosen "
            f"it (Settings > Properties, Rules), else mend the mapping; {_THEN}"
        )
    return ""
