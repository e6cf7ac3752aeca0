"""Rows of figures: one per handoff, written with the decision or with what became of it, and what changes of the past.

Not here: summing and listing them (``figures``), and what a figure is (``connector.handoff.measures``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select

from connector.handoff.measures.catalogue import PER_HANDOFF, values_of
from connector.handoff.measures.correcting import Correction, corrections
from connector.handoff.measures.facts import from_json, to_json
from connector.handoff.measures.figure import FUNNEL, Figure, Who
from connector.handoff.model import SystemName
from connector.handoff.plan import Phase
from connector.store import codec
from connector.store.audit import AuditKind, Entry
from connector.store.database import Database, chunks
from connector.store.ledger import NO_DEAL
from connector.store.schema import figure

WON_ANEW = "Reopened, and won anew later."
"""Why an earlier handoff of a deal counts no more."""


def put_figures(
    database: Database, connection: Connection, found: Iterable[Figure], *, always: bool = False, by: str = ""
) -> list[Entry]:
    """Write rows of figures, over those of the same handoffs, as far as they differ; returns what is to be said of it
    in the trail. ``always``: say of any month what changed, not only of one that is over."""
    figures = tuple(found)
    before: dict[tuple[str, str, int], Figure] = {}
    for name in sorted({one.system for one in figures}):
        for ids in chunks(sorted({one.deal_id for one in figures if one.system == name})):
            query = select(figure).where(figure.c.system == name, figure.c.deal_id.in_(ids))
            before |= {_key(was): was for row in connection.execute(query) for was in [figure_in(row)]}
    figures += tuple(_superseded(figures, before))
    changed = [one for one in figures if _differs(before.get(_key(one)), one)]
    _upsert(database, connection, [row_of(one) for one in changed])
    said = [(one, was) for one in changed if (was := before.get(_key(one))) is not None]
    return [_entry(one, each, by) for one, was in said for each in corrections(was, one, always=always)]


def told_figures(database: Database, connection: Connection, told: Mapping[tuple[str, str, int], datetime]) -> None:
    """Note when a CSM was told of a handoff, unless it is known already: no look need follow for that."""
    rows: list[dict[str, Any]] = []
    for (name, deal_id, generation), at in sorted(told.items()):
        query = select(figure).where(
            figure.c.system == name, figure.c.deal_id == deal_id, figure.c.generation == generation
        )
        row = connection.execute(query).one_or_none()
        was = figure_in(row) if row is not None else None
        if was is None or was.facts.told_at is not None:
            continue
        facts = replace(was.facts, told_at=at)
        rows.append(row_of(replace(was, facts=facts, values=values_of(facts))))
    _upsert(database, connection, rows)


def gone_figures(
    database: Database, connection: Connection, system: SystemName, deal_ids: Sequence[str], now: datetime
) -> list[Entry]:
    """Deals that the CRM has no more count in nothing; returns what is to be said of it in the trail."""
    rows = connection.execute(select(figure).where(figure.c.system == system, figure.c.deal_id.in_(list(deal_ids))))
    return put_figures(database, connection, [gone(figure_in(row), now) for row in rows.all()])


def gone(was: Figure, now: datetime) -> Figure:
    """The figures of a handoff whose deal the CRM has no more: it was deleted, or became part of another."""
    facts = replace(was.facts, at=now, stands=False)
    lost = {"phase": Phase.LOST.value, "reason": NO_DEAL, "stuck": (), "lacks": ()}
    return replace(was, facts=facts, values=values_of(facts), **lost)  # type: ignore[arg-type]


def over(was: Figure, now: datetime) -> Figure:
    """The figures of a handoff whose deal was won anew since: it counts in nothing, or its win would count twice."""
    facts = replace(was.facts, at=now, stands=False)
    ended = {"phase": Phase.REOPENED.value, "reason": WON_ANEW, "stuck": (), "lacks": ()}
    return replace(was, facts=facts, values=values_of(facts), **ended)  # type: ignore[arg-type]


def _superseded(figures: Sequence[Figure], before: Mapping[tuple[str, str, int], Figure]) -> Iterator[Figure]:
    """Earlier handoffs of these deals that still count, because nobody looked while the deal was open in between."""
    newest = {(one.system, one.deal_id): one for one in sorted(figures, key=lambda one: one.generation)}
    given = {_key(one) for one in figures}
    for key, was in before.items():
        latest = newest.get((was.system, was.deal_id))
        if latest is not None and was.generation < latest.generation and was.facts.stands and key not in given:
            yield over(was, latest.facts.at)


def _key(one: Figure) -> tuple[str, str, int]:
    return one.system, one.deal_id, one.generation


def _differs(was: Figure | None, one: Figure) -> bool:
    """Whether anything is another than it was, apart from when it was looked at."""
    return was is None or replace(was, facts=replace(was.facts, at=one.facts.at)) != replace(one, values=_whole(one))


def _whole(one: Figure) -> dict[str, int | None]:
    return {measure.key: one.values.get(measure.key) for measure in PER_HANDOFF}


def _entry(one: Figure, each: Correction, by: str) -> Entry:
    data = {"measure": each.key, "before": each.before, "after": each.after}
    month = {"month": f"{one.won_on:%Y-%m}"} if one.won_on else {}
    return Entry(one.system, one.deal_id, one.generation, AuditKind.CORRECTED, each.said, data | month, by)


def _upsert(database: Database, connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    statement = database.insert(figure)
    new = statement.excluded
    keys = ("system", "deal_id", "generation")
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(keys), set_={name: new[name] for name in rows[0] if name not in keys}
        ),
        rows,
    )


def row_of(one: Figure) -> dict[str, Any]:
    """A row of figures by column."""
    week = one.won_on - timedelta(days=one.won_on.weekday()) if one.won_on else None
    active = one.activated_on - timedelta(days=one.activated_on.weekday()) if one.activated_on else None
    return {
        "system": one.system,
        "deal_id": one.deal_id,
        "generation": one.generation,
        "title": one.title,
        "account_id": one.account_id,
        "account_name": one.account_name,
        "ae_id": one.ae.id,
        "ae_name": one.ae.name,
        "csm_id": one.csm.id,
        "csm_name": one.csm.name,
        "segment": one.segment,
        "tier": one.tier,
        "source": one.source,
        "deal_type": one.deal_type,
        "currency": one.currency,
        "phase": one.phase,
        "stuck": json.dumps(list(one.stuck)),
        "lacks": json.dumps(list(one.lacks)),
        "amount": one.amount,
        "won_at": one.facts.won_at,
        "won_on": one.won_on.isoformat() if one.won_on else None,
        "won_week": week.isoformat() if week else None,
        "won_month": one.won_on.isoformat()[:7] if one.won_on else None,
        "activated_on": one.activated_on.isoformat() if one.activated_on else None,
        "activated_week": active.isoformat() if active else None,
        "won_weekday": one.won_weekday,
        "won_hour": one.won_hour,
        "stands": one.facts.stands,
        "covered": one.covered,
        "reason": one.reason,
        "funnel": FUNNEL.index(one.funnel),
        "facts": codec.dumps(to_json(one.facts)),
        "promise_due": one.promise_due.isoformat() if one.promise_due else None,
        "looked_at": one.facts.at,
        **{f"m_{measure.key}": one.values.get(measure.key) for measure in PER_HANDOFF},
    }


def figure_in(row: Row[Any]) -> Figure:
    told = row._mapping
    return Figure(
        system=SystemName(row.system),
        deal_id=row.deal_id,
        generation=row.generation,
        facts=from_json(codec.loads(row.facts), at=row.looked_at),
        title=row.title,
        account_id=row.account_id,
        account_name=row.account_name,
        ae=Who(row.ae_id, row.ae_name),
        csm=Who(row.csm_id, row.csm_name),
        segment=row.segment,
        tier=row.tier,
        source=row.source,
        deal_type=row.deal_type,
        amount=row.amount,
        currency=row.currency,
        won_on=date.fromisoformat(row.won_on) if row.won_on else None,
        won_weekday=row.won_weekday,
        won_hour=row.won_hour,
        activated_on=date.fromisoformat(row.activated_on) if row.activated_on else None,
        phase=row.phase,
        covered=row.covered,
        reason=row.reason,
        funnel=FUNNEL[row.funnel],
        stuck=tuple(json.loads(row.stuck)),
        lacks=tuple(json.loads(row.lacks)),
        promise_due=date.fromisoformat(row.promise_due) if row.promise_due else None,
        values={one.key: told[f"m_{one.key}"] for one in PER_HANDOFF},
    )
