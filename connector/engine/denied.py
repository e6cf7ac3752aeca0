"""What the machine denies a pass: a store (a full disk, a locked file, a server that restarts or was replaced), memory.

Not here: trying again (the next tick does) and what a database's exception looks like (``store.failure``). Such a
failure is nobody's bug, so it is told in plain words, once when it begins and once when it is over, not at each tick.
"""

from __future__ import annotations

import structlog

from connector.engine.parts import System
from connector.store import failure

STORE_FAILED = "store.failed"
STORE_RETURNED = "store.returned"
MEMORY_EXHAUSTED = "memory.exhausted"
MEMORY_RETURNED = "memory.returned"
SEE_TO_STORE = "see to the database's disk or server; the daemon goes on by itself, nothing recorded is lost"
SEE_TO_MEMORY = "give the process more memory; it tries on by itself, nothing recorded is lost"
NO_MEMORY = "the memory this process may use is used up"

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
    if not system.denied:
        log.error(STORE_FAILED, system=system.name, message=words, next=SEE_TO_STORE)
    system.denied = f"the database fails: {words}"
    return True


def memory_failed(system: System, error: Exception) -> bool:
    """Whether memory ran out; if so it is told, and readiness is red until a pass ends again."""
    if not isinstance(error, MemoryError):
        return False
    if not system.denied:
        log.error(MEMORY_EXHAUSTED, system=system.name, next=SEE_TO_MEMORY)
    system.denied = NO_MEMORY
    return True


def pass_ended(system: System) -> None:
    """A pass came to its end: what it had been denied is there again."""
    if system.denied == NO_MEMORY:
        log.info(MEMORY_RETURNED, system=system.name)
    elif system.denied:
        log.info(STORE_RETURNED, system=system.name)
    system.denied = ""
    system.crashed = False
