"""Claim, apply, settle: send what was recorded, in the vendor's largest batches, or by a job where that is cheaper.

Not here: deciding what to send, and what an answer leads to (``settling``). A row is claimed before it is sent and
settled after; a process that dies in between leaves it in ``sending``, and the rescuer hands it to the verifier, never
straight back to be sent.
"""

from __future__ import annotations

import time

import structlog

from connector.crm.writing import (
    Applied,
    Operation,
    Refused,
    Unknown,
    WriteOutcome,
)
from connector.engine.bundles import bundles, joined
from connector.engine.jobs import Started, leave_job, start_job
from connector.engine.mailer import send_mails
from connector.engine.parts import Shared, System
from connector.engine.replica import before_call, sending
from connector.engine.settling import settle_rows, write_of
from connector.errors import Advice, CrmError, Fault
from connector.failpoints import Failpoint, passing
from connector.handoff.model import Kind
from connector.handoff.pausing import TELLING
from connector.handoff.plan import Notify, Order
from connector.store import MAIL_KIND, TOGETHER, Claimed, Lane

NOTICE_BATCH = 20
"""Notifications per claim: each is a call of its own, so a crash leaves few in doubt."""

MAIL_BATCH = 1
"""Mails to customers per claim: a crash leaves at most one of which nobody knows whether it went."""

DIGEST_BATCH = 500
"""Messages per claim where those for one person go as one: a morning's, of a large team."""

SLOW_NOTICES = 10.0
"""Seconds: after a batch of messages slower than this the rest waits for the next pass, so that no win waits for a
chat service that hangs."""

EVERY_ORDER = frozenset(Order)
MOST_AT_ONCE = 100_000
"""More rows than any vendor takes in one call."""

CAPPED = "pass.capped"

log = structlog.get_logger()


def dispatch(shared: Shared, system: System, *, orders: frozenset[Order] = EVERY_ORDER, leading: bool = True) -> int:
    """Send until nothing is claimable. Returns rows settled as applied. A halting fault pauses the system.

    Of several processes only the ``leading`` one starts jobs; the others leave it the rows that are worth one.

    While the daemon keeps to essentials, what old deals are filled with waits; so do messages that a person paused.
    """
    if not system.act:
        # What was recorded before the mode was changed waits until it is changed back, and is decided anew then.
        return 0
    orders = orders - {Order.BACKFILL} if system.sparing else orders
    if any(each.rule == TELLING for each in shared.store.pauses(system.name)):
        orders = orders - {Order.NOTIFY}
    in_batches: set[Order] = set()
    applied = 0
    while not shared.stopping.is_set() and _may_send(shared, system) and shared.store.paused(system.name) is None:
        left = _left(shared, system)
        if left == 0:
            # A backfill was asked for and has a limit of its own.
            orders = orders & {Order.BACKFILL}
        turn = shared.store.next_turn(system.name, orders=orders) if system.crm.capabilities.bulk else None
        if turn is not None and left and turn.order is not Order.BACKFILL:
            # A job takes all there is.
            in_batches |= {turn.order} if shared.store.claimable(turn, limit=left + 1) > left else set()
        if turn is not None and turn.order not in in_batches:
            with sending(shared.replica):
                started = start_job(shared, system, turn) if leading else leave_job(shared, system, turn)
            if started is Started.NO:
                in_batches.add(turn.order)
            elif started is Started.LATER:
                orders = orders - {turn.order}
            if started is not Started.NO:
                continue
        claimed = shared.store.claim(
            system.name,
            owner=shared.owner,
            batch=lambda lane: min(_batch_size(system, lane), left or MOST_AT_ONCE),  # noqa: B023  # called at once
            lease_seconds=shared.timing.call_lease,
            orders=orders,
        )
        if claimed is None or not same_server(shared, system):
            # What was claimed then is looked up first, as whatever was left lying.
            break
        began = time.monotonic()
        applied += _send(shared, system, claimed)
        if claimed.lane.kind in ("notify", MAIL_KIND) and time.monotonic() - began > SLOW_NOTICES:
            break
    return applied


def _may_send(shared: Shared, system: System) -> bool:
    """Whether all others still believe that this process lives; if not, what it claims would be taken from it. And
    whether the store is still the one that was read."""
    return (shared.replica is None or shared.replica.trusted()) and same_server(shared, system)


def same_server(shared: Shared, system: System) -> bool:
    """Whether the store's server is the one it was when this system was connected to. One that took its place may lack
    the last commits: what it says is still to be sent may have been."""
    return system.server in ("", shared.store.server)


def _left(shared: Shared, system: System) -> int | None:
    """Writes this pass may still send; None where there is no limit."""
    most = shared.limits.writes
    return max(0, most - system.sent) if most else None


def _batch_size(system: System, lane: Lane) -> int:
    if lane.kind == "notify":
        return DIGEST_BATCH if lane.operation == TOGETHER else NOTICE_BATCH
    if lane.kind == MAIL_KIND:
        return MAIL_BATCH
    return system.crm.capabilities.max_batch[(Kind(lane.kind), Operation(lane.operation))]


def _send(shared: Shared, system: System, claimed: Claimed) -> int:
    if claimed.rows[0].order is not Order.BACKFILL:
        system.sent += len(claimed.rows)
        if _left(shared, system) == 0:
            log.warning(CAPPED, system=system.name, sent=system.sent, next="the rest goes with the next pass")
    passing(Failpoint.BEFORE_CALL)
    away = False
    lane = claimed.lane
    said: dict[str, str | int] = {"kind": lane.kind, "operation": lane.operation, "rows": len(claimed.rows)}
    try:
        with shared.tracer.span("apply", system=system.name, **said):
            outcomes = _apply(shared, system, claimed)
    except CrmError as error:
        outcomes = tuple(_whole_call(error.fault) for _ in claimed.rows)
        away = True
    passing(Failpoint.AFTER_CALL)
    return settle_rows(shared, system, claimed.rows, outcomes, lane=claimed.lane, away=away)


def _apply(shared: Shared, system: System, claimed: Claimed) -> tuple[WriteOutcome, ...]:
    with sending(shared.replica):
        if claimed.lane.kind == "notify":
            return _tell(shared, system, claimed)
        if claimed.lane.kind == MAIL_KIND:
            return send_mails(shared, claimed)
        return system.crm.apply([write_of(row) for row in claimed.rows])


def _tell(shared: Shared, system: System, claimed: Claimed) -> tuple[WriteOutcome, ...]:
    """One outcome per message; those that go together share the outcome of the one that was sent."""
    notices = [row.action for row in claimed.rows if isinstance(row.action, Notify)]
    if len(notices) != len(claimed.rows):
        raise AssertionError("only notifications travel in the notify lane")
    together = claimed.lane.operation == TOGETHER
    outcomes: dict[int, WriteOutcome] = {}
    for places in bundles(notices) if together else [(place,) for place in range(len(notices))]:
        outcome = _notify(shared, system, joined([notices[place] for place in places]))
        for place in places:
            done = Applied(record_id=claimed.rows[place].key)
            outcomes[place] = done if outcome is None else outcome
    return tuple(outcomes[place] for place in range(len(notices)))


def _notify(shared: Shared, system: System, notice: Notify) -> WriteOutcome | None:
    """What went wrong with a message; None when nothing did."""
    try:
        before_call()
        if notice.way:
            system.crm.tell(notice)
        else:
            shared.send_notice(notice)
        passing(Failpoint.NOTICE_SENT)
    except CrmError as error:
        if error.fault.advice is Advice.VERIFY:
            return Unknown(error.fault)
        return Refused(error.fault)
    return None


def _whole_call(fault: Fault) -> WriteOutcome:
    return Unknown(fault) if fault.advice is Advice.VERIFY else Refused(fault)
