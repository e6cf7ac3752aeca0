"""Waiting before a call: rates by count, and windows by what the vendor's headers say."""

from __future__ import annotations

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


def test_a_rate_of_nothing_is_refused() -> None:
    time = Clockwork()
    with pytest.raises(ValueError, match="at least 1"):
        Rate(limit=0, seconds=1.0, monotonic=time.monotonic, wait=time.wait)


@pytest.mark.parametrize(
    ("remaining", "waits"),
    [(190, 0.0), (20, 0.0), (19, 10 / 190), (1, 10 / 190), (0, 10.0)],
)
def test_the_window_is_spread_when_nearly_used_up_and_waited_out_when_empty(remaining: int, waits: float) -> None:
    time = Clockwork()
    burst = Burst(monotonic=time.monotonic, wait=time.wait)
    burst.note(limit=190, remaining=remaining, interval=10.0)
    assert burst.take() == pytest.approx(waits)


def test_time_already_passed_counts_and_good_news_clears() -> None:
    time = Clockwork()
    burst = Burst(monotonic=time.monotonic, wait=time.wait)
    burst.note(limit=190, remaining=0, interval=10.0)
    time.now += 4
    assert burst.take() == pytest.approx(6.0)
    burst.note(limit=190, remaining=0, interval=10.0)
    burst.note(limit=190, remaining=150, interval=10.0)
    assert burst.take() == 0.0
