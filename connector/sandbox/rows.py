"""Rows and tables in memory, with the indexes an idle poll needs to stay cheap in a large org.

Not a database: no transactions, one writer (the event loop), and nothing here knows a vendor's rules.
"""

from __future__ import annotations

import bisect
import dataclasses
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from connector.sandbox.ordered import ID_END, Ordered

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from connector.sandbox.state import World

STALE_SLACK = 1_000
AT_ONCE = datetime.min.replace(tzinfo=UTC)


class NotUnique(Exception):
    """A live row holds this value in a unique field already."""

    def __init__(self, field: str, existing_id: str) -> None:
        super().__init__(f"{field} is held by {existing_id}")
        self.field = field
        self.existing_id = existing_id


class Missing(Exception):
    """No such row, or it is deleted (`deleted` tells which)."""

    def __init__(self, row_id: str, *, deleted: bool = False) -> None:
        super().__init__(row_id)
        self.row_id = row_id
        self.deleted = deleted


class Refused(Exception):
    """The system's own rules do not let a write through. `reasons` are (words, the vendor's field or "")."""

    reasons: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one tracked field."""

    at: datetime
    field: str
    old: Any
    new: Any
    by: str


@dataclass(frozen=True, slots=True)
class Version:
    """What one reader sees of a row at one time."""

    id: str
    values: dict[str, Any]
    created_at: datetime
    modified_at: datetime
    created_by: str
    modified_by: str
    deleted_at: datetime | None


@dataclass(slots=True)
class Row:
    """One record. `values` holds JSON values, dates and datetimes; absent and None mean the same."""

    id: str
    values: dict[str, Any]
    created_at: datetime
    modified_at: datetime
    created_by: str
    modified_by: str
    visible_at: datetime
    deleted_at: datetime | None = None
    history: list[Change] = field(default_factory=list)
    prior: Version | None = None

    def as_of(self, now: datetime) -> Row | Version | None:
        """What a query or search sees now: the row, the version before a late commit, or None if not yet born."""
        return self if self.visible_at <= now else self.prior

    def copy(self) -> Row:
        """A copy that later writes do not touch."""
        return dataclasses.replace(self, values=dict(self.values), history=list(self.history))

    def version(self) -> Version:
        """A frozen copy of the present state."""
        return Version(
            id=self.id,
            values=dict(self.values),
            created_at=self.created_at,
            modified_at=self.modified_at,
            created_by=self.created_by,
            modified_by=self.modified_by,
            deleted_at=self.deleted_at,
        )


class _Stamp(NamedTuple):
    at: datetime
    id: str


def _key(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


class Table:
    """All rows of one object type.

    `unique` and `indexed` fields are looked up by hash, strings without regard to case. `tracked` fields leave a
    `Change` in the row's history ("*" tracks every field). A `lasting` table keeps its rows when the world is
    cleared; `writes` counts what was written, so that whoever derives something knows when it is stale;
    `deleted` are the ids of deleted rows. A vendor may set `before_write` (receives the row or None and the changes,
    returns the changes with derived fields added)
    and `after_write` (receives the row and the values before); a row that is not there may stand in `backing`, which
    makes it to be read, and becomes one of the table when it is written.
    """

    def __init__(
        self,
        name: str,
        *,
        world: World,
        unique: tuple[str, ...] = (),
        indexed: tuple[str, ...] = (),
        tracked: tuple[str, ...] = (),
        lasting: bool = False,
    ) -> None:
        self.name = name
        self.world = world
        self.unique = unique
        self.indexed = indexed
        self.tracked = frozenset(tracked)
        self.lasting = lasting
        self.writes = 0
        self.rows: dict[str, Row] = {}
        self.pending: set[str] = set()
        self.deleted: dict[str, None] = {}
        self.before_write: Callable[[Row | None, dict[str, Any]], dict[str, Any]] | None = None
        self.after_write: Callable[[Row, dict[str, Any]], None] | None = None
        self.backing: Callable[[str], Row | None] | None = None
        self._hash: dict[str, dict[Any, dict[str, None]]] = {f: {} for f in (*unique, *indexed)}
        self._ordered: dict[str, Ordered] = {}
        self._stamps: list[_Stamp] = []
        self._unsorted = False

    # writing

    def insert(self, values: dict[str, Any], *, by: str, id: str | None = None, at: datetime | None = None) -> Row:
        """Add a row; `at` backdates it. Raises NotUnique, Refused."""
        given = self.before_write(None, dict(values)) if self.before_write else dict(values)
        self.world.check(self, None, given, by=by)
        self._check_unique(None, given)
        moment = self.world.round(at or self.world.clock.now())
        row = Row(
            id=id or self.world.next_id(self.name),
            values={k: v for k, v in given.items() if v is not None},
            created_at=moment,
            modified_at=moment,
            created_by=by,
            modified_by=by,
            visible_at=AT_ONCE if at or not self.world.lag() else moment + self.world.lag(),
        )
        self._track(row, {}, row.values, at=moment, by=by)
        self._note(row.id, None)
        self.put(row)
        self.world.record(self, row, changes=len(row.history))
        self._tell(row, {}, "CREATE")
        if self.after_write:
            self.after_write(row, {})
        return row

    def update(self, id: str, changes: dict[str, Any], *, by: str, touch: bool = True) -> Row:
        """Change a live row; None clears a field, `touch=False` leaves the stamp. Raises Missing and as `insert`."""
        row = self._live(id)
        given = self.before_write(row, dict(changes)) if self.before_write else dict(changes)
        self.world.check(self, row, given, by=by)
        self._check_unique(id, given)
        self._note(id, row)
        before = dict(row.values)
        known = len(row.history)
        now = self.world.clock.now()
        if touch:
            self._hold_back(row, now)
        self._unindex(row, given)
        for name, value in given.items():
            if value is None:
                row.values.pop(name, None)
            else:
                row.values[name] = value
        self._index(row, given)
        self._track(row, before, given, at=self.world.round(now), by=by)
        if touch:
            self._stamp(row, now, by)
        self.world.record(self, row, changes=len(row.history) - known)
        if touch:
            self._tell(row, before, "UPDATE")
        if self.after_write:
            self.after_write(row, before)
        return row

    def delete(self, id: str, *, by: str) -> Row:
        """Move a live row to the recycle bin. Raises Missing."""
        row = self._live(id)
        self._note(id, row)
        now = self.world.clock.now()
        self._hold_back(row, now)
        self._unindex(row)
        row.deleted_at = self.world.round(now)
        self.deleted[id] = None
        self._stamp(row, now, by)
        self.world.record(self, row)
        self._tell(row, row.values, "DELETE")
        return row

    def restore(self, id: str, *, by: str) -> Row:
        """Bring a deleted row back. Raises Missing when it is not in the recycle bin, NotUnique."""
        row = self.rows.get(id)
        if row is None or row.deleted_at is None:
            raise Missing(id)
        self._check_unique(id, row.values)
        self._note(id, row)
        row.deleted_at = None
        self.deleted.pop(id, None)
        self._index(row)
        self._stamp(row, self.world.clock.now(), by)
        self.world.record(self, row)
        self._tell(row, row.values, "UNDELETE")
        return row

    def add_unique(self, field: str) -> None:
        """Make a field unique from now on; the rows already there are indexed by it."""
        if field in self.unique:
            return
        self.unique = (*self.unique, field)
        self.add_index(field)

    def drop_unique(self, field: str) -> None:
        """Let values repeat in a field from now on; what is indexed stays indexed."""
        self.unique = tuple(name for name in self.unique if name != field)

    def add_index(self, field: str) -> None:
        """Look a field up by hash from now on."""
        if field in self._hash:
            return
        index = self._hash[field] = {}
        for row in self.live():
            if row.values.get(field) is not None:
                index.setdefault(_key(row.values[field]), {})[row.id] = None

    def forget(self, field: str) -> None:
        """Take a field's values out of every row, without a stamp or a history: the field itself is gone."""
        self._hash.pop(field, None)
        self._ordered.pop(field, None)
        for row in self.rows.values():
            if row.values.pop(field, None) is not None:
                self.world.record(self, row)

    def put(self, row: Row) -> None:
        """Place a row as it stands, replacing one with the same id: for loading a saved state."""
        old = self.rows.get(row.id)
        if old is not None and old.deleted_at is None:
            self._unindex(old)
        self.rows[row.id] = row
        self.deleted.pop(row.id, None)
        if row.deleted_at is None:
            self._index(row)
        else:
            self.deleted[row.id] = None
        self._add_stamp(row)
        if row.visible_at > row.modified_at:
            self.pending.add(row.id)

    def rewind(self, id: str, old: Row | None) -> None:
        """Put back a row as it was, or forget it when it was not there: for rolling back."""
        row = self.rows.pop(id)
        if row.deleted_at is None:
            self._unindex(row)
        self.pending.discard(id)
        self.deleted.pop(id, None)
        if old is not None:
            self.put(old)
        self.world.record(self, old or row, changes=len((old or row).history), gone=old is None)
        if self.world.watch:
            self.world.watch.undid(self, id)

    def clear(self) -> None:
        """Forget every row."""
        self.rows.clear()
        self.pending.clear()
        self.deleted.clear()
        self._stamps.clear()
        for index in self._hash.values():
            index.clear()
        self._ordered.clear()

    # reading

    def get(self, id: str, *, deleted: bool = False) -> Row | None:
        """The row with this id; deleted ones only when asked for."""
        row = self.rows.get(id)
        if row is None and self.backing:
            row = self.backing(id)
        return row if row is not None and (deleted or row.deleted_at is None) else None

    def live(self) -> Iterator[Row]:
        """Every row that is not deleted, in order of insertion."""
        return (row for row in list(self.rows.values()) if row.deleted_at is None)

    def modified_between(self, low: datetime | None, high: datetime | None, *, deleted: bool = False) -> Iterator[Row]:
        """Rows with low <= modified_at <= high, ordered by (modified_at, id). Cost grows with the result only."""
        self._tidy()
        start = 0 if low is None else bisect.bisect_left(self._stamps, _Stamp(low, ""))
        last: _Stamp | None = None
        for index in range(start, len(self._stamps)):
            stamp = self._stamps[index]
            if high is not None and stamp.at > high:
                return
            row = self.rows.get(stamp.id)
            if stamp == last or row is None or row.modified_at != stamp.at:
                continue
            last = stamp
            if deleted or row.deleted_at is None:
                yield row

    def span(self, low: datetime | None, high: datetime | None) -> int:
        """About how many rows `modified_between` would look at."""
        self._tidy()
        start = 0 if low is None else bisect.bisect_left(self._stamps, _Stamp(low, ""))
        end = len(self._stamps) if high is None else bisect.bisect_left(self._stamps, _Stamp(high, ID_END))
        return max(0, end - start)

    def is_indexed(self, field: str) -> bool:
        """Whether `where` on this field costs no scan."""
        return field in self._hash

    def where(self, field: str, values: Collection[Any]) -> Iterator[Row]:
        """Live rows whose field equals one of the values; strings compare without case. Scans if not indexed."""
        keys = dict.fromkeys(_key(v) for v in values)
        index = self._hash.get(field)
        if index is None:
            yield from (row for row in self.live() if _key(row.values.get(field)) in keys)
            return
        for key in keys:
            for id in list(index.get(key, ())):
                yield self.rows[id]

    def having(self, field: str) -> Iterator[Row]:
        """Live rows whose field holds anything; costs no scan when the field is indexed."""
        index = self._hash.get(field)
        if index is None:
            yield from (row for row in self.live() if row.values.get(field) is not None)
            return
        for ids in list(index.values()):
            yield from (self.rows[id] for id in list(ids))

    def ordered(self, field: str) -> Ordered:
        """Live rows by a text field's values in their order; sorted at the first call, and kept so from then on."""
        if field not in self._ordered:
            values = ((row.values.get(field), row.id) for row in self.live())
            self._ordered[field] = Ordered((value, row_id) for value, row_id in values if isinstance(value, str))
        return self._ordered[field]

    def find_unique(self, field: str, value: Any) -> Row | None:
        """The first live row with this value, or None."""
        return next(self.where(field, [value]), None)

    def not_yet_visible(self, now: datetime) -> list[Row]:
        """Rows whose newest version queries do not see yet; forgets those that have become visible."""
        if not self.pending:
            return []
        held = [self.rows[id] for id in self.pending]
        for row in held:
            if row.visible_at <= now:
                self.pending.discard(row.id)
                row.prior = None
        return [row for row in held if row.visible_at > now]

    # inside

    def _tell(self, row: Row, before: dict[str, Any], how: str) -> None:
        if self.world.watch:
            self.world.watch.wrote(self, row, before=before, how=how)

    def _note(self, id: str, row: Row | None) -> None:
        if self.world.undo is not None:
            self.world.undo.append((self, id, row.copy() if row else None))

    def _live(self, id: str) -> Row:
        row = self.rows.get(id) or self._drawn(id)
        if row is None or row.deleted_at is not None:
            raise Missing(id, deleted=row is not None)
        return row

    def _drawn(self, id: str) -> Row | None:
        row = self.backing(id) if self.backing else None
        if row is not None:
            self._note(id, None)
            self.put(row)
            self.world.record(self, row, changes=len(row.history))
        return row

    def _check_unique(self, id: str | None, values: dict[str, Any]) -> None:
        for name in self.unique:
            value = values.get(name)
            if value in (None, ""):
                continue
            for holder in self._hash[name].get(_key(value), ()):
                if holder != id:
                    raise NotUnique(name, holder)

    def _hold_back(self, row: Row, now: datetime) -> None:
        # A reader keeps seeing the last visible version until the newest commit is visible.
        if not self.world.lag():
            return
        if row.visible_at <= now:
            row.prior = row.version()
        self.pending.add(row.id)

    def _stamp(self, row: Row, now: datetime, by: str) -> None:
        moment = self.world.round(now)
        lag = self.world.lag()
        row.visible_at = max(row.visible_at, now + lag) if lag else row.visible_at
        row.modified_by = by
        if moment != row.modified_at:
            row.modified_at = moment
            self._add_stamp(row)

    def _track(self, row: Row, before: dict[str, Any], given: dict[str, Any], *, at: datetime, by: str) -> None:
        if not self.tracked:
            return
        every = "*" in self.tracked
        for name, value in given.items():
            if (every or name in self.tracked) and before.get(name) != value:
                row.history.append(Change(at=at, field=name, old=before.get(name), new=value, by=by))

    def _index(self, row: Row, names: Collection[str] | None = None) -> None:
        for name, index in self._hash.items():
            value = row.values.get(name)
            if (names is None or name in names) and value is not None:
                index.setdefault(_key(value), {})[row.id] = None
        for name, order in self._ordered.items():
            value = row.values.get(name)
            if (names is None or name in names) and isinstance(value, str):
                order.add(value, row.id)

    def _unindex(self, row: Row, names: Collection[str] | None = None) -> None:
        for name, index in self._hash.items():
            key = _key(row.values.get(name))
            if (names is None or name in names) and key in index:
                index[key].pop(row.id, None)
                if not index[key]:
                    del index[key]
        for name, order in self._ordered.items():
            value = row.values.get(name)
            if (names is None or name in names) and isinstance(value, str):
                order.drop(value, row.id)

    def _add_stamp(self, row: Row) -> None:
        stamp = _Stamp(row.modified_at, row.id)
        if self._stamps and stamp < self._stamps[-1]:
            self._unsorted = True
        self._stamps.append(stamp)

    def _tidy(self) -> None:
        # Old stamps of rows changed since are dropped once they outnumber the rows.
        if len(self._stamps) > 2 * len(self.rows) + STALE_SLACK:
            self._stamps = [_Stamp(r.modified_at, r.id) for r in self.rows.values()]
            self._unsorted = True
        if self._unsorted:
            self._stamps.sort()
            self._unsorted = False
