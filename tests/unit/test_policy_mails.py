"""Drafts of mails in playbooks: what may stand there, and what is told of the rest."""

from __future__ import annotations

import re
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from connector.errors import UserError
from connector.handoff.model import SystemName
from connector.handoff.playbook_text import read, text_of
from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.playbooks import Sending
from connector.policy.load import load, load_all, unsendable

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


def with_contacts(mappings: Path) -> Path:
    """Contact roles are read, of which one is known."""
    for name in ("salesforce.toml", "hubspot.toml"):
        file = mappings / name
        file.write_text(file.read_text().replace("# [contacts]", '[contacts]\nchampion = ["Champion"]', 1))
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
        ("{{ contact }}", '{{ fields["risks"] }}', "take risks out of the mail"),
        ("{{ contact }}", "{{ stakeholders }}", "'stakeholders' is not known"),
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


SENDS = STEP.replace('owner = "ae"\n', 'owner = "ae"\ndone_when = [{ signal = "email_logged" }]\n').replace(
    'quotes = ["why_bought"]\n', 'quotes = ["why_bought"]\nsend = true\n'
)


def test_a_mail_goes_out_by_itself_only_where_its_template_says_so(mappings: Path) -> None:
    shipped = load(mappings, SYSTEMS)
    tasks = [task for policy in shipped.policies.values() for book in policy.playbooks for task in book.tasks]
    assert not [task.step for task in tasks if task.mail and task.mail.send]
    assert shipped.sends == ()
    loaded = load(put(with_contacts(mappings), SENDS), SYSTEMS)
    for policy in loaded.policies.values():
        mail = policy.playbooks[-1].tasks[-1].mail
        assert mail is not None
        assert mail.send == Sending(Limit(Decimal(2), Clock.BUSINESS))
        assert read(text_of(policy.playbooks[-1])) == policy.playbooks[-1]
    assert "email.key" in loaded.policies[SystemName("sf")].extras, "a task, which has a key anyway"
    assert "email.key" not in loaded.policies[SystemName("hs")].extras, "not mapped in the shipped file"
    (place,) = loaded.sends
    assert re.search(r"playbook\.toml:\d+:\d+$", place.where)
    assert place.key.endswith(".mail.send")
    assert "no [customer_mail]" in place.message


def test_a_playbook_of_before_has_no_mail_that_goes_out_by_itself(mappings: Path) -> None:
    books = load(put(mappings, STEP), SYSTEMS).policies[SystemName("sf")].playbooks
    book = next(one for one in books if one.tasks[-1].mail)
    old = text_of(book).replace(', "send": null', "")
    assert old != text_of(book)
    assert read(old) == book


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("send = true", "send_after = { hours = 1 }", "add send = true"),
        ("send = true", 'to_role = "champion"', "add send = true"),
        ("send = true", 'send = true\nto_role = "champion"\nto_field = "champion"', "keep one of the two"),
        ("send = true", 'send = true\nto_field = "champoin"', "did you mean 'champion'"),
        ("send = true", 'send = true\nto_role = "champoin"', "did you mean 'champion'"),
        ("send = true", "send = true\nsend_after = {}", "exactly one"),
        ('[{ signal = "email_logged" }]', "[]", 'add { signal = "email_logged" }'),
        ('owner = "ae"', 'owner = "phase"', "is no one person"),
    ],
)
def test_a_mistake_about_sending_is_told_with_its_place(mappings: Path, old: str, new: str, said: str) -> None:
    assert old in SENDS
    problems = complaints(put(with_contacts(mappings), SENDS.replace(old, new, 1)))
    where, _ = next(one for one in problems if said in one[1])
    assert int(where.rsplit(":", 2)[1]) > 1


def test_a_mail_needs_somebody_whose_address_is_read(mappings: Path) -> None:
    ((where, message),) = complaints(put(mappings, SENDS))
    assert re.search(r"playbook\.toml:\d+:\d+$", where)
    assert "nobody's address is read: add [contacts] to hubspot.toml and salesforce.toml" in message
    file = mappings / "playbook.toml"
    file.write_text(file.read_text().replace("send = true", 'send = true\nto_field = "champion"'))
    load(mappings, SYSTEMS)


def test_check_names_the_template_that_has_no_mail_server(mappings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HS_ACCESS_TOKEN", "a-token")
    put(with_contacts(mappings), SENDS)
    config = mappings.parent / "config.toml"
    config.write_text('[[systems]]\nname = "hs"\nvendor = "hubspot"\naccess_token_env = "HS_ACCESS_TOKEN"\n')
    (place,) = unsendable(*load_all(config))
    assert re.search(r"playbook\.toml:\d+:\d+$", place.where)
    server = '[notify.email]\nhost = "smtp.acme.example"\nsender = "handoff@acme.example"\n[customer_mail]\n'
    config.write_text(config.read_text() + server)
    assert unsendable(*load_all(config)) == ()
