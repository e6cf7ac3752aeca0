"""What stands behind the numbers, on both databases: lists that hold what is counted, one reading that says it all.

Not here: the sums themselves, and the page.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest

from bench.many import TODAY, made_up, put
from connector.handoff.measures.catalogue import MEASURES, PER_HANDOFF
from connector.handoff.measures.figure import FUNNEL
from connector.handoff.measures.summing import aim, meets
from connector.handoff.rulebook.watch import Targets
from connector.store import Store
from connector.store.behind import Listing
from connector.store.figures import ALL, EVERYTHING, Dimension, Selection

MADE = [*made_up(150, seed=11), *made_up(30, seed=12, system="hs")]
CHOSEN = [
    ALL,
    Selection(systems=("hs",)),
    Selection(since=date(2026, 6, 1), until=date(2026, 9, 1)),
    Selection(csm="Keeper 3"),
]


@pytest.fixture
def filled(store: Store) -> Store:
    put(store, MADE)
    return store


def test_a_list_holds_what_its_number_counts_and_the_worst_first(filled: Store) -> None:
    targets = Targets()
    for one in PER_HANDOFF:
        values = {(each.system, each.deal_id): each.values[one.key] for each in MADE}
        known = {key: value for key, value in values.items() if value is not None}
        good = {key for key, value in known.items() if meets(one, value, aim(one, targets))}
        judged = one.target or one.way == "share"
        for which, expected in (("counted", set(known)), ("met", good), ("missed", set(known) - good)):
            if which != "counted" and not judged:
                continue
            listing = Listing(measure=one.key, which=which)  # type: ignore[arg-type]
            found = filled.behind(ALL, listing, targets=targets, limit=1000)
            assert {(each.system, each.deal_id) for each in found} == expected, (one.key, which)
            assert filled.how_many(ALL, listing, targets=targets) == len(expected)
    hours = [each.values["ttft"] for each in filled.behind(ALL, Listing(measure="ttft"), limit=1000)]
    assert hours == sorted(hours, reverse=True)  # type: ignore[type-var]
    shares = [each.values["milestones"] for each in filled.behind(ALL, Listing(measure="milestones"), limit=1000)]
    assert shares == sorted(shares)  # type: ignore[type-var]
    assert MEASURES["ttft"].title


def test_pages_hold_each_handoff_once(filled: Store) -> None:
    pages = [filled.behind(limit=50, offset=offset) for offset in (0, 50, 100, 150)]
    assert [len(each) for each in pages] == [50, 50, 50, 30]
    assert len({(one.system, one.deal_id) for page in pages for one in page}) == 180


@pytest.mark.parametrize("selection", CHOSEN, ids=["all", "one system", "a season", "one CSM"])
def test_one_reading_says_what_funnel_and_coverage_say(filled: Store, selection: Selection) -> None:
    standing = filled.standing(selection, by=Dimension.SEGMENT)
    assert standing.funnel == filled.funnel(selection)
    assert standing.coverage == filled.covered(selection)
    for stage in FUNNEL:
        assert filled.how_many(selection, Listing(stage=stage)) == standing.funnel[stage]
    for reason, deals in standing.coverage.reasons.items():
        assert filled.how_many(selection, Listing(reason=reason)) == deals
    assert filled.how_many(selection, Listing(reason="")) == standing.coverage.handed
    assert sum(standing.sizes.values()) == filled.how_many(selection) > 0


def test_promises_come_by_their_day_and_the_stuck_are_all_there(filled: Store) -> None:
    found = filled.promised(limit=1000)
    assert [day for _, day, _ in found] == sorted(one.promise_due for one in MADE if one.promise_due)
    assert found[0][1] < TODAY
    stuck = filled.behind(ALL, Listing(stuck=True), limit=1000)
    assert {one.deal_id for one in stuck} == {one.deal_id for one in MADE if one.stuck}


@pytest.mark.parametrize("selection", CHOSEN, ids=["all", "one system", "a season", "one CSM"])
def test_one_reading_says_what_many_say(filled: Store, selection: Selection) -> None:
    of, every = ("ttft", "completion"), tuple(MEASURES)
    trend = filled.trend(selection, of=of, ranged=every)
    assert trend.totals == filled.sums(selection)[EVERYTHING]
    assert trend.weekly == filled.sums(selection, by=Dimension.WEEK, measures=of)
    without = filled.trend(selection, of=of).totals
    assert {key: replace(one, squares=0.0) for key, one in trend.totals.items()} == {
        key: replace(one, squares=0.0) for key, one in without.items()
    }
    assert without["ttft"] == trend.totals["ttft"]
    for by in (Dimension.CSM, Dimension.HOUR):
        cohorts = filled.cohorts(selection, by=by, measures=of)
        assert {group: sums for group, (_, sums) in cohorts.items()} == filled.sums(selection, by=by, measures=of)
        sizes = filled.standing(selection, by=by).sizes
        assert {group.key: size for group, (size, _) in cohorts.items() if size} == sizes
    known = filled.all_options((Dimension.AE, Dimension.TIER), systems=selection.systems)
    assert known == {each: filled.options(each, systems=selection.systems) for each in known}


def test_a_list_shows_what_stands_behind_it(filled: Store) -> None:
    listings = (Listing(measure="ttft", which="missed"), Listing(stuck=True), Listing(reason=""), Listing(due=True))
    for listing in listings:
        figures = filled.behind(ALL, listing, limit=40, offset=5)
        lines = filled.lines(ALL, listing, limit=40, offset=5)
        assert [(one.system, one.deal_id, one.generation) for one in figures] == [line[:3] for line in lines]
        for one, line in zip(figures, lines, strict=True):
            assert (one.title, one.account_name, one.reason) == (line.title, line.account_name, line.reason)
            assert (one.ae.name, one.csm.name, one.segment) == (line.ae_name, line.csm_name, line.segment)
            assert (FUNNEL.index(one.funnel), json.dumps(list(one.stuck))) == (line.funnel, line.stuck)
            assert line.won_on == (one.won_on.isoformat() if one.won_on else None)
            assert line.value == (one.values[listing.measure] if listing.measure else None)
            assert line.due == (one.promise_due.isoformat() if one.promise_due else None)


def test_what_is_read_within_one_state_is_of_one_transaction(filled: Store) -> None:
    with filled.one_state():
        with filled._db.read() as first, filled._db.read() as second:
            assert first is second
        assert filled.how_many() == len(MADE)
    with filled._db.read() as later:
        assert later is not first
