"""The CRM screens: what a person does on them stands in the records, and what stands there is shown and escaped."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from connector.sandbox import agreed, people, seed, views
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
