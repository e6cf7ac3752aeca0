"""Events are counted once each, by names that tell nobody, found again by the account, and let go of."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from typing import Any

import pytest
from factories import SYSTEM, a_snapshot
from product_parts import a_product, a_product_policy, shown
from sqlalchemy import select

from connector.clock import ManualClock
from connector.handoff.counted import Sort
from connector.handoff.decide import decide
from connector.handoff.identity import account_names, domain_of
from connector.handoff.model import Ref
from connector.handoff.productbook import By, Identity
from connector.store import About, Asked, Decided, Keep, Store, Subject, open_store
from connector.store.productevents import ProductEvent
from connector.store.schema import inbox, product_event, tally

PRODUCT = a_product()
MEASURES = [one.name for one in PRODUCT.measures]
POLICY = a_product_policy()


@pytest.fixture
def store(url: str, clock: ManualClock) -> Any:
    made = open_store(url, clock=clock)
    made.set_baseline(SYSTEM, clock.now() - timedelta(days=1))
    yield made
    made.close()


def send(store: Store, clock: ManualClock, event: str, *, id: str, times: int = 1, **changes: Any) -> None:
    at = changes.pop("at", clock.now())
    properties = json.dumps(changes.pop("properties", {}))
    told = {"user_id": "ana@acme.example", "group_id": "acme-42", **changes}
    letters = [
        ProductEvent(f"{id}-{number}", event, at.isoformat(), told["user_id"], told["group_id"], properties).letter()
        for number in range(times)
    ]
    store.event_box("app").post(letters)


def a_handoff(store: Store, clock: ManualClock, deal: str = "006A", account: str = "001A", **values: Any) -> None:
    """A deal in handoff whose account answers to these names."""
    plain = a_snapshot(account=shown(**values), won_at=clock.now() - timedelta(hours=1))
    plain = _of(plain, deal, account)
    plan = decide(plain, POLICY, clock.now())
    store.record(SYSTEM, [Decided(plan=plan)], act=True)


def _of(snapshot: Any, deal: str, account: str) -> Any:
    key = dataclasses.replace(snapshot.key, deal_id=deal)
    record = dataclasses.replace(snapshot.deal, ref=Ref(snapshot.deal.ref.kind, deal))
    owner = dataclasses.replace(snapshot.account, ref=Ref(snapshot.account.ref.kind, account))
    return dataclasses.replace(snapshot, key=key, deal=record, account=owner)


def asked(account: str = "001A", **values: Any) -> Asked:
    fields = {f"account.{name}": value for name, value in shown(**values).items()}
    named = account_names(PRODUCT.identities, account_id=account, value=fields.get)
    ways = frozenset(
        way.kind for way in PRODUCT.identities if account_names((way,), account_id=account, value=fields.get)
    )
    return Asked(account, named, ways)


def test_each_event_counts_once_by_day_and_by_value(store: Store, clock: ManualClock) -> None:
    send(store, clock, "Signed In", id="a", times=3)
    send(store, clock, "Signed In", id="a", times=3)
    send(store, clock, "Source Connected", id="b", properties={"source": "crm"})
    send(store, clock, "Docs Opened", id="c", times=2, properties={"session": "s1", "article": "Webhooks"})
    assert store.read_events(PRODUCT).events == 6
    assert store.read_events(PRODUCT).events == 0
    found = store.product_facts(SYSTEM, {"006A": asked()}, MEASURES)["006A"]
    assert {(one.measure, one.sort, one.count) for rows in found.tallies.values() for one in rows} == {
        ("login", Sort.EVENTS, 3),
        ("connected", Sort.EVENTS, 1),
        ("connected", Sort.VALUE, 1),
        ("help", Sort.EVENTS, 2),
        ("help", Sort.VALUE, 2),
        ("help", Sort.SESSION, 2),
    }
    assert (found.since, found.heard_at, found.named, found.unnamed) == (clock.now(), clock.now(), True, ())


def test_what_comes_later_adds_to_the_day(store: Store, clock: ManualClock) -> None:
    for number in range(3):
        send(store, clock, "Signed In", id=f"d{number}")
        store.read_events(PRODUCT)
        clock.advance(timedelta(hours=1))
    (row,) = store.product_facts(SYSTEM, {"006A": asked()}, MEASURES)["006A"].tallies["login"]
    assert (row.count, row.last - row.first) == (3, timedelta(hours=2))


def test_an_event_counts_by_the_first_name_it_has_and_by_no_other(store: Store, clock: ManualClock) -> None:
    send(store, clock, "Signed In", id="a")
    send(store, clock, "Signed In", id="b", group_id=None)
    store.read_events(PRODUCT)
    both = store.product_facts(SYSTEM, {"006A": asked(website="https://www.acme.example/en")}, MEASURES)["006A"]
    assert sum(row.count for row in both.tallies["login"]) == 2
    by_domain = store.product_facts(SYSTEM, {"006A": asked(product_id=None, website="acme.example")}, MEASURES)["006A"]
    assert sum(row.count for row in by_domain.tallies["login"]) == 1
    assert by_domain.unnamed == ("field:account.product_id",), "its events may go by a name that it does not have"


def test_no_user_is_kept_once_an_event_is_counted(store: Store, clock: ManualClock) -> None:
    send(store, clock, "Signed In", id="a", properties={"email": "ana@acme.example", "plan": "pro"})
    send(store, clock, "Signed In", id="b", user_id="u-4711")
    store.read_events(PRODUCT)
    with store._db.read() as connection:
        rows = [*connection.execute(select(product_event)), *connection.execute(select(tally))]
    text = " ".join(str(value) for row in rows for value in row)
    assert "ana" not in text
    assert "u-4711" not in text
    assert {row.user_id for row in rows if hasattr(row, "user_id")} == {"@acme.example", None}


def test_a_handoff_that_begins_later_finds_what_was_counted_before(store: Store, clock: ManualClock) -> None:
    send(store, clock, "Signed In", id="a")
    assert store.read_events(PRODUCT).deals == 0
    a_handoff(store, clock)
    found = store.product_facts(SYSTEM, {"006A": asked()}, MEASURES)["006A"]
    assert len(found.tallies["login"]) == 1
    assert store.unmatched_events(SYSTEM, PRODUCT) == ()


def due(store: Store) -> dict[str, Any]:
    with store._db.read() as connection:
        return {row.deal_id: row for row in connection.execute(select(inbox).where(inbox.c.due_at.is_not(None)))}


def test_an_event_that_may_matter_asks_for_a_look_and_a_thousand_more_do_not(store: Store, clock: ManualClock) -> None:
    a_handoff(store, clock)
    send(store, clock, "Signed In", id="a")
    assert store.read_events(PRODUCT).deals == 1
    assert "the customer was active" in {row.reason for row in due(store).values()} or "006A" in due(store)
    send(store, clock, "Signed In", id="b", times=2)
    assert store.read_events(PRODUCT).deals == 1, "three logins are asked for"
    send(store, clock, "Signed In", id="c", times=1000)
    assert store.read_events(PRODUCT).deals == 0
    send(store, clock, "Page Viewed", id="d")
    assert store.read_events(PRODUCT).deals == 0, "nobody asks for it"


def test_two_accounts_of_one_name_count_for_neither_and_the_report_says_so(store: Store, clock: ManualClock) -> None:
    a_handoff(store, clock, "006A", "001A")
    a_handoff(store, clock, "006B", "001B")
    send(store, clock, "Signed In", id="a")
    send(store, clock, "Signed In", id="b", group_id="other", times=2)
    send(store, clock, "Signed In", id="c", group_id=None, user_id="ben@gmail.com")
    store.read_events(PRODUCT)
    found = store.product_facts(SYSTEM, {"006A": asked()}, MEASURES)["006A"]
    assert (found.ambiguous, found.tallies) == (True, {})
    told = {(one.name, one.count, one.way): one.why for one in store.unmatched_events(SYSTEM, PRODUCT)}
    assert told == {
        ("other", 2, "group_id as field account.product_id"): "no account of a deal in handoff answers to this name",
        ("acme-42", 1, "group_id as field account.product_id"): (
            "2 accounts answer to this name, so it is counted for none of them"
        ),
        ("@gmail.com", 1, "user_id as domain account.website"): (
            "it names no account: none of the ways of product.toml finds a name in it"
        ),
    }


def test_old_counts_go_and_so_do_those_of_who_is_forgotten(store: Store, clock: ManualClock) -> None:
    a_handoff(store, clock)
    send(store, clock, "Signed In", id="a")
    send(store, clock, "Signed In", id="b", group_id="other", at=clock.now() - timedelta(hours=1))
    store.read_events(PRODUCT)
    done = store.forget(Subject(SYSTEM, About.ACCOUNT, "001A", ("acme",)), by="vera")
    assert {"tally", "known_as", "product_event"} <= done.counts.keys()
    assert store.product_facts(SYSTEM, {"006A": asked()}, MEASURES)["006A"].tallies == {}
    assert len(store.product_facts(SYSTEM, {"x": asked(product_id="other")}, MEASURES)["x"].tallies) == 1
    clock.advance(timedelta(days=731))
    store.trim(Keep())
    assert store.product_facts(SYSTEM, {"x": asked(product_id="other")}, MEASURES)["x"].tallies == {}


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("ana@Acme.example", "acme.example"),
        ("https://www.acme.example/about?x=1", "acme.example"),
        ("acme.example:8080", "acme.example"),
        ("http://acme.example", "acme.example"),
        ("ana@gmail.com", ""),
        ("u-4711", ""),
        ("", ""),
        ("not a domain.x", ""),
    ],
)
def test_the_domain_in_an_address(text: str, domain: str) -> None:
    assert domain_of(text) == domain


def test_both_spellings_of_a_salesforce_id_are_one_name() -> None:
    way = (Identity("group_id", By.CRM_ID),)
    long = account_names(way, account_id="001HO00000000AbYAM", value=lambda _path: None)
    short = account_names(way, account_id="001HO00000000Ab", value=lambda _path: None)
    assert long == short
    assert account_names(way, account_id="123456789012345678", value=lambda _path: None) != account_names(
        way, account_id="123456789012345", value=lambda _path: None
    )


def test_a_person_whose_address_is_a_name_is_forgotten_by_it(store: Store, clock: ManualClock) -> None:
    by_address = dataclasses.replace(PRODUCT, identities=(Identity("user_id", By.FIELD, "account.product_id"),))
    send(store, clock, "Signed In", id="a", user_id="Ana@Acme.example")
    send(store, clock, "Signed In", id="b", user_id="ben@acme.example")
    store.read_events(by_address)
    done = store.forget(Subject(SYSTEM, About.CONTACT, "003ANA", ("ana@acme.example",)), by="vera")
    assert done.counts["tally"] == 2
    with store._db.read() as connection:
        assert len(connection.execute(select(tally)).all()) == 2
