"""Where a process may be struck: between any two calls to the CRM and transactions of the store.

Not here: what strikes (``office`` decides: a death, another replica's pass, a person's edit). A CRM and a store are
wrapped so that every such boundary is counted; at the n-th one the blow that was armed falls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from sqlalchemy import Connection

from connector.crm.port import CRM
from connector.store import Store

CALLS = frozenset(
    {
        *("connect", "poll", "changes", "fetch", "people", "account_counts", "stages", "apply", "tell", "find"),
        *("scan_won", "scan_changed", "earliest_start"),
    }
)
"""Methods of the port that ask the vendor something: between each and what is done next a process may end."""


class Died(BaseException):
    """The process ended here, as by a power cut. No ``except Exception`` of the product may hold it up."""


class Doom:
    """Counts boundaries, and lets one blow fall at the n-th of them from now on. ``passed`` counts them by name."""

    def __init__(self) -> None:
        self.passed: Counter[str] = Counter()
        self.fell_at = ""
        self._left = 0
        self._blow: Callable[[], None] | None = None

    def arm(self, nth: int, blow: Callable[[], None]) -> None:
        """From now on the n-th boundary (1 is the next) brings this."""
        self._left, self._blow, self.fell_at = nth, blow, ""

    def disarm(self) -> str:
        """Forget what was armed; returns where it fell, empty when it did not."""
        self._blow = None
        return self.fell_at

    def at(self, name: str) -> None:
        """The process comes by a boundary."""
        self.passed[name] += 1
        if self._blow is None:
            return
        self._left -= 1
        if self._left == 0:
            blow, self._blow, self.fell_at = self._blow, None, name
            blow()


class _Watched:
    """A CRM whose every call is a boundary before and after."""

    def __init__(self, crm: CRM, doom: Doom) -> None:
        self._crm = crm
        self._doom = doom

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._crm, name)
        if name not in CALLS:
            return found

        def called(*args: Any, **named: Any) -> Any:
            self._doom.at(f"before {name}")
            answer = found(*args, **named)
            self._doom.at(f"after {name}")
            return answer

        return called


def watched(crm: CRM, doom: Doom) -> CRM:
    """The same CRM with a boundary before and after each call."""
    return cast("CRM", _Watched(crm, doom))


def watch_store(store: Store, doom: Doom) -> None:
    """Make a boundary before and after every transaction of this store that writes."""
    database: Any = store._db  # the one place where every transaction begins and ends
    write = type(database).write

    @contextmanager
    def counted() -> Iterator[Connection]:
        doom.at("before a commit")
        with write(database) as connection:
            yield connection
        doom.at("after a commit")

    database.write = counted
