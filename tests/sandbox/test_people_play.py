"""The scripted sales period: it plays to its end against a stand-in for the connector, and notices one that sleeps."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from stand_in import StandIn

from connector.sandbox import plots, scenarios, seed, views
from connector.sandbox.expectations import expected
from connector.sandbox.salesforce import rules
from connector.sandbox.server import create_worlds
from connector.sandbox.state import World
from connector.sandbox.tally import tally

SYSTEMS = ("sf", "hs")
LIMIT = 60.0


def world(system: str) -> World:
    made, _ = create_worlds(None)
    seed.fill(made, 7, 120)
    made["sf"].clock.advance(3)
    return made[system]


@contextmanager
def watched(at: World, *, revert: bool = True) -> Iterator[None]:
    """The stand-in looking again and again until the block ends."""
    stand_in, ended = StandIn(at, revert=revert), threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            stand_in.look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(LIMIT)


@pytest.mark.parametrize("revert", [True, False])
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_period_ends_in_order_against_a_working_connector(
    system: str, revert: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scenarios, "TICK", 0.01)
    monkeypatch.setattr(scenarios, "SETTLE_EVERY", 0.05)
    at = world(system)
    with watched(at, revert=revert):
        play = scenarios.start(at, deals=40, seed=7, pace=500)
        assert play.join(LIMIT)
    assert play.progress.given_up == []
    assert (play.progress.phase, play.progress.done, play.progress.total) == ("done", 40, 40)
    found = tally(at)
    assert (found["lost"], found["doubled"]) == ([], [])
    ends = Counter(each.outcome for each in expected(at).values())
    assert sum(ends.values()) == found["won"] == 40
    assert found["released"] == ends["handed_off"]
    assert found["overridden"] == ends["overridden"] >= 1
    assert found["held_now"] == ends["held"] >= 1
    assert found["held"] > found["held_now"]


def test_people_live_with_rules_that_refuse_their_saves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenarios, "TICK", 0.01)
    monkeypatch.setattr(scenarios, "SETTLE_EVERY", 0.05)
    at = world("sf")
    gate = "AND(IsWon, ISCHANGED(StageName), NOT(Handoff_Override__c), ISBLANK(Handoff_{0}__c))"
    for name in ("Champion", "Success_Criteria"):
        rules.put(
            at, "Opportunity", f"Needs_{name}", True, gate.format(name), f"Handoff_{name}__c", f"Name the {name}."
        )
    with watched(at):
        play = scenarios.start(at, deals=40, seed=7, pace=500)
        assert play.join(LIMIT)
    assert (play.progress.phase, play.progress.done, play.progress.given_up) == ("done", 40, [])
    found = tally(at)
    assert (found["lost"], found["doubled"]) == ([], [])
    left_open = {line.partition(":")[0] for line in play.progress.refused}
    assert left_open
    assert all("Name the " in line for line in play.progress.refused)
    crm = views.view(at)
    assert not any(crm.deal(deal).stage.won or crm.deal(deal).text("gate") for deal in left_open)
    assert left_open.isdisjoint(expected(at))
    assert len(expected(at)) + len(left_open) == 40


def test_a_rule_against_every_deal_ends_the_period_and_not_the_sandbox() -> None:
    at = world("sf")
    rules.put(at, "Opportunity", "Closed_shop", True, "TRUE", "", "No deals today.")
    play = scenarios.start(at, deals=3, seed=7, pace=500)
    assert play.join(LIMIT)
    assert play.progress.phase == "failed"
    assert "No deals today." in play.progress.waiting_for


def test_a_period_without_a_connector_is_stuck_and_says_what_it_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenarios, "TICK", 0.01)
    monkeypatch.setattr(scenarios, "SETTLE", 0.2)
    monkeypatch.setattr(scenarios, "SETTLE_EVERY", 0.05)
    monkeypatch.setattr(plots.Until, "__init__", impatient(plots.Until.__init__))
    at = world("sf")
    play = scenarios.start(at, deals=12, seed=1, pace=500)
    assert play.join(LIMIT)
    assert play.progress.phase == "stuck"
    assert any("handoffs to be made" in line for line in play.progress.given_up)
    assert tally(at)["lost"]


def impatient(original: object) -> object:
    """`Until` with a wait of a twentieth of a second."""

    def __init__(self: plots.Until, what: str, ready: object, seconds: float = 0, needed: bool = True) -> None:
        original(self, what, ready, 0.05, needed)  # type: ignore[operator]

    return __init__


def test_the_same_seed_casts_the_same_deals() -> None:
    def names(seed_number: int) -> list[tuple[str, str]]:
        at = world("hs")
        play = scenarios.Play(at, deals=30, seed=seed_number, pace=1)
        cast = scenarios.cast_parts(play._scene, deals=30)
        crm = play._scene.crm
        return [(plot.__name__, crm.deal(part.deal).name) for plot, parts in cast for part in parts]

    assert names(7) == names(7)
    assert names(7) != names(8)


@pytest.mark.parametrize("deals", [1, 5, 40, 200])
def test_every_deal_gets_a_plot(deals: int) -> None:
    assert sum(scenarios._shares(deals)) == deals


def test_a_second_period_waits_its_turn() -> None:
    at = world("sf")
    play = scenarios.start(at, deals=5, seed=1, pace=1)
    with pytest.raises(RuntimeError, match="already playing"):
        scenarios.start(at, deals=5, seed=1)
    assert scenarios.start_play({"sf": at}, deals=5, seed=1)["sf"]["total"] == 5
    play.stop()
    assert play.join(LIMIT)


def test_progress_names_only_worlds_that_play() -> None:
    assert scenarios.progress({"sf": world("sf")}) == {}
