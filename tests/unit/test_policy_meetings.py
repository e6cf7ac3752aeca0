"""Meeting steps, queues and priorities in playbook.toml: what may stand there, and what is told of the rest."""

from __future__ import annotations

import re
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from connector.errors import UserError
from connector.handoff.model import SystemName
from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.people import Role
from connector.handoff.rulebook.playbooks import Draft, Extras, Make, PlaybookTask
from connector.policy.load import Loaded, load

ROOT = Path(__file__).parent.parent.parent
SYSTEMS = {SystemName("sf"): "salesforce", SystemName("hs"): "hubspot"}
HOUR = Limit(Decimal(1), Clock.BUSINESS)

MEETING = """
[[playbooks.tasks]]
step = "kickoff"
make = "meeting"
subject = "Kickoff: {{ account }}"
owner = "csm"
minutes = 30
within = { working_days = 2 }
"""


@pytest.fixture
def mappings(tmp_path: Path) -> Path:
    folder = tmp_path / "mappings"
    shutil.copytree(ROOT / "mappings", folder)
    return folder


def change(mappings: Path, file: str, old: str, new: str) -> None:
    text = (mappings / file).read_text()
    assert old in text
    (mappings / file).write_text(text.replace(old, new, 1))


def add_step(mappings: Path, step: str) -> None:
    """Put a step at the end of the last playbook."""
    change(mappings, "playbook.toml", "# --- The one-page summary", f"{step}\n# --- The one-page summary")


def steps(loaded: Loaded) -> dict[str, PlaybookTask]:
    return {task.step: task for playbook in loaded.policies[SystemName("hs")].playbooks for task in playbook.tasks}


def complaints(mappings: Path) -> list[str]:
    with pytest.raises(UserError) as caught:
        load(mappings, SYSTEMS)
    return [f"{problem.key}: {problem.message}" for problem in caught.value.problems]


def test_the_two_meetings_that_the_file_shows_can_be_switched_on(mappings: Path) -> None:
    text = (mappings / "playbook.toml").read_text()
    shown = re.search(r"# \[\[playbooks\.tasks\]\].*?\n\n", text, re.S)
    assert shown is not None
    # Where they stand: whoever takes the # away moves nothing.
    taken_off = "\n".join(line.removeprefix("#").removeprefix(" ") for line in shown[0].splitlines())
    (mappings / "playbook.toml").write_text(text.replace(shown[0], f"{taken_off}\n\n"))
    found = steps(load(mappings, SYSTEMS))
    day = Decimal(8)
    assert found["handoff-meeting"].draft == Draft(15, HOUR, invite=(Role.AE,))
    assert found["handoff-meeting"].limit == Limit(Decimal(24), Clock.WALL)
    assert found["kickoff"].draft == Draft(45, Limit(3 * day, Clock.BUSINESS), with_customer=True, invite=(Role.AE,))
    assert found["kickoff"].limit == Limit(5 * day, Clock.BUSINESS)
    assert found["kickoff"].make is Make.MEETING
    assert found["welcome-packet"].make is Make.TASK
    playbook = load(mappings, SYSTEMS).policies[SystemName("hs")].playbooks[0]
    assert [task.step for task in playbook.tasks][5:] == ["handoff-meeting", "kickoff"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("minutes = 30\n", "", "a meeting must say how long it is; add minutes = 30"),
        ("minutes = 30", "minutes = 3", "minutes: is 3; it must be at least 5"),
        ('make = "meeting"\n', "", "minutes: belongs to a meeting; take it out, or set make"),
        ("minutes = 30", "minutes = 30\nremind = true", "remind: belongs to a task; take it out"),
        ("minutes = 30", 'minutes = 30\npriority = "high"', "priority: belongs to a task"),
        (
            "minutes = 30",
            "minutes = 30\nearliest = { working_days = 2 }",
            "earliest: must be less than within, or there is no time for the meeting",
        ),
        ('step = "kickoff"', 'step = "summary-2"', "is a name the connector uses itself"),
        ('owner = "csm"', 'owner = "csm"\ninvite = ["ceo"]', "use one of: ae, ae_manager, csm, csm_manager, fallback"),
    ],
)
def test_what_does_not_make_a_meeting_is_told(mappings: Path, old: str, new: str, told: str) -> None:
    add_step(mappings, MEETING.replace(old, new))
    assert any(told in line for line in complaints(mappings)), complaints(mappings)


def test_a_meeting_longer_than_the_team_works_at_a_stretch_is_told(mappings: Path) -> None:
    change(mappings, "process.toml", 'from = "09:00"\nto = "17:00"', 'from = "09:00"\nto = "10:00"')
    add_step(mappings, MEETING.replace("minutes = 30", "minutes = 90"))
    assert any("at most 60 minutes without a break" in line for line in complaints(mappings))


def test_hours_that_begin_off_the_quarter_hour_have_less_room_for_a_meeting(mappings: Path) -> None:
    change(mappings, "process.toml", 'from = "09:00"\nto = "17:00"', 'from = "09:05"\nto = "10:05"')
    add_step(mappings, MEETING.replace("minutes = 30", "minutes = 60"))
    assert any("at most 50 minutes without a break" in line for line in complaints(mappings))


def test_a_mapping_without_a_place_for_a_meetings_key_is_told(mappings: Path) -> None:
    text = (mappings / "hubspot.toml").read_text()
    head, meeting, rest = text.partition("[fields.meeting]\n")
    (mappings / "hubspot.toml").write_text(head + meeting + rest.partition("\n")[2])
    load(mappings, SYSTEMS)
    add_step(mappings, MEETING)
    assert complaints(mappings) == [
        "fields.meeting: playbook.toml makes meetings (step 'kickoff'); map key, by which each is found again"
    ]


def test_what_only_some_crms_keep_of_a_task_is_passed_on_where_it_is_mapped(mappings: Path) -> None:
    task = MEETING.replace('make = "meeting"\n', "").replace("minutes = 30\n", "")
    add_step(mappings, task + 'priority = "high"\ntype = "call"\nqueue = "onboarding"\n')
    loaded = load(mappings, SYSTEMS)
    assert steps(loaded)["kickoff"].extras == Extras(queue="onboarding", priority="high", type="call")
    assert loaded.policies[SystemName("hs")].extras == {"task.priority", "task.type"}
    change(mappings, "hubspot.toml", "# queue = {", "queue = {")
    assert "task.queue" in load(mappings, SYSTEMS).policies[SystemName("hs")].extras
    change(mappings, "playbook.toml", 'queue = "onboarding"', 'queue = "upsells"')
    assert complaints(mappings) == [
        "fields.task.queue.values: playbook.toml names the queue 'upsells'; add it with its id, e.g. upsells = \"123\""
    ]


def test_that_a_meeting_which_is_over_was_held_is_for_the_mapping_to_say(mappings: Path) -> None:
    change(mappings, "salesforce.toml", "# [meetings]\n# held_when_over = true", "[meetings]\nheld_when_over = true")
    policies = load(mappings, SYSTEMS).policies
    assert policies[SystemName("sf")].meetings.held_when_over
    assert not policies[SystemName("hs")].meetings.held_when_over
