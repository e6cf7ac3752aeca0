"""What a query would answer with, asked for by ``columns=true`` as the vendor's command line does before it draws."""

from __future__ import annotations

from typing import Any

import pytest
from metadata_files import Admin
from simple_salesforce.api import Salesforce


def _names(columns: list[dict[str, Any]]) -> list[Any]:
    return [[c["columnName"], _names(c["joinColumns"])] if c["joinColumns"] else c["columnName"] for c in columns]


@pytest.mark.parametrize(
    ("soql", "names"),
    [
        ("SELECT Id, Account.Owner.Name, Name FROM Opportunity", ["Id", ["Account", [["Owner", ["Name"]]]], "Name"]),
        ("SELECT StageName, COUNT(Id), MAX(Amount) most FROM Opportunity GROUP BY StageName", None),
    ],
)
def test_columns_are_told_without_rows(sf: Salesforce, deal: str, soql: str, names: list[Any] | None) -> None:
    told = sf.restful("query", params={"q": soql, "columns": "true"})
    assert "records" not in told
    assert told["entityName"] == "Opportunity"
    assert told["groupBy"] is (names is None)
    if names is not None:
        assert _names(told["columnMetadata"]) == names
        return
    shown = [(c["columnName"], c["displayName"], c["aggregate"]) for c in told["columnMetadata"]]
    assert shown == [("StageName", "StageName", False), ("expr0", "count(Id)", True), ("most", "max(Amount)", True)]


def test_a_query_that_cannot_be_asked_has_no_columns(sf: Salesforce) -> None:
    with pytest.raises(Exception, match="INVALID_FIELD"):
        sf.restful("query", params={"q": "SELECT Nothing__c FROM Opportunity", "columns": "true"})


def test_the_setup_tells_its_columns_too(admin: Admin) -> None:
    text = "SELECT Id, EntityDefinition.DeveloperName FROM ValidationRule"
    told = admin.call("GET", "/tooling/query", params={"q": text, "columns": "true"}).json()
    assert _names(told["columnMetadata"]) == ["Id", ["EntityDefinition", ["DeveloperName"]]]
