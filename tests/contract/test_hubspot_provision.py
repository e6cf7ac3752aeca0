"""Installing into a portal that has nothing of ours, over the wire: plan, apply, refusals, and the way back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hubspot_provision import HS, MAP, OURS, Bare, bare_portal, emptied, lines

from connector.crm.hubspot.adapter import HubSpotCRM
from connector.crm.hubspot.faults import HubSpotError
from connector.crm.hubspot.fields import NO_UNIQUE_HERE
from connector.crm.hubspot.login import App
from connector.crm.installer import Choices, Do, Mark, OccupiedError, Progress
from connector.errors import CrmError, Fault, FaultCode, UserError
from connector.sandbox.hubspot import schema
from connector.sandbox.hubspot.schema import TOKEN

DEALS = "/crm/properties/2026-09/deals"
MINE = "pat-of-an-admin"


@pytest.fixture(scope="module")
def running() -> Iterator[Bare]:
    with bare_portal() as found:
        yield found


@pytest.fixture
def portal(running: Bare) -> Bare:
    return emptied(running)


def texts(name: str, **more: Any) -> dict[str, Any]:
    """A property of the portal's own."""
    plain = {"label": name.replace("_", " "), "type": "string", "fieldType": "text", "groupName": "dealinformation"}
    return {"name": name, **plain, **more}


def test_from_nothing_to_nothing_left_to_do(portal: Bare) -> None:
    before, ended, left = portal.apply()
    assert not before.plan.is_empty
    assert ended.ok, ended.words
    assert left.plan.is_empty
    assert not portal.waited, "what is shown at once is not waited for"
    found = {
        f"{name}.{one}"
        for name in ("deals", "companies", "tasks", "notes", "meetings")
        for one in portal.properties(name)
    }
    assert found == {one.key for one in OURS}
    assert portal.properties("deals")["handoff_csm"]["referencedObjectType"] == "OWNER"
    assert portal.properties("tasks")["handoff_key"]["hasUniqueValue"]
    assert {one["groupName"] for one in portal.properties("deals").values()} == {"handoff"}

    done = len(portal.writes())
    again = portal.look()
    assert again.plan.is_empty
    assert len(portal.writes()) == done


def test_a_plan_writes_nothing_and_reads_little(portal: Bare) -> None:
    objects = len({one.object for one in OURS})
    portal.world.journal.clear()
    survey = portal.look()
    calls = portal.world.journal.calls(system="hs")
    assert len(calls) <= 1 + 2 + 3 * objects + objects, [call.path for call in calls]
    assert next(call.path for call in calls[1:]).endswith("/limits/2026-09/custom-properties"), "limits come first"
    assert not portal.writes()
    assert not survey.lacking


def test_all_of_a_types_plain_properties_go_in_one_call(portal: Bare) -> None:
    portal.look()
    portal.world.journal.clear()
    _, ended, _ = portal.apply()
    assert ended.ok
    made = [one for one in portal.writes() if one.endswith(("/properties/2026-09/deals/batch/create", DEALS))]
    assert made == [f"POST {DEALS}/batch/create"]


def test_the_way_back_leaves_the_portal_as_it_was(portal: Bare) -> None:
    portal.apply()
    _, ended, left = portal.apply(remove=True)
    assert left.plan.is_empty, "fields stay until they are asked for"
    _, ended, left = portal.apply(remove=True, with_fields=True)
    assert ended.ok, ended.words
    assert left.plan.is_empty
    assert not portal.properties("deals")
    assert not portal.properties("tasks")
    assert "handoff_gate" in portal.properties("deals", archived=True)
    session = portal.installer().session
    groups = session.get("test", session.paths.properties("deals", "groups"))
    assert "handoff" not in {one["name"] for one in groups["results"]}

    survey, ended, left = portal.apply()
    assert (
        "brings back the property of this name that was archived"
        in lines(survey, Do.CREATE)["deals.handoff_gate"].detail
    )
    assert ended.ok, ended.words
    assert left.plan.is_empty


def test_the_way_back_names_what_was_made_by_hand(portal: Bare) -> None:
    assert not portal.look(remove=True).plan.of(Do.BY_HAND), "where nothing is ours, nothing was clicked for it"
    portal.apply()
    (line,) = portal.look(remove=True).plan.of(Do.BY_HAND)
    assert any("untick Required" in step for step in line.steps)
    assert portal.look(remove=True).plan.is_empty


def test_data_is_kept_until_told_twice(portal: Bare) -> None:
    portal.apply()
    deal = {"dealname": "Won", "dealstage": "closedwon", "handoff_champion": "Ingrid Solberg", "handoff_risks": "None"}
    portal.world.table("deals").insert(deal, by="seed")
    held = lines(portal.look(remove=True, with_fields=True), Do.KEEP)
    assert "filled on 1 record; it stays unless --even-with-data" in held["deals.handoff_champion"].detail
    assert {"deals.handoff_champion", "deals.handoff_risks", "deals.handoff"} == set(held)
    portal.apply(remove=True, with_fields=True)
    assert set(portal.properties("deals")) == {"handoff_champion", "handoff_risks"}
    survey, ended, _ = portal.apply(remove=True, with_fields=True, even_with_data=True)
    assert "THIS DATA IS LOST" in lines(survey, Do.REMOVE)["deals.handoff_champion"].detail
    assert ended.ok
    assert not portal.properties("deals")


def test_a_free_portal_is_refused_before_the_first_write_with_numbers(portal: Bare) -> None:
    portal.world.settings["tier"] = "free"
    survey = portal.look()
    assert not survey.may_apply
    told = " ".join(str(one) for one in survey.problems)
    assert "there is room for 10 (0 of 10 used)" in told
    assert "cannot do without handoff_gate" in told
    assert not portal.writes()


def test_a_portal_with_room_for_what_is_mapped_takes_it(portal: Bare) -> None:
    portal.world.settings["tier"] = "free"
    kept = {
        "gate",
        "missing",
        "csm",
        "started_at",
        "champion",
        "success_criteria",
        "task.key",
        "note.key",
        "account.csm",
    }
    fields = {path: one for path, one in MAP.fields.items() if path in kept or not one.field.startswith("handoff_")}
    smaller = dataclasses.replace(MAP, fields=fields)
    _, ended, left = portal.apply(changes={"crm_map": smaller})
    assert ended.ok, ended.words
    assert left.plan.is_empty


def test_a_limit_nobody_tells_of_is_met_and_what_stands_is_told(portal: Bare) -> None:
    portal.world.settings["owner_properties_per_type"] = 1
    _, ended, _ = portal.apply()
    assert ended.mark is Mark.REFUSED
    said = "\n".join(ended.words)
    assert "Property deals.handoff_csm was refused: This account has reached its limit of 1 user properties" in said
    assert "What was done stays." in said
    assert "handoff_gate" in portal.properties("deals"), "one refused row does not take the others along"
    assert "handoff_key" in portal.properties("tasks")

    portal.world.settings["owner_properties_per_type"] = 10
    survey, ended, left = portal.apply()
    assert set(lines(survey, Do.CREATE)) == {"deals.handoff_csm"}, "a second run goes on from there"
    assert ended.ok
    assert left.plan.is_empty


def test_what_an_admin_added_stays_and_missing_choices_are_added(portal: Bare) -> None:
    portal.apply()
    theirs = [("legal", "With legal"), ("Held", "On hold")]
    options = [{"value": v, "label": name, "displayOrder": n, "hidden": False} for n, (v, name) in enumerate(theirs)]
    portal.call("PATCH", f"{DEALS}/handoff_gate", {"label": "Our gate", "options": options})
    survey, ended, left = portal.apply()
    assert list(lines(survey, Do.CHANGE)) == ["deals.handoff_gate"]
    assert ended.ok
    assert left.plan.is_empty
    gate = portal.properties("deals")["handoff_gate"]
    assert gate["label"] == "Our gate"
    assert [one["value"] for one in gate["options"]] == [
        *("legal", "Held", "Released", "Overridden", "Warned", "Not checked")
    ]
    assert [one["label"] for one in gate["options"]][:2] == ["With legal", "On hold"]


def test_a_choice_added_between_plan_and_apply_stays(portal: Bare) -> None:
    portal.apply()
    own = [{"value": "legal", "label": "With legal", "displayOrder": 0, "hidden": False}]
    portal.call("PATCH", f"{DEALS}/handoff_gate", {"options": own})
    installer = portal.installer()
    installer.look(Choices())
    more = [*own, {"value": "audit", "label": "In audit", "displayOrder": 1, "hidden": False}]
    portal.call("PATCH", f"{DEALS}/handoff_gate", {"options": more})
    assert installer.carry_out(told=lambda _: None).ok
    values = [one["value"] for one in portal.properties("deals")["handoff_gate"]["options"]]
    assert values[:2] == ["legal", "audit"]
    assert "Held" in values


def test_a_property_of_another_type_keeps_everything_from_being_written(portal: Bare) -> None:
    portal.call("POST", DEALS, texts("handoff_percent"))
    before = len(portal.writes())
    survey = portal.look()
    assert not survey.may_apply
    assert "cannot hold a number" in lines(survey, Do.CONFLICT)["deals.handoff_percent"].detail
    assert len(portal.writes()) == before


def test_a_key_that_is_not_unique_is_told_and_the_rest_is_made(portal: Bare) -> None:
    portal.call("POST", "/crm/properties/2026-09/tasks", texts("handoff_key", groupName="task_information"))
    survey, ended, left = portal.apply()
    assert list(lines(survey, Do.CONFLICT)) == ["tasks.handoff_key"]
    assert ended.ok
    assert left.plan.is_empty
    assert not portal.properties("tasks")["handoff_key"]["hasUniqueValue"]


def test_where_activities_take_no_unique_values_the_key_is_made_without(portal: Bare) -> None:
    portal.world.settings["unique_activities"] = False
    _, ended, left = portal.apply()
    assert ended.ok, ended.words
    assert left.plan.is_empty
    assert any("tasks.handoff_key was made without unique values" in one for one in ended.words)
    key = portal.properties("tasks")["handoff_key"]
    assert not key["hasUniqueValue"]
    assert NO_UNIQUE_HERE in key["description"]
    assert not lines(portal.look(), Do.CONFLICT)

    crm = HubSpotCRM(system=HS, map=MAP, token=TOKEN, base_url=portal.sandbox.hs_url)
    assert crm.connect() == (), "nobody can mend it, so it is no problem"
    (told,) = (note for note in crm.examine().notes if note.startswith("Without unique values"))
    assert "handoff_key on tasks" in told


def test_where_an_object_takes_no_group_its_properties_stand_in_one_it_has(
    portal: Bare, monkeypatch: pytest.MonkeyPatch
) -> None:
    installer = portal.installer()
    really = installer.session.change

    def change(kind: str, method: str, path: str, body: Any = None) -> Any:
        if path.endswith("/tasks/groups"):
            raise HubSpotError(Fault(FaultCode.REJECTED, "VALIDATION_ERROR", "no groups on tasks"), status=400)
        return really(kind, method, path, body)

    monkeypatch.setattr(installer.session, "change", change)
    installer.look(Choices())
    ended = installer.carry_out(told=lambda _: None)
    assert ended.ok, ended.words
    assert any("tasks.handoff could not be made (no groups on tasks)" in one for one in ended.words)
    assert portal.properties("tasks")["handoff_key"]["groupName"] == "task_information"
    assert portal.look().plan.is_empty
    assert "tasks.handoff_key" in lines(portal.look(remove=True, with_fields=True), Do.REMOVE)


def test_an_archived_property_of_another_type_comes_back_as_ours(portal: Bare) -> None:
    portal.call("POST", DEALS, texts("handoff_percent"))
    portal.call("DELETE", f"{DEALS}/handoff_percent")
    survey, ended, left = portal.apply()
    assert "which was Single-line text" in lines(survey, Do.CREATE)["deals.handoff_percent"].detail
    assert ended.ok, ended.words
    assert portal.properties("deals")["handoff_percent"]["type"] == "number"
    assert left.plan.is_empty


# whose token


def scoped(portal: Bare, *scopes: str) -> None:
    portal.world.settings["tokens"] = {MINE: "app:admin"}
    portal.world.settings["token_scopes"] = {MINE: list(scopes)}


READ = ("crm.schemas.deals.read", "crm.schemas.companies.read", "crm.schemas.contacts.read", "crm.objects.deals.read")


def test_missing_scopes_are_named_before_anything_is_written(portal: Bare) -> None:
    scoped(portal, *READ, "crm.schemas.companies.write")
    survey = portal.installer(admin=MINE).look(Choices())
    assert [one.partition(":")[0] for one in survey.lacking] == [
        name for name in dict.fromkeys(one.object for one in OURS) if name != "companies"
    ]
    assert survey.lacking[0] == "deals: crm.schemas.deals.write"
    assert not portal.writes()


def test_a_token_that_may_not_read_set_up_is_told_which_scope_it_lacks(portal: Bare) -> None:
    scoped(portal, "crm.objects.deals.read")
    with pytest.raises(CrmError) as refused:
        portal.installer(admin=MINE).look(Choices())
    assert refused.value.fault.code is FaultCode.NOT_PERMITTED
    assert "crm.schemas." in refused.value.fault.message


def test_limits_that_a_token_may_not_read_are_said(portal: Bare) -> None:
    scoped(portal, "crm.schemas.deals.read", "crm.schemas.companies.read", "crm.schemas.contacts.read")
    survey = portal.installer(admin=MINE).look(Choices())
    assert any("how many custom properties there may be" in one for one in survey.unread)
    assert survey.may_apply


def test_an_admins_token_does_it_while_the_daemons_own_does_not_work(portal: Bare) -> None:
    portal.world.settings["tokens"] = {MINE: "app:admin"}
    installer = portal.installer(admin=MINE, own="pat-revoked")
    assert "own login does not work yet" in installer.login_problem
    installer.look(Choices())
    assert installer.carry_out(told=lambda _: None).ok
    with pytest.raises(CrmError):
        portal.installer(own="pat-revoked")


def test_an_admins_token_that_does_not_work_is_not_taken_for_the_daemons(portal: Bare) -> None:
    with pytest.raises(UserError, match="--token-env: the token does not work"):
        portal.installer(admin="pat-mistyped")


def test_an_admins_token_of_another_portal_is_refused(portal: Bare, monkeypatch: pytest.MonkeyPatch) -> None:
    from connector.crm.hubspot.provision import installer
    from connector.crm.hubspot.provision.portal import Account

    told = iter([Account("1"), Account("2")])
    monkeypatch.setattr(installer, "read_account", lambda session: next(told))
    with pytest.raises(UserError, match="is of portal 2, and the daemon works in portal 1"):
        portal.installer(admin=TOKEN)


def test_an_app_installed_by_oauth_does_it_too(portal: Bare) -> None:
    app = App(schema.APP_CLIENT_ID, schema.APP_CLIENT_SECRET, schema.APP_REFRESH_TOKEN)
    _, ended, left = portal.apply(changes={"own": "", "app": app})
    assert ended.ok, ended.words
    assert left.plan.is_empty


def test_the_numbered_paths_do_it_too(portal: Bare) -> None:
    _, ended, left = portal.apply(changes={"api_version": "v3"})
    assert ended.ok, ended.words
    assert left.plan.is_empty
    assert all("/crm/v3/properties/" in one for one in portal.writes())


def test_ctrl_c_says_what_stands(portal: Bare) -> None:
    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    installer = portal.installer()
    installer.look(Choices())
    with pytest.raises(UserError, match="what was written so far stays"):
        installer.carry_out(told=interrupt)
    _, ended, left = portal.apply()
    assert ended.ok
    assert left.plan.is_empty


# trouble on the way


def test_what_was_put_off_is_sent_again(portal: Bare) -> None:
    portal.world.faults.add(system="hs", match="POST .*/properties/.*/deals/batch/create", kind="429", skip=1, arg=1)
    _, ended, left = portal.apply()
    assert ended.ok, ended.words
    assert left.plan.is_empty


def test_a_lost_answer_is_looked_up_and_nothing_is_made_twice(portal: Bare) -> None:
    match = "POST .*/properties/.*/deals/batch/create"
    portal.world.faults.add(system="hs", match=match, kind="reset_after", skip=1)
    _, ended, left = portal.apply()
    assert ended.ok, ended.words
    assert left.plan.is_empty


def test_a_lost_answer_to_what_may_be_done_twice_stops_nothing(portal: Bare) -> None:
    for match in ("POST .*/properties/.*/deals/groups", "DELETE .*/handoff_risks", "DELETE .*/tasks/groups/handoff"):
        portal.world.faults.add(system="hs", match=match, kind="reset_after")
    _, ended, left = portal.apply()
    assert ended.ok, ended.words
    assert left.plan.is_empty
    _, ended, left = portal.apply(remove=True, with_fields=True)
    assert ended.ok, ended.words
    assert left.plan.is_empty
    assert not portal.properties("deals")


def test_what_shows_a_moment_late_is_waited_for(portal: Bare) -> None:
    faults = portal.world.faults
    faults.add(system="hs", match="POST .*/properties/.*/companies/batch/create", kind="reset_after", skip=1)
    installer = portal.installer()
    session, seen = installer.session, []
    read = session.get

    def late(kind: str, path: str, *, query: Any = None) -> Any:
        if path.endswith("/handoff_csm") and not seen:
            seen.append(path)
            return read(kind, f"{path}_not_yet")
        return read(kind, path, query=query)

    installer.look(Choices())
    session.get = late  # type: ignore[method-assign]
    ended = installer.carry_out(told=lambda _: None)
    assert ended.ok, ended.words
    assert seen


def test_what_was_sent_and_not_answered_is_not_called_untried(portal: Bare) -> None:
    portal.world.faults.add(system="hs", match="DELETE .*/handoff_risks", kind="reset_after", count=9)
    portal.apply()
    _, ended, _ = portal.apply(remove=True, with_fields=True)
    assert ended.mark is Mark.UNKNOWN
    assert "  - Property deals.handoff_risks was sent, and may be done or not" in ended.words
    assert "  - Property companies.handoff_csm was not tried" in ended.words


def test_a_portal_that_stops_answering_leaves_what_was_done_and_says_what_was_not(portal: Bare) -> None:
    match = "POST .*/properties/.*/(companies|tasks|notes|meetings)(/batch/create)?$"
    portal.world.faults.add(
        system="hs", match=match, kind="reset_before", skip=len({o.object for o in OURS}) - 1, count=50
    )
    installer = portal.installer()
    installer.look(Choices())
    ended = installer.carry_out(told=lambda _: None)
    assert ended.mark is Mark.UNKNOWN
    assert "  - Property tasks.handoff_key was not tried" in ended.words
    assert any(one.startswith("Broken off") for one in ended.words)
    portal.world.faults.clear()
    survey, ended, left = portal.apply()
    assert "deals.handoff_gate" not in lines(survey, Do.CREATE)
    assert ended.ok
    assert left.plan.is_empty


def test_a_property_that_a_calculation_uses_is_told_and_stays(portal: Bare) -> None:
    portal.apply()
    sum_up = texts("twice", type="number", fieldType="calculation_equation", calculationFormula="handoff_percent * 2")
    portal.call("POST", DEALS, sum_up)
    _, ended, left = portal.apply(remove=True, with_fields=True)
    assert ended.mark is Mark.REFUSED
    assert any("deals.handoff_percent was refused" in one and "twice" in one for one in ended.words)
    assert set(portal.properties("deals")) == {"handoff_percent", "twice"}
    assert set(lines(left, Do.REMOVE)) >= {"deals.handoff_percent"}


# pipelines and their rules


def test_pipelines_are_verified_and_never_written(portal: Bare) -> None:
    elsewhere = dataclasses.replace(MAP, pipelines=("default", "4711"))
    survey = portal.installer(crm_map=elsewhere).look(Choices())
    assert not survey.may_apply
    assert any("there is no pipeline '4711'" in one.message for one in survey.problems)
    portal.apply()
    assert not [one for one in portal.writes() if "/pipelines" in one]


def rules(portal: Bare) -> Any:
    return portal.world.settings.get("pipeline_rules", {}).get("default", {}).get("governanceValidationRules", {})


def test_pipeline_rules_are_set_when_asked_for_and_taken_back(portal: Bare) -> None:
    portal.world.setting(
        "pipeline_rules",
        {"default": {"governanceValidationRules": {"objectCreationRule": {"pipelineStageIds": ["contractsent"]}}}},
    )
    portal.apply()
    assert "noBackwardsMovementRule" not in rules(portal)
    _, ended, left = portal.apply(pipeline_rules=True)
    assert ended.ok, ended.words
    assert left.plan.is_empty
    assert rules(portal)["noBackwardsMovementRule"] == {"enabledForAllStages": False, "pipelineStageIds": ["closedwon"]}
    assert rules(portal)["objectCreationRule"] == {"pipelineStageIds": ["contractsent"]}
    _, ended, left = portal.apply(remove=True, pipeline_rules=True)
    assert ended.ok
    assert left.plan.is_empty
    assert rules(portal)["noBackwardsMovementRule"]["pipelineStageIds"] == []
    assert rules(portal)["objectCreationRule"] == {"pipelineStageIds": ["contractsent"]}


@pytest.mark.parametrize(
    ("setting", "says"),
    [({"pipeline_rules_beta": False}, "has no Pipeline Rules API"), ({"tier": "starter"}, "subscription")],
)
def test_rules_that_a_portal_does_not_have_are_clicks_with_the_reason(
    portal: Bare, setting: dict[str, Any], says: str
) -> None:
    portal.world.settings.update(setting)
    found = [
        one for one in lines(portal.look(pipeline_rules=True), Do.BY_HAND).values() if one.type == "Pipeline rules"
    ]
    assert [one.name for one in found] == ["Sales Pipeline", "Renewals", "all others"]
    assert says in found[0].detail
    assert "Pipeline rules" in found[0].steps[0]


# the export


def test_the_export_of_a_choice_that_comes_back_has_what_it_had(portal: Bare, tmp_path: Path) -> None:
    portal.apply()
    own = [{"value": "legal", "label": "With legal", "displayOrder": 0, "hidden": False}]
    portal.call("PATCH", f"{DEALS}/handoff_gate", {"options": own})
    portal.call("DELETE", f"{DEALS}/handoff_gate")
    installer = portal.installer()
    installer.look(Choices())
    installer.export(tmp_path)
    rows = json.loads((tmp_path / "deals-properties.json").read_bytes())["inputs"]
    (gate,) = (row for row in rows if row["name"] == "handoff_gate")
    assert [one["value"] for one in gate["options"]][:2] == ["legal", "Held"]


def test_the_export_is_what_the_api_takes(portal: Bare, tmp_path: Path) -> None:
    installer = portal.installer()
    installer.look(Choices())
    written = installer.export(tmp_path)
    assert not portal.writes()
    assert Path("by-hand.md") in written.files
    assert "tick Required" in (tmp_path / "by-hand.md").read_text()
    for name in dict.fromkeys(one.object for one in OURS):
        group = json.loads((tmp_path / f"{name}-group.json").read_text())
        batch = json.loads((tmp_path / f"{name}-properties.json").read_text())
        portal.call("POST", f"/crm/properties/2026-09/{name}/groups", group)
        told = portal.call("POST", f"/crm/properties/2026-09/{name}/batch/create", batch)
        assert not told.get("errors")
    assert portal.look().plan.is_empty
    assert any(f"{portal.sandbox.hs_url}{DEALS}/batch/create" in one for one in written.deploy_with)
    again = portal.installer()
    again.look(Choices())
    assert {*again.export(tmp_path).files} == {*written.files}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "deals-group.json").write_text("{}")
    with pytest.raises(OccupiedError):
        again.export(tmp_path / "other")
