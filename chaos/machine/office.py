"""The machine's side of the hostile world: processes that run passes over one CRM, die anywhere, and start again.

Not here: people and the vendor (``place``), and whether all is well (``judge``). On PostgreSQL two replicas share the
store; on SQLite there is one process. Nothing here runs by itself: a pass happens when it is told to.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import func, select

from chaos.machine.doom import Died, Doom, watch_store, watched
from chaos.machine.place import Place
from connector.clock import ManualClock
from connector.engine.onepass import PassResult, run_pass
from connector.engine.parts import Shared, System, Timing
from connector.errors import CrmError, Fault, FaultCode
from connector.handoff.plan import Notify
from connector.store import Store, open_store
from connector.store.schema import audit, chain, metadata, outbox
from connector.store.states import State
from connector.telemetry import Telemetry

BUSY_STEP = timedelta(seconds=20)
QUIET_STEP = timedelta(minutes=20)
"""Between two passes while there is something to do, and while there is not: past every wait of a minute, a sweep and
a retry of what could not be decided."""

QUIET_PASSES = 6
"""So many passes in a row without a look or a write, two hours in all, are rest. No clock is set back by more."""

MOST_PASSES = 250
"""More than that and the world does not come to rest."""

UNSETTLED = (State.PENDING, State.SENDING, State.UNKNOWN, State.REFUSED)


class NeverRested(AssertionError):
    """The world did not come to rest."""


@dataclass(slots=True)
class Replica:
    """One process: what it keeps in memory, and where it may be struck."""

    number: int
    store: Store
    doom: Doom
    shared: Shared
    system: System
    life: int = 0


@dataclass(slots=True)
class Office:
    """Replicas over one store and one CRM. ``told`` is every message that went out, ``doubts`` how many may repeat."""

    place: Place
    stores: tuple[Store, ...]
    dooms: tuple[Doom, ...]
    clock: ManualClock
    replicas: list[Replica] = field(default_factory=list)
    told: list[Notify] = field(default_factory=list)
    doubts: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    lost_notices: int = 0
    refused_notices: int = 0

    def boot(self, number: int) -> None:
        """A process starts on the store as it is, with nothing in memory; in place of the one that was."""
        store, doom = self.stores[number], self.dooms[number]
        doom.disarm()
        life = self.replicas[number].life + 1 if number < len(self.replicas) else 0
        shared = Shared(
            store=store,
            clock=self.clock,
            telemetry=Telemetry(),
            timing=Timing(),
            owner=f"replica-{number}-{life}",
            send_notice=self._send,
            stopping=threading.Event(),
        )
        crm = watched(self.place.connected(), doom)
        system = System(name=self.place.system, crm=crm, policy=self.place.policy, act=True)
        replica = Replica(number, store, doom, shared, system, life)
        if number < len(self.replicas):
            self.replicas[number] = replica
        else:
            self.replicas.append(replica)

    def run(self, number: int = 0) -> PassResult:
        """One pass of one replica; when it dies in it, another process takes its place."""
        replica = self.replicas[number % len(self.replicas)]
        try:
            return run_pass(replica.shared, replica.system)
        except Died:
            self.struck[f"death {replica.doom.fell_at}"] += 1
            self.doubts += 1
            self.boot(replica.number)
            return PassResult(error="the process died")
        finally:
            replica.doom.disarm()

    def strike(self, number: int, nth: int, blow: Callable[[], None]) -> None:
        """At the n-th boundary of a replica's next pass this happens."""
        self.replicas[number % len(self.replicas)].doom.arm(nth, blow)

    def wait(self, span: timedelta) -> None:
        """Time goes by, for the machine and for the vendor."""
        self.clock.advance(span)
        self.place.advance(span.total_seconds())

    def rest(self) -> int:
        """Passes of all replicas until nothing happens any more; how many it took. Raises `NeverRested`."""
        quiet = passes = 0
        while quiet < QUIET_PASSES:
            results = [self.run(number) for number in range(len(self.replicas))]
            passes += 1
            busy = any(each.applied or each.error for each in results) or self._waiting()
            quiet = 0 if busy else quiet + 1
            self.wait(BUSY_STEP if busy and passes % 3 else QUIET_STEP)
            if passes > MOST_PASSES:
                last = next((each.error for each in results if each.error), "")
                raise NeverRested(f"not at rest after {passes} passes: {self.outbox()} {last}")
        return passes

    def outbox(self) -> dict[str, int]:
        """How many rows stand in each state that is not the end."""
        counts = self.stores[0].counts(self.place.system)
        return {state.value: count for state, count in counts.items() if count and state not in _ENDS}

    def at(self) -> datetime:
        """The machine's time."""
        return self.clock.now()

    def _waiting(self) -> bool:
        counts = self.stores[0].counts(self.place.system)
        return any(counts[state] for state in UNSETTLED)

    def _send(self, notice: Notify) -> None:
        if self.refused_notices:
            self.refused_notices -= 1
            self.struck["chat away"] += 1
            raise CrmError(Fault(FaultCode.UNAVAILABLE, "503", "the chat service is away"))
        self.told.append(notice)
        if self.lost_notices:
            self.lost_notices -= 1
            self.doubts += 1
            self.struck["chat reply lost"] += 1
            raise CrmError(Fault(FaultCode.OUTCOME_UNKNOWN, "TIMEOUT", "the chat service did not answer"))


_ENDS = (State.APPLIED, State.SUPERSEDED)


def open_stores(url: str, *, clock: ManualClock, replicas: int) -> tuple[Store, ...]:
    """The stores of all replicas, on one database."""
    return tuple(open_store(url, clock=clock) for _ in range(replicas))


def wipe(store: Store) -> None:
    """Empty the ledger, so that the next world begins with none. Its trail can only be added to."""
    with store._db.write() as connection:
        for table in reversed(metadata.sorted_tables):
            if table not in (audit, chain):
                connection.execute(table.delete())


def watch(stores: tuple[Store, ...]) -> tuple[Doom, ...]:
    """A doom for each store, and in a process each its own."""
    dooms = tuple(Doom() for _ in stores)
    for store, doom in zip(stores, dooms, strict=True):
        watch_store(store, doom)
    return dooms


def rows_ever(store: Store) -> int:
    """How many rows were ever to be sent."""
    with store._db.read() as connection:
        return connection.execute(select(func.count()).select_from(outbox)).scalar_one()
