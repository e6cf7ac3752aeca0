"""Signing in to the status page in a real browser: the buttons that come with it, what they do, and that they go again.

Not here: who is let in by which way (``tests/unit/test_web_page.py``). The store is a real one; no daemon runs.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from e2e.conftest import VIEW
from e2e.test_status_page import FAINT_TEXTS, PHONE, READABLE, SMALLEST
from plans import REFUSED, SYSTEM, a_deal_patch, a_plan
from playwright.sync_api import Browser, Page, expect
from pydantic import SecretStr

from connector.bootstrap.desk import PageDesk
from connector.clock import SystemClock
from connector.engine.parts import Shared, Timing
from connector.settings import WebSettings
from connector.store import Decided, HeldDeal, HoldState, Park, Settlement, State, Store, open_store
from connector.store.audit import AuditKind
from connector.telemetry import Telemetry
from connector.web.app import Pages, create_app
from connector.web.server import serve_in_thread
from connector.web.status import Watched, read_status

pytestmark = pytest.mark.e2e
TOKEN = "0123456789abcdef" * 2
FINGER = 24
"""WCAG 2.2, success criterion 2.5.8: least size of what is to be hit, in CSS pixels."""

ABORTED = "net::ERR_ABORTED"
"""What a browser calls a request of its own that it gave up because the person went on to the next page."""


@dataclass(frozen=True, slots=True)
class Served:
    """A page over a store with two parked rows and a held deal."""

    url: str
    store: Store


@pytest.fixture
def served() -> Iterator[Served]:
    store = open_store("sqlite://", clock=SystemClock())
    for deal in ("D1", "D2"):
        store.record(SYSTEM, [Decided(a_plan(deal, a_deal_patch(deal)))], act=True)
    claimed = store.claim(SYSTEM, owner="w", batch=lambda _lane: 10, lease_seconds=60)
    assert claimed is not None
    store.settle([Settlement(row.id, row.attempt, Park(REFUSED)) for row in claimed.rows])
    held = HeldDeal(SYSTEM, "D9", HoldState.HELD, "begins", datetime.now(UTC), "a bulk import", {"writes": []})
    store.hold_deals(SYSTEM, [held], [], stop="27 deals at once")
    telemetry = Telemetry()
    shared = Shared(store, store.clock, telemetry, Timing(), "page", lambda *_: None, threading.Event())
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    web = WebSettings(host="127.0.0.1", port=port, enabled=True, hooks_host="", hooks_port=0, token=SecretStr(TOKEN))
    watched = [Watched(SYSTEM, "salesforce", "act", 15.0)]
    pages = Pages(
        lambda: read_status(store, watched, now=store.clock.now()),
        telemetry.registry,
        web,
        desk=PageDesk(shared, [SYSTEM]),
    )
    stop = serve_in_thread(create_app(pages), host="127.0.0.1", port=port)
    yield Served(f"http://127.0.0.1:{port}", store)
    stop()
    store.close()


@pytest.fixture
def heard() -> list[str]:
    """What a browser complained of: errors, failed requests, breaches of the page's policy."""
    return []


def a_page(browser: Browser, heard: list[str], **options: object) -> Page:
    page = browser.new_context(viewport=VIEW, **options).new_page()  # type: ignore[arg-type]
    page.on("console", lambda message: heard.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on(
        "requestfailed",
        lambda request: heard.append(f"{request.failure}: {request.url}") if request.failure != ABORTED else None,
    )
    page.add_init_script(
        "addEventListener('securitypolicyviolation', (e) => console.error('csp ' + e.violatedDirective))"
    )
    return page


def sign_in(page: Page, url: str) -> None:
    """As a person with a keyboard alone."""
    page.goto(url)
    page.get_by_role("link", name="Sign in").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Your name").focus()
    page.keyboard.type("Ana Ruiz")
    page.keyboard.press("Tab")
    page.keyboard.type(TOKEN)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Signed in as Ana Ruiz")).to_be_visible()
    page.wait_for_load_state("load")  # Its words are there before its styles are, and its looks are judged too.


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_a_person_signs_in_acts_and_signs_out(
    served: Served, browser: Browser, heard: list[str], *, script: bool
) -> None:
    page = a_page(browser, heard, java_script_enabled=script)
    page.goto(served.url)
    expect(page.get_by_role("button")).to_have_count(0)
    sign_in(page, served.url)

    first, second = (row.id for row in served.store.parked())
    row = page.locator("tr", has_text="D1")
    row.get_by_role("button", name="Retry").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text(f"Row {first} will be sent again at the next pass.")
    row = page.locator("tr", has_text="D2")
    row.get_by_label("Why drop it?").fill("won by <b>mistake</b>")
    row.get_by_role("button", name="Drop").click()
    expect(page.get_by_role("status")).to_contain_text(f"Row {second} is dropped.")
    page.get_by_role("button", name="Release all").click()
    expect(page.get_by_role("status")).to_contain_text("1 deals go with the next pass.")
    page.get_by_label("Why pause it?").fill("the year's end")
    page.get_by_role("button", name=f"Pause {SYSTEM}").click()
    expect(page.get_by_role("heading", name="Standing still")).to_be_visible()

    assert served.store.parked() == ()
    assert served.store.rows(SYSTEM, "D1")[0].state is State.PENDING
    assert served.store.held(SYSTEM) == ()
    (pause,) = served.store.pauses(SYSTEM)
    assert (pause.by, pause.why) == ("Ana Ruiz (token)", "the year's end")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("heading", name="Standing still")).to_have_count(0)
    kinds = {entry.kind for entry in served.store.audit(SYSTEM, "D1")} | {
        entry.kind for entry in served.store.audit(SYSTEM, "D9")
    }
    assert {AuditKind.RETRIED, AuditKind.RELEASED} <= kinds

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    expect(page.get_by_role("button")).to_have_count(0)
    assert heard == []
    page.context.close()


WIDER = """() => [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1
  && !e.closest(".scroll")).map(e => `${e.tagName}.${e.className} ${Math.round(e.getBoundingClientRect().right)}`)"""
"""What reaches beyond the window."""


def test_the_buttons_are_readable_on_a_phone(served: Served, browser: Browser, heard: list[str]) -> None:
    page = a_page(browser, heard)
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.goto(f"{served.url}/signin")
    for signed_in in (False, True):
        if signed_in:
            sign_in(page, served.url)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert page.evaluate(FAINT_TEXTS, [READABLE, SMALLEST]) == []
        wide, window = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        wider = page.evaluate(WIDER)
        assert wide <= window, f"the page scrolls sideways: {wide} of {window}, {wider}"
        boxes = [each.bounding_box() for each in page.get_by_role("button").all()]
        assert min(box["height"] for box in boxes if box) >= FINGER
    page.context.close()


def test_what_somebody_types_is_not_taken_away(served: Served, browser: Browser, heard: list[str]) -> None:
    """The page replaces itself every five seconds, but not under somebody's hands."""
    page = a_page(browser, heard)
    page.clock.install()
    sign_in(page, served.url)
    page.get_by_label("Why pause it?").fill("half a sen")
    page.clock.run_for(11_000)
    assert page.get_by_label("Why pause it?").input_value() == "half a sen"
    page.get_by_label("Why pause it?").fill("")
    page.get_by_role("button", name="Retry").first.focus()
    with page.expect_response(lambda reply: reply.url.endswith("/fragment")):
        page.clock.run_for(6_000)
    expect(page.get_by_role("button", name="Retry").first).to_be_focused()
    assert heard == []
    page.context.close()
