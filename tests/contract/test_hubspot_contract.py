"""The HubSpot adapter keeps the contract against the sandbox's portal, through the vendor's client and real sockets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from contract.suite import DUE, CrmContract, Feeds, applied, patch, task
from contract.worlds import MAYA, SandboxWorld
from hubspot_portal import a_map

from connector.clock import SystemClock
from connector.crm.hubspot.adapter import HubSpotCRM
from connector.crm.hubspot.session import Waits
from connector.crm.port import Applied, Operation, Refused, Unknown, Write
from connector.errors import Advice, CrmError, FaultCode
from connector.handoff.model import Kind, Ref, SystemName
from connector.sandbox.hubspot.schema import PORTAL_ID, TOKEN
from connector.sandbox.server import Sandbox

PAGE = 3
NO_WAIT = Waits(clock=SystemClock(), wait=lambda _: None)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.running() as sandbox:
        # Rates are kept by real time; their own tests are in tests/unit.
        sandbox.hs.settings.update(search_per_second=0, burst_limit=0)
        yield sandbox


def portal(sandbox: Sandbox, *, calls: Counter[str] | None = None, page_size: int = PAGE, **more: object) -> HubSpotCRM:
    """An adapter logged in to the sandbox's portal."""
    heard = calls if calls is not None else Counter()
    crm = HubSpotCRM(
        system=SystemName("hs"),
        map=a_map(),
        token=TOKEN,
        base_url=sandbox.hs_url,
        on_call=lambda kind: heard.update([kind]),
        page_size=page_size,
        waits=NO_WAIT,
        **more,  # type: ignore[arg-type]
    )
    crm.connect()
    return crm


def world_of(sandbox: Sandbox, crm: HubSpotCRM) -> SandboxWorld:
    """The portal as people see it."""
    fields = {(mapped.kind, mapped.name): mapped.field for mapped in a_map().fields.values()}
    return SandboxWorld(sandbox, sandbox.hs, crm, fields=fields, page=PAGE, tells_self=False)


class TestHubSpotContract(CrmContract):
    """Tasks and notes by unique key, changes by search."""

    @pytest.fixture
    def world(self, sandbox: Sandbox) -> SandboxWorld:
        return world_of(sandbox, portal(sandbox))
