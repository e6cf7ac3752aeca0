"""Places in the database that cannot be read: put aside, told of once, begun anew; nothing is lost or made twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from engine.harness import SYSTEM, Desk, a_desk
from engine.test_rounds import Listing, note
from structlog.testing import capture_logs

from connector.cli.plan import _ids
from connector.engine.clockwatch import ClockWatch
from connector.errors import CrmError, Fault, FaultCode
from connector.handoff.plan import Notify
from connector.store import COMPARED, LAST_PASS, LIVE_NOTE, POLICY_NOTE, round_cursor

STEPS = {"welcome-packet", "setup-call", "prepare", "run-call"}
GARBLED = ["", "{", "null", "[]", "7", '"x"', '{"floor": "x", "mark": 1, "seen": {}}', "2026-03-02T08:00:00", "x|y"]


@pytest.fixture
def cries() -> list[Notify]:
    """What the people who run it were told."""
    return []


@pytest.fixture
def desk(cries: list[Notify]) -> Iterator[Desk]:
    """A daemon with people to tell, and a win that was handed over."""
    made = a_desk()
    made.shared = dataclasses.replace(made.shared, alert=cries.append)
    made.win(made.a_deal())
    made.settle()
    yield made
    made.store.close()


def alarms(desk: Desk) -> list[str]:
    return [each.name for each in desk.store.alarms(SYSTEM)]


@pytest.mark.parametrize("garbled", GARBLED[1:])
def test_a_feed_whose_place_is_lost_begins_anew_and_misses_nothing(
    desk: Desk, cries: list[Notify], garbled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.crm, "scan_won", lambda _since: iter(()))
    monkeypatch.setattr(desk.crm, "scan_changed", lambda _since: iter(()))
    writes = len(desk.told)
    missed = desk.a_deal()
    desk.win(missed)
    desk.store.set_cursor(SYSTEM, "deal", garbled)
    with capture_logs() as logs:
        assert desk.run().error == ""
        desk.settle()
    assert set(desk.tasks(missed)) == STEPS, "what changed before is found"
    assert len(desk.told) == writes + 1, "and nobody is told again of the deal that was handed over"
    assert [each["place"] for each in logs if each["event"] == "place.lost"] == ["deal"]
    assert desk.store.cursor(SYSTEM, "aside:deal") == garbled, "whoever looks for the cause has it"
    assert [cry.step for cry in cries] == ["alarm-place-deal"]
    assert alarms(desk) == ["place-deal"]
    desk.run(hours=25)
    assert alarms(desk) == []


def test_of_the_place_of_the_comparison_all_since_the_start_is_compared(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[datetime] = []
    real = desk.crm.scan_changed

    def scan_changed(since: datetime) -> object:
        asked.append(since)
        return real(since)

    monkeypatch.setattr(desk.crm, "scan_changed", scan_changed)
    desk.run(days=3)
    desk.store.set_cursor(SYSTEM, COMPARED, "2026-03-02T08:00:00")
    desk.run(minutes=16)
    begun = desk.store.baseline(SYSTEM)
    assert begun is not None
    assert asked[-1] <= begun
    assert alarms(desk) == [f"place-{COMPARED}"]


def test_a_sweep_that_breaks_off_leaves_the_comparison_owed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[datetime] = []
    real = desk.crm.scan_changed

    def scan_changed(since: datetime) -> object:
        asked.append(since)
        return real(since)

    def account_counts() -> object:
        raise CrmError(Fault(FaultCode.UNAVAILABLE, "503", "away"))

    desk.run(days=3)
    monkeypatch.setattr(desk.crm, "scan_changed", scan_changed)
    desk.store.set_cursor(SYSTEM, COMPARED, "{")
    with monkeypatch.context() as broken:
        broken.setattr(desk.crm, "account_counts", account_counts)
        assert desk.run(minutes=16).error
    assert asked == []
    desk.run(minutes=16)
    begun = desk.store.baseline(SYSTEM)
    assert begun is not None
    assert [since <= begun for since in asked] == [True]


def test_a_plan_begins_where_the_daemon_will(desk: Desk) -> None:
    missed = desk.a_deal()
    desk.store.set_cursor(SYSTEM, "deal", "{")
    desk.clock.advance(timedelta(minutes=1))
    (page,) = _ids(desk.shared, desk.system, (), None)
    assert missed in page
    assert desk.store.cursor(SYSTEM, "deal") == "{", "who only asks puts nothing aside"


@pytest.mark.parametrize("garbled", ["x", "2026-03-02T08:00:00"])
def test_the_clock_is_watched_though_when_a_pass_ended_cannot_be_read(desk: Desk, garbled: str) -> None:
    desk.store.set_cursor(SYSTEM, LAST_PASS, garbled)
    ClockWatch(desk.shared, [desk.system]).look()
    assert alarms(desk) == [f"place-{LAST_PASS}"]


@pytest.mark.parametrize("garbled", ["{", "[]", '{"digest": "x", "before": "y", "since": "2026-03-02T08:00:00"}'])
def test_a_policy_note_that_is_lost_is_written_anew(desk: Desk, garbled: str) -> None:
    before = desk.store.cursor(SYSTEM, POLICY_NOTE)
    assert before is not None
    desk.store.set_cursor(SYSTEM, POLICY_NOTE, garbled)
    desk.restart()
    assert desk.run().error == ""
    assert desk.store.cursor(SYSTEM, POLICY_NOTE) not in (None, garbled)
    assert alarms(desk) == [f"place-{POLICY_NOTE}"]


UNZONED = "2026-03-02T08:00:00"
TO_COME = "2999-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("rhythm:deal", "[1]"), ("usual:accounts", "many"), (LIVE_NOTE, "{}")),
        *(("rhythm:deal", f'["{UNZONED}", [], []]'), ("rhythm:deal", f'["{TO_COME}", [], ["x"]]')),
        (LIVE_NOTE, f'{{"at": "{TO_COME}", "last_event": "{UNZONED}", "lines": {{"x": ""}}}}'),
        (LIVE_NOTE, f'{{"at": "{TO_COME}", "last_event": null, "lines": ["x"]}}'),
    ],
)
def test_what_is_usual_is_learned_anew(desk: Desk, name: str, text: str) -> None:
    desk.store.set_cursor(SYSTEM, name, text)
    for _ in range(3):
        desk.win(desk.a_deal())
        assert desk.run(minutes=16).error == ""
    assert alarms(desk) == [f"place-{name}"]


@pytest.mark.parametrize("text", ["{", f'["a", "b", "c", "{UNZONED}", null, false]'])
def test_an_alarm_that_cannot_be_read_stands_in_nobody_s_way(desk: Desk, text: str) -> None:
    desk.store.set_cursor(SYSTEM, "alarm:place-deal", text)
    assert desk.run(minutes=16).error == ""
    assert alarms(desk) == []


@pytest.mark.parametrize(
    "garbled",
    [
        *("{", "[[1, 2, 3, 4], [0, 0, 0, 0], null]"),
        f'[["{UNZONED}", "{UNZONED}", "{UNZONED}", null], [0, 0, 0, 0], null]',
    ],
)
def test_a_round_whose_note_is_lost_goes_back_to_the_start(desk: Desk, garbled: str) -> None:
    desk.crm.gone_through = listing = Listing(desk.crm)
    desk.run(hours=25)
    desk.run(hours=25)
    desk.store.set_cursor(SYSTEM, round_cursor("census"), garbled)
    desk.run()
    desk.run()
    assert listing.since[-1] == desk.store.baseline(SYSTEM)
    assert note(desk).place is not None or note(desk).ended is not None


def test_a_round_whose_place_is_lost_begins_anew_from_where_it_began(desk: Desk) -> None:
    desk.crm.gone_through = listing = Listing(desk.crm, size=1)
    for _ in range(30):
        desk.crm.add_deal(stage="Negotiation")
    desk.run()
    desk.run(hours=25)
    (since,) = listing.since
    under_way = note(desk)
    assert under_way.place is not None
    desk.store.set_cursor(SYSTEM, round_cursor("census"), dataclasses.replace(under_way, place="x").dump())
    desk.run(minutes=1)
    assert alarms(desk) == [f"place-{round_cursor('census')}"]
    desk.clock.advance(timedelta(days=1))
    for _ in range(8):  # a few pages a pass
        desk.run()
    assert listing.since[1] == since, "what the lost one was to look at is looked at"
    assert note(desk).ended is not None
