"""The plan for an org: additive, empty the second time, and never over what people made or edited."""

from __future__ import annotations

import dataclasses

import pytest
from provision_parts import (
    LAYOUT,
    POLICY,
    USER,
    WANTED,
    a_look,
    an_org,
    installed,
    instead,
    the,
    with_leaf,
)

from connector.crm.installer import Do
from connector.crm.salesforce.provision.compare import compare, is_ours
from connector.crm.salesforce.provision.component import Component, leaf
from connector.crm.salesforce.provision.items import Grant, Item, ProvisionPlan
from connector.crm.salesforce.provision.marks import DESCRIPTION_LIMIT, is_untouched, marked
from connector.crm.salesforce.provision.org import OrgState
from connector.crm.salesforce.provision.remove import Holding, removal
from connector.crm.salesforce.provision.trees import leaves

GATE = "Opportunity.Handoff_Gate__c"
RULE = "Opportunity.Handoff_Req_Champion"
MEMBER = "PlatformEventChannelMember"


def _plan(org: OrgState) -> ProvisionPlan:
    return compare(WANTED, org)


def _item(plan: ProvisionPlan, type: str, name: str) -> Item:
    return next(one for one in plan.items if one.key == (type, name))


def _values(component: Component) -> list[str]:
    return [value for path, value in leaves(component.body) if path[-1] == "fullName" and len(path) > 1]


def test_an_empty_org_gets_everything_and_its_layout_the_section() -> None:
    plan = _plan(an_org())
    assert {one.key for one in plan.of(Do.CREATE)} == {one.key for one in WANTED.components}
    assert [one.name for one in plan.of(Do.CHANGE)] == [LAYOUT.name]
    assert not plan.blocked
    assert len(plan.to_deploy) == len(WANTED.components) + 1


def test_a_second_plan_is_empty() -> None:
    plan = _plan(an_org(*installed()))
    assert plan.is_empty
    assert not plan.of(Do.CREATE, Do.CHANGE, Do.CONFLICT)
    assert plan.to_deploy == ()


def test_an_org_may_lay_out_a_formula_in_its_own_way() -> None:
    rule = the("ValidationRule", RULE)
    spaced = with_leaf(rule, "errorConditionFormula", rule.text("errorConditionFormula").replace(" ", "\r\n  "))
    assert spaced != rule
    assert _plan(an_org(*instead(spaced))).is_empty


def test_a_field_of_another_type_blocks_everything() -> None:
    other = Component("CustomField", GATE, (leaf("fullName", "Handoff_Gate__c"), leaf("type", "Number")))
    plan = _plan(an_org(*instead(other)))
    (blocked,) = plan.blocked
    assert blocked.key == ("CustomField", GATE)
    assert "Picklist is needed" in blocked.detail
    assert plan.to_deploy == ()


def test_further_values_other_labels_and_longer_fields_are_kept_and_said() -> None:
    gate = the("CustomField", GATE)
    more = _with_value(gate, "Under review")
    labelled = with_leaf(more, "label", "Our gate")
    longer = with_leaf(the("CustomField", "Opportunity.Handoff_Missing__c"), "length", "131072")
    plan = _plan(an_org(*instead(labelled, longer)))
    assert plan.is_empty
    detail = _item(plan, "CustomField", GATE).detail
    assert "label Our gate" in detail
    assert "further values Under review" in detail
    assert "length 131072" in _item(plan, "CustomField", "Opportunity.Handoff_Missing__c").detail


def test_a_missing_value_is_added_to_those_that_are_there() -> None:
    gate = the("CustomField", GATE)
    lacking = _with_value(_without_value(gate, "Warned"), "Under review")
    plan = _plan(an_org(*instead(lacking)))
    (change,) = plan.of(Do.CHANGE)
    assert change.component is not None
    assert set(_values(change.component)) == {*_values(gate), "Under review"}
    assert any(one.after == "Warned" for one in change.differences)


def test_a_field_that_is_too_short_is_lengthened_and_nothing_else() -> None:
    short = with_leaf(the("CustomField", "Opportunity.Handoff_Missing__c"), "length", "1000")
    short = with_leaf(short, "label", "Ours")
    (change,) = _plan(an_org(*instead(short))).of(Do.CHANGE)
    assert [(one.attribute, one.before, one.after) for one in change.differences] == [("length", "1000", "32000")]
    assert change.component is not None
    assert change.component.text("label") == "Ours"


def test_values_from_a_global_value_set_are_taken_as_they_are_shown() -> None:
    gate = the("CustomField", GATE)
    shared = Component(
        "CustomField",
        GATE,
        (*(pair for pair in gate.body if pair[0] != "valueSet"), ("valueSet", (leaf("valueSetName", "Gates"),))),
    )
    all_there = {"Opportunity": {"Handoff_Gate__c": a_look("Handoff_Gate__c", choices=tuple(_values(gate)))}}
    assert _plan(an_org(*instead(shared), fields=all_there)).is_empty
    (by_hand,) = [one for one in _plan(an_org(*instead(shared))).of(Do.BY_HAND) if one.name == GATE]
    assert "global value set Gates" in by_hand.detail


@pytest.mark.parametrize(
    ("tag", "value"),
    [("errorConditionFormula", "false"), ("active", "false"), ("errorMessage", "Ask Priya.")],
)
def test_a_rule_that_somebody_edited_is_left_as_it_is(tag: str, value: str) -> None:
    edited = with_leaf(the("ValidationRule", RULE), tag, value)
    plan = _plan(an_org(*instead(edited)))
    (conflict,) = plan.of(Do.CONFLICT)
    assert conflict.name == RULE
    assert "edited by somebody" in conflict.detail
    assert not conflict.blocks
    assert plan.is_empty


def test_a_rule_of_an_earlier_policy_that_nobody_touched_is_changed() -> None:
    earlier = marked(with_leaf(the("ValidationRule", RULE), "errorConditionFormula", "AND(IsWon, ISBLANK(Name))"))
    assert is_untouched(earlier)
    (change,) = _plan(an_org(*instead(earlier))).of(Do.CHANGE)
    assert [one.attribute for one in change.differences] == ["errorConditionFormula"]
    assert change.component is not None
    assert is_untouched(change.component)


def test_the_mark_fits_into_a_description() -> None:
    rule = marked(with_leaf(the("ValidationRule", RULE), "description", "x" * 300))
    assert len(rule.text("description")) == DESCRIPTION_LIMIT
    assert is_untouched(rule)
    assert marked(rule) == rule


def test_a_permission_set_keeps_what_an_admin_added_and_gets_what_it_lacks() -> None:
    name = "Handoff_Sales"
    sales = the("PermissionSet", name)
    first = next(n for n, (tag, _) in enumerate(sales.body) if tag == "fieldPermissions")
    extra = (
        "fieldPermissions",
        (leaf("editable", True), leaf("field", "Opportunity.Theirs__c"), leaf("readable", True)),
    )
    body = (*sales.body[:first], extra, *sales.body[first + 1 :])
    (change,) = _plan(an_org(*instead(dataclasses.replace(sales, body=body)))).of(Do.CHANGE)
    assert change.component is not None
    granted = {value for path, value in leaves(change.component.body) if path[-1] == "field"}
    wanted = {value for path, value in leaves(sales.body) if path[-1] == "field"}
    assert granted == wanted | {"Opportunity.Theirs__c"}


def test_a_wider_right_is_the_admins_to_give() -> None:
    success = the("PermissionSet", "Handoff_Customer_Success")
    wider = tuple(
        (tag, tuple((name, "true" if name == "editable" else value) for name, value in inner))
        if tag == "fieldPermissions" and not isinstance(inner, str)
        else (tag, inner)
        for tag, inner in success.body
    )
    assert _plan(an_org(*instead(dataclasses.replace(success, body=wider)))).is_empty


def test_reports_are_peoples_to_shape() -> None:
    report = the("Report", "Handoff_Reports/Handoff_Completeness")
    assert _plan(an_org(*instead(with_leaf(report, "name", "Ours")))).is_empty


def test_a_selection_counts_under_whatever_name() -> None:
    member = the(MEMBER, "Opportunity_ChangeEvent")
    renamed = dataclasses.replace(member, name="Sales_Stream")
    others = tuple(one for one in installed() if one.key != member.key)
    plan = _plan(an_org(*others, renamed))
    assert plan.is_empty
    assert "Sales_Stream" in _item(plan, MEMBER, "Opportunity_ChangeEvent").detail


def test_a_used_up_allowance_is_said_and_not_exceeded() -> None:
    taken = tuple(
        Component(MEMBER, name, (leaf("eventChannel", "ChangeEvents"), leaf("selectedEntity", f"{name}ChangeEvent")))
        for name in ("Case", "Lead", "Contact", "Order", "Asset")
    )
    plan = _plan(an_org(*taken))
    told = [one for one in plan.of(Do.BY_HAND) if one.type == MEMBER and "selected already" in one.detail]
    assert {one.name for one in told} == {"Opportunity_ChangeEvent", "Account_ChangeEvent"}
    assert not [one for one in plan.to_deploy if one.type == MEMBER]


def test_a_mapped_field_that_is_not_ours_is_never_changed() -> None:
    theirs = dataclasses.replace(the("CustomField", "Opportunity.Handoff_Missing__c"), name="Opportunity.Gaps__c")
    wanted = dataclasses.replace(WANTED, components=(theirs,))
    plan = compare(wanted, an_org(with_leaf(theirs, "length", "500")))
    assert [one.type for one in plan.to_deploy] == ["Layout"]
    assert "has not our prefix" in _item(plan, "CustomField", "Opportunity.Gaps__c").detail


def test_a_page_with_dynamic_forms_is_named_as_by_hand_work() -> None:
    page = Component(
        "FlexiPage",
        "Deal_Page",
        (
            ("flexiPageRegions", (("itemInstances", (("fieldInstance", (leaf("fieldItem", "Record.Name"),)),)),)),
            leaf("sobjectType", "Opportunity"),
        ),
    )
    plan = _plan(an_org(*installed(), page))
    assert plan.is_empty
    assert "dynamic forms" in _item(plan, "FlexiPage", "Deal_Page").detail


def test_record_types_that_leave_out_our_values_are_by_hand_work() -> None:
    offered = tuple(("values", (leaf("fullName", value), leaf("default", False))) for value in ("Held", "Released"))
    some = Component(
        "RecordType",
        "Opportunity.Sales",
        (leaf("active", True), ("picklistValues", (leaf("picklist", "Handoff_Gate__c"), *offered))),
    )
    off = Component("RecordType", "Opportunity.Old", (leaf("active", False),))
    plan = _plan(an_org(*installed(), some, off))
    assert plan.is_empty
    told = [one for one in plan.of(Do.BY_HAND) if one.type == "RecordType"]
    assert {one.name for one in told} == {"Opportunity.Sales"}
    gate = next(one.detail for one in told if "Handoff_Gate__c" in one.detail)
    assert "Overridden" in gate
    assert "Held" not in gate


def test_the_connectors_user_gets_its_set_once() -> None:
    org = an_org(*installed())
    plan = compare(WANTED, org, integration_user=USER, holds="Handoff_Integration")
    assert plan.grants == (Grant("Handoff_Integration", USER),)
    assert not plan.is_empty
    held = an_org(*installed(), assigned={"Handoff_Integration": frozenset({USER})})
    assert compare(WANTED, held, integration_user=USER, holds="Handoff_Integration").is_empty


def test_only_our_prefix_is_ours() -> None:
    assert is_ours("CustomField", GATE)
    assert is_ours("ValidationRule", RULE)
    assert is_ours("Report", "Handoff_Reports/Handoff_Completeness")
    assert not is_ours("CustomField", "Opportunity.Amount__c")
    assert not is_ours("PermissionSet", "Sales_Handoff_Team")
    assert not is_ours("CustomField", "Handoff_Thing__c.Their_Field__c")
    assert POLICY.gate.requirements  # or the rules above would be none


def test_the_way_back_leaves_fields_alone() -> None:
    plan = removal(WANTED, an_org(*installed()), {})
    gone = {one.type for one in plan.of(Do.REMOVE)}
    assert {"ValidationRule", "PermissionSet", "CustomPermission", "Report", MEMBER} <= gone
    assert "CustomField" not in gone
    (layout,) = [one.component for one in plan.of(Do.CHANGE)]
    assert layout is not None
    assert layout.body == LAYOUT.body


def test_a_field_with_data_goes_only_when_told_twice() -> None:
    org = an_org(*installed())
    fields = [one.name for one in installed() if one.type == "CustomField"]
    held = dict.fromkeys(fields, Holding(0, is_all=True)) | {GATE: Holding(3, is_all=True)}
    once = removal(WANTED, org, held, with_fields=True)
    kept = [one for one in once.of(Do.KEEP) if one.type == "CustomField"]
    assert [one.name for one in kept] == [GATE]
    assert "3 records" in kept[0].detail
    twice = removal(WANTED, org, held, with_fields=True, even_with_data=True)
    assert {one.name for one in twice.of(Do.REMOVE) if one.type == "CustomField"} == set(fields)
    assert "THIS DATA IS LOST" in _item(twice, "CustomField", GATE).detail


@pytest.mark.parametrize("held", [None, Holding(0, is_all=False)])
def test_a_field_that_cannot_be_counted_counts_as_full(held: Holding | None) -> None:
    counts = {} if held is None else {GATE: held}
    plan = removal(WANTED, an_org(*installed()), counts, with_fields=True)
    assert _item(plan, "CustomField", GATE).do is Do.KEEP


def test_who_holds_a_set_that_goes_is_told_and_loses_it_first() -> None:
    org = an_org(*installed(), assigned={"Handoff_Sales": frozenset({USER})})
    plan = removal(WANTED, org, {})
    assert plan.grants == (Grant("Handoff_Sales", USER, take=True),)
    assert "1 person holds it" in _item(plan, "PermissionSet", "Handoff_Sales").detail


def test_an_object_of_ours_goes_with_its_fields_once_it_is_empty() -> None:
    ledger = Component("CustomObject", "Handoff_Effect__c", ())
    key = Component("CustomField", "Handoff_Effect__c.Handoff_Key__c", ())
    full = {ledger.name: Holding(2, is_all=True)}
    empty = {ledger.name: Holding(0, is_all=True)}
    org = an_org(ledger, key)
    assert removal(WANTED, org, full, with_fields=True).to_remove == ()
    assert removal(WANTED, org, empty, with_fields=True).to_remove == (ledger.key,)
    assert removal(WANTED, org, empty).to_remove == ()


def test_nothing_of_others_is_taken_out() -> None:
    theirs = Component("PermissionSet", "Sales_Team", ())
    field = Component("CustomField", "Opportunity.Gaps__c", ())
    plan = removal(WANTED, an_org(*installed(), theirs, field), {}, with_fields=True, even_with_data=True)
    assert not {theirs.key, field.key} & set(plan.to_remove)


def _with_value(field: Component, value: str) -> Component:
    entry = ("value", (leaf("fullName", value), leaf("default", False), leaf("label", value)))
    return _map_values(field, lambda values: (*values, entry))


def _without_value(field: Component, value: str) -> Component:
    return _map_values(field, lambda values: tuple(one for one in values if ("fullName", value) not in one[1]))


def _map_values(field: Component, change: object) -> Component:
    def inside(tree: object) -> object:
        out = []
        for tag, inner in tree:  # type: ignore[attr-defined]
            if tag == "valueSetDefinition":
                rest = tuple(one for one in inner if one[0] != "value")
                out.append((tag, (*rest, *change(tuple(one for one in inner if one[0] == "value")))))  # type: ignore[operator]
            else:
                out.append((tag, inside(inner) if tag == "valueSet" else inner))
        return tuple(out)

    return dataclasses.replace(field, body=inside(field.body))  # type: ignore[arg-type]
