"""What all processes together may still ask of a vendor: one row per system and budget, one conditional UPDATE.

Not here: waiting, and what a process allows itself besides (``connector.crm.budget``). The row says when all that was
taken will have been given back (GCRA); a call fits when that lies no further ahead than the burst takes to refill. So
in any span of time no more than burst + rate x span is handed out, whoever asks (facts: libraries, section 10).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Double, and_, case, cast, func, literal, select, update
from sqlalchemy.exc import SQLAlchemyError

from connector.handoff.model import SystemName
from connector.store.database import Database, DatabaseClock, Part
from connector.store.schema import quota

QUIET = 10.0
"""Seconds without a refusal after which a rate that was lowered grows again, by a tenth of the whole."""

LEAST = 0.05
"""A rate is lowered to no less than this part of the whole."""


@dataclass(frozen=True, slots=True)
class Granted:
    """``calls`` that may be made now; with none, ``wait`` seconds until one may be asked for again."""

    calls: int
    wait: float = 0.0


class Quotas(Part):
    """The shared budgets of all systems."""

    def quota(self, system: SystemName, budget: str, *, rate: float, burst: float) -> Quota:
        """One budget: ``rate`` calls a second, ``burst`` of them at once. The same for every process, or the row of
        whoever came first would be meant by none."""
        return Quota(self._db, system, budget, rate=rate, burst=burst)


class Quota:
    """One budget of one system, shared by whoever has this database. Thread-safe; keeps nothing of its own."""

    def __init__(self, database: Database, system: SystemName, budget: str, *, rate: float, burst: float) -> None:
        if rate <= 0 or burst < 1:
            raise ValueError("a budget needs a rate, and a burst of at least one call")
        self._db = database
        self._key = {"system": system, "budget": budget}
        self._rate = rate
        self._burst = burst

    def take(self, most: int = 1) -> Granted | None:
        """Up to so many calls; None where the database does not answer: nobody knows then what the others take."""
        try:
            with self._db.write() as connection:
                for calls in dict.fromkeys((most, 1)):
                    if self._taken(connection, calls):
                        return Granted(calls)
                return Granted(0, self._wait(connection))
        except SQLAlchemyError:
            return None

    def refused(self, seconds: float) -> None:
        """The vendor would have no more: nobody asks for so many seconds, and then at half the rate."""
        half = quota.c.rate / 2
        least = literal(self._rate * LEAST)
        changes = {
            "closed_until": _later(quota.c.closed_until, self._now() + seconds),
            "rate": _later(half, least),
            "lowered_at": self._now(),
        }
        self._change(changes)

    def used_up(self, seconds: float) -> None:
        """The vendor's answers say that nothing is left: nobody asks for so many seconds."""
        self._change({"closed_until": _later(quota.c.closed_until, self._now() + seconds)})

    def _change(self, changes: dict[str, Any]) -> None:
        try:
            with self._db.write() as connection:
                self._make(connection)
                connection.execute(update(quota).where(self._mine()).values(**changes))
        except SQLAlchemyError:
            return  # whoever cannot tell the others keeps to it all the same

    def _taken(self, connection: Connection, calls: int) -> bool:
        now = self._now()
        grows = and_(quota.c.rate < self._rate, now - quota.c.lowered_at >= QUIET)
        known = _sooner(quota.c.rate, literal(self._rate))
        rate = case((grows, _sooner(literal(self._rate), quota.c.rate + self._rate / 10)), else_=known)
        full_at = _later(quota.c.full_at, now) + calls / known
        fits = and_(quota.c.closed_until <= now, full_at - now <= self._burst / known)
        taking = (
            update(quota)
            .where(self._mine(), fits)
            .values(full_at=full_at, rate=rate, lowered_at=case((grows, now), else_=quota.c.lowered_at))
        )
        if connection.execute(taking).rowcount:
            return True
        return self._make(connection) and bool(connection.execute(taking).rowcount)

    def _wait(self, connection: Connection) -> float:
        now = self._now()
        free_at = quota.c.full_at + (1 - self._burst) / quota.c.rate
        wait = _later(free_at, quota.c.closed_until) - now
        return max(float(connection.execute(select(wait).where(self._mine())).scalar_one()), 0.001)

    def _make(self, connection: Connection) -> bool:
        """Put the row there if it is not; whether it was not."""
        new = self._db.insert(quota).values(**self._key, rate=self._rate, full_at=0.0, closed_until=0.0, lowered_at=0.0)
        return bool(connection.execute(new.on_conflict_do_nothing()).rowcount)

    def _mine(self) -> ColumnElement[bool]:
        return and_(quota.c.system == self._key["system"], quota.c.budget == self._key["budget"])

    def _now(self) -> ColumnElement[float]:
        """By the database's own clock, at the moment the row is free to be changed."""
        if isinstance(self._db.clock, DatabaseClock):
            return cast(func.extract("epoch", func.clock_timestamp()), Double)
        return cast(literal(self._db.now().timestamp()), Double)


def _later(one: Any, other: Any) -> ColumnElement[float]:
    return case((one > other, one), else_=other)


def _sooner(one: Any, other: Any) -> ColumnElement[float]:
    return case((one < other, one), else_=other)
