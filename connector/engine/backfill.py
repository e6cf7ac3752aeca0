"""Backfill: go through the deals won before the start and record what each is filled with; then send just that.

Not here: what that is (``handoff.backfill``) and the command (``cli``). Deals pass through in portions, so that memory
stays what it is however many there are; what was recorded is not recorded again, so that a run may be broken off.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import structlog

from connector.crm.batch import chunks
from connector.engine.brakes import standing_still
from connector.engine.dispatcher import dispatch, same_server
from connector.engine.jobs import next_ask
from connector.engine.onepass import PASS_LEASE, connect, hold
from connector.engine.parts import Shared, System
from connector.engine.reconciler import observe
from connector.engine.rescuer import rescue
from connector.engine.verifier import verify
from connector.errors import Advice, CrmError
from connector.handoff.backfill import backfill, patch_of
from connector.handoff.model import Snapshot
from connector.handoff.plan import Order, Patch, Plan
from connector.store import Decided, State

PORTION = 1000
"""Deals held in memory at once, with their accounts and nothing else: half of what one retrieval by id brings."""

HELD_FOR = timedelta(minutes=10)
"""How long rows wait for the rest of their run to be recorded, so that whole jobs can be made of them; a run that is
broken off lets go of them by this."""

LONGEST_NAP = 5.0
"""Seconds between two looks at jobs and rows under way, at most; a hold on the system must be renewed meanwhile."""

PATIENCE = 10
"""Looks in a row that may fail while the CRM is away; nothing is lost when the command then gives up."""

ONLY = frozenset({Order.BACKFILL})
UNDECIDED = "backfill.undecided"
UNDER_WAY = frozenset({State.SENDING, State.UNKNOWN})

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Portion:
    """A part of the deals that were gone through. ``writes`` are what would be, or was, recorded.

    ``read`` counts deals, ``old`` those among them that a backfill is for, ``waiting`` those whose row is on its way.
    """

    read: int
    old: int
    waiting: int
    undecided: int
    writes: tuple[Patch, ...]


@dataclass(frozen=True, slots=True)
class _One:
    plan: Plan
    account_id: str | None
    patch: Patch | None
    way: State | None

    @property
    def recorded(self) -> bool:
        """Whether it must be put into the store: a new row, or the end of one that is not wanted any more."""
        return self.way not in UNDER_WAY and (self.patch is not None or self.way is not None)


def go_through(
    shared: Shared,
    system: System,
    *,
    since: date | None,
    fields: Collection[str],
    limit: int | None = None,
    apply: bool = False,
) -> Iterator[Portion]:
    """Go through the won deals (closed on or after ``since``), portion by portion. Raises `CrmError`.

    With ``apply`` each portion's writes are recorded, held back until `release`; ``limit`` ends it after so many.
    """
    left = limit
    for ids in _portions(system, since):
        undecided: list[str] = []
        found = list(_decided(shared, system, ids, fields, undecided))
        new = [one for one in found if one.patch is not None and one.way is None][:left]
        if apply:
            chosen = {one.plan.key.deal_id for one in new}
            kept = [one for one in found if one.recorded and (one.way or one.plan.key.deal_id in chosen)]
            _record(shared, system, kept)
        yield Portion(
            read=len(ids),
            old=len(found),
            waiting=sum(one.way is not None for one in found),
            undecided=len(undecided),
            writes=tuple(one.patch for one in new if one.patch is not None),
        )
        if left is not None:
            left -= len(new)
            if left <= 0:
                return


def release(shared: Shared, system: System) -> int:
    """Let the rows that were recorded be sent."""
    return shared.store.release_backfill(system.name)


def send(shared: Shared, system: System) -> Iterator[int]:
    """Send what backfills left to send, and nothing else, until none is on its way; yields how many rows still are.

    Ends early when another process holds the system (it will send them) or when it is paused; what it yields last is
    what is left. Raises `CrmError`.
    """
    failures = 0
    with system.lock:
        while not shared.stopping.is_set():
            still = shared.store.paused(system.name) is not None or standing_still(shared, system)
            if not hold(shared, system) or still:
                yield shared.store.open_backfill(system.name)
                return
            if not system.connected or not same_server(shared, system):
                connect(shared, system)
            rescue(shared, system)
            try:
                verify(shared, system)
                failures = 0
            except CrmError as error:
                failures += 1
                if error.fault.advice is not Advice.RETRY or failures > PATIENCE:
                    raise
            dispatch(shared, system, orders=ONLY)
            left = shared.store.open_backfill(system.name)
            yield left
            if left == 0:
                return
            shared.stopping.wait(_nap(shared, next_ask(shared, system)))


def _portions(system: System, since: date | None) -> Iterator[tuple[str, ...]]:
    """Ids of won deals in portions of one size, whatever the CRM's pages are."""
    held: list[str] = []
    for page in system.crm.scan_won(since):
        held += page
        while len(held) >= PORTION:
            yield tuple(held[:PORTION])
            del held[:PORTION]
    yield from chunks(held, size=PORTION)


def _decided(
    shared: Shared, system: System, ids: tuple[str, ...], fields: Collection[str], undecided: list[str]
) -> Iterator[_One]:
    ways = shared.store.backfilling(system.name, ids)
    for snapshot in observe(shared, system, ids, bare=True):
        deal_id = snapshot.key.deal_id
        try:
            plan = backfill(snapshot, system.policy, shared.clock.now(), fields=fields)
        except Exception:  # one deal nobody foresaw must not stop all others
            undecided.append(deal_id)
            log.exception(UNDECIDED, system=system.name, deal=deal_id)
            continue
        if plan is not None:
            yield _One(plan, _account(snapshot), patch_of(plan), ways.get(deal_id))


def _account(snapshot: Snapshot) -> str | None:
    return snapshot.account.ref.id if snapshot.account else None


def _record(shared: Shared, system: System, found: list[_One]) -> None:
    not_before = shared.clock.now() + HELD_FOR
    decided = [Decided(plan=one.plan, account_id=one.account_id, not_before=not_before) for one in found]
    shared.store.record(system.name, decided, act=True)


def _nap(shared: Shared, due: datetime | None) -> float:
    wait = (due - shared.clock.now()).total_seconds() if due else LONGEST_NAP
    return min(max(wait, 0.1), LONGEST_NAP, PASS_LEASE / 4)
