"""The store in trouble while the CRM is well: a full disk, an old backup; nothing is lost and nothing doubled."""

from __future__ import annotations

import dataclasses
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from engine.harness import SYSTEM, Desk, a_desk
from sqlalchemy.exc import OperationalError

from connector.crm.writing import (
    Write,
    WriteOutcome,
)
from connector.handoff.model import Kind
from connector.store import Settlement, State, open_store

STEPS = ["prepare", "run-call", "setup-call", "welcome-packet"]


def a_won_deal(desk: Desk) -> str:
    """A deal that is won, and not yet looked at."""
    desk.run()
    deal_id = desk.a_deal()
    desk.run()
    desk.win(deal_id)
    return deal_id


def test_a_disk_that_was_full_when_the_answers_came_costs_a_minute_and_no_double(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = a_desk()
    deal_id = a_won_deal(desk)
    real, full = desk.store.settle, [True, True, True]

    def settle(settlements: Sequence[Settlement]) -> int:
        if full:
            full.pop()
            raise OperationalError("insert", {}, sqlite3.OperationalError("database or disk is full"))
        return real(settlements)

    monkeypatch.setattr(desk.store, "settle", settle)
    crashes = 0
    # The note of this CRM has no key of its own, so a lost one is given two minutes to appear before it is asked for.
    for _ in range(12 * 3):
        try:
            desk.run()
        except OperationalError:
            crashes += 1
    assert crashes == 3
    assert sorted(desk.tasks(deal_id)) == STEPS
    assert len(desk.notes(deal_id)) == 1
    assert desk.deal(deal_id)["status"] == "2 Welcome"
    assert desk.store.counts(SYSTEM)[State.SENDING] == 0


@pytest.mark.parametrize("sending", [False, True])
def test_an_old_backup_of_the_ledger_makes_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, sending: bool
) -> None:
    file, backup = tmp_path / "handoff.db", tmp_path / "backup.db"
    desk = a_desk(url=f"sqlite:///{file}")
    deal_id = a_won_deal(desk)
    held = desk.a_deal(champion=None)
    if sending:
        with monkeypatch.context() as power_cut:

            def apply(_writes: Sequence[Write]) -> tuple[WriteOutcome, ...]:
                raise KeyboardInterrupt

            power_cut.setattr(desk.crm, "apply", apply)
            with pytest.raises(KeyboardInterrupt):
                desk.run()
    with sqlite3.connect(file) as now, sqlite3.connect(backup) as copy:
        now.backup(copy)
    desk.restart()
    desk.win(held)
    desk.settle()
    desk.store.close()
    shutil.copy(backup, file)
    store = open_store(f"sqlite:///{file}", clock=desk.clock)
    desk.store, desk.shared = store, dataclasses.replace(desk.shared, store=store)
    desk.restart()
    desk.settle()
    assert sorted(desk.tasks(deal_id)) == STEPS
    assert len(desk.notes(deal_id)) == 1
    assert desk.deal(held)["stage"] == "Negotiation"
    assert not [row for row in desk.crm.rows(Kind.TASK) if row.deal_id == held]
    store.close()
