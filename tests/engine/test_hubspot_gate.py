"""The gate on a HubSpot portal, whoever writes the stage: shipped mapping and policy, a real adapter and engine, and a
portal of the sandbox with its workflows, rules and histories.

Not here: the daemon as a process. One clock rules the portal and the engine, and nothing waits.
"""

from __future__ import annotations

import json
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from connector.crm.hubspot.adapter import HubSpotCRM
from connector.crm.hubspot.session import Waits
from connector.engine.onepass import run_pass
from connector.engine.parts import Shared, System, Timing
from connector.errors import CrmError, Fault, FaultCode
from connector.handoff.model import SystemName
from connector.handoff.plan import Notify
from connector.policy.load import Loaded, load
from connector.sandbox import views
from connector.sandbox.hubspot.schema import TOKEN
from connector.sandbox.server import Sandbox
from connector.store import open_store
from connector.store.views import HandoffView
from connector.telemetry import Telemetry

HS = SystemName("hs")
MAPPINGS = Path(__file__).parents[2] / "mappings"
REP = "elena.marchetti@seller.example"
MANAGER = "victor.lang@seller.example"
FALLBACK = "dana.kowalski@seller.example"
OTHER_TOKEN = "pat-other-0000"
OPEN, WON = "contractsent", "closedwon"
RENEWAL_OPEN, RENEWED = "880100102", "880100103"

FILLED = {
    "success_criteria": "First answer in 2 hours by 1 June, judged by Ingrid Holm.",
    "champion": "Ingrid Holm, head of service, ingrid@nordlys.example",
    "why_bought": "Support costs doubled in 2025 and the board asked for a plan by June.",
    "use_case": "One inbox for three service teams, every day.",
    "commitments": "None made",
}
ROBOT = {"name": "Robot", "when": {"property": "dealstage", "from": WON, "to": OPEN}, "set": {"dealstage": WON}}


@dataclass
class Desk:
    """A portal with people's hands on it, and the machine that watches it."""

    sandbox: Sandbox
    loaded: Loaded
    system: System = field(init=False)
    shared: Shared = field(init=False)
    told: list[Notify] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.view = views.view(self.sandbox.hs)
        self.rep = self.view.user_named(REP).id
        self.lose_ledger()
        self.run(passes=2)
        self.calls.clear()

    def lose_ledger(self) -> None:
        """A new process with a new, empty database."""
        clock = self.sandbox.clock
        crm = HubSpotCRM(
            system=HS,
            map=self.loaded.maps[HS],
            token=TOKEN,
            base_url=self.sandbox.hs_url,
            on_call=lambda kind: self.calls.update([kind]),
            waits=Waits(clock=clock, wait=lambda _: None),
        )
        self.shared = Shared(
            store=open_store("sqlite://", clock=clock),
            clock=clock,
            telemetry=Telemetry(),
            timing=Timing(echo_delay=0.0),
            owner="test",
            send_notice=self.told.append,
            stopping=threading.Event(),
        )
        self.system = System(name=HS, crm=crm, policy=self.loaded.policies[HS], act=True)

    def run(self, *, passes: int = 2, seconds: float = 20.0) -> None:
        """Let time pass and look, several times."""
        for _ in range(passes):
            self.sandbox.clock.advance(seconds)
            result = run_pass(self.shared, self.system)
            assert not result.error, result.error

    def deal(self, *, stage: str = OPEN, deal_type: str = "new", **values: Any) -> str:
        """A rep's deal with a company of its own and nothing filled but ``values``."""
        with self.sandbox.hs.lock:
            account = self.view.add_account({"name": "Nordlys AS", "country": "Norway"}, by=self.rep)
            given = {
                "name": "Nordlys rollout", "amount": 8000, "close_date": date(2026, 12, 1), "owner": self.rep,
                "account": account, **values,
            }  # fmt: skip
            return self.view.add_deal(given, stage=stage, deal_type=deal_type, by=self.rep)

    def move(self, deal_id: str, stage: str = WON, *, by: str = "") -> None:
        """Somebody or something moves a deal."""
        with self.sandbox.hs.lock:
            self.view.move_deal(deal_id, stage, by=by or self.rep)
        self.sandbox.clock.advance(2)

    def fill(self, deal_id: str, **values: Any) -> None:
        """The rep fills fields."""
        with self.sandbox.hs.lock:
            self.view.set_deal(deal_id, values, by=self.rep)

    def api(self, path: str, body: Any, *, method: str = "PATCH") -> int:
        """Another integration calls the API."""
        request = urllib.request.Request(
            self.sandbox.hs_url + path,
            data=json.dumps(body).encode(),
            method=method,
            headers={"Authorization": f"Bearer {OTHER_TOKEN}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            return int(answer.status)

    def text(self, deal_id: str, name: str) -> str:
        """One of the deal's fields by its canonical name."""
        mapped = self.loaded.maps[HS].fields[name].field
        return str(self.sandbox.hs.table("deals").get(deal_id).values.get(mapped) or "")

    def stage(self, deal_id: str) -> str:
        """Where it stands."""
        return self.text(deal_id, "stage")

    def steps(self, deal_id: str) -> list[str]:
        """The stages it has been in, oldest first."""
        history = self.sandbox.hs.table("deals").get(deal_id).history
        return [str(change.new) for change in history if change.field == "dealstage"]

    def handoff(self, deal_id: str) -> HandoffView:
        """What the ledger has of it."""
        found = self.shared.store.handoff(HS, deal_id)
        assert found is not None
        return found

    def reasons(self, deal_id: str) -> str:
        """What `explain` says of it."""
        plan = self.handoff(deal_id).plan
        assert plan is not None
        return " ".join(str(finding["reason"]) for finding in plan["findings"])

    def counted(self, event: str) -> float:
        """The metric of something the gate noticed."""
        labels = {"system": HS, "event": event}
        return self.shared.telemetry.registry.get_sample_value("handoff_gate_events_total", labels) or 0.0


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.running() as sandbox:
        sandbox.hs.settings.update(search_per_second=0, burst_limit=0)
        sandbox.hs.settings["tokens"] = {**sandbox.hs.settings.get("tokens", {}), OTHER_TOKEN: "app:BillingBridge"}
        yield sandbox


@pytest.fixture(scope="module")
def shared_desk(sandbox: Sandbox) -> Desk:
    return Desk(sandbox, load(MAPPINGS, {HS: "hubspot"}))


@pytest.fixture
def desk(shared_desk: Desk) -> Iterator[Desk]:
    settings = shared_desk.sandbox.hs.settings
    shared_desk.told.clear()
    yield shared_desk
    for name in ("workflows", "conditional_rules", "stage_permissions"):
        settings.pop(name, None)


# whoever writes it


def by_v3(desk: Desk, deal_id: str) -> None:
    desk.api(f"/crm/v3/objects/deals/{deal_id}", {"properties": {"dealstage": WON}})


def by_dated(desk: Desk, deal_id: str) -> None:
    inputs = [{"id": deal_id, "properties": {"dealstage": WON}}]
    desk.api("/crm/objects/2026-03/deals/batch/update", {"inputs": inputs}, method="POST")


def by_workflow(desk: Desk, deal_id: str) -> None:
    flow = {"name": "Signed", "when": {"property": "amount", "to": "8001"}, "set": {"dealstage": WON}}
    desk.sandbox.hs.settings["workflows"] = [flow]
    desk.fill(deal_id, amount=8001)
    desk.api(f"/crm/v3/objects/deals/{deal_id}", {"properties": {}})
    assert desk.stage(deal_id) == WON


WAYS = {
    "a rep": (lambda desk, deal_id: desk.move(deal_id), "Elena Marchetti"),
    "an import": (lambda desk, deal_id: desk.move(deal_id, by="import"), "An import"),
    "an older API version": (by_v3, "Another integration (BillingBridge)"),
    "a batch of a dated version": (by_dated, "Another integration (BillingBridge)"),
    "a workflow": (by_workflow, "A workflow (Signed)"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_win_with_gaps_goes_back_where_it_came_from_whoever_wrote_it(desk: Desk, way: str) -> None:
    win, mover = WAYS[way]
    desk.sandbox.hs.settings["conditional_rules"] = [
        {"object": "deals", "property": "handoff_champion", "controlling": "dealstage", "values": [WON]}
    ]
    deal_id = desk.deal(champion="", success_criteria=FILLED["success_criteria"])
    win(desk, deal_id)
    desk.run()
    desk.run()
    assert desk.stage(deal_id) == OPEN
    assert desk.text(deal_id, "gate") == "Held"
    lines = desk.text(deal_id, "missing").splitlines()
    assert lines[0].startswith("Not Closed Won yet: 4 of 5 required fields are empty.")
    assert len(lines) == 5
    assert f"{mover} had moved it to Closed Won." in desk.reasons(deal_id)
    assert not desk.view.tasks_of(deal_id)
    desk.fill(deal_id, **FILLED)
    desk.run()
    desk.move(deal_id)
    desk.run()
    assert desk.text(deal_id, "gate") == "Released"
    assert len(desk.view.tasks_of(deal_id)) >= 5


@pytest.mark.parametrize("tier", ["free", "pro"])
def test_the_gate_holds_on_any_tier(desk: Desk, tier: str) -> None:
    before = desk.sandbox.hs.settings.get("tier")
    desk.sandbox.hs.settings["tier"] = tier
    try:
        deal_id = desk.deal()
        desk.move(deal_id)
        desk.run()
        assert (desk.stage(deal_id), desk.text(deal_id, "gate")) == (OPEN, "Held")
    finally:
        desk.sandbox.hs.settings["tier"] = before or "enterprise"


def test_a_win_that_came_with_another_pipeline_goes_back_to_the_one_it_came_from(desk: Desk) -> None:
    deal_id = desk.deal()
    with desk.sandbox.hs.lock:
        desk.sandbox.hs.table("deals").update(deal_id, {"pipeline": "8801001", "dealstage": RENEWED}, by=desk.rep)
    desk.run()
    assert desk.stage(deal_id) == OPEN
    assert desk.sandbox.hs.table("deals").get(deal_id).values["pipeline"] == "default"


def test_the_second_pipelines_win_is_known_by_its_probability(desk: Desk) -> None:
    deal_id = desk.deal(stage=RENEWAL_OPEN, deal_type="renewal")
    desk.move(deal_id, RENEWED)
    desk.run()
    assert desk.stage(deal_id) == RENEWAL_OPEN
    assert desk.text(deal_id, "gate") == "Held"


# between two polls


def test_a_win_reopened_between_two_polls_is_seen_with_the_time_of_its_transition(desk: Desk) -> None:
    deal_id = desk.deal(**FILLED)
    desk.run()
    before = desk.counted("passed_win")
    desk.sandbox.clock.advance(300)
    desk.move(deal_id)
    won_at = desk.sandbox.hs.table("deals").get(deal_id).history[-1].at
    desk.move(deal_id, OPEN)
    desk.run()
    found = desk.handoff(deal_id)
    assert (found.phase, found.generation) == ("reopened", 1)
    assert found.won_at is not None
    assert abs(found.won_at - won_at) < timedelta(seconds=1)
    assert found.left_won_at is not None
    assert found.won_at < found.left_won_at
    assert "by Elena Marchetti" in found.reason
    assert desk.counted("passed_win") == before + 1
    desk.run(seconds=400)
    assert desk.counted("passed_win") == before + 1
    desk.move(deal_id)
    desk.run()
    assert (desk.handoff(deal_id).phase, desk.handoff(deal_id).generation) == ("in_flight", 1)


def test_a_win_with_gaps_reopened_between_two_polls_tells_the_rep_all_the_same(desk: Desk) -> None:
    deal_id = desk.deal()
    desk.run()
    desk.move(deal_id)
    desk.move(deal_id, OPEN)
    desk.run()
    assert desk.text(deal_id, "gate") == "Held"
    assert desk.text(deal_id, "missing").startswith("Not Closed Won yet: 5 of 5")
    assert desk.handoff(deal_id).phase == "held"


# fights


def fought(desk: Desk, deal_id: str) -> None:
    assert desk.stage(deal_id) == WON
    assert desk.steps(deal_id) == [OPEN, WON, OPEN, WON, OPEN, WON]
    first = desk.text(deal_id, "missing").splitlines()[0]
    assert "The deal was put back twice and a workflow (Robot) moved it to Closed Won again each time" in first
    assert desk.text(deal_id, "gate") == "Held"


def test_a_workflow_that_moves_a_deal_again_is_given_way_to_after_the_second_time(desk: Desk) -> None:
    desk.sandbox.hs.settings["workflows"] = [ROBOT]
    deal_id = desk.deal()
    fights = desk.counted("fight")
    desk.move(deal_id)
    desk.run(passes=8)
    fought(desk, deal_id)
    (message,) = [each for each in desk.told if each.step == "notify-deal_fought"]
    assert message.to_email == FALLBACK
    assert "a workflow (Robot) moved it" in message.text
    assert desk.counted("fight") == fights + 1
    desk.run(passes=2, seconds=3600)
    fought(desk, deal_id)
    desk.fill(deal_id, **FILLED)
    desk.run()
    assert desk.text(deal_id, "gate") == "Released"
    assert desk.text(deal_id, "missing") == ""


def test_a_person_who_moves_a_deal_again_is_put_back_every_time(desk: Desk) -> None:
    deal_id = desk.deal()
    for _ in range(4):
        desk.move(deal_id)
        desk.run()
        assert desk.stage(deal_id) == OPEN


def test_another_integration_is_named_as_what_moves_the_deal(desk: Desk) -> None:
    deal_id = desk.deal()
    for _ in range(3):
        by_v3(desk, deal_id)
        desk.run()
    assert desk.stage(deal_id) == WON
    assert "another integration (BillingBridge) moved it" in desk.text(deal_id, "missing")


def test_a_ledger_that_was_lost_in_the_middle_of_a_fight_does_not_begin_it_anew(desk: Desk) -> None:
    deal_id = desk.deal()
    desk.move(deal_id)
    desk.run()
    desk.move(deal_id, by="flow:Robot")
    desk.run()
    desk.sandbox.clock.advance(5)
    desk.lose_ledger()
    desk.run()
    desk.move(deal_id, by="flow:Robot")
    desk.run()
    fought(desk, deal_id)


def test_a_hold_whose_message_went_with_the_ledger_is_told_when_the_deal_says_that_it_is_held(desk: Desk) -> None:
    def away(_notice: Notify) -> None:
        raise CrmError(Fault(FaultCode.UNAVAILABLE, "503", "the chat is down"))

    def lose_ledger_and_run() -> list[str]:
        desk.told.clear()
        desk.lose_ledger()
        # As the note beside the database tells it.
        desk.shared.store.set_baseline(HS, began)
        desk.run(passes=3)
        return [each.key for each in desk.told if each.deal_id == deal_id]

    began = desk.sandbox.clock.now()
    desk.shared = replace(desk.shared, send_notice=away)
    deal_id = desk.deal()
    desk.move(deal_id)
    desk.run()
    assert desk.stage(deal_id) == OPEN
    assert desk.told == []
    key = f"{HS}:{deal_id}:1:notify-deal_held:{desk.rep}"
    assert lose_ledger_and_run() == [key], "told once, under the key it would have had"
    assert lose_ledger_and_run() == [key], "nobody knows whether it was sent: repeated at worst"
    desk.sandbox.clock.advance(4 * 24 * 3600)
    assert lose_ledger_and_run() == [], "nobody is told of old holds"


# refusals


def test_a_put_back_that_a_rule_refuses_is_a_hold_in_the_portals_words(desk: Desk) -> None:
    desk.sandbox.hs.settings["conditional_rules"] = [
        {"object": "deals", "property": "handoff_use_case", "controlling": "dealstage", "values": [OPEN]}
    ]
    deal_id = desk.deal(stage="qualifiedtobuy")
    desk.move(deal_id, OPEN)
    desk.move(deal_id)
    desk.run()
    updates = desk.calls["deals.batch.update"]
    first = desk.text(deal_id, "missing").splitlines()[0]
    assert desk.stage(deal_id) == WON
    assert first.startswith("The handoff is on hold: 5 of 5 required fields are empty. The deal could not be put back")
    assert "handoff_use_case is required because of a conditional property rule based on [dealstage]. Fill in" in first
    assert "handoff retry" in desk.shared.store.parked(HS)[0].error.message
    desk.run(passes=3, seconds=1200)
    assert desk.calls["deals.batch.update"] == updates, "it is not tried again"
    assert [(row.deal_id, row.attempt) for row in desk.shared.store.parked(HS)] == [(deal_id, 1)]
    desk.sandbox.hs.settings["conditional_rules"] = []
    desk.shared.store.retry()
    desk.run()
    assert (desk.stage(deal_id), desk.shared.store.parked(HS)) == (OPEN, ())


def test_a_deal_from_a_stage_that_is_gone_goes_back_to_the_one_before(desk: Desk) -> None:
    deal_id = desk.deal(stage="qualifiedtobuy")
    row = desk.sandbox.hs.table("deals").get(deal_id)
    desk.move(deal_id, OPEN)
    desk.move(deal_id)
    for change in row.history:
        if change.field == "dealstage":
            object.__setattr__(change, "new", "long-gone" if change.new == OPEN else change.new)
            object.__setattr__(change, "old", "long-gone" if change.old == OPEN else change.old)
    desk.run()
    assert desk.stage(deal_id) == "qualifiedtobuy"


# overrides


def override(desk: Desk, **changes: Any) -> dict[str, Any]:
    today = desk.shared.clock.now().date()
    plain = {
        "override_requested": True,
        "override_approver": desk.view.user_named(MANAGER).id,
        "override_reason": "The customer starts on Monday, the rest follows by Friday",
        "override_expires": today + timedelta(days=5),
    }
    return {**plain, **changes}


def test_an_override_by_owner_id_lets_a_deal_through(desk: Desk) -> None:
    deal_id = desk.deal(**override(desk))
    desk.move(deal_id)
    desk.run()
    assert (desk.stage(deal_id), desk.text(deal_id, "gate")) == (WON, "Overridden")


def test_an_override_by_user_id_is_told_as_a_mistake(desk: Desk) -> None:
    owner = desk.sandbox.hs.table("owners").get(desk.view.user_named(MANAGER).id)
    deal_id = desk.deal(**override(desk))
    with desk.sandbox.hs.lock:
        approver = desk.loaded.maps[HS].fields["override_approver"].field
        desk.sandbox.hs.table("deals").get(deal_id).values[approver] = str(owner.values["userId"])
    desk.move(deal_id)
    desk.run()
    assert desk.stage(deal_id) == OPEN
    assert desk.text(deal_id, "missing").splitlines()[-1] == (
        "The override does not count: the approver's field holds the user id of Victor Lang and not an owner: "
        "choose the person from the list."
    )


def test_an_override_that_expired_or_whose_approver_left_does_not_count(desk: Desk) -> None:
    # Two days: while a day has begun in UTC, the one before may still be today in the team's time zone.
    over = desk.shared.clock.now().date() - timedelta(days=2)
    expired = desk.deal(**override(desk, override_expires=over))
    left = desk.deal(**override(desk, override_approver=desk.view.user_named("lena.frost@seller.example").id))
    for deal_id, words in ((expired, f"it expired on {over.isoformat()}"), (left, "is no longer active")):
        desk.move(deal_id)
        desk.run()
        assert desk.stage(deal_id) == OPEN
        assert words in desk.text(deal_id, "missing").splitlines()[-1]


# what it costs


def test_histories_are_read_fifty_at_a_time_and_only_of_deals_that_may_have_been_fought_over(desk: Desk) -> None:
    held = [desk.deal() for _ in range(51)]
    for deal_id in held:
        desk.move(deal_id)
    desk.run(passes=3)
    assert {desk.stage(each) for each in held} == {OPEN}
    plain = [desk.deal(**FILLED) for _ in range(50)]
    never = [desk.deal() for _ in range(10)]
    for deal_id in plain:
        desk.move(deal_id)
    desk.calls.clear()
    facts = desk.system.crm.fetch((*plain, *never))
    assert desk.calls["deals.batch.read"] == 1, "first wins whose stage times agree cost no history"
    assert {facts[each].stage_before_win for each in plain} == {OPEN}
    assert all(facts[each].won_at is not None for each in plain)
    desk.calls.clear()
    facts = desk.system.crm.fetch((*plain, *held))
    assert desk.calls["deals.batch.read"] == 2 + 2, "101 deals, and 51 histories"
    assert all(facts[each].passed for each in held)
    assert not any(facts[each].passed for each in plain)
