"""Cutting long lists into what one call may carry, and keeping rows that must not travel together apart.

Not here: the limits themselves; each adapter names its vendor's.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def chunks(items: Sequence[T], *, size: int) -> Iterator[tuple[T, ...]]:
    """The items in order, at most ``size`` (1 or more) at a time."""
    for start in range(0, len(items), size):
        yield tuple(items[start : start + size])


def chunks_by_cost(
    items: Sequence[T], *, budget: int, cost: Callable[[T], int], size: int | None = None
) -> Iterator[tuple[T, ...]]:
    """The items in order, as many at a time as the summed cost allows; an item dearer than the budget goes alone."""
    held: list[T] = []
    spent = 0
    for item in items:
        price = cost(item)
        if held and (spent + price > budget or len(held) == size):
            yield tuple(held)
            held, spent = [], 0
        held.append(item)
        spent += price
    if held:
        yield tuple(held)


def waves(items: Sequence[T], *, identity: Callable[[T], Hashable]) -> Iterator[tuple[T, ...]]:
    """The items so that no wave holds two of one identity; a later one of the same identity is in a later wave."""
    rounds: dict[Hashable, int] = {}
    found: list[list[T]] = []
    for item in items:
        name = identity(item)
        turn = rounds.get(name, 0)
        rounds[name] = turn + 1
        if turn == len(found):
            found.append([])
        found[turn].append(item)
    for wave in found:
        yield tuple(wave)
