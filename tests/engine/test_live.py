"""Listening, wake-ups, slow polls, and what is polled again after a gap: over the CRM in memory, by a manual clock.

The feed is a script: what it says is what the test wrote down. Streams are tested with the adapter.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from engine.harness import SYSTEM, Desk, a_desk
from factories import WON_STAGE
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from connector.crm.live import (
    Hints,
    Line,
    LiveFeed,
    Sighting,
)
from connector.crm.port import ChangePage
from connector.engine import onepass, scheduler
from connector.engine.listener import Listener
from connector.engine.onepass import Occasion, PassResult, hold, run_pass
from connector.engine.parts import Shared, System
from connector.engine.scheduler import Ticks
from connector.errors import CrmError, Fault, FaultCode
from connector.failpoints import Failpoint
from connector.handoff.model import Kind, Ref
from connector.store import LIVE_CURSOR, LIVE_NOTE, LiveNote, Look

DEALS = frozenset({"deal"})
UP, DOWN = Line("deals", DEALS, live=True), Line("deals", DEALS, live=False, why="cut")


@dataclass
class Script:
    """A live feed that says what it was told to, and what it was asked."""

    says: list[Hints] = field(default_factory=list)
    belongs: Mapping[Ref, tuple[str, ...]] = field(default_factory=dict)
    asked: list[tuple[Ref, ...]] = field(default_factory=list)
    cursors: list[str | None] = field(default_factory=list)
    closed: int = 0
    error: CrmError | None = None

    def listen(self, cursor: str | None, stop: threading.Event) -> Generator[Hints, None, None]:
        self.cursors.append(cursor)
        try:
            yield from self.says
        finally:
            self.closed += 1

    def deals_of(self, refs: Sequence[Ref]) -> Mapping[Ref, tuple[str, ...]]:
        self.asked.append(tuple(refs))
        if self.error:
            raise self.error
        return {ref: self.belongs[ref] for ref in refs if ref in self.belongs}

    def probe(self) -> tuple[Line, ...]:
        return ()


@dataclass
class Ear:
    """A desk with somebody who listens. ``woken`` counts the wishes for a pass."""

    desk: Desk
    script: Script
    listener: Listener
    woken: list[str]

    def hear(self, *sightings: Sighting, **more: object) -> None:
        self.listener.take(self.script, Hints(sightings=sightings, **more))  # type: ignore[arg-type]

    def sees(self, deal_id: str, **how: bool) -> Sighting:
        return Sighting(Ref(Kind.DEAL, deal_id), self.desk.clock.now(), (deal_id,), **how)

    def woken_pass(self) -> PassResult:
        return run_pass(self.desk.shared, self.desk.system, occasion=Occasion.WOKEN)

    def due(self) -> set[str]:
        return {look.deal_id for look in self.desk.store.due(SYSTEM, limit=100)}


@pytest.fixture
def ear() -> Ear:
    desk, script, woken = a_desk(), Script(), []
    desk.run()
    listener = Listener(desk.shared, desk.system, wake=lambda system: woken.append(system.name))
    return Ear(desk, script, listener, woken)


# waking


def test_a_win_that_is_heard_is_handed_off_without_a_poll(ear: Ear) -> None:
    ear.hear(lines=(UP,))
    deal_id = ear.desk.a_deal()
    ear.desk.win(deal_id)
    ear.desk.calls.clear()
    ear.hear(ear.sees(deal_id), cursor="place-1")
    assert ear.woken == [SYSTEM]
    assert ear.woken_pass().looked == 1
    assert ear.desk.tasks(deal_id)
    assert ear.desk.calls["changes.deal"] == 0
    assert ear.desk.calls["fetch"] == 1
    assert ear.desk.store.cursor(SYSTEM, LIVE_CURSOR) == "place-1"


def test_own_changes_are_looked_at_later_and_wake_nobody(ear: Ear) -> None:
    deal_id = ear.desk.a_deal()
    ear.hear(ear.sees(deal_id, by_self=True), cursor="place-1")
    assert ear.woken == []
    assert ear.due() == set()
    ear.desk.clock.advance(timedelta(seconds=ear.desk.shared.timing.echo_delay))
    assert ear.due() == {deal_id}


def test_a_change_of_nothing_that_is_mapped_costs_no_pass_of_its_own_and_is_not_forgotten(ear: Ear) -> None:
    deal_id = ear.desk.a_deal()
    for number in range(5):
        ear.hear(ear.sees(deal_id, minor=True), cursor=f"place-{number}")
    assert (ear.woken, ear.due()) == ([], set())
    ear.hear(ear.sees(deal_id), cursor="place-5")
    assert (ear.woken, ear.due()) == ([SYSTEM], {deal_id})


def test_at_the_reserve_what_is_heard_waits_for_the_next_tick(ear: Ear) -> None:
    """Else an org whose deals are edited every second would have a pass, and its calls, every second."""
    ear.hear(lines=(UP,))
    deal_id = ear.desk.a_deal()
    ear.desk.win(deal_id)
    ear.desk.system.sparing = True
    ear.hear(ear.sees(deal_id), cursor="p")
    assert ear.woken == []
    ear.desk.run()
    assert ear.desk.tasks(deal_id)


def test_a_sign_of_life_stores_the_place_alone(ear: Ear) -> None:
    ear.hear(cursor="place-7")
    assert ear.desk.store.cursor(SYSTEM, LIVE_CURSOR) == "place-7"
    assert ear.woken == []
    ear.hear()
    assert ear.desk.store.cursor(SYSTEM, LIVE_CURSOR) == "place-7"


# the pace of polling


def polls(ear: Ear, *, minutes: int, every: int = 15) -> int:
    """Polls of the deals in so many minutes of ticks."""
    ear.desk.calls.clear()
    for _ in range(minutes * 60 // every):
        ear.desk.run(seconds=every)
    return ear.desk.calls["changes.deal"]


def test_polling_slows_down_while_a_line_is_up_and_is_back_at_once_when_it_breaks(ear: Ear) -> None:
    assert polls(ear, minutes=10) == 40
    ear.hear(lines=(UP,))
    assert polls(ear, minutes=10) == 2
    ear.hear(lines=(DOWN,))
    assert polls(ear, minutes=10) == 40


def test_the_safety_poll_finds_what_the_line_never_told(ear: Ear) -> None:
    ear.hear(lines=(UP,))
    deal_id = ear.desk.a_deal()
    ear.desk.win(deal_id)
    for _ in range(21):
        ear.desk.run(seconds=15)
    assert ear.desk.tasks(deal_id)


def someone_edits(ear: Ear) -> str:
    ear.desk.clock.advance(timedelta(seconds=2))
    deal_id = ear.desk.a_deal()
    ear.desk.crm.edit(deal_id, name="Renamed")
    return deal_id


def test_a_line_that_falls_deaf_is_not_relied_on_until_it_tells_of_something(ear: Ear) -> None:
    """An admin took the object off the channel: the stream stands, signs of life come, and nothing is ever told."""
    ear.hear(lines=(UP,))
    assert polls(ear, minutes=10) == 2
    someone_edits(ear)
    with capture_logs() as logs:
        assert polls(ear, minutes=5) == 1
        assert polls(ear, minutes=10) == 40
    assert [each["feeds"] for each in logs if each["event"] == onepass.LIVE_DOUBTED] == [["deal"]], "told once"
    ear.hear(lines=(UP,))
    note = LiveNote.parse(ear.desk.store.cursor(SYSTEM, LIVE_NOTE), now=ear.desk.clock.now())
    assert note is not None
    assert "did not tell" in note.lines["deals"]
    ear.hear(ear.sees(ear.desk.a_deal()), heard=DEALS)
    ear.desk.run()
    assert polls(ear, minutes=10) == 2


def test_a_change_that_was_too_young_to_judge_by_is_not_forgotten(ear: Ear) -> None:
    ear.desk.system.safety_poll = 10.0
    ear.hear(lines=(UP,))
    ear.desk.run(seconds=10)
    someone_edits(ear)
    ear.desk.run(seconds=10)
    assert ear.desk.system.live.deaf() == frozenset()
    for _ in range(3):
        ear.desk.run(seconds=10)
    assert ear.desk.system.live.deaf() == DEALS


def test_a_line_that_tells_of_something_is_not_deaf(ear: Ear) -> None:
    ear.hear(lines=(UP,))
    for _ in range(6):
        deal_id = someone_edits(ear)
        ear.hear(ear.sees(deal_id), heard=DEALS)
        assert polls(ear, minutes=5) <= 2


def test_a_line_that_tells_of_what_is_of_no_consequence_is_not_deaf(ear: Ear) -> None:
    ear.hear(lines=(UP,))
    for _ in range(6):
        someone_edits(ear)
        ear.hear(heard=DEALS)
        assert polls(ear, minutes=5) <= 2


def test_what_happened_just_now_or_while_the_line_was_down_makes_nobody_deaf(ear: Ear) -> None:
    ear.hear(lines=(UP,))
    assert polls(ear, minutes=5) == 1
    ear.desk.clock.advance(timedelta(seconds=280))
    someone_edits(ear)
    ear.desk.run(seconds=20)
    assert ear.desk.system.live.deaf() == frozenset(), "its event may be on the way"
    ear.hear(lines=(DOWN,))
    someone_edits(ear)
    ear.hear(lines=(UP,), missed=DEALS)
    ear.desk.clock.advance(timedelta(minutes=5))
    ear.desk.run()
    assert ear.desk.system.live.deaf() == frozenset()


def test_a_clock_set_back_does_not_put_the_safety_poll_off(ear: Ear) -> None:
    live, now = ear.desk.system.live, ear.desk.clock.now()
    live.take([UP])
    live.polled(DEALS, at=now, told_at=now)
    safety = timedelta(minutes=5)
    assert live.due(DEALS, now=now + timedelta(minutes=1), safety=safety) == ()
    assert live.due(DEALS, now=now - timedelta(hours=1), safety=safety) == ("deal",)


def test_a_feed_that_no_line_stands_in_for_keeps_its_pace(ear: Ear) -> None:
    ear.hear(lines=(Line("tasks", frozenset({"task"}), live=True),))
    assert polls(ear, minutes=5) == 20


def test_when_nobody_listens_any_more_polling_is_back(ear: Ear) -> None:
    ear.script.says = [Hints(lines=(UP,))]
    ear.listener.listen(ear.script)
    assert polls(ear, minutes=5) == 20


def test_a_woken_pass_does_not_sweep(ear: Ear) -> None:
    ear.desk.clock.advance(timedelta(hours=2))
    ear.desk.calls.clear()
    ear.woken_pass()
    assert ear.desk.calls["scan_won"] == ear.desk.calls["changes.deal"] == 0
    ear.desk.run()
    assert ear.desk.calls["account_counts"] == 1


# gaps


def test_what_was_missed_is_polled_at_once_from_the_last_mark(ear: Ear) -> None:
    ear.hear(lines=(UP,))
    ear.desk.run()
    deal_id = ear.desk.a_deal()
    ear.desk.win(deal_id)
    ear.hear(lines=(DOWN,))
    ear.hear(lines=(UP,), missed=DEALS, cursor="new place")
    assert ear.woken == [SYSTEM]
    ear.desk.calls.clear()
    ear.woken_pass()
    assert ear.desk.tasks(deal_id), "what happened while nobody listened"
    assert ear.desk.calls["changes.deal"] == 1
    ear.woken_pass()
    assert ear.desk.calls["changes.deal"] == 1, "once"


def test_a_poll_that_fails_is_still_owed(ear: Ear) -> None:
    ear.hear(lines=(UP,), missed=DEALS)
    deal_id = ear.desk.a_deal()
    ear.desk.win(deal_id)
    ear.desk.crm.fail_calls(Fault(FaultCode.UNAVAILABLE, "503", "later"))
    assert ear.woken_pass().error
    ear.woken_pass()
    assert ear.desk.tasks(deal_id)


def test_a_feed_that_is_refused_for_good_has_no_other_polled_more_often(
    ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An app that may not see emails must not make the daemon search for deals at every event."""
    everything = ("deal", *(f"feed-{number}" for number in range(2)))
    real, refused = ear.desk.crm.changes, Fault(FaultCode.NOT_PERMITTED, "MISSING_SCOPES", "no emails for you")
    asked: Counter[str] = Counter()

    def poll(cursors: Mapping[str, str]) -> Mapping[str, ChangePage | Fault]:
        asked.update(list(cursors))
        return {feed: refused if feed == "feed-1" else real("deal", cursor) for feed, cursor in cursors.items()}

    monkeypatch.setattr(ear.desk.crm, "feeds", lambda: everything)
    monkeypatch.setattr(ear.desk.crm, "poll", poll)
    ear.hear(lines=(Line("deals", frozenset(everything), live=True),), missed=frozenset(everything))
    assert "no emails" in ear.woken_pass().error
    assert asked == dict.fromkeys(everything, 1)
    for _ in range(3):
        ear.desk.run()
        ear.woken_pass()
    assert asked == dict.fromkeys(everything, 1)
    ear.desk.run(minutes=6)
    assert asked == dict.fromkeys(everything, 2), "for safety"


def test_a_wish_that_comes_during_the_poll_means_another_one(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    ear.hear(lines=(UP,), missed=DEALS)
    real = ear.desk.crm.changes

    def changes(feed: str, cursor: str) -> object:
        monkeypatch.setattr(ear.desk.crm, "changes", real)
        ear.hear(missed=DEALS)
        return real(feed, cursor)

    monkeypatch.setattr(ear.desk.crm, "changes", changes)
    ear.woken_pass()
    assert ear.desk.system.live.wanted() == DEALS


def test_an_overflow_sweeps_at_the_next_tick(ear: Ear) -> None:
    ear.hear(lines=(UP,))
    ear.desk.run()
    ear.desk.calls.clear()
    ear.hear(sweep="Opportunity: too many", missed=DEALS)
    ear.desk.run()
    assert ear.desk.calls["account_counts"] == 1, "a sweep"
    ear.desk.run()
    assert ear.desk.calls["account_counts"] == 1, "one"


# whose records


@pytest.fixture
def handed_off(ear: Ear) -> str:
    """A deal whose handoff is done."""
    deal_id = ear.desk.a_deal()
    ear.desk.win(deal_id)
    ear.desk.settle()
    ear.woken.clear()
    return deal_id


def test_our_own_task_leads_to_its_deal_without_a_call(ear: Ear, handed_off: str) -> None:
    task = next(iter(ear.desk.tasks(handed_off).values()))
    ear.hear(Sighting(Ref(Kind.TASK, task.id), ear.desk.clock.now(), ask=True), cursor="p")
    assert ear.due() == {handed_off}
    assert ear.script.asked == []


def test_other_records_are_asked_about_in_one_call_and_only_if_worth_it(ear: Ear, handed_off: str) -> None:
    now = ear.desk.clock.now()
    task, plain, meeting = Ref(Kind.TASK, "t1"), Ref(Kind.TASK, "t2"), Ref(Kind.MEETING, "m1")
    ear.script.belongs = {task: (handed_off,)}
    ear.hear(Sighting(task, now, ask=True), Sighting(plain, now), Sighting(meeting, now, ask=True), cursor="p")
    assert ear.script.asked == [(meeting, task)]
    assert ear.due() == {handed_off}


def test_an_account_leads_to_handoffs_under_way_from_the_ledger(ear: Ear, handed_off: str) -> None:
    account = ear.desk.crm.row(handed_off).account_id
    assert account is not None
    ear.hear(Sighting(Ref(Kind.ACCOUNT, account), ear.desk.clock.now(), ask=True), cursor="p")
    assert ear.due() == {handed_off}
    assert ear.script.asked == []


def test_an_account_the_ledger_does_not_know_is_asked_about_once(ear: Ear, handed_off: str) -> None:
    account = Ref(Kind.ACCOUNT, "a-new")
    stranger = ear.desk.a_deal()
    ear.script.belongs = {account: (handed_off, stranger)}
    ear.hear(Sighting(account, ear.desk.clock.now(), ask=True), cursor="p")
    assert ear.due() == {handed_off}, "deals without a handoff under way are no business of an account's change"


def test_when_asking_fails_everything_is_polled_instead(ear: Ear) -> None:
    ear.hear(lines=(UP,))
    ear.script.error = CrmError(Fault(FaultCode.UNAVAILABLE, "503", "later"))
    ear.hear(Sighting(Ref(Kind.TASK, "t1"), ear.desk.clock.now(), ask=True), cursor="p")
    assert ear.desk.system.live.wanted() == DEALS
    assert ear.desk.store.cursor(SYSTEM, LIVE_CURSOR) == "p"


# dying, handing over


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(("point", "stored"), [(Failpoint.HINT_READ, False), (Failpoint.HINT_COMMITTED, True)])
def test_keys_and_place_are_stored_together_or_not_at_all(
    point: Failpoint, stored: bool, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    def passing(at: Failpoint) -> None:
        if at is point:
            raise Killed

    monkeypatch.setattr("connector.engine.listener.passing", passing)
    deal_id = ear.desk.a_deal()
    with pytest.raises(Killed):
        ear.hear(ear.sees(deal_id), cursor="p")
    assert (ear.desk.store.cursor(SYSTEM, LIVE_CURSOR) == "p") is stored
    assert (deal_id in ear.due()) is stored


def test_it_goes_on_from_the_stored_place_and_closes_what_it_opened(ear: Ear) -> None:
    ear.hear(cursor="place-3")
    ear.listener.listen(ear.script)
    assert ear.script.cursors == ["place-3"]
    assert ear.script.closed == 1


def test_who_loses_the_system_stops_listening(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.engine.listener.HOLD_EVERY", -1.0)
    monkeypatch.setattr("connector.engine.listener.hold", lambda shared, system: False)
    ear.script.says = [Hints(cursor="never taken")]
    ear.listener.listen(ear.script)
    assert ear.script.closed == 1
    assert ear.desk.store.cursor(SYSTEM, LIVE_CURSOR) is None


def test_a_pass_that_takes_its_time_keeps_the_system(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process waits for the hold to run out; a sweep over a million deals must not let it."""
    held: queue.SimpleQueue[str] = queue.SimpleQueue()
    real = ear.desk.store.lease

    def lease(name: str, **more: object) -> bool:
        held.put(name)
        return bool(real(name, **more))  # type: ignore[arg-type]

    def long_step(_shared: Shared, _system: System) -> int:
        while not held.empty():
            held.get()
        assert [held.get(timeout=10) for _ in range(3)] == [f"pass:{SYSTEM}"] * 3
        return 0

    onepass.let_go(ear.desk.shared, ear.desk.system)
    monkeypatch.setattr(onepass, "PASS_LEASE", 0.05)
    monkeypatch.setattr(type(ear.desk.store), "single_process", False)
    monkeypatch.setattr(ear.desk.store, "lease", lease)
    monkeypatch.setattr(onepass, "reconcile", long_step)
    assert ear.desk.run() == PassResult()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("hold:")]


def test_a_halted_system_is_not_listened_to(ear: Ear) -> None:
    ear.script.says = [Hints(cursor="never taken")]
    ear.desk.system.connected = False
    ear.listener.listen(ear.script)
    assert ear.desk.store.cursor(SYSTEM, LIVE_CURSOR) is None


def test_listening_and_working_are_one_hold(ear: Ear) -> None:
    assert hold(ear.desk.shared, ear.desk.system)
    assert ear.listener._may_listen()
    ear.desk.store.pause(SYSTEM, until=ear.desk.clock.now() + timedelta(minutes=1), reason="halted")
    assert not ear.listener._may_listen()


def test_the_thread_ends_where_there_is_nothing_to_listen_to(ear: Ear) -> None:
    ear.listener.start()
    ear.listener.join()
    assert not ear.listener._thread.is_alive()


def test_a_crash_is_told_and_the_thread_goes_on(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.engine.listener.AFTER_CRASH", 0.0)
    tries = iter([RuntimeError("a bug")])
    ear.script.says = [Hints(cursor="after the crash")]

    def live() -> LiveFeed:
        error = next(tries, None)
        if error is None:
            ear.desk.shared.stopping.set()
            return ear.script
        ear.script.listen = lambda cursor, stop: (_ for _ in ()).throw(error)  # type: ignore[method-assign,assignment]
        return ear.script

    monkeypatch.setattr(ear.desk.crm, "live", live)
    ear.listener.run()
    assert not ear.desk.system.live.lines()


@pytest.mark.parametrize("what", ["paused", "lease"])
def test_a_store_that_fails_for_a_moment_does_not_end_the_thread(
    what: str, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.engine.listener.AFTER_CRASH", 0.0)
    tries = iter([OperationalError("select", {}, sqlite3.OperationalError("database is locked"))])
    real = getattr(ear.desk.store, what)

    def locked(*given: object, **more: object) -> object:
        for error in tries:
            raise error
        return real(*given, **more)

    def live() -> LiveFeed:
        ear.desk.shared.stopping.set()
        return ear.script

    monkeypatch.setattr(ear.desk.store, what, locked)
    monkeypatch.setattr(ear.desk.crm, "live", live)
    ear.listener.run()
    assert ear.script.closed == 1, "it listened after all"


def test_what_it_crashed_over_is_not_met_again(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    """The place that is stored lies before it: the next time begins at the end, and the feed asks for a poll."""
    ear.hear(cursor="before it")
    ear.script.says = [Hints(sightings=(ear.sees("d-1"),), cursor="behind it")]
    with monkeypatch.context() as patch:
        patch.setattr(ear.listener, "_changes", _fails)
        with pytest.raises(RuntimeError):
            ear.listener.listen(ear.script)
    ear.script.says = [Hints(cursor="the end")]
    ear.listener.listen(ear.script)
    ear.listener.listen(ear.script)
    assert ear.script.cursors == ["before it", None, "the end"]


def _fails(*_: object) -> list[object]:
    raise RuntimeError("a bug")


def test_how_the_lines_stand_is_left_for_the_page(ear: Ear) -> None:
    ear.hear(lines=(UP, Line("tasks", frozenset({"task"}), live=False, why="topic.not.found")))
    ear.hear(ear.sees(ear.desk.a_deal()), lines=(UP,))
    note = LiveNote.parse(ear.desk.store.cursor(SYSTEM, LIVE_NOTE), now=ear.desk.clock.now())
    assert note == LiveNote(
        at=ear.desk.clock.now(), last_event=ear.desk.clock.now(), lines={"deals": "", "tasks": "topic.not.found"}
    )
    figures = ear.desk.shared.telemetry.registry
    assert figures.get_sample_value("handoff_live_lines", {"system": SYSTEM}) == 1
    assert figures.get_sample_value("handoff_hints_total", {"system": SYSTEM}) == 1


# the scheduler


@dataclass
class Passes:
    """Passes that were run, each held until it is let go."""

    began: list[Occasion] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    counted: threading.Condition = field(default_factory=threading.Condition)

    def run(self, shared: Shared, system: System, *, occasion: Occasion) -> PassResult:
        with self.counted:
            self.began.append(occasion)
            self.counted.notify_all()
        assert self.gate.wait(10)
        return PassResult()

    def wait_for(self, number: int) -> None:
        with self.counted:
            assert self.counted.wait_for(lambda: len(self.began) >= number, 10), self.began


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Ticks, Desk, Passes]]:
    desk, passes = a_desk(), Passes()
    monkeypatch.setattr(scheduler, "run_pass", passes.run)
    monkeypatch.setattr(scheduler, "GATHER", timedelta(milliseconds=50))
    ticks = Ticks(desk.shared, [desk.system], seconds=3600)
    ticks.start()
    yield ticks, desk, passes
    desk.shared.stopping.set()
    passes.gate.set()
    ticks.stop()


def test_a_burst_of_wishes_is_one_pass_and_those_during_it_one_more(ticking: tuple[Ticks, Desk, Passes]) -> None:
    ticks, desk, passes = ticking
    passes.wait_for(1)
    passes.gate.set()
    for _ in range(50):
        ticks.wake(desk.system)
    passes.wait_for(2)
    passes.gate.clear()
    ticks.wake(desk.system)
    passes.wait_for(3)
    for _ in range(50):
        ticks.wake(desk.system)
    passes.gate.set()
    passes.wait_for(4)
    assert passes.began == [Occasion.TICK, Occasion.WOKEN, Occasion.WOKEN, Occasion.WOKEN]


@dataclass
class Pouring:
    """A stopping flag whose waits bring deals in, so many each time."""

    desk: Desk
    waves: list[int]
    waits: int = 0
    came: int = 0

    def is_set(self) -> bool:
        return False

    def wait(self, _seconds: float) -> bool:
        self.waits += 1
        self.come(self.waves.pop(0) if self.waves else 0)
        return False

    def come(self, count: int) -> None:
        now, ids = self.desk.clock.now(), range(self.came, self.came + count)
        self.desk.store.enqueue(SYSTEM, [Look(f"deal {each}", now, "test", now) for each in ids])
        self.came += count


@pytest.mark.parametrize(
    ("first", "waves", "waits"),
    [
        (scheduler.POURING - 1, [100], 0),
        (scheduler.POURING, [50, 50, 3], 3),
        (scheduler.POURING, [scheduler.POURING] * 99, scheduler.MOST_BREATHS),
    ],
    ids=["a few deals wait for nobody", "a burst is waited for to its end", "no burst is waited for without end"],
)
def test_a_pass_begins_when_no_more_deals_pour_in(first: int, waves: list[int], waits: int) -> None:
    desk = a_desk()
    pouring = Pouring(desk, waves)
    ticks = Ticks(replace(desk.shared, stopping=pouring), [desk.system], seconds=3600)  # type: ignore[arg-type]
    pouring.come(first)
    ticks._gather(desk.system)
    assert pouring.waits == waits


def test_a_store_that_is_away_for_a_moment_does_not_make_a_system_deaf_to_being_woken(
    ticking: tuple[Ticks, Desk, Passes], monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks, desk, passes = ticking
    passes.wait_for(1)
    passes.gate.set()
    with monkeypatch.context() as away:
        away.setattr(desk.shared.store, "due_looks", away_for_a_moment)
        ticks.wake(desk.system)
        passes.wait_for(2)
    ticks.wake(desk.system)
    passes.wait_for(3)
    assert passes.began[1:] == [Occasion.WOKEN, Occasion.WOKEN]


def away_for_a_moment(_system: str) -> int:
    """What a store says whose database is being restarted."""
    raise OSError("the database is away")


def test_nothing_is_woken_while_the_process_stops(ticking: tuple[Ticks, Desk, Passes]) -> None:
    ticks, desk, passes = ticking
    passes.wait_for(1)
    passes.gate.set()
    desk.shared.stopping.set()
    ticks.wake(desk.system)
    assert ticks._attending == set()
    assert passes.began == [Occasion.TICK]


def test_passes_of_one_system_never_overlap(ear: Ear) -> None:
    """A woken pass waits for the one that is running, then runs."""
    deal_id = ear.desk.a_deal(stage="Negotiation")
    ear.desk.crm.edit(deal_id, stage=WON_STAGE.id)
    ear.hear(ear.sees(deal_id), cursor="p")
    with ear.desk.system.lock:
        thread = threading.Thread(target=ear.woken_pass)
        thread.start()
        assert not ear.desk.tasks(deal_id)
    thread.join(10)
    assert ear.desk.tasks(deal_id)
    assert set(onepass.FINDING) == set(Occasion)
