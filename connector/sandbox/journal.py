"""The record of every request the sandbox answered, for counting calls and asking who wrote what.

Not a log: no bodies, no secrets, and only the newest requests are kept in full. The counts are kept for all.
"""

from __future__ import annotations

import itertools
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

KEPT_CALLS = 200_000


@dataclass(frozen=True, slots=True)
class Call:
    """One answered request. `ms` is the time inside the sandbox; `rows` counts records served or written.

    `within` are the addresses of the subrequests that it carried, shortened.
    """

    seq: int
    at: datetime
    system: str
    method: str
    path: str
    kind: str
    rows: int
    status: int
    ms: float
    caller: str
    write: bool
    within: tuple[str, ...] = ()


class Journal:
    """Calls in the order they were answered; `seq` starts at 1 and never repeats within a process."""

    def __init__(self, *, kept: int = KEPT_CALLS) -> None:
        self._calls: deque[Call] = deque(maxlen=kept)
        self._counts: dict[str, Counter[str]] = {}
        self._seq = itertools.count(1)

    def add(
        self,
        *,
        at: datetime,
        system: str,
        method: str,
        path: str,
        kind: str,
        rows: int,
        status: int,
        ms: float,
        caller: str,
        write: bool,
        within: tuple[str, ...] = (),
    ) -> Call:
        """Record one request and return it with its number."""
        call = Call(
            seq=next(self._seq),
            at=at,
            system=system,
            method=method,
            path=path,
            kind=kind,
            rows=rows,
            status=status,
            ms=ms,
            caller=caller,
            write=write,
            within=within,
        )
        self._calls.append(call)
        self._counts.setdefault(system, Counter())[kind] += 1
        return call

    def calls(self, since: int = 0, *, system: str | None = None, limit: int | None = None) -> list[Call]:
        """Calls numbered above `since`, oldest first; at most `limit` of them."""
        chosen = (c for c in list(self._calls) if c.seq > since and system in (None, c.system))
        return list(itertools.islice(chosen, limit))

    def counts(self, *, system: str | None = None) -> dict[str, int]:
        """How many requests of each kind were answered since the start or the last `clear`."""
        total: Counter[str] = Counter()
        for name, counter in self._counts.items():
            if system in (None, name):
                total.update(counter)
        return dict(sorted(total.items()))

    def clear(self) -> None:
        """Forget every call and count; numbering goes on."""
        self._calls.clear()
        self._counts.clear()
