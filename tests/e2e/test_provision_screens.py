"""The native gate as a rep meets it: installed into an org that had nothing of ours, then a save at the screen.

No daemon runs here: what stops the save is the org's own validation rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from daemons import ELENA_AE, VICTOR_WHO_APPROVES
from playwright.sync_api import Page, expect
from provisioned import ADMIN, Bare, bare_org

from connector.sandbox import agreed

pytestmark = pytest.mark.e2e

CHAMPION = "Champion is missing for the handoff."
USE_CASE = "Use case is missing for the handoff."


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bare]:
    """An org with the handoff installed, and a rep who holds the permission set for reps."""
    with bare_org(Path(tmp_path_factory.mktemp("provisioned")) / "site") as made:
        assert made.apply()["applied"]["ok"]
        _assign(made, "Handoff_Sales", ELENA_AE)
        yield made


def _assign(org: Bare, name: str, email: str) -> None:
    base, headers = (
        f"{org.site.sandbox.sf_url}/services/data/v67.0",
        {"Authorization": f"Bearer {org.site.secrets[ADMIN]}"},
    )
    soql = {"q": f"SELECT Id FROM PermissionSet WHERE Name = '{name}'"}
    found = requests.get(f"{base}/query/", params=soql, headers=headers, timeout=30).json()["records"][0]["Id"]
    body = {"AssigneeId": org.site.sf.user(email), "PermissionSetId": found}
    requests.post(
        f"{base}/sobjects/PermissionSetAssignment/", json=body, headers=headers, timeout=30
    ).raise_for_status()


def _form(page: Page, org: Bare, deal: str, **typed: Any) -> None:
    """Open the deal's form and type; a stage among it is chosen by its label."""
    page.goto(f"{org.site.sandbox.sf_url}/ui/deals/{deal}")
    page.get_by_role("link", name="Edit", exact=True).click()
    _type(page, **typed)


def _type(page: Page, **typed: Any) -> None:
    for name, value in typed.items():
        box = page.locator(f"#f-{name}")
        if name == "stage" or name == "override_approver":
            box.select_option(value)
        elif value is True:
            box.check()
        else:
            box.fill(str(value))


def _is_won(org: Bare, deal: str) -> bool:
    desk = org.site.sf
    return desk.see(deal).stage == desk.crm.stage_of("won", "new")


def _save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()


def _told_at(page: Page, name: str) -> Any:
    return page.locator(f"#e-{name}")


def test_a_save_to_won_is_stopped_field_by_field_and_goes_through_when_all_is_there(org: Bare, page: Page) -> None:
    deal = org.site.sf.deal(without=("champion", "use_case"))
    won = org.site.sf.crm.stage_of("won", "new").id
    _form(page, org, deal, stage=won, risks="The ERP team has not signed off yet.")
    _save(page)
    expect(_told_at(page, "champion")).to_contain_text(CHAMPION)
    expect(_told_at(page, "champion")).to_contain_text("The CSM has to know whom to call first.")
    expect(_told_at(page, "use_case")).to_contain_text(USE_CASE)
    expect(page.locator(".fault")).to_have_count(2)
    expect(page.locator("#f-risks")).to_have_value("The ERP team has not signed off yet.")
    assert not _is_won(org, deal), "nothing of it is saved"

    _type(page, champion="Ingrid Solberg, Head of Plant Operations")
    _save(page)
    expect(_told_at(page, "use_case")).to_contain_text(USE_CASE)
    expect(page.locator(".fault")).to_have_count(1)
    assert not _is_won(org, deal)

    _type(page, use_case="Fault requests of three plants, triaged by the shift leads.")
    _save(page)
    expect(page.get_by_role("link", name="Edit", exact=True)).to_be_visible()
    found = org.site.sf.see(deal)
    assert _is_won(org, deal)
    assert found.text("champion") == "Ingrid Solberg, Head of Plant Operations"


def test_an_override_of_a_listed_approver_lets_the_save_through(org: Bare, page: Page) -> None:
    deal = org.site.sf.deal(without=("champion",))
    won = org.site.sf.crm.stage_of("won", "new").id
    override = org.site.sf.override()
    asked = {name: value for name, value in override.items() if name != "override_approver"}
    _form(page, org, deal, stage=won, **asked)
    _save(page)
    expect(_told_at(page, "champion")).to_contain_text("Cannot wait?")
    assert not _is_won(org, deal), "nobody answers for it yet"

    _type(page, override_approver=org.site.sf.user(ELENA_AE))
    _save(page)
    expect(_told_at(page, "champion")).to_contain_text(CHAMPION)
    assert not _is_won(org, deal), "a rep cannot approve"

    _type(page, override_approver=org.site.sf.user(VICTOR_WHO_APPROVES))
    _save(page)
    expect(page.get_by_role("link", name="Edit", exact=True)).to_be_visible()
    found = org.site.sf.see(deal)
    assert _is_won(org, deal)
    assert not found.text("champion")


def test_a_card_cannot_be_dragged_past_the_gate(org: Bare, page: Page) -> None:
    deal = org.site.sf.deal(without=("champion",))
    page.goto(f"{org.site.sandbox.sf_url}/ui/")
    card = page.locator(f'.card[data-deal="{deal}"]')
    label = org.site.sf.crm.stage_of("won", "new").label
    with page.expect_response(lambda reply: reply.url.endswith("/stage")) as reply:
        card.drag_to(
            page.locator(f'.column[data-label="{label}"]'),
            source_position={"x": 6, "y": 5},
            target_position={"x": 50, "y": 16},
        )
    assert reply.value.status >= 400
    expect(page.locator("#refused")).to_contain_text(CHAMPION)
    assert not _is_won(org, deal)


def test_a_won_deal_can_still_be_edited_and_an_open_one_saved_with_gaps(org: Bare, page: Page) -> None:
    done = org.site.sf.win(org.site.sf.deal(), outcome=None)
    _form(page, org, done, champion="")
    _save(page)
    expect(page.get_by_role("link", name="Edit", exact=True)).to_be_visible()
    assert _is_won(org, done)

    gaps = org.site.sf.deal(without=tuple(agreed.required(amount=20_000, deal_type="new")))
    _form(page, org, gaps, risks="None known yet.")
    _save(page)
    expect(page.get_by_role("link", name="Edit", exact=True)).to_be_visible()
    assert org.site.sf.see(gaps).text("risks") == "None known yet."
