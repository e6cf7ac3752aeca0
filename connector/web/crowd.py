"""Who may still try at the webhook door: whoever brings only what is refused is soon not even read any more.

Not here: why something is refused (each `Door`), and connections that say nothing (``patience``). Whoever brought
something good of late is never kept out, so that a flood which comes through the same proxy keeps nobody else out.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from connector.web.pace import Pace

BURST, PER_SECOND = 60, 1.0
"""Refused requests of one caller: so many at once, then one a second. An app whose secret was changed needs a few."""

ALL_BURST, ALL_PER_SECOND = 2000, 100.0
"""The same for all callers together who never brought anything good."""

GOOD_FOR = 600.0
"""Seconds for which something good speaks for its bringer. A portal with nothing to tell is a new caller after that."""

MOST_GOOD = 1000
EVERYBODY = "everybody"


class Crowd:
    """Counts what callers brought. Used from one event loop."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._each = Pace(burst=BURST, per_second=PER_SECOND, monotonic=monotonic)
        self._all = Pace(burst=ALL_BURST, per_second=ALL_PER_SECOND, monotonic=monotonic)
        self._good: OrderedDict[str, float] = OrderedDict()

    def is_known(self, caller: str) -> bool:
        """Whether this caller brought something good of late."""
        return self._monotonic() < self._good.get(caller, float("-inf"))

    def may_try(self, caller: str) -> bool:
        """Whether a request is worth reading."""
        return self.is_known(caller) or not (self._each.is_spent(caller) or self._all.is_spent(EVERYBODY))

    def was_good(self, caller: str) -> None:
        """This caller brought something that was let in for the first time."""
        self._good[caller] = self._monotonic() + GOOD_FOR
        self._good.move_to_end(caller)
        if len(self._good) > MOST_GOOD:
            self._good.popitem(last=False)

    def was_bad(self, caller: str) -> None:
        """This caller brought something that was refused."""
        if not self.is_known(caller):
            self._each.charge(caller)
            self._all.charge(EVERYBODY)
