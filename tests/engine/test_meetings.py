"""Meetings, further notes and the pin under a real engine: once, whatever gets lost, and people's after that."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from decimal import Decimal

from engine.harness import Desk, a_desk
from factories import a_playbook, a_policy, a_step

from connector.crm.memory_rows import Row
from connector.handoff.model import Kind
from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.fields import FieldOwner, FieldRule, FieldType
from connector.handoff.rulebook.people import Role
from connector.handoff.rulebook.playbooks import Draft, Make
from connector.handoff.rulebook.policy import Policy

HOUR = Limit(Decimal(1), Clock.BUSINESS)
HANDOFF = a_step("handoff-meeting", limit=Limit(Decimal(24), Clock.WALL), draft=Draft(15, HOUR, invite=(Role.AE,)))
KICKOFF = a_step(
    "kickoff",
    limit=Limit(Decimal(40), Clock.BUSINESS),
    draft=Draft(45, Limit(Decimal(24), Clock.BUSINESS), with_customer=True),
)
FOLLOW_UP = a_step("recap", after="kickoff", at_release=False)


def with_meetings() -> Policy:
    policy = a_policy(playbooks=(a_playbook(tasks=(HANDOFF, KICKOFF, FOLLOW_UP)),))
    assert KICKOFF.make is Make.MEETING
    pinned = FieldRule("pinned", "Pinned", FieldType.TEXT, FieldOwner.DAEMON)
    return dataclasses.replace(policy, fields={**policy.fields, "pinned": pinned})


def meetings(desk: Desk, deal_id: str) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for row in desk.crm.rows(Kind.MEETING):
        if row.deal_id == deal_id and row.key:
            step = row.key.rsplit(":", 1)[1]
            assert step not in found, f"{step} twice on {deal_id}"
            found[step] = row
    return found


def won(desk: Desk) -> str:
    desk.run()
    deal = desk.a_deal()
    desk.win(deal)
    return deal


def work(desk: Desk) -> None:
    """Long enough for writes, what is looked up of them, and the look after a minute."""
    for _ in range(6):
        desk.run(seconds=20)


def test_a_handoff_with_meetings_runs_to_its_end() -> None:
    desk = a_desk(policy=with_meetings())
    deal = won(desk)
    work(desk)
    made = meetings(desk, deal)
    assert set(made) == {"handoff-meeting", "kickoff"}
    assert desk.deal(deal)["pinned"] == desk.notes(deal)[0].id
    assert desk.deal(deal).get("first_touch_at") is None
    start, end = made["kickoff"].values["start"], made["kickoff"].values["end"]
    assert isinstance(start, datetime)
    assert isinstance(end, datetime)
    assert desk.tasks(deal) == {}
    desk.clock.advance(end - desk.clock.now() + timedelta(minutes=1))
    work(desk)
    assert desk.deal(deal).get("first_touch_at") is None
    desk.crm.edit(made["kickoff"].id, outcome="held")
    work(desk)
    assert desk.deal(deal)["first_touch_at"] == start
    assert set(desk.tasks(deal)) == {"recap"}
    assert set(meetings(desk, deal)) == set(made)


def test_a_lost_ledger_makes_no_second_meeting_and_pins_nothing_anew() -> None:
    desk = a_desk(policy=with_meetings())
    deal = won(desk)
    work(desk)
    before = {step: dict(row.values) for step, row in meetings(desk, deal).items()}
    desk.lose_ledger()
    work(desk)
    assert {step: dict(row.values) for step, row in meetings(desk, deal).items()} == before


def test_what_a_person_moved_or_pinned_is_theirs() -> None:
    desk = a_desk(policy=with_meetings())
    deal = won(desk)
    work(desk)
    kickoff = meetings(desk, deal)["kickoff"]
    start, end = kickoff.values["start"], kickoff.values["end"]
    assert isinstance(start, datetime)
    assert isinstance(end, datetime)
    later = {"start": start + timedelta(days=1), "end": end + timedelta(days=1)}
    desk.crm.edit(kickoff.id, **later)
    desk.crm.edit(deal, pinned="a call", name="Another name")
    work(desk)
    moved = meetings(desk, deal)["kickoff"].values
    assert {name: moved[name] for name in later} == later
    assert desk.deal(deal)["pinned"] == "a call"


def test_lost_answers_double_neither_a_meeting_nor_a_further_note() -> None:
    policy = with_meetings()
    summary = dataclasses.replace(policy.summary, template="{{ account }} was promised much.\n" * 60, note_chars=900)
    desk = a_desk(policy=dataclasses.replace(policy, summary=summary))
    deal = won(desk)
    desk.crm.lose_answers(2)
    work(desk)
    keys = sorted(str(row.key).rsplit(":", 1)[1] for row in desk.notes(deal))
    assert keys == ["summary", "summary-2", "summary-3"][: len(keys)]
    assert len(keys) > 1
    assert set(meetings(desk, deal)) == {"handoff-meeting", "kickoff"}
