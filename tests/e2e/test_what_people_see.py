"""One enterprise customer on both CRMs as a rep and a CSM see them: before the close, at it, on day 14, on day 30.

The pictures of docs/what-people-see.md are made here. Not here: each rule by itself, and the shipped five tasks
(``test_crm_screens``). The engine runs in this process, so that nothing waits and the clock stands where it is put.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from e2e.conftest import TakePicture
from e2e.customer import EMPTY, NAME, PROMISED, VAGUE, WORDS, Customer, begin
from engine.test_playbook_on_crms import NEW_YORK
from playwright.sync_api import Locator, Page, expect

from connector.sandbox.server import Sandbox

pytestmark = pytest.mark.e2e

WON = "Closed Won"
AE, CSM, SECOND, SPONSOR, HEAD_OF_CS = (
    "Elena Marchetti", "Maya Lindqvist", "Jonas Weber", "Ruth Adeyemi", "Dana Kowalski",
)  # fmt: skip
NAMES = {"salesforce": "", "hubspot": "-hubspot"}
"""What is appended to a picture's name."""
TALL = 1550
"""Height in CSS pixels at which these pictures are cut: as far as the story of the moment goes."""


@dataclass(frozen=True, slots=True)
class Screens:
    """The customer's two records in one browser page, and the machine that looks after them."""

    page: Page
    customer: Customer
    base: str
    take: TakePicture

    def deal(self) -> None:
        """Open the deal."""
        self.page.goto(f"{self.base}/ui/deals/{self.customer.deal}")

    def account(self) -> None:
        """Open its account, by the link on the deal."""
        self.deal()
        self.page.locator('[data-live="head"]').get_by_role("link", name=NAME).click()
        expect(self.page.get_by_role("heading", level=1)).to_have_text(NAME)

    def act_as(self, name: str) -> None:
        """Become another person."""
        with self.page.expect_navigation():
            self.page.get_by_label("Acting as").select_option(label=name)

    def box(self, name: str) -> Locator:
        """A part of the page."""
        return self.page.locator(f'[data-live="{name}"]')

    def value(self, box: str, label: str) -> Locator:
        """What stands beside a label."""
        named = self.page.locator("dt", has_text=re.compile(f"^{re.escape(label)}$"))
        return self.box(box).locator("div").filter(has=named).last.locator("dd")

    def task(self, subject: str, *, state: str = "open") -> Locator:
        """A task by its subject without the customer's name."""
        return (
            self.box("tasks")
            .locator(f"li.{state}")
            .filter(has=self.page.locator("strong", has_text=re.compile(f"^{re.escape(subject)}: {NAME}$")))
        )

    def edit(self, **values: str | bool) -> None:
        """Change the record by its form, as the person who acts, and let the daemon see it."""
        self.deal()
        self.page.get_by_role("link", name="Edit", exact=True).click()
        for name, value in values.items():
            field = self.page.locator(f"#f-{name}")
            if isinstance(value, bool):
                field.set_checked(value)
            elif name in ("acceptance", "reject_reason"):
                field.select_option(value)
            else:
                field.fill(value)
        self.page.get_by_role("button", name="Save", exact=True).click()
        expect(self.page.get_by_role("link", name="Edit", exact=True)).to_be_visible()
        self.customer.desk.run()
        self.deal()

    def until(self, month: int, day: int, *, hour: int = 9, minute: int = 30) -> None:
        """Let time pass, in New York's terms."""
        self.customer.desk.until(datetime(2027, month, day, hour, minute, tzinfo=NEW_YORK))

    def pictures(self, moment: str) -> None:
        """Deal and account as they are now."""
        suffix = NAMES[self.customer.desk.vendor]
        self.deal()
        self.take(self.page, f"seen-{moment}-deal{suffix}", longest=TALL)
        self.account()
        self.take(self.page, f"seen-{moment}-account{suffix}", longest=TALL)


@pytest.fixture(params=["salesforce", "hubspot"])
def screens(request: pytest.FixtureRequest, tmp_path: Path, page: Page, take_picture: TakePicture) -> Iterator[Screens]:
    with Sandbox.running() as sandbox:
        customer = begin(sandbox, request.param, tmp_path / "mappings")
        yield Screens(page, customer, sandbox.sf_url if customer.desk.name == "sa" else sandbox.hs_url, take_picture)


def test_one_customer_from_before_the_close_to_day_thirty(screens: Screens) -> None:
    before_the_close(screens)
    at_the_close(screens)
    sent_back_and_taken(screens)
    stuck_on_day_fourteen(screens)
    reviewed_on_day_thirty(screens)


def before_the_close(screens: Screens) -> None:
    """Two working days ahead: how ready it is, what reads as vague, who will be the CSM, and CS's review."""
    screens.until(2, 5)
    screens.deal()
    gate = screens.box("gate")
    expect(gate).to_contain_text("Not checked yet")
    expect(gate.locator(".meter")).to_have_attribute("aria-label", re.compile(r"^\d\d percent complete$"))
    missing, advice, assumed = (gate.locator(f".{name}") for name in ("missing", "advice", "assumed"))
    expect(missing).to_contain_text("Known risks: ")
    expect(advice).to_contain_text(f'Champion\'s stake: "{EMPTY}"')
    expect(advice).to_contain_text('Success criteria: "happy users" could be said of any customer. Name a number')
    expect(assumed).to_contain_text("Champion: Ingrid Solberg, Head of Plant Operations")
    expect(screens.value("head", "CSM")).to_have_text(CSM)
    expect(screens.value("head", "Tier")).to_have_text("high_touch")
    review = screens.task("Review before the signature")
    expect(review).to_contain_text(f"{CSM} · due 5 Feb 2027")
    expect(review).to_contain_text("Blockers found:")
    for words in (VAGUE, EMPTY, WORDS["use_case"]):
        expect(screens.box("handoff")).to_contain_text(words)
    screens.pictures("before")
    expect(screens.box("onboarding")).to_contain_text("Not begun")
    expect(screens.box("deals")).to_contain_text("% ready")


def at_the_close(screens: Screens) -> None:
    """The AE mends what was named, wins the deal, and the handoff is written."""
    screens.act_as(AE)
    mended = {name: WORDS[name] for name in ("success_criteria", "champion_stake", "risks")}
    screens.edit(**mended, prefill_confirmed=True)
    for gone in ("missing", "advice", "assumed"):
        expect(screens.box("gate").locator(f".{gone}")).to_have_count(0)
    screens.until(2, 9, hour=10, minute=0)
    screens.page.locator(".path button", has_text=WON).click()
    expect(screens.page.locator(".path .now")).to_have_text(WON)
    screens.customer.desk.run()
    screens.deal()
    gate = screens.box("gate")
    expect(gate.locator(".badge")).to_have_text("Released")
    expect(gate.locator(".status")).to_have_text("2 Welcome")
    expect(screens.value("head", "Second CSM")).to_have_text(SECOND)
    summary = screens.box("summary")
    for words in (*mended.values(), "Champion (CONFIRMED): Ingrid Solberg", "STAKEHOLDER MAP"):
        expect(summary).to_contain_text(words)
    notes = screens.box("notes").locator(".note")
    expect(notes).to_have_count(3)
    intro = notes.filter(has_text="Draft: Meet Maya Lindqvist, who takes it from here")
    expect(intro).to_contain_text("Hi Ingrid,")
    expect(intro).to_contain_text(WORDS["why_bought"])
    expect(screens.task("Welcome and access")).to_contain_text(CSM)
    expect(screens.task("Introduce Maya Lindqvist by mail")).to_contain_text(AE)
    expect(screens.task("Review before the signature", state="done")).to_be_visible()
    screens.pictures("close")
    for label, value in (("Onboarding stage", "Set-up"), ("Expected go-live", "8 Mar 2027")):
        expect(screens.value("onboarding", label)).to_have_text(value)
    expect(screens.value("head", "CSM")).to_have_text(CSM)
    if screens.customer.desk.vendor == "salesforce":
        expect(screens.box("team").locator("li")).to_have_text([re.compile(CSM), re.compile(SECOND)])


def sent_back_and_taken(screens: Screens) -> None:
    """The CSM rejects with a reason, the AE sees it and mends it, the CSM accepts: all on the deal's own form."""
    screens.act_as(CSM)
    note = "Does the import of 4,000 old requests include their photos?"
    screens.edit(acceptance="Rejected", reject_reason="Unclear promises", reject_note=note)
    screens.act_as(AE)
    expect(screens.box("gate").locator(".answer")).to_have_text("Rejected by the CSM: Unclear promises")
    mine = screens.task("Complete the handoff")
    expect(mine).to_contain_text(f"{AE} · due 10 Feb 2027")
    expect(mine).to_contain_text(note)
    screens.page.get_by_role("link", name="My tasks").click()
    expect(screens.box("mine")).to_contain_text(note)
    screens.edit(acceptance="Resubmitted", commitments=PROMISED)
    expect(screens.task("Complete the handoff", state="done")).to_be_visible()
    screens.act_as(CSM)
    expect(screens.box("summary")).to_contain_text(
        "Import of 4,000 old requests, without photos | 2027-03-19 | Petra Lund with us"
    )
    screens.edit(acceptance="Accepted")
    expect(screens.box("gate").locator(".answer")).to_have_text("Accepted by the CSM")
    expect(screens.value("details", "Handoff complete")).to_have_text("Yes")
    answers = screens.box("history").locator("tr", has_text="Handoff answer").locator("td:nth-child(2)")
    expect(answers).to_have_text([CSM, AE, CSM])


def stuck_on_day_fourteen(screens: Screens) -> None:
    """They began to connect a system and did not finish: one task names it and has three times for a call."""
    customer = screens.customer
    desk = customer.desk
    csm = desk.view.deal(customer.deal).text("csm")
    customer.log("email", "Meet Maya, who takes it from here", by=desk.rep)
    customer.log("email", "Your start", by=csm)
    screens.until(2, 12)
    customer.log("meeting", "Kickoff with Ingrid, Henrik and Petra", by=csm, minutes=60)
    customer.log("email", "Recap: who does what by 19 February", by=csm)
    for event, times in (("Signed In", 3), ("Workflow Completed", 1), ("Data Imported", 1)):
        customer.does(event, times=times)
    customer.does("Source Connected", integration="Okta")
    customer.counted()
    with desk.side.lock:
        kept = PROMISED.replace("2027-02-19 | Petra Lund with us", "kept", 1)
        desk.view.set_deal(customer.deal, {"commitments": kept}, by=csm)
    screens.until(2, 22, hour=9, minute=0)
    customer.does("Integration Started", integration="SAP PM")
    customer.counted()
    screens.until(2, 23)
    customer.does("Signed In")
    customer.counted()
    screens.deal()
    rescue = screens.task("Get SAP PM connected")
    expect(rescue).to_have_count(1)
    expect(rescue).to_contain_text(CSM)
    assert rescue.inner_text().count("(America/New_York)") == 3
    expect(screens.task("Day 14, first value")).to_contain_text(WORDS["success_criteria"])
    screens.pictures("day-14")
    for label, value in (("Activation", "1 of 3 connected"), ("Onboarding stage", "First value")):
        expect(screens.value("onboarding", label)).to_have_text(value)
    expect(screens.task("Get SAP PM connected")).to_be_visible()


def reviewed_on_day_thirty(screens: Screens) -> None:
    """All is connected; the review is in the calendar with its documents, and a wish for more is a red flag."""
    customer = screens.customer
    desk = customer.desk
    csm = desk.view.deal(customer.deal).text("csm")
    screens.until(2, 23, hour=15)
    for system in ("SAP PM", "Plant sensors"):
        customer.does("Source Connected", integration=system)
    customer.counted()
    customer.busy(csm, *(datetime(2027, 3, day, 9, tzinfo=NEW_YORK) for day in (8, 11)))
    screens.until(3, 3)
    customer.log("call", "Who else should use it?", by=csm)
    screens.until(3, 9)
    screens.act_as(CSM)
    wish = "Read access for their auditors, asked for on 9 March by Henrik Dahl."
    screens.edit(scope_requests=wish)
    with desk.side.lock:
        desk.view.complete_task(desk.tasks(customer.deal)["sponsor-briefing"].id, by=csm)
    screens.until(3, 11)
    screens.pictures("day-30")
    for label, value in (
        ("Activation", "3 of 3 connected"),
        ("Milestones reached", "3 of 3"),
        ("Activated on", "23 Feb 2027"),
        ("Onboarding stage", "Live"),
    ):
        expect(screens.value("onboarding", label)).to_have_text(value)
    screens.deal()
    screens.box("tasks").get_by_text(re.compile(r"^\d+ done$")).click()
    for done in ("Get SAP PM connected", "Day 14, first value", "Hold the kickoff", "Brief the executive sponsor"):
        expect(screens.task(done, state="done")).to_be_visible()
    for task, owner in (
        ("Day 30 review", CSM),
        ("Check in at day 30", AE),
        ("Executive check-in at day 30", SPONSOR),
        ("Red flag, scope creep", HEAD_OF_CS),
    ):
        expect(screens.task(task)).to_contain_text(owner)
    expect(screens.task("Red flag, scope creep")).to_contain_text(wish)
    meeting = screens.box("activities").locator(".ahead li")
    expect(meeting).to_contain_text(f"Thirty days with {NAME}")
    expect(meeting).to_contain_text(WORDS["success_criteria"])
    notes = screens.box("notes").locator(".note")
    story = notes.filter(has_text=f"Success story (draft): {NAME}")
    expect(story).to_contain_text(WORDS["why_bought"])
    expect(notes.filter(has_text=f"What could come next: {NAME}")).to_contain_text(WORDS["competition"])
