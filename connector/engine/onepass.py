"""One pass over one system, in the order a reader should follow: rescue, verify, detect, reconcile, dispatch.

Not here: when passes run (``scheduler``) and what each step does (a file each). A pass that fails half-way loses
nothing: what was stored is taken up by the next one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import structlog

from connector.clock import zoned
from connector.engine.acting import begin_acting
from connector.engine.allowance import poll_due, poll_failed, take_stock
from connector.engine.brakes import halt, rest, resting, standing_still
from connector.engine.detector import PollFailed, detect
from connector.engine.dispatcher import dispatch, same_server
from connector.engine.drift import compare_schema, watch_schema
from connector.engine.happenings import count_events
from connector.engine.identity import pin
from connector.engine.parts import Shared, System
from connector.engine.places import stored
from connector.engine.policywatch import note_policy
from connector.engine.reconciler import LOOK_BATCH, look_again, reconcile
from connector.engine.replica import Replica, lead_name
from connector.engine.rescuer import rescue
from connector.engine.rounds import go_round
from connector.engine.sweeper import sweep
from connector.engine.verifier import verify
from connector.engine.watch import look_after
from connector.errors import Advice, CrmError
from connector.failpoints import Failpoint, passing
from connector.heap import give_back
from connector.store import CALLS, LAST_PASS, LAST_SWEEP, LAST_TROUBLE, OPENED, SPARING, LeadLost, under

DONE = "pass.done"
FAILED = "pass.failed"
SYSTEM_CONNECTED = "system.connected"
LEFT_OFF = "pass.abandoned"
HELPED = "pass.helped"
TAKEN_OVER = "lead.inherited"
CHECK_FOUND = "check.found"
REBUILD_SEEN = "ledger.rebuilt"
LEDGER_OLD = "ledger.aged"
LIVE_DOUBTED = "live.doubted"

PASS_LEASE = 60.0
"""Seconds a replica may hold a system between two renewals."""

GOES_ON = 60.0
"""Seconds: whoever led a system until so long ago has worked on this very ledger, which is then no old copy."""

ONLY_PROCESS = "the only process"
"""The holder's name where there can be but one process."""

ROUNDS = 25
"""Most look-and-send rounds in one pass; what is left waits for the next tick, so one system cannot run for ever."""

LARGE = 100
"""Looks in one pass after which memory is given back: what a few deals need is soon needed again."""

log = structlog.get_logger()


class Occasion(StrEnum):
    """Why a pass runs: because it is time, or because something was heard and waits in the inbox."""

    TICK = "tick"
    WOKEN = "woken"


@dataclass(frozen=True, slots=True)
class PassResult:
    """What one pass did; ``idle`` means the system was another replica's or is paused."""

    looked: int = 0
    applied: int = 0
    idle: bool = False
    error: str = ""


def run_pass(shared: Shared, system: System, *, occasion: Occasion = Occasion.TICK) -> PassResult:
    """Run one pass; never raises for a CRM's failure, which is told in the result, the log and the page."""
    with system.lock:
        try:
            return _run(shared, system, occasion)
        finally:
            if shared.replica is not None:
                shared.replica.pass_over(system.name)


def _run(shared: Shared, system: System, occasion: Occasion) -> PassResult:
    if shared.store.paused(system.name) is not None:
        return PassResult(idle=True)
    if standing_still(shared, system):
        return PassResult(idle=True)
    system.sent = 0
    if resting(shared, system):
        return PassResult(idle=True)
    if not hold(shared, system):
        shared.telemetry.stand_back(system.name)
        return PassResult(idle=True) if shared.replica is None else _help(shared, system, shared.replica)
    began = time.monotonic()
    try:
        with _kept(shared, system), shared.tracer.span("pass", system=system.name, occasion=occasion.value):
            result = _steps(shared, system, occasion)
    except LeadLost:
        log.warning(LEFT_OFF, system=system.name, next="another process goes on with it")
        return PassResult(idle=True)
    except CrmError as error:
        if error.fault.advice is Advice.HALT:
            halt(shared, system, error.fault)
        rest(shared, system, error.fault)
        system.doubted |= error.fault.advice is Advice.PARK
        _tell_trouble(shared, system, str(error))
        shared.telemetry.passes.labels(system=system.name, result="failed").inc()
        shared.telemetry.last_fault(system.name, error.fault.code.value)
        log.warning(
            FAILED,
            system=system.name,
            code=error.fault.code.value,
            vendor_code=error.fault.vendor_code,
            message=error.fault.message,
        )
        return PassResult(error=str(error))
    _tell_trouble(shared, system, "")
    system.last_pass = shared.clock.now()
    shared.store.set_cursor(system.name, LAST_PASS, system.last_pass.isoformat())
    shared.store.note_age()
    shared.telemetry.passes.labels(system=system.name, result="done").inc()
    shared.telemetry.pass_seconds.labels(system=system.name).observe(time.monotonic() - began)
    shared.telemetry.looks.labels(system=system.name).inc(result.looked)
    shared.telemetry.last_pass.labels(system=system.name).set(system.last_pass.timestamp())
    if result.looked >= LARGE:
        give_back()
    return result


def _tell_trouble(shared: Shared, system: System, trouble: str) -> None:
    """Leave in the store why the last pass failed, for the page and for ``handoff status`` in another process."""
    if trouble != system.trouble:
        system.trouble = trouble
        shared.store.set_cursor(system.name, LAST_TROUBLE, trouble)


def let_go(shared: Shared, system: System) -> None:
    """Give the system back at the end of a process, so that whoever comes next need not wait for a lease to end."""
    if shared.replica is None:
        shared.store.release(lead_name(system.name), _holder(shared))


def hold(shared: Shared, system: System) -> bool:
    """Take or renew this process's hold on a system: who holds it works on it, and listens for it.

    A daemon among several is told by its heartbeat, which renews what it holds.
    """
    if shared.replica is not None:
        return shared.replica.leads(system.name)
    return shared.store.lease(lead_name(system.name), owner=_holder(shared), ttl=PASS_LEASE)


@contextmanager
def _kept(shared: Shared, system: System) -> Iterator[None]:
    """Renew the hold meanwhile: a sweep over a large org, or a burst with slow answers, takes longer than a hold lasts,
    and another process would begin beside this one. Where there is but one process nobody else can take it."""
    if shared.store.single_process or shared.replica is not None:
        yield
        return
    done = threading.Event()

    def renew() -> None:
        while not done.wait(PASS_LEASE / 4):
            with suppress(Exception):  # the pass meets a store that fails by itself, and says so
                hold(shared, system)

    thread = threading.Thread(target=renew, name=f"hold:{system.name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _holder(shared: Shared) -> str:
    """Who holds a pass. On SQLite the file lock has shut out every other process: the lease of one that was killed is
    nobody's, and a restart must not wait for it."""
    return ONLY_PROCESS if shared.store.single_process else shared.owner


def _steps(shared: Shared, system: System, occasion: Occasion) -> PassResult:
    lead = shared.replica.lead(system.name) if shared.replica is not None else None
    with under(lead):
        if not system.connected or not same_server(shared, system):
            connect(shared, system)
        _take_over(shared, system)
        failed = [error for step in FINDING[occasion] if (error := _attempt(step, shared, system))]
    if occasion is Occasion.TICK:
        shared.telemetry.last_poll.labels(system=system.name).set(shared.clock.now().timestamp())
    looked = applied = 0
    for _ in range(ROUNDS):
        with under(lead):
            seen = reconcile(shared, system)
            _open(shared, system, seen)
        sent = dispatch(shared, system)
        looked, applied = looked + seen, applied + sent
        if seen == 0 or shared.stopping.is_set() or not hold(shared, system):
            break
    if looked or applied:
        log.info(DONE, system=system.name, looked=looked, applied=applied)
    take_stock(shared, system)
    if occasion is Occasion.TICK:
        look_after(shared, system)
    if failed:
        raise failed[0]
    return PassResult(looked=looked, applied=applied)


def _help(shared: Shared, system: System, replica: Replica) -> PassResult:
    """Send what the process that leads this system has recorded: calls side by side are quicker than one by one.

    Not before that process has read again what an old copy of the ledger might ask for.
    """
    leader = replica.leader(system.name)
    opened = shared.store.cursor(system.name, OPENED)
    if not leader or opened != _opening(shared, leader) or not replica.trusted():
        return PassResult(idle=True)
    system.server = shared.store.server
    try:
        if not system.connected:
            _attach(shared, system)
            log.info(SYSTEM_CONNECTED, system=system.name, act=system.act, leader=leader)
        system.sparing = SPARING in (shared.store.cursor(system.name, CALLS) or "")
        rescue(shared, system)
        applied = dispatch(shared, system, leading=False)
    except CrmError as error:
        if error.fault.advice is Advice.HALT:
            halt(shared, system, error.fault)
        rest(shared, system, error.fault)
        log.warning(FAILED, system=system.name, code=error.fault.code.value, vendor_code=error.fault.vendor_code)
        return PassResult(error=str(error))
    if applied:
        shared.telemetry.passes.labels(system=system.name, result="helped").inc()
        log.info(HELPED, system=system.name, applied=applied)
    return PassResult(applied=applied, idle=not applied)


def _take_over(shared: Shared, system: System) -> None:
    """Begin to lead a system that another process may have led until now: what this one remembers of it is old."""
    if shared.replica is None or system.tenure == shared.replica.tenure(system.name):
        return
    before, _, server = (shared.store.cursor(system.name, OPENED) or "").partition(" ")
    swept = stored(shared, system, LAST_SWEEP, zoned)
    goes_on = server == shared.store.server and shared.store.was_alive(before, within=GOES_ON)
    system.tenure, system.opened = shared.replica.tenure(system.name), False
    system.last_poll = None
    system.last_sweep = swept if goes_on else None
    if before and not goes_on:
        # As at a start: the ledger may be an old copy.
        look_again(shared, system, shared.store.waiting(system.name), reason="the daemon started with writes to send")
    _note_policy(shared, system)
    log.info(TAKEN_OVER, system=system.name, goes_on=goes_on)


def _open(shared: Shared, system: System, seen: int) -> None:
    """Let others help from here on: everything that is owed a look has had one."""
    if shared.replica is not None and not system.opened and seen < LOOK_BATCH:
        shared.store.set_cursor(system.name, OPENED, _opening(shared, shared.owner))
        system.opened = True


def _opening(shared: Shared, leader: str) -> str:
    """What the leader notes once it has read again what is owed, by the server it read it from."""
    return f"{leader} {shared.store.server}".rstrip()


def _attempt(step: Callable[[Shared, System], int], shared: Shared, system: System) -> CrmError | None:
    """One of the steps that find work. When it fails, what is known already is still worked on; a halt stops all."""
    try:
        with shared.tracer.span(step.__name__.strip("_"), system=system.name):
            step(shared, system)
    except CrmError as error:
        if error.fault.advice is Advice.HALT:
            raise
        return error
    return None


def _sweep_if_due(shared: Shared, system: System) -> int:
    if system.sparing:
        return 0
    asked_for = system.live.take_sweep()
    if not asked_for and not _sweep_due(shared, system):
        return 0
    try:
        found = sweep(shared, system)
        if system.last_sweep is not None:
            shared.store.set_cursor(system.name, LAST_SWEEP, system.last_sweep.isoformat())
        return found
    except CrmError:
        system.live.want((), sweep=asked_for)
        raise


def _detect_if_due(shared: Shared, system: System) -> int:
    """Poll at a tick: what nobody listens to, and now and then, for safety, the rest too."""
    if not poll_due(shared, system):
        return 0
    safety = timedelta(seconds=system.safety_poll)
    try:
        return _poll(shared, system, system.live.due(system.crm.feeds(), now=shared.clock.now(), safety=safety))
    except CrmError as error:
        if not isinstance(error, PollFailed) or error.owed:
            poll_failed(system)
        raise


def _detect_missed(shared: Shared, system: System) -> int:
    """Poll between ticks: only what the listener says may have been missed."""
    if system.sparing:
        return 0
    wanted = system.live.wanted()
    return _poll(shared, system, tuple(feed for feed in system.crm.feeds() if feed in wanted))


def _poll(shared: Shared, system: System, feeds: tuple[str, ...]) -> int:
    began = shared.clock.now()
    system.live.begin_poll(feeds)
    try:
        asked = detect(shared, system, feeds)
    except PollFailed as error:
        # One feed that is refused for good must not have all those polled again for which a line stands in.
        system.live.want(error.owed)
        system.live.put_off(error.feeds - error.owed, at=began)
        _compare(system, tuple(feed for feed in feeds if feed not in error.feeds), began=began)
        raise
    except CrmError:
        system.live.want(feeds)
        raise
    _compare(system, feeds, began=began)
    return asked


def _compare(system: System, feeds: tuple[str, ...], *, began: datetime) -> None:
    """Note that these were read to their ends, and whether the lines that stand in for them told as much."""
    if not feeds:
        return
    deaf = system.live.polled(feeds, at=began, told_at=system.crm.server_time())
    if deaf:
        log.warning(LIVE_DOUBTED, system=system.name, feeds=sorted(deaf), next="polled at the usual pace")


FINDING: Mapping[Occasion, tuple[Callable[[Shared, System], int], ...]] = {
    Occasion.TICK: (watch_schema, rescue, verify, count_events, _sweep_if_due, _detect_if_due, go_round),
    Occasion.WOKEN: (rescue, verify, _detect_missed),
}
"""The steps that find work, in order; after them come the rounds of look and send."""


def _sweep_due(shared: Shared, system: System) -> bool:
    if system.last_sweep is None:
        return True
    return abs(shared.clock.now() - system.last_sweep) >= timedelta(seconds=shared.timing.sweep_every)


def connect(shared: Shared, system: System) -> None:
    """Log in and make sure the system has a baseline: the time from which wins are acted on.

    An empty ledger beside a CRM that carries our fields, or beside a note that acting had begun, is a rebuild, not a
    first run: acting began when the earliest of these says, or handoffs in flight would not be continued.
    """
    server = shared.store.server
    _attach(shared, system)
    system.connected = system.opened = False
    if shared.replica is not None:
        shared.store.set_cursor(system.name, OPENED, "")
    if shared.store.baseline(system.name) is None:
        shared.store.set_baseline(system.name, first_baseline(shared, system))
        passing(Failpoint.BASELINE_SET)
    if shared.store.grown_old():
        log.warning(LEDGER_OLD, next="values that people changed in fields the connector keeps are written over once")
    rescue(shared, system)
    # The ledger may be an old copy: what it says is still to be sent may long have been. Those deals are read first.
    look_again(shared, system, shared.store.waiting(system.name), reason="the daemon started with writes to send")
    _note_policy(shared, system)
    system.schema_read = shared.clock.now()
    compare_schema(shared, system)
    system.connected, system.server = True, server
    log.info(SYSTEM_CONNECTED, system=system.name, act=system.act, reach=system.reach.value)


def _note_policy(shared: Shared, system: System) -> None:
    """Note by which policy, and for whom, is acted from now on. Where the policy is another than before, what is held
    because of it is looked at: it may have been put back."""
    begin_acting(shared, system)
    if note_policy(shared, system):
        held = [each.deal_id for each in shared.store.held(system.name)]
        look_again(shared, system, held, reason="held, and the policy has changed")


def _attach(shared: Shared, system: System) -> None:
    """Log in, and be sure that it is the org it was."""
    for problem in system.crm.connect():
        log.warning(CHECK_FOUND, system=system.name, problem=str(problem))
    pin(shared, system)
    system.stages = system.crm.stages()
    system.connected = True


def first_baseline(shared: Shared, system: System) -> datetime:
    """The time from which wins are acted on, as a first pass sets it. Raises `CrmError`."""
    if system.first_run_since is not None:
        return system.first_run_since
    traces = [at for at in (system.crm.earliest_start(), shared.store.started_before(system.name)) if at is not None]
    if traces:
        log.warning(REBUILD_SEEN, system=system.name, since=str(min(traces)))
        return min(traces)
    return system.crm.server_time()
