"""Feeds and scans over a search index that lags, caps, ties, shifts and ends pages early."""

from __future__ import annotations

import random
from dataclasses import replace

import hubspot_index
import pytest
from hubspot_index import FEED, LOOKBACK, START, Index, Poller, numeric, textual

from connector.crm.hubspot import feeds, search
from connector.crm.hubspot.feeds import Cursor, Feed
from connector.crm.hubspot.search import Query, where
from connector.errors import CrmError, FaultCode


def spread(count: int, *, gap: int = 1000, first: int = 1) -> dict[int, int]:
    return {first + n: START + n * gap for n in range(count)}


def test_contacts_say_by_another_property_when_they_were_modified() -> None:
    assert FEED.query.sort == "hs_lastmodifieddate"
    assert Feed("contact", "contacts", ()).query.sort == "lastmodifieddate"


def test_an_empty_feed_costs_one_call_a_poll() -> None:
    poller = Poller(Index())
    for polls in range(1, 4):
        assert poller.poll() == []
        assert poller.index.calls == polls


@pytest.mark.parametrize("count", [1, 150, 200, 450, 2000])
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


def test_a_stamp_from_the_future_hides_nothing_of_what_comes_until_then() -> None:
    poller = Poller(Index(spread(30)))
    poller.poll(now=START + LOOKBACK)
    poller.index.rows[500] = START + 10**10
    assert [each for each, _ in poller.poll(now=START + LOOKBACK)] == ["500"]
    for minute in range(1, 90, 20):
        now = START + LOOKBACK + minute * 60_000
        poller.index.rows[600 + minute] = now
        before = poller.index.calls
        assert [each for each, _ in poller.poll(now=now)] == [str(600 + minute)]
        assert poller.index.calls == before + 1


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


def test_ten_thousand_and_more_in_one_millisecond_are_all_told_at_the_floor_of_calls() -> None:
    rows = dict.fromkeys(range(100_000, 112_000), START + 5) | {200_000: START + 4, 200_001: START + 6}
    poller = Poller(Index(rows))
    assert set(poller.poll()) == poller.truth()
    assert len(poller.told) == len(rows)
    assert poller.index.calls <= len(rows) / search.PAGE + 4


ORDERS = {"numbers": (numeric, numeric), "text": (textual, textual), "mixed": (textual, numeric)}
"""By which order ids are sorted, and by which they are compared."""


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("hollow", [False, True])
@pytest.mark.parametrize("orders", list(ORDERS))
@pytest.mark.parametrize("many", [20, 21, 400])
def test_a_tie_is_drained_whichever_way_ids_are_sorted(*, many: int, orders: str, short: bool, hollow: bool) -> None:
    sorts, compares = ORDERS[orders]
    rows = dict.fromkeys(range(9990 - many // 2, 9990 + many // 2 + many % 2), START + 5) | {
        7: START + 5,
        123_456: START + 6,
    }
    index = Index(rows, short=short, hollow=hollow, sorts=sorts, compares=compares)
    poller = Poller(index, feed=replace(FEED, page=20))
    assert set(poller.poll()) == poller.truth()
    assert len(poller.told) == len(rows)
    assert poller.poll() == []


@pytest.mark.parametrize("orders", list(ORDERS))
def test_a_scan_reads_every_record_whichever_way_ids_are_sorted(orders: str) -> None:
    sorts, compares = ORDERS[orders]
    index = Index(spread(1200, first=1), sorts=sorts, compares=compares)
    query = Query("deals", (), (), sort=search.ID, limit=50)
    ids = [row.id for page in search.everything(index, query) for row in page.rows]  # type: ignore[arg-type]
    assert sorted(map(int, ids)) == sorted(index.rows)


def test_a_record_that_leaves_a_scan_is_not_taken_for_one_left_behind() -> None:
    index = Index(spread(1000))
    index.before_call = lambda index: index.rows.pop(max(index.rows)) and None
    query = Query("deals", (), (), sort=search.ID, limit=50)
    pages = list(search.everything(index, query))  # type: ignore[arg-type]
    assert len(pages) <= 3 * 20  # each page is doubted and counted, and none of it is read from the start


def test_a_mass_update_is_told_once_though_it_is_more_than_can_be_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "SEEN_LIMIT", 500)
    poller = Poller(Index(dict.fromkeys(range(1, 1001), START + 5) | spread(700, first=5000, gap=1)))
    assert set(poller.poll()) == poller.truth()
    assert len(Cursor.parse(poller.cursor).seen) <= 500
    before = poller.index.calls
    for _ in range(3):
        assert poller.poll() == []
    assert poller.index.calls == before + 3
    poller.index.rows[3] = START + 700_000
    assert poller.poll() == [("3", START + 700_000)]


def test_pages_without_end_are_a_fault_and_not_a_loop() -> None:
    for index in (Index(spread(300), endless=True), Index({}, endless=True)):
        with pytest.raises(CrmError) as caught:
            Poller(index).poll()
        assert caught.value.fault.code is FaultCode.UNAVAILABLE
        with pytest.raises(CrmError):
            list(search.everything(index, Query("deals", (), (), sort=search.ID)))  # type: ignore[arg-type]
        assert index.calls < 500


def test_more_records_changed_since_than_can_be_paged_wait_for_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MOST_RESULTS", 1000)
    monkeypatch.setattr(hubspot_index, "MOST", 1000)
    rows = spread(1050, gap=10)
    now = START + 10_000 * 60_000
    index = Index(rows, shown=dict.fromkeys(rows, now))
    poller = Poller(index)
    with pytest.raises(CrmError):
        poller.poll(now=now)
    assert index.calls < 200
    index.rows, index.shown = dict.fromkeys(rows, now), {}
    poller.poll(now=now)
    assert {each for each, _ in poller.told} == {str(each) for each in rows}


def test_a_page_of_nothing_but_records_changed_since_carries_nothing_away() -> None:
    rows = spread(1000, gap=60_000)
    now = START + 1000 * 60_000
    index = Index(rows, shown=dict.fromkeys(range(150, 750), now))
    assert {each for each, _ in Poller(index).poll(now=now)} == {str(each) for each in rows}


def test_beyond_ten_thousand_results_nothing_is_paged_past_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubspot_index, "MOST", 1000)
    poller = Poller(Index(spread(2345, gap=7)))
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
def test_a_scan_reads_every_record_once_past_the_cap(monkeypatch: pytest.MonkeyPatch, short: bool) -> None:
    monkeypatch.setattr(hubspot_index, "MOST", 1000)
    index = Index(spread(2700), short=short)
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
