"""What a portal should have, and how it is compared with what it has. Not here: any call to a portal."""

from __future__ import annotations

import dataclasses
import re
import typing

import pytest
from hubspot_provision import MAP, OURS, POLICY, SALES, WANTED, a_state, as_there, wanted
from hubspot_sdk.types.crm.property_create_params import PropertyCreateParams

from connector.crm.hubspot.fields import NO_UNIQUE_HERE
from connector.crm.hubspot.provision.clicks import clicks
from connector.crm.hubspot.provision.compare import compare, made_by
from connector.crm.hubspot.provision.definition import Option, Present, present
from connector.crm.hubspot.provision.desired import desired
from connector.crm.hubspot.provision.items import ChangeProperty, Item, MakeProperty
from connector.crm.hubspot.provision.portal import PortalState, Room
from connector.crm.hubspot.provision.remove import Holding, removal
from connector.crm.hubspot.provision.room import UNIQUE_MOST, no_room
from connector.crm.hubspot.provision.rules import RulesLook, compare_rules
from connector.crm.installer import Do
from connector.handoff.measures.reporting import REPORTS
from connector.handoff.rulebook.fields import FieldType
from connector.handoff.rulebook.gate import GateMode
from connector.policy.known import CHOICES

GATE, CSM, KEY = "deals.handoff_gate", "deals.handoff_csm", "tasks.handoff_key"


def planned(state: PortalState) -> dict[str, Item]:
    return {item.name: item for item in compare(WANTED, state)}


def installed(*instead: Present) -> PortalState:
    """A portal that has everything, but for these, which it has so."""
    names = {one.key for one in instead}
    return a_state(*(as_there(one) for one in OURS if one.key not in names), *instead)


# what is wanted


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("deals.handoff_champion", {"type": "string", "fieldType": "text"}),
        ("deals.handoff_risks", {"type": "string", "fieldType": "textarea"}),
        ("deals.handoff_percent", {"type": "number", "fieldType": "number", "numberDisplayHint": "formatted"}),
        ("deals.handoff_go_live_date", {"type": "date", "fieldType": "date"}),
        ("deals.handoff_started_at", {"type": "datetime", "fieldType": "date"}),
        (KEY, {"type": "string", "fieldType": "text", "hasUniqueValue": True}),
        (
            "companies.handoff_csm",
            {
                "type": "enumeration",
                "fieldType": "select",
                "externalOptions": True,
                "referencedObjectType": "OWNER",
            },
        ),
    ],
)
def test_each_type_has_its_shape(key: str, said: dict[str, object]) -> None:
    body = wanted(key).body()
    assert body | said == body
    assert body["groupName"] == "handoff"
    assert str(body["description"]).startswith("Handoff: ")
    assert ("options" in body) is (body["type"] == "bool")


def test_a_choice_has_the_words_the_core_writes_each_with_all_four_attributes() -> None:
    body = wanted(GATE).body()
    assert [option["value"] for option in body["options"]] == list(CHOICES["gate"])
    assert all({"label", "value", "displayOrder", "hidden"} <= option.keys() for option in body["options"])
    yes_or_no = wanted("deals.handoff_override").body()["options"]
    assert [option["value"] for option in yes_or_no] == ["true", "false"]


def test_a_translated_choice_is_made_in_the_portals_words() -> None:
    fields = {**MAP.fields, "gate": dataclasses.replace(MAP.fields["gate"], values={"Held": "Angehalten"})}
    found = desired(dataclasses.replace(MAP, fields=fields), POLICY)
    (gate,) = [one.definition for one in found.wanted if one.definition.key == GATE]
    assert [option.value for option in gate.options][:2] == ["Angehalten", "Released"]


def test_nothing_of_hubspots_own_is_asked_for() -> None:
    assert not [one.definition.key for one in WANTED.wanted if one.definition.name.startswith(("hs_", "hubspot_"))]


def test_a_text_longer_than_hubspot_holds_is_a_problem_of_the_map() -> None:
    fields = {**MAP.fields, "summary": dataclasses.replace(MAP.fields["summary"], max_chars=65_537)}
    (problem,) = desired(dataclasses.replace(MAP, fields=fields), POLICY).problems
    assert (problem.where, problem.key) == ("hubspot.toml", "fields.summary")
    assert "set max_chars = 65536" in problem.message


@pytest.mark.parametrize("key", [one.key for one in OURS])
def test_each_body_is_one_that_the_vendors_own_client_would_send(key: str) -> None:
    hints = typing.get_type_hints(PropertyCreateParams, include_extras=True)
    allowed = {_alias(name, hint): hint for name, hint in hints.items()}
    body = wanted(key).body()
    assert body.keys() <= allowed.keys()
    for name in ("type", "fieldType", "numberDisplayHint"):
        if name in body:
            assert repr(body[name]) in str(allowed[name])


def _alias(name: str, hint: object) -> str:
    told = re.search(r"alias='(\w+)'", str(hint))
    return told.group(1) if told else name


# comparing


def test_a_bare_portal_gets_groups_first_and_then_everything() -> None:
    items = compare(WANTED, a_state())
    made = [item for item in items if item.do is Do.CREATE]
    assert {one.key for one in made_by(items)} == {one.key for one in OURS}
    groups = [item.name for item in made if item.type == "Group"]
    assert groups == [f"{name}.handoff" for name in WANTED.objects]
    assert [item.type for item in made[: len(groups)]] == ["Group"] * len(groups)
    assert not [item for item in items if item.blocks]


def test_an_installed_portal_leaves_nothing_to_do() -> None:
    assert {item.do for item in compare(WANTED, installed())} == {Do.KEEP}


def test_what_an_admin_chose_is_kept_and_said() -> None:
    gate = as_there(wanted(GATE), label="Our gate", group="dealinformation")
    further = dataclasses.replace(gate, options=(*gate.options, Option("legal", "With legal")))
    line = planned(installed(further))[GATE]
    assert line.do is Do.KEEP
    assert line.detail == ("keeps the portal's own label Our gate; further choices With legal; group dealinformation")


def test_missing_choices_go_with_all_that_are_there_because_a_change_replaces_the_list() -> None:
    theirs = (
        Option("legal", "With legal", 0, hidden=True),
        Option("Held", "On hold", 1),
        Option("Warned", "W", 2, True),
    )
    line = planned(installed(as_there(wanted(GATE), options=theirs)))[GATE]
    assert line.do is Do.CHANGE
    assert isinstance(line.act, ChangeProperty)
    sent = line.act.body["options"]
    assert [option["value"] for option in sent] == ["legal", "Held", "Warned", "Released", "Overridden", "Not checked"]
    assert [option["hidden"] for option in sent] == [True, False, False, False, False, False]
    assert sent[1]["label"] == "On hold"
    told = {one.attribute: (one.before, one.after) for one in line.differences}
    assert told["options[Warned].hidden"] == ("true", "false")
    assert told["options[Released]"] == ("", "Released")
    assert list(line.act.body) == ["options"]


def test_a_choice_under_another_value_is_a_conflict_with_the_line_to_write() -> None:
    theirs = (Option("held_1", "held"), Option("Released", "Released"))
    line = planned(installed(as_there(wanted(GATE), options=theirs)))[GATE]
    assert (line.do, line.blocks) == (Do.CONFLICT, True)
    assert 'values = { "Held" = "held_1" }' in line.detail


@pytest.mark.parametrize(
    ("key", "changes", "says"),
    [
        ("deals.handoff_percent", {"type": "string", "field_type": "text"}, "cannot hold a number"),
        ("deals.handoff_started_at", {"type": "date"}, "cannot hold a datetime"),
        (CSM, {"type": "string", "field_type": "text", "refers": ""}, "cannot hold a person"),
        (CSM, {"refers": "", "options": (Option("maya", "Maya"),)}, "not a picker of HubSpot users"),
        (GATE, {"unwritable": True}, "calculated or read-only"),
        (GATE, {"refers": "OWNER", "options": ()}, "is a HubSpot user, which takes no choices"),
    ],
)
def test_what_cannot_hold_the_value_keeps_everything_from_being_applied(
    key: str, changes: dict[str, object], says: str
) -> None:
    line = planned(installed(as_there(wanted(key), **changes)))[key]
    assert (line.do, line.blocks) == (Do.CONFLICT, True)
    assert says in line.detail
    assert "map another name in hubspot.toml, or archive this one" in line.detail


def test_what_may_not_be_changed_is_a_conflict_only_when_a_change_is_needed() -> None:
    whole = as_there(wanted(GATE), fixed_options=True)
    assert planned(installed(whole))[GATE].do is Do.KEEP
    line = planned(installed(dataclasses.replace(whole, options=whole.options[:2])))[GATE]
    assert (line.do, line.blocks) == (Do.CONFLICT, True)


def test_a_text_that_serves_as_a_choice_and_a_short_text_of_theirs_stay() -> None:
    text = as_there(wanted(GATE), type="string", field_type="text", options=(), description="")
    line = as_there(wanted("deals.handoff_risks"), field_type="text", description="Ours since 2019")
    found = planned(installed(text, line))
    assert found[GATE].do is found[line.key].do is Do.KEEP
    assert "a Single-line text, which serves" in found[line.key].detail


def test_our_own_short_text_grows_when_the_map_asks_for_a_long_one() -> None:
    line = planned(installed(as_there(wanted("deals.handoff_risks"), field_type="text")))["deals.handoff_risks"]
    assert line.do is Do.CHANGE
    assert isinstance(line.act, ChangeProperty)
    assert line.act.body == {"fieldType": "textarea"}


def test_a_key_without_unique_values_is_told_and_does_not_block() -> None:
    line = planned(installed(as_there(wanted(KEY), unique=False)))[KEY]
    assert (line.do, line.blocks) == (Do.CONFLICT, False)
    assert "only while a property is made" in line.detail
    refused = as_there(wanted(KEY), unique=False, description=f"Handoff: task.key. {NO_UNIQUE_HERE}")
    assert planned(installed(refused))[KEY].do is Do.KEEP


def test_an_archived_name_comes_back_knowingly() -> None:
    old = as_there(wanted("deals.handoff_percent"), type="string", field_type="text", archived_on="2026-09-01")
    state = a_state(archived={"deals": {old.name: old}})
    line = planned(state)[old.key]
    assert line.do is Do.CREATE
    assert isinstance(line.act, MakeProperty)
    assert line.act.restores
    assert "archived on 2026-09-01, which was Single-line text: what it held may show again" in line.detail


def test_an_archived_choice_comes_back_with_what_an_admin_had_added_to_it() -> None:
    theirs = (Option("legal", "With legal"), Option("Held", "On hold"))
    old = as_there(wanted(GATE), options=theirs, archived_on="2026-09-01")
    act = planned(a_state(archived={"deals": {old.name: old}}))[GATE].act
    assert isinstance(act, MakeProperty)
    values = [one.value for one in act.definition.options]
    assert values == ["legal", "Held", "Released", "Overridden", "Warned", "Not checked"]
    assert act.definition.options[1].label == "On hold"


def test_a_picker_of_users_takes_no_choices_from_the_archived_property_of_its_name() -> None:
    old = as_there(wanted(CSM), options=(Option("maya", "Maya"),), refers="", archived_on="2026-09-01")
    act = planned(a_state(archived={"deals": {old.name: old}}))[CSM].act
    assert isinstance(act, MakeProperty)
    assert not act.definition.options


def test_choices_are_read_in_the_order_that_people_see() -> None:
    told = [{"value": v, "label": v, "displayOrder": n, "hidden": False} for v, n in (("c", -1), ("b", 5), ("a", 0))]
    found = present("deals", {"name": "x", "type": "enumeration", "fieldType": "select", "options": told})
    assert [one.value for one in found.options] == ["a", "b", "c"]


def test_a_slip_of_the_pen_makes_no_property() -> None:
    fields = {**MAP.fields, "amount": dataclasses.replace(MAP.fields["amount"], field="ammount")}
    state = a_state(as_there(wanted("deals.amount"), shipped=True))
    found = {item.name: item for item in compare(desired(dataclasses.replace(MAP, fields=fields), POLICY), state)}
    assert (found["deals.ammount"].do, found["deals.ammount"].blocks) == (Do.CONFLICT, True)
    assert "is not there, but amount is" in found["deals.ammount"].detail


def test_a_name_that_hubspot_refuses_is_told_before() -> None:
    fields = {**MAP.fields, "risks": dataclasses.replace(MAP.fields["risks"], field="Handoff Risks")}
    found = {item.name: item for item in compare(desired(dataclasses.replace(MAP, fields=fields), POLICY), a_state())}
    assert "cannot be a property's name" in found["deals.Handoff Risks"].detail
    assert found["deals.Handoff Risks"].blocks


def test_a_choice_without_words_is_a_persons_to_make() -> None:
    tier = dataclasses.replace(MAP.fields["gate"], path="tier", field="our_tier", label="Tier")
    found = desired(dataclasses.replace(MAP, fields={**MAP.fields, "tier": tier}), POLICY)
    (line,) = [item for item in compare(found, a_state()) if item.name == "deals.our_tier"]
    assert line.do is Do.BY_HAND
    assert "values = { … } at tier" in line.detail
    assert "internal name our_tier" in line.steps[0]


# room


def test_a_portal_without_room_is_told_with_numbers_and_what_is_indispensable() -> None:
    state = a_state(rooms={"0-3": Room(10, 2), "0-2": Room(20, 0)}, room=Room(10, 2))
    made = made_by(compare(WANTED, state))
    deals, overall = no_room(WANTED, state, made)
    count = sum(one.object == "deals" for one in made)
    assert f"{count} custom properties would be made on deals, and there is room for 8" in deals.message
    assert f"(2 of 10 used): {count - 8} too many" in deals.message
    assert "cannot do without handoff_gate, handoff_missing, handoff_csm, handoff_started_at" in deals.message
    assert f"{len(made)} custom properties would be made in this portal" in overall.message


def test_unique_properties_are_counted_with_those_that_are_there() -> None:
    theirs = [as_there(wanted(KEY), name=f"erp_id_{n}", description="") for n in range(UNIQUE_MOST)]
    state = a_state(*theirs)
    (problem,) = no_room(WANTED, state, made_by(compare(WANTED, state)))
    assert "of 10 10 are there: erp_id_0, erp_id_1" in problem.message


def test_a_portal_that_tells_no_limits_is_tried() -> None:
    assert no_room(WANTED, a_state(room=None), made_by(compare(WANTED, a_state()))) == ()


# clicks


def by_hand(**policy: object) -> dict[str, Item]:
    gate = dataclasses.replace(POLICY.gate, **policy)  # type: ignore[arg-type]
    found = clicks(MAP, dataclasses.replace(POLICY, gate=gate), WANTED, a_state())
    assert all(item.do is Do.BY_HAND for item in found)
    return {f"{item.type}: {item.name}": item for item in found}


def test_required_fields_are_clicks_for_each_won_stage() -> None:
    line = by_hand()["Stage: Signed of Sales Pipeline"]
    assert line.steps[1] == "Select a pipeline: Sales Pipeline"
    assert "In the row Signed" in line.steps[2]
    ticked = [step for step in line.steps if step.endswith("tick Required")]
    always = [one.field for one in POLICY.gate.requirements if not one.when.tests]
    assert len(ticked) == len(always) > 0
    assert "Choose Champion (handoff_champion) and tick Required" in ticked
    assert "super admins pass" in line.why
    logic = by_hand()["Property: Deal stage"]
    assert "If Deal stage is any of Signed (Sales Pipeline)" in logic.steps
    assert "Show Champion (handoff_champion) and tick Required" in logic.steps


def test_what_depends_on_the_deal_type_or_on_more_is_told_apart() -> None:
    found = by_hand()
    typed = next(item for name, item in found.items() if name.startswith("Property: Deal type"))
    assert "Show Use case (handoff_use_case) and tick Required" in typed.steps
    left = found["Stage: what depends on more than the deal type"]
    assert "Economic buyer when deal type is new and segment is enterprise" in left.detail
    assert not left.steps
    said = " ".join(step for item in found.values() for step in item.steps) + left.detail
    for one in POLICY.gate.requirements:
        assert MAP.fields[one.field].label in said


def test_an_edition_without_conditional_logic_is_not_sent_looking_for_it() -> None:
    found = clicks(MAP, POLICY, WANTED, a_state(burst=100))
    assert not [step for item in found for step in item.steps if "Conditional property logic" in step]
    (stage,) = [item for item in found if item.name == "Signed of Sales Pipeline"]
    assert "the connector is the gate all the same" in stage.detail
    for burst in (110, 190):
        assert clicks(MAP, POLICY, WANTED, a_state(burst=burst)) == clicks(MAP, POLICY, WANTED, a_state())


def test_each_report_of_a_measure_is_clicked_together() -> None:
    found = by_hand()
    assert len([name for name in found if name.startswith("Report: ")]) == len(REPORTS) + 1
    kickoff = found["Report: Win to kickoff"]
    assert kickoff.detail == "aimed at: ≤ 5 working days"
    assert kickoff.steps == (
        "Reporting → Reports → Create report → Single object → Deals → Next",
        "Filters: Handoff started is known; Time to kickoff (working days) is known; Close date is this year",
        "Properties: Deal name, Account name, Close date, Handoff started",
        "Chart: bars, by Customer Success Manager, the average of Time to kickoff (working days)",
        "Save as Win to kickoff, on the dashboard Handoffs",
    )
    assert "Companies" in found["Report: NPS"].steps[0]
    assert "broken down by Handoff complete, the count of deals" in found["Report: Handoff complete"].steps[3]
    attention = found["Report: Handoffs that need attention"].steps[1]
    assert attention.startswith("Filters: Handoff gate is any of Held; or, as a second group: Handoff started is known")
    assert "Drop rate" in found["Report: the other figures"].detail


def test_a_report_whose_property_is_not_mapped_is_said_and_not_clicked() -> None:
    fields = {path: mapped for path, mapped in MAP.fields.items() if path not in ("handoff_rating", "gate")}
    found = {item.name: item for item in clicks(dataclasses.replace(MAP, fields=fields), POLICY, WANTED, a_state())}
    assert "CSM's rating" not in found
    assert "CSM's rating" in found["the other figures"].detail
    assert "gate" not in " ".join(found["Complete at close"].steps)


def test_only_customer_success_says_what_the_csm_says() -> None:
    line = by_hand()["Field access: what the CSM says"]
    assert line.steps[1] == "Tick Summary reviewed by the CSM, Rating of the handoff (1 to 5), Asked again (times)"


def test_people_are_not_locked_out_of_what_is_theirs_to_change() -> None:
    found = by_hand()
    (_, ticked) = found["Field access: Deals"].steps
    assert "Handoff gate" in ticked
    assert "Customer Success Manager" not in ticked
    assert "Handoff summary" not in ticked
    (_, ticked) = found["Field access: Companies"].steps
    assert "Activation" in ticked
    assert "Customer Success Manager" not in ticked, "whom a manager may change"
    assert "Onboarding stage" not in ticked


def test_not_everybody_may_name_an_approver() -> None:
    line = by_hand()["Field access: Override approver"]
    assert "(handoff_override_approver)" in line.steps[0]
    assert "the approvers: view and edit; everyone else: view only" in line.steps[1]


def test_a_gate_that_only_warns_asks_for_no_required_field() -> None:
    assert not [name for name in by_hand(mode=GateMode.WARN) if name.startswith("Stage")]


def test_a_deal_type_the_portal_lacks_is_an_option_to_add() -> None:
    there = as_there(wanted("deals.amount"), name="dealtype", label="Deal Type", type="enumeration", shipped=True)
    state = a_state(dataclasses.replace(there, options=(Option("newbusiness", "New"),)))
    (line,) = [one for one in clicks(MAP, POLICY, WANTED, state) if one.name == "deals.dealtype"]
    assert "has no choice renewal, existingbusiness" in line.detail
    assert "Internal name renewal, with a label of your own" in line.steps


# the way back


def test_properties_stay_until_asked_for_and_those_with_data_until_asked_twice() -> None:
    held = {one.key: Holding(0) for one in OURS} | {GATE: Holding(3)}
    stay = removal(WANTED, installed(), held)
    assert {item.do for item in stay} == {Do.KEEP}
    empty = {item.name: item for item in removal(WANTED, installed(), held, with_fields=True)}
    assert empty[GATE].do is Do.KEEP
    assert empty[CSM].do is Do.REMOVE
    assert empty["deals.handoff"].do is Do.KEEP, "its group still holds the gate"
    assert empty["tasks.handoff"].do is Do.REMOVE
    every = {i.name: i for i in removal(WANTED, installed(), held, with_fields=True, even_with_data=True)}
    assert "filled on 3 records; THIS DATA IS LOST; in Settings → Properties → Archived" in every[GATE].detail
    assert {item.do for item in every.values()} == {Do.REMOVE}


def test_what_could_not_be_counted_is_not_taken_for_empty() -> None:
    found = {item.name: item for item in removal(WANTED, installed(), {}, with_fields=True)}
    assert found[GATE].do is Do.KEEP
    assert "could not be counted" in found[GATE].detail


def test_what_somebody_else_made_stays() -> None:
    theirs = as_there(wanted(GATE), description="Made by hand")
    found = {item.name: item for item in removal(WANTED, installed(theirs), {}, with_fields=True, even_with_data=True)}
    assert found[GATE].do is Do.KEEP
    assert "does not bear our mark" in found[GATE].detail
    assert found["deals.handoff"].do is Do.KEEP


def test_a_description_that_begins_like_ours_is_not_ours() -> None:
    theirs = as_there(wanted("deals.handoff_risks"), name="ops_notes", description="Handoff: what ops should know.")
    going = removal(WANTED, installed(theirs), {theirs.key: Holding(0)}, with_fields=True)
    assert theirs.key not in {item.name for item in going}


def test_our_property_goes_too_when_the_map_does_not_name_it_any_more() -> None:
    old = as_there(wanted("deals.handoff_risks"), name="handoff_old")
    found = removal(WANTED, installed(old), {old.key: Holding(0)}, with_fields=True)
    assert next(item for item in found if item.name == "deals.handoff_old").do is Do.REMOVE


# pipeline rules


def test_won_stages_join_the_rule_and_all_other_rules_are_sent_along() -> None:
    rules = {
        "noSkippingStagesRule": {"enabledForAllStages": True},
        "noBackwardsMovementRule": {"enabledForAllStages": False, "pipelineStageIds": ["contractsent"]},
    }
    line, _ = compare_rules((RulesLook(SALES, rules),), remove=False)
    assert line.do is Do.CHANGE
    assert line.act is not None
    sent = line.act.body["governanceValidationRules"]  # type: ignore[union-attr]
    assert sent["noSkippingStagesRule"] == {"enabledForAllStages": True}
    assert sent["noBackwardsMovementRule"]["pipelineStageIds"] == ["contractsent", "closedwon"]
    after = RulesLook(SALES, sent)
    assert [item.do for item in compare_rules((after,), remove=False)] == [Do.KEEP, Do.BY_HAND]
    (back,) = compare_rules((after,), remove=True)
    assert back.act is not None
    kept = back.act.body["governanceValidationRules"]["noBackwardsMovementRule"]  # type: ignore[union-attr]
    assert kept["pipelineStageIds"] == ["contractsent"]


def test_the_portals_own_stricter_rule_stays() -> None:
    rules = {"noBackwardsMovementRule": {"enabledForAllStages": True, "pipelineStageIds": []}}
    for remove in (False, True):
        assert compare_rules((RulesLook(SALES, rules),), remove=remove)[0].do is Do.KEEP


def test_every_type_of_field_has_a_shape() -> None:
    from connector.crm.hubspot.provision.desired import _SHAPES

    assert set(_SHAPES) == set(FieldType) - {FieldType.REFERENCE}
