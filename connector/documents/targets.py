"""The targets of process.toml in words: what is aimed at, from which value on somebody is alarmed.

Not here: the figures themselves (``handoff.measures``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from decimal import Decimal

from connector.documents.words import counted, plain
from connector.handoff.measures.model import Better, Measure
from connector.handoff.rulebook.policy import Policy

UNITS: tuple[tuple[str, str], ...] = (
    ("_percent", "%"),
    ("_working_days", "working day"),
    ("_days", "day"),
    ("_hours", "hour"),
    ("_minutes", "minute"),
)
"""How a key ends, and its unit."""


def values(policy: Policy) -> Mapping[str, Decimal]:
    """Every target by its key."""
    return {each.name: getattr(policy.targets, each.name) for each in dataclasses.fields(policy.targets)}


def told(policy: Policy, key: str) -> str:
    """A target with its unit; empty for a key that the config does not have."""
    value = values(policy).get(key)
    if value is None:
        return ""
    for ending, unit in UNITS:
        if key.endswith(ending):
            return f"{plain(value)} %" if unit == "%" else counted(value, unit)
    return plain(value)


def aimed(policy: Policy, measure: Measure) -> str:
    """What a measure aims at, e.g. ``at least 90 %``; empty where nothing is aimed at."""
    target = told(policy, measure.target)
    if not target:
        return ""
    # A target may be set for the other side of a measure: churn, where what is measured is who was kept.
    side = Better.LOWER if "churn" in measure.target else measure.better
    of = " churned" if "churn" in measure.target else ""
    return f"{'at least' if side is Better.HIGHER else 'at most'} {target}{of}"


def alarmed(policy: Policy, measure: Measure) -> str:
    """From which value on somebody should look; empty where the config does not say."""
    alarm = told(policy, measure.alarm)
    if not alarm:
        return ""
    return f"{'below' if measure.better is Better.HIGHER else 'above'} {alarm}"
