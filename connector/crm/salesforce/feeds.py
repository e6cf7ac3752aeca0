"""The feeds: which deals changed, by polling SystemModstamp with keyset paging and a lookback.

Not here: reading the deals. The cursor is opaque JSON and carries the whole state of a feed, so nothing is remembered
between calls: a page may be read again by another process with the same result. Deleted and archived rows are asked
for too: a deal that was thrown away, and a task that was closed long ago, are changes like any other.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from connector.clock import zoned
from connector.crm.port import (
    Change,
    ChangePage,
    read_place,
)
from connector.crm.salesforce.fields import DEAL_PREFIX, Names
from connector.crm.salesforce.session import SalesforceSession
from connector.crm.salesforce.soql import PAGE, Soql, Where, both, either, moment, select, where
from connector.crm.salesforce.wire import Row, moment_of
from connector.errors import Advice, CrmError, Fault, FaultCode
from connector.handoff.model import Kind

LOOKBACK = timedelta(seconds=600)
"""A row may appear this long after its stamp: it is stamped inside its transaction (facts: Salesforce §1.1, §1.3)."""

GLANCE = timedelta(seconds=30)
"""What most scans look back; measured delays are 1 to 3 s (facts: Salesforce §1.3)."""

DEEP_EVERY = timedelta(seconds=60)
"""How often a scan looks back all the way. In between, a burst is not paged through again at every tick."""

COVER_EVERY = timedelta(minutes=5)
"""How often the platform is asked how far back a transaction is still open: well within the lookback, so that one
that lasts longer is known before its rows could be missed."""

COVER_MOST = timedelta(hours=2)
"""How far back a transaction that is still open is read for at most: one that hangs for days would have everything
since then read again every minute. What comes of it then is found by the daily comparison and the list of wins."""

COVER_WINDOW = timedelta(minutes=2)
"""What is asked about then; whole minutes, for seconds are cut off (facts: Salesforce §1.2)."""

SETTLED = 2
"""Seconds after which a stamp's second is over: a row may change twice in one second and keep its stamp."""

SEEN_LIMIT = 20_000
"""Rows remembered from the lookback window. When more changed in it (a mass update), nothing is read below the oldest
one remembered: it would all be told again every minute. What shows up late below it is left to the daily comparison."""


@dataclass(frozen=True, slots=True)
class Feed:
    """One watched object type: the field that holds the deal's id, and which of its rows matter."""

    name: str
    kind: Kind
    deal_field: str
    only: Where | None = None


FEEDS: Mapping[str, Feed] = {
    feed.name: feed
    for feed in (
        Feed("deal", Kind.DEAL, "Id"),
        Feed("task", Kind.TASK, "WhatId", only=where("IsClosed", "=", value=True)),
        Feed("event", Kind.MEETING, "WhatId"),
    )
}


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a feed stands.

    ``mark``: the vendor's clock when the last whole scan began; ``since``: where the feed began. During a scan
    ``at`` is the last row read and ``began`` the new mark. ``seen``: the stamp (epoch seconds) each row was told with.
    ``covered``: the platform's own safe date, from which deep scans read; None where it cannot be asked. The last one,
    ``told_cover``, was told at ``asked_at`` and takes its place after one more deep scan.
    """

    since: datetime
    mark: datetime
    deep_at: datetime
    at: tuple[str, str] | None = None
    began: datetime | None = None
    seen: Mapping[str, int] = field(default_factory=dict)
    covered: datetime | None = None
    asked_at: datetime | None = None
    told_cover: datetime | None = None

    def dump(self) -> str:
        """The cursor as text."""
        own = (self.since, self.mark, self.deep_at, self.began, self.covered, self.asked_at, self.told_cover)
        times = [moment(each) if each else None for each in own]
        by_second: dict[int, list[str]] = {}
        for row_id, second in self.seen.items():
            by_second.setdefault(second, []).append(row_id)
        return json.dumps([times, self.at, by_second], separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """The cursor of a text that `dump` made. Raises what reading another text raises."""
        (since, mark, deep_at, began, *safe), at, by_second = json.loads(text)
        covered, asked_at, told_cover = (*safe, None, None, None)[:3]
        return cls(
            since=zoned(since),
            mark=zoned(mark),
            deep_at=zoned(deep_at),
            at=_place_of(*at) if at else None,
            began=zoned(began) if began else None,
            seen={row_id: int(second) for second, ids in by_second.items() for row_id in ids},
            covered=zoned(covered) if covered else None,
            asked_at=zoned(asked_at) if asked_at else None,
            told_cover=zoned(told_cover) if told_cover else None,
        )


def _place_of(at: str, last_id: str) -> tuple[str, str]:
    zoned(at)
    return at, last_id


def start(at: datetime) -> str:
    """The cursor that begins at a time."""
    whole = at.astimezone(UTC).replace(microsecond=0)
    return Cursor(since=whole, mark=whole, deep_at=whole).dump()


def read_pages(
    session: SalesforceSession,
    names: Names,
    cursors: Mapping[str, str],
    *,
    lookback: timedelta = LOOKBACK,
    page_size: int = PAGE,
) -> dict[str, ChangePage | Fault]:
    """One page of each feed, all in one call where queries may share one.

    ``more`` is False at the end of a scan; the next call then begins a new one. Raises `CrmError` when the whole call
    failed.
    """
    now = session.server_time()
    begun = {
        name: _begun(read_place(name, Cursor.parse, text), now=now, lookback=lookback) for name, text in cursors.items()
    }
    statements = [_statement(names, FEEDS[name], cursor, page_size=page_size) for name, cursor in begun.items()]
    told: dict[str, ChangePage | Fault] = {}
    for (name, cursor), answer in zip(begun.items(), session.first_pages(statements), strict=True):
        if isinstance(answer, Fault):
            told[name] = answer
        else:
            told[name] = _page(session, names, FEEDS[name], cursor, answer, lookback=lookback, page_size=page_size)
    return told


def _page(
    session: SalesforceSession,
    names: Names,
    feed: Feed,
    cursor: Cursor,
    answer: Mapping[str, Any],
    *,
    lookback: timedelta,
    page_size: int,
) -> ChangePage:
    rows: list[Row] = answer["records"]
    told_at = session.server_time()
    cursor = dataclasses.replace(cursor, began=cursor.began or told_at)
    changes, cursor = _sift(rows, cursor, feed, own_id=session.identity.user_id, told_at=told_at)
    more = bool(rows) and (len(rows) >= page_size or not answer.get("done", True))
    if more:
        cursor = dataclasses.replace(cursor, at=max(_place(row) for row in rows), seen=_latest(cursor.seen))
    else:
        cursor = _with_safe_date(session, names, feed, _ended(cursor, lookback=lookback))
    return ChangePage(changes=tuple(changes), cursor=cursor.dump(), more=more)


def _begun(cursor: Cursor, *, now: datetime, lookback: timedelta) -> Cursor:
    """The cursor with a place to read from: a new scan starts before the mark, by a glance or by the whole lookback."""
    if cursor.at is not None:
        return cursor
    # A clock that was ahead (one answer's odd date is enough) must not keep what is stamped by the right one unseen.
    mark = min(cursor.mark, now)
    deep = abs(now - cursor.deep_at) >= DEEP_EVERY
    low = mark - (lookback if deep else min(GLANCE, lookback))
    if deep and cursor.covered is not None:
        # A transaction that was open then may have been committed since, with stamps as old as its start.
        low = min(low, max(cursor.covered, now - COVER_MOST))
    if len(cursor.seen) >= SEEN_LIMIT:
        forgotten = datetime.fromtimestamp(min(cursor.seen.values()), UTC)
        low = max(low, min(forgotten + timedelta(seconds=1), mark - GLANCE))
    low = max(cursor.since, low)
    return dataclasses.replace(cursor, at=(moment(low), ""), began=None, deep_at=now if deep else cursor.deep_at)


def _statement(names: Names, feed: Feed, cursor: Cursor, *, page_size: int) -> Soql:
    told, last_id = cursor.at or ("", "")
    at = datetime.fromisoformat(told)
    # A tie over a page boundary must lose nothing: the id decides within one second (facts: Salesforce §1.1).
    place = where("SystemModstamp", ">=", at)
    if last_id:
        tied = both(where("SystemModstamp", "=", at), where("Id", ">", last_id))
        place = either(tied, where("SystemModstamp", ">", at))
    return select(
        ["Id", feed.deal_field, "SystemModstamp", "LastModifiedById"],
        of=names.object(feed.kind),
        where=both(feed.only, place) if feed.only else place,
        order=("SystemModstamp ASC", "Id ASC"),
        limit=page_size,
    )


def _place(row: Row) -> tuple[str, str]:
    return moment(_stamp(row)), str(row["Id"])


def _stamp(row: Row) -> datetime:
    found = moment_of(row.get("SystemModstamp"))
    if found is None:
        raise CrmError(Fault(FaultCode.UNAVAILABLE, "UNREADABLE_ANSWER", "a row came without SystemModstamp"))
    return found


def _sift(
    rows: list[Row], cursor: Cursor, feed: Feed, *, own_id: str, told_at: datetime
) -> tuple[list[Change], Cursor]:
    """The rows that were not told before, and the cursor that remembers them once their second is over."""
    seen = dict(cursor.seen)
    settled = int(told_at.timestamp()) - SETTLED
    changes = []
    for row in rows:
        stamp = _stamp(row)
        second, row_id = int(stamp.timestamp()), str(row["Id"])
        if seen.get(row_id) == second:
            continue
        if second <= settled:
            seen[row_id] = second
        deal_id = str(row.get(feed.deal_field) or "")
        if deal_id.startswith(DEAL_PREFIX):
            by_self = bool(own_id) and row.get("LastModifiedById") == own_id
            changes.append(Change(deal_id=deal_id, modified_at=stamp, by_self=by_self))
    return changes, dataclasses.replace(cursor, seen=seen)


def _with_safe_date(session: SalesforceSession, names: Names, feed: Feed, cursor: Cursor) -> Cursor:
    """Ask the platform now and then how far back a transaction is still open; where it will not say, never again."""
    now = session.server_time()
    asked = cursor.asked_at
    if not names.tells_cover(feed.kind) or (asked is not None and abs(now - asked) < COVER_EVERY):
        return cursor
    if cursor.told_cover is not None and asked is not None and asked <= now:
        return cursor  # the scan that puts the last one in its place is still to come
    end = now.replace(second=0, microsecond=0)
    window = urlencode({"start": _zoned(end - COVER_WINDOW), "end": _zoned(end)})
    try:
        answer = session.read("updated", f"sobjects/{names.object(feed.kind)}/updated/?{window}")
    except CrmError as error:
        match error.fault.advice:
            case Advice.HALT:
                raise
            case Advice.PARK | Advice.REREAD:
                names.no_cover(feed.kind)
                return dataclasses.replace(cursor, covered=None, asked_at=now)
            case Advice.RETRY | Advice.VERIFY:
                return dataclasses.replace(cursor, asked_at=now)  # the page counts; the last date is kept meanwhile
    told = moment_of(answer.get("latestDateCovered")) if isinstance(answer, Mapping) else None
    return dataclasses.replace(cursor, told_cover=told, asked_at=now)


def _zoned(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def _ended(cursor: Cursor, *, lookback: timedelta) -> Cursor:
    mark = cursor.began or cursor.mark
    if cursor.told_cover is not None and cursor.asked_at is not None and cursor.deep_at > cursor.asked_at:
        # What was committed until that date was told has now been read, back to the one before; what was open then has
        # stamps from it on.
        cursor = dataclasses.replace(cursor, covered=cursor.told_cover, told_cover=None)
    oldest = int(min(mark - lookback, max(cursor.covered or mark, mark - COVER_MOST)).timestamp())
    kept = {row_id: second for row_id, second in cursor.seen.items() if second >= oldest}
    return dataclasses.replace(cursor, mark=mark, at=None, began=None, seen=_latest(kept))


def _latest(seen: Mapping[str, int]) -> Mapping[str, int]:
    """No more than can be remembered; also in the midst of a scan, whose cursor is stored with every page."""
    return seen if len(seen) <= SEEN_LIMIT else dict(sorted(seen.items(), key=lambda item: item[1])[-SEEN_LIMIT:])
