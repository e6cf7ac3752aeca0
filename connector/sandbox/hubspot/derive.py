"""What the portal computes: stamps, the record id, and everything that follows from a deal's stage or a task's state.

Computed when read, from the row and its history, so that it holds whoever wrote the row. Not stored anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from connector.sandbox.hubspot.stages import STAGES

if TYPE_CHECKING:
    from connector.sandbox.hubspot.kinds import Kind
    from connector.sandbox.rows import Change, Row

ENTERED = "hs_v2_date_entered_"
EXITED = "hs_v2_date_exited_"
CURRENT = "current_stage"


class Seen(Protocol):
    """A row as a reader sees it: the row itself or an earlier version with the history up to then."""

    @property
    def id(self) -> str: ...
    @property
    def values(self) -> dict[str, Any]: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def modified_at(self) -> datetime: ...
    @property
    def history(self) -> list[Change]: ...


Reader = Callable[[Seen], str | None]


@dataclass(frozen=True, slots=True)
class Past:
    """A version before a write that the search index has not taken in yet."""

    id: str
    values: dict[str, Any]
    created_at: datetime
    modified_at: datetime
    history: list[Change]


def indexed(row: Row, now: datetime) -> Seen | None:
    """The row as the search index knows it now (facts: HubSpot §1): an older version, or nothing if it is too new."""
    version = row.as_of(now)
    if version is row or version is None:
        return row if version is row else None
    if version.deleted_at is not None:
        return None
    return Past(
        id=row.id,
        values=version.values,
        created_at=version.created_at,
        modified_at=version.modified_at,
        history=[c for c in row.history if c.at <= version.modified_at],
    )


def reader(kind: Kind, name: str) -> Reader:
    """A function that reads one property of a row of this type, as text or None."""
    fixed = _FIXED.get((kind.table, name)) or _FIXED.get(("*", name))
    if fixed:
        return fixed
    if name == kind.created:
        return lambda row: iso(row.created_at)
    if name == kind.modified:
        return lambda row: iso(row.modified_at)
    if kind.table == "deals":
        for prefix, when in ((ENTERED, _entered), (EXITED, _exited)):
            if name.startswith(prefix):
                return _stage_reader(when, name.removeprefix(prefix))
    return lambda row: row.values.get(name)


def iso(moment: datetime) -> str:
    """An instant as HubSpot writes it: UTC, milliseconds unless they are nought."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds" if moment.microsecond >= 1000 else "seconds")
    return text.replace("+00:00", "Z")


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def epoch_ms(moment: datetime) -> int:
    """An instant as milliseconds since 1970."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


# inside


def _stage_reader(when: Callable[[Seen, str], datetime | None], stage_id: str) -> Reader:
    def read(row: Seen) -> str | None:
        stage = row.values.get("dealstage") if stage_id == CURRENT else stage_id
        found = when(row, stage) if stage else None
        return iso(found) if found else None

    return read


def _last(changes: Sequence[Change], test: Callable[[Change], bool]) -> datetime | None:
    return next((c.at for c in reversed(changes) if test(c)), None)


def _entered(row: Seen, stage: str) -> datetime | None:
    found = _last(row.history, lambda c: c.field == "dealstage" and c.new == stage)
    if found is None and row.values.get("dealstage") == stage:
        return row.created_at
    return found


def _exited(row: Seen, stage: str) -> datetime | None:
    if row.values.get("dealstage") == stage:
        return None
    return _last(row.history, lambda c: c.field == "dealstage" and c.old == stage)


def _closed(row: Seen) -> str:
    stage = STAGES.get(row.values.get("dealstage", ""))
    return _yes(stage is not None and stage.closed)


def _won(row: Seen) -> str:
    stage = STAGES.get(row.values.get("dealstage", ""))
    return _yes(stage is not None and stage.won)


def _lost(row: Seen) -> str:
    stage = STAGES.get(row.values.get("dealstage", ""))
    return _yes(stage is not None and stage.lost)


def _won_at(row: Seen) -> str | None:
    if _won(row) == "false":
        return None
    found = _entered(row, row.values["dealstage"])
    return iso(found) if found else None


def _probability(row: Seen) -> str | None:
    stage = STAGES.get(row.values.get("dealstage", ""))
    return stage.probability if stage else None


def _assigned_at(row: Seen) -> str | None:
    if not row.values.get("hubspot_owner_id"):
        return None
    return iso(_last(row.history, lambda c: c.field == "hubspot_owner_id") or row.created_at)


def _completed(row: Seen) -> str:
    return _yes(row.values.get("hs_task_status") == "COMPLETED")


def _completed_at(row: Seen) -> str | None:
    if _completed(row) == "false":
        return None
    done = _last(row.history, lambda c: c.field == "hs_task_status" and c.new == "COMPLETED")
    return iso(done or row.modified_at)


def _yes(flag: bool) -> str:
    return "true" if flag else "false"


_FIXED: dict[tuple[str, str], Reader] = {
    ("*", "hs_object_id"): lambda row: row.id,
    ("deals", "hs_is_closed"): _closed,
    ("deals", "hs_is_closed_won"): _won,
    ("deals", "hs_is_closed_lost"): _lost,
    ("deals", "hs_closed_won_date"): _won_at,
    ("deals", "hs_deal_stage_probability"): _probability,
    ("deals", "hubspot_owner_assigneddate"): _assigned_at,
    ("tasks", "hs_task_is_completed"): _completed,
    ("tasks", "hs_task_completion_date"): _completed_at,
}
