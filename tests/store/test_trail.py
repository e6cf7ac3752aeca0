"""The trail is a chain: whatever is done to it behind the program's back is found, and where."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest
from plans import NOW, SYSTEM, a_deal_patch, a_notice, a_plan, a_task
from postgres_server import server_of
from sending import claim, decide, send_all, settle
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from connector.clock import ManualClock
from connector.handoff.model import Gate, SystemName
from connector.handoff.plan import Finding, LetThrough, Verdict
from connector.store import Anchor, AuditKind, Damage, Store, TrailRow, Wanted, open_store, trail
from connector.store import told as trail_told
from connector.store.audit import Entry, write_audit
from connector.store.chain import Link, link_hash, payload_digest


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A new, empty database of each kind for all tests of this file; each test takes a system of its own."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('trail') / 'handoff.db'}"
        return
    with server_of(request.config).database() as url:
        yield url


@pytest.fixture(scope="module")
def store(address: str) -> Iterator[Store]:
    """Open for all tests of this file."""
    opened = open_store(address, clock=ManualClock(NOW))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def raw(store: Store, address: str) -> Iterator[Engine]:  # the store makes the tables
    """The same database without the store in between."""
    engine = create_engine(address)
    yield engine
    engine.dispose()


NUMBERS = itertools.count(1)


@pytest.fixture
def system() -> SystemName:
    """A system that nobody else writes to."""
    return SystemName(f"s{next(NUMBERS)}")


def write(store: Store, system: SystemName, count: int) -> None:
    with store._db.write() as connection:
        write_audit(connection, NOW, [entry(number, system) for number in range(count)])


def entry(number: int, system: SystemName) -> Entry:
    return Entry(system, f"D{number}", 1, AuditKind.DECIDED, f"reason {number}", {"n": number})


def rows(store: Store, system: SystemName) -> list[TrailRow]:
    return list(store.trail(Wanted(system=system)))


def anchor_of(store: Store, system: SystemName) -> Anchor:
    return next(anchor for anchor in store.anchors() if anchor.system == system)


def tamper(raw: Engine, system: SystemName, *statements: str) -> None:
    """What somebody with the database's own password could do: the triggers do not stand in their way."""
    with raw.begin() as connection:
        unguard(connection)
        for statement in statements:
            connection.execute(text(statement.replace("OURS", f"system = '{system}'")))


def unguard(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
        for name in names:
            connection.execute(text(f"DROP TRIGGER {name}"))
    else:
        connection.execute(text("ALTER TABLE audit DISABLE TRIGGER ALL"))


def test_an_untouched_trail_is_whole(store: Store, system: SystemName) -> None:
    decide(store, "D1", a_deal_patch(), a_task(), a_notice())
    send_all(store)
    write(store, system, 3)
    found = store.verify_trail(SYSTEM)
    assert (found.broken, found.waiting, found.erased) == (None, 0, 0)
    assert found.rows == len(rows(store, SYSTEM)) == found.anchor.seq == 4
    assert found.anchor in store.anchors()
    assert store.verify_trail(system).rows == 3


def test_the_hash_can_be_computed_from_what_is_told(store: Store, system: SystemName) -> None:
    write(store, system, 2)
    first, second = rows(store, system)
    link = Link(
        2, second.at, system, "D1", 1, "decided", None, payload_digest(second.salt or "", second.reason, second.data)
    )
    assert second.hash == link_hash(first.hash or "", link)


SWAP = (
    "UPDATE audit SET seq = -2 WHERE OURS AND seq = 2",
    "UPDATE audit SET seq = 2 WHERE OURS AND seq = 3",
    "UPDATE audit SET seq = 3 WHERE OURS AND seq = -2",
)
COPY = "INSERT INTO audit (at, system, deal_id, generation, kind, reason, data, seq, salt, hash) "
PUT_IN = (
    "UPDATE audit SET seq = -seq WHERE OURS AND seq >= 3",
    "UPDATE audit SET seq = 1 - seq WHERE OURS AND seq < 0",
    COPY + "SELECT at, system, deal_id, generation, kind, 'no', data, 3, salt, 'ff' FROM audit WHERE OURS AND seq = 2",
    "UPDATE chain SET seq = 6 WHERE OURS",
)


@pytest.mark.parametrize(
    ("statements", "damage", "seq"),
    [
        (("UPDATE audit SET reason = 'nothing' WHERE OURS AND seq = 3",), Damage.ALTERED, 3),
        (("UPDATE audit SET who = 'somebody else' WHERE OURS AND seq = 5",), Damage.ALTERED, 5),
        (
            ("UPDATE audit SET erased = 1, digest = 'ab', reason = '', data = '{}' WHERE OURS AND seq = 4",),
            Damage.ALTERED,
            4,
        ),
        (("DELETE FROM audit WHERE OURS AND seq = 2",), Damage.REMOVED, 2),
        (("DELETE FROM audit WHERE OURS AND seq >= 4",), Damage.CUT, 4),
        (SWAP, Damage.REORDERED, 2),
        (PUT_IN, Damage.INSERTED, 3),
        (("UPDATE chain SET seq = 3 WHERE OURS",), Damage.REWRITTEN, 3),
    ],
)
def test_what_was_done_is_found_and_where(
    store: Store, raw: Engine, system: SystemName, statements: tuple[str, ...], damage: Damage, seq: int
) -> None:
    write(store, system, 5)
    tamper(raw, system, *statements)
    broken = store.verify_trail(system).broken
    assert broken is not None
    assert (broken.damage, broken.seq) == (damage, seq)


def test_a_long_chain_is_never_held_whole_not_even_to_say_what_was_done(
    store: Store, raw: Engine, system: SystemName, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chain has as many rows as a company has had wins, times some."""
    monkeypatch.setattr(trail, "PAGE", 2)
    write(store, system, 7)
    tamper(raw, system, *SWAP)
    read: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "audit.salt" in statement:
            read.append(statement)

    event.listen(store._db._engine, "before_cursor_execute", note)
    broken = store.verify_trail(system).broken
    event.remove(store._db._engine, "before_cursor_execute", note)
    assert broken is not None
    assert broken.damage is Damage.REORDERED
    assert len(read) >= 2
    assert all("LIMIT" in each for each in read)


def test_a_chain_forged_whole_shows_against_an_anchor_only(store: Store, raw: Engine, system: SystemName) -> None:
    write(store, system, 4)
    anchor = anchor_of(store, system)
    tamper(raw, system, "DELETE FROM audit WHERE OURS", "DELETE FROM chain WHERE OURS")
    write(store, system, 4)
    assert store.verify_trail(system).broken is None
    broken = store.check_anchor(anchor)
    assert broken is not None
    assert broken.damage is Damage.REWRITTEN
    tamper(raw, system, "DELETE FROM audit WHERE OURS AND seq > 2", "UPDATE chain SET seq = 2 WHERE OURS")
    cut = store.check_anchor(anchor)
    assert cut is not None
    assert cut.damage is Damage.CUT


def test_an_anchor_holds_while_the_chain_grows(store: Store, system: SystemName) -> None:
    write(store, system, 2)
    anchor = anchor_of(store, system)
    write(store, system, 2)
    assert store.check_anchor(anchor) is None
    assert store.check_anchor(Anchor(system, 9, "ab")) is not None


OLD_ROW = (
    "INSERT INTO audit (at, system, deal_id, generation, kind, reason, data) "
    "SELECT at, system, deal_id, generation, kind, 'of the last release', data FROM audit WHERE OURS AND seq = 1"
)


def test_rows_of_code_that_knew_no_chain_are_chained_later(store: Store, raw: Engine, system: SystemName) -> None:
    write(store, system, 2)
    tamper(raw, system, "DELETE FROM cursor WHERE feed = 'trail-sealed'", OLD_ROW, OLD_ROW)
    write(store, system, 1)
    assert (store.verify_trail(system).broken, store.verify_trail(system).waiting) == (None, 2)
    assert store.chain_waiting() == 2
    assert store.chain_waiting() == 0
    found = store.verify_trail(system)
    assert (found.broken, found.waiting, found.rows) == (None, 0, 5)


def test_once_sealed_no_row_comes_in_without_its_place(url: str, clock: ManualClock, system: SystemName) -> None:
    store, raw = open_store(url, clock=clock), create_engine(url)
    write(store, system, 1)
    with pytest.raises(DBAPIError, match="needs its place in the chain"), raw.begin() as connection:
        connection.execute(text(OLD_ROW.replace("OURS AND ", "")))
    tamper(raw, system, OLD_ROW)
    assert store.chain_waiting() == 0
    broken = store.verify_trail(system).broken
    raw.dispose()
    store.close()
    assert broken is not None
    assert broken.damage is Damage.INSERTED


def test_writers_at_once_make_one_chain(store: Store, address: str, system: SystemName) -> None:
    other = store if store.single_process else open_store(address, clock=ManualClock(NOW))
    gate = threading.Barrier(4)
    failures: list[BaseException] = []

    def go(through: Store) -> None:
        try:
            gate.wait()
            for _ in range(5):
                write(through, system, 3)
        except BaseException as error:  # noqa: BLE001  # a thread's failure must reach the test
            failures.append(error)

    threads = [threading.Thread(target=go, args=(each,)) for each in (store, other, store, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if other is not store:
        other.close()
    found = store.verify_trail(system)
    assert (failures, found.broken, found.rows) == ([], None, 60)


# what it tells


def test_a_write_is_told_with_what_stood_there_before(store: Store) -> None:
    decide(store, "D11", a_deal_patch("D11", expected={"percent": None, "status": "1 Preparation"}))
    send_all(store)
    told = store.audit(SYSTEM, "D11")[-1].data
    assert told["before"] == {"percent": None, "status": "1 Preparation"}
    assert told["after"] == {"percent": {"decimal": "100"}, "status": "2 Welcome"}
    assert told["record"] == "deal D11"


def test_a_creation_is_told_with_its_values_and_a_change_with_those_before(store: Store) -> None:
    decide(store, "D12", a_task(deal_id="D12"))
    send_all(store)
    made = store.audit(SYSTEM, "D12")[-1].data
    assert (made["before"], made["after"]["subject"]) == (None, "welcome-packet")
    again = {"subject": "Welcome, again"}
    decide(store, "D12", a_task(deal_id="D12", values=again, record_id="T1", fingerprint="welcome-packet-2"))
    claimed = claim(store)
    assert claimed is not None
    settle(store, claimed)
    told = store.audit(SYSTEM, "D12")[-1].data
    assert (told["before"], told["after"]) == ({"subject": "welcome-packet"}, again)


def test_what_stood_there_before_is_said_to_be_unknown_where_nobody_kept_it(store: Store) -> None:
    """As after the ledger was lost: the record is known by its key, what was written last is not."""
    decide(store, "D17", a_task(deal_id="D17", record_id="T7", fingerprint="welcome-packet-2"))
    decide(store, "D18", a_deal_patch("D18", expected={"status": None}))
    send_all(store)
    task, deal = (store.audit(SYSTEM, each)[-1].data for each in ("D17", "D18"))
    assert task["before"] == dict.fromkeys(task["after"], trail_told.UNKNOWN)
    assert deal["before"] == {"percent": trail_told.UNKNOWN, "status": None}


def test_prose_is_told_by_its_length_and_digest(store: Store) -> None:
    decide(store, "D13", a_notice("D13", text="They bought because Ana Ferreira insisted."))
    send_all(store)
    told = store.audit(SYSTEM, "D13")[-1].data["after"]
    assert told["text"]["chars"] == 42
    assert "Ferreira" not in str(told)


def test_who_let_a_deal_through_is_told_once(store: Store) -> None:
    given = LetThrough("vera.okafor@seller.example", "The customer starts on Monday.", NOW)
    finding = Finding("gate", Verdict.ACT, "One is empty.", gate=Gate.OVERRIDDEN, let_through=given)
    for percent in (80, 90):
        decide(store, "D14", findings=(finding,), gate=Gate.OVERRIDDEN, percent=percent)
    (row,) = store.trail(Wanted(deal_id="D14", kind=AuditKind.OVERRIDDEN))
    assert (row.by, row.reason) == ("vera.okafor@seller.example", "The customer starts on Monday.")
    assert list(store.trail(Wanted(by="vera.okafor@seller.example"))) == [row]
    assert NOW.isoformat() in row.data


def test_a_plan_without_an_override_tells_of_none(store: Store) -> None:
    decide(store, "D15", a_deal_patch("D15"))
    assert a_plan("D15").gate is Gate.RELEASED
    assert list(store.trail(Wanted(deal_id="D15", kind=AuditKind.OVERRIDDEN))) == []
