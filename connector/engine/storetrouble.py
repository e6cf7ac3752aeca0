"""The store fails: a full disk, a file another process has locked, a server that restarts or was replaced.

Not here: trying again (the next tick does) and what a database's exception looks like (``store.failure``). The failure
is nobody's bug, so it is told in the database's words, once when it begins and once when it is over, not at each tick.
"""

from __future__ import annotations

import structlog

from connector.engine.parts import System
from connector.store import failure

STORE_FAILED = "store.failed"
STORE_RETURNED = "store.returned"

log = structlog.get_logger()


def store_failed(system: System, error: Exception) -> bool:
    """Whether this was the store's failure; if so it is told, and readiness is red until a pass ends again.

    What the store holds afterwards may be an older state (a standby that lacked the newest commits), so the system is
    connected to anew: deals with writes that seem unsent are then read before anything is sent.
    """
    words = failure(error)
    if not words:
        return False
    system.connected = False
    if not system.store_trouble:
        log.error(
            STORE_FAILED,
            system=system.name,
            message=words,
            next="see to the database's disk or server; the daemon goes on by itself, nothing recorded is lost",
        )
    system.store_trouble = f"the database fails: {words}"
    return True


def store_answers(system: System) -> None:
    """A pass came to its end: where the store had failed, that is over."""
    if system.store_trouble:
        log.info(STORE_RETURNED, system=system.name)
        system.store_trouble = ""
