"""One org or portal in memory: its clock, its tables, its settings, and how it survives a restart.

Not vendor-aware: schemas, derived fields and error words belong to `salesforce/` and `hubspot/`.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from connector.sandbox.faults import Faults
from connector.sandbox.journal import Journal
from connector.sandbox.keep import Keeper
from connector.sandbox.messages import Message
from connector.sandbox.rows import Change, Missing, NotUnique, Refused, Row, Table, Version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

__all__ = [
    "Change",
    "Message",
    "Missing",
    "NotUnique",
    "Refused",
    "Row",
    "SandboxClock",
    "Table",
    "Version",
    "World",
]

SECOND = timedelta(seconds=1)
MILLISECOND = timedelta(milliseconds=1)
LAG_SETTINGS = (("late_commit_ms", MILLISECOND), ("index_lag_s", SECOND))


class SandboxClock:
    """Real time plus an offset, or frozen at one instant. Shared by every world of a sandbox."""

    def __init__(self) -> None:
        self.offset = timedelta()
        self.frozen_at: datetime | None = None

    def now(self) -> datetime:
        """The sandbox's time, aware, UTC."""
        return self.frozen_at or datetime.now(UTC) + self.offset

    def advance(self, seconds: float) -> None:
        """Move on by this many seconds, frozen or not."""
        if self.frozen_at is not None:
            self.frozen_at += timedelta(seconds=seconds)
        else:
            self.offset += timedelta(seconds=seconds)

    def freeze(self, at: datetime) -> None:
        """Stand still at an aware instant."""
        if at.tzinfo is None:
            raise ValueError("freeze needs a datetime with a time zone")
        self.frozen_at = at.astimezone(UTC)

    def resume(self) -> None:
        """Run again, from the instant where the clock stands."""
        if self.frozen_at is not None:
            self.offset = self.frozen_at - datetime.now(UTC)
            self.frozen_at = None


class Watch(Protocol):
    """Who is told of every write of a world. `how` is CREATE, UPDATE, DELETE or UNDELETE."""

    def wrote(self, table: Table, row: Row, *, before: dict[str, Any], how: str) -> None:
        """A row was written; `before` are the values it replaced."""

    def undid(self, table: Table, row_id: str) -> None:
        """The latest write of a row was rolled back."""

    def saving(self) -> AbstractContextManager[None]:
        """What this thread writes inside belongs together."""

    def cleared(self) -> None:
        """Every row was dropped."""


Step = tuple[Table, str, Row | None]
"""How a row stood before a write; None when it was not there."""


class World:
    """One org ("sf") or portal ("hs").

    `make_id(table, n)` shapes ids; `resolution` is the granularity of stamps (Salesforce: one second, facts:
    Salesforce §1.1). `settings` holds e.g. late_commit_ms, index_lag_s, daily_limit, latency_ms; what is set is kept
    and, read back at a start, handed to `on_load` too. `scratch` does not outlive a reset; `parts` are what a vendor
    keeps beside the rows, such as its schema, and its `rules` may refuse a write (raise Refused). `lock` guards
    against a test thread writing while a request is served.
    """

    def __init__(
        self,
        name: str,
        *,
        clock: SandboxClock,
        make_id: Callable[[str, int], str] | None = None,
        resolution: timedelta = MILLISECOND,
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.clock = clock
        self.tables: dict[str, Table] = {}
        self.journal = Journal()
        self.faults = Faults()
        self.messages: list[Message] = []
        self.settings: dict[str, Any] = dict(settings or {})
        self.scratch: dict[str, Any] = {}
        self.parts: dict[str, Any] = {}
        self.on_load: Callable[[str, Any], None] | None = None
        self.rules: Callable[[Table, Row | None, dict[str, Any], str], None] | None = None
        self.watch: Watch | None = None
        self.lock = threading.RLock()
        self.extra_lag = timedelta()
        self.counters: Counter[str] = Counter()
        self.undo: list[Step] | None = None
        self._make_id = make_id or (lambda _table, n: str(n))
        self._resolution = resolution
        self._keeper: Keeper | None = None

    def add_table(
        self,
        name: str,
        *,
        unique: tuple[str, ...] = (),
        indexed: tuple[str, ...] = (),
        tracked: tuple[str, ...] = (),
        lasting: bool = False,
    ) -> Table:
        """Create a table of this world and return it; a lasting one keeps its rows when the world is cleared."""
        table = Table(name, world=self, unique=unique, indexed=indexed, tracked=tracked, lasting=lasting)
        self.tables[name] = table
        return table

    def table(self, name: str) -> Table:
        """The table of this exact name. Raises KeyError."""
        return self.tables[name]

    def next_id(self, table: str) -> str:
        """A fresh id in the vendor's shape."""
        self.counters[table] += 1
        return self._make_id(table, self.counters[table])

    def check(self, table: Table, row: Row | None, given: dict[str, Any], *, by: str) -> None:
        """Let the vendor's `rules` look at a write before it is done. Raises Refused."""
        if self.rules:
            self.rules(table, row, given, by)

    @contextlib.contextmanager
    def history(self) -> Iterator[None]:
        """What is written inside happened before there were rules: nothing of it is refused. Holds the lock."""
        with self.lock:
            rules, self.rules = self.rules, None
            try:
                yield
            finally:
                self.rules = rules

    def round(self, moment: datetime) -> datetime:
        """The instant at the world's stamp resolution, rounded down."""
        whole = moment.replace(microsecond=0)
        return whole + (moment - whole) // self._resolution * self._resolution

    def lag(self) -> timedelta:
        """How long after its stamp a write made now becomes visible to queries and searches."""
        return sum((self.settings.get(k, 0) * unit for k, unit in LAG_SETTINGS), self.extra_lag)

    def setting(self, key: str, value: Any) -> None:
        """Change one setting, for good."""
        self.settings[key] = value
        if self._keeper:
            self._keeper.setting(key, value)
            self._keeper.flush()

    def take_setting(self, key: str, value: Any) -> None:
        """Set what a state file holds."""
        self.settings[key] = value
        if self.on_load:
            self.on_load(key, value)

    def add_message(self, body: dict[str, Any], key: str | None) -> Message:
        """Keep one chat message."""
        message = Message(id=len(self.messages) + 1, at=self.clock.now(), body=body, key=key)
        self.messages.append(message)
        if self._keeper:
            self._keeper.message(message)
        return message

    def clear(self) -> None:
        """Drop every row and counter but those of lasting tables; schema, settings and messages stay."""
        lasting = {table.name for table in self.tables.values() if table.lasting}
        for table in self.tables.values():
            if table.name not in lasting:
                table.clear()
        for name in self.counters.keys() - lasting:
            del self.counters[name]
        self.scratch.clear()
        if self.watch:
            self.watch.cleared()
        if self._keeper:
            self._keeper.compact(self)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Callable[[], None]]:
        """Writes inside can be taken back: call what this yields. An exception takes them back as well."""
        with self.watch.saving() if self.watch else contextlib.nullcontext():
            yield from self._transaction()

    def _transaction(self) -> Iterator[Callable[[], None]]:
        outer, steps = self.undo, list[Step]()
        self.undo = steps

        def roll_back() -> None:
            for table, id, old in reversed(steps):
                table.rewind(id, old)
            steps.clear()

        try:
            yield roll_back
        except BaseException:
            roll_back()
            raise
        finally:
            self.undo = outer
            if outer is not None:
                outer.extend(steps)

    # persistence

    def record(self, table: Table, row: Row, *, changes: int = 0, gone: bool = False) -> None:
        """Count a row write (or that a row is gone), and note it for the state file of a world with a folder."""
        table.writes += 1
        if self._keeper and gone:
            self._keeper.gone(table, row)
        elif self._keeper:
            self._keeper.row(table, row, changes=changes)

    def flush(self) -> None:
        """Hand what was noted to the operating system: called after every request."""
        if self._keeper:
            self._keeper.flush()

    def attach(self, folder: Path) -> bool:
        """Keep this world in a folder: read what is there (True if anything was), then note every write."""
        keeper = Keeper(folder / f"{self.name}.jsonl")
        found = keeper.load(self)
        keeper.compact(self)
        self._keeper = keeper
        return found

    def save(self, folder: Path) -> None:
        """Write the whole world to a folder, in the form that `attach` reads."""
        keeper = self._keeper or Keeper(folder / f"{self.name}.jsonl")
        keeper.compact(self)
        if self._keeper is None:
            keeper.close()

    def detach(self) -> None:
        """Compact and close the state file."""
        if self._keeper:
            self._keeper.compact(self)
            self._keeper.close()
            self._keeper = None
