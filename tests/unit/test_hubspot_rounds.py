"""The second look and the census: what search shows late, or never, is found all the same."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import hubspot_index
import pytest
from hubspot_index import LOOKBACK, START, Index, Poller
from hubspot_portal import a_map
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.crm.hubspot.faults import HubSpotError
from connector.crm.hubspot.fields import Fields
from connector.crm.hubspot.rounds import CENSUS, SECOND_LOOK, Rounds
from connector.crm.hubspot.search import Query
from connector.crm.hubspot.watched import Watched, in_pipelines
from connector.crm.port import Change, PlaceLost
from connector.crm.rounds import RoundPage
from connector.errors import CrmError, Fault, FaultCode
from connector.handoff.model import SystemName

MINUTE = 60_000
HOUR = 60 * MINUTE


@dataclass
class Session:
    """An index per object type, and tasks that hang on deals."""

    indexes: defaultdict[str, Index] = field(default_factory=lambda: defaultdict(Index))
    hanging: dict[str, str] = field(default_factory=dict)

    def search(self, object_name: str, body: dict[str, Any]) -> dict[str, Any]:
        """One page of one type; filters by anything but id and time hold for all."""
        names = ("hs_object_id", "hs_lastmodifieddate")
        groups = [{"filters": [f for f in g["filters"] if f["propertyName"] in names]} for g in body["filterGroups"]]
        return self.indexes[object_name].search(object_name, {**body, "filterGroups": groups})

    def ask(self, kind: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The deals that records hang on."""
        found = [each["id"] for each in body["inputs"] if each["id"] in self.hanging]
        return {"results": [{"from": {"id": each}, "to": [{"toObjectId": self.hanging[each]}]} for each in found]}

    def get(self, kind: str, path: str, *, query: dict[str, str]) -> dict[str, Any]:
        """A page of the list of deals."""
        return self.indexes[path].get(kind, path, query=query)

    def objects(self, *parts: str) -> str:
        """A path."""
        return "/".join(parts)

    def associations(self, *parts: str) -> str:
        """A path."""
        return "/".join(parts)


def moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)


def rounds_of(session: Session, **changes: Any) -> Rounds:
    crm_map = a_map(**changes)
    watched = Watched(
        session,  # type: ignore[arg-type]
        Fields(crm_map),
        system=SystemName("hs"),
        heirs={},
        lookback=LOOKBACK,
    )
    return Rounds(session, watched, map=crm_map)  # type: ignore[arg-type]


def gone_through(rounds: Rounds, name: str, *, since: int, now: int) -> list[RoundPage]:
    """All pages of one round, each place handed on as text."""
    place: str | None = rounds.begin(name, since=moment(since), now=moment(now))
    pages = []
    while place is not None:
        pages.append(rounds.page(name, place, now=moment(now)))
        place = pages[-1].place
    return pages


def changed(pages: list[RoundPage]) -> set[tuple[str, int]]:
    return {(each.deal_id, int(each.modified_at.timestamp() * 1000)) for page in pages for each in page.changes}


LATE = st.lists(st.tuples(st.integers(1, 12), st.integers(0, 240), st.integers(0, 120)), min_size=1, max_size=12)
"""Deals, the minute each was changed, and how many minutes later the index shows it."""


@settings(max_examples=25, deadline=None)
@given(LATE)
def test_whatever_shows_within_two_hours_is_told(changes: list[tuple[int, int, int]]) -> None:
    session = Session()
    index, rounds = session.indexes["deals"], rounds_of(session)
    truth: dict[int, int] = {}
    for deal, minute, _ in changes:
        truth[deal] = max(START + minute * MINUTE, truth.get(deal, 0))
    poller, looked, began = Poller(index), set(), START
    for minute in range(0, 430, 5):
        now = START + minute * MINUTE
        for deal, at, late in changes:
            if at + late <= minute:
                index.rows[deal] = max(START + at * MINUTE, index.rows.get(deal, 0))
        poller.poll(now=now)
        if now - began >= HOUR:
            looked |= changed(gone_through(rounds, SECOND_LOOK.name, since=began, now=now))
            began = now
    assert {(str(deal), at) for deal, at in truth.items()} <= set(poller.told) | looked


def test_a_second_look_with_nothing_to_see_is_one_call_a_feed() -> None:
    session = Session()
    assert gone_through(rounds_of(session), SECOND_LOOK.name, since=START, now=START + HOUR)[-1].place is None
    assert {name: index.calls for name, index in session.indexes.items()} == {
        "deals": 1, "tasks": 1, "meetings": 1, "calls": 1, "emails": 1
    }  # fmt: skip


def test_a_second_look_finds_an_activity_that_showed_late_by_its_deal() -> None:
    session = Session(hanging={"9": "4711"})
    session.indexes["meetings"].rows[9] = START + 5 * MINUTE
    pages = gone_through(rounds_of(session), SECOND_LOOK.name, since=START, now=START + HOUR)
    assert changed(pages) == {("4711", START + 5 * MINUTE)}


def test_a_second_look_passes_over_what_it_may_not_see(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(hanging={"9": "4711"})
    session.indexes["emails"].rows[9] = START + 5 * MINUTE
    real = session.search

    def search(object_name: str, body: dict[str, Any]) -> dict[str, Any]:
        if object_name == hidden:
            raise HubSpotError(Fault(FaultCode.NOT_PERMITTED, "MISSING_SCOPES", "not for you"), status=403)
        return real(object_name, body)

    monkeypatch.setattr(session, "search", search)
    hidden = "calls"
    pages = gone_through(rounds_of(session), SECOND_LOOK.name, since=START, now=START + HOUR)
    assert changed(pages) == {("4711", START + 5 * MINUTE)}
    hidden = "deals"
    with pytest.raises(CrmError, match="not for you"):
        gone_through(rounds_of(session), SECOND_LOOK.name, since=START, now=START + HOUR)


def test_a_second_look_walks_past_the_cap_and_a_tie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubspot_index, "MOST", 1000)
    session = Session()
    rows = {n: START + n for n in range(1, 2300)} | dict.fromkeys(range(20_000, 20_450), START + 77)
    session.indexes["deals"].rows = rows
    pages = gone_through(rounds_of(session), SECOND_LOOK.name, since=START, now=START + HOUR)
    assert changed(pages) == {(str(each), at) for each, at in rows.items()}


def test_a_census_lists_every_deal_and_tells_those_changed_since() -> None:
    session = Session()
    index = session.indexes["deals"]
    index.rows = dict.fromkeys(range(1, 1001), START - 30 * HOUR) | {77: START + 5, 1002: START + 6}
    index.hidden = {77, 1002}
    index.archived = {5000 + n: START for n in range(150)}
    pages = gone_through(rounds_of(session), CENSUS.name, since=START, now=START + 24 * HOUR)
    assert changed(pages) == {("77", START + 5), ("1002", START + 6)}
    assert {each for page in pages for each in page.listed} == {str(each) for each in index.rows}
    assert {each.deal_id for page in pages for each in page.gone} == {str(each) for each in index.archived}
    assert len(pages) == 11 + 2
    assert pages[0].of == len(index.rows) - len(index.hidden)


def test_a_list_that_names_the_same_page_again_is_a_fault_and_not_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session()
    session.indexes["deals"].rows = dict.fromkeys(range(1, 300), START)
    answer = {"results": [], "paging": {"next": {"after": "100"}}}
    monkeypatch.setattr(session, "get", lambda kind, path, *, query: answer)
    with pytest.raises(CrmError):
        gone_through(rounds_of(session), CENSUS.name, since=START, now=START + HOUR)


def test_more_pipelines_than_a_search_can_name_are_sorted_out_here() -> None:
    few, many = a_map(pipelines=tuple("abc")), a_map(pipelines=tuple(f"pipeline-{n:027}" for n in range(60)))
    assert in_pipelines(few)
    assert in_pipelines(many) == ()
    session = Session()
    watched = Watched(session, Fields(many), system=SystemName("hs"), heirs={}, lookback=LOOKBACK)  # type: ignore[arg-type]
    assert "pipeline" in watched.feeds["deal"].properties
    index = session.indexes["deals"]
    index.rows = {1: START, 2: START + 1}
    answer = index.row

    def row(each: int, **how: Any) -> dict[str, Any]:
        told = answer(each, **how)
        mine = many.pipelines[3] if each == 1 else "default"
        return {**told, "properties": {**told["properties"], "pipeline": mine}}

    index.row = row  # type: ignore[method-assign]
    page = watched.changes("deal", watched.start("deal", moment(START)), now=moment(START + HOUR))
    assert page.changes == (Change("1", moment(START)),)


@pytest.mark.parametrize("pipelines", [1, 20, 45, 100, 300])
@pytest.mark.parametrize("length", [7, 36])
def test_no_search_is_longer_than_the_portal_takes(pipelines: int, length: int) -> None:
    crm_map = a_map(pipelines=tuple(f"{n:0{length}}" for n in range(pipelines)))
    filters = in_pipelines(crm_map)
    stamp = {"propertyName": "hs_closed_won_date", "operator": "GTE", "value": "1760000000000"}
    query = Query(
        "deals", ((*filters, stamp, stamp), (*filters, stamp, stamp)), ("dealstage", "pipeline"), sort="x" * 30
    )
    assert len(str(query.also(stamp, stamp).body())) <= 3000


def test_places_are_short_and_the_same_page_can_be_asked_again() -> None:
    session = Session()
    session.indexes["deals"].rows = dict.fromkeys(range(1, 450), START)
    rounds = rounds_of(session)
    for name in (SECOND_LOOK.name, CENSUS.name):
        place = rounds.begin(name, since=moment(START), now=moment(START) + timedelta(hours=1))
        for _ in range(3):
            first = rounds.page(name, place, now=moment(START))
            assert rounds.page(name, place, now=moment(START)) == first
            assert first.place is not None
            assert len(first.place) < 200
            place = first.place


@pytest.mark.parametrize(
    "place",
    [
        *("[99,0,0,[0,0,null,0,null,null]]", "[-1,0,0,[0,0,null,0,null,null]]", '[0,0,0,["x",0,null,0,null,null]]'),
        *("[0,0,0,[0,0,null,[],null,null]]", "[0,0,0,[0,0,null,0,7,null]]"),
    ],
)
def test_a_place_of_a_feed_or_stretch_that_is_none_is_told_as_lost(place: str) -> None:
    with pytest.raises(PlaceLost):
        rounds_of(Session()).page(SECOND_LOOK.name, place, now=moment(START))
