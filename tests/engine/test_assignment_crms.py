"""Assignment on both CRMs: shipped mappings with a few lines changed, real adapters and engine, the sandbox's records.

Not here: which CSM a method names (pure tests). One clock rules the CRM and the engine, and nothing waits.
"""

from __future__ import annotations

import json
import re
import shutil
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from connector.crm.hubspot.adapter import HubSpotCRM
from connector.crm.hubspot.session import Waits
from connector.crm.port import CRM
from connector.crm.salesforce.adapter import connect_salesforce
from connector.crm.salesforce.login import SalesforceLogin
from connector.engine.onepass import run_pass
from connector.engine.parts import Shared, System, Timing
from connector.engine.sweeper import sweep
from connector.handoff.model import SystemName
from connector.handoff.plan import Notify
from connector.policy.load import Loaded, load
from connector.sandbox import views
from connector.sandbox.hubspot.schema import TOKEN
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.fields import Field
from connector.sandbox.server import Sandbox
from connector.store import Store, open_store
from connector.telemetry import Telemetry

MAPPINGS = Path(__file__).parents[2] / "mappings"
VENDORS = {"sf": "salesforce", "hs": "hubspot"}
MAYA, TOMAS, PRIYA, JONAS = (
    f"{name}@seller.example" for name in ("maya.lindqvist", "tomas.reyes", "priya.nair", "jonas.weber")
)
DANA, REP = "dana.kowalski@seller.example", "elena.marchetti@seller.example"
OBJECTS = {"sf": ("Opportunity", "Account", "Task"), "hs": ("deals", "companies", "tasks")}
FILLED = {
    "success_criteria": "First answer in 2 hours by 1 June, judged by Ingrid Holm.",
    "champion": "Ingrid Holm, head of service, ingrid@nordlys.example",
    "why_bought": "Support costs doubled in 2025 and the board asked for a plan by June.",
    "use_case": "One inbox for three service teams, every day.",
    "commitments": "None made",
}
ONE_POOL = """
[[assignment.rules]]
name = "all"
pool = "team"
"""


def named(email: str) -> str:
    """The name behind an email."""
    return email.partition("@")[0].replace(".", " ").title()


@dataclass
class Desk:
    """A CRM with people's hands on it, and the machine that watches it."""

    name: str
    sandbox: Sandbox
    loaded: Loaded
    store: Store
    told: list[Notify] = field(default_factory=list)
    system: System = field(init=False)
    shared: Shared = field(init=False)

    def __post_init__(self) -> None:
        self.state = self.sandbox.sf if self.name == "sf" else self.sandbox.hs
        self.view = views.view(self.state)
        self.rep = self.view.user_named(REP).id
        self.restart()
        self.run(passes=2)

    def restart(self, loaded: Loaded | None = None) -> None:
        """A new process on the same database."""
        self.loaded = loaded or self.loaded
        clock = self.sandbox.clock
        self.shared = Shared(
            store=self.store,
            clock=clock,
            telemetry=Telemetry(),
            timing=Timing(echo_delay=0.0),
            owner="test",
            send_notice=self.told.append,
            stopping=threading.Event(),
        )
        name = SystemName(self.name)
        self.system = System(
            name=name,
            crm=self._crm(name),
            policy=self.loaded.policies[name],
            act=True,
            crm_map=self.loaded.maps[name],
        )

    def _crm(self, name: SystemName) -> CRM:
        crm_map, clock = self.loaded.maps[name], self.sandbox.clock
        if self.name == "hs":
            waits = Waits(clock=clock, wait=lambda _: None)
            return HubSpotCRM(system=name, map=crm_map, token=TOKEN, base_url=self.sandbox.hs_url, waits=waits)
        login = SalesforceLogin(self.sandbox.sf_url, client_id="handoff-daemon", client_secret="sandbox-secret")
        return connect_salesforce(system=name, map=crm_map, login=login, clock=clock, sleep=lambda _: None)

    def run(self, *, passes: int = 3, seconds: float = 20.0) -> None:
        """Let time pass and look, several times."""
        for _ in range(passes):
            self.sandbox.clock.advance(seconds)
            result = run_pass(self.shared, self.system)
            assert not result.error, result.error

    def win(self, name: str, *, amount: int = 8000, account: dict[str, Any] | None = None, **values: Any) -> str:
        """A rep's deal with an account of its own, filled and won."""
        with self.state.lock:
            account_id = self.view.add_account({"name": name, "country": "Norway"}, by=self.rep)
            self.set_raw(1, account_id, account or {})
            given = {
                "name": name, "amount": amount, "close_date": date(2026, 12, 1), "owner": self.rep,
                "account": account_id, **FILLED, **values,
            }  # fmt: skip
            stage = self.view.stage_of("proposal", "new").id
            deal_id = self.view.add_deal(given, stage=stage, deal_type="new", by=self.rep)
        self.sandbox.clock.advance(2)
        with self.state.lock:
            self.view.move_deal(deal_id, self.view.stage_of("won", "new").id, by=self.rep)
        self.sandbox.clock.advance(2)
        return deal_id

    def set_raw(self, which: int, record_id: str, values: dict[str, Any]) -> None:
        """Fields by the vendor's own names."""
        if values:
            self.state.table(OBJECTS[self.name][which]).update(record_id, values, by=self.rep)

    def give_away(self, deal_id: str) -> None:
        """The deal's customer leaves: nobody is CSM of the account any more, and a sweep counts."""
        with self.state.lock:
            self.set_raw(1, self.view.deal(deal_id).account, {self.field("account.csm"): None})
        self.sandbox.clock.advance(60)
        sweep(self.shared, self.system)

    def field(self, path: str) -> str:
        """The vendor's name of a field."""
        return self.loaded.maps[SystemName(self.name)].fields[path].field

    def text(self, deal_id: str, name: str) -> str:
        """One of the deal's fields by its canonical name."""
        row = self.state.table(OBJECTS[self.name][0]).get(deal_id)
        assert row is not None
        return str(row.values.get(self.field(name)) or "")

    def on_account(self, deal_id: str, name: str) -> str:
        """One of its account's."""
        row = self.state.table(OBJECTS[self.name][1]).get(self.view.deal(deal_id).account)
        assert row is not None
        return str(row.values.get(self.field(f"account.{name}")) or "")

    def csm(self, deal_id: str) -> str:
        """The CSM's email as the deal and its account have it."""
        on_deal = self.text(deal_id, "csm")
        assert on_deal == self.on_account(deal_id, "csm")
        return self.email(on_deal)

    def email(self, user_id: str) -> str:
        """A user's email; empty for nobody."""
        return next((each.email for each in self.view.users() if each.id == user_id), "")

    def tasks(self, deal_id: str) -> dict[str, str]:
        """The subjects of its tasks up to the colon, with the owner's email."""
        return {each.subject.partition(":")[0]: self.email(each.owner) for each in self.view.tasks_of(deal_id)}

    def explained(self, deal_id: str) -> str:
        """What the trail says of every decision on it."""
        entries = self.store.audit(SystemName(self.name), deal_id)
        findings = [each for entry in entries for each in entry.data.get("findings", ())]
        return " ".join(each["reason"] for each in findings if each["rule"] == "assignment")


Open = Callable[..., Desk]
Policy = Callable[..., Loaded]


@pytest.fixture(params=sorted(VENDORS))
def vendor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def policy(tmp_path: Path, vendor: str) -> Policy:
    """The shipped files with another [assignment], and lines of the CRM's mapping without their #."""
    folder = tmp_path / "mappings"
    shutil.copytree(MAPPINGS, folder)
    shipped = (MAPPINGS / "process.toml").read_text()
    begin, end = shipped.index("\n[assignment]\n") + 1, shipped.index("# --- Calendar")

    def made(assignment: str, *, uncomment: tuple[str, ...] = (), add: str = "") -> Loaded:
        head = f'[assignment]\nfallback = "{DANA}"\n'
        (folder / "process.toml").write_text(f"{shipped[:begin]}{head}{assignment}\n{shipped[end:]}")
        crm = (MAPPINGS / f"{VENDORS[vendor]}.toml").read_text()
        for name in uncomment:
            crm = re.sub(rf"^# ({name} = )", r"\1", crm, flags=re.MULTILINE)
        (folder / f"{VENDORS[vendor]}.toml").write_text(
            crm.replace("\n[fields.deal]\n", f"\n{add}\n[fields.deal]\n", 1)
        )
        return load(folder, {SystemName(vendor): VENDORS[vendor]})

    return made


@pytest.fixture
def open_desk(vendor: str, tmp_path: Path) -> Iterator[Open]:
    """Opens a desk over an empty CRM that has the fields which are not made by default."""
    with Sandbox.running() as sandbox:
        sandbox.hs.settings.update(search_per_second=0, burst_limit=0)
        own_fields(sandbox, vendor)
        store = open_store(f"sqlite:///{tmp_path / 'handoff.db'}", clock=sandbox.clock)
        yield lambda loaded: Desk(vendor, sandbox, loaded, store)
        store.close()


def own_fields(sandbox: Sandbox, vendor: str) -> None:
    """What an admin adds for territories, languages and second CSMs."""
    if vendor == "sf":
        schema = catalog(sandbox.sf)
        for name in ("Handoff_Territory__c", "Handoff_Language__c"):
            schema.put_field("Account", Field(name, "string", 80), visible=True)
        for kind in ("Opportunity", "Account"):
            second = Field("Handoff_Second_CSM__c", "reference", 18, to=("User",))
            schema.put_field(kind, second, visible=True)
        for name, kind in (("Out_Until__c", "date"), ("Handoff_Paused__c", "boolean")):
            schema.put_field("User", Field(name, kind), visible=True)  # type: ignore[arg-type]
        return
    for path, name in (("companies", "handoff_territory"), ("companies", "handoff_language")):
        add_property(sandbox, path, {"name": name, "type": "string", "fieldType": "text"})
    for path in ("companies", "deals"):
        owner = {"type": "enumeration", "fieldType": "select", "referencedObjectType": "OWNER", "externalOptions": True}
        add_property(sandbox, path, {"name": "handoff_second_csm", **owner})


def add_property(sandbox: Sandbox, path: str, spec: dict[str, Any]) -> None:
    """An admin makes a property."""
    body = {"label": spec["name"], "groupName": f"{'company' if path == 'companies' else 'deal'}information", **spec}
    request = urllib.request.Request(
        f"{sandbox.hs_url}/crm/v3/properties/{path}",
        data=json.dumps(body).encode(),
        method="POST",
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 201


def pool(members: tuple[str, ...], **keys: object) -> str:
    """A pool called team."""
    given = {"method": "round_robin", **keys}
    lines = [f"{name} = {value if isinstance(value, int) else json.dumps(value)}" for name, value in given.items()]
    return "\n".join(["[[assignment.pools]]", 'name = "team"', f"members = {json.dumps(members)}", *lines, ""])


def test_who_is_away_or_paused_gets_no_new_accounts_and_keeps_old_ones(policy: Policy, open_desk: Open) -> None:
    team = pool((MAYA, TOMAS, PRIYA)) + ONE_POOL
    desk = open_desk(policy(team))
    first = desk.win("Before")
    desk.run()
    kept = desk.csm(first)
    today = desk.sandbox.clock.now().date()
    other = next(each for each in (MAYA, TOMAS, PRIYA) if each != kept)
    since, until = today - timedelta(days=1), today + timedelta(days=3)
    away = f'away = [{{ who = "{kept}", from = {since}, to = {until} }}]\npaused = ["{other}"]\n'
    desk.restart(policy(away + team))
    later = [desk.win(f"After {n}") for n in range(2)]
    desk.run()
    assert desk.csm(first) == kept
    assert {desk.csm(each) for each in later} == {MAYA, TOMAS, PRIYA} - {kept, other}
    assert f"{named(kept)}: out of office through" in desk.explained(later[0])
    assert f"{named(other)}: paused, gets no new accounts" in desk.explained(later[0])
    desk.sandbox.clock.advance(5 * 86_400)
    back = desk.win("Back")
    desk.run()
    assert desk.csm(back) == kept


def test_deals_wait_for_a_place_and_the_oldest_gets_it(policy: Policy, open_desk: Open) -> None:
    team = pool((MAYA,), cap=1, when_full="wait") + ONE_POOL
    desk = open_desk(policy(team))
    first, second, third = desk.win("First"), desk.win("Second"), desk.win("Third")
    desk.run()
    assert [desk.csm(each) for each in (first, second, third)] == [MAYA, "", ""]
    assert "Waiting for a CSM since" in desk.text(second, "missing")
    assert "place 2 in pool team" in desk.text(third, "missing")
    assert set(desk.tasks(second).values()) == {REP}
    assert "at the cap (1 of 1 accounts)" in desk.explained(second)
    assert desk.told[-1].step == "notify-csm_assigned"

    desk.restart()
    desk.give_away(first)
    newest = desk.win("Newest")
    desk.run()
    assert [desk.csm(each) for each in (second, third, newest)] == [MAYA, "", ""]
    assert desk.text(second, "missing") == ""
    assert MAYA in desk.tasks(second).values()

    desk.restart(policy(team.replace("cap = 1", "cap = 2")))
    desk.run()
    assert [desk.csm(each) for each in (third, newest)] == [MAYA, ""], "a raised cap lets in one"

    desk.sandbox.clock.advance(4 * 86_400)
    desk.run()
    assert desk.csm(newest) == DANA
    assert "Nobody in pool team was free since" in desk.explained(newest)
    assert "notify-nobody_eligible" in {one.step for one in desk.told}


def test_a_full_pool_sends_deals_to_the_next(policy: Policy, open_desk: Open) -> None:
    small = pool((PRIYA,)).replace('"team"', '"small"')
    desk = open_desk(policy(pool((MAYA,), cap=1, when_full="next_pool", next_pool="small") + small + ONE_POOL))
    first, second = desk.win("First"), desk.win("Second")
    desk.run()
    assert [desk.csm(each) for each in (first, second)] == [MAYA, PRIYA]
    assert f"{named(MAYA)}: at the cap" in desk.explained(second)


def test_least_revenue_goes_by_what_customers_pay_and_by_shares(policy: Policy, open_desk: Open) -> None:
    team = pool((MAYA, PRIYA), method="least_revenue") + f'weights = {{ "{PRIYA}" = 0.5 }}\n' + ONE_POOL
    desk = open_desk(policy(team))
    won = []
    for number, amount in enumerate((9000, 3000, 6000, 2000)):
        won.append(desk.win(f"Deal {number}", amount=amount))
        desk.run(passes=1)
    # Maya 9000; Priya 3000, which is 6000 for half a share; Priya again, 18000; then Maya.
    assert [desk.csm(each) for each in won] == [MAYA, PRIYA, PRIYA, MAYA]


RULES = """
[[assignment.pools]]
name = "maya"
members = ["{maya}"]
method = "round_robin"

[[assignment.pools]]
name = "tomas"
members = ["{tomas}"]
method = "round_robin"

[[assignment.pools]]
name = "priya"
members = ["{priya}"]
method = "round_robin"

[[assignment.pools]]
name = "jonas"
members = ["{jonas}"]
method = "round_robin"

[[assignment.pools]]
name = "rest"
members = ["{dana}"]
method = "round_robin"

[[assignment.rules]]
name = "by territory"
pool = "maya"
when = {{ "account.territory" = {{ in = ["North", "East"] }} }}

[[assignment.rules]]
name = "by language"
pool = "tomas"
when = {{ "account.language" = {{ is = "German" }} }}

[[assignment.rules]]
name = "by product"
pool = "priya"
when = {{ product = {{ contains = "Analytics" }} }}

[[assignment.rules]]
name = "by industry"
pool = "jonas"
when = {{ "account.industry" = {{ is = "{industry}" }} }}

[[assignment.rules]]
name = "rest"
pool = "rest"
"""
INDUSTRY = {"sf": ("Industry", "Energy"), "hs": ("industry", "Energy")}


def test_rules_by_territory_language_product_and_industry(policy: Policy, open_desk: Open, vendor: str) -> None:
    people = {"maya": MAYA, "tomas": TOMAS, "priya": PRIYA, "jonas": JONAS, "dana": DANA}
    name, industry = INDUSTRY[vendor]
    desk = open_desk(policy(RULES.format(**people, industry=industry), uncomment=("territory", "language")))
    won = [
        desk.win("Territory", account={desk.field("account.territory"): "East"}),
        desk.win("Language", account={desk.field("account.language"): "German"}),
        desk.win("Product", product="Desk and Analytics"),
        desk.win("Industry", account={name: industry}),
        desk.win("Rest"),
    ]
    desk.run()
    assert [desk.csm(each) for each in won] == [MAYA, TOMAS, PRIYA, JONAS, DANA]


def test_a_second_csm_stands_beside_the_lead(policy: Policy, open_desk: Open, vendor: str) -> None:
    roles = '[teams]\ndeal = "Customer Success Manager"\ndeal_second = "Success Engineer"\n' if vendor == "sf" else ""
    team = pool((MAYA, TOMAS), second_from="team") + ONE_POOL
    desk = open_desk(policy(team, uncomment=("second_csm",), add=roles))
    won = [desk.win(f"Deal {number}") for number in range(2)]
    desk.run()
    pairs = [(desk.csm(each), desk.email(desk.text(each, "second_csm"))) for each in won]
    assert sorted(pairs) == [(MAYA, TOMAS), (TOMAS, MAYA)]
    assert [desk.on_account(each, "second_csm") for each in won] == [desk.text(each, "second_csm") for each in won]
    if vendor == "sf":
        rows = [row.values for row in desk.state.table("OpportunityTeamMember").live()]
        places = {(row["OpportunityId"], desk.email(str(row["UserId"])), row["TeamMemberRole"]) for row in rows}
        for deal_id, (lead, second) in zip(won, pairs, strict=True):
            assert (deal_id, lead, "Customer Success Manager") in places
            assert (deal_id, second, "Success Engineer") in places


PHASES = """
[[playbooks]]
name = "phases"

[[playbooks.tasks]]
step = "at-once"
subject = "At once"
owner = "phase"
within = { hours = 30 }

[[playbooks.tasks]]
step = "next-week"
subject = "Next week"
owner = "phase"
within = { hours = 30 }
after = "at-once"

[[playbooks.tasks]]
step = "either"
subject = "Either"
owner = "first_available"
within = { hours = 30 }
"""


def test_tasks_go_by_phase_and_to_whoever_is_there(policy: Policy, open_desk: Open, tmp_path: Path) -> None:
    shipped = (MAPPINGS / "playbook.toml").read_text()
    begin, end = shipped.index("[[playbooks]]"), shipped.index("\n[summary]")
    (tmp_path / "mappings" / "playbook.toml").write_text(shipped[:begin] + PHASES + shipped[end:])
    desk = open_desk(policy(pool((MAYA,)) + ONE_POOL))
    won = desk.win("Deal")
    desk.run()
    assert desk.tasks(won) == {"At once": REP, "Next week": MAYA, "Either": REP}
    today = desk.sandbox.clock.now().date()
    away = f'away = [{{ who = "{REP}", from = {today - timedelta(days=1)}, to = {today + timedelta(days=3)} }}]\n'
    desk.restart(policy(away + pool((MAYA,)) + ONE_POOL))
    later = desk.win("Later")
    desk.run()
    assert desk.tasks(later) == {"At once": REP, "Next week": MAYA, "Either": MAYA}
    assert desk.tasks(won)["Either"] == REP, "what somebody has stays with them"


@pytest.mark.parametrize("vendor", ["sf"], indirect=True)
def test_a_field_of_the_users_says_who_is_away(policy: Policy, open_desk: Open) -> None:
    people = '[people]\naway_until = "Out_Until__c"\npaused = "Handoff_Paused__c"\n'
    desk = open_desk(policy(pool((MAYA, TOMAS, PRIYA)) + ONE_POOL, add=people))
    users = desk.state.table("User")
    until = desk.sandbox.clock.now().date() + timedelta(days=2)
    with desk.state.lock:
        users.update(desk.view.user_named(MAYA).id, {"Out_Until__c": until}, by=desk.rep)
        users.update(desk.view.user_named(PRIYA).id, {"Handoff_Paused__c": True}, by=desk.rep)
    desk.run(passes=1, seconds=900)
    won = [desk.win(f"Deal {number}") for number in range(2)]
    desk.run()
    assert [desk.csm(each) for each in won] == [TOMAS, TOMAS]
    assert f"{named(MAYA)}: out of office through {until.day} " in desk.explained(won[0])


@pytest.mark.parametrize("vendor", ["sf"], indirect=True)
def test_a_field_of_the_users_that_is_not_there_is_told_and_nothing_else_stops(policy: Policy, open_desk: Open) -> None:
    desk = open_desk(policy(pool((MAYA,)) + ONE_POOL, add='[people]\naway_until = "Nowhere__c"\n'))
    told = {each.key: each.message for each in desk.system.crm.connect()}
    assert "User has no field Nowhere__c" in told["people.away_until"]
    won = desk.win("Deal")
    desk.run()
    assert desk.csm(won) == MAYA
