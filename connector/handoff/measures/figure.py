"""One row of figures: whose handoff it is, where it stands, and what every measure comes to.

Not here: how it comes about (``finding``), where it is kept (``connector.store.figures``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from connector.handoff.measures.facts import Facts
from connector.handoff.model import SystemName


class Funnel(StrEnum):
    """How far a customer has come, from the win to first value; each counts in all that come before it."""

    WON = "won"
    RELEASED = "released"
    ASSIGNED = "assigned"
    TOUCHED = "touched"
    KICKED_OFF = "kicked_off"
    ACTIVATED = "activated"


FUNNEL = tuple(Funnel)
"""In their order."""


@dataclass(frozen=True, slots=True)
class Who:
    """One of our own people, as the CRM knows them; both empty for nobody."""

    id: str = ""
    name: str = ""


NOBODY = Who()


@dataclass(frozen=True, slots=True)
class Figure:
    """One handoff (a deal and its generation) with all its figures.

    ``won_on`` is the day of the win by the company's calendar, ``won_weekday`` its weekday (0 is Monday) and
    ``won_hour`` its hour, None where the win's time is not known. ``activated_on`` is the day of first value.
    ``amount`` is in hundredths. ``phase`` is the deal's; ``reason`` says in a sentence why there is a handoff, or none.
    ``covered``: there is one. ``stuck`` names the signals and red flags that stand now, ``lacks`` what it lacked, as
    `lacking` says.
    """

    system: SystemName
    deal_id: str
    generation: int
    facts: Facts
    title: str = ""
    account_id: str = ""
    account_name: str = ""
    ae: Who = NOBODY
    csm: Who = NOBODY
    segment: str = ""
    tier: str = ""
    source: str = ""
    deal_type: str = ""
    amount: int | None = None
    currency: str = ""
    won_on: date | None = None
    won_weekday: int | None = None
    won_hour: int | None = None
    activated_on: date | None = None
    phase: str = ""
    covered: bool = True
    reason: str = ""
    funnel: Funnel = Funnel.WON
    stuck: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    promise_due: date | None = None
    """The next day on which a promise of the sale is due that nobody kept yet."""
    looked_on: date | None = field(default=None, compare=False)
    """The day of the look by the company's calendar; None for a row that was kept, of which nobody asks it."""
    values: Mapping[str, int | None] = field(default_factory=dict)
    """By the measure's key, in whole smallest units."""
