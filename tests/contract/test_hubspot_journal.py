"""The journal's reader against the sandbox's journal: what people do is heard, whatever tokens and places come to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from contract.worlds import MAYA, SandboxWorld
from hubspot_portal import Passing, a_map
from listening import Ear

from connector.crm.hubspot.adapter import HubSpotCRM
from connector.crm.hubspot.live.journal import LINE, SCOPES, JournalFeed
from connector.crm.hubspot.login import App
from connector.crm.hubspot.session import Waits
from connector.handoff.model import Kind, SystemName, TouchKind
from connector.sandbox.hubspot.feeds.log import SUBSCRIPTIONS
from connector.sandbox.hubspot.schema import APP_CLIENT_ID, APP_CLIENT_SECRET, TOKEN
from connector.sandbox.server import Sandbox

ALL = {"deal", "task", "meeting", "call", "email"}
PAGE = 200


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox.running() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    """The same portal for every test, with an empty journal and nothing subscribed to."""
    usual = dict(running.hs.settings)
    running.hs.settings.update({"search_per_second": 0, "burst_limit": 0, "journal_per_second": 0, SUBSCRIPTIONS: {}})
    running.feeds.expire_journal()
    yield running
    running.hs.settings.clear()
    running.hs.settings.update(usual)


def a_crm(sandbox: Sandbox, **more: Any) -> HubSpotCRM:
    """An adapter with a token for records and an app for the journal, for which time passes by waiting."""
    time = Passing()
    given: dict[str, Any] = {"map": a_map(), "app": App(APP_CLIENT_ID, APP_CLIENT_SECRET)}
    waits = Waits(clock=time.clock, monotonic=time.monotonic, wait=time.wait)
    crm = HubSpotCRM(system=SystemName("hs"), token=TOKEN, base_url=sandbox.hs_url, waits=waits, **{**given, **more})
    crm.connect()
    return crm


@pytest.fixture
def crm(sandbox: Sandbox) -> HubSpotCRM:
    return a_crm(sandbox)


@pytest.fixture
def world(sandbox: Sandbox, crm: HubSpotCRM) -> SandboxWorld:
    fields = {(mapped.kind, mapped.name): mapped.field for mapped in a_map().fields.values()}
    return SandboxWorld(sandbox, sandbox.hs, crm, fields=fields, page=PAGE, tells_self=False)


@contextmanager
def listening(crm: HubSpotCRM, cursor: str | None = None) -> Iterator[Ear]:
    feed = crm.live()
    assert isinstance(feed, JournalFeed)
    ear = Ear(feed.listen(cursor, threading.Event()))
    try:
        ear.until(lambda: LINE in ear.lines and (ear.live or ear.why), "the line")
        yield ear
    finally:
        ear.heard.close()


def test_what_people_do_is_heard_and_leads_to_the_deal(crm: HubSpotCRM, world: SandboxWorld) -> None:
    deal_id = world.add_deal(name="A", account=world.add_account(name="Acme", country="France"))
    with listening(crm) as ear:
        assert ear.missed == ALL
        world.move(deal_id, world.won_stage)
        ear.until(lambda: deal_id in ear.deals, "the win")
        assert not ear.sightings[-1].minor
        assert ear.lines[LINE].feeds == frozenset(ALL)
        ear.forget()
        world.touch(deal_id, TouchKind.CALL, by=world.person(MAYA), at=world.now())
        ear.until(lambda: any(each.ask for each in ear.sightings), "the call")
        ear.until(lambda: deal_id in ear.deals, "that it hangs on the deal")
        (call,) = {each.ref for each in ear.sightings if each.ask}
        feed = crm.live()
        assert feed is not None
        assert feed.deals_of([call]) == {call: (deal_id,)}
        assert ear.feeds == {"deal", "call"}


def test_tokens_that_end_are_no_event(sandbox: Sandbox, crm: HubSpotCRM, world: SandboxWorld) -> None:
    deals = [world.add_deal(name=f"T{number}") for number in range(3)]
    with listening(crm) as ear:
        for deal_id in deals:
            sandbox.feeds.kill_tokens()
            world.move(deal_id, world.won_stage)
            ear.until(lambda deal_id=deal_id: deal_id in ear.deals, "the win")  # type: ignore[misc]
        assert ear.live
        assert (ear.sweeps, {line.why for line in ear.lines.values()}) == ([], {""})


@pytest.mark.parametrize("answer", ["404", "410", "earliest"])
def test_after_four_days_away_everything_is_looked_for(
    sandbox: Sandbox, crm: HubSpotCRM, world: SandboxWorld, answer: str
) -> None:
    sandbox.hs.settings["journal_aged"] = answer
    first, unheard, last = (world.add_deal(name=name) for name in ("first", "unheard", "last"))
    with listening(crm) as ear:
        world.move(first, world.won_stage)
        ear.until(lambda: first in ear.deals, "the first win")
        cursor = ear.cursor
    world.move(unheard, world.won_stage)
    sandbox.clock.advance(timedelta(days=4).total_seconds())
    with listening(a_crm(sandbox), cursor) as ear:
        ear.until(lambda: ear.live and ear.missed, "a new beginning")
        assert (ear.missed, len(ear.sweeps)) == (ALL, 1)
        world.move(last, world.won_stage)
        ear.until(lambda: last in ear.deals, "the last win")
        assert unheard not in ear.deals, "it is polled"


@pytest.mark.parametrize("upserts", [True, False])
def test_a_mapping_that_grows_leaves_one_subscription_for_each_wish(
    sandbox: Sandbox, crm: HubSpotCRM, world: SandboxWorld, upserts: bool
) -> None:
    sandbox.hs.settings["journal_upserts"] = upserts
    small = a_map()
    fewer = {path: mapped for path, mapped in small.fields.items() if path != "risks"}
    with listening(a_crm(sandbox, map=a_map(fields=fewer))) as ear:
        assert ear.live
    with listening(crm) as ear:
        assert ear.live
    told = list(sandbox.hs.settings[SUBSCRIPTIONS].values())
    assert len(told) == 8, "seven types, and links"
    (deals,) = [each for each in told if (each["objectTypeId"], each["subscriptionType"]) == ("0-3", "OBJECT")]
    assert "handoff_risks" in deals["properties"]
    deal_id = world.add_deal(name="grown")
    with listening(crm) as ear:
        world.edit(deal_id, risks="None that we know of")
        ear.until(lambda: deal_id in ear.deals, "the new property")


def test_what_check_says(sandbox: Sandbox) -> None:
    def said(**more: Any) -> tuple[str, str]:
        found = a_crm(sandbox, **more).examine()
        (heard,) = [note for note in found.notes if note.startswith("Changes are learned")]
        return heard, " ".join(str(each) for each in found.problems if each.key == "change_events")

    heard, problem = said(live_required=True)
    assert heard.startswith("Changes are learned by journal, with polling as the net (webhooks: no, ")
    assert problem == ""
    assert sandbox.hs.settings[SUBSCRIPTIONS] == {}, "asking changes nothing"
    heard, problem = said(live_required=True, app=None)
    assert "polling alone" in heard
    assert "journal: no, config.toml gives no client_id" in heard
    assert "a service key or an access token cannot read it" in problem
    deaf = a_crm(sandbox, live_required=True, app=None)
    assert problem in [str(each) for each in deaf.connect()], "the daemon's log says so too, in the same words"
    assert said(listens=False)[0].count("change_events is off") == 2
    sandbox.hs.settings["app_scopes"] = [each for each in SCOPES if each != "developer.webhooks_journal.read"]
    heard, problem = said(live_required=True)
    assert "polling alone" in heard
    assert "developer.webhooks_journal.read" in problem


def test_a_record_of_a_deal_that_went_into_another_names_both(crm: HubSpotCRM, world: SandboxWorld) -> None:
    winner, loser = world.add_deal(name="winner"), world.add_deal(name="loser")
    with listening(crm) as ear:
        feed = crm.live()
        assert isinstance(feed, JournalFeed)
        pair = {"primaryObjectId": winner, "objectIdToMerge": loser}
        merged = feed.session.send("merge", feed.session.objects("deals", "merge"), pair)
        ear.until(lambda: loser in ear.deals, "the merge")
        assert {winner, loser, str(merged["id"])} <= set(ear.deals)
    assert Kind.DEAL in {each.ref.kind for each in ear.sightings}
