"""Committed writes become change events: what one transaction did to each record, folded, merged and logged.

Not delivery. Watches every table of the org (`World.watch`); an org without a selected entity keeps nothing.
"""

from __future__ import annotations

import itertools
import re
import threading
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.pubsub import folding
from connector.sandbox.salesforce.pubsub.channels import is_selected
from connector.sandbox.salesforce.pubsub.events import NO_ID, OVERFLOW, UPDATE, Event
from connector.sandbox.salesforce.pubsub.folding import Write
from connector.sandbox.salesforce.pubsub.line import Line
from connector.sandbox.salesforce.pubsub.log import EventLog
from connector.sandbox.salesforce.pubsub.shapes import STAMP, Shape, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from connector.sandbox.rows import Row, Table
    from connector.sandbox.state import World

_CLIENT = re.compile(r"client=[^;,\s]+")
PART = "cdc"
SCHEMAS = "cdc_schemas"
"""Setting: every schema that an event was written with, by id, so that old events can be read after a restart."""

MAX_CHANGES = 100_000
"""Changes of one entity in one transaction beyond which an overflow event stands for all (facts: Salesforce §2.4)."""

MAX_EVENT_CHARS = 1_000_000
"""An event over 1 MB arrives as a gap (facts: Salesforce §2.4)."""


@dataclass(slots=True)
class Mishaps:
    """What a test planted for coming commits: so many events lost, so many told as gaps."""

    lost: int = 0
    gaps: int = 0


@dataclass(slots=True)
class _Save:
    """One open transaction of one thread."""

    origin: str
    depth: int = 1
    writes: list[Write] = field(default_factory=list)


def origin(version: str, call_options: str) -> str:
    """What events say of who wrote: API, version and client, from Sforce-Call-Options (facts: Salesforce §2.4)."""
    client = _CLIENT.search(call_options)
    return f"com/salesforce/api/rest/{version}" + (f";{client[0]}" if client else "")


def install(world: World) -> Capture:
    """Watch a new org. To be called before its state file is read."""
    found = world.parts[PART] = Capture(world)
    world.watch = found
    return found


def capture(world: World) -> Capture:
    """What watches this org. Raises KeyError for a world that is no org."""
    found: Capture = world.parts[PART]
    return found


class Capture:
    """The watcher of one org. `log` holds the events, `line` what concerns every stream of them."""

    def __init__(self, world: World) -> None:
        self.log = EventLog(world)
        self.mishaps = Mishaps()
        self.line = Line()
        self._world = world
        self._local = threading.local()
        # Commit numbers go up over restarts too.
        self._commits = itertools.count(int(world.clock.now().timestamp() * 1000))
        self._shapes: dict[str, tuple[Any, Shape]] = {}

    # what the world tells

    def wrote(self, table: Table, row: Row, *, before: dict[str, Any], how: str) -> None:
        """A row was written; outside of `saving` that is a transaction by itself."""
        if not is_selected(self._world, table.name):
            return
        save = self._save()
        write = Write(table.name, row, how, before)
        if save is not None:
            save.writes.append(write)
        else:
            self._commit([write], "")

    def undid(self, table: Table, row_id: str) -> None:
        """The latest write of a row was rolled back."""
        save = self._save()
        if save is None:
            return
        for index in range(len(save.writes) - 1, -1, -1):
            if save.writes[index].table == table.name and save.writes[index].row.id == row_id:
                del save.writes[index]
                return

    def cleared(self) -> None:
        """The org was emptied."""
        self.log.cleared()

    @contextmanager
    def saving(self, origin: str = "") -> Iterator[None]:
        """Everything this thread writes inside is one transaction, told when the outermost of these ends."""
        save = self._save()
        if save is None:
            save = self._local.save = _Save(origin)
        else:
            save.depth += 1
        try:
            yield
        finally:
            save.depth -= 1
            if not save.depth:
                self._local.save = None
                if save.writes:
                    self._commit(save.writes, save.origin)

    @contextmanager
    def apart(self, origin: str) -> Iterator[None]:
        """`saving`, but a transaction of its own even inside another: the groups of a bulk job commit one by one."""
        outer = self._save()
        self._local.save = None
        try:
            with self.saving(origin):
                yield
        finally:
            self._local.save = outer

    # what is planted

    def plant(self, entity: str, kind: str, ids: Iterable[str], *, changed: tuple[str, ...] = ()) -> None:
        """Log an event that no write made: a gap, an overflow, a wildcard. Raises KeyError for an unknown entity."""
        whose = next(iter(self._world.table("User").rows))
        self._log([self._event(entity, kind, tuple(ids), whose, changed=changed)])

    def plant_overflow(self, entity: str) -> None:
        """Too many changes in one transaction."""
        self.plant(entity, OVERFLOW, [NO_ID])

    def plant_wildcard(self, entity: str, field_name: str = "") -> None:
        """A field's type was converted: every record of the entity, without its id (facts: Salesforce §2.4)."""
        kind = catalog(self._world).object(entity)
        prefix = kind.prefix if kind else ""
        self.plant(entity, UPDATE, [f"{prefix}*"], changed=(field_name or STAMP,))

    # schemas

    def shape(self, entity: str) -> Shape:
        """The entity's shape as its fields are now. Raises KeyError when there is no such entity."""
        kind = catalog(self._world).object(entity)
        if kind is None:
            raise KeyError(entity)
        known = self._shapes.get(entity)
        if known is None or known[0] is not kind:
            known = self._shapes[entity] = (kind, shape_of(kind))
            kept = self._world.settings.get(SCHEMAS, {})
            if known[1].schema_id not in kept:
                self._world.setting(SCHEMAS, {**kept, known[1].schema_id: known[1].schema_json})
        return known[1]

    def schema_json(self, schema_id: str) -> str | None:
        """The schema of this id, however old."""
        found: str | None = self._world.settings.get(SCHEMAS, {}).get(schema_id)
        return found

    # inside

    def _save(self) -> _Save | None:
        found: _Save | None = getattr(self._local, "save", None)
        return found

    def _commit(self, writes: list[Write], origin: str) -> None:
        events: list[Event] = []
        nets = folding.fold(writes)
        late = max((net.row.visible_at for net in nets), default=None)
        for entity in dict.fromkeys(net.table for net in nets):
            own = [net for net in nets if net.table == entity]
            if len(own) > MAX_CHANGES:
                events.append(self._event(entity, OVERFLOW, (NO_ID,), own[0].row.modified_by))
            else:
                events.extend(folding.merge(folding.event(net, self.shape(entity)) for net in own))
        now = self._world.clock.now()
        self._log(events, origin=origin, due=late if late is not None and late > now else None)

    def _event(
        self, entity: str, kind: str, ids: tuple[str, ...], user: str, *, changed: tuple[str, ...] = ()
    ) -> Event:
        return Event(entity, ids, kind, 0, user, self.shape(entity).schema_id, changed=changed)

    def _log(self, events: list[Event], *, origin: str = "", due: Any = None) -> None:
        key, commit = str(uuid.uuid4()), next(self._commits)
        at = int((due or self._world.clock.now()).timestamp() * 1000)
        told = [self._with_mishaps(event) for event in events]
        finished = [
            folding.finished(event, origin=origin, key=key, number=number, commit=commit, at=at)
            for number, event in enumerate((each for each in told if each is not None), start=1)
        ]
        if finished:
            self.log.append(finished, due=due)

    def _with_mishaps(self, event: Event) -> Event | None:
        if self.mishaps.lost:
            self.mishaps.lost -= 1
            return None
        if event.kind.startswith("GAP"):
            return event
        if self.mishaps.gaps:
            self.mishaps.gaps -= 1
            return event.as_gap()
        chars = sum(len(value) for value in event.body.values() if isinstance(value, str))
        return event.as_gap() if chars > MAX_EVENT_CHARS else event
