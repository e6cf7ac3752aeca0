"""The engine when the CRM or a receiver is in trouble: it waits, asks, parks; it never runs hot or forgets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from engine.harness import SYSTEM, Desk, a_desk

from connector.crm.writing import (
    Refused,
    Unknown,
    Write,
    WriteOutcome,
)
from connector.engine.notifier import Email
from connector.errors import CrmError, Fault, FaultCode
from connector.handoff.model import Kind
from connector.handoff.plan import Notify
from connector.store import State

STEPS = {"welcome-packet", "setup-call", "prepare", "run-call"}
HALF_AN_HOUR = 6 * 30
"""Passes, when one is run every ten seconds."""

Apply = Callable[[Sequence[Write]], tuple[WriteOutcome, ...]]


def a_won_deal(desk: Desk) -> str:
    """A deal that is won, and not yet looked at."""
    desk.run()
    deal_id = desk.a_deal()
    desk.run()
    desk.win(deal_id)
    return deal_id


def replace_apply(desk: Desk, monkeypatch: pytest.MonkeyPatch, make: Callable[[Apply], Apply]) -> list[int]:
    """Let the CRM answer writes another way; the list grows by the size of each batch."""
    sizes: list[int] = []
    answer = make(desk.crm.apply)

    def apply(writes: Sequence[Write]) -> tuple[WriteOutcome, ...]:
        sizes.append(len(writes))
        return answer(writes)

    monkeypatch.setattr(desk.crm, "apply", apply)
    return sizes


def failing(fault: Fault) -> Callable[[Apply], Apply]:
    """Every call fails as a whole."""

    def make(_real: Apply) -> Apply:
        def apply(_writes: Sequence[Write]) -> tuple[WriteOutcome, ...]:
            raise CrmError(fault)

        return apply

    return make


def refusing(fault: Fault, *, kind: Kind | None = None) -> Callable[[Apply], Apply]:
    """Every row, or every row of a kind, is refused."""

    def make(real: Apply) -> Apply:
        def apply(writes: Sequence[Write]) -> tuple[WriteOutcome, ...]:
            hit = kind is None or writes[0].kind is kind
            return tuple(Refused(fault) for _ in writes) if hit else real(writes)

        return apply

    return make


@pytest.mark.parametrize("code", [FaultCode.UNAVAILABLE, FaultCode.THROTTLED])
def test_an_outage_of_an_hour_parks_nothing_and_is_made_up_for(
    monkeypatch: pytest.MonkeyPatch, code: FaultCode
) -> None:
    desk = a_desk()
    deal_id = a_won_deal(desk)
    with monkeypatch.context() as outage:
        calls = replace_apply(desk, outage, failing(Fault(code, "503", "down")))
        for _ in range(2 * HALF_AN_HOUR):
            desk.run(seconds=10)
        assert desk.store.counts(SYSTEM)[State.PARKED] == 0
        assert len(calls) < 100, "an outage is not hammered"
    for _ in range(12):
        desk.run(seconds=30)
    assert set(desk.tasks(deal_id)) == STEPS
    assert desk.deal(deal_id)["status"] == "2 Welcome"


@pytest.mark.parametrize("code", [FaultCode.QUOTA_EXHAUSTED, FaultCode.AUTH_REVOKED, FaultCode.THROTTLED])
def test_a_time_to_try_again_that_has_passed_is_no_reason_to_run_hot(
    monkeypatch: pytest.MonkeyPatch, code: FaultCode
) -> None:
    desk = a_desk()
    a_won_deal(desk)
    past = desk.clock.now() - timedelta(minutes=10)
    calls = replace_apply(desk, monkeypatch, failing(Fault(code, "429", "slow down", retry_at=past)))
    desk.run()
    assert len(calls) <= 2


def test_a_row_that_says_the_quota_is_gone_halts_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = a_desk()
    a_won_deal(desk)
    replace_apply(desk, monkeypatch, refusing(Fault(FaultCode.QUOTA_EXHAUSTED, "LIMIT", "no calls left")))
    desk.run()
    paused = desk.store.paused(SYSTEM)
    assert paused is not None
    assert "no calls left" in paused[1]


@pytest.mark.parametrize("code", [FaultCode.DUPLICATE, FaultCode.RECORD_GONE, FaultCode.CONFLICT])
def test_a_row_refused_the_same_however_often_it_is_read_anew_is_parked(
    monkeypatch: pytest.MonkeyPatch, code: FaultCode
) -> None:
    desk = a_desk()
    a_won_deal(desk)
    fault = Fault(code, "DUPLICATE_VALUE", "held by a record you may not see")
    replace_apply(desk, monkeypatch, refusing(fault, kind=Kind.TASK))
    desk.calls.clear()
    for _ in range(12 * 10):
        desk.run()
    assert desk.calls["fetch"] < 15, "each look is a call"
    for _ in range(40):
        desk.run(seconds=30)
    parked = desk.store.parked(SYSTEM)
    assert {row.step for row in parked} == STEPS
    assert {row.error.message for row in parked if row.error} == {fault.message}
    assert desk.idle_minute() == {"changes.deal": 12}


def test_one_conflict_is_read_anew_and_done_in_the_same_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = a_desk()
    deal_id = a_won_deal(desk)
    desk.crm.refuse_rows(Fault(FaultCode.CONFLICT, "409", "changed meanwhile"))
    desk.run()
    assert desk.deal(deal_id)["status"] == "2 Welcome"


def test_a_write_that_never_gets_an_answer_is_sent_ever_more_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = a_desk()
    a_won_deal(desk)
    silent = Fault(FaultCode.OUTCOME_UNKNOWN, "timeout", "no answer")
    calls = replace_apply(desk, monkeypatch, lambda _real: lambda writes: tuple(Unknown(silent) for _ in writes))
    for _ in range(HALF_AN_HOUR):
        desk.run(seconds=10)
    assert len(calls) < 20


def test_a_slow_chat_does_not_get_the_same_message_for_ever() -> None:
    sent: list[Notify] = []

    def send(notice: Notify) -> None:
        sent.append(notice)
        raise CrmError(Fault(FaultCode.OUTCOME_UNKNOWN, "no answer", "ReadTimeout"))

    desk = a_desk(send=send)
    a_won_deal(desk)
    for _ in range(HALF_AN_HOUR):
        desk.run(seconds=10)
    assert len(sent) == 3
    assert [row.step for row in desk.store.parked(SYSTEM)] == ["notify-csm_assigned"]


def test_an_address_no_mail_can_have_is_parked_and_stops_nobody_else() -> None:
    mail = Email(host="127.0.0.1", port=1, sender="handoff@seller.example")

    def send(notice: Notify) -> None:
        mail(Notify(**{name: getattr(notice, name) for name in Notify.__slots__} | {"to_email": "maya\n@seller"}))

    desk = a_desk(send=send)
    deal_id = a_won_deal(desk)
    desk.run()
    assert desk.deal(deal_id)["status"] == "2 Welcome"
    assert [row.error.vendor_code for row in desk.store.parked(SYSTEM) if row.error] == ["unusable address"]


def test_a_feed_that_may_not_be_read_leaves_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = a_desk()
    deal_id = a_won_deal(desk)

    def changes(feed: str, cursor: str) -> object:
        raise CrmError(Fault(FaultCode.NOT_PERMITTED, "403", f"no right to read {feed} after {cursor}"))

    monkeypatch.setattr(desk.crm, "changes", changes)
    for _ in range(17):
        result = desk.run(minutes=1)
    assert "403" in result.error
    assert set(desk.tasks(deal_id)) == STEPS


def test_a_chat_that_hangs_does_not_keep_new_wins_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [0.0]
    sent: list[Notify] = []

    def send(notice: Notify) -> None:
        sent.append(notice)
        seconds[0] += 10
        raise CrmError(Fault(FaultCode.UNAVAILABLE, "timeout", "the chat service is busy or down"))

    monkeypatch.setattr("connector.engine.dispatcher.time.monotonic", lambda: seconds[0])
    desk = a_desk(send=send)
    desk.run()
    first = [desk.a_deal() for _ in range(60)]
    desk.run()
    for deal_id in first:
        desk.win(deal_id)
    desk.run()
    assert len(sent) <= 40, "a batch of messages for each of the two rounds a pass needs to find nothing more to do"
    late = desk.a_deal()
    desk.win(late)
    desk.run()
    assert desk.deal(late)["status"] == "2 Welcome"
