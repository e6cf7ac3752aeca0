"""The HubSpot adapter keeps the contract against the sandbox's portal, through the vendor's client and real sockets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from contract.suite import DUE, CrmContract, Feeds, applied, patch, task
from contract.worlds import MAYA, SandboxWorld
from hubspot_portal import a_map

from connector.clock import SystemClock
from connector.crm.hubspot.adapter import HubSpotCRM
from connector.crm.hubspot.session import Waits
from connector.crm.writing import (
    Applied,
    Operation,
    Refused,
    Unknown,
    Write,
)
from connector.errors import Advice, CrmError, FaultCode
from connector.handoff.model import Kind, Ref, SystemName
from connector.sandbox.hubspot.schema import PORTAL_ID, TOKEN
from connector.sandbox.server import Sandbox

PAGE = 3
NO_WAIT = Waits(clock=SystemClock(), wait=lambda _: None)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.running() as sandbox:
        # Rates are kept by real time; their own tests are in tests/unit.
        sandbox.hs.settings.update(search_per_second=0, burst_limit=0)
        yield sandbox


def portal(sandbox: Sandbox, *, calls: Counter[str] | None = None, page_size: int = PAGE, **more: object) -> HubSpotCRM:
    """An adapter logged in to the sandbox's portal."""
    heard = calls if calls is not None else Counter()
    crm = HubSpotCRM(
        system=SystemName("hs"),
        map=a_map(),
        token=TOKEN,
        base_url=sandbox.hs_url,
        on_call=lambda kind: heard.update([kind]),
        page_size=page_size,
        waits=NO_WAIT,
        **more,  # type: ignore[arg-type]
    )
    crm.connect()
    return crm


def world_of(sandbox: Sandbox, crm: HubSpotCRM) -> SandboxWorld:
    """The portal as people see it."""
    fields = {(mapped.kind, mapped.name): mapped.field for mapped in a_map().fields.values()}
    return SandboxWorld(sandbox, sandbox.hs, crm, fields=fields, page=PAGE, tells_self=False)


class TestHubSpotContract(CrmContract):
    """Tasks and notes by unique key, changes by search."""

    @pytest.fixture
    def world(self, sandbox: Sandbox) -> SandboxWorld:
        return world_of(sandbox, portal(sandbox))


class TestHubSpotItself:
    """What only this vendor does, in the sandbox's portal."""

    @pytest.fixture
    def calls(self) -> Counter[str]:
        return Counter()

    @pytest.fixture
    def world(self, sandbox: Sandbox, calls: Counter[str]) -> SandboxWorld:
        world = world_of(sandbox, portal(sandbox, calls=calls, page_size=200))
        calls.clear()
        return world

    def test_the_portal_is_pinned(self, sandbox: Sandbox) -> None:
        assert portal(sandbox).portal_id == str(PORTAL_ID)

    def test_a_wrong_token_halts(self, sandbox: Sandbox) -> None:
        crm = HubSpotCRM(system=SystemName("hs"), map=a_map(), token="pat-wrong", base_url=sandbox.hs_url)
        with pytest.raises(CrmError) as caught:
            crm.connect()
        assert caught.value.fault.code is FaultCode.AUTH_REVOKED

    def test_people_are_owners_and_never_users(self, world: SandboxWorld) -> None:
        owners = world.crm.people()
        users = {str(row.values["userId"]) for row in world._state.table("owners").live()}
        assert owners
        assert not users & {person.id for person in owners}

    def test_won_deals_are_read_in_nine_calls_a_hundred_without_their_history(
        self, world: SandboxWorld, calls: Counter[str]
    ) -> None:
        account = world.add_account(name="All of them", country="Spain")
        ids = [world.add_deal(name=f"Won {n}", account=account, won=True) for n in range(100)]
        facts = world.crm.fetch(ids)
        calls.clear()
        facts = world.crm.fetch(ids)
        assert calls == {"deals.batch.read": 1, "associations.batch.read": 6, "companies.batch.read": 1}
        assert {each.stage_before_win for each in facts.values()} == {world.open_stage}
        assert all(each.won_at is not None for each in facts.values())

    def test_the_history_tells_of_a_win_where_stage_times_do_not(self, sandbox: Sandbox) -> None:
        calls: Counter[str] = Counter()
        seen = portal(sandbox)
        world = world_of(sandbox, seen)
        deal_id = world.add_deal(name="Won, back, won", won=True)
        for stage in (world.open_stage, world.won_stage):
            world.advance(3600)
            world.move(deal_id, stage)
        won_at = world.now()
        # Stage times are read for the pipelines that are watched; this deal's is not among them.
        other = HubSpotCRM(
            system=SystemName("hs"),
            map=a_map(pipelines=("8801001",)),
            token=TOKEN,
            base_url=sandbox.hs_url,
            on_call=lambda kind: calls.update([kind]),
            waits=NO_WAIT,
        )
        facts = other.fetch([deal_id])[deal_id]
        assert calls["deals.batch.read"] == 2
        assert facts.won_at is not None
        assert abs(facts.won_at - won_at) < timedelta(seconds=5)
        assert facts.stage_before_win == world.open_stage
        assert seen.fetch([deal_id])[deal_id].won_at == facts.won_at
        assert list(other.scan_won(None)) == []

    def test_an_idle_tick_costs_one_search_for_each_watched_type(
        self, world: SandboxWorld, calls: Counter[str]
    ) -> None:
        feeds = Feeds(world)
        for number in range(450):
            world.add_deal(name=f"Busy minute {number}")
        world.advance(5)
        assert len({change.deal_id for change in feeds.read()}) == 450
        calls.clear()
        assert feeds.read() == []
        assert calls == {f"search.{name}": 1 for name in ("deals", "tasks", "meetings", "calls", "emails")}

    def test_a_task_of_ours_names_its_deal_and_a_persons_task_is_looked_up(
        self, world: SandboxWorld, calls: Counter[str]
    ) -> None:
        ours, theirs = world.add_deal(name="Ours", won=True), world.add_deal(name="Theirs", won=True)
        made = applied(world.crm.apply([task(ours, f"hs:{ours}:1:welcome", subject="a", owner=world.person(MAYA))])[0])
        other = applied(world.crm.apply([task(theirs, "elsewhere", subject="b", owner=world.person(MAYA))])[0])
        world.advance(3600)
        feeds = Feeds(world)
        feeds.read()
        calls.clear()
        world.complete(made)
        world.advance(5)
        assert {change.deal_id for change in feeds.read()} == {ours}
        assert calls["associations.batch.read"] == 0
        world.complete(other)
        world.advance(5)
        assert theirs in {change.deal_id for change in feeds.read()}
        assert calls["associations.batch.read"] == 1

    def test_rows_that_fail_alone_come_back_and_are_made_once(self, sandbox: Sandbox, world: SandboxWorld) -> None:
        deal_id = world.add_deal(name="Half", won=True)
        writes = [task(deal_id, f"hs:{deal_id}:1:s{n}", subject=f"s{n}", owner=world.person(MAYA)) for n in range(6)]
        sandbox.hs.faults.add(system="hs", match="tasks/batch/upsert", kind="partial", count=1)
        outcomes = world.crm.apply(writes)
        failed = [write for write, each in zip(writes, outcomes, strict=True) if isinstance(each, Refused)]
        assert len(failed) == 3
        assert {each.fault.advice for each in outcomes if isinstance(each, Refused)} == {Advice.RETRY}
        for outcome in world.crm.apply(failed):
            applied(outcome)
        assert sorted(each.subject for each in world.crm.fetch([deal_id])[deal_id].tasks) == [f"s{n}" for n in range(6)]

    @pytest.mark.parametrize("kind", ["reset_after", "502", "partial", "429", "500"])
    def test_a_task_whose_link_failed_is_completed_by_looking_it_up(
        self, sandbox: Sandbox, world: SandboxWorld, kind: str
    ) -> None:
        account = world.add_account(name="Linked", country="Spain")
        deal_id = world.add_deal(name="Link", account=account, won=True)
        parents = (Ref(Kind.DEAL, deal_id), Ref(Kind.ACCOUNT, account))
        keys = {f"hs:{deal_id}:1:s{n}": deal_id for n in range(4)}
        writes = [
            Write(Kind.TASK, Operation.UPSERT, {"subject": key, "due": DUE}, key=key, parents=parents) for key in keys
        ]
        sandbox.hs.faults.add(system="hs", match="tasks/deals/batch/associate", kind=kind, count=1)
        outcomes = world.crm.apply(writes)
        assert any(not isinstance(each, Applied) for each in outcomes)
        assert all(isinstance(each, Applied | Unknown | Refused) for each in outcomes)
        assert set(world.crm.find(Kind.TASK, keys)) == set(keys)
        facts = world.crm.fetch([deal_id])[deal_id]
        assert sorted(each.subject for each in facts.tasks) == sorted(keys)

    def test_results_in_another_order_are_not_mixed_up(self, sandbox: Sandbox, world: SandboxWorld) -> None:
        deal_id = world.add_deal(name="Order", won=True)
        keys = [f"hs:{deal_id}:1:s{n}" for n in range(5)]
        sandbox.hs.faults.add(system="hs", match="tasks/batch/upsert", kind="reordered", count=1)
        made = [applied(each) for each in world.crm.apply([task(deal_id, key, subject=key) for key in keys])]
        assert world.crm.find(Kind.TASK, dict.fromkeys(keys, deal_id)) == dict(zip(keys, made, strict=True))

    def test_a_company_named_primary_is_the_account(self, sandbox: Sandbox, world: SandboxWorld) -> None:
        first = world.add_account(name="Named first", country="Spain")
        deal_id = world.add_deal(name="Two companies", account=first)
        second = world.add_account(name="Named primary", country="Spain")
        self._make_primary(sandbox, deal_id, second)
        account = world.crm.fetch([deal_id])[deal_id].account
        assert account is not None
        assert account.get("name") == "Named primary"

    def test_a_wrong_value_names_the_vendors_words(self, world: SandboxWorld) -> None:
        deal_id = world.add_deal(name="Wrong")
        (outcome,) = world.crm.apply([patch(Kind.DEAL, deal_id, gate="No such gate")])
        assert isinstance(outcome, Refused)
        assert "No such gate" in outcome.fault.message
        assert outcome.fault.vendor_code == "INVALID_OPTION"

    @staticmethod
    def _make_primary(sandbox: Sandbox, deal_id: str, company_id: str) -> None:
        from connector.sandbox.hubspot import links
        from connector.sandbox.hubspot.kinds import kind_of

        with sandbox.hs.lock:
            links.link(
                sandbox.hs, kind_of("deals"), deal_id, kind_of("companies"), company_id, by="a person", types=[5]
            )
