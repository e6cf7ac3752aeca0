"""What a rep sees when the org's own rules refuse a save: on the board, in the form, by keyboard and without script.

Not here: the daemon (none runs) and how rules come into the org (they are put there directly).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from e2e.conftest import TakePicture
from e2e.desk import GRIP, HEAD, Desk, World, deals_with_gaps
from playwright.sync_api import Browser, Page, expect

from connector.sandbox.salesforce import rules
from connector.sandbox.server import Sandbox

pytestmark = pytest.mark.e2e

WON = "Closed Won"
ON_WIN = "IsWon, OR(ISNEW(), ISCHANGED(StageName)), NOT(Handoff_Override__c)"
GO_LIVE, BUYER = "Name the go-live date before the deal is won.", "Name the economic buyer before the deal is won."


@pytest.fixture(scope="module")
def gated() -> Iterator[Sandbox]:
    """A sandbox without a daemon whose org has two rules on the way to Closed Won."""
    with Sandbox.running(seed=11, deals=120) as running:
        org = running.sf
        for field, words in (("Handoff_Go_Live_Date__c", GO_LIVE), ("Handoff_Economic_Buyer__c", BUYER)):
            name = f"Needs_{field[8:-3]}"
            rules.put(org, "Opportunity", name, True, f"AND({ON_WIN}, ISBLANK({field}))", field, words)
        yield running


@pytest.fixture(scope="module")
def left(gated: Sandbox) -> Iterator[str]:
    """Deals that no test has taken yet."""
    return deals_with_gaps(gated.sf_url)


@pytest.fixture
def rep(gated: Sandbox, page: Page, left: Iterator[str]) -> Desk:
    """A rep at the org's screens."""
    return Desk(page, gated.sf_url, World(gated.control_url, "sf"), left)


def _gap(rep: Desk, gated: Sandbox) -> str:
    """A deal in which both fields of the rules are empty."""
    deal = rep.deal_with_gaps()
    empty = {"Handoff_Go_Live_Date__c": None, "Handoff_Economic_Buyer__c": None}
    with gated.sf.lock:
        gated.sf.table("Opportunity").update(deal, empty, by="setup")
    return deal


def _stage(gated: Sandbox, deal: str) -> str:
    return str(gated.sf.table("Opportunity").rows[deal].values["StageName"])


def _fault(rep: Desk, name: str) -> str:
    """What stands beside a field of the form."""
    box = rep.page.locator(f"#f-{name}")
    expect(box).to_have_attribute("aria-invalid", "true")
    return rep.page.locator(f"#{box.get_attribute('aria-describedby')}").inner_text()


def test_a_dragged_deal_is_blocked_field_by_field_and_passes_once_filled(
    rep: Desk, gated: Sandbox, take_picture: TakePicture
) -> None:
    deal = _gap(rep, gated)
    rep.open_board()
    before = rep.stage_of(deal)
    rep.card(deal).drag_to(rep.column(WON), source_position=GRIP, target_position=HEAD)
    told = rep.page.get_by_role("alert")
    expect(told.locator("li")).to_have_text([GO_LIVE, BUYER])
    expect(told).to_be_focused()
    expect(rep.card_in(before, deal)).to_be_visible()
    expect(rep.card_in(WON, deal)).to_have_count(0)
    take_picture(rep.page, "board-refused")

    told.get_by_role("link").click()
    expect(rep.page.locator("#f-stage")).to_have_value(WON)
    rep.page.locator("#f-economic_buyer").fill("Henrik Dahl, COO")
    rep.page.get_by_role("button", name="Save", exact=True).click()
    assert _fault(rep, "go_live_date") == GO_LIVE
    expect(rep.page.locator("#f-economic_buyer")).not_to_have_attribute("aria-invalid", "true")
    expect(rep.page.locator("#f-economic_buyer")).to_have_value("Henrik Dahl, COO")
    expect(rep.page.locator("#f-stage")).to_have_value(WON)
    assert _stage(gated, deal) == before
    assert "Handoff_Economic_Buyer__c" not in gated.sf.table("Opportunity").rows[deal].values
    take_picture(rep.page, "deal-refused")

    rep.page.locator("#f-go_live_date").fill("2027-03-31")
    rep.save()
    expect(rep.page.locator(".path .now")).to_have_text(WON)
    expect(rep.page.get_by_role("alert")).to_have_count(0)
    assert _stage(gated, deal) == WON


def test_a_manager_override_lets_the_deal_through(rep: Desk, gated: Sandbox) -> None:
    deal = _gap(rep, gated)
    rep.open_record(deal)
    rep.page.locator(".path button", has_text=WON).click()
    assert (_fault(rep, "go_live_date"), _fault(rep, "economic_buyer")) == (GO_LIVE, BUYER)
    rep.page.get_by_role("alert").get_by_role("link", name=GO_LIVE).click()
    expect(rep.page.locator("#f-go_live_date")).to_be_in_viewport()
    rep.page.get_by_label("Override requested").check()
    rep.save()
    expect(rep.page.locator(".path .now")).to_have_text(WON)
    assert _stage(gated, deal) == WON


def test_the_keyboard_reaches_the_words_and_the_way_on(rep: Desk, gated: Sandbox) -> None:
    deal = _gap(rep, gated)
    rep.open_board()
    rep.card(deal).get_by_role("combobox").focus()
    rep.page.keyboard.type(WON)
    rep.page.keyboard.press("Tab")
    rep.page.keyboard.press("Enter")
    told = rep.page.get_by_role("alert")
    expect(told).to_be_focused()
    expect(told).to_contain_text(GO_LIVE)
    rep.page.keyboard.press("Tab")
    rep.page.keyboard.press("Tab")
    rep.page.keyboard.press("Enter")
    expect(told).to_be_hidden()
    rep.card(deal).get_by_role("combobox").focus()
    rep.page.keyboard.type(WON)
    rep.page.keyboard.press("Tab")
    rep.page.keyboard.press("Enter")
    expect(told).to_be_focused()
    rep.page.keyboard.press("Tab")
    rep.page.keyboard.press("Enter")
    expect(rep.page.locator("#f-stage")).to_have_value(WON)
    assert _stage(gated, deal) != WON


def test_without_script_the_form_opens_with_the_words_and_what_was_typed_stays(
    rep: Desk, gated: Sandbox, browser: Browser
) -> None:
    deal = _gap(rep, gated)
    plain = browser.new_context(java_script_enabled=False)
    rep.page = plain.new_page()
    rep.open_board()
    card = rep.card(deal)
    card.hover()
    card.get_by_role("combobox").select_option(label=WON)
    card.get_by_role("button", name="Move").click()
    assert (_fault(rep, "go_live_date"), _fault(rep, "economic_buyer")) == (GO_LIVE, BUYER)
    rep.page.locator("#f-risks").fill("Plant 2 is\nagainst it")
    rep.page.locator("#f-go_live_date").fill("2027-03-31")
    rep.page.get_by_role("button", name="Save", exact=True).click()
    assert _fault(rep, "economic_buyer") == BUYER
    expect(rep.page.locator("#f-risks")).to_have_value("Plant 2 is\nagainst it")
    rep.page.locator("#f-economic_buyer").fill("Henrik Dahl")
    rep.save()
    assert _stage(gated, deal) == WON
    plain.close()
