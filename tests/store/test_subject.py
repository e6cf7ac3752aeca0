"""Forgetting somebody: nothing is found afterwards, in any column, nor in the file; what others have stays."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from plans import NOW, REFUSED, SYSTEM, a_deal_patch, a_notice, a_plan, a_task, an_account_patch
from sending import claim, decide, settle
from sqlalchemy import insert, select

from connector.clock import ManualClock
from connector.handoff.measures.facts import Facts
from connector.handoff.measures.figure import Figure
from connector.handoff.plan import Patch, Phase
from connector.store import About, Applied, AuditKind, Keep, Park, State, Store, Subject, Wanted, open_store
from connector.store.rulings import RulingRow
from connector.store.schema import effect, figure, handoff, hold, letter, outbox, product_event

ACME, GLOBEX = "001ACME000000001", "001GLOB000000002"
ANA = Subject(SYSTEM, About.CONTACT, "003ANA0000000007", ("Ana Ferreira", "ana@acme.example"))
ACCOUNT = Subject(SYSTEM, About.ACCOUNT, ACME, ("Acme Möbel GmbH",))
WORDS = b"Ana Ferreira", b"ana@acme.example", "Acme Möbel".encode(), ACME.encode(), b"ACME M"


def sent(store: Store, deal_id: str, account_id: str, name: str, *, person: str) -> None:
    """A handoff that was carried out, with names in many places."""
    plan = (
        an_account_patch(account_id, reason=f"{name} is new."),
        a_task(deal_id=deal_id, values={"subject": f"Welcome {name}", "body": f"Call {person}."}),
        a_deal_patch(deal_id, values={"status": f"{name}: welcome"}, expected={"status": person}),
        a_notice(deal_id, text=f"{name} was won; {person} decided."),
    )
    decide(store, deal_id, *plan)
    while claimed := claim(store):
        settle(store, claimed, lambda row: Applied(row.action.ref.id if isinstance(row.action, Patch) else "new"))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with much in it, to be copied."""
    path = tmp_path_factory.mktemp("original") / "handoff.db"
    filled(open_store(f"sqlite:///{path}", clock=ManualClock(NOW))).close()
    return path


@pytest.fixture
def lite(original: Path, tmp_path: Path, clock: ManualClock) -> Iterator[Store]:
    """A copy of it: for what is the same on both databases."""
    shutil.copy(original, tmp_path / "copy.db")
    opened = open_store(f"sqlite:///{tmp_path / 'copy.db'}", clock=clock)
    yield opened
    opened.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def full(request: pytest.FixtureRequest, clock: ManualClock) -> Iterator[Store]:
    """The same on each database."""
    if request.param == "sqlite":
        yield request.getfixturevalue("lite")
        return
    opened = open_store(request.getfixturevalue("postgres_url"), clock=clock)
    yield filled(opened)
    opened.close()


def filled(store: Store) -> Store:
    """Two accounts' handoffs; a letter, a product event and a parked write that name one of them."""
    sent(store, "D1", ACME, "Acme Möbel GmbH", person="Ana Ferreira")
    sent(store, "D2", GLOBEX, "Globex", person="Ben Adu")
    decide(store, "D3", a_task(deal_id="D3", values={"subject": "Ask ANA FERREIRA", "quoted": 'of "acme MÖBEL GMBH"'}))
    claimed = claim(store)
    assert claimed is not None
    settle(store, claimed, lambda _row: Park(REFUSED))
    store.letterbox(SYSTEM).post([json.dumps({"objectId": ACME}), json.dumps({"objectId": GLOBEX})])
    with store._db.write() as connection:
        event = {"source": "s", "event": "opened", "at": NOW, "received_at": NOW, "properties": "{}", "group_id": ACME}
        connection.execute(insert(product_event), [event | {"message_id": "1", "user_id": "ana@acme.example"}])
        connection.execute(insert(product_event), [event | {"message_id": "2", "group_id": GLOBEX, "user_id": "ben"}])
        held = {"system": SYSTEM, "state": "held", "cause": "changed", "at": NOW, "who": "vera", "what": "{}"}
        connection.execute(insert(hold), [held | {"kind": "pause", "name": "", "why": "until Ana Ferreira has called"}])
        connection.execute(insert(hold), [held | {"kind": "deal", "name": "D5", "why": "Ana Ferreira left: 40 more"}])
    return store


def shown(store: Store) -> str:
    """Everything about the deal of the other account, as the store tells it."""
    view = store.handoff(SYSTEM, "D2")
    return f"{view} {store.rows(SYSTEM, 'D2')} {store.audit(SYSTEM, 'D2')} {store.facts(SYSTEM, ['D2'])}"


def test_an_account_is_forgotten_everywhere_and_nobody_else_is(full: Store) -> None:
    others = shown(full)
    found = full.stored(ACCOUNT)
    assert found.deals == found.in_flight == ("D1",)
    assert found.counts.keys() >= {"handoff", "outbox", "written", "audit", "letter", "product_event", "effect"}
    done = full.forget(ACCOUNT, by="vera")
    assert (dict(done.left), dict(full.mentions(ACCOUNT))) == ({}, {})
    assert shown(full) == others
    assert full.verify_trail(SYSTEM).broken is None
    assert full.verify_trail(SYSTEM).erased == done.counts["audit"]
    # What was made for it is still known, so that nothing is made twice.
    assert set(full.facts(SYSTEM, ["D1"])["D1"].effects) == {
        "patch-account", "welcome-packet", "patch-deal", "notify-csm_assigned",
    }  # fmt: skip
    assert full.letters_waiting(SYSTEM) == 1


def test_a_person_is_forgotten_wherever_they_are_named(full: Store) -> None:
    assert set(full.mentions(ANA)) >= {"outbox.action", "product_event.user_id"}
    done = full.forget(ANA, by="vera")
    assert (dict(done.left), dict(full.mentions(ANA))) == ({}, {})
    # The account stays, and the write that waited for a person is decided anew.
    assert full.handoff(SYSTEM, "D1") is not None
    assert full.mentions(ACCOUNT) != {}
    assert full.rows(SYSTEM, "D3") == ()
    assert {look.deal_id for look in full.due(SYSTEM, limit=9)} >= {"D3", "D5"}
    with full._db.read() as connection:
        assert connection.execute(select(hold.c.kind, hold.c.why)).all() == [("pause", "")]
    assert full.verify_trail(SYSTEM).broken is None


def test_the_receipt_names_nobody_and_can_be_shown_to_be_theirs(lite: Store) -> None:
    done = lite.forget(ANA, by="vera")
    (receipt,) = lite.trail(Wanted(kind=AuditKind.FORGOTTEN))
    assert (receipt.id, receipt.by) == (done.receipt, "vera")
    data = json.loads(receipt.data)
    assert data["subject"] == hashlib.sha256(f"{done.proof}\ncontact\n{ANA.id}".encode()).hexdigest()
    assert data["rows"] == dict(done.counts)
    erased = [row for row in lite.trail(Wanted()) if row.erased == done.receipt]
    assert len(erased) == done.counts["audit"] > 0
    assert {(row.reason, row.data, row.salt) for row in erased} == {("", "{}", None)}


def test_a_write_under_way_stays_until_it_is_known(lite: Store) -> None:
    decide(lite, "D4", a_task(deal_id="D4", values={"subject": "Call Ana Ferreira"}))
    claimed = claim(lite)
    assert claimed is not None
    done = lite.forget(ANA, by="vera")
    assert done.left == {"outbox.action": 1}
    assert [row.state for row in lite.rows(SYSTEM, "D4")] == [State.SENDING]
    settle(lite, claimed)
    assert lite.forget(ANA, by="vera").left == {}


def test_the_bytes_leave_the_file(sqlite_url: str, clock: ManualClock, tmp_path: Path) -> None:
    store = open_store(sqlite_url, clock=clock)
    for number in range(2):
        sent(store, f"D{number}", ACME, "Acme Möbel GmbH", person="Ana Ferreira <ana@acme.example>")
    for subject in (ACCOUNT, ANA):
        store.forget(subject, by="vera")
    store.compact()
    store.close()
    assert [word for word in WORDS for path in tmp_path.iterdir() if word in path.read_bytes()] == []


def test_ids_are_found_whole_only(lite: Store) -> None:
    decide(lite, "D1", a_deal_patch(values={"status": f"x{ACME}"}))
    assert Subject(SYSTEM, About.CONTACT, ACME).told_in(f"x{ACME}") is False
    assert set(lite.mentions(Subject(SYSTEM, About.CONTACT, "001ACME00000000"))) == set()


# what is merely old


@pytest.fixture
def aged(full: Store, clock: ManualClock) -> Store:
    clock.advance(timedelta(days=400))
    return full


def all_gone(store: Store, keep: Keep) -> dict[str, int]:
    went: dict[str, int] = {}
    while batch := store.trim(keep):
        for kind, count in batch.items():
            went[kind] = went.get(kind, 0) + count
    return went


def test_what_is_old_goes_and_what_is_needed_stays(aged: Store) -> None:
    before = aged.facts(SYSTEM, ["D1"])["D1"]
    went = all_gone(aged, Keep(writes=90, decisions=365, gone=365, trail=365, letters=7, events=90))
    assert went["writes"] == 8
    assert (went["decisions"], went["letters"], went["events"]) == (3, 2, 2)
    assert went["trail"] > 8
    assert "gone" not in went
    view = aged.handoff(SYSTEM, "D1")
    assert view is not None
    assert (view.plan, view.phase) == (None, Phase.IN_FLIGHT)
    assert aged.facts(SYSTEM, ["D1"])["D1"] == before
    assert len(aged.parked(SYSTEM)) == 1
    found = aged.verify_trail(SYSTEM)
    assert (found.broken, found.erased) == (None, went["trail"])
    assert all_gone(aged, Keep(trail=365)) == {}


def test_zero_keeps_for_ever_and_a_day_too_few_does_not_count(lite: Store, clock: ManualClock) -> None:
    clock.advance(timedelta(days=400))
    assert lite.trim(Keep(writes=0, decisions=0, gone=0, trail=0, letters=0, events=0)) == {}
    assert lite.trim(Keep(writes=401, decisions=401, gone=401, trail=401, letters=401, events=401)) == {}


def test_a_deal_that_left_the_crm_long_ago_is_let_go_of(lite: Store, clock: ManualClock) -> None:
    lite.withdraw(SYSTEM, ["D1", "D3"])
    lite.put_right([Figure(SYSTEM, one, 1, facts=Facts(at=NOW), title="Acme") for one in ("D1", "D2")])
    breach = RulingRow("slow", "2026-W10", NOW, breached=True, deal_id="D2", subject="Slow", text="Acme")
    lite.put_ruling(SYSTEM, breach)
    clock.advance(timedelta(days=366))
    assert all_gone(lite, Keep(trail=0))["gone"] == 2
    assert lite.handoff(SYSTEM, "D1") is None
    with lite._db.read() as connection:
        assert set(connection.execute(select(effect.c.deal_id)).scalars()) == {"D2"}
        assert set(connection.execute(select(handoff.c.deal_id)).scalars()) == {"D2"}
        named = connection.execute(select(figure.c.deal_id, figure.c.title).order_by(figure.c.deal_id)).all()
        assert [tuple(each) for each in named] == [("D1", ""), ("D2", "Acme")]
        assert connection.execute(select(letter.c.id)).all() == []
        assert set(connection.execute(select(outbox.c.deal_id)).scalars()) == set()
    assert lite.facts(SYSTEM, ["D2"])["D2"].written != {}
    assert lite.rulings(SYSTEM) == (replace(breach, subject="", text=""),)
    assert a_plan("D2").phase is Phase.IN_FLIGHT
