"""How a trial of replicas judges a vendor's rates: one refusal is one too many, and the highest window is told."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest
from plans import NOW

from chaos.rates import most
from chaos.team import Team
from chaos.trial import JITTER, Trial
from connector.sandbox.journal import Call, Journal


@dataclass(slots=True)
class World:
    """What is asked of a CRM's world."""

    journal: Journal = field(default_factory=Journal)
    settings: dict[str, Any] = field(default_factory=dict)

    def called(self, *after: float, kind: str = "deals.read", status: int = 200) -> None:
        for seconds in after:
            self.journal.add(
                at=NOW + timedelta(seconds=seconds), system="hs", method="GET", path="/", kind=kind, rows=1,
                status=status, ms=0.0, caller="app", write=False,
            )  # fmt: skip


@dataclass(slots=True)
class Desk:
    world: World
    name: str = "hs"


@dataclass(slots=True)
class Site:
    desks: tuple[Desk, ...]
    changes: dict[str, Any] = field(default_factory=dict)


def judged(world: World) -> Trial:
    trial = Trial("any")
    trial.told_rates(Team(cast("Any", Site((Desk(world),))), cast("Any", None), "", ExitStack()))
    return trial


@pytest.mark.parametrize(
    ("came", "highest"), [((), 0), ((0, 1, 2), 3), ((0, 9.9, 10.1), 2), ((0, 0, 0, 30), 3), ((0, 6, 12, 18), 2)]
)
def test_the_highest_window_is_wherever_most_came_in(came: tuple[float, ...], highest: int) -> None:
    world = World()
    world.called(*came)
    assert most(world.journal.calls(), 10.0) == highest


def test_a_call_counts_from_when_it_came_in_not_from_its_answer() -> None:
    slow = Call(1, NOW + timedelta(seconds=12), "hs", "GET", "/", "deals.read", 1, 200, 12_000.0, "app", write=False)
    quick = Call(2, NOW + timedelta(seconds=11), "hs", "GET", "/", "deals.read", 1, 200, 0.0, "app", write=False)
    assert most([slow, quick], 10.0) == 1


def test_more_refusals_than_jitter_makes_break_the_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaos.rates.ratelimit.burst_limit", lambda _world: 190)
    world = World()
    world.called(0, 1)
    world.called(0.1, 0.2, kind="search.deals")
    trial = judged(world)
    assert not trial.complaints
    assert trial.remarks == ["hs: at most 2 calls in 10 s of 190, 2 searches in 1 s of 5, 0 refused"]
    for at in range(JITTER):
        world.called(at, status=429)
    assert not judged(world).complaints
    world.called(9, status=429)
    assert judged(world).complaints == [f"hs would have no more of {JITTER + 1} calls"]
