"""Rescue: take back rows whose process died while they were being sent.

Not here: sending them again. Nobody knows whether their call arrived, so they become unknown, and the verifier asks.
"""

from __future__ import annotations

import structlog

from connector.engine.failpoints import Failpoint, passing
from connector.engine.parts import Shared, System

ROWS_RESCUED = "rows.rescued"

log = structlog.get_logger()


def rescue(shared: Shared, system: System, *, at_start: bool = False) -> int:
    """Turn expired ``sending`` rows into ``unknown``. At the start of the only process, all of them."""
    passing(Failpoint.IN_RESCUE)
    count = shared.store.rescue(system.name, all_mine=at_start)
    if count:
        log.warning(ROWS_RESCUED, system=system.name, rows=count)
    return count
