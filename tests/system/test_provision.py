"""Installing into an org that has nothing of ours: plan, apply, an empty second plan, conflicts, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from provisioned import ADMIN, Bare, bare_org

from connector.sandbox.salesforce import permissions
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.fields import Field
from connector.sandbox.salesforce.metadata import planting
from connector.sandbox.salesforce.users import integration_user

pytestmark = pytest.mark.system

GATE = "Handoff_Gate__c"


@pytest.fixture
def org(tmp_path: Path) -> Iterator[Bare]:
    with bare_org(tmp_path / "site") as made:
        yield made


def _named(plan: dict[str, Any], do: str) -> set[str]:
    return {f"{one['type']} {one['name']}" for one in plan["items"] if one["do"] == do}


def _fields(org: Bare) -> set[str]:
    kind = catalog(org.world).object("Opportunity")
    assert kind is not None
    return {field.name for field in kind.fields.values() if field.name.startswith("Handoff_")}


def test_a_plan_writes_nothing_and_an_apply_leaves_nothing_to_do(org: Bare) -> None:
    ran = org.provision()
    assert ran.code == 0, ran.text
    assert "+ CustomField Opportunity.Handoff_Gate__c" in ran.text
    assert "Nothing was written." in ran.text
    assert not org.deploys()
    assert not _fields(org)
    assert org.provision("--fail-on-changes").code == 1

    ran = org.provision("--apply", "--yes")
    assert ran.code == 0, ran.text
    assert "Read again: nothing is left to do." in ran.text
    assert len(org.deploys()) == 2, "one check, one deploy"
    user = integration_user(org.world).id
    assert permissions.may_edit(org.world, user, "Opportunity", GATE)
    assert permissions.may_read(org.world, user, "Opportunity", "Handoff_Champion__c")
    assert not permissions.may_edit(org.world, user, "Opportunity", "Handoff_Risks__c")
    assert not permissions.holds(org.world, user, "Handoff_Gate_Bypass"), "its own gate must hold for it"
    assert {"Handoff_Champion__c", GATE} <= set(planting.layout_fields(org.world, "Opportunity-Opportunity Layout"))

    again = org.provision("--fail-on-changes")
    assert again.code == 0, again.text
    assert "Nothing to do" in again.text
    assert len(org.deploys()) == 2
    check = org.site.run("check")
    assert check.code == 0, check.text
    assert "API calls left today" in check.text


def test_what_an_admin_adds_afterwards_stays(org: Bare) -> None:
    assert org.apply()["applied"]["ok"]
    kind = catalog(org.world).object("Opportunity")
    assert kind is not None
    gate = kind.find(GATE)
    assert gate is not None
    shorter = Field(GATE, "picklist", 255, "Our gate", values=("Under review", "Held"))
    planting.plant_field(org.world, "Opportunity", shorter)
    plan = org.plan()
    (change,) = [one for one in plan["items"] if one["do"] == "change"]
    assert change["name"] == f"Opportunity.{GATE}"
    assert org.apply()["left"] == []
    after = catalog(org.world).object("Opportunity")
    assert after is not None
    found = after.find(GATE)
    assert found is not None
    assert set(found.values) == {*gate.values, "Under review"}
    assert found.label == "Our gate"


def test_what_would_fight_is_reported_before_anything_is_written(org: Bare) -> None:
    world = org.world
    planting.plant_rule(
        world, "Next_Step", formula="AND(IsWon, ISBLANK(NextStep))", message="Say what comes next.", field="NextStep"
    )
    planting.plant_rule(world, "Sleeping", formula="ISBLANK(NextStep)", message="zzz", active=False)
    planting.plant_rule(world, "Described", formula="ISBLANK(WhoId)", message="Who?", on="Task")
    planting.plant_required_field(world, "Region__c", on="Task")
    planting.plant_flow(world, "Renewal_Desk", label="Renewal desk")
    planting.plant_duplicate_rule(world, "Same_Name", on="Account")
    planting.plant_dynamic_form(world, "Deal_Page")
    plan = org.plan()
    told = {one["what"]: one for one in plan["dangers"]}
    found = " | ".join(told)
    for wanted in ("Opportunity.Next_Step", "Task.Described", "Task.Region__c", "Renewal desk", "Account.Same_Name"):
        assert wanted in found
    assert "Sleeping" not in found
    assert "Say what comes next." in found
    assert all(one["effect"] and one["remedy"] for one in told.values())
    assert "FlexiPage Deal_Page" in _named(plan, "by_hand")
    assert not org.deploys()
    text = org.provision().text
    assert "refuses: required field Task.Region__c" in text


def test_a_field_of_another_type_keeps_everything_from_being_written(org: Bare) -> None:
    planting.plant_field(org.world, "Opportunity", Field(GATE, "double", label="Gate", precision=5))
    ran = org.provision("--apply", "--yes")
    assert ran.code == 1
    assert f"! CustomField Opportunity.{GATE}" in ran.text
    assert "Nothing can be applied before the conflicts are solved." in ran.text
    assert not org.deploys()
    assert _fields(org) == {GATE}


def test_a_rule_that_somebody_edited_is_theirs(org: Bare) -> None:
    assert org.apply()["applied"]["ok"]
    planting.plant_rule(org.world, "Handoff_Req_Champion", formula="FALSE", message="Ask Priya.")
    plan = org.plan()
    assert _named(plan, "conflict") == {"ValidationRule Opportunity.Handoff_Req_Champion"}
    assert plan["empty"]
    assert not plan["blocked"]


def test_an_org_that_has_half_of_it_gets_the_other_half(org: Bare) -> None:
    planting.plant_field(org.world, "Opportunity", Field("Handoff_Champion__c", "string", 255, "Champion"))
    planting.plant_field(org.world, "Opportunity", Field("Handoff_Go_Live_Date__c", "date", label="Go-live date"))
    plan = org.plan()
    assert "CustomField Opportunity.Handoff_Champion__c" not in _named(plan, "create")
    assert f"CustomField Opportunity.{GATE}" in _named(plan, "create")
    assert org.site.run("pause", "sf", "--for", "2h").code == 0, "a ledger, so that the trail can be told"
    done = org.apply()
    assert done["applied"]["ok"], done["applied"]
    assert done["left"] == []
    trail = org.site.run("trail", "show", "--kind", "provisioned", "--last", "1000", "--json").data
    told = {row["data"]["record"] for row in trail if row["data"]["operation"] == "create"}
    assert told >= _named(plan, "create")
    assert len(trail) == sum(one["do"] in ("create", "change", "remove") for one in plan["items"]) + len(plan["grants"])


def test_a_package_that_the_org_refuses_leaves_it_untouched(org: Bare) -> None:
    # A standard field that this org has not: only the org can know, when it compiles the rule that names it.
    org.site.edit("salesforce.toml", 'field = "Handoff_Champion__c"', 'field = "Champion"')
    ran = org.provision("--apply", "--yes")
    assert ran.code == 1, ran.text
    assert "was refused, so nothing was changed" in ran.text
    assert "ValidationRule Opportunity.Handoff_Req_Champion (objects/Opportunity.object:" in ran.text
    assert "Field Champion does not exist" in ran.text
    assert len(org.deploys()) == 1, "the check alone"
    assert not _fields(org)
    assert not permissions.may_edit(org.world, integration_user(org.world).id, "Opportunity", GATE)


def test_a_deploy_whose_answer_is_lost_is_not_called_undone(org: Bare) -> None:
    org.world.faults.add(system="sf", match="POST .*deployRequest", kind="reset_after", count=1, skip=1)
    ran = org.provision("--apply", "--yes")
    assert ran.code == 3, ran.text
    assert "the answer to the deploy was lost" in ran.text
    assert "Deployment Status" in ran.text


def test_a_login_without_the_right_is_told_what_to_do(org: Bare) -> None:
    ran = org.provision("--apply", "--yes", as_admin=False)
    assert ran.code == 2
    assert "--token-env NAME" in ran.text
    assert not org.deploys()


def test_arguments_that_make_no_sense_are_refused_before_anything_is_read(org: Bare) -> None:
    calls = len(org.world.journal.calls(system="sf"))
    for arguments, says in (
        (("--with-fields",), "goes with --remove"),
        (("--remove", "--even-with-data"), "goes with --remove --with-fields"),
        (("--apply", "--export", "x"), "ask for one of them"),
        (("--apply",), "add --yes"),
    ):
        ran = org.provision(*arguments)
        assert ran.code == 2
        assert says in ran.text
    org.site.secrets[ADMIN] = ""
    assert "is not set or empty" in org.provision().text
    assert len(org.world.journal.calls(system="sf")) == calls


def test_a_name_that_is_not_configured_is_told(org: Bare) -> None:
    assert "no system is called" in org.site.run("provision", "crm").text
    ran = org.provision("--pipeline-rules")
    assert ran.code == 2
    assert "--pipeline-rules: means nothing in Salesforce" in ran.text


def test_the_way_back_keeps_data_unless_told_twice(org: Bare) -> None:
    assert org.apply()["applied"]["ok"]
    desk = org.site.sf
    deal = desk.deal()
    assert desk.see(deal)
    table = org.world.table("Opportunity")
    table.update(
        deal,
        {"Handoff_Champion__c": "Ingrid Solberg", "Handoff_Risks__c": "None known"},
        by=desk.user("elena.marchetti@seller.example"),
    )

    done = org.apply("--remove")
    assert done["applied"]["ok"], done["applied"]
    assert not org.inside("ValidationRule")
    assert not {name for name in org.inside("PermissionSet") if name.startswith("Handoff_")}
    assert "Handoff_Champion__c" in _fields(org)
    assert not set(planting.layout_fields(org.world, "Opportunity-Opportunity Layout")) & _fields(org)

    assert org.apply()["applied"]["ok"], "and in again"
    plan = org.plan("--remove", "--with-fields")
    kept = {one["name"]: one["detail"] for one in plan["items"] if one["do"] == "keep"}
    assert "filled on 1 record" in kept["Opportunity.Handoff_Champion__c"]
    assert "filled on 1 record" in kept["Opportunity.Handoff_Risks__c"], "a long text is read, as no query counts it"
    assert f"CustomField Opportunity.{GATE}" in _named(plan, "remove")
    done = org.apply("--remove", "--with-fields")
    assert done["applied"]["ok"], done["applied"]
    assert _fields(org) == {name.partition(".")[2] for name in kept if name.startswith("Opportunity.")}

    assert org.apply()["applied"]["ok"]
    done = org.apply("--remove", "--with-fields", "--even-with-data")
    assert done["applied"]["ok"], done["applied"]
    assert not _fields(org)


def test_the_export_is_written_without_touching_the_org(org: Bare, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    ran = org.provision("--export", str(folder))
    assert ran.code == 0, ran.text
    assert "sf project deploy start" in ran.text
    assert (folder / "force-app/main/default/objects/Opportunity/fields" / f"{GATE}.field-meta.xml").exists()
    assert not org.deploys()


def test_check_names_each_right_that_is_taken_away(org: Bare) -> None:
    assert org.apply()["applied"]["ok"]
    world, user = org.world, integration_user(org.world).id
    assert org.site.run("check").code == 0
    _grant(org, "FieldPermissions", {"Field": f"Opportunity.{GATE}"}, PermissionsEdit=False)
    _grant(org, "FieldPermissions", {"Field": "Opportunity.Handoff_Risks__c"}, PermissionsRead=False)
    _grant(org, "ObjectPermissions", {"SobjectType": "Account"}, PermissionsEdit=False)
    _grant(org, "ObjectPermissions", {"SobjectType": "Opportunity"}, PermissionsViewAllRecords=False)
    bypass = next(row.id for row in world.table("PermissionSet").live() if row.values["Name"] == "Handoff_Gate_Bypass")
    world.table("PermissionSetAssignment").insert({"AssigneeId": user, "PermissionSetId": bypass}, by=user)
    world.settings["daily_limit"] = 1000
    world.scratch["api_used"] = (world.clock.now().date().isoformat(), 940)
    ran = org.site.run("check", "--json")
    assert ran.code == 1
    told = {problem["key"]: problem["message"] for problem in ran.data["systems"]["sf"]}
    assert "cannot be written by this login; grant edit access" in told["fields.deal.gate"]
    assert "does not exist or is hidden from this login" in told["fields.deal.risks"]
    assert "give its permission set Edit on Account" in told["objects.account"]
    assert "give its permission set View All on Opportunity" in told["objects.deal"]
    assert "holds Handoff_Gate_Bypass" in told["permissions"]
    assert "API calls are left today" in told["limits"]
    assert len([one for one in ran.data["systems"]["sf"] if "risks" in one["key"]]) == 1, "said once"
    assert any("API 67.0" in note for note in ran.data["notes"]["sf"])


def _grant(org: Bare, table: str, where: dict[str, str], **changes: bool) -> None:
    """Change what every profile and permission set grants of one thing."""
    world = org.world
    rows = [
        row.id for row in world.table(table).live() if all(row.values[name] == value for name, value in where.items())
    ]
    assert rows
    for row_id in rows:
        world.table(table).update(row_id, dict(changes), by=integration_user(world).id)
