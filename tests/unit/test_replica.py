"""What one process believes of itself among others: by a pulse that says what it is told to, and a clock by hand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import pytest

from connector.crm.budget import Company
from connector.engine.replica import FREE_FOR, MARGIN, TTL, Replica, before_call, lead_name, sending
from connector.errors import CrmError
from connector.store import News, Standing


@dataclass
class Town:
    """The database as all processes see it."""

    now: float = 1000.0
    leases: dict[str, str] = field(default_factory=dict)
    alive: set[str] = field(default_factory=set)


@dataclass
class FakePulse:
    """One process's line there; ``away`` and it does not answer."""

    town: Town
    owner: str
    away: bool = False
    slow: float = 0.0

    def beat(self, *, keep: Collection[str], take: Collection[str], ttl: float) -> Standing:
        if self.away:
            raise ConnectionError("away")
        assert ttl == TTL
        self.town.now += self.slow
        self.town.alive.add(self.owner)
        for name in take:
            self.town.leases.setdefault(name, self.owner)
        mine = {name: 1 for name in (*keep, *take) if self.town.leases.get(name) == self.owner}
        return Standing(mine, dict(self.town.leases), frozenset(self.town.alive))

    def news(self, seconds: float) -> tuple[News, ...]:
        raise AssertionError("no thread runs in these tests")

    def give(self, name: str) -> None:
        assert self.town.leases.pop(name) == self.owner

    def leave(self) -> None:
        self.town.alive.discard(self.owner)


@dataclass
class Process:
    """A replica without its thread: ``beat`` is called by hand."""

    town: Town
    owner: str
    systems: tuple[str, ...] = ("sf", "hs")
    took: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pulse = FakePulse(self.town, self.owner)
        self.locks = {name: threading.Lock() for name in self.systems}
        self.company = Company()
        self.replica = Replica(
            self.pulse,  # type: ignore[arg-type]
            owner=self.owner,
            systems=self.locks,
            on_lead=self.took.append,
            on_news=lambda _news: None,
            company=self.company,
            clock=lambda: self.town.now,
        )
        self.beat: Callable[[], None] = self.replica._beat

    def led(self) -> list[str]:
        return [name for name in self.systems if self.replica.leads(name)]


def test_one_process_alone_leads_everything_and_is_told_once() -> None:
    one = Process(Town(), "one")
    assert one.led() == []
    one.beat()
    one.beat()
    assert one.led() == ["sf", "hs"] == sorted(one.took, reverse=True)
    assert one.company.members == 1


def test_it_stops_believing_itself_before_anybody_else_does() -> None:
    """Counted from before it asked: an answer that was long on its way is worth so much less."""
    town = Town()
    one = Process(town, "one")
    one.pulse.slow = 2.0
    one.beat()
    began = town.now - 2.0
    town.now = began + TTL - MARGIN - 0.01
    assert one.replica.trusted()
    assert one.led() == ["sf", "hs"]
    town.now = began + TTL - MARGIN
    assert not one.replica.trusted()
    assert one.led() == []


def test_nothing_is_sent_by_a_process_that_could_not_say_that_it_lives() -> None:
    town = Town()
    one = Process(town, "one")
    one.beat()
    before_call()
    with sending(one.replica):
        before_call()
        town.now += TTL
        with pytest.raises(CrmError) as caught:
            before_call()
    assert caught.value.fault.advice == "verify"
    before_call()


def one_leads_all() -> tuple[Town, Process, Process]:
    """Two processes of which the first was there before, and has not heard of the second yet."""
    town = Town()
    one, two = Process(town, "one"), Process(town, "two")
    one.beat()
    two.beat()
    return town, one, two


def test_systems_are_shared_out_and_none_is_left_over() -> None:
    _, one, two = one_leads_all()
    assert two.led() == []
    one.beat()
    assert len(one.led()) == 1
    two.beat()
    assert sorted(one.led() + two.led()) == ["hs", "sf"]
    assert one.company.members == two.company.members == 2
    for each in (one, two, one, two):
        each.beat()
    assert sorted(one.led() + two.led()) == ["hs", "sf"]
    assert len(one.took) == 2
    assert len(two.took) == 1


def test_a_system_in_the_middle_of_a_pass_is_not_given_away() -> None:
    _, one, _two = one_leads_all()
    with one.locks["sf"], one.locks["hs"]:
        one.beat()
        assert len(one.led()) == 2
    one.beat()
    assert len(one.led()) == 1


def test_passes_that_follow_one_another_closely_still_let_go_of_a_system() -> None:
    """The heartbeat never finds a lock free; so the end of a pass gives way, before the next one begins."""
    _, one, two = one_leads_all()
    with one.locks["sf"], one.locks["hs"]:
        one.beat()
        assert len(one.led()) == 2
        for system in one.led():
            one.replica.pass_over(system)
        assert len(one.led()) == 1
        one.beat()
        two.beat()
        assert (len(one.led()), len(two.led())) == (1, 1)
        for system in one.led():
            one.replica.pass_over(system)
    for each in (one, two, one, two):
        each.beat()
    assert sorted(one.led() + two.led()) == ["hs", "sf"]


def test_who_was_to_share_keeps_all_when_the_other_is_gone_before_the_pass_is_over() -> None:
    town, one, _two = one_leads_all()
    with one.locks["sf"], one.locks["hs"]:
        one.beat()
        town.alive.discard("two")
        one.beat()
        for system in one.led():
            one.replica.pass_over(system)
        assert len(one.led()) == 2


def test_who_falls_silent_is_taken_over_from_and_knows_it() -> None:
    town = Town()
    one, two = Process(town, "one"), Process(town, "two")
    for each in (one, two, one, two):
        each.beat()
    mine = two.led()
    one.pulse.away = True
    with pytest.raises(ConnectionError):
        one.beat()
    town.now += TTL
    gone = [name for name, owner in town.leases.items() if owner == "one"]
    for name in gone:
        del town.leases[name]
    town.alive.discard("one")
    two.beat()
    two.beat()
    assert sorted(two.led()) == ["hs", "sf"] != mine
    one.pulse.away = False
    one.beat()
    assert one.led() == []


def test_what_nobody_takes_is_taken_at_last_even_by_one_that_has_its_share() -> None:
    """The other process does not know the system: its config is older."""
    town = Town()
    one, two = Process(town, "one"), Process(town, "two", systems=("sf",))
    for each in (two, one, two, one):
        each.beat()
    assert one.led() == ["hs"]
    third = Process(town, "three", systems=("sf", "hs", "hs2"))
    third.replica._led_until["sf"] = town.now
    town.leases[lead_name("sf")] = "three"
    third.beat()
    third.beat()
    assert "hs2" not in third.led()
    town.now += FREE_FOR + 0.1
    third.beat()
    assert "hs2" in third.led()


def test_an_orderly_end_gives_all_back() -> None:
    town = Town()
    one = Process(town, "one")
    one.replica._thread = threading.Thread(target=lambda: None)
    one.replica.start()
    one.replica.stop()
    assert town.leases == {}
    assert town.alive == set()
    assert not one.replica.trusted()


def test_an_end_just_after_a_pass_let_go_of_a_system_gives_that_back_too() -> None:
    town, one, two = one_leads_all()
    with one.locks["sf"], one.locks["hs"]:
        one.beat()
        for system in one.led():
            one.replica.pass_over(system)
        one.replica._thread = threading.Thread(target=lambda: None)
        one.replica._thread.start()
        one.replica.stop()
    assert town.leases == {}
    two.beat()
    two.beat()
    assert two.led() == ["sf", "hs"]
