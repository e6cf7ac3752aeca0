"""Which deals are an exception: let through with gaps that nobody has filled since, or asking to be.

Not here: whether an override counts (``override``) and when there are too many of them (``engine.exceptions``). What
stands on the deal says it, so that nothing is lost with the ledger but the day on which it was asked for.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from connector.handoff.case import Case
from connector.handoff.model import Gate
from connector.handoff.override import requested
from connector.handoff.plan import Phase


class Exempt(StrEnum):
    """Why a deal stands in the queue."""

    OVERRIDDEN = "overridden"
    """A manager let it through, and the gaps are still there."""

    WARNED = "warned"
    """The gate let it through with a warning, and the gaps are still there."""

    REQUESTED = "requested"
    """It is held, and somebody asked for an override that does not count, or not yet."""


_PASSED = {Gate.OVERRIDDEN: Exempt.OVERRIDDEN, Gate.WARNED: Exempt.WARNED}


def exempt(case: Case) -> Exempt | None:
    """The exception that a deal is now; None when it is none, or none any more."""
    if not case.gaps or case.excluded:
        return None
    if case.released:
        return _PASSED.get(case.gate) if case.gate else None
    return Exempt.REQUESTED if case.outcome is Phase.HELD and requested(case) is not None else None


def opened_at(case: Case) -> datetime | None:
    """When the latest exception of this deal was opened; it is remembered when it is over, for counting."""
    if exempt(case) is None or case.ledger.exempt:
        return case.ledger.exempt_at
    since = case.released_at if case.released else None
    return since or case.now
