"""Silence is an alarm, and only where there was none: learned in working time, told once, taken back when it ends."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from engine.harness import SYSTEM, Desk, a_desk
from factories import WON_STAGE

from connector.engine.notifier import send_through
from connector.engine.parts import Limits
from connector.engine.silence import RHYTHM, Rhythm
from connector.errors import CrmError, Fault, FaultCode
from connector.handoff.model import DealType
from connector.handoff.plan import Notify
from connector.store import LAST_TROUBLE

MONDAY = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@pytest.fixture
def cries() -> list[Notify]:
    """What the people who run it were told."""
    return []


@pytest.fixture
def desk(cries: list[Notify]) -> Iterator[Desk]:
    """A daemon begun on a Monday morning, with people to tell."""
    made = a_desk(start=MONDAY)
    made.shared = dataclasses.replace(made.shared, alert=cries.append, limits=Limits(new=0, changed=0, changed_share=0))
    made.run()
    yield made
    made.store.close()


def alarms(desk: Desk) -> list[str]:
    return [each.name for each in desk.store.alarms(SYSTEM)]


def a_day(desk: Desk, *, busy: bool) -> None:
    """A day from morning to morning, with two changes if it is a working day and people work, or none at all."""
    for hours in (2, 5, 17):
        if busy and desk.clock.now().weekday() < 5 and hours < 17:
            desk.a_deal()
        desk.run(hours=hours)


def a_week(desk: Desk) -> None:
    for _ in range(7):
        a_day(desk, busy=True)


def test_a_feed_that_falls_silent_is_told_once_and_taken_back_when_it_speaks(desk: Desk, cries: list[Notify]) -> None:
    a_week(desk)
    assert alarms(desk) == []
    a_day(desk, busy=False)
    a_day(desk, busy=False)
    a_day(desk, busy=False)
    assert alarms(desk) == ["silent-deal"]
    a_day(desk, busy=False)
    assert [cry.step for cry in cries] == ["alarm-silent-deal"]
    assert "handoff check" in cries[0].text
    a_day(desk, busy=True)
    assert alarms(desk) == []


def test_a_busy_morning_does_not_make_a_quiet_week_forgotten(desk: Desk) -> None:
    a_week(desk)
    before = Rhythm.parse(desk.store.cursor(SYSTEM, f"{RHYTHM}deal"))
    assert before is not None
    for _ in range(40):
        desk.a_deal()
        desk.run(minutes=11)
    after = Rhythm.parse(desk.store.cursor(SYSTEM, f"{RHYTHM}deal"))
    assert after is not None
    assert after.last > before.last
    assert max(after.gaps) == max(before.gaps)
    assert len(after.gaps) <= len(before.gaps) + 1, "one gap for each day"


def test_a_feed_that_fails_is_told_of_with_its_last_error(
    desk: Desk, cries: list[Notify], monkeypatch: pytest.MonkeyPatch
) -> None:
    a_week(desk)

    def changes(feed: str, cursor: str) -> object:
        raise CrmError(Fault(FaultCode.NOT_PERMITTED, "403", f"no right to\nread {feed}"))

    began = desk.clock.now() + timedelta(hours=2)
    with monkeypatch.context() as broken:
        broken.setattr(desk.crm, "changes", changes)
        for _ in range(3):
            a_day(desk, busy=True)
    (cry,) = [each for each in cries if each.step == "alarm-silent-deal"]
    assert f"could not be read from {began:%Y-%m-%d %H:%M} on, UTC: 403: no right to read deal" in cry.text
    assert "No error" not in cry.text


def test_an_error_that_is_over_is_told_with_its_end_while_the_feed_stays_silent(
    desk: Desk, cries: list[Notify], monkeypatch: pytest.MonkeyPatch
) -> None:
    a_week(desk)

    def poll(_cursors: object) -> object:
        raise CrmError(Fault(FaultCode.UNAVAILABLE, "503", "away"))

    began = desk.clock.now() + timedelta(hours=2)
    with monkeypatch.context() as broken:
        broken.setattr(desk.crm, "poll", poll)
        a_day(desk, busy=False)
    over = desk.clock.now() + timedelta(hours=2)
    a_day(desk, busy=False)
    a_day(desk, busy=False)
    (cry,) = cries
    assert f"from {began:%Y-%m-%d %H:%M} to {over:%Y-%m-%d %H:%M} UTC: 503: away" in cry.text
    a_day(desk, busy=True)
    for _ in range(9):
        a_day(desk, busy=False)
    assert "No error was reported" in cries[-1].text, "what was before its last word is over and done with"


def test_an_alarm_of_silence_ends_when_nobody_wants_to_know_any_more(desk: Desk) -> None:
    a_week(desk)
    for _ in range(3):
        a_day(desk, busy=False)
    assert alarms(desk) == ["silent-deal"]
    desk.shared = dataclasses.replace(desk.shared, limits=dataclasses.replace(desk.shared.limits, silent=timedelta()))
    desk.run()
    assert alarms(desk) == []


def test_weekends_and_a_fresh_install_are_no_silence(desk: Desk) -> None:
    for _ in range(3):
        a_day(desk, busy=False)
    assert alarms(desk) == [], "nothing is usual yet"
    for _ in range(14):
        a_day(desk, busy=True)
        assert alarms(desk) == []


def test_an_empty_list_of_people_stops_all_decisions_until_it_is_back(desk: Desk, cries: list[Notify]) -> None:
    deal_id = desk.a_deal()
    desk.run()
    with pytest.MonkeyPatch.context() as empty:
        empty.setattr(desk.crm, "people", tuple)
        desk.restart()
        desk.crm.edit(deal_id, stage=WON_STAGE.id)
        result = desk.run(minutes=11)
    assert "came back empty" in result.error
    assert desk.tasks(deal_id) == {}
    assert alarms(desk) == ["no-people"]
    assert len(cries) == 1
    assert "empty" in (desk.store.cursor(SYSTEM, LAST_TROUBLE) or "")
    desk.settle()
    assert desk.tasks(deal_id) != {}
    assert alarms(desk) == []


def test_accounts_that_are_gone_are_an_alarm_and_caps_stay(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    deal_id = desk.a_deal()
    desk.win(deal_id)
    desk.settle()
    desk.run(minutes=16)
    before = dict(desk.store.roster(SYSTEM))
    monkeypatch.setattr(desk.crm, "account_counts", dict)
    desk.run(minutes=16)
    assert alarms(desk) == ["no-accounts"]
    assert dict(desk.store.roster(SYSTEM)) == before


def test_wins_that_vanish_from_the_list_are_an_alarm(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.run(days=3)
    for _ in range(6):
        desk.win(desk.a_deal())
    desk.settle()
    desk.run(minutes=16)
    assert alarms(desk) == []
    monkeypatch.setattr(desk.crm, "scan_won", lambda _since: iter(()))
    desk.run(minutes=16)
    assert alarms(desk) == ["no-wins"]


def test_wins_and_no_handoff_are_an_alarm(desk: Desk, cries: list[Notify]) -> None:
    only_renewals = dataclasses.replace(desk.system.policy, deal_types=(DealType.RENEWAL,))
    desk.restart(policy=only_renewals)
    for _ in range(6):
        desk.win(desk.a_deal())
    desk.settle()
    desk.run(minutes=16)
    assert alarms(desk) == ["no-handoffs"]
    assert "6 wins" in cries[0].subject


def a_renewal(desk: Desk) -> None:
    desk.win(desk.a_deal(type="renewal"))


def test_a_company_with_a_win_a_month_hears_nothing(desk: Desk, cries: list[Notify]) -> None:
    for _ in range(6):
        desk.win(desk.a_deal())
        for _ in range(10):
            desk.run(days=3)
    assert wins_alarms(cries) == []


def test_a_company_without_wins_hears_nothing(desk: Desk, cries: list[Notify]) -> None:
    for _ in range(15):
        desk.a_deal()
        desk.run(days=4)
    assert wins_alarms(cries) == []


def a_quarter(desk: Desk, renewals: int) -> None:
    """So many renewals, one after the other, and a new customer at its end."""
    for _ in range(renewals):
        a_renewal(desk)
        desk.run(hours=30)
        desk.run(minutes=16)
    desk.win(desk.a_deal())
    desk.run(hours=30)


def test_a_run_of_renewals_is_usual_where_a_new_customer_is_rare(desk: Desk, cries: list[Notify]) -> None:
    desk.restart(policy=dataclasses.replace(desk.system.policy, deal_types=(DealType.NEW,)))
    for renewals in (4, 7, 12):
        a_quarter(desk, renewals)
    assert wins_alarms(cries) == [], "none is more than twice the longest one before"
    for _ in range(26):
        a_renewal(desk)
        desk.run(hours=7)
    assert alarms(desk) == ["no-handoffs"]
    assert len(wins_alarms(cries)) == 1, "told once, whether a sweep looks a week back or all the way"
    assert "at most 12 in a row" in wins_alarms(cries)[0].text
    desk.run(days=20)
    desk.run(minutes=16)
    assert "no-handoffs" in alarms(desk), "a quiet time does not end it"
    desk.win(desk.a_deal())
    desk.run(minutes=16)
    desk.run(minutes=16)
    assert alarms(desk) == []


def test_a_burst_of_wins_that_nobody_looked_at_yet_is_none_without_handoffs(desk: Desk, cries: list[Notify]) -> None:
    deals = [desk.a_deal() for _ in range(8)]
    desk.settle()
    desk.clock.advance(timedelta(minutes=16))
    for each in deals:
        desk.win(each)
    desk.run()
    desk.run(minutes=16)
    assert wins_alarms(cries) == []


def wins_alarms(cries: list[Notify]) -> list[Notify]:
    return [each for each in cries if each.step in ("alarm-no-handoffs", "alarm-no-wins")]


def test_a_parked_row_that_grows_old_is_told_of_once_a_day(desk: Desk, cries: list[Notify]) -> None:
    desk.crm.refuse_rows(Fault(FaultCode.REJECTED, "INVALID", "no such value"))
    deal_id = desk.a_deal()
    desk.win(deal_id)
    desk.settle()
    assert len(desk.store.parked(SYSTEM)) > 0
    assert cries == []
    for _ in range(10):
        desk.run(hours=5)
    told = [cry for cry in cries if cry.step == "alarm-parked"]
    assert len(told) == 2
    assert "the oldest for 25 hours" in told[0].subject
    rows = [row.id for row in desk.store.parked(SYSTEM)]
    assert desk.store.drop_parked(rows, by="ada", why="not wanted") == len(rows)
    desk.run(hours=1)
    assert "parked" not in alarms(desk)
    desk.run(hours=1)
    assert desk.store.parked(SYSTEM) == (), "what was given up is not tried again"
    assert desk.store.undo_drop(rows, by="ada") == len(rows)
    desk.settle()
    assert desk.store.parked(SYSTEM) == ()
    assert desk.deal(deal_id)["status"] == "2 Welcome"


def test_an_alarm_nobody_could_be_told_of_is_told_later(
    desk: Desk, cries: list[Notify], monkeypatch: pytest.MonkeyPatch
) -> None:

    def down(_notice: Notify) -> None:
        raise CrmError(Fault(FaultCode.UNAVAILABLE, "503", "the chat is down"))

    desk.shared = dataclasses.replace(desk.shared, alert=down)
    desk.a_deal()
    desk.settle()
    monkeypatch.setattr(desk.crm, "people", tuple)
    desk.restart()
    desk.win(desk.a_deal())
    desk.run(minutes=11)
    desk.shared = dataclasses.replace(desk.shared, alert=cries.append)
    desk.run(minutes=11)
    assert len(cries) == 1


def test_of_two_channels_the_one_that_answers_is_told_once_however_long_the_other_is_away(
    desk: Desk, cries: list[Notify], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Notify] = []

    def away(notice: Notify) -> None:
        tried.append(notice)
        raise CrmError(Fault(FaultCode.UNAVAILABLE, "smtp", "the mail server is away"))

    desk.shared = dataclasses.replace(desk.shared, alert=send_through([cries.append, away]))
    desk.a_deal()
    desk.settle()
    monkeypatch.setattr(desk.crm, "people", tuple)
    desk.restart()
    desk.win(desk.a_deal())
    for _ in range(40):
        desk.run(seconds=15)
    assert len(cries) == 1
    assert 9 <= len(tried) <= 11, "once a minute, not at every pass"
