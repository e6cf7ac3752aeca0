"""Numbers picked from stretches by their remainder: counted and found by arithmetic, never listed.

Pure. What the numbers stand for is the backdrop's business (`backdrop.py`).
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

PERIOD = 60
EVERY = tuple(range(PERIOD))


@dataclass(frozen=True, slots=True)
class Stretch:
    """Every number from `low` up to but not including `high` whose remainder by PERIOD is one of `rests` (sorted)."""

    low: int
    high: int
    rests: tuple[int, ...]

    def __len__(self) -> int:
        return self.below(self.high)

    def below(self, number: int) -> int:
        """How many of them are smaller than a number."""
        top = min(max(number, self.low), self.high)
        return max(0, self._rank(top) - self._rank(self.low))

    def at(self, place: int) -> int:
        """The one at a place, from 0."""
        turns, rest = divmod(self._rank(self.low) + place, len(self.rests))
        return turns * PERIOD + self.rests[rest]

    def __contains__(self, number: int) -> bool:
        return self.low <= number < self.high and number % PERIOD in self.rests

    def _rank(self, number: int) -> int:
        return number // PERIOD * len(self.rests) + bisect.bisect_left(self.rests, number % PERIOD)


@dataclass(frozen=True, slots=True)
class Run:
    """Stretches that do not overlap, ascending, walked upwards or downwards."""

    stretches: tuple[Stretch, ...]
    backwards: bool = False

    def __len__(self) -> int:
        return sum(map(len, self.stretches))

    def __contains__(self, number: int) -> bool:
        return any(number in each for each in self.stretches)

    def at(self, place: int) -> int:
        """The number at a place, from 0. Raises IndexError."""
        if self.backwards:
            place = len(self) - 1 - place
        for each in self.stretches:
            if place < len(each):
                return each.at(place)
            place -= len(each)
        raise IndexError(place)

    def place(self, number: int) -> int:
        """Where a number stands that is in it."""
        before = sum(each.below(number) for each in self.stretches)
        return len(self) - 1 - before if self.backwards else before


class Picked:
    """Runs one after another, without some numbers."""

    def __init__(self, runs: Iterable[Run], *, without: Iterable[int] = ()) -> None:
        self._runs = [run for run in runs if len(run)]
        places = sorted(place for number in without if (place := self._place(number)) is not None)
        # Where a gap would stand if those before it were closed: the search for a place needs no loop then.
        self._gaps = [place - n for n, place in enumerate(places)]

    def __len__(self) -> int:
        return sum(map(len, self._runs)) - len(self._gaps)

    def __getitem__(self, place: int) -> int:
        place += bisect.bisect_right(self._gaps, place)
        for run in self._runs:
            if place < len(run):
                return run.at(place)
            place -= len(run)
        raise IndexError(place)

    def _place(self, number: int) -> int | None:
        before = 0
        for run in self._runs:
            if number in run:
                return before + run.place(number)
            before += len(run)
        return None


def disjoint(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """The same numbers in stretches that do not overlap, ascending."""
    given = [each for each in stretches if each.low < each.high and each.rests]
    ends = sorted({end for each in given for end in (each.low, each.high)})
    return tuple(_pieces(given, ends))


def narrowed(stretches: Iterable[Stretch], keep: Callable[[int], bool]) -> tuple[Stretch, ...]:
    """The same stretches with only those remainders for which `keep` is true."""
    kept = (Stretch(each.low, each.high, tuple(filter(keep, each.rests))) for each in stretches)
    return tuple(each for each in kept if each.rests)


def both(some: Sequence[Stretch], others: Sequence[Stretch]) -> tuple[Stretch, ...]:
    """What is in one of `some` and in one of `others`."""
    pairs = ((a, b) for a in some for b in others)
    met = (Stretch(max(a.low, b.low), min(a.high, b.high), tuple(r for r in a.rests if r in b.rests)) for a, b in pairs)
    return disjoint(met)


def _pieces(given: list[Stretch], ends: list[int]) -> Iterator[Stretch]:
    for low, high in itertools.pairwise(ends):
        rests = {r for each in given if each.low <= low and high <= each.high for r in each.rests}
        if rests:
            yield Stretch(low, high, tuple(sorted(rests)))
