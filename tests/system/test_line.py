"""Trouble on the line: busy and failing vendors, answers that never come, rows that are locked, polls told twice.

Every fault is planted in the sandbox's wire; afterwards each handoff must stand there exactly once. One daemon goes
through all of it: what one trouble left behind in it would show in the next.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from daemons import Daemon, Desk, Site, account_csm_changes, csm_changes, site, until

from connector.sandbox import agreed
from connector.sandbox.faults import Fault

pytestmark = pytest.mark.system

SF_UPSERT = r"PATCH .*/composite/sobjects/Task"
SF_COLLECTION = r"(PATCH|POST) .*/composite/sobjects(\?|$)"
SF_POLL = r"POST .*/composite$"
"""All feeds of a tick, and what hangs on deals, travel in one such call."""
HS_TASKS = r"POST .*/tasks/batch/upsert"
HS_NOTES = r"POST .*/notes/batch/upsert"
HS_DEALS = r"POST .*/deals/batch/update"
HS_COMPANIES = r"POST .*/companies/batch/update"
HS_SEARCH = r"POST .*/deals/search"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An org and a portal, and a daemon that runs; wins of today count."""
    folder = tmp_path_factory.mktemp("line") / "site"
    with site(folder, first_run='first_run = "act_since"\nact_since = 2020-01-01') as made, made.daemon():
        yield made


@pytest.fixture
def daemon(ground: Site) -> Iterator[Daemon]:
    """The daemon, with what it says from now on; it has connected, and nothing is planted."""
    (running,) = ground.children
    until(lambda: {each["system"] for each in running.named("system.connected")} == {"sf", "hs"}, "both systems")
    yield dataclasses.replace(running, began_at=len(running.log.read_text(errors="replace")))
    ground.sandbox.sf.faults.clear()


def assert_handed_off_once(ground: Site, daemon: Daemon, deals: dict[str, list[str]]) -> None:
    """Wait for the handoffs, then count every effect."""
    until(
        lambda: all(desk.handed_off(deal) for desk in ground.desks for deal in deals[desk.name]),
        "handoffs in spite of the trouble",
    )
    until(lambda: not ground.open_rows(), "an empty outbox")
    until(lambda: not any(unmet(desk) for desk in ground.desks), "every fault to be met")
    assert not daemon.named("tick.crashed"), daemon.said()
    assert not daemon.named("row.parked"), daemon.said()
    for desk in ground.desks:
        assert desk.clean, desk.tally()
        for deal in deals[desk.name]:
            assert_once(desk, deal)


def unmet(desk: Desk) -> list[Fault]:
    """The planted faults that no request has met yet."""
    return [fault for fault in desk.world.faults.list() if fault.system == desk.name]


def assert_once(desk: Desk, deal_id: str) -> None:
    """Every effect of one handoff, and each once."""
    deal = desk.see(deal_id)
    tasks = desk.crm.tasks_of(deal_id)
    assert sorted(task.subject.partition(":")[0] for task in tasks) == sorted(agreed.subjects(deal.deal_type))
    assert len(desk.crm.notes_of(deal_id)) == 1
    assert len(csm_changes(desk, deal_id)) == 1
    assert account_csm_changes(desk, deal.account) == [deal.text("csm")]


def win(ground: Site) -> dict[str, list[str]]:
    """A few deals on each CRM."""
    return {desk.name: [*desk.won(3), *desk.won(1, amount=70_000)] for desk in ground.desks}


def test_answers_that_never_come(ground: Site, daemon: Daemon) -> None:
    """The work was done and the reply lost: it is looked up by its key, never sent again blindly."""
    ground.sf.fault("reset_after", SF_UPSERT)
    ground.sf.fault("reset_after", SF_COLLECTION, count=3)
    for match in (HS_TASKS, HS_NOTES, HS_DEALS, HS_COMPANIES):
        ground.hs.fault("reset_after", match)
    deals = win(ground)
    assert_handed_off_once(ground, daemon, deals)
    for desk, steps in (
        (ground.sf, {"welcome-packet", "summary", "patch-deal"}),
        (ground.hs, {"welcome-packet", "summary", "patch-deal"}),
    ):
        verified = {row["step"]: row["done"] for row in daemon.named("row.verified", system=desk.name)}
        assert steps <= set(verified), verified
        assert all(verified.values()), "what was done was not found again"


def test_requests_that_never_arrive(ground: Site, daemon: Daemon) -> None:
    """The line is cut before the work is done: looked up, not found, and sent again."""
    ground.sf.fault("reset_before", SF_UPSERT)
    ground.sf.fault("reset_before", SF_COLLECTION, count=2)
    for match in (HS_TASKS, HS_NOTES, HS_DEALS):
        ground.hs.fault("reset_before", match)
    deals = win(ground)
    assert_handed_off_once(ground, daemon, deals)
    missed = [row for row in daemon.named("row.verified") if not row["done"]]
    assert {row["system"] for row in missed} == {"sf", "hs"}


def test_busy_and_failing_vendors(ground: Site, daemon: Daemon) -> None:
    """Bursts of 429, 500 and 503 on reads and writes cost time and nothing else."""
    ground.sf.fault("429", ".*", count=4, arg=1)
    # HubSpot's rolling window is ten seconds, and so long the daemon rests: one is enough.
    ground.hs.fault("429", HS_NOTES)
    for desk in ground.desks:
        desk.fault("503", ".*", count=3, skip=3)
    ground.sf.fault("500", SF_UPSERT)
    ground.hs.fault("500", HS_TASKS)
    deals = win(ground)
    assert_handed_off_once(ground, daemon, deals)


def test_an_expired_token_in_the_middle(ground: Site, daemon: Daemon) -> None:
    """Salesforce ends a session whenever it likes; a new one is fetched and the call made again, within the pass."""
    ground.sf.fault("expired_token", SF_POLL)
    ground.sf.fault("expired_token", SF_UPSERT)
    ground.sf.fault("expired_token", SF_COLLECTION)
    deals = win(ground)
    assert_handed_off_once(ground, daemon, deals)
    assert not daemon.named("system.halted")


def test_locked_rows_and_partial_batches(ground: Site, daemon: Daemon) -> None:
    """Some rows of a batch fail: the others are done, and only the failed ones are sent again."""
    ground.sf.fault("row_lock", SF_UPSERT, arg=3)
    ground.sf.fault("partial", SF_COLLECTION, count=3)
    ground.hs.fault("row_lock", HS_DEALS)
    ground.hs.fault("partial", HS_TASKS)
    ground.hs.fault("partial", HS_COMPANIES)
    deals = win(ground)
    assert_handed_off_once(ground, daemon, deals)


def test_polls_that_tell_twice_and_in_any_order(ground: Site, daemon: Daemon) -> None:
    ground.sf.fault("duplicated", SF_POLL, count=2)
    ground.sf.fault("reordered", SF_POLL, count=1)
    ground.hs.fault("duplicated", HS_SEARCH, count=2)
    deals = win(ground)
    assert_handed_off_once(ground, daemon, deals)


def test_a_row_the_crm_refuses_is_parked_and_can_be_retried(ground: Site, daemon: Daemon) -> None:
    """A validation rule stands in the way: the CRM's words reach the person, the rest of the work goes on."""
    sf = ground.sf
    sf.fault("partial", SF_UPSERT, count=1000, arg="FIELD_CUSTOM_VALIDATION_EXCEPTION")
    refused, fine = sf.won(1)[0], ground.hs.won(1)[0]
    row = daemon.wait_for("row.parked", system="sf")
    assert row["deal"] == refused
    assert row["vendor_code"] == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert "handoff retry" in row["next"]
    until(lambda: ground.hs.handed_off(fine), "the other CRM")
    parked = until(lambda: ground.call("retry", "--json").data["parked"], "the list of parked rows")
    assert {each["deal"] for each in parked} == {refused}
    assert all(each["message"].startswith("field custom validation exception (planted)") for each in parked)
    assert all("What to do: one of your validation rules" in each["message"] for each in parked)
    status = ground.call("status", "--json").data
    assert [each["parked"] for each in status["systems"]] == [len(parked), 0]
    assert {each["code"] for each in status["parked"]} == {"FIELD_CUSTOM_VALIDATION_EXCEPTION"}

    sf.world.faults.clear()
    one = ground.call("retry", str(parked[0]["id"]), "--json").data
    assert one["retried"] == 1
    assert ground.call("retry", "--all").code == 0
    until(lambda: sf.handed_off(refused), "the handoff after the rule was mended")
    until(lambda: not ground.open_rows(), "an empty outbox")
    assert_once(sf, refused)
    assert sf.clean, sf.tally()
