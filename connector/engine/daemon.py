"""The daemon's life: start ticks and the page, wait for a signal, drain, stop.

Not here: what is ticked. SIGTERM and SIGINT let the batch in flight be settled; what is not yet sent stays recorded.
"""

from __future__ import annotations

import dataclasses
import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType

import structlog

from connector.engine.denied import store_failed
from connector.engine.housekeeping import Housekeeper
from connector.engine.listener import Listener
from connector.engine.onepass import let_go
from connector.engine.parts import Shared, System
from connector.engine.replica import Replica
from connector.engine.scheduler import Ticks
from connector.engine.warehouse import Asker
from connector.engine.weekly import Weekly, WeeklyMail
from connector.failpoints import Failpoint, passing
from connector.handoff.model import SystemName
from connector.heap import keep_few

DAEMON_STARTED = "daemon.started"
DAEMON_STOPPING = "daemon.stopping"
DAEMON_STOPPED = "daemon.stopped"

ASKED_FOR = 5.0
"""Seconds for which a stopping daemon waits for a database that is being asked: what it brings later is asked again."""

log = structlog.get_logger()

Stop = Callable[[], None]


def run_daemon(
    shared: Shared,
    systems: Sequence[System],
    *,
    poll_seconds: float,
    start_web: Callable[[], Stop | None],
    weekly: Weekly | None = None,
) -> None:
    """Run until SIGTERM or SIGINT; returns when all work in hand is settled and the store is closed."""
    keep_few()
    arrived = threading.Event()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        shared.stopping.set()
        arrived.set()
        log.info(DAEMON_STOPPING, signal=signal.Signals(number).name)

    previous = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    shared, ticks = _among_others(shared, systems, poll_seconds=poll_seconds)
    stop_web = start_web()
    for system in systems:
        # A restart is how a person says that the cause is mended; if it is not, one call halts the system again.
        shared.store.resume(system.name)
    if shared.replica is not None:
        shared.replica.start()
    ticks.start()
    listeners = [Listener(shared, system, wake=ticks.wake) for system in systems]
    for listener in listeners:
        listener.start()
    housekeeper = Housekeeper(shared)
    housekeeper.start()
    asker = Asker(shared, shared.queries)
    asker.start()
    mail = WeeklyMail(shared, weekly) if weekly else None
    if mail is not None:
        mail.start()
    log.info(DAEMON_STARTED, systems=[system.name for system in systems], poll_seconds=poll_seconds)
    try:
        arrived.wait()
    finally:
        passing(Failpoint.IN_SHUTDOWN)
        shared.stopping.set()
        ticks.stop()
        for listener in listeners:
            listener.join()
        housekeeper.join()
        asker.join(ASKED_FOR)
        if mail is not None:
            mail.join()
        passing(Failpoint.DRAINED)
        if stop_web:
            stop_web()
        for system in systems:
            try:
                let_go(shared, system)
            except Exception as error:
                # The hold ends by itself; a daemon must be able to stop in order while its database is away.
                if not store_failed(system, error):
                    raise
        if shared.replica is not None:
            shared.replica.stop()
        shared.store.close()
        shared.tracer.close()
        for number, handler in previous.items():
            signal.signal(number, handler)
        log.info(DAEMON_STOPPED)


def _among_others(shared: Shared, systems: Sequence[System], *, poll_seconds: float) -> tuple[Shared, Ticks]:
    """The ticks; on PostgreSQL, where others may work on the same systems, with this process's place among them."""
    if shared.store.single_process:
        return shared, Ticks(shared, systems, seconds=poll_seconds)
    by_name = {system.name: system for system in systems}
    replica = Replica(
        shared.store.pulse(owner=shared.owner),
        owner=shared.owner,
        systems={system.name: system.lock for system in systems},
        on_lead=lambda name: ticks.tick(by_name[SystemName(name)]),
        company=shared.company,
        on_news=lambda news: _hear(shared, ticks, replica, by_name.get(SystemName(news.system)), news.what),
    )
    shared = dataclasses.replace(shared, replica=replica)
    ticks = Ticks(shared, systems, seconds=poll_seconds)
    return shared, ticks


def _hear(shared: Shared, ticks: Ticks, replica: Replica, system: System | None, what: str) -> None:
    """Another process put something there: whoever leads the system looks, and of what is to be sent all do."""
    if system is None:
        return
    if what == "letters":
        shared.store.letterbox(system.name).rouse()
    elif replica.leads(system.name):
        ticks.wake(system)
    elif what == "rows":
        ticks.help(system)
