"""The trail is a chain: whatever is done to it behind the program's back is found, and where."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from plans import NOW, OTHER_SYSTEM, SYSTEM, a_deal_patch, a_notice, a_plan, a_task
from sending import claim, decide, send_all, settle
from sqlalchemy import Connection, Engine, create_engine, text

from connector.clock import ManualClock
from connector.handoff.model import Gate
from connector.handoff.plan import Finding, LetThrough, Verdict
from connector.store import Anchor, AuditKind, Damage, Store, TrailRow, Verified, Wanted, open_store
from connector.store.audit import Entry, write_audit
from connector.store.chain import Link, link_hash, payload_digest


@pytest.fixture
def raw(store: Store, url: str) -> Iterator[Engine]:
    """The same database without the store in between."""
    engine = create_engine(url)
    yield engine
    engine.dispose()


def write(store: Store, count: int, *, system: str = SYSTEM) -> None:
    with store._db.write() as connection:
        write_audit(connection, NOW, [entry(number, system) for number in range(count)])


def entry(number: int, system: str = SYSTEM) -> Entry:
    return Entry(system, f"D{number}", 1, AuditKind.DECIDED, f"reason {number}", {"n": number})  # type: ignore[arg-type]


def rows(store: Store) -> list[TrailRow]:
    return list(store.trail(Wanted(system=SYSTEM)))


def verified(store: Store) -> Verified:
    return store.verify_trail(SYSTEM)


def tamper(raw: Engine, *statements: str) -> None:
    """What somebody with the database's own password could do: the triggers do not stand in their way."""
    with raw.begin() as connection:
        unguard(connection)
        for statement in statements:
            connection.execute(text(statement))


def unguard(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
        for name in names:
            connection.execute(text(f"DROP TRIGGER {name}"))
    else:
        connection.execute(text("ALTER TABLE audit DISABLE TRIGGER ALL"))


def test_an_untouched_trail_is_whole(store: Store) -> None:
    decide(store, "D1", a_deal_patch(), a_task(), a_notice())
    send_all(store)
    write(store, 3, system=OTHER_SYSTEM)
    found = verified(store)
    assert (found.broken, found.waiting, found.erased) == (None, 0, 0)
    assert found.rows == len(rows(store)) == found.anchor.seq
    assert found.anchor in store.anchors()
    assert store.verify_trail(OTHER_SYSTEM).rows == 3


def test_the_hash_can_be_computed_from_what_is_told(store: Store) -> None:
    write(store, 2)
    first, second = rows(store)
    link = Link(
        2, second.at, SYSTEM, "D1", 1, "decided", None, payload_digest(second.salt or "", second.reason, second.data)
    )
    assert second.hash == link_hash(first.hash or "", link)


SWAP = (
    "UPDATE audit SET seq = -2 WHERE seq = 2",
    "UPDATE audit SET seq = 2 WHERE seq = 3",
    "UPDATE audit SET seq = 3 WHERE seq = -2",
)
PUT_IN = (
    "UPDATE audit SET seq = -seq WHERE seq >= 3",
    "UPDATE audit SET seq = 1 - seq WHERE seq < 0",
    "INSERT INTO audit (at, system, deal_id, generation, kind, reason, data, seq, salt, hash) "
    "SELECT at, system, deal_id, generation, kind, 'never happened', data, 3, salt, 'ff' FROM audit WHERE seq = 2",
    "UPDATE chain SET seq = 6",
)


@pytest.mark.parametrize(
    ("statements", "damage", "seq"),
    [
        (("UPDATE audit SET reason = 'nothing' WHERE seq = 3",), Damage.ALTERED, 3),
        (("UPDATE audit SET who = 'somebody else' WHERE seq = 5",), Damage.ALTERED, 5),
        (("UPDATE audit SET erased = 1, digest = 'ab', reason = '', data = '{}' WHERE seq = 4",), Damage.ALTERED, 4),
        (("DELETE FROM audit WHERE seq = 2",), Damage.REMOVED, 2),
        (("DELETE FROM audit WHERE seq >= 4",), Damage.CUT, 4),
        (SWAP, Damage.REORDERED, 2),
        (PUT_IN, Damage.INSERTED, 3),
        (("UPDATE chain SET seq = 3",), Damage.REWRITTEN, 3),
    ],
)
def test_what_was_done_is_found_and_where(
    store: Store, raw: Engine, statements: tuple[str, ...], damage: Damage, seq: int
) -> None:
    write(store, 5)
    tamper(raw, *statements)
    broken = verified(store).broken
    assert broken is not None
    assert (broken.damage, broken.seq) == (damage, seq)


def test_a_chain_that_was_forged_whole_shows_only_against_an_anchor(store: Store, raw: Engine) -> None:
    write(store, 4)
    (anchor,) = store.anchors()
    tamper(raw, "DELETE FROM audit", "DELETE FROM chain")
    write(store, 4)
    assert verified(store).broken is None
    broken = store.check_anchor(anchor)
    assert broken is not None
    assert broken.damage is Damage.REWRITTEN
    tamper(raw, "DELETE FROM audit WHERE seq > 2", "UPDATE chain SET seq = 2")
    cut = store.check_anchor(anchor)
    assert cut is not None
    assert cut.damage is Damage.CUT


def test_an_anchor_holds_while_the_chain_grows(store: Store) -> None:
    write(store, 2)
    (anchor,) = store.anchors()
    write(store, 2)
    assert store.check_anchor(anchor) is None
    assert store.check_anchor(Anchor(SYSTEM, 9, "ab")) is not None


OLD_ROW = (
    "INSERT INTO audit (at, system, deal_id, generation, kind, reason, data) "
    "SELECT at, system, deal_id, generation, kind, 'of the last release', data FROM audit WHERE seq = 1"
)


def test_rows_of_code_that_knew_no_chain_are_chained_later(store: Store, raw: Engine) -> None:
    write(store, 2)
    tamper(raw, "DELETE FROM cursor WHERE feed = 'trail-sealed'", OLD_ROW, OLD_ROW)
    write(store, 1)
    assert (verified(store).broken, verified(store).waiting) == (None, 2)
    assert store.chain_waiting() == 2
    assert store.chain_waiting() == 0
    found = verified(store)
    assert (found.broken, found.waiting, found.rows) == (None, 0, 5)


def test_once_sealed_no_row_comes_in_without_its_place(store: Store, raw: Engine) -> None:
    write(store, 1)
    with pytest.raises(Exception, match="needs its place in the chain"), raw.begin() as connection:
        connection.execute(text(OLD_ROW))
    tamper(raw, OLD_ROW)
    assert store.chain_waiting() == 0
    broken = verified(store).broken
    assert broken is not None
    assert broken.damage is Damage.INSERTED


def test_writers_at_once_make_one_chain(store: Store, url: str, clock: ManualClock) -> None:
    other = open_store(url, clock=clock) if not store.single_process else store
    gate = threading.Barrier(4)
    failures: list[BaseException] = []

    def go(through: Store) -> None:
        try:
            gate.wait()
            for _ in range(5):
                write(through, 3)
        except BaseException as error:  # noqa: BLE001  # a thread's failure must reach the test
            failures.append(error)

    threads = [threading.Thread(target=go, args=(each,)) for each in (store, other, store, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if other is not store:
        other.close()
    found = verified(store)
    assert (failures, found.broken, found.rows) == ([], None, 60)


# what it tells


def test_a_write_is_told_with_what_stood_there_before(store: Store) -> None:
    decide(store, "D1", a_deal_patch(expected={"percent": None, "status": "1 Preparation"}))
    send_all(store)
    told = store.audit(SYSTEM, "D1")[-1].data
    assert told["before"] == {"percent": None, "status": "1 Preparation"}
    assert told["after"] == {"percent": {"decimal": "100"}, "status": "2 Welcome"}
    assert told["record"] == "deal D1"


def test_a_creation_is_told_with_its_values_and_a_change_with_those_before(store: Store) -> None:
    decide(store, "D1", a_task())
    send_all(store)
    made = store.audit(SYSTEM, "D1")[-1].data
    assert (made["before"], made["after"]["subject"]) == (None, "welcome-packet")
    changed = a_task(values={"subject": "Welcome, again"}, record_id="T1", fingerprint="welcome-packet-2")
    decide(store, "D1", changed)
    claimed = claim(store)
    assert claimed is not None
    settle(store, claimed)
    told = store.audit(SYSTEM, "D1")[-1].data
    assert (told["before"], told["after"]) == ({"subject": "welcome-packet"}, {"subject": "Welcome, again"})


def test_prose_is_told_by_its_length_and_digest(store: Store) -> None:
    decide(store, "D1", a_notice(text="They bought because Ana Ferreira insisted."))
    send_all(store)
    told = store.audit(SYSTEM, "D1")[-1].data["after"]
    assert told["text"]["chars"] == 42
    assert "Ferreira" not in str(told)


def test_who_let_a_deal_through_is_told_once(store: Store) -> None:
    given = LetThrough("vera.okafor@seller.example", "The customer starts on Monday.", NOW)
    finding = Finding("gate", Verdict.ACT, "One is empty.", gate=Gate.OVERRIDDEN, let_through=given)
    for percent in (80, 90):
        decide(store, "D1", findings=(finding,), gate=Gate.OVERRIDDEN, percent=percent)
    (row,) = store.trail(Wanted(kind=AuditKind.OVERRIDDEN))
    assert (row.by, row.reason) == ("vera.okafor@seller.example", "The customer starts on Monday.")
    assert list(store.trail(Wanted(by="vera.okafor@seller.example"))) == [row]
    assert NOW.isoformat() in row.data


def test_a_plan_without_an_override_tells_of_none(store: Store) -> None:
    decide(store, "D1", a_deal_patch())
    assert a_plan("D1").gate is Gate.RELEASED
    assert list(store.trail(Wanted(kind=AuditKind.OVERRIDDEN))) == []
