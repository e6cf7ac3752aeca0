"""The app's journal from the sandbox to a finished handoff, through a real daemon that hardly polls: fast, with tokens
that die, and with a place in the journal that expired while the daemon was away. Nothing lost, nothing doubled.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemons import WHOLE, Daemon, Desk, Site, csm_changes, site, until

from connector.sandbox import agreed
from connector.sandbox.hubspot.schema import APP_CLIENT_ID, APP_CLIENT_SECRET

pytestmark = pytest.mark.system

SELDOM = 3600
"""Seconds between polls in tests that must not be helped by one."""

SEARCHING = re.compile(r"/search$")


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Site]:
    """A portal with an app, and a daemon that polls so seldom that a test would not live to see it."""
    with site(tmp_path / "site", systems=("hs",)) as made:
        made.secrets |= {"HS_CLIENT_ID": APP_CLIENT_ID, "HS_CLIENT_SECRET": APP_CLIENT_SECRET}
        lines = (
            'first_run = "observe_old"',
            'client_id_env = "HS_CLIENT_ID"',
            'client_secret_env = "HS_CLIENT_SECRET"',
            'change_events = "on"',
        )
        made.configure(poll=SELDOM, first_run="\n".join(lines))
        yield made


def hears(daemon: Daemon) -> None:
    until(lambda: daemon.named("live.opened", line="journal"), "the journal's line")


def finished(ground: Site, deals: list[str]) -> None:
    until(lambda: all(map(ground.hs.handed_off, deals)), "the handoffs")
    until(lambda: not ground.open_rows(), "an empty outbox")


def assert_once(desk: Desk, deals: list[str]) -> None:
    """Each effect of each handoff stands there once."""
    assert desk.clean, desk.tally()
    for deal_id in deals:
        deal = desk.see(deal_id)
        tasks = desk.crm.tasks_of(deal_id)
        assert sorted(task.subject.partition(":")[0] for task in tasks) == sorted(agreed.subjects(deal.deal_type))
        assert len(csm_changes(desk, deal_id)) == 1


def test_wins_are_handed_off_within_seconds_without_polling_whatever_becomes_of_tokens_and_places(ground: Site) -> None:
    hs = ground.hs
    deals = [hs.deal() for _ in range(3)]
    with ground.daemon() as daemon:
        hears(daemon)
        first = hs.won(1)
        finished(ground, first)
        since = hs.seq()
        took = []
        for number, deal_id in enumerate(deals):
            if number == 1:
                ground.sandbox.feeds.kill_tokens()
            began = time.monotonic()
            hs.win(deal_id)
            until(lambda deal_id=deal_id: hs.handed_off(deal_id), "the handoff")  # type: ignore[misc]
            took.append(time.monotonic() - began)
        until(lambda: not ground.open_rows(), "an empty outbox")
        calls = hs.world.journal.calls(since, system="hs")
        assert [each.path for each in calls if SEARCHING.search(each.path)] == []
        assert sorted(took)[len(took) // 2] < 5, took
    missed = hs.won(2)
    ground.sandbox.feeds.expire_journal()
    with ground.daemon() as daemon:
        finished(ground, missed)
        daemon.wait_for("live.missed")
        hears(daemon)
        last = hs.won(1)
        finished(ground, last)
    assert_once(hs, [*first, *deals, *missed, *last])


@pytest.mark.skipif(not WHOLE, reason="Salesforce's line is killed at the same points on every run")
@pytest.mark.parametrize("point", ["hint-read", "hint-committed", "hint-read:3", "hint-committed:2", "after-call:2"])
def test_nothing_is_lost_or_doubled_by_a_kill(point: str, ground: Site) -> None:
    hs = ground.hs
    ground.begin()
    victim = ground.start(failpoint=point)
    hears(victim)
    deals: list[str] = []

    def acted_on() -> bool:
        return hs.handed_off(deals[-1]) or victim.process.poll() is not None

    while victim.process.poll() is None and len(deals) < 8:
        deals += hs.won(1)
        until(acted_on, "the handoff or the kill")
    assert victim.wait_killed() == -9, victim.said()
    deals += hs.won(2)
    with ground.daemon():
        finished(ground, deals)
    assert_once(hs, deals)
