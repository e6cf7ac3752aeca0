"""Readiness on both CRMs: an open deal in negotiation says what is missing and vague, days before anybody wins it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from daemons import Desk, Site, site

pytestmark = pytest.mark.system
FIELDS = ("percent", "missing", "advice", "quality")


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that has begun to act."""
    with site(tmp_path_factory.mktemp("ready") / "site") as made:
        made.begin()
        yield made


def settle(ground: Site, desk: Desk) -> None:
    """Passes until one writes nothing: what was written is looked at once more."""
    for _ in range(8):
        before = desk.seq()
        ran = ground.pass_here("--system", desk.name)
        assert ran.code == 0, ran.text
        if not desk.writes(before):
            return
    raise AssertionError("a pass always had something to write")


@pytest.mark.parametrize("name", ["sf", "hs"])
def test_a_deal_in_negotiation_says_how_ready_it_is_until_it_is_won(ground: Site, name: str) -> None:
    desk: Desk = getattr(ground, name)
    weak = desk.deal(
        without=("use_case",),
        champion="n/a",
        why_bought="They want to improve efficiency and get more value.",
        success_criteria="saves $200K a year by replacing the paper dockets",
        commitments="None made",
    )
    settle(ground, desk)
    deal = desk.see(weak)
    assert 0 < float(deal.fields["percent"]) < 100
    missing, advice = deal.text("missing").splitlines(), deal.text("advice").splitlines()
    assert missing[0].startswith("Before Closed Won: 1 of ")
    assert missing[1].startswith("Use case: Set-up begins with the first thing they want to do.")
    assert 'Champion: "n/a" says nothing. Name, role and how to reach them.' in advice
    vague = next(line for line in advice if line.startswith("Why they bought: "))
    assert '"improve efficiency" could be said of any customer.' in vague
    assert not [line for line in advice if line.startswith(("Success criteria", "Commitments"))]
    assert 0 < float(deal.fields["quality"]) < 100
    assert (deal.text("gate"), deal.text("status"), deal.text("csm")) == ("", "", "")
    assert desk.crm.tasks_of(weak) == []
    changes = len(desk.crm.history(weak))

    explained = ground.call("explain", weak, "--system", name, "--json").data
    found = {each["field"]: each["flaws"] for each in explained["answers"]}
    assert (found["champion"], found["success_criteria"], found["commitments"]) == (["empty"], [], [])
    shown = ground.call("explain", weak, "--system", name).text
    assert "How good the answers are" in shown
    assert '"improve efficiency" could be said of any customer.' in shown

    before = desk.seq()
    settle(ground, desk)
    assert desk.writes(before) == 0
    assert len(desk.crm.history(weak)) == changes

    desk.do.set_fields(weak, {"use_case": "Forty nurses sign off shifts on a tablet."}, by=deal.owner)
    desk.win(weak)
    settle(ground, desk)
    won = desk.see(weak)
    assert won.text("gate") == "Released", "vague answers are advised, not required, until an admin says so"
    assert won.text("missing") == ""


@pytest.mark.parametrize("name", ["sf", "hs"])
def test_an_earlier_stage_is_let_be_and_going_back_takes_it_off(ground: Site, name: str) -> None:
    desk: Desk = getattr(ground, name)
    deal_id = desk.deal(without=("champion",))
    owner = desk.see(deal_id).owner
    early = desk.crm.stage_of("proposal", "new").id
    desk.do.move_stage(deal_id, early, by=owner)
    changes = len(desk.crm.history(deal_id))
    settle(ground, desk)
    assert len(desk.crm.history(deal_id)) == changes
    assert [desk.see(deal_id).text(field) for field in FIELDS] == [""] * 4
    desk.do.move_stage(deal_id, desk.crm.stage_of("negotiation", "new").id, by=owner)
    settle(ground, desk)
    assert "Champion" in desk.see(deal_id).text("missing")
    desk.do.move_stage(deal_id, early, by=owner)
    settle(ground, desk)
    assert [desk.see(deal_id).text(field) for field in FIELDS] == [""] * 4


@pytest.mark.parametrize("name", ["sf", "hs"])
def test_a_flaw_that_an_admin_requires_holds_the_win_back(ground: Site, name: str) -> None:
    desk: Desk = getattr(ground, name)
    ground.edit("quality.toml", 'empty = { leads_to = "advise"', 'empty = { leads_to = "require"')
    try:
        deal_id = desk.deal(champion="tbd, see call")
        desk.win(deal_id, outcome=None)
        settle(ground, desk)
        deal = desk.see(deal_id)
        assert deal.text("gate") == "Held"
        assert "required fields says too little" in deal.text("missing")
        assert '"tbd, see call" says nothing. Name, role and how to reach them.' in deal.text("missing")
        desk.do.set_fields(deal_id, {"champion": "Ingrid Holm, head of service"}, by=deal.owner)
        desk.win(deal_id, outcome=None)
        settle(ground, desk)
        assert desk.see(deal_id).text("gate") == "Released"
    finally:
        ground.edit("quality.toml", 'empty = { leads_to = "require"', 'empty = { leads_to = "advise"')
