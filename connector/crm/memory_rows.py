"""One record of the CRM in memory, and what the port shows of it.

Not here: what may stand in it (``memory_fields``) and who changes it (``memory``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from connector.crm.memory_fields import FIELDS
from connector.handoff.model import CrmMeeting, CrmTask, Kind, Outcome, Record, Ref, Value


@dataclass(slots=True)
class Row:
    """One record as it stands. ``stages`` is a deal's stage history, oldest first; ``movers`` made each step."""

    kind: Kind
    id: str
    values: dict[str, Value]
    modified_at: datetime
    by: str
    deal_id: str
    key: str | None = None
    account_id: str | None = None
    done_at: datetime | None = None
    stages: list[tuple[datetime, str]] = field(default_factory=list)
    movers: list[str] = field(default_factory=list)
    merged: tuple[str, ...] = ()


def record_of(row: Row) -> Record:
    """A deal or account as the port shows it, empty fields included."""
    empty: dict[str, Value] = dict.fromkeys(FIELDS[row.kind])
    account = {"account": row.account_id} if row.kind is Kind.DEAL else {}
    return Record(ref=Ref(row.kind, row.id), values={**empty, **row.values, **account})


def task_of(row: Row) -> CrmTask:
    """A task as the port shows it."""
    due, owner = row.values.get("due"), row.values.get("owner")
    return CrmTask(
        id=row.id,
        key=row.key,
        subject=str(row.values.get("subject") or ""),
        owner_id=str(owner) if owner else None,
        done=row.values.get("status") == "done",
        due=due if isinstance(due, date) else None,
        done_at=row.done_at,
    )


def meeting_of(row: Row) -> CrmMeeting:
    """A meeting of ours as the port shows it. Raises ValueError for one without a key."""
    if row.key is None:
        raise ValueError(f"{row.id} carries no key")
    owner, start, end = (row.values.get(name) for name in ("owner", "start", "end"))
    return CrmMeeting(
        id=row.id,
        key=row.key,
        subject=str(row.values.get("subject") or ""),
        owner_id=str(owner) if owner else None,
        start=start if isinstance(start, datetime) else None,
        end=end if isinstance(end, datetime) else None,
        outcome=Outcome(str(row.values.get("outcome") or Outcome.PLANNED)),
    )
