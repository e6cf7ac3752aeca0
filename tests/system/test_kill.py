"""The daemon is killed at a named point of a pass and started again: nothing may be lost and nothing doubled.

Both CRMs are in one daemon; each point gets fresh deals won on both. What stands in the CRMs is judged by the
sandbox's tally and counted here once more, record by record. Chat messages may come twice, but only under one key.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from daemons import ELENA_AE, WHOLE, Desk, Site, account_csm_changes, csm_changes, site, until

from connector.sandbox import agreed

pytestmark = pytest.mark.system

KILLED = -9
BOTH, SF, HS = ("sf", "hs"), ("sf",), ("hs",)
POINTS = (
    ("page-read", BOTH),
    ("inbox-committed", SF),
    ("decided", BOTH),
    ("recorded", HS),
    ("before-call:4", HS),
    ("after-call", HS),
    ("after-call:2", SF),
    ("after-call:3", SF),
    ("after-call:3", HS),
    ("after-call:4", HS),
    ("after-call:6", SF),
    ("settled:2", HS),
    ("settled:3", SF),
)
"""Where, and on which systems the daemon that dies works; the one that is started afterwards always works on both.

With one system the passages are counted there alone: its calls are the revert, the account's CSM, tasks, notes, the
deal's fields, and messages, in this order. With two, the first to come by dies.
"""
MORE = (
    ("inbox-committed", HS),
    ("recorded", SF),
    ("before-call", BOTH),
    ("before-call:5", SF),
    ("after-call:4", SF),
    ("after-call:5", SF),
    ("after-call:5", HS),
    ("after-call:6", HS),
    ("settled:4", HS),
    ("settled:5", SF),
)
"""Run too when the environment asks for everything."""
CHOSEN = (*POINTS, *(MORE if WHOLE else ()))

WON: list[Wins] = []
"""Everything won in this module so far."""


@dataclass(frozen=True, slots=True)
class Wins:
    """What was won on one CRM for one point, and what must come of it."""

    desk: Desk
    passing: tuple[str, ...]
    gaps: str
    overridden: str

    @property
    def handed_off(self) -> tuple[str, ...]:
        return (*self.passing, self.overridden)

    def finished(self) -> bool:
        return all(self.desk.handed_off(deal) for deal in self.handed_off) and self.desk.held(self.gaps)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One org and one portal for all points; their ledger grows from point to point, as it would."""
    with site(tmp_path_factory.mktemp("kill")) as made:
        made.begin()
        yield made


def win_a_handful(desk: Desk) -> Wins:
    """Complete deals of every kind, one with gaps, one with a manager's override."""
    account = desk.account("Shared Ltd")
    passing = (
        *desk.won(1),
        *desk.won(1, amount=90_000),
        *desk.won(1, deal_type="renewal", amount=5_000),
        *desk.won(2, account=account),
    )
    gaps = desk.win(desk.deal(without=("commitments", "risks")), outcome="held")
    overridden = desk.win(desk.deal(without=("use_case",), **desk.override()), outcome="overridden")
    return Wins(desk, passing, gaps, overridden)


def standing(wins: Wins) -> str:
    """How far the handoffs of one CRM are, as one phrase."""
    desk = wins.desk
    with desk.world.lock:
        csms = sum(bool(desk.crm.deal(deal).text("csm")) for deal in wins.handed_off)
        tasks = sum(len(desk.crm.tasks_of(deal)) for deal in wins.handed_off)
        notes = sum(len(desk.crm.notes_of(deal)) for deal in wins.handed_off)
        held = desk.crm.deal(wins.gaps).text("gate") == agreed.HELD
    return f"{desk.name}: {csms} CSMs {tasks:>2} tasks {notes} notes {'held' if held else '-':<4}"


@pytest.mark.parametrize(
    ("point", "systems"), CHOSEN, ids=lambda each: each if isinstance(each, str) else "+".join(each)
)
def test_nothing_is_lost_or_doubled_by_a_kill(
    point: str, systems: tuple[str, ...], ground: Site, record_property: Callable[[str, object], None]
) -> None:
    wins = [win_a_handful(desk) for desk in ground.desks]
    said_before = len(ground.sandbox.sf.messages)

    began = time.monotonic()
    ground.configure(systems=systems)
    victim = ground.start(failpoint=point)
    assert victim.wait_killed() == KILLED, f"it was not killed at {point}:\n{victim.said()}"
    at_death = "  ".join(standing(each) for each in wins)
    ground.configure(systems=BOTH)
    died = time.monotonic()

    with ground.daemon() as daemon:
        until(lambda: all(each.finished() for each in wins), f"all handoffs after a kill at {point}")
        until(lambda: all(each.desk.clean for each in wins), f"a clean tally after a kill at {point}")
        until(lambda: not ground.open_rows(), "an empty outbox")
        assert not daemon.named("tick.crashed"), daemon.said()

    for each in wins:
        assert_exactly_once(each)
    keys = Counter(message.key for message in ground.sandbox.sf.messages[said_before:])
    repeated = sum(keys.values()) - len(keys)
    line = (
        f"{point:<16} {'+'.join(systems):<6} at death  {at_death}  after  lost 0 doubled 0  "
        f"messages {len(keys)} repeated {repeated}  ({died - began:.1f} s, {time.monotonic() - died:.1f} s)"
    )
    record_property("kill", line)
    print(f"\n{line}", end="")
    assert len(keys) == sum(len(each.handed_off) + 1 for each in wins), "one message for each handoff and each hold"
    WON.extend(wins)


def test_nothing_of_it_is_done_again_later(ground: Site) -> None:
    """A daemon that looks at all of these deals anew, after all the kills, finds nothing to do."""
    assert WON, "no point came to its end"
    with ground.daemon():
        seen = [desk.seq() for desk in ground.desks]
        for desk in ground.desks:
            for wins in WON:
                if wins.desk is desk:
                    desk.do.set_fields(wins.handed_off[0], {"next_step": "Kickoff"}, by=desk.user(ELENA_AE))
        until(
            lambda: all(_reads(desk, since) > 20 for desk, since in zip(ground.desks, seen, strict=True)), "more looks"
        )
        until(lambda: not ground.open_rows(), "an empty outbox")
    for wins in WON:
        assert_exactly_once(wins)


def assert_exactly_once(wins: Wins) -> None:
    """Each effect of each handoff stands there once, and no CSM was ever replaced by another."""
    desk = wins.desk
    found = desk.tally()
    assert not found["lost"], found["lost"]
    assert not found["doubled"], found["doubled"]
    for deal_id in wins.handed_off:
        deal = desk.see(deal_id)
        tasks = desk.crm.tasks_of(deal_id)
        expected = sorted(agreed.subjects(deal.deal_type))
        assert sorted(task.subject.partition(":")[0] for task in tasks) == expected
        assert len({task.key for task in tasks}) == len(tasks)
        assert len(desk.crm.notes_of(deal_id)) == 1
        assert len(csm_changes(desk, deal_id)) == 1
        assert account_csm_changes(desk, deal.account) == [deal.text("csm")]
        assert deal.text("gate") == (agreed.OVERRIDDEN if deal_id == wins.overridden else agreed.RELEASED)
        assert deal.text("summary")
        assert deal.text("status")
    held = desk.see(wins.gaps)
    assert not held.stage.won
    assert not desk.crm.tasks_of(wins.gaps)
    assert not desk.crm.notes_of(wins.gaps)
    assert {held.fields["percent"]} == {71.0}


def _reads(desk: Desk, since: int) -> int:
    return sum(not call.write for call in desk.world.journal.calls(since, system=desk.name))
