"""What a pilot is judged by: each win while the daemon observed or piloted, as it was first seen and as it stands.

Not here: what is taken of a win (``handoff.trial``) and what both groups come to (``handoff.rollout``). What the rules
would have done is kept as it was first computed: later looks see what people did meanwhile, and would agree with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from connector.handoff.model import SystemName
from connector.handoff.plan import Plan
from connector.handoff.rollout import Tried
from connector.handoff.trial import Trial
from connector.store.database import Database, Part, chunks
from connector.store.schema import trial

LABELS = "\n"
"""Between the labels of what was missing."""

_FIRST = ("first_at", "gaps_first", "gaps", "held", "had_csm", "percent_first")
"""Columns that stay as the first look found them."""


class Trials(Part):
    """Reading the comparison."""

    def trials(self, system: SystemName, *, since: datetime | None = None) -> tuple[Tried, ...]:
        """Every win that was compared, those won since a time, by the time of the win."""
        query = select(trial).where(trial.c.system == system)
        if since is not None:
            query = query.where(trial.c.won_at >= since)
        with self._db.read() as connection:
            return tuple(_tried(row) for row in connection.execute(query.order_by(trial.c.won_at, trial.c.deal_id)))


def keep_trials(db: Database, connection: Connection, plans: Sequence[Plan], now: datetime) -> None:
    """Keep what these decisions say, beside what earlier ones said of the same wins."""
    compared = {plan.key.deal_id: (plan, plan.trial) for plan in plans if plan.trial is not None}
    if not compared:
        return
    system = next(iter(compared.values()))[0].key.system
    before: dict[tuple[str, int], Row[Any]] = {}
    for ids in chunks(sorted(compared)):
        for row in connection.execute(select(trial).where(trial.c.system == system, trial.c.deal_id.in_(ids))):
            before[row.deal_id, row.generation] = row
    rows = [
        {
            "system": system,
            "deal_id": deal_id,
            "generation": plan.generation,
            **_merged(each, before.get((deal_id, plan.generation)), now),
        }
        for deal_id, (plan, each) in compared.items()
    ]
    statement = db.insert(trial)
    keys = ["system", "deal_id", "generation"]
    changed = {column.name: statement.excluded[column.name] for column in trial.columns if column.name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), rows)


def _merged(each: Trial, row: Row[Any] | None, now: datetime) -> dict[str, Any]:
    known = dict(row._mapping) if row is not None else {}
    first = {
        "first_at": now,
        "gaps_first": len(each.gaps),
        "gaps": LABELS.join(each.gaps),
        "held": each.held,
        "had_csm": bool(each.csm) and not each.would,
        "percent_first": each.percent,
    }
    stands_since = (known.get("csm_at") or now) if each.csm else None
    return {
        "acted": each.acted or bool(known.get("acted")),
        "ae": each.ae,
        "won_at": each.won_at,
        "seen_at": now,
        "asked": each.asked,
        "gaps_last": len(each.gaps),
        "filled_at": None if each.gaps else known.get("filled_at") or now,
        "would": known.get("would") or each.would,
        "rule": known.get("rule") or each.rule,
        "csm": each.csm,
        "csm_at": stands_since,
        "tasks": max(known.get("tasks", 0), each.tasks),
        "messages": max(known.get("messages", 0), each.messages),
        "touched_at": known.get("touched_at") or each.touched_at,
        "percent_last": each.percent,
        "rating": each.rating,
        "feedback": each.feedback,
        **({name: known[name] for name in _FIRST} if known else first),
    }


def _tried(row: Row[Any]) -> Tried:
    return Tried(
        deal_id=row.deal_id,
        generation=row.generation,
        acted=row.acted,
        ae=row.ae,
        won_at=row.won_at,
        first_at=row.first_at,
        seen_at=row.seen_at,
        asked=row.asked,
        gaps=tuple(each for each in row.gaps.split(LABELS) if each),
        gaps_left=row.gaps_last,
        held=row.held,
        filled_at=row.filled_at,
        had_csm=row.had_csm,
        would=row.would,
        rule=row.rule,
        csm=row.csm,
        csm_at=row.csm_at,
        tasks=row.tasks,
        messages=row.messages,
        touched_at=row.touched_at,
        percent_first=row.percent_first,
        percent=row.percent_last,
        rating=row.rating,
        feedback=row.feedback,
    )
