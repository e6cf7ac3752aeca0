"""Change events from the sandbox's event bus to a finished handoff, through a real daemon: fast, without polling, and
with the stream cut, silent, expired, shut out or the daemon killed. Nothing may be lost and nothing doubled.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from daemons import WHOLE, Daemon, Desk, Site, account_csm_changes, csm_changes, site, until

from connector.sandbox import agreed

pytest.importorskip("grpc")
pytestmark = pytest.mark.system

WATCHED = ("Opportunity", "Account", "Task", "Event")
DETECTING = re.compile(r"WHERE .*(SystemModstamp|LastModifiedDate)|/updated/|/deleted/", re.IGNORECASE)
"""What a request has that asks what changed, rather than how something stands."""

SELDOM = 3600
"""Seconds between polls in tests that must not be helped by one."""

POINTS = ["hint-read", "hint-committed", "hint-read:3", "hint-committed:2", "after-call:2"]


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Site]:
    """An org that tells its changes, and a daemon that polls so seldom that a test would not live to see it."""
    with site(tmp_path / "site", systems=("sf",)) as made:
        made.sandbox.pubsub.select(entities=WATCHED)
        listen(made)
        made.begin()
        yield made


def listen(ground: Site, *, poll: float = SELDOM, **more: Any) -> None:
    lines = {
        "first_run": '"observe_old"',
        "change_events": '"on"',
        "pubsub_address": f'"{ground.sandbox.pubsub_address}"',
        **more,
    }
    ground.configure(poll=poll, first_run="\n".join(f"{name} = {value}" for name, value in lines.items()))


def hears(daemon: Daemon, lines: int = 4) -> None:
    """Wait until all lines are up and what was missed before is polled."""
    until(lambda: len({each["line"] for each in daemon.named("live.opened")}) >= lines, "the lines")


def tell_again(ground: Site) -> None:
    """End a loss that was planted."""
    ground.sandbox.pubsub.lose(-int(ground.sandbox.pubsub.state()["lost"]))


def detections(desk: Desk, since: int) -> list[str]:
    """Requests that asked what changed."""
    asked = desk.world.journal.calls(since, system=desk.name)
    addresses = [address for call in asked for address in (call.path, *call.within)]
    return [address for address in addresses if DETECTING.search(address)]


def assert_once(desk: Desk, deals: list[str]) -> None:
    """Each effect of each handoff stands there once."""
    assert desk.clean, desk.tally()
    for deal_id in deals:
        deal = desk.see(deal_id)
        tasks = desk.crm.tasks_of(deal_id)
        assert sorted(task.subject.partition(":")[0] for task in tasks) == sorted(agreed.subjects(deal.deal_type))
        assert len(desk.crm.notes_of(deal_id)) == 1
        assert len(csm_changes(desk, deal_id)) == 1
        assert account_csm_changes(desk, deal.account) == [deal.text("csm")]


def handed_off(desk: Desk, deals: list[str], *, seconds: float = 45.0) -> None:
    until(lambda: all(map(desk.handed_off, deals)), "the handoffs", seconds=seconds)


def test_a_win_is_handed_off_within_seconds_and_without_one_call_to_find_it(ground: Site) -> None:
    sf = ground.sf
    deals = [sf.deal() for _ in range(8)]
    with ground.daemon() as daemon:
        hears(daemon)
        first = sf.won(1)
        handed_off(sf, first)
        until(lambda: not ground.open_rows(), "an empty outbox")
        since = sf.seq()
        took = []
        for deal_id in deals:
            began = time.monotonic()
            sf.win(deal_id)
            until(lambda deal_id=deal_id: sf.handed_off(deal_id), "the handoff")  # type: ignore[misc]
            took.append(time.monotonic() - began)
        until(lambda: not ground.open_rows(), "an empty outbox")
        assert detections(sf, since) == []
        assert sorted(took)[len(took) // 2] < 5, took
        status = ground.run("status", "--json").data["systems"][0]
        assert status["live"].startswith("live, last heard")
    assert_once(sf, [*first, *deals])


def test_a_stream_that_is_cut_again_and_again(ground: Site) -> None:
    sf = ground.sf
    ground.sandbox.pubsub.cut_every(2.0)
    deals = [sf.deal() for _ in range(12)]
    with ground.daemon() as daemon:
        hears(daemon)
        for deal_id in deals:
            sf.win(deal_id)
            until(lambda deal_id=deal_id: sf.handed_off(deal_id), "the handoff")  # type: ignore[misc]
            if deal_id == deals[5]:
                ground.sandbox.pubsub.cut("service.unavailable")
        until(lambda: len(daemon.named("live.lost")) >= 4, "cuts")
        until(lambda: not ground.open_rows(), "an empty outbox")
        ground.sandbox.pubsub.cut_every(None)
    assert_once(sf, deals)


def test_events_that_come_twice_and_backwards_and_as_gaps(ground: Site) -> None:
    sf = ground.sf
    deals = [sf.deal() for _ in range(6)]
    with ground.daemon() as daemon:
        hears(daemon)
        ground.sandbox.pubsub.double(20)
        ground.sandbox.pubsub.reorder(5)
        ground.sandbox.pubsub.gaps(4)
        for deal_id in deals:
            sf.win(deal_id)
        handed_off(sf, deals)
        until(lambda: not ground.open_rows(), "an empty outbox")
    assert_once(sf, deals)


def test_a_place_that_expired_while_the_daemon_was_away(ground: Site) -> None:
    """The events are gone for good: they are found by polling from the last mark, and listening begins anew."""
    sf = ground.sf
    with ground.daemon() as daemon:
        hears(daemon)
        known = sf.won(1)
        handed_off(sf, known)
        until(lambda: not ground.open_rows(), "an empty outbox")
    missed = sf.won(3)
    ground.sandbox.pubsub.expire()
    with ground.daemon() as daemon:
        handed_off(sf, missed)
        hears(daemon)
        assert any("replayid.corrupted" in each["why"] for each in daemon.named("live.lost"))
        assert daemon.named("live.missed")
        late = sf.won(1)
        handed_off(sf, late)
        until(lambda: not ground.open_rows(), "an empty outbox")
    assert_once(sf, [*known, *missed, *late])


def test_a_place_that_expires_in_the_middle(ground: Site) -> None:
    sf = ground.sf
    with ground.daemon() as daemon:
        hears(daemon)
        known = sf.won(1)
        handed_off(sf, known)
        until(lambda: not ground.open_rows(), "an empty outbox")
        ground.sandbox.pubsub.lose(1000)
        missed = sf.won(2)
        ground.sandbox.pubsub.expire()
        ground.sandbox.pubsub.cut()
        handed_off(sf, missed)
        tell_again(ground)
        until(lambda: not ground.open_rows(), "an empty outbox")
    assert_once(sf, [*known, *missed])


def test_tokens_revoked_in_the_middle(ground: Site) -> None:
    sf = ground.sf
    deals = [sf.deal() for _ in range(6)]
    with ground.daemon() as daemon:
        hears(daemon)
        for deal_id in deals[:3]:
            sf.win(deal_id)
        ground.sandbox.pubsub.revoke_tokens()
        ground.sandbox.pubsub.cut("service.auth.error")
        for deal_id in deals[3:]:
            sf.win(deal_id)
        handed_off(sf, deals)
        until(lambda: not ground.open_rows(), "an empty outbox")
        assert not daemon.named("system.halted"), daemon.said()
    assert_once(sf, deals)


def test_an_overflow_and_a_wildcard_lead_to_a_poll(ground: Site) -> None:
    sf = ground.sf
    listen(ground, poll=2)
    with ground.daemon() as daemon:
        hears(daemon)
        handed_off(sf, sf.won(1))
        ground.sandbox.pubsub.lose(1000)
        missed = sf.won(2)
        tell_again(ground)
        ground.sandbox.pubsub.plant_overflow("Opportunity")
        handed_off(sf, missed)
        ground.sandbox.pubsub.plant_wildcard("Opportunity")
        until(lambda: len([each for each in daemon.named("live.missed") if each["why"]]) >= 2, "both")
        until(lambda: not ground.open_rows(), "an empty outbox")
    assert_once(sf, missed)


def test_what_no_event_told_of_is_found_by_the_safety_poll(ground: Site) -> None:
    sf = ground.sf
    listen(ground, poll=1, safety_poll_seconds=4)
    with ground.daemon() as daemon:
        hears(daemon)
        handed_off(sf, sf.won(1))
        ground.sandbox.pubsub.lose(1000)
        missed = sf.won(2)
        handed_off(sf, missed)
        tell_again(ground)
        until(lambda: not ground.open_rows(), "an empty outbox")
    assert_once(sf, missed)


def test_an_object_that_nobody_selected_is_polled_as_before(ground: Site) -> None:
    """The org lets us listen to it all the same, and says nothing."""
    sf = ground.sf
    ground.sandbox.pubsub.select(entities=("Account", "Task", "Event"))
    listen(ground, poll=1)
    with ground.daemon() as daemon:
        hears(daemon)
        deals = sf.won(2)
        handed_off(sf, deals)
        until(lambda: not ground.open_rows(), "an empty outbox")
    assert_once(sf, deals)


def test_a_task_that_is_closed_leads_to_its_deal(ground: Site) -> None:
    """The event has no WhatId: the ledger knows whose task it is, and the deal's status moves on."""
    sf = ground.sf
    with ground.daemon() as daemon:
        hears(daemon)
        (deal_id,) = sf.won(1)
        handed_off(sf, [deal_id])
        until(lambda: not ground.open_rows(), "an empty outbox")
        since, before = sf.seq(), sf.see(deal_id).text("status")
        task = sf.crm.tasks_of(deal_id)[0]
        with sf.world.lock:
            sf.crm.complete_task(task.id, by=sf.see(deal_id).text("csm"))
            sf.world.flush()
        until(lambda: sf.see(deal_id).text("status") != before, "the next status")
        assert detections(sf, since) == []
    assert_once(sf, [deal_id])


@pytest.mark.parametrize("point", POINTS if WHOLE else ["hint-read:3", "hint-committed:2"])
def test_nothing_is_lost_or_doubled_by_a_kill(point: str, ground: Site) -> None:
    sf = ground.sf
    victim = ground.start(failpoint=point)
    hears(victim)
    deals = sf.won(4)
    assert victim.wait_killed() == -9, victim.said()
    deals += sf.won(2)
    with ground.daemon():
        handed_off(sf, deals)
        until(lambda: not ground.open_rows(), "an empty outbox")
    assert_once(sf, deals)


def test_with_the_bus_out_of_reach_everything_is_polled(ground: Site) -> None:
    sf = ground.sf
    listen(ground, poll=1, pubsub_address='"127.0.0.1:9"', change_events='"auto"')
    with ground.daemon() as daemon:
        daemon.wait_for("live.lost")
        deals = sf.won(2)
        handed_off(sf, deals)
        until(lambda: not ground.open_rows(), "an empty outbox")
        status = ground.run("status", "--json").data["systems"][0]
        assert status["live"].startswith("polled every 1 s")
    assert_once(sf, deals)


def test_check_says_which_topics_cannot_be_had(ground: Site) -> None:
    listen(ground, change_channel='"NotThere__chn"')
    ran = ground.run("check")
    assert ran.code == 1
    assert "/data/NotThere__chn" in ran.text
    assert "It is polled instead" in ran.text
