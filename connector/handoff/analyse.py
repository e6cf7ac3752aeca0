"""Which actions of the first days tell customers who stayed from those who left: counts, rates, intervals, thresholds.

Not here: who stayed and who did what (``cli.milestones`` gathers it). Pure arithmetic, with its limits said: every
threshold of every action is a test of its own, so p-values are corrected for all of them (Holm), and with few customers
nothing is ranked at all. That stayers did something does not say that doing it makes anybody stay.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

LEAST_CUSTOMERS = 20
LEAST_EACH = 5
"""Fewer kept, or fewer lost, and a rate of either says nothing."""

MOST_THRESHOLDS = 10
"""Thresholds tried of one action: the third source, the tenth appointment."""

SIGNIFICANT = 0.05
Z95 = 1.959963984540054
"""The normal distribution's two-sided 95 %."""


@dataclass(frozen=True, slots=True)
class Customer:
    """One customer: whether they stayed, and how often they did what in their first days."""

    id: str
    kept: bool
    actions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Rate:
    """So many kept ``of`` so many, with the Wilson interval of the share at 95 %; ``share`` None of none."""

    kept: int
    of: int

    @property
    def share(self) -> float | None:
        """The share of those who stayed."""
        return self.kept / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float]:
        """Between what the true share lies, 95 times of 100."""
        return wilson(self.kept, self.of)


@dataclass(frozen=True, slots=True)
class Threshold:
    """One action done at least so often: retention of those who did and of those who did not.

    ``p`` is Fisher's exact two-sided probability of a table as uneven as this by chance, ``adjusted`` the same once all
    tests that were made are allowed for.
    """

    action: str
    at_least: int
    reached: Rate
    missed: Rate
    p: float
    adjusted: float = 1.0

    @property
    def lift(self) -> float:
        """How much higher the share of those who did it is."""
        return (self.reached.share or 0.0) - (self.missed.share or 0.0)

    @property
    def is_telling(self) -> bool:
        """Whether it separates those who stayed from those who left by more than chance."""
        return self.adjusted < SIGNIFICANT and self.lift > 0


@dataclass(frozen=True, slots=True)
class Analysis:
    """The answer. ``refused`` says why nothing is ranked; the rows then stand by their names.

    ``rows`` holds the best threshold of each action, ``tests`` how many comparisons were made for it.
    """

    kept: int
    lost: int
    tests: int
    rows: tuple[Threshold, ...] = ()
    refused: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def customers(self) -> int:
        """How many customers it rests on."""
        return self.kept + self.lost


def analyse(customers: Sequence[Customer], *, least: int = LEAST_CUSTOMERS, least_each: int = LEAST_EACH) -> Analysis:
    """Compare, for every action and threshold, the customers who reached it with those who did not."""
    kept = sum(one.kept for one in customers)
    lost = len(customers) - kept
    tested = [
        row
        for action in sorted({name for one in customers for name in one.actions})
        for row in _thresholds(customers, action)
    ]
    adjusted = holm([row.p for row in tested])
    rows = [
        Threshold(row.action, row.at_least, row.reached, row.missed, row.p, p)
        for row, p in zip(tested, adjusted, strict=True)
    ]
    best = _best_of_each(rows)
    refused = _why_refused(kept, lost, least=least, least_each=least_each)
    order = _by_name if refused else _by_evidence
    return Analysis(kept, lost, len(rows), tuple(sorted(best, key=order)), refused, _notes(best, len(rows), refused))


def wilson(hits: int, of: int, *, z: float = Z95) -> tuple[float, float]:
    """The score interval of a share, which stays within 0 and 1 and means something for small numbers."""
    if not of:
        return 0.0, 1.0
    share, square = hits / of, z * z
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = z * math.sqrt(share * (1 - share) / of + square / (4 * of * of)) / (1 + square / of)
    return max(0.0, middle - half), min(1.0, middle + half)


def fisher(table: tuple[int, int, int, int]) -> float:
    """The two-sided probability of a 2 x 2 table (a, b / c, d) as uneven as this one, its margins given."""
    a, b, c, d = table
    row, column, whole = a + b, a + c, a + b + c + d
    if not whole:
        return 1.0
    every = math.comb(whole, column)

    def weight(x: int) -> int:
        return math.comb(row, x) * math.comb(whole - row, column - x)

    seen = weight(a)
    low, high = max(0, column - (whole - row)), min(row, column)
    as_uneven = sum(one for x in range(low, high + 1) if (one := weight(x)) <= seen)
    return min(1.0, as_uneven / every)


def holm(p_values: Sequence[float]) -> list[float]:
    """The same probabilities with all of them allowed for, by Holm's steps; in the order given."""
    count = len(p_values)
    adjusted = [1.0] * count
    highest = 0.0
    for place, index in enumerate(sorted(range(count), key=lambda each: p_values[each])):
        highest = max(highest, min(1.0, (count - place) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def _thresholds(customers: Sequence[Customer], action: str) -> list[Threshold]:
    """Every threshold at which both sides have somebody; two that part customers the same way are one."""
    counts = [one.actions.get(action, 0) for one in customers]
    found: list[Threshold] = []
    before: tuple[int, int] | None = None
    for at_least in range(1, min(max(counts, default=0), MOST_THRESHOLDS) + 1):
        did = [one.kept for one, count in zip(customers, counts, strict=True) if count >= at_least]
        did_not = [one.kept for one, count in zip(customers, counts, strict=True) if count < at_least]
        if not did or not did_not or (len(did), sum(did)) == before:
            continue
        before = len(did), sum(did)
        table = (sum(did), len(did) - sum(did), sum(did_not), len(did_not) - sum(did_not))
        reached, missed = Rate(sum(did), len(did)), Rate(sum(did_not), len(did_not))
        found.append(Threshold(action, at_least, reached, missed, fisher(table)))
    return found


def _best_of_each(rows: Sequence[Threshold]) -> list[Threshold]:
    """The threshold of each action that separates most surely; of two as sure the lower, which more customers reach."""
    best: dict[str, Threshold] = {}
    for row in rows:
        known = best.get(row.action)
        if known is None or (row.p, -row.lift, row.at_least) < (known.p, -known.lift, known.at_least):
            best[row.action] = row
    return list(best.values())


def _by_evidence(row: Threshold) -> tuple[bool, float, float, str]:
    return row.lift <= 0, row.p, -row.lift, row.action


def _by_name(row: Threshold) -> tuple[bool, float, float, str]:
    return False, 0.0, 0.0, row.action


def _why_refused(kept: int, lost: int, *, least: int, least_each: int) -> str:
    if kept + lost < least:
        return f"{kept + lost} customers are too few to rank anything by; at least {least} are needed"
    if min(kept, lost) < least_each:
        few, what = (lost, "left") if lost < kept else (kept, "stayed")
        return f"only {few} customers {what}; at least {least_each} of each are needed to compare"
    return ""


def _notes(best: Sequence[Threshold], tests: int, refused: str) -> tuple[str, ...]:
    if refused or not tests:
        return ()
    allowed_for = "p-values are corrected for all of them (Holm), so that none is taken for a finding by chance"
    said = [f"{tests} comparisons were made; {allowed_for}."]
    if not any(row.is_telling for row in best):
        said.append("No action separates those who stayed from those who left by more than chance.")
    thin = [row.action for row in best if row.is_telling and min(row.reached.of, row.missed.of) < 2 * LEAST_EACH]
    if thin:
        said.append(f"Few customers stand on one side of it, so the interval is what counts: {', '.join(thin)}.")
    said.append("That those who stayed did something does not say that doing it makes anybody stay: try it out.")
    return tuple(said)
