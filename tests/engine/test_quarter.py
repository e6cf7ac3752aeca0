"""The quarter of ``handoff demo --headless --days`` in small: its seed decides everything, its promises hold, and its
judge finds what is put wrong afterwards.

Not here: the whole quarter, which is run by hand and takes minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from connector.cli.demo_quarter import Stage, figures, played, quarter
from connector.sandbox.people.verdict import verdict
from connector.sandbox.rows import Row, Table

DAYS, DEALS, SEED = 6, 3, 3


@dataclass(frozen=True)
class Over:
    """A quarter that is over, and what the one before it with the same seed came to."""

    system: str
    before: dict[str, Any]
    stage: Stage

    @property
    def tasks(self) -> Table:
        return self.stage.sandbox.worlds[self.system].table("Task" if self.system == "sf" else "tasks")

    @property
    def key(self) -> str:
        return "Handoff_Key__c" if self.system == "sf" else "handoff_key"

    @property
    def subject(self) -> str:
        return "Subject" if self.system == "sf" else "hs_task_subject"

    def keyed(self) -> Row:
        """A task of the connector's that is owed to somebody."""
        return next(row for row in self.tasks.live() if str(row.values.get(self.key)).endswith(":review-changes"))

    def broken(self) -> list[str]:
        return verdict(self.stage.quarters[self.system], changed_at=self.stage.changed_at).broken


@pytest.fixture(scope="module", params=["sf", "hs"])
def over(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Over]:
    system, folder = request.param, tmp_path_factory.mktemp(request.param)
    how: dict[str, Any] = {"days": DAYS, "deals": DEALS, "seed": SEED, "systems": [system]}
    before = quarter(folder / "one", **how)
    with played(folder / "two", **how) as stage:
        yield Over(system, before, stage)


def test_the_seed_decides_everything_and_every_promise_holds(over: Over) -> None:
    vendor = {"sf": "salesforce", "hs": "hubspot"}[over.system]
    assert over.before["ok"], (over.before["troubles"], over.before[vendor]["broken"])
    assert over.before["passes"] == over.stage.passes
    assert over.before[vendor]["handoffs"] == DEALS
    assert over.before[vendor] == figures(over.stage, over.system)


def test_the_judge_finds_a_task_that_is_lost(over: Over) -> None:
    row = over.keyed()
    key = row.values[over.key]
    over.tasks.update(row.id, {over.key: None}, by="")
    try:
        assert any("is unaccounted for" in line and "never made" in line for line in over.broken())
    finally:
        over.tasks.update(row.id, {over.key: key}, by="")
    assert over.broken() == []


def test_the_judge_finds_a_flag_for_the_control_group(over: Over) -> None:
    row = over.keyed()
    key = str(row.values[over.key])
    over.tasks.update(row.id, {over.key: f"{key.rsplit(':', 1)[0]}:flag.slow-reply.20270112t1000"}, by="")
    try:
        assert any("slow-reply was raised for" in line and "no trouble" in line for line in over.broken())
    finally:
        over.tasks.update(row.id, {over.key: key}, by="")


def test_the_judge_finds_a_task_that_is_doubled(over: Over) -> None:
    row = over.keyed()
    handoff = str(row.values[over.key]).rsplit(":", 1)[0]
    other = next(
        each
        for each in over.tasks.live()
        if each.id != row.id and str(each.values.get(over.key) or "").startswith(f"{handoff}:")
    )
    subject = other.values[over.subject]
    over.tasks.update(other.id, {over.subject: row.values[over.subject]}, by="")
    try:
        assert any(line.startswith("doubled: ") for line in over.broken())
    finally:
        over.tasks.update(other.id, {over.subject: subject}, by="")
