"""Cutting lists, and second tries of reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connector.clock import ManualClock
from connector.crm.batch import chunks, chunks_by_cost, waves
from connector.crm.retry import ATTEMPTS, LONGEST_WAIT, ReadRetry
from connector.errors import CrmError, Fault, FaultCode

NOW = datetime(2026, 11, 2, tzinfo=UTC)


def failing(fault: Fault, *, times: int) -> tuple[list[int], object]:
    tries: list[int] = []

    def read() -> str:
        tries.append(1)
        if len(tries) <= times:
            raise CrmError(fault)
        return "answer"

    return tries, read


def test_chunks_keep_order_and_lose_nothing() -> None:
    assert list(chunks([1, 2, 3, 4, 5], size=2)) == [(1, 2), (3, 4), (5,)]
    assert list(chunks([], size=2)) == []


def test_chunks_by_cost_stay_under_the_budget_and_send_a_giant_alone() -> None:
    found = list(chunks_by_cost(["aa", "b", "ccc", "dddddd", "e"], budget=4, cost=len))
    assert found == [("aa", "b"), ("ccc",), ("dddddd",), ("e",)]
    assert list(chunks_by_cost(["a", "b", "c"], budget=99, cost=len, size=2)) == [("a", "b"), ("c",)]


def test_waves_part_rows_of_one_identity_and_keep_their_order() -> None:
    assert list(waves(["a1", "b1", "a2", "a3", "b2"], identity=lambda row: row[0])) == [
        ("a1", "b1"),
        ("a2", "b2"),
        ("a3",),
    ]


def test_a_blip_is_overcome_within_the_call() -> None:
    waits: list[float] = []
    tries, read = failing(Fault(FaultCode.UNAVAILABLE, "503", "busy"), times=2)
    retry = ReadRetry(clock=ManualClock(NOW), sleep=waits.append)
    assert retry(read) == "answer"  # type: ignore[arg-type]
    assert len(tries) == 3
    assert len(waits) == 2
    assert all(0 < wait <= LONGEST_WAIT for wait in waits)


def test_tries_are_bounded_and_the_last_fault_is_raised() -> None:
    tries, read = failing(Fault(FaultCode.UNAVAILABLE, "503", "busy"), times=99)
    with pytest.raises(CrmError) as caught:
        ReadRetry(clock=ManualClock(NOW), sleep=lambda _seconds: None)(read)  # type: ignore[arg-type]
    assert caught.value.fault.vendor_code == "503"
    assert len(tries) == ATTEMPTS


def test_a_wait_the_vendor_names_is_kept_to_and_a_long_one_left_to_the_engine() -> None:
    waits: list[float] = []
    retry = ReadRetry(clock=ManualClock(NOW), sleep=waits.append)
    _, read = failing(Fault(FaultCode.THROTTLED, "429", "slow", retry_at=NOW + timedelta(seconds=3)), times=1)
    assert retry(read) == "answer"  # type: ignore[arg-type]
    assert waits == [3.0]
    tries, read = failing(Fault(FaultCode.THROTTLED, "429", "slow", retry_at=NOW + timedelta(minutes=5)), times=1)
    with pytest.raises(CrmError):
        retry(read)  # type: ignore[arg-type]
    assert (len(tries), waits) == (1, [3.0])


@pytest.mark.parametrize("code", [FaultCode.AUTH_REVOKED, FaultCode.REJECTED, FaultCode.QUOTA_EXHAUSTED])
def test_what_waiting_cannot_mend_is_raised_at_once(code: FaultCode) -> None:
    tries, read = failing(Fault(code, "x", "y"), times=1)
    with pytest.raises(CrmError):
        ReadRetry(clock=ManualClock(NOW), sleep=lambda _seconds: None)(read)  # type: ignore[arg-type]
    assert len(tries) == 1
