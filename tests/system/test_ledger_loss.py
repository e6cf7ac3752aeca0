"""The ledger is lost in the middle of the very first handoff: nothing may be doubled, and it must be finished.

A thin slice of ``python -m chaos losses``, which deletes, empties and sets back ledgers, SQLite's and PostgreSQL's, on
both CRMs, at rest and in mid-handoff. This one moment is only here: nothing in the CRM says yet when acting began.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from daemons import WHOLE, Desk, account_csm_changes, csm_changes, site, until

from connector.sandbox import agreed

pytestmark = pytest.mark.system


def assert_whole(desk: Desk, deal_id: str) -> None:
    """The handoff stands there once, with one CSM from the beginning."""
    deal = desk.see(deal_id)
    tasks = desk.crm.tasks_of(deal_id)
    assert sorted(task.subject.partition(":")[0] for task in tasks) == sorted(agreed.subjects(deal.deal_type))
    assert len(desk.crm.notes_of(deal_id)) == 1
    assert len(csm_changes(desk, deal_id)) == 1
    assert account_csm_changes(desk, deal.account) == [deal.text("csm")]
    assert desk.clean, desk.tally()


@pytest.mark.parametrize("name", ["sf", *(["hs"] if WHOLE else [])])
def test_lost_in_the_middle_of_the_very_first_handoff(tmp_path: Path, name: str) -> None:
    """Nothing in the CRM says yet when acting began; the note beside the deleted database does."""
    with site(tmp_path / "site") as made:
        made.begin()
        desk = {"sf": made.sf, "hs": made.hs}[name]
        deals = desk.won(2)
        made.configure(systems=(name,))
        victim = made.start(failpoint="before-call:2")
        assert victim.wait_killed() == -9, victim.said()
        for path in made.database.parent.glob(f"{made.database.name}*"):
            if path.suffix != ".started":
                path.unlink()
        with made.daemon():
            until(lambda: all(desk.handed_off(deal) for deal in deals), "the handoffs to be finished")
            until(lambda: not made.open_rows(), "an empty outbox")
        for deal in deals:
            assert_whole(desk, deal)
