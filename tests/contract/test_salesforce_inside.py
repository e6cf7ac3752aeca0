"""What only Salesforce has, over real sockets: teams, the bell, several currencies, merges, the bin and the archive."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from contract.suite import Feeds, applied, task
from contract.test_salesforce_contract import SHIPPED, add_ledger, connected
from contract.worlds import MAYA, TOMAS, SandboxWorld

from connector.crm.writing import (
    Operation,
    Refused,
    Write,
)
from connector.errors import Advice, CrmError
from connector.handoff.model import Kind, Ref
from connector.handoff.plan import Notify, Order
from connector.handoff.rulebook.people import Teams
from connector.sandbox.salesforce.actions import EMAILS, bells_of
from connector.sandbox.salesforce.archive import sweep as archive
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.features import several_currencies
from connector.sandbox.salesforce.merging import merge_accounts, undelete
from connector.sandbox.salesforce.profiles import INTEGRATION_PROFILE
from connector.sandbox.server import Sandbox

ROLE = "Customer Success Manager"
MAP = dataclasses.replace(
    SHIPPED, teams=Teams(ROLE, ROLE), team_access={"deal": "Edit", "account": "Edit"}, bell="Handoff", mail=True
)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.running() as sandbox:
        yield sandbox


@pytest.fixture
def world(sandbox: Sandbox) -> SandboxWorld:
    return connected(sandbox, map=MAP)


def place(deal: str, account: str, person: str, on: str) -> Write:
    parents = (Ref(Kind.DEAL, deal), Ref(Kind.ACCOUNT, account))
    values = {"on": on, "person": person, "role": ROLE}
    return Write(Kind.MEMBER, Operation.UPSERT, values, key=f"k:{on}:{person}", parents=parents)


def rows(sandbox: Sandbox, table: str) -> list[dict[str, Any]]:
    return [row.values for row in sandbox.sf.table(table).live()]


def a_deal(world: SandboxWorld, **values: Any) -> tuple[str, str]:
    account = world.add_account(name="Nordlys", country="Norway")
    return world.add_deal(name="Rollout", account=account, **values), account


def test_joining_twice_is_joining_once(sandbox: Sandbox, world: SandboxWorld) -> None:
    deal, account = a_deal(world)
    maya = world.person(MAYA)
    for _ in range(2):
        for outcome in world.crm.apply([place(deal, account, maya, on) for on in ("account", "deal")]):
            applied(outcome)
    (on_deal,) = rows(sandbox, "OpportunityTeamMember")
    (on_account,) = rows(sandbox, "AccountTeamMember")
    assert (on_deal["UserId"], on_deal["TeamMemberRole"]) == (maya, ROLE)
    assert (on_account["UserId"], on_account["AccountAccessLevel"]) == (maya, "Edit")


def test_a_lost_answer_while_joining_doubles_nobody(sandbox: Sandbox, world: SandboxWorld) -> None:
    deal, account = a_deal(world)
    writes = [place(deal, account, world.person(TOMAS), on) for on in ("deal", "account")]
    world.lose_next_answer()
    world.crm.apply(writes)
    for outcome in world.crm.apply(writes):
        applied(outcome)
    assert len(rows(sandbox, "OpportunityTeamMember")) == len(rows(sandbox, "AccountTeamMember")) == 1


def test_two_deals_of_one_account_won_together_put_the_csm_there_once(sandbox: Sandbox, world: SandboxWorld) -> None:
    first, account = a_deal(world)
    second = world.add_deal(name="More", account=account)
    maya = world.person(MAYA)
    for _ in range(2):
        writes = [place(deal, account, maya, on) for deal in (first, second) for on in ("account", "deal")]
        for outcome in world.crm.apply(writes):
            applied(outcome)
    assert len(rows(sandbox, "AccountTeamMember")) == 1
    assert {each["OpportunityId"] for each in rows(sandbox, "OpportunityTeamMember")} == {first, second}


def test_who_leaves_a_deal_s_team_is_taken_off_unless_a_person_gave_them_another_role(
    sandbox: Sandbox, world: SandboxWorld
) -> None:
    deal, account = a_deal(world)
    maya, tomas = world.person(MAYA), world.person(TOMAS)
    for outcome in world.crm.apply([place(deal, account, each, "deal") for each in (maya, tomas)]):
        applied(outcome)
    table = sandbox.sf.table("OpportunityTeamMember")
    changed = next(row.id for row in table.live() if row.values["UserId"] == tomas)
    table.update(changed, {"TeamMemberRole": "Executive Sponsor"}, by="a person")
    off = [
        dataclasses.replace(one, values={**one.values, "role": None})
        for one in (place(deal, account, each, "deal") for each in (maya, tomas))
    ]
    for _ in range(2):
        for outcome in world.crm.apply(off):
            applied(outcome)
    assert [row["UserId"] for row in rows(sandbox, "OpportunityTeamMember")] == [tomas]
    # Coming and going in one batch, each with its own outcome.
    mixed = (off[0], place(deal, account, maya, "account"))
    assert [applied(one) is not None for one in world.crm.apply(mixed)] == [True, True]
    assert [row["UserId"] for row in rows(sandbox, "AccountTeamMember")] == [maya]


def a_notice(world: SandboxWorld, deal: str, *, way: str) -> Notify:
    return Notify(
        step="notify-csm_assigned",
        order=Order.NOTIFY,
        key="k",
        to_email=MAYA,
        to_name="Maya",
        subject="New customer for you: Nordlys",
        text="You are the CSM of Nordlys. " * 60,
        fingerprint="f",
        reason="r",
        way=way,
        to_id=world.person(MAYA),
        deal_id=deal,
    )


def notification_type(sandbox: Sandbox) -> None:
    values = {"DeveloperName": "Handoff", "MasterLabel": "Handoff", "Desktop": True, "Mobile": True}
    sandbox.sf.table("CustomNotificationType").insert(values, by="setup")


def test_the_bell_rings_for_the_csm_and_leads_to_the_deal(sandbox: Sandbox, world: SandboxWorld) -> None:
    notification_type(sandbox)
    deal, _ = a_deal(world)
    world.crm.tell(a_notice(world, deal, way="bell"))
    (rung,) = bells_of(sandbox.sf, world.person(MAYA))
    assert deal in rung.values.values()
    assert "New customer for you: Nordlys" in rung.values.values()


def test_a_bell_that_is_not_there_says_how_to_get_one(world: SandboxWorld) -> None:
    deal, _ = a_deal(world)
    with pytest.raises(CrmError, match="handoff provision") as caught:
        world.crm.tell(a_notice(world, deal, way="bell"))
    assert caught.value.fault.advice is Advice.PARK


@pytest.mark.parametrize("version", ["64.0", "67.0"])
def test_a_mail_is_sent_whatever_the_version_calls_its_recipients(sandbox: Sandbox, version: str) -> None:
    world = connected(sandbox, map=MAP, api_version=version)
    deal, _ = a_deal(world)
    world.crm.tell(a_notice(world, deal, way="mail"))
    (sent,) = rows(sandbox, EMAILS)
    assert (sent["To"], sent["Subject"]) == ([MAYA], "New customer for you: Nordlys")


def test_an_amount_is_compared_in_the_corporate_currency(sandbox: Sandbox) -> None:
    several_currencies(sandbox.sf, ("EUR", "JPY"))
    rates = sandbox.sf.table("CurrencyType")
    yen = rates.find_unique("IsoCode", "JPY")
    assert yen is not None
    rates.update(yen.id, {"ConversionRate": 160.0}, by="setup")
    world = connected(sandbox, map=MAP)
    ours, theirs = world.add_deal(name="Euro", amount=1000), world.add_deal(name="Yen", amount=8_000_000)
    sandbox.sf.table("Opportunity").update(theirs, {"CurrencyIsoCode": "JPY"}, by="rep")
    facts = world.crm.fetch([ours, theirs])
    assert facts[ours].deal.get("amount") == Decimal(1000)
    assert facts[theirs].deal.get("amount") == Decimal(50_000)


@pytest.mark.parametrize("rate", [0, None])
def test_a_currency_without_a_usable_rate_leaves_the_amount_as_it_is(sandbox: Sandbox, rate: int | None) -> None:
    several_currencies(sandbox.sf, ("EUR", "JPY"))
    rates = sandbox.sf.table("CurrencyType")
    yen = rates.find_unique("IsoCode", "JPY")
    assert yen is not None
    rates.update(yen.id, {"ConversionRate": rate}, by="setup")
    world = connected(sandbox, map=MAP)
    deal = world.add_deal(name="Yen", amount=8_000_000)
    sandbox.sf.table("Opportunity").update(deal, {"CurrencyIsoCode": "JPY"}, by="rep")
    assert world.crm.fetch([deal])[deal].deal.get("amount") == Decimal(8_000_000)


def test_rates_are_read_again_every_day_and_those_of_retired_currencies_too(sandbox: Sandbox) -> None:
    several_currencies(sandbox.sf, ("EUR", "JPY"))
    rates = sandbox.sf.table("CurrencyType")
    yen = rates.find_unique("IsoCode", "JPY")
    assert yen is not None
    world = connected(sandbox, map=MAP)
    deal = world.add_deal(name="Yen", amount=8_000_000)
    sandbox.sf.table("Opportunity").update(deal, {"CurrencyIsoCode": "JPY"}, by="rep")
    rates.update(yen.id, {"ConversionRate": 200.0, "IsActive": False}, by="setup")
    world.advance(25 * 3600)
    world.crm.stages()
    assert world.crm.fetch([deal])[deal].deal.get("amount") == Decimal(40_000)


def test_in_an_org_with_one_currency_nothing_is_asked(sandbox: Sandbox, world: SandboxWorld) -> None:
    asked = [call.path for call in sandbox.sf.journal.calls(system="sf")]
    assert not any("CurrencyType" in path for path in asked)


def test_a_merged_account_is_told_through_its_deals(sandbox: Sandbox, world: SandboxWorld) -> None:
    deal, loser = a_deal(world)
    master = world.add_account(name="Nordlys Group", country="Norway")
    feeds = Feeds(world)
    feeds.until_quiet()
    world.advance(60)
    merge_accounts(sandbox.sf, master, [loser], by=world.person(TOMAS))
    assert deal in {change.deal_id for change in feeds.read()}
    account = world.crm.fetch([deal])[deal].account
    assert account is not None
    assert (account.ref.id, account.get("name")) == (master, "Nordlys Group")


def test_a_deleted_deal_is_told_and_told_again_when_it_comes_back(sandbox: Sandbox, world: SandboxWorld) -> None:
    deal, _ = a_deal(world)
    feeds = Feeds(world)
    feeds.until_quiet()
    world.advance(60)
    world.delete_deal(deal)
    assert deal in {change.deal_id for change in feeds.until_quiet()}
    assert world.crm.fetch([deal]) == {}
    world.advance(60)
    undelete(sandbox.sf, "Opportunity", deal, by=world.person(TOMAS))
    assert deal in {change.deal_id for change in feeds.until_quiet()}
    assert set(world.crm.fetch([deal])) == {deal}


def test_an_archived_task_still_counts_as_there(sandbox: Sandbox, world: SandboxWorld) -> None:
    deal, _ = a_deal(world, won=True)
    write = task(deal, subject="Old", due=date(2026, 11, 27), owner=world.person(MAYA))
    made = applied(world.crm.apply([write])[0])
    world.complete(made)
    world.advance(400 * 86_400)
    assert archive(sandbox.sf, days=365) == 1
    assert [each.id for each in world.crm.fetch([deal])[deal].tasks] == [made]
    assert set(world.crm.find(Kind.TASK, {str(write.key): deal})) == {write.key}


def test_all_that_changed_is_listed_with_what_was_deleted(world: SandboxWorld) -> None:
    since = world.now()
    world.advance(60)
    ids = {world.add_deal(name=f"Deal {number}") for number in range(7)}
    gone = world.add_deal(name="Gone")
    world.delete_deal(gone)
    listed = [change for page in world.crm.scan_changed(since) for change in page]
    assert {change.deal_id for change in listed} == ids | {gone}
    assert len(listed) == 8
    assert list(world.crm.scan_changed(datetime(2100, 1, 1, tzinfo=UTC))) == [()]


def test_a_row_nobody_shared_is_refused_with_what_to_do(sandbox: Sandbox, world: SandboxWorld) -> None:
    deal, _ = a_deal(world)
    sandbox.sf.setting("private_objects", ["Opportunity"])
    profile = sandbox.sf.table("Profile").find_unique("Name", INTEGRATION_PROFILE)
    assert profile is not None
    own = sandbox.sf.table("PermissionSet").find_unique("Name", f"X{profile.id}")
    assert own is not None
    sandbox.sf.table("PermissionSet").update(own.id, {"PermissionsViewAllData": False}, by="setup")
    (outcome,) = world.crm.apply([Write(Kind.DEAL, Operation.UPDATE, {"risks": "x"}, record_id=deal)])
    assert isinstance(outcome, Refused)
    assert outcome.fault.advice is not Advice.RETRY
    assert "What to do" in outcome.fault.message


def test_an_amount_that_products_make_is_not_overwritten_in_silence(sandbox: Sandbox, world: SandboxWorld) -> None:
    deal, _ = a_deal(world, amount=500)
    line = {"OpportunityId": deal, "Quantity": 1, "UnitPrice": 900, "TotalPrice": 900}
    sandbox.sf.table("OpportunityLineItem").insert(line, by="rep")
    (outcome,) = world.crm.apply([Write(Kind.DEAL, Operation.UPDATE, {"amount": Decimal(1)}, record_id=deal)])
    assert isinstance(outcome, Refused)
    assert outcome.fault.vendor_code == "VALUE_NOT_KEPT"


def test_the_shipped_org_makes_tasks_once_by_its_unique_field(world: SandboxWorld) -> None:
    assert Kind.TASK in world.crm.capabilities.native_upsert


def test_a_field_that_was_added_is_used_from_the_next_connection_on(sandbox: Sandbox) -> None:
    schema = catalog(sandbox.sf)
    opportunity = schema.object("Opportunity")
    field = opportunity.find("Handoff_Risks__c") if opportunity else None
    assert field is not None
    schema.drop_field("Opportunity", field.name)
    world = connected(sandbox, map=MAP)
    deal = world.add_deal(name="Rollout")
    assert "risks" not in world.crm.fetch([deal])[deal].deal.values
    schema.put_field("Opportunity", field, visible=True)
    world.edit(deal, risks="Late data")
    assert [each for each in world.crm.connect() if "risks" in each.key] == []
    assert world.crm.fetch([deal])[deal].deal.get("risks") == "Late data"


def without_a_field_on_activity(sandbox: Sandbox, *, ledger: bool) -> SandboxWorld:
    catalog(sandbox.sf).drop_field("Activity", "Handoff_Key__c")
    if ledger:
        add_ledger(sandbox)
    return connected(sandbox, map=MAP)


def test_a_task_a_person_threw_away_is_not_made_again_where_its_key_stands_in_the_ledger(sandbox: Sandbox) -> None:
    world = without_a_field_on_activity(sandbox, ledger=True)
    deal, _ = a_deal(world, won=True)
    write = task(deal, subject="Welcome", due=date(2026, 11, 27), owner=world.person(MAYA))
    made = applied(world.crm.apply([write])[0])
    sandbox.sf.table("Task").delete(made, by=world.person(MAYA))
    assert applied(world.crm.apply([write])[0]) == made
    assert rows(sandbox, "Task") == []


def test_what_a_person_wrote_below_the_mark_does_not_hide_it(sandbox: Sandbox) -> None:
    world = without_a_field_on_activity(sandbox, ledger=False)
    deal, _ = a_deal(world, won=True)
    write = task(deal, subject="Welcome", due=date(2026, 11, 27), owner=world.person(MAYA))
    made = applied(world.crm.apply([write])[0])
    (body,) = (row["Description"] for row in rows(sandbox, "Task"))
    sandbox.sf.table("Task").update(made, {"Description": f"{body}\r\nCalled them, all fine."}, by=world.person(MAYA))
    assert world.crm.fetch([deal])[deal].tasks[0].key == write.key
    assert applied(world.crm.apply([write])[0]) == made
    assert len(rows(sandbox, "Task")) == 1


def test_of_two_tasks_with_one_mark_the_older_is_ours(sandbox: Sandbox) -> None:
    world = without_a_field_on_activity(sandbox, ledger=False)
    deal, _ = a_deal(world, won=True)
    write = task(deal, subject="Welcome", due=date(2026, 11, 27), owner=world.person(MAYA))
    made = applied(world.crm.apply([write])[0])
    (original,) = rows(sandbox, "Task")
    cloned = {name: original[name] for name in ("Subject", "Description", "WhatId", "OwnerId", "Status")}
    sandbox.sf.table("Task").insert(cloned, by=world.person(MAYA))
    assert world.crm.find(Kind.TASK, {str(write.key): deal}) == {write.key: made}
    assert next(each.id for each in world.crm.fetch([deal])[deal].tasks if each.key == write.key) == made
