"""Faults a test or a person plants in the sandbox: by system, by request and by count.

Not the code that acts them out: the wire does it for whole requests (`wire.py`), the vendor apps for single rows.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

WIRE_KINDS = frozenset(
    {
        "429",
        "500",
        "502",
        "503",
        "504",
        "521",
        "522",
        "523",
        "524",
        "525",
        "526",
        "expired_token",
        "reset_before",
        "reset_after",
        "timeout_after",
        "slow",
    }
)
"""Kinds that concern a whole request. `reset_after` and `timeout_after` do the work first."""

ROW_KINDS = frozenset({"partial", "row_lock", "late_commit", "search_lag", "duplicated", "reordered", "migrating"})
"""Kinds that the vendor app acts out, because only it knows the rows."""

KINDS = WIRE_KINDS | ROW_KINDS
DEFAULT_SILENCE_S = 120.0


@dataclass(slots=True)
class Fault:
    """One planted fault. `system` is "sf", "hs" or "*"; `match` is a regex searched in "METHOD /path?query", unquoted.

    The first `skip` matching requests pass, the next `count` are hit. `arg` depends on the kind: seconds for
    `timeout_after`, `slow`, `late_commit` and `search_lag`, seconds to wait for `429` and `migrating` (HubSpot's 477).
    """

    id: str
    system: str
    match: str
    kind: str
    count: int
    skip: int = 0
    arg: float | str | None = None

    def seconds(self, default: float) -> float:
        """`arg` as seconds, or `default` when there is none or it is no number."""
        try:
            return float(self.arg) if self.arg is not None else default
        except ValueError:
            return default


class Faults:
    """The planted faults, in the order they were planted; each is used up and then gone."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._ids = itertools.count(1)

    def add(
        self,
        *,
        system: str,
        match: str,
        kind: str,
        count: int = 1,
        skip: int = 0,
        arg: float | str | None = None,
    ) -> Fault:
        """Plant a fault. Raises ValueError for an unknown kind, a bad regex or a count below 1."""
        if kind not in KINDS:
            raise ValueError(f"unknown fault kind {kind!r}: choose one of {', '.join(sorted(KINDS))}")
        if count < 1 or skip < 0:
            raise ValueError("count must be at least 1 and skip at least 0")
        try:
            re.compile(match)
        except re.error as error:
            raise ValueError(f"match is no regular expression: {error}") from error
        fault = Fault(id=f"f{next(self._ids)}", system=system, match=match, kind=kind, count=count, skip=skip, arg=arg)
        self._faults.append(fault)
        return fault

    def list(self) -> list[Fault]:
        """The faults that can still hit."""
        return [*self._faults]

    def clear(self) -> None:
        """Remove every fault."""
        self._faults.clear()

    def take(self, system: str, method: str, path: str, *, kinds: Container[str] = KINDS) -> Fault | None:
        """The fault of one of these kinds that hits this request, used up by one; None when none does."""
        if not self._faults:
            return None
        line = f"{method} {path}"
        for fault in self._faults:
            if fault.kind not in kinds or fault.system not in ("*", system) or not re.search(fault.match, line):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.count -= 1
            if fault.count <= 0:
                self._faults.remove(fault)
            return fault
        return None
