"""The Tooling API of the Salesforce sandbox: queries over setup, fields and rules made one at a time."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from metadata_files import Admin
from simple_salesforce.api import Salesforce

from connector.sandbox.salesforce import rules
from connector.sandbox.salesforce.auth import new_token
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.metadata import planting
from connector.sandbox.salesforce.users import integration_user
from connector.sandbox.server import Sandbox

RULE = {
    "FullName": "Opportunity.Next",
    "Metadata": {
        "active": True,
        "errorConditionFormula": "AND(IsWon, ISBLANK(NextStep))",
        "errorDisplayField": "NextStep",
        "errorMessage": "Say what comes next.",
    },
}
SELECT = "SELECT Id, ValidationName, Active, EntityDefinition.QualifiedApiName FROM ValidationRule"


def make(admin: Admin, type: str, body: dict[str, Any]) -> requests.Response:
    return admin.call("POST", f"/tooling/sobjects/{type}", json=body)


def a_field(name: str, type: str = "Text", **more: Any) -> dict[str, Any]:
    said = {"length": 80} if type == "Text" and not more else {}
    return {"FullName": name, "Metadata": {"label": "Go", "type": type, **said, **more}}


def test_a_field_is_made(admin: Admin, bare: Sandbox) -> None:
    values = [{"fullName": n, "default": False, "label": n} for n in ("One", "Two")]
    chosen = {"restricted": True, "valueSetDefinition": {"sorted": False, "value": values}}
    made = make(admin, "CustomField", a_field("Opportunity.Go__c", "Picklist", valueSet=chosen))
    assert (made.status_code, made.json()["success"]) == (201, True)
    kind = catalog(bare.sf).object("Opportunity")
    assert kind is not None
    found = kind.find("Go__c")
    assert found is not None
    assert (found.type, found.values) == ("picklist", ("One", "Two"))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (a_field("Task.Key__c"), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        (a_field("Opportunity.Go__c", "TextArea", length=9), "FIELD_INTEGRITY_EXCEPTION"),
        (a_field("Opportunity.Go__c", colour="red"), "FIELD_INTEGRITY_EXCEPTION"),
        ({"FullName": "Opportunity.Go__c"}, "REQUIRED_FIELD_MISSING"),
    ],
)
def test_a_field_that_cannot_be_is_refused(body: dict[str, Any], code: str, admin: Admin, bare: Sandbox) -> None:
    found = make(admin, "CustomField", body)
    assert (found.status_code, found.json()[0]["errorCode"]) == (400, code)
    kind = catalog(bare.sf).object("Opportunity")
    assert kind is not None
    assert kind.find("Go__c") is None


def test_a_rule_is_made_once_and_changed_as_a_whole(admin: Admin, bare: Sandbox) -> None:
    made = make(admin, "ValidationRule", RULE)
    assert made.status_code == 201
    assert make(admin, "ValidationRule", RULE).json()[0]["errorCode"] == "DUPLICATE_DEVELOPER_NAME"
    id = made.json()["id"]
    assert id.startswith("03d")
    shallow = admin.call("PATCH", f"/tooling/sobjects/ValidationRule/{id}", json={"Active": False})
    assert shallow.json()[0]["errorCode"] == "INVALID_FIELD_FOR_INSERT_UPDATE"
    body = {"Metadata": {**RULE["Metadata"], "active": False}}  # type: ignore[dict-item]
    assert admin.call("PATCH", f"/tooling/sobjects/ValidationRule/{id}", json=body).status_code == 204
    (kept,) = rules.all(bare.sf, "Opportunity")
    assert (kept.active, kept.message, kept.field) == (False, "Say what comes next.", "NextStep")


def test_a_rule_is_deleted(admin: Admin, bare: Sandbox) -> None:
    id = make(admin, "ValidationRule", RULE).json()["id"]
    assert admin.call("DELETE", f"/tooling/sobjects/ValidationRule/{id}").status_code == 204
    assert rules.all(bare.sf, "Opportunity") == ()


def test_the_daemons_user_may_look_but_not_change(admin: Admin, bare: Sandbox) -> None:
    make(admin, "ValidationRule", RULE)
    daemon = Admin(bare.sf_url, new_token(bare.sf, integration_user(bare.sf)))
    assert daemon.tooling(SELECT).json()["size"] == 1
    refused = make(daemon, "CustomField", a_field("Opportunity.Go__c"))
    assert refused.json()[0]["errorCode"] == "INSUFFICIENT_ACCESS"


def test_metadata_is_shown_for_one_row_at_most(admin: Admin, bare: Sandbox) -> None:
    planting.plant_rule(bare.sf, "First", formula="IsWon", message="One.")
    planting.plant_rule(bare.sf, "Second", formula="IsClosed", message="Two.", active=False)
    found = admin.tooling(f"{SELECT} WHERE EntityDefinition.QualifiedApiName = 'Opportunity' ORDER BY ValidationName")
    rows = found.json()["records"]
    assert [(r["ValidationName"], r["Active"]) for r in rows] == [("First", True), ("Second", False)]
    assert rows[0]["EntityDefinition"]["QualifiedApiName"] == "Opportunity"
    many = admin.tooling("SELECT Id, Metadata FROM ValidationRule")
    assert many.status_code == 400
    assert "no more than one row" in many.json()[0]["message"]
    single = admin.tooling("SELECT FullName, Metadata FROM ValidationRule WHERE ValidationName = 'Second'").json()
    assert single["records"][0]["Metadata"]["errorConditionFormula"] == "IsClosed"
    assert single["records"][0]["FullName"] == "Opportunity.Second"


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("WHERE Active = true", ["First"]),
        ("WHERE NOT Active = true", ["Second"]),
        ("WHERE ValidationName LIKE 'sec%'", ["Second"]),
        ("WHERE ValidationName IN ('First', 'Third')", ["First"]),
        ("WHERE ValidationName NOT IN ('First')", ["Second"]),
        ("WHERE Active = true OR ErrorMessage = 'two.'", ["First", "Second"]),
        ("ORDER BY ValidationName DESC LIMIT 1", ["Second"]),
        ("ORDER BY ValidationName LIMIT 1 OFFSET 1", ["Second"]),
    ],
)
def test_a_query_chooses(where: str, expected: list[str], admin: Admin, bare: Sandbox) -> None:
    planting.plant_rule(bare.sf, "First", formula="IsWon", message="One.")
    planting.plant_rule(bare.sf, "Second", formula="IsClosed", message="Two.", active=False)
    found = admin.tooling(f"SELECT ValidationName FROM ValidationRule {where}").json()
    assert [r["ValidationName"] for r in found["records"]] == expected


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Nope FROM ValidationRule", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity", "INVALID_TYPE"),
        ("SELECT FROM", "MALFORMED_QUERY"),
    ],
)
def test_a_query_that_cannot_be_is_refused(soql: str, code: str, admin: Admin) -> None:
    assert admin.tooling(soql).json()[0]["errorCode"] == code


def test_setup_is_found_by_kind(admin: Admin, bare: Sandbox) -> None:
    planting.plant_flow(bare.sf, "Old_Flow", active=False)
    planting.plant_dynamic_form(bare.sf, "Deal_Page")
    layouts = admin.tooling("SELECT Name FROM Layout WHERE EntityDefinition.QualifiedApiName = 'Opportunity'").json()
    assert {r["Name"] for r in layouts["records"]} == {"Opportunity Layout", "Opportunity (Partner) Layout"}
    flows = admin.tooling("SELECT ApiName, IsActive, TriggerObjectOrEventLabel FROM FlowDefinitionView").json()
    assert [(r["ApiName"], r["IsActive"]) for r in flows["records"]] == [("Old_Flow", False)]
    pages = admin.tooling("SELECT DeveloperName FROM FlexiPage WHERE EntityDefinitionId = 'Opportunity'").json()
    assert [r["DeveloperName"] for r in pages["records"]] == ["Deal_Page"]
    fields = admin.tooling(
        "SELECT QualifiedApiName, DataType FROM FieldDefinition "
        "WHERE EntityDefinition.QualifiedApiName = 'Account' AND QualifiedApiName = 'Site_Code__c'"
    ).json()
    assert [r["DataType"] for r in fields["records"]] == ["Text(40)"]
    counted = admin.tooling("SELECT COUNT() FROM EntityDefinition WHERE QualifiedApiName = 'Opportunity'").json()
    assert (counted["size"], counted["records"]) == (1, [])


def test_simple_salesforce_speaks_tooling(admin_sf: Salesforce) -> None:
    made = admin_sf.toolingexecute("sobjects/CustomField", "POST", a_field("Opportunity.Go__c"))
    assert made["success"]
    found = admin_sf.toolingexecute(f"sobjects/CustomField/{made['id']}")
    assert found["Metadata"]["type"] == "Text"
