"""Writing into a portal whose admins have rules of their own: in the sandbox, over the vendor's client."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from contract.suite import applied, note, patch
from contract.worlds import MAYA, TOMAS, SandboxWorld
from hubspot_portal import a_map

from connector.clock import SystemClock
from connector.crm.hubspot.adapter import HubSpotCRM
from connector.crm.hubspot.session import Waits
from connector.crm.writing import Applied, Operation, Refused, Write
from connector.errors import Advice
from connector.handoff.model import Kind, Outcome, Ref, SystemName
from connector.handoff.rulebook.fields import FieldOwner, FieldType
from connector.policy.crmmap import CrmMap, MappedField
from connector.sandbox.hubspot.schema import TOKEN
from connector.sandbox.server import Sandbox

PINNED = MappedField("pinned", Kind.DEAL, "hs_pinned_engagement_id", FieldType.TEXT, FieldOwner.DAEMON, "Pinned")
RULE = {"object": "deals", "property": "closed_won_reason", "values": ["Held"]}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.running() as sandbox:
        sandbox.hs.settings.update(search_per_second=0, burst_limit=0)
        yield sandbox


def a_world(sandbox: Sandbox, *, version: str = "2026-09", **fields: MappedField) -> SandboxWorld:
    plain = a_map()
    crm_map: CrmMap = a_map(fields={**plain.fields, "pinned": PINNED, **fields})
    crm = HubSpotCRM(
        system=SystemName("hs"),
        map=crm_map,
        token=TOKEN,
        base_url=sandbox.hs_url,
        api_version=version,
        waits=Waits(clock=SystemClock(), wait=lambda _: None),
    )
    crm.connect()
    names = {(mapped.kind, mapped.name): mapped.field for mapped in crm_map.fields.values()}
    return SandboxWorld(sandbox, sandbox.hs, crm, fields=names, page=200, tells_self=False)


@pytest.fixture
def world(sandbox: Sandbox) -> SandboxWorld:
    return a_world(sandbox)


@pytest.fixture
def rule(sandbox: Sandbox) -> Iterator[Any]:
    """Give the portal a rule: when this property is written to these values, closed_won_reason is required."""

    def require(controlling: str, *values: str) -> None:
        sandbox.hs.settings["conditional_rules"] = [{**RULE, "controlling": controlling, "values": list(values)}]

    yield require
    sandbox.hs.settings.pop("conditional_rules", None)


def test_a_rule_of_the_stage_refuses_the_put_back_alone_and_tells_the_fix(world: SandboxWorld, rule: Any) -> None:
    won, other = (world.add_deal(name=name, won=True) for name in ("Ruled", "Free"))
    rule("dealstage", world.open_stage)
    held = {"gate": "Held", "missing": "Champion: ask."}
    outcomes = world.crm.apply([patch(Kind.DEAL, won, stage=world.open_stage, **held), patch(Kind.DEAL, other, **held)])
    assert isinstance(outcomes[0], Refused)
    assert outcomes[0].fault.advice is Advice.PARK
    assert "closed_won_reason is required" in outcomes[0].fault.message
    assert "the stage's required properties" in outcomes[0].fault.message
    applied(outcomes[1])
    facts = world.crm.fetch([won, other])
    assert (facts[won].stage.id, facts[won].deal.get("gate")) == (world.won_stage, None)
    assert facts[other].deal.get("gate") == "Held"


def test_a_rule_on_one_of_our_fields_leaves_that_field_out_and_the_deal_goes_back(
    world: SandboxWorld, rule: Any
) -> None:
    won = world.add_deal(name="Ruled by a field", won=True)
    rule("handoff_gate", "Held")
    (outcome,) = world.crm.apply([patch(Kind.DEAL, won, stage=world.open_stage, gate="Held", missing="Champion: ask.")])
    assert isinstance(outcome, Applied)
    assert outcome.left == {"gate"}
    facts = world.crm.fetch([won])[won]
    assert facts.stage.id == world.open_stage
    assert (facts.deal.get("gate"), facts.deal.get("missing")) == (None, "Champion: ask.")
    (again,) = world.crm.apply([patch(Kind.DEAL, won, gate="Held")])
    assert isinstance(again, Refused)
    assert "the rule that handoff_gate sets off" in again.fault.message


def test_the_summary_note_can_be_pinned_and_nothing_that_hangs_elsewhere(world: SandboxWorld) -> None:
    here, there = (world.add_deal(name=name, won=True) for name in ("Pinned", "Other"))
    keys = {deal: f"hs:{deal}:1:summary" for deal in (here, there)}
    made = [applied(each) for each in world.crm.apply([note(deal, key, body="Page") for deal, key in keys.items()])]
    outcomes = world.crm.apply([patch(Kind.DEAL, here, pinned=made[0]), patch(Kind.DEAL, there, pinned=made[0])])
    applied(outcomes[0])
    assert isinstance(outcomes[1], Refused)
    facts = world.crm.fetch([here, there])
    assert [facts[each].deal.get("pinned") for each in (here, there)] == [made[0], None]


@pytest.mark.parametrize("outcome", list(Outcome))
def test_what_a_person_says_of_a_meeting_of_ours_is_read(world: SandboxWorld, outcome: Outcome) -> None:
    said = {"held": "COMPLETED", "missed": "NO_SHOW", "moved": "RESCHEDULED", "canceled": "CANCELED"}
    deal_id = world.add_deal(name="Said", won=True)
    start = world.now().replace(microsecond=0) - timedelta(hours=1)
    values = {"subject": "Kickoff", "start": start, "end": start + timedelta(minutes=45), "owner": world.person(MAYA)}
    key = f"hs:{deal_id}:1:kickoff"
    write = Write(Kind.MEETING, Operation.UPSERT, values, key=key, parents=(Ref(Kind.DEAL, deal_id),))
    made = applied(world.crm.apply([write])[0])
    if outcome is not Outcome.PLANNED:
        row = world._state.table("meetings").get(made)
        assert row is not None
        world._state.table("meetings").update(row.id, {"hs_meeting_outcome": said[outcome]}, by="a person")
    facts = world.crm.fetch([deal_id])[deal_id]
    assert [each.outcome for each in facts.meetings] == [outcome]
    assert facts.touches == ()


def test_a_meeting_that_we_just_made_is_looked_at_later_and_a_person_s_change_of_it_at_once(
    world: SandboxWorld,
) -> None:
    deal_id = world.add_deal(name="Drafted", won=True)
    world.advance(3600)
    cursor = world.crm.start_cursor("meeting", world.now())
    start = world.now().replace(microsecond=0) + timedelta(days=1)
    values = {"subject": "Kickoff", "start": start, "end": start + timedelta(minutes=45), "owner": world.person(MAYA)}
    key = f"hs:{deal_id}:1:kickoff"
    write = Write(Kind.MEETING, Operation.UPSERT, values, key=key, parents=(Ref(Kind.DEAL, deal_id),))
    made = applied(world.crm.apply([write])[0])
    world.advance(5)
    page = world.crm.changes("meeting", cursor)
    assert [(change.deal_id, change.minor) for change in page.changes] == [(deal_id, True)]
    world.advance(600)
    world._state.table("meetings").update(made, {"hs_meeting_outcome": "CANCELED"}, by="a person")
    world.advance(5)
    page = world.crm.changes("meeting", page.cursor)
    assert [(change.deal_id, change.minor) for change in page.changes] == [(deal_id, False)]


def test_a_property_that_holds_user_ids_is_told_with_the_owners_id(sandbox: Sandbox) -> None:
    told = MappedField("approver", Kind.DEAL, "handoff_product", FieldType.PERSON, FieldOwner.HUMAN, "Approver")
    world = a_world(sandbox, approver=told)
    tomas = next(each for each in world.crm.people() if each.email == TOMAS)
    deal_id = world.add_deal(name="Approved")
    world._state.table("deals").update(deal_id, {"handoff_product": tomas.user_id}, by="a person")
    world.advance(60)
    (problem,) = [each for each in world.crm.examine().problems if "fields.deal" in each.key]
    assert problem.key == "fields.deal.approver"
    assert f"the owner id is {tomas.id}" in problem.message
    assert not [each for each in a_world(sandbox).crm.examine().problems if "fields." in each.key]
