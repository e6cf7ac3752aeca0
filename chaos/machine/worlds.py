"""The worlds that stories are played in: a CRM, a store, and how many replicas there are.

Not here: the stories. A batch runs in a process of its own (``batch``), with one sandbox and one store for all its
stories: each begins with an empty ledger and an empty CRM.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from chaos.machine import vendors
from chaos.machine.hubspot import HubSpotPlace
from chaos.machine.memory import MemoryPlace
from chaos.machine.office import Office, open_stores, watch, wipe
from chaos.machine.place import Place
from chaos.machine.play import Asked, Came, play
from chaos.machine.salesforce import SalesforcePlace
from connector.clock import ManualClock

START = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
"""A Tuesday in the morning."""

REPLICAS = {"sqlite": 1, "postgresql": 2}
"""Processes on one store: SQLite takes one."""

IN_MEMORY = Path("/dev/shm")
"""A file system in memory, where there is one: thousands of ledgers are begun, and none has to outlive its machine.
What the last story of a batch left is kept beside what the other sections leave."""

Opener = Callable[[ManualClock], Place]


@contextmanager
def _memory() -> Iterator[Opener]:
    yield lambda _: MemoryPlace(start=START, notes_have_keys=False)


@contextmanager
def _memory_told() -> Iterator[Opener]:
    yield lambda _: MemoryPlace(start=START, notes_have_keys=True)


@contextmanager
def _salesforce() -> Iterator[Opener]:
    with vendors.running() as sandbox:
        yield lambda clock: SalesforcePlace(sandbox, sandbox.sf, start=START, clock=clock)


@contextmanager
def _hubspot() -> Iterator[Opener]:
    with vendors.running() as sandbox:
        yield lambda clock: HubSpotPlace(sandbox, sandbox.hs, start=START, clock=clock)


WORLDS: Mapping[str, Callable[[], AbstractContextManager[Opener]]] = {
    "memory": _memory,
    "memory with history": _memory_told,
    "salesforce": _salesforce,
    "hubspot": _hubspot,
}


def batch(asked: Asked, url: str) -> Came:
    """Play a batch in this process. ``url`` is an empty database; without one the ledger is a file of its own."""
    place = IN_MEMORY if IN_MEMORY.is_dir() else asked.folder
    # Named for the run's own folder, so that it goes even when this process is killed.
    with tempfile.TemporaryDirectory(dir=place, prefix=f"{asked.folder.parent.name}-") as folder:
        ledger = Path(folder) / "handoff.db"
        came = _batch(asked, url or f"sqlite:///{ledger}")
        if ledger.exists():
            shutil.copy(ledger, asked.folder / f"{asked.name}.db")
    return came


def _batch(asked: Asked, url: str) -> Came:
    clock = ManualClock(START)
    stores = open_stores(url, clock=clock, replicas=REPLICAS[asked.store])
    dooms = watch(stores)
    try:
        with WORLDS[asked.world]() as place_at:

            def begin() -> Office:
                clock.advance(START - clock.now())
                wipe(stores[0])
                office = Office(place_at(clock), stores, dooms, clock)
                for number in range(len(stores)):
                    office.boot(number)
                return office

            return play(asked, begin)
    finally:
        for store in stores:
            store.close()
