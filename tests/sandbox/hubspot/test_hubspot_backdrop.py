"""Deals that are made when looked at: the same answers as if they stood there, at any depth, without the memory."""

from __future__ import annotations

import random
import time
import tracemalloc
from typing import Any

import pytest

from connector.sandbox.hubspot import backdrop, crowd, search
from connector.sandbox.hubspot.asked import Asked
from connector.sandbox.hubspot.derive import epoch_ms
from connector.sandbox.hubspot.kinds import SEPTEMBER_2026
from connector.sandbox.hubspot.stretches import EVERY, PERIOD, Picked, Run, Stretch, both, disjoint

DEALS = "/crm/objects/2026-09/deals"
UNTIL = "2026-10-01T00:00:00+00:00"
MILLION = 1_000_000
OLD = 220
PAGE_MS = 20.0


@pytest.fixture
def old(portal: Any) -> Any:
    portal.world.settings["backdrop"] = {"deals": OLD, "until": UNTIL}
    return portal


@pytest.fixture
def huge(portal: Any) -> Any:
    portal.world.settings["backdrop"] = {"deals": MILLION, "until": UNTIL}
    return portal


def _search(portal: Any, *filters: dict[str, Any], sort: Any = "hs_lastmodifieddate", **more: Any) -> Any:
    body = {"filterGroups": [{"filters": list(filters)}], "sorts": [sort], "limit": 200, **more}
    return portal.ok("POST", f"{DEALS}/search", body)


def _all(portal: Any, *filters: dict[str, Any], sort: Any = "hs_lastmodifieddate", **more: Any) -> list[str]:
    ids: list[str] = []
    after = "0"
    while after:
        page = _search(portal, *filters, sort=sort, after=after, **more)
        ids += [r["id"] for r in page["results"]]
        after = page.get("paging", {}).get("next", {}).get("after", "")
    assert len(ids) == page["total"]
    return ids


def _filter(name: str, operator: str, value: Any = None, high: Any = None) -> dict[str, Any]:
    found = {"propertyName": name, "operator": operator}
    if operator == "IN":
        return {**found, "values": value}
    if value is not None:
        found["value"] = str(value)
    return found | ({"highValue": str(high)} if high is not None else {})


def _ms(portal: Any, number: int) -> int:
    found = backdrop.of(portal.world)
    assert found
    return epoch_ms(found.changed_at(number))


QUESTIONS: dict[str, list[dict[str, Any]]] = {
    "nothing": [],
    "a stage": [_filter("dealstage", "EQ", "closedwon")],
    "stages": [_filter("dealstage", "IN", ["closedwon", "contractsent"])],
    "not a stage": [_filter("dealstage", "NEQ", "closedlost")],
    "an amount": [_filter("amount", "GT", 5_000), _filter("dealtype", "EQ", "newbusiness")],
    "won since": [_filter("hs_v2_date_entered_closedwon", "GTE", "2026-09-30T20:00:00Z")],
    "created": [_filter("createdate", "BETWEEN", "2026-08-31T20:00:00Z", "2026-08-31T22:00:00Z")],
    "one name": [_filter("dealname", "EQ", "Archive deal 00000077")],
    "a word": [_filter("dealname", "CONTAINS_TOKEN", "0000004*")],
    "ids": [_filter("hs_object_id", "GT", backdrop.FIRST_ID + OLD - 10)],
    "some ids": [_filter("hs_object_id", "IN", [str(backdrop.FIRST_ID + n) for n in (3, 4, 900)])],
    "not owned": [_filter("hubspot_owner_id", "NOT_HAS_PROPERTY")],
    "closed": [_filter("hs_is_closed", "EQ", "true"), _filter("closedate", "LT", "2026-09-30T18:00:00Z")],
}
SORTS = ("hs_lastmodifieddate", "-hs_lastmodifieddate", "hs_object_id", "amount", "-amount", "hs_closed_won_date")


def test_every_question_is_answered_as_if_they_were_rows(old: Any) -> None:
    for n in range(30):
        old.deal(dealname=f"Deal {n}", amount=str(n * 700), dealstage="closedwon" if n % 2 else "contractsent")
        old.world.clock.advance(1)
    lazy = {(q, s): _all(old, *filters, sort=s) for q, filters in QUESTIONS.items() for s in SORTS}
    behind = backdrop.of(old.world)
    assert behind
    old.world.settings["backdrop"] = None
    for number in range(OLD):
        old.table("deals").put(behind.row(number))
        old.table("deals").writes += 1
    for (question, sort), ids in lazy.items():
        assert ids == _all(old, *QUESTIONS[question], sort=sort), (question, sort)
    assert len(lazy["nothing", "amount"]) == OLD + 30


def test_groups_are_joined_and_words_looked_for(old: Any) -> None:
    lost, high = _filter("dealstage", "EQ", "closedlost"), _filter("amount", "GTE", 10_000)
    body = {"filterGroups": [{"filters": [lost]}, {"filters": [high]}], "limit": 1}
    rows = [backdrop.of(old.world).row(n).values for n in range(OLD)]  # type: ignore[union-attr]
    wanted = sum(v["dealstage"] == "closedlost" or int(v["amount"]) >= 10_000 for v in rows)
    assert old.ok("POST", f"{DEALS}/search", body)["total"] == wanted
    assert _search(old, query="archive 00000123")["total"] == 1


def test_one_is_read_listed_linked_and_changed_like_any_other(old: Any) -> None:
    own, record_id = old.deal(), str(backdrop.FIRST_ID + 7)
    shown = old.ok("GET", f"{DEALS}/{record_id}?properties=dealname&propertiesWithHistory=dealstage")
    assert shown["properties"]["dealname"] == "Archive deal 00000008"
    assert [h["value"] for h in shown["propertiesWithHistory"]["dealstage"]] == ["closedlost", "contractsent"]
    assert record_id not in old.table("deals").rows
    batch = old.ok("POST", f"{DEALS}/batch/read", {"inputs": [{"id": record_id}, {"id": "1"}], "properties": []})
    assert ([r["id"] for r in batch["results"]], batch["numErrors"]) == ([record_id], 1)
    task = old.task()
    old.world.clock.advance(1)
    old.ok("PUT", f"/crm/objects/2026-09/tasks/{task.id}/associations/default/deals/{record_id}")
    old.ok("PATCH", f"{DEALS}/{record_id}", {"properties": {"dealname": "Woken"}})
    assert _all(old)[-1] == record_id
    assert len(_all(old)) == OLD + 1
    listed, after = [], "0"
    while after:
        page = old.ok("GET", f"{DEALS}?limit=100&after={after}")
        listed += [r["id"] for r in page["results"]]
        after = page.get("paging", {}).get("next", {}).get("after", "")
    assert listed == [*(str(backdrop.FIRST_ID + n) for n in range(OLD)), own.id]
    old.ok("DELETE", f"{DEALS}/{record_id}")
    assert record_id not in _all(old)
    assert [r["id"] for r in old.ok("GET", f"{DEALS}?archived=true")["results"]] == [record_id]


def test_a_million_cost_neither_memory_nor_time(huge: Any) -> None:
    _search(huge)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    deepest = _search(huge, after="9800")
    assert (deepest["total"], len(deepest["results"])) == (MILLION, 200)
    assert "paging" in deepest
    assert huge.ask("POST", f"{DEALS}/search", {"limit": 200, "after": "9801"}).status_code == 400
    window = [_filter("hs_lastmodifieddate", "BETWEEN", _ms(huge, 700_000), _ms(huge, 700_499))]
    assert _search(huge, *window)["total"] == 500
    won = _filter("dealstage", "EQ", "closedwon")
    assert _search(huge, *window, won)["total"] == 166
    last = _filter("hs_object_id", "GT", backdrop.FIRST_ID + MILLION - 3)
    assert _search(huge, last, sort="hs_object_id")["total"] == 2
    huge.ok("GET", f"{DEALS}?limit=100&after={backdrop.FIRST_ID + 900_000}")
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 2_000_000


def test_a_page_of_a_million_is_found_at_once(huge: Any) -> None:
    took = []
    for number in range(5):
        since = _filter("hs_lastmodifieddate", "GTE", _ms(huge, 100_000 * (number + 1)))
        body = {
            "filterGroups": [{"filters": [since]}],
            "sorts": ["hs_lastmodifieddate"],
            "limit": 200,
            "after": str(number * 2_000),
        }
        asked = Asked(huge.world, SEPTEMBER_2026, DEALS, {"type": "deals"}, (), b"{}", body, "app:x")
        # The time of this thread's processor, so that it says nothing of what else the machine does.
        started = time.thread_time()
        assert search.search(asked).rows == 200
        took.append((time.thread_time() - started) * 1000)
    assert sorted(took)[2] < PAGE_MS


def test_many_deals_share_a_millisecond(portal: Any) -> None:
    kept = portal.deal(dealname="Kept")
    portal.world.clock.advance(60)
    ids = crowd.touch(portal.world, 450, by="app:bulk")
    assert (ids[0], kept.values["dealname"]) == (kept.id, "Kept")
    stamp = epoch_ms(portal.world.clock.now())
    same = _filter("hs_lastmodifieddate", "EQ", stamp)
    assert _all(portal, same, sort="hs_object_id") == ids
    rest = _filter("hs_object_id", "GT", ids[399])
    assert _all(portal, same, rest, sort="hs_object_id") == ids[400:]
    assert {row.modified_by for row in portal.table("deals").live()} == {"app:bulk"}


def test_a_page_asked_for_again_sees_what_was_written_meanwhile(portal: Any) -> None:
    deals = [portal.deal(amount=str(n)) for n in range(4)]
    first = _search(portal, sort="amount", limit=2)
    portal.ok("PATCH", f"{DEALS}/{deals[0].id}", {"properties": {"amount": "9"}})
    again = _search(portal, sort="amount", limit=2)
    assert [r["id"] for r in first["results"]] == [deals[0].id, deals[1].id]
    assert [r["id"] for r in again["results"]] == [deals[1].id, deals[2].id]


def test_stretches_are_counted_as_they_would_be_listed() -> None:
    rng = random.Random(7)
    for _ in range(200):
        some, others = ([_stretch(rng) for _ in range(rng.randint(1, 3))] for _ in range(2))
        listed = sorted({n for each in some for n in _numbers(each)})
        apart = disjoint(some)
        assert [n for each in apart for n in _numbers(each)] == listed
        assert sum(map(len, apart)) == len(listed)
        assert sorted(n for each in both(some, others) for n in _numbers(each)) == sorted(
            set(listed) & {n for each in others for n in _numbers(each)}
        )
        without = rng.sample(range(400), 20)
        for backwards in (False, True):
            picked = Picked([Run(apart, backwards)], without=without)
            wanted = [n for n in (listed[::-1] if backwards else listed) if n not in without]
            assert [picked[n] for n in range(len(picked))] == wanted


def _stretch(rng: random.Random) -> Stretch:
    low = rng.randrange(0, 300)
    rests = tuple(sorted(rng.sample(EVERY, rng.randint(1, PERIOD))))
    return Stretch(low, low + rng.randrange(0, 150), rests)


def _numbers(each: Stretch) -> list[int]:
    return [n for n in range(each.low, each.high) if n % PERIOD in each.rests]
