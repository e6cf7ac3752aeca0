"""Installing into an org that people have lived in: production, a policy that changed, fields and rules of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from provisioned import ADMIN, Bare, bare_org

from connector.sandbox.salesforce import granting, permissions
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.fields import Field
from connector.sandbox.salesforce.metadata import planting
from connector.sandbox.salesforce.metadata.store import store
from connector.sandbox.salesforce.metadata.tree import Node, leaf
from connector.sandbox.salesforce.users import integration_user

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


PICK, MAIL, MONEY, NEEDED, AREA = "Pick__c", "Mail__c", "Money__c", "Needed__c", "Handoff_Area__c"
THEIRS = (
    Field(PICK, "picklist", 255, "Pick", values=("a", "b")),
    Field(MAIL, "email", 80, "Mail"),
    Field(MONEY, "currency", label="Money", precision=18, scale=2),
    Field(NEEDED, "string", 80, "Needed", required=True),
    Field(AREA, "textarea", 255, "Area"),
    Field("Handoff_Tier__c", "picklist", 255, "Tier", values=("one", "two")),
)
MAPPED = """
pick = { field = "Pick__c", label = "Pick", type = "text", owner = "human" }
mail = { field = "Mail__c", label = "Mail", type = "text", owner = "human" }
money = { field = "Money__c", label = "Money", type = "number", owner = "human" }
needed = { field = "Needed__c", label = "Needed", type = "text", owner = "human" }
area = { field = "Handoff_Area__c", label = "Area", type = "long_text", owner = "human" }
tier = { field = "Handoff_Tier__c", label = "Tier", type = "choice", owner = "human" }
next = { field = "NextStep", label = "Next", type = "text", owner = "human" }
"""
ON_THE_DEAL = ("pick", "mail", "money", "needed", "area", "tier", "next", "amount")
REQUIRED = (*ON_THE_DEAL, "account.industry", "account.employees")
WHY = 'Ask \\"why\\" & <how>; größer ' + "x" * 300


def test_the_orgs_own_fields_serve_as_they_are(org: Bare) -> None:
    for field in THEIRS:
        planting.plant_field(org.world, "Opportunity", field)
    asks = "".join(f'[[gate.require]]\nfield = "{name}"\nwhy = "{WHY}"\n\n' for name in REQUIRED)
    org.site.edit("salesforce.toml", "# A manager's override", f"{MAPPED}\n# A manager's override")
    org.site.edit("process.toml", "# --- Override: a manager", f"{asks}\n# --- Override: a manager")
    done = org.apply()
    assert done["applied"]["ok"], done["applied"]
    assert done["left"] == []
    assert not [one["name"] for one in done["items"] if one["do"] == "conflict"]
    kept = {one["name"]: one["detail"] for one in done["items"] if one["do"] == "keep"}
    assert kept[f"Opportunity.{PICK}"] == "the org's own Picklist, which serves"
    assert kept[f"Opportunity.{NEEDED}"] == "the org's own Text, which people fill"
    user = integration_user(org.world).id
    for name in (PICK, MAIL, MONEY, NEEDED, AREA, "Handoff_Tier__c"):
        assert permissions.may_read(org.world, user, "Opportunity", name)
    assert {PICK, "Handoff_Tier__c"} <= set(planting.layout_fields(org.world, "Opportunity-Opportunity Layout"))
    check = org.site.run("check")
    assert check.code == 0, check.text

    asked = ("Pick", "Mail", "Money", "Needed", "Area", "Tier", "Next", "Amount", "Industry", "Employees")
    deal = org.site.sf.deal(amount=70_000)
    world = org.world
    row = world.table("Opportunity").get(deal)
    assert row is not None
    account = row.values["AccountId"]
    world.table("Opportunity").update(deal, dict.fromkeys((NEEDED, "Amount")), by="setup")
    world.table("Account").update(account, dict.fromkeys(("Industry", "NumberOfEmployees")), by="setup")
    told = _win(org, deal)
    assert [name for name in asked if any(one.startswith(f"{name} is missing") for one in told)] == list(asked)
    assert all(len(one) <= 255 for one in told)
    answers = {PICK: "a", MAIL: "i@c.example", MONEY: 0, NEEDED: "n", AREA: "a", "Handoff_Tier__c": "one"}
    world.table("Opportunity").update(deal, {**answers, "NextStep": "n", "Amount": 70_000}, by="setup")
    world.table("Account").update(account, {"Industry": "Energy", "NumberOfEmployees": 4}, by="setup")
    assert _win(org, deal) == []


def _win(org: Bare, deal: str, stage: str = "Closed Won") -> list[str]:
    """Try to move a deal by the API as the admin; what the org's rules say to it."""
    reply = requests.patch(
        f"{org.site.sandbox.sf_url}/services/data/v67.0/sobjects/Opportunity/{deal}",
        json={"StageName": stage},
        headers={"Authorization": f"Bearer {org.site.secrets[ADMIN]}"},
        timeout=30,
    )
    return [one["message"] for one in reply.json()] if reply.content else []


def test_a_check_whose_answer_is_lost_has_changed_nothing(org: Bare) -> None:
    org.world.faults.add(system="sf", match="POST .*deployRequest", kind="reset_after", count=1)
    ran = org.provision("--apply", "--yes")
    assert ran.code == 3, ran.text
    assert "nothing was deployed" in ran.text
    assert not _rules(org)


def test_a_token_that_ends_while_the_org_deploys_leaves_its_number_behind(org: Bare) -> None:
    org.world.faults.add(system="sf", match="GET .*deployRequest", kind="expired_token", count=99, skip=2)
    org.world.faults.add(system="sf", match="GET .*userinfo", kind="expired_token", count=99, skip=1)
    ran = org.provision("--apply", "--yes")
    assert ran.code == 3, ran.text
    assert "the deploy 0Af" in ran.text
    assert "goes on in the org" in ran.text
    assert "handoff provision sf" in ran.text


SALES_REP = "elena.marchetti@seller.example"


def _sales(org: Bare) -> set[str]:
    """Who holds the set for Sales."""
    table = org.world.table("PermissionSet")
    held = {row.id for row in table.live() if row.values["Name"] == "Handoff_Sales"}
    rows = org.world.table("PermissionSetAssignment").live()
    return {row.values["AssigneeId"] for row in rows if row.values["PermissionSetId"] in held}


def _give_sales(org: Bare) -> str:
    rep = org.site.sf.user(SALES_REP)
    granting.assign(org.world, rep, granting.put_set(org.world, "Handoff_Sales"))
    return rep


def test_who_lost_a_set_to_a_removal_that_came_to_nothing_has_it_back(org: Bare) -> None:
    assert org.apply()["applied"]["ok"]
    rep = _give_sales(org)
    org.world.faults.add(system="sf", match="POST .*deployRequest", kind="reset_after", count=1)
    ran = org.provision("--remove", "--apply", "--yes")
    assert ran.code == 3, ran.text
    assert _sales(org) == {rep}
    assert "lost a permission set" not in ran.text


def test_who_lost_a_set_to_a_removal_of_unknown_end_is_named(org: Bare) -> None:
    assert org.apply()["applied"]["ok"]
    rep = _give_sales(org)
    org.world.faults.add(system="sf", match="POST .*deployRequest", kind="reset_before", count=1, skip=1)
    ran = org.provision("--remove", "--apply", "--yes")
    assert ran.code == 3, ran.text
    assert _sales(org) == set()
    assert "lost a permission set that could not be given back" in ran.text
    assert f"Handoff_Sales: {rep}" in ran.text


def test_a_field_on_an_admins_own_report_stops_the_whole_removal(org: Bare) -> None:
    assert org.apply()["applied"]["ok"]
    rep = _give_sales(org)
    column = Node("columns", children=[leaf("field", "Opportunity.Handoff_Champion__c")])
    head = [leaf("name", "Champions"), leaf("reportType", "Opportunity"), leaf("format", "Tabular")]
    planting.plant(org.world, "Report", "Sales/Champions", Node("Report", children=[column, *head]))
    ran = org.provision("--remove", "--with-fields", "--apply", "--yes")
    assert ran.code == 1, ran.text
    assert "was refused, so nothing was changed" in ran.text
    assert "Report sales/champions" in ran.text.replace("Sales/Champions", "sales/champions")
    assert _sales(org) == {rep}
    assert _rules(org)


def test_what_only_sounds_like_ours_is_no_ones_to_remove_and_is_looked_at_as_theirs(org: Bare) -> None:
    planting.plant_field(org.world, "Opportunity", Field("Handoff_Old_Notes__c", "string", 80, "Old notes"))
    planting.plant_rule(org.world, "Handoff_Calendar", formula="AND(IsWon, ISBLANK(CloseDate))", message="When?")
    assert any("Handoff_Calendar" in one["what"] for one in org.plan()["dangers"])
    assert org.apply()["applied"]["ok"]
    done = org.apply("--remove", "--with-fields", "--even-with-data")
    assert done["applied"]["ok"], done["applied"]
    assert _rules(org) == {"Handoff_Calendar"}
    kind = catalog(org.world).object("Opportunity")
    assert kind is not None
    assert {one.name for one in kind.fields.values() if one.name.startswith("Handoff_")} == {"Handoff_Old_Notes__c"}


TEAMS_AND_NEWS = """[teams]
deal = "Customer Success Manager"
account = "Customer Success Manager"
deal_access = "Edit"
account_access = "Edit"

[tell]
bell = "Handoff"
mail = true

[fields.deal]
"""


def test_with_these_rights_and_no_others_a_won_deal_is_handed_over(org: Bare) -> None:
    site, desk = org.site, org.site.sf
    site.edit("salesforce.toml", "[fields.deal]\n", TEAMS_AND_NEWS)
    assert org.apply()["applied"]["ok"]
    check = site.run("check")
    assert check.code == 0, check.text
    site.begin()
    deal = desk.deal(amount=70_000)
    assert _win(org, deal) == []
    assert site.once().code == 0
    assert desk.handed_off(deal)
    for team in ("OpportunityTeamMember", "AccountTeamMember"):
        assert [row.values["UserId"] for row in org.world.table(team).live()] == [desk.see(deal).fields["csm"]]
    told = {call.path.rpartition("/")[2] for call in org.world.journal.calls(system="sf") if "/actions/" in call.path}
    assert {"customNotificationAction", "emailSimple"} <= told
    assert "Nothing is parked." in site.run("retry").text


INVOICED = "Needs Analysis"
"""A stage of the sandbox, here a second one that counts as won."""


def test_a_won_deal_goes_on_to_another_won_stage_without_being_asked(org: Bare) -> None:
    stages = org.world.table("OpportunityStage")
    invoiced = next(row for row in stages.live() if row.values["ApiName"] == INVOICED)
    stages.update(invoiced.id, {"IsWon": True, "IsClosed": True}, by="setup")
    old = org.site.sf.deal(without=("champion", "use_case"))
    for row in org.world.table("OpportunityHistory").live():
        row.created_at -= timedelta(days=30)
    assert _win(org, old) == []
    assert org.apply()["applied"]["ok"]
    org.site.begin()
    assert _win(org, old, INVOICED) == []
    fresh = org.site.sf.deal(without=("champion",))
    assert any("Champion" in one for one in _win(org, fresh, INVOICED))
    assert org.site.once().code == 0
    row = org.world.table("Opportunity").get(old)
    assert row is not None
    assert row.values["StageName"] == INVOICED, "won long before: nobody's to revert"


def test_check_of_an_org_without_our_fields_ends_with_the_one_command(org: Bare) -> None:
    ran = org.site.run("check")
    assert ran.code == 1
    last = ran.out.strip().splitlines()[-1]
    assert "fields are missing or hidden: handoff provision sf plans" in last
    assert org.apply()["applied"]["ok"]
    assert "handoff provision" not in org.site.run("check").text
