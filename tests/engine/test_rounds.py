"""Rounds beside the polls: paced, resumed, held against the ledger; and rest when the CRM asks for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from engine.harness import SYSTEM, Desk, a_desk
from structlog.testing import capture_logs

from connector.crm.memory import MemoryCRM
from connector.crm.port import Change, ChangePage, DailyCalls, read_place
from connector.crm.rounds import Round, RoundPage
from connector.engine.rounds import BUSY, PAGES_AT_ONCE
from connector.errors import CrmError, Fault, FaultCode
from connector.handoff.model import Kind
from connector.handoff.plan import Phase
from connector.store import Look, RoundNote, round_cursor
from connector.web.status import Watched, read_status

CENSUS = Round("census", every=timedelta(days=1), seconds=1.0, share=0.5)


@dataclass
class Listing:
    """A census over the CRM in memory, a few deals a page."""

    crm: MemoryCRM
    size: int = 2
    asked: list[str] = field(default_factory=list)
    archived: dict[str, datetime] = field(default_factory=dict)
    fault: Fault | None = None
    since: list[datetime] = field(default_factory=list)

    def all(self) -> tuple[Round, ...]:
        """One kind."""
        return (CENSUS,)

    def begin(self, name: str, *, since: datetime, now: datetime) -> str:
        """At the first deal."""
        assert since <= now
        self.since.append(since)
        return "0"

    def page(self, name: str, place: str, *, now: datetime) -> RoundPage:
        """So many deals; the last page tells who is gone."""
        if self.fault is not None:
            raise CrmError(self.fault)
        self.asked.append(place)
        rows = sorted(self.crm.rows(Kind.DEAL), key=lambda row: row.id)
        at = read_place(name, int, place)
        part = rows[at : at + self.size]
        last = at + self.size >= len(rows)
        return RoundPage(
            changes=tuple(Change(row.id, row.modified_at) for row in part if row.modified_at >= self.since[-1]),
            rows=len(part),
            place=None if last else str(at + self.size),
            listed=tuple(row.id for row in part),
            gone=tuple(Change(each, when) for each, when in self.archived.items()) if last else (),
            of=len(rows),
        )


@pytest.fixture
def desk() -> Desk:
    """A daemon whose feed has gone deaf, and a census."""
    desk = a_desk()
    desk.crm.gone_through = Listing(desk.crm)
    desk.settle()
    return desk


def listing(desk: Desk) -> Listing:
    assert isinstance(desk.crm.gone_through, Listing)
    return desk.crm.gone_through


def deafen(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.crm, "changes", lambda feed, cursor: ChangePage((), cursor, more=False))
    monkeypatch.setattr(desk.crm, "scan_changed", lambda since: iter(()))


def note(desk: Desk) -> RoundNote:
    found = RoundNote.parse(desk.store.cursor(SYSTEM, round_cursor("census")))
    assert found is not None
    return found


def test_a_win_that_every_feed_passed_over_is_handed_off_within_a_day(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    deafen(desk, monkeypatch)
    monkeypatch.setattr(desk.crm, "scan_won", lambda since: iter(()))
    deal = desk.a_deal()
    desk.win(deal)
    desk.run(hours=25)
    desk.settle()
    assert len(desk.tasks(deal)) == 4
    assert note(desk).found == 1


def test_nothing_is_read_before_a_day_is_over_and_then_once(desk: Desk) -> None:
    for hours in (1, 22):
        desk.run(hours=hours)
    assert listing(desk).asked == []
    for _ in range(20):
        desk.run(hours=1)
    assert listing(desk).asked == ["0"]


def test_a_round_goes_on_page_by_page_and_after_a_restart_where_it_was(desk: Desk) -> None:
    for _ in range(60):
        desk.crm.add_deal(stage="Negotiation")
    desk.settle()
    desk.run(hours=25)
    desk.run(seconds=3)
    assert listing(desk).asked == ["0", "2", "4"]
    assert note(desk).rows == 6
    assert note(desk).of == 60
    desk.restart()
    desk.run(seconds=2)
    assert listing(desk).asked == ["0", "2", "4", "6", "8"]
    desk.run(hours=1)
    assert len(listing(desk).asked) == 5 + PAGES_AT_ONCE


def test_people_are_told_how_far_a_round_has_come(desk: Desk) -> None:
    for _ in range(60):
        desk.crm.add_deal(stage="Negotiation")
    desk.settle()

    def told() -> tuple[str, ...]:
        watched = Watched(name=SYSTEM, vendor="memory", mode="act", poll_seconds=5)
        return read_status(desk.store, [watched], now=desk.clock.now()).systems[0].rounds

    assert told() == ()
    desk.run(hours=25)
    desk.run(seconds=3)
    assert told() == (
        "census under way since 2026-03-02 01:04 UTC: 6 of about 60 records read, 0 deals looked at again",
    )
    for _ in range(10):
        desk.run(minutes=1)
    (line,) = told()
    assert line.startswith("census ended ")
    assert line.endswith(" ago: 60 records read, 0 deals looked at again")


def test_a_round_keeps_to_its_share_of_the_days_calls(desk: Desk) -> None:
    for _ in range(60):
        desk.crm.add_deal(stage="Negotiation")
    desk.settle()
    desk.crm.calls_today = DailyCalls(used=0, allowed=2880)  # half of it: one page a minute
    desk.run(hours=25)
    for _ in range(20):
        desk.run(seconds=30)
    assert len(listing(desk).asked) == 10
    desk.crm.calls_today = DailyCalls(used=2400, allowed=2880)
    desk.run()
    for _ in range(20):
        desk.run(seconds=30)
    assert len(listing(desk).asked) <= 11


def test_a_round_stands_back_while_a_burst_is_worked_off_but_not_for_ever(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.run(hours=25)
    monkeypatch.setattr("connector.engine.onepass.reconcile", lambda shared, system: 0)
    looks = [Look(deal_id=str(n), due_at=desk.clock.now(), reason="a burst") for n in range(BUSY)]
    desk.store.enqueue(SYSTEM, looks)
    for _ in range(10):
        desk.run(minutes=5)
    assert listing(desk).asked == []
    desk.run(minutes=15)
    assert listing(desk).asked == ["0"]


def test_what_was_decided_on_and_what_is_our_own_is_left_alone(desk: Desk) -> None:
    deal = desk.a_deal()
    desk.win(deal)
    desk.settle()
    desk.run(hours=25)
    desk.run(minutes=1)
    assert note(desk).found == 0


def test_a_deal_that_was_archived_is_given_up_and_one_restored_taken_up_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    deal = desk.a_deal()
    desk.settle()
    deafen(desk, monkeypatch)
    row = desk.crm.row(deal)
    desk.crm.delete(deal)
    listing(desk).archived = {deal: desk.clock.now(), "never heard of": desk.clock.now()}
    desk.run(hours=25)
    desk.settle()
    handoff = desk.store.handoff(SYSTEM, deal)
    assert handoff is not None
    assert handoff.phase is Phase.LOST
    assert note(desk).found == 1
    listing(desk).archived = {}
    desk.crm._rows[deal] = row  # out of the recycle bin, with the stamp it had
    desk.run(hours=25)
    desk.settle()
    handoff = desk.store.handoff(SYSTEM, deal)
    assert handoff is not None
    assert handoff.phase is Phase.OPEN


def test_a_page_that_cannot_be_read_now_is_tried_again_and_holds_nothing_up(desk: Desk) -> None:
    desk.run(hours=25)
    listing(desk).fault = Fault(FaultCode.UNAVAILABLE, "503", "away")
    with capture_logs() as logs:
        assert desk.run(minutes=1).error == ""
    assert "round.delayed" in {each["event"] for each in logs}
    listing(desk).fault = None
    desk.run(minutes=3)
    assert note(desk).ended is not None


def test_a_clock_that_is_set_back_does_not_stop_a_round(desk: Desk) -> None:
    for _ in range(6):
        desk.a_deal()
    desk.run(hours=25)
    desk.clock.advance(timedelta(days=-30))
    desk.run(minutes=1)
    desk.run(minutes=1)
    assert note(desk).ended is not None


def test_a_round_that_is_refused_begins_anew_later_and_looks_back_as_far(desk: Desk) -> None:
    desk.run(hours=25)
    listing(desk).fault = Fault(FaultCode.REJECTED, "VALIDATION_ERROR", "that cursor is no more")
    with capture_logs() as logs:
        desk.run(minutes=1)
    assert "round.abandoned" in {each["event"] for each in logs}
    listing(desk).fault = None
    desk.run(minutes=61)
    desk.run(minutes=1)
    assert note(desk).ended is not None
    assert listing(desk).since[0] == listing(desk).since[1]


def test_a_crm_that_names_a_time_is_left_alone_until_then(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = a_desk()
    desk.settle()
    fault = Fault(FaultCode.THROTTLED, "TEN_SECONDLY_ROLLING", "slow down", desk.clock.now() + timedelta(seconds=25))

    def refused(feed: str, cursor: str) -> ChangePage:
        raise CrmError(fault)

    with monkeypatch.context() as busy:
        busy.setattr(desk.crm, "changes", refused)
        assert desk.run().error
    desk.calls.clear()
    for _ in range(3):
        assert desk.run().idle
    assert not +desk.calls
    desk.run()
    assert desk.calls["changes.deal"] == 1


def test_a_far_time_is_asked_about_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = a_desk()
    desk.settle()
    fault = Fault(FaultCode.UNAVAILABLE, "477", "migrating", desk.clock.now() + timedelta(hours=20))

    def refused(feed: str, cursor: str) -> ChangePage:
        raise CrmError(fault)

    with monkeypatch.context() as away:
        away.setattr(desk.crm, "changes", refused)
        assert desk.run().error
    assert desk.run(minutes=4).idle
    assert not desk.run(minutes=2).idle
