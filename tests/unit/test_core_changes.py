"""What changes after the handoff is told to the CSM once: old beside new, an hour's edits together."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

from factories import MAYA, TOMAS, a_policy
from tinyworld import World

from connector.handoff.pausing import withhold
from connector.handoff.plan import Notify, Plan, Verdict
from connector.handoff.rulebook.calendars import Quiet
from connector.handoff.rulebook.messages import NotifyPolicy
from connector.handoff.rulebook.policy import Policy
from connector.handoff.rules import changes

OLD = "First answer in 2 hours by 1 June."
NEW = "First answer in 1 hour by 1 May."


def telling(**more: object) -> Policy:
    return a_policy(notify=NotifyPolicy(frozenset({changes.MOMENT}), **more))  # type: ignore[arg-type]


def told(plan: Plan) -> list[Notify]:
    return [one for one in plan.actions if isinstance(one, Notify)]


def a_world(policy: Policy | None = None) -> World:
    world = World(policy=policy or telling())
    assert not told(world.run())
    world.wait(minutes=10)
    assert not told(world.run())
    return world


def test_an_hour_s_edits_are_one_message_with_the_old_and_the_new() -> None:
    world = a_world()
    world.edit({"success_criteria": "half written"})
    plan = world.run()
    assert not told(plan)
    finding = next(one for one in plan.findings if one.rule == changes.NAME)
    assert finding.verdict is Verdict.WAIT
    assert finding.recheck_at == world.now + timedelta(hours=1)
    world.wait(minutes=30)
    world.edit({"success_criteria": NEW, "risks": "Their CTO is against it."})
    assert not told(world.run())
    world.wait(minutes=29)
    assert not told(world.run())
    world.wait(minutes=1)
    (message,) = told(world.run())
    assert message.to_id == TOMAS
    assert f"- Success criteria: was “{OLD}”, is now “{NEW}”" in message.text
    assert "- Risks: was nothing, is now “Their CTO is against it.”" in message.text
    assert "half written" not in message.text
    assert "Why bought" not in message.text
    for _ in range(3):
        world.wait(hours=2)
        assert not told(world.run())


def test_what_a_pause_kept_from_being_told_is_told_when_it_is_over() -> None:
    world = a_world()
    world.edit({"success_criteria": NEW})
    world.run()
    world.wait(hours=2)
    withheld = withhold(world.decide(), {changes.NAME}).plan
    assert withheld is not None
    assert not told(withheld)
    world.carry_out(withheld)
    world.wait(hours=5)
    (message,) = told(world.run())
    assert f"was “{OLD}”, is now “{NEW}”" in message.text
    assert not told(world.run())


def test_what_is_put_back_within_the_hour_is_told_to_nobody() -> None:
    world = a_world()
    world.edit({"success_criteria": NEW})
    world.run()
    world.wait(minutes=20)
    world.edit({"success_criteria": OLD})
    world.run()
    world.wait(hours=3)
    assert not told(world.run())


def test_the_next_change_begins_its_own_hour_and_quotes_what_was_told_before() -> None:
    world = a_world()
    for was, now in ((OLD, NEW), (NEW, "None of it.")):
        world.edit({"success_criteria": now})
        world.run()
        world.wait(hours=1)
        (message,) = told(world.run())
        assert f"was “{was}”, is now “{now}”" in message.text
    assert len(set(world.told)) == len(world.told) == 2


def test_a_change_in_quiet_hours_does_not_push_out_one_that_waits() -> None:
    world = a_world(telling(quiet=Quiet(0, 24 * 60 - 1)))
    steps = []
    for text in ("One.", "Two."):
        world.edit({"risks": text})
        world.run()
        world.wait(hours=2)
        (message,) = told(world.run())
        assert message.not_before is not None
        steps.append(message.step)
    assert len(set(steps)) == 2


def test_a_new_csm_and_a_lost_ledger_hear_of_nothing_old() -> None:
    world = a_world()
    world.edit({"risks": "Old news."})
    world.run()
    world.edit({"csm": MAYA})
    assert world.snapshot.account is not None
    world.edit({"csm": MAYA}, ref=world.snapshot.account.ref)
    world.run()
    world.wait(hours=5)
    assert not told(world.run())
    world.edit({"risks": "Newer."})
    world.run()
    world.lose_ledger()
    world.wait(hours=5)
    assert not told(world.run())
    world.wait(hours=5)
    assert not told(world.run())


def test_switching_it_on_tells_nothing_of_the_past() -> None:
    world = World(policy=a_policy())
    world.run()
    assert world.snapshot.ledger.briefed is None
    world.edit({"risks": "Before."})
    world.policy = telling()
    world.run()
    world.wait(hours=5)
    assert not told(world.run())
    world.policy = dataclasses.replace(world.policy, notify=NotifyPolicy(frozenset()))
    world.run()
    assert world.snapshot.ledger.briefed is None


def test_a_field_that_comes_to_the_summary_is_no_change() -> None:
    world = a_world()
    summary = world.policy.summary
    more = dataclasses.replace(summary.sections[0], fields=("go_live_date", "amount"))
    world.policy = dataclasses.replace(
        world.policy, summary=dataclasses.replace(summary, sections=(*summary.sections, more))
    )
    world.run()
    world.wait(hours=5)
    assert not told(world.run())


def test_a_long_answer_is_quoted_in_part_and_watched_whole() -> None:
    world = a_world()
    long = "word " * 120
    world.edit({"risks": f"{long} end"})
    world.run()
    world.wait(hours=1)
    (first,) = told(world.run())
    assert "…" in first.text
    world.edit({"risks": f"{long} another end"})
    world.run()
    world.wait(hours=1)
    assert told(world.run())


def test_an_open_deal_and_one_that_was_reopened_tell_nobody() -> None:
    world = a_world()
    world.reopen()
    world.edit({"risks": "Changed while open."})
    world.run()
    world.wait(hours=3)
    assert not told(world.run())
    world.win()
    world.run()
    world.wait(hours=1)
    (message,) = told(world.run())
    assert "Changed while open." in message.text, "the handoff goes on, and the CSM knew it otherwise"
