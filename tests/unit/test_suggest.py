"""Which field of a company's own is meant: by name, by what it can hold, by how often it is filled."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.crm.port import FieldSchema
from connector.handoff.model import Kind, SystemName
from connector.handoff.rulebook.fields import FieldType
from connector.policy.load import load
from connector.policy.suggest import LIKELY, Fills, Suggestion, Wanted, candidates, suggest, wanted
from connector.policy.synonyms import SYNONYMS

SF = SystemName("sf")
MAP = load(Path(__file__).parents[2] / "mappings", {SF: "salesforce"}).maps[SF]
WANTED = wanted(MAP, absent_from={})


def a_field(name: str, label: str, type: str = "textarea", **changes: object) -> FieldSchema:
    given = {"writable": True, "max_length": 255, "choices": (), **changes}
    return FieldSchema(name=name, label=label, type=type, **given)  # type: ignore[arg-type]


def found(*fields: FieldSchema, kind: Kind = Kind.DEAL, filled: dict[str, int] | None = None) -> dict[str, Suggestion]:
    """What is suggested where a CRM has these fields, of ten records."""
    fills = {kind: Fills(10, filled)} if filled is not None else None
    return {one.path: one for one in suggest(WANTED, {kind: {one.name: one for one in fields}}, fills)}


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("success_criteria", a_field("Success_Metrics__c", "Success metrics")),
        ("success_criteria", a_field("KPIs__c", "KPIs")),
        ("why_bought", a_field("closed_won_reason", "Closed Won Reason", "string")),
        ("why_bought", a_field("Pain__c", "Pain points")),
        ("competition", a_field("Main_Competitors__c", "Main Competitor(s)", "string")),
        ("economic_buyer", a_field("Decision_Maker__c", "Decision maker", "string")),
        ("go_live_date", a_field("goLiveTarget", "Target go-live", "date")),
        ("risks", a_field("Implementation_Risks__c", "Implementation risks")),
        ("stakeholders", a_field("Buying_Committee__c", "Buying committee")),
    ],
)
def test_names_that_people_use_are_recognised(path: str, field: FieldSchema) -> None:
    (one,) = found(field, filled={field.name: 8}).values()
    assert (one.path, one.field) == (path, field.name)
    assert one.score >= LIKELY, one
    assert "filled on 8 of 10" in one.why


@pytest.mark.parametrize(
    "field",
    [
        a_field("OwnerId", "Owner ID", "reference"),
        a_field("closed_lost_reason", "Closed Lost Reason", "string"),
        a_field("Shirt_Size__c", "Shirt size", "string"),
        a_field("Close_Reason_Date__c", "Reason date", "date"),
        a_field("Go_Live__c", "Go-live date", "boolean"),
        a_field("Handoff_Champion__c", "Champion", "string"),
        a_field("Success_Rollup__c", "Success metrics", writable=False),
    ],
)
def test_what_only_sounds_alike_is_not(field: FieldSchema) -> None:
    assert not any(one.is_likely for one in found(field, filled={field.name: 10}).values())


def test_how_often_a_field_is_filled_decides_between_two() -> None:
    fields = a_field("Goals__c", "Goals"), a_field("Customer_Goals__c", "Goals")
    one = found(*fields, filled={"Goals__c": 1, "Customer_Goals__c": 9})["success_criteria"]
    assert one.field == "Customer_Goals__c"
    assert one.others[0].startswith("Goals__c (")
    assert found(*fields)["success_criteria"].of == 0, "nothing was counted, and nothing is said of it"


def test_a_field_stands_for_one_name_and_a_list_of_words_for_no_person() -> None:
    both = found(a_field("Decision_Makers__c", "Decision makers", "string"))
    assert len(both) == 1, "economic buyer and stakeholders both go by that name"
    csm = a_field("CSM__c", "CSM", "reference")
    assert found(csm, kind=Kind.ACCOUNT)["account.csm"].type is FieldType.PERSON
    partner = a_field("CSM__c", "CSM", "reference", refers=("Partner__c",))
    assert "account.csm" not in found(partner, kind=Kind.ACCOUNT), "it leads to something else"
    assert "account.csm" in found(a_field("CSM__c", "CSM", "reference", refers=("User",)), kind=Kind.ACCOUNT)
    named = a_field("csm", "CSM", "enumeration", choices=("Ana", "Ben"))
    assert "account.csm" not in found(named, kind=Kind.ACCOUNT)
    frozen = a_field("CSM__c", "CSM", "reference", createable=True, updateable=False)
    assert "account.csm" not in found(frozen, kind=Kind.ACCOUNT), "the connector keeps it, so it must be writable"


def test_only_what_is_missing_is_wanted_and_the_likeliest_fields_are_read_first() -> None:
    there = {Kind.DEAL: {one.field for one in MAP.of(Kind.DEAL)}, Kind.ACCOUNT: {"Handoff_CSM__c"}}
    left = {one.path for one in wanted(MAP, absent_from=there)}
    assert "success_criteria" not in left
    assert "account.csm" not in left
    fields = {one.name: one for one in (a_field("Zebra__c", "Zebra"), a_field("Goals__c", "Goals"))}
    fields["Name"] = a_field("Name", "Name", "string")
    assert candidates(fields, MAP, kind=Kind.DEAL, names=WANTED) == ("Goals__c", "Zebra__c")


def test_every_name_with_synonyms_is_one_that_the_shipped_mapping_asks_for() -> None:
    assert set(SYNONYMS) <= {one.path for one in WANTED} | {"account.industry", "account.country", "account.employees"}
    assert Wanted("success_criteria", Kind.DEAL, "Success criteria", FieldType.LONG_TEXT) in WANTED
