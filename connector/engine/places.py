"""Places that were stored and cannot be read: they are put aside, told of, and begun anew from where nothing is missed.

Not here: where that is (``detector``, ``rounds``, ``sweeper``): as with a lost ledger, all since acting began is read,
and looking once more at a deal writes nothing twice. A note that only says what is usual is learned anew.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import structlog

from connector.crm.port import UNREADABLE
from connector.engine.alarms import Cry, clear_alarm, raise_alarm
from connector.engine.parts import Shared, System

PLACE_LOST = "place.lost"

LOST = "place-"
"""With it begin the names of alarms about places."""

STANDS = timedelta(days=1)
"""How long the alarm stands: what it tells of is over when it is told, and somebody is to see it."""

T = TypeVar("T")

log = structlog.get_logger()


def stored(shared: Shared, system: System, name: str, parse: Callable[[str], T]) -> T | None:
    """What is kept under a name; None for nothing, and for what cannot be read, which is put aside."""
    text = shared.store.cursor(system.name, name)
    if not text:
        return None
    try:
        return parse(text)
    except UNREADABLE:
        put_aside(shared, system, name)
        return None


def put_aside(shared: Shared, system: System, name: str) -> None:
    """Keep what cannot be read where it does no harm, and tell people."""
    kept_as = shared.store.put_aside(system.name, name)
    log.error(PLACE_LOST, system=system.name, place=name, kept_as=kept_as, next="it is begun anew by itself")
    raise_alarm(
        shared,
        system,
        LOST + name,
        Cry(
            subject=f"what the database keeps as {name!r} could not be read",
            text=f"The place {name!r} in the database could not be read and was begun anew: all deals that changed "
            "since the connector began to act are looked at again where need be. Nothing is lost or made twice, but it "
            "takes calls.",
            next=f"find out who wrote it: another release, a restored copy, or a person. It is kept as {kept_as!r}.",
        ),
    )


def watch_places(shared: Shared, system: System) -> None:
    """End alarms about places after a while."""
    for alarm in shared.store.alarms(system.name):
        if alarm.name.startswith(LOST) and abs(shared.clock.now() - alarm.since) >= STANDS:
            clear_alarm(shared, system, alarm.name)
