"""The org's schema changes while it runs: in queries, describe, REST, Collections, and after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
from sandbox.org import logged_in
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceError, SalesforceMalformedRequest

from connector.sandbox.salesforce import auth, granting
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.fields import Field, ObjectType
from connector.sandbox.salesforce.setup_objects import OBJECT_RIGHTS
from connector.sandbox.salesforce.users import admin_user
from connector.sandbox.server import Sandbox, create_worlds
from connector.sandbox.state import World

NUMBER = Field("Seats__c", "double", label="Seats", precision=6, scale=0)
KEY = Field("Ext_Key__c", "string", 40, "Key", external_id=True, unique=True)
EFFECT = ObjectType(
    "Effect__c",
    "Effect",
    "",
    (Field("Name", "string", 80), KEY, Field("Deal__c", "reference", 18, to=("Opportunity",))),
)
WHOLE_DEAL = {"Name": "n", "StageName": "Prospecting", "CloseDate": "2026-12-01"}


def test_a_bare_org_has_no_handoff_field_and_the_default_one_has() -> None:
    bare = create_worlds(None, bare_salesforce=True)[0]["sf"]
    default = create_worlds(None)[0]["sf"]
    custom = {
        (kind.name, field.name) for kind in catalog(bare).objects() for field in kind.own if "Handoff" in field.name
    }
    assert custom == set()
    for name in ("Account.Handoff_CSM__c", "Opportunity.Handoff_Summary__c", "Task.Handoff_Key__c"):
        kind = catalog(default).object(name.split(".")[0])
        assert kind is not None
        assert kind.find(name.split(".")[1]) is not None


def test_two_orgs_of_one_process_do_not_share_their_schema() -> None:
    one, other = create_worlds(None)[0]["sf"], create_worlds(None)[0]["sf"]
    catalog(one).put_field("Opportunity", NUMBER)
    there = [catalog(org).object("opportunity") for org in (one, other)]
    assert [kind is not None and kind.find("seats__C") is not None for kind in there] == [True, False]


def test_a_field_made_while_the_org_runs_is_written_asked_and_described(running: Sandbox, deal: str) -> None:
    org = running.sf
    catalog(org).put_field("Opportunity", NUMBER)
    admin_sees_all(org)
    sf = logged_in(running)
    assert sf.Opportunity.update(deal, {"Seats__c": 12}) == 204
    body = {"records": [{"attributes": {"type": "Opportunity"}, "id": deal, "Seats__c": 13}]}
    assert sf.restful("composite/sobjects", method="PATCH", json=body)[0]["success"]
    assert sf.query("SELECT Seats__c FROM Opportunity WHERE Seats__c > 12")["records"][0]["Seats__c"] == 13
    shown = {f["name"]: f for f in sf.Opportunity.describe()["fields"]}
    assert (shown["Seats__c"]["type"], shown["Seats__c"]["custom"]) == ("double", True)


def test_a_field_of_activity_stands_on_tasks_and_events(running: Sandbox, deal: str) -> None:
    org = running.sf
    catalog(org).put_field("Activity", KEY)
    admin_sees_all(org)
    sf = logged_in(running)
    for kind, more in (("Task", {}), ("Event", {"StartDateTime": "2026-01-02T10:00:00Z", "DurationInMinutes": 30})):
        url = f"sobjects/{kind}/Ext_Key__c/k1"
        first = sf.restful(url, method="PATCH", json={"Subject": "x", "WhatId": deal, **more})
        again = sf.restful(url, method="PATCH", json={"Subject": "y"})
        assert (first["created"], again["created"], first["id"]) == (True, False, again["id"])
        with pytest.raises(SalesforceMalformedRequest, match="DUPLICATE_VALUE"):
            getattr(sf, kind).create({"Subject": "z", "Ext_Key__c": "K1", **more})


def test_a_custom_object_has_ids_of_its_own_and_can_be_deleted(running: Sandbox, deal: str) -> None:
    org = running.sf
    made = catalog(org).put_object(EFFECT)
    admin_sees_all(org)
    sf = logged_in(running)
    row = sf.Effect__c.create({"Name": "e", "Ext_Key__c": "k", "Deal__c": deal})["id"]
    assert row[:3] == made.prefix
    assert made.prefix not in {k.prefix for k in catalog(org).objects() if k.name != made.name}
    found = sf.query("SELECT Deal__r.Name, OwnerId FROM Effect__c WHERE Ext_Key__c = 'k'")["records"]
    assert [(r["Deal__r"]["Name"], r["OwnerId"]) for r in found] == [("Acme first", admin_user(org).id)]
    sf.restful("composite/sobjects", method="DELETE", params={"ids": row})
    assert list(org.table("Effect__c").live()) == []
    catalog(org).drop_object("effect__c")
    with pytest.raises(SalesforceMalformedRequest, match="INVALID_TYPE"):
        sf.query("SELECT Id FROM Effect__c")


def test_a_field_that_is_dropped_takes_its_values_along(org: World) -> None:
    schema = catalog(org)
    schema.put_field("Account", KEY)
    row = org.table("Account").insert({"Name": "a", "Ext_Key__c": "k"}, by="setup")
    schema.drop_field("account", "ext_key__c")
    assert "Ext_Key__c" not in org.table("Account").rows[row.id].values
    schema.put_field("Account", Field("Ext_Key__c", "string", 40))
    for _ in range(2):
        org.table("Account").insert({"Name": "a", "Ext_Key__c": "k"}, by="setup")


@pytest.mark.parametrize("clean_stop", [True, False])
def test_the_schema_and_its_rows_are_there_after_a_restart(tmp_path: Path, *, clean_stop: bool) -> None:
    first = create_worlds(tmp_path, bare_salesforce=True)[0]["sf"]
    catalog(first).put_object(EFFECT)
    catalog(first).put_field("Opportunity", NUMBER)
    catalog(first).put_field("Opportunity", Field("Amount", "currency", precision=9, scale=1))
    catalog(first).put_field("Activity", KEY)
    catalog(first).drop_field("Account", "Site_Code__c")
    row = first.table("Effect__c").insert({"Name": "e", "Ext_Key__c": "k"}, by="setup")
    first.flush()
    if clean_stop:
        first.detach()
    again, found = create_worlds(tmp_path)
    org = again["sf"]
    assert found
    assert org.settings["bare"] is True
    for kind in catalog(first).objects():
        assert catalog(org).object(kind.name) == kind
    assert org.table("Effect__c").find_unique("Ext_Key__c", "K").id == row.id
    assert org.table("Task").unique == ("Ext_Key__c",)
    assert catalog(org).gated("opportunity", "seats__c")
    assert not catalog(org).gated("Opportunity", "Amount")


def test_the_admin_logs_in_with_credentials_of_their_own(running: Sandbox, session: requests.Session) -> None:
    sf = Salesforce(
        consumer_key=auth.ADMIN_CLIENT_ID,
        consumer_secret=auth.ADMIN_CLIENT_SECRET,
        domain="seller.my",
        session=session,
        version="66.0",
    )
    made = sf.Account.create({"Name": "a"})["id"]
    assert running.sf.table("Account").rows[made].created_by == admin_user(running.sf).id
    with pytest.raises(SalesforceError):
        Salesforce(consumer_key=auth.ADMIN_CLIENT_ID, consumer_secret="wrong", domain="seller.my", session=session)


def test_the_screens_of_a_bare_org_ask_for_a_field_once_it_is_there() -> None:
    with Sandbox.running(bare_salesforce=True, seed=7, deals=20) as sandbox:
        org = sandbox.sf
        deal = next(org.table("Opportunity").live()).id
        assert not [name for row in org.table("Opportunity").live() for name in row.values if "Handoff" in name]
        page = f"{sandbox.sf_url}/ui/deals/{deal}?edit=1"
        assert 'name="why_bought"' not in requests.get(page, timeout=10).text
        catalog(org).put_field("Opportunity", Field("Handoff_Why_Bought__c", "textarea", 32_768, "Why they bought"))
        assert 'name="why_bought"' in requests.get(page, timeout=10).text


def admin_sees_all(org: World) -> None:
    """Give the admin every field and object that was added: nobody sees them before."""
    granted = granting.put_set(org, "All")
    for kind in catalog(org).objects():
        if kind.custom:
            granting.grant_objects(org, granted, {kind.name: OBJECT_RIGHTS})
        added = [f"{kind.name}.{f.name}" for f in kind.own if catalog(org).gated(kind.name, f.name)]
        granting.grant_fields(org, granted, dict.fromkeys(added, (True, True)))
    granting.assign(org, admin_user(org).id, granted)
