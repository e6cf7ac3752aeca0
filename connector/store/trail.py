"""The audit trail as a whole: reading it, proving that it is whole, erasing what rows say.

Not here: adding rows (``audit``) and how one hangs on the other (``chain``). What a chain can prove: that no row up to
its end was altered, removed, put in or moved, as long as the end is known from elsewhere. Whoever may write to the
whole database can forge a new chain and a new end; that shows only against an end that was kept elsewhere (an export,
the log).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, select, update

from connector.handoff.model import SystemName
from connector.store import codec
from connector.store.audit import AuditKind, Head, hold_heads, put_heads
from connector.store.chain import Link, link_hash, new_salts, payload_digest
from connector.store.database import Part, chunks
from connector.store.schema import audit, chain, cursor

PAGE = 2000
"""Rows read at once: nothing is held meanwhile, so that a daemon goes on writing."""

CHAINED_AT_ONCE = 500

SEALED = "trail-sealed"
"""Under this name, beside the feeds' cursors and without a system, stands the last row that may have come without its
place in the chain: of code that knew none."""


class Damage(StrEnum):
    """What can be wrong with a chain."""

    ALTERED = "altered"
    REMOVED = "removed"
    INSERTED = "inserted"
    REORDERED = "reordered"
    CUT = "cut"
    REWRITTEN = "rewritten"


@dataclass(frozen=True, slots=True)
class Broken:
    """The first place at which a chain does not hold. ``id`` is the row's number, None where there is no row."""

    damage: Damage
    seq: int
    id: int | None
    words: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """The end of a system's chain at some time: ``seq`` rows, the last of them with ``hash``."""

    system: str
    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.system}:{self.seq}:{self.hash}"


@dataclass(frozen=True, slots=True)
class Verified:
    """What verifying one system's chain found. ``waiting`` rows of an earlier release have no place in it yet."""

    anchor: Anchor
    rows: int
    erased: int
    waiting: int
    broken: Broken | None


@dataclass(frozen=True, slots=True)
class TrailRow:
    """One row of the trail, whole. ``by`` is empty for the program itself; an ``erased`` one says nothing any more,
    and names the row that tells why."""

    id: int
    seq: int | None
    at: datetime
    system: SystemName
    deal_id: str | None
    generation: int
    kind: str
    by: str
    reason: str
    data: str
    salt: str | None
    digest: str | None
    hash: str | None
    erased: int | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows: every condition that is not None must hold."""

    system: str | None = None
    deal_id: str | None = None
    since: datetime | None = None
    by: str | None = None
    kind: AuditKind | None = None


class Trail(Part):
    """The trail of all systems."""

    def trail(self, wanted: Wanted, *, newest: int | None = None) -> Iterator[TrailRow]:
        """The rows wanted, oldest first, page by page; with ``newest`` only the last so many."""
        after = 0
        while True:
            query = _narrowed(select(audit), wanted)
            if newest is None:
                query = query.where(audit.c.id > after).order_by(audit.c.id).limit(PAGE)
            else:
                query = query.order_by(audit.c.id.desc()).limit(newest)
            with self._db.read() as connection:
                rows = connection.execute(query).all()
            yield from (_trail_row(row) for row in (reversed(rows) if newest is not None else rows))
            if newest is not None or len(rows) < PAGE:
                return
            after = rows[-1].id

    def anchors(self) -> tuple[Anchor, ...]:
        """Where the chains end now."""
        with self._db.read() as connection:
            rows = connection.execute(select(chain).order_by(chain.c.system)).all()
        return tuple(Anchor(row.system, row.seq, row.hash) for row in rows)

    def trail_systems(self) -> tuple[str, ...]:
        """The systems the trail tells of."""
        with self._db.read() as connection:
            known = connection.execute(select(chain.c.system)).scalars()
            told = connection.execute(select(audit.c.system).distinct()).scalars()
            return tuple(sorted({*known, *told}))

    def verify_trail(self, system: str) -> Verified:
        """Go through a system's whole chain, up to where it ends as this begins."""
        with self._db.read() as connection:
            head = _head(connection, system)
            sealed = _sealed(connection)
            waiting = _without_place(connection, system)
        walk = _Walk(system)
        for rows in self._chained(system, upto=head.seq):
            walk.along(rows)
            if walk.broken is not None:
                break
        broken = walk.broken and self._named(system, walk.broken, walk)
        broken = broken or _ending(walk, head) or self._beyond(system) or _strange(waiting, sealed)
        in_time = [each for each in waiting if sealed is None or each <= sealed]
        return Verified(Anchor(system, head.seq, head.hash), walk.rows, walk.erased, len(in_time), broken)

    def check_anchor(self, anchor: Anchor) -> Broken | None:
        """Whether a chain still passes through an end it once had; None when it does."""
        place = select(audit.c.id, audit.c.hash).where(
            audit.c.system == anchor.system, audit.c.seq == anchor.seq, audit.c.hash.is_not(None)
        )
        with self._db.read() as connection:
            head, row = _head(connection, anchor.system), connection.execute(place).one_or_none()
        if row is None:
            words = f"the chain once had {anchor.seq} rows and has {head.seq} now"
            return Broken(Damage.CUT, head.seq + 1, None, words)
        if row.hash != anchor.hash:
            words = f"row {anchor.seq} of the chain is not the one that stood there when its hash was noted"
            return Broken(Damage.REWRITTEN, anchor.seq, row.id, words)
        return None

    def chain_waiting(self) -> int:
        """Give rows that came without one their place at their chain's end, a few at a time; returns how many.

        They are those of code that knew no chain: from before this release, or while it was rolled out.
        """
        now = self._db.now()
        with self._db.write() as connection:
            query = select(audit).where(audit.c.hash.is_(None)).order_by(audit.c.id).limit(CHAINED_AT_ONCE)
            if (sealed := _sealed(connection)) is not None:
                query = query.where(audit.c.id <= sealed)
            rows = connection.execute(query.with_for_update(skip_locked=True)).all()
            if not rows:
                return 0
            heads = hold_heads(connection, {row.system for row in rows})
            placed = [
                _placed(row, salt, heads[row.system]) for row, salt in zip(rows, new_salts(len(rows)), strict=True)
            ]
            values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in ("seq", "salt", "hash")}
            connection.execute(update(audit).where(audit.c.id == bindparam("row_id")).values(values), placed)
            put_heads(connection, heads, now)
        return len(rows)

    def _chained(self, system: str, *, after: int = 0, upto: int | None = None) -> Iterator[Sequence[Row[Any]]]:
        of_chain = (audit.c.system == system, audit.c.hash.is_not(None))
        while True:
            query = select(audit).where(*of_chain, audit.c.seq > after).order_by(audit.c.seq).limit(PAGE)
            if upto is not None:
                query = query.where(audit.c.seq <= upto)
            with self._db.read() as connection:
                rows = connection.execute(query).all()
            yield rows
            if len(rows) < PAGE:
                return
            after = rows[-1].seq

    def _beyond(self, system: str) -> Broken | None:
        """A row behind the end that the chain's head knows by now."""
        last = select(func.max(audit.c.seq)).where(audit.c.system == system, audit.c.hash.is_not(None))
        with self._db.read() as connection:
            head, found = _head(connection, system), connection.execute(last).scalar_one() or 0
        if found <= head.seq:
            return None
        return Broken(Damage.INSERTED, head.seq + 1, None, f"the chain ends at {head.seq}, and rows come after it")

    def _named(self, system: str, broken: Broken, walk: _Walk) -> Broken:
        """The same place with what was done there, as far as the rows behind it tell: moved, or put in between."""
        if broken.damage is not Damage.ALTERED:
            return broken
        here: Row[Any] | None = None
        before_it: Row[Any] | None = None
        for rows in self._chained(system, after=broken.seq - 1):
            for row in rows:
                if here is None:
                    here = row
                elif link_hash(walk.hash, replace(_link(row), seq=broken.seq)) == row.hash:
                    return _moved(broken, here, row, before_it or row)
                before_it = row
        return broken


class _Walk:
    """How far a chain was found whole, and the first place at which it is not."""

    def __init__(self, system: str) -> None:
        self.system = system
        self.rows = self.erased = self.seq = 0
        self.hash = ""
        self.broken: Broken | None = None

    def along(self, rows: Sequence[Row[Any]]) -> None:
        for row in rows:
            if row.seq != self.seq + 1:
                missing = row.seq - self.seq - 1
                words = f"{missing} row{'' if missing == 1 else 's'} missing before row {row.id}"
                self.broken = Broken(Damage.REMOVED, self.seq + 1, None, words)
                return
            if link_hash(self.hash, _link(row)) != row.hash:
                self.broken = Broken(Damage.ALTERED, row.seq, row.id, f"row {row.id} is not as it was written")
                return
            self.seq, self.hash = row.seq, row.hash
            self.rows += 1
            self.erased += row.erased is not None


def _moved(broken: Broken, here: Row[Any], found: Row[Any], before_found: Row[Any]) -> Broken:
    """``found`` belongs where ``here`` stands. If in turn ``here`` belongs where ``found`` stands, both were moved."""
    before = before_found.hash if before_found.id != here.id else found.hash
    swapped = link_hash(before, replace(_link(here), seq=found.seq)) == here.hash
    if swapped or found.seq != broken.seq + 1:
        return replace(broken, damage=Damage.REORDERED, words=f"row {found.id} belongs where row {here.id} stands")
    return replace(broken, damage=Damage.INSERTED, words=f"row {here.id} was put in before row {found.id}")


def _ending(walk: _Walk, head: Head) -> Broken | None:
    if walk.broken is not None:
        return walk.broken
    if walk.seq < head.seq:
        words = f"the chain ends at {walk.seq}, its last known end is {head.seq}"
        return Broken(Damage.CUT, walk.seq + 1, None, words)
    if walk.hash != head.hash:
        return Broken(Damage.REWRITTEN, head.seq, None, "the last row is not the one the chain's end was noted with")
    return None


def _strange(waiting: Sequence[int], sealed: int | None) -> Broken | None:
    late = [each for each in waiting if sealed is not None and each > sealed]
    if not late:
        return None
    return Broken(Damage.INSERTED, 0, late[0], f"row {late[0]} has no place in the chain, and nothing writes such rows")


def _head(connection: Connection, system: str) -> Head:
    row = connection.execute(select(chain).where(chain.c.system == system)).one_or_none()
    return Head(row.seq, row.hash) if row is not None else Head(0, "")


def _sealed(connection: Connection) -> int | None:
    query = select(cursor.c.value).where(cursor.c.system == "", cursor.c.feed == SEALED)
    value = connection.execute(query).scalar_one_or_none()
    return None if value is None else int(value)


def _without_place(connection: Connection, system: str) -> list[int]:
    query = select(audit.c.id).where(audit.c.system == system, audit.c.hash.is_(None)).order_by(audit.c.id)
    return list(connection.execute(query).scalars())


def _link(row: Row[Any]) -> Link:
    digest = row.digest if row.erased is not None else payload_digest(row.salt or "", row.reason, row.data)
    return Link(row.seq, row.at, row.system, row.deal_id, row.generation, row.kind, row.who, digest or "")


def _placed(row: Row[Any], salt: str, head: Head) -> dict[str, Any]:
    digest = payload_digest(salt, row.reason, row.data)
    link = Link(head.seq + 1, row.at, row.system, row.deal_id, row.generation, row.kind, row.who, digest)
    head.seq, head.hash = link.seq, link_hash(head.hash, link)
    return {"row_id": row.id, "new_seq": head.seq, "new_salt": salt, "new_hash": head.hash}


def erase_payloads(connection: Connection, ids: Sequence[int], *, because: int) -> int:
    """Erase what these rows say inside an open transaction; ``because`` is the row that tells why. Returns how many.

    Rows without a place in the chain, and rows erased before, are left as they are.
    """
    erased = 0
    values: dict[str, Any] = {"reason": "", "data": "{}", "salt": None, "digest": bindparam("kept")}
    values["erased"] = because
    for part in chunks(sorted(ids)):
        rows = connection.execute(
            select(audit)
            .where(audit.c.id.in_(part), audit.c.hash.is_not(None), audit.c.erased.is_(None))
            .order_by(audit.c.id)
            .with_for_update()
        ).all()
        if rows:
            kept = [{"row_id": row.id, "kept": payload_digest(row.salt or "", row.reason, row.data)} for row in rows]
            connection.execute(update(audit).where(audit.c.id == bindparam("row_id")).values(values), kept)
        erased += len(rows)
    return erased


def _narrowed(query: Select[Any], wanted: Wanted) -> Select[Any]:
    conditions = {
        audit.c.system: wanted.system,
        audit.c.deal_id: wanted.deal_id,
        audit.c.who: wanted.by,
        audit.c.kind: wanted.kind.value if wanted.kind else None,
    }
    for column, value in conditions.items():
        if value is not None:
            query = query.where(column == value)
    return query if wanted.since is None else query.where(audit.c.at >= wanted.since)


def _trail_row(row: Row[Any]) -> TrailRow:
    return TrailRow(
        id=row.id,
        seq=row.seq,
        at=row.at,
        system=SystemName(row.system),
        deal_id=row.deal_id,
        generation=row.generation,
        kind=row.kind,
        by=row.who or "",
        reason=row.reason,
        data=row.data,
        salt=row.salt,
        digest=row.digest,
        hash=row.hash,
        erased=row.erased,
    )


def trail_data(row: TrailRow) -> dict[str, Any]:
    """A row as plain data, with all that is needed to verify it anew elsewhere."""
    return {
        "id": row.id,
        "seq": row.seq,
        "at": row.at.isoformat(timespec="microseconds"),
        "system": row.system,
        "deal": row.deal_id,
        "generation": row.generation,
        "kind": row.kind,
        "by": row.by,
        "reason": row.reason,
        "data": codec.loads(row.data),
        "erased": row.erased,
        "salt": row.salt,
        "digest": row.digest,
        "hash": row.hash,
    }
