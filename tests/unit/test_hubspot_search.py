"""Feeds and scans over a search index that lags, caps, ties, shifts and ends pages early."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from connector.crm.hubspot import feeds, search
from connector.crm.hubspot.feeds import Cursor, Feed
from connector.crm.hubspot.search import Query, where

FEED = Feed("deal", "deals", ())
LOOKBACK = 600_000
START = 1_760_000_000_000
MOST = 10_000


@dataclass
class Index:
    """A search index in memory: record id → modification in ms. ``hidden`` ones are not indexed yet."""

    rows: dict[int, int] = field(default_factory=dict)
    hidden: set[int] = field(default_factory=set)
    shown: dict[int, int] = field(default_factory=dict)
    short: bool = False
    calls: int = 0
    before_call: Callable[[Index], None] = lambda index: None

    def search(self, object_name: str, body: dict[str, Any]) -> dict[str, Any]:
        """One page, by the vendor's rules."""
        self.calls += 1
        self.before_call(self)
        matches = [each for each in self.rows if each not in self.hidden and self._fits(each, body)]
        (sort,) = body["sorts"]
        by_time = sort["propertyName"] != search.ID
        matches.sort(key=lambda each: (self.rows[each], each) if by_time else each)
        if sort["direction"] == "DESCENDING":
            matches.reverse()
        start, limit = int(body.get("after", 0)), body["limit"]
        assert limit <= 200
        assert start + limit <= MOST, "paged beyond 10,000"
        size = limit // 3 if self.short and limit > 3 else limit
        page = matches[start : start + size]
        answer: dict[str, Any] = {"total": len(matches), "results": [self._row(each) for each in page]}
        if start + size < len(matches):
            answer["paging"] = {"next": {"after": str(start + size)}}
        return answer

    def _row(self, each: int) -> dict[str, Any]:
        at = datetime.fromtimestamp(self.shown.get(each, self.rows[each]) / 1000, UTC)
        return {"id": str(each), "properties": {"hs_lastmodifieddate": at.isoformat(timespec="milliseconds")}}

    def _fits(self, each: int, body: dict[str, Any]) -> bool:
        for group in body["filterGroups"]:
            for one in group["filters"]:
                value = each if one["propertyName"] == search.ID else self.rows[each]
                wanted = int(one["value"])
                if not {"GT": value > wanted, "GTE": value >= wanted, "EQ": value == wanted}[one["operator"]]:
                    return False
        return True


@dataclass
class Poller:
    """Polls a feed as the detector does, keeping the cursor as text."""

    index: Index
    cursor: str = field(default_factory=lambda: feeds.begin(datetime.fromtimestamp(START / 1000, UTC)).text())
    told: list[tuple[str, int]] = field(default_factory=list)

    def poll(self, *, now: int | None = None) -> list[tuple[str, int]]:
        """Everything one poll tells: (id, modification)."""
        before = len(self.told)
        for _ in range(1000):
            latest = max(self.index.rows.values(), default=START) if now is None else now
            cursor = Cursor.parse(self.cursor)
            got = feeds.step(self.index, FEED, cursor, lookback=LOOKBACK, now=latest)  # type: ignore[arg-type]
            self.cursor = got.cursor.text()
            self.told += [(row.id, FEED.stamp(row)) for row in got.rows]
            if not got.more:
                return self.told[before:]
        raise AssertionError("the feed never ends")

    def truth(self) -> set[tuple[str, int]]:
        """What should have been told of the rows as they are now."""
        return {(str(each), at) for each, at in self.index.rows.items() if at >= START}


def spread(count: int, *, gap: int = 1000, first: int = 1) -> dict[int, int]:
    return {first + n: START + n * gap for n in range(count)}


def test_an_empty_feed_costs_one_call_a_poll() -> None:
    poller = Poller(Index())
    for polls in range(1, 4):
        assert poller.poll() == []
        assert poller.index.calls == polls


@pytest.mark.parametrize("count", [1, 150, 200, 450, 5000])
def test_everything_is_told_once_and_an_idle_poll_is_one_call_that_tells_nothing(count: int) -> None:
    poller = Poller(Index(spread(count, gap=100)))
    told = poller.poll()
    assert set(told) == poller.truth()
    assert len(told) == count
    assert [at for _, at in told] == sorted(at for _, at in told)
    for _ in range(3):
        before = poller.index.calls
        assert poller.poll() == []
        assert poller.index.calls == before + 1


def test_nothing_before_the_start_is_ever_told() -> None:
    poller = Poller(Index({1: START - 1, 2: START, 3: START + 5}))
    assert [each for each, _ in poller.poll()] == ["2", "3"]
    poller.index.rows[4] = START - 1
    assert poller.poll() == []


def test_news_costs_one_call_however_busy_the_last_minutes_were() -> None:
    poller = Poller(Index(spread(3000, gap=100)))
    poller.poll()
    poller.index.rows.update({5: START + 400_000, 9001: START + 400_001})
    before = poller.index.calls
    assert poller.poll() == [("5", START + 400_000), ("9001", START + 400_001)]
    assert poller.index.calls == before + 1


def test_a_change_that_shows_late_is_told_within_the_lookback() -> None:
    index = Index(spread(2000, gap=100), hidden={3, 700, 1990})
    poller = Poller(index)
    poller.poll()
    index.hidden.clear()
    assert {each for each, _ in poller.poll()} == {"3", "700", "1990"}
    assert set(poller.told) == poller.truth()


def test_more_news_than_a_page_is_told_in_one_poll() -> None:
    poller = Poller(Index(spread(300)))
    poller.poll()
    poller.index.rows.update(spread(450, first=10_001, gap=1))
    poller.index.rows.update({10_001 + n: START + 310_000 + n for n in range(450)})
    assert len(poller.poll()) == 450
    assert set(poller.told) == poller.truth()


def test_known_records_changed_again_are_all_told_though_they_fill_more_than_a_page() -> None:
    poller = Poller(Index(spread(1000, gap=100)))
    poller.poll()
    poller.index.rows.update({each: START + 300_000 + each for each in range(1, 451)})
    assert {each for each, _ in poller.poll()} == {str(each) for each in range(1, 451)}
    before = poller.index.calls
    assert poller.poll() == []
    assert poller.index.calls == before + 1


def test_a_deleted_record_costs_one_rereading_and_no_more() -> None:
    poller = Poller(Index(spread(1000, gap=100)))
    poller.poll()
    del poller.index.rows[17]
    assert poller.poll() == []
    before = poller.index.calls
    assert poller.poll() == []
    assert poller.index.calls == before + 1


def test_ten_thousand_and_more_in_one_millisecond_are_all_told() -> None:
    rows = dict.fromkeys(range(1, 10451), START + 5) | {20_000: START + 4, 20_001: START + 6}
    poller = Poller(Index(rows))
    assert set(poller.poll()) == poller.truth()
    assert len(poller.told) == len(rows)


def test_beyond_ten_thousand_results_nothing_is_paged_past_the_cap() -> None:
    poller = Poller(Index(spread(12_345, gap=7)))
    assert set(poller.poll()) == poller.truth()


def test_short_pages_end_nothing() -> None:
    poller = Poller(Index(spread(900), short=True))
    assert set(poller.poll()) == poller.truth()


def test_records_that_move_while_the_window_is_walked_hide_no_neighbour() -> None:
    index = Index(spread(3000, gap=3000))
    chance = random.Random(3)
    moved: dict[int, int] = {}

    def touch(index: Index) -> None:
        if len(moved) < 60:
            each = chance.randrange(1, 3001)
            moved[each] = max(index.rows.values()) + 1
            index.rows[each] = moved[each]

    index.before_call = touch
    poller = Poller(index)
    poller.poll()
    poller.poll()
    assert poller.truth() <= set(poller.told)


def test_a_record_found_by_its_old_time_and_shown_with_its_new_one_carries_nothing_away() -> None:
    rows = spread(1000, gap=60_000)
    now = START + 1000 * 60_000
    index = Index(rows, shown={200: now, 400: now})
    poller = Poller(index)
    told = {each for each, _ in poller.poll(now=now)}
    assert told == {str(each) for each in rows}


def test_what_was_told_is_forgotten_after_the_lookback() -> None:
    poller = Poller(Index(spread(5000, gap=1000)))
    poller.poll()
    assert len(Cursor.parse(poller.cursor).seen) == LOOKBACK // 1000 + 1
    assert len(poller.cursor) < 20_000


def test_a_cursor_that_is_not_ours_is_refused() -> None:
    for text in ('{"since": 3}', "[]", "12"):
        with pytest.raises(ValueError, match="cursor"):
            Cursor.parse(text)


@pytest.mark.parametrize("short", [False, True])
def test_a_scan_reads_every_record_once_past_the_cap(short: bool) -> None:
    index = Index(spread(10_700), short=short)
    query = Query("deals", ((where(search.ID, "GT", "0"),),), (), sort=search.ID)
    ids = [row.id for page in search.everything(index, query) for row in page.rows]  # type: ignore[arg-type]
    assert sorted(map(int, ids)) == sorted(index.rows)
    assert len(ids) == len(set(ids))


def test_a_scan_skips_nothing_when_records_leave_the_set() -> None:
    index = Index(spread(900))
    gone: list[int] = []

    def leave(index: Index) -> None:
        gone.append(min(index.rows))
        del index.rows[gone[-1]]

    index.before_call = leave
    stay = set(index.rows)
    query = Query("deals", ((where(search.ID, "GT", "0"),),), (), sort=search.ID)
    ids = {int(row.id) for page in search.everything(index, query) for row in page.rows}  # type: ignore[arg-type]
    assert stay - set(gone) <= ids
