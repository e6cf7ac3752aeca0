"""Two processes over one ledger: who leads makes passes, who helps sends, who takes over goes on where it was."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from engine.harness import POLL, SYSTEM, Desk, a_desk
from engine.test_waitlist import one_place
from factories import MAYA, TOMAS
from postgres_server import server_of

from connector.engine.onepass import PassResult, run_pass
from connector.engine.parts import Shared, System
from connector.engine.sweeper import sweep
from connector.store import OPENED, Lead, State, open_store


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


@pytest.mark.postgres
def test_two_that_both_believe_to_lead_give_one_free_place_to_one_deal(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One has decided who gets the place, and is slow to record it; the other takes over and gives it to another deal,
    for the first of the list was lost meanwhile. What the slow one then records counts for nothing."""
    with server_of(request.config).database() as url:
        desk = a_desk(policy=one_place(), url=url)
        desk.crm.add_account(name="Ostwind Freight", csm=TOMAS)
        table = Table()
        one, two = Process(desk, Seat(table, "one")), Process(desk, Seat(table, "two"))
        theirs = open_store(url, clock=desk.clock)
        two.shared = dataclasses.replace(two.shared, store=theirs)
        monkeypatch.setattr(type(desk.store), "was_alive", lambda *_args, **_more: True)
        assert desk.store.lease("pass:mem", owner="one", ttl=600)
        one.run()
        deals = []
        for _ in range(3):
            deals.append(desk.a_deal())
            desk.win(deals[-1])
            desk.clock.advance(timedelta(minutes=1))
        for _ in range(4):
            one.run()
        assert [desk.deal(each).get("csm") for each in deals] == [MAYA, None, None]
        desk.crm.edit(desk.crm.row(deals[0]).account_id, csm=None)
        desk.clock.advance(timedelta(minutes=1))
        sweep(one.shared, one.system)
        record, recorded = desk.store.record, []

        def slowly(*args: Any, **more: Any) -> None:
            if table.leader == "one":
                desk.crm.edit(deals[1], stage="Closed Lost")
                desk.store.release("pass:mem", "one")
                assert theirs.lease("pass:mem", owner="two", ttl=600)
                table.hand_to("two")
                for _ in range(6):
                    two.run()
            recorded.append(args)
            record(*args, **more)

        monkeypatch.setattr(desk.store, "record", slowly)
        for _ in range(2):
            one.run()
        assert recorded, "one had decided before it lost its lead"
        for _ in range(4):
            two.run()
        assert [theirs.facts(SYSTEM, [each])[each].csm_id for each in deals] == [MAYA, None, MAYA]
        assert theirs.roster(SYSTEM)[MAYA].accounts == 1
        theirs.close()
