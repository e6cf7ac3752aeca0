"""The day's calls run low: what cannot wait goes on, the rest waits, and people are told."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from engine.harness import SYSTEM, Desk, a_desk

from connector.crm.port import (
    DailyCalls,
)
from connector.errors import Fault, FaultCode
from connector.handoff.model import Gate
from connector.web.status import Watched, read_status

WATCHED = (Watched(SYSTEM, "memory", "act", 5.0),)


def test_at_the_reserve_a_win_is_still_handled_within_five_minutes() -> None:
    desk = a_desk()
    desk.settle()
    desk.crm.calls_today = DailyCalls(used=85_000, allowed=100_000)
    desk.run()
    deal = desk.a_deal()
    desk.win(deal)
    desk.run(minutes=5)
    desk.run()
    assert desk.deal(deal)["gate"] == Gate.RELEASED.value
    assert desk.tasks(deal)


def test_at_the_reserve_an_idle_minute_costs_nothing() -> None:
    desk = a_desk()
    desk.settle()
    desk.crm.calls_today = DailyCalls(used=85_000, allowed=100_000)
    desk.run()
    assert desk.idle_minute() == {}


def test_people_are_told_and_told_when_it_is_over() -> None:
    desk = a_desk()
    desk.crm.calls_today = DailyCalls(used=85_000, allowed=100_000)
    desk.run()
    told = read_status(desk.store, WATCHED, now=desk.clock.now()).systems[0]
    assert (told.sparing, told.calls) == (True, "85000/100000")
    desk.crm.calls_today = DailyCalls(used=10, allowed=100_000)
    desk.run(minutes=6)
    assert not read_status(desk.store, WATCHED, now=desk.clock.now()).systems[0].sparing
    assert desk.idle_minute()["changes.deal"] == 12


def test_a_feed_that_fails_at_every_pass_does_not_hide_that_calls_run_low(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = a_desk()
    desk.settle()
    desk.crm.calls_today = DailyCalls(used=85_000, allowed=100_000)
    fault = Fault(FaultCode.REJECTED, "INVALID_TYPE", "Event is hidden")
    monkeypatch.setattr(desk.crm, "poll", lambda cursors: dict.fromkeys(cursors, fault))
    assert "Event is hidden" in desk.run().error
    assert desk.system.sparing


def test_at_the_reserve_a_poll_that_fails_is_tried_again_in_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = a_desk()
    desk.settle()
    desk.crm.calls_today = DailyCalls(used=85_000, allowed=100_000)
    desk.run()
    deal = desk.a_deal()
    desk.win(deal)
    with monkeypatch.context() as away:
        fault = Fault(FaultCode.UNAVAILABLE, "503", "for a moment")
        away.setattr(desk.crm, "poll", lambda cursors: dict.fromkeys(cursors, fault))
        assert desk.run(minutes=5).error
        assert not desk.run().error, "and not at every tick"
    desk.run(minutes=1)
    assert desk.tasks(deal)


def test_at_the_reserve_a_feed_that_is_refused_for_good_costs_no_more_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = a_desk()
    desk.settle()
    desk.crm.calls_today = DailyCalls(used=85_000, allowed=100_000)
    desk.run()
    asked: list[str] = []
    fault = Fault(FaultCode.NOT_PERMITTED, "MISSING_SCOPES", "no")
    monkeypatch.setattr(desk.crm, "poll", lambda cursors: (asked.extend(cursors), dict.fromkeys(cursors, fault))[1])
    for _ in range(10):
        desk.run(minutes=1)
    assert len(asked) == 2 * len(desk.crm.feeds())


def test_a_clock_set_back_by_a_day_puts_off_neither_polls_nor_sweeps() -> None:
    desk = a_desk()
    desk.settle()
    desk.crm.calls_today = DailyCalls(used=85_000, allowed=100_000)
    desk.run()
    desk.clock.advance(timedelta(days=-1))
    desk.system.rests_until = desk.clock.now() + timedelta(days=1)
    desk.calls.clear()
    desk.run()
    assert desk.calls["changes.deal"] == 1
    desk.crm.calls_today = DailyCalls(used=5, allowed=100_000)
    desk.run(minutes=5)
    desk.run()
    assert desk.system.last_sweep == desk.clock.now()


def test_the_reserve_is_what_the_config_says() -> None:
    desk = a_desk()
    desk.system.reserve = 0.0
    desk.crm.calls_today = DailyCalls(used=99_000, allowed=100_000)
    desk.run()
    assert not desk.system.sparing


def test_a_name_that_comes_to_mean_another_org_halts_and_nothing_is_written() -> None:
    desk = a_desk()
    desk.settle()
    desk.crm.home_id = "00D-another"
    desk.restart()
    deal = desk.a_deal()
    desk.win(deal)
    assert "was memory so far" in desk.run().error
    assert desk.tasks(deal) == {}


def test_an_org_under_a_second_name_halts_with_the_name_it_has() -> None:
    desk = a_desk()
    desk.settle()
    renamed = dataclasses.replace(desk.system, name="other", connected=False)
    desk = Desk(desk.clock, desk.crm, desk.store, desk.shared, renamed, desk.calls)
    assert "call this system mem" in desk.run().error
