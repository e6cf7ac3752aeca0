"""What must be known before a win counts, who may let it through, and who judges what was handed over.

Not here: files, TOML, validation and messages about mistakes (``connector.policy`` reads those and builds this).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from connector.handoff.rulebook.calendars import Days, Limit
from connector.handoff.rulebook.conditions import Condition


class GateMode(StrEnum):
    """What a win with gaps leads to."""

    OFF = "off"
    WARN = "warn"
    HOLD = "hold"
    REVERT = "revert"


@dataclass(frozen=True, slots=True)
class Requirement:
    """A field that must be filled before a win counts, when the condition holds; ``why`` is shown to the rep."""

    field: str
    why: str
    advice: str
    when: Condition = dataclasses.field(default_factory=Condition)


@dataclass(frozen=True, slots=True)
class GateModeRule:
    """A different gate mode for the deals a condition names (``segment``, ``deal_type``, any field)."""

    mode: GateMode
    when: Condition


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """The gate. ``revert_to`` names the stage id used when the deal's own earlier stage is unknown.

    After ``fight_limit`` returns within ``fight_window`` that no person made, a win is held where it stands.
    """

    mode: GateMode
    exceptions: tuple[GateModeRule, ...]
    requirements: tuple[Requirement, ...]
    revert_to: Mapping[str, str] = dataclasses.field(default_factory=dict)
    fight_limit: int = 2
    fight_window: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class OverridePolicy:
    """Who may let a deal through with gaps, and for how long at most."""

    approvers: tuple[str, ...]
    min_reason_chars: int
    max_days: int


@dataclass(frozen=True, slots=True)
class AcceptancePolicy:
    """By when the AE answers a rejection; ``text`` is the task's template, its first line the subject (empty: ours)."""

    resubmit_within: Limit
    text: str = ""


@dataclass(frozen=True, slots=True)
class ReviewPolicy:
    """CS reviews a deal so many ``days`` before its expected close, within a limit from then; ``text`` as above."""

    days: int
    counted: Days
    within: Limit
    text: str = ""
