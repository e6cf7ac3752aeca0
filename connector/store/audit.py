"""The audit trail: what was decided and done, when and why. Rows are added, never changed or removed.

Not here: reading it (``views``). The database itself refuses updates and deletes, by triggers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, insert

from connector.handoff.model import SystemName
from connector.store import codec
from connector.store.schema import audit


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


def write_audit(connection: Connection, at: datetime, entries: Iterable[Entry]) -> None:
    """Add rows inside the transaction that does what they tell."""
    rows = [
        {
            "at": at,
            "system": entry.system,
            "deal_id": entry.deal_id,
            "generation": entry.generation,
            "kind": entry.kind.value,
            "reason": entry.reason,
            "data": codec.dumps(entry.data),
        }
        for entry in entries
    ]
    if rows:
        connection.execute(insert(audit), rows)
