"""Planted faults that hit single rows of a write.

Not whole requests: those faults are acted out in `wire.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.salesforce.errors import ApiError

if TYPE_CHECKING:
    from connector.sandbox.faults import Fault

LOCKED = "UNABLE_TO_LOCK_ROW"


def struck(fault: Fault | None, rows: int) -> dict[int, ApiError]:
    """Index -> error of the rows that a fault makes fail.

    "row_lock" locks the first row, or the first `arg` rows. "partial" fails every second row, beginning with the
    first, with the code `arg` (a lock when there is none).
    """
    if fault is None:
        return {}
    if fault.kind == "row_lock":
        return {i: _error(LOCKED) for i in range(min(rows, int(fault.seconds(1))))}
    if fault.kind == "partial":
        return {i: _error(str(fault.arg or LOCKED)) for i in range(0, rows, 2)}
    return {}


def _error(code: str) -> ApiError:
    words = {LOCKED: "unable to obtain exclusive access to this record"}
    return ApiError(code, words.get(code, f"{code.lower().replace('_', ' ')} (planted)"))
