"""What is watched in a portal, and which deals a changed record is about.

Not here: how changes are read (``feeds``), and looking back at what showed late (``rounds``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from connector.crm.hubspot import associations, wire
from connector.crm.hubspot.feeds import Cursor, Feed, begin, step
from connector.crm.hubspot.fields import PIPELINE, Fields
from connector.crm.hubspot.reads import MERGED, merged_ids
from connector.crm.hubspot.search import PAGE, Filter, one_of, where
from connector.crm.hubspot.session import Session
from connector.crm.port import Change, ChangePage, read_place
from connector.handoff.model import Kind, SystemName
from connector.policy.crmmap import CrmMap

DEAL = "deal"
"""The feed of deals themselves."""

CREATED = "hs_createdate"
FRESH = timedelta(seconds=30)
"""Within this time after it was made a meeting of ours is changed by our own links to it, not by people."""

NAMES_DEAL: Mapping[str, Kind] = {"tasks": Kind.TASK, "meetings": Kind.MEETING}
"""Whose key names the deal, when it is ours."""

PIPELINES_MOST = 100
"""Values one filter may list (facts: HubSpot §1 gives no number; the sandbox takes as many)."""

PIPELINES_CHARS = 800
"""A search's body may have 3,000 characters (facts: HubSpot §1), and a list of wins names the pipelines twice."""


def in_pipelines(crm_map: CrmMap) -> tuple[Filter, ...]:
    """The filter for deals of our pipelines; none when they are all ours, or too many for a search to name."""
    names = crm_map.pipelines
    too_many = len(names) > PIPELINES_MOST or sum(len(name) + 3 for name in names) > PIPELINES_CHARS
    return () if not names or too_many else (one_of(PIPELINE, names),)


def is_ours(crm_map: CrmMap, row: wire.Obj) -> bool:
    """Whether a deal is in one of our pipelines; one that does not say is."""
    pipeline = row.get(PIPELINE)
    return not crm_map.pipelines or not pipeline or pipeline in crm_map.pipelines


class Watched:
    """The feeds of one system. ``heirs`` tells which deal a merged one went into; ``lookback`` is in milliseconds."""

    def __init__(
        self,
        session: Session,
        fields: Fields,
        *,
        system: SystemName,
        heirs: Mapping[str, str],
        lookback: int,
        page_size: int = PAGE,
    ) -> None:
        self._session = session
        self._fields = fields
        self._system = system
        self._heirs = heirs
        self.lookback = lookback
        self.feeds = {feed.name: replace(feed, page=page_size) for feed in _feeds(fields)}

    def start(self, feed: str, at: datetime) -> str:
        """The cursor that begins a feed at a time; nothing older is ever asked for."""
        return begin(at).text() if feed in self.feeds else ""

    def changes(self, feed: str, cursor: str, *, now: datetime) -> ChangePage:
        """One call, and one more for the deals of activities that are news and not ours."""
        watched = self.feeds[feed]
        told = step(
            self._session, watched, read_place(feed, Cursor.parse, cursor), lookback=self.lookback, now=wire.millis(now)
        )
        return ChangePage(self.about(feed, told.rows, now=now), cursor=told.cursor.text(), more=told.more)

    def about(self, feed: str, rows: Sequence[wire.Obj], *, now: datetime) -> tuple[Change, ...]:
        """The deals that changed records of a feed are about, each with its newest change. Rows come oldest first."""
        watched = self.feeds[feed]
        deals: Mapping[str, tuple[str, ...]]
        if feed == DEAL:
            deals = {row.id: (row.id, *self._newly_merged(row)) for row in rows if is_ours(self._fields.map, row)}
        else:
            deals = self._deals_of(watched.object_name, rows)
        newest: dict[str, datetime] = {}
        drafted: dict[str, bool] = {}
        for row in rows:
            at = row.at(watched.modified) or row.updated_at or now
            for deal_id in deals.get(row.id, ()):
                newest[deal_id] = max(at, newest.get(deal_id, at))
                drafted[deal_id] = drafted.get(deal_id, True) and self._just_drafted(row, at)
        return tuple(Change(deal_id=deal_id, modified_at=at, minor=drafted[deal_id]) for deal_id, at in newest.items())

    def _just_drafted(self, row: wire.Obj, at: datetime) -> bool:
        """Whether this is a meeting that this connector has only just put into the calendar, as far as it tells."""
        key, created = self._fields.key(Kind.MEETING), row.at(CREATED)
        return bool(key) and bool(self._deal_in(row.get(key))) and created is not None and at - created <= FRESH

    def _newly_merged(self, row: wire.Obj) -> tuple[str, ...]:
        """The deals that became part of this one since it was read last: they are gone, and a look at them shows it."""
        return tuple(each for each in merged_ids(row) if each not in self._heirs)

    def _deals_of(self, object_name: str, rows: Sequence[wire.Obj]) -> dict[str, tuple[str, ...]]:
        """The deals each activity hangs on. What is ours names its deal in its key; the others are looked up."""
        key = self._fields.key(NAMES_DEAL[object_name]) if object_name in NAMES_DEAL else ""
        ours: dict[str, tuple[str, ...]] = {}
        for row in rows:
            if key and (deal_id := self._deal_in(row.get(key))):
                ours[row.id] = (self._heirs.get(deal_id, deal_id),)
        others = [row.id for row in rows if row.id not in ours]
        links = associations.read(self._session, object_name, "deals", others) if others else {}
        return {**ours, **{each: tuple(link.id for link in found) for each, found in links.items()}}

    def _deal_in(self, key: str) -> str:
        """The deal id in ``<system>:<deal id>:<generation>:<step>``; empty when the key is not this system's."""
        start = f"{self._system}:"
        return key.removeprefix(start).partition(":")[0] if key.startswith(start) else ""


def _feeds(fields: Fields) -> tuple[Feed, ...]:
    key, meeting_key = fields.key(Kind.TASK), fields.key(Kind.MEETING)
    finished = tuple(where(name, "EQ", text) for name, text in fields.task({"status": "done"}).items())
    ours = in_pipelines(fields.map)
    return (
        Feed(DEAL, "deals", (MERGED, *((PIPELINE,) if fields.map.pipelines and not ours else ())), ours),
        Feed("task", "tasks", (key,) if key else (), finished),
        Feed("meeting", "meetings", (meeting_key, CREATED) if meeting_key else ()),
        Feed("call", "calls", ()),
        Feed("email", "emails", ()),
    )
