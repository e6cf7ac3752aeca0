"""The whole corpus of attacks on one status page in a real browser: no script runs, nothing is fetched or changed, and
every text is shown word for word.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from attacks import attacks
from daemons import free_port
from playwright.sync_api import Page
from prometheus_client import CollectorRegistry

from connector.handoff.model import SystemName
from connector.handoff.text import clean
from connector.settings import WebSettings
from connector.web.app import Pages, create_app
from connector.web.server import serve_in_thread
from connector.web.status import DecisionRow, ParkedRow, Status

pytestmark = pytest.mark.e2e

CORPUS = attacks()
HS = SystemName("hs")


def status() -> Status:
    """Each text as a vendor's words of refusal, in the middle of a reason, and as a step's name."""
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    texts = [each.storable for each in CORPUS]
    return Status(
        at=now,
        systems=(),
        parked=tuple(
            ParkedRow(number, HS, f"{number}", text[:60], text[:60], text, "now")
            for number, text in enumerate(texts, 1)
        ),
        decisions=tuple(
            DecisionRow(now, HS, f"{number}", "won", "Held", (f"The reason is {clean(text)}.",))
            for number, text in enumerate(texts, 1)
        ),
    )


@pytest.fixture
def address() -> Iterator[str]:
    """A page that shows them all."""
    port = free_port()
    web = WebSettings(host="127.0.0.1", port=port, enabled=True, hooks_host="", hooks_port=0)
    stop = serve_in_thread(create_app(Pages(status, CollectorRegistry(), web)), host="127.0.0.1", port=port)
    yield f"http://127.0.0.1:{port}/"
    stop()


def test_no_text_acts_on_the_page_that_shows_it(page: Page, address: str) -> None:
    asked: list[str] = []
    went: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: (went.append(dialog.message), dialog.dismiss()))
    page.on("framenavigated", lambda frame: went.append(frame.url))
    page.goto(address)
    page.wait_for_load_state("networkidle")
    page.mouse.move(300, 300)
    assert page.evaluate("window.struck") is None
    assert went == [address]
    assert all(url.startswith(address) for url in asked), asked
    forbidden = "main script, main iframe, main img, main style, main base, main object, main svg, main a[href^=java]"
    assert page.locator(forbidden).count() == 0
    shown = page.locator("main").evaluate("node => node.textContent")
    missing = [each.text for each in CORPUS if "".join(each.storable.split()) not in "".join(shown.split())]
    assert missing == []


def test_a_policy_stands_behind_the_escaping(page: Page, address: str) -> None:
    """Were a text ever written out unescaped, the browser would still run none of it."""
    page.goto(address)
    page.evaluate(
        """() => new Promise((done) => {
          const main = document.querySelector("main");
          main.insertAdjacentHTML("beforeend", '<img src="x" onerror="window.struck=1">');
          main.lastElementChild.addEventListener("error", () => done());
        })"""
    )
    assert page.evaluate("window.struck") is None
