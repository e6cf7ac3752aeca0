"""The targets of process.toml in words: what is aimed at, from which value on somebody is alarmed.

Not here: the figures themselves (``handoff.measures``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from decimal import Decimal

from connector.documents.words import counted, plain
from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.measures.model import Better, Measure, Unit
from connector.handoff.rulebook.governance import Cadence, Threshold
from connector.handoff.rulebook.policy import Policy

UNITS: tuple[tuple[str, str], ...] = (
    ("_percent", "%"),
    ("_working_days", "working day"),
    ("_days", "day"),
    ("_hours", "hour"),
    ("_minutes", "minute"),
)
"""How a key ends, and its unit."""


LOST = frozenset({"churn_90_days_percent"})
"""Targets that name the share that is lost, of measures of the share that is kept."""
UNIT_WORDS = {Unit.PERCENT: "%", Unit.SCORE: "", Unit.COUNT: ""}
PERIODS = {Cadence.HYPERCARE: "weeks", Cadence.MONTH: "months", Cadence.QUARTER: "quarters"}


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
            return f"{plain(value)}%" if unit == "%" else counted(value, unit)
    return plain(value)


def aimed(policy: Policy, measure: Measure) -> str:
    """What a measure aims at, e.g. ``at least 90 %``; empty where nothing is aimed at."""
    target = told(policy, measure.target)
    if not target:
        return ""
    if measure.target in LOST:
        target = f"{plain(100 - values(policy)[measure.target])}%"
    return f"{'at least' if measure.better is Better.HIGHER else 'at most'} {target}"


def alarmed(policy: Policy, measure: Measure) -> str:
    """From which value on somebody should look; empty where the config does not say."""
    alarm = told(policy, measure.alarm)
    if not alarm:
        return ""
    return f"{'below' if measure.better is Better.HIGHER else 'above'} {alarm}"


def breach(threshold: Threshold) -> str:
    """When a threshold of governance is breached, e.g. ``below 85%, 2 months in a row``."""
    measure = MEASURES[threshold.measure]
    unit = UNIT_WORDS.get(measure.unit, f" {measure.unit.value}")
    words = f"{'above' if threshold.over else 'below'} {plain(threshold.limit)}{unit}"
    return f"{words}, {threshold.runs} {PERIODS[threshold.cadence]} in a row" if threshold.runs > 1 else words
