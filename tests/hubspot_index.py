"""HubSpot's search index and list of deals in memory, with the oddities that readers have met.

Not the sandbox: no HTTP, no properties but the time of modification. Stands in for a `Session` where only searches and
lists are asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from connector.crm.hubspot import feeds, search
from connector.crm.hubspot.feeds import Cursor, Feed

FEED = Feed("deal", "deals", ())
LOOKBACK = 600_000
START = 1_760_000_000_000
MOST = 10_000


def numeric(each: int | str) -> Any:
    """Ids in the order of numbers."""
    return int(each)


def textual(each: int | str) -> Any:
    """Ids in the order of text."""
    return str(each)


@dataclass
class Index:
    """Record id → modification in ms. ``hidden`` ones are not indexed yet; ``shown`` ones come with another time.

    ``sorts`` and ``compares`` say by which order ids are sorted and filtered. ``short`` cuts pages down to a third,
    ``hollow`` puts an empty page before every other one, ``endless`` repeats the first page for ever.
    """

    rows: dict[int, int] = field(default_factory=dict)
    hidden: set[int] = field(default_factory=set)
    shown: dict[int, int] = field(default_factory=dict)
    archived: dict[int, int] = field(default_factory=dict)
    short: bool = False
    hollow: bool = False
    endless: bool = False
    sorts: Callable[[int | str], Any] = numeric
    compares: Callable[[int | str], Any] = numeric
    calls: int = 0
    before_call: Callable[[Index], None] = lambda index: None

    def search(self, object_name: str, body: dict[str, Any]) -> dict[str, Any]:
        """One page, by the vendor's rules."""
        self.calls += 1
        self.before_call(self)
        matches = self._matches(body)
        (sort,) = body["sorts"]
        if sort["propertyName"] == search.ID:
            matches.sort(key=self.sorts)
        else:
            matches.sort(key=lambda each: (self.rows[each], each))
        if sort["direction"] == "DESCENDING":
            matches.reverse()
        after, filled, _ = str(body.get("after", "0")).partition("!")
        start, limit = int(after), body["limit"]
        assert limit <= 200
        assert start + limit <= MOST, "paged beyond 10,000"
        answer: dict[str, Any] = {"total": len(matches), "results": []}
        if self.hollow and not filled and start < len(matches):
            return {**answer, "paging": {"next": {"after": f"{start}!"}}}
        size = limit // 3 if self.short and limit > 3 else limit
        answer["results"] = [self.row(each) for each in matches[start : start + size]]
        if self.endless or start + size < len(matches):
            answer["paging"] = {"next": {"after": "0" if self.endless else str(start + size)}}
        return answer

    def objects(self, object_name: str, *rest: str) -> str:
        """A path."""
        return "/".join((object_name, *rest))

    def get(self, kind: str, path: str, *, query: dict[str, str]) -> dict[str, Any]:
        """One page of the list, which knows no lag."""
        self.calls += 1
        archived = query["archived"] == "true"
        held = self.archived if archived else self.rows
        ids = sorted(each for each in held if each > int(query.get("after", "0")))
        size = int(query["limit"])
        assert size <= 100
        page = [self.row(each, times=held) for each in ids[:size]]
        if archived:
            page = [{**each, "archivedAt": each["updatedAt"]} for each in page]
        return {"results": page, **({"paging": {"next": {"after": str(ids[size - 1])}}} if len(ids) > size else {})}

    def row(self, each: int, *, times: dict[int, int] | None = None) -> dict[str, Any]:
        """One record as an answer shows it."""
        at = datetime.fromtimestamp(self.shown.get(each, (times or self.rows)[each]) / 1000, UTC)
        text = at.isoformat(timespec="milliseconds")
        return {"id": str(each), "updatedAt": text, "properties": {"hs_lastmodifieddate": text}}

    def _matches(self, body: dict[str, Any]) -> list[int]:
        found = [each for each in self.rows if each not in self.hidden]
        for one in (one for group in body["filterGroups"] for one in group["filters"]):
            by_id = one["propertyName"] == search.ID
            order = self.compares if by_id else numeric
            value, wanted = (order if by_id else self.rows.__getitem__), order(one["value"])
            match one["operator"]:
                case "GT":
                    found = [each for each in found if value(each) > wanted]
                case "GTE":
                    found = [each for each in found if value(each) >= wanted]
                case "LTE":
                    found = [each for each in found if value(each) <= wanted]
                case "EQ":
                    found = [each for each in found if value(each) == wanted]
                case "BETWEEN":
                    high = order(one["highValue"])
                    found = [each for each in found if wanted <= value(each) <= high]
        return found


@dataclass
class Poller:
    """Polls a feed as the detector does, keeping the cursor as text."""

    index: Index
    feed: Feed = FEED
    cursor: str = field(default_factory=lambda: feeds.begin(datetime.fromtimestamp(START / 1000, UTC)).text())
    told: list[tuple[str, int]] = field(default_factory=list)

    def poll(self, *, now: int | None = None) -> list[tuple[str, int]]:
        """Everything one poll tells: (id, modification)."""
        before = len(self.told)
        for _ in range(1000):
            latest = max(self.index.rows.values(), default=START) if now is None else now
            cursor = Cursor.parse(self.cursor)
            got = feeds.step(self.index, self.feed, cursor, lookback=LOOKBACK, now=latest)  # type: ignore[arg-type]
            self.cursor = got.cursor.text()
            self.told += [(row.id, self.feed.stamp(row)) for row in got.rows]
            if not got.more:
                return self.told[before:]
        raise AssertionError("the feed never ends")

    def truth(self) -> set[tuple[str, int]]:
        """What should have been told of the rows as they are now."""
        return {(str(each), at) for each, at in self.index.rows.items() if at >= START}
