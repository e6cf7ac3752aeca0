"""Verify: find out what became of writes whose answer never came, before anything is sent again.

Not here: sending. A created record is looked up by its natural key; a changed record is compared with what was
meant. Found means applied; not found means the row may be sent again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from connector.engine.jobs import ask_jobs
from connector.engine.parts import Shared, System
from connector.engine.reconciler import look_again
from connector.engine.settling import backoff
from connector.errors import Advice, CrmError
from connector.failpoints import Failpoint, passing
from connector.handoff.model import Kind, Record
from connector.handoff.ownership import same
from connector.handoff.plan import Notify, Order, Patch, SendMail, Upsert
from connector.store import OutboxRow

VERIFY_BATCH = 500
ROW_VERIFIED = "row.verified"

log = structlog.get_logger()


def verify(shared: Shared, system: System) -> int:
    """Ask the jobs under way, and resolve rows in ``unknown``. Returns rows resolved.

    Raises `CrmError` if a look fails: jobs are asked again later, unknown rows stay unknown.
    """
    trouble: CrmError | None = None
    asked = 0
    try:
        asked = ask_jobs(shared, system)
    except CrmError as error:
        if error.fault.advice is Advice.HALT:
            raise
        trouble = error
    resolved = _look_up(shared, system)
    if trouble is not None:
        raise trouble
    return asked + resolved


def _look_up(shared: Shared, system: System) -> int:
    rows = shared.store.unknown_rows(system.name, limit=VERIFY_BATCH)
    ripe = [row for row in rows if _ripe(shared, system, row)]
    if not ripe:
        return 0
    patches = _read_patches(system, ripe)
    found = {**_find_upserts(system, ripe), **_find_patches(patches)}
    passing(Failpoint.IN_VERIFY)
    for row in ripe:
        record_id = found.get(row.id)
        shared.store.resolve_unknown(row.id, found=record_id, at=_again_at(shared, row))
        log.info(ROW_VERIFIED, system=system.name, deal=row.deal_id, step=row.step, done=record_id is not None)
    passing(Failpoint.VERIFIED)
    # What was not done may not be wanted any more: the deal is decided anew before anything is sent again. Not so what
    # an old deal is filled with, as long as nobody touched it.
    undone = sorted({each.row.deal_id for each in patches if each.row.id not in found and not _untouched(each)})
    look_again(shared, system, undone, reason="a write that was in doubt was not done")
    return len(ripe)


def _again_at(shared: Shared, row: OutboxRow) -> datetime:
    """Once more at once; a call that goes unanswered again and again is sent ever more rarely."""
    now = shared.clock.now()
    return now if row.attempt < 2 else now + backoff(row.attempt)


def _ripe(shared: Shared, system: System, row: OutboxRow) -> bool:
    """A lost create may still be running at the vendor; where no key protects it, it is given time to appear."""
    if not isinstance(row.action, Upsert) or row.action.kind in system.crm.capabilities.native_upsert:
        return True
    waited_since = row.claimed_at or row.created_at
    return shared.clock.now() - waited_since >= timedelta(seconds=shared.timing.verify_delay)


def _find_upserts(system: System, rows: Iterable[OutboxRow]) -> dict[int, str]:
    wanted: dict[Kind, dict[str, OutboxRow]] = {}
    for row in rows:
        if isinstance(row.action, Upsert):
            wanted.setdefault(row.action.kind, {})[row.action.key] = row
    found: dict[int, str] = {}
    for kind, by_key in wanted.items():
        ids = system.crm.find(kind, {key: row.deal_id for key, row in by_key.items()})
        for key, record_id in ids.items():
            row = by_key[key]
            # An update of a record that existed before proves nothing by existing: it is simply sent again.
            if isinstance(row.action, Upsert) and row.action.record_id is None:
                found[row.id] = record_id
    return found


@dataclass(frozen=True, slots=True)
class _Read:
    """A row that changes a record, and the record as it stands now; None when it is gone."""

    row: OutboxRow
    patch: Patch
    record: Record | None


def _read_patches(system: System, rows: Iterable[OutboxRow]) -> list[_Read]:
    patches = [(row, row.action) for row in rows if isinstance(row.action, Patch)]
    if not patches:
        return []
    facts = system.crm.fetch(sorted({row.deal_id for row, _ in patches}))
    found = []
    for row, patch in patches:
        read = facts.get(row.deal_id)
        record = (read.deal if patch.ref.kind is Kind.DEAL else read.account) if read else None
        found.append(_Read(row, patch, record))
    return found


def _find_patches(patches: Iterable[_Read]) -> dict[int, str]:
    return {
        each.row.id: each.patch.ref.id
        for each in patches
        if each.record is not None and _holds(each.record, each.patch)
    }


def _untouched(read: _Read) -> bool:
    """Whether a row of a backfill may go again as it is: every field it writes stands as it did when it was decided."""
    record = read.record
    if read.row.order is not Order.BACKFILL or record is None:
        return False
    return all(same(record.get(name), value) for name, value in read.patch.expected.items())


def _holds(record: Record, patch: Patch) -> bool:
    """Whether the write was done, though a person may have edited some of its fields since.

    A field that says what was meant shows it, and so does a record where nothing is as it was before the write: what
    stands there now is then a person's, which the next decision can only know if the write counts as done.
    """
    if record.ref.id != patch.ref.id:
        return False
    done = any(same(record.get(name), value) for name, value in patch.values.items())
    return done or not any(same(record.get(name), value) for name, value in patch.expected.items())


def describe_unknown(row: OutboxRow) -> str:
    """What is being looked up, for the status page."""
    match row.action:
        case Patch() as patch:
            return f"whether {patch.ref.kind.value} {patch.ref.id} holds what was written"
        case Upsert() as upsert:
            return f"whether a {upsert.kind.value} with key {upsert.key} exists"
        case Notify() as notice:
            return f"nothing can be looked up for a message to {notice.to_name}; it is sent again under the same key"
        case SendMail() as mail:
            return f"nothing can be looked up for a mail to {mail.to_email}; it is not sent again"
