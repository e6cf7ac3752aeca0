"""A search among the backdrop's deals: which of them match, in which order, without making them.

What a filter asks of a property that repeats is tried on one deal of each remainder; what it asks of a date or an id is
a stretch of numbers. Only a filter on names, on words or on several dates at once has to walk through them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from connector.sandbox.hubspot import catalog
from connector.sandbox.hubspot.backdrop import FIRST_ID, OPEN_FOR, Backdrop
from connector.sandbox.hubspot.derive import iso, reader
from connector.sandbox.hubspot.filters import BARE, LINKED, Filter
from connector.sandbox.hubspot.stretches import EVERY, PERIOD, Picked, Run, Stretch, both, disjoint, narrowed

if TYPE_CHECKING:
    from connector.sandbox.hubspot.kinds import Kind
    from connector.sandbox.rows import Row
    from connector.sandbox.state import World

Test = Callable[[Any], bool]
Groups = Sequence[Sequence[Filter]]
Stretches = tuple[Stretch, ...]

ID, NAME = "hs_object_id", "dealname"
RISING = frozenset({ID, NAME})
"""Besides dates, what differs from deal to deal; both rise with the number."""


class Beyond:
    """The backdrop as a search sees it."""

    def __init__(self, world: World, kind: Kind, backdrop: Backdrop) -> None:
        self._world = world
        self._kind = kind
        self._backdrop = backdrop
        self._samples = [backdrop.row(rest) for rest in range(PERIOD)]
        self._all = (Stretch(0, backdrop.count, EVERY),)

    def picked(
        self,
        groups: Groups,
        *,
        words: Test | None,
        key: Callable[[Row], Any],
        sort: str,
        backwards: bool,
        without: Sequence[int],
    ) -> Picked:
        """The numbers that match any group, in the order asked for."""
        found: list[Stretch] = []
        walked: list[tuple[Stretches, list[Test]]] = []
        for group in groups or [[]]:
            stretches, rest = self._group(group)
            if rest or words:
                walked.append((stretches, [*rest, *([words] if words else [])]))
            else:
                found += stretches
        for stretches, tests in walked:
            found += self._walk(stretches, tests)
        apart = disjoint(found) if len(groups) > 1 else tuple(found)
        return Picked(self._runs(apart, key, sort, backwards=backwards), without=without)

    # which

    def _group(self, group: Sequence[Filter]) -> tuple[Stretches, list[Test]]:
        stretches: Stretches = self._all
        rest: list[Test] = []
        for each in group:
            if each.name.startswith(LINKED) or (each.name == ID and each.exact):
                return (), []
            met = self._met(each)
            if met is None:
                rest.append(each.test(self._world, self._kind))
            else:
                stretches = both(stretches, met)
        return stretches, rest

    def _met(self, asked: Filter) -> Stretches | None:
        if asked.operator in BARE or not self._differs(asked.name):
            test = asked.test(self._world, self._kind)
            return narrowed(self._all, lambda rest: test(self._samples[rest]))
        if asked.name == ID:
            return self._by_id(asked)
        if not asked.ranged or asked.name in RISING:
            return None
        low, high = asked.bounds()
        return disjoint(
            Stretch(self._from(low, shift), self._after(high, shift), rests)
            for shift, rests in self._shifts(asked.name).items()
            if shift is not None
        )

    def _by_id(self, asked: Filter) -> Stretches | None:
        # Only the two ends can differ from one number to the next, so the filter itself says where they are.
        if not asked.ranged:
            return None
        test = asked.test(self._world, self._kind)
        near = [int(n) - FIRST_ID for n in (asked.value, asked.high) if n.isdigit()]
        ends = sorted({0, self._backdrop.count, *(n for m in near for n in (m, m + 1) if 0 < n < self._backdrop.count)})
        return disjoint(
            Stretch(low, high, EVERY) for low, high in itertools.pairwise(ends) if test(self._backdrop.row(low))
        )

    def _walk(self, stretches: Stretches, tests: list[Test]) -> list[Stretch]:
        found: list[Stretch] = []
        for each in stretches:
            for number in (n for n in range(each.low, each.high) if n % PERIOD in each.rests):
                row = self._backdrop.row(number)
                if not all(test(row) for test in tests):
                    continue
                if found and found[-1].high == number:
                    found[-1] = Stretch(found[-1].low, number + 1, EVERY)
                else:
                    found.append(Stretch(number, number + 1, EVERY))
        return found

    def _differs(self, name: str) -> bool:
        return name in RISING or catalog.properties(self._world, self._kind)[name].type == "datetime"

    def _shifts(self, name: str) -> dict[timedelta | None, tuple[int, ...]]:
        """How long before the last change a date lies, and for which remainders; None where it is empty."""
        read, found = reader(self._kind, name), dict[timedelta | None, tuple[int, ...]]()
        for rest, row in enumerate(self._samples):
            text = read(row)
            shift = None if text is None else timedelta() if text == iso(row.modified_at) else OPEN_FOR
            found[shift] = (*found.get(shift, ()), rest)
        return found

    def _from(self, moment: datetime, shift: timedelta) -> int:
        return self._backdrop.first_from(_later(moment, shift))

    def _after(self, moment: datetime, shift: timedelta) -> int:
        return self._backdrop.first_from(_later(moment, shift + timedelta(microseconds=1)))

    # in which order

    def _runs(self, found: Stretches, key: Callable[[Row], Any], sort: str, *, backwards: bool) -> list[Run]:
        if sort in RISING:
            return [Run(found, backwards)]
        if self._differs(sort):
            # Whatever date it is, it lies equally long before the last change of each deal that has it.
            empty = set(self._shifts(sort).get(None, ()))
            filled = Run(narrowed(found, lambda rest: rest not in empty), backwards)
            return [filled, Run(narrowed(found, empty.__contains__))]
        by_key: dict[Any, set[int]] = {}
        for rest, row in enumerate(self._samples):
            by_key.setdefault(key(row), set()).add(rest)
        order = sorted((k for k in by_key if k is not None), reverse=backwards) + [k for k in by_key if k is None]
        return [Run(narrowed(found, by_key[k].__contains__)) for k in order]


def _later(moment: datetime, shift: timedelta) -> datetime:
    # The ends of time stay what they are.
    try:
        return moment + shift
    except OverflowError:
        return moment
