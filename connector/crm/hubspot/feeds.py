"""Change feeds on top of search: which records of an object type were modified since, each told once.

Not here: which types are watched and what they have to do with deals (``watched``), and one page of a search
(``search``). Search lags behind writes, so a feed keeps what it has told for the length of its lookback and tells only
what is new. What shows later than that is for the second look (``rounds``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from connector.crm.hubspot import wire
from connector.crm.hubspot.fields import MODIFIED
from connector.crm.hubspot.search import MOST_RESULTS, PAGE, Filter, Ids, Page, Query, idle_after, page, where
from connector.crm.hubspot.session import Session

FIRST_MOMENT = 1000
"""Searching from epoch 0 fails; one second after it works (facts: HubSpot §1)."""

OTHERWISE_MODIFIED: Mapping[str, str] = {"contacts": "lastmodifieddate"}
"""Which property says when a record was modified, where it is not ``hs_lastmodifieddate`` (facts: HubSpot §1)."""

SEEN_LIMIT = 20_000
"""Records remembered from the lookback. When more changed in it (a mass update), nothing is asked below the oldest one
remembered: it would all be told again at every tick. What shows late below it is left to the second look."""


AHEAD = 300_000
"""Milliseconds that a stamp may be ahead of the portal's time, for that is as old as the last answer: one may have come
at a poll for safety and none since."""


@dataclass(frozen=True, slots=True)
class Feed:
    """A watched object type."""

    name: str
    object_name: str
    properties: tuple[str, ...]
    filters: tuple[Filter, ...] = ()
    page: int = PAGE

    @property
    def modified(self) -> str:
        """The property that says when a record was modified."""
        return OTHERWISE_MODIFIED.get(self.object_name, MODIFIED)

    @property
    def query(self) -> Query:
        """All records of the feed, the longest unchanged first."""
        names = tuple(dict.fromkeys((self.modified, *self.properties)))
        return Query(self.object_name, (self.filters,), names, sort=self.modified, limit=self.page)

    def stamp(self, row: wire.Obj) -> int:
        """When the record was last modified, in epoch milliseconds; 0 when the answer does not say."""
        at = row.at(self.modified) or row.updated_at
        return wire.millis(at) if at else 0

    def stamps(self, rows: Sequence[wire.Obj]) -> dict[str, int]:
        """The same of each, by id."""
        return {row.id: self.stamp(row) for row in rows}


@dataclass(frozen=True, slots=True)
class Walk:
    """A reading of a stretch of time in progress, oldest first, both ends included; without ``high`` up to now.

    ``tie`` is the place within the millisecond ``low``, where one fills a page by itself. ``ceiling`` is set where a
    page showed only records that changed since: what the index holds up to there is read first.
    """

    low: int
    high: int | None = None
    after: str | None = None
    idle: int = 0
    tie: Ids | None = None
    ceiling: int | None = None

    def page(self, session: Session, feed: Feed) -> Page:
        """The next page."""
        name = feed.modified
        if self.tie is not None:
            return page(session, self.tie.of(feed.query.also(where(name, "EQ", str(self.low)))))
        top = self.ceiling if self.ceiling is not None else self.high
        stretch = where(name, "GTE", str(self.low))
        if top is not None:
            stretch = {**where(name, "BETWEEN", str(self.low)), "highValue": str(top)}
        return page(session, replace(feed.query.also(stretch), after=self.after))

    def onward(self, feed: Feed, got: Page, *, fresh: int, recent: int) -> Walk | None:
        """Where to go on after a page with so many records not seen before; None at the end. Raises `CrmError`.

        The next page starts at the last millisecond of this one and not at an offset, for records move to the end of
        the window while it is walked and an offset would skip their neighbours. A record that was found by its old time
        and is shown with its new one must not carry the walk away: while it is among older times, recent ones do not
        count, and neither does one past the end.
        """
        if self.tie is not None:
            within = self.tie.onward(got, fresh=fresh)
            return replace(self, tie=within) if within is not None else self._from(self.low + 1)
        if got.after is None:
            return self._from(self.ceiling + 1) if self.ceiling is not None else None
        times = [at for at in feed.stamps(got.rows).values() if self._holds(at)]
        counted = [at for at in times if at < recent] if self.low < recent else times
        reached = max(counted, default=self.low)
        if reached > self.low:
            return self._from(reached)
        idle = idle_after(self.idle, fresh=fresh)
        if counted:
            return replace(self, after=None, idle=idle, tie=Ids())
        if got.rows and self.ceiling is None and self.low < recent:
            return replace(self, after=None, idle=idle, ceiling=recent - 1)
        # An empty page tells of no time, nor does one of nothing but records that have changed since. At the cap the
        # stretch is read from its start again: by then the index may know them by their new times.
        return replace(self, after=got.after if _leads_on(got.after) else None, idle=idle)

    def _holds(self, at: int) -> bool:
        return self.low <= at and (self.high is None or at <= self.high)

    def _from(self, low: int) -> Walk | None:
        if self.high is not None and low > self.high:
            return None
        below = self.ceiling is not None and low <= self.ceiling
        return Walk(low, self.high, ceiling=self.ceiling if below else None)

    def data(self) -> list[object]:
        """For the store."""
        tie = self.tie
        within = [tie.last, tie.expected, tie.read, tie.doubt, tie.digits, tie.after, tie.idle] if tie else None
        return [self.low, self.high, self.after, self.idle, within, self.ceiling]

    @staticmethod
    def of(data: Sequence[object]) -> Walk:
        """Back from the store; a walk in an older form begins again where it stood."""
        if len(data) != 6:
            return Walk(low=int(str(data[0])))
        low, high, after, idle, within, ceiling = data
        tie = Ids(*within) if within else None  # type: ignore[misc]  # as `data` wrote it
        later = None if after is None else str(after)
        return Walk(int(str(low)), _whole(high), later, int(str(idle)), tie, _whole(ceiling))


def _whole(told: object) -> int | None:
    return None if told is None else int(str(told))


def _leads_on(after: str) -> bool:
    """Whether a page's cursor may be followed: not past the cap."""
    return not after.isdigit() or int(after) + PAGE <= MOST_RESULTS


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
        data = {
            "floor": self.floor,
            "mark": self.mark,
            "seen": _by_time(self.seen),
            "walk": self.walk.data() if self.walk else None,
            "found": _by_time(self.found) if self.found is not None else None,
        }
        return json.dumps({name: value for name, value in data.items() if value is not None}, separators=(",", ":"))

    @staticmethod
    def parse(text: str) -> Cursor:
        """Back from the store. Raises ValueError for what `text` did not write."""
        try:
            data = json.loads(text)
            walk, found = data.get("walk"), data.get("found")
            return Cursor(
                floor=int(data["floor"]),
                mark=int(data["mark"]),
                seen=_by_id(data["seen"]),
                walk=Walk.of(walk) if walk else None,
                found=_by_id(found) if found is not None else None,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("not a feed cursor of HubSpot") from error

    def keeping(self, seen: Mapping[str, int], *, mark: int, lookback: int) -> Cursor:
        """At rest at this mark, remembering what was told within the lookback, or as much of it as can be."""
        kept = {each: at for each, at in seen.items() if at >= mark - lookback}
        floor = self.floor
        if len(kept) >= SEEN_LIMIT:
            kept = _latest(kept)
            floor = max(floor, min(kept.values()) + 1)
            kept = {each: at for each, at in kept.items() if at >= floor}
        return Cursor(floor=floor, mark=mark, seen=kept)


def _by_time(stamps: Mapping[str, int]) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    for each, at in stamps.items():
        told.setdefault(str(at), []).append(each)
    return told


def _by_id(told: Mapping[str, object]) -> dict[str, int]:
    """Also from the older form, record id → time."""
    found: dict[str, int] = {}
    for name, value in told.items():
        if isinstance(value, list):
            found.update(dict.fromkeys(value, int(name)))
        else:
            found[name] = int(str(value))
    return found


def _latest(stamps: Mapping[str, int]) -> dict[str, int]:
    """As many as can be remembered; of equal times those that came last."""
    if len(stamps) <= SEEN_LIMIT:
        return dict(stamps)
    return dict(sorted(stamps.items(), key=lambda item: item[1])[-SEEN_LIMIT:])


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
    newest = page(session, replace(feed.query.also(where(feed.modified, "GTE", str(low))), descending=True))
    merged = {**known, **feed.stamps(newest.rows)}
    news = _news(feed, newest.rows, cursor.seen)
    mark = _mark(cursor, feed.stamps(news).values(), now=now)
    if newest.after is None:
        # The page is the whole window: what is known and not on it has been deleted since.
        told = cursor.keeping(feed.stamps(newest.rows), mark=mark, lookback=lookback)
        return Step(rows=news, cursor=replace(told, seen=feed.stamps(newest.rows)), more=False)
    oldest = newest.rows[-1] if newest.rows else None
    if newest.total == len(merged) and oldest is not None and known.get(oldest.id) == feed.stamp(oldest):
        return Step(rows=news, cursor=cursor.keeping(merged, mark=mark, lookback=lookback), more=False)
    walk = replace(cursor, walk=Walk(low=low), found={})
    return Step(rows=(), cursor=walk, more=True)


def _walk(session: Session, feed: Feed, cursor: Cursor, *, lookback: int, now: int) -> Step:
    walk, found = cursor.walk, dict(cursor.found or {})
    if walk is None:
        raise ValueError("no walk in progress")
    got = walk.page(session, feed)
    news = _news(feed, got.rows, {**cursor.seen, **found})
    fresh = sum(found.get(row.id) != feed.stamp(row) for row in got.rows)
    found.update(feed.stamps(got.rows))
    following = walk.onward(feed, got, fresh=fresh, recent=now - lookback)
    if following is not None:
        # What lies more than a lookback behind the place reached will not be asked for again.
        kept = _latest({each: at for each, at in found.items() if at >= following.low - lookback})
        return Step(rows=news, cursor=replace(cursor, walk=following, found=kept), more=True)
    mark = _mark(cursor, found.values(), now=now)
    return Step(rows=news, cursor=cursor.keeping(found, mark=mark, lookback=lookback), more=False)


def _mark(cursor: Cursor, stamps: Iterable[int], *, now: int) -> int:
    """The newest change told. One stamped after now must not carry the mark away: all that comes until then would lie
    before the window."""
    return max([cursor.mark, *(min(at, now + AHEAD) for at in stamps)])


def _news(feed: Feed, rows: Sequence[wire.Obj], told: Mapping[str, int]) -> tuple[wire.Obj, ...]:
    fresh = {row.id: row for row in rows if told.get(row.id) != feed.stamp(row)}
    return tuple(sorted(fresh.values(), key=lambda row: (feed.stamp(row), row.id)))
