"""The corpus of attacks through both CRMs: typed where people type, decided and written by the product, and looked for
wherever it comes out: calls, notes, tasks, chat, commands, logs and the ledger.

Each text stands in some field of some deal in each CRM; with ``HANDOFF_TEST_WHOLE=1`` in every field in turn.
"""

from __future__ import annotations

import contextlib
import csv
import json
import re
import sqlite3
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from attacks import attacks
from daemons import WHOLE, Desk, Ran, Site, site

from connector.plain import HARMFUL
from connector.sandbox import agreed

CORPUS = [each for each in attacks() if each.storable.strip()]
ANSWERS = sorted(agreed.required(amount=20_000, deal_type="new"))
PLACES = ("account", "name", "task", "person")
TAGS = frozenset({"br", "p", "b", "h2", "h3", "strong", "div"})
"""What a note of ours is made of."""

UNSEEN = frozenset({"Zs", "Zl", "Zp", "Cf", "Cc"})
"""Kinds of characters that a cell shows as nothing: blanks, marks of direction, control characters."""


@dataclass(slots=True)
class Read(HTMLParser):
    """The tags and attributes of a note."""

    tags: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        HTMLParser.__init__(self)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


@dataclass(frozen=True, slots=True)
class Tried:
    """A site after it was attacked."""

    site: Site
    deals: dict[str, list[str]]
    outputs: tuple[Ran, ...]
    log: str


def fits(name: str, text: str) -> str:
    """As the CRM's own screen would take it: the length of a name, one line of it."""
    return " ".join(text.split())[:100] if name in PLACES else text[:30_000]


def attacked(desk: Desk, shift: int) -> list[str]:
    """Deals whose every text is an attack, won; ``shift`` turns which text stands in which field."""
    places = [*ANSWERS, "name", "account"]
    turned = CORPUS[shift:] + CORPUS[:shift]
    deals = []
    for start in range(0, len(turned), len(places)):
        texts = dict(zip(places, turned[start : start + len(places)], strict=False))
        values: dict[str, Any] = {name: fits(name, each.storable) for name, each in texts.items()}
        account = desk.account(values.pop("account", "Plain"))
        deals.append(desk.win(desk.deal(account=account, **values), outcome=None))
    return deals


def renamed(desk: Desk) -> int:
    """Every person but the approver gets an attack for a last name. Returns how many."""
    table, field_ = ("User", "LastName") if desk.name == "sf" else ("owners", "lastName")
    rows = list(desk.world.table(table).live())
    with desk.world.lock:
        for row, each in zip(rows, CORPUS[::7], strict=False):
            if field_ in row.values:
                text = fits("person", each.storable)[:60] or "Plain"
                both = {"Name": text} if desk.name == "sf" else {}
                desk.world.table(table).update(row.id, {field_: text, **both}, by="setup")
    return len(rows)


def edited(desk: Desk, deals: list[str]) -> int:
    """A person writes an attack into the subject of tasks of ours. Returns how many."""
    table, field_ = ("Task", "Subject") if desk.name == "sf" else ("tasks", "hs_task_subject")
    tasks = [task for deal in deals for task in desk.crm.tasks_of(deal)]
    with desk.world.lock:
        for task, each in zip(tasks, CORPUS, strict=False):
            desk.world.table(table).update(task.id, {field_: fits("task", each.storable) or "x"}, by="a person")
    return min(len(tasks), len(CORPUS))


@pytest.fixture(scope="module", params=range(0, len(CORPUS), 29 if WHOLE else len(CORPUS)))
def tried(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tried]:
    """A pass over attacked deals, tasks edited by a person, a second pass, and what commands say of it."""
    at_once = 'first_run = "act_since"\nact_since = 2020-01-01'
    with site(tmp_path_factory.mktemp("attacked") / "site", first_run=at_once) as made:
        for desk in made.desks:
            renamed(desk)
        deals = {desk.name: attacked(desk, request.param) for desk in made.desks}
        outputs = [made.once()]
        for desk in made.desks:
            assert edited(desk, deals[desk.name]) >= len(CORPUS) // 2
        outputs.append(made.once())
        outputs.append(made.run("explain", deals["hs"][len(deals["hs"]) // 2]))
        yield Tried(made, deals, tuple(outputs), outputs[0].err + outputs[1].err)


def test_every_deal_is_decided_and_nothing_is_lost(tried: Tried) -> None:
    for desk in tried.site.desks:
        states = {deal: desk.see(deal).text("gate") for deal in tried.deals[desk.name]}
        assert all(gate in agreed.PASSED_GATES or gate == agreed.HELD for gate in states.values()), states
        passed = [deal for deal, gate in states.items() if gate in agreed.PASSED_GATES]
        assert len(passed) > len(states) // 2
        assert [deal for deal in passed if not desk.handed_off(deal)] == []


def test_no_call_was_malformed(tried: Tried) -> None:
    for desk in tried.site.desks:
        calls = desk.world.journal.calls()
        # Passes of one second share the second's searches; that one has to wait is no fault of what it says.
        refused = [each for each in calls if each.status >= 400 and each.status != HTTPStatus.TOO_MANY_REQUESTS]
        wrong = [(each.method, each.path, each.status) for each in refused]
        assert wrong == []


def test_a_second_pass_takes_no_attack_for_a_text_of_ours(tried: Tried) -> None:
    assert tried.outputs[1].code == 0
    for desk in tried.site.desks:
        with desk.world.lock:
            for deal in tried.deals[desk.name]:
                keys = [task.key for task in desk.crm.tasks_of(deal) if task.key]
                assert len(keys) == len(set(keys))
                assert sum(agreed.is_summary(note.title) for note in desk.crm.notes_of(deal)) <= 1


def test_what_was_written_holds_nothing_harmful_and_no_foreign_markup(tried: Tried) -> None:
    seen = 0
    for desk, name, kept in ((tried.site.hs, "notes", "hs_note_body"), (tried.site.sf, "Note", "Body")):
        for row in desk.world.table(name).live():
            text = str(row.values.get(kept) or "")
            assert not HARMFUL.search(text)
            seen += 1
            if desk.name == "hs":
                read = Read()
                read.feed(text)
                assert read.tags <= TAGS
                assert not read.attributes
    assert seen >= len(tried.deals["sf"])


def test_the_chat_calls_nobody(tried: Tried) -> None:
    messages = [message.body["text"] for message in tried.site.sf.world.messages]
    assert messages
    for text in messages:
        assert not re.search(r"[<>]|\]\(|(^|\s)@\w", text), text
        assert not HARMFUL.search(text.replace("\u200c", ""))


def test_commands_show_what_they_hold_and_nothing_acts(tried: Tried) -> None:
    for ran in tried.outputs:
        assert not HARMFUL.search(ran.out), ran.out
        assert "Traceback" not in ran.out + ran.err


def test_the_log_has_one_object_a_line_and_no_event_that_is_not_ours(tried: Tried) -> None:
    events = [json.loads(line) for line in tried.log.splitlines()]
    assert events
    assert all(re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", each["event"]) for each in events)
    assert "forged" not in {each["event"] for each in events}


def test_no_cell_of_an_export_begins_as_a_formula(tried: Tried, tmp_path: Path) -> None:
    files = [tmp_path / "trail.csv"]
    ran = tried.site.call("trail", "export", "--csv", "--out", str(files[0]))
    assert ran.code == 0, ran.text
    for name, deals in tried.deals.items():
        for deal in deals:
            folder = tmp_path / name / deal
            ran = tried.site.call("export", "--system", name, "--deal", deal, "--csv", str(folder))
            assert ran.code == 0, ran.text
            files += sorted(folder.glob("*.csv"))
    cells = [cell for file in files for row in rows_of(file) for cell in row]
    assert any("calc" in cell.casefold() for cell in cells), "the corpus reached the exports"
    assert [cell for cell in cells if any(begins_a_formula(line) for line in cell.splitlines() or [cell])] == []


def rows_of(file: Path) -> list[list[str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.reader(lines))


def begins_a_formula(line: str) -> bool:
    """Whether a spreadsheet might compute it: what it sees first is a sign that begins one, and it is no number."""
    seen = "".join(each for each in unicodedata.normalize("NFKC", line) if unicodedata.category(each) not in UNSEEN)
    return bool(re.match(r"[=+\-@|%\u2212]", seen)) and not re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", line)


def test_the_ledger_is_whole(tried: Tried) -> None:
    with contextlib.closing(sqlite3.connect(f"file:{tried.site.database}?mode=ro", uri=True)) as ledger:
        assert ledger.execute("pragma integrity_check").fetchone() == ("ok",)
        parked = ledger.execute("select count(*) from outbox where state = 'parked'").fetchone()
        assert parked == (0,)
