"""From many handoffs' values to one number: sums, how sure it is, what it is held against, and how it is written.

Not here: summing itself (the database does, over whole numbers). An interval says between which bounds the true figure
lies 95 times of 100: for shares by Wilson's score, which holds for few cases too, for means by Student's t.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from connector.handoff.measures.model import SMALLEST, Better, Measure, Unit, Way
from connector.handoff.rulebook.watch import Targets

FEW = 8
"""Fewer cases than these are too few to judge anybody by, where the policy names no other number."""

Z95 = 1.959964
"""Of the normal distribution, for 95 %."""

T95 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131),
    *(2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
"""Of Student's t for 95 %, both sides, by degrees of freedom from 1 to 30; `_t95` has those beyond."""

_UNIT_WORDS = {
    Unit.MINUTES: " min",
    Unit.HOURS: " h",
    Unit.DAYS: " days",
    Unit.WORKING_DAYS: " working days",
    Unit.PERCENT: " %",
    Unit.COUNT: "",
    Unit.SCORE: "",
}
_OF_TARGET = {
    "_minutes": 60,
    "_hours": 3600,
    "_working_days": 100,
    "_days": 86_400,
    "_percent": 1,
}
"""By how a target's key ends, how many smallest units one of it has; any other is a score."""

_INVERSE = frozenset({"churn_90_days_percent"})
"""Targets that name the share that is lost, for measures of the share that is kept."""


@dataclass(frozen=True, slots=True)
class Sum:
    """Handoffs that count, their values' sum in smallest units, how many met the target, and the sum of the squares."""

    counted: int = 0
    total: int = 0
    met: int = 0
    squares: float = 0.0

    def __add__(self, other: Sum) -> Sum:
        return Sum(
            self.counted + other.counted,
            self.total + other.total,
            self.met + other.met,
            self.squares + other.squares,
        )


NOTHING = Sum()


@dataclass(frozen=True, slots=True)
class Interval:
    """Between which bounds the true figure lies, in the unit it is shown in."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Shown:
    """One number as people read it: ``number`` in the measure's unit (None: nothing counts), and the text with it."""

    number: float | None
    text: str


def sum_of(measure: Measure, values: list[int | None], *, aim: int | None = None) -> Sum:
    """The sum over values as they come; the database's counterpart is `connector.store.figures`."""
    known = [value for value in values if value is not None]
    return Sum(
        counted=len(known),
        total=sum(known),
        met=sum(meets(measure, value, aim) for value in known) if aim is not None or measure.way is Way.SHARE else 0,
        squares=float(sum(value * value for value in known)),
    )


def aim(measure: Measure, targets: Targets, *, alarm: bool = False) -> int | None:
    """The target (or the alarm) in smallest units; of a `SHARE` in percent. None where there is none."""
    key = measure.alarm if alarm else measure.target
    if not key:
        return None
    value: Decimal = getattr(targets, key)
    if key in _INVERSE:
        value = 100 - value
    unit = next((many for ends, many in _OF_TARGET.items() if key.endswith(ends)), SMALLEST[Unit.SCORE])
    return int(value * unit)


def meets(measure: Measure, value: int, wanted: int | None) -> bool:
    """Whether one handoff's value is what is aimed at. Of a `SHARE` each is good or not, whatever the target."""
    if measure.way is Way.SHARE:
        return (value == 1) is (measure.better is Better.HIGHER)
    if wanted is None:
        return False
    return value >= wanted if measure.better is Better.HIGHER else value <= wanted


def number(measure: Measure, found: Sum) -> float | None:
    """The one number in the measure's unit; None where nothing counts."""
    exact = _exact(measure, found)
    return None if exact is None else float(exact)


def shown(measure: Measure, found: Sum) -> Shown:
    """The one number, rounded as people read it, with its unit."""
    exact = _exact(measure, found)
    if exact is None:
        return Shown(None, "–")
    places = Decimal(1) if measure.way is Way.TOTAL else Decimal("0.1")
    rounded = exact.quantize(places, rounding=ROUND_HALF_UP)
    return Shown(float(rounded), f"{_plain(rounded)}{_UNIT_WORDS[measure.unit]}")


def shown_value(measure: Measure, value: int | None) -> str:
    """One handoff's value as people read it; a dash where it does not count."""
    if value is None:
        return "–"
    if measure.way is Way.SHARE:
        return "yes" if value else "no"
    exact = Decimal(value) / SMALLEST[measure.unit]
    return f"{_plain(exact.quantize(Decimal('0.01'), rounding=ROUND_HALF_UP))}{_UNIT_WORDS[measure.unit]}"


def shown_aim(measure: Measure, wanted: int | None) -> str:
    """A target as people read it, such as ``≤ 24 h``; empty where there is none."""
    if wanted is None:
        return ""
    exact = Decimal(wanted) if measure.way is Way.SHARE else Decimal(wanted) / SMALLEST[measure.unit]
    sign = "≥" if measure.better is Better.HIGHER else "≤"
    return f"{sign} {_plain(exact.quantize(Decimal('0.01'), rounding=ROUND_HALF_UP))}{_UNIT_WORDS[measure.unit]}"


def on_target(measure: Measure, found: Sum, wanted: int | None) -> bool | None:
    """Whether the one number is as good as is aimed at; None where nothing counts or nothing is aimed at."""
    exact = _exact(measure, found)
    if exact is None or wanted is None:
        return None
    bound = Decimal(wanted) if measure.way is Way.SHARE else Decimal(wanted) / SMALLEST[measure.unit]
    return exact >= bound if measure.better is Better.HIGHER else exact <= bound


def few(found: Sum, *, least: int = FEW) -> bool:
    """Whether these are too few cases to judge anybody by."""
    return found.counted < least


def interval(measure: Measure, found: Sum) -> Interval | None:
    """Between which bounds the true figure lies, 95 times of 100; None for totals and where too little is known."""
    if measure.way is Way.TOTAL or not found.counted:
        return None
    if measure.way is Way.SHARE:
        return _wilson(found.total, found.counted)
    return _student(measure, found)


def _exact(measure: Measure, found: Sum) -> Decimal | None:
    if measure.way is Way.TOTAL:
        return Decimal(found.total) / SMALLEST[measure.unit]
    if not found.counted:
        return None
    if measure.way is Way.SHARE:
        return Decimal(found.total) * 100 / found.counted
    return Decimal(found.total) / found.counted / SMALLEST[measure.unit]


def _wilson(yes: int, of: int) -> Interval:
    share, squared = yes / of, Z95 * Z95
    middle = (share + squared / (2 * of)) / (1 + squared / of)
    half = Z95 / (1 + squared / of) * math.sqrt(share * (1 - share) / of + squared / (4 * of * of))
    return Interval(max(0.0, middle - half) * 100, min(1.0, middle + half) * 100)


def _student(measure: Measure, found: Sum) -> Interval | None:
    if found.counted < 2:
        return None
    mean = found.total / found.counted
    spread = max(found.squares - found.counted * mean * mean, 0.0) / (found.counted - 1)
    freedom = found.counted - 1
    bound = _t95(freedom) * math.sqrt(spread / found.counted)
    unit = SMALLEST[measure.unit]
    low = mean - bound if measure.least is None else max(mean - bound, measure.least)
    high = mean + bound if measure.most is None else min(mean + bound, measure.most)
    return Interval(low / unit, high / unit)


def _t95(freedom: int) -> float:
    """Student's t for 95 %, both sides. Beyond the table by its series about the normal distribution (Cornish and
    Fisher), right to the third place: the bare 1.96 would make ranges of some 30 cases 4 % too narrow."""
    if freedom <= len(T95):
        return T95[freedom - 1]
    first = (Z95**3 + Z95) / 4
    second = (5 * Z95**5 + 16 * Z95**3 + 3 * Z95) / 96
    return Z95 + first / freedom + second / freedom**2


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
