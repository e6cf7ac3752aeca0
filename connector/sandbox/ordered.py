"""One field of a table in the order of its values, so that a range of them is found without a scan.

Not the index of stamps (`rows.py`), which every table has, and not for values that cannot be told apart by `<`.
"""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ID_END = "\uffff"


class Ordered:
    """Pairs of value and row id, sorted. A pair is there once."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._pairs = sorted(pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def add(self, value: str, row_id: str) -> None:
        """Put a pair in its place."""
        place = bisect.bisect_left(self._pairs, (value, row_id))
        if place == len(self._pairs) or self._pairs[place] != (value, row_id):
            self._pairs.insert(place, (value, row_id))

    def drop(self, value: str, row_id: str) -> None:
        """Take a pair out; a no-op when it is not there."""
        place = bisect.bisect_left(self._pairs, (value, row_id))
        if place < len(self._pairs) and self._pairs[place] == (value, row_id):
            del self._pairs[place]

    def span(self, low: str | None, high: str | None) -> int:
        """How many pairs have low <= value <= high; None is no bound."""
        begin, end = self._ends(low, high)
        return max(0, end - begin)

    def between(self, low: str | None, high: str | None) -> Iterator[str]:
        """The ids of the rows with low <= value <= high, in the order of their values."""
        begin, end = self._ends(low, high)
        return (row_id for _, row_id in self._pairs[begin:end])

    def _ends(self, low: str | None, high: str | None) -> tuple[int, int]:
        begin = 0 if low is None else bisect.bisect_left(self._pairs, (low, ""))
        end = len(self._pairs) if high is None else bisect.bisect_right(self._pairs, (high, ID_END))
        return begin, end
