"""Deals and companies that are merged, archived and restored, and a portal gone through, against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from contract.test_hubspot_contract import NO_WAIT, PAGE
from contract.worlds import ELENA_AE
from hubspot_portal import a_map

from connector.crm.hubspot.adapter import HubSpotCRM
from connector.crm.rounds import RoundPage
from connector.crm.writing import Operation, Refused, Write
from connector.errors import Advice
from connector.handoff.model import Kind, Ref, SystemName
from connector.sandbox import views
from connector.sandbox.hubspot import crowd, merging
from connector.sandbox.hubspot.schema import TOKEN
from connector.sandbox.server import Sandbox
from connector.sandbox.state import World

KEY = "hs:{deal}:1:welcome-packet"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.running() as sandbox:
        sandbox.hs.settings.update(search_per_second=0, burst_limit=0)
        yield sandbox


@pytest.fixture
def crm(sandbox: Sandbox) -> HubSpotCRM:
    crm = HubSpotCRM(
        system=SystemName("hs"), map=a_map(), token=TOKEN, base_url=sandbox.hs_url, page_size=PAGE, waits=NO_WAIT
    )
    crm.connect()
    return crm


@pytest.fixture(params=[False, True], ids=["new id", "old id"])
def world(sandbox: Sandbox, request: pytest.FixtureRequest) -> World:
    """The portal, in which a merged record gets an id of its own or keeps the primary one's."""
    sandbox.hs.settings["merge_keeps_id"] = request.param
    return sandbox.hs


def a_deal(world: World, name: str, *, account: str | None = None) -> str:
    view = views.view(world)
    by = view.user_named(ELENA_AE).id
    values = {"name": name, "close_date": date(2026, 12, 1), "owner": by, "account": account}
    with world.lock:
        return view.add_deal(values, stage=view.stage_of("won", "new").id, deal_type="new", by=by)


def a_task(crm: HubSpotCRM, deal: str) -> None:
    values: dict[str, Any] = {"subject": "Send the welcome packet", "due": date(2026, 12, 3)}
    key = KEY.format(deal=deal)
    row = Write(Kind.TASK, Operation.UPSERT, values=values, key=key, parents=(Ref(Kind.DEAL, deal),))
    crm.apply([row])


def merged(world: World, name: str, *ids: str) -> str:
    with world.lock:
        return merging.merge_all(world, name, ids[0], list(ids[1:]), by="a person")


def told(crm: HubSpotCRM, feed: str, cursor: str) -> set[str]:
    """The deals that a feed tells of since a cursor."""
    found, more = set(), True
    while more:
        page = crm.changes(feed, cursor)
        found |= {change.deal_id for change in page.changes}
        cursor, more = page.cursor, page.more
    return found


def gone_through(crm: HubSpotCRM, name: str) -> list[RoundPage]:
    rounds, now = crm.rounds(), crm.server_time()
    place: str | None = rounds.begin(name, since=now - timedelta(hours=1), now=now)
    pages: list[RoundPage] = []
    while place is not None:
        pages.append(rounds.page(name, place, now=now))
        place = pages[-1].place
    return pages


def test_a_merged_deal_is_gone_and_the_survivor_names_it_and_has_its_tasks(crm: HubSpotCRM, world: World) -> None:
    handed, other = a_deal(world, "Handed over"), a_deal(world, "The same again")
    a_task(crm, handed)
    survivor = merged(world, "deals", other, handed)
    found = crm.fetch([handed, other, survivor])
    assert set(found) == {survivor}
    assert handed in found[survivor].merged
    assert [task.key for task in found[survivor].tasks] == [KEY.format(deal=handed)]


def test_the_feed_tells_of_both_the_survivor_and_who_went_into_it_once(crm: HubSpotCRM, world: World) -> None:
    handed, other = a_deal(world, "Handed over once"), a_deal(world, "A double")
    cursor = crm.start_cursor("deal", crm.server_time())
    survivor = merged(world, "deals", handed, other)
    assert told(crm, "deal", cursor) >= {survivor, handed, other}
    crm.fetch([survivor])
    assert told(crm, "deal", cursor).isdisjoint({handed, other} - {survivor})


def test_a_task_whose_key_names_a_merged_deal_leads_to_the_survivor(crm: HubSpotCRM, world: World) -> None:
    handed, other = a_deal(world, "Handed over too"), a_deal(world, "And again")
    a_task(crm, handed)
    cursor = crm.start_cursor("task", crm.server_time())
    survivor = merged(world, "deals", handed, other)
    (task,) = crm.fetch([survivor])[survivor].tasks
    with world.lock:
        views.view(world).complete_task(task.id, by="a person")
    found = told(crm, "task", cursor)
    assert survivor in found
    assert found.isdisjoint({handed, other} - {survivor})


def test_the_deals_of_a_merged_company_are_the_survivors(crm: HubSpotCRM, world: World) -> None:
    view = views.view(world)
    with world.lock:
        one, two = (view.add_account({"name": name, "country": "NO"}, by="a person") for name in ("Nord", "Nord AS"))
    first, second = a_deal(world, "Of one", account=one), a_deal(world, "Of two", account=two)
    survivor = merged(world, "companies", one, two)
    accounts = {each: facts.account for each, facts in crm.fetch([first, second]).items()}
    assert {each: account and account.ref.id for each, account in accounts.items()} == {
        first: survivor, second: survivor
    }  # fmt: skip


def test_a_write_to_a_company_that_was_merged_away_asks_for_a_new_look(crm: HubSpotCRM, world: World) -> None:
    view = views.view(world)
    with world.lock:
        one, two = (view.add_account({"name": name, "country": "NO"}, by="a person") for name in ("Sol", "Sol AS"))
    merged(world, "companies", one, two)
    (outcome,) = crm.apply([Write(Kind.ACCOUNT, Operation.UPDATE, values={"country": "SE"}, record_id=two)])
    assert isinstance(outcome, Refused)
    assert outcome.fault.advice is Advice.REREAD


@pytest.mark.parametrize("listed", [False, True])
def test_a_census_tells_who_is_archived_who_came_back_and_who_changed(
    crm: HubSpotCRM, world: World, *, listed: bool
) -> None:
    world.settings["merged_are_listed"] = listed
    archived, restored, changed = (a_deal(world, name) for name in ("Archived", "Restored", "Changed"))
    with world.lock:
        for each in (archived, restored):
            world.table("deals").delete(each, by="a person")
        merging.undelete(world, "deals", restored, by="a person")
    pages = gone_through(crm, "census")
    lists = {each for page in pages for each in page.listed}
    gone = {change.deal_id for page in pages for change in page.gone}
    assert archived in gone - lists
    assert {restored, changed} <= lists - gone
    assert {changed} <= {change.deal_id for page in pages for change in page.changes}


def test_many_deals_of_one_millisecond_are_told_by_feed_and_by_second_look(sandbox: Sandbox, crm: HubSpotCRM) -> None:
    world = sandbox.hs
    at = crm.server_time()
    with world.lock:
        ids = set(crowd.touch(world, 450, at=at, by="a person"))
    cursor = crm.start_cursor("deal", at)
    wide = HubSpotCRM(system=SystemName("hs"), map=a_map(), token=TOKEN, base_url=sandbox.hs_url, waits=NO_WAIT)
    assert ids <= told(wide, "deal", cursor)
    sandbox.clock.advance(1200)
    wide.connect()  # whose answers tell what time it is
    looked = {change.deal_id for page in gone_through(wide, "second-look") for change in page.changes}
    assert ids <= looked
