"""What of a portal's own would fight with the connector, as far as its APIs tell."""

from __future__ import annotations

import dataclasses

import pytest
from hubspot_provision import MAP, POLICY, SALES, bare_portal

from connector.crm.hubspot.provision.conflicts import NO_RIVALS, Rivals, Workflow, dangers
from connector.crm.hubspot.provision.rules import RulesLook
from connector.crm.installer import Weight
from connector.handoff.rulebook.gate import GateMode
from connector.sandbox.hubspot import schema
from connector.sandbox.hubspot.access import TOKEN_SCOPES
from connector.sandbox.hubspot.governance import KEPT as RULES_KEPT
from connector.sandbox.hubspot.validations import KEPT as FORMATS_KEPT
from connector.sandbox.hubspot.workflows import WORKFLOWS

BACK = {"noBackwardsMovementRule": {"enabledForAllStages": False, "pipelineStageIds": ["closedwon"]}}


def told(found: Rivals, **changes: object) -> list[tuple[Weight, str]]:
    policy = dataclasses.replace(POLICY, **changes)  # type: ignore[arg-type]
    return [(one.weight, one.what) for one in dangers(found, MAP, policy)]


def test_nothing_of_its_own_is_no_danger() -> None:
    assert told(NO_RIVALS) == []
    assert told(Rivals(rules=(RulesLook(SALES, {}),))) == []


def test_a_deal_that_may_not_move_back_may_refuse_the_gate() -> None:
    found = Rivals(rules=(RulesLook(SALES, BACK),))
    ((weight, what),) = told(found)
    assert weight is Weight.MAY_REFUSE
    assert "no deal moves back" in what
    mild = dataclasses.replace(POLICY.gate, mode=GateMode.WARN, exceptions=())
    assert told(found, gate=mild) == [], "a gate that only warns puts nothing back"


@pytest.mark.parametrize(("at", "count"), [("closedwon", 1), ("contractsent", 0)])
def test_an_approval_before_the_win_is_a_second_gate(at: str, count: int) -> None:
    found = Rivals(rules=(RulesLook(SALES, {}, approval={"pipelineStageId": at}),))
    assert len(told(found)) == count


def test_formats_matter_where_the_connector_writes() -> None:
    formats = {"deals": {"handoff_missing": "MIN_LENGTH", "handoff_risks": "REGEX"}, "companies": {"name": "REGEX"}}
    ((_, what),) = told(Rivals(formats=formats))
    assert "handoff_missing: MIN_LENGTH" in what
    assert told(Rivals(workflows=(Workflow("Ring", "deals"),))) == [(Weight.RUNS_TOO, "workflow Ring on deals")]


def test_it_is_read_from_a_portal_and_what_a_token_may_not_see_is_said() -> None:
    with bare_portal() as bare:
        world = bare.world
        world.setting(RULES_KEPT, {"default": {"governanceValidationRules": BACK}})
        world.setting(
            FORMATS_KEPT, {"deals": {"handoff_missing": {"MIN_LENGTH": {"arguments": ["3"], "normalize": False}}}}
        )
        world.setting(WORKFLOWS, [{"name": "Ring", "when": {"property": "none"}, "set": {}}])
        survey = bare.look(rivals=True)
        assert {one.what.partition(" ")[0] for one in survey.dangers} == {"the", "workflow"}
        assert len(survey.dangers) == 3
        assert not bare.writes()
        world.setting(TOKEN_SCOPES, {schema.TOKEN: ["crm.objects.deals.read", "crm.objects.companies.read"]})
        less = bare.look(rivals=True)
        assert any("the portal's workflows" in line for line in less.unread)
        assert any("rules of the pipeline" in line for line in less.unread)
