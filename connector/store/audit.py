"""The audit trail: what was decided and done, when, why and by whom. Rows are added, never changed or removed.

Not here: reading it (``views``), and verifying and erasing (``trail``). The database itself refuses updates and
deletes, by triggers; what a row says may be erased, once, and its place in the chain (``chain``) shows that it was.

A transaction that writes here holds its systems' heads until it ends, so that chains grow one row at a time whoever
writes. Hence the audit comes last in every transaction: what is held shortest disturbs least.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from connector.handoff.model import SystemName
from connector.plain import storable
from connector.store import codec
from connector.store.chain import Link, link_hash, new_salts, payload_digest
from connector.store.schema import audit, chain


class AuditKind(StrEnum):
    """What an audit row tells of."""

    DECIDED = "decided"
    APPLIED = "applied"
    PARKED = "parked"
    RETRIED = "retried"
    ADOPTED = "adopted"
    PAUSED = "paused"
    RESUMED = "resumed"
    OVERRIDDEN = "overridden"
    DROPPED = "dropped"
    STOPPED = "stopped"
    RELEASED = "released"
    REPLAYED = "replayed"
    RESTORED = "restored"
    FORGOTTEN = "forgotten"
    ERASED = "erased"
    PROVISIONED = "provisioned"
    MOVED = "moved"
    CORRECTED = "corrected"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row to add. ``data`` is plain JSON data; ``by`` is the person who did it, empty for the program itself."""

    system: SystemName
    deal_id: str | None
    generation: int
    kind: AuditKind
    reason: str
    data: Mapping[str, Any] = field(default_factory=dict)
    by: str = ""


@dataclass(slots=True)
class Head:
    """The end of one system's chain; it moves on with every row."""

    seq: int
    hash: str


def write_audit(connection: Connection, at: datetime, entries: Iterable[Entry]) -> None:
    """Add rows inside the transaction that does what they tell, each hung on its system's chain."""
    listed = list(entries)
    if not listed:
        return
    heads = hold_heads(connection, {entry.system for entry in listed})
    salts = new_salts(len(listed))
    rows = [_row(entry, at, salt, heads[entry.system]) for entry, salt in zip(listed, salts, strict=True)]
    connection.execute(insert(audit), rows)
    put_heads(connection, heads, at)


def hold_heads(connection: Connection, systems: Iterable[str]) -> dict[str, Head]:
    """The ends of these systems' chains, held until the transaction ends; in one order, so that nobody deadlocks."""
    names = sorted(systems)
    found = _heads(connection, names)
    if missing := [name for name in names if name not in found]:
        make = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(chain)
        new = [{"system": name, "seq": 0, "hash": "", "at": None} for name in missing]
        connection.execute(make.on_conflict_do_nothing(index_elements=["system"]), new)
        found = _heads(connection, names)
    return found


def put_heads(connection: Connection, heads: Mapping[str, Head], at: datetime) -> None:
    """Note where the chains end now."""
    for name, head in sorted(heads.items()):
        connection.execute(update(chain).where(chain.c.system == name).values(seq=head.seq, hash=head.hash, at=at))


def _heads(connection: Connection, names: Sequence[str]) -> dict[str, Head]:
    query = select(chain).where(chain.c.system.in_(names)).order_by(chain.c.system).with_for_update()
    return {row.system: Head(row.seq, row.hash) for row in connection.execute(query)}


def _row(entry: Entry, at: datetime, salt: str, head: Head) -> dict[str, Any]:
    # What is hashed must be what the database will hold.
    reason, data = storable(entry.reason), codec.dumps(entry.data)
    link = Link(
        seq=head.seq + 1,
        at=at,
        system=entry.system,
        deal_id=entry.deal_id and storable(entry.deal_id),
        generation=entry.generation,
        kind=entry.kind.value,
        who=storable(entry.by) or None,
        digest=payload_digest(salt, reason, data),
    )
    head.seq, head.hash = link.seq, link_hash(head.hash, link)
    return {
        "at": at,
        "system": entry.system,
        "deal_id": link.deal_id,
        "generation": entry.generation,
        "kind": entry.kind.value,
        "reason": reason,
        "data": data,
        "seq": link.seq,
        "who": link.who,
        "salt": salt,
        "hash": head.hash,
    }
