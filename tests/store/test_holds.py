"""What is held, paused, dropped and alarmed, on both databases."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from daemons import until
from plans import BUSY, NOW, REFUSED, SILENT, SYSTEM, a_deal_patch, a_plan, a_task
from sqlalchemy import create_engine, event, text

from connector.clock import ManualClock
from connector.handoff.plan import Phase
from connector.store import (
    Alarm,
    AuditKind,
    Decided,
    Gain,
    HeldDeal,
    HoldState,
    Lane,
    Look,
    Park,
    Retry,
    Settlement,
    State,
    Store,
    Unsure,
    open_store,
)
from connector.store.database import chunks

WHAT = {"generation": 1, "mover": "", "writes": [{"step": "s", "write": "create task", "fields": [], "reason": "r"}]}


def a_held(deal_id: str, cause: str = "new") -> HeldDeal:
    return HeldDeal(SYSTEM, deal_id, HoldState.HELD, cause, NOW, "an import", WHAT)


def recorded(store: Store, *actions: object, deal_id: str = "D1") -> None:
    store.record(SYSTEM, [Decided(a_plan(deal_id, actions=actions))], act=True)


def parked_row(store: Store) -> int:
    """A task that the CRM refused for good; returns its number."""
    recorded(store, a_task())
    claimed = store.claim(SYSTEM, owner="me", batch=lambda _lane: 10, lease_seconds=60)
    assert claimed is not None
    assert claimed.lane == Lane(SYSTEM, "task", "upsert")
    (row,) = claimed.rows
    store.settle([Settlement(row.id, row.attempt, Park(REFUSED))])
    return row.id


def test_what_is_held_stays_until_it_is_released_and_its_rows_do_not_go(store: Store, clock: ManualClock) -> None:
    recorded(store, a_task())
    store.enqueue(SYSTEM, [Look("D1", NOW, "changed"), Look("D2", NOW, "changed")])
    looks = store.due(SYSTEM, limit=10)
    assert store.hold_deals(SYSTEM, [a_held("D1"), a_held("D2")], looks, stop="an import") == 2
    assert store.hold_deals(SYSTEM, [a_held("D1")], [], stop="an import") == 0
    assert store.due(SYSTEM, limit=10) == ()
    assert store.next_turn(SYSTEM) is None, "a row that was recorded before does not go out either"
    assert store.held_counts(SYSTEM) == {"new": 2}
    assert store.not_held(SYSTEM, ["D1", "D3"]) == ("D3",)
    assert [each.deal_id for each in store.held(SYSTEM)] == ["D1", "D2"]
    assert store.release_held(SYSTEM, ["D1"], by="ada") == 1
    assert store.next_turn(SYSTEM) is not None
    assert [look.deal_id for look in store.due(SYSTEM, limit=10)] == ["D1"]
    assert store.holds(SYSTEM, ["D1"])["D1"].state is HoldState.RELEASED
    store.passed(SYSTEM, ["D1"])
    clock.advance(timedelta(hours=2))
    store.forget_released(SYSTEM, before=clock.now() - timedelta(hours=1))
    assert set(store.holds(SYSTEM, ["D1", "D2"])) == {"D2"}
    assert [each.kind for each in store.audit(SYSTEM, "D1")][-2:] == [AuditKind.STOPPED, AuditKind.RELEASED]


def test_a_dropped_win_takes_its_rows_back(store: Store) -> None:
    recorded(store, a_task())
    store.hold_deals(SYSTEM, [a_held("D1")], [], stop="an import")
    assert store.drop_held(SYSTEM, ["D1", "D9"], by="ada", why="for the records") == 1
    assert store.counts(SYSTEM)[State.SUPERSEDED] == 1
    assert store.held(SYSTEM) == ()
    assert store.held(SYSTEM, state=HoldState.DROPPED)[0].who == "ada"


def test_a_parked_row_of_a_held_deal_that_is_retried_goes_when_the_deal_is_released(store: Store) -> None:
    row = parked_row(store)
    store.hold_deals(SYSTEM, [a_held("D1")], [], stop="an import")
    assert store.retry([row], by="ada") == 1
    assert store.holds_of_rows([row], standing=State.PENDING) == {row: HoldState.HELD}
    assert store.next_turn(SYSTEM) is None, "it does not go past the hold"
    store.release_held(SYSTEM, ["D1"], by="ada")
    claimed = store.claim(SYSTEM, owner="me", batch=lambda _lane: 10, lease_seconds=60)
    assert claimed is not None
    assert [each.id for each in claimed.rows] == [row]


def test_a_retry_takes_rows_of_tables_in_the_order_in_which_everybody_does(store: Store) -> None:
    row = parked_row(store)
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(" ".join(statement.split()[:3]))

    event.listen(store._db._engine, "before_cursor_execute", note)
    assert store.retry([row], by="ada") == 1
    event.remove(store._db._engine, "before_cursor_execute", note)
    tables = [each for each in asked if each in ("UPDATE outbox SET", "UPDATE handoff SET", "INSERT INTO inbox")]
    assert tables == ["UPDATE outbox SET", "UPDATE handoff SET", "INSERT INTO inbox"]


def test_a_parked_row_of_a_win_that_was_let_be_stays_parked(store: Store) -> None:
    row = parked_row(store)
    store.hold_deals(SYSTEM, [a_held("D1")], [], stop="an import")
    store.drop_held(SYSTEM, ["D1"], by="ada", why="for the records")
    assert store.retry([row], by="ada") == 0
    assert [each.id for each in store.parked(SYSTEM)] == [row]
    store.take_back_drop(SYSTEM, ["D1"], by="ada")
    assert store.retry([row], by="ada") == 1
    assert store.next_turn(SYSTEM) is not None


@pytest.mark.parametrize("known", [True, False])
def test_what_was_being_sent_when_its_deal_came_to_be_held_does_not_go_again_past_the_hold(
    store: Store, clock: ManualClock, known: bool
) -> None:
    def send(deal_id: str) -> None:
        recorded(store, a_task(deal_id=deal_id), deal_id=deal_id)
        claimed = store.claim(SYSTEM, owner="me", batch=lambda _lane: 10, lease_seconds=60)
        assert claimed is not None
        (row,) = claimed.rows
        store.hold_deals(SYSTEM, [a_held(deal_id)], [], stop="an import")
        if deal_id == "D2":
            store.drop_held(SYSTEM, ["D2"], by="ada", why="for the records")
        if known:
            store.settle([Settlement(row.id, row.attempt, Retry(BUSY, at=NOW))])
        else:
            store.settle([Settlement(row.id, row.attempt, Unsure(SILENT))])
            store.resolve_unknown(row.id, found=None)

    send("D1")
    send("D2")
    clock.advance(timedelta(hours=1))
    assert store.next_turn(SYSTEM) is None
    assert (store.counts(SYSTEM)[State.PENDING], store.counts(SYSTEM)[State.SUPERSEDED]) == (1, 1)
    store.release_held(SYSTEM, ["D1"], by="ada")
    assert store.next_turn(SYSTEM) is not None


@pytest.mark.postgres
def test_of_however_many_deals_rows_are_taken_by_number(
    postgres_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release of many deals waits for whoever has a row of the last of them, and keeps nobody waiting meanwhile."""
    monkeypatch.setattr("connector.store.holds.chunks", partial(chunks, size=1))
    store = open_store(postgres_url, clock=clock)
    store.set_baseline(SYSTEM, NOW)
    for deal_id in ("D2", "D1"):
        recorded(store, a_task(deal_id=deal_id), deal_id=deal_id)
    store.hold_deals(SYSTEM, [a_held("D1"), a_held("D2")], [], stop="an import")
    ((low,), (high,)) = ([each.id for each in store.rows(SYSTEM, deal_id)] for deal_id in ("D2", "D1"))
    lock = text("SELECT id FROM outbox WHERE id = :id FOR UPDATE NOWAIT")
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    engine = create_engine(postgres_url)
    watcher = engine.execution_options(isolation_level="AUTOCOMMIT")
    with ThreadPoolExecutor(1) as threads:
        with engine.begin() as connection, watcher.connect() as watching:
            connection.execute(lock, {"id": low})
            released = threads.submit(store.release_held, SYSTEM, by="ada")
            until(lambda: watching.execute(waiting).scalar_one(), "the release to wait")
            assert connection.execute(lock, {"id": high}).scalar_one() == high
        assert released.result(10) == 2
    engine.dispose()
    store.close()


@pytest.mark.parametrize("handed", [Phase.IN_FLIGHT, Phase.LOST])
def test_the_longest_run_is_asked_for_by_phase(sqlite_url: str, clock: ManualClock, handed: Phase) -> None:
    store = open_store(sqlite_url, clock=clock)
    for number, phase in enumerate((handed, Phase.WON, Phase.WON, handed, Phase.BEFORE_START, Phase.OPEN)):
        plan = a_plan(f"D{number}", phase=phase)
        released = NOW if phase is handed else None
        remember = replace(plan.remember, won_at=NOW + timedelta(days=number), released_at=released)
        store.record(SYSTEM, [Decided(replace(plan, remember=remember))], act=True)
    asked: list[tuple[str, object]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_rest: object) -> None:
        if "handoff" in statement:
            asked.append((statement, parameters))

    event.listen(store._db._engine, "before_cursor_execute", note)
    assert store.longest_without(SYSTEM) == 2
    event.remove(store._db._engine, "before_cursor_execute", note)
    ((statement, parameters),) = asked
    with create_engine(sqlite_url).connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()  # type: ignore[arg-type]
    plan_words = " / ".join(str(row[-1]) for row in rows)
    assert "SCAN handoff" not in plan_words
    assert "handoff_standing" in plan_words
    store.close()


def test_only_what_the_ledger_lacks_is_a_gain(store: Store) -> None:
    plan = Decided(a_plan(actions=(a_task(), a_deal_patch())))
    (gained,) = store.gains(SYSTEM, [plan])
    assert (len(gained.actions), gained.begins) == (2, True)
    recorded(store, a_task())
    (gained,) = store.gains(SYSTEM, [plan])
    assert [action.step for action in gained.actions] == ["patch-deal"]
    assert not gained.begins
    assert store.gains(SYSTEM, [Decided(a_plan(actions=(a_task(),)))]) == ()


def test_the_longest_run_of_wins_without_a_handoff_is_known_once_one_ended_it(store: Store) -> None:
    assert store.longest_without(SYSTEM) == 0
    deals = ["no", "no", "yes", "no", "no", "no", "yes", "yes", "no", "no", "no", "no", "no"]
    for number, handed in enumerate(deals):
        plan = a_plan(f"D{number}", phase=Phase.IN_FLIGHT if handed == "yes" else Phase.WON)
        remember = replace(plan.remember, won_at=NOW + timedelta(days=number), released_at=None)
        store.record(SYSTEM, [Decided(replace(plan, remember=remember))], act=True)
    assert store.longest_without(SYSTEM) == 3, "the last run has not ended"
    wins = store.acted_wins(SYSTEM, ["D6", "D7", "D8", "D99"])
    assert sorted((win.at.day - NOW.day, win.handed) for win in wins) == [(6, True), (7, True), (8, False)]


def test_gains_are_counted_once_and_forgotten(store: Store, clock: ManualClock) -> None:
    store.note_gains(SYSTEM, [Gain("D1", "new", "", NOW)], forget=NOW - timedelta(hours=1))
    clock.advance(timedelta(minutes=30))
    later = clock.now()
    store.note_gains(SYSTEM, [Gain("D1", "new", "", later), Gain("D2", "new", "", later)], forget=NOW)
    assert {each.deal_id for each in store.gained(SYSTEM, since=NOW)} == {"D1", "D2"}
    store.note_gains(SYSTEM, [Gain("D3", "new", "", later)], forget=later)
    assert [each.deal_id for each in store.gained(SYSTEM, since=NOW)] == ["D3"]


def test_a_parked_row_that_is_dropped_is_not_asked_for_again_until_it_is_another(store: Store) -> None:
    row = parked_row(store)
    assert store.parked_since(SYSTEM) == (NOW, 1)
    assert store.drop_parked([row], by="ada", why="not wanted") == 1
    assert store.drop_parked([row], by="ada", why="not wanted") == 0
    recorded(store, a_task())
    assert store.counts(SYSTEM)[State.PENDING] == 0
    assert store.gains(SYSTEM, [Decided(a_plan(actions=(a_task(),)))]) == ()
    assert store.undo_drop([row], by="ada") == 1
    assert store.undo_drop([row], by="ada") == 0
    assert [look.deal_id for look in store.due(SYSTEM, limit=5)] == ["D1"]
    recorded(store, a_task())
    assert store.counts(SYSTEM)[State.PENDING] == 1
    assert [each.kind for each in store.audit(SYSTEM, "D1") if each.kind is AuditKind.DROPPED] == [AuditKind.DROPPED]


def test_another_write_in_its_place_goes_though_the_first_was_dropped(store: Store) -> None:
    store.drop_parked([parked_row(store)], by="ada", why="not wanted")
    recorded(store, a_task(values={**a_task().values, "subject": "otherwise"}, fingerprint="welcome-packet-2"))
    assert store.counts(SYSTEM)[State.PENDING] == 1


def test_pauses_have_an_end_or_none_and_deals_that_wait_are_looked_at(store: Store, clock: ManualClock) -> None:
    store.pause_by_hand(SYSTEM, by="ada", until=NOW + timedelta(hours=1), why="moving house")
    store.pause_by_hand(SYSTEM, rule="summary", by="bo")
    assert [(each.rule, each.by) for each in store.pauses(SYSTEM)] == [("", "ada"), ("summary", "bo")]
    clock.advance(timedelta(hours=2))
    assert [each.rule for each in store.pauses(SYSTEM)] == ["summary"]
    assert [each.rule for each in store.pauses_over(SYSTEM)] == [""]
    store.wait_for_rules(SYSTEM, {"D1": "summary,metrics", "D2": "metrics"}, [])
    assert store.waiting_for(SYSTEM, "summary") == 1
    assert store.resume_by_hand(SYSTEM, rule="summary", by="bo")
    assert [look.deal_id for look in store.due(SYSTEM, limit=5)] == ["D1"]
    assert store.waiting_for(SYSTEM, "metrics") == 1


def test_policies_and_alarms_are_kept(store: Store) -> None:
    store.keep_policy("abc", {"process.toml": "x = 1"})
    store.keep_policy("abc", {"process.toml": "x = 1"})
    assert store.policy_files("abc") == {"process.toml": "x = 1"}
    assert store.policy_files("nothing") is None
    alarm = Alarm("parked", "subject", "text", "next", NOW, told_at=NOW, stops=True)
    store.set_cursor(SYSTEM, "alarm:parked", alarm.dump())
    assert store.alarms(SYSTEM) == (alarm,)
    assert store.forget_alarm(SYSTEM, "parked")
    assert not store.forget_alarm(SYSTEM, "parked")


def test_a_replay_asks_for_looks_and_nothing_else(store: Store) -> None:
    assert store.replay(SYSTEM, ["D2", "D1", "D1"], by="ada") == 2
    assert [look.reason for look in store.due(SYSTEM, limit=5)] == ["ada asked for another look"] * 2
    assert sum(store.counts(SYSTEM).values()) == 0
    (entry,) = store.audit(SYSTEM, "D1")
    assert store.deal_of_entry(entry.id) == (SYSTEM, "D1")
    assert store.deal_of_entry(99_999) is None


TABLES = ("outbox", "handoff", "effect", "written", "roster", "hold", "gain", "inbox", "audit")
"""In this order everybody takes rows, so that no two transactions wait for each other."""


def test_whoever_holds_or_withdraws_takes_rows_as_all_others_do(store: Store) -> None:
    recorded(store, a_task())
    store.enqueue(SYSTEM, [Look("D1", NOW, "changed")])
    taken: list[str] = []
    changes = re.compile(r"(?:UPDATE|INSERT INTO|DELETE FROM) (\w+)|FROM (\w+) .*FOR UPDATE", re.DOTALL)

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        taken.extend(one or other for one, other in changes.findall(statement) if (one or other) in TABLES)

    event.listen(store._db._engine, "before_cursor_execute", note)
    store.hold_deals(SYSTEM, [a_held("D1")], store.due(SYSTEM, limit=10), stop="an import")
    held = [*taken]
    store.enqueue(SYSTEM, [Look("D1", NOW, "changed again")])
    taken.clear()
    store.wait_for_rules(SYSTEM, {"D1": "SLA"}, store.due(SYSTEM, limit=10))
    waiting = [*taken]
    event.remove(store._db._engine, "before_cursor_execute", note)
    for each in (held, waiting):
        assert each == sorted(each, key=TABLES.index)
    assert {"outbox", "hold", "inbox", "audit"} <= set(held)
