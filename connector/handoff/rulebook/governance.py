"""What governance wants: who owns the process, and the thresholds over the measures at which it is looked at again.

Not here: files, TOML, validation and messages about mistakes (``connector.policy`` reads those and builds this), and
what a period came to (``handoff.governance``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from connector.handoff.rulebook.calendars import Clock, Limit


class Cadence(StrEnum):
    """By which periods a threshold is held against its measure."""

    HYPERCARE = "hypercare"
    """One week, counted from the day on which the process went live."""

    MONTH = "month"
    QUARTER = "quarter"


@dataclass(frozen=True, slots=True)
class Threshold:
    """One measure that must not fall below, or rise above, a number for ``runs`` periods one after the other.

    ``limit`` is in the measure's own unit, as people read it (percent, hours, days, a score), ``target`` the key of
    [targets] it was taken from, empty where the number stands there itself. ``week`` is set for `Cadence.HYPERCARE`.
    A period in which fewer than ``at_least`` handoffs count says nothing. ``advice`` is what the owner is told to do.
    """

    name: str
    measure: str
    cadence: Cadence
    limit: Decimal
    over: bool = False
    runs: int = 1
    week: int = 0
    at_least: int = 1
    advice: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class GovernancePolicy:
    """Who owns the process (an email), how long they have for what is raised, and the thresholds in the file's order.

    A period is judged ``wait_days`` after its last day, when what was logged late has come in. ``since`` is the day on
    which the process went live (None: the day on which the connector began to act).
    """

    owner: str
    within: Limit = Limit(Decimal(16), Clock.BUSINESS)
    since: date | None = None
    wait_days: int = 1
    thresholds: tuple[Threshold, ...] = ()
