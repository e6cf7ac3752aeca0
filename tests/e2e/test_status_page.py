"""The status page in a real browser: what an operator reads, with and without script, on a phone, in the dark.

Not here: what the numbers are made of (tests of the store and of the status).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from e2e.conftest import VIEW, Running, TakePicture
from e2e.desk import SOON_MS, Desk
from playwright.sync_api import Browser, Page, expect

from connector.handoff.model import Gate

pytestmark = pytest.mark.e2e

PHONE = {"width": 360, "height": 740}
READABLE = 4.5
"""WCAG 2.2, success criterion 1.4.3: least contrast of text against its ground."""
SMALLEST = 12
"""Font size in CSS pixels below which nobody reads on a phone."""

FAINT_TEXTS = """
([least, smallest]) => {
  const bright = (rgb) => rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const parts = (css) => css.match(/[\\d.]+/g).map(Number);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const [r, g, b, alpha = 1] = parts(getComputedStyle(at).backgroundColor);
      if (alpha === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.checkVisibility()) continue;
    const style = getComputedStyle(node);
    const [a, b] = [bright(parts(style.color).slice(0, 3)), bright(ground(node))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < least || parseFloat(style.fontSize) < smallest)
      found.push(`${node.textContent.trim().slice(0, 40)}: contrast ${contrast.toFixed(2)}, ${style.fontSize}`);
  }
  return found;
}
"""


@pytest.fixture
def held(desk: Desk) -> str:
    """A deal that was won with gaps and came back."""
    deal = desk.deal_with_gaps()
    desk.open_board()
    before = desk.stage_of(deal)
    desk.drag(deal, to="Closed Won")
    expect(desk.card_in(before, deal).locator(".badge")).to_have_text("Held", timeout=SOON_MS)
    return deal


def test_a_decision_is_shown_with_its_reasons(held: str, demo: Running, page: Page) -> None:
    page.goto(demo.ports.url("web"))
    row = page.locator("tbody tr", has_text=held).first
    expect(row.locator(".gate")).to_have_text(Gate.HELD.value, timeout=SOON_MS)
    expect(row.locator("li").first).to_contain_text("required field")
    for vendor in ("Salesforce", "HubSpot"):
        card = page.locator("article.card", has_text=vendor)
        expect(card.locator(".state")).to_have_text("Running")


def test_a_decision_appears_on_an_open_page_by_itself(demo: Running, desk: Desk, browser: Browser) -> None:
    watching = browser.new_context(viewport=VIEW).new_page()
    watching.goto(demo.ports.url("web"))
    deal = desk.deal_with_gaps()
    expect(watching.locator("main")).not_to_contain_text(deal)
    desk.open_board()
    desk.drag(deal, to="Closed Won")
    expect(watching.locator("tbody tr", has_text=deal).first).to_be_visible(timeout=SOON_MS)
    watching.context.close()


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_the_page_says_the_same_without_script(demo: Running, browser: Browser, *, script: bool) -> None:
    context = browser.new_context(java_script_enabled=script)
    page = context.new_page()
    page.goto(demo.ports.url("web"))
    for heading in ("Systems", "Parked writes", "Recent decisions"):
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    expect(page.locator("article.card")).to_have_count(2)
    expect(page.locator("article.card .state").first).to_have_text("Running")
    context.close()


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    """A colour scheme that a person may have set."""
    return str(request.param)


@pytest.fixture(params=[VIEW, PHONE], ids=["desk", "phone"])
def view(request: pytest.FixtureRequest, browser: Browser, scheme: str) -> Iterator[Page]:
    """A page of that scheme, wide or narrow."""
    context = browser.new_context(viewport=request.param, color_scheme=scheme)  # type: ignore[arg-type]
    yield context.new_page()
    context.close()


def test_it_is_readable_at_every_width_light_and_dark(
    held: str, demo: Running, view: Page, scheme: str, take_picture: TakePicture
) -> None:
    view.goto(demo.ports.url("web"))
    expect(view.locator("tbody tr", has_text=held).first).to_be_visible()
    wide, window = view.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= window, "the page scrolls sideways"
    assert view.evaluate(FAINT_TEXTS, [READABLE, SMALLEST]) == []
    ground = view.evaluate("getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).map(Number)")
    assert (sum(ground[:3]) < 200) == (scheme == "dark")
    if window == PHONE["width"] and scheme == "dark":
        take_picture(view, "status-phone")


def test_the_console_stays_silent(demo: Running, page: Page) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("requestfailed", lambda request: said.append(f"failed: {request.url}"))
    page.on("response", lambda reply: said.append(f"{reply.status}: {reply.url}") if reply.status >= 400 else None)
    with page.expect_response(lambda reply: reply.url.endswith("/fragment")):
        page.goto(demo.ports.url("web"))
    assert said == []


@pytest.mark.parametrize("path", ["/", "/fragment", "/metrics", "/healthz", "/readyz", "/static/status.css", "/none"])
def test_every_answer_carries_the_security_headers(demo: Running, path: str) -> None:
    headers = requests.get(demo.ports.url("web") + path, timeout=30).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "server" not in headers
