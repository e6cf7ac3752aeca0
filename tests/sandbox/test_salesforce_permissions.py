"""Who sees and writes what: field-level security, object rights, permission sets, private rows, as rows grant it."""

from __future__ import annotations

from typing import Any

import pytest
from sandbox.org import logged_in
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceError, SalesforceMalformedRequest, SalesforceResourceNotFound

from connector.sandbox.salesforce import granting, permissions
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.fields import Field, ObjectType
from connector.sandbox.salesforce.users import INTEGRATION_USERNAME, admin_user, integration_user
from connector.sandbox.server import Sandbox, create_worlds
from connector.sandbox.state import World

SEATS = Field("Seats__c", "double", label="Seats", precision=6, scale=0)
KEY = Field("Ext_Key__c", "string", 40, "Key", external_id=True, unique=True)
ASKED = "SELECT Id, Seats__c FROM Opportunity"


def code(caught: pytest.ExceptionInfo[SalesforceError]) -> str:
    return str(caught.value.content[0]["errorCode"])


def me(org: World) -> str:
    return integration_user(org).id


@pytest.fixture
def admin(running: Sandbox) -> Salesforce:
    """A client of the admin."""
    return logged_in(running)


@pytest.fixture
def seats(org: World) -> None:
    """A field made while the org runs, granted to nobody."""
    catalog(org).put_field("Opportunity", SEATS)


@pytest.mark.usefixtures("seats")
def test_a_new_field_is_hidden_from_everybody_the_admin_too(sf: Salesforce, admin: Salesforce, deal: str) -> None:
    for client in (sf, admin):
        with pytest.raises(SalesforceMalformedRequest) as caught:
            client.query(ASKED)
        assert code(caught) == "INVALID_FIELD"
        with pytest.raises(SalesforceMalformedRequest) as caught:
            client.query("SELECT Id FROM Opportunity WHERE Seats__c > 1")
        assert code(caught) == "INVALID_FIELD"
        assert "Seats__c" not in {f["name"] for f in client.Opportunity.describe()["fields"]}
        assert "Seats__c" not in client.Opportunity.get(deal)
        with pytest.raises(SalesforceMalformedRequest) as caught:
            client.Opportunity.update(deal, {"Seats__c": 1})
        assert code(caught) == "INVALID_FIELD_FOR_INSERT_UPDATE"
        assert caught.value.content[0]["fields"] == ["Seats__c"]


@pytest.mark.usefixtures("seats")
def test_a_hidden_field_fails_its_row_of_a_collection_only(sf: Salesforce, org: World, deal: str) -> None:
    rows = [{"attributes": {"type": "Opportunity"}, "id": deal, **more} for more in ({"Seats__c": 1},)]
    rows.append({"attributes": {"type": "Account"}, "id": org.table("Opportunity").rows[deal].values["AccountId"]})
    rows[1]["Phone"] = "1"
    found = sf.restful("composite/sobjects", method="PATCH", json={"allOrNone": False, "records": rows})
    assert [r["success"] for r in found] == [False, True]
    assert found[0]["errors"][0]["statusCode"] == "INVALID_FIELD_FOR_INSERT_UPDATE"


@pytest.mark.usefixtures("seats")
def test_a_parents_hidden_field_cannot_be_reached_through_its_child(sf: Salesforce, org: World, deal: str) -> None:
    sf.OpportunityContactRole.describe()
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.query(f"SELECT Opportunity.Seats__c FROM OpportunityHistory WHERE OpportunityId = '{deal}'")
    assert code(caught) == "INVALID_FIELD"


@pytest.mark.usefixtures("seats")
def test_rows_written_by_rest_open_a_field_step_by_step(
    sf: Salesforce, admin: Salesforce, org: World, deal: str
) -> None:
    granted = admin.PermissionSet.create({"Name": "Readers", "Label": "Readers"})["id"]
    field = {"ParentId": granted, "SobjectType": "Opportunity", "Field": "Opportunity.Seats__c"}
    row = admin.FieldPermissions.create({**field, "PermissionsRead": True, "PermissionsEdit": False})["id"]
    with pytest.raises(SalesforceMalformedRequest):
        sf.query(ASKED)
    admin.PermissionSetAssignment.create({"AssigneeId": me(org), "PermissionSetId": granted})
    assert sf.query(ASKED)["records"][0]["Seats__c"] is None
    shown = {f["name"]: f for f in sf.Opportunity.describe()["fields"]}["Seats__c"]
    assert (shown["createable"], shown["updateable"]) == (False, False)
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.Opportunity.update(deal, {"Seats__c": 5})
    assert code(caught) == "INVALID_FIELD_FOR_INSERT_UPDATE"
    admin.FieldPermissions.update(row, {"PermissionsEdit": True})
    sf.Opportunity.update(deal, {"Seats__c": 5})
    assert sf.query(ASKED)["records"][0]["Seats__c"] == 5
    named = f"SELECT Id FROM PermissionSetAssignment WHERE AssigneeId = '{me(org)}' AND PermissionSet.Name = 'Readers'"
    admin.PermissionSetAssignment.delete(admin.query(named)["records"][0]["Id"])
    with pytest.raises(SalesforceMalformedRequest):
        sf.query(ASKED)


@pytest.mark.parametrize(
    ("kind", "given", "error"),
    [
        ("FieldPermissions", {"Field": "Opportunity.Nope__c"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ("FieldPermissions", {"Field": "Opportunity.Name"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ("FieldPermissions", {"Field": "Account.Industry"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ("FieldPermissions", {"Field": "Opportunity.Seats__c", "PermissionsRead": False}, "FIELD_INTEGRITY_EXCEPTION"),
        ("FieldPermissions", {"Field": "Opportunity.IsWon"}, "FIELD_INTEGRITY_EXCEPTION"),
        ("ObjectPermissions", {"SobjectType": "Task"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ("ObjectPermissions", {"PermissionsRead": False}, "FIELD_INTEGRITY_EXCEPTION"),
        ("ObjectPermissions", {"PermissionsDelete": True, "PermissionsEdit": False}, "FIELD_INTEGRITY_EXCEPTION"),
    ],
)
@pytest.mark.usefixtures("seats")
def test_a_grant_that_cannot_be_is_refused(
    admin: Salesforce, org: World, kind: str, given: dict[str, Any], error: str
) -> None:
    granted = granting.put_set(org, "Readers")
    before = len(org.table(kind).rows)
    body = {"ParentId": granted, "SobjectType": "Opportunity", "PermissionsRead": True, "PermissionsEdit": True}
    with pytest.raises(SalesforceMalformedRequest) as caught:
        getattr(admin, kind).create(body | given)
    assert code(caught) == error
    assert len(org.table(kind).rows) == before


def test_only_who_may_customize_writes_setup(sf: Salesforce, org: World) -> None:
    assert permissions.may_customize(org, admin_user(org).id)
    assert not permissions.may_customize(org, me(org))
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.PermissionSet.create({"Name": "Mine", "Label": "Mine"})
    assert code(caught) == "INSUFFICIENT_ACCESS_OR_READONLY"
    assert org.table("PermissionSet").find_unique("Name", "Mine") is None


def test_setup_and_other_objects_do_not_mix_in_one_call(admin: Salesforce, org: World) -> None:
    body = [{"attributes": {"type": "Account"}, "Name": "a"}]
    body.append({"attributes": {"type": "PermissionSet"}, "Name": "p", "Label": "p"})
    with pytest.raises(SalesforceMalformedRequest) as caught:
        admin.restful("composite/sobjects", method="POST", json={"records": body})
    assert code(caught) == "MIXED_DML_OPERATION"
    assert list(org.table("Account").live()) == []


def test_a_field_of_activity_is_granted_on_both_kinds_at_once(org: World) -> None:
    catalog(org).put_field("Activity", KEY)
    granted = granting.put_set(org, "Keys")
    granting.assign(org, me(org), granted)
    granting.grant_fields(org, granted, {"Task.Ext_Key__c": (True, True)})
    assert [permissions.may_edit(org, me(org), kind, "Ext_Key__c") for kind in ("Task", "Event")] == [True, True]
    granting.grant_fields(org, granted, {"Event.Ext_Key__c": (True, False)})
    assert [permissions.may_edit(org, me(org), kind, "Ext_Key__c") for kind in ("Task", "Event")] == [False, False]
    assert [permissions.may_read(org, me(org), kind, "Ext_Key__c") for kind in ("Task", "Event")] == [True, True]


def test_taking_the_grant_from_one_kind_of_activity_takes_it_from_both(admin: Salesforce, org: World) -> None:
    catalog(org).put_field("Activity", KEY)
    granted = granting.put_set(org, "Keys")
    granting.assign(org, me(org), granted)
    granting.grant_fields(org, granted, {"Task.Ext_Key__c": (True, True)})
    row = admin.query("SELECT Id FROM FieldPermissions WHERE Field = 'Event.Ext_Key__c'")["records"][0]["Id"]
    admin.FieldPermissions.delete(row)
    assert [permissions.may_read(org, me(org), kind, "Ext_Key__c") for kind in ("Task", "Event")] == [False, False]


def test_a_custom_permission_is_held_through_a_set(org: World) -> None:
    granted = granting.put_set(org, "Bypass")
    granting.grant_custom(org, granted, ["Handoff_Bypass"])
    assert not permissions.holds(org, me(org), "handoff_bypass")
    granting.assign(org, me(org), granted)
    assert permissions.holds(org, me(org), "handoff_bypass")
    assert not permissions.holds(org, admin_user(org).id, "Handoff_Bypass")


def test_a_field_of_the_start_can_be_hidden_by_a_test(sf: Salesforce, org: World, deal: str) -> None:
    catalog(org).hide_field("Opportunity", "Handoff_Risks__c")
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.query("SELECT Handoff_Risks__c FROM Opportunity")
    assert code(caught) == "INVALID_FIELD"
    assert sf.query("SELECT Handoff_Gate__c FROM Opportunity")["totalSize"] == 1


def take(org: World, kind: str, *rights: str) -> None:
    """Leave the integration user's profile only these rights on an object."""
    profile = org.table("User").rows[me(org)].values["ProfileId"]
    own = next(org.table("PermissionSet").where("ProfileId", [profile]))
    granting.grant_objects(org, own.id, {kind: rights})
    org.table("PermissionSet").update(own.id, {"PermissionsViewAllData": False}, by="setup")


def test_an_object_without_read_does_not_exist_for_the_user(sf: Salesforce, org: World, deal: str) -> None:
    take(org, "Opportunity")
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.query("SELECT Id FROM Opportunity")
    assert code(caught) == "INVALID_TYPE"
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.query("SELECT Id FROM OpportunityHistory")
    assert code(caught) == "INVALID_TYPE"
    for call in (sf.Opportunity.describe, lambda: sf.Opportunity.get(deal)):
        with pytest.raises(SalesforceResourceNotFound):
            call()
    assert "Opportunity" not in {o["name"] for o in sf.describe()["sobjects"]}


def test_an_object_without_edit_is_read_only(sf: Salesforce, org: World, deal: str) -> None:
    take(org, "Opportunity", "Read")
    shown = {o["name"]: o for o in sf.describe()["sobjects"]}["Opportunity"]
    assert (shown["createable"], shown["updateable"], shown["deletable"]) == (False, False, False)
    good = {"Name": "n", "StageName": "Prospecting", "CloseDate": "2026-12-01"}
    for call in (
        lambda: sf.Opportunity.update(deal, {"NextStep": "x"}),
        lambda: sf.Opportunity.create(good),
        lambda: sf.Opportunity.delete(deal),
    ):
        with pytest.raises(SalesforceMalformedRequest) as caught:
            call()
        assert code(caught) == "INSUFFICIENT_ACCESS_OR_READONLY"
    assert [row.id for row in org.table("Opportunity").live()] == [deal]
    assert "NextStep" not in org.table("Opportunity").rows[deal].values


def test_a_custom_object_needs_rights_of_its_own(sf: Salesforce, org: World) -> None:
    catalog(org).put_object(ObjectType("Effect__c", "Effect", "", (Field("Name", "string", 80),)))
    take(org, "Contact")
    with pytest.raises(SalesforceMalformedRequest):
        sf.query("SELECT Id FROM Effect__c")
    granted = granting.put_set(org, "Ledger")
    granting.assign(org, me(org), granted)
    granting.grant_objects(org, granted, {"Effect__c": ("Read", "Create")})
    made = sf.Effect__c.create({"Name": "e"})["id"]
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.Effect__c.update(made, {"Name": "f"})
    assert code(caught) == "INSUFFICIENT_ACCESS_OR_READONLY"


def private_org(org: World) -> dict[str, str]:
    """Three deals in an org with private sharing: one's own, one of one's team, and one of somebody else."""
    take(org, "Opportunity", "Read", "Edit", "Create")
    org.setting(permissions.PRIVATE, ["Opportunity"])
    ids = {}
    for name, owner in (("mine", me(org)), ("team", "005x"), ("other", "005x")):
        values = {"Name": name, "StageName": "Prospecting", "CloseDate": "2026-12-01", "OwnerId": owner}
        ids[name] = org.table("Opportunity").insert(values, by="setup").id
    return ids


def test_private_rows_are_gaps_without_a_word(sf: Salesforce, org: World) -> None:
    ids = private_org(org)
    org.table("OpportunityTeamMember").insert({"OpportunityId": ids["team"], "UserId": me(org)}, by="setup")
    assert [r["Name"] for r in sf.query("SELECT Name FROM Opportunity ORDER BY Name")["records"]] == ["mine", "team"]
    assert sf.query("SELECT COUNT() FROM Opportunity")["totalSize"] == 2
    with pytest.raises(SalesforceResourceNotFound):
        sf.Opportunity.get(ids["other"])
    body = {"records": [{"attributes": {"type": "Opportunity"}, "id": ids["other"], "NextStep": "x"}]}
    found = sf.restful("composite/sobjects", method="PATCH", json=body)
    assert found[0]["errors"][0]["statusCode"] == "INSUFFICIENT_ACCESS_OR_READONLY"
    read = sf.restful(
        "composite/sobjects/Opportunity", method="POST", json={"ids": list(ids.values()), "fields": ["Id"]}
    )
    assert [row is not None for row in read] == [True, True, False]


def test_a_private_row_cannot_be_named_by_a_lookup(sf: Salesforce, org: World) -> None:
    ids = private_org(org)
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.Task.create({"Subject": "x", "WhatId": ids["other"]})
    assert code(caught) == "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"


def test_view_all_closes_the_gaps(sf: Salesforce, org: World) -> None:
    private_org(org)
    granted = granting.put_set(org, "Integration")
    granting.assign(org, me(org), granted)
    granting.grant_objects(org, granted, {"Opportunity": ("Read", "ViewAllRecords")})
    assert sf.query("SELECT COUNT() FROM Opportunity")["totalSize"] == 3


def test_giving_a_record_away_needs_its_own_permission(running: Sandbox, org: World, deal: str) -> None:
    seller, other = (r.id for r in list(org.table("User").live())[3:5])
    org.table("Opportunity").update(deal, {"OwnerId": other}, by="setup")
    client = logged_in(running, str(org.table("User").rows[seller].values["Username"]))
    with pytest.raises(SalesforceMalformedRequest) as caught:
        client.Opportunity.update(deal, {"OwnerId": seller})
    assert code(caught) == "INSUFFICIENT_ACCESS_OR_READONLY"
    granted = granting.put_set(org, "Movers")
    granting.grant_user(org, granted, ["TransferAnyEntity"])
    granting.assign(org, seller, granted)
    assert client.Opportunity.update(deal, {"OwnerId": seller}) == 204


def test_a_bare_org_grants_its_integration_user_the_daily_work_and_no_more() -> None:
    org = create_worlds(None, bare_salesforce=True)[0]["sf"]
    user = integration_user(org).id
    assert "Edit" in permissions.rights(org, user, "Opportunity")
    for name in ("ViewAllData", "SendCustomNotifications", "TransferAnyEntity", "CustomizeApplication"):
        assert not permissions.has(org, user, name)
        assert permissions.has(org, admin_user(org).id, name)


def test_grants_outlive_a_reset_and_a_restart(tmp_path: Any) -> None:
    org = create_worlds(tmp_path)[0]["sf"]
    catalog(org).put_field("Opportunity", SEATS)
    granted = granting.put_set(org, "Readers")
    granting.grant_fields(org, granted, {"Opportunity.Seats__c": (True, True)})
    granting.assign(org, me(org), granted)
    org.clear()
    from connector.sandbox.salesforce import schema

    schema.furnish(org)
    assert permissions.may_edit(org, me(org), "opportunity", "seats__c")
    assert permissions.may_customize(org, admin_user(org).id)
    org.detach()
    again = create_worlds(tmp_path)[0]["sf"]
    assert permissions.may_edit(again, me(again), "Opportunity", "Seats__c")
    assert not permissions.may_edit(again, admin_user(again).id, "Opportunity", "Seats__c")
    assert again.table("User").find_unique("Username", INTEGRATION_USERNAME) is not None
