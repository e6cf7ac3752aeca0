"""Every write of the portal's rows as a change: who did what to which record, whoever wrote it.

Not who is told of it (`webhooks.py`, `journal.py`): they are handed each change and pick their own. Properties that
the portal computes change without a word, as nobody has seen them fire (facts: HubSpot §2a).
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from connector.sandbox.hubspot import links, sources
from connector.sandbox.hubspot.derive import epoch_ms
from connector.sandbox.hubspot.kinds import KINDS, Kind

if TYPE_CHECKING:
    from connector.sandbox.rows import Row, Table
    from connector.sandbox.state import World

PART = "feeds.source"
LINKS = "associations"
INWARD = "$"
"""What a value's name begins with that is no property."""

_KIND_OF = {kind.table: kind for kind in KINDS}


class Action(StrEnum):
    """What happened to a record (facts: HubSpot §2c)."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    MERGE = "MERGE"
    RESTORE = "RESTORE"
    LINKED = "ASSOCIATION_ADDED"
    UNLINKED = "ASSOCIATION_REMOVED"


_ACTIONS = {
    "CREATE": Action.CREATE,
    "UPDATE": Action.UPDATE,
    "DELETE": Action.DELETE,
    "UNDELETE": Action.RESTORE,
}


@dataclass(frozen=True, slots=True)
class Link:
    """The other end of an association, seen from the record that the change is about."""

    kind: Kind
    record_id: str
    primary: bool


@dataclass(frozen=True, slots=True)
class Merger:
    """Which records went into which, and under which id the result is found."""

    winner: str
    losers: tuple[str, ...]
    result: str
    moved: int


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one record. `at` is in epoch milliseconds; `values` are what changed, "" a cleared property."""

    number: int
    at: int
    kind: Kind
    record_id: str
    action: Action
    source: str
    source_id: str
    values: Mapping[str, str] = field(default_factory=dict)
    link: Link | None = None
    merger: Merger | None = None


Listener = Callable[[Change], None]


class Source:
    """The watcher of one portal. `listeners` are handed each change, under the world's lock."""

    def __init__(self, world: World) -> None:
        self.listeners: list[Listener] = []
        self.on_clear: list[Callable[[], None]] = []
        self._world = world
        self._numbers = itertools.count(1)
        self._local = threading.local()

    # what the world tells

    def wrote(self, table: Table, row: Row, *, before: dict[str, Any], how: str) -> None:
        """A row was written."""
        if not self.listeners or (table.name != LINKS and table.name not in _KIND_OF):
            return
        found = (
            self._of_pair(row, before, how) if table.name == LINKS else self._of_record(table.name, row, before, how)
        )
        held: list[tuple[str, str, Change]] | None = getattr(self._local, "held", None)
        for change in found:
            if held is None:
                self._tell(change)
            else:
                held.append((table.name, row.id, change))

    def undid(self, table: Table, row_id: str) -> None:
        """The latest write of a row was rolled back: what it would have told is not told."""
        held: list[tuple[str, str, Change]] | None = getattr(self._local, "held", None)
        if held:
            self._local.held = [each for each in held if each[:2] != (table.name, row_id)]

    @contextlib.contextmanager
    def saving(self) -> Iterator[None]:
        """What this thread writes inside is told when the outermost of these ends."""
        if getattr(self._local, "held", None) is not None:
            yield
            return
        self._local.held = []
        try:
            yield
        finally:
            held, self._local.held = self._local.held, None
            for _, _, change in held:
                self._tell(change)

    def cleared(self) -> None:
        """Every row was dropped."""
        for forget in self.on_clear:
            forget()

    # what a vendor's rule knows better

    @contextlib.contextmanager
    def merging(self, kind: Kind, merger: Merger, *, by: str) -> Iterator[None]:
        """Records are merged inside: that is told once, and the rows that go are not told as deleted."""
        outer: frozenset[tuple[str, str]] = getattr(self._local, "going", frozenset())
        self._local.going = outer | {(kind.table, each) for each in (merger.winner, *merger.losers)}
        try:
            yield
        finally:
            self._local.going = outer
        at = epoch_ms(self._world.clock.now())
        self._tell(self._change(kind, merger.result, Action.MERGE, by=by, at=at, merger=merger))

    # inside

    def _of_record(self, table: str, row: Row, before: dict[str, Any], how: str) -> Iterable[Change]:
        action, kind = _ACTIONS[how], _KIND_OF[table]
        if action is Action.DELETE and (table, row.id) in getattr(self._local, "going", ()):
            return
        values: dict[str, str] = {}
        if action in (Action.CREATE, Action.UPDATE):
            names = [n for n in dict.fromkeys((*before, *row.values)) if not n.startswith(INWARD)]
            values = {n: _text(row.values.get(n)) for n in names if row.values.get(n) != before.get(n)}
            if action is Action.UPDATE and not values:
                return
        at = epoch_ms(row.modified_at)
        yield self._change(kind, row.id, action, by=row.modified_by, at=at, values=values)

    def _of_pair(self, row: Row, before: dict[str, Any], how: str) -> Iterable[Change]:
        # One row stands for a pair, and both ends are told. A change of labels is told as added or removed again.
        action = Action.UNLINKED if how == "DELETE" else Action.LINKED
        gained = set(row.values["types"]) - set(before.get("types", ()))
        if how == "UPDATE" and not gained:
            if not set(before.get("types", ())) - set(row.values["types"]):
                return
            action = Action.UNLINKED
        for mine, other in (("a", "b"), ("b", "a")):
            (name, _, my_id), (far, _, far_id) = row.values[mine].partition(":"), row.values[other].partition(":")
            primary = any(links.label(t) == links.PRIMARY for t in row.values["types"])
            link = Link(_KIND_OF[far], far_id, primary)
            at = epoch_ms(row.modified_at)
            yield self._change(_KIND_OF[name], my_id, action, by=row.modified_by, at=at, link=link)

    def _change(self, kind: Kind, record_id: str, action: Action, *, by: str, at: int, **more: Any) -> Change:
        told = sources.source(self._world, by)
        return Change(
            number=next(self._numbers),
            at=at,
            kind=kind,
            record_id=record_id,
            action=action,
            source=told["sourceType"],
            source_id=str(told.get("sourceId", "")),
            **more,
        )

    def _tell(self, change: Change) -> None:
        for listener in self.listeners:
            listener(change)


def install(world: World) -> Source:
    """Watch a new portal. To be called before its state file is read."""
    found = world.parts[PART] = Source(world)
    world.watch = found
    return found


def source(world: World) -> Source:
    """What watches this portal. Raises KeyError for a world that is no portal."""
    found: Source = world.parts[PART]
    return found


def _text(value: Any) -> str:
    return "" if value is None else str(value)
