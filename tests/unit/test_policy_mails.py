"""Drafts of mails in playbooks: what may stand there, and what is told of the rest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from connector.errors import UserError
from connector.handoff.model import SystemName
from connector.handoff.playbook_text import read, text_of
from connector.policy.load import load

ROOT = Path(__file__).parent.parent.parent
SYSTEMS = {SystemName("sf"): "salesforce", SystemName("hs"): "hubspot"}
STEP = """
[[playbooks.tasks]]
step = "intro"
subject = "Introduce: {{ account }}"
owner = "ae"
within = { working_hours = 8 }

[playbooks.tasks.mail]
subject = "Meet {{ csm }}"
quotes = ["why_bought"]
text = \"\"\"
Hi {{ first_name }}, {{ fields["why_bought"] }}
We meet on {{ meetings["kickoff"] }}. {{ csm_email }} {{ ae_email }} {{ contact }}
\"\"\"
"""


@pytest.fixture
def mappings(tmp_path: Path) -> Path:
    folder = tmp_path / "mappings"
    shutil.copytree(ROOT / "mappings", folder)
    return folder


def put(mappings: Path, step: str) -> Path:
    file = mappings / "playbook.toml"
    file.write_text(file.read_text().replace("# --- The one-page summary", f"{step}\n# --- The one-page summary", 1))
    return mappings


def complaints(mappings: Path) -> list[tuple[str, str]]:
    with pytest.raises(UserError) as caught:
        load(mappings, SYSTEMS)
    return [(problem.where, f"{problem.key}: {problem.message}") for problem in caught.value.problems]


def test_a_mail_is_loaded_the_same_for_both_crms_and_kept_with_its_playbook(mappings: Path) -> None:
    loaded = load(put(mappings, STEP), SYSTEMS)
    books = [policy.playbooks[-1] for policy in loaded.policies.values()]
    assert books[0] == books[1]
    mail = books[0].tasks[-1].mail
    assert mail is not None
    assert mail.quotes == ("why_bought",)
    assert read(text_of(books[0])) == books[0]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('["why_bought"]', "[]", "give at least one"),
        ('quotes = ["why_bought"]', 'quotes = ["why_buoght"]', "why_bought"),
        (
            '["why_bought"]',
            '["why_bought", "use_case"]',
            'the text never shows use_case; write {{ fields["use_case"] }}',
        ),
        ('["why_bought"]', '["why_bought", "why_bought"]', "stands here twice"),
        ("{{ first_name }}", "{{ frist_name }}", "first_name"),
        ("{{ csm }}", "{{ csm", "template error"),
        ('owner = "ae"', 'owner = "ae"\nmake = "meeting"\nminutes = 15', "belongs to a task"),
        ('step = "intro"', 'step = "draft--intro"', "is not a step name"),
    ],
)
def test_a_mistake_is_told_with_its_place(mappings: Path, old: str, new: str, said: str) -> None:
    assert old in STEP
    (where, message), *_ = complaints(put(mappings, STEP.replace(old, new, 1)))
    assert said in message
    file, line, column = where.rsplit(":", 2)
    assert file.endswith("playbook.toml")
    assert int(line) > 100
    assert int(column) >= 1
