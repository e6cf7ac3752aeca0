"""Rescue: take back rows whose process died while they were being sent.

Not here: sending them again. Nobody knows whether their call arrived, so they become unknown, and the verifier asks.
"""

from __future__ import annotations

import structlog

from connector.engine.parts import Shared, System
from connector.failpoints import Failpoint, passing

ROWS_RESCUED = "rows.rescued"

log = structlog.get_logger()


def rescue(shared: Shared, system: System) -> int:
    """Turn expired ``sending`` rows into ``unknown``; all of them where no other process can be sending.

    A pass begins with nothing in flight, so in the only process such a row was left by one that broke off: by a kill,
    or by a store that could not be written when the answer came. Of several processes each knows that of itself, and
    which others have stopped saying that they live.
    """
    passing(Failpoint.IN_RESCUE)
    idle = shared.owner if shared.replica is not None else ""
    count = shared.store.rescue(system.name, all_mine=shared.store.single_process, idle=idle)
    passing(Failpoint.RESCUED)
    if count:
        log.warning(ROWS_RESCUED, system=system.name, rows=count)
    return count
