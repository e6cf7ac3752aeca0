"""Digests of answers: who said the same before, on which deals that counts, and when it is forgotten."""

from __future__ import annotations

from datetime import timedelta

from plans import NOW, SYSTEM, a_plan
from sqlalchemy import select

from connector.clock import ManualClock
from connector.handoff.plan import Prints
from connector.store import Decided, Store
from connector.store.answers import KEPT_FOR
from connector.store.schema import answer
from connector.store.subject import About, Subject

SINCE = NOW - timedelta(days=90)


def prints(owner: str = "ana", account: str = "A1", **of: str) -> Prints:
    return Prints(owner, account, of)


def note(store: Store, deal_id: str, given: Prints | None) -> None:
    store.record(SYSTEM, [Decided(plan=a_plan(deal_id, prints=given), look_version=0)], act=True)


def kept(store: Store) -> list[tuple[str, str, str]]:
    with store._db.read() as connection:
        query = select(answer.c.deal_id, answer.c.field, answer.c.print).order_by(answer.c.deal_id, answer.c.field)
        return [tuple(row) for row in connection.execute(query)]


def test_the_same_answer_counts_by_owner_account_and_order(store: Store, clock: ManualClock) -> None:
    note(store, "D1", prints(why="x", risks="y"))
    clock.advance(timedelta(hours=1))
    asked = {
        "D1": prints(why="x"),
        "D2": prints(account="A2", use="x"),
        "D3": prints(owner="tom", account="A3", why="x"),
        "D5": prints(account="", why="z"),
    }
    assert store.same_answers(SYSTEM, asked, since=SINCE) == {"D2": {"use": "D1"}}
    assert store.same_answers(SYSTEM, {"D4": prints(account="A1", why="x")}, since=SINCE) == {}, "the same customer"
    assert store.same_answers(SYSTEM, {"D2": asked["D2"]}, since=clock.now()) == {}, "too long ago"


def test_of_two_that_come_at_once_the_first_by_id_said_it(store: Store) -> None:
    asked = {"D8": prints(account="A8", why="x"), "D7": prints(account="A7", why="x")}
    assert store.same_answers(SYSTEM, asked, since=SINCE) == {"D8": {"why": "D7"}}


def test_an_answer_that_stays_keeps_its_time_and_one_that_goes_is_forgotten(store: Store, clock: ManualClock) -> None:
    note(store, "D1", prints(why="x", risks="y"))
    clock.advance(timedelta(days=1))
    note(store, "D1", prints(why="x", use="z"))
    assert kept(store) == [("D1", "use", "z"), ("D1", "why", "x")]
    with store._db.read() as connection:
        times = dict(connection.execute(select(answer.c.field, answer.c.at)).all())  # type: ignore[arg-type]
    assert times == {"why": NOW, "use": NOW + timedelta(days=1)}
    note(store, "D1", None)
    assert len(kept(store)) == 2, "a decision that says nothing of answers takes none away"


def test_what_is_a_year_old_goes_when_something_new_comes(store: Store, clock: ManualClock) -> None:
    note(store, "D1", prints(why="x"))
    clock.advance(KEPT_FOR + timedelta(days=1))
    note(store, "D2", prints(account="A2", why="z"))
    assert kept(store) == [("D2", "why", "z")]


def test_an_account_that_is_forgotten_takes_them_along(store: Store) -> None:
    note(store, "D1", prints(account="001ACME", why="x"))
    note(store, "D2", prints(account="001GLOBEX", why="z"))
    done = store.forget(Subject(SYSTEM, About.ACCOUNT, "001ACME"), by="vera")
    assert kept(store) == [("D2", "why", "z")]
    assert dict(done.left) == {}
