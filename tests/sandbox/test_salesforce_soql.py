"""What a SOQL text means to the org: every clause, the vendor's rules for nulls and case, and the refusals."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connector.sandbox.salesforce import plan, schema, soql
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.errors import ApiError
from connector.sandbox.salesforce.grammar import parse
from connector.sandbox.state import SandboxClock, World

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.fixture
def org() -> World:
    clock = SandboxClock()
    clock.freeze(NOON)
    world = schema.create_world(clock)
    schema.furnish(world)
    return world


@pytest.fixture
def book(org: World) -> dict[str, str]:
    """Three accounts and five opportunities; returns name -> id."""
    users = org.table("User")
    csm = users.insert({"Username": "c", "FirstName": "Maya", "LastName": "L", "Email": "m@x.example"}, by="setup").id
    ids = {"csm": csm}
    for name, values in {
        "acme": {"Name": "Acme", "Industry": "Retail", "Handoff_CSM__c": csm, "OwnerId": csm},
        "beta": {"Name": "beta", "Industry": "retail", "Handoff_CSM__c": csm, "NumberOfEmployees": 10},
        "gamma": {"Name": "Gam_ma%", "NumberOfEmployees": 2},
    }.items():
        ids[name] = org.table("Account").insert(values, by="setup").id
    deals = (
        ("d1", "acme", "Closed Won", 10.0, "2026-01-01"),
        ("d2", "acme", "Prospecting", 20.0, "2026-02-01"),
        ("d3", "beta", "Closed Lost", None, "2026-03-01"),
        ("d4", "", "Closed Won", 40.0, "2026-01-02"),
        ("d5", "beta", "Qualification", 5.0, "2026-05-01"),
    )
    for name, account, stage, amount, close in deals:
        values = {"Name": name, "StageName": stage, "Amount": amount, "CloseDate": close}
        ids[name] = (
            org.table("Opportunity").insert(values | ({"AccountId": ids[account]} if account else {}), by="setup").id
        )
        org.clock.advance(1)
    return ids


def ask(org: World, text: str, *, deleted: bool = False) -> list[dict[str, Any]]:
    found = soql.run(org, parse(text), version="66.0", deleted=deleted)
    return [found.show(row) for row in found.rows]


def names(org: World, text: str, *, deleted: bool = False) -> list[str]:
    return [record["Name"] for record in ask(org, text, deleted=deleted)]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("StageName = 'closed won'", "d1 d4"),
        ("StageName != 'Closed Won'", "d2 d3 d5"),
        ("IsWon = TRUE", "d1 d4"),
        ("IsClosed = false", "d2 d5"),
        ("Amount > 10", "d2 d4"),
        ("Amount >= 10 AND Amount <= 20", "d1 d2"),
        ("Amount = null", "d3"),
        ("Amount != NULL", "d1 d2 d4 d5"),
        ("Amount < 1000000", "d1 d2 d4 d5"),
        ("Amount NOT IN (10, 20)", "d3 d4 d5"),
        ("CloseDate = 2026-01-01", "d1"),
        ("CloseDate > 2026-02-01", "d3 d5"),
        ("CloseDate = TODAY", "d4"),
        ("SystemModstamp > 2026-01-02T12:00:02Z", "d4 d5"),
        ("SystemModstamp >= 2026-01-02T14:00:02+02:00", "d3 d4 d5"),
        ("SystemModstamp = 2026-01-02T12:00:00.900Z", "d1"),
        ("CreatedDate < 2026-01-02T12:00:01Z", "d1"),
        ("Name IN ('D1', 'd5')", "d1 d5"),
        ("Name LIKE 'd%'", "d1 d2 d3 d4 d5"),
        ("Name LIKE '_2'", "d2"),
        ("Account.Name = 'ACME'", "d1 d2"),
        ("Account.Handoff_CSM__r.Email = 'm@x.example'", "d1 d2 d3 d5"),
        ("AccountId = null", "d4"),
        ("Account.Industry != 'x'", "d1 d2 d3 d4 d5"),
        ("NOT StageName = 'Closed Won'", "d2 d3 d5"),
        ("(NOT IsWon = true) AND (Amount > 5 OR AccountId = null)", "d2"),
        ("(StageName = 'Closed Won' AND Amount = 10) OR (Name = 'd5')", "d1 d5"),
    ],
)
@pytest.mark.usefixtures("book")
def test_where_picks(org: World, where: str, expected: str) -> None:
    assert names(org, f"SELECT Name FROM Opportunity WHERE {where} ORDER BY Name") == expected.split()


def test_ids_compare_in_both_lengths(org: World, book: dict[str, str]) -> None:
    short = book["acme"][:15]
    assert names(org, f"SELECT Name FROM Opportunity WHERE AccountId = '{short}' ORDER BY Id") == ["d1", "d2"]
    listed = "','".join(book[n] for n in ("d3", "d1"))
    assert names(org, f"SELECT Name FROM Opportunity WHERE Id IN ('{listed}') ORDER BY Name DESC") == ["d3", "d1"]
    assert names(org, f"SELECT Name FROM Opportunity WHERE Id > '{book['d4']}'") == ["d5"]


def test_a_tie_safe_cursor_misses_and_repeats_nothing(org: World, book: dict[str, str]) -> None:
    same = [org.table("Opportunity").update(book[n], {"NextStep": "x"}, by="setup") for n in ("d5", "d1", "d3")]
    stamp = "2026-01-02T12:00:05Z"
    assert {str(r.modified_at) for r in same} == {"2026-01-02 12:00:05+00:00"}
    text = (
        f"SELECT Name FROM Opportunity WHERE (SystemModstamp = {stamp} AND Id > '{book['d1']}') "
        f"OR SystemModstamp > {stamp} ORDER BY SystemModstamp ASC, Id ASC LIMIT 10"
    )
    assert names(org, text) == ["d3", "d5"]


@pytest.mark.usefixtures("book")
def test_order_puts_empty_values_first_unless_told(org: World) -> None:
    base = "SELECT Name FROM Opportunity ORDER BY Amount"
    assert names(org, base) == ["d3", "d5", "d1", "d2", "d4"]
    assert names(org, f"{base} DESC") == ["d3", "d4", "d2", "d1", "d5"]
    assert names(org, f"{base} DESC NULLS LAST") == ["d4", "d2", "d1", "d5", "d3"]
    assert names(org, "SELECT Name FROM Opportunity ORDER BY IsWon DESC, CloseDate DESC") == [
        "d4",
        "d1",
        "d5",
        "d3",
        "d2",
    ]
    assert names(org, f"{base} LIMIT 2 OFFSET 1") == ["d5", "d1"]
    assert names(org, "SELECT Name FROM Account ORDER BY Name") == ["Acme", "beta", "Gam_ma%"]


@pytest.mark.usefixtures("book")
def test_escapes_in_text_and_patterns(org: World) -> None:
    org.table("Account").insert({"Name": 'O\'Hara \\ "Sons"\nLtd'}, by="setup")
    assert len(ask(org, r"SELECT Id FROM Account WHERE Name = 'O\'Hara \\ \"Sons\"\nLtd'")) == 1
    assert names(org, r"SELECT Name FROM Account WHERE Name LIKE '%\_ma\%'") == ["Gam_ma%"]
    assert names(org, r"SELECT Name FROM Account WHERE Name LIKE 'a\%'") == []


@pytest.mark.usefixtures("book")
def test_parents_are_nested_and_null_without_a_parent(org: World, book: dict[str, str]) -> None:
    found = ask(
        org, "SELECT Id, Account.Name, Account.Owner.Name FROM Opportunity WHERE Name IN ('d1','d4') ORDER BY Name"
    )
    assert found[0]["Account"]["Name"] == "Acme"
    assert found[0]["Account"]["Owner"]["Name"] == "Maya L"
    assert found[1]["Account"] is None
    assert found[0]["attributes"]["url"].endswith(f"/v66.0/sobjects/Opportunity/{book['d1']}")


def test_an_activity_knows_what_it_is_about(org: World, book: dict[str, str]) -> None:
    org.table("Task").insert({"Subject": "call", "WhatId": book["d1"]}, by="setup")
    record = ask(org, "SELECT What.Name, What.Type, Account.Name FROM Task WHERE What.Type = 'Opportunity'")[0]
    assert (record["What"]["Name"], record["What"]["Type"], record["Account"]["Name"]) == ("d1", "Opportunity", "Acme")


def test_counting(org: World, book: dict[str, str]) -> None:
    total = soql.run(org, parse("SELECT COUNT() FROM Opportunity WHERE IsWon = true"), version="66.0")
    assert (total.total, list(total.rows)) == (2, [])
    text = "SELECT Handoff_CSM__c, COUNT(Id) n FROM Account WHERE Handoff_CSM__c != null GROUP BY Handoff_CSM__c"
    assert ask(org, text) == [{"attributes": {"type": "AggregateResult"}, "Handoff_CSM__c": book["csm"], "n": 2}]
    grouped = ask(
        org, "SELECT StageName, SUM(Amount), MAX(CloseDate) m FROM Opportunity GROUP BY StageName ORDER BY StageName"
    )
    assert [(r["StageName"], r["expr0"], r["m"]) for r in grouped][:2] == [
        ("Closed Lost", None, "2026-03-01"),
        ("Closed Won", 50.0, "2026-01-02"),
    ]


def test_a_deleted_row_is_found_by_query_all_however_it_is_looked_up(org: World, book: dict[str, str]) -> None:
    org.table("Opportunity").delete(book["d1"], by="setup")
    for where in (f"Id = '{book['d1']}'", f"AccountId = '{book['acme']}' AND Name = 'd1'", "IsDeleted = true"):
        text = f"SELECT Name FROM Opportunity WHERE {where}"
        assert (names(org, text), names(org, text, deleted=True)) == ([], ["d1"])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT Id FROM Opportunity WHERE IsWon = true AND Amount > 1 OR Amount < 0", "MALFORMED_QUERY"),
        ("SELECT Id FROM Opportunity WHERE IsWon = true AND NOT Amount > 1", "MALFORMED_QUERY"),
        ("SELECT Id, FROM Opportunity", "MALFORMED_QUERY"),
        ("SELECT FROM Opportunity", "MALFORMED_QUERY"),
        ("SELECT Id FROM Opportunity WHERE Name = 'x", "MALFORMED_QUERY"),
        ("SELECT Id FROM Opportunity WHERE Id IN ()", "MALFORMED_QUERY"),
        ("SELECT Id FROM Opportunity WHERE CloseDate > 2026-13-01", "MALFORMED_QUERY"),
        ("SELECT Id FROM Opportunity WHERE SystemModstamp > 2026-01-02T12:00:00", "MALFORMED_QUERY"),
        ("SELECT Name, COUNT(Id) FROM Opportunity GROUP BY StageName", "MALFORMED_QUERY"),
        ("SELECT Id FROM Opportunity ORDER BY Handoff_Summary__c", "MALFORMED_QUERY"),
        ("SELECT Id FROM Opportunity LIMIT 1 OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
        ("SELECT Id FROM Oportunity", "INVALID_TYPE"),
        ("SELECT Nme FROM Opportunity", "INVALID_FIELD"),
        ("SELECT Id, Name, name FROM Opportunity", "INVALID_FIELD"),
        ("SELECT Acount.Name FROM Opportunity", "INVALID_FIELD"),
        ("SELECT What.Amount FROM Task", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity WHERE Nme = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity WHERE Handoff_Summary__c = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Task WHERE Description LIKE '%x%'", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity WHERE CloseDate > '2026-01-01'", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity WHERE SystemModstamp > 2026-01-01", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity WHERE IsWon = 'true'", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity WHERE Amount = '10'", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity WHERE Name = 10", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity WHERE AccountId = 'nope'", "INVALID_QUERY_FILTER_OPERATOR"),
    ],
)
def test_a_query_with_a_mistake_is_refused(org: World, text: str, code: str) -> None:
    with pytest.raises(ApiError) as caught:
        ask(org, text)
    assert (caught.value.code, caught.value.status) == (code, 400)


def test_a_reader_sees_the_old_version_until_a_late_commit(org: World, book: dict[str, str]) -> None:
    org.clock.advance(60)
    org.settings["late_commit_ms"] = 3_000
    org.table("Opportunity").update(book["d2"], {"StageName": "Closed Won"}, by="setup")
    won = "SELECT Name FROM Opportunity WHERE IsWon = true AND SystemModstamp >= 2026-01-02T12:01:00Z"
    org.clock.advance(2)
    assert names(org, won) == []
    assert names(org, f"SELECT Name FROM Opportunity WHERE Id = '{book['d2']}' AND IsWon = false") == ["d2"]
    org.clock.advance(1)
    assert names(org, won) == ["d2"]
    assert (
        ask(org, "SELECT SystemModstamp FROM Opportunity WHERE Name = 'd2'")[0]["SystemModstamp"]
        < "2026-01-02T12:01:08"
    )


@pytest.mark.parametrize(
    "where",
    [
        "SystemModstamp >= 2026-01-02T12:00:00Z",
        "(SystemModstamp = 2026-01-02T12:00:00Z AND Id > '006000000000000') OR SystemModstamp > 2026-01-02T12:00:00Z",
        "IsWon = true AND SystemModstamp >= 2026-01-02T12:00:00Z",
        "Name = 'fresh'",
        "Name IN ('fresh', 'none') AND IsWon = true",
        "Id IN ('{id}')",
        "AccountId = '{account}'",
    ],
)
def test_an_idle_poll_looks_at_few_rows_however_large_the_org(org: World, where: str) -> None:
    table = org.table("Opportunity")
    long_ago = datetime(2025, 1, 1, tzinfo=UTC)
    for n in range(20_000):
        table.insert({"Name": f"n{n}", "StageName": "Closed Won"}, by="setup", at=long_ago)
    account = org.table("Account").insert({"Name": "a"}, by="setup").id
    fresh = table.insert({"Name": "fresh", "StageName": "Closed Won", "AccountId": account}, by="setup")
    kind = catalog(org).object("Opportunity")
    assert kind is not None
    condition = parse(f"SELECT Id FROM Opportunity WHERE {where.format(id=fresh.id, account=account)}").where
    looked_at = list(plan.candidates(table, kind, condition, deleted=False).rows)
    assert [row.id for row in looked_at] == [fresh.id]
