"""Quiet hours: what is said in them waits for their end, and is said once; what is written is written at once."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

from engine.harness import a_desk
from factories import a_policy

from connector.handoff.rulebook.calendars import Quiet

NIGHT = datetime(2026, 3, 3, 22, 0, tzinfo=UTC)
MORNING = datetime(2026, 3, 4, 6, 0, tzinfo=UTC)


def test_a_win_at_night_makes_tasks_at_once_and_tells_the_csm_in_the_morning() -> None:
    policy = a_policy()
    quiet = dataclasses.replace(policy.notify, quiet=Quiet(21 * 60, 7 * 60))
    desk = a_desk(policy=dataclasses.replace(policy, notify=quiet), start=NIGHT)
    desk.settle()
    deal = desk.a_deal()
    desk.win(deal)
    desk.settle()
    assert len(desk.tasks(deal)) == 4
    assert desk.told == []
    desk.crm.edit(deal, risks="something new")
    desk.settle()
    assert desk.told == []
    desk.run(seconds=(MORNING - desk.clock.now()).total_seconds() + 1)
    assert [(one.to_id, one.subject) for one in desk.told] == [
        (desk.deal(deal)["csm"], "New customer for you: Nordlys AS")
    ]
    desk.settle()
    assert len(desk.told) == 1
