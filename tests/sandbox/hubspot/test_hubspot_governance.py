"""Rules of a pipeline that hold people and nobody else, and formats that hold everybody."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from connector.sandbox.rows import Refused

RULES = "/crm/pipelines-rules/2026-09-beta/0-3/default"
DEALS = "/crm/objects/2026-09/deals"
EVERYWHERE = {"enabledForAllStages": True, "pipelineStageIds": []}


def _rules(**rules: Any) -> dict[str, Any]:
    return {"governanceValidationRules": rules}


def _move(portal: Any, deal: Any, stage: str, *, by: str | None = None) -> str:
    """Which stage the deal is in after a person drags it."""
    with contextlib.suppress(Refused):
        portal.table("deals").update(deal.id, {"dealstage": stage}, by=by or portal.owner.id)
    found: str = deal.values["dealstage"]
    return found


def test_rules_are_put_changed_and_taken_away(portal: Any) -> None:
    assert portal.ok("GET", RULES) == _rules()
    put = _rules(noSkippingStagesRule={"enabledForAllStages": False, "pipelineStageIds": ["contractsent"]})
    assert portal.ok("PUT", RULES, put) == put
    portal.ok("PATCH", RULES, _rules(objectCreationRule={"pipelineStageIds": ["qualifiedtobuy"]}))
    assert set(portal.ok("GET", RULES)["governanceValidationRules"]) == {"noSkippingStagesRule", "objectCreationRule"}
    bad = _rules(noSkippingStagesRule={"enabledForAllStages": False, "pipelineStageIds": ["nope"]})
    assert portal.ask("PUT", RULES, bad).status_code == 400
    assert portal.ask("DELETE", RULES).status_code == 204
    assert portal.ok("GET", RULES) == _rules()


def test_people_are_held_and_programs_are_not(portal: Any) -> None:
    portal.ok("PUT", RULES, _rules(noSkippingStagesRule=EVERYWHERE, noBackwardsMovementRule=EVERYWHERE))
    deal = portal.deal(dealstage="qualifiedtobuy")
    assert _move(portal, deal, "closedwon") == "qualifiedtobuy"
    assert _move(portal, deal, "presentationscheduled") == "presentationscheduled"
    assert _move(portal, deal, "qualifiedtobuy") == "presentationscheduled"
    portal.ok("PATCH", f"{DEALS}/{deal.id}", {"properties": {"dealstage": "closedwon"}})
    assert _move(portal, deal, "qualifiedtobuy", by="flow:Reopen") == "qualifiedtobuy"
    portal.world.settings["super_admins"] = [portal.owner.id]
    assert _move(portal, deal, "closedwon") == "closedwon"


def test_a_restricted_stage_is_for_the_named(portal: Any) -> None:
    stages = [{"pipelineStageId": "closedwon", "permissionMode": "RESTRICTED", "userIds": [9002]}]
    found = portal.ok("PUT", f"{RULES}/stage-edit-permissions", {"stages": stages})
    modes = {s["pipelineStageId"]: s["permissionMode"] for s in found["stages"]}
    assert (modes["closedwon"], modes["contractsent"]) == ("RESTRICTED", "OPEN")
    deal = portal.deal()
    assert _move(portal, deal, "closedwon") == "contractsent"
    assert _move(portal, deal, "closedwon", by=portal.leaver.id) == "closedwon"
    bad = {"stages": [{"pipelineStageId": "closedwon", "permissionMode": "SHUT"}]}
    assert portal.ask("PUT", f"{RULES}/stage-edit-permissions", bad).status_code == 400


def test_an_approval_stage_waits_for_its_deals(portal: Any) -> None:
    deal = portal.deal(pipeline="default")
    asked = f"{RULES}/approvals/{deal.id}"
    assert portal.ok("GET", asked)["status"] == "NOT_APPLICABLE"
    stage = {"pipelineStageId": "contractsent", "approvalMode": "ANY", "approverUserIds": [9001]}
    portal.ok("PUT", RULES, {**_rules(), "approvalStage": stage})
    assert portal.ok("GET", asked)["status"] == "PENDING"
    wrong = {**stage, "approverUserIds": [1]}
    assert portal.ask("PUT", RULES, {**_rules(), "approvalStage": wrong}).status_code == 400
    portal.world.settings["tier"] = "pro"
    assert portal.ask("PUT", RULES, {**_rules(), "approvalStage": stage}).status_code == 403


@pytest.mark.parametrize(
    ("settings", "status"),
    [({"tier": "starter"}, 403), ({"tier": "pro"}, 200), ({"pipeline_rules_beta": False}, 404)],
)
def test_the_beta_is_not_everywhere(portal: Any, settings: dict[str, Any], status: int) -> None:
    portal.world.settings.update(settings)
    assert portal.ask("GET", RULES).status_code == status
    assert portal.ask("GET", RULES.replace("2026-09-beta", "2026-09")).status_code == 404
    assert portal.ask("GET", "/crm/objects/2026-09-beta/deals").status_code == 404


def test_the_beta_has_scopes_of_its_own(portal: Any) -> None:
    portal.world.settings.update(
        tokens={"pat": "app:x"}, token_scopes={"pat": ["crm-pipelines-governance-read", "crm.objects.deals.write"]}
    )
    headers = {"Authorization": "Bearer pat"}
    portal.ok("GET", RULES, headers=headers)
    for method, path, scope in (
        ("PUT", RULES, "crm-pipelines-governance-write"),
        ("GET", f"{RULES}/stage-edit-permissions", "crm-pipelines-locked-stages-read"),
        ("GET", f"{RULES}/approvals/1", "deal-approval-read"),
    ):
        found = portal.ask(method, path, {}, headers=headers).json()
        assert found["errors"][0]["context"]["requiredGranularScopes"] == [scope]


@pytest.mark.parametrize(
    ("rule", "argument", "good", "bad"),
    [
        ("MIN_LENGTH", "3", "abc", "ab"),
        ("MAX_LENGTH", "3", "abc", "abcd"),
        ("REGEX", "^[A-Z]+$", "ABC", "abc"),
    ],
)
def test_a_format_holds_for_every_version(portal: Any, rule: str, argument: str, good: str, bad: str) -> None:
    path = f"/crm/property-validations/2026-09/0-3/dealname/rule-type/{rule}"
    assert portal.ask("PUT", path, {"ruleArguments": [argument]}).status_code == 204
    assert portal.ok("GET", path)["ruleArguments"] == [argument]
    deal = portal.deal()
    for version in ("/crm/objects/2026-09/deals", "/crm/v3/objects/deals"):
        assert portal.ask("PATCH", f"{version}/{deal.id}", {"properties": {"dealname": bad}}).status_code == 400
        portal.ok("PATCH", f"{version}/{deal.id}", {"properties": {"dealname": good}})
    assert portal.ask("PUT", path, {"ruleArguments": []}).status_code == 400


def test_numbers_have_a_range_and_places(portal: Any) -> None:
    base = "/crm/property-validations/2026-09/deals/amount"
    for rule, argument in (("MIN_NUMBER", "1"), ("MAX_NUMBER", "9.5"), ("DECIMAL", "1")):
        portal.ok("PUT", f"{base}/rule-type/{rule}", {"ruleArguments": [argument]})
    assert len(portal.ok("GET", base)["results"]) == 3
    deal = portal.deal()
    seen = [portal.ask("PATCH", f"{DEALS}/{deal.id}", {"properties": {"amount": a}}).status_code for a in _AMOUNTS]
    assert seen == [200, 200, 200, 400, 400, 400]


_AMOUNTS = ("1", "9.5", "", "0.9", "9.6", "2.25")
