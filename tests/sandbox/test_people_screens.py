"""The CRM screens: what a person does on them stands in the records, and what stands there is shown and escaped."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from connector.sandbox import agreed, people, seed, views
from connector.sandbox.hubspot import catalog as hubspot_catalog
from connector.sandbox.hubspot import defs as hubspot_defs
from connector.sandbox.hubspot.kinds import kind_of
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.fields import Field
from connector.sandbox.screens.app import routes
from connector.sandbox.server import create_worlds
from connector.sandbox.views import CrmView, DealView

SYSTEMS = ("sf", "hs")
NASTY = '<script>alert("x")</script> & <b>bold</b>'


@dataclass
class Desk:
    """A person at a CRM's screen."""

    crm: CrmView
    http: TestClient

    def open_deal(self) -> DealView:
        wanted = self.crm.stage_of("negotiation", "new").id
        return next(d for d in self.crm.deals() if d.stage.id == wanted and d.account and d.deal_type == "new")

    def act_as(self, email: str) -> str:
        user = self.crm.user_named(email)
        self.http.post("/ui/acting", data={"user": user.id, "back": "/ui/"})
        return user.id


@pytest.fixture(params=SYSTEMS)
def desk(request: pytest.FixtureRequest) -> Desk:
    worlds, _ = create_worlds(None)
    seed.fill(worlds, 7, 120)
    world = worlds[request.param]
    return Desk(views.view(world), TestClient(Starlette(routes=routes(world))))


def test_the_board_has_a_column_per_stage_with_totals(desk: Desk) -> None:
    html = desk.http.get("/ui/").text
    for stage in (s for s in desk.crm.stages() if s.pipeline == "default"):
        deals = [d for d in desk.crm.deals() if d.stage.id == stage.id]
        column = re.search(rf'data-stage="{re.escape(stage.id)}".*?</header>', html, re.DOTALL)
        assert column is not None
        assert f'<span class="count">{len(deals)}</span>' in column[0]
        assert f"{sum(d.amount or 0 for d in deals):,.0f}" in column[0]


def test_search_and_filters_narrow_the_board(desk: Desk) -> None:
    deal = desk.open_deal()
    name = desk.crm.account(deal.account).name
    html = desk.http.get("/ui/", params={"q": name.upper(), "owner": deal.owner}).text
    shown = set(re.findall(r'data-deal="([^"]+)"', html))
    assert deal.id in shown
    assert all(desk.crm.deal(each).owner == deal.owner for each in shown)
    big = desk.http.get("/ui/", params={"segment": "enterprise"}).text
    amounts = [desk.crm.deal(each).amount or 0 for each in re.findall(r'data-deal="([^"]+)"', big)]
    assert amounts
    assert min(amounts) >= agreed.ENTERPRISE_FROM


def test_dragging_a_card_moves_the_deal_as_the_acting_person(desk: Desk) -> None:
    deal = desk.open_deal()
    me = desk.act_as("grace.okonkwo@seller.example")
    won = desk.crm.stage_of("won", "new").id
    reply = desk.http.post(f"/ui/deals/{deal.id}/stage", data={"stage": won}, headers={"X-Live": "1"})
    assert reply.status_code == 204
    now = desk.crm.deal(deal.id)
    assert now.stage.won
    assert now.modified_by == me
    assert len(desk.crm.wins(deal.id)) == 1
    assert "Grace Okonkwo" in desk.http.get(f"/ui/deals/{deal.id}").text


def test_a_stage_of_another_pipeline_is_refused(desk: Desk) -> None:
    deal = desk.open_deal()
    reply = desk.http.post(f"/ui/deals/{deal.id}/stage", data={"stage": "880100103"}, headers={"X-Live": "1"})
    assert reply.status_code == 422
    assert desk.crm.deal(deal.id).stage == deal.stage


def test_the_form_fills_and_clears_fields_and_writes_only_what_changed(desk: Desk) -> None:
    deal = desk.open_deal()
    approver = desk.crm.user_named(people.APPROVERS[0]).id
    page = desk.http.get(f"/ui/deals/{deal.id}?edit=1").text
    for label, _ in agreed.HANDOFF_FIELDS.values():
        assert label.replace("'", "&#39;") in page
    filled = {
        "why_bought": NASTY,
        "champion": "",
        "go_live_date": "2027-03-31",
        "override_requested": "true",
        "override_approver": approver,
        "override_expires": "2026-12-31",
    }
    reply = desk.http.post(f"/ui/deals/{deal.id}", data=filled)
    assert reply.status_code == 200
    now = desk.crm.deal(deal.id)
    assert now.text("why_bought") == NASTY
    assert not now.text("champion")
    assert str(now.fields["go_live_date"]) == "2027-03-31"
    assert now.fields["override_requested"] is True
    assert now.text("override_approver") == approver
    assert now.text("success_criteria") == deal.text("success_criteria")
    before = len(desk.crm.history(deal.id))
    desk.http.post(f"/ui/deals/{deal.id}", data=filled)
    assert len(desk.crm.history(deal.id)) == before
    desk.http.post(f"/ui/deals/{deal.id}", data={"why_bought": "x"})
    assert not desk.crm.deal(deal.id).fields.get("override_requested")


def test_whatever_stands_in_a_record_is_escaped(desk: Desk) -> None:
    deal = desk.open_deal()
    by = deal.owner
    desk.crm.set_deal(deal.id, {"name": NASTY, "missing": NASTY, "summary": NASTY, "gate": "Held"}, by=by)
    task = desk.crm.add_task(deal.id, subject=NASTY, due=desk.crm.world.clock.now(), owner=by, by=by)
    for path in ("/ui/", f"/ui/deals/{deal.id}", f"/ui/deals/{deal.id}?edit=1", f"/ui/accounts/{deal.account}"):
        html = desk.http.get(path).text
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert" in html
    assert task in desk.http.get(f"/ui/deals/{deal.id}").text


def test_the_gate_stands_out_on_the_record(desk: Desk) -> None:
    deal = desk.open_deal()
    desk.crm.set_deal(deal.id, {"gate": "Held", "missing": "Known risks is empty", "percent": 71}, by=deal.owner)
    html = desk.http.get(f"/ui/deals/{deal.id}/live").text
    box = re.search(r'data-live="gate".*?</section>', html, re.DOTALL)
    assert box is not None
    for words in ("Held", "Known risks is empty", "71%", "What is missing"):
        assert words in box[0]
    assert 'class="badge held"' in desk.http.get("/ui/").text


def test_calls_meetings_and_tasks_are_done_as_the_csm(desk: Desk) -> None:
    deal = desk.open_deal()
    csm = desk.act_as("maya.lindqvist@seller.example")
    now = desk.crm.world.clock.now()
    task = desk.crm.add_task(deal.id, subject="Schedule setup call", due=now, owner=csm, by=deal.owner)
    for kind in ("call", "meeting"):
        data = {"kind": kind, "subject": f"Welcome {kind}", "body": "went well"}
        assert desk.http.post(f"/ui/deals/{deal.id}/activities", data=data).status_code == 200
    found = {(a.kind, a.subject, a.owner) for a in desk.crm.activities_of(deal.id)}
    assert found == {("call", "Welcome call", csm), ("meeting", "Welcome meeting", csm)}
    assert "Schedule setup call" in desk.http.get("/ui/tasks").text
    desk.http.post(f"/ui/tasks/{task}/complete", data={"back": "/ui/tasks"})
    assert [t.done for t in desk.crm.tasks_of(deal.id)] == [True]


def test_the_live_board_answers_only_when_something_changed(desk: Desk) -> None:
    token = re.search(r'data-live-token="([^"]+)"', desk.http.get("/ui/").text)
    assert token is not None
    assert desk.http.get("/ui/board/live", params={"since": token[1]}).status_code == 204
    deal = desk.open_deal()
    desk.crm.set_deal(deal.id, {"gate": "Released"}, by=deal.owner)
    changed = desk.http.get("/ui/board/live", params={"since": token[1]})
    assert changed.status_code == 200
    assert "Released" in changed.text


def test_a_form_from_another_site_is_refused(desk: Desk) -> None:
    deal = desk.open_deal()
    won = desk.crm.stage_of("won", "new").id
    reply = desk.http.post(
        f"/ui/deals/{deal.id}/stage", data={"stage": won}, headers={"Origin": "http://elsewhere.example"}
    )
    assert reply.status_code == 403
    assert not desk.crm.deal(deal.id).stage.won


def test_unknown_records_and_wrong_values_are_told_kindly(desk: Desk) -> None:
    assert desk.http.get("/ui/deals/nothing").status_code == 404
    deal = desk.open_deal()
    reply = desk.http.post(f"/ui/deals/{deal.id}", data={"go_live_date": "soon"})
    assert reply.status_code == 422
    assert "is not a date" in reply.text
    away = desk.http.post("/ui/acting", data={"user": "x", "back": "https://elsewhere.example"}, follow_redirects=False)
    assert away.headers["location"] == "/ui/"


def test_every_page_uses_only_its_own_assets(desk: Desk) -> None:
    deal = desk.open_deal()
    for path in ("/ui/", "/ui/accounts", "/ui/tasks", f"/ui/deals/{deal.id}", f"/ui/accounts/{deal.account}"):
        html = desk.http.get(path).text
        links = re.findall(r'(?:src|href)="([^"]*)"', html)
        assert all(link.startswith("/") for link in links), path
        for asset in {link for link in links if "/static/" in link}:
            assert desk.http.get(asset).status_code == 200


def an_own_field(desk: Desk) -> str:
    """What an admin adds to deals, a choice; its name in the form."""
    if "deals" in desk.crm.world.tables:
        choices = hubspot_defs.options("Open", "Closed")
        made = hubspot_defs.choice("floor_plan", "Floor plan", choices, built_in=False)
        hubspot_catalog.keep(desk.crm.world, kind_of("deals"), made, by="admin")
        return "floor_plan"
    field = Field("Floor_Plan__c", "picklist", 40, "Floor plan", values=("Open", "Closed"))
    catalog(desk.crm.world).put_field("Opportunity", field)
    return "Floor_Plan__c"


def test_a_field_that_an_admin_adds_is_shown_and_filled_like_any_other(desk: Desk) -> None:
    deal = desk.open_deal()
    name = an_own_field(desk)
    page = desk.http.get(f"/ui/deals/{deal.id}?edit=1").text
    assert re.search(rf'<select id="f-{name}".*?<option >Closed</option>', page, re.DOTALL)
    assert desk.http.post(f"/ui/deals/{deal.id}", data={name: "Closed"}).status_code == 200
    assert desk.crm.values("deal", deal.id)[name] == "Closed"
    shown = desk.http.get(f"/ui/deals/{deal.id}").text
    assert re.search(r"Further fields</h3>.*?<dt>Floor plan</dt><dd[^>]*>Closed</dd>", shown, re.DOTALL)


def test_the_csm_answers_on_the_form_and_a_box_of_it_can_be_unticked(desk: Desk) -> None:
    deal = desk.open_deal()
    desk.act_as("maya.lindqvist@seller.example")
    answer = {"acceptance": "Rejected", "reject_reason": "Unclear promises", "summary_reviewed": "true"}
    desk.http.post(f"/ui/deals/{deal.id}", data=answer | {"box": "summary_reviewed"})
    assert desk.crm.deal(deal.id).fields["summary_reviewed"] is True
    html = desk.http.get(f"/ui/deals/{deal.id}").text
    assert "Rejected by the CSM: Unclear promises" in html
    desk.http.post(f"/ui/deals/{deal.id}", data={"champion": "Ada Berg"})
    assert desk.crm.deal(deal.id).fields["summary_reviewed"] is True
    desk.http.post(f"/ui/deals/{deal.id}", data={"box": "summary_reviewed"})
    assert not desk.crm.deal(deal.id).fields.get("summary_reviewed")


def test_the_account_shows_how_far_it_has_come_and_the_tasks_of_its_deals(desk: Desk) -> None:
    deal = desk.open_deal()
    world, now = desk.crm.world, desk.crm.world.clock.now()
    table, names = (
        ("companies", ("handoff_activation", "handoff_onboarding_stage"))
        if "deals" in world.tables
        else ("Account", ("Handoff_Activation__c", "Handoff_Onboarding_Stage__c"))
    )
    assert "Not begun" in desk.http.get(f"/ui/accounts/{deal.account}").text
    world.table(table).update(deal.account, dict(zip(names, ("1 of 3 connected", "Set-up"), strict=True)), by="app")
    task = desk.crm.add_task(deal.id, subject="Call them", due=now - timedelta(days=2), owner=deal.owner, by=deal.owner)
    html = desk.http.get(f"/ui/accounts/{deal.account}").text
    for label, value in (("Activation", "1 of 3 connected"), ("Onboarding stage", "Set-up")):
        assert f"<dt>{label}</dt><dd>{value}</dd>" in html
    assert f"task-{task}" in html
    assert "late, was due" in html


def test_a_mail_to_be_written_is_a_task_until_it_is_done(desk: Desk) -> None:
    if "Task" not in desk.crm.world.tables:
        return
    deal = desk.open_deal()
    planned = {"WhatId": deal.id, "Subject": "Welcome them", "TaskSubtype": "Email", "Status": "Not Started"}
    desk.crm.world.table("Task").insert({**planned, "OwnerId": deal.owner}, by="app")
    assert [(one.subject, one.done) for one in desk.crm.tasks_of(deal.id)] == [("Welcome them", False)]
    assert desk.crm.activities_of(deal.id) == []
