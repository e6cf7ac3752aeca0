"""What decisions would newly set off, what gained effects of late, and what is under way to hold that against.

Not here: when that is a mass (``engine.masschange``), and what is held then (``holds``). It outlives a restart and is
shared by replicas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, case, delete, func, or_, select

from connector.handoff.model import SystemName
from connector.handoff.plan import Action, Notify, Patch, Phase
from connector.store.database import Part, chunks
from connector.store.drops import dropped_of
from connector.store.ledger import IN_FLIGHT
from connector.store.record import is_dropped, same_effect
from connector.store.rows import Decided
from connector.store.schema import effect, gain, handoff, outbox
from connector.store.states import OPEN, State

HANDED = (Phase.HELD, Phase.IN_FLIGHT, Phase.REOPENED)
"""Phases that no win comes to without a handoff of its own."""

WINS = (Phase.WON, *HANDED, Phase.LOST)
"""Where a win that was acted on can stand. Of a big ledger most deals are open, or were won before the start."""


@dataclass(frozen=True, slots=True)
class Gained:
    """The actions of one plan that nothing in the ledger has yet; ``begins``: the handoff, or a generation of it."""

    deal_id: str
    actions: tuple[Action, ...]
    begins: bool


@dataclass(frozen=True, slots=True)
class Gain:
    """That a deal gained effects: of which sort, and by whom it was moved, as far as that is known."""

    deal_id: str
    sort: str
    mover: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Win:
    """A deal that was won at a time; ``handed``: a handoff came of it, however far it got."""

    at: datetime
    handed: bool


class Gains(Part):
    """What would be new, and what was."""

    def gains(self, system: SystemName, decided: Sequence[Decided]) -> tuple[Gained, ...]:
        """Of these decisions those that would put something new into the outbox, with just that."""
        ids = [one.plan.key.deal_id for one in decided if one.plan.actions]
        known: dict[str, Row[Any]] = {}
        waiting: dict[tuple[str, str], list[Any]] = {}
        done: dict[tuple[str, int, str], str] = {}
        with self._db.read() as connection:
            for part in chunks(ids):
                of_deals = (outbox.c.system == system, outbox.c.deal_id.in_(part))
                columns = (outbox.c.deal_id, outbox.c.step, outbox.c.digest, outbox.c.generation)
                for row in connection.execute(
                    select(*columns).where(*of_deals, outbox.c.state.in_((*OPEN, State.PARKED)))
                ):
                    waiting.setdefault((row.deal_id, row.step), []).append(row)
                query = select(handoff.c.deal_id, handoff.c.phase, handoff.c.generation, handoff.c.mode)
                heads = connection.execute(query.where(handoff.c.system == system, handoff.c.deal_id.in_(part)))
                known.update({row.deal_id: row for row in heads})
                confirmed = select(effect.c.deal_id, effect.c.generation, effect.c.step, effect.c.fingerprint)
                for row in connection.execute(confirmed.where(effect.c.system == system, effect.c.deal_id.in_(part))):
                    done[row.deal_id, row.generation, row.step] = row.fingerprint
            dropped = dropped_of(connection, system, ids)
        gained = []
        for one in decided:
            deal_id = one.plan.key.deal_id
            new = tuple(
                action
                for action in one.plan.actions
                if not (one.plan.rebuilt and isinstance(action, Notify))  # told again at worst, and nothing that begins
                and not same_effect(action, one.plan.generation, waiting.get((deal_id, action.step), ()))
                and not _confirmed(action, done.get((deal_id, one.plan.generation, action.step)))
                and not is_dropped(action, dropped.get((deal_id, one.plan.generation, action.step)))
            )
            if new:
                gained.append(Gained(deal_id, new, begins=_begins(known.get(deal_id), one.plan.generation)))
        return tuple(gained)

    def gained(self, system: SystemName, *, since: datetime) -> tuple[Gain, ...]:
        """Which deals gained effects since then, each once."""
        query = select(gain).where(gain.c.system == system, gain.c.at > since)
        with self._db.read() as connection:
            return tuple(Gain(row.deal_id, row.sort, row.mover, row.at) for row in connection.execute(query))

    def note_gains(self, system: SystemName, gains: Sequence[Gain], *, forget: datetime) -> None:
        """Remember that these deals gained effects, and forget those from before a time."""
        if not gains:
            return
        rows = [
            {"system": system, "deal_id": one.deal_id, "sort": one.sort, "mover": one.mover, "at": one.at}
            for one in sorted(gains, key=lambda one: one.deal_id)
        ]
        statement = self._db.insert(gain)
        new = statement.excluded
        with self._db.write() as connection:
            connection.execute(delete(gain).where(gain.c.system == system, gain.c.at <= forget))
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["system", "deal_id"], set_={"sort": new.sort, "mover": new.mover, "at": new.at}
                ),
                rows,
            )

    def handoffs_under_way(self, system: SystemName) -> int:
        """How many handoffs are under way; those that are only observed cannot change."""
        phases = [phase.value for phase in IN_FLIGHT]
        acted = or_(handoff.c.mode.is_(None), handoff.c.mode == "act")
        query = select(func.count()).where(handoff.c.system == system, handoff.c.phase.in_(phases), acted)
        with self._db.read() as connection:
            return connection.execute(query).scalar_one()

    def handed_since(self, system: SystemName, since: datetime) -> int:
        """How many deals that were won since a time are under way, and stand won as far as the ledger knows."""
        query = select(func.count()).where(
            handoff.c.system == system, handoff.c.phase == Phase.IN_FLIGHT.value, handoff.c.won_at >= since
        )
        with self._db.read() as connection:
            return connection.execute(query).scalar_one()

    def longest_without(self, system: SystemName) -> int:
        """The most wins in a row of which no handoff came, until one did again."""
        handed = case((has_handoff(), 1), else_=0)
        # A win with a handoff begins a stretch; what comes before the first one, and after the last, was not ended yet.
        stretch = func.sum(handed).over(order_by=(handoff.c.won_at, handoff.c.deal_id))
        # Named, though it follows, so that an index serves.
        stands = handoff.c.phase.in_([phase.value for phase in WINS])
        wins = select(stretch.label("stretch"), handed.label("handed")).where(*acted_on(system), stands).subquery()
        each = select(wins.c.stretch, func.count().label("wins"), func.max(wins.c.handed).label("begun"))
        sizes = each.group_by(wins.c.stretch).subquery()
        last = select(func.max(sizes.c.stretch)).scalar_subquery()
        query = select(func.max(sizes.c.wins - sizes.c.begun)).where(sizes.c.stretch < last)
        with self._db.read() as connection:
            return connection.execute(query).scalar_one() or 0

    def deals_under_way(self, system: SystemName) -> tuple[str, ...]:
        """The deals whose handoffs are under way."""
        phases = [phase.value for phase in IN_FLIGHT]
        query = select(handoff.c.deal_id).where(handoff.c.system == system, handoff.c.phase.in_(phases))
        with self._db.read() as connection:
            return tuple(connection.execute(query.order_by(handoff.c.deal_id)).scalars())


def acted_on(system: SystemName) -> tuple[ColumnElement[bool], ...]:
    """Which rows of ``handoff`` are wins that were decided on to act, and either have a handoff or stand won without:
    a deal whose look is still to come stands otherwise."""
    known = or_(handoff.c.phase == Phase.WON.value, has_handoff())
    return (handoff.c.system == system, handoff.c.mode == "act", handoff.c.won_at.is_not(None), known)


def has_handoff() -> ColumnElement[bool]:
    """Whether a handoff came of the win of a row of ``handoff``."""
    return or_(handoff.c.phase.in_([phase.value for phase in HANDED]), handoff.c.released_at.is_not(None))


def _begins(known: Row[Any] | None, generation: int) -> bool:
    if known is None or known.mode == "observe" or known.phase is None:
        return True
    return known.generation != generation or Phase(known.phase) not in IN_FLIGHT


def _confirmed(action: Action, fingerprint: str | None) -> bool:
    return not isinstance(action, Patch) and fingerprint == action.fingerprint
