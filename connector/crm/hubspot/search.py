"""Search: one page, whole sets past the 10,000 cap, and the change feeds built on it.

Not here: what a changed activity has to do with a deal (``reads``). Search lags behind writes, so a feed keeps what it
has already told for the length of its lookback and tells only what is new; and a page ends nothing: only an
absent ``paging.next`` does (facts: HubSpot §1).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from connector.crm.hubspot import wire
from connector.crm.hubspot.fields import MODIFIED
from connector.crm.hubspot.session import Session

PAGE = 200
"""Records per page (facts: HubSpot §1)."""

ID = "hs_object_id"
FIRST_MOMENT = 1000
"""Searching from epoch 0 fails; one second after it works (facts: HubSpot §1)."""

Filter = Mapping[str, object]


def where(name: str, operator: str, value: str | None = None) -> dict[str, object]:
    """One filter; HAS_PROPERTY and its like take no value."""
    condition: dict[str, object] = {"propertyName": name, "operator": operator}
    return condition if value is None else {**condition, "value": value}


def one_of(name: str, values: Sequence[str]) -> dict[str, object]:
    """A filter for any of these values."""
    return {"propertyName": name, "operator": "IN", "values": list(values)}


@dataclass(frozen=True, slots=True)
class Query:
    """What to search: groups are alternatives, the filters in a group must all hold."""

    object_name: str
    groups: tuple[tuple[Filter, ...], ...]
    properties: tuple[str, ...]
    sort: str
    descending: bool = False
    limit: int = PAGE
    after: str | None = None

    def also(self, *filters: Filter) -> Query:
        """The same with more filters in every group."""
        return replace(self, groups=tuple((*group, *filters) for group in self.groups or ((),)))

    def body(self) -> dict[str, object]:
        """As it is sent. HubSpot sorts by one rule only (facts: HubSpot §1)."""
        body: dict[str, object] = {
            "filterGroups": [{"filters": list(group)} for group in self.groups if group],
            "sorts": [{"propertyName": self.sort, "direction": "DESCENDING" if self.descending else "ASCENDING"}],
            "properties": list(self.properties),
            "limit": self.limit,
        }
        return body if self.after is None else {**body, "after": self.after}


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its records, how many there are in all, and where the next page begins."""

    rows: tuple[wire.Obj, ...]
    total: int
    after: str | None


def page(session: Session, query: Query) -> Page:
    """Run one search. A record that an answer lists twice is kept where it stood first."""
    data = session.search(query.object_name, query.body())
    rows: dict[str, wire.Obj] = {}
    for each in data.get("results") or ():
        row = wire.obj(each)
        rows.setdefault(row.id, row)
    total = data.get("total")
    return Page(
        rows=tuple(rows.values()), total=total if isinstance(total, int) else len(rows), after=wire.next_after(data)
    )


def everything(session: Session, query: Query) -> Iterator[Page]:
    """All pages of a query, by id. Every page asks for ids above the last, so neither the cap nor a record that
    leaves the set between two pages can make it skip one."""
    seen: set[str] = set()
    last, after = "0", None
    while True:
        found = page(session, replace(query.also(where(ID, "GT", last)), sort=ID, after=after))
        fresh = tuple(row for row in found.rows if row.id not in seen)
        seen.update(row.id for row in fresh)
        yield replace(found, rows=fresh)
        if found.after is None:
            return
        # An empty page that has a next one is followed by its cursor; otherwise the id is the cursor.
        last, after = (fresh[-1].id, None) if fresh else (last, found.after)


@dataclass(frozen=True, slots=True)
class Walk:
    """A reading of the window in progress, oldest first. ``tie``: the last id read within a full millisecond."""

    low: int
    after: str | None = None
    tie: str | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a feed stands, in epoch milliseconds.

    Nothing before ``floor`` is asked for. ``mark`` is the newest change told. ``seen`` holds what was told within the
    lookback (record id → its modification). During a ``walk``, ``found`` gathers what the window holds.
    """

    floor: int
    mark: int
    seen: Mapping[str, int]
    walk: Walk | None = None
    found: Mapping[str, int] | None = None

    def text(self) -> str:
        """For the store."""
        walk = self.walk
        data = {
            "floor": self.floor,
            "mark": self.mark,
            "seen": dict(self.seen),
            "walk": [walk.low, walk.after, walk.tie] if walk else None,
            "found": dict(self.found) if self.found is not None else None,
        }
        return json.dumps({name: value for name, value in data.items() if value is not None}, separators=(",", ":"))

    @staticmethod
    def parse(text: str) -> Cursor:
        """Back from the store. Raises ValueError for what `text` did not write."""
        try:
            data = json.loads(text)
            walk = data.get("walk")
            return Cursor(
                floor=int(data["floor"]),
                mark=int(data["mark"]),
                seen=data["seen"],
                walk=Walk(low=walk[0], after=walk[1], tie=walk[2]) if walk else None,
                found=data.get("found"),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("not a feed cursor of HubSpot") from error


@dataclass(frozen=True, slots=True)
class Feed:
    """A watched object type."""

    name: str
    object_name: str
    properties: tuple[str, ...]
    filters: tuple[Filter, ...] = ()
    page: int = PAGE


@dataclass(frozen=True, slots=True)
class Step:
    """What one call to a feed brought: the records that are news, oldest first, and where to go on."""

    rows: tuple[wire.Obj, ...]
    cursor: Cursor
    more: bool


def begin(at: datetime) -> Cursor:
    """The cursor that begins a feed at a time."""
    low = max(wire.millis(at), FIRST_MOMENT)
    return Cursor(floor=low, mark=low, seen={})


def step(session: Session, feed: Feed, cursor: Cursor, *, lookback: int, now: int) -> Step:
    """One call. ``lookback`` and ``now`` (the portal's time) are in milliseconds.

    With something told already, the newest page of the window is asked for. If it reaches back to what was told, and
    the portal counts as many records in the window as are then known, nothing can hide in it and the one call was
    enough, however busy the last minutes were. Otherwise the window is walked from its start: a page of nothing but
    news may go on behind its end, with records that are known but were changed again.
    """
    if cursor.walk is not None:
        return _walk(session, feed, cursor, lookback=lookback, now=now)
    low = max(cursor.floor, cursor.mark - lookback)
    known = {each: at for each, at in cursor.seen.items() if at >= low}
    if not known:
        return _walk(session, feed, replace(cursor, walk=Walk(low=low), found={}), lookback=lookback, now=now)
    newest = page(session, replace(_query(feed).also(where(MODIFIED, "GTE", str(low))), descending=True))
    merged = {**known, **_stamps(newest.rows)}
    told = _told(cursor, newest.rows, merged, lookback=lookback)
    if newest.after is None:
        # The page is the whole window: what is known and not on it has been deleted since.
        return replace(told, cursor=replace(told.cursor, seen=_stamps(newest.rows)))
    oldest = newest.rows[-1] if newest.rows else None
    if newest.total == len(merged) and oldest is not None and known.get(oldest.id) == stamp(oldest):
        return told
    walk = replace(cursor, walk=Walk(low=low), found={})
    return Step(rows=(), cursor=walk, more=True)


def _told(cursor: Cursor, rows: Sequence[wire.Obj], merged: Mapping[str, int], *, lookback: int) -> Step:
    news = _news(rows, cursor.seen)
    mark = max([cursor.mark, *_stamps(news).values()])
    keep = {each: at for each, at in merged.items() if at >= mark - lookback}
    return Step(rows=news, cursor=replace(cursor, mark=mark, seen=keep, walk=None, found=None), more=False)


def _walk(session: Session, feed: Feed, cursor: Cursor, *, lookback: int, now: int) -> Step:
    walk, found = cursor.walk, dict(cursor.found or {})
    if walk is None:
        raise ValueError("no walk in progress")
    query = _query(feed)
    if walk.tie is None:
        got = page(session, replace(query.also(where(MODIFIED, "GTE", str(walk.low))), after=walk.after))
    else:
        tied = query.also(where(MODIFIED, "EQ", str(walk.low)), where(ID, "GT", walk.tie))
        got = page(session, replace(tied, sort=ID, after=walk.after))
    news = _news(got.rows, {**cursor.seen, **found})
    found.update(_stamps(got.rows))
    following = _next_walk(walk, got, recent=now - lookback)
    if following is not None:
        # What lies more than a lookback behind the place reached will not be asked for again.
        kept = {each: at for each, at in found.items() if at >= following.low - lookback}
        return Step(rows=news, cursor=replace(cursor, walk=following, found=kept), more=True)
    mark = max([cursor.mark, *found.values()])
    seen = {each: at for each, at in found.items() if at >= mark - lookback}
    return Step(rows=news, cursor=replace(cursor, mark=mark, seen=seen, walk=None, found=None), more=False)


def _next_walk(walk: Walk, got: Page, *, recent: int) -> Walk | None:
    """Where the walk goes on; None at its end.

    The next page starts at the last millisecond of this one and not at an offset, for records move to the end of the
    window while it is walked and an offset would skip their neighbours. A record that was found by its old time and is
    shown with its new one must not carry the walk away: among older times, recent ones do not count.
    """
    if walk.tie is not None:
        if got.after is None:
            return Walk(low=walk.low + 1)
        return replace(walk, tie=got.rows[-1].id, after=None) if got.rows else replace(walk, after=got.after)
    if got.after is None:
        return None
    times = [at for at in _stamps(got.rows).values() if at >= walk.low]
    reached = max([at for at in times if at < recent] or times, default=walk.low)
    if reached > walk.low:
        return Walk(low=reached)
    # A millisecond that fills a page by itself is drained by id; an empty page is followed by its cursor.
    return replace(walk, tie="0", after=None) if got.rows else replace(walk, after=got.after)


def _query(feed: Feed) -> Query:
    names = tuple(dict.fromkeys((MODIFIED, *feed.properties)))
    return Query(object_name=feed.object_name, groups=(feed.filters,), properties=names, sort=MODIFIED, limit=feed.page)


def _stamps(rows: Sequence[wire.Obj]) -> dict[str, int]:
    return {row.id: stamp(row) for row in rows}


def _news(rows: Sequence[wire.Obj], told: Mapping[str, int]) -> tuple[wire.Obj, ...]:
    fresh = {row.id: row for row in rows if told.get(row.id) != stamp(row)}
    return tuple(sorted(fresh.values(), key=lambda row: (stamp(row), row.id)))


def stamp(row: wire.Obj) -> int:
    """When the record was last modified, in epoch milliseconds; 0 when the answer does not say."""
    at = row.at(MODIFIED) or row.updated_at
    return wire.millis(at) if at else 0
