"""``handoff audit`` on an org and a portal that have nothing of ours: what it finds, what it costs, what it leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from daemons import Site
from lived_in import METRICS, PAINS, WINS, lived_in
from provisioned import ADMIN

pytestmark = pytest.mark.system

MOST_CALLS = {"sf": 30, "hs": 45}
"""What an audit of fifteen deals may cost."""


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with lived_in(tmp_path_factory.mktemp("audit") / "site") as made:
        yield made


@pytest.fixture(scope="module")
def told(company: Site) -> dict[str, Any]:
    """The audit of both, as data."""
    before = {desk.name: desk.writes() for desk in company.desks}
    ran = company.call("audit", "--last", "15", "--json")
    assert ran.code == 0, ran.text
    assert {desk.name: desk.writes() for desk in company.desks} == before, "an audit must not write"
    assert not (company.folder / "state").exists(), "and needs no ledger"
    return dict(ran.data)


@pytest.mark.parametrize(("system", "which"), [("sf", 0), ("hs", 1)])
def test_fields_under_other_names_are_found_and_counted(told: dict[str, Any], system: str, which: int) -> None:
    found = {one["name"]: one for one in told[system]["suggestions"]}
    metrics = found["success_criteria"]
    assert (metrics["field"], metrics["filled"], metrics["of"]) == (METRICS[which], 9, WINS)
    assert metrics["likely"]
    assert "filled on 9 of 12" in metrics["why"]
    assert found["why_bought"]["field"] == PAINS[which]
    assert "Shirt" not in json.dumps(told[system]["suggestions"])

    fields = {one["name"]: one for one in told[system]["fields"]}
    assert (
        fields["success_criteria"] | {"filled": 9, "too_little": 0, "asked": WINS, "percent": 75}
        == (fields["success_criteria"])
    )
    assert fields["champion"]["filled"] == 0
    assert fields["champion"]["stands_in"] == "no such field"
    assert told[system]["by_the_mapping_alone"]["percent"] == 0
    assert told[system]["percent"] > 0


@pytest.mark.parametrize("system", ["sf", "hs"])
def test_deals_touches_and_calls_are_told(told: dict[str, Any], system: str) -> None:
    one = told[system]
    assert one["rules"] == "shipped"
    assert (one["won"], one["would_pass"]) == (WINS, 0)
    assert [deal["name"] for deal in one["each"]] == [f"Deal {turn}" for turn in range(WINS)], "the latest first"
    assert all("champion" in deal["missing"] for deal in one["each"])
    empty_words = next(deal for deal in one["each"] if deal["name"] == "Deal 1")
    assert {"field": "success_criteria", "score": 0, "flaws": ["empty"]} in empty_words["answers"]
    assert one["touched"] == 4, "every third was called"
    assert one["calls_floor"] <= one["calls_total"] <= MOST_CALLS[system], one["calls"]


def test_rules_that_would_fight_are_told(company: Site, told: dict[str, Any]) -> None:
    portal = {one["what"] for one in told["hs"]["conflicts"]}
    assert portal == {"workflow Thank the rep on deals"}
    assert any("no API tells them" in line for line in told["hs"]["not_looked_at"])
    assert any("validation rules" in line for line in told["sf"]["not_looked_at"]), "the login may not see the rules"

    ran = company.call("audit", "--system", "sf", "--token-env", ADMIN, "--json")
    assert ran.code == 0, ran.text
    org = {one["what"]: one["weight"] for one in ran.data["sf"]["conflicts"]}
    rule = next(what for what in org if "Opportunity.Needs_Next_Step" in what)
    assert org[rule] == "may refuse"
    assert any("Renewal desk" in what for what in org)


def test_reports_are_written_in_every_format(company: Site, tmp_path: Path) -> None:
    ran = company.call("audit", "--system", "hs", "--format", "md,html,json", "--out", str(tmp_path / "audit"))
    assert ran.code == 0, ran.text
    words = (tmp_path / "audit.md").read_text()
    page = (tmp_path / "audit.html").read_text()
    for heading in ("Required fields", "What CS would have missed, deal by deal", "What to do next"):
        assert heading in words
        assert heading in page
    assert "success_metrics, suggested" in words
    assert "API calls (in full batches:" in ran.text
    assert json.loads((tmp_path / "audit.json").read_text())["hs"]["won"] == WINS


def test_a_pdf_is_written_where_its_library_is(company: Site, tmp_path: Path) -> None:
    pytest.importorskip("typst")
    ran = company.call("audit", "--system", "sf", "--last", "2", "--out", str(tmp_path / "audit.pdf"))
    assert ran.code == 0, ran.text
    assert (tmp_path / "audit.pdf").read_bytes().startswith(b"%PDF-")


def test_mistakes_and_empty_answers_have_their_exit_codes(company: Site) -> None:
    assert company.call("audit", "--format", "docx").code == 2
    assert company.call("audit", "--format", "pdf").code == 2, "a PDF needs a file"
    ran = company.call("audit", "--since", "2999-01-01")
    assert ran.code == 1, ran.text
    assert "No deal stands in a won stage since 2999-01-01" in ran.text
    ran = company.call("audit", "--format", "json", HS_ACCESS_TOKEN="pat-of-nobody")
    assert ran.code == 3, ran.text
    assert list(ran.data) == ["sf"], "what the other told is reported all the same"
