"""Webhooks from the sandbox's portal to a finished handoff, through a real daemon: fast, doubled and shuffled, without
one search, and with the daemon killed over letters that it had not read.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator

import pytest
from daemons import SECRETS, Site, csm_changes, free_port, site, until

from connector import bootstrap
from connector.sandbox import agreed
from connector.sandbox.hubspot.feeds import events
from connector.sandbox.hubspot.feeds.webhooks import Deliverer, deliverer
from connector.sandbox.hubspot.schema import APP_CLIENT_SECRET

pytestmark = pytest.mark.system

SELDOM = 3600
"""Seconds between polls: nothing here is found by one."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A portal whose app was configured by the file that the connector wrote for it."""
    port = free_port()
    with site(tmp_path_factory.mktemp("webhooks") / "site", systems=("hs",)) as made:
        made.secrets = SECRETS | {"HS_CLIENT_SECRET": APP_CLIENT_SECRET}
        made.configure(
            poll=SELDOM,
            hooks=port,
            first_run="\n".join(
                (
                    'first_run = "observe_old"',
                    'client_secret_env = "HS_CLIENT_SECRET"',
                    f'webhook_url = "http://127.0.0.1:{port}/webhooks/hubspot/hs"',
                    'change_events = "on"',
                )
            ),
        )
        with pytest.MonkeyPatch.context() as patch:
            for name, value in made.environment().items():
                patch.setenv(name, value)
            part = bootstrap.webhook_component(made.folder / "config.toml", "hs").content
        more = {"double": 0.5, "shuffle": True, "retry_s": (0.3, 0.5, 1, 2, 4, 8, 16)}
        made.hs.world.setting("webhooks", {**events.uploaded(part), **more})
        yield made


def app(ground: Site) -> Deliverer:
    return deliverer(ground.hs.world)


def letters(ground: Site) -> int:
    """Letters in the ledger's file."""
    with contextlib.closing(sqlite3.connect(f"file:{ground.database}?mode=ro", uri=True)) as connection:
        return int(connection.execute("select count(*) from letter").fetchone()[0])


def searches(ground: Site, since: int) -> list[str]:
    return [call.path for call in ground.hs.world.journal.calls(since, system="hs") if call.path.endswith("/search")]


def assert_once(ground: Site, deals: list[str]) -> None:
    hs = ground.hs
    assert hs.clean, hs.tally()
    for deal_id in deals:
        subjects = sorted(task.subject.partition(":")[0] for task in hs.crm.tasks_of(deal_id))
        assert subjects == sorted(agreed.subjects(hs.see(deal_id).deal_type))
        assert len(csm_changes(hs, deal_id)) == 1


def test_a_win_is_handed_off_within_seconds_and_without_one_search(ground: Site) -> None:
    hs = ground.hs
    with ground.daemon() as daemon:
        daemon.wait_for("system.connected")
        first: list[str] = []
        for _ in ("found by the poll with which it began", "found by a webhook"):
            first += hs.won(1)
            until(lambda: all(map(hs.handed_off, first)), "the handoff")  # noqa: B023
        daemon.wait_for("live.opened", line="webhooks")
        deals = [hs.deal() for _ in range(3)]
        took, searched = [], []
        for deal_id in deals:
            since, began = hs.seq(), time.monotonic()
            hs.win(deal_id)
            until(lambda deal_id=deal_id: hs.handed_off(deal_id), "the handoff")  # type: ignore[misc]
            took.append(time.monotonic() - began)
            searched.append(searches(ground, since))
        # Which of the three wins meets that one poll is the machine's affair.
        assert sorted(searched, key=len)[:2] == [[], []], (
            "only what was missed before it listened is searched for, once"
        )
        assert sorted(took)[len(took) // 2] < 5, took
        assert app(ground).settled(10)
        assert app(ground).statistics.doubled > 0
        until(lambda: letters(ground) == 0, "all letters read")
    assert app(ground).statistics.given_up == 0
    assert_once(ground, [*first, *deals])


def test_letters_outlive_a_kill_and_what_was_not_taken_is_brought_again(ground: Site) -> None:
    """It dies with letters in hand; what the vendor could not deliver meanwhile, it delivers afterwards."""
    hs = ground.hs
    deals = [hs.deal() for _ in range(2)]
    daemon = ground.start(failpoint="hint-read:1")
    daemon.wait_for("hooks.opened")
    hs.win(deals[0])
    assert daemon.wait_killed() == -9
    assert letters(ground) > 0
    hs.win(deals[1])
    until(lambda: app(ground).statistics.failed, "a delivery that found nobody")
    with ground.daemon():
        until(lambda: all(map(hs.handed_off, deals)), "the handoffs")
        assert app(ground).settled(10)
        until(lambda: not app(ground).state()["waiting"]["later"], "everything delivered")
        until(lambda: letters(ground) == 0, "all letters read")
        until(lambda: not ground.open_rows(), "an empty outbox")
    assert app(ground).statistics.given_up == 0
    assert_once(ground, deals)
