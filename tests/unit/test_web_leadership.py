"""The page for leadership over ASGI: numbers that are the catalogue's, lists that hold what their numbers count, words
for who asks for what there is not, files, and nothing for strangers.

Not here: what a measure means (``test_core_measures``) and a real browser (``tests/e2e/test_leadership.py``).
"""

from __future__ import annotations

import asyncio
import csv
import html
import io
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from plans import a_check, a_notice, a_plan, a_task
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from rich.console import Console
from sqlalchemy.exc import OperationalError

from bench.many import NOW, fill, made_up, put
from connector.cli import show
from connector.clock import ManualClock
from connector.handoff.measures.catalogue import MEASURES, PER_HANDOFF
from connector.handoff.measures.figure import Figure
from connector.handoff.measures.summing import aim, shown, sum_of
from connector.handoff.model import HandoffKey, SystemName
from connector.handoff.plan import Finding, TaskState, Verdict
from connector.handoff.rulebook.watch import Targets
from connector.settings import WebSettings
from connector.store import Decided, Store, open_store
from connector.store.figures import ALL
from connector.web.app import Pages, create_app
from connector.web.leadership.asked import EVER, Asked, Unclear, read
from connector.web.leadership.board import LEAD, Book, board_of
from connector.web.leadership.deals import listing_of
from connector.web.leadership.letter import digest_of
from connector.web.status import DecisionRow, Status

SF = SystemName("sf")
TODAY = NOW.date()
MANY = 200
TOKEN = "0123456789abcdef" * 2
HOSTILE = '=cmd|"<script>alert(1)</script>'


@dataclass
class Reader:
    """A browser without a script at the page."""

    store: Store
    web: WebSettings
    base: str = "http://127.0.0.1:8787"

    def __post_init__(self) -> None:
        decided = DecisionRow(NOW, SF, "006A", "held", "Held", ("It waits.",))
        status = Status(at=NOW, systems=(), parked=(), decisions=(decided,))
        self.app = create_app(Pages(lambda: status, CollectorRegistry(), self.web, book=a_book(self.store)))

    def get(self, path: str) -> httpx.Response:
        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url=self.base, trust_env=False) as client:
                return await client.get(path)

        with ThreadPoolExecutor(1) as alone:
            return alone.submit(asyncio.run, once()).result()


def a_book(store: Store, **targets: Any) -> Book:
    return Book(store, Targets(**targets), ZoneInfo("UTC"), ("sf", "hs"), lambda: NOW)


def a_web(**changes: Any) -> WebSettings:
    plain: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "enabled": True, "hooks_host": "", "hooks_port": 0}
    return WebSettings(**{**plain, **changes})


@pytest.fixture(scope="module")
def filled() -> Iterator[Store]:
    """Handoffs of a year on one system, and a few on another; nobody writes to it."""
    store = open_store("sqlite://", clock=ManualClock(NOW))
    fill(store, MANY)
    fill(store, 20, seed=8, system="hs")
    yield store
    store.close()


@pytest.fixture
def empty() -> Iterator[Store]:
    store = open_store("sqlite://", clock=ManualClock(NOW))
    yield store
    store.close()


@pytest.fixture(scope="module")
def page(filled: Store) -> Reader:
    return Reader(filled, a_web())


def all_made() -> list[Figure]:
    return [*made_up(MANY, seed=7), *made_up(20, seed=8, system="hs")]


def words(text: str) -> str:
    """A page's words, without its tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


# numbers


def test_every_number_is_what_the_catalogue_makes_of_the_values(filled: Store) -> None:
    targets, made = Targets(), all_made()
    board = board_of(a_book(filled), Asked(since=EVER, today=TODAY))
    tolds = {card.told.key: card.told for card in (*board.cards, *board.others)}
    assert set(tolds) == set(MEASURES)
    for measure in PER_HANDOFF:
        told = tolds[measure.key]
        found = sum_of(measure, [one.values[measure.key] for one in made], aim=aim(measure, targets))
        assert (told.said, told.counted) == (shown(measure, found).text, found.counted)
        if told.met is not None:
            assert (told.met, told.missed) == (found.met, found.counted - found.met)


def test_the_trend_adds_up_to_the_number_and_each_week_to_its_own_deals(filled: Store) -> None:
    board = board_of(a_book(filled), Asked(today=TODAY))
    since = board.asked.first
    assert since == date(2026, 8, 24)
    for card in board.cards:
        assert sum(week.counted for week in card.weeks) == card.told.counted
        assert [week.monday for week in card.weeks][:2] == ["2026-08-24", "2026-08-31"]
        for week in card.weeks:
            first = date.fromisoformat(week.monday)
            mine = [one for one in all_made() if one.won_on and first <= one.won_on < first + timedelta(days=7)]
            assert week.counted == sum(one.values[card.told.key] is not None for one in mine)


def test_the_numbers_stand_on_the_page_with_target_verdict_and_definition(page: Reader) -> None:
    text = words(page.get("/leadership?since=all").text)
    board = board_of(a_book(page.store), Asked(since=EVER, today=TODAY))
    for card in board.cards:
        measure = MEASURES[card.told.key]
        assert f"{card.told.title} {card.told.said} {card.told.verdict_words}" in text
        assert f"Target {card.told.target_said}" in text or not card.told.target_said
        assert " ".join(measure.counts.split()) in text
    assert {card.told.verdict for card in board.cards} == {"met", "missed"}


def test_another_target_is_another_verdict(filled: Store) -> None:
    strict, mild = (
        board_of(a_book(filled, completion_percent=Decimal(percent)), Asked(since=EVER, today=TODAY)).cards[0].told
        for percent in (99, 50)
    )
    assert (strict.verdict, mild.verdict) == ("missed", "met")
    assert strict.said == mild.said


def test_three_deals_judge_nobody(empty: Store) -> None:
    put(empty, [replace(one, won_on=TODAY) for one in made_up(3, seed=7)])
    told = board_of(a_book(empty), Asked(today=TODAY)).cards[0].told
    assert told.counted == 3
    assert (told.few, told.verdict) == (True, "")
    assert "too few to judge" in words(Reader(empty, a_web()).get("/leadership").text)


def test_cohorts_add_up_and_lead_to_the_page_of_their_own(page: Reader) -> None:
    board = board_of(a_book(page.store), Asked(since=EVER, by="segment", today=TODAY))
    assert [each.label for each in board.cohorts] == ["Enterprise", "Mid-Market", "SMB"]
    assert sum(each.handoffs for each in board.cohorts) == MANY + 20
    for key, cells in zip(LEAD, zip(*(each.told for each in board.cohorts), strict=True), strict=True):
        total = next(card.told.counted for card in board.cards if card.told.key == key)
        assert sum(cell.counted for cell in cells) == total
        assert all(cell.low is None or cell.low <= (cell.value or 0) <= (cell.high or 0) for cell in cells)
    narrowed = board_of(a_book(page.store), read(query_of(board.cohorts[1].address), today=TODAY))
    assert narrowed.cards[0].told.said == board.cohorts[1].told[0].said
    assert narrowed.asked.segment == "Mid-Market"


def query_of(address: str) -> dict[str, str]:
    return dict(httpx.URL(address).params)


def test_the_board_is_made_of_few_questions(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    read_again = filled._db.read

    def reading() -> Any:
        asked.append("")
        return read_again()

    monkeypatch.setattr(filled._db, "read", reading)
    board_of(a_book(filled), Asked(today=TODAY))
    assert len(asked) <= 12


# what stands behind


def test_every_number_opens_as_many_deals_as_it_says(page: Reader) -> None:
    """Each link of the page that says a count, followed."""
    shown_page = page.get("/leadership?since=all").text
    links = {
        (html.unescape(address), int(re.sub(r"\D", "", label)))
        for address, label in re.findall(r'<a href="(/leadership/deals\?[^"]+)"[^>]*>([\d,]+)', shown_page)
    }
    assert len(links) > 50
    for address, count in sorted(links):
        asked = read(query_of(address), today=TODAY)
        assert page.store.how_many(asked.selection, listing_of(asked.of), targets=Targets()) == count, address
    address, count = max(links, key=lambda each: each[1])
    assert f"{count:,} handoffs of deals won" in words(page.get(address).text)


def test_a_long_list_has_pages_which_hold_every_deal_once(page: Reader) -> None:
    seen: list[str] = []
    address = "/leadership/deals?since=all&of=ttft:counted"
    while address:
        text = page.get(address).text
        seen += re.findall(r'<th scope="row"><a href="/leadership/deal/([^"]+)"', text)
        found = re.search(r'rel="next" href="([^"]+)"', text)
        address = html.unescape(found[1]) if found else ""
    expected = [f"{one.system}/{one.deal_id}" for one in all_made() if one.values["ttft"] is not None]
    assert sorted(seen) == sorted(expected)


def test_who_waits_for_a_first_touch_is_not_passed_over_in_silence(page: Reader) -> None:
    """The mean is over those that were touched: beside it stands how many were not."""
    standing = [one for one in all_made() if one.facts.stands]
    waits = {one.deal_id for one in standing if one.values["ttft"] is None}
    board = board_of(a_book(page.store), Asked(since=EVER, today=TODAY))
    for one in (*board.cards, *board.others):
        if one.left_at:
            assert one.left == page.store.how_many(ALL, listing_of(f"{one.told.key}:open"))
    ttft = next(one for one in board.cards if one.told.key == "ttft")
    assert ttft.left == len(waits) > 0
    assert f"{len(waits)} without a figure for Time to first touch" in words(page.get("/leadership?since=all").text)
    listed = csv.DictReader(io.StringIO(page.get("/leadership/deals.csv?since=all&of=ttft:open").text.lstrip("\ufeff")))
    assert {row["deal_id"] for row in listed} == waits


def test_the_worst_stand_first(page: Reader) -> None:
    rows = list(
        csv.DictReader(io.StringIO(page.get("/leadership/deals.csv?since=all&of=ttft:missed").text.lstrip("\ufeff")))
    )
    hours = [float(row["Time to first touch"].removesuffix(" h")) for row in rows]
    assert hours == sorted(hours, reverse=True)
    assert min(hours) > 24


def test_who_is_stuck_and_what_is_due_stand_there(page: Reader) -> None:
    board = board_of(a_book(page.store), Asked(since=EVER, today=TODAY))
    stuck = [one for one in all_made() if one.stuck]
    due = sorted((one.promise_due for one in all_made() if one.promise_due), reverse=False)
    assert {one.deal_id for one in board.stuck} == {one.deal_id for one in stuck}
    assert board.due_more
    assert [each.due for each in board.due] == due[:8]
    assert [each.late for each in board.due] == [day < TODAY for day in due[:8]]
    listed = words(page.get("/leadership/deals?since=all&of=stuck").text)
    assert f"{len(stuck)} handoffs" in listed
    assert all(one.title in listed for one in stuck)


def test_every_won_deal_has_a_handoff_or_a_reason(page: Reader) -> None:
    board = board_of(a_book(page.store), Asked(since=EVER, today=TODAY))
    assert board.won == MANY + 20
    assert board.unexplained == 0
    assert {each.words for each in board.coverage} == {
        "There is a handoff.",
        "It is held at the gate.",
        "It waits for a CSM.",
    }


# one deal


def test_a_deal_says_why_in_the_sentences_of_explain(empty: Store) -> None:
    late = TaskState("kickoff", "Kickoff", "maya@seller.example", date(2026, 11, 27), "late", "Nobody met them yet.")
    gate = Finding("gate", Verdict.BLOCKED, "1 required field is empty.", checks=(a_check(),))
    chosen = a_plan().assignment
    csm = Finding("assignment", Verdict.ACT, "Maya has the fewest accounts.", assignment=chosen)
    plan = a_plan(
        "006A",
        a_task(deal_id="006A"),
        a_notice("006A"),
        key=HandoffKey(SF, "006A"),
        findings=(gate, csm),
        tasks=(late,),
    )
    (made,) = made_up(1, seed=3)
    plan = replace(
        plan, figure=replace(made, deal_id="006A", title="Nordlys rollout", won_on=TODAY, lacks=("kickoff",))
    )
    empty.record(SF, [Decided(plan)], act=True)
    shown_page = words(Reader(empty, a_web()).get("/leadership/deal/sf/006A").text)
    console = Console(width=1000, file=io.StringIO(), record=True)
    console.print(show.explain(plan, deal_name="Nordlys rollout"))
    for line in console.export_text().splitlines():
        for cell in filter(None, (part.strip() for part in re.split(r"[│┃|]|\s{2,}", line))):
            if re.search(r"\w", cell) and not cell.startswith("Next look"):
                assert cell in shown_page, cell
    for sentence in ("1 required field is empty.", "fewest accounts", "Nobody met them yet.", "She was chosen."):
        assert sentence in shown_page
    assert "decided" in shown_page


@pytest.mark.parametrize("path", ["/leadership/deal/sf/006NONE", "/leadership/deal/nowhere/006A"])
def test_a_deal_that_nobody_knows_is_said_to_be_unknown(page: Reader, path: str) -> None:
    answer = page.get(path)
    assert answer.status_code == 404
    assert "The ledger knows no deal" in words(answer.text)


# the address


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("since=yesterday", "'yesterday' is no day; write since as 2026-10-01."),
        ("until=2026-13-01", "is no day"),
        ("since=20261001", "is no day"),
        ("since=2026-11-02&until=2026-11-01", "the first day comes after the last"),
        ("weekday=9", "'9' is no weekday; write a number up to 6."),
        ("hour=x", "is no hour"),
        ("by=shoes", "Handoffs cannot be cut by 'shoes'"),
        ("csm=" + "x" * 300, "longer than a name"),
        ("page=-1", "is no page"),
        ("page=99999999999999999999", "is no page"),
    ],
)
def test_an_address_that_makes_no_sense_is_told_what_to_write(page: Reader, address: str, said: str) -> None:
    answer = page.get(f"/leadership?{address}")
    assert answer.status_code == 400
    assert said in words(answer.text)


@pytest.mark.parametrize("of", ["shoes", "ttft:best", "velocity:counted", "funnel:moon", "coverage:", "ttft"])
def test_a_list_that_there_is_not_is_said_not_to_be(page: Reader, of: str) -> None:
    answer = page.get(f"/leadership/deals?of={of}")
    assert answer.status_code == 400
    assert "There is no list of deals called" in words(answer.text)


def test_an_address_says_all_that_was_asked_and_no_more() -> None:
    asked = Asked(csm="005 Ä&b", since=EVER, by="ae", of="ttft:met", page=3, today=TODAY)
    assert asked.address() == "/leadership?since=all&csm=005+%C3%84%26b&by=ae"
    assert asked.address("/leadership/deals", page=4).endswith("&of=ttft%3Amet&page=4")
    assert read(query_of(asked.address("/leadership/deals", page=3)), today=TODAY) == asked
    assert Asked(today=TODAY).address() == "/leadership"
    with pytest.raises(Unclear):
        read({"since": "never"}, today=TODAY)


@pytest.mark.parametrize(
    ("address", "fits"),
    [
        ("csm=005CS001", lambda one: one.csm.id == "005CS001"),
        ("ae=Seller+3", lambda one: one.ae.name == "Seller 3"),
        ("segment=SMB&tier=A", lambda one: one.segment == "SMB" and one.tier == "A"),
        ("source=Partner&system=sf", lambda one: one.source == "Partner" and one.system == "sf"),
        ("weekday=0&hour=9", lambda one: one.won_weekday == 0 and one.won_hour == 9),
        ("since=2026-05-01&until=2026-05-31", lambda one: date(2026, 5, 1) <= one.won_on <= date(2026, 5, 31)),
    ],
)
def test_filters_leave_those_that_fit(page: Reader, address: str, fits: Any) -> None:
    given = "" if "since" in address else "&since=all"
    rows = csv.DictReader(io.StringIO(page.get(f"/leadership/deals.csv?{address}{given}").text.lstrip("\ufeff")))
    found = sorted((row["system"], row["deal_id"]) for row in rows)
    assert found == sorted((one.system, one.deal_id) for one in all_made() if fits(one))
    assert found


# files


def test_the_table_has_every_number_and_no_formula(empty: Store) -> None:
    made = [replace(one, won_on=TODAY, ae=replace(one.ae, name=HOSTILE), title=HOSTILE) for one in made_up(12, seed=7)]
    put(empty, made)
    reader = Reader(empty, a_web())
    answer = reader.get("/leadership.csv?by=ae")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="handoffs.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    totals = {row["measure"]: row for row in rows if row["section"] == "total"}
    assert set(totals) == set(MEASURES)
    for card in board_of(a_book(empty), Asked(today=TODAY)).cards:
        assert totals[card.told.key]["text"] == card.told.said
        assert totals[card.told.key]["handoffs"] == str(card.told.counted)
    assert {row["section"] for row in rows} == {"total", "week", "ae", "funnel", "coverage"}
    for text in (answer.text, reader.get("/leadership/deals.csv").text):
        assert "'=cmd" in text
        assert not re.search(r'(^|,)"?=cmd', text, re.MULTILINE)


def test_the_papers_are_pdfs(page: Reader) -> None:
    pytest.importorskip("typst")
    for path, name in (
        ("/leadership.pdf?since=all", "handoffs"),
        ("/leadership/deals.pdf?of=stuck&since=all", "deals"),
    ):
        answer = page.get(path)
        assert answer.status_code == 200
        assert answer.content.startswith(b"%PDF-")
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}.pdf"'


# who may look, and what a page may hold

PATHS = ("/leadership", "/leadership.csv", "/leadership.pdf", "/leadership/deals", "/leadership/deals.csv")


@pytest.mark.parametrize("path", [*PATHS, "/leadership/deals.pdf", "/leadership/deal/sf/006000000000000AAA"])
def test_strangers_are_sent_to_sign_in(filled: Store, path: str) -> None:
    far = Reader(filled, a_web(host="0.0.0.0", token=SecretStr(TOKEN)), base="http://192.0.2.1:8787")
    answer = far.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/signin")
    assert answer.text == ""


def test_nothing_is_loaded_from_elsewhere_and_no_text_becomes_markup(empty: Store) -> None:
    made = [
        replace(
            one, won_on=TODAY, title=HOSTILE, account_name=HOSTILE, csm=replace(one.csm, name=HOSTILE), stuck=(HOSTILE,)
        )
        for one in made_up(12, seed=7)
    ]
    put(empty, made)
    for path in (
        "/leadership",
        "/leadership/deals?of=stuck",
        "/leadership?csm=" + httpx.URL(HOSTILE).path[:0] + "%3Cb%3E",
    ):
        answer = Reader(empty, a_web()).get(path)
        assert "<script" not in answer.text
        assert " style=" not in answer.text
        assert not re.search(r'(?:src|href)="(?!/|#)', answer.text)
        assert not re.search(r"\son\w+=", re.sub(r'"[^"]*"', "", answer.text))
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"


def test_where_there_is_nothing_yet_it_says_what_to_do(empty: Store) -> None:
    reader = Reader(empty, a_web())
    text = words(reader.get("/leadership").text)
    assert "There is no handoff yet." in text
    assert "handoff check" in text
    assert "No handoff fits." in words(reader.get("/leadership/deals").text)
    put(empty, list(made_up(5, seed=7, days=1)))
    text = words(reader.get("/leadership?until=2020-01-01&since=2019-01-01").text)
    assert "No deal that was won in these days fits these filters. Take all days" in text


@pytest.mark.parametrize("path", [*PATHS, "/leadership/deal/sf/006A"])
def test_while_the_database_is_away_it_says_so(empty: Store, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    def away() -> Any:
        raise OperationalError("select", {}, Exception("disk I/O error"))

    monkeypatch.setattr(empty._db, "read", away)
    answer = Reader(empty, a_web()).get(path)
    assert answer.status_code == 503
    assert "The database fails, so there are no numbers: " in words(answer.text)


# the week's mail


def test_the_mail_says_the_pages_numbers_and_names_nobody(filled: Store) -> None:
    book = a_book(filled)
    digest = digest_of(book, public_url="https://handoff.seller.example", now=NOW)
    board = board_of(book, Asked(today=TODAY))
    for card in board.cards:
        assert f"{card.told.title}: {card.told.said}" in digest.text
        assert html.escape(card.told.said) in digest.html
    assert "https://handoff.seller.example/leadership" in digest.text
    assert 'href="https://handoff.seller.example/leadership"' in digest.html
    for text in (digest.subject, digest.text, digest.html):
        assert not re.search(r"Deal \d|Customer \d|Seller \d|Keeper \d|006\d", text)
    assert digest.subject.startswith("Handoffs, week to 2026-11-20: ")
    assert digest.subject.endswith("on target")


def test_a_deal_on_the_operators_page_opens_why_it_stands_as_it_does(page: Reader) -> None:
    assert f'href="/leadership/deal/{SF}/006A"' in page.get("/").text
