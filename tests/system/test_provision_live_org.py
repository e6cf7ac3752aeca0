"""Installing into an org that people have lived in: production, a policy that changed, fields and rules of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from provisioned import Bare, bare_org

from connector.sandbox.salesforce.metadata import planting
from connector.sandbox.salesforce.metadata.store import store
from connector.sandbox.salesforce.metadata.tree import Node, leaf

pytestmark = pytest.mark.system


@pytest.fixture
def org(tmp_path: Path) -> Iterator[Bare]:
    with bare_org(tmp_path / "site") as made:
        yield made


def _make_production(org: Bare) -> None:
    table = org.world.table("Organization")
    for row in list(table.live()):
        table.update(row.id, {"IsSandbox": False}, by="setup")


def test_a_production_org_takes_the_deploy(org: Bare) -> None:
    _make_production(org)
    ran = org.provision("--apply", "--yes")
    assert ran.code == 0, ran.text
    assert "a PRODUCTION org" in ran.text
    assert "Read again: nothing is left to do." in ran.text


def _rules(org: Bare) -> set[str]:
    return {name.partition(".")[2] for name in org.inside("ValidationRule")}


def test_a_rule_that_the_policy_dropped_stops_nobody_any_more(org: Bare) -> None:
    assert org.apply()["applied"]["ok"]
    assert "Handoff_Req_Champion" in _rules(org)
    planting.plant_rule(org.world, "Handoff_Fiscal_Year", formula="FALSE", message="An admin's own.")
    org.site.edit("process.toml", 'field = "champion"\nwhy', 'field = "product"\nwhy')
    plan = org.plan()
    (gone,) = [one for one in plan["items"] if one["do"] == "remove"]
    assert gone["name"] == "Opportunity.Handoff_Req_Champion"
    done = org.apply()
    assert done["applied"]["ok"]
    assert done["left"] == []
    assert "Handoff_Req_Champion" not in _rules(org)
    assert {"Handoff_Req_Product", "Handoff_Fiscal_Year"} <= _rules(org)
    assert org.plan()["empty"]


def test_a_gate_that_only_warns_from_now_on_has_no_rules_in_the_org(org: Bare) -> None:
    assert org.apply()["applied"]["ok"]
    org.site.edit("process.toml", '[gate]\nmode = "revert"', '[gate]\nmode = "warn"')
    text = org.provision().text
    assert "To be taken out (11)" in text
    assert "- ValidationRule Opportunity.Handoff_Req_Champion" in text
    assert org.apply()["left"] == []
    assert not _rules(org)


def test_a_dropped_rule_that_somebody_edited_is_named_and_stays(org: Bare) -> None:
    assert org.apply()["applied"]["ok"]
    rule = store(org.world).get("ValidationRule", "Opportunity.Handoff_Req_Champion")
    assert rule is not None
    planting.plant(org.world, "ValidationRule", rule.name, _with_message(rule.node, "Ask Priya."))
    org.site.edit("process.toml", 'field = "champion"\nwhy', 'field = "product"\nwhy')
    plan = org.plan()
    told = [one for one in plan["items"] if one["name"].endswith("Handoff_Req_Champion")]
    assert [one["do"] for one in told] == ["conflict"]
    assert not plan["blocked"]
    assert org.apply()["applied"]["ok"]
    assert "Handoff_Req_Champion" in _rules(org)


def _with_message(node: Node, message: str) -> Node:
    said = leaf("errorMessage", message)
    return Node(node.tag, children=[said if one.tag == said.tag else one for one in node.children])
