"""The deals behind a number: which handoffs a sum, a stage of the funnel or a reason is made of, page by page.

Not here: the sums themselves (``figures``). A list holds exactly those that its number counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, literal, null, or_, select

from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.measures.facts import Facts
from connector.handoff.measures.figure import FUNNEL, Figure, Funnel
from connector.handoff.measures.model import Better
from connector.handoff.model import SystemName
from connector.handoff.plan import Phase
from connector.handoff.rulebook.watch import Targets
from connector.handoff.rules.commitments import NAME as COMMITMENTS
from connector.store import codec
from connector.store.database import CHUNK, Part
from connector.store.figurerows import figure_in
from connector.store.figures import (
    _GROUPED,
    _TO_COME,
    ALL,
    BEFORE,
    OBSERVED,
    TARGETS,
    Coverage,
    Dimension,
    Selection,
    Which,
    _where,
    _which,
    uncovered,
    unmeasured,
)
from connector.store.schema import figure, handoff


@dataclass(frozen=True, slots=True)
class Listing:
    """Which list: those that count for a ``measure`` (``which`` of them), that came to a ``stage`` of the funnel or
    further, that have a handoff (``reason`` empty) or none for a ``reason``, that are ``stuck``, or that have promises
    ``due``. Without any of these: all handoffs."""

    measure: str = ""
    which: Which = "counted"
    stage: Funnel | None = None
    reason: str | None = None
    stuck: bool = False
    due: bool = False


EVERY = Listing()


@dataclass(frozen=True, slots=True)
class Standing:
    """How many handoffs each group has (by its key), how many came how far, and what became of won deals: the same as
    `Figures.funnel` and `Figures.covered` say."""

    sizes: Mapping[str, int]
    funnel: Mapping[Funnel, int]
    coverage: Coverage
    handoffs: int
    """How many there are in all."""


class Line(NamedTuple):
    """What a list shows of a handoff: days as they are written, ``funnel`` by its place, ``stuck`` as it is kept,
    ``value`` of the measure that is listed, and what the latest decision says of the promises where these are."""

    system: str
    deal_id: str
    generation: int
    title: str
    account_name: str
    won_on: str | None
    ae_name: str
    csm_name: str
    segment: str
    funnel: int
    reason: str
    stuck: str
    due: str | None
    value: int | None
    said: str | None


_SHOWN = tuple(figure.c["promise_due" if name == "due" else name] for name in Line._fields[:-2])
_SAME = and_(figure.c.system == handoff.c.system, figure.c.deal_id == handoff.c.deal_id)


class Behind(Part):
    """Reading what stands behind numbers."""

    def behind(
        self,
        selection: Selection = ALL,
        listing: Listing = EVERY,
        *,
        targets: Targets = TARGETS,
        limit: int = 100,
        offset: int = 0,
    ) -> tuple[Figure, ...]:
        """The handoffs of a list: those that count for a measure the worst first, promises by their day, all others the
        latest win first. Raises KeyError for a measure that there is none of."""
        if listing.reason in (BEFORE, OBSERVED):
            return self._unmeasured(selection, listing.reason, limit=limit, offset=offset)
        query = _narrowed(select(figure), selection, listing, targets).order_by(*_order(listing))
        with self._db.read() as connection:
            return tuple(figure_in(row) for row in connection.execute(query.limit(limit).offset(offset)))

    def how_many(self, selection: Selection = ALL, listing: Listing = EVERY, *, targets: Targets = TARGETS) -> int:
        """How many handoffs a list has."""
        if listing.reason in (BEFORE, OBSERVED):
            query = _without(listing.reason, select(func.count()), selection)
        else:
            query = _narrowed(select(func.count()).select_from(figure), selection, listing, targets)
        with self._db.read() as connection:
            return int(connection.execute(query).scalar_one())

    def standing(self, selection: Selection = ALL, *, by: Dimension = Dimension.NONE) -> Standing:
        """Where the handoffs of a selection stand; without ``by`` there are no groups."""
        key, _ = _GROUPED.get(by, (literal(""), literal("")))
        many = func.count().label("many")
        groups = _where(select(key, many), selection).where(figure.c.stands).group_by(key)
        # Apart, because nearly all have a handoff, and how far these have come is read from an index alone.
        covered = _where(select(figure.c.funnel, many), selection).where(figure.c.stands, figure.c.covered)
        to_come = figure.c.phase.in_(_TO_COME)
        others = _where(select(figure.c.funnel, to_come.label("to_come"), figure.c.reason, many), selection)
        others = others.where(figure.c.stands, ~figure.c.covered)
        with self._db.read() as connection:
            sizes = {_text(of): int(size) for of, size in connection.execute(groups)} if by in _GROUPED else {}
            far = connection.execute(covered.group_by(figure.c.funnel)).all()
            rest = connection.execute(others.group_by(figure.c.funnel, to_come, figure.c.reason)).all()
            before = connection.execute(_before(select(func.count()), selection)).scalar_one()
            observed, missing = uncovered(connection, selection)
        ranks, reasons = {rank: int(count) for rank, count in far}, dict[str, int]()
        handed = sum(ranks.values())
        measured = handed + sum(int(count) for *_, count in rest)
        for rank, comes, reason, count in rest:
            reasons[reason] = reasons.get(reason, 0) + count
            if comes:
                ranks[rank] = ranks.get(rank, 0) + count
        if before:
            reasons[BEFORE] = before
        reasons |= observed
        return Standing(
            sizes=sizes,
            funnel={
                one: sum(many for rank, many in ranks.items() if rank >= place) for place, one in enumerate(FUNNEL)
            },
            coverage=Coverage(handed + sum(reasons.values()) + missing, handed, dict(sorted(reasons.items()))),
            handoffs=measured,
        )

    def lines(
        self,
        selection: Selection = ALL,
        listing: Listing = EVERY,
        *,
        targets: Targets = TARGETS,
        limit: int = 100,
        offset: int = 0,
    ) -> Sequence[Line]:
        """What `behind` gives, only what a list shows of it; of promises to keep in the order of `promised`."""
        if listing.reason in (BEFORE, OBSERVED):
            unmeasured_ones = self._unmeasured(selection, listing.reason, limit=limit, offset=offset)
            return [_line_of(one) for one in unmeasured_ones]
        value = figure.c[f"m_{listing.measure}"] if listing.measure else null()
        query = select(*_SHOWN, value, handoff.c.plan if listing.due else null())
        if listing.due:
            query = query.select_from(figure.outerjoin(handoff, _SAME))
        query = _narrowed(query, selection, listing, targets).order_by(*_order(listing))
        with self._db.read() as connection:
            # In runs, so that there are not as many rows at once as there are lines.
            runs = connection.execute(query.limit(limit).offset(offset)).partitions(CHUNK)
            found = [Line._make(row) for run in runs for row in run]
        return [line._replace(said=_said(line.said)) for line in found] if listing.due else found

    def promised(
        self, selection: Selection = ALL, *, limit: int = 100, offset: int = 0
    ) -> tuple[tuple[Figure, date, str], ...]:
        """Handoffs with a promise that is dated and not kept yet, with its day and what the latest decision says of it,
        the earliest day first."""
        query = select(figure, handoff.c.plan).select_from(figure.outerjoin(handoff, _SAME))
        listing = Listing(due=True)
        query = _narrowed(query, selection, listing, TARGETS).order_by(*_order(listing))
        with self._db.read() as connection:
            rows = connection.execute(query.limit(limit).offset(offset)).all()
        return tuple((figure_in(row), date.fromisoformat(row.promise_due), _said(row.plan)) for row in rows)

    def _unmeasured(self, selection: Selection, reason: str, *, limit: int, offset: int) -> tuple[Figure, ...]:
        """Deals won before acting began, or only observed: nothing of them was measured."""
        columns = (handoff.c.system, handoff.c.deal_id, handoff.c.generation, handoff.c.decided_at, handoff.c.phase)
        query = _without(reason, select(*columns), selection)
        query = query.order_by(handoff.c.system, handoff.c.deal_id).limit(limit).offset(offset)
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        now = self._db.now()
        return tuple(
            Figure(
                SystemName(row.system),
                row.deal_id,
                row.generation,
                Facts(at=row.decided_at or now),
                phase=row.phase,
                covered=False,
                reason=reason,
            )
            for row in rows
        )


def _narrowed(query: Select[Any], selection: Selection, listing: Listing, targets: Targets) -> Select[Any]:
    query = _where(query, selection)
    tests: list[ColumnElement[bool]] = []
    if listing.measure:
        one = MEASURES[listing.measure]
        tests.append(_which(one, figure.c[f"m_{one.key}"], listing.which, targets))
    else:
        tests.append(figure.c.stands)
    if listing.stage is not None:
        tests += [figure.c.funnel >= FUNNEL.index(listing.stage), _runs()]
    if listing.reason is not None:
        tests.append(figure.c.covered == (not listing.reason))
        if listing.reason:
            tests.append(figure.c.reason == listing.reason)
    if listing.stuck:
        tests.append(figure.c.stuck != "[]")
    if listing.due:
        tests.append(figure.c.promise_due.is_not(None))
    return query.where(*tests)


def _runs() -> ColumnElement[bool]:
    """Whether a won deal has a handoff or is to get one, as in `Figures.funnel`."""
    return or_(figure.c.covered, figure.c.phase.in_(_TO_COME))


def _order(listing: Listing) -> Sequence[ColumnElement[Any]]:
    last = (figure.c.won_at.desc(), figure.c.system, figure.c.deal_id, figure.c.generation)
    if listing.due:
        return (figure.c.promise_due, *last)
    if not listing.measure or listing.which == "open":
        return last
    one = MEASURES[listing.measure]
    column = figure.c[f"m_{one.key}"]
    return (column.desc() if one.better is Better.LOWER else column.asc(), *last)


def _without(reason: str, query: Select[Any], selection: Selection) -> Select[Any]:
    """Deals that have no figures for this reason."""
    if reason == BEFORE:
        return _before(query, selection)
    return unmeasured(query, selection).where(handoff.c.mode == "observe")


def _before(query: Select[Any], selection: Selection) -> Select[Any]:
    """Deals won before acting began, under the same condition as in `Figures.covered`."""
    query = query.select_from(handoff).where(handoff.c.phase == Phase.BEFORE_START.value)
    if selection != Selection(systems=selection.systems):
        return query.where(literal(0) == 1)
    return query.where(handoff.c.system.in_(selection.systems)) if selection.systems else query


def _line_of(one: Figure) -> Line:
    """Of a deal of which nothing was measured."""
    empty = ("", "", None, "", "", "", FUNNEL.index(one.funnel))
    return Line(one.system, one.deal_id, one.generation, *empty, one.reason, "[]", None, None, None)


def _text(key: Any) -> str:
    return "" if key is None else str(key)


def _said(plan: str | None) -> str:
    """What the latest decision says of the promises; empty where nothing is kept of it."""
    findings = codec.loads(plan).get("findings", ()) if plan else ()
    return next((str(each["reason"]) for each in findings if each["rule"] == COMMITMENTS), "")
