"""A person at one CRM's screens, through a real browser: finds a deal, drags it, fills its form, reads its record.

Not here: any judgement of what the connector should do (the tests say that) and any short cut into the CRM: the person
uses the pages alone. ``World`` is the one exception: it counts in the sandbox what no page shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from playwright.sync_api import Locator, Page, expect

SOON_MS = 30_000
"""How long a person is made to wait before the test gives up; with a poll of one second it takes two or three."""
GRIP = {"x": 6, "y": 5}
"""Where a card is taken: its edge, beside the link and the Move button."""
HEAD = {"x": 50, "y": 16}
"""Where it is dropped: the head of a column, which is always in view."""

ANSWERS: Mapping[str, str] = {
    "why_bought": "Requests arrive by phone and get lost; two audits in a row asked for a traceable log.",
    "use_case": "Fault requests of three plants, triaged by the shift leads, about 120 people on shared tablets.",
    "success_criteria": "Median time to first response under four hours by 31 March, read in the weekly plant meeting.",
    "commitments": "Single sign-on in week one; history import of 4,000 requests before go-live.",
    "champion": "Ingrid Solberg, Head of Plant Operations, mobile on the contact",
    "economic_buyer": "Henrik Dahl, Chief Operating Officer",
    "champion_stake": "She promised the board 20% less downtime this year; this project is how.",
    "stakeholders": "Ingrid Solberg, operations, for\nHenrik Dahl, COO, for\nPetra Lund, IT, wants sign-on first",
    "competition": "A module of their ERP; they keep it for spare parts.",
    "risks": "Plant 2 built its own tracker last year and its lead is not convinced.",
}


def in_days(number: int) -> str:
    """A day that many days from now, as a date field takes it."""
    return (datetime.now(UTC).date() + timedelta(days=number)).isoformat()


@dataclass(frozen=True, slots=True)
class World:
    """What stands in one CRM, counted through the sandbox's control API."""

    control: str
    system: str

    def records(self, name: str) -> list[dict[str, Any]]:
        """Every live row of one object."""
        reply = requests.get(f"{self.control}/records", params={"system": self.system, "object": name}, timeout=30)
        reply.raise_for_status()
        return list(reply.json())

    def linked(self, deal: str) -> dict[str, int]:
        """How many tasks and notes hang on the deal."""
        if self.system == "sf":
            tasks = [row for row in self.records("Task") if row["values"].get("WhatId") == deal]
            notes = [row for row in self.records("Note") if row["values"].get("ParentId") == deal]
            return {"tasks": len(tasks), "notes": len(notes)}
        ends = [
            other["values"][a].partition(":")[0]
            for other in self.records("associations")
            for a, b in (("a", "b"), ("b", "a"))
            if other["values"][b] == f"deals:{deal}"
        ]
        return {name: ends.count(name) for name in ("tasks", "notes")}

    def offences(self, deal: str) -> list[str]:
        """What the sandbox's own judge finds lost or doubled on the deal."""
        reply = requests.get(f"{self.control}/tally", params={"system": self.system}, timeout=30)
        reply.raise_for_status()
        found = reply.json()[self.system]
        return [each["what"] for kind in ("lost", "doubled") for each in found[kind] if each["deal"] == deal]


@dataclass(slots=True)
class Desk:
    """One CRM in one browser page."""

    page: Page
    base: str
    world: World
    unused: Iterator[str] = field(repr=False)

    def open_board(self) -> None:
        """Go to the pipeline board."""
        self.page.goto(f"{self.base}/ui/")

    def open_record(self, deal: str) -> None:
        """Go to a deal's record page."""
        self.page.goto(f"{self.base}/ui/deals/{deal}")

    def deal_with_gaps(self) -> str:
        """The id of an open new-business deal that nobody has touched in this run and that lacks required fields."""
        found = next(self.unused, None)
        assert found is not None, "the book of business has no further open deal with gaps; seed more deals"
        return found

    def card(self, deal: str) -> Locator:
        """The deal's card on the board."""
        return self.page.locator(f'.card[data-deal="{deal}"]')

    def card_in(self, column: str, deal: str) -> Locator:
        """The deal's card, but only while it stands in the named column."""
        return self.column(column).locator(f'.card[data-deal="{deal}"]')

    def column(self, label: str) -> Locator:
        """A column of the board by its stage's label."""
        return self.page.locator(f'.column[data-label="{label}"]')

    def stage_of(self, deal: str) -> str:
        """The label of the column the card stands in."""
        return str(self.card(deal).locator("xpath=ancestor::section").get_attribute("data-label"))

    def drag(self, deal: str, *, to: str) -> None:
        """Take the card with the mouse and let it go over another column; return when the CRM has taken it."""
        with self.page.expect_response(re.compile(r"/stage$")) as reply:
            self.card(deal).drag_to(self.column(to), source_position=GRIP, target_position=HEAD)
        assert reply.value.status == 204
        expect(self.page.locator("#toast")).to_contain_text(to)

    def answer(self, name: str) -> str:
        """What the person writes into a field of the form."""
        return ANSWERS.get(name) or in_days(45)

    def fill_what_is_asked(self, deal: str) -> list[str]:
        """Open the record's form, fill every empty field marked as required, save; the names of what was filled."""
        self.open_record(deal)
        self.page.get_by_role("link", name="Edit", exact=True).click()
        filled = []
        for label in self.page.locator("form.edit label:has(.asked)").all():
            box = self.page.locator(f"#{label.get_attribute('for')}")
            name = str(box.get_attribute("name"))
            if not box.input_value():
                box.fill(self.answer(name))
                filled.append(name)
        self.save()
        return filled

    def save(self) -> None:
        """Press Save; return when the record is shown for reading again."""
        self.page.get_by_role("button", name="Save", exact=True).click()
        expect(self.page.get_by_role("link", name="Edit", exact=True)).to_be_visible()

    def expect_gate(self, gate: str) -> Locator:
        """Wait until the record page says so; the box that says it."""
        box = self.page.locator('[data-live="gate"]')
        expect(box.locator(".badge")).to_have_text(gate, timeout=SOON_MS)
        return box

    def value(self, label: str) -> Locator:
        """The value beside a label in the deal's details."""
        rows = self.page.locator('[data-live="details"] .fields > div')
        return rows.filter(has=self.page.locator("dt", has_text=re.compile(f"^{re.escape(label)}$"))).locator("dd")


def deals_with_gaps(base: str) -> Iterator[str]:
    """Ids of open new-business deals whose record pages show two or more required fields empty, latest stage first."""
    board = requests.get(f"{base}/ui/", timeout=30).text
    columns = [part for part in board.split('<section class="column ')[1:] if not part.startswith(("won", "lost"))]
    for column in reversed(columns):
        for card in column.split('<article class="card"')[1:]:
            found = re.search(r'data-deal="([^"]+)"', card)
            if found and 'class="type new"' in card:
                record = requests.get(f"{base}/ui/deals/{found[1]}", timeout=30).text
                if record.count(' gap">') >= 2 and "none linked" not in record:
                    yield found[1]
