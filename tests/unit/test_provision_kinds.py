"""What the org's own fields are, and what follows for rights and pages. Not here: a deploy that proves it."""

from __future__ import annotations

import dataclasses

import pytest
from provision_parts import MAP, POLICY, a_look, an_org, with_leaf

from connector.crm.installer import Do
from connector.crm.salesforce.provision.compare import compare
from connector.crm.salesforce.provision.component import Component, Tree, leaf, text_of
from connector.crm.salesforce.provision.desired import Desired, desired
from connector.crm.salesforce.provision.kinds import kinds_of
from connector.crm.salesforce.provision.options import Options

CHAMPION = "Opportunity.Handoff_Champion__c"
KEY = "Activity.Handoff_Key__c"


def a_field(name: str, type: str, **more: object) -> Component:
    body: Tree = (leaf("fullName", name.partition(".")[2]), leaf("type", type), *(leaf(*one) for one in more.items()))
    return Component("CustomField", name, body)


def wanted(*fields: Component) -> Desired:
    kinds = kinds_of(an_org(*fields))
    options = Options(
        described=kinds.types, ungranted=kinds.ungranted, unwritten=kinds.unwritten, tracked=kinds.tracked
    )
    return desired(MAP, POLICY, options)


def granted(wish: Desired, field: str) -> dict[str, str]:
    """Permission set -> whether it lets the field be edited."""
    return {
        one.name: text_of(row, "editable")
        for one in wish.components
        if one.type == "PermissionSet"
        for row in one.all("fieldPermissions")
        if text_of(row, "field") == field
    }


def behavior(wish: Desired, field: str) -> str:
    return next(slot.behavior for slot in wish.layout_section.slots if f"Opportunity.{slot.field}" == field)


def test_metadata_tells_what_describe_hides_and_describe_is_believed_first() -> None:
    org = an_org(a_field(CHAMPION, "Email"), a_field(KEY, "Text"), a_field("Opportunity.Amount", ""))
    assert kinds_of(org).types == {
        CHAMPION: "email",
        KEY: "string",
        "Task.Handoff_Key__c": "string",
        "Event.Handoff_Key__c": "string",
    }
    org = dataclasses.replace(org, fields={"Opportunity": {"Handoff_Champion__c": a_look("Handoff_Champion__c")}})
    assert kinds_of(org).types[CHAMPION] == "string"


def test_a_required_field_stands_in_no_permission_set_and_is_required_on_the_page() -> None:
    assert len(granted(wanted(), CHAMPION)) == 4
    needed = wanted(a_field(CHAMPION, "Text", length=255, required=True))
    assert granted(needed, CHAMPION) == {}
    assert behavior(needed, CHAMPION) == "Required"


def test_a_formula_is_edited_by_nobody() -> None:
    computed = wanted(a_field(CHAMPION, "Text", formula="Name"))
    assert set(granted(computed, CHAMPION).values()) == {"false"}
    assert behavior(computed, CHAMPION) == "Readonly"
    assert granted(wanted(), CHAMPION)["Handoff_Sales"] == "true"


def test_a_key_of_another_type_is_a_conflict_all_the_same() -> None:
    plan = compare(wanted(), an_org(a_field(KEY, "Email")))
    (item,) = [one for one in plan.items if one.name == KEY]
    assert item.do is Do.CONFLICT
    assert item.blocks


def test_a_type_that_cannot_hold_the_value_is_a_conflict() -> None:
    for theirs, do in (("MultiselectPicklist", Do.CONFLICT), ("Number", Do.CONFLICT), ("TextArea", Do.KEEP)):
        plan = compare(wanted(), an_org(a_field(CHAMPION, theirs)))
        assert [one.do for one in plan.items if one.name == CHAMPION] == [do], theirs


def test_a_field_of_ours_is_still_brought_to_its_length() -> None:
    short = with_leaf(a_field(CHAMPION, "Text", length=255), "length", "80")
    plan = compare(wanted(), an_org(short))
    assert [one.do for one in plan.items if one.name == CHAMPION] == [Do.CHANGE]


def followed(wish: Desired) -> list[str]:
    return [one.name for one in wish.components if one.text("trackHistory") == "true"]


def test_no_more_history_is_asked_for_than_the_org_has_room_for() -> None:
    assert len(followed(wanted())) == 11
    busy = [a_field(f"Opportunity.Busy_{number}__c", "Text", trackHistory=True) for number in range(18)]
    short = wanted(*busy)
    assert len([name for name in followed(short) if name.startswith("Opportunity.")]) == 2
    (said,) = [one for one in short.by_hand if one.name == "Field history"]
    assert "Opportunity.Handoff_CSM__c" in said.detail
    assert "Account.Handoff_CSM__c" in followed(short)


def renamed(field: str, *present: Component) -> Desired:
    fields = {**MAP.fields, "champion": dataclasses.replace(MAP.fields["champion"], field=field, label="Who\n  helps")}
    kinds = kinds_of(an_org(*present))
    return desired(dataclasses.replace(MAP, fields=fields), POLICY, Options(described=kinds.types))


@pytest.mark.parametrize("stem", ["H" * 41, "9_Lives", "Champion_", "_Champion", "Größe"])
def test_a_name_that_no_org_takes_is_said_before_anything_is_asked_of_it(stem: str) -> None:
    (problem,) = renamed(f"{stem}__c").problems
    assert problem.key == "fields.champion"
    assert "cannot be the name of a field" in problem.message


def test_a_packages_field_is_made_by_its_package_and_used_when_it_is_there() -> None:
    name = "Opportunity.acme__Champion__c"
    absent = renamed("acme__Champion__c")
    assert not absent.problems
    assert [one.detail for one in absent.by_hand if one.name == name] == [
        "Install the package acme, which brings it, or map another field."
    ]
    assert granted(absent, name) == {}
    assert len(granted(renamed("acme__Champion__c", a_field(name, "Text")), name)) == 4


def test_a_label_is_one_line() -> None:
    made = {one.name: one for one in renamed("Handoff_Helper__c").components}
    assert made["Opportunity.Handoff_Helper__c"].text("label") == "Who helps"
