"""Mode observe: all is read and decided, nothing is written; act, asked to take up those wins, does what was shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from daemons import Site, site, until

pytestmark = pytest.mark.system


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Site]:
    """A site in mode observe that has begun to watch."""
    with site(tmp_path / "site", mode="observe") as made:
        made.begin()
        yield made


def test_observe_writes_nothing_and_act_then_does_what_was_shown(ground: Site) -> None:
    complete = {desk.name: desk.won(2) for desk in ground.desks}
    gaps = {desk.name: desk.win(desk.deal(without=("champion",)), outcome="held") for desk in ground.desks}
    with ground.daemon() as daemon:
        until(
            lambda: all(
                f"{name}" in {e["system"] for e in daemon.named("pass.done") if e["looked"]} for name in ("sf", "hs")
            ),
            "a look at the wins of both systems",
        )
        planned = {
            desk.name: ground.run("plan", *complete[desk.name], "--system", desk.name, "--json").data
            for desk in ground.desks
        }
        status = ground.run("status", "--json").data
        texts = {desk.name: ground.run("explain", gaps[desk.name], "--system", desk.name).text for desk in ground.desks}

    for desk in ground.desks:
        assert desk.writes() == 0, "observe must not write"
        assert not desk.crm.tasks_of(complete[desk.name][0])
        plans = planned[desk.name][desk.name]["plans"]
        assert {plan["deal"] for plan in plans} == set(complete[desk.name])
        for plan in plans:
            assert plan["gate"] == "Released"
            made = [write for write in plan["writes"] if write["write"] == "create"]
            assert sorted(write["record"] for write in made) == ["note", *["task"] * 5]
            assert any("csm" in write["values"] for write in plan["writes"] if write["write"] == "update")
            assert all(write["reason"] for write in plan["writes"])
        assert "Champion" in texts[desk.name]
        assert "The CSM has to know whom to call first." in texts[desk.name]
    assert not ground.sandbox.sf.messages, "observe tells nobody"
    assert {each["mode"] for each in status["systems"]} == {"observe"}
    shown = {(each["system"], each["deal_id"]) for each in status["decisions"]}
    assert shown >= {(desk.name, deal) for desk in ground.desks for deal in complete[desk.name]}

    # Wins from the time of observing are taken up only on request; without it they would stay as they are.
    today = datetime.now(UTC).date()
    ground.configure(mode="act", first_run=f'first_run = "act_since"\nact_since = {today}')
    with ground.daemon():
        until(
            lambda: all(desk.handed_off(deal) for desk in ground.desks for deal in complete[desk.name]),
            "the same deals to be handed off",
        )
        until(lambda: all(desk.held(gaps[desk.name]) for desk in ground.desks), "the gaps to be told")
        until(lambda: not ground.open_rows(), "an empty outbox")
    for desk in ground.desks:
        assert desk.clean, desk.tally()
        for plan in planned[desk.name][desk.name]["plans"]:
            keys = {
                write["key"] for write in plan["writes"] if write["write"] == "create" and write["record"] == "task"
            }
            assert {task.key for task in desk.crm.tasks_of(plan["deal"])} == keys
