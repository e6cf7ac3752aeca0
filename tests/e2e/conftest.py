"""A real Chromium and a running demo, for the tests that look at the product as people do.

Not here: what is expected. A machine without Chromium fails with advice instead of passing over these tests.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from e2e.desk import Desk, World, deals_with_gaps
from e2e.png import small
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from connector.cli import demo_parts

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
VIEW = {"width": 1280, "height": 900}
LONGEST_PAGE = 1040
"""Height in CSS pixels at which a picture of a long page is cut."""
PICTURE_LIMIT = 150_000
"""Bytes a picture may have, so that pages with many load fast."""
PICTURES = "HANDOFF_PICTURES"
"""Names the folder to which pictures are written; unset, they go to the test's own temporary folder."""
SEED = 7
DEALS = 120
POLL_SECONDS = 1.0


class TakePicture(Protocol):
    """Writes a page as ``<name>.png``, from its top down to so many CSS pixels."""

    def __call__(self, page: Page, name: str, *, longest: int = LONGEST_PAGE) -> Path: ...


@dataclass(frozen=True, slots=True)
class Running:
    """A demo that runs: its ports and its folder."""

    ports: demo_parts.Ports
    folder: Path


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium of this machine, with a profile of its own that is thrown away."""
    path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if path is None:
        pytest.fail(
            f"The browser tests need Chromium on the PATH (one of {', '.join(CHROMIUM_NAMES)}). Install it, for "
            "example with `apt-get install chromium`, or leave these tests out: make test ARGS='-m \"not e2e\"'",
            pytrace=False,
        )
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_OPTIONS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The demo's own processes: a sandbox with a book of business, and the daemon."""
    folder = tmp_path_factory.mktemp("demo")
    ports = _free_ports()
    with demo_parts.running(folder, ports, seed=SEED, deals=DEALS, poll_seconds=POLL_SECONDS):
        yield Running(ports, folder)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser window without cookies."""
    found = browser.new_context(viewport=VIEW, locale="en-GB", timezone_id="UTC", reduced_motion="reduce")
    yield found
    found.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """One page in it."""
    return context.new_page()


@pytest.fixture(scope="session")
def unused_deals(demo: Running) -> dict[str, Iterator[str]]:
    """Per CRM, the deals that no test has taken yet."""
    return {system: deals_with_gaps(demo.ports.url(system)) for system in ("sf", "hs")}


@pytest.fixture(params=["sf", "hs"], ids=["salesforce", "hubspot"])
def desk(request: pytest.FixtureRequest, demo: Running, page: Page, unused_deals: dict[str, Iterator[str]]) -> Desk:
    """A person at one of the two CRMs."""
    system = request.param
    world = World(demo.ports.url("control"), system)
    return Desk(page, demo.ports.url(system), world, unused_deals[system])


@pytest.fixture
def take_picture(tmp_path: Path) -> TakePicture:
    """Write the page as ``<name>.png`` and check that it is fit to be shown."""
    folder = Path(os.environ.get(PICTURES) or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)

    def take(page: Page, name: str, *, longest: int = LONGEST_PAGE) -> Path:
        assert page.viewport_size is not None
        width = page.viewport_size["width"]
        over = page.evaluate("document.documentElement.scrollWidth")
        assert over <= width, f"{name} is {over} px wide and would be scrolled sideways"
        path = folder / f"{name}.png"
        height = min(longest, int(page.evaluate("document.documentElement.scrollHeight")))
        page.mouse.move(0, 0)
        picture = page.screenshot(
            full_page=True,
            clip={"x": 0, "y": 0, "width": width, "height": height},
            animations="disabled",
            caret="hide",
            style="#toast { display: none }",
        )
        if PICTURES in os.environ:
            picture = small(page, picture)
            assert len(picture) < PICTURE_LIMIT, f"{path} has {len(picture)} bytes, too large to be shown"
        path.write_bytes(picture)
        return path

    return take


def _free_ports() -> demo_parts.Ports:
    with ExitStack() as held:
        probes = [held.enter_context(socket.create_server((demo_parts.HOST, 0))) for _ in range(4)]
        return demo_parts.Ports(*(int(probe.getsockname()[1]) for probe in probes))
