"""What a person lets stand still: systems, rules, and what a pass sends at most; nothing of it is lost."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import timedelta

import pytest
from engine.harness import SYSTEM, Desk, a_desk

from connector.engine.parts import Limits
from connector.engine.policydiff import compare
from connector.store import State
from connector.web.status import Watched, read_status

WATCHED = Watched(SYSTEM, "memory", "act", 5.0)


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A daemon that has begun."""
    made = a_desk()
    made.run()
    yield made
    made.store.close()


def test_a_paused_system_does_nothing_until_its_time_is_over_also_after_a_restart(desk: Desk) -> None:
    deal_id = desk.a_deal()
    desk.win(deal_id)
    until = desk.clock.now() + timedelta(hours=2)
    desk.store.pause_by_hand(SYSTEM, until=until, by="ada", why="the org is being migrated")
    desk.calls.clear()
    for _ in range(4):
        desk.run(minutes=10)
    desk.restart()
    assert desk.run(minutes=10).idle
    assert not desk.calls
    status = read_status(desk.store, [WATCHED], now=desk.clock.now())
    assert "paused by ada until 2026-03-01 02:00 UTC: the org is being migrated" in status.systems[0].trouble
    assert status.ready, "a pause is as a person wanted it"
    desk.run(hours=2)
    desk.settle()
    assert desk.tasks(deal_id) != {}
    assert desk.store.pauses(SYSTEM) == ()


def test_a_paused_rule_writes_nothing_and_makes_up_for_it(desk: Desk) -> None:
    desk.store.pause_by_hand(SYSTEM, rule="playbook", by="ada")
    deal_id = desk.a_deal()
    desk.win(deal_id)
    desk.settle()
    assert desk.tasks(deal_id) == {}
    assert desk.deal(deal_id).get("status") is None, "a status would speak of tasks that are not there"
    assert desk.account_of(deal_id)["csm"]
    assert desk.store.waiting_for(SYSTEM, "playbook") == 1
    assert desk.store.resume_by_hand(SYSTEM, rule="playbook", by="ada")
    desk.run()
    assert desk.tasks(deal_id) != {}
    assert desk.deal(deal_id)["status"] == "2 Welcome"
    assert desk.store.waiting_for(SYSTEM, "playbook") == 0


@pytest.mark.parametrize("rule", ["gate", "assignment"])
def test_after_a_paused_leading_rule_the_whole_deal_waits(desk: Desk, rule: str) -> None:
    desk.store.pause_by_hand(SYSTEM, rule=rule, by="ada")
    deal_id = desk.a_deal()
    desk.win(deal_id)
    desk.settle()
    assert desk.store.waiting_for(SYSTEM, rule) == 1
    assert desk.tasks(deal_id) == {}
    assert desk.notes(deal_id) == []
    assert desk.account_of(deal_id).get("csm") is None
    desk.store.resume_by_hand(SYSTEM, rule=rule, by="ada")
    desk.settle()
    assert desk.deal(deal_id)["status"] == "2 Welcome"


def test_messages_that_were_paused_are_sent_when_they_go_on(desk: Desk) -> None:
    desk.store.pause_by_hand(SYSTEM, rule="notify", by="ada")
    deal_id = desk.a_deal()
    desk.win(deal_id)
    desk.settle()
    assert desk.deal(deal_id)["status"] == "2 Welcome", "nothing else waits for them"
    assert desk.told == []
    assert desk.store.resume_by_hand(SYSTEM, rule="notify", by="ada")
    desk.settle()
    assert [each.step for each in desk.told] == ["notify-csm_assigned"]


def test_a_resume_of_what_was_not_paused_says_so(desk: Desk) -> None:
    assert not desk.store.resume_by_hand(SYSTEM, by="ada")


def test_a_pass_sends_no_more_than_its_limit_and_the_next_goes_on(desk: Desk) -> None:
    desk.shared = dataclasses.replace(desk.shared, limits=Limits(writes=10))
    deals = [desk.a_deal() for _ in range(5)]
    for deal_id in deals:
        desk.win(deal_id)
    desk.run()
    applied = desk.store.counts(SYSTEM)[State.APPLIED]
    assert applied <= 10
    assert desk.store.counts(SYSTEM)[State.PENDING] > 0
    for _ in range(6):
        before = desk.store.counts(SYSTEM)[State.APPLIED]
        desk.run()
        assert desk.store.counts(SYSTEM)[State.APPLIED] - before <= 10
    assert {desk.deal(each)["status"] for each in deals} == {"2 Welcome"}


def test_a_changed_policy_is_told_and_shows_what_it_changes(desk: Desk) -> None:
    deals = [desk.a_deal() for _ in range(3)]
    for deal_id in deals:
        desk.win(deal_id)
    desk.settle()
    was = desk.system
    summary = dataclasses.replace(was.policy.summary, template=was.policy.summary.template + "\nAnd more.")
    becomes = dataclasses.replace(was, policy=dataclasses.replace(was.policy, summary=summary, version="next"))
    diffs = list(compare(desk.shared, was, becomes, desk.store.deals_under_way(SYSTEM)))
    assert [diff.deal_id for diff in diffs] == sorted(deals)
    assert {effect.rule for diff in diffs for effect in diff.gained} == {"summary"}
    assert all(diff.lost == () for diff in diffs)
    assert list(compare(desk.shared, was, was, deals)) == []
    desk.restart(policy=becomes.policy)
    desk.run()
    (told,) = [each.policy for each in read_status(desk.store, [WATCHED], now=desk.clock.now()).systems]
    assert "from test to next" in told
