"""The whole installation deployed into an org as a customer has it on day one: taken at once, and again as it is.

Not here: planning it against what is there (the provision command's own tests).
"""

from __future__ import annotations

from pathlib import Path

import pytest
from metadata_files import Admin, problems

from connector.crm.salesforce.provision.component import Component
from connector.crm.salesforce.provision.desired import desired
from connector.crm.salesforce.provision.options import Channel, Options
from connector.crm.salesforce.provision.render import deploy_zip
from connector.handoff.model import SystemName
from connector.policy.load import load
from connector.sandbox.salesforce import rules
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.server import Sandbox

ROOT = Path(__file__).parent.parent.parent
SF = SystemName("sf")
ONE_PER_CHANNEL = "PlatformEventChannelMember"
"""Selecting an entity twice is refused (facts: Salesforce §2.5)."""


def shipped(options: Options) -> tuple[Component, ...]:
    loaded = load(ROOT / "mappings", {SF: "salesforce"})
    return desired(loaded.maps[SF], loaded.policies[SF], options).components


@pytest.mark.parametrize(
    "options",
    [
        Options(),
        Options(channel=Channel.CUSTOM, activity_events=True, ledger=True, writes_owner=True),
        Options(channel=Channel.OFF, notifications=False, reports=False, track_history=False),
    ],
    ids=["plain", "everything", "least"],
)
def test_a_bare_org_takes_the_installation_whole_and_again(admin: Admin, bare: Sandbox, options: Options) -> None:
    made = shipped(options)
    first = admin.deploy(deploy_zip(made, api_version=options.api_version))
    assert problems(first) == []
    # Folders are members of their reports' type, so each component counts.
    assert (first["status"], first["numberComponentsDeployed"]) == ("Succeeded", len(made))
    deal = catalog(bare.sf).object("Opportunity")
    fields = [one.name.partition(".")[2] for one in made if one.key[0] == "CustomField" and "Opportunity." in one.name]
    assert deal is not None
    assert all(deal.find(name) for name in fields)
    assert {rule.name for rule in rules.all(bare.sf) if rule.name.startswith("Handoff_")} == {
        one.name.partition(".")[2] for one in made if one.type == "ValidationRule"
    }
    again = [one for one in made if one.type != ONE_PER_CHANNEL]
    assert admin.deploy(deploy_zip(again, api_version=options.api_version))["status"] == "Succeeded"
