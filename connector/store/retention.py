"""What is old goes: settled writes, details of decisions, what the trail says, letters, product events.

Not here: when (``engine.housekeeping``), and forgetting somebody at once (``subject``). A batch is small, so that
nobody waits for it. What handoffs need in order that nothing is done twice stays as long as their deals do: which
records were made for them, and what was last written. Rows of the trail stay for ever; only what they say goes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, delete, func, select, tuple_, update

from connector.handoff.model import Kind, SystemName
from connector.handoff.plan import Phase
from connector.store.audit import AuditKind, Entry, write_audit
from connector.store.database import Part
from connector.store.ledger import NO_DEAL
from connector.store.rulings import TELLS_FOR
from connector.store.schema import (
    answer,
    audit,
    cursor,
    effect,
    figure,
    handoff,
    inbox,
    known_as,
    letter,
    outbox,
    product_event,
    ruling,
    tally,
    trial,
    written,
)
from connector.store.states import State
from connector.store.trail import erase_payloads

BATCH = 500
"""Rows of one kind that go in one transaction."""

SETTLED = (State.APPLIED, State.SUPERSEDED)

LASTING = (AuditKind.ERASED.value, AuditKind.FORGOTTEN.value)
"""What tells of erasing says nothing about anybody, and must outlast what it erased."""

ERASED_UPTO = "trail-erased"
"""Under this name, beside the feeds' cursors and without a system, stands how far the trail was erased."""


@dataclass(frozen=True, slots=True)
class Keep:
    """How many days each kind is kept; 0 for ever."""

    writes: int = 90
    decisions: int = 365
    gone: int = 365
    trail: int = 730
    letters: int = 7
    events: int = 90
    counts: int = 730


class Retention(Part):
    """Letting go of what is old."""

    def trim(self, keep: Keep) -> Mapping[str, int]:
        """Let go of one batch of each kind; returns what went by kind. Nothing is left when it is empty."""
        now = self._db.now()
        went: dict[str, int] = {}
        for kind, (days_of, step) in STEPS.items():
            days = days_of(keep)
            if days <= 0:
                continue
            with self._db.write() as connection:
                went[kind] = step(connection, now - timedelta(days=days), now)
        return {kind: count for kind, count in went.items() if count}


def _writes(connection: Connection, before: datetime, _now: datetime) -> int:
    old = and_(outbox.c.state.in_([state.value for state in SETTLED]), outbox.c.settled_at < before)
    ids = connection.execute(select(outbox.c.id).where(old).order_by(outbox.c.id).limit(BATCH)).scalars().all()
    return connection.execute(delete(outbox).where(outbox.c.id.in_(ids), old)).rowcount


def _decisions(connection: Connection, before: datetime, now: datetime) -> int:
    """The last decision's details, of deals that nobody decided on for so long; a new look brings them back.

    And what rulings on thresholds said of the deals behind them, once nobody is told of it any more: that it was judged
    stays.
    """
    said = and_(ruling.c.subject != "", ruling.c.at < min(before, now - TELLS_FOR))
    quiet = connection.execute(update(ruling).where(said).values(subject="", text="")).rowcount
    old = and_(handoff.c.plan.is_not(None), handoff.c.decided_at < before)
    keys = connection.execute(select(handoff.c.system, handoff.c.deal_id).where(old).limit(BATCH)).all()
    blank = {"plan": None, "reason": "", "looked_because": "", "digest": ""}
    # A deal that was given up is known by its reason.
    kept = and_(handoff.c.phase == Phase.LOST.value, handoff.c.reason == NO_DEAL)
    done = 0
    for key in sorted(tuple(each) for each in keys):
        of_deal = and_(handoff.c.system == key[0], handoff.c.deal_id == key[1], old)
        connection.execute(update(handoff).where(of_deal, kept).values(plan=None, looked_because=""))
        connection.execute(update(handoff).where(of_deal).values(blank))
        done += 1
    return done + quiet


def _gone(connection: Connection, before: datetime, _now: datetime) -> int:
    """All that is remembered of deals that have not been in their CRM for so long. One that comes back all the same is
    taken up from the marks it carries there."""
    old = and_(
        handoff.c.phase == Phase.LOST.value,
        handoff.c.reason == NO_DEAL,
        handoff.c.decided_at < before,
        ~select(outbox.c.id)
        .where(outbox.c.system == handoff.c.system, outbox.c.deal_id == handoff.c.deal_id)
        .where(outbox.c.state.not_in([state.value for state in SETTLED]))
        .exists(),
    )
    query = select(handoff.c.system, handoff.c.deal_id, handoff.c.account_id).where(old)
    rows = connection.execute(query.order_by(handoff.c.system, handoff.c.deal_id).limit(BATCH).with_for_update()).all()
    if not rows:
        return 0
    keys = [(row.system, row.deal_id) for row in rows]
    connection.execute(delete(handoff).where(tuple_(handoff.c.system, handoff.c.deal_id).in_(keys)))
    connection.execute(delete(effect).where(tuple_(effect.c.system, effect.c.deal_id).in_(keys)))
    for table in (answer, known_as, trial):
        connection.execute(delete(table).where(tuple_(table.c.system, table.c.deal_id).in_(keys)))
    # That a period was judged stays, of a deal that nobody can name any more. Its figures counted in nothing by now.
    of_deals = tuple_(ruling.c.system, ruling.c.deal_id).in_(keys)
    connection.execute(update(ruling).where(of_deals).values(subject="", text=""))
    _unwrite(connection, Kind.DEAL, set(keys))
    accounts = {(row.system, row.account_id) for row in rows if row.account_id}
    still = select(handoff.c.system, handoff.c.account_id).where(
        tuple_(handoff.c.system, handoff.c.account_id).in_(sorted(accounts))
    )
    _unwrite(connection, Kind.ACCOUNT, accounts - {(row[0], row[1]) for row in connection.execute(still)})
    done_with = and_(tuple_(inbox.c.system, inbox.c.deal_id).in_(keys), inbox.c.due_at.is_(None))
    connection.execute(delete(inbox).where(done_with))
    return len(rows)


def _unwrite(connection: Connection, kind: Kind, records: set[tuple[str, str]]) -> None:
    if records:
        of_records = tuple_(written.c.system, written.c.record_id).in_(sorted(records))
        connection.execute(delete(written).where(written.c.kind == kind.value, of_records))


def _trail(connection: Connection, before: datetime, now: datetime) -> int:
    """What rows of the trail say. Goes by row number, and remembers how far it came."""
    upto = int(connection.execute(_place().with_only_columns(cursor.c.value)).scalar_one_or_none() or 0)
    query = select(audit.c.id, audit.c.at, audit.c.system, audit.c.kind, audit.c.hash, audit.c.erased)
    rows = connection.execute(query.where(audit.c.id > upto).order_by(audit.c.id).limit(BATCH)).all()
    old = []
    for row in rows:
        if row.at >= before or row.hash is None:
            break
        old.append(row)
    if not old:
        return 0
    erased = 0
    for system in sorted({row.system for row in old}):
        ids = [row.id for row in old if row.system == system and row.erased is None and row.kind not in LASTING]
        if ids:
            erased += erase_payloads(connection, ids, because=_receipt(connection, system, len(ids), before, now))
    _put_place(connection, old[-1].id, now)
    return erased or len(old)


def _receipt(connection: Connection, system: str, count: int, before: datetime, now: datetime) -> int:
    reason = "what old rows of the trail said was erased, as the config's retention has it"
    data = {"rows": count, "before": before.date().isoformat()}
    write_audit(connection, now, [Entry(SystemName(system), None, 0, AuditKind.ERASED, reason, data)])
    last = select(func.max(audit.c.id)).where(audit.c.system == system, audit.c.kind == AuditKind.ERASED.value)
    written_down: int = connection.execute(last).scalar_one()
    return written_down


def _place() -> Any:
    return select(cursor).where(cursor.c.system == "", cursor.c.feed == ERASED_UPTO)


def _put_place(connection: Connection, upto: int, now: datetime) -> None:
    at = and_(cursor.c.system == "", cursor.c.feed == ERASED_UPTO)
    if not connection.execute(update(cursor).where(at).values(value=str(upto), updated_at=now)).rowcount:
        row = {"system": "", "feed": ERASED_UPTO, "value": str(upto), "updated_at": now}
        connection.execute(cursor.insert().values(row))


def _letters(connection: Connection, before: datetime, _now: datetime) -> int:
    ids = connection.execute(select(letter.c.id).where(letter.c.at < before).limit(BATCH)).scalars().all()
    return connection.execute(delete(letter).where(letter.c.id.in_(ids))).rowcount


def _events(connection: Connection, before: datetime, _now: datetime) -> int:
    # They stand in the order in which they came, so nothing beyond the first ones need be read.
    oldest = select(product_event.c.id, product_event.c.received_at).order_by(product_event.c.id).limit(BATCH)
    ids = [row.id for row in connection.execute(oldest) if row.received_at < before]
    return connection.execute(delete(product_event).where(product_event.c.id.in_(ids))).rowcount


def _counts(connection: Connection, before: datetime, _now: datetime) -> int:
    key = tuple_(tally.c.subject, tally.c.measure, tally.c.sort, tally.c.part, tally.c.day)
    old = select(*tally.primary_key.columns).where(tally.c.last_at < before).limit(BATCH)
    rows = [tuple(row) for row in connection.execute(old)]
    return connection.execute(delete(tally).where(key.in_(rows))).rowcount if rows else 0


STEPS: Mapping[str, tuple[Callable[[Keep], int], Callable[[Connection, datetime, datetime], int]]] = {
    "writes": (lambda keep: keep.writes, _writes),
    "decisions": (lambda keep: keep.decisions, _decisions),
    "gone": (lambda keep: keep.gone, _gone),
    "letters": (lambda keep: keep.letters, _letters),
    "events": (lambda keep: keep.events, _events),
    "counts": (lambda keep: keep.counts, _counts),
    "trail": (lambda keep: keep.trail, _trail),
}
"""Kind -> how many days of it are kept, and what lets go of a batch that is older."""
