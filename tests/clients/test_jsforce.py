"""npm jsforce, which nobody here wrote, uses the Salesforce sandbox; then the org's own rows are looked at.

Not here: what each answer must look like (``jsforce_tour.mjs``, beside this file). The package it deploys is the
connector's own export, converted by the vendor.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import node_tools
import pytest
from clients.exported import converted, exported
from provisioned import Bare, admin_token, bare_org

from connector.sandbox.salesforce import rules
from connector.sandbox.salesforce.auth import CLIENT_ID, CLIENT_SECRET
from connector.sandbox.salesforce.catalog import catalog

pytestmark = pytest.mark.system

TOUR = Path(__file__).parent / "jsforce_tour.mjs"
BULK_LOADED = 449
SHOWS = (
    "log in with a token",
    "log in with client credentials",
    "describe the org and an object",
    "describe, list and read metadata",
    "deploy without saving",
    "deploy over REST",
    "a new field is hidden until it is granted",
    "list, read and retrieve what was deployed",
    "ask and change the setup by Tooling",
    "create, read, update and delete one record",
    "create, read, update and delete in collections",
    "upsert by an external id",
    "a won save is refused field by field, and taken once they are filled",
    "load by Bulk 2.0",
    "update by a Bulk 2.0 job, step by step",
    "query by Bulk 2.0",
    "query page by page, and more by itself",
    "build a query",
    "ask for what changed and what was deleted",
    "see the limits",
)


@pytest.fixture
def org(tmp_path: Path) -> Iterator[Bare]:
    node_tools.modules()
    with bare_org(tmp_path / "site") as made:
        yield made


def test_jsforce_finds_the_org_it_knows(org: Bare, tmp_path: Path) -> None:
    package = tmp_path / "package.zip"
    package.write_bytes(converted(exported(org, tmp_path / "export"), tmp_path / "converted"))
    url = org.site.sandbox.sf_url
    printed = node_tools.said(
        TOUR, str(package), SF_URL=url, SF_TOKEN=admin_token(url), SF_CLIENT=CLIENT_ID, SF_SECRET=CLIENT_SECRET
    )
    told = [line.removeprefix("ok ").partition(": ") for line in printed.splitlines()]
    assert [name for name, _, _ in told] == list(SHOWS)
    assert all(what for _, _, what in told)
    _judge(org)


def _judge(org: Bare) -> None:
    """The state of the world, by its rows and not by what the client was told."""
    world = org.world
    deals = {row.values["Name"]: row.values for row in world.table("Opportunity").live()}
    assert deals.keys() == {"Fleet", "Harbour"}
    assert deals["Fleet"]["StageName"] == "Closed Won"
    asked = {rule.field for rule in rules.all(world) if rule.name.startswith("Handoff_Req_")}
    assert asked
    assert all(deals["Fleet"][name] for name in asked)
    assert (deals["Harbour"]["StageName"], deals["Harbour"].get("NextStep")) == ("Prospecting", None)
    keys = sorted(row.values["Handoff_Key__c"] for row in world.table("Task").live())
    assert keys == ["tour:one", "tour:two"]
    names = [row.values["Name"] for row in world.table("Account").live()]
    assert sum(name.startswith("Bulk ") for name in names) == BULK_LOADED
    assert len(names) == BULK_LOADED + 1
    deal = catalog(world).object("Opportunity")
    assert deal is not None
    assert deal.find("Handoff_Champion__c")
    assert world.journal.counts(system="sf").get("revoke")
