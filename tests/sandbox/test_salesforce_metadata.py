"""Metadata deployed over REST into the Salesforce sandbox: what it does to the org, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
from metadata_files import Admin, field, problems, rule, zipped

from connector.sandbox.salesforce import permissions, rules
from connector.sandbox.salesforce.auth import new_token
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.metadata import components, planting
from connector.sandbox.salesforce.metadata.store import store
from connector.sandbox.salesforce.users import admin_user, integration_user
from connector.sandbox.server import Sandbox
from connector.sandbox.state import World

FIELD = {"CustomField": ["Opportunity.Go__c"]}


def an_object(inner: str) -> str:
    return f"<CustomObject>{inner}</CustomObject>"


def a_field(name: str = "Go__c", type: str = "Text", object: str = "Opportunity", **more: Any) -> bytes:
    files = {f"objects/{object}.object": an_object(field(name, type, **more))}
    return zipped(files, {"CustomField": [f"{object}.{name}"]})


def a_file(path: str, text: str, type: str, *names: str) -> bytes:
    return zipped({path: text}, {type: list(names)})


def grants(*inner: str, label: str = "S") -> str:
    return f"<PermissionSet>{''.join(inner)}<label>{label}</label></PermissionSet>"


def field_grant(path: str, *, editable: bool = True) -> str:
    can = str(editable).lower()
    return (
        f"<fieldPermissions><editable>{can}</editable><field>{path}</field><readable>true</readable></fieldPermissions>"
    )


def has_field(world: World, path: str) -> bool:
    object_name, _, name = path.partition(".")
    kind = catalog(world).object(object_name)
    return kind is not None and kind.find(name) is not None


# The run of a deploy


def test_a_deploy_is_worked_off_between_two_looks(admin: Admin, bare: Sandbox) -> None:
    asked = admin.post_deploy(a_field())
    assert (asked.status_code, asked.json()["deployResult"]["status"]) == (201, "Pending")
    first = admin.look(asked.json()["id"])
    assert (first["status"], first["done"]) == ("InProgress", False)
    assert not has_field(bare.sf, "Opportunity.Go__c")
    second = admin.look(asked.json()["id"])
    assert (second["status"], second["done"], second["numberComponentsDeployed"]) == ("Succeeded", True, 1)
    assert has_field(bare.sf, "Opportunity.Go__c")


def test_a_long_deploy_is_looked_at_for_long(admin: Admin, bare: Sandbox) -> None:
    bare.sf.setting("deploy_looks", 3)
    id = admin.post_deploy(a_field()).json()["id"]
    assert [admin.look(id)["status"] for _ in range(4)] == ["InProgress"] * 3 + ["Succeeded"]


def test_the_vendors_own_client_names_its_part_differently(admin: Admin) -> None:
    assert admin.post_deploy(a_field(), part="entity_content").status_code == 201


def test_a_deploy_that_nobody_looks_at_is_done_before_the_next_request(admin: Admin, bare: Sandbox) -> None:
    admin.post_deploy(a_field())
    described = admin.call("GET", "/sobjects/Opportunity/describe").json()
    assert described["name"] == "Opportunity"
    assert has_field(bare.sf, "Opportunity.Go__c")


def test_a_cancelled_deploy_changes_nothing(admin: Admin, bare: Sandbox) -> None:
    id = admin.post_deploy(a_field()).json()["id"]
    found = admin.call("PATCH", f"/metadata/deployRequest/{id}", json={"deployResult": {"status": "Canceling"}})
    assert found.status_code == 202
    result = admin.look(id)
    assert (result["status"], result["done"], result["success"]) == ("Canceled", True, False)
    assert not has_field(bare.sf, "Opportunity.Go__c")


def test_check_only_judges_and_leaves_the_org_alone(admin: Admin, bare: Sandbox) -> None:
    result = admin.deploy(a_field(), checkOnly=True)
    assert (result["status"], result["checkOnly"]) == ("Succeeded", True)
    assert not has_field(bare.sf, "Opportunity.Go__c")
    assert admin.deploy(a_field(length=0), checkOnly=True)["status"] == "Failed"


def test_a_second_deploy_of_the_same_changes_nothing(admin: Admin) -> None:
    admin.deploy(a_field())
    result = admin.deploy(a_field())
    said = {m["fullName"]: (m["changed"], m["created"]) for m in result["details"]["componentSuccesses"]}
    assert said["Opportunity.Go__c"] == (False, False)


@pytest.mark.parametrize(
    ("options", "status", "kept"),
    [({"rollbackOnError": True}, "Failed", False), ({"rollbackOnError": False}, "SucceededPartial", True)],
)
def test_one_bad_component_takes_all_back_when_asked_to(
    options: dict[str, Any], status: str, kept: bool, admin: Admin, bare: Sandbox
) -> None:
    inner = field("Good__c") + field("Bad__c", "TextArea", length=80)
    data = zipped(
        {"objects/Opportunity.object": an_object(inner)}, {"CustomField": ["Opportunity.Good__c", "Opportunity.Bad__c"]}
    )
    result = admin.deploy(data, **options)
    assert result["status"] == status
    assert (result["numberComponentErrors"], result["numberComponentsTotal"]) == (1, 2)
    assert has_field(bare.sf, "Opportunity.Good__c") is kept
    assert not has_field(bare.sf, "Opportunity.Bad__c")


def test_setup_outlives_a_restart_and_a_reset_of_the_records(tmp_path: Path) -> None:
    with Sandbox.running(folder=tmp_path, bare_salesforce=True) as first:
        someone = Admin(first.sf_url, new_token(first.sf, admin_user(first.sf)))
        inner = field("Go__c") + rule("Go", "ISBLANK(Go__c)")
        data = zipped(
            {"objects/Opportunity.object": an_object(inner)},
            {"CustomField": ["Opportunity.Go__c"], "ValidationRule": ["Opportunity.Go"]},
        )
        assert someone.deploy(data)["success"]
        waiting = someone.post_deploy(a_field("Late__c")).json()["id"]
    with Sandbox.running(folder=tmp_path) as second:
        someone = Admin(second.sf_url, new_token(second.sf, admin_user(second.sf)))
        someone.call("GET", "/limits")
        assert someone.look(waiting)["status"] == "Succeeded"
        assert has_field(second.sf, "Opportunity.Go__c")
        assert has_field(second.sf, "Opportunity.Late__c")
        second.sf.clear()
        assert [r.name for r in rules.all(second.sf, "Opportunity")] == ["Go"]
        assert components.one(second.sf, "ValidationRule", "Opportunity.Go") is not None


def test_what_a_permission_set_grants_outlives_a_reset_of_the_records(admin: Admin, bare: Sandbox) -> None:
    admin.deploy(a_field())
    data = a_file("permissionsets/S.permissionset", grants(field_grant("Opportunity.Go__c")), "PermissionSet", "S")
    assert admin.deploy(data)["success"]
    requests.post(f"{bare.control_url}/reset", json={"system": "sf"}, timeout=5).raise_for_status()
    held = bare.sf.table("PermissionSet").find_unique("Name", "S")
    assert held is not None
    granted = [r.values["Field"] for r in bare.sf.table("FieldPermissions").where("ParentId", [held.id])]
    assert granted == ["Opportunity.Go__c"]


def test_who_may_not_customize_may_not_deploy(bare: Sandbox) -> None:
    daemon = Admin(bare.sf_url, new_token(bare.sf, integration_user(bare.sf)))
    found = daemon.post_deploy(a_field())
    assert found.json()[0]["errorCode"] == "INSUFFICIENT_ACCESS"
    assert "Fault" in daemon.soap("describeMetadata", "").text


# The package


def test_a_zip_without_a_manifest_fails_as_a_whole(admin: Admin) -> None:
    result = admin.deploy(b"no zip")
    assert (result["status"], result["errorMessage"][:11]) == ("Failed", "INVALID_ZIP")


def test_manifest_and_files_must_agree(admin: Admin) -> None:
    named = zipped({}, FIELD)
    assert problems(admin.deploy(named)) == [
        (
            "An object 'Opportunity.Go__c' of type CustomField was named in package.xml, but was not found in zipped "
            "directory"
        )
    ]
    unnamed = zipped({"objects/Opportunity.object": an_object(field("Go__c"))}, {})
    assert problems(admin.deploy(unnamed)) == ["Not in package.xml"]
    assert problems(admin.deploy(zipped({}, {"Nonsense": ["X"]}))) == [
        "Unknown type name 'Nonsense' specified in package.xml"
    ]


def test_an_objects_file_may_be_named_by_its_object(admin: Admin, bare: Sandbox) -> None:
    data = zipped({"objects/Opportunity.object": an_object(field("Go__c"))}, {"CustomObject": ["Opportunity"]})
    assert admin.deploy(data)["success"]
    assert has_field(bare.sf, "Opportunity.Go__c")


# Fields


@pytest.mark.parametrize(
    ("type", "more", "said"),
    [
        ("Text", {"length": ""}, "'' is not a valid value for xsd:int"),
        ("Text", {"length": 300}, "between 1 and 255"),
        ("TextArea", {"length": 255}, "Can not specify 'length' for a CustomField of type TextArea"),
        ("LongTextArea", {"length": 1000}, "Must specify 'visibleLines' for a CustomField of type LongTextArea"),
        ("LongTextArea", {"visibleLines": 3}, "Must specify 'length' for a CustomField of type LongTextArea"),
        ("LongTextArea", {"length": 1000, "visibleLines": 3, "required": True}, "Can not specify 'required'"),
        ("Number", {"precision": 8}, "Must specify 'scale' for a CustomField of type Number"),
        ("Number", {"precision": 19, "scale": 0}, "precision must be between 1 and 18"),
        ("Checkbox", {}, "Must specify 'defaultValue' for a CustomField of type Checkbox"),
        ("Lookup", {}, "Must specify 'referenceTo' for a CustomField of type Lookup"),
        ("Lookup", {"referenceTo": "Nobody__c"}, "does not resolve to a valid sObject type"),
        ("Date", {"unique": True}, "Can not specify 'unique' for a CustomField of type Date"),
        ("Picklist", {}, "Must specify 'valueSet' for a CustomField of type Picklist"),
        ("Text", {"colour": "red"}, "Error parsing file: Element colour invalid at this location in type CustomField"),
        ("Sting", {}, "'Sting' is not a valid value for the enum 'FieldType'"),
    ],
)
def test_a_field_says_what_its_type_needs(
    type: str, more: dict[str, Any], said: str, admin: Admin, bare: Sandbox
) -> None:
    result = admin.deploy(a_field("Go__c", type, **more))
    failure = result["details"]["componentFailures"][0]
    assert said in failure["problem"]
    assert (failure["componentType"], failure["fullName"]) == ("CustomField", "Opportunity.Go__c")
    assert (failure["fileName"], failure["problemType"], failure["success"]) == (
        "objects/Opportunity.object",
        "Error",
        False,
    )
    assert failure["lineNumber"] >= 1
    assert not has_field(bare.sf, "Opportunity.Go__c")


@pytest.mark.parametrize(
    ("type", "more", "expected"),
    [
        ("Text", {"length": 40, "externalId": True, "unique": True}, ("string", 40)),
        ("LongTextArea", {"length": 32768, "visibleLines": 3}, ("textarea", 32768)),
        ("TextArea", {}, ("textarea", 255)),
        ("Checkbox", {"defaultValue": False}, ("boolean", 0)),
        ("Number", {"precision": 8, "scale": 2}, ("double", 0)),
        ("Lookup", {"referenceTo": "User", "relationshipName": "Goes"}, ("reference", 18)),
        ("DateTime", {}, ("datetime", 0)),
    ],
)
def test_a_field_stands_in_the_schema(
    type: str, more: dict[str, Any], expected: tuple[str, int], admin: Admin, bare: Sandbox
) -> None:
    assert admin.deploy(a_field("Go__c", type, **more))["success"]
    kind = catalog(bare.sf).object("Opportunity")
    assert kind is not None
    found = kind.find("Go__c")
    assert found is not None
    assert (found.type, found.length) == expected


def test_a_field_of_tasks_belongs_to_activity(admin: Admin, bare: Sandbox) -> None:
    refused = admin.deploy(a_field("Key__c", object="Task"))
    assert problems(refused) == ["Entity Enumeration Or ID: bad value for restricted picklist field: Task"]
    assert admin.deploy(a_field("Key__c", object="Activity", externalId=True, unique=True))["success"]
    assert has_field(bare.sf, "Task.Key__c")
    assert has_field(bare.sf, "Event.Key__c")


def test_a_field_cannot_become_something_else_altogether(admin: Admin) -> None:
    admin.deploy(a_field())
    assert "Cannot update a field" in problems(admin.deploy(a_field("Go__c", "Checkbox", defaultValue=False)))[0]


# Permissions


def test_a_new_field_is_seen_by_nobody_until_a_permission_set_says_so(admin: Admin, bare: Sandbox) -> None:
    admin.deploy(a_field())
    user = integration_user(bare.sf).id
    assert not permissions.may_read(bare.sf, user, "Opportunity", "Go__c")
    data = a_file("permissionsets/S.permissionset", grants(field_grant("Opportunity.Go__c")), "PermissionSet", "S")
    assert admin.deploy(data)["success"]
    held = bare.sf.table("PermissionSet").find_unique("Name", "S")
    assert held is not None
    bare.sf.table("PermissionSetAssignment").insert({"AssigneeId": user, "PermissionSetId": held.id}, by=user)
    assert permissions.may_edit(bare.sf, user, "Opportunity", "Go__c")


def test_deploying_a_permission_set_replaces_what_it_grants(admin: Admin, bare: Sandbox) -> None:
    admin.deploy(a_field())
    path = "permissionsets/S.permissionset"
    admin.deploy(a_file(path, grants(field_grant("Opportunity.Go__c")), "PermissionSet", "S"))
    admin.deploy(a_file(path, grants(field_grant("Opportunity.NextStep")), "PermissionSet", "S"))
    rows = bare.sf.table("FieldPermissions").live()
    held = bare.sf.table("PermissionSet").find_unique("Name", "S")
    assert held is not None
    assert [r.values["Field"] for r in rows if r.values["ParentId"] == held.id] == ["Opportunity.NextStep"]


def test_task_and_event_share_the_permissions_of_an_activity_field(admin: Admin, bare: Sandbox) -> None:
    admin.deploy(a_field("Key__c", object="Activity"))
    data = a_file("permissionsets/S.permissionset", grants(field_grant("Task.Key__c")), "PermissionSet", "S")
    assert admin.deploy(data)["success"]
    found = {r.values["Field"] for r in bare.sf.table("FieldPermissions").live()}
    assert {"Task.Key__c", "Event.Key__c"} <= found


@pytest.mark.parametrize(
    ("inner", "said"),
    [
        (field_grant("Opportunity.None__c"), "In field: field - no CustomField named Opportunity.None__c found"),
        (field_grant("Opportunity.StageName"), "You cannot deploy to a required field: Opportunity.StageName"),
        (field_grant("Opportunity.OwnerId"), "You cannot deploy to a required field: Opportunity.OwnerId"),
        (field_grant("Account.BillingCity"), "In field: field - no CustomField named Account.BillingCity found"),
        (
            field_grant("Activity.Handoff_Key__c"),
            "In field: field - no CustomField named Activity.Handoff_Key__c found",
        ),
        (
            "<customPermissions><enabled>true</enabled><name>Nope</name></customPermissions>",
            "In field: customPermission - no CustomPermission named Nope found",
        ),
        (
            (
                "<objectPermissions><allowCreate>false</allowCreate><allowDelete>false</allowDelete>"
                "<allowEdit>true</allowEdit><allowRead>false</allowRead><modifyAllRecords>false</modifyAllRecords>"
                "<object>Opportunity</object><viewAllRecords>false</viewAllRecords></objectPermissions>"
            ),
            "Permission Edit Opportunity depends on permission(s): Read Opportunity",
        ),
    ],
)
def test_a_permission_set_grants_only_what_may_be_granted(inner: str, said: str, admin: Admin) -> None:
    data = a_file("permissionsets/S.permissionset", grants(inner), "PermissionSet", "S")
    assert problems(admin.deploy(data)) == [said]


def test_an_address_is_granted_as_a_whole(admin: Admin) -> None:
    data = a_file("permissionsets/S.permissionset", grants(field_grant("Account.BillingAddress")), "PermissionSet", "S")
    assert admin.deploy(data)["success"]


def test_a_permission_named_beside_its_set_is_there_in_time(admin: Admin, bare: Sandbox) -> None:
    inner = "<customPermissions><enabled>true</enabled><name>Bypass</name></customPermissions>"
    files = {
        "permissionsets/S.permissionset": grants(inner),
        "customPermissions/Bypass.customPermission": (
            "<CustomPermission><isLicensed>false</isLicensed><label>Bypass</label></CustomPermission>"
        ),
    }
    assert admin.deploy(zipped(files, {"PermissionSet": ["S"], "CustomPermission": ["Bypass"]}))["success"]
    user = integration_user(bare.sf).id
    held = bare.sf.table("PermissionSet").find_unique("Name", "S")
    assert held is not None
    bare.sf.table("PermissionSetAssignment").insert({"AssigneeId": user, "PermissionSetId": held.id}, by=user)
    assert permissions.holds(bare.sf, user, "Bypass")


# Rules


@pytest.mark.parametrize(
    ("name", "formula", "message", "display", "said"),
    [
        ("Go", "ISBLANK(Nothing__c)", "No.", "", "Field Nothing__c does not exist"),
        ("Go", "ISBLANK(", "No.", "", ""),
        ("Go", "$Permission.Nope", "No.", "", "Nope"),
        ("G" * 41, "IsWon", "No.", "", "at most 40 characters"),
        ("Go__Twice", "IsWon", "No.", "", "two consecutive underscores"),
        ("Go", "IsWon", "x" * 256, "", "maximum length is:255"),
        ("Go", "IsWon", "", "", "Required field is missing: errorMessage"),
        ("Go", "IsWon", "No.", "Nothing__c", "In field: errorDisplayField - no CustomField named"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(
    name: str, formula: str, message: str, display: str, said: str, admin: Admin, bare: Sandbox
) -> None:
    files = {"objects/Opportunity.object": an_object(rule(name, formula, message, display))}
    result = admin.deploy(zipped(files, {"ValidationRule": [f"Opportunity.{name}"]}))
    assert result["status"] == "Failed"
    assert said in problems(result)[0]
    assert rules.all(bare.sf, "Opportunity") == ()


def test_a_rule_stands_on_an_object_that_has_records(admin: Admin) -> None:
    files = {"objects/Activity.object": an_object(rule("Go", "ISBLANK(Subject)"))}
    result = admin.deploy(zipped(files, {"ValidationRule": ["Activity.Go"]}))
    assert problems(result) == ["In field: fullName - no CustomObject named Activity found"]


def test_a_deployed_rule_blocks_a_save(admin: Admin, bare: Sandbox) -> None:
    formula = "AND(IsWon, ISBLANK(NextStep))"
    files = {"objects/Opportunity.object": an_object(rule("Next", formula, "Say what comes next.", "NextStep"))}
    assert admin.deploy(zipped(files, {"ValidationRule": ["Opportunity.Next"]}))["success"]
    body = {"Name": "Won", "StageName": "Closed Won", "CloseDate": "2026-12-01"}
    refused = admin.call("POST", "/sobjects/Opportunity", json=body)
    assert refused.json()[0] == {
        "message": "Say what comes next.",
        "errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        "fields": ["NextStep"],
    }
    assert not list(bare.sf.table("Opportunity").live())


# Pages, reports, events


def test_a_layout_is_replaced_whole(admin: Admin, bare: Sandbox) -> None:
    item = "<layoutItems><behavior>Edit</behavior><field>{}</field></layoutItems>"
    wanted = ("Name", "StageName", "CloseDate", "NextStep")
    column = f"<layoutColumns>{''.join(item.format(n) for n in wanted)}</layoutColumns>"
    text = f"<Layout><layoutSections>{column}<style>OneColumn</style></layoutSections></Layout>"
    name = "Opportunity-Opportunity Layout"
    assert admin.deploy(a_file(f"layouts/{name}.layout", text, "Layout", name))["success"]
    assert planting.layout_fields(bare.sf, name) == list(wanted)
    short = text.replace(item.format("StageName"), "").replace("NextStep", "Nothing__c")
    assert problems(admin.deploy(a_file(f"layouts/{name}.layout", short, "Layout", name))) == [
        "In field: field - no CustomField named Opportunity.Nothing__c found",
        "Layout must contain an item for required layout field: StageName",
    ]


def test_an_org_that_began_with_our_fields_shows_them(running: Sandbox, bare: Sandbox) -> None:
    name = "Opportunity-Opportunity Layout"
    assert "Handoff_Why_Bought__c" in planting.layout_fields(running.sf, name)
    assert not [f for f in planting.layout_fields(bare.sf, name) if f.startswith("Handoff_")]


def test_a_required_field_goes_on_every_layout(admin: Admin, bare: Sandbox) -> None:
    assert admin.deploy(a_field(required=True))["success"]
    layouts = [c.name for c in store(bare.sf).of("Layout") if c.name.startswith("Opportunity-")]
    assert len(layouts) == 2
    assert all("Go__c" in planting.layout_fields(bare.sf, name) for name in layouts)


REPORT = (
    "<Report><columns><field>OPPORTUNITY_NAME</field></columns><columns><field>{column}</field></columns>"
    "<format>Tabular</format><name>Won</name><reportType>Opportunity</reportType><scope>organization</scope>"
    "<showDetails>true</showDetails><timeFrameFilter><dateColumn>CLOSE_DATE</dateColumn>"
    "<interval>INTERVAL_CURY</interval></timeFrameFilter></Report>"
)
REPORT_FOLDER = "<ReportFolder><name>Ours</name></ReportFolder>"


def test_a_report_needs_its_folder_and_its_fields(admin: Admin, bare: Sandbox) -> None:
    files = {"reports/Ours/Won.report": REPORT.format(column="AMOUNT")}
    assert problems(admin.deploy(zipped(files, {"Report": ["Ours/Won"]}))) == ["Cannot find folder:Ours"]
    files["reports/Ours-meta.xml"] = REPORT_FOLDER
    members = {"Report": ["Ours", "Ours/Won"]}
    assert admin.deploy(zipped(files, members))["success"]
    assert [c.name for c in components.every(bare.sf, "Report")] == ["Ours/Won"]
    # As the vendor's converter names a folder.
    assert admin.deploy(zipped(files, {"Report": ["Ours/", "Ours/Won"]}))["numberComponentsDeployed"] == 2
    files["reports/Ours/Won.report"] = REPORT.format(column="Opportunity.Nothing__c")
    assert problems(admin.deploy(zipped(files, members))) == ["Invalid field name: Opportunity.Nothing__c"]


def test_a_dashboard_needs_its_report(admin: Admin) -> None:
    part = (
        "<components><componentType>Metric</componentType><displayUnits>Auto</displayUnits>"
        "<report>Ours/Gone</report></components>"
    )
    sides = "".join(f"<{s}Section><columnSize>Medium</columnSize></{s}Section>" for s in ("right",))
    text = (
        "<Dashboard><backgroundEndColor>#FFFFFF</backgroundEndColor>"
        "<backgroundFadeDirection>Diagonal</backgroundFadeDirection>"
        "<backgroundStartColor>#FFFFFF</backgroundStartColor><dashboardType>LoggedInUser</dashboardType>"
        f"<leftSection><columnSize>Medium</columnSize>{part}</leftSection>{sides}<textColor>#000000</textColor>"
        "<title>Ours</title><titleColor>#000000</titleColor><titleSize>12</titleSize></Dashboard>"
    )
    files = {
        "dashboards/Ours/Board.dashboard": text,
        "dashboards/Ours-meta.xml": "<DashboardFolder><name>Ours</name></DashboardFolder>",
    }
    found = admin.deploy(zipped(files, {"Dashboard": ["Ours", "Ours/Board"]}))
    assert problems(found) == ["In field: report - no Report named Ours/Gone found"]


def a_member(entity: str) -> bytes:
    text = (
        "<PlatformEventChannelMember><eventChannel>ChangeEvents</eventChannel>"
        f"<selectedEntity>{entity}ChangeEvent</selectedEntity></PlatformEventChannelMember>"
    )
    name = f"{entity}_ChangeEvent"
    path = f"platformEventChannelMembers/{name}.platformEventChannelMember"
    return a_file(path, text, "PlatformEventChannelMember", name)


def test_an_entity_is_selected_once_and_five_at_most(admin: Admin, bare: Sandbox) -> None:
    assert admin.deploy(a_member("Opportunity"))["success"]
    assert bare.sf.settings["cdc"] == {"ChangeEvents": ["Opportunity"]}
    assert problems(admin.deploy(a_member("Opportunity")))[0].startswith("DUPLICATE_VALUE")
    for entity in ("Account", "Task", "Event", "Contact"):
        assert admin.deploy(a_member(entity))["success"]
    assert problems(admin.deploy(a_member("User")))[0].startswith("LIMIT_EXCEEDED")
    assert len(bare.sf.settings["cdc"]["ChangeEvents"]) == 5


@pytest.mark.parametrize("entity", ["opportunity", "Nothing__c", "OpportunityTeamMember", "PermissionSet"])
def test_what_has_no_change_events_cannot_be_selected(entity: str, admin: Admin, bare: Sandbox) -> None:
    said = f"In field: selectedEntity - no entity named {entity}ChangeEvent found"
    assert problems(admin.deploy(a_member(entity))) == [said]
    assert not bare.sf.settings.get("cdc")


# Taking away


def take(**types: list[str]) -> bytes:
    return zipped({}, {}, destructiveChanges=types)


def test_a_field_goes_with_its_data_once_nothing_needs_it(admin: Admin, bare: Sandbox) -> None:
    inner = field("Go__c") + rule("Go", "ISBLANK(Go__c)")
    files = {"objects/Opportunity.object": an_object(inner)}
    admin.deploy(zipped(files, {**FIELD, "ValidationRule": ["Opportunity.Go"]}))
    row = bare.sf.table("Opportunity").insert({"Name": "A", "Go__c": "x", "StageName": "Prospecting"}, by="setup")
    kept = problems(admin.deploy(take(CustomField=["Opportunity.Go__c"])))[0]
    assert "referenced elsewhere" in kept
    assert "ValidationRule" in kept
    assert row.values["Go__c"] == "x"
    both = take(CustomField=["Opportunity.Go__c"], ValidationRule=["Opportunity.Go"])
    assert admin.deploy(both)["success"]
    assert "Go__c" not in row.values
    assert rules.all(bare.sf, "Opportunity") == ()
    assert not has_field(bare.sf, "Opportunity.Go__c")


def test_a_field_on_a_layout_is_held_by_it(admin: Admin, bare: Sandbox) -> None:
    admin.deploy(a_field(required=True))
    assert "Layout" in problems(admin.deploy(take(CustomField=["Opportunity.Go__c"])))[0]
    assert has_field(bare.sf, "Opportunity.Go__c")


def test_a_field_on_a_page_with_dynamic_forms_is_held_by_it(admin: Admin, bare: Sandbox) -> None:
    admin.deploy(a_field())
    planting.plant_dynamic_form(bare.sf, "Deal_Page", fields=("Name", "Go__c"))
    assert "FlexiPage" in problems(admin.deploy(take(CustomField=["Opportunity.Go__c"])))[0]
    both = take(CustomField=["Opportunity.Go__c"], FlexiPage=["Deal_Page"])
    assert admin.deploy(both)["success"]
    assert not has_field(bare.sf, "Opportunity.Go__c")


def test_what_is_not_there_is_only_warned_of(admin: Admin) -> None:
    result = admin.deploy(take(CustomPermission=["Nope"]))
    assert result["success"]
    warned = [m for m in result["details"]["componentSuccesses"] if m["warning"]]
    assert [m["problem"] for m in warned] == ["No CustomPermission named: Nope found"]


def test_standard_fields_cannot_be_deleted(admin: Admin, bare: Sandbox) -> None:
    result = admin.deploy(take(PermissionSet=["Nope"], CustomObject=["Opportunity"]))
    assert result["status"] == "Failed"
    assert catalog(bare.sf).object("Opportunity") is not None


# What was there before


def test_planted_setup_is_seen_like_any_other(admin: Admin, bare: Sandbox) -> None:
    planting.plant_rule(bare.sf, "Old", formula="ISBLANK(NextStep)", message="Next?")
    planting.plant_required_field(bare.sf, "Legal__c")
    planting.plant_flow(bare.sf, "Stamp_Deal")
    planting.plant_duplicate_rule(bare.sf, "Same_Deal")
    planting.plant_dynamic_form(bare.sf, "Deal_Page")
    assert [c.name for c in components.every(bare.sf, "ValidationRule")] == ["Opportunity.Old"]
    assert has_field(bare.sf, "Opportunity.Legal__c")
    found = admin.call("GET", "/query", params={"q": "SELECT DeveloperName, SobjectType, IsActive FROM DuplicateRule"})
    assert [(r["DeveloperName"], r["IsActive"]) for r in found.json()["records"]] == [("Same_Deal", True)]
    flows = admin.tooling("SELECT ApiName, TriggerType FROM FlowDefinitionView WHERE IsActive = true").json()
    assert [r["ApiName"] for r in flows["records"]] == ["Stamp_Deal"]
    page = components.one(bare.sf, "FlexiPage", "Deal_Page")
    assert page is not None
    assert [n.get("fieldItem") for n in page.node.deep("fieldInstance")] == ["Record.Name", "Record.StageName"]
