"""The Salesforce adapter keeps the contract against the sandbox's org, through the real SDK and real sockets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from contract.maps import FIELDS, salesforce_map
from contract.suite import CrmContract
from contract.worlds import SandboxWorld

from connector.crm.salesforce.adapter import connect_salesforce
from connector.crm.salesforce.session import SalesforceLogin
from connector.handoff.model import SystemName
from connector.sandbox.server import Sandbox

PAGE = 3


class TestSalesforceContract(CrmContract):
    """Reading in bulk (Composite, Collections retrieve), and by plain queries alone."""

    @pytest.fixture(params=[True, False], ids=["bulk", "plain"])
    def world(self, request: pytest.FixtureRequest) -> Iterator[SandboxWorld]:
        with Sandbox.running() as sandbox:
            crm = connect_salesforce(
                system=SystemName("sf"),
                map=salesforce_map(),
                login=SalesforceLogin(sandbox.sf_url, client_id="handoff-daemon", client_secret="sandbox-secret"),
                page_size=PAGE,
                bulk_reads=request.param,
            )
            crm.connect()
            yield SandboxWorld(sandbox, sandbox.sf, crm, fields=FIELDS, page=PAGE, tells_self=True)
