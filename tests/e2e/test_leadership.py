"""The page for leadership in a real browser: from a number to its deals to why, by filters, into files; readable and
accessible at every width, light and dark, without a script.

Not here: the numbers (``tests/unit/test_web_leadership.py``). Pictures show the simulated quarter: the one that
``HANDOFF_QUARTER`` names a folder of, or one that is played for it.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from axe_playwright_python.sync_playwright import Axe
from e2e.conftest import PICTURES, SEED, VIEW, TakePicture
from e2e.test_page_signin import ABORTED, WIDER
from e2e.test_status_page import FAINT_TEXTS, PHONE, READABLE, SMALLEST
from plans import a_plan
from playwright.sync_api import Browser, Page, expect
from prometheus_client import CollectorRegistry

from bench.many import NOW, made_up, put
from connector.cli.demo_quarter import quarter
from connector.cli.review_paper import paper_of
from connector.clock import ManualClock
from connector.engine.reviewing import review_of
from connector.handoff.governing.periods import named_month
from connector.handoff.governing.proposals import proposals
from connector.handoff.model import HandoffKey, SystemName
from connector.handoff.rulebook.watch import Targets
from connector.papers import pictures
from connector.policy.load import load
from connector.settings import WebSettings
from connector.store import Decided, Store, open_store
from connector.web.app import Pages, create_app
from connector.web.leadership.board import Book
from connector.web.server import serve_in_thread
from connector.web.status import Watched, read_status

pytestmark = pytest.mark.e2e
SF = SystemName("sf")
HANDOFFS = 60
QUARTER = "HANDOFF_QUARTER"
DAYS, DEALS = 90, 48
LOOKS = [(view, scheme) for view in (VIEW, PHONE) for scheme in ("light", "dark")]
MAPPINGS = Path(__file__).parents[2] / "mappings"
MONTH = named_month("2027-02")
LONGEST = 1500
"""Height in CSS pixels at which a picture of the page is cut: the numbers and the funnel."""


@dataclass(frozen=True, slots=True)
class Served:
    """A page that is served, and where."""

    url: str
    store: Store


@contextmanager
def serving(store: Store, *, now: datetime, systems: tuple[str, ...]) -> Iterator[Served]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    web = WebSettings(host="127.0.0.1", port=port, enabled=True, hooks_host="", hooks_port=0)
    watched = [Watched(SystemName(each), "salesforce", "act", 15.0) for each in systems]
    pages = Pages(
        lambda: read_status(store, watched, now=now),
        CollectorRegistry(),
        web,
        book=Book(store, Targets(), ZoneInfo("Europe/Berlin"), systems, lambda: now),
    )
    stop = serve_in_thread(create_app(pages), host="127.0.0.1", port=port)
    try:
        yield Served(f"http://127.0.0.1:{port}", store)
    finally:
        stop()
        store.close()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """A quarter's handoffs, made up, each with a decision in the ledger."""
    store = open_store("sqlite://", clock=ManualClock(NOW))
    made = list(made_up(HANDOFFS, seed=SEED, days=85))
    for one in made:
        store.record(SF, [Decided(a_plan(one.deal_id, key=HandoffKey(SF, one.deal_id)))], act=True)
    put(store, [replace(one, system=SF) for one in made])
    with serving(store, now=NOW, systems=("sf",)) as found:
        yield found


def a_page(browser: Browser, heard: list[str], **options: object) -> Page:
    page = browser.new_context(locale="en-GB", reduced_motion="reduce", **options).new_page()  # type: ignore[arg-type]
    page.on("console", lambda message: heard.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("requestfailed", lambda one: heard.append(f"{one.failure}: {one.url}") if one.failure != ABORTED else None)
    page.add_init_script(
        "addEventListener('securitypolicyviolation', (e) => console.error('csp ' + e.violatedDirective))"
    )
    return page


def assert_fit(page: Page) -> None:
    """Nothing that axe finds, nothing wider than the window, no faint or tiny text."""
    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []
    wide, window = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= window, page.evaluate(WIDER)
    assert page.evaluate(FAINT_TEXTS, [READABLE, SMALLEST]) == []


def test_a_leader_goes_from_a_number_to_its_deals_to_why_and_takes_files_along(
    served: Served, browser: Browser
) -> None:
    heard: list[str] = []
    page = a_page(browser, heard, viewport=VIEW, java_script_enabled=False, accept_downloads=True)
    page.goto(served.url)
    page.get_by_role("link", name="For leadership").click()
    expect(page.get_by_role("heading", name="Is the handoff working?")).to_be_visible()
    card = page.locator("#measure-ttft")
    card.get_by_text("How Time to first touch is counted").click()
    expect(card.get_by_text("notes and tasks do not count")).to_be_visible()
    late = card.get_by_role("link", name="not good for Time to first touch")
    count = int(late.inner_text().split()[0])
    late.click()
    expect(page.get_by_text(f"{count} handoffs of deals won")).to_be_visible()
    expect(page.locator("table.listing tbody tr")).to_have_count(min(count, 50))
    with page.expect_download() as taken:
        page.get_by_role("link", name="Export as CSV").click()
    rows = taken.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert len(rows) == count + 1
    page.locator("table.listing tbody th a").first.click()
    expect(page.get_by_role("heading", name="What the rules found")).to_be_visible()
    expect(page.get_by_role("cell", name="Every required field is filled.").first).to_be_visible()

    page.get_by_role("link", name="All numbers").click()
    page.get_by_text("Filter, and compare by CSM").click()
    page.get_by_label("Segment").select_option("SMB")
    page.get_by_label("Cohorts by").select_option("Hour of the win")
    page.get_by_role("button", name="Show").click()
    assert "segment=SMB" in page.url
    expect(page.get_by_role("heading", name="By Hour of the win")).to_be_visible()
    with page.expect_download() as taken:
        page.get_by_role("link", name="Export as PDF").click()
    assert taken.value.path().read_bytes().startswith(b"%PDF-")
    page.get_by_role("link", name="All handoffs").click()
    assert "segment" not in page.url
    assert heard == []
    page.context.close()


def test_it_is_accessible_at_every_width_light_and_dark(served: Served, browser: Browser) -> None:
    heard: list[str] = []
    deal = next(made_up(1, seed=SEED, days=85)).deal_id
    for view, scheme in LOOKS:
        page = a_page(browser, heard, viewport=view, color_scheme=scheme)
        page.goto(f"{served.url}/leadership")
        if view is PHONE:
            page.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")
        assert_fit(page)
        if view is PHONE and scheme == "dark":
            for path in ("/leadership/deals?of=ttft:missed", f"/leadership/deal/sf/{deal}"):
                page.goto(served.url + path)
                assert_fit(page)
        page.context.close()
    assert heard == []


@pytest.mark.skipif(not os.environ.get(PICTURES), reason="pictures are taken where their folder is named")
def test_pictures_of_the_simulated_quarter(browser: Browser, take_picture: TakePicture, tmp_path: Path) -> None:
    folder = Path(os.environ.get(QUARTER) or tmp_path / "quarter")
    if not (folder / "state").exists():
        quarter(folder, days=DAYS, deals=DEALS, seed=SEED, systems=("sf", "hs"))
    copied = shutil.copytree(folder / "state", tmp_path / "state")  # it may be of an older schema than this one
    clock = ManualClock(NOW)
    store = open_store(f"sqlite:///{copied / 'handoff.db'}", clock=clock)
    end = max(one.facts.at for one in store.listed(limit=1000))
    clock.advance(end - clock.now())
    with serving(store, now=end + timedelta(minutes=1), systems=("sf", "hs")) as shown:
        for view, scheme in LOOKS:
            page = a_page(browser, [], viewport=view, color_scheme=scheme)
            page.goto(f"{shown.url}/leadership")
            take_picture(page, f"leadership-{'phone' if view is PHONE else 'desktop'}-{scheme}", longest=LONGEST)
            page.context.close()
    store = open_store(f"sqlite:///{copied / 'handoff.db'}", clock=clock)
    policy = load(MAPPINGS, {SF: "salesforce"}).policies[SF]
    found = review_of(store, SF, policy, MONTH)
    store.close()
    paper = paper_of([(found, proposals(found, policy.targets))], {SF: policy.targets}, made_at=end)
    for number, made in enumerate(pictures(paper), 1):
        (Path(os.environ[PICTURES]) / f"review-{number}.png").write_bytes(made)
