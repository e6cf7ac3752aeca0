"""Two processes over one ledger: who leads makes passes, who helps sends, who takes over goes on where it was."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from engine.harness import POLL, SYSTEM, Desk, a_desk

from connector.engine.onepass import PassResult, run_pass
from connector.engine.parts import Shared, System
from connector.store import OPENED, Lead, State


@dataclass
class Table:
    """Who leads, by the word of both."""

    leader: str = "one"
    tenure: int = 1

    def hand_to(self, owner: str) -> None:
        self.leader, self.tenure = owner, self.tenure + 1


@dataclass
class Seat:
    """A replica's place at the table, as `connector.engine.replica.Replica` tells it."""

    table: Table
    owner: str
    believed: bool = True

    def leads(self, _system: str) -> bool:
        return self.believed and self.table.leader == self.owner

    def trusted(self) -> bool:
        return self.believed

    def tenure(self, _system: str) -> int:
        return self.table.tenure

    def leader(self, _system: str) -> str:
        return self.table.leader

    def pass_over(self, _system: str) -> None:
        """Nothing is shared out here."""

    def lead(self, _system: str) -> Lead:
        return Lead("pass:mem", self.owner, self.table.tenure)


@dataclass
class Process:
    """One process of two; both work on the same ledger and the same CRM."""

    desk: Desk
    seat: Seat
    shared: Shared = field(init=False)
    system: System = field(init=False)

    def __post_init__(self) -> None:
        old = self.desk.system
        self.shared = dataclasses.replace(self.desk.shared, owner=self.seat.owner, replica=self.seat)  # type: ignore[arg-type]
        self.system = System(name=old.name, crm=old.crm, policy=old.policy, act=old.act)

    def run(self) -> PassResult:
        self.desk.clock.advance(POLL)
        return run_pass(self.shared, self.system)


@pytest.fixture
def desk() -> Desk:
    return a_desk()


@pytest.fixture
def pair(desk: Desk) -> tuple[Process, Process]:
    table = Table()
    return Process(desk, Seat(table, "one")), Process(desk, Seat(table, "two"))


def decided_but_not_sent(desk: Desk, one: Process) -> str:
    """A win that is recorded, whose writes wait."""
    one.run()
    deal = desk.a_deal()
    desk.win(deal)
    one.seat.believed = False  # it decides as the leader it is, and may not send
    one.seat.leads = lambda _system: True  # type: ignore[method-assign]
    for _ in range(3):
        one.run()
    assert desk.store.counts(SYSTEM)[State.PENDING] > 0
    return deal


def test_who_helps_sends_and_asks_for_nothing(desk: Desk, pair: tuple[Process, Process]) -> None:
    one, two = pair
    deal = decided_but_not_sent(desk, one)
    desk.calls.clear()
    result = two.run()
    assert result.applied > 0
    assert result.looked == 0
    assert desk.tasks(deal)
    assert not [kind for kind in desk.calls if "change" in kind or "won" in kind], desk.calls


def test_nobody_helps_before_the_leader_has_read_again_what_is_owed(desk: Desk, pair: tuple[Process, Process]) -> None:
    """The ledger may be an old copy: what it says is to be sent may long have been."""
    one, two = pair
    decided_but_not_sent(desk, one)
    desk.store.set_cursor(SYSTEM, OPENED, "somebody long gone")
    assert two.run().applied == 0
    desk.store.set_cursor(SYSTEM, OPENED, "one")
    assert two.run().applied > 0


def test_after_a_failover_nothing_is_sent_before_it_was_read_again(
    desk: Desk, pair: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server that took over may lack the last commits, and nobody need have met an error meanwhile."""
    one, two = pair
    monkeypatch.setattr(desk.store._db, "server", "first")
    decided_but_not_sent(desk, one)
    monkeypatch.setattr(desk.store._db, "server", "promoted")
    assert two.run().applied == 0, "who leads has not read it again"
    assert one.run().looked > 0
    assert two.run().applied > 0


def test_who_is_not_believed_sends_nothing(desk: Desk, pair: tuple[Process, Process]) -> None:
    one, two = pair
    deal = decided_but_not_sent(desk, one)
    two.seat.believed = False
    assert two.run().idle
    assert not desk.tasks(deal)


def test_whoever_takes_over_goes_on_and_doubles_nothing(
    desk: Desk, pair: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = pair
    deal = decided_but_not_sent(desk, one)
    one.seat.table.hand_to("two")
    monkeypatch.setattr(type(desk.store), "was_alive", lambda _store, owner, **_more: owner == "one")
    swept = one.system.last_sweep
    assert swept is not None
    for _ in range(4):
        two.run()
    assert desk.tasks(deal)
    assert len(desk.notes(deal)) == 1
    assert desk.store.cursor(SYSTEM, OPENED) == "two"


def test_a_sweep_is_not_repeated_by_whoever_takes_over(
    desk: Desk, pair: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = pair
    one.run()
    deal = desk.a_deal()
    desk.win(deal)
    one.run()
    two.run()  # it has been there, and helped
    two.system.connected = True
    one.seat.table.hand_to("two")
    monkeypatch.setattr(type(desk.store), "was_alive", lambda _store, owner, **_more: owner == "one")
    two.run()
    assert two.system.last_sweep == one.system.last_sweep
    desk.clock.advance(timedelta(seconds=one.shared.timing.sweep_every))
    two.run()
    assert two.system.last_sweep is not None
    assert two.system.last_sweep > one.system.last_sweep


def test_after_a_silence_longer_than_any_takeover_all_is_read_again(
    desk: Desk, pair: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = pair
    one.run()
    two.system.connected = True
    one.seat.table.hand_to("two")
    monkeypatch.setattr(type(desk.store), "was_alive", lambda *_args, **_more: False)
    two.run()
    assert two.system.last_sweep is not None
    assert two.system.last_sweep > one.system.last_sweep
