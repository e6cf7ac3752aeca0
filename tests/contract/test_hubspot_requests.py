"""What the connector asks of a portal, judged by the vendor's library: installing, running, telling, tidying up.

Every other test of this folder is judged the same way (``conftest.py``); this one takes the tour and counts.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from contract.suite import meeting, note, patch, task
from contract.worlds import MAYA, SandboxWorld
from hubspot_judge import Ear
from hubspot_portal import a_map
from hubspot_provision import bare_portal

from connector.clock import SystemClock
from connector.crm.hubspot.adapter import HubSpotCRM
from connector.crm.hubspot.login import App
from connector.crm.hubspot.session import Waits
from connector.crm.installer import Choices
from connector.handoff.model import Kind, SystemName
from connector.sandbox.hubspot.feeds.log import SUBSCRIPTIONS
from connector.sandbox.hubspot.schema import APP_CLIENT_ID, APP_CLIENT_SECRET, TOKEN
from connector.sandbox.server import Sandbox

LEAST = 33
UNHURRIED = {"search_per_second": 0, "burst_limit": 0, "journal_per_second": 0, SUBSCRIPTIONS: {}}
# What the library has no operation for: the beta that sets pipeline rules, and files that are fetched without a token.
BEYOND_THE_LIBRARY = ("pipelines-rules", "/journal-files/", "/__")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.running() as sandbox:
        sandbox.hs.settings.update(
            {"search_per_second": 0, "burst_limit": 0, "journal_per_second": 0, SUBSCRIPTIONS: {}}
        )
        yield sandbox


def test_every_request_of_the_connector_is_one_that_the_vendors_library_knows(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    running = Ear(sandbox.hs)
    _run(sandbox)
    with bare_portal() as bare:
        bare.world.settings.update(UNHURRIED)
        installing = Ear(bare.world)
        _, ended, _ = bare.apply()
        assert ended.ok
        installer = bare.installer()
        installer.look(Choices(remove=True))
        assert installer.carry_out(told=lambda _: None).ok
    seen = running.seen + installing.seen
    assert (running.wrong, installing.wrong) == ([], [])
    strange = {name for name in running.unknown + installing.unknown if not any(b in name for b in BEYOND_THE_LIBRARY)}
    assert strange == set()
    with capsys.disabled():
        print(f"\nhubspot-sdk judged {seen.total()} requests of the connector, {len(seen)} distinct operations")
    assert len(seen) >= LEAST


def _run(sandbox: Sandbox) -> None:
    crm = HubSpotCRM(
        system=SystemName("hs"),
        map=a_map(),
        token=TOKEN,
        base_url=sandbox.hs_url,
        waits=Waits(clock=SystemClock(), wait=lambda _: None),
        app=App(APP_CLIENT_ID, APP_CLIENT_SECRET),
    )
    crm.connect()
    crm.examine()
    fields = {(mapped.kind, mapped.name): mapped.field for mapped in a_map().fields.values()}
    world = SandboxWorld(sandbox, sandbox.hs, crm, fields=fields, page=200, tells_self=False)
    deal = world.add_deal(name="Tour", account=world.add_account(name="Acme", country="France"), won=True)
    owner = world.person(MAYA)
    writes = [task(deal, f"hs:{deal}:1:a", subject="a", owner=owner), note(deal), meeting(deal)]
    for write in (*writes, *writes, patch(Kind.DEAL, deal, summary="All of it")):
        crm.apply([write])
    crm.find(Kind.TASK, {f"hs:{deal}:1:a": deal})
    crm.fetch([deal])
    crm.poll({feed: crm.start_cursor(feed, datetime(2026, 1, 1, tzinfo=UTC)) for feed in crm.feeds()})
    for found in (crm.scan_won(None), crm.scan_changed(datetime(2026, 1, 1, tzinfo=UTC))):
        list(found)
    crm.people()
    crm.account_counts()
    crm.stages()
    crm.earliest_start()
    crm.describe(Kind.TASK)
    _listen(crm)


def _listen(crm: HubSpotCRM) -> None:
    feed, over = crm.live(), threading.Event()
    assert feed is not None
    hints = feed.listen(None, over)
    next(hints)
    over.set()
    hints.close()  # type: ignore[attr-defined]
