"""What only Salesforce has: its call counts, its faults, a JWT login, fields a login cannot see."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from contract.maps import FIELDS, salesforce_map
from contract.suite import Feeds, applied, patch, task
from contract.worlds import MAYA, SandboxWorld
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from connector.crm.port import (
    ChangePage,
)
from connector.crm.salesforce.adapter import SalesforceCRM, connect_salesforce
from connector.crm.salesforce.login import SalesforceLogin
from connector.crm.writing import (
    Refused,
    Unknown,
)
from connector.errors import Advice, CrmError, Fault, FaultCode
from connector.handoff.model import Kind, SystemName
from connector.sandbox.server import Sandbox

DEALS = 600
TASKS_EACH = 5


class Rig:
    """A sandbox, an adapter on it and the calls it made."""

    def __init__(self, sandbox: Sandbox, **options: Any) -> None:
        self.sandbox = sandbox
        self.calls: Counter[str] = Counter()
        given: dict[str, Any] = {
            "map": salesforce_map(),
            "login": SalesforceLogin(sandbox.sf_url, client_id="handoff-daemon", client_secret="sandbox-secret"),
            "on_call": lambda label: self.calls.update([label]),
            "sleep": lambda _seconds: None,
            "timeouts": (2.0, 1.0),
        }
        self.crm: SalesforceCRM = connect_salesforce(system=SystemName("sf"), **{**given, **options})
        self.world = SandboxWorld(sandbox, sandbox.sf, self.crm, fields=FIELDS, page=2000, tells_self=True)

    def fault(self, match: str, kind: str, **more: Any) -> None:
        self.sandbox.sf.faults.add(system="sf", match=match, kind=kind, **more)


@pytest.fixture
def rig() -> Iterator[Rig]:
    with Sandbox.running() as sandbox:
        yield Rig(sandbox)


def many_won(rig: Rig) -> list[str]:
    account = rig.world.add_account(name="One of many", country="Norway")
    return [rig.world.add_deal(name=f"Deal {n}", account=account, won=True) for n in range(DEALS)]


def test_six_hundred_deals_with_all_that_hangs_on_them_are_read_in_few_calls(rig: Rig) -> None:
    rig.crm.connect()
    rig.crm.stages()
    ids = many_won(rig)
    csm = rig.world.person(MAYA)
    due = date(2026, 12, 1)
    rows = [task(each, f"{each}:{n}", subject="S", due=due, owner=csm) for each in ids for n in range(TASKS_EACH)]
    for start in range(0, len(rows), 200):
        rig.crm.apply(rows[start : start + 200])
    rig.calls.clear()
    facts = rig.crm.fetch(ids)
    assert sum(len(each.tasks) for each in facts.values()) == DEALS * TASKS_EACH
    # Deals and accounts by id, one Composite for tasks, notes, events and history, one more page of tasks.
    assert rig.calls == {"collections.get": 2, "composite": 1, "queryMore": 1}


def test_plain_queries_read_the_same(rig: Rig) -> None:
    with_bulk, plain = rig.crm, Rig(rig.sandbox, bulk_reads=False)
    with_bulk.connect()
    plain.crm.connect()
    ids = many_won(rig)
    assert plain.crm.fetch(ids) == with_bulk.fetch(ids)
    assert plain.calls["composite"] == plain.calls["collections.get"] == 0


def test_whoever_only_reads_gets_the_last_wins_as_text_by_retrieve_or_by_query(rig: Rig) -> None:
    retrieved, plain = rig.crm, Rig(rig.sandbox, bulk_reads=False).crm
    account = rig.world.add_account(name="Nordlys", country="Norway")
    ids = [rig.world.add_deal(name=f"Deal {n}", account=account, won=n != 1) for n in range(3)]
    for number, each in enumerate(ids):
        rig.world.edit(each, close_date=date(2026, 3, number + 1))
    fields = ["Name", "NextStep", *(f"Handoff_{name}__c" for name in ("Champion", "Risks", "Use_Case"))]
    for crm in (retrieved, plain):
        assert crm.visit().keys() == {Kind.DEAL, Kind.ACCOUNT}
        assert crm.last_won(5) == (ids[2], ids[0])
        assert crm.last_won(1) == (ids[2],)
        assert crm.last_won(5, since=date(2026, 3, 2)) == (ids[2],)
        assert crm.texts(Kind.DEAL, ids, fields) == {each: {"Name": f"Deal {n}"} for n, each in enumerate(ids)}
        assert crm.texts(Kind.ACCOUNT, [account], ["Name"]) == {account: {"Name": "Nordlys"}}


def test_an_idle_tick_costs_one_call(rig: Rig) -> None:
    rig.crm.connect()
    many_won(rig)
    rig.world.advance(3600)
    cursors = {feed: rig.crm.start_cursor(feed, rig.world.now()) for feed in rig.crm.feeds()}
    for _ in range(2):
        rig.calls.clear()
        pages = rig.crm.poll(cursors)
        assert all(isinstance(page, ChangePage) and page.changes == () for page in pages.values())
        cursors = {feed: page.cursor for feed, page in pages.items() if isinstance(page, ChangePage)}
    assert set(pages) == set(rig.crm.feeds())
    assert rig.calls == {"composite": 1}


def test_without_composite_each_feed_costs_a_call_and_one_that_fails_stops_no_other(rig: Rig) -> None:
    rig.crm.connect()
    cursors = {feed: rig.crm.start_cursor(feed, rig.crm.server_time()) for feed in rig.crm.feeds()}
    rig.crm.session.bundle = False
    rig.calls.clear()
    assert all(isinstance(page, ChangePage) for page in rig.crm.poll(cursors).values())
    assert rig.calls["queryAll"] == len(cursors)
    rig.fault("queryAll", "503", count=3)
    first, *others = rig.crm.poll(cursors).values()
    assert isinstance(first, Fault)
    assert all(isinstance(page, ChangePage) for page in others)


def test_every_counted_call_reached_the_org(rig: Rig) -> None:
    rig.crm.connect()
    rig.crm.people()
    assert sum(rig.calls.values()) == len(rig.sandbox.sf.journal.calls(system="sf"))


def test_a_jwt_login_works_against_the_org(rig: Rig) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    rig.sandbox.sf.setting("jwt_public_key", public.decode())
    username = next(
        str(row.values["Username"]) for row in rig.sandbox.sf.table("User").live() if "maya" in row.values["Email"]
    )
    login = SalesforceLogin(
        rig.sandbox.sf_url, client_id="handoff-daemon", username=username, private_key=private.decode()
    )
    crm = Rig(rig.sandbox, login=login).crm
    assert crm.connect() == ()
    assert crm.org_id.startswith("00D")


def test_a_field_the_org_lacks_is_told_and_everything_else_still_works(rig: Rig) -> None:
    whole = salesforce_map()
    lost = dataclasses.replace(whole.fields["risks"], field="Handoff_Typo__c")
    rig = Rig(rig.sandbox, map=dataclasses.replace(whole, fields={**whole.fields, "risks": lost}))
    (problem,) = rig.crm.connect()
    assert problem.key == "risks"
    assert "Handoff_Typo__c" in problem.message
    deal_id = rig.world.add_deal(name="Still read", why_bought="Yes")
    deal = rig.crm.fetch([deal_id])[deal_id].deal
    assert (deal.get("why_bought"), deal.get("risks")) == ("Yes", None)
    outcomes = rig.crm.apply([patch(Kind.DEAL, deal_id, risks="x"), patch(Kind.DEAL, deal_id, use_case="y")])
    assert isinstance(outcomes[0], Refused)
    assert outcomes[0].fault.advice is Advice.PARK
    assert applied(outcomes[1]) == deal_id


def test_wrong_credentials_and_an_unreachable_org_say_what_is_wrong(rig: Rig) -> None:
    wrong = SalesforceLogin(rig.sandbox.sf_url, client_id="handoff-daemon", client_secret="guess")
    with pytest.raises(CrmError) as caught:
        Rig(rig.sandbox, login=wrong).crm.connect()
    assert caught.value.fault.advice is Advice.HALT
    nobody = SalesforceLogin("http://127.0.0.1:9", client_id="handoff-daemon", client_secret="x")
    with pytest.raises(CrmError) as caught:
        Rig(rig.sandbox, login=nobody).crm.connect()
    assert caught.value.fault.code is FaultCode.UNAVAILABLE


def test_a_locked_row_may_be_tried_again_and_the_others_are_done(rig: Rig) -> None:
    rig.crm.connect()
    ids = [rig.world.add_deal(name=f"Lock {n}") for n in range(4)]
    rig.fault("PATCH .*composite/sobjects", "row_lock")
    outcomes = rig.crm.apply([patch(Kind.DEAL, each, risks="r") for each in ids])
    refused = [each for each in outcomes if isinstance(each, Refused)]
    assert refused
    assert {each.fault.code for each in refused} == {FaultCode.ROW_LOCKED}
    done = [deal_id for deal_id, facts in rig.crm.fetch(ids).items() if facts.deal.get("risks") == "r"]
    assert len(done) == len(ids) - len(refused)


def test_silence_after_the_work_is_unknown_and_the_work_is_there(rig: Rig) -> None:
    rig.crm.connect()
    deal_id = rig.world.add_deal(name="Silent")
    rig.fault("PATCH .*composite/sobjects", "timeout_after", arg=30)
    (outcome,) = rig.crm.apply([patch(Kind.DEAL, deal_id, risks="done in silence")])
    assert isinstance(outcome, Unknown)
    assert rig.crm.fetch([deal_id])[deal_id].deal.get("risks") == "done in silence"


def test_an_expired_token_costs_one_renewal_in_the_middle_of_a_write(rig: Rig) -> None:
    rig.crm.connect()
    deal_id = rig.world.add_deal(name="Expires")
    rig.fault("PATCH .*composite/sobjects", "expired_token")
    rig.calls.clear()
    assert applied(rig.crm.apply([patch(Kind.DEAL, deal_id, risks="r")])[0]) == deal_id
    assert rig.calls == {"token": 1, "collections.update": 2}


@pytest.mark.parametrize("kind", ["503", "502", "500", "429", "reset_before", "reset_after"])
def test_reads_survive_a_blip(rig: Rig, kind: str) -> None:
    rig.crm.connect()
    deal_id = rig.world.add_deal(name="Blip")
    rig.fault("POST .*composite", kind)
    assert set(rig.crm.fetch([deal_id])) == {deal_id}


def test_pages_told_twice_or_out_of_order_change_nothing(rig: Rig) -> None:
    rig.crm.connect()
    ids = [rig.world.add_deal(name=f"Tangled {n}", won=True) for n in range(7)]
    csm = rig.world.person(MAYA)
    rig.crm.apply([task(each, each, subject="S", due=date(2026, 12, 1), owner=csm) for each in ids])
    straight = rig.crm.fetch(ids)
    rig.fault("composite|query", "duplicated", count=9)
    assert rig.crm.fetch(ids) == straight
    feeds = Feeds(rig.world)
    rig.sandbox.sf.faults.clear()
    rig.fault("query", "reordered", count=9)
    for each in ids:
        rig.world.edit(each, risks="now")
    assert {change.deal_id for change in feeds.read()} == set(ids)


def test_a_deal_made_in_a_won_stage_is_dated_by_its_history(rig: Rig) -> None:
    rig.crm.connect()
    view, world = rig.world._view, rig.world
    made_at = world.now()
    rep = world.person("elena.marchetti@seller.example")
    with rig.sandbox.sf.lock:
        deal_id = view.add_deal(
            {"name": "Born won", "close_date": date(2026, 1, 1), "owner": rep},
            stage=world.won_stage,
            deal_type="new",
            by=rep,
        )
    world.advance(86_400)
    facts = rig.crm.fetch([deal_id])[deal_id]
    assert facts.won_at is not None
    assert abs((facts.won_at - made_at).total_seconds()) < 10
    assert facts.stage_before_win is None
