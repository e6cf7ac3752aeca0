"""What of an org's own would fight with the connector, each kind alone, and what is no danger."""

from __future__ import annotations

import pytest
from provision_parts import MAP, POLICY, a_look, a_rule, an_org, installed

from connector.crm.installer import Danger, Weight
from connector.crm.salesforce.provision.component import Component, leaf
from connector.crm.salesforce.provision.conflicts import dangers
from connector.crm.salesforce.provision.org import Automation, OrgState


def _found(org: OrgState) -> tuple[Danger, ...]:
    return dangers(org, MAP, POLICY)


def test_an_org_with_only_our_own_rules_is_peaceful() -> None:
    assert _found(an_org(*installed())) == ()


@pytest.mark.parametrize(
    ("name", "formula", "weight", "says"),
    [
        ("Task.Needs_Type", "ISPICKVAL(Type, '')".replace("'", '"'), Weight.REFUSES, "asks for Type"),
        ("Task.Needs_Call", "AND(ISBLANK(Call_Result__c), TRUE)", Weight.REFUSES, "asks for Call_Result__c"),
        ("Activity.Needs_Code", "ISBLANK(TEXT(Code__c))", Weight.REFUSES, "asks for Code__c"),
        ("Task.Owner_Rule", 'OwnerId = "005"', Weight.MAY_REFUSE, "judges OwnerId"),
        ("Opportunity.Stage", "AND(ISCHANGED(StageName), ISBLANK(NextStep))", Weight.MAY_REFUSE, "judges the stage"),
        ("Opportunity.Won", "IsWon && Amount < 1", Weight.MAY_REFUSE, "Putting a deal back"),
        ("Opportunity.Old_Gate", "AND(IsWon, ISBLANK(Handoff_Champion__c))", Weight.MAY_REFUSE, "as the gate does"),
        ("Opportunity.Next", "ISBLANK(NextStep)", Weight.MAY_REFUSE, "every save of the Opportunity"),
        (
            "Account.Csm",
            "NOT(Handoff_CSM__r.IsActive) && ISCHANGED(Handoff_CSM__c)",
            Weight.MAY_REFUSE,
            "Handoff_CSM__c",
        ),
    ],
)
def test_an_active_rule_is_judged_by_what_it_names(name: str, formula: str, weight: Weight, says: str) -> None:
    (danger,) = _found(an_org(a_rule(name, formula, message="Not so.")))
    assert danger.weight is weight
    assert says in danger.effect
    assert name in danger.what
    assert "Not so." in danger.what
    assert danger.remedy


def test_a_rule_that_is_switched_off_is_none() -> None:
    assert _found(an_org(a_rule("Task.Needs_Type", "ISBLANK(Subject)", active=False))) == ()


def test_a_rule_that_looks_at_who_saves_says_so() -> None:
    (danger,) = _found(an_org(a_rule("Opportunity.Stage", 'AND(IsWon, NOT($Permission.Free), $Profile.Name <> "Api")')))
    assert "$Permission.Free" in danger.effect
    assert "$Profile.Name" in danger.effect


def test_texts_and_functions_in_a_formula_are_no_fields() -> None:
    (danger,) = _found(an_org(a_rule("Task.Words", 'CONTAINS(Region__c, "OwnerId Subject")')))
    assert "every save of the Task" in danger.effect


def test_required_fields_matter_where_records_are_made() -> None:
    task = {"Task": {"Region__c": a_look("Region__c", required=True), "Subject": a_look("Subject", required=True)}}
    (danger,) = _found(an_org(fields=task))
    assert danger.weight is Weight.REFUSES
    assert "Task.Region__c" in danger.what
    deal = {"Opportunity": {"Region__c": a_look("Region__c", required=True)}}
    (danger,) = _found(an_org(fields=deal))
    assert danger.weight is Weight.MAY_REFUSE


def test_a_default_makes_a_required_field_harmless_and_a_unique_one_dangerous() -> None:
    harmless = {"Task": {"Region__c": a_look("Region__c", required=True, has_default=True)}}
    assert _found(an_org(fields=harmless)) == ()
    unique = {"Task": {"Region__c": a_look("Region__c", unique=True, has_default=True)}}
    (danger,) = _found(an_org(fields=unique))
    assert "duplicate" in danger.effect


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ((leaf("isActive", True), leaf("actionOnUpdate", "Block")), "blocks updates"),
        (
            (leaf("isActive", True), leaf("actionOnUpdate", "Allow"), leaf("operationsOnUpdate", "Alert")),
            "warning refuses the row",
        ),
        ((leaf("isActive", False), leaf("actionOnUpdate", "Block")), ""),
        ((leaf("isActive", True), leaf("actionOnUpdate", "Allow"), leaf("operationsOnUpdate", "Report")), ""),
    ],
)
def test_duplicate_rules_on_accounts(body: tuple[tuple[str, str], ...], says: str) -> None:
    found = _found(an_org(Component("DuplicateRule", "Account.Same_Name", body)))
    assert [says in one.effect for one in found] == ([True] if says else [])


def test_flows_and_triggers_are_named_last() -> None:
    flow = Automation("flow", "Renewal desk", "Opportunity", "RecordBeforeSave Update")
    found = _found(an_org(a_rule("Task.Needs_Type", "ISBLANK(Type)"), automations=(flow,)))
    assert [one.weight for one in found] == [Weight.REFUSES, Weight.RUNS_TOO]
    assert "flow Renewal desk on Opportunity (RecordBeforeSave Update)" in found[1].what


def test_sharing_that_keeps_others_records_read_only_is_told() -> None:
    assert _found(an_org(sharing={"Opportunity": "Edit", "Account": "ReadEditTransfer"})) == ()
    private, public = _found(an_org(sharing={"Opportunity": "None", "Account": "Read"}))
    assert "Opportunity (Private)" in private.what
    assert "Account (Public Read Only)" in public.what
    assert {private.weight, public.weight} == {Weight.MAY_REFUSE}


def test_an_org_with_a_namespace_knows_no_field_by_its_bare_name() -> None:
    (found,) = _found(an_org(namespace="acme"))
    assert found.weight is Weight.REFUSES
    assert "acme__" in found.remedy
