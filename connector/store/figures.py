"""The figures of all handoffs: kept one row each, summed, listed, and compared with what is found anew.

Not here: what a measure is and what a sum comes to (``connector.handoff.measures``). Values are whole numbers, so the
sums are the same on every database, to the last digit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, cast, func, literal, or_, select
from sqlalchemy import Double as Float

from connector.handoff.measures.catalogue import MEASURES, PER_HANDOFF
from connector.handoff.measures.facts import from_json, to_json
from connector.handoff.measures.figure import FUNNEL, Figure, Funnel, Who
from connector.handoff.measures.model import Better, Measure, Way
from connector.handoff.measures.summing import Sum, aim
from connector.handoff.model import SystemName
from connector.handoff.plan import Phase
from connector.handoff.rulebook.watch import Targets
from connector.store import codec
from connector.store.database import Database, Part, chunks
from connector.store.schema import figure, handoff

TARGETS = Targets()
Which = Literal["counted", "met", "missed", "open"]
_GONE = (Phase.REOPENED.value, Phase.LOST.value)


class Dimension(StrEnum):
    """By what figures are told apart."""

    NONE = "none"
    SYSTEM = "system"
    AE = "ae"
    CSM = "csm"
    SEGMENT = "segment"
    TIER = "tier"
    SOURCE = "source"
    DEAL_TYPE = "deal_type"
    WEEKDAY = "weekday"
    HOUR = "hour"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which handoffs are meant. What is empty or None is any. ``since`` and ``until`` are days of the win by the
    company's calendar, the latter not included; ``ae`` and ``csm`` are ids or names."""

    systems: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    ae: str = ""
    csm: str = ""
    segment: str = ""
    tier: str = ""
    source: str = ""
    deal_type: str = ""
    weekday: int | None = None
    hour: int | None = None


ALL = Selection()


@dataclass(frozen=True, slots=True, order=True)
class Group:
    """One group of handoffs: what it is known by, and what people call it."""

    key: str
    label: str


EVERYTHING = Group("", "")


@dataclass(frozen=True, slots=True)
class Coverage:
    """Closed-won deals: how many, how many have a handoff, and of the others how many for which reason."""

    won: int
    handed: int
    reasons: Mapping[str, int]

    @property
    def unexplained(self) -> int:
        """Those with neither a handoff nor a reason; more than none is a fault."""
        return self.won - self.handed - sum(self.reasons.values())


_GROUPED: Mapping[Dimension, tuple[ColumnElement[Any], ColumnElement[Any]]] = {
    Dimension.SYSTEM: (figure.c.system, figure.c.system),
    Dimension.AE: (figure.c.ae_id, figure.c.ae_name),
    Dimension.CSM: (figure.c.csm_id, figure.c.csm_name),
    Dimension.SEGMENT: (figure.c.segment, figure.c.segment),
    Dimension.TIER: (figure.c.tier, figure.c.tier),
    Dimension.SOURCE: (figure.c.source, figure.c.source),
    Dimension.DEAL_TYPE: (figure.c.deal_type, figure.c.deal_type),
    Dimension.WEEKDAY: (figure.c.won_weekday, figure.c.won_weekday),
    Dimension.HOUR: (figure.c.won_hour, figure.c.won_hour),
    Dimension.WEEK: (figure.c.won_week, figure.c.won_week),
    Dimension.MONTH: (figure.c.won_month, figure.c.won_month),
}
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Figures(Part):
    """Reading what was measured."""

    def sums(
        self,
        selection: Selection = ALL,
        *,
        by: Dimension = Dimension.NONE,
        measures: Sequence[str] = (),
        targets: Targets = TARGETS,
    ) -> Mapping[Group, Mapping[str, Sum]]:
        """The sums of these measures (without names: of all), group by group; without ``by`` one group, `EVERYTHING`.

        Groups come in their order: weekdays, hours, weeks and months as time goes, people and words by name.
        """
        wanted = [one for one in PER_HANDOFF if not measures or one.key in measures]
        key, label = _GROUPED.get(by, (literal(""), literal("")))
        columns = [column for one in wanted for column in _aggregates(one, targets)]
        query = select(key.label("group_key"), func.max(label).label("group_label"), *columns)
        query = _where(query.select_from(figure), selection)
        if by is not Dimension.NONE:
            query = query.group_by(key)
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        found = {_group(by, row): {one.key: _sum(one, row) for one in wanted} for row in rows}
        if by is Dimension.NONE and not found:
            return {EVERYTHING: {one.key: Sum() for one in wanted}}
        ordered = sorted(found, key=lambda group: _place(by, group))
        return {group: found[group] for group in ordered}

    def velocity(
        self, selection: Selection = ALL, *, by: Dimension = Dimension.NONE, today: date | None = None
    ) -> Mapping[Group, Sum]:
        """Activations per CSM and week: a `Sum` counts the weeks of each CSM, from that of their first win in the
        selection to the last of it (``today``'s where it has no end); its total is the activations in them."""
        key, label = _GROUPED.get(by, (literal(""), literal("")))
        columns = (figure.c.csm_id, figure.c.won_week, figure.c.activated_week)
        query = _where(select(key.label("group_key"), label.label("group_label"), *columns), selection)
        query = query.where(figure.c.csm_id != "", figure.c.won_week.is_not(None), figure.c.phase.not_in(_GONE))
        last = (selection.until - timedelta(days=1)) if selection.until else (today or self._db.now().date())
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        return _velocities(by, rows, last)

    def funnel(self, selection: Selection = ALL) -> Mapping[Funnel, int]:
        """How many handoffs came so far, or further."""
        query = _where(select(figure.c.funnel, func.count()), selection).where(figure.c.phase.not_in(_GONE))
        with self._db.read() as connection:
            counts = {rank: count for rank, count in connection.execute(query.group_by(figure.c.funnel))}
        return {one: sum(count for rank, count in counts.items() if rank >= place) for place, one in enumerate(FUNNEL)}

    def listed(
        self,
        selection: Selection = ALL,
        *,
        measure: str = "",
        which: Which = "counted",
        targets: Targets = TARGETS,
        stuck: bool = False,
        limit: int = 100,
        offset: int = 0,
    ) -> tuple[Figure, ...]:
        """The handoffs behind a number, the latest win first; those that count for a measure the worst first.

        ``which``: those that count, those that met the target or missed it, or those that do not count yet. ``stuck``:
        only those where something stands still. Raises KeyError for a measure that there is none of.
        """
        query = _where(select(figure), selection)
        if stuck:
            query = query.where(figure.c.stuck != "[]", figure.c.phase.not_in(_GONE))
        order: list[ColumnElement[Any]] = [figure.c.won_at.desc(), figure.c.deal_id]
        if measure:
            one = MEASURES[measure]
            column = figure.c[f"m_{one.key}"]
            query = query.where(_which(one, column, which, targets))
            if which != "open":
                order.insert(0, column.desc() if one.better is Better.LOWER else column.asc())
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(*order).limit(limit).offset(offset)).all()
        return tuple(_figure(row) for row in rows)

    def figure(self, system: SystemName, deal_id: str, *, generation: int | None = None) -> Figure | None:
        """One handoff's figures, those of the latest generation unless one is named; None where there are none."""
        query = select(figure).where(figure.c.system == system, figure.c.deal_id == deal_id)
        if generation is not None:
            query = query.where(figure.c.generation == generation)
        with self._db.read() as connection:
            row = connection.execute(query.order_by(figure.c.generation.desc()).limit(1)).one_or_none()
        return None if row is None else _figure(row)

    def figures_of(self, system: SystemName, deal_ids: Sequence[str]) -> Mapping[tuple[str, int], Figure]:
        """The figures of these deals, by deal and generation."""
        found: dict[tuple[str, int], Figure] = {}
        with self._db.read() as connection:
            for ids in chunks(deal_ids):
                query = select(figure).where(figure.c.system == system, figure.c.deal_id.in_(ids))
                found |= {(row.deal_id, row.generation): _figure(row) for row in connection.execute(query)}
        return found

    def options(self, dimension: Dimension, *, systems: Sequence[str] = ()) -> tuple[Group, ...]:
        """What a filter can choose from."""
        key, label = _GROUPED[dimension]
        query = select(key.label("group_key"), func.max(label).label("group_label")).group_by(key)
        if systems:
            query = query.where(figure.c.system.in_(systems))
        with self._db.read() as connection:
            groups = [_group(dimension, row) for row in connection.execute(query)]
        return tuple(sorted((one for one in groups if one.key), key=lambda group: _place(dimension, group)))

    def covered(self, selection: Selection = ALL) -> Coverage:
        """How many closed-won deals have a handoff, and why the others have none. Deals won before acting began are of
        no AE, CSM or segment: they count where the selection names only systems."""
        query = _where(select(figure.c.covered, figure.c.reason, func.count()), selection)
        query = query.where(figure.c.phase.not_in(_GONE)).group_by(figure.c.covered, figure.c.reason)
        handed, reasons = 0, dict[str, int]()
        with self._db.read() as connection:
            for has, reason, count in connection.execute(query):
                if has:
                    handed += count
                else:
                    reasons[reason] = reasons.get(reason, 0) + count
            if selection == Selection(systems=selection.systems):
                before = select(func.count()).where(handoff.c.phase == Phase.BEFORE_START.value)
                if selection.systems:
                    before = before.where(handoff.c.system.in_(selection.systems))
                if count := connection.execute(before).scalar_one():
                    reasons[BEFORE] = count
        return Coverage(handed + sum(reasons.values()), handed, dict(sorted(reasons.items())))


BEFORE = "Won before the connector began to act."


def put_figures(database: Database, connection: Connection, figures: Iterable[Figure]) -> None:
    """Write rows of figures, over those of the same handoffs."""
    rows = [row_of(one) for one in figures]
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
        "covered": one.covered,
        "reason": one.reason,
        "funnel": FUNNEL.index(one.funnel),
        "facts": codec.dumps(to_json(one.facts)),
        "looked_at": one.facts.at,
        **{f"m_{measure.key}": one.values.get(measure.key) for measure in PER_HANDOFF},
    }


def _figure(row: Row[Any]) -> Figure:
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
        values={one.key: told[f"m_{one.key}"] for one in PER_HANDOFF},
    )


def _aggregates(one: Measure, targets: Targets) -> Iterator[ColumnElement[Any]]:
    """What the database sums of a measure; no more than its number and its interval need."""
    column = figure.c[f"m_{one.key}"]
    yield func.count(column).label(f"{one.key}_n")
    yield func.sum(column).label(f"{one.key}_t")
    if one.way is Way.SHARE:
        return
    if one.way is Way.MEAN:
        yield func.sum(cast(column, Float) * cast(column, Float)).label(f"{one.key}_s")
    wanted = aim(one, targets)
    if wanted is not None:
        good = column >= wanted if one.better is Better.HIGHER else column <= wanted
        yield func.sum(case((good, 1), else_=0)).label(f"{one.key}_m")


def _sum(one: Measure, row: Row[Any]) -> Sum:
    told = row._mapping
    counted, total = int(told[f"{one.key}_n"]), int(told[f"{one.key}_t"] or 0)
    if one.way is Way.SHARE:
        return Sum(counted, total, total if one.better is Better.HIGHER else counted - total, float(total))
    return Sum(counted, total, int(told.get(f"{one.key}_m") or 0), float(told.get(f"{one.key}_s") or 0.0))


def _where(query: Select[Any], chosen: Selection) -> Select[Any]:
    exact = {
        "segment": chosen.segment,
        "tier": chosen.tier,
        "source": chosen.source,
        "deal_type": chosen.deal_type,
        "won_weekday": chosen.weekday,
        "won_hour": chosen.hour,
    }
    tests: list[ColumnElement[bool]] = [
        figure.c[name] == value for name, value in exact.items() if value not in ("", None)
    ]
    if chosen.systems:
        tests.append(figure.c.system.in_(chosen.systems))
    if chosen.since is not None:
        tests.append(figure.c.won_on >= chosen.since.isoformat())
    if chosen.until is not None:
        tests.append(figure.c.won_on < chosen.until.isoformat())
    for role, who in (("ae", chosen.ae), ("csm", chosen.csm)):
        if who:
            tests.append(or_(figure.c[f"{role}_id"] == who, figure.c[f"{role}_name"] == who))
    return query.where(and_(*tests)) if tests else query


def _which(one: Measure, column: ColumnElement[Any], which: Which, targets: Targets) -> ColumnElement[bool]:
    if which == "open":
        return and_(column.is_(None), figure.c.phase.not_in(_GONE))
    if which == "counted":
        return column.is_not(None)
    wanted = 1 if one.way is Way.SHARE else aim(one, targets)
    if one.way is Way.SHARE:
        good = column == (1 if one.better is Better.HIGHER else 0)
    elif wanted is None:
        return column.is_not(None) if which == "met" else literal(0) == 1
    else:
        good = column >= wanted if one.better is Better.HIGHER else column <= wanted
    return and_(column.is_not(None), good if which == "met" else ~good)


def _group(by: Dimension, row: Row[Any]) -> Group:
    if by is Dimension.NONE:
        return EVERYTHING
    key = "" if row.group_key is None else str(row.group_key)
    label = "" if row.group_label is None else str(row.group_label)
    if by is Dimension.WEEKDAY and key:
        label = WEEKDAYS[int(key)]
    if by is Dimension.HOUR and key:
        label = f"{int(key):02d}:00"
    return Group(key, label or key)


def _place(by: Dimension, group: Group) -> tuple[bool, int, str, str]:
    number = int(group.key) if by in (Dimension.WEEKDAY, Dimension.HOUR) and group.key else 0
    word = group.key if by in (Dimension.WEEK, Dimension.MONTH) else group.label.casefold()
    return not group.key, number, word, group.key


def _velocities(by: Dimension, rows: Sequence[Row[Any]], last: date) -> dict[Group, Sum]:
    end = last - timedelta(days=last.weekday())
    first: dict[tuple[Group, str], date] = {}
    active: dict[tuple[Group, str], dict[date, int]] = {}
    for row in rows:
        place = _group(by, row), row.csm_id
        week = date.fromisoformat(row.won_week)
        first[place] = min(first.get(place, week), week)
        counts = active.setdefault(place, {})
        if row.activated_week:
            at = date.fromisoformat(row.activated_week)
            counts[at] = counts.get(at, 0) + 1
    found: dict[Group, Sum] = {}
    for place, week in first.items():
        weeks = [week + timedelta(weeks=number) for number in range((end - week).days // 7 + 1)]
        counts = [active[place].get(each, 0) for each in weeks]
        one = Sum(len(weeks), sum(counts), 0, float(sum(count * count for count in counts)))
        found[place[0]] = found.get(place[0], Sum()) + one
    return dict(sorted(found.items(), key=lambda pair: _place(by, pair[0])))
