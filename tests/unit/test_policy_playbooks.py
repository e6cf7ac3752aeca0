"""Playbooks out of files: the shipped choices, what the language becomes, and what only the CRM can tell is wrong."""

from __future__ import annotations

import dataclasses
import shutil
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from factories import AE, NOW, a_snapshot
from tinyworld import World

from connector.errors import Problem, UserError
from connector.handoff.model import DealType, Stage, Status, SystemName, Touch, TouchKind
from connector.handoff.picture import mermaid
from connector.handoff.rulebook.calendars import Clock, Days, Limit, Team
from connector.handoff.rulebook.gate import GateMode
from connector.handoff.rulebook.people import Role
from connector.handoff.rulebook.playbooks import Do, Make, Miss, Playbook, SignalKind, TriggerKind
from connector.handoff.rulebook.policy import Policy
from connector.handoff.simulate import Habit, What, play
from connector.policy.check import check, judge_stages
from connector.policy.crmmap import CrmMap
from connector.policy.load import Loaded, load

ROOT = Path(__file__).resolve().parents[2]
SF, HS = SystemName("sf"), SystemName("hs")
BOTH = {SF: "salesforce", HS: "hubspot"}
SHIPPED = sorted(path.name for path in (ROOT / "mappings" / "playbooks").glob("*.toml"))
WON = (Stage("Closed Won", "Closed Won", is_won=True, is_closed=True, pipeline=""),)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    return tmp_path / "mappings"


def naming(folder: Path, *files: str, also: str = "") -> Loaded:
    """The shipped mappings with these files named, and some text behind process.toml."""
    process = folder / "process.toml"
    listed = ", ".join(f'"playbooks/{file}"' for file in files)
    text = process.read_text().replace("rewin_window_days = 30", f"rewin_window_days = 30\nplaybooks = [{listed}]", 1)
    process.write_text(text + also)
    return load(folder, BOTH)


def with_tasks(folder: Path, tasks: str, also: str = "") -> Playbook:
    (folder / "playbooks" / "own.toml").write_text(f'[[playbooks]]\nname = "own"\n{tasks}')
    return naming(folder, "own.toml", also=also).policies[SF].playbooks[0]


def task(step: str, *lines: str) -> str:
    head = f'[[playbooks.tasks]]\nstep = "{step}"\nsubject = "{step}"\nowner = "csm"\nwithin = {{ working_days = 1 }}\n'
    return head + "\n".join(lines) + "\n"


def _checked(policy: Policy, crm_map: CrmMap) -> tuple[Problem, ...]:
    return check(policy, crm_map, schemas={}, stages=WON, people=[*a_snapshot().people.values()])


def test_what_ships() -> None:
    assert [
        *(
            "feedback.toml",
            "five-stages.toml",
            "hypercare.toml",
            "modes.toml",
            "ninety-days.toml",
            "renewal-upsell.toml",
        ),
        *("thirty-days.toml", "tiers.toml", "weekly-rhythm.toml"),
    ] == SHIPPED


@pytest.mark.parametrize("file", SHIPPED)
def test_each_shipped_file_passes_the_checks_on_both_crms(file: str, folder: Path) -> None:
    loaded = naming(folder, file)
    names = {book.name for book in loaded.policies[SF].playbooks}
    assert {"five tasks", "light"} < names
    for name, policy in loaded.policies.items():
        told = [one for one in _checked(policy, loaded.maps[name]) if one.where == "playbook.toml"]
        assert told == []
    assert loaded.policies[SF].playbooks == loaded.policies[HS].playbooks


@pytest.mark.parametrize("file", ["", *SHIPPED])
def test_each_shipped_task_is_seen_done_by_the_machine_and_has_a_ladder(file: str, folder: Path) -> None:
    """E1 and E2 of the product: a task is trigger, owner, completion signal, time limit, escalation."""
    policy = (naming(folder, file) if file else load(folder, BOTH)).policies[SF]
    for step in (task for book in policy.playbooks for task in book.tasks if not task.note):
        assert step.missed, step.step
        assert step.make is Make.MEETING or {SignalKind.TASK_CLOSED} < {one.kind for one in step.done_when}, step.step


def test_what_nobody_does_of_the_five_goes_up_the_ladder_and_what_leaves_a_trace_closes_by_itself(folder: Path) -> None:
    policy = load(folder, BOTH).policies[SF]
    told = {What.REMINDED: "reminded", What.ESCALATED: "told"}
    events = play(a_snapshot(), policy, NOW).events
    told_of = [(one.step, told[one.what], one.who) for one in events if one.what in told]
    first = [one for one in told_of if one[0] == "welcome-packet"]
    assert [what for _, what, _ in first] == ["reminded", "told", "told", "told"]
    assert {step for step, _, _ in told_of} == {"welcome-packet"}  # the others wait for it

    world = World(policy=dataclasses.replace(policy, gate=dataclasses.replace(policy.gate, mode=GateMode.OFF)))
    world.run()
    csm = world.task("schedule-setup-call").owner_id

    def done(**span: float) -> list[str]:
        world.wait(**span)
        world.run()
        return [one.key.rsplit(":", 1)[1] for one in world.snapshot.tasks if one.done and one.key]

    def see(kind: TouchKind, by: str | None, *, later: timedelta = timedelta()) -> list[str]:
        world.wait(minutes=90)
        touch = Touch(kind, world.now + later, by)
        world.snapshot = dataclasses.replace(world.snapshot, touches=(*world.snapshot.touches, touch))
        return done()

    assert see(TouchKind.EMAIL, AE) == ["welcome-packet"]
    assert see(TouchKind.EMAIL, csm) == ["welcome-packet"]
    assert see(TouchKind.MEETING, csm, later=timedelta(days=1)) == ["welcome-packet", "schedule-setup-call"]
    # The call was held, which shows that it was prepared; it is not the next conversation.
    assert done(days=1, hours=1) == [*("welcome-packet", "schedule-setup-call", "prepare-account", "run-setup-call")]
    assert len(see(TouchKind.CALL, AE)) == 5


def test_without_product_toml_the_signals_of_the_product_rest(folder: Path) -> None:
    (folder / "product.toml").unlink()
    five, _ = load(folder, BOTH).policies[HS].playbooks
    assert len(five.tasks) == 5
    tasks = task("day", 'trigger = { milestone = "activated" }')
    with pytest.raises(UserError, match="declares no milestone: nobody gives this signal"):
        with_tasks(folder, tasks)


def test_all_of_them_may_stand_side_by_side_where_they_are_for_other_deals(folder: Path) -> None:
    loaded = naming(folder, "hypercare.toml", "tiers.toml", "renewal-upsell.toml")
    assert [book.name for book in loaded.policies[SF].playbooks] == [
        *("hypercare", "high-touch", "hybrid", "low-touch", "renewal", "upsell"),
        *("five tasks", "light"),
    ]


@pytest.mark.parametrize("file", ["thirty-days.toml", "five-stages.toml", "tiers.toml", "modes.toml"])
def test_what_adds_goes_with_each_other_file_and_makes_no_step_twice(file: str, folder: Path) -> None:
    policy = naming(folder, file, "ninety-days.toml", "weekly-rhythm.toml").policies[SF]
    snapshot = a_snapshot(deal={"amount": Decimal(120_000), "renewal_date": (NOW + timedelta(days=180)).date()})
    played = play(snapshot, policy, NOW, habit=Habit.PROMPT)
    own, *added = played.playbook.split(" + ")
    assert own == policy.playbooks[0].name
    assert {"AE check-ins", "enterprise extras", "day-30 review", "weekly rhythm"} <= {*added}
    made = [event.step for event in played.events if event.what is What.MADE]
    assert len(made) == len({*made})
    assert {"ae-day-30", "ae-day-90", "sponsor-day-30", "review-meeting", "monday-1"} <= {*made}


def test_the_grade_is_asked_for_once_and_not_where_it_was_given(folder: Path) -> None:
    policy = naming(folder, "thirty-days.toml", "feedback.toml").policies[SF]
    for graded, asked in ((None, ["rate-handoff", "ask-satisfaction"]), (Decimal(4), ["ask-satisfaction"])):
        world = World(a_snapshot(deal={"handoff_rating": graded}), policy=ungated(policy))
        world.run()
        world.wait(days=31)
        world.run()
        assert [step for step in world.steps() if step in ("rate-handoff", "ask-satisfaction")] == asked
    thirty = dataclasses.replace(policy, playbooks=tuple(one for one in policy.playbooks if one.name != "feedback"))
    world = World(a_snapshot(deal={"handoff_rating": None}), policy=ungated(thirty))
    world.run()
    world.wait(days=31)
    world.run()
    assert not world.task("rate-handoff").done
    world.edit({"handoff_rating": Decimal(5)})
    world.run()
    assert world.task("rate-handoff").done


def test_a_handoff_under_way_is_not_asked_for_a_grade_by_a_new_file(folder: Path) -> None:
    world = World(policy=ungated(load(folder, BOTH).policies[SF]))
    world.run()
    world.policy = ungated(naming(folder, "feedback.toml").policies[SF])
    world.wait(days=31)
    world.run()
    assert "rate-handoff" not in world.steps()


def ungated(policy: Policy) -> Policy:
    return dataclasses.replace(policy, gate=dataclasses.replace(policy.gate, mode=GateMode.OFF))


def test_a_file_whose_deals_another_takes_is_told(folder: Path) -> None:
    with pytest.raises(UserError, match="can never be reached: 'thirty days' of a file named before"):
        naming(folder, "thirty-days.toml", "tiers.toml")


def _played(policy: Policy, book: Playbook, habit: Habit) -> list[tuple[str, What]]:
    kind = DealType.RENEWAL if book.name == "renewal" else DealType.UPSELL if book.name == "upsell" else DealType.NEW
    amounts = {"high-touch": 90_000, "hypercare": 90_000, "hybrid": 20_000, "quality": 90_000, "balanced": 20_000}
    amounts |= {"enterprise extras": 120_000, "weekly rhythm": 20_000}
    values = {"amount": Decimal(amounts.get(book.name, 9_000)), "risks": "Two teams are against it."}
    dates = {"go_live_date": (NOW + timedelta(days=20)).date(), "renewal_date": (NOW + timedelta(days=180)).date()}
    snapshot = a_snapshot(deal={**values, **dates, "milestones_done": Decimal(3)}, deal_type=kind)
    played = play(snapshot, policy, NOW, habit=habit)
    assert book.name in played.playbook.split(" + ")
    return [(event.step, event.what) for event in played.events]


@pytest.mark.parametrize("file", SHIPPED)
def test_each_shipped_playbook_makes_each_task_once_and_nothing_is_left_lying(file: str, folder: Path) -> None:
    policy = naming(folder, file).policies[SF]
    others = {"five tasks", "light"}
    for book in (each for each in policy.playbooks if each.name not in others):
        prompt = _played(policy, book, Habit.PROMPT)
        for step in book.tasks:
            whats = [what for name, what in prompt if name == step.step]
            assert whats.count(What.MADE) + (What.DONE in whats and What.MADE not in whats) == 1, (book.name, step.step)
            assert What.DONE in whats
        idle = _played(policy, book, Habit.IDLE)
        for step in book.tasks:
            whats = [what for name, what in idle if name == step.step]
            assert What.MISSED in whats or What.WAITING in whats or What.DONE in whats or What.DUE not in whats
            if What.MISSED in whats and any(miss.do is Do.ESCALATE for miss in step.missed):
                assert whats.count(What.ESCALATED) == len(policy.escalation.ladder)
        assert mermaid(book, policy, day=Decimal(8)).count("<b>") == len(book.tasks)


def test_the_five_stages_move_handoff_status(folder: Path) -> None:
    (book, *_) = naming(folder, "five-stages.toml").policies[SF].playbooks
    assert [*dict.fromkeys(task.status for task in book.tasks)] == [each.value for each in Status][1:]


def test_what_the_words_of_a_file_become(folder: Path) -> None:
    book = with_tasks(
        folder,
        task("one", 'trigger = { anchor = "go_live_date", working_days = 3, before = true }')
        + task("two", "trigger = { when = { amount = { at_least = 5 } } }", 'done_when = [{ signal = "call_logged" }]')
        + task("three", 'trigger = { step = "two" }', "at_release = false")
        + task("four", 'trigger = { stage = "Live" }', 'missed = ["reassign", "escalate"]')
        + task(
            "five", 'missed = [{ do = "reassign", after = { hours = 30 }, to = "ae_manager" }]', 'status = "5 Review"'
        ),
    )
    one, two, three, four, five = book.tasks
    assert one.trigger is not None
    assert (one.trigger.kind, one.trigger.days, one.trigger.counted) == (TriggerKind.TIME, -3, Days.WORKING)
    assert two.trigger is not None
    assert two.trigger.when.tests[0].operand == Decimal(5)
    assert [signal.kind for signal in two.done_when] == [SignalKind.TASK_CLOSED, SignalKind.CALL_LOGGED]
    assert (three.after, three.trigger, three.at_release) == ("two", None, False)
    assert four.missed == (
        Miss(Do.REASSIGN, Limit(Decimal(0), Clock.WALL)),
        Miss(Do.ESCALATE, Limit(Decimal(8), Clock.BUSINESS)),
    )
    assert five.missed == (Miss(Do.REASSIGN, Limit(Decimal(30), Clock.WALL), Role.AE_MANAGER),)
    assert five.status == "5 Review"


def test_calendars_ladder_and_managers_of_process_toml(folder: Path) -> None:
    calendars = """
[[calendars]]
name = "Sales"
time_zone = "Europe/Berlin"
team = "sales"
hours = [{ days = ["mon"], from = "08:00", to = "19:00" }]
holidays = { country = "DE" }
"""
    policy = naming(folder, "thirty-days.toml", also=calendars).policies[HS]
    (sales,) = policy.calendars
    assert (sales.team, sales.pools, sales.calendar.tz) == (Team.SALES, (), "Europe/Berlin")
    assert sales.calendar.holidays
    assert [(rung.roles, rung.emails) for rung in policy.escalation.ladder] == [
        ((Role.AE,), ()),
        ((Role.AE_MANAGER,), ()),
        ((), ("ruth.adeyemi@seller.example", "dana.kowalski@seller.example")),
    ]
    assert policy.escalation.managers == {"elena.marchetti@seller.example": "victor.lang@seller.example"}
    assert (policy.notify.essential, policy.notify.any_hour) == (True, False)


def test_a_ladder_of_managers_needs_to_know_them_on_hubspot(folder: Path) -> None:
    process = folder / "process.toml"
    process.write_text(
        process.read_text().replace('"elena.marchetti@seller.example" = "victor.lang@seller.example"', "")
    )
    with pytest.raises(UserError, match=r"escalation.ladder\[2\].to\[1\]: hubspot does not tell who manages whom"):
        load(folder, BOTH)
    assert load(folder, {SF: "salesforce"})


def test_own_words_for_what_is_late(folder: Path) -> None:
    (folder / "templates" / "task_late.txt.j2").write_text("{{ task }} is late since {{ due_on }}, {{ owner }}.")
    assert load(folder, BOTH).policies[SF].notify.texts["task_late"].startswith("{{ task }} is late")
    (folder / "templates" / "task_escalated.txt.j2").write_text("{{ tusk }}")
    with pytest.raises(UserError, match=r"task_escalated.txt.j2:1:4: 'tusk' is not known; did you mean 'task'"):
        load(folder, BOTH)


def test_a_stage_no_handoff_stands_in_is_told(folder: Path) -> None:
    with_tasks(folder, task("four", 'trigger = { stage = "Closed Lost" }'))
    loaded = load(folder, BOTH)
    (problem,) = (
        one for one in judge_stages(loaded.policies[SF], loaded.maps[SF], WON) if one.where == "playbook.toml"
    )
    assert problem.key == "playbooks[own].tasks[four].trigger.stage"
    assert problem.message.startswith("no won stage is called 'Closed Lost', so no handoff enters it")
