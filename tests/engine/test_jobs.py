"""Writing by jobs: the id is kept before the rows go, it is asked later, and every end books every row once."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from engine.harness import SYSTEM, Desk, a_desk
from factories import BASELINE, a_policy

from connector.crm.writing import (
    Bulk,
    JobState,
)
from connector.engine import backfill as engine
from connector.errors import CrmError, Fault, FaultCode
from connector.handoff.backfill import DEFAULT
from connector.store import State

FEW = Bulk(threshold=4, size=6, chars=1_000_000, calls=5)
DEALS = 10
REFUSAL = Fault(FaultCode.REJECTED, "RULE", "The field Percent is locked.")
LOCKED = Fault(FaultCode.ROW_LOCKED, "LOCKED", "somebody else holds it")
AWAY = Fault(FaultCode.UNAVAILABLE, "AWAY", "try again")
FORBIDDEN = Fault(FaultCode.NOT_PERMITTED, "NO_JOBS", "this login may not make jobs")


def a_desk_with_old_deals(count: int = DEALS, **options: Any) -> tuple[Desk, list[str]]:
    desk = a_desk(**{"bulk": FEW, "start": BASELINE - timedelta(days=30), **options})
    deals = [desk.a_deal(account=None, champion=None, name=f"Old {n}") for n in range(count)]
    for deal in deals:
        desk.win(deal)
    desk.clock.advance(timedelta(days=40))
    desk.run()
    desk.settle()
    desk.calls.clear()
    return desk, deals


def record(desk: Desk, **options: Any) -> int:
    given: dict[str, Any] = {"since": None, "fields": DEFAULT, "apply": True, **options}
    found = sum(len(part.writes) for part in engine.go_through(desk.shared, desk.system, **given))
    engine.release(desk.shared, desk.system)
    return found


def filled(desk: Desk, deals: list[str]) -> int:
    return sum(desk.deal(each).get("percent") is not None for each in deals)


def states(desk: Desk) -> dict[str, int]:
    return {state.value: count for state, count in desk.store.counts(SYSTEM).items() if count}


def restart(desk: Desk) -> None:
    """A new process; what lay in the old one's memory is gone."""
    desk.restart()
    desk.shared.stopping.clear()


def test_enough_rows_go_by_jobs_and_the_rest_in_batches() -> None:
    desk, deals = a_desk_with_old_deals()
    assert record(desk) == DEALS
    desk.run()
    # Six rows fill a job, four more are enough for a second.
    assert (desk.calls["jobs.open"], desk.calls["jobs.load"], desk.calls["apply"]) == (2, 2, 0)
    assert states(desk)["sending"] == DEALS
    desk.run()
    assert (desk.calls["jobs.ask"], desk.calls["jobs.results"]) == (2, 2)
    assert states(desk) == {"applied": DEALS}
    assert filled(desk, deals) == DEALS
    assert desk.store.jobs(SYSTEM) == ()


def test_fewer_rows_go_in_batches() -> None:
    desk, deals = a_desk_with_old_deals(3)
    record(desk)
    desk.run()
    assert (desk.calls["jobs.open"], desk.calls["apply"]) == (0, 1)
    assert filled(desk, deals) == 3


def test_a_job_that_runs_is_left_alone_and_asked_ever_more_rarely() -> None:
    desk, deals = a_desk_with_old_deals(6)
    desk.crm.made_jobs.at_once = False
    record(desk)
    for _ in range(60):
        desk.run()
    assert desk.store.jobs(SYSTEM)[0].asked == desk.calls["jobs.ask"]
    assert desk.calls["jobs.ask"] <= 9, "five minutes, a look a minute and a few before"
    desk.crm.made_jobs.work("job-1")
    desk.run(minutes=1)
    assert states(desk) == {"applied": 6}
    assert filled(desk, deals) == 6


def test_no_more_than_three_jobs_are_under_way_and_the_rest_waits() -> None:
    desk, deals = a_desk_with_old_deals(30)
    desk.crm.made_jobs.at_once = False
    record(desk)
    desk.run()
    desk.run()
    assert len(desk.store.jobs(SYSTEM)) == 3
    assert (states(desk)["sending"], states(desk)["pending"]) == (18, 12)
    assert desk.calls["apply"] == 0
    for job in ("job-1", "job-2", "job-3"):
        desk.crm.made_jobs.work(job)
    desk.crm.made_jobs.at_once = True
    desk.settle()
    assert filled(desk, deals) == 30


def test_while_a_job_runs_a_new_win_is_handed_off() -> None:
    desk, _ = a_desk_with_old_deals(6)
    desk.crm.made_jobs.at_once = False
    record(desk)
    desk.run()
    fresh = desk.a_deal(name="Fresh")
    desk.win(fresh)
    for _ in range(3):
        desk.run()
    assert desk.deal(fresh)["status"]
    assert desk.tasks(fresh)
    assert len(desk.store.jobs(SYSTEM)) == 1


def test_each_row_ends_as_the_job_tells_of_it() -> None:
    desk, deals = a_desk_with_old_deals(6)
    record(desk)
    desk.crm.refuse_rows(REFUSAL, LOCKED)
    desk.run()
    desk.run()
    assert states(desk) == {"applied": 4, "parked": 1, "pending": 1}
    [parked] = desk.store.parked(SYSTEM)
    assert parked.error is not None
    assert parked.error.message == "The field Percent is locked."
    desk.run(minutes=5)
    assert states(desk) == {"applied": 5, "parked": 1}
    assert filled(desk, deals) == 5


def test_a_job_that_was_broken_off_gives_its_rows_back_and_they_go_in_batches() -> None:
    desk, deals = a_desk_with_old_deals(6)
    desk.crm.made_jobs.at_once = False
    record(desk)
    desk.run()
    desk.crm.made_jobs.work("job-1", rows=2)
    desk.run()
    assert states(desk) == {"applied": 2, "pending": 4}
    desk.run(minutes=1)
    assert (desk.calls["jobs.open"], desk.calls["apply"]) == (1, 1)
    assert filled(desk, deals) == 6


def test_a_process_that_died_before_loading_leaves_a_job_that_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, deals = a_desk_with_old_deals(6)
    record(desk)
    with monkeypatch.context() as patch:
        patch.setattr(desk.crm.made_jobs, "load", _die)
        with pytest.raises(KeyboardInterrupt):
            desk.run()
    restart(desk)
    desk.run()
    assert desk.crm.made_jobs.jobs["job-1"].state is JobState.BROKEN_OFF
    desk.settle()
    assert filled(desk, deals) == 6
    assert_written_once(desk, deals)


def test_a_close_whose_answer_was_lost_is_found_by_the_stored_id() -> None:
    desk, deals = a_desk_with_old_deals(6)
    desk.crm.made_jobs.lose_close = True
    record(desk)
    desk.run()
    assert states(desk) == {"sending": 6}
    desk.run()
    assert states(desk) == {"applied": 6}
    assert desk.calls["jobs.open"] == 1
    assert_written_once(desk, deals)


def test_a_look_that_fails_leaves_the_job_alone() -> None:
    desk, deals = a_desk_with_old_deals(6)
    desk.crm.made_jobs.at_once = False
    record(desk)
    desk.run()
    desk.crm.fail_calls(*[AWAY] * 2)
    assert desk.run().error
    assert desk.crm.made_jobs.jobs["job-1"].state is JobState.RUNNING
    assert states(desk) == {"sending": 6}
    desk.crm.made_jobs.work("job-1")
    desk.run(minutes=1)
    desk.run(minutes=1)
    assert states(desk) == {"applied": 6}
    assert desk.calls["jobs.give_up"] == 0
    assert filled(desk, deals) == 6


def test_rows_of_a_job_that_the_crm_does_not_know_are_looked_up() -> None:
    desk, deals = a_desk_with_old_deals(6)
    record(desk)
    desk.run()
    assert filled(desk, deals) == 6
    desk.crm.edit(deals[0], percent=None, missing=None, metric_completion=None)
    desk.crm.made_jobs.jobs.clear()
    desk.run(minutes=1)
    desk.settle()
    assert filled(desk, deals) >= 5
    assert states(desk).keys() <= {"applied", "superseded"}


def test_where_jobs_are_not_allowed_rows_go_in_batches() -> None:
    desk, deals = a_desk_with_old_deals()
    record(desk)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desk.crm.made_jobs, "open", _forbidden)
        desk.run()
    assert filled(desk, deals) == DEALS
    assert desk.calls["apply"] == 1


def test_somebodys_edit_takes_a_waiting_row_back() -> None:
    desk, deals = a_desk_with_old_deals(6)
    desk.crm.made_jobs.at_once = False
    assert record(desk, limit=2) == 2
    held = list(engine.go_through(desk.shared, desk.system, since=None, fields=DEFAULT))
    assert sum(part.waiting for part in held) == 2
    first = next(each for each in deals if desk.store.backfilling(SYSTEM, [each]))
    desk.crm.edit(first, percent=Decimal(7))
    desk.run()
    desk.settle()
    assert desk.deal(first)["percent"] == 7
    assert states(desk) == {"applied": 1, "superseded": 1}


def test_a_second_backfill_has_nothing_to_do_and_own_writes_cost_no_look() -> None:
    desk, _ = a_desk_with_old_deals()
    record(desk)
    desk.run()
    desk.run()
    desk.calls.clear()
    for _ in range(30):
        desk.run()
    assert desk.calls["fetch"] == 0
    assert record(desk) == 0
    assert states(desk) == {"applied": DEALS}


def test_a_restarted_daemon_keeps_what_a_backfill_left_to_send() -> None:
    desk, deals = a_desk_with_old_deals(3)
    record(desk)
    restart(desk)
    desk.run()
    assert filled(desk, deals) == 3


def test_old_deals_get_nothing_but_their_figures() -> None:
    desk, deals = a_desk_with_old_deals()
    before = {each: dict(desk.deal(each)) for each in deals}
    record(desk)
    desk.settle()
    changed = Counter(
        name for each in deals for name, value in desk.deal(each).items() if before[each].get(name) != value
    )
    assert changed == dict.fromkeys(DEFAULT, DEALS)
    assert not any(desk.tasks(each) or desk.notes(each) for each in deals)
    assert desk.told == []


def assert_written_once(desk: Desk, deals: list[str]) -> None:
    """One write by the connector a deal: its number on the feed grew by one."""
    own = Counter(entry.deal_id for entry in desk.crm._feed if entry.by_self)
    assert {own[each] for each in deals} == {1}


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def _forbidden(*_: object) -> str:
    raise CrmError(FORBIDDEN)


def test_what_the_store_says_of_rows_on_their_way() -> None:
    desk, deals = a_desk_with_old_deals(2, policy=a_policy())
    record(desk)
    assert set(desk.store.backfilling(SYSTEM, deals).values()) == {State.PENDING}
    assert desk.store.open_backfill(SYSTEM) == 2


def test_the_nightly_comparison_takes_a_backfill_for_no_news() -> None:
    desk, _ = a_desk_with_old_deals()
    record(desk)
    desk.run()
    desk.run()
    desk.calls.clear()
    for _ in range(60):
        desk.run(hours=1)
    assert desk.calls["fetch"] == 0


def test_a_command_that_sends_outlasts_a_crm_that_is_away_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, deals = a_desk_with_old_deals(6)
    monkeypatch.setattr(engine, "_nap", lambda shared, _due: desk.clock.advance(timedelta(minutes=1)) or 0.0)
    record(desk)
    left = engine.send(desk.shared, desk.system)
    assert next(left) == 6
    desk.crm.fail_calls(*[AWAY] * 3)
    assert list(left)[-1] == 0
    assert filled(desk, deals) == 6


@pytest.mark.parametrize("who", ["another daemon", "a halt"])
def test_a_command_that_may_not_send_says_what_is_left(who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, _ = a_desk_with_old_deals(6)
    record(desk)
    if who == "a halt":
        desk.store.pause(SYSTEM, until=desk.clock.now() + timedelta(minutes=1), reason="halted")
    else:
        monkeypatch.setattr(engine, "hold", lambda _shared, _system: False)
    assert list(engine.send(desk.shared, desk.system)) == [6]


def test_a_limit_and_a_second_run_fill_what_is_left() -> None:
    desk, deals = a_desk_with_old_deals()
    assert record(desk, limit=3) == 3
    desk.settle()
    assert filled(desk, deals) == 3
    assert record(desk) == DEALS - 3
    desk.settle()
    assert filled(desk, deals) == DEALS


TOO_BIG = Fault(FaultCode.REJECTED, "HTTP 413", "the upload is too large")
NO_SUCH_PATH = Fault(FaultCode.RECORD_GONE, "NOT_FOUND", "The requested resource does not exist")


@pytest.mark.parametrize("fault", [TOO_BIG, NO_SUCH_PATH])
def test_rows_a_job_will_not_take_go_in_batches(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading them again would be refused again, at five calls a time, for ever."""
    desk, deals = a_desk_with_old_deals(6)
    record(desk)
    monkeypatch.setattr(desk.crm.made_jobs, "load", _raises(fault))
    for _ in range(4):
        desk.run()
    assert filled(desk, deals) == 6
    assert (desk.calls["jobs.open"], desk.calls["apply"]) == (1, 1)
    assert_written_once(desk, deals)


def test_where_there_are_no_jobs_to_open_rows_go_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, deals = a_desk_with_old_deals(6)
    record(desk)
    monkeypatch.setattr(desk.crm.made_jobs, "open", _raises(NO_SUCH_PATH))
    desk.run()
    assert filled(desk, deals) == 6


@pytest.mark.parametrize("step", ["open", "load"])
@pytest.mark.parametrize("fault", [AWAY, Fault(FaultCode.OUTCOME_UNKNOWN, "ReadTimeout", "no answer")])
def test_a_way_that_fails_again_and_again_is_left_for_the_other(
    step: str, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that lets no large upload through answers nothing, or an outage; reads and batches go on meanwhile."""
    desk, deals = a_desk_with_old_deals(6)
    record(desk)
    monkeypatch.setattr(desk.crm.made_jobs, step, _raises(fault))
    for _ in range(12):
        desk.run(minutes=1)
    assert filled(desk, deals) == 6
    assert desk.calls["apply"] == 1
    assert_written_once(desk, deals)


def _raises(fault: Fault) -> Any:
    def call(*_: object) -> None:
        raise CrmError(fault)

    return call
