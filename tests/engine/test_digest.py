"""The morning's digest under a real engine and store: one message per person over all deals, each line settled."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from engine.harness import SYSTEM, Desk, a_desk
from factories import AE, DANA, MAYA, PEOPLE, a_playbook, a_policy, a_step
from late_parts import AT_ONCE, DAY, LADDER

from connector.engine.bundles import bundles, joined
from connector.errors import CrmError, Fault, FaultCode
from connector.handoff.plan import Notify, Order
from connector.handoff.rulebook.calendars import Clock, Limit, Quiet
from connector.handoff.rulebook.people import Role
from connector.handoff.rulebook.playbooks import Do, Miss
from connector.handoff.rulebook.policy import Policy
from connector.handoff.rulebook.watch import CommitmentPolicy, CommitmentStatus
from connector.store import State

MORNING = datetime(2026, 3, 3, 8, 0, tzinfo=UTC)
"""A Tuesday, nine where the team works."""
TWO_DAYS = Limit(Decimal(16), Clock.BUSINESS)


def policy(quiet: Quiet | None = None) -> Policy:
    steps = (
        a_step("call", limit=TWO_DAYS, missed=(Miss(Do.REMIND, AT_ONCE), Miss(Do.ESCALATE, DAY))),
        a_step("welcome", owner=Role.AE, limit=Limit(Decimal(40), Clock.BUSINESS)),
    )
    plain = a_policy(playbooks=(a_playbook(tasks=steps),), escalation=LADDER)
    notify = dataclasses.replace(plain.notify, digest=True, essential=False, quiet=quiet)
    pools = {
        name: dataclasses.replace(one, members=(PEOPLE[MAYA].email,)) for name, one in plain.assignment.pools.items()
    }
    return dataclasses.replace(plain, notify=notify, assignment=dataclasses.replace(plain.assignment, pools=pools))


def in_the_morning(desk: Desk, day: int, *, until: timedelta = timedelta(hours=2)) -> list[Notify]:
    """What is told from before work begins on a day of March until a while later."""
    told = len(desk.told)
    desk.clock.advance(MORNING.replace(day=day) - timedelta(minutes=62) - desk.clock.now())
    ends = desk.clock.now() + until
    while desk.clock.now() < ends:
        desk.run(minutes=5)
    return desk.told[told:]


def two_won(desk: Desk) -> tuple[str, str]:
    desk.run()
    first, second = desk.a_deal(name="First"), desk.a_deal(name="Second")
    desk.run()
    desk.clock.advance(MORNING + timedelta(hours=1) - desk.clock.now())
    for deal in (first, second):
        desk.win(deal)
    desk.settle()
    return first, second


def test_one_message_in_the_morning_says_what_is_late_and_due_over_all_deals() -> None:
    desk = a_desk(policy=policy())
    first, _ = two_won(desk)
    assert in_the_morning(desk, 4) == []  # nothing is due on Wednesday
    (due,) = in_the_morning(desk, 5)
    assert (due.to_id, due.subject) == (MAYA, "Your handoffs: 2 things on 2 deals")
    assert due.text.count("- Due today: Call: Nordlys AS") == 2
    task = desk.tasks(first)["call"].id
    desk.crm.edit(task, status="done")
    (late,) = in_the_morning(desk, 6)
    assert late.to_id == MAYA
    assert late.text == "- Late, was due 5 Mar 2026: Call: Nordlys AS"
    # The ladder is climbed in the same message in which the AE's own tasks stand.
    told = in_the_morning(desk, 10)
    assert {one.to_id for one in told} == {MAYA, AE}
    (ae,) = [one for one in told if one.to_id == AE]
    assert "Still open: Call: Nordlys AS" in ae.text
    assert ae.text.count("- Due today: Welcome: Nordlys AS") == 2
    counts = desk.store.counts(SYSTEM)
    assert counts[State.PENDING] == counts[State.PARKED] == counts[State.UNKNOWN] == 0


def test_quiet_hours_hold_the_digest_back_and_a_lost_morning_is_caught_up() -> None:
    desk = a_desk(policy=policy(Quiet(22 * 60, 10 * 60)))
    two_won(desk)
    sent: list[datetime] = []
    plain = desk.shared.send_notice
    desk.shared = dataclasses.replace(
        desk.shared, send_notice=lambda one: (sent.append(desk.clock.now()), plain(one))[1]
    )
    (due,) = in_the_morning(desk, 5, until=timedelta(hours=3))
    assert due.text.count("Due today") == 2
    assert sent[0] >= MORNING.replace(day=5) + timedelta(hours=1)


def test_a_message_that_was_not_taken_is_sent_again_whole() -> None:
    desk = a_desk(policy=policy())
    two_won(desk)
    plain, failed = desk.shared.send_notice, []

    def send(notice: Notify) -> None:
        if not failed:
            failed.append(notice)
            raise CrmError(Fault(FaultCode.UNAVAILABLE, "503", "away"))
        plain(notice)

    desk.shared = dataclasses.replace(desk.shared, send_notice=send)
    (due,) = in_the_morning(desk, 5)
    assert (due.key, due.text) == (failed[0].key, failed[0].text)


@pytest.mark.parametrize("level", ["essential", "digest"])
def test_the_weeks_promises_of_all_customers_are_one_message(level: str) -> None:
    asked = policy()
    promises = CommitmentPolicy("risks", {"done": CommitmentStatus.DONE}, weekday=2)
    notify = dataclasses.replace(asked.notify, digest=level == "digest")
    desk = a_desk(policy=dataclasses.replace(asked, commitments=promises, notify=notify))
    for deal in two_won(desk):
        desk.crm.edit(deal, risks=f"SSO of {deal} | {date(2026, 4, 1)}\nTraining | done")
    desk.settle()
    (week,) = in_the_morning(desk, 4)
    assert week.to_id == MAYA
    assert week.text.count("(due 1 Apr 2026; Maya Lindqvist)") == 2


def a_notice(person: str, *, way: str = "", deal: str = "d1") -> Notify:
    names = {"step": "notify-digest", "key": f"{deal}:{person}:{way}", "to_email": f"{person}@seller.example"}
    texts = {"to_name": person, "subject": deal, "text": f"- {deal}", "fingerprint": "f", "reason": "r"}
    return Notify(order=Order.NOTIFY, way=way, to_id=person, deal_id=deal, together=True, **names, **texts)


def test_messages_go_together_by_person_and_way() -> None:
    notices = [a_notice(MAYA), a_notice(DANA), a_notice(MAYA, way="bell"), a_notice(MAYA, deal="d2")]
    assert bundles(notices) == ((0, 3), (1,), (2,))
    one = joined([notices[3], notices[0]])
    assert one.text == "d1\n- d1\n\nd2\n- d2"
    assert one.key == joined([notices[0], notices[3]]).key != joined(notices[:2]).key
    assert joined(notices[:1]) == notices[0]
    with pytest.raises(ValueError, match="no messages"):
        joined([])
