"""The stage history of a deal of the CRM in memory, as the port tells it where it was asked to.

Not here: how a deal comes to a stage (``memory``).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from connector.crm.memory_rows import Row
from connector.handoff.model import Stage
from connector.handoff.moves import NOBODY_KNOWN, Mover, MoverKind, Passing

SELF = "connector"
"""Who writes through the port."""


def mover_of(by: str) -> Mover:
    """``connector``, ``person``, or a kind with a name: ``automation:Renewal robot``."""
    if by == SELF:
        return Mover(MoverKind.SELF)
    kind, _, name = by.partition(":")
    return Mover(MoverKind(kind), name) if kind in {each.value for each in MoverKind} else NOBODY_KNOWN


def passed(row: Row, stage_of: Callable[[str], Stage]) -> tuple[Passing, ...]:
    """The stays in a won stage that have ended, oldest first."""
    found: list[Passing] = []
    last_open: str | None = None
    steps = list(zip(row.stages, row.movers, strict=True))
    for entered, next_one in itertools.pairwise(steps):
        (at, stage_id), by = entered
        (left_at, went_to), left_by = next_one
        stage = stage_of(stage_id)
        if stage.is_won and not stage_of(went_to).is_won:
            found.append(Passing(at, left_at, last_open, went_to, mover_of(by), mover_of(left_by)))
        if not stage.is_closed:
            last_open = stage_id
    return tuple(found)
