"""Saves with a mind of their own: teams, products, merges, undeletion, archived activities, features of the org."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceError, SalesforceMalformedRequest

from connector.sandbox.salesforce import archive, duplicates, features, peculiar
from connector.sandbox.salesforce.users import integration_user
from connector.sandbox.server import Sandbox, create_worlds
from connector.sandbox.state import World

AE, CSM = "Account Executive", "Customer Success Manager"


def code(caught: pytest.ExceptionInfo[SalesforceError]) -> str:
    return str(caught.value.content[0]["errorCode"])


def account_of(org: World, deal: str) -> str:
    return str(org.table("Opportunity").rows[deal].values["AccountId"])


@pytest.fixture
def csm(org: World) -> str:
    """A user who may join teams."""
    return list(org.table("User").live())[4].id


def count(sf: Salesforce, kind: str, *, deleted: bool = False) -> int:
    return int(sf.query(f"SELECT COUNT() FROM {kind}", include_deleted=deleted)["totalSize"])


# teams


def test_adding_a_member_who_is_there_changes_the_row(sf: Salesforce, org: World, deal: str, csm: str) -> None:
    pair = {"OpportunityId": deal, "UserId": csm}
    first = sf.OpportunityTeamMember.create({**pair, "TeamMemberRole": AE})["id"]
    body = {"records": [{"attributes": {"type": "OpportunityTeamMember"}, **pair, "TeamMemberRole": CSM}]}
    again = sf.restful("composite/sobjects", method="POST", json=body)[0]
    assert (again["success"], again["id"]) == (True, first)
    rows = list(org.table("OpportunityTeamMember").live())
    assert [(row.id, row.values["TeamMemberRole"]) for row in rows] == [(first, CSM)]


@pytest.mark.parametrize("name", ["OpportunityId", "UserId"])
def test_a_members_deal_and_user_cannot_change(sf: Salesforce, deal: str, csm: str, name: str) -> None:
    pair = {"OpportunityId": deal, "UserId": csm}
    made = sf.OpportunityTeamMember.create(pair)["id"]
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.OpportunityTeamMember.update(made, {name: pair[name]})
    assert code(caught) == "INVALID_FIELD_FOR_INSERT_UPDATE"


def test_a_new_owner_costs_the_members_that_group_users_added(sf: Salesforce, org: World, deal: str, csm: str) -> None:
    account, me = account_of(org, deal), integration_user(org).id
    sf.AccountTeamMember.create({"AccountId": account, "UserId": csm, "TeamMemberRole": CSM})
    org.table("AccountTeamMember").insert({"AccountId": account, "UserId": me}, by="a person")
    sf.Account.update(account, {"OwnerId": me})
    assert count(sf, "AccountTeamMember") == 2
    org.setting(peculiar.GROUP_USERS, [me])
    sf.Account.update(account, {"OwnerId": csm})
    left = sf.query_all("SELECT UserId FROM AccountTeamMember", include_deleted=True)["records"]
    assert [row["UserId"] for row in left] == [me]


def test_a_locked_account_refuses_a_member_and_then_takes_it(sf: Salesforce, org: World, deal: str, csm: str) -> None:
    account = account_of(org, deal)
    peculiar.lock_account(org, account, times=2)
    member = {"attributes": {"type": "AccountTeamMember"}, "AccountId": account, "UserId": csm}
    found = sf.restful("composite/sobjects", method="POST", json={"records": [member]})
    assert found[0]["errors"][0]["statusCode"] == "UNABLE_TO_LOCK_ROW"
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.Account.update(account, {"Phone": "1"})
    assert code(caught) == "UNABLE_TO_LOCK_ROW"
    assert sf.restful("composite/sobjects", method="POST", json={"records": [member]})[0]["success"]


# products


def test_the_amount_of_a_deal_with_products_is_theirs_and_a_write_to_it_is_lost_without_a_word(
    sf: Salesforce, deal: str
) -> None:
    sf.Opportunity.update(deal, {"Amount": 10})
    line = {"OpportunityId": deal, "Quantity": 2, "UnitPrice": 50}
    first = sf.OpportunityLineItem.create(line)["id"]
    second = sf.OpportunityLineItem.create({**line, "UnitPrice": 5})["id"]
    assert sf.Opportunity.update(deal, {"Amount": 7, "NextStep": "kept"}) == 204
    row = sf.Opportunity.get(deal)
    assert (row["Amount"], row["HasOpportunityLineItem"], row["NextStep"]) == (110, True, "kept")
    sf.OpportunityLineItem.update(second, {"Quantity": 4})
    assert sf.Opportunity.get(deal)["Amount"] == 120
    sf.OpportunityLineItem.delete(first)
    assert sf.Opportunity.get(deal)["Amount"] == 20
    sf.OpportunityLineItem.delete(second)
    sf.Opportunity.update(deal, {"Amount": 7})
    row = sf.Opportunity.get(deal)
    assert (row["Amount"], row["HasOpportunityLineItem"]) == (7, False)


# merge and undelete


def post(running: Sandbox, path: str, body: dict[str, Any]) -> requests.Response:
    return requests.post(f"{running.control_url}/{path}", json=body, timeout=10)


def test_a_merge_deletes_the_loser_names_the_master_and_moves_the_children(
    running: Sandbox, sf: Salesforce, org: World, deal: str
) -> None:
    loser, master = account_of(org, deal), sf.Account.create({"Name": "Master"})["id"]
    sf.Task.create({"Subject": "call", "WhatId": loser})
    child = sf.Account.create({"Name": "Child", "ParentId": loser})["id"]
    assert post(running, "merge", {"master": master, "losers": [loser]}).status_code == 200
    assert sf.Opportunity.get(deal)["AccountId"] == master
    assert sf.query("SELECT WhatId, AccountId FROM Task")["records"][0]["AccountId"] == master
    assert sf.Account.get(child)["ParentId"] == master
    gone = sf.query_all("SELECT Id, MasterRecordId FROM Account WHERE IsDeleted = true", include_deleted=True)
    assert [(r["Id"], r["MasterRecordId"]) for r in gone["records"]] == [(loser, master)]


@pytest.mark.parametrize("losers", [["001HO0000000099AAA"], []])
def test_a_merge_of_nothing_changes_nothing(running: Sandbox, org: World, deal: str, losers: list[str]) -> None:
    answer = post(running, "merge", {"master": account_of(org, deal), "losers": losers})
    assert answer.status_code in (400, 404)
    assert len(list(org.table("Account").live())) == 1


def test_what_went_with_a_record_comes_back_with_it(running: Sandbox, sf: Salesforce, org: World, deal: str) -> None:
    org.clock.freeze(org.clock.now())
    task = sf.Task.create({"Subject": "later", "WhatId": deal})["id"]
    before = sf.Task.create({"Subject": "gone before", "WhatId": deal})["id"]
    sf.Task.delete(before)
    org.clock.advance(60)
    account = account_of(org, deal)
    sf.Account.delete(account)
    # The account, the deal with one row of its history, and the task.
    assert post(running, "undelete", {"object": "Account", "id": account}).json() == {"restored": 4}
    assert [sf.Opportunity.get(deal)["Id"], sf.Task.get(task)["Id"]] == [deal, task]
    assert count(sf, "Task") == 1
    assert post(running, "undelete", {"object": "Account", "id": account}).status_code == 404


# archived activities


def test_an_old_activity_hides_from_query_but_not_from_query_all(sf: Salesforce, org: World, deal: str) -> None:
    old, fresh = "2020-01-02", org.clock.now().date().isoformat()
    for subject, status, day in (("old", "Completed", old), ("open", "Not Started", old), ("new", "Completed", fresh)):
        sf.Task.create({"Subject": subject, "WhatId": deal, "Status": status, "ActivityDate": day})
    times = {"StartDateTime": "2020-01-02T10:00:00Z", "DurationInMinutes": 30}
    sf.Event.create({"Subject": "old", "WhatId": deal, **times})
    assert count(sf, "Task") == 3
    org.setting(archive.AFTER_DAYS, 365)
    assert [count(sf, "Task"), count(sf, "Event")] == [2, 0]
    found = sf.query_all("SELECT Subject, IsArchived FROM Task ORDER BY Subject", include_deleted=True)["records"]
    assert [(r["Subject"], r["IsArchived"]) for r in found] == [("new", False), ("old", True), ("open", False)]
    org.clock.freeze(org.clock.now())
    org.clock.advance(timedelta(days=400).total_seconds())
    assert [count(sf, "Task"), count(sf, "Task", deleted=True)] == [1, 3]


# features and rules of the org


def test_currencies_appear_when_an_org_has_several(sf: Salesforce, org: World, deal: str) -> None:
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.query("SELECT CurrencyIsoCode FROM Opportunity")
    assert code(caught) == "INVALID_FIELD"
    features.several_currencies(org, ("EUR", "USD"))
    assert sf.Opportunity.get(deal)["CurrencyIsoCode"] == "EUR"
    sf.Opportunity.update(deal, {"CurrencyIsoCode": "USD"})
    made = sf.Account.create({"Name": "a"})["id"]
    assert [sf.Opportunity.get(deal)["CurrencyIsoCode"], sf.Account.get(made)["CurrencyIsoCode"]] == ["USD", "EUR"]
    corporate = sf.query("SELECT IsoCode FROM CurrencyType WHERE IsCorporate = true")["records"]
    assert [row["IsoCode"] for row in corporate] == ["EUR"]


def test_a_person_account_cannot_be_renamed(sf: Salesforce, org: World, deal: str) -> None:
    features.person_accounts(org)
    person = org.table("Account").insert({"FirstName": "Ada", "LastName": "Berg"}, by="setup").id
    row = sf.Account.get(person)
    assert (row["Name"], row["IsPersonAccount"]) == ("Ada Berg", True)
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.Account.update(person, {"Name": "Ada B"})
    assert (code(caught), caught.value.content[0]["fields"]) == ("INVALID_FIELD_FOR_INSERT_UPDATE", ["Name"])
    sf.Account.update(person, {"LastName": "Bergman"})
    assert sf.Account.get(person)["Name"] == "Ada Bergman"
    company = account_of(org, deal)
    assert sf.Account.update(company, {"Name": "New"}) == 204
    assert sf.Account.get(company)["IsPersonAccount"] is False


def test_a_record_type_of_another_object_is_refused(sf: Salesforce, org: World, deal: str) -> None:
    own = features.record_type(org, "Opportunity", "New_Business")
    other = features.record_type(org, "Account", "Partner")
    assert sf.Opportunity.update(deal, {"RecordTypeId": own}) == 204
    named = "SELECT RecordType.DeveloperName FROM Opportunity"
    assert sf.query(named)["records"][0]["RecordType"]["DeveloperName"] == "New_Business"
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.Opportunity.update(deal, {"RecordTypeId": other})
    assert code(caught) == "INVALID_CROSS_REFERENCE_KEY"


@pytest.mark.parametrize(
    ("action", "allowed", "saved"),
    [("alert", False, False), ("alert", True, True), ("block", True, False)],
)
def test_a_duplicate_rule_stops_a_save_unless_it_only_warns_and_is_overruled(
    sf: Salesforce,
    org: World,
    action: str,
    allowed: bool,
    saved: bool,
) -> None:
    first = sf.Account.create({"Name": "Acme"})["id"]
    org.setting(duplicates.RULES, [{"object": "Account", "field": "Name", "action": action}])
    header = {"Sforce-Duplicate-Rule-Header": f"allowSave={str(allowed).lower()}"}
    body = {"records": [{"attributes": {"type": "Account"}, "Name": "acme"}]}
    found = sf.restful("composite/sobjects", method="POST", json=body, headers=header)[0]
    assert found["success"] is saved
    assert [e["statusCode"] for e in found["errors"]] == ([] if saved else ["DUPLICATES_DETECTED"])
    assert sf.Account.update(first, {"Name": "ACME"}, headers=header) == 204 or saved


def test_features_and_members_are_there_after_a_restart(tmp_path: Path) -> None:
    org = create_worlds(tmp_path)[0]["sf"]
    features.several_currencies(org, ("EUR", "USD"))
    features.person_accounts(org)
    row = org.table("CurrencyType").find_unique("IsoCode", "USD")
    org.detach()
    again = create_worlds(tmp_path)[0]["sf"]
    assert again.table("CurrencyType").find_unique("IsoCode", "USD").id == row.id
    made = again.table("Account").insert({"LastName": "Berg"}, by="setup")
    assert (made.values["IsPersonAccount"], made.values["CurrencyIsoCode"]) == (True, "EUR")
