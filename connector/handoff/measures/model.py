"""What a measure is: its name and unit, which clock it goes by, where it starts and ends, who counts, what is aimed at.

Not here: the measures themselves (``catalogue``), what is known of one handoff (``facts``), sums (``summing``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from connector.handoff.measures.facts import Facts


class Clock(StrEnum):
    """Which hours a measure counts; `NONE` where it counts no time."""

    WALL = "wall"
    BUSINESS = "business"
    NONE = "none"


class Unit(StrEnum):
    """In what a measure is told."""

    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"
    WORKING_DAYS = "working days"
    PERCENT = "percent"
    COUNT = "count"
    SCORE = "score"


class Way(StrEnum):
    """How the values of many handoffs become one number. `SHARE`: values are 0 or 1, told as a percentage."""

    MEAN = "mean"
    SHARE = "share"
    TOTAL = "total"


class Better(StrEnum):
    """Which way is the good one."""

    HIGHER = "higher"
    LOWER = "lower"


SMALLEST: dict[Unit, int] = {
    Unit.MINUTES: 60,
    Unit.HOURS: 3600,
    Unit.DAYS: 86_400,
    Unit.WORKING_DAYS: 100,
    Unit.PERCENT: 1,
    Unit.COUNT: 1,
    Unit.SCORE: 100,
}
"""How many of the whole numbers that `Measure.value` gives make one of the unit: seconds, hundredths of a working day,
whole percent, counts, hundredths of a score. Of a `SHARE` they are 0 and 1, whatever the unit."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure. ``starts``, ``ends``, ``counts`` (which handoffs) and ``excludes`` are for people to read.

    ``target`` and ``alarm`` name keys of ``[targets]`` in process.toml, empty where nothing is aimed at; ``source`` is
    the document and section it comes from; ``field`` the canonical field of deal or account that carries it for one
    handoff, empty where none does; ``gauge`` says whether Prometheus is told it.

    ``value`` gives one handoff's value in whole smallest units (see `SMALLEST`), or None where the handoff does not
    count: not known, not yet due, excluded. ``after_days`` is from which day after the win it counts (0: as soon as it
    is known), or the name of the key of ``[targets]`` that says so; ``uses`` are the names of the facts it is made of.
    ``least`` and ``most`` bound what a value can be, in smallest units, None where nothing does.
    ``per_handoff`` is False for what is worked out over many handoffs (velocity): ``value`` then gives None always.
    """

    key: str
    title: str
    unit: Unit
    clock: Clock
    way: Way
    better: Better
    starts: str
    ends: str
    counts: str
    excludes: str
    target: str
    alarm: str
    source: str
    field: str
    gauge: bool
    value: Callable[[Facts], int | None]
    after_days: int | str = 0
    uses: tuple[str, ...] = ()
    per_handoff: bool = True
    least: int | None = 0
    most: int | None = None
