"""Stopping in order, and keeping a second daemon out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from daemons import Site, csm_changes, site, until

from connector.sandbox import agreed

pytestmark = pytest.mark.system

EXIT_USER = 2
WINS = 6


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Site]:
    """An org and a portal which the connector has not seen yet; wins of today count."""
    with site(tmp_path / "site", first_run='first_run = "act_since"\nact_since = 2020-01-01') as made:
        yield made


def test_sigterm_in_the_middle_of_a_run_loses_nothing(ground: Site) -> None:
    """Each answer takes a while, so the signal comes while a batch is under way; it is settled, no other sent."""
    deals = {desk.name: desk.won(WINS) for desk in ground.desks}
    for desk in ground.desks:
        desk.world.setting("latency_ms", 150)
    daemon = ground.start()
    until(lambda: any(desk.writes() for desk in ground.desks), "the first write")
    assert daemon.stop() == 0, daemon.said()
    assert daemon.named("daemon.stopping", signal="SIGTERM")
    assert daemon.named("daemon.stopped")
    assert ground.open_rows() > 0, "the signal came too late to interrupt anything"
    assert not ground.outbox()["sending"], "a batch in flight was not settled"
    assert not ground.outbox()["unknown"]

    for desk in ground.desks:
        desk.world.setting("latency_ms", 0)
    with ground.daemon() as again:
        until(lambda: all(desk.handed_off(each) for desk in ground.desks for each in deals[desk.name]), "the handoffs")
        until(lambda: not ground.open_rows(), "an empty outbox")
        assert not again.named("rows.rescued"), "there was nothing to rescue after an orderly stop"
    for desk in ground.desks:
        assert desk.clean, desk.tally()
        for each in deals[desk.name]:
            assert len(desk.crm.tasks_of(each)) == len(agreed.subjects("new"))
            assert len(desk.crm.notes_of(each)) == 1
            assert len(csm_changes(desk, each)) == 1
    keys = [message.key for message in ground.sandbox.sf.messages]
    assert len(keys) == len(set(keys)) == 2 * WINS


def test_a_second_daemon_on_the_same_file_is_refused(ground: Site) -> None:
    with ground.daemon() as first:
        first.wait_for("daemon.started")
        for command in ("run", "once"):
            second = ground.call(command)
            assert second.code == EXIT_USER
            assert "is in use by another running daemon; stop that one first" in second.text
            assert "several replicas need PostgreSQL" in second.text
            assert "Traceback" not in second.err
        assert first.process.poll() is None, "the first goes on"
        assert ground.call("status", "--json").data["systems"], "reading is allowed beside a daemon"
    assert ground.pass_here().code == 0, "after the first has stopped there is room for another"
