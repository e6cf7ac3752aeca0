"""Ninety days by people on both CRMs: red flags, commitments, the morning's digest, playbooks that are moved on.

Not here: each rule by itself (``tests/unit``). The same mappings drive both CRMs: shipped maps, real adapters and
engine, the sandbox's org and portal, one clock.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from engine.test_playbook_on_crms import MAPPINGS, NEW_YORK, REP, RUTH, VICTOR, Desk
from typer.testing import CliRunner

from connector import bootstrap
from connector.cli.app import build
from connector.sandbox.server import Sandbox

DANA = "dana.kowalski@seller.example"
OUTCOME = (
    'outcome = { field = "Location", label = "Outcome", type = "choice", owner = "human", '
    'values = { held = "Held", missed = "No show", canceled = "Canceled" } }\n'
)


@pytest.fixture(params=["salesforce", "hubspot"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """The shipped mappings; in Salesforce a field of events is taken for their outcome."""
    folder = tmp_path / "mappings"
    shutil.copytree(MAPPINGS, folder)
    crm = folder / "salesforce.toml"
    crm.write_text(crm.read_text().replace("\nminutes = {", "\n" + OUTCOME + "minutes = {", 1))
    return request.param, folder


@pytest.fixture
def desk(folder: tuple[str, Path]) -> Iterator[Desk]:
    with Sandbox.running() as sandbox:
        sandbox.hs.settings.update(search_per_second=0, burst_limit=0)
        monday = datetime(2027, 2, 1, 15, 0, tzinfo=sandbox.clock.now().tzinfo)
        sandbox.clock.advance((monday - sandbox.clock.now()).total_seconds())
        yield Desk(sandbox, *folder)


def missed_meeting(desk: Desk, deal: str, at: datetime) -> None:
    """A meeting that a person made and to which the customer did not come."""
    with desk.side.lock:
        made = desk.view.add_activity(deal, "meeting", subject="Setup", body="", at=at, minutes=30, by=desk.rep)
        table, field, word = (
            ("Event", "Location", "No show")
            if desk.vendor == "salesforce"
            else ("meetings", "hs_meeting_outcome", "NO_SHOW")
        )
        desk.side.table(table).update(made, {field: word}, by=desk.rep)


def log(desk: Desk, deal: str, kind: str, by: str) -> None:
    with desk.side.lock:
        at = desk.sandbox.clock.now()
        desk.view.add_activity(deal, kind, subject="Hello", body="", at=at, minutes=10, by=by)  # type: ignore[arg-type]


def answer(desk: Desk, deal: str) -> None:
    """The customer writes. HubSpot keeps what came in; in Salesforce a flow of the org's says so in a field."""
    at = desk.sandbox.clock.now()
    if desk.vendor == "salesforce":
        desk.set(deal, replied_at=at)
        return
    with desk.side.lock:
        made = desk.view.add_activity(deal, "email", subject="Re: Hello", body="", at=at, minutes=1, by=desk.rep)
        desk.side.table("emails").update(made, {"hs_email_direction": "INCOMING_EMAIL"}, by=desk.rep)


def flags(desk: Desk, deal: str) -> dict[str, str]:
    """Red flags by name with whom their task belongs to; raised twice they would fail."""
    found = [step.split(".") for step in desk.tasks(deal) if step.startswith("flag.")]
    names = [parts[1] for parts in found]
    assert len(names) == len(set(names))
    return {parts[1]: desk.who(desk.tasks(deal)[".".join(parts)].owner) for parts in found}


def told_of_flags(desk: Desk) -> list[tuple[str, str]]:
    return [(one.step.split(".")[1], one.to_email) for _, one in desk.told if one.step.startswith("notify-flag.")]


def test_each_red_flag_is_raised_once_for_the_right_customer_and_never_for_a_healthy_one(desk: Desk) -> None:
    deal, healthy = desk.won(), desk.won()
    csm, theirs = (desk.tasks(each)["schedule-setup-call"].owner for each in (deal, healthy))
    now = desk.sandbox.clock.now()
    for each, by in ((deal, csm), (healthy, theirs)):
        answer(desk, each)
        desk.run(passes=1)
        log(desk, each, "email", by)
    desk.hours(20)
    answer(desk, healthy)
    for each in (deal, healthy):
        missed_meeting(desk, each, now + timedelta(hours=18))
    desk.hours(72)
    assert flags(desk, deal) == {"slow-reply": DANA}
    missed_meeting(desk, deal, desk.sandbox.clock.now() - timedelta(hours=1))
    log(desk, healthy, "meeting", theirs)
    desk.set(deal, scope_requests="A Slack integration that nobody sold")
    desk.hours(1)
    assert flags(desk, deal) == {"slow-reply": DANA, "no-shows": DANA, "scope-creep": DANA}
    desk.hours(24 * 7)
    assert len(flags(desk, deal)) == 3
    both = sorted((flag, who) for flag in flags(desk, deal) for who in (DANA, VICTOR))
    assert sorted(told_of_flags(desk)) == both
    assert flags(desk, healthy) == {}


def test_promises_are_listed_weekly_in_one_message_and_told_when_overdue_or_not_to_be_kept(desk: Desk) -> None:
    promised = "SSO with Okta | 2027-02-04 | csm\nSlack by May | 2027-05-01 | cannot deliver\nTraining | kept"
    deal, other = desk.won(commitments=promised), desk.won(commitments="Custom report | 2027-03-01")
    csm, theirs = (desk.tasks(each)["schedule-setup-call"].owner for each in (deal, other))
    (cannot,) = [one for step, one in desk.tasks(deal).items() if step.startswith("promise.")]
    assert (desk.who(cannot.owner), cannot.subject) == (desk.who(csm), "Promised, and cannot be kept: Nordlys AS")
    desk.until(datetime(2027, 2, 5, 14, 30, tzinfo=NEW_YORK))
    late = [(one.to_email, one.subject) for _, one in desk.told if "promise." in one.step]
    assert late == [(desk.who(csm), "Late: SSO with Okta")]
    desk.told.clear()
    desk.until(datetime(2027, 2, 8, 8, 30, tzinfo=NEW_YORK))
    assert not desk.told
    desk.until(datetime(2027, 2, 8, 9, 1, tzinfo=NEW_YORK))
    listed = {one.to_email: one.text for _, one in desk.told if one.step.startswith("notify-promises-")}
    assert "- SSO with Okta (overdue since 4 Feb 2027; " in listed[desk.who(csm)]
    assert "- Custom report (due 1 Mar 2027; " in listed[desk.who(theirs)]
    assert "Slack" not in " ".join(listed.values())
    desk.run()
    assert len([one for one in desk.tasks(deal) if one.startswith("promise.")]) == 1


PLAIN = """\
[[playbooks]]
name = "plain"
when = { deal_type = { is = "new" } }

[[playbooks.tasks]]
step = "call"
subject = "Call: {{ account }}"
owner = "csm"
within = { working_days = 2 }
"""
MORE = """
[[playbooks.tasks]]
step = "plan"
subject = "Plan: {{ account }}"
owner = "csm"
within = { working_days = 3 }
"""


def moved(desk: Desk, monkeypatch: pytest.MonkeyPatch, *options: str) -> tuple[int, str]:
    """What `handoff playbook migrate` prints, and its exit code."""
    runtime = SimpleNamespace(shared=desk.shared, chosen=lambda _: [desk.system])
    monkeypatch.setattr(bootstrap, "open_runtime", lambda *_, **__: runtime)
    done = CliRunner().invoke(build(("playbook",)), ["playbook", "migrate", *options])
    return done.exit_code, done.output


def test_handoffs_move_on_to_the_present_playbook_and_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    file, process = desk.folder / "playbooks" / "own.toml", desk.folder / "process.toml"
    file.write_text(PLAIN)
    named = 'rewin_window_days = 30\nplaybooks = ["playbooks/own.toml"]'
    process.write_text(process.read_text().replace("rewin_window_days = 30", named, 1))
    desk.begin()
    deal = desk.won()
    assert set(desk.tasks(deal)) == {"call"}
    call = desk.tasks(deal)["call"].id
    file.write_text(PLAIN + MORE)
    desk.begin()
    code, shown = moved(desk, monkeypatch, "--all")
    assert (code, "plan" in shown, "Nothing was stored" in shown) == (1, True, True)
    desk.run()
    assert set(desk.tasks(deal)) == {"call"}
    assert moved(desk, monkeypatch, "--deal", deal, "--yes")[0] == 0
    desk.run()
    assert set(desk.tasks(deal)) == {"call", "plan"}
    assert desk.tasks(deal)["call"].id == call
    assert moved(desk, monkeypatch, "--all")[0] == 0
    assert moved(desk, monkeypatch, "--all", "--undo", "--yes")[0] == 0
    desk.run()
    kept = desk.shared.store.facts(desk.name, [deal])[deal].playbook
    assert kept is not None
    assert [task.step for task in kept.tasks] == ["call"]
    trail = [one.kind.value for one in desk.shared.store.audit(desk.name, deal) if one.by]
    assert trail == ["moved", "moved"]


def test_sponsor_documents_weekdays_and_milestones_come_to_the_playbook_of_the_deal(desk: Desk) -> None:
    process = desk.folder / "process.toml"
    named = 'rewin_window_days = 30\nplaybooks = ["playbooks/ninety-days.toml", "playbooks/weekly-rhythm.toml"]'
    process.write_text(process.read_text().replace("rewin_window_days = 30", named, 1))
    desk.begin()
    filled = dict.fromkeys(
        ("risks", "competition", "economic_buyer", "stakeholders", "champion_stake"), "Ada Berg, CFO, 2"
    )
    deal = desk.won(amount=120_000, go_live_date=datetime(2027, 3, 1, tzinfo=NEW_YORK).date(), **filled)
    began = set(desk.tasks(deal))
    assert len(began) == 5
    desk.set(deal, milestones_done=1)
    desk.until(datetime(2027, 2, 3, 10, 0, tzinfo=NEW_YORK))
    assert set(desk.tasks(deal)) - began == {"milestone-1", "wednesday-1"}
    desk.until(datetime(2027, 3, 1, 10, 0, tzinfo=NEW_YORK))
    desk.run()
    notes = [one.body for one in desk.view.notes_of(deal)]
    assert sum("SUCCESS STORY, THE FIRST THIRTY DAYS" in body for body in notes) == 1
    assert sum("WHAT COULD COME NEXT" in body for body in notes) == 1
    assert any("What they use it for: One inbox for three service teams" in body for body in notes)
    desk.until(datetime(2027, 3, 3, 10, 0, tzinfo=NEW_YORK))
    tasks = desk.tasks(deal)
    assert desk.who(tasks["sponsor-day-30"].owner) == RUTH
    assert desk.who(tasks["ae-day-30"].owner) == REP
    assert "ae-renewal" not in tasks
    desk.set(deal, renewal_date=datetime(2027, 6, 1, tzinfo=NEW_YORK).date())
    desk.until(datetime(2027, 3, 4, 10, 0, tzinfo=NEW_YORK))
    assert "ae-renewal" in desk.tasks(deal)
    assert len([one for one in desk.view.notes_of(deal) if "SUCCESS STORY" in one.body]) == 1
