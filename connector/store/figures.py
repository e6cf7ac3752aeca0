"""The figures of all handoffs: summed, listed and told apart by whom and when, and what was put right of them.

Not here: what a measure is and what a sum comes to (``connector.handoff.measures``), and writing rows (``figurerows``).
Values are whole numbers, so the sums are the same on every database, to the last digit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache, partial
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    and_,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy import Double as Float

from connector.handoff.measures.catalogue import MEASURES, PER_HANDOFF
from connector.handoff.measures.figure import FUNNEL, Figure, Funnel
from connector.handoff.measures.model import Better, Measure, Way
from connector.handoff.measures.summing import NOTHING, Sum, aim
from connector.handoff.model import SystemName
from connector.handoff.plan import Phase
from connector.handoff.rulebook.watch import Targets
from connector.store import codec
from connector.store.audit import AuditKind, write_audit
from connector.store.database import Part, chunks
from connector.store.figurerows import figure_in, put_figures
from connector.store.ledger import NO_DEAL
from connector.store.schema import audit, figure, handoff

TARGETS = Targets()
_TO_COME = (Phase.WON.value, Phase.HELD.value)
Which = Literal["counted", "met", "missed", "open"]


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
class Trend:
    """Sums over everything, and week by week."""

    totals: Mapping[str, Sum]
    weekly: Mapping[Group, Mapping[str, Sum]]


@dataclass(frozen=True, slots=True)
class Coverage:
    """Closed-won deals: how many, how many have a handoff, and of the others how many for which reason."""

    won: int
    handed: int
    reasons: Mapping[str, int]

    @property
    def unexplained(self) -> int:
        """Those with neither a handoff nor a reason: acted on, and without figures. More than none is a fault."""
        return self.won - self.handed - sum(self.reasons.values())


@dataclass(frozen=True, slots=True)
class Corrected:
    """One correction as it was written down."""

    at: datetime
    system: SystemName
    deal_id: str
    generation: int
    said: str
    data: Mapping[str, Any]
    by: str


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
        cells = _cells(_wanted(measures), targets)
        return {group: _sums(cells, row) for group, row in self._grouped(selection, by, cells)}

    def cohorts(
        self, selection: Selection, *, by: Dimension, measures: Sequence[str], targets: Targets = TARGETS
    ) -> Mapping[Group, tuple[int, Mapping[str, Sum]]]:
        """The same, and how many handoffs of deals that are won now each group has, of one reading."""
        cells = _cells(_wanted(measures), targets)
        size = func.count().filter(figure.c.stands)
        rows = self._grouped(selection, by, cells, size)
        return {group: (row[-1], _sums(cells, row)) for group, row in rows}

    def trend(
        self, selection: Selection, *, of: Sequence[str], ranged: Sequence[str] = (), targets: Targets = TARGETS
    ) -> Trend:
        """All measures' sums, and week by week those of the measures ``of``, of one reading. Only for these and those
        that are to be ``ranged`` there are squares, without which a mean has no range: they cost most of a sum."""
        cells = _cells(_wanted(()), targets, ranged=(*of, *ranged))
        shown = [cell for cell in cells if cell.one.key in of]
        rows = self._grouped(selection, Dimension.WEEK, cells)
        # Whole numbers, so that it comes to the same as one sum over everything.
        added = [sum(filter(None, column)) for column in list(zip(*(row for _, row in rows), strict=True))[2:]]
        totals = _sums(cells, (None, None, *added)) if rows else {cell.one.key: NOTHING for cell in cells}
        return Trend(totals, {group: _sums(shown, row) for group, row in rows})

    def _grouped(
        self, selection: Selection, by: Dimension, cells: Sequence[_Cell], *more: ColumnElement[Any]
    ) -> list[tuple[Group, Sequence[Any]]]:
        """One row a group, in the groups' order: its key, its label, what the cells sum, and what more is asked for."""
        key, label = _GROUPED.get(by, (literal(""), literal("")))
        told = label if label is key else func.max(label)
        query: Select[Any] = select(key.label("group_key"), told.label("group_label"))
        query = query.add_columns(*(column for cell in cells for column in cell.columns), *more)
        query = _where(query.select_from(figure), selection)
        if by is not Dimension.NONE:
            query = query.group_by(key)
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        return sorted(((_group(by, row[0], row[1]), row) for row in rows), key=lambda pair: _place(by, pair[0]))

    def velocity(
        self, selection: Selection = ALL, *, by: Dimension = Dimension.NONE, today: date | None = None
    ) -> Mapping[Group, Sum]:
        """Activations per CSM and week: a `Sum` counts the weeks of each CSM, from that of their first win in the
        selection to the last of it (``today``'s where it has no end, or ends later: weeks to come say nothing); its
        total is the activations in them."""
        last = today or self._db.now().date()
        last = min(last, selection.until - timedelta(days=1)) if selection.until else last
        key, label = _GROUPED.get(by, (literal(""), literal("")))
        is_apart = by is not Dimension.NONE
        group = (key.label("group_key"), (func.max(label) if is_apart else label).label("group_label"), figure.c.csm_id)
        test = and_(figure.c.csm_id != "", figure.c.won_week.is_not(None), figure.c.stands)
        begun = _where(select(*group, func.min(figure.c.won_week).label("first")).select_from(figure), selection)
        active = _where(select(*group[::2], figure.c.activated_week, func.count()).select_from(figure), selection)
        apart = (key, figure.c.csm_id) if is_apart else (figure.c.csm_id,)
        with self._db.read() as connection:
            firsts = connection.execute(begun.where(test).group_by(*apart)).all()
            counts = connection.execute(
                active.where(test, figure.c.activated_week.is_not(None)).group_by(*apart, figure.c.activated_week)
            ).all()
        return _velocities(by, firsts, counts, last)

    def funnel(self, selection: Selection = ALL) -> Mapping[Funnel, int]:
        """How many won deals came so far, or further; those that get no handoff by the policy are not among them."""
        query = _where(select(figure.c.funnel, func.count()), selection).where(figure.c.stands)
        query = query.where(or_(figure.c.covered, figure.c.phase.in_(_TO_COME)))
        with self._db.read() as connection:
            counts = {row[0]: row[1] for row in connection.execute(query.group_by(figure.c.funnel))}
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
            query = query.where(figure.c.stuck != "[]", figure.c.stands)
        order: list[ColumnElement[Any]] = [figure.c.won_at.desc(), figure.c.deal_id]
        if measure:
            one = MEASURES[measure]
            column = figure.c[f"m_{one.key}"]
            query = query.where(_which(one, column, which, targets))
            if which != "open":
                order.insert(0, column.desc() if one.better is Better.LOWER else column.asc())
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(*order).limit(limit).offset(offset)).all()
        return tuple(figure_in(row) for row in rows)

    def figure(self, system: SystemName, deal_id: str, *, generation: int | None = None) -> Figure | None:
        """One handoff's figures, those of the latest generation unless one is named; None where there are none."""
        query = select(figure).where(figure.c.system == system, figure.c.deal_id == deal_id)
        if generation is not None:
            query = query.where(figure.c.generation == generation)
        with self._db.read() as connection:
            row = connection.execute(query.order_by(figure.c.generation.desc()).limit(1)).one_or_none()
        return None if row is None else figure_in(row)

    def figures_of(self, system: SystemName, deal_ids: Sequence[str]) -> Mapping[tuple[str, int], Figure]:
        """The figures of these deals, by deal and generation."""
        found: dict[tuple[str, int], Figure] = {}
        with self._db.read() as connection:
            for ids in chunks(deal_ids):
                query = select(figure).where(figure.c.system == system, figure.c.deal_id.in_(ids))
                found |= {(row.deal_id, row.generation): figure_in(row) for row in connection.execute(query)}
        return found

    def options(self, dimension: Dimension, *, systems: Sequence[str] = ()) -> tuple[Group, ...]:
        """What a filter can choose from."""
        return self.all_options((dimension,), systems=systems)[dimension]

    def all_options(
        self, dimensions: Sequence[Dimension], *, systems: Sequence[str] = ()
    ) -> Mapping[Dimension, tuple[Group, ...]]:
        """What several filters can choose from, of one reading."""
        parts: list[Select[Any, Any, Any]] = []
        for place, dimension in enumerate(dimensions):
            key, label = _GROUPED[dimension]
            told = label if label is key else func.max(label)
            part = select(literal(place), cast(key, String), cast(told, String)).group_by(key)
            parts.append(part.where(figure.c.system.in_(systems)) if systems else part)
        found: dict[Dimension, list[Group]] = {dimension: [] for dimension in dimensions}
        with self._db.read() as connection:
            for place, key, label in connection.execute(union_all(*parts)):
                if key:
                    found[dimensions[place]].append(_group(dimensions[place], key, label))
        return {each: tuple(sorted(groups, key=partial(_place, each))) for each, groups in found.items()}

    def covered(self, selection: Selection = ALL) -> Coverage:
        """How many closed-won deals have a handoff, and why the others have none. Deals won before acting began are of
        no AE, CSM or segment: they count where the selection names only systems."""
        query = _where(select(figure.c.covered, figure.c.reason, func.count()), selection)
        query = query.where(figure.c.stands).group_by(figure.c.covered, figure.c.reason)
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
            observed, missing = uncovered(connection, selection)
        reasons |= observed
        return Coverage(handed + sum(reasons.values()) + missing, handed, dict(sorted(reasons.items())))

    def measured_deals(self, system: SystemName) -> tuple[str, ...]:
        """The deals whose figures ought to be there: those of which a win was acted on, and those that have figures."""
        acted = select(handoff.c.deal_id).where(
            handoff.c.system == system,
            handoff.c.generation >= 1,
            handoff.c.mode == "act",
            handoff.c.phase.not_in((Phase.OPEN.value, Phase.BEFORE_START.value)),
            handoff.c.reason != NO_DEAL,
        )
        known = select(figure.c.deal_id).where(figure.c.system == system)
        with self._db.read() as connection:
            return tuple(sorted(connection.execute(acted.union(known)).scalars()))

    def put_right(self, figures: Sequence[Figure], *, by: str = "") -> int:
        """Write figures that were found anew over those that were kept, and say in the trail what they were before.
        Returns how many values that is."""
        now = self._db.now()
        with self._db.write() as connection:
            entries = put_figures(self._db, connection, figures, always=True, by=by)
            write_audit(connection, now, entries)
        return len(entries)

    def corrections(
        self, *, systems: Sequence[str] = (), since: datetime | None = None, deal_id: str = "", limit: int = 200
    ) -> tuple[Corrected, ...]:
        """Figures that were put right, the latest first."""
        query = select(audit).where(audit.c.kind == AuditKind.CORRECTED.value, audit.c.erased.is_(None))
        if systems:
            query = query.where(audit.c.system.in_(systems))
        if since is not None:
            query = query.where(audit.c.at >= since)
        if deal_id:
            query = query.where(audit.c.deal_id == deal_id)
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(audit.c.id.desc()).limit(limit)).all()
        return tuple(
            Corrected(
                row.at,
                SystemName(row.system),
                row.deal_id or "",
                row.generation,
                row.reason,
                codec.loads(row.data),
                row.who or "",
            )
            for row in rows
        )


BEFORE = "Won before the connector began to act."
OBSERVED = "Only observed: the connector does not act on it."
_WON = (Phase.WON.value, Phase.HELD.value, Phase.IN_FLIGHT.value)


def unmeasured(query: Select[Any], selection: Selection) -> Select[Any]:
    """Won deals of which there are no figures, after ``query``: those only observed (mode ``observe``), and those that
    ought to have some. They are of no AE, CSM or segment, so they count where the selection names only systems and
    days; of the days the ledger knows the moment alone, so that the first and the last one are those of UTC."""
    query = query.select_from(handoff).where(handoff.c.phase.in_(_WON))
    if replace(selection, since=None, until=None) != Selection(systems=selection.systems):
        return query.where(literal(0) == 1)
    if selection.systems:
        query = query.where(handoff.c.system.in_(selection.systems))
    if selection.since is not None:
        query = query.where(handoff.c.won_at >= _midnight(selection.since))
    if selection.until is not None:
        query = query.where(handoff.c.won_at < _midnight(selection.until))
    same = and_(figure.c.system == handoff.c.system, figure.c.deal_id == handoff.c.deal_id)
    return query.where(~exists().where(same))


def uncovered(connection: Connection, selection: Selection) -> tuple[dict[str, int], int]:
    """Why won deals without figures have none, and how many nobody can say it of."""
    if _as_many(connection, selection.systems):
        return {}, 0
    query = unmeasured(select(handoff.c.mode, func.count().label("many")), selection).group_by(handoff.c.mode)
    counts = {row.mode: int(row.many) for row in connection.execute(query)}
    seen = counts.pop("observe", 0)
    return ({OBSERVED: seen} if seen else {}), sum(counts.values())


def _as_many(connection: Connection, systems: Sequence[str]) -> bool:
    """Whether there are as many won deals as have figures that stand, as indexes alone tell: then none is looked for,
    which would read the whole ledger."""
    won = select(func.count()).select_from(handoff).where(handoff.c.phase.in_(_WON))
    standing = select(func.count()).select_from(figure).where(figure.c.stands)
    if systems:
        won, standing = won.where(handoff.c.system.in_(systems)), standing.where(figure.c.system.in_(systems))
    return bool(connection.execute(select(won.scalar_subquery() == standing.scalar_subquery())).scalar_one())


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Cell:
    """What the database sums of a measure, and where in a row its results begin: how many count and their sum, and as
    far as its number and interval need them the squares and how many met the target."""

    one: Measure
    columns: tuple[ColumnElement[Any], ...]
    at: int
    squares: int
    met: int


def _wanted(measures: Sequence[str]) -> tuple[Measure, ...]:
    return tuple(one for one in PER_HANDOFF if not measures or one.key in measures)


def _cells(wanted: Sequence[Measure], targets: Targets, *, ranged: Sequence[str] | None = None) -> tuple[_Cell, ...]:
    """In a row the group's key and label come first. ``ranged``: which have squares; None for all."""
    keys = tuple(one.key for one in wanted)
    return _laid_out(keys, frozenset(keys if ranged is None else ranged), targets)


@lru_cache(maxsize=64)
def _laid_out(keys: tuple[str, ...], ranged: frozenset[str], targets: Targets) -> tuple[_Cell, ...]:
    found: list[_Cell] = []
    at = 2
    for one in map(MEASURES.__getitem__, keys):
        column = figure.c[f"m_{one.key}"]
        columns: list[ColumnElement[Any]] = [func.count(column), func.sum(column)]
        squares = met = 0
        if one.way is Way.MEAN and one.key in ranged:
            squares = at + len(columns)
            columns.append(func.sum(cast(column, Float) * cast(column, Float)))
        wanted = aim(one, targets)
        if one.way is not Way.SHARE and wanted is not None:
            met = at + len(columns)
            good = column >= wanted if one.better is Better.HIGHER else column <= wanted
            columns.append(func.count().filter(good))
        found.append(_Cell(one, tuple(columns), at, squares, met))
        at += len(columns)
    return tuple(found)


def _sums(cells: Sequence[_Cell], row: Sequence[Any]) -> dict[str, Sum]:
    return {cell.one.key: _sum(cell, row) for cell in cells}


def _sum(cell: _Cell, row: Sequence[Any]) -> Sum:
    counted = row[cell.at]
    if not counted:
        return NOTHING
    total = int(row[cell.at + 1])
    if cell.one.way is Way.SHARE:
        return Sum(counted, total, total if cell.one.better is Better.HIGHER else counted - total, float(total))
    return Sum(counted, total, row[cell.met] if cell.met else 0, row[cell.squares] if cell.squares else 0.0)


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
        # The week, too: an index that is in the order of weeks then finds the days.
        tests.append(figure.c.won_week >= monday_of(chosen.since).isoformat())
        tests.append(figure.c.won_on >= chosen.since.isoformat())
    if chosen.until is not None:
        tests.append(figure.c.won_week <= chosen.until.isoformat())
        tests.append(figure.c.won_on < chosen.until.isoformat())
    for role, who in (("ae", chosen.ae), ("csm", chosen.csm)):
        if who:
            tests.append(or_(figure.c[f"{role}_id"] == who, figure.c[f"{role}_name"] == who))
    return query.where(and_(*tests)) if tests else query


def _which(one: Measure, column: ColumnElement[Any], which: Which, targets: Targets) -> ColumnElement[bool]:
    if which == "open":
        return and_(column.is_(None), figure.c.stands)
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


def _group(by: Dimension, said: Any, named: Any) -> Group:
    if by is Dimension.NONE:
        return EVERYTHING
    key = "" if said is None else str(said)
    label = "" if named is None else str(named)
    if by is Dimension.WEEKDAY and key:
        label = WEEKDAYS[int(key)]
    if by is Dimension.HOUR and key:
        label = f"{int(key):02d}:00"
    return Group(key, label or key)


def _place(by: Dimension, group: Group) -> tuple[bool, int, str, str]:
    number = int(group.key) if by in (Dimension.WEEKDAY, Dimension.HOUR) and group.key else 0
    word = group.key if by in (Dimension.WEEK, Dimension.MONTH) else group.label.casefold()
    return not group.key, number, word, group.key


def _velocities(
    by: Dimension, firsts: Sequence[Sequence[Any]], counts: Sequence[Sequence[Any]], last: date
) -> dict[Group, Sum]:
    end = monday_of(last)
    until = end.isoformat()
    active: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for key, csm, week, many in counts:
        active.setdefault((key, csm), []).append((week, many))
    found: dict[str, Sum] = {}
    named: dict[str, Group] = {}
    for key, label, csm, first in firsts:
        weeks = max(0, (end - date.fromisoformat(first)).days // 7 + 1)
        within = [many for week, many in active.get((key, csm), ()) if first <= week <= until]
        one = Sum(weeks, sum(within), 0, float(sum(many * many for many in within)))
        group = _group(by, key, label)
        # Somebody who has another name since is the same one: with each of their CSMs either name may stand.
        named[group.key] = max(group, named.get(group.key, group))
        found[group.key] = found.get(group.key, NOTHING) + one
    return {named[key]: found[key] for key in sorted(found, key=lambda key: _place(by, named[key]))}


def monday_of(day: date) -> date:
    """The Monday of a day's week."""
    return day - timedelta(days=day.weekday())
