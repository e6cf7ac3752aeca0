"""Product events on both CRMs: shipped mappings, real adapters and engine, the sandbox's org and portal.

Not here: the rules by themselves (``tests/unit/test_core_product.py``). The customers here are played by what they
send; one of them does well all along, and nobody may be told of that one.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from engine.test_playbook_on_crms import FILLED, MAPPINGS, OPEN, WON, Desk, name_file
from typer.testing import CliRunner

from connector.cli.app import build
from connector.cli.milestones import customers
from connector.handoff.model import DealType
from connector.sandbox.server import Sandbox
from connector.store import open_store
from connector.store.productevents import ProductEvent


@pytest.fixture(params=["salesforce", "hubspot"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    folder = tmp_path / "mappings"
    shutil.copytree(MAPPINGS, folder)
    with Sandbox.running() as sandbox:
        sandbox.hs.settings.update(search_per_second=0, burst_limit=0)
        monday = datetime(2027, 2, 1, 15, 0, tzinfo=sandbox.clock.now().tzinfo)
        sandbox.clock.advance((monday - sandbox.clock.now()).total_seconds())
        yield Desk(sandbox, request.param, folder)


class Customer:
    """One customer with a deal in handoff; what they do in the product comes in as events."""

    def __init__(self, desk: Desk, name: str) -> None:
        self.desk, self.domain, self.sent = desk, f"{name.lower()}.example", 0
        with desk.side.lock:
            values = {"name": name, "country": "Norway", "website": self.domain}
            self.account = desk.view.add_account(values, by=desk.rep)
            given = {"name": f"{name} rollout", "amount": 8000, "close_date": date(2027, 3, 1)}
            given |= {"owner": desk.rep, "account": self.account}
            stage = OPEN[desk.vendor]
            self.deal = desk.view.add_deal({**given, **FILLED}, stage=stage, deal_type=DealType.NEW, by=desk.rep)
        desk.run()
        with desk.side.lock:
            desk.view.move_deal(self.deal, WON[desk.vendor], by=desk.rep)
        desk.run()

    def does(self, event: str, *, times: int = 1, by_id: bool = False, **properties: Any) -> None:
        box = self.desk.shared.store.event_box("app")
        letters = []
        for _ in range(times):
            self.sent += 1
            at = self.desk.sandbox.clock.now() - timedelta(minutes=times) + timedelta(minutes=len(letters))
            group = self.account if by_id else None
            told = ProductEvent(
                f"{self.domain}-{self.sent}", event, at.isoformat(), f"ana@{self.domain}", group, json.dumps(properties)
            )
            letters.append(told.letter())
        box.post(letters)

    def rescues(self) -> dict[str, Any]:
        found = self.desk.tasks(self.deal)
        return {step: task for step, task in found.items() if step.startswith("stuck-")}

    def shows(self) -> dict[str, Any]:
        names = FIELDS[self.desk.vendor]
        with self.desk.side.lock:
            row = self.desk.side.table(TABLES[self.desk.vendor]).rows[self.account]
            return {name: row.values.get(field) or None for name, field in names.items()}


TABLES = {"salesforce": "Account", "hubspot": "companies"}
FIELDS = {
    "salesforce": {
        "activation": "Handoff_Activation__c",
        "activated_on": "Handoff_Activated_On__c",
        "milestones": "Handoff_Milestones__c",
        "stage": "Handoff_Onboarding_Stage__c",
    },
    "hubspot": {
        "activation": "handoff_activation",
        "activated_on": "handoff_activated_on",
        "milestones": "handoff_milestones",
        "stage": "handoff_onboarding_stage",
    },
}


def keep_going(desk: Desk, well: Customer, hours: int) -> None:
    """Hours go by in which the customer who does well does what such customers do."""
    for number in range(0, hours, 6):
        desk.sandbox.clock.advance(6 * 3600)
        well.does("Signed In", by_id=True)
        well.does("Workflow Completed")
        well.does("Data Imported")
        well.does("Source Connection Started", integration=f"source {number}")
        well.does("Source Connected", integration=f"source {number}")
        well.does("Docs Opened", times=5, session_id=f"s{number}-{well.sent}", article="Webhooks")
        desk.run(passes=2)
        desk.sandbox.clock.advance(360)
        desk.run(passes=2)


def test_each_stuck_signal_for_the_right_customer_and_none_for_the_one_who_does_well(desk: Desk) -> None:
    before = Customer(desk, "Before")
    before.does("Signed In")
    desk.run()
    well = Customer(desk, "Wellborn")
    silent, stalled, empty, lost = (Customer(desk, each) for each in ("Silentio", "Stallion", "Emptia", "Lostwick"))
    for each in (well, stalled, empty, lost):
        each.does("Signed In")
    stalled.does("Source Connection Started", integration="Slack")
    empty.does("Signed In", times=3)
    lost.does("Data Imported")
    keep_going(desk, well, 54)
    lost.does("Docs Opened", times=6, session_id="s1", article="Single sign-on")
    desk.run()
    desk.sandbox.clock.advance(400)
    desk.run(passes=4)

    found = {
        "silent": [*silent.rescues()], "stalled": [*stalled.rescues()], "empty": [*empty.rescues()],
        "lost": [*lost.rescues()], "well": [*well.rescues()],
    }  # fmt: skip
    assert found == {
        "silent": ["stuck-no-login-20270201"],
        "stalled": ["stuck-integration-unfinished-20270201"],
        "empty": ["stuck-no-data-20270201"],
        "lost": ["stuck-help-docs-20270203"],
        "well": [],
    }
    subjects = [task.subject for each in (silent, stalled, empty, lost) for task in each.rescues().values()]
    assert subjects == [
        "Help with the first login: Silentio",
        "Get Slack connected: Stallion",
        "Help with getting their first data in: Emptia",
        "They look for help with Single sign-on: Lostwick",
    ]
    (slack,) = stalled.rescues().values()
    assert slack.body.count(" to ") >= 3
    assert slack.body.count("(America/New_York)") == 3

    # Nothing comes twice: after hours, after a restart, after the ledger is gone.
    keep_going(desk, well, 12)
    desk.begin()
    desk.shared.store.close()
    desk.shared = dataclasses.replace(desk.shared, store=open_store("sqlite://", clock=desk.sandbox.clock))
    desk.begin()
    keep_going(desk, well, 60)
    assert [len(each.rescues()) for each in (well, silent, stalled, empty, lost)] == [0, 1, 1, 1, 1]

    # And each closes by itself when the customer moves on.
    silent.does("Signed In")
    stalled.does("Source Connected", integration="Slack")
    empty.does("Data Imported")
    lost.does("Workflow Completed")
    desk.run()
    desk.sandbox.clock.advance(400)
    desk.run(passes=4)
    closed = [task.done for each in (silent, stalled, empty, lost) for task in each.rescues().values()]
    assert closed == [True] * 4


def test_the_account_says_how_far_it_has_come(desk: Desk) -> None:
    customer = Customer(desk, "Nordlys")
    assert customer.shows()["stage"] == "Set-up"
    customer.does("Signed In", times=3)
    customer.does("Source Connected", integration="email")
    customer.does("Source Connected", integration="email")
    desk.run()
    desk.sandbox.clock.advance(400)
    desk.run(passes=4)
    assert customer.shows() == {
        "activation": "1 of 3 connected", "activated_on": None, "milestones": "1 of 3", "stage": "Set-up",
    }  # fmt: skip
    customer.does("Source Connected", by_id=True, integration="ads")
    customer.does("Source Connected", by_id=True, integration="analytics")
    customer.does("Workflow Completed")
    desk.run()
    desk.sandbox.clock.advance(400)
    desk.run(passes=4)
    assert customer.shows()["activation"] == "3 of 3 connected"
    assert str(customer.shows()["activated_on"]).startswith("2027-02-01")
    assert customer.shows()["stage"] == "Live"


WEEK = """\
[[playbooks]]
name = "checked"
when = { deal_type = { is = "new" } }

[[playbooks.tasks]]
step = "day-7"
subject = "Day 7: {{ account }}"
owner = "csm"
within = { working_days = 1 }
trigger = { anchor = "won", days = 7 }
done_when = [{ signal = "milestone", milestone = "set_up_done" }]

[[playbooks.tasks]]
step = "well-done"
subject = "Tell them: {{ account }}"
owner = "csm"
within = { working_days = 1 }
trigger = { milestone = "set_up_done" }
"""


def test_the_check_of_day_seven(desk: Desk) -> None:
    (desk.folder / "playbooks" / "checked.toml").write_text(WEEK)
    name_file(desk.folder, "checked")
    desk.begin()
    well, slow = Customer(desk, "Wellborn"), Customer(desk, "Slowman")
    well.does("Signed In", times=3)
    well.does("Workflow Completed")
    slow.does("Signed In", times=2)
    slow.does("Data Imported")
    desk.run()
    desk.hours(1)
    assert set(desk.tasks(well.deal)) == {"well-done"}
    desk.until(datetime(2027, 2, 8, 14, 5, tzinfo=desk.sandbox.clock.now().tzinfo))
    assert set(desk.tasks(well.deal)) == {"well-done"}
    assert "day-7" in desk.tasks(slow.deal)
    assert not desk.tasks(slow.deal)["day-7"].done
    slow.does("Signed In")
    slow.does("Workflow Completed")
    desk.run()
    desk.hours(0.2)
    assert desk.tasks(slow.deal)["day-7"].done


LEFT_ON = {"salesforce": "Handoff_Churned_At__c", "hubspot": "handoff_churned_at"}


def test_the_analysis_reads_who_stayed_off_the_crm(desk: Desk) -> None:
    """Customers of long ago, with what was counted of them then and a date at those who left."""
    product = desk.folder / "product.toml"
    product.write_text(
        product.read_text().replace("# churned =", "churned =").replace("stayed_days = 183", "stayed_days = 30")
    )
    desk.begin()
    Customer(desk, "First").does("Signed In")
    desk.run()
    stayed, left = Customer(desk, "Stayer"), Customer(desk, "Leaver")
    stayed.does("Source Connected", integration="a")
    stayed.does("Source Connected", integration="b")
    left.does("Source Connected", integration="a")
    desk.run()
    desk.hours(24 * 20)
    left.does("Source Connected", integration="b")
    with desk.side.lock:
        row = desk.side.table(TABLES[desk.vendor]).rows[left.account]
        row.values[LEFT_ON[desk.vendor]] = "2027-02-15"
    desk.hours(24 * 15)
    young = Customer(desk, "Young")
    desk.run()
    policy = desk.system.policy.product
    assert policy is not None
    found = {one.id: one for one in customers(desk.shared, desk.system, policy)}
    assert young.account not in found
    assert (found[stayed.account].kept, found[left.account].kept) == (True, False)
    assert found[stayed.account].actions["integration_done"] == 2
    assert found[left.account].actions["integration_done"] == 1, "of the first fourteen days"


def test_the_report_of_what_matches_nobody(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the command, over a ledger on disk."""
    ledger = f"sqlite:///{tmp_path / 'handoff.db'}"
    desk.shared.store.close()
    desk.shared = dataclasses.replace(desk.shared, store=open_store(ledger, clock=desk.sandbox.clock))
    desk.begin()
    customer = Customer(desk, "Nordlys")
    customer.does("Signed In")
    customer.does("Signed In", by_id=True)
    box = desk.shared.store.event_box("app")
    at = desk.sandbox.clock.now().isoformat()
    for number, (user, group) in enumerate([("ana@gmail.com", None), ("u1", "elsewhere"), (None, None)]):
        box.post([ProductEvent(f"m{number}", "Signed In", at, user, group, "{}").letter()])
    desk.run()
    desk.shared.store.close()
    monkeypatch.setenv("HANDOFF_LEDGER", ledger)
    monkeypatch.setenv("SECRET", "x")
    config = tmp_path / "config.toml"
    logins = {
        "salesforce": 'base_url = "http://127.0.0.1:1"\nclient_id_env = "SECRET"\nclient_secret_env = "SECRET"\n',
        "hubspot": 'access_token_env = "SECRET"\n',
    }
    config.write_text(
        f'mappings = "{desk.folder}"\n[daemon]\nstore_url_env = "HANDOFF_LEDGER"\n'
        f'[[systems]]\nname = "{desk.name}"\nvendor = "{desk.vendor}"\n{logins[desk.vendor]}'
    )
    done = CliRunner().invoke(build(("events",)), ["events", "unmatched", "--config", str(config), "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    told = {(row["name"], row["count"]): row["why"] for row in json.loads(done.stdout)}
    assert told == {
        ("@gmail.com", 1): "it names no account: none of the ways of product.toml finds a name in it",
        ("elsewhere", 1): "no account of a deal in handoff answers to this name",
        ("", 1): "it names no account: none of the ways of product.toml finds a name in it",
    }
    table = CliRunner().invoke(build(("events",)), ["events", "unmatched", "--config", str(config)])
    assert "elsewhere" in table.stdout
