"""A breached threshold on both CRMs: one task for the owner of the process on the weightiest deal, never a second one.

Not here: what is a breach (``tests/unit/test_core_governance.py``). Shipped maps, real adapters and engine, one clock.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from engine.test_days_on_crms import log
from engine.test_playbook_on_crms import MAPPINGS, NEW_YORK, Desk

from connector.cli.review_paper import data_of, paper_of
from connector.engine.reviewing import review_of
from connector.handoff.governing.periods import named_month
from connector.handoff.governing.proposals import proposals
from connector.papers import markdown
from connector.sandbox.server import Sandbox
from connector.store import open_store

IRIS = "iris.novak@seller.example"
STEP = "breach_first-touch_2027-02"
GOVERNANCE = """\
[governance]
owner = "iris.novak@seller.example"
within = { working_days = 2 }

[[governance.monthly]]
name = "first-touch"
measure = "ttft"
above = "first_touch_alarm_hours"
advice = "See who is over their cap."

[[governance.monthly]]
name = "kept"
measure = "ttft"
above = 5000

"""


@pytest.fixture(params=["salesforce", "hubspot"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    folder = tmp_path / "mappings"
    shutil.copytree(MAPPINGS, folder)
    process = folder / "process.toml"
    text = re.sub(r"^\[governance\].*?(?=^# --- )", GOVERNANCE, process.read_text(), flags=re.DOTALL | re.MULTILINE)
    process.write_text(text)
    with Sandbox.running() as sandbox:
        sandbox.hs.settings.update(search_per_second=0, burst_limit=0)
        monday = datetime(2027, 2, 1, 15, 0, tzinfo=sandbox.clock.now().tzinfo)
        sandbox.clock.advance((monday - sandbox.clock.now()).total_seconds())
        yield Desk(sandbox, request.param, folder)


def breaches(desk: Desk, *deals: str) -> list[tuple[str, str]]:
    """Tasks of breaches by deal and step; one that is there twice fails."""
    return [(deal, step) for deal in deals for step in desk.tasks(deal) if step.startswith("breach_")]


def test_a_breach_is_one_task_with_the_evidence_through_restarts_and_a_lost_ledger(desk: Desk) -> None:
    small, large = desk.won(amount=8000), desk.won(amount=9000)
    csms = {deal: desk.tasks(deal)["schedule-setup-call"].owner for deal in (small, large)}
    desk.hours(60)
    for deal, csm in csms.items():
        log(desk, deal, "email", csm)
    desk.until(datetime(2027, 3, 1, 12, 0, tzinfo=NEW_YORK))
    assert breaches(desk, small, large) == []  # judged a day after the month's last, when what is logged late is in
    desk.until(datetime(2027, 3, 2, 10, 0, tzinfo=NEW_YORK))
    desk.run()
    assert breaches(desk, small, large) == [(large, STEP)]
    task = desk.tasks(large)[STEP]
    assert desk.who(task.owner) == IRIS
    assert task.subject == "Time to first touch above 48 hours in February 2027 (handoff process)"
    told = [one for _, one in desk.told if one.step == f"notify-{STEP}"]
    assert [one.to_email for one in told] == [IRIS]
    for part in ("of 2 handoffs", "See who is over their cap.", small, large, "handoff review --month 2027-02"):
        assert part in told[0].text
    desk.begin()
    desk.hours(2)
    assert breaches(desk, small, large) == [(large, STEP)]
    rows = desk.shared.store.rulings(desk.name)
    assert [(row.name, row.breached, row.deal_id) for row in rows] == [
        ("first-touch", True, large),
        ("kept", False, None),
    ]

    policy = desk.system.policy
    review = review_of(desk.shared.store, desk.name, policy, named_month("2027-02"))
    proposed = proposals(review, policy.targets)
    assert "See who is over their cap" in [one.change for one in proposed]
    paper = markdown(paper_of([(review, proposed)], {desk.name: policy.targets}, made_at=desk.sandbox.clock.now()))
    assert "Handoff review: February 2027" in paper
    assert "**breached**" in paper
    assert data_of(review, proposed, policy.targets)["deals"] == 2

    desk.shared.store.close()
    desk.shared = dataclasses.replace(desk.shared, store=open_store("sqlite://", clock=desk.sandbox.clock))
    desk.begin()
    desk.hours(2)
    desk.run()
    rows = desk.shared.store.rulings(desk.name)
    assert ("first-touch", large) in [(row.name, row.deal_id) for row in rows if row.breached]
    assert breaches(desk, small, large) == [(large, STEP)]
    assert len([one for _, one in desk.told if one.step == f"notify-{STEP}"]) == 1
