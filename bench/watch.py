"""When the writes of a handoff become visible, noted by the org's own rows as they are written.

Not here: counting calls (``desk``) and judging what stands (the sandbox's tally). It stands between the org and whoever
is told of its writes, so nothing is looked for by turns and a figure is as exact as the clock.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from bench.desk import Desk
from connector.sandbox.hubspot.schema import APP
from connector.sandbox.salesforce.users import integration_user
from connector.sandbox.state import Row, Table, Watch

LOOK_EVERY = 0.05
STAGE = {"sf": ("Opportunity", "StageName"), "hs": ("deals", "dealstage")}
"""Where a deal's stage stands, by CRM."""
DEAL_FIELD = {"Opportunity": "", "Task": "WhatId", "Note": "ParentId", "deals": ""}
"""The field that names a row's deal; empty for the deal itself."""
ACCOUNTS = ("Account", "companies")
LINKS, ENDS, OF_A_DEAL = "associations", ("a", "b"), "deals:"
"""HubSpot's activities hang on a deal by a row of their own, which is the last one written for each."""


@dataclass(slots=True)
class Times:
    """Monotonic seconds of one deal: won, the connector's first write, and the write that completed the handoff."""

    won: float = 0.0
    first: float = 0.0
    last: float = 0.0


@dataclass(slots=True)
class Watcher:
    """Stands before the org's own watch and passes everything on."""

    desk: Desk
    inner: Watch
    own_id: str
    deals: dict[str, Times]
    by_account: dict[str, str]
    open: set[str] = field(default_factory=set)
    won: tuple[str, str, str] = ("", "", "")
    """Table, field and value of a stage that is won."""

    def wrote(self, table: Table, row: Row, *, before: dict[str, Any], how: str) -> None:
        """A row was written."""
        self.inner.wrote(table, row, before=before, how=how)
        deal_id = self._deal(table.name, row)
        times = self.deals.get(deal_id)
        if times is None or times.last:
            return
        now = time.monotonic()
        if row.modified_by != self.own_id:
            if (table.name, row.values.get(self.won[1])) == (self.won[0], self.won[2]) and not times.won:
                times.won = now
            return
        times.first = times.first or now
        if self.desk.handed_off(deal_id):
            times.last = now
            self.open.discard(deal_id)

    def undid(self, table: Table, row_id: str) -> None:
        """A write was rolled back."""
        self.inner.undid(table, row_id)

    def saving(self) -> AbstractContextManager[None]:
        """What is written inside belongs together."""
        return self.inner.saving()

    def cleared(self) -> None:
        """Every row was dropped."""
        self.inner.cleared()

    def to_first(self) -> list[float]:
        """Seconds from each win to the first write."""
        return [each.first - each.won for each in self.deals.values()]

    def to_last(self) -> list[float]:
        """Seconds from each win to the last write."""
        return [each.last - each.won for each in self.deals.values()]

    def _deal(self, table: str, row: Row) -> str:
        if table in ACCOUNTS:
            return self.by_account.get(row.id, "")
        if table == LINKS:
            ends = [row.values[end] for end in ENDS if row.values[end].startswith(OF_A_DEAL)]
            return ends[0].removeprefix(OF_A_DEAL) if ends else ""
        name = DEAL_FIELD.get(table)
        if name is None:
            return ""
        return str(row.values.get(name) or "") if name else row.id


@contextmanager
def watching(desk: Desk, deal_ids: Iterable[str]) -> Iterator[Watcher]:
    """Note the times of these deals, each with an account of its own, until the block ends."""
    world = desk.world
    if world.watch is None:
        raise RuntimeError(f"nobody watches {world.name}: there is nothing to stand before")
    ids = tuple(deal_ids)
    with world.lock:
        by_account = {desk.crm.deal(each).account: each for each in ids}
        own = integration_user(world).id if world.name == "sf" else APP
        watcher = Watcher(desk, world.watch, own, {each: Times() for each in ids}, by_account)
        watcher.open = set(ids)
        watcher.won = (*STAGE[world.name], desk.crm.stage_of("won", "new").id)
        world.watch = watcher
    try:
        yield watcher
    finally:
        with world.lock:
            world.watch = watcher.inner
