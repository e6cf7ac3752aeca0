"""What should stand in an org: fields, permission sets, channel, reports; and the package and project made of it.

Not here: the gate's rules (test_provision_rules.py) and layouts (test_provision_layout.py).
"""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest

from connector.crm.salesforce.provision.component import Component, Tree, leaf, parse, read, text_of
from connector.crm.salesforce.provision.desired import Desired, desired
from connector.crm.salesforce.provision.fields import custom_fields
from connector.crm.salesforce.provision.options import Channel, Options
from connector.crm.salesforce.provision.render import deploy_zip, package_files
from connector.crm.salesforce.provision.source import write_source
from connector.handoff.measures.reporting import REPORTS
from connector.handoff.model import Kind, SystemName
from connector.handoff.rulebook.fields import FieldOwner, FieldType
from connector.handoff.rulebook.gate import GateMode
from connector.handoff.rulebook.policy import Policy
from connector.policy.crmmap import CrmMap, MappedField
from connector.policy.known import WRITERS
from connector.policy.load import load

ROOT = Path(__file__).parent.parent.parent
SF = SystemName("sf")
LOADED = load(ROOT / "mappings", {SF: "salesforce"})
MAP, POLICY = LOADED.maps[SF], LOADED.policies[SF]


def wanted(policy: Policy = POLICY, crm_map: CrmMap = MAP, **options: object) -> Desired:
    return desired(crm_map, policy, Options(**options))  # type: ignore[arg-type]


def one(found: Desired, type: str, name: str) -> Component:
    (component,) = [each for each in found.components if each.key == (type, name)]
    return component


def with_field(path: str, type: FieldType, **changes: object) -> CrmMap:
    kind = Kind(path.partition(".")[0]) if "." in path else Kind.DEAL
    mapped = MappedField(path, kind, "Handoff_More__c", type, FieldOwner.HUMAN, "More")
    mapped = dataclasses.replace(mapped, **changes)  # type: ignore[arg-type]
    return dataclasses.replace(MAP, fields={**MAP.fields, path: mapped})


# --- fields ----------------------------------------------------------------------------------------------------------


def test_every_custom_field_of_the_map_is_made_once() -> None:
    made = [each.name for each in wanted().components if each.type == "CustomField"]
    mapped = {each.field for each in MAP.fields.values() if each.field.endswith("__c")}
    assert len(made) == len(set(made)) == 65
    assert {name.partition(".")[2] for name in made} == mapped
    assert [name for name in made if not name.startswith("Opportunity.")] == [
        "Account.Handoff_CSM__c",
        "Account.Handoff_Activation__c",
        "Account.Handoff_Activated_On__c",
        "Account.Handoff_Milestones__c",
        "Account.Handoff_Onboarding_Stage__c",
        "Account.Handoff_Go_Live_Date__c",
        "Account.Handoff_NPS__c",
        "Account.Handoff_CSAT__c",
        "Account.Handoff_Tickets_30__c",
        "Account.Handoff_Churned_At__c",
        "Account.Handoff_Renewed_At__c",
        "Account.Handoff_Renewal_Talk_At__c",
        "Account.Handoff_Expansion_Amount__c",
        "Activity.Handoff_Key__c",
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Opportunity.Handoff_Champion__c", {"type": "Text", "length": "255", "label": "Champion"}),
        ("Opportunity.Handoff_Missing__c", {"type": "LongTextArea", "length": "32000", "visibleLines": "10"}),
        ("Opportunity.Handoff_Summary__c", {"type": "LongTextArea", "length": "131072"}),
        ("Opportunity.Handoff_Percent__c", {"type": "Number", "precision": "3", "scale": "0"}),
        ("Opportunity.Handoff_Rating__c", {"type": "Number", "precision": "1", "scale": "0"}),
        ("Opportunity.Handoff_TTFT_Hours__c", {"type": "Number", "precision": "18", "scale": "2"}),
        ("Opportunity.Handoff_Override__c", {"type": "Checkbox", "defaultValue": "false", "trackHistory": "true"}),
        ("Opportunity.Handoff_Go_Live_Date__c", {"type": "Date", "externalId": ""}),
        ("Opportunity.Handoff_Started_At__c", {"type": "DateTime", "trackHistory": ""}),
        (
            "Opportunity.Handoff_CSM__c",
            {
                "type": "Lookup",
                "referenceTo": "User",
                "relationshipName": "Handoff_CSM_on_Opportunity",
                "deleteConstraint": "SetNull",
            },
        ),
        ("Account.Handoff_CSM__c", {"relationshipName": "Handoff_CSM_on_Account"}),
        (
            "Activity.Handoff_Key__c",
            {
                "type": "Text",
                "length": "255",
                "externalId": "true",
                "unique": "true",
                "caseSensitive": "true",
                "trackHistory": "",
            },
        ),
    ],
)
def test_a_field_is_made_as_its_type_asks(name: str, expected: dict[str, str]) -> None:
    made = one(wanted(), "CustomField", name)
    assert {tag: made.text(tag) for tag in expected} == expected
    assert made.text("fullName") == name.partition(".")[2]
    assert made.text("required") == ""


def _values(component: Component) -> tuple[str, list[str]]:
    (value_set,) = component.all("valueSet")
    (definition,) = [inner for tag, inner in value_set if tag == "valueSetDefinition" and not isinstance(inner, str)]
    names = [text_of(inner, "fullName") for tag, inner in definition if tag == "value" and not isinstance(inner, str)]
    return text_of(value_set, "restricted"), names


def test_picklists_have_exactly_what_the_connector_writes() -> None:
    found = wanted()
    assert _values(one(found, "CustomField", "Opportunity.Handoff_Gate__c")) == (
        "true",
        ["Held", "Released", "Overridden", "Warned", "Not checked"],
    )
    translated = with_field("gate", FieldType.CHOICE, owner=FieldOwner.DAEMON, values={"Held": "On hold"})
    gate = one(wanted(crm_map=translated), "CustomField", "Opportunity.Handoff_More__c")
    assert _values(gate)[1][0] == "On hold"


def test_a_picklist_of_peoples_own_words_stays_open() -> None:
    crm_map = with_field("mood", FieldType.CHOICE, values={"good": "Good", "bad": "Bad"})
    assert _values(one(wanted(crm_map=crm_map), "CustomField", "Opportunity.Handoff_More__c")) == (
        "false",
        ["Good", "Bad"],
    )


@pytest.mark.parametrize("type", [FieldType.CHOICE, FieldType.REFERENCE])
def test_what_the_map_does_not_say_is_left_to_people(type: FieldType) -> None:
    found = wanted(crm_map=with_field("mood", type))
    assert "Opportunity.Handoff_More__c" not in {each.name for each in found.components}
    assert "Opportunity.Handoff_More__c" in {each.name for each in found.by_hand}
    rows = [row for each in found.components if each.type == "PermissionSet" for row in _field_rows(each)]
    assert "Opportunity.Handoff_More__c" not in rows
    assert "Handoff_More__c" not in {slot.field for slot in found.layout_section.slots}


@pytest.mark.parametrize(
    ("path", "type", "changes", "says"),
    [
        ("more", FieldType.TEXT, {"max_chars": 400}, "holds 255"),
        ("more", FieldType.LONG_TEXT, {"max_chars": 200_000}, "holds 131072"),
        ("note.more", FieldType.TEXT, {}, "cannot have"),
        ("meeting.key", FieldType.NUMBER, {"field": "Handoff_Key__c"}, "make them the same"),
    ],
)
def test_a_map_that_no_org_can_follow_is_a_problem(
    path: str, type: FieldType, changes: dict[str, object], says: str
) -> None:
    (problem,) = wanted(crm_map=with_field(path, type, **changes)).problems
    assert says in problem.message


def test_every_type_of_field_has_a_shape() -> None:
    for type in FieldType:
        part = custom_fields(with_field("more", type, values={"a": "A"}), POLICY, Options())
        assert part.problems == ()


def test_help_text_is_the_policys_own_reason() -> None:
    made = one(wanted(), "CustomField", "Opportunity.Handoff_Champion__c")
    assert made.text("inlineHelpText") == ("The CSM has to know whom to call first. Name, role and how to reach them.")
    for each in wanted().components:
        if each.type == "CustomField":
            assert 0 < len(each.text("inlineHelpText")) <= 510
            assert 0 < len(each.text("label")) <= 40


def test_history_is_tracked_unless_it_is_not_wanted() -> None:
    tracked = [each.name for each in wanted().components if each.text("trackHistory")]
    assert len(tracked) == 11
    assert not [each for each in wanted(track_history=False).components if each.text("trackHistory")]


def test_the_ledger_is_made_where_it_is_asked_for() -> None:
    assert "Handoff_Effect__c" not in {each.name for each in wanted().components}
    found = wanted(ledger=True)
    key = one(found, "CustomField", "Handoff_Effect__c.Handoff_Key__c")
    assert (key.text("externalId"), key.text("unique"), key.text("length")) == ("true", "true", "255")
    assert one(found, "CustomObject", "Handoff_Effect__c").text("deploymentStatus") == "Deployed"
    assert _field_rows(one(found, "PermissionSet", "Handoff_Integration"))["Handoff_Effect__c.Handoff_Key__c"]


# --- permissions -----------------------------------------------------------------------------------------------------


def _field_rows(component: Component) -> dict[str, bool]:
    rows = component.all("fieldPermissions")
    found = {text_of(row, "field"): text_of(row, "editable") == "true" for row in rows}
    assert len(found) == len(rows)
    assert all(text_of(row, "readable") == "true" for row in rows)
    return found


def _user_rights(component: Component) -> set[str]:
    return {text_of(row, "name") for row in component.all("userPermissions")}


def _objects(component: Component) -> dict[str, set[str]]:
    return {
        text_of(row, "object"): {tag for tag, value in row if value == "true"}
        for row in component.all("objectPermissions")
    }


def test_the_connector_may_write_what_it_owns_and_nothing_else() -> None:
    rows = _field_rows(one(wanted(), "PermissionSet", "Handoff_Integration"))
    owned = {each.field for each in MAP.fields.values() if each.owner in WRITERS and each.field.endswith("__c")}
    assert {name.partition(".")[2] for name, editable in rows.items() if editable} == owned
    assert rows["Opportunity.Handoff_Why_Bought__c"] is False
    assert rows["Task.Handoff_Key__c"] is rows["Event.Handoff_Key__c"] is True
    assert not [name for name in rows if name.startswith("Activity.")]


def test_the_connector_has_the_least_rights() -> None:
    plain = one(wanted(notifications=False), "PermissionSet", "Handoff_Integration")
    assert _user_rights(plain) == {"ActivitiesAccess", "ApiEnabled", "EditTask", "EditEvent"}
    assert _objects(plain) == {
        "Opportunity": {"allowRead", "allowEdit", "viewAllRecords"},
        "Account": {"allowRead", "allowEdit", "viewAllRecords"},
    }


@pytest.mark.parametrize(
    ("options", "right"),
    [
        ({}, "SendCustomNotifications"),
        ({"writes_owner": True}, "TransferAnyEntity"),
        ({"activity_events": True}, "ViewAllData"),
    ],
)
def test_a_right_comes_with_what_needs_it(options: dict[str, object], right: str) -> None:
    assert right in _user_rights(one(wanted(**options), "PermissionSet", "Handoff_Integration"))


def test_events_that_are_off_need_no_sight_of_everything() -> None:
    found = wanted(activity_events=True, channel=Channel.OFF)
    assert "ViewAllData" not in _user_rights(one(found, "PermissionSet", "Handoff_Integration"))


def test_only_its_own_set_holds_the_bypass() -> None:
    holders = [
        each.name for each in wanted().components if each.type == "PermissionSet" and each.all("customPermissions")
    ]
    assert holders == ["Handoff_Gate_Bypass"]


def test_who_edits_what() -> None:
    found = wanted()
    edits = {
        name: {field for field, editable in _field_rows(one(found, "PermissionSet", name)).items() if editable}
        for name in ("Handoff_Sales", "Handoff_Override_Approver", "Handoff_Customer_Success")
    }
    assert "Opportunity.Handoff_Override_Reason__c" in edits["Handoff_Sales"]
    # A rep who could name the approver would approve for themselves.
    assert edits["Handoff_Override_Approver"] - edits["Handoff_Sales"] == {"Opportunity.Handoff_Override_Approver__c"}
    # A rep who could grade the handoff, or say that the CSM read the summary, would decide on their own commission.
    alone = edits["Handoff_Customer_Success"] - edits["Handoff_Sales"]
    assert alone >= {f"Opportunity.Handoff_{name}__c" for name in ("CSM", "Rating", "Repeat_Asks", "Reviewed")}
    assert {name for name in alone if name.startswith("Account.")} == {
        *(f"Account.Handoff_{name}__c" for name in ("CSM", "Onboarding_Stage", "Go_Live_Date", "NPS", "CSAT")),
        *(f"Account.Handoff_{name}__c" for name in ("Tickets_30", "Churned_At", "Renewed_At", "Renewal_Talk_At")),
        "Account.Handoff_Expansion_Amount__c",
    }
    assert edits["Handoff_Customer_Success"] & edits["Handoff_Sales"] == {
        *(f"Opportunity.Handoff_{name}__c" for name in ("Acceptance", "Feedback", "Commitments", "Go_Live_Date")),
        *(f"Opportunity.Handoff_{name}__c" for name in ("Replied_At", "Scope_Requests", "Renewal_Date")),
        "Opportunity.Handoff_Milestones_Done__c",
    }
    every = set(_field_rows(one(found, "PermissionSet", "Handoff_Integration")))
    assert set(_field_rows(one(found, "PermissionSet", "Handoff_Customer_Success"))) == every


def test_standard_fields_are_named_only_where_the_org_says_they_may_be() -> None:
    found = wanted(permissionable=frozenset({"Opportunity.Amount", "Account.BillingCountry", "Task.Description"}))
    rows = _field_rows(one(found, "PermissionSet", "Handoff_Integration"))
    standard = {name: editable for name, editable in rows.items() if not name.endswith("__c")}
    assert standard == {"Opportunity.Amount": False, "Account.BillingAddress": False, "Task.Description": True}
    assert "Standard fields" not in {each.name for each in found.by_hand}
    assert "Standard fields" in {each.name for each in wanted().by_hand}


# --- channel, notification, reports ----------------------------------------------------------------------------------


def _members(found: Desired) -> dict[str, tuple[str, str]]:
    return {
        each.name: (each.text("eventChannel"), each.text("selectedEntity"))
        for each in found.components
        if each.type == "PlatformEventChannelMember"
    }


def test_members_of_the_standard_channel() -> None:
    assert _members(wanted()) == {
        "Opportunity_ChangeEvent": ("ChangeEvents", "OpportunityChangeEvent"),
        "Account_ChangeEvent": ("ChangeEvents", "AccountChangeEvent"),
    }
    assert len(_members(wanted(activity_events=True))) == 4
    assert _members(wanted(channel=Channel.OFF)) == {}


def test_a_channel_of_our_own() -> None:
    found = wanted(channel=Channel.CUSTOM)
    assert one(found, "PlatformEventChannel", "Handoff__chn").text("channelType") == "data"
    assert _members(found)["Handoff_chn_OpportunityChangeEvent"] == ("Handoff__chn", "OpportunityChangeEvent")


def test_the_notification_type() -> None:
    assert one(wanted(), "CustomNotificationType", "Handoff").text("desktop") == "true"
    assert not [each for each in wanted(notifications=False).components if each.type == "CustomNotificationType"]


def test_reports_name_only_fields_that_are_made() -> None:
    found = wanted()
    made = {each.name for each in found.components if each.type == "CustomField"}
    reports = [each for each in found.components if each.type in ("Report", "Dashboard")]
    assert len(reports) == len(REPORTS) + 2
    for each in reports:
        named = {word for word in _texts(each.body) if word.startswith(("Opportunity.", "Account."))}
        assert named
        assert named <= made


def _texts(tree: Tree) -> list[str]:
    return [text for _, inner in tree for text in ([inner] if isinstance(inner, str) else _texts(inner))]


def test_a_grouping_is_no_column_and_a_title_is_short() -> None:
    for each in wanted().components:
        if each.type == "Report":
            groups = {text_of(row, "field") for row in each.all("groupingsDown")}
            columns = [text_of(row, "field") for row in each.all("columns")]
            assert groups.isdisjoint(columns)
            assert len(columns) == len(set(columns))
            assert len(each.text("name")) <= 40
            assert 0 < len(each.text("description")) <= 255


def test_a_report_without_its_field_is_said() -> None:
    fields = {path: mapped for path, mapped in MAP.fields.items() if path != "metric_ttft_hours"}
    found = wanted(crm_map=dataclasses.replace(MAP, fields=fields))
    assert "Handoff_Reports/Handoff_First_Touch" not in {each.name for each in found.components}
    (left,) = [each for each in found.by_hand if each.name == "Time to first touch"]
    assert "metric_ttft_hours" in left.why
    assert "Drop rate" in " ".join(each.name for each in found.by_hand)


def test_of_a_grade_from_a_list_of_words_there_is_no_average() -> None:
    words = {str(grade): str(grade) for grade in range(1, 6)}
    chosen = dataclasses.replace(MAP.fields["handoff_rating"], type=FieldType.CHOICE, values=words)
    found = wanted(crm_map=dataclasses.replace(MAP, fields={**MAP.fields, "handoff_rating": chosen}))
    assert "Handoff_Reports/Handoff_Rating" not in {each.name for each in found.components}
    assert "no average" in next(each.why for each in found.by_hand if each.name == "CSM's rating")
    assert _values(one(found, "CustomField", "Opportunity.Handoff_Rating__c"))[1] == ["1", "2", "3", "4", "5"]


def test_an_average_lists_only_the_handoffs_that_count() -> None:
    kickoff = one(wanted(), "Report", "Handoff_Reports/Handoff_Kickoff")
    (figure, *_) = kickoff.all("columns")
    assert (text_of(figure, "aggregateTypes"), text_of(figure, "field")) == (
        "Average",
        "Opportunity.Handoff_Kickoff_Days__c",
    )
    (filters,) = kickoff.all("filter")
    asked = [inner for tag, inner in filters if tag == "criteriaItems" and not isinstance(inner, str)]
    assert [(text_of(each, "column"), text_of(each, "operator")) for each in asked] == [
        ("Opportunity.Handoff_Started_At__c", "notEqual"),
        ("Opportunity.Handoff_Kickoff_Days__c", "notEqual"),
    ]


def test_a_light_changes_where_the_target_and_the_alarm_are() -> None:
    def lights(policy: Policy = POLICY) -> dict[str, tuple[str, ...]]:
        board = one(wanted(policy), "Dashboard", "Handoff_Dashboards/Handoff_Overview")
        tiles = [tile for side in ("leftSection", "middleSection", "rightSection") for tile in board.all(side)]
        found = [inner for tile in tiles for tag, inner in tile if tag == "components" and not isinstance(inner, str)]
        tags = ("Breakpoint1", "Breakpoint2", "LowColor", "MiddleColor", "HighColor")
        return {
            text_of(each, "report").rpartition("/")[2]: tuple(text_of(each, f"indicator{tag}") for tag in tags)
            for each in found
            if text_of(each, "componentType") == "Metric"
        }

    green, amber, red = "#2E844A", "#DD7A01", "#BA0517"
    found = lights()
    assert found["Handoff_First_Touch"] == ("24.00", "48.00", green, amber, red)
    assert found["Handoff_Completeness"] == ("85.00", "90.00", red, amber, green)
    assert found["Handoff_Kickoff"] == ("5.00", "10.00", green, amber, amber)
    assert found["Handoff_Escalations"] == ("0.20", "0.40", green, red, red)
    targets = dataclasses.replace(POLICY.targets, first_touch_hours=Decimal(8))
    assert lights(dataclasses.replace(POLICY, targets=targets))["Handoff_First_Touch"][0] == "8.00"


def test_the_tiles_of_the_dashboard_are_over_the_reports() -> None:
    found = wanted()
    boards = [each for each in found.components if each.type == "Dashboard"]
    tiles = [word for each in boards for word in _texts(each.body) if word.startswith("Handoff_Reports/")]
    assert set(tiles) == {each.name for each in found.components if each.type == "Report"}
    for each in boards:
        assert 0 < sum(word.startswith("Handoff_Reports/") for word in _texts(each.body)) <= 20, (
            "as many as a page holds"
        )


def test_everything_of_ours_has_our_prefix() -> None:
    exempt = {("CustomNotificationType", "Handoff")}
    for each in wanted(ledger=True, channel=Channel.CUSTOM, activity_events=True).components:
        last = each.name.rpartition("/")[2].rpartition(".")[2]
        assert last.startswith("Handoff_") or each.key in exempt, each.key


def test_a_gate_that_is_off_leaves_everything_else() -> None:
    off = dataclasses.replace(POLICY, gate=dataclasses.replace(POLICY.gate, mode=GateMode.OFF))
    gone = {each.key for each in wanted().components} - {each.key for each in wanted(policy=off).components}
    assert {type for type, _ in gone} == {"ValidationRule"}
    assert len(gone) == 11


# --- package and project ---------------------------------------------------------------------------------------------


def test_a_package_holds_every_component_and_lists_it() -> None:
    found = wanted(ledger=True)
    archive = zipfile.ZipFile(io.BytesIO(deploy_zip(found.components, api_version="67.0")))
    _, manifest = read(archive.read("package.xml"))
    listed = {
        (text_of(types, "name"), name)
        for tag, types in manifest
        if tag == "types" and not isinstance(types, str)
        for member, name in types
        if member == "members"
    }
    folders = {"ReportFolder": "Report", "DashboardFolder": "Dashboard"}
    assert listed == {(folders.get(type, type), name) for type, name in (each.key for each in found.components)}
    assert text_of(manifest, "version") == "67.0"
    _, deal = read(archive.read("objects/Opportunity.object"))
    assert {tag for tag, _ in deal} == {"fields", "validationRules"}
    field = one(found, "CustomField", "Opportunity.Handoff_Gate__c")
    assert ("fields", field.body) in deal
    assert parse("PermissionSet", "Handoff_Sales", archive.read("permissionsets/Handoff_Sales.permissionset")) == (
        dataclasses.replace(one(found, "PermissionSet", "Handoff_Sales"), why="")
    )


def test_a_package_is_the_same_bytes_in_any_order() -> None:
    components = wanted().components
    assert deploy_zip(components, api_version="67.0") == deploy_zip(components[::-1], api_version="67.0")


def test_deletions_come_after_and_have_no_version() -> None:
    data = deploy_zip((), api_version="67.0", destructive=[("CustomField", "Opportunity.Handoff_Gate__c")])
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert sorted(archive.namelist()) == ["destructiveChangesPost.xml", "package.xml"]
    _, gone = read(archive.read("destructiveChangesPost.xml"))
    assert gone == (("types", (leaf("members", "Opportunity.Handoff_Gate__c"), leaf("name", "CustomField"))),)


def test_a_package_refuses_what_it_cannot_hold() -> None:
    field = one(wanted(), "CustomField", "Opportunity.Handoff_Gate__c")
    with pytest.raises(ValueError, match="twice"):
        package_files([field, field])
    with pytest.raises(ValueError, match="no place"):
        package_files([Component("ApexClass", "X", ())])


def test_a_project_holds_every_component_and_a_second_export_takes_away_what_is_gone(tmp_path: Path) -> None:
    found = wanted()
    written = write_source(found.components, tmp_path, "67.0")
    assert json.loads((tmp_path / "sfdx-project.json").read_text())["sourceApiVersion"] == "67.0"
    rule = tmp_path / "force-app/main/default/objects/Opportunity/validationRules"
    champion = rule / "Handoff_Req_Champion.validationRule-meta.xml"
    mine = rule / "Mine.validationRule-meta.xml"
    mine.write_text("by hand")
    assert parse("ValidationRule", "Opportunity.Handoff_Req_Champion", champion.read_bytes()).text("active") == "true"
    assert len(written) == len(found.components) + 3, "the project, the manifest, and the list of all of them"
    less = [each for each in found.components if each.name != "Opportunity.Handoff_Req_Champion"]
    write_source(less, tmp_path, "67.0")
    assert not champion.exists()
    assert mine.exists()
    assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()} == {
        *write_source(less, tmp_path, "67.0"),
        mine.relative_to(tmp_path),
    }
