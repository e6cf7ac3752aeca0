"""Mails that go out by themselves on both CRMs: real adapters, engine, store and mail server; one clock rules all.

Not here: what stops one and what its note says (pure tests), and the conversation with the server (``test_mailer``).
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from engine.test_assignment_crms import DANA, MAPPINGS, MAYA, REP, VENDORS, Desk, pool
from mailserver import MailServer, running

from connector.engine.mailer import CustomerMail
from connector.engine.parts import Mailer
from connector.handoff.model import SystemName
from connector.handoff.plan import SendMail
from connector.policy.load import Loaded, load
from connector.sandbox.server import Sandbox
from connector.store import State, open_store

TUESDAY = datetime(2027, 3, 2, 15, 0, tzinfo=UTC)
"""Ten in the morning in New York, where the shipped team works."""
TWO_HOURS = 2 * 3600 + 120
INGRID = "ingrid.holm@nordlys.example"
ONE_RULE = '\n[[assignment.rules]]\nname = "all"\npool = "team"\n'
BEFORE = """Done when the email with the login details has left.
\"\"\"
owner = "ae"
within = { working_hours = 2 }
"""
SENDS = """within = { working_hours = 30 }
mail = { subject = "Meet {{ csm }}", quotes = ["use_case"], send = true, to_field = "MAILBOX", text = \"\"\"
Hi {{ first_name }}, this comes first: {{ fields["use_case"] }}
\"\"\" }
"""


class Post(Desk):
    """A desk with a way to customers."""

    mailer: Mailer | None = None

    def restart(self, loaded: Loaded | None = None) -> None:
        super().restart(loaded)
        self.shared = dataclasses.replace(self.shared, mailer=self.mailer)

    def give(self, send: Callable[[SendMail], str], *, limit: int = 50) -> None:
        """Mails may go from here."""
        self.mailer = Mailer(send, limit)
        self.restart()

    def draft(self, deal_id: str) -> str:
        """What the note of the draft says."""
        return next(str(one.body) for one in self.view.notes_of(deal_id) if "Subject: Meet" in str(one.body))

    def welcome(self, deal_id: str) -> bool:
        """Whether the task of the mail is done."""
        return next(one.done for one in self.view.tasks_of(deal_id) if "welcome packet" in one.subject)

    def kept(self, deal_id: str) -> list[str]:
        """The mails that the CRM lists among what was done on a deal, by subject."""
        if self.name == "hs":
            rows = [one.values for one in self.state.table("emails").live()]
            return [str(one["hs_email_subject"]) for one in rows if f":{deal_id}:" in str(one.get("handoff_key"))]
        rows = [one.values for one in self.state.table("Task").live() if one.values.get("WhatId") == deal_id]
        return [str(one["Subject"]) for one in rows if one.get("TaskSubtype") == "Email"]


@pytest.fixture(params=sorted(VENDORS))
def vendor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server() -> Iterator[MailServer]:
    with running() as box:
        yield box


@pytest.fixture
def desk(vendor: str, tmp_path: Path) -> Iterator[Post]:
    """The shipped files with one mail that goes out by itself, to the address in a field of the deal."""
    folder = tmp_path / "mappings"
    shutil.copytree(MAPPINGS, folder)
    process = (MAPPINGS / "process.toml").read_text()
    begin, end = process.index("\n[assignment]\n") + 1, process.index("# --- Calendar")
    body = f'[assignment]\nfallback = "{DANA}"\n\n' + pool((MAYA,)) + ONE_RULE
    (folder / "process.toml").write_text(f"{process[:begin]}{body}\n{process[end:]}")
    playbook = (MAPPINGS / "playbook.toml").read_text()
    after = BEFORE.replace("within = { working_hours = 2 }\n", SENDS.replace("MAILBOX", "special_terms"))
    assert BEFORE in playbook
    (folder / "playbook.toml").write_text(playbook.replace(BEFORE, after))
    if vendor == "hs":
        file = folder / "hubspot.toml"
        text = file.read_text()
        key = 'key = { field = "handoff_key", label = "Handoff key", type = "text", owner = "create_only" }'
        file.write_text(text.replace("[fields.meeting]", f"[fields.email]\n{key}\n\n[fields.meeting]"))
    with Sandbox.running() as sandbox:
        sandbox.hs.settings.update(search_per_second=0, burst_limit=0)
        sandbox.clock.freeze(TUESDAY)
        store = open_store(f"sqlite:///{tmp_path / 'handoff.db'}", clock=sandbox.clock)
        yield Post(vendor, sandbox, load(folder, {SystemName(vendor): VENDORS[vendor]}), store)
        store.close()


def won(desk: Post) -> str:
    """A deal whose draft stands on it, two working hours before it goes."""
    deal = desk.win("Nordlys", special_terms=INGRID)
    desk.run()
    return deal


def test_given_a_draft_that_nobody_stopped_one_mail_is_in_the_mailbox_and_the_crm_shows_it(
    desk: Post, server: MailServer
) -> None:
    desk.give(CustomerMail("127.0.0.1", server.port, "owner", starttls=False))
    deal = won(desk)
    assert "Goes out by itself on 2 Mar 2027" in desk.draft(deal)
    desk.run(passes=4, seconds=600)
    assert server.letters == []
    desk.run(passes=1, seconds=TWO_HOURS)
    assert "Being sent" in desk.draft(deal) or "Sent on" in desk.draft(deal)
    desk.run(passes=6, seconds=700)
    (letter,) = server.letters
    assert f"To: Ingrid Holm <{INGRID}>" in letter
    assert f"<{REP}>" in letter.partition("To:")[0]
    assert "this comes first: One inbox for three service teams" in letter.replace("=\r\n", "")
    assert "Sent on 2 Mar 2027" in desk.draft(deal)
    assert desk.kept(deal) == ["Meet Maya Lindqvist"]
    assert desk.welcome(deal)
    assert desk.text(deal, "first_touch_at") == "", "what goes out by itself is no touch of the CSM's"
    desk.restart()
    desk.run(passes=4, seconds=3000)
    assert len(server.letters) == 1
    assert desk.kept(deal) == ["Meet Maya Lindqvist"]


class Killed(BaseException):
    """The process dies here."""


def test_a_crash_while_it_is_sent_sends_nothing_again_and_tells_the_person(desk: Post, server: MailServer) -> None:
    send = CustomerMail("127.0.0.1", server.port, "owner", starttls=False)

    def dies(mail: SendMail) -> str:
        send(mail)
        raise Killed

    desk.give(dies)
    deal = won(desk)
    with pytest.raises(Killed):
        desk.run(passes=3, seconds=TWO_HOURS)
    desk.give(send)
    desk.run(passes=5, seconds=900)
    assert len(server.letters) == 1
    assert "Not sent on" in desk.draft(deal)
    assert "it is not sent again" in desk.draft(deal)
    assert [one.to_email for one in desk.told if "unsent" in one.step] == [REP]
    assert not desk.welcome(deal)
    assert [one.step for one in desk.store.parked(SystemName(desk.name))] == ["mail--welcome-packet"]
    desk.store.retry(system=SystemName(desk.name))
    desk.run(passes=3, seconds=60)
    assert len(server.letters) == 1, "not even where an operator has all parked rows tried again"


def test_an_edited_draft_and_one_behind_a_server_that_says_no_stay_with_the_person(
    desk: Post, server: MailServer
) -> None:
    desk.give(CustomerMail("127.0.0.1", server.port, "welcome@seller.example", starttls=False), limit=1)
    mine = won(desk)
    theirs = desk.win("Alder", special_terms=INGRID, use_case="Tickets of 40 agents in Oslo, sorted by 1 June.")
    desk.run()
    note = next(one for one in desk.view.notes_of(mine) if "Subject: Meet" in str(one.body))
    table, column = ("Note", "Body") if desk.name == "sf" else ("notes", "hs_note_body")
    with desk.state.lock:
        text = next(str(one.values[column]) for one in desk.state.table(table).live() if one.id == note.id)
        desk.state.table(table).update(note.id, {column: text.replace("Hi Ingrid", "Dear Ingrid")}, by=desk.rep)
    server.refuse = True
    desk.run(passes=5, seconds=TWO_HOURS / 4)
    desk.run(passes=4, seconds=60)
    assert server.letters == []
    assert "Dear Ingrid" in desk.draft(mine)
    assert "550 no such person" in desk.draft(theirs)
    assert not desk.welcome(mine)
    assert not desk.welcome(theirs)
    (row,) = desk.store.parked(SystemName(desk.name))
    assert row.state is State.PARKED
    assert row.error is not None
    assert "550 no such person" in row.error.message
    desk.run(passes=4, seconds=3000)
    assert server.senders == ["welcome@seller.example"], "it was tried once"
