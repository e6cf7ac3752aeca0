"""Validation rules in the sandbox org: kept, and enforced wherever a record is saved."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest
import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from connector.sandbox import agreed, seed, views
from connector.sandbox.salesforce import rules
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.fields import Field
from connector.sandbox.salesforce.formula import FormulaError
from connector.sandbox.screens.actions import Actions, Refusal
from connector.sandbox.screens.app import routes
from connector.sandbox.server import Sandbox, create_worlds
from connector.sandbox.state import World

BYPASS = "Handoff_Bypass"
ON_WIN = "IsWon, OR(ISNEW(), ISCHANGED(StageName)), NOT($Permission.Handoff_Bypass)"
GO_LIVE = "Handoff_Go_Live_Date__c"
CHAMPION = "Handoff_Champion__c"
WON = "Closed Won"
GOOD = {"Name": "n", "StageName": "Prospecting", "CloseDate": "2026-12-01"}
VIOLATION = "FIELD_CUSTOM_VALIDATION_EXCEPTION"


def plant(org: World, field: str = GO_LIVE, *, name: str = "", active: bool = True) -> str:
    """A rule that wants the field at a win; its message."""
    words = f"Fill {field} before the deal is won."
    org.parts[rules.ON_LAYOUT] = lambda _object, _field: True
    if not org.table("CustomPermission").find_unique("DeveloperName", BYPASS):
        org.table("CustomPermission").insert({"DeveloperName": BYPASS, "MasterLabel": "Bypass"}, by="setup")
    rules.put(
        org, "Opportunity", name or f"Needs_{field[8:-3]}", active, f"AND({ON_WIN}, ISBLANK({field}))", field, words
    )
    return words


def stage(org: World, deal: str) -> Any:
    return org.table("Opportunity").rows[deal].values["StageName"]


def test_rest_refuses_with_the_words_of_every_rule_that_fires(sf: Salesforce, org: World, deal: str) -> None:
    words = plant(org), plant(org, CHAMPION)
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.Opportunity.update(deal, {"StageName": "Closed Won"})
    assert caught.value.content == [
        {"message": words[0], "errorCode": VIOLATION, "fields": [GO_LIVE]},
        {"message": words[1], "errorCode": VIOLATION, "fields": [CHAMPION]},
    ]
    assert stage(org, deal) == "Prospecting"
    sf.Opportunity.update(deal, {"StageName": "Closed Won", GO_LIVE: "2027-01-01", CHAMPION: "Ada"})
    assert stage(org, deal) == "Closed Won"


def test_it_is_the_transition_that_is_blocked_not_a_won_deal(sf: Salesforce, org: World, deal: str) -> None:
    sf.Opportunity.update(deal, {"StageName": "Closed Won"})
    plant(org)
    sf.Opportunity.update(deal, {"NextStep": "call"})
    with pytest.raises(SalesforceMalformedRequest):
        sf.Opportunity.create({"Name": "n", "StageName": "Closed Won", "CloseDate": "2026-12-01"})


def test_a_blocked_save_leaves_nothing_behind(sf: Salesforce, org: World, deal: str) -> None:
    plant(org)
    row = org.table("Opportunity").rows[deal]
    before = row.copy()
    history = len(org.table("OpportunityHistory").rows)
    with pytest.raises(SalesforceMalformedRequest):
        sf.Opportunity.update(deal, {"StageName": "Closed Won", "NextStep": "x"})
    assert org.table("Opportunity").rows[deal] == before
    assert len(org.table("OpportunityHistory").rows) == history


def test_collections_save_what_passes_and_name_the_rest(sf: Salesforce, org: World, deal: str) -> None:
    words = plant(org), plant(org, CHAMPION)
    other = (
        org.table("Opportunity").insert({"Name": "o", "StageName": "Prospecting", "CloseDate": "2026-12-01"}, by="x").id
    )
    records = [
        {"attributes": {"type": "Opportunity"}, "id": deal, "StageName": "Closed Won"},
        {
            "attributes": {"type": "Opportunity"},
            "id": other,
            "StageName": "Closed Won",
            GO_LIVE: "2027-01-01",
            CHAMPION: "A",
        },
    ]
    send = {"allOrNone": False, "records": records}
    found = sf.restful("composite/sobjects", method="PATCH", json=send)
    assert [each["success"] for each in found] == [False, True]
    assert found[0]["errors"] == [
        {"statusCode": VIOLATION, "message": words[0], "fields": [GO_LIVE]},
        {"statusCode": VIOLATION, "message": words[1], "fields": [CHAMPION]},
    ]
    assert (stage(org, deal), stage(org, other)) == ("Prospecting", "Closed Won")
    org.table("Opportunity").update(other, {"StageName": "Prospecting"}, by="x")
    again = sf.restful("composite/sobjects", method="PATCH", json=send | {"allOrNone": True})
    assert [each["success"] for each in again] == [False, False]
    assert (stage(org, deal), stage(org, other)) == ("Prospecting", "Prospecting")


def test_a_composite_call_names_every_rule_and_takes_all_back(sf: Salesforce, org: World, deal: str) -> None:
    words = plant(org), plant(org, CHAMPION)
    path = "/services/data/v66.0/sobjects"
    parts = [
        {"method": "POST", "url": f"{path}/Task", "referenceId": "task", "body": {"Subject": "s", "WhatId": deal}},
        {"method": "PATCH", "url": f"{path}/Opportunity/{deal}", "referenceId": "win", "body": {"StageName": WON}},
    ]
    send = {"allOrNone": True, "compositeRequest": parts}
    found = sf.restful("composite", method="POST", json=send)["compositeResponse"]
    assert [each["message"] for each in found[1]["body"]] == list(words)
    assert not org.table("Task").rows


def test_a_bulk_job_fails_the_rows_that_a_rule_blocks(sf: Salesforce, org: World, deal: str) -> None:
    words = plant(org), plant(org, CHAMPION)
    other = org.table("Opportunity").insert(GOOD | {"Handoff_Champion__c": "Ada", GO_LIVE: "2027-01-01"}, by="x").id
    job = sf.restful(
        "jobs/ingest", method="POST", json={"object": "Opportunity", "operation": "update", "lineEnding": "LF"}
    )
    address = f"{sf.base_url}jobs/ingest/{job['id']}"
    rows = f"Id,StageName\n{deal},{WON}\n{other},{WON}\n"
    sf._call_salesforce("PUT", f"{address}/batches", data=rows.encode(), headers={"Content-Type": "text/csv"})
    sf.restful(f"jobs/ingest/{job['id']}", method="PATCH", json={"state": "UploadComplete"})
    org.clock.advance(3_600)
    assert sf.restful(f"jobs/ingest/{job['id']}")["state"] == "JobComplete"
    failed = list(csv.DictReader(io.StringIO(sf._call_salesforce("GET", f"{address}/failedResults").text)))
    assert [row["sf__Id"] for row in failed] == [deal]
    assert failed[0]["sf__Error"] == f"{VIOLATION}:{words[0]}:{GO_LIVE} --{VIOLATION}:{words[1]}:{CHAMPION} --"
    assert (stage(org, deal), stage(org, other)) == ("Prospecting", WON)


def test_a_field_that_no_layout_shows_is_not_named(sf: Salesforce, org: World, deal: str) -> None:
    plant(org)
    org.parts[rules.ON_LAYOUT] = lambda object, field: (object, field) != ("Opportunity", GO_LIVE)
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.Opportunity.update(deal, {"StageName": "Closed Won"})
    assert caught.value.content[0]["fields"] == []


def test_an_inactive_or_dropped_rule_blocks_nothing(sf: Salesforce, org: World, deal: str) -> None:
    plant(org, active=False)
    plant(org, CHAMPION)
    rules.drop(org, "opportunity", "needs_champion")
    sf.Opportunity.update(deal, {"StageName": "Closed Won"})
    assert [(rule.name, rule.active) for rule in rules.all(org)] == [("Needs_Go_Live_Date", False)]


def test_a_rule_put_again_replaces_the_old_one(sf: Salesforce, org: World, deal: str) -> None:
    plant(org)
    plant(org, active=False)
    assert len(rules.all(org, "Opportunity")) == 1
    sf.Opportunity.update(deal, {"StageName": "Closed Won"})


def test_rules_follow_the_schema(sf: Salesforce, org: World, deal: str) -> None:
    catalog(org).put_field("Opportunity", Field("New_Field__c", "string", 80))
    words = plant(org, "New_Field__c", name="Needs_New")
    with pytest.raises(SalesforceMalformedRequest, match=re.escape(words)):
        sf.Opportunity.update(deal, {"StageName": "Closed Won"})
    catalog(org).drop_field("Opportunity", "New_Field__c")
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.Opportunity.update(deal, {"StageName": "Closed Won"})
    assert caught.value.content[0]["errorCode"] == rules.UNUSABLE


def test_a_formula_that_cannot_be_evaluated_blocks_the_save(sf: Salesforce, org: World, deal: str) -> None:
    rules.put(org, "Opportunity", "Wrong", True, "VALUE(NextStep) = 1", "", "never shown")
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.Opportunity.update(deal, {"NextStep": "call"})
    assert caught.value.content[0]["errorCode"] == rules.UNUSABLE
    sf.Opportunity.update(deal, {"NextStep": "1.5"})


def test_rules_are_kept_across_a_restart(tmp_path: Path) -> None:
    first, _ = create_worlds(tmp_path)
    words = plant(first["sf"])
    first["sf"].detach()
    again, found = create_worlds(tmp_path)
    assert found
    org = again["sf"]
    assert [rule.message for rule in rules.all(org)] == [words]
    values = {"Name": "n", "StageName": "Closed Won", "CloseDate": "2026-12-01"}
    with pytest.raises(Exception, match=re.escape(words)):
        org.table("Opportunity").insert(values, by="x")
    assert not org.table("Opportunity").rows


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"object": "Nope__c"}, "bad value for restricted picklist field: Nope__c"),
        ({"name": "1st"}, "must begin with a letter"),
        ({"name": "Two__Lines"}, "two consecutive underscores"),
        ({"name": "End_"}, "not end with an underscore"),
        ({"name": "x" * 41}, "at most 40"),
        ({"message": "m" * 256}, "max length=255"),
        ({"message": " "}, "Required field is missing: errorMessage"),
        ({"field": "Nope__c"}, "Field Nope__c does not exist"),
    ],
)
def test_a_rule_the_org_does_not_save(changes: dict[str, Any], words: str) -> None:
    org = create_worlds(None)[0]["sf"]
    good = {"object": "Opportunity", "name": "A_rule", "active": True, "formula": "IsWon", "field": "", "message": "m"}
    rules.put(org, **good)
    with pytest.raises(rules.RuleError, match=re.escape(words)):
        rules.put(org, **(good | changes))
    with pytest.raises(FormulaError, match="does not exist"):
        rules.put(org, **(good | {"formula": "Nope__c = 1"}))
    assert len(rules.all(org)) == 1


def test_whoever_holds_the_bypass_permission_is_let_through(sf: Salesforce, org: World, deal: str) -> None:
    words = plant(org)
    with pytest.raises(SalesforceMalformedRequest, match=re.escape(words)):
        sf.Opportunity.update(deal, {"StageName": "Closed Won"})
    permission = org.table("CustomPermission").find_unique("DeveloperName", BYPASS)
    holder = next(org.table("User").where("Username", ["integration@handoff.sandbox"]))
    given = org.table("PermissionSet").insert({"Name": "Bypass", "Label": "Bypass"}, by="setup")
    assert permission is not None
    org.table("SetupEntityAccess").insert({"ParentId": given.id, "SetupEntityId": permission.id}, by="setup")
    org.table("PermissionSetAssignment").insert({"AssigneeId": holder.id, "PermissionSetId": given.id}, by="setup")
    sf.Opportunity.update(deal, {"StageName": "Closed Won"})
    assert stage(org, deal) == "Closed Won"


def test_a_rule_may_not_name_a_permission_that_does_not_exist(org: World) -> None:
    with pytest.raises(FormulaError, match=r"Field \$Permission.Nope does not exist"):
        rules.put(org, "Opportunity", "R", True, "$Permission.Nope", "", "m")


def test_the_record_the_user_and_the_account_are_looked_up(sf: Salesforce, org: World, deal: str) -> None:
    formula = 'AND(ISCHANGED(NextStep), Account.Name = "Acme", $User.Username = "integration@handoff.sandbox")'
    rules.put(org, "Opportunity", "Mine", True, formula, "NextStep", "not you")
    with pytest.raises(SalesforceMalformedRequest, match="not you"):
        sf.Opportunity.update(deal, {"NextStep": "x"})
    org.table("Opportunity").update(deal, {"NextStep": "x"}, by="somebody else")
    account = org.table("Opportunity").rows[deal].values["AccountId"]
    org.table("Account").update(account, {"Name": "Other"}, by="x")
    sf.Opportunity.update(deal, {"NextStep": "y"})


def test_the_control_api_tells_what_was_refused(running: Sandbox, org: World, deal: str) -> None:
    words = plant(org)
    body = {"system": "sf", "object": "Opportunity", "id": deal, "changes": {"StageName": "Closed Won"}}
    reply = requests.post(f"{running.control_url}/record", json=body, timeout=20)
    assert reply.status_code == 422
    assert reply.json() == {"error": words}
    assert stage(org, deal) == "Prospecting"


def test_a_book_of_business_is_history_and_not_refused(running: Sandbox, org: World) -> None:
    words = plant(org)
    reply = requests.post(f"{running.control_url}/seed", json={"seed": 3, "deals": 30, "systems": ["sf"]}, timeout=60)
    assert reply.status_code == 200
    won = [row for row in org.table("Opportunity").live() if row.values.get("IsWon")]
    assert any(not row.values.get(GO_LIVE) for row in won)
    with pytest.raises(Exception, match=re.escape(words)):
        org.table("Opportunity").insert({"Name": "n", "StageName": "Closed Won", "CloseDate": "2026-12-01"}, by="x")


# the screens


@pytest.fixture
def world() -> World:
    worlds, _ = create_worlds(None)
    seed.fill(worlds, 7, 60)
    return worlds["sf"]


@pytest.fixture
def http(world: World) -> TestClient:
    return TestClient(Starlette(routes=routes(world)))


@pytest.fixture
def open_deal(world: World) -> str:
    crm = views.view(world)
    found = next(d for d in crm.deals() if d.stage.id == "Negotiation/Review" and d.deal_type == "new")
    crm.set_deal(found.id, {"champion": None, "go_live_date": None}, by=found.owner)
    return found.id


def test_a_dragged_card_comes_back_with_the_words_and_a_way_to_fill_them(
    world: World, http: TestClient, open_deal: str
) -> None:
    words = plant(world), plant(world, CHAMPION)
    reply = http.post(f"/ui/deals/{open_deal}/stage", data={"stage": "Closed Won"}, headers={"X-Live": "1"})
    assert reply.status_code == 422
    assert all(each in reply.text for each in words)
    assert f'href="/ui/deals/{open_deal}?edit=1&amp;stage=Closed%20Won#handoff"' in reply.text
    assert stage(world, open_deal) == "Negotiation/Review"
    page = http.get(f"/ui/deals/{open_deal}?edit=1&stage=Closed%20Won").text
    assert '<option value="Closed Won" selected>' in page


def test_without_script_the_record_opens_for_editing_with_the_words_beside_the_fields(
    world: World, http: TestClient, open_deal: str
) -> None:
    words = plant(world, CHAMPION)
    rules.put(world, "Opportunity", "Top", True, f"AND({ON_WIN})", "NextStep", "Not at all, because of <this>.")
    page = http.post(f"/ui/deals/{open_deal}/stage", data={"stage": "Closed Won", "back": "/ui/"})
    assert page.status_code == 422
    assert f'<p class="fault" id="e-champion"><span>{words}</span></p>' in page.text
    assert re.search(r'name="champion"[^>]* aria-invalid="true" aria-describedby="e-champion"', page.text)
    notice = re.search(r'<div class="notice" role="alert">.*?</div>', page.text, re.DOTALL)
    assert notice is not None
    assert "<li>Not at all, because of &lt;this&gt;.</li>" in notice[0]
    assert f'<li><a href="#f-champion">{words}</a></li>' in notice[0]
    assert '<option value="Closed Won" selected>' in page.text
    assert f'name="back" value="/ui/deals/{open_deal}"' in page.text


def test_a_refused_save_keeps_what_was_typed_and_passes_once_filled(
    world: World, http: TestClient, open_deal: str
) -> None:
    words = plant(world)
    typed = {
        "champion": "Typed & kept", "risks": "Line one\nline two", "amount": "77000", "override_requested": "true",
        "stage": "Closed Won", "stage_was": "Negotiation/Review",
    }  # fmt: skip
    page = http.post(f"/ui/deals/{open_deal}", data=typed)
    assert page.status_code == 422
    assert words in page.text
    assert 'value="Typed &amp; kept"' in page.text
    assert "Line one\nline two</textarea>" in page.text
    assert 'value="77000"' in page.text
    assert re.search(r'name="override_requested" value="true" checked', page.text)
    assert stage(world, open_deal) == "Negotiation/Review"
    assert "Typed" not in views.view(world).deal(open_deal).text("champion")
    done = http.post(f"/ui/deals/{open_deal}", data=typed | {"go_live_date": "2027-03-31"}, follow_redirects=False)
    assert done.status_code == 303
    deal = views.view(world).deal(open_deal)
    assert deal.stage.won
    assert deal.text("champion") == "Typed & kept"


def test_a_form_that_does_not_choose_a_stage_leaves_the_deal_where_it_went_meanwhile(
    world: World, http: TestClient, open_deal: str
) -> None:
    world.table("Opportunity").update(open_deal, {"StageName": "Qualification"}, by="x")
    same = {"stage": "Negotiation/Review", "stage_was": "Negotiation/Review", "champion": "Ada"}
    http.post(f"/ui/deals/{open_deal}", data=same)
    assert stage(world, open_deal) == "Qualification"
    assert views.view(world).deal(open_deal).text("champion") == "Ada"


def test_a_value_of_the_wrong_kind_keeps_the_rest_too(http: TestClient, open_deal: str) -> None:
    page = http.post(f"/ui/deals/{open_deal}", data={"go_live_date": "soon", "champion": "Typed"})
    assert page.status_code == 422
    assert "is not a date" in page.text
    assert 'value="Typed"' in page.text


def test_a_refused_task_or_call_is_told_where_it_was_asked(world: World, http: TestClient, open_deal: str) -> None:
    rules.put(world, "Task", "No_calls", True, 'ISPICKVAL(Status, "Completed")', "Subject", "Nothing is ever done.")
    me = next(u for u in views.view(world).users() if u.email == "maya.lindqvist@seller.example").id
    http.post("/ui/acting", data={"user": me, "back": "/ui/"})
    task = views.view(world).add_task(open_deal, subject="Do it", due=world.clock.now(), owner=me, by=me)
    page = http.post(f"/ui/tasks/{task}/complete", data={"back": "/ui/tasks"})
    assert page.status_code == 422
    assert "Nothing is ever done." in page.text
    assert "Do it" in page.text
    log = {"kind": "call", "subject": "Welcome", "body": "went well"}
    page = http.post(f"/ui/deals/{open_deal}/activities", data=log)
    assert page.status_code == 422
    assert "Nothing is ever done." in page.text
    assert 'value="Welcome"' in page.text
    assert "went well</textarea>" in page.text


def test_hands_say_what_was_refused_by_the_name_of_the_field(world: World, open_deal: str) -> None:
    words = plant(world, CHAMPION)
    with pytest.raises(Refusal) as caught:
        Actions(world).move_stage(open_deal, "Closed Won", by="x")
    assert caught.value.reasons == ((words, "champion"),)
    assert "champion" in agreed.HANDOFF_FIELDS
