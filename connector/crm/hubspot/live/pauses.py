"""How long a broken journal rests before it is tried again, by what broke it.

Not here: trying it (``journal``). What the vendor asks for itself is waited for where it is longer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connector.errors import FaultCode

DOUBLINGS = 12


@dataclass(frozen=True, slots=True)
class Pause:
    """Seconds before a broken line is tried again: the first time, and at most."""

    first: float
    most: float


PAUSES: Mapping[FaultCode, Pause] = {
    FaultCode.UNAVAILABLE: Pause(0.5, 60.0),
    FaultCode.OUTCOME_UNKNOWN: Pause(0.5, 60.0),
    FaultCode.ROW_LOCKED: Pause(2.0, 60.0),
    FaultCode.THROTTLED: Pause(2.0, 120.0),
    FaultCode.QUOTA_EXHAUSTED: Pause(60.0, 900.0),
    FaultCode.AUTH_REVOKED: Pause(30.0, 600.0),
}
AFRESH = Pause(0.5, 60.0)
"""For a place that is gone: the next one is the newest, and it may be had at once."""

REFUSED = Pause(600.0, 600.0)
"""For everything else: nothing helps but a person."""
