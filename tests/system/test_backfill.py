"""Old deals are filled by jobs, and whatever is killed in the middle: every deal is written to once, none is missed.

The command sends by itself or beside a daemon; each point gets fresh old deals. What a job did is read from the org's
own record of its rows, so a value that was written twice would be seen though it is the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemons import WHOLE, Desk, Site, site, until

from connector.sandbox.salesforce import bulk
from connector.sandbox.state import World

pytestmark = pytest.mark.system

KILLED = -9
DEALS = 24
SETTINGS = 'first_run = "observe_old"\nbulk_threshold = 20'
FIGURES = ("percent", "metric_completion")

POINTS = ["job-opened", "job-stored", "job-uploaded", "job-asked", "settled"]


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Site]:
    """An org in which deals with a gap were won before the first pass."""
    with site(tmp_path, systems=("sf",), first_run=SETTINGS) as made:
        made.sandbox.sf.settings["bulk_batch_s"] = 0.2
        yield made


def old_deals(desk: Desk, count: int = DEALS) -> list[str]:
    account = desk.account("Old Ltd")
    deals = [desk.win(desk.deal(without=("risks",), account=account), outcome=None) for _ in range(count)]
    desk.world.clock.advance(
        1
    )  # the start is taken from the CRM's clock, to the second: what is old is older than that
    return deals


def filled(desk: Desk, deals: list[str]) -> int:
    with desk.world.lock:
        return sum(desk.crm.deal(each).fields.get("percent") is not None for each in deals)


def written(world: World) -> Counter[str]:
    """How often jobs saved each record."""
    with world.lock:
        parts = [row for row in world.table(bulk.DATA).live() if ":ok:" in row.id]
        return Counter(line[0] for row in parts for line in row.values["rows"])


def calls(world: World) -> Counter[str]:
    return Counter(call.kind for call in world.journal.calls(0, system="sf"))


@pytest.mark.parametrize("point", POINTS if WHOLE else ["job-stored", "job-uploaded"])
def test_a_command_killed_in_the_middle_is_run_again(point: str, ground: Site) -> None:
    deals = old_deals(ground.sf)
    ground.begin()
    arguments = ("backfill", "sf", "--apply", "--yes", "--json")
    died = ground.run(*arguments, HANDOFF_FAILPOINT=point)
    assert died.code == KILLED, died.text
    again = ground.run(*arguments)
    assert again.code == 0, again.text
    assert_filled_once(ground, deals)
    third = ground.run(*arguments)
    assert third.data["sf"]["writes"] == 0
    assert_filled_once(ground, deals)


@pytest.mark.parametrize("point", POINTS if WHOLE else ["job-opened", "job-asked"])
def test_a_daemon_killed_in_the_middle_goes_on_where_it_was(point: str, ground: Site) -> None:
    deals = old_deals(ground.sf)
    ground.begin()
    victim = ground.start(failpoint=point)
    victim.wait_for("daemon.started")
    ran = ground.run("backfill", "sf", "--apply", "--yes")
    assert ran.code == 0, ran.text
    assert "The running daemon sends it" in ran.text
    assert victim.wait_killed() == KILLED, f"it was not killed at {point}:\n{victim.said()}"
    with ground.daemon() as daemon:
        daemon.wait_for("daemon.started")
        until(lambda: filled(ground.sf, deals) == DEALS, f"all deals after a kill at {point}")
        until(lambda: not ground.open_rows(), "an empty outbox")
        assert not daemon.named("tick.crashed"), daemon.said()
    assert_filled_once(ground, deals)


def test_a_plan_says_what_it_would_cost_and_stores_nothing(ground: Site) -> None:
    deals = old_deals(ground.sf)
    ground.begin()
    before = ground.outbox()
    ran = ground.run("backfill", "sf", "--json")
    assert ran.code == 0, ran.text
    told = ran.data["sf"]
    assert (told["old_deals"], told["writes"], told["recorded"]) == (DEALS, DEALS, False)
    assert told["fields"] == dict.fromkeys(("percent", "missing", "metric_completion"), DEALS)
    [way] = told["calls"]
    assert (way["way"], way["calls_in_batches"], way["calls_by_jobs"]) == ("jobs", 1, 5)
    assert ground.outbox() == before
    assert filled(ground.sf, deals) == 0
    planned = ground.run("plan", "--won-since", "2020-01-01", "--as-if-new", "--json").data["sf"]["calls"]
    [reverts] = [each for each in planned if each["write"] == "deal update"]
    assert (reverts["rows"], reverts["way"], reverts["calls_by_jobs"]) == (DEALS, "batches", None), "those cannot wait"


def test_below_the_threshold_and_with_a_limit_rows_go_in_batches(ground: Site) -> None:
    deals = old_deals(ground.sf)
    ground.begin()
    ran = ground.run("backfill", "--apply", "--yes", "--limit", "5", "--fields", "percent", "--json")
    assert ran.code == 0, ran.text
    assert (ran.data["sf"]["writes"], ran.data["sf"]["left"]) == (5, 0)
    assert filled(ground.sf, deals) == 5
    assert calls(ground.sandbox.sf)["bulk.open"] == 0


def test_rows_the_org_refuses_are_parked_in_its_own_words(ground: Site) -> None:
    deals = old_deals(ground.sf)
    ground.begin()
    ground.sf.fault("partial", "^BATCH ", arg="FIELD_CUSTOM_VALIDATION_EXCEPTION")
    ran = ground.run("backfill", "--apply", "--yes", "--json")
    assert ran.code == 1, ran.text
    assert ran.data["sf"]["parked"] == DEALS // 2
    assert filled(ground.sf, deals) == DEALS - DEALS // 2
    assert "FIELD_CUSTOM_VALIDATION_EXCEPTION" in ground.run("retry").text
    ground.run("retry", "--all")
    ran = ground.run("backfill", "--apply", "--yes", "--json")
    assert ran.code == 0, ran.text
    assert filled(ground.sf, deals) == DEALS


def test_a_daemon_that_only_observes_writes_nothing(ground: Site) -> None:
    old_deals(ground.sf, 2)
    ground.configure(mode="observe")
    ran = ground.run("backfill", "--apply", "--yes")
    assert ran.code == 2
    assert "daemon.mode" in ran.text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--fields", "gate"), "gate cannot be filled"),
        (("--apply",), "say --yes"),
        (("nowhere",), "no system is called"),
    ],
)
def test_mistakes_are_told(arguments: tuple[str, ...], words: str, ground: Site) -> None:
    ran = ground.run("backfill", *arguments)
    assert ran.code == 2
    assert words in ran.text


def assert_filled_once(ground: Site, deals: list[str]) -> None:
    """Each deal has its figures, from one save; the org has nothing else of ours on them."""
    desk = ground.sf
    assert filled(desk, deals) == len(deals)
    assert written(desk.world) == dict.fromkeys(deals, 1)
    for deal_id in deals:
        deal = desk.see(deal_id)
        assert all(deal.fields[name] is not None for name in FIGURES)
        assert deal.text("missing").startswith("Won before handoffs were checked: 1 of")
        assert not deal.text("gate")
        assert not desk.crm.tasks_of(deal_id)
        assert not desk.crm.notes_of(deal_id)
