"""Waiting before a call: rates by count, and windows by what the vendor's headers say."""

from __future__ import annotations

import threading

import pytest

from connector.crm.budget import Burst, Rate


class Clockwork:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


def test_no_window_ever_holds_more_calls_than_the_rate() -> None:
    time = Clockwork()
    rate = Rate(limit=5, seconds=1.0, monotonic=time.monotonic, wait=time.wait)
    starts = []
    for _ in range(37):
        rate.take()
        starts.append(time.now)
        time.now += 0.03
    for at in starts:
        assert sum(1 for each in starts if at <= each < at + 0.999) <= 5


def test_a_first_burst_within_the_rate_does_not_wait() -> None:
    time = Clockwork()
    rate = Rate(limit=5, seconds=1.0, monotonic=time.monotonic, wait=time.wait)
    assert [rate.take() for _ in range(5)] == [0.0] * 5
    assert rate.take() == pytest.approx(1.0)


def test_calls_that_reach_the_vendor_late_and_close_together_are_within_the_rate() -> None:
    time = Clockwork()
    rate = Rate(limit=5, seconds=1.0, monotonic=time.monotonic, wait=time.wait)
    arrivals = []
    for number in range(37):
        rate.take()
        time.now += 0.4 if number % 5 == 0 else 0.01  # every fifth is held up on the way
        arrivals.append(time.now)
        rate.answered()
    for at in arrivals:
        assert sum(1 for each in arrivals if at <= each < at + 0.999) <= 5


def test_a_rate_of_nothing_is_refused() -> None:
    time = Clockwork()
    with pytest.raises(ValueError, match="at least 1"):
        Rate(limit=0, seconds=1.0, monotonic=time.monotonic, wait=time.wait)


def test_nothing_waits_while_the_window_has_room() -> None:
    time = Clockwork()
    burst = Burst(monotonic=time.monotonic, wait=time.wait)
    for remaining in range(190, 2, -1):
        assert burst.take() == 0.0
        burst.note(remaining=remaining, interval=10.0)


def test_a_window_used_up_is_waited_for_until_our_oldest_call_leaves_it() -> None:
    time = Clockwork()
    burst = Burst(monotonic=time.monotonic, wait=time.wait)
    for at in (100.0, 103.0, 104.0):
        time.now = at
        burst.take()
        burst.note(remaining=0, interval=10.0)
        burst.note(remaining=3, interval=10.0)
    burst.note(remaining=0, interval=10.0)
    assert burst.take() == pytest.approx(6.0)  # the call of 100.0 leaves at 110.0
    burst.note(remaining=0, interval=10.0)
    assert burst.take() == pytest.approx(3.0)  # the call of 103.0 leaves at 113.0
    burst.note(remaining=50, interval=10.0)
    assert burst.take() == 0.0


def test_a_window_used_up_by_another_process_is_waited_out() -> None:
    time = Clockwork()
    burst = Burst(monotonic=time.monotonic, wait=time.wait)
    burst.note(remaining=0, interval=10.0)
    assert burst.take() == pytest.approx(10.0)


def test_what_was_told_a_window_ago_keeps_no_call_waiting() -> None:
    time = Clockwork()
    burst = Burst(monotonic=time.monotonic, wait=time.wait)
    burst.note(remaining=0, interval=10.0)
    time.now += 60.0
    assert burst.take() == 0.0


def test_calls_that_wait_beside_each_other_wait_for_one_place_each_and_hear_answers() -> None:
    time = Clockwork()
    waits: list[float] = []
    heard: list[bool] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 1:
            for done in (burst.take, lambda: burst.note(remaining=0, interval=10.0)):
                other = threading.Thread(target=done, daemon=True)
                other.start()
                other.join(timeout=5.0)
                heard.append(not other.is_alive())

    burst = Burst(monotonic=time.monotonic, wait=wait)
    for at in (100.0, 103.0):
        time.now = at
        burst.take()
        burst.note(remaining=50, interval=10.0)
    burst.note(remaining=0, interval=10.0)
    assert burst.take() == pytest.approx(7.0)  # the call of 100.0 leaves at 110.0
    assert waits[1] == pytest.approx(10.0)  # and that of 103.0 at 113.0
    assert heard == [True, True]


def test_a_rolling_window_is_never_overrun_and_nearly_used() -> None:
    time = Clockwork()
    burst = Burst(monotonic=time.monotonic, wait=time.wait)
    starts: list[float] = []
    for _ in range(900):
        burst.take()
        starts.append(time.now)
        used = sum(1 for each in starts if each > time.now - 10.0)
        assert used <= 190
        time.now += 0.01
        burst.note(remaining=190 - used, interval=10.0)
    assert 900 / (starts[-1] - starts[0]) > 17
