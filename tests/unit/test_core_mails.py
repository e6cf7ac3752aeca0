"""Drafts of mails: the customer's own words or what is missing of them, kept in a note, people's once they touch it."""

from __future__ import annotations

import dataclasses
import shutil
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from factories import HANDOFF_FIELDS, a_playbook, a_policy, a_snapshot, a_step
from tinyworld import World

from connector.handoff.model import Contact, SystemName
from connector.handoff.plan import Plan, Upsert, Verdict
from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.people import Role
from connector.handoff.rulebook.playbooks import Draft, Mail
from connector.handoff.rulebook.policy import Policy
from connector.handoff.rules import mails
from connector.handoff.summary import untouched
from connector.policy.load import load

ROOT = Path(__file__).parents[2]
INTRO = Mail(
    "Meet {{ csm }}",
    'Hi {{ first_name }},\n\n{{ fields["why_bought"] }}\nand {{ fields["success_criteria"] }}\n{{ ae }}',
    ("why_bought", "success_criteria"),
)
STEP = a_step("intro-mail", owner=Role.AE, mail=INTRO)
INGRID = Contact("c1", "Ingrid Holm", "Head of service", "ingrid@nordlys.example", ("champion",))


def a_book(*steps: object, **changes: object) -> Policy:
    return a_policy(playbooks=(a_playbook(tasks=steps or (STEP,)),), **changes)


def note(world: World, step: str = "intro-mail") -> str:
    return next((one.body for one in world.snapshot.notes if one.key.endswith(f":draft--{step}")), "")


def finding(plan: Plan) -> str:
    return next(one.reason for one in plan.findings if one.rule == mails.NAME)


def test_a_draft_is_in_the_customers_words_to_somebody_with_a_copy_to_the_other() -> None:
    world = World(a_snapshot(contacts=(INGRID,)), policy=a_book())
    plan = world.run()
    lines = note(world).splitlines()
    assert lines[:3] == [
        "To: Ingrid Holm <ingrid@nordlys.example>",
        "Copy: Tomas Reyes <tomas.reyes@seller.example>",
        "Subject: Meet Tomas Reyes",
    ]
    assert "Hi Ingrid," in lines
    assert str(HANDOFF_FIELDS["why_bought"]) in lines
    assert any(str(HANDOFF_FIELDS["success_criteria"]) in line for line in lines)
    assert untouched(note(world))
    made = [one for one in plan.actions if isinstance(one, Upsert) and one.step == "draft--intro-mail"]
    assert made[0].values["title"] == "Draft: Meet Tomas Reyes"
    task = next(one for one in plan.actions if isinstance(one, Upsert) and one.step == "intro-mail")
    assert "The draft is the note “Draft: Meet Tomas Reyes” on the deal." in str(task.values["body"])


def test_without_a_contact_it_is_to_whomever_the_ae_calls_champion() -> None:
    world = World(policy=a_book())
    world.run()
    assert note(world).startswith("To: Ingrid Holm\n")


def test_a_draft_that_would_be_generic_says_which_fields_are_missing_and_follows_once_they_are_there() -> None:
    open_gate = dataclasses.replace(a_policy().gate, requirements=())
    world = World(a_snapshot(deal={"why_bought": None}), policy=a_book(gate=open_gate))
    plan = world.run()
    assert "- Why bought: is empty." in note(world)
    assert "Success criteria" not in note(world)
    assert str(HANDOFF_FIELDS["success_criteria"]) not in note(world)
    assert "Hi " not in note(world)
    assert "intro-mail lacks the customer's own words" in finding(plan)
    world.edit({"why_bought": "Nine people answer mails by hand since May."})
    world.run()
    assert "Nine people answer mails by hand since May." in note(world)
    assert "is empty" not in note(world)


def test_words_that_say_too_little_are_quoted_back_and_not_sent_on() -> None:
    loaded = load(ROOT / "mappings", {SystemName("sf"): "salesforce"})
    policy = a_book(quality=loaded.policies[SystemName("sf")].quality)
    world = World(a_snapshot(deal={"why_bought": "They want better ROI."}), policy=policy)
    world.run()
    assert '- Why bought: "They want better ROI."' in note(world)
    assert "This mail is not written yet" in note(world)


def test_nobody_to_write_to_is_missing_too() -> None:
    open_gate = dataclasses.replace(a_policy().gate, requirements=())
    world = World(a_snapshot(deal={"champion": None}), policy=a_book(gate=open_gate))
    world.run()
    assert "nobody to write to" in note(world)


def test_what_a_person_edited_or_deleted_is_theirs() -> None:
    world = World(policy=a_book())
    world.run()
    mine = note(world).replace("Hi Ingrid", "Dear Ingrid")
    notes = tuple(
        dataclasses.replace(one, body=mine) if one.body == note(world) else one for one in world.snapshot.notes
    )
    world.snapshot = dataclasses.replace(world.snapshot, notes=notes)
    world.edit({"why_bought": "Something else altogether, since March."})
    assert "edited by a person" in finding(world.run())
    assert note(world) == mine
    gone = tuple(one for one in world.snapshot.notes if ":draft-" not in one.key)
    world.snapshot = dataclasses.replace(world.snapshot, notes=gone)
    assert "deleted and is not made again" in finding(world.run())
    assert note(world) == ""


def test_a_draft_rests_once_its_step_is_done_and_a_lost_ledger_makes_none_twice() -> None:
    world = World(policy=a_book())
    world.run()
    before = note(world)
    world.lose_ledger()
    world.run()
    assert len([one.key for one in world.snapshot.notes if ":draft-" in one.key]) == 1
    world.close_task("intro-mail")
    world.run()
    world.edit({"why_bought": "Something else altogether, since March."})
    world.run()
    assert note(world) == before


def test_a_draft_comes_with_its_task_and_not_before() -> None:
    later = a_step("second", mail=INTRO, after="first", at_release=False)
    world = World(policy=a_book(a_step("first"), later))
    world.run()
    assert note(world, "second") == ""
    world.close_task("first")
    world.wait(minutes=5)
    world.run()
    assert note(world, "second") != ""
    assert "second" in world.steps()


def test_it_knows_when_a_meeting_of_the_playbook_is() -> None:
    kickoff = a_step(
        "kickoff", limit=Limit(Decimal(40), Clock.BUSINESS), draft=Draft(45, Limit(Decimal(8), Clock.BUSINESS))
    )
    says = dataclasses.replace(INTRO, text=INTRO.text + '\nWe meet on {{ meetings["kickoff"] or "a day you choose" }}.')
    world = World(policy=a_book(kickoff, dataclasses.replace(STEP, mail=says)))
    world.run()
    world.wait(minutes=2)
    world.run()
    start = world.meeting("kickoff").start
    assert start is not None
    local = start + timedelta(hours=1)
    assert f"We meet on {local.day} {local:%b %Y}, {local:%H:%M}." in note(world)


def test_a_template_that_cannot_be_rendered_blocks_the_drafts_alone() -> None:
    broken = dataclasses.replace(INTRO, text="{{ 1 / 0 }}")
    plan = World(policy=a_book(dataclasses.replace(STEP, mail=broken))).run()
    assert next(one.verdict for one in plan.findings if one.rule == mails.NAME) is Verdict.BLOCKED
    assert any(one.rule == "summary" and one.actions for one in plan.findings)


@pytest.mark.parametrize("file", ["five-stages", "thirty-days"])
def test_every_shipped_draft_quotes_what_it_promises(file: str, tmp_path: Path) -> None:
    folder = tmp_path / "mappings"
    shutil.copytree(ROOT / "mappings", folder)
    process = folder / "process.toml"
    process.write_text(
        process.read_text().replace(
            '# playbooks = ["playbooks/thirty-days.toml"]', f'playbooks = ["playbooks/{file}.toml"]'
        )
    )
    policy = load(folder, {SystemName("sf"): "salesforce"}).policies[SystemName("sf")]
    drafting = [task for task in policy.playbooks[0].tasks if task.mail]
    assert len(drafting) == {"five-stages": 3, "thirty-days": 2}[file]
    fields = {**HANDOFF_FIELDS, "commitments": "Price held for 20 seats until May.", "risks": "CTO is sceptical."}
    values = {**dict.fromkeys(policy.fields), **fields}
    world = World(
        a_snapshot(deal=values, contacts=(INGRID,)), policy=dataclasses.replace(policy, summary=a_policy().summary)
    )
    for _ in range(4):
        world.run()
        world.wait(days=1)
    for task in drafting:
        assert task.mail is not None
        told = note(world, task.step)
        for path in task.mail.quotes:
            assert str(fields[path]) in told, (task.step, path)
        assert "not written" not in told
        assert "{{" not in told
