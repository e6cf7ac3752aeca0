"""The language of playbooks on both CRMs: shipped maps, real adapters and engine, the sandbox's org and portal.

Not here: the rules by themselves (``tests/unit/test_core_language.py``) and the daemon as a process. One clock rules
the CRM and the engine, and nothing waits.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from connector.crm.hubspot.adapter import HubSpotCRM
from connector.crm.hubspot.session import Waits
from connector.crm.port import CRM
from connector.crm.salesforce.adapter import connect_salesforce
from connector.crm.salesforce.login import SalesforceLogin
from connector.engine.onepass import run_pass
from connector.engine.parts import Shared, System, Timing
from connector.handoff.model import DealType, Status, SystemName
from connector.handoff.plan import Notify
from connector.policy.load import Loaded, load
from connector.sandbox import views
from connector.sandbox.hubspot.schema import TOKEN
from connector.sandbox.server import Sandbox
from connector.sandbox.views import TaskView
from connector.store import open_store
from connector.telemetry import Telemetry

MAPPINGS = Path(__file__).parents[2] / "mappings"
REP = "elena.marchetti@seller.example"
VICTOR = "victor.lang@seller.example"
RUTH = "ruth.adeyemi@seller.example"
NEW_YORK = ZoneInfo("America/New_York")
OPEN = {"salesforce": "Negotiation/Review", "hubspot": "contractsent"}
WON = {"salesforce": "Closed Won", "hubspot": "closedwon"}
FILLED = {
    "success_criteria": "First answer in 2 hours by 1 June, judged by Ingrid Holm.",
    "champion": "Ingrid Holm, head of service, ingrid@nordlys.example",
    "why_bought": "Support costs doubled in 2025 and the board asked for a plan by June.",
    "use_case": "One inbox for three service teams, every day.",
    "commitments": "None made",
}
CHECKED = """\
[[playbooks]]
name = "checked"
when = { deal_type = { is = "new" } }

[[playbooks.tasks]]
step = "call"
subject = "Call: {{ account }}"
owner = "csm"
within = { working_hours = 8 }
done_when = [{ signal = "call_logged" }]

[[playbooks.tasks]]
step = "late"
subject = "Late: {{ account }}"
owner = "csm"
within = { working_hours = 2 }
priority = "high"
missed = [
  "remind",
  { do = "reassign", after = { working_hours = 1 } },
  { do = "escalate", after = { working_hours = 1 } },
]

[[playbooks.tasks]]
step = "day-7"
subject = "Day 7: {{ account }}"
owner = "csm"
within = { working_days = 1 }
trigger = { anchor = "won", days = 7 }

[[playbooks.tasks]]
step = "sponsor"
subject = "Sponsor: {{ account }}"
owner = "ae"
within = { working_days = 1 }
trigger = { when = { amount = { at_least = 9000 } } }

[[playbooks.tasks]]
step = "ready"
subject = "Ready: {{ account }}"
owner = "csm"
within = { working_days = 1 }
trigger = { anchor = "go_live_date", working_days = 3, before = true }
"""
ADDED = """
[[playbooks.tasks]]
step = "added-later"
subject = "Added later: {{ account }}"
owner = "csm"
within = { working_days = 1 }
"""


@dataclass
class Desk:
    """One CRM with people's hands on it, and the machine that watches it."""

    sandbox: Sandbox
    vendor: str
    folder: Path
    told: list[tuple[datetime, Notify]] = field(default_factory=list)
    loaded: Loaded = field(init=False)
    system: System = field(init=False)
    shared: Shared = field(init=False)

    def __post_init__(self) -> None:
        self.side = self.sandbox.sf if self.vendor == "salesforce" else self.sandbox.hs
        self.view = views.view(self.side)
        self.rep = self.view.user_named(REP).id
        self.loaded = self.load()
        clock = self.sandbox.clock
        self.shared = Shared(
            store=open_store("sqlite://", clock=clock),
            clock=clock,
            telemetry=Telemetry(),
            timing=Timing(echo_delay=0.0),
            owner="test",
            send_notice=lambda notice: self.told.append((clock.now(), notice)),
            stopping=threading.Event(),
        )
        self.begin()

    @property
    def name(self) -> SystemName:
        return SystemName(self.vendor[:2])

    def load(self) -> Loaded:
        return load(self.folder, {self.name: self.vendor})

    def begin(self) -> None:
        """A new process on the same ledger, with the mappings as they are now."""
        self.loaded = self.load()
        self.system = System(name=self.name, crm=self.crm(), policy=self.loaded.policies[self.name], act=True)
        self.run()

    def crm(self) -> CRM:
        map = self.loaded.maps[self.name]
        if self.vendor == "salesforce":
            login = SalesforceLogin(self.sandbox.sf_url, client_id="handoff-daemon", client_secret="sandbox-secret")
            return connect_salesforce(system=self.name, map=map, login=login)
        waits = Waits(clock=self.sandbox.clock, wait=lambda _: None)
        return HubSpotCRM(
            system=self.name, map=map, token=TOKEN, base_url=self.sandbox.hs_url, on_call=lambda _: None, waits=waits
        )

    def run(self, *, passes: int = 3, seconds: float = 20.0) -> None:
        for _ in range(passes):
            self.sandbox.clock.advance(seconds)
            result = run_pass(self.shared, self.system)
            assert not result.error, result.error

    def until(self, moment: datetime) -> None:
        """Let time pass; then look."""
        self.sandbox.clock.advance(max((moment - self.sandbox.clock.now()).total_seconds(), 0.0))
        self.run()

    def hours(self, count: float) -> None:
        self.until(self.sandbox.clock.now() + timedelta(hours=count))

    def won(self, **values: object) -> str:
        with self.side.lock:
            account = self.view.add_account({"name": "Nordlys AS", "country": "Norway"}, by=self.rep)
            given = {"name": "Nordlys rollout", "amount": 8000, "close_date": date(2026, 12, 1), "owner": self.rep}
            stage = OPEN[self.vendor]
            whole = {**given, "account": account, **FILLED, **values}
            deal = self.view.add_deal(whole, stage=stage, deal_type=DealType.NEW, by=self.rep)
        self.run()
        with self.side.lock:
            self.view.move_deal(deal, WON[self.vendor], by=self.rep)
        self.run()
        return deal

    def set(self, deal: str, **values: object) -> None:
        with self.side.lock:
            self.view.set_deal(deal, values, by=self.rep)

    def tasks(self, deal: str) -> dict[str, TaskView]:
        """The connector's tasks by step; none is there twice."""
        found = [one for one in self.view.tasks_of(deal) if one.key]
        by_step = {one.key.rsplit(":", 1)[1]: one for one in found if one.key}
        assert len(by_step) == len(found)
        return by_step

    def who(self, person_id: str) -> str:
        return next(one.email for one in self.view.users() if one.id == person_id)

    def late(self) -> list[tuple[datetime, str]]:
        """Who was told of what is late, and when by the team's clock."""
        own = ((at, one) for at, one in self.told if one.step.startswith("notify-late-"))
        return [(at.astimezone(NEW_YORK), one.to_email) for at, one in own]


@pytest.fixture(params=["salesforce", "hubspot"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    folder = tmp_path / "mappings"
    shutil.copytree(MAPPINGS, folder)
    (folder / "playbooks" / "checked.toml").write_text(CHECKED)
    name_file(folder, "checked")
    with Sandbox.running() as sandbox:
        sandbox.hs.settings.update(search_per_second=0, burst_limit=0)
        monday = datetime(2027, 2, 1, 15, 0, tzinfo=sandbox.clock.now().tzinfo)
        sandbox.clock.advance((monday - sandbox.clock.now()).total_seconds())
        yield Desk(sandbox, request.param, folder)


def name_file(folder: Path, name: str) -> None:
    process = folder / "process.toml"
    text = process.read_text()
    assert "# playbooks = [" in text
    process.write_text(
        text.replace("rewin_window_days = 30", f'rewin_window_days = 30\nplaybooks = ["playbooks/{name}.toml"]')
    )


def test_triggers_signals_and_a_kept_playbook(desk: Desk) -> None:
    deal = desk.won()
    assert set(desk.tasks(deal)) == {"call", "late"}
    csm = desk.tasks(deal)["call"].owner

    # A field says so; a date is filled and its day comes; a call is logged by the CSM.
    desk.set(deal, amount=9500)
    desk.run()
    assert set(desk.tasks(deal)) == {"call", "late", "sponsor"}
    assert desk.who(desk.tasks(deal)["sponsor"].owner) == REP
    desk.set(deal, go_live_date=date(2027, 2, 11))
    with desk.side.lock:
        at = desk.sandbox.clock.now()
        desk.view.add_activity(deal, "call", subject="Hello", body="", at=at, minutes=10, by=csm)
    desk.hours(1)
    assert desk.tasks(deal)["call"].done
    desk.until(datetime(2027, 2, 8, 14, 5, tzinfo=at.tzinfo))
    assert set(desk.tasks(deal)) == {"call", "late", "sponsor", "day-7", "ready"}

    # A step that comes to the playbook is for handoffs that begin afterwards.
    (desk.folder / "playbooks" / "checked.toml").write_text(CHECKED + ADDED)
    desk.begin()
    desk.set(deal, amount=9600)
    desk.run()
    assert "added-later" not in desk.tasks(deal)
    other = desk.won()
    assert "added-later" in desk.tasks(other)


def test_a_task_that_nobody_does_goes_up_the_ladder_once(desk: Desk) -> None:
    deal = desk.won()
    csm = desk.tasks(deal)["late"].owner
    ends = desk.sandbox.clock.now() + timedelta(days=9)
    while (ahead := desk.shared.store.next_due(desk.name)) is not None and ahead < ends:
        desk.until(ahead)
    fallback = "dana.kowalski@seller.example"
    assert [email for _, email in desk.late()] == [desk.who(csm), fallback, REP, VICTOR, RUTH, fallback]
    assert all(9 <= at.hour < 17 and at.weekday() < 5 for at, _ in desk.late())
    assert desk.who(desk.tasks(deal)["late"].owner) == fallback
    assert not desk.tasks(deal)["late"].done


def test_the_five_stages_move_handoff_status(desk: Desk) -> None:
    name = desk.folder / "process.toml"
    name.write_text(name.read_text().replace("playbooks/checked.toml", "playbooks/five-stages.toml", 1))
    desk.begin()
    deal = desk.won()
    seen = [desk.view.deal(deal).text("status")]
    began = desk.sandbox.clock.now()
    for day in (2, 8, 29):
        desk.until(began + timedelta(days=day))
        seen.append(desk.view.deal(deal).text("status"))
    assert seen == [each.value for each in Status][1:]


SHORT_FRIDAYS = """
[[calendars]]
name = "Customer success"
time_zone = "America/New_York"
team = "cs"
hours = [
  { days = ["mon", "tue", "wed", "thu"], from = "09:00", to = "17:00" },
  { days = ["fri"], from = "09:00", to = "15:00" },
]
"""


def test_a_win_on_friday_after_three_is_acted_on_now_and_onboarded_on_monday(desk: Desk) -> None:
    process = desk.folder / "process.toml"
    name = process.read_text().replace('playbooks = ["playbooks/checked.toml"]', "", 1)
    process.write_text(name + SHORT_FRIDAYS)
    own = desk.folder / "playbook.toml"
    own.write_text(own.read_text().replace("\nwithin = { working_hours = 2 }", "\nwithin = { working_hours = 1 }", 1))
    desk.begin()
    desk.until(datetime(2027, 2, 5, 15, 20, tzinfo=NEW_YORK))
    deal = desk.won()
    tasks = desk.tasks(deal)
    assert len(tasks) == 5
    assert [one.to_email for _, one in desk.told if one.step == "notify-csm_assigned"] == [
        desk.who(tasks["schedule-setup-call"].owner)
    ]
    due = {step: one.due.date() for step, one in tasks.items() if one.due}
    assert due["welcome-packet"] == date(2027, 2, 5)
    desk.until(datetime(2027, 2, 5, 15, 40, tzinfo=NEW_YORK))
    with desk.side.lock:
        desk.view.complete_task(tasks["welcome-packet"].id, by=desk.rep)
    desk.run()
    called = desk.tasks(deal)["schedule-setup-call"].due
    assert called is not None
    assert called.date() == date(2027, 2, 8)


def test_the_csm_is_told_within_minutes_and_a_deal_that_is_won_again_makes_nothing_twice(desk: Desk) -> None:
    asked = desk.sandbox.clock.now()
    deal = desk.won()
    ((at, notice),) = [(at, one) for at, one in desk.told if one.step == "notify-csm_assigned"]
    assert at - asked < timedelta(minutes=5)
    assert notice.to_email == desk.who(desk.tasks(deal)["call"].owner)
    tasks, notes = desk.tasks(deal), desk.view.notes_of(deal)
    with desk.side.lock:
        desk.view.move_deal(deal, OPEN[desk.vendor], by=desk.rep)
    desk.hours(2)
    with desk.side.lock:
        desk.view.move_deal(deal, WON[desk.vendor], by=desk.rep)
    desk.hours(1)
    assert {step: one.id for step, one in desk.tasks(deal).items()} == {step: one.id for step, one in tasks.items()}
    assert [one.id for one in desk.view.notes_of(deal)] == [one.id for one in notes]
    assert [one.step for _, one in desk.told].count("notify-csm_assigned") == 1
