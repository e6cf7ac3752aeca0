"""The Salesforce adapter keeps the contract: the shipped mapping, the real SDK, real sockets, the sandbox's org."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from contract.suite import CrmContract
from contract.worlds import SandboxWorld

from connector.crm.salesforce.adapter import connect_salesforce
from connector.crm.salesforce.login import SalesforceLogin
from connector.handoff.model import SystemName
from connector.policy.load import load
from connector.sandbox.server import Sandbox

PAGE = 3
SF = SystemName("sf")
SHIPPED = load(Path(__file__).parents[2] / "mappings", {SF: "salesforce"}).maps[SF]
FIELDS = {(mapped.kind, mapped.name): mapped.field for mapped in SHIPPED.fields.values()}


class TestSalesforceContract(CrmContract):
    """Reading in bulk (Composite, Collections retrieve), and by plain queries alone."""

    @pytest.fixture(params=[True, False], ids=["bulk", "plain"])
    def world(self, request: pytest.FixtureRequest) -> Iterator[SandboxWorld]:
        with Sandbox.running() as sandbox:
            crm = connect_salesforce(
                system=SF,
                map=SHIPPED,
                login=SalesforceLogin(sandbox.sf_url, client_id="handoff-daemon", client_secret="sandbox-secret"),
                page_size=PAGE,
                bulk_reads=request.param,
            )
            crm.connect()
            yield SandboxWorld(sandbox, sandbox.sf, crm, fields=FIELDS, page=PAGE, tells_self=True)
