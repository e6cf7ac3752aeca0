"""Slow readings beside the feeds: an hourly second look at what the search index shows late, and a daily census.

Not here: when a round begins, how fast it goes and what its findings are held against (``engine.rounds``). How late the
index may be nobody says (facts: HubSpot §1), so the second look goes back two hours before the one before it, and the
census lists every deal from the consistent store, which no lag can touch, the archived ones too
(docs/adr/0016-a-census-by-list.md).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from connector.crm.hubspot import faults, search, wire
from connector.crm.hubspot.feeds import FIRST_MOMENT, Walk
from connector.crm.hubspot.fields import MODIFIED, PIPELINE
from connector.crm.hubspot.search import Page, idle_after
from connector.crm.hubspot.session import Session
from connector.crm.hubspot.watched import DEAL, Watched, is_ours
from connector.crm.port import Change, read_place
from connector.crm.rounds import Round, RoundPage
from connector.errors import FaultCode
from connector.policy.crmmap import CrmMap

SECOND_LOOK = Round("second-look", every=timedelta(hours=1), seconds=1.0, share=0.10)
CENSUS = Round("census", every=timedelta(days=1), seconds=2.0, share=0.05)

HIDDEN = timedelta(hours=2)
"""How late a change may show in search and still be found by the second look; Estuary trails one hour behind, Airbyte
was seen to lose records with less (facts: HubSpot §1). What shows later is for the census."""

CENSUS_OVERLAP = timedelta(hours=1)
"""Deals changed before the last census began may have been behind the place it had reached."""

LIST_PAGE = 100
"""Records per page of a list (facts: HubSpot §1)."""


@dataclass(frozen=True, slots=True)
class _Look:
    """Where a second look stands: which feed, and how far within it. ``until`` is where every feed's stretch ends."""

    feed: int
    since: int
    until: int
    walk: Walk

    def text(self) -> str:
        return json.dumps([self.feed, self.since, self.until, self.walk.data()], separators=(",", ":"))

    @staticmethod
    def parse(text: str, *, feeds: int) -> _Look:
        feed, since, until, walk = json.loads(text)
        if int(feed) not in range(feeds):
            raise ValueError(f"there are {feeds} feeds, and none is number {feed}")
        return _Look(int(feed), int(since), int(until), Walk.of(walk))


@dataclass(frozen=True, slots=True)
class _Count:
    """Where a census stands: which of the two lists, and how far within it. ``of``: about how many deals there are."""

    since: int
    of: int
    archived: bool = False
    after: str = ""
    idle: int = 0

    def text(self) -> str:
        return json.dumps([self.since, self.of, self.archived, self.after, self.idle], separators=(",", ":"))

    @staticmethod
    def parse(text: str) -> _Count:
        since, of, archived, after, idle = json.loads(text)
        return _Count(int(since), int(of), bool(archived), str(after), int(idle))


class Rounds:
    """The rounds of one portal."""

    def __init__(self, session: Session, watched: Watched, *, map: CrmMap) -> None:
        self._session = session
        self._watched = watched
        self._map = map

    @staticmethod
    def all() -> tuple[Round, ...]:
        """What there is to go through besides the feeds."""
        return (SECOND_LOOK, CENSUS)

    def begin(self, name: str, *, since: datetime, now: datetime) -> str:
        """Where a round begins, when the one before it began ``since`` then."""
        if name == SECOND_LOOK.name:
            low = max(wire.millis(since - HIDDEN), FIRST_MOMENT)
            until = wire.millis(now) - self._watched.lookback
            return _Look(0, low, until, Walk(low, until)).text()
        every = search.Query("deals", (), (), sort=search.ID, limit=1)
        total = search.page(self._session, every).total
        return _Count(wire.millis(since - CENSUS_OVERLAP), total).text()

    def page(self, name: str, place: str, *, now: datetime) -> RoundPage:
        """The next page of a round. Raises `CrmError`."""
        return self._look_page(place, now=now) if name == SECOND_LOOK.name else self._list_page(place)

    def _look_page(self, place: str, *, now: datetime) -> RoundPage:
        feeds = tuple(self._watched.feeds.values())
        look = read_place(SECOND_LOOK.name, lambda text: _Look.parse(text, feeds=len(feeds)), place)
        feed = feeds[look.feed]
        try:
            got = look.walk.page(self._session, feed)
            changes = self._watched.about(feed.name, got.rows, now=now)
            # Nothing is remembered of what was read: only pages without any row could go on without end.
            walk = look.walk.onward(feed, got, fresh=len(got.rows), recent=look.until + 1)
        except faults.HubSpotError as error:
            # What this login may not see it cannot miss, and polling says so. The round must end all the same, or each
            # one would go back as far as the first.
            if error.fault.code is not FaultCode.NOT_PERMITTED or feed.name == DEAL:
                raise
            got, changes, walk = Page((), 0, None), (), None
        following = replace(look, walk=walk) if walk else None
        if walk is None and look.feed + 1 < len(feeds):
            following = replace(look, feed=look.feed + 1, walk=Walk(look.since, look.until))
        return RoundPage(changes=changes, rows=len(got.rows), place=following.text() if following else None)

    def _list_page(self, place: str) -> RoundPage:
        count = read_place(CENSUS.name, _Count.parse, place)
        query = {
            "limit": str(LIST_PAGE),
            "archived": "true" if count.archived else "false",
            "properties": ",".join((MODIFIED, PIPELINE)),
        } | ({"after": count.after} if count.after else {})
        data = self._session.get("deals.list", self._session.objects("deals"), query=query)
        results = faults.listed(data)
        following = _after(count, wire.next_after(data), rows=len(results))
        told = RoundPage(changes=(), rows=len(results), place=following.text() if following else None, of=count.of)
        if count.archived:
            return replace(told, gone=tuple(change for each in results if (change := _archived(each)) is not None))
        rows = [row for row in map(wire.obj, results) if is_ours(self._map, row)]
        stamp = self._watched.feeds[DEAL].stamp
        changed = (row for row in rows if stamp(row) >= count.since)
        changes = tuple(Change(row.id, at) for row in changed if (at := row.at(MODIFIED) or row.updated_at) is not None)
        return replace(told, changes=changes, listed=tuple(row.id for row in rows))


def _after(count: _Count, after: str | None, *, rows: int) -> _Count | None:
    """Where the census goes on: on the same list, on the list of archived deals, or nowhere."""
    if after is None:
        return None if count.archived else replace(count, archived=True, after="", idle=0)
    if after == count.after:
        raise faults.endless()
    return replace(count, after=after, idle=idle_after(count.idle, fresh=rows))


def _archived(data: wire.Json) -> Change | None:
    row = wire.obj(data)
    at = wire.moment(str(data.get("archivedAt") or "")) or row.updated_at
    return Change(row.id, at) if at else None
