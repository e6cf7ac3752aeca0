"""The Salesforce adapter keeps the contract: the shipped mapping, the real SDK, real sockets, the sandbox's org."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from contract.suite import CrmContract
from contract.worlds import SandboxWorld, World

from connector.crm.salesforce.adapter import connect_salesforce
from connector.crm.salesforce.login import API_VERSION, SalesforceLogin
from connector.handoff.model import SystemName
from connector.policy.crmmap import CrmMap
from connector.policy.load import load
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.fields import Field, ObjectType
from connector.sandbox.salesforce.users import integration_user
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
            yield connected(sandbox, bulk_reads=request.param)


class TestWithoutAFieldOnActivity(CrmContract):
    """An org whose admins allow no field on Activity: the key stands in our own object, or in the task's text."""

    @pytest.fixture(params=[True, False], ids=["ledger", "marker"])
    def world(self, request: pytest.FixtureRequest) -> Iterator[SandboxWorld]:
        with Sandbox.running() as sandbox:
            schema = catalog(sandbox.sf)
            schema.drop_field("Activity", "Handoff_Key__c")
            if request.param:
                add_ledger(sandbox)
            yield connected(sandbox)

    def test_connecting_to_a_furnished_org_has_no_complaints(self, world: World) -> None:
        told = {problem.key: problem.message for problem in world.crm.connect()}
        assert set(told) <= {"task.key"}
        assert "Activity" in told["task.key"]


def connected(
    sandbox: Sandbox, *, bulk_reads: bool = True, map: CrmMap = SHIPPED, api_version: str = API_VERSION
) -> SandboxWorld:
    """The adapter, connected to a sandbox's org."""
    app = {"client_id": "handoff-daemon", "client_secret": "sandbox-secret"}
    crm = connect_salesforce(
        system=SF,
        map=map,
        login=SalesforceLogin(sandbox.sf_url, **app, api_version=api_version),
        page_size=PAGE,
        bulk_reads=bulk_reads,
    )
    crm.connect()
    return SandboxWorld(sandbox, sandbox.sf, crm, fields=FIELDS, page=PAGE, tells_self=True)


def add_ledger(sandbox: Sandbox) -> None:
    """The object that carries keys where Activity must not."""
    schema = catalog(sandbox.sf)
    own = (
        Field("Handoff_Key__c", "string", 255, external_id=True, unique=True),
        Field("Handoff_Record__c", "string", 18),
        Field("Handoff_Deal__c", "string", 18),
    )
    schema.put_object(ObjectType("Handoff_Effect__c", "Handoff effect", "", own))
    user = integration_user(sandbox.sf).id
    granted = sandbox.sf.table("PermissionSet").insert({"Name": "Effects", "Label": "Effects"}, by=user)
    rights = {f"Permissions{right}": True for right in ("Read", "Create", "Edit")}
    about = {"ParentId": granted.id, "SobjectType": "Handoff_Effect__c"}
    sandbox.sf.table("ObjectPermissions").insert({**about, **rights}, by=user)
    for each in own:
        seen = {"Field": f"Handoff_Effect__c.{each.name}", "PermissionsRead": True, "PermissionsEdit": True}
        sandbox.sf.table("FieldPermissions").insert({**about, **seen}, by=user)
    assigned = {"AssigneeId": user, "PermissionSetId": granted.id}
    sandbox.sf.table("PermissionSetAssignment").insert(assigned, by=user)
