"""Rows of the table ``hold``: what a held deal and a pause look like, stored and as data.

Not here: who holds and lets go (``holds``), and who pauses (``pauses``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, select

from connector.handoff.model import SystemName
from connector.store import codec
from connector.store.database import chunks
from connector.store.schema import hold


class HoldKind(StrEnum):
    """What a row of the table ``hold`` is about."""

    DEAL = "deal"
    WAITS = "waits"
    PAUSE = "pause"


class HoldState(StrEnum):
    """How a held deal stands. ``RELEASED``: it may go; ``DROPPED``: its win is let be, until it is won anew."""

    HELD = "held"
    RELEASED = "released"
    DROPPED = "dropped"


EARLY = "open"
"""The cause of a stop that kept back what would have been written to deals before they are won."""

HELD_UNTIL = datetime(9999, 1, 1, tzinfo=UTC)
"""When rows of a held deal may be sent, until a person says otherwise."""


@dataclass(frozen=True, slots=True)
class HeldDeal:
    """A deal that waits for a person. ``cause`` names the stop (its sort), ``why`` the likely reason of it.

    ``what`` is plain data: ``generation``, ``mover`` and ``writes``, each with ``step``, ``write``, ``fields``,
    ``reason``. ``who`` released or dropped it.
    """

    system: SystemName
    deal_id: str
    state: HoldState
    cause: str
    at: datetime
    why: str
    what: Mapping[str, Any]
    who: str = ""
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """A person let a system (``rule`` empty) or one rule of it stand still; ``until`` None: until they resume it."""

    system: SystemName
    rule: str
    at: datetime
    until: datetime | None
    by: str
    why: str


def states_of(connection: Connection, system: SystemName, deal_ids: Sequence[str]) -> dict[str, HoldState]:
    """How these deals are held or were let go; those of which nothing is kept miss."""
    found: dict[str, HoldState] = {}
    for part in chunks(deal_ids):
        query = of_deals(system).where(hold.c.name.in_(part))
        found.update({row.name: HoldState(row.state) for row in connection.execute(query)})
    return found


def of_deals(system: SystemName) -> Select[Any]:
    """The rows of one system that are about deals."""
    return select(hold).where(and_(hold.c.system == system, hold.c.kind == HoldKind.DEAL.value))


def hold_row(system: SystemName, kind: HoldKind, *, name: str, state: str, cause: str, at: datetime) -> dict[str, Any]:
    """A new row with what all kinds have."""
    return {
        "system": system,
        "kind": kind.value,
        "name": name,
        "state": state,
        "cause": cause,
        "at": at,
        "until": None,
        "who": "",
        "why": "",
        "what": "{}",
        "decided_at": None,
    }


def row_of(one: HeldDeal) -> dict[str, Any]:
    """A held deal as a row."""
    row = hold_row(one.system, HoldKind.DEAL, name=one.deal_id, state=one.state.value, cause=one.cause, at=one.at)
    return {**row, "why": one.why, "what": codec.dumps(dict(one.what))}


def held_of(row: Row[Any]) -> HeldDeal:
    """A row as a held deal."""
    return HeldDeal(
        system=SystemName(row.system),
        deal_id=row.name,
        state=HoldState(row.state),
        cause=row.cause,
        at=row.at,
        why=row.why,
        what=codec.loads(row.what),
        who=row.who,
        decided_at=row.decided_at,
    )


def pause_of(row: Row[Any]) -> Pause:
    """A row as a pause."""
    return Pause(SystemName(row.system), row.name, row.at, row.until, row.who, row.why)
