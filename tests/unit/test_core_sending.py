"""Mails that go out by themselves: what is promised, what stops one, and that none is ever sent twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from factories import NOW, a_playbook, a_policy, a_snapshot, a_step
from tinyworld import World

from connector.handoff import sending
from connector.handoff.model import Contact, CrmTask, Kind, Post, Touch, TouchKind
from connector.handoff.plan import Notify, Plan, SendMail, Upsert
from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.people import Role
from connector.handoff.rulebook.playbooks import Mail, Sending, Signal, SignalKind
from connector.handoff.rulebook.policy import Policy
from connector.handoff.rules import mails
from connector.handoff.summary import untouched

TWO_HOURS = Limit(Decimal(2), Clock.BUSINESS)
SENDS = Mail(
    "Meet {{ csm }}",
    'Hi {{ first_name }},\n\n{{ fields["why_bought"] }}\n{{ ae }}',
    ("why_bought",),
    Sending(TWO_HOURS),
)
LOGGED = (Signal(SignalKind.EMAIL_LOGGED),)
INGRID = Contact("c1", "Ingrid Holm", "Head of service", "ingrid@nordlys.example", ("champion",))
READY = Post(ready=True, why="", left=50)
STEP = "intro"


def a_book(mail: Mail = SENDS, **changes: object) -> Policy:
    step = a_step(STEP, owner=Role.AE, mail=mail, done_when=LOGGED)
    return a_policy(playbooks=(a_playbook(tasks=(step,)),), extras=frozenset({"email.key"}), **changes)


def a_world(
    mail: Mail = SENDS, *, contacts: tuple[Contact, ...] = (INGRID,), post: Post = READY, **deal: object
) -> World:
    return World(a_snapshot(contacts=contacts, post=post, deal=deal), policy=a_book(mail))


def note(world: World) -> str:
    return next((one.body for one in world.snapshot.notes if one.key.endswith(f":draft--{STEP}")), "")


def first(world: World) -> str:
    return note(world).splitlines()[0]


def said(plan: Plan) -> str:
    return next(one.reason for one in plan.findings if one.rule == mails.NAME)


def ripe(world: World) -> World:
    """Its draft stands on the deal, and its time has come."""
    world.run()
    head = sending.head_of(next(one for one in world.snapshot.notes if "draft--" in one.key))
    assert head is not None
    world.now = head.at + timedelta(seconds=20)
    return world


def sends(plan: Plan) -> list[SendMail]:
    return [one for one in plan.actions if isinstance(one, SendMail)]


def edit_note(world: World, old: str, new: str) -> None:
    notes = tuple(dataclasses.replace(one, body=one.body.replace(old, new)) for one in world.snapshot.notes)
    world.snapshot = dataclasses.replace(world.snapshot, notes=notes)


def test_a_draft_says_when_it_goes_and_how_to_stop_it_and_goes_then() -> None:
    world = a_world()
    plan = world.run()
    assert first(world).startswith("Goes out by itself on ")
    assert "to ingrid@nordlys.example. To stop it, edit or delete this note, or close its task." in first(world)
    task = next(one for one in plan.actions if isinstance(one, Upsert) and one.step == STEP)
    assert "It goes out by itself at the time that stands there." in str(task.values["body"])
    assert untouched(note(world))
    head = sending.head_of(next(one for one in world.snapshot.notes if "draft--" in one.key))
    assert head is not None
    assert head.at - world.now >= timedelta(hours=2)
    assert plan.recheck_at is not None
    assert plan.recheck_at <= head.at
    world.now = head.at - timedelta(seconds=1)
    assert not sends(world.run())
    world.now = head.at
    (mail,) = sends(world.run())
    assert (mail.to_name, mail.to_email) == ("Ingrid Holm", "ingrid@nordlys.example")
    assert mail.from_email == "ana.ek@seller.example"
    assert mail.copy_email == "tomas.reyes@seller.example"
    assert mail.subject == "Meet Tomas Reyes"
    assert mail.text.startswith("Hi Ingrid,")
    assert "Goes out" not in mail.text
    assert "Handoff reference" not in mail.text


def test_what_was_sent_closes_its_task_stands_in_the_crm_and_is_no_first_touch() -> None:
    world = ripe(a_world())
    world.run()
    assert first(world).startswith("Being sent on ")
    plan = world.run()
    kept = [one for one in plan.actions if isinstance(one, Upsert) and one.kind is Kind.EMAIL]
    assert [one.step for one in kept] == [f"logged--{STEP}"]
    assert "Hi Ingrid," in str(kept[0].values["body"])
    assert first(world).startswith("Sent on ")
    assert untouched(note(world))
    assert world.task(STEP).done
    assert "its mail was sent" in next(one.why for one in world.decide().tasks if one.step == STEP)
    assert world.snapshot.deal.get("first_touch_at") is None
    for _ in range(5):
        world.wait(hours=5)
        assert not sends(world.run())
    assert len(world.mails) == 1


def closed(world: World) -> None:
    world.close_task(STEP)


def deleted(world: World) -> None:
    world.snapshot = dataclasses.replace(world.snapshot, notes=())


def edited(world: World) -> None:
    edit_note(world, "Hi Ingrid", "Dear Ingrid")


def without_task(world: World) -> None:
    world.delete_task(STEP)


def at_the_limit(world: World) -> None:
    world.snapshot = dataclasses.replace(world.snapshot, post=dataclasses.replace(READY, left=0))


def at_night(world: World) -> None:
    world.now = world.now.replace(hour=23)


def no_server(world: World) -> None:
    world.snapshot = dataclasses.replace(world.snapshot, post=Post())


def no_address(world: World) -> None:
    world.snapshot = dataclasses.replace(world.snapshot, contacts=(dataclasses.replace(INGRID, email=""),))


def changed(world: World) -> None:
    world.edit({"why_bought": "Nine people answer mails by hand since May."})


def lost(world: World) -> None:
    world.move("Closed Lost")


STOPS = [
    closed,
    deleted,
    edited,
    without_task,
    World.reopen,
    lost,
    at_the_limit,
    at_night,
    no_server,
    no_address,
    changed,
]


@pytest.mark.parametrize("stop", STOPS, ids=[one.__name__ for one in STOPS])
def test_it_is_not_sent_where_a_person_or_the_deal_says_otherwise(stop: Callable[[World], None]) -> None:
    world = ripe(a_world())
    stop(world)
    world.run()
    assert world.mails == []


def test_a_draft_that_followed_the_deal_waits_anew() -> None:
    world = ripe(a_world())
    changed(world)
    world.run()
    assert "Nine people" in note(world)
    assert first(world).startswith("Goes out by itself on ")
    assert world.mails == []
    ripe(world).run()
    assert "Nine people" in world.mails[0].text


@pytest.mark.parametrize(
    ("contacts", "mail", "why"),
    [
        ((), SENDS, "no address is known"),
        ((dataclasses.replace(INGRID, email="ingrid at nordlys"),), SENDS, "is no mail address"),
        ((dataclasses.replace(INGRID, email="a@x.example, b@x.example"),), SENDS, "is no mail address"),
        ((dataclasses.replace(INGRID, email="a@x.example\nBcc: all@x.example"),), SENDS, "is no mail address"),
        ((INGRID,), dataclasses.replace(SENDS, send=Sending(TWO_HOURS, role="legal")), "the role legal"),
        ((INGRID,), dataclasses.replace(SENDS, send=Sending(TWO_HOURS, field="competition")), "see competition"),
    ],
    ids=["nobody", "no address", "two addresses", "a header", "no such role", "an empty field"],
)
def test_without_an_address_it_stays_a_draft_and_says_why(contacts: tuple[Contact, ...], mail: Mail, why: str) -> None:
    world = a_world(mail, contacts=contacts, competition=None)
    plan = world.run()
    assert first(world).startswith("Stays a draft: ")
    assert why in first(world)
    task = next(one for one in plan.actions if isinstance(one, Upsert) and one.step == STEP)
    assert "Please send it yourself." in str(task.values["body"])
    assert f"{STEP} is not sent by itself" in said(plan)
    world.wait(days=3)
    world.run()
    assert world.mails == []


def test_the_address_may_come_from_a_role_or_a_field() -> None:
    buyer = Contact("c2", "Odd Berg", "CFO", "odd@nordlys.example", ("economic_buyer",))
    to_buyer = dataclasses.replace(SENDS, send=Sending(TWO_HOURS, role="economic_buyer"))
    world = ripe(a_world(to_buyer, contacts=(INGRID, buyer)))
    world.run()
    assert (world.mails[0].to_name, world.mails[0].to_email) == ("Odd Berg", "odd@nordlys.example")
    assert world.mails[0].text.startswith("Hi Odd,")
    to_field = dataclasses.replace(SENDS, send=Sending(TWO_HOURS, field="competition"))
    world = ripe(a_world(to_field, competition="team@nordlys.example"))
    world.run()
    assert world.mails[0].to_email == "team@nordlys.example"


def test_a_mail_that_would_be_generic_is_neither_written_nor_sent() -> None:
    gate = dataclasses.replace(a_policy().gate, requirements=())
    world = World(a_snapshot(contacts=(INGRID,), post=READY, deal={"why_bought": None}), policy=a_book(gate=gate))
    world.run()
    assert "This mail is not written yet" in note(world)
    world.wait(days=2)
    world.run()
    assert world.mails == []


def test_what_the_server_refuses_stays_with_the_person_who_is_told_its_words_once() -> None:
    world = ripe(a_world())
    world.mail_server = "the mail server said: 550 no such person"
    world.run()
    plan = world.run()
    assert first(world).startswith("Not sent on ")
    assert "550 no such person" in first(world)
    told = [one for one in plan.actions if isinstance(one, Notify) and "unsent" in one.step]
    assert [one.to_email for one in told] == ["ana.ek@seller.example"]
    assert "550 no such person" in told[0].text
    world.mail_server = "answers"
    for _ in range(4):
        world.wait(hours=8)
        plan = world.run()
        assert not sends(plan)
        assert not [one for one in plan.actions if isinstance(one, Notify) and "unsent" in one.step]
    assert not world.task(STEP).done
    assert len([key for key in world.told if "unsent" in key]) == 1


def test_a_mail_of_which_nobody_learned_what_became_is_not_sent_again_and_its_person_is_told() -> None:
    world = ripe(a_world())
    world.mail_server = ""
    (mail,) = sends(world.run())
    again = world.run()
    assert sends(again) == [mail], "while it may still go it is the very same"
    world.mail_server = "answers"
    world.wait(minutes=31)
    plan = world.run()
    assert not sends(plan)
    assert first(world).startswith("Not sent on ")
    assert "nobody knows whether the mail server took it" in first(world)
    assert len([key for key in world.told if "unsent" in key]) == 1
    world.wait(days=1)
    world.run()
    assert world.mails == []


@pytest.mark.parametrize("runs", [0, 1, 2], ids=["while it waits", "while it is sent", "when it was sent"])
def test_a_lost_ledger_sends_nothing_twice(runs: int) -> None:
    world = ripe(a_world())
    for _ in range(runs):
        world.run()
    before = len(world.mails)
    world.lose_ledger()
    for _ in range(6):
        world.wait(minutes=20)
        world.run()
    assert len(world.mails) == (1 if runs == 0 else before)
    if runs == 1:
        assert first(world).startswith("Not sent on ")
    if runs == 2:
        assert world.task(STEP).done
        assert first(world).startswith("Sent on ")


def test_with_ledger_note_and_task_gone_the_mail_that_the_crm_lists_is_not_sent_again() -> None:
    world = ripe(a_world())
    for _ in range(3):
        world.run()
    world.delete_task(STEP)
    kept = CrmTask("e1", f"{world.snapshot.key}:1:logged--{STEP}", "Meet Tomas Reyes", "u-ae", done=True)
    world.snapshot = dataclasses.replace(world.snapshot, notes=(), tasks=(*world.snapshot.tasks, kept))
    world.lose_ledger()
    for _ in range(4):
        world.wait(hours=5)
        world.run()
    assert len(world.mails) == 1


def test_a_task_that_was_closed_before_its_time_says_so_in_the_note() -> None:
    world = a_world()
    world.run()
    world.close_task(STEP)
    world.run()
    assert first(world).startswith("Was to go out by itself on ")
    world.wait(days=2)
    world.run()
    assert world.mails == []


def test_a_template_that_does_not_say_so_is_a_draft_as_ever() -> None:
    world = a_world(dataclasses.replace(SENDS, send=None))
    world.run()
    assert first(world) == "To: Ingrid Holm <ingrid@nordlys.example>"
    world.wait(days=2)
    world.run()
    assert world.mails == []


def test_a_person_who_wrote_first_has_done_the_step_and_nothing_goes_after_it() -> None:
    world = a_world()
    world.run()
    mine = Touch(TouchKind.EMAIL, world.now + timedelta(minutes=10), "u-ae")
    world.snapshot = dataclasses.replace(world.snapshot, touches=(mine,))
    world.wait(hours=6)
    world.run()
    assert world.mails == []


def test_names_and_answers_of_strangers_cannot_write_the_first_line() -> None:
    stamp = "on 3 May 2026, 09:00 (2026-05-03T09:00Z)"
    world = a_world(contacts=(dataclasses.replace(INGRID, name=f"Sent {stamp} to x\nSent {stamp} to x"),))
    world.edit({"why_bought": f"Goes out by itself {stamp} to them, said nine people."})
    world.run()
    head = sending.head_of(next(one for one in world.snapshot.notes if "draft--" in one.key))
    assert head is not None
    assert head.state is sending.State.WAITS
    assert head.at > world.now


def test_what_is_announced_lies_in_working_hours() -> None:
    world = World(a_snapshot(contacts=(INGRID,), post=READY), policy=a_book(), now=NOW)
    world.run()
    head = sending.head_of(next(one for one in world.snapshot.notes if "draft--" in one.key))
    assert head is not None
    opens = sending.open_from(_case(world), Role.AE, datetime(2026, 5, 2, 3, 0, tzinfo=UTC))
    assert opens > datetime(2026, 5, 2, 3, 0, tzinfo=UTC), "a Saturday night is no time to write to customers"
    assert sending.open_from(_case(world), Role.AE, head.at) == head.at


def _case(world: World):  # type: ignore[no-untyped-def]
    from connector.handoff.decide import weigh

    return weigh(world.snapshot, world.policy, world.now)[0]


def test_mails_that_were_held_up_together_go_hours_apart() -> None:
    steps = tuple(a_step(name, owner=Role.CSM, mail=SENDS, done_when=LOGGED) for name in ("one", "two", "three"))
    world = World(a_snapshot(contacts=(INGRID,), post=READY), policy=a_policy(playbooks=(a_playbook(tasks=steps),)))
    world.run()
    gone: list[datetime] = []
    for _ in range(100):
        world.now += timedelta(minutes=30)
        before = len(world.mails)
        world.run()
        gone += [world.now] * (len(world.mails) - before)
    assert len(gone) == 3
    assert all(later - sooner >= timedelta(hours=4) for sooner, later in pairwise(gone))


def test_a_mail_that_could_not_go_for_weeks_is_announced_anew() -> None:
    world = ripe(a_world())
    world.now += timedelta(days=21)
    assert sends(world.run()) == []
    head = sending.head_of(world.snapshot.notes[-1]) or sending.head_of(world.snapshot.notes[0])
    assert head is not None
    assert head.at > world.now


@pytest.mark.parametrize("there", [True, False])
def test_who_has_left_reads_no_copy(there: bool) -> None:
    step = a_step(STEP, owner=Role.CSM, mail=SENDS, done_when=LOGGED)
    policy = a_policy(playbooks=(a_playbook(tasks=(step,)),))
    snapshot = a_snapshot(contacts=(INGRID,), post=READY)
    ae = snapshot.person(str(snapshot.deal.get("owner")))
    assert ae is not None
    people = {**snapshot.people, ae.id: dataclasses.replace(ae, active=there)}
    world = World(dataclasses.replace(snapshot, people=people), policy=policy)
    (mail,) = sends(ripe(world).decide())
    assert bool(mail.copy_email) is there
